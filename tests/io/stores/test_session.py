"""Connections and units of work: what an error has undone is not kept by halves, and a forked process has connections of its own."""

import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest

from crmkit.errors import Conflict, CrmError, NotFound, StoreError
from crmkit.io.stores import open_store
from crmkit.io.stores.sql import SqlStore
from crmkit.model import Employee
from tests.io.stores.places import KINDS, place
from tests.io.stores.units import everything_told

ANN = Employee(id="ann", name="Ann")
BOB = Employee(id="bob", name="Bob")
EVE = Employee(id="eve", name="Eve")
forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")


@pytest.fixture(params=KINDS)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SqlStore]:
    for url in place(request, request.param, tmp_path):
        with closing(open_store(url)) as opened:
            assert isinstance(opened, SqlStore)
            yield opened


def _fail_as_a_statement_does(store: SqlStore) -> None:
    """Have the database itself refuse a statement, and catch the error as a host may do."""
    with pytest.raises(StoreError):
        store._session.rows("SELECT no_such_column FROM no_such_table")


def _fill_the_disk(store: SqlStore) -> None:
    """Have SQLite run out of space, on which it undoes the whole transaction by itself, and then have space again."""
    assert store._session.unit is not None
    connection = store._session.unit.connection
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    connection.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(StoreError, match="the disk is full; nothing of this unit of work was kept"):
        store.add(Employee(id=f"employee-{number}", name="Ann" * 1000) for number in range(100))
    connection.execute("PRAGMA max_page_count = 1073741823")


def _lose_the_connection(store: SqlStore) -> None:
    assert store._session.unit is not None
    pid = store._session.unit.connection.info.backend_pid
    with store._session.connected() as other:
        other.execute("SELECT pg_terminate_backend(%s)", (pid,))
    with pytest.raises(StoreError):
        store.get(Employee, "ann")


UNDOING: list[Any] = [
    pytest.param("sqlite", _fill_the_disk, id="full disk on SQLite"),
    pytest.param("postgresql", _fail_as_a_statement_does, id="error on PostgreSQL"),
    pytest.param("postgresql", _lose_the_connection, id="connection lost on PostgreSQL"),
]


@pytest.mark.parametrize(("store", "undo"), UNDOING, indirect=["store"])
def test_a_unit_of_work_that_the_database_has_undone_is_not_said_to_be_kept(
    store: SqlStore, undo: Callable[[SqlStore], None]
) -> None:
    with pytest.raises(StoreError, match="has undone it; leave its transaction and do it again"), store.transaction():
        store.add([ANN])
        undo(store)

    assert list(store.every(Employee)) == []
    assert store.add([ANN]) == 1


@pytest.mark.parametrize(("store", "undo"), UNDOING, indirect=["store"])
def test_nothing_more_is_written_in_a_unit_of_work_that_the_database_has_undone(
    store: SqlStore, undo: Callable[[SqlStore], None]
) -> None:
    with pytest.raises(StoreError, match="an error inside this unit of work has undone it"), store.transaction():
        store.add([ANN])
        undo(store)
        with pytest.raises(StoreError, match="an error inside this unit of work has undone it"):
            store.add([BOB])

    assert list(store.every(Employee)) == []


def test_an_inner_unit_of_work_that_failed_is_undone_alone(store: SqlStore) -> None:
    with store.transaction():
        store.add([ANN])
        with suppress(Conflict):
            store.add([BOB, ANN])
        with suppress(ZeroDivisionError), store.transaction():
            store.add([BOB])
            1 / 0  # noqa: B018 - an error of the host

    assert list(store.every(Employee)) == [ANN]
    assert [each.subject_id for each in everything_told(store, 1)] == ["ann"]


def test_what_was_read_in_an_inner_unit_of_work_that_failed_counts_no_more(store: SqlStore) -> None:
    store.add([ANN])
    with store.transaction():
        with suppress(ZeroDivisionError), store.transaction():
            store.put(ANN.replace(name="Anna"))
            1 / 0  # noqa: B018
        assert store.put(ANN.replace(name="Hanna")) == 2

    assert store.get(Employee, "ann").name == "Hanna"


def test_a_purged_record_and_its_successor_in_one_unit_of_work_are_two(store: SqlStore) -> None:
    store.add([ANN])
    with store.transaction():
        store.get(Employee, "ann")
        store.delete(Employee, "ann")
        store.purge(Employee, "ann")
        store.add([ANN.replace(name="Another")])
        assert store.put(ANN.replace(name="Anna")) == 2

    assert store.get(Employee, "ann").name == "Anna"


def test_what_was_read_of_one_tenant_says_nothing_of_another(store: SqlStore) -> None:
    other = store.for_tenant("other")
    store.add([ANN])
    other.add([ANN])
    store.put(ANN.replace(name="Anna"))
    with store.transaction():
        assert store.get(Employee, "ann").name == "Anna"
        assert other.put(ANN.replace(name="Hanna")) == 2

    assert [each.get(Employee, "ann").name for each in (store, other)] == ["Anna", "Hanna"]


