"""Workbooks give typed cells row by row; hostile ones are refused before a reader sees them."""

import struct
import sys
from collections import Counter
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from zipfile import ZIP_BZIP2, ZIP_DEFLATED, ZipFile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmkit.errors import CrmError, ImportFailed, InvalidInput, MissingExtra
from crmkit.io.formats import excel, workbook
from tests.examples import few
from tests.io.formats import workbooks

pytest.importorskip("python_calamine")
xlsxwriter = pytest.importorskip("xlsxwriter")


def _values(path: Path, **options: Any) -> list[dict[str, Any]]:
    return [dict(row.values) for row in excel.read(path, **options)]


def _refused(path: Path, message: str) -> None:
    with pytest.raises(ImportFailed, match=message) as caught:
        list(excel.read(path))
    assert str(path) in str(caught.value)
    assert "Kanarienvogel" not in str(caught.value)


@pytest.mark.parametrize("from_1904", [False, True])
def test_cells_have_their_types(tmp_path: Path, *, from_1904: bool) -> None:
    path = tmp_path / "typed.xlsx"
    with xlsxwriter.Workbook(path, {"date_1904": from_1904, "default_date_format": "yyyy-mm-dd hh:mm"}) as book:
        days, spans = (book.add_format({"num_format": form}) for form in ("yyyy-mm-dd", "[h]:mm:ss"))
        page = book.add_worksheet()
        page.write_row(0, 0, ["text", "whole", "number", "flag", "day", "at", "time", "span", "empty"])
        page.write_row(1, 0, ["Łódź", 90003, 1.5, True])
        page.write_datetime(1, 4, date(2024, 2, 29), days)
        page.write_datetime(1, 5, datetime(2024, 2, 29, 12, 30))
        page.write_datetime(1, 6, time(12, 30), book.add_format({"num_format": "hh:mm"}))
        page.write_datetime(1, 7, timedelta(hours=26, minutes=3), spans)
    (row,) = excel.read(path)
    assert (row.line, row.fault) == (2, None)
    assert list(row.values.values()) == [
        "Łódź", 90003, 1.5, True, date(2024, 2, 29), datetime(2024, 2, 29, 12, 30), "12:30:00", "26:03:00", None,
    ]  # fmt: skip
    assert isinstance(row.values["whole"], int)


def test_a_table_is_found_below_titles_and_beside_empty_columns(tmp_path: Path) -> None:
    path = tmp_path / "titled.xlsx"
    with xlsxwriter.Workbook(path) as book:
        book.add_worksheet("Empty")
        page = book.add_worksheet("People")
        page.write(1, 2, "Contacts of 2025")
        page.write_row(3, 2, ["Name", "Email", "Email", None, None])
        page.write_row(4, 2, ["Ann", "a@x", None, "note"])
        page.write_row(6, 2, ["Name", "Email", "Email (2)"])
        page.write_row(7, 2, ["Bob", None, None])
        page.write(7, 6, " ")
        hidden = book.add_worksheet("Hidden")
        hidden.write_row(0, 0, ["x", "y"])
        hidden.hide()
    assert excel.sheets(path) == ("Empty", "People")
    assert excel.columns(path) == ("Name", "Email", "Email (2)", "Column 4")
    assert [(row.line, list(row.values.values()), row.fault) for row in excel.read(path)] == [
        (5, ["Ann", "a@x", None, "note"], None),
        (7, ["Name", "Email", "Email (2)", None], "repeats the header"),
        (8, ["Bob", None, None, None], None),
    ]
    assert excel.columns(path, sheet="Hidden") == ("x", "y")
    assert excel.columns(path, sheet="Empty") == ()
    assert _values(path, sheet="Empty") == []
    assert excel.columns(path, header_row=5) == ("Ann", "a@x", "Column 3", "note")
    with pytest.raises(ImportFailed, match="has no sheet 'people'; there are .*; did you mean 'People'"):
        excel.columns(path, sheet="people")
    with pytest.raises(ImportFailed, match="the sheet 'People' has no row 9; it has 8 rows"):
        excel.columns(path, header_row=9)


