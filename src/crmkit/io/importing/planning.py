"""Making a plan: what an import of files is going to do to a store, found out without writing anything."""

import json
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import attrs

from crmkit.errors import ImportFailed, InvalidInput, choices
from crmkit.io.columns import ColumnEvidence, check_columns
from crmkit.io.folder import Progress
from crmkit.io.formats import Row
from crmkit.io.importing.moves import entered, is_moved, moved
from crmkit.io.importing.payload import Payloads
from crmkit.io.importing.plan import ImportPlan
from crmkit.io.importing.sources import REASON, Source, original_name
from crmkit.io.importing.stages import Stages
from crmkit.io.importing.steps import Action, Staging
from crmkit.io.importing.stored import NOTHING, Stored
from crmkit.io.links import Links
from crmkit.io.mapping import NAME, FileMapping, FolderMapping, read_mapping
from crmkit.io.matching import find_matches
from crmkit.io.points import read_points
from crmkit.io.presets import mapping_for
from crmkit.io.privacy.suppression import is_anybody_suppressed, is_suppressed
from crmkit.io.problems import Findings
from crmkit.io.rows import Reading, RecordMaker
from crmkit.io.stores.port import Store
from crmkit.model import RECORDS, Customer, Deal, Pipeline, Record, Transition
from crmkit.model.records import family

_STEP = 5000
_MAPPING = "mapping"


def plan_import(
    store: Store,
    path: Path | str,
    *,
    mapping: FolderMapping | Path | str | None = None,
    at: datetime | None = None,
    overwrite: bool = False,
    warn_duplicates: bool = False,
    progress: Progress | None = None,
) -> ImportPlan:
    """Find out what importing a file or a folder of files would do to a store. Nothing is written to it.

    Every row becomes one step:

    - "create" where nothing is stored about it,
    - "update" where something is and the row says something new. What the row leaves blank stays, and contact points, tags and custom
      fields are added to those that are there,
    - "skip" where the row says nothing new, so importing the same files again changes nothing; also where the record was merged
      into another one, and where the person was erased,
    - "conflict" where somebody must decide: the record was changed here after the files were exported (`exported_on` of the mapping), it
      was deleted here, or several stored records or rows fit each other,
    - "reject" where the row does not fit.

    A row is about the stored record that has its key among its external ids, else about the one that shares an e-mail address or
    telephone number, where the mapping says `match`. A deal whose stage changes gets a transition.

    Args:
        store: what is stored now.
        path: a file in one of `crmkit.io.formats`, or a folder of them.
        mapping: what the columns mean, as a mapping file or as `folder_mapping` returns it. By default it is `crmkit.toml` beside the files,
            else what `crmkit.io.presets` recognises.
        at: when the files were true, at the latest. A mapping that says `exported_on` means the end of that day. The import is written
            as true at that instant.
        overwrite: the files win over what was changed here after the export, so there is no such conflict.
        warn_duplicates: new customers who look like stored ones are told in `ImportPlan.problems`.
        progress: told the name of a file, how many of its rows are planned, and how many it has.

    Returns:
        The plan. Print it, look at its `steps`, and then `apply` it, here or after `save` and `open` elsewhere.

    Raises:
        ImportFailed: for a mistake in the mapping, a file that cannot be read or lacks a column, and a column whose dates or numbers may
            be read in two ways.
        InvalidInput: for an `at` without a time zone, and for a class that the store does not keep.

    >>> import tempfile, pathlib
    >>> from crmkit.io.mapping import folder_mapping
    >>> from crmkit.io.stores import open_store
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "people.csv"
    >>> _ = path.write_text("no,name,born\\n1,Ann,1990-12-31\\n2,,1991-01-01\\n")
    >>> mapping = folder_mapping(source="till", files=[{"path": "people.csv", "record": "Customer", "key": "no",
    ...     "fields": {"kind": {"value": "person"}, "name": "name", "birth_on": "born"}}])
    >>> print(plan_import(open_store("memory://"), path, mapping=mapping))
    Customer: 1 create, 1 reject
    people.csv: name (column 'name') is blank; give text (1 row: line 3)
    """
    path = Path(path)
    if at is not None and at.tzinfo is None:
        raise InvalidInput("at has no time zone; give one such as datetime(2025, 1, 31, 12, 0, tzinfo=UTC)")
    found = _found_mapping(store, path, mapping)
    found = attrs.evolve(found, files=tuple(sorted(found.files, key=_order)))
    staging = Staging.new()
    try:
        return _Planner(store, found, staging, _true_at(found, at), overwrite, warn_duplicates, progress).plan(path)
    except BaseException:
        staging.close()
        raise


