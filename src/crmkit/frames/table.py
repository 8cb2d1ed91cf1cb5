"""Whatever the caller has, as one lazy table with checked columns of the published names."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import attrs
import narwhals as nw
import polars as pl

from crmkit.errors import InvalidInput, choices
from crmkit.frames.convert import from_records
from crmkit.frames.schema import MONEY_DECIMALS, schema
from crmkit.model.record import Record

MONEY_UNITS = 10**MONEY_DECIMALS
"""Money is summed in whole ten-thousandths of a currency, so that a sum is exact in any order."""


@attrs.frozen
class Table:
    """A lazy table and the published columns that it has.

    Instants are in UTC to the microsecond, identifiers are text, money is a whole number of ten-thousandths, NaN is null.
    """

    rows: nw.LazyFrame[Any]
    columns: frozenset[str]


def open_table(
    data: Any,
    cls: type[Record],
    *,
    needs: Sequence[str],
    uses: Sequence[str] = (),
    by: Sequence[str] = (),
    columns: Mapping[str, str] | None = None,
) -> Table:
    """Return the columns of `data` that a function needs, uses where present, and groups by.

    `data` is an iterable of records, a Polars DataFrame or LazyFrame, a pandas DataFrame or an Arrow table. `columns` maps
    published names to the caller's. Raises `InvalidInput` for a missing column, a naive timestamp or a wrong type.
    """
    renamed = columns or {}
    name = cls.__name__
    sources = {column: renamed.get(column, column) for column in (*needs, *uses, *by)}
    frame, known = _lazy(data, cls, list(sources.values()))
    for column in (*needs, *by):
        _check_present(sources[column], column, known, name)
    present = frame.collect_schema()
    for source in (sources[column] for column in by):
        if present[source].is_nested():
            raise _wrong_type(f"{name} column {source!r}", present[source], "a column of single values to group by")
    published = schema(cls)
    found = {column: source for column, source in sources.items() if source in present}
    expressions = [
        _checked(nw.col(source), present[source], published.get(column), f"{name} column {source!r}").alias(column)
        for column, source in found.items()
    ]
    return Table(frame.select(*expressions), frozenset(found))


def _lazy(data: Any, cls: type[Record], columns: Sequence[str]) -> tuple[nw.LazyFrame[Any], list[str]]:
    """The data as a lazy Polars frame with at least those of the columns that it has, and the names of all it has."""
    frame = nw.from_native(data, pass_through=True)
    if isinstance(frame, nw.LazyFrame) and frame.implementation.is_polars():
        return frame, frame.collect_schema().names()
    if isinstance(frame, nw.DataFrame):
        # Polars counts faster than the frames that are converted, and only the columns in use are converted.
        wanted = frame.select([column for column in frame.columns if column in columns])
        return nw.from_native(wanted.to_polars().lazy()), frame.columns
    if isinstance(frame, Iterable) and not isinstance(frame, str | bytes | Mapping):
        return nw.from_native(from_records(frame, cls, columns).lazy()), list(schema(cls))
    raise InvalidInput(
        f"{type(data).__name__} is no {cls.__name__} data; give records of {cls.__name__}, or a Polars, pandas or Arrow table"
    )


def _check_present(source: str, column: str, present: list[str], name: str) -> None:
    if source in present:
        return
    meant = "" if source == column else f" (for {column!r})"
    raise InvalidInput(
        f"the {name} data has no column {source!r}{meant}; {choices(source, present)}; "
        f"a column of another name is given as columns={{{column!r}: 'its name'}}"
    )


def _checked(value: nw.Expr, found: nw.dtypes.DType, published: pl.DataType | None, where: str) -> nw.Expr:
    if published is None:
        return value
    if published == pl.String:
        return _text(value, found, where)
    if isinstance(published, pl.Datetime):
        return _instant(value, found, where)
    if isinstance(published, pl.Decimal):
        return _money(value, found, where)
    if published == pl.Int64:
        return _integer(value, found, where)
    return value


def _wrong_type(where: str, found: Any, accepted: str) -> InvalidInput:
    return InvalidInput(f"{where} is {found}; give {accepted}")


def _text(value: nw.Expr, found: nw.dtypes.DType, where: str) -> nw.Expr:
    if found == nw.String:
        return value
    if found.is_integer() or found in {nw.Categorical, nw.Enum, nw.Unknown}:
        return value.cast(nw.String)
    raise _wrong_type(where, found, "text")


def _instant(value: nw.Expr, found: nw.dtypes.DType, where: str) -> nw.Expr:
    if not isinstance(found, nw.Datetime):
        raise _wrong_type(where, found, "timestamps with a time zone")
    if found.time_zone is None:
        raise _wrong_type(where, f"{found} without a time zone", "timestamps with a time zone, such as UTC")
    return value.dt.convert_time_zone("UTC").cast(nw.Datetime("us", "UTC"))


def _money(value: nw.Expr, found: nw.dtypes.DType, where: str) -> nw.Expr:
    if found.is_float():
        value = nw.when(value.is_finite()).then(value)
    elif not found.is_numeric():
        raise _wrong_type(where, found, "numbers")
    units: nw.Expr = value * MONEY_UNITS
    return units.round().cast(nw.Int64)


def _integer(value: nw.Expr, found: nw.dtypes.DType, where: str) -> nw.Expr:
    """Whole numbers; pandas keeps them as floats where some are missing."""
    if found.is_float():
        return nw.when(value.is_finite()).then(value)
    if not found.is_integer():
        raise _wrong_type(where, found, "whole numbers")
    return value
