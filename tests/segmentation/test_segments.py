"""Segments as rules: in records, in tables, and made of each other."""

from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmkit.errors import InvalidInput
from crmkit.model import Customer, Order, Segment
from crmkit.rules import AllOf, AnyOf, Not, Rule, days_ago, field, from_json, predicate, to_json
from crmkit.rules.operands import MOST_VALUES
from crmkit.segmentation import in_segment, members, with_segments
from tests.examples import few
from tests.frames.kinds import KINDS
from tests.model.vertical import Member
from tests.rules.world import AS_OF, world

WORLD = world()
CUSTOMERS, ORDERS = WORLD[Customer], WORLD[Order]
THAI, VIP = field("country") == "TH", field("tags").has("vip")


def segment(name: str, rule: Rule | None = None, **given_: Any) -> Segment:
    return Segment(id=name.lower(), name=name, rule=None if rule is None else to_json(rule), **given_)


def ids(table: Any) -> list[str]:
    frame: pl.DataFrame = pl.DataFrame(table.to_dicts() if isinstance(table, pl.DataFrame) else table)
    return [*frame["customer_id"]] if frame.width else []


def asked(rule: Rule | Segment | str, *segments: Segment, **options: Any) -> list[str]:
    return ids(members(CUSTOMERS, rule, segments=segments, **{"as_of": AS_OF} | options))


hands = st.frozensets(st.sampled_from([*(each.id for each in CUSTOMERS), "nobody"]))
leaves = st.sampled_from([THAI, VIP, field("orders.count") >= 4])


def made_of(*names: str) -> st.SearchStrategy[Rule]:
    known = leaves | st.sampled_from([in_segment(name) for name in names]) if names else leaves
    return st.recursive(
        known,
        lambda part: st.lists(part, max_size=2).map(AllOf) | st.lists(part).map(AnyOf) | part.map(Not),
        max_leaves=3,
    )


@st.composite
def chains(draw: st.DrawFn) -> list[Segment]:
    """Segments of which each is made of those before it, called by id or by name."""
    found: list[Segment] = []
    for name in "ABC":
        names = [word for each in found for word in (each.id, each.name)]
        rule = draw(st.none() | made_of(*names))
        found.append(segment(name, rule, added_ids=draw(hands), removed_ids=draw(hands)))
    return found


def inside(customer: Customer, each: Segment, known: dict[str, Segment]) -> bool:
    """The meaning of a segment, told without changing any rule."""
    if customer.id in each.removed_ids:
        return False
    return customer.id in each.added_ids or (each.rule is not None and holds(from_json(each.rule), customer, known))


def holds(rule: Rule, customer: Customer, known: dict[str, Segment]) -> bool:
    match rule:
        case AllOf(parts):
            return all(holds(part, customer, known) for part in parts)
        case AnyOf(parts):
            return any(holds(part, customer, known) for part in parts)
        case Not(part):
            return not holds(part, customer, known)
    if rule.path == "segments":  # type: ignore[attr-defined]
        return inside(customer, known[rule.operand.lower()], known)  # type: ignore[attr-defined]
    return predicate(rule, Customer, as_of=AS_OF, related={Order: ORDERS})(customer)


@few
@given(chains(), st.randoms(use_true_random=False))
def test_members_are_those_of_the_rule_and_by_hand_whatever_the_order(segments: list[Segment], random: Any) -> None:
    known = {each.id: each for each in segments}
    expected = {each.id: sorted(one.id for one in CUSTOMERS if inside(one, each, known)) for each in segments}
    shuffled, rows = random.sample(segments, len(segments)), random.sample(CUSTOMERS, len(CUSTOMERS))

    for each in segments:
        found = members(rows, each, as_of=AS_OF, segments=shuffled, related={Order: ORDERS})
        assert ids(found) == expected[each.id]


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_data_has_the_same_members(kind: str) -> None:
    vip = segment("VIP", VIP | (field("orders.last_at") < days_ago(1)), added_ids={"0"}, removed_ids={"1"})
    expected = asked(vip, related={Order: ORDERS})
    found = members(KINDS[kind](CUSTOMERS, Customer), vip, as_of=AS_OF, related={Order: KINDS[kind](ORDERS, Order)})

    assert len(expected) > 1
    assert type(found) is type(KINDS["polars" if kind in {"records", "generator"} else kind](CUSTOMERS, Customer))
    shown = found.pl() if kind == "duckdb" else found.collect() if kind == "lazy" else found
    assert [str(each) for each in shown["customer_id"]] == expected


