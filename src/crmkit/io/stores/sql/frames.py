"""Records as Polars frames, read from the columns of their table without a record in between.

Cells are read as the driver gives them and become what `crmkit.frames.schema` publishes column by column. Every type is declared;
none is guessed from values.
"""

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from functools import cached_property
from typing import Any

import attrs
import polars as pl
import sqlalchemy as sa

from crmkit.errors import StoreError
from crmkit.frames.schema import INSTANT, MONEY, schema
from crmkit.io.stores.queries import check_columns, check_limit
from crmkit.io.stores.sql.cells import DialectName
from crmkit.io.stores.sql.reading import Reader
from crmkit.io.stores.sql.streams import CannotStreamError, stream
from crmkit.io.stores.sql.tables import Prepared
from crmkit.model.money import _DECIMALS as UNUSUAL_DECIMALS
from crmkit.model.money import Money, currency_column
from crmkit.model.records import FieldInfo, Record, fields
from crmkit.model.shape import DECIMAL_DIGITS, DECIMAL_PLACES, Kind

_PAGE_ROWS = 5_000
# Reading through adbc takes a moment to begin, which the rows that come after so many make good.
_MANY = 50_000
_TEXTS = pl.List(pl.String())
_DECIMAL = pl.Decimal(38, DECIMAL_PLACES)
_NINES = Decimal("9" * DECIMAL_DIGITS + "." + "9" * DECIMAL_PLACES)


def batches(reader: Reader, columns: Sequence[str] | None, rows: int) -> Iterator[pl.DataFrame]:
    """See `Frames.batches`. What does not fit raises at once, before the first frame is asked for."""
    check_limit(rows)
    check_columns(reader.cls, columns)
    wanted = [name for name in schema(reader.cls) if columns is None or name in columns]
    return _grouped(_Source(reader, wanted, min(rows, _PAGE_ROWS)).frames(), rows) if wanted else iter([pl.DataFrame()])


def _grouped(frames: Iterable[pl.DataFrame], rows: int) -> Iterator[pl.DataFrame]:
    """The same rows in few frames of at most so many."""
    held, n = list[pl.DataFrame](), 0
    for frame in (part for frame in frames for part in _parts(frame, rows)):
        if n + frame.height > rows:
            yield pl.concat(held, rechunk=True)
            held, n = [], 0
        held.append(frame)
        n += frame.height
    yield pl.concat(held, rechunk=True)


def _parts(frame: pl.DataFrame, rows: int) -> Iterable[pl.DataFrame]:
    return frame.iter_slices(rows) if frame.height > rows else [frame]


@attrs.frozen(slots=False)
class _Source:
    """The rows of a reader, and the columns that are wanted of them."""

    reader: Reader
    wanted: Sequence[str]
    page_rows: int
    _query: sa.Select[Any] = attrs.field(init=False)

    @_query.default
    def _rows_after(self) -> sa.Select[Any]:
        later = self.reader.table.table.c.id > sa.bindparam("last_id", "")
        return sa.select(*map(self._cell, self._given)).where(self.reader.condition, later)

    def _cell(self, name: str) -> sa.ColumnElement[Any]:
        """A column as it is read: as text where drivers give something inexact, or give it slowly."""
        column = self.reader.table.table.c[name]
        if isinstance(column.type, sa.ARRAY):
            return sa.cast(sa.func.array_to_json(column), sa.Text()).label(name)
        return sa.cast(column, sa.Text()).label(name) if isinstance(column.type, sa.Numeric) else column

    @cached_property
    def _page(self) -> Prepared:
        """The next rows by id, as many as `limit` says."""
        by_id = self._query.order_by(self.reader.table.table.c.id)
        return self.reader.table.place.prepared(by_id.limit(sa.bindparam("limit", 1)))

    @property
    def _rest(self) -> Prepared:
        """All other rows: PostgreSQL streams them, which is fastest in no order, and SQLite gives pages."""
        place = self.reader.table.place
        return self._page if place.dialect == "sqlite" else place.prepared(self._query)

    @cached_property
    def _fields(self) -> tuple[FieldInfo, ...]:
        """The fields that are read: the id too, to go on after it."""
        needed = {"id", *self.wanted}
        return tuple(info for info in fields(self.reader.cls) if needed & _columns(info).keys())

    @cached_property
    def _given(self) -> dict[str, pl.DataType]:
        """The columns that are read, and the types of what the driver gives."""
        types = _GIVEN[self.reader.table.place.dialect]
        kinds = {name: kind for info in self._fields for name, kind in _columns(info).items()}
        return {name: types.get(kind, pl.String()) for name, kind in kinds.items()}

    @cached_property
    def _published(self) -> list[pl.Expr]:
        published = {name: expr for info in self._fields for name, expr in self._made(info).items()}
        return [published[name].alias(name) for name in self.wanted]

    def _made(self, info: FieldInfo) -> dict[str, pl.Expr]:
        """The columns of a field as they are published, of those that were read."""
        code = _MADE[self.reader.table.place.dialect].get(info.shape.kind, pl.col)
        made = {name: pl.col(name) for name in _columns(info)} | {info.name: code(info.name)}
        if info.shape.optional or not self.reader.table.table.c[info.name].nullable:
            return made
        # A column that came later is NULL in the rows that were there, whose records have the default of the field.
        defaults = _default(self.reader.cls, info)
        return {name: expr.fill_null(pl.lit(defaults[name])) if name in defaults else expr for name, expr in made.items()}

    def frames(self) -> Iterator[pl.DataFrame]:
        """Go through the rows by frames of any size; at least one, which may be empty."""
        for given in self._read():
            try:
                typed = given.select(pl.col(name).cast(kind) for name, kind in self._given.items())
                yield typed.select(self._published)
            except pl.exceptions.PolarsError:
                raise self._unreadable() from None

    def _read(self) -> Iterator[pl.DataFrame]:
        last_id = yield from self._read_here("", _MANY)
        if last_id is None:
            return
        try:
            yield from stream(self.reader.session, self._rest, last_id)
        except CannotStreamError:
            yield from self._read_here(last_id)

    def _read_here(self, after: str, most: float = float("inf")) -> Generator[pl.DataFrame, None, str | None]:
        """The rows after an id through the store's own driver; returns the last id where there may be more."""
        n, place = 0, list(self._given).index("id")
        while n < most:
            rows = self.reader.session.rows(self._page.sql, self._page.values(last_id=after, limit=self.page_rows))
            if rows or not n:
                yield self._frame(rows)
            if len(rows) < self.page_rows:
                return None
            after = rows[-1][place]
            n += len(rows)
        return after

    def _frame(self, rows: Sequence[tuple[Any, ...]]) -> pl.DataFrame:
        cells = zip(*rows, strict=True) if rows else ((),) * len(self._given)
        try:
            return pl.DataFrame([pl.Series(name, each, kind) for (name, kind), each in zip(self._given.items(), cells, strict=True)])
        except (TypeError, OverflowError, pl.exceptions.PolarsError):
            raise self._unreadable() from None

    def _unreadable(self) -> StoreError:
        name, cls = self.reader.session.database.name, self.reader.cls.__name__
        return StoreError(f"{name}: the table of {cls} holds a value that crmkit did not write; undo what another program changed")


