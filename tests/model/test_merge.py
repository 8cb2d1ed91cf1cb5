"""Merging loses nothing, can be taken back, and keeps every old id working."""

from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from datetime import UTC, datetime, timedelta
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmkit.errors import InvalidInput
from crmkit.model.consent import Consent, consent_on
from crmkit.model.contact_point import Address, ContactPoint
from crmkit.model.customer import Customer, primary
from crmkit.model.interaction import Interaction
from crmkit.model.merge import merge, relink, unmerge
from crmkit.model.preference import Preference
from crmkit.model.records import Record, field, fields, record

DAY = datetime(2025, 3, 1, tzinfo=UTC)
EMPTY: tuple[Any, ...] = (None, (), frozenset(), {})
FEW = st.sampled_from(["a", "b", "c"])
ID = st.sampled_from(["ann", "anna", "ania"])
NOW = {"ann": "ann", "anna": "ann", "ania": "ann", "bob": "bob", "eva": "eva"}
"""Whom an id means after Anna and Ania were merged into Ann."""

POINTS = st.lists(
    st.builds(
        ContactPoint,
        st.sampled_from(["email", "phone"]),
        st.sampled_from(["a", "A", "b"]),
        label=st.none() | FEW,
        address=st.none() | st.builds(Address, city=FEW),
        is_primary=st.booleans(),
        is_invalid=st.booleans(),
    ),
    max_size=3,
    unique_by=lambda point: (point.kind, point.is_primary or point.value),
)


@record
class Member(Customer):
    """A vertical's customer, with a field of every kind that a merge unites."""

    goal: str | None = field(default=None, personal=True)
    rivals: AbstractSet[str] | None = field(default=None, links="Member")
    guests: Sequence[str] = field(default=(), links="Customer")


def _customers(ids: Iterable[str] = ("ann", "anna", "ania")) -> st.SearchStrategy[list[Member]]:
    """Several records that say much, and often different things."""
    texts = {
        info.name: st.none() | FEW
        for info in fields(Member)
        if info.shape.kind == "text" and not info.required and info.name != "id"
    }
    given = texts | {
        "kind": st.just("person"),
        "name": FEW,
        "created_at": st.none() | st.integers(0, 2).map(lambda days: DAY + timedelta(days=days)),
        "external_ids": st.dictionaries(FEW, FEW | st.none(), max_size=2),
        "tags": st.frozensets(FEW),
        "custom": st.dictionaries(FEW, FEW | st.none(), max_size=2),
        "contact_points": POINTS,
        "preferences": st.lists(st.builds(Preference, FEW, st.lists(FEW, max_size=1)), max_size=2),
        "rivals": st.none() | st.frozensets(st.sampled_from(["anna", "bob"])),
        "guests": st.lists(st.sampled_from(["anna", "bob", "eva"]), max_size=2, unique=True),
    }
    return st.tuples(*(st.builds(Member, id=st.just(each), **given) for each in ids)).map(list)


@given(customers=_customers())
def test_nothing_is_lost(customers: list[Member]) -> None:
    """Behaviour 25."""
    survivor = merge(customers[0], customers[1:], at=DAY).survivor

    for each in customers:
        assert each.tags <= survivor.tags
        assert {NOW[rival] for rival in each.rivals or ()} <= (survivor.rivals or set())
        assert {NOW[guest] for guest in each.guests} <= set(survivor.guests)
        assert {point.key for point in each.contact_points} <= {point.key for point in survivor.contact_points}
        assert {wish.topic for wish in each.preferences} <= {wish.topic for wish in survivor.preferences}
        assert each.custom.keys() <= survivor.custom.keys()
        assert {id_ for id_ in each.external_ids.values() if id_} <= set(survivor.external_ids.values())
    known = [info.name for info in fields(Member) if any(getattr(each, info.name) not in EMPTY for each in customers)]
    place = {"country", "city"}
    assert all(getattr(survivor, name) not in EMPTY for name in set(known) - place)
    assert len(set(survivor.guests)) == len(survivor.guests)
    assert bool(place & set(known)) == ((survivor.country, survivor.city) != (None, None))


@given(customers=_customers())
def test_the_survivor_wins_and_only_empty_fields_are_filled(customers: list[Member]) -> None:
    """Behaviour 25."""
    before = customers[0]
    survivor = merge(before, customers[1:], at=DAY).survivor

    texts = [info.name for info in fields(Member) if info.shape.kind == "text" and info.name not in ("country", "city")]
    assert all(getattr(survivor, name) == getattr(before, name) for name in texts if getattr(before, name) is not None)
    assert survivor.created_at == min((each.created_at for each in customers if each.created_at), default=None)
    assert {name: each for name, each in before.custom.items() if each is not None}.items() <= survivor.custom.items()
    known = {name for customer in customers for name, each in customer.custom.items() if each is not None}
    assert all(survivor.custom[name] is not None for name in known)
    topics = {each.topic for each in before.preferences}
    assert [each for each in survivor.preferences if each.topic in topics] == list(before.preferences)


