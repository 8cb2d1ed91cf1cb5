"""What campaigns bring: the revenue of the orders that follow, and what is left of it after the cost."""

from collections import Counter
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmkit.errors import InvalidInput
from crmkit.metrics.campaigns import CAMPAIGN_REVENUE, campaign_revenue, campaign_roi
from crmkit.metrics.result import Measure
from crmkit.model import Cost, Interaction, Money, Order
from crmkit.rules import field
from crmkit.testing.strategies import simplest
from tests.examples import few
from tests.frames.kinds import KINDS
from tests.metrics.buying import NOON, bought, orders
from tests.metrics.cases import AS_OF, customers, moments
from tests.metrics.oracle import Asked, asked
from tests.metrics.tables import EDGES

MAY = date(2025, 5, 31)
DAY, MICROSECOND = timedelta(days=1), timedelta(microseconds=1)

touches = st.lists(
    st.builds(
        Interaction,
        id=st.uuids().map(str),
        at=moments | st.sampled_from(EDGES[:3]),
        channel=st.sampled_from(["email", "sms"]),
        direction=st.sampled_from(["inbound", "outbound", "outbound", "internal"]),
        provenance=st.sampled_from(["human", "human", "unknown", "machine"]),
        campaign_id=st.sampled_from([None, "spring", "summer", "autumn"]),
        customer_id=st.none() | customers | customers,
    ),
    max_size=10,
    unique_by=lambda each: each.id,
)


METHODS = list(CAMPAIGN_REVENUE.methods)
every_method = pytest.mark.parametrize("method", METHODS)
some_methods = pytest.mark.parametrize("method", ["position", "time_decay"])  # those that reckon most


def touch(campaign: str | None, at: datetime = NOON, **given_: Any) -> Interaction:
    given_ = {"customer_id": "ann", "direction": "outbound", "channel": "email"} | given_
    return simplest(Interaction, at=at, campaign_id=campaign, **given_)


def shares(ages: list[timedelta], method: str) -> list[float]:
    """The credit of each touch by its age."""
    first, last = max(ages), min(ages)
    ends = [age in (first, last) for age in ages]
    if method == "first":
        parts = [float(age == first) for age in ages]
    elif method == "last":
        parts = [float(age == last) for age in ages]
    elif method == "linear" or (method == "position" and first == last):
        parts = [1.0] * len(ages)
    elif method == "time_decay":
        parts = [0.5 ** (age.days / 7) for age in ages]
    else:
        end, middle = (0.4, 0.2) if not all(ends) else (0.5, 0.0)
        parts = [
            end / ages.count(age) if is_end else middle / ends.count(False)
            for age, is_end in zip(ages, ends, strict=True)
        ]
    return [part / sum(parts) for part in parts]


def credited(
    touches_: list[Interaction], orders_: list[Order], asked_: Asked, method: str, days: int
) -> Iterator[tuple[Order, str | None, float]]:
    """The campaigns of each order with what they are credited; None for an order without any."""
    for order in orders_:
        amount = order.amount
        if amount is None or order.category == "cancelled" or order.customer_id is None or not asked_.counts(order.at):
            continue
        led = [
            each
            for each in touches_
            if each.customer_id == order.customer_id
            and each.campaign_id is not None
            and each.direction != "internal"
            and each.provenance != "machine"
            and order.at - timedelta(days=days) <= each.at <= order.at
        ]
        if not led:
            yield order, None, 0.0
        for each, share in zip(led, shares([order.at - each.at for each in led], method) if led else [], strict=True):
            yield order, each.campaign_id, share * float(amount.amount)


