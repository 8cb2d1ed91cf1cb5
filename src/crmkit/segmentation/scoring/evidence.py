"""What history says about each field: its evidence, how much of it counts beside the other fields, and the points that it is worth."""

import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import attrs
import narwhals as nw

from crmkit.segmentation.scoring.bins import Bin, binned, count, mapped, monotone
from crmkit.segmentation.scoring.quality import Histogram, auc
from crmkit.segmentation.scoring.reading import OUTCOME, Kind, Reading
from crmkit.segmentation.scoring.weights import Moments, discriminant, logistic

_FINE = 1000
"""Evidence is weighed in whole thousandths, so that its sums are exact on every engine."""


@attrs.frozen(kw_only=True)
class FieldScore:
    """What a score has learned about one field.

    `information` is its information value: below 0.02 a field says nothing, from 0.3 much. `auc` is how well it orders by itself.
    `weight` is how much of its evidence counts beside the other fields, 0 where they say it all.
    """

    name: str
    kind: Kind
    bins: tuple[Bin, ...]
    weight: float
    information: float
    auc: float


@attrs.frozen(kw_only=True)
class History:
    """Rows to learn from, how many of them came true and how many did not, and how many average rows are added to each value."""

    reading: Reading
    hits: int
    misses: int
    smoothing: float

    def evidence(self, part: Bin) -> float:
        """Return the evidence of a bin."""
        return evidence(part, self.hits, self.misses, self.smoothing)

    def column(self, field: "FieldScore") -> str:
        """Return the column of a field."""
        return self.reading.columns[field.name]


def evidence(part: Bin, hits: int, misses: int, smoothing: float) -> float:
    """Return the weight of evidence of a bin, with as many average rows more as `smoothing` says.

    >>> round(evidence(Bin(n=100, hits=60), 80, 120, 10), 4)
    0.7357
    """
    rate = hits / (hits + misses)
    odds = (part.hits + smoothing * rate) / (part.n - part.hits + smoothing * (1 - rate))
    return math.log(odds * misses / hits)


def learn(history: History, *, bins: int, least: int, monotone_fields: Collection[str]) -> list[FieldScore]:
    """Return what history says about each field by itself."""
    columns = history.reading.columns
    counted = count(history.reading.rows, columns.values())
    found = []
    for name, kind in history.reading.kinds.items():
        cut = binned(counted[columns[name]], kind, bins, least)
        found.append(_learned(history, name, kind, monotone(cut) if name in monotone_fields else cut))
    return found


def _learned(history: History, name: str, kind: Kind, bins: tuple[Bin, ...]) -> FieldScore:
    hits, misses = history.hits, history.misses
    weights = [history.evidence(each) for each in bins]
    shares = [each.hits / hits - (each.n - each.hits) / misses for each in bins]
    information = math.fsum(share * weight for share, weight in zip(shares, weights, strict=True))
    unbinned = 0.0, hits + misses - sum(each.n for each in bins), hits - sum(each.hits for each in bins)
    ordered = sorted([*((weight, each.n, each.hits) for weight, each in zip(weights, bins, strict=True)), unbinned])
    ranked = [(rank, n, came) for rank, (_, n, came) in enumerate(ordered)]
    return FieldScore(name=name, kind=kind, bins=bins, weight=1.0, information=information, auc=auc(ranked) or 0.0)


def weigh(history: History, fields: Sequence[FieldScore]) -> list[FieldScore]:
    """Return the fields with their weights beside each other."""
    weights = discriminant(*_moments(history, fields), most=1 / _FINE)
    return [attrs.evolve(each, weight=weight * _FINE) for each, weight in zip(fields, weights, strict=True)]


def _moments(history: History, fields: Sequence[FieldScore]) -> tuple[Moments, Moments]:
    """The sums of the evidence of each field and of the products of two, of the rows that came true and of the others."""
    names = [f"x{at}" for at in range(len(fields))]
    pairs = {(one, other): f"{one} {other}" for at, one in enumerate(names) for other in names[at:]}
    values = {name: _fine(history, each, 1).cast(nw.Int64) for name, each in zip(names, fields, strict=True)}
    rows = history.reading.rows.filter(~nw.col(OUTCOME).is_null())
    rows = rows.select(**values, came=nw.col(OUTCOME).cast(nw.Int64))
    rows = rows.with_columns(**{pair: nw.col(one) * nw.col(other) for (one, other), pair in pairs.items()})
    sums = [nw.col(name).sum() for name in (*names, *pairs.values())]
    found = rows.group_by("came").agg(*sums, n=nw.len()).collect("polars").to_native()
    by_outcome = {row["came"]: row for row in found.iter_rows(named=True)}
    came, stayed = (_moments_of(by_outcome[each], names, pairs) for each in (1, 0))
    return came, stayed


def _moments_of(row: Mapping[str, Any], names: Sequence[str], pairs: Mapping[tuple[str, str], str]) -> Moments:
    def product(one: str, other: str) -> int:
        return int(row[pairs.get((one, other)) or pairs[other, one]])

    products = tuple(tuple(product(one, other) for other in names) for one in names)
    return Moments(int(row["n"]), tuple(int(row[name]) for name in names), products)


def calibrate(history: History, fields: Sequence[FieldScore], factor: float) -> tuple[float, list[FieldScore]]:
    """Return the log-odds of who has no evidence, and the fields with the points of their bins, `factor` of which are one log-odds.

    No field then counts for more than its evidence, or few rows would teach by heart what smoothing has taken from them.
    """
    total = nw.lit(0)
    for each in fields:
        total = total + _fine(history, each, each.weight)
    rows = history.reading.rows.with_columns(score=total.cast(nw.Int64))
    heaviest = max(each.weight for each in fields) or 1.0
    start, slope = logistic(histogram(rows), most=1 / (heaviest * _FINE))
    weighed = (attrs.evolve(each, weight=each.weight * slope * _FINE) for each in fields)
    return start, [_pointed(history, each, factor * each.weight) for each in weighed]


def _fine(history: History, each: FieldScore, weight: float) -> nw.Expr:
    """The evidence of a field in whole thousandths, by its weight."""
    values = [round(_FINE * weight * history.evidence(part)) for part in each.bins]
    return mapped(history.column(each), each.bins, each.kind, values, 0)


def _pointed(history: History, each: FieldScore, factor: float) -> FieldScore:
    points = (round(factor * history.evidence(part)) for part in each.bins)
    bins = tuple(attrs.evolve(part, points=worth) for part, worth in zip(each.bins, points, strict=True))
    return attrs.evolve(each, bins=bins)


def histogram(rows: nw.LazyFrame[Any]) -> Histogram:
    """Return how many rows have each score and how many of them came true, where that is known."""
    counted = count(rows, ["score"])["score"]
    return [(int(each.value), each.n, each.hits) for each in counted]
