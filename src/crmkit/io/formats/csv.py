"""Text tables with delimiters (RFC 4180).

With a stated delimiter and encoding they are read strictly: what is not certain is an error, never a guess. With the `Layout` that
`detect` returns, a row that does not fit is handed out with its fault. Errors and faults name the file, the line and what would be
accepted. They show names of columns, but never the text of a cell, which may be personal.
"""

import csv
import re
from collections import Counter
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, TextIO

from crmkit.errors import ImportFailed, InvalidInput
from crmkit.io.formats import tolerant
from crmkit.io.formats.files import LONGEST_LINE, cells, check_columns, failed, plain, reading, replacing
from crmkit.io.formats.formulas import mark, unmark
from crmkit.io.formats.layout import Layout, check_delimiter, detect
from crmkit.io.formats.row import Row

__all__ = ["Layout", "columns", "detect", "read", "write"]

_UNDECODED = re.compile("[\ud800-\udfff]")
_KIND = "a CSV file"


def columns(
    path: Path | str, layout: Layout | None = None, *, delimiter: str = ",", encoding: str = "utf-8"
) -> tuple[str, ...]:
    """Return the names of the columns, which stand in the first line that is not blank, or where the layout says.

    With a layout, a repeated name gets a number, and a blank one the position of its column.

    Raises `ImportFailed` as `read` does.
    """
    if layout is not None:
        return tolerant.columns(Path(path), layout)
    with closing(_records(Path(path), delimiter, encoding)) as records:
        return _header(path, records)


def read(
    path: Path | str, layout: Layout | None = None, *, delimiter: str = ",", encoding: str = "utf-8"
) -> Iterator[Row]:
    r"""Yield the rows below the header in order, their cells as text; nothing for a table without rows.

    Cells are exactly as written, but for the apostrophe that `write` puts before what looks like a formula. Blank lines are
    skipped. A byte order mark is not part of the first name.

    Args:
        path: the file.
        layout: how the table is written, as `detect` returns it. Rows that do not fit then come with their `fault`: too many or
            too few cells, a header that is repeated further down, bytes that are no text, and a quote that is not closed, after
            which reading goes on in the next line. Cells beyond the header are kept as "Column 5" and so on.
        delimiter: without a layout, the character between two cells.
        encoding: without a layout, a name that Python knows, such as "cp1252".

    Raises:
        ImportFailed: on the first row, for a file that cannot be opened, is empty or is no text in this encoding, and for a wrong
            delimiter; for a line of more than 4 million characters. Without a layout also for blank or repeated names of
            columns, and on its row for an unclosed quote, for more or fewer cells than columns, and for a cell longer than
            `csv.field_size_limit()`. With one, for more than 100 records that cannot be read.

    >>> import tempfile, pathlib
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "contacts.csv"
    >>> _ = path.write_text("name,phone\nAnn,1\nBob\n")
    >>> [(row.line, row.fault) for row in read(path, detect(path))]
    [(2, None), (3, 'the header has 2 columns, but this row has 1')]
    """
    if layout is not None:
        yield from tolerant.read(Path(path), layout)
        return
    with closing(_records(Path(path), delimiter, encoding)) as records:
        header = _header(path, records)
        for line, found in records:
            if len(found) != len(header):
                fault = f"the header has {len(header)} columns, but this row has {len(found)}"
                raise failed(path, f"{fault}; put a text with {delimiter!r} in it in quotes", line)
            yield Row(line, dict(zip(header, found, strict=True)))


