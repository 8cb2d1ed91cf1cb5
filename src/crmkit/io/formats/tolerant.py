"""Text tables as they really are: every row is handed out, and one that does not fit says why."""

import csv
import re
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import TextIO

import attrs

from crmkit.io.formats.files import LONGEST_LINE, failed, reading
from crmkit.io.formats.formulas import unmark
from crmkit.io.formats.header import column_names
from crmkit.io.formats.layout import Layout
from crmkit.io.formats.row import Row

_MOST_UNREADABLE = 100
_LONGEST_RECORD = 2**19
_NO_TEXT = re.compile("[\ud800-\udfff\0]")


def rules() -> str:
    """Return what a record must keep to, as the end of a sentence."""
    limit = f"a cell has at most {csv.field_size_limit():,} characters"
    return f"a quote that is opened must be closed, a quote inside quotes is written twice, and {limit}"


def columns(path: Path, layout: Layout) -> tuple[str, ...]:
    """Return the names of the columns, each once."""
    with closing(records(path, layout)) as found:
        return _header(path, layout, found)


def read(path: Path, layout: Layout) -> Iterator[Row]:
    """Yield the rows below the header, those that do not fit with their fault."""
    with closing(records(path, layout)) as found:
        header = _header(path, layout, found)
        named = [*header]
        for record in found:
            cells = record.cells
            while len(cells) > len(header) and not cells[-1].strip():
                cells.pop()
            if len(cells) > len(named):
                named = list(column_names([*header, *[None] * (len(cells) - len(header))]))
            yield Row(record.line, dict(zip(named, cells, strict=False)), record.fault or _misfit(cells, header))


def _misfit(cells: list[str], header: Sequence[str]) -> str | None:
    if len(cells) != len(header):
        return f"the header has {len(header)} columns, but this row has {len(cells)}"
    if cells[0].strip() == header[0] and [cell.strip() for cell in cells] == list(header):
        return "repeats the header"
    return None


@attrs.define
class Record:
    """The cells of one record with its first line, and what is wrong with it."""

    line: int
    cells: list[str]
    fault: str | None = None


class _Lines:
    """The lines of a file, of which those of the record that is being read can be taken back."""

    def __init__(self, file: TextIO, path: Path) -> None:
        self._file, self._path = file, path
        self._again: deque[str] = deque()
        self._size = 0
        self.first = 1
        self.taken: list[str] = []

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._again.popleft() if self._again else self._file.readline(LONGEST_LINE)
        if not line:
            raise StopIteration
        self._size += len(line)
        if len(line) == LONGEST_LINE:
            fault = f"is longer than {LONGEST_LINE:,} characters, so this is no table"
            raise failed(self._path, fault, self.first + len(self.taken))
        self.taken.append(line)
        if self._size > _LONGEST_RECORD and len(self.taken) > 1:
            raise csv.Error("the record is too long")
        return line

    def finish(self, count: int | None = None) -> list[str]:
        """Count so many of the lines that were taken, or all, as read, return them, and give the others back."""
        done = self.taken[:count]
        self._again.extendleft(reversed(self.taken[len(done) :]))
        self.first += len(done)
        self.taken, self._size = [], 0
        return done


def records(path: Path, layout: Layout) -> Generator[Record, None, None]:
    """Yield the records from the line of the header on, that one too."""
    try:
        with (
            reading(path, "a CSV file"),
            path.open(encoding=layout.encoding, errors="surrogateescape", newline="") as file,
        ):
            lines = _Lines(file, path)
            if file.read(1) != "\ufeff":
                file.seek(0)
            # What stands above the header is no table, so its quotes mean nothing.
            for _ in range(layout.header_line - 1):
                next(lines, None)
                lines.finish()
            yield from _split(lines, path, layout)
    except LookupError:
        raise failed(path, f"{layout.encoding!r} is no encoding; give one such as 'utf-8' or 'cp1252'") from None
    except UnicodeError:
        raise failed(path, f"is no text in the encoding {layout.encoding!r}; save the file as UTF-8") from None


def _split(lines: _Lines, path: Path, layout: Layout) -> Iterator[Record]:
    unreadable = 0
    while True:
        try:
            for cells in csv.reader(lines, delimiter=layout.delimiter, strict=True):
                line, text = lines.first, lines.finish()
                if any(cells):
                    yield _record(line, cells, text, layout)
        except csv.Error as error:
            # The fault may be a quote that swallows what follows, so only the first line is given up.
            line, text = lines.first, lines.finish(1)
            unreadable += 1
            if unreadable > _MOST_UNREADABLE:
                fault = (
                    f"more than {_MOST_UNREADABLE} records of this file cannot be read, this one is the last; {rules()}"
                )
                raise failed(path, fault, line) from None
            yield Record(line, [_clean(text[0].rstrip("\r\n"))], f"cannot be read ({error}); {rules()}")
        else:
            return


def _record(line: int, cells: list[str], text: list[str], layout: Layout) -> Record:
    cells = [unmark(cell) if cell[:1] == "'" else cell for cell in cells]
    if all(map(_is_text, text)):
        return Record(line, cells)
    fault = f"holds bytes that are no text in the encoding {layout.encoding!r}"
    return Record(line, [_clean(cell) for cell in cells], fault)


def _is_text(line: str) -> bool:
    return (line.isascii() and "\0" not in line) or not _NO_TEXT.search(line)


def _clean(text: str) -> str:
    return _NO_TEXT.sub("\N{REPLACEMENT CHARACTER}", text)


def _header(path: Path, layout: Layout, records: Iterator[Record]) -> tuple[str, ...]:
    record = next(records, None)
    if record is None:
        raise failed(path, "is empty; the first line must hold the names of the columns", layout.header_line)
    if record.fault:
        raise failed(path, f"the header {record.fault}", record.line)
    return column_names(record.cells)
