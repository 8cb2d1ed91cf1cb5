"""The funnel: of the deals that came to a stage, how many went on."""

import json
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crmkit.errors import InvalidInput
from crmkit.frames import from_records
from crmkit.metrics.asking import compute
from crmkit.metrics.bottlenecks import bottlenecks
from crmkit.metrics.funnel import stage_conversion
from crmkit.metrics.result import MetricResult
from crmkit.model import Deal, Pipeline, Stage, Transition
from crmkit.model.deal_history import stage_stays
from crmkit.rules import field
from crmkit.stats.intervals import proportion
from tests.examples import few
from tests.frames.kinds import KINDS
from tests.metrics.cases import AS_OF
from tests.metrics.oracle import Asked, Fact
from tests.metrics.selling import STAGES, History, help_desk, histories, maven_deals, together, went

MAY = date(2025, 5, 31)
FIRST = datetime(2025, 5, 1, tzinfo=UTC)
DAY = timedelta(days=1)
GYM = Pipeline(
    id="gym",
    stages=[*(Stage(label, "open") for label in STAGES), Stage("Won", "won"), Stage("Lost", "lost")],
)
METHODS = ["implied", "standard", "strict", "funnel"]
LAST = datetime(2025, 3, 31, 23, 59, 59, 999999, tzinfo=UTC)
every_method = pytest.mark.parametrize("method", METHODS)


SEVEN = together(
    went("Trial", "Offer", "Contract", "Won", number=1, category="won"),
    went("Trial", "Won", number=2, category="won"),
    went("Trial", "Offer", "Lost", number=3, category="lost"),
    went("Trial", "Contract", "Lost", number=4, category="lost"),
    went("Offer", "Trial", "Lost", number=5, category="lost"),
    went("Trial", number=6),
    went("Trial", "Contract", number=7),
)


def rates(result: MetricResult) -> list[tuple[Any, ...]]:
    return [(each.group["stage"], each.numerator, each.denominator) for each in result]


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        ("implied", [("Trial", 6, 7), ("Offer", 3, 5), ("Contract", 2, 4)]),
        ("standard", [("Trial", 6, 7), ("Offer", 1, 3), ("Contract", 1, 3)]),
        ("strict", [("Trial", 2, 7), ("Offer", 1, 2), ("Contract", 1, 1)]),
        ("funnel", [("Trial", 7, 7), ("Offer", 5, 7), ("Contract", 4, 7)]),
    ],
)
def test_each_method_says_who_came_and_who_went_on(method: str, expected: list[tuple[Any, ...]]) -> None:
    assert rates(stage_conversion(**SEVEN, stages=STAGES, as_of=MAY, method=method)) == expected
    assert rates(stage_conversion(**SEVEN, stages=GYM, as_of=MAY, method=method)) == expected


def test_a_measure_says_who_is_lost_and_who_may_still_go_on() -> None:
    trial, offer, _ = stage_conversion(**SEVEN, stages=GYM, as_of=MAY)

    assert (trial.details, offer.details) == ({"lost": 0, "open": 1}, {"lost": 2, "open": 0})
    assert trial.warnings == ("1 of 7 deals are open and may still go on",)
    assert offer.warnings == ()
    assert (trial.low, trial.high) == proportion(6, 7, 0.95)


def test_the_records_behind_a_stage_are_found() -> None:
    result = stage_conversion(**SEVEN, stages=GYM, as_of=MAY)

    assert result.explain(result[1]) == {"numerator": ["d1", "d2", "d7"], "denominator": ["d1", "d2", "d3", "d5", "d7"]}


Passage = tuple[str, datetime, bool]


