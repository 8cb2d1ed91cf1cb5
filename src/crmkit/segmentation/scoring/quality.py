"""Whether to believe a score: how well it orders, and whether what it expects comes true."""

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import attrs
import polars as pl

from crmkit.errors import InvalidInput, MissingExtra
from crmkit.segmentation.given import check_whole
from crmkit.stats.intervals import Interval, proportion, quantile_of_normal

if TYPE_CHECKING:
    import altair as alt

Histogram = Sequence[tuple[int, int, int]]
"""Scores in their order, how many rows have each, and how many of them came true."""


@attrs.frozen(kw_only=True)
class ScoreGroup:
    """Rows with scores from `lowest` to `highest`: what was expected of them, and what came, with its interval by Wilson.

    `expected` is the mean of their probabilities, None for a score that says none; `observed` is the part that came true.
    """

    lowest: int
    highest: int
    n: int
    hits: int
    expected: float | None
    observed: float
    low: float
    high: float


@attrs.frozen(kw_only=True)
class Quality:
    """How well a score tells who will come from who will not.

    `auc` is the chance that of two rows, one that came true and one that did not, the first has the higher score; equal scores
    count half. 0.5 is no better than chance. `low` and `high` are its interval by DeLong. They are None where an outcome is missing,
    and the interval also where there is one row of an outcome, or no row of one is among those of the other. `expected`
    is how many should have come true, None for a score that says no probability; `left_out` rows have no outcome.
    """

    n: int
    hits: int
    left_out: int
    expected: float | None
    auc: float | None
    low: float | None
    high: float | None
    ci: float
    groups: tuple[ScoreGroup, ...]

    def to_polars(self) -> pl.DataFrame:
        """Return one row a group of scores, the lowest first, as a Polars frame."""
        kinds = (pl.Int64, pl.Int64, pl.Int64, pl.Int64, pl.Float64, pl.Float64, pl.Float64, pl.Float64)
        names = [field.name for field in attrs.fields(ScoreGroup)]
        rows = [attrs.astuple(group) for group in self.groups]
        return pl.DataFrame(rows, schema=dict(zip(names, kinds, strict=True)), orient="row")

    def plot(self) -> "alt.LayerChart":
        """Return a chart of what came true against what was expected; on the line both are the same.

        Raises `InvalidInput` for a score that says no probability or has no row, and `MissingExtra` where Altair is not installed.
        """
        try:
            import altair as alt  # noqa: PLC0415 - an extra, needed here only
        except ModuleNotFoundError as error:
            raise MissingExtra("a plot needs Altair: pip install 'crmkit[plot]'") from error
        if self.expected is None or not self.groups:
            raise InvalidInput(
                "there is no probability to draw; give rows with an outcome to a scorecard that was fitted"
            )
        axis = alt.Axis(format=".0%")
        x = alt.X("expected:Q", title="expected", axis=axis)
        base = alt.Chart(self.to_polars(), width=360, height=360).encode(x=x, tooltip=["n:Q", "hits:Q", "expected:Q"])
        most = max(max(group.high, group.expected or 0) for group in self.groups)
        line = alt.Chart(pl.DataFrame({"same": [0.0, most]})).mark_line(strokeDash=[4, 3], color="gray")
        layers = [
            line.encode(x=alt.X("same:Q"), y=alt.Y("same:Q")),
            base.mark_rule().encode(y=alt.Y("low:Q", title="observed", axis=axis), y2="high:Q"),
            base.mark_point(filled=True, size=60).encode(y=alt.Y("observed:Q", axis=axis)),
        ]
        return alt.LayerChart(layer=layers)


def make_quality(
    histogram: Histogram, left_out: int, *, groups: int, ci: float, probability: Callable[[int], float] | None
) -> Quality:
    """Return the quality of a score from how many rows have each; `groups` of equally many rows, as far as equal scores let them."""
    check_whole(groups, "groups")
    z = quantile_of_normal(ci)
    n, hits = sum(each[1] for each in histogram), sum(each[2] for each in histogram)
    found = auc(histogram)
    low, high = _delong(histogram, z) or (None, None)
    made = tuple(_group(part, ci, probability) for part in parts(histogram, groups))
    expected = None if probability is None else _expected(histogram, probability)
    return Quality(
        n=n, hits=hits, left_out=left_out, expected=expected, auc=found, low=low, high=high, ci=ci, groups=made
    )


def auc(histogram: Histogram) -> float | None:
    """Return the area under the ROC curve, in which equal scores count half; None without both outcomes.

    >>> auc([(1, 2, 0), (2, 2, 1), (3, 1, 1)])
    0.9166666666666666
    """
    hits = sum(each[2] for each in histogram)
    misses = sum(each[1] for each in histogram) - hits
    below = twice = 0
    for _, n, came in histogram:
        twice += came * (2 * below + n - came)
        below += n - came
    return twice / (2 * hits * misses) if hits and misses else None


def _delong(histogram: Histogram, z: float) -> Interval | None:
    """The interval of the area by DeLong, DeLong and Clarke-Pearson (1988), within 0 and 1; None where there is no variance.

    Each row has the part of the rows of the other outcome that it is ordered rightly with, and the variance of the area is the sum of
    the variances of these parts, each over its number of rows. All is counted in whole halves.
    """
    hits = sum(each[2] for each in histogram)
    misses = sum(each[1] for each in histogram) - hits
    if min(hits, misses) < 2:  # noqa: PLR2004 - one row has no variance
        return None
    below = above = 0
    of_hits, of_misses = [], []
    for _, n, came in histogram:
        of_hits.append((came, 2 * below + n - came))
        below += n - came
        of_misses.append((n - came, 2 * (hits - above) - came))
        above += came
    variance = _variance(of_hits) / (4 * misses**2 * hits) + _variance(of_misses) / (4 * hits**2 * misses)
    area = auc(histogram)
    if not variance or area is None:
        return None
    reach = z * math.sqrt(variance)
    return max(0.0, area - reach), min(1.0, area + reach)


def _variance(counted: Sequence[tuple[int, int]]) -> float:
    n = sum(times for times, _ in counted)
    total = sum(times * value for times, value in counted)
    squares = sum(times * value * value for times, value in counted)
    return (n * squares - total * total) / (n * (n - 1))


def parts(histogram: Histogram, groups: int) -> list[Histogram]:
    """Return a histogram in parts of equally many rows, in which equal scores stay together."""
    total, seen, full = sum(each[1] for each in histogram), 0, 0
    found: list[list[tuple[int, int, int]]] = [[]]
    for each in histogram:
        found[-1].append(each)
        seen += each[1]
        if seen * groups // total > full:
            full = seen * groups // total
            found.append([])
    return [part for part in found if part]


def _group(part: Histogram, ci: float, probability: Callable[[int], float] | None) -> ScoreGroup:
    n, hits = sum(each[1] for each in part), sum(each[2] for each in part)
    low, high = proportion(hits, n, ci) or (0.0, 1.0)
    expected = None if probability is None else _expected(part, probability) / n
    return ScoreGroup(
        lowest=part[0][0],
        highest=part[-1][0],
        n=n,
        hits=hits,
        expected=expected,
        observed=hits / n,
        low=low,
        high=high,
    )


def _expected(histogram: Histogram, probability: Callable[[int], float]) -> float:
    return math.fsum(n * probability(score) for score, n, _ in histogram)
