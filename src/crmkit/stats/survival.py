"""Survival: how long things last, when some of them are not over yet.

What is not over is censored: it has lasted as long as it has, and nobody knows how long it will. Leaving it out makes
durations too short and counting it as over does too; the estimators here take it for what it is. Durations are whole
numbers, such as days, and come as histograms, so the same small counts give the same curves on any engine.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from itertools import accumulate
from math import exp, log, sqrt

import attrs

from crmkit.errors import InvalidInput
from crmkit.stats.histogram import Histogram
from crmkit.stats.intervals import Interval, quantile_of_normal

_NOTHING = Histogram({})
_ROUNDING = 1e-12
"""How far a product of shares may be from the share that it stands for."""


@attrs.frozen
class Lifetimes:
    """Durations of things by how they ended, and of those that are not over yet.

    `ended` has a histogram for each cause. `entered` holds the ages of those that came under observation late; of them nobody
    would know if they had ended before, so they are at risk only after that age. Lifetimes of disjoint data add up.

    >>> Lifetimes({"won": Histogram({3: 1})}, Histogram({5: 2})).at_risk(4)
    2
    """

    ended: Mapping[str, Histogram]
    open: Histogram = _NOTHING
    entered: Histogram = _NOTHING

    def __add__(self, other: "Lifetimes") -> "Lifetimes":
        """Return the lifetimes of both."""
        causes = [*self.ended, *(cause for cause in other.ended if cause not in self.ended)]
        ended = {cause: self.ended.get(cause, _NOTHING) + other.ended.get(cause, _NOTHING) for cause in causes}
        return Lifetimes(ended, self.open + other.open, self.entered + other.entered)

    @cached_property
    def n(self) -> int:
        """How many there are."""
        return self._lasted.n

    @cached_property
    def n_ended(self) -> int:
        """How many have ended."""
        return sum(each.n for each in self.ended.values())

    @cached_property
    def last(self) -> int | None:
        """The longest duration that was seen; None of nothing."""
        return max((time for time, n in self._lasted.counts.items() if n), default=None)

    def at_risk(self, time: int) -> int:
        """Return how many were there just before a time: all that lasted so long, less those not yet entered."""
        return self._risk(time)

    def reached_by(self, n: int) -> int | None:
        """Return the longest duration that so many have lasted; None where there are fewer.

        >>> Lifetimes({"won": Histogram({3: 1})}, Histogram({5: 2})).reached_by(2)
        5
        """
        longest = sorted(self._lasted.counts, reverse=True)
        lasted = accumulate(self._lasted.counts[time] for time in longest)
        return next((time for time, reached in zip(longest, lasted, strict=True) if reached >= n), None)

    def times(self) -> list[int]:
        """Return the times at which something ended, in order."""
        return sorted({time for each in self.ended.values() for time, n in each.counts.items() if n})

    def ended_at(self, time: int) -> dict[str, int]:
        """Return how many ended at a time, of each cause of which some did."""
        return {cause: each.counts[time] for cause, each in self.ended.items() if each.counts.get(time)}

    def curve(self) -> "Curve":
        """Return how the share that is left falls; raise `InvalidInput` for late entries that belong to other durations."""
        counts = ((time, self.at_risk(time), self.ended_at(time)) for time in self.times())
        return Curve.of(counts, last=self.last)

    @cached_property
    def _lasted(self) -> Histogram:
        return sum(self.ended.values(), start=self.open)

    @cached_property
    def _risk(self) -> Callable[[int], int]:
        lasted, entered = _at_least(self._lasted), _at_least(self.entered)
        return lambda time: lasted(time) - entered(time)


def _at_least(histogram: Histogram) -> Callable[[int], int]:
    values = sorted(histogram.counts)
    below = [0, *accumulate(histogram.counts[value] for value in values)]
    return lambda value: below[-1] - below[bisect_left(values, value)]


@attrs.frozen
class Step:
    """A time at which something ended: of how many, how many by each cause, and the share left before and after.

    `spread` is the sum of d / (n * (n - d)) up to this time, from which Greenwood's variance follows.
    """

    time: int
    at_risk: int
    ended: Mapping[str, int]
    before: float
    after: float
    spread: float

    @property
    def n_ended(self) -> int:
        """How many ended, of all causes."""
        return sum(self.ended.values())

    @property
    def added_spread(self) -> float:
        """What this time adds to the spread; 0 where nothing was left, and nothing is known of what follows."""
        left = self.at_risk - self.n_ended
        return self.n_ended / (self.at_risk * left) if left else 0.0


@attrs.frozen
class Curve:
    """The share of things that last longer than a time, by Kaplan and Meier (1958), and of what the others end.

    `last` is the longest duration that was seen. What happens later is not known, so everything about a later time is None,
    unless nothing was left by then. Of nothing at all, every answer is None.

    >>> curve = Lifetimes({"won": Histogram({1: 2, 4: 1})}, Histogram({2: 1})).curve()
    >>> curve.survival(1), curve.survival(4), curve.median()
    (0.5, 0.0, 2.5)
    """

    steps: tuple[Step, ...]
    last: int | None

    @classmethod
    def of(cls, counts: Iterable[tuple[int, int, Mapping[str, int]]], *, last: int | None) -> "Curve":
        """Return the curve of times, in order, with the number at risk and the numbers that ended by cause."""
        steps: list[Step] = []
        share = 1.0
        spread = 0.0
        for time, at_risk, ended in counts:
            n_ended = sum(ended.values())
            if at_risk < n_ended:
                raise InvalidInput(
                    f"{n_ended} ended at {time} and only {at_risk} were at risk; give entries before the end of each"
                )
            left = at_risk - n_ended
            step = Step(time, at_risk, ended, share, share * left / at_risk, spread)
            spread += step.added_spread
            share = step.after
            steps.append(attrs.evolve(step, spread=spread))
        return cls(tuple(steps), last)

    def survival(self, time: int) -> float | None:
        """Return the share that lasts longer than a time."""
        if not self._is_known(time):
            return None
        step = self._step(time)
        return 1.0 if step is None else step.after

    def variance(self, time: int) -> float | None:
        """Return the variance of that share by Greenwood (1926)."""
        if not self._is_known(time):
            return None
        step = self._step(time)
        return 0.0 if step is None else step.after**2 * step.spread

    def interval(self, time: int, confidence: float) -> Interval | None:
        """Return the interval of that share, which stays within 0 and 1; None where it is 0 or 1.

        It is symmetric for log(-log share), as that of R with conf.type="log-log" and of lifelines.
        """
        step = self._step(time)
        if not self._is_known(time) or step is None:
            return None
        return _log_log(step.after, step.after * sqrt(step.spread), confidence)

    def cumulative_hazard(self, time: int) -> float | None:
        """Return the sum of ended / at risk up to a time, by Nelson (1972) and Aalen (1978)."""
        if not self._is_known(time):
            return None
        return sum(step.n_ended / step.at_risk for step in self._until(time))

    def quantile(self, share: float) -> float | None:
        """Return the time by which a share has ended; None where fewer have.

        Where exactly that share has ended, the middle between this time and the next one counts: without anything censored the
        median is the usual one.
        """
        left = 1 - share
        reached = [step for step in self.steps if step.after <= left + _ROUNDING]
        if not reached:
            return None
        is_level = reached[0].after >= left - _ROUNDING and len(reached) > 1
        return (reached[0].time + reached[1].time) / 2 if is_level else float(reached[0].time)

    def median(self) -> float | None:
        """Return the time by which half have ended; None where fewer have."""
        return self.quantile(0.5)

    def median_interval(self, confidence: float) -> tuple[float | None, float | None]:
        """Return when the lower and when the upper bound of the share reach one half; None for one that never does."""
        low, high = None, None
        for step in self.steps:
            bounds = _log_log(step.after, step.after * sqrt(step.spread), confidence)
            if low is None and (step.after == 0 or (bounds is not None and bounds[0] <= 0.5)):  # noqa: PLR2004 - half
                low = float(step.time)
            if high is None and bounds is not None and bounds[1] <= 0.5:  # noqa: PLR2004
                high = float(step.time)
        return low, high

    def restricted_mean(self, until: int) -> float | None:
        """Return how long things last on average of a span from 0, the area under the curve."""
        return self._restricted(until)[0]

    def restricted_mean_variance(self, until: int) -> float | None:
        """Return the variance of that average as an estimate, which is not the variance of the durations."""
        return self._restricted(until)[1]

    def incidence(self, cause: str, time: int, age: int | None = None) -> float | None:
        """Return the share that ends by a cause up to a time, by Aalen and Johansen (1978); of those older than an `age`, if given.

        Other causes compete: what ended otherwise can no longer end by this one. Shares of all causes and the share that is
        left add up to 1.
        """
        there = self._there(time, age)
        if not there:
            return None
        return sum(step.before * step.ended.get(cause, 0) / step.at_risk for step in self._until(time, age)) / there

    def incidence_variance(self, cause: str, time: int, age: int | None = None) -> float | None:
        """Return the variance of that share, by the delta method; with one cause it is Greenwood's."""
        there, whole = self._there(time, age), self.incidence(cause, time, age)
        if not there or whole is None:
            return None
        reached, total = 0.0, 0.0
        for step in self._until(time, age):
            n, ended, before = step.at_risk, step.ended.get(cause, 0), step.before / there
            reached += before * ended / n
            later = whole - reached
            total += later**2 * step.added_spread
            total += before**2 * ended * (n - ended) / n**3
            total -= 2 * later * before * ended / n**2
        return max(0.0, total)

    def incidence_interval(self, cause: str, time: int, confidence: float) -> Interval | None:
        """Return the interval of that share, symmetric for log(-log share); None where it is 0 or 1."""
        share, variance = self.incidence(cause, time), self.incidence_variance(cause, time)
        return None if share is None or variance is None else _log_log(share, sqrt(variance), confidence)

    def _is_known(self, time: int) -> bool:
        if self.last is None:
            return False
        return time <= self.last or (bool(self.steps) and self.steps[-1].after == 0)

    def _there(self, time: int, age: int | None) -> float | None:
        """The share that is there to end by a time: of all, or of those older than an age; None where that is not known."""
        if not self._is_known(time) or (age is not None and self.last is not None and age >= self.last):
            return None
        return 1.0 if age is None else self.survival(age)

    def _until(self, time: int, age: int | None = None) -> tuple[Step, ...]:
        first = 0 if age is None else self._after(age)
        return self.steps[first : self._after(time)]

    def _after(self, time: int) -> int:
        """The number of steps up to a time."""
        return bisect_left(self.steps, time + 1, key=lambda step: step.time)

    def _step(self, time: int) -> Step | None:
        n_steps = self._after(time)
        return self.steps[n_steps - 1] if n_steps else None

    def _restricted(self, until: int) -> tuple[float | None, float | None]:
        if not self._is_known(until):
            return None, None
        area, total, end = 0.0, 0.0, until
        for step in reversed(self._until(until)):
            area += step.after * (end - step.time)
            total += area**2 * step.added_spread
            end = step.time
        return area + end, total


def _log_log(share: float, deviation: float, confidence: float) -> Interval | None:
    if not 0 < share < 1:
        return None
    reach = quantile_of_normal(confidence) * deviation / (share * -log(share))
    # With very few a bound is too close to 0 for a number to tell.
    return share ** exp(min(reach, _FARTHEST)), share ** exp(-reach)


_FARTHEST = 700.0
"""The largest whole hundred whose exponential is a number."""
