"""Costs: however time is divided, the parts add up to the whole."""

from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmkit.errors import InvalidInput, InvalidRecord
from crmkit.model.cost import Cost, accrued
from crmkit.model.money import Money
from crmkit.testing.strategies import money

START = date(2025, 1, 1)
shares = st.decimals(0, 1, places=4)


def rent(amount: Money, days: int, share: Decimal = Decimal(1)) -> Cost:
    ends_on = START + timedelta(days=days)
    return Cost(
        category="rent", amount=amount, incurred_on=START, starts_on=START, ends_on=ends_on, allocation_share=share
    )


@given(money(10**15), st.integers(1, 800), shares, st.lists(st.integers(-10, 810), max_size=12))
def test_the_parts_of_any_division_of_time_add_up_to_the_allocated_amount(
    amount: Money, days: int, share: Decimal, cuts: list[int]
) -> None:
    cost = rent(amount, days, share)
    borders = [START + timedelta(days=cut) for cut in sorted([-10, *cuts, 810])]
    parts = [accrued(cost, *period) for period in pairwise(borders)]
    whole = sum(part.minor_units for part in parts)

    assert {part.currency for part in parts} == {amount.currency}
    assert Fraction(-1, 2) < whole - amount.minor_units * Fraction(share) <= Fraction(1, 2)
    assert whole == accrued(cost, START, START + timedelta(days=days)).minor_units


@given(money(10**15), st.integers(1, 800), st.integers(0, 800))
def test_every_day_costs_the_same_to_one_smallest_unit(amount: Money, days: int, day: int) -> None:
    on = START + timedelta(days=day % days)
    part = accrued(rent(amount, days), on, on + timedelta(days=1)).minor_units

    assert abs(part - Fraction(amount.minor_units, days)) < 1


def test_a_cost_without_days_of_service_is_of_the_day_it_was_incurred() -> None:
    cost = Cost(category="fair", amount=Money("490", "PLN"), incurred_on=date.max - timedelta(days=1))

    assert accrued(cost, cost.incurred_on, date.max) == cost.amount
    assert accrued(cost, START, cost.incurred_on) == Money(0, "PLN")
    assert Cost(category="fair", amount=Money("490", "PLN"), incurred_on=date.max).ends_on is None


def test_a_period_that_ends_before_it_starts_is_refused() -> None:
    with pytest.raises(InvalidInput, match="end=2024-12-31 is before start=2025-01-01"):
        accrued(rent(Money(1, "PLN"), 1), START, date(2024, 12, 31))


def test_a_share_and_a_service_must_be_ones() -> None:
    with pytest.raises(InvalidRecord, match=r"Cost\.allocation_share: 40 is not a share"):
        rent(Money(1, "PLN"), 1, Decimal(40))
    with pytest.raises(InvalidRecord, match=r"Cost\.ends_on: 2025-01-01 is not after 2025-01-01"):
        rent(Money(1, "PLN"), 0)
