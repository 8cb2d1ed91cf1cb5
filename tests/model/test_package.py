"""Packages: what was used, what is left and what came to nothing always add up."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmkit.errors import InvalidRecord
from crmkit.model.package import Package, balance
from crmkit.model.usage import Usage

NOON = datetime(2025, 5, 1, 12, tzinfo=UTC)
BANGKOK = ZoneInfo("Asia/Bangkok")


def ten(**given: Any) -> Package:
    return Package(id="ten", customer_id="ann", units=10, **given)


def used(usage_id: str, day: int = 0, units: int = 1, **given: Any) -> Usage:
    at = NOON + timedelta(days=day)
    return Usage(id=usage_id, customer_id="ann", at=at, units=units, package_id="ten", **given)


usages = st.lists(
    st.builds(
        used,
        st.sampled_from("abcdef"),
        st.integers(-3, 20),
        st.integers(1, 5),
        reversal_of_id=st.none() | st.sampled_from("abcdef"),
    ),
    max_size=8,
    unique_by=lambda usage: usage.id,
)


@given(usages, st.integers(0, 5), st.integers(-3, 25), st.randoms(use_true_random=False))
def test_a_balance_adds_up_and_does_not_depend_on_order(
    usages: list[Usage], bonus: int, days: int, random: Any
) -> None:
    package = ten(bonus_units=bonus, valid_from_on=date(2025, 5, 1), expires_on=date(2025, 5, 15))
    as_of = NOON + timedelta(days=days)
    found = balance(package, usages, as_of, UTC)

    assert found.used + found.left + found.expired - found.overdrawn == 10 + bonus
    assert min(found.used, found.left, found.expired, found.overdrawn) >= 0
    assert not (found.left and (found.expired or found.overdrawn))
    random.shuffle(usages)
    assert balance(package, usages, as_of, UTC) == found


@given(usages)
def test_every_usage_counts_or_is_reported(usages: list[Usage]) -> None:
    package = ten(expires_on=date(2025, 5, 11))
    unapplied = balance(package, usages, NOON + timedelta(days=30), UTC).unapplied
    applied = {usage.id for usage in usages if usage.reversal_of_id is None and usage not in unapplied}

    assert all(usage.at < datetime(2025, 5, 11, tzinfo=UTC) for usage in usages if usage.id in applied)
    assert all(usage in unapplied or usage.reversal_of_id in applied for usage in usages if usage.reversal_of_id)


def test_what_is_used_beyond_the_package_is_said() -> None:
    found = balance(ten(), [used("a", units=8), used("b", units=5)], NOON, UTC)

    assert (found.used, found.left, found.overdrawn) == (13, 0, 3)


def test_a_reversal_gives_back_no_more_than_was_used_and_from_when_it_is_known() -> None:
    visits = [used("a", units=2), used("b", day=3, units=5, reversal_of_id="a"), used("c", reversal_of_id="unknown")]

    assert balance(ten(), visits, NOON, UTC).left == 8
    assert balance(ten(), visits, NOON + timedelta(days=3), UTC).left == 10
    assert balance(ten(), visits, NOON, UTC).unapplied == (visits[2],)


def test_a_package_is_valid_on_the_days_of_the_zone() -> None:
    """Behaviours 13 and 14: the same instant lies in another day elsewhere."""
    package = ten(valid_from_on=date(2025, 5, 2), expires_on=date(2025, 5, 3))
    late_evening = used("a").replace(at=datetime(2025, 5, 1, 20, tzinfo=UTC))

    assert balance(package, [late_evening], late_evening.at, UTC).unapplied == (late_evening,)
    assert balance(package, [late_evening], late_evening.at, BANGKOK).used == 1
    assert balance(package, [], datetime(2025, 5, 2, 20, tzinfo=UTC), UTC).left == 10
    assert balance(package, [], datetime(2025, 5, 2, 20, tzinfo=UTC), BANGKOK).expired == 10


def test_other_packages_and_later_usages_are_passed_over() -> None:
    other = used("a").replace(package_id="five")

    assert balance(ten(), [other, used("b", day=1)], NOON, UTC).left == 10


def test_numbers_of_units_make_sense() -> None:
    with pytest.raises(InvalidRecord, match=r"Package\.bonus_units: -1 is less than nothing"):
        ten(bonus_units=-1)
    with pytest.raises(InvalidRecord, match=r"Usage\.units: 0 is no use"):
        used("a", units=0)
