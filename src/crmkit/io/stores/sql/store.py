"""The store in a SQL database.

Tables and statements follow from the record classes. SQLAlchemy compiles them once; they run on a plain connection of the driver,
the store's own or the host's.
"""

from collections.abc import Callable, Generator, Hashable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from copy import copy
from itertools import islice
from typing import Any, TypeVar, cast

import attrs
import polars as pl

from crmkit.errors import Conflict, InvalidInput
from crmkit.io.stores import refusals
from crmkit.io.stores.parts import Part
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
from crmkit.io.stores.queries import check_limit
from crmkit.io.stores.reaching import keys_of
from crmkit.io.stores.sql import frames, ledger, reaching, reading
from crmkit.io.stores.sql.copying import Copy
from crmkit.io.stores.sql.database import Database
from crmkit.io.stores.sql.ledger import image_of
from crmkit.io.stores.sql.schema import Schema
from crmkit.io.stores.sql.session import Session, TakenError
from crmkit.io.stores.sql.system import SystemTables
from crmkit.io.stores.sql.tables import FamilyTable, Place, Row, family_tables
from crmkit.model import RECORDS
from crmkit.model.records import Record
from crmkit.rules import EVERYTHING, Rule

_CAPABILITIES = frozenset[Capability](
    {
        "queries",
        "deletion",
        "history",
        "feed",
        "notes",
        "frames",
        "reaching",
        "erasing",
        "copying",
        "tenants",
        "durable",
    }
)
_CHUNK = 10_000
T = TypeVar("T")


@attrs.frozen
class _Row:
    """A row of a record's table, as the store found it."""

    record: Record
    version: int
    added_unit: int
    deleted_unit: int | None