def test_nobody_is_in_a_segment_without_rule_and_hands() -> None:
    assert asked(segment("Empty")) == []
    assert members([], segment("VIP", VIP), as_of=AS_OF).rows() == []


def test_who_is_added_is_there_only_if_the_data_has_them() -> None:
    assert asked(segment("VIP", added_ids={"0", "nobody"})) == ["0"]


def test_more_ids_by_hand_than_one_comparison_takes() -> None:
    many = {f"c{number}" for number in range(2 * MOST_VALUES)}

    assert asked(segment("Many", added_ids=many | {"3"})) == ["3"]
    assert len(list(with_segments(in_segment("Many"), [segment("Many", added_ids=many)]).comparisons())) == 2


def test_relative_time_counts_from_the_moment_in_the_zone() -> None:
    reborn = segment("Reborn", field("birth_on") == days_ago(1))
    ann = Customer(id="ann", kind="person", name="Ann", birth_on=AS_OF.date().replace(day=1))

    found = {
        tz: ids(members([ann], reborn, as_of=AS_OF.replace(day=1, hour=23), tz=tz)) for tz in ("UTC", "Asia/Tokyo")
    }
    assert found == {"UTC": [], "Asia/Tokyo": ["ann"]}


def test_an_id_goes_before_a_name() -> None:
    named = segment("b", added_ids={"1"}).replace(id="a")
    other = segment("other", added_ids={"2"}).replace(id="b")

    assert asked("b", named, other) == ["2"]


def test_a_rule_with_a_segment_in_it_is_saved_like_any_other() -> None:
    rule = in_segment("VIP") & THAI

    assert from_json(to_json(rule)) == rule
    assert asked(rule, segment("VIP", VIP)) == asked(VIP & THAI)


def test_segments_of_a_vertical_ask_its_own_fields() -> None:
    rich = segment("Carded", field("card") == "7", subject="Member")
    found = members(
        WORLD[Member],
        in_segment("Carded") & ~in_segment("VIP"),
        as_of=AS_OF,
        segments=[rich, segment("VIP", VIP)],
        cls=Member,
    )

    assert ids(found) == [each.id for each in WORLD[Member] if "vip" not in each.tags]
    with pytest.raises(InvalidInput, match="the segment 'Carded' is of Member, not of Customer"):
        asked(rich)


def test_a_circle_is_refused_with_its_way() -> None:
    circle = [segment("A", in_segment("B") | THAI), segment("B", ~in_segment("C")), segment("C", in_segment("B"))]

    with pytest.raises(InvalidInput, match="cannot be part of itself: 'B' -> 'C' -> 'B'; take one of them out"):
        asked("A", *circle)
    with pytest.raises(InvalidInput, match="'Own' -> 'Own'"):
        asked(segment("Own", in_segment("own")))


def test_a_segment_that_is_not_there_is_refused_with_the_nearest() -> None:
    with pytest.raises(
        InvalidInput, match="there is no segment 'Regulers'; there are 'Regulars', 'VIP'; did you mean 'Regulars'"
    ):
        asked("Regulers", segment("VIP"), segment("Regulars"))
    with pytest.raises(InvalidInput, match="the segment 'A' is made of one that is not there: there is no segment 'B'"):
        asked(segment("A", in_segment("B")))


def test_a_saved_rule_that_cannot_be_read_is_refused_without_its_text() -> None:
    with pytest.raises(InvalidInput, match="^the segment 'A': this text is no JSON; give what to_json returned$"):
        asked(segment("A").replace(rule="{canary"))


def test_a_rule_asks_of_segments_only_who_is_in_them() -> None:
    with pytest.raises(InvalidInput, match="segments cannot be asked 'empty'; ask in_segment with the name of one"):
        asked(field("segments").is_empty())
    with pytest.raises(InvalidInput, match="Order has no field 'segments'"):
        asked(field("orders.count").where(in_segment("VIP")) > 1, segment("VIP"), related={Order: ORDERS})


def test_segments_that_double_from_one_to_the_next_are_bounded() -> None:
    first = segment("S0", THAI)
    rest = [
        segment(f"S{number}", in_segment(f"S{number - 1}") & in_segment(f"s{number - 1}")) for number in range(1, 40)
    ]

    with pytest.raises(InvalidInput, match="the rule is too large"):
        asked("S39", first, *rest)
