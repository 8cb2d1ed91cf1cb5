"""How much each field counts, and what chance a sum of them means: small mathematics on exact whole numbers."""

import math
from collections.abc import Callable, Sequence

import attrs

_STEPS = 100
_CLOSE = 1e-12


@attrs.frozen
class Moments:
    """Rows with one outcome: how many, the sums of their values, and the sums of their products, all whole."""

    n: int
    sums: tuple[int, ...]
    products: tuple[tuple[int, ...], ...]


def discriminant(came: Moments, stayed: Moments, most: float) -> list[float]:
    """Return the weight of each value by Fisher's linear discriminant, none below 0 and none above `most`.

    Where two values say the same, each gets half of the weight that one of them would have alone. A value whose weight would be
    below 0 is left out with the weight 0, because it would count against its own evidence, the lowest first; one whose weight would be
    above `most` gets that, because it would count for more than its evidence, the highest first. The others are weighed anew each time.
    The spread is taken for greater by one in (rows / values), so that few rows do not teach much.

    Source: Fisher (1936), The use of multiple measurements in taxonomic problems.
    """
    n, size = came.n + stayed.n, len(came.sums)
    gaps = [here / came.n - there / stayed.n for here, there in zip(came.sums, stayed.sums, strict=True)]
    spread = [[(_scatter(came, i, j) + _scatter(stayed, i, j)) / n for j in range(size)] for i in range(size)]
    free = [each for each in range(size) if gaps[each] or spread[each][each]]
    for each in free:
        spread[each][each] += _ridge(spread[each][each], gaps[each], len(free) / n)
    weights = [0.0] * size
    while free:
        right = [gaps[i] - sum(spread[i][j] * weights[j] for j in range(size) if j not in free) for i in free]
        solved = _solved([[spread[i][j] for j in free] for i in free], right)
        lowest, highest = (edge(range(len(free)), key=lambda each: solved[each]) for edge in (min, max))
        if solved[lowest] >= 0 and solved[highest] <= most:
            break
        at, bound = (lowest, 0.0) if solved[lowest] < 0 else (highest, most)
        weights[free.pop(at)] = bound
    for each, weight in zip(free, solved if free else (), strict=True):
        weights[each] = weight
    return weights


def _scatter(moments: Moments, i: int, j: int) -> float:
    """How far two values vary together, summed over rows."""
    return (moments.n * moments.products[i][j] - moments.sums[i] * moments.sums[j]) / moments.n


def _ridge(variance: float, gap: float, share: float) -> float:
    """What is added to the variance of a value; its gap counts too, because a value that separates perfectly has no other."""
    return (variance + gap * gap / 4) * share


def _solved(matrix: Sequence[Sequence[float]], right: Sequence[float]) -> list[float]:
    """The solution of linear equations with a positive definite matrix, by elimination."""
    rows = [[*row, value] for row, value in zip(matrix, right, strict=True)]
    size = len(rows)
    for at, row in enumerate(rows):
        for below in rows[at + 1 :]:
            factor = below[at] / row[at]
            for column in range(at, size + 1):
                below[column] -= factor * row[column]
    found = [0.0] * size
    for at in reversed(range(size)):
        known = sum(rows[at][column] * found[column] for column in range(at + 1, size))
        found[at] = (rows[at][size] - known) / rows[at][at]
    return found


def logistic(histogram: Sequence[tuple[int, int, int]], most: float) -> tuple[float, float]:
    """Return start and slope of the chance 1 / (1 + exp(-(start + slope * x))) that fits rows of (x, n, hits) best.

    The slope is at most `most`. As if there were one row more of each outcome, so that both are finite where x separates them.

    Source: Platt (1999), Probabilistic outputs for support vector machines.
    """
    hits = sum(each[2] for each in histogram)
    misses = sum(each[1] for each in histogram) - hits
    yes, no = (hits + 1) / (hits + 2), 1 / (misses + 2)
    data = [(most * x, n, came * yes + (n - came) * no) for x, n, came in histogram]
    start, slope = _fitted(data, math.log((hits + 1) / (misses + 1)), 0.0, _newton)
    if slope > 1:
        start, slope = _fitted(data, start, 1.0, _newton_of_start)
    return start, slope * most


Weighed = Sequence[tuple[float, int, float]]
"""Values, how many rows have each, and how many of them came true."""

Step = Callable[[Weighed, float, float], tuple[float, float]]


def _fitted(data: Weighed, start: float, slope: float, step: Step) -> tuple[float, float]:
    """The start and slope of the least loss that steps lead to; a step that would lead up is halved."""
    loss = _loss(data, start, slope)
    for _ in range(_STEPS):
        by_start, by_slope = step(data, start, slope)
        length = 1.0
        while (tried := _loss(data, start + length * by_start, slope + length * by_slope)) > loss and length > _CLOSE:
            length /= 2
        start, slope = start + length * by_start, slope + length * by_slope
        if loss - tried <= _CLOSE * abs(loss):
            break
        loss = tried
    return start, slope


def _loss(data: Weighed, start: float, slope: float) -> float:
    """Minus the log-likelihood."""
    return math.fsum(n * _softplus(start + slope * x) - came * (start + slope * x) for x, n, came in data)


def _softplus(value: float) -> float:
    return max(value, 0.0) + math.log1p(math.exp(-abs(value)))


def chance(log_odds: float) -> float:
    """Return the chance of log-odds.

    >>> chance(0.0), chance(-800.0)
    (0.5, 0.0)
    """
    small = math.exp(-abs(log_odds))
    return 1 / (1 + small) if log_odds >= 0 else small / (1 + small)


def _newton(data: Weighed, start: float, slope: float) -> tuple[float, float]:
    """The step to where a parabola through the loss has its lowest point."""
    chances = [chance(start + slope * x) for x, _, _ in data]
    rows = [(x, n * p - came, n * p * (1 - p)) for (x, n, came), p in zip(data, chances, strict=True)]
    pull, pull_x = math.fsum(each for _, each, _ in rows), math.fsum(x * each for x, each, _ in rows)
    bend, bend_x = math.fsum(each for _, _, each in rows) + _CLOSE, math.fsum(x * each for x, _, each in rows)
    bend_xx = math.fsum(x * x * each for x, _, each in rows) + _CLOSE
    determinant = bend * bend_xx - bend_x * bend_x
    if determinant <= 0:
        return -pull / bend, 0.0
    return (bend_x * pull_x - bend_xx * pull) / determinant, (bend_x * pull - bend * pull_x) / determinant


def _newton_of_start(data: Weighed, start: float, slope: float) -> tuple[float, float]:
    """The same, with the slope as it is."""
    chances = [chance(start + slope * x) for x, _, _ in data]
    pull = math.fsum(n * p - came for (_, n, came), p in zip(data, chances, strict=True))
    return -pull / (math.fsum(n * p * (1 - p) for (_, n, _), p in zip(data, chances, strict=True)) + _CLOSE), 0.0
