"""JSON Lines: one object in each line."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from crmkit.io.formats import json_values
from crmkit.io.formats.files import LONGEST_LINE, cells, check_columns, failed, reading, replacing
from crmkit.io.formats.row import Row

_KIND = "a file with one JSON object in each line"


def columns(path: Path | str) -> tuple[str, ...]:
    """Return the names in all objects of the file, in the order in which they first stand there; none for an empty file.

    Raises `ImportFailed` as `read` does.
    """
    return tuple(dict.fromkeys(name for row in read(path) for name in row.values))


def read(path: Path | str) -> Iterator[Row]:
    r"""Yield the objects as rows, in order; nothing for an empty file.

    Cells are text, bool, int, Decimal for numbers with decimals, None, lists and mappings. Blank lines are skipped. A line that
    is no object, is no UTF-8, has a name twice or a number that is not finite comes with a fault.

    Raises `ImportFailed` on the first row for a file that cannot be opened or whose first line is no JSON, and for a line of
    more than 4 million bytes.

    >>> import tempfile, pathlib
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "deals.jsonl"
    >>> _ = path.write_text('{"name": "Ann", "amount": 10.50}\n')
    >>> [dict(row.values) for row in read(path)]
    [{'name': 'Ann', 'amount': Decimal('10.50')}]
    """
    path = Path(path)
    with reading(path, _KIND), path.open("rb") as file:
        yield from _numbered(iter(lambda: file.readline(LONGEST_LINE), b""), path)


def _numbered(lines: Iterator[bytes], path: Path) -> Iterator[Row]:
    certain = False
    for line, content in enumerate(lines, start=1):
        if len(content) == LONGEST_LINE:
            raise failed(path, f"is longer than {LONGEST_LINE:,} bytes; write each object in a line of its own", line)
        if not content.strip(b" \t\r\n\xef\xbb\xbf"):
            continue
        try:
            row = json_values.row(line, json_values.decode(content.decode("utf-8-sig" if line == 1 else "utf-8")))
        except ValueError:
            if not certain:
                raise failed(path, f"is no JSON; give {_KIND}", line) from None
            row = Row(line, {}, f"cannot be read; give {json_values.ACCEPTED}")
        certain = True
        yield row


def write(path: Path | str, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
    """Write one object in each line, whole or not at all: a failure leaves what was there before.

    Dates and instants are written as ISO 8601 says, decimals as numbers or, where a binary number would change them, as text.
    Objects hold
    what their row holds: a cell that is missing stays missing, one that is None becomes null.

    Raises `InvalidInput` for blank or repeated columns, a cell of no column, a value that JSON cannot hold (infinity and NaN
    too), and a path that cannot be written.
    """
    check_columns(columns)
    with replacing(path) as part, part.open("w", encoding="utf-8", newline="\n") as file:
        for place, row in enumerate(rows, start=1):
            made = dict(zip(columns, cells(columns, row, place, json_values.cell), strict=True))
            file.write(json_values.encode({name: made[name] for name in columns if name in row}) + "\n")
