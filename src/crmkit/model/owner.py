"""Owners: the employees to whom customers, leads, deals and other records belong."""

from datetime import datetime
from typing import Any, Protocol, Self, TypeVar

from crmkit.errors import InvalidInput
from crmkit.model.records import family
from crmkit.model.transition import Transition


class Owned(Protocol):
    """A record with an `owner_id`, a vertical's too."""

    @property
    def id(self) -> str:
        """The record's id."""

    @property
    def owner_id(self) -> str | None:
        """The employee to whom the record belongs."""

    def replace(self, **changes: Any) -> Self:
        """Return a copy with some fields changed."""


R = TypeVar("R", bound=Owned)


def reassign(
    record: R, owner_id: str, *, at: datetime, by: str | None = None, reason: str | None = None
) -> tuple[R, Transition]:
    """Give a record to another owner; return the record and the transition, which has no categories.

    Access that a host derives from the owner follows, because the owner stands in one place. Raises `InvalidInput` for
    the owner whom the record has.

    >>> deal, transition = reassign(Deal(pipeline_id="gym", stage="Trial"), "ann", at=datetime(2025, 5, 1, tzinfo=UTC))
    >>> transition.before, deal.owner_id
    (None, 'ann')
    """
    kind = family(type(record)).__name__
    if owner_id == record.owner_id:
        raise InvalidInput(f"{kind} {record.id!r} belongs to {owner_id!r} already; give another owner")
    transition = Transition(
        subject=kind,
        subject_id=record.id,
        field="owner_id",
        before=record.owner_id,
        after=owner_id,
        at=at,
        by=by,
        reason=reason,
    )
    return record.replace(owner_id=owner_id), transition
