"""Reading records by a rule: counted, page by page in an order, and one after the other.

Pages follow keys, never offsets: page 50,000 costs what page 1 does. Reading all goes in pages too, because a long open
read lets SQLite's write-ahead log grow and slows every writer down.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

import attrs
import sqlalchemy as sa

from crmkit.io.stores.cursor import decode_cursor, encode_cursor
from crmkit.io.stores.port import Page, SortBy
from crmkit.io.stores.queries import sort_columns
from crmkit.io.stores.sql.compile import Asked, condition, expressions
from crmkit.io.stores.sql.session import Session
from crmkit.io.stores.sql.tables import FamilyTable
from crmkit.model.custom_field import CustomField
from crmkit.model.money import Money
from crmkit.model.records import Record
from crmkit.rules import EVERYTHING, Rule
from crmkit.rules.check import checked
from crmkit.rules.columns import Column

_PAGE_ROWS = 5_000


@attrs.frozen(slots=False)
class Reader:
    """The records of one class and tenant for which a rule holds: those that are there, or those that were deleted."""

    session: Session
    table: FamilyTable
    cls: type[Record]
    tenant: str
    where: Rule
    tables: Mapping[type[Record], FamilyTable]
    of_deleted: bool = False

    @cached_property
    def declared(self) -> tuple[CustomField, ...]:
        """The fields that are declared at run time."""
        if CustomField not in self.tables:
            return ()
        reader = Reader(self.session, self.tables[CustomField], CustomField, self.tenant, EVERYTHING, self.tables)
        return tuple(record for record in every(reader) if isinstance(record, CustomField))

    @cached_property
    def condition(self) -> sa.ColumnElement[bool]:
        """What holds for the rows: theirs is the tenant, they are there, of the class, and the rule holds."""
        declared = self.declared if _names_custom(self.where) else ()
        known = checked(self.where, self.cls, declared, self.tables)
        asked = Asked(self.table.table, self.table.place.dialect, self._related)
        there = self._is_there(self.cls, asked.rows, is_deleted=self.of_deleted)
        return sa.and_(there, condition(self.where, known, asked))

    def _related(self, cls: type[Record]) -> tuple[sa.FromClause, sa.ColumnElement[bool]]:
        """The rows of another class, and the condition that they are there."""
        rows = self.tables[cls].table.alias()
        return rows, self._is_there(cls, rows)

    def _is_there(self, cls: type[Record], rows: sa.FromClause, *, is_deleted: bool = False) -> sa.ColumnElement[bool]:
        deleted_in = rows.c.crm_deleted_unit
        state = deleted_in.is_not(None) if is_deleted else deleted_in.is_(None)
        return sa.and_(rows.c.crm_tenant == self.tenant, state, self.tables[cls].is_of(cls, rows))

    def rows(self, statement: sa.Select[Any]) -> list[tuple[Any, ...]]:
        """Return the rows of a query."""
        return self.session.rows(*self.table.place.bound(statement))

    def record(self, row: tuple[Any, ...]) -> Record:
        """Return the record of a row."""
        type_name, _, _, _, *data = row
        return self.table.codec(type_name).decode(data)


def count(reader: Reader) -> int:
    """Return for how many records the rule holds."""
    return int(reader.rows(sa.select(sa.func.count()).select_from(reader.table.table).where(reader.condition))[0][0])


def every(reader: Reader) -> Iterator[Record]:
    """Go through the records by id."""
    own, place = reader.table.table.c, reader.table.place
    later = own.id > sa.bindparam("last_id", "")
    query = reader.table.rows().where(reader.condition, later).order_by(own.id).limit(_PAGE_ROWS)
    return _every(reader, place.prepared(query))


def _every(reader: Reader, query: Any) -> Iterator[Record]:
    last_id = ""
    while rows := reader.session.rows(query.sql, query.values(last_id=last_id)):
        for row in rows:
            record = reader.record(row)
            yield record
        last_id = record.id


def is_taken(reader: Reader, record: Record, name: str) -> bool:
    """Return whether another record that is not deleted has the same value of a unique field."""
    value = getattr(record, name, None)
    own = reader.table.table.c
    if value is None:
        return False
    query = sa.select(own.id).where(reader.condition, own[name] == value, own.id != record.id).limit(1)
    return bool(reader.rows(query))


def page(reader: Reader, sort: Sequence[SortBy], limit: int, after: str | None) -> Page[Record]:
    """Return the first records in an order, after a cursor."""
    names_custom = any(each.path.startswith("custom.") for each in sort)
    columns = sort_columns(reader.cls, sort, reader.declared if names_custom else ())
    shapes = [column.shape for column in columns]
    keys = [key for by, column in zip(sort, columns, strict=True) for key in _keys(reader, by, column)]
    reached = None
    if after is not None:
        values, last_id = decode_cursor(after, reader.cls, sort, shapes)
        reached = (
            *(part for value, column in zip(values, columns, strict=True) for part in _parts(reader, value, column)),
            last_id,
        )
    records = [reader.record(row) for row in _rows(reader, keys, reached, limit + 1)]
    shown = tuple(records[:limit])
    if len(records) <= limit:
        return Page(shown)
    last = shown[-1]
    return Page(shown, encode_cursor(reader.cls, sort, shapes, [column.get(last) for column in columns], last.id))


@attrs.frozen
class _Key:
    """Something to sort by: an expression, which way, and whether it may be empty."""

    expression: sa.ColumnElement[Any]
    is_descending: bool
    is_optional: bool

    @property
    def direction(self) -> sa.ColumnElement[Any]:
        return self.expression.desc() if self.is_descending else self.expression.asc()

    def beyond(self, value: Any) -> sa.ColumnElement[bool]:
        """The key comes later than a value that is not empty, among those that are not empty."""
        # A literal, because SQLAlchemy takes True and False for words of SQL, which have no order.
        bound = sa.literal(value, self.expression.type)
        found: sa.ColumnElement[bool] = self.expression < bound if self.is_descending else self.expression > bound
        return found

    def later(self, value: Any) -> sa.ColumnElement[bool]:
        """The key comes later than a value; empty ones come last."""
        if value is None:
            return sa.false()
        beyond = self.beyond(value)
        return sa.or_(beyond, self.expression.is_(None)) if self.is_optional else beyond

    def same(self, value: Any) -> sa.ColumnElement[bool]:
        if value is None:
            return self.expression.is_(None)
        found: sa.ColumnElement[bool] = self.expression == sa.literal(value, self.expression.type)
        return found


def _keys(reader: Reader, by: SortBy, column: Column) -> list[_Key]:
    found = expressions(column, reader.table.table, reader.table.place.dialect)
    is_optional = _may_be_null(reader, column)
    return [_Key(each, by.is_descending, is_optional) for each in found]


def _may_be_null(reader: Reader, column: Column) -> bool:
    """Whether rows of the class may have no value here; one that the class requires may still be NULL in its table."""
    return column.path not in reader.table.table.c or bool(reader.table.table.c[column.path].nullable)


def _parts(reader: Reader, value: Any, column: Column) -> tuple[Any, ...]:
    """The values of a column's expressions, as they are bound."""
    if column.shape.kind == "money":
        return (value.currency, value.minor_units) if isinstance(value, Money) else (None, None)
    return (value if value is None else reader.table.place.bindable(column.shape.kind, value),)


