"""Whether a rule fits a class of records: its fields are known, and they can be compared as the rule does."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import attrs

from crmkit.errors import InvalidInput, InvalidRecord
from crmkit.model import RECORDS
from crmkit.model.custom_field import CustomField
from crmkit.model.records import Record
from crmkit.model.shape import Kind, Shape
from crmkit.rules.columns import Column, Columns, columns, is_related
from crmkit.rules.operands import Operator
from crmkit.rules.related import Part, Relation
from crmkit.rules.relative import Days, Relative

if TYPE_CHECKING:
    from crmkit.rules.tree import Comparison, Rule

_EQUAL: tuple[Operator, ...] = ("is", "in", "empty")
_ORDERED: tuple[Operator, ...] = (*_EQUAL, "below", "at_most", "above", "at_least")
_PARTS_OF_TEXT: tuple[Operator, ...] = ("contains", "starts_with", "ends_with", "like")
OPERATORS: Mapping[Kind, tuple[Operator, ...]] = {
    "text": (*_ORDERED, *_PARTS_OF_TEXT),
    "choice": (*_EQUAL, *_PARTS_OF_TEXT),
    **dict.fromkeys(("integer", "number", "decimal", "instant", "money"), _ORDERED),
    "day": (*_ORDERED, "anniversary"),
    "flag": _EQUAL,
    "texts": ("has", "empty"),
    **dict.fromkeys(("value", "values", "mapping"), ("empty",)),
}
"""What may be asked of a field of each kind."""

_OF_PARTS: Mapping[str, tuple[Operator, ...]] = {
    "any": ("is",),
    "total": ("is", "below", "at_most", "above", "at_least"),
}
"""What may be asked of the answers of related records, where that is less: those are never empty, and a total is in the currency
of the one amount that it is compared with."""

_BY_VALUE = frozenset(_ORDERED) - {"empty"}
_ANY_MOMENT = datetime(2000, 1, 1, tzinfo=UTC)
_LONGEST_YEAR = 366

Test = tuple[Operator, Any]
"""An operator and its operand in the form of a column's values."""


@attrs.frozen
class Question:
    """What a comparison asks of related records: which part of what it asks, of which, and the tests of the answer.

    `known` are the columns that the rule about the related records was checked with.
    """

    comparison: "Comparison"
    part: Part
    relation: Relation
    shape: Shape
    tests: tuple[Test, ...]
    known: Columns


def check(
    rule: "Rule",
    cls: type[Record],
    declared: Iterable[CustomField] = (),
    classes: Iterable[type[Record]] = RECORDS,
) -> tuple[str, ...]:
    """Return a sentence for everything that keeps a rule from being asked about records of a class; see `Rule.check`."""
    return _unique(_problems(rule.at(_ANY_MOMENT), columns(cls, declared, classes)))


def checked(
    rule: "Rule",
    cls: type[Record],
    declared: Iterable[CustomField] = (),
    classes: Iterable[type[Record]] = RECORDS,
) -> Columns:
    """Return the columns of a class; raise `InvalidInput` with all that is wrong where a rule does not fit them."""
    known = columns(cls, declared, classes)
    if problems := _unique(_problems(rule, known)):
        raise InvalidInput("; ".join(problems))
    return known


def fitted(comparison: "Comparison", known: Columns) -> tuple[Column, tuple[Test, ...]]:
    """Return the column of a comparison, and what is asked of its values: all of these tests.

    Their operands have the form of the values: a float for a number, and for an anniversary parts of years. Raises `InvalidInput` or
    `InvalidRecord` where comparison and column do not fit each other.
    """
    column = known[comparison.path]
    accepted = _OF_PARTS.get(column.part, OPERATORS[column.shape.kind])
    if comparison.operator not in accepted:
        raise InvalidInput(
            f"{column.where}: a field of the kind {column.shape.kind!r} cannot be asked {comparison.operator!r}; "
            f"ask one of {', '.join(map(repr, accepted))}"
        )
    if comparison.where is not None and column.relation is None:
        raise InvalidInput(f"{column.where} is no question about related records; ask for some with 'orders.count'")
    if isinstance(comparison.operand, Days | Relative):
        return column, _in_days(column, comparison.operator, comparison.operand)
    return column, ((comparison.operator, _operand(comparison, column)),)


def question(comparison: "Comparison", known: Columns) -> Question | None:
    """Return what a comparison asks of related records; None where it asks of the record itself."""
    column, tests = fitted(comparison, known)
    if column.relation is None:
        return None
    inner = known.of_related(column.relation)
    return Question(comparison, column.part, column.relation, column.shape, tests, inner)


def related_classes(rule: "Rule", cls: type[Record], classes: Iterable[type[Record]]) -> tuple[type[Record], ...]:
    """Return those of some classes of whose records a rule about records of a class asks; raise `InvalidInput` for another."""
    known = columns(cls, (), classes)
    asked = (known[each.path].relation for each in rule.comparisons() if is_related(each.path))
    return tuple(dict.fromkeys(relation.cls for relation in asked if relation is not None))


def _operand(comparison: "Comparison", column: Column) -> Any:
    operand: Any = comparison.operand
    if comparison.operator not in _BY_VALUE:  # then the rule itself has seen to the operand
        return operand
    accept = column.accept()
    return tuple(map(accept, operand)) if comparison.operator == "in" else accept(operand)


def _in_days(column: Column, asked: Operator, days: Days | Relative) -> tuple[Test, ...]:
    if column.shape.kind not in ("instant", "day"):
        raise InvalidInput(f"{column.where}: a field of the kind {column.shape.kind!r} cannot be compared with days")
    if isinstance(days, Relative):
        raise InvalidInput(
            f"{column.where} is compared with days that depend on the moment; give as_of=, and tz= for its days"
        )
    if asked == "anniversary":
        if (days.end - days.start).days > _LONGEST_YEAR:
            raise InvalidInput(f"{column.where}: ask for anniversaries in a year or less")
        return (("anniversary", days.year_days),)
    first, after = (days.start, days.end) if column.shape.kind == "day" else days.instants
    tests: Mapping[Operator, tuple[Test, ...]] = {
        "is": (("at_least", first), ("below", after)),
        "below": (("below", first),),
        "at_most": (("below", after),),
        "above": (("at_least", after),),
        "at_least": (("at_least", first),),
    }
    return tests[asked]


def _unique(problems: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(problems))


def _problems(rule: "Rule", known: Columns) -> Iterator[str]:
    for comparison in rule.comparisons():
        try:
            column, _ = fitted(comparison, known)
        except (InvalidInput, InvalidRecord) as error:
            yield str(error)
        else:
            if comparison.where is not None and column.relation is not None:
                yield from _problems(comparison.where, known.of_related(column.relation))
