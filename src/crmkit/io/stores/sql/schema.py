"""The schema of a store inside a database that may be the host's: what is there, what is missing, and how it is brought up to date.

Everything is created and changed under a lock, in one transaction. Numbered migrations bring an older store to this version of
crmkit; what record classes declare in addition, such as a vertical's own fields, is added as it is met.
"""

from collections.abc import Iterable, Mapping
from functools import cached_property, lru_cache
from hashlib import sha256

import attrs
import sqlalchemy as sa
from sqlalchemy.schema import CreateColumn, CreateIndex, CreateTable

from crmkit.errors import StoreError
from crmkit.io.stores.port import UNSTAMPED
from crmkit.io.stores.sql.migrations import MIGRATIONS
from crmkit.io.stores.sql.promotion import promotions
from crmkit.io.stores.sql.session import Session
from crmkit.io.stores.sql.system import SystemTables
from crmkit.io.stores.sql.tables import FamilyTable, Place, Row
from crmkit.io.stores.sql.views import views

SCHEMA_VERSION = 2
"""The version of the tables that this crmkit reads and writes."""

_LOCK = 7_259_436_131_806_517
_CHANCE: Mapping[str, str] = {"sqlite": "lower(hex(randomblob(16)))", "postgresql": "md5(random()::text)"}
_LOCK_STATEMENTS: Mapping[str, str] = {"postgresql": f"SELECT pg_advisory_xact_lock({_LOCK})"}


@attrs.frozen
class SchemaStatus:
    """What a database has of crmkit's schema: its version, 0 for nothing, the newest one, and the statements still to run."""

    version: int
    latest: int
    pending: tuple[str, ...]

    @property
    def is_current(self) -> bool:
        """Whether nothing is to be done."""
        return self.version == self.latest and not self.pending


