"""A rule as a tree: comparisons of fields with values, joined by and, or, not.

A rule says yes or no about a record, never "unknown": a comparison with an empty field is false, so its negation is true.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import date, datetime
from functools import reduce
from operator import and_, or_
from typing import Any, NoReturn

import attrs

from crmkit.errors import InvalidInput
from crmkit.model import RECORDS
from crmkit.model.custom_field import CustomField
from crmkit.model.records import Record
from crmkit.model.shape import Shape, converter
from crmkit.rules.check import check
from crmkit.rules.columns import check_path, is_related
from crmkit.rules.operands import Operand, Operator, check_operator, in_one_form, several
from crmkit.rules.related import HAPPENED_AT
from crmkit.rules.relative import Days, Relative, moment_of

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
        """Go through the comparisons in this rule, from left to right; those of related records stand inside of theirs."""
        if isinstance(self, Comparison):
            yield self
        for part in children(self):
            yield from part.comparisons()

    def at(self, as_of: date | datetime, tz: str = "UTC") -> "Rule":
        """Return this rule as it is to be asked at a moment, where days are those of a time zone: without relative time.

        Related records that happened later do not count; those of which nobody knows when, do. What was said for one moment stays so
        when it is said for another. A date is its last microsecond. Raises `InvalidInput` for what is no moment and no zone.

        >>> from crmkit.rules import days_ago, field
        >>> rule = field("joined_on") < days_ago(90)
        >>> rule.at(date(2025, 5, 31)) == (field("joined_on") < Days(date(2025, 3, 2), date(2025, 3, 3)))
        True
        """
        return _at(self, *moment_of(as_of, tz), tz)

    def check(
        self,
        cls: type[Record],
        declared: Iterable[CustomField] = (),
        classes: Iterable[type[Record]] = RECORDS,
    ) -> tuple[str, ...]:
        """Return a sentence for everything that keeps this rule from being asked about records of a class; none if it fits.

        Fields must be known, those in `custom` by their declarations; what is asked and the values must fit the kind of the field.
        Related records are those of `classes`.

        >>> from crmkit.rules import field
        >>> (field("is_active") == "yes").check(Product)
        ("Product.is_active: 'yes' is not accepted; give True or False",)
        """
        return check(self, cls, declared, classes)

    def sentence(self, cls: type[Record] | None = None, phrases: Mapping[str, str] | None = None) -> str:
        """Return this rule as a sentence for people, with its values; fields have their titles where their class is known.

        `phrases` are those of another language, under the keys of `crmkit.rules.ENGLISH`; what it leaves out is English.

        >>> from crmkit.rules import days_ago, field
        >>> rule = (field("birth_on").is_empty()) | ~field("tags").has("staff") & (field("orders.last_at") < days_ago(90))
        >>> rule.sentence(Customer)
        "date of birth is empty or (tags does not have 'staff' and the last time of orders is before 90 days ago)"
        """
        from crmkit.rules.sentence import ENGLISH, sentence  # noqa: PLC0415 - it speaks of the classes that are made here

        return sentence(self, cls, ENGLISH if phrases is None else phrases)

    def __str__(self) -> str:
        """Return the sentence; unlike `repr` it has the values, which may be personal."""
        return self.sentence()

    def __bool__(self) -> NoReturn:
        """Refuse `and`, `or`, `not` and `a < b < c`, which Python would decide before any record is seen."""
        raise TypeError("a rule is no yes or no by itself; join rules with &, | and ~, each in parentheses")


def _related_rule(comparison: "Comparison", _: object, where: Any) -> None:
    if where is not None and not (isinstance(where, Rule) and is_related(comparison.path)):
        raise InvalidInput(
            f"{comparison.path} is no question about related records such as 'orders.count', so no rule says which"
        )
    if isinstance(where, Rule) and any(is_related(each.path) for each in where.comparisons()):
        raise InvalidInput(f"a rule about the records behind {comparison.path} can ask for their own fields only")


def _only_of_related(comparison: "Comparison", _: object, until: datetime | None) -> None:
    if until is not None and not is_related(comparison.path):
        raise InvalidInput(
            f"{comparison.path} is no question about related records, so nothing says until when they count"
        )


def _to_instant(until: object) -> Any:
    return converter(Shape("instant", optional=True), "until", personal=False)(until)


def _with_types(operand: Any) -> Any:
    """The operand as equality compares it: 1, 1.0 and True are equal to Python, but not the same for a rule."""
    return tuple(map(_with_types, operand)) if isinstance(operand, tuple) else (type(operand), operand)


@attrs.frozen
class Comparison(Rule):
    """One field compared with a value; `operand` is a tuple for "in" and None for "empty".

    Of related records only those count for which the rule `where` holds, and that did not happen after `until`; None is for all.
    Raises `InvalidInput` for a path, an operator or an operand that no record could be compared with.
    """

    path: str = attrs.field(validator=lambda _, __, path: check_path(path))
    operator: Operator = attrs.field(validator=lambda _, __, operator: check_operator(operator))
    # The value may be somebody's name or address, so only its type is shown.
    operand: Operand | tuple[Operand, ...] | None = attrs.field(
        default=None, eq=_with_types, repr=lambda held: type(held).__name__
    )
    where: Rule | None = attrs.field(default=None, validator=_related_rule, repr=False)
    until: datetime | None = attrs.field(default=None, converter=_to_instant, validator=_only_of_related, repr=False)

    def __attrs_post_init__(self) -> None:
        """Bring the operand to its one form, and refuse a tree that is too large."""
        object.__setattr__(self, "operand", in_one_form(self.path, self.operator, self.operand))
        if self.where is not None:
            _check_bounds(self)


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
    _where: Rule | None = None

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
        return self._compared("in", several(self.path, values))

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

    def has_any(self, texts: Iterable[str]) -> Rule:
        """The field, such as `tags`, has at least one of these; of no texts that is false."""
        return reduce(or_, map(self.has, several(self.path, texts)), AnyOf(()))

    def has_all(self, texts: Iterable[str]) -> Rule:
        """The field, such as `tags`, has every one of these; of no texts that is true."""
        return reduce(and_, map(self.has, several(self.path, texts)), AllOf(()))

    def has_anniversary(self, days: Days | Relative) -> Rule:
        """One of these days has the month and day of the field, in a later year; 29 February has its day on 28 in common years."""
        return self._compared("anniversary", days)

    def is_empty(self) -> Rule:
        """The field has no value, or a collection no items."""
        return self._compared("empty", None)

    def where(self, rule: Rule) -> "Field":
        """Return what this asks of related records, such as "orders.count", of those alone for which a rule about them holds.

        In that rule "happened_at" is when they happened, whatever their field is called.

        >>> from crmkit.rules import field
        >>> buys_online = field("orders.count").where(field("channel") == "web") >= 3
        """
        return Field(self.path, _rule(rule) if self._where is None else self._where & rule)

    def any(self, *, within: Days | Relative | None = None, **fields: Operand | None) -> Rule:
        """There is at least one related record whose fields are these values, and that happened within some days.

        >>> from crmkit.rules import field, last_days
        >>> came = field("interactions").any(channel="visit", within=last_days(30))
        """
        rules = [Field(path) == value for path, value in fields.items()]
        if within is not None:
            rules.append(Field(HAPPENED_AT) == within)
        found = Field(f"{self.path}.any", self._where)
        return (found.where(AllOf(tuple(rules))) if rules else found) == True  # noqa: E712 - a field makes a rule of it

    def _compared(self, operator: Operator, value: Any) -> Rule:
        return Comparison(self.path, operator, value, self._where)


def field(path: str) -> Field:
    """Return a field to compare: the name of one, or "custom." and the name of one that is declared at run time.

    The currency of a money field is a field too: "currency" beside "amount", "price_currency" beside "price". So is what is asked of
    related records, such as "orders.count", "orders.total", "orders.last_at" and "tickets.open".
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


