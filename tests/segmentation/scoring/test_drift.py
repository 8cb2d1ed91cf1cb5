"""Whether those who are scored are still like those that the score learned from."""

import math

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmkit.segmentation import Scorecard
from crmkit.segmentation.scoring import stability_index
from tests.segmentation.scoring.prospects import ASKED, FIELDS, KINDS, prospects

PEOPLE = prospects()
KNOWN = PEOPLE.filter(pl.col("won").is_not_null())
CARD = Scorecard.fit(PEOPLE, outcome="won", fields=FIELDS, **ASKED)
counts = st.lists(st.integers(0, 1000), min_size=2, max_size=8)


def test_a_population_has_not_moved_from_itself() -> None:
    found = CARD.drift(KNOWN, **ASKED)

    assert found.n == KNOWN.height
    assert {each.index for each in (found.score, *found.fields)} == {0.0}
    assert {each.band for each in (found.score, *found.fields)} == {"stable"}
    assert {each.unseen for each in found.fields} == {0.0}


def test_a_field_that_changes_is_named_and_the_others_are_not() -> None:
    found = CARD.drift(KNOWN.with_columns(source=pl.lit("fair")), **ASKED)

    bands = {each.field: each.band for each in found.fields}
    assert bands.pop("source") == "changed"
    assert set(bands.values()) == {"stable"}
    assert found.score.band != "stable"


def test_what_was_never_seen_is_counted() -> None:
    half = KNOWN.with_row_index().with_columns(
        source=pl.when(pl.col("index") % 2 == 0).then(pl.lit("new")).otherwise("source")
    )
    found = next(each for each in CARD.drift(half, **ASKED).fields if each.field == "source")

    assert found.unseen == pytest.approx(0.5, abs=0.01)
    assert found.actual[-1] == half["source"].eq("new").sum()
    assert found.expected[-1] == 0
    assert found.band == "changed"


def test_the_index_is_the_published_formula() -> None:
    # The counts are so large that half a row more or less is nothing.
    before, now = [300_000, 500_000, 200_000], [250_000, 450_000, 300_000]
    formula = sum((a - e) * math.log(a / e) for e, a in ((0.3, 0.25), (0.5, 0.45), (0.2, 0.3)))

    assert stability_index(before, now) == pytest.approx(formula, rel=1e-4)


@given(counts)
def test_the_index_is_never_below_0_and_the_same_both_ways(before: list[int]) -> None:
    now = [*before[1:], before[0]]
    found = stability_index(before, now)

    if not sum(before):
        assert found is None
        return
    assert found is not None
    assert found >= 0
    assert found == pytest.approx(stability_index(now, before) or 0)
    assert stability_index(before, before) == 0


def test_without_a_row_nothing_has_an_index() -> None:
    found = CARD.drift(PEOPLE.clear(), **ASKED)

    assert (found.n, found.score.index, found.score.band, found.fields[0].unseen) == (0, None, None, None)


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_the_same_whatever_the_data_is(kind: str) -> None:
    assert CARD.drift(KINDS[kind](PEOPLE), **ASKED) == CARD.drift(PEOPLE, **ASKED)


def test_the_table_has_the_score_first() -> None:
    found = CARD.drift(PEOPLE, **ASKED).to_polars()

    assert found["field"].to_list() == [None, *FIELDS]
    assert found.columns == ["field", "index", "band", "unseen"]
