"""A plan is carried out as a whole or not at all, unless only the good rows are asked for; what is left out can be mended."""

import os
import signal
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest

from crmkit.errors import Conflict, ImportFailed
from crmkit.io.formats import csv, excel
from crmkit.io.importing import ImportPlan, plan_import
from crmkit.io.importing.sources import REASON
from crmkit.io.importing.steps import Staging
from crmkit.io.mapping import folder_mapping
from crmkit.io.stores import MemoryStore, open_store
from crmkit.io.stores.port import Store
from crmkit.model import Consent, Customer, Deal, Transition
from tests.io.importing.files import DEALS_CSV, PEOPLE, PEOPLE_CSV, imported, mapping, planned, write

NOW = datetime(2025, 6, 1, 12, tzinfo=UTC)
BAD = PEOPLE_CSV + "3,Cy,,,,never,,,,=1+1\n4,Di,,,,,,,,\n"


@pytest.fixture(params=["memory://", "sqlite://"])
def store(request: pytest.FixtureRequest) -> Store:
    return open_store(request.param)


def test_the_ledger_knows_who_imported_when_and_when_it_was_true(store: Store, tmp_path: Path) -> None:
    write(tmp_path)
    done = imported(store, tmp_path, by="eva", recorded_at=NOW)
    assert str(done) == "5 created, 0 updated, 0 unchanged"
    stamps = {change.stamp for change in store.changes()}
    assert [(stamp.by, stamp.at, stamp.recorded_at) for stamp in stamps] == [
        ("eva", datetime(2025, 5, 2, tzinfo=UTC), NOW)
    ]
    assert {each.recorded_at for each in store.every(Transition)} == {NOW}


def test_good_rows_are_written_and_the_others_can_be_mended_and_fed_again(store: Store, tmp_path: Path) -> None:
    write(tmp_path, BAD)
    done = imported(store, tmp_path / "people.csv", partial=True, rejects=tmp_path)
    assert str(done) == "4 created, 0 updated, 0 unchanged, 1 left out"
    assert done.rejects == (tmp_path / "people.rejects.csv",)
    (row,) = csv.read(done.rejects[0])
    assert (row.values["no"], row.values["note"]) == ("3", "=1+1")
    assert row.values[REASON].startswith("birth_on (column 'born') does not fit")
    done.rejects[0].write_text(done.rejects[0].read_text().replace("never", "3/4/1990"))
    stated = mapping(dates="day first")
    imported(store, done.rejects[0], stated)
    assert sorted(each.name for each in store.every(Customer)) == ["Ann Kowalska", "Cy", "Di", "bob@example.org"]
    assert next(each.custom for each in store.every(Customer) if each.name == "Cy") == {"note": "=1+1"}


def test_rejects_come_in_the_format_and_the_layout_of_their_file(tmp_path: Path) -> None:
    words = {
        "record": "Product",
        "key": "sku",
        "fields": {"name": "name", "price": {"column": "price", "currency": "EUR"}},
    }
    (tmp_path / "a.csv").write_text("sku;name;price\n1;Zoë;x\n2;B;1,5;7\n", encoding="cp1252")
    excel.write(tmp_path / "b.xlsx", ["sku", "name", "price"], [{"sku": 3, "name": "C", "price": "x"}])
    files = [{"path": name, **words} for name in ("a.csv", "b.xlsx")]
    files[0]["encoding"] = "cp1252"
    found = folder_mapping(source="till", files=files)
    done = imported(MemoryStore(), tmp_path, found, partial=True, rejects=tmp_path / "out")
    assert [path.name for path in done.rejects] == ["a.rejects.csv", "b.rejects.xlsx"]
    lines = done.rejects[0].read_text(encoding="cp1252").splitlines()
    assert lines[0] == f"sku;name;price;Column 4;{REASON}"
    assert lines[1].startswith("1;Zoë;x;;")
    assert lines[2].startswith("2;B;1,5;7;the header has 3 columns")
    (row,) = excel.read(done.rejects[1])
    assert (row.values["sku"], row.values["price"]) == (3, "x")


def test_a_plan_is_kept_and_carried_out_elsewhere(store: Store, tmp_path: Path) -> None:
    with planned(store, write(tmp_path)) as plan:
        plan.save(tmp_path / "plan")
        kept, shown = [*plan.steps()], str(plan)
        first = next(plan.steps("create"))
        record = plan.record(first, store)
        assert record is not None
        assert record.id == "sales"
    (tmp_path / "people.csv").unlink()
    with ImportPlan.open(tmp_path / "plan") as plan:
        assert [*plan.steps()] == kept
        assert str(plan) == shown
        plan.apply(store)
    assert store.count(Customer) == store.count(Deal) == 2


