"""Interactions: every contact between a customer and the business."""

from datetime import datetime
from typing import Literal

from crmkit.model.record import Record, field, record

Channel = Literal["email", "phone", "chat", "sms", "meeting", "social", "web", "app", "form", "post", "visit", "survey"]
Direction = Literal["inbound", "outbound", "internal"]
Provenance = Literal["human", "machine", "unknown"]


@record
class Interaction(Record):
    """One contact at one instant; its content never changes.

    `direction` is seen from the business: "inbound" comes from the customer, "outbound" goes to the customer, and
    "internal" is a note that the customer does not see. `provenance` tells people's messages from automatic ones.
    """

    at: datetime
    channel: Channel
    direction: Direction
    customer_id: str | None = field(default=None, links="Customer")
    employee_id: str | None = field(default=None, links="Employee")
    department: str | None = None
    subject: str | None = field(default=None, personal=True)
    duration_seconds: float | None = field(default=None, category="quantitative")
    outcome: str | None = None
    sentiment: str | None = field(default=None, category="qualitative")
    provenance: Provenance = "human"
    deal_id: str | None = field(default=None, links="Deal")
    ticket_id: str | None = field(default=None, links="Ticket")
