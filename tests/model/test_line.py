"""Lines: exact amounts, rounded once each."""

from decimal import Context, Decimal, localcontext
from fractions import Fraction
from math import floor
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmkit.errors import InvalidInput, InvalidRecord
from crmkit.model.line import Line, total
from crmkit.model.money import Money
from crmkit.testing.strategies import money, records

quantities = st.decimals(-1000, 1000, places=3)
prices = money(10**9, ("PLN",))
lines = records(Line, unit_price=prices, quantity=quantities)


@given(lines)
def test_an_amount_is_rounded_to_the_nearest_unit_and_halves_away_from_zero(line: Line) -> None:
    exact = Fraction(line.unit_price.minor_units) * Fraction(line.quantity) * (1 - Fraction(line.discount_share))
    nearest = floor(abs(exact) + Fraction(1, 2))

    assert line.amount == Money.from_minor_units(nearest if exact >= 0 else -nearest, "PLN")


@pytest.mark.parametrize(("quantity", "paid"), [("0.5", "0.03"), ("-0.5", "-0.03"), ("0.49", "0.02"), ("1.5", "0.08")])
def test_half_a_unit_is_rounded_up_and_never_to_the_even_one(quantity: str, paid: str) -> None:
    assert Line(Money("0.05", "PLN"), Decimal(quantity)).amount == Money(paid, "PLN")


@given(st.lists(lines, min_size=1), st.randoms())
def test_a_total_adds_the_rounded_amounts_in_any_order(sold: list[Line], chance: Random) -> None:
    shuffled = chance.sample(sold, len(sold))

    assert total(shuffled) == Money.from_minor_units(sum(line.amount.minor_units for line in sold), "PLN")


@given(lines)
def test_a_returned_line_undoes_a_sold_one(line: Line) -> None:
    returned = line.replace(quantity=-line.quantity)

    assert total([line, returned]) == Money(0, "PLN")


def test_no_lines_have_no_total() -> None:
    assert total([]) is None


def test_lines_in_two_currencies_have_no_total() -> None:
    with pytest.raises(InvalidInput, match="PLN and THB cannot be added"):
        total([Line(Money(1, "PLN")), Line(Money(1, "THB"))])


def test_the_decimal_context_of_a_host_changes_no_amount() -> None:
    with localcontext(Context(prec=1)):
        assert Line(Money("123.45", "PLN"), Decimal("67.8")).amount == Money("8369.91", "PLN")


def test_a_line_of_the_largest_numbers_is_exact_or_refused() -> None:
    largest, finest = Money.from_minor_units(2**63 - 1, "PLN"), Decimal("1E-10")

    assert Line(largest, quantity=finest, discount_share=1 - finest).amount == Money(0, "PLN")
    with pytest.raises(InvalidRecord, match=r"^Money\.amount: "):
        total([Line(largest, quantity=Decimal(2))])


@pytest.mark.parametrize("share", [Decimal("-0.01"), Decimal(10)])
def test_a_discount_is_a_share_and_no_percentage(share: Decimal) -> None:
    with pytest.raises(InvalidRecord, match=r"^Line\.discount_share: .* from 0 to 1"):
        Line(Money(1, "PLN"), discount_share=share)
