"""What every store must do beyond the contract: each class of records comes back equal, and any sequence of steps agrees."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crmkit.io.stores import MemoryStore, Store, open_store, schema_of
from crmkit.io.stores.sql import SqlStore
from crmkit.io.stores.sql.postgresql import Postgresql
from crmkit.io.stores.sql.sqlite import Sqlite
from crmkit.io.stores.sql.tables import Place
from crmkit.model import RECORDS, Employee, Record
from crmkit.testing import StoreMachine
from crmkit.testing.store_machine import CLASSES
from crmkit.testing.strategies import records
from tests.examples import few
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
    kept = data.draw(st.lists(records(cls), max_size=3, unique_by=(lambda each: each.id, _number)))
    # A tenant for each example, so that one database serves all of them.
    store: Store = MemoryStore() if kind == "memory" else request.getfixturevalue(kind).for_tenant(uuid4().hex)

    assert store.add(kept) == len(kept)
    assert [store.get(cls, each.id) for each in kept] == kept
    assert list(store.every(cls)) == sorted(kept, key=lambda each: each.id)
    assert store.count(cls) == len(kept)
    for each in kept:
        store.put(each)
        assert store.history(cls, each.id)[0].record == each == store.get(cls, each.id)


def _number(each: Record) -> object:
    """The unique value of a record, or what no other has."""
    return getattr(each, "number", None) or each.id


def test_a_file_keeps_what_was_added_after_closing(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'club.db'}"
    store = open_store(url)
    store.add([Employee(id="ann", name="Ann")])
    store.close()

    again = open_store(url)
    assert again.get(Employee, "ann").name == "Ann"
    again.close()


class SqliteMachine(StoreMachine):
    def open_store(self, records: Iterable[type[Record]], tenant: str = "") -> Store:
        store = SqlStore(Sqlite(None), Place("sqlite"), tuple(records), tenant)
        store.schema.apply()
        return store


class PostgresqlMachine(StoreMachine):
    """On one schema for all runs, a tenant for each."""

    place: SqlStore

    def open_store(self, records: Iterable[type[Record]], tenant: str = "") -> Store:  # noqa: ARG002 - opened before
        return self.place.for_tenant(uuid4().hex)


TestSqliteMachine = SqliteMachine.TestCase
TestSqliteMachine.settings = settings(max_examples=30, stateful_step_count=30)


class TestPostgresqlMachine(PostgresqlMachine.TestCase):  # type: ignore[name-defined,misc]
    settings = settings(max_examples=15, stateful_step_count=25)

    @pytest.fixture(autouse=True)
    def opened(self, postgres_url: str) -> Iterator[None]:
        with empty_schema(postgres_url) as url:
            database = SqlStore(Postgresql(url), Place("postgresql"), CLASSES)
            database.schema.apply()
            PostgresqlMachine.place = database
            yield
            database.close()
