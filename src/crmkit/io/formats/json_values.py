"""The objects of JSON formats: numbers kept exactly, nothing accepted that JSON does not know."""

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from crmkit.io.formats.files import number, plain
from crmkit.io.formats.row import Row

ACCEPTED = "an object with each name once, finite numbers and at most a few hundred levels"


def decode(text: str) -> Any:
    """Return what a JSON text says, with numbers that have decimals as Decimal; raise ValueError for what is no JSON.

    >>> decode('{"amount": 10.50}')
    {'amount': Decimal('10.50')}
    """
    try:
        return json.loads(text, parse_float=Decimal, parse_constant=_refuse, object_pairs_hook=_object)
    except (RecursionError, ArithmeticError):
        raise ValueError from None


def row(line: int, value: Any) -> Row:
    """Return an object as a row; what is none comes as a fault."""
    if isinstance(value, dict):
        return Row(line, value)
    return Row(line, {}, f"is no object; give {ACCEPTED}")


def encode(values: Mapping[str, Any]) -> str:
    """Return an object as a line of JSON, its names in the order given."""
    return json.dumps(values, ensure_ascii=False, allow_nan=False)


def cell(value: Any) -> Any:
    """Return a cell as JSON holds it; raise TypeError for what it cannot."""
    if isinstance(value, list | tuple):
        return [cell(each) for each in value]
    if isinstance(value, Mapping):
        return {str(name): cell(each) for name, each in value.items()}
    made = plain(value)
    return number(value) if isinstance(value, Decimal) else made


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        raise ValueError
    return values


def _refuse(_: str) -> None:
    raise ValueError
