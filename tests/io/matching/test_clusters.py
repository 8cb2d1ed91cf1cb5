"""Pairs become groups, as long as nothing inside a group speaks against it."""

from itertools import combinations, product

from hypothesis import given
from hypothesis import strategies as st

from crmkit.io.matching.clusters import clusters
from tests.examples import few

AGAINST = -20.0


def test_pairs_that_meet_are_one_group() -> None:
    assert clusters([(0, 1), (1, 2), (3, 4)], {(0, 1): 9, (1, 2): 8, (0, 2): 1, (3, 4): 5}, AGAINST) == [
        [0, 1, 2],
        [3, 4],
    ]


def test_a_chain_does_not_join_its_ends() -> None:
    chain = [(0, 1), (1, 2), (2, 3)]
    odds = dict.fromkeys(chain, 5.0)
    assert clusters(chain, odds, AGAINST) == [[0, 1], [2, 3]]


def test_one_pair_that_was_not_compared_does_not_undo_what_many_say() -> None:
    pairs = [each for each in combinations(range(4), 2) if each != (0, 3)]
    assert clusters(pairs, dict.fromkeys(pairs, 8.0), AGAINST) == [[0, 1, 2, 3]]


def test_nothing_makes_no_group() -> None:
    assert clusters([], {}, AGAINST) == []


odds_ = st.dictionaries(st.sampled_from(list(combinations(range(7), 2))), st.floats(-30, 30).filter(bool), max_size=12)


@few
@given(odds_)
def test_a_group_is_connected_and_its_halves_speak_for_each_other(odds: dict[tuple[int, int], float]) -> None:
    links = sorted((pair for pair, each in odds.items() if each > 0), key=lambda pair: (-odds[pair], pair))
    groups = clusters(links, odds, AGAINST)
    for group in groups:
        inside = [pair for pair in links if set(pair) <= set(group)]
        assert _reached(group[0], inside) == set(group)
        last = group[-1]
        if len(group) == 2:
            assert odds[(group[0], last)] > 0
    alone = {each for pair in links for each in pair} - {each for group in groups for each in group}
    for one, other in product(alone, alone):  # two that are likely and in no group would have been one
        assert odds.get((one, other), -1) < 0


def _reached(start: int, links: list[tuple[int, int]]) -> set[int]:
    reached = {start}
    while more := {each for pair in links if set(pair) & reached for each in pair} - reached:
        reached |= more
    return reached
