"""PostgreSQL, through psycopg 3."""

from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from functools import cached_property
from typing import Any

import attrs

from crmkit.errors import Conflict, CrmError, InvalidInput, MissingExtra, StoreBusy, StoreError
from crmkit.io.stores.sql.cells import DialectName
from crmkit.io.stores.sql.tables import Insert

try:
    import psycopg
    from psycopg.conninfo import conninfo_to_dict, make_conninfo
    from psycopg.pq import Format, TransactionStatus
    from psycopg.rows import tuple_row
except ModuleNotFoundError as error:
    raise MissingExtra("PostgreSQL needs psycopg: pip install 'crmkit[postgresql]'") from error

# The first that fits the beginning of the state that the server reports.
_FAULTS = {
    "28": "the server refuses this user or password; check them in the URL",
    "3D": "there is no such database; create it first",
    "42501": "this user may not do that; grant it the tables of crmkit",
    "42P01": "the tables of crmkit are missing; create them with: crmkit schema apply URL",
    "42703": "the tables of crmkit lack a column; add it with: crmkit schema apply URL",
    "3F": "the schema of crmkit is missing; create it with: crmkit schema apply URL",
    "53100": "the disk of the server is full; nothing of this unit of work was kept",
    "53300": "the server has no connection left; allow more of them, or open fewer stores",
    "54": "a value is too large for the column; nothing of this unit of work was kept",
    "57014": "the server ended a statement that took too long; try again, or allow it more time",
    "57P": "the server is shutting down; try again when it is back",
    "25006": "the server is read-only; connect to the one that accepts writes",
}
# What the URL does not say otherwise: without a limit, a server that does not answer is waited for for minutes.
_USUAL = {"application_name": "crmkit", "connect_timeout": "10"}
# Said, because a database may have another default, in which nobody sees what others kept while one waited for them.
_BEGIN = "BEGIN ISOLATION LEVEL READ COMMITTED"
_BEGIN_SNAPSHOT = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
_DEADLOCKS = ("40001", "40P01")
_LOCKED = "55P03"
_UNIQUE = "23505"


