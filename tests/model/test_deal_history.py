"""The history of deals, against a deal that is followed hour by hour."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmkit.errors import InvalidInput
from crmkit.model.deal import Deal, advance, lose, reopen, win
from crmkit.model.deal_history import StageStay, idle_since, is_rotting, last_open_stage, stage_stays, time_in_stages
from crmkit.model.interaction import Interaction
from crmkit.model.owner import reassign
from crmkit.model.pipeline import Pipeline, Stage
from crmkit.model.records import record
from crmkit.model.transition import Transition

START = datetime(2025, 3, 1, tzinfo=UTC)
HOURS = 30
STAGES = [
    Stage("Trial", "open", rotting_days=3),
    Stage("Offer", "open", rotting_days=0),
    Stage("Talks", "open"),
    Stage("Won", "won", rotting_days=1),
    Stage("Lost", "lost", rotting_days=1),
]
GYM = Pipeline(id="gym", stages=STAGES)
NEW = Deal(id="d1", pipeline_id="gym", stage="Trial", created_at=START)
CATEGORY = {stage.label: stage.category for stage in STAGES}


@record
class MemberDeal(Deal):
    """A vertical's deal."""


visits = st.dictionaries(st.integers(1, HOURS), st.sampled_from(GYM.labels()), max_size=8)
"""Where a deal is taken at which hour, if it is possible."""


def _at(hour: int) -> datetime:
    return START + timedelta(hours=hour)


def _go(deal: Deal, label: str, at: datetime) -> tuple[Deal, tuple[Transition, ...]]:
    """Take a deal to a stage; a closed one is reopened at the same instant where it has to be."""
    opened: tuple[Transition, ...] = ()
    if label == deal.stage:
        return deal, ()
    if deal.category != "open" and CATEGORY[label] != "open":
        deal, transition = reopen(deal, GYM, "Talks", at=at)
        opened = (transition,)
    if CATEGORY[label] == "open":
        deal, transition = (advance if deal.category == "open" else reopen)(deal, GYM, label, at=at)
    elif CATEGORY[label] == "won":
        deal, transition = win(deal, GYM, at=at)
    else:
        deal, transition = lose(deal, GYM, reason="price", at=at)
    return deal, (*opened, transition)


def _life(taken: dict[int, str]) -> tuple[list[Deal], list[Transition]]:
    """The deal as it was at each hour, and its ledger with what is no change of its stage."""
    deal, deals, ledger = NEW, [NEW], list[Transition]()
    for hour in range(1, HOURS + 1):
        deal, transitions = _go(deal, taken.get(hour, deal.stage), _at(hour))
        deals.append(deal)
        ledger += transitions
    other = advance(NEW.replace(id="d2"), GYM, "Talks", at=_at(5))[1]
    return deals, [*ledger, other, reassign(NEW, "ann", at=_at(7))[1]]


@given(visits, st.integers(0, HOURS), st.randoms())
def test_stays_add_up_to_the_hours_at_each_stage(taken: dict[int, str], hour: int, chance: Random) -> None:
    """Behaviour 1: an entry a stay, so first entry, latest entry and total are all there."""
    deals, ledger = _life(taken)
    stays = stage_stays(deals[-1], chance.sample(ledger, len(ledger)), as_of=_at(hour))
    hours = [deal.stage for deal in deals[:hour]]
    totals = time_in_stages(stays, as_of=_at(hour))

    assert {stage: total for stage, total in totals.items() if total} == {
        stage: timedelta(hours=hours.count(stage)) for stage in set(hours)
    }
    assert stays[0].entered_at == START
    assert stays[-1] == StageStay(deals[hour].stage, stays[-1].entered_at, None)
    assert all(one.left_at == other.entered_at for one, other in pairwise(stays))
    for stage in set(hours):
        entered = [stay.entered_at for stay in stays if stay.stage == stage]
        assert _at(hours.index(stage)) in entered


@given(visits, st.randoms())
def test_the_last_open_stage_is_where_a_closed_deal_was_closed(taken: dict[int, str], chance: Random) -> None:
    """Behaviour 3: the ledger remembers the stage in which a deal died."""
    deals, ledger = _life(taken)
    expected = "Trial"
    for before, deal in pairwise(deals):
        if before.category != deal.category and "open" not in (before.category, deal.category):
            expected = "Talks"
        elif deal.category == "open":
            expected = deal.stage

    assert last_open_stage(deals[-1], chance.sample(ledger, len(ledger))) == expected


def test_what_happens_at_the_very_instant_is_known() -> None:
    _, moved = advance(NEW, GYM, "Offer", at=_at(3))

    assert stage_stays(NEW, [moved], as_of=_at(3)) == (
        StageStay("Trial", START, _at(3)),
        StageStay("Offer", _at(3), None),
    )
    assert stage_stays(NEW, [moved], as_of=_at(2)) == (StageStay("Trial", START, None),)


