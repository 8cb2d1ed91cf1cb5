"""A disk under SQLite that loses power.

All that SQLite writes is recorded in its order, with each unit of work that was said to be kept. A disk after a power cut is then
made of the record up to some moment: what was synced is there, and of the rest each sector of 512 bytes either is or is not.
"""

import random
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import apsw
import attrs

from crmkit.io.stores.sql import SqlStore
from crmkit.io.stores.sql.sqlite import _SETTINGS, Sqlite
from crmkit.io.stores.sql.tables import Place
from tests.io.stores import crashes, units

_SECTOR = 512
_PAGES_OF_LOG = 40
"""How long the write-ahead log grows before it is put into the file: often, because that is when things go wrong."""


@attrs.frozen
class Written:
    """Bytes were written to a file, or for None it was cut off there."""

    file: str
    offset: int
    data: bytes | None

    def sectors(self) -> Iterator["Written"]:
        """Go through the parts that the disk keeps or loses as a whole."""
        if self.data is None:
            yield self
            return
        start = self.offset
        while start < self.offset + len(self.data):
            end = (start // _SECTOR + 1) * _SECTOR
            yield Written(self.file, start, self.data[start - self.offset : end - self.offset])
            start = end


@attrs.frozen
class Synced:
    """What was written to a file is on the disk."""

    file: str


@attrs.frozen
class Deleted:
    """A file was deleted."""

    file: str


@attrs.frozen
class Said:
    """A unit of work was said to be kept."""

    number: int


Event = Written | Synced | Deleted | Said


class _Disk(apsw.VFS):
    """The disk of this machine, and a record of what is done to it."""

    def __init__(self, name: str, events: list[Event]) -> None:
        super().__init__(name, "")
        self.name = name
        self.events = events

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> apsw.VFSFile:  # noqa: N802 - SQLite's
        return _File(self.events, name, flags)

    def xDelete(self, filename: str, syncdir: bool) -> None:  # noqa: N802
        super().xDelete(filename, syncdir)
        self.events.append(Deleted(filename))


class _File(apsw.VFSFile):
    def __init__(self, events: list[Event], name: str | apsw.URIFilename | None, flags: list[int]) -> None:
        super().__init__("", name, flags)
        self._events = events
        self._name = name.filename() if isinstance(name, apsw.URIFilename) else str(name)

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802
        super().xWrite(data, offset)
        self._events.append(Written(self._name, offset, bytes(data)))

    def xTruncate(self, newsize: int) -> None:  # noqa: N802
        super().xTruncate(newsize)
        self._events.append(Written(self._name, newsize, None))

    def xSync(self, flags: int) -> None:  # noqa: N802
        super().xSync(flags)
        self._events.append(Synced(self._name))


class _Cursor(apsw.Cursor):
    @property
    def rowcount(self) -> int:
        return self.connection.changes()


class _Connection(apsw.Connection):
    """A connection of apsw, as far as the store needs it to be like one of sqlite3."""

    def create_function(self, name: str, n: int, function: Any, *, deterministic: bool) -> None:
        self.create_scalar_function(name, function, n, deterministic=deterministic)


@attrs.frozen(slots=False)
class RecordedSqlite(Sqlite):
    """A file on a disk that records, with settings beside those of the store."""

    disk: str = attrs.field(kw_only=True)
    settings: tuple[str, ...] = ()
    errors: type[Exception] = attrs.field(default=apsw.Error, init=False)

    def connect(self) -> Any:
        """See `Database.connect`."""
        connection = _Connection(self.name, vfs=self.disk)
        connection.cursor_factory = _Cursor
        connection.create_function("crm_decimal", 1, str, deterministic=True)
        for setting in (*_SETTINGS, f"PRAGMA wal_autocheckpoint = {_PAGES_OF_LOG}", *self.settings):
            connection.execute(setting).fetchall()
        return connection

    def cursor(self, connection: Any) -> Any:
        """See `Database.cursor`."""
        return connection.cursor()


def record(path: Path, n: int, settings: Iterable[str] = ()) -> list[Event]:
    """Make a store in a file, do so many units of work and close it; return all that happened to the disk."""
    events: list[Event] = []
    disk = _Disk(f"disk of {path}", events)
    try:
        store = SqlStore(RecordedSqlite(path, disk=disk.name, settings=tuple(settings)), Place("sqlite"))
        store.schema.apply()
        units.begin(store)
        events.append(Said(0))
        for number in range(1, n + 1):
            units.commit(store, number)
            events.append(Said(number))
        store.close()
    finally:
        disk.unregister()
    return events


def cut(events: list[Event], chance: random.Random, folder: Path) -> int:
    """Write the files into a folder as they are after a power cut at some moment; return the last number said by then."""
    moment = chance.randrange(_first(events), len(events) + 1)
    kept_share = chance.choice([0.0, 0.2, 0.5, 0.8, 1.0])
    for name, content in _files(events[:moment], chance, kept_share).items():
        (folder / Path(name).name).write_bytes(content)
    return max(each.number for each in events[:moment] if isinstance(each, Said))


def check(folder: Path, said: int) -> None:
    """Fail unless a store in a folder has all that was said to be kept, and nothing in part."""
    crashes.check(f"sqlite:///{folder}/club.db", said)


def _first(events: list[Event]) -> int:
    """The number of events up to the first unit of work that was said to be kept, that one included."""
    return next(number for number, each in enumerate(events, 1) if isinstance(each, Said))


def _files(events: Iterable[Event], chance: random.Random, kept_share: float) -> dict[str, bytes]:
    disk = _Surface()
    for each in events:
        disk.take(each)
    return disk.left(chance, kept_share)


class _Surface:
    """What is on the disk for good, what was written since, and what was deleted since."""

    def __init__(self) -> None:
        self._synced: dict[str, bytearray] = {}
        self._pending: dict[str, list[Written]] = {}
        self._deleted: dict[str, bytearray] = {}

    def take(self, event: Event) -> None:
        if isinstance(event, Written):
            self._pending.setdefault(event.file, []).append(event)
        elif isinstance(event, Synced):
            self._deleted.clear()  # a later sync of any file makes a deletion last
            for each in self._pending.pop(event.file, []):
                _write(self._synced.setdefault(event.file, bytearray()), each)
        elif isinstance(event, Deleted):
            self._pending.pop(event.file, None)
            self._deleted[event.file] = self._synced.pop(event.file, bytearray())

    def left(self, chance: random.Random, kept_share: float) -> dict[str, bytes]:
        """Return the files after a power cut."""
        files = {**{name: content for name, content in self._deleted.items() if chance.random() < 0.5}, **self._synced}
        for name, unsynced in self._pending.items():
            for sector in (sector for each in unsynced for sector in each.sectors()):
                if chance.random() < kept_share:
                    _write(files.setdefault(name, bytearray()), sector)
        return {name: bytes(content) for name, content in files.items()}


def _write(content: bytearray, written: Written) -> None:
    if written.data is None:
        del content[written.offset :]
        return
    end = written.offset + len(written.data)
    content.extend(bytes(max(end - len(content), 0)))
    content[written.offset : end] = written.data
