"""Recurrence: wall-clock time, the calendar's gaps, and rules that must not hang."""

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from itertools import islice, takewhile
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmkit.errors import InvalidInput
from crmkit.model.recurrence import recurrence, without_first
from crmkit.testing.strategies import ZONES

WARSAW = ZoneInfo("Europe/Warsaw")
FRIDAY = datetime(2025, 3, 28, 8, tzinfo=UTC)
WEEKDAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
zones = st.sampled_from([*ZONES, "Africa/Casablanca"]).map(ZoneInfo)
starts = st.datetimes(datetime(2005, 1, 1), datetime(2030, 1, 1)).map(lambda at: at.replace(second=0, microsecond=0))


def texts(rule: str, first: datetime = FRIDAY, tz: ZoneInfo = WARSAW, most: int = 10) -> list[str]:
    return [at.astimezone(tz).strftime("%Y-%m-%d %H:%M") for at in islice(recurrence(rule, first, tz), most)]


def by_hand(first: datetime, tz: ZoneInfo, days: int, occurs: Callable[[date, date], bool]) -> list[datetime]:
    """The first instant, and the same time of day on each day that occurs and has it, for so many days."""
    start = first.astimezone(tz)
    found = [first]
    for number in range(1, days):
        day = start.date() + timedelta(days=number)
        wall = datetime.combine(day, start.time())
        moment = wall.replace(tzinfo=tz).astimezone(UTC)
        if occurs(start.date(), day) and moment.astimezone(tz).replace(tzinfo=None) == wall:
            found.append(moment)
    return found


@given(starts, zones, st.integers(1, 10))
def test_every_so_many_days_the_clock_shows_the_same_time(start: datetime, tz: ZoneInfo, interval: int) -> None:
    """Behaviours 13 and 14: over changes of the clocks too."""
    first = start.replace(tzinfo=tz).astimezone(UTC)
    expected = by_hand(first, tz, 800, lambda begin, day: (day - begin).days % interval == 0)
    found = recurrence(f"FREQ=DAILY;INTERVAL={interval}", first, tz)

    assert list(islice(found, len(expected))) == expected


@given(starts, zones, st.sets(st.sampled_from(WEEKDAYS), min_size=1), st.integers(1, 3))
def test_every_so_many_weeks_on_some_weekdays(start: datetime, tz: ZoneInfo, weekdays: set[str], interval: int) -> None:
    def occurs(begin: date, day: date) -> bool:
        weeks = (day - timedelta(days=day.weekday()) - (begin - timedelta(days=begin.weekday()))).days // 7
        return weeks % interval == 0 and WEEKDAYS[day.weekday()] in weekdays

    first = start.replace(tzinfo=tz).astimezone(UTC)
    expected = by_hand(first, tz, 400, occurs)
    found = recurrence(f"RRULE:FREQ=WEEKLY;INTERVAL={interval};BYDAY={','.join(sorted(weekdays))}", first, tz)

    assert list(islice(found, len(expected))) == expected


@given(starts, zones)
def test_every_month_that_has_the_day(start: datetime, tz: ZoneInfo) -> None:
    first = start.replace(tzinfo=tz).astimezone(UTC)
    expected = by_hand(first, tz, 800, lambda begin, day: day.day == begin.day)

    assert list(islice(recurrence("FREQ=MONTHLY", first, tz), len(expected))) == expected


@given(st.integers(1, 9990))
def test_leap_days_come_as_the_calendar_has_them_in_any_century(year: int) -> None:
    leap_years = [each for each in range(year, 9999) if (each % 4 == 0 and each % 100) or each % 400 == 0]
    found = recurrence("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29", datetime(year, 1, 1, tzinfo=UTC), UTC)

    assert [at.year for at in islice(found, 1, 5)] == leap_years[:4]


def test_a_time_that_the_clocks_skip_is_left_out_and_not_counted() -> None:
    """In Warsaw 02:30 does not exist on 30 March 2025."""
    assert texts("FREQ=DAILY;COUNT=3", datetime(2025, 3, 29, 1, 30, tzinfo=UTC)) == [
        "2025-03-29 02:30",
        "2025-03-31 02:30",
        "2025-04-01 02:30",
    ]


def test_of_a_time_that_comes_twice_the_first_is_meant() -> None:
    saturday = datetime(2025, 10, 25, 0, 30, tzinfo=UTC)

    assert list(recurrence("FREQ=DAILY;COUNT=2", saturday, WARSAW))[1] == datetime(2025, 10, 26, 0, 30, tzinfo=UTC)


def test_one_that_starts_at_the_second_of_two_times_starts_there() -> None:
    second = datetime(2025, 10, 26, 1, 30, tzinfo=UTC)
    found = list(recurrence("FREQ=DAILY;COUNT=2", second, WARSAW))

    assert found == [second, datetime(2025, 10, 27, 1, 30, tzinfo=UTC)]


