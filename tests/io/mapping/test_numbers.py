"""A number is read as it was meant, or not at all: its marks are told by the whole column."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmkit.io.mapping.numbers import COMMA, PLAIN, POINT, NumberStyle, plain_number, split_currency, style_of

AMOUNTS = st.decimals(-(10**9), 10**9, places=2)


def _written(amount: Decimal, style: NumberStyle) -> str:
    text = f"{amount:,.2f}"
    return text if style == POINT else text.translate(str.maketrans(".,", ",."))


@given(AMOUNTS, st.sampled_from([POINT, COMMA]))
def test_a_stated_style_reads_what_was_written_in_it(amount: Decimal, style: NumberStyle) -> None:
    text = _written(amount, style)
    assert Decimal(plain_number(text, style)) == amount
    assert Decimal(plain_number(text.replace("," if style == POINT else ".", "\u202f"), style)) == amount


@given(st.lists(AMOUNTS, min_size=1, max_size=10), st.sampled_from([POINT, COMMA]))
def test_decimals_tell_the_style_of_a_column(amounts: list[Decimal], style: NumberStyle) -> None:
    texts = [_written(amount, style) for amount in amounts]
    assert style_of(texts) == (style, True)


@pytest.mark.parametrize(
    ("texts", "style"),
    [
        (["1,234"], (None, True)),
        (["1.234"], (None, True)),
        (["1,234", "1,234,567"], (POINT, True)),
        (["1.234", "0,5"], (COMMA, True)),
        (["0.125"], (POINT, True)),
        ([".5"], (POINT, True)),
        (["12", "7", ""], (None, False)),
    ],
)
def test_a_thousand_or_a_little_more_than_one_tells_nothing(texts: list[str], style: tuple[str | None, bool]) -> None:
    assert style_of(texts) == style


def test_a_column_of_both_styles_is_refused() -> None:
    with pytest.raises(ValueError, match="both"):
        style_of(["1,50", "1.50"])


@pytest.mark.parametrize(
    ("text", "style", "number"),
    [
        ("(1,234.50)", POINT, "-1234.50"),
        ("\u22125", POINT, "-5"),
        ("1'234.5", POINT, "1234.5"),
        ("12,34,567.8", POINT, "1234567.8"),
        ("1e3", POINT, "1e3"),
        ("1234.5", PLAIN, "1234.5"),
    ],
)
def test_numbers_are_understood_as_people_write_them(text: str, style: NumberStyle, number: str) -> None:
    assert plain_number(text, style) == number


@pytest.mark.parametrize(
    ("text", "style"),
    [("1,234", PLAIN), ("1.5", COMMA), ("1,5", POINT), ("12 34", POINT), ("", POINT), ("a", COMMA), ("--1", POINT), ("1.2.3", POINT)],
)  # fmt: skip
def test_what_does_not_fit_the_style_is_refused(text: str, style: NumberStyle) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - its message is nobody's to read
        plain_number(text, style)


@pytest.mark.parametrize(
    ("text", "stated", "found"),
    [
        ("€1.50", None, ("1.50", "EUR")),
        ("1 200,00 zł", None, ("1 200,00", "PLN")),
        ("USD 5", None, ("5", "USD")),
        ("-$5", "CAD", ("-5", "CAD")),
        ("($5)", "USD", ("(5)", "USD")),
        ("5", "PLN", ("5", "PLN")),
        ("5", None, ("5", None)),
    ],
)
def test_an_amount_may_name_its_currency(text: str, stated: str | None, found: tuple[str, str | None]) -> None:
    assert split_currency(text, stated) == found


@pytest.mark.parametrize(
    ("text", "stated"), [("$5", None), ("$5", "PLN"), ("€ 5 EUR", None), ("5 apples", None), ("x", "PLN")]
)
def test_a_currency_that_is_not_certain_is_refused(text: str, stated: str | None) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - its message is nobody's to read
        split_currency(text, stated)
