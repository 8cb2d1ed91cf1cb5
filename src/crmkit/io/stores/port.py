"""What every store can do."""

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from typing import Protocol, TypeVar

from crmkit.model.records import Record

R = TypeVar("R", bound=Record)


class Store(Protocol):
    """A place that keeps records, by class and id.

    Every method that writes is a unit of work of its own, or joins the `transaction` around it. One store may be used by
    several threads; while one is inside a transaction the others wait.
    """

    def transaction(self) -> AbstractContextManager[None]:
        """Make everything inside one unit of work: kept as a whole, or undone as a whole where an error leaves it.

        Transactions nest: an inner one that fails is undone alone if its error is caught inside the outer one.
        """

    def add(self, records: Iterable[Record]) -> int:
        """Keep new records, of any classes, and return how many there were.

        Raises `Conflict` where a class has the id already, and `InvalidInput` for a class that the store does not know; then none
        of them is kept.
        """

    def put(self, record: Record) -> None:
        """Keep a record in place of the stored one with its class and id; raise `NotFound` where there is none."""

    def get(self, cls: type[R], record_id: str) -> R:
        """Return the record of this class and id; raise `NotFound` where there is none."""

    def every(self, cls: type[R]) -> Iterator[R]:
        """Go through all records of a class by id. A record that changes meanwhile is seen in either form, once."""

    def count(self, cls: type[Record]) -> int:
        """Return how many records of a class there are."""

    def close(self) -> None:
        """Give back what the store holds; nothing can be read or written afterwards. May be called twice."""
