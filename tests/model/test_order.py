"""Orders: the sign of a refund."""

from datetime import UTC, datetime

import pytest
from hypothesis import given

from crmkit.errors import InvalidRecord
from crmkit.model.money import Money
from crmkit.model.order import Order
from crmkit.testing.strategies import money

NOON = datetime(2025, 5, 2, 12, tzinfo=UTC)


@given(money())
def test_what_an_order_brings_and_its_refund_gives_back_is_nothing(amount: Money) -> None:
    order = Order(at=NOON, amount=amount)
    if amount.amount < 0:
        with pytest.raises(InvalidRecord, match=r"^Order\.amount: .* give a negative amount"):
            Order(at=NOON, amount=-amount, refund_of_id=order.id)
        return
    refund = Order(at=NOON, amount=-amount, refund_of_id=order.id)

    assert refund.amount is not None
    assert amount + refund.amount == Money(0, amount.currency)


def test_a_refund_may_have_no_amount_yet() -> None:
    assert Order(at=NOON, refund_of_id="o1").amount is None
