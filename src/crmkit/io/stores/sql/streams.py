"""Reading many rows through adbc, several times faster than through the driver of a store, where the extra `adbc` is installed."""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from typing import IO, Any

import polars as pl

from crmkit.errors import StoreError
from crmkit.io.stores.sql import apart
from crmkit.io.stores.sql.session import Session
from crmkit.io.stores.sql.sqlite import Sqlite
from crmkit.io.stores.sql.tables import Prepared

READ_ROWS, READ_BYTES = 8_192, 4 << 20
"""How many rows of a SQLite file, and how many bytes of PostgreSQL's answer, are in memory at a time."""

Request = Mapping[str, Any]


class CannotStreamError(Exception):
    """Nothing was read; read in another way."""


def stream(session: Session, query: Prepared, after: str) -> Iterator[pl.DataFrame]:
    """Go through the rows of a query whose ids come after one, as frames of any size.

    In SQLite the query goes by id and is asked for `limit` rows again and again. What is seen is what was kept. The types of the
    columns are what adbc makes of their values. Raises `CannotStreamError` before the first frame where adbc is not installed
    or cannot do it, and `StoreError` where reading breaks off later.
    """
    with _answers(_request(session, query, after)) as answers:
        is_begun = False
        try:
            while answer := _next(answers):
                yield pl.read_ipc_stream(BytesIO(answer))
                is_begun = True
        except EOFError:
            if not is_begun:
                raise CannotStreamError from None
            raise StoreError(f"{session.database.name}: reading broke off before the end; try again") from None


def _request(session: Session, query: Prepared, after: str) -> Request:
    """What to ask the program `apart` for."""
    database: Any = session.database
    driver = f"adbc_driver_{database.dialect}"
    is_shown = session.unit is None and not database.is_shared  # what a unit of work has written, only itself sees
    if not is_shown or not all(map(find_spec, ("adbc_driver_manager", driver, "pyarrow"))):
        raise CannotStreamError
    asked = (
        _of_sqlite(database, query, after) if isinstance(database, Sqlite) else _of_postgresql(session, query, after)
    )
    return {"path": [str(each) for each in sys.path], "driver": driver, **asked}


def _of_sqlite(database: Sqlite, query: Prepared, after: str) -> Request:
    assert database.path is not None
    return {
        "uri": f"{database.path.resolve().as_uri()}?mode=rw",
        "read only": "PRAGMA query_only = ON",
        # Types are guessed from the first batch of a read, so all of it is in one.
        "options": {"adbc.sqlite.query.batch_rows": str(READ_ROWS)},
        "sql": query.sql,
        "parameters": query.values(last_id=after, limit=READ_ROWS),
        "places": [place for place, name in enumerate(query.names) if name == "last_id"],
        "rows": READ_ROWS,
    }


def _of_postgresql(session: Session, query: Prepared, after: str) -> Request:
    import psycopg  # noqa: PLC0415 - an extra

    database: Any = session.database
    with session.connected() as connection:
        # Its answer is streamed only where no parameter is bound.
        sql = psycopg.ClientCursor(connection).mogrify(query.sql, query.values(last_id=after))
    return {
        "uri": database.url,
        "read only": "SET default_transaction_read_only = on",
        "options": {"adbc.postgresql.batch_size_hint_bytes": str(READ_BYTES)},
        "sql": sql,
        "parameters": [],
        "places": [],
        "rows": 0,
    }


@contextmanager
def _answers(request: Request) -> Iterator[IO[bytes]]:
    """What the program `apart` says to a request; it ends when nobody listens any more."""
    # A host that embeds Python may be the executable, and would not understand.
    if not Path(sys.executable or "").stem.startswith(("python", "pypy")):
        raise CannotStreamError
    command = [sys.executable, "-I", "-S", apart.__file__]
    try:
        running = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)  # noqa: S603
    except OSError:
        raise CannotStreamError from None
    with running:
        assert running.stdin is not None
        assert running.stdout is not None
        try:
            with suppress(BrokenPipeError), running.stdin as requests:
                requests.write(json.dumps(request).encode())
            yield running.stdout
        finally:
            running.kill()


def _next(answers: IO[bytes]) -> bytearray:
    """The next answer, empty for the last; raises `EOFError` where there is none."""
    return _exactly(answers, int.from_bytes(_exactly(answers, 8)))


def _exactly(answers: IO[bytes], size: int) -> bytearray:
    held = bytearray(size)
    rest: Any = memoryview(held)
    while rest:
        n = answers.readinto(rest)  # type: ignore[attr-defined]
        if not n:
            raise EOFError
        rest = rest[n:]
    return held
