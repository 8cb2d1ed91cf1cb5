"""Saved segments: what they mean as rules, who is in them, and segments that are made of segments."""

from collections.abc import Iterable, Mapping
from functools import reduce
from operator import or_
from typing import Any

import attrs
import narwhals as nw

from crmkit.errors import InvalidInput, choices
from crmkit.frames.table import open_table
from crmkit.model.customer import Customer
from crmkit.model.records import Record
from crmkit.model.segment import Segment
from crmkit.rules import AllOf, AnyOf, Comparison, Not, Rule, field, from_json
from crmkit.rules.operands import MOST_VALUES
from crmkit.segmentation.given import as_given

SEGMENTS = "segments"
"""What rules ask of a customer for the segments that they are in."""

_NOBODY = AnyOf(())


def in_segment(name: str) -> Rule:
    """Return the rule that a customer is in a segment, which is named by its id or its name.

    It is joined with other rules, and saved in the rules of other segments, like any comparison. What the segment is then is
    asked when the rule is: `CRM.customers` and `members` look it up, `with_segments` does so for a rule that goes elsewhere.

    >>> from crmkit.rules import field
    >>> str(in_segment("regulars") & ~field("tags").has("staff"))
    "segments has 'regulars' and tags does not have 'staff'"
    """
    return field(SEGMENTS).has(name)


def with_segments(rule: Rule, segments: Iterable[Segment], cls: type[Record] = Customer) -> Rule:
    """Return a rule with the rules of the segments that it names in their place, which everything that takes a rule understands.

    Args:
        rule: what is asked of customers, with `in_segment` anywhere in it.
        segments: all segments that may be named, also those that the named ones are made of.
        cls: the record class that is asked: Customer, or a vertical's class that extends it.

    Raises:
        InvalidInput: for a segment that is not among these, with the nearest names; for one that is part of itself, with
            the way from it to itself; for one of another class of records; for a saved rule that cannot be read; and where
            the whole is larger than a rule may be.

    >>> from crmkit.rules import field, to_json
    >>> thai = Segment(id="thai", name="Thai", rule=to_json(field("country") == "TH"), removed_ids={"bob"})
    >>> str(with_segments(in_segment("thai"), [thai]))
    "country is 'TH' and id is none of 'bob'"
    """
    return _Lookup(cls, tuple(segments)).replaced(rule, ())


def names_segments(rule: Rule) -> bool:
    """Return whether a rule asks for segments, and so needs `with_segments` before a record or a store can answer it."""
    return any(each.path == SEGMENTS for each in rule.comparisons())


def named_segment(name: str, segments: Iterable[Segment]) -> Segment:
    """Return the segment with this id, or else with this name; raise `InvalidInput`, which lists the names, where there is none."""
    known = tuple(segments)
    found = {each.name: each for each in known} | {each.id: each for each in known}
    if name not in found:
        raise InvalidInput(f"there is no segment {name!r}; {choices(name, sorted(each.name for each in known))}")
    return found[name]


