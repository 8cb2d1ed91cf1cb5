"""What the annotation of a field says about its values.

One place reads annotations; checking, coding, frames and stores all follow the `Shape` that it finds, so a field that
a vertical declares is treated like a built-in one.
"""

import math
import re
import types
import typing
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, Literal, NoReturn

import attrs

from crmkit.errors import InvalidRecord
from crmkit.model.money import Money

Scalar = str | int | float | bool | None
"""A value of a run-time field (`Record.custom`): what JSON can hold without nesting."""

Kind = Literal[
    "text",
    "choice",
    "integer",
    "number",
    "decimal",
    "flag",
    "instant",
    "day",
    "money",
    "texts",
    "value",
    "values",
    "mapping",
]
"""What a field holds. "texts" is a set or sequence of text, "value" a value object, "values" a sequence of those."""

DECIMAL_PLACES = 10
DECIMAL_DIGITS = 28
_LARGEST = 2**63
_KINDS: Mapping[Any, Kind] = {
    str: "text",
    int: "integer",
    float: "number",
    Decimal: "decimal",
    bool: "flag",
    datetime: "instant",
    date: "day",
    Money: "money",
}


class FrozenDict(dict[str, Any]):
    """A mapping that cannot be changed: hashable, comparable with any dict, and picklable."""

    def _refuse(self, *_: object, **__: object) -> NoReturn:
        raise TypeError("this mapping belongs to a record and cannot be changed; use record.replace(...)")

    __setitem__ = __delitem__ = __ior__ = _refuse
    clear = pop = popitem = setdefault = update = _refuse

    def __hash__(self) -> int:  # type: ignore[override]
        """Hash the items in any order, as equality compares them."""
        return hash(frozenset(self.items()))

    def __reduce__(self) -> tuple[type["FrozenDict"], tuple[dict[str, Any]]]:
        """Pickle as a plain dict, because the default way would set items one by one."""
        return FrozenDict, (dict(self),)


@attrs.frozen
class Shape:
    """The kind of a field, whether it may be empty, its allowed words, and the type of its items."""

    kind: Kind
    optional: bool = False
    choices: tuple[str, ...] = ()
    item: type[Any] | None = None
    is_set: bool = False


def shape_of(annotation: object, where: str) -> Shape:
    """Return the shape that an annotation declares; raise `TypeError` naming `where` for one without a shape.

    >>> shape_of(datetime | None, "Deal.closed_at")
    Shape(kind='instant', optional=True, choices=(), item=None, is_set=False)
    """
    inner = _without_none(annotation)
    if inner is not None:
        return attrs.evolve(shape_of(inner, where), optional=True)
    shape = _shape_of_class(annotation) if isinstance(annotation, type) else _shape_of_generic(annotation)
    if shape is None:
        raise TypeError(
            f"{where}: a field cannot be {annotation}; give str, int, float, Decimal, bool, datetime, date, Money, a value "
            "class, a Literal of words, Set[str], Sequence[str], Sequence of a value class or Mapping[str, Scalar], each also "
            "with '| None'"
        )
    return shape


def _without_none(annotation: object) -> object | None:
    if typing.get_origin(annotation) not in (types.UnionType, typing.Union):
        return None
    inner = [each for each in typing.get_args(annotation) if each is not types.NoneType]
    return inner[0] if len(inner) == 1 else None


def _shape_of_class(annotation: type[Any]) -> Shape | None:
    if annotation in _KINDS:
        return Shape(_KINDS[annotation])
    return Shape("value", item=annotation) if _is_value_class(annotation) else None


def _shape_of_generic(annotation: object) -> Shape | None:
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is Literal and all(isinstance(word, str) for word in arguments):
        return Shape("choice", choices=arguments)
    if origin in (AbstractSet, Sequence) and arguments == (str,):
        return Shape("texts", item=str, is_set=origin is AbstractSet)
    if origin is Sequence and arguments and _is_value_class(arguments[0]):
        return Shape("values", item=arguments[0])
    return Shape("mapping") if origin is Mapping and arguments == (str, Scalar) else None


