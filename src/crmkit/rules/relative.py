"""Time in rules: civil days, and days and periods counted from a moment that is given only when the rule is asked."""

from datetime import UTC, date, datetime, timedelta
from typing import Literal, get_args
from zoneinfo import ZoneInfo

import attrs

from crmkit.errors import InvalidInput, choices

Unit = Literal["day", "week", "month", "quarter", "year"]
"""A kind of civil period. A week begins on Monday."""

MOST_YEARS = 100
"""How far relative time may reach."""

_MONTHS = {"month": 1, "quarter": 3, "year": 12}
_DAYS = {"day": 1, "week": 7, "month": 31, "quarter": 92, "year": 366}
_FIRST_YEAR, _LAST_YEAR = 2, 9998
_LEAP_DAY, _LAST_OF_FEBRUARY = 229, 228

YearDays = tuple[tuple[int, int, date], ...]
"""Parts of years: the first and the last day of each as month * 100 + day, and the first day of its year."""


def _check_day(_: object, attribute: "attrs.Attribute[date]", day: object) -> None:
    if not isinstance(day, date) or isinstance(day, datetime) or not _FIRST_YEAR <= day.year <= _LAST_YEAR:
        raise InvalidInput(f"{attribute.name} is no day of the years {_FIRST_YEAR} to {_LAST_YEAR}; give a date")


@attrs.frozen
class Days:
    """The civil days from `start` up to, not including, `end`, in a time zone; what relative time is once the moment is known.

    Raises `InvalidInput` for what are no such days.

    >>> from crmkit.rules import Days, field
    >>> in_january = field("at") == Days(date(2025, 1, 1), date(2025, 2, 1), "Asia/Bangkok")
    """

    start: date = attrs.field(validator=_check_day)
    end: date = attrs.field(validator=_check_day)
    tz: str = attrs.field(default="UTC", validator=lambda _, __, tz: _check_zone(tz))

    def __attrs_post_init__(self) -> None:
        """Refuse days that end before they begin."""
        if self.end <= self.start:
            raise InvalidInput(f"no day is from {self.start} up to, not including, {self.end}; give a later end")

    @property
    def is_span(self) -> bool:
        """Whether these are several days."""
        return self.end - self.start > timedelta(days=1)

    @property
    def instants(self) -> tuple[datetime, datetime]:
        """The first instant of these days, and the first one after them."""
        return _midnight(self.start, self.tz), _midnight(self.end, self.tz)

    @property
    def year_days(self) -> YearDays:
        """The parts of the years that these days lie in; one that ends on 28 February of a common year has the 29th too."""
        last = self.end - timedelta(days=1)
        return tuple(_part(year, self.start, last) for year in range(self.start.year, last.year + 1))


@attrs.frozen
class Relative:
    """The civil periods from `first` to `last`, counted from the one that the moment lies in: 0 is this one, -1 the one before.

    Without `last` it is one period. Raises `InvalidInput` for what is no period, and for more than 100 years.

    >>> from crmkit.rules import Relative, field
    >>> renews_next_month = field("term_ends_on") == Relative("month", 1)
    """

    every: Unit
    first: int
    last: int = attrs.field(default=attrs.Factory(lambda self: self.first, takes_self=True))

    def __attrs_post_init__(self) -> None:
        """Refuse what is no period."""
        if self.every not in get_args(Unit):
            word = self.every[:80] if isinstance(self.every, str) else type(self.every).__name__
            raise InvalidInput(f"every={word!r} is no civil period; {choices(word, get_args(Unit))}")
        most = MOST_YEARS * _DAYS["year"] // _DAYS[self.every]
        if not all(type(each) is int and abs(each) <= most for each in (self.first, self.last)):
            raise InvalidInput(
                f"relative time is counted in whole numbers from {-most:,} to {most:,} of a {self.every}"
            )
        if self.last < self.first:
            raise InvalidInput(f"there is no {self.every} from {self.first} to {self.last}; give the earlier one first")

    @property
    def is_span(self) -> bool:
        """Whether these are several periods."""
        return self.first != self.last

    def days(self, today: date, tz: str) -> Days:
        """Return the days that these are on a day in a time zone; raise `InvalidInput` at an end of the calendar."""
        try:
            return Days(_start(today, self.every, self.first), _start(today, self.every, self.last + 1), tz)
        except (OverflowError, ValueError):
            raise InvalidInput(f"as_of is at an end of the calendar; give one further inside than {today}") from None


