"""Call logs give who called whom, when and how long, from Asterisk and from tables with a header."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmkit.errors import CrmError, ImportFailed, InvalidInput
from crmkit.io.formats import calls
from crmkit.io.formats.row import Row

MASTER = (
    '"","100","+48225550100","from-internal","""Ann"" <100>","SIP/100-1","SIP/trunk-2","Dial","SIP/trunk/48",'
    '"2025-07-01 12:00:00","2025-07-01 12:00:10","2025-07-01 12:01:40",100,90,"ANSWERED","DOCUMENTATION","1751364000.1",""\n'
    '"","+48600100200","200","from-trunk","""x"" <1>","a","","Queue","q",'
    '"2025-10-26 02:30:00","","2025-10-26 02:30:20",20,0,"NO ANSWER","DOCUMENTATION"\n'
)


def _read(tmp_path: Path, content: str, **options: Any) -> list[Row]:
    path = tmp_path / "calls.csv"
    path.write_text(content)
    return list(calls.read(path, **{"tz": "Europe/Warsaw", **options}))


def test_the_log_of_asterisk_is_read_without_a_header(tmp_path: Path) -> None:
    rows = _read(tmp_path, MASTER)
    assert [(row.line, row.fault) for row in rows] == [(1, None), (2, None)]
    assert [[row.values[field] for field in calls.FIELDS] for row in rows] == [
        ["1751364000.1", datetime(2025, 7, 1, 10, tzinfo=UTC), "100", "+48225550100", "answered", 100, 90],
        [None, datetime(2025, 10, 26, 0, 30, tzinfo=UTC), "+48600100200", "200", "missed", 20, 0],
    ]
    assert rows[0].values["clid"] == '"Ann" <100>'
    assert calls.columns(tmp_path / "calls.csv")[:9] == (*calls.FIELDS, "accountcode", "dcontext")


def test_tables_with_a_header_are_read_by_the_usual_names_or_stated_ones(tmp_path: Path) -> None:
    usual = "Calls of July\n\nDate and time;Caller;Called;Status;Duration;Queue\n2025-07-01T12:00:00+09:00;1;2;Busy;1:02:03;a\n"
    (row,) = _read(tmp_path, usual)
    assert dict(row.values) == {
        "id": None, "at": datetime(2025, 7, 1, 3, tzinfo=UTC), "from": "1", "to": "2", "outcome": "busy", "seconds": 3723,
        "talk_seconds": None, "Queue": "a",
    }  # fmt: skip
    stated = "Beginn,Von,Nach,Ergebnis,From\n2025-07-01 12:00,1,2,umgeleitet,x\n"
    (row,) = _read(tmp_path, stated, names={"at": "beginn", "from": "Von", "to": "Nach", "outcome": "Ergebnis"})
    assert (row.values["from"], row.values["outcome"], row.values["From"]) == ("1", "umgeleitet", "x")
    assert _read(tmp_path, "Start,From,To\n") == []


def test_a_call_that_does_not_fit_says_why(tmp_path: Path) -> None:
    rows = _read(
        tmp_path,
        "Start,From,To,Duration\n01/07/2025,1,2,3\n,1,2,3\n2025-07-01,1,2,Kanarienvogel\n2025-07-01,1\n2025-07-01,1,2,3\n",
    )
    assert [row.fault for row in rows] == [
        "'at' does not fit; give a time such as 2025-12-31 18:30:00, and tz where it has no offset",
        "'at' is blank; give a time such as 2025-12-31 18:30:00, and tz where it has no offset",
        "'seconds' does not fit; give a number of seconds, or hours, minutes and seconds such as 0:01:30",
        "the log has 4 columns, but this row has 2",
        None,
    ]


def test_a_time_in_no_zone_is_a_fault(tmp_path: Path) -> None:
    rows = _read(tmp_path, "Start,From,To\n2025-07-01 12:00,1,2\n2025-07-01T12:00Z,1,2\n", tz=None)
    assert "and tz where it has no offset" in str(rows[0].fault)
    assert (rows[1].values["at"], rows[1].fault) == (datetime(2025, 7, 1, 12, tzinfo=UTC), None)


def test_what_is_missing_or_unknown_is_said(tmp_path: Path) -> None:
    with pytest.raises(
        ImportFailed,
        match=r"has no column 'to'; name it, such as names=\{'to': ...\}: there are 'Start', 'From', 'Tom'",
    ):
        _read(tmp_path, "Start,From,Tom\n1,2,3\n")
    with pytest.raises(ImportFailed, match="has no column 'Nach'"):
        _read(tmp_path, "Start,From,To\n1,2,3\n", names={"to": "Nach"})
    with pytest.raises(InvalidInput, match="'when' is no field of a call; there are 'id', 'at'"):
        _read(tmp_path, "Start,From,To\n", names={"when": "Start"})
    with pytest.raises(InvalidInput, match="'Mars' is no time zone"):
        _read(tmp_path, "Start,From,To\n", tz="Mars")
    with pytest.raises(ImportFailed, match="is not there"):
        calls.columns(tmp_path / "nowhere.csv")


@given(st.integers(0, len(MASTER) - 1), st.sampled_from(['"', ",", "\n", "", "9", "é"]))
def test_a_damaged_log_gives_calls_or_our_errors(
    tmp_path_factory: pytest.TempPathFactory, place: int, damage: str
) -> None:
    path = tmp_path_factory.getbasetemp() / "damaged.csv"
    path.write_text(MASTER[:place] + damage + MASTER[place + 1 :])
    try:
        rows = list(calls.read(path, tz="UTC"))
    except CrmError:
        return
    assert all(row.fault or row.values["at"] for row in rows)


def test_a_log_of_blanks_is_refused(tmp_path: Path) -> None:
    (tmp_path / "calls.csv").write_text(",,,\n,,,\n")
    for use in (calls.columns, lambda path: list(calls.read(path))):
        with pytest.raises(ImportFailed, match="is empty; the first line must hold the names of the columns"):
            use(tmp_path / "calls.csv")
