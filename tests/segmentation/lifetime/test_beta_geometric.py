"""BG/NBD and MBG/NBD: published fits and figures, laws, and extremes."""

import json
import math
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmkit.errors import InvalidInput
from crmkit.segmentation.lifetime import BgNbd, MbgNbd
from crmkit.segmentation.lifetime.models.beta_geometric import _likelihood
from crmkit.segmentation.lifetime.models.summaries import PURCHASES, compressed
from tests.examples import few
from tests.segmentation.lifetime.cdnow import NAMES, rounded
from tests.segmentation.lifetime.laws import check_gradient, check_summit, histories, parameters

PUBLISHED = BgNbd(r=0.243, alpha=4.414, a=0.793, b=2.426)
places = st.lists(parameters, min_size=4, max_size=4)
BOTH = pytest.mark.parametrize(("model", "first"), [(BgNbd, 0), (MbgNbd, 1)])


def values(model: BgNbd | MbgNbd) -> list[float]:
    return [model.r, model.alpha, model.a, model.b]


@pytest.mark.parametrize(
    ("model", "fit", "log_likelihood"),
    [
        (BgNbd, [0.24259452, 4.41360197, 0.79292200, 2.42590672], -9582.429207),
        (MbgNbd, [0.52484316, 6.18308547, 0.89135939, 1.61400223], -9582.135716),
    ],
)
def test_cdnow_by_exact_days(model: Any, fit: list[float], log_likelihood: float, cdnow: pl.DataFrame) -> None:
    found = model.fit(cdnow)

    assert values(found) == pytest.approx(fit, rel=1e-7)
    assert found.log_likelihood == pytest.approx(log_likelihood, abs=1e-6)
    assert found.customers == 2357
    assert found.warnings == ()


@pytest.mark.parametrize(
    ("model", "fit", "log_likelihood"),
    [
        (BgNbd, [0.24259291, 4.41353193, 0.79288626, 2.4257538], -9582.425561),
        (MbgNbd, [0.52483797, 6.18299187, 0.89135608, 1.61399916], -9582.132685),
    ],
)
def test_cdnow_rounded(model: Any, fit: list[float], log_likelihood: float, published: Path) -> None:
    found = model.fit(rounded(published), columns=NAMES)

    assert values(found) == pytest.approx(fit, rel=5e-7)
    assert found.log_likelihood == pytest.approx(log_likelihood, abs=1e-6)


def test_cdnow_as_computed_elsewhere(published: Path) -> None:
    expected = json.loads((published / "expected" / "cdnow.json").read_text())["bgnbd_mle_on_lifetimes_summary"]
    found = BgNbd.fit(rounded(published), columns=NAMES)

    assert values(found) == pytest.approx([expected[name] for name in ("r", "alpha", "a", "b")], rel=5e-7)
    assert found.log_likelihood == pytest.approx(expected["loglik"], abs=1e-6)
    next_year = found.expected_purchases(frequency=2, recency=30.43, age=38.86, periods=39)
    assert next_year == pytest.approx(expected["E[Y(39)|x=2,tx=30.43,T=38.86]"], rel=1e-6)


def test_standard_errors_are_of_the_parameters_themselves(cdnow: pl.DataFrame) -> None:
    errors = BgNbd.fit(cdnow).standard_errors or {}

    assert errors == pytest.approx({"r": 0.012557, "alpha": 0.378224, "a": 0.185734, "b": 0.705414}, abs=6e-7)
    assert errors["alpha"] / 4.4136 == pytest.approx(0.0857, abs=5e-5)  # what is printed elsewhere: of the logarithm


def test_the_likelihood_of_one_customer() -> None:
    """Its parts as published: the sum of the first two and the logarithm of the sum of the others' powers."""
    ann = pl.DataFrame({"frequency": [2], "recency": [30.43], "age": [38.86]})
    found = _likelihood(compressed(ann, PURCHASES), first=0)(np.array(values(PUBLISHED)))[0]

    assert found == pytest.approx(-9.45861, abs=5e-6)
    assert found == pytest.approx(-0.83636 - 0.49103 + math.log(math.exp(-8.45062) + math.exp(-9.42795)), abs=2e-5)


