"""Differences of shares: published figures, and what must hold for all."""

from fractions import Fraction
from math import comb

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmkit.stats.differences import difference, exact_p, holm

counts = st.tuples(st.integers(0, 30), st.integers(0, 30), st.integers(0, 30), st.integers(0, 30)).map(
    lambda each: (each[0], each[0] + each[1], each[2], each[2] + each[3])
)


@pytest.mark.parametrize(
    ("counts_", "low", "high"),
    [
        ((56, 70, 48, 80), 0.0524, 0.3339),
        ((9, 10, 3, 10), 0.1705, 0.8090),
        ((10, 10, 0, 20), 0.6791, 1.0),
        ((5, 56, 0, 29), -0.0381, 0.1926),
    ],
)
def test_the_interval_is_the_published_one(counts_: tuple[int, int, int, int], low: float, high: float) -> None:
    assert difference(*counts_, 0.95) == pytest.approx((low, high), abs=5e-5)


def test_without_trials_there_is_no_interval() -> None:
    assert difference(0, 0, 1, 2, 0.95) is None
    assert difference(1, 2, 0, 0, 0.95) is None


def exactly(successes: int, trials: int, other: int, other_trials: int) -> Fraction:
    """The same by going through all tables."""
    together = successes + other
    tables = [
        comb(trials, each) * comb(other_trials, together - each)
        for each in range(trials + 1)
        if 0 <= together - each <= other_trials
    ]
    observed = comb(trials, successes) * comb(other_trials, other)
    return Fraction(sum(each for each in tables if each <= observed), sum(tables))


@given(counts)
def test_the_test_is_exact(counts_: tuple[int, int, int, int]) -> None:
    assert exact_p(*counts_) == pytest.approx(float(exactly(*counts_)), rel=1e-9)


@pytest.mark.parametrize(
    ("counts_", "p"), [((3, 4, 1, 4), 34 / 70), ((1, 10, 11, 14), 0.0027594561852200836), ((0, 0, 3, 9), 1.0)]
)
def test_the_test_has_the_published_figures(counts_: tuple[int, int, int, int], p: float) -> None:
    assert exact_p(*counts_) == pytest.approx(p, rel=1e-12)


def test_numbers_of_any_size_can_be_tested() -> None:
    assert exact_p(3894, 21307, 2262, 21306) == pytest.approx(5.437359027952208e-113, rel=1e-9)
    assert exact_p(500_000, 1_000_000, 5_000_000, 10_000_000) == 1.0
    assert exact_p(0, 10**6, 10**6, 10**6) == 0.0


@given(st.lists(st.floats(0, 1), max_size=12), st.floats(0, 1))
def test_corrected_tests_reject_what_holm_rejects_step_by_step(ps: list[float], limit: float) -> None:
    rejected, left = set[int](), len(ps)
    for place in sorted(range(len(ps)), key=lambda each: ps[each]):
        if ps[place] * left > limit:
            break
        rejected.add(place)
        left -= 1
    adjusted = holm(ps)

    assert {place for place, p in enumerate(adjusted) if p <= limit} == (rejected if limit < 1 else set(range(len(ps))))
    assert all(p <= corrected <= 1 for p, corrected in zip(ps, adjusted, strict=True))
