"""What a store can do, split by capability.

A store keeps records by class and id. `Records` is the least that it does; `Queries`, `Deletion`, `History`, `Feed`, `Notes` and
`Frames` are capabilities that it lists in `capabilities`. `Store` is all of them: the memory store and the SQL stores are such.
"""

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import TYPE_CHECKING, Any, Generic, Literal, Protocol, TypeVar, runtime_checkable

import attrs

from crmkit.errors import InvalidInput
from crmkit.model.records import Record
from crmkit.rules import EVERYTHING, Rule

if TYPE_CHECKING:
    import polars as pl

    from crmkit.io.stores.parts import Part

R = TypeVar("R", bound=Record)

Capability = Literal[
    "queries", "deletion", "history", "feed", "notes", "frames", "reaching", "erasing", "copying", "tenants", "durable"
]
"""What a store may do beyond keeping records; "durable" survives the process, "tenants" may be opened for one of several."""

ChangeKind = Literal["added", "changed", "deleted", "restored", "purged"]
"""What happened to a record."""


@attrs.frozen
class Stamp:
    """Who did a unit of work, when it was true, and when it became known; None where nobody said."""

    by: str | None = None
    at: datetime | None = None
    recorded_at: datetime | None = None


UNSTAMPED = Stamp()


@attrs.frozen
class Stored(Generic[R]):
    """A record as it is stored: with its version, which counts its changes from 1, and when it was deleted."""

    record: R
    version: int
    deleted_at: datetime | None = None
    is_deleted: bool = False


@attrs.frozen
class SortBy:
    """A field to sort by, as rules name it. Empty values come last in either direction."""

    path: str
    is_descending: bool = False


@attrs.frozen
class Page(Sequence[R]):
    """Some of the records that were asked for, in order, and the cursor after which the others come."""

    records: tuple[R, ...] = attrs.field(repr=lambda held: f"<{len(held)} records>")
    next: str | None = attrs.field(default=None, repr=lambda held: "None" if held is None else "<cursor>")

    def __len__(self) -> int:
        """Return how many records this page has."""
        return len(self.records)

    def __getitem__(self, place: Any) -> Any:
        """Return one record of the page, or some of them."""
        return self.records[place]


@attrs.frozen
class Change:
    """One entry of the ledger: what happened to one record, and in which unit of work.

    `before` is the record as it was before the change, and None where there was none.
    """

    kind: ChangeKind
    subject: str
    subject_id: str
    version: int
    stamp: Stamp
    before: Record | None = None


@attrs.frozen
class Changes(Sequence[Change]):
    """Some changes in the order of the feed, and the cursor after which the next ones come."""

    entries: tuple[Change, ...]
    cursor: str

    def __len__(self) -> int:
        """Return how many changes these are."""
        return len(self.entries)

    def __getitem__(self, place: Any) -> Any:
        """Return one change, or some of them."""
        return self.entries[place]


@attrs.frozen
class Version(Generic[R]):
    """What a record became by one change: the record (None once deleted), which change it was, and its stamp."""

    record: R | None
    kind: ChangeKind
    number: int
    stamp: Stamp


