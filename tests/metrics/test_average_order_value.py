"""Average order value: what one purchase is decides it."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given

from crmkit.errors import InvalidInput
from crmkit.metrics import average_order_value
from crmkit.model import Deal, Money, Order
from crmkit.testing.strategies import simplest
from tests.metrics.cases import deals, orders
from tests.metrics.oracle import Asked, Fact, asked, check, priced_deals

MAY = date(2025, 5, 31)
NOON = datetime(2025, 5, 2, 12, tzinfo=UTC)


def order(amount: str | None, **given_: Any) -> Order:
    return simplest(Order, **{"at": NOON, "amount": amount and Money(amount, "PLN")} | given_)


def lines(*amounts: float | None, **columns: list[Any]) -> pl.DataFrame:
    """Rows of a foreign table; all are lines of the order "a" at noon, unless said otherwise."""
    n = len(amounts)
    return pl.DataFrame(
        {"id": ["a"] * n, "at": [NOON] * n, "amount": amounts} | columns,
        schema_overrides={"amount": pl.Float64, "at": pl.Datetime("us", "UTC")},
    )


def average(facts: list[Fact]) -> dict[str, Any]:
    total = sum(fact.worth for fact in facts)
    return {"value": total / len(facts) if facts else None, "numerator": total, "denominator": len(facts)}


def bought(given_: list[Order], asked_: Asked) -> Iterator[Fact]:
    for each in given_:
        if not asked_.is_known(each.at):
            continue
        if each.amount is None:
            yield Fact(each.at, "no amount", asked_.group(each))
        elif each.category == "cancelled":
            yield Fact(each.at, "cancelled", asked_.group(each))
        else:
            worth = each.amount.amount
            yield Fact(each.at, "purchase" if worth >= 0 else "refund", asked_.group(each), worth)


@pytest.mark.parametrize("method", ["order", "row"])
@given(orders, asked(by="owner_id"))
def test_it_is_the_mean_of_orders(method: str, given_: list[Order], asked_: Asked) -> None:
    result = average_order_value(given_, method=method, **asked_.options)

    check(result, bought(given_, asked_), ["purchase"], asked_, average)


def bought_in_a_day(given_: list[Order], asked_: Asked) -> Iterator[Fact]:
    """All that a customer bought on a day and in a group is one purchase, at its first instant."""
    purchases: dict[object, list[Fact]] = {}
    for each in given_:
        for fact in bought([each], asked_):
            assert fact.at is not None
            if fact.outcome in {"purchase", "refund"}:
                purchases.setdefault((each.customer_id, asked_.day(fact.at), fact.group), []).append(fact)
            else:
                yield fact
    for facts in purchases.values():
        worth, first = sum(fact.worth for fact in facts), min(fact.at for fact in facts if fact.at)
        yield Fact(first, "purchase" if worth >= 0 else "refund", facts[0].group, worth)


@given(orders, asked(by="owner_id"))
def test_by_customer_and_day_it_is_the_mean_of_what_a_customer_bought_on_a_day(
    given_: list[Order], asked_: Asked
) -> None:
    result = average_order_value(given_, method="customer_day", **asked_.options)

    check(result, bought_in_a_day(given_, asked_), ["purchase"], asked_, average)


@given(deals, asked(by="owner_id"))
def test_by_won_deal_it_is_the_mean_amount_of_won_deals(given_: list[Deal], asked_: Asked) -> None:
    result = average_order_value(given_, method="won_deal", **asked_.options)

    check(result, priced_deals(given_, asked_), ["won"], asked_, average)


def test_orders_without_a_customer_are_not_one_purchase_of_nobody() -> None:
    measure = average_order_value([order("100"), order("200")], as_of=MAY, method="customer_day").only

    assert (measure.value, measure.n) == (150.0, 2)


def test_rows_without_an_order_id_are_not_one_order() -> None:
    measure = average_order_value(lines(100, 200, id=[None, None]), as_of=MAY).only

    assert measure.value != 300.0


def test_lines_of_one_order_are_one_purchase_at_its_first_instant() -> None:
    frame = lines(100, 50, -30, 200, id=["a", "a", "a", "b"], at=[NOON, NOON + timedelta(days=30), NOON, NOON])
    result = average_order_value(frame, as_of=date(2025, 6, 30), every="month")

    assert [(measure.value, measure.n) for measure in result] == [(160.0, 2), (None, 0)]
    assert average_order_value(frame, as_of=date(2025, 6, 30), method="row").only.n == 3


def test_a_refund_alone_and_a_cancelled_order_are_left_out_and_counted_but_a_free_one_is_in() -> None:
    rows = [order("100"), order("0"), order("-50"), order("70", category="cancelled"), order(None)]
    measure = average_order_value(rows, as_of=MAY).only

    assert (measure.value, measure.numerator, measure.denominator) == (50.0, 100.0, 2)
    assert measure.excluded == {"cancelled": 1, "no amount": 1, "refund": 1}


def test_left_out_rows_are_counted_one_by_one_also_by_customer_and_day() -> None:
    rows = [order("100", customer_id="ann"), *[order("70", customer_id="ann", category="cancelled")] * 2]
    measure = average_order_value(rows, as_of=MAY, method="customer_day").only

    assert (measure.value, measure.excluded) == (100.0, {"cancelled": 2})


def test_an_order_without_a_date_is_left_out_and_counted() -> None:
    measure = average_order_value(lines(100, 50, at=[NOON, None], id=["a", "b"]), as_of=MAY).only

    assert (measure.value, measure.excluded) == (100.0, {"no date": 1})


def test_an_order_without_a_category_was_bought() -> None:
    assert average_order_value(lines(100, category=[None]), as_of=MAY).value == 100.0


def test_amounts_in_several_currencies_are_refused_unless_grouped() -> None:
    rows = [order("100"), Order(at=NOON, amount=Money(9, "THB"))]

    with pytest.raises(InvalidInput, match="amounts in PLN, THB cannot be added; convert them .* by='currency'"):
        average_order_value(rows, as_of=MAY)
    assert [measure.unit for measure in average_order_value(rows, as_of=MAY, by="currency")] == ["PLN", "THB"]


def test_an_amount_without_a_currency_is_not_added_silently_to_one_with() -> None:
    frame = lines(1, 2, id=["a", "b"], currency=["PLN", None])

    try:
        measure = average_order_value(frame, as_of=MAY).only
    except InvalidInput:
        return
    assert measure.warnings or measure.excluded


def test_without_a_currency_the_unit_is_money_with_a_warning() -> None:
    measure = average_order_value(lines(100), as_of=MAY).only

    assert (measure.unit, measure.warnings) == ("money", ("the data does not say the currency",))


def test_the_interval_is_that_of_the_mean() -> None:
    measure = average_order_value([order("1"), order("2"), order("3")], as_of=MAY).only

    assert (measure.low, measure.high) == pytest.approx((0.868, 3.132), abs=5e-4)


def test_the_interval_of_large_amounts_is_as_wide_as_that_of_small_ones() -> None:
    near = [order(str(10**9 + step)) for step in (1, 2, 3)]
    measure = average_order_value(near, as_of=MAY).only

    assert measure.low is not None
    assert measure.high is not None
    assert measure.high - measure.low == pytest.approx(2 * 1.1316, abs=1e-3)


def test_one_order_has_a_mean_without_an_interval() -> None:
    measure = average_order_value([order("100")], as_of=MAY).only

    assert (measure.value, measure.low, measure.high) == (100.0, None, None)


def test_a_column_to_group_by_may_have_a_name_that_is_used_inside() -> None:
    frame = lines(100, 200, id=["a", "b"], purchase_day=["x", "y"])

    assert [measure.value for measure in average_order_value(frame, as_of=MAY, by="purchase_day")] == [100.0, 200.0]


@pytest.mark.parametrize("by", ["at", "amount", "id", "customer_id", "category", "currency"])
@pytest.mark.parametrize("method", ["order", "customer_day", "row"])
def test_any_column_may_be_grouped_by_even_one_that_is_counted_with(by: str, method: str) -> None:
    rows = [order("100", id="a", customer_id="ann"), order("100", id="b", customer_id="ben")]

    assert sum(measure.n for measure in average_order_value(rows, as_of=MAY, by=by, method=method)) == 2


@pytest.mark.parametrize("word", ["Completed", "paid", "purchase", "refund", "no date", "no amount"])
def test_an_unknown_category_is_an_error_and_no_missing_order(word: str) -> None:
    with pytest.raises(InvalidInput, match=f"column 'category' holds '{word}' .1 rows.; accepted are 'open', 'comp"):
        average_order_value(lines(100, category=[word]), as_of=MAY)


def test_cdnow_has_its_published_average_check_by_customer_and_day_and_by_row(published: Path) -> None:
    rows = [line.split() for line in (published / "cdnow" / "CDNOW_sample.txt").read_text().splitlines() if line]
    frame = pl.DataFrame([(row[1], row[2], float(row[4])) for row in rows], ["customer", "day", "paid"], orient="row")
    frame = frame.with_columns(pl.col("day").str.to_datetime("%Y%m%d", time_zone="UTC"))
    columns = {"customer_id": "customer", "at": "day", "amount": "paid"}
    by_day, by_row = (
        average_order_value(frame, as_of=date(1998, 6, 30), method=method, columns=columns).only
        for method in ("customer_day", "row")
    )

    assert by_day.value == pytest.approx(36.4534, abs=5e-5)
    assert by_row.value == pytest.approx(35.2785, abs=5e-5)
    assert (by_row.n, by_row.excluded) == (6919, {})


def test_the_maven_pipeline_has_its_published_average_deal(published: Path) -> None:
    frame = pl.read_csv(published / "maven_crm" / "sales_pipeline.csv").with_columns(
        pl.col("close_date").str.to_datetime("%m/%d/%Y", time_zone="UTC"),
        pl.col("deal_stage").replace_strict({"Won": "won", "Lost": "lost", "Engaging": "open", "Prospecting": "open"}),
    )
    columns = {"closed_at": "close_date", "category": "deal_stage", "amount": "close_value"}
    measure = average_order_value(frame, as_of=date(2018, 1, 1), method="won_deal", columns=columns).only

    assert measure.value == pytest.approx(2360.909391)
    assert (measure.numerator, measure.n) == (10_005_534.0, 4238)
