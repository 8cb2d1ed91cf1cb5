"""The past of a store, to be read like a store: what was known at an instant, or what was true at it."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from heapq import nsmallest
from itertools import islice
from typing import TYPE_CHECKING, Any, Literal, NoReturn, TypeVar

from crmkit.errors import InvalidInput, NotFound, choices
from crmkit.frames import from_records
from crmkit.io.stores.families import family
from crmkit.io.stores.port import Capability, Page, SortBy, Store, Stored, Version
from crmkit.io.stores.queries import Order, check_columns, check_limit
from crmkit.io.stores.timeline import known_at, true_at
from crmkit.model import CustomField, Record, Transition
from crmkit.rules import EVERYTHING, Rule, field, predicate, related_classes

if TYPE_CHECKING:
    import polars as pl

R = TypeVar("R", bound=Record)
Told = Literal["recorded_at", "at"]
"""Which time of a change counts: when it became known, or when it was true."""


class Past:
    """A `Store` that shows the records of another as they were at an instant, and refuses to write.

    It tells what it shows from the histories of the other store, record by record, and keeps nothing. What was purged is
    gone from the past too.
    """

    capabilities: frozenset[Capability] = frozenset({"queries", "history", "frames"})

    def __init__(self, store: Store, instant: datetime, by: Told) -> None:
        """Look at a store as it was; raise `InvalidInput` for a `by` that is no time of a change."""
        if by not in ("recorded_at", "at"):
            raise InvalidInput(f"by={by!r} is no time of a change; {choices(str(by), ['recorded_at', 'at'])}")
        self._store = store
        self._instant = instant
        self._by: Told = by

    @property
    def classes(self) -> tuple[type[Record], ...]:
        """The classes of records of the store."""
        return self._store.classes

    def get(self, cls: type[R], record_id: str) -> R:
        """See `Records.get`."""
        return self.read(cls, record_id).record

    def read(self, cls: type[R], record_id: str) -> Stored[R]:
        """See `Records.read`; the version is that of the last change that counts, and what was deleted is not found."""
        versions = self._store.history(cls, record_id)
        record = self._teller(cls, record_id)(versions)
        if not isinstance(record, cls):  # not there, or not yet of a class that extends another
            raise NotFound(f"no {cls.__name__} had the id {record_id!r} at {self._instant}")
        return Stored(record, max((each.number for each in self._counting(versions)), default=1))

    def every(self, cls: type[R], where: Rule = EVERYTHING) -> Iterator[R]:
        """See `Records.every`."""
        holds, told = self._holds(cls, where), map(self._teller(cls), self._store.histories(cls))
        return (record for record in told if isinstance(record, cls) and holds(record))

    def count(self, cls: type[Record], where: Rule = EVERYTHING) -> int:
        """See `Records.count`."""
        return sum(1 for _ in self.every(cls, where))

    def find(
        self,
        cls: type[R],
        where: Rule = EVERYTHING,
        *,
        sort: Sequence[SortBy] = (),
        limit: int = 100,
        after: str | None = None,
    ) -> Page[R]:
        """See `Queries.find`."""
        check_limit(limit)
        order = Order(cls, sort, self._declared())
        found = self.every(cls, where)
        if after is not None:
            reached = order.decode(after)
            found = (each for each in found if reached < order.place(each))
        page = tuple(nsmallest(limit + 1, found, key=order.place))
        return Page(page[:limit], order.encode(page[limit - 1]) if len(page) > limit else None)

    def history(self, cls: type[R], record_id: str) -> tuple[Version[R], ...]:
        """See `History.history`; only the changes that count."""
        self.read(cls, record_id)
        return self._counting(self._store.history(cls, record_id))

    def histories(self, cls: type[R]) -> Iterator[tuple[Version[R], ...]]:
        """See `History.histories`; only the changes that count."""
        return filter(None, map(self._counting, self._store.histories(cls)))

    def batches(
        self, cls: type[Record], where: Rule = EVERYTHING, *, columns: Sequence[str] | None = None, rows: int = 65_536
    ) -> Iterator["pl.DataFrame"]:
        """See `Frames.batches`."""
        check_limit(rows)
        check_columns(cls, columns)
        records = self.every(cls, where)
        return (from_records(some, cls, columns) for some in _batched(records, rows))

    def frame(
        self, cls: type[Record], where: Rule = EVERYTHING, *, columns: Sequence[str] | None = None
    ) -> "pl.DataFrame":
        """See `Frames.frame`."""
        check_columns(cls, columns)
        return from_records(self.every(cls, where), cls, columns)

    def close(self) -> None:
        """Do nothing: the store belongs to the present."""

    def _refuse(self, *_: Any, **__: Any) -> NoReturn:
        raise InvalidInput(
            f"the past of {self._instant} is for reading its records only; do this with the CRM that it was made from"
        )

    transaction = add = put = delete = restore = purge = note = set_note = changes = _refuse

    def _teller(self, cls: type[R], record_id: str | None = None) -> Callable[[Sequence[Version[R]]], R | None]:
        """The function that tells from a history what a record was like: of all records of a class, or of one."""
        if self._by == "recorded_at":
            return lambda versions: known_at(versions, self._instant)
        later = self._later_moves(cls, record_id)
        return lambda versions: true_at(versions, later[_id_of(versions)], self._instant)

    def _later_moves(self, cls: type[Record], record_id: str | None) -> dict[str, list[Transition]]:
        """The transitions after the instant, by the records that moved."""
        moves = defaultdict[str, list[Transition]](list)
        if Transition in self.classes:
            names = [family(cls).__name__, *(each.__name__ for each in self.classes if issubclass(each, cls))]
            where = (field("at") > self._instant) & field("subject").is_in(names)
            where = where if record_id is None else where & (field("subject_id") == record_id)
            for move in self._store.every(Transition, where):
                moves[move.subject_id].append(move)
        return moves

    def _counting(self, versions: Sequence[Version[R]]) -> tuple[Version[R], ...]:
        """The versions by the changes that count."""
        times = ((each, getattr(each.stamp, self._by)) for each in versions)
        return tuple(each for each, time in times if time is None or time <= self._instant)

    def _holds(self, cls: type[Record], where: Rule) -> Callable[[Any], bool]:
        related = {each: self.every(each) for each in related_classes(where, cls, self.classes)}
        return predicate(where, cls, () if where == EVERYTHING else self._declared(), related=related)

    def _declared(self) -> list[CustomField]:
        """The fields that were declared at run time then."""
        return [*self.every(CustomField)] if CustomField in self.classes else []


def _id_of(versions: Sequence[Version[R]]) -> str:
    return next(each.record.id for each in versions if each.record is not None)


def _batched(records: Iterator[R], n: int) -> Iterator[list[R]]:
    """The records in lists of at most n, at least one list."""
    batch = [*islice(records, n)]
    yield batch
    while batch := [*islice(records, n)]:
        yield batch
