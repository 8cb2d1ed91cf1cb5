"""Orders of a few customers, for what campaigns bring."""

from datetime import UTC, datetime
from typing import Any

from hypothesis import strategies as st

from crmkit.model import Money, Order
from crmkit.testing.strategies import money, simplest
from tests.metrics.cases import customers, moments

NOON = datetime(2025, 5, 2, 12, tzinfo=UTC)

order_ids = [f"o{number}" for number in range(8)]
orders = st.lists(
    st.builds(
        Order,
        id=st.sampled_from(order_ids),
        at=moments,
        amount=st.none() | money(10**5, ("PLN",)),
        category=st.sampled_from(["completed", "completed", "open", "cancelled"]),
        customer_id=st.none() | customers | customers,
    ),
    max_size=8,
    unique_by=lambda each: each.id,
)


def bought(customer: str, amount: str | None = "100", at: datetime = NOON, **given_: Any) -> Order:
    money = None if amount is None else Money(amount, given_.pop("currency", "PLN"))
    return simplest(Order, **{"at": at, "amount": money, "customer_id": customer} | given_)
