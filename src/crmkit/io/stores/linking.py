"""Finding the records that link to others, by what their classes declare."""

from collections.abc import Collection, Iterable
from functools import reduce
from operator import or_
from typing import Any

from crmkit.model import FieldInfo, Record, fields
from crmkit.rules import AnyOf, Rule, field


def link_fields(cls: type[Record], classes: Collection[str]) -> frozenset[FieldInfo]:
    """Return the fields of a class itself that hold ids of records of some classes.

    >>> sorted(each.name for each in link_fields(Contact, ["Customer"]))
    ['organization_id', 'person_id']
    """
    return frozenset(each for each in fields(cls) if each.links in classes and each.shape.kind in ("text", "texts"))


def has_inner_links(cls: type[Any], classes: Collection[str]) -> bool:
    """Return whether the value objects in records of a class may hold ids of records of some classes, as those in a deal may.

    >>> has_inner_links(Deal, ["Customer"]), has_inner_links(Order, ["Customer"])
    (True, False)
    """
    items = [each.shape.item for each in fields(cls) if each.shape.kind in ("value", "values") and each.shape.item]
    return any(has_inner_links(item, classes) or any(each.links in classes for each in fields(item)) for item in items)


def links_to(ids: Collection[str], infos: Iterable[FieldInfo]) -> Rule:
    """Return the rule that one of the fields holds one of the ids; without fields none does."""
    rules: list[Rule] = []
    for info in infos:
        held = field(info.name)
        rules += [held.has(each) for each in ids] if info.shape.kind == "texts" else [held.is_in(ids)]
    return reduce(or_, rules, AnyOf(()))
