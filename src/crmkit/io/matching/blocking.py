"""Which records are worth comparing: those that have something in common that not everybody has."""

from collections.abc import Mapping, Sequence

import attrs
import numpy as np
import polars as pl

from crmkit.io.matching.values import Column, Numbers, all_pairs

MOST = 60
"""How many records may have a key in common. Of one that more have, each two are hardly ever one customer."""

_FEW_RECORDS = 250


@attrs.frozen(eq=False)
class Candidates:
    """Pairs of records to compare, the earlier one left, and how many values of each field were too common to be a reason."""

    left: Numbers
    right: Numbers
    too_common: Mapping[str, int]


def candidates(columns: Sequence[Column], n: int) -> Candidates:
    """Return the pairs of records that share a key of any field; all pairs where the records are few.

    A key that more than `MOST` records have is narrowed by what else they have in common, roughly and field by field. What is
    still too common is left out.
    """
    if n <= _FEW_RECORDS:
        return Candidates(*all_pairs(n), {})
    rough = {each.name: _rough_keys(each) for each in columns}
    found, too_common = [_NO_PAIRS], dict[str, int]()
    for each in columns:
        usable, large = _parted(_keys(each))
        narrowed = [_parted(_both(large, rough[other.name]))[0] for other in columns if other is not each]
        found += map(_pairs, [usable, *narrowed])
        if large.height:
            too_common[each.name] = large["key"].n_unique()
    pairs = pl.concat(found).unique().sort("left", "right")
    return Candidates(pairs["left"].to_numpy(), pairs["right"].to_numpy(), too_common)


_NO_PAIRS = pl.DataFrame(schema={"left": pl.Int64, "right": pl.Int64})


def _keys(column: Column) -> pl.DataFrame:
    """The keys of a column, each with the records that have it."""
    return _records_by(column, [column.kind.keys(text) for text in column.texts])


def _rough_keys(column: Column) -> pl.DataFrame:
    return _records_by(column, [(text[:3],) for text in column.texts])


def _records_by(column: Column, keys: Sequence[Sequence[str]]) -> pl.DataFrame:
    texts = np.repeat(np.arange(len(keys)), [len(each) for each in keys])
    of_text = pl.DataFrame({"text": texts, "key": pl.Series([key for each in keys for key in each], dtype=pl.String)})
    held = pl.DataFrame({"record": np.repeat(np.arange(len(column.counts)), column.counts), "text": column.held})
    return held.join(of_text, on="text").select("record", "key").unique()


def _both(large: pl.DataFrame, other: pl.DataFrame) -> pl.DataFrame:
    """What records have in common that share a key of each."""
    both = large.join(other, on="record", suffix="_other")
    return both.select("record", key=pl.concat_str("key", "key_other", separator="\x1f"))


def _parted(keys: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The keys that are a reason to compare, and those that are too common to be one."""
    sizes = keys.group_by("key").len()
    usable = sizes.filter(pl.col("len").is_between(2, MOST))
    large = sizes.filter(pl.col("len") > MOST)
    return keys.join(usable, on="key", how="semi"), keys.join(large, on="key", how="semi")


def _pairs(keys: pl.DataFrame) -> pl.DataFrame:
    """Each two records that have a key in common, once."""
    joined = keys.join(keys, on="key", suffix="_other").filter(pl.col("record") < pl.col("record_other"))
    return joined.select(left="record", right="record_other").unique()
