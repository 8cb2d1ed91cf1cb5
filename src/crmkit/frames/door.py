"""What engines say differently: instants, which become whole numbers here. Everything behind the door is numbers, words and counts."""

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from functools import cache
from typing import Any

import narwhals as nw
import polars as pl

from crmkit.errors import InvalidInput
from crmkit.stats.periods import MONTHS, UNIX_EPOCH, Every

MICROSECONDS_A_DAY = 86_400_000_000
_WEEKS_BACK = 7 * 1_000_000
"""Added before a division, because engines disagree about dividing negative numbers."""

_DAY_0 = 719_468
"""The days from the first of March of the year 0 to 1970."""


def moment(instant: datetime) -> int:
    """Return an instant as behind the door: microseconds since 1970.

    >>> moment(datetime(1970, 1, 2, tzinfo=UTC)) == MICROSECONDS_A_DAY
    True
    """
    since = instant - UNIX_EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def day_of(column: str) -> nw.Expr:
    """Return the civil day of an instant column, as days since 1970-01-01."""
    return nw.col(_day(column))


def period_of(column: str, every: Every) -> nw.Expr:
    """Return the index of the civil period that an instant column lies in; see `crmkit.stats.periods.index_of`."""
    if every == "day":
        return day_of(column)
    if every == "week":
        return (day_of(column) + 3 + _WEEKS_BACK) // 7 - _WEEKS_BACK // 7
    if every == "month":  # which some engines divide by one at length
        return nw.col(_month(column))
    months, after_january = MONTHS[every]
    return (nw.col(_month(column)) - after_january) // months


CivilDay = tuple[nw.Expr, nw.Expr, nw.Expr]


def civil_day(column: str) -> CivilDay:
    """Return the year, month and day of a column of days."""
    parts = nw.col(column).dt
    return parts.year().cast(nw.Int64), parts.month().cast(nw.Int64), parts.day().cast(nw.Int64)


def day_number(year: nw.Expr, month: nw.Expr, day: nw.Expr) -> nw.Expr:
    """Return days since 1970 in whole numbers, because engines turn a date into a number each in its own way.

    Years are counted from March, so that the day that only some years have is their last.
    """
    since_march = (month + 9) % 12
    years = year - since_march // 10
    leap_days = years // 4 - years // 100 + years // 400
    return years * 365 + leap_days + (since_march * 153 + 2) // 5 + day - 1 - _DAY_0


def beside(column: str) -> list[str]:
    """Return the columns that stand beside an instant column, for who aggregates it."""
    return [_day(column), _month(column)]


def through_the_door(rows: nw.LazyFrame[Any], instants: Sequence[str], tz: str) -> nw.LazyFrame[Any]:
    """Return rows whose instants are microseconds since 1970, with the civil day and month in `tz` of each beside it.

    A lazy engine computes of these what is asked for. Raises `InvalidInput` for an engine that nobody has tried.
    """
    if not instants:
        return rows
    engine = engine_of(rows)
    if engine not in _ENGINES:
        raise InvalidInput(
            f"data in {engine} is not counted where it is; give {', '.join(_ENGINES)}, pandas, Arrow or records"
        )
    return _ENGINES[engine](rows, instants, tz)


def as_date(rows: nw.LazyFrame[Any], column: str) -> nw.LazyFrame[Any]:
    """Return rows with a column of days since 1970 as dates, which is how the caller gets them."""
    return _DATES[engine_of(rows)](rows, column)


def engine_of(rows: nw.LazyFrame[Any]) -> str:
    """Return the name of the engine that rows are in, such as "polars"."""
    return str(rows.implementation).lower().rpartition(".")[2]


def exact(rows: nw.LazyFrame[Any]) -> Any:
    """Return the type of whole numbers in which an engine sums up amounts without losing any."""
    return nw.Decimal(38, 0) if engine_of(rows) in {"pyspark", "ibis"} else nw.Int128


def _day(column: str) -> str:
    return f"civil day of {column}"


def _month(column: str) -> str:
    return f"civil month of {column}"


def _polars(rows: nw.LazyFrame[Any], instants: Sequence[str], tz: str) -> nw.LazyFrame[Any]:
    expressions = {}
    for column in instants:
        at = pl.col(column)
        day = at.dt.convert_time_zone(tz).dt.date().cast(pl.Int32)
        expressions[column] = at.dt.timestamp("us")
        expressions[_day(column)] = day.cast(pl.Int64)
        expressions[_month(column)] = day.map_batches(_months_of, return_dtype=pl.Int64, is_elementwise=True)
    converted: nw.LazyFrame[Any] = nw.from_native(rows.to_native().with_columns(**expressions))
    return converted


_LISTED = date(1900, 1, 1), date(2099, 12, 31)
_FIRST, _LAST = ((each - UNIX_EPOCH.date()).days for each in _LISTED)


@cache
def _listed_months() -> pl.Series:
    return _calendar_months(pl.date_range(*_LISTED, eager=True))


def _calendar_months(days: pl.Series) -> pl.Series:
    return days.dt.year().cast(pl.Int64) * 12 + days.dt.month() - 1


def _months_of(days: pl.Series) -> pl.Series:
    """The civil months of days since 1970: looked up, which takes a third of the time that the calendar takes."""
    first: Any = days.min()
    last: Any = days.max()
    if first is None or (first >= _FIRST and last <= _LAST):
        return _listed_months().gather(days - _FIRST).alias(days.name)
    return _calendar_months(days.cast(pl.Date))


