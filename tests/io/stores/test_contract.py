"""The shipped contract, kept by the SQL stores on both databases."""

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from unittest import SkipTest

import pytest

from crmkit.io.stores import Store
from crmkit.io.stores.sql import SqlStore
from crmkit.io.stores.sql.database import Database
from crmkit.io.stores.sql.postgresql import Postgresql
from crmkit.io.stores.sql.sqlite import Sqlite
from crmkit.io.stores.sql.tables import Place
from crmkit.model import Record
from crmkit.testing import StoreContract
from tests.io.stores.places import empty_schema


class SqlContract(StoreContract):
    """The contract of stores in databases that `next_database` names one after the other."""

    def next_database(self) -> Database:
        raise NotImplementedError

    def open_store(self, records: Iterable[type[Record]], tenant: str = "") -> Store:
        # With these classes alone, while `open_store` adds those of crmkit.
        database = self.next_database()
        store = SqlStore(database, Place(database.dialect), tuple(records), tenant)
        store.schema.apply()
        return store

    def reopen(self, store: Store) -> Store:
        assert isinstance(store, SqlStore)
        store.close()
        return SqlStore(store.database, store.schema.place, store.classes)


class TestSqliteInMemory(SqlContract):
    def next_database(self) -> Database:
        return Sqlite(None)

    def reopen(self, store: Store) -> Store:
        raise SkipTest("what is in memory ends with its store")


class TestSqliteFile(SqlContract):
    @pytest.fixture(autouse=True)
    def folder(self, tmp_path: Path) -> None:
        self.files = (tmp_path / f"{number}.db" for number in count())

    def next_database(self) -> Database:
        return Sqlite(next(self.files))


class TestPostgresql(SqlContract):
    @pytest.fixture(autouse=True)
    def schemas(self, postgres_url: str) -> Iterator[None]:
        with ExitStack() as used:
            self.urls = (used.enter_context(empty_schema(postgres_url)) for _ in count())
            yield

    def next_database(self) -> Database:
        return Postgresql(next(self.urls))
