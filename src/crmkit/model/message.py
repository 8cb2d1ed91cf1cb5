"""Messages: what was sent to one recipient, and how far it came."""

from collections.abc import Iterable
from datetime import datetime
from typing import Literal, get_args

from crmkit.errors import InvalidInput, InvalidTransition, choices
from crmkit.model.interaction import Channel
from crmkit.model.records import Record, field, record
from crmkit.model.transition import Transition, changed

MessageEvent = Literal[
    "sent", "delivered", "bounced", "opened", "clicked", "replied", "converted", "unsubscribed", "complained"
]
"""What can happen to a message, each more telling than those before it: an open proves that what bounced arrived."""

MessageCategory = Literal[
    "skipped",
    "queued",
    "sent",
    "delivered",
    "bounced",
    "opened",
    "clicked",
    "replied",
    "converted",
    "unsubscribed",
    "complained",
]

MessageProvenance = Literal["human", "machine"]

_RANK = {category: rank for rank, category in enumerate(get_args(MessageCategory))}
_ALSO: dict[MessageEvent, tuple[MessageEvent, ...]] = {"clicked": ("opened",), "replied": ("opened",)}


@record
class Message(Record):
    """One message to one recipient. `address` is the one it went to, whatever the customer's is by now.

    `category` is the most telling thing that happened, and each instant the earliest of its kind; `record_event` and
    `skip` alone change them. Opens and clicks by machines, such as a mail scanner, have instants of their own and tell
    nothing. `skip_reason` says why a message was never sent.
    """

    channel: Channel
    campaign_id: str | None = field(default=None, links="Campaign")
    customer_id: str | None = field(default=None, links="Customer")
    address: str | None = field(default=None, category="identity", personal=True)
    category: MessageCategory = "queued"
    queued_at: datetime | None = None
    sent_at: datetime | None = None
    delivered_at: datetime | None = None
    bounced_at: datetime | None = None
    opened_at: datetime | None = None
    clicked_at: datetime | None = None
    replied_at: datetime | None = None
    converted_at: datetime | None = None
    unsubscribed_at: datetime | None = None
    complained_at: datetime | None = None
    opened_by_machine_at: datetime | None = None
    clicked_by_machine_at: datetime | None = None
    skipped_at: datetime | None = None
    skip_reason: str | None = None


def record_event(
    message: Message,
    event: MessageEvent,
    *,
    at: datetime,
    provenance: MessageProvenance = "human",
    by: str | None = None,
    reason: str | None = None,
) -> tuple[Message, Transition | None]:
    """Note what happened to a message; return the message and its transition, or None where its category stays.

    The order in which events become known does not matter, nor how often one does: a late "delivered" keeps its instant
    and leaves a click a click. A click or a reply is an open too. Raises `InvalidTransition` for a message that was
    skipped, and `InvalidInput` for an unknown word or a machine that does anything but open or click.

    >>> clicked, _ = record_event(Message(channel="email"), "clicked", at=datetime(2025, 5, 2, tzinfo=UTC))
    >>> late, transition = record_event(clicked, "delivered", at=datetime(2025, 5, 1, tzinfo=UTC))
    >>> late.category, late.delivered_at.day, transition
    ('clicked', 1, None)
    """
    for name, word, known in (("event", event, MessageEvent), ("provenance", provenance, MessageProvenance)):
        if word not in get_args(known):
            raise InvalidInput(f"{name}={word!r} is unknown; {choices(word, get_args(known))}")
    if message.category == "skipped":
        raise InvalidTransition(f"message {message.id!r} was skipped and cannot be {event}")
    if provenance == "machine":
        if event not in ("opened", "clicked"):
            raise InvalidInput(f"provenance='machine' says nothing of {event!r}; give it for 'opened' or 'clicked'")
        return _stamped(message, at, [f"{event}_by_machine_at"]), None
    stamped = _stamped(message, at, [f"{each}_at" for each in (event, *_ALSO.get(event, ()))])
    if _RANK[event] <= _RANK[message.category]:
        return stamped, None
    moved = stamped.replace(category=event)
    return moved, changed(message, moved, "category", at=at, by=by, reason=reason)


def skip(message: Message, reason: str, *, at: datetime, by: str | None = None) -> tuple[Message, Transition]:
    """Note that a queued message is not sent, and why: "opted out", "duplicate address", "erased".

    Raises `InvalidTransition` for a message that is not queued.
    """
    if message.category != "queued":
        possible = () if message.category == "skipped" else ("record_event",)
        raise InvalidTransition(f"message {message.id!r} is {message.category} and cannot be skipped", possible)
    skipped = message.replace(category="skipped", skipped_at=at, skip_reason=reason)
    return skipped, changed(message, skipped, "category", at=at, by=by, reason=reason)


def _stamped(message: Message, at: datetime, names: Iterable[str]) -> Message:
    """Return the message with an instant in these fields, except where there is an earlier one."""
    names = tuple(names)
    stamped = message.replace(**dict.fromkeys(names, at))
    known = {name: getattr(message, name) for name in names if getattr(message, name) is not None}
    return stamped.replace(**{name: min(before, getattr(stamped, name)) for name, before in known.items()})
