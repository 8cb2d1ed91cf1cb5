"""Faults: what is wrong with a record, as values."""

from collections.abc import Iterable

import attrs


@attrs.frozen(order=True)
class Fault:
    """One thing that is wrong with one record.

    `subject` names the record class, `subject_id` the record and `field` the field or the way to it through value
    objects, as in "lines.0.product_id". `what` says what is wrong without any personal value.
    """

    subject: str
    subject_id: str
    field: str
    what: str

    def __str__(self) -> str:
        """Say it in one line.

        >>> print(Fault("Deal", "d1", "closed_at", "it is before created_at"))
        Deal 'd1': closed_at: it is before created_at
        """
        return f"{self.subject} {self.subject_id!r}: {self.field}: {self.what}"


def in_order(faults: Iterable[Fault]) -> tuple[Fault, ...]:
    """Return faults by class, id, field and sentence.

    >>> late, early = Fault("Task", "t2", "id", "twice"), Fault("Task", "t1", "id", "twice")
    >>> in_order([late, early]) == (early, late)
    True
    """
    return tuple(sorted(faults))