@every_method
@few
@given(touches, orders, asked(by="campaign_id"), st.sampled_from([1, 28, 60]))
def test_the_value_of_an_order_is_divided_among_the_touches_before_it(
    method: str, touches_: list[Interaction], orders_: list[Order], asked_: Asked, days: int
) -> None:
    expected: Counter[Any] = Counter()
    for order, campaign, credit in credited(touches_, orders_, asked_, method, days):
        expected[asked_.period(order.at), campaign if asked_.by else None] += credit  # type: ignore[assignment]
    result = campaign_revenue(interactions=touches_, orders=orders_, method=method, within_days=days, **asked_.options)

    found = {(each.period and each.period.label, each.group.get("campaign_id")): each.value for each in result}
    for key, value in found.items():
        assert value == pytest.approx(expected.pop(key, 0.0), rel=1e-4 if method == "time_decay" else 1e-12, abs=1e-9)
    assert all(value == 0.0 for value in expected.values())


@some_methods
@few
@given(touches, orders)
def test_campaigns_never_bring_more_than_was_sold(
    method: str, touches_: list[Interaction], orders_: list[Order]
) -> None:
    options: dict[str, Any] = {"interactions": touches_, "orders": orders_, "as_of": AS_OF, "method": method}
    everything = sum(
        float(each.amount.amount)
        for each, campaign, _ in {
            each.id: (each, campaign, credit)
            for each, campaign, credit in credited(touches_, orders_, Asked(), method, 28)
        }.values()
        if campaign and each.amount
    )

    total = campaign_revenue(**options).value
    assert total == pytest.approx(everything, abs=1e-9)
    for by in ("campaign_id", "channel"):
        assert sum(each.value or 0.0 for each in campaign_revenue(by=by, **options)) == pytest.approx(total, abs=1e-9)


@some_methods
@few
@given(st.data())
def test_credit_does_not_depend_on_order_or_kind_of_data(method: str, data: st.DataObject) -> None:
    touches_, orders_ = data.draw(touches), data.draw(orders)
    options: dict[str, Any] = {
        "as_of": AS_OF,
        "method": method,
        "every": "month",
        "by": "channel",
        "tz": "Asia/Bangkok",
    }
    expected = campaign_revenue(interactions=touches_, orders=orders_, **options)
    kind = KINDS[data.draw(st.sampled_from(list(KINDS)))]
    shuffled: dict[str, Any] = {
        "interactions": data.draw(st.permutations(touches_)),
        "orders": data.draw(st.permutations(orders_)),
    }
    of_ann = [[each for each in orders_ if (each.customer_id == "ann") == is_ann] for is_ann in (True, False)]
    emails = [each for each in touches_ if each.channel == "email"]

    assert campaign_revenue(**shuffled, **options) == expected
    converted: dict[str, Any] = {"interactions": kind(touches_, Interaction), "orders": kind(orders_, Order)}
    assert campaign_revenue(**converted, **options) == expected
    first, second = (campaign_revenue(interactions=touches_, orders=part, **options) for part in of_ann)
    assert first + second == expected
    assert campaign_revenue(
        interactions=touches_, orders=orders_, where=field("channel") == "email", **options
    ) == campaign_revenue(interactions=emails, orders=orders_, **options)


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        ("last", {"c": 100.0}),
        ("first", {"a": 100.0}),
        ("linear", {"a": 100 / 3, "b": 100 / 3, "c": 100 / 3}),
        ("position", {"a": 40.0, "b": 20.0, "c": 40.0}),
        ("time_decay", {"a": 100 / 7, "b": 200 / 7, "c": 400 / 7}),
    ],
)
def test_three_touches_a_week_apart_share_an_order(method: str, expected: dict[str, float]) -> None:
    journey = [touch(name, NOON + 7 * number * DAY) for number, name in enumerate("abc")]
    sold = [bought("ann", at=NOON + 14 * DAY)]
    options: dict[str, Any] = {"interactions": journey, "orders": sold, "as_of": MAY, "method": method}

    found = {each.group["campaign_id"]: each.value for each in campaign_revenue(by="campaign_id", **options)}
    assert found == {name: pytest.approx(value, abs=1e-9) for name, value in expected.items()}
    assert campaign_revenue(**options).value == pytest.approx(100.0, abs=1e-9)
    assert campaign_revenue(**options).only.unit == "PLN"