@given(customers=_customers())
def test_country_and_city_come_from_one_customer(customers: list[Member]) -> None:
    """Behaviour 25: an address is taken as one block."""
    survivor = merge(customers[0], customers[1:], at=DAY).survivor

    assert (survivor.country, survivor.city) in {(each.country, each.city) for each in customers}
    assert customers[0].country in (None, survivor.country)
    assert customers[0].city in (None, survivor.city)


@given(customers=_customers())
def test_contact_points_are_united_with_one_primary_of_a_kind_and_every_fault_kept(customers: list[Member]) -> None:
    survivor = merge(customers[0], customers[1:], at=DAY).survivor
    points = {point.key: point for point in survivor.contact_points}
    all_points = [point for each in customers for point in each.contact_points]

    assert len(points) == len(survivor.contact_points)
    for key, point in points.items():
        alike = [other for other in all_points if other.key == key]
        assert point.is_invalid == any(other.is_invalid for other in alike)
        assert (point.label is None) == all(other.label is None for other in alike)
        assert (point.address is None) == all(other.address is None for other in alike)
    for kind in {point.kind for point in all_points}:
        marked = [point for point in all_points if point.kind == kind and point.is_primary]
        assert sum(point.is_primary for point in points.values() if point.kind == kind) == min(1, len(marked))
    assert all(points[point.key].is_primary for point in customers[0].contact_points if point.is_primary)
    written = {point.key: point.value for point in reversed(customers[0].contact_points)}
    assert all(points[key].value == value for key, value in written.items())


@given(customers=_customers())
def test_the_order_of_the_losers_does_not_matter(customers: list[Member]) -> None:
    survivor, *losers = customers
    results = [merge(survivor, order, at=DAY).survivor for order in permutations(losers)]

    assert results[0] == results[1]


def test_empty_fields_are_filled_from_the_latest_created_and_then_the_smaller_id() -> None:
    losers = [
        Customer(id="unknown", kind="person", name="a", language="a", industry="a", source="a"),
        Customer(id="old", kind="person", name="b", language="b", industry="b", created_at=DAY),
        Customer(id="new-2", kind="person", name="c", language="c", created_at=DAY + timedelta(days=1)),
        Customer(id="new-1", kind="person", name="d", city="d", created_at=DAY + timedelta(days=1)),
        Customer(id="new-3", kind="person", name="e", city="e", created_at=DAY + timedelta(days=1)),
    ]
    survivor = merge(Customer(id="ann", kind="person", name="Ann"), losers, at=DAY).survivor

    assert (survivor.name, survivor.city, survivor.language) == ("Ann", "d", "c")
    assert (survivor.industry, survivor.source, survivor.created_at) == ("b", "a", DAY)


@given(whole=_customers(["ann"]).map(lambda customers: customers[0]), data=st.data())
def test_partial_copies_make_the_whole_again_in_any_order_and_grouping(whole: Member, data: st.DataObject) -> None:
    whole = whole.replace(
        contact_points=list({point.key: point for point in whole.contact_points}.values()),
        preferences=list({wish.topic: wish for wish in whole.preferences}.values()),
        custom={name: each for name, each in whole.custom.items() if each is not None},
        external_ids={name: each for name, each in whole.external_ids.items() if each is not None},
        rivals=whole.rivals and {"bob"},
        guests=[guest for guest in whole.guests if guest != "anna"],
    )
    first, second, third = (_part(whole, name, data) for name in ("ann", "anna", "ania"))

    def merged(*parts: Member) -> Member:
        return merge(parts[0], parts[1:], at=DAY).survivor

    at_once = _comparable(merged(first, second, third))
    assert at_once == _comparable(merged(merged(first, second), third))
    assert at_once == _comparable(merged(third, merged(second, first)))
    assert _comparable(merged(first, second, third, whole.replace(id="whole"))) == _comparable(whole)


def _part(whole: Member, id_: str, data: st.DataObject) -> Member:
    """The same customer, of whom less is known."""
    optional = {info.name for info in fields(Member) if not info.required} - {"id"}
    hidden = data.draw(st.sets(st.sampled_from(sorted(optional))))
    if not hidden.isdisjoint({"country", "city"}):
        hidden |= {"country", "city"}
    known = {info.name: getattr(whole, info.name) for info in fields(Member) if info.name not in hidden}
    return Member(**known | {"id": id_})


def _comparable(customer: Member) -> dict[str, Any]:
    values = {info.name: getattr(customer, info.name) for info in fields(Member) if info.name != "id"}
    return {name: set(each) if isinstance(each, tuple) else each for name, each in values.items()}