def visits(deal: Deal, ledger: list[Transition]) -> tuple[str, dict[int, datetime]]:
    """How a deal ended, and when it first was at each stage, and won, by the model."""
    is_over = deal.category != "open" and deal.closed_at is not None and deal.closed_at <= LAST
    first: dict[int, datetime] = {}
    stays = stage_stays(deal.replace(category="open"), ledger, as_of=LAST)
    for number, stay in enumerate(stays):
        # Where a deal began after its first move it began with that.
        at = stay.entered_at or (stay.left_at if number == 0 else None)
        if stay.stage in STAGES and at is not None:
            place = STAGES.index(stay.stage)
            first[place] = min(first.get(place, at), at)
    if is_over and deal.category == "won" and deal.closed_at is not None:
        first[len(STAGES)] = deal.closed_at
    return deal.category if is_over else "open", first


def facts(history: History, asked_: Asked, method: str, place: int, within_days: int | None) -> Iterator[Fact]:
    deals, ledger = history
    for deal in deals:
        if deal.created_at is not None and deal.created_at > LAST:
            continue
        group = asked_.group(deal)
        ended, first = visits(deal, ledger)
        reason = problem(deal, ended, first, method)
        if reason:
            if place == 0:
                yield Fact(None, reason, group)
            continue
        came = passage(first, ended, method, place)
        if method == "funnel":
            yield Fact(deal.created_at, "went on" if came else {"won": "won by another way"}.get(ended, ended), group)
        elif came:
            later = [at for each, at in first.items() if each > place]
            if method == "strict":
                follower = passage(first, ended, "strict", place + 1)
                later = [follower] if follower else []
            yield Fact(came, became(came, later, ended, within_days), group)


def problem(deal: Deal, ended: str, first: dict[int, datetime], method: str) -> str | None:
    if deal.category != "open" and deal.closed_at is None:
        return "closed without a close date"
    if deal.created_at is None:
        return "no creation date"
    is_implied = ended == "won" and method in {"implied", "funnel"}
    return None if is_implied or first.keys() & set(range(len(STAGES))) else "never at one of the stages"


def passage(first: dict[int, datetime], ended: str, method: str, place: int) -> datetime | None:
    """When a deal came to a stage."""
    if method == "strict":
        path = [first.get(each) for each in range(place + 1)]
        known = [at for at in path if at is not None]
        return known[-1] if len(known) == len(path) and known == sorted(known) else None
    if method == "standard" or ended == "lost":
        return first.get(place)
    return min((at for each, at in first.items() if each >= place), default=None)


def became(came: datetime, later: list[datetime], ended: str, within_days: int | None) -> str:
    went_on = max(came, min(later)) if later else None
    if within_days is not None and came + within_days * DAY > LAST:
        return "window still open"
    if within_days is not None and went_on is not None and went_on > came + within_days * DAY:
        return "went on later"
    if went_on is not None:
        return "went on"
    return "won by another way" if ended == "won" else ended


questions = st.builds(
    Asked,
    tz=st.sampled_from(["UTC", "Asia/Bangkok"]),
    every=st.sampled_from([None, "month", "week"]),
    start=st.sampled_from([None, date(2025, 1, 1)]),
    end=st.sampled_from([None, date(2025, 3, 10)]),
    by=st.sampled_from([None, "owner_id"]),
)
COUNTED = ["went on", "went on later", "lost", "open", "won by another way"]


@every_method
@few
@given(histories(), questions, st.sampled_from([None, None, 30]))
def test_it_counts_what_the_model_tells(method: str, history: History, asked_: Asked, within_days: int | None) -> None:
    within_days = None if method == "funnel" else within_days
    deals, ledger = history
    # At midnight of the zone and not before is the last of what is known.
    options = asked_.options | {"as_of": LAST}
    result = stage_conversion(
        deals=deals, transitions=ledger, stages=STAGES, method=method, within_days=within_days, **options
    )
    by_place = [list(facts(history, asked_, method, place, within_days)) for place in range(len(STAGES))]
    undated = Counter(fact.outcome for each in by_place for fact in each if fact.at is None)

    for place, stage in enumerate(STAGES):
        mine = [each for each in result if each.group["stage"] == stage]
        told = [fact for fact in by_place[place] if fact.at is not None or not asked_.every]
        for measure in mine:
            cell = [
                fact
                for fact in told
                if fact.group == measure.group.get(asked_.by or "")
                and (fact.at is None or within(fact.at, asked_))
                and (
                    not asked_.every
                    or (fact.at and asked_.period(fact.at)) == (measure.period and measure.period.label)
                )
            ]
            inside = [fact for fact in cell if fact.outcome in COUNTED]
            assert measure.n == len(inside)
            assert measure.numerator == sum(fact.outcome == "went on" for fact in inside)
            assert measure.value == (measure.numerator / measure.n if inside else None)
            assert measure.excluded == Counter(fact.outcome for fact in cell if fact.outcome not in COUNTED)
        counted = [fact for fact in told if fact.outcome in COUNTED and fact.at and within(fact.at, asked_)]
        assert sum(each.n for each in mine) == len(counted)
    if asked_.every:
        assert result.excluded == undated