def test_the_error_that_leaves_a_unit_of_work_is_the_one_that_came_first(store: SqlStore) -> None:
    with pytest.raises(ZeroDivisionError), store.transaction():
        store.add([ANN])
        if store.database.dialect == "postgresql":
            _lose_the_connection(store)
        1 / 0  # noqa: B018


def test_an_interrupted_unit_of_work_is_undone(store: SqlStore) -> None:
    with pytest.raises(KeyboardInterrupt), store.transaction():
        store.add([ANN])
        raise KeyboardInterrupt

    assert list(store.every(Employee)) == []
    assert store.add([ANN]) == 1


def test_connections_are_used_again(store: SqlStore) -> None:
    def connection() -> object:
        with store.transaction():
            store.count(Employee)
            assert store._session.unit is not None
            return store._session.unit.connection

    assert connection() is connection()


def test_a_store_that_is_closed_inside_a_unit_of_work_keeps_it_and_closes_then(store: SqlStore) -> None:
    url = f"sqlite:///{store.schema.name}"
    with store.transaction():
        store.add([ANN])
        store._session.close()

    with pytest.raises(StoreError, match="the store is closed"):
        store._session.rows("SELECT 1")
    if store.database.dialect == "sqlite":
        with closing(open_store(url)) as again:
            assert list(again.every(Employee)) == [ANN]


def _in_a_fork(work: Callable[[], object]) -> str:
    """Do something in a forked process, and return what came of it."""
    reading, writing = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # forking beside threads, which hosts do
        process = os.fork()
    if process == 0:
        try:
            os.write(writing, repr(work()).encode())
        except CrmError as error:
            os.write(writing, repr(error).encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as answer:
        said = answer.read()
    os.waitpid(process, 0)
    return said


def _connection_number(store: SqlStore) -> object:
    """What tells a connection from all others: its process on the server, or nothing where there is no server."""
    with store._session.connected() as connection:
        return None if store.database.dialect == "sqlite" else connection.info.backend_pid


@forks
def test_a_forked_process_has_connections_of_its_own(store: SqlStore) -> None:
    store.add([ANN])
    before = _connection_number(store)

    def work() -> object:
        assert store.add([BOB]) == 1
        return _connection_number(store)

    theirs = _in_a_fork(work)
    assert theirs == repr(None) or theirs != repr(before)
    assert _connection_number(store) == before
    assert list(store.every(Employee)) == [ANN, BOB]


@forks
def test_a_forked_process_that_closes_the_store_leaves_the_connections_of_its_parent_open(store: SqlStore) -> None:
    store.add([ANN])
    before = _connection_number(store)

    assert _in_a_fork(store.close) == "None"
    assert _connection_number(store) == before
    assert store.get(Employee, "ann") == ANN


@forks
@pytest.mark.parametrize("store", ["sqlite"], indirect=True)
def test_what_a_forked_process_keeps_outlasts_the_store_of_its_parent(store: SqlStore) -> None:
    store.add([ANN])
    is_open, is_closed = os.pipe(), os.pipe()

    def work() -> object:
        store.add([BOB])
        os.write(is_open[1], b".")
        os.read(is_closed[0], 1)
        return store.add([EVE])

    def close() -> None:
        os.read(is_open[0], 1)
        store.close()
        os.write(is_closed[1], b".")

    closer = Thread(target=close)
    closer.start()
    assert _in_a_fork(work) == "1"
    closer.join()
    with closing(open_store(f"sqlite:///{store.schema.name}")) as again:
        assert list(again.every(Employee)) == [ANN, BOB, EVE]


@contextmanager
def _another_thread_inside(store: SqlStore) -> Iterator[None]:
    """Have another thread inside a unit of work."""
    is_inside, may_end = Event(), Event()

    def stay() -> None:
        with store.transaction():
            store.add([ANN])
            is_inside.set()
            may_end.wait()

    thread = Thread(target=stay)
    thread.start()
    is_inside.wait()
    try:
        yield
    finally:
        may_end.set()
        thread.join()


@forks
@pytest.mark.parametrize("store", ["postgresql"], indirect=True)
def test_a_process_may_be_forked_while_another_thread_is_inside_a_unit_of_work(store: SqlStore) -> None:
    with _another_thread_inside(store):
        assert _in_a_fork(lambda: store.add([BOB])) == "1"
    assert list(store.every(Employee)) == [ANN, BOB]


@forks
@pytest.mark.parametrize("store", ["sqlite"], indirect=True)
def test_a_process_that_is_forked_while_the_file_is_in_use_does_not_touch_it(store: SqlStore) -> None:
    with _another_thread_inside(store):
        assert "this process was forked while the file was in use" in _in_a_fork(lambda: store.add([BOB]))
        assert "this process was forked while the file was in use" in _in_a_fork(lambda: store.count(Employee))
    assert list(store.every(Employee)) == [ANN]
    assert _in_a_fork(lambda: store.add([BOB])) == "1"


def test_a_unit_of_work_ends_with_its_thread(store: SqlStore) -> None:
    store.add([ANN])
    seen: list[object] = []

    def other() -> None:
        try:
            store.get(Employee, "bob")
        except NotFound:
            seen.append(None)

    with store.transaction():
        store.add([BOB])
        thread = Thread(target=other)
        thread.start()
        thread.join()
    assert seen == [None]
