"""A rule as a tree: comparisons of fields with values, joined by and, or, not.

A rule says yes or no about a record, never "unknown": a comparison with an empty field is false, so its negation is true.
"""

from collections.abc import Iterable, Iterator
from typing import Any, NoReturn

import attrs

from crmkit.errors import InvalidInput
from crmkit.model.custom_field import CustomField
from crmkit.model.records import Record
from crmkit.rules.check import check
from crmkit.rules.columns import check_path
from crmkit.rules.operands import Operand, Operator, check_operator, in_one_form, several

MOST_COMPARISONS = 500
MOST_LEVELS = 50
"""Bounds of one rule, so that a saved rule from a stranger costs bounded time and memory."""


@attrs.frozen
class Rule:
    """The base of all rules. Join them with `&`, `|` and `~`."""

    def __and__(self, other: "Rule") -> "Rule":
        """Return the rule that both hold."""
        return AllOf((*_parts(self, AllOf), *_parts(other, AllOf)))

    def __or__(self, other: "Rule") -> "Rule":
        """Return the rule that at least one holds."""
        return AnyOf((*_parts(self, AnyOf), *_parts(other, AnyOf)))

    def __invert__(self) -> "Rule":
        """Return the rule that this one does not hold."""
        return self.part if isinstance(self, Not) else Not(self)

    def comparisons(self) -> Iterator["Comparison"]:
        """Go through the comparisons in this rule, from left to right."""
        if isinstance(self, Comparison):
            yield self
        for part in children(self):
            yield from part.comparisons()

    def check(self, cls: type[Record], declared: Iterable[CustomField] = ()) -> tuple[str, ...]:
        """Return a sentence for everything that keeps this rule from being asked about records of a class; none if it fits.

        Fields must be known, those in `custom` by their declarations; what is asked and the values must fit the kind of the field.

        >>> from crmkit.rules import field
        >>> (field("is_active") == "yes").check(Product)
        ("Product.is_active: 'yes' is not accepted; give True or False",)
        """
        return check(self, cls, declared)

    def __bool__(self) -> NoReturn:
        """Refuse `and`, `or`, `not` and `a < b < c`, which Python would decide before any record is seen."""
        raise TypeError("a rule is no yes or no by itself; join rules with &, | and ~, each in parentheses")


def _with_types(operand: Any) -> Any:
    """The operand as equality compares it: 1, 1.0 and True are equal to Python, but not the same for a rule."""
    return tuple(map(_with_types, operand)) if isinstance(operand, tuple) else (type(operand), operand)


@attrs.frozen
class Comparison(Rule):
    """One field compared with a value; `operand` is a tuple for "in" and None for "empty".

    Raises `InvalidInput` for a path, an operator or an operand that no record could be compared with.
    """

    path: str = attrs.field(validator=lambda _, __, path: check_path(path))
    operator: Operator = attrs.field(validator=lambda _, __, operator: check_operator(operator))
    # The value may be somebody's name or address, so only its type is shown.
    operand: Operand | tuple[Operand, ...] | None = attrs.field(
        default=None, eq=_with_types, repr=lambda held: type(held).__name__
    )

    def __attrs_post_init__(self) -> None:
        """Bring the operand to its one form."""
        object.__setattr__(self, "operand", in_one_form(self.path, self.operator, self.operand))


def _rules(parts: Iterable[Rule]) -> tuple[Rule, ...]:
    return tuple(map(_rule, parts))


def _rule(part: object) -> Rule:
    if not isinstance(part, Rule):
        raise TypeError(f"a rule cannot be joined with {type(part).__name__}; compare the field in parentheses first")
    return part


@attrs.frozen
class AllOf(Rule):
    """Every part holds; of no parts that is true."""

    parts: tuple[Rule, ...] = attrs.field(converter=_rules)

    def __attrs_post_init__(self) -> None:
        """Refuse a tree that is too large."""
        _check_bounds(self)


@attrs.frozen
class AnyOf(Rule):
    """At least one part holds; of no parts that is false."""

    parts: tuple[Rule, ...] = attrs.field(converter=_rules)

    def __attrs_post_init__(self) -> None:
        """Refuse a tree that is too large."""
        _check_bounds(self)


