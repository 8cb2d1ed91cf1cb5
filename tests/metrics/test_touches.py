"""Touches: terms that were renewed after one, and without any."""

from datetime import UTC, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmkit.errors import InvalidInput
from crmkit.metrics.result import Measure, MetricResult
from crmkit.metrics.touches import touch_effectiveness
from crmkit.model import Interaction, Subscription, Transition
from crmkit.model.billing import renew
from crmkit.testing.strategies import simplest
from tests.examples import few
from tests.frames.kinds import KINDS
from tests.metrics.cases import AS_OF, moments
from tests.metrics.oracle import Asked
from tests.metrics.renewing import DAY, DUE, MAY, Given, facts, gym, terms

touches = st.lists(
    st.builds(
        Interaction,
        at=moments,
        channel=st.sampled_from(["phone", "email"]),
        direction=st.sampled_from(["outbound", "outbound", "inbound"]),
        customer_id=st.sampled_from([None, "ann", "ben"]),
    ),
    max_size=8,
)


def touched(given_: Given, interactions: Any, **options: Any) -> MetricResult:
    rows = {"subscriptions": given_[0], "transitions": given_[1], "interactions": interactions}
    return touch_effectiveness(**rows, **{"as_of": AS_OF} | options)


@few
@given(facts, touches, st.sampled_from([0, 30]), st.sampled_from(["UTC", "Asia/Bangkok"]))
def test_touches_are_judged_by_the_terms_that_came_after(
    given_: Given, touches_: list[Interaction], within: int, tz: str
) -> None:
    distinct = list({(each.subject, each.subject_id, each.before): each for each in given_[1]}.values())
    asked_ = Asked(tz=tz)
    result = touched((given_[0], distinct), touches_, within_days=within, tz=tz)
    expected: dict[str, list[str]] = {}
    for term in terms((given_[0], distinct), asked_):
        kinds: set[str] = {
            each.channel
            for each in touches_
            if term.due is not None
            and each.customer_id == term.subscription.customer_id
            and each.direction == "outbound"
            and asked_.is_known(each.at)
            and term.due - within * DAY <= asked_.day(each.at) <= min(term.due, *(term.began or [term.due]))
        }
        if term.due is None or asked_.counts(datetime.combine(term.due, time.min, ZoneInfo(tz))):
            for kind in kinds or {"none"}:
                expected.setdefault(kind, []).append(term.outcome)

    for measure in result:
        found = expected.pop(measure.group["touch"], [])
        assert (measure.numerator, measure.n) == (
            found.count("renewed"),
            found.count("renewed") + found.count("not renewed"),
        )
        assert sum(measure.excluded.values()) + measure.n == len(found)
    assert not expected


def called(number: int, renewed: int, start: int, plan: str, channel: str | None) -> tuple[Given, list[Interaction]]:
    """So many terms of customers of their own, of whom some renewed, all after a touch or none."""
    rows, moves, touches_ = [], [], []
    for each in range(start, start + number):
        row = gym(f"s{each}", customer_id=f"c{each}", plan=plan)
        if each < start + renewed:
            row, move = renew(row, DUE, at=datetime(2025, 5, 9, tzinfo=UTC))
            moves.append(move)
        if channel is not None:
            at = datetime(2025, 5, 1, tzinfo=UTC)
            touch = {"direction": "outbound", "channel": channel, "customer_id": f"c{each}", "at": at}
            touches_.append(simplest(Interaction, **touch))
        rows.append(row)
    return (rows, moves), touches_


def joined(*parts: tuple[Given, list[Interaction]], **options: Any) -> dict[str, Measure]:
    rows = [row for (rows, _), _ in parts for row in rows]
    moves = [move for (_, moves), _ in parts for move in moves]
    touches_ = [each for _, some in parts for each in some]
    result = touched((rows, moves), touches_, **{"as_of": MAY} | options)
    return {each.group["touch"]: each for each in result}


def test_the_uplift_has_the_published_interval_of_newcombe() -> None:
    measures = joined(called(70, 56, 0, "Gym", "phone"), called(80, 48, 100, "Gym", None))
    details = measures["phone"].details

    assert (measures["phone"].value, measures["none"].value) == (0.8, 0.6)
    assert [details[name] for name in ("uplift", "uplift_low", "uplift_high")] == pytest.approx(
        [0.2, 0.0524, 0.3339], abs=5e-5
    )
    assert measures["none"].details == {}
    assert set(joined(called(7, 5, 0, "Gym", "phone"), called(8, 4, 10, "Gym", None), ci=None)["phone"].details) == {
        "uplift"
    }


