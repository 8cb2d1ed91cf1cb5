"""Whether to believe a score: the area, its interval, and what was expected against what came."""

from fractions import Fraction
from itertools import product
from statistics import NormalDist, variance
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmkit.errors import InvalidInput
from crmkit.segmentation import Scorecard
from crmkit.segmentation.scoring.quality import Histogram, Quality, auc, make_quality, parts
from crmkit.stats.intervals import proportion
from tests.segmentation.scoring.prospects import ASKED, FIELDS, prospects

histograms = st.dictionaries(st.integers(-50, 50), st.tuples(st.integers(0, 4), st.integers(0, 4)), max_size=12).map(
    lambda drawn: [(score, hits + misses, hits) for score, (hits, misses) in sorted(drawn.items()) if hits + misses]
)


def quality(histogram: Histogram, **options: Any) -> Quality:
    asked: dict[str, Any] = {"groups": 10, "ci": 0.95, "probability": lambda score: (score + 50) / 100}
    asked |= options
    return make_quality(histogram, 0, **asked)


def scores(histogram: Histogram) -> tuple[list[int], list[int]]:
    """The score of every row that came true, and of every other."""
    return (
        [score for score, _, hits in histogram for _ in range(hits)],
        [score for score, n, hits in histogram for _ in range(n - hits)],
    )


def ordered(one: int, other: int) -> Fraction:
    return Fraction((one > other) * 2 + (one == other), 2)


@given(histograms)
def test_the_area_is_the_part_of_pairs_that_are_ordered_rightly(histogram: Histogram) -> None:
    came, stayed = scores(histogram)
    pairs = [ordered(one, other) for one, other in product(came, stayed)]

    assert auc(histogram) == (float(sum(pairs) / len(pairs)) if pairs else None)


@given(histograms)
def test_the_interval_is_that_of_the_placements_of_delong(histogram: Histogram) -> None:
    came, stayed = scores(histogram)
    found = quality(histogram)
    spread = Fraction(0)
    if min(len(came), len(stayed)) > 1:
        of_came = [Fraction(sum(ordered(one, other) for other in stayed), len(stayed)) for one in came]
        of_stayed = [Fraction(sum(ordered(one, other) for one in came), len(came)) for other in stayed]
        spread = variance(of_came) / len(came) + variance(of_stayed) / len(stayed)
    if not spread:
        assert (found.low, found.high) == (None, None)
        return
    assert found.auc is not None
    reach = NormalDist().inv_cdf(0.975) * float(spread) ** 0.5
    assert found.low == pytest.approx(max(0, found.auc - reach), abs=1e-12)
    assert found.high == pytest.approx(min(1, found.auc + reach), abs=1e-12)


@given(histograms, st.integers(1, 12))
def test_groups_have_every_row_once_and_never_split_equal_scores(histogram: Histogram, groups: int) -> None:
    found = quality(histogram, groups=groups)

    assert len(found.groups) <= groups
    assert sum(each.n for each in found.groups) == found.n == sum(n for _, n, _ in histogram)
    assert sum(each.hits for each in found.groups) == found.hits
    edges = [bound for each in found.groups for bound in {each.lowest, each.highest}]
    assert len(set(edges)) == len(edges)
    for each in found.groups:
        assert (each.low, each.high) == proportion(each.hits, each.n, 0.95)
        assert each.low <= each.observed <= each.high
    whole = sum((each.expected or 0) * each.n for each in found.groups)
    assert whole == pytest.approx(found.expected or 0)


def test_groups_are_of_equally_many_rows_where_scores_let_them() -> None:
    assert [sum(n for _, n, _ in part) for part in parts([(at, 1, 0) for at in range(100)], 10)] == [10] * 10
    assert [sum(n for _, n, _ in part) for part in parts([(0, 70, 0), (1, 30, 0)], 10)] == [70, 30]


def test_a_score_that_orders_nothing_is_no_better_than_chance() -> None:
    assert auc([(7, 100, 30)]) == 0.5
    assert auc([(1, 10, 0), (2, 10, 10)]) == 1
    assert auc([(1, 10, 10), (2, 10, 0)]) == 0


def test_without_one_of_the_outcomes_there_is_no_area() -> None:
    assert quality([(1, 10, 10)]).auc is None
    assert quality([]) == Quality(
        n=0, hits=0, left_out=0, expected=0, auc=None, low=None, high=None, ci=0.95, groups=()
    )


def test_the_table_and_the_plot_show_the_groups() -> None:
    found = quality([(at, 10, at // 10) for at in range(50)], groups=5)
    table = found.to_polars()

    assert table["lowest"].to_list() == [0, 10, 20, 30, 40]
    assert table["observed"].to_list() == [0, 0.1, 0.2, 0.3, 0.4]
    pytest.importorskip("altair")
    layers = found.plot().to_dict()["layer"]
    assert [layer["mark"]["type"] for layer in layers] == ["line", "rule", "point"]


def test_there_is_no_plot_without_a_probability_or_a_row() -> None:
    pytest.importorskip("altair")
    for found in (quality([(1, 10, 5)], probability=None), quality([])):
        with pytest.raises(InvalidInput, match="there is no probability to draw"):
            found.plot()


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"groups": 0}, "groups=0 is out of range; give a whole number from 1"),
        ({"ci": 95}, "ci=95 is not a confidence"),
        ({"outcome": "nothing"}, "no column 'nothing'"),
    ],
)
def test_what_cannot_be_asked_is_refused(options: dict[str, Any], says: str) -> None:
    card = Scorecard.fit(prospects(), outcome="won", fields=FIELDS, **ASKED)
    with pytest.raises(InvalidInput, match=says):
        card.quality(prospects(), **{"outcome": "won"} | ASKED | options)
