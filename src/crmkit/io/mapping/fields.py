"""Where the fields of a record come from, and how a row is asked for them."""

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from functools import cache
from typing import Any

import attrs

from crmkit.io.formats.row import Row
from crmkit.io.mapping.cells import ISO, CellReader, Conventions, cell_reader, tidy
from crmkit.io.mapping.numbers import PLAIN
from crmkit.model import FieldInfo, Money
from crmkit.model.contact_point import ContactKind
from crmkit.model.money import decimals

_SIGNS = {"-", "--", "\u2013", "\u2014", "n/a", "#n/a", "(blank)", "(none)"}
_WORDS = {"null", "none", "nil", "nan", "select", "-none-", "not set", "undefined"}


@attrs.frozen(kw_only=True)
class Placeholders:
    """The texts that stand for an empty cell, whatever their capitals.

    Words such as "None" are so outside of the fields that tell who it is alone, because people are called so.
    """

    signs: frozenset[str] = frozenset(_SIGNS)
    words: frozenset[str] = frozenset(_WORDS)

    def of(self, info: FieldInfo | None) -> frozenset[str]:
        """Return the texts that mean nothing in one field, or in a column that is kept as it is for None."""
        return self.signs if info is not None and info.category == "identity" else self.signs | self.words


@attrs.frozen(kw_only=True)
class FieldMapping:
    """Where a field comes from: `columns` of a file, joined, or one `value` for all its rows; just one of them is there.

    `replace` maps texts of whole cells to what they mean, and `others` is what every other text means. A row that says nothing takes
    the first column of `otherwise` that is filled. `currency_column` holds the currencies of amounts; `prefix` stands before the keys of a link. With
    `lenient` a cell that does not fit is kept in `custom` instead.
    """

    info: FieldInfo
    columns: tuple[str, ...]
    value: str | None
    replace: Mapping[str, str]
    conventions: Conventions
    join: str = " "
    others: str | None = None
    otherwise: tuple[str, ...] = ()
    currency_column: str | None = None
    prefix: str = ""
    lenient: bool = False
    empty: frozenset[str] = frozenset()
    needs_dates: bool = False
    needs_numbers: bool = False
    reader: CellReader = attrs.field(init=False, eq=False, repr=False)
    exact: CellReader = attrs.field(init=False, eq=False, repr=False)
    """How a typed cell is read, which was never written by hand."""

    @reader.default
    def _reader(self) -> CellReader:
        return self._with_accepted(cell_reader(self.info.shape, self.conventions))

    @exact.default
    def _exact(self) -> CellReader:
        plain = attrs.evolve(self.conventions, dates=ISO, numbers=PLAIN)
        return self._with_accepted(cell_reader(self.info.shape, plain))

    def _with_accepted(self, reader: CellReader) -> CellReader:
        links = self.info.links
        return attrs.evolve(reader, accepted=f"the key of one {links}") if links else reader

    @property
    def is_plain(self) -> bool:
        """Whether the field is the text of one column, and nothing else decides about it."""
        more = self.replace or self.others or self.otherwise or self.currency_column or self.prefix or self.info.links
        return len(self.columns) == 1 and not more

    @property
    def is_simple(self) -> bool:
        """Whether texts alone make the value, and the value is kept in one column of a database."""
        return not (self.info.links or self.currency_column or self.lenient or self.info.shape.kind == "money")

    @property
    def column(self) -> str | None:
        """The column that a typed cell is taken from: the only one."""
        return self.columns[0] if len(self.columns) == 1 else None

    @property
    def used(self) -> tuple[str, ...]:
        """All columns that the field is made of."""
        return (*self.columns, *self.otherwise, *filter(None, (self.currency_column,)))

    @property
    def label(self) -> str:
        """The field and its source, for messages."""
        return f"{self.info.name} ({source_label(self.columns) if self.columns else f'value {self.value!r}'})"

    @property
    def kept_as(self) -> str:
        """The name in the field `custom` under which a text is kept that names no record."""
        return self.columns[0] if self.columns else self.info.name

    def text(self, row: Row) -> str:
        """Return what a row says, tidied and replaced; "" where it says nothing."""
        if not self.columns:
            return self.value or ""
        cells = row.values
        if len(self.columns) == 1:
            cell = cells.get(self.columns[0])
            text = tidy(cell) if cell.__class__ is str else cell_text(cell)
        else:
            text = self.join.join(part for each in self.columns if (part := cell_text(cells.get(each))))
        if text and text.casefold() in self.empty:
            text = ""
        if self.replace or self.others is not None:
            text = self.replace.get(text, text if self.others is None or not text else self.others)
        if not text and self.otherwise:
            text = next(filter(None, (cell_text(cells.get(each)) for each in self.otherwise)), "")
        return self.prefix + text if self.prefix and text else text

    def parse(self, text: str, row: Row) -> Any:
        """Return the value that the text of a row means, None where it does not fit."""
        if self.currency_column is not None:
            currency = cell_text(row.values.get(self.currency_column)).upper()
            reader = _money_reader(self.info, self.conventions, currency) if currency else self.reader
            return reader.parse(text) if reader else None
        column = self.column
        is_typed = column is not None and row.values.get(column).__class__ is not str
        return (self.exact if is_typed and not self.replace else self.reader).parse(text)


