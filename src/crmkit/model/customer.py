"""Customers: the people and organizations that a business serves, and the links between them."""

from datetime import date
from typing import Literal

from crmkit.model.record import Record, field, record

CustomerKind = Literal["person", "organization"]


@record
class Customer(Record):
    """A person or an organization; one that has not bought yet is a customer too.

    >>> Customer(id="ann", kind="person", name="Ann Kowalska").kind
    'person'
    """

    kind: CustomerKind
    name: str = field(category="identity", personal=True)
    birth_on: date | None = field(default=None, personal=True, title="Date of birth")
    country: str | None = None
    city: str | None = field(default=None, personal=True)
    industry: str | None = None
    source: str | None = None
    owner_id: str | None = field(default=None, links="Employee")


@record
class Contact(Record):
    """A link that says in which role a person acts for an organization."""

    person_id: str = field(links="Customer")
    organization_id: str = field(links="Customer")
    role: str | None = None
    is_primary: bool = False
