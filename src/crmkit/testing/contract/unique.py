"""The contract of unique values and of families of classes."""

# ruff: noqa: PLR2004 - expected figures stand where they are expected

from functools import partial

from crmkit.errors import Conflict, InvalidInput, NotFound
from crmkit.io.stores.port import Store
from crmkit.model import Customer, Ticket
from crmkit.rules import field
from crmkit.testing.contract.base import StoreTests, in_threads, promise, raises, undone
from crmkit.testing.contract.examples import Member, Specimen

ADA = Member(id="ada", kind="person", name="Ada", card="7")
EVE = Member(id="eve", kind="person", name="Eve")
PLAIN = Customer(id="cid", kind="person", name="Cid")


class UniqueContract(StoreTests):
    """Of a unique field, a store keeps each value once among the records that are not deleted."""

    @promise()
    def test_a_unique_value_is_kept_once(self, store: Store) -> None:
        """`Conflict` from `add`, for text and for numbers, and nothing of the batch is kept."""
        store.add([Ticket(id="t1", number="T-1"), Specimen(id="s1", number=0)])
        for batch in ([Specimen(id="s2", number=0)], [Ticket(id="t2"), Ticket(id="t3", number="T-1")]):
            with raises(Conflict):
                store.add(batch)
        assert (store.count(Ticket), store.count(Specimen)) == (1, 1)

    @promise()
    def test_a_unique_value_twice_in_one_batch_is_a_conflict(self, store: Store) -> None:
        """The first of the batch counts too."""
        with raises(Conflict):
            store.add([Ticket(id="t1", number="T-1"), Ticket(id="t2", number="T-1")])
        assert store.count(Ticket) == 0

    @promise()
    def test_put_cannot_take_a_value_that_is_taken(self, store: Store) -> None:
        """`Conflict`, and the record stays as it is; its own value is no obstacle."""
        one, two = Ticket(id="t1", number="T-1"), Ticket(id="t2", number="T-2")
        store.add([one, two])
        with raises(Conflict):
            store.put(two.replace(number="T-1", subject="changed"))
        assert store.get(Ticket, "t2") == two
        assert store.put(two.replace(subject="changed")) == 2

    @promise()
    def test_many_records_may_have_no_value(self, store: Store) -> None:
        """Empty is no value."""
        assert store.add([Ticket(id="t1"), Ticket(id="t2"), Specimen(), Specimen()]) == 4

    @promise()
    def test_values_that_differ_in_any_way_are_different(self, store: Store) -> None:
        """Case, accents and spaces count."""
        numbers = ["jose", "josé", "Jose", "jose ", " jose", "JOSE"]
        assert store.add(Ticket(id=f"t{place}", number=each) for place, each in enumerate(numbers)) == len(numbers)

    @promise()
    def test_two_classes_may_use_the_same_value(self, store: Store) -> None:
        """A value is unique in a field of a class."""
        assert store.add([Ticket(id="t1", number="7"), ADA, Specimen(number=7)]) == 3

    @promise()
    def test_a_value_that_is_given_up_is_free(self, store: Store) -> None:
        """Also inside one transaction, and for those that change places."""
        one, two = Ticket(id="t1", number="T-1"), Ticket(id="t2", number="T-2")
        store.add([one, two])
        with store.transaction():
            store.put(one.replace(number=None))
            store.put(two.replace(number="T-1"))
            store.put(one.replace(number="T-2"))
        assert [each.number for each in store.every(Ticket)] == ["T-2", "T-1"]

    @promise()
    def test_a_value_that_is_taken_back_by_an_undone_change_is_taken(self, store: Store) -> None:
        """And one that was taken in it is free."""
        store.add([Ticket(id="t1", number="T-1")])
        with undone(store):
            store.put(Ticket(id="t1", number="T-2"))
        with raises(Conflict):
            store.add([Ticket(id="t2", number="T-1")])
        assert store.add([Ticket(id="t2", number="T-2")]) == 1

    @promise()
    def test_of_several_threads_one_gets_the_value(self, store: Store) -> None:
        """The others get a `Conflict`."""
        kept: list[int] = []

        def take(thread: int) -> None:
            try:
                store.add([Ticket(id=f"t{thread}", number="T-1")])
            except Conflict:
                return
            kept.append(thread)

        in_threads(partial(take, thread) for thread in range(8))
        assert [each.id for each in store.every(Ticket)] == [f"t{thread}" for thread in kept]
        assert len(kept) == 1

    @promise("deletion")
    def test_deleting_frees_a_value_and_restoring_checks_it_again(self, store: Store) -> None:
        """`Conflict` from `restore` where it was taken meanwhile, until it is given up."""
        store.add([Ticket(id="t1", number="T-1")])
        store.delete(Ticket, "t1")
        store.add([Ticket(id="t2", number="T-1")])
        with raises(Conflict):
            store.restore(Ticket, "t1")
        assert store.read(Ticket, "t1").is_deleted
        store.put(Ticket(id="t2", number="T-2"))
        store.restore(Ticket, "t1")
        with raises(Conflict):
            store.put(Ticket(id="t2", number="T-1"))


