"""Money: exact, of one currency, and independent of the host's decimal settings."""

import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import ROUND_UP, Context, Decimal, Inexact, localcontext
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmkit.errors import InvalidInput, InvalidRecord
from crmkit.model import Money
from crmkit.model.money import decimals
from crmkit.testing.strategies import CURRENCIES, money

FAR_FROM_OVERFLOW = 10**17
LARGEST = 2**63 - 1


def of_one_currency(number: int) -> st.SearchStrategy[list[Money]]:
    def same(currency: str) -> st.SearchStrategy[list[Money]]:
        return st.lists(money(FAR_FROM_OVERFLOW, (currency,)), min_size=number, max_size=number)

    return st.sampled_from(CURRENCIES).flatmap(same)


@contextmanager
def careless_host() -> Iterator[None]:
    """A host that works with two digits, as somebody may set for all threads of a process."""
    with localcontext(Context(prec=2, rounding=ROUND_UP)):
        yield


@given(of_one_currency(3))
def test_addition_is_exact_associative_and_commutative(three: list[Money]) -> None:
    a, b, c = three

    assert (a + b) + c == a + (b + c)
    assert a + b == b + a
    assert (a + b).minor_units == a.minor_units + b.minor_units


@given(of_one_currency(2))
def test_subtraction_undoes_addition(two: list[Money]) -> None:
    a, b = two

    assert a + b - b == a
    assert a - a == Money(0, a.currency)
    assert Money(0, a.currency) - -a == a
    assert a - b == -(b - a)


@given(money())
def test_money_is_its_smallest_units(some: Money) -> None:
    assert Money.from_minor_units(some.minor_units, some.currency) == some
    assert some.minor_units == some.amount * 10 ** decimals(some.currency)


@given(money())
def test_money_is_its_amount_as_text(some: Money) -> None:
    assert Money(str(some.amount), some.currency) == some


@given(money())
def test_an_amount_has_the_decimals_of_its_currency(some: Money) -> None:
    assert some.amount.as_tuple().exponent == -decimals(some.currency)


@given(of_one_currency(2))
def test_the_decimal_settings_of_the_host_change_nothing(two: list[Money]) -> None:
    a, b = two
    outside = [a + b, a - b, -a, Money(str(a.amount), a.currency), Money.from_minor_units(7, a.currency)]
    units = a.minor_units

    with careless_host():
        inside = [a + b, a - b, -a, Money(str(a.amount), a.currency), Money.from_minor_units(7, a.currency)]
        assert a.minor_units == units

    assert inside == outside
    assert list(map(repr, inside)) == list(map(repr, outside))


@pytest.mark.parametrize(
    "settings",
    [Context(prec=2, rounding=ROUND_UP), Context(prec=2, traps=[Inexact]), Context(prec=2, Emax=3)],
    ids=["rounds up", "traps inexact results", "has a small range"],
)
def test_the_largest_amount_is_accepted_whatever_the_host_set(settings: Context) -> None:
    with localcontext(settings):
        largest = Money(LARGEST, "JPY")

    assert largest.minor_units == LARGEST


@given(of_one_currency(2))
def test_equal_amounts_are_equal_values_with_equal_hashes(two: list[Money]) -> None:
    a, b = two

    assert (a == b) == (a.minor_units == b.minor_units)
    assert hash(a) == hash(Money(a.amount, a.currency))
    assert pickle.loads(pickle.dumps(a)) == a


@pytest.mark.parametrize(
    "amount", ["490", "490.0", "490.00000", 490, Decimal(490), Decimal("4.9E+2"), " 490 ", "4_90", "+490"]
)
def test_an_amount_may_be_written_in_any_exact_way(amount: Any) -> None:
    assert repr(Money(amount, "PLN")) == "Money(amount=Decimal('490.00'), currency='PLN')"


def test_there_is_one_zero() -> None:
    assert repr(Money("-0.00", "PLN")) == repr(-Money(0, "PLN")) == repr(Money("0E+3", "PLN"))


@pytest.mark.parametrize(
    ("amount", "complaint"),
    [
        (490.0, "float is not exact"),
        (True, "bool is not exact"),
        (None, "NoneType is not exact"),
        ("four", "'four' is not a number"),
        ("", "'' is not a number"),
        ("490,00", "'490,00' is not a number"),
        ("NaN", "'NaN' is not an amount"),
        ("sNaN", "'sNaN' is not an amount"),
        (Decimal("Infinity"), "not an amount"),
    ],
)
def test_what_is_no_exact_number_is_refused(amount: Any, complaint: str) -> None:
    with pytest.raises(InvalidRecord, match=r"^Money\.amount: .*; give ") as refused:
        Money(amount, "PLN")

    assert complaint in str(refused.value)


@pytest.mark.parametrize(
    ("amount", "currency"),
    [
        ("0.001", "PLN"),
        ("0.1", "JPY"),
        ("0.0001", "KWD"),
        ("0.00001", "CLF"),
        ("1E-9999", "PLN"),
        ("1." + "0" * 80 + "1", "PLN"),
        (LARGEST + 1, "JPY"),
        (-LARGEST - 1, "JPY"),
        ("92233720368547758.08", "PLN"),
        ("1E+9999", "PLN"),
    ],
)
def test_an_amount_finer_or_larger_than_its_currency_can_hold_is_refused(amount: Any, currency: str) -> None:
    with pytest.raises(InvalidRecord, match=rf"^Money\.amount: .*{currency}.*round it first$"):
        Money(amount, currency)


@pytest.mark.parametrize("currency", ["pln", "PL", "PLNN", "PŁN", "12A", "", None, 985])
def test_a_currency_is_three_capital_letters(currency: Any) -> None:
    with pytest.raises(InvalidRecord, match=r"^Money\.currency: "):
        Money(1, currency)


def test_different_currencies_are_never_added() -> None:
    with pytest.raises(InvalidInput, match="PLN and THB cannot be added"):
        Money(1, "PLN") + Money(1, "THB")
    with pytest.raises(InvalidInput, match="PLN and THB cannot be added"):
        Money(1, "PLN") - Money(1, "THB")


@pytest.mark.parametrize("other", [1, 1.0, Decimal(1), "1", None])
def test_money_and_a_number_are_never_added(other: Any) -> None:
    with pytest.raises(TypeError):
        Money(1, "PLN") + other
    with pytest.raises(TypeError):
        Money(1, "PLN") - other


def test_a_sum_beyond_64_bits_is_refused_not_wrapped() -> None:
    with pytest.raises(InvalidRecord, match="64 bits"):
        Money(LARGEST, "JPY") + Money(1, "JPY")


def test_money_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        Money(1, "PLN").amount = Decimal(2)  # type: ignore[misc]
