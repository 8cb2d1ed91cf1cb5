"""Numbers, days and text as people read them: the same on every machine, whatever its locale."""

import html
import re
from datetime import date, datetime

from crmkit.model import money
from crmkit.stats.periods import MONTH_NAMES, zone

MISSING = "–"
"""What stands where there is no value; the reason stands beside it."""

_WHOLE_FROM = 10_000
_PREFIXES = ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "k"))
_UNWRITABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


def escaped(text: object) -> str:
    """Return text that may stand in HTML and XML, in an element as well as in a quoted attribute.

    >>> escaped("<b>")
    '&lt;b&gt;'
    """
    return html.escape(_UNWRITABLE.sub("\ufffd", str(text)))


def number(value: float, decimals: int = 0, *, signed: bool = False) -> str:
    """Return a number with thousands separators; with `signed` a positive one has its plus.

    >>> number(10005534), number(-0.04, 1), number(12.34, 1, signed=True)
    ('10,005,534', '0.0', '+12.3')
    """
    digits = f"{abs(value):,.{decimals}f}"
    if not digits.strip("0.,"):
        return digits
    return ("−" if value < 0 else "+" if signed else "") + digits


def counted(n: float, noun: str) -> str:
    """Return a number of things.

    >>> counted(1, "deal"), counted(1425, "deal")
    ('1 deal', '1,425 deals')
    """
    return f"{number(n)} {noun}" + ("" if n == 1 else "s")


def digits(value: float | None, unit: str) -> str:
    """Return a value without its unit, which is "share", "points", "days", a currency, or "money" where that is unknown.

    >>> digits(0.6314, "share"), digits(57.5, "days"), digits(2360.909, "USD"), digits(10005534, "USD")
    ('63.1', '57.5', '2,360.91', '10,005,534')
    """
    if value is None:
        return MISSING
    if unit == "share":
        return number(100 * value, 1)
    if unit == "points":
        return number(value, 1, signed=True)
    if unit in ("days", "minutes", "count", "score"):
        return number(value, 1).removesuffix(".0")
    return number(value, 0 if abs(value) >= _WHOLE_FROM else money.decimals(unit))


def unit_word(unit: str) -> str:
    """Return what stands behind a value of this unit: nothing for money of an unknown currency."""
    return {"share": "%", "money": "", "count": "", "score": ""}.get(unit, unit)


def quantity(value: float | None, unit: str) -> str:
    """Return a value with its unit.

    >>> quantity(0.6314, "share"), quantity(57.0, "days"), quantity(12.34, "points"), quantity(490, "PLN")
    ('63.1 %', '57 days', '+12.3 points', '490.00 PLN')
    """
    shown = digits(value, unit)
    word = "day" if unit == "days" and shown in {"1", "−1"} else unit_word(unit)
    return shown if value is None else f"{shown} {word}".rstrip()


def interval(low: float | None, high: float | None, unit: str) -> str:
    """Return an interval without its unit, because it always stands beside its value.

    >>> interval(0.62, 0.6429, "share")
    '62.0 to 64.3'
    """
    return MISSING if low is None or high is None else f"{digits(low, unit)} to {digits(high, unit)}"


def compact(value: float, unit: str) -> str:
    """Return a value as short as a tick of an axis must be.

    >>> compact(0.25, "share"), compact(-20, "points"), compact(12500, "USD")
    ('25 %', '−20', '12.5k')
    """
    if unit == "share":
        return f"{compact(100 * value, '')} %"
    size, prefix = next(((size, prefix) for size, prefix in _PREFIXES if abs(value) >= size), (1.0, ""))
    sign = "−" if value < 0 else "+" if value > 0 and unit == "points" else ""
    return f"{sign}{abs(value) / size:g}{prefix}"


def month_of(day: date) -> str:
    """Return the month of a day.

    >>> month_of(date(2025, 9, 1))
    'Sep 2025'
    """
    return f"{month_name(day)} {day.year}"


def month_name(day: date) -> str:
    """Return the short name of the month of a day."""
    return MONTH_NAMES[day.month - 1][:3]


def moment(at: date | datetime, tz: str) -> str:
    """Return a day, or an instant to the minute on the clocks of `tz`.

    >>> moment(date(2017, 12, 31), "UTC")
    '31 December 2017'
    """
    if not isinstance(at, datetime):
        return f"{at.day} {MONTH_NAMES[at.month - 1]} {at.year}"
    local = at.astimezone(zone(tz))
    return f"{moment(local.date(), tz)}, {local.hour:02}:{local.minute:02}"
