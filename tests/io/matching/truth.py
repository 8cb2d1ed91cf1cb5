"""How well pairs that were found agree with those that are known."""

from collections.abc import Iterable, Mapping
from itertools import combinations

from crmkit.io.matching import Cluster


def true_pairs(entities: Mapping[str, str]) -> set[tuple[str, str]]:
    """Every two records of one entity, by which entity each record is of."""
    by_entity: dict[str, list[str]] = {}
    for record_id, entity in entities.items():
        by_entity.setdefault(entity, []).append(record_id)
    return {pair for ids in by_entity.values() for pair in combinations(sorted(ids), 2)}


def f1(found: Iterable[tuple[str, str]], entities: Mapping[str, str]) -> float:
    """The harmonic mean of precision and recall of pairs."""
    found, true = set(found), true_pairs(entities)
    return 2 * len(found & true) / (len(found) + len(true))


def pairs_of(clusters: Iterable[Cluster]) -> list[tuple[str, str]]:
    """Every two records of a cluster."""
    return [pair for each in clusters for pair in combinations(each.ids, 2)]
