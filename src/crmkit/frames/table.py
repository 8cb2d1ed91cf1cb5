"""Whatever the caller has, as one lazy table with checked columns of the published names."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import attrs
import narwhals as nw
import polars as pl
from narwhals.exceptions import DuplicateError

from crmkit.errors import InvalidInput, choices
from crmkit.frames.convert import from_records
from crmkit.frames.door import engine_of, through_the_door
from crmkit.frames.filtering import filter_columns, filtered, marked, related_columns
from crmkit.frames.rates import HAS_NO_RATE, Conversion
from crmkit.frames.schema import INSTANT, MONEY_DECIMALS, schema
from crmkit.model.records import Record
from crmkit.rules import EVERYTHING, AllOf, Rule

MONEY_UNITS = 10**MONEY_DECIMALS
"""Money is summed in whole ten-thousandths of a currency, so that a sum is exact in any order."""


@attrs.frozen
class Table:
    """A lazy table and the published columns that it has.

    Instants are microseconds since 1970, with `crmkit.frames.door.day_of` and `period_of` for the civil day and period of each;
    identifiers are text, money is a whole number of ten-thousandths, NaN is null. The columns to group by stand beside them
    as the caller has them, under the names of `group_columns`.
    """

    rows: nw.LazyFrame[Any]
    columns: frozenset[str]

    @property
    def record(self) -> nw.Expr | None:
        """The ids by which the records behind a number are found, where the data has them."""
        return nw.col("id") if "id" in self.columns else None


@attrs.define(eq=False)
class Shared:
    """Data that several functions read: each of its columns is converted once."""

    data: Any
    _converted: dict[str, pl.Series] = attrs.field(factory=dict)
    _records: list[Any] | None = None

    def records(self) -> list[Any]:
        """Return the records, which may come from where they can be taken only once."""
        if self._records is None:
            self._records = list(self.data)
        return self._records

    def missing(self, columns: Iterable[str]) -> list[str]:
        """Return those of some columns that nobody has converted yet."""
        return [column for column in columns if column not in self._converted]

    def with_converted(self, frame: pl.DataFrame, columns: Sequence[str]) -> pl.DataFrame:
        """Keep the columns of a frame, and return some of all that are kept."""
        self._converted |= {column.name: column for column in frame}
        return pl.DataFrame([self._converted[column] for column in columns])


def shared(data: Any) -> Shared:
    """Return data so that opening it several times converts each of its columns once."""
    return data if isinstance(data, Shared) else Shared(data)


def open_table(
    data: Any,
    cls: type[Record],
    *,
    needs: Sequence[str],
    uses: Sequence[str] = (),
    by: Sequence[str] = (),
    columns: Mapping[str, str] | None = None,
    tz: str = "UTC",
    where: Rule = EVERYTHING,
    marks: Mapping[str, Rule] | None = None,
    related: Mapping[type[Record], Any] | None = None,
    conversion: Conversion | None = None,
) -> Table:
    """Return the columns of `data` that a function needs, uses where present, and groups by; the rows for which a rule holds.

    `data` is an iterable of records, a Polars DataFrame or LazyFrame, a pandas DataFrame or an Arrow table; or a DuckDB relation, an
    Ibis table or a PySpark DataFrame, which are counted where they are. `columns` maps published names to the caller's. Civil days and
    periods are those of `tz`. `marks` are rules by the names of columns that have 1 where they hold and 0 where they do not. `related`
    is the data of other classes, with published names, of which the rules ask about related records. With a `conversion` amounts are
    of one currency, and empty where there is no rate, which the column `HAS_NO_RATE` says. Raises `InvalidInput` for a missing
    column, a naive timestamp, a wrong type, or a rule that does not fit.
    """
    renamed = {} if columns is None else columns
    if not isinstance(renamed, Mapping):
        raise InvalidInput(
            f"columns={columns!r} is no mapping; give columns={{'closed_at': 'the name that the data has'}}"
        )
    rules = AllOf((where, *marks.values())) if marks else where
    asked = filter_columns(rules, cls, related or ())
    needs = [*needs, *(column for column in asked if column not in needs)]
    uses = [*uses, *(column for column in (conversion.columns(cls) if conversion else ()) if column not in needs)]
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
    instants = [column for column in found if published[column] == INSTANT]
    rows = through_the_door(frame.select(*expressions, *groups), instants, tz)
    others = _related_rows(rows, rules, cls, related or {}) if rules != EVERYTHING else {}
    if where != EVERYTHING:
        rows = filtered(rows, where, cls, others)
    if marks:
        rows = marked(rows, marks, cls, others)
    if conversion is None:
        return Table(rows, frozenset(found))
    return Table(conversion.apply(rows, cls, list(found)), frozenset({*found, HAS_NO_RATE}))


def _related_rows(
    rows: nw.LazyFrame[Any], where: Rule, cls: type[Record], given: Mapping[type[Record], Any]
) -> dict[type[Record], nw.LazyFrame[Any]]:
    """The opened tables of the related records that a rule asks about, which are in the engine of the rows."""
    found = {}
    for linking, needs in related_columns(where, cls, given).items():
        if linking not in given:
            raise InvalidInput(
                f"the rule asks of {linking.__name__} records; give them as related={{{linking.__name__}: ...}}"
            )
        found[linking] = open_table(given[linking], linking, needs=needs).rows
        engines = engine_of(rows), engine_of(found[linking])
        if len(set(engines)) > 1:
            raise InvalidInput(
                f"{cls.__name__} and {linking.__name__} are in {' and '.join(engines)}, and no engine reads another's; give both as "
                "one kind of data"
            )
    return found


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
    """The data as a lazy frame with at least those of the columns that it has, and the names of all it has."""
    held = shared(data)
    try:
        frame = nw.from_native(held.data, pass_through=True)
    except DuplicateError as error:
        raise InvalidInput(f"the {cls.__name__} data has two columns of one name: {error}") from None
    if isinstance(frame, nw.LazyFrame):
        return frame, frame.collect_schema().names()
    if isinstance(frame, nw.DataFrame):
        present: list[str] = frame.columns
        missing = held.missing(column for column in columns if column in present)
        # Polars counts faster than the frames that are converted, and only the columns in use are converted.
        wanted = frame.select(missing).to_polars()
        if frame.implementation.is_pandas_like():
            wanted = _as_pandas_means(wanted, columns)
    elif isinstance(frame, Iterable) and not isinstance(frame, str | bytes | Mapping):
        rows = held.records()
        shared_ = type(rows[0]) if rows and all(type(row) is type(rows[0]) for row in rows) else cls
        kind = shared_ if issubclass(shared_, cls) else cls  # a vertical's own class has columns of its own
        present = list(schema(kind))
        wanted = from_records(rows, kind, held.missing(column for column in columns if column in present))
    else:
        raise InvalidInput(
            f"{type(held.data).__name__} is no {cls.__name__} data; give records of {cls.__name__}, or a Polars, pandas, Arrow, "
            "DuckDB, Ibis or PySpark table"
        )
    found = held.with_converted(wanted, [column for column in columns if column in present])
    return nw.from_native(found.lazy()), present


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
    return value


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


def _day(value: nw.Expr, found: nw.dtypes.DType, where: str) -> nw.Expr:
    """Days; pandas has midnights without a time zone for them."""
    if found == nw.Date:
        return value
    if isinstance(found, nw.Datetime) and found.time_zone is None:
        return value.cast(nw.Date)
    raise _wrong_type(where, found, "dates")


_CHECKS = {pl.String: _text, pl.Datetime: _instant, pl.Date: _day, pl.Decimal: _money, pl.Int64: _integer}
