"""The life of a member, from the first day to coming back."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmkit.model import Money, Transition
from crmkit.model.billing import renew
from crmkit.model.subscription import activate, cancel_at_end, freeze, lapse, start_trial, unfreeze, win_back
from fitness_club.life import days_to_renewal, fading_members, life_stage
from fitness_club.model import Membership, Visit
from fitness_club.rhythm import Thresholds, breaks, rhythms, visit_days

NEW = Membership(id="gym", customer_id="ann", plan="Annual", price=Money("149", "PLN"), term_months=12)
START = date(2024, 1, 10)


def _at(day: date, hour: int = 12) -> datetime:
    return datetime(day.year, day.month, day.day, hour, tzinfo=UTC)


RUNNING = activate(NEW, START, at=_at(START))[0]
END = date(2025, 1, 10)


def _stage(day: date, *memberships: Membership, is_fading: bool = False) -> str:
    return life_stage(memberships, day, tz="UTC", is_fading=is_fading)


def test_who_never_had_a_contract_is_a_prospect() -> None:
    assert _stage(START) == "prospect"
    assert _stage(START, NEW) == "prospect"


def test_a_trial_is_a_trial_until_it_lapses() -> None:
    trial, _ = start_trial(NEW, START + timedelta(days=7), at=_at(START))

    assert _stage(START, trial) == "trial"
    assert _stage(START, lapse(trial, START + timedelta(days=7), at=_at(START))[0]) == "lapsed"


@pytest.mark.parametrize(
    ("days", "stage"), [(0, "adaptation"), (59, "adaptation"), (60, "active"), (305, "active"), (306, "renewal window")]
)
def test_the_term_goes_from_adaptation_to_the_renewal_window(days: int, stage: str) -> None:
    assert _stage(START + timedelta(days=days), RUNNING) == stage


def test_fading_is_seen_between_adaptation_and_the_renewal_window_alone() -> None:
    assert _stage(START + timedelta(days=59), RUNNING, is_fading=True) == "adaptation"
    assert _stage(START + timedelta(days=60), RUNNING, is_fading=True) == "fading"
    assert _stage(END - timedelta(days=60), RUNNING, is_fading=True) == "renewal window"


def test_a_renewal_is_celebrated_from_the_day_it_is_made_until_a_month_into_the_new_term() -> None:
    renewed, _ = renew(RUNNING, END - timedelta(days=20), at=_at(END - timedelta(days=20)))

    assert _stage(END - timedelta(days=19), renewed) == "renewed"
    assert _stage(END + timedelta(days=29), renewed) == "renewed"
    assert _stage(END + timedelta(days=30), renewed) == "active"


def test_who_comes_back_is_won_back_and_then_active() -> None:
    lapsed, _ = lapse(RUNNING, END, at=_at(END))
    back, _ = win_back(lapsed, END + timedelta(days=90), at=_at(END + timedelta(days=90)))

    assert _stage(END + timedelta(days=10), lapsed) == "lapsed"
    assert _stage(END + timedelta(days=149), lapsed, back) == "won back"
    assert _stage(END + timedelta(days=150), lapsed, back) == "active"


def test_a_monthly_contract_is_never_in_the_renewal_window_and_a_leaver_is() -> None:
    monthly = RUNNING.replace(term_months=1, term_ends_on=date(2024, 6, 10))
    leaving, _ = cancel_at_end(RUNNING, END - timedelta(days=30), at=_at(END - timedelta(days=30)))

    assert days_to_renewal(monthly, date(2024, 6, 1), Thresholds()) is None
    assert _stage(END - timedelta(days=30), leaving) == "renewal window"


def test_a_break_extends_the_term_and_so_moves_the_renewal_window() -> None:
    frozen, _ = freeze(RUNNING, date(2024, 6, 1), at=_at(date(2024, 6, 1)))
    active, _ = unfreeze(frozen, date(2024, 6, 15), at=_at(date(2024, 6, 15)))

    assert _stage(END - timedelta(days=60), active) == "active"
    assert _stage(END - timedelta(days=46), active) == "renewal window"


def _visits(member: str, days: list[date]) -> list[Visit]:
    return [Visit(customer_id=member, at=_at(day)) for day in days]


MONDAYS = [START + timedelta(days=7 * week) for week in range(60)]
DAILY = _visits("the others", [START + timedelta(days=number) for number in range(420)])
OTHERS = RUNNING.replace(id="others", customer_id="the others", term_ends_on=date(2026, 1, 1))
STEADY = RUNNING.replace(term_ends_on=date(2026, 1, 1))
DAY = START + timedelta(days=300)


def _fading(visits: list[Visit], *moves: Transition) -> list[str]:
    return list(fading_members([STEADY, OTHERS], [*visits, *DAILY], moves, DAY, tz="UTC"))


def test_who_comes_less_than_half_as_often_as_usual_is_fading() -> None:
    recent = [day for day in MONDAYS if DAY - timedelta(days=42) < day <= DAY]
    usual = [day for day in MONDAYS if day <= DAY - timedelta(days=42)]

    assert _fading(_visits("ann", usual + recent)) == []
    assert _fading(_visits("ann", usual + recent[:3])) == []
    assert _fading(_visits("ann", usual + recent[:2])) == ["ann"]


def test_who_was_on_a_break_in_the_recent_weeks_is_not_expected_then() -> None:
    off, on = DAY - timedelta(days=40), DAY - timedelta(days=5)
    frozen, froze = freeze(STEADY, off, at=_at(off))
    _, unfroze = unfreeze(frozen, on, at=_at(on))
    usual = _visits("ann", [day for day in MONDAYS if day < off])

    assert _fading(usual) == ["ann"]
    assert _fading(usual, froze, unfroze) == []
    assert breaks([STEADY], [unfroze, froze], "UTC") == {"ann": [(off, on)]}
    assert breaks([STEADY], [froze], "UTC") == {"ann": [(off, date.max)]}


def test_days_on_which_the_turnstile_saw_nobody_make_nobody_fade() -> None:
    closed = [day for day in (each.at.date() for each in DAILY) if DAY - timedelta(days=42) < day <= DAY]
    alone = [each for each in DAILY if each.at.date() not in closed]
    usual = _visits("ann", [day for day in MONDAYS if day <= DAY - timedelta(days=42)])

    assert list(fading_members([STEADY, OTHERS], [*usual, *alone], [], DAY, tz="UTC")) == []


def test_on_a_family_contract_each_member_has_a_rhythm_of_their_own() -> None:
    family = STEADY.replace(family_ids=["ben"])
    visits = [*_visits("ann", MONDAYS), *_visits("ben", [day for day in MONDAYS if day <= DAY - timedelta(days=42)])]

    assert list(fading_members([family, OTHERS], [*visits, *DAILY], [], DAY, tz="UTC")) == ["ben"]


def test_a_visit_that_was_taken_back_is_none_and_a_day_is_counted_on_the_clubs_calendar() -> None:
    late = Visit(id="late", customer_id="ann", at=datetime(2024, 5, 1, 22, 30, tzinfo=UTC))
    taken = Visit(customer_id="ann", at=late.at, reversal_of_id="late")

    assert visit_days([late], "Europe/Warsaw") == {"ann": [date(2024, 5, 2)]}
    assert visit_days([late, taken], "Europe/Warsaw") == {}


@given(st.lists(st.integers(0, 200), unique=True), st.integers(1, 200))
def test_a_rhythm_is_the_visits_of_the_recent_days_against_those_of_the_days_before(
    days: list[int], since: int
) -> None:
    last, lines = START + timedelta(days=200), Thresholds(fewest_expected=0.1)
    mine = sorted(START + timedelta(days=each) for each in days)
    club = [START + timedelta(days=each) for each in range(201)]
    start = START + timedelta(days=since)
    found = rhythms({"ann": mine, "club": club}, {"ann": start, "club": START}, {}, last, lines)

    first, begin = last - timedelta(days=41), last - timedelta(days=41 + 126)
    could, usual = (
        [day for day in club if max(begin, start) <= day < first],
        [day for day in mine if max(begin, start) <= day < first],
    )
    recent = [day for day in mine if max(first, start) <= day]
    ahead = len([day for day in club if max(first, start) <= day])
    rate = len(usual) / len(could) if could else 0
    expected = rate * ahead * min(1.0, (len(recent) + 42) / (rate * ahead + 42))
    if expected < lines.fewest_expected:
        assert "ann" not in found
    else:
        assert found["ann"].visits == len(recent)
        assert found["ann"].expected == pytest.approx(expected)
