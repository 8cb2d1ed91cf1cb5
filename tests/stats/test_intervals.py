"""Confidence intervals: published numbers, symmetry, and bounds that stay where they mean something."""

import math
from fractions import Fraction
from statistics import fmean, stdev
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from crmkit.errors import InvalidInput
from crmkit.stats.intervals import mean, net_share, proportion, quantile_of_normal

confidences = st.floats(0.01, 0.999)
counts = st.integers(0, 10_000)
LONG = 1.959963984540054  # standard errors in a 95 % interval


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    [(45, 50, 0.7864, 0.9565), (0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0), (5, 15, 0.1518, 0.5829)],
)
def test_wilson_gives_the_published_numbers(successes: int, trials: int, low: float, high: float) -> None:
    assert proportion(successes, trials, 0.95) == pytest.approx((low, high), abs=5e-5)


@given(counts, counts, confidences)
@example(9180, 0, 0.5)  # where rounding puts the bound a hair below 1
def test_wilson_solves_its_equation(successes: int, failures: int, confidence: float) -> None:
    trials = successes + failures
    interval = proportion(successes, trials, confidence)
    if interval is None:
        assert trials == 0
        return
    z, share = quantile_of_normal(confidence), successes / trials
    for bound in interval:
        assert abs(share - bound) == pytest.approx(z * math.sqrt(bound * (1 - bound) / trials), abs=1e-7)
    assert 0 <= interval[0] <= share <= interval[1] <= 1


@given(counts, counts, confidences)
def test_failures_are_the_mirror_image_of_successes(successes: int, failures: int, confidence: float) -> None:
    trials = successes + failures
    right, left = proportion(successes, trials, confidence), proportion(failures, trials, confidence)

    assert (right is None) == (left is None) == (trials == 0)
    if right and left:
        assert (1 - right[1], 1 - right[0]) == pytest.approx(left, abs=1e-12)


@pytest.mark.parametrize(
    ("promoters", "detractors", "n", "low", "high"),
    [(70, 10, 100, 46.999, 73.001), (500, 200, 1000, 25.159, 34.841), (10, 0, 10, 100, 100)],
)
def test_a_net_share_has_the_published_numbers(
    promoters: int, detractors: int, n: int, low: float, high: float
) -> None:
    interval = net_share(promoters, detractors, n, 0.95)

    assert interval is not None
    assert [100 * bound for bound in interval] == pytest.approx([low, high], abs=5e-4)


@given(counts, counts, counts, confidences)
def test_a_net_share_is_the_mean_of_its_answers(for_: int, against: int, neither: int, confidence: float) -> None:
    n = for_ + against + neither
    interval = net_share(for_, against, n, confidence)
    if interval is None:
        assert n == 0
        return
    low, high = interval

    assert -1 <= low <= (for_ - against) / n <= high <= 1
    assert net_share(against, for_, n, confidence) == pytest.approx((-high, -low))


amounts = st.lists(st.integers(-10_000, 10_000), min_size=2, max_size=30)


@given(amounts)
def test_the_interval_of_a_mean_is_that_of_the_textbook(values: list[int]) -> None:
    total, squares = sum(values), sum(value * value for value in values)
    reach = LONG * stdev(values) / math.sqrt(len(values))

    assert mean(total, squares, len(values), 0.95) == pytest.approx(
        (fmean(values) - reach, fmean(values) + reach), abs=1e-6
    )


def test_the_interval_of_a_mean_does_not_lose_a_small_spread_of_large_values() -> None:
    values = [10**9 + step for step in range(3)]
    interval = mean(sum(values), sum(value * value for value in values), 3, 0.95)

    assert interval is not None
    assert interval[1] - interval[0] == pytest.approx(2 * LONG / math.sqrt(3), rel=1e-6)


@given(amounts, st.floats(0.01, 0.5), st.floats(0.5, 0.999))
def test_a_higher_confidence_needs_a_wider_interval(values: list[int], less: float, more: float) -> None:
    total, squares, n = sum(values), sum(value * value for value in values), len(values)
    narrow, wide = mean(total, squares, n, less), mean(total, squares, n, more)

    assert narrow is not None
    assert wide is not None
    assert wide[0] <= narrow[0] <= narrow[1] <= wide[1]


def test_too_little_data_has_no_interval() -> None:
    assert proportion(0, 0, 0.95) is None
    assert net_share(0, 0, 0, 0.95) is None
    assert mean(0, 0, 0, 0.95) is None
    assert mean(7, 49, 1, 0.95) is None


@pytest.mark.parametrize("confidence", [0.0, 1.0, 95.0, -0.5, float("nan"), 1, 95, "0.95", None, True, Fraction(1, 2)])
def test_what_is_no_confidence_is_refused(confidence: Any) -> None:
    with pytest.raises(InvalidInput, match=r"^ci=.* is not a confidence; give a number between 0 and 1"):
        quantile_of_normal(confidence)