def days_ago(n: int) -> Relative:
    """Return the day that is `n` days before the one of the moment; 0 is that day itself.

    >>> from crmkit.rules import days_ago, field
    >>> is_silent = field("orders.last_at") < days_ago(90)
    """
    return Relative("day", -_count(n))


def days_ahead(n: int) -> Relative:
    """Return the day that is `n` days after the one of the moment."""
    return Relative("day", _count(n))


def last_days(n: int) -> Relative:
    """Return the days from `days_ago(n)` to the day of the moment: all that are not before `days_ago(n)`, nor in the future."""
    return Relative("day", -_count(n), 0)


def next_days(n: int) -> Relative:
    """Return the days from that of the moment to `days_ahead(n)`.

    >>> from crmkit.rules import field, next_days
    >>> has_birthday_soon = field("birth_on").has_anniversary(next_days(14))
    """
    return Relative("day", 0, _count(n))


def this_week() -> Relative:
    """Return the week of the moment, from Monday."""
    return Relative("week", 0)


def last_week() -> Relative:
    """Return the week before that of the moment."""
    return Relative("week", -1)


def this_month() -> Relative:
    """Return the whole month of the moment, the days after it included.

    >>> from crmkit.rules import field, this_month
    >>> closes_soon = field("expected_close_on") == this_month()
    """
    return Relative("month", 0)


def last_month() -> Relative:
    """Return the month before that of the moment."""
    return Relative("month", -1)


def this_quarter() -> Relative:
    """Return the quarter of the moment."""
    return Relative("quarter", 0)


def last_quarter() -> Relative:
    """Return the quarter before that of the moment."""
    return Relative("quarter", -1)


def this_year() -> Relative:
    """Return the year of the moment."""
    return Relative("year", 0)


def last_year() -> Relative:
    """Return the year before that of the moment."""
    return Relative("year", -1)


def moment_of(as_of: date | datetime, tz: str) -> tuple[date, datetime]:
    """Return the civil day of a moment in a time zone, and its instant in UTC; a day is its last microsecond.

    Raises `InvalidInput` for what is no moment, and for an unknown zone.
    """
    zone = _zone(tz)
    if not isinstance(as_of, datetime):
        _check_moment(isinstance(as_of, date), as_of)
        return as_of, Days(as_of, as_of + timedelta(days=1), tz).instants[1] - timedelta(microseconds=1)
    _check_moment(as_of.utcoffset() is not None, as_of)
    try:
        return as_of.astimezone(zone).date(), as_of.astimezone(UTC)
    except OverflowError:
        raise InvalidInput(f"as_of={as_of} is at an end of the calendar; give one further inside") from None


def _check_moment(is_moment: bool, as_of: object) -> None:  # noqa: FBT001 - the two belong together
    if not is_moment:
        raise InvalidInput(f"as_of={as_of!r} is no moment; give a date or a datetime with a time zone")


def _count(n: object) -> int:
    if type(n) is not int or n < 0:
        raise InvalidInput(f"{n!r} is no number of days; give a whole number from 0")
    return n


def _zone(tz: str) -> ZoneInfo:
    try:
        return ZoneInfo(tz)
    except (LookupError, TypeError, ValueError, OSError):
        word = tz[:80] if isinstance(tz, str) else type(tz).__name__
        raise InvalidInput(f"tz={word!r} is not a time zone; give an IANA name such as 'Asia/Bangkok'") from None


def _check_zone(tz: str) -> None:
    _zone(tz)


def _midnight(day: date, tz: str) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=_zone(tz)).astimezone(UTC)


def _start(today: date, every: Unit, number: int) -> date:
    """The first day of the period that lies `number` periods after the one of a day."""
    if every == "day":
        return today + timedelta(days=number)
    if every == "week":
        return today + timedelta(days=7 * number - today.weekday())
    months = _MONTHS[every]
    index = (today.year * 12 + today.month - 1) // months + number
    year, month = divmod(index * months, 12)
    return date(year, month + 1, 1)


def _part(year: int, first: date, last: date) -> tuple[int, int, date]:
    """What days have of a year."""
    new_year = date(year, 1, 1)
    low, high = max(first, new_year), min(last, date(year, 12, 31))
    end = high.month * 100 + high.day
    is_common = date(year, 3, 1) - new_year == timedelta(days=59)
    return low.month * 100 + low.day, _LEAP_DAY if is_common and end == _LAST_OF_FEBRUARY else end, new_year
