"""Appointments of any calendar program have instants in UTC, and what is not certain is said."""

import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from dateutil.rrule import rrulestr
from hypothesis import given
from hypothesis import strategies as st

from crmkit.errors import CrmError, ImportFailed, InvalidInput
from crmkit.io.formats import ical
from crmkit.io.formats.row import Row
from tests.examples import few

OUTLOOK = """BEGIN:VTIMEZONE
TZID:W. Europe Standard Time
BEGIN:STANDARD
DTSTART:16010101T030000
TZOFFSETFROM:+0200
TZOFFSETTO:+0100
RRULE:FREQ=YEARLY;INTERVAL=1;BYDAY=-1SU;BYMONTH=10
END:STANDARD
BEGIN:DAYLIGHT
DTSTART:16010101T020000
TZOFFSETFROM:+0100
TZOFFSETTO:+0200
RRULE:FREQ=YEARLY;INTERVAL=1;BYDAY=-1SU;BYMONTH=3
END:DAYLIGHT
END:VTIMEZONE"""


def _path(tmp_path: Path, *events: str, before: str = "") -> Path:
    path = tmp_path / "calendar.ics"
    body = "\n".join(f"BEGIN:VEVENT\n{event}\nEND:VEVENT" for event in events)
    path.write_bytes(f"BEGIN:VCALENDAR\nVERSION:2.0\n{before}\n{body}\nEND:VCALENDAR\n".replace("\n", "\r\n").encode())
    return path


def _read(tmp_path: Path, *events: str, before: str = "", tz: str | None = None) -> list[Row]:
    return list(ical.read(_path(tmp_path, *events, before=before), tz=tz))


def _times(row: Row) -> tuple[Any, Any, Any]:
    return row.values["start"], row.values["end"], row.values["all_day"]


def test_an_event_is_read_whole(tmp_path: Path) -> None:
    event = (
        "UID:7\nSUMMARY:Visit\\, first\nDTSTART;TZID=Europe/Warsaw:20250701T120000\nDTEND;TZID=Europe/Warsaw:20250701T13\n 0000\n"
        'ORGANIZER;CN=Bob:mailto:bob@x\nATTENDEE;CN="Lee, Ann";PARTSTAT=ACCEPTED:MAILTO:ann@x\nATTENDEE:mailto:eve@x\n'
        "RRULE:FREQ=WEEKLY;BYDAY=TU,TH\nEXDATE:20250703T100000Z\nEXDATE:20250708T100000Z\nSTATUS:CONFIRMED\nLOCATION:\n"
        "CREATED:20250601T080000Z\nBEGIN:VALARM\nSUMMARY:Kanarienvogel\nEND:VALARM"
    )
    (row,) = _read(tmp_path, event)
    assert (row.line, row.fault) == (4, None)
    assert dict(row.values) == {
        "uid": "7",
        "summary": "Visit, first",
        "description": None,
        "location": None,
        "status": "CONFIRMED",
        "start": datetime(2025, 7, 1, 10, tzinfo=UTC),
        "end": datetime(2025, 7, 1, 11, tzinfo=UTC),
        "all_day": False,
        "time_zone": "Europe/Warsaw",
        "rrule": "FREQ=WEEKLY;BYDAY=TU,TH",
        "recurrence_id": None,
        "organizer": {"email": "bob@x", "name": "Bob", "answer": None},
        "attendees": [
            {"email": "ann@x", "name": "Lee, Ann", "answer": "accepted"},
            {"email": "eve@x", "name": None, "answer": None},
        ],
        "created": datetime(2025, 6, 1, 8, tzinfo=UTC),
        "modified": None,
        "EXDATE": "20250703T100000Z",
        "EXDATE 2": "20250708T100000Z",
    }
    assert ical.columns(_path(tmp_path, event)) == (*ical.FIELDS, "EXDATE", "EXDATE 2")