def _order(file: FileMapping) -> tuple[Any, ...]:
    place = next((n for n, cls in enumerate(RECORDS) if issubclass(file.record, cls)), len(RECORDS))
    return place, file.record.__name__, file.optional, file.path, file.key


def _true_at(mapping: FolderMapping, at: datetime | None) -> datetime | None:
    if mapping.exported_on is None:
        return at
    day: date = mapping.exported_on + timedelta(days=1)
    end = datetime.combine(day, time(), ZoneInfo(mapping.time_zone)).astimezone(UTC)
    return end if at is None else min(end, at)


def _found_mapping(store: Store, path: Path, mapping: FolderMapping | Path | str | None) -> FolderMapping:
    folder = path if path.is_dir() else path.parent
    if isinstance(mapping, FolderMapping):
        found = mapping
    elif mapping is not None or (folder / NAME).is_file():
        extra = [cls for cls in store.classes if cls not in RECORDS]
        pipelines = store.every(Pipeline) if Pipeline in store.classes else ()
        found = read_mapping(folder / NAME if mapping is None else mapping, records=extra, pipelines=pipelines)
    else:
        found = _recognised(path)
    return found if path.is_dir() else _of_file(found, path)


def _recognised(path: Path) -> FolderMapping:
    found = mapping_for(path)
    if found is not None:
        return found
    found = mapping_for(path)
    if found is not None:
        return found
    raise ImportFailed(
        f"{path}: nothing says what the columns mean; write {NAME} beside it, as 'crmkit import {path.name} --suggest' does for a start"
    )


def _of_file(mapping: FolderMapping, path: Path) -> FolderMapping:
    """The part of a mapping that is about one file; a mapping of one file is about any, such as the export of another month."""
    files = [file for file in mapping.files if Path(file.path).name in (path.name, original_name(path.name))]
    if not files and len({file.path for file in mapping.files}) == 1:
        files = list(mapping.files)
    if not files:
        known = list(dict.fromkeys(file.path for file in mapping.files))
        raise ImportFailed(f"{path.name} is not in the mapping; {choices(path.name, known)}")
    return attrs.evolve(mapping, files=tuple(attrs.evolve(file, path=path.name) for file in files))


@attrs.define
class _File:
    """A file on its way into the plan."""

    source: Source
    maker: RecordMaker
    rows: int = 0
    is_read: bool = True
    passed: set[int] = attrs.field(factory=set)
    """The lines of rows that make no record and need not."""
    doubts: dict[str, str] = attrs.field(factory=dict)
    """Why it is not certain what the row with a key is about."""
    merged: set[str] = attrs.field(factory=set)