@pytest.mark.parametrize(
    ("history", "alive", "purchases"),
    [((2, 30.43, 38.86), 0.726579, 1.226028), ((0, 0, 38.86), 1.0, 0.195098), ((7, 29.43, 38.86), 0.641756, 3.337053)],
)
def test_published_predictions(history: tuple[float, ...], alive: float, purchases: float) -> None:
    assert PUBLISHED.probability_alive(*history) == pytest.approx(alive, abs=5e-7)
    assert PUBLISHED.expected_purchases(*history, periods=39) == pytest.approx(purchases, abs=5e-7)


def test_published_predictions_for_a_new_customer(cdnow: pl.DataFrame) -> None:
    fitted = BgNbd.fit(cdnow)
    found = [fitted.expected_purchases_of_new(periods) for periods in (0.1429, 1, 3, 31.8571, 32, 78)]

    assert found == pytest.approx([0.0078, 0.0532, 0.1506, 1.0405, 1.0437, 1.8576], rel=2e-4, abs=5e-5)
    assert PUBLISHED.probability_of_purchases(10, periods=2) == pytest.approx(1.07869e-7, rel=5e-6)
    assert PUBLISHED.probability_of_purchases(0, periods=39) == pytest.approx(0.5737864, abs=5e-8)


def test_the_published_spread_of_being_alive(cdnow: pl.DataFrame) -> None:
    alive = BgNbd.fit(cdnow).probability_alive(cdnow["frequency"], cdnow["recency"], cdnow["age"])

    assert np.quantile(alive, [0, 0.25, 0.5, 0.75, 1]) == pytest.approx([0, 0.6604, 1, 1, 1], abs=1e-4)
    assert alive.mean() == pytest.approx(0.8134, abs=5e-5)


def test_where_the_logarithm_of_the_published_formula_has_no_value() -> None:
    model = BgNbd(r=0.11, alpha=2.24, a=0.31, b=0.50)

    assert model.expected_purchases(0, 0, 1, periods=30) == pytest.approx(0.5645886, abs=5e-8)


def purchases_ahead(model: BgNbd | MbgNbd, frequency: int, age: float, periods: float, k: int) -> float:
    """The n-th purchase to come is made if there is time for it and the customer has not left after one of those before."""
    share = periods / (model.alpha + age + periods)
    shape = model.r + frequency
    none_yet, total, staying, n = (1 - share) ** shape, 0.0, 1.0, 0
    fewer = none_yet
    while n < 20_000 and 1 - fewer > 1e-15:
        total += (1 - fewer) * staying
        staying *= (model.b + k + n) / (model.a + model.b + k + n)
        n += 1
        none_yet *= (shape + n - 1) / n * share
        fewer += none_yet
    return total


@BOTH
@few
@given(places)
def test_predictions_are_what_they_mean(model: Any, first: int, place: list[float]) -> None:
    r, alpha, a, b = place
    made = model(r=r, alpha=alpha, a=a, b=b)
    for frequency, age, periods in ((0, 3.0, 5.0), (1, 10.0, 1.0), (4, 20.0, 20.0)):
        history = (frequency, age * 0.75 if frequency else 0.0, age)
        k = frequency + first
        waited = ((alpha + age) / (alpha + history[1])) ** (r + frequency)
        alive = 1 / (1 + (a / (b + k - 1) * waited if k else 0))
        expected = alive * purchases_ahead(made, frequency, age, periods, k)

        assert made.probability_alive(*history) == pytest.approx(alive, rel=1e-9)
        assert made.expected_purchases(*history, periods=periods) == pytest.approx(expected, rel=1e-6, abs=1e-12)


