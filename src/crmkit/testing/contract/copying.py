"""The contract of "copying": what a store gives, another one of its kind takes, and gives again."""

from typing import Any

from crmkit.errors import CrmError, InvalidInput
from crmkit.io.stores.parts import EntryPart, NotePart, RecordPart, UnitPart
from crmkit.io.stores.port import Stamp, Store
from crmkit.model import Customer, CustomField, Employee, Ticket
from crmkit.testing.contract.base import StoreTests, promise, raises, skip_without
from crmkit.testing.contract.examples import ANN, BOB, CAT, CLASSES, NOON, TEXTS, Member, Specimen, specimens


class CopyingContract(StoreTests):
    """What a store with the capability "copying" does."""

    @promise("copying")
    def test_an_empty_store_has_no_parts(self, store: Any) -> None:
        """And takes none."""
        assert list(store.contents()) == []
        assert store.fill([]) == 0

    @promise("copying")
    def test_parts_come_in_order(self, store: Any) -> None:
        """Units, the ledger, records, notes."""
        with store.transaction(Stamp("eva", NOON, NOON)):
            store.add([BOB, ANN])
        store.set_note("k", "text", was=None)
        assert list(store.contents()) == [
            UnitPart(1, Stamp("eva", NOON, NOON)),
            EntryPart(1, "added", "Employee", "bob", 1),
            EntryPart(1, "added", "Employee", "ann", 1),
            RecordPart(ANN, 1, 1),
            RecordPart(BOB, 1, 1),
            NotePart("k", "text"),
        ]

    @promise("copying", "deletion", "history", "feed", "notes")
    def test_a_filled_store_is_the_same(self, store: Any) -> None:
        """Records, versions, stamps, history, feed and notes, with the extremes of every kind of field."""
        _live(store)
        with _another(self, store) as other:
            parts = list(store.contents())
            assert other.fill(parts) == len(parts)
            assert list(other.contents()) == parts
            for cls in (Employee, Customer, Specimen, CustomField):
                assert list(other.every(cls)) == list(store.every(cls))
                assert list(other.histories(cls)) == list(store.histories(cls))
            assert other.read(Employee, "bob") == store.read(Employee, "bob")
            assert other.changes().entries == store.changes().entries
            assert [other.note(each) for each in TEXTS[:-1]] == [store.note(each) for each in TEXTS[:-1]]

    @promise("copying", "deletion", "feed", "notes")
    def test_a_filled_store_goes_on(self, store: Any) -> None:
        """With the next version, its unique values taken, and its followers where they were."""
        _live(store)
        with _another(self, store) as other:
            other.fill(store.contents())
            rest = other.changes(other.note("follower"))
            assert rest.entries == store.changes(store.note("follower")).entries
            with raises(CrmError):
                other.add([Member(id="m9", kind="person", name="Eve", card="7")])
            assert other.put(ANN.replace(team="South")) == store.put(ANN.replace(team="South"))
            other.restore(Employee, "bob")
            other.add([CAT])
            assert [each.subject_id for each in other.changes(rest.cursor)] == ["ann", "bob", "cat"]

    @promise("copying")
    def test_only_an_empty_store_is_filled(self, store: Any) -> None:
        """`InvalidInput`, and what is there stays."""
        store.add([ANN])
        with _another(self, store) as other:
            other.add([BOB])
            with raises(InvalidInput):
                other.fill(store.contents())
            assert list(other.every(Employee)) == [BOB]

    @promise("copying")
    def test_a_copy_that_breaks_off_leaves_nothing(self, store: Any) -> None:
        """The store is empty, and can be filled."""
        with raises(ZeroDivisionError):
            store.fill(_broken_off())
        assert list(store.contents()) == []
        store.add([ANN])
        assert list(store.every(Employee)) == [ANN]

    @promise("copying")
    def test_parts_that_do_not_fit_are_refused(self, store: Any) -> None:
        """Out of order, of a unit of work or an entry that is not there, of an unknown class, twice."""
        unit, added, record = UnitPart(1, Stamp()), EntryPart(1, "added", "Employee", "ann", 1), RecordPart(ANN, 1, 1)
        for parts in (
            [added, unit],
            [unit, record, added],
            [added],
            [unit, EntryPart(1, "added", "Spaceship", "s1", 1)],
            [unit, EntryPart(2, "added", "Employee", "ann", 1)],
            [unit, added, RecordPart(ANN, 1, 2)],
            [unit, added, RecordPart(ANN, 1, 1, 2)],
            [unit, added, record, record],
            [unit, unit],
            [unit, added, NotePart("k", after=2)],
        ):
            with raises(CrmError):
                store.fill(parts)
            assert list(store.contents()) == []

    @promise("copying")
    def test_a_store_is_not_copied_inside_a_unit_of_work(self, store: Any) -> None:
        """Which may yet be undone."""
        with raises(InvalidInput), store.transaction():
            store.add([ANN])
            list(store.contents())

    @promise("copying", "tenants")
    def test_a_tenant_is_copied_alone(self, store: Any) -> None:
        """Into a place where others are."""
        other = self.for_tenant(store, "other")
        store.add([ANN])
        other.add([BOB])
        third: Any = self.for_tenant(store, "third")
        third.fill(list(store.contents()))
        store.add([CAT])
        assert [list(each.every(Employee)) for each in (store, other, third)] == [[ANN, CAT], [BOB], [ANN]]


class _another:  # noqa: N801 - it reads as a part of the sentence `with _another(self, store)`
    """A second store, new and empty."""

    def __init__(self, tests: StoreTests, store: Store) -> None:
        skip_without(store, "copying")
        self._store: Any = tests.open_store(CLASSES)

    def __enter__(self) -> Any:
        return self._store

    def __exit__(self, *_: object) -> None:
        self._store.close()


def _live(store: Any) -> None:
    """Let a store live through everything that can happen in it."""
    with store.transaction(Stamp("eva", NOON, NOON.replace(hour=13))):
        store.add([ANN, BOB, CAT, *specimens(), Member(id="m1", kind="person", name="Eva", card="7")])
        store.add([CustomField(subject="Customer", name="size", kind="integer")])
    store.put(ANN.replace(team="North"))
    with store.transaction(Stamp("ann")):
        store.delete(Employee, "bob")
        store.delete(Employee, "cat")
    store.set_note("follower", store.changes(limit=40).cursor, was=None)
    for place, text in enumerate(TEXTS[:-1]):
        store.set_note(text, f"{place} {text}", was=None)
    store.purge(Employee, "cat")
    store.add([Ticket(id="t1", number="T-1", subject=TEXTS[2])])
    store.put(store.get(Customer, "m1").replace(city="Łódź"))
    with store.transaction(Stamp(at=NOON)):
        store.delete(Ticket, "t1")
        store.restore(Ticket, "t1")


def _broken_off() -> Any:
    yield UnitPart(1, Stamp())
    yield EntryPart(1, "added", "Employee", "ann", 1)
    yield RecordPart(ANN, 1, 1)
    raise ZeroDivisionError
