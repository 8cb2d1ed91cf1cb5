"""The search for duplicates among more records than one process compares well: Splink compares pairs in DuckDB, or on a Spark cluster.

The kinds of fields, what is learned of them and how pairs are judged are those of crmkit's own matcher. Of several values in one field
Splink knows the first only, and swapped names are no special case for it.
"""

from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from itertools import pairwise
from typing import Any

import attrs
import numpy as np
import polars as pl

from crmkit.errors import MissingExtra
from crmkit.io.matching.blocking import MOST
from crmkit.io.matching.duplicates import judged
from crmkit.io.matching.learning import Patterns, highest_probability, learn, usual_model
from crmkit.io.matching.results import Duplicates
from crmkit.io.matching.rows import Rows
from crmkit.io.matching.values import Column, Compared

_TELLING = ("email", "phone", "identifier", "company", "date")


def found_by_splink(rows: Rows, *, same: float, review: float, spark: Any = None) -> Duplicates:
    """Return the duplicates of records, compared in DuckDB or in a Spark session; see `find_duplicates`."""
    rows = attrs.evolve(rows, columns=tuple(each for each in rows.columns if len(each.texts) > 1))
    names = [f"c{number}" for number in range(len(rows.columns))]
    columns = dict(zip(names, rows.columns, strict=True))
    blocks = [*_blocks(columns)]
    if not blocks:
        return Duplicates((), (), usual_model({}), 0, {})
    splink = _library("")
    settings = splink.SettingsCreator(
        link_type="dedupe_only",
        unique_id_column_name="record",
        comparisons=[_comparison(name, each) for name, each in columns.items()],
        blocking_rules_to_generate_predictions=[
            " AND ".join(f"l.key_{c} = r.key_{c}" for c in each) for each in blocks
        ],
        retain_intermediate_calculation_columns=True,
    )
    linker = splink.Linker(_registered(_table(rows, columns), spark), settings, log_level=None)
    pairs = linker.inference.predict(warning_mode="never").physical_name
    gammas = [f"gamma_{name}" for name in names]

    def asked(sql: str) -> pl.DataFrame:
        answer = pl.from_arrow(linker.misc.query_sql(sql, output_type="splink_df").as_pyarrow_table())
        assert isinstance(answer, pl.DataFrame)
        return answer

    listed = ", ".join(gammas)
    counted = asked(f"SELECT {listed}, COUNT(*) AS n FROM {pairs} GROUP BY {listed}").sort(gammas)  # noqa: S608 - our own names
    seen = Patterns(counted.select(gammas).to_numpy().T, counted["n"].to_numpy().astype(np.float64))
    model = learn(rows.columns, len(rows.ids), seen)
    likely = counted.filter(pl.Series(highest_probability(rows.columns, model, seen) >= review))
    key = f"CONCAT_WS(',', {listed})"
    keys = ", ".join(f"'{each}'" for each in likely.select(pl.concat_str(gammas, separator=",")).to_series())
    found = asked(f"SELECT record_l, record_r, {listed} FROM {pairs} WHERE {key} IN ({keys or 'NULL'})")  # noqa: S608 - as above
    n_compared = int(counted["n"].sum())
    made = judged(rows, model, _compared(columns, found), {}, same=same, review=review)
    return attrs.evolve(made, compared=n_compared)


def _blocks(columns: Mapping[str, Column]) -> Iterator[tuple[str, ...]]:
    """The columns in which pairs must be equal to be compared: a telling one, or two others; one where there is but one."""
    yield from ((name,) for name, each in columns.items() if each.kind_name in _TELLING)
    others = [name for name, each in columns.items() if each.kind_name not in (*_TELLING, "choice")]
    yield from pairwise(others) if len(others) > 1 else ((each,) for each in others)


def _comparison(name: str, column: Column) -> Any:
    """The levels of a column, by Splink's own words for them, so that it says them to every database."""
    levels = _library(".comparison_level_library")
    alike = [levels.JaroWinklerLevel(name, least) for least in (0.9, 0.8)]
    one_off, two_off = (levels.DamerauLevenshteinLevel(name, most) for most in (1, 2))
    beginning = levels.CustomLevel(f"SUBSTRING({name}_l, 1, 2) = SUBSTRING({name}_r, 1, 2)")
    local = levels.CustomLevel(f"SPLIT_PART({name}_l, '@', 1) = SPLIT_PART({name}_r, '@', 1)")
    between: Mapping[str, Sequence[Any]] = {
        "email": [local, levels.JaroWinklerLevel(name, 0.92)],
        "phone": [one_off],
        "date": [one_off, two_off],
        "identifier": [one_off],
        "postcode": [one_off, beginning],
        "choice": [],
    }
    return _library(".comparison_library").CustomComparison(
        output_column_name=name,
        comparison_levels=[
            levels.NullLevel(name),
            levels.ExactMatchLevel(name),
            *between.get(column.kind_name, alike),
            levels.ElseLevel(),
        ],
    )


def _table(rows: Rows, columns: Mapping[str, Column]) -> pl.DataFrame:
    """The first value of each record in each column, and beside it the key to block by, which nothing too common is."""
    n = len(rows.ids)
    held: dict[str, Any] = {"record": np.arange(n), "sort": rows.sorts}
    for name, each in columns.items():
        known = each.counts > 0
        values = np.full(n, None, dtype=object)
        values[known] = np.array(each.texts, dtype=object)[each.held[each.starts[:-1][known]]]
        held[name] = pl.Series(values.tolist(), dtype=pl.String)
    table = pl.DataFrame(held)
    is_reason = {
        name: each.kind_name in ("name", "given_name", "family_name") or pl.len().over(name) <= MOST
        for name, each in columns.items()
    }
    return table.with_columns(
        pl.when(is_there).then(pl.concat_str(pl.col("sort").cast(pl.String), name, separator=" ")).alias(f"key_{name}")
        for name, is_there in is_reason.items()
    )


def _registered(table: pl.DataFrame, spark: Any) -> Any:
    """The table where Splink compares its pairs."""
    if spark is None:
        return _library(".backends.duckdb").DuckDBAPI().register(table.to_arrow())
    return _library(".backends.spark").SparkAPI(spark_session=spark).register(spark.createDataFrame(table.to_arrow()))


def _compared(columns: Mapping[str, Column], found: pl.DataFrame) -> Compared:
    ends = found.select(left=pl.min_horizontal("record_l", "record_r"), right=pl.max_horizontal("record_l", "record_r"))
    found = pl.concat([ends, found], how="horizontal").sort("left", "right")
    left, right = (found[side].to_numpy().astype(np.int64) for side in ("left", "right"))
    levels = {each.name: found[f"gamma_{name}"].to_numpy().astype(np.int8) for name, each in columns.items()}
    same = {each.name: _same(each, left, levels[each.name]) for each in columns.values()}
    return Compared(left, right, levels, same)


def _same(column: Column, left: Any, levels: Any) -> Any:
    """The value that both records have, -1 where they have not the same one."""
    found = np.full(len(left), -1, np.int64)
    equal = levels == len(column.kind.names) - 1
    found[equal] = column.held[column.starts[left[equal]]]
    return found


def _library(part: str) -> Any:
    try:
        return import_module(f"splink{part}")
    except ImportError:
        raise MissingExtra("engine='splink' needs Splink 5: pip install 'crmkit[splink]'") from None
