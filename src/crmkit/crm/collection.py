"""The stored records of one class, as a host reads and writes them."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Generic, TypeVar

from crmkit.errors import InvalidInput, InvalidTransition, NotFound
from crmkit.io.stores.families import family
from crmkit.io.stores.port import Page, SortBy, Store, Stored, Version
from crmkit.model import Alias, Record
from crmkit.model.alias import resolve
from crmkit.rules import EVERYTHING, Rule, field

if TYPE_CHECKING:
    from crmkit.crm.facade import CRM

R = TypeVar("R", bound=Record)
Sort = str | SortBy | Iterable[str | SortBy]
"""Fields to sort by, the most telling first: "name", "-name" for the other direction, or `SortBy`."""


class Collection(Generic[R]):
    """The stored records of one class and of those that extend it.

    Every call is a unit of work of its own, or joins the `CRM.transaction` around it.

    >>> from crmkit.rules import field
    >>> crm = CRM.open("memory://")
    >>> ann = crm.customers.add(Customer(id="ann", kind="person", name="Ann", country="PL"))
    >>> crm.customers.find(field("country") == "PL", sort="-created_at")[0] == ann
    True
    """

    _moves: tuple[str, ...] = ("crm.keep of a move of the model",)

    def __init__(self, crm: "CRM", cls: type[R]) -> None:
        """Show the records of a class in the store of a CRM."""
        self._crm = crm
        self._store = crm.store
        self.cls = cls

    def add(self, record: R) -> R:
        """Keep a new record and return it; `created_at` becomes now where it is empty.

        Raises `Conflict` where its id is stored already or a unique value is taken, and `InvalidInput` for a record of
        another class.
        """
        self._check(record)
        with self._crm.transaction():
            _, at = self._crm.acting()
            added = record if record.created_at is not None else record.replace(created_at=at)
            self._store.add([added])
        return added

    def update(self, record: R, version: int | None = None) -> R:
        """Keep a changed record in place of the stored one and return it.

        With the `version` that `read` gave, nobody else's change is overwritten: raises `Conflict` where the record was
        changed since. Raises `Conflict` too where a unique value is taken, `NotFound` where the id is not stored, and
        `InvalidTransition` where the state is another one: states change by the moves of the model alone.

        >>> crm = CRM.open("memory://")
        >>> _ = crm.customers.add(Customer(id="ann", kind="person", name="Ann"))
        >>> seen = crm.customers.read("ann")
        >>> crm.customers.update(seen.record.replace(city="Łódź"), seen.version).city
        'Łódź'
        >>> crm.customers.update(seen.record.replace(city="Kraków"), seen.version)
        Traceback (most recent call last):
        crmkit.errors.Conflict: ...
        """
        self._check(record)
        with self._crm.transaction():
            if _state(self._store.get(self.cls, record.id)) != _state(record):
                raise InvalidTransition(f"{self.cls.__name__} {record.id!r} changes its state in update", self._moves)
            self._store.put(record, version=version)
        return record

    def get(self, record_id: str) -> R:
        """Return the record with this id, or the one that it was merged into; raise `NotFound` where there is none."""
        try:
            return self._store.get(self.cls, record_id)
        except NotFound:
            now = _id_now(self._store, self.cls, record_id)
            if now == record_id:
                raise
        return self._store.get(self.cls, now)

    def read(self, record_id: str) -> Stored[R]:
        """Return the record with exactly this id, its version, and when it was deleted; raise `NotFound` where there is none."""
        return self._store.read(self.cls, record_id)

    def find(self, where: Rule = EVERYTHING, *, sort: Sort = (), limit: int = 100, after: str | None = None) -> Page[R]:
        """Return the first records for which a rule holds, as a page whose `next` is the `after` of the one that follows.

        They come in the order of `sort`, empty values last, and then of their ids. Relative time in the rule, such as `days_ago(90)`,
        counts from the CRM's clock in its zone. Raises `InvalidInput` for a rule or a field that does not fit the class, and for a
        cursor of another query.
        """
        return self._store.find(self.cls, self._now(where), sort=_sort_keys(sort), limit=limit, after=after)

    def every(self, where: Rule = EVERYTHING) -> Iterator[R]:
        """Go through all records for which a rule holds, by id."""
        return self._store.every(self.cls, self._now(where))

    def count(self, where: Rule = EVERYTHING) -> int:
        """Return for how many records a rule holds."""
        return self._store.count(self.cls, self._now(where))

    def delete(self, record_id: str, version: int | None = None) -> None:
        """Hide a record; `restore` brings it back, `purge` removes it. Its unique values are free for others.

        Raises `NotFound` where there is none, and `Conflict` where `version` is no longer the stored one.
        """
        with self._crm.transaction():
            self._store.delete(self.cls, record_id, version=version)

    def restore(self, record_id: str) -> R:
        """Bring a deleted record back and return it.

        Raises `NotFound` where there is no deleted one, and `Conflict` where a unique value of it was taken meanwhile.
        """
        with self._crm.transaction():
            self._store.restore(self.cls, record_id)
            return self._store.get(self.cls, record_id)

    def purge(self, record_id: str) -> None:
        """Remove a deleted record for good, with all that the history holds of it; raise `NotFound` where there is none."""
        with self._crm.transaction():
            self._store.purge(self.cls, record_id)

    def history(self, record_id: str) -> tuple[Version[R], ...]:
        """Return what a record became by each of its changes, the first first; raise `NotFound` where there is none."""
        return self._store.history(self.cls, record_id)

    def __iter__(self) -> Iterator[R]:
        """Go through all records by id."""
        return self.every()

    def __len__(self) -> int:
        """Return how many records there are."""
        return self.count()

    def _now(self, where: Rule) -> Rule:
        """A rule as it is asked at the present of the CRM, in its time zone, with the segments that it names."""
        return self._crm.segments.within(where, self.cls).at(self._crm.now(), self._crm.tz)

    def _check(self, record: R) -> None:
        if not isinstance(record, self.cls):
            raise InvalidInput(
                f"a {type(record).__name__} is no {self.cls.__name__}; add it to the collection of its class"
            )


def _sort_keys(sort: Sort) -> tuple[SortBy, ...]:
    keys = (sort,) if isinstance(sort, str | SortBy) else sort
    return tuple(SortBy(key.removeprefix("-"), key.startswith("-")) if isinstance(key, str) else key for key in keys)


def _id_now(store: Store, cls: type[Record], record_id: str) -> str:
    """The id that a record has now, after any number of merges."""
    subject, aliases, now = family(cls).__name__, list[Alias](), record_id
    while found := _aliases(store, subject, now):
        aliases += found
        now = resolve(aliases, subject, record_id)
    return now


def _aliases(store: Store, subject: str, former_id: str) -> list[Alias]:
    try:
        where = (field("subject") == subject) & (field("former_id") == former_id)
    except InvalidInput:  # no record can have such an id, so none has it
        return []
    return [*store.every(Alias, where)] if Alias in store.classes else []


def _state(record: Record) -> tuple[object, ...]:
    """The label and the category of a record that has a state."""
    label = next((name for name in ("stage", "status") if hasattr(record, name)), "category")
    return (getattr(record, label, None), getattr(record, "category", None)) if hasattr(record, "category") else ()
