"""The contract of "history": what records became by each of their changes."""

from collections.abc import Sequence
from contextlib import suppress
from threading import Event

from crmkit.errors import InvalidInput, NotFound
from crmkit.io.stores.port import Stamp, Store, Version
from crmkit.model import Employee, Team
from crmkit.testing.contract.base import StoreTests, in_threads, promise, raises, undone
from crmkit.testing.contract.examples import ANN, BOB, FAR_AHEAD, LONG_AGO, NOON, specimens

_NORTH = ANN.replace(team="North")


class HistoryContract(StoreTests):
    """What a store with the capability "history" does."""

    @promise("history")
    def test_a_history_has_every_change_in_order(self, store: Store) -> None:
        """What the record became, by which change, and its number, which is the version."""
        store.add([ANN, BOB])
        store.put(_NORTH)
        store.put(ANN)
        told = [(each.record, each.kind, each.number) for each in store.history(Employee, "ann")]
        assert told == [(ANN, "added", 1), (_NORTH, "changed", 2), (ANN, "changed", 3)]

    @promise("history", "deletion")
    def test_a_history_tells_of_deleting_and_restoring(self, store: Store) -> None:
        """There is no record once it was deleted; a deleted one has a history too."""
        store.add([ANN])
        store.delete(Employee, "ann")
        assert [each.record for each in store.history(Employee, "ann")] == [ANN, None]
        store.restore(Employee, "ann")
        store.put(_NORTH)
        told = [(each.record, each.kind) for each in store.history(Employee, "ann")]
        assert told == [(ANN, "added"), (None, "deleted"), (ANN, "restored"), (_NORTH, "changed")]

    @promise("history")
    def test_a_change_has_the_stamp_of_its_transaction(self, store: Store) -> None:
        """Exact to the microsecond, empty where nobody said."""
        stamps = [
            Stamp(),
            Stamp("eva", NOON, NOON.replace(microsecond=1)),
            Stamp(None, LONG_AGO, FAR_AHEAD),
            Stamp("Łucja"),
        ]
        for place, stamp in enumerate(stamps):
            with store.transaction(stamp):
                store.put(_NORTH) if place else store.add([ANN])
        assert [each.stamp for each in store.history(Employee, "ann")] == stamps

    @promise("history")
    def test_an_inner_transaction_has_the_stamp_of_the_outermost(self, store: Store) -> None:
        """Also one without a stamp of its own."""
        stamp = Stamp("eva", NOON, NOON)
        with store.transaction(stamp):
            with store.transaction(Stamp("tom")):
                store.add([ANN])
            store.put(_NORTH)
        store.put(ANN)
        assert [each.stamp for each in store.history(Employee, "ann")] == [stamp, stamp, Stamp()]

    @promise("history")
    def test_what_is_undone_has_no_history(self, store: Store) -> None:
        """Inside the transaction it has one."""
        store.add([ANN])
        with undone(store):
            store.put(_NORTH)
            assert [each.record for each in store.history(Employee, "ann")] == [ANN, _NORTH]
        assert [each.record for each in store.history(Employee, "ann")] == [ANN]

    @promise("history")
    def test_a_history_of_nothing_is_not_found(self, store: Store) -> None:
        """`NotFound`, and `InvalidInput` for another class."""
        with raises(NotFound):
            store.history(Employee, "ann")
        with raises(InvalidInput):
            store.history(Team, "ann")
        with raises(InvalidInput):
            list(store.histories(Team))

    @promise("history", "deletion")
    def test_histories_go_by_id_through_all_records(self, store: Store) -> None:
        """Deleted ones included."""
        store.add([BOB, ANN])
        store.put(_NORTH)
        store.delete(Employee, "bob")
        assert list(store.histories(Employee)) == [store.history(Employee, each) for each in ("ann", "bob")]

    @promise("history", "deletion")
    def test_a_history_that_is_read_while_others_write_is_whole(self, store: Store) -> None:
        """It has every change up to one, also of a record that is purged and added again."""
        is_done = Event()

        def write() -> None:
            try:
                for _ in range(30):
                    store.add([ANN])
                    store.put(_NORTH)
                    store.delete(Employee, "ann")
                    store.purge(Employee, "ann")
            finally:
                is_done.set()

        def read() -> None:
            while not is_done.is_set():
                for told in store.histories(Employee):
                    _check_whole(told)
                with suppress(NotFound):
                    _check_whole(store.history(Employee, "ann"))

        in_threads([write, read])

    @promise("history")
    def test_old_forms_come_back_equal(self, store: Store) -> None:
        """With the extremes of every kind of field."""
        forms = [each.replace(id="one", number=None) for each in specimens()]
        store.add(forms[:1])
        for each in forms[1:]:
            store.put(each)
        assert [each.record for each in store.history(type(forms[0]), "one")] == forms


def _check_whole(told: Sequence[Version[Employee]]) -> None:
    whole = [("added", ANN), ("changed", _NORTH), ("deleted", None)]
    assert told
    assert [(each.kind, each.record) for each in told] == whole[: len(told)]
