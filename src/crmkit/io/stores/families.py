"""Families of record classes: a class and those that extend it share their ids, their table and their unique values."""

from functools import cache
from typing import Any

from crmkit.errors import InvalidInput
from crmkit.model.records import FieldInfo, Record, fields


def family(cls: type[Record]) -> type[Record]:
    """Return the class that a record class extends in the end, directly below `Record`: itself, where it extends none.

    Raises `InvalidInput` for `Record`, which no store keeps.

    >>> @record
    ... class Member(Customer):
    ...     card: str
    >>> family(Member) is family(Customer) is Customer
    True
    """
    for each in reversed(cls.__mro__):
        if issubclass(each, Record) and each is not Record:
            return each
    raise InvalidInput("Record is the base of all record classes and is not stored itself; give one that extends it")


def unique_fields(cls: type[Record]) -> tuple[FieldInfo, ...]:
    """Return the fields of which a store keeps each value once in a family.

    >>> [each.name for each in unique_fields(Ticket)]
    ['number']
    """
    return _unique_fields(cls)  # type: ignore[arg-type]  # mypy takes the hash of a class for its instances'


@cache
def _unique_fields(cls: type[Any]) -> tuple[FieldInfo, ...]:
    return tuple(each for each in fields(cls) if each.unique)
