"""Rules as plain data and as JSON, so that a saved rule is data and never code."""

import json
from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from itertools import count
from typing import Any

from crmkit.errors import InvalidInput, InvalidRecord
from crmkit.model.money import Money
from crmkit.rules.operands import MOST_VALUES
from crmkit.rules.relative import Days, Relative
from crmkit.rules.tree import MOST_COMPARISONS, MOST_LEVELS, AllOf, AnyOf, Comparison, Not, Rule, too_large

VERSION = 1
"""The version of the form that rules are written in."""

LONGEST_JSON = 2_000_000
"""How many characters a rule may have as JSON."""


def rule_to_plain(rule: Rule) -> dict[str, Any]:
    """Return a rule as dicts, lists, text, numbers, True and False, with the version of this form.

    Instants, days, decimals, money and relative time say what they are; other values stand as they are.

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
'contains', 'starts_with', 'ends_with', 'like', 'has', 'anniversary', 'empty'; did you mean 'has'?
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
        return _plain_comparison(rule)
    assert isinstance(rule, AllOf | AnyOf)
    return {"all" if isinstance(rule, AllOf) else "any": [_plain(part) for part in rule.parts]}


def _plain_comparison(rule: Comparison) -> dict[str, Any]:
    plain: dict[str, Any] = {"field": rule.path, "operator": rule.operator}
    if rule.operand is not None:
        plain["value"] = _plain_operand(rule.operand)
    if rule.where is not None:
        plain["where"] = _plain(rule.where)
    if rule.until is not None:
        plain["until"] = _plain_operand(rule.until)
    return plain


def _plain_operand(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_plain_operand(each) for each in value]
    return next((written(value) for kind, written in _WRITTEN if isinstance(value, kind)), value)


# In this order, because an instant is a day too.
_WRITTEN: tuple[tuple[type[Any], Callable[[Any], dict[str, Any]]], ...] = (
    (datetime, lambda at: {"instant": at.isoformat()}),
    (date, lambda day: {"day": day.isoformat()}),
    (Decimal, lambda number: {"decimal": str(number)}),
    (Money, lambda money: {"money": {"amount": str(money.amount), "currency": money.currency}}),
    (Days, lambda days: {"days": {"start": days.start.isoformat(), "end": days.end.isoformat(), "tz": days.tz}}),
    (Relative, lambda time: {"relative": {"every": time.every, "first": time.first, "last": time.last}}),
)
"""How the values are written that say what they are."""


_OF_COMPARISON = {"field", "operator", "value", "where", "until"}
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
    if {"field", "operator"} <= set(keys) <= _OF_COMPARISON:
        related = _rule(plain["where"], f"{where}.where", level + 1, nodes) if "where" in plain else None
        return _comparison(plain, where, related)
    raise InvalidInput(
        f"{where}: this is no rule; give {{'all': [...]}}, {{'any': [...]}}, {{'not': ...}} or "
        "{'field': ..., 'operator': ..., 'value': ...}"
    )


def _comparison(plain: dict[str, Any], where: str, related: Rule | None) -> Comparison:
    try:
        operand, until = _operand(plain.get("value")), _value(plain.get("until"))
        return Comparison(plain["field"], plain["operator"], operand, related, until)
    except (InvalidInput, InvalidRecord) as error:
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
    held = _with_keys(plain, {"amount", "currency"})
    return Money(_decimal(held["amount"]), held["currency"])


def _relative(plain: Any) -> Relative:
    return Relative(**_with_keys(plain, {"every", "first", "last"}))


def _days(plain: Any) -> Days:
    held = _with_keys(plain, {"start", "end", "tz"})
    return Days(date.fromisoformat(held["start"]), date.fromisoformat(held["end"]), held["tz"])


def _with_keys(plain: Any, keys: set[str]) -> dict[str, Any]:
    if not isinstance(plain, dict) or plain.keys() != keys:
        raise TypeError
    return plain


_READ: Mapping[Any, Callable[[Any], Any]] = {
    "instant": datetime.fromisoformat,
    "day": date.fromisoformat,
    "decimal": _decimal,
    "money": _money,
    "days": _days,
    "relative": _relative,
}
"""How the values are read that say what they are."""
