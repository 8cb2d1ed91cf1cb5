"""What was planted in the season is found again."""

from datetime import timedelta

import attrs

from crmkit import metrics
from crmkit.metrics import MetricResult
from crmkit.rules import field
from fitness_club.club import TZ
from fitness_club.life import fading_members
from fitness_club.model import Membership
from fitness_club.season import CALL, CALL_EFFECT, CLOSED, END, OUTAGES, Season, season
from fitness_club.season.draw import civil_day
from fitness_club.twice import members_twice

LAST_DAY = END - timedelta(days=1)


def _effect(told: Season, method: str) -> MetricResult:
    return metrics.touch_effectiveness(
        subscriptions=told.memberships,
        transitions=told.transitions,
        interactions=[each for each in told.interactions if each.kind == CALL],
        touch="kind",
        method=method,
        strata=None if method == "crude" else "plan",
        within_days=390,
        where=field("term_months") == 12,
        as_of=told.as_of,
        end=END,
        tz=TZ,
    )


def test_the_effect_of_a_call_in_week_3_lies_inside_the_interval_plan_by_plan(whole_season: Season) -> None:
    called, _ = _effect(whole_season, "stratified")

    assert called.details["uplift_low"] <= CALL_EFFECT <= called.details["uplift_high"]
    assert called.details["uplift_low"] > 0


def test_a_crude_comparison_gives_calls_too_much_because_premium_members_are_called_more(whole_season: Season) -> None:
    called, _ = _effect(whole_season, "crude")

    assert called.details["uplift_low"] > CALL_EFFECT


def test_an_invitation_that_changes_nothing_is_found_to_change_nothing(whole_season: Season) -> None:
    told = whole_season
    invitations = [each.replace(kind=CALL) for each in told.interactions if each.kind == "event invitation"]
    invited, _ = _effect(attrs.evolve(told, interactions=tuple(invitations)), "stratified")

    assert invited.details["uplift_low"] <= 0 <= invited.details["uplift_high"]


def test_members_whom_two_front_desks_entered_are_found(whole_season: Season) -> None:
    pairs = members_twice(whole_season.members).pairs
    found = {(each.first_id, each.second_id) for each in pairs if each.verdict == "same"}

    right = len(found & whole_season.twice)
    assert 2 * right / (len(found) + len(whole_season.twice)) >= 0.95


def test_every_fading_member_is_flagged_and_at_most_a_tenth_of_the_flags_is_false(whole_season: Season) -> None:
    told = whole_season
    found = fading_members(told.memberships, told.visits, told.transitions, LAST_DAY, tz=TZ).keys()

    assert told.fading
    assert told.fading <= found
    assert len(found - told.fading) <= 0.1 * len(found)


def test_before_they_began_to_fade_they_were_not_flagged(whole_season: Season) -> None:
    told, day = whole_season, END - timedelta(days=60)
    visits = [each for each in told.visits if civil_day(each.at) <= day]
    known = {each.record.id: each.record for each in told.steps if civil_day(each.at) <= day}
    memberships = [each for each in known.values() if isinstance(each, Membership)]
    moves = [each for each in told.transitions if civil_day(each.at) <= day]

    found = fading_members(memberships, visits, moves, day, tz=TZ).keys()

    assert len(found & told.fading) <= 0.05 * len(told.fading)


def test_nobody_comes_while_the_club_is_closed_or_the_turnstile_fails(whole_season: Season) -> None:
    days = {civil_day(each.at) for each in whole_season.visits}

    assert not {day for day in days if CLOSED[0] <= day < CLOSED[1]}
    assert days.isdisjoint(OUTAGES)


def test_the_same_seed_is_the_same_club_and_another_seed_is_another() -> None:
    assert season(seed=5, members=10) == season(seed=5, members=10)
    assert season(seed=5, members=10) != season(seed=6, members=10)
