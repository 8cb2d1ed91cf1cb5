"""Whether a rule fits a class of records: its fields are known, and they can be compared as the rule does."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from crmkit.errors import InvalidInput, InvalidRecord
from crmkit.model.custom_field import CustomField
from crmkit.model.records import Record
from crmkit.model.shape import Kind
from crmkit.rules.columns import Column, Columns, columns
from crmkit.rules.operands import Operator

if TYPE_CHECKING:
    from crmkit.rules.tree import Comparison, Rule

_EQUAL: tuple[Operator, ...] = ("is", "in", "empty")
_ORDERED: tuple[Operator, ...] = (*_EQUAL, "below", "at_most", "above", "at_least")
_PARTS_OF_TEXT: tuple[Operator, ...] = ("contains", "starts_with", "ends_with", "like")
OPERATORS: Mapping[Kind, tuple[Operator, ...]] = {
    "text": (*_ORDERED, *_PARTS_OF_TEXT),
    "choice": (*_EQUAL, *_PARTS_OF_TEXT),
    **dict.fromkeys(("integer", "number", "decimal", "instant", "day", "money"), _ORDERED),
    "flag": _EQUAL,
    "texts": ("has", "empty"),
    **dict.fromkeys(("value", "values", "mapping"), ("empty",)),
}
"""What may be asked of a field of each kind."""

_BY_VALUE = frozenset(_ORDERED) - {"empty"}


def check(rule: "Rule", cls: type[Record], declared: Iterable[CustomField] = ()) -> tuple[str, ...]:
    """Return a sentence for everything that keeps a rule from being asked about records of a class; see `Rule.check`."""
    return _problems(rule, columns(cls, declared))


def checked(rule: "Rule", cls: type[Record], declared: Iterable[CustomField] = ()) -> Columns:
    """Return the columns of a class; raise `InvalidInput` with all that is wrong where a rule does not fit them."""
    known = columns(cls, declared)
    if problems := _problems(rule, known):
        raise InvalidInput("; ".join(problems))
    return known


def fitted(comparison: "Comparison", known: Columns) -> tuple[Column, Any]:
    """Return the column of a comparison, and its operand in the form of the column's values: a float for a number.

    Raises `InvalidInput` or `InvalidRecord` where they do not fit each other.
    """
    column = known[comparison.path]
    accepted = OPERATORS[column.shape.kind]
    if comparison.operator not in accepted:
        raise InvalidInput(
            f"{column.where}: a field of the kind {column.shape.kind!r} cannot be asked {comparison.operator!r}; "
            f"ask one of {', '.join(map(repr, accepted))}"
        )
    return column, _operand(comparison, column)


def _operand(comparison: "Comparison", column: Column) -> Any:
    operand: Any = comparison.operand
    if comparison.operator not in _BY_VALUE:  # then the rule itself has seen to the operand
        return operand
    accept = column.accept()
    return tuple(map(accept, operand)) if comparison.operator == "in" else accept(operand)


def _problems(rule: "Rule", known: Columns) -> tuple[str, ...]:
    problems = (_problem(comparison, known) for comparison in rule.comparisons())
    return tuple(dict.fromkeys(filter(None, problems)))


def _problem(comparison: "Comparison", known: Columns) -> str | None:
    try:
        fitted(comparison, known)
    except (InvalidInput, InvalidRecord) as error:
        return str(error)
    return None
