"""Civil days and periods on every engine are those of Python's own calendar."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
import narwhals as nw
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmkit.frames.door import day_of, moment, period_of, through_the_door
from crmkit.stats.periods import EVERY, Every, index_of
from crmkit.testing.strategies import ZONES
from tests.examples import few

moments = st.lists(st.datetimes(datetime(1890, 1, 1), datetime(2060, 1, 1), timezones=st.just(UTC)), max_size=10)
ENGINES: dict[str, Callable[[pl.DataFrame], Any]] = {
    "polars": pl.DataFrame.lazy,
    "duckdb": lambda frame: duckdb.from_arrow(frame.to_arrow()),
}
every_engine = pytest.mark.parametrize("engine", ENGINES)


def on_the_engine(engine: str, expression: nw.Expr, given_: list[datetime], tz: str = "UTC") -> list[int]:
    frame = pl.DataFrame(
        {"n": range(len(given_)), "at": given_}, schema={"n": pl.Int64, "at": pl.Datetime("us", "UTC")}
    )
    rows = through_the_door(nw.from_native(ENGINES[engine](frame)), ["at"], tz)
    found = rows.select("n", value=expression).collect("polars").sort("n")
    values: list[int] = found["value"].to_list()
    return values


@every_engine
@few
@given(moments)
def test_an_instant_is_microseconds_since_1970(engine: str, given_: list[datetime]) -> None:
    assert on_the_engine(engine, nw.col("at"), given_) == [moment(each) for each in given_]
    assert [datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=moment(each)) for each in given_] == given_


@every_engine
@pytest.mark.parametrize("tz", ZONES)
@few
@given(given_=moments)
def test_the_civil_day_is_that_of_the_calendar(engine: str, tz: str, given_: list[datetime]) -> None:
    local = [each.astimezone(ZoneInfo(tz)).date() for each in given_]

    assert on_the_engine(engine, day_of("at"), given_, tz) == [(day - date(1970, 1, 1)).days for day in local]


@every_engine
@pytest.mark.parametrize("every", EVERY)
@few
@given(given_=moments, tz=st.sampled_from(ZONES))
def test_the_period_is_that_of_the_civil_day(engine: str, every: Every, given_: list[datetime], tz: str) -> None:
    local = [each.astimezone(ZoneInfo(tz)).date() for each in given_]

    assert on_the_engine(engine, period_of("at", every), given_, tz) == [index_of(day, every) for day in local]
