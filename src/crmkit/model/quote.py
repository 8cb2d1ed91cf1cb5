"""Quotes: prices offered to a customer until a day, and the moves that change their status."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, tzinfo
from typing import Any, Literal

import attrs

from crmkit.errors import InvalidInput, InvalidTransition
from crmkit.model.identity import new_id
from crmkit.model.line import Line
from crmkit.model.money import Money
from crmkit.model.records import Record, field, record
from crmkit.model.shape import FrozenDict
from crmkit.model.transition import Transition, changed

QuoteCategory = Literal["draft", "sent", "accepted", "declined", "expired", "withdrawn"]

_MOVES: Mapping[QuoteCategory, tuple[str, ...]] = {
    "draft": ("send", "withdraw"),
    "sent": ("accept", "decline", "expire", "withdraw", "revise"),
    "accepted": (),
    "declined": ("revise",),
    "expired": ("revise",),
    "withdrawn": ("revise",),
}


@record
class Quote(Record):
    """An offer of lines at prices. A draft may be edited freely; what was sent stays as the customer saw it.

    `amount` is what the customer is to pay, which may differ from the total of the lines. `valid_until_on` is the last
    day on which the customer can accept; without one the quote does not expire. `decided_at` is when the customer
    accepted or declined. `revision_of_id` is the quote that this one replaces. `status` is the business's own label and
    `category` what it means; they change through `send`, `accept`, `decline`, `expire`, `withdraw` and `revise` alone.
    """

    status: str = "Draft"
    category: QuoteCategory = "draft"
    number: str | None = field(default=None, category="identity", unique=True)
    deal_id: str | None = field(default=None, links="Deal")
    customer_id: str | None = field(default=None, links="Customer")
    revision_of_id: str | None = field(default=None, links="Quote")
    lines: Sequence[Line] = ()
    amount: Money | None = field(default=None, category="quantitative")
    valid_until_on: date | None = None
    sent_at: datetime | None = None
    decided_at: datetime | None = None


Moved = tuple[Quote, Transition]


@attrs.frozen
class Revision:
    """What `revise` makes: the old quote as it is now, the new one, and the transitions of the old one."""

    old: Quote
    new: Quote
    transitions: tuple[Transition, ...]


def possible_moves(quote: Quote) -> tuple[str, ...]:
    """Return the names of the moves that the quote's state allows; `expire` has to wait for its day too.

    >>> possible_moves(Quote())
    ('send', 'withdraw')
    """
    moves = _MOVES[quote.category]
    return moves if quote.valid_until_on else tuple(move for move in moves if move != "expire")


def send(
    quote: Quote, *, at: datetime, status: str = "Sent", by: str | None = None, reason: str | None = None
) -> Moved:
    """Send a draft to the customer; return the quote and its transition.

    Raises `InvalidTransition` for a quote that is no draft.

    >>> quote, transition = send(Quote(), at=datetime(2025, 5, 1, tzinfo=UTC))
    >>> quote.category, transition.before
    ('sent', 'Draft')
    """
    _allow(quote, "send")
    return _moved(quote, at=at, by=by, reason=reason, status=status, category="sent", sent_at=at)


def accept(
    quote: Quote, *, at: datetime, status: str = "Accepted", by: str | None = None, reason: str | None = None
) -> Moved:
    """Note that the customer accepted a sent quote, which is final; return the quote and its transition.

    Raises `InvalidTransition` for a quote that is not sent; one that has expired needs a revision.

    >>> quote, _ = send(Quote(), at=datetime(2025, 5, 1, tzinfo=UTC))
    >>> accept(quote, at=datetime(2025, 5, 2, tzinfo=UTC))[0].category
    'accepted'
    """
    _allow(quote, "accept")
    return _moved(quote, at=at, by=by, reason=reason, status=status, category="accepted", decided_at=at)


def decline(
    quote: Quote, *, at: datetime, status: str = "Declined", by: str | None = None, reason: str | None = None
) -> Moved:
    """Note that the customer declined a sent quote; return the quote and its transition.

    Raises `InvalidTransition` for a quote that is not sent.

    >>> quote, _ = send(Quote(), at=datetime(2025, 5, 1, tzinfo=UTC))
    >>> decline(quote, reason="price", at=datetime(2025, 5, 2, tzinfo=UTC))[1].reason
    'price'
    """
    _allow(quote, "decline")
    return _moved(quote, at=at, by=by, reason=reason, status=status, category="declined", decided_at=at)


def expire(
    quote: Quote,
    *,
    at: datetime,
    tz: tzinfo,
    status: str = "Expired",
    by: str | None = None,
    reason: str | None = None,
) -> Moved:
    """Close a sent quote whose last day is over at `at` in the zone `tz`; return the quote and its transition.

    Raises `InvalidTransition` for a quote that is not sent or has no last day, and `InvalidInput` while it is still
    valid.

    >>> quote, _ = send(Quote(valid_until_on=date(2025, 5, 31)), at=datetime(2025, 5, 1, tzinfo=UTC))
    >>> expire(quote, at=datetime(2025, 6, 1, tzinfo=UTC), tz=UTC)[0].category
    'expired'
    """
    _allow(quote, "expire")
    assert quote.valid_until_on is not None
    expired = _moved(quote, at=at, by=by, reason=reason, status=status, category="expired")
    if at.astimezone(tz).date() <= quote.valid_until_on:
        raise InvalidInput(f"quote {quote.id!r} is valid until {quote.valid_until_on} and can expire on the day after")
    return expired


def withdraw(
    quote: Quote, *, at: datetime, status: str = "Withdrawn", by: str | None = None, reason: str | None = None
) -> Moved:
    """Take back a draft or a sent quote; return the quote and its transition.

    Raises `InvalidTransition` for a quote that is neither.

    >>> withdraw(Quote(), at=datetime(2025, 5, 1, tzinfo=UTC))[0].status
    'Withdrawn'
    """
    _allow(quote, "withdraw")
    return _moved(quote, at=at, by=by, reason=reason, status=status, category="withdrawn")


def revise(quote: Quote, *, at: datetime, by: str | None = None, reason: str | None = None) -> Revision:
    """Make a new draft of the same content that replaces a quote; one that the customer still has is withdrawn.

    Raises `InvalidTransition` for a draft, which can be edited, and for an accepted quote.

    >>> quote, _ = send(Quote(id="q1"), at=datetime(2025, 5, 1, tzinfo=UTC))
    >>> revision = revise(quote, at=datetime(2025, 5, 2, tzinfo=UTC))
    >>> revision.new.revision_of_id, revision.old.category
    ('q1', 'withdrawn')
    """
    _allow(quote, "revise")
    new = quote.replace(
        id=new_id(),
        created_at=at,
        external_ids=FrozenDict(),
        status="Draft",
        category="draft",
        number=None,
        revision_of_id=quote.id,
        sent_at=None,
        decided_at=None,
    )
    if quote.category != "sent":
        return Revision(quote, new, ())
    old, transition = withdraw(quote, at=at, by=by, reason=reason)
    return Revision(old, new, (transition,))


def _allow(quote: Quote, move: str) -> None:
    possible = possible_moves(quote)
    if move not in possible:
        raise InvalidTransition(
            f"quote {quote.id!r} at {quote.status!r} ({quote.category}) does not allow {move}", possible
        )


def _moved(quote: Quote, *, at: datetime, by: str | None, reason: str | None, **changes: Any) -> Moved:
    moved = quote.replace(**changes)
    return moved, changed(quote, moved, "status", at=at, by=by, reason=reason)
