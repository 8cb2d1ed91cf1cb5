"""Instants, civil days and sums are the same numbers on every engine, whatever the session's own time zone is."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, get_args
from zoneinfo import ZoneInfo

import narwhals as nw
import polars as pl
import pytest

from crmkit.errors import InvalidInput
from crmkit.frames.door import moment, period_of, through_the_door
from crmkit.frames.table import open_table
from crmkit.frames.tally import Sums, answers, question
from crmkit.metrics import first_contact_resolution, win_rate
from crmkit.model import Deal
from crmkit.stats.periods import Every, index_of
from crmkit.testing.strategies import ZONES

Into = Callable[[pl.DataFrame], Any]
MICROSECOND = timedelta(microseconds=1)
DAYS = [
    date(1890, 1, 1),
    date(1969, 12, 31),
    date(2011, 12, 30),
    date(2025, 3, 30),
    date(2025, 11, 2),
    date(2059, 7, 1),
]
MOMENTS = [
    datetime(day.year, day.month, day.day, hour, 59, 59, tzinfo=UTC) + shift * MICROSECOND
    for day in DAYS
    for hour in range(24)
    for shift in (0, 999_999, 10**6)
]
EVERY: tuple[Every, ...] = get_args(Every)


def table(**columns: Any) -> pl.DataFrame:
    return pl.DataFrame(columns, schema_overrides={"at": pl.Datetime("us", "UTC")})


def test_an_instant_is_microseconds_since_1970(away: Into) -> None:
    rows = through_the_door(nw.from_native(away(table(at=[*MOMENTS, None]))), ["at"], "UTC")
    found = rows.select("at").collect("polars")["at"].to_list()

    assert sorted(found, key=repr) == sorted([*map(moment, MOMENTS), None], key=repr)


@pytest.mark.parametrize("tz", ZONES)
def test_civil_periods_are_those_of_the_calendar(away: Into, tz: str) -> None:
    rows = through_the_door(nw.from_native(away(table(at=MOMENTS))), ["at"], tz)
    periods = [period_of("at", every).alias(every) for every in EVERY]
    local = [at.astimezone(ZoneInfo(tz)).date() for at in MOMENTS]

    assert sorted(rows.select("at", *periods).collect("polars").rows()) == sorted(
        (moment(at), *(index_of(day, every) for every in EVERY)) for at, day in zip(MOMENTS, local, strict=True)
    )


LARGEST = 2**63 - 1
AMOUNTS = [0, 1, -1, 2**32, 2**32 - 1, -(2**32) - 1, 2**53 + 1, LARGEST, LARGEST, -LARGEST - 1]


def test_sums_and_sums_of_squares_are_exact(away: Into) -> None:
    rows = nw.from_native(away(table(amount=AMOUNTS)))
    asked = question(rows, [], outcome=nw.lit("all"), amount=nw.col("amount"), squares=True)

    assert answers([asked]) == [
        {(): {"all": {None: Sums(len(AMOUNTS), sum(AMOUNTS), sum(each * each for each in AMOUNTS))}}}
    ]


NOON = datetime(2025, 1, 31, 12, tzinfo=UTC)
WRONG: dict[str, tuple[str, Any, str]] = {
    "a naive timestamp": ("closed_at", NOON.replace(tzinfo=None), "is .* without a time zone; give timestamps with a"),
    "a day for a timestamp": ("closed_at", NOON.date(), "is Date; give timestamps with a time zone"),
    "a text for a timestamp": ("closed_at", "2025-01-31T12:00Z", "is String; give timestamps with a time zone"),
    "a flag for a text": ("category", True, "is Boolean; give text"),
    "a text for a number": ("amount", "490,00", "is String; give numbers"),
}


@pytest.mark.parametrize(("column", "value", "message"), WRONG.values(), ids=WRONG)
def test_a_wrong_type_is_named(away: Into, column: str, value: Any, message: str) -> None:
    data = away(pl.DataFrame({f"the {column}": [value]}))

    with pytest.raises(InvalidInput, match=f"^Deal column 'the {column}' {message}"):
        open_table(data, Deal, needs=[column], columns={column: f"the {column}"})


def test_a_missing_column_is_named_with_the_nearest_one(away: Into) -> None:
    with pytest.raises(InvalidInput, match="^the Deal data has no column 'closed_at'.*did you mean 'clsed_at'"):
        win_rate(away(table(clsed_at=[NOON], category=["won"])), as_of=NOON)


def test_a_strange_word_is_named(away: Into) -> None:
    data = away(table(at=[NOON], category=["vanished"]))

    with pytest.raises(InvalidInput, match=r"column 'category' holds 'vanished' \(1 rows\)"):
        win_rate(data, as_of=NOON, columns={"closed_at": "at"})


def test_numbers_are_identifiers_and_fractions_of_money_too(away: Into) -> None:
    data = away(pl.DataFrame({"id": [7, None], "amount": [Decimal("0.57"), None], "probability": [0.5, float("nan")]}))
    rows = open_table(data, Deal, needs=["id", "amount"], by=["probability"]).rows

    assert sorted(rows.collect("polars").rows(), key=repr) == [("7", 5700, 0.5), (None, None, None)]


def test_tables_of_one_kpi_are_in_one_engine(away: Into) -> None:
    with pytest.raises(InvalidInput, match="no engine reads another's; give all of them as one kind of data"):
        first_contact_resolution(
            tickets=away(table(id=["t"], at=[NOON], category=["open"], customer_id=["ann"])),
            interactions=[],
            as_of=NOON,
            columns={"created_at": "at", "resolved_at": "at"},
        )


def test_a_database_that_nobody_has_tried_is_refused() -> None:
    ibis = pytest.importorskip("ibis")
    backend = ibis.sqlite.connect()
    backend.raw_sql("CREATE TABLE deals (category TEXT, closed_at TIMESTAMPTZ)")

    with pytest.raises(InvalidInput, match="Ibis on sqlite is not counted where it is; .* duckdb, postgres"):
        win_rate(backend.table("deals"), as_of=NOON)