@runtime_checkable
class Records(Protocol):
    """A place that keeps records, by class and id. A class that extends another shares its ids.

    Every method that writes is a unit of work of its own, or joins the `transaction` around it. One store may be used by several
    threads: each has transactions of its own, and of those that write the same, one waits or gets a `Conflict`.
    Every method raises `InvalidInput` for a class that the store was not opened for, and `StoreError` where the store cannot
    be read or written or is closed.
    """

    @property
    def capabilities(self) -> frozenset[Capability]:
        """What this store does beyond `Records`."""

    @property
    def classes(self) -> tuple[type[Record], ...]:
        """The classes of records that this store was opened for."""

    def transaction(
        self, stamp: Stamp = UNSTAMPED, *, connection: Any = None, lock: bool = False
    ) -> AbstractContextManager[None]:
        """Make everything inside one unit of work: kept as a whole, or undone as a whole where an error leaves it.

        Transactions nest: an inner one has the stamp and the connection of the outermost, and one that fails is undone alone
        if its error is caught inside the outer one. With `lock`, what is read inside stays as it is until the end.

        A `connection` is the host's own: the unit of work is then part of the host's transaction, and is kept or undone with
        it. Raises `InvalidInput` for a connection that the store cannot join. Raises `CommitOutcomeUnknown` where the
        connection was lost while the unit of work was committed.
        """

    def add(self, records: Iterable[Record]) -> int:
        """Keep new records, of any classes and in any number, and return how many there were.

        Raises `Conflict` where an id is stored already, also that of a deleted record, or a unique value is taken; then none of
        them is kept. Records are taken from the iterable as they are written, never all at once.
        """

    def put(self, record: Record, *, version: int | None = None) -> int:
        """Keep a record in place of the stored one with its id, and return its new version.

        It is of the stored one's class, or of one that extends it, as when a customer becomes a member; another class would lose
        fields and is refused with `InvalidInput`.

        Raises `NotFound` where there is none or it is deleted. Raises `Conflict`, with both versions, where `version` is no
        longer the stored one; without it, where the record changed since this unit of work read it. Raises `Conflict` where
        a unique value is taken.
        """

    def get(self, cls: type[R], record_id: str) -> R:
        """Return the record of this class, or one that extends it, and id; raise `NotFound` where there is none."""

    def read(self, cls: type[R], record_id: str) -> Stored[R]:
        """Return a record with its version, also a deleted one; raise `NotFound` where there is none."""

    def every(self, cls: type[R], where: Rule = EVERYTHING) -> Iterator[R]:
        """Go through all records of a class, by id, for which a rule holds, in memory that does not grow with their number.

        A record that changes meanwhile is seen in either form, once. Related records are those of this store that are not deleted.
        Raises `InvalidInput` for a rule that does not fit the class, and for relative time: a store knows no present, so `Rule.at` says
        it for a moment before.
        """

    def count(self, cls: type[Record], where: Rule = EVERYTHING) -> int:
        """Return for how many records of a class a rule holds."""

    def close(self) -> None:
        """Give back what the store holds; nothing can be read or written afterwards. May be called twice."""


class Queries(Protocol):
    """The capability "queries": pages of records in an order."""

    def find(
        self,
        cls: type[R],
        where: Rule = EVERYTHING,
        *,
        sort: Sequence[SortBy] = (),
        limit: int = 100,
        after: str | None = None,
    ) -> Page[R]:
        """Return the first records for which a rule holds, in the order of `sort` and then of their ids.

        `after` is the `next` of the page before. What is added or changed between two pages is seen where its place is
        still to come; no other record is missed or seen twice. Raises `InvalidInput` for a field or rule that does not fit
        the class, and for a cursor of another query.
        """


class Deletion(Protocol):
    """The capability "deletion": what is deleted can come back until it is purged."""

    def delete(self, cls: type[Record], record_id: str, *, version: int | None = None) -> None:
        """Hide a record from everything but `read` and the history, and free its unique values.

        Raises `NotFound` where there is none or it is deleted, and `Conflict` as `put` does.
        """

    def restore(self, cls: type[Record], record_id: str) -> None:
        """Bring a deleted record back.

        Raises `NotFound` where there is no deleted one, and `Conflict` where one of its unique values was taken meanwhile.
        """

    def purge(self, cls: type[Record], record_id: str) -> None:
        """Remove a deleted record and all that the ledger holds of it; that it was purged stays in the ledger.

        Raises `NotFound` where there is no deleted one.
        """


class History(Protocol):
    """The capability "history": what records were like."""

    def history(self, cls: type[R], record_id: str) -> tuple[Version[R], ...]:
        """Return what a record became by each of its changes, the first first; raise `NotFound` where there is none."""

    def histories(self, cls: type[R]) -> Iterator[tuple[Version[R], ...]]:
        """Go through the histories of all records of a class by id, deleted ones included."""


