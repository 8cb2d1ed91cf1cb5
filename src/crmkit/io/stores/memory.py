"""The store that keeps records in memory: the reference for all others."""

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Any, cast

import attrs
import polars as pl

from crmkit.errors import InvalidInput
from crmkit.frames.convert import from_records
from crmkit.io.stores import refusals
from crmkit.io.stores.families import family, unique_fields
from crmkit.io.stores.layers import Memory
from crmkit.io.stores.memory_copy import MemoryCopy
from crmkit.io.stores.memory_ledger import MemoryLedger
from crmkit.io.stores.parts import Part, RecordPart
from crmkit.io.stores.port import (
    UNSTAMPED,
    Capability,
    ChangeKind,
    Changes,
    Page,
    R,
    SortBy,
    Stamp,
    Stored,
    Version,
    unknown_class,
)
from crmkit.io.stores.queries import Order, check_columns, check_limit
from crmkit.io.stores.reaching import keys_of
from crmkit.model import RECORDS, CustomField, new_id
from crmkit.model.records import Record
from crmkit.rules import EVERYTHING, Rule, predicate, related_classes

_CAPABILITIES = frozenset[Capability](
    {"queries", "deletion", "history", "feed", "notes", "frames", "reaching", "erasing", "copying", "tenants"}
)


