"""Records into columns."""

from collections.abc import Iterable, Sequence
from operator import attrgetter
from typing import Any

import polars as pl

from crmkit.errors import InvalidInput
from crmkit.frames.schema import schema
from crmkit.model.money import currency_column
from crmkit.model.records import Record, fields


def from_records(records: Iterable[Record], cls: type[Record], columns: Sequence[str] | None = None) -> pl.DataFrame:
    """Return records of one class as a Polars frame with the columns of `schema(cls)`, or with some of them.

    Records of a subclass are accepted. Raises `InvalidInput` for a record of another class.

    >>> from_records([Employee(id="ann", name="Ann")], Employee, ["id", "name"]).rows()
    [('ann', 'Ann')]
    """
    rows = list(records)
    for row in rows:
        if not isinstance(row, cls):
            raise InvalidInput(f"a {type(row).__name__} stands among the records; every one must be a {cls.__name__}")
    wanted = {name: kind for name, kind in schema(cls).items() if columns is None or name in columns}
    values = {
        name: values for field in fields(cls) for name, values in _columns(rows, field.name, field.shape.kind, wanted)
    }
    return pl.DataFrame({name: pl.Series(name, values[name], dtype=kind) for name, kind in wanted.items()})


def _columns(rows: list[Any], name: str, kind: str, wanted: dict[str, pl.DataType]) -> Iterable[tuple[str, list[Any]]]:
    """The lists for one field, one comprehension each, because that is several times faster than a dict a record."""
    currency = currency_column(name)
    if name not in wanted and not (kind == "money" and currency in wanted):
        return
    values = list(map(attrgetter(name), rows))
    if kind == "money":
        yield name, [value and value.amount for value in values]
        yield currency, [value and value.currency for value in values]
    elif kind == "texts":
        yield name, [sorted(value) if isinstance(value, frozenset) else value and list(value) for value in values]
    else:
        yield name, values
