"""The command `crmkit import`: it says what it will do, does it, and says in one sentence what is wrong."""

import sys
from pathlib import Path

import pytest

from crmkit import CRM
from crmkit.cli import main
from crmkit.model import Money

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
        "crmkit: nothing is imported, because of 1 row; mend what is told above, or type --partial to import the other rows and write "
        "what is left out to a file\n"
    )
    assert "people.csv: name (column 'name') is blank; give text (1 row: line 3)" in shown.out
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
    assert capsys.readouterr().err == (
        "crmkit: say where to import to, such as --into sqlite:///club.db; --dry-run says what the file holds\n"
    )
    assert main(["import", str(people), "--dry-run"]) == 0
    assert capsys.readouterr().out == "Customer: 1 create\n"


DEALS = "Record ID,Deal Name,Deal Stage,Pipeline,Amount,Close Date\n1,Tea,Offer,Sales,10,5/2/2025\n"


@pytest.fixture
def deals(tmp_path: Path) -> Path:
    """An export of HubSpot that says neither the currency nor the order of dates."""
    (tmp_path / "deals.csv").write_text(DEALS)
    return tmp_path / "deals.csv"


def test_each_refusal_says_what_to_type_next(deals: Path, capsys: pytest.CaptureFixture[str]) -> None:
    typed = ["import", str(deals), "--dry-run"]
    assert main(typed) == 2
    assert "an amount needs a currency" in (said := capsys.readouterr().err)
    assert said.endswith("; or type --currency, such as PLN\n")
    typed += ["--currency", "PLN"]
    assert main(typed) == 2
    assert capsys.readouterr().err.endswith("; or type --dates, such as 'day first'\n")
    typed += ["--dates", "day first"]
    assert main(typed) == 0
    assert capsys.readouterr().out == "Pipeline: 1 create\nDeal: 1 create\n"


def test_options_win_over_the_mapping(people: Path) -> None:
    url = f"sqlite:///{people.parent}/club.db"
    mapping = people.parent / "crmkit.toml"
    mapping.write_text('dates = "month first"\nexported_on = 2020-01-01\n' + MAPPING)
    people.write_text("no,name,born\n1,Ann,5/2/1990\n")
    assert main(["import", str(people), "--into", url, "--dates", "day first", "--exported-on", "2025-05-31"]) == 0
    with CRM.open(url) as crm:
        assert [str(each.birth_on) for each in crm.customers] == ["1990-02-05"]
        assert {str(change.stamp.at) for change in crm.changes()} == {"2025-06-01 00:00:00+00:00"}


def test_contact_points_are_checked_where_that_is_wanted(tmp_path: Path) -> None:
    pytest.importorskip("phonenumbers", reason="the check needs the extra contact")
    path = tmp_path / "people.csv"
    path.write_text(
        "Record ID,First Name,Last Name,Email,Phone Number,Lifecycle Stage\n1,Ann,Lee,ann@example.com,12,lead\n"
    )
    for options, is_invalid in ([], False), (["--check-points", "--country", "PL"], True):
        url = f"sqlite:///{tmp_path}/{len(options)}.db"
        assert main(["import", str(path), "--into", url, *options]) == 0
        with CRM.open(url) as crm:
            points = {point.kind: point.is_invalid for each in crm.customers for point in each.contact_points}
        assert points == {"email": False, "phone": is_invalid}


@pytest.mark.parametrize(
    ("option", "given", "said"),
    [
        ("--currency", "zloty", "currency 'zloty' is no code; give three capital letters such as 'PLN'"),
        ("--dates", "%q", "dates '%q' cannot be used"),
        ("--numbers", "comma", "numbers 'comma' is not known; give 'auto', '1234.5', '1,234.5' or '1.234,5'"),
        ("--time-zone", "Warsaw", "time_zone 'Warsaw' is not known; give an IANA name such as 'Asia/Bangkok'"),
    ],
)
def test_options_that_mean_nothing_are_refused(
    deals: Path, option: str, given: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["import", str(deals), "--dry-run", option, given]) == 2
    assert said in capsys.readouterr().err


def test_the_way_from_a_suggestion_to_an_import_is_what_is_told(
    deals: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    deals.write_text("Title,Stage,Amount\nTea,Won,5\n")
    url = f"sqlite:///{deals.parent}/club.db"
    assert main(["import", str(deals), "--into", url]) == 2
    told = f"'crmkit import {deals} --suggest > {deals.parent}/crmkit.toml' writes a mapping for a start"
    assert told in capsys.readouterr().err
    assert main(["import", str(deals), "--suggest", "--currency", "PLN"]) == 0
    (deals.parent / "crmkit.toml").write_text(capsys.readouterr().out)
    assert main(["import", str(deals), "--into", url]) == 0
    with CRM.open(url) as crm:
        assert [deal.amount for deal in crm.deals] == [Money(5, "PLN")]


def test_the_empty_file_that_a_failed_suggestion_leaves_is_told(
    deals: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (deals.parent / "crmkit.toml").write_text("")
    assert main(["import", str(deals), "--dry-run"]) == 2
    assert "crmkit.toml: is empty; write a mapping, or remove it" in capsys.readouterr().err


def test_a_suggestion_tells_what_a_recognised_export_lacks(deals: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["import", str(deals), "--suggest"]) == 0
    assert "an amount needs a currency" in capsys.readouterr().out.splitlines()[0]
    assert main(["import", str(deals), "--suggest", "--currency", "PLN"]) == 0
    assert capsys.readouterr().out.startswith('source = "hubspot"')


def test_files_of_a_folder_that_are_passed_over_are_told(deals: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (deals.parent / "cats.csv").write_text("cat\nTom\n")
    assert main(["import", str(deals.parent), "--dry-run", "--currency", "PLN", "--dates", "day first"]) == 0
    assert capsys.readouterr().err.endswith(
        "files that are not imported, because nothing says what their columns mean: cats.csv\n"
    )


def test_a_message_does_not_stand_behind_the_line_of_progress(
    people: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    people.write_text(PEOPLE + "2,,1990-12-31\n")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    assert main(["import", str(people), "--into", "memory://"]) == 2
    shown = capsys.readouterr().err
    assert "\r\x1b[KPlanning people.csv: 2 of 2\r\x1b[K" in shown
    assert "\r\x1b[Kcrmkit: nothing is imported" in shown
