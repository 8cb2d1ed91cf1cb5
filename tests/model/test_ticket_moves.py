"""The moves of a ticket, driven at random against a model of a few lines, and what customers' messages do."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmkit.errors import InvalidInput, InvalidTransition
from crmkit.model import Ticket, Transition, record
from crmkit.model.ticket import (
    WAITING,
    change_service_level,
    close,
    follow_up,
    hold,
    merge,
    merged_target,
    possible_moves,
    prioritise,
    reassign,
    receive,
    reopen,
    reply,
    resolve,
    resume,
    split,
    wait,
)

NOON = datetime(2025, 5, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
OTHER = Ticket(id="other")

ANYWHERE = {"new", "waiting", "holding", "open", "resolved", "closed"}
# From where each move is possible, and where it leads; None: the status stays.
MODEL: dict[str, tuple[set[str], str | None]] = {
    "reply": (ANYWHERE, None),
    "wait": ({"new", "open", "holding"}, "waiting"),
    "hold": ({"new", "open", "waiting"}, "holding"),
    "resume": ({"waiting", "holding"}, "open"),
    "resolve": ({"new", "open", "waiting", "holding"}, "resolved"),
    "close": ({"resolved"}, "closed"),
    "reopen": ({"resolved", "closed"}, "open"),
    "follow_up": ({"resolved", "closed"}, None),
    "split": (ANYWHERE, None),
    "merge": (ANYWHERE, "merged"),
    "reassign": (ANYWHERE, None),
    "prioritise": (ANYWHERE, None),
    "change_service_level": (ANYWHERE, None),
}
LABELS = {
    "new": ("New", "open"),
    "open": ("Open", "open"),
    "waiting": ("Waiting on customer", "paused"),
    "holding": ("On hold", "paused"),
    "resolved": ("Resolved", "resolved"),
    "closed": ("Closed", "resolved"),
    "merged": ("Merged", "resolved"),
}
COMMANDS: dict[str, Callable[..., Any]] = {
    "reply": lambda ticket, at: reply(ticket, at=at),
    "wait": lambda ticket, at: wait(ticket, at=at),
    "hold": lambda ticket, at: hold(ticket, at=at),
    "resume": lambda ticket, at: resume(ticket, at=at),
    "resolve": lambda ticket, at: resolve(ticket, at=at),
    "close": lambda ticket, at: close(ticket, at=at),
    "reopen": lambda ticket, at: reopen(ticket, at=at),
    "follow_up": lambda ticket, at: (ticket, follow_up(ticket, at=at)),
    "split": lambda ticket, at: (ticket, split(ticket, at=at)),
    "merge": lambda ticket, at: merge(ticket, OTHER, at=at),
    "reassign": lambda ticket, at: reassign(ticket, f"{ticket.assignee_id}'", at=at),
    "prioritise": lambda ticket, at: prioritise(ticket, "low" if ticket.priority == "high" else "high", at=at),
    "change_service_level": lambda ticket, at: change_service_level(ticket, f"{ticket.service_level_id}'", at=at),
}


@given(st.lists(st.sampled_from(sorted(MODEL)), max_size=25))
def test_a_ticket_moves_as_the_model_does(names: list[str]) -> None:
    ticket, state, at, reopened = Ticket(id="t1"), "new", NOON, 0
    for name in names:
        at += timedelta(minutes=1)
        assert set(possible_moves(ticket)) == {move for move, (origins, _) in MODEL.items() if state in origins}
        if state not in MODEL[name][0]:
            with pytest.raises(InvalidTransition) as refused:
                COMMANDS[name](ticket, at)
            assert refused.value.possible == possible_moves(ticket)
            continue
        after, made = COMMANDS[name](ticket, at)
        if isinstance(made, Transition) and made.field == "status":
            assert (made.subject_id, made.at) == ("t1", at)
            assert (made.before, made.category_before) == (ticket.status, ticket.category)
            assert (made.after, made.category_after) == (after.status, after.category)
        ticket, state, reopened = after, MODEL[name][1] or state, reopened + (name == "reopen")
        assert (ticket.status, ticket.category) == LABELS[state]
        assert ticket.reopen_count == reopened
        assert (ticket.closed_at is not None) == (state in {"closed", "merged"})
        assert (ticket.merged_into_id is not None) == (state == "merged")
        assert ticket.resolved_at is None or state in {"resolved", "closed", "merged"}


def test_the_first_reply_is_stamped_and_later_ones_are_not() -> None:
    answered, nothing = reply(Ticket(), at=NOON)
    again, made = reply(answered, at=NOON + DAY, waiting=WAITING, by="anna")

    assert nothing is None
    assert again.first_responded_at == NOON
    assert made is not None
    assert (again.category, made.after, made.by) == ("paused", WAITING, "anna")
    assert reply(again, at=NOON + DAY, waiting=WAITING) == (again, None)


def test_a_resolved_ticket_may_be_answered_but_not_be_made_to_wait() -> None:
    resolved, _ = resolve(Ticket(), at=NOON)

    assert reply(resolved, at=NOON)[0].first_responded_at == NOON
    with pytest.raises(InvalidTransition, match=r"\(resolved\) does not allow wait; possible from here: close, reopen"):
        reply(resolved, at=NOON, waiting=WAITING)


def test_a_paused_ticket_may_wait_under_another_label_but_not_under_its_own() -> None:
    ours, _ = wait(Ticket(), at=NOON, status="Pending")

    assert "wait" in possible_moves(ours)
    assert wait(ours, at=NOON)[1].before == "Pending"
    with pytest.raises(InvalidTransition):
        hold(ours, at=NOON, status="Pending")


@pytest.mark.parametrize("name", ["assignee_id", "priority", "service_level_id"])
def test_owner_priority_and_policy_change_by_transitions_of_their_own_fields(name: str) -> None:
    """Behaviour 23: a change of priority or policy is in the history, from which everything is computed again."""
    commands: dict[str, tuple[Callable[..., tuple[Ticket, Transition]], str]] = {
        "assignee_id": (reassign, "anna"),
        "priority": (prioritise, "urgent"),
        "service_level_id": (change_service_level, "gold"),
    }
    command, value = commands[name]
    before = Ticket(id="t1")
    after, made = command(before, value, at=NOON, by="bob", reason="asked for")

    assert after == before.replace(**{name: value})
    assert (made.field, made.before, made.after) == (name, getattr(before, name), value)
    assert (made.category_before, made.category_after, made.by, made.reason) == ("open", "open", "bob", "asked for")
    with pytest.raises(InvalidTransition):
        command(after, value, at=NOON)


@pytest.mark.parametrize("pause", [wait, hold])
def test_a_message_opens_a_paused_ticket(pause: Callable[..., tuple[Ticket, Transition]]) -> None:
    paused, _ = pause(Ticket(id="t1"), at=NOON)
    received = receive(paused, at=NOON + DAY, reopen_within_days=14)

    assert (received.ticket.category, received.ticket.reopen_count) == ("open", 0)
    assert received.transition is not None
    assert received.transition.at == NOON + DAY


def test_a_message_opens_a_resolved_ticket_however_old() -> None:
    resolved, _ = resolve(Ticket(), at=NOON)
    received = receive(resolved, at=NOON + 1000 * DAY, reopen_within_days=0)

    assert (received.ticket.category, received.ticket.reopen_count) == ("open", 1)
    assert received.ticket.resolved_at is None


@given(st.integers(0, 30), st.integers(0, 60 * 24 * 60))
def test_a_message_opens_a_closed_ticket_inside_the_window_and_else_begins_a_follow_up(days: int, minutes: int) -> None:
    closed, _ = close(resolve(Ticket(id="t1"), at=NOON - DAY)[0], at=NOON)
    at = NOON + timedelta(minutes=minutes)
    received = receive(closed, at=at, reopen_within_days=days)

    if minutes <= days * 24 * 60:
        assert received.follow_up is None
        assert (received.ticket.category, received.ticket.closed_at) == ("open", None)
    else:
        assert (received.ticket, received.transition) == (closed, None)
        assert received.follow_up is not None
        assert (received.follow_up.follow_up_of_id, received.follow_up.created_at) == ("t1", at)


@pytest.mark.parametrize("state", ["waiting", "holding", "resolved", "closed"])
def test_an_automatic_reply_opens_nothing(state: str) -> None:
    """Behaviour 19: an out-of-office message is no message of a person."""
    status, category = LABELS[state]
    ticket = Ticket(status=status, category=category, closed_at=NOON if state == "closed" else None)  # type: ignore[arg-type]
    received = receive(ticket, at=NOON + DAY, reopen_within_days=14, provenance="machine")

    assert (received.ticket, received.transition, received.follow_up) == (ticket, None, None)


def test_a_message_to_an_open_ticket_changes_nothing() -> None:
    assert receive(Ticket(id="t1"), at=NOON, reopen_within_days=14).transition is None


def test_a_message_to_a_merged_ticket_is_refused_with_the_ticket_that_it_belongs_to() -> None:
    merged, _ = merge(Ticket(id="t1"), OTHER, at=NOON)

    with pytest.raises(InvalidTransition, match=r"'t1' cannot receive; it is merged into 'other'; .* nothing"):
        receive(merged, at=NOON, reopen_within_days=14)


def test_a_negative_window_is_refused() -> None:
    with pytest.raises(InvalidInput, match="reopen_within_days=-1 is negative"):
        receive(Ticket(), at=NOON, reopen_within_days=-1)


def test_a_merge_is_no_resolution_and_keeps_what_was_so_before() -> None:
    merged, made = merge(Ticket(id="t1"), OTHER, at=NOON)
    assert (merged.resolved_at, merged.closed_at, merged.category) == (None, NOON, "resolved")
    assert (made.before, made.after) == ("New", "Merged")

    closed, _ = close(resolve(Ticket(id="t2"), at=NOON)[0], at=NOON + DAY)
    merged, _ = merge(closed, OTHER, at=NOON + 2 * DAY)
    assert (merged.resolved_at, merged.closed_at) == (NOON, NOON + DAY)


@pytest.mark.parametrize("into", [Ticket(id="t1"), Ticket(id="t2", merged_into_id="t3")])
def test_a_ticket_cannot_be_merged_into_itself_or_into_a_merged_one(into: Ticket) -> None:
    with pytest.raises(InvalidInput, match=f"'{into.id}' cannot take in 't1'"):
        merge(Ticket(id="t1"), into, at=NOON)


@given(st.dictionaries(st.sampled_from("abcdef"), st.sampled_from("abcdefg"), max_size=6))
def test_a_chain_of_merges_ends_in_its_target_or_is_refused(merges: dict[str, str]) -> None:
    """Behaviour 24: replies to a merged ticket follow the chain, which may not run in a circle."""
    tickets = [Ticket(id=each, merged_into_id=merges.get(each)) for each in "abcdef"]
    here = "a"
    for _ in tickets:
        here = merges.get(here, here)
    if here in merges or here == "g":
        with pytest.raises(InvalidInput, match="no ticket given took in ticket 'a': a -> "):
            merged_target(tickets[0], tickets)
    else:
        assert merged_target(tickets[0], reversed(tickets)).id == here


@record
class MachineTicket(Ticket):
    """What a vertical declares."""

    machine: str | None = None


@pytest.mark.parametrize("derive", [split, follow_up])
def test_a_new_ticket_describes_the_same_request_and_has_no_history(derive: Callable[..., Ticket]) -> None:
    request: dict[str, Any] = {
        "customer_id": "ann",
        "subject": "Treadmill stops",
        "kind": "fault",
        "priority": "high",
        "group": "Technicians",
        "machine": "treadmill 4",
    }
    before = MachineTicket(
        id="t1",
        number="17",
        external_ids={"zammad": "9"},
        status="Closed",
        category="resolved",
        first_responded_at=NOON,
        resolved_at=NOON,
        closed_at=NOON,
        reopen_count=2,
        follow_up_of_id="t0",
        **request,
    )
    after = derive(before, at=NOON + DAY)
    expected = request | {"split_from_id" if derive is split else "follow_up_of_id": "t1"}

    assert after.id != before.id
    assert after == MachineTicket(id=after.id, created_at=NOON + DAY, **expected)


def test_a_split_ticket_may_have_a_subject_of_its_own() -> None:
    assert split(Ticket(subject="Two things"), at=NOON, subject="Second thing").subject == "Second thing"
