"""Working time against an oracle that looks at the clock on the wall every minute, and its laws."""

import pickle
import sys
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmkit.errors import InvalidInput, InvalidRecord, MissingExtra
from crmkit.model.calendar import (
    BusinessCalendar,
    Hours,
    SpecialDay,
    TimeRange,
    add_working_time,
    always_open,
    holiday_calendar,
    working_time,
)
from crmkit.model.service_time import _offset_changes
from crmkit.testing.strategies import instants

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
# Days on which the clock is changed: by an hour, at midnight, past midnight back into the day before, by half an hour, by a
# day that is left out, and out of the ordinary for Ramadan.
CHANGES = [
    ("Europe/Warsaw", date(2025, 3, 30)),
    ("Europe/Warsaw", date(2025, 10, 26)),
    ("America/Sao_Paulo", date(2018, 2, 18)),
    ("America/Sao_Paulo", date(2018, 11, 4)),
    ("America/St_Johns", date(2010, 11, 7)),
    ("Australia/Lord_Howe", date(2025, 4, 6)),
    ("Australia/Lord_Howe", date(2025, 10, 5)),
    ("Pacific/Apia", date(2011, 12, 30)),
    ("Africa/Casablanca", date(2025, 2, 23)),
    ("Asia/Bangkok", date(2025, 1, 1)),
]


NIGHT = [("00:00", "01:50"), ("02:10", "05:00"), ("22:00", "24:00")]


def is_working(calendar: BusinessCalendar, instant: datetime) -> bool:
    """Whether the clock on the wall shows working time."""
    local = instant.astimezone(ZoneInfo(calendar.tz))
    special = [day.hours for day in calendar.special_days if day.on == local.date()]
    today = special[0] if special else [each for each in calendar.hours if each.weekday == local.weekday()]
    return any(each.opens <= f"{local:%H:%M}" < each.closes for each in today)


def ranges() -> st.SearchStrategy[list[tuple[str, str]]]:
    """No, one or two ranges of a day in steps of ten minutes."""
    times = st.lists(st.integers(0, 144), max_size=4, unique=True).map(sorted)
    texts = times.map(lambda each: [f"{time // 6:02}:{time % 6}0" for time in each])
    return texts.map(lambda each: list(zip(each[::2], each[1::2], strict=False)))


@st.composite
def calendars(draw: st.DrawFn, tz: str, around: date) -> BusinessCalendar:
    hours = [Hours(weekday, *each) for weekday in range(7) for each in draw(ranges())]
    days = draw(st.sets(st.integers(-3, 4), max_size=4))
    special = [SpecialDay(around + timedelta(day), [TimeRange(*each) for each in draw(ranges())]) for day in days]
    return BusinessCalendar(id="c", tz=tz, hours=draw(st.permutations(hours)), special_days=special)


@st.composite
def weeks(draw: st.DrawFn) -> tuple[BusinessCalendar, datetime]:
    """A calendar with special days around a change of the clock, and an instant shortly before it."""
    tz, day = draw(st.sampled_from(CHANGES))
    start = datetime(day.year, day.month, day.day, tzinfo=UTC) + draw(st.integers(-2880, 1440)) * MINUTE
    return draw(calendars(tz, day)), start


def any_calendars() -> st.SearchStrategy[BusinessCalendar]:
    return st.sampled_from(CHANGES).flatmap(lambda change: calendars(*change))


def moments() -> st.SearchStrategy[datetime]:
    """Any microsecond in years with and without special days."""
    return instants(datetime(1930, 1, 1), datetime(2070, 1, 1))


@given(weeks(), st.integers(0, 3 * 1440))
def test_working_time_is_what_the_clock_on_the_wall_says_minute_by_minute(
    week: tuple[BusinessCalendar, datetime], minutes: int
) -> None:
    """Behaviours 13, 14 and 22: the calendar's own zone, days of 23 to 25 hours, several ranges, holidays, added days."""
    calendar, start = week
    counted = sum(is_working(calendar, start + minute * MINUTE) for minute in range(minutes))

    assert working_time(calendar, start, start + minutes * MINUTE) == counted * MINUTE


