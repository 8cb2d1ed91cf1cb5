"""The connections of one store: who has which, which are idle, and what becomes of them when the process is forked.

SQLite's locks belong to the process. A copy of the process believes that it holds those of its parent, and what it commits is lost
when the parent closes the file. So idle connections are closed before a fork, and a copy that was made while a file was in use
does not touch it.
"""

import os
from weakref import WeakSet

from crmkit.errors import StoreError
from crmkit.io.stores.sql.database import Connection, Database


class Connections:
    """Connections to one database."""

    def __init__(self, database: Database) -> None:
        """Open none yet."""
        self.keeps_idle = True
        self._database = database
        self._idle: list[Connection] = []
        self._used: set[Connection] = set()
        _ALL.add(self)

    def take(self) -> Connection:
        """Return a connection that nobody uses; raises `StoreError` where none can be opened."""
        if self._database.name in _CUT_OFF:
            raise StoreError(
                f"{self._database.name}: this process was forked while the file was in use, and SQLite cannot lock it for a "
                "copy; fork outside of transactions, or start processes that are no copies"
            )
        try:
            connection = self._idle.pop()
        except IndexError:
            connection = self._database.connect()
        self._used.add(connection)
        return connection

    def give_back(self, connection: Connection) -> None:
        """Keep a connection for others, unless it is lost, or something is still under way on it."""
        self._used.discard(connection)
        if not self.keeps_idle or self._database.is_lost(connection) or self._database.in_transaction(connection):
            connection.close()
        else:
            self._idle.append(connection)

    def renewed(self, lost: Connection) -> Connection:
        """Return a new connection in place of a lost one: it was idle while the server went away and came back."""
        self._used.discard(lost)
        lost.close()
        connection = self._database.connect()
        self._used.add(connection)
        return connection

    def close(self) -> None:
        """Close the connections that nobody uses; those in use follow when they are given back."""
        self.keeps_idle = False
        self._close_idle()

    def before_fork(self) -> None:
        """Close what a copy of this process must not have."""
        if self._is_file():
            self._close_idle()

    def after_fork(self) -> None:
        """Begin anew in a copy of this process; a database in memory was copied with it."""
        if not self._database.is_shared:
            self._leave_to_parent()

    def _leave_to_parent(self) -> None:
        """Forget all connections without closing them, which would end them for the parent too."""
        inherited = [*self._idle, *self._used]
        if inherited and self._is_file():
            _CUT_OFF.add(self._database.name)
        _OF_PARENT.extend(inherited)
        self._idle, self._used = [], set()

    def _close_idle(self) -> None:
        while self._idle:
            self._idle.pop().close()

    def _is_file(self) -> bool:
        return self._database.dialect == "sqlite" and not self._database.is_shared


_ALL: WeakSet[Connections] = WeakSet()
_OF_PARENT: list[Connection] = []
_CUT_OFF: set[str] = set()


def _before_fork() -> None:
    for each in list(_ALL):
        each.before_fork()


def _after_fork() -> None:
    for each in list(_ALL):
        each.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_child=_after_fork)
