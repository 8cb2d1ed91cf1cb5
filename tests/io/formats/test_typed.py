"""JSON Lines, JSON and Parquet keep the types of their cells."""

import json as standard
import sys
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from types import ModuleType
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmkit.errors import CrmError, ImportFailed, InvalidInput, MissingExtra
from crmkit.io.formats import json, json_lines, parquet
from tests.examples import few

pytest.importorskip("pyarrow")

texts = st.text(st.characters(codec="utf-8"), max_size=6)
plain = st.none() | st.booleans() | st.integers(-(2**62), 2**62) | texts
decimals = st.decimals(-1000, 1000, places=2)


@pytest.mark.parametrize("module", [json_lines, json])
@given(
    st.lists(st.fixed_dictionaries({"a": plain}, optional={"b": plain, "c": st.lists(plain, max_size=2)}), max_size=4)
)
def test_json_that_is_written_comes_back(
    tmp_path_factory: pytest.TempPathFactory, module: ModuleType, rows: list[dict[str, Any]]
) -> None:
    path = tmp_path_factory.getbasetemp() / "round.json"
    module.write(path, ["a", "b", "c"], rows)
    assert [dict(row.values) for row in module.read(path)] == rows
    assert set(module.columns(path)) == {name for row in rows for name in row}


@few
@given(
    st.lists(
        st.fixed_dictionaries(
            {"text": st.none() | texts, "amount": st.none() | decimals, "day": st.dates(), "flag": st.booleans()},
            optional={"number": st.floats(allow_nan=False, allow_infinity=False)},
        ),
        max_size=4,
    )
)
def test_parquet_that_is_written_comes_back(
    tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, Any]]
) -> None:
    path = tmp_path_factory.getbasetemp() / "round.parquet"
    columns = ["text", "amount", "day", "flag", "number"]
    parquet.write(path, columns, rows)
    assert parquet.columns(path) == tuple(columns)
    assert [dict(row.values) for row in parquet.read(path)] == [{"number": None, **row} for row in rows]
    assert [row.line for row in parquet.read(path)] == list(range(1, len(rows) + 1))


def test_numbers_and_instants_are_written_exactly(tmp_path: Path) -> None:
    row = {
        "amount": Decimal("10.50"),
        "exact": Decimal("0.10000000000000000001"),
        "day": date(2025, 1, 1),
        "at": datetime(2025, 1, 1, tzinfo=UTC),
    }
    path = tmp_path / "out.jsonl"
    json_lines.write(path, [*row], [row])
    written = (
        '{"amount": 10.5, "exact": "0.10000000000000000001", "day": "2025-01-01", "at": "2025-01-01T00:00:00+00:00"}\n'
    )
    assert path.read_text() == written
    parquet.write(path, [*row], [row])
    assert [dict(found.values) for found in parquet.read(path)] == [row]


def test_a_line_that_is_no_object_is_a_fault_of_its_row(tmp_path: Path) -> None:
    path = tmp_path / "mixed.jsonl"
    bad = [
        b"[1]",
        b"{",
        b'{"a": NaN}',
        b'{"a": 1, "a": 2}',
        b'{"a": 1e99999999999999999999}',
        b"\xff",
        b"[" * 100_000,
        b'{"a": ' + b"9" * 5000 + b"}",
    ]
    path.write_bytes(b'\xef\xbb\xbf{"a": 1.10}\r\n\n' + b"\n".join(bad) + b'\n{"b": {"c": []}}')
    rows = list(json_lines.read(path))
    assert dict(rows[0].values) == {"a": Decimal("1.10")}
    assert [row.line for row in rows] == [1, *range(3, 12)]
    assert (
        rows[1].fault
        == "is no object; give an object with each name once, finite numbers and at most a few hundred levels"
    )
    assert all(row.fault for row in rows[1:-1])
    assert rows[-1].fault is None
    assert json_lines.columns(path) == ("a", "b")


def test_json_may_be_the_answer_of_a_service(tmp_path: Path) -> None:
    path = tmp_path / "answer.json"
    path.write_text('{"total": 2, "results": [{"a": 1}, 5]}')
    assert [(row.line, dict(row.values), bool(row.fault)) for row in json.read(path)] == [
        (1, {"a": 1}, False),
        (2, {}, True),
    ]


