"""Consent: the dated ledger of what customers allow, and whether a customer may be contacted."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Literal

import attrs

from crmkit.model.contact_point import ContactKind, ContactPoint
from crmkit.model.customer import Customer, primary
from crmkit.model.interaction import Channel
from crmkit.model.records import Record, field, record

ConsentState = Literal["granted", "withdrawn", "pending"]
Obstacle = Literal["withdrawn", "pending", "no consent", "bounced", "invalid", "no contact point"]

_POINT_OF: Mapping[Channel, ContactKind] = {
    "email": "email",
    "phone": "phone",
    "sms": "phone",
    "social": "social",
    "post": "address",
}


@record
class Consent(Record):
    """What a customer said, at one instant, about being contacted on a channel for a purpose.

    The purpose is the business's own word, such as "newsletter". A consent is pending until the customer confirms it
    (double opt-in). Entries are never changed or deleted, and a withdrawal is an entry too; `evidence` says what proves it.
    """

    customer_id: str = field(links="Customer")
    channel: Channel
    purpose: str
    state: ConsentState
    at: datetime
    evidence: str | None = field(default=None, personal=True)
    source: str | None = None


@attrs.frozen
class Permission:
    """Whether a customer may be contacted: true where there is no obstacle.

    `point` is where; it is None with an obstacle, and for a channel that needs none, such as an app.
    """

    obstacle: Obstacle | None = None
    point: ContactPoint | None = None

    def __bool__(self) -> bool:
        """Whether the customer may be contacted."""
        return self.obstacle is None


def consent_on(
    consents: Iterable[Consent], customer_id: str, channel: Channel, purpose: str, *, as_of: datetime
) -> Consent | None:
    """Return the entry that holds for a customer, channel and purpose at an instant; None where there is none.

    The latest explicit entry wins, that is, the latest that grants or withdraws. Of two at the same instant the
    withdrawal wins, then the larger id. A pending one holds only while there is no explicit one, because somebody else
    may have typed the customer's address.

    >>> day = datetime(2025, 3, 1, tzinfo=UTC)
    >>> yes = Consent(customer_id="ann", channel="email", purpose="newsletter", state="granted", at=day)
    >>> consent_on([yes], "ann", "email", "newsletter", as_of=day) == yes
    True
    >>> consent_on([yes], "ann", "sms", "newsletter", as_of=day)
    """
    about = (customer_id, channel, purpose)
    entries = [
        entry for entry in consents if (entry.customer_id, entry.channel, entry.purpose) == about and entry.at <= as_of
    ]
    return max(entries, key=_weight, default=None)


def _weight(entry: Consent) -> tuple[bool, datetime, bool, str]:
    return entry.state != "pending", entry.at, entry.state == "withdrawn", entry.id


def may_contact(
    customer: Customer,
    consents: Iterable[Consent],
    channel: Channel,
    purpose: str,
    *,
    as_of: datetime,
    needs_consent: bool = True,
) -> Permission:
    """Return whether a customer may be contacted on a channel for a purpose, and at which contact point.

    The consent is judged first, by `consent_on`, then the contact point that the channel needs. With `needs_consent=False`,
    for messages that the law allows unasked, silence is consent, and a withdrawal is still a withdrawal.

    >>> ann = Customer(id="ann", kind="person", name="Ann", contact_points=[ContactPoint("email", "ann@example.com")])
    >>> may_contact(ann, [], "email", "newsletter", as_of=datetime(2025, 3, 1, tzinfo=UTC)).obstacle
    'no consent'
    """
    consent = consent_on(consents, customer.id, channel, purpose, as_of=as_of)
    if consent is not None and consent.state == "withdrawn":
        return Permission("withdrawn")
    if needs_consent and (consent is None or consent.state == "pending"):
        return Permission("pending" if consent else "no consent")
    kind = _POINT_OF.get(channel)
    return _reached(customer, kind) if kind else Permission()


def _reached(customer: Customer, kind: ContactKind) -> Permission:
    point = primary(customer, kind)
    if point is not None:
        return Permission(point=point)
    reasons = [point.invalid_reason for point in customer.contact_points if point.kind == kind]
    if not reasons:
        return Permission("no contact point")
    return Permission("bounced" if "bounced" in reasons else "invalid")
