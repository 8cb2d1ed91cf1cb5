"""Tickets: requests for help, and the moves that change their state."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, Literal

import attrs

from crmkit.errors import InvalidInput, InvalidTransition
from crmkit.model.identity import new_id
from crmkit.model.interaction import Provenance
from crmkit.model.records import Record, field, record
from crmkit.model.shape import FrozenDict
from crmkit.model.transition import Transition, changed

TicketCategory = Literal["open", "paused", "resolved"]
Priority = Literal["low", "normal", "high", "urgent"]

WAITING = "Waiting on customer"
HOLDING = "On hold"


@record
class Ticket(Record):
    """A request of a customer.

    `status` is the business's own label and `category` what it means: "open" is the business's turn, "paused" waits for the
    customer or for somebody else, "resolved" is over. A resolved ticket with a `closed_at` is closed, and one with a
    `merged_into_id` is merged, which no move leaves. `resolved_at` is the latest resolution, and `reopen_count` says how often
    the ticket was opened again. `group` is the team, `kind` the business's own word for what sort of request it is.
    `first_responded_at` is the first answer of a person; an import carries it where the interactions are not at hand.

    >>> Ticket(priority="high", category="open").status
    'New'
    """

    status: str = "New"
    category: TicketCategory = "open"
    number: str | None = field(default=None, category="identity", unique=True)
    customer_id: str | None = field(default=None, links="Customer")
    subject: str | None = field(default=None, personal=True)
    channel: str | None = None
    topic: str | None = None
    kind: str | None = None
    priority: Priority = "normal"
    group: str | None = None
    assignee_id: str | None = field(default=None, links="Employee")
    service_level_id: str | None = field(default=None, links="ServiceLevel")
    first_responded_at: datetime | None = None
    resolved_at: datetime | None = None
    closed_at: datetime | None = None
    reopen_count: int = field(default=0, category="quantitative")
    merged_into_id: str | None = field(default=None, links="Ticket")
    split_from_id: str | None = field(default=None, links="Ticket")
    follow_up_of_id: str | None = field(default=None, links="Ticket")


Moved = tuple[Ticket, Transition]

_ALWAYS = ("reply", "split", "merge", "reassign", "prioritise", "change_service_level")
_MOVES = {
    "open": ("wait", "hold", "resolve", *_ALWAYS),
    "paused": ("wait", "hold", "resume", "resolve", *_ALWAYS),
    "resolved": ("close", "reopen", "follow_up", *_ALWAYS),
    "closed": ("reopen", "follow_up", *_ALWAYS),
    "merged": (),
}


@attrs.frozen
class Received:
    """What a customer's message did: the ticket after it, its transition, or the new ticket that the message belongs to."""

    ticket: Ticket
    transition: Transition | None = None
    follow_up: Ticket | None = None


def possible_moves(ticket: Ticket) -> tuple[str, ...]:
    """Return the names of the moves that the state of a ticket allows; none for a merged one.

    A paused ticket cannot be paused again under the label that it has.

    >>> possible_moves(Ticket(status="On hold", category="paused"))[:3]
    ('wait', 'resume', 'resolve')
    """
    present = {WAITING: "wait", HOLDING: "hold"}.get(ticket.status) if ticket.category == "paused" else None
    return tuple(move for move in _MOVES[_state(ticket)] if move != present)


def reply(
    ticket: Ticket, *, at: datetime, waiting: str | None = None, by: str | None = None, reason: str | None = None
) -> tuple[Ticket, Transition | None]:
    """Note a person's answer to the customer; the first one is stamped.

    The status stays, and no transition is returned, unless `waiting` gives the label under which the ticket now waits for the
    customer, such as `WAITING`. Raises `InvalidTransition` for a merged ticket, and for a resolved one with `waiting`.

    >>> reply(Ticket(), at=datetime(2025, 5, 1, tzinfo=UTC), waiting=WAITING)[0].category
    'paused'
    """
    _check("reply", ticket)
    answered = ticket.replace(first_responded_at=ticket.first_responded_at or at)
    if waiting is None or (ticket.category, ticket.status) == ("paused", waiting):
        return answered, None
    return wait(answered, at=at, status=waiting, by=by, reason=reason)


def wait(
    ticket: Ticket, *, at: datetime, status: str = WAITING, by: str | None = None, reason: str | None = None
) -> Moved:
    """Pause an open ticket, or one that is paused under another label, until the customer answers.
    Raises `InvalidTransition` for a resolved ticket and for the label that it has.

    >>> wait(Ticket(), at=datetime(2025, 5, 1, tzinfo=UTC))[1].after
    'Waiting on customer'
    """
    return _pause("wait", ticket, status, at=at, by=by, reason=reason)


def hold(
    ticket: Ticket, *, at: datetime, status: str = HOLDING, by: str | None = None, reason: str | None = None
) -> Moved:
    """Pause a ticket for a reason inside the business, such as a part on order; otherwise like `wait`.

    >>> hold(Ticket(), at=datetime(2025, 5, 1, tzinfo=UTC), reason="part on order")[0].status
    'On hold'
    """
    return _pause("hold", ticket, status, at=at, by=by, reason=reason)


