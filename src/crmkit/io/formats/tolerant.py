"""Text tables as they really are: every row is handed out, and one that does not fit says why."""

import csv
import re
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from io import StringIO
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
_BLOCK = 2**16
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
        named, width = [*header], len(header)
        for record in found:
            cells = record.cells
            if len(cells) == width and record.fault is None and cells[0].strip() != header[0]:
                yield Row(record.line, dict(zip(header, cells, strict=True)))
                continue
            while len(cells) > width and not cells[-1].strip():
                cells.pop()
            if len(cells) > len(named):
                named = list(column_names([*header, *[None] * (len(cells) - width)]))
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
    """The lines of a file in blocks, of which those that are not used up come again."""

    def __init__(self, file: TextIO, path: Path) -> None:
        self._file, self._path = file, path
        self.first = 1
        """The number of the first line of `block`."""
        self.block: list[str] = []
        """Lines that were read and are not used up."""

    def fill(self) -> bool:
        """Read more lines into the block, and return whether there were any."""
        text = self._file.read(_BLOCK)
        if text:
            rest = self._file.readline(LONGEST_LINE)
            text += rest
            self.block += StringIO(text, newline="")
            if len(rest) == LONGEST_LINE:
                fault = f"is longer than {LONGEST_LINE:,} characters, so this is no table"
                raise failed(self._path, fault, self.first + len(self.block) - 1)
        return bool(text)

    def drop(self, count: int) -> None:
        """Use up the first lines of the block."""
        del self.block[:count]
        self.first += count


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
                if lines.block or lines.fill():
                    lines.drop(1)
            yield from _split(lines, path, layout)
    except LookupError:
        raise failed(path, f"{layout.encoding!r} is no encoding; give one such as 'utf-8' or 'cp1252'") from None
    except UnicodeError:
        raise failed(path, f"is no text in the encoding {layout.encoding!r}; save the file as UTF-8") from None


def _split(lines: _Lines, path: Path, layout: Layout) -> Iterator[Record]:
    unreadable = 0
    while lines.block or lines.fill():
        used, fault = yield from _readable(lines, layout)
        unfinished = lines.block[used:]
        lines.drop(used)
        # The last record of a block may go on in the next one.
        if fault and len(unfinished) == fault.lines and sum(map(len, unfinished)) <= _LONGEST_RECORD and lines.fill():
            continue
        if fault:
            # It may be a quote that swallows what follows, so only the first line is given up.
            unreadable += 1
            if unreadable > _MOST_UNREADABLE:
                reason = (
                    f"more than {_MOST_UNREADABLE} records of this file cannot be read, this one is the last; {rules()}"
                )
                raise failed(path, reason, lines.first)
            text = _clean(unfinished[0].rstrip("\r\n"))
            yield Record(lines.first, [text], f"cannot be read ({fault.reason}); {rules()}")
            lines.drop(1)


def _readable(lines: _Lines, layout: Layout) -> Generator[Record, None, tuple[int, "_Fault | None"]]:
    """Yield the records of a block up to the first that cannot be read, and return how many lines they have, and why no more."""
    block, used = lines.block, 0
    whole = "".join(block)
    is_text, has_marks = _is_text(whole), "'" in whole
    reader = csv.reader(block, delimiter=layout.delimiter, strict=True)
    try:
        for cells in reader:
            if any(cells):
                plain = list(map(unmark, cells)) if has_marks else cells
                if is_text or all(map(_is_text, block[used : reader.line_num])):
                    yield Record(lines.first + used, plain)
                else:
                    fault = f"holds bytes that are no text in the encoding {layout.encoding!r}"
                    yield Record(lines.first + used, [_clean(cell) for cell in plain], fault)
            used = reader.line_num
    except csv.Error as error:
        return used, _Fault(str(error), reader.line_num - used)
    return used, None


@attrs.frozen
class _Fault:
    """Why a record cannot be read, and how many lines were looked at."""

    reason: str
    lines: int


def _is_text(lines: str) -> bool:
    try:
        lines.encode()
    except UnicodeEncodeError:
        return False
    return "\0" not in lines


def _clean(text: str) -> str:
    return _NO_TEXT.sub("\N{REPLACEMENT CHARACTER}", text)


def _header(path: Path, layout: Layout, records: Iterator[Record]) -> tuple[str, ...]:
    record = next(records, None)
    if record is None:
        raise failed(path, "is empty; the first line must hold the names of the columns", layout.header_line)
    if record.fault:
        raise failed(path, f"the header {record.fault}", record.line)
    return column_names(record.cells)
