"""Tickets: requests for help, and the moves that change their status."""

from datetime import datetime
from typing import Literal

from crmkit.errors import InvalidTransition
from crmkit.model.record import Record, field, record
from crmkit.model.transition import Transition, changed

TicketCategory = Literal["open", "paused", "resolved"]
Priority = Literal["low", "normal", "high", "urgent"]


@record
class Ticket(Record):
    """A request of a customer.

    `status` is the business's own label and `category` what it means. `resolved_at` is the latest resolution, and
    `reopen_count` says how often a resolved ticket was opened again; both follow from `resolve` and `reopen`.
    """

    status: str = "New"
    category: TicketCategory = "open"
    number: str | None = field(default=None, category="identity")
    customer_id: str | None = field(default=None, links="Customer")
    subject: str | None = field(default=None, personal=True)
    channel: str | None = None
    topic: str | None = None
    priority: Priority = "normal"
    assignee_id: str | None = field(default=None, links="Employee")
    resolved_at: datetime | None = None
    reopen_count: int = field(default=0, category="quantitative")


Moved = tuple[Ticket, Transition]


def resolve(
    ticket: Ticket, *, at: datetime, status: str = "Resolved", by: str | None = None, reason: str | None = None
) -> Moved:
    """Resolve an open or paused ticket; return the ticket and its transition.

    Raises `InvalidTransition` for a ticket that is resolved already.
    """
    if ticket.category == "resolved":
        raise InvalidTransition(f"ticket {ticket.id!r} is resolved already ({ticket.status!r})", ("reopen",))
    resolved = ticket.replace(status=status, category="resolved", resolved_at=at)
    return resolved, changed(ticket, resolved, "status", at=at, by=by, reason=reason)


def reopen(
    ticket: Ticket, *, at: datetime, status: str = "Open", by: str | None = None, reason: str | None = None
) -> Moved:
    """Open a resolved ticket again; return the ticket and its transition.

    Raises `InvalidTransition` for a ticket that is not resolved.
    """
    if ticket.category != "resolved":
        raise InvalidTransition(f"ticket {ticket.id!r} is not resolved ({ticket.status!r})", ("resolve",))
    opened = ticket.replace(status=status, category="open", resolved_at=None, reopen_count=ticket.reopen_count + 1)
    return opened, changed(ticket, opened, "status", at=at, by=by, reason=reason)
