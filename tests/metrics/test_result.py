"""What a KPI returns: a sequence of measures that explains itself and converts without loss."""

import sys
from datetime import UTC, date, datetime
from typing import Any

import pandas as pd
import polars as pl
import pytest

from crmkit.errors import InvalidInput, MissingExtra
from crmkit.metrics import Measure, MetricResult, average_order_value, win_rate
from crmkit.model import Deal, Money, Order
from crmkit.stats.periods import Period
from crmkit.testing.strategies import simplest

MAY = date(2025, 5, 31)
DEALS = [
    simplest(
        Deal,
        category=category,
        owner_id=owner,
        closed_at=None if category == "open" else datetime(2025, month, 2, tzinfo=UTC),
    )
    for category, month, owner in (
        ("won", 3, "anna"),
        ("lost", 3, "anna"),
        ("won", 5, "bo"),
        ("lost", 5, None),
        ("open", 5, "bo"),
    )
]
MONTHLY = win_rate(DEALS, as_of=MAY, every="month", by="owner_id")
COLUMNS = {
    "period": pl.String,
    "period_start": pl.Date,
    "period_end": pl.Date,
    "owner_id": pl.String,
    "value": pl.Float64,
    "unit": pl.String,
    "numerator": pl.Float64,
    "denominator": pl.Float64,
    "n": pl.Int64,
    "low": pl.Float64,
    "high": pl.Float64,
    "partial": pl.Boolean,
    "reason": pl.String,
    "excluded": pl.Int64,
    "warnings": pl.List(pl.String),
}


def test_a_result_is_a_sequence_of_measures_by_period_and_then_by_group_with_none_last() -> None:
    order = [(measure.period and measure.period.label, measure.group["owner_id"]) for measure in MONTHLY]

    assert order == [(month, owner) for month in ("2025-03", "2025-04", "2025-05") for owner in ("anna", "bo", None)]
    assert len(MONTHLY) == 9
    assert MONTHLY[0] is MONTHLY.measures[0]
    assert MONTHLY[-2:] == MONTHLY.measures[-2:]
    assert next(reversed(MONTHLY)) == MONTHLY[8]
    assert MONTHLY[8] in MONTHLY


def test_a_measure_says_what_it_is_made_of() -> None:
    first, april = MONTHLY[0], MONTHLY[3]

    assert first == Measure(
        period=Period(date(2025, 3, 1), date(2025, 4, 1), "2025-03"),
        group={"owner_id": "anna"},
        value=0.5,
        unit="share",
        numerator=1,
        denominator=2,
        n=2,
        low=first.low,
        high=first.high,
    )
    assert (april.value, april.n, april.denominator, april.low, april.high) == (None, 0, 0, None, None)
    assert april.reason == "no deal was closed"


def test_a_result_knows_what_was_asked() -> None:
    assert (MONTHLY.definition.name, MONTHLY.method, MONTHLY.tz) == ("win_rate", "closed", "UTC")
    assert MONTHLY.as_of == datetime(2025, 5, 31, 23, 59, 59, 999999, tzinfo=UTC)
    assert MONTHLY.excluded == {"open": 1}


def test_the_value_is_there_where_there_is_one_measure() -> None:
    assert win_rate(DEALS, as_of=MAY).value == 0.5
    with pytest.raises(
        InvalidInput, match="win_rate has 9 measures, not one; go through them, or leave out every= and"
    ):
        _ = MONTHLY.value
    with pytest.raises(InvalidInput, match="win_rate has 0 measures, not one"):
        _ = win_rate([], as_of=MAY, every="month").only


def test_a_result_becomes_one_dict_a_measure() -> None:
    row = MONTHLY.to_dicts()[0]

    assert list(row) == list(COLUMNS)
    assert (row["period"], row["period_start"], row["period_end"]) == ("2025-03", date(2025, 3, 1), date(2025, 4, 1))
    assert (row["owner_id"], row["value"], row["excluded"], row["warnings"]) == ("anna", 0.5, 0, [])


def test_a_result_becomes_a_polars_frame_with_the_same_rows() -> None:
    frame = MONTHLY.to_polars()

    assert dict(frame.schema) == COLUMNS
    assert frame.to_dicts() == MONTHLY.to_dicts()


def test_a_result_without_periods_and_groups_has_the_same_columns() -> None:
    frame = win_rate([], as_of=MAY).to_polars()

    assert dict(frame.schema) == {name: kind for name, kind in COLUMNS.items() if name != "owner_id"}
    assert frame.rows(named=True)[0]["reason"] == "no deal was closed"


