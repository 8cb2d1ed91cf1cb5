"""The values of a field in a few bins, with how many rows have each and how many of them came true."""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import attrs
import narwhals as nw
import polars as pl

from crmkit.errors import InvalidInput
from crmkit.frames.small import small_table
from crmkit.segmentation.scoring.quality import auc
from crmkit.segmentation.scoring.reading import OUTCOME, Kind

MISSING = "no value"

MOST_WORDS = 100
"""How many texts of one field have a bin: the most common ones."""

MOST_SUMS = 1_000_000
"""How far the least and the most points may lie apart, so that a saved score from a stranger costs bounded memory."""

_EVEN = 0.5


@attrs.frozen(kw_only=True)
class Bin:
    """Values of a field that count alike: numbers above one bound up to another, a word, or no value at all.

    `n` rows had such a value, and of those `hits` came true. `points` are what such a value adds to a score.
    """

    above: float | None = None
    upto: float | None = None
    # A word may be somebody's city or title, so it is shown where it is asked for only.
    word: str | None = attrs.field(default=None, repr=False)
    is_missing: bool = False
    n: int
    hits: int
    points: int = 0

    @property
    def label(self) -> str:
        """What people call it.

        >>> Bin(above=2, upto=10.5, n=4, hits=1).label, Bin(word="web", n=4, hits=1).label
        ('above 2 to 10.5', 'web')
        """
        if self.is_missing:
            return MISSING
        if self.word is not None:
            return self.word
        low = "" if self.above is None else f"above {self.above:g}"
        high = "" if self.upto is None else f"{'up ' if self.above is None else ''}to {self.upto:g}"
        return f"{low} {high}".strip() or "any number"


@attrs.frozen
class Counted:
    """How many rows have a value, and for how many of them the outcome came true."""

    value: Any
    n: int
    hits: int


def count(rows: nw.LazyFrame[Any], columns: Iterable[str]) -> dict[str, list[Counted]]:
    """Return the distinct values of each column, in their order with the missing one last, where the outcome is known."""
    known = rows.filter(~nw.col(OUTCOME).is_null()).with_columns(nw.col(OUTCOME).cast(nw.Int64))
    return {column: _counted(known, column) for column in columns}


def _counted(rows: nw.LazyFrame[Any], column: str) -> list[Counted]:
    grouped = rows.group_by(column, drop_null_keys=False).agg(n=nw.len(), hits=nw.col(OUTCOME).sum())
    found = grouped.collect("polars").to_native()
    # A negative zero is a zero, whichever of the two an engine returns.
    counted = [
        Counted(each + 0.0 if isinstance(each, float) else each, int(n), int(hits)) for each, n, hits in found.rows()
    ]
    return sorted(counted, key=lambda each: (each.value is None, each.value if each.value is not None else 0))


def outcomes(rows: nw.LazyFrame[Any]) -> tuple[int, int, int]:
    """Return how many rows came true, how many did not, and of how many nobody knows; raise `InvalidInput` for other outcomes."""
    grouped = rows.group_by(OUTCOME, drop_null_keys=False).agg(n=nw.len()).collect("polars").to_native()
    found = {value: int(n) for value, n in grouped.rows()}
    strange = sorted(set(found) - {0, 1, None})
    if strange:
        raise InvalidInput(f"the outcome holds {strange[0]:g}; give a column of True and False, or of 1 and 0")
    return found.get(1, 0), found.get(0, 0), found.get(None, 0)


def binned(counted: Sequence[Counted], kind: Kind, bins: int, least: int) -> tuple[Bin, ...]:
    """Return the bins of a field.

    Numbers are cut where a further part of `bins` equal parts of the rows is full, so equal numbers share a bin; a bin of fewer than
    `least` rows joins its smaller neighbour. Every word is a bin, of the `MOST_WORDS` most common; one with fewer than `least` rows says nothing and has none, so that a
    field of names or numbers of people keeps none of them. The missing value is a bin of its own, where there is one.
    """
    present = [each for each in counted if each.value is not None]
    found = _numbers(present, bins, least) if kind == "number" else _words(present, least)
    missing = [Bin(is_missing=True, n=each.n, hits=each.hits) for each in counted if each.value is None]
    return (*found, *missing)


def _words(counted: Sequence[Counted], least: int) -> list[Bin]:
    common = sorted(counted, key=lambda each: (-each.n, each.value))[:MOST_WORDS]
    kept = sorted((each for each in common if each.n >= least), key=lambda each: each.value)
    return [Bin(word=each.value, n=each.n, hits=each.hits) for each in kept]


def _numbers(counted: Sequence[Counted], bins: int, least: int) -> list[Bin]:
    total, seen, full = sum(each.n for each in counted), 0, 0
    found: list[Bin] = []
    n = hits = 0
    for each in counted:
        seen, n, hits = seen + each.n, n + each.n, hits + each.hits
        if seen * bins // total > full:
            full = seen * bins // total
            found.append(Bin(above=found[-1].upto if found else None, upto=each.value, n=n, hits=hits))
            n = hits = 0
    found = _large(found, least)
    return [*found[:-1], attrs.evolve(found[-1], upto=None)] if found else []


