"""The memory store keeps the contract of stores."""

from collections.abc import Iterable
from functools import partial
from threading import Barrier
from time import monotonic

import pytest

from crmkit.errors import InvalidInput
from crmkit.io.stores import MemoryStore
from crmkit.model import Customer, Employee, Record, Ticket
from crmkit.rules import field
from crmkit.testing import StoreContract, StoreMachine
from crmkit.testing.contract.base import in_threads
from crmkit.testing.contract.examples import ANN, BOB, Member, specimens


class TestMemoryStore(StoreContract):
    def open_store(self, records: Iterable[type[Record]], tenant: str = "") -> MemoryStore:
        return MemoryStore(records, tenant)


class _Machine(StoreMachine):
    def open_store(self, records: Iterable[type[Record]], tenant: str = "") -> MemoryStore:
        return MemoryStore(records, tenant)


TestMachineOnMemory = _Machine.TestCase


class TestBesideAnotherTenant(StoreContract):
    """Nothing changes for a tenant where another one keeps records with the same ids and values."""

    def open_store(self, records: Iterable[type[Record]], tenant: str = "a") -> MemoryStore:
        store = MemoryStore(records, tenant)
        other = store.for_tenant("noise")
        noise = [ANN, BOB, Ticket(id="t1", number="T-1"), Member(id="ada", kind="person", name="Noise", card="7")]
        other.add(each for each in (*noise, *specimens()) if type(each) in store.classes)
        other.set_note("k", "noise", was=None)
        return store


def test_readers_do_not_wait_for_a_transaction() -> None:
    store = MemoryStore()
    store.add([ANN])
    found: list[list[Employee]] = []

    with store.transaction():
        store.put(ANN.replace(team="North"))
        in_threads([lambda: found.append([*store.every(Employee), *store.find(Employee), store.get(Employee, "ann")])])

    assert found == [[ANN, ANN, ANN]]


def test_busy_threads_do_not_starve_others() -> None:
    store = MemoryStore()
    ends: list[float] = []
    together = Barrier(8, action=lambda: ends.append(monotonic() + 0.5))
    rounds = [0] * 8

    def work(thread: int) -> None:
        together.wait()
        while monotonic() < ends[0]:
            with store.transaction():
                store.add([Employee(name="Ann")])
            rounds[thread] += 1

    in_threads(partial(work, thread) for thread in range(8))

    assert min(rounds) * 3 >= max(rounds) > 0


def test_a_store_without_declared_fields_is_queried_all_the_same() -> None:
    store = MemoryStore([Employee])
    store.add([ANN])

    assert store.find(Employee, field("name") == "Ann").records == (ANN,)


def test_a_class_that_is_given_twice_counts_once() -> None:
    assert MemoryStore([Employee, Customer, Employee]).classes == (Employee, Customer)


def test_a_feed_knows_its_cursors_by_the_name_of_the_store() -> None:
    one, again, other = MemoryStore(name="club"), MemoryStore(name="club"), MemoryStore()
    for store in (one, again, other):
        store.add([ANN])

    assert again.changes(one.changes().cursor).entries == ()
    with pytest.raises(InvalidInput):
        other.changes(one.changes().cursor)
