"""Rows into records."""

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

import attrs

from crmkit.errors import InvalidInput, InvalidRecord
from crmkit.io.formats.row import Row
from crmkit.io.mapping.cells import filled
from crmkit.io.mapping.fields import FieldMapping, cell_text, source_label
from crmkit.io.mapping.files import FileMapping
from crmkit.io.mapping.links import Links
from crmkit.io.mapping.points import checked_points, joined_points, read_points
from crmkit.io.mapping.problems import Findings
from crmkit.model import Deal, Pipeline, Record, fields
from crmkit.model.contact_point import ContactPoint
from crmkit.model.deal import placed

_JOINED = " | "
_CODE = len("PL")


@attrs.frozen
class Reading:
    """What a row says: the values of its record, and what is wrong with it."""

    values: dict[str, Any]
    faults: list[str]


@attrs.frozen(kw_only=True)
class RecordMaker:
    """Makes the records of one file. What does not fit is returned or noted in `findings` and `links`, never raised.

    First every row of every file is told to `register`, so that `make` can resolve links in any direction.
    """

    source: str
    file: FileMapping
    pipelines: Mapping[str, Pipeline]
    links: Links
    findings: Findings
    same: Mapping[str, Any] = attrs.field(init=False, repr=False)
    """The values that all rows have."""

    sources: tuple[tuple[FieldMapping, str, Callable[[str], Any]], ...] = attrs.field(init=False, repr=False)
    """The other fields. Where one is the text of a column and nothing else decides about it, with that column and how it is read."""

    @same.default
    def _same(self) -> Mapping[str, Any]:
        stated = (field for field in self.file.fields if field.value and not field.columns and not field.info.links)
        read = {field.info.name: field.reader.parse(field.value or "") for field in stated}
        return {name: value for name, value in read.items() if value is not None}

    @sources.default
    def _sources(self) -> tuple[tuple[FieldMapping, str, Callable[[str], Any]], ...]:
        others = (field for field in self.file.fields if field.info.name not in self.same)
        return tuple((field, field.columns[0] if field.is_plain else "", _value_reader(field)) for field in others)

    def register(self, row: Row) -> str | None:
        """Make the row known by its key; return what is wrong with a blank or repeated key, or with the row itself."""
        if row.fault is not None:
            return row.fault
        key = self.key(row)
        is_good = bool(key) and is_text(key)
        return (
            None
            if is_good and self.links.add(self.file.record, key)
            else self._fault(key, "repeats the key of an earlier row")
        )

    def fault_of(self, key: str) -> str | None:
        """Return what is wrong with a key, once all rows are registered: it is none, or several rows have it."""
        is_good = self.links.has_once(self.file.record, key)
        return None if is_good else self._fault(key, "is that of several rows")

    def _fault(self, key: str, repeated: str) -> str:
        fault = "is blank" if not key else repeated if is_text(key) else "holds a character that no text may have"
        return f"the key ({source_label(self.file.key)}) {fault}; every {self._name} needs one of its own"

    def passes_over(self, row: Row) -> bool:
        """Return whether a row makes no record and that is as it should be; rows are asked before they are registered."""
        if not self.file.optional:
            return False
        key = self.key(row)
        return not self.is_complete(row) or not key or self.links.has(self.file.record, key)

    def takes(self, row: Row) -> bool:
        """Register a row that is wanted, and return whether it can be made; note why where it cannot."""
        if not self.is_wanted(row) or self.passes_over(row):
            return False
        fault = self.register(row)
        if fault is not None:
            self.reject(row, [fault])
        return fault is None

    def key(self, row: Row) -> str:
        """Return the key of a row; "" where it has none."""
        columns = self.file.key
        if len(columns) == 1:
            text = cell_text(row.values.get(columns[0]))
            return self.file.key_prefix + text if text else ""
        parts = [part for column in columns if (part := cell_text(row.values.get(column)))]
        return self.file.key_prefix + _JOINED.join(parts) if parts else ""

    def is_wanted(self, row: Row) -> bool:
        """Return whether the file's `only` takes the row; one that is damaged is always taken, so that it is told."""
        only = self.file.only
        return not only or row.fault is not None or all(cell_text(row.values.get(each)) in only[each] for each in only)

    def is_complete(self, row: Row) -> bool:
        """Return whether a row has what its record needs; where the mapping is not optional, a row that lacks it is a fault."""
        needed = (field for field in self.file.fields if field.info.required)
        return not self.file.optional or (row.fault is None and all(field.text(row) for field in needed))

    def reject(self, row: Row, faults: list[str]) -> None:
        """Note that a row is not kept, and why."""
        self.findings.reject(self.file.path, faults, row.line)

    def read(self, row: Row, key: str) -> Reading:
        """Return what a registered row with a key says of its record, without the fields about which it says nothing."""
        reading = Reading({"external_ids": {self.source: key}, "custom": {}, **self.same}, [])
        for column in self.file.custom:
            cell = row.values.get(column)
            kept = cell if isinstance(cell, bool | int) else cell_text(cell)
            if kept != "":
                reading.values["custom"][column] = kept
        values, cells = reading.values, row.values
        for field, column, read in self.sources:
            cell = cells.get(column) if column else None
            # What most cells are: text that needs no more than to be read.
            if cell.__class__ is str and (value := read(cell)) is not None:
                values[field.info.name] = value
            elif fault := self._fill(values, field, row):
                reading.faults.append(fault)
        if self.file.points:
            try:
                values["contact_points"] = self._points(row, values.get("country"))
            except InvalidRecord:
                reading.faults.append("a contact point holds a character that no text may have; take it out")
        return reading

    def _points(self, row: Row, country: str | None) -> tuple[ContactPoint, ...]:
        points = read_points(self.file.points, row)
        if not self.file.check_points:
            return points
        checked = checked_points(points, country if country and len(country) == _CODE else self.file.country)
        for point in checked:
            if point.is_invalid:
                columns = dict.fromkeys(
                    column for each in self.file.points if each.kind == point.kind for column in each.used
                )
                message = f"contact_points ({source_label([*columns])}) holds no {point.kind} that can be used, so it is marked as malformed"
                self.findings.warn(self.file.path, message, row.line)
        return checked

    def make(self, row: Row) -> Record | None:
        """Return the record of a registered row, or None, and note why, for a row with a value that does not fit."""
        key = self.key(row)
        reading = self.read(row, key)
        values = {"id": self.links.find(self._name, key), **reading.values}
        made = self.build(self.file.record, values, reading.faults) if not reading.faults else None
        if made is None and self.file.optional:
            for fault in reading.faults:
                self.findings.warn(self.file.path, f"{fault}; no {self._name} is made of the row", row.line)
        elif made is None:
            self.reject(row, reading.faults)
        return made

    def build(self, cls: type[Record], values: Mapping[str, Any], faults: list[str]) -> Record | None:
        """Return a new record, or None, and add to `faults` what contradicts itself."""
        try:
            return self._placed(cls(**values), faults)
        except InvalidRecord as error:
            faults.append(self._contradiction(error))
            return None

    def change(self, stored: Record, values: Mapping[str, Any], faults: list[str]) -> Record | None:
        """Return a stored record with what a row says of it, or None, and add to `faults` what contradicts itself.

        What the row leaves blank stays. Contact points, tags, external ids and custom fields are added to those that are there.
        """
        try:
            return self._placed(stored.replace(**_joined(stored, values)), faults)
        except InvalidRecord as error:
            faults.append(self._contradiction(error))
            return None

    @property
    def _name(self) -> str:
        return self.file.record.__name__

    def _fill(self, values: dict[str, Any], field: FieldMapping, row: Row) -> str | None:
        """Put what the row says into the values of the record; return what is wrong with it."""
        text = field.text(row)
        if not text:
            return self._blank(field, row)
        if field.info.links:
            return self._link(values, field, field.info.links, text, row)
        value = field.parse(text, row)
        if value is None and field.lenient:
            values["custom"][field.kept_as] = text
            self.findings.warn(self.file.path, f"{field.label} does not fit, so it is kept in custom", row.line)
            return None
        if value is None:
            return f"{field.label} does not fit; give {field.reader.accepted}"
        values[field.info.name] = value
        return None

    def _blank(self, field: FieldMapping, row: Row) -> str | None:
        if field.info.required:
            return f"{field.label} is blank; give {field.reader.accepted}"
        # Where a class links to itself, as to managers, the topmost has nobody above.
        if field.info.links and field.info.links != self._name:
            message = f"{field.label} is blank, so it links to no {field.info.links}"
            self.findings.warn(self.file.path, message, row.line)
        return None

    def _link(self, values: dict[str, Any], field: FieldMapping, linked: str, text: str, row: Row) -> str | None:
        is_one = field.info.shape.kind == "text"
        split = field.conventions.split
        texts = (text.partition(split)[0].strip() if split else text,) if is_one else field.reader.parse(text)
        found = [self.links.find(linked, each) for each in texts]
        if None not in found:
            values[field.info.name] = found[0] if is_one else tuple(found)
        elif field.info.required:
            return f"{field.label} names no {linked}; give {field.reader.accepted}"
        else:
            values["custom"][field.kept_as] = cell_text(row.values.get(field.kept_as)) if field.columns else text
            self.links.note_unknown(self.file.path, field, linked, text, row.line)
        return None

    def _contradiction(self, error: InvalidRecord) -> str:
        """Name the field that the error is about, because its message may show values."""
        about = [f"{self._name}.{info.name}" for info in fields(self.file.record)]
        named = [name for name in about if str(error).startswith(f"{name}:")]
        return f"{named[0] if named else 'a field'} does not go with the other fields"

    def _placed(self, record: Record, faults: list[str]) -> Record | None:
        if not isinstance(record, Deal):
            return record
        pipeline = self.pipelines[record.pipeline_id]
        try:
            deal = placed(record, pipeline)
            # Systems with one column for the expected and the actual close fill it for open deals too.
            return deal.replace(closed_at=None) if deal.category == "open" and deal.closed_at else deal
        except InvalidInput:
            stages = ", ".join(map(repr, pipeline.labels()))
            label = next(field.label for field in self.file.fields if field.info.name == "stage")
            faults.append(f"{label} is no stage of pipeline {pipeline.id!r}; there are {stages}")
            return None


def _value_reader(field: FieldMapping) -> Callable[[str], Any]:
    """How the text of a cell is read; None for what says nothing or does not fit. Columns repeat themselves, so values are kept for a while."""

    def read(cell: str) -> Any:
        text = filled(cell, field.empty)
        return field.reader.parse(text) if text else None

    return lru_cache(maxsize=1024)(read)


def is_text(key: str) -> bool:
    """Whether a key can be stored: a JSON file may hold halves of characters."""
    return key.isascii() or not any("\ud800" <= letter <= "\udfff" for letter in key)


def _joined(stored: Record, values: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a row as changes of a stored record: collections are added to, all others replaced."""
    changes = dict(values)
    for name in ("external_ids", "custom"):
        changes[name] = {**getattr(stored, name), **changes.get(name, {})}
    if "tags" in changes:
        changes["tags"] = stored.tags | frozenset(changes["tags"])
    if "contact_points" in changes:
        changes["contact_points"] = joined_points(stored.contact_points, changes["contact_points"])  # type: ignore[attr-defined]
    return changes