@pytest.mark.parametrize(("tz", "day"), CHANGES)
def test_working_time_is_right_up_to_and_from_the_very_change(tz: str, day: date) -> None:
    midnight = datetime(day.year, day.month, day.day, tzinfo=UTC)
    night = BusinessCalendar(tz=tz, hours=[Hours(weekday, *each) for weekday in range(7) for each in NIGHT])
    hours = [midnight + (count - 24) * HOUR / 2 for count in range(96)]

    for start, end in pairwise(hours):
        counted = sum(is_working(night, start + minute * MINUTE) for minute in range(30))
        assert working_time(night, start, end) == counted * MINUTE


@given(weeks(), st.integers(0, 2000))
def test_added_working_time_ends_where_the_oracle_has_counted_as_much(
    week: tuple[BusinessCalendar, datetime], wanted: int
) -> None:
    calendar, start = week
    end, counted = start, 0
    while counted < wanted and end < start + 4 * 1440 * MINUTE:
        counted += is_working(calendar, end)
        end += MINUTE
    found = add_working_time(calendar, start, wanted * MINUTE)

    if counted == wanted:
        assert found == end
    else:
        assert found is None or found > end


@given(any_calendars(), moments(), moments(), moments())
def test_working_time_adds_up_and_has_a_sign(
    calendar: BusinessCalendar, first: datetime, second: datetime, third: datetime
) -> None:
    whole = working_time(calendar, first, third)

    assert working_time(calendar, first, second) + working_time(calendar, second, third) == whole
    assert working_time(calendar, third, first) == -whole


@given(any_calendars(), moments(), st.timedeltas(timedelta(0), timedelta(4000)))
def test_working_time_never_shrinks_and_never_outruns_the_clock(
    calendar: BusinessCalendar, start: datetime, length: timedelta
) -> None:
    # An aware datetime plus a timedelta is wall time; the length is meant in real time.
    start = start.astimezone(UTC)
    assert timedelta(0) <= working_time(calendar, start, start + length) <= length


@given(any_calendars(), moments(), st.timedeltas(timedelta(0), timedelta(400)))
def test_added_working_time_is_the_first_instant_with_so_much(
    calendar: BusinessCalendar, start: datetime, duration: timedelta
) -> None:
    end = add_working_time(calendar, start, duration)

    if end is None:
        assert not calendar.hours
        assert working_time(calendar, start, datetime(2200, 1, 1, tzinfo=UTC)) < duration
    else:
        assert working_time(calendar, start, end) == duration
        earlier = end - timedelta(microseconds=1)
        assert duration == timedelta(0) or working_time(calendar, start, earlier) < duration


@given(any_calendars(), moments(), moments())
def test_adding_the_working_time_between_two_instants_does_not_pass_the_second(
    calendar: BusinessCalendar, first: datetime, second: datetime
) -> None:
    first, second = sorted([first, second])
    end = add_working_time(calendar, first, working_time(calendar, first, second))

    assert end is not None
    assert end <= second


@pytest.mark.parametrize(("day", "hours"), [(date(2025, 3, 30), 23), (date(2025, 10, 26), 25), (date(2025, 5, 1), 24)])
def test_a_day_has_as_many_hours_as_its_clock_shows(day: date, hours: int) -> None:
    """Behaviour 14."""
    warsaw = ZoneInfo("Europe/Warsaw")
    midnight = datetime(day.year, day.month, day.day, tzinfo=warsaw)
    calendar = always_open("Europe/Warsaw")

    assert working_time(calendar, midnight, midnight + timedelta(days=1)) == hours * HOUR
    assert add_working_time(calendar, midnight, hours * HOUR) == midnight + timedelta(days=1)


