"""A histogram of whole numbers: the counts from which medians and percentiles follow, on any engine."""

from bisect import bisect_right
from collections import Counter
from collections.abc import Mapping
from functools import cached_property
from itertools import accumulate
from math import ceil, floor, sqrt
from typing import Self

import attrs

from crmkit.stats.intervals import Interval, quantile_of_normal


@attrs.frozen
class Histogram:
    """How often each whole number occurs. Histograms of disjoint data add up to the histogram of all of it.

    >>> Histogram({1: 2, 4: 2}) + Histogram({4: 1})
    Histogram(counts={1: 2, 4: 3})
    """

    counts: Mapping[int, int]

    def __add__(self, other: Self) -> Self:
        """Return the histogram of both."""
        return type(self)(dict(Counter(self.counts) + Counter(other.counts)))

    @property
    def n(self) -> int:
        """How many numbers there are."""
        return sum(self.counts.values())

    @property
    def total(self) -> int:
        """Their sum."""
        return sum(value * count for value, count in self.counts.items())

    def mean(self) -> float | None:
        """Return the mean; None of nothing."""
        return self.total / self.n if self.n else None

    def quantile(self, share: float) -> float | None:
        """Return the quantile, interpolated linearly between neighbours as most tools do; None of nothing.

        >>> Histogram({1: 2, 4: 2}).quantile(0.5)
        2.5
        """
        if not self.n:
            return None
        position = share * (self.n - 1)
        below, above = self._at(floor(position)), self._at(ceil(position))
        return below + (above - below) * (position - floor(position))

    def median_interval(self, confidence: float) -> Interval | None:
        """Return the interval of the median from order statistics; None where there are too few numbers for one.

        It makes no assumption about the distribution: the ranks are those that a binomial with share 1/2 reaches, by the normal
        approximation.
        """
        reach = quantile_of_normal(confidence) * sqrt(self.n)
        low, high = floor((self.n - reach) / 2), ceil((self.n + reach) / 2)
        if low < 1 or high >= self.n:
            return None
        return float(self._at(low - 1)), float(self._at(high))

    def _at(self, rank: int) -> int:
        """The number at a rank of the sorted numbers, counted from 0."""
        values, seen = self._cumulative
        return values[bisect_right(seen, rank)]

    @cached_property
    def _cumulative(self) -> tuple[list[int], list[int]]:
        """The sorted numbers, and for each how many there are up to it."""
        values = sorted(self.counts)
        return values, list(accumulate(self.counts[value] for value in values))
