"""What engines say differently: instants, which become whole numbers here. Everything behind the door is numbers, words and counts."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

import narwhals as nw
import polars as pl

from crmkit.errors import InvalidInput
from crmkit.stats.periods import MONTHS, UNIX_EPOCH, Every

MICROSECONDS_A_DAY = 86_400_000_000
_WEEKS_BACK = 7 * 1_000_000
"""Added before a division, because engines disagree about dividing negative numbers."""


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
        local = at.dt.convert_time_zone(tz).dt
        expressions[column] = at.dt.timestamp("us")
        expressions[_day(column)] = local.date().cast(pl.Int32).cast(pl.Int64)
        expressions[_month(column)] = local.year().cast(pl.Int64) * 12 + local.month().cast(pl.Int64) - 1
    converted: nw.LazyFrame[Any] = nw.from_native(rows.to_native().with_columns(**expressions))
    return converted


def _duckdb(rows: nw.LazyFrame[Any], instants: Sequence[str], tz: str) -> nw.LazyFrame[Any]:
    others = [_quoted(column) for column in rows.collect_schema().names() if column not in instants]
    for column in instants:
        at, local = _quoted(column), f"timezone('{tz}', {_quoted(column)})"
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