@pytest.mark.parametrize(
    ("read", "content", "message"),
    [
        (json.read, b"", "is no JSON in UTF-8; give a JSON file with a list of objects"),
        (json.read, b"5", "holds 0 lists"),
        (json.read, b'{"a": [], "b": []}', "holds 2 lists"),
        (json.read, b"[" * 100_000, "is no JSON"),
        (json.read, b'[{"a": Infinity}]', "is no JSON"),
        (json_lines.read, b"a,b\n1,2\n", "line 1: is no JSON; give a file with one JSON object in each line"),
        (json_lines.read, b'{"a": "' + b"x" * 5_000_000, "line 1: is longer than 4,194,304 bytes"),
        (parquet.read, b"", "is no Parquet file; give the path of a Parquet file"),
        (parquet.read, b"PAR1" + b"x" * 50 + b"PAR1", "is damaged"),
    ],
)
def test_what_is_no_table_is_refused(tmp_path: Path, read: Callable[[Path], Any], content: bytes, message: str) -> None:
    path = tmp_path / "wrong"
    path.write_bytes(content)
    with pytest.raises(ImportFailed, match=message):
        list(read(path))
    with pytest.raises(ImportFailed, match="is not there"):
        list(read(tmp_path / "nowhere"))


def test_numbers_that_are_not_finite_never_come_in(tmp_path: Path) -> None:
    path = tmp_path / "table.parquet"
    pl.DataFrame({"a": [1.5, float("nan"), float("inf"), None]}).write_parquet(path)
    fault = "'a' is infinite; give a finite number"
    assert [(row.values["a"], row.fault) for row in parquet.read(path)] == [
        (1.5, None),
        (None, None),
        (None, fault),
        (None, None),
    ]


def test_a_long_table_is_read_in_batches(tmp_path: Path) -> None:
    path = tmp_path / "long.parquet"
    pl.DataFrame({"a": range(100_000)}).write_parquet(path)
    assert all(row.line == row.values["a"] + 1 for row in parquet.read(path))
    assert sum(1 for _ in parquet.read(path)) == 100_000


@pytest.mark.parametrize("module", [json_lines, json, parquet])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), b"x", object()])
def test_what_cannot_be_written_leaves_nothing(tmp_path: Path, module: ModuleType, value: object) -> None:
    with pytest.raises(InvalidInput, match="row 1, column 'a': holds a value of the type"):
        module.write(tmp_path / "out", ["a"], [{"a": value}])
    with pytest.raises(InvalidInput, match="cannot be written"):
        module.write(tmp_path / "nowhere" / "out", ["a"], [])
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "values",
    [
        [1, "a"],
        [True, 1],
        [date(2025, 1, 1), datetime(2025, 1, 1)],
        [datetime(2025, 1, 1, tzinfo=UTC), datetime(2025, 1, 1)],
        [2**200],
    ],
)
def test_a_column_of_parquet_has_one_type(tmp_path: Path, values: list[Any]) -> None:
    with pytest.raises(InvalidInput, match="column"):
        parquet.write(tmp_path / "out.parquet", ["a"], [{"a": value} for value in values])


def test_parquet_of_other_programs_is_read(tmp_path: Path) -> None:
    path = tmp_path / "table.parquet"
    values = {"at": datetime(2025, 1, 1, 12, 0, 0, 5, tzinfo=UTC), "kind": "won", "tags": ["a", "b"], "none": None}
    frame = pl.DataFrame([values]).with_columns(
        pl.col("at").dt.cast_time_unit("ns"), pl.col("kind").cast(pl.Categorical)
    )
    frame.write_parquet(path)
    assert [dict(row.values) for row in parquet.read(path)] == [values]


def test_parquet_needs_its_extra_to_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "table.parquet"
    parquet.write(path, ["a"], [{"a": 1}])
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(
        MissingExtra, match=r"pyarrow is not installed; install it with: pip install 'crmkit\[parquet\]'"
    ):
        parquet.columns(path)


def test_an_empty_table_is_a_table(tmp_path: Path) -> None:
    for module in (json_lines, json, parquet):
        module.write(tmp_path / "out", ["a"], [])
        assert list(module.read(tmp_path / "out")) == []


@few
@given(st.integers(0, 1000), st.binary(min_size=1, max_size=4))
def test_damaged_files_give_rows_or_our_errors(
    tmp_path_factory: pytest.TempPathFactory, place: int, damage: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "damaged"
    for module in (json_lines, json, parquet):
        module.write(path, ["name", "age"], [{"name": "Ann", "age": 1}, {"name": "Bob", "age": 2}])
        content = path.read_bytes()
        at = place % len(content)
        path.write_bytes(content[:at] + damage + content[at + len(damage) :])
        try:
            list(module.read(path))
        except CrmError:
            continue


def test_what_json_is_written_the_standard_library_reads(tmp_path: Path) -> None:
    json.write(tmp_path / "out.json", ["a"], [{"a": "Łódź"}, {"a": {"b": (1, 2.5)}}])
    assert standard.loads((tmp_path / "out.json").read_text("utf-8")) == [{"a": "Łódź"}, {"a": {"b": [1, 2.5]}}]
