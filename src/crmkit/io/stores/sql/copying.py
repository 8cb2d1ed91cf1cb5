"""All that a SQL store keeps of one tenant, for another store, and from another one."""

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import groupby, islice
from typing import Any, cast

import attrs
import sqlalchemy as sa

from crmkit.errors import Conflict, InvalidInput
from crmkit.io.stores import refusals
from crmkit.io.stores.cursor import decode_position, encode_position
from crmkit.io.stores.parts import EntryPart, NotePart, Numbers, Part, RecordPart, UnitPart, checked
from crmkit.io.stores.port import unknown_class
from crmkit.io.stores.sql.ledger import image_of, record_of, stamp_of
from crmkit.io.stores.sql.schema import Schema
from crmkit.io.stores.sql.session import Session, TakenError
from crmkit.io.stores.sql.tables import FamilyTable, Insert, Row
from crmkit.model.records import Record

_PAGE_ROWS = 5_000

Read = Callable[..., list[Row]]


@attrs.frozen(slots=False)
class Copy:
    """What one tenant has in a database."""

    session: Session
    schema: Schema
    tables: Mapping[type[Record], FamilyTable]
    tenant: str

    def contents(self) -> Generator[Part, None, None]:
        """See `crmkit.io.stores.port.Copying.contents`. The units of work are numbered anew from 1, the same in every store."""
        feed, numbers = self._feed(), Numbers()
        with self.session.snapshot() as read:
            for number, *stamp in self._units(read):
                numbers.append(number)
                yield UnitPart(len(numbers), stamp_of(*stamp))
            for _, unit, *told, image in self._entries(read):
                yield self._entry(numbers.place(unit), told, image)
            for table in self._families():
                for type_name, version, added, deleted, *data in self._rows(read, table):
                    gone = None if deleted is None else numbers.place(deleted)
                    yield RecordPart(table.decode(type_name, data), version, numbers.place(added), gone)
            for key, text in self.notes(read):
                yield self._note(read, feed, key, text)

    def fill(self, parts: Iterable[Part], classes: Iterable[type[Record]]) -> int:
        """Keep parts in the unit of work around; see `crmkit.io.stores.port.Copying.fill`."""
        assert self.session.unit is not None
        if self._is_used():
            raise refusals.not_empty(self.schema.name)
        connection, name = self.session.unit.connection, self.schema.place.name_of(self.schema.system.unit)
        # The numbers keep their distances, so no list of old and new ones is needed.
        start = last = self.session.database.lock_units(connection, name)
        n, fits = 0, checked(parts, classes)
        for kind, group in groupby(fits, type):
            while chunk := list(islice(group, _PAGE_ROWS)):
                n += len(chunk)
                self._keep(kind, cast("Any", chunk), start)
                if kind is UnitPart:
                    last = start + cast("UnitPart", chunk[-1]).number
        self.session.database.count_units(connection, name, last)
        return n

    def _keep(self, kind: type[Part], chunk: Sequence[Any], start: int) -> None:
        system, tenant = self.schema.system, self.tenant
        try:
            if kind is UnitPart:
                self._insert(system.keep_unit, [(start + each.number, tenant, *self._stamp(each)) for each in chunk])
            elif kind is EntryPart:
                self._insert(system.record_change, [self._told(each, start) for each in chunk])
            elif kind is RecordPart:
                for cls, records in groupby(chunk, lambda each: type(each.record)):
                    self._insert(self.tables[cls].insert, [self._row(each, start) for each in records])
            else:
                for each in chunk:
                    text = each.text if each.after is None else self._cursor(each.after)
                    self.session.run(system.insert_note, (tenant, each.key, text))
        except TakenError:
            raise Conflict(
                "two parts have the same id, the same unique value or the same key; write the copy again"
            ) from None

    def _insert(self, insert: Insert, rows: Sequence[Row]) -> None:
        self.session.insert(insert, rows, len(rows))

    def _stamp(self, part: UnitPart) -> Row:
        instants = (part.stamp.at, part.stamp.recorded_at)
        bindable = self.schema.place.bindable
        return part.stamp.by, *(None if each is None else bindable("instant", each) for each in instants)

    def _told(self, part: EntryPart, start: int) -> Row:
        image = None if part.before is None else image_of(part.before)
        return self.tenant, start + part.unit, part.kind, part.subject, part.subject_id, part.version, image

    def _row(self, part: RecordPart, start: int) -> Row:
        name = type(part.record).__name__
        gone = None if part.deleted_in is None else start + part.deleted_in
        data = self.tables[type(part.record)].codec(name).encode(part.record)
        return self.tenant, name, part.version, start + part.added_in, gone, *data

    def _entry(self, unit: int, told: Sequence[Any], image: str | None) -> EntryPart:
        kind, subject, subject_id, version = told
        table = self._by_name.get(subject)
        if table is None:
            raise unknown_class(type(subject, (Record,), {}), self.tables)
        return EntryPart(unit, kind, subject, subject_id, version, None if image is None else record_of(image, table))

    def _note(self, read: Read, feed: str, key: str, text: str) -> NotePart:
        system = self.schema.system
        with suppress(InvalidInput):
            position = decode_position(text, feed, len(system.position))
            reached = sa.and_(system.ledger.c.tenant == self.tenant, sa.not_(system.after(position)))
            query = sa.select(sa.func.count()).select_from(system.ledger).where(reached)
            return NotePart(key, after=read(*system.place.bound(query))[0][0])
        return NotePart(key, text)

    def _cursor(self, after: int) -> str:
        """The cursor after so many entries."""
        system = self.schema.system
        query = sa.select(*system.position).where(system.ledger.c.tenant == self.tenant).order_by(*system.position)
        rows = self.session.rows(*system.place.bound(query.offset(after - 1).limit(1))) if after > 0 else []
        return encode_position(self._feed(), *(map(int, rows[0]) if rows else (0,) * len(system.position)))

    def _feed(self) -> str:
        return f"{self.schema.feed_epoch}/{self.tenant}"

    @property
    def _by_name(self) -> Mapping[str, FamilyTable]:
        return {name: table for table in self.tables.values() for name in table.names}

    def _families(self) -> list[FamilyTable]:
        return sorted(dict.fromkeys(self.tables.values()), key=lambda each: each.base.__name__)

    def _is_used(self) -> bool:
        system = self.schema.system
        tables = (system.unit, system.note)
        found = (sa.select(each.c.tenant).where(each.c.tenant == self.tenant).limit(1) for each in tables)
        return any(self.session.rows(*system.place.bound(query)) for query in found)

    def _units(self, read: Read) -> Iterator[Row]:
        own = self.schema.system.unit.c
        query = sa.select(own.id, own.by, own.at, own.recorded_at).where(own.tenant == self.tenant).order_by(own.id)
        return self._pages(read, query, lambda row: own.id > row[0])

    def _entries(self, read: Read) -> Iterator[Row]:
        system = self.schema.system
        own, n = system.ledger.c, len(system.position)
        columns = (own.unit, own.kind, own.subject, own.subject_id, own.version, own.before)
        query = sa.select(*system.position, *columns).where(own.tenant == self.tenant).order_by(*system.position)
        pages = self._pages(read, query, lambda row: system.after(tuple(map(int, row[:n]))))
        return ((row[:n], *row[n:]) for row in pages)

    def _rows(self, read: Read, table: FamilyTable) -> Iterator[Row]:
        own, place = table.table.c, [each.name for each in table.rows().selected_columns].index("id")
        query = table.rows().where(own.crm_tenant == self.tenant).order_by(own.id)
        return self._pages(read, query, lambda row: own.id > row[place])

    def notes(self, read: Read) -> Iterator[Row]:
        """Go through the keys and texts of the notes, by key."""
        own = self.schema.system.note.c
        query = sa.select(own.key, own.text).where(own.tenant == self.tenant).order_by(own.key)
        return self._pages(read, query, lambda row: own.key > row[0])

    def _pages(
        self, read: Read, query: sa.Select[Any], later: Callable[[Row], sa.ColumnElement[bool]]
    ) -> Iterator[Row]:
        rows = read(*self.schema.place.bound(query.limit(_PAGE_ROWS)))
        while rows:
            yield from rows
            rows = read(*self.schema.place.bound(query.where(later(rows[-1])).limit(_PAGE_ROWS)))
