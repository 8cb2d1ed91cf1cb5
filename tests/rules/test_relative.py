"""Time that counts from the moment at which a rule is asked."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any, get_args
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmkit.errors import InvalidInput
from crmkit.model import Customer, Deal
from crmkit.rules import (
    Comparison,
    Days,
    Relative,
    Rule,
    days_ago,
    days_ahead,
    field,
    last_days,
    last_month,
    last_quarter,
    last_week,
    last_year,
    next_days,
    predicate,
    this_month,
    this_quarter,
    this_week,
    this_year,
)
from crmkit.rules.relative import Unit, moment_of
from crmkit.testing.strategies import instants, simplest
from tests.model.vertical import Member, Visit
from tests.rules.drawn import DAY_ZONES, relative_times
from tests.rules.test_predicate import in_days

FRIDAY = date(2025, 1, 31)
AT = datetime(2025, 1, 31, 18, 30, tzinfo=UTC)
"""In Bangkok it is 1 February."""


def born(rule: Rule, day: str, as_of: date) -> bool:
    return predicate(rule, Customer, as_of=as_of)(Customer(kind="person", name="Ann", birth_on=date.fromisoformat(day)))


@pytest.mark.parametrize(
    ("time", "start", "end"),
    [
        (days_ago(0), "2025-01-31", "2025-02-01"),
        (days_ago(90), "2024-11-02", "2024-11-03"),
        (days_ahead(1), "2025-02-01", "2025-02-02"),
        (last_days(30), "2025-01-01", "2025-02-01"),
        (next_days(7), "2025-01-31", "2025-02-08"),
        (this_week(), "2025-01-27", "2025-02-03"),
        (last_week(), "2025-01-20", "2025-01-27"),
        (this_month(), "2025-01-01", "2025-02-01"),
        (last_month(), "2024-12-01", "2025-01-01"),
        (this_quarter(), "2025-01-01", "2025-04-01"),
        (last_quarter(), "2024-10-01", "2025-01-01"),
        (this_year(), "2025-01-01", "2026-01-01"),
        (last_year(), "2024-01-01", "2025-01-01"),
        (Relative("month", -13, 1), "2023-12-01", "2025-03-01"),
        (Relative("quarter", 1), "2025-04-01", "2025-07-01"),
    ],
)
def test_periods_are_counted_from_the_day_of_the_moment(time: Relative, start: str, end: str) -> None:
    assert time.days(FRIDAY, "UTC") == Days(date.fromisoformat(start), date.fromisoformat(end))


@given(
    every=st.sampled_from(get_args(Unit)),
    today=st.dates(date(1990, 1, 1), date(2090, 1, 1)),
    number=st.integers(-50, 50),
)
def test_periods_follow_each_other_and_today_lies_in_this_one(every: Any, today: date, number: int) -> None:
    one, following = (Relative(every, each).days(today, "UTC") for each in (number, number + 1))
    this = Relative(every, 0).days(today, "UTC")

    assert one.end == following.start
    assert this.start <= today < this.end
    assert Relative(every, number, number + 1).days(today, "UTC") == Days(one.start, following.end)
    assert (
        Relative(every, 0).days(this.start, "UTC")
        == this
        == Relative(every, 0).days(this.end - timedelta(days=1), "UTC")
    )


@given(
    visited=instants(datetime(2024, 10, 1), datetime(2025, 4, 1)),
    time=relative_times(),
    asked=st.sampled_from(["is", "below", "at_most", "above", "at_least"]),
    tz=st.sampled_from(DAY_ZONES),
)
def test_an_instant_is_compared_by_its_civil_day_in_the_zone(
    visited: datetime, time: Relative, asked: Any, tz: str
) -> None:
    visit = simplest(Visit, at=visited)
    says = predicate(Comparison("at", asked, time), Visit, as_of=AT, tz=tz)

    today = AT.astimezone(ZoneInfo(tz)).date()
    assert says(visit) is in_days(asked, visit.at, time.days(today, tz))


def test_the_zone_says_which_day_it_is_and_when_it_begins() -> None:
    visit = simplest(Visit, at=datetime(2025, 1, 31, 17, 0, tzinfo=UTC))  # midnight in Bangkok
    before = visit.replace(at=visit.at - timedelta(microseconds=1))

    in_bangkok = predicate(field("at") == this_month(), Visit, as_of=AT, tz="Asia/Bangkok")
    in_utc = predicate(field("at") == this_month(), Visit, as_of=AT)
    assert (in_bangkok(visit), in_bangkok(before)) == (True, False)
    assert (in_utc(visit), in_utc(before)) == (True, True)


def test_every_instant_is_within_the_last_days_or_before_them_or_in_the_future() -> None:
    for day in (date(2025, 1, 20), date(2025, 1, 21), FRIDAY, date(2025, 2, 1)):
        member = simplest(Member, joined_on=day)
        held = [
            predicate(rule, Member, as_of=FRIDAY)(member)
            for rule in (
                field("joined_on") < days_ago(10),
                field("joined_on") == last_days(10),
                field("joined_on") > days_ago(0),
            )
        ]
        assert sum(held) == 1, day


@pytest.mark.parametrize(
    ("birth_on", "as_of", "expected"),
    [
        ("1990-12-28", date(2024, 12, 27), True),
        ("1990-01-03", date(2024, 12, 27), True),
        ("1990-01-10", date(2024, 12, 27), True),
        ("1990-01-11", date(2024, 12, 27), False),
        ("1990-12-26", date(2024, 12, 27), False),
        ("1990-12-27", date(2024, 12, 27), True),
        ("2024-12-28", date(2024, 12, 27), False),  # a day that is still to come has no anniversary
        ("2024-12-27", date(2025, 12, 27), True),
        ("2024-06-01", date(2025, 1, 1), False),
    ],
)
def test_a_birthday_within_days_is_found_across_the_end_of_a_year(birth_on: str, as_of: date, expected: bool) -> None:
    assert born(field("birth_on").has_anniversary(next_days(14)), birth_on, as_of) is expected


@pytest.mark.parametrize(
    ("as_of", "expected"),
    [
        (date(2024, 2, 28), False),
        (date(2024, 2, 29), True),
        (date(2025, 2, 27), False),
        (date(2025, 2, 28), True),
        (date(2025, 3, 1), False),
        (date(2100, 2, 28), True),
    ],
)
def test_29_february_has_its_day_on_the_28th_of_a_common_year(as_of: date, expected: bool) -> None:
    assert born(field("birth_on").has_anniversary(days_ago(0)), "1988-02-29", as_of) is expected
    assert born(field("birth_on").has_anniversary(this_month()), "1988-02-29", as_of) is (as_of.month == 2)


def test_an_empty_day_has_no_anniversary() -> None:
    rule = field("birth_on").has_anniversary(this_year())

    assert not predicate(rule, Customer, as_of=FRIDAY)(simplest(Customer))
    assert predicate(~rule, Customer, as_of=FRIDAY)(simplest(Customer))


def test_texts_of_a_field_are_asked_for_together() -> None:
    ann = simplest(Customer, tags={"vip", "staff"})
    rules = {
        field("tags").has_any(["vip", "new"]): True,
        field("tags").has_any(["new"]): False,
        field("tags").has_any([]): False,
        field("tags").has_all(["vip", "staff"]): True,
        field("tags").has_all(["vip", "new"]): False,
        field("tags").has_all([]): True,
    }

    assert {rule: predicate(rule, Customer)(ann) for rule in rules} == rules


def test_a_date_is_its_end_and_an_instant_is_known_in_its_zone() -> None:
    assert moment_of(FRIDAY, "UTC") == (FRIDAY, datetime(2025, 1, 31, 23, 59, 59, 999_999, tzinfo=UTC))
    assert moment_of(AT, "Asia/Bangkok") == (date(2025, 2, 1), AT)
    assert moment_of(date(2018, 11, 3), "America/Sao_Paulo")[1] == datetime(2018, 11, 4, 2, 59, 59, 999_999, tzinfo=UTC)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: days_ago(-1), "-1 is no number of days; give a whole number from 0"),
        (lambda: last_days(True), "True is no number of days"),
        (lambda: next_days("7"), "'7' is no number of days"),  # type: ignore[arg-type]
        (lambda: days_ago(10**9), "relative time is counted in whole numbers from -36,600 to 36,600 of a day"),
        (lambda: Relative("month", 2, 1), "there is no month from 2 to 1; give the earlier one first"),
        (lambda: Relative("moth", 1), "every='moth' is no civil period; .* did you mean 'month'?"),  # type: ignore[arg-type]
        (lambda: Relative("day", 1.0), "relative time is counted in whole numbers"),  # type: ignore[arg-type]
        (lambda: Days(FRIDAY, FRIDAY), "no day is from 2025-01-31 up to, not including, 2025-01-31; give a later end"),
        (lambda: Days(FRIDAY, AT), "end is no day of the years 2 to 9998; give a date"),
        (lambda: Days(date.min, FRIDAY), "start is no day of the years 2 to 9998; give a date"),
        (lambda: Days(FRIDAY, date(2025, 2, 1), "Mars/Olympus"), "tz='Mars/Olympus' is not a time zone"),
        (lambda: field("at") == this_month, "at cannot be compared with function; call it first"),
        (lambda: field("at").is_in([this_month()]), "at cannot be compared with Relative; give text"),
        (lambda: field("at").contains(this_month()), "'contains' takes text"),  # type: ignore[arg-type]
        (lambda: field("at").has_anniversary(FRIDAY), "'anniversary' takes days, such as next_days"),  # type: ignore[arg-type]
        (lambda: (field("a") == 1).at("today"), "as_of='today' is no moment"),  # type: ignore[arg-type]
        (
            lambda: (field("a") == 1).at(datetime(2025, 1, 1)),
            "is no moment; give a date or a datetime with a time zone",
        ),
        (lambda: (field("a") == 1).at(FRIDAY, "x"), "tz='x' is not a time zone"),
        (lambda: (field("at") == this_month()).at(date(9998, 12, 30)), "as_of is at an end of the calendar"),
        (lambda: (field("at") == last_year()).at(date(2, 1, 3)), "as_of is at an end of the calendar"),
    ],
)
def test_what_is_no_time_is_refused(make: Callable[[], object], said: str) -> None:
    with pytest.raises(InvalidInput, match=said.replace("(", r"\(")):
        make()


def test_relative_time_needs_a_moment() -> None:
    rule = (field("closed_at") == this_month()) & (field("expected_close_on") < days_ago(3))

    assert rule.check(Deal) == ()
    with pytest.raises(
        InvalidInput,
        match="Deal.closed_at is compared with days that depend on the moment; give as_of=.*; Deal.expected_close_on",
    ):
        predicate(rule, Deal)


def test_only_instants_and_days_are_compared_with_days() -> None:
    (problem,) = (field("stage") == this_month()).check(Deal)
    assert problem == "Deal.stage: a field of the kind 'text' cannot be compared with days"
    (problem,) = field("closed_at").has_anniversary(this_month()).check(Deal)
    assert problem.startswith("Deal.closed_at: a field of the kind 'instant' cannot be asked 'anniversary'")
    (problem,) = field("birth_on").has_anniversary(Relative("month", 0, 12)).check(Customer)
    assert problem == "Customer.birth_on: ask for anniversaries in a year or less"
