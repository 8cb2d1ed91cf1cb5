"""SQLite: one file, nothing to start, with settings that were measured to lose nothing."""

import sqlite3
from collections.abc import Iterable
from contextlib import AbstractContextManager
from decimal import Decimal, InvalidOperation
from pathlib import Path
from random import uniform
from threading import Lock
from time import monotonic, sleep
from typing import Any, Self
from weakref import WeakValueDictionary

import attrs

from crmkit.errors import CrmError, InvalidInput, StoreBusy, StoreError
from crmkit.io.stores.sql.cells import DialectName, sortable_decimal
from crmkit.io.stores.sql.many import insert_rows
from crmkit.io.stores.sql.network import check_local
from crmkit.io.stores.sql.tables import Insert
from crmkit.io.stores.turns import FairLock
from crmkit.model.shape import is_storable_decimal

# IMMEDIATE, because a transaction that begins by reading cannot wait for its turn to write.
_BEGIN = "BEGIN IMMEDIATE"
_LONGEST_PAUSE_SECONDS = 0.002
# WAL with FULL was measured to lose nothing at a power cut, while NORMAL loses commits that were acknowledged.
_SETTINGS = (
    "PRAGMA synchronous = FULL",
    "PRAGMA foreign_keys = ON",
    "PRAGMA secure_delete = ON",
    "PRAGMA cache_size = -65536",
)
_FAULTS = {
    "SQLITE_NOTADB": "this is not a SQLite database; give the path of a crmkit store, or of a file that does not exist yet",
    "SQLITE_CANTOPEN": "the file cannot be opened; check that its path is a file in a folder where you may write",
    "SQLITE_READONLY": "the file or its folder is read-only; a store needs write permission for both",
    "SQLITE_IOERR": "the disk reports an error; nothing of this unit of work was kept",
    "SQLITE_CORRUPT": "the file is damaged; restore it from a backup",
    "SQLITE_FULL": "the disk is full; nothing of this unit of work was kept",
    "SQLITE_TOOBIG": "a value is too large for SQLite; nothing of this unit of work was kept",
}
_TURNS: WeakValueDictionary[str, FairLock] = WeakValueDictionary()
_TURNS_GATE = Lock()