def test_a_calendar_without_working_time_reaches_nothing() -> None:
    """Behaviour 22: the guard that other systems lack."""
    start = datetime(2025, 1, 1, tzinfo=UTC)
    closed = BusinessCalendar(tz="Asia/Bangkok")
    fair = closed.replace(special_days=[SpecialDay(date(2025, 6, 1), [TimeRange("10:00", "18:00")])])

    assert add_working_time(closed, start, MINUTE) is None
    assert add_working_time(closed, start, timedelta(0)) == start
    assert add_working_time(fair, start, 8 * HOUR) == datetime(2025, 6, 1, 11, tzinfo=UTC)
    assert add_working_time(fair, start, 8 * HOUR + MINUTE) is None
    assert add_working_time(always_open(), start, timedelta(days=3_000_000)) is None
    assert add_working_time(always_open(), datetime(9998, 6, 1, tzinfo=UTC), timedelta(days=300)) is None


def test_working_time_of_centuries_without_clock_changes_is_known() -> None:
    century = datetime(1600, 1, 1, tzinfo=UTC), datetime(1700, 1, 1, tzinfo=UTC)

    assert working_time(always_open("Europe/Warsaw"), *century) == century[1] - century[0]
    assert add_working_time(always_open("Europe/Warsaw"), century[0], century[1] - century[0]) == century[1]


@pytest.mark.parametrize(
    ("tz", "year"),
    [
        ("Africa/Freetown", 1939),
        ("Africa/Tunis", 1943),
        ("Europe/Simferopol", 1944),
        ("Europe/Vienna", 1945),
        ("America/Boa_Vista", 2000),
        ("Europe/Warsaw", 2025),
        ("Asia/Gaza", 2040),
        ("Asia/Gaza", 2054),
        ("Asia/Gaza", 2072),
    ],
)
def test_no_change_of_a_clock_is_missed(tz: str, year: int) -> None:
    """The changes that lie closest to each other among them."""
    zone, beginning = ZoneInfo(tz), datetime(year, 1, 1, tzinfo=UTC)
    ours = [
        (datetime.min.replace(tzinfo=UTC) + timedelta(microseconds=at), timedelta(microseconds=after))
        for at, _, after in _offset_changes(zone, year)
    ]
    moments = [beginning + timedelta(minutes=10 * count) for count in range((366 if year % 4 == 0 else 365) * 144)]
    offsets = [each.astimezone(zone).utcoffset() for each in [beginning - MINUTE, *moments]]

    assert ours == [
        (each, after) for each, before, after in zip(moments, offsets, offsets[1:], strict=False) if before != after
    ]


def test_a_time_without_a_zone_and_an_unknown_zone_are_refused() -> None:
    noon = datetime(2025, 5, 1, 12, tzinfo=UTC)

    with pytest.raises(InvalidInput, match="2025-05-01 00:00:00 has no time zone"):
        working_time(always_open(), datetime(2025, 5, 1), noon)
    with pytest.raises(InvalidInput, match="tz='Europe/Warszawa' is not a time zone"):
        working_time(always_open("Europe/Warszawa"), noon, noon)
    with pytest.raises(InvalidInput, match="is not between the years 1 and 9999 in Asia/Bangkok"):
        working_time(always_open("Asia/Bangkok"), noon, datetime.max.replace(tzinfo=UTC))
    with pytest.raises(InvalidInput, match="is negative"):
        add_working_time(always_open(), noon, -MINUTE)


@pytest.mark.parametrize(
    ("opens", "closes", "message"),
    [
        ("9:00", "17:00", "opens: '9:00' is no time of day"),
        ("09:00", "24:30", "closes: '24:30' is no time of day"),
        ("٠٩:٠٠", "17:00", "opens: '٠٩:٠٠' is no time of day"),
        ("09:00", "09:00", "closes: '09:00' is not after '09:00'"),
        ("22:00", "06:00", "give hours past midnight to the next day"),
    ],
)
def test_a_range_that_is_none_is_refused(opens: str, closes: str, message: str) -> None:
    with pytest.raises(InvalidRecord, match=message):
        TimeRange(opens, closes)
    with pytest.raises(InvalidRecord, match=message):
        Hours(0, opens, closes)


