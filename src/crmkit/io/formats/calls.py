"""Call logs of telephone systems: Asterisk's `Master.csv`, and tables in which each row is a call.

Asterisk writes no header and puts the same seventeen or eighteen columns in every line. Other systems write a header in words
of their own; the usual ones are known, others are named.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import attrs

from crmkit.errors import InvalidInput, choices
from crmkit.io.formats import csv, tolerant
from crmkit.io.formats.files import failed
from crmkit.io.formats.header import column_names
from crmkit.io.formats.layout import Layout
from crmkit.io.formats.row import Row

FIELDS = ("id", "at", "from", "to", "outcome", "seconds", "talk_seconds")
"""The columns of a call."""

_ASTERISK = (
    "accountcode", "src", "dst", "dcontext", "clid", "channel", "dstchannel", "lastapp", "lastdata", "start", "answer", "end",
    "duration", "billsec", "disposition", "amaflags", "uniqueid", "userfield",
)  # fmt: skip
_ASTERISK_LEAST = 16
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d")
_LENGTH = re.compile(r"(?:(?:(\d{1,3}):)?(\d{1,2}):)?(\d{1,7})(?:\.0*)?")
_KNOWN = {
    "id": ("uniqueid", "id", "call id", "callid"),
    "at": ("start", "at", "start time", "calldate", "call time", "date and time", "datetime"),
    "from": ("src", "from", "caller", "caller id", "calling number", "source"),
    "to": ("dst", "to", "callee", "called", "called number", "destination"),
    "outcome": ("disposition", "outcome", "status", "result"),
    "seconds": ("duration", "seconds", "duration (s)"),
    "talk_seconds": ("billsec", "talk seconds", "talk time"),
}
_OUTCOMES = {
    "answered": "answered", "no answer": "missed", "missed": "missed", "busy": "busy", "failed": "failed", "congestion": "failed",
}  # fmt: skip


def columns(path: Path | str, *, names: Mapping[str, str] | None = None) -> tuple[str, ...]:
    """Return `FIELDS` and the other columns of the log.

    Raises `ImportFailed` and `InvalidInput` as `read` does.
    """
    path = Path(path)
    _, header = _header(path)
    taken = _places(path, header, names or {})
    return (*FIELDS, *_others(header, taken).values())


def read(path: Path | str, *, tz: str | None = None, names: Mapping[str, str] | None = None) -> Iterator[Row]:
    r"""Yield the calls as rows, in order; nothing for a log without calls.

    `at` is the instant in UTC when the call began; `seconds` is how long it took from the first ring, `talk_seconds` from the
    answer; `outcome` is "answered", "missed", "busy", "failed" or the word of the log. What the log does not say is None. The
    other columns come as text under their names.

    A call comes with a fault where its time is none, where a length is none, and where the row does not fit its table.

    Args:
        path: the log, a text table whose delimiter and encoding are found out.
        tz: the zone of times without an offset, such as "Europe/Warsaw", which Asterisk writes by its own clock; without it such
            a time is a fault.
        names: the columns that the log names in other words, such as {"at": "Beginn"}; `at`, `from` and `to` must be there.

    Raises:
        ImportFailed: on the first row, for a file that cannot be opened or lacks a column.
        InvalidInput: for a zone that is not known and for a name that is not in `FIELDS`.
        MissingExtra: where the encoding must be guessed and the extra `encoding` is not installed.

    Source: `doc/README.cdr` of Asterisk, which lists the columns in their order.

    >>> import tempfile, pathlib
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "calls.csv"
    >>> _ = path.write_text("Start time,Caller,Called,Status,Duration\n2025-07-01 12:00:00,100,+4822555,No answer,0:35\n")
    >>> {name: value for name, value in next(read(path, tz="Europe/Warsaw")).values.items() if name != "at"}
    {'id': None, 'from': '100', 'to': '+4822555', 'outcome': 'missed', 'seconds': 35, 'talk_seconds': None}
    """
    path = Path(path)
    zone = None if tz is None else _zone(tz)
    layout, header = _header(path)
    taken = _places(path, header, names or {})
    others = _others(header, taken)
    with closing(tolerant.records(path, layout)) as records:
        if header is not _ASTERISK:
            next(records)
        for record in records:
            yield _call(record, taken, others, zone, len(header))


def _zone(name: str) -> tzinfo:
    try:
        return UTC if name == "UTC" else ZoneInfo(name)
    except (ValueError, OSError, LookupError):
        raise InvalidInput(f"{name!r} is no time zone; give a name such as 'Europe/Warsaw'") from None


def _header(path: Path) -> tuple[Layout, Sequence[str]]:
    """How the log is written and its columns, which are those of Asterisk where the first line is a call."""
    layout = csv.detect(path)
    with closing(tolerant.records(path, layout)) as records:
        first = next(records, None)
    if first is None:
        raise failed(path, "is empty; the first line must hold the names of the columns", layout.header_line)
    cells = first.cells
    if _ASTERISK_LEAST <= len(cells) <= len(_ASTERISK) and _MOMENT.fullmatch(cells[9]) and _MOMENT.fullmatch(cells[11]):
        return attrs.evolve(layout, header_line=1), _ASTERISK
    return layout, column_names(cells)


def _places(path: Path, header: Sequence[str], names: Mapping[str, str]) -> dict[str, int]:
    """Where each field stands in a row."""
    for field in names:
        if field not in FIELDS:
            raise InvalidInput(f"{field!r} is no field of a call; {choices(field, FIELDS)}")
    words = {name.casefold(): place for place, name in reversed(list(enumerate(header)))}
    found: dict[str, int] = {}
    for field in FIELDS:
        known = [names[field]] if field in names else _KNOWN[field]
        place = next((words[name.casefold()] for name in known if name.casefold() in words), None)
        if place is not None:
            found[field] = place
        elif field in names or field in ("at", "from", "to"):
            wanted = names.get(field, field)
            raise failed(
                path, f"has no column {wanted!r}; name it, such as names={{'{field}': ...}}: {choices(wanted, header)}"
            )
    return found


def _others(header: Sequence[str], taken: Mapping[str, int]) -> dict[int, str]:
    places = {place: name for place, name in enumerate(header) if place not in taken.values()}
    return {place: f"{name} (2)" if name in FIELDS else name for place, name in places.items()}


def _call(
    record: tolerant.Record, taken: Mapping[str, int], others: Mapping[int, str], zone: tzinfo | None, width: int
) -> Row:
    cells = [cell.strip() for cell in record.cells]
    fault = record.fault
    if not fault and not min(width, _ASTERISK_LEAST) <= len(cells) <= width:
        fault = f"the log has {width} columns, but this row has {len(cells)}"
    values: dict[str, Any] = dict.fromkeys(FIELDS)
    for field, place in taken.items():
        text = cells[place] if place < len(cells) else ""
        if text:
            value = _value(field, text, zone)
            values[field] = value
            if value is None:
                fault = fault or f"{field!r} does not fit; give {_ACCEPTED[field]}"
    if values["at"] is None:
        fault = fault or f"'at' is blank; give {_ACCEPTED['at']}"
    values.update({name: cells[place] for place, name in others.items() if place < len(cells)})
    return Row(record.line, values, fault)


_ACCEPTED = {
    "at": "a time such as 2025-12-31 18:30:00, and tz where it has no offset",
    "seconds": "a number of seconds, or hours, minutes and seconds such as 0:01:30",
    "talk_seconds": "a number of seconds, or hours, minutes and seconds such as 0:01:30",
}


def _value(field: str, text: str, zone: tzinfo | None) -> Any:
    if field == "at":
        return _instant(text, zone)
    if field in ("seconds", "talk_seconds"):
        found = _LENGTH.fullmatch(text)
        return (
            sum(int(part or 0) * unit for part, unit in zip(found.groups(), (3600, 60, 1), strict=True))
            if found
            else None
        )
    return _OUTCOMES.get(text.casefold(), text) if field == "outcome" else text


def _instant(text: str, zone: tzinfo | None) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
        placed = moment if moment.tzinfo else moment.replace(tzinfo=zone)
        return placed.astimezone(UTC) if placed.tzinfo else None
    except (ValueError, OverflowError):
        return None
