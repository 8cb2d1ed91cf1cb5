"""Where the fields of a record come from: the words under `fields` of a mapping, and the values that they become."""

import json
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from functools import cache
from typing import Any, get_args

import attrs

from crmkit.errors import choices
from crmkit.io.cells import AUTO, ISO, READABLE, CellReader, Conventions, cell_reader, check_format, tidy
from crmkit.io.dates import DAY_FIRST, MONTH_FIRST
from crmkit.io.formats.row import Row
from crmkit.io.numbers import COMMA, PLAIN, POINT
from crmkit.io.toml import Table
from crmkit.model import Deal, FieldInfo, Money, Pipeline, Record, Transition, fields
from crmkit.model.contact_point import ContactKind
from crmkit.model.money import decimals

CELLS = "cells"
"""In place of a currency: amounts name their own."""

POINTS = "contact_points"
_FORMAT = "'auto', 'iso', 'day first', 'month first' or a format such as '%d.%m.%Y'"
_NUMBERS = "'auto', '1234.5', '1,234.5' or '1.234,5'"
_STYLES = (AUTO, PLAIN, POINT, COMMA)
_KINDS: tuple[str, ...] = get_args(ContactKind)
_PARTS = ("city", "region", "postcode", "country")

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

    longest: int = attrs.field(init=False, eq=False, repr=False)
    """How long the longest placeholder is."""

    @longest.default
    def _longest(self) -> int:
        return max(map(len, self.empty), default=0)

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
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return str(cell).lower()
    if isinstance(cell, float):
        return str(int(cell)) if cell.is_integer() and abs(cell) < 2**53 else repr(cell)
    if isinstance(cell, Decimal):
        return format(cell, "f")
    if isinstance(cell, datetime) and not cell.tzinfo and cell.time() == datetime.min.time():
        return cell.date().isoformat()
    if isinstance(cell, date):
        return cell.isoformat()
    if isinstance(cell, list | tuple | set | frozenset):
        return "; ".join(filter(None, map(cell_text, cell)))
    return tidy(json.dumps(cell, ensure_ascii=False, default=str)) if isinstance(cell, dict) else tidy(str(cell))


@cache
def _money_reader(info: FieldInfo, conventions: Conventions, currency: str) -> CellReader | None:
    try:
        decimals(currency)
        Money(0, currency)
    except ValueError:
        return None
    return cell_reader(info.shape, attrs.evolve(conventions, currency=currency))


@attrs.frozen(kw_only=True)
class Defaults:
    """What the top of a mapping says for all its fields."""

    conventions: Conventions
    currency: str | None
    dates: str
    numbers: str
    placeholders: Placeholders
    pipelines: Sequence[str]


def read_fields(given: Table, cls: type[Record], defaults: Defaults) -> tuple[FieldMapping, ...]:
    """Return where the fields of a class come from, without its contact points."""
    known = {info.name: _linking(cls, info, given) for info in fields(cls) if _is_mappable(cls, info)}
    names = [name for name in given.values if name != POINTS]
    has_points = any(info.name == POINTS for info in fields(cls))
    for name in given.values:
        if name not in known and not (name == POINTS and has_points):
            listed = [*known, POINTS] if has_points else known
            raise given.error(f"{name!r} is no field of {cls.__name__} that a column can fill; {choices(name, listed)}")
    for info in known.values():
        if info.required and info.name not in given.values:
            raise given.error(f"a {cls.__name__} needs {info.name!r}; give a column or a value for it")
    return tuple(_field(given, known[name], defaults) for name in names)


def moment_field(given: Table, column: str, defaults: Defaults) -> FieldMapping:
    """Return how a column is read that holds an instant at which something happened."""
    info = next(info for info in fields(Transition) if info.name == "at")
    return _field(Table({"at": column}, given.place), info, defaults)


def read_points(given: Table, placeholders: Placeholders) -> tuple[PointMapping, ...]:
    """Return where the contact points of a class come from."""
    return tuple(_point(each, placeholders.signs | placeholders.words) for each in given.tables(POINTS))


def read_dates(table: Table, key: str) -> str | None:
    """Return how dates are written, None where it is not said."""
    pattern = table.find_text(key, _FORMAT)
    is_word = pattern in (None, AUTO, ISO, DAY_FIRST, MONTH_FIRST)
    fault = None if is_word else check_format(pattern or "")
    if fault:
        raise table.error(f"{key} {pattern!r} cannot be used: {fault}; give {_FORMAT}")
    return pattern


def read_numbers(table: Table) -> str | None:
    """Return how numbers are written, None where it is not said."""
    style = table.find_text("numbers", _NUMBERS)
    if style is not None and style not in _STYLES:
        raise table.error(f"numbers {style!r} is not known; give {_NUMBERS}")
    return style


def read_currency(table: Table) -> str | None:
    """Return a currency or "cells", None where it is not said."""
    accepted = "three capital letters such as 'PLN', or 'cells' where amounts name their own"
    code = table.find_text("currency", accepted)
    try:
        return code if code in (None, CELLS) else Money(0, code).currency
    except ValueError:
        raise table.error(f"currency {code!r} is no code; give {accepted}") from None


def _linking(cls: type[Record], info: FieldInfo, given: Table) -> FieldInfo:
    """The field; that of a transition that tells what it is about links to the class that `subject` states."""
    subject = given.values.get("subject")
    if cls is Transition and info.name == "subject_id" and isinstance(subject, dict):
        return attrs.evolve(info, links=subject.get("value"))
    return info


def _is_mappable(cls: type[Record], info: FieldInfo) -> bool:
    """The id follows from the key of the row, and the category of a deal from its stage."""
    follows = info.name == "id" or (cls is Deal and info.name == "category")
    return info.shape.kind in READABLE and not follows


