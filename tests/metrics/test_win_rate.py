"""Win rate: won of closed, won of created, and amount won."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given

from crmkit.errors import InvalidInput
from crmkit.metrics import win_rate
from crmkit.model import Deal, Money
from crmkit.testing.strategies import simplest
from tests.metrics.cases import deals
from tests.metrics.oracle import Asked, Fact, asked, check, closed_deals, priced_deals, share

MAY = date(2025, 5, 31)


def deal(category: Any, **given_: Any) -> Deal:
    closed = None if category == "open" else datetime(2025, 5, 2, tzinfo=UTC)
    return simplest(Deal, **{"category": category, "closed_at": closed} | given_)


@given(deals, asked(by="owner_id"))
def test_by_default_it_is_won_of_won_and_lost_by_close_date(given_: list[Deal], asked_: Asked) -> None:
    facts = [fact for _, fact in closed_deals(given_, asked_)]

    check(win_rate(given_, **asked_.options), facts, ["won", "lost"], asked_, lambda inside: share(inside, "won"))


def created_deals(given_: list[Deal], asked_: Asked) -> Iterator[Fact]:
    for each in given_:
        if each.created_at is None:
            yield Fact(None, "no creation date", asked_.group(each))
        elif asked_.is_known(each.created_at):
            later = each.closed_at is not None and not asked_.is_known(each.closed_at)
            yield Fact(each.created_at, "open" if later else each.category, asked_.group(each))


@given(deals, asked(by="owner_id"))
def test_by_creation_it_is_won_of_all_by_creation_date(given_: list[Deal], asked_: Asked) -> None:
    result = win_rate(given_, method="created", **asked_.options)

    check(
        result,
        created_deals(given_, asked_),
        ["open", "won", "lost"],
        asked_,
        lambda inside: share(inside, "won"),
    )


def weighed(facts: list[Fact]) -> dict[str, Any]:
    won, both = sum(fact.worth for fact in facts if fact.outcome == "won"), sum(fact.worth for fact in facts)
    return {"value": won / both if both else None, "numerator": won, "denominator": both}


@given(deals, asked(by="owner_id"))
def test_by_amount_it_is_amount_won_of_amount_closed(given_: list[Deal], asked_: Asked) -> None:
    result = win_rate(given_, method="amount", **asked_.options)

    check(result, priced_deals(given_, asked_), ["won", "lost"], asked_, weighed)


def test_5_won_of_15_closed_are_a_third_with_the_published_interval() -> None:
    measure = win_rate([deal("won")] * 5 + [deal("lost")] * 10 + [deal("open")] * 7, as_of=MAY).only

    assert (measure.value, measure.numerator, measure.denominator, measure.n) == (5 / 15, 5, 15, 15)
    assert (measure.low, measure.high) == pytest.approx((0.1518, 0.5829), abs=5e-5)
    assert measure.excluded == {"open": 7}


def test_10_won_of_40_created_are_a_quarter() -> None:
    created = {"created_at": datetime(2025, 5, 1, tzinfo=UTC)}
    rows = [deal("won", **created)] * 10 + [deal("lost", **created)] * 5 + [deal("open", **created)] * 25

    assert win_rate(rows, as_of=MAY, method="created").value == 0.25
    assert win_rate(rows, as_of=MAY).value == pytest.approx(10 / 15)


def test_one_large_deal_decides_the_win_rate_by_amount() -> None:
    rows = [deal("won", amount=Money(900, "PLN")), deal("lost", amount=Money(100, "PLN")), deal("lost", amount=None)]
    measure = win_rate(rows, as_of=MAY, method="amount").only

    assert (measure.value, measure.numerator, measure.denominator, measure.n) == (0.9, 900.0, 1000.0, 2)
    assert measure.excluded == {"no amount": 1}
    assert measure.low is None


def test_amounts_in_several_currencies_are_refused_unless_grouped() -> None:
    rows = [deal("won", amount=Money(9, "PLN")), deal("lost", amount=Money(1, "THB"))]

    with pytest.raises(InvalidInput, match="amounts in PLN, THB cannot be added; convert them .* by='currency'"):
        win_rate(rows, as_of=MAY, method="amount")
    by_currency = win_rate(rows, as_of=MAY, method="amount", by="currency")
    assert [(measure.group, measure.value) for measure in by_currency] == [
        ({"currency": "PLN"}, 1.0),
        ({"currency": "THB"}, 0.0),
    ]


def test_without_a_currency_amounts_are_added_with_a_warning() -> None:
    frame = pl.DataFrame({"category": ["won"], "closed_at": [datetime(2025, 5, 2, tzinfo=UTC)], "amount": [9.0]})

    assert win_rate(frame, as_of=MAY, method="amount").only.warnings == ("the data does not say the currency",)


@pytest.mark.parametrize("amount", [1e300, -1e300, Decimal(10) ** 20])
def test_an_amount_that_no_sum_can_hold_is_refused_by_the_name_of_its_column(amount: float) -> None:
    frame = pl.DataFrame({"category": ["won"], "closed_at": [datetime(2025, 5, 2, tzinfo=UTC)], "amount": [amount]})

    with pytest.raises(InvalidInput, match="'amount'"):
        win_rate(frame, as_of=MAY, method="amount")


def test_the_largest_amount_is_summed_or_refused_by_the_name_of_its_column() -> None:
    largest = Money.from_minor_units(2**63 - 1, "JPY")

    try:
        assert win_rate([deal("won", amount=largest)], as_of=MAY, method="amount").only.numerator == float(2**63 - 1)
    except InvalidInput as refused:
        assert "'amount'" in str(refused)  # noqa: PT017 - refusing is one of two good answers


def test_a_fault_in_the_lazy_frame_of_the_caller_is_not_taken_for_a_large_amount() -> None:
    frame = pl.LazyFrame({"category": ["won"], "closed_at": [datetime(2025, 5, 2, tzinfo=UTC)], "owner_id": ["anna"]})

    with pytest.raises(Exception, match="anna"):
        win_rate(frame.with_columns(pl.col("owner_id").cast(pl.Int64)), as_of=MAY, by="owner_id")


def test_nothing_created_is_not_called_nothing_closed() -> None:
    assert win_rate([], as_of=MAY, method="created").only.reason == "no deal was created"


def test_a_deal_without_a_category_is_left_out_and_counted() -> None:
    days = [datetime(2025, 5, 2, tzinfo=UTC)] * 2
    frame = pl.DataFrame({"category": ["won", None], "closed_at": days, "created_at": days})

    for method in ("closed", "created"):
        measure = win_rate(frame, as_of=MAY, method=method).only
        assert (measure.n, measure.excluded) == (1, {"no category": 1})


@pytest.mark.parametrize("word", ["Won", "closed won", "", "no category", "closed without a close date"])
def test_an_unknown_category_is_an_error_and_no_missing_deal(word: str) -> None:
    frame = pl.DataFrame({"category": [word], "closed_at": [datetime(2025, 5, 2, tzinfo=UTC)]})

    with pytest.raises(InvalidInput, match=f"column 'category' holds '{word}' .1 rows.; accepted are 'open', 'won', "):
        win_rate(frame, as_of=MAY)


def test_the_maven_pipeline_has_its_published_win_rates(published: Path) -> None:
    stages = {"Won": "won", "Lost": "lost", "Engaging": "open", "Prospecting": "open"}
    frame = pl.read_csv(published / "maven_crm" / "sales_pipeline.csv").with_columns(
        pl.col("close_date").str.to_datetime("%m/%d/%Y", time_zone="UTC"),
        category=pl.col("deal_stage").replace_strict(stages),
    )
    columns = {"closed_at": "close_date", "owner_id": "sales_agent"}
    agents = {
        measure.group["owner_id"]: measure.value
        for measure in win_rate(frame, as_of=date(2018, 1, 1), by="owner_id", columns=columns)
    }

    assert win_rate(frame, as_of=date(2018, 1, 1), columns=columns).value == pytest.approx(0.6315005215)
    assert agents["Anna Snelling"] == pytest.approx(0.619047619)
    assert agents["Donn Cantrell"] == pytest.approx(0.5745454545)
    assert agents["Hayden Neloms"] == pytest.approx(0.7039473684)