def _is_value_class(annotation: object) -> bool:
    """Whether this is a declared class of values that live inside records; what has an id is linked by it instead."""
    if not isinstance(annotation, type) or not attrs.has(annotation) or hasattr(annotation, "id"):
        return False
    return all("info" in attribute.metadata for attribute in attrs.fields(annotation))


Convert = Callable[[Any], Any]


def converter(shape: Shape, where: str, *, personal: bool) -> Convert:
    """Return the function that checks a value of this shape and brings it to its one form.

    Text comes back in NFC, instants in UTC, collections frozen. Anything else raises `InvalidRecord`, which names
    `where` and shows the value unless it is personal.
    """

    def refuse(value: object, accepted: str) -> NoReturn:
        shown = f"a personal value of type {type(value).__name__}" if personal else repr(value)
        raise InvalidRecord(f"{where}: {shown} is not accepted; give {accepted}")

    check = _CHECKS[shape.kind](shape, refuse)
    if not shape.optional or shape.kind == "text":  # text, the most common kind, sees to None itself and saves a call
        return check
    return lambda value: None if value is None else check(value)


Refuse = Callable[[object, str], NoReturn]


_HALF_CHARACTERS = re.compile("[\ud800-\udfff]")


def _check_text(shape: Shape, refuse: Refuse) -> Convert:
    is_optional = shape.optional

    def check(value: object) -> str | None:
        if value is None and is_optional:
            return None
        if value.__class__ is str and value.isprintable() and value.strip():
            return value if value.isascii() else unicodedata.normalize("NFC", value)
        if not isinstance(value, str) or not value or value.isspace() or "\x00" in value:
            refuse(value, "text that is not blank")
        value = str.__str__(value)
        if _HALF_CHARACTERS.search(value):
            refuse(value, "text that UTF-8 can hold")
        return unicodedata.normalize("NFC", value)

    return check


def _check_choice(shape: Shape, refuse: Refuse) -> Convert:
    accepted = f"one of {', '.join(map(repr, shape.choices))}"
    choices = {choice: choice for choice in shape.choices}

    def check(value: object) -> str:
        found = choices.get(value) if isinstance(value, str) else None
        return found if found is not None else refuse(value, accepted)

    return check


def _check_integer(_: Shape, refuse: Refuse) -> Convert:
    def check(value: object) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not -_LARGEST <= value < _LARGEST:
            refuse(value, "a whole number of at most 64 bits")
        return value

    return check


def _check_number(_: Shape, refuse: Refuse) -> Convert:
    def check(value: object) -> float:
        if not isinstance(value, int | float) or isinstance(value, bool) or not _is_finite(value):
            refuse(value, "a finite number")
        return float(value)

    return check


def _is_finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number that no float can hold
        return False


def _check_decimal(_: Shape, refuse: Refuse) -> Convert:
    def check(value: object) -> Decimal:
        if not isinstance(value, Decimal | int) or isinstance(value, bool) or not is_storable_decimal(Decimal(value)):
            refuse(
                value, f"a Decimal or a whole number, with at most {DECIMAL_PLACES} decimals and 28 digits before them"
            )
        return Decimal(value)

    return check


def is_storable_decimal(value: Decimal) -> bool:
    """Return whether a decimal is finite, with at most 28 digits before and 10 after the point, which every store keeps exactly."""
    if not value.is_finite():
        return False
    exponent = value.as_tuple().exponent
    return isinstance(exponent, int) and exponent >= -DECIMAL_PLACES and value.adjusted() < DECIMAL_DIGITS


def _check_flag(_: Shape, refuse: Refuse) -> Convert:
    def check(value: object) -> bool:
        if not isinstance(value, bool):
            refuse(value, "True or False")
        return value

    return check


