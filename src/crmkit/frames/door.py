"""What engines say differently: civil days and periods in a time zone, as whole numbers."""

import narwhals as nw

from crmkit.stats.periods import Every


def civil_day(at: nw.Expr, tz: str) -> nw.Expr:
    """Return the number of the civil day in `tz` on which an instant lies, counted from 1970-01-01."""
    return at.dt.convert_time_zone(tz).dt.date().cast(nw.Int32).cast(nw.Int64)


def period_index(at: nw.Expr, every: Every, tz: str) -> nw.Expr:
    """Return the index of the civil period in `tz` on which an instant lies; see `crmkit.stats.periods.index_of`."""
    day = civil_day(at, tz)
    if every == "day":
        return day
    if every == "week":
        return (day + 3) // 7
    local = at.dt.convert_time_zone(tz).dt
    month = local.year().cast(nw.Int64) * 12 + local.month().cast(nw.Int64) - 1
    return month // {"month": 1, "quarter": 3, "year": 12}[every]