@BOTH
@few
@given(places)
def test_numbers_of_purchases_have_probabilities(model: Any, first: int, place: list[float]) -> None:
    r, alpha, a, b = place
    made = model(r=r, alpha=alpha, a=a, b=b)
    each = [made.probability_of_purchases(n, periods=alpha / 2) for n in range(60)]
    none = [made.probability_of_purchases(0, periods=alpha * share) for share in (0, 0.5, 1, 2)]

    assert all(0 <= one <= 1 for one in each)
    assert sum(each) <= 1 + 1e-9
    if r < 3:
        expected = made.expected_purchases_of_new(alpha / 2)
        assert sum(each) == pytest.approx(1)
        assert sum(n * one for n, one in enumerate(each)) == pytest.approx(expected, rel=1e-6)
    assert none == sorted(none, reverse=True)
    assert none[0] == pytest.approx(1)


@BOTH
def test_at_a_horizon_of_nothing_nothing_is_bought(model: Any, first: int) -> None:
    made = model(r=0.243, alpha=4.414, a=0.793, b=2.426)

    assert made.expected_purchases([0, 2, 7], [0, 30.43, 29.43], [38.86] * 3, periods=0).tolist() == [0, 0, 0]


@BOTH
def test_near_a_of_one_nothing_jumps(model: Any, first: int) -> None:
    found = [
        model(r=0.5, alpha=5, a=a, b=2).expected_purchases([0, 3], [0, 8], [10, 10], periods=20)
        for a in (1 - 1e-4, 1 - 1e-9, 1, 1 + 1e-9, 1 + 1e-4)
    ]

    assert np.ptp(found, axis=0) == pytest.approx(0, abs=1e-3)
    assert np.ptp(found[1:4], axis=0) == pytest.approx(0, abs=1e-8)


def test_where_a_and_b_add_up_to_one_nothing_jumps() -> None:
    found = [
        BgNbd(r=0.5, alpha=5, a=0.25, b=b).expected_purchases(0, 0, 10, periods=20) for b in (0.7499, 0.75, 0.7501)
    ]

    assert found[1] == pytest.approx((found[0] + found[2]) / 2, rel=1e-6)


@BOTH
def test_extremes_are_finite(model: Any, first: int) -> None:
    frequent = ([221, 254, 161, 204], [103.42857, 97.14286, 94.71429, 98.57143], [103.57143, 97.28571, 98, 99.42857])
    rare = ([0, 0, 1, 1, 9000], [0, 0, 1e-3, 999, 9000], [0, 1e4, 1e4, 1e4, 9000])
    for size, shape, a, b in product((1e-3, 1.0, 1e3), repeat=4):
        made = model(r=shape, alpha=size, a=a, b=b)
        for histories_ in (frequent, rare):
            alive = made.probability_alive(*histories_)
            assert ((alive >= 0) & (alive <= 1)).all()
            for periods in (1e-6, 52, 1e4):
                ahead = made.expected_purchases(*histories_, periods=periods)
                steady = (shape + np.array(histories_[0])) * periods / (size + np.array(histories_[2]))
                assert (ahead >= 0).all()
                assert (ahead <= steady * (1 + 1e-6)).all()


@BOTH
@few
@given(histories(), places)
def test_the_gradient_is_that_of_the_likelihood(
    model: Any, first: int, summary: pl.DataFrame, place: list[float]
) -> None:
    check_gradient(_likelihood(compressed(summary, PURCHASES), first), place)


@BOTH
def test_a_fit_is_a_summit(model: Any, first: int, cdnow: pl.DataFrame) -> None:
    check_summit(_likelihood(compressed(cdnow, PURCHASES), first), values(model.fit(cdnow)))


@BOTH
def test_row_order_does_not_matter(model: Any, first: int, cdnow: pl.DataFrame) -> None:
    found = model.fit(cdnow)

    assert model.fit(cdnow.reverse()) == found
    assert model.fit(cdnow.sample(fraction=1, shuffle=True, seed=7)) == found


