"""Confidence intervals in closed form, so that the same counts always give the same interval."""

import math
from statistics import NormalDist

from crmkit.errors import InvalidInput

Interval = tuple[float, float]
_NORMAL = NormalDist()


def quantile_of_normal(confidence: float) -> float:
    """Return how many standard errors a two-sided interval reaches; raise `InvalidInput` outside 0 to 1.

    >>> round(quantile_of_normal(0.95), 6)
    1.959964
    """
    if not isinstance(confidence, float) or not 0 < confidence < 1:
        raise InvalidInput(
            f"ci={confidence!r} is not a confidence; give a number between 0 and 1, such as 0.95, or None"
        )
    return _NORMAL.inv_cdf((1 + confidence) / 2)


def proportion(successes: int, trials: int, confidence: float) -> Interval | None:
    """Return the interval of a proportion by Wilson (1927); None without trials.

    >>> [round(bound, 4) for bound in proportion(45, 50, 0.95)]
    [0.7864, 0.9565]
    """
    if not trials:
        return None
    z = quantile_of_normal(confidence)
    share, spread = successes / trials, z * z / trials
    middle = (share + spread / 2) / (1 + spread)
    reach = z / (1 + spread) * math.sqrt((share * (1 - share) + spread / 4) / trials)
    # The share itself lies inside, also where rounding would put a bound a hair beside it.
    return max(0.0, min(middle - reach, share)), min(1.0, max(middle + reach, share))


def mean(total: int, squares: int, n: int, confidence: float) -> Interval | None:
    """Return the interval of a mean from the sum and the sum of squares, by the normal approximation; None below two.

    Both sums are whole, because the difference of two large rounded ones would be noise.

    >>> [round(bound, 2) for bound in mean(6, 14, 3, 0.95)]
    [0.87, 3.13]
    """
    if n < 2:  # noqa: PLR2004 - one value has no spread
        return None
    average, variance = total / n, (n * squares - total * total) / (n * (n - 1))
    reach = quantile_of_normal(confidence) * math.sqrt(variance / n)
    return average - reach, average + reach


def difference(value: float, bounds: Interval, other: float, other_bounds: Interval) -> Interval:
    """Return the interval of a difference of two independent estimates from the interval of each, by Zou and Donner (2008).

    Of two proportions with Wilson's intervals it is Newcombe's (1998, method 10).

    >>> [round(bound, 4) for bound in difference(56 / 70, proportion(56, 70, 0.95), 48 / 80, proportion(48, 80, 0.95))]
    [0.0524, 0.3339]
    """
    (low, high), (other_low, other_high) = bounds, other_bounds
    middle = value - other
    return middle - math.hypot(value - low, other_high - other), middle + math.hypot(high - value, other - other_low)


def net_share(for_: int, against: int, n: int, confidence: float) -> Interval | None:
    """Return the interval of (for - against) / n, each answer being +1, 0 or -1; None without answers.

    The variance is p + d - (p - d)^2 over n, and the bounds stay within -1 and 1.

    >>> [round(100 * bound, 3) for bound in net_share(70, 10, 100, 0.95)]
    [46.999, 73.001]
    """
    if not n:
        return None
    p, d = for_ / n, against / n
    reach = quantile_of_normal(confidence) * math.sqrt((p + d - (p - d) ** 2) / n)
    return max(-1.0, p - d - reach), min(1.0, p - d + reach)
