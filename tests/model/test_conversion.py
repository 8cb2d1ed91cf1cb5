"""Conversion (behaviour 30): fill only what is empty, move the activities, keep the lead, lose nothing."""

from datetime import UTC, datetime
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmkit.errors import InvalidInput, InvalidTransition
from crmkit.model.contact_point import ContactPoint
from crmkit.model.conversion import Conversion, convert
from crmkit.model.customer import Contact, Customer
from crmkit.model.deal import Deal, DealContact
from crmkit.model.interaction import Interaction
from crmkit.model.lead import Lead
from crmkit.model.pipeline import Pipeline, Stage
from crmkit.model.records import fields, record
from crmkit.model.task import Task
from crmkit.testing.strategies import records

MAY = datetime(2025, 5, 1, 12, tzinfo=UTC)
JUNE = datetime(2025, 6, 1, 12, tzinfo=UTC)
GYM = Pipeline(id="gym", stages=[Stage("Lost", "lost"), Stage("Trial", "open"), Stage("Offer", "open")])
ANN = Customer(id="ann", kind="person", name="Ann")
ACME = Customer(id="acme", kind="organization", name="Acme")
LEAD = Lead(id="l1", name="Ann", qualified_at=MAY)

few_words = st.sampled_from(["a", "b"])
maybe = st.none() | few_words
points = st.lists(
    st.builds(ContactPoint, st.sampled_from(["email", "phone"]), few_words, is_primary=st.booleans()), max_size=3
)
customer_points: st.SearchStrategy[list[ContactPoint]] = st.just([]) | points.filter(
    lambda drawn: sum(point.is_primary for point in drawn) <= 1
)
custom = st.dictionaries(few_words, st.none() | st.integers(0, 1))
leads = records(
    Lead,
    category=st.just("open"),
    qualified_at=st.just(MAY),
    name=few_words,
    contact_points=points,
    source=maybe,
    owner_id=maybe,
    tags=st.sets(few_words),
    custom=custom,
)


def _customers(kind: str) -> st.SearchStrategy[Customer]:
    return st.builds(
        Customer,
        id=st.just(kind),
        kind=st.just(kind),
        name=few_words,
        source=maybe,
        owner_id=maybe,
        contact_points=customer_points,
        tags=st.sets(few_words),
        custom=custom,
    )


def _contacts() -> st.SearchStrategy[list[DealContact]]:
    contacts = st.builds(DealContact, st.sampled_from(["person", "bob"]), is_primary=st.booleans())
    return st.lists(contacts, max_size=1)


deals = records(Deal, id=st.just("d1"), source=maybe, owner_id=maybe, customer_id=maybe, contacts=_contacts())
targets = st.fixed_dictionaries(
    {
        "customer": st.none() | _customers("person"),
        "organization": st.none() | _customers("organization"),
        "deal": st.none() | deals,
        "overwrite_source": st.booleans(),
    }
)


def _parts(conversion: Conversion) -> dict[str, Any]:
    return {name: getattr(conversion, name) for name in ("customer", "organization", "deal", "contact")}


@given(leads, targets)
def test_no_fact_of_the_lead_is_lost(lead: Lead, given_: dict[str, Any]) -> None:
    conversion = convert(lead, at=JUNE, by="eve", **given_)
    person, company, deal = conversion.customer, conversion.organization, conversion.deal

    assert person is not None
    assert (person.kind, given_["customer"] is not None or person.name == lead.name) == ("person", True)
    assert {(point.kind, point.value) for point in lead.contact_points} <= {
        (point.kind, point.value) for point in person.contact_points
    }
    assert lead.tags <= person.tags
    assert all(person.custom[name] is not None or each is None for name, each in lead.custom.items())
    assert given_["customer"] or person.custom == lead.custom
    if lead.organization_name:
        assert company is not None
        assert given_["organization"] or company.name == lead.organization_name
    if company:
        assert conversion.contact is not None
        assert (conversion.contact.person_id, conversion.contact.organization_id) == (person.id, company.id)
        assert conversion.contact.role == lead.job_title
    for target in filter(None, (person, company, deal)):
        for name in {"source", "owner_id", "campaign_id", "first_responded_at"} & {
            info.name for info in fields(type(target))
        }:
            assert getattr(target, name) is not None or getattr(lead, name) is None
    changed = {"status": lead.status, "category": "open", "converted_at": lead.converted_at}
    links = {name: getattr(lead, name) for name in ("customer_id", "organization_id", "deal_id")}
    assert conversion.lead.replace(**changed, **links) == lead