def _at(rule: Rule, today: date, instant: datetime, tz: str) -> Rule:
    if isinstance(rule, AllOf | AnyOf):
        return type(rule)(tuple(_at(part, today, instant, tz) for part in rule.parts))
    if isinstance(rule, Not):
        return Not(_at(rule.part, today, instant, tz))
    assert isinstance(rule, Comparison)
    if isinstance(rule.operand, Relative):
        rule = attrs.evolve(rule, operand=rule.operand.days(today, tz))
    if is_related(rule.path):
        where = None if rule.where is None else _at(rule.where, today, instant, tz)
        rule = attrs.evolve(rule, where=where, until=rule.until or instant)
    return rule


def _inside(rule: Rule) -> tuple[Rule, ...]:
    """The rules directly inside a rule, also that about related records."""
    if isinstance(rule, Comparison):
        return () if rule.where is None else (rule.where,)
    return children(rule)


def _check_bounds(rule: Rule) -> None:
    levels, level, leaves = 0, [rule], 0
    while level:
        levels += 1
        leaves += sum(isinstance(each, Comparison) or not children(each) for each in level)
        if levels > MOST_LEVELS or leaves > MOST_COMPARISONS:
            raise too_large()
        level = [part for each in level for part in _inside(each)]


def too_large() -> InvalidInput:
    """Return the error of a rule that is larger than any may be."""
    return InvalidInput(f"the rule is too large; give at most {MOST_COMPARISONS} comparisons in {MOST_LEVELS} levels")


EVERYTHING = AllOf(())
"""The rule that holds for every record."""
