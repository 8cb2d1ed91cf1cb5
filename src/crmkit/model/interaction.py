"""Interactions: every contact between a customer and the business."""

from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from datetime import datetime
from typing import Literal

from crmkit.model.records import Record, field, record

Channel = Literal["email", "phone", "chat", "sms", "meeting", "social", "web", "app", "form", "post", "visit", "survey"]
Direction = Literal["inbound", "outbound", "internal"]
Provenance = Literal["human", "machine", "unknown"]


@record
class Interaction(Record):
    """One contact at one instant; its content never changes.

    `direction` is seen from the business: "inbound" comes from the customer, "outbound" goes to the customer, and
    "internal" is a note that the customer does not see. `provenance` tells people's messages from automatic ones.
    `kind` is the business's own word for what happened, such as "trial class"; `interests` are the topics that the
    customer asked or looked for. `visitor_id` is what tells an anonymous visitor apart, such as a cookie, until `claim`
    finds the customer.
    """

    at: datetime
    channel: Channel
    direction: Direction
    kind: str | None = None
    customer_id: str | None = field(default=None, links="Customer")
    visitor_id: str | None = field(default=None, category="identity", personal=True, title="Visitor")
    employee_id: str | None = field(default=None, links="Employee")
    department: str | None = None
    subject: str | None = field(default=None, personal=True)
    body: str | None = field(default=None, personal=True)
    duration_seconds: float | None = field(default=None, category="quantitative")
    outcome: str | None = None
    sentiment: str | None = field(default=None, category="qualitative")
    interests: AbstractSet[str] = field(default=frozenset(), category="qualitative")
    provenance: Provenance = "human"
    lead_id: str | None = field(default=None, links="Lead")
    deal_id: str | None = field(default=None, links="Deal")
    ticket_id: str | None = field(default=None, links="Ticket")
    campaign_id: str | None = field(default=None, links="Campaign")


def claim(
    interactions: Iterable[Interaction], visitor_id: str, customer_id: str, *, as_of: datetime
) -> tuple[Interaction, ...]:
    """Return a visitor's interactions up to an instant with the customer who turned out to be the visitor.

    Only those that change are returned, in the given order: an interaction that has a customer keeps that one, since
    people share devices. Later interactions of the visitor are somebody's to claim again.

    >>> noon = datetime(2025, 3, 1, 12, tzinfo=UTC)
    >>> page = Interaction(at=noon, channel="web", direction="inbound", visitor_id="cookie-1")
    >>> [each.customer_id for each in claim([page], "cookie-1", "ann", as_of=noon)]
    ['ann']
    """
    return tuple(
        each.replace(customer_id=customer_id)
        for each in interactions
        if each.visitor_id == visitor_id and each.customer_id is None and each.at <= as_of
    )
