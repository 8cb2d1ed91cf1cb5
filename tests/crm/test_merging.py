"""Merging customers over everything that is stored, and taking it back."""

from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmkit import CRM
from crmkit.errors import InvalidInput, NotFound
from crmkit.model import (
    Consent,
    Contact,
    Customer,
    Deal,
    DealContact,
    Order,
    Participant,
    Record,
    Task,
    fields,
)
from crmkit.model.links import links_of
from crmkit.model.merge import merge
from tests.crm.club import GYM, NOON, OWN, Locker, Member, SettableClock, TrialVisit, Visit, everything, ids, people
from tests.examples import few

CUSTOMERS = ["Customer", "Member"]


def _links(crm: CRM) -> dict[str, dict[str, tuple[str, ...]]]:
    """The links to customers of all records, by their ids."""
    records = (each for cls in crm.store.classes for each in crm[cls])
    return {each.id: links for each in records if (links := links_of(each, CUSTOMERS))}


def test_links_in_fields_lists_and_value_objects_are_turned(crm: CRM) -> None:
    crm.load([Member(id="ann", kind="person", name="Ann"), *people("anna", "org", "bob")])
    crm.load(
        [
            Contact(id="c1", person_id="anna", organization_id="org"),
            Deal(id="d1", pipeline_id="gym", stage="Trial", contacts=[DealContact("bob"), DealContact("anna")]),
            Task(id="t1", customer_id="bob", participants=[Participant(customer_id="anna")]),
            Visit(id="v1", member_id="anna", at=NOON, companion_ids=["bob", "anna"], lockers=[Locker(1, "anna")]),
            TrialVisit(id="v2", member_id="bob", at=NOON, given_by_id="anna"),
            Member(id="eve", kind="person", name="Eve", referred_by_id="anna"),
            Order(id="o1", at=NOON, customer_id="bob"),
        ]
    )
    log = crm.merge("ann", ["anna"]).log

    assert _links(crm) == {
        "c1": {"person_id": ("ann",), "organization_id": ("org",)},
        "d1": {"contacts.0.customer_id": ("bob",), "contacts.1.customer_id": ("ann",)},
        "t1": {"customer_id": ("bob",), "participants.0.customer_id": ("ann",)},
        "v1": {"member_id": ("ann",), "companion_ids": ("bob", "ann"), "lockers.0.holder_id": ("ann",)},
        "v2": {"member_id": ("bob",), "given_by_id": ("ann",)},
        "eve": {"referred_by_id": ("ann",)},
        "o1": {"customer_id": ("bob",)},
    }
    assert crm.merges.get(log.id) == log
    assert {each.subject_id for each in log.relinked} == {"c1", "d1", "t1", "v1", "v2", "eve"}
    assert crm.orders.read("o1").version == 1


def test_the_losers_are_deleted_and_their_ids_lead_to_the_survivor(crm: CRM) -> None:
    crm.load([*people("ann", "anna", "annie")])
    with crm.transaction(by="bob"):
        merged = crm.merge("ann", ["anna", "annie"], choices={"name": "annie"})

    assert crm.customers.get("anna") == crm.customers.get("annie") == merged.survivor
    assert merged.survivor.name == "Annie"
    assert ids(crm.customers) == ["ann"]
    assert crm.customers.read("anna").is_deleted
    assert {(each.former_id, each.created_at, each.merge_id) for each in crm.aliases} == {
        ("anna", NOON, merged.log.id),
        ("annie", NOON, merged.log.id),
    }
    assert (merged.log.by, merged.log.at, {*crm.aliases}) == ("bob", NOON, {*merged.aliases})


def test_the_survivor_may_take_over_a_unique_value_and_give_it_back(crm: CRM) -> None:
    crm.load([Member(id="ann", kind="person", name="Ann"), Member(id="anna", kind="person", name="Anna", card="7")])
    log = crm.merge("ann", ["anna"]).log
    assert crm[Member].get("ann").card == "7"

    crm.unmerge(log.id)
    assert [each.card for each in crm[Member]] == [None, "7"]


