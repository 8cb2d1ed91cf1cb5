"""Recurring revenue: movements, revenue churn and revenue per account."""

import json
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from itertools import count, pairwise
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crmkit.errors import InvalidInput
from crmkit.frames import from_records
from crmkit.metrics import MetricResult
from crmkit.metrics.recurring import average_revenue_per_account, mrr_movements, revenue_churn
from crmkit.model import Money, Subscription
from crmkit.rules import field
from tests.examples import few
from tests.frames.kinds import KINDS

AS_OF = date(2025, 3, 31)
JAN, FEB, MAR = (datetime(2025, month, 1, tzinfo=UTC) for month in (1, 2, 3))
DAY, MICROSECOND = timedelta(days=1), timedelta(microseconds=1)
MOVES = ("new", "reactivation", "expansion", "contraction", "churn")
EVERYTHING = (mrr_movements, revenue_churn, average_revenue_per_account)
ids = map(str, count())
asked: dict[str, Any] = {"start": FEB, "end": MAR, "as_of": AS_OF}


def contract(
    customer: str, price: Any, start: datetime | None, end: datetime | None = None, **more: Any
) -> Subscription:
    given_: dict[str, Any] = {"id": next(ids), "plan": "Gym", "category": "active" if end is None else "lapsed", **more}
    money = Money(price, given_.pop("currency", "PLN"))
    return Subscription(customer_id=customer, price=money, started_at=start, ended_at=end, **given_)


moments = st.sampled_from(
    [month + shift for month in (JAN, FEB, MAR) for shift in (-MICROSECOND, 0 * DAY, DAY / 5, 9 * DAY)]
)
contracts = st.lists(
    st.builds(
        contract,
        st.sampled_from(["ann", "ben"]),
        st.integers(0, 40),
        moments,
        st.none() | moments,
        billing_months=st.sampled_from([1, 2, 4]),
        plan=st.sampled_from(["Gym", "Pool"]),
    ),
    max_size=7,
)


def paid_before(given_: list[Subscription], bound: datetime) -> dict[str, Fraction]:
    """What each active customer pays by the month just before an instant."""
    found: dict[str, Fraction] = {}
    for each in given_:
        start, end = each.started_at, each.ended_at
        if start and start < bound and (end is None or (end > start and end >= bound)):
            monthly = Fraction(each.price.amount) / each.billing_months
            found[each.customer_id] = found.get(each.customer_id, Fraction()) + monthly
    return found


def expected(given_: list[Subscription], start: datetime, end: datetime) -> dict[str, float]:
    before, after = paid_before(given_, start), paid_before(given_, end)
    ever = {
        each.customer_id
        for each in given_
        if each.started_at and each.started_at < start and (each.ended_at is None or each.ended_at > each.started_at)
    }
    moves = dict.fromkeys(("start", *MOVES, "end"), Fraction())
    moves["start"], moves["end"] = sum(before.values(), Fraction()), sum(after.values(), Fraction())
    for who in before.keys() | after.keys():
        change = after.get(who, Fraction()) - before.get(who, Fraction())
        if who not in after:
            move = "churn"
        elif who not in before:
            move = "reactivation" if who in ever else "new"
        else:
            move = "expansion" if change > 0 else "contraction"
        moves[move] += abs(change)
    return {name: float(total) for name, total in moves.items()}


@few
@given(contracts)
def test_each_month_moves_as_a_plain_reading_finds(given_: list[Subscription]) -> None:
    result = mrr_movements(given_, every="month", start=JAN, as_of=AS_OF)

    bounds = [JAN, FEB, MAR, datetime(2025, 4, 1, tzinfo=UTC)]
    assert [each.details for each in result] == [expected(given_, *each) for each in pairwise(bounds)]


@few
@given(contracts, st.sampled_from([None, "month"]))
def test_the_end_is_the_start_and_all_movements(given_: list[Subscription], every: str | None) -> None:
    for each in mrr_movements(given_, every=every, as_of=AS_OF):
        parts = each.details
        up, down = sum(parts[name] for name in MOVES[:3]), sum(parts[name] for name in MOVES[3:])
        assert parts["end"] == parts["start"] + up - down
        assert each.value == parts["end"] - parts["start"]


@few
@given(contracts)
def test_churn_divides_what_was_lost_by_what_there_was(given_: list[Subscription]) -> None:
    parts = expected(given_, FEB, MAR)
    lost = {"lost": parts["churn"], "gross": parts["churn"] + parts["contraction"]}
    lost["net"] = lost["gross"] - parts["expansion"]

    for method, amount in lost.items():
        measure = revenue_churn(given_, method=method, **asked).only
        assert (measure.numerator, measure.denominator) == (amount, parts["start"])
        assert measure.value == (pytest.approx(amount / parts["start"]) if parts["start"] else None)
        assert (measure.value is None) == (measure.reason is not None)


