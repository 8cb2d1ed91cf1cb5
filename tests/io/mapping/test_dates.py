"""A date is read as it was meant, or not at all: the order of day and month comes from the whole column, never from a guess."""

from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmkit.io.mapping.dates import DAY_FIRST, MONTH_FIRST, DateOrder, order_of, read_moment

DAYS = st.dates(date(1900, 1, 1), date(2199, 12, 31))
ORDERS = st.sampled_from([DAY_FIRST, MONTH_FIRST])


def _written(day: date, order: DateOrder, mark: str = "/") -> str:
    parts = (day.day, day.month) if order == DAY_FIRST else (day.month, day.day)
    return mark.join(map(str, (*parts, day.year)))


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("2025-12-31", date(2025, 12, 31)),
        ("2025-12-31T18:30:15", datetime(2025, 12, 31, 18, 30, 15)),
        ("2025-12-31 18:30:15.5", datetime(2025, 12, 31, 18, 30, 15, 500_000)),
        ("2025-12-31 18:30:15+02:00", datetime(2025, 12, 31, 16, 30, 15, tzinfo=UTC)),
        ("2025-12-31 18:30 UTC", datetime(2025, 12, 31, 18, 30, tzinfo=UTC)),
        ("20251231", date(2025, 12, 31)),
        ("2025/12/31", date(2025, 12, 31)),
        ("31.12.2025", date(2025, 12, 31)),
        ("1.2.2025 7:05", datetime(2025, 2, 1, 7, 5)),
        ("31 Dec 2025", date(2025, 12, 31)),
        ("31-December-2025", date(2025, 12, 31)),
        ("Wed, 31 Dec 2025 18:30:00 -0500", datetime(2025, 12, 31, 23, 30, tzinfo=UTC)),
        ("December 31, 2025, 12:05 am", datetime(2025, 12, 31, 0, 5)),
        ("Dec 31, 2025 12:05 p.m.", datetime(2025, 12, 31, 12, 5)),
    ],
)
def test_what_has_one_meaning_needs_no_order(text: str, meant: date) -> None:
    found = read_moment(text)
    if isinstance(found, datetime) and found.tzinfo:
        found = found.astimezone(UTC)
    assert found == meant


@pytest.mark.parametrize(
    "text",
    ["", "soon", "1/2/2025", "31/12/25", "2025-02-30", "31 Foo 2025", "12/31/2025 25:00", "1/1/2025 13:00 PM", "٣١/١٢/٢٠٢٥", "1/1/10000"],
)  # fmt: skip
def test_what_is_no_date_or_has_two_meanings_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - its message is nobody's to read
        read_moment(text)


@given(DAYS, ORDERS, st.sampled_from("/-"))
def test_a_stated_order_reads_what_was_written_in_it(day: date, order: DateOrder, mark: str) -> None:
    assert read_moment(_written(day, order, mark), order) == day


@given(st.lists(DAYS, min_size=1, max_size=20), ORDERS)
def test_the_order_of_a_column_is_found_whenever_a_day_is_above_twelve(days: list[date], order: DateOrder) -> None:
    texts = [_written(day, order) for day in days]
    told = any(day.day > 12 for day in days)
    matters = told or any(day.day != day.month for day in days)
    assert order_of(texts) == order_of(reversed(texts)) == (order if told else None, matters)


def test_a_column_of_both_orders_is_refused() -> None:
    with pytest.raises(ValueError, match="both"):
        order_of(["13/1/2025", "1/13/2025"])


def test_a_zone_in_the_text_is_kept() -> None:
    found = read_moment("5/2/2025 10:00 +05:45", DAY_FIRST)
    assert found == datetime(2025, 2, 5, 10, tzinfo=timezone(timedelta(hours=5, minutes=45)))
