"""The ledger of the memory store: every change, by its place in the feed and by the record that changed."""

from typing import Any

import attrs

from crmkit.io.stores.cursor import decode_position, encode_position
from crmkit.io.stores.families import family
from crmkit.io.stores.layers import Memory
from crmkit.io.stores.port import Change, ChangeKind, Changes, R, Stored, Version
from crmkit.model.records import Record


@attrs.frozen
class MemoryLedger:
    """The changes of one tenant's records; the feed knows its own cursors by the name of the store."""

    memory: Memory
    store: str
    tenant: str

    def log(self, kind: ChangeKind, record: Record, version: int, before: Record | None) -> None:
        """Append a change of this thread's unit of work."""
        place = self._append(Change(kind, type(record).__name__, record.id, version, self.memory.mark, before))
        self.memory.set(self._trail(record), (record.id, version), place)

    def versions(self, stored: Stored[R]) -> tuple[Version[R], ...]:
        """Return what a stored record became by each of its changes."""
        log = [self.memory.get(self._feed, place) for place in self._places(stored)]
        became = [*(change.before for change in log[1:]), stored.record]
        return tuple(
            Version(None if change.kind == "deleted" else record, change.kind, change.version, change.stamp)
            for change, record in zip(log, became, strict=True)
        )

    def forget(self, stored: Stored[Any]) -> None:
        """Keep of a record only that it was purged."""
        for number, place in enumerate(self._places(stored), start=1):
            self.memory.set(self._feed, place, None)
            self.memory.set(self._trail(stored.record), (stored.record.id, number), None)
        name = type(stored.record).__name__
        self._append(Change("purged", name, stored.record.id, stored.version + 1, self.memory.mark))

    def changes(self, after: str | None, limit: int) -> Changes:
        """Return the changes that were kept after a cursor."""
        name = f"{self.store}/{self.tenant}"
        (reached,) = (0,) if after is None else decode_position(after, name, 1)
        entries: list[Change] = []
        for place in range(reached + 1, (self.memory.kept(self._feed, "last") or 0) + 1):
            entry = self.memory.kept(self._feed, place)
            if entry is not None:
                entries.append(entry)
                reached = place
            if len(entries) == limit:
                break
        return Changes(tuple(entries), encode_position(name, reached))

    def _append(self, change: Change) -> int:
        place: int = (self.memory.get(self._feed, "last") or 0) + 1
        self.memory.set(self._feed, place, change)
        self.memory.set(self._feed, "last", place)
        return place

    def _places(self, stored: Stored[Any]) -> list[Any]:
        trail = self._trail(stored.record)
        return [self.memory.get(trail, (stored.record.id, number + 1)) for number in range(stored.version)]

    @property
    def _feed(self) -> object:
        return "feed", self.tenant

    def _trail(self, record: Record) -> object:
        return "trail", self.tenant, family(type(record))
