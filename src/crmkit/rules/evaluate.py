"""A rule asked of a record."""

import operator
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from crmkit.model.custom_field import CustomField
from crmkit.model.money import Money
from crmkit.model.records import Record
from crmkit.rules.check import checked, fitted
from crmkit.rules.columns import Columns
from crmkit.rules.operands import Operator
from crmkit.rules.pattern import matcher
from crmkit.rules.tree import AllOf, AnyOf, Comparison, Not, Rule

Predicate = Callable[[Any], bool]


def predicate(rule: Rule, cls: type[Record], declared: Iterable[CustomField] = ()) -> Predicate:
    """Return the function that tells whether a rule holds for a record of a class, or of one that extends it.

    `declared` are the fields declared at run time that the rule may name. What `custom` holds otherwise than declared is
    empty. Raises `InvalidInput` for a rule that does not fit the class, with every reason.

    >>> from crmkit.rules import field
    >>> is_thai = predicate(field("country") == "TH", Customer)
    >>> is_thai(Customer(kind="person", name="Ann", country="TH")), is_thai(Customer(kind="person", name="Bob"))
    (True, False)
    """
    return _predicate(rule, checked(rule, cls, declared))


def _predicate(rule: Rule, known: Columns) -> Predicate:
    if isinstance(rule, Comparison):
        return _comparison(rule, known)
    if isinstance(rule, Not):
        inner = _predicate(rule.part, known)
        return lambda record: not inner(record)
    assert isinstance(rule, AllOf | AnyOf)
    tests = [_predicate(part, known) for part in rule.parts]
    if isinstance(rule, AllOf):
        return lambda record: all(test(record) for test in tests)
    return lambda record: any(test(record) for test in tests)


def _comparison(comparison: Comparison, known: Columns) -> Predicate:
    column, operand = fitted(comparison, known)
    get = column.get
    if comparison.operator == "empty":
        return lambda record: get(record) is None
    test = _TESTS[comparison.operator](operand)

    def holds(record: Any) -> bool:
        value = get(record)
        return value is not None and test(value)

    return holds


def _ordered(compare: Callable[[Any, Any], bool]) -> Callable[[Any], Predicate]:
    def test_for(operand: Any) -> Predicate:
        if isinstance(operand, Money):
            # Amounts of two currencies are in no order, so neither is less.
            return lambda value: value.currency == operand.currency and compare(value.amount, operand.amount)
        return lambda value: compare(value, operand)

    return test_for


def _one_of(operands: tuple[Any, ...]) -> Predicate:
    return frozenset(operands).__contains__


def _has(operand: str) -> Predicate:
    return lambda value: operand in value


def _starts(operand: str) -> Predicate:
    return lambda value: value.startswith(operand)


def _ends(operand: str) -> Predicate:
    return lambda value: value.endswith(operand)


_TESTS: Mapping[Operator, Callable[[Any], Predicate]] = {
    "is": lambda operand: lambda value: value == operand,
    "in": _one_of,
    "below": _ordered(operator.lt),
    "at_most": _ordered(operator.le),
    "above": _ordered(operator.gt),
    "at_least": _ordered(operator.ge),
    "contains": _has,
    "has": _has,
    "starts_with": _starts,
    "ends_with": _ends,
    "like": matcher,
}
"""What each operator asks of a value that is not empty."""
