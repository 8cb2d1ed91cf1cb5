"""What a customer is worth, to date and by constant churn."""

import json
from datetime import UTC, date, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmkit.errors import InvalidInput
from crmkit.frames import from_records
from crmkit.metrics.lifetime_value import customer_lifetime_value
from crmkit.model import Money, Order, Subscription
from crmkit.rules import field
from tests.examples import few
from tests.frames.kinds import KINDS

AS_OF = date(2025, 3, 31)
JAN, FEB, MAR = (datetime(2025, month, 1, tzinfo=UTC) for month in (1, 2, 3))
DAY, MICROSECOND = timedelta(days=1), timedelta(microseconds=1)
ids = map(str, count())


def order(customer: str | None, amount: Any, at: datetime = FEB, **more: Any) -> Order:
    return Order(id=next(ids), customer_id=customer, amount=amount and Money(amount, "PLN"), at=at, **more)


def contract(customer: str, price: Any, end: datetime | None = None, **more: Any) -> Subscription:
    given_: dict[str, Any] = {
        "plan": "Gym",
        "category": "active" if end is None else "lapsed",
        "started_at": JAN,
        **more,
    }
    return Subscription(customer_id=customer, price=Money(price, "PLN"), ended_at=end, **given_)


orders = st.lists(
    st.builds(
        order,
        st.sampled_from([None, "ann", "ben", "cid"]),
        st.none() | st.integers(-50, 500),
        st.sampled_from([JAN, FEB - MICROSECOND, FEB, MAR, datetime(2025, 5, 1, tzinfo=UTC)]),
        category=st.sampled_from(["completed", "open", "cancelled"]),
        source=st.sampled_from([None, "web"]),
    ),
    max_size=8,
)


def worth(rows: list[Order], month: int | None, last: date = AS_OF) -> tuple[float, int]:
    """What the customers of a month, or all, paid to date, and how many they are."""
    counted = [
        each
        for each in rows
        if each.customer_id and each.amount and each.category != "cancelled" and each.at.date() <= last
    ]
    firsts = {
        each.customer_id: min(one.at for one in counted if one.customer_id == each.customer_id) for each in counted
    }
    inside = {who for who, at in firsts.items() if month in {None, at.month}}
    return float(sum(each.amount.amount for each in counted if each.amount and each.customer_id in inside)), len(inside)


@few
@given(orders)
def test_it_is_what_the_customers_of_a_month_paid_to_date(rows: list[Order]) -> None:
    total = customer_lifetime_value(rows, as_of=AS_OF).only
    assert (total.numerator, total.denominator) == worth(rows, None)

    for each in customer_lifetime_value(rows, every="month", start=JAN, as_of=AS_OF):
        assert each.period is not None
        paid, n = worth(rows, each.period.start.month)
        assert (each.numerator, each.denominator) == (paid, n)
        assert each.value == (pytest.approx(paid / n) if n else None)
        assert each.reason == (None if n else "no customer bought")


@few
@given(st.data(), orders)
def test_order_rules_and_parts_change_nothing(data: st.DataObject, rows: list[Order]) -> None:
    asked: dict[str, Any] = {"every": "month", "as_of": AS_OF}
    whole = customer_lifetime_value(rows, **asked)
    parts = [[each for each in rows if (each.customer_id == "ann") == is_ann] for is_ann in (True, False)]
    kept = [each for each in rows if each.source == "web"]

    assert customer_lifetime_value(data.draw(st.permutations(rows)), **asked) == whole
    assert customer_lifetime_value(parts[0], **asked) + customer_lifetime_value(parts[1], **asked) == whole
    assert customer_lifetime_value(rows, where=field("source") == "web", **asked) == customer_lifetime_value(
        kept, **asked
    )
    groups = customer_lifetime_value(rows, by="customer_id", as_of=AS_OF)
    assert sum(each.numerator or 0 for each in groups) == worth(rows, None)[0]


@few
@given(orders)
def test_the_digits_are_the_same_for_every_kind_of_data(rows: list[Order]) -> None:
    results = [
        customer_lifetime_value(made(rows, Order), every="month", by="source", as_of=AS_OF) for made in KINDS.values()
    ]

    assert all(result == results[0] for result in results)


