"""Cursors: where a reader has come to, as opaque text that is safe in a URL.

A cursor is read by nobody but the store that made it; anything else is refused with `InvalidInput`. It holds the values that the
last record was sorted by, which may be personal, so it belongs to whoever may see the record.
"""

import json
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from hashlib import blake2b
from typing import Any

from crmkit.codec import instant_to_text
from crmkit.errors import InvalidInput
from crmkit.io.stores.port import SortBy
from crmkit.model.money import Money
from crmkit.model.records import Record
from crmkit.model.shape import Kind, Shape, converter

_ALPHABET = re.compile("[A-Za-z0-9_-]*")
_LARGEST = 2**63


def encode_cursor(
    cls: type[Record], sort: Iterable[SortBy], shapes: Iterable[Shape], values: Iterable[Any], record_id: str
) -> str:
    """Return the cursor after a record: the values that it was sorted by, of these shapes, and its id.

    >>> by_name = ([SortBy("name")], [Shape("text")])
    >>> cursor = encode_cursor(Customer, *by_name, ["Ann"], "c1")
    >>> decode_cursor(cursor, Customer, *by_name)
    (('Ann',), 'c1')
    """
    coded = [_coded(shape.kind, value) for shape, value in zip(shapes, values, strict=True)]
    return _encode([_query(cls, sort), *coded, record_id])


def decode_cursor(
    text: str, cls: type[Record], sort: Sequence[SortBy], shapes: Sequence[Shape]
) -> tuple[tuple[Any, ...], str]:
    """Return the sort values and the id of a cursor; raise `InvalidInput` for one of another query."""
    query, *coded = _decode(text)
    if query != _query(cls, sort) or len(coded) != len(shapes) + 1:
        raise InvalidInput("the cursor belongs to another query; give the next of a page with the same class and sort")
    values = tuple(_value(shape, each) for shape, each in zip(shapes, coded, strict=False))
    return values, _value(Shape("text"), coded[-1])


def encode_position(store: str, *numbers: int) -> str:
    """Return the cursor of a place in the feed of a store.

    >>> decode_position(encode_position("club", 7), "club", 1)
    (7,)
    """
    return _encode([_fingerprint("feed", store), *numbers])


def decode_position(text: str, store: str, n: int) -> tuple[int, ...]:
    """Return the numbers, `n` of them, of a place in the feed of a store; raise `InvalidInput` for one of another store."""
    feed, *numbers = _decode(text)
    if feed != _fingerprint("feed", store) or len(numbers) != n or not all(map(_is_place, numbers)):
        raise InvalidInput("the cursor belongs to another feed; give one that this store has returned, or none")
    return tuple(numbers)


def _is_place(number: object) -> bool:
    return type(number) is int and 0 <= number < _LARGEST


def _query(cls: type[Record], sort: Iterable[SortBy]) -> str:
    return _fingerprint("query", cls.__name__, *(f"{each.path} {each.is_descending}" for each in sort))


def _fingerprint(*words: str) -> str:
    return blake2b("\n".join(words).encode(), digest_size=6).hexdigest()


def _encode(parts: list[Any]) -> str:
    plain = json.dumps(parts, ensure_ascii=False, separators=(",", ":"))
    return urlsafe_b64encode(plain.encode()).rstrip(b"=").decode()


def _decode(text: str) -> list[Any]:
    try:
        parts = json.loads(_bytes(text))
        # What was made by us is made again by us; a change of a bit at the end is not.
        if isinstance(parts, list) and parts and _encode(parts) == text:
            return parts
    except (ValueError, RecursionError):
        pass
    raise InvalidInput("this is no cursor; give one that this store has returned, or None for the beginning")


def _bytes(text: object) -> bytes:
    if not isinstance(text, str) or not _ALPHABET.fullmatch(text):
        raise ValueError
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _coded(kind: Kind, value: Any) -> Any:
    """The value as JSON holds it."""
    code = _CODES.get(kind)
    return value if value is None or code is None else code(value)


def _value(shape: Shape, coded: Any) -> Any:
    if coded is None:
        return None
    try:
        return converter(shape, "cursor", personal=True)(_PARSERS.get(shape.kind, _as_it_is)(coded))
    except (ValueError, TypeError, ArithmeticError):
        raise InvalidInput("the cursor does not fit the fields that are sorted by; begin again without one") from None


def _as_it_is(value: Any) -> Any:
    return value


_CODES: Mapping[Kind, Callable[[Any], Any]] = {
    "instant": instant_to_text,
    "day": date.isoformat,
    "decimal": lambda number: format(number, "f"),
    "money": lambda money: [money.minor_units, money.currency],
}
_PARSERS: Mapping[Kind, Callable[[Any], Any]] = {
    "instant": datetime.fromisoformat,
    "day": date.fromisoformat,
    "decimal": Decimal,
    "money": lambda pair: Money.from_minor_units(*pair),
}
