"""Rules as filters of the rows of an opened table, with the answers of `crmkit.rules.predicate`."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from functools import reduce
from operator import and_
from typing import Any

import narwhals as nw

from crmkit.errors import InvalidInput
from crmkit.frames.door import exact, moment
from crmkit.frames.schema import MONEY_DECIMALS, schema
from crmkit.model import RECORDS
from crmkit.model.money import Money, currency_column
from crmkit.model.records import Record
from crmkit.model.shape import Kind
from crmkit.rules import AllOf, AnyOf, Comparison, Not, Operator, Rule, predicate
from crmkit.rules.check import Question, Test, checked, fitted, question
from crmkit.rules.columns import Column, Columns
from crmkit.rules.pattern import Wildcard, tokens
from crmkit.rules.related import TOTAL
from crmkit.rules.relative import YearDays

Rows = nw.LazyFrame[Any]
_LARGEST = 2**63 - 1
_Answers = Mapping[Comparison, str]
"""The columns that have what comparisons ask of related records."""


def check_rule(where: Any) -> Rule:
    """Return the rule that an argument `where` gives; raise `InvalidInput` for what is none."""
    if not isinstance(where, Rule):
        raise InvalidInput(f"where={where!r} is no rule; give one such as field('source') == 'web' of crmkit.rules")
    return where


def filter_columns(where: Rule, cls: type[Record], classes: Iterable[type[Record]] = ()) -> list[str]:
    """Return the published columns that a rule reads; raise `InvalidInput` for a rule that does not fit the class, or a field
    that has no column. Related records may be those of `classes` too.
    """
    known = _known(where, cls, classes)
    return list(dict.fromkeys(name for each in where.comparisons() for name in _columns(known[each.path], cls)))


def related_columns(
    where: Rule, cls: type[Record], classes: Iterable[type[Record]] = ()
) -> dict[type[Record], list[str]]:
    """Return the published columns that a rule reads of related records, by their classes."""
    found: dict[type[Record], dict[str, None]] = {}
    for asked in _questions(where, _known(where, cls, classes)):
        relation = asked.relation
        rules = () if asked.comparison.where is None else asked.comparison.where.comparisons()
        read = (name for each in rules for name in _columns(asked.known[each.path], relation.cls))
        known = () if asked.comparison.until is None else (relation.happened_at,)
        found.setdefault(relation.cls, {}).update(dict.fromkeys((relation.link, *_read(asked), *known, *read)))
    return {linking: list(names) for linking, names in found.items()}


def as_expression(where: Rule, cls: type[Record]) -> nw.Expr:
    """Return a rule about records themselves as an expression on the rows of an opened table: true where it holds, never null."""
    return _if_known(_expression(where, _known(where, cls), {}))


def filtered(rows: Rows, where: Rule, cls: type[Record], related: Mapping[type[Record], Rows]) -> Rows:
    """Return the rows of an opened table for which a rule holds; `related` are the opened tables of related records."""
    if next(where.comparisons(), None) is None:  # engines filter by columns only
        return rows if predicate(where, cls)(None) else rows.head(0)
    known = _known(where, cls, related)
    own, rest = _apart(where, known)
    if own is not None:  # first, because it costs least and leaves fewer rows to be joined
        rows = rows.filter(_expression(own, known, {}))
    joined, answers = _answered(rows, rest, known, related)
    kept = joined.filter(_expression(rest, known, answers))
    return kept.drop(*answers.values()) if answers else kept


def _apart(where: Rule, known: Columns) -> tuple[Rule | None, Rule]:
    """What a rule asks of records themselves, where that can be asked before what it asks of related records."""
    parts = where.parts if isinstance(where, AllOf) else (where,)
    asking = [part for part in parts if _asks(_questions(part, known))]
    own = [part for part in parts if part not in asking and _asks(part.comparisons())]
    if not (asking and own):
        return None, where
    return AllOf(tuple(own)), AllOf(tuple(part for part in parts if part not in own))


def _asks(questions: Iterator[object]) -> bool:
    return next(questions, None) is not None


def marked(rows: Rows, rules: Mapping[str, Rule], cls: type[Record], related: Mapping[type[Record], Rows]) -> Rows:
    """Return the rows of an opened table with a column for each rule: 1 where it holds, and 0 where it does not."""
    every = AllOf(tuple(rules.values()))
    known = _known(every, cls, related)
    joined, answers = _answered(rows, every, known, related)
    holds = {name: _if_known(_expression(rule, known, answers)) for name, rule in rules.items()}
    found = joined.with_columns(
        **{name: nw.when(each).then(nw.lit(1)).otherwise(nw.lit(0)) for name, each in holds.items()}
    )
    return found.drop(*answers.values()) if answers else found


def _answered(
    rows: Rows, where: Rule, known: Columns, related: Mapping[type[Record], Rows]
) -> tuple[Rows, dict[Comparison, str]]:
    """The rows with what a rule asks of related records beside them, and the columns that have it."""
    answers: dict[Comparison, str] = {}
    asking: dict[str, list[Question]] = {}
    for asked in _questions(where, known):
        if asked.comparison not in answers:
            answers[asked.comparison] = f"related_{len(answers)}"
            asking.setdefault(asked.relation.name, []).append(asked)
    for several in asking.values():
        answer = _answer(several, related[several[0].relation.cls], answers)
        rows = rows.join(answer, left_on="id", right_on="related_key", how="left")
    return rows, answers


def _known(where: Rule, cls: type[Record], classes: Iterable[type[Record]] = ()) -> Columns:
    return checked(where, cls, (), [*RECORDS, *classes])


def _questions(where: Rule, known: Columns) -> Iterator[Question]:
    """What a rule asks of related records."""
    return filter(None, (question(each, known) for each in where.comparisons()))


def _columns(column: Column, cls: type[Record]) -> tuple[str, ...]:
    """The published columns that hold what is compared."""
    if column.relation is not None:
        return ("id",)
    published = schema(cls)
    if column.path not in published:
        raise InvalidInput(f"{column.where} has no column in a table; a table is filtered by {', '.join(published)}")
    return (column.path, currency_column(column.path)) if column.shape.kind == "money" else (column.path,)


def _read(asked: Question) -> tuple[str, ...]:
    """The columns that have what is asked of related records, what is summed or compared first."""
    if asked.part == "total":
        return (TOTAL, currency_column(TOTAL))
    if asked.part in {"first_at", "last_at"}:
        return (asked.relation.happened_at,)
    return (asked.relation.link,) if asked.part in asked.relation.questions else ("category",)


def _answer(several: Sequence[Question], rows: Rows, names: _Answers) -> Rows:
    """What the related records of each record answer to several questions, beside the record's id as `related_key`."""
    link = nw.col(several[0].relation.link)
    counting = [dict(_conditions(asked)) for asked in several]
    shared = {says: test for says, test in counting[0].items() if all(says in each for each in counting)}
    values, parts = dict[str, nw.Expr](), list[nw.Expr]()
    for asked, tests in zip(several, counting, strict=True):
        name = names[asked.comparison]
        own = [test for says, test in tests.items() if says not in shared]
        values[name] = _value(asked, reduce(and_, own) if own else None, exact(rows))
        parts.append(_AGGREGATES.get(asked.part, nw.Expr.sum)(nw.col(name)))
    counted = rows.filter(reduce(and_, shared.values(), ~link.is_null())).select(related_key=link, **values)
    return counted.group_by("related_key").agg(*parts)


