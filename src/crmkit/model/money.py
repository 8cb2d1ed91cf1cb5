"""Money: a decimal amount in one currency."""

from decimal import Context, Decimal, Inexact, InvalidOperation
from typing import Self

import attrs

from crmkit.errors import InvalidInput, InvalidRecord

# ISO 4217: currencies whose smallest unit is not a hundredth.
_DECIMALS = {
    **dict.fromkeys(
        [
            "BIF",
            "CLP",
            "DJF",
            "GNF",
            "ISK",
            "JPY",
            "KMF",
            "KRW",
            "PYG",
            "RWF",
            "UGX",
            "UYI",
            "VND",
            "VUV",
            "XAF",
            "XOF",
            "XPF",
        ],
        0,
    ),
    **dict.fromkeys(["BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"], 3),
    **dict.fromkeys(["CLF", "UYW"], 4),
}
_LARGEST = 2**63 - 1
_CODE_LENGTH = 3
# Our own, so that a host's decimal context cannot round an amount; an inexact step is an error.
_EXACTLY = Context(prec=60, traps=[Inexact, InvalidOperation])


def decimals(currency: str) -> int:
    """Return how many decimals the smallest unit of a currency has (ISO 4217; two where it says nothing).

    >>> decimals("PLN"), decimals("JPY")
    (2, 0)
    """
    return _DECIMALS.get(currency, 2)


def currency_column(name: str) -> str:
    """Return how the currency of a money field is called where it stands beside the amount: in tables, frames and rules.

    >>> currency_column("amount"), currency_column("price")
    ('currency', 'price_currency')
    """
    return "currency" if name == "amount" else f"{name}_currency"


def _number(amount: object) -> Decimal:
    if isinstance(amount, bool | float) or not isinstance(amount, Decimal | int | str):
        raise InvalidRecord(
            f"Money.amount: {type(amount).__name__} is not exact; give a Decimal, an int or text such as '490.00'"
        )
    try:
        number = Decimal(amount, _EXACTLY)
    except InvalidOperation:
        raise InvalidRecord(f"Money.amount: {amount!r} is not a number; give text such as '490.00'") from None
    if not number.is_finite():
        raise InvalidRecord(f"Money.amount: {amount!r} is not an amount; give a finite number")
    return number


def _is_code(currency: str) -> bool:
    return len(currency) == _CODE_LENGTH and currency.isascii() and currency.isalpha() and currency.isupper()


def _minor_units(number: Decimal, places: int) -> int | None:
    if number.copy_abs() > _LARGEST:
        return None
    try:
        units = int(_EXACTLY.to_integral_exact(_EXACTLY.scaleb(number, places)))
    except Inexact:
        return None
    return units if abs(units) <= _LARGEST else None


@attrs.frozen(order=False, init=False)
class Money:
    """An exact amount in one currency.

    `amount` is a Decimal with exactly the decimals of the currency's smallest unit, so equal amounts are equal values
    and a store can keep integers. `currency` is the three-letter code of ISO 4217. Floats, amounts finer than the
    smallest unit, and amounts beyond 64 bits of smallest units are refused with `InvalidRecord`.

    >>> Money("490", "PLN") + Money("10.50", "PLN")
    Money(amount=Decimal('500.50'), currency='PLN')
    >>> Money(490.1, "PLN")
    Traceback (most recent call last):
    crmkit.errors.InvalidRecord: Money.amount: float is not exact; give a Decimal, an int or text such as '490.00'
    """

    amount: Decimal
    currency: str

    def __init__(self, amount: Decimal | int | str, currency: str) -> None:
        """Check the amount and the currency, and bring the amount to the currency's smallest unit."""
        if not (isinstance(currency, str) and _is_code(currency)):
            raise InvalidRecord(f"Money.currency: {currency!r} is not a code; give three capital letters such as 'PLN'")
        places = decimals(currency)
        units = _minor_units(_number(amount), places)
        if units is None:
            raise InvalidRecord(
                f"Money.amount: {amount} is not a whole number of the smallest unit of {currency} ({places} decimals) "
                "that fits into 64 bits; round it first"
            )
        self.__attrs_init__(_EXACTLY.scaleb(Decimal(units), -places), currency)

    @classmethod
    def from_minor_units(cls, units: int, currency: str) -> Self:
        """Return the money that so many of the currency's smallest units are.

        >>> Money.from_minor_units(49000, "PLN")
        Money(amount=Decimal('490.00'), currency='PLN')
        """
        return cls(_EXACTLY.scaleb(Decimal(units), -decimals(currency)), currency)

    @property
    def minor_units(self) -> int:
        """The amount as a count of the currency's smallest unit: cents, grosze, yen."""
        return int(_EXACTLY.scaleb(self.amount, decimals(self.currency)))

    def __add__(self, other: Self) -> Self:
        """Add money of the same currency; raise `InvalidInput` for another one."""
        if not isinstance(other, Money):
            return NotImplemented
        if other.currency != self.currency:
            raise InvalidInput(f"{self.currency} and {other.currency} cannot be added; convert one of them first")
        return type(self)(_EXACTLY.add(self.amount, other.amount), self.currency)

    def __sub__(self, other: Self) -> Self:
        """Subtract money of the same currency; raise `InvalidInput` for another one."""
        return self + -other if isinstance(other, Money) else NotImplemented

    def __neg__(self) -> Self:
        """Return the same amount with the other sign, as a refund has it."""
        return type(self)(_EXACTLY.minus(self.amount), self.currency)
