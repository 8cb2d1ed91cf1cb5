"""What a database keeps of one field: its columns, and values to and from them, exactly.

Money is a whole number of the currency's smallest unit beside the currency. PostgreSQL has types for the rest; SQLite keeps an
instant as text of a fixed width in UTC, a day as ISO text and a decimal as text, all of which sort as the values do, and
a collection as JSON.
"""

import json
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, Literal

import attrs
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from crmkit.codec import instant_to_text
from crmkit.io.stores.sql.json_text import to_json, value_reader, value_writer
from crmkit.model.money import currency_column
from crmkit.model.records import FieldInfo
from crmkit.model.shape import DECIMAL_DIGITS, DECIMAL_PLACES, FrozenDict, Kind, Shape

DialectName = Literal["sqlite", "postgresql"]
Code = Callable[[Any], Any]

_TEXT_KINDS: tuple[Kind, ...] = ("text", "choice", "decimal", "instant", "day", "texts")
_JSON_KINDS: tuple[Kind, ...] = ("value", "values", "mapping")
_NO_MAPPING = FrozenDict()
_NINES = str.maketrans("0123456789", "9876543210")


@attrs.frozen
class Cells:
    """The columns of one field, and the functions between a value that is not empty and what the driver takes and gives.

    None for a function means that the value is the same. Money has two columns and no functions.
    """

    columns: tuple[sa.Column[Any], ...]
    encode: Code | None
    decode: Code | None


def cells(info: FieldInfo, dialect: DialectName, *, required: bool) -> Cells:
    """Return how a database keeps a field; a column that is not `required` may hold NULL."""
    types = _SQLITE_TYPES if dialect == "sqlite" else _POSTGRESQL_TYPES
    kind = info.shape.kind
    columns = [sa.Column(info.name, types[kind], nullable=not required)]
    if kind == "money":
        columns.append(sa.Column(currency_column(info.name), types["text"], nullable=not required))
    decode = _sqlite_decoding if dialect == "sqlite" else _postgresql_decoding
    return Cells(tuple(columns), encoding(info.shape, dialect), decode(info.shape))


def encoding(shape: Shape, dialect: DialectName) -> Code | None:
    """Return the function from a value that is not empty to what the driver takes; None where that is the same."""
    return _sqlite_encoding(shape) if dialect == "sqlite" else _postgresql_encoding(shape)


def sortable_decimal(number: Decimal) -> str:
    """Return a decimal as text whose order is that of the numbers: the sign, then 28 digits and 10 decimals.

    The digits of a negative number are complemented to nine.

    >>> sortable_decimal(Decimal("-2")) < sortable_decimal(Decimal("-1.5")) < sortable_decimal(Decimal("10"))
    True
    """
    sign, digits, exponent = number.as_tuple()
    assert isinstance(exponent, int)
    shown = ("".join(map(str, digits)) + "0" * (exponent + DECIMAL_PLACES)).rjust(DECIMAL_DIGITS + DECIMAL_PLACES, "0")
    return "0" + shown.translate(_NINES) if sign and any(digits) else "1" + shown


def decimal_from_sortable(text: str) -> Decimal:
    """Return the decimal that `sortable_decimal` made the text of."""
    digits = text[1:] if text[0] == "1" else text[1:].translate(_NINES)
    number = f"{digits[:DECIMAL_DIGITS].lstrip('0') or '0'}.{digits[DECIMAL_DIGITS:]}".rstrip("0").rstrip(".")
    return Decimal(number if text[0] == "1" else f"-{number}")


class _Instant(sa.types.UserDefinedType[datetime]):
    """`timestamptz`, read in UTC whatever zone the session has, because a host's connection may have any."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        return "TIMESTAMP WITH TIME ZONE"

    def column_expression(self, column: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
        return sa.func.timezone(sa.literal_column("'UTC'"), column, type_=sa.DateTime())


class _Json(sa.types.UserDefinedType[str]):
    """`json`, which keeps numbers as they were written, read as text whatever the host's connection makes of it."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        return "JSON"

    def column_expression(self, column: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
        return sa.cast(column, sa.Text())


TEXT = sa.Text(collation="C")
"""Text in PostgreSQL, in the order of its characters as everywhere else."""

INSTANT = _Instant()
JSON = _Json()

_SQLITE_TYPES: Mapping[Kind, Any] = {
    **dict.fromkeys(_TEXT_KINDS, sa.Text()),
    **dict.fromkeys(_JSON_KINDS, sa.Text()),
    "integer": sa.Integer(),
    "number": sa.REAL(),
    "flag": sa.Integer(),
    "money": sa.Integer(),
}
_POSTGRESQL_TYPES: Mapping[Kind, Any] = {
    "text": TEXT,
    "choice": TEXT,
    **dict.fromkeys(_JSON_KINDS, JSON),
    "integer": sa.BigInteger(),
    "number": sa.Double(),
    "decimal": sa.Numeric(DECIMAL_DIGITS + DECIMAL_PLACES, DECIMAL_PLACES),
    "flag": sa.Boolean(),
    "instant": INSTANT,
    "day": sa.Date(),
    "money": sa.BigInteger(),
    "texts": postgresql.ARRAY(TEXT),
}


def _sqlite_encoding(shape: Shape) -> Code | None:
    codes: dict[Kind, Code] = {
        "instant": instant_to_text,
        "day": date.isoformat,
        "decimal": sortable_decimal,
        "texts": lambda texts: to_json(_listed(shape, texts)) if texts else "[]",
        **_json_encodings(shape),
    }
    return codes.get(shape.kind)


def _postgresql_encoding(shape: Shape) -> Code | None:
    codes: dict[Kind, Code] = {"texts": lambda texts: _listed(shape, texts), **_json_encodings(shape)}
    return codes.get(shape.kind)


def _json_encodings(shape: Shape) -> dict[Kind, Code]:
    write = value_writer(shape.item) if shape.item is not None and shape.kind in ("value", "values") else to_json
    return {
        "value": write,
        "values": lambda values: f"[{','.join(map(write, values))}]",
        "mapping": lambda mapping: to_json(mapping) if mapping else "{}",
    }


def _listed(shape: Shape, texts: Any) -> list[str]:
    return sorted(texts) if shape.is_set else list(texts)


def _sqlite_decoding(shape: Shape) -> Code | None:
    made: Any = frozenset if shape.is_set else tuple
    nothing = made()
    codes: dict[Kind, Code] = {
        "flag": bool,
        "instant": datetime.fromisoformat,
        "day": date.fromisoformat,
        "decimal": decimal_from_sortable,
        "texts": lambda text: made(json.loads(text)) if text != "[]" else nothing,
        **_json_decodings(shape),
    }
    return codes.get(shape.kind)


def _postgresql_decoding(shape: Shape) -> Code | None:
    codes: dict[Kind, Code] = {
        "instant": _in_utc,
        "texts": frozenset if shape.is_set else tuple,
        **_json_decodings(shape),
    }
    return codes.get(shape.kind)


def _in_utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC)


def _json_decodings(shape: Shape) -> dict[Kind, Code]:
    read = value_reader(shape.item) if shape.item is not None and shape.kind in ("value", "values") else dict
    return {
        "value": lambda text: read(json.loads(text)),
        "values": lambda text: tuple(map(read, json.loads(text))) if text != "[]" else (),
        "mapping": lambda text: FrozenDict(json.loads(text)) if text != "{}" else _NO_MAPPING,
    }