class _Planner:
    """Goes through the files twice: first for keys and for how columns are written, then for the records."""

    def __init__(
        self,
        store: Store,
        mapping: FolderMapping,
        staging: Staging,
        at: datetime | None,
        overwrite: bool,  # noqa: FBT001 - it has a name where people give it
        warn_duplicates: bool,  # noqa: FBT001
        progress: Progress | None,
    ) -> None:
        self._store, self._mapping, self._staging = store, mapping, staging
        self._at, self._overwrite, self._warn, self._progress = at, overwrite, warn_duplicates, progress
        self._stored = Stored(store, staging, mapping.source)
        self._payloads = Payloads(store.classes)
        self._stages = Stages(mapping, store)
        self._links = Links(mapping.source, self._stages.pipelines, stored=self._stored.by_key)
        self._findings = Findings()
        self._suppresses = is_anybody_suppressed(store)
        self._claims: Counter[str] = Counter()

    def plan(self, path: Path) -> ImportPlan:
        folder = path if path.is_dir() else path.parent
        for file in self._mapping.files:
            self._learn(file)
        files = [self._first_look(folder, file) for file in self._mapping.files]
        pipelines = {each.id: each for each in self._stages.learned()}
        self._plan_pipelines()
        for file in files:
            file.maker = attrs.evolve(file.maker, pipelines=pipelines)
            self._plan_file(file)
        names = {record for record, _ in self._staging.counts()}
        facts = {
            "source": self._mapping.source,
            "at": self._at.isoformat() if self._at else "",
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
        unused = [repr(column) for column in present if column not in {*wide.columns, REASON}]
        if unused:
            self._findings.inform(file.path, f"columns that are not imported: {', '.join(unused)}")
        looked.maker = attrs.evolve(maker, file=evidence.resolved())
        return looked

    def _look_up(self, looked: _File, row: Row) -> None:
        """Find the stored record that a row is about."""
        file, key = looked.maker.file, looked.maker.key(row)
        if not self._stored.holds(file.record):
            return
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
            data = None if action == "skip" else self._payloads.dump(pipeline)
            self._staging.add(_MAPPING, 0, action, "Pipeline", record_id=pipeline.id, version=version, data=data)

    def _plan_file(self, file: _File) -> None:
        for done, row in enumerate(file.source.rows(), start=1):
            if file.maker.is_wanted(row) and row.line not in file.passed:
                self._plan_row(file, row)
            if self._progress is not None and (done % _STEP == 0 or done == file.rows):
                self._progress(file.maker.file.path, done, file.rows)

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
        assert record_id is not None
        if key in file.merged:
            reason = f"the {name} was merged into another one, which stays as it is"
            self._staging.add(file.maker.file.path, row.line, "skip", name, record_id=record_id, reasons=[reason])
        elif self._claims[record_id] > 1:
            self._refuse(file, row, "conflict", [f"several rows are about the same stored {name}"])
        else:
            self._plan_record(file, row, record_id)

    def _plan_record(self, file: _File, row: Row, record_id: str) -> None:
        reading = file.maker.read(row)
        if reading.faults and file.maker.file.optional:
            for each in reading.faults:
                self._findings.warn(
                    file.maker.file.path, f"{each}; no {file.maker.file.record.__name__} is made of the row", row.line
                )
        elif reading.faults:
            self._refuse(file, row, "reject", reading.faults)
        elif record_id in self._claims:
            self._plan_change(file, row, record_id, reading)
        else:
            self._plan_new(file, row, record_id, reading)

    def _plan_new(self, file: _File, row: Row, record_id: str, reading: Reading) -> None:
        cls = file.maker.file.record
        made = file.maker.build(cls, {"id": record_id, **reading.values}, reading.faults)
        if made is None:
            self._refuse(file, row, "reject", reading.faults)
            return
        if self._suppresses and is_suppressed(self._store, made):
            reason = "the person was erased here and does not come back"
            self._staging.add(file.maker.file.path, row.line, "skip", cls.__name__, reasons=[reason])
            return
        if self._warn and isinstance(made, Customer) and find_matches(made, self._store):
            self._findings.warn(file.maker.file.path, "looks like a customer who is stored already", row.line)
        self._step(file, row, "create", made, None, self._entries(file, row, made))

    def _plan_change(self, file: _File, row: Row, record_id: str, reading: Reading) -> None:
        cls = file.maker.file.record
        stored = self._store.read(family(cls), record_id)
        made = file.maker.change(stored.record, reading.values, reading.faults)
        if made is None:
            self._refuse(file, row, "reject", reading.faults)
            return
        moves = self._entries(file, row, made)
        if made == stored.record and not moves:
            self._staging.add(file.maker.file.path, row.line, "skip", cls.__name__, record_id=record_id)
            return
        if made != stored.record and self._is_newer_here(type(stored.record), record_id):
            reason = f"the {cls.__name__} was changed here after the export; import with overwrite to replace it"
            self._refuse(file, row, "conflict", [reason])
            return
        if self._at is None and is_moved(stored.record, made):
            reason = "its state changes, and nothing says when; give exported_on in the mapping, or at"
            self._refuse(file, row, "conflict", [reason])
            return
        move = moved(stored.record, made, moves, self._at)
        self._step(
            file,
            row,
            "update",
            made,
            stored.version,
            moves if move is None else [*moves, move],
            is_new=made != stored.record,
        )

    def _is_newer_here(self, cls: type[Record], record_id: str) -> bool:
        if self._overwrite or self._at is None or self._mapping.exported_on is None:
            return False
        if "history" not in self._store.capabilities:
            return False
        stamp = self._store.history(cls, record_id)[-1].stamp
        changed_at = stamp.at or stamp.recorded_at
        return changed_at is not None and changed_at > self._at

    def _entries(self, file: _File, row: Row, made: Record) -> list[Transition]:
        if not file.maker.file.entries or not isinstance(made, Deal):
            return []
        found = entered(made, file.maker.pipelines[made.pipeline_id], file.maker.file.entries, row)
        return [each for each in found if not self._stored.has(Transition, each.id)]

    def _step(
        self,
        file: _File,
        row: Row,
        action: Action,
        made: Record,
        version: int | None,
        moves: list[Transition],
        *,
        is_new: bool = True,
    ) -> None:
        self._staging.add(
            file.maker.file.path,
            row.line,
            action,
            type(made).__name__,
            record_id=made.id,
            version=version,
            data=self._payloads.dump(made) if is_new else None,
            moves=json.dumps([*map(self._payloads.dump, moves)]) if moves else None,
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
