"""The contract of `Records`: adding, replacing, reading, going through, counting, closing."""

# ruff: noqa: PLR2004 - expected figures stand where they are expected

from collections.abc import Iterator
from functools import partial

from crmkit.errors import Conflict, InvalidInput, NotFound, StoreError
from crmkit.io.stores.port import Store
from crmkit.model import Customer, Employee, Record, Team
from crmkit.rules import field
from crmkit.testing.contract.base import StoreTests, in_threads, promise, raises
from crmkit.testing.contract.examples import ANN, BOB, CAT, CLASSES, Specimen

_MANY = 12_001
_IDS_IN_ORDER = (" 7", "'", "10", "9", "A", "B", "_", "a", "a b", "a%", "a-b", "a_b", "z", "ä", "ก", "\uffee", "😀")


class RecordsContract(StoreTests):
    """What every store does."""

    @promise()
    def test_the_store_names_its_classes(self, store: Store) -> None:
        """`classes` are those that the store was opened for."""
        assert store.classes == CLASSES

    @promise()
    def test_add_returns_how_many_records_it_kept(self, store: Store) -> None:
        """None, one, or several."""
        assert [store.add([]), store.add([ANN]), store.add(iter([BOB, CAT]))] == [0, 1, 2]
        assert store.count(Employee) == 3

    @promise()
    def test_one_add_takes_records_of_any_classes(self, store: Store) -> None:
        """Also where classes take turns."""
        mixed = [ANN, Customer(id="c1", kind="person", name="Ann"), BOB, Customer(id="c2", kind="person", name="Bob")]
        store.add(mixed)
        assert [store.get(type(each), each.id) for each in mixed] == mixed

    @promise()
    def test_two_classes_may_use_the_same_id(self, store: Store) -> None:
        """Ids are those of a class."""
        twin = Customer(id="ann", kind="person", name="Ann")
        store.add([ANN, twin])
        assert (store.get(Employee, "ann"), store.get(Customer, "ann")) == (ANN, twin)

    @promise()
    def test_an_id_that_is_taken_is_a_conflict_and_nothing_is_kept(self, store: Store) -> None:
        """`Conflict`, wherever in the batch it stands."""
        store.add([ANN])
        for batch in ([BOB, ANN.replace(team="North")], [ANN.replace(team="North"), BOB], [BOB, CAT, BOB]):
            with raises(Conflict):
                store.add(batch)
            assert list(store.every(Employee)) == [ANN]

    @promise()
    def test_an_error_of_the_iterable_keeps_nothing(self, store: Store) -> None:
        """Records come from a source that may fail."""

        def failing() -> Iterator[Record]:
            yield ANN
            raise ZeroDivisionError

        with raises(ZeroDivisionError):
            store.add(failing())
        assert store.count(Employee) == 0

    @promise()
    def test_the_iterable_may_read_the_store(self, store: Store) -> None:
        """Records are often made from those that are stored."""
        store.add([ANN, BOB])
        store.add(Customer(id=each.id, kind="person", name=each.name) for each in store.every(Employee))
        assert [each.id for each in store.every(Customer)] == ["ann", "bob"]

    @promise()
    def test_many_records_are_gone_through_once_each_in_the_order_of_ids(self, store: Store) -> None:
        """`every` gives all of them, however many there are."""
        many = [Employee(id=f"e{number:05}", name="Ann") for number in range(_MANY)]
        assert store.add(reversed(many)) == _MANY
        assert list(store.every(Employee)) == many
        assert store.count(Employee) == _MANY

    @promise()
    def test_ids_are_any_text_and_in_the_order_of_code_points(self, store: Store) -> None:
        """No alphabet, locale or case changes their order."""
        store.add(Employee(id=each, name="Ann") for each in reversed(_IDS_IN_ORDER))
        assert tuple(each.id for each in store.every(Employee)) == _IDS_IN_ORDER
        assert [store.get(Employee, each).id for each in _IDS_IN_ORDER] == list(_IDS_IN_ORDER)

    @promise()
    def test_every_and_count_follow_a_rule(self, store: Store) -> None:
        """Only records for which it holds."""
        store.add([ANN.replace(team="North"), BOB, CAT.replace(team="North")])
        is_north = field("team") == "North"
        assert [each.id for each in store.every(Employee, is_north)] == ["ann", "cat"]
        assert (store.count(Employee, is_north), store.count(Employee, ~is_north)) == (2, 1)

    @promise()
    def test_a_rule_that_does_not_fit_is_refused(self, store: Store) -> None:
        """`InvalidInput`, also where there are no records."""
        for rule in (field("tema") == "North", field("is_active") == "yes", field("custom.size") == 1):
            with raises(InvalidInput):
                list(store.every(Employee, rule))
            with raises(InvalidInput):
                store.count(Employee, rule)

    @promise()
    def test_what_changes_while_going_through_is_seen_once(self, store: Store) -> None:
        """`every` misses no record, and gives none twice, while others change."""
        store.add(Employee(id=f"e{number:03}", name="Ann") for number in range(300))
        seen = []
        for each in store.every(Employee):
            seen.append(each.id)
            store.put(store.get(Employee, f"e{(len(seen) * 7) % 300:03}").replace(team="North"))
        assert seen == [f"e{number:03}" for number in range(300)]

    @promise()
    def test_put_replaces_one_record(self, store: Store) -> None:
        """And leaves the others as they are."""
        store.add([ANN, BOB])
        store.put(ANN.replace(team="North"))
        assert list(store.every(Employee)) == [ANN.replace(team="North"), BOB]

    @promise()
    def test_versions_count_the_changes_from_one(self, store: Store) -> None:
        """`put` returns the new version, `read` gives the present one."""
        store.add([ANN, BOB])
        assert store.read(Employee, "ann").version == 1
        assert [store.put(ANN.replace(team=team)) for team in ("North", "South", "South")] == [2, 3, 4]
        stored = store.read(Employee, "ann")
        assert (stored.record, stored.version) == (ANN.replace(team="South"), 4)
        assert (stored.is_deleted, stored.deleted_at) == (False, None)
        assert store.read(Employee, "bob").version == 1

    @promise()
    def test_put_with_the_present_version_is_kept(self, store: Store) -> None:
        """A version that is still the stored one is no obstacle."""
        store.add([ANN])
        version = store.put(ANN.replace(team="North"), version=1)
        assert store.put(ANN.replace(team="South"), version=version) == 3

    @promise()
    def test_put_with_another_version_is_a_conflict_with_both(self, store: Store) -> None:
        """`expected` and `actual` tell them, and nothing changes."""
        store.add([ANN])
        store.put(ANN.replace(team="North"))
        for version in (1, 3, 0):
            with raises(Conflict) as caught:
                store.put(ANN.replace(team="South"), version=version)
            assert (caught.error.expected, caught.error.actual) == (version, 2)
        assert store.read(Employee, "ann").version == 2
        assert store.get(Employee, "ann").team == "North"

    @promise()
    def test_what_is_not_there_is_not_found(self, store: Store) -> None:
        """`NotFound` from everything that names a record."""
        store.add([ANN, Customer(id="c1", kind="person", name="Ann")])
        for absent in ("bob", "ANN", "ann ", "", "c1"):
            for use in (store.get, store.read):
                with raises(NotFound):
                    use(Employee, absent)
        for version in (None, 1):
            with raises(NotFound):
                store.put(BOB, version=version)
        assert list(store.every(Employee)) == [ANN]

    @promise()
    def test_a_class_that_the_store_was_not_opened_for_is_refused(self, store: Store) -> None:
        """`InvalidInput` from every method, and of a batch nothing is kept."""
        for use in (
            lambda: store.add([ANN, Team(id="t1", name="North")]),
            lambda: store.put(Team(id="t1", name="North")),
            lambda: store.get(Team, "t1"),
            lambda: store.read(Team, "t1"),
            lambda: list(store.every(Team)),
            lambda: store.count(Team),
            lambda: store.get(Record, "ann"),
        ):
            with raises(InvalidInput):
                use()
        assert store.count(Employee) == 0

    @promise()
    def test_several_threads_write_at_once_and_lose_nothing(self, store: Store) -> None:
        """Each call is a unit of work of its own."""

        def write(writer: int) -> None:
            for number in range(25):
                store.add([Specimen(id=f"{writer} {number:02}")])

        in_threads(partial(write, writer) for writer in range(4))
        assert [each.id for each in store.every(Specimen)] == [f"{w} {n:02}" for w in range(4) for n in range(25)]

    @promise()
    def test_a_closed_store_says_so(self, store: Store) -> None:
        """`StoreError` from every method; closing twice is closing."""
        store.add([ANN])
        store.close()
        store.close()
        for use in (
            lambda: store.add([BOB]),
            lambda: store.put(ANN),
            lambda: store.get(Employee, "ann"),
            lambda: store.read(Employee, "ann"),
            lambda: list(store.every(Employee)),
            lambda: store.count(Employee),
            lambda: store.transaction().__enter__(),
        ):
            with raises(StoreError):
                use()
