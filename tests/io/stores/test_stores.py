"""What every store must do beyond the contract: each class of records comes back equal, and any sequence of steps agrees."""

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from uuid import uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import run_state_machine_as_test

from crmkit.io.stores import MemoryStore, Store, open_store, schema_of
from crmkit.io.stores.sql import SqlStore
from crmkit.io.stores.sql.postgresql import Postgresql
from crmkit.io.stores.sql.sqlite import Sqlite
from crmkit.io.stores.sql.tables import Place
from crmkit.model import RECORDS, Employee, Record
from crmkit.testing import StoreMachine
from crmkit.testing.contract.examples import CLASSES
from tests.examples import few, several
from tests.io.stores.places import empty_schema


@pytest.fixture(scope="module")
def postgresql(postgres_url: str) -> Iterator[SqlStore]:
    with empty_schema(postgres_url) as url:
        schema_of(url).apply()
        store = open_store(url)
        assert isinstance(store, SqlStore)
        yield store
        store.close()


@pytest.fixture(scope="module")
def sqlite() -> Iterator[SqlStore]:
    store = open_store("sqlite://")
    assert isinstance(store, SqlStore)
    yield store
    store.close()


@few
@given(data=st.data())
@pytest.mark.parametrize("cls", RECORDS, ids=lambda cls: cls.__name__)
@pytest.mark.parametrize("kind", ["memory", "sqlite", "postgresql"])
def test_what_goes_in_comes_out_equal(
    data: st.DataObject, cls: type[Record], kind: str, request: pytest.FixtureRequest
) -> None:
    kept = data.draw(several(cls, most=3))
    # A tenant for each example, so that one database serves all of them.
    store: Store = MemoryStore() if kind == "memory" else request.getfixturevalue(kind).for_tenant(uuid4().hex)

    assert store.add(kept) == len(kept)
    assert [store.get(cls, each.id) for each in kept] == kept
    assert list(store.every(cls)) == sorted(kept, key=lambda each: each.id)
    assert store.count(cls) == len(kept)
    for each in kept:
        store.put(each)
        assert store.history(cls, each.id)[0].record == each == store.get(cls, each.id)


def test_a_file_keeps_what_was_added_after_closing(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'club.db'}"
    store = open_store(url)
    store.add([Employee(id="ann", name="Ann")])
    store.close()

    again = open_store(url)
    assert again.get(Employee, "ann").name == "Ann"
    again.close()


class SqlMachine(StoreMachine):
    """On one database for all runs, a tenant for each."""

    database: SqlStore

    def open_store(self, records: Iterable[type[Record]], tenant: str = "") -> Store:
        assert tuple(records) == self.database.classes
        return self.database.for_tenant(tenant + uuid4().hex)


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_any_sequence_of_steps_leaves_a_store_as_it_leaves_the_memory_store(
    kind: str, request: pytest.FixtureRequest
) -> None:
    with ExitStack() as used:
        if kind == "sqlite":
            database: Sqlite | Postgresql = Sqlite(None)
        else:
            database = Postgresql(used.enter_context(empty_schema(request.getfixturevalue("postgres_url"))))
        SqlMachine.database = used.enter_context(closing(SqlStore(database, Place(database.dialect), CLASSES)))
        SqlMachine.database.schema.apply()
        run_state_machine_as_test(SqlMachine, settings=settings(max_examples=25, stateful_step_count=30))
