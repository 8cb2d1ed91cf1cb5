"""Subscriptions: what customers pay for again and again, and the moves of a subscription's life.

Every move returns the subscription and its transition. It raises `InvalidTransition`, which lists the moves that are
possible, where the state does not allow it, and `InvalidInput` for a day that does not fit. The moves that leave the
status as it is, `renew` and `change_plan`, are in `crmkit.model.billing`.
"""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Literal, TypeVar

from crmkit.errors import InvalidInput, InvalidRecord, InvalidTransition
from crmkit.model.identity import new_id
from crmkit.model.money import Money
from crmkit.model.records import Record, field, record
from crmkit.model.shape import FrozenDict
from crmkit.model.term import end_of_term, later, period_of
from crmkit.model.transition import Transition, changed

SubscriptionCategory = Literal["trial", "active", "frozen", "past_due", "cancelling", "lapsed"]

_MOVES: Mapping[SubscriptionCategory, tuple[str, ...]] = {
    "trial": ("start_trial", "activate", "lapse", "terminate"),
    "active": ("freeze", "mark_past_due", "renew", "change_plan", "cancel_at_end", "lapse", "terminate"),
    "frozen": ("unfreeze", "terminate"),
    "past_due": ("recover", "lapse", "terminate"),
    "cancelling": ("undo_cancel", "lapse", "terminate"),
    "lapsed": ("win_back",),
}


@record
class Subscription(Record):
    """A contract that a customer pays by the period, for a term of months or, without `term_months`, until cancelled.

    A new one is a trial until `activate`. `status` is the business's own label and `category` what it means:
    "cancelling" is covered until it ends, "lapsed" has ended. `started_at` is when it became paid and `ended_at` when
    it ended.

    Days are civil days in the calendar of the contract. `trial_ends_on`, `term_ends_on` and `cancels_on` are half-open:
    the first day that is not covered. `price` is for one billing period of `billing_months`. Terms and billing periods
    are counted in whole months from `anchor_on`, so that short months cause no drift; a freeze moves it.
    """

    customer_id: str = field(links="Customer")
    plan: str
    price: Money = field(category="quantitative")
    billing_months: int = 1
    term_months: int | None = None
    status: str = "Trial"
    category: SubscriptionCategory = "trial"
    product_id: str | None = field(default=None, links="Product")
    deal_id: str | None = field(default=None, links="Deal")
    owner_id: str | None = field(default=None, links="Employee")
    auto_renews: bool = False
    trial_ends_on: date | None = None
    started_at: datetime | None = None
    anchor_on: date | None = None
    term_starts_on: date | None = None
    term_ends_on: date | None = None
    renewal_count: int = field(default=0, category="quantitative")
    frozen_on: date | None = None
    frozen_until_on: date | None = None
    frozen_days_used: int = field(default=0, category="quantitative")
    cancels_on: date | None = None
    cancel_reason: str | None = None
    ended_at: datetime | None = None
    won_back_from_id: str | None = field(default=None, links="Subscription")

    def __attrs_post_init__(self) -> None:
        """Check that periods have a length, because prices are divided by it."""
        if self.billing_months < 1:
            raise InvalidRecord(f"Subscription.billing_months: {self.billing_months} is no period; give at least 1")
        if self.term_months is not None and self.term_months < 1:
            raise InvalidRecord(f"Subscription.term_months: {self.term_months} is no term; give at least 1, or None")


S = TypeVar("S", bound=Subscription)
Moved = tuple[S, Transition]
"""A subscription, of the class that it was of before, and the transition of its move."""


def possible_moves(subscription: Subscription) -> tuple[str, ...]:
    """Return the names of the moves that the subscription's state allows; some have to wait for their day too.

    >>> possible_moves(Subscription(customer_id="ann", plan="Gym", price=Money("99", "PLN")))
    ('start_trial', 'activate', 'terminate')
    """
    has_term, has_period = subscription.term_ends_on is not None, anchor_of(subscription) is not None
    can = {
        "start_trial": _is_new(subscription),
        "unfreeze": subscription.frozen_on is not None,
        "renew": has_term and subscription.term_months is not None,
        "change_plan": has_period,
        "cancel_at_end": has_term or has_period,
        "lapse": subscription.category == "past_due" or _covered_until(subscription) is not None,
    }
    return tuple(move for move in _MOVES[subscription.category] if can.get(move, True))