@attrs.frozen(slots=False)
class Sqlite:
    """A SQLite database: a file, or memory for None."""

    path: Path | None
    wait_seconds: float = 5.0
    name: str = attrs.field(init=False)
    _turn: FairLock = attrs.field(init=False, repr=False)
    dialect: DialectName = attrs.field(default="sqlite", init=False)
    errors: type[Exception] = attrs.field(default=sqlite3.Error, init=False)

    @name.default
    def _name(self) -> str:
        return ":memory:" if self.path is None else str(self.path)

    @_turn.default
    def _turn_of_file(self) -> FairLock:
        """One lock for each file in the whole process: SQLite's own waiting is polling, in which some starve."""
        if self.path is None:
            return FairLock(self.wait_seconds)
        with _TURNS_GATE:
            return _TURNS.setdefault(str(self.path.resolve()), FairLock(self.wait_seconds))

    @classmethod
    def at(cls, path: Path | None, *, create: bool) -> Self:
        """Return the database at a path; raises `StoreError` where its folder is missing, or it is itself and must not."""
        if path is not None and not create and not path.exists():
            raise StoreError(f"{path}: there is no such file")
        if path is not None and not path.parent.is_dir():
            raise StoreError(f"{path}: the folder {str(path.parent)!r} does not exist; create it first")
        return cls(path)

    @property
    def is_shared(self) -> bool:
        """See `Database.is_shared`."""
        return self.path is None

    def connect(self) -> sqlite3.Connection:
        """See `Database.connect`."""
        if self.path is not None:
            check_local(self.path)
        try:
            connection = sqlite3.connect(
                self.name, timeout=self.wait_seconds, isolation_level=None, check_same_thread=False
            )
        except sqlite3.Error as error:
            raise self.explained(error) from None
        try:
            add_functions(connection)
            for setting in _SETTINGS:
                connection.execute(setting)
        except sqlite3.Error as error:
            connection.close()
            raise self.explained(error) from None
        return connection

    def prepare(self, connection: sqlite3.Connection) -> None:
        """See `Database.prepare`. A file keeps its write-ahead log, so this is done when it becomes a store, not before."""
        end = monotonic() + self.wait_seconds
        while not _has_run(connection, "PRAGMA journal_mode = WAL", is_last_try=monotonic() >= end):
            sleep(uniform(0, _LONGEST_PAUSE_SECONDS))  # noqa: S311 - chance, not a secret

    def turn(self) -> AbstractContextManager[None]:
        """See `Database.turn`."""
        return self._turn

    def begin(self, connection: sqlite3.Connection) -> None:
        """See `Database.begin`. SQLite itself looks again after longer and longer pauses, in which a process starves beside busy ones."""
        end = monotonic() + self.wait_seconds
        connection.execute("PRAGMA busy_timeout = 0")
        try:
            while not _has_run(connection, _BEGIN, is_last_try=monotonic() >= end):
                sleep(uniform(0, _LONGEST_PAUSE_SECONDS))  # noqa: S311 - chance, not a secret
        finally:
            connection.execute(f"PRAGMA busy_timeout = {self.wait_seconds * 1000:.0f}")

    def begin_snapshot(self, connection: sqlite3.Connection) -> None:
        """See `Database.begin_snapshot`. The first statement that reads says which moment it is."""
        connection.execute("BEGIN")
        connection.execute("SELECT 1 FROM sqlite_master").fetchone()

    def overwrite_erased(self, connection: sqlite3.Connection) -> None:
        """See `Database.overwrite_erased`. What was replaced stays in the file until the log is written back to it, and in the log."""
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def lock_units(self, connection: sqlite3.Connection, unit: str) -> int:
        """See `Database.lock_units`. There is one writer at a time."""
        return connection.execute(f"SELECT COALESCE(MAX(id), 0) FROM {unit}").fetchone()[0]  # type: ignore[no-any-return]  # noqa: S608 - our own name

    def count_units(self, connection: sqlite3.Connection, unit: str, last: int) -> None:
        """See `Database.count_units`. SQLite goes on after the largest one."""

    def cursor(self, connection: sqlite3.Connection) -> sqlite3.Cursor:
        """See `Database.cursor`."""
        cursor = connection.cursor()
        cursor.row_factory = None
        return cursor

    def insert_many(self, connection: sqlite3.Connection, insert: Insert, rows: Iterable[Any]) -> None:
        """See `Database.insert_many`."""
        insert_rows(connection, insert.table, insert.columns, rows)

    def is_lost(self, connection: sqlite3.Connection) -> bool:  # noqa: ARG002 - a file does not go away
        """See `Database.is_lost`."""
        return False

    def in_transaction(self, connection: sqlite3.Connection) -> bool:
        """See `Database.in_transaction`."""
        return connection.in_transaction

    def is_sound(self, connection: sqlite3.Connection) -> bool:
        """See `Database.is_sound`. SQLite ends a transaction by itself when, for instance, the disk is full."""
        return connection.in_transaction

    def is_joinable(self, connection: Any) -> bool:
        """See `Database.is_joinable`."""
        return isinstance(connection, sqlite3.Connection)

    def join(self, connection: sqlite3.Connection) -> None:
        """See `Database.join`."""
        add_functions(connection)
        if connection.text_factory is not str:
            raise InvalidInput(
                "the connection has a text_factory of its own; give one with that of sqlite3, which is str"
            )
        if connection.in_transaction:
            return
        # Since Python 3.12 a connection may be one that commits every statement, whatever its isolation_level.
        if connection.isolation_level is None or getattr(connection, "autocommit", None) is True:
            raise InvalidInput("the connection is in no transaction that could be joined; begin one first")
        # As the driver itself does before the first statement that writes; the host commits it.
        connection.execute(_BEGIN)

    def is_taken(self, error: Exception) -> bool:
        """See `Database.is_taken`."""
        return isinstance(error, sqlite3.IntegrityError) and getattr(error, "sqlite_errorname", "") in (
            "SQLITE_CONSTRAINT_UNIQUE",
            "SQLITE_CONSTRAINT_PRIMARYKEY",
        )

    def explained(self, error: Exception) -> CrmError:
        """See `Database.explained`."""
        code = getattr(error, "sqlite_errorname", "") or type(error).__name__
        if code.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
            return StoreBusy(
                f"{self.name}: another program has kept the file locked for {self.wait_seconds:g} seconds; try again when it is done"
            )
        if any(words in str(error) for words in ("no such table", "no such column", "has no column")):
            return StoreError(f"{self.name}: a table or column is missing; crmkit schema verify URL says which")
        meaning = next((text for prefix, text in _FAULTS.items() if code.startswith(prefix)), f"SQLite reports {code}")
        return StoreError(f"{self.name}: {meaning}")


def _has_run(connection: sqlite3.Connection, statement: str, *, is_last_try: bool) -> bool:
    """Whether a statement that others may keep from running has run; raises the error of the last try."""
    try:
        connection.execute(statement)
    except sqlite3.OperationalError as error:
        if is_last_try or not error.sqlite_errorname.startswith("SQLITE_BUSY"):
            raise
        return False
    return True


def add_functions(connection: sqlite3.Connection) -> None:
    """Teach a connection the functions that our SQL uses."""
    connection.create_function("crm_decimal", 1, _sortable, deterministic=True)


def _sortable(text: object) -> str | None:
    """A decimal written as text in its sortable form; None for anything else."""
    try:
        number = Decimal(text) if isinstance(text, str) else None
    except InvalidOperation:
        return None
    return sortable_decimal(number) if number is not None and is_storable_decimal(number) else None