def _rows(reader: Reader, keys: Sequence[_Key], reached: tuple[Any, ...] | None, limit: int) -> list[tuple[Any, ...]]:
    """The next rows. Where the first key may be empty, those where it is not come first, so that an index of it serves."""
    if not keys or not keys[0].is_optional:
        return _select(reader, keys, reached, limit)
    first, rows = keys[0], []
    if reached is None or reached[0] is not None:
        present = attrs.evolve(first, is_optional=False)
        rows = _select(reader, [present, *keys[1:]], reached, limit, first.expression.is_not(None))
        reached = None
    if len(rows) < limit:
        rest = None if reached is None else reached[1:]
        rows += _select(reader, keys[1:], rest, limit - len(rows), first.expression.is_(None))
    return rows


def _select(
    reader: Reader,
    keys: Sequence[_Key],
    reached: tuple[Any, ...] | None,
    limit: int,
    *conditions: sa.ColumnElement[bool],
) -> list[tuple[Any, ...]]:
    keys = [*keys, _Key(reader.table.table.c.id, is_descending=False, is_optional=False)]
    after = () if reached is None else (_after(keys, reached),)
    order = [term for key in keys for term in _order(key)]
    return reader.rows(reader.table.rows().where(reader.condition, *conditions, *after).order_by(*order).limit(limit))


def _order(key: _Key) -> list[sa.ColumnElement[Any]]:
    return [key.expression.is_(None), key.direction] if key.is_optional else [key.direction]


def _after(keys: Sequence[_Key], reached: Sequence[Any]) -> sa.ColumnElement[bool]:
    """The keys come after the values that were reached, in the order of the first, then the second, and so on."""
    if not any(key.is_descending or key.is_optional for key in keys):
        # A row value is the one form that both databases answer from an index at any depth.
        values = (sa.literal(value, key.expression.type) for key, value in zip(keys, reached, strict=True))
        return sa.tuple_(*(key.expression for key in keys)) > sa.tuple_(*values)
    later, same = [], list[sa.ColumnElement[bool]]()
    for key, value in zip(keys, reached, strict=True):
        later.append(sa.and_(*same, key.later(value)))
        same.append(key.same(value))
    first, value = keys[0], reached[0]
    at_least = sa.true() if first.is_optional else sa.or_(first.beyond(value), first.same(value))
    return sa.and_(at_least, sa.or_(*later))


def _names_custom(rule: Rule) -> bool:
    inside = [each.where for each in rule.comparisons() if each.where is not None]
    return any(each.path.startswith("custom.") for each in rule.comparisons()) or any(map(_names_custom, inside))
