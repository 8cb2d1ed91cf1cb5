"""Numbers and amounts as people and programs write them: which mark begins the decimals, and which currency is named."""

import re
from collections.abc import Iterable
from typing import Literal

NumberStyle = Literal["1234.5", "1,234.5", "1.234,5"]
"""How numbers are written: plain, with a decimal point, or with a decimal comma. Thousands may also have spaces or apostrophes."""

PLAIN: NumberStyle = "1234.5"
POINT: NumberStyle = "1,234.5"
COMMA: NumberStyle = "1.234,5"

_SPACES = re.compile("(?<=[0-9])[ \u00a0\u2009\u202f'\u2019](?=[0-9]{3}(?![0-9]))")
_MINUS = str.maketrans({"\u2212": "-", "\u2013": "-"})
_PLAIN_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
_GROUPED = re.compile(r"[+-]?[0-9]{1,3}(,[0-9]{2,3})*,[0-9]{3}(\.[0-9]*)?")
_THOUSANDS = re.compile("[1-9][0-9]{0,2}[.,][0-9]{3}")
_EXCHANGED = str.maketrans(".,", ",.")
_CODE = re.compile(r"[A-Z]{3}")
_AMOUNT = re.compile(
    r"(?P<sign>[+-]?)(?P<before>[^0-9.,+-]*)(?P<number>[+-]?[.,]?[0-9].*?)(?P<after>[^0-9.,]*)", re.DOTALL
)
_SYMBOLS = {
    "€": ("EUR",),
    "£": ("GBP",),
    "zł": ("PLN",),
    "฿": ("THB",),
    "₹": ("INR",),
    "₽": ("RUB",),
    "₩": ("KRW",),
    "₴": ("UAH",),
    "₫": ("VND",),
    "₺": ("TRY",),
    "₪": ("ILS",),
    "₱": ("PHP",),
    "Kč": ("CZK",),
    "Ft": ("HUF",),
    "R$": ("BRL",),
    "US$": ("USD",),
    "CA$": ("CAD",),
    "A$": ("AUD",),
    "$": ("USD", "CAD", "AUD", "NZD", "SGD", "HKD", "TWD", "MXN", "ARS", "CLP", "COP"),
    "¥": ("JPY", "CNY"),
    "kr": ("SEK", "NOK", "DKK", "ISK"),
    "Fr.": ("CHF",),
}


def plain_number(text: str, style: NumberStyle) -> str:
    """Return a number as text with a decimal point and nothing between its digits; raise `ValueError` for what is none.

    Brackets around an amount mean that it is negative, as accountants write it.

    >>> plain_number("1.234,50", "1.234,5"), plain_number("(1,234.50)", "1,234.5"), plain_number("1 234", "1.234,5")
    ('1234.50', '-1234.50', '1234')
    """
    if _PLAIN_NUMBER.fullmatch(text) and (style != COMMA or "." not in text):
        return text
    if style == PLAIN:
        raise ValueError("no plain number")
    text = text.translate(_MINUS)
    if text[:1] == "(" and text[-1:] == ")":
        text = "-" + text[1:-1]
    text = _SPACES.sub("", text)
    if style == COMMA:
        text = text.translate(_EXCHANGED)
    if _GROUPED.fullmatch(text):
        return text.replace(",", "")
    if _PLAIN_NUMBER.fullmatch(text):
        return text
    raise ValueError("no number")


def style_of(texts: Iterable[str]) -> tuple[NumberStyle | None, bool]:
    """Return how a whole column writes its numbers, None where nothing tells, and whether it matters.

    1.234 and 1,234 may be a thousand or a little more than one, so by themselves they tell nothing. Raises `ValueError` for a
    column that has numbers of both kinds.

    >>> style_of(["1,234", "0.5"]), style_of(["10,50"]), style_of(["1,234"]), style_of(["12"])
    (('1,234.5', True), ('1.234,5', True), (None, True), (None, False))
    """
    evidence = {each for text in texts if (each := style_told_by(text))}
    if {POINT, COMMA} <= evidence:
        raise ValueError("both styles")
    found = next((each for each in (POINT, COMMA) if each in evidence), None)
    return found, bool(evidence)


def style_told_by(text: str) -> str | None:
    """Return the style that one number shows, "either" where it may be both, None where there is no mark.

    >>> style_told_by("€ 1.234.567"), style_told_by("1.234"), style_told_by("0.125"), style_told_by("7")
    ('1.234,5', 'either', '1,234.5', None)
    """
    number = "".join(letter for letter in text if letter.isdigit() or letter in ".,").strip(".,") if text else ""
    last = max(number.rfind("."), number.rfind(","))
    if last < 0:
        return (
            "1,234.5"
            if re.search(r"(?<![0-9])\.[0-9]", text)
            else COMMA
            if re.search(r"(?<![0-9]),[0-9]", text)
            else None
        )
    mark = number[last]
    is_decimal = POINT if mark == "." else COMMA
    is_group = COMMA if mark == "." else POINT
    if {".", ","} <= set(number):
        return is_decimal
    if number.count(mark) > 1:
        return is_group
    return "either" if _THOUSANDS.fullmatch(number) else is_decimal


def split_currency(text: str, stated: str | None) -> tuple[str, str | None]:
    """Return the number of an amount and the currency that it names, else the stated one.

    A symbol of several currencies, such as $, needs a stated one of them. Raises `ValueError` where the amount names another
    currency than the stated one, or something that is none.

    >>> split_currency("€ 12.50", None), split_currency("1 200 PLN", None), split_currency("$5", "CAD")
    (('12.50', 'EUR'), ('1 200', 'PLN'), ('5', 'CAD'))
    """
    brackets = text[:1] == "(" and text[-1:] == ")"
    found = _AMOUNT.fullmatch(text[1:-1].strip() if brackets else text)
    if found is None:
        raise ValueError("no amount")
    number = found["sign"] + found["number"].strip()
    named = found["before"].strip() or found["after"].strip()
    if found["before"].strip() and found["after"].strip():
        raise ValueError("named twice")
    number = f"({number})" if brackets else number
    return number, _currency(named, stated) if named else stated


def _currency(named: str, stated: str | None) -> str:
    possible = _SYMBOLS.get(named) or ((named,) if _CODE.fullmatch(named) else ())
    if stated in possible:
        return stated
    if stated is None and len(possible) == 1:
        return possible[0]
    raise ValueError("another currency, or none that is certain")