def test_what_is_no_plan_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ImportFailed, match="there is no such file"):
        ImportPlan.open(tmp_path / "plan")
    for content in (b"", b"no plan" * 200):
        (tmp_path / "plan").write_bytes(content)
        with pytest.raises(
            ImportFailed, match=r"plan: is no plan of an import; give a file that ImportPlan.save wrote"
        ):
            ImportPlan.open(tmp_path / "plan")
    with planned(MemoryStore(), write(tmp_path)) as plan:
        with pytest.raises(ImportFailed, match="cannot be written"):
            plan.save(tmp_path / "none" / "plan")
        with pytest.raises(ImportFailed, match=r"the store keeps no Deal; open it with the records"):
            plan.apply(MemoryStore([Customer]))


def test_what_changed_since_the_plan_is_told_and_stops_it(store: Store, tmp_path: Path) -> None:
    write(tmp_path)
    imported(store, tmp_path / "people.csv")
    (tmp_path / "people.csv").write_text(PEOPLE_CSV.replace("Ann,", "Anna,") + "3,Cy,,,,,,,,\n4,Di,,,,,,,,\n")
    with planned(store, tmp_path / "people.csv") as plan:
        ann = next(each for each in store.every(Customer) if each.name.startswith("Ann"))
        store.put(ann.replace(city="Bergen"))
        cy = next(step for step in plan.steps("create") if step.line == 4)
        store.add([Customer(id=str(cy.record_id), kind="person", name="Cy")])
        with pytest.raises(Conflict) as caught:
            plan.apply(store)
        assert str(caught.value) == (
            "nothing is imported, because 2 records changed in the store since the plan was made: people.csv, line 2: the Customer was "
            "changed; people.csv, line 4: the Customer is stored already, or a unique value of it is taken; make the plan again"
        )
        assert store.count(Customer) == 3
        done = plan.apply(store, partial=True)
    assert (done.created, done.updated, done.left_out, len(done.changed)) == (1, 0, 2, 2)
    assert sorted(each.name for each in store.every(Customer)) == ["Ann Kowalska", "Cy", "Di", "bob@example.org"]


def test_an_interruption_leaves_the_store_as_it_was(store: Store, tmp_path: Path) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    with planned(store, write(tmp_path)) as plan:
        with pytest.raises(KeyboardInterrupt):
            plan.apply(store, progress=interrupt)
        assert store.count(Customer) == store.count(Deal) == 0
        with store.transaction():
            assert plan.apply(store).created == 5


def test_progress_is_told_of_plan_and_import(tmp_path: Path) -> None:
    told: list[tuple[str, int, int | None]] = []
    store = MemoryStore()
    with planned(store, write(tmp_path), progress=lambda *each: told.append(each)) as plan:
        plan.apply(store, progress=lambda *each: told.append(each))
    assert told == [("people.csv", 2, 2), ("deals.csv", 2, 2), ("import", 5, 5)]


def test_one_file_may_make_records_of_several_classes(tmp_path: Path) -> None:
    """An optional mapping passes over rows that have nothing for it, and `only` those that are not meant."""
    (tmp_path / "people.csv").write_text("no,name,firm,out\n1,Ann,Acme,yes\n2,Bob,Acme,\n3,Cy,,yes\n")
    consent = {"customer_id": "no", "channel": {"value": "email"}, "purpose": {"value": "marketing"}}
    files = [
        {"path": "people.csv", "record": "Customer", "key": "no", "fields": {"kind": {"value": "person"}, "name": "name"}},
        {"path": "people.csv", "record": "Customer", "key": "firm", "key_prefix": "firm ", "optional": True,
         "fields": {"kind": {"value": "organization"}, "name": "firm"}},
        {"path": "people.csv", "record": "Contact", "key": "no", "optional": True,
         "fields": {"person_id": "no", "organization_id": {"column": "firm", "prefix": "firm "}}},
        {"path": "people.csv", "record": "Consent", "key": "no", "only": {"out": ["yes"]},
         "fields": {**consent, "state": {"value": "withdrawn"}, "at": {"value": "2025-01-01"}}},
    ]  # fmt: skip
    store = MemoryStore()
    found = folder_mapping(source="till", files=files)
    with planned(store, tmp_path / "people.csv", found) as plan:
        assert str(plan) == "Customer: 4 create\nContact: 2 create\nConsent: 2 create"
        plan.apply(store)
    assert {store.get(Customer, each.customer_id).name for each in store.every(Consent)} == {"Ann", "Cy"}
    with planned(store, tmp_path / "people.csv", found) as plan:
        assert plan.counts["skip"] == 8


