"""The arguments that all KPIs share: `as_of`, the window, periods, groups and the time zone."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from crmkit.errors import InvalidInput
from crmkit.metrics import Measure, MetricResult, win_rate
from crmkit.model import Deal
from crmkit.testing.strategies import simplest

MICROSECOND = timedelta(microseconds=1)
BANGKOK = ZoneInfo("Asia/Bangkok")


def closed(*moments: datetime, **given: Any) -> list[Deal]:
    return [simplest(Deal, category="won", closed_at=at, **given) for at in moments]


def label(measure: Measure) -> str | None:
    return measure.period.label if measure.period else None


def counts(result: MetricResult) -> dict[str | None, int]:
    return {label(measure): measure.n for measure in result}


def partials(result: MetricResult) -> dict[str | None, bool]:
    return {label(measure): measure.partial for measure in result}


MIDNIGHT = datetime(2025, 2, 1, tzinfo=BANGKOK)


@pytest.mark.parametrize(
    ("as_of", "n"),
    [
        (date(2025, 1, 31), 1),
        (date(2025, 2, 1), 3),
        (MIDNIGHT, 2),
        (MIDNIGHT - MICROSECOND, 1),
        (MIDNIGHT.astimezone(UTC), 2),
    ],
)
def test_as_of_is_inclusive_and_a_date_is_its_whole_day(as_of: date, n: int) -> None:
    deals = closed(MIDNIGHT - MICROSECOND, MIDNIGHT, MIDNIGHT + MICROSECOND)
    measure = win_rate(deals, as_of=as_of, tz="Asia/Bangkok").only

    assert (measure.n, measure.excluded) == (n, {"open": 3 - n} if n < 3 else {})


@pytest.mark.parametrize(
    ("start", "end", "n"),
    [
        (None, date(2025, 2, 1), 1),
        (date(2025, 2, 1), None, 2),
        (date(2025, 1, 31), date(2025, 2, 1), 1),
        (MIDNIGHT, MIDNIGHT + MICROSECOND, 1),
        (MIDNIGHT, MIDNIGHT + 2 * MICROSECOND, 2),
        (date(2025, 2, 2), date(2025, 2, 3), 0),
    ],
)
def test_the_window_is_half_open_and_a_date_is_its_midnight(start: Any, end: Any, n: int) -> None:
    deals = closed(MIDNIGHT - MICROSECOND, MIDNIGHT, MIDNIGHT + MICROSECOND)

    assert win_rate(deals, as_of=date(2025, 3, 1), start=start, end=end, tz="Asia/Bangkok").only.n == n


def test_a_deal_is_in_the_month_of_the_time_zone() -> None:
    deals = closed(datetime(2025, 1, 31, 17, tzinfo=UTC))

    assert counts(win_rate(deals, as_of=date(2025, 2, 28), every="month")) == {"2025-01": 1, "2025-02": 0}
    assert counts(win_rate(deals, as_of=date(2025, 2, 28), every="month", tz="Asia/Bangkok")) == {"2025-02": 1}


def test_a_day_that_a_zone_skipped_is_empty() -> None:
    around = closed(datetime(2011, 12, 30, 9, 59, tzinfo=UTC), datetime(2011, 12, 30, 10, tzinfo=UTC))
    result = win_rate(around, as_of=date(2011, 12, 31), every="day", tz="Pacific/Apia")

    assert counts(result) == {"2011-12-29": 1, "2011-12-30": 0, "2011-12-31": 1}
    assert not any(partials(result).values())


def test_without_a_window_the_series_runs_from_the_first_row_to_as_of_with_empty_periods_between() -> None:
    deals = closed(datetime(2024, 11, 5, tzinfo=UTC), datetime(2025, 1, 5, tzinfo=UTC))

    assert counts(win_rate(deals, as_of=date(2025, 2, 15), every="month")) == {
        "2024-11": 1,
        "2024-12": 0,
        "2025-01": 1,
        "2025-02": 0,
    }


def test_with_a_window_the_series_is_the_window_whatever_the_rows() -> None:
    window: dict[str, Any] = {"start": date(2025, 1, 1), "end": date(2025, 4, 1)}

    assert counts(win_rate([], as_of=date(2025, 12, 31), every="month", **window)) == {
        "2025-01": 0,
        "2025-02": 0,
        "2025-03": 0,
    }
    assert list(counts(win_rate([], as_of=date(2025, 2, 1), every="month", **window))) == ["2025-01", "2025-02"]
    assert len(win_rate([], as_of=date(2024, 12, 31), every="month", **window)) == 0


def test_without_rows_and_without_a_start_there_is_no_first_period() -> None:
    assert len(win_rate([], as_of=date(2025, 2, 15), every="month")) == 0


@pytest.mark.parametrize(
    ("as_of", "window", "partial"),
    [
        (date(2025, 2, 28), {}, {"2025-01": False, "2025-02": False}),
        (date(2025, 2, 27), {}, {"2025-01": False, "2025-02": True}),
        (datetime(2025, 3, 1, tzinfo=UTC) - MICROSECOND, {}, {"2025-01": False, "2025-02": False}),
        (datetime(2025, 3, 1, tzinfo=UTC) - 2 * MICROSECOND, {}, {"2025-01": False, "2025-02": True}),
        (date(2025, 2, 28), {"start": date(2025, 1, 1)}, {"2025-01": False, "2025-02": False}),
        (date(2025, 2, 28), {"start": date(2025, 1, 2)}, {"2025-01": True, "2025-02": False}),
        (date(2025, 12, 31), {"end": date(2025, 3, 1)}, {"2025-01": False, "2025-02": False}),
        (date(2025, 12, 31), {"end": date(2025, 2, 28)}, {"2025-01": False, "2025-02": True}),
        (date(2025, 2, 27), {"end": date(2025, 3, 1)}, {"2025-01": False, "2025-02": True}),
    ],
)
def test_a_period_is_partial_that_is_cut_or_has_not_ended(
    as_of: date, window: dict[str, Any], partial: dict[str, bool]
) -> None:
    deals = closed(datetime(2025, 1, 15, tzinfo=UTC))

    assert partials(win_rate(deals, as_of=as_of, every="month", **window)) == partial


@pytest.mark.parametrize(
    ("as_of", "end", "partial"),
    [
        (date(2025, 2, 28), None, False),
        (date(2025, 2, 28), date(2025, 3, 1), False),
        (date(2025, 2, 27), date(2025, 3, 1), True),
        (date(2025, 5, 1), date(2025, 3, 1), False),
    ],
)
def test_a_window_is_partial_that_has_not_ended(as_of: date, end: date | None, *, partial: bool) -> None:
    assert partials(win_rate([], as_of=as_of, end=end)) == {None: partial}


def test_the_end_of_a_day_is_that_of_the_time_zone() -> None:
    result = win_rate([], as_of=date(2025, 2, 28), start=date(2025, 2, 1), every="month", tz="America/New_York")

    assert result.as_of == datetime(2025, 3, 1, 5, tzinfo=UTC) - MICROSECOND
    assert partials(result) == {"2025-02": False}


def test_groups_are_those_of_the_whole_window_in_every_period_and_none_is_one() -> None:
    deals = closed(datetime(2025, 1, 5, tzinfo=UTC), owner_id="anna") + closed(datetime(2025, 2, 5, tzinfo=UTC))
    result = win_rate(deals, as_of=date(2025, 2, 28), every="month", by=["owner_id", "stage"])

    assert [(measure.group, measure.n) for measure in result] == [
        ({"owner_id": "anna", "stage": "x"}, 1),
        ({"owner_id": None, "stage": "x"}, 0),
        ({"owner_id": "anna", "stage": "x"}, 0),
        ({"owner_id": None, "stage": "x"}, 1),
    ]


def test_no_rows_have_no_groups() -> None:
    assert len(win_rate([], as_of=date(2025, 2, 28), by="owner_id")) == 0


@pytest.mark.parametrize("every", [None, "year"])
@pytest.mark.parametrize("as_of", [date.max, datetime.max.replace(tzinfo=UTC)])
def test_as_of_may_be_the_end_of_time(as_of: date, every: str | None) -> None:
    deals = closed(datetime(2025, 1, 5, tzinfo=UTC))

    try:
        assert win_rate(deals, as_of=as_of, tz="Asia/Bangkok", every=every)[0].value == 1.0
    except InvalidInput as refused:
        assert str(refused).startswith("as_of=")  # noqa: PT017 - refusing is one of two good answers


WRONG: dict[str, list[Any]] = {
    "as_of": [None, 20250131, datetime(2025, 1, 31), "today"],
    "start": ["2025-01-31", 7],
    "end": ["2025-01-31", 7],
    "every": ["Month", "", 7],
    "tz": ["", None, 7, BANGKOK],
    "method": ["", None, ["closed"]],
    "ci": [0.0, 1.0, 1, "0.95"],
    "by": [7, [None]],
    "columns": ["owner_id", 7],
}


@pytest.mark.parametrize(("argument", "value"), [(name, value) for name, values in WRONG.items() for value in values])
def test_an_argument_of_a_wrong_type_is_refused_by_name_in_one_sentence(argument: str, value: Any) -> None:
    with pytest.raises(InvalidInput, match=argument) as refused:
        win_rate([], **{"as_of": date(2025, 1, 31)} | {argument: value})

    assert "\n" not in str(refused.value)
