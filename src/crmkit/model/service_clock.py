"""The clocks of a service level: what a history says of a ticket from moment to moment, and how a clock runs through it."""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from datetime import datetime, timedelta
from operator import attrgetter
from typing import Literal, Self

import attrs

from crmkit.model.service_time import MICROSECOND, Schedule

ClockName = Literal["first_response", "next_response", "resolution"]
ClockState = Literal["idle", "running", "paused", "done", "stopped"]

_MINUTE = timedelta(minutes=1) // MICROSECOND


@attrs.frozen
class Clock:
    """One promise of a service level as it stands; durations are working time.

    `state` is "running", "paused", "done" (`completed_at` says when), "stopped" (the ticket is resolved or merged, so nobody
    owes anything, but it was not done) or "idle" (it has not begun). `used` is the time for which it ran since `started_at`,
    `paused` the time for which it stood still. `due_at` is the instant at which `used` reaches the target in force, or would if
    the clock ran on without a pause; `remaining` is what is left until then, negative when overdue. Both are None
    without a target. `breached_at` is the first instant at which more was used than the target then in force.
    """

    state: ClockState = "idle"
    started_at: datetime | None = None
    due_at: datetime | None = None
    used: timedelta = timedelta()
    paused: timedelta = timedelta()
    remaining: timedelta | None = None
    completed_at: datetime | None = None
    breached_at: datetime | None = None


@attrs.frozen
class Span:
    """A time in which nothing changes that matters to a service level; `minutes` are the targets of its clocks."""

    start: datetime
    end: datetime
    category: str
    minutes: dict[ClockName, int | None]
    pauses_first_response: bool

    def mode(self, clock: ClockName) -> ClockState:
        """Return whether a clock is "running", "paused" or "stopped" in this span.

        A pause of the ticket pauses the resolution; the customer waits for an answer nevertheless. While a ticket is
        resolved nobody owes anything.
        """
        if self.category == "resolved":
            return "stopped"
        pauses = clock == "resolution" or (clock == "first_response" and self.pauses_first_response)
        return "paused" if self.category == "paused" and pauses else "running"

    def within(self, start: datetime, end: datetime) -> Self:
        """Return the part of the span between two instants, empty where there is none."""
        if start <= self.start and self.end <= end:
            return self
        begin = max(self.start, start)
        return attrs.evolve(self, start=begin, end=max(begin, min(self.end, end)))

    def limit(self, clock: ClockName) -> int | None:
        """Return the target of a clock in microseconds of working time."""
        minutes = self.minutes[clock]
        return None if minutes is None else minutes * _MINUTE


def measure(
    clock: ClockName,
    history: Sequence[Span],
    schedule: Schedule,
    start: datetime,
    end: datetime | None,
    *,
    is_done: bool = True,
) -> Clock:
    """Run a clock from its start through the connected spans of a history: to its end, or through all that is known.

    `is_done` says whether the end is what was promised.
    """
    spans = _cut(history, start, end)
    target = spans[-1].limit(clock)
    used = paused = 0
    due_at = breached_at = None
    for span in spans:
        length, mode = schedule.between(span.start, span.end), span.mode(clock)
        breached_at = breached_at or _breach(span, clock, schedule, used, length)
        if mode != "running":
            paused += length
            continue
        if due_at is None and target is not None and used + length >= target:
            due_at = schedule.after(span.start, target - used)
        used += length
    if due_at is None and target is not None:
        due_at = schedule.after(spans[-1].end, target - used)
    return Clock(
        state=spans[-1].mode(clock) if end is None else "done" if is_done else "stopped",
        started_at=start,
        due_at=due_at,
        used=used * MICROSECOND,
        paused=paused * MICROSECOND,
        remaining=None if target is None else (target - used) * MICROSECOND,
        completed_at=end if is_done else None,
        breached_at=breached_at,
    )


def _breach(span: Span, clock: ClockName, schedule: Schedule, used: int, length: int) -> datetime | None:
    """The first instant of a span at which more is used than its target, where so much was used before it."""
    limit, mode = span.limit(clock), span.mode(clock)
    if limit is None or mode == "stopped":
        return None
    if used > limit:
        return span.start
    if mode == "paused" or used + length <= limit:
        return None
    # One microsecond more than the target lies after any closing time at which the target was used up.
    over = schedule.after(span.start, limit - used + 1)
    return over and over - MICROSECOND


def _cut(spans: Sequence[Span], start: datetime, end: datetime | None) -> list[Span]:
    """The part of connected spans from one instant to another; at least one, which may be empty.

    A span that begins at the end is left out: what changed then came too late to matter. Without an end it is kept, because
    it says what is so by then.
    """
    begin = attrgetter("start")
    first = max(bisect_right(spans, start, key=begin) - 1, 0)
    last = len(spans) if end is None else max(bisect_left(spans, end, key=begin), first + 1)
    return [span.within(start, end or span.end) for span in spans[first:last]]
