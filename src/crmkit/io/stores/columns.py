"""Record classes as SQL columns, and values to and from what a database keeps exactly.

Money is a whole number of the currency's smallest unit beside the currency, an instant is text of a fixed width in UTC, a
collection is JSON.
"""

import json
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import cache
from typing import Any

import attrs
import sqlalchemy as sa
from sqlalchemy.dialects import sqlite
from sqlalchemy.schema import CreateTable

from crmkit.codec import from_plain, instant_to_text, to_plain
from crmkit.frames.schema import currency_column
from crmkit.model.money import Money
from crmkit.model.records import FieldInfo, Record, fields
from crmkit.model.shape import Kind, Shape

Code = Callable[[Any], Any]

_DIALECT = sqlite.dialect(paramstyle="qmark")
_TYPES: Mapping[Kind, Any] = {"integer": sa.Integer, "number": sa.REAL, "flag": sa.Integer, "money": sa.Integer}


@attrs.frozen
class RecordTable:
    """The table of a record class: its statements, and the two functions between a record and a row of it.

    Parameters stand in this order: a row; a row and the id; an id; the id to start after.
    """

    create: str
    insert: str
    update: str
    select: str
    after: str
    count: str
    encode: Callable[[Record], tuple[Any, ...]]
    decode: Callable[[tuple[Any, ...]], Record]


@cache
def record_table(cls: type[Record], prefix: str) -> RecordTable:
    """Return the table of a record class, named by the prefix and the class: `crm_survey_response`.

    Compiling takes a millisecond a statement, so it is done once a process.
    """
    infos = fields(cls)
    columns = [column for info in infos for column in _columns(info)]
    table = sa.Table(prefix + _snake(cls.__name__), sa.MetaData(), *columns, sqlite_strict=True)
    the_id = table.c.id == sa.bindparam("the_id")
    later = table.c.id > sa.bindparam("after")
    statements = {
        "create": CreateTable(table, if_not_exists=True),
        "insert": sa.insert(table),
        "update": sa.update(table).where(the_id).values({column: sa.bindparam(column.name) for column in columns}),
        "select": sa.select(table).where(the_id),
        "after": sa.select(table).where(later).order_by(table.c.id),
        "count": sa.select(sa.func.count()).select_from(table),
    }
    compiled = {name: str(statement.compile(dialect=_DIALECT)) for name, statement in statements.items()}
    return RecordTable(**compiled, encode=_encoder(infos), decode=_decoder(cls, infos))


def _columns(info: FieldInfo) -> list[sa.Column[Any]]:
    column: sa.Column[Any] = sa.Column(
        info.name,
        _TYPES.get(info.shape.kind, sa.Text),
        primary_key=info.name == "id",
        nullable=info.shape.optional,
    )
    if info.shape.kind != "money":
        return [column]
    return [column, sa.Column(currency_column(info.name), sa.Text, nullable=info.shape.optional)]


def _snake(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name).removeprefix("_")


def _encoder(infos: tuple[FieldInfo, ...]) -> Callable[[Record], tuple[Any, ...]]:
    codes = [(info.name, info.shape.kind == "money", _encoding(info.shape)) for info in infos]

    def encode(record: Record) -> tuple[Any, ...]:
        row: list[Any] = []
        for name, is_money, code in codes:
            value = getattr(record, name)
            if is_money:
                row += (None, None) if value is None else (value.minor_units, value.currency)
            else:
                row.append(value if value is None or code is None else code(value))
        return tuple(row)

    return encode


def _decoder(cls: type[Record], infos: tuple[FieldInfo, ...]) -> Callable[[tuple[Any, ...]], Record]:
    codes = [(info.name, info.shape.kind == "money", _decoding(info.shape)) for info in infos]

    def decode(row: tuple[Any, ...]) -> Record:
        values: dict[str, Any] = {}
        cells = iter(row)
        for name, is_money, code in codes:
            value = next(cells)
            if is_money:
                currency = next(cells)
                values[name] = None if value is None else Money.from_minor_units(value, currency)
            else:
                values[name] = value if value is None or code is None else code(value)
        return cls(**values)

    return decode


def _encoding(shape: Shape) -> Code | None:
    codes: dict[Kind, Code] = {
        "flag": int,
        "instant": instant_to_text,
        "day": date.isoformat,
        "decimal": lambda number: format(number, "f"),
        "value": lambda value: _json(to_plain(value)),
        "texts": lambda texts: _json(sorted(texts) if shape.is_set else list(texts)),
        "values": lambda values: _json([to_plain(value) for value in values]),
        "mapping": _json,
    }
    return codes.get(shape.kind)


def _decoding(shape: Shape) -> Code | None:
    item: Any = shape.item
    codes: dict[Kind, Code] = {
        "flag": bool,
        "instant": lambda text: datetime.fromisoformat(text).replace(tzinfo=UTC),
        "day": date.fromisoformat,
        "decimal": Decimal,
        "value": lambda text: from_plain(item, json.loads(text)),
        "texts": json.loads,
        "values": lambda text: [from_plain(item, plain) for plain in json.loads(text)],
        "mapping": json.loads,
    }
    return codes.get(shape.kind)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True)
