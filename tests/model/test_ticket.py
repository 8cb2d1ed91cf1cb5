"""Tickets: every sequence of moves, against a model of a few lines."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmkit.errors import InvalidRecord, InvalidTransition
from crmkit.model import Ticket, Transition
from crmkit.model.ticket import TicketCategory, reopen, resolve
from crmkit.testing.strategies import records

START = datetime(2025, 3, 1, 12, tzinfo=UTC)
steps = st.lists(st.sampled_from([resolve, reopen]), max_size=8)


@given(st.sampled_from(["open", "paused"]), steps)
def test_a_ticket_is_resolved_and_reopened_in_turn_and_counts_it(category: TicketCategory, moves: list[object]) -> None:
    ticket, ledger = Ticket(category=category), list[Transition]()
    resolved_at, reopened = None, 0

    for number, move in enumerate(moves):
        at = START + timedelta(hours=number)
        assert callable(move)
        if (move is resolve) == (resolved_at is None):
            ticket, transition = move(ticket, at=at, by="anna", reason="asked")
            ledger.append(transition)
            reopened += resolved_at is not None
            resolved_at = at if resolved_at is None else None
        else:
            with pytest.raises(InvalidTransition, match=f"^ticket '{ticket.id}' at ") as refused:
                move(ticket, at=at)
            assert ("resolve" in refused.value.possible) is (resolved_at is None)
            assert ("reopen" in refused.value.possible) is (resolved_at is not None)
        assert (ticket.resolved_at, ticket.reopen_count) == (resolved_at, reopened)
        assert (ticket.category == "resolved") is (resolved_at is not None)

    labels = ["New", *(transition.after for transition in ledger)]
    categories = [category, *(transition.category_after for transition in ledger)]
    assert labels[-1] == ticket.status
    assert [transition.before for transition in ledger] == labels[:-1]
    assert [transition.category_before for transition in ledger] == categories[:-1]
    assert {(t.subject, t.subject_id, t.field, t.by, t.reason) for t in ledger} <= {
        ("Ticket", ticket.id, "status", "anna", "asked")
    }


@given(records(Ticket, category=st.just("open"), merged_into_id=st.none()))
def test_a_move_leaves_the_rest_of_the_ticket_as_it_was(ticket: Ticket) -> None:
    resolved, _ = resolve(ticket, at=START, status="Solved")

    assert (resolved.status, resolved.resolved_at) == ("Solved", START)
    assert resolved.replace(status=ticket.status, category="open", resolved_at=ticket.resolved_at) == ticket


def test_a_business_names_its_own_status() -> None:
    resolved, _ = resolve(Ticket(), at=START, status="Załatwione")
    opened, transition = reopen(resolved, at=START, status="Znowu")

    assert (opened.status, opened.category) == ("Znowu", "open")
    assert (transition.before, transition.after) == ("Załatwione", "Znowu")


def test_a_move_at_a_naive_time_is_refused() -> None:
    with pytest.raises(InvalidRecord, match=r"^Ticket\.resolved_at: "):
        resolve(Ticket(), at=datetime(2025, 3, 1))