def resume(
    ticket: Ticket, *, at: datetime, status: str = "Open", by: str | None = None, reason: str | None = None
) -> Moved:
    """Open a paused ticket again. Raises `InvalidTransition` for one that is not paused.

    >>> resume(Ticket(status="On hold", category="paused"), at=datetime(2025, 5, 1, tzinfo=UTC))[0].category
    'open'
    """
    _check("resume", ticket)
    return _moved(ticket, {"status": status, "category": "open"}, at=at, by=by, reason=reason)


def resolve(
    ticket: Ticket, *, at: datetime, status: str = "Resolved", by: str | None = None, reason: str | None = None
) -> Moved:
    """Resolve an open or paused ticket. Raises `InvalidTransition` for one that is resolved already.

    >>> resolve(Ticket(), at=datetime(2025, 5, 1, tzinfo=UTC))[0].category
    'resolved'
    """
    _check("resolve", ticket)
    changes = {"status": status, "category": "resolved", "resolved_at": at}
    return _moved(ticket, changes, at=at, by=by, reason=reason)


def close(
    ticket: Ticket, *, at: datetime, status: str = "Closed", by: str | None = None, reason: str | None = None
) -> Moved:
    """Close a resolved ticket; from then on, `receive` opens it only inside a window.
    Raises `InvalidTransition` for one that is not resolved or is closed already.

    >>> close(Ticket(category="resolved"), at=datetime(2025, 5, 1, tzinfo=UTC))[0].status
    'Closed'
    """
    _check("close", ticket)
    return _moved(ticket, {"status": status, "closed_at": at}, at=at, by=by, reason=reason)


def reopen(
    ticket: Ticket, *, at: datetime, status: str = "Open", by: str | None = None, reason: str | None = None
) -> Moved:
    """Open a resolved or closed ticket again. Raises `InvalidTransition` for one that is not resolved.

    >>> reopen(Ticket(category="resolved"), at=datetime(2025, 5, 1, tzinfo=UTC))[0].reopen_count
    1
    """
    _check("reopen", ticket)
    cleared = {"resolved_at": None, "closed_at": None, "reopen_count": ticket.reopen_count + 1}
    return _moved(ticket, {"status": status, "category": "open"} | cleared, at=at, by=by, reason=reason)


def receive(
    ticket: Ticket, *, at: datetime, reopen_within_days: int, provenance: Provenance = "human", by: str | None = None
) -> Received:
    """Note a message of the customer: it opens a paused or resolved ticket.

    A ticket that was closed more than `reopen_within_days` times 24 hours before stays closed, and the message belongs to the
    new ticket in `follow_up`. An automatic message, of the `provenance` "machine", changes nothing. Raises `InvalidTransition`
    for a merged ticket, whose messages belong to its `merged_target`, and `InvalidInput` for a negative number of days.

    >>> closed = Ticket(id="t1", category="resolved", closed_at=datetime(2025, 4, 1, tzinfo=UTC))
    >>> receive(closed, at=datetime(2025, 5, 1, tzinfo=UTC), reopen_within_days=14).follow_up.follow_up_of_id
    't1'
    """
    if reopen_within_days < 0:
        raise InvalidInput(f"reopen_within_days={reopen_within_days} is negative; give 0 or more days")
    if _state(ticket) == "merged":
        raise InvalidTransition(f"ticket {ticket.id!r} cannot receive; it is merged into {ticket.merged_into_id!r}")
    if provenance == "machine" or ticket.category == "open":
        return Received(ticket)
    if ticket.category == "paused":
        return Received(*resume(ticket, at=at, by=by))
    if ticket.closed_at is None or at - ticket.closed_at <= timedelta(days=reopen_within_days):
        return Received(*reopen(ticket, at=at, by=by))
    return Received(ticket, follow_up=follow_up(ticket, at=at))


def follow_up(ticket: Ticket, *, at: datetime) -> Ticket:
    """Return a new ticket about the same as a resolved one, and linked to it; its service level starts anew.
    Raises `InvalidTransition` for a ticket that is not resolved.

    >>> follow_up(Ticket(id="t1", category="resolved"), at=datetime(2025, 5, 1, tzinfo=UTC)).follow_up_of_id
    't1'
    """
    _check("follow_up", ticket)
    return _new_like(ticket, at, follow_up_of_id=ticket.id)


def split(ticket: Ticket, *, at: datetime, subject: str | None = None) -> Ticket:
    """Return a new ticket for another matter that came up in a ticket, which itself does not change.
    Raises `InvalidTransition` for a merged ticket.

    >>> split(Ticket(id="t1"), at=datetime(2025, 5, 1, tzinfo=UTC), subject="Invoice").split_from_id
    't1'
    """
    _check("split", ticket)
    return _new_like(ticket, at, subject=subject or ticket.subject, split_from_id=ticket.id)


