"""JSON: a list of objects, alone or as the only list of one object, as services answer."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from crmkit.io.formats import json_values
from crmkit.io.formats.files import MIB, cells, check_columns, failed, reading, replacing
from crmkit.io.formats.row import Row

_KIND = "a JSON file with a list of objects"
MOST_BYTES = 256 * MIB
"""How large the file may be, as it is held in memory; JSON Lines has no limit."""


def columns(path: Path | str) -> tuple[str, ...]:
    """Return the names in all objects of the file, in the order in which they first stand there; none for an empty list.

    Raises `ImportFailed` as `read` does.
    """
    return tuple(dict.fromkeys(name for row in read(path) for name in row.values))


def read(path: Path | str) -> Iterator[Row]:
    """Yield the objects as rows, numbered from 1; nothing for an empty list.

    Cells are as `json_lines.read` gives them. What is in the list and no object comes with a fault.

    Raises `ImportFailed` on the first row for a file that cannot be opened, has more than 256 MiB, is no JSON in UTF-8, or
    holds no list.

    >>> import tempfile, pathlib
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "answer.json"
    >>> _ = path.write_text('{"total": 1, "results": [{"name": "Ann"}]}')
    >>> [dict(row.values) for row in read(path)]
    [{'name': 'Ann'}]
    """
    path = Path(path)
    with reading(path, _KIND, most=MOST_BYTES):
        content = path.read_bytes()
    try:
        value = json_values.decode(content.decode("utf-8-sig"))
    except ValueError:
        accepted = f"give {_KIND}, each {json_values.ACCEPTED}"
        raise failed(path, f"is no JSON in UTF-8; {accepted}") from None
    for position, each in enumerate(_list(path, value), start=1):
        yield json_values.row(position, each)


def _list(path: Path, value: Any) -> list[Any]:
    if isinstance(value, list):
        return value
    lists = [each for each in value.values() if isinstance(each, list)] if isinstance(value, dict) else []
    if len(lists) != 1:
        raise failed(path, f"holds {len(lists)} lists; give {_KIND}")
    return list(lists[0])


def write(path: Path | str, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
    """Write a list of objects, one in each line, whole or not at all; cells and errors are as in `json_lines.write`."""
    check_columns(columns)
    with replacing(path) as part, part.open("w", encoding="utf-8", newline="\n") as file:
        file.write("[")
        for place, row in enumerate(rows, start=1):
            made = dict(zip(columns, cells(columns, row, place, json_values.cell), strict=True))
            text = json_values.encode({name: made[name] for name in columns if name in row})
            file.write(("\n" if place == 1 else ",\n") + text)
        file.write("\n]\n")