def test_a_direct_touch_takes_no_credit_and_touches_at_once_share_it() -> None:
    journey = [touch("a"), touch("b"), touch(None, NOON + DAY), touch("c", NOON + 3 * DAY)]
    found = campaign_revenue(
        interactions=journey, orders=[bought("ann", at=NOON + 2 * DAY)], as_of=MAY, by="campaign_id"
    )

    assert {each.group["campaign_id"]: each.value for each in found} == {"a": 50.0, "b": 50.0}


def test_a_touch_counts_to_the_end_of_the_window_and_the_rest_is_told() -> None:
    def revenue(at: datetime) -> Measure:
        return campaign_revenue(interactions=[touch("a")], orders=[bought("ann", at=at)], as_of=MAY).only

    assert [revenue(at).value for at in (NOON, NOON + 28 * DAY)] == [100.0, 100.0]
    for at in (NOON - MICROSECOND, NOON + 28 * DAY + MICROSECOND):
        assert (revenue(at).value, revenue(at).n, revenue(at).excluded) == (0.0, 0, {"no touch of a campaign": 1})


def test_a_refund_takes_the_credit_back_when_it_is_paid() -> None:
    order = bought("ann", id="o1")
    refund = bought("ann", "-30", NOON + 40 * DAY, refund_of_id="o1")
    journey = [touch("a", NOON - DAY), touch("b", NOON + 20 * DAY)]
    found = campaign_revenue(
        interactions=journey, orders=[order, refund], as_of=date(2025, 6, 30), by="campaign_id", every="month"
    )

    assert [(each.period and each.period.label, each.value) for each in found] == [
        ("2025-05", 100.0),
        ("2025-06", -30.0),
    ]
    assert {each.group["campaign_id"] for each in found} == {"a"}


def test_the_lines_of_an_order_are_one_order() -> None:
    lines = pl.DataFrame({"id": ["o"] * 2, "customer_id": ["ann"] * 2, "at": [NOON] * 2, "amount": [60.0, 40.0]})
    measure = campaign_revenue(interactions=[touch("a"), touch("b")], orders=lines, as_of=MAY, method="linear").only

    assert (measure.value, measure.n) == (100.0, 2)
    assert measure.warnings == ("the data does not say the currency",)


def test_what_is_no_sale_to_somebody_is_counted_apart() -> None:
    sold = [bought("ann", None), bought("ann", category="cancelled"), bought("ann", customer_id=None), bought("ben")]
    measure = campaign_revenue(interactions=[touch("a")], orders=sold, as_of=MAY).only

    assert (measure.value, measure.unit) == (0.0, "money")
    assert measure.excluded == {"no amount": 1, "cancelled": 1, "no customer": 1, "no touch of a campaign": 1}


def test_the_revenue_of_several_currencies_is_refused() -> None:
    sold = [bought("ann"), bought("ann", currency="THB")]

    with pytest.raises(InvalidInput, match="amounts in PLN, THB cannot be added"):
        campaign_revenue(interactions=[touch("a")], orders=sold, as_of=MAY)


@pytest.mark.parametrize(("name", "bad"), [("within_days", None), ("within_days", 400), ("half_life_days", 0)])
def test_a_bad_argument_of_attribution_is_refused_by_name(name: str, bad: Any) -> None:
    with pytest.raises(InvalidInput, match=f"^{name}="):
        campaign_revenue(interactions=[], orders=[], as_of=MAY, method="time_decay", **{name: bad})


def test_the_orders_behind_credit_are_told() -> None:
    sold = [bought("ann", id="o1"), bought("ben", id="o2")]
    result = campaign_revenue(interactions=[touch("a"), touch("b")], orders=sold, as_of=MAY, method="linear")

    behind = {"numerator": ["o1"], "denominator": ["o1"], "no touch of a campaign": ["o2"]}
    assert result.explain(result.only) == behind


