r"""Appointments as iCalendar (RFC 5545): each VEVENT is a row.

Dates and instants, people and the usual texts have columns of their own, which `FIELDS` lists; every other property comes as
text under its name, such as `GEO`, repeated ones as `EXDATE 2`. Alarms inside an event are passed over. Recurrences are not
worked out: the rule is text, and a single occurrence that was changed is a row with the same `uid` and a `recurrence_id`.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from crmkit.errors import InvalidInput, choices
from crmkit.io.formats.content_lines import Component, Head, components, escape, fold, properties, unescape
from crmkit.io.formats.files import cells, check_columns, plain, reading, replacing
from crmkit.io.formats.row import Row
from crmkit.io.formats.zones import Zones, read_zones, zone

FIELDS = (
    "uid", "summary", "description", "location", "status", "start", "end", "all_day", "time_zone", "rrule", "recurrence_id", "organizer",
    "attendees", "created", "modified",
)  # fmt: skip
"""The columns that every row has, None where the event does not say."""

_KIND = "a calendar (.ics) with events"
_TEXTS = {name.upper(): name for name in ("uid", "summary", "description", "location", "status", "rrule")}
_TIMES = {
    "DTSTART": "start",
    "DTEND": "end",
    "RECURRENCE-ID": "recurrence_id",
    "CREATED": "created",
    "LAST-MODIFIED": "modified",
}
_NO_TIME = "is no time; give one such as 20251231T183000Z or 20251231"
_NO_DURATION = "DURATION is none; give one such as PT1H30M"
_MOMENT = re.compile(r"(\d{4})(\d\d)(\d\d)(?:T(\d\d)(\d\d)(\d\d)(Z?))?")
_DURATION = re.compile(r"([+-]?)P(?:(\d{1,6})W)?(?:(\d{1,6})D)?(?:T(?:(\d{1,6})H)?(?:(\d{1,6})M)?(?:(\d{1,6})S)?)?")


def columns(path: Path | str) -> tuple[str, ...]:
    """Return `FIELDS` and the names of all other properties in the file, in the order in which they first stand there.

    Raises `ImportFailed` as `read` does.
    """
    return tuple(dict.fromkeys([*FIELDS, *(name for row in read(path, tz="UTC") for name in row.values)]))


def read(path: Path | str, *, tz: str | None = None) -> Iterator[Row]:
    r"""Yield the events as rows, in order, with the line on which each begins.

    `start` and `end` are instants in UTC, and `time_zone` says where they were meant; of events that last whole days they are
    days, `end` the one after the last. An event without an end ends when it starts, or after its day. People are mappings with
    `email`, `name` and `answer` ("accepted").

    An event comes with a fault where it has no start, a time that is none, or a time in no known zone; where a line is no
    property; and where it is not closed.

    Args:
        path: the file.
        tz: the zone of times for which the calendar names none, such as "Europe/Warsaw".

    Raises:
        ImportFailed: for a file that cannot be opened or holds no event.
        InvalidInput: for a zone that is not known.
        MissingExtra: where the encoding must be guessed and the extra `encoding` is not installed.

    Source: <https://www.rfc-editor.org/rfc/rfc5545>

    >>> import tempfile, pathlib
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "visit.ics"
    >>> _ = path.write_text("BEGIN:VEVENT\nDTSTART;TZID=Europe/Warsaw:20250701T120000\nDURATION:PT1H\nEND:VEVENT\n")
    >>> row = next(read(path))
    >>> row.values["start"].isoformat(), row.values["end"].isoformat(), row.values["time_zone"]
    ('2025-07-01T10:00:00+00:00', '2025-07-01T11:00:00+00:00', 'Europe/Warsaw')
    """
    own = None if tz is None else zone(tz, {})
    if tz is not None and own is None:
        raise InvalidInput(f"{tz!r} is no time zone; give a name such as 'Europe/Warsaw'")
    path = Path(path)
    with reading(path, _KIND):
        known = read_zones(path)
    for component in components(path, "VEVENT", _KIND, strays=False):
        yield _Event(component, known, tz or known.default).row()


class _Event:
    """One event on its way to a row; the first thing that is wrong with it stays in `fault`."""

    def __init__(self, component: Component, zones: Zones, floating: str) -> None:
        self._component, self._zones, self._floating = component, zones, floating
        self._values: dict[str, Any] = dict.fromkeys(FIELDS)
        self._fault = component.fault

    def row(self) -> Row:
        duration = None
        for found in properties(self._component.text):
            if found is None:
                self._blame("holds a line that is no property; each is written as NAME:value")
            elif found[0].name == "DURATION":
                duration = self._duration(found[1])
            else:
                self._keep(*found)
        self._end(duration)
        return Row(self._component.line, self._values, self._fault)

    def _blame(self, fault: str) -> None:
        self._fault = self._fault or fault

    def _keep(self, head: Head, value: str) -> None:
        if head.name in _TIMES:
            self._values[_TIMES[head.name]] = self._time(head, value.strip())
        elif head.name == "ORGANIZER":
            self._values["organizer"] = _person(head, value)
        elif head.name == "ATTENDEE":
            self._values["attendees"] = [*(self._values["attendees"] or ()), _person(head, value)]
        elif head.name in _TEXTS:
            self._values[_TEXTS[head.name]] = unescape(value).strip() or None
        elif value and head.encoded != "B":
            self._values[_free(head.name, self._values)] = unescape(value)

    def _time(self, head: Head, value: str) -> datetime | date | None:
        found = _MOMENT.fullmatch(value)
        try:
            parts = [int(part) for part in found.groups()[:6] if part] if found else []
            if found and found[4] is None:
                return date(*parts)
            moment = datetime(*parts, tzinfo=UTC)  # type: ignore[misc, arg-type]
        except (ValueError, TypeError):
            self._blame(f"{head.name} {_NO_TIME}")
            return None
        assert found is not None
        if found[7]:
            return moment
        name = head.parameter("TZID") or self._floating
        place = self._zones.find(name)
        if head.name == "DTSTART":
            self._values["time_zone"] = name or None
        if place is None:
            named = "is in a time zone that is not known" if name else "names no time zone"
            self._blame(f"{head.name} {named}; give tz, such as 'Europe/Warsaw', or correct the file")
            return None
        try:
            return moment.replace(tzinfo=place).astimezone(UTC)
        except (ValueError, OverflowError):
            self._blame(f"{head.name} {_NO_TIME}")
            return None

    def _duration(self, value: str) -> timedelta | None:
        found = _DURATION.fullmatch(value.strip())
        if not found:
            self._blame(_NO_DURATION)
            return None
        weeks, days, hours, minutes, seconds = (int(part or 0) for part in found.groups()[1:])
        length = timedelta(weeks=weeks, days=days, hours=hours, minutes=minutes, seconds=seconds)
        return -length if found[1] == "-" else length

    def _end(self, duration: timedelta | None) -> None:
        start = self._values["start"]
        if start is None:
            self._blame("has no DTSTART; give the time when it starts")
            return
        whole_days = not isinstance(start, datetime)
        self._values["all_day"] = whole_days
        if self._values["end"] is None:
            length = timedelta(whole_days) if duration is None else duration
            try:
                self._values["end"] = start + length
            except OverflowError:
                self._blame(_NO_DURATION)
                return
        end = self._values["end"]
        if isinstance(end, datetime) is whole_days or end < start:
            self._blame("ends before it starts, or one of DTSTART and DTEND is a day and the other an instant")


def _person(head: Head, value: str) -> dict[str, str | None]:
    email = value.partition(":")[2] if value[:7].lower() == "mailto:" else value
    return {
        "email": email.strip(),
        "name": ", ".join(head.parameters.get("CN", ())) or None,
        "answer": head.parameter("PARTSTAT").lower() or None,
    }


def _free(name: str, taken: Mapping[str, Any]) -> str:
    """The name, with a number where it is taken."""
    count, free = 1, name
    while free in taken:
        count += 1
        free = f"{name} {count}"
    return free


def write(path: Path | str, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
    r"""Write a calendar, whole or not at all: a failure leaves what was there before.

    Instants are written in UTC. As nothing here reads the clock, the stamp that each event must have is when it was modified,
    created, or starts.

    Args:
        path: the file, which is replaced.
        columns: some of `FIELDS`, with `uid` and `start`; `all_day` and `time_zone` are passed over.
        rows: for each event its cells. `attendees` may be addresses or mappings as `read` gives them.

    Raises:
        InvalidInput: for other or repeated columns, a cell of no column, an event without `uid` or `start`, an instant without
            an offset, and a path that cannot be written.

    >>> import tempfile, pathlib
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "visits.ics"
    >>> write(path, ["uid", "start"], [{"uid": "7", "start": datetime(2025, 7, 1, 10, tzinfo=UTC)}])
    >>> [(row.values["uid"], row.values["start"].hour) for row in read(path)]
    [('7', 10)]
    """
    check_columns(columns)
    for name in columns:
        if name not in FIELDS:
            raise InvalidInput(f"{name!r} is no column of calendars; {choices(name, FIELDS)}")
    with replacing(path) as part, part.open("w", encoding="utf-8", newline="") as file:
        file.write("BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//crmkit//crmkit//EN\r\n")
        for place, row in enumerate(rows, start=1):
            cells(columns, row, place, _writable)
            file.writelines(map(fold, _lines(row, place)))
        file.write("END:VCALENDAR\r\n")


def _writable(value: Any) -> None:
    for each in value if isinstance(value, list | tuple) else [value]:
        if isinstance(each, Mapping):
            cells(("email", "name", "answer"), each, 0, plain)
        else:
            plain(each)


def _lines(row: Mapping[str, Any], place: int) -> Iterator[str]:
    start = row.get("start")
    if not row.get("uid") or not isinstance(start, date):
        raise InvalidInput(f"row {place} has no uid or no start; an event must have both")
    rule = str(row.get("rrule") or "")
    if rule != "".join(rule.splitlines()):
        raise InvalidInput(f"row {place}, column 'rrule': the rule must be one line, such as FREQ=WEEKLY;BYDAY=TU")
    yield "BEGIN:VEVENT"
    known = row.get("modified") or row.get("created") or start
    stamp = known if isinstance(known, datetime) else datetime(known.year, known.month, known.day, tzinfo=UTC)
    yield f"DTSTAMP{_stamp(stamp, place)}"
    for name, column in _TIMES.items():
        if row.get(column) is not None:
            yield name + _stamp(row[column], place)
    for name, column in _TEXTS.items():
        if row.get(column):
            yield f"{name}:{row[column] if column == 'rrule' else escape(str(row[column]))}"
    organizer = [row["organizer"]] if row.get("organizer") else []
    for name, people in (("ORGANIZER", organizer), ("ATTENDEE", row.get("attendees") or [])):
        yield from (_written_person(name, each) for each in people)
    yield "END:VEVENT"


def _stamp(value: Any, place: int) -> str:
    """The value of a time with what stands before it."""
    if not isinstance(value, datetime):
        return f";VALUE=DATE:{value:%Y%m%d}"
    if value.tzinfo is None:
        raise InvalidInput(f"row {place}: an instant has no offset; give datetimes with a time zone")
    return f":{value.astimezone(UTC):%Y%m%dT%H%M%SZ}"


def _written_person(name: str, person: Any) -> str:
    values = person if isinstance(person, Mapping) else {"email": person}
    title, answer = (re.sub(r'["\r\n]', " ", str(values.get(key) or "")) for key in ("name", "answer"))
    parameters = (f';CN="{title}"' if title else "") + (f';PARTSTAT="{answer.upper()}"' if answer else "")
    return f"{name}{parameters}:mailto:{escape(str(values.get('email') or ''), '')}"
