"""Billing: the terms of a subscription, what it costs by the month, and what a change of plan costs."""

from datetime import date, datetime

import attrs

from crmkit.errors import InvalidInput
from crmkit.model.money import Money
from crmkit.model.subscription import Moved, S, Subscription, allow, anchor_of
from crmkit.model.term import end_of_term, period_of, portion
from crmkit.model.transition import Transition, changed


@attrs.frozen
class PlanChange:
    """What `change_plan` makes: the subscription, its transition, and what becomes of the rest of the billing period.

    `credit` is the part of the old price, and `charge` the part of the new one, for the days from `starts_on` up to,
    not including, `ends_on`.
    """

    subscription: Subscription
    transition: Transition
    starts_on: date
    ends_on: date
    credit: Money
    charge: Money


def renew(
    subscription: S,
    on: date,
    *,
    at: datetime,
    grace_days: int = 0,
    by: str | None = None,
    reason: str | None = None,
) -> Moved[S]:
    """Add the next term, which begins where the old one ended, whether renewed early or at most `grace_days` late.

    The transition is of `term_ends_on`. Raises `InvalidTransition` for a subscription that is not active or has no
    term, and `InvalidInput` for a later day.
    """
    allow(subscription, "renew")
    ended_on = subscription.term_ends_on
    assert ended_on is not None
    if (on - ended_on).days > grace_days:
        raise InvalidInput(
            f"on={on} is more than {grace_days} days after {ended_on}; lapse {subscription.id!r} instead"
        )
    ends_on = end_of_term(anchor_of(subscription) or ended_on, ended_on, subscription.term_months)
    renewed = subscription.replace(
        term_starts_on=ended_on, term_ends_on=ends_on, renewal_count=subscription.renewal_count + 1
    )
    transition = changed(subscription, renewed, "status", at=at, by=by, reason=reason)
    return renewed, transition.replace(field="term_ends_on", before=str(ended_on), after=str(ends_on))


def change_plan(
    subscription: Subscription,
    plan: str,
    price: Money,
    on: date,
    *,
    at: datetime,
    by: str | None = None,
    reason: str | None = None,
) -> PlanChange:
    """Change the plan and price of an active subscription from a day on, sharing the billing period by its days.

    Credit and charge are rounded to the smallest unit, halves up. The transition is of `plan`. Raises
    `InvalidTransition` for a subscription that is not active, and `InvalidInput` for a day after its term.
    """
    allow(subscription, "change_plan")
    start, end = billing_period(subscription, on)
    left, days = (end - on).days, (end - start).days
    after = subscription.replace(plan=plan, price=price)
    return PlanChange(
        subscription=after,
        transition=changed(subscription, after, "plan", at=at, by=by, reason=reason),
        starts_on=on,
        ends_on=end,
        credit=portion(subscription.price, left, days),
        charge=portion(price, left, days),
    )


def billing_period(subscription: Subscription, on: date) -> tuple[date, date]:
    """Return the first day of the billing period that a day lies in, and the first day after it.

    Raises `InvalidInput` for a subscription that has not begun and for a day after its term.
    """
    anchor, ends_on = anchor_of(subscription), subscription.term_ends_on
    if anchor is None:
        raise InvalidInput(f"subscription {subscription.id!r} has no billing periods before it is active")
    if ends_on is not None and on >= ends_on:
        raise InvalidInput(f"on={on} is not before {ends_on}, when the term of subscription {subscription.id!r} ends")
    return period_of(anchor, subscription.billing_months, on)


def monthly_amount(subscription: Subscription) -> Money:
    """Return the price of a subscription by the month, whatever its state; rounded to the smallest unit, halves up.

    >>> monthly_amount(Subscription(customer_id="ann", plan="Gym", price=Money("999", "PLN"), billing_months=12))
    Money(amount=Decimal('83.25'), currency='PLN')
    """
    return portion(subscription.price, 1, subscription.billing_months)


def due_for_renewal(subscription: Subscription, as_of: date, within_days: int) -> bool:
    """Return whether an active subscription's term ends within so many days after a day, or ended before it.

    One without a term, frozen or cancelled is never due.
    """
    ends_on = subscription.term_ends_on
    return subscription.category == "active" and ends_on is not None and (ends_on - as_of).days <= within_days
