"""Survival: published numbers, laws, and agreement with estimates made directly from single durations."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from crmkit.errors import InvalidInput
from crmkit.stats.histogram import Histogram
from crmkit.stats.survival import Lifetimes
from tests.examples import few
from tests.stats.published_lifetimes import DD, LUNG, MIR_137, PLACEBO, SIX_MP, WALTONS_CONTROL

WALTONS = MIR_137 + WALTONS_CONTROL

# One duration: how long it lasted, how it ended (None: it did not), and the age at which it came under observation.
Lasted = tuple[int, str | None, int | None]
durations = st.tuples(st.integers(0, 12), st.sampled_from([None, "won", "won", "lost"]), st.none())
samples = st.lists(durations, max_size=25)
late = st.tuples(st.integers(6, 12), st.sampled_from([None, "won", "lost"]), st.sampled_from([None, 2, 5]))


def lifetimes(sample: Sequence[Lasted]) -> Lifetimes:
    ended = {
        cause: Histogram(Counter(length for length, how, _ in sample if how == cause)) for cause in ("won", "lost")
    }
    still = Histogram(Counter(length for length, how, _ in sample if how is None))
    return Lifetimes(ended, still, Histogram(Counter(entry for _, _, entry in sample if entry is not None)))


def at_risk(sample: Sequence[Lasted], time: int) -> int:
    return sum(length >= time and (entry is None or entry < time) for length, _, entry in sample)


def ended(sample: Sequence[Lasted], time: int, *causes: str) -> int:
    return sum(length == time and how in causes for length, how, _ in sample)


def kaplan_meier(sample: Sequence[Lasted], time: int) -> float:
    times = {length for length, how, _ in sample if how is not None and length <= time}
    return math.prod(1 - ended(sample, each, "won", "lost") / at_risk(sample, each) for each in times)


def test_walton_flies() -> None:
    curve = WALTONS.curve()

    assert (WALTONS.n, WALTONS.n_ended, curve.median(), curve.median_interval(0.95)) == (163, 156, 56, (53, 58))
    assert [curve.survival(26), curve.survival(56)] == pytest.approx([0.85809, 0.42990], abs=5e-6)
    assert curve.interval(26, 0.95) == pytest.approx((0.79421, 0.90334), abs=5e-6)
    assert curve.interval(56, 0.95) == pytest.approx((0.35269, 0.50468), abs=5e-6)
    assert curve.restricted_mean(60) == pytest.approx(48.277495, abs=5e-7)
    assert (MIR_137.curve().median(), WALTONS_CONTROL.curve().median()) == (26, 58)


def test_freireich_patients() -> None:
    curve = SIX_MP.curve()
    times = (6, 7, 10, 13, 16, 22, 23)

    assert (SIX_MP.n, curve.median(), PLACEBO.curve().median()) == (21, 23, 8)
    shares = [0.8571, 0.8067, 0.7529, 0.6902, 0.6275, 0.5378, 0.4482]
    assert [curve.survival(time) for time in times] == pytest.approx(shares, abs=5e-5)
    hazards = [0.1429, 0.2017, 0.2683, 0.3517, 0.4426, 0.5854, 0.7521]
    assert [curve.cumulative_hazard(time) for time in times] == pytest.approx(hazards, abs=5e-5)
    assert curve.interval(6, 0.95) == pytest.approx((0.6197, 0.9516), abs=5e-5)
    assert curve.interval(23, 0.95) == pytest.approx((0.1881, 0.6801), abs=5e-5)


def test_lung_patients_and_governments() -> None:
    lung, governments = LUNG.curve(), DD.curve()

    assert (LUNG.n, LUNG.n_ended, lung.median(), lung.median_interval(0.95)) == (228, 165, 310, (284, 361))
    assert (DD.n, governments.median()) == (1808, 4)
    shares = [0.721792, 0.418835, 0.181350]
    assert [governments.survival(time) for time in (1, 4, 10)] == pytest.approx(shares, abs=5e-7)


def test_left_truncation_is_as_lifelines_has_it() -> None:
    """Computed with lifelines 0.30.3 and its argument `entry`."""
    sample: list[Lasted] = [
        (5, "won", None),
        (6, None, 5),
        (7, "won", 2),
        (8, "won", 6),
        (9, None, None),
        (10, "won", 8),
    ]
    curve = lifetimes(sample).curve()

    shares = [2 / 3, 2 / 3, 4 / 9, 2 / 9, 2 / 9, 0]
    assert [curve.survival(time) for time in (5, 6, 7, 8, 9, 10)] == pytest.approx(shares)


@given(samples)
def test_shares_are_those_of_the_single_durations(sample: list[Lasted]) -> None:
    curve = lifetimes(sample).curve()
    longest = max((length for length, _, _ in sample), default=-1)

    for time in range(longest + 1):
        assert curve.survival(time) == pytest.approx(kaplan_meier(sample, time), abs=1e-12)


@given(st.lists(late, min_size=1, max_size=15))
def test_who_came_late_is_at_risk_only_from_then_on(sample: list[Lasted]) -> None:
    lives = lifetimes(sample)

    assert all(lives.at_risk(time) == at_risk(sample, time) for time in range(14))
    for time in range(max(length for length, _, _ in sample) + 1):
        assert lives.curve().survival(time) == pytest.approx(kaplan_meier(sample, time), abs=1e-12)


def test_an_entry_after_the_end_is_refused() -> None:
    with pytest.raises(InvalidInput, match="1 ended at 3 and only 0 were at risk"):
        Lifetimes({"won": Histogram({3: 1})}, entered=Histogram({4: 1})).curve()


@given(samples)
def test_all_ends_and_what_is_left_add_up_to_one(sample: list[Lasted]) -> None:
    curve = lifetimes(sample).curve()

    for time in range((curve.last if curve.last is not None else -1) + 1):
        parts = [curve.incidence("won", time), curve.incidence("lost", time), curve.survival(time)]
        assert sum(part for part in parts if part is not None) == pytest.approx(1, abs=1e-12)


@given(samples, st.integers(0, 12))
def test_variances_are_those_of_independent_draws_at_each_time(sample: list[Lasted], time: int) -> None:
    """Each hazard is a drawn share of those at risk; its error moves the incidence by its slope."""
    curve = lifetimes(sample).curve()
    assume(curve.last is not None and time <= curve.last)
    rates = {
        each: {cause: ended(sample, each, cause) / at_risk(sample, each) for cause in ("won", "lost")}
        for each in sorted({length for length, how, _ in sample if how is not None and length <= time})
    }

    def incidence(rates: Mapping[int, Mapping[str, float]]) -> float:
        left, total = 1.0, 0.0
        for at_this_time in rates.values():
            total += left * at_this_time["won"]
            left *= 1 - sum(at_this_time.values())
        return total

    expected = 0.0
    for each, rate in rates.items():
        # The incidence is linear in each rate, so a step of any size gives the slope.
        slope = {cause: incidence(rates | {each: rate | {cause: rate[cause] + 1}}) - incidence(rates) for cause in rate}
        mean = sum(slope[cause] * rate[cause] for cause in rate)
        spread = sum(slope[cause] ** 2 * rate[cause] for cause in rate) - mean**2
        expected += spread / at_risk(sample, each)
    assert curve.incidence_variance("won", time) == pytest.approx(expected, abs=1e-12)


@given(st.lists(st.integers(0, 12), min_size=1, max_size=25), st.integers(0, 12))
def test_without_open_ones_everything_is_as_counted(lengths: list[int], time: int) -> None:
    histogram = Histogram(Counter(lengths))
    curve = Lifetimes({"won": histogram}).curve()
    share = sum(length > time for length in lengths) / len(lengths)

    assert curve.survival(time) == pytest.approx(share, abs=1e-12)
    assert curve.variance(time) == pytest.approx(share * (1 - share) / len(lengths), abs=1e-12)
    assert curve.incidence_variance("won", time) == pytest.approx(share * (1 - share) / len(lengths), abs=1e-12)
    assert curve.median() == histogram.quantile(0.5)
    mean = sum(min(length, time) for length in lengths) / len(lengths)
    squares = sum((min(length, time) - mean) ** 2 for length in lengths) / len(lengths)
    assert curve.restricted_mean(time) == pytest.approx(mean)
    if share:  # where nothing is left at the end, the last time says nothing about what was still to come
        assert curve.restricted_mean_variance(time) == pytest.approx(squares / len(lengths), abs=1e-12)


@given(samples, st.integers(0, 12), st.integers(0, 12))
def test_what_those_older_than_an_age_may_expect_is_known_from_them_alone(
    sample: list[Lasted], age: int, later: int
) -> None:
    time = age + later
    whole, rest = lifetimes(sample).curve(), lifetimes([each for each in sample if each[0] > age]).curve()

    assert whole.incidence("won", time, age) == pytest.approx(rest.incidence("won", time), abs=1e-12)
    assert whole.incidence_variance("won", time, age) == pytest.approx(rest.incidence_variance("won", time), abs=1e-12)


@given(samples, samples)
def test_lifetimes_of_parts_add_up(first: list[Lasted], second: list[Lasted]) -> None:
    assert (lifetimes(first) + lifetimes(second)).curve() == lifetimes([*first, *second]).curve()


@given(samples, st.sampled_from([0.5, 0.9, 0.95]))
@few
def test_intervals_lie_around_the_share_and_within_0_and_1(sample: list[Lasted], confidence: float) -> None:
    curve = lifetimes(sample).curve()

    for time in range(13):
        share, incidence = curve.survival(time), curve.incidence("won", time)
        pairs = [(share, curve.interval(time, confidence))]
        pairs.append((incidence, curve.incidence_interval("won", time, confidence)))
        for value, bounds in pairs:
            if bounds is None:
                assert value is None or round(value, 12) in {0, 1}
            else:
                assert value is not None
                assert 0 <= bounds[0] <= value <= bounds[1] <= 1
    median, (low, high) = curve.median(), curve.median_interval(confidence)
    if median is not None:
        assert low is not None
        assert low <= median
        assert high is None or high >= math.floor(median)


def test_of_nothing_nothing_is_known() -> None:
    curve = Lifetimes({}).curve()

    asked: list[Any] = [curve.survival(0), curve.variance(0), curve.interval(0, 0.95), curve.incidence("won", 0)]
    asked += [curve.cumulative_hazard(0), curve.incidence_variance("won", 0), curve.incidence_interval("won", 0, 0.95)]
    asked += [curve.median(), curve.restricted_mean(0), curve.restricted_mean_variance(0), curve.last]
    assert asked == [None] * len(asked)
    assert curve.median_interval(0.95) == (None, None)


def test_what_nobody_has_seen_is_not_known() -> None:
    still = Lifetimes({"won": Histogram({3: 1})}, Histogram({10: 3})).curve()
    over = Lifetimes({"won": Histogram({3: 1})}).curve()

    assert (still.survival(10), still.survival(11), still.restricted_mean(11), still.median()) == (
        0.75,
        None,
        None,
        None,
    )
    assert (over.survival(11), over.restricted_mean(11), over.incidence("won", 11)) == (0, 3, 1)
    assert (over.incidence("won", 11, 2), over.incidence("won", 11, 3)) == (1, None)


def test_a_share_close_to_0_or_1_has_an_interval_that_a_number_can_hold() -> None:
    curve = Lifetimes({"won": Histogram({1: 1}), "lost": Histogram({2: 999_999})}).curve()

    assert curve.interval(1, 0.95) == pytest.approx((1, 1), abs=1e-4)
    assert curve.incidence_interval("won", 2, 0.95) == pytest.approx((0, 0), abs=1e-5)
