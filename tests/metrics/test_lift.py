"""The lift of campaigns against a holdout."""

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmkit.errors import InvalidInput
from crmkit.metrics.lift import campaign_lift
from crmkit.metrics.result import Measure
from crmkit.model import Message, Order
from crmkit.rules import field
from crmkit.testing.strategies import simplest
from tests.examples import few
from tests.frames.kinds import KINDS
from tests.metrics.buying import NOON, bought, orders
from tests.metrics.cases import AS_OF, customers, maybe

MAY = date(2025, 5, 31)
DAY, MICROSECOND = timedelta(days=1), timedelta(microseconds=1)

messages = st.lists(
    st.builds(
        Message,
        id=st.uuids().map(str),
        channel=st.just("email"),
        campaign_id=st.sampled_from(["spring", "summer"]),
        customer_id=st.none() | customers | customers,
        sent_at=maybe,
        skipped_at=maybe,
        skip_reason=st.sampled_from([None, "holdout", "holdout", "opted out"]),
    ),
    max_size=10,
    unique_by=lambda each: each.id,
)


def sent(customer: str | None, **given_: Any) -> Message:
    return simplest(Message, **{"channel": "email", "customer_id": customer, "sent_at": NOON} | given_)


def held(customer: str, **given_: Any) -> Message:
    return sent(customer, **{"sent_at": None, "skipped_at": NOON, "skip_reason": "holdout"} | given_)


def lift(messages_: list[Message], orders_: list[Order], **options: Any) -> Measure:
    return campaign_lift(messages=messages_, orders=orders_, **{"as_of": MAY} | options).only


def is_known(at: datetime | None) -> bool:
    return at is not None and at.astimezone(UTC).date() <= AS_OF


def worth(messages_: list[Message], orders_: list[Order], days: int) -> dict[str, list[tuple[bool, float]]]:
    """Whether each customer of each group bought, and for how much; without those who do not count."""
    since: dict[Any, dict[str, list[datetime]]] = {}
    for each in messages_:
        arms = since.setdefault((each.customer_id, each.campaign_id), {})
        if each.sent_at is not None and is_known(each.sent_at):
            arms.setdefault("treated", []).append(each.sent_at)
        elif each.skip_reason == "holdout" and each.skipped_at is not None and is_known(each.skipped_at):
            arms.setdefault("held out", []).append(each.skipped_at)
    groups: dict[str, list[tuple[bool, float]]] = {"treated": [], "held out": []}
    for (customer, _), arms in since.items():
        if customer is None or len(arms) != 1:
            continue
        ((arm, moments),) = arms.items()
        first, last = min(moments), min(moments) + timedelta(days=days)
        if not is_known(last):
            continue
        own = [each for each in orders_ if each.customer_id == customer and first <= each.at <= last]
        standing = [each for each in own if each.category != "cancelled"]
        buys = any(each.amount is None or each.amount.amount >= 0 for each in standing)
        groups[arm].append((buys, sum(float(each.amount.amount) for each in standing if each.amount)))
    return groups


@pytest.mark.parametrize("method", ["conversion", "revenue"])
@few
@given(messages, orders, st.sampled_from([1, 20, 60]))
def test_it_is_the_mean_of_the_treated_less_that_of_the_held_out(
    method: str, messages_: list[Message], orders_: list[Order], days: int
) -> None:
    measure = lift(messages_, orders_, method=method, within_days=days, as_of=AS_OF)
    groups = worth(messages_, orders_, days)
    treated, held_out = (
        [float(each[0]) if method == "conversion" else each[1] for each in groups[arm]]
        for arm in ("treated", "held out")
    )

    assert measure.n == len(treated) + len(held_out)
    if not treated or not held_out:
        assert (measure.value, measure.denominator, measure.low) == (None, 0, None)
        assert measure.reason == ("nobody was held out" if treated else "nobody was treated")
    else:
        difference = sum(treated) / len(treated) - sum(held_out) / len(held_out)
        assert measure.value == pytest.approx(difference, abs=1e-9)
        assert measure.numerator == pytest.approx(difference * len(treated), abs=1e-9)
        assert measure.denominator == len(treated)


@pytest.mark.parametrize("method", ["conversion", "revenue"])
@few
@given(st.data())
def test_the_lift_does_not_depend_on_order_or_kind_of_data(method: str, data: st.DataObject) -> None:
    messages_, orders_ = data.draw(messages), data.draw(orders)
    options: dict[str, Any] = {"method": method, "as_of": AS_OF, "every": "month", "by": "campaign_id"}
    expected = campaign_lift(messages=messages_, orders=orders_, **options)
    kind = KINDS[data.draw(st.sampled_from(list(KINDS)))]
    shuffled: dict[str, Any] = {
        "messages": data.draw(st.permutations(messages_)),
        "orders": data.draw(st.permutations(orders_)),
    }
    converted: dict[str, Any] = {"messages": kind(messages_, Message), "orders": kind(orders_, Order)}
    spring = [each for each in messages_ if each.campaign_id == "spring"]

    assert campaign_lift(**shuffled, **options) == expected
    assert campaign_lift(**converted, **options) == expected
    assert campaign_lift(
        messages=messages_, orders=orders_, where=field("campaign_id") == "spring", **options
    ) == campaign_lift(messages=spring, orders=orders_, **options)


