"""Whatever the caller has, as one lazy table with checked columns of the published names."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import attrs
import narwhals as nw
import polars as pl
from narwhals.exceptions import DuplicateError

from crmkit.errors import InvalidInput, choices
from crmkit.frames.convert import from_records
from crmkit.frames.schema import MONEY_DECIMALS, schema
from crmkit.model.records import Record

MONEY_UNITS = 10**MONEY_DECIMALS
"""Money is summed in whole ten-thousandths of a currency, so that a sum is exact in any order."""


@attrs.frozen
class Table:
    """A lazy table and the published columns that it has.

    Instants are in UTC to the microsecond, identifiers are text, money is a whole number of ten-thousandths, NaN is null. The
    columns to group by stand beside them as the caller has them, under the names of `group_columns`.
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
    renamed = {} if columns is None else columns
    if not isinstance(renamed, Mapping):
        raise InvalidInput(
            f"columns={columns!r} is no mapping; give columns={{'closed_at': 'the name that the data has'}}"
        )
    name = cls.__name__
    sources = {column: renamed.get(column, column) for column in (*needs, *uses, *by)}
    published = schema(cls)
    frame, known = _lazy(data, cls, {source: published.get(column) for column, source in sources.items()})
    for column in (*needs, *by, *(column for column in uses if column in renamed)):
        _check_present(sources[column], column, known, name)
    present = frame.collect_schema()
    found = {column: sources[column] for column in (*needs, *uses) if sources[column] in present}
    expressions = [
        _checked(nw.col(source), present[source], published[column], f"{name} column {source!r}").alias(column)
        for column, source in found.items()
    ]
    groups = [
        _group(sources[column], present, name).alias(group) for column, group in zip(by, group_columns(by), strict=True)
    ]
    return Table(frame.select(*expressions, *groups), frozenset(found))


def group_columns(by: Sequence[str]) -> list[str]:
    """Return what the columns to group by are called in a table; no published column is called so.

    >>> group_columns(["owner_id", "source"])
    ['group_0', 'group_1']
    """
    return [f"group_{number}" for number in range(len(by))]


def _group(source: str, present: nw.Schema, name: str) -> nw.Expr:
    if present[source].is_nested():
        raise _wrong_type(f"{name} column {source!r}", present[source], "a column of single values to group by")
    value = nw.col(source)
    return nw.when(~value.is_nan()).then(value) if present[source].is_float() else value


def _lazy(
    data: Any, cls: type[Record], columns: Mapping[str, pl.DataType | None]
) -> tuple[nw.LazyFrame[Any], list[str]]:
    """The data as a lazy Polars frame with at least those of the columns that it has, and the names of all it has."""
    try:
        frame = nw.from_native(data, pass_through=True)
    except DuplicateError as error:
        raise InvalidInput(f"the {cls.__name__} data has two columns of one name: {error}") from None
    if isinstance(frame, nw.LazyFrame) and frame.implementation.is_polars():
        return frame, frame.collect_schema().names()
    if isinstance(frame, nw.DataFrame):
        # Polars counts faster than the frames that are converted, and only the columns in use are converted.
        wanted = frame.select([column for column in frame.columns if column in columns]).to_polars()
        if frame.implementation.is_pandas_like():
            wanted = _as_pandas_means(wanted, columns)
        return nw.from_native(wanted.lazy()), frame.columns
    if isinstance(frame, Iterable) and not isinstance(frame, str | bytes | Mapping):
        rows = list(frame)
        shared = type(rows[0]) if rows and all(type(row) is type(rows[0]) for row in rows) else cls
        kind = shared if issubclass(shared, cls) else cls  # a vertical's own class has columns of its own
        return nw.from_native(from_records(rows, kind, list(columns)).lazy()), list(schema(kind))
    raise InvalidInput(
        f"{type(data).__name__} is no {cls.__name__} data; give records of {cls.__name__}, or a Polars, pandas or Arrow table"
    )


def _as_pandas_means(frame: pl.DataFrame, published: Mapping[str, pl.DataType | None]) -> pl.DataFrame:
    """Undo what pandas has no type for: text columns of no value, and whole numbers as identifiers where some are missing."""
    meant = []
    for each in frame:
        if each.dtype == pl.String and each.null_count() == frame.height:
            meant.append(pl.lit(None).alias(each.name))
        elif each.dtype.is_float() and published.get(each.name) == pl.String:
            whole = each.fill_nan(None)
            meant.append(pl.lit(whole.cast(pl.Int64) if (whole == whole.round()).all() else each).alias(each.name))
    return frame.with_columns(meant)


def _check_present(source: str, column: str, present: list[str], name: str) -> None:
    if source in present:
        return
    meant = "" if source == column else f" (for {column!r})"
    raise InvalidInput(
        f"the {name} data has no column {source!r}{meant}; {choices(source, present)}; "
        f"a column of another name is given as columns={{{column!r}: 'its name'}}"
    )


def _checked(value: nw.Expr, found: nw.dtypes.DType, published: pl.DataType, where: str) -> nw.Expr:
    if found == nw.Unknown:  # a column without any value
        typed = pl.Int64() if isinstance(published, pl.Decimal) else published
        return value.cast(nw.from_native(pl.Series(dtype=typed), series_only=True).dtype)
    check = _CHECKS.get(type(published))
    return check(value, found, where) if check else value


def _wrong_type(where: str, found: Any, accepted: str) -> InvalidInput:
    return InvalidInput(f"{where} is {found}; give {accepted}")


def _text(value: nw.Expr, found: nw.dtypes.DType, where: str) -> nw.Expr:
    if found == nw.String:
        return value
    if found.is_integer() or isinstance(found, nw.Categorical | nw.Enum):
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
        return nw.when(~value.is_nan()).then(value)
    if not found.is_integer():
        raise _wrong_type(where, found, "whole numbers")
    return value


_CHECKS = {pl.String: _text, pl.Datetime: _instant, pl.Decimal: _money, pl.Int64: _integer}
