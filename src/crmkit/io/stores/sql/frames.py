"""Records as Polars frames, read from the columns of their table without a record in between."""

from collections.abc import Generator, Iterable, Iterator, Sequence
from functools import cached_property
from typing import Any

import attrs
import polars as pl
import sqlalchemy as sa

from crmkit.errors import StoreError
from crmkit.frames.schema import schema
from crmkit.io.stores.queries import check_columns, check_limit
from crmkit.io.stores.sql.published import cell, columns_of, given_type, published
from crmkit.io.stores.sql.reading import Reader
from crmkit.io.stores.sql.streams import CannotStreamError, stream
from crmkit.io.stores.sql.tables import Prepared
from crmkit.model.records import FieldInfo, fields

_PAGE_ROWS = 5_000
# Reading through adbc takes a moment to begin, which the rows that come after so many make good.
_MANY = 20_000


def batches(reader: Reader, columns: Sequence[str] | None, rows: int) -> Iterator[pl.DataFrame]:
    """See `Frames.batches`. What does not fit raises at once, before the first frame is asked for."""
    check_limit(rows)
    check_columns(reader.cls, columns)
    wanted = [name for name in schema(reader.cls) if columns is None or name in columns]
    return _grouped(Source(reader, wanted, min(rows, _PAGE_ROWS)).frames(), rows) if wanted else iter([pl.DataFrame()])


def _grouped(frames: Iterable[pl.DataFrame], rows: int) -> Iterator[pl.DataFrame]:
    """The same rows in few frames of at most so many."""
    held, n = list[pl.DataFrame](), 0
    for part in (part for frame in frames for part in _parts(frame, rows)):
        if n + part.height > rows:
            yield pl.concat(held, rechunk=True)
            held, n = [], 0
        held.append(part)
        n += part.height
    yield pl.concat(held, rechunk=True)


def _parts(frame: pl.DataFrame, rows: int) -> Iterable[pl.DataFrame]:
    return frame.iter_slices(rows) if frame.height > rows else [frame]


@attrs.frozen(slots=False)
class Source:
    """The rows of a reader, and the columns that are wanted of them."""

    reader: Reader
    wanted: Sequence[str]
    page_rows: int
    _query: sa.Select[Any] = attrs.field(init=False)

    @_query.default
    def _rows_after(self) -> sa.Select[Any]:
        own = self.reader.table.table.c
        cells = (cell(own[name]) for name in self._given)
        return sa.select(*cells).where(self.reader.condition, own.id > sa.bindparam("last_id", ""))

    @cached_property
    def _page(self) -> Prepared:
        """The next rows by id, as many as `limit` says."""
        by_id = self._query.order_by(self.reader.table.table.c.id)
        return self.reader.table.place.prepared(by_id.limit(sa.bindparam("limit", 1)))

    @property
    def rest(self) -> Prepared:
        """All other rows: PostgreSQL streams them, which is fastest in no order, and SQLite gives pages."""
        place = self.reader.table.place
        return self._page if place.dialect == "sqlite" else place.prepared(self._query)

    @cached_property
    def _fields(self) -> tuple[FieldInfo, ...]:
        """The fields that are read: the id too, to go on after it."""
        needed = {"id", *self.wanted}
        return tuple(info for info in fields(self.reader.cls) if needed & columns_of(info).keys())

    @cached_property
    def _given(self) -> dict[str, pl.DataType]:
        """The columns that are read, and the types of what the driver gives."""
        dialect = self.reader.table.place.dialect
        kinds = {name: kind for info in self._fields for name, kind in columns_of(info).items()}
        return {name: given_type(kind, dialect) for name, kind in kinds.items()}

    @cached_property
    def _published(self) -> list[pl.Expr]:
        dialect = self.reader.table.place.dialect
        made = {name: made for info in self._fields for name, made in published(self.reader.cls, info, dialect).items()}
        return [made[name].alias(name) for name in self.wanted]

    def frames(self) -> Iterator[pl.DataFrame]:
        """Go through the rows by frames of any size; at least one, which may be empty."""
        for given in self._read():
            try:
                yield given.select(self._published)
            except pl.exceptions.PolarsError:
                raise self._unreadable() from None

    def _read(self) -> Iterator[pl.DataFrame]:
        last_id = yield from self._read_here("", _MANY)
        if last_id is None:
            return
        try:
            yield from stream(self.reader.session, self.rest, last_id)
        except CannotStreamError:
            yield from self._read_here(last_id)

    def _read_here(self, after: str, most: float = float("inf")) -> Generator[pl.DataFrame, None, str | None]:
        """The rows after an id through the store's own driver; returns the last id where there may be more."""
        n, place = 0, list(self._given).index("id")
        while n < most:
            rows = self.reader.session.rows(self._page.sql, self._page.values(last_id=after, limit=self.page_rows))
            if rows or not after:
                yield self._frame(rows)
            if len(rows) < self.page_rows:
                return None
            after = rows[-1][place]
            n += len(rows)
        return after

    def _frame(self, rows: Sequence[tuple[Any, ...]]) -> pl.DataFrame:
        cells: Iterable[Sequence[Any]] = zip(*rows, strict=True) if rows else [()] * len(self._given)
        try:
            return pl.DataFrame(
                [pl.Series(name, held, kind) for (name, kind), held in zip(self._given.items(), cells, strict=True)]
            )
        except (TypeError, OverflowError, pl.exceptions.PolarsError):
            raise self._unreadable() from None

    def _unreadable(self) -> StoreError:
        name, cls = self.reader.session.database.name, self.reader.cls.__name__
        return StoreError(
            f"{name}: the table of {cls} holds a value that crmkit did not write; undo what another program changed"
        )
