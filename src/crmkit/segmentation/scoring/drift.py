"""Whether those who are scored today are still like those that a score learned from."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import attrs
import narwhals as nw
import polars as pl

from crmkit.segmentation.scoring.bins import Bin, mapped

BANDS = ((0.1, "stable"), (0.25, "shifted"))
"""Below which index a population counts as what; from the last on it is "changed". The bounds are those of credit scoring."""

_BEYOND = "changed"
_SHIFT = 0.5


@attrs.frozen(kw_only=True)
class Shift:
    """How far one field has moved, or the score itself, whose `field` is None.

    `index` is the population stability index, `band` what it is called. `unseen` is the part of the rows whose value the score has
    learned nothing about, such as a new category. Both are None where there is no row.
    """

    field: str | None
    index: float | None
    band: str | None
    unseen: float | None
    expected: tuple[int, ...]
    actual: tuple[int, ...]


@attrs.frozen(kw_only=True)
class Drift:
    """How far a population has moved from the one that a score learned from: the score, and each field."""

    n: int
    score: Shift
    fields: tuple[Shift, ...]

    def to_polars(self) -> pl.DataFrame:
        """Return one row for the score, whose field is empty, and one a field, as a Polars frame."""
        types = {"field": pl.String, "index": pl.Float64, "band": pl.String, "unseen": pl.Float64}
        rows = [(each.field, each.index, each.band, each.unseen) for each in (self.score, *self.fields)]
        return pl.DataFrame(rows, schema=types, orient="row")


def stability_index(expected: Sequence[int], actual: Sequence[int]) -> float | None:
    """Return the population stability index of two counts by bins; None where either has nothing.

    It is the sum of (a - e) ln(a / e) over the bins, in which e and a are the parts of the rows expected and found in each. Half a row is
    added to every bin, so that an empty one counts for something finite.

    Source: Siddiqi (2006), Credit Risk Scorecards.

    >>> round(stability_index([50, 50], [60, 40]), 4)
    0.0397
    """
    if not sum(expected) or not sum(actual):
        return None
    size = len(expected) * _SHIFT
    before = [(each + _SHIFT) / (sum(expected) + size) for each in expected]
    now = [(each + _SHIFT) / (sum(actual) + size) for each in actual]
    return math.fsum((a - e) * math.log(a / e) for e, a in zip(before, now, strict=True))


def make_shift(field: str | None, expected: Sequence[int], actual: Sequence[int], unseen: int | None = None) -> Shift:
    """Return how far counts by bins have moved; the last bin of a field is of what nothing was learned about."""
    index, n = stability_index(expected, actual), sum(actual)
    band = None if index is None else next((name for below, name in BANDS if index < below), _BEYOND)
    share = None if unseen is None or not n else unseen / n
    return Shift(field=field, index=index, band=band, unseen=share, expected=tuple(expected), actual=tuple(actual))


def cut(column: str, edges: Sequence[int]) -> nw.Expr:
    """Return the number of the part that a whole number lies in, each part up to its edge and the last beyond them all."""
    bins = [Bin(upto=float(each), n=0, hits=0) for each in edges]
    return mapped(column, bins, "number", list(range(len(edges))), len(edges))


def tally(rows: nw.LazyFrame[Any], sizes: Mapping[str, int]) -> dict[str, list[int]]:
    """Return how many rows have each number below its size in each column, counted in one pass."""
    cells = {(column, number): f"{column} {number}" for column, size in sizes.items() for number in range(size)}
    ones = {
        name: nw.when(nw.col(column) == number).then(nw.lit(1)).otherwise(nw.lit(0))
        for (column, number), name in cells.items()
    }
    sums = rows.select(**ones).select(nw.all().cast(nw.Int64).sum()).collect("polars").to_native().row(0, named=True)
    return {column: [int(sums[cells[column, number]] or 0) for number in range(size)] for column, size in sizes.items()}
