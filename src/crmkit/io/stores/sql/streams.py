"""Reading many rows through adbc, several times faster than through the driver of a store, where the extra `adbc` is installed."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
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

_ROWS_APART = 16_384
_READ_ONLY = "SET default_transaction_read_only = on"


class CannotStreamError(Exception):
    """Nothing was read; read in another way."""


def stream(session: Session, query: Prepared, after: str) -> Iterator[pl.DataFrame]:
    """Go through the rows of a query whose ids come after one, as frames of any size.

    The query takes that id as `last_id` and the number of rows as `limit`, None for all. What is seen is what was kept. The types
    of the columns are what adbc makes of the values. Raises `CannotStreamError` before the first frame where adbc is not
    installed or cannot do it, and `StoreError` where reading breaks off later.
    """
    database = session.database
    if session.unit is None and _is_installed(database.dialect):
        if isinstance(database, Sqlite) and database.path is not None:
            return _of_sqlite(database.path, query, after)
        if database.dialect == "postgresql":
            return _of_postgresql(session, query, after)
    raise CannotStreamError


def _is_installed(dialect: str) -> bool:
    return all(find_spec(name) for name in ("adbc_driver_manager", f"adbc_driver_{dialect}", "pyarrow"))


def _of_sqlite(path: Path, query: Prepared, after: str) -> Iterator[pl.DataFrame]:
    request = {
        "path": sys.path,
        "uri": f"{path.resolve().as_uri()}?mode=rw",
        "sql": query.sql,
        "parameters": query.values(last_id=after, limit=_ROWS_APART),
        "places": [place for place, name in enumerate(query.names) if name == "last_id"],
        "rows": _ROWS_APART,
    }
    with _answers(Path(apart.__file__), request) as answers:
        try:
            written = _answer(answers)
        except EOFError:
            raise CannotStreamError from None
        try:
            while written:
                yield pl.read_ipc_stream(BytesIO(written))
                written = _answer(answers)
        except EOFError:
            raise StoreError(f"{path}: reading broke off; try again") from None


@contextmanager
def _answers(program: Path, request: object) -> Iterator[IO[bytes]]:
    """What a program of ours says to a request; it ends when nobody listens any more."""
    # A host that embeds Python may be the executable, and would not understand.
    if not Path(sys.executable or "").stem.startswith(("python", "pypy")):
        raise CannotStreamError
    command = [sys.executable, "-I", "-S", str(program)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as running:  # noqa: S603
        assert running.stdin is not None
        assert running.stdout is not None
        try:
            with running.stdin as requests:
                requests.write(json.dumps(request).encode())
            yield running.stdout
        except BrokenPipeError:
            raise CannotStreamError from None
        finally:
            running.kill()


def _answer(answers: IO[bytes]) -> bytearray:
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


def _of_postgresql(session: Session, query: Prepared, after: str) -> Iterator[pl.DataFrame]:
    import pyarrow as pa  # noqa: PLC0415 - an extra
    from adbc_driver_manager import Error  # noqa: PLC0415
    from adbc_driver_postgresql import dbapi  # noqa: PLC0415

    database: Any = session.database
    statement = _written_out(session, query, after)
    try:
        connection = dbapi.connect(database.url, autocommit=True)
    except Error:
        raise CannotStreamError from None
    with connection, connection.cursor() as cursor:
        try:
            cursor.execute(_READ_ONLY)
            cursor.execute(statement)
            for batch in cursor.fetch_record_batch():
                yield pl.DataFrame(batch)
        except (Error, pa.ArrowException) as error:
            raise database.explained(error) from None


def _written_out(session: Session, query: Prepared, after: str) -> str:
    """The query with its parameters in it, because adbc streams no other."""
    import psycopg  # noqa: PLC0415 - an extra

    with session.connected() as connection:
        return psycopg.ClientCursor(connection).mogrify(query.sql, query.values(last_id=after, limit=None))
