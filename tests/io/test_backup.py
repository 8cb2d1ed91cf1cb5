"""A whole store goes into a file and comes back in any store; of a file that is not as it was written, nothing does."""

import json
import traceback
import zipfile
from collections.abc import Callable, Mapping
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmkit import CRM
from crmkit.cli import main
from crmkit.errors import CrmError, InvalidInput, StoreError
from crmkit.io import backup_file
from crmkit.io.backup import differences, dump, load, read_manifest
from crmkit.io.privacy import erasures
from crmkit.io.stores import MemoryStore, open_store, schema_of
from crmkit.io.stores.port import Copying, Store
from crmkit.model import RECORDS, Customer, CustomField, Employee, Record
from crmkit.sample import company
from crmkit.testing.contract.examples import Specimen, specimens
from crmkit.testing.strategies import records
from tests.examples import few, rare
from tests.io.privacy.people import CANARY, DAY, Member, Visit, club
from tests.io.stores.places import KINDS, place

CLASSES = (Member, Visit, Specimen)


def filled() -> CRM:
    """Return a CRM in memory in which everything has happened."""
    crm = club()
    store = MemoryStore([*RECORDS, *CLASSES])
    store.fill(list(crm.store.contents()))  # type: ignore[attr-defined]
    full = CRM(store, clock=lambda: DAY, by="eva")
    full.load([*specimens(), *company(seed=5, customers=5).records()])
    full.erase_person("anna", preview=False)
    full.tickets.delete("t2")
    full.tickets.purge("t2")
    full.follow("audit", lambda _: None, limit=20)
    return full


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("copy") / "club.zip"
    dump(filled().store, path)
    return path


