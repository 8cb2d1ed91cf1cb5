"""Points: a ledger of what customers earn and spend in a loyalty scheme or a score."""

import heapq
import math
from collections.abc import Iterable
from datetime import date, datetime, timedelta, tzinfo
from typing import Literal

import attrs

from crmkit.errors import InvalidInput, InvalidRecord
from crmkit.model.records import Record, field, record

PointsKind = Literal["earned", "spent", "expired", "adjusted"]


@record
class PointsEntry(Record):
    """One change of a customer's points; nothing else changes them.

    `points` are positive where earned, negative where spent or expired, and either where adjusted. `key` is for actions
    that count once, such as "first visit": of several entries of a customer with the same key only the earliest counts.
    Entries without one all count. `expires_on` is the first day on which points that were added are worth nothing.
    """

    customer_id: str = field(links="Customer")
    at: datetime
    points: int = field(category="quantitative")
    kind: PointsKind = "earned"
    key: str | None = None
    expires_on: date | None = None
    order_id: str | None = field(default=None, links="Order")

    def __attrs_post_init__(self) -> None:
        """Check the sign; points spent as a positive number would be a present."""
        sign = {"earned": 1, "spent": -1, "expired": -1}.get(self.kind, 0)
        if self.points * sign < 0:
            accepted = "0 or more" if sign > 0 else "0 or less"
            raise InvalidRecord(f"PointsEntry.points: {self.points} cannot be {self.kind}; give {accepted}")


@attrs.frozen
class PointsBalance:
    """The points of a customer at an instant: `total + lapsed` is the sum of the entries that count.

    `total` is what can be spent, negative where too much was. `lapsed` points have expired and no entry says so yet.
    """

    total: int
    lapsed: int


_Lot = tuple[date, datetime, str, int]


def points_balance(entries: Iterable[PointsEntry], as_of: datetime, tz: tzinfo) -> PointsBalance:
    """Return the points of one customer at an instant; `tz` says which day an instant lies in.

    Points that expire first are spent first. What is spent beyond them is taken from the next that are earned. At one
    instant the most points come first. Raises `InvalidInput` for entries of several customers.

    >>> may = datetime(2025, 5, 1, tzinfo=UTC)
    >>> earned = PointsEntry(customer_id="ann", at=may, points=100, expires_on=date(2025, 6, 1))
    >>> points_balance([earned], datetime(2025, 5, 31, tzinfo=UTC), UTC)
    PointsBalance(total=100, lapsed=0)
    >>> points_balance([earned], datetime(2025, 6, 1, tzinfo=UTC), UTC)
    PointsBalance(total=0, lapsed=100)
    """
    lots: list[_Lot] = []
    lapsed = debt = 0
    for entry in counted(entries, as_of):
        lapsed += _expire(lots, entry.at.astimezone(tz).date())
        # An entry that says what expired takes away what has lapsed, not what is left.
        said = min(lapsed, -entry.points) if entry.kind == "expired" else 0
        lapsed -= said
        points = entry.points + said - debt
        if points > 0:
            heapq.heappush(lots, (entry.expires_on or date.max, entry.at, entry.id, points))
        debt = 0 if points > 0 else _spend(lots, -points)
    lapsed += _expire(lots, as_of.astimezone(tz).date())
    return PointsBalance(sum(points for *_, points in lots) - debt, lapsed)


def expiry(entries: Iterable[PointsEntry], as_of: datetime, tz: tzinfo) -> PointsEntry | None:
    """Return the entry that notes what has lapsed by an instant; None for nothing.

    With it in the log, the log adds up to the total. Raises `InvalidInput` for entries of several customers.
    """
    entries = tuple(entries)
    lapsed = points_balance(entries, as_of, tz).lapsed
    if lapsed == 0:
        return None
    return PointsEntry(customer_id=entries[0].customer_id, at=as_of, points=-lapsed, kind="expired")


def decayed_points(entries: Iterable[PointsEntry], as_of: datetime, half_life_days: float) -> float:
    """Return one customer's points at an instant, each entry worth half after every `half_life_days` of 24 hours.

    Nothing is 0.0. Raises `InvalidInput` for entries of several customers or a half-life that is not positive.

    >>> earned = PointsEntry(customer_id="ann", at=datetime(2025, 5, 1, tzinfo=UTC), points=100)
    >>> decayed_points([earned], datetime(2025, 5, 31, tzinfo=UTC), half_life_days=30)
    50.0
    """
    if not half_life_days > 0:
        raise InvalidInput(f"half_life_days={half_life_days} is no time; give more than 0")
    day = timedelta(days=1)
    return math.fsum(
        entry.points * 0.5 ** ((as_of - entry.at) / day / half_life_days) for entry in counted(entries, as_of)
    )


def counted(entries: Iterable[PointsEntry], as_of: datetime) -> tuple[PointsEntry, ...]:
    """Return one customer's entries up to an instant that count, in their order.

    Of those with the same key only the earliest counts. Raises `InvalidInput` for entries of several customers.
    """
    entries = sorted(entries, key=lambda entry: (entry.at, -entry.points, entry.id))
    if len({entry.customer_id for entry in entries}) > 1:
        raise InvalidInput("these points are of several customers; give the entries of one")
    earliest = {entry.key: entry for entry in reversed(entries)}
    return tuple(
        entry for entry in entries if entry.at <= as_of and (entry.key is None or entry is earliest[entry.key])
    )


def _expire(lots: list[_Lot], day: date) -> int:
    """Remove the lots that have expired by a day and return their points."""
    expired = 0
    while lots and lots[0][0] <= day:
        expired += heapq.heappop(lots)[-1]
    return expired


def _spend(lots: list[_Lot], points: int) -> int:
    """Take points from the lots that expire first and return how many were missing."""
    while lots and points:
        expires_on, at, entry_id, left = heapq.heappop(lots)
        if left > points:
            heapq.heappush(lots, (expires_on, at, entry_id, left - points))
        points = max(points - left, 0)
    return points