def test_a_weekday_that_is_none_is_refused() -> None:
    with pytest.raises(InvalidRecord, match=r"Hours\.weekday: 7 is no weekday; give 0 for Monday to 6 for Sunday"):
        Hours(7, "09:00", "17:00")


@pytest.mark.parametrize("second", [("12:29", "17:00"), ("09:00", "10:00"), ("08:00", "24:00")])
def test_ranges_that_overlap_are_refused(second: tuple[str, str]) -> None:
    with pytest.raises(InvalidRecord, match=r"BusinessCalendar\.hours: .* overlaps"):
        BusinessCalendar(tz="UTC", hours=[Hours(0, "09:00", "12:30"), Hours(0, *second)])
    with pytest.raises(InvalidRecord, match=r"SpecialDay\.hours: .* overlaps"):
        SpecialDay(date(2025, 1, 1), [TimeRange("09:00", "12:30"), TimeRange(*second)])


def test_ranges_may_touch_and_days_may_have_the_same_hours() -> None:
    hours = [Hours(0, "09:00", "12:30"), Hours(0, "12:30", "17:00"), Hours(1, "09:00", "12:30")]
    monday = datetime(2025, 5, 5, tzinfo=UTC)

    assert working_time(BusinessCalendar(tz="UTC", hours=hours), monday, monday + 24 * HOUR) == 8 * HOUR


def test_a_day_that_is_special_twice_is_refused() -> None:
    twice = [SpecialDay(date(2025, 1, 1)), SpecialDay(date(2025, 1, 1), name="New Year")]

    with pytest.raises(InvalidRecord, match="2025-01-01 stands there twice"):
        BusinessCalendar(tz="UTC", special_days=twice)


def test_a_calendar_stays_a_value_after_its_sums_were_made() -> None:
    calendar = always_open("Europe/Warsaw")
    start = datetime(2025, 1, 1, tzinfo=UTC)
    assert working_time(calendar, start, start + HOUR) == HOUR

    copy = pickle.loads(pickle.dumps(calendar))
    assert copy == calendar
    assert hash(copy) == hash(calendar)
    assert working_time(copy, start, start + HOUR) == HOUR
    closed = calendar.replace(hours=())
    assert working_time(closed, start, start + HOUR) == timedelta(0)


def _names(days: Iterable[SpecialDay]) -> dict[date, str | None]:
    return {day.on: day.name for day in days}


def test_holidays_of_a_country_are_added_in_its_language_whatever_the_process_speaks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytest.importorskip("holidays")
    monkeypatch.setenv("LANGUAGE", "de")
    eve = SpecialDay(date(2025, 12, 24), [TimeRange("09:00", "12:00")], "short")
    office = always_open("Europe/Warsaw").replace(special_days=[eve])
    names = _names(holiday_calendar(office, "PL", [2025, 2026]).special_days)

    assert names[date(2025, 5, 3)] == "Święto Narodowe Trzeciego Maja"
    assert names[date(2025, 12, 24)] == "short"
    assert date(2026, 1, 1) in names
    assert not any(day.year > 2026 for day in names)


def test_holidays_may_be_those_of_a_part_of_a_country() -> None:
    pytest.importorskip("holidays")
    office = always_open("Europe/Berlin")

    assert date(2025, 1, 6) in _names(holiday_calendar(office, "DE", [2025], subdivision="BY").special_days)
    assert date(2025, 1, 6) not in _names(holiday_calendar(office, "DE", [2025]).special_days)


@pytest.mark.parametrize(("country", "subdivision"), [("XX", None), ("PL", "ZZ")])
def test_holidays_of_an_unknown_country_are_refused(country: str, subdivision: str | None) -> None:
    pytest.importorskip("holidays")
    with pytest.raises(InvalidInput, match=f"country='{country}', subdivision=.*no holidays are known"):
        holiday_calendar(always_open(), country, [2025], subdivision=subdivision)


def test_without_the_package_of_holidays_the_command_that_installs_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "holidays", None)

    with pytest.raises(MissingExtra, match=r"pip install 'crmkit\[holidays\]'"):
        holiday_calendar(always_open(), "PL", [2025])
