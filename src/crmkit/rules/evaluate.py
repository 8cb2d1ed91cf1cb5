"""A rule asked of a record."""

import operator
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime
from operator import attrgetter
from typing import Any

from crmkit.errors import InvalidInput
from crmkit.model import RECORDS
from crmkit.model.custom_field import CustomField
from crmkit.model.money import Money
from crmkit.model.records import Record
from crmkit.rules.check import Question, checked, fitted, question
from crmkit.rules.columns import Columns
from crmkit.rules.operands import Operator
from crmkit.rules.pattern import matcher
from crmkit.rules.related import TOTAL
from crmkit.rules.relative import YearDays
from crmkit.rules.tree import EVERYTHING, AllOf, AnyOf, Comparison, Not, Rule

Predicate = Callable[[Any], bool]
Related = Mapping[type[Record], Iterable[Record]]
"""The records of some classes, which link to those that a rule is asked of."""


def predicate(
    rule: Rule,
    cls: type[Record],
    declared: Iterable[CustomField] = (),
    *,
    as_of: date | datetime | None = None,
    tz: str = "UTC",
    related: Related | None = None,
) -> Predicate:
    """Return the function that tells whether a rule holds for a record of a class, or of one that extends it.

    What `custom` holds otherwise than declared is empty.

    Args:
        rule: what is asked.
        cls: the class of the records.
        declared: the fields declared at run time that the rule may name.
        as_of: the moment from which relative time counts, and after which no related record has happened; a date is its end in `tz`.
            It may be left out where the rule has no relative time, and then all related records count.
        tz: the time zone whose days are counted.
        related: records by their classes, such as `{Order: orders}`, of which those count that link to the record. They are
            read once.

    Raises:
        InvalidInput: for a rule that does not fit the class, with every reason; for relative time without `as_of`; and for
            related records that are not given.

    >>> from crmkit.rules import field
    >>> is_thai = predicate(field("country") == "TH", Customer)
    >>> is_thai(Customer(kind="person", name="Ann", country="TH")), is_thai(Customer(kind="person", name="Bob"))
    (True, False)
    >>> orders = [Order(customer_id="ann", at=datetime(2025, 5, day, tzinfo=UTC)) for day in (1, 20)]
    >>> has_bought = predicate(field("orders.count") >= 2, Customer, as_of=date(2025, 5, 31), related={Order: orders})
    >>> has_bought(Customer(id="ann", kind="person", name="Ann"))
    True
    """
    given = {} if related is None else {linking: list(records) for linking, records in related.items()}
    asked = rule if as_of is None else rule.at(as_of, tz)
    return _predicate(asked, checked(asked, cls, declared, [*RECORDS, *given]), given)


def _predicate(rule: Rule, known: Columns, related: Mapping[type[Record], Sequence[Record]]) -> Predicate:
    if isinstance(rule, Comparison):
        return _comparison(rule, known, related)
    if isinstance(rule, Not):
        inner = _predicate(rule.part, known, related)
        return lambda record: not inner(record)
    assert isinstance(rule, AllOf | AnyOf)
    tests = [_predicate(part, known, related) for part in rule.parts]
    if isinstance(rule, AllOf):
        return lambda record: all(test(record) for test in tests)
    return lambda record: any(test(record) for test in tests)


def _comparison(comparison: Comparison, known: Columns, related: Mapping[type[Record], Sequence[Record]]) -> Predicate:
    column, asked = fitted(comparison, known)
    of_related = question(comparison, known)
    get = column.get if of_related is None else _answer(of_related, column.where, related)
    if comparison.operator == "empty":
        return lambda record: get(record) is None
    tests = [_TESTS[each](operand) for each, operand in asked]

    def holds(record: Any) -> bool:
        value = get(record)
        return value is not None and all(test(value) for test in tests)

    return holds if len(tests) > 1 else _holds(get, tests[0])


def _holds(get: Callable[[Any], Any], test: Predicate) -> Predicate:
    def holds(record: Any) -> bool:
        value = get(record)
        return value is not None and test(value)

    return holds


def _answer(asked: Question, where: str, related: Mapping[type[Record], Sequence[Record]]) -> Callable[[Any], Any]:
    """The function from a record to what its related records answer."""
    relation = asked.relation
    if relation.cls not in related:
        raise InvalidInput(f"{where} is asked of other records; give them as related={{{relation.cls.__name__}: ...}}")
    linked = defaultdict[str, list[Record]](list)
    for each in filter(_counting(asked), related[relation.cls]):
        linked[getattr(each, relation.link)].append(each)
    answer = _of_part(asked)
    return lambda record: answer(linked.get(record.id, ()))


def _counting(asked: Question) -> Predicate:
    """Whether a related record counts: it links to some record, the rule holds for it, and it had happened."""
    relation, where, until = asked.relation, asked.comparison.where, asked.comparison.until
    link, happened_at = attrgetter(relation.link), attrgetter(relation.happened_at)
    holds = _predicate(EVERYTHING if where is None else where, asked.known, {})

    def counts(record: Any) -> bool:
        if not isinstance(record, relation.cls):
            raise InvalidInput(f"a {type(record).__name__} stands among the related records of {relation.cls.__name__}")
        at = happened_at(record)
        return link(record) is not None and (until is None or at is None or at <= until) and holds(record)

    return counts


def _of_part(asked: Question) -> Callable[[Sequence[Any]], Any]:
    """The function from related records to what is asked of them; a total is in the currency that it is compared with."""
    instants, amount = attrgetter(asked.relation.happened_at), attrgetter(TOTAL)
    operand: Any = asked.comparison.operand

    def total(records: Sequence[Any]) -> Money:
        held = (amount(each) for each in records)
        units = (each.minor_units for each in held if each is not None and each.currency == operand.currency)
        return Money.from_minor_units(sum(units), operand.currency)

    parts: Mapping[str, Callable[[Sequence[Any]], Any]] = {
        "any": bool,
        "count": len,
        "first_at": lambda records: min(filter(None, map(instants, records)), default=None),
        "last_at": lambda records: max(filter(None, map(instants, records)), default=None),
        "total": total,
    }
    return parts.get(asked.part, lambda records: sum(each.category == asked.part for each in records))


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


def _in_year_days(parts: YearDays) -> Predicate:
    def holds(value: date) -> bool:
        day = value.month * 100 + value.day
        return any(low <= day <= high and value < new_year for low, high, new_year in parts)

    return holds


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
    "anniversary": _in_year_days,
}
"""What each operator asks of a value that is not empty."""
