"""Aliases: what became of ids that are gone."""

from collections.abc import Iterable
from datetime import datetime

from crmkit.errors import InvalidInput
from crmkit.model.records import Record, field, record


@record
class Alias(Record):
    """An id that is gone because of a merge, and the record of the same class that took its place."""

    subject: str
    former_id: str
    survivor_id: str
    at: datetime
    merge_id: str | None = field(default=None, links="Merge")


def resolve(aliases: Iterable[Alias], subject: str, former_id: str) -> str:
    """Return the id that a record has now, after any number of merges; an id without an alias is returned as it is.

    Of several aliases of one id the latest counts. Raises `InvalidInput` where aliases lead back to an id that they
    started from.

    >>> day = datetime(2025, 3, 1, tzinfo=UTC)
    >>> old = [Alias(subject="Customer", former_id=gone, survivor_id=now, at=day) for gone, now in ["ab", "bc"]]
    >>> resolve(old, "Customer", "a"), resolve(old, "Customer", "c")
    ('c', 'c')
    """
    known = sorted((each for each in aliases if each.subject == subject), key=lambda each: (each.at, each.id))
    survivor_of = {each.former_id: each.survivor_id for each in known}
    seen, current = {former_id}, former_id
    while current in survivor_of:
        current = survivor_of[current]
        if current in seen:
            raise InvalidInput(f"the aliases of {subject} {former_id!r} lead in a ring; remove the wrong one")
        seen.add(current)
    return current