def _check_instant(_: Shape, refuse: Refuse) -> Convert:
    def check(value: Any) -> datetime:
        if value.__class__ is datetime and value.tzinfo is UTC:
            return value
        if not isinstance(value, datetime) or not _is_aware(value):
            refuse(value, "a datetime with a time zone, such as datetime(2025, 1, 31, 12, 0, tzinfo=UTC)")
        try:
            # In UTC, because an instant in a repeated hour of another zone equals no other zone's instant (PEP 495).
            moment = value.astimezone(UTC)
        except OverflowError:
            refuse(value, "a datetime between the years 1 and 9999 in UTC")
        return datetime.combine(moment.date(), moment.time(), UTC)

    return check


def _is_aware(value: datetime) -> bool:
    try:
        return value.utcoffset() is not None
    except ValueError:  # the missing instant of pandas is a datetime that has no offset to ask for
        return False


def _check_day(_: Shape, refuse: Refuse) -> Convert:
    def check(value: object) -> date:
        if not isinstance(value, date) or isinstance(value, datetime):
            refuse(value, "a date without a time of day, such as date(2025, 1, 31)")
        return value

    return check


def _check_money(_: Shape, refuse: Refuse) -> Convert:
    def check(value: object) -> Money:
        if not isinstance(value, Money):
            refuse(value, "Money, such as Money('490.00', 'PLN')")
        return value

    return check


def _check_texts(shape: Shape, refuse: Refuse) -> Convert:
    made: type[Any] = frozenset if shape.is_set else tuple
    text = _check_text(Shape("text"), refuse)

    def check(value: Any) -> object:
        if value.__class__ is made and not value:
            return value
        if not _is_list(value) and not (shape.is_set and isinstance(value, AbstractSet)):
            refuse(value, f"a {'set or list' if shape.is_set else 'list'} of texts, not one text")
        return made(map(text, value))

    return check


def _is_list(value: object) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str | bytes)


def _check_value(shape: Shape, refuse: Refuse) -> Convert:
    item = typing.cast("type[Any]", shape.item)

    def check(value: object) -> object:
        if not isinstance(value, item):
            refuse(value, f"a {item.__name__}")
        return value

    return check


def _check_values(shape: Shape, refuse: Refuse) -> Convert:
    item = typing.cast("type[Any]", shape.item)

    accepted = f"a list of {item.__name__}"

    def check(value: Any) -> tuple[object, ...]:
        if value.__class__ is not tuple and not _is_list(value):
            refuse(value, accepted)
        for each in value:
            if not isinstance(each, item):
                refuse(value, accepted)
        return tuple(value)

    return check


def _check_mapping(shape: Shape, refuse: Refuse) -> Convert:
    text = _check_text(Shape("text"), refuse)
    checks = {str: text, int: _check_integer(shape, refuse), float: _check_number(shape, refuse)}

    def scalar(value: Any) -> Any:
        if value is None or isinstance(value, bool):
            return value
        check = next((check for kind, check in checks.items() if isinstance(value, kind)), None)
        return check(value) if check else refuse(value, "text, numbers, True, False or None in a mapping")

    def check(value: object) -> FrozenDict:
        if isinstance(value, FrozenDict):
            return value
        if not isinstance(value, Mapping):
            refuse(value, "a mapping from text to text, numbers, True, False or None")
        return FrozenDict({text(key): scalar(each) for key, each in value.items()})

    return check


_CHECKS: Mapping[Kind, Callable[[Shape, Refuse], Convert]] = {
    "text": _check_text,
    "choice": _check_choice,
    "integer": _check_integer,
    "number": _check_number,
    "decimal": _check_decimal,
    "flag": _check_flag,
    "instant": _check_instant,
    "day": _check_day,
    "money": _check_money,
    "texts": _check_texts,
    "value": _check_value,
    "values": _check_values,
    "mapping": _check_mapping,
}
