"""The cells of a workbook counted from its XML, without keeping any."""

import sys
from collections.abc import Iterable, Mapping
from xml.parsers import expat

Place = tuple[int, int]
"""A row and a column, counted from 0."""

_CONTENT = ("v", "is", "p")
_CELLS = ("table-cell", "covered-table-cell")
_MOST_ERRORS = 100_000
_DIGITS, _LETTERS = 9, 3
"""How long the number of a row and the name of a column may be; no program writes a column right of ZZZ."""


class Refused(Exception):
    """Why a workbook is not opened, as the end of a sentence."""


class SheetScan:
    """Reads the parts of a workbook and adds up the rectangles around the cells of its sheets.

    `.xlsx` writes a cell as `c` with its reference, or after the last one where that is missing; `.ods` writes how often each
    cell and row is repeated. Only cells with content count, as readers drop the others at the edges.
    """

    def __init__(self, most_cells: int) -> None:
        """Take how many cells all sheets together may span."""
        self._most = most_cells
        self._area = 0
        self._titles: dict[str, str] = {}
        self._targets: dict[str, str] = {}
        self._errors: dict[str, set[Place]] = {}

    def read(self, name: str, pieces: Iterable[bytes]) -> None:
        """Read one part; raise `Refused` for one that is no good, or when the cells are too many."""
        pieces = iter(pieces)
        first = next(pieces, b"")
        sheet = _Sheet(self, name.lower())
        parser = expat.ParserCreate()
        parser.StartElementHandler = sheet.start
        parser.StartDoctypeDeclHandler = _refuse_entities
        # Pictures and old drawings are no XML; what a reader could take for a sheet is.
        xml = first.lstrip(b"\xef\xbb\xbf\xff\xfe \t\r\n\0").startswith(b"<") and not name.lower().endswith(".vml")
        try:
            if xml:
                parser.Parse(first)
            for piece in pieces:
                if xml:
                    parser.Parse(piece)
            if xml:
                parser.Parse(b"", True)
        except (expat.ExpatError, LookupError):  # LookupError is an unknown encoding
            raise Refused("holds a damaged part; save it again with a spreadsheet program") from None
        sheet.close()

    def errors(self) -> Mapping[str, frozenset[Place]]:
        """Return the cells that hold errors, by the title of the sheet."""
        named = {
            f"xl/{target.lower().removeprefix('/xl/')}": self._titles.get(key) for key, target in self._targets.items()
        }
        return {title: frozenset(found) for part, found in self._errors.items() if found and (title := named.get(part))}

    def add(self, area: int) -> None:
        """Count the rectangle of a sheet; raise `Refused` where there are too many cells now."""
        self._area += area
        if self._area > self._most:
            fault = f"its cells span more than {self._most:,} cells; remove what stands far from the table, or save it as CSV"
            raise Refused(fault)

    def note(self, tag: str, attributes: Mapping[str, str]) -> None:
        """Remember which part is the sheet of which title."""
        if tag == "sheet" and "name" in attributes:
            key = next((value for name, value in attributes.items() if name.endswith(":id")), "")
            self._titles[key] = attributes["name"]
        elif tag == "Relationship":
            self._targets[attributes.get("Id", "")] = attributes.get("Target", "")

    def note_error(self, part: str, place: Place) -> None:
        """Remember a cell with an error."""
        found = self._errors.setdefault(part, set())
        if len(found) < _MOST_ERRORS:
            found.add(place)


class _Sheet:
    """The cells of one part, told element by element. A workbook has millions of them, so little is done for each."""

    def __init__(self, scan: SheetScan, part: str) -> None:
        self._scan, self._part = scan, part
        self._names: dict[str, str] = {}
        self._columns: dict[str, int] = {}
        self._row = self._column = -1
        self._rows = self._repeated = 1
        self._digits = ""  # of the reference that the row was read from
        self._top = self._left = sys.maxsize
        self._bottom = self._right = -1

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        name = self._names.get(tag)
        if name is None:
            name = self._names[tag] = tag.rpartition(":")[2]
        if name == "c":
            self._cell(attributes)
        elif name in _CONTENT:
            self._keep()
        elif name == "row":
            self._row = _number(attributes.get("r"), self._row + 2) - 1
            self._column, self._digits = -1, ""
        elif name in _CELLS:
            self._repeated = _number(attributes.get("table:number-columns-repeated"), 1)
            self._column += self._repeated
            if any(each.startswith("office:") for each in attributes):
                self._keep()
        elif name == "table-row":
            self._row += self._rows
            self._rows = _number(attributes.get("table:number-rows-repeated"), 1)
            self._column = -1
        elif name == "table":
            self.close()
            self._row, self._rows = -1, 1
        elif name in ("sheet", "Relationship"):
            self._scan.note(name, attributes)

    def close(self) -> None:
        if self._bottom >= 0:
            self._scan.add((self._bottom - self._top + 1) * (self._right - self._left + 1))
        self._top = self._left = sys.maxsize
        self._bottom = self._right = -1

    def _cell(self, attributes: Mapping[str, str]) -> None:
        reference = attributes.get("r")
        if reference is None:
            self._column += 1
        else:
            letters = reference.rstrip("0123456789")
            column = self._columns.get(letters)
            if column is None:
                column = self._columns[letters] = _column(letters)
            self._column = column
            digits = reference[len(letters) :]
            if digits != self._digits:
                self._digits = digits
                self._row = _number(digits, 0) - 1
        if attributes.get("t") == "e":
            self._scan.note_error(self._part, (self._row, self._column))

    def _keep(self) -> None:
        """Stretch the rectangle to the cell that is open, as often as it is repeated."""
        top, right = self._row, self._column
        bottom, left = top + self._rows - 1, right - self._repeated + 1
        if self._top <= top and bottom <= self._bottom and self._left <= left and right <= self._right:
            return
        self._top, self._bottom = min(self._top, top), max(self._bottom, bottom)
        self._left, self._right = min(self._left, left), max(self._right, right)


def _number(text: str | None, otherwise: int) -> int:
    if not text:
        return otherwise
    if not (text.isascii() and text.isdigit() and len(text) <= _DIGITS):
        raise Refused("holds a cell in no row; save it again with a spreadsheet program")
    return int(text)


def _column(letters: str) -> int:
    if not (letters.isascii() and letters.isalpha() and len(letters) <= _LETTERS):
        raise Refused("holds a cell in no column; save it again with a spreadsheet program")
    column = 0
    for letter in letters.upper():
        column = column * 26 + ord(letter) - 64
    return column - 1


def _refuse_entities(*_: object) -> None:
    raise Refused("declares entities, as hostile files do; save it again with a spreadsheet program")
