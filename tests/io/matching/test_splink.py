"""The same search by Splink, in DuckDB and in Spark, where they are installed."""

from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from crmkit.io.matching import Duplicates, find_duplicates
from tests.io.matching.population import population
from tests.io.matching.test_duplicates import SPLINK, read
from tests.io.matching.truth import f1

pytest.importorskip("splink")


def pairs(found: Duplicates) -> list[tuple[str, str]]:
    return [(each.first_id, each.second_id) for each in found.pairs]


def test_splink_finds_the_duplicates_of_its_sample_and_our_own_matcher_no_fewer(published: Path) -> None:
    table = read(published / "splink_fake" / "fake_1000_from_splink_demos.csv", "unique_id")
    entities = dict(zip(table["id"], table["cluster"], strict=True))
    own, by_splink = (
        f1(pairs(find_duplicates(table, compare=SPLINK, engine=each)), entities) for each in ("own", "splink")
    )
    assert own >= by_splink > 0.9


def test_splink_tells_families_from_duplicates_too() -> None:
    made = population(1, homes=250, twice=0.05)
    found = find_duplicates(made.customers, engine="splink")
    surely = [each for each in found.pairs if each.verdict == "same"]
    assert surely
    assert all(made.entities[each.first_id] == made.entities[each.second_id] for each in surely)
    assert f1(pairs(found), made.entities) >= 0.85
    assert all(set(pair) <= set(made.entities) for each in found.clusters for pair in combinations(each.ids, 2))


def test_nothing_to_compare_is_nothing_for_splink_too() -> None:
    table = pl.DataFrame({"id": ["a", "b"], "email": [None, None]}, schema={"id": pl.String, "email": pl.String})
    assert find_duplicates(table, engine="splink").pairs == ()


@pytest.fixture
def spark(tmp_path: Path) -> Iterator[Any]:
    """A session that knows the functions by which Splink compares texts."""
    sql = pytest.importorskip("pyspark.sql", reason="pyspark is not installed")
    jar = pytest.importorskip("splink.backends.spark").similarity_jar_location()
    if sql.SparkSession.getActiveSession() is not None:
        pytest.skip("a Spark session is running already, without the functions of Splink")
    plain = {"ui.enabled": "false", "sql.shuffle.partitions": "1", "default.parallelism": "1", "jars": jar}
    builder = sql.SparkSession.builder.master("local[1]")
    for name, value in plain.items():
        builder = builder.config(f"spark.{name}", value)
    try:
        made = builder.getOrCreate()
    except Exception as problem:  # noqa: BLE001 - whatever pyspark says where there is no Java
        pytest.skip(f"Spark does not start: {type(problem).__name__}")
    made.sparkContext.setCheckpointDir(str(tmp_path))
    yield made
    made.stop()


@pytest.mark.filterwarnings("ignore")
def test_what_is_in_spark_is_compared_there(spark: Any) -> None:
    rows = [
        {"id": each.id, "given_name": each.given_name, "family_name": each.family_name, "birth_on": str(each.birth_on)}
        for each in population(1, homes=30, twice=0.3).customers
        if each.birth_on
    ]
    table = pl.DataFrame(rows)
    in_spark = find_duplicates(spark.createDataFrame(table.to_arrow()), engine="splink")
    assert in_spark.pairs
    assert pairs(in_spark) == pairs(find_duplicates(table, engine="splink"))
