"""Text tables with delimiters (RFC 4180), read strictly: what is not certain is an error, never a guess.

Errors name the file, the line and what would be accepted. They show names of columns, but never the text of a cell, which may
be personal.
"""

import csv
import re
from collections import Counter
from collections.abc import Generator, Iterator
from contextlib import closing
from pathlib import Path
from typing import TextIO

from crmkit.errors import ImportFailed
from crmkit.io.formats.row import Row

_UNDECODED = re.compile("[\ud800-\udfff]")


def columns(path: Path | str, *, delimiter: str = ",", encoding: str = "utf-8") -> tuple[str, ...]:
    """Return the names of the columns, which stand in the first line that is not blank.

    Raises `ImportFailed` as `read` does.
    """
    with closing(_records(Path(path), delimiter, encoding)) as records:
        return _header(path, records)


def read(path: Path | str, *, delimiter: str = ",", encoding: str = "utf-8") -> Iterator[Row]:
    """Yield the rows below the header in order, their cells exactly as written; nothing for a table without rows.

    Blank lines are skipped. A byte order mark is not part of the first name.

    Args:
        path: the file.
        delimiter: the character between two cells.
        encoding: a name that Python knows, such as "cp1252".

    Raises:
        ImportFailed: on the first row, for a file that cannot be opened, is empty or is no text in this encoding, for blank or
            repeated names of columns, and for a wrong delimiter; on its row, for an unclosed quote, for more or fewer
            cells than columns, and for a cell longer than `csv.field_size_limit()`.
    """
    with closing(_records(Path(path), delimiter, encoding)) as records:
        header = _header(path, records)
        for line, cells in records:
            if len(cells) != len(header):
                found = f"the header has {len(header)} columns, but this row has {len(cells)}"
                raise _failed(path, line, f"{found}; put a text with {delimiter!r} in it in quotes")
            yield Row(line, dict(zip(header, cells, strict=True)))


def _records(path: Path, delimiter: str, encoding: str) -> Generator[tuple[int, list[str]], None, None]:
    """The records that are not blank, each with its first line; `line_num` of the reader is the last one."""
    if len(delimiter) != 1 or delimiter in '"\r\n\0':
        raise ImportFailed(f"{path}: {delimiter!r} cannot be the delimiter; give one character such as ',' or ';'")
    line = 1
    try:
        _check_file(path)
        with path.open(encoding=encoding, errors="surrogateescape", newline="") as file:
            reader = csv.reader(_lines(file, path, encoding), delimiter=delimiter, strict=True)
            for cells in reader:
                if cells:
                    yield line, cells
                line = reader.line_num + 1
    except OSError as error:
        raise ImportFailed(f"{path}: cannot be read ({error.strerror}); give a CSV file that may be read") from None
    except LookupError:
        raise ImportFailed(f"{path}: {encoding!r} is no encoding; give one such as 'utf-8' or 'cp1252'") from None
    except UnicodeError:
        raise _undecodable(path, line, encoding) from None
    except csv.Error as error:
        limit = f"a cell has at most {csv.field_size_limit():,} characters"
        rules = f"a quote that is opened must be closed, a quote inside quotes is written twice, and {limit}"
        raise _failed(path, line, f"the record that begins here cannot be read ({error}); {rules}") from None


def _check_file(path: Path) -> None:
    if not path.is_file():
        found = "is no ordinary file" if path.exists() else "is not there"
        raise ImportFailed(f"{path}: {found}; give the path of a CSV file")


def _lines(file: TextIO, path: Path, encoding: str) -> Iterator[str]:
    for number, line in enumerate(file, start=1):
        if "\0" in line:
            raise _failed(path, number, "holds a NUL character, so this is no text file; save the table as CSV")
        if not line.isascii() and _UNDECODED.search(line):
            raise _undecodable(path, number, encoding)
        yield line.removeprefix("\ufeff") if number == 1 else line


def _header(path: Path | str, records: Iterator[tuple[int, list[str]]]) -> tuple[str, ...]:
    line, names = next(records, (1, []))
    if not names:
        raise ImportFailed(f"{path}: is empty; the first line must hold the names of the columns")
    blank = [str(number) for number, name in enumerate(names, start=1) if not name.strip()]
    if blank:
        raise _failed(path, line, f"no name for column {', '.join(blank)}; name every column")
    repeated = [repr(name) for name, count in Counter(names).items() if count > 1]
    if repeated:
        raise _failed(path, line, f"several columns are named {', '.join(repeated)}; give each its own name")
    return tuple(names)


def _failed(path: Path | str, line: int, fault: str) -> ImportFailed:
    return ImportFailed(f"{path}, line {line}: {fault}")


def _undecodable(path: Path, line: int, encoding: str) -> ImportFailed:
    return _failed(path, line, f"is no text in the encoding {encoding!r}; save the file as UTF-8 or name its encoding")
