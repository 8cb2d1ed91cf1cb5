"""Civil days, out of columns of dates and of instants, and windows of days."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import attrs
import narwhals as nw

from crmkit.errors import InvalidInput
from crmkit.frames.door import MICROSECONDS_A_DAY, CivilDay, beside, day_number
from crmkit.frames.table import Table
from crmkit.metrics.scope import Scope
from crmkit.stats.periods import index_of, instant, zone

DUE = "due_at"
"""The midnight of a civil day on which something was due, by the clock of its zone; see `civil`."""

DUE_DAY, _DUE_MONTH = beside(DUE)
_SMALLEST = timedelta(microseconds=1)


def day_at(scope: Scope, at: datetime) -> date:
    """Return the civil day of an instant."""
    return at.astimezone(zone(scope.tz)).date()


def first_day_from(scope: Scope, at: datetime) -> date:
    """Return the first civil day that begins at a moment or after it."""
    day = day_at(scope, at)
    return day if instant(day, scope.tz, "start") == at else day + timedelta(days=1)


def first_day_not_over(scope: Scope) -> int:
    """Return the number of the first civil day that is not over at `as_of`."""
    return index_of(day_at(scope, scope.as_of + _SMALLEST), "day")


def civil(scope: Scope) -> Scope:
    """Return the scope for days that are not instants: the clock of its zone is taken for UTC, where days have their midnight."""

    def wall(at: datetime) -> datetime:
        local = at.astimezone(zone(scope.tz))
        midnight = datetime.combine(local, time.min, local.tzinfo)
        # Some zones skip a midnight; their day then begins at what their clocks call one o'clock.
        return datetime.combine(local, time.min if midnight >= at else local.time(), UTC)

    return attrs.evolve(
        scope, as_of=wall(scope.as_of), start=scope.start and wall(scope.start), end=scope.end and wall(scope.end)
    )


def dated(rows: nw.LazyFrame[Any], on: CivilDay) -> nw.LazyFrame[Any]:
    """Return the rows with the midnight of a civil day as `due_at`, and beside it what stands beside an instant."""
    year, month, day = on
    return rows.with_columns(**{DUE_DAY: day_number(year, month, day), _DUE_MONTH: year * 12 + month - 1}).with_columns(
        **{DUE: nw.col(DUE_DAY) * MICROSECONDS_A_DAY}
    )


def with_instant(table: Table, column: str) -> nw.LazyFrame[Any]:
    """Return the rows with an instant that a table may lack; null where it does."""
    if column in table.columns:
        return table.rows
    return table.rows.with_columns(nw.lit(None, nw.Int64).alias(each) for each in (column, *beside(column)))


def check_days(days: Any, name: str) -> None:
    """Raise `InvalidInput` for what is no whole number of days."""
    if not isinstance(days, int) or isinstance(days, bool) or days < 0:
        raise InvalidInput(f"{name}={days!r} is no number of days; give a whole one, or 0 for none")


def days_window(within_days: Any, name: str = "within_days") -> int | None:
    """Return a number of days of 24 hours in microseconds, None for None; raise `InvalidInput` for what is no such number."""
    if within_days is None:
        return None
    if not isinstance(within_days, int) or isinstance(within_days, bool) or within_days < 1:
        raise InvalidInput(f"{name}={within_days!r} is no window; give a whole number of days from 1, or None")
    return within_days * MICROSECONDS_A_DAY
