"""Tables as they really are: found out, read to the last row, and written so that nothing is run or lost."""

import csv as standard
import json
import sys
import tracemalloc
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmkit.errors import CrmError, ImportFailed, InvalidInput, MissingExtra, StoreError
from crmkit.io.formats import csv, files
from crmkit.io.formats.formulas import mark, unmark
from crmkit.io.formats.layout import Layout
from crmkit.io.formats.row import Row
from tests.examples import few

TABLE = "Name;City;Spent\r\nAnn;Łódź;10,50\r\nZoë;Kraków;8,00\r\n"


def _file(tmp_path: Path, content: bytes | str) -> Path:
    path = tmp_path / "table.csv"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def _read(path: Path) -> list[Row]:
    return list(csv.read(path, csv.detect(path)))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_unicode_is_recognised_with_and_without_a_mark(tmp_path: Path, encoding: str) -> None:
    path = _file(tmp_path, TABLE.encode(encoding))
    layout = csv.detect(path)
    assert layout == Layout(delimiter=";", encoding=encoding)
    assert [row.values["City"] for row in csv.read(path, layout)] == ["Łódź", "Kraków"]


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        (
            "cp1250",
            "Imię;Miasto\nŁucja Żółć;Łódź\nGrażyna Gęś;Świnoujście\nJózef Źdźbło;Częstochowa\nŻaneta;Dąbrowa Górnicza\n",
        ),
        ("cp1252", "Vorname;Straße\nJürgen;Königsallee\nBjörn;Große Straße\nFrançois;Müllerstraße\n"),
        ("cp1251", "Имя;Город\nАнна;Санкт-Петербург\nИван;Нижний Новгород\nМария;Екатеринбург\n"),
        ("cp874", "ชื่อ;เมือง\nสมชาย ใจดี;กรุงเทพมหานคร\nสมหญิง รักไทย;เชียงใหม่\nประเสริฐ;ภูเก็ต\n"),
        ("shift_jis", "名前;都市\n山田太郎;東京都千代田区\n鈴木花子;大阪市\n佐藤健;札幌市\n"),
        (
            "cp1250",
            "Nr;Imię;E-mail;Urodzony\n1;Łucja;a@@wp;01.02.1990\n2;Żaneta;b@wp.pl;03.02.1980\n3;Jan;c@wp.pl;01.01.1970\n",
        ),
        ("iso8859_2", "Imię;Miasto\nŁucja;Łódź\nŻaneta;Śrem\nGrażyna;Żory\n"),
        ("cp852", "Imię;Miasto\nŁucja;Łódź\nŻaneta;Śrem\nGrażyna;Żory\n"),
        ("cp1252", "Nom;Prénom;Ville\nLefèvre;François;Orléans\nGarçon;Zoé;Nîmes\n"),
        ("cp1252", "Nombre;Teléfono\nMuñoz;91 123\nGarcía;93 44\nPeña;91\n"),
        ("mac_roman", "Name;Straße;Ort\nMüller;Königsallee 1;Düsseldorf\nGroß;Hauptstr. 2;Köln\n"),
        ("cp1250", "Jméno;Město\nJiří Dvořák;Plzeň\nŠtěpán Černý;Brno\n"),
        ("cp1250", "Név;Város\nSzabó Géza;Győr\nTóth Ödön;Szűcsi\n"),
        ("cp1254", "Ad;Soyad;Şehir\nŞükrü;Yılmaz;İzmir\nÇağla;Öztürk;Eskişehir\nGökçe;Işık;Muğla\n"),
        ("cp1257", "Vardas;Miestas\nŽygimantas;Šiauliai\nAgnė;Panevėžys\nĄžuolas;Kėdainiai\n"),
        ("cp1253", "Όνομα;Επώνυμο\nΓιώργος;Παπαδόπουλος\nΕλένη;Δημητρίου\n"),
        ("cp1256", "الاسم;المدينة\nمحمد علي;القاهرة\nفاطمة حسن;الرياض\n"),
        ("koi8_r", "Имя;Город\nИван;Москва\nОльга;Тверь\n"),
        ("gb18030", "姓名;城市;电话\n王小明;北京;010\n李丽;上海;021\n张伟;广州;020\n"),
        ("euc_kr", "이름;도시\n김철수;서울\n이영희;부산\n박민수;대구\n"),
    ],
)
def test_code_pages_are_told_from_their_letters_and_said_to_be_guessed(
    tmp_path: Path, encoding: str, text: str
) -> None:
    pytest.importorskip("charset_normalizer")
    path = _file(tmp_path, text.encode(encoding))
    layout = csv.detect(path)
    assert layout.guessed
    expected = [line.split(";") for line in text.splitlines()]
    assert list(csv.columns(path, layout)) == expected[0]
    assert [list(row.values.values()) for row in csv.read(path, layout)] == expected[1:]


