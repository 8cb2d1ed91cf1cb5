"""Time in stage: all stays together, the latest, or the first."""

import json
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crmkit.errors import InvalidInput
from crmkit.frames import from_records
from crmkit.metrics.result import MetricResult
from crmkit.metrics.stages import stage_duration
from crmkit.model import Deal, Pipeline, Stage, Transition
from crmkit.model.deal_history import stage_stays
from crmkit.rules import field
from crmkit.testing.strategies import simplest
from tests.examples import few
from tests.frames.kinds import KINDS
from tests.metrics.cases import AS_OF, maybe, moments, owners
from tests.metrics.selling import help_desk

MAY = date(2025, 5, 31)
FIRST = datetime(2025, 5, 1, tzinfo=UTC)
DAY = timedelta(days=1)
LAST = datetime(2025, 3, 31, 23, 59, 59, 999999, tzinfo=UTC)
METHODS = ["cumulative", "latest", "first_entry"]
every_method = pytest.mark.parametrize("method", METHODS)
fewest = settings(few, max_examples=few.max_examples // 3)
STAGES = ["Trial", "Offer", "Contract"]


def move(before: str | None, after: str, days: float, **given_: Any) -> Transition:
    known = {"subject": "Deal", "subject_id": "d1", "field": "stage", "at": FIRST + days * DAY}
    return simplest(Transition, **{"before": before, "after": after} | known | given_)


def deal(**given_: Any) -> Deal:
    return simplest(Deal, **{"id": "d1", "stage": "Offer", "created_at": FIRST} | given_)


def stayed(transitions: Sequence[Transition], deals: Sequence[Deal] | None = None, **options: Any) -> dict[str, Any]:
    asked: dict[str, Any] = {"as_of": MAY} | options
    result = stage_duration(deals=[deal()] if deals is None else deals, transitions=transitions, **asked)
    return {each.group["stage"]: each.value for each in result}


@st.composite
def histories(draw: st.DrawFn) -> tuple[list[Deal], list[Transition]]:
    """Deals, and moves that follow one another, now and then at one instant, with other entries of the ledger between."""
    deals, ledger = [], []
    for number in range(draw(st.integers(0, 4))):
        path = draw(st.lists(st.sampled_from(STAGES), max_size=5))
        at = sorted(draw(moments) for _ in path)
        before = draw(st.sampled_from([None, *STAGES]))
        deals.append(deal(id=f"d{number}", created_at=draw(maybe), owner_id=draw(owners)))
        for step, (stage, then) in enumerate(zip(path, at, strict=True)):
            told = {"id": f"{number}-{step}", "subject_id": f"d{number}", "at": then}
            ledger += [move(before, stage, 0, **told), move("x", "y", 0, **told, field="owner_id")]
            before = stage
    return deals, draw(st.permutations(ledger))


def expected(deals: list[Deal], ledger: list[Transition], method: str) -> dict[str, list[timedelta]]:
    """What the model tells of the stays of each deal."""
    found: dict[str, list[timedelta]] = {}
    for each in deals:
        if each.created_at is not None and each.created_at > LAST:
            continue
        stays: dict[str, list[timedelta | None]] = {}
        for stay in stage_stays(each, ledger, as_of=LAST):
            if stay.left_at is not None:
                spent = None if stay.entered_at is None else stay.left_at - stay.entered_at
                stays.setdefault(stay.stage, []).append(spent)
        for stage, mine in stays.items():
            chosen = {"cumulative": mine, "latest": mine[-1:], "first_entry": mine[:1]}[method]
            known = [spent for spent in chosen if spent is not None]
            if len(known) == len(chosen):
                found.setdefault(stage, []).append(sum(known, start=timedelta()))
    return found


@every_method
@given(histories())
@few
def test_it_is_the_median_of_the_stays_that_the_model_tells(
    method: str, history: tuple[list[Deal], list[Transition]]
) -> None:
    deals, ledger = history
    distinct = len({(each.subject_id, each.at) for each in ledger}) * 2 == len(ledger)
    if method != "cumulative" and not distinct:
        return  # of stays that end at one instant none is the last
    result = stage_duration(deals=deals, transitions=ledger, as_of=AS_OF, method=method)
    medians = {
        stage: median(spent // timedelta(minutes=1) for spent in stays) / 1440
        for stage, stays in expected(deals, ledger, method).items()
    }

    assert {each.group["stage"]: each.value for each in result if each.value is not None} == pytest.approx(medians)
    assert sum(each.n for each in result) == sum(map(len, expected(deals, ledger, method).values()))


def test_a_deal_that_comes_back_has_several_stays() -> None:
    path = [move("Trial", "Offer", 2), move("Offer", "Trial", 3), move("Trial", "Offer", 10), move("Offer", "Won", 14)]

    assert stayed(path) == {"Trial": 9, "Offer": 5}
    assert stayed(path, method="latest") == {"Trial": 7, "Offer": 4}
    assert stayed(path, method="first_entry") == {"Trial": 2, "Offer": 1}
    assert stayed(path, as_of=date(2025, 5, 9)) == {"Trial": 2, "Offer": 1}


def test_measures_come_in_the_order_of_the_stages() -> None:
    path = [move("Trial", "Offer", 2), move("Offer", "Contract", 3), move("Contract", "Won", 10)]
    gym = Pipeline(id="gym", stages=[Stage(label, "open") for label in ("Trial", "Offer", "Contract")])

    assert list(stayed(path)) == ["Contract", "Offer", "Trial"]
    assert list(stayed(path, stages=gym)) == ["Trial", "Offer", "Contract"]
    assert list(stayed(path, stages=["Trial"])) == ["Trial", "Contract", "Offer"]
    with pytest.raises(InvalidInput, match="stages='Trial' are no stages"):
        stayed(path, stages="Trial")


def test_the_beginning_may_not_be_known() -> None:
    for created_at in (None, FIRST + 3 * DAY):
        result = stage_duration(deals=[deal(created_at=created_at)], transitions=[move("Trial", "Offer", 2)], as_of=MAY)
        assert (result.only.value, result.only.excluded) == (None, {"entry not known": 1})
        assert result.only.reason == "no deal left the stage"


def test_skipped_stages_and_the_present_one_are_no_stays() -> None:
    assert stayed([move(None, "Trial", 0), move("Trial", "Won", 2)]) == {"Trial": 2}
    assert stayed([]) == {}
    assert stayed([move("Trial", "Won", 2)], []) == {}


@pytest.mark.parametrize(("tz", "month"), [("UTC", "2025-05"), ("Asia/Bangkok", "2025-06")])
def test_a_stay_counts_in_the_period_in_which_it_ended(tz: str, month: str) -> None:
    left = move("Trial", "Won", 0, at=datetime(2025, 5, 31, 20, tzinfo=UTC))
    result = stage_duration(deals=[deal()], transitions=[left], as_of=date(2025, 6, 30), every="month", tz=tz)

    assert [each.period.label for each in result if each.period and each.n] == [month]
    assert result.explain(next(each for each in result if each.n))["numerator"] == ["d1"]


def computed(deals: Any, ledger: Any, method: str) -> MetricResult:
    options: dict[str, Any] = {"as_of": AS_OF, "every": "month", "by": "owner_id", "tz": "Asia/Bangkok"}
    return stage_duration(deals=deals, transitions=ledger, method=method, **options)


@every_method
@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "records"])
@given(histories())
@fewest
def test_every_kind_of_data_has_the_same_answer(
    kind: str, method: str, history: tuple[list[Deal], list[Transition]]
) -> None:
    deals, ledger = history
    found = computed(KINDS[kind](deals, Deal), KINDS[kind](ledger, Transition), method)

    assert found == computed(deals, ledger, method)