_AGGREGATES: Mapping[str, Callable[[nw.Expr], nw.Expr]] = {"first_at": nw.Expr.min, "last_at": nw.Expr.max}
"""How the answers of related records become one; the others are added up."""


def _value(asked: Question, counts: nw.Expr | None, money: Any) -> nw.Expr:
    """What one related record adds to an answer: nothing where it does not count."""
    if asked.part in _AGGREGATES:
        at = nw.col(asked.relation.happened_at)
        return at if counts is None else nw.when(counts).then(at)
    value = nw.col(TOTAL).cast(money) if asked.part == "total" else nw.lit(1)
    return value if counts is None else nw.when(counts).then(value).otherwise(nw.lit(0))


def _conditions(asked: Question) -> Iterator[tuple[tuple[str, Any], nw.Expr]]:
    """Which related records count, by what says so: what says the same is the same condition."""
    happened_at, comparison = nw.col(asked.relation.happened_at), asked.comparison
    if comparison.until is not None:
        had_happened = happened_at.is_null() | (happened_at <= moment(comparison.until))
        yield ("until", comparison.until), had_happened
    if comparison.where is not None:
        yield ("where", comparison.where), _expression(comparison.where, asked.known, {})
    if isinstance(comparison.operand, Money):
        currency = comparison.operand.currency
        yield ("currency", currency), nw.col(currency_column(TOTAL)) == currency
    if asked.part not in asked.relation.questions:
        yield ("category", asked.part), nw.col("category") == asked.part


def _expression(rule: Rule, known: Columns, answers: _Answers) -> nw.Expr:
    if isinstance(rule, Comparison):
        return _comparison(rule, known, answers)
    if isinstance(rule, Not):
        return ~_if_known(_expression(rule.part, known, answers))
    assert isinstance(rule, AllOf | AnyOf)
    parts = [_expression(part, known, answers) for part in rule.parts]
    is_all = isinstance(rule, AllOf)
    if not parts:
        return nw.lit(value=is_all)
    return nw.all_horizontal(*parts, ignore_nulls=False) if is_all else nw.any_horizontal(*parts, ignore_nulls=False)


