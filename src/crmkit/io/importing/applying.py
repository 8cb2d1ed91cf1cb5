"""Carrying a plan out."""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from itertools import groupby, islice
from operator import itemgetter
from pathlib import Path
from typing import Any

import attrs

from crmkit.errors import Conflict, ImportFailed, NotFound
from crmkit.io.folder import Progress
from crmkit.io.importing.payload import Payloads
from crmkit.io.importing.sources import REASON, rejects_name, write_rejects
from crmkit.io.importing.steps import ACTION, DATA, MOVES, RECORD, Action, Staging, Step
from crmkit.io.stores.port import Stamp, Store
from crmkit.model import Record, Transition

_CHUNK = 5000
_SHOWN = 5
_ENOUGH = 100


@attrs.frozen(kw_only=True)
class Applied:
    """What an import did: how many records it created and changed, and how many rows it skipped and left out.

    `changed` says which rows were left out because the store changed since the plan was made; a new plan of the same files has them.
    `rejects` are the files of all others that were left out.
    """

    created: int
    updated: int
    skipped: int
    left_out: int
    changed: tuple[str, ...] = ()
    rejects: tuple[Path, ...] = ()

    def __str__(self) -> str:
        """Say it in one line."""
        done = f"{self.created:,} created, {self.updated:,} updated, {self.skipped:,} unchanged"
        return f"{done}, {self.left_out:,} left out" if self.left_out else done


def apply_steps(
    staging: Staging,
    store: Store,
    *,
    partial: bool,
    rejects: Path | str | None,
    by: str | None,
    at: datetime | None,
    recorded_at: datetime | None,
    progress: Progress | None,
) -> Applied:
    """Do what `ImportPlan.apply` says."""
    counts = Counter[Action]()
    for (_, action), n in staging.counts().items():
        counts[action] += n
    refused = counts["conflict"] + counts["reject"]
    if refused and not partial:
        first = "; ".join(str(step) for step in islice(staging.steps("conflict", "reject"), _SHOWN))
        raise ImportFailed(
            f"nothing is imported, because of {refused:,} row{'s' * (refused > 1)}: {first}{'; ...' if refused > _SHOWN else ''}; mend them, or import the "
            "others alone, as partial"
        )
    with store.transaction(Stamp(by, at or recorded_at, recorded_at), lock=True):
        done = _Work(store, partial=partial, recorded_at=recorded_at, report=_reporter(progress, counts)).do(staging)
        files = _write_rejects(staging, Path(rejects)) if rejects is not None else ()
    return Applied(
        created=done.created,
        updated=done.updated,
        skipped=counts["skip"],
        left_out=refused + len(done.changed),
        changed=tuple(done.changed.values()),
        rejects=files,
    )


def _reporter(progress: Progress | None, counts: Mapping[Action, int]) -> Callable[[int], None]:
    total = counts["create"] + counts["update"]
    return (lambda done: progress("import", done, total)) if progress else (lambda _: None)


class _Work:
    """The steps of a plan on their way into a store."""

    def __init__(
        self, store: Store, *, partial: bool, recorded_at: datetime | None, report: Callable[[int], None]
    ) -> None:
        self._store, self._partial, self._recorded_at, self._report = store, partial, recorded_at, report
        self._payloads = Payloads(store)
        self.created = self.updated = 0
        self.changed: dict[int, str] = {}

    def do(self, staging: Staging) -> "_Work":
        names = {record for record, _ in staging.counts()}
        if self._payloads.signature(names) != staging.fact("fields"):
            raise ImportFailed("the plan was made for records with other fields, as by another version; make it again")
        rows = staging.rows("create", "update")
        while chunk := list(islice(rows, _CHUNK)):
            self._create(staging, [row for row in chunk if row[ACTION] == "create"])
            for row in chunk:
                if row[ACTION] == "update":
                    self._update(staging.step(row))
            self._report(self.created + self.updated + len(self.changed))
            self.changed = dict(sorted(self.changed.items()))
            if len(self.changed) > _ENOUGH and not self._partial:
                break
        if self.changed and not self._partial:
            shown = "; ".join(islice(self.changed.values(), _SHOWN))
            raise Conflict(
                f"nothing is imported, because {len(self.changed):,} records changed in the store since the plan was made: {shown}; make "
                "the plan again"
            )
        return self

    def _create(self, staging: Staging, rows: list[tuple[Any, ...]]) -> None:
        try:
            self._add(rows)
            self.created += len(rows)
        except Conflict:
            for row in rows:
                self._create_alone(staging, row)

    def _create_alone(self, staging: Staging, row: tuple[Any, ...]) -> None:
        try:
            self._add([row])
            self.created += 1
        except Conflict:
            step = staging.step(row)
            self.changed[step.number] = (
                f"{step.file}, line {step.line:,}: the {step.record} is stored already, or a unique value of it is taken"
            )

    def _add(self, rows: Iterable[tuple[Any, ...]]) -> None:
        """Add the records of steps, all or none, and then their moves."""
        with self._store.transaction():
            for name, same in groupby(rows, itemgetter(RECORD)):
                own = list(same)
                self._payloads.add(name, (row[DATA:] for row in own))
                self._store.add(move for row in own if row[MOVES] for move in self._moves(row[MOVES]))

    def _update(self, step: Step) -> None:
        record = self._record(step)
        try:
            with self._store.transaction():
                if record is not None:
                    self._store.put(record, version=step.version)
                self._store.add(self._moves(step.moves))
            self.updated += 1
        except (Conflict, NotFound):
            self.changed[step.number] = f"{step.file}, line {step.line:,}: the {step.record} was changed"

    def _record(self, step: Step) -> Record | None:
        return self._payloads.decode(step.record, step.data) if step.data else None

    def _moves(self, moves: str | None) -> list[Record]:
        loaded = (self._payloads.decode(Transition.__name__, each) for each in json.loads(moves or "[]"))
        return [each.replace(recorded_at=self._recorded_at) for each in loaded]


def _write_rejects(staging: Staging, folder: Path) -> tuple[Path, ...]:
    """Write the rows that are left out, a file for each file that they came from."""
    layouts: Mapping[str, Mapping[str, Any]] = json.loads(staging.fact("layouts"))
    left_out = Counter(step.file for step in staging.steps("conflict", "reject"))
    made = []
    for file, layout in layouts.items():
        if left_out[file]:
            path = folder / rejects_name(file)
            # Cells beyond the header have columns of their own.
            columns = dict.fromkeys([*layout["columns"], *(name for row in _rejected(staging, file) for name in row)])
            columns.pop(REASON, None)
            path = write_rejects(path, layout["format"], layout["written"], [*columns], _rejected(staging, file))
            made.append(path)
    return tuple(made)


def _rejected(staging: Staging, file: str) -> Iterator[dict[str, Any]]:
    """The rows of a file that are left out, each once, though it may have been to make several records."""
    seen: set[int] = set()
    for step in staging.steps("conflict", "reject"):
        if step.file == file and step.line not in seen:
            seen.add(step.line)
            yield {**json.loads(step.cells or "{}"), REASON: "; ".join(step.reasons)}