LINKED = st.lists(
    st.builds(
        Consent,
        id=st.uuids().map(str),
        customer_id=st.sampled_from(["ann", "anna", "ania", "bob"]),
        channel=st.sampled_from(["email", "sms"]),
        purpose=st.just("newsletter"),
        state=st.sampled_from(["granted", "withdrawn", "pending"]),
        at=st.integers(-2, 2).map(lambda hours: DAY + timedelta(hours=hours)),
    )
    | st.builds(
        Member,
        id=st.uuids().map(str),
        kind=st.just("person"),
        name=FEW,
        owner_id=st.just("ann"),
        rivals=st.none() | st.frozensets(st.sampled_from(["ann", "anna", "ania", "bob"])),
        guests=st.lists(st.sampled_from(["ann", "anna", "bob"]), max_size=3),
    )
    | st.builds(
        Interaction,
        id=st.uuids().map(str),
        at=st.just(DAY),
        channel=st.just("phone"),
        direction=st.just("inbound"),
        customer_id=st.sampled_from([None, "anna", "bob"]),
    ),
    max_size=6,
)


def after(records: Iterable[Record], changed: Iterable[Record]) -> list[Record]:
    """What a store has when it has taken over the changed records."""
    by_id = {each.id: each for each in changed}
    return [by_id.get(each.id, each) for each in records]


CHOICES = st.dictionaries(st.sampled_from(["name", "city", "tags", "contact_points", "custom"]), ID)


@given(customers=_customers(), choices=CHOICES, linked=LINKED)
def test_a_merge_and_then_an_unmerge_change_nothing(
    customers: list[Member], choices: dict[str, str], linked: list[Record]
) -> None:
    merged = merge(customers[0], customers[1:], at=DAY, choices=choices)
    turned, log = relink(linked, merged.log)
    now = after(linked, turned)
    restored, back = unmerge(log, merged.survivor, customers, now)

    assert sorted(restored, key=lambda each: each.id) == sorted(customers, key=lambda each: each.id)
    assert restored[0] == customers[0]
    assert after(now, back) == linked


@given(linked=LINKED)
def test_after_a_merge_every_link_is_to_the_survivor_and_nothing_else_has_changed(linked: list[Record]) -> None:
    ann, anna, ania = (Member(id=each, kind="person", name="Ann") for each in ("ann", "anna", "ania"))
    turned, log = relink(linked, merge(ann, [anna, ania], at=DAY).log)

    for before, changed in zip(linked, after(linked, turned), strict=True):
        if isinstance(before, Member):
            rivals = before.rivals and frozenset(NOW[each] for each in before.rivals)
            guests = before.guests
            if "anna" in guests:
                guests = tuple(dict.fromkeys(NOW[each] for each in guests))
            assert changed == before.replace(rivals=rivals, guests=guests)
        else:
            assert changed == before.replace(customer_id=NOW.get(before.customer_id))  # type: ignore[attr-defined]
    assert {link.subject_id for link in log.relinked} == {each.id for each in turned}
    assert not {each.id for each in turned} & {each.id for each in linked if each in after(linked, turned)}


@given(linked=LINKED)
def test_two_merges_in_a_row_are_taken_back_one_by_one(linked: list[Record]) -> None:
    ann, anna, ania = (Member(id=each, kind="person", name=each) for each in ("ann", "anna", "ania"))
    first = merge(anna, [ania], at=DAY)
    turned, first_log = relink(linked, first.log)
    in_between = after(linked, turned)
    second = merge(ann, [first.survivor], at=DAY)
    turned, second_log = relink(in_between, second.log)

    (_, anna_again), back = unmerge(second_log, second.survivor, [ann, first.survivor], after(in_between, turned))
    assert after(in_between, back) == in_between
    restored, back = unmerge(first_log, anna_again, [ania, anna], in_between)
    assert restored == (anna, ania)
    assert after(in_between, back) == linked


def test_records_may_come_in_several_parts() -> None:
    calls = [
        Interaction(id=each, at=DAY, channel="phone", direction="inbound", customer_id="anna")
        for each in ("one", "two")
    ]
    log = merge(ANN, [ANNA], at=DAY).log

    _, after_one = relink(calls[:1], log)
    _, after_both = relink(calls[1:], after_one)

    assert after_both == relink(calls, log)[1]