def test_a_margin_scales_the_value_and_its_interval() -> None:
    rows = [order("ann", 300), order("ben", 100)]
    whole, half = (customer_lifetime_value(rows, as_of=AS_OF, margin=margin).only for margin in (1.0, 0.5))

    assert (whole.value, half.value, half.numerator, half.unit) == (200, 100, 200, "PLN")
    assert whole.low is not None
    assert half.low == whole.low / 2
    assert customer_lifetime_value(rows, as_of=AS_OF, ci=None).only.low is None


def test_refunds_are_taken_off_and_what_cannot_be_counted_is_left_out() -> None:
    rows = [
        order("ann", 300),
        order("ann", -100, refund_of_id="o1"),
        order("ann", None),
        order(None, 9),
        order("ben", 9, category="cancelled"),
        order("ann", 9, at=datetime(2025, 4, 1, tzinfo=UTC)),
    ]
    result = customer_lifetime_value(rows, as_of=AS_OF)

    assert (result.value, result.only.excluded) == (200, {"cancelled": 1, "no amount": 1, "no customer": 1})
    assert result.explain(result.only)["numerator"] == ["ann"]


def test_the_first_order_falls_into_the_month_of_the_zone() -> None:
    rows = [order("ann", 300, at=FEB - MICROSECOND)]

    for tz, month in (("UTC", "2025-01"), ("Asia/Bangkok", "2025-02")):
        first = customer_lifetime_value(rows, every="month", tz=tz, as_of=AS_OF)[0]
        assert first.period is not None
        assert (first.period.label, first.value) == (month, 300)


def test_the_simple_value_is_revenue_by_the_month_over_churn_by_the_month() -> None:
    rows = [contract(f"c{number}", 50, FEB + DAY if number < 2 else None) for number in range(10)]
    asked: dict[str, Any] = {"method": "simple", "start": FEB, "as_of": date(2025, 2, 28), "margin": 0.8}
    month = customer_lifetime_value(rows, every="month", **asked).only

    assert (month.numerator, month.denominator, month.n) == (40, 0.2, 10)
    assert month.value == pytest.approx(40 / 0.2)
    assert customer_lifetime_value(rows, every="month", horizon_months=3, **asked).value == pytest.approx(120)


def test_the_simple_value_of_a_quarter_counts_its_months() -> None:
    rows = [contract(f"c{number}", 50, FEB + DAY if number < 3 else None, started_at=JAN - DAY) for number in range(10)]
    result = customer_lifetime_value(rows, method="simple", every="quarter", start=JAN, as_of=AS_OF)

    assert result.value == pytest.approx(50 / (0.3 / 3))


def test_where_nobody_is_lost_a_lifetime_needs_a_horizon() -> None:
    asked: dict[str, Any] = {"method": "simple", "every": "month", "start": FEB, "as_of": date(2025, 2, 28)}
    endless = customer_lifetime_value([contract("ann", 50)], **asked).only

    assert (endless.value, endless.denominator) == (None, 0)
    assert endless.reason == "nobody was lost, so no lifetime ends; give horizon_months"
    assert customer_lifetime_value([contract("ann", 50)], horizon_months=24, **asked).value == 1200
    assert customer_lifetime_value([], **asked).only.reason == "no customer was active at the start"


def followed() -> list[Subscription]:
    """Ten customers who pay 50 from January on: four left after 10 days, two after 40, four still are there after 90."""
    lasted = [10] * 4 + [40] * 2
    left = [contract(f"c{number}", 50, JAN + days * DAY) for number, days in enumerate(lasted)]
    return left + [contract(f"s{number}", 50) for number in range(4)]


def test_the_contractual_value_lets_customers_leave_as_they_did() -> None:
    asked: dict[str, Any] = {"method": "contractual", "as_of": JAN + 90 * DAY}
    measure = customer_lifetime_value(followed(), horizon_months=3, **asked).only

    assert measure.value == pytest.approx(50 * (1 + 0.6 + 0.4))
    assert (measure.denominator, measure.warnings) == (4, ())
    discounted = customer_lifetime_value(followed(), horizon_months=3, discount=0.1, margin=0.5, **asked).value
    assert discounted == pytest.approx(25 * (1 + 0.6 / 1.1 ** (1 / 12) + 0.4 / 1.1 ** (2 / 12)))
    (warning,) = customer_lifetime_value(followed(), horizon_months=4, **asked).only.warnings
    assert warning.startswith("nobody has been a customer for more than 90 days")


