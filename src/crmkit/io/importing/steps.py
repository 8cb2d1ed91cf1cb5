"""What an import is going to do, row by row, and the database that holds it."""

import json
import sqlite3
import weakref
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Literal

import attrs

from crmkit.errors import ImportFailed, InvalidInput
from crmkit.io.formats.files import replacing
from crmkit.io.stores.sql.many import insert_rows

Action = Literal["create", "update", "skip", "conflict", "reject"]
"""What becomes of a row: a new record, a changed one, nothing new, something that somebody must decide, or nothing that fits."""

ACTIONS: tuple[Action, ...] = ("create", "update", "skip", "conflict", "reject")

_FORMAT = "crmkit import plan 2"
_TABLES = """
CREATE TABLE fact (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE step (
    number INTEGER PRIMARY KEY, action TEXT NOT NULL, record TEXT NOT NULL, moves TEXT, file INTEGER NOT NULL, line INTEGER NOT NULL,
    record_id TEXT, version INTEGER, reasons TEXT, cells TEXT{data}
);
CREATE TABLE known (subject TEXT NOT NULL, key TEXT NOT NULL, id TEXT NOT NULL, PRIMARY KEY (subject, key, id)) WITHOUT ROWID;
"""
_OWN = ("number", "action", "record", "moves", "file", "line", "record_id", "version", "reasons", "cells")
ACTION, RECORD, MOVES, DATA = 1, 2, 3, len(_OWN)
"""Where these stand in a row of the table `step`; from `DATA` on it is the row of a record, as `Payloads.encode` makes it."""

_CHUNK = 5000


@attrs.frozen(kw_only=True)
class Step:
    """What becomes of one row of a file.

    `record` names the class, `record_id` the record that is created or changed, and `version` the stored one that is changed. `reasons`
    say why, without showing a cell. `data` is the record as it will be, which `ImportPlan.record` reads, and `moves` are its transitions;
    `cells` are those of a row that is not imported. Neither of the three is shown, because they may be personal.
    """

    number: int
    file: str
    line: int
    action: Action
    record: str
    record_id: str | None = None
    version: int | None = None
    reasons: tuple[str, ...] = ()
    data: Sequence[Any] | None = attrs.field(default=None, repr=False)
    moves: str | None = attrs.field(default=None, repr=False)
    cells: str | None = attrs.field(default=None, repr=False)

    def __str__(self) -> str:
        """Say it in one line.

        >>> print(Step(number=1, file="a.csv", line=3, action="reject", record="Deal", reasons=("stage is blank",)))
        a.csv, line 3: reject Deal: stage is blank
        """
        place = f"{self.file}, line {self.line:,}" if self.line else self.file
        return f"{place}: {self.action} {self.record}" + (f": {'; '.join(self.reasons)}" if self.reasons else "")


