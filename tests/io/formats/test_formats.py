"""The format of a file is found by what is in it, and every format keeps the same promises."""

import inspect
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from crmkit.errors import CrmError, ImportFailed, InvalidInput
from crmkit.io import formats
from tests.io.formats import workbooks

ZIP = b"PK\x03\x04" + b"\0" * 30


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a.csv", b"a,b\n", "csv"),
        ("a.txt", b"a\tb\n", "csv"),
        ("a.tsv", b"a\tb\n", "tsv"),
        ("a.CSV", ZIP, "excel"),
        ("a.xls", b"a\tb\n1\t2\n", "csv"),
        ("a.xls", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "excel"),
        ("a.bin", b"PAR1....", "parquet"),
        ("a.json", b'[{"a": 1}]', "json"),
        ("a.json", b'{"a": 1}\n{"a": 2}\n', "json"),
        ("a.jsonl", b"", "json_lines"),
        ("a", b'\xef\xbb\xbf{"a": 1}\n{"a": 2}\n', "json_lines"),
        ("a", b'{"results": [\n]}', "json"),
        ("a.csv", b"[x],y\n", "csv"),
        ("a.txt", b"begin:vcard\n", "vcard"),
        ("a", b"\n BEGIN:VCALENDAR\n", "ical"),
        ("a.eml", b"From: a@x\n", "mail"),
    ],
)
def test_the_format_of_a_file_is_found(tmp_path: Path, name: str, content: bytes, expected: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    assert formats.for_path(path).name == expected


def test_what_is_not_certain_is_not_guessed(tmp_path: Path) -> None:
    for name, content in (("a", b"a,b\n"), ("a.parquet", b"a,b\n"), ("a.xlsx", b""), ("a.pdf", b"%PDF-1.7")):
        path = tmp_path / name
        path.write_bytes(content)
        with pytest.raises(ImportFailed, match="its format is not certain; .*: there are 'csv', 'tsv', 'excel'"):
            formats.for_path(path)
    (tmp_path / "page.xls").write_bytes(b"\n<!doctype html><table>")
    with pytest.raises(ImportFailed, match="is a web page; open it in a spreadsheet program"):
        formats.for_path(tmp_path / "page.xls")
    with pytest.raises(ImportFailed, match="is not there"):
        formats.for_path(tmp_path / "nowhere.csv")
    with pytest.raises(InvalidInput, match="'exel' is no format; .*did you mean 'excel'"):
        formats.by_name("exel")
    with pytest.raises(InvalidInput, match="E-mail can only be read; there are 'csv', "):
        formats.by_name("mail").write(tmp_path / "a.eml", ["a"], [])


@pytest.mark.parametrize("form", formats.FORMATS, ids=lambda form: form.name)
def test_every_format_has_the_same_functions(form: formats.Format) -> None:
    module = import_module(f"crmkit.io.formats.{form.module}")
    for function, first in (("columns", ["path"]), ("read", ["path"]), ("write", ["path", "columns", "rows"])):
        if function == "write" and not form.writes:
            assert not hasattr(module, "write")
            continue
        parameters = inspect.signature(getattr(module, function)).parameters
        assert list(parameters)[: len(first)] == first


@pytest.mark.parametrize("form", [form for form in formats.FORMATS if form.name != "calls"], ids=lambda form: form.name)
def test_a_file_of_another_kind_is_refused_or_told_in_rows(tmp_path: Path, form: formats.Format) -> None:
    pytest.importorskip("python_calamine")
    pytest.importorskip("pyarrow")
    path = tmp_path / "other"
    for content in (
        b"",
        b"\0" * 5000,
        bytes(range(256)) * 20,
        b"\x89PNG\r\n\x1a\n" + b"\0\1" * 500,
        b"%PDF-1.7\n\xe2\xe3\xcf\xd3",
    ):
        path.write_bytes(content)
        try:
            rows = list(form.read(path))
        except CrmError:
            continue
        assert not any(row.fault is None and row.values for row in rows) or form.module in ("csv", "json_lines")


def test_a_text_table_is_found_out_unless_it_is_stated(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_bytes("a;b\nŁ;1\n".encode("utf-16"))
    found = formats.for_path(path)
    assert found.columns(path) == ("a", "b")
    assert [dict(row.values) for row in found.read(path)] == [{"a": "Ł", "b": "1"}]
    assert [dict(row.values) for row in found.read(path, delimiter="|", encoding="utf-16")] == [{"a;b": "Ł;1"}]


def test_tsv_is_written_with_tabs(tmp_path: Path) -> None:
    formats.by_name("tsv").write(tmp_path / "a.tsv", ["a", "b"], [{"a": "x,y", "b": 1}])
    assert (tmp_path / "a.tsv").read_bytes() == b"a\tb\r\nx,y\t1\r\n"


def test_a_workbook_is_read_by_its_content(tmp_path: Path) -> None:
    pytest.importorskip("python_calamine")
    path = workbooks.xlsx(
        tmp_path / "really.csv", '<row r="1"><c t="str"><v>a</v></c></row><row r="2"><c><v>1</v></c></row>'
    )
    assert [dict(row.values) for row in formats.for_path(path).read(path)] == [{"a": 1}]


def test_formats_load_nothing_before_they_are_used() -> None:
    code = "import sys, crmkit.io.formats; print(*sorted({'polars', 'pyarrow', 'python_calamine', 'xlsxwriter', 'charset_normalizer', 'email'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "\n"
