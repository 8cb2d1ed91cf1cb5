"""The contract of "erasing": what is taken out of a record is in no place any more."""

# ruff: noqa: PLR2004 - expected figures stand where they are expected

from typing import Any

from crmkit.errors import Conflict, NotFound
from crmkit.io.stores.port import Stamp
from crmkit.model import Customer, Employee, Record
from crmkit.rules import field
from crmkit.testing.contract.base import StoreTests, promise, raises, undone
from crmkit.testing.contract.examples import ANN, BOB, NOON, Member


def _nameless(record: Record) -> Record:
    assert isinstance(record, Employee)
    return record.replace(name="erased")


class ErasingContract(StoreTests):
    """What a store with the capability "erasing" does."""

    @promise("erasing", "deletion")
    def test_deleted_records_are_found_by_a_rule(self, store: Any) -> None:
        """By id, and no others; once restored or purged they are not."""
        store.add([ANN, BOB, Employee(id="cat", name="Cat", team="North"), Member(id="m1", kind="person", name="Eva")])
        for each in ("cat", "ann"):
            store.delete(Employee, each)
        store.delete(Customer, "m1")
        assert [each.id for each in store.deleted(Employee)] == ["ann", "cat"]
        assert [each.id for each in store.deleted(Employee, field("team") == "North")] == ["cat"]
        assert [type(each) for each in store.deleted(Customer)] == [Member]
        store.restore(Employee, "ann")
        store.purge(Employee, "cat")
        assert list(store.deleted(Employee)) == []

    @promise("erasing", "history", "feed")
    def test_what_was_rewritten_is_so_in_all_of_its_history(self, store: Any) -> None:
        """It has one version more, and who follows the feed is told."""
        store.add([ANN, BOB])
        store.put(ANN.replace(name="Anna", team="North"))
        with store.transaction(Stamp("eva", NOON, NOON)):
            assert store.rewrite(Employee, "ann", _nameless)
        expected = ANN.replace(name="erased", team="North")
        assert (store.get(Employee, "ann"), store.read(Employee, "ann").version) == (expected, 3)
        told = store.history(Employee, "ann")
        assert [each.record for each in told] == [ANN.replace(name="erased"), expected, expected]
        assert [(each.kind, each.number) for each in told] == [("added", 1), ("changed", 2), ("changed", 3)]
        last = store.changes()[-1]
        assert (last.kind, last.subject_id, last.version, last.before, last.stamp.by) == (
            "changed",
            "ann",
            3,
            expected,
            "eva",
        )
        assert store.get(Employee, "bob") == BOB
        with raises(Conflict):
            store.put(ANN, version=2)

    @promise("erasing")
    def test_rewriting_what_stays_as_it_is_does_nothing(self, store: Any) -> None:
        """The second time it is False, and no version is counted."""
        store.add([ANN])
        assert store.rewrite(Employee, "ann", _nameless)
        assert not store.rewrite(Employee, "ann", _nameless)
        assert store.read(Employee, "ann").version == 2

    @promise("erasing", "deletion", "history")
    def test_a_deleted_record_is_rewritten_too(self, store: Any) -> None:
        """It stays deleted, with its version, and is restored without what was taken out."""
        store.add([ANN])
        store.put(ANN.replace(team="North"))
        store.delete(Employee, "ann")
        assert store.rewrite(Employee, "ann", _nameless)
        stored = store.read(Employee, "ann")
        assert (stored.is_deleted, stored.version, stored.record.name) == (True, 3, "erased")
        assert [each.record and each.record.name for each in store.history(Employee, "ann")] == [
            "erased",
            "erased",
            None,
        ]
        store.restore(Employee, "ann")
        assert store.get(Employee, "ann").name == "erased"

    @promise("erasing")
    def test_rewriting_is_part_of_its_unit_of_work(self, store: Any) -> None:
        """What is undone was never rewritten, neither now nor before."""
        store.add([ANN])
        store.put(ANN.replace(team="North"))
        with undone(store):
            store.rewrite(Employee, "ann", _nameless)
        assert [each.record.name for each in store.history(Employee, "ann")] == ["Ann", "Ann"]

    @promise("erasing")
    def test_rewriting_frees_and_takes_unique_values(self, store: Any) -> None:
        """As `put` does."""
        store.add(
            [Member(id="m1", kind="person", name="Ann", card="7"), Member(id="m2", kind="person", name="Bob", card="8")]
        )
        store.rewrite(Member, "m1", lambda each: each.replace(card=None))
        store.add([Member(id="m3", kind="person", name="Cat", card="7")])
        with raises(Conflict):
            store.rewrite(Member, "m1", lambda each: each.replace(card="8"))
        assert store.get(Member, "m1").card is None

    @promise("erasing")
    def test_what_is_not_there_cannot_be_rewritten(self, store: Any) -> None:
        """`NotFound`."""
        with raises(NotFound):
            store.rewrite(Employee, "ann", _nameless)

    @promise("erasing", "notes")
    def test_all_notes_are_told_by_key(self, store: Any) -> None:
        """As they are now."""
        for key in ("b", "a", "Z"):
            store.set_note(key, f"text of {key}", was=None)
        store.set_note("a", "other", was="text of a")
        assert list(store.notes()) == [("Z", "text of Z"), ("a", "other"), ("b", "text of b")]

    @promise("erasing")
    def test_overwriting_changes_nothing_that_is_kept(self, store: Any) -> None:
        """It may be done at any time; inside a unit of work it does nothing."""
        store.add([ANN])
        with store.transaction():
            store.rewrite(Employee, "ann", _nameless)
            store.overwrite_erased()
        store.overwrite_erased()
        assert store.get(Employee, "ann").name == "erased"
