"""Fellegi and Sunter's model of two records that may be one, learned without being told which ones are."""

from collections.abc import Mapping, Sequence
from typing import Any

import attrs
import numpy as np
import polars as pl

from crmkit.io.matching.levels import MISSING, kind
from crmkit.io.matching.results import FieldWeights, Model
from crmkit.io.matching.values import Column, Compared, Numbers, all_pairs, compared

Floats = np.ndarray[Any, np.dtype[np.float64]]

USUAL_PRIOR = 1 / 50_000
"""How likely two records are one customer before anything is known: as in a file of 50,000 where half are there twice."""

# What is learned begins with what is usual, which counts as much as so many pairs and records.
_USUAL_PAIRS = 50_000
_USUAL_MATCHES = 10
_USUAL_OTHERS = 100
_USUAL_RECORDS = 100

_ROUNDS = 100
_CLOSE = 1e-4
_RANDOM_PAIRS = 100_000
_LEAST = 1e-6


def usual_model(kinds: Mapping[str, str]) -> Model:
    """Return what is usual for fields of some kinds, for use where nothing was learned."""
    usual = [(name, of, kind(of)) for name, of in kinds.items()]
    return Model(USUAL_PRIOR, tuple(FieldWeights(name, of, how.names, how.m, how.u) for name, of, how in usual))


def learn(columns: Sequence[Column], n: int, candidates: Compared) -> Model:
    """Learn a model by expectation and maximisation from pairs that may be one, and from pairs as if drawn at random.

    Every pair that is no candidate is taken for two customers.
    """
    total = n * (n - 1) / 2
    seen, random = _patterns(columns, candidates), _patterns(columns, compared(columns, *_random_pairs(n)))
    m = [np.array(each.kind.m) for each in columns]
    u = [np.array(each.kind.u) for each in columns]
    prior = _prior(n / 10, total)
    for _ in range(_ROUNDS):
        before = prior
        matches = seen.n * probability(_bits_of(seen, m, u), prior)
        others = random.n * (1 - probability(_bits_of(random, m, u), prior))
        prior = _prior(float(matches.sum()), total)
        m = _shares(columns, seen, matches, [np.array(each.kind.m) * _USUAL_MATCHES for each in columns])
        u = _shares(columns, random, others, [np.array(each.kind.u) * _USUAL_OTHERS for each in columns])
        if abs(prior - before) < _CLOSE * before:
            break
    return Model(
        prior,
        tuple(
            FieldWeights(c.name, c.kind_name, c.kind.names, tuple(map(float, a)), tuple(map(float, b)))
            for c, a, b in zip(columns, m, u, strict=True)
        ),
    )


def probability(bits: Floats, prior: float) -> Floats:
    """Return how likely pairs are one, from what their fields say in bits and what is likely of any two records."""
    odds: Floats = np.exp2(np.clip(bits + np.log2(prior / (1 - prior)), -60, 60))
    return odds / (1 + odds)


def field_bits(column: Column, weights: FieldWeights, pairs: Compared, *, is_weighed: bool = True) -> Floats:
    """Return what one field says about pairs, in bits: nothing where it is missing, more where they share a rare value.

    How rare a value is can be told of all records only; `is_weighed=False` is for some of them.
    """
    m, u = np.array(weights.m), np.array(weights.u)
    # The last one, by which the level -1 is found, is that of a missing value.
    found: Floats = np.append(np.log2(m / u), 0.0)[pairs.levels[column.name]]
    if is_weighed and column.kind.is_weighed:
        same = pairs.same[column.name]
        known = same >= 0
        # Of one of the two it is known; the others tell how common the value is.
        others = (column.holders - 1 + _USUAL_RECORDS * u[-1]) / (np.count_nonzero(column.counts) + _USUAL_RECORDS)
        found[known] = np.log2(m[-1] / others[same[known]])
    return found


@attrs.frozen(eq=False)
class _Patterns:
    """The different combinations of levels, a row for each field, and how many pairs have them."""

    levels: "np.ndarray[Any, Any]"
    n: Floats


def _patterns(columns: Sequence[Column], pairs: Compared) -> _Patterns:
    names = [each.name for each in columns]
    counted = pl.DataFrame({name: pairs.levels[name] for name in names}).group_by(names).len("\x00").sort(names)
    return _Patterns(counted.select(names).to_numpy().T, counted["\x00"].to_numpy().astype(np.float64))


def _bits_of(patterns: _Patterns, m: Sequence[Floats], u: Sequence[Floats]) -> Floats:
    rows = zip(m, u, patterns.levels, strict=True)
    found: Floats = np.sum([np.append(np.log2(a / b), 0.0)[row] for a, b, row in rows], axis=0)
    return found


def _shares(columns: Sequence[Column], patterns: _Patterns, weight: Floats, usual: Sequence[Floats]) -> list[Floats]:
    """How often each level is met among the pairs that have a value, added to what is usual."""
    found = []
    for each, row, before in zip(columns, patterns.levels, usual, strict=True):
        known = row != MISSING
        counted = np.bincount(row[known], weights=weight[known], minlength=len(each.kind.names)) + before
        found.append(np.maximum(counted / counted.sum(), _LEAST))
    return found


def _prior(matches: float, total: float) -> float:
    return min((matches + _USUAL_PAIRS * USUAL_PRIOR) / (total + _USUAL_PAIRS), 0.5)


def _random_pairs(n: int) -> tuple[Numbers, Numbers]:
    """Pairs of records as if drawn at random: all where they are few, and else each record with some at fixed distances."""
    if n * (n - 1) // 2 <= _RANDOM_PAIRS:
        return all_pairs(n)
    steps = np.unique(np.linspace(1, n // 2 - 1, max(_RANDOM_PAIRS // n, 1)).astype(np.int64))
    left = np.tile(np.arange(n), len(steps))
    return left, (left + np.repeat(steps, n)) % n
