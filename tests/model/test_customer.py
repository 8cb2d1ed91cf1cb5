"""Customers have names of any kind, several contact points, and one owner."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmkit.errors import InvalidInput, InvalidRecord
from crmkit.model import Customer, fields
from crmkit.model.alias import Alias
from crmkit.model.consent import Consent
from crmkit.model.contact_point import Address, ContactKind, ContactPoint
from crmkit.model.customer import Contact, primary
from crmkit.model.employee import Employee
from crmkit.model.interaction import Interaction
from crmkit.model.merge import Merge
from crmkit.model.owner import reassign
from crmkit.model.preference import Preference
from crmkit.model.records import Value
from crmkit.model.team import Team
from crmkit.testing.strategies import instants, records

KINDS: list[ContactKind] = ["email", "phone", "social", "address", "web"]
POINTS = st.lists(
    st.builds(
        ContactPoint,
        st.sampled_from(["email", "phone"]),
        st.sampled_from(["one", "two", "three"]),
        is_primary=st.booleans(),
        is_invalid=st.booleans(),
    ),
    max_size=6,
)


@pytest.mark.parametrize("name", ["Ann", "สมชาย ใจดี", "Zażółć Gęślą-Jaźń", "Nguyễn", "O'Neil", "d’Artagnan", "李"])
def test_every_name_is_a_name(name: str) -> None:
    assert Customer(kind="person", name=name).name == name


@given(points=POINTS)
def test_at_most_one_point_of_a_kind_is_primary(points: list[ContactPoint]) -> None:
    if all(sum(point.is_primary for point in points if point.kind == kind) <= 1 for kind in KINDS):
        assert Customer(kind="person", name="Ann", contact_points=points).contact_points == tuple(points)
    else:
        with pytest.raises(InvalidRecord, match=r"^Customer.contact_points: two .* one kind are primary; [^:]*$"):
            Customer(kind="person", name="Ann", contact_points=points)


@given(points=POINTS)
def test_the_point_to_use_is_the_primary_one_or_the_first_and_never_an_invalid_one(points: list[ContactPoint]) -> None:
    points = list({(point.kind, point.is_primary or point.value): point for point in points}.values())
    ann = Customer(kind="person", name="Ann", contact_points=points)

    for kind in KINDS:
        usable = [point for point in points if point.kind == kind and not point.is_invalid]
        marked = [point for point in usable if point.is_primary]
        assert primary(ann, kind) == next(iter(marked or usable), None)


def test_members_of_a_family_share_a_telephone() -> None:
    """Behaviour 28: a contact point is not unique."""
    shared = ContactPoint("phone", "+66 2 123 4567", is_primary=True)
    family = [Customer(kind="person", name=name, contact_points=[shared]) for name in ("Somchai", "Somsri")]

    assert [primary(each, "phone") for each in family] == [shared, shared]


@given(customer=records(Customer, owner_id=st.sampled_from([None, "bob"])), at=instants())
def test_nothing_of_the_former_owner_remains_on_the_record(customer: Customer, at: datetime) -> None:
    """Behaviour 32: access follows the owner, and the owner is one field; the ledger has the former one."""
    moved, transition = reassign(customer, "eva", at=at, by="boss", reason="left")

    assert moved == customer.replace(owner_id="eva")
    assert (transition.subject, transition.subject_id) == ("Customer", customer.id)
    assert (transition.field, transition.before, transition.after) == ("owner_id", customer.owner_id, "eva")
    assert (transition.at, transition.by, transition.reason) == (at, "boss", "left")


def test_the_present_owner_is_refused() -> None:
    with pytest.raises(InvalidInput, match="belongs to 'bob' already"):
        reassign(Customer(kind="person", name="Ann", owner_id="bob"), "bob", at=datetime(2025, 3, 1, tzinfo=UTC))


IMPERSONAL: dict[type[Value], set[str]] = {
    Address: {"country"},
    ContactPoint: {"kind", "label", "is_primary", "is_invalid", "invalid_at", "invalid_reason"},
    Preference: {"topic", "unit", "weight", "is_required"},
    Customer: {"kind", "country", "language", "time_zone", "industry", "source", "owner_id"},
    Contact: {"person_id", "organization_id", "role", "is_primary"},
    Consent: {"customer_id", "channel", "purpose", "state", "at", "source"},
    Employee: {"team", "department", "manager_id", "is_active"},
    Team: {"name", "manager_id"},
    Merge: {"subjects", "survivor_id", "loser_ids", "choices", "relinked", "at", "by"},
    Alias: {"subject", "former_id", "survivor_id", "at", "merge_id"},
    Interaction: {
        *("at", "channel", "direction", "kind", "customer_id", "employee_id", "department", "duration_seconds"),
        *("outcome", "sentiment", "interests", "provenance", "lead_id", "deal_id", "ticket_id", "campaign_id"),
    },
}


@pytest.mark.parametrize("cls", IMPERSONAL, ids=lambda cls: cls.__name__)
def test_every_field_about_people_is_marked_personal_unless_listed_here(cls: type[Value]) -> None:
    """Behaviour 40."""
    common = {"id", "created_at", "external_ids", "tags"}

    assert {info.name for info in fields(cls) if not info.personal} - common == IMPERSONAL[cls]
