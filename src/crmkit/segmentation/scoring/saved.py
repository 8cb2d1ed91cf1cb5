"""Scores as JSON text, so that a host keeps them where it keeps its data."""

import json
import math
import types
import typing
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import attrs

from crmkit.errors import InvalidInput
from crmkit.rules import Rule, rule_from_plain, rule_to_plain

VERSION = 1
"""The version of the form that scores are written in."""

LONGEST_JSON = 5_000_000
"""How many characters a score may have as JSON."""

_T = TypeVar("_T")


def to_text(score: Any) -> str:
    """Return a score as JSON text; raise `InvalidInput` where that would be longer than `from_text` reads."""
    plain = attrs.asdict(
        score, value_serializer=lambda _, __, each: rule_to_plain(each) if isinstance(each, Rule) else each
    )
    text = json.dumps({"version": VERSION, type(score).__name__: plain}, ensure_ascii=False, allow_nan=False)
    if len(text) > LONGEST_JSON:
        raise _too_long()
    return text


def from_text(cls: type[_T], text: object) -> _T:
    """Return the score of a class that `to_text` made this text of; raise `InvalidInput`, which names the place, for any other."""
    kind = cls.__name__
    if not isinstance(text, str):
        raise InvalidInput(f"{type(text).__name__} is no JSON text; give what {kind}.to_json returned")
    if len(text) > LONGEST_JSON:
        raise _too_long()
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):  # the text may hold personal values, so it is not shown
        raise InvalidInput(f"this text is no JSON; give what {kind}.to_json returned") from None
    if not isinstance(data, dict) or data.keys() != {"version", kind}:
        raise InvalidInput(f"this is no saved {kind}; give what {kind}.to_json returned")
    if type(data["version"]) is not int or data["version"] != VERSION:
        raise InvalidInput(f"this version of a saved {kind} is not known; give {VERSION}, or upgrade crmkit")
    made: _T = _made(cls, data[kind], kind)
    return made


def _too_long() -> InvalidInput:
    return InvalidInput(f"a saved score has at most {LONGEST_JSON:,} characters; give fewer values")


def _made(hint: Any, plain: Any, where: str) -> Any:
    """The value of a type that plain data stands for."""
    if hint is Rule:
        return rule_from_plain(plain)
    if isinstance(hint, type) and attrs.has(hint):
        return _instance(hint, plain, where)
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (types.UnionType, typing.Union):
        return None if plain is None else _made(arguments[0], plain, where)
    if origin is tuple:
        return _items(arguments, plain, where)
    if origin is Mapping:
        if not isinstance(plain, dict):
            raise _refused(where)
        return {key: _made(arguments[1], value, f"{where}.{key}") for key, value in plain.items()}
    if not (plain in arguments if origin is typing.Literal else _PLAIN[hint](plain)):
        raise _refused(where)
    return float(plain) if hint is float else plain


def _instance(cls: type[Any], plain: Any, where: str) -> Any:
    hints = typing.get_type_hints(cls)
    names = [each.name for each in attrs.fields(cls)]
    if not isinstance(plain, dict) or set(plain) != set(names):
        raise _refused(where)
    return cls(**{name: _made(hints[name], plain[name], f"{where}.{name}") for name in names})


def _items(arguments: tuple[Any, ...], plain: Any, where: str) -> tuple[Any, ...]:
    if not isinstance(plain, list) or (arguments[-1] is not Ellipsis and len(plain) != len(arguments)):
        raise _refused(where)
    hints = [arguments[0]] * len(plain) if arguments[-1] is Ellipsis else arguments
    return tuple(_made(hint, each, f"{where}[{at}]") for at, (hint, each) in enumerate(zip(hints, plain, strict=True)))


def _refused(where: str) -> InvalidInput:
    return InvalidInput(f"{where}: what is there does not fit; give it as to_json writes it")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < math.inf


_PLAIN: Mapping[Any, Callable[[Any], bool]] = {
    str: lambda value: isinstance(value, str),
    bool: lambda value: isinstance(value, bool),
    int: lambda value: isinstance(value, int) and not isinstance(value, bool),
    float: _is_number,
}
