"""The command: it does the main job from end to end, and says in one sentence what is wrong."""

import sqlite3
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

import crmkit
from crmkit import CRM
from crmkit.cli import main
from crmkit.io.stores import open_store

FILES = {
    "deals.csv": "id,owner,stage,closed,amount\n1,ann,Won,2025-05-02,100.00\n2,ann,Lost,2025-05-09,50.00\n3,bob,Open,,\n",
    "people.csv": "name\nann\n",
    "crmkit.toml": """
source = "till"
time_zone = "Asia/Bangkok"
currency = "THB"
exported_on = 2025-05-31

[[pipelines]]
id = "sales"
stages = [
    { label = "Open", category = "open" },
    { label = "Won", category = "won" },
    { label = "Lost", category = "lost" },
]

[[files]]
path = "people.csv"
record = "Employee"
key = "name"
fields.name = "name"

[[files]]
path = "deals.csv"
record = "Deal"
key = "id"

[files.fields]
pipeline_id = { value = "sales" }
owner_id = "owner"
stage = "stage"
closed_at = "closed"
amount = "amount"
""",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "export"
    made.mkdir()
    for name, text in FILES.items():
        (made / name).write_text(text)
    return made


@pytest.fixture
def output(tmp_path: Path) -> Path:
    return tmp_path / "report.html"


def test_a_folder_becomes_a_report(folder: Path, output: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(folder), "-o", str(output), "--title", "Till & deals"]) == 0

    html = output.read_text(encoding="utf-8")
    assert "Till &amp; deals" in html
    assert "Asia/Bangkok" in html
    assert "50.0" in html
    shown = capsys.readouterr()
    assert shown.out == f"The report is {output}\n"
    assert shown.err.startswith("deals.csv: owner_id (column 'owner') names no Employee")
    assert sorted(path.name for path in output.parent.iterdir()) == ["export", "report.html"]


def test_the_same_folder_gives_the_same_report(folder: Path, output: Path) -> None:
    main(["report", str(folder), "-o", str(output)])
    first = output.read_bytes()
    main(["report", str(folder), "-o", str(output)])

    assert output.read_bytes() == first


