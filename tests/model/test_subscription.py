"""Subscriptions: every life that the moves allow, against a model of a few lines (section 5.14 of the domain)."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from dateutil.relativedelta import relativedelta
from hypothesis import given
from hypothesis import strategies as st

from crmkit.errors import InvalidInput, InvalidRecord, InvalidTransition
from crmkit.model.billing import change_plan, renew
from crmkit.model.money import Money
from crmkit.model.subscription import (
    Moved,
    Subscription,
    activate,
    cancel_at_end,
    freeze,
    lapse,
    mark_past_due,
    possible_moves,
    recover,
    start_trial,
    terminate,
    undo_cancel,
    unfreeze,
    win_back,
)
from crmkit.testing.strategies import records

PRICE = Money("99", "PLN")
NOON = datetime(2025, 1, 31, 12, tzinfo=UTC)
TRIAL_DAYS, LATEST = 14, 100_000


def upgrade(subscription: Subscription, on: date, **when: Any) -> Moved[Subscription]:
    change = change_plan(subscription, "Plus", Money("129", "PLN"), on, **when)
    return change.subscription, change.transition


MOVES: dict[str, Callable[..., Moved[Subscription]]] = {
    "start_trial": lambda subscription, on, **when: start_trial(subscription, on + timedelta(TRIAL_DAYS), **when),
    "activate": activate,
    "freeze": freeze,
    "unfreeze": unfreeze,
    "mark_past_due": lambda subscription, _, **when: mark_past_due(subscription, **when),
    "recover": lambda subscription, _, **when: recover(subscription, **when),
    "renew": lambda subscription, on, **when: renew(subscription, on, grace_days=LATEST, **when),
    "change_plan": upgrade,
    "cancel_at_end": cancel_at_end,
    "undo_cancel": lambda subscription, _, **when: undo_cancel(subscription, **when),
    "lapse": lapse,
    "terminate": lambda subscription, _, **when: terminate(subscription, **when),
    "win_back": win_back,
}
BECOMES = {
    ("new", "start_trial"): "trial",
    ("new", "activate"): "active",
    ("trial", "activate"): "active",
    ("trial", "lapse"): "lapsed",
    ("active", "freeze"): "frozen",
    ("active", "mark_past_due"): "past_due",
    ("active", "renew"): "active",
    ("active", "change_plan"): "active",
    ("active", "cancel_at_end"): "cancelling",
    ("active", "lapse"): "lapsed",
    ("frozen", "unfreeze"): "active",
    ("past_due", "recover"): "active",
    ("past_due", "lapse"): "lapsed",
    ("cancelling", "undo_cancel"): "active",
    ("cancelling", "lapse"): "lapsed",
    ("lapsed", "win_back"): "active",
} | {(state, "terminate"): "lapsed" for state in ("new", "trial", "active", "frozen", "past_due", "cancelling")}
"""What a move makes of a subscription; others are impossible, as are renewing and lapsing without a term."""

steps = st.lists(st.tuples(st.sampled_from(sorted(MOVES)), st.integers(0, 40)), max_size=20)


def new(**given: Any) -> Subscription:
    return Subscription(id="s1", customer_id="ann", plan="Gym", price=PRICE, **given)


def started(on: date, **given: Any) -> Subscription:
    return activate(new(**given), on, at=NOON)[0]


@given(steps, st.sampled_from([None, 1, 12]))
def test_a_subscription_goes_where_the_model_says_and_nowhere_else(
    steps: list[tuple[str, int]], term_months: int | None
) -> None:
    subscription, state, today = new(term_months=term_months), "new", date(2025, 1, 31)
    covered_until: date | None = None

    for move, days in steps:
        today += timedelta(days)
        at = NOON + timedelta(days=days)
        allowed = {name for was, name in BECOMES if was == state}
        if term_months is None and state == "active":
            allowed -= {"renew", "lapse"}
        assert set(possible_moves(subscription)) == allowed
        if move not in allowed:
            with pytest.raises(InvalidTransition, match=f"does not allow {move}") as refused:
                MOVES[move](subscription, today, at=at)
            assert set(refused.value.possible) == allowed
            continue
        is_over = covered_until is not None and today >= covered_until
        if (move in ("freeze", "change_plan") and is_over) or (move == "lapse" and state != "past_due" and not is_over):
            with pytest.raises(InvalidInput, match=f"{today} is"):
                MOVES[move](subscription, today, at=at)
            continue

        moved, transition = MOVES[move](subscription, today, at=at, by="ann", reason="r")

        assert (transition.subject_id, transition.at, transition.by, transition.reason) == (moved.id, at, "ann", "r")
        assert (transition.before is None) == (state == "new" or move == "win_back")
        covered_until = end_by_the_model(move, subscription, moved, today, covered_until)
        state, subscription = BECOMES[state, move], moved
        assert subscription.category == ("trial" if state == "new" else state)
        assert (subscription.ended_at is not None) == (state == "lapsed")
        assert (subscription.frozen_on is not None) == (state == "frozen") or state == "lapsed"
        assert subscription.term_ends_on == covered_until or state in ("trial", "cancelling", "lapsed")


def end_by_the_model(
    move: str, before: Subscription, after: Subscription, today: date, end: date | None
) -> date | None:
    """The first day that is not covered: given by the day of the move, and moved by the days frozen."""
    if move in ("activate", "win_back"):
        return today + relativedelta(months=after.term_months) if after.term_months else None
    if move == "start_trial":
        return today + timedelta(TRIAL_DAYS)
    if move == "unfreeze" and end and before.frozen_on:
        return end + (today - before.frozen_on)
    if move in ("renew", "undo_cancel"):
        return after.term_ends_on
    return after.cancels_on if move == "cancel_at_end" else end


@given(st.dates(date(2000, 1, 1), date(2100, 1, 1)), st.integers(1, 24), st.integers(0, 60))
def test_renewals_do_not_drift_through_short_months(first: date, term_months: int, renewals: int) -> None:
    """31 January and a month is 28 February; the term after that ends on 31 March, not on the 28th."""
    subscription = started(first, term_months=term_months)

    for number in range(renewals):
        subscription, transition = renew(subscription, first, at=NOON)
        ends = [first + relativedelta(months=term_months * times) for times in (number + 1, number + 2)]
        assert [transition.field, transition.before, transition.after] == ["term_ends_on", *map(str, ends)]
        assert [subscription.term_starts_on, subscription.term_ends_on] == ends
    assert subscription.renewal_count == renewals


@given(
    st.dates(date(2000, 1, 1), date(2100, 1, 1)),
    st.lists(st.tuples(st.integers(0, 10), st.integers(0, 400)), max_size=5),
)
def test_a_term_is_longer_by_exactly_the_days_frozen(first: date, freezes: list[tuple[int, int]]) -> None:
    subscription, today = started(first, term_months=12), first
    whole_term = (first + relativedelta(months=12)) - first

    for active_days, frozen_days in freezes:
        today += timedelta(active_days)
        subscription, _ = freeze(subscription, today, today + timedelta(7), at=NOON)
        today += timedelta(frozen_days)
        subscription, _ = unfreeze(subscription, today, at=NOON)
    frozen = sum(days for _, days in freezes)
    assert subscription.frozen_days_used == frozen
    assert subscription.term_ends_on == first + whole_term + timedelta(frozen)


def test_the_next_term_begins_where_the_old_one_ended_early_or_late_within_grace() -> None:
    subscription = started(date(2025, 1, 31), term_months=1)

    early, _ = renew(subscription, date(2025, 2, 1), at=NOON)
    late, _ = renew(subscription, date(2025, 3, 7), grace_days=7, at=NOON)

    assert early == late
    assert (late.term_starts_on, late.term_ends_on) == (date(2025, 2, 28), date(2025, 3, 31))
    with pytest.raises(InvalidInput, match="on=2025-03-08 is more than 7 days after 2025-02-28"):
        renew(subscription, date(2025, 3, 8), grace_days=7, at=NOON)


def test_an_imported_term_that_is_off_its_anchor_is_renewed_from_its_own_end() -> None:
    subscription = new(
        status="Aktywny",
        category="active",
        term_months=12,
        term_starts_on=date(2024, 1, 31),
        term_ends_on=date(2025, 3, 15),
    )

    assert renew(subscription, date(2025, 3, 15), at=NOON)[0].term_ends_on == date(2026, 3, 15)


@given(st.sampled_from([None, 6]), st.integers(0, 100))
def test_undoing_a_cancellation_restores_the_subscription(term_months: int | None, days: int) -> None:
    subscription = started(date(2025, 1, 31), term_months=term_months)
    cancelled, transition = cancel_at_end(
        subscription, date(2025, 1, 31) + timedelta(days), at=NOON, reason="moves away"
    )

    assert cancelled.cancel_reason == transition.reason == "moves away"
    assert undo_cancel(cancelled, at=NOON)[0] == subscription


def test_without_a_term_a_cancelled_subscription_ends_with_its_billing_period() -> None:
    subscription = started(date(2025, 1, 31))

    assert cancel_at_end(subscription, date(2025, 2, 27), at=NOON)[0].cancels_on == date(2025, 2, 28)
    assert cancel_at_end(subscription, date(2025, 2, 28), at=NOON)[0].cancels_on == date(2025, 3, 31)


def test_without_a_term_a_freeze_makes_the_billing_period_longer() -> None:
    frozen, _ = freeze(started(date(2025, 1, 1)), date(2025, 3, 10), at=NOON)
    active, _ = unfreeze(frozen, date(2025, 3, 20), at=NOON)

    assert active.term_ends_on is None
    assert cancel_at_end(active, date(2025, 3, 25), at=NOON)[0].cancels_on == date(2025, 4, 11)


def test_an_import_that_knows_no_days_can_be_frozen_and_go_on() -> None:
    subscription = new(status="Aktywny", category="active")

    assert possible_moves(subscription) == ("freeze", "mark_past_due", "terminate")
    frozen, transition = freeze(subscription, date(2025, 1, 1), at=NOON)
    assert transition.before == "Aktywny"
    assert unfreeze(frozen, date(2025, 1, 8), at=NOON)[0].frozen_days_used == 7


def test_who_is_won_back_has_a_new_subscription_and_the_old_one_stays_ended() -> None:
    trial, _ = start_trial(new(auto_renews=True, external_ids={"stripe": "sub_1"}), date(2025, 2, 14), at=NOON)
    old, ended = lapse(trial, date(2025, 2, 14), at=NOON, status="Expired")
    back, transition = win_back(old, date(2025, 6, 1), at=NOON)

    assert (ended.category_before, ended.category_after, ended.after) == ("trial", "lapsed", "Expired")
    assert (back.won_back_from_id, back.category, back.plan, back.auto_renews) == ("s1", "active", "Gym", True)
    assert back.id != old.id
    assert (dict(back.external_ids), back.ended_at, back.trial_ends_on) == ({}, None, None)
    assert (transition.subject_id, transition.category_before) == (back.id, None)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda active: freeze(active, date(2025, 2, 28), at=NOON), "on=2025-02-28 is not in the term"),
        (lambda active: freeze(active, date(2025, 2, 1), date(2025, 2, 1), at=NOON), "until=2025-02-01 is not after"),
        (
            lambda active: unfreeze(freeze(active, date(2025, 2, 9), at=NOON)[0], date(2025, 2, 8), at=NOON),
            "on=2025-02-08 is before 2025-02-09",
        ),
        (lambda active: lapse(active, date(2025, 2, 27), at=NOON), "as_of=2025-02-27 is before 2025-02-28"),
        (lambda active: activate(new(term_months=10**6), date(2025, 1, 1), at=NOON), "is no day between the years"),
    ],
)
def test_a_day_that_does_not_fit_is_refused_by_name(
    wrong: Callable[[Subscription], Moved[Subscription]], message: str
) -> None:
    with pytest.raises(InvalidInput, match=message):
        wrong(started(date(2025, 1, 31), term_months=1))


@pytest.mark.parametrize(("name", "months"), [("billing_months", 0), ("term_months", -1)])
def test_a_period_without_length_is_refused(name: str, months: int) -> None:
    with pytest.raises(InvalidRecord, match=f"Subscription.{name}: {months} is no"):
        new(**{name: months})


@given(records(Subscription, billing_months=st.integers(1, 24), term_months=st.none() | st.integers(1, 24)))
def test_what_is_listed_as_possible_is_never_refused_for_the_state(subscription: Subscription) -> None:
    """Whatever an import knows or does not know."""
    for name, move in MOVES.items():
        if name in possible_moves(subscription):
            try:
                move(subscription, date(2025, 1, 31), at=NOON)
            except InvalidInput:
                continue
        else:
            with pytest.raises(InvalidTransition):
                move(subscription, date(2025, 1, 31), at=NOON)
