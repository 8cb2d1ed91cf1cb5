"""Customers: the people and organizations that a business serves, and the links between them."""

from collections.abc import Sequence
from datetime import date
from typing import Literal

from crmkit.errors import InvalidRecord
from crmkit.model.contact_point import ContactKind, ContactPoint
from crmkit.model.preference import Preference
from crmkit.model.records import Record, field, record

CustomerKind = Literal["person", "organization"]


@record
class Customer(Record):
    """A person or an organization; one that has not bought yet is a customer too.

    `name` is how the customer is called in full, one word or many. `language` is a tag such as "th" or "pt-BR",
    `time_zone` a name such as "Europe/Warsaw". At most one contact point of a kind is primary; a second one raises
    `InvalidRecord`. The owner changes through `crmkit.model.owner.reassign`; access that follows the owner needs no other field.

    >>> ann = Customer(kind="person", name="Ann", contact_points=[ContactPoint("email", "ann@example.com")])
    >>> ann.contact_points[0].kind
    'email'
    """

    kind: CustomerKind
    name: str = field(category="identity", personal=True)
    given_name: str | None = field(default=None, category="identity", personal=True)
    family_name: str | None = field(default=None, category="identity", personal=True)
    birth_on: date | None = field(default=None, personal=True, title="Date of birth")
    contact_points: Sequence[ContactPoint] = field(default=(), category="identity", personal=True)
    country: str | None = None
    city: str | None = field(default=None, personal=True)
    language: str | None = None
    time_zone: str | None = None
    industry: str | None = None
    source: str | None = None
    preferences: Sequence[Preference] = field(default=(), category="qualitative", personal=True)
    owner_id: str | None = field(default=None, links="Employee")

    def __attrs_post_init__(self) -> None:
        """Check that no kind of contact point has two primary ones."""
        primary_kinds = [point.kind for point in self.contact_points if point.is_primary]
        if len(set(primary_kinds)) < len(primary_kinds):
            raise InvalidRecord(
                "Customer.contact_points: two points of one kind are primary; mark at most one of each kind"
            )


@record
class Contact(Record):
    """A link that says in which role a person acts for an organization."""

    person_id: str = field(links="Customer")
    organization_id: str = field(links="Customer")
    role: str | None = None
    is_primary: bool = False


def primary(customer: Customer, kind: ContactKind) -> ContactPoint | None:
    """Return the contact point of a kind to use: the primary one, or else the first; None where no valid one is.

    >>> home = ContactPoint("phone", "+48 22 123 45 67")
    >>> mobile = ContactPoint("phone", "+48 501 234 567", is_primary=True)
    >>> ann = Customer(kind="person", name="Ann", contact_points=[home, mobile])
    >>> primary(ann, "phone") == mobile, primary(ann, "email")
    (True, None)
    """
    valid = (point for point in customer.contact_points if point.kind == kind and not point.is_invalid)
    return max(valid, key=lambda point: point.is_primary, default=None)
