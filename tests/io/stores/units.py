"""Units of work that leave traces in several tables, so that one of which a part is missing shows."""

from collections.abc import Callable, Iterator
from itertools import count
from time import monotonic, sleep

from crmkit.io.stores import Store, open_store
from crmkit.io.stores.port import Change, Stamp
from crmkit.model import Employee

SIZES = (1, 5, 50)
_COUNTER = Employee(id="counter", name="0")
_PATIENCE_SECONDS = 30.0


def begin(store: Store) -> None:
    """Keep what all units of work change."""
    store.add([_COUNTER])
    store.set_note("last", "0", was=None)


def commit(store: Store, number: int) -> None:
    """Do the unit of work with a number: add 1, 5 or 50 records, change one, and note the number."""
    with store.transaction(Stamp(by=str(number))):
        store.add(Employee(id=each, name="Ann") for each in _ids(number))
        store.put(_COUNTER.replace(name=str(number)))
        store.set_note("last", str(number), was=store.note("last"))


def commit_for_ever(url: str, say: Callable[[int], object]) -> None:
    """Do one unit of work after the other, and say the number of each once it is kept."""
    store = open_store(url)
    for number in count(last(store) + 1):
        commit(store, number)
        say(number)


def last(store: Store) -> int:
    """Return the number of the last unit of work that is there."""
    return int(store.note("last") or 0)


def check(store: Store) -> None:
    """Fail unless all units of work up to the last are there, whole, in the records and in the ledger alike."""
    done = range(1, last(store) + 1)
    assert store.get(Employee, _COUNTER.id).name == str(len(done))
    added = [each for number in done for each in _ids(number)]
    assert [each.id for each in store.every(Employee)] == [*added, _COUNTER.id]
    expected = [("added", _COUNTER.id, 1, None), *(entry for number in done for entry in _entries(number))]
    assert [_told(each) for each in everything_told(store, len(expected))] == expected


def everything_told(store: Store, n: int) -> Iterator[Change]:
    """Go through the feed until it has told so many changes; others on the same server may delay it."""
    cursor, deadline = None, monotonic() + _PATIENCE_SECONDS
    while n > 0:
        changes = store.changes(cursor, limit=500)
        yield from changes
        n, cursor = n - len(changes), changes.cursor
        if not changes:
            assert monotonic() < deadline, f"the feed still misses {n} changes"
            sleep(0.01)


def _ids(number: int) -> list[str]:
    return [f"{number:06}-{place:02}" for place in range(SIZES[number % len(SIZES)])]


def _entries(number: int) -> Iterator[tuple[str, str, int, str | None]]:
    yield from (("added", each, 1, str(number)) for each in _ids(number))
    yield ("changed", _COUNTER.id, number + 1, str(number))


def _told(change: Change) -> tuple[str, str, int, str | None]:
    return (change.kind, change.subject_id, change.version, change.stamp.by)