class Staging:
    """A SQLite database of steps. It is written once, in order, and then read as often as wanted.

    SQLite keeps it in a file that has no name, so nothing is left of it when the process ends, however it does.
    """

    def __init__(self) -> None:
        """Make one without tables, that goes with this object."""
        # A plan may be made in one thread and applied in another, as hosts with an event loop do.
        self._connection = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        self.close = weakref.finalize(self, self._connection.close)
        """Forget everything; nothing can be read afterwards. May be called twice."""
        self._files: list[str] = []
        self._waiting: list[tuple[Any, ...]] = []
        self._columns: list[str] = []
        self._blank: tuple[None, ...] = ()

    @classmethod
    def new(cls, width: int) -> "Staging":
        """Make an empty one that can be written, for records whose rows have at most so many cells."""
        made = cls()
        # A plan that is lost is made again, so nothing waits for the disk.
        for setting in ("journal_mode = OFF", "synchronous = OFF", "cache_size = -16384", "temp_store = FILE"):
            made._connection.execute(f"PRAGMA {setting}")
        data = [f"data_{place}" for place in range(width)]
        made._connection.executescript(_TABLES.format(data="".join(f", {name}" for name in data)))
        made._connection.execute("BEGIN")
        made._columns, made._blank = [*_OWN, *data], (None,) * width
        return made

    @classmethod
    def open(cls, path: Path) -> "Staging":
        """Open a file that `save` wrote; raise `ImportFailed` for what is none."""
        if not path.is_file():
            raise ImportFailed(f"{path}: there is no such file; give one that ImportPlan.save wrote")
        made = cls()
        try:
            with closing(sqlite3.connect(path)) as saved:
                saved.backup(made._connection)
            is_plan = made.fact("format") == _FORMAT
            made._files = json.loads(made.fact("files")) if is_plan else []
        except (sqlite3.Error, ValueError):
            is_plan = False
        if not is_plan:
            made.close()
            raise ImportFailed(f"{path}: is no plan of an import; give a file that ImportPlan.save wrote")
        return made

    def save(self, path: Path) -> None:
        """Copy everything to a file, whole or not at all."""
        self._check_open()
        try:
            with replacing(path) as part, closing(sqlite3.connect(part)) as saved:
                self._connection.backup(saved)
        except (InvalidInput, sqlite3.Error):
            raise ImportFailed(f"{path}: cannot be written; give a path in a folder that may be written") from None

    def add(
        self,
        file: str,
        line: int,
        action: Action,
        record: str,
        *,
        record_id: str | None = None,
        version: int | None = None,
        data: tuple[Any, ...] = (),
        moves: str | None = None,
        reasons: Iterable[str] = (),
        cells: Mapping[str, Any] | None = None,
    ) -> None:
        """Add a step after the others."""
        if not self._files or self._files[-1] != file:
            self._files.append(file)
        shown = json.dumps(list(reasons), ensure_ascii=False) if reasons else None
        kept = None if cells is None else json.dumps(dict(cells), default=str)
        own = (None, action, record, moves, len(self._files) - 1, line, record_id, version, shown, kept)
        self._waiting.append(own + data + self._blank[len(data) :])
        if len(self._waiting) >= _CHUNK:
            self._write()

    def _asked(self, statement: str, *given: Any) -> sqlite3.Cursor:
        self._check_open()
        return self._connection.execute(statement, given)

    def _check_open(self) -> None:
        if not self.close.alive:
            raise ImportFailed("the plan is closed; make it again")

    def _write(self) -> None:
        try:
            insert_rows(self._connection, "step", self._columns, self._waiting)
        except sqlite3.OperationalError as error:
            raise ImportFailed(
                f"the plan cannot be written ({error}); set TMPDIR to a folder on a disk with more room, about the size of the files"
            ) from None
        self._waiting.clear()

    def finish(self, facts: Mapping[str, str]) -> None:
        """End the writing."""
        self._write()
        self._connection.execute("DROP TABLE known")
        stated = {**facts, "format": _FORMAT, "files": json.dumps(self._files)}
        self._connection.executemany("INSERT INTO fact VALUES (?, ?)", stated.items())
        self._connection.execute("COMMIT")

    def fact(self, name: str) -> str:
        """Return what `finish` was told under a name."""
        rows = self._asked("SELECT value FROM fact WHERE name = ?", name).fetchall()
        return str(rows[0][0]) if rows else ""

    def counts(self) -> Counter[tuple[str, Action]]:
        """Return how many steps there are by class and action."""
        if self._waiting:
            self._write()
        grouped = "SELECT record, action, count(*) FROM step GROUP BY record, action ORDER BY min(number)"
        return Counter({(record, action): n for record, action, n in self._asked(grouped)})

    def reasons(self, limit: int) -> list[tuple[str, str, str, int, int]]:
        """Return the most frequent reasons of rows that need attention: file, action, reasons, how many, and the first line."""
        asked = """SELECT min(file), action, reasons, count(*), min(line) FROM step WHERE action IN ('conflict', 'reject')
                   GROUP BY file, action, reasons ORDER BY count(*) DESC, min(number) LIMIT ?"""
        return [
            (self._files[file], action, "; ".join(json.loads(reasons or "[]")), n, line)
            for file, action, reasons, n, line in self._asked(asked, limit)
        ]

    def steps(self, *actions: Action) -> Iterator[Step]:
        """Go through the steps in order, all of them or those of some actions."""
        return map(self.step, self.rows(*actions))

    def rows(self, *actions: Action) -> Iterator[tuple[Any, ...]]:
        """Go through the steps as they are kept, which is faster; `step` makes a step of each."""
        where = f"WHERE action IN ({', '.join('?' * len(actions))})" if actions else ""
        asked = f"SELECT * FROM step {where} ORDER BY number"  # noqa: S608 - it is made of our own words
        return self._asked(asked, *actions)

    def step(self, row: tuple[Any, ...]) -> Step:
        """Return what a row of `rows` says."""
        number, action, record, moves, file, line, record_id, version, reasons, cells = row[:DATA]
        return Step(
            number=number,
            file=self._files[file],
            line=line,
            action=action,
            record=record,
            record_id=record_id,
            version=version,
            reasons=tuple(json.loads(reasons)) if reasons else (),
            # The first cell is the id, which every record has.
            data=row[DATA:] if len(row) > DATA and row[DATA] is not None else None,
            moves=moves,
            cells=cells,
        )

    def remember(self, subject: str, keys: Iterable[tuple[str, str]]) -> None:
        """Note the keys of what is stored, each with the id of its record."""
        self._connection.executemany(
            "INSERT OR IGNORE INTO known VALUES (?, ?, ?)", ((subject, key, record_id) for key, record_id in keys)
        )

    def known(self, subject: str, key: str) -> list[str]:
        """Return the ids that were noted under a key."""
        asked = "SELECT id FROM known WHERE subject = ? AND key = ? ORDER BY id"
        return [record_id for (record_id,) in self._asked(asked, subject, key)]
