"""Completeness: how much of what could be known of a record is known."""

from collections.abc import Collection, Mapping
from typing import get_args

import attrs

from crmkit.errors import InvalidInput, choices
from crmkit.model.records import Category, FieldInfo, Record, fields

_NOT_COUNTED = ("id", "created_at", "custom")


@attrs.frozen
class Completeness:
    """The shares of a record's fields that are filled, from 0 to 1, and the names of the empty ones in their order.

    `by_category` has every category. A share is None where there is no field to fill.
    """

    share: float | None
    by_category: Mapping[Category, float | None]
    empty: tuple[str, ...]


def completeness(record: Record, *, excluded: Collection[str] = ()) -> Completeness:
    """Return how complete a record is, overall and by the category of its fields, a vertical's own fields included.

    A field is filled unless it holds None or an empty collection: zero and False are answers. `id`, `created_at` and
    `custom` do not count, nor do the `excluded` fields, such as those that make no sense for an organization. Raises
    `InvalidInput` for an excluded name that is no field.

    >>> known = completeness(Product(name="Gym", price=Money("99", "PLN")))
    >>> known.by_category["quantitative"], known.empty
    (1.0, ('external_ids', 'tags', 'family'))
    """
    infos = fields(type(record))
    _check(excluded, [info.name for info in infos], type(record).__name__)
    counted = [info for info in infos if info.name not in (*_NOT_COUNTED, *excluded)]
    empty = tuple(info.name for info in counted if _is_empty(getattr(record, info.name)))
    categories: tuple[Category, ...] = get_args(Category)
    by_category = {each: _share([info for info in counted if info.category == each], empty) for each in categories}
    return Completeness(_share(counted, empty), by_category, empty)


def _check(excluded: Collection[str], known: list[str], subject: str) -> None:
    for name in excluded:
        if name not in known:
            raise InvalidInput(f"excluded: {subject} has no field {name!r}; {choices(name, known)}")


def _is_empty(value: object) -> bool:
    return value is None or (isinstance(value, Collection) and not value)


def _share(infos: list[FieldInfo], empty: tuple[str, ...]) -> float | None:
    if not infos:
        return None
    return sum(info.name not in empty for info in infos) / len(infos)
