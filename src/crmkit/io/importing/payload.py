"""Records as rows of the staging file, and back without the checks that they have passed."""

from collections.abc import Iterable, Sequence
from hashlib import sha256
from typing import Any

from crmkit.errors import ImportFailed
from crmkit.io.stores.port import Store
from crmkit.io.stores.sql.store import SqlStore
from crmkit.io.stores.sql.tables import FamilyTable, Place, family_tables
from crmkit.model import Record, Transition, fields


class Payloads:
    """Turns the records of a store into the rows that SQLite keeps of them, and back."""

    def __init__(self, store: Store) -> None:
        """Know the classes of a store."""
        self._store = store
        tables = family_tables(tuple(store.classes), Place("sqlite", "crm_", None))
        self._tables: dict[str, FamilyTable] = {cls.__name__: tables[cls] for cls in store.classes}
        self._encoders = {name: table.codec(name).encode for name, table in self._tables.items()}
        self._takes_rows = type(store) is SqlStore and store.database.dialect == "sqlite"

    def width(self, names: Iterable[str]) -> int:
        """Return how many cells the longest row of the classes of these names has."""
        return max((len(self._tables[name].data) for name in names if name in self._tables), default=0)

    def columns(self, name: str) -> tuple[str, ...]:
        """Return what stands in the rows of a class of this name."""
        return tuple(column.name for column in self._table(name).data)

    def encode(self, record: Record) -> tuple[Any, ...]:
        """Return the row of a record."""
        return self._encoders[type(record).__name__](record)

    def decode(self, name: str, row: Sequence[Any]) -> Record:
        """Return the record of a class of this name that a row holds; cells beyond it do not matter."""
        return self._table(name).decode(name, row)

    def add(self, name: str, rows: Iterable[Sequence[Any]]) -> None:
        """Add the records of a class of this name to the store, which takes the rows as they are if it is one in SQLite."""
        if self._takes_rows:
            table = self._table(name)
            self._store.add_rows(table.codec(name).cls, (row[: len(table.data)] for row in rows))  # type: ignore[attr-defined]
        else:
            self._store.add(self.decode(name, row) for row in rows)

    def signature(self, names: Iterable[str]) -> str:
        """Return what tells whether the rows of classes of these names mean the same as in another program."""
        used = sorted({*names, *({Transition.__name__} & self._tables.keys())})
        shapes = [(each.name, str(each.shape)) for name in used for each in fields(self._table(name).codec(name).cls)]
        columns = [[column.name for column in self._table(name).data] for name in used]
        return sha256(repr((used, shapes, columns)).encode()).hexdigest()

    def _table(self, name: str) -> FamilyTable:
        if name not in self._tables:
            raise ImportFailed(
                f"the store keeps no {name}; open it with the records that it was opened with for the plan"
            )
        return self._tables[name]
