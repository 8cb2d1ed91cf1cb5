"""What all stores share about a query: the checks of what was asked, and the order of records."""

from collections.abc import Iterable, Sequence
from typing import Any

import attrs

from crmkit.errors import InvalidInput, choices
from crmkit.frames.schema import schema
from crmkit.io.stores.cursor import decode_cursor, encode_cursor
from crmkit.io.stores.port import SortBy
from crmkit.model.custom_field import CustomField
from crmkit.model.money import Money
from crmkit.model.records import Record
from crmkit.rules import Column, columns

SORTABLE = frozenset({"text", "choice", "integer", "number", "decimal", "flag", "instant", "day", "money"})
"""The kinds of fields that have an order."""


def check_limit(limit: int) -> None:
    """Raise `InvalidInput` for a number of records that is none."""
    if not isinstance(limit, int) or isinstance(limit, bool) or limit < 1:
        raise InvalidInput(f"{limit!r} is no number of records; give a whole number from 1")


def check_columns(cls: type[Record], names: Sequence[str] | None) -> None:
    """Raise `InvalidInput` for a column that the frames of a class do not have."""
    known = schema(cls)
    for name in names or ():
        if name not in known:
            raise InvalidInput(f"frames of {cls.__name__} have no column {name!r}; {choices(str(name), known)}")


def sort_columns(cls: type[Record], sort: Iterable[SortBy], declared: Iterable[CustomField]) -> tuple[Column, ...]:
    """Return the columns to sort by; raise `InvalidInput` for an unknown one, and for one that has no order.

    >>> [column.path for column in sort_columns(Deal, [SortBy("amount", is_descending=True)], [])]
    ['amount']
    """
    known = columns(cls, declared)
    found = tuple(known[each.path] for each in sort)
    for each in found:
        if each.shape.kind not in SORTABLE:
            raise InvalidInput(
                f"{cls.__name__}.{each.path} holds {each.shape.kind} and has no order; sort by a single value"
            )
    return found


class Order:
    """The order in which a query gives records: by the sort keys, empty values last, and then by id."""

    def __init__(self, cls: type[Record], sort: Sequence[SortBy], declared: Iterable[CustomField]) -> None:
        """Check the sort keys; raise `InvalidInput` as `sort_columns` does."""
        self._cls = cls
        self._sort = sort
        self._columns = sort_columns(cls, sort, declared)

    def place(self, record: Record) -> tuple[Any, ...]:
        """Return what compares as the place of a record does."""
        return self._place(self._values(record), record.id)

    def encode(self, record: Record) -> str:
        """Return the cursor after a record."""
        return encode_cursor(self._cls, self._sort, self._shapes(), self._values(record), record.id)

    def decode(self, cursor: str) -> tuple[Any, ...]:
        """Return the place of the record that a cursor was made of; raise `InvalidInput` as `decode_cursor` does."""
        return self._place(*decode_cursor(cursor, self._cls, self._sort, self._shapes()))

    def _shapes(self) -> list[Any]:
        return [column.shape for column in self._columns]

    def _values(self, record: Record) -> tuple[Any, ...]:
        return tuple(column.get(record) for column in self._columns)

    def _place(self, values: tuple[Any, ...], record_id: str) -> tuple[Any, ...]:
        keys = (_key(value, by.is_descending) for value, by in zip(values, self._sort, strict=True))
        return (*keys, record_id)


def _key(value: Any, is_descending: bool) -> tuple[Any, ...]:  # noqa: FBT001 - a sort key has two parts
    if value is None:
        return (True,)
    comparable = (value.currency, value.minor_units) if isinstance(value, Money) else value
    return (False, _Reversed(comparable) if is_descending else comparable)


@attrs.frozen
class _Reversed:
    """A value that comes before what it is greater than."""

    value: Any

    def __lt__(self, other: "_Reversed") -> bool:
        return bool(self.value > other.value)
