"""Targets: one value, for one owner, in a period."""

from datetime import date
from typing import Any

import pytest

from crmkit.errors import InvalidRecord
from crmkit.model.money import Money
from crmkit.model.target import Target

JULY: dict[str, Any] = {"metric": "won_amount", "starts_on": date(2025, 7, 1), "ends_on": date(2025, 8, 1)}
ZLOTY = Money(1, "PLN")


@pytest.mark.parametrize("whose", [{}, {"owner_id": "ann"}, {"team": "North"}])
@pytest.mark.parametrize("value", [{"amount": ZLOTY}, {"count": 0}])
def test_a_target_is_for_everybody_a_team_or_an_employee(whose: dict[str, Any], value: dict[str, Any]) -> None:
    assert Target(**JULY, **whose, **value).metric == "won_amount"


@pytest.mark.parametrize("value", [{}, {"amount": ZLOTY, "count": 3}])
def test_a_target_has_exactly_one_value(value: dict[str, Any]) -> None:
    with pytest.raises(InvalidRecord, match=r"^Target\.amount: .* either amount or count"):
        Target(**JULY, **value)


def test_a_target_is_not_an_employees_and_a_teams() -> None:
    with pytest.raises(InvalidRecord, match=r"^Target\.team: "):
        Target(**JULY, count=3, owner_id="ann", team="North")


@pytest.mark.parametrize("ends_on", [date(2025, 6, 30), date(2025, 7, 1)])
def test_a_target_has_at_least_one_day(ends_on: date) -> None:
    with pytest.raises(InvalidRecord, match=r"^Target\.ends_on: .* give the day after the last one"):
        Target(**{**JULY, "ends_on": ends_on}, count=3)