@attrs.frozen(slots=False)
class Postgresql:
    """A database of a PostgreSQL server, by its URL."""

    url: str = attrs.field(repr=False)
    dialect: DialectName = attrs.field(default="postgresql", init=False)
    is_shared: bool = attrs.field(default=False, init=False)
    errors: type[Exception] = attrs.field(default=psycopg.Error, init=False)

    @cached_property
    def name(self) -> str:
        """How errors call the database: without the password."""
        try:
            parts = conninfo_to_dict(self.url)
        except psycopg.Error:
            raise InvalidInput(
                "the URL of the database cannot be read; give one such as 'postgresql://anna@localhost/club'"
            ) from None
        return f"postgresql://{parts.get('host') or 'localhost'}/{parts.get('dbname') or parts.get('user') or ''}"

    def connect(self) -> "psycopg.Connection[Any]":
        """See `Database.connect`."""
        name = self.name
        try:
            return psycopg.connect(make_conninfo("", **{**_USUAL, **conninfo_to_dict(self.url)}), autocommit=True)
        except psycopg.Error as error:
            # The text of the driver has the state of the server nowhere else when a connection fails.
            text = str(error)
            if "password" in text or "authentication" in text:
                meaning = _FAULTS["28"]
            elif "does not exist" in text and "database" in text:
                meaning = _FAULTS["3D"]
            else:
                meaning = "the server cannot be reached; check that it runs and that the URL is right"
            raise StoreError(f"{name}: {meaning}") from None

    def prepare(self, connection: "psycopg.Connection[Any]") -> None:
        """See `Database.prepare`: nothing."""

    def turn(self) -> AbstractContextManager[None]:
        """See `Database.turn`."""
        return nullcontext()

    def begin(self, connection: "psycopg.Connection[Any]") -> None:
        """See `Database.begin`."""
        connection.execute(_BEGIN)

    def begin_snapshot(self, connection: "psycopg.Connection[Any]") -> None:
        """See `Database.begin_snapshot`."""
        connection.execute(_BEGIN_SNAPSHOT)

    def overwrite_erased(self, connection: "psycopg.Connection[Any]") -> None:
        """See `Database.overwrite_erased`: nothing, as the server does so when it vacuums."""

    def lock_units(self, connection: "psycopg.Connection[Any]", unit: str) -> int:
        """See `Database.lock_units`."""
        connection.execute(f"LOCK TABLE {unit} IN EXCLUSIVE MODE")
        return self._counted(connection, "SELECT nextval(pg_get_serial_sequence(%s, 'id'))", unit)

    def count_units(self, connection: "psycopg.Connection[Any]", unit: str, last: int) -> None:
        """See `Database.count_units`."""
        self._counted(connection, "SELECT setval(pg_get_serial_sequence(%s, 'id'), %s)", unit, last)

    def _counted(self, connection: "psycopg.Connection[Any]", statement: str, *values: Any) -> int:
        row = self.cursor(connection).execute(statement, values).fetchone()
        return int(row[0])

    def cursor(self, connection: "psycopg.Connection[Any]") -> Any:
        """See `Database.cursor`."""
        cursor = psycopg.Cursor(connection, row_factory=tuple_row)
        # In text, numbers are rounded as the host's session says, and decimals become what the host has registered for them.
        cursor.format = Format.BINARY
        return cursor

    def insert_many(self, connection: "psycopg.Connection[Any]", insert: Insert, rows: Iterable[Any]) -> None:
        """See `Database.insert_many`: by COPY, which is several times faster than INSERT."""
        names = ", ".join(f'"{name}"' for name in insert.columns)
        statement = f"COPY {insert.table} ({names}) FROM STDIN (FORMAT BINARY)"
        with psycopg.Cursor(connection) as cursor, cursor.copy(statement) as copy:
            copy.set_types(insert.types)
            for row in rows:
                copy.write_row(row)

    def is_lost(self, connection: "psycopg.Connection[Any]") -> bool:
        """See `Database.is_lost`."""
        return connection.closed or connection.broken

    def in_transaction(self, connection: "psycopg.Connection[Any]") -> bool:
        """See `Database.in_transaction`."""
        return connection.info.transaction_status != TransactionStatus.IDLE

    def is_sound(self, connection: "psycopg.Connection[Any]") -> bool:
        """See `Database.is_sound`. PostgreSQL takes a COMMIT after an error, and then rolls back without a word."""
        return connection.info.transaction_status == TransactionStatus.INTRANS

    def is_joinable(self, connection: Any) -> bool:
        """See `Database.is_joinable`."""
        return isinstance(connection, psycopg.Connection)

    def join(self, connection: "psycopg.Connection[Any]") -> None:
        """See `Database.join`."""
        status = connection.info.transaction_status
        if status == TransactionStatus.INERROR:
            raise InvalidInput(
                "an error has ended the transaction of the connection; roll it back, and begin another one"
            )
        if connection.autocommit and status == TransactionStatus.IDLE:
            raise InvalidInput("the connection is in no transaction that could be joined; begin one first")

    def is_taken(self, error: Exception) -> bool:
        """See `Database.is_taken`."""
        return getattr(error, "sqlstate", None) == _UNIQUE

    def explained(self, error: Exception) -> CrmError:
        """See `Database.explained`."""
        state = getattr(error, "sqlstate", None) or ""
        if state in _DEADLOCKS:
            return Conflict(f"{self.name}: another unit of work changed the same records meanwhile; do this one again")
        if state == _LOCKED:
            return StoreBusy(f"{self.name}: another unit of work has kept a record locked for too long; try again")
        if not state and isinstance(error, psycopg.OperationalError | psycopg.InterfaceError):
            return StoreError(
                f"{self.name}: the connection to the server was lost; nothing of this unit of work was kept"
            )
        meaning = next((text for prefix, text in _FAULTS.items() if state.startswith(prefix)), None)
        return StoreError(f"{self.name}: {meaning or f'PostgreSQL reports {state or type(error).__name__}'}")
