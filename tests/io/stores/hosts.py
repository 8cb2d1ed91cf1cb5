"""Programs that have a database and transactions of their own, each through another library."""

import importlib
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import attrs
import psycopg
import pytest
import sqlalchemy as sa
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy.orm import Session

Undoable = Callable[[], AbstractContextManager[Any]]


@attrs.frozen
class Host:
    """A host's connection as it gives it away, its transactions and savepoints, and how it runs a statement."""

    connection: Any
    transaction: Undoable
    savepoint: Undoable
    run: Callable[[str], object]

    def write(self, number: int) -> None:
        """Write a row of the host's own."""
        self.run(f"INSERT INTO host_row (number) VALUES ({number})")


OpenHost = Callable[[str], AbstractContextManager[Host]]


def sqlite_path(url: str) -> Path:
    """Return the file that the URL of a store names."""
    return Path(url.removeprefix("sqlite:///"))


@contextmanager
def sqlite3_host(url: str, **options: Any) -> Iterator[Host]:
    """Use sqlite3, which begins a transaction by itself before a statement that writes."""
    with _closing(sqlite3.connect(sqlite_path(url), **options)) as connection:
        yield Host(connection, lambda: _until_commit(connection), lambda: _savepoint(connection), connection.execute)


@contextmanager
def sqlite3_by_hand(url: str) -> Iterator[Host]:
    """Use sqlite3 in autocommit mode, with BEGIN and COMMIT written by the host."""

    @contextmanager
    def begun() -> Iterator[None]:
        connection.execute("BEGIN")
        with _until_commit(connection):
            yield

    with _closing(sqlite3.connect(sqlite_path(url), isolation_level=None)) as connection:
        yield Host(connection, begun, lambda: _savepoint(connection), connection.execute)


@contextmanager
def psycopg_host(url: str, **options: Any) -> Iterator[Host]:
    """Use psycopg, which begins a transaction by itself before any statement."""
    with psycopg.connect(url, **options) as connection:
        yield Host(connection, lambda: _until_commit(connection), connection.transaction, connection.execute)


@contextmanager
def psycopg_autocommit(url: str) -> Iterator[Host]:
    """Use psycopg in autocommit mode, with blocks that are transactions."""
    with psycopg.connect(url, autocommit=True) as connection:
        yield Host(connection, connection.transaction, connection.transaction, connection.execute)


@contextmanager
def sqlalchemy_connection(url: str) -> Iterator[Host]:
    """Use SQLAlchemy Core."""
    with _engine(url) as engine, engine.connect() as connection:
        yield Host(connection, connection.begin, connection.begin_nested, connection.exec_driver_sql)


@contextmanager
def sqlalchemy_session(url: str) -> Iterator[Host]:
    """Use the session of SQLAlchemy's ORM."""

    @contextmanager
    def nested() -> Iterator[None]:
        with session.begin_nested():
            session.connection()  # the session makes its savepoint only when it is used
            yield

    with _engine(url) as engine, Session(engine) as session:
        yield Host(session, session.begin, nested, lambda sql: session.execute(sa.text(sql)))


@contextmanager
def django(url: str) -> Iterator[Host]:
    """Use Django, with `atomic` blocks; its connections convert what they read, in a time zone of their own."""
    pytest.importorskip("django", reason="no Django")
    settings = importlib.import_module("django.conf").settings
    if not settings.configured:
        settings.configure(USE_TZ=True, TIME_ZONE="Asia/Bangkok", DATABASES={})
        importlib.import_module("django").setup()
    db = importlib.import_module("django.db")
    engine = "sqlite3" if url.startswith("sqlite") else "postgresql"
    wrapper = importlib.import_module(f"django.db.backends.{engine}.base").DatabaseWrapper(
        _settings_of_django(url), "host"
    )
    db.connections["host"] = wrapper

    def atomic() -> AbstractContextManager[Any]:
        block: AbstractContextManager[Any] = db.transaction.atomic(using="host")
        return block

    def run(sql: str) -> None:
        with wrapper.cursor() as cursor:
            cursor.execute(sql)

    with _closing(wrapper):
        yield Host(wrapper, atomic, atomic, run)


HOSTS: Mapping[str, Mapping[str, OpenHost]] = {
    "sqlite": {
        "sqlite3": sqlite3_host,
        "sqlite3 by hand": sqlite3_by_hand,
        "SQLAlchemy connection": sqlalchemy_connection,
        "SQLAlchemy session": sqlalchemy_session,
        "Django": django,
    },
    "postgresql": {
        "psycopg": psycopg_host,
        "psycopg autocommit": psycopg_autocommit,
        "SQLAlchemy connection": sqlalchemy_connection,
        "SQLAlchemy session": sqlalchemy_session,
        "Django": django,
    },
}


def _settings_of_django(url: str) -> dict[str, Any]:
    if url.startswith("sqlite"):
        given: dict[str, Any] = {"NAME": str(sqlite_path(url)), "OPTIONS": {}}
    else:
        options = conninfo_to_dict(url)
        given = {"NAME": options.pop("dbname"), "OPTIONS": options}
    nothing = dict.fromkeys(["USER", "PASSWORD", "HOST", "PORT"], "")
    usual = {
        "TIME_ZONE": None,
        "CONN_MAX_AGE": 0,
        "CONN_HEALTH_CHECKS": False,
        "AUTOCOMMIT": True,
        "ATOMIC_REQUESTS": False,
    }
    return {**nothing, **usual, **given}


@contextmanager
def _engine(url: str) -> Iterator[sa.Engine]:
    engine = sa.create_engine(url.replace("postgresql:", "postgresql+psycopg:", 1))
    try:
        yield engine
    finally:
        engine.dispose()


@contextmanager
def _until_commit(connection: Any) -> Iterator[None]:
    try:
        yield
    except BaseException:
        connection.rollback()
        raise
    connection.commit()


@contextmanager
def _savepoint(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("SAVEPOINT host")
    try:
        yield
    except BaseException:
        connection.execute("ROLLBACK TO host")
        raise
    finally:
        connection.execute("RELEASE host")


@contextmanager
def _closing(connection: Any) -> Iterator[Any]:
    try:
        yield connection
    finally:
        connection.close()
