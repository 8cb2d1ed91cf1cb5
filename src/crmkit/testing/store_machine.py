"""A state machine that drives a store and the memory store by the same steps, and compares them after each.

It needs the extra `testing`.
"""

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, suppress
from typing import Any

import attrs

from crmkit.errors import CrmError, MissingExtra
from crmkit.io.stores.memory import MemoryStore
from crmkit.io.stores.port import Capability, Change, SortBy, Stamp, Store
from crmkit.model import Money, Record
from crmkit.rules import field
from crmkit.testing.contract.base import Undone
from crmkit.testing.contract.examples import CLASSES, NOON, Specimen, specimens

try:
    from hypothesis import strategies as st
    from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
except ModuleNotFoundError as error:
    raise MissingExtra("crmkit.testing.StoreMachine needs Hypothesis: pip install 'crmkit[testing]'") from error

_IDS = st.sampled_from("abcd")
# With something of every kind, and short, because a failure is told with all its steps.
_KINDS = [Specimen(), *(each for each in specimens() if each.steps and len(each.text) < 20)][:8]  # noqa: PLR2004
# Few ids, numbers and sort keys, so that many records have the same.
_SPECIMENS = st.builds(
    Specimen.replace,
    st.sampled_from(_KINDS),
    id=_IDS,
    number=st.none() | st.integers(1, 2),
    flag=st.booleans(),
    maybe_text=st.sampled_from([None, "a", "B", "ä"]),
    price=st.sampled_from([None, Money(1, "PLN"), Money(1, "JPY"), Money(2, "PLN")]),
)
_SORTS = st.lists(
    st.builds(SortBy, st.sampled_from(["flag", "maybe_text", "price", "number"]), st.booleans()), max_size=2
)
_RULES = st.sampled_from([field("flag") == True, field("maybe_text").is_empty(), field("id") >= "a"])  # noqa: E712
_STAMPS = st.sampled_from([Stamp(), Stamp("eva", NOON, NOON)])
_TEXTS = st.sampled_from(["one", "two"])
_NO_VERSION = 99


def _with(*needs: Capability) -> Callable[[Any], Any]:
    """Take a step only on a store with these capabilities."""
    return precondition(lambda machine: machine.store.capabilities.issuperset(needs))


