"""CSV files are read exactly or refused, with the place of the fault and without a word of what the cells hold."""

import csv as standard
import io
import json
import re
import traceback
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmkit.errors import CrmError, ImportFailed
from crmkit.io.formats import csv

CANARY = "Kanarienvogel"

cells = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8) | st.sampled_from(
    [
        "",
        " ",
        '"',
        '""',
        "a,b;c\td|e",
        "\r",
        "\n",
        "\r\n",
        "one\ntwo\r\nthree\rfour",
        "กรุงเทพฯ",
        "Łódź",
        "\x1a",
        "\u2028",
    ]
)
names = cells.filter(lambda name: name.strip() and not name.startswith("\ufeff"))


@st.composite
def tables(draw: st.DrawFn) -> tuple[list[str], list[list[str]]]:
    header = draw(st.lists(names, min_size=1, max_size=4, unique=True))
    row = st.lists(cells, min_size=len(header), max_size=len(header))
    return header, draw(st.lists(row, max_size=6))


def _written(rows: list[list[str]], delimiter: str = ",") -> str:
    target = io.StringIO(newline="")
    standard.writer(target, delimiter=delimiter).writerows(rows)
    return target.getvalue()


@given(tables(), st.sampled_from(",;\t|"), st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-32-le"]))
def test_what_is_written_is_read(
    tmp_path_factory: pytest.TempPathFactory, table: tuple[list[str], list[list[str]]], delimiter: str, encoding: str
) -> None:
    header, rows = table
    path = tmp_path_factory.getbasetemp() / "written.csv"
    path.write_bytes(_written([header, *rows], delimiter).encode(encoding))

    assert csv.columns(path, delimiter=delimiter, encoding=encoding) == tuple(header)
    found = [dict(row.values) for row in csv.read(path, delimiter=delimiter, encoding=encoding)]
    assert found == [dict(zip(header, row, strict=True)) for row in rows]


@given(tables())
def test_a_row_has_the_number_of_its_first_line(
    tmp_path_factory: pytest.TempPathFactory, table: tuple[list[str], list[list[str]]]
) -> None:
    header, rows = table
    path = tmp_path_factory.getbasetemp() / "numbered.csv"
    path.write_bytes(_written([header, *rows]).encode())

    before = [_written([header, *rows[:number]]) for number in range(len(rows))]
    assert [row.line for row in csv.read(path)] == [1 + len(re.findall("\r\n|\r|\n", text)) for text in before]


def _refused(path: Path, **options: Any) -> str:
    """The message of the error, which never shows the canary, nor does anything that led to it."""
    with pytest.raises(ImportFailed) as caught:
        list(csv.read(path, **options))
    assert CANARY not in "".join(traceback.format_exception(caught.value))
    assert str(path) in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty; the first line must hold the names of the columns"),
        (b"\r\n\r\n", "is empty"),
        (b"\xef\xbb\xbf", "is empty"),
        (b"id,,  \n", "line 1: no name for column 2, 3; name every column"),
        (b"\nid,name,id\n", "line 2: several columns are named 'id'; give each its own name"),
        (
            b'id,name\n1,x\n2,"Kanarienvogel\n3,y\n4,z\n',
            "line 3: the record that begins here cannot be read (unexpected end of data); a quote that is opened must be closed",
        ),
        (b'id,name\n1,"Kanarien"vogel\n', "line 2: the record that begins here cannot be read"),
        (
            b"id,name\n1,Kanarienvogel\n\n2,Kanarienvogel,c\n",
            "line 4: the header has 2 columns, but this row has 3; put a text with ',' in it in quotes",
        ),
        (b"id,name\nKanarienvogel\n", "line 2: the header has 2 columns, but this row has 1"),
        (
            b"id,name\n1,Kanarienvogel\n2,\xffKanarienvogel\n",
            "line 3: is no text in the encoding 'utf-8'; save the file as UTF-8",
        ),
        (
            b"id,name\n1,Kanarienvogel\0\n",
            "line 2: holds a NUL character, so this is no text file; save the table as CSV",
        ),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "line 1: is no text in the encoding 'utf-8'"),
        (b"PK\x03\x04\x14\0\6\0", "line 1: holds a NUL character, so this is no text file"),
        ("id,name\r\n".encode("utf-16"), "line 1: holds a NUL character"),
        (
            b'id,name\n1,x\n2,"' + b"Kanarienvogel" * 11_000 + b'"\n',
            "line 3: the record that begins here cannot be read",
        ),
    ],
)
def test_a_file_that_is_not_certain_is_refused_with_its_place(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "people.csv"
    path.write_bytes(content)
    limit = standard.field_size_limit()

    assert message in _refused(path)
    assert standard.field_size_limit() == limit


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    assert "is not there; give the path of a CSV file" in _refused(tmp_path / "nowhere.csv")
    assert "is no ordinary file" in _refused(tmp_path)
    assert "is not there" in _refused(tmp_path / "people.csv" / "inside.csv")
    assert "cannot be read" in _refused(tmp_path / ("x" * 300))


@pytest.mark.parametrize("delimiter", ["", ";;", '"', "\n", "\r", "\0"])
def test_a_delimiter_is_one_character(tmp_path: Path, delimiter: str) -> None:
    assert "cannot be the delimiter; give one character" in _refused(tmp_path / "people.csv", delimiter=delimiter)


@pytest.mark.parametrize("encoding", ["utf-9", "hex", "rot13", ""])
def test_an_unknown_encoding_is_named(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "people.csv"
    path.write_text("id\n1\n")
    assert f"{encoding!r} is no encoding; give one such as 'utf-8' or 'cp1252'" in _refused(path, encoding=encoding)


def test_the_encoding_of_the_file_can_be_named(tmp_path: Path) -> None:
    path = tmp_path / "people.csv"
    path.write_bytes("id;name\n1;Łódź\n".encode("cp1250"))
    assert [row.values["name"] for row in csv.read(path, delimiter=";", encoding="cp1250")] == ["Łódź"]
    path.write_bytes(b"id\n\x81Kanarienvogel\n")
    assert "line 2: is no text in the encoding 'cp1252'" in _refused(path, encoding="cp1252")
    path.write_bytes("id\n1\n".encode("utf-16")[:-1])
    assert "is no text in the encoding 'utf-16'" in _refused(path, encoding="utf-16")


def test_lines_may_end_as_on_any_system_and_the_last_one_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "people.csv"
    for end in ("\n", "\r\n", "\r"):
        path.write_bytes(f"id,name{end}1,a{end}{end}2,b".encode())
        assert [(row.line, dict(row.values)) for row in csv.read(path)] == [
            (2, {"id": "1", "name": "a"}),
            (4, {"id": "2", "name": "b"}),
        ]


def test_a_file_that_is_left_half_read_is_closed(tmp_path: Path) -> None:
    path = tmp_path / "people.csv"
    path.write_text("id\n1\n2\n")
    rows = csv.read(path)
    assert next(rows).values == {"id": "1"}
    del rows
    path.unlink()


@given(
    st.binary(max_size=60)
    | st.lists(st.sampled_from([b'"', b",", b"\n", b"\r", b"a", b"\0", b"\xff", b"\xef\xbb\xbf"])).map(b"".join),
    st.sampled_from(
        ["utf-8", "utf-8-sig", "ascii", "cp1252", "latin-1", "utf-16", "utf-32", "utf-7", "shift_jis", "big5", "hz"]
    ),
)
def test_hostile_bytes_raise_nothing_but_our_errors(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, encoding: str
) -> None:
    path = tmp_path_factory.getbasetemp() / "hostile.csv"
    path.write_bytes(content)
    try:
        rows = list(csv.read(path, encoding=encoding))
    except CrmError:
        return
    assert all(row.values.keys() == set(csv.columns(path, encoding=encoding)) for row in rows)


def test_the_published_hard_cases_are_read_as_their_json_says(published: Path) -> None:
    folder = published / "csv_torture" / "csv-spectrum"
    # The JSON of "location_coordinates" is about another row, and the files have lost their carriage returns.
    paths = [path for path in sorted((folder / "csvs").glob("*.csv")) if path.stem != "location_coordinates"]
    assert len(paths) == 11
    for path in paths:
        expected = (folder / "json" / f"{path.stem}.json").read_text("utf-8").replace(r"\r\n", r"\n")
        assert [dict(row.values) for row in csv.read(path)] == json.loads(expected)
