"""The text of a cell as the value of a field."""

import re
import unicodedata
from collections.abc import Callable, Container, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import attrs

from crmkit.io.mapping.dates import DAY_FIRST, MONTH_FIRST, read_moment
from crmkit.io.mapping.numbers import COMMA, PLAIN, NumberStyle, plain_number, split_currency
from crmkit.model.money import Money, decimals
from crmkit.model.shape import Kind, Shape, converter

ISO = "iso"
"""The format of dates and times that are written as ISO 8601 says."""

AUTO = "auto"
"""What is found out from a whole column."""

_INTEGER = re.compile(r"[+-]?[0-9]+")
_LARGEST = 2**63
_FLAGS = dict.fromkeys(("true", "yes", "y", "on", "1"), True) | dict.fromkeys(("false", "no", "n", "off", "0"), False)
_SAMPLE = datetime(2025, 12, 31, 18, 30, tzinfo=UTC)
# The other directives of strptime, such as %b and %p, mean what the locale of the process says.
_DIRECTIVES = ("Y", "y", "m", "d", "j", "H", "M", "S", "f", "z", "%")


@attrs.frozen
class Conventions:
    """What cells leave unsaid: the zone of times without one, the currency of amounts, the format of dates, the style of numbers.

    `dates` is "iso", "day first", "month first", or a format. Without a `currency` amounts name their own. With `percent` 50 is 0.5.
    Several texts in one cell stand between `split`.
    """

    zone: ZoneInfo
    currency: str | None = None
    dates: str = ISO
    numbers: NumberStyle = PLAIN
    percent: bool = False
    split: str | None = None


@attrs.frozen
class CellReader:
    """How text becomes a value: `parse` returns None for text that does not fit, and `accepted` says what would fit."""

    parse: Callable[[str], Any]
    accepted: str


def tidy(text: str) -> str:
    """Return text without white space around it and in NFC, so that equal words are equal text.

    >>> tidy(" Ann ")
    'Ann'
    """
    text = text.strip()
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def filled(text: str, empty: Container[str]) -> str:
    """Return tidy text, "" where it is one of the placeholders that mean an empty cell, whatever its capitals.

    >>> filled(" Ann ", {"n/a"}), filled("N/A", {"n/a"})
    ('Ann', '')
    """
    text = tidy(text)
    return "" if text.casefold() in empty else text


def check_format(pattern: str) -> str | None:
    """Return what is wrong with a format of dates, or None for a good one.

    >>> check_format("%d.%m.%Y")
    >>> check_format("%d %b %Y")
    '%b depends on the language of the computer or is unknown; there are %Y, %y, %m, %d, %j, %H, %M, %S, %f, %z, %%'
    """
    directives = re.findall("%(.?)", pattern, re.DOTALL)
    for directive in directives:
        if directive not in _DIRECTIVES:
            known = ", ".join(f"%{each}" for each in _DIRECTIVES)
            return f"%{directive} depends on the language of the computer or is unknown; there are {known}"
    used = [directive for directive in directives if directive != "%"]
    if len(set(used)) < len(used) or {"Y", "y"} <= set(used):
        return "a part of the date stands in it twice"
    if not {"Y", "y"} & set(used) or not ({"m", "d"} <= set(used) or "j" in used):
        return "it must hold the year, the month and the day"
    return None


def cell_reader(shape: Shape, conventions: Conventions) -> CellReader:
    """Return how text is read for a field of this shape, whose kind is one of `READABLE`.

    A time that a change of clocks skips or repeats is read with the offset that was valid before the change.

    >>> reader = cell_reader(Shape("instant"), Conventions(ZoneInfo("Asia/Bangkok"), dates="%d.%m.%Y"))
    >>> reader.parse("31.12.2025")
    datetime.datetime(2025, 12, 30, 17, 0, tzinfo=datetime.timezone.utc)
    >>> reader.parse("2025-12-31"), reader.accepted
    (None, 'a date as %d.%m.%Y, such as 31.12.2025')
    """
    return _READERS[shape.kind](shape, conventions)


def _read_text(_: Shape, __: Conventions) -> CellReader:
    return CellReader(str, "text")


def _read_texts(_: Shape, conventions: Conventions) -> CellReader:
    split = conventions.split
    if split is None:
        return CellReader(lambda text: (text,), "text")
    return CellReader(lambda text: tuple(part for each in text.split(split) if (part := each.strip())), "text")


def _read_choice(shape: Shape, _: Conventions) -> CellReader:
    words = {word.casefold(): word for word in shape.choices}
    return CellReader(lambda text: words.get(text.casefold()), f"one of {', '.join(map(repr, shape.choices))}")