def _field(given: Table, info: FieldInfo, defaults: Defaults) -> FieldMapping:
    source = given.values[info.name]
    words = source if isinstance(source, dict) else {"columns" if isinstance(source, list) else "column": source}
    own = Table(words, f"{given.place}.{info.name}")
    own.check_keys(
        "column", "columns", "join", "value", "replace", "others", "otherwise", "format", "numbers", "percent", "split",
        "currency", "currency_column", "prefix", "lenient",
    )  # fmt: skip
    made = FieldMapping(
        info=info,
        columns=() if "value" in words else _columns(own),
        value=None,
        replace=_replace(own),
        conventions=_conventions(own, info, defaults),
        join=" " if (join := own.find("join", str, "what stands between the columns")) is None else join,
        others=own.find_text("others", "what every other text means"),
        otherwise=_otherwise(own),
        lenient=own.find("lenient", bool, "true or false") or False,
        currency_column=own.find_text("currency_column", "the name of a column"),
        prefix=_prefix(own, info),
        empty=defaults.placeholders.of(info),
        needs_dates=info.shape.kind in ("day", "instant") and (read_dates(own, "format") or defaults.dates) == AUTO,
        needs_numbers=_is_number(info) and (read_numbers(own) or defaults.numbers) == AUTO,
    )
    return attrs.evolve(made, value=_constant(own, made, defaults.pipelines)) if "value" in words else made


def _otherwise(own: Table) -> tuple[str, ...]:
    if isinstance(own.values.get("otherwise"), list):
        return own.texts("otherwise", "the names of columns")
    column = own.find_text("otherwise", "the name of a column, or a list of them")
    return (column,) if column else ()


def _prefix(own: Table, info: FieldInfo) -> str:
    if "prefix" in own.values and not info.links:
        raise own.error("only a link has a prefix; leave it out")
    return own.find("prefix", str, "what stands before the keys of the linked file") or ""


def _is_number(info: FieldInfo) -> bool:
    return info.shape.kind in ("integer", "number", "decimal", "money")


def _columns(own: Table) -> tuple[str, ...]:
    if "columns" not in own.values:
        return (own.text("column", "the name of a column, or a value for every row"),)
    if "column" in own.values:
        raise own.error("'column' and 'columns' are both given; give one of them")
    names = own.texts("columns", "a list of columns")
    if not names:
        raise own.error("'columns' is empty; give the names of columns")
    return names


def _conventions(own: Table, info: FieldInfo, defaults: Defaults) -> Conventions:
    kind, values = info.shape.kind, own.values
    if "format" in values and kind not in ("day", "instant"):
        raise own.error("only a date or a time has a format; leave it out")
    if {"currency", "currency_column"} & values.keys() and kind != "money":
        raise own.error("only an amount of money has a currency; leave it out")
    currency = read_currency(own) or defaults.currency
    if kind == "money" and currency is None and "currency_column" not in values:
        raise own.error("an amount needs a currency; give one at the top of the file, such as currency = 'PLN'")
    dates, numbers = read_dates(own, "format") or defaults.dates, read_numbers(own) or defaults.numbers
    return attrs.evolve(
        defaults.conventions,
        currency=None if currency == CELLS else currency,
        dates=dates,
        numbers=POINT if numbers == AUTO else numbers,
        percent=own.find("percent", bool, "true or false") or False,
        split=own.find("split", str, "what stands between the texts of one cell") or None,
    )


def _constant(own: Table, made: FieldMapping, pipelines: Sequence[str]) -> str:
    own.check_keys("value", "format", "currency")
    value = _text(own, own.values["value"])
    if not value:
        raise own.error("the value is blank; leave the field out")
    if made.info.links == Pipeline.__name__ and value not in pipelines:
        raise own.error(f"no pipeline has the id {value!r}; {choices(value, pipelines)}")
    if made.info.links is None and made.reader.parse(value) is None:
        raise own.error(f"the value {value!r} does not fit; give {made.reader.accepted}")
    return value


def _replace(own: Table) -> Mapping[str, str]:
    found = own.table("replace")
    return {tidy(before): _text(found, after) for before, after in found.values.items()}


def _text(own: Table, found: object) -> str:
    """A value of the mapping as a cell would show it."""
    if isinstance(found, bool):
        return str(found).lower()
    if isinstance(found, str | int | float):
        return tidy(str(found))
    raise own.error(f"a value is of the type {type(found).__name__}; give text, a number, true or false")


def _point(own: Table, empty: frozenset[str]) -> PointMapping:
    own.check_keys("kind", "column", "lines", *_PARTS, "label", "primary", "split")
    kind = own.text("kind", f"one of {', '.join(map(repr, _KINDS))}")
    if kind not in _KINDS:
        raise own.error(f"kind {kind!r} is none; {choices(kind, _KINDS)}")
    lines = own.texts("lines", "a list of columns")
    parts = {name: column for name in _PARTS if (column := own.find_text(name, "the name of a column"))}
    column = own.find_text("column", "the name of a column")
    if (lines or parts) and kind != "address":
        raise own.error("only an address has lines and parts; give the column of this one")
    if (column is None) == (not lines and not parts):
        raise own.error("give the column" + (", or the columns of its parts" if kind == "address" else ""))
    return PointMapping(
        kind=kind,  # type: ignore[arg-type]
        column=column,
        lines=lines,
        parts=parts,
        label=own.find_text("label", "a word such as 'work'"),
        is_primary=own.find("primary", bool, "true or false") or False,
        split=own.find("split", str, "what stands between several in one cell") or None,
        empty=empty,
    )
