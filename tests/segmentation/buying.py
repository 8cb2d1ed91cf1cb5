"""Purchases as tests of what comes next need them."""

from datetime import UTC, datetime, timedelta
from typing import Any

from crmkit.model import Order
from crmkit.testing.strategies import simplest

FIRST = datetime(2025, 1, 1, 12, tzinfo=UTC)


def bought(customer: str, product: str, day: int, **given: Any) -> Order:
    """An order of one product, so many days after the first of January at noon."""
    parts = {"customer_id": customer, "product_ids": [product], "at": FIRST + timedelta(days=day)}
    return simplest(Order, **parts | given)