def test_an_id_from_before_an_earlier_merge_may_be_merged(crm: CRM) -> None:
    crm.load(people("ann", "anna", "annie"))
    crm.merge("anna", ["annie"])

    assert crm.merge("ann", ["annie"]).log.loser_ids == ("anna",)
    assert crm.customers.get("annie").id == "ann"
    with pytest.raises(InvalidInput, match="cannot be merged with itself"):
        crm.merge("ann", ["annie"])


def test_what_is_no_merge_changes_nothing(crm: CRM) -> None:
    crm.load([*people("ann"), Customer(id="org", kind="organization", name="Org")])
    before = everything(crm)

    with pytest.raises(InvalidInput, match="one is a person, one is not"):
        crm.merge("ann", ["org"])
    with pytest.raises(NotFound, match="no Customer has the id 'bob'"):
        crm.merge("ann", ["bob"])
    with pytest.raises(InvalidInput, match="different ids of 'till'"):
        crm.load([each.replace(external_ids={"till": each.id}) for each in people("x", "y")])
        crm.merge("x", ["y"], distinct=["till"])
    assert everything(crm) == before | {Customer: [*crm.customers]}
    assert len(crm.merges) == 0


def test_what_happened_since_the_merge_stays(crm: CRM) -> None:
    crm.load([*people("ann", "anna"), *(Order(id=each, at=NOON, customer_id="anna") for each in ("o1", "o2", "o3"))])
    log = crm.merge("ann", ["anna"], choices={"name": "anna"}).log
    crm.customers.update(crm.customers.get("ann").replace(city="Łódź"))
    crm.orders.update(crm.orders.get("o1").replace(customer_id=None))
    crm.orders.delete("o2")
    crm.orders.add(Order(id="o4", at=NOON, customer_id="ann"))

    survivor, _ = crm.unmerge(log.id)
    assert (survivor.name, survivor.city) == ("Ann", "Łódź")
    assert {each.id: each.customer_id for each in crm.orders} == {"o1": None, "o3": "anna", "o4": "ann"}


def test_a_survivor_who_became_a_member_remains_one(crm: CRM) -> None:
    crm.load([each.replace(tags={each.id}) for each in people("ann", "anna")])
    log = crm.merge("ann", ["anna"]).log
    now = crm.customers.get("ann")
    known = {info.name: getattr(now, info.name) for info in fields(Customer)}
    crm.customers.update(Member(**known, card="7"))
    crm.unmerge(log.id)

    assert [(each.id, each.tags, each.card) for each in crm[Member]] == [("ann", {"ann"}, "7")]
    assert crm.customers.get("anna").tags == {"anna"}


def test_a_merge_is_taken_back_once(crm: CRM) -> None:
    crm.load(people("ann", "anna"))
    log = crm.merge("ann", ["anna"]).log
    crm.unmerge(log.id)

    with pytest.raises(NotFound, match=f"no Merge has the id '{log.id}'"):
        crm.unmerge(log.id)
    assert (len(crm.aliases), len(crm.merges)) == (0, 0)
    assert crm.merge("ann", ["anna"]).survivor.id == "ann"


def test_of_two_merges_the_later_is_taken_back_first(crm: CRM, clock: SettableClock) -> None:
    crm.load([each.replace(city=each.id) for each in people("anna", "bob", "eve")])
    crm.load(people("ann"))
    before = everything(crm)
    first = crm.merge("ann", ["anna"]).log
    with crm.transaction(at=clock() - timedelta(days=9)):
        second = crm.merge("ann", ["bob"]).log
    third = crm.merge("eve", ["ann"]).log

    with pytest.raises(InvalidInput, match=f"'{third.id}' came after '{second.id}'; take it back first"):
        crm.unmerge(second.id)
    crm.unmerge(third.id)
    with pytest.raises(InvalidInput, match=f"'{second.id}' came after '{first.id}'; take it back first"):
        crm.unmerge(first.id)
    crm.unmerge(second.id)
    crm.unmerge(first.id)
    assert everything(crm) == before


