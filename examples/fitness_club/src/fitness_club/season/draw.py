"""Chance and the calendar of the season: the same seed, the same club."""

from datetime import UTC, date, datetime, time, timedelta
from random import Random
from zoneinfo import ZoneInfo

import attrs

from fitness_club.club import TZ

BEGIN, END = date(2023, 10, 1), date(2025, 10, 1)
"""The two years of the season, up to, not including, the second day."""

CLOSED = (date(2024, 8, 1), date(2024, 9, 1))
"""The month in which the club was rebuilt."""

OUTAGES = (date(2024, 3, 12), date(2025, 2, 4), date(2025, 8, 19), date(2025, 9, 9))
"""Days on which the turnstile recorded nobody."""

MONTHS = (1.0, 0.98, 0.97, 0.95, 0.93, 0.88, 0.8, 0.82, 0.95, 1.0, 0.98, 0.85)
"""How likely a member comes on a usual day, by month."""

_HOLIDAYS = frozenset({(1, 1), (1, 6), (5, 1), (5, 3), (8, 15), (11, 1), (11, 11), (12, 24), (12, 25), (12, 26)})
_ZONE = ZoneInfo(TZ)


@attrs.frozen
class Draw:
    """Where all chance of one season comes from."""

    random: Random

    def happens(self, share: float) -> bool:
        """Return True so often."""
        return self.random.random() < share

    def day(self, start: date, end: date) -> date:
        """Return a day from one up to, not including, another."""
        return start + timedelta(days=self.random.randrange(max((end - start).days, 1)))

    def working(self, day: date, first: int = 9, last: int = 19) -> datetime:
        """Return an instant of a day between two full hours."""
        return at(day, first) + timedelta(seconds=self.random.randrange((last - first) * 3600))


def draw_of(seed: int, part: str) -> Draw:
    """Return the chance of a part of the season, so that one part more leaves the others as they are."""
    return Draw(Random(f"fitness club {seed} {part}"))  # noqa: S311 - a sample must be repeatable, not secret


def at(day: date, hour: int, minute: int = 0) -> datetime:
    """Return the instant of a time of day on the club's clocks."""
    return datetime.combine(day, time(hour, minute), _ZONE).astimezone(UTC)


def civil_day(moment: datetime) -> date:
    """Return the day of an instant on the club's calendar."""
    return moment.astimezone(_ZONE).date()


def is_open(day: date) -> bool:
    """Return whether the club opens on a day."""
    return (day.month, day.day) not in _HOLIDAYS and not CLOSED[0] <= day < CLOSED[1]
