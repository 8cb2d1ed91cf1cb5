"""Work that is done again until it is done, and once only under a key."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Thread
from time import monotonic
from typing import Any

import pytest

from crmkit import CRM
from crmkit.crm.running import RETRIES, longest_pause, pause
from crmkit.errors import CommitOutcomeUnknown, Conflict, InvalidInput, StoreBusy
from crmkit.io.stores import MemoryStore
from crmkit.model import Customer, PointsEntry
from tests.crm.club import NOON, people

Waits = list[int]


@pytest.fixture
def waits(crm: CRM) -> Waits:
    """The repetitions before which the CRM would have waited."""
    waited: Waits = []
    crm._pause = waited.append
    return waited


def _ann(crm: CRM) -> Customer:
    return crm.customers.add(people("ann")[0])


def _failing(times: int, error: Exception) -> Callable[[CRM], Customer]:
    """Work that meets others so many times after it wrote."""
    failures = iter(range(times))

    def work(crm: CRM) -> Customer:
        ann = _ann(crm)
        for _ in failures:
            raise error
        return ann

    return work


def test_work_is_one_unit_of_work_with_its_own_stamp(crm: CRM) -> None:
    beginning = crm.changes().cursor

    assert crm.run(_ann, by="bob", at=NOON.replace(day=2)) == crm.customers.get("ann")
    (change,) = crm.changes(beginning)
    assert (change.stamp.by, change.stamp.at, change.stamp.recorded_at) == ("bob", NOON.replace(day=2), NOON)


def test_work_that_fails_is_undone_and_not_done_again(crm: CRM, waits: Waits) -> None:
    with pytest.raises(ZeroDivisionError):
        crm.run(_failing(1, ZeroDivisionError()))

    assert (len(crm.customers), waits) == (0, [])


@pytest.mark.parametrize("error", [Conflict("changed meanwhile", 1, 2), StoreBusy("locked")])
def test_work_that_meets_others_is_done_again_after_a_pause(crm: CRM, waits: Waits, error: Exception) -> None:
    assert crm.run(_failing(3, error)).id == "ann"

    assert waits == [1, 2, 3]
    assert len(crm.customers) == 1


def test_the_last_error_is_raised_when_the_retries_are_used_up(crm: CRM, waits: Waits) -> None:
    with pytest.raises(Conflict, match="the same again"):
        crm.run(_failing(100, Conflict("the same again")), retries=2)

    assert (len(crm.customers), waits) == (0, [1, 2])


def test_without_retries_work_is_done_once(crm: CRM, waits: Waits) -> None:
    with pytest.raises(StoreBusy):
        crm.run(_failing(1, StoreBusy("locked")), retries=0)

    assert waits == []


def test_inside_a_transaction_work_joins_and_is_not_done_again(crm: CRM, waits: Waits) -> None:
    with crm.transaction(by="bob"):
        with pytest.raises(Conflict):
            crm.run(_failing(1, Conflict("changed meanwhile")))
        crm.load(people("bob"))

    assert ([each.id for each in crm.customers], waits) == (["bob"], [])


def test_all_pauses_together_are_as_long_as_a_person_waits() -> None:
    assert 1 < sum(longest_pause(repetition + 1) for repetition in range(RETRIES)) < 2
    before = monotonic()
    pause(RETRIES)
    assert monotonic() - before < 2  # much more than it can be, on a machine that has much else to do


def test_the_same_key_twice_has_one_effect(crm: CRM) -> None:
    first = crm.run(_ann, key="form-17")
    crm.customers.update(first.replace(city="Łódź"))

    assert crm.run(_ann, key="form-17") == first.replace(city="Łódź")
    assert len(crm.customers) == 1


def test_another_key_is_another_command(crm: CRM) -> None:
    def register(crm: CRM) -> Customer:
        return crm.customers.add(Customer(kind="person", name="Ann"))

    assert crm.run(register, key="a") != crm.run(register, key="b")
    assert len(crm.customers) == 2


def test_a_command_without_a_result_has_one_effect_too(crm: CRM) -> None:
    def clear(crm: CRM) -> None:
        crm.load(people("ann"))

    assert crm.run(clear, key="once") is None
    assert crm.run(clear, key="once") is None
    assert len(crm.customers) == 1


def test_a_command_that_failed_may_be_done_under_its_key(crm: CRM) -> None:
    with pytest.raises(ZeroDivisionError):
        crm.run(_failing(1, ZeroDivisionError()), key="form-17")

    assert crm.run(_ann, key="form-17") == crm.customers.get("ann")


def test_a_key_is_forgotten_with_the_transaction_around_it(crm: CRM) -> None:
    with pytest.raises(ZeroDivisionError), crm.transaction():
        crm.run(_ann, key="form-17")
        raise ZeroDivisionError

    assert crm.run(_ann, key="form-17") == crm.customers.get("ann")


def test_a_repeated_command_returns_what_its_record_was_merged_into(crm: CRM) -> None:
    crm.load(people("anna"))
    crm.run(_ann, key="form-17")
    crm.merge("anna", ["ann"])

    assert crm.run(_ann, key="form-17").id == "anna"


def test_a_repeated_command_returns_nothing_where_its_record_is_deleted(crm: CRM) -> None:
    crm.run(_ann, key="form-17")
    crm.customers.delete("ann")

    assert crm.run(_ann, key="form-17") is None


@pytest.mark.parametrize(
    ("made", "match"), [(1, "returned a int"), (people("eve")[0], "returned a Customer that is not stored")]
)
def test_under_a_key_only_a_stored_record_may_be_returned(crm: CRM, made: Any, match: str) -> None:
    def work(crm: CRM) -> Any:
        _ann(crm)
        return made

    with pytest.raises(InvalidInput, match=match):
        crm.run(work, key="form-17")
    assert len(crm.customers) == 0


def test_a_blank_key_is_refused(crm: CRM) -> None:
    with pytest.raises(InvalidInput, match="key=' ' tells no command from another"):
        crm.run(_ann, key=" ")


class Lossy(MemoryStore):
    """A store whose connection is lost as some units of work are kept, or just before."""

    def __init__(self, outcomes: list[bool]) -> None:
        super().__init__()
        self.outcomes = outcomes

    @contextmanager
    def transaction(self, *arguments: Any, **options: Any) -> Iterator[None]:
        is_outer = not self._memory._layers()
        is_kept = self.outcomes.pop(0) if self.outcomes and is_outer else None
        try:
            with super().transaction(*arguments, **options):
                yield
                if is_kept is False:
                    raise CommitOutcomeUnknown("lost")
        finally:
            if is_kept:
                raise CommitOutcomeUnknown("lost")


@pytest.mark.parametrize("is_kept", [True, False])
def test_an_unknown_outcome_is_raised_without_a_key(*, is_kept: bool) -> None:
    crm = CRM(Lossy([is_kept]), pause=lambda _: None)

    with pytest.raises(CommitOutcomeUnknown):
        crm.run(_ann)
    assert len(crm.customers) == is_kept


@pytest.mark.parametrize("outcomes", [[True], [False], [False, False, True], [False, True, False]])
def test_an_unknown_outcome_is_made_certain_under_a_key(outcomes: list[bool]) -> None:
    crm = CRM(Lossy(outcomes), pause=lambda _: None)

    assert crm.run(_ann, key="form-17") == crm.customers.get("ann")
    assert len(crm.customers) == 1


def test_many_threads_lose_no_update(crm: CRM) -> None:
    crm.load([PointsEntry(id="p", customer_id="ann", at=NOON, points=0, kind="adjusted")])

    def earn(_: int) -> None:
        def work(crm: CRM) -> PointsEntry:
            entry = crm.points_entries.get("p")
            return crm.points_entries.update(entry.replace(points=entry.points + 1))

        crm.run(work)

    with ThreadPoolExecutor(16) as threads:
        list(threads.map(earn, range(64)))
    assert crm.points_entries.get("p").points == 64
    assert crm.points_entries.read("p").version == 65


def test_the_second_attempt_gets_ahead_of_all_others(crm: CRM) -> None:
    crm.load([PointsEntry(id="p", customer_id="ann", at=NOON, points=0, kind="adjusted")])
    others: list[Thread] = []

    def earn(crm: CRM) -> PointsEntry:
        entry = crm.points_entries.get("p")
        return crm.points_entries.update(entry.replace(points=entry.points + 1))

    def earn_slowly(crm: CRM) -> PointsEntry:
        entry = crm.points_entries.get("p")
        others.append(Thread(target=crm.run, args=(earn,)))
        others[-1].start()
        others[-1].join(0.3)  # which is over where it need not wait
        return crm.points_entries.update(entry.replace(points=entry.points + 1))

    crm.run(earn_slowly, retries=1)
    for other in others:
        other.join()
    assert crm.points_entries.get("p").points == len(others) + 1


def test_many_threads_with_one_key_have_one_effect(crm: CRM) -> None:
    def register(crm: CRM) -> Customer:
        return crm.customers.add(Customer(kind="person", name="Ann"))

    with ThreadPoolExecutor(8) as threads:
        made = list(threads.map(lambda _: crm.run(register, key="form-17").id, range(16)))
    assert [each.id for each in crm.customers] == [*set(made)]
