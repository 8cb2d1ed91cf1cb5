"""Payments: every sequence of moves, against a model of a few lines."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmkit.errors import InvalidInput, InvalidRecord, InvalidTransition
from crmkit.model.money import Money
from crmkit.model.payment import Moved, Payment, fail, pay, possible_moves, refund, write_off

NOON = datetime(2025, 5, 1, 12, tzinfo=UTC)
MOVES: dict[str, Callable[..., Moved]] = {
    "pay": pay,
    "fail": fail,
    "refund": lambda payment, **when: refund(payment, Money("40", "PLN"), **when),
    "write_off": write_off,
}
BECOMES = {
    ("due", "pay"): "paid",
    ("due", "fail"): "failed",
    ("due", "write_off"): "written_off",
    ("failed", "pay"): "paid",
    ("failed", "fail"): "failed",
    ("failed", "write_off"): "written_off",
    ("written_off", "pay"): "paid",
    ("paid", "refund"): "partly",
    ("partly", "refund"): "refunded",
}
"""What a move makes of a payment of 80 by refunds of 40; a move that is not here is impossible."""


@given(st.lists(st.sampled_from(sorted(MOVES)), max_size=10))
def test_a_payment_goes_where_the_model_says_and_nowhere_else(moves: list[str]) -> None:
    payment, state, tried = Payment(amount=Money("80", "PLN")), "due", 0

    for number, move in enumerate(moves):
        at = NOON + timedelta(days=number)
        allowed = {name for was, name in BECOMES if was == state}
        assert set(possible_moves(payment)) == allowed
        if move not in allowed:
            with pytest.raises(InvalidTransition, match=f"does not allow {move}") as refused:
                MOVES[move](payment, at=at)
            assert set(refused.value.possible) == allowed
            continue
        before, state, tried = payment, BECOMES[state, move], tried + (move in ("pay", "fail"))
        payment, transition = MOVES[move](payment, at=at, by="ann", reason="r")
        assert payment.category == state.replace("partly", "paid")
        assert payment.attempts == tried
        assert payment.paid_at == (at if move == "pay" else before.paid_at)
        assert (transition.category_before, transition.category_after) == (before.category, payment.category)
        assert (transition.before, transition.after, transition.at) == (before.status, payment.status, at)
        assert payment.refunded == {"partly": Money("40", "PLN"), "refunded": Money("80", "PLN")}.get(state)


def test_a_refund_without_an_amount_gives_back_all_that_is_left() -> None:
    paid, _ = pay(Payment(amount=Money("80", "PLN")), at=NOON)
    partly, _ = refund(paid, Money("30", "PLN"), at=NOON)

    assert (partly.category, partly.status) == ("paid", "Partly refunded")
    assert refund(partly, at=NOON)[0].refunded == Money("80", "PLN")
    assert refund(partly, at=NOON, status="Oddane")[0].status == "Oddane"


@pytest.mark.parametrize("amount", [Money("80.01", "PLN"), Money("0", "PLN"), Money("-1", "PLN"), Money("1", "THB")])
def test_a_refund_is_a_part_of_what_was_paid(amount: Money) -> None:
    paid, _ = pay(Payment(amount=Money("80", "PLN")), at=NOON)

    with pytest.raises(InvalidInput):
        refund(paid, amount, at=NOON)


def test_of_nothing_nothing_can_be_refunded() -> None:
    free, _ = pay(Payment(amount=Money("0", "PLN")), at=NOON)

    assert possible_moves(free) == ()


@pytest.mark.parametrize("refunded", [Money("80.01", "PLN"), Money("-1", "PLN"), Money("1", "THB")])
def test_a_payment_that_gave_back_what_it_was_not_is_refused(refunded: Money) -> None:
    with pytest.raises(InvalidRecord, match=r"Payment\.refunded: .* is no part of"):
        Payment(amount=Money("80", "PLN"), refunded=refunded)
