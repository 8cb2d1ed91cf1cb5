"""Numbers and text as people read them."""

import html
from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmkit.report.format import counted, digits, escaped, interval, moment, number, quantity

UNITS = st.sampled_from(["share", "points", "days", "PLN", "JPY", "money"])
VALUES = st.floats(-1e9, 1e9)


def _read(text: str) -> float:
    return float(text.replace(",", "").replace("−", "-"))


@given(VALUES, st.integers(0, 4))
def test_a_written_number_reads_as_the_rounded_one(value: float, decimals: int) -> None:
    assert abs(_read(number(value, decimals)) - value) <= 0.5 * 10**-decimals * (1 + 1e-9)


@given(st.floats(-0.04, 0.04), st.booleans())
def test_nothing_has_no_sign(value: float, signed: bool) -> None:
    assert number(value, 1, signed=signed) == "0.0"


@given(VALUES, UNITS)
def test_a_quantity_begins_with_its_digits(value: float, unit: str) -> None:
    assert quantity(value, unit).split(" ")[0] == digits(value, unit)


@pytest.mark.parametrize(
    ("value", "unit", "written"),
    [
        (0.631, "share", "63.1 %"),
        (1.0, "share", "100.0 %"),
        (57.0, "days", "57 days"),
        (57.5, "days", "57.5 days"),
        (1.0, "days", "1 day"),
        (0.0, "days", "0 days"),
        (12.3, "points", "+12.3 points"),
        (-12.3, "points", "−12.3 points"),
        (10005534, "USD", "10,005,534 USD"),
        (2360.909, "USD", "2,360.91 USD"),
        (1500.4, "JPY", "1,500 JPY"),
        (-40.5, "PLN", "−40.50 PLN"),
        (40.5, "money", "40.50"),
        (None, "share", "–"),
    ],
)
def test_a_quantity_has_the_decimals_and_the_unit_that_people_expect(value: float, unit: str, written: str) -> None:
    assert quantity(value, unit) == written


def test_an_interval_with_an_open_end_is_missing() -> None:
    assert interval(None, 1.0, "share") == interval(1.0, None, "days") == "–"


def test_one_is_singular_and_all_else_is_plural() -> None:
    assert [counted(n, "order") for n in (0, 1, 2)] == ["0 orders", "1 order", "2 orders"]


def test_an_instant_is_shown_on_the_clocks_of_the_zone_and_a_day_as_it_is() -> None:
    assert moment(datetime(2025, 12, 31, 23, 30, tzinfo=UTC), "Asia/Bangkok") == "1 January 2026, 06:30"
    assert moment(date(2025, 12, 31), "Asia/Bangkok") == "31 December 2025"


@given(st.text())
def test_escaped_text_holds_no_mark_up_and_reads_as_before(text: str) -> None:
    written = escaped(text)
    assert not set("<>\"'") & set(written)
    assert len(html.unescape(written)) == len(text)
    if text.isprintable():
        assert html.unescape(written) == text