def test_a_code_page_needs_the_extra_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "charset_normalizer", None)
    with pytest.raises(MissingExtra, match=r"pip install 'crmkit\[encoding\]'"):
        csv.detect(_file(tmp_path, "Straße\n".encode("cp1252")))


def test_a_few_rows_in_another_encoding_are_faults_in_a_table_of_utf_8(tmp_path: Path) -> None:
    path = _file(tmp_path, "name\nŁódź\nZoë\n".encode() + "Müller\n".encode("cp1252") + b"a\0b\n")
    rows = _read(path)
    fault = "holds bytes that are no text in the encoding 'utf-8'"
    assert [row.fault for row in rows] == [None, None, fault, fault]
    assert rows[2].values == {"name": "M\ufffdller"}


@pytest.mark.parametrize(
    ("text", "layout"),
    [
        ("a,b\n1,2\n", Layout()),
        ("a;b\n1,5;2,5\n3,5;4,5\n", Layout(delimiter=";")),
        ("a\tb\tc\n1,2\t3\t4\n", Layout(delimiter="\t")),
        ("a|b\n1|2\n", Layout(delimiter="|")),
        ("name\nAnn, the first\nBob\nEve\nJoe\nKim\n", Layout()),
        (
            "Contacts of 2025\nMade, by hand\n\nname;city;note\nAnn;Oslo;a\nBob;Rome;b\n",
            Layout(delimiter=";", header_line=4),
        ),
        ("Report,,,\n,,,\nname,city,note,age\nAnn,Oslo,,\n", Layout(header_line=3)),
        ("sep=;\nname;a,b\nAnn;1,2\n", Layout(delimiter=";", header_line=2)),
        ('name,note\nAnn,"one\ntwo; three"\nBob,"x; y\nz"\n', Layout()),
        ("name,city\nAnn,Oslo,\nBob,Rome,\n", Layout()),
        ("name", Layout()),
        ("a,b,c,d\n,\n,\n", Layout()),
        ("".join(",".join("abcdefghij"[:width]) + "\n" for width in (3, 4, 5, 6, 7)), Layout()),
    ],
)
def test_the_layout_of_a_table_is_found(tmp_path: Path, text: str, layout: Layout) -> None:
    path = _file(tmp_path, text)
    assert csv.detect(path) == layout


def test_a_layout_that_is_stated_is_checked(tmp_path: Path) -> None:
    for delimiter in ("", ";;", '"', "\n"):
        with pytest.raises(InvalidInput, match="cannot be the delimiter; give one character such as ',' or ';'"):
            Layout(delimiter=delimiter)
        with pytest.raises(InvalidInput, match="cannot be the delimiter"):
            csv.write(tmp_path / "out.csv", ["a"], [], delimiter=delimiter)
    with pytest.raises(InvalidInput, match="0 cannot be the line of the header; give one from 1"):
        Layout(header_line=0)
    path = _file(tmp_path, "x\n" * 600_000 + "a\n1\n")
    assert [row.line for row in csv.read(path, Layout(header_line=600_001))] == [600_002]
    with pytest.raises(ImportFailed, match="line 700000: is empty"):
        csv.columns(path, Layout(header_line=700_000))


def test_names_of_columns_are_made_unique(tmp_path: Path) -> None:
    path = _file(tmp_path, "Email, Email,,Email (2),Email\na,b,c,d,e\n")
    assert csv.columns(path, csv.detect(path)) == ("Email", "Email (3)", "Column 3", "Email (2)", "Email (4)")


def test_a_row_that_does_not_fit_is_handed_out_with_its_fault(tmp_path: Path) -> None:
    path = _file(tmp_path, "id,name\n1,Ann\n2,Bob,x\n3\n\n4,Eve,,\nid,name\n5,Joe\n")
    assert [(row.line, dict(row.values), row.fault) for row in _read(path)] == [
        (2, {"id": "1", "name": "Ann"}, None),
        (3, {"id": "2", "name": "Bob", "Column 3": "x"}, "the header has 2 columns, but this row has 3"),
        (4, {"id": "3"}, "the header has 2 columns, but this row has 1"),
        (6, {"id": "4", "name": "Eve"}, None),
        (7, {"id": "id", "name": "name"}, "repeats the header"),
        (8, {"id": "5", "name": "Joe"}, None),
    ]