@pytest.mark.parametrize("kind", KINDS)
def test_a_store_goes_through_any_other_without_loss(
    kind: str, copy: Path, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    for url in place(request, kind, tmp_path):
        there = open_store_there(url)
        load(copy, there)
        assert differences(there, copy) == ()
        dump(there, tmp_path / "again.zip")
        there.close()

    assert (tmp_path / "again.zip").read_bytes() == copy.read_bytes()
    back = MemoryStore([*RECORDS, *CLASSES])
    load(tmp_path / "again.zip", back)
    assert differences(back, copy) == ()


def open_store_there(url: str) -> Store:
    schema_of(url, records=CLASSES).apply()
    return open_store(url, records=CLASSES)


def test_records_history_feed_and_notes_are_what_they_were(copy: Path, tmp_path: Path) -> None:
    crm = filled()
    dump(crm.store, tmp_path / "club.zip")
    there = open_store(f"sqlite:///{tmp_path}/club.db", records=CLASSES)
    load(tmp_path / "club.zip", there)

    for cls in crm.store.classes:
        assert list(there.every(cls)) == list(crm.store.every(cls))
        assert list(there.histories(cls)) == list(crm.store.histories(cls))
    assert there.changes(limit=9999).entries == crm.store.changes(limit=9999).entries
    assert there.read(Employee, "employee-0001") == crm.store.read(Employee, "employee-0001")
    there.close()


def test_life_goes_on_in_the_new_store(copy: Path, tmp_path: Path) -> None:
    with CRM.open(f"sqlite:///{tmp_path}/club.db", records=CLASSES, clock=lambda: DAY) as crm:
        load(copy, crm.store)
        total = len(crm.changes(limit=9999))
        had = list[str]()
        assert crm.follow("audit", lambda change: had.append(change.subject_id), limit=9999) == total - 20
        crm.unmerge(next(iter(crm.merges)).id)
        assert crm.customers.get("anna").id == "anna"
        assert [each.customer_id for each in erasures(crm.store)] == ["ann"]


@rare
@given(st.sampled_from(RECORDS).flatmap(lambda cls: st.lists(records(cls), unique_by=lambda each: each.id, max_size=4)))
def test_any_records_come_back(tmp_path_factory: pytest.TempPathFactory, some: list[Record]) -> None:
    path = tmp_path_factory.mktemp("any") / "any.zip"
    store, other = MemoryStore(), open_store("sqlite://")
    store.add(some)
    dump(store, path)
    load(path, other)

    assert differences(other, path) == ()
    assert [each for cls in RECORDS for each in other.every(cls)] == [
        each for cls in RECORDS for each in store.every(cls)
    ]
    other.close()


def test_an_empty_store_comes_back_empty(tmp_path: Path) -> None:
    assert dump(MemoryStore(), tmp_path / "empty.zip").files == {}
    assert load(tmp_path / "empty.zip", MemoryStore()).records == 0


def test_the_file_is_open_to_any_program(copy: Path) -> None:
    with ZipFile(copy) as archive:
        assert archive.testzip() is None
        manifest = json.loads(archive.read("manifest.json"))
        customers = [json.loads(line) for line in archive.read("records/Customer.jsonl").splitlines()]

    assert (manifest["format"], manifest["version"]) == ("crmkit store", 1)
    assert manifest["files"]["records/Customer.jsonl"]["lines"] == len(customers)
    assert "name" in manifest["classes"]["Customer"]
    (bob,) = (each for each in customers if each["record"]["id"] == "bob")
    assert (bob["class"], bob["version"], bob["deleted_in"], bob["record"]["name"]) == ("Member", 1, None, "Bob B.")
    assert read_manifest(copy).records == sum(
        each["lines"] for name, each in manifest["files"].items() if name.startswith("records/")
    )


@pytest.mark.parametrize("kind", KINDS)
def test_a_copy_is_of_one_moment_while_others_write(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    for url in place(request, kind, tmp_path):
        with CRM.open(url) as crm:
            assert isinstance(crm.store, Copying)
            crm.load([Employee(id="ann", name="Ann"), CustomField(subject="Employee", name="size", kind="integer")])
            parts = crm.store.contents()
            seen = [next(parts)]
            crm.employees.add(Employee(id="bob", name="Bob"))
            crm.employees.update(Employee(id="ann", name="Anna"))
            seen += parts
            assert "Anna" not in str(seen)
            assert len(seen) == 1 + 2 + 2


def test_a_target_must_be_empty_and_stays_as_it_is(copy: Path) -> None:
    store = MemoryStore([*RECORDS, *CLASSES])
    store.add([Employee(id="eva", name="Eva")])
    with pytest.raises(InvalidInput, match="is not empty, and nothing was written"):
        load(copy, store)
    assert [each.id for each in store.every(Employee)] == ["eva"]


def test_classes_that_a_store_does_not_know_are_named(copy: Path, tmp_path: Path) -> None:
    with pytest.raises(
        InvalidInput, match="it has records of Member, Specimen, Visit, which the store was not opened for"
    ):
        load(copy, MemoryStore())
    there = open_store(f"sqlite:///{tmp_path}/club.db", records=CLASSES)
    load(copy, there)
    there.close()
    poorer = open_store(f"sqlite:///{tmp_path}/club.db")
    with closing(poorer), pytest.raises(InvalidInput, match="Specimen|Member|Visit"):
        dump(poorer, tmp_path / "part.zip")
    assert not list(tmp_path.glob("*part*"))


def test_what_differs_is_named(copy: Path) -> None:
    store = MemoryStore([*RECORDS, *CLASSES])
    load(copy, store)
    store.put(store.get(Customer, "bob").replace(city="Łódź"))

    assert differences(store, copy) == ("ledger.jsonl", "records/Customer.jsonl", "units.jsonl")


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of a store with a few records, one of them about somebody."""
    path = tmp_path_factory.mktemp("small") / "small.zip"
    with CRM.open("memory://") as crm:
        crm.load([Employee(id="ann", name=CANARY), Employee(id="bob", name="Bob")])
        crm.employees.update(Employee(id="ann", name=f"{CANARY} 2"))
        crm.store.set_note("k", CANARY, was=None)
        dump(crm.store, path)
    return path


def refused(path: Path) -> str:
    """Return what is said of a file of which nothing may be loaded."""
    stores: list[Store] = [MemoryStore(), open_store("sqlite://")]
    for store in stores:
        with pytest.raises(InvalidInput) as caught:
            load(path, store)
        assert isinstance(store, Copying)
        assert list(store.contents()) == []
        assert CANARY not in "".join(traceback.format_exception(caught.value))
        store.close()
    return str(caught.value)


def test_a_file_that_is_cut_off_is_refused(small: Path, tmp_path: Path) -> None:
    whole = small.read_bytes()
    for size in range(0, len(whole), 199):
        (tmp_path / "cut.zip").write_bytes(whole[:size])
        assert "nothing was loaded" in refused(tmp_path / "cut.zip")


@few
@given(st.data())
def test_a_file_in_which_a_byte_changed_is_refused_or_means_the_same(
    small: Path, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    held = bytearray(small.read_bytes())
    held[data.draw(st.integers(0, len(held) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    path = tmp_path_factory.mktemp("flip") / "flip.zip"
    path.write_bytes(held)
    store = MemoryStore()
    try:
        load(path, store)
    except CrmError:
        assert list(store.contents()) == []
    else:
        assert differences(store, small) == ()


def rewritten(small: Path, path: Path, change: Callable[[dict[str, bytes]], object], **changed: object) -> Path:
    """Write another file from the parts of one; the manifest is made to fit unless it is what changes."""
    with ZipFile(small) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    manifest = parts.pop("manifest.json")
    change(parts)
    facts = {
        name: backup_file.FileFacts(held.count(b"\n"), len(held), sha256(held).hexdigest())
        for name, held in parts.items()
    }
    plain = json.loads(manifest) | {"files": {name: vars_of(each) for name, each in facts.items()}} | changed
    with ZipFile(path, "w", ZIP_DEFLATED) as archive:
        for name, held in parts.items():
            archive.writestr(name, held)
        archive.writestr("manifest.json", json.dumps(plain))
    return path


def vars_of(facts: backup_file.FileFacts) -> dict[str, object]:
    return {"lines": facts.lines, "bytes": facts.bytes, "sha256": facts.sha256}


RECORDS_FILE = "records/Employee.jsonl"


def in_file(name: str, old: bytes, new: bytes) -> Callable[[dict[str, bytes]], None]:
    def change(parts: dict[str, bytes]) -> None:
        assert old in parts[name]
        parts[name] = parts[name].replace(old, new)

    return change


def renamed(old: str, new: str) -> Callable[[dict[str, bytes]], None]:
    def change(parts: dict[str, bytes]) -> None:
        held = {(new if name == old else name): text for name, text in parts.items()}
        parts.clear()
        parts.update(held)

    return change


def test_the_helper_that_makes_hostile_files_makes_good_ones(small: Path, tmp_path: Path) -> None:
    path = rewritten(small, tmp_path / "same.zip", lambda _: None)
    store = MemoryStore()
    load(path, store)
    assert differences(store, small) == ()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (in_file(RECORDS_FILE, b'"version":2', b'"version":"2"'), "line 1 of records/Employee.jsonl is nothing that crmkit writes"),
        (in_file(RECORDS_FILE, b'"version":2', b'"version":true'), "is nothing that crmkit writes"),
        (in_file(RECORDS_FILE, b'"version":2', b'"version":9'), "."),
        (in_file(RECORDS_FILE, b'"added_in":1', b'"added_in":7'), "the unit of work 7, which is missing"),
        (in_file(RECORDS_FILE, b'"class":"Employee"', b'"class":"Spaceship"'), "is nothing that crmkit writes"),
        (in_file(RECORDS_FILE, b'"team":null', b'"taem":null'), "did you mean 'team'"),
        (in_file(RECORDS_FILE, b'"id":"ann"', b'"id":"bob"'), "."),
        (in_file(RECORDS_FILE, b'"id":"ann"', b'"id":"\\ud800"'), "."),
        (in_file(RECORDS_FILE, b"{", b"["), "line 1 of records/Employee.jsonl is no JSON"),
        (in_file(RECORDS_FILE, b'{"added_in"', b"[" * 100_000), "is no JSON"),
        (in_file(RECORDS_FILE, b'"team":null', b'"team":NaN'), "is nothing that crmkit writes"),
        (in_file("ledger.jsonl", b'"kind":"changed"', b'"kind":"burned"'), "line 3 of ledger.jsonl"),
        (in_file("ledger.jsonl", b'"unit":2', b'"unit":99999999999999999999'), "line 3 of ledger.jsonl"),
        (in_file("units.jsonl", b'"number":2', b'"number":1'), "not in order"),
        (in_file("units.jsonl", b'"at":"', b'"at":"x'), "line 1 of units.jsonl"),
        (in_file("notes.jsonl", b'"key":"k"', b'"key":null'), "line 1 of notes.jsonl"),
        (in_file("notes.jsonl", b'"key":"k"', b'"key":"\\u0000"'), "line 1 of notes.jsonl"),
        (renamed(RECORDS_FILE, "records/../../evil.jsonl"), "its manifest is not one"),
        (renamed(RECORDS_FILE, "/etc/passwd"), "its manifest is not one"),
        (renamed(RECORDS_FILE, "records/Employee.exe"), "its manifest is not one"),
        (lambda parts: parts.pop("units.jsonl"), "which is missing"),
        (lambda parts: parts.update({"units.jsonl": parts.pop("units.jsonl")}), "its manifest is not one"),
    ],
)  # fmt: skip
def test_content_that_crmkit_does_not_write_is_refused(
    change: Callable[[dict[str, bytes]], object], said: str, small: Path, tmp_path: Path
) -> None:
    if said == ".":  # what only one of the stores can tell, and no record is lost by it
        with pytest.raises(CrmError):
            load(rewritten(small, tmp_path / "hostile.zip", change), MemoryStore())
        return
    assert said in refused(rewritten(small, tmp_path / "hostile.zip", change))


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"version": 2}, "a newer crmkit wrote it \\(format 2, this one knows 1\\)"),
        ({"version": "1"}, "its manifest is not one"),
        ({"version": 0}, "its manifest is not one"),
        ({"format": "zip"}, "its manifest is not one"),
        ({"files": []}, "its manifest is not one"),
        ({"files": {}}, "its files are not those of its manifest"),
        ({"classes": {"Spaceship": []}}, "it has records of Spaceship"),
    ],
)
def test_a_manifest_that_does_not_fit_is_refused(
    changed: Mapping[str, object], said: str, small: Path, tmp_path: Path
) -> None:
    with pytest.raises(InvalidInput, match=said):
        load(rewritten(small, tmp_path / "hostile.zip", lambda _: None, **changed), MemoryStore())


def test_a_wrong_checksum_is_refused_after_everything_was_read(small: Path, tmp_path: Path) -> None:
    with ZipFile(small) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    with ZipFile(tmp_path / "wrong.zip", "w", ZIP_DEFLATED) as archive:
        for name, held in parts.items():
            archive.writestr(name, held.replace(b'"name":"Bob"', b'"name":"Rob"'))

    assert f"{RECORDS_FILE} is not what its checksum says" in refused(tmp_path / "wrong.zip")


def test_foreign_files_are_refused(small: Path, tmp_path: Path) -> None:
    path = tmp_path / "foreign.zip"
    path.write_text("name,mail\nann,ann@example.com\n")
    assert "it is no zip" in refused(path)
    with ZipFile(path, "w") as archive:
        archive.writestr("xl/workbook.xml", "<workbook/>")
    assert "it has no manifest.json" in refused(path)
    with ZipFile(path, "w") as archive:
        archive.writestr("manifest.json", "[" * 100_000)
    assert "its manifest is not one" in refused(path)
    with pytest.raises(StoreError, match="there is no such file"):
        load(tmp_path / "none.zip", MemoryStore())
    with pytest.raises(StoreError, match="it cannot be read"):
        load(tmp_path, MemoryStore())


def test_a_bomb_is_refused_before_it_is_unpacked(small: Path, tmp_path: Path) -> None:
    bomb = rewritten(small, tmp_path / "bomb.zip", lambda parts: parts.update({"notes.jsonl": b" " * (64 << 20)}))
    assert "it grows beyond reason" in refused(bomb)


def test_an_endless_line_is_refused(small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backup_file, "LONGEST_LINE", 1000)
    long = rewritten(small, tmp_path / "long.zip", lambda parts: parts.update({"notes.jsonl": b" " * 5000}))
    assert "line 1 of notes.jsonl is longer than" in refused(long)


def test_a_file_twice_or_encrypted_or_packed_otherwise_is_refused(small: Path, tmp_path: Path) -> None:
    with ZipFile(small) as archive:
        parts = [(name, archive.read(name)) for name in archive.namelist()]
    path = tmp_path / "odd.zip"
    with ZipFile(path, "w") as archive:
        for name, held in parts:
            archive.writestr(name, held)
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr(*parts[0])
    assert "a file twice" in refused(path)
    with ZipFile(path, "w", zipfile.ZIP_BZIP2) as archive:
        for name, held in parts:
            archive.writestr(name, held)
    assert "packed in another way" in refused(path)
    with ZipFile(path, "w", ZIP_STORED) as archive:
        for name, held in parts:
            archive.writestr(ZipInfo(name), held)
    encrypted = path.read_bytes().replace(b"PK\x01\x02\x14\x03\x14\x00\x00\x00", b"PK\x01\x02\x14\x03\x14\x00\x01\x00")
    path.write_bytes(encrypted)
    assert "encrypted" in refused(path)


def test_what_cannot_be_copied_or_written_is_refused(tmp_path: Path) -> None:
    with CRM.open("memory://", clock=lambda: DAY) as crm:
        with pytest.raises(InvalidInput, match="give a store with the capability 'copying'"):
            dump(crm.as_of(DAY).store, tmp_path / "past.zip")
        with pytest.raises(InvalidInput, match="outside of a unit of work"), crm.transaction():
            crm.employees.add(Employee(name="Ann"))
            dump(crm.store, tmp_path / "inside.zip")
        with pytest.raises(StoreError, match="it cannot be written"):
            dump(crm.store, tmp_path / "no" / "folder.zip")
    assert list(tmp_path.iterdir()) == []


def test_a_failed_dump_leaves_the_one_that_was_there(tmp_path: Path) -> None:
    path = tmp_path / "club.zip"
    dump(MemoryStore(), path)
    before = path.read_bytes()
    with CRM.open("memory://") as crm, pytest.raises(InvalidInput), crm.transaction():
        crm.employees.add(Employee(name="Ann"))
        dump(crm.store, path)

    assert path.read_bytes() == before
    assert [each.name for each in tmp_path.iterdir()] == ["club.zip"]


class TestCommand:
    def test_it_dumps_and_loads(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        with CRM.open(f"sqlite:///{tmp_path}/club.db", tenant="north") as crm:
            crm.load([Employee(id="ann", name="Ann"), Employee(id="bob", name="Bob")])
        store, copy = f"sqlite:///{tmp_path}/club.db", str(tmp_path / "club.zip")

        assert main(["dump", store, "-o", copy, "--tenant", "north"]) == 0
        assert main(["load", copy, "--into", f"sqlite:///{tmp_path}/new.db"]) == 0
        assert capsys.readouterr().out == f"2 records are in {copy}\n2 records were loaded, and nothing differs\n"
        with CRM.open(f"sqlite:///{tmp_path}/new.db") as crm:
            assert [each.id for each in crm.employees] == ["ann", "bob"]

    def test_a_mistake_is_one_sentence_and_makes_no_file(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        (tmp_path / "bad.zip").write_text("bad")
        new = f"sqlite:///{tmp_path}/new.db"

        assert main(["load", str(tmp_path / "bad.zip"), "--into", new]) == 2
        assert main(["dump", new, "-o", str(tmp_path / "club.zip")]) == 2
        assert main(["dump", new, "-o", str(tmp_path)]) == 2
        lines = capsys.readouterr().err.splitlines()
        assert [each.startswith("crmkit: ") for each in lines] == [True] * 3
        assert [each.name for each in tmp_path.iterdir()] == ["bad.zip"]
