"""Fellegi and Sunter's model of two records that may be one, learned without being told which ones are.

Two records are of one customer, of two customers of one home, or of strangers. How often each level of a field is met is called m, h
and u among these. u is learned from pairs drawn at random, m from pairs that are surely one; h is taken as usual.
"""

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

USUAL_HOME_PRIOR = 1 / 25_000
"""How likely two customers are of one home: as in a file of 50,000 where everybody lives with two others."""

# What is learned begins with what is usual, which counts as much as so many pairs and records.
_USUAL_PAIRS = 50_000
_USUAL_MATCHES = 100
_USUAL_OTHERS = 100
_USUAL_RECORDS = 100

# From pairs that are only likely to be one would be learned what families and namesakes have in common.
_SURELY = 0.95
_LIKELIER = 0.5

_ROUNDS = 100
_CLOSE = 1e-4
_RANDOM_PAIRS = 100_000
_LEAST = 1e-6


def usual_model(kinds: Mapping[str, str]) -> Model:
    """Return what is usual for fields of some kinds, for use where nothing was learned."""
    usual = [(name, of, kind(of)) for name, of in kinds.items()]
    weights = tuple(FieldWeights(name, of, how.names, how.m, how.u, how.h) for name, of, how in usual)
    return Model(USUAL_PRIOR, weights, USUAL_HOME_PRIOR)


def learn(columns: Sequence[Column], n: int, seen: "Patterns") -> Model:
    """Learn a model by expectation and maximisation from how alike pairs are that may be one, and pairs as if drawn at random.

    Every pair that was not seen is taken for two strangers.
    """
    random = patterns(columns, compared(columns, *_random_pairs(n)))
    total = n * (n - 1) / 2
    m, u, h = ([np.array(getattr(each.kind, of)) for each in columns] for of in "muh")
    prior, home_prior = _prior(n / 10, total, USUAL_PRIOR), _prior(n / 10, total, USUAL_HOME_PRIOR)
    for _ in range(_ROUNDS):
        before = prior
        priors = prior, home_prior
        match, home = _likely(seen, m, u, h, priors)
        others = np.where(np.add(*_likely(random, m, u, h, priors)) < _LIKELIER, random.n, 0)
        m = _matches(columns, seen, match)
        u = _shares(columns, random, others, [np.array(each.kind.u) * _USUAL_OTHERS for each in columns])
        prior = _prior(float(match @ seen.n), total, USUAL_PRIOR)
        home_prior = _prior(float(home @ seen.n), total, USUAL_HOME_PRIOR)
        if abs(prior - before) < _CLOSE * before:
            break
    told = zip(columns, m, u, h, strict=True)
    weights = [FieldWeights(c.name, c.kind_name, c.kind.names, *(tuple(map(float, e)) for e in of)) for c, *of in told]
    return Model(prior, tuple(weights), home_prior)


def probability(bits: Floats, prior: float) -> Floats:
    """Return how likely pairs are one, from what their fields say in bits and what is likely of any two records."""
    odds: Floats = np.exp2(np.clip(bits + np.log2(prior / (1 - prior)), -60, 60))
    return odds / (1 + odds)


def field_bits(columns: Sequence[Column], model: Model, pairs: Compared, *, is_weighed: bool = True) -> Floats:
    """Return what each field says about pairs, in bits, a row for each field: nothing where it is missing, more for a rare value.

    How rare a value is can be told of all records only; `is_weighed=False` is for some of them.
    """
    told = zip(columns, model.weights, strict=True)
    return np.array([_bits(each, weights.m, weights.u, pairs, is_weighed=is_weighed) for each, weights in told])


def highest_probability(columns: Sequence[Column], model: Model, pairs: "Patterns") -> Floats:
    """Return how likely pairs are one at most, whatever values they share and whoever lives with whom."""
    bits = np.zeros(len(pairs.n))
    for each, weights, row in zip(columns, model.weights, pairs.levels, strict=True):
        m, u = np.array(weights.m), np.array(weights.u)
        if each.kind.is_weighed:
            u[-1] = min(u[-1], _commonness(each, 2, u[-1]))
        bits += np.append(np.log2(m / u), 0.0)[row]
    return probability(bits - np.log2(1 - model.home_prior), model.prior)


def home_bits(columns: Sequence[Column], model: Model, pairs: Compared, *, is_weighed: bool = True) -> Floats:
    """Return what is to be taken back of all that the fields say, in bits, because two customers of one home share it as well.

    It is -log2(1 - q + q * h / u), with the home's prior q and the product of h / u over the fields.
    """
    told = zip(columns, model.weights, strict=True)
    bits = sum(
        (_bits(each, weights.h, weights.u, pairs, is_weighed=is_weighed, is_home=True) for each, weights in told),
        np.zeros(len(pairs.left)),
    )
    found: Floats = -np.log2(1 - model.home_prior + model.home_prior * np.exp2(np.minimum(bits, 500)))
    return found


