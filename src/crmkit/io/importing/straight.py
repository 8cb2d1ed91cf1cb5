"""Rows of a file straight into rows of the staging file, cell by cell, without making the records.

What comes out is what making the record and encoding it gives; what is in any way unusual is left to that.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache
from json.encoder import encode_basestring
from typing import Any

import attrs

from crmkit.errors import InvalidRecord
from crmkit.io.formats.row import Row
from crmkit.io.mapping.cells import filled
from crmkit.io.mapping.fields import FieldMapping, PointMapping
from crmkit.io.mapping.points import can_be
from crmkit.io.mapping.rows import RecordMaker
from crmkit.io.stores.sql.cells import encoding
from crmkit.io.stores.sql.json_text import default_maker, value_writer
from crmkit.model import ContactPoint, Customer, Record, fields

Cell = Callable[[Row], Any]

_CHECKS = (None, Customer.__attrs_post_init__)
"""What a class may check beside each field by itself. Of points that come one from a column, no two of a kind are primary."""

_MARK = "\N{ASTERISM}"
_POINT: Any = attrs.fields(ContactPoint)  # type: ignore[arg-type]


class UnusualError(Exception):
    """A cell that is not read straight."""


@attrs.frozen
class Point:
    """A contact point: the column of its value, and the JSON text before and after it."""

    kind: str
    column: str
    before: str
    after: str
    empty: frozenset[str]


@attrs.frozen
class Straight:
    """How the rows of one file are read.

    `usual` is the row of another record, in which everything is replaced that rows may tell: `fields` have the place of each field and
    how a row becomes its cell.
    """

    usual: Sequence[Any]
    fields: Sequence[tuple[int, Cell]]
    points: Sequence[Point]
    is_checking: bool
    points_place: int
    key_place: int
    key_before: str

    @classmethod
    def of(cls, maker: RecordMaker, columns: Sequence[str], usual: Sequence[Any]) -> "Straight | None":
        """Return how rows are read that become rows of these columns, of which `usual` is one; None where some need more than their cells."""
        file = maker.file
        kinds = [point.kind for point in file.points]
        is_simple = (
            getattr(file.record, "__attrs_post_init__", None) in _CHECKS
            and not (file.custom or file.optional or file.entries)
            and all(field.is_simple for field, *_ in maker.sources)
            and all(point.column and not point.split for point in file.points)
            and len(set(kinds)) == len(kinds)
            and all(info.name == "id" or _is_constant(file.record, info.name) for info in fields(file.record))
        )
        if not is_simple:
            return None
        place = {name: at for at, name in enumerate(columns)}
        return cls(
            tuple(usual),
            [(place[field.info.name], _cell(file.record, field)) for field, *_ in maker.sources],
            [_point(each) for each in file.points],
            file.check_points,
            place.get("contact_points", -1),
            place["external_ids"],
            f"{{{encode_basestring(maker.source)}:",
        )

    def row(self, row: Row, key: str, record_id: str) -> tuple[Any, ...] | None:
        """Return what a new record becomes, or None for a row that is unusual."""
        if not (key.isascii() and key.isprintable()):
            return None
        made = [*self.usual]
        try:
            for place, cell in self.fields:
                made[place] = cell(row)
            if self.points:
                written = [text for each in self.points if (text := self._written(each, row))]
                made[self.points_place] = f"[{','.join(written)}]"
        except (UnusualError, KeyError):
            return None
        made[self.key_place] = f"{self.key_before}{encode_basestring(key)}}}"
        made[0] = record_id
        return tuple(made)

    def _written(self, point: Point, row: Row) -> str:
        text = filled(_text(row, point.column), point.empty)
        if not text:
            return ""
        # A number without its country code needs more than its cell.
        if self.is_checking and ((point.kind == "phone" and text[0] != "+") or not can_be(point.kind, text, None)):
            raise UnusualError
        try:
            return f"{point.before}{encode_basestring(_POINT.value.converter(text))}{point.after}"
        except InvalidRecord:
            raise UnusualError from None


def _is_constant(cls: type[Record], name: str) -> bool:
    """Whether a field has the same default in every record; a vertical may make one for each."""
    default = default_maker(cls, name)
    return bool(default() == default())


def _text(row: Row, column: str) -> str:
    cell = row.values[column]
    if cell.__class__ is not str:
        raise UnusualError
    return cell


def _cell(cls: Any, field: FieldMapping) -> Cell:
    """How a row becomes the cell of a field. Columns repeat themselves, so cells are kept for a while."""
    own: Any = getattr(attrs.fields(cls), field.info.name)
    encode, parse = encoding(field.info.shape, "sqlite"), field.reader.parse
    default = default_maker(cls, field.info.name)()

    def of_text(text: str) -> Any:
        value = parse(text) if text else default
        if value is None and (text or field.info.required):
            raise UnusualError
        try:
            checked = own.converter(value)
        except InvalidRecord:
            raise UnusualError from None
        return checked if encode is None or checked is None else encode(checked)

    def of_plain(text: str) -> Any:
        return of_text(filled(text, field.empty))

    column, kept = field.column, lru_cache(maxsize=1024)(of_plain if field.is_plain else of_text)
    if column is None:
        return lambda row: kept(field.text(row))
    if field.is_plain:
        return lambda row: kept(_text(row, column))

    def of_row(row: Row) -> Any:
        _text(row, column)  # a cell that is no text may be read otherwise
        return kept(field.text(row))

    return of_row


def _point(mapping: PointMapping) -> Point:
    point = ContactPoint(mapping.kind, _MARK, mapping.label, None, mapping.is_primary)
    before, after = value_writer(ContactPoint)(point).split(encode_basestring(_MARK))
    return Point(mapping.kind, mapping.column or "", before, after, mapping.empty)
