"""Pareto/NBD: published fits and figures, laws, and extremes."""

import math
from itertools import product
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from scipy.special import hyp2f1

from crmkit.segmentation.lifetime import ParetoNbd
from crmkit.segmentation.lifetime.models.pareto import _likelihood
from crmkit.segmentation.lifetime.models.summaries import PURCHASES, compressed
from tests.examples import few
from tests.segmentation.lifetime.cdnow import NAMES, rounded
from tests.segmentation.lifetime.laws import check_gradient, check_summit, histories, parameters


def values(model: ParetoNbd) -> list[float]:
    return [model.r, model.alpha, model.s, model.beta]


def test_cdnow_by_exact_days(cdnow: pl.DataFrame) -> None:
    found = ParetoNbd.fit(cdnow)

    assert values(found) == pytest.approx([0.55327708, 10.57768391, 0.60623996, 11.66873411], rel=3e-7)
    assert found.log_likelihood == pytest.approx(-9594.976179, abs=1e-6)
    expected = {"r": 0.047628, "alpha": 0.842721, "s": 0.187277, "beta": 6.210968}
    assert found.standard_errors == pytest.approx(expected, rel=5e-5)


def test_cdnow_rounded(published: Path) -> None:
    found = ParetoNbd.fit(rounded(published), columns=NAMES)

    assert values(found) == pytest.approx([0.55327548, 10.57761108, 0.60621367, 11.66791226], rel=3e-7)
    assert found.log_likelihood == pytest.approx(-9594.973930, abs=1e-6)


def test_published_predictions() -> None:
    three_digits = ParetoNbd(r=0.553, alpha=10.578, s=0.606, beta=11.669)
    four_digits = ParetoNbd(r=0.5534, alpha=10.5802, s=0.6061, beta=11.6562)

    assert three_digits.probability_alive(2, 30.43, 38.86) == pytest.approx(0.869168, abs=5e-7)
    assert three_digits.expected_purchases(2, 30.43, 38.86, periods=39) == pytest.approx(1.455123, abs=5e-7)
    assert four_digits.probability_alive(26, 30.86, 31) == pytest.approx(0.997918, abs=5e-7)
    assert four_digits.expected_purchases(26, 30.86, 31, periods=52) == pytest.approx(25.4549, abs=5e-5)
    assert four_digits.expected_purchases_of_new(52) == pytest.approx(1.473, abs=5e-4)


def published_likelihood(place: list[float], frequency: int, recency: float, age: float) -> float:
    r, alpha, s, beta = place
    shape = r + s + frequency
    larger, other = (alpha, s + 1) if alpha >= beta else (beta, r + frequency)

    def part(time: float) -> float:
        value = float(hyp2f1(shape, other, shape + 1, abs(alpha - beta) / (larger + time)))
        return value * math.exp(-shape * math.log(larger + time))

    stayed = (alpha + age) ** -(r + frequency) * (beta + age) ** -s
    left = s / shape * (part(recency) - part(age))
    constant = math.lgamma(r + frequency) - math.lgamma(r) + r * math.log(alpha) + s * math.log(beta)
    return constant + math.log(stayed + left)


@pytest.mark.parametrize("place", [[0.55, 10.6, 0.61, 11.7], [1.2, 20.0, 0.4, 3.0], [0.3, 2.0, 2.0, 30.0]])
@pytest.mark.parametrize("history", [(0, 0.0, 30.0), (1, 5.0, 30.0), (6, 20.0, 25.0), (20, 39.9, 40.0)])
def test_the_integral_is_the_published_formula(place: list[float], history: tuple[int, float, float]) -> None:
    summary = pl.DataFrame([history], schema=list(PURCHASES), orient="row")
    found = _likelihood(compressed(summary, PURCHASES))(np.array(place))[0]

    assert found == pytest.approx(published_likelihood(place, *history), rel=1e-11)


def test_extremes_are_finite() -> None:
    frequent = ([221, 254, 161, 204], [103.42857, 97.14286, 94.71429, 98.57143], [103.57143, 97.28571, 98, 99.42857])
    rare = ([0, 0, 1, 1, 9000], [0, 0, 1e-3, 999, 9000], [0, 1e4, 1e4, 1e4, 9000])
    found = ParetoNbd(r=0.5143, alpha=2.8845, s=0.2856, beta=14.1087).probability_alive(*frequent)
    assert found == pytest.approx([0.99959605, 0.99955823, 0.74948775, 0.99425508], abs=5e-9)
    for place in product((1e-3, 1.0, 1e3), repeat=4):
        made = ParetoNbd(r=place[0], alpha=place[1], s=place[2], beta=place[3])
        for histories_ in (frequent, rare):
            alive = made.probability_alive(*histories_)
            assert ((alive >= 0) & (alive <= 1)).all()
            for periods in (1e-6, 52, 1e4):
                ahead = made.expected_purchases(*histories_, periods=periods)
                steady = (place[0] + np.array(histories_[0])) * periods / (place[1] + np.array(histories_[2]))
                assert ((ahead >= 0) & (ahead <= steady * (1 + 1e-9))).all()


def test_the_integral_is_right_where_the_likelihood_falls_steeply() -> None:
    """Against the same integral in steps so small that a plain sum will do."""
    frequency, recency, age = 161, 10.0, 98.0
    for r, alpha, s, beta in ((0.5, 2.9, 0.3, 14.0), (2.0, 50.0, 3.0, 0.1), (0.01, 0.5, 5.0, 80.0)):
        at = np.geomspace(recency, age, 400_001)
        density = np.exp(
            -(r + frequency) * (np.log(alpha + at) - math.log(alpha + recency))
            - (s + 1) * (np.log(beta + at) - math.log(beta + recency))
        )
        left = s * np.trapezoid(density, at) / (beta + recency)
        stayed = ((alpha + recency) / (alpha + age)) ** (r + frequency) * ((beta + recency) / (beta + age)) ** s
        found = ParetoNbd(r=r, alpha=alpha, s=s, beta=beta).probability_alive(frequency, recency, age)

        assert found == pytest.approx(stayed / (stayed + left), rel=1e-6)


def test_where_s_is_one_nothing_jumps() -> None:
    found = [
        ParetoNbd(r=0.5, alpha=10, s=s, beta=12).expected_purchases(3, 20, 30, periods=40)
        for s in (1 - 1e-7, 1.0, 1 + 1e-7)
    ]

    assert found[1] == pytest.approx((found[0] + found[2]) / 2, rel=1e-9)


@few
@given(histories(), parameters, parameters, parameters, parameters)
def test_the_gradient_is_that_of_the_likelihood(
    summary: pl.DataFrame, r: float, alpha: float, s: float, beta: float
) -> None:
    check_gradient(_likelihood(compressed(summary, PURCHASES)), [r, alpha, s, beta])


def test_a_fit_is_a_summit_in_any_order(cdnow: pl.DataFrame) -> None:
    found = ParetoNbd.fit(cdnow)

    check_summit(_likelihood(compressed(cdnow, PURCHASES)), values(found))
    assert ParetoNbd.fit(cdnow.reverse()) == found