@attrs.frozen(slots=False)
class Schema:
    """The schema of one store. `store.schema` is that of an open one, and `crmkit.io.stores.schema_of` that of a URL."""

    place: Place
    system: SystemTables
    families: tuple[FamilyTable, ...]
    _session: Session = attrs.field(repr=False)

    @property
    def name(self) -> str:
        """How errors call the database."""
        return self._session.database.name

    def status(self) -> SchemaStatus:
        """Return what the database has; raises `StoreError` where a newer crmkit wrote it."""
        version = self.version()
        return SchemaStatus(version, SCHEMA_VERSION, self._pending(version))

    def apply(self) -> SchemaStatus:
        """Bring the database up to date, in one transaction under a lock, and return what was to be done.

        Several programs may do so at once: one does it, the others find it done. What is there already is never lost.
        """
        self.version()
        self._session.prepare()
        with self._session.transaction(UNSTAMPED, None, lock=True):
            if self.place.dialect in _LOCK_STATEMENTS:
                self._session.run(_LOCK_STATEMENTS[self.place.dialect])
            before = self.status()
            if 0 < before.version < SCHEMA_VERSION:
                for number in range(before.version + 1, SCHEMA_VERSION + 1):
                    MIGRATIONS[number](self)
            if not before.is_current:
                for statement in self._pending(self.version()):
                    self._session.run(statement)
            return before

    def sql(self) -> tuple[str, ...]:
        """Return the statements that create the whole schema in an empty database, for hosts that run them themselves."""
        return (*self._schema_itself(), *_created(self.place, self.tables), *_views(self.families), *self._facts())

    def verify(self) -> tuple[str, ...]:
        """Return a sentence for each table, column or index that is missing, and for a feed that needs a new beginning.

        Nothing where all is well; `apply` mends the rest.
        """
        there, indexes = self.columns(), self._indexes()
        problems = []
        for table in self.tables:
            columns = there.get(table.name)
            if columns is None:
                problems.append(f"the table {table.name} is missing")
                continue
            problems += [f"{table.name}.{each.name} is missing" for each in table.columns if each.name not in columns]
            problems += [f"the index {each.name} is missing" for each in _indexes_of(table) if each.name not in indexes]
        if self._is_restored():
            problems.append(
                "the ledger comes from another server, whose transactions had higher numbers; apply begins the feed anew"
            )
        return tuple(problems)

    def is_current(self) -> bool:
        """Return whether the tables are those that this crmkit and these records need, as far as the database itself says."""
        is_applied = self.version() == SCHEMA_VERSION and self.fact(f"layout {layout(self.families)}") is not None
        return is_applied and not self._is_restored()

    def promote(self, cls: type, path: str) -> None:
        """Give a field an index, so that rules about it and sorting by it stay fast however many records there are.

        The field is one of the class, "custom." and the name of one that is declared at run time, or "external_ids." and the
        name of a system. Of "contact_points" the telephone numbers and e-mail addresses are indexed, for `reached_by`. One that has its
        index already keeps it. Raises `InvalidInput` for an unknown field, and for one
        that no index can hold.
        """
        with self._session.transaction(UNSTAMPED, None, lock=True):
            if self.place.dialect in _LOCK_STATEMENTS:
                self._session.run(_LOCK_STATEMENTS[self.place.dialect])
            for statement in promotions(self.families, cls, path, self._session.rows):
                self._session.run(statement)

    def has_index(self, name: str) -> bool:
        """Return whether an index is there, or a table that serves as one."""
        return bool(self._inspect(_INDEX_THERE, name))

    @cached_property
    def tables(self) -> tuple[sa.Table, ...]:
        """All tables of the store."""
        return (*self.system.tables, *(each.table for each in self.families))

    @cached_property
    def feed_epoch(self) -> str:
        """What tells the feed of this database from those of all others."""
        return self.fact("feed_epoch") or ""

    def version(self) -> int:
        """Return the version of the tables that are there, 0 for none; raises `StoreError` for a newer one."""
        if self.system.meta.name not in self.columns():
            return 0
        version = int(self.fact("schema_version") or 0)
        if version > SCHEMA_VERSION:
            raise StoreError(
                f"{self.name}: a newer crmkit wrote this store (schema {version}, this one knows "
                f"{SCHEMA_VERSION}); upgrade with: pip install -U crmkit"
            )
        return version

    def fact(self, key: str) -> str | None:
        """Return what is known about the store under a key."""
        meta = self.system.meta
        rows = self._session.rows(*self.place.bound(sa.select(meta.c.value).where(meta.c.key == key)))
        return rows[0][0] if rows else None

    def run(self, statement: str) -> None:
        """Run a statement of a migration."""
        self._session.run(statement)

    def create(self, tables: Iterable[sa.Table]) -> None:
        """Create tables and their indexes."""
        for statement in _created(self.place, tables):
            self._session.run(statement)

    def set_fact(self, key: str, value: str) -> None:
        """Keep what is known about the store under a key."""
        for statement in self._fact(key, value):
            self._session.run(statement)

    def _pending(self, version: int) -> tuple[str, ...]:
        if not version:
            return self.sql()
        there, indexes = self.columns(), self._indexes()
        missing = (
            *_created(self.place, (table for table in self.tables if table.name not in there)),
            *self._added(there),
            *self._created_indexes(there, indexes),
            *self._new_beginning(),
        )
        return () if not missing and self.is_current() else (*missing, *_views(self.families), *self._facts())

    def _is_restored(self) -> bool:
        """Whether the ledger has transactions that this server has yet to begin: then it was restored from another one."""
        if self.place.dialect == "sqlite" or not self.version():
            return False
        ledger = self.system.ledger.c
        ahead = ledger.tx >= sa.func.pg_snapshot_xmax(sa.func.pg_current_snapshot())
        return bool(self._session.rows(*self.place.bound(sa.select(ledger.seq).where(ahead).limit(1))))

    def _new_beginning(self) -> list[str]:
        """What lets the feed go on after a restore: entries in the order of their numbers, before all that will come."""
        if not self._is_restored():
            return []
        ledger, unit, meta = map(self.place.name_of, (self.system.ledger, self.system.unit, self.system.meta))
        return [
            f"UPDATE {ledger} SET tx = '0'::xid8",  # noqa: S608 - our own names
            f"UPDATE {unit} SET tx = '0'::xid8",  # noqa: S608
            f"DELETE FROM {meta} WHERE key = 'feed_epoch'",  # noqa: S608
        ]

    def _added(self, there: Mapping[str, set[str]]) -> list[str]:
        """The columns that a table does not have yet; they may be NULL, because its rows have no value for them."""
        return [
            f"ALTER TABLE {self.place.name_of(table)} ADD COLUMN {self.place.compiled(CreateColumn(_nullable(column)))}"
            for table in self.tables
            for column in table.columns
            if table.name in there and column.name not in there[table.name]
        ]

    def _created_indexes(self, there: Mapping[str, set[str]], indexes: set[str]) -> list[str]:
        return [
            self.place.compiled(CreateIndex(index))
            for table in self.tables
            for index in _indexes_of(table)
            if table.name in there and index.name not in indexes
        ]

    def _facts(self) -> list[str]:
        meta, chance = self.place.name_of(self.system.meta), _CHANCE[self.place.dialect]
        there = f"(SELECT 1 FROM {meta} WHERE key = 'feed_epoch')"  # noqa: S608 - our own names
        facts = {"schema_version": str(SCHEMA_VERSION), f"layout {layout(self.families)}": "applied"}
        return [
            *(statement for key, value in facts.items() for statement in self._fact(key, value)),
            f"INSERT INTO {meta} (key, value) SELECT 'feed_epoch', {chance} WHERE NOT EXISTS {there}",
        ]

    def _fact(self, key: str, value: str) -> tuple[str, ...]:
        meta = self.place.name_of(self.system.meta)
        return (
            f"DELETE FROM {meta} WHERE key = '{key}'",  # noqa: S608 - keys and values are our own
            f"INSERT INTO {meta} (key, value) VALUES ('{key}', '{value}')",  # noqa: S608
        )

    def _schema_itself(self) -> tuple[str, ...]:
        return (f'CREATE SCHEMA IF NOT EXISTS "{self.place.schema}"',) if self.place.schema else ()

    def columns(self) -> dict[str, set[str]]:
        """Return the columns of the tables that are there, by the names of the tables."""
        found: dict[str, set[str]] = {}
        for table, column in self._inspect(_COLUMNS_THERE):
            found.setdefault(table, set()).add(column)
        return found

    def _indexes(self) -> set[str]:
        return {name for (name,) in self._inspect(_INDEXES_THERE)}

    def _inspect(self, statements: Mapping[str, str], *names: str) -> list[Row]:
        dialect = self.place.dialect
        return self._session.rows(statements[dialect], names if dialect == "sqlite" else (self.place.schema, *names))