class MemoryStore:
    """A `Store` that lasts as long as the object.

    Units of work of several threads go one after the other, in turn. What is read outside of one is what was kept last, and
    waits for nobody.

    >>> store = MemoryStore()
    >>> store.add([Employee(id="ann", name="Ann")])
    1
    >>> store.get(Employee, "ann").id
    'ann'
    """

    def __init__(self, records: Iterable[type[Record]] = RECORDS, tenant: str = "", *, name: str | None = None) -> None:
        """Make an empty store for these classes of records; by its `name` the feed knows its own cursors."""
        self._classes = tuple(dict.fromkeys(records))
        self._tenant = tenant
        self._memory = Memory()
        self._name = name or new_id()
        self._is_closed = False

    def for_tenant(self, tenant: str) -> "MemoryStore":
        """Return the store of another tenant in the same memory; neither sees what the other keeps."""
        other = MemoryStore(self._classes, tenant)
        other._memory, other._name = self._memory, self._name
        return other

    @property
    def capabilities(self) -> frozenset[Capability]:
        """See `Records.capabilities`."""
        return _CAPABILITIES

    @property
    def classes(self) -> tuple[type[Record], ...]:
        """See `Records.classes`."""
        return self._classes

    @contextmanager
    def transaction(
        self,
        stamp: Stamp = UNSTAMPED,
        *,
        connection: Any = None,
        lock: bool = False,  # noqa: ARG002 - every unit of work here is one with a lock
    ) -> Iterator[None]:
        """See `Records.transaction`."""
        self._check_open()
        if connection is not None:
            raise InvalidInput(
                "a memory store has no connection to share; leave connection= out, or open the store on the host's database"
            )
        with self._memory.unit(stamp):
            yield

    def add(self, records: Iterable[Record]) -> int:
        """See `Records.add`."""
        n = 0
        with self.transaction():
            for record in records:
                self._add(record)
                n += 1
        return n

    def put(self, record: Record, *, version: int | None = None) -> int:
        """See `Records.put`."""
        with self.transaction():
            stored = self._memory.get(self._rows(type(record)), record.id)
            if stored is None:
                raise refusals.not_found(type(record), record.id)
            _check_live(stored, type(record), version)
            if not isinstance(record, type(stored.record)):
                raise refusals.another_class(record, type(stored.record))
            self._free(stored.record)
            self._claim(record)
            return self._keep("changed", record, stored)

    def get(self, cls: type[R], record_id: str) -> R:
        """See `Records.get`."""
        return self._live(cls, record_id).record

    def read(self, cls: type[R], record_id: str) -> Stored[R]:
        """See `Records.read`."""
        stored = self._memory.get(self._rows(cls), record_id)
        if stored is None or not isinstance(stored.record, cls):
            raise refusals.not_found(cls, record_id)
        return cast("Stored[R]", stored)

    def every(self, cls: type[R], where: Rule = EVERYTHING) -> Iterator[R]:
        """See `Records.every`."""
        holds = self._holds(cls, where)
        rows = self._rows(cls)
        return self._each(cls, rows, sorted(self._memory.items(rows)), holds)

    def count(self, cls: type[Record], where: Rule = EVERYTHING) -> int:
        """See `Records.count`."""
        return len(self._matching(cls, where))

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
        order = Order(cls, tuple(sort), self._declared())
        rest = sorted(self._matching(cls, where), key=order.place)
        if after is not None:
            reached = order.decode(after)
            rest = [record for record in rest if reached < order.place(record)]
        shown = rest[:limit]
        return Page(tuple(shown), order.encode(shown[-1]) if len(rest) > limit else None)

    def reached_by(self, cls: type[R], keys: Iterable[str], *, limit: int | None = None) -> tuple[R, ...]:
        """See `Reaching.reached_by`."""
        self._rows(cls)
        ids = {each for key in keys for each in self._memory.get(self._reach(cls), key) or ()}
        found = (self.read(family(cls), each).record for each in sorted(ids))
        return tuple(islice((each for each in found if isinstance(each, cls)), limit))

    def delete(self, cls: type[Record], record_id: str, *, version: int | None = None) -> None:
        """See `Deletion.delete`."""
        with self.transaction():
            stored = self._live(cls, record_id, version)
            self._free(stored.record)
            self._keep("deleted", stored.record, stored)

    def restore(self, cls: type[Record], record_id: str) -> None:
        """See `Deletion.restore`."""
        with self.transaction():
            stored = self._deleted(cls, record_id)
            self._claim(stored.record)
            self._keep("restored", stored.record, stored)

    def purge(self, cls: type[Record], record_id: str) -> None:
        """See `Deletion.purge`."""
        with self.transaction():
            stored = self._deleted(cls, record_id)
            self._memory.set(self._rows(cls), record_id, None)
            self._ledger().forget(stored)

    def history(self, cls: type[R], record_id: str) -> tuple[Version[R], ...]:
        """See `History.history`."""
        with self._memory.steady:
            return self._ledger().versions(self.read(cls, record_id))

    def histories(self, cls: type[R]) -> Iterator[tuple[Version[R], ...]]:
        """See `History.histories`."""
        rows = self._rows(cls)
        found = (self._told(cls, rows, record_id) for record_id in sorted(self._memory.items(rows)))
        return (versions for versions in found if versions)

    def changes(self, after: str | None = None, *, limit: int = 1000) -> Changes:
        """See `Feed.changes`. What this thread's unit of work has changed is told once it is kept."""
        self._check_open()
        check_limit(limit)
        return self._ledger().changes(after, limit)

    def note(self, key: str) -> str | None:
        """See `Notes.note`."""
        self._check_open()
        text: str | None = self._memory.get(self._notes, key)
        return text

    def set_note(self, key: str, text: str, *, was: str | None) -> None:
        """See `Notes.set_note`."""
        with self.transaction():
            if self.note(key) != was:
                raise refusals.note_changed(key)
            self._memory.set(self._notes, key, text)

    def deleted(self, cls: type[R], where: Rule = EVERYTHING) -> Iterator[R]:
        """See `Erasing.deleted`."""
        holds, rows = self._holds(cls, where), self._memory.items(self._rows(cls))
        found = (rows[record_id] for record_id in sorted(rows) if rows[record_id].is_deleted)
        return (each.record for each in found if isinstance(each.record, cls) and holds(each.record))

    def rewrite(self, cls: type[R], record_id: str, change: Callable[[Record], Record]) -> bool:
        """See `Erasing.rewrite`."""
        with self.transaction():
            stored: Stored[Record] = cast("Stored[Record]", self.read(cls, record_id))
            record = change(stored.record)
            if not self._ledger().rewrite(stored, change) and record == stored.record:
                return False
            rewritten = attrs.evolve(stored, record=record)
            if stored.is_deleted:
                self._memory.set(self._rows(cls), record_id, rewritten)
            else:
                self._free(stored.record)
                self._claim(record)
                self._keep("changed", record, rewritten)
            return True

    def notes(self) -> Iterator[tuple[str, str]]:
        """See `Erasing.notes`."""
        self._check_open()
        return iter(sorted(self._memory.items(self._notes).items()))

    def overwrite_erased(self) -> None:
        """See `Erasing.overwrite_erased`: memory is the interpreter's, who alone can do so."""

    def contents(self) -> Generator[Part, None, None]:
        """See `Copying.contents`."""
        self._check_open()
        return MemoryCopy(self._memory, self._tenant, self._classes, self._ledger()).contents()

    def fill(self, parts: Iterable[Part]) -> int:
        """See `Copying.fill`."""
        with self.transaction():
            copy = MemoryCopy(self._memory, self._tenant, self._classes, self._ledger())
            n = 0
            for n, part in enumerate(copy.filled(parts), start=1):  # noqa: B007 - the last one is how many there were
                if isinstance(part, RecordPart) and part.deleted_in is None:
                    self._claim(part.record)
            return n

    def batches(
        self, cls: type[Record], where: Rule = EVERYTHING, *, columns: Sequence[str] | None = None, rows: int = 65_536
    ) -> Iterator[pl.DataFrame]:
        """See `Frames.batches`."""
        check_limit(rows)
        check_columns(cls, columns)
        found = sorted(self._matching(cls, where), key=lambda record: record.id)
        starts = range(0, max(len(found), 1), rows)
        return (from_records(found[start : start + rows], cls, columns) for start in starts)

    def frame(
        self, cls: type[Record], where: Rule = EVERYTHING, *, columns: Sequence[str] | None = None
    ) -> pl.DataFrame:
        """See `Frames.frame`."""
        return pl.concat(self.batches(cls, where, columns=columns))

    def close(self) -> None:
        """See `Records.close`."""
        self._is_closed = True

    def _add(self, record: Record) -> None:
        taken = self._memory.get(self._rows(type(record)), record.id)
        if taken is not None:
            raise refusals.stored_already(record, taken.version, is_deleted=taken.is_deleted)
        self._claim(record)
        self._keep("added", record, None)

    def _live(self, cls: type[R], record_id: str, version: int | None = None) -> Stored[R]:
        stored = self.read(cls, record_id)
        _check_live(stored, cls, version)
        return stored

    def _deleted(self, cls: type[R], record_id: str) -> Stored[R]:
        stored = self.read(cls, record_id)
        if not stored.is_deleted:
            raise refusals.not_deleted(cls, record_id)
        return stored

    def _keep(self, kind: ChangeKind, record: Record, before: Stored[Record] | None) -> int:
        version = before.version + 1 if before else 1
        stamp = self._memory.mark
        is_deleted = kind == "deleted"
        stored = Stored(record, version, (stamp.at or stamp.recorded_at) if is_deleted else None, is_deleted)
        self._memory.set(self._rows(type(record)), record.id, stored)
        self._ledger().log(kind, record, version, before.record if before else None)
        return version

    def _claim(self, record: Record) -> None:
        """Take the unique values of a record that comes to life."""
        for name, value in _unique_values(record):
            if self._memory.get(self._taken(type(record)), (name, value)) is not None:
                raise refusals.value_taken(record, name)
            self._memory.set(self._taken(type(record)), (name, value), record.id)
        for key, ids in self._reached(record):
            self._memory.set(self._reach(type(record)), key, ids | {record.id})

    def _free(self, record: Record) -> None:
        for held in _unique_values(record):
            self._memory.set(self._taken(type(record)), held, None)
        for key, ids in self._reached(record):
            self._memory.set(self._reach(type(record)), key, (ids - {record.id}) or None)

    def _reached(self, record: Record) -> list[tuple[str, frozenset[str]]]:
        """The keys by which a record is reached, and the ids of all records that have them."""
        reach, keys = self._reach(type(record)), keys_of(getattr(record, "contact_points", ()))
        return [(key, self._memory.get(reach, key) or frozenset()) for key in keys]

    def _told(self, cls: type[R], rows: object, record_id: str) -> tuple[Version[R], ...]:
        """The history of a record, which may have been purged meanwhile."""
        with self._memory.steady:
            stored = self._memory.get(rows, record_id)
            return self._ledger().versions(stored) if stored is not None and isinstance(stored.record, cls) else ()

    def _each(self, cls: type[R], rows: object, ids: list[str], holds: Callable[[Record], bool]) -> Iterator[R]:
        for record_id in ids:
            self._check_open()
            stored = self._memory.get(rows, record_id)
            if stored is not None and not stored.is_deleted and isinstance(stored.record, cls) and holds(stored.record):
                yield stored.record

    def _matching(self, cls: type[R], where: Rule) -> list[R]:
        """The records for which a rule holds, at one moment and in no order."""
        holds = self._holds(cls, where)
        rows = self._memory.items(self._rows(cls)).values()
        live = (stored.record for stored in rows if not stored.is_deleted and isinstance(stored.record, cls))
        return [record for record in live if holds(record)]

    def _holds(self, cls: type[Record], where: Rule) -> Callable[[Record], bool]:
        self._rows(cls)
        related = {each: self._matching(each, EVERYTHING) for each in related_classes(where, cls, self._classes)}
        return predicate(where, cls, self._declared(), related=related)

    def _declared(self) -> list[CustomField]:
        """The fields that are declared at run time."""
        if CustomField not in self._classes:
            return []
        rows = self._memory.items(self._rows(CustomField)).values()
        return [stored.record for stored in rows if not stored.is_deleted]

    def _check_open(self) -> None:
        if self._is_closed:
            raise refusals.closed("memory://")

    def _rows(self, cls: type[Record]) -> object:
        self._check_open()
        if cls not in self._classes:
            raise unknown_class(cls, self._classes)
        return "rows", self._tenant, family(cls)

    def _reach(self, cls: type[Record]) -> object:
        return "reach", self._tenant, family(cls)

    def _taken(self, cls: type[Record]) -> object:
        return "taken", self._tenant, family(cls)

    def _ledger(self) -> MemoryLedger:
        return MemoryLedger(self._memory, self._name, self._tenant)

    @property
    def _notes(self) -> object:
        return "notes", self._tenant


def _check_live(stored: Stored[Any], cls: type[Record], version: int | None) -> None:
    """Check that a record is not deleted, and at this version where one is given."""
    if stored.is_deleted:
        raise refusals.not_found(cls, stored.record.id)
    if version is not None and version != stored.version:
        raise refusals.changed_meanwhile(cls, stored.record.id, version, stored.version)


def _unique_values(record: Record) -> list[tuple[str, Any]]:
    held = ((each.name, getattr(record, each.name)) for each in unique_fields(type(record)))
    return [(name, value) for name, value in held if value is not None]
