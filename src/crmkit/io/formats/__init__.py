"""File formats: one module each, all with `columns(path)` and `read(path)`, and with `write(path, columns, rows)` where that
makes sense.

`for_path` finds the format of a file by what is in it and by its name, `by_name` the one with a name. A module, and the
optional package that it needs, is imported when it is used.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import attrs

from crmkit.errors import InvalidInput, choices
from crmkit.io.formats.files import failed, reading
from crmkit.io.formats.row import Row

__all__ = ["FORMATS", "Format", "Row", "by_name", "for_path"]


@attrs.frozen(kw_only=True)
class Format:
    """A file format: its name, what it is, how the names of its files end, and whether it can be written."""

    name: str
    title: str
    endings: tuple[str, ...]
    module: str
    writes: bool = True
    detects: bool = False

    def columns(self, path: Path | str, **options: Any) -> tuple[str, ...]:
        """Return the names of the columns; see the module of the format for its options and errors."""
        found: tuple[str, ...] = self._load().columns(path, *self._layout(path, options), **options)
        return found

    def read(self, path: Path | str, **options: Any) -> Iterator[Row]:
        """Return the rows of a file one by one; see the module of the format for its options and errors."""
        rows: Iterator[Row] = self._load().read(path, *self._layout(path, options), **options)
        return rows

    def write(
        self, path: Path | str, columns: Sequence[str], rows: Iterable[Mapping[str, Any]], **options: Any
    ) -> None:
        """Write a table; see the module of the format for its options and errors.

        Raises `InvalidInput` for a format that can only be read.
        """
        if not self.writes:
            raise InvalidInput(
                f"{self.title} can only be read; {choices('', [each.name for each in FORMATS if each.writes])}"
            )
        if self.name == "tsv":
            options = {"delimiter": "\t", **options}
        self._load().write(path, columns, rows, **options)

    def _layout(self, path: Path | str, options: Mapping[str, Any]) -> tuple[Any, ...]:
        """How the table is written, for a format of which that must be found out, unless it is stated."""
        return (self._load().detect(path),) if self.detects and not options else ()

    def _load(self) -> ModuleType:
        return import_module(f"crmkit.io.formats.{self.module}")


FORMATS = (
    Format(name="csv", title="CSV", endings=(".csv", ".txt"), module="csv", detects=True),
    Format(name="tsv", title="TSV", endings=(".tsv", ".tab"), module="csv", detects=True),
    Format(name="excel", title="Excel", endings=(".xlsx", ".xls", ".ods", ".xlsm"), module="excel"),
    Format(name="json_lines", title="JSON Lines", endings=(".jsonl", ".ndjson"), module="json_lines"),
    Format(name="json", title="JSON", endings=(".json",), module="json"),
    Format(name="parquet", title="Parquet", endings=(".parquet",), module="parquet"),
    Format(name="vcard", title="vCard", endings=(".vcf", ".vcard"), module="vcard"),
    Format(name="ical", title="iCalendar", endings=(".ics", ".ical"), module="ical"),
    Format(name="mail", title="E-mail", endings=(".eml", ".mbox", ".mbx"), module="mail", writes=False),
    Format(name="calls", title="Call log", endings=(), module="calls", writes=False),
)
"""All formats. A call log looks like any other table, so it is only found by its name."""

_HEAD = 4096
_BEGINNINGS = (
    (b"PK\x03\x04", "excel"),
    (b"\xd0\xcf\x11\xe0", "excel"),
    (b"PAR1", "parquet"),
    (b"BEGIN:VCARD", "vcard"),
    (b"BEGIN:VCALENDAR", "ical"),
    (b"BEGIN:VEVENT", "ical"),
    (b"<!DOCTYPE HTML", "page"),
    (b"<HTML", "page"),
)
_OBJECT_IN_LINE = re.compile(rb"\s*\{[^\r\n]*\}\s*?(\r?\n\s*\{|\r?\n?\s*$)")


def by_name(name: str) -> Format:
    """Return the format of this name; raise `InvalidInput` that lists all for another.

    >>> by_name("csv").title
    'CSV'
    """
    found = next((each for each in FORMATS if each.name == name), None)
    if found is None:
        raise InvalidInput(f"{name!r} is no format; {choices(name, [each.name for each in FORMATS])}")
    return found


def for_path(path: Path | str) -> Format:
    r"""Return the format of a file: by what is in it where that is certain, otherwise by how its name ends.

    So a workbook that is named .csv is read as a workbook, and a text that is named .xls, as some programs export it, as CSV.

    Raises:
        ImportFailed: for a file that cannot be opened, a web page, and a file whose format is not certain; the message lists all.

    >>> import tempfile, pathlib
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "export.xls"
    >>> _ = path.write_text("name\tcity\nAnn\tOslo\n")
    >>> for_path(path).name
    'csv'
    """
    path = Path(path)
    with reading(path, "a file"), path.open("rb") as file:
        head = file.read(_HEAD)
    ending = path.suffix.lower()
    named = next((each for each in FORMATS if ending in each.endings), None)
    name = _told_by(head, named.name if named else "")
    if name == "page":
        raise failed(path, "is a web page; open it in a spreadsheet program and save it as .xlsx or .csv")
    if name:
        return by_name(name)
    if named is None or named.name in ("excel", "parquet"):
        names = choices(ending, [each.name for each in FORMATS])
        fault = "its format is not certain; let its name end as usual, such as .csv or .xlsx, or state the format in a mapping"
        raise failed(path, f"{fault}: {names}")
    return named


def _told_by(head: bytes, named: str) -> str:
    """The name of the format that the first bytes tell, or nothing."""
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    upper = text[:64].upper()
    found = next((name for begin, name in _BEGINNINGS if head.startswith(begin) or upper.startswith(begin)), "")
    if found or named in ("csv", "tsv"):
        return found
    if text.startswith((b"{", b"[")):
        lines = named != "json" and _OBJECT_IN_LINE.match(text + b"\n")
        return "json_lines" if lines or named == "json_lines" else "json"
    return "csv" if named == "excel" and text and b"\0" not in head else ""