def allow(subscription: Subscription, move: str) -> None:
    """Raise `InvalidTransition` unless a move is possible."""
    possible = possible_moves(subscription)
    if move not in possible:
        where = f"subscription {subscription.id!r} at {subscription.status!r} ({subscription.category})"
        raise InvalidTransition(f"{where} does not allow {move}", possible)


def anchor_of(subscription: Subscription) -> date | None:
    """Return the day from which terms and billing periods are counted; None before there is one."""
    return subscription.anchor_on or subscription.term_starts_on


def start_trial(
    subscription: S, ends_on: date, *, at: datetime, by: str | None = None, reason: str | None = None
) -> Moved[S]:
    """Start the trial of a new subscription, up to, not including, a day; the transition has no `before`."""
    allow(subscription, "start_trial")
    trial = subscription.replace(trial_ends_on=ends_on)
    return trial, _transition(subscription, trial, at=at, by=by, reason=reason)


def activate(
    subscription: S,
    on: date,
    *,
    at: datetime,
    status: str = "Active",
    by: str | None = None,
    reason: str | None = None,
) -> Moved[S]:
    """Begin the first term on a day, after a trial or without one; without one the transition has no `before`.

    >>> new = Subscription(customer_id="ann", plan="Gym", price=Money("99", "PLN"), term_months=1)
    >>> activate(new, date(2025, 1, 31), at=datetime(2025, 1, 31, tzinfo=UTC))[0].term_ends_on
    datetime.date(2025, 2, 28)
    """
    allow(subscription, "activate")
    active = subscription.replace(
        status=status,
        category="active",
        started_at=at,
        anchor_on=on,
        term_starts_on=on,
        term_ends_on=end_of_term(on, on, subscription.term_months),
    )
    return active, _transition(subscription, active, at=at, by=by, reason=reason)


def freeze(
    subscription: S,
    on: date,
    until: date | None = None,
    *,
    at: datetime,
    status: str = "Frozen",
    by: str | None = None,
    reason: str | None = None,
) -> Moved[S]:
    """Suspend an active subscription from a day of its term on; it is meant to go on `until` a later day begins."""
    allow(subscription, "freeze")
    if subscription.term_ends_on is not None and on >= subscription.term_ends_on:
        raise InvalidInput(
            f"on={on} is not in the term of {subscription.id!r}, which ends on {subscription.term_ends_on}"
        )
    if until is not None and until <= on:
        raise InvalidInput(f"until={until} is not after {on}, when subscription {subscription.id!r} is to freeze")
    frozen = subscription.replace(status=status, category="frozen", frozen_on=on, frozen_until_on=until)
    return frozen, _transition(subscription, frozen, at=at, by=by, reason=reason)


def unfreeze(
    subscription: S,
    on: date,
    *,
    at: datetime,
    status: str = "Active",
    by: str | None = None,
    reason: str | None = None,
) -> Moved[S]:
    """Let a frozen subscription go on from a day; its term and its billing period are longer by the days frozen."""
    allow(subscription, "unfreeze")
    assert subscription.frozen_on is not None
    days = (on - subscription.frozen_on).days
    if days < 0:
        raise InvalidInput(f"on={on} is before {subscription.frozen_on}, when subscription {subscription.id!r} froze")
    active = _extended(subscription, subscription.frozen_on, days).replace(
        status=status,
        category="active",
        frozen_on=None,
        frozen_until_on=None,
        frozen_days_used=subscription.frozen_days_used + days,
    )
    return active, _transition(subscription, active, at=at, by=by, reason=reason)


def mark_past_due(
    subscription: S,
    *,
    at: datetime,
    status: str = "Past due",
    by: str | None = None,
    reason: str | None = None,
) -> Moved[S]:
    """Note that an active subscription was not paid in time."""
    allow(subscription, "mark_past_due")
    owing = subscription.replace(status=status, category="past_due")
    return owing, _transition(subscription, owing, at=at, by=by, reason=reason)


def recover(
    subscription: S,
    *,
    at: datetime,
    status: str = "Active",
    by: str | None = None,
    reason: str | None = None,
) -> Moved[S]:
    """Note that a subscription that was past due is paid after all."""
    allow(subscription, "recover")
    active = subscription.replace(status=status, category="active")
    return active, _transition(subscription, active, at=at, by=by, reason=reason)


