"""Two samples of numbers compared by rank, from how often each has each value: no order and no outlier changes the result."""

import math
from bisect import bisect_left
from collections.abc import Mapping
from itertools import accumulate
from statistics import NormalDist

from crmkit.stats.intervals import Interval, quantile_of_normal

Counts = Mapping[float, int]
"""How often a sample has each of its values."""

_NORMAL = NormalDist()


def median(counts: Counts) -> float | None:
    """Return the middle of a sample, of two middle values their mean; None of nothing.

    >>> median({1.0: 2, 7.0: 1, 9.0: 1})
    4.0
    """
    n = sum(counts.values())
    if not n:
        return None
    low, high = _ranked(counts, (n + 1) // 2), _ranked(counts, n // 2 + 1)
    return low if low == high else low / 2 + high / 2


def median_interval(counts: Counts, confidence: float) -> Interval | None:
    """Return the interval of a median, from one value of the sample to another; None for a sample that is too small.

    The ranks are (n + 1) / 2 -+ z * sqrt(n) / 2, outwards, whatever the values are distributed like (Conover 1999).

    >>> median_interval({float(value): 1 for value in range(1, 11)}, 0.95)
    (2.0, 9.0)
    """
    n = sum(counts.values())
    rank = math.floor((n + 1) / 2 - quantile_of_normal(confidence) * math.sqrt(n) / 2)
    return (_ranked(counts, rank), _ranked(counts, n + 1 - rank)) if rank > 0 else None


def cliffs_delta(counts: Counts, other: Counts) -> float | None:
    """Return how much more often a value of one sample is above one of the other than below it, from -1 to 1 (Cliff 1993).

    None where either has no value.

    >>> cliffs_delta({1.0: 1, 3.0: 1}, {1.0: 1, 2.0: 1})
    0.25
    """
    pairs = sum(counts.values()) * sum(other.values())
    return _dominance(counts, other) / pairs if pairs else None


def delta_in_deviations(delta: float, pairs: int) -> float:
    """Return of how many standard deviations two normal distributions with this Cliff's delta differ (Ruscio 2008).

    Samples that do not overlap at all differ by no number; of them it is that of half a pair in `pairs` that would.

    >>> round(delta_in_deviations(0.276, 100), 2)
    0.5
    """
    above = min((1 + abs(delta)) / 2, 1 - 1 / (2 * pairs))
    return math.copysign(math.sqrt(2) * _NORMAL.inv_cdf(max(above, 0.5)), delta)


def rank_p(counts: Counts, other: Counts) -> float:
    """Return how likely samples are to differ at least so much by chance alone, by the test of Mann and Whitney of both sides.

    It is the normal approximation with corrections for ties and continuity. Where nothing differs, or either has no value, it is 1.

    >>> round(rank_p({1.0: 1, 2.0: 1, 3.0: 1}, {4.0: 1, 5.0: 1, 6.0: 1}), 6)
    0.080856
    """
    n, m = sum(counts.values()), sum(other.values())
    together = [counts.get(value, 0) + other.get(value, 0) for value in {**counts, **other}]
    ties, total = sum(each**3 - each for each in together), n + m
    # 12 times the variance, times total * (total - 1), in whole numbers.
    spread = n * m * ((total + 1) * total * (total - 1) - ties)
    if spread <= 0:
        return 1.0
    deviation = math.sqrt(spread / (12 * total * (total - 1)))
    away = (abs(_dominance(counts, other)) - 1) / 2
    return min(1.0, math.erfc(away / deviation / math.sqrt(2)))


def _ranked(counts: Counts, rank: int) -> float:
    """The value at a rank, from 1."""
    values = sorted(value for value, n in counts.items() if n)
    return values[bisect_left([*accumulate(counts[value] for value in values)], rank)]


def _dominance(counts: Counts, other: Counts) -> int:
    """The number of pairs in which the first is above, less that in which it is below."""
    below, dominance, m = 0, 0, sum(other.values())
    for value in sorted({**counts, **other}):
        same = other.get(value, 0)
        dominance += counts.get(value, 0) * (below - (m - below - same))
        below += same
    return dominance
