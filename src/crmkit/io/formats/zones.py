"""The time zones that a calendar names, also those that only the calendar itself explains."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, tzinfo
from io import StringIO
from pathlib import Path
from zoneinfo import ZoneInfo

import attrs
from dateutil.tz import tzical

from crmkit.io.formats.encoding import detect_encoding
from crmkit.io.formats.files import LONGEST_LINE

# A rule of any other kind could take years to work out.
_YEARLY = re.compile(
    r"FREQ=YEARLY(;(BYMONTH=\d{1,2}|BYDAY=[+-]?\d?[A-Z]{2}|BYMONTHDAY=[\d,-]{1,30}|UNTIL=\w{8,16}|INTERVAL=1|WKST=[A-Z]{2}))*",
    re.IGNORECASE,
)
_RULE = re.compile(r"^(RRULE|EXRULE|RDATE|EXDATE)[^:\n]*:(.*)$", re.IGNORECASE | re.MULTILINE)
_NAME = re.compile(r"^TZID[^:\n]*:(.*)$", re.IGNORECASE | re.MULTILINE)
_LONGEST = 20_000
_MOST_LINES = 500
_MOST_ZONES = 200


def zone(name: str, explained: Mapping[str, str]) -> tzinfo | None:
    """Return a time zone by its name at IANA, or as the VTIMEZONE of this name explains it; None for one that nobody knows.

    >>> zone("Europe/Warsaw", {})
    zoneinfo.ZoneInfo(key='Europe/Warsaw')
    >>> zone("Nowhere", {})
    """
    if name.upper() in ("UTC", "GMT", "Z"):
        return UTC
    try:
        return ZoneInfo(name.removeprefix("/"))
    except (ValueError, OSError, LookupError):  # names that are no path, folders, and unknown ones
        text = explained.get(name)
    return _explained(text) if text else None


def _explained(text: str) -> tzinfo | None:
    text = text.replace("\n ", "").replace("\n\t", "")
    if len(text) > _LONGEST or any(not _allowed(*found) for found in _RULE.findall(text)):
        return None
    try:
        found: tzinfo | None = tzical(StringIO(f"BEGIN:VTIMEZONE\n{text}END:VTIMEZONE\n")).get()
        if found is not None:
            datetime(2000, 1, 1, tzinfo=found).utcoffset()
    except Exception:  # noqa: BLE001 - the parser raises whatever it stumbles over
        return None
    return found


def _allowed(name: str, value: str) -> bool:
    return name.upper() in ("RDATE", "EXDATE") or _YEARLY.fullmatch(value.strip()) is not None


@attrs.frozen
class Zones:
    """The zones that a calendar explains by their names, and the one that it names for all its times, or an empty name."""

    explained: Mapping[str, str]
    default: str = ""
    _found: dict[str, tzinfo | None] = attrs.field(factory=dict, init=False, repr=False, eq=False)

    def find(self, name: str) -> tzinfo | None:
        """Return the zone of a name as `zone` does; it is worked out once."""
        if name not in self._found:
            self._found[name] = zone(name, self.explained) if name else None
        return self._found[name]


def read_zones(path: Path) -> Zones:
    """Return the zones of a calendar that can be opened, at most 200."""
    explained: dict[str, str] = {}
    default = ""
    kept: list[str] | None = None
    encoding, _ = detect_encoding(path)
    with path.open(encoding=encoding, errors="replace") as file:
        for line in iter(lambda: file.readline(LONGEST_LINE), ""):
            word = line[:40].strip().upper()
            if word == "BEGIN:VTIMEZONE":
                kept = []
            elif word == "END:VTIMEZONE" and kept is not None:
                text = "".join(kept)
                named = _NAME.search(text)
                if named and len(explained) < _MOST_ZONES:
                    explained[named[1].strip()] = text
                kept = None
            elif kept is not None:
                kept.extend([line[:1000]] if len(kept) < _MOST_LINES else [])
            elif word.startswith("X-WR-TIMEZONE:"):
                default = line.partition(":")[2].strip()
    return Zones(explained, default)