def _read_flag(_: Shape, __: Conventions) -> CellReader:
    return CellReader(lambda text: _FLAGS.get(text.casefold()), f"one of {', '.join(map(repr, _FLAGS))}")


def _read_integer(_: Shape, conventions: Conventions) -> CellReader:
    def convert(text: str) -> int | None:
        text = text if conventions.numbers == PLAIN else plain_number(text, conventions.numbers)
        number = int(text) if _INTEGER.fullmatch(text) else _LARGEST
        return number if -_LARGEST <= number < _LARGEST else None

    return CellReader(_fitting(convert), "a whole number, such as 1234")


def _read_number(_: Shape, conventions: Conventions) -> CellReader:
    def convert(text: str) -> float | None:
        is_share = text.endswith("%")
        number = float(plain_number(text.removesuffix("%").rstrip() if is_share else text, conventions.numbers))
        number = number / 100 if is_share or conventions.percent else number
        return number if abs(number) < float("inf") else None

    return CellReader(_fitting(convert), _accepted_number("a number", conventions))


def _read_decimal(shape: Shape, conventions: Conventions) -> CellReader:
    check = converter(shape, "a cell", personal=True)
    divisor = 100 if conventions.percent else 1

    def convert(text: str) -> Any:
        return check(Decimal(plain_number(text, conventions.numbers)) / divisor)

    return CellReader(_fitting(convert), _accepted_number("a number", conventions))


def _accepted_number(what: str, conventions: Conventions) -> str:
    mark, shown = ("comma", "1234,5") if conventions.numbers == COMMA else ("point", "1234.5")
    return f"{what} with a decimal {mark}, such as {shown}"


def _read_money(_: Shape, conventions: Conventions) -> CellReader:
    stated = conventions.currency

    def convert(text: str) -> Money | None:
        number, currency = split_currency(text, stated)
        return Money(plain_number(number, conventions.numbers), currency) if currency else None

    mark = "comma" if conventions.numbers == COMMA else "point"
    if stated is None:
        return CellReader(_fitting(convert), f"an amount with its currency and a decimal {mark}, such as 1234 EUR")
    accepted = f"an amount in {stated} with a decimal {mark} and at most {decimals(stated)} decimals, such as 1234"
    return CellReader(_fitting(convert), accepted)


def _read_instant(_: Shape, conventions: Conventions) -> CellReader:
    pattern, zone = conventions.dates, conventions.zone

    def convert(text: str) -> datetime:
        moment = _moment(text, pattern)
        if not isinstance(moment, datetime):
            moment = datetime(moment.year, moment.month, moment.day, tzinfo=zone)
        return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).astimezone(UTC)

    return CellReader(_fitting(convert), _accepted(pattern, "2025-12-31 or 2025-12-31T18:30"))


def _read_day(_: Shape, conventions: Conventions) -> CellReader:
    pattern = conventions.dates

    def convert(text: str) -> date:
        moment = _moment(text, pattern)
        return moment.date() if isinstance(moment, datetime) else moment

    return CellReader(_fitting(date.fromisoformat if pattern == ISO else convert), _accepted(pattern, "2025-12-31"))


def _moment(text: str, pattern: str) -> datetime | date:
    if pattern == ISO:
        return datetime.fromisoformat(text)
    if pattern in (AUTO, DAY_FIRST, MONTH_FIRST):
        return read_moment(text, None if pattern == AUTO else pattern)  # type: ignore[arg-type]
    return datetime.strptime(text, pattern)  # noqa: DTZ007 - has a zone next


def _accepted(pattern: str, iso: str) -> str:
    if pattern in (ISO, AUTO):
        return f"a date such as {iso}"
    if pattern in (DAY_FIRST, MONTH_FIRST):
        return f"a date such as {iso} or {'31/12/2025' if pattern == DAY_FIRST else '12/31/2025'}"
    return f"a date as {pattern}, such as {_SAMPLE.strftime(pattern)}"


def _fitting(convert: Callable[[str], Any]) -> Callable[[str], Any]:
    def parse(text: str) -> Any:
        try:
            return convert(text)
        except (ValueError, ArithmeticError):
            return None

    return parse


_READERS: Mapping[Kind, Callable[[Shape, Conventions], CellReader]] = {
    "text": _read_text,
    "texts": _read_texts,
    "choice": _read_choice,
    "flag": _read_flag,
    "integer": _read_integer,
    "number": _read_number,
    "decimal": _read_decimal,
    "money": _read_money,
    "instant": _read_instant,
    "day": _read_day,
}
READABLE = frozenset(_READERS)
"""The kinds of fields that one cell can fill."""
