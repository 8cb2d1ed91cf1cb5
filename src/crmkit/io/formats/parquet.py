"""Parquet, read in batches with PyArrow (extra `parquet`) and written with Polars.

Polars reads Parquet too, but a damaged file makes it abort the whole process.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from decimal import Decimal
from math import isfinite
from pathlib import Path
from typing import Any

import polars as pl

from crmkit.errors import InvalidInput
from crmkit.io.formats.files import cells, check_columns, failed, need, plain, reading, replacing
from crmkit.io.formats.row import Row

_KIND = "a Parquet file"
_BATCH = 10_000
_NUMBERS = ({int, float}, {int, Decimal})


def columns(path: Path | str) -> tuple[str, ...]:
    """Return the names of the columns.

    Raises `ImportFailed` and `MissingExtra` as `read` does.
    """
    with _opened(Path(path)) as (table, _):
        return tuple(table.schema_arrow.names)


def read(path: Path | str) -> Iterator[Row]:
    """Yield the rows in order, numbered from 1, with cells of the types of the file; nothing for a table without rows.

    Instants are exact to the microsecond. NaN, which some programs write for an empty cell, is None. A row with an infinite
    number comes with a fault and None in its place.

    Raises:
        ImportFailed: for a file that cannot be opened, is damaged, is no Parquet or has two columns of one name.
        MissingExtra: where the extra `parquet` is not installed.
    """
    with _opened(Path(path)) as (table, arrow):
        schema = table.schema_arrow
        if len(set(schema.names)) < len(schema.names):
            raise failed(path, "several columns have the same name; give each its own name")
        numbers = [field.name for field in schema if arrow.types.is_floating(field.type)]
        line = 0
        for batch in table.iter_batches(_BATCH):
            for values in arrow.Table.from_batches([batch]).cast(_readable(arrow, schema), safe=False).to_pylist():
                line += 1
                yield Row(line, values, _clean(values, numbers) if numbers else None)


def _readable(arrow: Any, schema: Any) -> Any:
    """The schema without nanoseconds, which Python does not have."""
    micro = [
        field.with_type(arrow.timestamp("us", field.type.tz)) if arrow.types.is_timestamp(field.type) else field
        for field in schema
    ]
    return arrow.schema(micro)


def _clean(values: dict[str, Any], numbers: Sequence[str]) -> str | None:
    """Take out what is no finite number; return what is wrong with the row."""
    fault = None
    for name in numbers:
        number = values[name]
        if number is not None and not isfinite(number):
            if number == number:  # noqa: PLR0124 - only NaN differs from itself
                fault = f"{name!r} is infinite; give a finite number"
            values[name] = None
    return fault


def write(path: Path | str, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
    """Write a table, whole or not at all: a failure leaves what was there before. The rows are held in memory.

    Each column has the type of its values; whole numbers beside others become such. What is missing is None, and a column
    without a value has no type.

    Raises:
        InvalidInput: for blank or repeated columns, a cell of no column, a value that is no text, finite number, flag, date or
            datetime, a column with values of several types, and a path that cannot be written.

    >>> import tempfile, pathlib
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "deals.parquet"
    >>> write(path, ["name", "amount"], [{"name": "Ann", "amount": Decimal("10.50")}])
    >>> [dict(row.values) for row in read(path)]
    [{'name': 'Ann', 'amount': Decimal('10.50')}]
    """
    check_columns(columns)
    table = [cells(columns, row, place, _cell) for place, row in enumerate(rows, start=1)]
    for place, name in enumerate(columns):
        kinds = {type(row[place]) for row in table} - {type(None)}
        if len(kinds) > 1 and kinds not in _NUMBERS:
            found = ", ".join(sorted(kind.__name__ for kind in kinds))
            raise InvalidInput(f"column {name!r}: holds values of the types {found}; give values of one type")
    try:
        frame = pl.DataFrame(table, schema=list(columns), orient="row", infer_schema_length=None)
    except (pl.exceptions.PolarsError, OverflowError):
        raise InvalidInput(
            "a column holds values that Parquet cannot hold together; give instants all with an offset or none"
        ) from None
    with replacing(path) as part:
        frame.write_parquet(part)


def _cell(value: Any) -> Any:
    plain(value)
    return value


@contextmanager
def _opened(path: Path) -> Iterator[tuple[Any, Any]]:
    arrow, parquet = need("pyarrow", "parquet"), need("pyarrow.parquet", "parquet")
    damaged = failed(path, "is damaged or uses what cannot be read; write it again")
    try:
        with reading(path, _KIND), path.open("rb") as file:
            if file.read(4) != b"PAR1":
                raise failed(path, f"is no Parquet file; give the path of {_KIND}")
            try:
                with parquet.ParquetFile(file) as table:
                    yield table, arrow
            except OSError:  # what PyArrow says of damaged pages
                raise damaged from None
    except (arrow.ArrowException, UnicodeDecodeError, OverflowError, MemoryError):
        raise damaged from None
