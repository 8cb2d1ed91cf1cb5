"""The text of a cell becomes a value of its field or does not fit; nothing is guessed and nothing is raised."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmkit.io.mapping.cells import READABLE, Conventions, cell_reader, check_format
from crmkit.model import Money
from crmkit.model.shape import Kind, Shape

WARSAW = ZoneInfo("Europe/Warsaw")


def _parse(kind: Kind, text: str, *, dates: str = "iso", choices: tuple[str, ...] = ()) -> Any:
    return cell_reader(Shape(kind, choices=choices), Conventions(WARSAW, "PLN", dates)).parse(text)


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("text", "007", "007"),
        ("texts", "a, b", ("a, b",)),
        ("flag", "Yes", True),
        ("flag", "FALSE", False),
        ("flag", "0", False),
        ("integer", "-12", -12),
        ("integer", "9223372036854775807", 2**63 - 1),
        ("number", "1234.5", 1234.5),
        ("number", "1e-3", 0.001),
        ("number", ".5", 0.5),
        ("decimal", "0.10", Decimal("0.1")),
        ("money", "1054", Money("1054", "PLN")),
        ("money", "-0.10", Money("-0.10", "PLN")),
        ("day", "2025-12-31", date(2025, 12, 31)),
        ("instant", "2025-12-31", datetime(2025, 12, 30, 23, tzinfo=UTC)),
        ("instant", "2025-07-01 12:00", datetime(2025, 7, 1, 10, tzinfo=UTC)),
        ("instant", "2025-07-01T12:00:00Z", datetime(2025, 7, 1, 12, tzinfo=UTC)),
        ("instant", "2025-07-01T12:00:00+05:45", datetime(2025, 7, 1, 6, 15, tzinfo=UTC)),
    ],
)
def test_text_becomes_the_value_that_it_means(kind: Kind, text: str, value: object) -> None:
    assert _parse(kind, text) == value


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("flag", "maybe"),
        ("integer", "1.0"),
        ("integer", "1_000"),
        ("integer", "9223372036854775808"),
        ("integer", "9" * 5000),
        ("integer", "١٢"),
        ("number", "1,054"),
        ("number", "nan"),
        ("number", "inf"),
        ("number", "1e999"),
        ("number", "0x10"),
        ("decimal", "1,5"),
        ("decimal", "1e-40"),
        ("decimal", "1e999999"),
        ("decimal", "1e99999999999999999999"),
        ("money", "1,054"),
        ("money", "10.001"),
        ("money", "$10"),
        ("money", "NaN"),
        ("money", "1e30"),
        ("money", "1e99999999999999999999"),
        ("day", "31.12.2025"),
        ("day", "2025-02-29"),
        ("instant", "yesterday"),
        ("instant", "0001-01-01T00:00+14:00"),
    ],
)
def test_text_that_is_not_certain_does_not_fit(kind: Kind, text: str) -> None:
    assert _parse(kind, text) is None


def test_a_choice_is_found_whatever_its_case() -> None:
    assert _parse("choice", "Organization", choices=("person", "organization")) == "organization"
    assert _parse("choice", "company", choices=("person", "organization")) is None


def test_a_format_says_how_dates_are_written() -> None:
    assert _parse("day", "3/1/2017", dates="%m/%d/%Y") == date(2017, 3, 1)
    assert _parse("instant", "01.03.2017 14:05", dates="%d.%m.%Y %H:%M") == datetime(2017, 3, 1, 13, 5, tzinfo=UTC)
    assert _parse("instant", "2017060 +0200", dates="%Y%j %z") == datetime(2017, 2, 28, 22, tzinfo=UTC)
    assert _parse("day", "2017-03-01", dates="%m/%d/%Y") is None


def test_a_skipped_or_repeated_time_has_the_offset_from_before_the_change() -> None:
    assert _parse("instant", "2025-03-30T02:30") == datetime(2025, 3, 30, 1, 30, tzinfo=UTC)
    assert _parse("instant", "2025-10-26T02:30") == datetime(2025, 10, 26, 0, 30, tzinfo=UTC)


@given(
    st.sampled_from(sorted(READABLE)),
    st.text() | st.from_regex(r"\A[-+0-9.:eTZ/ ]{1,30}\Z"),
    st.sampled_from(["iso", "%m/%d/%Y"]),
)
def test_no_text_raises_anything(kind: Kind, text: str, dates: str) -> None:
    _parse(kind, text, dates=dates)


@given(st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1)))
def test_every_accepted_format_reads_what_it_writes(moment: datetime) -> None:
    for dates in ("%Y-%m-%d %H:%M:%S.%f", "%d.%m.%Y %H:%M:%S.%f", "%j/%Y %H%M%S%f"):
        assert check_format(dates) is None
        written = moment.replace(tzinfo=UTC).strftime(dates)
        reader = cell_reader(Shape("instant"), Conventions(ZoneInfo("UTC"), None, dates))
        assert reader.parse(written) == moment.replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("pattern", "fault"),
    [
        ("%d %b %Y", "%b depends on the language"),
        ("%m/%d/%Y %I:%M %p", "%I depends on the language of the computer or is unknown"),
        ("%x", "%x depends"),
        ("%Y-%m-%", "% depends"),
        ("%Y-%m-%d %Y", "a part of the date stands in it twice"),
        ("%Y %y-%m-%d", "twice"),
        ("%m/%d", "it must hold the year, the month and the day"),
        ("%Y-%m", "it must hold"),
        ("dd.mm.yyyy", "it must hold"),
    ],
)
def test_a_format_that_could_mislead_is_refused(pattern: str, fault: str) -> None:
    assert fault in (check_format(pattern) or "")


def test_conventions_say_how_numbers_and_dates_are_written() -> None:
    def parse(kind: Kind, text: str, **words: Any) -> Any:
        return cell_reader(Shape(kind), Conventions(WARSAW, **words)).parse(text)

    assert parse("money", "1.234,50 €", numbers="1.234,5") == Money("1234.50", "EUR")
    assert parse("money", "5", numbers="1.234,5") is None
    assert parse("money", "$5", currency="CAD", numbers="1,234.5") == Money("5", "CAD")
    assert parse("integer", "1,234", numbers="1,234.5") == 1234
    assert (parse("number", "50%"), parse("number", "50", percent=True), parse("decimal", "5", percent=True)) == (
        0.5,
        0.5,
        Decimal("0.05"),
    )
    assert parse("texts", "a; b;;", split=";") == ("a", "b")
    assert parse("day", "5/2/2025 18:30", dates="day first") == date(2025, 2, 5)
    assert parse("instant", "5/2/2025 6:30 PM", dates="month first") == datetime(2025, 5, 2, 16, 30, tzinfo=UTC)
    assert parse("day", "5/2/2025", dates="auto") is None
