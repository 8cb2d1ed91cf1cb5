"""Segments: what is done by hand, and who entered and left."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmkit.errors import InvalidInput
from crmkit.model import Segment, Transition
from crmkit.model.segment import exclude, include, membership_changes, membership_field, release, segment_of
from tests.examples import few

NOON = datetime(2025, 5, 1, 12, tzinfo=UTC)
VIP = Segment(id="vip", name="VIP")
PEOPLE = ("ann", "bob", "cat")
groups = st.frozensets(st.sampled_from(PEOPLE))
MOVES: dict[str, Callable[[Segment, Iterable[str]], Segment]] = {
    "include": include,
    "exclude": exclude,
    "release": release,
}


@few
@given(st.lists(st.tuples(st.sampled_from(list(MOVES)), groups)))
def test_of_what_was_done_by_hand_the_last_counts(moves: list[tuple[str, frozenset[str]]]) -> None:
    segment, last = VIP, dict.fromkeys(PEOPLE, "release")
    for name, ids in moves:
        segment = MOVES[name](segment, ids)
        last |= dict.fromkeys(ids, name)

    assert segment.added_ids == {each for each, move in last.items() if move == "include"}
    assert segment.removed_ids == {each for each, move in last.items() if move == "exclude"}


@pytest.mark.parametrize("move", MOVES.values(), ids=MOVES)
def test_one_text_is_not_several_ids(move: Callable[[Segment, str], Segment]) -> None:
    with pytest.raises(InvalidInput, match=r"ids='ann' is one text; give several ids, such as \['ann'\]"):
        move(VIP, "ann")


def looked_at(groups: Iterable[frozenset[str]]) -> list[Transition]:
    known: list[Transition] = []
    for hour, members in enumerate(groups):
        known += membership_changes(VIP, members, known, at=NOON + timedelta(hours=hour), by="host")
    return known


@few
@given(st.lists(groups), groups, st.randoms(use_true_random=False))
def test_the_changes_of_two_looks_are_their_difference(
    earlier: list[frozenset[str]], now: frozenset[str], random: object
) -> None:
    known = looked_at(earlier)
    random.shuffle(known)  # type: ignore[attr-defined]
    before = earlier[-1] if earlier else frozenset()
    at = NOON + timedelta(days=30)

    changes = membership_changes(VIP, now, known, at=at)
    assert [each.subject_id for each in changes if each.after == "entered"] == sorted(now - before)
    assert [each.subject_id for each in changes if each.after == "left"] == sorted(before - now)
    assert not membership_changes(VIP, now, [*known, *changes], at=at)


@few
@given(st.lists(groups, min_size=2))
def test_the_transitions_of_a_customer_follow_each_other(seen: list[frozenset[str]]) -> None:
    for name in PEOPLE:
        own = [each for each in looked_at(seen) if each.subject_id == name]
        assert [each.before for each in own] == [None, *(each.after for each in own)][: len(own)]
        assert all(each.before != each.after for each in own)


def test_several_looks_at_one_instant_agree_with_the_last() -> None:
    known: list[Transition] = []
    for members in (["ann"], [], ["ann"], []):
        known += membership_changes(VIP, members, known, at=NOON)

    assert not membership_changes(VIP, [], reversed(known), at=NOON)


def test_other_segments_and_other_states_do_not_count() -> None:
    other = membership_changes(Segment(id="vip2", name="VIP 2"), ["ann"], [], at=NOON)
    moved = Transition(subject="Customer", subject_id="ann", field="owner_id", after="entered", at=NOON)

    (change,) = membership_changes(VIP, ["ann"], [*other, moved], at=NOON, by="anna")
    assert (change.subject, change.field, change.before, change.by) == ("Customer", "segment:vip", None, "anna")


def test_nobody_looks_into_a_past_that_was_looked_at() -> None:
    known = membership_changes(VIP, ["ann"], [], at=NOON)

    with pytest.raises(InvalidInput, match="the segment 'vip' was looked at on 2025-05-01 12:00:00.*; give an at from"):
        membership_changes(VIP, [], known, at=NOON - timedelta(microseconds=1))


def test_a_field_of_transitions_names_its_segment() -> None:
    assert segment_of(membership_field("segment:odd")) == "segment:odd"
    assert segment_of("stage") is None
