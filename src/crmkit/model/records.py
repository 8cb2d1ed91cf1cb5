"""What all records share: the decorator, the declaration of a field, and the base classes."""

import typing
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from datetime import datetime
from functools import cache
from typing import Any, Literal, Self, TypeVar, dataclass_transform

import attrs

from crmkit.errors import InvalidInput
from crmkit.model.identity import new_id
from crmkit.model.shape import FrozenDict, Scalar, Shape, converter, shape_of

Category = Literal["identity", "descriptive", "qualitative", "quantitative"]
"""What a field tells: who it is, what it is like, what it thinks and prefers, or how much."""

_KEY = "crmkit"
_T = TypeVar("_T")


@attrs.frozen
class Declaration:
    """What the author of a field said about it."""

    category: Category
    personal: bool
    title: str | None
    links: str | None
    unique: bool = False
    sensitive: bool = False


@attrs.frozen
class FieldInfo:
    """A field of a record class as every other part of crmkit sees it."""

    name: str
    title: str
    shape: Shape
    category: Category
    personal: bool
    links: str | None
    required: bool
    unique: bool
    sensitive: bool = False


def field(
    *,
    default: Any = attrs.NOTHING,
    factory: Callable[[], Any] | None = None,
    category: Category = "descriptive",
    personal: bool = False,
    title: str | None = None,
    links: str | None = None,
    unique: bool = False,
    sensitive: bool = False,
) -> Any:
    """Declare a field of a record; its annotation says what it holds.

    `personal` marks personal data: `repr` and error messages mask it, and exports and erasure find it. What is `sensitive`, such as
    health, is personal too, and a host shows it to few. `links` names the record class whose id the field holds. `title` is for
    people; without it the name is used. Of a `unique` text or whole number a store keeps one record at a time that is not deleted.
    """
    personal = personal or sensitive
    declared = {_KEY: Declaration(category, personal, title, links, unique, sensitive)}
    repr_ = _masked if personal else True
    if factory is not None:
        return attrs.field(factory=factory, metadata=declared, repr=repr_)
    return attrs.field(default=default, metadata=declared, repr=repr_)


def _masked(value: object) -> str:
    return repr(value) if value is None or value in ({}, ()) else "<personal>"


def _complete(cls: type[Any], attributes: list["attrs.Attribute[Any]"]) -> list["attrs.Attribute[Any]"]:
    hints = typing.get_type_hints(cls)
    return [_completed(cls, attribute, hints.get(attribute.name)) for attribute in attributes]


def _completed(cls: type[Any], attribute: "attrs.Attribute[Any]", hint: object) -> "attrs.Attribute[Any]":
    where = f"{cls.__name__}.{attribute.name}"
    declared = attribute.metadata.get(_KEY) or Declaration("descriptive", personal=False, title=None, links=None)
    shape = shape_of(hint, where)
    info = FieldInfo(
        attribute.name,
        declared.title or attribute.name.removesuffix("_id").replace("_", " ").capitalize(),
        shape,
        declared.category,
        declared.personal,
        declared.links,
        required=attribute.default is attrs.NOTHING,
        unique=declared.unique,
        sensitive=declared.sensitive,
    )
    convert = converter(shape, where, personal=declared.personal)
    return attribute.evolve(type=hint, converter=convert, metadata={_KEY: declared, "info": info})


@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(field,))
def record(cls: type[_T]) -> type[_T]:
    """Make a class a frozen, slotted, keyword-only attrs class whose fields are checked as annotated.

    A vertical declares its own records the same way:

    >>> @record
    ... class Visit(Record):
    ...     member_id: str = field(links="Customer")
    ...     at: datetime
    >>> Visit(member_id="ann", at=datetime(2025, 3, 1))
    Traceback (most recent call last):
    crmkit.errors.InvalidRecord: Visit.at: datetime.datetime(2025, 3, 1, 0, 0) is not accepted; give a datetime with \
a time zone, such as datetime(2025, 1, 31, 12, 0, tzinfo=UTC)
    """
    return attrs.frozen(cls, kw_only=True, field_transformer=_complete)


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def value(cls: type[_T]) -> type[_T]:
    """Make a class a value object inside records: like `record`, but its fields may be given by position."""
    return attrs.frozen(cls, field_transformer=_complete)


class Value:
    """The base of records and of the value objects inside them."""

    __slots__ = ()

    def replace(self, **changes: Any) -> Self:
        """Return a copy with some fields changed; the original stays as it is.

        Raises `InvalidRecord` for a value that its field does not accept.
        """
        return attrs.evolve(self, **changes)  # type: ignore[misc]


@record
class Record(Value):
    """What every record has.

    `id` is any text that is not blank, so a host may keep its own keys. `created_at` is empty until a store adds the record,
    and stays empty where an import does not know it. `external_ids` maps another system's name to its id of this
    record. `custom` holds fields that are declared at run time.
    """

    id: str = field(factory=new_id, category="identity")
    created_at: datetime | None = field(default=None)
    external_ids: Mapping[str, Scalar] = field(factory=FrozenDict, category="identity", personal=True)
    tags: AbstractSet[str] = field(default=frozenset())
    custom: Mapping[str, Scalar] = field(factory=FrozenDict, personal=True)


def family(cls: type[Any]) -> type[Record]:
    """Return the class that a record class extends in the end, directly below `Record`: itself, where it extends none.

    By its name links and transitions call all records of the family. Raises `InvalidInput` for `Record`, which no store keeps.

    >>> @record
    ... class Member(Customer):
    ...     card: str
    >>> family(Member) is family(Customer) is Customer
    True
    """
    return _families(cls)  # type: ignore[arg-type]  # mypy takes the hash of a class for its instances'


@cache
def _families(cls: Any) -> type[Record]:
    for each in reversed(cls.__mro__):
        if issubclass(each, Record) and each is not Record:
            found: type[Record] = each
            return found
    raise InvalidInput("Record is the base of all record classes and is not stored itself; give one that extends it")


def fields(cls: type[Any]) -> tuple[FieldInfo, ...]:
    """Return what is known of each field of a record class or value class, in order of declaration.

    >>> [field.name for field in fields(Record)]
    ['id', 'created_at', 'external_ids', 'tags', 'custom']
    """
    return tuple(attribute.metadata["info"] for attribute in attrs.fields(cls))
