"""A store in one text file: every unit of work is a line of JSON, and the records are held in memory.

It shows how a store is written against the port. It suits a small program of one process: opening reads the whole file.
"""

# ruff: noqa: INP001 - an example is one file to copy

import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from crmkit.codec import from_plain, instant_to_text, to_plain
from crmkit.errors import CrmError, StoreError
from crmkit.io.stores import MemoryStore
from crmkit.io.stores.port import UNSTAMPED, Capability, Stamp
from crmkit.model import RECORDS, Record, new_id


class JsonlStore:
    """A `Store` in a file that is only ever appended to.

    A line is on the disk before its unit of work is kept, so what was acknowledged survives a crash. A line that a crash cut
    off was never acknowledged, and is dropped on opening.
    """

    def __init__(self, path: Path, records: Iterable[type[Record]] = RECORDS) -> None:
        """Open a file, or make it; raise `StoreError` where it cannot be read or holds something else."""
        self._path = path
        self._steps: list[list[Any]] = []
        self._depth = 0
        lines = self._open()
        self._held = MemoryStore(records, name=lines[0]["store"])
        self._by_name = {cls.__name__: cls for cls in self._held.classes}
        for number, line in enumerate(lines[1:], start=2):
            self._replay(line, number)
        # What is read, is read from memory.
        self.get, self.read = self._held.get, self._held.read
        self.every, self.count = self._held.every, self._held.count
        self.find, self.batches, self.frame = self._held.find, self._held.batches, self._held.frame
        self.history, self.histories = self._held.history, self._held.histories
        self.changes, self.note = self._held.changes, self._held.note

    @property
    def capabilities(self) -> frozenset[Capability]:
        """Most of what the memory store does, for one tenant, and durable."""
        return self._held.capabilities - {"copying", "erasing", "reaching", "tenants"} | {"durable"}

    @property
    def classes(self) -> tuple[type[Record], ...]:
        """The classes of records that this store was opened for."""
        return self._held.classes

    @contextmanager
    def transaction(self, stamp: Stamp = UNSTAMPED, *, connection: Any = None, lock: bool = False) -> Iterator[None]:
        """Make one unit of work, which is one line."""
        # The memory store lets one thread in at a time, so the steps are those of this unit of work.
        with self._held.transaction(stamp, connection=connection, lock=lock):
            mark = len(self._steps)
            self._depth += 1
            try:
                yield
                if self._depth == 1 and self._steps:
                    self._append({"stamp": _stamp_to_plain(stamp), "steps": self._steps})
            except BaseException:
                del self._steps[mark:]
                raise
            finally:
                self._depth -= 1
                if not self._depth:
                    self._steps = []

    def add(self, records: Iterable[Record]) -> int:
        """Keep new records."""
        n = 0
        with self.transaction():
            for record in records:
                n += self._held.add([record])
                self._steps.append(["add", type(record).__name__, to_plain(record)])
        return n

    def put(self, record: Record, *, version: int | None = None) -> int:
        """Keep a record in place of the stored one."""
        with self.transaction():
            new = self._held.put(record, version=version)
            self._steps.append(["put", type(record).__name__, to_plain(record)])
        return new

    def delete(self, cls: type[Record], record_id: str, *, version: int | None = None) -> None:
        """Hide a record."""
        with self.transaction():
            self._held.delete(cls, record_id, version=version)
            self._steps.append(["delete", cls.__name__, record_id])

    def restore(self, cls: type[Record], record_id: str) -> None:
        """Bring a deleted record back."""
        with self.transaction():
            self._held.restore(cls, record_id)
            self._steps.append(["restore", cls.__name__, record_id])

    def purge(self, cls: type[Record], record_id: str) -> None:
        """Remove a deleted record. Its old lines stay in the file until somebody copies the store into a new one."""
        with self.transaction():
            self._held.purge(cls, record_id)
            self._steps.append(["purge", cls.__name__, record_id])

    def set_note(self, key: str, text: str, *, was: str | None) -> None:
        """Keep a text under a key."""
        with self.transaction():
            self._held.set_note(key, text, was=was)
            self._steps.append(["note", key, text])

    def close(self) -> None:
        """Close the file."""
        self._held.close()
        self._file.close()

    def _open(self) -> list[dict[str, Any]]:
        """Open the file, cut off what a crash left unfinished, and return its lines."""
        try:
            self._file = self._path.open("ab+")
            self._file.seek(0)
            whole, _, torn = self._file.read().rpartition(b"\n")
            if torn:
                self._file.truncate(len(whole) + 1 if whole else 0)
        except OSError as error:
            raise StoreError(
                f"{self._path}: the file cannot be opened ({error.strerror}); give one that you may write"
            ) from None
        if not whole:
            header = {"store": new_id()}
            self._append(header)
            return [header]
        return [self._parsed(line, number) for number, line in enumerate(whole.split(b"\n"), start=1)]

    def _parsed(self, line: bytes, number: int) -> dict[str, Any]:
        try:
            parsed = json.loads(line)
        except ValueError:
            parsed = None
        if not isinstance(parsed, dict) or ("store" in parsed) != (number == 1):
            raise self._damaged(number)
        return parsed

    def _append(self, line: dict[str, Any]) -> None:
        """Write a line and wait until it is on the disk; where that fails, leave the file as it was."""
        end = self._file.seek(0, os.SEEK_END)
        try:
            self._file.write(json.dumps(line, separators=(",", ":")).encode() + b"\n")
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as error:
            self._file.truncate(end)
            raise StoreError(
                f"{self._path}: nothing was kept, because the file cannot be written ({error.strerror})"
            ) from None

    def _replay(self, line: dict[str, Any], number: int) -> None:
        try:
            with self._held.transaction(_stamp_from_plain(line["stamp"])):
                for kind, *what in line["steps"]:
                    self._redo(kind, *what)
        except (CrmError, LookupError, TypeError, ValueError):
            raise self._damaged(number) from None

    def _redo(self, kind: str, name: str, what: Any) -> None:
        if kind == "note":
            self._held.set_note(name, what, was=self._held.note(name))
        elif kind == "add":
            self._held.add([from_plain(self._by_name[name], what)])
        elif kind == "put":
            self._held.put(from_plain(self._by_name[name], what))
        else:
            {"delete": self._held.delete, "restore": self._held.restore, "purge": self._held.purge}[kind](
                self._by_name[name], what
            )

    def _damaged(self, number: int) -> StoreError:
        self._file.close()
        return StoreError(f"{self._path}: line {number} is none that this store wrote; restore the file from a backup")


def _stamp_to_plain(stamp: Stamp) -> list[str | None]:
    return [stamp.by, *(None if at is None else instant_to_text(at) for at in (stamp.at, stamp.recorded_at))]


def _stamp_from_plain(plain: list[str | None]) -> Stamp:
    by, *instants = plain
    return Stamp(by, *(None if at is None else datetime.fromisoformat(at) for at in instants))
