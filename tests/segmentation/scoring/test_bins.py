"""Bins of numbers and words, and the weights of fields beside each other."""

import math
from fractions import Fraction
from typing import Any

import narwhals as nw
import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize

from crmkit.segmentation.scoring.bins import Bin, Counted, binned, mapped, monotone, place
from crmkit.segmentation.scoring.weights import Moments, discriminant, logistic
from tests.examples import few

drawn = st.dictionaries(st.integers(-20, 20).map(float), st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=1)
counts = drawn.map(lambda found: [Counted(value, hits + n or 1, hits) for value, (hits, n) in sorted(found.items())])


def bins_of(counted: list[Counted], bins: int = 4, least: int = 1) -> tuple[Bin, ...]:
    return binned(counted, "number", bins, least)


@given(counts, st.integers(1, 8), st.integers(1, 12))
def test_bins_of_numbers_have_every_row_once_in_order(counted: list[Counted], bins: int, least: int) -> None:
    found = bins_of(counted, bins, least)

    assert 1 <= len(found) <= bins
    assert sum(each.n for each in found) == sum(each.n for each in counted)
    assert sum(each.hits for each in found) == sum(each.hits for each in counted)
    assert found[0].above is None
    assert found[-1].upto is None
    assert [each.upto for each in found[:-1]] == [each.above for each in found[1:]]
    assert len(found) == 1 or min(each.n for each in found) >= least
    for at, each in enumerate(found):
        inside = [one for one in counted if place(found, "number", one.value) == at]
        assert (each.n, each.hits) == (sum(one.n for one in inside), sum(one.hits for one in inside))


def test_bins_are_of_equally_many_rows_and_equal_numbers_share_one() -> None:
    assert [each.n for each in bins_of([Counted(at, 1, 0) for at in range(100)], 10)] == [10] * 10
    assert [
        (each.upto, each.n) for each in bins_of([Counted(0, 60, 0), *(Counted(at, 1, 0) for at in range(1, 41))], 10)
    ] == [
        (0, 60),
        (10, 10),
        (20, 10),
        (30, 10),
        (None, 10),
    ]


def test_the_missing_value_is_the_last_bin_and_joins_none() -> None:
    found = binned([Counted(1.0, 50, 1), Counted(None, 1, 1)], "number", 4, 20)

    assert [each.is_missing for each in found] == [False, True]
    assert place(found, "number", None) == 1
    assert place(found[:1], "number", None) is None
    assert place(found[1:], "number", 1.0) is None


@given(counts, st.integers(1, 8))
@few
def test_an_expression_finds_the_bin_that_python_finds(counted: list[Counted], bins: int) -> None:
    found = bins_of([*counted, Counted(None, 3, 1)], bins)
    values: list[Any] = [None, -20.5, 20.5, *(each.value for each in counted)]
    frame = nw.from_native(pl.DataFrame({"x": values}, schema={"x": pl.Float64}))

    places = frame.select(at=mapped("x", found, "number", list(range(len(found))), -1))["at"].to_list()
    assert places == [place(found, "number", value) for value in values]


@given(counts)
def test_monotone_bins_only_rise_or_only_fall_and_lose_no_row(counted: list[Counted]) -> None:
    found = monotone(bins_of(counted, 8))
    rates = [Fraction(each.hits, each.n) for each in found]

    assert rates in (sorted(rates), sorted(rates, reverse=True))
    assert sum(each.n for each in found) == sum(each.n for each in counted)


@pytest.mark.parametrize(
    ("part", "label"),
    [
        (Bin(upto=2, n=1, hits=0), "up to 2"),
        (Bin(above=2, n=1, hits=0), "above 2"),
        (Bin(n=1, hits=0), "any number"),
        (Bin(is_missing=True, n=1, hits=0), "no value"),
    ],
)
def test_a_bin_is_called_as_people_call_it(part: Bin, label: str) -> None:
    assert part.label == label


def moments(rows: list[tuple[int, ...]]) -> Moments:
    size = len(rows[0])
    products = tuple(tuple(sum(row[i] * row[j] for row in rows) for j in range(size)) for i in range(size))
    return Moments(len(rows), tuple(sum(row[i] for row in rows) for i in range(size)), products)


_rows = st.lists(st.tuples(*[st.integers(-5, 5)] * 3), min_size=8, max_size=30)


@given(_rows, _rows)
def test_weights_are_those_of_fisher_within_their_bounds(
    came: list[tuple[int, ...]], stayed: list[tuple[int, ...]]
) -> None:
    most = 0.5
    found = np.array(discriminant(moments(came), moments(stayed), most))

    assert (found >= 0).all()
    assert (found <= most).all()
    one, other = np.array(came), np.array(stayed)
    gap = one.mean(0) - other.mean(0)
    n = len(one) + len(other)
    spread = (np.cov(one.T, bias=True) * len(one) + np.cov(other.T, bias=True) * len(other)) / n
    used = int(((gap != 0) | (np.diag(spread) > 1e-12)).sum())
    spread += np.diag((np.diag(spread) + gap**2 / 4) * used / n)
    slope = gap - spread @ found
    # Where a weight is free, nothing is gained by moving it.
    inner = (found > 1e-9) & (found < most - 1e-9)
    assert np.allclose(slope[inner], 0, atol=1e-6)


@given(st.lists(st.tuples(st.integers(1, 9), st.floats(0, 1)), min_size=2, max_size=8))
@few
def test_the_curve_is_the_likeliest(parts: list[tuple[int, float]]) -> None:
    histogram = [(at * 100, n, round(n * share)) for at, (n, share) in enumerate(parts)]
    start, slope = logistic(histogram, most=0.01)
    hits = sum(each[2] for each in histogram)
    misses = sum(each[1] for each in histogram) - hits
    data = np.array([(x, n, k * (hits + 1) / (hits + 2) + (n - k) / (misses + 2)) for x, n, k in histogram])

    def loss(place: Any) -> float:
        line = place[0] + place[1] / 100 * data[:, 0]
        return float((data[:, 1] * np.logaddexp(0, line) - data[:, 2] * line).sum())

    best = minimize(loss, [0.0, 0.0], bounds=[(None, None), (None, 1)])
    assert slope <= 0.01 * (1 + 1e-12)
    assert loss([start, slope * 100]) <= best.fun + 1e-6
    assert math.isfinite(start)
