"""The numbered steps from an older schema to a newer one; each runs inside the transaction that brings a store up to date."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sqlalchemy as sa

    from crmkit.io.stores.sql.schema import Schema
    from crmkit.io.stores.sql.tables import FamilyTable


def versions_and_ledger(schema: "Schema") -> None:
    """2: records get a version, a tenant and a ledger; decimals become text that sorts.

    Only SQLite had version 1, in which tables had nothing but the fields.
    """
    there = schema.columns()
    schema.create(table for table in schema.system.tables if table.name not in there)
    schema.run(f"INSERT INTO {schema.system.unit.name} (tenant) VALUES ('')")  # noqa: S608 - our own names
    for family in schema.families:
        if family.table.name in there:
            _rebuild(schema, family, there[family.table.name])
    schema.set_fact("schema_version", "2")


def _rebuild(schema: "Schema", family: "FamilyTable", there: set[str]) -> None:
    table, old = family.table.name, f"{family.table.name}_1"
    schema.run(f"ALTER TABLE {table} RENAME TO {old}")
    schema.create([family.table])
    kept = [column for column in family.data if column.name in there]
    own = {"crm_tenant": "''", "crm_type": f"'{family.base.__name__}'", "crm_version": "1", "crm_unit": "1"}
    values = {**own, **{f'"{column.name}"': _converted(family, column) for column in kept}}
    # A sortable column order of both lists; all names are our own.
    schema.run(f"INSERT INTO {table} ({', '.join(values)}) SELECT {', '.join(values.values())} FROM {old}")  # noqa: S608
    schema.run(
        f"INSERT INTO {schema.system.ledger.name} (tenant, unit, kind, subject, subject_id, version) "  # noqa: S608
        f"SELECT '', 1, 'added', '{family.base.__name__}', id, 1 FROM {old} ORDER BY id"
    )
    schema.run(f"DROP TABLE {old}")


def _converted(family: "FamilyTable", column: "sa.Column[object]") -> str:
    kinds = {info.name: info.shape.kind for info in family.fields}
    return f'crm_decimal("{column.name}")' if kinds.get(column.name) == "decimal" else f'"{column.name}"'


MIGRATIONS: Mapping[int, Callable[["Schema"], None]] = {2: versions_and_ledger}