def test_merged_cells_share_their_value(tmp_path: Path) -> None:
    path = tmp_path / "merged.xlsx"
    with xlsxwriter.Workbook(path) as book:
        page = book.add_worksheet()
        page.write_row(1, 1, ["team", "name", "left", "right"])
        page.merge_range(2, 1, 4, 1, "Sales")
        for number, name in enumerate(["Ann", "Bob", "Eve", "Joe"]):
            page.write(2 + number, 2, name)
        page.merge_range(3, 3, 4, 4, "both")
    assert [list(values.values()) for values in _values(path)] == [
        ["Sales", "Ann", None, None],
        ["Sales", "Bob", "both", "both"],
        ["Sales", "Eve", "both", "both"],
        [None, "Joe", None, None],
    ]


def test_a_cell_with_an_error_is_a_fault_of_its_row(tmp_path: Path) -> None:
    path = tmp_path / "errors.xlsx"
    with xlsxwriter.Workbook(path) as book:
        page = book.add_worksheet()
        page.write_row(0, 1, ["name", "share"])
        for row, result in enumerate([0.5, "#DIV/0!", 0.25], start=1):
            page.write(row, 1, "Ann")
            page.write_formula(row, 2, "=1/A9", None, result)
    faults = [row.fault for row in excel.read(path)]
    assert faults == [None, "'share' holds an error such as #N/A; correct the cell in the workbook", None]


def test_cells_without_a_place_follow_the_one_before(tmp_path: Path) -> None:
    rows = '<row r="1"><c r="B1" t="str"><v>a</v></c><c t="str"><v>b</v></c></row><row><c/><c t="e"><v>#N/A</v></c><c><v>7</v></c></row>'
    (row,) = excel.read(workbooks.xlsx(tmp_path / "bare.xlsx", rows))
    assert (row.line, dict(row.values)) == (2, {"a": None, "b": 7})
    assert str(row.fault).startswith("'a' holds an error")


def test_workbooks_of_libre_office_are_read(tmp_path: Path) -> None:
    rows = "".join(
        f"<table:table-row{repeat}>{''.join(map(workbooks.ods_cell, cells))}{empty}</table:table-row>"
        for repeat, cells, empty in [
            ("", ["name", "city"], ""),
            (
                ' table:number-rows-repeated="2"',
                ["Ann", "Oslo"],
                '<table:table-cell table:number-columns-repeated="16382"/>',
            ),
        ]
    )
    end = '<table:table-row table:number-rows-repeated="1048573"><table:table-cell table:number-columns-repeated="16384"/></table:table-row>'
    path = workbooks.ods(tmp_path / "table.ods", rows + end)
    assert _values(path) == [{"name": "Ann", "city": "Oslo"}] * 2