@pytest.mark.parametrize("method", ["conversion", "revenue"])
@few
@given(messages, orders)
def test_the_lifts_of_two_sets_of_customers_add_up(method: str, messages_: list[Message], orders_: list[Order]) -> None:
    parts = [[each for each in messages_ if (each.customer_id == "ann") == is_ann] for is_ann in (True, False)]
    options: dict[str, Any] = {"method": method, "as_of": AS_OF, "orders": orders_}
    first, second = (campaign_lift(messages=part, **options) for part in parts)

    assert first + second == campaign_lift(messages=messages_, **options)


def hillstrom(published: Path, outcome: str) -> dict[str, Any]:
    """Each of the two campaigns has the customers without e-mail as its holdout; an order is what the outcome counts."""
    frame = pl.read_csv(published / "hillstrom" / "hillstrom.csv", infer_schema_length=None).with_row_index(
        "customer_id"
    )
    arms = []
    for campaign in ("Mens E-Mail", "Womens E-Mail"):
        is_treated = pl.col("segment") == campaign
        own = frame.filter(is_treated | (pl.col("segment") == "No E-Mail"))
        arms.append(
            own.select(
                pl.col("customer_id").cast(pl.String),
                "channel",
                "newbie",
                campaign_id=pl.lit(campaign),
                sent_at=pl.when(is_treated).then(pl.lit(NOON)),
                skipped_at=pl.when(~is_treated).then(pl.lit(NOON)),
                skip_reason=pl.when(~is_treated).then(pl.lit("holdout")),
            )
        )
    buyers = frame.filter(pl.col(outcome) > 0).select(
        pl.col("customer_id").cast(pl.String), at=pl.lit(NOON + DAY), amount=pl.col("spend"), currency=pl.lit("USD")
    )
    return {"messages": pl.concat(arms), "orders": buyers}


@pytest.mark.parametrize(("outcome", "rate"), [("visit", "visit_rate"), ("conversion", "conversion_rate")])
def test_the_lifts_of_the_hillstrom_campaigns_are_the_published_ones(published: Path, outcome: str, rate: str) -> None:
    expected = json.loads((published / "expected" / "hillstrom.json").read_text())
    result = campaign_lift(**hillstrom(published, outcome), as_of=date(2025, 6, 30), by="campaign_id")

    assert [each.group["campaign_id"] for each in result] == ["Mens E-Mail", "Womens E-Mail"]
    for measure in result:
        campaign = measure.group["campaign_id"]
        arm, control = expected["arms"][campaign], expected["arms"]["No E-Mail"]
        published_lift = expected["lift_vs_control"][campaign][rate]
        assert (measure.denominator, measure.details["held_out"]) == (arm["n"], control["n"])
        assert measure.value == pytest.approx(published_lift["abs_lift"], abs=1e-9)
        assert measure.details["treated_rate"] == pytest.approx(arm[rate], abs=1e-9)
        assert measure.details["held_out_rate"] == pytest.approx(control[rate], abs=1e-9)
        assert measure.details["relative"] == pytest.approx(published_lift["rel_lift"], abs=1e-8)
        assert measure.details["z"] == pytest.approx(published_lift["z_pooled"], abs=1e-7)
        assert measure.details["p"] == pytest.approx(published_lift["p_two_sided"], rel=1e-6)
        assert measure.high is not None
        reach = measure.high - (measure.value or 0)
        assert reach / 1.959963984540054 == pytest.approx(published_lift["se_unpooled"], abs=1e-11)


def test_the_revenue_lifts_of_the_hillstrom_campaigns_are_the_published_ones(published: Path) -> None:
    expected = json.loads((published / "expected" / "hillstrom.json").read_text())
    tables = hillstrom(published, "conversion")
    result = campaign_lift(**tables, as_of=date(2025, 6, 30), by="campaign_id", method="revenue")

    for measure in result:
        campaign = measure.group["campaign_id"]
        published_lift = expected["lift_vs_control"][campaign]["spend"]
        revenue = expected["arms"][campaign]["revenue_per_recipient"]
        value = measure.value or 0.0
        assert (measure.unit, measure.warnings) == ("USD", ())
        assert value == pytest.approx(published_lift["abs_lift"], abs=1e-9)
        assert measure.details["treated_mean"] == pytest.approx(revenue, abs=1e-9)
        assert measure.details["relative"] == pytest.approx(published_lift["rel_lift"], abs=1e-8)
        assert measure.details["t"] == pytest.approx(published_lift["welch_t"], abs=1e-8)
        if_all = published_lift["incremental_revenue_if_all_control_mailed"]
        assert value * measure.details["held_out"] == pytest.approx(if_all, abs=1e-5)


