"""The store in a SQL database: today a SQLite file.

Statements and tables follow from the record classes. SQLAlchemy compiles them once; they run on a plain connection, which is
several times faster than its object mapper.
"""

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path
from threading import RLock
from typing import Any, Self, cast

from crmkit.errors import Conflict, NotFound, StoreError
from crmkit.io.stores.columns import RecordTable, record_table
from crmkit.io.stores.memory import unknown_class
from crmkit.io.stores.port import R
from crmkit.model import RECORDS
from crmkit.model.records import Record

SCHEMA_VERSION = 1
"""The version of the tables that this crmkit reads and writes."""

_PREFIX = "crm_"
_PAGE_ROWS = 5_000
_WAIT_SECONDS = 5.0
# WAL with FULL was measured to lose nothing at a power cut, while NORMAL loses commits that were acknowledged.
_SETTINGS = (
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "PRAGMA foreign_keys = ON",
    "PRAGMA secure_delete = ON",
    "PRAGMA cache_size = -65536",
)
_FAULTS = {
    "SQLITE_NOTADB": "this is not a SQLite database; give the path of a crmkit store, or of a file that does not exist yet",
    "SQLITE_CANTOPEN": "the file cannot be opened; check that its path is a file in a folder where you may write",
    "SQLITE_READONLY": "the file or its folder is read-only; a store needs write permission for both",
    "SQLITE_BUSY": f"another program has kept the file locked for {_WAIT_SECONDS:.0f} seconds; try again when it is done",
    "SQLITE_CORRUPT": "the file is damaged; restore it from a backup",
    "SQLITE_FULL": "the disk is full; nothing of this unit of work was kept",
}


