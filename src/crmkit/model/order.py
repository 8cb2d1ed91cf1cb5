"""Orders: what customers bought."""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

from crmkit.model.money import Money
from crmkit.model.record import Record, field, record

OrderCategory = Literal["open", "completed", "cancelled"]


@record
class Order(Record):
    """One purchase. `amount` is the net value of the whole order; a refund alone is an order with a negative amount."""

    at: datetime
    amount: Money | None = field(default=None, category="quantitative")
    customer_id: str | None = field(default=None, links="Customer")
    product_ids: Sequence[str] = field(default=(), links="Product")
    owner_id: str | None = field(default=None, links="Employee")
    deal_id: str | None = field(default=None, links="Deal")
    source: str | None = None
    status: str | None = None
    category: OrderCategory = "completed"