@few
@given(contracts)
def test_revenue_per_account_is_that_of_the_ends_or_of_every_day(given_: list[Subscription]) -> None:
    bounds = {"start": [FEB], "end": [MAR], "daily": [FEB + number * DAY for number in range(1, 29)]}

    for method, ends in bounds.items():
        paid = [amount for end in ends for amount in paid_before(given_, end).values()]
        measure = average_revenue_per_account(given_, method=method, **asked).only
        assert (measure.numerator, measure.denominator) == (float(sum(paid)), len(paid))
        assert measure.value == (pytest.approx(float(sum(paid)) / len(paid)) if paid else None)


@few
@given(st.data(), contracts)
def test_order_rules_and_parts_change_nothing(data: st.DataObject, given_: list[Subscription]) -> None:
    options: dict[str, Any] = {"every": data.draw(st.sampled_from([None, "month"])), "as_of": AS_OF}
    whole = mrr_movements(given_, **options)
    parts = [[each for each in given_ if (each.customer_id == "ann") == is_ann] for is_ann in (True, False)]
    kept = [each for each in given_ if each.plan == "Gym"]

    assert mrr_movements(data.draw(st.permutations(given_)), **options) == whole
    assert mrr_movements(parts[0], **options) + mrr_movements(parts[1], **options) == whole
    assert revenue_churn(given_, where=field("plan") == "Gym", **asked) == revenue_churn(kept, **asked)


@few
@given(contracts)
def test_groups_that_share_no_customer_add_up_to_the_total(given_: list[Subscription]) -> None:
    total = mrr_movements(given_, **asked).only
    groups = mrr_movements(given_, by="customer_id", **asked)

    assert total.details == {name: sum(each.details[name] for each in groups) for name in total.details}


@settings(max_examples=4)
@given(contracts)
def test_the_digits_are_the_same_for_every_kind_of_data(given_: list[Subscription]) -> None:
    options: dict[str, Any] = {"every": "month", "by": "plan", "start": FEB, "as_of": AS_OF}
    results = [revenue_churn(made(given_, Subscription), **options) for made in KINDS.values()]

    assert all(result == results[0] for result in results)


@few
@given(contracts, moments)
def test_what_happens_after_as_of_is_not_known(given_: list[Subscription], now: datetime) -> None:
    measure = mrr_movements(given_, start=JAN, as_of=now).only if now >= JAN else None

    assert measure is None or measure.details == expected(given_, JAN, now + MICROSECOND)


def test_a_price_is_divided_by_its_months_rounded_halves_up() -> None:
    rows = [contract("ann", "100", JAN, billing_months=12), contract("ben", "0.01", JAN, billing_months=8)]
    first, second = average_revenue_per_account(rows, method="end", by="customer_id", as_of=AS_OF)

    assert (first.value, second.value) == (8.3333, 0.0013)
    frame = from_records(rows, Subscription).with_columns(billing_months=pl.lit(None, pl.Int64))
    assert average_revenue_per_account(frame, method="end", as_of=AS_OF).only.numerator == 100.01


def test_one_of_two_contracts_ended_is_a_contraction_and_a_free_customer_an_account() -> None:
    rows = [contract("ann", 50, JAN), contract("ann", 30, JAN, FEB + DAY), contract("ben", 0, JAN)]
    parts = mrr_movements(rows, **asked).only.details

    assert parts == {"start": 80, "new": 0, "reactivation": 0, "expansion": 0, "contraction": 30, "churn": 0, "end": 50}
    assert average_revenue_per_account(rows, method="end", **asked).value == 25
    assert [revenue_churn(rows, method=method, **asked).value for method in ("lost", "gross")] == [0, 30 / 80]


def test_what_has_no_price_is_left_out_and_counted() -> None:
    rows = from_records([contract("ann", 50, JAN), contract("ben", 50, JAN), contract("cid", 50, None)], Subscription)
    frame = rows.with_columns(price=pl.Series([50.0, None, 9.0]))
    measure = mrr_movements(frame, **asked).only

    assert (measure.details["end"], measure.excluded) == (50, {"no amount": 1, "no start date": 1})
    zero = rows.with_columns(billing_months=pl.Series([1, 0, 1]))
    assert mrr_movements(zero, **asked).only.excluded == {"no billing period": 1, "no start date": 1}