def write(
    path: Path | str,
    columns: Sequence[str],
    rows: Iterable[Mapping[str, Any]],
    *,
    delimiter: str = ",",
    encoding: str = "utf-8",
) -> None:
    r"""Write a table, whole or not at all: a failure leaves what was there before.

    Text that a spreadsheet would take for a formula gets an apostrophe before it, as OWASP advises, which `read` takes away
    again. Numbers are written as numbers with a decimal point, dates and instants as ISO 8601 says, True and False as `true`
    and `false`, and what is missing or None as an empty cell.

    Args:
        path: the file, which is replaced.
        columns: the names of the columns in their order.
        rows: for each row its cells by column.
        delimiter: the character between two cells.
        encoding: "utf-8-sig" is what Excel opens with a double click.

    Raises:
        InvalidInput: for a wrong delimiter, blank or repeated columns, a cell of no column, a value that is none of these
            (infinity and NaN too), text that the encoding does not have, and a path that cannot be written.

    >>> import tempfile, pathlib
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "out.csv"
    >>> write(path, ["name", "balance"], [{"name": "=1+1", "balance": -5}])
    >>> path.read_bytes()
    b"name,balance\r\n'=1+1,-5\r\n"
    >>> [dict(row.values) for row in read(path)]
    [{'name': '=1+1', 'balance': '-5'}]
    """
    check_delimiter(delimiter)
    check_columns(columns)
    try:
        with replacing(path) as part, part.open("w", encoding=encoding, newline="") as file:
            writer = csv.writer(file, delimiter=delimiter)
            writer.writerow(map(mark, columns))
            writer.writerows(cells(columns, row, number, _cell) for number, row in enumerate(rows, start=1))
    except LookupError:
        raise InvalidInput(f"{encoding!r} is no encoding; give one such as 'utf-8' or 'cp1252'") from None


def _cell(value: Any) -> str:
    if isinstance(value, str):
        if "\0" in value:
            raise InvalidInput(
                "a cell holds a NUL character, which no text table can; take it out, or write JSON Lines"
            )
        return mark(value)
    value = plain(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)


def _records(path: Path, delimiter: str, encoding: str) -> Generator[tuple[int, list[str]], None, None]:
    """The records that are not blank, each with its first line; `line_num` of the reader is the last one."""
    try:
        check_delimiter(delimiter)
    except InvalidInput as error:
        raise failed(path, str(error)) from None
    line = 1
    try:
        with reading(path, _KIND), path.open(encoding=encoding, errors="surrogateescape", newline="") as file:
            reader = csv.reader(_lines(file, path, encoding), delimiter=delimiter, strict=True)
            for found in reader:
                if found:
                    yield line, [unmark(cell) if cell[:1] == "'" else cell for cell in found]
                line = reader.line_num + 1
    except LookupError:
        raise failed(path, f"{encoding!r} is no encoding; give one such as 'utf-8' or 'cp1252'") from None
    except UnicodeError:
        raise _undecodable(path, line, encoding) from None
    except csv.Error as error:
        raise failed(path, f"the record that begins here cannot be read ({error}); {tolerant.rules()}", line) from None


def _lines(file: TextIO, path: Path, encoding: str) -> Iterator[str]:
    number = 0
    while line := file.readline(LONGEST_LINE):
        number += 1
        if len(line) == LONGEST_LINE:
            raise failed(path, f"is longer than {LONGEST_LINE:,} characters, so this is no table", number)
        if "\0" in line:
            raise failed(path, "holds a NUL character, so this is no text file; save the table as CSV", number)
        if not line.isascii() and _UNDECODED.search(line):
            raise _undecodable(path, number, encoding)
        yield line.removeprefix("\ufeff") if number == 1 else line


def _header(path: Path | str, records: Iterator[tuple[int, list[str]]]) -> tuple[str, ...]:
    line, names = next(records, (1, []))
    if not names:
        raise failed(path, "is empty; the first line must hold the names of the columns")
    blank = [str(number) for number, name in enumerate(names, start=1) if not name.strip()]
    if blank:
        raise failed(path, f"no name for column {', '.join(blank)}; name every column", line)
    repeated = [repr(name) for name, count in Counter(names).items() if count > 1]
    if repeated:
        raise failed(path, f"several columns are named {', '.join(repeated)}; give each its own name", line)
    return tuple(names)


def _undecodable(path: Path, line: int, encoding: str) -> ImportFailed:
    return failed(path, f"is no text in the encoding {encoding!r}; save the file as UTF-8 or name its encoding", line)
