"""What holds of every likelihood."""

from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import strategies as st

Likelihood = Callable[[Any], tuple[float, Any]]

parameters = st.floats(-2.5, 2.5).map(lambda power: 10.0**power)


@st.composite
def histories(draw: st.DrawFn) -> pl.DataFrame:
    """A summary of some customers, of whom at least one came back."""
    frequencies = [draw(st.integers(1, 40)), *draw(st.lists(st.integers(0, 5), max_size=6))]
    ages = [draw(st.integers(1, 80)) / 7 for _ in frequencies]
    shares = [draw(st.sampled_from([0.1, 0.5, 0.9, 1.0])) if times else 0.0 for times in frequencies]
    recencies = [age * share for age, share in zip(ages, shares, strict=True)]
    return pl.DataFrame({"frequency": frequencies, "recency": recencies, "age": ages})


def check_gradient(likelihood: Likelihood, place: list[float]) -> None:
    """The gradient is what the differences of the likelihood say."""
    found = likelihood(np.array(place))[1]
    for number, value in enumerate(place):
        step = np.zeros(len(place))
        step[number] = 1e-5 * value
        above, below = (likelihood(np.array(place) + side * step)[0] for side in (1, -1))
        slope = (above - below) / (2 * step[number])
        noise = 1e-9 * abs(above) / (2 * step[number]) * 1e-3
        assert found[number] == pytest.approx(slope, rel=1e-4, abs=1e-4 * max(1, abs(above)) + noise)


def check_summit(likelihood: Likelihood, place: list[float]) -> None:
    """No parameters near those of a fit are likelier."""
    height = likelihood(np.array(place))[0]
    for number in range(len(place)):
        for factor in (0.99, 0.9999, 1.0001, 1.01):
            other = np.array(place)
            other[number] *= factor
            assert likelihood(other)[0] < height
