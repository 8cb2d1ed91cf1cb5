"""The contract of "feed": every change, in an order that can be followed while others write."""

from collections import defaultdict
from functools import partial
from threading import Event

from crmkit.errors import InvalidInput
from crmkit.io.stores.port import Change, Changes, Stamp, Store
from crmkit.model import Employee
from crmkit.testing.contract.base import StoreTests, again_until_kept, in_threads, promise, raises, undone
from crmkit.testing.contract.examples import ANN, BOB, CAT, CLASSES, NOON, Specimen

_WRITERS, _ROUNDS = 4, 25
_NORTH = ANN.replace(team="North")


class FeedContract(StoreTests):
    """What a store with the capability "feed" does."""

    @promise("feed")
    def test_the_feed_tells_every_change_in_order(self, store: Store) -> None:
        """What happened to which record, its version, and who did it when."""
        stamp = Stamp("eva", NOON, NOON)
        with store.transaction(stamp):
            store.add([BOB, ANN])
            store.put(_NORTH)
        assert store.changes().entries == (
            Change("added", "Employee", "bob", 1, stamp),
            Change("added", "Employee", "ann", 1, stamp),
            Change("changed", "Employee", "ann", 2, stamp, ANN),
        )

    @promise("feed", "deletion")
    def test_the_feed_tells_of_deleting_and_restoring(self, store: Store) -> None:
        """With what the record was like before it was deleted."""
        store.add([ANN])
        store.delete(Employee, "ann")
        store.restore(Employee, "ann")
        told = store.changes()
        assert [(each.kind, each.version) for each in told] == [("added", 1), ("deleted", 2), ("restored", 3)]
        assert told[1].before == ANN

    @promise("feed")
    def test_a_cursor_goes_on_where_one_stopped(self, store: Store) -> None:
        """With any number of changes at a time."""
        store.add(Specimen(id=f"{number:02}") for number in range(7))
        expected = list(store.changes())
        for limit in (1, 2, 7, 8):
            assert _followed(store, limit) == expected

    @promise("feed")
    def test_the_cursor_stays_while_there_is_nothing_new(self, store: Store) -> None:
        """Also in a store without any change."""
        beginning = store.changes()
        assert (len(beginning), store.changes(beginning.cursor).cursor) == (0, beginning.cursor)
        store.add([ANN])
        told = store.changes(beginning.cursor)
        assert [each.subject_id for each in told] == ["ann"]
        nothing = store.changes(told.cursor)
        assert (len(nothing), nothing.cursor) == (0, told.cursor)

    @promise("feed")
    def test_what_is_undone_is_not_told(self, store: Store) -> None:
        """A change is told once its unit of work is kept."""
        store.add([ANN])
        with store.transaction():
            store.add([BOB])
            with undone(store):
                store.put(_NORTH)
        with undone(store):
            store.add([CAT])
        assert [each.subject_id for each in store.changes()] == ["ann", "bob"]

    @promise("feed")
    def test_a_cursor_from_a_transaction_that_is_undone_misses_nothing(self, store: Store) -> None:
        """What is written later is told after it, though it may take the place of what was undone."""
        store.add([ANN])
        with undone(store):
            store.add([BOB, CAT])
            cursor = store.changes().cursor
        store.add([BOB, CAT])
        told = {each.subject_id for each in store.changes(cursor)}
        assert {"bob", "cat"} <= told

    @promise("feed")
    def test_what_another_thread_has_not_kept_yet_is_told_later(self, store: Store) -> None:
        """A reader that comes to the end meanwhile neither sees nor misses it."""
        wrote, was_read = Event(), Event()
        early: list[Changes] = []

        def write() -> None:
            with store.transaction():
                store.add([ANN])
                wrote.set()
                was_read.wait(0.3)

        def read() -> None:
            wrote.wait()
            early.append(store.changes())
            was_read.set()

        in_threads([write, read])
        told = [*early[0], *store.changes(early[0].cursor)]
        assert [each.subject_id for each in told] == ["ann"]

    @promise("feed")
    def test_following_misses_nothing_that_several_writers_write(self, store: Store) -> None:
        """Each change is told once, and those of one record in their order."""
        store.add(Specimen(id=f"shared {number}") for number in range(3))
        told: list[Change] = []
        is_done = Event()

        def write(writer: int) -> None:
            for number in range(_ROUNDS):
                again_until_kept(store, partial(_write, store, writer, number))

        def follow() -> None:
            cursor, is_last = None, False
            while not is_last:
                is_last = is_done.is_set()
                while page := store.changes(cursor, limit=5):
                    told.extend(page)
                    cursor = page.cursor

        def write_all() -> None:
            try:
                in_threads(partial(write, writer) for writer in range(_WRITERS))
            finally:
                is_done.set()

        in_threads([write_all, follow])
        versions: dict[str, list[int]] = defaultdict(list)
        for each in told:
            versions[each.subject_id].append(each.version)
        stored = {each.id: store.read(Specimen, each.id).version for each in store.every(Specimen)}
        assert versions == {record_id: list(range(1, last + 1)) for record_id, last in stored.items()}
        assert len(stored) == 3 + _WRITERS * _ROUNDS

    @promise("feed")
    def test_a_cursor_of_another_store_is_refused(self, store: Store) -> None:
        """`InvalidInput`, as for anything that is no cursor."""
        store.add([ANN])
        other = self.open_store(CLASSES)
        try:
            other.add([BOB])
            foreign = other.changes().cursor
        finally:
            other.close()
        for cursor in (foreign, "", "x", "0", "é", store.changes().cursor + "A", "\x00", "A" * 10_000):
            with raises(InvalidInput):
                store.changes(cursor)

    @promise("feed")
    def test_no_changes_at_a_time_are_refused(self, store: Store) -> None:
        """`InvalidInput` for a limit below 1."""
        for limit in (0, -1):
            with raises(InvalidInput):
                store.changes(limit=limit)


def _followed(store: Store, limit: int) -> list[Change]:
    told: list[Change] = []
    page = store.changes(limit=limit)
    while page:
        assert len(page) <= limit
        told.extend(page)
        page = store.changes(page.cursor, limit=limit)
    return told


def _write(store: Store, writer: int, number: int) -> None:
    """A new record, and a change of one that all writers share."""
    store.add([Specimen(id=f"{writer} {number:02}")])
    shared = store.get(Specimen, f"shared {number % 3}")
    store.put(shared.replace(integer=shared.integer + 1))