def spent(amount: str, campaign: str | None = "a", on: date = date(2025, 5, 1), **given_: Any) -> Cost:
    paid = Money(amount, given_.pop("currency", "PLN"))
    return Cost(category="advertising", amount=paid, incurred_on=on, campaign_id=campaign, **given_)


def roi(costs_: list[Cost], sold: list[Order], **options: Any) -> Measure:
    return campaign_roi(costs=costs_, interactions=[touch("a")], orders=sold, **{"as_of": MAY} | options).only


def test_the_return_is_what_is_earned_above_the_cost() -> None:
    measure = roi([spent("40")], [bought("ann"), bought("ann", "20")])

    assert (measure.value, measure.unit) == (2.0, "share")
    assert (measure.numerator, measure.denominator, measure.n) == (80.0, 40.0, 2)
    assert measure.details == {"revenue": 120.0, "cost": 40.0, "roas": 3.0}
    assert roi([spent("40")], [bought("ann")], margin=0.5).value == 0.25
    assert roi([spent("40")], []).value == -1.0


def test_without_a_cost_there_is_no_return() -> None:
    measure = roi([], [bought("ann")])

    assert (measure.value, measure.reason, measure.denominator) == (None, "nothing was spent", 0)
    assert measure.details == {"revenue": 100.0, "cost": 0.0}
    assert roi([spent("40", on=date(2025, 6, 1))], [bought("ann")]).value is None


def test_each_campaign_has_its_own_return_in_each_month() -> None:
    journey = [touch("a"), touch("b", customer_id="ben")]
    costs_ = [spent("10"), spent("40", "b"), spent("5", on=date(2025, 4, 3)), spent("7", None)]
    sold = [bought("ann"), bought("ben", "20")]
    found = campaign_roi(costs=costs_, interactions=journey, orders=sold, as_of=MAY, by="campaign_id", every="month")

    values = {(each.period and each.period.label, each.group["campaign_id"]): each.value for each in found}
    assert values == {
        ("2025-04", "a"): -1.0,
        ("2025-04", "b"): None,
        ("2025-04", None): None,
        ("2025-05", "a"): 9.0,
        ("2025-05", "b"): -0.5,
        ("2025-05", None): -1.0,
    }


@some_methods
@few
@given(touches, orders, st.sampled_from(list(KINDS)))
def test_the_return_is_of_the_revenue_in_every_kind_of_data(
    method: str, touches_: list[Interaction], orders_: list[Order], kind: str
) -> None:
    costs_ = [spent("30", "spring", date(2025, 1, 2)), spent("50", "summer", date(2025, 2, 3))]
    tables: dict[str, Any] = {
        "interactions": KINDS[kind](touches_, Interaction),
        "orders": KINDS[kind](orders_, Order),
    }
    measure = campaign_roi(costs=KINDS[kind](costs_, Cost), **tables, as_of=AS_OF, method=method).only
    revenue = campaign_revenue(interactions=touches_, orders=orders_, as_of=AS_OF, method=method).value or 0.0

    assert measure.details["revenue"] == revenue
    assert measure.value == pytest.approx((revenue - 80) / 80, abs=1e-12)


def test_costs_in_another_currency_are_refused() -> None:
    with pytest.raises(InvalidInput, match="amounts in PLN, THB cannot be added"):
        roi([spent("40", currency="THB")], [bought("ann")])


@pytest.mark.parametrize(
    ("name", "bad"), [("margin", 0), ("margin", 1.5), ("margin", "half"), ("half_life_days", None), ("accrual", "x")]
)
def test_a_bad_argument_of_a_return_is_refused_by_name(name: str, bad: Any) -> None:
    with pytest.raises(InvalidInput, match=f"^{name}="):
        roi([], [], **{name: bad})
