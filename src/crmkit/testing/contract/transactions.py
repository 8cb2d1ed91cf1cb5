"""The contract of `Records.transaction`: whole or not at all, nested, and apart from other threads."""

# ruff: noqa: PLR2004 - expected figures stand where they are expected

from contextlib import suppress
from functools import partial
from threading import Event
from time import sleep

from crmkit.errors import Conflict, InvalidInput, StoreBusy
from crmkit.io.stores.port import Store
from crmkit.model import Employee
from crmkit.testing.contract.base import StoreTests, Undone, again_until_kept, in_threads, promise, raises, undone
from crmkit.testing.contract.examples import ANN, BOB, CAT, Specimen

_THREADS, _ROUNDS = 4, 20
_A_MOMENT = 0.3
"""Seconds that another thread gets to read what it must not see."""


_BETWEEN = 0.0005
"""Seconds between reading and writing, in which another thread may come in between."""


class Interrupted(BaseException):
    """An interruption, as by the keyboard, that is no `Exception`."""


class TransactionsContract(StoreTests):
    """What every store does with units of work."""

    @promise()
    def test_a_transaction_keeps_all_of_it(self, store: Store) -> None:
        """Everything inside is one unit of work."""
        with store.transaction():
            store.add([ANN])
            store.add([BOB])
            store.put(ANN.replace(team="North"))
        assert list(store.every(Employee)) == [ANN.replace(team="North"), BOB]

    @promise()
    def test_an_error_undoes_all_of_it_and_goes_on(self, store: Store) -> None:
        """The very error leaves the transaction, and the store is as it was."""
        store.add([ANN])
        error = Undone()
        with raises(Undone) as caught, store.transaction():
            store.add([BOB])
            store.put(ANN.replace(team="North"))
            raise error
        assert caught.error is error
        assert list(store.every(Employee)) == [ANN]
        assert store.read(Employee, "ann").version == 1

    @promise()
    def test_an_interruption_undoes_it_too(self, store: Store) -> None:
        """Whatever is no `Exception` as well."""
        with raises(Interrupted), store.transaction():
            store.add([ANN])
            raise Interrupted
        assert store.count(Employee) == 0

    @promise()
    def test_what_is_written_inside_is_read_inside(self, store: Store) -> None:
        """By every way of reading."""
        store.add([ANN])
        with undone(store):
            store.add([BOB])
            assert store.put(ANN.replace(team="North")) == 2
            assert store.get(Employee, "ann").team == "North"
            assert store.read(Employee, "ann").version == 2
            assert [each.id for each in store.every(Employee)] == ["ann", "bob"]
            assert store.count(Employee) == 2

    @promise()
    def test_a_failed_inner_transaction_is_undone_alone(self, store: Store) -> None:
        """Where its error is caught inside the outer one."""
        with store.transaction():
            store.add([ANN])
            with undone(store):
                store.add([BOB])
                store.put(ANN.replace(team="North"))
            store.add([CAT])
        assert list(store.every(Employee)) == [ANN, CAT]

    @promise()
    def test_an_outer_failure_undoes_an_inner_success(self, store: Store) -> None:
        """What the inner one kept belongs to the outer one."""
        with undone(store):
            with store.transaction():
                store.add([BOB])
            assert store.count(Employee) == 1
        assert store.count(Employee) == 0

    @promise()
    def test_transactions_nest_in_any_depth(self, store: Store) -> None:
        """Each level is kept or undone for itself."""
        with store.transaction():
            store.add([ANN])
            with undone(store):
                store.add([BOB])
                with store.transaction():
                    store.put(ANN.replace(team="North"))
            with store.transaction(), store.transaction():
                store.add([CAT])
        assert list(store.every(Employee)) == [ANN, CAT]

    @promise()
    def test_an_error_that_is_caught_inside_leaves_the_rest_usable(self, store: Store) -> None:
        """A conflict of one call undoes that call alone."""
        store.add([ANN])
        with store.transaction():
            store.add([BOB])
            with raises(Conflict):
                store.add([CAT, ANN])
            with raises(Conflict):
                store.put(ANN, version=7)
            store.put(BOB.replace(team="North"))
        assert list(store.every(Employee)) == [ANN, BOB.replace(team="North")]

    @promise()
    def test_a_transaction_may_follow_one_that_failed(self, store: Store) -> None:
        """Nothing of the failed one is left behind."""
        for _ in range(3):
            with undone(store):
                store.add([ANN])
        with store.transaction():
            store.add([ANN])
        assert list(store.every(Employee)) == [ANN]

    @promise()
    def test_other_threads_never_see_what_is_undone(self, store: Store) -> None:
        """A reader sees what was kept, or waits, and is not kept waiting for ever."""
        store.add([ANN])
        wrote, seen = Event(), Event()
        found: list[list[Employee]] = []

        def write() -> None:
            with undone(store):
                store.put(ANN.replace(team="North"))
                store.add([BOB])
                wrote.set()
                seen.wait(_A_MOMENT)

        def read() -> None:
            wrote.wait()
            found.append(list(store.every(Employee)))
            seen.set()

        in_threads([write, read])
        assert found == [[ANN]]

    @promise()
    def test_threads_have_transactions_of_their_own(self, store: Store) -> None:
        """What one undoes is not what another keeps."""

        def keep_and_undo(thread: int) -> None:
            for number in range(_ROUNDS):
                again_until_kept(store, partial(store.add, [Specimen(id=f"{thread} {number:02}")]))
                _add_and_undo(store, f"undone {thread}")

        in_threads(partial(keep_and_undo, thread) for thread in range(_THREADS))
        expected = [f"{thread} {number:02}" for thread in range(_THREADS) for number in range(_ROUNDS)]
        assert [each.id for each in store.every(Specimen)] == expected

    @promise()
    def test_no_update_is_lost(self, store: Store) -> None:
        """Of those that read and write the same, one waits or gets a `Conflict` or `StoreBusy`, and does it again."""
        store.add([Specimen(id="a")])
        in_threads([partial(again_until_kept, store, partial(_count_up, store, "a"))] * _THREADS, rounds=_ROUNDS)
        stored = store.read(Specimen, "a")
        assert (stored.record.integer, stored.version) == (_THREADS * _ROUNDS, _THREADS * _ROUNDS + 1)

    @promise()
    def test_with_lock_nobody_else_changes_what_was_read(self, store: Store) -> None:
        """What is read inside stays as it is, so writing it is no conflict."""
        conflicts: list[Conflict] = []

        def work() -> None:
            try:
                _count_up(store, "a")
            except Conflict as error:
                conflicts.append(error)
                raise

        store.add([Specimen(id="a")])
        in_threads([partial(again_until_kept, store, work, lock=True)] * _THREADS, rounds=_ROUNDS)
        assert store.get(Specimen, "a").integer == _THREADS * _ROUNDS
        assert not conflicts, f"{len(conflicts)} writes of what was read under the lock were conflicts"

    @promise()
    def test_units_of_work_that_cross_each_other_come_to_an_end(self, store: Store) -> None:
        """Two that write the same records in opposite orders do not wait for each other for ever."""
        store.add([Specimen(id="a"), Specimen(id="b")])
        crossing = [partial(again_until_kept, store, partial(_count_up, store, *ids)) for ids in ("ab", "ba")]
        in_threads(crossing, rounds=_ROUNDS)
        assert [each.integer for each in store.every(Specimen)] == [2 * _ROUNDS] * 2

    @promise()
    def test_a_connection_that_the_store_cannot_join_is_refused(self, store: Store) -> None:
        """`InvalidInput`, and nothing inside is done."""
        with raises(InvalidInput), store.transaction(connection=object()):
            raise AssertionError("the transaction began")
        store.add([ANN])
        assert store.count(Employee) == 1


def _add_and_undo(store: Store, record_id: str) -> None:
    with suppress(StoreBusy), undone(store):
        store.add([Specimen(id=record_id)])


def _count_up(store: Store, *ids: str) -> None:
    for each in ids:
        counter = store.get(Specimen, each)
        sleep(_BETWEEN)
        store.put(counter.replace(integer=counter.integer + 1))
