"""Reads rows through adbc in a process of its own: a program that `streams` runs, and that imports nothing of crmkit.

adbc brings a SQLite of its own. Two of them in one process must not open the same file: when one closes it, the system drops
the locks that the other holds there, and units of work are lost (sqlite.org/howtocorrupt.html, 2.2.1).

Takes on standard input what is asked for, as JSON. Gives on standard output each batch of rows as its length in 8 bytes and that
many of Arrow, and then a length of 0.
"""

import json
import sys
from collections.abc import Iterator
from importlib import import_module
from typing import Any


class WithoutPandas:
    """Keeps pyarrow from importing pandas, which takes longer than all the rest and is not used here."""

    def find_spec(self, name: str, *_: object) -> None:
        """Say that pandas is not there."""
        if name == "pandas":
            raise ModuleNotFoundError(name)


def main() -> None:
    """Give the rows that were asked for."""
    asked = json.load(sys.stdin.buffer)
    sys.path[:] = asked["path"]  # packages are found where the asking process finds them
    sys.meta_path.insert(0, WithoutPandas())
    driver, manager = import_module(asked["driver"]), import_module("adbc_driver_manager")
    with (
        driver.connect(asked["uri"]) as database,
        manager.AdbcConnection(database) as connection,
        manager.AdbcStatement(connection) as statement,
    ):
        statement.set_sql_query(asked["read only"])
        statement.execute_update()
        statement.set_options(**asked["options"])
        for batch in batches(statement, asked):
            give(batch)
    sys.stdout.buffer.write(bytes(8))


def batches(statement: Any, asked: dict[str, Any]) -> Iterator[Any]:
    """Go through all rows: in one read, or in several of so many rows, each after the last id of the one before."""
    places, parameters = asked["places"], asked["parameters"]
    while True:
        rows, batch = 0, None
        for batch in read(statement, asked["sql"], parameters):
            rows += batch.num_rows
            yield batch
        if batch is None or not places or rows < asked["rows"]:
            return
        last_id = batch.column("id")[-1].as_py()
        parameters = [last_id if place in places else each for place, each in enumerate(parameters)]


def read(statement: Any, sql: str, parameters: list[Any]) -> Iterator[Any]:
    """Run a statement and go through the batches of its rows."""
    arrow = import_module("pyarrow")
    statement.set_sql_query(sql)
    if parameters:
        statement.prepare()
        names = [str(place) for place in range(len(parameters))]
        schema, row = arrow.record_batch([arrow.array([each]) for each in parameters], names).__arrow_c_array__()
        statement.bind(row, schema)
    rows, _ = statement.execute_query()
    with arrow.RecordBatchReader.from_stream(rows) as reader:
        yield from reader


def give(batch: Any) -> None:
    """Write a batch of rows."""
    arrow = import_module("pyarrow")
    sink = arrow.BufferOutputStream()
    with arrow.ipc.new_stream(sink, batch.schema) as stream:
        stream.write_batch(batch)
    written, out = sink.getvalue(), sys.stdout.buffer
    out.write(written.size.to_bytes(8))
    out.write(written)
    out.flush()


if __name__ == "__main__":
    main()
