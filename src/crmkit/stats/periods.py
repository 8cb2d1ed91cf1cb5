"""Civil periods: days, ISO weeks, months, quarters and years of a calendar, in a named time zone.

A period has a whole number, its index, so that an engine can group by it and Python can name it. Periods are half-open: the
end is the first day that does not belong to them.

A kind of period is a word: "day", "week", "month", "quarter" or "year". Where the business year does not begin with January
it is said with its first month: "year from April", "quarter from February".
"""

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import attrs

from crmkit.errors import InvalidInput, choices

_EPOCH = date(1970, 1, 1)
UNIX_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MONTH_NAMES = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)
_QUARTER, _YEAR = 3, 12

Every = str
"""A kind of period, one of `EVERY`."""

MONTHS: Mapping[Every, tuple[int, int]] = {
    "month": (1, 0),
    "quarter": (_QUARTER, 0),
    "year": (_YEAR, 0),
    **{f"quarter from {name}": (_QUARTER, number % _QUARTER) for number, name in enumerate(MONTH_NAMES) if number},
    **{f"year from {name}": (_YEAR, number) for number, name in enumerate(MONTH_NAMES) if number},
}
"""The kinds of period that are whole months: how many, and how many months after January they begin."""

EVERY: tuple[Every, ...] = ("day", "week", *MONTHS)


@attrs.frozen(order=True)
class Period:
    """The days from `start` up to, not including, `end`; `label` is for people."""

    start: date
    end: date
    label: str = attrs.field(order=False)


def check_every(every: str | None) -> Every | None:
    """Return `every` if it is a kind of period or None; raise `InvalidInput` otherwise."""
    if every is None or every in EVERY:
        return every
    known = [*EVERY[: EVERY.index("year") + 1], "year from April"]
    raise InvalidInput(f"every={every!r} is not a kind of period; {choices(str(every), known)}")


def zone(name: str) -> ZoneInfo:
    """Return the time zone of this IANA name; raise `InvalidInput` for an unknown one."""
    try:
        return ZoneInfo(name)
    except (LookupError, TypeError, ValueError, OSError):
        raise InvalidInput(f"tz={name!r} is not a time zone; give an IANA name such as 'Asia/Bangkok'") from None


def instant(moment: date | datetime, tz: str, name: str, *, end_of_day: bool = False) -> datetime:
    """Return the instant that an argument means: a datetime as it is, a date as its midnight in `tz`.

    With `end_of_day` a date means its last microsecond. Raises `InvalidInput`, naming the argument, for a naive datetime or for
    anything else.

    >>> instant(date(2025, 1, 31), "Asia/Bangkok", "start")
    datetime.datetime(2025, 1, 30, 17, 0, tzinfo=datetime.timezone.utc)
    """
    if isinstance(moment, datetime):
        if moment.utcoffset() is None:
            raise InvalidInput(
                f"{name}={moment} has no time zone; give an aware datetime, or a date for a whole day in tz"
            )
        return _within_calendar(lambda: moment.astimezone(UTC), name, moment)
    if not isinstance(moment, date):
        raise InvalidInput(f"{name}={moment!r} is no point in time; give a date or an aware datetime")
    return _within_calendar(lambda: _midnight(moment, tz, end_of_day=end_of_day), name, moment)


def _midnight(day: date, tz: str, *, end_of_day: bool) -> datetime:
    first = day + timedelta(days=1) if end_of_day else day
    midnight = datetime(first.year, first.month, first.day, tzinfo=zone(tz)).astimezone(UTC)
    return midnight - timedelta(microseconds=1) if end_of_day else midnight


def _within_calendar(convert: Callable[[], datetime], name: str, moment: date) -> datetime:
    try:
        return convert()
    except OverflowError:
        raise InvalidInput(f"{name}={moment} is at an end of the calendar; give a day further inside") from None


def index_of(day: date, every: Every) -> int:
    """Return the index of the period that a day lies in.

    >>> index_of(date(2025, 3, 31), "quarter") == index_of(date(2025, 1, 1), "quarter")
    True
    """
    if every == "day":
        return (day - _EPOCH).days
    if every == "week":
        return ((day - _EPOCH).days + 3) // 7
    months, after_january = MONTHS[every]
    return (day.year * _YEAR + day.month - 1 - after_january) // months


def period_of(index: int, every: Every) -> Period:
    """Return the period that has this index.

    >>> period_of(index_of(date(2025, 3, 31), "quarter"), "quarter")
    Period(start=datetime.date(2025, 1, 1), end=datetime.date(2025, 4, 1), label='2025-Q1')
    """
    start, end = _first_day(index, every), _first_day(index + 1, every)
    return Period(start, end, _label(start, end, every))


def _label(start: date, end: date, every: Every) -> str:
    match every:
        case "day":
            return start.isoformat()
        case "week":
            year, week, _ = start.isocalendar()
            return f"{year}-W{week:02}"
        case "month":
            return start.isoformat()[:7]
        case "quarter":
            return f"{start.year}-Q{start.month // _QUARTER + 1}"
        case "year":
            return str(start.year)
    # Some call a business year by its first and some by its last calendar year, so both ends are said.
    return f"{start.isoformat()[:7]} to {(end - timedelta(days=1)).isoformat()[:7]}"


def _first_day(index: int, every: Every) -> date:
    if every == "day":
        return _EPOCH + timedelta(days=index)
    if every == "week":
        return _EPOCH + timedelta(days=7 * index - 3)
    months, after_january = MONTHS[every]
    year, month = divmod(index * months + after_january, _YEAR)
    return date(year, month + 1, 1)
