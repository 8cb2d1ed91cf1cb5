"""Working time as a function that only grows: how much of it lies before an instant, and when so much of it has passed.

Everything is in whole microseconds since the beginning of year 1. The weekly hours are a closed form on the clock on the
wall; special days correct it by sums made once, and each change of a zone's clock by one number. So the cost grows with the
changes of the clock between two instants, never with the days.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import accumulate, pairwise
from typing import Self
from zoneinfo import ZoneInfo

import attrs

from crmkit.errors import InvalidInput

MICROSECOND = timedelta(microseconds=1)
_SECOND = timedelta(seconds=1)
_DAY = timedelta(days=1) // MICROSECOND
_BEGINNING = datetime.min.replace(tzinfo=UTC)
# Before the first one no zone of tzdata changes its clock; after the last one a year has no end that a datetime could hold.
_FIRST_YEAR, _LAST_YEAR = 1800, 9998
_END = (datetime(_LAST_YEAR + 1, 1, 1, tzinfo=UTC) - _BEGINNING) // MICROSECOND
# No zone in tzdata has two changes of its offset closer to each other than 3.98 days.
_PROBE = timedelta(days=3)

Ranges = Sequence[tuple[int, int]]
"""Hours of one day: from and to, in microseconds since midnight, in order."""


def in_utc(moment: datetime) -> datetime:
    """Return an instant in UTC; raise `InvalidInput` for a datetime without a time zone."""
    if moment.utcoffset() is None:
        raise InvalidInput(f"{moment} has no time zone; give an aware datetime")
    return moment.astimezone(UTC)


@attrs.frozen(eq=False)
class Schedule:
    """The hours of a week and of special days, counted in days since 0001-01-01, a Monday.

    `_jumps` is filled year by year as they are asked for.
    """

    zone: ZoneInfo
    _weekdays: Sequence[Ranges]
    _week: Sequence[int]
    _special_days: Sequence[int]
    _special_ranges: Sequence[Ranges]
    _special_excess: Sequence[int]
    _jumps: dict[int, tuple[tuple[int, int], ...]] = attrs.field(factory=dict, init=False)

    @classmethod
    def make(cls, zone: ZoneInfo, weekdays: Sequence[Ranges], special: Mapping[int, Ranges]) -> Self:
        """Sum up what each weekday, and each special day beyond its weekday, brings."""
        days = sorted(special)
        excess = [_total(special[day]) - _total(weekdays[day % 7]) for day in days]
        return cls(
            zone,
            weekdays,
            list(accumulate(map(_total, weekdays), initial=0)),
            days,
            [special[day] for day in days],
            list(accumulate(excess, initial=0)),
        )

    def between(self, start: datetime, end: datetime) -> int:
        """Return the working time from one instant up to another one, negative where that comes first."""
        if end < start:
            return -self.between(end, start)
        first, last = _moment(start), _moment(end)
        total = self._before(self._wall(end)) - self._before(self._wall(start))
        for year in range(start.year, end.year + 1):
            total += sum(jump for at, jump in self._jumps_of(year) if first < at <= last)
        return total

    def after(self, start: datetime, amount: int) -> datetime | None:
        """Return the first instant at which so much working time has passed since `start`, None where there is none."""
        if amount == 0:
            return start
        # Changes of the clock add less than a year until the end, so this only spares a search that cannot succeed.
        if amount > self._before(_END) - self._before(self._wall(start)) + 366 * _DAY:
            return None
        for begin, end, offset in self._stretches(start):
            level = self._before(begin + offset) + amount
            if self._before(end + offset) >= level:
                return _BEGINNING + (self._reached(level, begin + offset, end + offset) - offset) * MICROSECOND
            amount = level - self._before(end + offset)
        return None

    def _before(self, wall: int) -> int:
        """The working time before the clock on the wall shows this, as if it had never been changed."""
        day, time = divmod(wall, _DAY)
        return self._before_day(day) + sum(
            min(time, closes) - opens for opens, closes in self._ranges(day) if opens < time
        )

    def _before_day(self, day: int) -> int:
        weeks, weekday = divmod(day, 7)
        return weeks * self._week[7] + self._week[weekday] + self._special_excess[bisect_left(self._special_days, day)]

    def _ranges(self, day: int) -> Ranges:
        index = bisect_left(self._special_days, day)
        is_special = index < len(self._special_days) and self._special_days[index] == day
        return self._special_ranges[index] if is_special else self._weekdays[day % 7]

    def _reached(self, level: int, begin: int, end: int) -> int:
        """The first moment on the wall, between two, before which so much working time lies."""
        days = range(begin // _DAY, end // _DAY + 1)
        day = days[bisect_left(days, level, key=lambda day: self._before_day(day + 1))]
        ranges = self._ranges(day)
        passed = list(accumulate(closes - opens for opens, closes in ranges))
        left = level - self._before_day(day)
        index = bisect_left(passed, left)
        return day * _DAY + ranges[index][1] - (passed[index] - left)

    def _wall(self, instant: datetime) -> int:
        try:
            local = instant.astimezone(self.zone)
        except OverflowError:
            raise InvalidInput(f"{instant} is not between the years 1 and 9999 in {self.zone.key}") from None
        return _moment(local.replace(tzinfo=UTC))

    def _jumps_of(self, year: int) -> tuple[tuple[int, int], ...]:
        """The changes of the clock in a year, each with the working time by which `_before` is wrong from then on."""
        if year not in self._jumps:
            jumps = [
                (at, self._before(at + before) - self._before(at + after))
                for at, before, after in _offset_changes(self.zone, year)
            ]
            self._jumps[year] = tuple((at, jump) for at, jump in jumps if jump)
        return self._jumps[year]

    def _stretches(self, start: datetime) -> Iterator[tuple[int, int, int]]:
        """Begin, end and offset from UTC of stretches without a change of the clock, one after the other.

        They end with the last working time.
        """
        begin = _moment(start)
        offset = self._wall(start) - begin
        last_day = self._special_days[-1] if self._special_days else -1
        for year in range(start.year, _LAST_YEAR + 1):
            for at, before, after in _offset_changes(self.zone, year):
                if at > begin:
                    yield begin, at, before
                    begin, offset = at, after
            if not self._week[7] and begin // _DAY > last_day + 1:
                return
            end = _moment(datetime(year + 1, 1, 1, tzinfo=UTC))
            yield begin, end, offset
            begin = end


def _total(ranges: Ranges) -> int:
    return sum(closes - opens for opens, closes in ranges)


def _moment(instant: datetime) -> int:
    return (instant - _BEGINNING) // MICROSECOND


@lru_cache(maxsize=1000)
def _offset_changes(zone: ZoneInfo, year: int) -> tuple[tuple[int, int, int], ...]:
    """When the clock of a zone is changed in a year, and its offset from UTC before and after."""
    if not _FIRST_YEAR <= year <= _LAST_YEAR:
        return ()

    start = datetime(year, 1, 1, tzinfo=UTC)
    last = (datetime(year + 1, 1, 1, tzinfo=UTC) - start) // _SECOND - 1

    def offset(second: int) -> int:
        instant = start + timedelta(seconds=second)
        return _moment(instant.astimezone(zone).replace(tzinfo=UTC)) - _moment(instant)

    probes = [*range(-1, last, _PROBE // _SECOND), last]
    found = [(a, b) for a, b in pairwise(probes) if offset(a) != offset(b)]
    return tuple(
        (_moment(start) + _change(offset, a, b) * _SECOND // MICROSECOND, offset(a), offset(b)) for a, b in found
    )


def _change(offset: Callable[[int], int], first: int, last: int) -> int:
    """The first second after `first` with another offset; `last` has one."""
    before = offset(first)
    return first + bisect_left(range(first, last), True, key=lambda second: offset(second) != before)