def _duckdb(rows: nw.LazyFrame[Any], instants: Sequence[str], tz: str) -> nw.LazyFrame[Any]:
    others = [_quoted(column) for column in rows.collect_schema().names() if column not in instants]
    for column in instants:
        at = _quoted(column)
        # Of UTC no calendar of time zones needs to be asked, which takes most of the time.
        local = f"make_timestamp(epoch_us({at}))" if tz == "UTC" else f"timezone('{tz}', {at})"
        others += [
            f"epoch_us({at}) AS {at}",
            f"CAST(date_diff('day', DATE '1970-01-01', CAST({local} AS DATE)) AS BIGINT) AS {_quoted(_day(column))}",
            f"CAST(year({local}) * 12 + month({local}) - 1 AS BIGINT) AS {_quoted(_month(column))}",
        ]
    projected: nw.LazyFrame[Any] = nw.from_native(rows.to_native().project(", ".join(others)))
    return projected


def _quoted(name: str, mark: str = '"') -> str:
    return f"{mark}{name.replace(mark, mark * 2)}{mark}"


def _pyspark(rows: nw.LazyFrame[Any], instants: Sequence[str], tz: str) -> nw.LazyFrame[Any]:
    others = [_quoted(column, "`") for column in rows.collect_schema().names() if column not in instants]
    for column in instants:
        at = _quoted(column, "`")
        # Microseconds of the local clock as if it were UTC, which do not depend on the time zone of the session.
        local = f"unix_micros(from_utc_timestamp({at}, '{tz}'))"
        day = f"(({local} - pmod({local}, {MICROSECONDS_A_DAY})) div {MICROSECONDS_A_DAY})"
        date = f"date_from_unix_date(CAST({day} AS INT))"
        others += [
            f"unix_micros({at}) AS {at}",
            f"{day} AS {_quoted(_day(column), '`')}",
            f"CAST(year({date}) * 12 + month({date}) - 1 AS BIGINT) AS {_quoted(_month(column), '`')}",
        ]
    projected: nw.LazyFrame[Any] = nw.from_native(rows.to_native().selectExpr(*others))
    return projected


def _ibis(rows: nw.LazyFrame[Any], instants: Sequence[str], tz: str) -> nw.LazyFrame[Any]:
    ibis: Any = nw.get_native_namespace(rows)
    table = rows.to_native()
    backend = table.get_backend().name
    if backend not in _IBIS_BACKENDS:
        raise InvalidInput(
            f"Ibis on {backend} is not counted where it is; Ibis is known to work on {', '.join(_IBIS_BACKENDS)}"
        )

    # Ibis has no way to say it, but the databases have a function of one name.
    @ibis.udf.scalar.builtin(  # type: ignore[untyped-decorator]
        name="timezone", signature=(("string", "timestamp('UTC')"), "timestamp")
    )
    def clock(zone: str, at: Any) -> Any: ...

    columns = {}
    for column in instants:
        utc, local = (clock(zone, table[column]) for zone in ("UTC", tz))
        seconds = ((_days(utc) * 24 + utc.hour()) * 60 + utc.minute()) * 60 + utc.second()
        columns[column] = seconds * 1_000_000 + utc.microsecond().cast("int64")
        columns[_day(column)] = _days(local)
        columns[_month(column)] = local.year().cast("int64") * 12 + local.month() - 1
    projected: nw.LazyFrame[Any] = nw.from_native(table.mutate(**columns))
    return projected


def _days(local: Any) -> Any:
    return local.date().epoch_days().cast("int64")


_IBIS_BACKENDS = ("duckdb", "postgres")

_ENGINES: Mapping[str, Callable[[nw.LazyFrame[Any], Sequence[str], str], nw.LazyFrame[Any]]] = {
    "polars": _polars,
    "duckdb": _duckdb,
    "pyspark": _pyspark,
    "ibis": _ibis,
}


def _polars_date(rows: nw.LazyFrame[Any], column: str) -> nw.LazyFrame[Any]:
    return rows.with_columns(nw.col(column).cast(nw.Int32).cast(nw.Date))


def _duckdb_date(rows: nw.LazyFrame[Any], column: str) -> nw.LazyFrame[Any]:
    name = _quoted(column)
    replaced = f"* REPLACE (DATE '1970-01-01' + CAST({name} AS INTEGER) AS {name})"
    dated: nw.LazyFrame[Any] = nw.from_native(rows.to_native().project(replaced))
    return dated


def _pyspark_date(rows: nw.LazyFrame[Any], column: str) -> nw.LazyFrame[Any]:
    name = _quoted(column, "`")
    columns = [_quoted(each, "`") for each in rows.collect_schema().names()]
    date = f"date_from_unix_date(CAST({name} AS INT)) AS {name}"
    dated: nw.LazyFrame[Any] = nw.from_native(
        rows.to_native().selectExpr(*(date if each == name else each for each in columns))
    )
    return dated


def _ibis_date(rows: nw.LazyFrame[Any], column: str) -> nw.LazyFrame[Any]:
    ibis: Any = nw.get_native_namespace(rows)
    table = rows.to_native()
    # A date and an interval are an instant in some databases.
    day = (ibis.timestamp("1970-01-01") + table[column].cast("int64").as_interval("D")).date()
    dated: nw.LazyFrame[Any] = nw.from_native(table.mutate(**{column: day}))
    return dated


_DATES: Mapping[str, Callable[[nw.LazyFrame[Any], str], nw.LazyFrame[Any]]] = {
    "polars": _polars_date,
    "duckdb": _duckdb_date,
    "pyspark": _pyspark_date,
    "ibis": _ibis_date,
}