KILLED = """
import sys
from pathlib import Path
from crmkit.io.importing import plan_import
from crmkit.io.stores import open_store
from tests.io.importing.files import PEOPLE, mapping

folder = Path(sys.argv[1])
store = open_store(f"sqlite:///{folder}/club.db")
with plan_import(store, folder / "people.csv", mapping=mapping(PEOPLE)) as plan:
    plan.apply(store, progress=lambda *done: print(*done, flush=True) or input())
"""


def test_a_process_that_is_killed_in_the_middle_leaves_the_store_as_it_was(tmp_path: Path) -> None:
    people = PEOPLE_CSV + "".join(f"x{number},Cy,,,,,,,,\n" for number in range(6_000))
    (tmp_path / "people.csv").write_text(people)
    before = open_store(f"sqlite:///{tmp_path}/club.db")
    before.add([Customer(id="host-1", kind="person", name="A")])
    before.close()
    root = str(Path(__file__).parents[3])
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(tmp_path)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": root},
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline().split()[0] == b"import"  # a part is written, and waits for a line that never comes
    process.send_signal(signal.SIGKILL)
    process.communicate()
    store = open_store(f"sqlite:///{tmp_path}/club.db", create=False)
    assert [each.id for each in store.every(Customer)] == ["host-1"]
    with plan_import(store, tmp_path / "people.csv", mapping=mapping(PEOPLE)) as plan:
        assert plan.apply(store).created == 6_003
    store.close()


def test_deals_alone_need_no_people(tmp_path: Path) -> None:
    store = MemoryStore()
    write(tmp_path)
    found = mapping()
    with planned(store, tmp_path / "deals.csv", found) as plan:
        (problem,) = plan.problems
        assert str(problem).endswith("the mapping has no file of Customer records (2 rows: lines 2, 3)")
        plan.apply(store)
    assert DEALS_CSV.count("\n") - 1 == store.count(Deal)


def test_a_plan_has_no_file_that_could_be_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    for name in ("TMPDIR", "SQLITE_TMPDIR"):
        monkeypatch.setenv(name, str(temporary))
    monkeypatch.setattr(tempfile, "tempdir", None)
    plan = plan_import(MemoryStore(), write(tmp_path), mapping=mapping())
    assert list(temporary.iterdir()) == []
    plan.close()
    plan.close()
    for use in (
        lambda: plan.counts,
        lambda: plan.save(tmp_path / "plan"),
        lambda: list(plan.steps()),
        lambda: str(plan),
    ):
        with pytest.raises(ImportFailed, match="the plan is closed; make it again"):
            use()


def test_where_there_is_no_room_for_the_plan_it_is_said_what_helps() -> None:
    staging = Staging.new(1)
    staging._connection.execute("PRAGMA max_page_count = 1")
    with pytest.raises(ImportFailed, match="database or disk is full.*set TMPDIR"):
        for line in range(10_000):
            staging.add("people.csv", line, "skip", "Customer")


def test_a_plan_is_carried_out_in_another_thread(tmp_path: Path) -> None:
    store = MemoryStore()
    with planned(store, write(tmp_path)) as plan, ThreadPoolExecutor(1) as other:
        assert other.submit(plan.apply, store).result().created == 5


def test_a_row_that_was_to_make_several_records_is_left_out_once(tmp_path: Path) -> None:
    (tmp_path / "people.csv").write_text("no,name\n1\n")
    person = {
        "path": "people.csv",
        "record": "Customer",
        "key": "no",
        "fields": {"kind": {"value": "person"}, "name": "name"},
    }
    found = folder_mapping(source="till", files=[person, {**person, "key_prefix": "again "}])
    done = imported(MemoryStore(), tmp_path / "people.csv", found, partial=True, rejects=tmp_path)
    assert done.left_out == 2
    assert len([*csv.read(done.rejects[0])]) == 1
