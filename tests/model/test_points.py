"""Points: the log and the total always agree (behaviour 37)."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmkit.errors import InvalidInput, InvalidRecord
from crmkit.model.points import PointsEntry, PointsKind, counted, decayed_points, expiry, points_balance

NOON = datetime(2025, 5, 1, 12, tzinfo=UTC)
END = NOON + timedelta(days=100)


def entry(
    day: int, points: int, kind: PointsKind = "earned", expires_after: int | None = None, **given: Any
) -> PointsEntry:
    at = NOON + timedelta(days=day)
    expires_on = None if expires_after is None else (at + timedelta(days=expires_after)).date()
    return PointsEntry(customer_id="ann", at=at, points=points, kind=kind, expires_on=expires_on, **given)


def _entry_of(kind: PointsKind, *, points: int, **given: Any) -> PointsEntry:
    return entry(kind=kind, points=-points if kind in ("spent", "expired") else points, **given)


entries = st.lists(
    st.builds(
        _entry_of,
        st.sampled_from(["earned", "earned", "spent", "expired", "adjusted"]),
        points=st.integers(0, 50),
        day=st.integers(0, 30),
        expires_after=st.none() | st.integers(1, 30),
        key=st.none() | st.sampled_from(["first visit", "birthday"]),
        id=st.integers(0, 10**6).map(str),
    ),
    max_size=12,
    unique_by=lambda each: each.id,
)


@given(entries, st.integers(0, 80), st.randoms(use_true_random=False))
def test_the_log_and_the_total_agree_whatever_the_order(log: list[PointsEntry], days: int, random: Any) -> None:
    as_of = NOON + timedelta(days=days)
    found = points_balance(log, as_of, UTC)

    assert found.total + found.lapsed == sum(each.points for each in counted(log, as_of))
    assert found.lapsed >= 0
    random.shuffle(log)
    assert points_balance(log, as_of, UTC) == found


@given(entries, st.integers(0, 60), st.integers(0, 40))
def test_noting_what_expired_changes_no_total_now_or_later(log: list[PointsEntry], days: int, later: int) -> None:
    as_of = NOON + timedelta(days=days)
    known = [each for each in log if each.at <= as_of]
    noted = expiry(known, as_of, UTC)
    full_log = [*known, noted] if noted else known
    now, then = points_balance(full_log, as_of, UTC), as_of + timedelta(days=later)

    assert (now.total, now.lapsed) == (points_balance(known, as_of, UTC).total, 0)
    assert now.total == sum(each.points for each in counted(full_log, as_of))
    assert points_balance(full_log, then, UTC).total == points_balance(known, then, UTC).total


@given(entries, st.integers(0, 80))
def test_points_that_expire_first_are_spent_first(log: list[PointsEntry], days: int) -> None:
    """Against a purse from which every single point is taken by hand."""
    log = [each for each in log if each.kind != "expired"]
    as_of = NOON + timedelta(days=days)
    purse: list[date] = []
    debt = 0

    for each in counted(log, as_of):
        purse = [expires_on for expires_on in purse if expires_on > each.at.date()]
        for _ in range(abs(each.points)):
            if each.points > 0 and debt:
                debt -= 1
            elif each.points > 0:
                purse.append(each.expires_on or date.max)
            elif purse:
                purse.remove(min(purse))
            else:
                debt += 1
    left = [expires_on for expires_on in purse if expires_on > as_of.date()]
    assert points_balance(log, as_of, UTC).total == len(left) - debt


def test_an_action_that_counts_once_counts_the_first_time() -> None:
    """Behaviour 37: repeatable without a key, once with one."""
    visits = [entry(day, 10, id=f"v{day}") for day in range(3)]
    first_visits = [entry(day, 50, key="first visit", id=f"f{day}") for day in (2, 1)]

    assert points_balance([*visits, *first_visits], END, UTC).total == 30 + 50
    assert [each.id for each in counted([*visits, *first_visits], END)] == ["v0", "f1", "v1", "v2"]
    assert first_visits[0] not in counted([*visits, *first_visits], END)


def test_points_expire_when_their_day_begins_in_the_zone() -> None:
    """Behaviours 13 and 14."""
    log = [entry(0, 10, expires_after=1)]
    evening = datetime(2025, 5, 1, 20, tzinfo=UTC)

    assert points_balance(log, evening, UTC).total == 10
    assert points_balance(log, evening, ZoneInfo("Asia/Bangkok")).lapsed == 10


def test_what_is_spent_beyond_the_points_is_taken_from_the_next() -> None:
    log = [entry(0, 10), entry(1, -25, "spent")]

    assert points_balance(log, END, UTC).total == -15
    assert points_balance([*log, entry(2, 20)], END, UTC).total == 5
    assert points_balance([], END, UTC).total == 0
    assert expiry(log, END, UTC) is None


def test_points_decay_by_half_in_every_half_life() -> None:
    log = [entry(0, 100), entry(30, 100), entry(60, 100)]

    assert decayed_points(log, NOON + timedelta(days=30), 30) == 50 + 100
    assert decayed_points([], END, 30) == 0
    with pytest.raises(InvalidInput, match="half_life_days=0 is no time"):
        decayed_points(log, END, 0)


def test_the_entries_of_several_customers_are_not_mixed() -> None:
    with pytest.raises(InvalidInput, match="several customers"):
        points_balance([entry(0, 10), entry(0, 10).replace(customer_id="bob")], END, UTC)


@pytest.mark.parametrize(("kind", "points"), [("earned", -1), ("spent", 1), ("expired", 1)])
def test_a_wrong_sign_is_refused(kind: PointsKind, points: int) -> None:
    with pytest.raises(InvalidRecord, match=rf"PointsEntry\.points: {points} cannot be {kind}"):
        entry(0, points, kind)
    assert entry(0, points, "adjusted").points == points