def test_a_quote_that_is_not_closed_takes_no_other_row_with_it(tmp_path: Path) -> None:
    rows = [f'{number},"name {number}"' for number in range(1000)]
    rows[400] = '400,"name 400'
    path = _file(tmp_path, "id,name\n" + "\n".join(rows) + "\n999,last\n" + '1000,"open\n1001,x\n')
    found = _read(path)
    assert [row.line for row in found] == list(range(2, 1005))
    assert [row.line for row in found if row.fault] == [402, 1003]
    assert "a quote that is opened must be closed" in str(found[400].fault)


def test_a_file_of_broken_quotes_is_given_up(tmp_path: Path) -> None:
    path = _file(tmp_path, "id,name\n" + 'x","y\n' * 100_000)
    with pytest.raises(ImportFailed, match="more than 100 records of this file cannot be read"):
        list(csv.read(path, Layout()))


def test_endless_lines_and_cells_stay_in_bounds(tmp_path: Path) -> None:
    path = _file(tmp_path, b"id,name\n1," + b"x" * 200_000 + b"\n2,y\n")
    assert [bool(row.fault) for row in csv.read(path, Layout())] == [True, False]
    path = _file(tmp_path, b"id,name\n" + b"x" * 9_000_000)
    for layout in (Layout(), None):
        with pytest.raises(ImportFailed, match="line 2: is longer than 4,194,304 characters"):
            list(csv.read(path, layout))
    path = _file(tmp_path, ",".join(f"c{number}" for number in range(10_000)) + "\n" + "1," * 9_999 + "1\n")
    assert [len(row.values) for row in _read(path)] == [10_000]


def test_reading_keeps_no_more_than_a_record(tmp_path: Path) -> None:
    path = _file(tmp_path, "id,name\n" + "1,Anna Kowalska\n" * 20_000)
    layout = csv.detect(path)
    tracemalloc.start()
    try:
        assert sum(1 for _ in csv.read(path, layout)) == 20_000
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "content", [b"", b"\n\n", b"\xef\xbb\xbf", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", b"PK\x03\x04\x14\0\6\0"]
)
def test_what_is_no_table_is_refused(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(ImportFailed, match="is empty|no text file"):
        csv.detect(_file(tmp_path, content))
    with pytest.raises(ImportFailed, match="is not there"):
        csv.detect(tmp_path / "nowhere.csv")
    with pytest.raises(ImportFailed, match="is no path"):
        csv.detect("a\0b.csv")
    with pytest.raises(ImportFailed, match="'utf-9' is no encoding"):
        csv.columns(_file(tmp_path, b"a\n"), Layout(encoding="utf-9"))


pieces = st.sampled_from(
    [
        b'"',
        b",",
        b";",
        b"\n",
        b"\r",
        b"a",
        b"\0",
        b"\xff",
        b"\xef\xbb\xbf",
        b"\xc3\xa9",
        b"'",
        b"=",
        b"sep=;",
        b'a,"b"\n',
    ]
)


@given(st.binary(max_size=60) | st.lists(pieces, max_size=30).map(b"".join))
def test_hostile_bytes_give_rows_or_our_errors(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "hostile_layout.csv"
    path.write_bytes(content)
    try:
        rows = _read(path)
        header = csv.columns(path, csv.detect(path))
    except CrmError:
        return
    assert all(row.fault or row.values.keys() == set(header) for row in rows)
    assert [row.line for row in rows] == sorted({row.line for row in rows})


@few
@given(st.integers(14, 300), st.sampled_from([b'"', b"\n", b",", b"\xe9", b""]))
def test_a_damaged_table_loses_no_line(tmp_path_factory: pytest.TempPathFactory, place: int, damage: bytes) -> None:
    """Whatever one byte does, the lines that it does not touch are there, as rows or in the record of a fault."""
    path = tmp_path_factory.getbasetemp() / "damaged.csv"
    lines = [f'{number},"name {number}",city'.encode() for number in range(12)]
    content = b"\n".join([b"id,name,place", *lines, b""])
    place = min(place, len(content) - 1)
    path.write_bytes(content[:place] + damage + content[place + 1 :])
    rows = list(csv.read(path, Layout()))
    assert len([row for row in rows if not row.fault]) >= 9


@given(st.text(max_size=6) | st.text("'=+-@\t\r\n5.", max_size=6))
def test_every_text_comes_back_and_none_is_a_formula(text: str) -> None:
    marked = mark(text)
    assert unmark(marked) == text
    negative = (
        marked[:1] == "-" and marked[1:].replace(".", "", 1).isascii() and marked[1:].replace(".", "", 1).isdigit()
    )
    assert negative or not marked.startswith(("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠"))


texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=6) | st.sampled_from(
    ["=1+1", "'=1", "''@x", "-5", "-x", "+48 22", "\t", "a\r\nb", '"', "", "'"]
)


@given(st.lists(st.fixed_dictionaries({"a": texts, "=b": texts}), max_size=4), st.sampled_from(",;\t"))
def test_what_is_written_comes_back(
    tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, str]], delimiter: str
) -> None:
    path = tmp_path_factory.getbasetemp() / "round.csv"
    csv.write(path, ["a", "=b"], rows, delimiter=delimiter)
    assert [dict(row.values) for row in csv.read(path, delimiter=delimiter)] == rows
    written = standard.reader(path.read_text("utf-8").splitlines(keepends=True), delimiter=delimiter)
    cells = [cell for row in written for cell in row]
    assert all(mark(cell) == cell or cell.startswith("'") for cell in cells)


