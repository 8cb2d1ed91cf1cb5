"""What it costs to win a lead or a customer, and to keep one."""

import json
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmkit.errors import InvalidInput
from crmkit.frames import from_records
from crmkit.metrics import Measure, MetricResult
from crmkit.metrics.spending import acquisition_cost, cost_per_lead, retention_cost
from crmkit.model import Cost, Lead, Money, Subscription
from crmkit.rules import field
from tests.examples import few
from tests.frames.kinds import KINDS

AS_OF = date(2025, 3, 31)
JAN, FEB, MAR = (datetime(2025, month, 1, tzinfo=UTC) for month in (1, 2, 3))
DAY = timedelta(days=1)
MONTHS = {"2025-01": (date(2025, 1, 1), date(2025, 2, 1)), "2025-02": (date(2025, 2, 1), date(2025, 3, 1))}


def cost(amount: Any = "100", on: date = date(2025, 2, 2), category: str = "advertising", **more: Any) -> Cost:
    return Cost(category=category, amount=Money(amount, more.pop("currency", "PLN")), incurred_on=on, **more)


def lead(at: datetime | None = FEB, **more: Any) -> Lead:
    return Lead(created_at=at, **more)


def contract(customer: str, start: datetime, end: datetime | None = None) -> Subscription:
    category: Any = "active" if end is None else "lapsed"
    price = Money("99", "PLN")
    return Subscription(
        customer_id=customer, plan="Gym", price=price, category=category, started_at=start, ended_at=end
    )


def per_lead(costs: Any, leads: Any, **options: Any) -> Measure:
    asked: dict[str, Any] = {"start": FEB, "end": MAR, "as_of": AS_OF, **options}
    return cost_per_lead(costs=costs, leads=leads, **asked).only


days = st.dates(date(2024, 12, 20), date(2025, 4, 10))
services = st.none() | st.tuples(days, st.integers(1, 60))
costs = st.lists(
    st.builds(
        lambda units, on, service, share, category, campaign: cost(
            Decimal(units) / 100,
            on,
            category,
            starts_on=service and service[0],
            ends_on=service and service[0] + timedelta(service[1]),
            allocation_share=Decimal(share) / 4,
            campaign_id=campaign,
        ),
        st.integers(0, 10**6),
        days,
        services,
        st.integers(0, 4),
        st.sampled_from(["advertising", "agency"]),
        st.sampled_from([None, "spring"]),
    ),
    max_size=6,
)
leads = st.lists(
    st.builds(
        lead, st.sampled_from([None, JAN, FEB, MAR, FEB - DAY / 9]), campaign_id=st.sampled_from([None, "spring"])
    ),
    max_size=6,
)


def spent(each: Cost, start: date, end: date) -> Fraction:
    """What of a cost falls into some days, day by day."""
    first = each.starts_on or each.incurred_on
    length = 1 if each.ends_on is None else (each.ends_on - first).days
    inside = sum(start <= first + timedelta(number) < end for number in range(length))
    return Fraction(each.amount.amount) * Fraction(each.allocation_share) * inside / length


@few
@given(costs, leads)
def test_each_month_has_the_costs_of_its_days_over_its_leads(costs_: list[Cost], leads_: list[Lead]) -> None:
    result = cost_per_lead(costs=costs_, leads=leads_, every="month", start=JAN, end=MAR, as_of=AS_OF)

    for each in result:
        assert each.period is not None
        start, end = MONTHS[each.period.label]
        total = sum(spent(one, start, end) for one in costs_)
        n = sum(one.created_at is not None and start <= one.created_at.date() < end for one in leads_)
        assert each.numerator == pytest.approx(float(total), abs=2e-4 * max(1, len(costs_)))
        assert each.numerator == pytest.approx(sum(each.details.values()))
        assert (each.denominator, each.n) == (n, n)
        assert each.value == (pytest.approx((each.numerator or 0) / n) if n else None)
        assert each.reason == (None if n else "there was no lead")
    whole = cost_per_lead(costs=costs_, leads=leads_, start=JAN, end=MAR, as_of=AS_OF).only
    assert whole.numerator == pytest.approx(sum(each.numerator or 0 for each in result))


@few
@given(st.data(), costs, leads)
def test_the_order_of_rows_is_irrelevant(data: st.DataObject, costs_: list[Cost], leads_: list[Lead]) -> None:
    shuffled: dict[str, Any] = {
        "costs": data.draw(st.permutations(costs_)),
        "leads": data.draw(st.permutations(leads_)),
    }

    asked: dict[str, Any] = {"every": "month", "by": "campaign_id", "as_of": AS_OF}
    assert cost_per_lead(**shuffled, **asked) == cost_per_lead(costs=costs_, leads=leads_, **asked)