def test_the_contractual_value_is_the_same_in_any_order_kind_and_parts() -> None:
    asked: dict[str, Any] = {"method": "contractual", "as_of": JAN + 90 * DAY, "horizon_months": 3}
    whole = customer_lifetime_value(followed(), **asked)

    assert customer_lifetime_value(followed()[::-1], **asked) == whole
    assert customer_lifetime_value(followed()[:3], **asked) + customer_lifetime_value(followed()[3:], **asked) == whole
    for made in KINDS.values():
        assert customer_lifetime_value(made(followed(), Subscription), **asked) == whole
    earlier = customer_lifetime_value(followed(), **asked | {"as_of": JAN + 5 * DAY}).only
    assert (earlier.value, earlier.n) == (150, 10)
    assert customer_lifetime_value([], **asked).only.reason == "no customer is active"


@pytest.mark.parametrize("kind", KINDS)
def test_nobody_is_worth_nothing_known(kind: str) -> None:
    measure = customer_lifetime_value(KINDS[kind]([], Order), as_of=AS_OF).only

    assert (measure.value, measure.denominator, measure.reason) == (None, 0, "no customer bought")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"margin": 1.5}, "^margin=1.5"),
        ({"margin": "high"}, "^margin='high'"),
        ({"horizon_months": 0}, "^horizon_months=0"),
        ({"discount": -0.1}, "^discount=-0.1"),
        ({"method": "contractual"}, "^horizon_months=None has no end"),
        ({"method": "contractual", "horizon_months": 9, "every": "month"}, "^start, end and every= make no sense"),
        ({"method": "simple"}, "^every=None has no whole months"),
        ({"method": "simple", "every": "week"}, "^every='week' has no whole months"),
    ],
)
def test_what_makes_no_sense_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        customer_lifetime_value([], as_of=AS_OF, **options)


def test_a_missing_column_and_an_unknown_category_are_refused_by_name() -> None:
    frame = from_records([order("ann", 9)], Order)

    with pytest.raises(InvalidInput, match="has no column 'amount'"):
        customer_lifetime_value(frame.drop("amount"), as_of=AS_OF)
    with pytest.raises(InvalidInput, match="column 'category' holds 'gone' .1 rows."):
        customer_lifetime_value(frame.with_columns(category=pl.lit("gone")), as_of=AS_OF)


def test_amounts_in_several_currencies_are_refused() -> None:
    rows = [order("ann", 9), order("ben", 9).replace(amount=Money(9, "THB"))]

    with pytest.raises(InvalidInput, match="amounts in PLN, THB cannot be added"):
        customer_lifetime_value(rows, as_of=AS_OF)


def test_the_cohorts_of_buyers_have_the_sizes_expected(published: Path) -> None:
    orders_ = pl.read_csv(
        published / "acquisition" / "orders.csv", schema_overrides={"Uid": pl.String}, try_parse_dates=True
    )
    rows = orders_.select(customer_id="Uid", at=pl.col("Buy Ts").dt.replace_time_zone("UTC"), amount="Revenue")
    result = customer_lifetime_value(rows, every="month", as_of=date(2017, 11, 30))

    assert [each.n for each in result] == [2023, 1923, 1370, 2581, 4340, 4081]
    assert sum(each.numerator or 0 for each in result) == pytest.approx(orders_["Revenue"].sum(), rel=1e-6)


def test_telco_customers_stay_as_expected(published: Path) -> None:
    expected = json.loads((published / "expected" / "telco.json").read_text())
    frame = pl.read_csv(published / "telco_churn" / "Telco-Customer-Churn.csv")
    days = (pl.col("tenure") * 365.25 / 12).floor().cast(pl.Int64)
    left = pl.when(pl.col("Churn") == "Yes").then(pl.lit(MAR))
    frame = frame.with_columns(started_at=pl.lit(MAR) - pl.duration(days=days), ended_at=left)
    columns = {"customer_id": "customerID", "price": "MonthlyCharges"}
    asked: dict[str, Any] = {"method": "contractual", "as_of": MAR, "columns": columns}

    for month in (1, 12, 72):
        value, before = (
            customer_lifetime_value(frame, horizon_months=last, **asked).value or 0 for last in (month + 1, month)
        )
        share = expected["km_survival_all"][str(month)]
        assert value - before == pytest.approx(expected["arpu_retained"] * share, rel=1e-9)
