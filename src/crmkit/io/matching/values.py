"""The values of records, column by column, in the form in which they are compared."""

from collections.abc import Mapping, Sequence
from typing import Any

import attrs
import numpy as np

from crmkit.io.matching.levels import MISSING, Kind, Levels, kind

Numbers = np.ndarray[Any, np.dtype[np.int64]]


@attrs.frozen(eq=False)
class Column:
    """One field of all records: its different values, and which of them each record has: none, one or several.

    Record `i` has the values `held[starts[i]:starts[i + 1]]`, which are places in `texts`. `counts` says how many each record has, and
    `holders` how many records have each value.
    """

    name: str
    kind_name: str
    kind: Kind
    texts: tuple[str, ...]
    held: Numbers
    starts: Numbers
    counts: Numbers
    holders: Numbers

    def levels(self, left: Numbers, right: Numbers) -> tuple[Levels, Numbers]:
        """Return how alike pairs of records are, by their most alike values, and a value that is the same, -1 for none."""
        of, a, b = self._values_of(left, right)
        n = max(len(self.texts), 1)
        different, back = np.unique(np.minimum(a, b) * n + np.maximum(a, b), return_inverse=True)
        found = np.full(len(left), MISSING, np.int8)
        np.maximum.at(found, of, self._compared(different // n, different % n)[back])
        same = np.full(len(left), -1, np.int64)
        equal = a == b
        np.maximum.at(same, of[equal], a[equal])
        return found, same

    def _values_of(self, left: Numbers, right: Numbers) -> tuple[Numbers, Numbers, Numbers]:
        """Every value of the left records with every value of the right ones, and of which pair of records it is."""
        n_right = self.counts[right]
        n = self.counts[left] * n_right
        of = np.repeat(np.arange(len(left)), n)
        within = np.arange(len(of)) - np.repeat(np.cumsum(n) - n, n)
        a = self.held[self.starts[left][of] + within // n_right[of]]
        b = self.held[self.starts[right][of] + within % n_right[of]]
        return of, a, b

    def _compared(self, first: Numbers, second: Numbers) -> Levels:
        levels = np.full(len(first), len(self.kind.names) - 1, np.int8)
        unequal = np.flatnonzero(first != second)
        if len(unequal):
            left, right = ([self.texts[place] for place in side[unequal].tolist()] for side in (first, second))
            levels[unequal] = self.kind.level(left, right)
        return levels


def column(name: str, kind_name: str, values: Sequence[Sequence[Any]]) -> Column:
    """Return a column of the values that each record has; empty ones are none."""
    how = kind(kind_name)
    plain = [sorted({text for text in map(how.plain, each) if text}) for each in values]
    texts = sorted({text for each in plain for text in each})
    place = {text: number for number, text in enumerate(texts)}
    held = np.array([place[text] for each in plain for text in each], np.int64)
    counts = np.array([len(each) for each in plain], np.int64)
    starts = np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)])
    holders = np.bincount(held, minlength=len(texts)).astype(np.int64)
    return Column(name, kind_name, how, tuple(texts), held, starts, counts, holders)


@attrs.frozen(eq=False)
class Compared:
    """Pairs of records and how alike they are: for each field the levels, and the places of equal values."""

    left: Numbers
    right: Numbers
    levels: Mapping[str, Levels]
    same: Mapping[str, Numbers]


def compared(columns: Sequence[Column], left: Numbers, right: Numbers) -> Compared:
    """Compare pairs of records field by field."""
    found = {each.name: each.levels(left, right) for each in columns}
    levels = {name: levels for name, (levels, _) in found.items()}
    by_kind = {each.kind_name: each for each in reversed(columns)}
    if by_kind.keys() >= set(_SWAPPED):
        names = [by_kind[of] for of in _SWAPPED]
        swapped = _are_swapped(*names, left=left, right=right)
        for each in names:
            alike = each.kind.names.index("alike")
            levels[each.name][swapped] = np.maximum(levels[each.name][swapped], alike)
    return Compared(left, right, levels, {name: same for name, (_, same) in found.items()})


_SWAPPED = ("given_name", "family_name")
"""Two kinds of fields of which each is often entered in the place of the other, and then counts as alike."""


def _are_swapped(one: Column, other: Column, *, left: Numbers, right: Numbers) -> "np.ndarray[Any, np.dtype[np.bool_]]":
    """Which pairs have the first value of one column in the other and the other way round."""
    places = {text: place for place, text in enumerate(sorted({*one.texts, *other.texts}))}
    first, second = (_firsts(each, places) for each in (one, other))
    are_there = (first[left] >= 0) & (second[left] >= 0)
    found: np.ndarray[Any, np.dtype[np.bool_]] = (
        are_there & (first[left] == second[right]) & (second[left] == first[right])
    )
    return found


def _firsts(column: Column, places: Mapping[str, int]) -> Numbers:
    """The first value of each record as its place, -1 for none."""
    found = np.full(len(column.counts), -1, np.int64)
    known = column.counts > 0
    of_text = np.array([places[text] for text in column.texts], np.int64)
    found[known] = of_text[column.held[column.starts[:-1][known]]]
    return found


def all_pairs(n: int) -> tuple[Numbers, Numbers]:
    """Return every pair of records, the earlier one left."""
    left, right = np.triu_indices(n, 1)
    return left.astype(np.int64), right.astype(np.int64)