def test_prices_in_several_currencies_are_refused_unless_grouped() -> None:
    rows = [contract("ann", 50, JAN), contract("ann", 50, JAN, currency="THB")]

    for metric in EVERYTHING:
        with pytest.raises(InvalidInput, match="amounts in PLN, THB cannot be added"):
            metric(rows, **asked)
    found = mrr_movements(rows, by="price_currency", **asked)
    assert [(each.unit, each.details["end"]) for each in found] == [("PLN", 50), ("THB", 50)]


def test_without_a_currency_prices_are_added_with_a_warning() -> None:
    frame = pl.DataFrame({"customer_id": ["ann"], "started_at": [JAN], "ended_at": [FEB + DAY], "price": [9.5]})
    measure = revenue_churn(frame, **asked).only

    assert (measure.value, measure.warnings) == (1, ("the data does not say the currency",))


def test_behind_a_measure_stand_the_ids_of_customers() -> None:
    rows = [contract("ann", 50, JAN), contract("ben", 50, JAN, FEB + DAY), contract("cid", 5, FEB + DAY)]
    churn, moves = revenue_churn(rows, **asked), mrr_movements(rows, method="new", **asked)

    assert churn.explain(churn.only) == {"numerator": ["ben"], "denominator": ["ann", "ben"]}
    assert moves.explain(moves.only)["numerator"] == ["cid"]


@pytest.mark.parametrize("metric", EVERYTHING)
@pytest.mark.parametrize("kind", KINDS)
def test_nothing_recurs_without_contracts(metric: Callable[..., MetricResult], kind: str) -> None:
    measure = metric(KINDS[kind]([], Subscription), start=FEB, as_of=AS_OF).only

    assert (measure.value, measure.n, measure.unit in {"money", "share"}) == (
        0 if metric is mrr_movements else None,
        0,
        True,
    )
    assert (measure.value is None) == (measure.reason is not None)
    assert len(metric(KINDS[kind]([], Subscription), every="month", as_of=AS_OF)) == 0


def test_a_missing_column_and_an_unknown_category_are_refused_by_name() -> None:
    frame = from_records([contract("ann", 50, JAN)], Subscription)

    for metric in EVERYTHING:
        with pytest.raises(InvalidInput, match="has no column 'price'"):
            metric(frame.drop("price"), as_of=AS_OF)
        with pytest.raises(InvalidInput, match="column 'category' holds 'gone' .1 rows."):
            metric(frame.with_columns(category=pl.lit("gone")), as_of=AS_OF)


def test_the_playbook_moves_as_expected(published: Path) -> None:
    expected_ = json.loads((published / "expected" / "mrr_playbook.json").read_text())
    frame = pl.read_csv(published / "mrr_playbook" / "subscription_periods.csv", try_parse_dates=True)
    frame = frame.with_columns(pl.col("start_date", "end_date").cast(pl.Datetime("us", "UTC")))
    columns = {"started_at": "start_date", "ended_at": "end_date", "price": "monthly_amount"}
    result = mrr_movements(frame, every="month", start=date(2018, 1, 1), as_of=date(2020, 2, 29), columns=columns)
    months = {each.period.label: each for each in result if each.period}

    assert {label: (each.details["end"], each.value) for label, each in months.items()} == {
        label: (each["mrr"], each["change"]) for label, each in expected_["by_month"].items()
    }
    theirs = {
        "new": "new",
        "reactivation": "reactivation",
        "expansion": "upgrade",
        "contraction": "downgrade",
        "churn": "churn",
    }
    for ours, name in theirs.items():
        moved = {label: each.details[ours] for label, each in months.items() if each.details[ours]}
        assert moved == {
            label: abs(each[name]["amount"]) for label, each in expected_["movements"].items() if name in each
        }


def test_telco_revenue_churns_as_expected(published: Path) -> None:
    expected_ = json.loads((published / "expected" / "telco.json").read_text())
    frame = pl.read_csv(published / "telco_churn" / "Telco-Customer-Churn.csv")
    left = pl.when(pl.col("Churn") == "Yes").then(pl.lit(FEB + DAY))
    frame = frame.with_columns(started_at=pl.lit(JAN), ended_at=left)
    options = asked | {"columns": {"customer_id": "customerID", "price": "MonthlyCharges"}}
    churn = revenue_churn(frame, **options).only

    assert (churn.denominator, churn.numerator) == (expected_["mrr_total"], expected_["mrr_churned"])
    assert churn.value == pytest.approx(expected_["mrr_churn_rate"], rel=1e-9)
    for method, name in (("start", "arpu"), ("end", "arpu_retained")):
        assert average_revenue_per_account(frame, method=method, **options).value == pytest.approx(
            expected_[name], rel=1e-9
        )
