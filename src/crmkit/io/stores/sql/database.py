"""What the SQL store needs to know about a kind of database; `sqlite` and `postgresql` say it for theirs."""

from collections.abc import Iterable
from contextlib import AbstractContextManager
from typing import Any, Protocol

from crmkit.errors import CrmError, InvalidInput
from crmkit.io.stores.sql.cells import DialectName
from crmkit.io.stores.sql.tables import Insert

Connection = Any
"""A connection of the database's own driver (DB-API)."""


class Database(Protocol):
    """A database that connections can be opened to, and what is particular about its kind."""

    @property
    def dialect(self) -> DialectName:
        """Which SQL it speaks."""

    @property
    def name(self) -> str:
        """How errors call the database."""

    @property
    def is_shared(self) -> bool:
        """Whether all units of work use the one connection that there is, as for SQLite in memory."""

    def connect(self) -> Connection:
        """Return a new connection that commits by itself outside of BEGIN; raises `StoreError`."""

    def prepare(self, connection: Connection) -> None:
        """Do once what a database needs to become a store, outside of a transaction."""

    def turn(self) -> AbstractContextManager[None]:
        """Wait for the right to begin a unit of work that writes."""

    def begin(self, connection: Connection) -> None:
        """Begin a transaction that writes."""

    def begin_snapshot(self, connection: Connection) -> None:
        """Begin a transaction that reads what is kept at one moment, beside those that write."""

    def overwrite_erased(self, connection: Connection) -> None:
        """Write over what was replaced or removed, as far as a program can; outside of a transaction."""

    def lock_units(self, connection: Connection, unit: str) -> int:
        """Let nobody else count up the numbers of the table of units of work before the end of the transaction; return the last one."""

    def count_units(self, connection: Connection, unit: str, last: int) -> None:
        """Let the numbers of the table of units of work go on after the last one."""

    def cursor(self, connection: Connection) -> Any:
        """Return a cursor whose rows are plain tuples, whatever the host made of its connection."""

    def insert_many(self, connection: Connection, insert: Insert, rows: Iterable[Any]) -> None:
        """Insert many rows at once."""

    def is_lost(self, connection: Connection) -> bool:
        """Whether the connection is gone."""

    def in_transaction(self, connection: Connection) -> bool:
        """Whether a transaction is under way on the connection."""

    def is_sound(self, connection: Connection) -> bool:
        """Whether a transaction is under way on the connection of which everything so far can still be kept."""

    def is_joinable(self, connection: Connection) -> bool:
        """Whether a connection is of this kind of database."""

    def join(self, connection: Connection) -> None:
        """Make sure that the host's connection is inside a transaction; raises `InvalidInput` where none can be begun."""

    def is_taken(self, error: Exception) -> bool:
        """Whether an error says that a unique value is there already."""

    def explained(self, error: Exception) -> CrmError:
        """Return what an error of the driver means to the person who must act, without any value of a record."""

    @property
    def errors(self) -> type[Exception]:
        """The root of the driver's errors."""


def driver_connection(connection: Any) -> Connection:
    """Return the driver's connection inside the host's: of SQLAlchemy (session or connection), of Django, or the driver's own.

    Raises `InvalidInput` for anything else.
    """
    if callable(getattr(connection, "connection", None)) and hasattr(connection, "get_bind"):
        connection = connection.connection()
    if hasattr(connection, "exec_driver_sql"):
        return connection.connection.driver_connection
    if hasattr(connection, "ensure_connection"):
        connection.ensure_connection()
        return connection.connection
    if not callable(getattr(connection, "cursor", None)):
        raise InvalidInput(
            f"a {type(connection).__name__} is no connection; give one of sqlite3, psycopg, SQLAlchemy (also a Session) or Django"
        )
    return connection
