"""Gamma-gamma: published fits and figures, laws, and what has no mean."""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmkit.errors import InvalidInput
from crmkit.segmentation.lifetime import GammaGamma
from crmkit.segmentation.lifetime.models.gamma_gamma import _likelihood
from tests.examples import few
from tests.segmentation.lifetime.cdnow import NAMES, rounded
from tests.segmentation.lifetime.laws import check_gradient, check_summit, parameters

PUBLISHED = GammaGamma(p=6.25, q=3.74, v=15.44)


def values(model: GammaGamma) -> list[float]:
    return [model.p, model.q, model.v]


def test_cdnow_by_exact_values(cdnow: pl.DataFrame) -> None:
    found = GammaGamma.fit(cdnow)

    assert values(found) == pytest.approx([6.24957063, 3.74422497, 15.44352656], rel=1e-6)
    assert found.log_likelihood == pytest.approx(-4055.917695, abs=1e-6)
    assert (found.customers, found.warnings) == (946, ())


def test_cdnow_rounded(published: Path) -> None:
    found = GammaGamma.fit(rounded(published), columns=NAMES)
    elsewhere = json.loads((published / "expected" / "cdnow.json").read_text())["gammagamma_mle"]

    assert values(found) == pytest.approx([6.24880293, 3.74458842, 15.44774659], rel=1e-6)
    assert values(found) == pytest.approx([elsewhere[name] for name in ("p", "q", "v")], rel=1e-6)
    assert found.log_likelihood == pytest.approx(-4055.923244, abs=1e-6)
    assert found.mean_value == pytest.approx(35.1710, abs=5e-5)


def test_what_the_first_customers_of_cdnow_will_spend(cdnow: pl.DataFrame) -> None:
    ten = cdnow.head(10)
    found = PUBLISHED.expected_value(ten["frequency"], ten["value"])

    assert found == pytest.approx([24.65, 18.91, 35.17, 35.17, 35.17, 71.46, 18.91, 35.17, 27.28, 35.17], abs=0.1)


@few
@given(parameters, st.floats(1.01, 100), parameters, st.floats(0.01, 1000))
def test_the_expectation_lies_between_the_own_mean_and_that_of_all(p: float, q: float, v: float, value: float) -> None:
    model = GammaGamma(p=p, q=q, v=v)
    assert model.mean_value is not None
    low, high = sorted([value, model.mean_value])
    for frequency in (1, 5, 50):
        assert low * (1 - 1e-9) <= model.expected_value(frequency, value) <= high * (1 + 1e-9)
    nearer = [abs(model.expected_value(frequency, value) - value) for frequency in (0, 1, 5, 50)]
    assert nearer == pytest.approx(sorted(nearer, reverse=True))


def test_where_the_model_has_no_mean_there_is_none() -> None:
    model = GammaGamma(p=0.5, q=0.8, v=10)

    assert model.mean_value is None
    assert model.expected_value(0, None) is None
    assert np.isnan(model.expected_value([0, 3], [0, 20.0])).tolist() == [True, False]
    assert model.expected_value(3, 20.0) == pytest.approx(0.5 * (10 + 60) / 1.3)


def test_who_gave_all_back_counts_as_one_who_spent_nothing() -> None:
    assert PUBLISHED.expected_value(2, -5) == PUBLISHED.expected_value(2, 0) < PUBLISHED.expected_value(2, 1)


def test_the_value_of_who_never_came_back_does_not_count() -> None:
    assert PUBLISHED.expected_value([0, 0], [float("nan"), -5]) == pytest.approx([PUBLISHED.mean_value] * 2)


def test_customers_who_spent_nothing_are_left_out_and_counted(cdnow: pl.DataFrame) -> None:
    worthless = pl.DataFrame({"frequency": [2, 1, 0], "value": [0.0, -3.0, None]})
    more = pl.concat([cdnow.select("frequency", "value"), worthless])
    found = GammaGamma.fit(more)

    assert values(found) == values(GammaGamma.fit(cdnow))
    assert found.warnings == ("2 customers were left out, whose purchases were not worth more than 0",)


def test_a_unit_of_money_scales_v_alone(cdnow: pl.DataFrame) -> None:
    dollars = GammaGamma.fit(cdnow)
    cents = GammaGamma.fit(cdnow.with_columns(pl.col("value") * 100))

    assert values(cents) == pytest.approx([dollars.p, dollars.q, dollars.v * 100], rel=1e-6)


@few
@given(
    st.lists(st.tuples(st.integers(1, 30), st.floats(0.5, 500)), min_size=1, max_size=6),
    parameters,
    parameters,
    parameters,
)
def test_the_gradient_is_that_of_the_likelihood(bought: list[tuple[int, float]], p: float, q: float, v: float) -> None:
    x, z = (np.array(column, dtype=float) for column in zip(*bought, strict=True))
    check_gradient(_likelihood(x, z, np.ones(x.size)), [p, q, v])


def test_a_fit_is_a_summit_in_any_order(cdnow: pl.DataFrame) -> None:
    found = GammaGamma.fit(cdnow)
    repeaters = cdnow.filter(pl.col("frequency") > 0)
    x, z = (repeaters[name].cast(pl.Float64).to_numpy() for name in ("frequency", "value"))

    check_summit(_likelihood(x, z, np.ones(x.size)), values(found))
    assert GammaGamma.fit(cdnow.reverse()) == found


def test_what_makes_no_sense_is_refused() -> None:
    with pytest.raises(InvalidInput, match="nobody in the summary came back and spent"):
        GammaGamma.fit(pl.DataFrame({"frequency": [0, 1], "value": [None, 0.0]}))
    with pytest.raises(InvalidInput, match="column 'value' has no finite number, for 1 customers"):
        GammaGamma.fit(pl.DataFrame({"frequency": [1, 1], "value": [None, 5.0]}))
    with pytest.raises(InvalidInput, match="'frequency' is below 0 or empty"):
        PUBLISHED.expected_value(-1, 5)
    with pytest.raises(InvalidInput, match="'value' is empty where 'frequency' is above 0"):
        PUBLISHED.expected_value(1, None)
    with pytest.raises(InvalidInput, match="must be numbers"):
        PUBLISHED.expected_value(1, "five")