def test_an_end_may_be_left_out_or_said_as_a_length(tmp_path: Path) -> None:
    day, moment = date(2025, 7, 1), datetime(2025, 7, 1, 10, tzinfo=UTC)
    rows = _read(
        tmp_path,
        "DTSTART;VALUE=DATE:20250701",
        "DTSTART;VALUE=DATE:20250701\nDTEND;VALUE=DATE:20250704",
        "DTSTART:20250701\nDURATION:P2W",
        "DTSTART:20250701T100000Z",
        "DURATION:P1DT2H3M4S\nDTSTART:20250701T100000Z",
    )
    assert [_times(row) for row in rows] == [
        (day, day + timedelta(1), True),
        (day, day + timedelta(3), True),
        (day, day + timedelta(14), True),
        (moment, moment, False),
        (moment, moment + timedelta(1, 7384), False),
    ]


def test_zones_may_be_of_the_calendar_of_the_caller_or_explained(tmp_path: Path) -> None:
    noon, winter = "DTSTART:20250701T120000", "DTSTART;TZID=W. Europe Standard Time:20250101T120000"
    starts = [
        row.values["start"].hour
        for row in _read(tmp_path, noon, winter, before=f"X-WR-TIMEZONE:Asia/Bangkok\n{OUTLOOK}")
    ]
    assert starts == [5, 11]
    summer = winter.replace("0101T", "0701T")
    (row,) = _read(tmp_path, summer, before=OUTLOOK)
    assert (row.values["start"].hour, row.values["time_zone"]) == (10, "W. Europe Standard Time")
    (row,) = _read(tmp_path, noon, tz="America/New_York", before="X-WR-TIMEZONE:Asia/Bangkok")
    assert row.values["start"].hour == 16
    with pytest.raises(InvalidInput, match="'Mars' is no time zone; give a name such as 'Europe/Warsaw'"):
        _read(tmp_path, noon, tz="Mars")


@pytest.mark.parametrize(
    ("event", "fault"),
    [
        ("UID:1", "has no DTSTART"),
        ("DTSTART:20250701T120000", "DTSTART names no time zone; give tz"),
        ("DTSTART;TZID=Mars/Base:20250701T120000", "DTSTART is in a time zone that is not known"),
        ("DTSTART;TZID=../../etc/passwd:20250701T120000", "DTSTART is in a time zone that is not known"),
        ("DTSTART:20250230T120000Z", "DTSTART is no time; give one such as 20251231T183000Z"),
        ("DTSTART:Kanarienvogel", "DTSTART is no time"),
        ("DTSTART;TZID=Asia/Bangkok:00010101T000000", "DTSTART is no time"),
        ("DTSTART:20250701T120000Z\nDURATION:1h", "DURATION is none; give one such as PT1H30M"),
        ("DTSTART:20250701T120000Z\nDURATION:P999999W", "DURATION is none"),
        ("DTSTART:20250701T120000Z\nDTEND:20250701T110000Z", "ends before it starts"),
        ("DTSTART:20250701T120000Z\nDTEND:20250702", "the other an instant"),
        ("DTSTART:20250701T120000Z\nKanarienvogel", "holds a line that is no property"),
    ],
)
def test_an_event_that_is_not_certain_says_why(tmp_path: Path, event: str, fault: str) -> None:
    (row,) = _read(tmp_path, event)
    assert fault in str(row.fault)
    assert "Kanarienvogel" not in str(row.fault)


@pytest.mark.parametrize(
    "rule",
    [
        "RRULE:FREQ=SECONDLY",
        "RRU\n LE:FREQ=SECONDLY",
        "RRULE:FREQ=YEARLY;BYHOUR=0,1,2,3,4,5;BYMINUTE=0,1,2;BYSECOND=0,1,2",
        "EXRULE:FREQ=MINUTELY",
        "RRULE:Kanarienvogel",
        "TZOFFSETTO:x",
    ],
)
def test_a_zone_that_would_take_years_to_work_out_is_not_asked(tmp_path: Path, rule: str) -> None:
    begun = time.process_time()
    zone = OUTLOOK.replace("RRULE:FREQ=YEARLY;INTERVAL=1;BYDAY=-1SU;BYMONTH=3", rule)
    (row,) = _read(tmp_path, "DTSTART;TZID=W. Europe Standard Time:99990101T120000", before=zone)
    assert "in a time zone that is not known" in str(row.fault)
    assert time.process_time() - begun < 2


def test_what_holds_no_event_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ImportFailed, match=r"holds no VEVENT; give a calendar \(.ics\) with events"):
        _read(tmp_path)
    with pytest.raises(ImportFailed, match="is not there"):
        list(ical.read(tmp_path / "nowhere.ics"))


