"""The same KPI at an earlier time: which window is compared with which."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

from dateutil.relativedelta import relativedelta

from crmkit.errors import InvalidInput, choices
from crmkit.stats.periods import MONTHS, check_every, instant, zone

_VERSUS = ("previous", "year_ago")
_SMALLEST = timedelta(microseconds=1)


def how_far_back(options: Mapping[str, Any]) -> relativedelta | None:
    """Return how much earlier the time lies that `versus` asks for; None where nothing is compared.

    "previous" is the period before, or without `every` the window of the same length before `start`; "year_ago" is a year earlier,
    for weeks 52 weeks. Raises `InvalidInput` for another word, and for "previous" where there is neither `every` nor `start`.
    """
    versus, every = options.get("versus"), check_every(options.get("every"))
    if versus is None:
        return None
    if versus not in _VERSUS:
        raise InvalidInput(f"versus={versus!r} is no comparison; {choices(str(versus), _VERSUS)}")
    if versus == "year_ago":
        return relativedelta(weeks=52) if every == "week" else relativedelta(years=1)
    if every is not None:
        days = {"day": 1, "week": 7}
        return relativedelta(days=days[every]) if every in days else relativedelta(months=MONTHS[every][0])
    return _length(options)


def earlier(options: Mapping[str, Any], back: relativedelta) -> dict[str, Any]:
    """Return the arguments of a KPI for a time that lies so far back: `as_of`, `start` and `end` are all that much earlier.

    So an unfinished period is compared with as much of the earlier one, and what takes time to happen has had the same time.
    """
    tz = options.get("tz", "UTC")
    changed = {
        name: _instant(_local(options[name], tz, name) - back, tz)
        for name in ("start", "end")
        if options.get(name) is not None
    }
    as_of = _instant(_end_of(options, tz) - back, tz) - _SMALLEST
    return {**options, **changed, "as_of": as_of}


def _length(options: Mapping[str, Any]) -> relativedelta:
    """The length of the window: whole months where it begins and ends with one, else the civil time between."""
    if options.get("start") is None:
        raise InvalidInput("versus='previous' has nothing to go back by; give every= or start=")
    tz = options.get("tz", "UTC")
    start = _local(options["start"], tz, "start")
    end = _end_of(options, tz) if options.get("end") is None else _local(options["end"], tz, "end")
    if _is_first(start) and _is_first(end):
        return relativedelta(months=(end.year - start.year) * 12 + end.month - start.month)
    return relativedelta(seconds=0) + (end - start)


def _end_of(options: Mapping[str, Any], tz: str) -> datetime:
    """The first moment that is not known any more, on the clock of the zone."""
    if options.get("as_of") is None:
        raise InvalidInput("as_of is missing; give the moment that is reported on, a date or an aware datetime")
    as_of = instant(options["as_of"], tz, "as_of", end_of_day=True) + _SMALLEST
    return as_of.astimezone(zone(tz)).replace(tzinfo=None)


def _local(moment: date, tz: str, name: str) -> datetime:
    return instant(moment, tz, name).astimezone(zone(tz)).replace(tzinfo=None)


def _instant(local: datetime, tz: str) -> datetime:
    return local.replace(tzinfo=zone(tz)).astimezone(UTC)


def _is_first(moment: datetime) -> bool:
    return moment == moment.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
