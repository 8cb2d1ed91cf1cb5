"""Payments: money that customers owe, and the moves until it is paid, given back or written off."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any, Literal

from crmkit.errors import InvalidInput, InvalidRecord, InvalidTransition
from crmkit.model.money import Money
from crmkit.model.records import Record, field, record
from crmkit.model.transition import Transition, changed

PaymentCategory = Literal["due", "paid", "failed", "refunded", "written_off"]

_MOVES: Mapping[PaymentCategory, tuple[str, ...]] = {
    "due": ("pay", "fail", "write_off"),
    "paid": ("refund",),
    "failed": ("pay", "fail", "write_off"),
    "refunded": (),
    "written_off": ("pay",),
}


@record
class Payment(Record):
    """An amount that a customer is to pay. `attempts` counts how often it was tried, with success or without.

    `refunded` is what was given back so far: a payment is "paid" until all of it was. `status` is the business's own
    label and `category` what it means; they change through `pay`, `fail`, `refund` and `write_off` alone.
    """

    amount: Money = field(category="quantitative")
    customer_id: str | None = field(default=None, links="Customer")
    order_id: str | None = field(default=None, links="Order")
    subscription_id: str | None = field(default=None, links="Subscription")
    status: str = "Due"
    category: PaymentCategory = "due"
    due_on: date | None = None
    paid_at: datetime | None = None
    attempts: int = field(default=0, category="quantitative")
    refunded: Money | None = field(default=None, category="quantitative")

    def __attrs_post_init__(self) -> None:
        """Check that no more is given back than the amount."""
        if self.refunded is None:
            return
        if self.refunded.currency != self.amount.currency or not 0 <= self.refunded.amount <= self.amount.amount:
            raise InvalidRecord(f"Payment.refunded: {self.refunded} is no part of {self.amount}; give at most that")


Moved = tuple[Payment, Transition]


def possible_moves(payment: Payment) -> tuple[str, ...]:
    """Return the names of the moves that the payment's state allows.

    >>> possible_moves(Payment(amount=Money("99", "PLN")))
    ('pay', 'fail', 'write_off')
    """
    moves = _MOVES[payment.category]
    return moves if _remaining(payment).amount > 0 else tuple(move for move in moves if move != "refund")


def pay(
    payment: Payment, *, at: datetime, status: str = "Paid", by: str | None = None, reason: str | None = None
) -> Moved:
    """Note that the amount was paid, at the first attempt or a later one; return the payment and its transition.

    Raises `InvalidTransition` for a payment that is paid already.
    """
    _allow(payment, "pay")
    changes = {"category": "paid", "paid_at": at, "attempts": payment.attempts + 1}
    return _moved(payment, status, changes, at=at, by=by, reason=reason)


def fail(
    payment: Payment, *, at: datetime, status: str = "Failed", by: str | None = None, reason: str | None = None
) -> Moved:
    """Note that an attempt to take the amount failed, the first or one more; return the payment and its transition.

    Raises `InvalidTransition` for a payment that is paid or written off.
    """
    _allow(payment, "fail")
    changes = {"category": "failed", "attempts": payment.attempts + 1}
    return _moved(payment, status, changes, at=at, by=by, reason=reason)


def refund(
    payment: Payment,
    amount: Money | None = None,
    *,
    at: datetime,
    status: str | None = None,
    by: str | None = None,
    reason: str | None = None,
) -> Moved:
    """Give back an amount, or all that is left; return the payment and its transition.

    The category becomes "refunded" when nothing is left. Raises `InvalidTransition` for a payment that is not paid or
    has nothing left, and `InvalidInput` for an amount that is not positive or more than what is left.

    >>> paid, _ = pay(Payment(amount=Money("99", "PLN")), at=datetime(2025, 5, 1, tzinfo=UTC))
    >>> partly, _ = refund(paid, Money("9", "PLN"), at=datetime(2025, 5, 2, tzinfo=UTC))
    >>> partly.category, partly.status
    ('paid', 'Partly refunded')
    """
    _allow(payment, "refund")
    left = _remaining(payment)
    given = amount or left
    kept = left - given
    if given.amount <= 0 or kept.amount < 0:
        raise InvalidInput(f"amount={given} cannot be given back; give more than nothing and at most {left}")
    category, label = ("paid", "Partly refunded") if kept.amount else ("refunded", "Refunded")
    changes = {"category": category, "refunded": payment.amount - kept}
    return _moved(payment, status or label, changes, at=at, by=by, reason=reason)


def write_off(
    payment: Payment, *, at: datetime, status: str = "Written off", by: str | None = None, reason: str | None = None
) -> Moved:
    """Give up an amount that was not paid; return the payment and its transition. It may still be paid.

    Raises `InvalidTransition` for a payment that was paid or is written off already.
    """
    _allow(payment, "write_off")
    return _moved(payment, status, {"category": "written_off"}, at=at, by=by, reason=reason)


def _remaining(payment: Payment) -> Money:
    return payment.amount if payment.refunded is None else payment.amount - payment.refunded


def _allow(payment: Payment, move: str) -> None:
    possible = possible_moves(payment)
    if move not in possible:
        where = f"payment {payment.id!r} at {payment.status!r} ({payment.category})"
        raise InvalidTransition(f"{where} does not allow {move}", possible)


def _moved(
    payment: Payment, status: str, changes: Mapping[str, Any], *, at: datetime, by: str | None, reason: str | None
) -> Moved:
    moved = payment.replace(status=status, **changes)
    return moved, changed(payment, moved, "status", at=at, by=by, reason=reason)