@lru_cache(maxsize=16)
def layout(families: tuple[FamilyTable, ...]) -> str:
    """Return a fingerprint of the tables and views of record classes."""
    made = [*_created(families[0].place, (each.table for each in families)), *_views(families)]
    return sha256("\n".join(made).encode()).hexdigest()[:32]


def _created(place: Place, tables: Iterable[sa.Table]) -> list[str]:
    made = []
    for table in tables:
        made.append(place.compiled(CreateTable(table)))
        made += [place.compiled(CreateIndex(index)) for index in _indexes_of(table)]
    return [statement.strip() for statement in made]


def _views(families: Iterable[FamilyTable]) -> list[str]:
    return [statement for each in families for statement in views(each)]


def _indexes_of(table: sa.Table) -> list[sa.Index]:
    return sorted(table.indexes, key=lambda each: str(each.name))


def _nullable(column: "sa.Column[object]") -> "sa.Column[object]":
    return sa.Column(column.name, column.type, nullable=True)


_COLUMNS_THERE: Mapping[str, str] = {
    "sqlite": "SELECT m.name, c.name FROM sqlite_master m JOIN pragma_table_info(m.name) c WHERE m.type = 'table'",
    "postgresql": """
        SELECT table_name, column_name FROM information_schema.columns
        WHERE table_schema = COALESCE(%s, current_schema())
    """,
}
_INDEXES_THERE: Mapping[str, str] = {
    "sqlite": "SELECT name FROM sqlite_master WHERE type = 'index'",
    "postgresql": "SELECT indexname FROM pg_indexes WHERE schemaname = COALESCE(%s, current_schema())",
}
_INDEX_THERE: Mapping[str, str] = {
    "sqlite": "SELECT 1 FROM sqlite_master WHERE name = ?",
    "postgresql": "SELECT 1 FROM pg_indexes WHERE schemaname = COALESCE(%s, current_schema()) AND indexname = %s",
}