def _columns(info: FieldInfo) -> dict[str, Kind]:
    """The columns that frames have of a field, and what they hold."""
    kind = info.shape.kind
    if kind in ("value", "values", "mapping"):
        return {}
    return {info.name: kind, currency_column(info.name): "text"} if kind == "money" else {info.name: kind}


def _default(cls: type[Record], info: FieldInfo) -> dict[str, pl.Series]:
    """The default of a field in its columns; nothing where it has none."""
    default: Any = getattr(attrs.fields(cls), info.name).default
    if default is attrs.NOTHING:
        return {}
    value = default.factory() if isinstance(default, attrs.Factory) else default  # type: ignore[arg-type]
    if isinstance(value, Money):
        columns = {info.name: value.amount, currency_column(info.name): value.currency}
    else:
        columns = {info.name: sorted(value) if isinstance(value, frozenset) else value}
    types = schema(cls)
    return {name: pl.Series([each], dtype=types[name]) for name, each in columns.items()}


def _amount(name: str) -> pl.Expr:
    """Money as an amount: so many of its currency's smallest unit."""
    currency = pl.col(currency_column(name))
    unit = _unit(2)
    for places in sorted(set(UNUSUAL_DECIMALS.values())):
        codes = [code for code, its_places in UNUSUAL_DECIMALS.items() if its_places == places]
        unit = pl.when(currency.is_in(codes)).then(_unit(places)).otherwise(unit)
    return (pl.col(name).cast(pl.Decimal(38, 0)) * unit).cast(MONEY)


def _unit(places: int) -> pl.Expr:
    return pl.lit(Decimal(1).scaleb(-places)).cast(MONEY)


def _number(name: str) -> pl.Expr:
    """A decimal of its sortable text."""
    digits = pl.col(name)
    shown = (digits.str.slice(1, DECIMAL_DIGITS) + "." + digits.str.slice(1 + DECIMAL_DIGITS)).cast(_DECIMAL)
    return pl.when(digits.str.starts_with("1")).then(shown).otherwise(shown - pl.lit(_NINES, _DECIMAL))


def _texts(name: str) -> pl.Expr:
    return pl.col(name).str.json_decode(_TEXTS)


def _instant(name: str) -> pl.Expr:
    return pl.col(name).str.to_datetime("%Y-%m-%dT%H:%M:%S.%6fZ", time_unit="us", time_zone="UTC", cache=False)


_GIVEN: Mapping[DialectName, Mapping[Kind, pl.DataType]] = {
    "sqlite": {**dict.fromkeys(("integer", "flag", "money"), pl.Int64()), "number": pl.Float64()},
    "postgresql": {
        **dict.fromkeys(("integer", "money"), pl.Int64()),
        "number": pl.Float64(),
        "flag": pl.Boolean(),
        "instant": pl.Datetime("us"),
        "day": pl.Date(),
    },
}
"""The types of what the driver gives, where that is not text."""

_MADE: Mapping[DialectName, Mapping[Kind, Callable[[str], pl.Expr]]] = {
    "sqlite": {
        "flag": lambda name: pl.col(name) != 0,
        "instant": _instant,
        "day": lambda name: pl.col(name).str.to_date("%Y-%m-%d", cache=False),
        "decimal": _number,
        "money": _amount,
        "texts": _texts,
    },
    "postgresql": {
        "instant": lambda name: pl.col(name).dt.replace_time_zone("UTC").cast(INSTANT),
        "decimal": lambda name: pl.col(name).cast(_DECIMAL),
        "money": _amount,
        "texts": _texts,
    },
}
"""What becomes of it, where that is something else."""