def test_old_workbooks_are_read_after_a_trial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    xlwt = pytest.importorskip("xlwt")
    book = xlwt.Workbook()
    page = book.add_sheet("S")
    for place, value in enumerate(["name", "age", "Ann", 42]):
        page.write(place // 2, place % 2, value)
    path = tmp_path / "old.xls"
    book.save(str(path))
    assert _values(path) == [{"name": "Ann", "age": 42}]
    content = path.read_bytes()
    for damaged in (content[:600], b"\xd0\xcf\x11\xe0" * 300):
        path.write_bytes(damaged)
        _refused(path, "is damaged|span more than")
    # The number of the last column that has a cell is that of the last that the format could have.
    cell = struct.pack("<HHHHH", 0x27E, 10, 1, 1, 0x11)
    assert content.count(cell[:8]) == 1
    place = content.index(cell[:8])
    path.write_bytes(content[: place + 4] + struct.pack("<HH", 65535, 65535) + content[place + 8 :])
    _refused(path, "its cells span more than 16,777,216 cells or the memory")
    monkeypatch.setattr("sys.executable", "/bin/false")
    _refused(path, "cannot be tried in a process of its own")


@pytest.mark.parametrize(
    "rows",
    [
        '<row r="1"><c r="A1"><v>1</v></c></row><row r="1048576"><c r="XFD1048576"><v>1</v></c></row>',
        '<row r="1"><c r="A1"><v>1</v></c></row><row r="1048576"><c a=">" r="XFD1048576" t="inlineStr"><is><t>1</t></is></c></row>',
        '<row r="1"><c r="A1"><v>1</v></c></row><row r="999999999"><c><v>1</v></c></row><row r="2"><c r="ZZ2"><v>1</v></c></row>',
        '<row r="1"><c r="A1"><v>1</v></c></row><row r="1048576"><c><v>1</v></c><c r="XFD1"><v>1</v></c></row>',
        '<x:row xmlns:x="x" r="1"><x:c r="A1"><x:v>1</x:v></x:c><x:c r="XFD104857&#54;"><x:v>1</x:v></x:c></x:row>',
    ],
)
@pytest.mark.parametrize("target", ["worksheets/sheet1.xml", "media/picture.png"])
def test_a_workbook_that_would_abort_the_process_is_refused(tmp_path: Path, rows: str, target: str) -> None:
    path = workbooks.xlsx(tmp_path / "abort.xlsx", rows, target=target)
    assert path.stat().st_size < 2000
    _refused(path, "its cells span more than 16,777,216 cells; remove what stands far from the table")


def test_a_cell_right_of_every_column_is_refused(tmp_path: Path) -> None:
    row = '<row r="1"><c r="A1"><v>1</v></c><c r="AAAA1"><v>1</v></c></row>'
    _refused(workbooks.xlsx(tmp_path / "wide.xlsx", row), "holds a cell in no column")


def test_a_workbook_that_repeats_itself_without_end_is_refused(tmp_path: Path) -> None:
    row = f'<table:table-row table:number-rows-repeated="1048576">{workbooks.ods_cell("x", 16384)}</table:table-row>'
    _refused(workbooks.ods(tmp_path / "abort.ods", row), "its cells span more than")


def test_an_empty_cell_far_away_is_no_danger(tmp_path: Path) -> None:
    rows = '<row r="1"><c r="A1" t="str"><v>a</v></c></row><row r="2"><c r="A2"><v>1</v></c></row><row r="1048576"><c r="XFD1048576" s="0"/></row>'
    assert _values(workbooks.xlsx(tmp_path / "far.xlsx", rows)) == [{"a": 1}]


@pytest.mark.parametrize(
    ("rows", "begin", "message"),
    [
        ("", '<!DOCTYPE a [<!ENTITY b "bb"><!ENTITY c "&b;&b;">]>' + workbooks.BEGIN, "declares entities"),
        ("", '<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]>' + workbooks.BEGIN, "declares entities"),
        ('<row r="1"><c r="A1"', workbooks.BEGIN, "holds a damaged part"),
        ('<row r="1"><c r="Ä1"/></row>', workbooks.BEGIN, "holds a cell in no column"),
        ('<row r="one"/>', workbooks.BEGIN, "holds a cell in no row"),
        (
            '<row r="1"><c r="A1"><v>1</v></c></row>' + " " * 30_000_000,
            workbooks.BEGIN,
            "holds far more than its size tells",
        ),
    ],
)
def test_hostile_parts_are_refused(tmp_path: Path, rows: str, begin: str, message: str) -> None:
    _refused(workbooks.xlsx(tmp_path / "hostile.xlsx", rows, begin=begin), message)


def test_archives_that_tell_lies_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    good = workbooks.xlsx(tmp_path / "good.xlsx", '<row r="1"><c r="A1"><v>1</v></c></row>').read_bytes()
    path = tmp_path / "lies.xlsx"
    directory = good.index(b"PK\x01\x02")
    size = struct.unpack_from("<I", good, directory + 24)[0]
    for lie in (size - 1, size + 1):
        path.write_bytes(good[: directory + 24] + struct.pack("<I", lie) + good[directory + 28 :])
        _refused(path, "is damaged")
    for broken in (good[:-30], good[:40], b"PK\x03\x04", good[:30] + b"\xff" * 40 + good[70:]):
        path.write_bytes(broken)
        _refused(path, "is damaged|is no workbook|holds")
    with ZipFile(path, "w") as archive:
        archive.writestr("letter.txt", "Kanarienvogel")
    _refused(path, "is an archive but no workbook")
    with ZipFile(path, "w", ZIP_BZIP2) as archive:
        archive.writestr("xl/workbook.xml", "<a/>")
    _refused(path, "is encrypted or compressed in a rare way")
    with ZipFile(path, "w", ZIP_DEFLATED) as archive:
        archive.writestr("xl/workbook.xml", "<a/>")
        archive.writestr("XL/workbook.xml", "<b/>")
    _refused(path, "is no usual workbook")
    path.write_bytes(good)
    monkeypatch.setattr(workbook, "MOST_INFLATED", 500)
    _refused(path, "when it is inflated")


@pytest.mark.parametrize("content", [b"", b"a,b\n1,2\n", b"<html><table>", b"%PDF-1.7"])
def test_what_is_no_workbook_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "wrong.xlsx"
    path.write_bytes(content)
    _refused(path, "is no workbook; give the path of a workbook")
    _refused(tmp_path / "nowhere.xlsx", "is not there")


def test_without_the_extra_the_command_that_installs_it_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("python_calamine", "xlsxwriter"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(
        MissingExtra, match=r"python-calamine is not installed; install it with: pip install 'crmkit\[excel\]'"
    ):
        list(excel.read(tmp_path / "a.xlsx"))
    with pytest.raises(MissingExtra, match="xlsxwriter is not installed"):
        excel.write(tmp_path / "a.xlsx", ["a"], [])


texts = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=8).filter(
    str.strip
) | st.sampled_from(["=1+1", "-5", "+48 22", "@x", "http://x.example", "_x0041_", "a\nb", "007", "<&>", "'=1"])
values = (
    texts
    | st.none()
    | st.booleans()
    | st.integers(-(10**15) + 1, 10**15 - 1)
    | st.floats(-1e6, 1e6).map(lambda number: round(number, 3) + 0.0005)
    | st.dates(date(1900, 3, 1), date(2200, 1, 1))
)


@few
@given(st.lists(st.fixed_dictionaries({"a": texts, "b": values}), min_size=1, max_size=4))
def test_what_is_written_comes_back(tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, Any]]) -> None:
    path = tmp_path_factory.getbasetemp() / "round.xlsx"
    excel.write(path, ["a", "b"], rows)
    found = list(excel.read(path, header_row=1))
    assert [row.values["a"] for row in found] == [row["a"] for row in rows]
    assert [row.values["b"] for row in found] == [
        pytest.approx(row["b"]) if type(row["b"]) is float else row["b"] for row in rows
    ]


