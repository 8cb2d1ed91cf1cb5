"""Followers of the feed: every change has its effect exactly once."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmkit import CRM
from crmkit.errors import Conflict
from crmkit.io.stores.port import Change
from crmkit.model import Task
from tests.crm.club import people

Key = tuple[str, str, int]


def _key(change: Change) -> Key:
    return change.subject, change.subject_id, change.version


def test_every_change_comes_once_and_in_order(crm: CRM) -> None:
    crm.load(people(*"abc"))
    crm.customers.update(crm.customers.get("b").replace(city="Łódź"))
    seen: list[Change] = []

    assert crm.follow("mail", seen.append) == len(seen) == 5
    assert [_key(each) for each in seen] == [
        ("Pipeline", "gym", 1),
        *(("Customer", each, 1) for each in "abc"),
        ("Customer", "b", 2),
    ]
    assert crm.follow("mail", seen.append) == 0
    crm.customers.delete("b")
    assert crm.follow("mail", seen.append) == 1
    assert seen[-1].kind == "deleted"


def test_followers_of_other_names_have_positions_of_their_own(crm: CRM) -> None:
    assert [crm.follow(name, str) for name in ("mail", "search", "mail")] == [1, 1, 0]


@given(limit=st.integers(1, 7))
def test_the_limit_only_makes_the_steps_smaller(limit: int) -> None:
    with CRM.open("memory://") as crm:
        crm.load(people(*"abcde"))
        seen: list[Change] = []
        steps = []
        while step := crm.follow("mail", seen.append, limit=limit):
            steps.append(step)

    assert [each.subject_id for each in seen] == [*"abcde"]
    assert max(steps) <= limit


def test_effects_in_the_store_are_undone_with_the_one_that_fails(crm: CRM) -> None:
    crm.load(people(*"ab"))

    def effect(change: Change) -> None:
        crm.tasks.add(Task(subject=f"greet {change.subject_id}"))
        if change.subject_id == "b" and not crm.employees.count() and is_broken:
            raise ZeroDivisionError

    is_broken = True
    with pytest.raises(ZeroDivisionError):
        crm.follow("greet", effect)
    assert len(crm.tasks) == 0

    is_broken = False
    assert crm.follow("greet", effect) == 3
    assert sorted(str(each.subject) for each in crm.tasks) == ["greet a", "greet b", "greet gym"]


def test_effects_are_changes_that_come_next(crm: CRM) -> None:
    crm.follow("greet", lambda change: crm.tasks.add(Task(id=change.subject_id)) if change.subject != "Task" else None)
    seen: list[Change] = []

    assert crm.follow("greet", seen.append) == 1
    assert _key(seen[0]) == ("Task", "gym", 1)
    assert crm.follow("greet", seen.append) == 0


def test_a_follower_who_meets_others_goes_on_where_it_is(crm: CRM) -> None:
    crm.load(people(*"ab"))
    failures = iter([1])

    def effect(change: Change) -> None:
        crm.tasks.add(Task(id=f"greet {change.subject_id}"))
        for _ in failures:
            raise Conflict("changed meanwhile")

    assert crm.follow("greet", effect) == 3
    assert len(crm.tasks) == 3


def test_several_followers_of_one_name_have_no_effect_twice(crm: CRM) -> None:
    crm.load(people(*map(str, range(60))))

    def effect(change: Change) -> None:
        crm.tasks.add(Task(id=f"{change.subject} {change.subject_id} {change.version}"))

    def go_on(_: int) -> int:
        return crm.follow("greet", lambda change: effect(change) if change.subject == "Customer" else None, limit=7)

    with ThreadPoolExecutor(8) as threads:
        done = sum(threads.map(go_on, range(40)))
    while more := go_on(
        0
    ):  # what came too late for the last of them, because a feed waits for those who are still at work
        done += more
    assert len(crm.tasks) == 60
    assert done >= 61


def test_the_feed_can_be_read_without_a_position(crm: CRM) -> None:
    crm.load(people(*"abc"))
    first = crm.changes(limit=2)

    assert [each.subject_id for each in (*first, *crm.changes(first.cursor))] == ["gym", "a", "b", "c"]
