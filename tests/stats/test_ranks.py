"""Comparisons by rank, against SciPy and against their definitions."""

import math
from collections import Counter
from statistics import median as middle

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom, mannwhitneyu

from crmkit.errors import InvalidInput
from crmkit.stats.ranks import cliffs_delta, delta_in_deviations, median, median_interval, rank_p
from tests.examples import few

samples = st.lists(st.integers(-5, 5).map(float), min_size=1, max_size=30)


@few
@given(samples, samples)
def test_the_measures_are_those_of_their_definitions(one: list[float], other: list[float]) -> None:
    counts, others = Counter(one), Counter(other)
    above = sum((a > b) - (a < b) for a in one for b in other)

    assert median(counts) == middle(one)
    assert cliffs_delta(counts, others) == above / (len(one) * len(other))
    assert cliffs_delta(others, counts) == -above / (len(one) * len(other))
    if len({*one, *other}) > 1:
        expected = mannwhitneyu(one, other, method="asymptotic", use_continuity=True).pvalue
        assert rank_p(counts, others) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("confidence", [0.9, 0.95, 0.99])
def test_the_interval_of_a_median_has_its_confidence(confidence: float) -> None:
    for n in range(1, 120):
        found = median_interval({float(value): 1 for value in range(1, n + 1)}, confidence)
        rank = 0 if found is None else int(found[0])
        assert found is None or found == (rank, n + 1 - rank)
        # Ranks are whole, so that the coverage cannot be the confidence itself; it is never much less.
        assert rank == 0 or 1 - 2 * binom.cdf(rank - 1, n, 0.5) > confidence - 0.005
        assert 1 - 2 * binom.cdf(rank, n, 0.5) < confidence + 0.005


def test_of_nothing_there_is_nothing_to_say() -> None:
    assert median({}) is None
    assert median_interval({}, 0.95) is None
    assert cliffs_delta({}, {1.0: 1}) is None
    assert cliffs_delta({1.0: 1}, {}) is None
    assert rank_p({}, {1.0: 3}) == rank_p({1.0: 3}, {1.0: 4}) == 1.0
    assert median_interval({1.0: 5}, 0.95) is None
    with pytest.raises(InvalidInput, match="ci=95 is not a confidence"):
        median_interval({1.0: 5}, 95)


def test_a_delta_is_so_many_deviations() -> None:
    # Phi(0.8 / sqrt(2)) = 0.714196: of two normal distributions 0.8 apart, a value of the higher is above one of the lower.
    assert delta_in_deviations(2 * 0.7141961 - 1, 10_000) == pytest.approx(0.8, abs=1e-6)
    assert delta_in_deviations(-1, 4) == -delta_in_deviations(1, 4)
    assert delta_in_deviations(0, 4) == delta_in_deviations(1, 1) == 0
    assert 0 < delta_in_deviations(1, 10**12) < math.inf
