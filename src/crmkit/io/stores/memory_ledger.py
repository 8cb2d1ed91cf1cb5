"""The ledger of the memory store: every change, by its place in the feed and by the record that changed."""

from collections.abc import Callable
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
        self.memory.set(self._trail(family(type(record))), (record.id, version), place)

    def versions(self, stored: Stored[R]) -> tuple[Version[R], ...]:
        """Return what a stored record became by each of its changes."""
        log = [self.memory.get(self._feed, place) for place in self._places(stored)]
        became = [*(change.before for change in log[1:]), stored.record]
        return tuple(
            Version(None if change.kind == "deleted" else record, change.kind, change.version, change.stamp)
            for change, record in zip(log, became, strict=True)
        )

    def rewrite(self, stored: Stored[Any], change: Callable[[Record], Record]) -> bool:
        """Put what `change` makes of them in the place of what a record was before; return whether it changes anything."""
        is_changed = False
        for place in self._places(stored):
            entry = self.memory.get(self._feed, place)
            before = entry.before if entry.before is None else change(entry.before)
            if before != entry.before:
                self.memory.set(self._feed, place, attrs.evolve(entry, before=before))
                is_changed = True
        return is_changed

    def forget(self, stored: Stored[Any]) -> None:
        """Keep of a record only that it was purged."""
        for number, place in enumerate(self._places(stored), start=1):
            self.memory.set(self._feed, place, None)
            self.memory.set(self._trail(family(type(stored.record))), (stored.record.id, number), None)
        name = type(stored.record).__name__
        self._append(Change("purged", name, stored.record.id, stored.version + 1, self.memory.mark))

    def entries(self) -> dict[int, Change]:
        """Return all entries by their places in the feed, in order."""
        held = self.memory.items(self._feed)
        held.pop("last", None)
        return dict(sorted(held.items()))

    def place(self, base: type[Record], record_id: str, version: int) -> Any:
        """Return the place in the feed of the change that made a version of a record of a family, None where there is none."""
        return self.memory.get(self._trail(base), (record_id, version))

    def follow(self, base: type[Record], change: Change) -> None:
        """Append a change that another store told of a record of a family."""
        place, version = self._append(change), 1
        if change.kind != "purged":
            self.memory.set(self._trail(base), (change.subject_id, change.version), place)
        while change.kind == "purged" and self.place(base, change.subject_id, version) is not None:
            self.memory.set(self._trail(base), (change.subject_id, version), None)
            version += 1

    def cursor(self, reached: int) -> str:
        """Return the cursor after a place in the feed."""
        return encode_position(self._cursor_name, reached)

    def reached(self, cursor: str) -> int:
        """Return the place in the feed that a cursor comes after; raises `InvalidInput` for one of another feed."""
        return decode_position(cursor, self._cursor_name, 1)[0]

    def changes(self, after: str | None, limit: int) -> Changes:
        """Return the changes that were kept after a cursor."""
        reached = 0 if after is None else self.reached(after)
        entries: list[Change] = []
        for place in range(reached + 1, (self.memory.kept(self._feed, "last") or 0) + 1):
            entry = self.memory.kept(self._feed, place)
            if entry is not None:
                entries.append(entry)
                reached = place
            if len(entries) == limit:
                break
        return Changes(tuple(entries), self.cursor(reached))

    def _append(self, change: Change) -> int:
        place: int = (self.memory.get(self._feed, "last") or 0) + 1
        self.memory.set(self._feed, place, change)
        self.memory.set(self._feed, "last", place)
        return place

    def _places(self, stored: Stored[Any]) -> list[Any]:
        base = family(type(stored.record))
        return [self.place(base, stored.record.id, number + 1) for number in range(stored.version)]

    @property
    def _feed(self) -> object:
        return "feed", self.tenant

    @property
    def _cursor_name(self) -> str:
        return f"{self.store}/{self.tenant}"

    def _trail(self, base: type[Record]) -> object:
        return "trail", self.tenant, base
