"""The contract of "reaching": who has a telephone number or an e-mail address."""

from typing import Any

from crmkit.io.stores.reaching import email_key, phone_key
from crmkit.model import ContactPoint, Customer, Ticket
from crmkit.model.contact_point import ContactKind
from crmkit.testing.contract.base import StoreTests, promise, undone
from crmkit.testing.contract.examples import Member

NUMBER, OTHER_NUMBER = phone_key("501234567"), phone_key("600 700 800")


def _points(*points: tuple[ContactKind, str]) -> tuple[ContactPoint, ...]:
    return tuple(ContactPoint(*each) for each in points)


ANN = Customer(
    id="ann",
    kind="person",
    name="Ann",
    contact_points=_points(("phone", "+48 501 234-567"), ("email", "Ann@Example.com")),
)
BOB = Customer(
    id="bob",
    kind="person",
    name="Bob",
    contact_points=_points(("phone", "501234567;ext=12"), ("phone", "0048 501 234 567"), ("web", "ann@example.com")),
)
EVA = Member(id="eva", kind="person", name="Eva", contact_points=_points(("email", "łucja@example.com")))


def _ids(store: Any, *keys: str, cls: type[Customer] = Customer) -> list[str]:
    return [each.id for each in store.reached_by(cls, keys)]


class ReachingContract(StoreTests):
    """What a store with the capability "reaching" does."""

    @promise("reaching")
    def test_a_number_is_found_however_it_was_written(self, store: Any) -> None:
        """By id, and each record once, whatever number of keys and contact points lead to it."""
        store.add([BOB, EVA, ANN])
        assert store.reached_by(Customer, [NUMBER]) == (ANN, BOB)
        assert _ids(store, email_key("ANN@example.com"), NUMBER, NUMBER) == ["ann", "bob"]
        assert _ids(store, email_key("ann@example.com")) == ["ann"]
        assert _ids(store, email_key("łucja@EXAMPLE.com")) == ["eva"]

    @promise("reaching")
    def test_nobody_is_found_by_what_nobody_has(self, store: Any) -> None:
        """Nor by no key at all, nor in a class without contact points."""
        store.add([ANN, Ticket(id="t1", number="501234567")])
        assert store.reached_by(Customer, []) == ()
        assert store.reached_by(Customer, [OTHER_NUMBER, email_key("+48 501 234-567")]) == ()
        assert store.reached_by(Ticket, [NUMBER]) == ()

    @promise("reaching")
    def test_at_most_so_many_are_found_as_are_asked_for(self, store: Any) -> None:
        """The first by id."""
        store.add([BOB, ANN])
        assert [each.id for each in store.reached_by(Customer, [NUMBER], limit=1)] == ["ann"]
        assert len(store.reached_by(Customer, [NUMBER], limit=5)) == 2  # noqa: PLR2004

    @promise("reaching")
    def test_the_class_decides_who_is_found(self, store: Any) -> None:
        """Those of classes that extend it too, and no others; a limit counts the found alone."""
        store.add([ANN, BOB, EVA.replace(contact_points=ANN.contact_points)])
        assert _ids(store, NUMBER) == ["ann", "bob", "eva"]
        assert _ids(store, NUMBER, cls=Member) == ["eva"]
        assert [each.id for each in store.reached_by(Member, [NUMBER], limit=1)] == ["eva"]

    @promise("reaching")
    def test_it_follows_every_change(self, store: Any) -> None:
        """What was replaced leads nowhere, and what came leads there."""
        store.add([ANN])
        moved = ANN.replace(contact_points=_points(("phone", "600-700-800")))
        store.put(moved)
        assert (_ids(store, NUMBER), _ids(store, OTHER_NUMBER)) == ([], ["ann"])
        store.put(moved.replace(name="Anna"))
        assert [each.name for each in store.reached_by(Customer, [OTHER_NUMBER])] == ["Anna"]

    @promise("reaching", "deletion")
    def test_who_is_deleted_is_not_found_until_restored(self, store: Any) -> None:
        """Nor who is purged."""
        store.add([ANN, BOB])
        store.delete(Customer, "ann")
        assert _ids(store, NUMBER) == ["bob"]
        store.restore(Customer, "ann")
        assert _ids(store, NUMBER) == ["ann", "bob"]
        store.delete(Customer, "ann")
        store.purge(Customer, "ann")
        assert _ids(store, NUMBER) == ["bob"]

    @promise("reaching", "erasing")
    def test_what_was_taken_out_leads_nowhere(self, store: Any) -> None:
        """Neither inside of the unit of work nor after it."""
        store.add([ANN])
        store.rewrite(Customer, "ann", lambda each: each.replace(contact_points=()))
        assert _ids(store, NUMBER, email_key("ann@example.com")) == []

    @promise("reaching")
    def test_a_unit_of_work_finds_what_it_did_itself(self, store: Any) -> None:
        """And what is undone was never there."""
        store.add([BOB])
        with undone(store):
            store.add([ANN])
            store.put(BOB.replace(contact_points=()))
            assert _ids(store, NUMBER) == ["ann"]
        assert _ids(store, NUMBER) == ["bob"]

    @promise("reaching", "tenants")
    def test_tenants_do_not_reach_each_other(self, store: Any) -> None:
        """Though they have the same number."""
        self.for_tenant(store, "b").add([ANN])
        store.add([BOB])
        assert _ids(store, NUMBER) == ["bob"]
