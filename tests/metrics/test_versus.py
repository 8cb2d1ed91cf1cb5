"""A KPI beside the same KPI at an earlier time."""

from datetime import UTC, date, datetime
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmkit import CRM, metrics
from crmkit.errors import InvalidInput
from crmkit.metrics import backlog, win_rate
from crmkit.model import Deal, Ticket
from crmkit.stats.periods import EVERY
from tests.examples import few
from tests.metrics.cases import AS_OF, TZS, deals

MAY = date(2025, 5, 31)
monthly = partial(win_rate, every="month")


def closed(year: int, month: int, day: int, category: Any = "won", hour: int = 12) -> Deal:
    at = datetime(year, month, day, hour, tzinfo=UTC)
    return Deal(pipeline_id="gym", stage="Offer", category=category, created_at=at, closed_at=at)


def earlier(result: metrics.MetricResult) -> list[float | None]:
    return [None if each.earlier is None else each.earlier.value for each in result]


DEALS = [
    *(closed(2025, month, 2, category) for month in range(1, 6) for category in ["won"] * month + ["lost"] * 3),
    closed(2024, 5, 7, "lost"),
]


def test_each_period_stands_beside_the_one_before() -> None:
    result = monthly(DEALS, start=date(2025, 1, 1), as_of=MAY, versus="previous")

    assert earlier(result) == [None, 1 / 4, 2 / 5, 3 / 6, 4 / 7]
    assert [each.change for each in result][1:] == pytest.approx([0.15, 0.1, 1 / 14, 5 / 8 - 4 / 7])
    assert result.earlier is not None
    assert result.earlier[0].reason == "no deal was closed"


def test_each_period_stands_beside_that_of_the_year_before() -> None:
    assert earlier(monthly(DEALS, start=date(2025, 4, 1), as_of=MAY, versus="year_ago")) == [None, 0]


@few
@given(deals, st.sampled_from(EVERY), st.sampled_from(["previous", "year_ago"]), st.sampled_from(TZS))
def test_the_earlier_measure_is_what_would_have_been_reported_then(
    given_: list[Deal], every: str, versus: str, tz: str
) -> None:
    result = win_rate(given_, every=every, as_of=AS_OF, versus=versus, tz=tz, by="owner_id")

    assert result.earlier is not None
    assert result.earlier == win_rate(given_, every=every, as_of=result.earlier.as_of, tz=tz, by="owner_id")
    assert all(each.earlier is None or each.earlier in result.earlier for each in result)
    assert all(
        each.earlier is None or (each.earlier.group == each.group and each.earlier.period < each.period)  # type: ignore[operator]
        for each in result
    )
    plain = win_rate(given_, every=every, as_of=AS_OF, tz=tz, by="owner_id")
    assert [each.value for each in plain] == [each.value for each in result]


@pytest.mark.parametrize(
    ("asked", "then"),
    [
        ({"start": date(2025, 4, 1), "as_of": MAY}, {"start": date(2025, 2, 1), "as_of": date(2025, 3, 31)}),
        (
            {"start": date(2025, 5, 1), "end": date(2025, 6, 1), "as_of": date(2025, 6, 15)},
            {"start": date(2025, 4, 1), "end": date(2025, 5, 1), "as_of": date(2025, 5, 15)},
        ),
        (
            {"start": date(2025, 5, 3), "end": date(2025, 5, 10), "as_of": MAY},
            {"start": date(2025, 4, 26), "end": date(2025, 5, 3), "as_of": date(2025, 5, 24)},
        ),
        (
            {"start": date(2025, 3, 10), "end": date(2025, 3, 11), "as_of": MAY, "tz": "America/New_York"},
            {"start": date(2025, 3, 9), "end": date(2025, 3, 10), "as_of": date(2025, 5, 30), "tz": "America/New_York"},
        ),
    ],
)
def test_a_window_is_compared_with_the_one_of_the_same_length_before_it(
    asked: dict[str, Any], then: dict[str, Any]
) -> None:
    assert win_rate(DEALS, **asked, versus="previous").earlier == win_rate(DEALS, **then)


def test_an_unfinished_month_is_compared_with_as_much_of_the_one_before() -> None:
    days = [*(closed(2025, 4, day) for day in (2, 9, 10, 29)), closed(2025, 5, 3)]
    result = monthly(days, start=date(2025, 5, 1), as_of=date(2025, 5, 9), versus="previous")

    assert result.only.earlier is not None
    assert (result.only.n, result.only.earlier.n) == (1, 2)


