"""An import into PostgreSQL: the same as into any store, and nothing of it where it is broken off."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import NoReturn

import pytest

from crmkit.errors import Conflict, ImportFailed
from crmkit.io.importing import plan_import
from crmkit.io.stores import MemoryStore, open_store
from crmkit.io.stores.port import Store
from crmkit.model import Customer, Deal, Pipeline, Record, Transition
from tests.io.importing.files import DEALS_CSV, PEOPLE, PEOPLE_CSV, imported, mapping, planned, write
from tests.io.stores.places import place

MORE = 5_100
"""So many rows that a part of them is written before the others."""


@pytest.fixture
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    yield from place(request, "postgresql", tmp_path)


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    with closing(open_store(url)) as opened:
        yield opened


@pytest.fixture
def many(tmp_path: Path) -> Path:
    write(tmp_path, PEOPLE_CSV + "".join(f"x{number},Cy,,,,,,,,\n" for number in range(MORE)))
    return tmp_path / "people.csv"


def _all(store: Store) -> list[Record]:
    return [record for cls in (Customer, Deal, Pipeline, Transition) for record in store.every(cls)]


def test_what_is_imported_is_what_a_store_in_memory_gets_and_twice_changes_nothing(
    store: Store, tmp_path: Path
) -> None:
    folder, memory = write(tmp_path), MemoryStore()
    assert str(imported(store, folder)) == str(imported(memory, folder)) == "5 created, 0 updated, 0 unchanged"
    assert _all(store) == _all(memory)
    feed = len(list(store.changes()))
    with planned(store, folder) as plan:
        assert plan.counts == {"create": 0, "update": 0, "skip": 5, "conflict": 0, "reject": 0}
        plan.apply(store)
    assert len(list(store.changes())) == feed


def test_what_a_later_export_says_new_is_an_update(store: Store, tmp_path: Path) -> None:
    imported(store, write(tmp_path))
    later = write(tmp_path, PEOPLE_CSV.replace("Kowalska", "Nowak"), DEALS_CSV.replace("Offer", "Closed Won"))
    with planned(store, later) as plan:
        assert (plan.counts["update"], plan.counts["skip"]) == (2, 3)
        plan.apply(store)
    assert {each.name for each in store.every(Customer)} == {"Ann Nowak", "bob@example.org"}
    assert {deal.category for deal in store.every(Deal)} == {"won"}


def test_good_rows_are_written_alone_where_that_is_wanted(store: Store, tmp_path: Path) -> None:
    folder = write(tmp_path, PEOPLE_CSV + "3,Cy,,,,never,,,,\n")
    with planned(store, folder) as plan:
        with pytest.raises(ImportFailed, match="nothing is imported, because of 1 row"):
            plan.apply(store)
        assert _all(store) == []
        done = plan.apply(store, partial=True, rejects=tmp_path / "rejects")
    assert (done.created, done.left_out) == (5, 1)
    assert "3,Cy" in done.rejects[0].read_text(encoding="utf-8")


def test_what_changed_since_the_plan_is_refused_and_nothing_is_written(store: Store, tmp_path: Path) -> None:
    with planned(store, write(tmp_path)) as plan, planned(store, tmp_path) as same:
        same.apply(store)
        before = _all(store)
        with pytest.raises(Conflict, match="changed in the store since the plan was made"):
            plan.apply(store)
        assert _all(store) == before


def test_an_interruption_in_the_middle_leaves_nothing_behind(store: Store, many: Path) -> None:
    def interrupt(*_: object) -> NoReturn:
        raise KeyboardInterrupt

    with plan_import(store, many, mapping=mapping(PEOPLE)) as plan:
        with pytest.raises(KeyboardInterrupt):
            plan.apply(store, progress=interrupt)
        assert (_all(store), list(store.changes())) == ([], [])
        assert plan.apply(store).created == MORE + 3


KILLED = """
import sys
from pathlib import Path
from crmkit.io.importing import plan_import
from crmkit.io.stores import open_store
from tests.io.importing.files import PEOPLE, mapping

store = open_store(sys.argv[1])
with plan_import(store, Path(sys.argv[2]), mapping=mapping(PEOPLE)) as plan:
    plan.apply(store, progress=lambda *done: print(*done, flush=True) or input())
"""


def test_a_process_that_is_killed_in_the_middle_leaves_nothing_behind(url: str, store: Store, many: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, url, str(many)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline().split()[0] == b"import"  # a part is written, and waits for a line that never comes
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert (_all(store), list(store.changes())) == ([], [])
    # The server lets go of what the dead process held, so the import can be done again at once.
    with plan_import(store, many, mapping=mapping(PEOPLE)) as plan:
        assert plan.apply(store).created == MORE + 3
