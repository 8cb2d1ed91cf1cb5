"""The segments of a CRM: saved, asked of the store, rebuilt."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from hypothesis import given

from crmkit import CRM
from crmkit.errors import Conflict, InvalidInput, NotFound
from crmkit.model import Customer, Money, Order, Segment, Transition, new_id
from crmkit.rules import Rule, days_ago, field, last_days, predicate, to_json
from crmkit.segmentation import entered, in_segment, left, segment_sizes
from tests.crm.club import NOON, OWN, SettableClock, ids, people
from tests.examples import few
from tests.model.vertical import Member, Visit
from tests.rules.world import AS_OF, rules_about_customers, world

SILENT = field("orders.last_at") < days_ago(90)
WORLD = world()


@pytest.fixture
def club(crm: CRM, clock: SettableClock) -> CRM:
    """Ann, who was last there long ago, Bob, who was there lately, and Cat, who never was."""
    clock.at = NOON
    crm.load(people("ann", "bob", "cat"))
    crm.orders.add(Order(customer_id="ann", at=NOON - timedelta(days=100), amount=Money(100, "PLN")))
    crm.orders.add(Order(customer_id="bob", at=NOON - timedelta(days=60), amount=Money(100, "PLN")))
    crm.segments.add(Segment(id="at-risk", name="At risk", rule=to_json(SILENT)))
    return crm


def told(transitions: tuple[Transition, ...]) -> list[tuple[str, str]]:
    return [(each.subject_id, each.after) for each in transitions]


def test_a_segment_is_asked_like_a_field(club: CRM) -> None:
    assert ids(club.customers.find(in_segment("At risk"))) == ["ann"]
    assert club.customers.count(~in_segment("at-risk") & (field("orders.count") > 0)) == 1
    assert ids(club.customers.every(in_segment("at-risk"))) == ["ann"]


def test_what_is_done_by_hand_survives_rebuilding(club: CRM, clock: SettableClock) -> None:
    club.segments.include("at-risk", ["cat"])
    club.segments.exclude("at-risk", ["ann", "bob"])
    assert told(club.segments.rebuild()) == [("cat", "entered")]
    clock.at = NOON + timedelta(days=50)

    assert club.segments.rebuild() == ()
    assert ids(club.customers.find(in_segment("at-risk"))) == ["cat"]
    club.segments.release("at-risk", ["bob", "cat"])
    assert told(club.segments.rebuild("At risk")) == [("bob", "entered"), ("cat", "left")]


def test_rebuilding_twice_changes_nothing(club: CRM) -> None:
    first = club.segments.rebuild()
    before = list(club.transitions), len(club.changes())

    assert told(first) == [("ann", "entered")]
    assert (first[0].at, first[0].recorded_at, first[0].by) == (NOON, NOON, "host")
    assert club.segments.rebuild() == ()
    assert (list(club.transitions), len(club.changes())) == before


def test_who_entered_last_week_is_one_query(club: CRM, clock: SettableClock) -> None:
    club.segments.rebuild()
    clock.at = NOON + timedelta(days=40)
    club.orders.add(Order(customer_id="ann", at=clock.at))
    club.segments.rebuild()

    assert [each.subject_id for each in club.transitions.find(entered("at-risk") & (field("at") == last_days(7)))] == [
        "bob"
    ]
    assert [each.subject_id for each in club.transitions.find(left("at-risk"))] == ["ann"]
    assert segment_sizes(club.transitions, as_of=club.now(), every="year")["size"].to_list() == [1]


def test_who_is_deleted_leaves(club: CRM, clock: SettableClock) -> None:
    club.segments.rebuild()
    club.customers.delete("ann")

    assert told(club.segments.rebuild()) == [("ann", "left")]
    club.customers.restore("ann")
    assert told(club.segments.rebuild()) == [("ann", "entered")]


def test_segments_made_of_segments_follow_them(club: CRM) -> None:
    club.segments.add(Segment(id="known", name="Known", rule=to_json(field("orders.count") > 0)))
    club.segments.add(Segment(id="healthy", name="Healthy", rule=to_json(in_segment("Known") & ~in_segment("At risk"))))

    assert told(club.segments.rebuild("healthy")) == [("bob", "entered")]
    club.segments.include("at-risk", ["bob"])
    assert told(club.segments.rebuild("healthy")) == [("bob", "left")]


def test_the_past_has_the_segments_of_then(club: CRM, clock: SettableClock) -> None:
    clock.at = NOON + timedelta(days=1)
    club.segments.exclude("at-risk", ["ann"])

    assert ids(club.as_of(NOON).customers.every(in_segment("at-risk"))) == ["ann"]
    assert ids(club.as_of(clock.at).customers.every(in_segment("at-risk"))) == []


def test_hands_follow_those_who_are_merged(club: CRM) -> None:
    club.segments.include("at-risk", ["cat"])
    log = club.merge("bob", ["cat"]).log

    assert club.segments.get("at-risk").added_ids == {"bob"}
    club.unmerge(log.id)
    assert club.segments.get("at-risk").added_ids == {"cat"}


def test_a_segment_is_nothing_that_happened_with_a_customer(club: CRM) -> None:
    club.segments.include("at-risk", ["cat"])

    assert len(club.timeline("cat")) == 0


def test_a_segment_that_cannot_be_asked_is_not_kept(club: CRM) -> None:
    wrong = {
        "there is no segment 'At rsik'; there are 'At risk', 'New'; did you mean 'At risk'": to_json(
            in_segment("At rsik")
        ),
        "the segment 'New': Customer has no field 'contry'": to_json(field("contry") == "PL"),
        "the segment 'New': this text is no JSON": "{",
    }
    for message, rule in wrong.items():
        with pytest.raises(InvalidInput, match=message):
            club.segments.add(Segment(name="New", rule=rule))
    with pytest.raises(
        InvalidInput, match="the segment 'New' is of Deal, which are no customers; there are 'Customer'"
    ):
        club.segments.add(Segment(name="New", subject="Deal"))
    assert [each.id for each in club.segments] == ["at-risk"]


def test_a_circle_is_not_kept(club: CRM) -> None:
    club.segments.add(Segment(id="b", name="B", rule=to_json(~in_segment("At risk"))))

    with pytest.raises(InvalidInput, match="a segment cannot be part of itself: 'At risk' -> 'B' -> 'At risk'"):
        club.segments.update(club.segments.get("at-risk").replace(rule=to_json(in_segment("b"))))
    assert club.segments.rule("B") == ~SILENT


def test_segments_are_checked_by_whatever_way_they_are_kept(club: CRM) -> None:
    with pytest.raises(InvalidInput, match="Customer has no field 'contry'"):
        club[Segment].add(Segment(name="New", rule=to_json(field("contry") == "PL")))


def test_a_kpi_of_customers_understands_segments(club: CRM) -> None:
    rules = in_segment("At risk"), ~in_segment("At risk")

    assert [club.metrics.freshness(where=rule).only.n for rule in rules] == [1, 2]


def test_two_segments_of_one_name_are_refused(club: CRM) -> None:
    with pytest.raises(Conflict, match="name"):
        club.segments.add(Segment(name="At risk"))


def test_a_segment_that_is_not_there_is_refused(club: CRM) -> None:
    with pytest.raises(
        InvalidInput, match="there is no segment 'At rusk'; there are 'At risk'; did you mean 'At risk'"
    ):
        club.customers.count(in_segment("At rusk"))
    with pytest.raises(InvalidInput, match="there is no segment 'lost'"):
        club.segments.rebuild("lost")
    with pytest.raises(NotFound):
        club.segments.include("lost", ["ann"])


def test_only_customers_are_in_segments(club: CRM) -> None:
    with pytest.raises(InvalidInput, match="Order has no field 'segments'"):
        club.orders.count(in_segment("at-risk"))


@few
@given(rule=rules_about_customers())
def test_a_store_has_the_members_that_the_records_have(rule: Rule) -> None:
    with CRM.open("memory://", records=[Member, Visit], clock=lambda: AS_OF) as crm:
        crm.load(each for rows in WORLD.values() for each in rows)
        crm.segments.add(Segment(id="s", name="S", rule=to_json(rule), added_ids={"0"}, removed_ids={"1"}))
        says = predicate(rule, Customer, as_of=AS_OF, related=WORLD)

        expected = {each.id for each in WORLD[Customer] + WORLD[Member] if says(each)} - {"1"} | {"0"}
        assert {each.subject_id for each in crm.segments.rebuild()} == expected


def test_of_several_who_rebuild_at_a_time_nobody_enters_twice(postgres_club: str) -> None:
    tenant = new_id()

    def rebuild(_: int) -> None:
        with CRM.open(postgres_club, records=OWN, tenant=tenant, clock=lambda: NOON) as crm:
            crm.run(lambda crm: crm.segments.rebuild())

    with CRM.open(postgres_club, records=OWN, tenant=tenant, clock=lambda: NOON) as crm:
        crm.load([*people("ann", "bob"), Segment(id="all", name="All", rule=to_json(field("kind") == "person"))])
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(rebuild, range(4)))

        assert sorted(each.subject_id for each in crm.transitions) == ["ann", "bob"]
