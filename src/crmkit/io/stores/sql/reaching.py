"""Who has a telephone number or an e-mail address: the index of `reached_by`, which a store has once `contact_points` is promoted.

PostgreSQL indexes the keys of each row. SQLite cannot index several values of a row, so they stand in a table of their own, which
triggers keep in step with the rows, whoever writes them.
"""

from collections.abc import Callable, Sequence
from typing import Any

import sqlalchemy as sa

from crmkit.io.stores.reaching import SEPARATORS, TAIL
from crmkit.io.stores.sql.tables import FamilyTable, Place, Row

ReadRows = Callable[[str, Row], Sequence[Row]]

POINTS = "contact_points"


def is_reachable(table: FamilyTable) -> bool:
    """Return whether records of a table have contact points."""
    return POINTS in table.table.c


def promotion(table: FamilyTable, read_rows: ReadRows) -> list[str]:
    """Return the statements that give contact points their index, where they do not have it."""
    if table.place.dialect == "postgresql":
        return _in_postgresql(table)
    return [] if read_rows("SELECT 1 FROM sqlite_master WHERE name = ?", (index(table),)) else _in_sqlite(table)


def index(table: FamilyTable) -> str:
    """Return the name of the index."""
    return f"{table.table.name}_reach"


def query(
    table: FamilyTable, keys: Sequence[str], is_there: sa.ColumnElement[bool], limit: int | None = None
) -> tuple[str, Row]:
    """Return the query of the rows, as `FamilyTable.rows` has them, that have one of some keys, by the index."""
    own, place = table.table.c, table.place
    has_one: Any
    if place.dialect == "sqlite":
        has_one = own.id.in_(sa.union(*(_ids(table, key, is_there, limit) for key in keys))) if keys else sa.false()
    else:
        has_one = sa.text(f"{_function(table)}(contact_points) && CAST(:keys AS text[])").bindparams(keys=list(keys))
    return place.bound(table.rows().where(is_there, has_one).order_by(own.id).limit(limit))


def _ids(table: FamilyTable, key: str, is_there: sa.ColumnElement[bool], limit: int | None) -> sa.Select[Any]:
    """The ids that have one key; they stand in order, so of a key that very many have no more are read than the limit asks for."""
    own, reach = table.table.c, sa.table(index(table), sa.column("key"), sa.column("tenant"), sa.column("id"))
    joined = table.table.join(reach, sa.and_(reach.c.tenant == own.crm_tenant, reach.c.id == own.id))
    ids = (
        sa.select(reach.c.id).select_from(joined).where(is_there, reach.c.key == key).order_by(reach.c.id).limit(limit)
    )
    return sa.select(ids.correlate(None).subquery().c.id)


def _in_sqlite(table: FamilyTable) -> list[str]:
    name, of = table.table.name, index(table)
    keys = (
        "SELECT {keys}, {row}.crm_tenant, {row}.id FROM json_each({row}.contact_points) AS point "
        "WHERE json_extract(point.value, '$.kind') IN ('phone', 'email')"
    )
    new, old, stored = (keys.format(keys=_key_in_sqlite(), row=row) for row in ("new", "old", name))
    changed = "old.contact_points IS NOT new.contact_points"
    forget = f"DELETE FROM {of} WHERE (key, tenant, id) IN ({old})"  # noqa: S608 - our own names
    remember = f"INSERT OR IGNORE INTO {of} {new}"
    return [
        (
            f"CREATE TABLE {of} (key TEXT NOT NULL, tenant TEXT NOT NULL, id TEXT NOT NULL, PRIMARY KEY (key, tenant, id)) "
            "STRICT, WITHOUT ROWID"
        ),
        f"INSERT OR IGNORE INTO {of} {stored.replace(' FROM ', f' FROM {name}, ', 1)} ORDER BY 1, 2, 3",
        f"CREATE TRIGGER {of}_added AFTER INSERT ON {name} BEGIN {remember}; END",
        f"CREATE TRIGGER {of}_changed AFTER UPDATE OF contact_points ON {name} WHEN {changed} BEGIN {forget}; {remember}; END",
        f"CREATE TRIGGER {of}_removed AFTER DELETE ON {name} BEGIN {forget}; END",
    ]


def _key_in_sqlite() -> str:
    """What `phone_key` and `email_key` say, in SQLite."""
    value = "json_extract(point.value, '$.value')"
    digits = f"substr({value}, 1, instr(({value}) || ';', ';') - 1)"
    for each in SEPARATORS:
        digits = f"replace({digits}, char({ord(each)}), '')"
    return f"CASE json_extract(point.value, '$.kind') WHEN 'phone' THEN 'phone:' || substr({digits}, -{TAIL}) ELSE 'email:' || lower({value}) END"


def _in_postgresql(table: FamilyTable) -> list[str]:
    name, function = table.place.name_of(table.table), _function(table)
    separators = " || ".join(f"chr({ord(each)})" for each in SEPARATORS)
    digits = f"right(translate(split_part(point ->> 'value', ';', 1), {separators}, ''), {TAIL})"
    small = "lower((point ->> 'value') COLLATE \"C\")"
    keys = f"CASE point ->> 'kind' WHEN 'phone' THEN 'phone:' || {digits} ELSE 'email:' || {small} END"
    return [
        (
            f"CREATE OR REPLACE FUNCTION {function}(points json) RETURNS text[] LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE "  # noqa: S608
            f"AS $$ SELECT array_agg({keys}) FROM json_array_elements(points) AS point WHERE point ->> 'kind' IN ('phone', 'email') $$"
        ),
        f"CREATE INDEX IF NOT EXISTS {index(table)} ON {name} USING gin ({function}(contact_points)) WITH (fastupdate = off)",
        f"ANALYZE {name}",
    ]


def _function(table: FamilyTable) -> str:
    place: Place = table.place
    name = f"{table.table.name}_reach_keys"
    return f'"{place.schema}".{name}' if place.schema else name
