"""Connections and units of work: who uses which connection, and what is kept or undone together."""

from collections.abc import Callable, Hashable, Iterable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from functools import partial
from threading import local
from typing import Any

import attrs

from crmkit.errors import CommitOutcomeUnknown, InvalidInput, StoreError
from crmkit.io.stores import refusals
from crmkit.io.stores.port import Stamp
from crmkit.io.stores.sql.connections import Connections
from crmkit.io.stores.sql.database import Connection, Database, driver_connection
from crmkit.io.stores.sql.tables import Insert, Row

_FEW = 8


class TakenError(Exception):
    """A unique value is there already; the store says which."""


@attrs.define
class Unit:
    """A unit of work under way in one thread."""

    connection: Connection
    stamp: Stamp
    is_locking: bool
    depth: int = 0
    number: int | None = None
    seen: dict[Hashable, int] = attrs.Factory(dict)
    """The versions of the records that were read, which must still be those when they are written."""


class Session:
    """The connections of one store, and each thread's unit of work."""

    def __init__(self, database: Database) -> None:
        """Open no connection yet."""
        self.database = database
        self.connections = Connections(database)
        self._thread = local()
        self._is_closed = False

    @property
    def unit(self) -> Unit | None:
        """The unit of work of this thread."""
        return getattr(self._thread, "unit", None)

    @contextmanager
    def transaction(self, stamp: Stamp, connection: Any, *, lock: bool) -> Iterator[Unit]:
        """See `Records.transaction`."""
        unit = self.unit
        if unit is not None:
            if connection is not None and driver_connection(connection) is not unit.connection:
                raise InvalidInput("this thread is inside a transaction on another connection; end that one first")
            with self._nested(unit):
                yield unit
        elif connection is not None:
            with self._joined(stamp, driver_connection(connection), lock=lock) as unit:
                yield unit
        else:
            with self._owned(stamp, lock=lock) as unit:
                yield unit

    def rows(self, statement: str, parameters: Row = ()) -> list[Row]:
        """Return the rows of a statement that reads, inside the unit of work of this thread or by itself."""
        if self.unit is not None:
            return self._fetched(self.unit.connection, statement, parameters)
        if self.database.is_shared:
            with self.database.turn():
                return self._read(statement, parameters)
        return self._read(statement, parameters)

    def run(self, statement: str, parameters: Row = ()) -> Any:
        """Run a statement inside the unit of work of this thread and return its cursor."""
        assert self.unit is not None
        return self._execute(self.unit.connection, statement, parameters)

    @contextmanager
    def snapshot(self) -> Iterator[Callable[..., list[Row]]]:
        """Lend a function like `rows` for which nothing changes, while others write."""
        if self.unit is not None:
            raise refusals.copying_inside()
        with (
            self.database.turn() if self.database.is_shared else nullcontext(),
            self._begun(self.database.begin_snapshot) as connection,
        ):
            try:
                yield partial(self._fetched, connection)
            finally:
                self._roll_back(connection)

    def overwrite_erased(self) -> None:
        """See `Erasing.overwrite_erased`."""
        if self.unit is not None:
            return
        with self.database.turn(), self.connected() as connection:
            try:
                self.database.overwrite_erased(connection)
            except self.database.errors as error:
                raise self._meaning(error) from None

    def insert(self, insert: Insert, rows: Iterable[Row], n: int) -> None:
        """Insert `n` rows inside the unit of work of this thread; raise `TakenError` where one is there already."""
        assert self.unit is not None
        if n <= _FEW:
            for row in rows:
                self.run(insert.sql, row)
            return
        try:
            self.database.insert_many(self.unit.connection, insert, rows)
        except self.database.errors as error:
            raise self._meaning(error) from None

    def close(self) -> None:
        """Close the connections that nobody uses; those in use follow when they are given back."""
        self._is_closed = True
        self.connections.close()

    @contextmanager
    def connected(self) -> Iterator[Connection]:
        """Lend a connection that is in no unit of work."""
        connection = self._take()
        try:
            yield connection
        finally:
            self.connections.give_back(connection)

    def prepare(self) -> None:
        """Do once what a database needs to become a store."""
        with self.connected() as connection:
            try:
                self.database.prepare(connection)
            except self.database.errors as error:
                raise self._meaning(error) from None

    @contextmanager
    def _owned(self, stamp: Stamp, *, lock: bool) -> Iterator[Unit]:
        with self.database.turn(), self._begun(self.database.begin) as connection:
            unit = self._thread.unit = Unit(connection, stamp, lock)
            try:
                yield unit
                self._check_sound(unit)
            except BaseException:
                self._roll_back(connection)
                raise
            else:
                self._commit(connection)
            finally:
                self._thread.unit = None

    @contextmanager
    def _joined(self, stamp: Stamp, connection: Connection, *, lock: bool) -> Iterator[Unit]:
        self._check_open()
        if not self.database.is_joinable(connection):
            raise InvalidInput(
                f"a connection of {type(connection).__module__.partition('.')[0]} cannot be joined by a store in "
                f"{self.database.dialect}; give a connection to the same database"
            )
        try:
            self.database.join(connection)
        except self.database.errors as error:
            raise self._meaning(error) from None
        unit = self._thread.unit = Unit(connection, stamp, lock)
        try:
            with self._savepoint(unit):
                yield unit
        finally:
            self._thread.unit = None

    @contextmanager
    def _nested(self, unit: Unit) -> Iterator[None]:
        self._check_sound(unit)
        with self._savepoint(unit):
            yield

    @contextmanager
    def _savepoint(self, unit: Unit) -> Iterator[None]:
        savepoint, number, seen = f"crm_{unit.depth}", unit.number, dict(unit.seen)
        self.run(f"SAVEPOINT {savepoint}")
        unit.depth += 1
        try:
            yield
            self._check_sound(unit)
            self.run(f"RELEASE SAVEPOINT {savepoint}")
        except BaseException:
            unit.number, unit.seen = number, seen
            self._undo_to(savepoint, unit.connection)
            raise
        finally:
            unit.depth -= 1

    def _undo_to(self, savepoint: str, connection: Connection) -> None:
        if self._is_over(connection):
            return
        try:
            self._execute(connection, f"ROLLBACK TO SAVEPOINT {savepoint}")
            self._execute(connection, f"RELEASE SAVEPOINT {savepoint}")
        except StoreError:
            if not self._is_over(connection):
                raise

    def _check_sound(self, unit: Unit) -> None:
        """Refuse to go on with what the database has undone already, though somebody has caught the error that did it."""
        if not self.database.is_sound(unit.connection):
            raise StoreError(
                f"{self.database.name}: an error inside this unit of work has undone it; leave its transaction and do it again"
            )

    @contextmanager
    def _begun(self, begin: Callable[[Connection], None]) -> Iterator[Connection]:
        """Lend a connection on which a transaction has begun."""
        connection = self._take()
        try:
            try:
                self._begin(begin, connection)
            except StoreError:
                if not self.database.is_lost(connection):
                    raise
                connection = self.connections.renewed(connection)
                self._begin(begin, connection)
            yield connection
        finally:
            self.connections.give_back(connection)

    def _begin(self, begin: Callable[[Connection], None], connection: Connection) -> None:
        try:
            begin(connection)
        except self.database.errors as error:
            raise self._meaning(error) from None

    def _read(self, statement: str, parameters: Row) -> list[Row]:
        connection = self._take()
        try:
            try:
                return self._fetched(connection, statement, parameters)
            except StoreError:
                if not self.database.is_lost(connection):
                    raise
                connection = self.connections.renewed(connection)
                return self._fetched(connection, statement, parameters)
        finally:
            self.connections.give_back(connection)

    def _fetched(self, connection: Connection, statement: str, parameters: Row) -> list[Row]:
        cursor = self._execute(connection, statement, parameters)
        try:
            return cursor.fetchall()  # type: ignore[no-any-return]
        except self.database.errors as error:  # SQLite reads on as rows are fetched, and may meet damage only then
            raise self._meaning(error) from None

    def _execute(self, connection: Connection, statement: str, parameters: Row = ()) -> Any:
        try:
            cursor = self.database.cursor(connection)
            cursor.execute(statement, parameters)
        except self.database.errors as error:
            raise self._meaning(error) from None
        return cursor

    def _meaning(self, error: Exception) -> Exception:
        return TakenError() if self.database.is_taken(error) else self.database.explained(error)

    def _commit(self, connection: Connection) -> None:
        try:
            self._execute(connection, "COMMIT")
        except BaseException:
            if self.database.is_lost(connection):
                raise CommitOutcomeUnknown(
                    f"{self.database.name}: the connection was lost during a commit; nobody can tell whether this unit of work "
                    "was kept, so look, or do it again under the key that CRM.run takes"
                ) from None
            self._roll_back(connection)
            raise

    def _roll_back(self, connection: Connection) -> None:
        """Undo a unit of work, unless the database did so by itself, as SQLite does when the disk is full."""
        if not self._is_over(connection):
            # The error that led here says more, and a connection that could not be rolled back is closed.
            with suppress(StoreError):
                self._execute(connection, "ROLLBACK")

    def _is_over(self, connection: Connection) -> bool:
        return self.database.is_lost(connection) or not self.database.in_transaction(connection)

    def _take(self) -> Connection:
        self._check_open()
        return self.connections.take()

    def _check_open(self) -> None:
        if self._is_closed:
            raise refusals.closed(self.database.name)