def test_a_unit_of_time_scales_alpha_alone(cdnow: pl.DataFrame) -> None:
    weeks = BgNbd.fit(cdnow)
    days = BgNbd.fit(cdnow.with_columns(pl.col("recency", "age") * 7))

    assert values(days) == pytest.approx([weeks.r, weeks.alpha * 7, weeks.a, weeks.b], rel=1e-7)
    assert days.log_likelihood == pytest.approx((weeks.log_likelihood or 0) - 2457 * math.log(7))


@BOTH
def test_where_nobody_leaves_a_fit_says_that_there_is_no_summit(model: Any, first: int) -> None:
    everybody = pl.DataFrame({"frequency": [3, 4, 5, 2], "recency": [30.0] * 4, "age": [30.0] * 4})
    found = model.fit(everybody)

    assert found.standard_errors is None
    assert "the likelihood has no summit" in found.warnings[0]
    assert np.isfinite(values(found)).all()
    assert found.expected_purchases(3, 30, 30, periods=30) == pytest.approx(3.5, rel=0.2)


def test_arrays_give_arrays_and_numbers_a_number() -> None:
    assert isinstance(PUBLISHED.probability_alive(2, 30.43, 38.86), float)
    assert PUBLISHED.probability_alive(pl.Series([2, 0]), [30.43, 0], 38.86).shape == (2,)


@pytest.mark.parametrize(
    ("summary", "complaint"),
    [
        (
            {"frequency": [1.5], "recency": [1.0], "age": [2.0]},
            "'frequency' is no whole number from 0, for 1 customers",
        ),
        ({"frequency": [-1], "recency": [1.0], "age": [2.0]}, "'frequency' is no whole number from 0"),
        ({"frequency": [1], "recency": [3.0], "age": [2.0]}, "'recency' does not lie from 0 to 'age', for 1 customers"),
        (
            {"frequency": [0, 1], "recency": [1.0, 1.0], "age": [2.0, 2.0]},
            "'recency' is above 0 where 'frequency' is 0",
        ),
        ({"frequency": [1], "recency": [0.0], "age": [0.0]}, "'age' is 0 where 'frequency' is above 0"),
        (
            {"frequency": [1, 1], "recency": [1.0, None], "age": [2.0, 2.0]},
            "column 'recency' has no finite number, for 1 customers",
        ),
        ({"frequency": [1], "recency": [float("nan")], "age": [2.0]}, "column 'recency' has no finite number"),
        ({"frequency": ["1"], "recency": [1.0], "age": [2.0]}, "column 'frequency' is String; give numbers"),
        ({"frequency": [1], "recency": [1.0], "T": [2.0]}, "no column 'age'; there are .* columns={'age': 'its name'}"),
        ({"frequency": [0], "recency": [0.0], "age": [2.0]}, "nobody in the summary came back"),
        ({"frequency": [], "recency": [], "age": []}, "nobody in the summary came back|give numbers"),
    ],
)
def test_a_summary_that_contradicts_itself_is_refused(summary: dict[str, list[Any]], complaint: str) -> None:
    with pytest.raises(InvalidInput, match=complaint):
        BgNbd.fit(pl.DataFrame(summary))


def test_other_things_that_make_no_sense_are_refused() -> None:
    with pytest.raises(InvalidInput, match="dict is no summary of customers"):
        BgNbd.fit({"frequency": [1]})
    with pytest.raises(InvalidInput, match="BgNbd: r=0 is no number above 0"):
        BgNbd(r=0, alpha=1, a=1, b=1)
    with pytest.raises(InvalidInput, match="'recency' does not lie from 0 to 'age'"):
        PUBLISHED.probability_alive(2, 40, 38.86)
    with pytest.raises(InvalidInput, match="must be numbers"):
        PUBLISHED.probability_alive("two", 30, 38.86)
    with pytest.raises(InvalidInput, match="periods=-1 is no length of time"):
        PUBLISHED.expected_purchases(2, 30.43, 38.86, periods=-1)
    with pytest.raises(InvalidInput, match="n=1.5 is out of range"):
        PUBLISHED.probability_of_purchases(1.5, periods=1)  # type: ignore[arg-type]
