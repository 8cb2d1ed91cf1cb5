"""A suggested mapping is a mapping that can be used, and says what is not certain."""

import tomllib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crmkit.errors import ImportFailed
from crmkit.io.formats import csv
from crmkit.io.importing import plan_import, suggest_mapping
from crmkit.io.importing.suggesting import to_toml
from crmkit.io.mapping import read_mapping
from crmkit.io.stores import MemoryStore
from crmkit.model import Customer, Deal
from tests.examples import few


def _suggested(folder: Path, name: str, text: str) -> str:
    (folder / name).write_text(text, encoding="utf-8")
    return suggest_mapping(folder / name)


def test_a_suggestion_is_a_mapping_that_imports_the_file(tmp_path: Path) -> None:
    text = _suggested(
        tmp_path,
        "kontakte.csv",
        "Nr;Vorname;Nachname;E-Mail;Handy;Geburtsdatum;Straße;PLZ;Ort;Schuhe\n"
        "1;Zoë;Groß;zoe@example.org;0151 234 5678;31.12.1990;Weg 1;10115;Berlin;38\n",
    )
    (tmp_path / "crmkit.toml").write_text(text, encoding="utf-8")
    store = MemoryStore()
    with plan_import(store, tmp_path / "kontakte.csv") as plan:
        plan.apply(store)
    (zoe,) = store.every(Customer)
    assert (zoe.name, zoe.given_name, str(zoe.birth_on), dict(zoe.custom)) == (
        "Zoë Groß",
        "Zoë",
        "1990-12-31",
        {"Schuhe": "38"},
    )
    assert [(point.kind, point.value) for point in zoe.contact_points] == [
        ("email", "zoe@example.org"), ("phone", "0151 234 5678"), ("address", "Weg 1, 10115, Berlin"),
    ]  # fmt: skip


def test_deals_are_told_from_people_and_learn_their_stages(tmp_path: Path) -> None:
    text = _suggested(tmp_path, "sales.csv", "ID,Stage,Amount,Currency,Closed\n1,Won,5,EUR,2025-01-31\n")
    assert 'amount = { column = "Amount", currency_column = "Currency" }' in text
    (tmp_path / "crmkit.toml").write_text(text)
    store = MemoryStore()
    with plan_import(store, tmp_path / "sales.csv") as plan:
        plan.apply(store)
    assert [(deal.stage, deal.category) for deal in store.every(Deal)] == [("Won", "won")]


def test_what_is_not_certain_stands_in_comments(tmp_path: Path) -> None:
    text = _suggested(tmp_path, "sales.csv", "Title,Stage,Amount,Closed\nA,Won,5,1/2/2025\nA,Won,5,1/3/2025\n")
    comments = [line for line in text.splitlines() if line.startswith("# ")]
    assert len(comments) == 3
    assert 'state the currency: fields.amount = { column = "Amount", currency = "..." }' in comments[0]
    assert comments[1] == "# no column is certain to identify a row; state the key"
    assert "may be read in two ways; state 'day first' or 'month first'" in comments[2]
    (tmp_path / "crmkit.toml").write_text(text)
    assert read_mapping(tmp_path / "crmkit.toml").files[0].key == ("Title", "Stage")


def test_what_numbers_the_rows_is_the_key_and_a_telephone_number_is_not(tmp_path: Path) -> None:
    _suggested(tmp_path, "people.csv", "Phone number,Nr klienta,Name\n501234567,1,Ann\n502234567,2,Bob\n")
    text = suggest_mapping(tmp_path / "people.csv")
    assert 'key = "Nr klienta"' in text
    assert "# " not in text


def test_a_folder_is_one_mapping(tmp_path: Path) -> None:
    _suggested(tmp_path, "people.csv", "id,name\n1,Ann\n")
    _suggested(tmp_path, "deals.csv", "id,stage\n1,Won\n")
    (tmp_path / "readme.md").write_text("no table")
    found = tomllib.loads(suggest_mapping(tmp_path))
    assert [(file["path"], file["record"]) for file in found["files"]] == [
        ("deals.csv", "Deal"),
        ("people.csv", "Customer"),
    ]


def test_a_recognised_export_is_mapped_as_its_preset_says(tmp_path: Path) -> None:
    text = _suggested(
        tmp_path,
        "contacts.csv",
        "Record ID,First Name,Last Name,Email,Lifecycle Stage\n7,Ann,Lee,ann@example.com,lead\n",
    )
    assert tomllib.loads(text)["source"] == "hubspot"


def test_what_holds_no_table_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ImportFailed, match="holds no file that could be a table"):
        suggest_mapping(tmp_path)
    with pytest.raises(ImportFailed, match="is not there"):
        suggest_mapping(tmp_path / "people.csv")


TEXTS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=12)


@settings(few, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.dictionaries(TEXTS, st.one_of(TEXTS, st.booleans(), st.integers(-9, 9), st.lists(TEXTS, max_size=3)), max_size=4)
)
def test_what_is_written_as_toml_is_read_back(words: dict[str, object]) -> None:
    wanted = {
        "files": [{"fields": words}],
        **{name: each for name, each in words.items() if name not in ("files", "pipelines")},
    }
    assert tomllib.loads(to_toml(wanted)) == wanted


@settings(few, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.sampled_from(["id", "Name", "E-mail", "Phone", "Stage", "Amount", "Zip", "x"]), min_size=1, unique=True
    ),
    st.lists(TEXTS, max_size=5),
)
def test_every_table_gets_a_suggestion_that_can_be_read(tmp_path: Path, columns: list[str], cells: list[str]) -> None:
    csv.write(tmp_path / "a.csv", columns, [dict.fromkeys(columns, cell) for cell in cells])
    (tmp_path / "crmkit.toml").write_text(suggest_mapping(tmp_path / "a.csv"), encoding="utf-8")
    assert read_mapping(tmp_path / "crmkit.toml").files