class SqlStore:
    """A `Store` in a SQLite database.

    >>> store = SqlStore.open(None)
    >>> with store.transaction():
    ...     n = store.add([Employee(id="ann", name="Ann")])
    >>> store.get(Employee, "ann").id
    'ann'
    """

    def __init__(self, connection: sqlite3.Connection, name: str, records: Iterable[type[Record]] = RECORDS) -> None:
        """Use a connection that is in autocommit mode; `name` is how errors call the database."""
        self._connection: sqlite3.Connection | None = connection
        self._name = name
        self._lock = RLock()
        self._depth = 0
        # mypy takes the hash of a class for that of its instances.
        self._tables = {cls: record_table(cls, _PREFIX) for cls in records}  # type: ignore[arg-type]

    @classmethod
    def open(cls, path: Path | None, *, create: bool = True) -> Self:
        """Open a file, or a database in memory for None; see `crmkit.io.stores.open_store`."""
        name = ":memory:" if path is None else str(path)
        if path is not None and not create and not path.exists():
            raise StoreError(f"{name}: there is no such file")
        if path is not None and not path.parent.is_dir():
            raise StoreError(f"{name}: the folder {str(path.parent)!r} does not exist; create it first")
        try:
            connection = sqlite3.connect(name, timeout=_WAIT_SECONDS, isolation_level=None, check_same_thread=False)
        except sqlite3.Error as error:
            raise _explained(name, error) from None
        store = cls(connection, name)
        try:
            store._prepare(create=create)
        except BaseException:
            store.close()
            raise
        return store

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """See `Store.transaction`."""
        with self._lock:
            savepoint = f"crm_{self._depth}"
            self._run(f"SAVEPOINT {savepoint}" if self._depth else "BEGIN IMMEDIATE")
            self._depth += 1
            try:
                yield
                self._run(f"RELEASE {savepoint}" if self._depth > 1 else "COMMIT")
            except BaseException:
                self._undo(savepoint)
                raise
            finally:
                self._depth -= 1

    def add(self, records: Iterable[Record]) -> int:
        """See `Store.add`."""
        n = 0
        with self.transaction():
            for cls, batch in groupby(records, type):
                table = self._table(cls)
                for record in batch:
                    try:
                        self._run(table.insert, table.encode(record))
                    except sqlite3.IntegrityError:
                        raise Conflict(f"a {cls.__name__} with the id {record.id!r} is stored already") from None
                    n += 1
        return n

    def put(self, record: Record) -> None:
        """See `Store.put`."""
        table = self._table(type(record))
        with self.transaction():
            if not self._run(table.update, (*table.encode(record), record.id)).rowcount:
                raise _not_found(type(record), record.id)

    def get(self, cls: type[R], record_id: str) -> R:
        """See `Store.get`."""
        table = self._table(cls)
        rows = self._rows(table.select, (record_id,))
        if not rows:
            raise _not_found(cls, record_id)
        return cast("R", table.decode(rows[0]))

    def every(self, cls: type[R]) -> Iterator[R]:
        """See `Store.every`."""
        table = self._table(cls)
        page = f"{table.after} LIMIT {_PAGE_ROWS}"
        last = ""
        # In pages, because a long open read lets the write-ahead log grow and slows every writer down.
        while rows := self._rows(page, (last,)):
            for row in rows:
                yield cast("R", table.decode(row))
            last = rows[-1][0]

    def count(self, cls: type[Record]) -> int:
        """See `Store.count`."""
        return int(self._rows(self._table(cls).count, ())[0][0])

    def close(self) -> None:
        """See `Store.close`."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def _prepare(self, *, create: bool) -> None:
        """Refuse a database that is not ours to use, set it up, and create what is missing."""
        if not self._schema_version() and not create:
            raise StoreError(f"{self._name}: this database holds no crmkit store")
        for setting in _SETTINGS:
            self._run(setting)
        with self.transaction():
            if self._schema_version() == SCHEMA_VERSION:
                return
            self._run(f"CREATE TABLE {_PREFIX}meta (key TEXT PRIMARY KEY NOT NULL, value TEXT NOT NULL) STRICT")
            self._run(f"INSERT INTO {_PREFIX}meta VALUES ('schema_version', '{SCHEMA_VERSION}')")  # noqa: S608 - constants
            for table in self._tables.values():
                self._run(table.create)

    def _schema_version(self) -> int:
        """The version of the tables that are there, 0 for none; raises `StoreError` for a newer one."""
        if not self._rows("SELECT 1 FROM sqlite_master WHERE name = ?", (f"{_PREFIX}meta",)):
            return 0
        rows = self._rows(f"SELECT value FROM {_PREFIX}meta WHERE key = 'schema_version'", ())  # noqa: S608 - a constant
        version = int(rows[0][0])
        if version > SCHEMA_VERSION:
            raise StoreError(
                f"{self._name}: a newer crmkit wrote this store (schema {version}, this one knows {SCHEMA_VERSION}); "
                "upgrade with: pip install -U crmkit"
            )
        return version

    def _table(self, cls: type[Record]) -> RecordTable:
        if cls not in self._tables:
            raise unknown_class(cls, self._tables)
        return self._tables[cls]

    def _rows(self, statement: str, parameters: tuple[Any, ...]) -> list[tuple[Any, ...]]:
        with self._lock:
            return self._run(statement, parameters).fetchall()

    def _run(self, statement: str, parameters: tuple[Any, ...] = ()) -> sqlite3.Cursor:
        if self._connection is None:
            raise StoreError(f"{self._name}: the store is closed; open it again to use it")
        try:
            return self._connection.execute(statement, parameters)
        except sqlite3.IntegrityError:
            raise
        except sqlite3.Error as error:
            raise _explained(self._name, error) from None

    def _undo(self, savepoint: str) -> None:
        """Undo the innermost unit of work, unless the database did so by itself, as it does when the disk is full."""
        if self._connection is None or not self._connection.in_transaction:
            return
        if self._depth > 1:
            self._run(f"ROLLBACK TO {savepoint}")
            self._run(f"RELEASE {savepoint}")
        else:
            self._run("ROLLBACK")


def _not_found(cls: type[Record], record_id: str) -> NotFound:
    return NotFound(f"no {cls.__name__} has the id {record_id!r}")


def _explained(name: str, error: sqlite3.Error) -> StoreError:
    """What a fault of SQLite means to the person who must act; its own text may hold values, so it is left out."""
    code = getattr(error, "sqlite_errorname", "") or type(error).__name__
    meaning = next((text for prefix, text in _FAULTS.items() if code.startswith(prefix)), f"SQLite reports {code}")
    return StoreError(f"{name}: {meaning}")
