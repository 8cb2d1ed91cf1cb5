"""Billing: billing periods tile time, and money is divided without loss beyond the stated rounding."""

from datetime import UTC, date, datetime, timedelta
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmkit.errors import InvalidInput, InvalidTransition
from crmkit.model.billing import billing_period, change_plan, due_for_renewal, monthly_amount
from crmkit.model.money import Money
from crmkit.model.subscription import Subscription, activate, cancel_at_end, freeze, unfreeze
from crmkit.model.term import portion
from crmkit.testing.strategies import money

NOON = datetime(2025, 1, 31, 12, tzinfo=UTC)
days = st.dates(date(2000, 1, 1), date(2100, 1, 1))
prices = money(10**12).filter(lambda price: price.amount >= 0)


PRICE = Money("99", "PLN")


def gym(on: date, price: Money = PRICE, months: int = 1, term: int | None = None) -> Subscription:
    new = Subscription(id="s1", customer_id="ann", plan="Gym", price=price, billing_months=months, term_months=term)
    return activate(new, on, at=NOON)[0]


@given(days, st.integers(1, 13), days)
def test_billing_periods_follow_each_other_without_gap_or_drift(first: date, months: int, on: date) -> None:
    subscription = gym(first, months=months)
    start, end = billing_period(subscription, on)

    assert start <= on < end
    assert billing_period(subscription, end)[0] == end
    assert billing_period(subscription, start - timedelta(days=1))[1] == start
    assert start.day == first.day or (start + timedelta(days=1)).day == 1


@given(days, prices, prices, st.integers(0, 27))
def test_a_change_of_plan_shares_the_billing_period_by_days(first: date, old: Money, price: Money, used: int) -> None:
    on = first + timedelta(days=used)
    change = change_plan(gym(first, old), "Plus", price, on, at=NOON)
    whole = (change.ends_on - first).days
    left = (change.ends_on - on).days

    assert (change.starts_on, change.subscription.plan, change.subscription.price) == (on, "Plus", price)
    assert (change.transition.field, change.transition.before, change.transition.after) == ("plan", "Gym", "Plus")
    for part, amount in ((change.credit, old), (change.charge, price)):
        exact = Fraction(amount.minor_units * left, whole)
        assert part.currency == amount.currency
        assert Fraction(-1, 2) < part.minor_units - exact <= Fraction(1, 2)


def test_a_change_of_plan_names_the_days_and_the_money() -> None:
    change = change_plan(gym(date(2025, 4, 1)), "Plus", Money("129", "PLN"), date(2025, 4, 11), at=NOON)

    assert (change.starts_on, change.ends_on) == (date(2025, 4, 11), date(2025, 5, 1))
    assert (change.credit, change.charge) == (Money("66", "PLN"), Money("86", "PLN"))


def test_the_days_frozen_are_not_charged_twice() -> None:
    """March is paid: 9 days used, 10 frozen, 5 used; the rest of its 31 days ends on 10 April."""
    frozen, _ = freeze(gym(date(2025, 1, 1)), date(2025, 3, 10), at=NOON)
    active, _ = unfreeze(frozen, date(2025, 3, 20), at=NOON)
    change = change_plan(active, "Plus", Money("0", "PLN"), date(2025, 3, 25), at=NOON)

    assert change.ends_on == date(2025, 4, 11)
    assert change.credit == portion(PRICE, 31 - 14, 31)


@given(prices, st.integers(1, 36))
def test_a_monthly_amount_is_the_price_by_its_months_to_half_a_unit(price: Money, months: int) -> None:
    monthly = monthly_amount(gym(date(2025, 1, 1), price, months))

    assert abs(monthly.minor_units * months - price.minor_units) * 2 <= months
    assert monthly == price or months > 1


def test_halves_are_rounded_up() -> None:
    assert monthly_amount(gym(date(2025, 1, 1), Money("0.05", "PLN"), 2)) == Money("0.03", "PLN")


@pytest.mark.parametrize(
    ("as_of", "within_days", "due"),
    [
        (date(2025, 1, 14), 14, False),
        (date(2025, 1, 15), 14, False),
        (date(2025, 1, 17), 14, True),
        (date(2025, 1, 31), 0, True),
        (date(2025, 3, 1), 0, True),
    ],
)
def test_a_term_is_due_for_renewal_some_days_before_it_ends_and_ever_after(
    as_of: date, within_days: int, *, due: bool
) -> None:
    subscription = gym(date(2024, 12, 31), term=1)

    assert due_for_renewal(subscription, as_of, within_days) is due


def test_what_is_cancelled_frozen_or_open_ended_is_never_due_for_renewal() -> None:
    subscription = gym(date(2024, 12, 31), term=1)
    cancelled, _ = cancel_at_end(subscription, date(2025, 1, 1), at=NOON)
    frozen, _ = freeze(subscription, date(2025, 1, 1), at=NOON)

    assert not any(due_for_renewal(each, date(2025, 6, 1), 30) for each in (cancelled, frozen, gym(date(2025, 1, 1))))


def test_what_has_not_begun_or_is_over_has_no_billing_period() -> None:
    new = Subscription(id="s1", customer_id="ann", plan="Gym", price=Money("99", "PLN"))
    with pytest.raises(InvalidInput, match="'s1' has no billing periods"):
        billing_period(new, date(2025, 1, 1))
    with pytest.raises(InvalidTransition, match="possible from here: start_trial, activate, terminate"):
        change_plan(new, "Plus", Money("1", "PLN"), date(2025, 1, 1), at=NOON)
    with pytest.raises(InvalidInput, match="on=2025-01-31 is not before 2025-01-31"):
        billing_period(gym(date(2024, 12, 31), term=1), date(2025, 1, 31))