def test_a_result_without_measures_has_all_columns_too() -> None:
    frame = win_rate([], as_of=MAY, every="month", by="owner_id").to_polars()

    assert (frame.height, frame.columns) == (0, list(COLUMNS))


def test_a_result_becomes_a_pandas_frame() -> None:
    frame = MONTHLY.to_pandas()

    assert isinstance(frame, pd.DataFrame)
    assert frame["n"].sum() == 4
    assert frame["value"].isna().sum() == sum(measure.value is None for measure in MONTHLY)


def test_without_pandas_the_error_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for missing in ("pandas", "pyarrow"):
        monkeypatch.setitem(sys.modules, missing, None)

    with pytest.raises(MissingExtra, match=r"pip install 'crmkit\[pandas\]'"):
        MONTHLY.to_pandas()


def test_warnings_and_exclusions_reach_the_frame() -> None:
    rows = [Order(at=datetime(2025, 5, 2, tzinfo=UTC), amount=None) for _ in range(3)]
    frame = pl.DataFrame({"id": ["a"], "at": [datetime(2025, 5, 2, tzinfo=UTC)], "amount": [1.0]})

    assert average_order_value(rows, as_of=MAY).to_polars()["excluded"].to_list() == [3]
    assert average_order_value(frame, as_of=MAY).to_polars()["warnings"].to_list() == [
        ["the data does not say the currency"]
    ]


@pytest.mark.parametrize("column", ["outcome", "bucket", "total", "key_0", "index"])
def test_a_column_to_group_by_may_have_a_name_that_is_used_inside(column: str) -> None:
    at = datetime(2025, 5, 2, tzinfo=UTC)
    frame = pl.DataFrame({"category": ["won", "lost"], "closed_at": [at, at], column: ["x", "y"]})

    assert [measure.value for measure in win_rate(frame, as_of=MAY, by=column)] == [1.0, 0.0]


@pytest.mark.parametrize("column", ["period", "value", "n", "reason"])
def test_a_column_to_group_by_that_would_hide_one_of_the_result_is_refused(column: str) -> None:
    at = datetime(2025, 5, 2, tzinfo=UTC)
    frame = pl.DataFrame({"category": ["won"], "closed_at": [at], column: ["x"]})

    with pytest.raises(InvalidInput, match=f"by='{column}'"):
        win_rate(frame, as_of=MAY, by=column)
    assert win_rate(frame, as_of=MAY, by="mine", columns={"mine": column}).to_polars()["mine"].to_list() == ["x"]


@pytest.mark.parametrize(
    ("column", "groups"),
    [
        ("n_calls", [1, 2, None]),
        ("share", [0.5, 1.5, None]),
        ("is_vip", [False, True, None]),
        ("since", [date(2024, 1, 1), date(2025, 1, 1), None]),
        ("seen_at", [datetime(2024, 1, 1, tzinfo=UTC), datetime(2025, 1, 1, tzinfo=UTC), None]),
    ],
)
def test_groups_of_every_type_sort_and_convert(column: str, groups: list[Any]) -> None:
    at = datetime(2025, 5, 2, tzinfo=UTC)
    frame = pl.DataFrame({"category": ["won"] * 3, "closed_at": [at] * 3, column: groups[::-1]})
    result = win_rate(frame, as_of=MAY, by=column)

    assert [measure.group[column] for measure in result] == groups
    assert result.to_polars()[column].to_list() == groups


def test_a_group_of_amounts_shows_the_amounts() -> None:
    rows = [DEALS[0].replace(amount=Money("490", "PLN"))]

    assert float(win_rate(rows, as_of=MAY, by="amount").only.group["amount"]) == 490.0


def test_a_notebook_shows_title_text_and_table_without_running_anything_in_it() -> None:
    hostile = [DEALS[0].replace(owner_id="<script>alert(1)</script>")]
    html = win_rate(hostile, as_of=MAY, by="owner_id")._repr_html_()

    assert html.startswith("<p><strong>Win rate</strong>: Of the deals")
    assert "<table" in html
    assert "<script>" not in html


def test_results_are_equal_where_all_that_they_say_is() -> None:
    assert win_rate(DEALS, as_of=MAY, every="month", by="owner_id") == MONTHLY
    assert isinstance(MONTHLY, MetricResult)
    assert win_rate(DEALS, as_of=MAY) != MONTHLY
