"""Conversion: what a qualified lead becomes, without losing anything that is known."""

from collections.abc import Iterable
from datetime import datetime
from functools import partial
from typing import Any, TypeVar

import attrs

from crmkit.errors import InvalidInput
from crmkit.model.contact_point import ContactPoint
from crmkit.model.customer import Contact, Customer, CustomerKind
from crmkit.model.deal import Deal, DealContact
from crmkit.model.interaction import Interaction
from crmkit.model.lead import Lead, possible_moves, refused
from crmkit.model.owner import reassign
from crmkit.model.pipeline import Pipeline
from crmkit.model.records import Record, fields
from crmkit.model.task import Task
from crmkit.model.transition import Transition, changed

R = TypeVar("R", bound=Record)

_NOTHING: tuple[object, ...] = (None, (), frozenset(), {})
_NOT_CARRIED = {
    *(info.name for info in fields(Record)),
    *("name", "contact_points", "status", "category", "customer_id", "organization_id", "deal_id"),
}
"""Fields of the lead alone, and those that are carried in another way than into a field of the same name."""


@attrs.frozen(kw_only=True)
class Conversion:
    """What a conversion makes. Nothing is kept yet: the caller keeps all of it in one transaction, or nothing.

    `lead` is the converted lead; `customer`, `organization`, `contact` and `deal` are what it became, as they are now.
    Records in `added` are new, those in `updated` replace the ones that were given. `duplicates` are the ids of known
    customers that look like one in `added`; the caller decides whether to keep the conversion, or to convert to one of
    them instead.
    """

    lead: Lead
    customer: Customer | None
    organization: Customer | None
    contact: Contact | None
    deal: Deal | None
    added: tuple[Record, ...]
    updated: tuple[Record, ...]
    transitions: tuple[Transition, ...]
    duplicates: tuple[str, ...]


def convert(
    lead: Lead,
    *,
    at: datetime,
    by: str | None = None,
    reason: str | None = None,
    status: str = "Converted",
    customer: Customer | None = None,
    organization: Customer | None = None,
    contact: Contact | None = None,
    deal: Deal | None = None,
    pipeline: Pipeline | None = None,
    activities: Iterable[Interaction | Task] = (),
    known_customers: Iterable[Customer] = (),
    overwrite_source: bool = False,
) -> Conversion:
    """Make a qualified lead a customer, and a deal if wished; return everything that changes as one value.

    Each target may exist already. Then only its empty fields are filled, from the lead's fields of the same name and
    type, a vertical's own ones too; contact points, tags and run-time fields are added to those that it has. The lead
    itself is kept, with its external ids.

    Args:
        lead: the lead, which must be qualified.
        at, by, reason, status: when, by whom and why it is converted, and its label from then on.
        customer: the person; without one a new person is made where the lead has a `name`.
        organization: the organization; without one a new one is made where the lead has an `organization_name`.
        contact: the link between the two, if there is one; without it one is made where there are both.
        deal: the deal that the lead joins.
        pipeline: where a new deal is made, at the first open stage; without deal and pipeline there is no deal.
        activities: interactions and tasks; those with the `lead_id` of the lead move to the customer and the deal.
        known_customers: where to look for duplicates of the customers that are made.
        overwrite_source: whether the lead's source replaces that of the targets.

    Raises:
        InvalidTransition: for a lead that is not qualified, or is converted already.
        InvalidInput: for a lead without any name and customer, a person as organization or the other way round, a
            contact that links others, a deal together with a pipeline, or a pipeline without an open stage.

    >>> lead = Lead(name="Ann", source="fair", qualified_at=datetime(2025, 5, 1, tzinfo=UTC))
    >>> conversion = convert(lead, at=datetime(2025, 5, 2, tzinfo=UTC))
    >>> conversion.customer.source, conversion.lead.customer_id == conversion.customer.id
    ('fair', True)
    """
    _check(lead, customer, organization, deal, pipeline)
    carry = partial(_carried, lead=lead, overwrite_source=overwrite_source)
    person = carry(customer or _new_customer("person", lead.name, at))
    company = carry(organization or _new_customer("organization", lead.organization_name, at))
    if person:
        person = _joined(person, lead)
    elif company:
        company = _joined(company, lead)
    else:
        raise InvalidInput(f"lead {lead.id!r} has no name to make a customer of; give it one, or give the customer")
    link = _contact(contact, person, company, lead.job_title, at)
    sale = _with_people(carry(deal or _new_deal(pipeline, at)), person, company)
    links = {
        "customer_id": person and person.id,
        "organization_id": company and company.id,
        "deal_id": sale and sale.id,
    }
    converted = lead.replace(status=status, category="converted", converted_at=at, **links)
    became = [(customer, person), (organization, company), (deal, sale), (contact, link)]
    moved = [(activity, _moved(activity, converted)) for activity in activities]
    added = tuple(after for before, after in became if before is None and after is not None)
    when: dict[str, Any] = {"at": at, "by": by, "reason": reason}
    return Conversion(
        lead=converted,
        customer=person,
        organization=company,
        contact=link,
        deal=sale,
        added=added,
        updated=(converted, *(after for before, after in (*became, *moved) if before and after and after != before)),
        transitions=(changed(lead, converted, "status", **when), *_owner_transitions(became, **when)),
        duplicates=_duplicates(added, known_customers),
    )


