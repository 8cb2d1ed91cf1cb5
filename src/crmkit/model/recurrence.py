"""Recurrence: the instants at which something happens again, by a rule of RFC 5545."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, tzinfo
from itertools import chain, islice, takewhile

from dateutil.rrule import rrulestr

from crmkit.errors import InvalidInput

_FREQUENCIES = ("DAILY", "WEEKLY", "MONTHLY", "YEARLY")
_FILTERS = ("BYDAY", "BYMONTHDAY", "BYYEARDAY", "BYWEEKNO", "BYMONTH", "BYSETPOS", "BYHOUR", "BYMINUTE")
_PARTS = {"FREQ", "INTERVAL", "COUNT", "UNTIL", "WKST", *_FILTERS}
_LONGEST_RULE = 300
_MOST = 50_000
_LATEST_START = 9499


def recurrence(rule: str, first: datetime, tz: tzinfo) -> Iterator[datetime]:
    """Return the instants of a rule in UTC, in order; the first is `first` itself, which COUNT counts too.

    The rule runs on wall-clock time in `tz`: nine o'clock stays nine o'clock when the clocks change. As RFC 5545 says,
    days that a month does not have and times that the clocks skip are left out, and of a repeated time the first is
    meant. UNTIL is included, and a mere day means its end. All but `first` are whole seconds.

    Raises `InvalidInput` for a rule that is malformed, longer than 300 characters or finer than days, though BYHOUR and
    BYMINUTE are accepted. The iterator raises it after 50,000 instants.

    >>> from zoneinfo import ZoneInfo
    >>> friday = datetime(2025, 3, 28, 8, tzinfo=UTC)
    >>> [at.isoformat() for at in recurrence("FREQ=DAILY;COUNT=3", friday, ZoneInfo("Europe/Warsaw"))]
    ['2025-03-28T08:00:00+00:00', '2025-03-29T08:00:00+00:00', '2025-03-30T07:00:00+00:00']
    """
    parts = _parts(rule)
    count, until = int(parts.pop("COUNT", _MOST + 1)), parts.pop("UNTIL", None)
    try:
        moments: Iterator[datetime] = chain([first], _later(parts, first, tz))
        if until is not None:
            last = _until(until, tz)
            moments = takewhile(lambda moment: moment <= last, moments)
    except (OverflowError, ValueError):
        raise _refused(rule) from None
    return islice(moments, min(count, _MOST + 1))


def without_first(rule: str) -> str:
    """Return the rule of what follows the first instant: the same, with one less to COUNT.

    >>> without_first("FREQ=WEEKLY;COUNT=10")
    'FREQ=WEEKLY;COUNT=9'
    """
    parts = _parts(rule)
    return _text(parts | {"COUNT": str(int(parts["COUNT"]) - 1)}) if "COUNT" in parts else rule


def _parts(rule: str) -> dict[str, str]:
    pairs = [part.partition("=") for part in rule.upper().removeprefix("RRULE:").split(";")]
    parts = {name: value for name, _, value in pairs}
    numbers = [parts.get("INTERVAL", "1"), parts.get("COUNT", "1")]
    is_accepted = (
        len(rule) <= _LONGEST_RULE
        and len(parts) == len(pairs)
        and parts.keys() <= _PARTS
        and parts.get("FREQ") in _FREQUENCIES
        and all(number.isascii() and number.isdecimal() and int(number) > 0 for number in numbers)
    )
    if not is_accepted:
        raise _refused(rule)
    return parts


def _text(parts: Mapping[str, str]) -> str:
    return ";".join(f"{name}={value}" for name, value in parts.items())


def _refused(rule: str) -> InvalidInput:
    shown, known = rule[:_LONGEST_RULE], ", ".join(_FREQUENCIES)
    return InvalidInput(f"rule={shown!r} is not accepted; give one like 'FREQ=WEEKLY;BYDAY=MO' with a FREQ of {known}")


def _until(text: str, tz: tzinfo) -> datetime:
    moment = text if "T" in text else f"{text}T235959"
    zone = UTC if text.endswith("Z") else tz
    return datetime.strptime(moment.removesuffix("Z"), "%Y%m%dT%H%M%S").replace(tzinfo=zone)


def _later(parts: Mapping[str, str], first: datetime, tz: tzinfo) -> Iterator[datetime]:
    start = first.astimezone(tz).replace(tzinfo=None, microsecond=0)
    # The calendar repeats every 400 years; so near the end of time, a rule that never happens (30 February) ends soon.
    ahead = max(_LATEST_START - start.year, 0) // 400 * 400
    walls = rrulestr(_text({"WKST": "MO", **parts}), dtstart=start.replace(year=start.year + ahead))
    later = (wall.replace(year=wall.year - ahead) for wall in walls)
    return _instants((wall for wall in later if wall > start), tz)


def _instants(walls: Iterable[datetime], tz: tzinfo) -> Iterator[datetime]:
    """Yield the instants of wall-clock times, without those that the clocks skip."""
    for number, wall in enumerate(walls, start=1):
        if number >= _MOST:
            raise InvalidInput(f"the rule goes on after {_MOST} instants; give it an end, or ask for less")
        moment = wall.replace(tzinfo=tz).astimezone(UTC)
        if moment.astimezone(tz).replace(tzinfo=None) == wall:
            yield moment
