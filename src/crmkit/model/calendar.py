"""Business calendars: when a business works, and how much of it lies between two instants."""

import re
from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from functools import cached_property
from itertools import pairwise
from zoneinfo import ZoneInfo

from crmkit.errors import InvalidInput, InvalidRecord, MissingExtra
from crmkit.model.records import Record, Value, field, record, value
from crmkit.model.service_time import MICROSECOND, Ranges, Schedule, in_utc

_MINUTE = timedelta(minutes=1) // MICROSECOND
_TIME = re.compile("(?:[01][0-9]|2[0-3]):[0-5][0-9]|24:00")
_LAST_WEEKDAY = 6


@value
class TimeRange(Value):
    """A part of a day by the clock on the wall, from "09:00" up to, not including, "17:30"; the day ends at "24:00"."""

    opens: str
    closes: str

    def __attrs_post_init__(self) -> None:
        """Check that both are times of day and that the range closes after it opens."""
        _check_range("TimeRange", self.opens, self.closes)


@value
class Hours(Value):
    """Working hours on a weekday: 0 is Monday and 6 Sunday. A weekday may have several.

    >>> Hours(0, "09:00", "12:30")
    Hours(weekday=0, opens='09:00', closes='12:30')
    """

    weekday: int
    opens: str
    closes: str

    def __attrs_post_init__(self) -> None:
        """Check the weekday and the times of day."""
        if not 0 <= self.weekday <= _LAST_WEEKDAY:
            raise InvalidRecord(f"Hours.weekday: {self.weekday} is no weekday; give 0 for Monday to 6 for Sunday")
        _check_range("Hours", self.opens, self.closes)


@value
class SpecialDay(Value):
    """A day with hours of its own instead of its weekday's: none for a holiday, some for a short or an added working day.

    >>> SpecialDay(date(2025, 12, 24), [TimeRange("09:00", "13:00")], "Christmas Eve").hours[0].closes
    '13:00'
    """

    on: date
    hours: Sequence[TimeRange] = field(default=())
    name: str | None = None

    def __attrs_post_init__(self) -> None:
        """Check that no two ranges overlap."""
        _check_apart("SpecialDay.hours", self.hours)


@record
class BusinessCalendar(Record):
    """When a business works, in the IANA time zone `tz`: hours of the week, and days that differ from them.

    An instant is working time if the clock on the wall then shows a time within the hours of its day. An hour that the clock
    skips is therefore no working time, and one that it repeats counts twice.

    >>> BusinessCalendar(tz="Europe/Warsaw", hours=[Hours(0, "09:00", "12:00"), Hours(0, "13:00", "17:00")]).tz
    'Europe/Warsaw'
    """

    tz: str
    hours: Sequence[Hours] = field(default=())
    special_days: Sequence[SpecialDay] = field(default=())
    name: str | None = None

    def __attrs_post_init__(self) -> None:
        """Check that no two hours of a weekday overlap and that no day is special twice."""
        for weekday in range(_LAST_WEEKDAY + 1):
            _check_apart("BusinessCalendar.hours", [each for each in self.hours if each.weekday == weekday])
        days = [special.on for special in self.special_days]
        if len(set(days)) < len(days):
            twice = next(day for day in days if days.count(day) > 1)
            raise InvalidRecord(
                f"BusinessCalendar.special_days: {twice} stands there twice; give one with all its hours"
            )

    @cached_property
    def schedule(self) -> Schedule:
        """The sums from which working time is computed; raises `InvalidInput` for an unknown time zone."""
        weekdays = [_ranges([each for each in self.hours if each.weekday == day]) for day in range(_LAST_WEEKDAY + 1)]
        special = {special.on.toordinal() - 1: _ranges(special.hours) for special in self.special_days}
        return Schedule.make(_zone(self.tz), weekdays, special)


def always_open(tz: str = "UTC") -> BusinessCalendar:
    """Return a calendar in which all time is working time.

    >>> working_time(always_open(), datetime(2025, 5, 1, tzinfo=UTC), datetime(2025, 5, 2, tzinfo=UTC))
    datetime.timedelta(days=1)
    """
    return BusinessCalendar(tz=tz, hours=[Hours(day, "00:00", "24:00") for day in range(_LAST_WEEKDAY + 1)])


