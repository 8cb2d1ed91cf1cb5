"""Customers who may leave, and what says so."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl

from crmkit.model import (
    Customer,
    Interaction,
    Money,
    Order,
    Payment,
    Record,
    Subscription,
    SurveyResponse,
    Ticket,
    Usage,
)
from crmkit.testing.strategies import simplest

NOW = date(2025, 6, 30)
NOON = datetime(2025, 6, 30, 12, tzinfo=UTC)
ANN, BEN = (simplest(Customer, id=name, name=name) for name in ("ann", "ben"))


def days_ago(days: float) -> datetime:
    return NOON - timedelta(days=days)


def order(days: float, amount: str = "20", customer: str = "ann", **given_: Any) -> Order:
    return Order(customer_id=customer, at=days_ago(days), amount=Money(amount, "PLN"), **given_)


def use(days: float, units: int = 1, **given_: Any) -> Usage:
    return Usage(customer_id="ann", at=days_ago(days), units=units, **given_)


def said(kind: Any, score: int | None, days: float = 0, scale: tuple[int, int] = (0, 10)) -> SurveyResponse:
    low, high = scale
    return SurveyResponse(
        kind=kind, score=score, scale_low=low, scale_high=high, customer_id="ann", responded_at=days_ago(days)
    )


def contract(**given_: Any) -> Subscription:
    price, ends_on = Money("99", "PLN"), date(2025, 7, 30)
    parts: dict[str, Any] = {"category": "active", "started_at": days_ago(300), "term_ends_on": ends_on, "price": price}
    return Subscription(customer_id="ann", plan="Gym", **parts | given_)


def ticket(**given_: Any) -> Ticket:
    parts: dict[str, Any] = {"customer_id": "ann", "priority": "urgent", "created_at": days_ago(5)}
    return Ticket(**parts | given_)


def payment(**given_: Any) -> Payment:
    parts: dict[str, Any] = {"amount": Money("99", "PLN"), "customer_id": "ann", "category": "failed"}
    return Payment(**parts | given_)


def contact(days: float, **given_: Any) -> Interaction:
    parts: dict[str, Any] = {"customer_id": "ann", "at": days_ago(days), "channel": "phone", "direction": "outbound"}
    return Interaction(**parts | given_)


LATE = [order(day) for day in (41, 31, 21)]
TABLES: dict[str, tuple[type[Record], list[Any]]] = {
    "orders": (Order, LATE),
    "usages": (Usage, [use(30, 8), use(2, 6, id="visit"), use(1, 4, reversal_of_id="visit")]),
    "survey_responses": (SurveyResponse, [said("nps", 2), said("csat", 1, scale=(1, 5)), said("ces", 1, scale=(1, 7))]),
    "tickets": (Ticket, [ticket()]),
    "payments": (Payment, [payment(due_on=NOW)]),
    "subscriptions": (Subscription, [contract()]),
    "interactions": (Interaction, [contact(61)]),
}
ALIVE = pl.DataFrame({"customer_id": ["ann", "ben"], "probability_alive": [0.25, 0.9]})