def merge(
    ticket: Ticket,
    into: Ticket,
    *,
    at: datetime,
    status: str = "Merged",
    by: str | None = None,
    reason: str | None = None,
) -> Moved:
    """Close a ticket for good because another one deals with the same matter.

    A merge is no resolution: `resolved_at` stays as it was. Raises `InvalidTransition` for a merged ticket, and `InvalidInput`
    if the other one is merged itself or is the same one.

    >>> merge(Ticket(id="t1"), Ticket(id="t2"), at=datetime(2025, 5, 1, tzinfo=UTC))[0].merged_into_id
    't2'
    """
    _check("merge", ticket)
    if into.id == ticket.id or into.merged_into_id is not None:
        raise InvalidInput(f"ticket {into.id!r} cannot take in {ticket.id!r}; give another one that is not merged")
    closed = {"category": "resolved", "closed_at": ticket.closed_at or at, "merged_into_id": into.id}
    return _moved(ticket, {"status": status} | closed, at=at, by=by, reason=reason)


def merged_target(ticket: Ticket, tickets: Iterable[Ticket]) -> Ticket:
    """Return the ticket that a merged one ended in after any number of merges; one that is not merged is returned itself.
    Raises `InvalidInput` where the chain leads to a ticket that is not among `tickets`, or in a circle.

    >>> merged_target(Ticket(id="t1", merged_into_id="t2"), [Ticket(id="t2")]).id
    't2'
    """
    by_id = {each.id: each for each in tickets}
    passed = [ticket.id]
    while ticket.merged_into_id is not None:
        passed.append(ticket.merged_into_id)
        if passed[-1] in passed[:-1] or passed[-1] not in by_id:
            raise InvalidInput(f"no ticket given took in ticket {passed[0]!r}: {' -> '.join(passed)}")
        ticket = by_id[passed[-1]]
    return ticket


def reassign(
    ticket: Ticket, assignee_id: str, *, at: datetime, by: str | None = None, reason: str | None = None
) -> Moved:
    """Give a ticket to another employee. Raises `InvalidTransition` for the present one and for a merged ticket.

    >>> reassign(Ticket(), "anna", at=datetime(2025, 5, 1, tzinfo=UTC))[1].after
    'anna'
    """
    return _set("reassign", ticket, "assignee_id", assignee_id, at=at, by=by, reason=reason)


def prioritise(
    ticket: Ticket, priority: Priority, *, at: datetime, by: str | None = None, reason: str | None = None
) -> Moved:
    """Give a ticket another priority; its service level is then judged by the targets of that one.
    Raises `InvalidTransition` for the present priority and for a merged ticket.

    >>> prioritise(Ticket(), "urgent", at=datetime(2025, 5, 1, tzinfo=UTC))[1].before
    'normal'
    """
    return _set("prioritise", ticket, "priority", priority, at=at, by=by, reason=reason)


def change_service_level(
    ticket: Ticket, service_level_id: str, *, at: datetime, by: str | None = None, reason: str | None = None
) -> Moved:
    """Promise another service level. Raises `InvalidTransition` for the present one and for a merged ticket.

    >>> change_service_level(Ticket(), "gold", at=datetime(2025, 5, 1, tzinfo=UTC))[0].service_level_id
    'gold'
    """
    return _set("change_service_level", ticket, "service_level_id", service_level_id, at=at, by=by, reason=reason)


def _state(ticket: Ticket) -> str:
    if ticket.merged_into_id is not None:
        return "merged"
    return "closed" if ticket.category == "resolved" and ticket.closed_at is not None else ticket.category


def _check(move: str, ticket: Ticket, *, is_possible: bool = True) -> None:
    if not is_possible or move not in _MOVES[_state(ticket)]:
        where = f"ticket {ticket.id!r} at {ticket.status!r} ({_state(ticket)})"
        raise InvalidTransition(f"{where} does not allow {move}", possible_moves(ticket))


def _pause(move: str, ticket: Ticket, status: str, **when: Any) -> Moved:
    _check(move, ticket, is_possible=(ticket.category, ticket.status) != ("paused", status))
    return _moved(ticket, {"status": status, "category": "paused"}, **when)


def _set(move: str, ticket: Ticket, name: str, value: str, **when: Any) -> Moved:
    _check(move, ticket, is_possible=getattr(ticket, name) != value)
    after = ticket.replace(**{name: value})
    return after, changed(ticket, after, name, **when)


def _moved(ticket: Ticket, changes: dict[str, Any], **when: Any) -> Moved:
    after = ticket.replace(**changes)
    return after, changed(ticket, after, "status", **when)


def _new_like(ticket: Ticket, at: datetime, **changes: Any) -> Ticket:
    """A new ticket with what describes the request, the fields of a vertical included, and none of what happened to it."""
    return ticket.replace(
        id=new_id(),
        created_at=at,
        external_ids=FrozenDict(),
        number=None,
        status="New",
        category="open",
        first_responded_at=None,
        resolved_at=None,
        closed_at=None,
        reopen_count=0,
        **{"split_from_id": None, "follow_up_of_id": None} | changes,
    )
