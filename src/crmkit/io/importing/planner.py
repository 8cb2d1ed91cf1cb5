"""Going through the files of an import, and deciding about every row."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any

import attrs

from crmkit.errors import ImportFailed, InvalidInput, choices
from crmkit.io import matching
from crmkit.io.folder import Progress
from crmkit.io.formats import Row
from crmkit.io.importing.moves import entered, is_moved, moved
from crmkit.io.importing.payload import Payloads
from crmkit.io.importing.plan import ImportPlan
from crmkit.io.importing.sources import REASON, Source
from crmkit.io.importing.stages import Stages
from crmkit.io.importing.steps import Action, Staging
from crmkit.io.importing.stored import NOTHING, Stored
from crmkit.io.importing.straight import Straight
from crmkit.io.mapping.columns import ColumnEvidence, check_columns
from crmkit.io.mapping.files import FileMapping, FolderMapping
from crmkit.io.mapping.links import Links
from crmkit.io.mapping.points import read_points
from crmkit.io.mapping.problems import Findings
from crmkit.io.mapping.rows import Reading, RecordMaker
from crmkit.io.privacy.suppression import is_anybody_suppressed, is_suppressed
from crmkit.io.stores.port import Store
from crmkit.model import Customer, Deal, Record, Transition
from crmkit.model.records import family

_STEP = 5000
_AHEAD = 100
"""How many rows are looked at together: few, because a row may be large."""
_MAPPING = "mapping"


@attrs.frozen(kw_only=True)
class Wishes:
    """What somebody wants of a plan: see `plan_import`."""

    at: datetime | None
    overwrite: bool
    warn_duplicates: bool
    progress: Progress | None


@attrs.define
class _File:
    """A file on its way into the plan."""

    source: Source
    maker: RecordMaker
    rows: int = 0
    passed: set[int] = attrs.field(factory=set)
    """The lines of rows that make no record and need not."""
    doubts: dict[str, str] = attrs.field(factory=dict)
    """Why it is not certain what the row with a key is about."""
    merged: set[str] = attrs.field(factory=set)
    straight: Straight | None = None
    """How new records are read once one of them was made, where their cells alone tell it."""
    is_made: bool = False
    """Whether one was made."""


class Planner:
    """Goes through the files twice: first for keys and for how columns are written, then for the records."""

    def __init__(self, store: Store, mapping: FolderMapping, staging: Staging, wishes: Wishes) -> None:
        """Plan for a store, into a new staging file."""
        self._store, self._mapping, self._staging, self._wishes = store, mapping, staging, wishes
        self._stored = Stored(store, staging, mapping.source)
        self._payloads = Payloads(store)
        self._stages = Stages(mapping, store)
        self._links = Links(mapping.source, self._stages.pipelines, stored=self._stored.by_key)
        self._findings = Findings()
        self._suppresses = is_anybody_suppressed(store)
        self._claims: Counter[str] = Counter()
        self._ahead: Mapping[str, Record] = {}

    def plan(self, path: Path) -> ImportPlan:
        """Return the plan for a file, or for the files in a folder."""
        folder = path if path.is_dir() else path.parent
        for file in self._mapping.files:
            self._learn(file)
        files = [self._first_look(folder, file) for file in self._mapping.files]
        self._tell(files)
        pipelines = {each.id: each for each in self._stages.learned()}
        self._plan_pipelines()
        for looked in files:
            looked.maker = attrs.evolve(looked.maker, pipelines=pipelines)
            self._plan_file(looked)
        names = {record for record, _ in self._staging.counts()}
        facts = {
            "source": self._mapping.source,
            "at": self._wishes.at.isoformat() if self._wishes.at else "",
            "fields": self._payloads.signature(names),
            "layouts": json.dumps({file.maker.file.path: _layout(file.source) for file in files}),
        }
        self._staging.finish(facts)
        return ImportPlan(self._staging, (*self._links.problems(), *self._findings.warnings()))

    def _learn(self, file: FileMapping) -> None:
        """Read the keys of what is stored of the class of a file and of all that it links to."""
        if family(file.record) not in self._store.classes:
            known = [cls.__name__ for cls in self._store.classes]
            raise InvalidInput(f"the store keeps no {file.record.__name__}; {choices(file.record.__name__, known)}")
        self._stored.learn(file.record, file.match)
        linked = {field.info.links for field in file.fields if field.info.links}
        for cls in self._store.classes:
            if cls.__name__ in linked:
                self._stored.learn(cls)
        if file.entries:
            self._stored.learn(Transition)

    def _first_look(self, folder: Path, file: FileMapping) -> _File:
        source = Source.of(folder / file.path, file)
        present = source.columns()
        check_columns(file, present)
        wide = file.with_columns(column for column in present if column != REASON)
        maker = RecordMaker(
            source=self._mapping.source, file=wide, pipelines={}, links=self._links, findings=self._findings
        )
        looked = _File(source, maker)
        evidence = ColumnEvidence(wide)
        for row in source.rows():
            looked.rows += 1
            evidence.see(row)
            if not maker.is_wanted(row):
                continue
            if maker.passes_over(row):
                looked.passed.add(row.line)
            elif maker.register(row) is None:
                self._look_up(looked, row)
                self._stages.see(wide, row)
        looked.maker = attrs.evolve(maker, file=evidence.resolved())
        return looked

    def _tell(self, files: Sequence[_File]) -> None:
        """Tell of each file, which may be mapped several times, the columns that nothing reads, and an encoding that was guessed."""
        for path, looked in {each.maker.file.path: each for each in files}.items():
            used = {column for each in files if each.maker.file.path == path for column in each.maker.file.columns}
            unused = [repr(column) for column in looked.source.columns() if column not in {*used, REASON}]
            if unused:
                self._findings.inform(path, f"columns that are not imported: {', '.join(unused)}")
            layout = looked.source.layout
            if layout is not None and layout.guessed and not looked.maker.file.encoding:
                message = f"its letters are read as {layout.encoding}, which is guessed; if they look wrong, state encoding in the mapping"
                self._findings.inform(path, message)

    def _look_up(self, looked: _File, row: Row) -> None:
        """Find the stored record that a row is about."""
        file = looked.maker.file
        if not self._stored.holds(file.record):
            return
        key = looked.maker.key(row)
        found = self._stored.find(file.record, key, self._links.usual_id(file.record, key))
        if found == NOTHING and file.match and file.points:
            found = self._stored.match(file.record, file.match, _points(file, row))
        if found.record_id is not None:
            self._links.set_id(file.record, key, found.record_id)
            self._claims[found.record_id] += not found.is_merged
        if found.fault:
            looked.doubts[key] = found.fault
        if found.is_merged:
            looked.merged.add(key)

    def _plan_pipelines(self) -> None:
        for pipeline, action, version in self._stages.changes():
            data = () if action == "skip" else self._payloads.encode(pipeline)
            self._staging.add(_MAPPING, 0, action, "Pipeline", record_id=pipeline.id, version=version, data=data)

    def _plan_file(self, file: _File) -> None:
        for done, row in enumerate(self._rows(file), start=1):
            if file.maker.is_wanted(row) and row.line not in file.passed:
                self._plan_row(file, row)
            if self._wishes.progress is not None and (done % _STEP == 0 or done == file.rows):
                self._wishes.progress(file.maker.file.path, done, file.rows)

    def _rows(self, file: _File) -> Iterator[Row]:
        """The rows of a file; what is stored of those ahead is looked up together, where any is."""
        rows = file.source.rows()
        while self._claims and (ahead := list(islice(rows, _AHEAD))):
            self._ahead = self._stored.records(file.maker.file.record, self._claimed(file, ahead))
            yield from ahead
        yield from rows

    def _claimed(self, file: _File, rows: Sequence[Row]) -> list[str]:
        """The ids of stored records that rows are about."""
        name = file.maker.file.record.__name__
        ids = (self._links.find(name, key) for row in rows if (key := file.maker.key(row)))
        return list(dict.fromkeys(each for each in ids if each is not None and each in self._claims))

    def _plan_row(self, file: _File, row: Row) -> None:
        key = file.maker.key(row)
        fault = row.fault or file.maker.fault_of(key)
        if fault is not None:
            self._refuse(file, row, "reject", [fault])
            return
        if key in file.doubts:
            self._refuse(file, row, "conflict", [file.doubts[key]])
            return
        name = file.maker.file.record.__name__
        record_id = self._links.find(name, key)
        if record_id is None:
            raise ImportFailed(f"{file.maker.file.path}: changed while it was read; import it again")
        if key in file.merged:
            reason = f"the {name} was merged into another one, which stays as it is"
            self._staging.add(file.maker.file.path, row.line, "skip", name, record_id=record_id, reasons=[reason])
        elif self._claims.get(record_id, 0) > 1:
            self._refuse(file, row, "conflict", [f"several rows are about the same stored {name}"])
        else:
            straight = file.straight if record_id not in self._claims else None
            data = straight.row(row, key, record_id) if straight else None
            if data is None:
                self._plan_record(file, row, key, record_id)
            else:
                self._staging.add(file.maker.file.path, row.line, "create", name, record_id=record_id, data=data)

    def _plan_record(self, file: _File, row: Row, key: str, record_id: str) -> None:
        reading = file.maker.read(row, key)
        if reading.faults and file.maker.file.optional:
            for each in reading.faults:
                self._findings.warn(
                    file.maker.file.path, f"{each}; no {file.maker.file.record.__name__} is made of the row", row.line
                )
        elif reading.faults:
            self._refuse(file, row, "reject", reading.faults)
        elif record_id not in self._claims:
            self._plan_new(file, row, record_id, reading)
        elif self._is_unchanged(file, record_id, reading):
            name = file.maker.file.record.__name__
            self._staging.add(file.maker.file.path, row.line, "skip", name, record_id=record_id)
        else:
            self._plan_change(file, row, record_id, reading)

    def _plan_new(self, file: _File, row: Row, record_id: str, reading: Reading) -> None:
        cls = file.maker.file.record
        made = file.maker.build(cls, {"id": record_id, **reading.values}, reading.faults)
        if made is None:
            self._refuse(file, row, "reject", reading.faults)
            return
        if self._keeps_out(file, row, made):
            return
        if self._wishes.warn_duplicates and isinstance(made, Customer) and matching.find_matches(made, self._store):
            self._findings.warn(file.maker.file.path, "looks like a customer who is stored already", row.line)
        self._step(file, row, made, self._entries(file, row, made))
        if not (file.is_made or self._suppresses or self._wishes.warn_duplicates):
            file.straight = Straight.of(file.maker, self._payloads.columns(cls.__name__), self._payloads.encode(made))
        file.is_made = True

    def _plan_change(self, file: _File, row: Row, record_id: str, reading: Reading) -> None:
        cls = file.maker.file.record
        stored = self._store.read(family(cls), record_id)
        if not isinstance(stored.record, cls):
            reason = f"it is stored as a {type(stored.record).__name__}, which is no {cls.__name__}; change that first"
            self._refuse(file, row, "conflict", [reason])
            return
        made = file.maker.change(stored.record, reading.values, reading.faults)
        if made is None:
            self._refuse(file, row, "reject", reading.faults)
            return
        if self._keeps_out(file, row, made):
            return
        moves = self._entries(file, row, made)
        if made == stored.record and not moves:
            self._staging.add(file.maker.file.path, row.line, "skip", cls.__name__, record_id=record_id)
            return
        if made != stored.record and self._is_newer_here(type(stored.record), record_id):
            reason = f"the {cls.__name__} was changed here after the export; import with overwrite to replace it"
            self._refuse(file, row, "conflict", [reason])
            return
        if self._wishes.at is None and is_moved(stored.record, made):
            reason = "its state changes, and nothing says when; give exported_on in the mapping, or at"
            self._refuse(file, row, "conflict", [reason])
            return
        move = moved(stored.record, made, moves, self._wishes.at)
        self._step(file, row, made, moves if move is None else [*moves, move], stored)

    def _is_unchanged(self, file: _File, record_id: str, reading: Reading) -> bool:
        """Whether a row says nothing new, as most do; only what changes is read again, with its version."""
        known = self._ahead.get(record_id)
        if self._suppresses or file.maker.file.entries or not isinstance(known, file.maker.file.record):
            return False
        return file.maker.change(known, reading.values, []) == known

    def _keeps_out(self, file: _File, row: Row, made: Record) -> bool:
        """Pass over a row that would bring an erased person back, and return whether it does."""
        if not self._suppresses or not is_suppressed(self._store, made):
            return False
        reason = "the person was erased here and does not come back"
        self._staging.add(file.maker.file.path, row.line, "skip", type(made).__name__, reasons=[reason])
        return True

    def _is_newer_here(self, cls: type[Record], record_id: str) -> bool:
        if self._wishes.overwrite or self._wishes.at is None or self._mapping.exported_on is None:
            return False
        if "history" not in self._store.capabilities:
            return False
        stamp = self._store.history(cls, record_id)[-1].stamp
        changed_at = stamp.at or stamp.recorded_at
        return changed_at is not None and changed_at > self._wishes.at

    def _entries(self, file: _File, row: Row, made: Record) -> list[Transition]:
        if not file.maker.file.entries or not isinstance(made, Deal):
            return []
        found = entered(made, file.maker.pipelines[made.pipeline_id], file.maker.file.entries, row)
        return [each for each in found if not self._stored.has(Transition, each.id)]

    def _step(self, file: _File, row: Row, made: Record, moves: Sequence[Transition], stored: Any = None) -> None:
        """Add the step that creates a record, or changes the stored one, and its moves."""
        self._staging.add(
            file.maker.file.path,
            row.line,
            "create" if stored is None else "update",
            type(made).__name__,
            record_id=made.id,
            version=None if stored is None else stored.version,
            data=() if stored is not None and stored.record == made else self._payloads.encode(made),
            moves=json.dumps([*map(self._payloads.encode, moves)], ensure_ascii=False) if moves else None,
        )

    def _refuse(self, file: _File, row: Row, action: Action, reasons: list[str]) -> None:
        mapped = file.maker.file
        self._staging.add(mapped.path, row.line, action, mapped.record.__name__, reasons=reasons, cells=row.values)


def _points(file: FileMapping, row: Row) -> Iterable[Any]:
    return read_points((point for point in file.points if point.kind in file.match), row)


def _layout(source: Source) -> dict[str, Any]:
    layout = source.layout
    written = {} if layout is None else {"delimiter": layout.delimiter, "encoding": layout.encoding}
    return {"format": source.form.name, "columns": source.columns(), "written": written}
