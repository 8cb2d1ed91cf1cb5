"""The same search by Splink, where it is installed."""

from pathlib import Path

import polars as pl
import pytest

from crmkit.io.matching import find_duplicates
from tests.io.matching.test_duplicates import SPLINK, read
from tests.io.matching.truth import f1

pytest.importorskip("splink")


def test_splink_finds_the_duplicates_of_its_sample_and_our_own_matcher_no_fewer(published: Path) -> None:
    table = read(published / "splink_fake" / "fake_1000_from_splink_demos.csv", "unique_id")
    entities = dict(zip(table["id"], table["cluster"], strict=True))
    by_engine = {
        engine: f1(
            [(each.first_id, each.second_id) for each in find_duplicates(table, compare=SPLINK, engine=engine).pairs],
            entities,
        )
        for engine in ("own", "splink")
    }
    assert by_engine["own"] >= by_engine["splink"] > 0.8


def test_nothing_to_compare_is_nothing_for_splink_too() -> None:
    table = pl.DataFrame({"id": ["a", "b"], "email": [None, None]}, schema={"id": pl.String, "email": pl.String})
    assert find_duplicates(table, engine="splink").pairs == ()