def test_a_whole_short_month_is_compared_with_the_whole_of_a_longer_one() -> None:
    days = [closed(2025, 1, 31, hour=23), closed(2025, 2, 28)]
    result = monthly(days, start=date(2025, 2, 1), as_of=date(2025, 2, 28), versus="previous")

    assert result.only.earlier is not None
    assert result.only.earlier.n == 1


def test_a_moment_is_compared_with_the_same_moment_a_year_before() -> None:
    tickets = [
        Ticket(
            number=str(year), subject="?", status="new", category="open", created_at=datetime(year, 5, 1, tzinfo=UTC)
        )
        for year in (2023, 2024, 2025)
    ]
    only = backlog(tickets, as_of=MAY, versus="year_ago").only

    assert (only.value, only.change) == (3, 1)
    assert only.change_interval is None


def test_the_zone_decides_where_the_earlier_time_begins() -> None:
    late = datetime(2025, 3, 31, 20, tzinfo=ZoneInfo("America/New_York"))
    one = [Deal(pipeline_id="gym", stage="Offer", category="won", created_at=late, closed_at=late)]
    asked: dict[str, Any] = {"start": date(2025, 4, 1), "as_of": date(2025, 4, 30), "versus": "previous"}

    there, here = win_rate(one, **asked, tz="America/New_York").only, win_rate(one, **asked).only
    assert there.earlier is not None
    assert here.earlier is not None
    assert (there.earlier.n, here.earlier.n) == (1, 0)
    assert (there.n, here.n) == (0, 1)


def test_parts_that_share_no_deal_add_up() -> None:
    asked: dict[str, Any] = {"start": date(2025, 1, 1), "as_of": MAY, "versus": "previous"}
    one, other = (monthly(part, **asked) for part in (DEALS[:7], DEALS[7:]))

    assert one + other == monthly(DEALS, **asked)
    with pytest.raises(InvalidInput, match="asked in the same way"):
        _ = one + monthly(DEALS[7:], start=date(2025, 1, 1), as_of=MAY)


def test_the_interval_of_the_change_holds_the_change() -> None:
    change = monthly(DEALS, start=date(2025, 5, 1), as_of=MAY, versus="previous").only

    assert change.change is not None
    assert change.change_interval is not None
    assert change.change_interval[0] < change.change < change.change_interval[1]


def test_the_table_says_the_change_only_where_it_is_asked_for() -> None:
    compared = monthly(DEALS, as_of=MAY, versus="previous").to_polars()

    assert compared.columns[-4:] == ["earlier", "change", "change_low", "change_high"]
    assert compared["earlier"].to_list()[-1] == 4 / 7
    assert "earlier" not in monthly(DEALS, as_of=MAY).to_polars().columns
    assert monthly([], as_of=MAY, versus="previous").to_polars().columns[-4:] == compared.columns[-4:]


def test_many_are_compared_in_one_pass_and_in_the_facade() -> None:
    asked: dict[str, Any] = {"as_of": MAY, "every": "month", "versus": "previous"}
    both = metrics.compute({"a": win_rate, "b": partial(win_rate, versus=None)}, {"deals": DEALS}, **asked)

    assert both["a"] == win_rate(DEALS, **asked)
    assert both["b"].earlier is None
    with CRM.open("memory://") as crm:
        assert crm.metrics.win_rate(every="month", versus="previous").earlier is not None
    compared = metrics.compare(win_rate, DEALS, **asked)
    assert all(each.result is not None and each.result.earlier is not None for each in compared)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"versus": "previuos"}, r"versus='previuos' is no comparison; .*did you mean 'previous'"),
        ({"versus": "previous"}, r"versus='previous' has nothing to go back by; give every= or start="),
        ({"versus": "previous", "start": date(2025, 5, 1), "as_of": None}, "as_of"),
        ({"versus": "previous", "every": "moth"}, r"every='moth' is not a kind of period"),
        ({"versus": "year_ago", "tz": "Nowhere"}, "tz='Nowhere'"),
        ({"versus": "year_ago", "start": "2025"}, "start='2025' is no point in time"),
    ],
)
def test_what_cannot_be_compared_is_refused(asked: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        win_rate(DEALS, **{"as_of": MAY, **asked})
