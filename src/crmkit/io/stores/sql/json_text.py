"""Values as JSON text, the same for equal values, and back.

Written here, because the encoder of the library takes longer to start than most values are long.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from json.encoder import encode_basestring
from operator import attrgetter
from typing import Any

import attrs

from crmkit.codec import instant_to_text, to_plain
from crmkit.model.money import Money
from crmkit.model.records import fields
from crmkit.model.shape import FrozenDict, Kind, Shape

Write = Callable[[Any], str]
Read = Callable[[Any], Any]


def to_json(plain: Any) -> str:
    """Return plain data as JSON text, the keys of objects in order."""
    return _WRITERS.get(type(plain), _encode)(plain)


def value_writer(cls: type[Any]) -> Write:
    """Return the function that writes a value of a class, without the empty fields that come back empty by themselves.

    >>> value_writer(ContactPoint)(ContactPoint("email", "ann@example.org"))
    '{"is_invalid":false,"is_primary":false,"kind":"email","value":"ann@example.org"}'
    """
    comes_back = {each.name for each in attrs.fields(cls) if each.default is None}
    members = [
        (f'"{info.name}":', attrgetter(info.name), _writer(info.shape), info.name in comes_back)
        for info in sorted(fields(cls), key=lambda info: info.name)
    ]

    def write(value: Any) -> str:
        written = [
            key + text(held)
            for key, get, text, is_left_out in members
            if (held := get(value)) is not None or not is_left_out
        ]
        return "{" + ",".join(written) + "}"

    return write


def value_reader(cls: type[Any]) -> Read:
    """Return the function that makes a value of what JSON text of `value_writer` holds; what is not there has its default.

    The value was checked when it was written, so it is made without its constructor.

    >>> value_reader(ContactPoint)({"kind": "email", "value": "ann@example.org"})
    ContactPoint(kind='email', value=<personal>, label=None, address=None, is_primary=False, is_invalid=False, \
invalid_at=None, invalid_reason=None)
    """
    members = [
        (info.name, getattr(cls, info.name).__set__, _reader(info.shape), default_maker(cls, info.name))
        for info in fields(cls)
    ]

    def read(plain: Mapping[str, Any]) -> Any:
        made = object.__new__(cls)
        for name, put, code, default in members:
            if name not in plain:
                put(made, default())
            else:
                held = plain[name]
                put(made, held if code is None or held is None else code(held))
        return made

    return read


def default_maker(cls: type[Any], name: str) -> Callable[[], Any]:
    """Return the function that makes the default of a field; it makes None where there is none."""
    default: Any = getattr(attrs.fields(cls), name).default
    if default is attrs.NOTHING:
        return lambda: None
    return default.factory if hasattr(default, "factory") else lambda: default


def _reader(shape: Shape) -> Read | None:
    """How a field of a value that is not empty is read; None where it is what JSON holds."""
    made: Any = frozenset if shape.is_set else tuple
    codes: dict[Kind, Read] = {
        "number": float,
        "decimal": Decimal,
        "instant": datetime.fromisoformat,
        "day": date.fromisoformat,
        "money": lambda plain: Money(**plain),
        "texts": made,
        "mapping": FrozenDict,
    }
    if shape.item is None or shape.kind not in ("value", "values"):
        return codes.get(shape.kind)
    read = value_reader(shape.item)
    return read if shape.kind == "value" else lambda plain: tuple(map(read, plain))


def _writer(shape: Shape) -> Write:
    """How a field of a value is written; one that is empty and may be so is null."""
    own = value_writer(shape.item) if shape.kind == "value" and shape.item else _OF_KIND.get(shape.kind, _as_plain)
    return (lambda held: "null" if held is None else own(held)) if shape.optional else own


def _as_plain(held: Any) -> str:
    return to_json(to_plain(held))


def _flag(held: bool) -> str:  # noqa: FBT001 - it is what is written
    return "true" if held else "false"


def _object(held: Mapping[str, Any]) -> str:
    return "{" + ",".join([f"{encode_basestring(key)}:{to_json(held[key])}" for key in sorted(held)]) + "}"


def _array(held: Sequence[Any]) -> str:
    return "[" + ",".join(map(to_json, held)) + "]"


_OF_KIND: Mapping[Kind, Write] = {
    "text": encode_basestring,
    "choice": encode_basestring,
    "flag": _flag,
    "instant": lambda held: f'"{instant_to_text(held)}"',
}
_encode = json.JSONEncoder(ensure_ascii=False).encode
_WRITERS: Mapping[type[Any], Write] = {
    str: encode_basestring,
    type(None): lambda _: "null",
    bool: _flag,
    int: int.__repr__,
    dict: _object,
    FrozenDict: _object,
    list: _array,
}