class FamiliesContract(StoreTests):
    """A class that extends another shares its ids."""

    @promise()
    def test_an_id_is_taken_for_the_whole_family(self, store: Store) -> None:
        """Whichever class had it first."""
        store.add([ADA, PLAIN])
        for taken in (Customer(id="ada", kind="person", name="x"), Member(id="cid", kind="person", name="x")):
            with raises(Conflict):
                store.add([taken])

    @promise()
    def test_get_returns_the_class_that_was_stored(self, store: Store) -> None:
        """By the name of the class that it extends too."""
        store.add([ADA, PLAIN])
        assert store.get(Customer, "ada") == store.get(Member, "ada") == store.read(Customer, "ada").record == ADA
        assert type(store.get(Customer, "ada")) is Member
        assert type(store.get(Customer, "cid")) is Customer

    @promise()
    def test_a_record_of_the_class_above_is_not_found(self, store: Store) -> None:
        """`NotFound` where a customer is no member."""
        store.add([PLAIN])
        for use in (store.get, store.read):
            with raises(NotFound):
                use(Member, "cid")

    @promise()
    def test_put_may_widen_the_class_but_not_narrow_it(self, store: Store) -> None:
        """A customer becomes a member; a member does not lose its fields unseen, which is `InvalidInput`."""
        store.add([ADA, PLAIN])
        with raises(InvalidInput):
            store.put(Customer(id="ada", kind="person", name="x"))
        assert list(store.every(Customer)) == [ADA, PLAIN]
        member = Member(id="cid", kind="person", name="x")
        store.put(member)
        assert list(store.every(Member)) == [ADA, member]

    def test_a_family_may_be_known_in_part(self) -> None:
        """Only the class that extends, or only the one that it extends; the other is `InvalidInput`."""
        for known, unknown in ((ADA, PLAIN), (PLAIN, ADA)):
            store = self.open_store([type(known)])
            try:
                store.add([known])
                store.put(known.replace(name="x"), version=1)
                with raises(InvalidInput):
                    store.put(unknown.replace(id=known.id))
                with raises(InvalidInput):
                    store.add([unknown])
                assert [each.name for each in store.every(type(known))] == ["x"]
            finally:
                store.close()

    @promise()
    def test_a_class_includes_those_that_extend_it(self, store: Store) -> None:
        """In `every` and `count`; the other way round it does not."""
        store.add([EVE, PLAIN, ADA])
        assert list(store.every(Customer)) == [ADA, PLAIN, EVE]
        assert list(store.every(Member)) == [ADA, EVE]
        assert (store.count(Customer), store.count(Member)) == (3, 2)
        assert list(store.every(Customer, field("name") == "Ada")) == [ADA]
        assert list(store.every(Member, field("card").is_empty())) == [EVE]

    @promise("queries")
    def test_find_includes_those_that_extend_the_class(self, store: Store) -> None:
        """And gives them whole."""
        store.add([EVE, PLAIN, ADA])
        assert store.find(Customer).records == (ADA, PLAIN, EVE)
        assert store.find(Member, field("card") == "7").records == (ADA,)

    @promise("deletion")
    def test_a_record_is_deleted_by_either_class(self, store: Store) -> None:
        """But a customer is not deleted as a member."""
        store.add([ADA, PLAIN])
        store.delete(Customer, "ada")
        with raises(NotFound):
            store.delete(Member, "cid")
        assert list(store.every(Customer)) == [PLAIN]
        store.restore(Member, "ada")
        assert store.get(Customer, "ada") == ADA

    @promise("history", "feed")
    def test_the_ledger_names_the_class_that_was_stored(self, store: Store) -> None:
        """Histories of a class include those of the classes that extend it."""
        store.add([ADA, PLAIN])
        assert [each.subject for each in store.changes()] == ["Member", "Customer"]
        assert [each[0].record for each in store.histories(Customer)] == [ADA, PLAIN]
        assert [each[0].record for each in store.histories(Member)] == [ADA]
        assert store.history(Customer, "ada") == store.history(Member, "ada")
