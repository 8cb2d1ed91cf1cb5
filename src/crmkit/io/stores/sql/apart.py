"""Reads a SQLite file through adbc in a process of its own: a program that `streams` runs, which imports nothing of crmkit.

adbc brings a SQLite of its own. Two of them in one process must not open the same file: when one closes it, the system drops
the locks that the other holds there, and units of work are lost (sqlite.org/howtocorrupt.html, 2.2.1).

Takes on standard input what `streams` asks for, as JSON. Gives on standard output, for each read, its length in 8 bytes and that
many of Arrow; then a length of 0.
"""

import json
import sys
from typing import Any


def main() -> None:
    """Read the rows after an id, so many at a time, until there are no more."""
    asked = json.load(sys.stdin.buffer)
    sys.path[:] = asked["path"]

    import pyarrow as pa  # noqa: PLC0415 - it is found where the asking process finds it
    from adbc_driver_manager import AdbcConnection, AdbcStatement  # noqa: PLC0415
    from adbc_driver_sqlite import connect  # noqa: PLC0415

    out, rows, parameters = sys.stdout.buffer, asked["rows"], asked["parameters"]
    with (
        connect(asked["uri"]) as database,
        AdbcConnection(database) as connection,
        AdbcStatement(connection) as statement,
    ):
        run(pa, statement, "PRAGMA query_only = ON", [])
        # Types are guessed from the first batch of a result, so all of it is in one.
        statement.set_options(**{"adbc.sqlite.query.batch_rows": str(rows)})
        while True:
            found = run(pa, statement, asked["sql"], parameters)
            if not found.num_rows:
                break
            sink = pa.BufferOutputStream()
            with pa.ipc.new_stream(sink, found.schema) as stream:
                stream.write_table(found)
            written = sink.getvalue()
            out.write(written.size.to_bytes(8))
            out.write(written)
            out.flush()
            if found.num_rows < rows:
                break
            last_id = found.column("id")[-1].as_py()
            parameters = [last_id if place in asked["places"] else each for place, each in enumerate(parameters)]
    out.write(bytes(8))
    out.flush()


def run(pa: Any, statement: Any, sql: str, parameters: list[Any]) -> Any:
    """Return the rows of a statement as an Arrow table."""
    statement.set_sql_query(sql)
    if parameters:
        names = [str(place) for place in range(len(parameters))]
        row = pa.record_batch([pa.array([each]) for each in parameters], names=names)
        statement.prepare()
        statement.bind(*row.__arrow_c_array__()[::-1])
    found, _ = statement.execute_query()
    with pa.RecordBatchReader.from_stream(found) as reader:
        return reader.read_all()


if __name__ == "__main__":
    main()
