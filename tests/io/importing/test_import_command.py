"""The command `crmkit import`: it says what it will do, does it, and says in one sentence what is wrong."""

from pathlib import Path

import pytest

from crmkit import CRM
from crmkit.cli import main

PEOPLE = "no,name,born\n1,Ann,1990-12-31\n"
MAPPING = """
source = "till"

[[files]]
path = "people.csv"
record = "Customer"
key = "no"
fields = { kind = { value = "person" }, name = "name", birth_on = "born" }
"""


@pytest.fixture
def people(tmp_path: Path) -> Path:
    (tmp_path / "crmkit.toml").write_text(MAPPING)
    (tmp_path / "people.csv").write_text(PEOPLE)
    return tmp_path / "people.csv"


def _names(url: str) -> list[str]:
    with CRM.open(url, create=False) as crm:
        return sorted(each.name for each in crm.customers)


def test_a_file_is_imported_once(people: Path, capsys: pytest.CaptureFixture[str]) -> None:
    url = f"sqlite:///{people.parent}/club.db"
    assert main(["import", str(people), "--into", url, "--by", "eva"]) == 0
    assert capsys.readouterr().out == "Customer: 1 create\n1 created, 0 updated, 0 unchanged\n"
    assert main(["import", str(people), "--store", url]) == 0
    assert capsys.readouterr().out == "Customer: 1 skip\n0 created, 0 updated, 1 unchanged\n"
    assert _names(url) == ["Ann"]
    with CRM.open(url) as crm:
        assert {change.stamp.by for change in crm.changes()} == {"eva"}


def test_a_dry_run_leaves_nothing_behind(people: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["import", str(people.parent), "--into", f"sqlite:///{people.parent}/club.db", "--dry-run"]) == 0
    assert capsys.readouterr().out == "Customer: 1 create\n"
    assert not (people.parent / "club.db").exists()


def test_rows_that_do_not_fit_stop_it_or_are_left_out(people: Path, capsys: pytest.CaptureFixture[str]) -> None:
    url = f"sqlite:///{people.parent}/club.db"
    people.write_text(PEOPLE + "2,,1990-12-31\n")
    assert main(["import", str(people), "--into", url, "--dry-run"]) == 1
    assert main(["import", str(people), "--into", url]) == 2
    shown = capsys.readouterr()
    assert shown.err == (
        "crmkit: nothing is imported, because of 1 row: people.csv, line 3: reject Customer: name (column 'name') is blank; give text; mend "
        "them, or import the others alone, as partial\n"
    )
    assert _names(url) == []
    assert main(["import", str(people), "--into", url, "--partial"]) == 1
    rejects = people.parent / "people.rejects.csv"
    assert capsys.readouterr().out.splitlines()[-1] == f"The rows that were left out are in {rejects}"
    rejects.write_text(rejects.read_text().replace("2,,", "2,Bob,"))
    assert main(["import", str(rejects), "--into", url]) == 0
    assert _names(url) == ["Ann", "Bob"]


def test_a_mapping_is_suggested(people: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["import", str(people), "--suggest"]) == 0
    suggested = capsys.readouterr().out
    (people.parent / "crmkit.toml").unlink()
    (people.parent / "mine.toml").write_text(suggested)
    url = f"sqlite:///{people.parent}/club.db"
    assert main(["import", str(people), "--into", url]) == 2
    assert "nothing says what the columns mean" in capsys.readouterr().err
    assert main(["import", str(people), "--into", url, "--mapping", str(people.parent / "mine.toml")]) == 0
    assert _names(url) == ["Ann"]


def test_a_place_is_needed(people: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["import", str(people)]) == 2
    assert capsys.readouterr().err == "crmkit: say where to import to, such as --into sqlite:///club.db\n"