def test_what_a_workbook_would_change_is_written_as_text(tmp_path: Path) -> None:
    path = tmp_path / "out.xlsx"
    given = {
        "id": 12345678901234567890,
        "amount": Decimal("10.50"),
        "exact": Decimal("0.1000000000000000000000001"),
        "old": date(1899, 1, 1),
        "at": datetime(2025, 1, 1, 12, tzinfo=UTC),
        "local": datetime(2025, 1, 1, 12),
    }
    excel.write(path, [*given], [given], sheet="Deals")
    assert excel.sheets(path) == ("Deals",)
    written = path.read_bytes()
    excel.write(path, [*given], [given], sheet="Deals")
    assert path.read_bytes() == written
    assert list(_values(path)[0].values()) == [
        "12345678901234567890", 10.5, "0.1000000000000000000000001", "1899-01-01", "2025-01-01T12:00:00+00:00", datetime(2025, 1, 1, 12),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("row", "sheet", "message"),
    [
        ({"a": float("inf")}, "S", "row 1, column 'a': holds a value of the type float"),
        ({"a": b"x"}, "S", "type bytes"),
        ({"b": 1}, "S", "row 1 has a cell for 'b', which is no column"),
        ({"a": "x" * 40_000}, "S", "at most 32,767 characters"),
        ({"a": 1}, "a/b", "a sheet has a name of at most 31 characters"),
    ],
)
def test_what_cannot_be_written_leaves_nothing(tmp_path: Path, row: dict[str, Any], sheet: str, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        excel.write(tmp_path / "out.xlsx", ["a"], [row], sheet=sheet)
    assert not list(tmp_path.iterdir())


@few
@given(st.integers(0, 2000), st.binary(min_size=1, max_size=3))
def test_damaged_workbooks_give_rows_or_our_errors(
    tmp_path_factory: pytest.TempPathFactory, place: int, damage: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "damaged.xlsx"
    workbooks.xlsx(path, '<row r="1"><c r="A1" t="str"><v>a</v></c></row><row r="2"><c r="A2"><v>1</v></c></row>')
    content = path.read_bytes()
    place %= len(content)
    path.write_bytes(content[:place] + damage + content[place + len(damage) :])
    try:
        list(excel.read(path))
    except CrmError:
        return


def test_the_published_workbooks_are_read_whole(published: Path) -> None:
    folder = published / "telco_status"
    rows = list(excel.read(folder / "Telco_customer_churn_status.xlsx"))
    assert len(rows) == 7043
    assert not any(row.fault for row in rows)
    assert list(excel.columns(folder / "Telco_customer_churn_status.xlsx"))[:3] == ["Customer ID", "Count", "Quarter"]
    scores = Counter(row.values["Satisfaction Score"] for row in rows)
    assert set(scores) == {1, 2, 3, 4, 5}
    assert round(sum(score * count for score, count in scores.items()) / 7043, 3) == 3.245
    assert round((scores[4] + scores[5]) / 7043, 4) == 0.4172
