"""The search for duplicates by Splink in DuckDB, for more records than one process compares well.

Splink learns and finds the pairs, by the same kinds of fields and levels as crmkit's own matcher. Of several values in one field it
knows the first only, and swapped names are no special case for it.
"""

from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from itertools import pairwise, product
from typing import Any

import numpy as np
import polars as pl

from crmkit.errors import MissingExtra
from crmkit.io.matching.blocking import MOST
from crmkit.io.matching.duplicates import grouped, in_order, verdict_of
from crmkit.io.matching.learning import USUAL_PRIOR
from crmkit.io.matching.levels import MISSING
from crmkit.io.matching.results import Duplicates, FieldWeights, Model, Pair, Reason
from crmkit.io.matching.rows import Rows
from crmkit.io.matching.values import Column

_RANDOM_PAIRS = 1_000_000
# Splink infers how many duplicates there are from those that agree in two telling fields, which are about so many of all.
_RECALL = 0.7
_TELLING = ("email", "phone", "identifier", "company", "date")

_JARO_WINKLER = "jaro_winkler_similarity({c}_l, {c}_r) >= {least}"
_EDITS = "damerau_levenshtein({c}_l, {c}_r) <= {most}"
_ALIKE = (_JARO_WINKLER.replace("{least}", "0.9"), _JARO_WINKLER.replace("{least}", "0.8"))
_ONE_OFF, _TWO_OFF = (_EDITS.replace("{most}", str(most)) for most in (1, 2))
_LEVELS: Mapping[str, Sequence[str]] = {
    "name": _ALIKE,
    "company": _ALIKE,
    "text": _ALIKE,
    "email": ("split_part({c}_l, '@', 1) = split_part({c}_r, '@', 1)", _JARO_WINKLER.replace("{least}", "0.92")),
    "phone": (_ONE_OFF,),
    "date": (_ONE_OFF, _TWO_OFF),
    "identifier": (_ONE_OFF,),
    "postcode": (_ONE_OFF, "{c}_l[1:2] = {c}_r[1:2]"),
    "choice": (),
}
"""The levels of each kind between the highest, of equal values, and the lowest, of all others: the higher ones first."""


def found_by_splink(rows: Rows, *, same: float, review: float) -> Duplicates:
    """Return the duplicates of records; see `find_duplicates`."""
    columns = {f"c{number}": each for number, each in enumerate(rows.columns) if len(each.texts) > 1}
    telling = [name for name, each in columns.items() if each.kind_name in _TELLING]
    others = [name for name, each in columns.items() if each.kind_name not in (*_TELLING, "choice")]
    blocks = [*_blocks(telling, others)]
    if not blocks:
        return Duplicates((), (), Model(USUAL_PRIOR, ()), 0, {})
    splink = _library("")
    settings = splink.SettingsCreator(
        link_type="dedupe_only",
        unique_id_column_name="record",
        comparisons=[_comparison(name, each) for name, each in columns.items()],
        blocking_rules_to_generate_predictions=[_equal(block) for block in blocks],
        retain_intermediate_calculation_columns=True,
    )
    table = _library(".backends.duckdb").DuckDBAPI().register(_table(rows, columns).to_arrow())
    linker = splink.Linker(table, settings, log_level=None)
    certain = [_equal((one, other)) for one, other in product(telling, others)] or [_equal(blocks[0])]
    linker.training.estimate_probability_two_random_records_match(certain, recall=_RECALL)
    linker.training.estimate_u_using_random_sampling(max_pairs=_RANDOM_PAIRS, seed=1)
    for block in _for_learning(blocks):
        linker.training.estimate_parameters_using_expectation_maximisation(_equal(block))
    found = linker.inference.predict(threshold_match_probability=review)
    likely = pl.from_arrow(found.as_pyarrow_table())
    assert isinstance(likely, pl.DataFrame)
    return _told(rows, columns, likely, _model(columns, linker.misc.save_model_to_json()), same)


def _blocks(telling: Sequence[str], others: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """The columns in which pairs must be equal to be compared: a telling one, or two others; one where there is but one."""
    yield from ((each,) for each in telling)
    yield from pairwise(others) if len(others) > 1 else ((each,) for each in others)


def _for_learning(blocks: Sequence[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """Two blocks that share no column: what is equal in one of them teaches nothing there, and is learned in the other."""
    return [blocks[0], *[each for each in blocks[1:] if set(each).isdisjoint(blocks[0])][-1:]]


def _equal(names: Sequence[str]) -> str:
    return " AND ".join(f"l.key_{name} = r.key_{name}" for name in names)


def _comparison(name: str, column: Column) -> Any:
    how, levels = column.kind, _library(".comparison_level_library")
    made = _library(".comparison_library").CustomComparison(
        output_column_name=name,
        comparison_levels=[
            levels.NullLevel(name),
            levels.ExactMatchLevel(name, term_frequency_adjustments=how.is_weighed),
            *(levels.CustomLevel(each.replace("{c}", name)) for each in _LEVELS[column.kind_name]),
            levels.ElseLevel(),
        ],
    )
    return made.configure(m_probabilities=list(reversed(how.m)), u_probabilities=list(reversed(how.u)))


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
    is_reason = {name: each.kind_name == "name" or pl.len().over(name) <= MOST for name, each in columns.items()}
    return table.with_columns(
        pl.when(is_there).then(pl.concat_str(pl.col("sort").cast(pl.String), name, separator=" ")).alias(f"key_{name}")
        for name, is_there in is_reason.items()
    )


def _model(columns: Mapping[str, Column], learned: Mapping[str, Any]) -> Model:
    weights = []
    for (_, column), each in zip(columns.items(), learned["comparisons"], strict=True):
        shares = [level for level in reversed(each["comparison_levels"]) if not level.get("is_null_level")]
        m, u = (tuple(float(level[f"{of}_probability"]) for level in shares) for of in "mu")
        weights.append(FieldWeights(column.name, column.kind_name, column.kind.names, m, u))
    return Model(float(learned["probability_two_random_records_match"]), tuple(weights))


def _told(rows: Rows, columns: Mapping[str, Column], likely: pl.DataFrame, model: Model, same: float) -> Duplicates:
    ends = likely.select(
        left=pl.min_horizontal("record_l", "record_r"), right=pl.max_horizontal("record_l", "record_r")
    )
    likely = likely.with_columns(ends).sort("match_probability", "left", "right", descending=[True, False, False])
    pairs = tuple(
        Pair(
            rows.ids[each["left"]],
            rows.ids[each["right"]],
            each["match_probability"],
            verdict_of(each["match_probability"], same),
            _reasons(columns, each),
        )
        for each in likely.iter_rows(named=True)
    )
    links = list(zip(likely["left"].to_list(), likely["right"].to_list(), strict=True))
    odds = dict(zip(links, likely["match_weight"].to_list(), strict=True))
    base = float(np.log2(model.prior / (1 - model.prior)))
    return Duplicates(pairs, grouped(rows, links, pairs, odds, base), model, likely.height, {})


def _reasons(columns: Mapping[str, Column], pair: Mapping[str, Any]) -> tuple[Reason, ...]:
    return in_order(
        Reason(
            column.name,
            column.kind.names[pair[f"gamma_{name}"]],
            pair[f"mw_{name}"] + (pair.get(f"mw_tf_adj_{name}") or 0.0),
        )
        for name, column in columns.items()
        if pair[f"gamma_{name}"] != MISSING
    )


def _library(part: str) -> Any:
    try:
        return import_module(f"splink{part}")
    except ImportError:
        raise MissingExtra("engine='splink' needs Splink 5: pip install 'crmkit[splink]'") from None