def test_strata_undo_what_the_choice_of_the_touched_does() -> None:
    # Calls help in both plans, but go to the plan that few renew.
    parts = (
        called(40, 12, 0, "Day", "phone"),
        called(10, 2, 100, "Day", None),
        called(10, 9, 200, "Year", "phone"),
        called(40, 32, 300, "Year", None),
    )
    crude, stratified = joined(*parts), joined(*parts, method="stratified", strata="plan")

    assert crude["phone"].details["uplift"] == pytest.approx(21 / 50 - 34 / 50)
    assert stratified["phone"].details["uplift"] == pytest.approx(0.1)
    assert stratified["phone"].value == crude["phone"].value
    low, high = (stratified["phone"].details[name] for name in ("uplift_low", "uplift_high"))
    variance = (8**2 * (0.3 * 0.7 / 40 + 0.2 * 0.8 / 10) + 8**2 * (0.9 * 0.1 / 10 + 0.8 * 0.2 / 40)) / 16**2
    assert (low, high) == pytest.approx((0.1 - 1.959964 * variance**0.5, 0.1 + 1.959964 * variance**0.5), abs=1e-6)


def test_weights_are_the_inverse_of_the_chance_of_a_touch() -> None:
    # In one plan calls add 10 %, in the other 50 %; 40 of 50 customers of the one were called, 10 of 100 of the other.
    numbers = {"Day": ((40, 12), (10, 2)), "Year": ((10, 9), (90, 36))}
    parts, start = [], 0
    for plan, groups in numbers.items():
        for (n, renewed), channel in zip(groups, ("phone", None), strict=True):
            parts.append(called(n, renewed, start, plan, channel))
            start += n
    details = joined(*parts, method="weighted", strata="plan")["phone"].details

    weighed = [0.0, 0.0]
    for plan_groups in numbers.values():
        together = sum(n for n, _ in plan_groups)
        for which, (n, renewed) in enumerate(plan_groups):
            weighed[which] += renewed / (n / together)
    assert details["uplift"] == pytest.approx((weighed[0] - weighed[1]) / 150)
    assert details["uplift"] == pytest.approx((50 * 0.1 + 100 * 0.5) / 150)
    variance = (50**2 * (0.3 * 0.7 / 40 + 0.2 * 0.8 / 10) + 100**2 * (0.9 * 0.1 / 10 + 0.4 * 0.6 / 90)) / 150**2
    assert details["uplift_high"] - details["uplift"] == pytest.approx(1.959964 * variance**0.5, abs=1e-6)


@pytest.mark.parametrize("method", ["stratified", "weighted"])
def test_strata_where_all_or_none_had_the_touch_are_not_compared(method: str) -> None:
    parts = (called(20, 12, 0, "Day", "phone"), called(20, 10, 100, "Day", None), called(7, 7, 200, "Year", "phone"))
    measure = joined(*parts, method=method, strata="plan")["phone"]

    assert measure.details["uplift"] == pytest.approx(0.1)
    assert measure.warnings[1:] == ("7 terms are in strata where all or none had the touch, and are not compared",)


def test_a_touch_warns_that_it_is_chosen_and_of_few_terms() -> None:
    measures = joined(called(5, 5, 0, "Gym", "phone"), called(20, 10, 100, "Gym", None))

    assert measures["phone"].warnings[0].startswith("who is touched is chosen")
    assert measures["phone"].warnings[1] == "there are fewer than 20 terms"
    assert len(measures["none"].warnings) == 1


def test_without_terms_there_is_no_rate_and_no_uplift() -> None:
    (measure,) = touched(([], []), [])

    assert (measure.group, measure.value, measure.reason) == ({"touch": "none"}, None, "no term was due")
    assert (measure.details, measure.warnings) == ({}, ())
    only_called = joined(called(5, 3, 0, "Gym", "phone"))
    assert only_called["phone"].details == {}


def test_the_records_behind_a_touch_are_found() -> None:
    rows, touches_ = called(3, 1, 0, "Gym", "phone")
    result = touched(rows, touches_, as_of=MAY)

    assert result.explain(result.only) == {"numerator": ["s0"], "denominator": ["s0", "s1", "s2"]}


@pytest.mark.parametrize("kind", KINDS)
def test_no_data_of_any_kind_is_nothing(kind: str) -> None:
    rows, moves, touches_ = (KINDS[kind]([], cls) for cls in (Subscription, Transition, Interaction))

    assert touched((rows, moves), touches_).only.n == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"touch": "chanel"}, "touch='chanel' is no kind of interaction; .*'channel'"),
        ({"method": "stratified"}, "strata=None does not fit method='stratified'"),
        ({"method": "weighted"}, "strata=None does not fit method='weighted'"),
        ({"strata": "plan"}, "strata='plan' does not fit method='crude'"),
        ({"within_days": -1}, "within_days=-1 is no number of days"),
        ({"method": "stratified", "strata": "pln"}, "has no column 'pln'"),
    ],
)
def test_a_question_that_means_nothing_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        touched(([], []), [], **options)


@few
@given(facts, touches, st.data())
def test_touches_have_the_same_answer_in_every_order_and_kind(
    given_: Given, touches_: list[Interaction], data: st.DataObject
) -> None:
    kind = KINDS[data.draw(st.sampled_from(list(KINDS)))]
    options: dict[str, Any] = {"every": "month", "by": "owner_id", "strata": "plan"}
    options["method"] = data.draw(st.sampled_from(["stratified", "weighted"]))
    rows = kind(data.draw(st.permutations(given_[0])), Subscription)
    other = touched((rows, kind(given_[1], Transition)), kind(touches_, Interaction), **options)

    assert other == touched(given_, touches_, **options)
