"""Families of record classes: a class and those that extend it share their ids, their table and their unique values."""

from functools import cache
from typing import Any

from crmkit.model.records import FieldInfo, Record, family, fields

__all__ = ["family", "unique_fields"]


def unique_fields(cls: type[Record]) -> tuple[FieldInfo, ...]:
    """Return the fields of which a store keeps each value once in a family.

    >>> [each.name for each in unique_fields(Ticket)]
    ['number']
    """
    return _unique_fields(cls)  # type: ignore[arg-type]  # mypy takes the hash of a class for its instances'


@cache
def _unique_fields(cls: type[Any]) -> tuple[FieldInfo, ...]:
    return tuple(each for each in fields(cls) if each.unique)
