"""Writers whose transactions take their time, and a reader who follows what they change."""

import random
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import pairwise
from threading import Event, Lock, Thread
from time import monotonic, sleep

from crmkit.errors import Conflict, StoreBusy
from crmkit.io.stores import Store
from crmkit.model import Employee

Told = tuple[str, int]
"""A change by the id of its record and the version that the record got."""

_SHARED = tuple(Employee(id=f"shared-{number}", name="Ann") for number in range(8))
_LONGEST_WORK_SECONDS = 0.004


class _UndoneError(Exception):
    """What a writer leaves its transaction with, to have it undone."""


class Followed:
    """What writers on a store kept, and what a reader was told meanwhile."""

    def __init__(self, store: Store) -> None:
        self.kept: list[Told] = [(each.id, 1) for each in _SHARED]
        self.told: list[Told] = []
        self._store = store
        self._gate = Lock()

    @property
    def missed(self) -> set[Told]:
        """Changes that were kept and not told."""
        return set(self.kept) - set(self.told)

    @property
    def made_up(self) -> set[Told]:
        """Changes that were told and not kept."""
        return set(self.told) - set(self.kept)

    @property
    def out_of_order(self) -> list[tuple[Told, Told]]:
        """Changes of a record that were told before an earlier one of the same, or twice."""
        by_record = sorted(self.told, key=lambda change: change[0])
        return [(a, b) for a, b in pairwise(by_record) if a[0] == b[0] and a[1] + 1 != b[1]]

    def write(self, seed: int, seconds: float) -> None:
        """Change records in one transaction after the other, some of which are undone."""
        chance, end = random.Random(seed), monotonic() + seconds
        while monotonic() < end:
            with suppress(_UndoneError, Conflict, StoreBusy):
                changes = list(self._unit(chance, f"{seed}-{monotonic()}"))
                with self._gate:
                    self.kept += changes

    def _unit(self, chance: random.Random, new_id: str) -> Iterator[Told]:
        with self._store.transaction():
            self._store.add([Employee(id=new_id, name="Ann")])
            yield new_id, 1
            for record in chance.sample(_SHARED, chance.randrange(3)):
                yield record.id, self._store.put(record)
            sleep(chance.uniform(0, _LONGEST_WORK_SECONDS))
            if chance.random() < 0.2:
                raise _UndoneError

    def read(self, is_over: Event, patience_seconds: float) -> None:
        """Follow the cursors until all is told, or nothing new comes for too long."""
        cursor, deadline = None, monotonic() + patience_seconds
        while not is_over.is_set() or (self.missed and monotonic() < deadline):
            changes = self._store.changes(cursor, limit=100)
            self.told += [(each.subject_id, each.version) for each in changes]
            if changes or not is_over.is_set():
                deadline = monotonic() + patience_seconds
            cursor = changes.cursor


def follow(store: Store, seeds: Sequence[int], seconds: float, patience_seconds: float = 30.0) -> Followed:
    """Let a writer for each seed write on a store for so many seconds, and a reader follow it to the end."""
    store.add(_SHARED)
    followed, is_over = Followed(store), Event()
    reader = Thread(target=followed.read, args=[is_over, patience_seconds])
    writers = [Thread(target=followed.write, args=[seed, seconds]) for seed in seeds]
    for each in [reader, *writers]:
        each.start()
    for each in writers:
        each.join()
    is_over.set()
    reader.join()
    return followed