def holiday_calendar(
    calendar: BusinessCalendar, country: str, years: Iterable[int], *, subdivision: str | None = None
) -> BusinessCalendar:
    """Return a calendar with the public holidays of a country, in its own language, as days without hours.

    Special days that the calendar has already stay as they are.

    Args:
        calendar: the calendar to extend.
        country: its ISO 3166-1 code, such as "PL".
        years: the years whose holidays are added.
        subdivision: the ISO 3166-2 code of a part of the country, without the country: "BY" for Bavaria.

    Raises:
        MissingExtra: without the package `holidays`.
        InvalidInput: for a country or a part of it that the package does not know.

    >>> warsaw = BusinessCalendar(tz="Europe/Warsaw", hours=[Hours(0, "09:00", "17:00")])
    >>> holiday_calendar(warsaw, "PL", [2025]).special_days[0].name
    'Nowy Rok'
    """
    try:
        from holidays import country_holidays  # noqa: PLC0415 - an extra, needed here only
    except ImportError:
        raise MissingExtra("public holidays need the package holidays: pip install 'crmkit[holidays]'") from None
    try:
        # Without a language, the package would take one from the environment of the process.
        language = country_holidays(country, subdiv=subdivision).default_language
        found = country_holidays(country, subdiv=subdivision, years=years, language=language)
    except NotImplementedError as error:
        raise InvalidInput(
            f"country={country!r}, subdivision={subdivision!r}: no holidays are known; {error}"
        ) from None
    known = {special.on for special in calendar.special_days}
    added = [SpecialDay(day, name=name) for day, name in sorted(found.items()) if day not in known]
    return calendar.replace(special_days=[*calendar.special_days, *added])


def working_time(calendar: BusinessCalendar, start: datetime, end: datetime) -> timedelta:
    """Return how much working time lies between two instants, negative where `end` comes first.

    The cost grows with the changes of the clock between them, not with the days. Raises `InvalidInput` for a datetime without
    a time zone and for a calendar whose time zone is unknown.

    >>> office = BusinessCalendar(tz="UTC", hours=[Hours(4, "09:00", "17:00"), Hours(0, "09:00", "17:00")])
    >>> working_time(office, datetime(2025, 5, 2, 16, tzinfo=UTC), datetime(2025, 5, 5, 10, tzinfo=UTC))
    datetime.timedelta(seconds=7200)
    """
    return calendar.schedule.between(in_utc(start), in_utc(end)) * MICROSECOND


def add_working_time(calendar: BusinessCalendar, start: datetime, duration: timedelta) -> datetime | None:
    """Return the first instant, in UTC, at which so much working time has passed since `start`.

    No duration gives `start` itself. None means that the calendar has not so much working time left before the year 9999.
    Raises `InvalidInput` for a negative duration and where `working_time` does.

    >>> office = BusinessCalendar(tz="UTC", hours=[Hours(4, "09:00", "17:00"), Hours(0, "09:00", "17:00")])
    >>> add_working_time(office, datetime(2025, 5, 2, 16, tzinfo=UTC), timedelta(hours=2))
    datetime.datetime(2025, 5, 5, 10, 0, tzinfo=datetime.timezone.utc)
    """
    if duration < timedelta():
        raise InvalidInput(f"duration={duration} is negative; give working time to add")
    return calendar.schedule.after(in_utc(start), duration // MICROSECOND)


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (LookupError, ValueError, OSError):
        raise InvalidInput(f"tz={name!r} is not a time zone; give an IANA name such as 'Asia/Bangkok'") from None


def _ranges(hours: Iterable[Hours | TimeRange]) -> Ranges:
    return sorted((_minutes(each.opens) * _MINUTE, _minutes(each.closes) * _MINUTE) for each in hours)


def _minutes(time: str) -> int:
    hour, minute = time.split(":")
    return 60 * int(hour) + int(minute)


def _check_range(where: str, opens: str, closes: str) -> None:
    for name, time in (("opens", opens), ("closes", closes)):
        if not _TIME.fullmatch(time):
            raise InvalidRecord(f"{where}.{name}: {time!r} is no time of day; give '09:00', or '24:00' for its end")
    if opens >= closes:
        raise InvalidRecord(
            f"{where}.closes: {closes!r} is not after {opens!r}; give hours past midnight to the next day"
        )


def _check_apart(where: str, hours: Iterable[Hours | TimeRange]) -> None:
    for first, second in pairwise(sorted(hours, key=lambda each: each.opens)):
        if second.opens < first.closes:
            raise InvalidRecord(f"{where}: {second} overlaps {first}; give ranges that do not")
