"""What whole columns tell about how their cells are written: the order of dates and the marks in numbers."""

from collections.abc import Iterable, Sequence

import attrs

from crmkit.errors import ImportFailed, choices
from crmkit.io.formats.row import Row
from crmkit.io.mapping.cells import AUTO
from crmkit.io.mapping.dates import DAY_FIRST, MONTH_FIRST, order_told_by
from crmkit.io.mapping.fields import EntryMapping, FieldMapping
from crmkit.io.mapping.files import FileMapping
from crmkit.io.mapping.numbers import COMMA, POINT, style_told_by


def check_columns(file: FileMapping, present: Sequence[str]) -> None:
    """Raise `ImportFailed` for a mapped column that a file does not have."""
    for column in file.columns:
        if column not in present:
            raise ImportFailed(f"{file.path} has no column {column!r}; {choices(column, present)}")


class ColumnEvidence:
    """Looks at all rows of a file before they are read, and tells how its dates and numbers are written.

    The fields of one column are told alike, and each column by itself, because programs write some in one way and some in another.
    """

    def __init__(self, file: FileMapping) -> None:
        """Look for what the mapping leaves open."""
        self._file = file
        self._dates: dict[str, set[str]] = {}
        self._numbers: dict[str, set[str]] = {}
        for field in (*file.fields, *(entry.moment for entry in file.entries)):
            for column in field.columns:
                if field.needs_dates:
                    self._dates[column] = set()
                if field.needs_numbers:
                    self._numbers[column] = set()

    def see(self, row: Row) -> None:
        """Look at one row."""
        for column, shown in self._dates.items():
            cell = row.values.get(column)
            if cell.__class__ is str and cell[4:5] != "-" and (told := order_told_by(cell.strip())):
                shown.add(told)
        for column, shown in self._numbers.items():
            cell = row.values.get(column)
            if cell.__class__ is str and not cell.isdigit() and (told := style_told_by(cell)):
                shown.add(told)

    def resolved(self) -> FileMapping:
        """Return the mapping with what was found out.

        Raises `ImportFailed` for a column whose cells may be read in two ways, and for one that holds both.
        """
        entries = tuple(
            EntryMapping(stage=entry.stage, moment=self._resolved(entry.moment)) for entry in self._file.entries
        )
        return attrs.evolve(self._file, fields=tuple(map(self._resolved, self._file.fields)), entries=entries)

    def _resolved(self, field: FieldMapping) -> FieldMapping:
        conventions = field.conventions
        if field.needs_dates and conventions.dates == AUTO:
            order = self._only(field, self._dates, (DAY_FIRST, MONTH_FIRST), "dates", 'format = "day first"')
            conventions = attrs.evolve(conventions, dates=order or AUTO)
        if field.needs_numbers:
            style = self._only(field, self._numbers, (POINT, COMMA), "numbers", 'numbers = "1,234.5"')
            conventions = attrs.evolve(conventions, numbers=style or POINT)  # type: ignore[arg-type]
        return attrs.evolve(field, conventions=conventions)

    def _only(
        self, field: FieldMapping, evidence: dict[str, set[str]], possible: Iterable[str], what: str, example: str
    ) -> str | None:
        """The one way in which the columns of a field are written, None where it does not matter."""
        shown = set[str]().union(*(evidence.get(column, ()) for column in field.columns))
        found = [each for each in possible if each in shown]
        if len(found) == 1 or not shown:
            return found[0] if found else None
        fault = "are written in both ways, so some of them are wrong" if found else "may be read in two ways"
        words = " or ".join(map(repr, possible))
        raise ImportFailed(
            f"{self._file.path}: the {what} of {field.label} {fault}; state {words}, for the whole mapping as {what} = ... or for "
            f"this field, such as {field.info.name} = {{ column = {field.kept_as!r}, {example} }}"
        )
