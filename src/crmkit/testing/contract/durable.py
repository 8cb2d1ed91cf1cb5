"""The contract of "durable": what was kept is there after closing and opening again."""

from crmkit.errors import Conflict
from crmkit.io.stores.port import Stamp, Store
from crmkit.model import Employee, Ticket
from crmkit.testing.contract.base import StoreTests, promise, raises, skip_without, undone
from crmkit.testing.contract.examples import ANN, BOB, CLASSES, NOON, Specimen, specimens


class DurableContract(StoreTests):
    """What a store with the capability "durable" does."""

    @promise("durable")
    def test_what_was_kept_is_there_again(self, store: Store) -> None:
        """With its versions and unique values; what was undone is not."""
        kept = specimens()
        store.add([*kept, ANN, Ticket(id="t1", number="T-1")])
        store.put(ANN.replace(team="North"))
        with undone(store):
            store.add([BOB])
        again = self.reopen(store)
        try:
            assert list(again.every(Specimen)) == sorted(kept, key=lambda each: each.id)
            assert list(again.every(Employee)) == [ANN.replace(team="North")]
            assert again.read(Employee, "ann").version == 2  # noqa: PLR2004 - as often as it changed
            with raises(Conflict):
                again.add([Ticket(number="T-1")])
            assert again.put(ANN) == 3  # noqa: PLR2004
        finally:
            again.close()

    def test_it_can_be_opened_many_times(self) -> None:
        """Each time with all that was kept before."""
        store = self.open_store(CLASSES)
        try:
            skip_without(store, "durable")
            for number in range(5):
                store.add([Specimen(id=str(number))])
                store = self.reopen(store)
            assert [each.id for each in store.every(Specimen)] == ["0", "1", "2", "3", "4"]
        finally:
            store.close()

    @promise("durable", "history", "deletion")
    def test_the_ledger_is_there_again(self, store: Store) -> None:
        """And what was deleted still is."""
        with store.transaction(Stamp("eva", NOON, NOON)):
            store.add([ANN, BOB])
        store.put(ANN.replace(team="North"))
        store.delete(Employee, "ann")
        told = store.history(Employee, "ann")
        again = self.reopen(store)
        try:
            assert again.history(Employee, "ann") == told
            assert again.read(Employee, "ann").is_deleted
            again.restore(Employee, "ann")
        finally:
            again.close()

    @promise("durable", "feed")
    def test_cursors_go_on_after_opening_again(self, store: Store) -> None:
        """A follower may live longer than the store's process."""
        store.add([ANN])
        cursor = store.changes().cursor
        store.add([BOB])
        again = self.reopen(store)
        try:
            again.put(ANN)
            told = [(each.subject_id, each.version) for each in again.changes(cursor)]
            assert told == [("bob", 1), ("ann", 2)]
        finally:
            again.close()

    @promise("durable", "notes")
    def test_notes_are_there_again(self, store: Store) -> None:
        """With their last texts."""
        store.set_note("k", "one", was=None)
        store.set_note("k", "two", was="one")
        again = self.reopen(store)
        try:
            assert again.note("k") == "two"
        finally:
            again.close()