def within(at: datetime, asked_: Asked) -> bool:
    day = asked_.day(at)
    return at <= LAST and (asked_.start or date.min) <= day < (asked_.end or date.max)


def computed(deals: Any, ledger: Any, method: str) -> MetricResult:
    options: dict[str, Any] = {"as_of": AS_OF, "every": "month", "by": "owner_id", "tz": "Asia/Bangkok"}
    return stage_conversion(deals=deals, transitions=ledger, stages=STAGES, method=method, **options)


@every_method
@given(st.data())
@settings(few, max_examples=few.max_examples // 2)
def test_neither_order_nor_kind_nor_parts_nor_a_rule_change_anything(method: str, data: st.DataObject) -> None:
    deals, ledger = data.draw(histories())
    kind, cut = KINDS[data.draw(st.sampled_from(sorted(KINDS)))], data.draw(st.integers(0, 4))
    whole = computed(deals, ledger, method)
    options: dict[str, Any] = {"transitions": ledger, "stages": STAGES, "as_of": AS_OF, "method": method}
    annas = [each for each in deals if each.owner_id == "anna"]

    assert computed(kind(deals[::-1], Deal), kind(ledger[::-1], Transition), method) == whole
    assert computed(deals[:cut], ledger, method) + computed(deals[cut:], ledger, method) == whole
    assert stage_conversion(deals=deals, where=field("owner_id") == "anna", **options) == stage_conversion(
        deals=annas, **options
    )


@pytest.mark.parametrize("kind", KINDS)
@every_method
def test_nothing_has_no_value_but_a_reason(kind: str, method: str) -> None:
    result = stage_conversion(
        deals=KINDS[kind]([], Deal), transitions=KINDS[kind]([], Transition), stages=GYM, as_of=MAY, method=method
    )

    nothing = "no deal was created" if method == "funnel" else "no deal came to the stage"
    assert [(each.group["stage"], each.value, each.n, each.reason) for each in result] == [
        (stage, None, 0, nothing) for stage in STAGES
    ]


@pytest.mark.parametrize(("tz", "month"), [("UTC", "2025-05"), ("Asia/Bangkok", "2025-06")])
def test_a_deal_counts_in_the_period_in_which_it_came(tz: str, month: str) -> None:
    came = went("Trial", "Offer", created_at=datetime(2025, 5, 31, 20, tzinfo=UTC))[0]
    result = stage_conversion(
        deals=came, transitions=[], stages=["Offer"], as_of=date(2025, 6, 30), every="month", tz=tz
    )

    assert [each.period.label for each in result if each.period and each.n] == [month]


def test_only_the_deals_of_a_pipeline_count() -> None:
    others = went("Trial", "Offer", number=8, pipeline_id="club")
    both = together((SEVEN["deals"], SEVEN["transitions"]), others)

    assert rates(stage_conversion(**both, stages=GYM, as_of=MAY)) == rates(
        stage_conversion(**SEVEN, stages=GYM, as_of=MAY)
    )
    assert stage_conversion(**both, stages=STAGES, as_of=MAY)[0].n == 8


def test_days_to_go_on_make_periods_comparable() -> None:
    slow, young = (
        went("Trial", "Talk", "Talk2", "Offer", number=1),
        went("Trial", number=2, created_at=FIRST + 29 * DAY),
    )
    result = stage_conversion(**together(slow, young), stages=["Trial", "Offer"], as_of=MAY, within_days=2)

    assert (result[0].value, result[0].n, result[0].excluded) == (0, 1, {"window still open": 1})
    assert result[0].warnings == ()
    assert stage_conversion(**together(slow), stages=["Trial", "Offer"], as_of=MAY, within_days=3)[0].value == 1


@pytest.mark.parametrize("stages", [None, "Trial", [], [1, 2], 7])
def test_what_are_no_stages_is_refused(stages: Any) -> None:
    with pytest.raises(InvalidInput, match="are no stages; give a Pipeline, or the labels of its open stages in order"):
        stage_conversion(deals=[], transitions=[], stages=stages, as_of=MAY)


def test_bad_input_is_named() -> None:
    with pytest.raises(InvalidInput, match="has a label twice"):
        stage_conversion(deals=[], transitions=[], stages=["Trial", "Trial"], as_of=MAY)
    with pytest.raises(InvalidInput, match="by='stage' is not needed"):
        stage_conversion(deals=[], transitions=[], stages=STAGES, as_of=MAY, by="stage")
    with pytest.raises(InvalidInput, match="within_days= is not for method='funnel'"):
        stage_conversion(deals=[], transitions=[], stages=STAGES, as_of=MAY, method="funnel", within_days=3)
    with pytest.raises(InvalidInput, match="the Transition data has no column 'after'"):
        stage_conversion(deals=[], transitions=from_records([], Transition).drop("after"), stages=STAGES, as_of=MAY)
    strange = from_records(SEVEN["deals"], Deal).with_columns(category=pl.lit("gone"))
    with pytest.raises(
        InvalidInput, match="column 'category' holds 'gone' .7 rows.; accepted are 'open', 'won', 'lost'"
    ):
        stage_conversion(deals=strange, transitions=[], stages=STAGES, as_of=MAY)


def test_the_cases_of_the_help_desk_are_a_funnel(published: Path) -> None:
    expected = json.loads((published / "expected" / "helpdesk_log.json").read_text())["helpdesk"]
    log, deals, transitions = help_desk(published)
    options: dict[str, Any] = {"stages": ["1", "8", "9"], "as_of": date(2013, 1, 1)}
    implied = stage_conversion(deals=deals, transitions=transitions, **options)
    standard = stage_conversion(deals=deals, transitions=transitions, method="standard", **options)
    alone = log.filter(pl.col("ActivityID") != "6").group_by("CaseID").agg(pl.col("ActivityID").unique())

    assert [(each.value, each.n) for each in implied] == [(1, expected["cases"])] * 3
    for each in standard:
        cases = alone.filter(pl.col("ActivityID").list.contains(each.group["stage"])).height
        assert (each.value, each.n) == (1, cases)


def test_the_funnel_of_maven_has_the_published_counts(published: Path) -> None:
    expected = json.loads((published / "expected" / "maven_crm.json").read_text())["stage_counts"]
    deals = maven_deals(published).rename({"opportunity_id": "id"})
    engaging = stage_conversion(
        deals=deals, transitions=[], stages=["Prospecting", "Engaging"], as_of=date(2018, 1, 1)
    )[1]

    assert (engaging.numerator, engaging.details["open"]) == (expected["Won"], expected["Engaging"])
    assert engaging.n == expected["Won"] + expected["Engaging"]


def test_funnel_and_bottlenecks_are_computed_together() -> None:
    asked: dict[str, Any] = {"stages": GYM, "as_of": MAY}
    kpis: dict[str, Any] = {
        "conversion": stage_conversion,
        "funnel": partial(stage_conversion, method="funnel"),
        "waits": partial(bottlenecks, method="days"),
    }
    found = compute(kpis, SEVEN, **asked)

    assert found["conversion"] == stage_conversion(**SEVEN, **asked)
    assert found["funnel"] == stage_conversion(**SEVEN, method="funnel", **asked)
    assert found["waits"] == bottlenecks(**SEVEN, method="days", **asked)