def test_history_that_is_missing_is_not_made_up() -> None:
    """Behaviour 6."""
    _, moved = advance(NEW, GYM, "Offer", at=_at(3))
    offer, as_of = NEW.replace(stage="Offer"), _at(9)
    won = Deal(pipeline_id="gym", stage="Won", category="won", created_at=START, closed_at=_at(4))

    for created_at in (None, _at(4)):
        stays = stage_stays(offer.replace(created_at=created_at), [moved], as_of=as_of)
        assert stays == (StageStay("Trial", None, _at(3)), StageStay("Offer", _at(3), None))
        assert time_in_stages(stays, as_of=as_of) == {"Trial": None, "Offer": timedelta(hours=6)}
    assert stage_stays(won, [], as_of=as_of) == (StageStay("Won", _at(4), None),)
    assert stage_stays(won.replace(closed_at=None), [], as_of=as_of) == (StageStay("Won", None, None),)
    assert last_open_stage(won, []) is None


def test_a_stage_that_was_once_entered_at_an_unknown_time_has_no_total() -> None:
    stays = [StageStay("Trial", None, _at(1)), StageStay("Trial", _at(2), _at(3))]

    assert time_in_stages(stays, as_of=_at(9)) == time_in_stages(stays[::-1], as_of=_at(9)) == {"Trial": None}


def test_a_deal_that_its_first_transition_made_begins_there() -> None:
    made = Transition(subject="Deal", subject_id="d1", field="stage", after="Trial", at=_at(2))

    assert stage_stays(NEW, [made], as_of=_at(3)) == (StageStay("Trial", _at(2), None),)
    assert stage_stays(NEW, [made], as_of=_at(1)) == ()


def test_changes_at_one_instant_count_in_the_order_of_their_ids() -> None:
    _, offered = advance(NEW, GYM, "Offer", at=_at(1))
    _, talked = advance(NEW.replace(stage="Offer"), GYM, "Talks", at=_at(1))
    ledger = [talked.replace(id="2"), offered.replace(id="1")]

    assert [stay.stage for stay in stage_stays(NEW, ledger, as_of=_at(1))] == ["Trial", "Offer", "Talks"]


def test_the_history_of_a_vertical_deal_is_that_of_a_deal() -> None:
    deal = MemberDeal(id="d1", pipeline_id="gym", stage="Trial", created_at=START)
    moved, transition = advance(deal, GYM, "Offer", at=_at(1))

    assert transition.subject == "Deal"  # which is what KPIs look for
    assert [stay.stage for stay in stage_stays(moved, [transition], as_of=_at(2))] == ["Trial", "Offer"]


happenings = st.lists(
    st.tuples(
        st.integers(-24, 24 * 8),
        st.sampled_from(["human", "machine", "unknown", "of another deal", "moved", "reassigned"]),
    ),
    max_size=4,
)


@given(happenings, st.integers(0, 24 * 8), st.randoms())
def test_only_moves_and_people_restart_the_clock_of_a_deal(
    happened: list[tuple[int, str]], hour: int, chance: Random
) -> None:
    """Behaviour 8."""
    interactions, ledger = list[Interaction](), list[Transition]()
    for at, what in happened:
        if what == "moved":
            ledger.append(advance(NEW.replace(stage="Talks"), GYM, "Trial", at=_at(at))[1])
        elif what == "reassigned":
            ledger.append(reassign(NEW, "ann", at=_at(at))[1])
        else:
            about: dict[str, Any] = {"deal_id": "d1", "provenance": what}
            about = {"deal_id": "d2"} if what == "of another deal" else about
            interactions.append(Interaction(at=_at(at), channel="email", direction="outbound", **about))
    chance.shuffle(interactions)
    restarts = [0, *(at for at, what in happened if what in ("human", "moved") and at <= hour)]

    assert idle_since(NEW, ledger, interactions, as_of=_at(hour)) == _at(max(restarts))
    assert is_rotting(NEW, GYM, ledger, interactions, as_of=_at(hour)) == (hour - max(restarts) >= 24 * 3)


@pytest.mark.parametrize(("stage", "rots"), [("Trial", True), ("Offer", True), ("Talks", False), ("Won", False)])
def test_a_closed_deal_never_rots_nor_one_at_a_stage_without_a_threshold(stage: str, *, rots: bool) -> None:
    """Behaviour 8."""
    assert is_rotting(NEW.replace(stage=stage), GYM, [], [], as_of=_at(24 * 9)) == rots


def test_another_threshold_changes_the_answer_and_not_the_history() -> None:
    """Behaviour 8: nothing of it is stored, so the pipeline of that time answers as it did."""
    patient = GYM.replace(stages=[Stage("Trial", "open", rotting_days=2**62)])

    assert is_rotting(NEW, GYM, [], [], as_of=_at(72))
    assert not is_rotting(NEW, patient, [], [], as_of=_at(72))
    assert not is_rotting(NEW, GYM, [], [], as_of=_at(71))


def test_a_deal_of_which_nothing_is_known_does_not_rot() -> None:
    unknown = NEW.replace(created_at=None)

    assert idle_since(unknown, [], [], as_of=_at(99)) is None
    assert not is_rotting(unknown, GYM, [], [], as_of=_at(999))
    with pytest.raises(InvalidInput, match="is in pipeline 'gym', not in 'shop'"):
        is_rotting(NEW, GYM.replace(id="shop"), [], [], as_of=_at(1))