@few
@given(costs, leads, st.sampled_from([None, "month"]))
def test_parts_and_groups_add_up_to_the_whole(costs_: list[Cost], leads_: list[Lead], every: str | None) -> None:
    asked: dict[str, Any] = {"every": every, "as_of": AS_OF}
    whole = cost_per_lead(costs=costs_, leads=leads_, **asked)
    parts = [cost_per_lead(costs=costs_[part::2], leads=leads_[part::2], **asked) for part in (0, 1)]
    groups = cost_per_lead(costs=costs_, leads=leads_, by="campaign_id", **asked)

    assert parts[0] + parts[1] == whole
    for name in ("numerator", "denominator"):
        assert sum(getattr(each, name) for each in groups) == pytest.approx(sum(getattr(each, name) for each in whole))


@few
@given(costs, leads)
def test_the_digits_are_the_same_for_every_kind_of_data(costs_: list[Cost], leads_: list[Lead]) -> None:
    asked: dict[str, Any] = {"every": "month", "by": "campaign_id", "as_of": AS_OF}
    results = [cost_per_lead(costs=made(costs_, Cost), leads=made(leads_, Lead), **asked) for made in KINDS.values()]

    assert all(result == results[0] for result in results)


@few
@given(costs, leads, days)
def test_a_day_after_as_of_has_not_been_paid_for(costs_: list[Cost], leads_: list[Lead], now: date) -> None:
    measure = cost_per_lead(costs=costs_, leads=leads_, as_of=now).only

    wanted = sum(spent(each, date.min, now + DAY) for each in costs_)
    assert measure.numerator == pytest.approx(float(wanted), abs=2e-4 * max(1, len(costs_)))


def test_a_rule_says_what_a_lead_is_and_leaves_the_costs() -> None:
    rows = [lead(source="web"), lead(source="spam")]

    assert per_lead([cost()], rows, where=field("source") == "web").value == 100


@pytest.mark.parametrize(("total", "n", "published"), [(100_000, 500, 200), (50_000, 1_000, 50)])
def test_acquisition_costs_are_the_published_ones(total: int, n: int, published: int) -> None:
    rows = [contract(f"c{number}", FEB + DAY) for number in range(n)]

    for method in ("fully_loaded", "paid"):
        result = acquisition_cost(
            costs=[cost(total)], subscriptions=rows, method=method, start=FEB, end=MAR, as_of=AS_OF
        )
        assert (result.value, result.only.unit) == (published, "PLN")


@pytest.mark.parametrize(
    ("total", "kept", "left", "method", "published"),
    [(10_000, 500, 0, "retained", 20), (125_000, 250, 0, "active_end", 500), (900, 10, 10, "average_active", 60)],
)
def test_retention_costs_are_the_published_ones(
    total: int, kept: int, left: int, method: str, published: float
) -> None:
    rows = [contract(f"c{number}", JAN, None if number < kept else FEB + DAY) for number in range(kept + left)]
    spent_ = [cost(total * 3 // 5, category="staff"), cost(total * 2 // 5, category="loyalty")]
    result = retention_cost(costs=spent_, subscriptions=rows, method=method, start=FEB, end=MAR, as_of=AS_OF)

    assert result.value == published
    assert result.only.details == {"staff": total * 3 / 5, "loyalty": total * 2 / 5}


def test_who_comes_back_is_not_new_and_nobody_new_has_no_cost_each() -> None:
    rows = [contract("ann", JAN - DAY, JAN), contract("ann", FEB + DAY)]
    measure = acquisition_cost(costs=[cost()], subscriptions=rows, start=FEB, end=MAR, as_of=AS_OF).only

    assert (measure.value, measure.numerator, measure.denominator) == (None, 100, 0)
    assert measure.reason == "there was no new customer"


def test_paid_costs_leave_out_salaries_and_tools() -> None:
    costs_ = [cost("100"), cost("900", category="salaries")]
    rows = [contract("ann", FEB + DAY)]
    asked: dict[str, Any] = {"costs": costs_, "subscriptions": rows, "start": FEB, "end": MAR, "as_of": AS_OF}

    assert acquisition_cost(**asked).value == 1000
    assert acquisition_cost(**asked, method="paid").value == 100
    assert acquisition_cost(**asked, method="paid", paid=["salaries"]).value == 900


def test_a_lag_brings_the_costs_to_the_customers_that_they_won() -> None:
    asked: dict[str, Any] = {"costs": [cost(on=date(2025, 1, 20))], "subscriptions": [contract("ann", FEB + 18 * DAY)]}

    assert acquisition_cost(**asked, start=FEB, end=MAR, as_of=AS_OF).value == 0
    assert acquisition_cost(**asked, start=FEB, end=MAR, as_of=AS_OF, lag_days=30).value == 100


def test_a_year_of_rent_is_shared_by_days_or_booked_at_once() -> None:
    rent = cost(
        "365", date(2025, 2, 2), starts_on=date(2025, 1, 1), ends_on=date(2026, 1, 1), allocation_share=Decimal("0.5")
    )

    assert per_lead([rent], [lead()]).value == 14
    assert per_lead([rent], [lead()], accrual="cash").value == 182.5
    assert per_lead([rent], [lead()], as_of=FEB + 2 * DAY).value == 1.5


def test_the_days_of_the_zone_count() -> None:
    last = datetime(2025, 1, 31, 18, tzinfo=UTC)  # in Bangkok it is February already

    bangkok = cost_per_lead(
        costs=[cost()], leads=[lead(last)], every="month", tz="Asia/Bangkok", as_of=date(2025, 2, 28)
    )
    utc = cost_per_lead(costs=[cost()], leads=[lead(last)], every="month", as_of=date(2025, 2, 28))
    assert [each.value for each in bangkok] == [100]
    assert [(each.value, each.numerator) for each in utc] == [(0, 0), (None, 100)]


def test_what_cannot_be_counted_is_left_out_and_counted() -> None:
    rows = [cost(), cost()]
    frame = from_records(rows, Cost).with_columns(amount=pl.Series([100, None], dtype=pl.Int64))
    measure = per_lead(frame, [lead(), lead(None)])

    assert (measure.value, measure.excluded) == (100, {"no amount": 1, "no creation date": 1})
    assert measure.n == 1
    undated = from_records(rows, Cost).with_columns(incurred_on=pl.Series([None, date(2025, 2, 2)]))
    assert per_lead(undated, [lead()]).excluded == {"no day": 1}


def test_a_table_of_costs_needs_three_columns() -> None:
    frame = pl.DataFrame({"category": ["ads/web"], "amount": [9.5], "incurred_on": [date(2025, 2, 2)]})
    measure = per_lead(frame, [lead()])

    assert (measure.value, measure.details, measure.warnings) == (
        9.5,
        {"ads/web": 9.5},
        ("the data does not say the currency",),
    )


def test_costs_in_several_currencies_are_refused() -> None:
    with pytest.raises(InvalidInput, match="amounts in PLN, THB cannot be added"):
        per_lead([cost(), cost(currency="THB")], [lead()])


def test_a_category_that_keeps_no_customer_is_refused_by_name() -> None:
    with pytest.raises(InvalidInput, match="column 'category' holds 'advertising'"):
        retention_cost(costs=[cost()], subscriptions=[], as_of=AS_OF)


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("allocation_share", 1.5, "column 'allocation_share' holds 1.5; give a number from 0 to 1"),
        ("ends_on", date(2025, 1, 1), "column 'ends_on' holds 2025-01-01, which is not after 2025-02-02"),
        ("incurred_on", "2025-02-02", "column 'incurred_on' is String; give dates"),
    ],
)
def test_a_cost_that_makes_no_sense_is_refused_by_its_column(column: str, value: Any, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        per_lead(from_records([cost()], Cost).with_columns(pl.lit(value).alias(column)), [lead()])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lag_days": -1}, "^lag_days=-1"),
        ({"accrual": "weekly"}, "^accrual='weekly'"),
        ({"method": "order"}, "reads the table 'orders'; give orders="),
    ],
)
def test_an_option_that_makes_no_sense_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        acquisition_cost(costs=[], subscriptions=[], as_of=AS_OF, **options)