class SqlStore:
    """A `Store` in a SQL database. `crmkit.io.stores.open_store` opens one."""

    def __init__(
        self, database: Database, place: Place, records: Iterable[type[Record]] = RECORDS, tenant: str = ""
    ) -> None:
        """Use a database whose schema is there; see `Schema.apply`."""
        self._classes = tuple(dict.fromkeys(records))
        self._known = frozenset(self._classes)
        self._tenant = tenant
        self._is_closed, self._owns_session = False, True
        self._tables = family_tables(self._classes, place)
        self._system = SystemTables(place)
        self._session = Session(database)
        self.schema = Schema(place, self._system, tuple(dict.fromkeys(self._tables.values())), self._session)

    def for_tenant(self, tenant: str) -> "SqlStore":
        """Return the store of another tenant on the same connections; neither sees what the other keeps.

        It needs no closing, and can be used until this one is closed.
        """
        other = copy(self)
        other._tenant, other._owns_session = tenant, False  # noqa: SLF001 - it is one of ours
        return other

    def schema_alone(self) -> Schema:
        """Return the schema for use without a store: its connections are closed after each use."""
        self._session.connections.keeps_idle = self._session.database.is_shared
        return self.schema

    @property
    def capabilities(self) -> frozenset[Capability]:
        """See `Records.capabilities`."""
        return _CAPABILITIES

    @property
    def database(self) -> Database:
        """The database that the store is in."""
        return self._session.database

    @property
    def classes(self) -> tuple[type[Record], ...]:
        """See `Records.classes`."""
        return self._classes

    @contextmanager
    def transaction(self, stamp: Stamp = UNSTAMPED, *, connection: Any = None, lock: bool = False) -> Iterator[None]:
        """See `Records.transaction`."""
        joins = connection is not None and self._session.unit is None
        epoch = self.schema.feed_epoch if joins else ""
        with self._session.transaction(stamp, connection, lock=lock):
            if joins and self.schema.fact("feed_epoch") != epoch:
                raise InvalidInput(f"the connection is to another database; give one to {self.schema.name}")
            yield

    def add(self, records: Iterable[Record]) -> int:
        """See `Records.add`."""
        return self._in_chunks(records, self._add, list)

    def add_rows(self, cls: type[Record], rows: Iterable[Row]) -> int:
        """Do for records of one class that are rows already what `add` does for records, in a fraction of its time.

        The rows hold what the class's `Codec` for the database of this store makes of records that were checked.
        """
        decode = self._table(cls).codec(cls.__name__).decode

        def write(chunk: Sequence[Row]) -> None:
            self._insert(cls, chunk)
            self._log_added([(cls.__name__, row[0]) for row in chunk])

        return self._in_chunks(rows, write, lambda chunk: list(map(decode, chunk)))

    def put(self, record: Record, *, version: int | None = None) -> int:
        """See `Records.put`."""
        table = self._table(type(record))
        try:
            with self.transaction():
                before = self._live(table, table.base, record.id, version)
                if not isinstance(record, type(before.record)):
                    raise refusals.another_class(record, type(before.record))
                data = table.codec(type(record).__name__).encode(record)
                new = (type(record).__name__, before.version + 1, *data)
                self._replace(table.update, new, before)
                return self._log("changed", record, before, before.record)
        except TakenError:
            raise self._value_taken(table, record) from None

    def get(self, cls: type[R], record_id: str) -> R:
        """See `Records.get`."""
        found = self._find(self._table(cls), cls, record_id)
        if found.deleted_unit is not None:
            raise refusals.not_found(cls, record_id)
        return cast("R", found.record)

    def read(self, cls: type[R], record_id: str) -> Stored[R]:
        """See `Records.read`."""
        found = self._find(self._table(cls), cls, record_id)
        record = cast("R", found.record)
        if found.deleted_unit is None:
            return Stored(record, found.version)
        stamp = ledger.stamps(self._session, self._system, [found.deleted_unit])[found.deleted_unit]
        return Stored(record, found.version, stamp.at or stamp.recorded_at, is_deleted=True)

    def every(self, cls: type[R], where: Rule = EVERYTHING) -> Iterator[R]:
        """See `Records.every`."""
        return cast("Iterator[R]", reading.every(self._reader(cls, where)))

    def count(self, cls: type[Record], where: Rule = EVERYTHING) -> int:
        """See `Records.count`."""
        return reading.count(self._reader(cls, where))

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
        return cast("Page[R]", reading.page(self._reader(cls, where), sort, limit, after))

    def reached_by(self, cls: type[R], keys: Iterable[str], *, limit: int | None = None) -> tuple[R, ...]:
        """See `Reaching.reached_by`. It is one lookup once `contact_points` is promoted, see `Schema.promote`."""
        table, wanted = self._table(cls), sorted(set(keys))
        if not reaching.is_reachable(table):
            return ()
        if not self.schema.has_index(reaching.index(table)):
            every = self.every(cls)
            reached = (each for each in every if not keys_of(getattr(each, reaching.POINTS)).isdisjoint(wanted))
            return tuple(islice(reached, limit))
        reader = self._reader(cls)
        rows = self._session.rows(*reaching.query(table, wanted, reader.condition, limit))
        return tuple(cast("R", reader.record(row)) for row in rows)

    def delete(self, cls: type[Record], record_id: str, *, version: int | None = None) -> None:
        """See `Deletion.delete`."""
        table = self._table(cls)
        with self.transaction():
            before = self._live(table, cls, record_id, version)
            self._replace(table.mark, (self._unit(), before.version + 1), before)
            self._log("deleted", before.record, before, before.record)

    def restore(self, cls: type[Record], record_id: str) -> None:
        """See `Deletion.restore`."""
        table = self._table(cls)
        try:
            with self.transaction():
                before = self._deleted(table, cls, record_id)
                self._replace(table.mark, (None, before.version + 1), before)
                self._log("restored", before.record, before, None)
        except TakenError:
            raise self._value_taken(table, self._find(table, cls, record_id).record) from None

    def purge(self, cls: type[Record], record_id: str) -> None:
        """See `Deletion.purge`."""
        table = self._table(cls)
        with self.transaction():
            before = self._deleted(table, cls, record_id)
            self._replace(table.remove, (), before)
            self._forget(table, record_id)
            for name in table.names:
                self._session.run(self._system.forget_images, (self._tenant, record_id, name))
            self._log("purged", before.record, before, None)

    def history(self, cls: type[R], record_id: str) -> tuple[Version[R], ...]:
        """See `History.history`."""
        versions = next(ledger.histories(self._ledger_reader(cls), record_id), None)
        if versions is None:
            raise refusals.not_found(cls, record_id)
        return versions

    def histories(self, cls: type[R]) -> Iterator[tuple[Version[R], ...]]:
        """See `History.histories`."""
        return ledger.histories(self._ledger_reader(cls))

    def changes(self, after: str | None = None, *, limit: int = 1000) -> Changes:
        """See `Feed.changes`. What this thread's unit of work has changed is told once it is kept."""
        check_limit(limit)
        return ledger.changes(ledger.Feed(self._session, self.schema, self._tables, self._tenant), after, limit)

    def note(self, key: str) -> str | None:
        """See `Notes.note`."""
        rows = self._session.rows(self._system.select_note, (self._tenant, key))
        return rows[0][0] if rows else None

    def set_note(self, key: str, text: str, *, was: str | None) -> None:
        """See `Notes.set_note`."""
        try:
            with self.transaction():
                if was is None:
                    self._session.run(self._system.insert_note, (self._tenant, key, text))
                elif not self._session.run(self._system.update_note, (text, self._tenant, key, was)).rowcount:
                    raise refusals.note_changed(key)
        except TakenError:
            raise refusals.note_changed(key) from None

    def deleted(self, cls: type[R], where: Rule = EVERYTHING) -> Iterator[R]:
        """See `Erasing.deleted`."""
        return cast("Iterator[R]", reading.every(attrs.evolve(self._reader(cls, where), of_deleted=True)))

    def rewrite(self, cls: type[R], record_id: str, change: Callable[[Record], Record]) -> bool:
        """See `Erasing.rewrite`."""
        table = self._table(cls)
        try:
            with self.transaction():
                found = self._find(table, cls, record_id)
                record, is_deleted = change(found.record), found.deleted_unit is not None
                if not ledger.rewrite_images(self._ledger_reader(cls), record_id, change) and record == found.record:
                    return False
                version = found.version if is_deleted else found.version + 1
                data = table.codec(type(record).__name__).encode(record)
                self._replace(table.update, (type(record).__name__, version, *data), found)
                if not is_deleted:
                    self._log("changed", record, found, record)
                return True
        except TakenError:
            raise self._value_taken(table, record) from None

    def notes(self) -> Iterator[tuple[str, str]]:
        """See `Erasing.notes`."""
        return cast("Iterator[tuple[str, str]]", self._copy().notes(self._session.rows))

    def overwrite_erased(self) -> None:
        """See `Erasing.overwrite_erased`. SQLite writes its log back to the file; PostgreSQL overwrites when it vacuums."""
        self._session.overwrite_erased()

    def contents(self) -> Generator[Part, None, None]:
        """See `Copying.contents`."""
        return self._copy().contents()

    def fill(self, parts: Iterable[Part]) -> int:
        """See `Copying.fill`."""
        with self.transaction(lock=True):
            return self._copy().fill(parts, self._classes)

    def _copy(self) -> Copy:
        if self._is_closed:
            raise refusals.closed(self.schema.name)
        return Copy(self._session, self.schema, self._tables, self._tenant)

    def batches(
        self, cls: type[Record], where: Rule = EVERYTHING, *, columns: Sequence[str] | None = None, rows: int = 65_536
    ) -> Iterator[pl.DataFrame]:
        """See `Frames.batches`."""
        return frames.batches(self._reader(cls, where), columns, rows)

    def frame(
        self, cls: type[Record], where: Rule = EVERYTHING, *, columns: Sequence[str] | None = None
    ) -> pl.DataFrame:
        """See `Frames.frame`."""
        return pl.concat(self.batches(cls, where, columns=columns))

    def close(self) -> None:
        """See `Records.close`."""
        if not self._is_closed:
            self._is_closed = True
            if self._owns_session:
                self._session.close()

    def _in_chunks(
        self, items: Iterable[T], write: Callable[[list[T]], None], records: Callable[[list[T]], list[Record]]
    ) -> int:
        """Write what is new, all or nothing, and return how much it is; `records` are those of a chunk, one of which clashes."""
        n, rest, chunk = 0, iter(items), list[T]()
        try:
            with self.transaction():
                while chunk := list(islice(rest, _CHUNK)):
                    write(chunk)
                    n += len(chunk)
        except TakenError:
            raise self._clash(records(chunk)) from None
        return n

    def _add(self, chunk: Sequence[Record]) -> None:
        by_class: dict[type[Record], list[Record]] = {}
        for record in chunk:
            by_class.setdefault(type(record), []).append(record)
        for cls, records in by_class.items():
            self._insert(cls, list(map(self._table(cls).codec(cls.__name__).encode, records)))
        self._log_added([(type(record).__name__, record.id) for record in chunk])

    def _insert(self, cls: type[Record], rows: Sequence[Row]) -> None:
        own = (self._tenant, cls.__name__, 1, self._unit(), None)
        self._session.insert(self._table(cls).insert, (own + row for row in rows), len(rows))

    def _log_added(self, added: Sequence[tuple[str, str]]) -> None:
        """Tell the ledger which records are new, by the names of their classes and their ids."""
        tenant, unit = self._tenant, self._unit()
        entries = ((tenant, unit, "added", name, record_id, 1, None) for name, record_id in added)
        self._session.insert(self._system.record_change, entries, len(added))

    def _replace(self, statement: str, new: Row, before: _Row) -> None:
        """Write in place of a row, unless somebody else did so since it was read."""
        the_row = (self._tenant, before.record.id, before.version)
        if not self._session.run(statement, (*new, *the_row)).rowcount:
            cls = type(before.record)
            actual = self._find(self._table(cls), cls, before.record.id).version
            raise refusals.changed_meanwhile(cls, before.record.id, before.version, actual)
        unit = self._session.unit
        assert unit is not None
        unit.seen[self._key(self._table(type(before.record)), before.record.id)] = before.version + 1

    def _forget(self, table: FamilyTable, record_id: str) -> None:
        """Count on no version of a record: another one with its id may follow."""
        unit = self._session.unit
        assert unit is not None
        unit.seen.pop(self._key(table, record_id), None)

    def _key(self, table: FamilyTable, record_id: str) -> Hashable:
        return self._tenant, table.base, record_id

    def _log(self, kind: ChangeKind, record: Record, replaced: _Row, before: Record | None) -> int:
        version, image = replaced.version + 1, None if before is None else image_of(before)
        entry = (self._tenant, self._unit(), kind, type(record).__name__, record.id, version, image)
        names = self._table(type(record)).names
        self._session.run(*self._system.later_change(entry, replaced.added_unit, names))
        return version

    def _unit(self) -> int:
        """The number of the unit of work under way, which it gets with its first change."""
        unit = self._session.unit
        assert unit is not None
        if unit.number is None:
            stamp, place = unit.stamp, self.schema.place
            instants = (None if at is None else place.bindable("instant", at) for at in (stamp.at, stamp.recorded_at))
            given = (self._tenant, stamp.by, *instants)
            unit.number = int(self._session.run(self._system.begin_unit, given).fetchone()[0])
        return unit.number

    def _live(self, table: FamilyTable, cls: type[Record], record_id: str, version: int | None) -> _Row:
        """The row that is there and not deleted, at the version that this unit of work counts on."""
        unit = self._session.unit
        assert unit is not None
        expected = unit.seen.get(self._key(table, record_id)) if version is None else version
        found = self._find(table, cls, record_id)
        if found.deleted_unit is not None:
            raise refusals.not_found(cls, record_id)
        if expected not in (None, found.version):
            raise refusals.changed_meanwhile(cls, record_id, expected, found.version)
        return found

    def _deleted(self, table: FamilyTable, cls: type[Record], record_id: str) -> _Row:
        found = self._find(table, cls, record_id)
        if found.deleted_unit is None:
            raise refusals.not_deleted(cls, record_id)
        return found

    def _find(self, table: FamilyTable, cls: type[Record], record_id: str) -> _Row:
        unit = self._session.unit
        statement = table.select_locked if unit is not None and unit.is_locking else table.select
        rows = self._session.rows(statement, (self._tenant, record_id)) if _can_be_stored(record_id) else []
        if rows:
            type_name, version, added, deleted, *data = rows[0]
            codec = table.codec(type_name)
            if issubclass(codec.cls, cls):
                if unit is not None:
                    # The first that was seen: what is written rests on it, however often it is read again.
                    unit.seen.setdefault(self._key(table, record_id), version)
                return _Row(codec.decode(data), version, added, deleted)
        raise refusals.not_found(cls, record_id)

    def _clash(self, chunk: Sequence[Record]) -> Conflict:
        """Say which of some records could not be added; asked when their unit of work is undone."""
        ids, values = set[tuple[Any, ...]](), set[tuple[Any, ...]]()
        for record in chunk:
            table = self._table(type(record))
            found = self._session.rows(table.select, (self._tenant, record.id))
            if found or (table, record.id) in ids:
                version, deleted_unit = (found[0][1], found[0][3]) if found else (1, None)
                return refusals.stored_already(record, version, is_deleted=deleted_unit is not None)
            ids.add((table, record.id))
            its_values = {(table, info.name, getattr(record, info.name, None)) for info in table.unique}
            for _, name, value in its_values:
                if (table, name, value) in values or self._is_taken(table, record, name):
                    return refusals.value_taken(record, name)
            values |= {each for each in its_values if each[-1] is not None}
        return Conflict("two of the records have the same id or the same unique value; none of them was kept")

    def _value_taken(self, table: FamilyTable, record: Record) -> Conflict:
        taken = (info.name for info in table.unique if self._is_taken(table, record, info.name))
        return refusals.value_taken(record, next(taken, "unique value"))

    def _is_taken(self, table: FamilyTable, record: Record, name: str) -> bool:
        return reading.is_taken(self._reader(table.base), record, name)

    def _reader(self, cls: type[Record], where: Rule = EVERYTHING) -> reading.Reader:
        return reading.Reader(self._session, self._table(cls), cls, self._tenant, where, self._tables)

    def _ledger_reader(self, cls: type[Record]) -> ledger.Reader:
        return ledger.Reader(self._session, self._system, self._table(cls), cls, self._tenant)

    def _table(self, cls: type[Record]) -> FamilyTable:
        if self._is_closed:
            raise refusals.closed(self.schema.name)
        if cls not in self._known:
            raise unknown_class(cls, self._classes)
        return self._tables[cls]


def _can_be_stored(record_id: str) -> bool:
    """Whether an id is text that records accept; a driver would fail on any other."""
    return record_id.isprintable() or (
        "\x00" not in record_id and record_id.encode(errors="replace").decode() == record_id
    )
