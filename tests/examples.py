"""How many examples a law is tried on."""

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st

from crmkit.model import Record, fields
from crmkit.testing.strategies import records

few = settings(max_examples=settings().max_examples // 6)
"""A sixth of the examples of the profile, for a law that is tried on many classes or by many methods."""

rare = settings(max_examples=settings().max_examples // 16)
"""Very few, for a law whose single example takes seconds."""


def several(cls: type[Any], most: int) -> st.SearchStrategy[list[Any]]:
    """Records of a class that one store can keep: no two share an id or a unique value."""
    return st.lists(records(cls), max_size=most, unique_by=(lambda each: each.id, _unique_value))


def _unique_value(each: Record) -> Any:
    """The unique value of a record, or what no other has."""
    values = (getattr(each, info.name) for info in fields(type(each)) if info.unique)
    return next(values, None) or each.id
