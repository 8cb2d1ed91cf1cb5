"""Lines: what is sold at which price, inside deals, quotes and orders."""

from collections.abc import Iterable
from decimal import ROUND_HALF_UP, Context, Decimal, Inexact

from crmkit.errors import InvalidRecord
from crmkit.model.money import Money
from crmkit.model.records import Value, field, value

# Holds the product of any price, quantity and share; our own, so that a host's decimal context cannot round an amount.
_EXACTLY = Context(prec=100, rounding=ROUND_HALF_UP, traps=[Inexact])


@value
class Line(Value):
    """So many units of a product, or of what `description` says, at one price each.

    `discount_share` is the part of the price that the customer does not pay, from 0 to 1. A line of a refund has a
    negative quantity.

    >>> Line(unit_price=Money("9.99", "PLN"), quantity=Decimal(3), discount_share=Decimal("0.1")).amount
    Money(amount=Decimal('26.97'), currency='PLN')
    """

    unit_price: Money = field(category="quantitative")
    quantity: Decimal = field(default=Decimal(1), category="quantitative")
    discount_share: Decimal = field(default=Decimal(0), category="quantitative")
    product_id: str | None = field(default=None, links="Product")
    description: str | None = None

    def __attrs_post_init__(self) -> None:
        """Check that the discount is a share; 10 for 10 % would turn the amount negative."""
        if not 0 <= self.discount_share <= 1:
            raise InvalidRecord(f"Line.discount_share: {self.discount_share} is not a share; give a number from 0 to 1")

    @property
    def amount(self) -> Money:
        """Unit price × quantity × (1 - discount share), rounded once to the smallest unit, halves away from zero.

        Raises `InvalidRecord` for an amount beyond what `Money` can hold.
        """
        units = _EXACTLY.multiply(Decimal(self.unit_price.minor_units), self.quantity)
        units = _EXACTLY.multiply(units, _EXACTLY.subtract(Decimal(1), self.discount_share))
        return Money.from_minor_units(int(_EXACTLY.to_integral_value(units)), self.unit_price.currency)


def total(lines: Iterable[Line]) -> Money | None:
    """Return the sum of the rounded amounts of lines, as an invoice adds them; None for no lines.

    Raises `InvalidInput` for lines in several currencies.

    >>> total([Line(Money("0.05", "PLN"), Decimal("0.5"))] * 2)
    Money(amount=Decimal('0.06'), currency='PLN')
    """
    amounts = [line.amount for line in lines]
    return sum(amounts[1:], start=amounts[0]) if amounts else None