def _bits(
    column: Column, of: Sequence[float], u: Sequence[float], pairs: Compared, *, is_weighed: bool, is_home: bool = False
) -> Floats:
    shares, strangers = np.array(of), np.array(u)
    # The last one, by which the level -1 is found, is that of a missing value.
    found: Floats = np.append(np.log2(shares / strangers), 0.0)[pairs.levels[column.name]]
    if is_weighed and column.kind.is_weighed:
        same = pairs.same[column.name]
        known = same >= 0
        common = _commonness(column, column.holders[same[known]], strangers[-1])
        # In a home, too, two may have a common given name by chance.
        found[known] = np.log2((np.maximum(shares[-1], common) if is_home else shares[-1]) / common)
    return found


def _commonness(column: Column, holders: Any, u: float) -> Any:
    """How common a value is that so many have: of one of two who share it that is known, and the others tell."""
    return (holders - 1 + _USUAL_RECORDS * u) / (np.count_nonzero(column.counts) + _USUAL_RECORDS)


@attrs.frozen(eq=False)
class Patterns:
    """The different combinations of levels, a row for each field, and how many pairs have them."""

    levels: "np.ndarray[Any, Any]"
    n: Floats


def patterns(columns: Sequence[Column], pairs: Compared) -> Patterns:
    """Return how often each combination of levels is met."""
    names = [each.name for each in columns]
    counted = pl.DataFrame({name: pairs.levels[name] for name in names}).group_by(names).len("\x00").sort(names)
    return Patterns(counted.select(names).to_numpy().T, counted["\x00"].to_numpy().astype(np.float64))


def _likely(
    pairs: Patterns, m: Sequence[Floats], u: Sequence[Floats], h: Sequence[Floats], priors: tuple[float, float]
) -> tuple[Floats, Floats]:
    """How likely pairs are of one customer, and of one home."""
    prior, home_prior = priors
    match = _odds(pairs, m, u) * prior / (1 - prior)
    home = _odds(pairs, h, u) * home_prior
    others = home + 1 - home_prior
    return match / (match + others), home / (match + others)


def _odds(pairs: Patterns, of: Sequence[Floats], u: Sequence[Floats]) -> Floats:
    rows = zip(of, u, pairs.levels, strict=True)
    bits = np.sum([np.append(np.log2(a / b), 0.0)[row] for a, b, row in rows], axis=0)
    found: Floats = np.exp2(np.clip(bits, -500, 500))
    return found


def _matches(columns: Sequence[Column], pairs: Patterns, likely: Floats) -> list[Floats]:
    """How often each level is met among pairs that are surely one customer.

    Most of them have the same value. A field in which they have not is one that namesakes were found by, and is taken as usual.
    """
    surely = np.where(likely >= _SURELY, likely * pairs.n, 0)
    usual = [np.array(each.kind.m) for each in columns]
    found = _shares(columns, pairs, surely, [each * _USUAL_MATCHES for each in usual])
    return [m if m[-1] == m.max() else before for m, before in zip(found, usual, strict=True)]


def _shares(columns: Sequence[Column], pairs: Patterns, weight: Floats, usual: Sequence[Floats]) -> list[Floats]:
    """How often each level is met among the pairs that have a value, added to what is usual."""
    found = []
    for each, row, before in zip(columns, pairs.levels, usual, strict=True):
        known = row != MISSING
        counted = np.bincount(row[known], weights=weight[known], minlength=len(each.kind.names)) + before
        found.append(np.maximum(counted / counted.sum(), _LEAST))
    return found


def _prior(matches: float, total: float, usual: float) -> float:
    return min((matches + _USUAL_PAIRS * usual) / (total + _USUAL_PAIRS), 0.5)


def _random_pairs(n: int) -> tuple[Numbers, Numbers]:
    """Pairs of records as if drawn at random: all where they are few, and else each record with some at fixed distances.

    The distances are great, because whoever was entered together may have neighbouring ids.
    """
    if n * (n - 1) // 2 <= _RANDOM_PAIRS:
        return all_pairs(n)
    steps = np.unique(np.linspace(n // 8, n // 2 - 1, max(_RANDOM_PAIRS // n, 1)).astype(np.int64))
    left = np.tile(np.arange(n), len(steps))
    return left, (left + np.repeat(steps, n)) % n
