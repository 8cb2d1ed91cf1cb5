"""Orders: what customers bought."""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

from crmkit.errors import InvalidRecord
from crmkit.model.line import Line
from crmkit.model.money import Money
from crmkit.model.records import Record, field, record

OrderCategory = Literal["open", "completed", "cancelled"]


@record
class Order(Record):
    """One purchase. `amount` is the net value of the whole order; a refund alone is an order with a negative amount.

    `refund_of_id` is the order that a refund gives back, wholly or in part. `channel` says where it was bought, such as
    "web shop". A refund with a positive amount raises `InvalidRecord`.

    >>> bought = Order(at=datetime(2025, 5, 2, tzinfo=UTC), amount=Money("490", "PLN"))
    >>> Order(at=datetime(2025, 5, 9, tzinfo=UTC), amount=-bought.amount, refund_of_id=bought.id).amount
    Money(amount=Decimal('-490.00'), currency='PLN')
    """

    at: datetime
    amount: Money | None = field(default=None, category="quantitative")
    customer_id: str | None = field(default=None, links="Customer")
    lines: Sequence[Line] = ()
    product_ids: Sequence[str] = field(default=(), links="Product")
    owner_id: str | None = field(default=None, links="Employee")
    deal_id: str | None = field(default=None, links="Deal")
    refund_of_id: str | None = field(default=None, links="Order")
    source: str | None = None
    channel: str | None = None
    status: str | None = None
    category: OrderCategory = "completed"

    def __attrs_post_init__(self) -> None:
        """Check that a refund gives money back; a positive one would count as a sale."""
        if self.refund_of_id is not None and self.amount is not None and self.amount.amount > 0:
            raise InvalidRecord(f"Order.amount: {self.amount.amount} is not a refund's; give a negative amount")
