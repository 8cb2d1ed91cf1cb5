"""A unit of work on the host's connection is a part of the host's transaction: kept with it, undone with it, never before it."""

from collections.abc import Iterator
from contextlib import closing, suppress
from itertools import count
from pathlib import Path
from typing import Any

import attrs
import psycopg
import pytest

from crmkit.errors import Conflict, InvalidInput, StoreError
from crmkit.io.stores import Store, open_store
from crmkit.model import Employee, new_id
from tests.io.stores import hosts
from tests.io.stores.hosts import HOSTS, Host, OpenHost
from tests.io.stores.places import place

_numbers = count(1)


class HostError(Exception):
    """What goes wrong in the host."""


@attrs.frozen
class Database:
    """A database with tables of a host and of crmkit."""

    url: str
    store: Store
    driver: OpenHost

    def numbers(self) -> set[int]:
        """The host's rows that are kept."""
        with self.driver(self.url) as other:
            rows: Any = other.run("SELECT number FROM host_row")
            return {number for (number,) in rows}

    def has(self, record: Employee) -> bool:
        """Whether a record is kept, as another connection sees it."""
        return any(each == record for each in self.store.every(Employee))


def _database(request: pytest.FixtureRequest, kind: str, folder: Path) -> Iterator[Database]:
    for url in place(request, kind, folder):
        driver = hosts.sqlite3_host if kind == "sqlite" else hosts.psycopg_host
        with driver(url) as own, own.transaction():
            own.run("CREATE TABLE host_row (number INTEGER)")
        with closing(open_store(url)) as store:
            yield Database(url, store, driver)


