"""Whether two shares differ: the interval of their difference, an exact test, and several tests at once."""

from collections.abc import Callable, Sequence

from crmkit.stats import intervals
from crmkit.stats.intervals import Interval, proportion

_TIE = 1 + 1e-7
"""How much more likely a table may be and still count as just as likely, because its weight is rounded."""

_NOTHING = 1e-18
"""The part of the weight of the observed table below which others do not change a digit."""


def difference(successes: int, trials: int, other: int, other_trials: int, confidence: float) -> Interval | None:
    """Return the interval of the difference of two shares by Newcombe (1998), method 10; None where either has no trials.

    >>> [round(bound, 4) for bound in difference(56, 70, 48, 80, 0.95)]
    [0.0524, 0.3339]
    """
    bounds, other_bounds = proportion(successes, trials, confidence), proportion(other, other_trials, confidence)
    if bounds is None or other_bounds is None:
        return None
    return intervals.difference(successes / trials, bounds, other / other_trials, other_bounds)


def exact_p(successes: int, trials: int, other: int, other_trials: int) -> float:
    """Return how likely shares are to differ at least so much by chance alone, by Fisher's exact test of both sides.

    It holds for any numbers, however small. Without a trial on either side nothing differs, and it is 1.

    >>> round(exact_p(3, 4, 1, 4), 6)
    0.485714
    """
    together, failures = successes + other, other_trials - successes - other
    lowest, highest = max(0, together - other_trials), min(trials, together)
    likeliest = min(max((together + 1) * (trials + 1) // (trials + other_trials + 2), lowest), highest)

    def up(each: int) -> float:
        return (together - each) * (trials - each) / ((each + 1) * (failures + each + 1))

    def down(each: int) -> float:
        return 1 / up(each - 1)

    steps = range(likeliest, highest), range(likeliest, lowest, -1)
    ways = list(zip((up, down), steps, strict=True))
    away = abs(successes - likeliest)
    odds, towards = ways[successes < likeliest]
    observed = _weights(odds, towards[:away], 0.0)[-1]
    weights = sorted(each for odds, some in ways for each in _weights(odds, some, observed * _NOTHING)[1:])
    weights.append(1.0)
    return min(1.0, sum(each for each in weights if each <= observed * _TIE) / sum(weights))


def _weights(odds: Callable[[int], float], steps: Sequence[int], least: float) -> list[float]:
    """How likely tables are in comparison to the likeliest, which has the weight 1, from step to step until hardly any."""
    weights = [1.0]
    for each in steps:
        weights.append(weights[-1] * odds(each))
        if weights[-1] <= least:
            break
    return weights


def holm(ps: Sequence[float]) -> list[float]:
    """Return the p-values of several tests as what they are worth together, by Holm (1979), in the order given.

    The chance that any of those below some limit is there by chance alone is no greater than the limit.

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    adjusted, largest = [0.0] * len(ps), 0.0
    for rank, place in enumerate(sorted(range(len(ps)), key=lambda each: ps[each])):
        largest = max(largest, min(1.0, (len(ps) - rank) * ps[place]))
        adjusted[place] = largest
    return adjusted
