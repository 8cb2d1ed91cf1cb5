"""What the columns of a table become in frames: the cells as the driver gives them, and the expressions that publish them.

Every type is declared; none is guessed from values. What becomes what is said once for a whole column, never value by value.
"""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, cast

import attrs
import polars as pl
import sqlalchemy as sa

from crmkit.frames.schema import MONEY, schema
from crmkit.io.stores.sql.cells import DialectName
from crmkit.model.money import _DECIMALS as UNUSUAL_DECIMALS
from crmkit.model.money import Money, currency_column
from crmkit.model.records import FieldInfo, Record
from crmkit.model.shape import DECIMAL_DIGITS, DECIMAL_PLACES, Kind

_DECIMAL = pl.Decimal(38, DECIMAL_PLACES)
_LARGEST = Decimal("9" * DECIMAL_DIGITS + "." + "9" * DECIMAL_PLACES)


def columns_of(info: FieldInfo) -> dict[str, Kind]:
    """Return the columns that frames have of a field, and the kinds of what they hold.

    >>> from crmkit.model import fields
    >>> [columns_of(each) for each in fields(Deal) if each.name in ("amount", "lines")]
    [{}, {'amount': 'money', 'currency': 'text'}]
    """
    kind = info.shape.kind
    if kind in ("value", "values", "mapping"):
        return {}
    return {info.name: kind, currency_column(info.name): "text"} if kind == "money" else {info.name: kind}


def given_type(kind: Kind, dialect: DialectName) -> pl.DataType:
    """Return the type of what the driver gives of a column that holds this kind."""
    return _GIVEN[dialect].get(kind, pl.String())


def cell(column: sa.Column[Any]) -> sa.ColumnElement[Any]:
    """Return a column as it is read: as text where drivers give something inexact, or give it slowly."""
    if isinstance(column.type, sa.ARRAY):
        return sa.cast(sa.func.array_to_json(column), sa.Text()).label(column.name)
    return sa.cast(column, sa.Text()).label(column.name) if isinstance(column.type, sa.Numeric) else column


def published(cls: type[Record], info: FieldInfo, dialect: DialectName) -> dict[str, pl.Expr]:
    """Return the columns of a field as frames publish them, made of the cells that were given.

    A column that came later is NULL in the rows that were there; their records have the default of the field.
    """
    # What adbc makes of a column without values has no type of ours yet.
    made = {name: pl.col(name).cast(given_type(kind, dialect)) for name, kind in columns_of(info).items()}
    if info.shape.kind == "money":
        made[info.name] = _amount(*made.values())
    elif info.shape.kind in _PUBLISHED[dialect]:
        made[info.name] = _PUBLISHED[dialect][info.shape.kind](made[info.name])
    default = default_of(cls, info)
    if default is None:
        return made
    types = schema(cls)
    return {
        name: made[name].fill_null(pl.lit(pl.Series([held], dtype=types[name])))
        for name, held in _in_columns(info, default).items()
    }


def default_of(cls: type[Record], info: FieldInfo) -> Any:
    """Return the constant that a field which must have a value holds by default; None where it has none, and for other fields.

    >>> from crmkit.model import fields
    >>> [default_of(Deal, each) for each in fields(Deal) if each.name in ("id", "name", "category", "tags")]
    [None, frozenset(), 'open', None]
    """
    declared: Any = getattr(attrs.fields(cast("Any", cls)), info.name).default
    is_constant = declared is not attrs.NOTHING and not hasattr(declared, "factory")
    return declared if is_constant and not info.shape.optional else None


def _in_columns(info: FieldInfo, value: Any) -> dict[str, Any]:
    if isinstance(value, Money):
        return {info.name: value.amount, currency_column(info.name): value.currency}
    return {info.name: sorted(value) if info.shape.is_set else value}


def _flag(given: pl.Expr) -> pl.Expr:
    return given != 0


def _day(given: pl.Expr) -> pl.Expr:
    return given.str.to_date("%Y-%m-%d", cache=False)


def _instant(given: pl.Expr) -> pl.Expr:
    return given.str.to_datetime("%Y-%m-%dT%H:%M:%S.%6fZ", time_unit="us", time_zone="UTC", cache=False)


def _instant_in_utc(given: pl.Expr) -> pl.Expr:
    return given.dt.replace_time_zone("UTC")


def _texts(given: pl.Expr) -> pl.Expr:
    return given.str.json_decode(pl.List(pl.String()))


def _decimal(given: pl.Expr) -> pl.Expr:
    return given.cast(_DECIMAL)


def _decimal_from_sortable(given: pl.Expr) -> pl.Expr:
    """See `cells.decimal_from_sortable`: a negative number is shown as so much less than the largest."""
    shown = (given.str.slice(1, DECIMAL_DIGITS) + "." + given.str.slice(1 + DECIMAL_DIGITS)).cast(_DECIMAL)
    return pl.when(given.str.starts_with("1")).then(shown).otherwise(shown - pl.lit(_LARGEST, _DECIMAL))


def _amount(units: pl.Expr, currency: pl.Expr) -> pl.Expr:
    """Money as an amount: so many of its currency's smallest unit."""
    unit = _unit(2)
    for places in sorted(set(UNUSUAL_DECIMALS.values())):
        codes = [code for code, its_places in UNUSUAL_DECIMALS.items() if its_places == places]
        unit = pl.when(currency.is_in(codes)).then(_unit(places)).otherwise(unit)
    return (units.cast(pl.Decimal(38, 0)) * unit).cast(MONEY)


def _unit(places: int) -> pl.Expr:
    return pl.lit(Decimal(1).scaleb(-places)).cast(MONEY)


_GIVEN: Mapping[DialectName, Mapping[Kind, pl.DataType]] = {
    "sqlite": {**dict.fromkeys(("integer", "flag", "money"), pl.Int64()), "number": pl.Float64()},
    "postgresql": {
        **dict.fromkeys(("integer", "money"), pl.Int64()),
        "number": pl.Float64(),
        "flag": pl.Boolean(),
        "instant": pl.Datetime("us"),
        "day": pl.Date(),
    },
}
"""The types of what the driver gives, where that is not text."""

_PUBLISHED: Mapping[DialectName, Mapping[Kind, Callable[[pl.Expr], pl.Expr]]] = {
    "sqlite": {"flag": _flag, "instant": _instant, "day": _day, "decimal": _decimal_from_sortable, "texts": _texts},
    "postgresql": {"instant": _instant_in_utc, "decimal": _decimal, "texts": _texts},
}
"""What becomes of it, where that is something else."""
