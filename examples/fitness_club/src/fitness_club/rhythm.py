"""How often a member comes, against how often the same member usually came.

A member is compared with nobody but themselves. Only days count on which the member could come: the membership was not frozen, and
the turnstile saw anybody at all, so a closed month or a turnstile that failed makes nobody fade. What the whole club does, such as a
quiet August, is taken out of it too.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from zoneinfo import ZoneInfo

import attrs
import polars as pl

from crmkit.frames import from_records
from crmkit.model import Transition
from fitness_club.model import Membership, Visit

Span = tuple[date, date]
"""From a day up to, not including, another."""


@attrs.frozen(kw_only=True)
class Thresholds:
    """Where the club draws its lines, in civil days and visits.

    A visit rhythm needs time: `usual_days` before the `recent_days` say what is usual, and who is expected fewer than
    `fewest_expected` times in the recent days is not judged, because missing two of three visits is chance.
    """

    adaptation_days: int = 60
    renewal_days: int = 60
    renewed_days: int = 30
    won_back_days: int = 60
    shortest_renewable_months: int = 3
    fading_share: float = 0.5
    recent_days: int = 42
    usual_days: int = 126
    fewest_expected: float = 4.0


@attrs.frozen(kw_only=True)
class Rhythm:
    """The visits of a member in the recent days, and how many were to be expected by the rhythm of the days before."""

    visits: int
    expected: float

    @property
    def share(self) -> float:
        """Recent visits by expected ones."""
        return self.visits / self.expected


def visit_days(visits: Iterable[Visit] | pl.DataFrame, tz: str, *, until: date = date.max) -> dict[str, list[date]]:
    """Return the civil days of each member's visits up to a day, in order; two visits of a day are one, one given back is none."""
    table = visits if isinstance(visits, pl.DataFrame) else from_records(visits, Visit)
    undone = table.get_column("reversal_of_id").drop_nulls().to_list()
    kept = table.filter(pl.col("reversal_of_id").is_null() & ~pl.col("id").is_in(undone))
    days = kept.select("customer_id", day=pl.col("at").dt.convert_time_zone(tz).dt.date()).unique()
    rows = days.filter(pl.col("day") <= until).sort("day").group_by("customer_id").agg("day").rows()
    return dict(sorted(rows))


def breaks(memberships: Iterable[Membership], transitions: Iterable[Transition], tz: str) -> dict[str, list[Span]]:
    """Return when each member was on a break, by the transitions of the memberships; one that goes on ends nowhere."""
    zone, begun, found = ZoneInfo(tz), dict[str, date](), defaultdict[str, list[Span]](list)
    covered = {each.id: each.covered_ids for each in memberships}
    moves = (each for each in transitions if each.field == "status" and each.subject_id in covered)
    for move in sorted(moves, key=lambda each: (each.at, each.id)):
        day = move.at.astimezone(zone).date()
        if move.category_after == "frozen":
            begun[move.subject_id] = day
        elif move.category_before == "frozen":
            span = (begun.pop(move.subject_id, day), day)
            for member in covered[move.subject_id]:
                found[member].append(span)
    for membership_id, day in begun.items():
        for member in covered[membership_id]:
            found[member].append((day, date.max))
    return dict(found)


def rhythms(
    days: Mapping[str, Sequence[date]],
    since: Mapping[str, date],
    away: Mapping[str, Sequence[Span]],
    day: date,
    thresholds: Thresholds | None = None,
) -> dict[str, Rhythm]:
    """Return the rhythm of each member who has one.

    The rhythm of a member is their visits by the days on which they could come, in the `usual_days` before the recent ones. What is
    expected of the recent days is that rhythm, by the days on which they could come, and by how the club as a whole did where that
    was worse.

    Args:
        days: the days of each member's visits, as `visit_days` returns them; they also say when the club was open.
        since: the day from which each member could come; who is not in it is not judged.
        away: when each could not.
        day: the last of the recent days. What was later has not happened.
        thresholds: the club's lines.

    Returns:
        Rhythms by member; nothing for members who came too seldom to be judged.

    >>> mondays = [date(2025, 1, 6) + timedelta(weeks=week) for week in range(24)]
    >>> days = {"ann": mondays[:18], "club": [date(2025, 1, 1) + timedelta(days=n) for n in range(168)]}
    >>> rhythms(days, dict.fromkeys(days, date(2025, 1, 1)), {}, date(2025, 6, 17))["ann"]
    Rhythm(visits=0, expected=5.25)
    """
    lines = thresholds or Thresholds()
    first = day - timedelta(days=lines.recent_days - 1)
    begin = first - timedelta(days=lines.usual_days)
    is_open = sorted({each for its in days.values() for each in its if begin <= each <= day})
    rates, recent = dict[str, float](), dict[str, tuple[int, int]]()
    for member, start in since.items():
        its, apart = days.get(member, ()), away.get(member, ())
        could = _count(is_open, max(begin, start), first, apart)
        could_lately = _count(is_open, max(first, start), day + timedelta(days=1), apart)
        if could and could_lately:
            rates[member] = _count(its, max(begin, start), first, ()) / could
            recent[member] = (_count(its, max(first, start), day + timedelta(days=1), ()), could_lately)
    usual = sum(rates[member] * could for member, (_, could) in recent.items())
    tide = min(1.0, sum(visits for visits, _ in recent.values()) / usual) if usual else 1.0
    found = {
        member: Rhythm(visits=visits, expected=rates[member] * could * tide)
        for member, (visits, could) in recent.items()
        if rates[member]
    }
    return {member: each for member, each in found.items() if each.expected >= lines.fewest_expected}


def _count(days: Sequence[date], start: date, end: date, apart: Sequence[Span]) -> int:
    """How many of ordered days lie in a span and in none of those apart."""
    inside = days[bisect_left(days, start) : bisect_left(days, end)]
    return sum(1 for each in inside if not any(begun <= each < ended for begun, ended in apart))
