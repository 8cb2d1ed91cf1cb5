"""Workbooks: `.xlsx`, `.xls` and `.ods` are read with python-calamine, `.xlsx` is written with XlsxWriter (extra `excel`).

Before python-calamine sees a workbook, `crmkit.io.formats.workbook` has checked that it is none of those that abort the process
or fill its memory.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any

from crmkit.errors import InvalidInput, choices
from crmkit.io.formats.files import cells, check_columns, failed, need, number, plain, reading, replacing
from crmkit.io.formats.header import column_names, header_position
from crmkit.io.formats.row import Row
from crmkit.io.formats.workbook import KIND, check_workbook

_HEADER_ROWS = 50
_MOST_ROWS = 2**20
_LONGEST_TEXT = 32_767
_EXACT = 10**15
_FIRST_DAY = date(1900, 3, 1)
_CREATED = datetime(2000, 1, 1)  # noqa: DTZ001 - a stamp that is always the same, so that equal tables make equal files


def sheets(path: Path | str) -> tuple[str, ...]:
    """Return the names of the sheets that are not hidden, in order.

    Raises `ImportFailed` and `MissingExtra` as `read` does.
    """
    with _opened(Path(path)) as (book, _):
        return _visible(book)


def columns(path: Path | str, *, sheet: str | None = None, header_row: int | None = None) -> tuple[str, ...]:
    """Return the names of the columns of a sheet, each once; none for an empty sheet.

    Raises `ImportFailed` and `MissingExtra` as `read` does.
    """
    with _opened(Path(path)) as (book, errors):
        return _Table(Path(path), book, sheet, header_row, errors).names


def read(path: Path | str, *, sheet: str | None = None, header_row: int | None = None) -> Iterator[Row]:
    """Yield the rows below the header of a sheet, with the numbers that the spreadsheet shows beside them.

    Cells are text, bool, int (numbers without decimals), float, date, datetime (without a time zone, as workbooks know none;
    the calendar from 1904 is taken into account) or None. Times of a day and durations come as text such as 12:30:00. The value
    of merged cells is in each of them. Blank rows are skipped. Rows come with a fault where they repeat the header, and in
    `.xlsx` where a cell holds an error such as #N/A, which is None then; other workbooks do not tell errors from empty cells.

    Args:
        path: the workbook, of at most 128 MiB, 512 MiB inflated and 16 million cells. It is held in memory.
        sheet: the name of the sheet; without it the first one that is not hidden and not empty.
        header_row: the number of the row with the names of the columns; without it the first one of 50 that fills more than
            half as many cells as the fullest one.

    Raises:
        ImportFailed: on the first row, for a file that cannot be opened, is no workbook, is damaged, locked by a password, hostile or
            too large, and for a sheet that is not there.
        MissingExtra: where the extra `excel` is not installed.
    """
    with _opened(Path(path)) as (book, errors):
        yield from _Table(Path(path), book, sheet, header_row, errors).rows()


def write(
    path: Path | str, columns: Sequence[str], rows: Iterable[Mapping[str, Any]], *, sheet: str = "Sheet1"
) -> None:
    """Write an `.xlsx` with one sheet row by row, whole or not at all: a failure leaves what was there before.

    Text is always a cell of text, so nothing becomes a formula or a link. Whole numbers of more than 15 digits, decimals that a
    binary number cannot hold, days before March 1900 and instants with an offset are written as text, as a workbook would
    change them.

    Args:
        path: the file, which is replaced.
        columns: the names of the columns in their order.
        rows: for each row its cells by column.
        sheet: the name of the sheet.

    Raises:
        InvalidInput: for blank or repeated columns, a cell of no column, a value of another type (infinity and NaN too), text of
            more than 32,767 characters, more than 1,048,575 rows, a name that no sheet can have, and a path that cannot be
            written.
        MissingExtra: where the extra `excel` is not installed.

    >>> import tempfile, pathlib
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "out.xlsx"
    >>> write(path, ["name", "balance"], [{"name": "=1+1", "balance": -5}])
    >>> [dict(row.values) for row in read(path)]
    [{'name': '=1+1', 'balance': -5}]
    """
    library = need("xlsxwriter", "excel")
    check_columns(columns)
    with replacing(path) as part:
        options = {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
        book = library.Workbook(str(part), options)
        book.set_properties({"created": _CREATED})
        try:
            page = book.add_worksheet(sheet)
            for place, name in enumerate(columns):
                page.write_string(0, place, _text(name))
            _write_rows(book, page, columns, rows)
        except library.exceptions.XlsxWriterException:
            raise InvalidInput(
                "a sheet has a name of at most 31 characters without []:*?/\\ ; give another one"
            ) from None
        finally:
            _finish(book, library, path)


def _finish(book: Any, library: Any, path: Path | str) -> None:
    """Close a workbook, also one that is given up, as its rows stand in a temporary file until then."""
    try:
        book.close()
    except library.exceptions.FileCreateError:
        raise InvalidInput(f"{path}: cannot be written; give a path in a folder that may be written") from None


def _write_rows(book: Any, page: Any, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
    day, moment = (book.add_format({"num_format": form}) for form in ("yyyy-mm-dd", "yyyy-mm-dd hh:mm:ss"))
    for line, row in enumerate(rows, start=1):
        if line == _MOST_ROWS:
            raise InvalidInput(f"a sheet holds at most {_MOST_ROWS - 1:,} rows; write several files, or CSV")
        for place, value in enumerate(cells(columns, row, line, _cell)):
            if isinstance(value, str):
                page.write_string(line, place, value)
            elif isinstance(value, date):
                page.write_datetime(line, place, value, moment if isinstance(value, datetime) else day)
            elif value is not None:
                page.write(line, place, value)


def _cell(value: Any) -> Any:
    if isinstance(value, str):
        return _text(value)
    plain(value)
    if isinstance(value, date):
        return value if _fits_calendar(value) else value.isoformat()
    if isinstance(value, Decimal):
        return number(value)
    if isinstance(value, int) and abs(value) >= _EXACT:
        return str(value)
    return value


def _fits_calendar(value: date) -> bool:
    if not isinstance(value, datetime):
        return value >= _FIRST_DAY
    return value.tzinfo is None and value.date() >= _FIRST_DAY and value.microsecond == 0


def _text(text: str) -> str:
    if len(text) > _LONGEST_TEXT:
        raise InvalidInput(f"a cell of a workbook holds at most {_LONGEST_TEXT:,} characters; write CSV or JSON Lines")
    return text


@contextmanager
def _opened(path: Path) -> Iterator[tuple[Any, Mapping[str, frozenset[tuple[int, int]]]]]:
    library = need("python_calamine", "excel")
    errors = check_workbook(path)
    try:
        with reading(path, KIND):
            book = library.CalamineWorkbook.from_path(str(path))
            yield book, errors
            book.close()
    except library.PasswordError:
        raise failed(path, "is locked by a password; save it without one") from None
    except BaseException as error:
        # What Rust calls a panic is no Exception and has no class to import.
        if not isinstance(error, library.CalamineError) and type(error).__name__ != "PanicException":
            raise
        raise failed(path, "is damaged or no workbook; save it again with a spreadsheet program") from None


def _visible(book: Any) -> tuple[str, ...]:
    tables = (each for each in book.sheets_metadata if str(each.typ).endswith(".WorkSheet"))
    return tuple(each.name for each in tables if str(each.visible).endswith(".Visible"))


class _Table:
    """A sheet with the place of its header."""

    def __init__(
        self,
        path: Path,
        book: Any,
        sheet: str | None,
        header_row: int | None,
        errors: Mapping[str, frozenset[tuple[int, int]]],
    ) -> None:
        self._sheet = _sheet(path, book, sheet)
        start = self._sheet.start or (0, 0)
        self._left = start[1]
        self._errors = errors.get(self._sheet.name, frozenset())
        head = list(islice(self._sheet.iter_rows(), start[0] + _HEADER_ROWS))
        first = start[0] + header_position(head[start[0] :]) if header_row is None else header_row - 1
        height = self._sheet.end[0] + 1 if self._sheet.end else 0
        if header_row is not None and not 0 <= first < height:
            raise failed(path, f"the sheet {self._sheet.name!r} has no row {header_row}; it has {height} rows")
        self._first = first
        header = [_value(cell) for cell in next(islice(self._sheet.iter_rows(), first, None), [])]
        self._kept = self._used(column_names(header), header)
        self.names = tuple(name for _, name in self._kept)

    def rows(self) -> Iterator[Row]:
        for index, found in islice(enumerate(_unmerged(self._sheet, self._left)), self._first + 1, None):
            values = {name: _value(found[place]) for place, name in self._kept}
            broken = self._errors and [
                name for place, name in self._kept if (index, place + self._left) in self._errors
            ]
            if broken:
                fault = f"{', '.join(map(repr, broken))} holds an error such as #N/A; correct the cell in the workbook"
                yield Row(index + 1, values, fault)
            elif any(value is not None for value in values.values()):
                yield Row(index + 1, values, "repeats the header" if self._repeats(values) else None)

    def _repeats(self, values: Mapping[str, Any]) -> bool:
        return all(str(value).strip() == name for name, value in values.items() if value is not None)

    def _used(self, names: Sequence[str], header: Sequence[Any]) -> list[tuple[int, str]]:
        """The columns that have a name or a cell; a sheet is as wide as whatever stands to the right of the table."""
        broken = {column - self._left for row, column in self._errors if row > self._first}
        blank = {place for place, cell in enumerate(header) if cell is None} - broken
        if blank:
            for row in islice(self._sheet.iter_rows(), self._first + 1, None):
                blank -= {place for place in blank if _value(row[place]) is not None}
        return [(place, name) for place, name in enumerate(names) if place not in blank]


def _sheet(path: Path, book: Any, name: str | None) -> Any:
    if name is not None and name not in book.sheet_names:
        raise failed(path, f"has no sheet {name!r}; {choices(name, book.sheet_names)}")
    names = [name] if name is not None else _visible(book)
    if not names:
        raise failed(path, "has no sheet that is not hidden; name the sheet")
    sheets = (book.get_sheet_by_name(each) for each in names)
    return next((each for each in sheets if each.end), None) or book.get_sheet_by_name(names[0])


def _unmerged(sheet: Any, left: int) -> Iterator[list[Any]]:
    """The rows of a sheet with the value of merged cells, which stands in the first of them, in each."""
    areas = dict(sheet.merged_cell_ranges or ())
    lasting: dict[int, tuple[int, Any]] = {}
    for index, row in enumerate(sheet.iter_rows()):
        for place, value in enumerate(row) if areas else ():
            bottom, right = areas.get((index, place + left), (-1, -1))
            if value != "":
                lasting.update(dict.fromkeys(range(place, min(right - left + 1, len(row))), (bottom, value)))
        for place, (bottom, value) in list(lasting.items()):
            if index > bottom:
                del lasting[place]
            else:
                row[place] = value
        yield row


def _value(cell: Any) -> Any:
    if isinstance(cell, float):
        return int(cell) if cell.is_integer() and abs(cell) < _EXACT else cell
    if isinstance(cell, time):
        return cell.isoformat()
    if isinstance(cell, timedelta):
        minutes, seconds = divmod(round(cell.total_seconds()), 60)
        return f"{minutes // 60}:{minutes % 60:02}:{seconds:02}"
    return None if isinstance(cell, str) and not cell.strip() else cell
