"""Civil periods: they partition the days, and days have the length that their time zone gives them."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmkit.errors import InvalidInput
from crmkit.stats.periods import EVERY, Every, Period, check_every, index_of, instant, period_of, zone
from crmkit.testing.strategies import ZONES, instants

kinds = st.sampled_from(EVERY)
days = st.dates(date(1, 1, 8), date(9998, 12, 31))
DAY, MICROSECOND = timedelta(days=1), timedelta(microseconds=1)


@given(days, kinds)
def test_every_day_lies_in_the_period_of_its_index(day: date, every: Every) -> None:
    period = period_of(index_of(day, every), every)

    assert period.start <= day < period.end


@given(days, kinds)
def test_periods_follow_each_other_without_gap_or_overlap(day: date, every: Every) -> None:
    index = index_of(day, every)
    period, next_ = period_of(index, every), period_of(index + 1, every)

    assert period.end == next_.start
    assert index_of(period.start, every) == index_of(period.end - DAY, every) == index
    assert index_of(period.end, every) == index + 1
    assert period < next_
    assert period.label != next_.label


@given(st.dates(date(1000, 1, 1), date(9998, 12, 31)))
def test_a_label_is_the_one_that_the_calendar_uses(day: date) -> None:
    year, week, _ = day.isocalendar()

    assert {every: period_of(index_of(day, every), every).label for every in EVERY[:5]} == {
        "day": day.isoformat(),
        "week": f"{year}-W{week:02}",
        "month": day.isoformat()[:7],
        "quarter": f"{day.year}-Q{(day.month + 2) // 3}",
        "year": str(day.year),
    }


@pytest.mark.parametrize(
    ("day", "every", "period"),
    [
        (date(2020, 12, 31), "week", Period(date(2020, 12, 28), date(2021, 1, 4), "2020-W53")),
        (date(2021, 1, 3), "week", Period(date(2020, 12, 28), date(2021, 1, 4), "2020-W53")),
        (date(2024, 12, 30), "week", Period(date(2024, 12, 30), date(2025, 1, 6), "2025-W01")),
        (date(1970, 1, 1), "week", Period(date(1969, 12, 29), date(1970, 1, 5), "1970-W01")),
        (date(2024, 2, 29), "month", Period(date(2024, 2, 1), date(2024, 3, 1), "2024-02")),
        (date(2024, 12, 31), "quarter", Period(date(2024, 10, 1), date(2025, 1, 1), "2024-Q4")),
        (date(1969, 12, 31), "year", Period(date(1969, 1, 1), date(1970, 1, 1), "1969")),
        (date(2025, 3, 31), "year from April", Period(date(2024, 4, 1), date(2025, 4, 1), "2024-04 to 2025-03")),
        (date(2025, 4, 1), "year from April", Period(date(2025, 4, 1), date(2026, 4, 1), "2025-04 to 2026-03")),
        (date(2025, 1, 31), "quarter from February", Period(date(2024, 11, 1), date(2025, 2, 1), "2024-11 to 2025-01")),
        (date(1969, 12, 31), "day", Period(date(1969, 12, 31), date(1970, 1, 1), "1969-12-31")),
    ],
)
def test_periods_across_the_ends_of_years(day: date, every: Every, period: Period) -> None:
    assert period_of(index_of(day, every), every) == period


@given(instants(datetime(1890, 1, 1), datetime(2060, 1, 1), zones=()), st.sampled_from(ZONES))
def test_an_instant_lies_between_the_two_ends_of_its_civil_day(moment: datetime, tz: str) -> None:
    day = moment.astimezone(ZoneInfo(tz)).date()

    assert instant(day, tz, "start") <= moment <= instant(day, tz, "as_of", end_of_day=True)


@given(st.dates(date(1890, 1, 1), date(2060, 1, 1)), st.sampled_from(ZONES))
def test_a_day_ends_a_microsecond_before_the_next_begins(day: date, tz: str) -> None:
    assert instant(day, tz, "end", end_of_day=True) + MICROSECOND == instant(day + DAY, tz, "start")


@pytest.mark.parametrize(
    ("tz", "day", "begins", "hours"),
    [
        ("Asia/Bangkok", date(2025, 1, 31), datetime(2025, 1, 30, 17), 24),
        ("Europe/Warsaw", date(2025, 3, 30), datetime(2025, 3, 29, 23), 23),
        ("Europe/Warsaw", date(2025, 10, 26), datetime(2025, 10, 25, 22), 25),
        ("America/Sao_Paulo", date(2017, 10, 15), datetime(2017, 10, 15, 3), 23),  # begins at 01:00
        ("America/Sao_Paulo", date(2018, 2, 17), datetime(2018, 2, 17, 2), 25),  # has 23:00 twice
        ("America/Havana", date(2024, 11, 3), datetime(2024, 11, 3, 4), 25),  # has 00:00 twice
        ("Pacific/Apia", date(2011, 12, 29), datetime(2011, 12, 29, 10), 24),
        ("Pacific/Apia", date(2011, 12, 30), datetime(2011, 12, 30, 10), 0),  # did not happen
        ("Pacific/Apia", date(2011, 12, 31), datetime(2011, 12, 30, 10), 24),
    ],
)
def test_a_day_is_as_long_as_its_time_zone_says(tz: str, day: date, begins: datetime, hours: int) -> None:
    start, end = instant(day, tz, "start"), instant(day, tz, "end", end_of_day=True) + MICROSECOND

    assert start == begins.replace(tzinfo=UTC)
    assert end - start == timedelta(hours=hours)


@given(instants())
def test_a_datetime_means_itself_at_both_ends(moment: datetime) -> None:
    assert instant(moment, "Asia/Bangkok", "start") == moment.astimezone(UTC)
    assert instant(moment, "Asia/Bangkok", "as_of", end_of_day=True) == moment.astimezone(UTC)


@pytest.mark.parametrize("moment", [datetime(2025, 1, 31), "2025-01-31", 20250131, None])
def test_what_is_no_moment_is_refused_by_the_name_of_the_argument(moment: Any) -> None:
    with pytest.raises(InvalidInput, match=r"^as_of=.*give an? .*date"):
        instant(moment, "UTC", "as_of")


@pytest.mark.parametrize("moment", [date.max, datetime.max.replace(tzinfo=ZoneInfo("America/New_York"))])
def test_a_moment_beyond_the_calendar_is_refused_by_the_name_of_the_argument(moment: date) -> None:
    with pytest.raises(InvalidInput, match="^as_of="):
        instant(moment, "America/New_York", "as_of", end_of_day=True)


@pytest.mark.parametrize("name", ["Asia/Bankok", "", "Europe", "../etc/passwd", "\0", None, 7, ZoneInfo("UTC")])
def test_an_unknown_time_zone_is_refused(name: Any) -> None:
    with pytest.raises(InvalidInput, match=r"^tz=.* is not a time zone; give an IANA name such as 'Asia/Bangkok'"):
        zone(name)


@pytest.mark.parametrize("every", [*EVERY, None])
def test_a_kind_of_period_is_known(every: Every | None) -> None:
    assert check_every(every) == every


@pytest.mark.parametrize("every", ["mont", "Month", "", 7])
def test_an_unknown_kind_of_period_is_refused(every: Any) -> None:
    with pytest.raises(InvalidInput, match=r"^every=.* is not a kind of period; there are 'day', 'week', 'month'"):
        check_every(every)