@given(leads, targets)
def test_nothing_that_a_target_says_is_changed(lead: Lead, given_: dict[str, Any]) -> None:
    conversion = convert(lead, at=JUNE, **given_)

    for name, after in _parts(conversion).items():
        before = given_.get(name)
        for info in fields(type(before)) if before else ():
            was, now = getattr(before, info.name), getattr(after, info.name)
            if info.name == "source" and given_["overwrite_source"]:
                assert now == (lead.source or was)
            elif info.shape.kind == "mapping":
                assert {key: now[key] for key, each in was.items() if each is not None}.items() <= was.items()
            elif info.shape.kind == "texts" and info.shape.is_set:
                assert was <= now
            elif isinstance(was, tuple):
                assert now[: len(was)] == was
            else:
                assert was in (None, now)


@given(leads, targets, st.sampled_from([None, GYM]))
def test_everything_that_changes_is_returned_once(
    lead: Lead, given_: dict[str, Any], pipeline: Pipeline | None
) -> None:
    pipeline = None if given_["deal"] else pipeline
    conversion = convert(lead, at=JUNE, by="eve", reason="signed", pipeline=pipeline, **given_)
    parts = _parts(conversion)

    assert list(conversion.added) == [part for name, part in parts.items() if part and not given_.get(name)]
    assert {each.created_at for each in conversion.added} <= {JUNE}
    names = {part.id: name for name, part in parts.items() if part}
    changed = [part for name, part in parts.items() if given_.get(name) and part != given_[name]]
    assert list(conversion.updated) == [conversion.lead, *changed]
    converted, *others = conversion.transitions
    assert (converted.subject_id, converted.field, converted.category_after) == (lead.id, "status", "converted")
    assert (converted.at, converted.by, converted.reason) == (JUNE, "eve", "signed")
    unowned = [each for each in changed if lead.owner_id and not given_[names[each.id]].owner_id]
    assert [(each.subject_id, each.field, each.before, each.after) for each in others] == [
        (each.id, "owner_id", None, lead.owner_id) for each in unowned
    ]
    ids = {name: part and part.id for name, part in parts.items()}
    assert (conversion.lead.customer_id, conversion.lead.organization_id) == (ids["customer"], ids["organization"])
    assert (conversion.lead.deal_id, conversion.lead.converted_at) == (ids["deal"], JUNE)


@given(leads, targets)
def test_the_same_lead_again_would_add_nothing_to_what_it_became(lead: Lead, given_: dict[str, Any]) -> None:
    first = convert(lead, at=JUNE, pipeline=None if given_["deal"] else GYM, **given_)
    again = convert(lead, at=JUNE, **_parts(first))

    assert (again.added, again.updated) == ((), (again.lead,))
    assert _parts(again) == _parts(first)


def test_a_converted_lead_is_not_converted_again() -> None:
    converted = convert(LEAD, at=JUNE).lead

    with pytest.raises(InvalidTransition, match=r"^lead 'l1' at 'Converted' .*; possible from here: nothing$"):
        convert(converted, at=JUNE)


def test_the_activities_of_a_lead_move_to_what_it_became_and_keep_where_they_came_from() -> None:
    mail = Interaction(id="1", at=MAY, channel="email", direction="inbound", lead_id="l1")
    call = Task(id="4", kind="call", lead_id="l1")
    shared = mail.replace(id="2", customer_id="bob", deal_id="d9")
    other = mail.replace(id="3", lead_id="l2")
    conversion = convert(
        LEAD,
        at=JUNE,
        customer=ANN,
        deal=Deal(id="d1", pipeline_id="gym", stage="Trial"),
        activities=[mail, shared, other, call],
    )

    moved = [each for each in conversion.updated if isinstance(each, Interaction | Task)]
    assert moved == [each.replace(customer_id="ann", deal_id="d1") for each in (mail, call)]
    assert convert(LEAD, at=JUNE, customer=ANN, activities=moved).updated[1:] == ()


def test_activities_of_a_lead_without_a_person_move_to_the_organization() -> None:
    mail = Interaction(id="1", at=MAY, channel="email", direction="inbound", lead_id="l1")
    lead = LEAD.replace(name=None, contact_points=[ContactPoint("email", "office@acme.example")], tags={"fair"})
    conversion = convert(lead, at=JUNE, organization=ACME, pipeline=GYM, activities=[mail])

    assert (conversion.customer, conversion.contact) == (None, None)
    assert conversion.organization == ACME.replace(contact_points=lead.contact_points, tags={"fair"})
    assert conversion.updated[-1] == mail.replace(customer_id="acme", deal_id=conversion.lead.deal_id)


