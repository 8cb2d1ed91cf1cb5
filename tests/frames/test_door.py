"""Civil days and periods on the engine are those of Python's own calendar."""

from datetime import UTC, date, datetime
from typing import get_args
from zoneinfo import ZoneInfo

import narwhals as nw
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmkit.frames.door import civil_day, period_index
from crmkit.stats.periods import Every, index_of
from crmkit.testing.strategies import ZONES
from tests.examples import few

moments = st.lists(st.datetimes(datetime(1890, 1, 1), datetime(2060, 1, 1), timezones=st.just(UTC)), max_size=10)


def on_the_engine(expression: nw.Expr, given_: list[datetime]) -> list[int]:
    frame = pl.DataFrame({"at": given_}, schema={"at": pl.Datetime("us", "UTC")})
    found: list[int] = nw.from_native(frame).select(value=expression)["value"].to_list()
    return found


@pytest.mark.parametrize("tz", ZONES)
@few
@given(moments)
def test_the_civil_day_is_that_of_the_calendar(tz: str, given_: list[datetime]) -> None:
    local = [moment.astimezone(ZoneInfo(tz)).date() for moment in given_]

    assert on_the_engine(civil_day(nw.col("at"), tz), given_) == [(day - date(1970, 1, 1)).days for day in local]


@pytest.mark.parametrize("every", get_args(Every))
@given(moments, st.sampled_from(ZONES))
def test_the_period_is_that_of_the_civil_day(every: Every, given_: list[datetime], tz: str) -> None:
    local = [moment.astimezone(ZoneInfo(tz)).date() for moment in given_]

    assert on_the_engine(period_index(nw.col("at"), every, tz), given_) == [index_of(day, every) for day in local]