def test_values_are_written_as_one_expects(tmp_path: Path) -> None:
    row = {
        "whole": -5,
        "number": 0.1,
        "amount": Decimal("-1.50"),
        "flag": True,
        "day": date(2025, 12, 31),
        "at": datetime(2025, 12, 31, 18, tzinfo=UTC),
        "none": None,
    }
    path = tmp_path / "out.csv"
    csv.write(path, [*row, "missing"], [row], encoding="utf-8-sig")
    assert path.read_bytes().startswith(b"\xef\xbb\xbfwhole,")
    assert path.read_text().splitlines()[1] == "-5,0.1,-1.50,true,2025-12-31,2025-12-31T18:00:00+00:00,,"


@pytest.mark.parametrize(
    ("columns", "row", "message"),
    [
        (["a"], {"a": float("nan")}, "row 1, column 'a': holds a value of the type float that cannot be written"),
        (["a"], {"a": [1]}, "type list"),
        (
            ["name"],
            {"nmae": "x"},
            "row 1 has a cell for 'nmae', which is no column; there are 'name'; did you mean 'name'",
        ),
        (["a", "a"], {}, "several columns are named 'a'"),
        ([], {}, "a table needs columns"),
        (["a"], {"a": "\ud800"}, "holds text that utf-8 does not have"),
        (["a"], {"a": "\0"}, "a cell holds a NUL character"),
    ],
)
def test_what_cannot_be_written_leaves_what_was_there(
    tmp_path: Path, columns: list[str], row: dict[str, Any], message: str
) -> None:
    path = _file(tmp_path, "before")
    with pytest.raises(InvalidInput, match=message):
        csv.write(path, columns, [row])
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", ["", "a\0b", "table.csv/inside", "x" * 300])
def test_a_path_that_is_none_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    _file(tmp_path, "before")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InvalidInput, match="give (one|a path) in a folder that may be written"):
        csv.write(name, ["a"], [])


def test_an_error_of_the_rows_is_handed_on(tmp_path: Path) -> None:
    def rows() -> Iterator[dict[str, Any]]:
        raise StoreError("the store is gone")
        yield {}

    with pytest.raises(StoreError, match="the store is gone"):
        csv.write(tmp_path / "out.csv", ["a"], rows())
    assert not list(tmp_path.iterdir())


def test_a_path_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="cannot be written .*; give a path in a folder that may be written"):
        csv.write(tmp_path / "nowhere" / "out.csv", ["a"], [])
    with pytest.raises(InvalidInput, match="'utf-9' is no encoding"):
        csv.write(tmp_path / "out.csv", ["a"], [], encoding="utf-9")


def test_the_published_hard_cases_are_read_the_same_when_found_out(published: Path) -> None:
    folder = published / "csv_torture" / "csv-spectrum"
    for path in sorted((folder / "csvs").glob("*.csv")):
        if path.stem != "location_coordinates":
            expected = (folder / "json" / f"{path.stem}.json").read_text("utf-8").replace(r"\r\n", r"\n")
            assert [dict(row.values) for row in _read(path)] == json.loads(expected), path.stem


def test_published_exports_are_read_without_a_fault(published: Path) -> None:
    paths = [*(published / "crm_export_samples").rglob("*.csv"), *(published / "fivetran_seeds").rglob("*.csv")]
    paths += [published / "telco_churn" / "Telco-Customer-Churn.csv", published / "maven_crm" / "accounts.csv"]
    assert len(paths) > 60
    for path in paths:
        layout = csv.detect(path)
        assert (layout.delimiter, layout.header_line) == (",", 1), path.name
        assert not [row for row in csv.read(path, layout) if row.fault], path.name


def test_the_repr_of_a_row_shows_no_cell() -> None:
    assert "Ann" not in repr(Row(2, {"name": "Ann"}))
    assert files.plain(None) is None
