"""Transitions: the ledger of what changed its state, when, and by whom."""

from datetime import datetime

from crmkit.model.record import Record, field, record


@record
class Transition(Record):
    """One change of state of one record.

    `subject` names the record class and `subject_id` the record; `field` is the state that changed from the label
    `before` to the label `after`. The categories are the fixed meanings of the two labels. `at` is when it
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
