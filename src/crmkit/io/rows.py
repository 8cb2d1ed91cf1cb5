"""Rows into records."""

from collections.abc import Mapping
from typing import Any

import attrs

from crmkit.errors import InvalidInput, InvalidRecord
from crmkit.io.cells import tidy
from crmkit.io.formats.row import Row
from crmkit.io.links import Links
from crmkit.io.mapping import FieldMapping, FileMapping
from crmkit.io.problems import Findings
from crmkit.model import Deal, Pipeline, Record, fields
from crmkit.model.deal import placed


@attrs.frozen(kw_only=True)
class RecordMaker:
    """Makes the records of one file. What does not fit is noted in `findings` and `links`, never raised.

    First every row of every file is told to `register`, so that `make` can resolve links in any direction.
    """

    source: str
    file: FileMapping
    pipelines: Mapping[str, Pipeline]
    links: Links
    findings: Findings

    def register(self, row: Row) -> bool:
        """Make the row known by its key; return False, and note why, for a blank or repeated key."""
        key = self._key(row)
        if key and self.links.add(self.file.record, key):
            return True
        fault = "repeats the key of an earlier row" if key else "is blank"
        self._reject(row, [f"the key (column {self.file.key!r}) {fault}; every {self._name} needs one of its own"])
        return False

    def make(self, row: Row) -> Record | None:
        """Return the record of a registered row, or None for a row with a value that does not fit."""
        key = self._key(row)
        custom = {column: text for column in self.file.custom if (text := tidy(row.values[column]))}
        values: dict[str, Any] = {
            "id": self.links.find(self._name, key),
            "external_ids": {self.source: key},
            "custom": custom,
        }
        faults = [fault for field in self.file.fields if (fault := self._fill(values, field, row))]
        if faults:
            self._reject(row, faults)
            return None
        return self._made(values, row)

    @property
    def _name(self) -> str:
        return self.file.record.__name__

    def _key(self, row: Row) -> str:
        return tidy(row.values[self.file.key])

    def _reject(self, row: Row, faults: list[str]) -> None:
        self.findings.reject(self.file.path, faults, row.line)

    def _fill(self, values: dict[str, Any], field: FieldMapping, row: Row) -> str | None:
        """Put what the row says into the values of the record; return what is wrong with it."""
        text = field.text(row)
        if not text:
            return self._blank(field, row)
        if field.info.links:
            return self._link(values, field, field.info.links, text, row)
        value = field.reader.parse(text)
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
        found = self.links.find(linked, text)
        if found is not None:
            values[field.info.name] = found if field.info.shape.kind == "text" else (found,)
        elif field.info.required:
            return f"{field.label} names no {linked}; give {field.reader.accepted}"
        else:
            values["custom"][field.kept_as] = row.values[field.column] if field.column else text
            self.links.note_unknown(self.file.path, field, linked, text, row.line)
        return None

    def _made(self, values: dict[str, Any], row: Row) -> Record | None:
        try:
            made = self.file.record(**values)
        except InvalidRecord as error:
            self._reject(row, [self._contradiction(error)])
            return None
        return self._placed(made, row) if isinstance(made, Deal) else made

    def _contradiction(self, error: InvalidRecord) -> str:
        """Name the field that the error is about, because its message may show values."""
        about = [f"{self._name}.{info.name}" for info in fields(self.file.record)]
        named = [name for name in about if str(error).startswith(f"{name}:")]
        return f"{named[0] if named else 'a field'} does not go with the other fields"

    def _placed(self, deal: Deal, row: Row) -> Deal | None:
        pipeline = self.pipelines[deal.pipeline_id]
        try:
            return placed(deal, pipeline)
        except InvalidInput:
            stages = ", ".join(map(repr, pipeline.labels()))
            label = next(field.label for field in self.file.fields if field.info.name == "stage")
            self._reject(row, [f"{label} is no stage of pipeline {pipeline.id!r}; there are {stages}"])
            return None
