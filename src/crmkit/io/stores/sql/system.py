"""The store's own tables: units of work, the ledger of changes, notes, and what is known about the store itself.

The ledger is history and feed in one. An entry holds the record as it was before the change; what it was after stands in
the next entry of the record, or in the record's table. So adding a record writes no image of it.
"""

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import attrs
import sqlalchemy as sa

from crmkit.io.stores.sql.cells import INSTANT, JSON
from crmkit.io.stores.sql.session import Unit
from crmkit.io.stores.sql.tables import Insert, Place, Row


class _TransactionId(sa.types.UserDefinedType[str]):
    """The number of a transaction of PostgreSQL that never wraps around, read as text."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        return "xid8"

    def column_expression(self, column: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
        return sa.cast(column, sa.Text())


@attrs.frozen(slots=False)
class SystemTables:
    """The store's own tables and their statements."""

    place: Place

    @cached_property
    def meta(self) -> sa.Table:
        """What is known about the store: the version of its schema, where its feed began."""
        text = self.place.text
        return self.place.table(
            "meta", sa.Column("key", text, primary_key=True, nullable=False), sa.Column("value", text, nullable=False)
        )

    @cached_property
    def unit(self) -> sa.Table:
        """One row for each unit of work that wrote something."""
        text, instant = self.place.text, self._type(INSTANT)
        return self.place.table(
            "unit",
            *self._transaction(),
            self.place.key("id", primary_key=True),
            sa.Column("tenant", text, nullable=False),
            sa.Column("by", text),
            sa.Column("at", instant),
            sa.Column("recorded_at", instant),
        )

    @cached_property
    def ledger(self) -> sa.Table:
        """One row for each change of a record."""
        text, whole = self.place.text, self.place.whole
        table = self.place.table(
            "ledger",
            *self._transaction(primary_key=True),
            self.place.key("seq", primary_key=True),
            sa.Column("tenant", text, nullable=False),
            sa.Column("unit", whole, nullable=False),
            sa.Column("kind", text, nullable=False),
            sa.Column("subject", text, nullable=False),
            sa.Column("subject_id", text, nullable=False),
            sa.Column("version", whole, nullable=False),
            sa.Column("before", self._type(JSON)),
        )
        changed = table.c.kind != "added"
        sa.Index(
            f"{table.name}_subject_idx",
            table.c.tenant,
            table.c.subject_id,
            table.c.seq,
            sqlite_where=changed,
            postgresql_where=changed,
        )
        return table

    @cached_property
    def note(self) -> sa.Table:
        """Short texts of the host by their keys."""
        text = self.place.text
        return self.place.table(
            "note",
            sa.Column("tenant", text, nullable=False),
            sa.Column("key", text, nullable=False),
            sa.Column("text", text, nullable=False),
            sa.PrimaryKeyConstraint("tenant", "key"),
        )

    @property
    def tables(self) -> tuple[sa.Table, ...]:
        """All of them."""
        return (self.meta, self.unit, self.ledger, self.note)

    @cached_property
    def position(self) -> tuple[sa.Column[Any], ...]:
        """The columns of the ledger whose order is that of the feed."""
        own = self.ledger.c
        return (own.seq,) if self.place.dialect == "sqlite" else (own.tx, own.seq)

    def after(self, position: tuple[int, ...]) -> sa.ColumnElement[bool]:
        """Return the condition that an entry comes after a position of the feed."""
        if self.place.dialect == "sqlite":
            return self.ledger.c.seq > position[0]
        transaction, seq = position
        return sa.tuple_(*self.position) > sa.tuple_(sa.cast(str(transaction), _TransactionId()), seq)

    def is_settled(self, unit: Unit | None) -> list[sa.ColumnElement[bool]]:
        """Return the condition that no entry can still come before this one, nor vanish."""
        if self.place.dialect == "postgresql":
            return [self.ledger.c.tx < sa.func.pg_snapshot_xmin(sa.func.pg_current_snapshot())]
        return [] if unit is None or unit.number is None else [self.ledger.c.unit != unit.number]

    @cached_property
    def begin_unit(self) -> str:
        """Takes tenant, by, at and recorded_at; gives the id of the unit of work."""
        own = self.unit.c
        insert = self.place.insert(self.unit, (own.tenant, own.by, own.at, own.recorded_at))
        return f"{insert.sql} RETURNING id"

    @cached_property
    def keep_unit(self) -> Insert:
        """Takes rows of id, tenant, by, at and recorded_at: units of work of another store."""
        own = self.unit.c
        return self.place.insert(self.unit, (own.id, own.tenant, own.by, own.at, own.recorded_at))

    @cached_property
    def record_change(self) -> Insert:
        """Takes rows of tenant, unit, kind, subject, subject_id, version and the record before."""
        own = self.ledger.c
        given = (own.tenant, own.unit, own.kind, own.subject, own.subject_id, own.version, own.before)
        return self.place.insert(self.ledger, given)

    def later_change(self, entry: Row, added_unit: int, names: Sequence[str]) -> tuple[str, Row]:
        """Return the statement that records a change of a record that is there, which that unit of work added, and its values.

        A transaction may change a record that one with a higher number changed before it. The change then takes that number,
        so that the changes of one record come in their order.
        """
        if self.place.dialect == "sqlite":
            return self.record_change.sql, entry
        tenant, _, _, _, subject_id, *_ = entry
        return self._later_change, (added_unit, tenant, subject_id, list(names), *entry)

    @cached_property
    def _later_change(self) -> str:
        ledger, unit, insert = (*map(self.place.name_of, (self.ledger, self.unit)), self.record_change)
        return (
            f"INSERT INTO {ledger} (tx, {', '.join(insert.columns)}) VALUES (GREATEST(pg_current_xact_id(), "  # noqa: S608 - our own names
            f"(SELECT tx FROM {unit} WHERE id = %s), (SELECT tx FROM {ledger} WHERE tenant = %s AND subject_id = %s "
            f"AND kind <> 'added' AND subject = ANY(%s) ORDER BY seq DESC LIMIT 1)), {', '.join('%s' for _ in insert.columns)})"
        )

    @cached_property
    def forget_images(self) -> str:
        """Takes tenant and id: empties the images of a record in the ledger."""
        own = self.ledger.c
        statement = sa.update(self.ledger).values(before=sa.null())
        return self.place.compiled(
            statement.where(
                own.tenant == sa.bindparam("the_tenant"),
                own.subject_id == sa.bindparam("the_id"),
                own.kind != sa.literal_column("'added'"),
                own.subject == sa.bindparam("the_subject"),
            )
        )

    @cached_property
    def set_image(self) -> str:
        """Takes an image, and tenant, id and number of the entry that has another one."""
        own = self.ledger.c
        statement = sa.update(self.ledger).values(before=sa.bindparam("new_image", type_=own.before.type))
        return self.place.compiled(
            statement.where(
                own.tenant == sa.bindparam("the_tenant"),
                own.subject_id == sa.bindparam("the_id"),
                own.kind != sa.literal_column("'added'"),
                own.seq == sa.bindparam("the_seq"),
            )
        )

    @cached_property
    def select_note(self) -> str:
        """Takes tenant and key; gives the text."""
        own = self.note.c
        return self.place.compiled(
            sa.select(own.text).where(own.tenant == sa.bindparam("the_tenant"), own.key == sa.bindparam("the_key"))
        )

    @cached_property
    def insert_note(self) -> str:
        """Takes tenant, key and text."""
        return self.place.insert(self.note, tuple(self.note.columns)).sql

    @cached_property
    def update_note(self) -> str:
        """Takes the new text, tenant, key and the old text."""
        own = self.note.c
        statement = sa.update(self.note).values(text=sa.bindparam("new_text"))
        return self.place.compiled(
            statement.where(
                own.tenant == sa.bindparam("the_tenant"),
                own.key == sa.bindparam("the_key"),
                own.text == sa.bindparam("the_text"),
            )
        )

    def _transaction(self, *, primary_key: bool = False) -> list[sa.Column[Any]]:
        """The column of the transaction's own number in PostgreSQL, which tells whether it is still under way.

        A sequence alone misses what commits late: a number taken first may be seen last. SQLite has one writer at a time.
        """
        if self.place.dialect == "sqlite":
            return []
        now = sa.func.pg_current_xact_id()
        return [sa.Column("tx", _TransactionId(), nullable=False, server_default=now, primary_key=primary_key)]

    def _type(self, of_server: Any) -> Any:
        return sa.Text() if self.place.dialect == "sqlite" else of_server