def test_the_demo_leaves_a_report_and_a_store_that_opens(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "demo"
    for _ in range(2):  # a second demo replaces the first
        assert main(["demo", str(folder), "--customers", "40"]) == 0

    assert sorted(path.name for path in folder.iterdir()) == ["crmkit-demo.db", "report.html"]
    assert "Sample company" in (folder / "report.html").read_text(encoding="utf-8")
    assert f'CRM.open("sqlite:///{folder}/crmkit-demo.db")' in capsys.readouterr().out
    with CRM.open(f"sqlite:///{folder}/crmkit-demo.db", create=False) as crm:
        assert len(crm.customers) == 40


def test_a_store_is_reported_as_of_a_day(tmp_path: Path, output: Path) -> None:
    main(["demo", str(tmp_path / "demo"), "--customers", "40"])
    url = f"sqlite:///{tmp_path}/demo/crmkit-demo.db"

    assert main(["report", url, "-o", str(output), "--as-of", "2025-06-30", "--tz", "Europe/Warsaw"]) == 0
    html = output.read_text(encoding="utf-8")
    assert "30 June 2025" in html
    assert "Europe/Warsaw" in html


def test_without_a_day_a_store_is_reported_as_of_today(tmp_path: Path, output: Path) -> None:
    url = f"sqlite:///{tmp_path}/club.db"
    open_store(url).close()

    assert main(["report", url, "-o", str(output)]) == 0
    assert "the data has no deals" in output.read_text(encoding="utf-8")


def _break_text(folder: Path) -> None:
    (folder / "deals.csv").write_bytes(b"\xff\xfe\x00")


def _break_column(folder: Path) -> None:
    (folder / "deals.csv").write_text("id,owner,stage,closed\n1,ann,Won,2025-05-02\n")


def _break_date(folder: Path) -> None:
    (folder / "deals.csv").write_text("id,owner,stage,closed,amount\n1,ann,Won,soon,1\n")


def _break_stage(folder: Path) -> None:
    (folder / "deals.csv").write_text("id,owner,stage,closed,amount\n1,ann,Wno,2025-05-02,1\n")


def _empty(folder: Path) -> None:
    (folder / "deals.csv").write_text("")


def _remove_mapping(folder: Path) -> None:
    (folder / "crmkit.toml").unlink()


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (_break_text, "deals.csv"),
        (_break_column, "deals.csv has no column 'amount'"),
        (_break_date, "line 2"),
        (_break_stage, "there are 'Open', 'Won', 'Lost'"),
        (_empty, "deals.csv"),
        (_remove_mapping, "crmkit.toml"),
    ],
)
def test_files_that_cannot_be_read_are_one_sentence_and_nothing_is_written(
    folder: Path, output: Path, capsys: pytest.CaptureFixture[str], spoil: Callable[[Path], None], message: str
) -> None:
    spoil(folder)

    assert main(["report", str(folder), "-o", str(output)]) == 2
    said = capsys.readouterr().err
    assert said.startswith("crmkit: ")
    assert message in said
    assert said.count("\n") == 1
    assert not output.exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere"], "'nowhere' is no folder and no store URL"),
        (["sqlite:///nowhere.db"], "nowhere.db: there is no such file"),
        (["mysql://host"], "is no store URL"),
        (["sqlite:///{text}"], "this is not a SQLite database"),
    ],
)
def test_a_source_that_is_none_is_one_sentence(
    tmp_path: Path, output: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    text = tmp_path / "text.db"
    text.write_text("no database" * 100)

    given = [argument.format(text=text) for argument in arguments]
    assert main(["report", *given, "-o", str(output)]) == 2
    assert message in capsys.readouterr().err
    assert not output.exists()


def test_an_output_that_cannot_be_written_is_refused_before_the_work(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", str(folder), "-o", str(tmp_path)]) == 2
    assert main(["report", str(folder), "-o", str(tmp_path / "no" / "report.html")]) == 2

    assert capsys.readouterr().err.count("crmkit: ") == 2


def test_wrong_arguments_are_explained_with_status_2(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (["report", "x", "-o", "y", "--as-of", "31.12.2025"], ["report"], []):
        with pytest.raises(SystemExit) as caught:
            main(arguments)
        assert caught.value.code == 2

    assert "'31.12.2025' is not a day; give it as 2025-12-31" in capsys.readouterr().err


def test_a_demo_without_customers_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", str(tmp_path / "demo"), "--customers", "0"]) == 2

    assert capsys.readouterr().err.startswith("crmkit: customers=0")


def test_a_failed_demo_keeps_the_store_of_the_one_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "demo"
    main(["demo", str(folder), "--customers", "5"])

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(CRM, "load", interrupted)
    assert main(["demo", str(folder), "--customers", "9"]) == 130
    assert sorted(path.name for path in folder.iterdir()) == ["crmkit-demo.db", "report.html"]
    with closing(open_store(f"sqlite:///{folder}/crmkit-demo.db", create=False)):
        pass


def test_progress_is_shown_on_a_terminal_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    main(["demo", str(tmp_path / "quiet"), "--customers", "5"])
    assert capsys.readouterr().err == ""

    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    main(["demo", str(tmp_path / "shown"), "--customers", "5"])
    assert "Making the sample company" in capsys.readouterr().err


def test_the_version_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--version"])

    assert capsys.readouterr().out == f"crmkit {crmkit.__version__}\n"


VISITS_MODULE = """
from crmkit.model import Record, field, record


@record
class Visit(Record):
    member_id: str = field(links="Customer")


RECORDS = [Visit]
"""


def test_the_schema_of_a_file_is_looked_at_applied_and_verified(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    url = f"sqlite:///{tmp_path / 'club.db'}"

    assert main(["schema", "status", url]) == 1
    assert capsys.readouterr().out.startswith("schema 0 of 2\nCREATE TABLE crm_meta")
    assert main(["schema", "apply", url]) == 0
    assert "statements were run" in capsys.readouterr().out
    assert main(["schema", "apply", url]) == 0
    assert capsys.readouterr().out == "schema 2: nothing was to be done\n"
    assert (main(["schema", "status", url]), main(["schema", "verify", url])) == (0, 0)
    assert capsys.readouterr().out == "schema 2 of 2\nall is well\n"


def test_the_schema_of_a_vertical_has_its_tables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "the_club.py").write_text(VISITS_MODULE)
    monkeypatch.syspath_prepend(tmp_path)

    assert main(["schema", "sql", "sqlite://", "--records", "the_club:RECORDS", "--prefix", "club_"]) == 0
    assert "CREATE TABLE club_visit (" in capsys.readouterr().out
    for wrong in ("the_club:NOTHING", "no_club:RECORDS", "the_club", "the_club:Visit"):
        assert main(["schema", "status", "sqlite://", "--records", wrong]) == 2
        assert f"--records {wrong}: " in capsys.readouterr().err


def test_record_classes_are_found_in_the_folder_that_one_is_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "their_club.py").write_text(VISITS_MODULE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [each for each in sys.path if each])

    assert main(["schema", "sql", "sqlite://", "--records", "their_club:RECORDS"]) == 0
    assert "CREATE TABLE crm_visit (" in capsys.readouterr().out


def test_what_is_missing_from_a_schema_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "club.db"
    main(["schema", "apply", f"sqlite:///{path}"])
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DROP INDEX crm_ticket_number_key")
    capsys.readouterr()

    assert main(["schema", "verify", f"sqlite:///{path}"]) == 1
    assert capsys.readouterr().out == "the index crm_ticket_number_key is missing\n"
