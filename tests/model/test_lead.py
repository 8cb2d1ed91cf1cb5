"""Leads: every sequence of moves, against a model of a few lines."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmkit.errors import InvalidRecord, InvalidTransition
from crmkit.model.contact_point import ContactPoint
from crmkit.model.conversion import convert
from crmkit.model.lead import Lead, Moved, disqualify, possible_moves, qualify, recycle, work
from crmkit.testing.strategies import records

START = datetime(2025, 3, 1, 12, tzinfo=UTC)


def _convert(lead: Lead, **when: Any) -> Moved:
    conversion = convert(lead, **when)
    (transition,) = conversion.transitions
    return conversion.lead, transition


MOVES: dict[str, Callable[..., Moved]] = {
    "work": lambda lead, **when: work(lead, status=f"Work {when['at']:%H}", **when),
    "work automatically": lambda lead, **when: work(lead, status=f"Work {when['at']:%H}", is_automatic=True, **when),
    "qualify": qualify,
    "disqualify": disqualify,
    "recycle": recycle,
    "convert": _convert,
}
BECOMES = {
    ("fresh", "work"): "fresh",
    ("fresh", "work automatically"): "fresh",
    ("fresh", "qualify"): "qualified",
    ("fresh", "disqualify"): "disqualified",
    ("qualified", "work"): "fresh",
    ("qualified", "disqualify"): "disqualified",
    ("qualified", "convert"): "converted",
    ("disqualified", "recycle"): "fresh",
}
"""What a move makes of a lead; a move that is not here is impossible. A fresh lead is new, worked on or recycled."""


@given(st.data())
def test_a_lead_goes_where_the_model_says_and_nowhere_else(data: st.DataObject) -> None:
    """Behaviour 7: what is automatic goes forward only, people may go back by hand."""
    lead, state, recycled = Lead(name="Ann"), "fresh", 0

    for number in range(12):
        at = START + timedelta(hours=number)
        allowed = {name for was, name in BECOMES if was == state}
        move = data.draw(st.sampled_from([*MOVES, *sorted(allowed) * 3]))
        assert set(possible_moves(lead)) == allowed - {"work automatically"}
        if move not in allowed:
            with pytest.raises(InvalidTransition, match=f"^lead '{lead.id}' at '{lead.status}'") as refused:
                MOVES[move](lead, at=at, reason="r")
            by_itself = {"work"} if move == "work automatically" else set()
            assert set(refused.value.possible) == allowed - {"work automatically"} - by_itself
            continue
        before, state, recycled = lead, BECOMES[state, move], recycled + (move == "recycle")
        lead, transition = MOVES[move](lead, at=at, by="ann", reason="r")
        assert (transition.before, transition.after) == (before.status, lead.status)
        assert (transition.category_before, transition.category_after) == (before.category, lead.category)
        assert (transition.subject, transition.field, transition.at) == ("Lead", "status", at)
        assert (transition.by, transition.reason) == ("ann", "r")
        assert lead.category == ("open" if state in ("fresh", "qualified") else state)
        assert (lead.disqualified_reason, lead.recycle_count) == ("r" if state == "disqualified" else None, recycled)
        assert (lead.qualified_at == at) == (move == "qualify")
        assert lead.qualified_at is None or state != "fresh"


@given(records(Lead, category=st.just("open"), status=st.just("New"), recycle_count=st.just(0)))
def test_a_lead_that_is_given_up_and_recycled_keeps_everything_else(lead: Lead) -> None:
    recycled, _ = recycle(disqualify(lead, reason="no budget", at=START)[0], at=START)

    changed = {"status": "Recycled", "recycle_count": 1, "qualified_at": None, "disqualified_reason": None}
    assert recycled == lead.replace(**changed)


def test_work_needs_another_status() -> None:
    lead, _ = work(Lead(), at=START)

    with pytest.raises(InvalidTransition, match="does not allow work; possible from here: work, qualify, disqualify"):
        work(lead, at=START)
    assert work(lead, at=START, status="Nurture")[1].before == "Working"


def test_a_lead_is_given_up_for_a_reason() -> None:
    with pytest.raises(InvalidRecord, match=r"^Lead\.disqualified_reason: "):
        disqualify(Lead(), reason=" ", at=START)


def test_the_name_title_and_contact_points_of_a_lead_are_masked() -> None:
    lead = Lead(name="Ann Kowalska", job_title="Queen of Siam", contact_points=[ContactPoint("phone", "+48 501")])

    assert not any(secret in repr(lead) for secret in ("Kowalska", "Siam", "501"))