def cancel_at_end(
    subscription: S,
    on: date,
    *,
    at: datetime,
    status: str = "Cancelled",
    by: str | None = None,
    reason: str | None = None,
) -> Moved[S]:
    """Let an active subscription end with its term or, without one, with the billing period that a day lies in."""
    allow(subscription, "cancel_at_end")
    ends_on = _paid_until(subscription, on)
    ending = subscription.replace(status=status, category="cancelling", cancels_on=ends_on, cancel_reason=reason)
    return ending, _transition(subscription, ending, at=at, by=by, reason=reason)


def undo_cancel(
    subscription: S,
    *,
    at: datetime,
    status: str = "Active",
    by: str | None = None,
    reason: str | None = None,
) -> Moved[S]:
    """Let a subscription that was cancelled, but has not lapsed, go on as if it had not been."""
    allow(subscription, "undo_cancel")
    active = subscription.replace(status=status, category="active", cancels_on=None, cancel_reason=None)
    return active, _transition(subscription, active, at=at, by=by, reason=reason)


def lapse(
    subscription: S,
    as_of: date,
    *,
    at: datetime,
    status: str = "Lapsed",
    by: str | None = None,
    reason: str | None = None,
) -> Moved[S]:
    """End a subscription that covers nothing any more on a day; one that is past due may lapse on any day.

    `at` is when the cover ended, which may be long before somebody notices.
    """
    allow(subscription, "lapse")
    covered_until = _covered_until(subscription)
    if subscription.category != "past_due" and covered_until is not None and as_of < covered_until:
        raise InvalidInput(f"as_of={as_of} is before {covered_until}, until when {subscription.id!r} covers")
    lapsed = subscription.replace(status=status, category="lapsed", ended_at=at)
    return lapsed, _transition(subscription, lapsed, at=at, by=by, reason=reason)


def terminate(
    subscription: S, *, at: datetime, status: str = "Ended", by: str | None = None, reason: str | None = None
) -> Moved[S]:
    """End a subscription at once, whatever it still covers."""
    allow(subscription, "terminate")
    lapsed = subscription.replace(status=status, category="lapsed", ended_at=at, cancel_reason=reason)
    return lapsed, _transition(subscription, lapsed, at=at, by=by, reason=reason)


def win_back(
    subscription: S,
    on: date,
    *,
    at: datetime,
    status: str = "Active",
    by: str | None = None,
    reason: str | None = None,
) -> Moved[S]:
    """Begin a new subscription, like a lapsed one and naming it, on a day.

    The lapsed one stays as it is; for another plan or price, replace them in it first. The transition is of the new one
    and has no `before`.
    """
    allow(subscription, "win_back")
    new = subscription.replace(
        id=new_id(),
        created_at=None,
        external_ids=FrozenDict(),
        category="trial",
        trial_ends_on=None,
        renewal_count=0,
        frozen_on=None,
        frozen_until_on=None,
        frozen_days_used=0,
        cancels_on=None,
        cancel_reason=None,
        ended_at=None,
        won_back_from_id=subscription.id,
    )
    return activate(new, on, at=at, status=status, by=by, reason=reason)


def _is_new(subscription: Subscription) -> bool:
    return subscription.category == "trial" and subscription.trial_ends_on is None


def _covered_until(subscription: Subscription) -> date | None:
    ends = {"trial": subscription.trial_ends_on, "cancelling": subscription.cancels_on}
    return ends.get(subscription.category, subscription.term_ends_on)


def _paid_until(subscription: Subscription, on: date) -> date | None:
    anchor = anchor_of(subscription)
    if subscription.term_ends_on is not None or anchor is None:
        return subscription.term_ends_on
    return period_of(anchor, subscription.billing_months, on)[1]


def _extended(subscription: S, frozen_on: date, days: int) -> S:
    paid_until = _paid_until(subscription, frozen_on)
    if days == 0 or paid_until is None:
        return subscription
    end = later(paid_until, days=days)
    return subscription.replace(anchor_on=end, term_ends_on=subscription.term_ends_on and end)


def _transition(
    before: Subscription, after: Subscription, *, at: datetime, by: str | None, reason: str | None
) -> Transition:
    transition = changed(before, after, "status", at=at, by=by, reason=reason)
    return transition.replace(before=None, category_before=None) if _is_new(before) else transition
