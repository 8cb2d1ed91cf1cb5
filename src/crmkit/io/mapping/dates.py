"""Dates and times as people and programs write them: which of two numbers is the day, and what a text says."""

import re
from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta, timezone
from typing import Literal

DateOrder = Literal["day first", "month first"]
"""Which comes first in 5/2/2025."""

DAY_FIRST: DateOrder = "day first"
MONTH_FIRST: DateOrder = "month first"

_MONTHS = {
    name[:length]: number
    for number, name in enumerate(
        [
            "january",
            "february",
            "march",
            "april",
            "may",
            "june",
            "july",
            "august",
            "september",
            "october",
            "november",
            "december",
        ],
        start=1,
    )
    for length in (3, len(name))
} | {"sept": 9}
_TIME = (
    r"(?:[T,]?\s*(?:at\s+)?(?P<hour>[0-9]{1,2}):(?P<minute>[0-9]{2})(?::(?P<second>[0-9]{2})(?:[.,](?P<part>[0-9]{1,6})[0-9]*)?)?"
    r"\s*(?P<half>[AaPp]\.?[Mm]\.?)?\s*(?P<zone>Z|UTC|GMT|[+-][0-9]{2}:?[0-9]{2})?)?"
)
_MONTHS_OF_A_YEAR = 12
_HOURS_OF_A_HALF = 12
_LENGTH = len("2025-12-31")
_COMPACT = len("20251231")
_DAY_NAME = r"(?:[A-Za-z]{3,9},?\s+)?"
_NUMBERS = re.compile(
    rf"(?P<first>[0-9]{{1,2}})(?P<mark>[/.-])(?P<second_>[0-9]{{1,2}})(?P=mark)(?P<year>[0-9]{{4}}){_TIME}", re.ASCII
)
_YEAR_FIRST = re.compile(
    rf"(?P<year>[0-9]{{4}})(?P<mark>[/.-])(?P<first>[0-9]{{1,2}})(?P=mark)(?P<second_>[0-9]{{1,2}}){_TIME}", re.ASCII
)
_DAY_MONTH = re.compile(
    rf"{_DAY_NAME}(?P<day>[0-9]{{1,2}})[\s.-]+(?P<month>[A-Za-z]{{3,9}})\.?,?[\s-]+(?P<year>[0-9]{{4}}){_TIME}"
)
_MONTH_DAY = re.compile(
    rf"{_DAY_NAME}(?P<month>[A-Za-z]{{3,9}})\.?\s+(?P<day>[0-9]{{1,2}}),?\s+(?P<year>[0-9]{{4}}){_TIME}"
)


def read_moment(text: str, order: DateOrder | None = None) -> datetime | date:
    """Return the day or the time that a text names; it has a zone only where the text does.

    Beside ISO 8601 these are understood: 31/12/2025, 31.12.2025 and 31-12-2025 in the stated order, 2025/12/31, 31 Dec 2025,
    December 31, 2025, each also with a time such as 18:30, 6:30 PM or 18:30:15 +02:00. With full stops the day comes first, whatever
    the order. Years have four digits. Raises `ValueError` for anything else, and for two numbers of which nobody knows the order.

    >>> read_moment("5/2/2025", "day first"), read_moment("Feb 5, 2025 6:30 PM")
    (datetime.date(2025, 2, 5), datetime.datetime(2025, 2, 5, 18, 30))
    """
    if text[4:5] == "-" or (text.isdigit() and len(text) == _COMPACT):
        try:
            return date.fromisoformat(text) if len(text) <= _LENGTH else datetime.fromisoformat(text)
        except ValueError:
            pass
    for pattern in (_NUMBERS, _YEAR_FIRST, _DAY_MONTH, _MONTH_DAY):
        if found := pattern.fullmatch(text):
            return _moment(found, order)
    raise ValueError("no date")


def order_of(texts: Iterable[str]) -> tuple[DateOrder | None, bool]:
    """Return in which order a whole column writes its dates, None where nothing tells, and whether it matters.

    A number above 12 is a day. It does not matter where the numbers are equal, and where there is no such date. Raises `ValueError` for
    dates of both orders.

    >>> order_of(["5/2/2025", "5/13/2025"]), order_of(["5/2/2025"]), order_of(["5/5/2025", "2025-02-05"])
    (('month first', True), (None, True), (None, False))
    """
    evidence = {each for text in texts if (each := order_told_by(text))}
    if {DAY_FIRST, MONTH_FIRST} <= evidence:
        raise ValueError("both orders")
    found = next((each for each in (DAY_FIRST, MONTH_FIRST) if each in evidence), None)
    return found, bool(evidence)


def order_told_by(text: str) -> str | None:
    """Return the order that one date shows, "either" where it may be both, None where the order does not matter.

    >>> order_told_by("13/2/2025"), order_told_by("1/2/2025"), order_told_by("1.2.2025")
    ('day first', 'either', None)
    """
    found = _NUMBERS.fullmatch(text)
    if found is None or found["mark"] == ".":
        return None
    first, second = int(found["first"]), int(found["second_"])
    if first > _MONTHS_OF_A_YEAR or second > _MONTHS_OF_A_YEAR:
        is_both = first > _MONTHS_OF_A_YEAR and second > _MONTHS_OF_A_YEAR
        return None if is_both else DAY_FIRST if first > second else MONTH_FIRST
    return None if first == second else "either"


def _moment(found: re.Match[str], order: DateOrder | None) -> datetime | date:
    day = _day(found, order)
    return datetime.combine(day, _time(found)) if found["hour"] else day


def _day(found: re.Match[str], order: DateOrder | None) -> date:
    parts, year = found.groupdict(), int(found["year"])
    if "month" in parts:
        return date(year, _MONTHS.get(parts["month"].lower(), 0), int(parts["day"]))
    first, second = int(parts["first"]), int(parts["second_"])
    if found.re is _YEAR_FIRST:
        return date(year, first, second)
    if order is None and order_told_by(found[0]) is not None:
        raise ValueError("nobody knows the order")
    is_day_first = parts["mark"] == "." or order != MONTH_FIRST
    return date(year, second, first) if is_day_first else date(year, first, second)


def _time(found: re.Match[str]) -> time:
    hour, half = int(found["hour"]), (found["half"] or "")[:1].lower()
    if half and not 1 <= hour <= _HOURS_OF_A_HALF:
        raise ValueError("no such hour")
    hour = hour % _HOURS_OF_A_HALF + (_HOURS_OF_A_HALF if half == "p" else 0) if half else hour
    part = int((found["part"] or "").ljust(6, "0"))
    return time(hour, int(found["minute"]), int(found["second"] or 0), part, _zone(found["zone"]))


def _zone(text: str | None) -> timezone | None:
    if text is None:
        return None
    if text in ("Z", "UTC", "GMT"):
        return UTC
    sign = -1 if text[0] == "-" else 1
    return timezone(sign * timedelta(hours=int(text[1:3]), minutes=int(text[-2:])))
