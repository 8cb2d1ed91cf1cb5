"""The log-rank test: do groups of things last equally long, when some of them are not over yet?"""

from collections.abc import Sequence
from math import erfc, exp, gamma, sqrt

import attrs

from crmkit.stats.survival import Lifetimes


@attrs.frozen
class LogRank:
    """A test whether groups last equally long: the statistic, its degrees of freedom, and how likely a larger one is."""

    statistic: float
    degrees: int
    p: float


def log_rank(groups: Sequence[Lifetimes]) -> LogRank | None:
    """Return the test whether two or more groups last equally long, by Mantel (1966); None where nothing can be compared.

    That is where at no time at which something ended two groups were at risk.

    >>> from crmkit.stats.histogram import Histogram
    >>> short, long = (Lifetimes({"won": Histogram({days: 5})}) for days in (3, 9))
    >>> round(log_rank([short, long]).p, 4)
    0.0027
    """
    times = sum(groups, start=Lifetimes({})).times()
    excess = [0.0 for _ in groups]
    covariance = [[0.0 for _ in groups] for _ in groups]
    for time in times:
        at_risk = [group.at_risk(time) for group in groups]
        ended = [sum(group.ended_at(time).values()) for group in groups]
        n, d = sum(at_risk), sum(ended)
        scale = d * (n - d) / (n - 1) / n**2 if n > 1 else 0.0
        for row, mine in enumerate(at_risk):
            excess[row] += ended[row] - d * mine / n
            for column, theirs in enumerate(at_risk):
                covariance[row][column] += scale * mine * ((n if row == column else 0) - theirs)
    statistic, degrees = _quadratic_form(excess, covariance)
    return LogRank(statistic, degrees, _chi_square_beyond(statistic, degrees)) if degrees else None


def _quadratic_form(vector: Sequence[float], matrix: Sequence[Sequence[float]]) -> tuple[float, int]:
    """The vector times the inverse of a covariance times the vector, and the rank of the covariance.

    Excesses of all groups add up to 0, so one row follows from the others; elimination skips what is left of it.
    """
    rest, below = list(vector), [list(row) for row in matrix]
    total, rank = 0.0, 0
    for pivot in range(len(rest)):
        if below[pivot][pivot] <= _SINGULAR * matrix[pivot][pivot]:
            continue
        total += rest[pivot] ** 2 / below[pivot][pivot]
        rank += 1
        for row in range(pivot + 1, len(rest)):
            factor = below[row][pivot] / below[pivot][pivot]
            rest[row] -= factor * rest[pivot]
            below[row] = [mine - factor * theirs for mine, theirs in zip(below[row], below[pivot], strict=True)]
    return total, rank


_SINGULAR = 1e-9
"""The share of a variance below which what elimination leaves of it is rounding."""


def _chi_square_beyond(statistic: float, degrees: int) -> float:
    """The chance that a chi-square variable is larger, by the recurrence of the incomplete gamma function."""
    half = statistic / 2
    shape, chance = (0.5, erfc(sqrt(half))) if degrees % 2 else (1.0, exp(-half))
    term = half**shape * exp(-half) / gamma(shape + 1)
    while shape < degrees / 2:
        chance += term
        shape += 1
        term *= half / shape
    return chance