def _comparison(comparison: Comparison, known: Columns, answers: _Answers) -> nw.Expr:
    column, tests = fitted(comparison, known)
    if column.relation is not None:
        return _of_answer(column, nw.col(answers[comparison]), tests)
    held = nw.col(column.path)
    if column.shape.kind == "number":
        held = nw.when(~held.cast(nw.Float64).is_nan()).then(held)
    if comparison.operator == "empty" and column.shape.kind == "texts":
        return held.is_null() | (held.list.len() == 0)
    return reduce(and_, (_test(column.shape.kind, held, test, currency_column(column.path)) for test in tests))


def _of_answer(column: Column, answer: nw.Expr, tests: Iterable[Test]) -> nw.Expr:
    """What is asked of the answer of related records; where none counts there is no row of it."""
    if column.part == "any":
        ((_, is_wanted),) = tests
        tests = (("above", 0),) if is_wanted else (("at_most", 0),)
    value = answer if column.shape.kind == "instant" else nw.when(answer.is_null()).then(nw.lit(0)).otherwise(answer)
    plain = ((asked, operand.amount if isinstance(operand, Money) else operand) for asked, operand in tests)
    return reduce(and_, (_TESTS[asked](value, operand) for asked, operand in plain))


def _test(kind: Kind, held: nw.Expr, test: Test, currency: str) -> nw.Expr:
    asked, operand = test
    if kind != "money" or asked == "empty":
        return _TESTS[asked](held, operand)
    if asked == "in":
        same = (_test(kind, held, ("is", each), currency) for each in operand)
        return reduce(lambda one, other: one | other, same, held.is_in([]))
    is_comparable: nw.Expr = nw.col(currency) == operand.currency
    return is_comparable & _TESTS[asked](held, operand.amount)


def _if_known(test: nw.Expr) -> nw.Expr:
    """A test that is false where its answer is not known; other than for a filter that matters where it is negated."""
    return test.fill_null(value=False)


def _plain(value: Any) -> Any:
    """A value as an opened table holds it."""
    return moment(value) if isinstance(value, datetime) else value


def _units(value: Decimal, rounded: Callable[[Fraction], int]) -> int:
    """A decimal in the units of an opened table, in which there is nothing between two of them."""
    return max(-_LARGEST, min(_LARGEST, rounded(Fraction(value) * 10**MONEY_DECIMALS)))


def _below(held: nw.Expr, value: Any) -> nw.Expr:
    return held < (_units(value, math.ceil) if isinstance(value, Decimal) else _plain(value))


def _at_most(held: nw.Expr, value: Any) -> nw.Expr:
    return held <= (_units(value, math.floor) if isinstance(value, Decimal) else _plain(value))


def _is(held: nw.Expr, value: Any) -> nw.Expr:
    same: nw.Expr = (
        held == _plain(value) if not isinstance(value, Decimal) else _at_most(held, value) & ~_below(held, value)
    )
    return same


def _in(held: nw.Expr, values: tuple[Any, ...]) -> nw.Expr:
    if values and isinstance(values[0], Decimal):
        return reduce(lambda one, other: one | other, (_is(held, value) for value in values))
    return held.is_in([_plain(value) for value in values])


def _in_year_days(day: nw.Expr, parts: YearDays) -> nw.Expr:
    of_year = day.dt.month().cast(nw.Int64) * 100 + day.dt.day().cast(nw.Int64)
    tests = ((of_year >= low) & (of_year <= high) & (day < new_year) for low, high, new_year in parts)
    return reduce(lambda one, other: one | other, tests)


def _like(held: nw.Expr, pattern: str) -> nw.Expr:
    """A pattern as a regular expression of the engine, in which every character that could be special stands for itself."""
    words = {Wildcard.ANY_TEXT: ".*", Wildcard.ANY_CHARACTER: "."}
    letters = (words[each] if isinstance(each, Wildcard) else _itself(each) for each in tokens(pattern))
    fits: nw.Expr = held.str.contains(f"(?s)^{''.join(letters)}\\z")
    return fits


def _itself(letter: str) -> str:
    return f"\\{letter}" if letter in r"\.+*?()|[]{}^$" else letter


_TESTS: Mapping[Operator, Callable[[nw.Expr, Any], nw.Expr]] = {
    "is": _is,
    "below": _below,
    "at_most": _at_most,
    "above": lambda held, value: ~_at_most(held, value),
    "at_least": lambda held, value: ~_below(held, value),
    "in": _in,
    "contains": lambda held, text: held.str.contains(text, literal=True),
    "starts_with": lambda held, text: held.str.starts_with(text),
    "ends_with": lambda held, text: held.str.ends_with(text),
    "like": _like,
    "has": lambda held, text: held.list.contains(text),
    "anniversary": _in_year_days,
    "empty": lambda held, _: held.is_null(),
}
"""What each operator asks of a column; of an empty one the answer is null, but for "empty"."""
