"""The contract of "deletion": what is deleted is hidden, comes back, or is removed for good."""

# ruff: noqa: PLR2004 - expected figures stand where they are expected

from crmkit.errors import Conflict, NotFound
from crmkit.io.stores.port import Stamp, Store
from crmkit.model import Employee, Ticket
from crmkit.testing.contract.base import StoreTests, promise, raises, undone
from crmkit.testing.contract.examples import ANN, BOB, NOON


class DeletionContract(StoreTests):
    """What a store with the capability "deletion" does."""

    @promise("deletion")
    def test_what_is_deleted_is_hidden(self, store: Store) -> None:
        """From everything but `read`, which says when it was deleted."""
        store.add([ANN, BOB])
        with store.transaction(Stamp("eva", NOON, NOON)):
            store.delete(Employee, "ann")
        assert list(store.every(Employee)) == [BOB]
        assert store.count(Employee) == 1
        with raises(NotFound):
            store.get(Employee, "ann")
        stored = store.read(Employee, "ann")
        assert (stored.record, stored.version, stored.is_deleted, stored.deleted_at) == (ANN, 2, True, NOON)

    @promise("deletion", "queries", "frames")
    def test_what_is_deleted_is_hidden_from_queries_and_frames(self, store: Store) -> None:
        """As if it were not there."""
        store.add([ANN, BOB])
        store.delete(Employee, "ann")
        assert store.find(Employee).records == (BOB,)
        assert store.frame(Employee)["id"].to_list() == ["bob"]

    @promise("deletion")
    def test_what_is_deleted_cannot_be_changed_or_deleted_again(self, store: Store) -> None:
        """`NotFound`, with any version."""
        store.add([ANN])
        store.delete(Employee, "ann")
        for version in (None, 1, 2):
            with raises(NotFound):
                store.put(ANN.replace(team="North"), version=version)
            with raises(NotFound):
                store.delete(Employee, "ann", version=version)
        assert store.read(Employee, "ann").version == 2

    @promise("deletion")
    def test_what_is_not_there_cannot_be_deleted(self, store: Store) -> None:
        """`NotFound`."""
        with raises(NotFound):
            store.delete(Employee, "ann")

    @promise("deletion")
    def test_the_id_of_a_deleted_record_is_taken(self, store: Store) -> None:
        """`Conflict` from `add`, because it may come back."""
        store.add([ANN])
        store.delete(Employee, "ann")
        with raises(Conflict):
            store.add([ANN])

    @promise("deletion")
    def test_deleting_another_version_is_a_conflict_with_both(self, store: Store) -> None:
        """The record stays."""
        store.add([ANN])
        store.put(ANN)
        with raises(Conflict) as caught:
            store.delete(Employee, "ann", version=1)
        assert (caught.error.expected, caught.error.actual) == (1, 2)
        store.delete(Employee, "ann", version=2)
        assert store.count(Employee) == 0

    @promise("deletion")
    def test_restoring_brings_the_same_record_back(self, store: Store) -> None:
        """Deleting and restoring are changes of it, so its version counts on."""
        store.add([ANN])
        store.delete(Employee, "ann")
        store.restore(Employee, "ann")
        stored = store.read(Employee, "ann")
        assert (stored.record, stored.version, stored.is_deleted, stored.deleted_at) == (ANN, 3, False, None)
        assert store.get(Employee, "ann") == ANN
        assert store.put(ANN.replace(team="North")) == 4

    @promise("deletion")
    def test_only_what_is_deleted_can_be_restored_or_purged(self, store: Store) -> None:
        """`NotFound` for a record that is there, and for none."""
        store.add([ANN])
        for absent in ("ann", "bob"):
            for use in (store.restore, store.purge):
                with raises(NotFound):
                    use(Employee, absent)
        assert list(store.every(Employee)) == [ANN]

    @promise("deletion")
    def test_what_is_undone_was_never_deleted_restored_or_purged(self, store: Store) -> None:
        """As with every other change."""
        store.add([ANN, BOB])
        store.delete(Employee, "bob")
        with undone(store):
            store.delete(Employee, "ann")
        with undone(store):
            store.restore(Employee, "bob")
        with undone(store):
            store.purge(Employee, "bob")
        assert list(store.every(Employee)) == [ANN]
        assert store.read(Employee, "bob").record == BOB

    @promise("deletion")
    def test_what_is_purged_is_gone(self, store: Store) -> None:
        """Its id and its unique values may be used again, by a new record with a version of 1."""
        store.add([Ticket(id="t1", number="T-1")])
        store.delete(Ticket, "t1")
        store.purge(Ticket, "t1")
        for use in (store.read, store.get, store.restore, store.purge):
            with raises(NotFound):
                use(Ticket, "t1")
        store.add([Ticket(id="t1", number="T-1", subject="new")])
        assert store.read(Ticket, "t1").version == 1

    @promise("deletion", "history", "feed")
    def test_nothing_of_what_is_purged_stays_in_the_ledger(self, store: Store) -> None:
        """But that it was purged."""
        store.add([ANN, BOB])
        store.put(ANN.replace(team="North"))
        store.delete(Employee, "ann")
        with store.transaction(Stamp(by="eva")):
            store.purge(Employee, "ann")
        with raises(NotFound):
            store.history(Employee, "ann")
        told = [each for each in store.changes() if each.subject_id == "ann"]
        assert (told[-1].kind, told[-1].subject, told[-1].stamp.by) == ("purged", "Employee", "eva")
        assert not any(each.before for each in told)
        assert [[each.record for each in one] for one in store.histories(Employee)] == [[BOB]]

    @promise("deletion", "history")
    def test_a_new_record_has_no_history_of_the_one_that_was_purged(self, store: Store) -> None:
        """They only have the same id."""
        store.add([ANN])
        store.delete(Employee, "ann")
        store.purge(Employee, "ann")
        store.add([ANN.replace(team="North")])
        assert [(each.kind, each.number) for each in store.history(Employee, "ann")] == [("added", 1)]