@pytest.mark.parametrize(
    ("metric", "inputs"),
    [
        (retention_cost, {"subscriptions": Subscription}),
        (acquisition_cost, {"subscriptions": Subscription}),
        (cost_per_lead, {"leads": Lead}),
    ],
)
@pytest.mark.parametrize("kind", KINDS)
def test_nothing_has_no_cost_each(metric: Callable[..., MetricResult], inputs: dict[str, Any], kind: str) -> None:
    made = {name: KINDS[kind]([], cls) for name, cls in inputs.items()}
    measure = metric(costs=KINDS[kind]([], Cost), **made, as_of=AS_OF).only

    assert (measure.value, measure.numerator, measure.denominator, measure.n) == (None, 0, 0, 0)
    assert measure.reason


def test_behind_a_measure_stand_the_costs_and_the_leads() -> None:
    result = cost_per_lead(costs=[cost(id="c1")], leads=[lead(id="l1")], start=FEB, end=MAR, as_of=AS_OF)

    assert result.explain(result.only) == {"numerator": ["c1"], "denominator": ["l1"]}


def test_the_acquisition_cost_of_each_month_is_that_expected(published: Path) -> None:
    expected = json.loads((published / "expected" / "acquisition.json").read_text())
    folder = published / "acquisition"
    orders = pl.read_csv(folder / "orders.csv", schema_overrides={"Uid": pl.String}, try_parse_dates=True)
    orders = orders.select(customer_id="Uid", at=pl.col("Buy Ts").dt.replace_time_zone("UTC"))
    costs_ = pl.read_csv(folder / "costs.csv", try_parse_dates=True)
    costs_ = costs_.select(category=pl.lit("advertising"), incurred_on="dt", amount="costs")
    asked: dict[str, Any] = {"every": "month", "start": date(2017, 6, 1), "as_of": date(2017, 11, 30)}
    result = acquisition_cost(costs=costs_, orders=orders, method="order", **asked)

    assert {each.period.label: each.n for each in result if each.period} == expected["new_buyers_by_month"]
    found = {each.period.label: each.value for each in result if each.period}
    assert found == pytest.approx(expected["cac_by_month"], rel=1e-9)
