"""The published columns of every record class."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import polars as pl

from crmkit.errors import InvalidInput
from crmkit.model.money import currency_column
from crmkit.model.records import fields
from crmkit.model.shape import DECIMAL_PLACES, Kind

MONEY_DECIMALS = 4
"""Decimals of a money column: those of the finest currency."""

MONEY = pl.Decimal(38, MONEY_DECIMALS)
INSTANT = pl.Datetime("us", "UTC")
_TYPES: Mapping[Kind, Any] = MappingProxyType(
    {
        "text": pl.String(),
        "choice": pl.String(),
        "integer": pl.Int64(),
        "number": pl.Float64(),
        "decimal": pl.Decimal(38, DECIMAL_PLACES),
        "flag": pl.Boolean(),
        "instant": INSTANT,
        "day": pl.Date(),
        "money": MONEY,
        "texts": pl.List(pl.String()),
    }
)


def schema(cls: type[Any]) -> dict[str, pl.DataType]:
    """Return the columns of a record class and their Polars types.

    A field is a column of its name; money is two, the amount and the currency. Mappings and lists of value
    objects have no column.

    >>> schema(Product)["price"], schema(Product)["price_currency"]
    (Decimal(precision=38, scale=4), String)
    """
    columns: dict[str, pl.DataType] = {}
    for field in fields(cls):
        kind = field.shape.kind
        names = [field.name, currency_column(field.name)] if kind == "money" else [field.name]
        for name, dtype in zip(names, (_TYPES.get(kind), pl.String()), strict=False):
            if name in columns:
                raise InvalidInput(
                    f"{cls.__name__}.{field.name}: the column {name!r} is there already; rename one field"
                )
            if dtype is not None:
                columns[name] = dtype
    return columns
