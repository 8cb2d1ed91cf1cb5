"""What every part of the sample draws from: chance, and the working calendar of the year.

Only arithmetic that every platform does alike is used. Logarithms and the like may differ in the last digit.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import accumulate
from random import Random
from typing import TypeVar
from zoneinfo import ZoneInfo

import attrs

TZ = "Europe/Warsaw"
_ZONE = ZoneInfo(TZ)
_OPENS = 8
_SECONDS_A_DAY = 10 * 3600
_SATURDAY = 5
_HOLIDAYS = {(1, 1), (1, 6), (5, 1), (5, 3), (8, 15), (11, 1), (11, 11), (12, 25), (12, 26)}
_YEARS_BEFORE, _YEARS_AFTER = 5, 2
_T = TypeVar("_T")

WORKING_DAYS = (1.1, 1.1, 1.0, 1.0, 0.8, 0.0, 0.0)
"""Weights of the days from Monday to Sunday for what happens while people work."""


@attrs.frozen(eq=False)
class Season:
    """Days and the sums of their weights: how likely something begins on which of them."""

    days: Sequence[date]
    sums: Sequence[float]


@attrs.frozen(eq=False)
class Draw:
    """The chance and the calendar of the year of one sample.

    `start` is the first instant of the year, `end` the last second. `days`, and the `workdays` among them, reach from the years
    before the year, when customers joined, to years after it. What would happen after `end` is not known yet, and callers
    leave it out.
    """

    random: Random
    year: int
    start: datetime
    end: datetime
    days: Sequence[date]
    workdays: Sequence[date]

    def chance(self, share: float) -> bool:
        """Return True in this share of the cases."""
        return self.random.random() < share

    def pick(self, choices: Sequence[_T]) -> _T:
        """Return one of several things that are equally likely."""
        return self.random.choice(choices)

    def weighed(self, choices: Mapping[_T, int]) -> _T:
        """Return one of several things by their weights."""
        return self.random.choices(list(choices), list(choices.values()))[0]

    def count(self, expected: float) -> int:
        """Return a whole number that is `expected` on average."""
        return int(expected + self.random.random())

    def skewed(self, typical: float) -> float:
        """Return a positive number that is often near `typical` and sometimes several times as large.

        A product of independent factors tends to the log-normal distribution, without a logarithm.
        """
        for _ in range(4):
            typical *= self.random.uniform(0.5, 1.6)
        return typical

    def years(self, since: datetime, until: datetime) -> float:
        """Return how many years lie between two instants."""
        return (until - since) / (self.end - self.start)

    def moment(self, day: date) -> datetime:
        """Return an instant in the working hours of a day."""
        return _opening(day) + timedelta(seconds=self.random.randrange(_SECONDS_A_DAY))

    def moments(self, season: Season, count: int, since: datetime, until: datetime) -> list[datetime]:
        """Return so many instants in order on days of a season, after the day of `since` and up to the day of `until`.

        There are none where no such day has a weight.
        """
        first, last = (bisect_right(season.days, _day(at)) - 1 for at in (since, until))
        low, high = season.sums[first], season.sums[last]
        if low >= high:
            return []
        places = (bisect_right(season.sums, self.random.uniform(low, high)) for _ in range(count))
        return sorted(self.moment(season.days[min(place, last)]) for place in places)

    def later(self, at: datetime, hours: float) -> datetime:
        """Return the instant after so many working hours, of which a day has ten."""
        local = at.astimezone(_ZONE)
        since_opening = (local.hour - _OPENS) * 3600 + local.minute * 60 + local.second
        days, seconds = divmod(since_opening + round(hours * 3600), _SECONDS_A_DAY)
        place = min(bisect_left(self.workdays, local.date()) + days, len(self.workdays) - 1)
        return _opening(self.workdays[place]) + timedelta(seconds=seconds)

    def season(self, months: Sequence[float], weekdays: Sequence[float] = WORKING_DAYS) -> Season:
        """Return the season with these weights of months from January and of weekdays from Monday; holidays have none."""
        weights = (0.0 if _is_holiday(day) else months[day.month - 1] * weekdays[day.weekday()] for day in self.days)
        return Season(self.days, list(accumulate(weights)))


def draw_of(seed: int, year: int) -> Draw:
    """Return the chance and the calendar of a year."""
    # Seeded with text, because Random(-1) is Random(1).
    chance = Random(f"crmkit {seed}")  # noqa: S311 - a sample must be repeatable, not secret
    start, end = (datetime(each, 1, 1, tzinfo=_ZONE).astimezone(UTC) for each in (year, year + 1))
    first = date(year - _YEARS_BEFORE, 1, 1)
    days = [first + timedelta(days=number) for number in range(365 * (_YEARS_BEFORE + 1 + _YEARS_AFTER))]
    workdays = [day for day in days if day.weekday() < _SATURDAY and not _is_holiday(day)]
    return Draw(chance, year, start, end - timedelta(seconds=1), days, workdays)


def _opening(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, _OPENS, tzinfo=_ZONE).astimezone(UTC)


def _day(at: datetime) -> date:
    return at.astimezone(_ZONE).date()


def _is_holiday(day: date) -> bool:
    return (day.month, day.day) in _HOLIDAYS
