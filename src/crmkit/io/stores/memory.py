"""The store that keeps records in memory: the reference for all others."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from threading import RLock

from crmkit.errors import Conflict, InvalidInput, NotFound, StoreError, choices
from crmkit.io.stores.port import R
from crmkit.model import RECORDS
from crmkit.model.records import Record


class MemoryStore:
    """A `Store` that lasts as long as the object.

    >>> store = MemoryStore()
    >>> store.add([Employee(id="ann", name="Ann")])
    1
    >>> store.get(Employee, "ann").id
    'ann'
    """

    def __init__(self, records: Iterable[type[Record]] = RECORDS) -> None:
        """Make an empty store for these classes of records."""
        self._tables: dict[type[Record], dict[str, Record]] = {cls: {} for cls in records}
        self._undo: list[tuple[type[Record], str, Record | None]] = []
        self._depth = 0
        self._lock = RLock()
        self._is_closed = False

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """See `Store.transaction`."""
        with self._lock:
            self._check_open()
            mark = len(self._undo)
            self._depth += 1
            try:
                yield
            except BaseException:
                self._undo_to(mark)
                raise
            finally:
                self._depth -= 1
                if not self._depth:
                    self._undo.clear()

    def add(self, records: Iterable[Record]) -> int:
        """See `Store.add`."""
        n = 0
        with self.transaction():
            for record in records:
                table = self._table(type(record))
                if record.id in table:
                    raise Conflict(f"a {type(record).__name__} with the id {record.id!r} is stored already")
                self._set(record)
                n += 1
        return n

    def put(self, record: Record) -> None:
        """See `Store.put`."""
        with self.transaction():
            self.get(type(record), record.id)
            self._set(record)

    def get(self, cls: type[R], record_id: str) -> R:
        """See `Store.get`."""
        with self._lock:
            found = self._table(cls).get(record_id)
        if not isinstance(found, cls):
            raise NotFound(f"no {cls.__name__} has the id {record_id!r}")
        return found

    def every(self, cls: type[R]) -> Iterator[R]:
        """See `Store.every`."""
        with self._lock:
            ids = sorted(self._table(cls))
        for record_id in ids:
            found = self._table(cls).get(record_id)
            if isinstance(found, cls):
                yield found

    def count(self, cls: type[Record]) -> int:
        """See `Store.count`."""
        return len(self._table(cls))

    def close(self) -> None:
        """See `Store.close`."""
        self._is_closed = True

    def _table(self, cls: type[Record]) -> dict[str, Record]:
        self._check_open()
        if cls not in self._tables:
            raise unknown_class(cls, self._tables)
        return self._tables[cls]

    def _check_open(self) -> None:
        if self._is_closed:
            raise StoreError("the store is closed; open it again to use it")

    def _set(self, record: Record) -> None:
        table = self._table(type(record))
        self._undo.append((type(record), record.id, table.get(record.id)))
        table[record.id] = record

    def _undo_to(self, mark: int) -> None:
        while len(self._undo) > mark:
            cls, record_id, before = self._undo.pop()
            if before is None:
                del self._tables[cls][record_id]
            else:
                self._tables[cls][record_id] = before


def unknown_class(cls: type[Record], known: Iterable[type[Record]]) -> InvalidInput:
    """The error of a class that a store was not opened for."""
    listed = choices(cls.__name__, [each.__name__ for each in known])
    return InvalidInput(
        f"{cls.__name__} is no record class of this store; {listed}; give others as records= on opening"
    )