def _check(
    lead: Lead, customer: Customer | None, organization: Customer | None, deal: Deal | None, pipeline: Pipeline | None
) -> None:
    if "convert" not in possible_moves(lead):
        raise refused(lead, "convert")
    if customer and customer.kind != "person":
        raise InvalidInput(f"customer {customer.id!r} is no person; give it as organization")
    if organization and organization.kind != "organization":
        raise InvalidInput(f"organization {organization.id!r} is a person; give it as customer")
    if deal and pipeline:
        raise InvalidInput("a lead joins a deal or starts one; give either deal or pipeline")


def _new_customer(kind: CustomerKind, name: str | None, at: datetime) -> Customer | None:
    return None if name is None else Customer(kind=kind, name=name, created_at=at)


def _new_deal(pipeline: Pipeline | None, at: datetime) -> Deal | None:
    if pipeline is None:
        return None
    stages = pipeline.labels("open")
    if not stages:
        raise InvalidInput(f"pipeline {pipeline.id!r} has no stage of the category 'open'; add one")
    return Deal(pipeline_id=pipeline.id, stage=stages[0], created_at=at)


def _carried(target: R | None, lead: Lead, *, overwrite_source: bool) -> R | None:
    """The target with the lead's facts in those of its empty fields that have the same name and type."""
    if target is None:
        return None
    theirs = {info.name: info.shape for info in fields(type(target)) if info.name not in _NOT_CARRIED}
    facts = {info.name: getattr(lead, info.name) for info in fields(type(lead)) if theirs.get(info.name) == info.shape}
    carried = {
        name: fact
        for name, fact in facts.items()
        if fact not in _NOTHING and (getattr(target, name) in _NOTHING or (name == "source" and overwrite_source))
    }
    return target.replace(**carried)


def _joined(customer: Customer, lead: Lead) -> Customer:
    """The customer with the lead's contact points, tags and run-time fields besides its own."""
    points = list(customer.contact_points)
    for point in lead.contact_points:
        if (point.kind, point.value) not in [(other.kind, other.value) for other in points]:
            has_primary = any(other.is_primary and other.kind == point.kind for other in points)
            points.append(point.replace(is_primary=point.is_primary and not has_primary))
    missing = {name: each for name, each in lead.custom.items() if customer.custom.get(name) is None}
    return customer.replace(
        contact_points=points, tags=customer.tags | lead.tags, custom={**customer.custom, **missing}
    )


def _contact(
    contact: Contact | None, person: Customer | None, company: Customer | None, role: str | None, at: datetime
) -> Contact | None:
    """The link between the two, with the lead's job title as role where it has none."""
    if contact is None and person and company:
        return Contact(person_id=person.id, organization_id=company.id, role=role, created_at=at)
    if contact is None:
        return None
    if (contact.person_id, contact.organization_id) != (person and person.id, company and company.id):
        raise InvalidInput(f"contact {contact.id!r} links others; give that of the customer and the organization")
    return contact.replace(role=contact.role or role)


def _with_people(deal: Deal | None, person: Customer | None, company: Customer | None) -> Deal | None:
    """The deal of the organization, or else of the person, or of whose it is, with the person among its contacts."""
    if deal is None:
        return None
    buyer = company or person
    deal = deal.replace(customer_id=deal.customer_id or (buyer and buyer.id))
    if person is None or person.id in {deal.customer_id, *(contact.customer_id for contact in deal.contacts)}:
        return deal
    is_primary = not any(contact.is_primary for contact in deal.contacts)
    return deal.replace(contacts=(*deal.contacts, DealContact(person.id, is_primary=is_primary)))


def _moved(activity: Interaction | Task, lead: Lead) -> Interaction | Task:
    """The activity with what its lead became where it has no customer or deal; that of another lead as it is."""
    if activity.lead_id != lead.id:
        return activity
    customer_id = activity.customer_id or lead.customer_id or lead.organization_id
    return activity.replace(customer_id=customer_id, deal_id=activity.deal_id or lead.deal_id)


def _owner_transitions(became: Iterable[tuple[Any, Any]], **when: Any) -> tuple[Transition, ...]:
    """The transitions of the given records that had no owner and got the lead's."""
    return tuple(
        reassign(before, after.owner_id, **when)[1]
        for before, after in became
        if before and getattr(before, "owner_id", None) != getattr(after, "owner_id", None)
    )


def _duplicates(added: Iterable[Record], known: Iterable[Customer]) -> tuple[str, ...]:
    made = [each for each in added if isinstance(each, Customer)]
    return tuple(sorted({other.id for other in known if any(_is_alike(one, other) for one in made)}))


def _is_alike(one: Customer, other: Customer) -> bool:
    """Whether two of one kind have the same name, or a way to reach them in common, in any case of letters."""
    marks, others = ({customer.name.casefold(), *map(_way, customer.contact_points)} for customer in (one, other))
    return one.kind == other.kind and not marks.isdisjoint(others)


def _way(point: ContactPoint) -> tuple[str, str]:
    return point.kind, point.value.casefold()