@attrs.frozen(kw_only=True)
class PointMapping:
    """Where a contact point comes from: a `column`, or the parts of an address."""

    kind: ContactKind
    column: str | None
    lines: tuple[str, ...] = ()
    parts: Mapping[str, str] = attrs.field(factory=dict)
    label: str | None = None
    is_primary: bool = False
    split: str | None = None
    empty: frozenset[str] = frozenset()

    @property
    def used(self) -> tuple[str, ...]:
        """All columns that the point is made of."""
        return (*filter(None, (self.column,)), *self.lines, *self.parts.values())


@attrs.frozen(kw_only=True)
class EntryMapping:
    """The column that holds when a deal entered a stage."""

    stage: str
    moment: FieldMapping


def source_label(columns: Sequence[str]) -> str:
    """Name columns in a message.

    >>> source_label(["First", "Last"])
    "columns 'First', 'Last'"
    """
    return f"column{'s' if len(columns) > 1 else ''} {', '.join(map(repr, columns))}"


def cell_text(cell: Any) -> str:
    """Return a cell of any type as tidy text that the plain readers understand; "" for an empty one.

    >>> cell_text(5.0), cell_text(None), cell_text(True), cell_text(["a", "b"]), cell_text(date(2025, 1, 31))
    ('5', '', 'true', 'a; b', '2025-01-31')
    """
    if isinstance(cell, str):
        return tidy(cell)
    write = next((write for kind, write in _TEXTS if isinstance(cell, kind)), None)
    return write(cell) if write else tidy(str(cell))


def _number_text(cell: float) -> str:
    return str(int(cell)) if cell.is_integer() and abs(cell) < _EXACT else repr(cell)


def _decimal_text(cell: Decimal) -> str:
    return format(cell, "f") if abs(cell.adjusted()) < _DIGITS else str(cell)


def _moment_text(cell: date) -> str:
    is_day = isinstance(cell, datetime) and not cell.tzinfo and cell.time() == time()
    return cell.isoformat()[: len("2025-12-31")] if is_day else cell.isoformat()


_EXACT = 2**53
_DIGITS = 40
"""A number of more digits is left as it is, because written out it might fill the memory."""
_TEXTS: tuple[tuple[Any, Callable[[Any], str]], ...] = (
    (type(None), lambda _: ""),
    (bool, lambda cell: str(cell).lower()),
    (float, _number_text),
    (Decimal, _decimal_text),
    (date, _moment_text),
    ((list, tuple, set, frozenset), lambda cell: "; ".join(filter(None, map(cell_text, cell)))),
    (dict, lambda cell: tidy(json.dumps(cell, ensure_ascii=False, default=str))),
)
"""How cells of a type are written as text; a bool is an int and a datetime is a date."""


@cache
def _money_reader(info: FieldInfo, conventions: Conventions, currency: str) -> CellReader | None:
    try:
        decimals(currency)
        Money(0, currency)
    except ValueError:
        return None
    return cell_reader(info.shape, attrs.evolve(conventions, currency=currency))