class StoreMachine(RuleBasedStateMachine):
    """Any sequence of steps leaves a store and the memory store alike.

    A subclass says how to open the store to be tested; pytest and unittest run its `TestCase`.

        class MyMachine(StoreMachine):
            def open_store(self, records, tenant=""):
                return MyStore(records)

        TestMyMachine = MyMachine.TestCase
    """

    def __init__(self) -> None:
        """Open both stores."""
        super().__init__()
        self.store = self.open_store(CLASSES)
        self._stores: tuple[Store, Store] = (self.store, MemoryStore(CLASSES))
        self._open: list[tuple[AbstractContextManager[None], ...]] = []
        self._cursors: list[str | None] = [None, None]
        self._told: tuple[list[Change], list[Change]] = ([], [])

    def open_store(self, records: Iterable[type[Record]], tenant: str = "") -> Store:
        """Return a new, empty store for these classes of records."""
        raise NotImplementedError("open_store(self, records, tenant='') returns the store to be tested, new and empty")

    @rule(records=st.lists(_SPECIMENS, min_size=1, max_size=3))
    def add(self, records: list[Specimen]) -> None:
        """Add some, whose ids or numbers may be taken."""
        self._alike(lambda store: store.add(records))

    @rule(record=_SPECIMENS, asks=st.sampled_from(["no", "the stored", "another"]))
    def put(self, record: Specimen, asks: str) -> None:
        """Put one, with the stored version, another, or none."""
        self._alike(lambda store: store.put(record, version=self._version(record.id, asks)))

    @_with("deletion")
    @rule(record_id=_IDS, asks=st.sampled_from(["no", "the stored", "another"]))
    def delete(self, record_id: str, asks: str) -> None:
        """Delete one, which may not be there."""
        self._alike(lambda store: store.delete(Specimen, record_id, version=self._version(record_id, asks)))

    @_with("deletion")
    @rule(record_id=_IDS)
    def restore(self, record_id: str) -> None:
        """Restore one, whose number may be taken."""
        self._alike(lambda store: store.restore(Specimen, record_id))

    @_with("deletion")
    @rule(record_id=_IDS)
    def purge(self, record_id: str) -> None:
        """Purge one, which may not be deleted."""
        self._alike(lambda store: store.purge(Specimen, record_id))

    @_with("notes")
    @rule(text=_TEXTS, was=st.none() | _TEXTS)
    def set_note(self, text: str, was: str | None) -> None:
        """Set a note, which may no longer be what it was."""
        self._alike(lambda store: store.set_note("k", text, was=was))

    @rule(stamp=_STAMPS)
    def begin(self, stamp: Stamp) -> None:
        """Begin a transaction, maybe inside another."""
        self._open.append(tuple(store.transaction(stamp) for store in self._stores))
        for transaction in self._open[-1]:
            transaction.__enter__()

    @precondition(lambda machine: machine._open)  # noqa: SLF001 - it is its own
    @rule()
    def commit(self) -> None:
        """Keep the innermost transaction."""
        for transaction in self._open.pop():
            transaction.__exit__(None, None, None)

    @precondition(lambda machine: machine._open)  # noqa: SLF001
    @rule()
    def roll_back(self) -> None:
        """Undo the innermost transaction."""
        for transaction in self._open.pop():
            _undo(transaction)

    @_with("queries")
    @rule(where=_RULES, sort=_SORTS, limit=st.integers(1, 3))
    def walk(self, where: Any, sort: list[SortBy], limit: int) -> None:
        """Go through all pages of a query."""
        self._alike(lambda store: _walked(store, where, sort, limit))

    @_with("history")
    @rule(record_id=_IDS)
    def remember(self, record_id: str) -> None:
        """Look at the history of a record."""
        self._alike(lambda store: store.history(Specimen, record_id))

    @precondition(lambda machine: not machine._open)  # noqa: SLF001 - what is not kept yet is told later
    @_with("feed")
    @rule(limit=st.integers(1, 3))
    def follow(self, limit: int) -> None:
        """Follow the feed from where it was left."""
        for place, store in enumerate(self._stores):
            self._cursors[place] = _follow(store, self._cursors[place], limit, self._told[place])
        found, expected = map(_comparable, self._told)
        assert found == expected, f"the feed told {found}, expected {expected}"

    @invariant()
    def keep_the_same(self) -> None:
        """All records and notes, their versions and what is deleted are the same in both."""
        self._alike(_everything)

    def teardown(self) -> None:
        """Undo what is open, and close both stores."""
        while self._open:
            self.roll_back()
        for store in self._stores:
            store.close()

    def _version(self, record_id: str, asks: str) -> int | None:
        if asks == "no":
            return None
        stored = _outcome(lambda: self._stores[1].read(Specimen, record_id).version)
        return stored if asks == "the stored" and isinstance(stored, int) else _NO_VERSION

    def _alike(self, step: Callable[[Store], Any]) -> None:
        found, expected = (_outcome(lambda store=store: step(store)) for store in self._stores)  # type: ignore[misc]
        assert found == expected, f"the store gave {found}, expected {expected}"


def _outcome(step: Callable[[], Any]) -> Any:
    """What a step returns, or the name of its error."""
    try:
        return step()
    except CrmError as error:
        return type(error).__name__


def _undo(transaction: AbstractContextManager[None]) -> None:
    with suppress(Undone):
        transaction.__exit__(Undone, Undone(), None)


def _walked(store: Store, where: Any, sort: list[SortBy], limit: int) -> list[str]:
    page = store.find(Specimen, where, sort=sort, limit=limit)
    ids = [each.id for each in page]
    while page.next and len(ids) < _NO_VERSION:
        page = store.find(Specimen, where, sort=sort, limit=limit, after=page.next)
        ids += [each.id for each in page]
    return ids


def _follow(store: Store, cursor: str | None, limit: int, told: list[Change]) -> str:
    page = store.changes(cursor, limit=limit)
    while page and len(told) < 10 * _NO_VERSION:
        told.extend(page)
        page = store.changes(page.cursor, limit=limit)
    return page.cursor


def _comparable(told: list[Change]) -> list[Change]:
    """The changes in what the port promises: of a purged record nothing else need be told, nor what a restored one was."""
    purged = {each.subject_id: place for place, each in enumerate(told) if each.kind == "purged"}
    kept = [each for place, each in enumerate(told) if place >= purged.get(each.subject_id, 0)]
    return [attrs.evolve(each, before=None) if each.kind == "restored" else each for each in kept]


def _everything(store: Store) -> list[Any]:
    stored = [_outcome(lambda each=each: store.read(Specimen, each)) for each in "abcd"]  # type: ignore[misc]
    note = store.note("k") if "notes" in store.capabilities else None
    return [list(store.every(Specimen)), store.count(Specimen), stored, note]
