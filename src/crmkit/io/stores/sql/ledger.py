"""Reading the ledger: as the history of records, and as the feed of changes."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import groupby
from operator import itemgetter
from typing import Any

import attrs
import sqlalchemy as sa

from crmkit.codec import from_plain, to_plain
from crmkit.io.stores.cursor import decode_position, encode_position
from crmkit.io.stores.port import Change, Changes, Stamp, Version
from crmkit.io.stores.sql.json_text import to_json
from crmkit.io.stores.sql.schema import Schema
from crmkit.io.stores.sql.session import Session
from crmkit.io.stores.sql.system import SystemTables
from crmkit.io.stores.sql.tables import FamilyTable, Row
from crmkit.model.records import Record

_PAGE_RECORDS = 1_000


def image_of(record: Record) -> str:
    """Return a record as the ledger keeps it: the name of its class, and its plain form."""
    return to_json([type(record).__name__, to_plain(record)])


def record_of(image: str, table: FamilyTable) -> Record:
    """Return the record that `image_of` made an image of."""
    type_name, plain = json.loads(image)
    return from_plain(table.codec(type_name).cls, plain)


def stamp_of(by: str | None, at: Any, recorded_at: Any) -> Stamp:
    """Return the stamp that a row of the units of work holds."""
    return Stamp(by, _instant(at), _instant(recorded_at))


def stamps(session: Session, system: SystemTables, units: Iterable[int]) -> dict[int, Stamp]:
    """Return the stamps of units of work by their numbers."""
    own = system.unit.c
    query = sa.select(own.id, own.by, own.at, own.recorded_at).where(own.id.in_(sorted(set(units))))
    return {number: stamp_of(*stamp) for number, *stamp in session.rows(*system.place.bound(query))}


@attrs.frozen
class Reader:
    """The histories of the records of one class and tenant."""

    session: Session
    system: SystemTables
    table: FamilyTable
    cls: type[Record]
    tenant: str


def histories(reader: Reader, record_id: str | None = None) -> Iterator[tuple[Version[Any], ...]]:
    """Go through the histories of records by id, or return that of one."""
    own = reader.table.table.c
    rows = reader.table.rows().where(own.crm_tenant == reader.tenant, reader.table.is_of(reader.cls)).order_by(own.id)
    if record_id is not None:
        yield from (versions for _, versions in _histories(reader, rows.where(own.id == record_id)))
        return
    last_id = ""
    while found := list(_histories(reader, rows.where(own.id > last_id).limit(_PAGE_RECORDS))):
        for last_id, versions in found:  # noqa: B007 - the last one is where the next page begins
            yield versions


def _histories(reader: Reader, rows: sa.Select[Any]) -> Iterator[tuple[str, tuple[Version[Any], ...]]]:
    """The histories of some rows, asked for in one statement, so that what is written meanwhile is in all of it or in none."""
    n = len(rows.selected_columns)
    found = reader.session.rows(*reader.table.place.bound(_with_entries(reader, rows.subquery())))
    place_of_id = [column.name for column in rows.selected_columns].index("id")
    for record_id, its_rows in groupby(found, key=itemgetter(place_of_id)):
        every = list(its_rows)
        type_name, _, _, _, *data = every[0][:n]
        entries = [tuple(row[n + 3 :]) for row in every if row[n + 3] is not None]
        yield (
            record_id,
            _versions(reader, reader.table.decode(type_name, data), stamp_of(*every[0][n : n + 3]), entries),
        )


def _with_entries(reader: Reader, rows: sa.Subquery) -> sa.Select[Any]:
    """Rows with the stamp of the unit that added them, each with all its entries in the order of the feed."""
    own = reader.system.ledger.c
    added, unit = reader.system.unit.alias(), reader.system.unit.alias()
    of_the_row = sa.and_(
        own.tenant == reader.tenant,
        own.subject_id == rows.c.id,
        own.subject.in_(reader.table.names),
        own.kind != sa.literal_column("'added'"),
    )
    return (
        sa.select(*rows.c, added.c.by, added.c.at, added.c.recorded_at)
        .add_columns(own.kind, own.version, own.before, unit.c.by, unit.c.at, unit.c.recorded_at)
        .join(added, rows.c.crm_unit == added.c.id)
        .outerjoin(reader.system.ledger, of_the_row)
        .outerjoin(unit, own.unit == unit.c.id)
        .order_by(rows.c.id, *reader.system.position)
    )


def _versions(reader: Reader, record: Record, added: Stamp, entries: Sequence[Row]) -> tuple[Version[Any], ...]:
    """The versions of a record: what it became by one change stands in the next, and at last in its own row."""
    since = max((place for place, entry in enumerate(entries, start=1) if entry[0] == "purged"), default=0)
    changed = entries[since:]
    became = [*(None if image is None else record_of(image, reader.table) for _, _, image, *_ in changed), record]
    kinds = [("added", 1, added), *((kind, number, stamp_of(*stamp)) for kind, number, _, *stamp in changed)]
    return tuple(
        Version(None if kind == "deleted" else after, kind, number, stamp)
        for (kind, number, stamp), after in zip(kinds, became, strict=True)
    )


def rewrite_images(reader: Reader, record_id: str, change: Callable[[Record], Record]) -> bool:
    """Put what `change` makes of them in the place of what a record was before; return whether it changes anything."""
    own, is_changed = reader.system.ledger.c, False
    query = sa.select(own.seq, own.before).where(
        own.tenant == reader.tenant,
        own.subject_id == record_id,
        own.subject.in_(reader.table.names),
        own.kind != sa.literal_column("'added'"),
        own.before.is_not(None),
    )
    for seq, image in reader.session.rows(*reader.system.place.bound(query)):
        rewritten = image_of(change(record_of(image, reader.table)))
        if rewritten != image:
            reader.session.run(reader.system.set_image, (rewritten, reader.tenant, record_id, seq))
            is_changed = True
    return is_changed


@attrs.frozen
class Feed:
    """The changes of all records of one tenant."""

    session: Session
    schema: Schema
    tables: Mapping[type[Record], FamilyTable]
    tenant: str


def changes(feed: Feed, after: str | None, limit: int) -> Changes:
    """Return the changes after a cursor; see `crmkit.io.stores.port.Feed.changes`."""
    system, store = feed.schema.system, f"{feed.schema.feed_epoch}/{feed.tenant}"
    own, unit = system.ledger.c, system.unit.c
    start = (0,) * len(system.position) if after is None else decode_position(after, store, len(system.position))
    columns = (own.kind, own.subject, own.subject_id, own.version, own.before, unit.by, unit.at, unit.recorded_at)
    query = (
        sa.select(*system.position, *columns)
        .join(system.unit, own.unit == unit.id)
        .where(own.tenant == feed.tenant, system.after(start), *system.is_settled(feed.session.unit))
        .order_by(*system.position)
        .limit(limit)
    )
    rows = feed.session.rows(*system.place.bound(query))
    by_name = {cls.__name__: table for cls, table in feed.tables.items()}
    entries = tuple(_change(row[len(start) :], by_name) for row in rows)
    reached = map(int, rows[-1][: len(start)]) if rows else start
    return Changes(entries, encode_position(store, *reached))


def _change(row: Row, tables: Mapping[str, FamilyTable]) -> Change:
    kind, subject, subject_id, version, image, *stamp = row
    table = tables.get(subject)
    # A follower that does not know a class must still get past its changes.
    before = None if image is None or table is None else record_of(image, table)
    return Change(kind, subject, subject_id, version, stamp_of(*stamp), before)


def _instant(value: Any) -> datetime | None:
    if value is None:
        return None
    return datetime.fromisoformat(value) if isinstance(value, str) else value.replace(tzinfo=UTC)