@given(ledger=LINKED)
def test_an_opt_out_is_never_lost(ledger: list[Record]) -> None:
    """Behaviour 26: of all that the merged customers said, the latest explicit word holds."""
    ann, anna, ania = (Member(id=each, kind="person", name="Ann") for each in ("ann", "anna", "ania"))
    said = [each for each in ledger if isinstance(each, Consent)]
    turned, _ = relink(said, merge(ann, [anna, ania], at=DAY).log)
    now = [each for each in after(said, turned) if isinstance(each, Consent)]
    explicit = [
        each
        for each in said
        if each.state != "pending" and each.channel == "email" and each.customer_id != "bob" and each.at <= DAY
    ]

    held = consent_on(now, "ann", "email", "newsletter", as_of=DAY)

    if explicit:
        latest = {each.state for each in explicit if each.at == max(other.at for other in explicit)}
        assert held is not None
        assert held.state == ("withdrawn" if "withdrawn" in latest else "granted")
    else:
        assert held is None or held.state == "pending"


ANN = Customer(id="ann", kind="person", name="Ann", city="Łódź", external_ids={"shop": "1"}, tags={"vip"})
ANNA = Customer(id="anna", kind="person", name="Anna K.", city="Warszawa", external_ids={"shop": "2"})


def test_a_choice_takes_the_field_of_another_as_it_is() -> None:
    survivor = merge(ANN, [ANNA], at=DAY, choices={"city": "anna", "tags": "anna", "name": "ann"}).survivor

    assert (survivor.city, survivor.tags, survivor.name) == ("Warszawa", frozenset(), "Ann")


def test_a_second_id_of_an_external_system_is_kept_unless_it_means_another_person() -> None:
    """Behaviour 27: the caller says which systems are logins."""
    assert merge(ANN, [ANNA], at=DAY).survivor.external_ids == {"shop": "1", "shop#anna": "2"}
    assert merge(ANN, [ANNA.replace(external_ids={})], at=DAY, distinct=["shop"]).survivor.id == "ann"
    with pytest.raises(InvalidInput, match="ann, anna have different ids of 'shop'"):
        merge(ANN, [ANNA], at=DAY, distinct=["shop"])


@pytest.mark.parametrize(
    ("losers", "choices", "message"),
    [
        ([], {}, "nobody is given to merge into 'ann'"),
        ([ANN], {}, "cannot be merged with itself"),
        ([ANNA, ANNA], {}, "given twice in ann, anna, anna"),
        ([ANNA.replace(kind="organization")], {}, "'anna' and 'ann' cannot be merged: one is a person"),
        ([Member(id="anna", kind="person", name="Anna")], {}, "'ann' has not all fields of 'anna'"),
        ([ANNA], {"nmae": "anna"}, "no field 'nmae' can be chosen; .*did you mean 'name'"),
        ([ANNA], {"id": "anna"}, "no field 'id' can be chosen"),
        ([ANNA], {"name": "bob"}, "the name cannot come from 'bob'; there are 'ann', 'anna'"),
    ],
)
def test_what_is_no_merge_is_refused(losers: list[Customer], choices: dict[str, str], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        merge(ANN, losers, at=DAY, choices=choices)


def test_a_member_takes_over_a_plain_customer() -> None:
    member = Member(id="m", kind="person", name="Ann", goal="run")

    assert merge(member, [ANNA], at=DAY, choices={"goal": "anna", "city": "anna"}).survivor.goal is None
    assert merge(member, [ANNA], at=DAY).survivor.goal == "run"


def test_what_happened_since_the_merge_stays_when_it_is_taken_back() -> None:
    call = Interaction(id="call", at=DAY, channel="phone", direction="inbound", customer_id="anna")
    merged = merge(ANN, [ANNA], at=DAY)
    (turned,), log = relink([call], merged.log)
    handed_over = turned.replace(customer_id="bob")

    (ann, anna), back = unmerge(log, merged.survivor.replace(language="pl"), [ANN, ANNA], [handed_over])

    assert ann == ANN.replace(language="pl")
    assert anna == ANNA
    assert back == ()


def test_a_merge_is_not_taken_back_in_the_dark() -> None:
    merged = merge(ANN, [ANNA], at=DAY)

    with pytest.raises(InvalidInput, match="'anna' is not the survivor of this merge; give 'ann'"):
        unmerge(merged.log, ANNA, [ANN, ANNA])
    with pytest.raises(InvalidInput, match="nobody says what anna were like"):
        unmerge(merged.log, merged.survivor, [ANN])


def test_a_family_that_shares_a_telephone_is_not_one_person() -> None:
    """Behaviour 28: nothing is merged unless it is asked for, and the shared point stays with both."""
    phone = ContactPoint("phone", "+48221234567", is_primary=True)
    ann, bob = (Customer(id=each, kind="person", name=each, contact_points=[phone]) for each in ("ann", "bob"))
    survivor = merge(ann, [Customer(id="anna", kind="person", name="Anna", contact_points=[phone])], at=DAY).survivor

    assert survivor.contact_points == (phone,)
    assert primary(bob, "phone") == phone