@attrs.frozen
class Not(Rule):
    """The part does not hold."""

    part: Rule

    def __attrs_post_init__(self) -> None:
        """Refuse a tree that is too large."""
        _check_bounds(self)


@attrs.frozen(eq=False)
class Field:
    """A field of a record, to be compared. `field` makes one."""

    path: str

    def __eq__(self, value: object) -> Rule:  # type: ignore[override]
        """The field is this value; for None, it is empty."""
        return self.is_empty() if value is None else self._compared("is", value)

    def __ne__(self, value: object) -> Rule:  # type: ignore[override]
        """The field is not this value, which is also true where it is empty; for None, it is not empty."""
        return ~(self == value)

    __hash__ = None  # type: ignore[assignment]  # equality makes a rule, so a field cannot be a key

    def __lt__(self, value: Operand) -> Rule:
        """The field is less than this value, or earlier."""
        return self._compared("below", value)

    def __le__(self, value: Operand) -> Rule:
        """The field is at most this value, or at the latest then."""
        return self._compared("at_most", value)

    def __gt__(self, value: Operand) -> Rule:
        """The field is more than this value, or later."""
        return self._compared("above", value)

    def __ge__(self, value: Operand) -> Rule:
        """The field is at least this value, or at the earliest then."""
        return self._compared("at_least", value)

    def between(self, low: Operand, high: Operand) -> Rule:
        """The field is at least `low` and at most `high`."""
        return (self >= low) & (self <= high)

    def is_in(self, values: Iterable[Operand]) -> Rule:
        """The field is one of these values; of no values that is false."""
        return Comparison(self.path, "in", several(self.path, values))

    def contains(self, text: str) -> Rule:
        """The text of the field contains this one; upper and lower case differ."""
        return self._compared("contains", text)

    def starts_with(self, text: str) -> Rule:
        """The text of the field starts with this one; upper and lower case differ."""
        return self._compared("starts_with", text)

    def ends_with(self, text: str) -> Rule:
        """The text of the field ends with this one; upper and lower case differ."""
        return self._compared("ends_with", text)

    def like(self, pattern: str) -> Rule:
        r"""The whole text fits a pattern, in which `%` is any text and `_` any one character; `\%`, `\_` and `\\` are themselves."""
        return self._compared("like", pattern)

    def has(self, text: str) -> Rule:
        """The field, a set or list of texts such as `tags`, has this one."""
        return self._compared("has", text)

    def is_empty(self) -> Rule:
        """The field has no value, or a collection no items."""
        return Comparison(self.path, "empty")

    def _compared(self, operator: Operator, value: Any) -> Rule:
        return Comparison(self.path, operator, value)


def field(path: str) -> Field:
    """Return a field to compare: the name of one, or "custom." and the name of one that is declared at run time.

    The currency of a money field is a field too: "currency" beside "amount", "price_currency" beside "price".
    Raises `InvalidInput` for what cannot be a name.

    >>> from crmkit.rules import field
    >>> rule = (field("country") == "TH") & ~field("tags").has("staff")
    >>> rule.parts[1]
    Not(part=Comparison(path='tags', operator='has', operand=str))
    """
    check_path(path)
    return Field(path)


def children(rule: Rule) -> tuple[Rule, ...]:
    """Return the rules directly inside a rule."""
    if isinstance(rule, AllOf | AnyOf):
        return rule.parts
    return (rule.part,) if isinstance(rule, Not) else ()


def _parts(rule: object, kind: type[AllOf | AnyOf]) -> tuple[Rule, ...]:
    return rule.parts if isinstance(rule, AllOf | AnyOf) and isinstance(rule, kind) else (_rule(rule),)


def _check_bounds(rule: Rule) -> None:
    levels, level, leaves = 0, [rule], 0
    while level:
        levels += 1
        leaves += sum(not children(each) for each in level)
        if levels > MOST_LEVELS or leaves > MOST_COMPARISONS:
            raise too_large()
        level = [part for each in level for part in children(each)]


def too_large() -> InvalidInput:
    """Return the error of a rule that is larger than any may be."""
    return InvalidInput(f"the rule is too large; give at most {MOST_COMPARISONS} comparisons in {MOST_LEVELS} levels")


EVERYTHING = AllOf(())
"""The rule that holds for every record."""
