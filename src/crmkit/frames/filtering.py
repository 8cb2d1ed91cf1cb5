"""Rules as expressions on the columns of an opened table, with the answers of `crmkit.rules.predicate`."""

from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

import narwhals as nw

from crmkit.errors import InvalidInput
from crmkit.frames.door import moment
from crmkit.frames.schema import MONEY_DECIMALS, schema
from crmkit.model.money import Money, currency_column
from crmkit.model.records import Record
from crmkit.rules import AllOf, AnyOf, Comparison, Not, Operator, Rule
from crmkit.rules.check import checked, fitted
from crmkit.rules.columns import Column, Columns


def filter_columns(where: Rule, cls: type[Record]) -> list[str]:
    """Return the published columns that a rule reads; raise `InvalidInput` for a rule that does not fit the class, or a field
    that has no column.
    """
    known = checked(where, cls)
    published = schema(cls)
    found: dict[str, None] = {}
    for comparison in where.comparisons():
        column = known[comparison.path]
        if column.path not in published:
            raise InvalidInput(
                f"{column.where} has no column in a table; a table is filtered by {', '.join(published)}"
            )
        found[column.path] = None
        if column.shape.kind == "money":
            found[currency_column(column.path)] = None
    return list(found)


def as_expression(where: Rule, cls: type[Record]) -> nw.Expr:
    """Return a rule as an expression on the rows of an opened table: true where it holds, and never null."""
    return _expression(where, checked(where, cls))


def _expression(rule: Rule, known: Columns) -> nw.Expr:
    if isinstance(rule, Comparison):
        return _comparison(*fitted(rule, known), rule.operator)
    if isinstance(rule, Not):
        return ~_expression(rule.part, known)
    assert isinstance(rule, AllOf | AnyOf)
    parts = [_expression(part, known) for part in rule.parts]
    is_all = isinstance(rule, AllOf)
    if not parts:
        return nw.lit(value=is_all)
    return nw.all_horizontal(*parts, ignore_nulls=False) if is_all else nw.any_horizontal(*parts, ignore_nulls=False)


def _comparison(column: Column, operand: Any, asked: Operator) -> nw.Expr:
    held = nw.col(column.path)
    if asked == "empty":
        return held.is_null() if column.shape.kind != "texts" else held.is_null() | (held.list.len() == 0)
    test = _TESTS[asked](held, operand) if not isinstance(operand, Money) else _money(column, operand, asked)
    return nw.when(test.is_null()).then(nw.lit(value=False)).otherwise(test)


def _money(column: Column, operand: Money, asked: Operator) -> nw.Expr:
    same = nw.col(currency_column(column.path)) == operand.currency
    return same & _TESTS[asked](nw.col(column.path), operand.amount)


def _plain(value: Any) -> Any:
    """A value as an opened table holds it."""
    if isinstance(value, datetime):
        return moment(value)
    return int(value.scaleb(MONEY_DECIMALS)) if isinstance(value, Decimal) else value


_TESTS: Mapping[Operator, Callable[[nw.Expr, Any], nw.Expr]] = {
    "is": lambda held, value: held == _plain(value),
    "below": lambda held, value: held < _plain(value),
    "at_most": lambda held, value: held <= _plain(value),
    "above": lambda held, value: held > _plain(value),
    "at_least": lambda held, value: held >= _plain(value),
    "in": lambda held, values: held.is_in([_plain(value) for value in values]),
    "contains": lambda held, text: held.str.contains(text, literal=True),
    "starts_with": lambda held, text: held.str.starts_with(text),
    "ends_with": lambda held, text: held.str.ends_with(text),
    "has": lambda held, text: held.list.contains(text),
}
"""What each operator asks of a column that is not empty."""
