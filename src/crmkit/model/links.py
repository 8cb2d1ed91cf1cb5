"""Links: the ids of other records inside a record, wherever its class declares them."""

from collections.abc import Collection, Mapping
from typing import Any, TypeVar

from crmkit.model.records import FieldInfo, Value, fields

V = TypeVar("V", bound=Value)
Ids = tuple[str, ...]


def links_of(part: Value, classes: Collection[str], within: str = "") -> dict[str, Ids]:
    """Return the ids in a record that link to records of some classes, by their paths; empty where there are none.

    A path is the name of a field, or the way to it through value objects, as in "lines.0.product_id". Paths begin with
    `within`.

    >>> deal = Deal(pipeline_id="gym", stage="Trial", customer_id="ann", product_ids=["p1", "p2"])
    >>> links_of(deal, ["Customer", "Product"])
    {'customer_id': ('ann',), 'product_ids': ('p1', 'p2')}
    """
    found: dict[str, Ids] = {}
    for info in fields(type(part)):
        held, path = getattr(part, info.name), within + info.name
        if info.links in classes and held:
            found[path] = (held,) if isinstance(held, str) else tuple(held)
        for inside, inner in _inside(info, held, path).items():
            found |= links_of(inner, classes, inside)
    return found


def with_links(part: V, ids_at: Mapping[str, Ids], within: str = "") -> V:
    """Return a record with other ids at some of the paths of `links_of`.

    >>> deal = Deal(pipeline_id="gym", stage="Trial", customer_id="ann")
    >>> with_links(deal, {"customer_id": ("anna",)}).customer_id
    'anna'
    """
    changes: dict[str, Any] = {}
    for info in fields(type(part)):
        held, path = getattr(part, info.name), within + info.name
        if path in ids_at:
            changes[info.name] = ids_at[path] if info.shape.kind == "texts" else ids_at[path][0]
        elif inside := _inside(info, held, path):
            inner = [with_links(each, ids_at, start) for start, each in inside.items()]
            changes[info.name] = inner if info.shape.kind == "values" else inner[0]
    return part.replace(**changes)


def _inside(info: FieldInfo, held: Any, path: str) -> dict[str, Value]:
    """The value objects that a field holds, by the beginnings of the paths in them."""
    if held is not None and info.shape.kind == "value":
        return {f"{path}.": held}
    return {f"{path}.{place}.": each for place, each in enumerate(held or ())} if info.shape.kind == "values" else {}