@every_method
@given(histories(), st.integers(0, 4), st.randoms(use_true_random=False))
@few
def test_parts_add_up_in_any_order(
    method: str, history: tuple[list[Deal], list[Transition]], cut: int, order: Any
) -> None:
    deals, ledger = history
    whole = computed(deals, ledger, method)
    first, second = computed(deals[:cut], ledger, method), computed(deals[cut:], ledger, method)
    order.shuffle(deals)

    assert first + second == whole == computed(deals, ledger[::-1], method)
    annas = [each for each in deals if each.owner_id == "anna"]
    asked: dict[str, Any] = {"transitions": ledger, "as_of": AS_OF, "method": method}
    rule = field("owner_id") == "anna"
    assert stage_duration(deals=deals, where=rule, **asked) == stage_duration(deals=annas, **asked)


def test_a_missing_column_is_named() -> None:
    frame = from_records([move("Trial", "Won", 2)], Transition)

    for column in ("subject_id", "before", "at", "field"):
        with pytest.raises(InvalidInput, match=f"the Transition data has no column '{column}'"):
            stage_duration(deals=[deal()], transitions=frame.drop(column), as_of=MAY)


def test_the_stays_of_the_help_desk_add_up_to_the_published_time(published: Path) -> None:
    expected = json.loads((published / "expected" / "helpdesk_log.json").read_text())["helpdesk"]
    _, cases, moves = help_desk(published)
    result = stage_duration(deals=cases, transitions=moves, as_of=date(2013, 1, 1))
    days, n = sum(each.numerator or 0 for each in result), sum(each.n for each in result)

    # Each stay counts in whole minutes.
    assert 0 <= expected["case_duration_days"]["mean"] * expected["cases"] - days <= n / 1440