def test_a_purchase_counts_from_sending_to_the_end_of_the_window() -> None:
    groups = [sent("ann"), held("ben")]
    for at, value in (
        (NOON, 1.0),
        (NOON - MICROSECOND, 0.0),
        (NOON + 28 * DAY, 1.0),
        (NOON + 28 * DAY + MICROSECOND, 0.0),
    ):
        assert lift(groups, [bought("ann", at=at)]).value == value
    young = lift(groups, [], as_of=NOON + 28 * DAY - MICROSECOND)
    assert (young.value, young.excluded) == (None, {"window still open": 2})


def test_whoever_got_it_is_treated_once_and_whoever_did_both_is_left_out() -> None:
    groups = [sent("ann"), sent("ann", sent_at=NOON + DAY), held("ben"), sent("cid"), held("cid"), sent(None)]
    skipped = held("dan", skip_reason="opted out")
    measure = lift([*groups, skipped], [bought("ann", at=NOON + timedelta(hours=1)), bought("ann")])

    assert (measure.value, measure.n) == (1.0, 2)
    assert measure.excluded == {"in both groups": 1, "no customer": 1, "not sent": 1}


def test_refunds_subtract_from_revenue_and_are_no_purchase() -> None:
    groups, refunded = [sent("ann"), held("ben")], [bought("ann"), bought("ann", "-40")]

    assert lift(groups, refunded, method="revenue").value == 60.0
    assert lift(groups, [bought("ben", "-40")]).value == 0.0
    assert lift(groups, [bought("ann", category="cancelled")]).value == 0.0
    assert lift(groups, [bought("ann", None)]).value == 1.0
    assert lift(groups, [bought("ann", None)], method="revenue").value == 0.0


def test_a_small_experiment_is_said_to_be_one() -> None:
    measure = lift([sent("ann"), held("ben")], [bought("ann")])

    assert measure.warnings == ("some groups are small, so the interval and z are rough",)


@pytest.mark.parametrize("method", ["conversion", "revenue"])
def test_without_anybody_there_is_no_lift(method: str) -> None:
    for groups, reason in (([], "nobody was treated"), ([sent("ann")], "nobody was held out")):
        measure = lift(groups, [], method=method)
        assert (measure.value, measure.denominator, measure.reason) == (None, 0, reason)


def test_revenue_of_several_currencies_is_refused() -> None:
    orders_ = [bought("ann"), bought("ben", currency="THB")]

    with pytest.raises(InvalidInput, match="amounts in PLN, THB cannot be added"):
        lift([sent("ann"), held("ben")], orders_, method="revenue")
    assert lift([sent("ann"), held("ben")], orders_).value == 0.0


def test_an_unknown_category_of_an_order_is_named() -> None:
    frame = pl.DataFrame({"customer_id": ["ann"], "at": [NOON], "category": ["paid"]})

    with pytest.raises(InvalidInput, match="column 'category' holds 'paid' .1 rows.; accepted are 'open', 'completed'"):
        campaign_lift(messages=[sent("ann")], orders=frame, as_of=MAY)


@pytest.mark.parametrize(("name", "bad"), [("within_days", None), ("within_days", 0), ("holdout", None)])
def test_a_bad_argument_is_refused_by_name(name: str, bad: Any) -> None:
    with pytest.raises(InvalidInput, match=f"^{name}="):
        lift([], [], **{name: bad})


def test_a_missing_column_is_named() -> None:
    with pytest.raises(InvalidInput, match="the Order data has no column 'amount'"):
        campaign_lift(
            messages=[], orders=pl.DataFrame({"customer_id": ["a"], "at": [NOON]}), as_of=MAY, method="revenue"
        )
    with pytest.raises(InvalidInput, match="the Message data has no column 'skip_reason'"):
        frame = pl.DataFrame({"customer_id": ["a"], "sent_at": [NOON], "skipped_at": [NOON]})
        campaign_lift(messages=frame, orders=[], as_of=MAY)


def test_the_customers_behind_a_lift_are_told() -> None:
    result = campaign_lift(messages=[sent("ann"), held("ben"), sent("cid")], orders=[bought("ann")], as_of=MAY)

    assert result.explain(result.only) == {"numerator": ["ann"], "denominator": ["ann", "ben", "cid"]}
