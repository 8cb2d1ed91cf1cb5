"""The store of the examples keeps the contract, and survives what a crash leaves of its file."""

from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from examples.jsonl_store.jsonl_store import JsonlStore

from crmkit.errors import StoreError
from crmkit.io.stores.port import Stamp, Store
from crmkit.model import Employee, Record
from crmkit.testing import StoreContract, StoreMachine

ANN = Employee(id="ann", name="Ann")
BOB = Employee(id="bob", name="Bob")


class TestJsonlStore(StoreContract):
    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path) -> None:
        self.folder = tmp_path

    def open_store(self, records: Iterable[type[Record]], tenant: str = "") -> JsonlStore:
        self.records = tuple(records)
        self.path = self.folder / f"{len(list(self.folder.iterdir()))}.jsonl"
        return JsonlStore(self.path, self.records)

    def reopen(self, store: Store) -> JsonlStore:
        store.close()
        return JsonlStore(self.path, self.records)


class _Machine(StoreMachine):
    def open_store(self, records: Iterable[type[Record]], tenant: str = "") -> JsonlStore:
        self.folder = TemporaryDirectory()
        return JsonlStore(Path(self.folder.name) / "store.jsonl", records)

    def teardown(self) -> None:
        super().teardown()
        self.folder.cleanup()


TestMachineOnJsonl = _Machine.TestCase


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "club.jsonl"
    store = JsonlStore(path)
    with store.transaction(Stamp("eva")):
        store.add([ANN])
        store.put(ANN.replace(team="North"))
    store.add([BOB])
    store.close()
    return path


def test_a_unit_of_work_is_one_line(path: Path) -> None:
    assert len(path.read_bytes().splitlines()) == 3


def test_wherever_a_crash_cuts_the_file_whole_units_of_work_are_there(path: Path) -> None:
    whole = path.read_bytes()
    ends = [place + 1 for place, byte in enumerate(whole) if byte == ord("\n")]
    for cut in range(len(whole) + 1):
        path.write_bytes(whole[:cut])
        store = JsonlStore(path)
        found = [each.team or each.id for each in store.every(Employee)]
        store.add([Employee(id="new", name="New")])
        store.close()

        assert found == ["North", "bob"][: max(sum(end <= cut for end in ends) - 1, 0)], cut
        again = JsonlStore(path)
        assert again.count(Employee) == len(found) + 1
        again.close()


@pytest.mark.parametrize(
    "line", ["{}", "x", "[]", '{"stamp": [], "steps": []}', '{"stamp": [null,null,null], "steps": [["add"]]}']
)
def test_a_line_of_somebody_else_is_named(path: Path, line: str) -> None:
    with path.open("a") as file:
        file.write(line + "\n")

    with pytest.raises(StoreError, match="club.jsonl: line 4 is none that this store wrote"):
        JsonlStore(path)


def test_a_file_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="nowhere.*cannot be opened"):
        JsonlStore(tmp_path / "nowhere" / "club.jsonl")


def test_it_stays_small() -> None:
    source = Path(__file__).parents[2] / "examples" / "jsonl_store" / "jsonl_store.py"
    assert len(source.read_text("utf-8").splitlines()) < 200
