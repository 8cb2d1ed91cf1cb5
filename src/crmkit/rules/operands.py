"""What fields are compared with, and how."""

import re
from collections.abc import Iterable
from datetime import date, datetime
from decimal import Decimal
from itertools import islice
from typing import Any, Literal, get_args
from unicodedata import normalize

from crmkit.errors import InvalidInput, InvalidRecord, choices
from crmkit.model.money import Money
from crmkit.model.shape import Kind, Shape, converter
from crmkit.rules.relative import Days, Relative

Operator = Literal[
    "is",
    "below",
    "at_most",
    "above",
    "at_least",
    "in",
    "contains",
    "starts_with",
    "ends_with",
    "like",
    "has",
    "anniversary",
    "empty",
]
"""What a comparison asks. "has" asks for one of the texts of a field, "empty" asks without a value."""

Operand = str | bool | int | float | Decimal | datetime | date | Money | Days | Relative
"""What a field may be compared with."""

MOST_VALUES = 10_000
LONGEST_TEXT = 1_000
"""Bounds of one comparison, so that a saved rule from a stranger costs bounded time and memory."""

_TAKING_TEXT = ("contains", "starts_with", "ends_with", "like", "has")
_TAKING_DAYS = ("is", "below", "at_most", "above", "at_least", "anniversary")
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")
# In this order, because True is a whole number too and an instant is a day.
_KINDS: tuple[tuple[type[Any], Kind], ...] = (
    (bool, "flag"),
    (int, "decimal"),
    (float, "number"),
    (Decimal, "decimal"),
    (datetime, "instant"),
    (date, "day"),
    (Money, "money"),
)


def check_operator(operator: object) -> None:
    """Raise `InvalidInput` for what is no operator."""
    known = get_args(Operator)
    if operator not in known:
        # Of a stranger's data only text is shown: the rest may be nested too deeply.
        word = operator[:80] if isinstance(operator, str) else type(operator).__name__
        raise InvalidInput(f"{word!r} is no operator; {choices(word, known)}")


def in_one_form(path: str, operator: Operator, value: object) -> Any:
    """Return an operand in the one form that records hold too: text in NFC, instants in UTC, several values as a tuple.

    Raises `InvalidInput` for one that no field could be compared with.
    """
    if operator == "empty":
        return _none(path, value)
    if operator == "in":
        return tuple(_accepted(path, each) for each in several(path, value))
    if operator in _TAKING_TEXT and not isinstance(value, str):
        raise _unusable(path, f"{type(value).__name__}; {operator!r} takes text")
    if operator in _TAKING_DAYS and isinstance(value, Days | Relative):
        return value
    if operator == "anniversary":
        raise _unusable(path, f"{type(value).__name__}; {operator!r} takes days, such as next_days(14)")
    return _accepted(path, value)


def _none(path: str, value: object) -> None:
    if value is not None:
        raise _unusable(path, f"{type(value).__name__} by 'empty', which takes no value")


def several(path: str, values: Any) -> tuple[Any, ...]:
    """Return the values of "in"; raise `InvalidInput` where there are too many, or one text where a list was meant."""
    if isinstance(values, str | bytes) or not isinstance(values, Iterable):
        raise _unusable(path, f"{type(values).__name__} by 'in'; give a list of values")
    found = tuple(islice(values, MOST_VALUES + 1))
    if len(found) > MOST_VALUES:
        raise _unusable(path, f"so many values; give at most {MOST_VALUES:,}")
    return found


def _accepted(path: str, value: Any) -> Any:
    if isinstance(value, str):
        return _text(path, value)
    kind = next((kind for cls, kind in _KINDS if isinstance(value, cls)), None)
    if kind is None:
        hint = "; call it first" if callable(value) else ""
        raise _unusable(
            path, f"{type(value).__name__}{hint}; give text, a number, True, False, an instant, a day or Money"
        )
    try:
        accepted = converter(Shape(kind), path, personal=True)(value)
    except InvalidRecord as error:
        raise InvalidInput(str(error)) from None
    return value if isinstance(value, int) else accepted


def _text(path: str, value: str) -> str:
    text = normalize("NFC", str.__str__(value)) if len(value) <= LONGEST_TEXT else ""
    if not 0 < len(text) <= LONGEST_TEXT or _UNSTORABLE.search(text):
        raise _unusable(path, f"this text; give 1 to {LONGEST_TEXT:,} characters that UTF-8 can hold")
    return text


def _unusable(path: str, what: str) -> InvalidInput:
    return InvalidInput(f"{path} cannot be compared with {what}")