class Feed(Protocol):
    """The capability "feed": every change of every record, in the order in which other systems may follow it."""

    def changes(self, after: str | None = None, *, limit: int = 1000) -> Changes:
        """Return the changes after a cursor, from the beginning for None.

        The changes of one record come in their order, and following the cursors misses none, whatever is written
        meanwhile. The cursor is the same as `after` where nothing new can be told yet. Raises `InvalidInput` for a cursor
        of another store.
        """


class Notes(Protocol):
    """The capability "notes": short texts of the host, kept in the same unit of work as the records."""

    def note(self, key: str) -> str | None:
        """Return the text under a key, None where there is none."""

    def set_note(self, key: str, text: str, *, was: str | None) -> None:
        """Keep a text under a key in place of the one that was there, None for a new key.

        Raises `Conflict` where `was` is no longer what is there.
        """


class Frames(Protocol):
    """The capability "frames": records as columns, for analysis."""

    def batches(
        self, cls: type[Record], where: Rule = EVERYTHING, *, columns: Sequence[str] | None = None, rows: int = 65_536
    ) -> Iterator["pl.DataFrame"]:
        """Go through the records for which a rule holds as Polars frames of at most so many rows.

        The columns and their types are those of `crmkit.frames.schema`, or some of them. There is at least one frame.
        Raises `InvalidInput` for a column or rule that does not fit the class.
        """

    def frame(
        self, cls: type[Record], where: Rule = EVERYTHING, *, columns: Sequence[str] | None = None
    ) -> "pl.DataFrame":
        """Return the records for which a rule holds as one Polars frame."""


@runtime_checkable
class Reaching(Protocol):
    """The capability "reaching": who has a telephone number or an e-mail address."""

    def reached_by(self, cls: type[R], keys: Iterable[str], *, limit: int | None = None) -> tuple[R, ...]:
        """Return the records of a class, by id, with a contact point that has one of some keys of `crmkit.io.stores.reaching`.

        With a `limit` at most so many. A class without contact points has none.
        """


@runtime_checkable
class Erasing(Protocol):
    """The capability "erasing": taking something out of records, and out of all that the store remembers of them."""

    def deleted(self, cls: type[R], where: Rule = EVERYTHING) -> Iterator[R]:
        """Go through the deleted records of a class, by id, for which a rule holds."""

    def rewrite(self, cls: type[R], record_id: str, change: Callable[[Record], Record]) -> bool:
        """Put what `change` makes of a record in its place, also of a deleted one and of what the ledger says it was before.

        `change` returns a record of the same class and id. A record that is not deleted then has a new version, and the ledger an
        entry for it, so that who follows the feed does the same. Returns False, and does nothing, where `change` changes
        nothing. Raises `NotFound` for an unknown record, and `Conflict` as `put` does.
        """

    def notes(self) -> Iterator[tuple[str, str]]:
        """Go through the keys and texts of all notes, by key."""

    def overwrite_erased(self) -> None:
        """Write over what was replaced or removed, as far as the storage lets a program do so; inside a unit of work do nothing."""


@runtime_checkable
class Copying(Protocol):
    """The capability "copying": all that a store keeps, for another store."""

    def contents(self) -> Generator["Part", None, None]:
        """Go through all that is kept, as it was at one moment: units of work, the ledger, records by family, then notes.

        Units come by number, entries as in the feed, records by the name of their family and then by id, notes by key. Others may
        write meanwhile. Raises `InvalidInput` inside a unit of work, and where records of a class are stored that the
        store was not opened for.
        """

    def fill(self, parts: Iterable["Part"]) -> int:
        """Keep in an empty store what `contents` of another gave, and return how many parts there were; all or nothing.

        Versions, stamps, the order of the ledger and the places of those who follow the feed stay what they were. Raises
        `InvalidInput` where the store is not empty, and for parts that do not fit together.
        """


class Store(Records, Queries, Deletion, History, Feed, Notes, Frames, Protocol):
    """All that crmkit asks of a store."""


def unknown_class(cls: type[Record], known: Iterable[type[Record]]) -> InvalidInput:
    """Return the error of a class that a store was not opened for."""
    names = ", ".join(each.__name__ for each in known)
    return InvalidInput(
        f"{cls.__name__} is no record class of this store; it has {names}; give others as records= on opening"
    )
