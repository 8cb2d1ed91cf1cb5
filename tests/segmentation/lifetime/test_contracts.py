"""Models of contracts: the published tables, laws, and bad input."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import hyp2f1

from crmkit.errors import InvalidInput
from crmkit.segmentation.lifetime import BetaDiscreteWeibull, ShiftedBetaGeometric, survivors_summary
from crmkit.segmentation.lifetime.models.contracts import _contracts, _likelihood
from tests.examples import few
from tests.segmentation.lifetime.laws import check_gradient, check_summit, parameters

HIGH_END = [1000, 869, 743, 653, 593, 551, 517, 491]
REGULAR = [1000, 631, 468, 382, 326, 289, 262, 241]
PUBLISHED_HIGH_END = ShiftedBetaGeometric(alpha=0.668, beta=3.806)
PUBLISHED_REGULAR = ShiftedBetaGeometric(alpha=0.704, beta=1.182)


@pytest.mark.parametrize(
    ("survivors", "fit", "log_likelihood", "after_twelve"),
    [
        (HIGH_END, [0.66808837, 3.80609513], -1611.158147, 0.37800),
        (REGULAR, [0.70407728, 1.18204297], -1680.265188, 0.17004),
    ],
)
def test_the_published_cohorts(
    survivors: Sequence[int], fit: list[float], log_likelihood: float, after_twelve: float
) -> None:
    found = ShiftedBetaGeometric.fit(survivors_summary(survivors))

    assert [found.alpha, found.beta] == pytest.approx(fit, rel=2e-7)
    assert found.log_likelihood == pytest.approx(log_likelihood, abs=1e-6)
    assert found.survival(12) == pytest.approx(after_twelve, abs=6e-6)
    assert (found.customers, found.warnings) == (1000, ())


def test_the_retention_of_the_high_end_rises() -> None:
    found = ShiftedBetaGeometric.fit(survivors_summary(HIGH_END))

    assert found.retention(1) == pytest.approx(0.85068, abs=5e-6)
    assert found.retention(8) == pytest.approx(0.94177, abs=5e-6)


def test_the_losses_of_the_high_end_as_computed_elsewhere(published: Path) -> None:
    lost = pl.read_csv(published / "sbg" / "highend_losses_of_1000.csv")["customers_lost"].to_list()
    survivors = [1000 - sum(lost[:renewals]) for renewals in range(len(lost) + 1)]
    expected = json.loads((published / "expected" / "sbg_highend.json").read_text())
    found = ShiftedBetaGeometric.fit(survivors_summary(survivors))

    assert survivors == HIGH_END
    assert found.alpha == pytest.approx(expected["sbg_mle"]["alpha"], rel=2e-7)
    assert found.beta == pytest.approx(expected["sbg_mle"]["beta"], rel=2e-7)
    assert found.log_likelihood == pytest.approx(expected["sbg_mle"]["loglik"], abs=1e-6)
    curve = [found.survival(renewals) for renewals in range(1, 13)]
    assert curve == pytest.approx(list(expected["sbg_survival_1_12"].values()), abs=2e-8)


@pytest.mark.parametrize(
    ("survivors", "fit", "log_likelihood"),
    [
        (HIGH_END, [0.21425, 1.42657, 1.72356], -1605.3142),
        (REGULAR, [0.45561, 0.77933, 1.28345], -1679.6028),
    ],
)
def test_the_published_cohorts_where_the_chance_to_leave_changes(
    survivors: Sequence[int], fit: list[float], log_likelihood: float
) -> None:
    found = BetaDiscreteWeibull.fit(survivors_summary(survivors))

    assert [found.alpha, found.beta, found.shape] == pytest.approx(fit, abs=6e-6)
    assert found.log_likelihood == pytest.approx(log_likelihood, abs=5e-5)


@pytest.mark.parametrize(
    ("model", "residual", "new"),
    [
        (PUBLISHED_HIGH_END, [5.4149, 5.9018, 6.2943, 6.6203], 5.922596),
        (PUBLISHED_REGULAR, [2.9647, 4.1035, 4.8701, 5.4424], 3.695148),
    ],
)
def test_published_lifetimes_at_ten_percent(model: ShiftedBetaGeometric, residual: list[float], new: float) -> None:
    found = [model.expected_residual_lifetime(renewals, discount=0.1) for renewals in range(4)]

    assert found == pytest.approx(residual, abs=5e-5)
    assert model.expected_lifetime(discount=0.1) == pytest.approx(new, abs=1e-6)


@few
@given(parameters, parameters, st.integers(0, 20), st.floats(0.02, 1))
def test_the_sum_is_the_published_closed_form(alpha: float, beta: float, renewals: int, discount: float) -> None:
    model = ShiftedBetaGeometric(alpha=alpha, beta=beta)
    n = renewals + 1
    closed = (beta + n - 1) / (alpha + beta + n - 1) * hyp2f1(1, beta + n, alpha + beta + n, 1 / (1 + discount))

    assert model.expected_residual_lifetime(renewals, discount=discount) == pytest.approx(closed, rel=1e-8)


@few
@given(parameters, parameters)
def test_a_shape_of_one_is_the_shifted_beta_geometric(alpha: float, beta: float) -> None:
    plain = ShiftedBetaGeometric(alpha=alpha, beta=beta)
    weibull = BetaDiscreteWeibull(alpha=alpha, beta=beta, shape=1)

    for renewals in (0, 1, 7):
        assert weibull.survival(renewals) == plain.survival(renewals)
        assert weibull.retention(renewals + 1) == plain.retention(renewals + 1)
    assert weibull.expected_lifetime(discount=0.1) == plain.expected_lifetime(discount=0.1)


@few
@given(parameters, parameters, st.floats(0.2, 3))
def test_fewer_and_fewer_stay_and_discounts_only_take(alpha: float, beta: float, shape: float) -> None:
    model = BetaDiscreteWeibull(alpha=alpha, beta=beta, shape=shape)
    curve = [model.survival(renewals) for renewals in range(12)]
    worth = [model.expected_residual_lifetime(2, discount=discount) for discount in (0.05, 0.1, 0.2)]

    assert curve[0] == 1
    assert curve == sorted(curve, reverse=True)
    assert min(curve) >= 0
    assert worth == sorted(worth, reverse=True)
    ten = model.expected_residual_lifetime(2, discount=0, horizon=10)
    assert ten == pytest.approx(sum(model.survival(n) for n in range(3, 13)) / model.survival(2))
    assert model.expected_residual_lifetime(2, discount=0.1, horizon=0) == 0


def test_a_month_is_discounted_by_a_twelfth_of_a_year() -> None:
    yearly = PUBLISHED_REGULAR.expected_residual_lifetime(0, discount=1.1**12 - 1, unit="month")

    assert yearly == pytest.approx(PUBLISHED_REGULAR.expected_residual_lifetime(0, discount=0.1))


def test_cohorts_of_several_ages_are_learned_from_together() -> None:
    rows = pl.concat([survivors_summary(HIGH_END), survivors_summary(HIGH_END[:3])])
    each = rows.select(pl.col("renewals", "ended").repeat_by("customers").explode())
    subscriptions = each.select(renewal_count="renewals", ended=pl.col("ended").cast(pl.Int8)).to_pandas()

    for model in (ShiftedBetaGeometric, BetaDiscreteWeibull):
        found = model.fit(rows)
        assert found.customers == 2000
        assert model.fit(subscriptions, columns={"renewals": "renewal_count"}) == found
        assert model.fit(rows.reverse()) == found


@few
@given(st.data(), parameters, parameters, st.floats(0.2, 3))
def test_the_gradient_is_that_of_the_likelihood(data: st.DataObject, alpha: float, beta: float, shape: float) -> None:
    left = data.draw(st.lists(st.integers(0, 50), min_size=1, max_size=6).filter(any))
    survivors = [sum(left[renewals:]) + 10 for renewals in range(len(left) + 1)]
    observed = _contracts(survivors_summary(survivors), None)

    check_gradient(_likelihood(observed, shape=1), [alpha, beta])
    check_gradient(_likelihood(observed), [alpha, beta, shape])


def test_a_fit_is_a_summit() -> None:
    observed = _contracts(survivors_summary(REGULAR), None)
    plain = ShiftedBetaGeometric.fit(survivors_summary(REGULAR))
    weibull = BetaDiscreteWeibull.fit(survivors_summary(REGULAR))

    check_summit(_likelihood(observed, shape=1), [plain.alpha, plain.beta])
    check_summit(_likelihood(observed), [weibull.alpha, weibull.beta, weibull.shape])


def test_where_all_leave_alike_a_fit_says_that_there_is_no_summit() -> None:
    found = ShiftedBetaGeometric.fit(survivors_summary([1024, 512, 256, 128]))

    assert found.standard_errors is None
    assert "the likelihood has no summit" in found.warnings[0]
    assert found.survival(5) == pytest.approx(1 / 32, rel=1e-3)


@pytest.mark.parametrize("survivors", [[], [10], [10, 11], [10, -1], [10.0, 5.0]])
def test_survivors_that_grow_or_are_no_numbers_are_refused(survivors: Any) -> None:
    with pytest.raises(InvalidInput, match="survivors must be at least two whole numbers"):
        survivors_summary(survivors)


@pytest.mark.parametrize(
    ("contracts", "complaint"),
    [
        ({"renewals": [-1], "ended": [True]}, "'renewals' is no whole number from 0, for 1 customers"),
        ({"renewals": [0.5], "ended": [True]}, "'renewals' is no whole number from 0"),
        ({"renewals": [1], "ended": [2]}, "'ended' is neither true nor false"),
        ({"renewals": [1], "ended": ["yes"]}, "column 'ended' is String; give numbers"),
        ({"renewals": [1], "ended": [False]}, "no contract has ended"),
        ({"renewals": [1]}, "no column 'ended'"),
        ({"renewals": [1, 2], "ended": [True, None]}, "column 'ended' has no finite number, for 1 customers"),
    ],
)
def test_contracts_that_make_no_sense_are_refused(contracts: dict[str, list[Any]], complaint: str) -> None:
    with pytest.raises(InvalidInput, match=complaint):
        ShiftedBetaGeometric.fit(pl.DataFrame(contracts))


def test_other_things_that_make_no_sense_are_refused() -> None:
    model = PUBLISHED_HIGH_END
    with pytest.raises(InvalidInput, match="the discount is so small that the sum has no end; give a horizon as well"):
        model.expected_residual_lifetime(0, discount=0)
    with pytest.raises(InvalidInput, match=r"discount=-0.1 is no length of time|discount=-0.1 is no rate"):
        model.expected_lifetime(discount=-0.1)
    with pytest.raises(InvalidInput, match="renewals=-1 is out of range"):
        model.survival(-1)
    with pytest.raises(InvalidInput, match="renewal=0 is out of range; give a whole number from 1"):
        model.retention(0)
    with pytest.raises(InvalidInput, match="unit='weeks' is not a unit of time"):
        model.expected_lifetime(discount=0.1, unit="weeks")
    with pytest.raises(InvalidInput, match="BetaDiscreteWeibull: shape=inf is no number above 0"):
        BetaDiscreteWeibull(alpha=1, beta=1, shape=np.inf)


@pytest.mark.parametrize("model", [ShiftedBetaGeometric, BetaDiscreteWeibull])
@pytest.mark.parametrize(
    "survivors",
    [
        [1, 0],
        [10, 0],
        [10, 9],
        [10**9, 10**9 - 1],
        [3, 2, 1, 0],
        [7, 7, 7, 7, 0],
        [5, 5, 5, 4],
        [1000, 500, 500, 500, 0],
    ],
)
def test_extreme_cohorts_have_finite_fits(model: Any, survivors: list[int]) -> None:
    found = model.fit(survivors_summary(survivors))

    assert np.isfinite(found.log_likelihood)
    assert found.standard_errors is None
    assert 0 <= found.survival(3) <= found.survival(1) <= 1
    assert np.isfinite(found.expected_lifetime(discount=0.1))
