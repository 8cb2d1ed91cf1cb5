"""Small tables of crmkit's own in the engine that holds the caller's."""

from typing import Any

import duckdb
import narwhals as nw
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmkit.frames.small import small_table
from tests.examples import few

THEIRS = pl.DataFrame({"currency": ["PLN", "EUR"]})
ENGINES: dict[str, Any] = {"polars": pl.DataFrame.lazy, "duckdb": lambda frame: duckdb.from_arrow(frame.to_arrow())}
SCHEMA = {"word": pl.String, "whole": pl.Int64, "share": pl.Float64}
frames = st.lists(
    st.tuples(
        st.none() | st.sampled_from(["PLN", "ส้ม", "it's", 'a "b"', "x,y"]),
        st.none() | st.integers(-(2**62), 2**62),
        st.none() | st.floats(allow_nan=False, allow_infinity=False, width=64),
    ),
    max_size=5,
).map(lambda rows: pl.DataFrame(rows, schema=SCHEMA, orient="row"))


@pytest.mark.parametrize("engine", ENGINES)
@few
@given(frames)
def test_a_frame_comes_out_as_it_went_in(engine: str, frame: pl.DataFrame) -> None:
    theirs: Any = nw.from_native(ENGINES[engine](THEIRS))
    found = small_table(frame, theirs).collect("polars").to_native()

    assert found.sort(pl.all()).rows() == frame.sort(pl.all()).rows()


@pytest.mark.parametrize("engine", ENGINES)
def test_it_joins_the_callers_table(engine: str) -> None:
    theirs: Any = nw.from_native(ENGINES[engine](THEIRS))
    rates = small_table(pl.DataFrame({"currency": ["EUR"], "rate": [4.25]}), theirs)

    assert dict(theirs.join(rates, on="currency", how="left").collect("polars").rows()) == {"PLN": None, "EUR": 4.25}
