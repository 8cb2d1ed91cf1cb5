"""How a text table is written: its delimiter, its encoding and where its header is."""

import csv
import re
from collections import Counter
from itertools import islice
from pathlib import Path

import attrs

from crmkit.errors import InvalidInput
from crmkit.io.formats.encoding import detect_encoding
from crmkit.io.formats.files import failed, reading
from crmkit.io.formats.header import header_position

_DELIMITERS = ",;\t|"
_SAMPLE_LINES = 500
_SAMPLE_LETTERS = 262_144
_DIRECTIVE = re.compile(r"sep=([^\"\r\n\0])\r?\n?")


@attrs.frozen(kw_only=True)
class Layout:
    """How a text table is written.

    `header_line` is the line of the names of the columns, counted from 1. `guessed` is True where the encoding was told from
    the letters, so that a program can ask before it imports.
    """

    delimiter: str = ","
    encoding: str = "utf-8"
    header_line: int = 1
    guessed: bool = False

    def __attrs_post_init__(self) -> None:
        """Raise `InvalidInput` for what cannot be a delimiter or a line."""
        check_delimiter(self.delimiter)
        if self.header_line < 1:
            raise InvalidInput(f"{self.header_line} cannot be the line of the header; give one from 1")


def check_delimiter(delimiter: str) -> None:
    """Raise `InvalidInput` for what is not one character, or is one that ends cells or lines in another way."""
    if len(delimiter) != 1 or delimiter in '"\r\n\0':
        raise InvalidInput(f"{delimiter!r} cannot be the delimiter; give one character such as ',' or ';'")


def detect(path: Path | str) -> Layout:
    r"""Return how a text table is written, from its first 500 lines; the encoding is told from the whole file.

    The delimiter is the one of `,` `;` tab `|` by which the largest share of records has the same number of cells, two or more; of
    several such the one that makes most cells, then the first of this list. Where none does, the table has one column. A first line
    `sep=;`, as Excel writes it, decides. The header is the first record of that number of cells that fills more than half of them, so
    titles above it are passed over.

    Raises:
        ImportFailed: for a file that cannot be opened, is empty or is no text.
        MissingExtra: where the encoding must be guessed and the extra `encoding` is not installed.

    >>> import tempfile, pathlib
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "contacts.csv"
    >>> _ = path.write_text("Contacts of 2025\n\nName;Spent\nAnn;10,50\nZoë;8,00\n", "utf-16")
    >>> detect(path)
    Layout(delimiter=';', encoding='utf-16', header_line=3, guessed=False)
    """
    path = Path(path)
    with reading(path, "a CSV file"):
        encoding, guessed = detect_encoding(path)
        lines = _sample(path, encoding)
    if not any(line.strip() for line in lines):
        raise failed(path, "is empty; the first line must hold the names of the columns")
    directive = _DIRECTIVE.fullmatch(lines[0])
    delimiter = directive[1] if directive else max(_DELIMITERS, key=lambda each: _regularity(lines, each))
    first = 1 if directive else 0
    header_line = first + _header_line(lines[first:], delimiter)
    return Layout(delimiter=delimiter, encoding=encoding, header_line=header_line, guessed=guessed)


def _sample(path: Path, encoding: str) -> list[str]:
    with path.open(encoding=encoding, errors="replace", newline="") as file:
        text = file.read(_SAMPLE_LETTERS).removeprefix("\ufeff")
    lines = [
        line.replace("\0", "") for line in islice(re.findall("[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+$", text), _SAMPLE_LINES)
    ]
    return lines[:-1] if len(text) == _SAMPLE_LETTERS and len(lines) > 1 else lines


def _records(lines: list[str], delimiter: str) -> list[tuple[int, list[str]]]:
    """The records of the sample, each with its first line; what cannot be read ends them."""
    records, line = [], 1
    reader = csv.reader(lines, delimiter=delimiter)
    try:
        for cells in reader:
            if cells:
                records.append((line, cells))
            line = reader.line_num + 1
    except csv.Error:
        pass
    return records


def _width(records: list[tuple[int, list[str]]]) -> tuple[int, int]:
    """The most frequent number of cells from two, and how many records have it; one where fewer than a quarter have it."""
    counts = Counter(len(cells) for _, cells in records)
    width = max(counts, key=lambda each: (counts[each] if each > 1 else 0, each), default=1)
    return (width, counts[width]) if counts[width] * 4 >= len(records) else (1, counts[1])


def _regularity(lines: list[str], delimiter: str) -> tuple[float, int]:
    records = _records(lines, delimiter)
    width, count = _width(records)
    return (count / len(records), width) if width > 1 else (0, 0)


def _header_line(lines: list[str], delimiter: str) -> int:
    records = [(line, cells) for line, cells in _records(lines, delimiter) if any(cells)]
    width, _ = _width(records)
    if not records:
        return 1
    near = [(line, cells) for line, cells in records if min(width, 2) <= len(cells) and abs(len(cells) - width) <= 1]
    candidates = near or records
    return candidates[header_position([cells[:width] for _, cells in candidates])][0]
