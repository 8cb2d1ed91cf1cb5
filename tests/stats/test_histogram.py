"""Histograms: what is computed from counts is what is computed from the numbers."""

from collections import Counter
from statistics import fmean, median

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmkit.stats.histogram import Histogram

numbers = st.lists(st.integers(-50, 400) | st.integers(-(10**6), 10**6), max_size=60)
some_numbers = numbers.filter(bool)


def counted(values: list[int]) -> Histogram:
    return Histogram(Counter(values))


@given(some_numbers)
def test_the_median_is_that_of_the_numbers(values: list[int]) -> None:
    assert counted(values).quantile(0.5) == median(values)


@given(some_numbers, st.floats(0, 1))
def test_quantiles_are_interpolated_linearly_as_everywhere(values: list[int], share: float) -> None:
    expected = pl.Series(values).quantile(share, interpolation="linear")

    assert counted(values).quantile(share) == pytest.approx(expected, rel=1e-9, abs=1e-6)


@given(some_numbers)
def test_mean_total_and_n_are_those_of_the_numbers(values: list[int]) -> None:
    histogram = counted(values)

    assert (histogram.n, histogram.total) == (len(values), sum(values))
    assert histogram.mean() == pytest.approx(fmean(values))


@given(numbers, numbers, numbers)
def test_histograms_of_parts_add_up_to_that_of_the_whole(a: list[int], b: list[int], c: list[int]) -> None:
    assert counted(a) + counted(b) == counted(a + b) == counted(b) + counted(a)
    assert (counted(a) + counted(b)) + counted(c) == counted(a) + (counted(b) + counted(c))
    assert counted(a) + Histogram({}) == counted(a)


@given(some_numbers, st.floats(0.5, 0.99))
def test_the_interval_of_the_median_holds_the_median_between_two_of_the_numbers(
    values: list[int], confidence: float
) -> None:
    interval = counted(values).median_interval(confidence)
    if interval is None:
        assert len(values) < 14  # at 99 % there must be at least so many
        return
    low, high = interval

    assert low <= median(values) <= high
    assert {low, high} <= set(values)


def test_the_interval_of_the_median_has_the_ranks_of_the_textbook() -> None:
    # n = 100: ranks 40 and 61 of the sorted numbers (Conover, Practical Nonparametric Statistics, section 3.2).
    assert counted(list(range(1, 101))).median_interval(0.95) == (40.0, 61.0)


def test_nothing_has_neither_mean_nor_quantile_nor_interval() -> None:
    nothing = Histogram({})

    assert (nothing.n, nothing.total) == (0, 0)
    assert nothing.mean() is None
    assert nothing.quantile(0.5) is None
    assert nothing.median_interval(0.95) is None


@pytest.mark.parametrize("few", range(1, 8))
def test_too_few_numbers_have_no_interval(few: int) -> None:
    assert counted(list(range(few))).median_interval(0.95) is None


def test_eight_numbers_have_an_interval_from_the_first_to_the_last() -> None:
    assert counted(list(range(8))).median_interval(0.95) == (0.0, 7.0)