def test_a_new_deal_is_at_the_first_open_stage_with_the_response_time_of_the_lead() -> None:
    lead = LEAD.replace(first_responded_at=MAY, campaign_id="c1", organization_name="Acme")
    private = convert(LEAD, at=JUNE, customer=ANN, pipeline=GYM).deal
    business = convert(lead, at=JUNE, customer=ANN, organization=ACME, pipeline=GYM).deal

    assert private is not None
    assert business is not None
    assert (private.stage, private.category, private.customer_id, private.contacts) == ("Trial", "open", "ann", ())
    assert (business.first_responded_at, business.campaign_id, business.customer_id) == (MAY, "c1", "acme")
    assert business.contacts == (DealContact("ann", is_primary=True),)


def test_a_lead_joins_an_existing_deal_without_a_second_contact_or_primary_one() -> None:
    deal = Deal(pipeline_id="gym", stage="Offer", customer_id="acme", contacts=[DealContact("bob", is_primary=True)])
    joined = convert(LEAD, at=JUNE, customer=ANN, deal=deal).deal

    assert joined is not None
    assert joined == deal.replace(contacts=[*deal.contacts, DealContact("ann")])
    assert convert(LEAD, at=JUNE, customer=ANN, deal=joined).deal == joined


def test_a_job_title_fills_the_role_of_an_existing_link() -> None:
    link, lead = Contact(person_id="ann", organization_id="acme"), LEAD.replace(job_title="Buyer")
    boss = link.replace(role="Boss")
    both: dict[str, Any] = {"at": JUNE, "customer": ANN, "organization": ACME}

    assert convert(lead, contact=link, **both).contact == link.replace(role="Buyer")
    assert convert(lead, contact=boss, **both).contact == boss


def test_a_run_time_field_is_filled_where_it_is_empty() -> None:
    lead, ann = LEAD.replace(custom={"size": "M", "goal": "run"}), ANN.replace(custom={"size": "L", "goal": None})
    customer = convert(lead, at=JUNE, customer=ann).customer

    assert customer == ann.replace(custom={"size": "L", "goal": "run"})


@record
class Enquiry(Lead):
    """A vertical's lead."""

    goal: str | None = None
    weight: float | None = None


@record
class Member(Customer):
    """A vertical's customer; its weight is of another type."""

    goal: str | None = None
    weight: str | None = None


def test_the_fields_of_a_vertical_are_carried_to_those_of_the_same_name_and_type() -> None:
    enquiry = Enquiry(name="Ann", qualified_at=MAY, goal="run", weight=61.5)
    member = convert(enquiry, at=JUNE, customer=Member(kind="person", name="Ann")).customer

    assert isinstance(member, Member)
    assert (member.goal, member.weight) == ("run", None)


def test_customers_that_look_like_a_new_one_are_reported_in_any_order() -> None:
    """Behaviour 28: they are a warning and no ban, since families share a phone."""
    lead = LEAD.replace(
        organization_name="ACME", contact_points=[ContactPoint("phone", "501"), ContactPoint("email", "A@x.th")]
    )
    known = [
        ANN.replace(id="same name", name="ANN"),
        ANN.replace(id="same phone", name="Bob", contact_points=[ContactPoint("phone", "501")]),
        ANN.replace(id="same mail", name="Bob", contact_points=[ContactPoint("email", "a@X.th")]),
        ANN.replace(id="number is a handle", name="Bob", contact_points=[ContactPoint("social", "501")]),
        ACME.replace(id="company"),
        ACME.replace(id="named like a person", name="Ann"),
    ]
    shuffled = Random(1).sample(known, len(known))

    assert convert(lead, at=JUNE, known_customers=iter(shuffled)).duplicates == (
        "company",
        "same mail",
        "same name",
        "same phone",
    )
    assert convert(lead, at=JUNE, customer=ANN, known_customers=known).duplicates == ("company",)
    assert convert(lead, at=JUNE, customer=ANN, organization=ACME, known_customers=known).duplicates == ()


@pytest.mark.parametrize(
    ("lead", "wrong", "message"),
    [
        (LEAD.replace(name=None), {}, "lead 'l1' has no name"),
        (LEAD, {"customer": ACME}, "customer 'acme' is no person; give it as organization"),
        (LEAD, {"organization": ANN}, "organization 'ann' is a person; give it as customer"),
        (LEAD, {"deal": Deal(pipeline_id="gym", stage="Trial"), "pipeline": GYM}, "either deal or pipeline"),
        (LEAD, {"pipeline": GYM.replace(stages=GYM.stages[:1])}, "no stage of the category 'open'"),
        (LEAD, {"contact": Contact(id="c1", person_id="bob", organization_id="acme")}, "contact 'c1' links others"),
    ],
)
def test_what_cannot_be_converted_is_refused(lead: Lead, wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        convert(lead, at=JUNE, **wrong)