def test_a_loser_who_was_restored_by_hand_is_no_loser(crm: CRM) -> None:
    crm.load(people("ann", "anna"))
    log = crm.merge("ann", ["anna"]).log
    crm.customers.restore("anna")

    with pytest.raises(InvalidInput, match="'anna' was restored after the merge; delete it"):
        crm.unmerge(log.id)


def test_a_loser_who_was_purged_cannot_come_back(crm: CRM) -> None:
    crm.load(people("ann", "anna"))
    log = crm.merge("ann", ["anna"]).log
    crm.customers.purge("anna")

    with pytest.raises(NotFound, match="'anna' was purged after the merge, which cannot be taken back"):
        crm.unmerge(log.id)
    assert crm.customers.get("anna").id == "ann"


def test_a_merge_that_another_store_made_cannot_be_taken_back(crm: CRM) -> None:
    ann, anna = people("ann", "anna")
    merged = merge(ann, [anna], at=NOON)
    crm.load([merged.survivor, *merged.aliases, merged.log])

    with pytest.raises(InvalidInput, match="was made elsewhere"):
        crm.unmerge(merged.log.id)


NAMES = st.sampled_from("abcde")
LINKING: list[Callable[[str, str], Record]] = [
    lambda a, b: Order(at=NOON, customer_id=a),
    lambda a, b: Contact(person_id=a, organization_id=b),
    lambda a, b: Deal(pipeline_id="gym", stage="Trial", customer_id=a, contacts=[DealContact(a), DealContact(b)]),
    lambda a, b: Task(participants=[Participant(customer_id=a), Participant(customer_id=b)]),
    lambda a, b: Visit(member_id=a, at=NOON, companion_ids=[a, b], lockers=[Locker(1, b)]),
    lambda a, b: TrialVisit(member_id=a, at=NOON, given_by_id=b),
    lambda a, b: Consent(customer_id=a, channel="email", purpose="news", state="granted", at=NOON),
    lambda a, b: Member(kind="person", name="Eve", referred_by_id=a),
]


@st.composite
def clubs(draw: st.DrawFn) -> list[Record]:
    """Members who may be referred by each other, and records that link to them."""
    cities = st.sampled_from([None, "Łódź", "Kraków"])
    members = [
        Member(
            id=each, kind="person", name=each, city=draw(cities), card=each if draw(st.booleans()) else None
        ).replace(referred_by_id=draw(st.none() | NAMES), tags=draw(st.sets(NAMES, max_size=2)))
        for each in "abcde"
    ]
    linking = draw(st.lists(st.tuples(st.sampled_from(LINKING), NAMES, NAMES), max_size=8))
    return [*members, *(make(one, other) for make, one, other in linking)]


def _opened() -> Iterator[CRM]:
    for url in ("memory://", "sqlite://"):
        with closing(CRM.open(url, records=OWN, clock=SettableClock())) as crm:
            crm.pipelines.add(GYM)
            yield crm


@few
@given(club=clubs(), merged=st.lists(NAMES, min_size=2, max_size=4, unique=True))
def test_a_merge_leaves_no_link_to_a_loser_and_taking_it_back_restores_all(
    club: list[Record], merged: list[str]
) -> None:
    for crm in _opened():
        crm.load(club)
        before = everything(crm)
        survivor, *losers = merged
        log = crm.merge(survivor, losers).log

        linked = {each for links in _links(crm).values() for held in links.values() for each in held}
        assert linked.isdisjoint(losers)
        assert {each: crm.customers.get(each).id for each in losers} == dict.fromkeys(losers, survivor)
        crm.unmerge(log.id)
        assert everything(crm) == before


@few
@given(club=clubs(), pairs=st.lists(st.tuples(NAMES, NAMES), min_size=1, max_size=4))
def test_merges_that_are_taken_back_in_turn_restore_all(club: list[Record], pairs: list[tuple[str, str]]) -> None:
    for crm in _opened():
        crm.load(club)
        snapshots = []
        for survivor, loser in pairs:
            snapshot = everything(crm)
            if crm.customers.get(survivor) != crm.customers.get(loser):
                snapshots.append((crm.merge(survivor, [loser]).log, snapshot))
        for log, snapshot in reversed(snapshots):
            crm.unmerge(log.id)
            assert everything(crm) == snapshot
