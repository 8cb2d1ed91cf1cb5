"""Records that are one customer, from pairs: joined as long as nothing inside a group speaks against it."""

from collections.abc import Iterable, Mapping

Odds = Mapping[tuple[int, int], float]

_MOST_BITS = 10.0


def clusters(links: Iterable[tuple[int, int]], odds: Odds, otherwise: float) -> list[list[int]]:
    """Join records along links, the surest first, and return the groups of two and more, by their first record.

    A chain of likely pairs may end far from where it began. So two groups are joined only where all pairs between them, taken
    together, speak for it: the mean of their odds, each at most 10 bits either way, is above even.

    Args:
        links: pairs of records, the surest first.
        odds: the odds of a pair, in bits, for every pair that was compared.
        otherwise: the odds of a pair that was not.

    >>> chain = {(0, 1): 5.0, (1, 2): 4.0, (0, 2): -9.0}
    >>> clusters([(0, 1), (1, 2)], chain, -20.0)
    [[0, 1]]
    """
    groups: dict[int, list[int]] = {}
    for pair in links:
        left, right = (groups.get(each, [each]) for each in pair)
        if left is not right and _speaks_for(left, right, odds, otherwise):
            joined = sorted([*left, *right])
            groups |= dict.fromkeys(joined, joined)
    return sorted({group[0]: group for group in groups.values()}.values())


def _speaks_for(left: list[int], right: list[int], odds: Odds, otherwise: float) -> bool:
    between = (odds.get((min(a, b), max(a, b)), otherwise) for a in left for b in right)
    return sum(max(-_MOST_BITS, min(_MOST_BITS, each)) for each in between) > 0
