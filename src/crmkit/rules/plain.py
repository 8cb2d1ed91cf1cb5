"""Rules as plain data and as JSON, so that a saved rule is data and never code."""

import json
from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from itertools import count
from typing import Any

from crmkit.errors import InvalidInput
from crmkit.model.money import Money
from crmkit.rules.operands import MOST_VALUES
from crmkit.rules.tree import MOST_COMPARISONS, MOST_LEVELS, AllOf, AnyOf, Comparison, Not, Rule, too_large

VERSION = 1
"""The version of the form that rules are written in."""

LONGEST_JSON = 2_000_000
"""How many characters a rule may have as JSON."""


def rule_to_plain(rule: Rule) -> dict[str, Any]:
    """Return a rule as dicts, lists, text, numbers, True and False, with the version of this form.

    Instants, days, decimals and money say what they are; other values stand as they are.

    >>> from crmkit.rules import field
    >>> rule_to_plain(field("joined_on") < date(2025, 1, 31))
    {'version': 1, 'rule': {'field': 'joined_on', 'operator': 'below', 'value': {'day': '2025-01-31'}}}
    """
    return {"version": VERSION, "rule": _plain(rule)}


def rule_from_plain(data: object) -> Rule:
    """Return the rule that `rule_to_plain` made `data` of, in any version until now.

    Raises `InvalidInput`, which names the place, for anything else. Whether the rule fits a class of records `Rule.check` tells.

    >>> rule_from_plain({"version": 1, "rule": {"field": "tags", "operator": "had", "value": "vip"}})
    Traceback (most recent call last):
    crmkit.errors.InvalidInput: rule: 'had' is no operator; there are 'is', 'below', 'at_most', 'above', 'at_least', 'in', \
'contains', 'starts_with', 'ends_with', 'like', 'has', 'empty'; did you mean 'has'?
    """
    if not isinstance(data, dict) or data.keys() != {"version", "rule"}:
        raise InvalidInput("this is no saved rule; give {'version': 1, 'rule': ...}")
    if type(data["version"]) is not int or data["version"] != VERSION:
        raise InvalidInput(f"this version of a saved rule is not known; give {VERSION}, or upgrade crmkit")
    return _rule(data["rule"], "rule", 1, count(1))


def to_json(rule: Rule) -> str:
    """Return a rule as JSON text; raise `InvalidInput` where that would be longer than `from_json` reads.

    >>> from crmkit.rules import field
    >>> to_json(field("tags").has("vip"))
    '{"version": 1, "rule": {"field": "tags", "operator": "has", "value": "vip"}}'
    """
    text = json.dumps(rule_to_plain(rule), ensure_ascii=False, allow_nan=False)
    if len(text) > LONGEST_JSON:
        raise _too_long()
    return text


def from_json(text: str) -> Rule:
    """Return the rule that `to_json` made this text of; raise `InvalidInput` for any other.

    >>> from crmkit.rules import field
    >>> from_json(to_json(field("tags").has("vip"))) == field("tags").has("vip")
    True
    """
    if not isinstance(text, str):
        raise InvalidInput(f"{type(text).__name__} is no JSON text; give what to_json returned")
    if len(text) > LONGEST_JSON:
        raise _too_long()
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):  # the text may hold personal values, so it is not shown
        raise InvalidInput("this text is no JSON; give what to_json returned") from None
    return rule_from_plain(data)


def _too_long() -> InvalidInput:
    return InvalidInput(f"a saved rule has at most {LONGEST_JSON:,} characters; give fewer values")


def _plain(rule: Rule) -> dict[str, Any]:
    if isinstance(rule, Not):
        return {"not": _plain(rule.part)}
    if isinstance(rule, Comparison):
        asked = {"field": rule.path, "operator": rule.operator}
        return asked if rule.operand is None else {**asked, "value": _plain_operand(rule.operand)}
    assert isinstance(rule, AllOf | AnyOf)
    return {"all" if isinstance(rule, AllOf) else "any": [_plain(part) for part in rule.parts]}


def _plain_operand(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_plain_operand(each) for each in value]
    if isinstance(value, Money):
        return {"money": {"amount": str(value.amount), "currency": value.currency}}
    if isinstance(value, Decimal):
        return {"decimal": str(value)}
    if isinstance(value, date):
        return {"instant" if isinstance(value, datetime) else "day": value.isoformat()}
    return value


_JOINED: Mapping[str, type[AllOf | AnyOf]] = {"all": AllOf, "any": AnyOf}


def _rule(plain: Any, where: str, level: int, nodes: Iterator[int]) -> Rule:
    # Counted on the way down, because data that refers to itself would never come to an end.
    if level > MOST_LEVELS or next(nodes) > MOST_COMPARISONS * MOST_LEVELS:
        raise too_large()
    keys = plain.keys() if isinstance(plain, dict) else ()
    if keys == {"not"}:
        return Not(_rule(plain["not"], f"{where}.not", level + 1, nodes))
    for key, joined in _JOINED.items():
        if keys == {key} and isinstance(plain[key], list):
            parts = enumerate(plain[key])
            return joined([_rule(part, f"{where}.{key}[{at}]", level + 1, nodes) for at, part in parts])
    if keys in ({"field", "operator"}, {"field", "operator", "value"}):
        return _comparison(plain, where)
    raise InvalidInput(
        f"{where}: this is no rule; give {{'all': [...]}}, {{'any': [...]}}, {{'not': ...}} or "
        "{'field': ..., 'operator': ..., 'value': ...}"
    )


def _comparison(plain: dict[str, Any], where: str) -> Comparison:
    try:
        return Comparison(plain["field"], plain["operator"], _operand(plain.get("value")))
    except InvalidInput as error:
        raise InvalidInput(f"{where}: {error}") from None


def _operand(plain: Any) -> Any:
    return tuple(map(_value, plain[: MOST_VALUES + 1])) if isinstance(plain, list) else _value(plain)


def _value(plain: Any) -> Any:
    if not isinstance(plain, dict):
        return plain
    kind = next(iter(plain), None)
    if len(plain) != 1 or kind not in _READ:
        raise InvalidInput(
            f"a value that is not text, a number, True or False has one key of {', '.join(map(repr, _READ))}"
        )
    try:
        return _READ[kind](plain[kind])
    except (TypeError, ValueError, InvalidOperation):  # what is there may be personal, so it is not shown
        raise InvalidInput(f"this {kind} cannot be read; give it as rule_to_plain writes it") from None


def _decimal(plain: Any) -> Decimal:
    if not isinstance(plain, str):
        raise TypeError
    return Decimal(plain)


def _money(plain: Any) -> Money:
    if not isinstance(plain, dict) or plain.keys() != {"amount", "currency"}:
        raise TypeError
    return Money(_decimal(plain["amount"]), plain["currency"])


_READ: Mapping[Any, Callable[[Any], Any]] = {
    "instant": datetime.fromisoformat,
    "day": date.fromisoformat,
    "decimal": _decimal,
    "money": _money,
}
"""How the values are read that say what they are."""