@pytest.mark.parametrize(
    ("until", "last"),
    [
        ("20250330", "2025-03-30 09:00"),
        ("20250330T070000Z", "2025-03-30 09:00"),
        ("20250330T065959Z", "2025-03-29 09:00"),
        ("20250330T090000", "2025-03-30 09:00"),
        ("20250101", None),
    ],
)
def test_until_is_included_and_a_day_means_its_end(until: str, last: str | None) -> None:
    found = texts(f"FREQ=DAILY;UNTIL={until}")

    assert (found[-1] if found else None) == last


def test_rules_of_the_standard_are_followed() -> None:
    """The examples are of RFC 5545, section 3.8.5.3."""
    new_york = ZoneInfo("America/New_York")
    september = datetime(1997, 9, 2, 9, tzinfo=new_york)

    assert texts("FREQ=MONTHLY;BYDAY=-1FR;COUNT=3", september, new_york) == [
        "1997-09-02 09:00",
        "1997-09-26 09:00",
        "1997-10-31 09:00",
    ]
    assert texts("FREQ=MONTHLY;COUNT=3;BYDAY=TU,WE,TH;BYSETPOS=3", september.replace(day=4), new_york) == [
        "1997-09-04 09:00",
        "1997-10-07 09:00",
        "1997-11-06 09:00",
    ]
    assert texts("FREQ=DAILY;BYHOUR=9,10;BYMINUTE=0,20,40;COUNT=5", september, new_york)[-1] == "1997-09-02 10:20"
    assert texts(
        "FREQ=WEEKLY;INTERVAL=2;COUNT=4;BYDAY=TU,SU;WKST=SU", datetime(1997, 8, 5, 9, tzinfo=new_york), new_york
    ) == [
        "1997-08-05 09:00",
        "1997-08-17 09:00",
        "1997-08-19 09:00",
        "1997-08-31 09:00",
    ]


@pytest.mark.parametrize(
    "rule",
    [
        "",
        "FREQ",
        "INTERVAL=2",
        "FREQ=SECONDLY",
        "FREQ=MINUTELY;COUNT=10",
        "FREQ=HOURLY",
        "FREQ=DAILY;INTERVAL=0",
        "FREQ=DAILY;INTERVAL=-1",
        "FREQ=DAILY;INTERVAL=\N{ARABIC-INDIC DIGIT ONE}",
        "FREQ=DAILY;COUNT=0",
        "FREQ=DAILY;COUNT=many",
        "FREQ=DAILY;FREQ=WEEKLY",
        "FREQ=DAILY;BYSECOND=1",
        "FREQ=DAILY;BYEASTER=0",
        "FREQ=DAILY;BYHOUR=99999999999999999999999",
        "FREQ=DAILY;BYMINUTE=60",
        "FREQ=WEEKLY;BYDAY=XX",
        "FREQ=MONTHLY;BYSETPOS=400;BYDAY=MO",
        "FREQ=DAILY;UNTIL=tomorrow",
        "FREQ=DAILY\nEXDATE:20250101T000000Z",
        "FREQ=DAILY;BYMONTHDAY=" + ",".join(["1"] * 1000),
    ],
)
def test_a_rule_that_cannot_be_followed_is_refused(rule: str) -> None:
    with pytest.raises(InvalidInput, match="give one like 'FREQ=WEEKLY;BYDAY=MO'"):
        recurrence(rule, FRIDAY, WARSAW)


@pytest.mark.parametrize("frequency", ["DAILY", "WEEKLY", "MONTHLY", "YEARLY"])
@pytest.mark.parametrize("rest", ["BYMONTH=2;BYMONTHDAY=30", f"INTERVAL={'9' * 200}"])
def test_a_rule_that_never_happens_again_ends(frequency: str, rest: str) -> None:
    assert list(recurrence(f"FREQ={frequency};{rest}", FRIDAY, WARSAW)) == [FRIDAY]


def test_a_rule_that_happens_too_often_is_stopped() -> None:
    every_minute = f"FREQ=DAILY;BYHOUR={','.join(map(str, range(24)))};BYMINUTE={','.join(map(str, range(60)))}"
    endless = recurrence(every_minute, FRIDAY, UTC)

    assert len(list(takewhile(lambda at: at < FRIDAY + timedelta(days=30), endless))) == 30 * 24 * 60
    with pytest.raises(InvalidInput, match="goes on after 50000 instants"):
        list(endless)


@given(starts, st.sampled_from(["FREQ=DAILY", "FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,TH", "FREQ=MONTHLY;BYDAY=2TU"]))
def test_the_rest_of_a_rule_goes_on_from_the_second_instant(start: datetime, rule: str) -> None:
    first = start.replace(tzinfo=WARSAW).astimezone(UTC)
    rule = f"{rule};COUNT=6"
    whole = list(recurrence(rule, first, WARSAW))

    assert list(recurrence(without_first(rule), whole[1], WARSAW)) == whole[1:]
    assert without_first("FREQ=DAILY") == "FREQ=DAILY"


def test_times_of_the_day_are_kept_apart() -> None:
    noon = datetime.combine(date(2025, 5, 1), time(12), UTC)

    assert texts("FREQ=DAILY;BYHOUR=9,15;COUNT=4", noon, ZoneInfo("UTC")) == [
        "2025-05-01 12:00",
        "2025-05-01 15:00",
        "2025-05-02 09:00",
        "2025-05-02 15:00",
    ]