texts = st.none() | st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc", "Zl", "Zp", "Zs"]), min_size=1, max_size=9
)
instants = st.datetimes(datetime(1970, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC)).map(
    lambda at: at.replace(microsecond=0)
)


@few
@given(
    st.lists(
        st.fixed_dictionaries(
            {
                "uid": st.just("1"),
                "summary": texts,
                "location": texts,
                "start": instants,
                "created": st.none() | instants,
            }
        ),
        min_size=1,
        max_size=3,
    ),
    st.timedeltas(timedelta(0), timedelta(10)),
)
def test_what_is_written_comes_back(
    tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, Any]], length: timedelta
) -> None:
    path = tmp_path_factory.getbasetemp() / "round.ics"
    for row in rows:
        row["end"] = row["start"] + timedelta(seconds=int(length.total_seconds()))
        row["attendees"] = [{"email": "ann@x", "name": "Lee, Ann", "answer": "accepted"}]
    ical.write(path, [*rows[0]], rows)
    found = list(ical.read(path))
    assert [{name: row.values[name] for name in rows[0]} for row in found] == rows
    assert not any(row.fault for row in found)


def test_days_and_rules_are_written_as_the_standard_says(tmp_path: Path) -> None:
    path = tmp_path / "out.ics"
    row = {
        "uid": "1",
        "start": date(2025, 7, 1),
        "rrule": "FREQ=DAILY;COUNT=2",
        "organizer": "bob@x",
        "attendees": ["ann@x"],
    }
    ical.write(path, [*row], [row])
    assert path.read_bytes().decode().split("\r\n")[3:-2] == [
        "BEGIN:VEVENT",
        "DTSTAMP:20250701T000000Z",
        "DTSTART;VALUE=DATE:20250701",
        "UID:1",
        "RRULE:FREQ=DAILY;COUNT=2",
        "ORGANIZER:mailto:bob@x",
        "ATTENDEE:mailto:ann@x",
        "END:VEVENT",
    ]
    (found,) = ical.read(path)
    assert len(list(rrulestr(found.values["rrule"], dtstart=datetime(2025, 7, 1)))) == 2


@pytest.mark.parametrize(
    ("columns", "row", "message"),
    [
        (["title"], {}, "'title' is no column of calendars; there are 'uid'"),
        (["uid"], {"uid": "1"}, "row 1 has no uid or no start"),
        (["uid", "start"], {"uid": "1", "start": datetime(2025, 7, 1)}, "an instant has no offset"),
        (
            ["uid", "start", "summary"],
            {"uid": "1", "start": date(2025, 7, 1), "summary": object()},
            "column 'summary': holds",
        ),
        (
            ["uid", "start", "rrule"],
            {"uid": "1", "start": date(2025, 7, 1), "rrule": "A\r\nATTACH:x"},
            "the rule must be one line",
        ),
    ],
)
def test_what_cannot_be_written_leaves_nothing(
    tmp_path: Path, columns: list[str], row: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidInput, match=message):
        ical.write(tmp_path / "out.ics", columns, [row])
    assert not list(tmp_path.iterdir())


pieces = st.sampled_from(
    [
        "BEGIN:VEVENT\n",
        "END:VEVENT\n",
        "BEGIN:VTIMEZONE\n",
        "END:VTIMEZONE\n",
        "TZID:x\n",
        "DTSTART;TZID=x:20250101T000000\n",
        "DTEND:",
        "20250101",
        "DURATION:-P1D\n",
        ":",
        ";",
        '"',
        " ",
        "RRULE:x\n",
        "\0",
        "X-WR-TIMEZONE:x\n",
        "ATTENDEE;CN=",
    ]
)


@given(st.lists(pieces, max_size=25).map(lambda parts: "BEGIN:VEVENT\n" + "".join(parts)))
def test_hostile_calendars_give_rows_or_our_errors(tmp_path_factory: pytest.TempPathFactory, content: str) -> None:
    path = tmp_path_factory.getbasetemp() / "hostile.ics"
    path.write_text(content)
    try:
        rows = list(ical.read(path))
    except CrmError:
        return
    assert all(row.fault or row.values["start"] is not None for row in rows)
