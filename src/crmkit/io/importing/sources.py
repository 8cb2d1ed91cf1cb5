"""The files of an import: opened in the format that they have, and their damaged rows written back in it."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs

from crmkit.io import formats
from crmkit.io.formats import Format, Row, csv
from crmkit.io.mapping.fields import cell_text
from crmkit.io.mapping.files import FileMapping

REASON = "crmkit: why not imported"
"""The column of a file of rejects that says why; an import passes it over."""

_TEXT = ("csv", "tsv")
_TABLES = ("excel", "json_lines", "json")
_REJECTS = ".rejects"


@attrs.frozen
class Source:
    """A file, its format, and how it is opened."""

    path: Path
    form: Format
    options: Mapping[str, Any]
    layout: csv.Layout | None = None

    @classmethod
    def of(cls, path: Path, file: FileMapping) -> "Source":
        """Find out how a file is opened, as far as the mapping does not say."""
        form = formats.by_name(file.format) if file.format else formats.for_path(path)
        if form.name not in _TEXT:
            return cls(path, form, {"sheet": file.sheet} if file.sheet else {})
        if file.delimiter and file.encoding:
            return cls(path, form, {}, csv.Layout(delimiter=file.delimiter, encoding=file.encoding))
        found = csv.detect(path)
        layout = attrs.evolve(
            found, delimiter=file.delimiter or found.delimiter, encoding=file.encoding or found.encoding
        )
        return cls(path, form, {}, layout)

    def columns(self) -> tuple[str, ...]:
        """Return the names of the columns."""
        if self.layout is not None:
            return csv.columns(self.path, self.layout)
        return self.form.columns(self.path, **self.options)

    def rows(self) -> Iterator[Row]:
        """Return the rows one by one."""
        if self.layout is not None:
            return csv.read(self.path, self.layout)
        return self.form.read(self.path, **self.options)


def rejects_name(name: str) -> str:
    """Return what the file of the rejects of a file is called.

    >>> rejects_name("people.csv"), rejects_name("people.rejects.csv")
    ('people.rejects.csv', 'people.rejects.csv')
    """
    path = Path(original_name(name))
    return str(path.with_name(f"{path.stem}{_REJECTS}{path.suffix}"))


def original_name(name: str) -> str:
    """Return the name of the file whose rejects a file holds, else its own.

    >>> original_name("people.rejects.csv"), original_name("people.csv")
    ('people.csv', 'people.csv')
    """
    path = Path(name)
    return str(path.with_name(path.stem.removesuffix(_REJECTS) + path.suffix))


def write_rejects(
    path: Path, format_name: str, layout: Mapping[str, str], columns: Sequence[str], rows: Iterable[Mapping[str, Any]]
) -> Path:
    """Write rows with their reasons in the format that they came in, else as CSV, and return the path of the file."""
    form = formats.by_name(format_name)
    named = [*columns, REASON]
    path.parent.mkdir(parents=True, exist_ok=True)
    if form.name in _TEXT:
        csv.write(path, named, rows, **layout)
    elif form.name in _TABLES:
        path = path.with_suffix(".xlsx") if form.name == "excel" else path
        form.write(path, named, rows)
    else:
        path = path.with_suffix(".csv")
        texts = ({name: cell_text(cell) for name, cell in row.items()} for row in rows)
        csv.write(path, named, texts)
    return path
