"""How several customers who are one become one, field by field."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain
from typing import Any, TypeVar

from crmkit.model.contact_point import ContactKind, ContactPoint
from crmkit.model.customer import Customer
from crmkit.model.preference import Preference
from crmkit.model.records import FieldInfo, fields

C = TypeVar("C", bound=Customer)


def unite(survivor: C, others: Sequence[Customer]) -> C:
    """Return the survivor with what the others know besides; of two that say different things the earlier counts.

    `crmkit.model.merge.merge` describes the rules.

    >>> ann = Customer(id="ann", kind="person", name="Ann", tags={"vip"})
    >>> united = unite(ann, [Customer(kind="person", name="Anna", city="Łódź", tags={"gym"})])
    >>> united.name, sorted(united.tags)
    ('Ann', ['gym', 'vip'])
    """
    ranked: tuple[Customer, ...] = (survivor, *others)
    return survivor.replace(**{info.name: _united(info, ranked) for info in fields(type(survivor))})


def _united(info: FieldInfo, ranked: Sequence[Customer]) -> Any:
    """The value of a field that several customers, the first one counting most, make together."""
    if info.name in _RULES:
        return _RULES[info.name](ranked)
    held = [each for customer in ranked if (each := getattr(customer, info.name, None)) is not None]
    if not held:
        return None
    if info.shape.kind in ("texts", "values"):
        return _united_items(held)
    return _united_mapping(held) if info.shape.kind == "mapping" else held[0]


def _united_items(held: Sequence[Iterable[Any]]) -> list[Any]:
    united: list[Any] = []
    for items in held:
        united += [item for item in items if item not in united]
    return united


def _united_mapping(held: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    united: dict[str, Any] = {}
    for name, each in chain.from_iterable(mapping.items() for mapping in held):
        if united.get(name) is None:
            united[name] = each
    return united


def _external_ids(ranked: Sequence[Customer]) -> dict[str, Any]:
    united: dict[str, Any] = {}
    for customer in ranked:
        for system, id_ in customer.external_ids.items():
            if united.get(system) is None:
                united[system] = id_
            elif id_ not in (None, united[system]):
                united[f"{system}#{customer.id}"] = id_
    return united


def _contact_points(ranked: Sequence[Customer]) -> list[ContactPoint]:
    united: dict[tuple[ContactKind, str], ContactPoint] = {}
    primaries: dict[ContactKind, tuple[ContactKind, str]] = {}
    for point in chain.from_iterable(customer.contact_points for customer in ranked):
        united[point.key] = _united_point(united.get(point.key, point), point)
        if point.is_primary:
            primaries.setdefault(point.kind, point.key)
    return [each.replace(is_primary=primaries.get(each.kind) == key) for key, each in united.items()]


def _united_point(first: ContactPoint, second: ContactPoint) -> ContactPoint:
    marked = second if second.is_invalid and not first.is_invalid else first
    return marked.replace(value=first.value, label=first.label or second.label, address=first.address or second.address)


def _preferences(ranked: Sequence[Customer]) -> list[Preference]:
    united: list[Preference] = []
    for customer in ranked:
        topics = {preference.topic for preference in united}
        united += [preference for preference in customer.preferences if preference.topic not in topics]
    return united


def _place(ranked: Sequence[Customer]) -> tuple[str | None, str | None]:
    """The country and city of the first customer, or of a later one that says the same and more."""
    place: tuple[str | None, str | None] = (None, None)
    for customer in ranked:
        other = (customer.country, customer.city)
        if all(known in (None, said) for known, said in zip(place, other, strict=True)):
            place = other
    return place


_RULES: Mapping[str, Callable[[Sequence[Customer]], Any]] = {
    "created_at": lambda ranked: min((each.created_at for each in ranked if each.created_at), default=None),
    "external_ids": _external_ids,
    "contact_points": _contact_points,
    "preferences": _preferences,
    "country": lambda ranked: _place(ranked)[0],
    "city": lambda ranked: _place(ranked)[1],
}
