"""Transitions: the ledger of what changed its state, when, and by whom."""

from datetime import datetime
from typing import Any

from crmkit.model.records import Record, family, field, record


@record
class Transition(Record):
    """One change of state of one record.

    `subject` names the record class (of one that extends another, such as a vertical's, the other) and `subject_id` the record;
    `field` is the state that changed from the label `before` to the label `after`. The categories are the fixed meanings of the two labels. `at` is when it
    was true, `recorded_at` when it became known; an import of old history has both.
    """

    by: str | None = field(default=None, links="Employee")
    subject: str
    subject_id: str
    field: str
    before: str | None = None
    after: str
    category_before: str | None = None
    category_after: str | None = None
    at: datetime
    recorded_at: datetime | None = None
    reason: str | None = None


def changed(
    before: Any, after: Any, state: str, *, at: datetime, by: str | None = None, reason: str | None = None
) -> Transition:
    """Return the transition of a record whose state, a field with a label, changed together with its `category`.

    >>> ticket = Ticket(id="t1")
    >>> resolved = ticket.replace(status="Resolved", category="resolved")
    >>> changed(ticket, resolved, "status", at=datetime(2025, 5, 1, tzinfo=UTC)).after
    'Resolved'
    """
    return Transition(
        subject=family(type(before)).__name__,
        subject_id=before.id,
        field=state,
        before=getattr(before, state),
        after=getattr(after, state),
        category_before=before.category,
        category_after=after.category,
        at=at,
        by=by,
        reason=reason,
    )