def _large(bins: list[Bin], least: int) -> list[Bin]:
    """The bins, joined with their neighbours until none has fewer rows than `least`; the smallest first, and the lowest of equals."""
    while len(bins) > 1:
        at = min(range(len(bins)), key=lambda each: bins[each].n)
        if bins[at].n >= least:
            break
        neighbours = [each for each in (at - 1, at + 1) if 0 <= each < len(bins)]
        low = min(at, min(neighbours, key=lambda each: bins[each].n))
        bins = [*bins[:low], joined(bins[low], bins[low + 1]), *bins[low + 2 :]]
    return bins


def joined(low: Bin, high: Bin) -> Bin:
    """Return two neighbouring bins of numbers as one."""
    return attrs.evolve(low, upto=high.upto, n=low.n + high.n, hits=low.hits + high.hits)


def monotone(bins: Sequence[Bin]) -> tuple[Bin, ...]:
    """Return bins of numbers joined until their parts that came true only rise or only fall, whichever fits them better."""
    numbers = [each for each in bins if not each.is_missing]
    rises = (auc([(at, each.n, each.hits) for at, each in enumerate(numbers)]) or 0) >= _EVEN
    found: list[Bin] = []
    for each in numbers:
        found.append(each)
        while len(found) > 1 and _turns(*found[-2:], rises=rises):
            found[-2:] = [joined(*found[-2:])]
    return (*found, *(each for each in bins if each.is_missing))


def _turns(low: Bin, high: Bin, *, rises: bool) -> bool:
    before, after = low.hits * high.n, high.hits * low.n
    return before > after if rises else before < after


def place(bins: Sequence[Bin], kind: Kind, value: float | str | None) -> int | None:
    """Return the number of the bin that a value lies in; None where no bin has seen such a value.

    >>> place([Bin(upto=2, n=1, hits=0), Bin(above=2, n=1, hits=1)], "number", 2)
    0
    """
    if value is None:
        return next((at for at, each in enumerate(bins) if each.is_missing), None)
    if kind == "word":
        return next((at for at, each in enumerate(bins) if value == each.word), None)
    inner = [each.upto for each in bins if not each.is_missing and each.upto is not None]
    return bisect_left(inner, float(value)) if any(not each.is_missing for each in bins) else None


def mapped(column: str, bins: Sequence[Bin], kind: Kind, values: Sequence[Any], otherwise: Any) -> nw.Expr:
    """Return the expression of one of `values` for each bin that a column lies in, and another value where it lies in none."""
    value = nw.col(column)
    tests = (_TESTS[kind](value, each) if not each.is_missing else value.is_null() for each in bins)
    chain: Any = nw
    for test, literal in zip(tests, values, strict=True):
        chain = chain.when(test).then(nw.lit(literal))
    found: nw.Expr = chain.otherwise(nw.lit(otherwise)) if bins else nw.lit(otherwise)
    return found


def possible(start: int, fields: Iterable[Sequence[Bin]]) -> range:
    """Return every sum of points that there may be; raise `InvalidInput` where they are more than a table should have.

    >>> possible(5, [[Bin(word="web", n=1, hits=0, points=-2), Bin(word="fair", n=1, hits=1, points=3)]])
    range(3, 9)
    """
    points = [[0, *(part.points for part in bins)] for bins in fields]
    lowest, highest = (start + sum(map(most, points)) for most in (min, max))
    if highest - lowest > MOST_SUMS:
        raise InvalidInput(
            f"the points of this score lie more than {MOST_SUMS:,} apart; make it with fewer points_to_double"
        )
    return range(lowest, highest + 1)


def looked_up(
    rows: nw.LazyFrame[Any], column: str, sums: Iterable[int], value: Callable[[int], float | None]
) -> nw.LazyFrame[Any]:
    """Return rows with what each sum of points in `score` means, computed here, because engines round in their own ways."""
    listed = list(sums)
    means = pl.DataFrame(
        {"score": listed, column: [value(each) for each in listed]}, schema_overrides={column: pl.Float64}
    )
    return rows.join(small_table(means, rows), on="score", how="left")


def _is_number(value: nw.Expr, each: Bin) -> nw.Expr:
    fits: nw.Expr = ~value.is_null() if each.upto is None else value <= each.upto
    return fits if each.above is None else fits & (value > each.above)


def _is_word(value: nw.Expr, each: Bin) -> nw.Expr:
    is_same: nw.Expr = value == each.word
    return is_same


_TESTS: Mapping[Kind, Callable[[nw.Expr, Bin], nw.Expr]] = {"number": _is_number, "word": _is_word}