@pytest.fixture(scope="module")
def sqlite(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    yield from _database(request, "sqlite", tmp_path_factory.mktemp("sqlite"))


@pytest.fixture(scope="module")
def postgresql(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    yield from _database(request, "postgresql", tmp_path_factory.mktemp("postgresql"))


EVERY_HOST = [
    pytest.param((kind, open_host), id=f"{kind}-{name}")
    for kind, known in HOSTS.items()
    for name, open_host in known.items()
]


@pytest.fixture(params=EVERY_HOST)
def joined(request: pytest.FixtureRequest) -> Iterator[tuple[Database, Host]]:
    kind, open_host = request.param
    database = request.getfixturevalue(kind)
    with open_host(database.url) as host:
        yield database, host


@pytest.fixture
def ann() -> Employee:
    return Employee(id=new_id(), name="Ann")


@pytest.fixture
def number() -> int:
    return next(_numbers)


Joined = tuple[Database, Host]


def test_one_commit_keeps_the_rows_of_the_host_and_of_crmkit(joined: Joined, ann: Employee, number: int) -> None:
    database, host = joined
    with host.transaction():
        host.write(number)
        with database.store.transaction(connection=host.connection):
            database.store.add([ann])
            assert database.store.get(Employee, ann.id) == ann
        assert not database.has(ann)
        assert number not in database.numbers()

    assert database.has(ann)
    assert number in database.numbers()


def test_crmkit_may_be_the_first_to_write(joined: Joined, ann: Employee, number: int) -> None:
    database, host = joined
    with host.transaction():
        with database.store.transaction(connection=host.connection):
            database.store.add([ann])
        assert not database.has(ann)
        host.write(number)

    assert database.has(ann)
    assert number in database.numbers()


def test_a_rollback_of_the_host_undoes_both(joined: Joined, ann: Employee, number: int) -> None:
    database, host = joined
    with pytest.raises(HostError), host.transaction():
        host.write(number)
        with database.store.transaction(connection=host.connection):
            database.store.add([ann])
        raise HostError

    assert not database.has(ann)
    assert number not in database.numbers()
    assert ann.id not in {each.subject_id for each in _feed(database.store)}


def test_an_error_inside_undoes_the_part_of_crmkit_alone(joined: Joined, ann: Employee, number: int) -> None:
    database, host = joined
    with host.transaction():
        host.write(number)
        with suppress(HostError), database.store.transaction(connection=host.connection):
            database.store.add([ann])
            raise HostError

    assert not database.has(ann)
    assert number in database.numbers()


def test_what_the_database_refuses_leaves_the_transaction_of_the_host_whole(
    joined: Joined, ann: Employee, number: int
) -> None:
    database, host = joined
    bob = Employee(id=new_id(), name="Bob")
    with host.transaction():
        host.write(number)
        with database.store.transaction(connection=host.connection):
            database.store.add([ann])
            with pytest.raises(Conflict):
                database.store.add([bob, ann])
        with pytest.raises(Conflict), database.store.transaction(connection=host.connection):
            database.store.add([bob, ann])

    assert database.has(ann)
    assert not database.has(bob)
    assert number in database.numbers()


def test_a_savepoint_of_the_host_undoes_what_crmkit_did_inside(joined: Joined, ann: Employee, number: int) -> None:
    database, host = joined
    kept = Employee(id=new_id(), name="Bob")
    with host.transaction():
        host.write(number)
        with suppress(HostError), host.savepoint():
            with database.store.transaction(connection=host.connection):
                database.store.add([ann])
            raise HostError
        with host.savepoint(), database.store.transaction(connection=host.connection):
            database.store.add([kept])

    assert [database.has(ann), database.has(kept)] == [False, True]
    assert number in database.numbers()


def test_a_savepoint_of_the_host_may_be_inside_a_unit_of_work(joined: Joined, ann: Employee, number: int) -> None:
    database, host = joined
    with host.transaction():
        host.write(number)
        with database.store.transaction(connection=host.connection):
            with suppress(HostError), host.savepoint():
                database.store.add([ann])
                raise HostError
            database.store.add([ann.replace(name="Anna")])

    assert database.has(ann.replace(name="Anna"))
    assert number in database.numbers()


def test_an_inner_unit_of_work_may_name_the_connection_again(joined: Joined, ann: Employee) -> None:
    database, host = joined
    with host.transaction(), database.store.transaction(connection=host.connection):
        with database.store.transaction(connection=host.connection):
            database.store.add([ann])
        refused = pytest.raises(InvalidInput, match="inside a transaction on another connection; end that one first")
        with database.driver(database.url) as other, other.transaction(), refused:
            _add(ann, database, other)

    assert database.has(ann)


AUTOCOMMIT: list[Any] = [
    pytest.param("sqlite", hosts.sqlite3_by_hand, id="sqlite3"),
    pytest.param("sqlite", hosts.django, id="Django on SQLite"),
    pytest.param("postgresql", hosts.psycopg_autocommit, id="psycopg"),
    pytest.param("postgresql", hosts.django, id="Django on PostgreSQL"),
]


@pytest.mark.parametrize(("kind", "open_host"), AUTOCOMMIT)
def test_without_a_transaction_of_the_host_there_is_nothing_to_join(
    kind: str, open_host: OpenHost, request: pytest.FixtureRequest, ann: Employee
) -> None:
    database: Database = request.getfixturevalue(kind)
    with open_host(database.url) as host:
        with pytest.raises(InvalidInput, match="in no transaction that could be joined; begin one first"):
            _add(ann, database, host)
        assert not database.has(ann)


def test_a_unit_of_work_that_failed_to_begin_leaves_the_thread_free(sqlite: Database, ann: Employee) -> None:
    with hosts.sqlite3_by_hand(sqlite.url) as host, pytest.raises(InvalidInput):
        _add(ann, sqlite, host)

    sqlite.store.add([ann])
    assert sqlite.has(ann)


def test_a_connection_of_another_kind_is_refused(sqlite: Database, postgresql: Database, ann: Employee) -> None:
    with sqlite.driver(sqlite.url) as in_sqlite, postgresql.driver(postgresql.url) as in_postgresql:
        with pytest.raises(InvalidInput, match="a connection of psycopg cannot be joined by a store in sqlite"):
            _add(ann, sqlite, in_postgresql)
        with pytest.raises(InvalidInput, match="a connection of sqlite3 cannot be joined by a store in postgresql"):
            _add(ann, postgresql, in_sqlite)
        with pytest.raises(InvalidInput, match="a str is no connection; give one of sqlite3, psycopg, SQLAlchemy"):
            _add(ann, sqlite, attrs.evolve(in_sqlite, connection="club.db"))


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_a_connection_to_another_database_is_refused(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path, ann: Employee
) -> None:
    database: Database = request.getfixturevalue(kind)
    for url in place(request, kind, tmp_path):
        with database.driver(url) as elsewhere, closing(open_store(url)) as other:
            with pytest.raises(InvalidInput, match="another database"), elsewhere.transaction():
                _add(ann, database, elsewhere)
            assert other.count(Employee) == 0


def test_a_closed_connection_is_refused(sqlite: Database, postgresql: Database, ann: Employee) -> None:
    for database in (sqlite, postgresql):
        with database.driver(database.url) as host:
            host.connection.close()
            with pytest.raises((InvalidInput, StoreError)):
                _add(ann, database, host)
        assert not database.has(ann)


def test_a_transaction_that_an_error_has_ended_is_refused(postgresql: Database, ann: Employee) -> None:
    with hosts.psycopg_host(postgresql.url) as host:
        with pytest.raises(psycopg.Error):
            host.run("SELECT 1/0")
        with pytest.raises(InvalidInput, match="an error has ended the transaction of the connection; roll it back"):
            _add(ann, postgresql, host)
        host.connection.rollback()


def test_a_host_that_ends_its_transaction_inside_a_unit_of_work_hears_of_it(joined: Joined, ann: Employee) -> None:
    database, host = joined
    with suppress(Exception), host.transaction():
        host.run("DELETE FROM host_row WHERE number = 0")
        with pytest.raises(StoreError), database.store.transaction(connection=host.connection):
            database.store.add([ann])
            host.run("ROLLBACK")
        raise HostError

    assert not database.has(ann)
    database.store.add([ann])
    assert database.has(ann)


def _add(record: Employee, database: Database, host: Host) -> None:
    """Keep a record as a part of the host's transaction."""
    with database.store.transaction(connection=host.connection):
        database.store.add([record])


def _feed(store: Store) -> Iterator[Any]:
    changes = store.changes()
    while changes:
        yield from changes
        changes = store.changes(changes.cursor)
