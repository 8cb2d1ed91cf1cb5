"""The log-rank test: published numbers and laws."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmkit.stats.histogram import Histogram
from crmkit.stats.log_rank import log_rank
from crmkit.stats.survival import Lifetimes
from tests.examples import few
from tests.stats.published_lifetimes import MIR_137, PLACEBO, SIX_MP, WALTONS_CONTROL

durations = st.lists(st.integers(0, 12), max_size=12).map(lambda found: Histogram(Counter(found)))
lifetimes = st.builds(lambda ended, still: Lifetimes({"ended": ended}, still), durations, durations)


def test_walton_flies() -> None:
    test = log_rank([MIR_137, WALTONS_CONTROL])
    assert test is not None
    assert test.statistic == pytest.approx(122.24913, abs=5e-6)
    assert test.degrees == 1
    assert test.p == pytest.approx(2.036e-28, rel=5e-4)


def test_freireich_patients() -> None:
    test = log_rank([SIX_MP, PLACEBO])
    assert test is not None
    assert test.statistic == pytest.approx(16.792941, abs=5e-7)
    assert test.p == pytest.approx(4.1688e-5, rel=5e-5)


def test_the_log_rank_of_several_groups() -> None:
    third = Lifetimes({"won": Histogram({2: 3, 9: 4, 30: 2})}, Histogram({12: 2}))
    two, three = log_rank([SIX_MP, PLACEBO]), log_rank([SIX_MP, PLACEBO, third])

    assert two is not None
    assert three is not None
    # Computed with lifelines 0.30.3, multivariate_logrank_test.
    assert (three.statistic, three.degrees, three.p) == pytest.approx(
        (17.722649867363856, 2, 0.00014176710765962807), rel=1e-9
    )
    again = log_rank([third, PLACEBO, SIX_MP])
    assert again is not None
    assert (again.statistic, again.degrees, again.p) == pytest.approx((three.statistic, 2, three.p))
    with_nobody = log_rank([SIX_MP, Lifetimes({}), PLACEBO])
    assert with_nobody is not None
    assert (with_nobody.statistic, with_nobody.degrees) == pytest.approx((two.statistic, 1))


def test_equal_groups_do_not_differ_and_one_cannot_be_compared() -> None:
    same = log_rank([SIX_MP, SIX_MP])

    assert same is not None
    assert (same.statistic, same.p) == pytest.approx((0, 1), abs=1e-12)
    assert log_rank([SIX_MP]) is None
    assert log_rank([]) is None
    assert log_rank([SIX_MP, Lifetimes({})]) is None


@given(st.lists(lifetimes, min_size=2, max_size=4))
@few
def test_a_log_rank_is_a_chance(groups: list[Lifetimes]) -> None:
    test = log_rank(groups)

    if test is not None:
        assert 0 <= test.p <= 1 + 1e-12
        assert test.statistic >= 0
        assert 1 <= test.degrees < len(groups)