def members(
    customers: Any,
    segment: Segment | Rule | str,
    *,
    as_of: Any,
    segments: Iterable[Segment] = (),
    related: Mapping[type[Record], Any] | None = None,
    cls: type[Record] = Customer,
    tz: str = "UTC",
    columns: Mapping[str, str] | None = None,
) -> Any:
    """Return the customers who are in a segment, one row each.

    Args:
        customers: records, or a table of any engine, with `id` and the columns that the rule asks for.
        segment: the segment, its id or name among `segments`, or any rule, which may have `in_segment` in it.
        as_of: the moment from which relative time counts, and after which no related record has happened. A date means its
            whole day in `tz`. The customers themselves are those that the caller gives: to ask of the past, give those of then.
        segments: the segments that the segment, or the rule, may be made of.
        related: the data of the classes whose records the rule asks about, such as `{Order: orders}`.
        cls: the record class of the customers, where it is a vertical's that extends Customer.
        tz: the IANA name of the time zone in which days are counted.
        columns: published column names mapped to the names that the data has.

    Returns:
        The caller's kind of table (Polars for records) with `customer_id`, in its order. No row where nobody is in it. Somebody
        added by hand is in it if the data has them.

    Raises:
        InvalidInput: as `with_segments` does, and for a missing column, a naive timestamp, a wrong type, or a rule that does
            not fit.

    >>> thai = Segment(id="thai", name="Thai", rule='{"version": 1, "rule": {"field": "country", "operator": "is", "value": "TH"}}')
    >>> customers = [Customer(id=id, kind="person", name=id, country=country) for id, country in [("ann", "TH"), ("bob", "PL")]]
    >>> members(customers, thai, as_of=date(2025, 5, 1)).rows()
    [('ann',)]
    """
    known = tuple(segments)
    if isinstance(segment, Segment):
        known = (segment, *(each for each in known if each.id != segment.id))
    rule = segment if isinstance(segment, Rule) else in_segment(segment.id if isinstance(segment, Segment) else segment)
    asked = with_segments(rule, known, cls).at(as_of, tz)
    table = open_table(customers, cls, needs=("id",), columns=columns, tz=tz, where=asked, related=related)
    return as_given(table.rows.select(customer_id=nw.col("id")).sort("customer_id"), customers)


@attrs.frozen
class _Lookup:
    """The segments that rules about records of a class may name."""

    cls: type[Record]
    segments: tuple[Segment, ...]
    found: dict[str, Rule] = attrs.field(factory=dict, init=False)

    def replaced(self, rule: Rule, within: tuple[Segment, ...]) -> Rule:
        """The rule with those of segments in their place; `within` is the way from segment to segment that led here."""
        if isinstance(rule, AllOf | AnyOf):
            return type(rule)(tuple(self.replaced(part, within) for part in rule.parts))
        if isinstance(rule, Not):
            return Not(self.replaced(rule.part, within))
        assert isinstance(rule, Comparison)
        if rule.path != SEGMENTS:
            return rule
        if rule.operator != "has":
            raise InvalidInput(f"segments cannot be asked {rule.operator!r}; ask in_segment with the name of one")
        segment = self._named(str(rule.operand), within)
        if segment.id not in self.found:
            self.found[segment.id] = self._meant(segment, within)
        return self.found[segment.id]

    def _named(self, name: str, within: tuple[Segment, ...]) -> Segment:
        try:
            return named_segment(name, self.segments)
        except InvalidInput as error:
            asker = f"the segment {within[-1].name!r} is made of one that is not there: " if within else ""
            raise InvalidInput(f"{asker}{error}") from None

    def _meant(self, segment: Segment, within: tuple[Segment, ...]) -> Rule:
        """What a segment says as a rule."""
        way = (*within, segment)
        if segment in within:
            path = " -> ".join(repr(each.name) for each in way[within.index(segment) :])
            raise InvalidInput(
                f"a segment cannot be part of itself: {path}; take one of them out of the rule before it"
            )
        if segment.subject not in {each.__name__ for each in self.cls.__mro__}:
            raise InvalidInput(f"the segment {segment.name!r} is of {segment.subject}, not of {self.cls.__name__}")
        rule = _NOBODY if segment.rule is None else self.replaced(_saved(segment), way)
        if segment.added_ids:
            rule |= _is_one_of(segment.added_ids)
        return rule & ~_is_one_of(segment.removed_ids) if segment.removed_ids else rule


def _saved(segment: Segment) -> Rule:
    try:
        return from_json(segment.rule or "")
    except InvalidInput as error:
        raise InvalidInput(f"the segment {segment.name!r}: {error}") from None


def _is_one_of(ids: Iterable[str]) -> Rule:
    """A rule of as many comparisons as so many ids need."""
    rest = sorted(ids)
    chunks = (rest[start : start + MOST_VALUES] for start in range(0, len(rest), MOST_VALUES))
    return reduce(or_, (field("id").is_in(chunk) for chunk in chunks))
