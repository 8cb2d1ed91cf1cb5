"""Indexes of fields that have none from the start, so that rules about them and sorting by them stay fast.

An index holds the very expression that rules and sort keys are compiled to, behind the tenant and before the id, of the rows that are
not deleted. By it a database finds what equals a value, what lies between two, and what comes next.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any
from zlib import crc32

import sqlalchemy as sa
from sqlalchemy.schema import CreateIndex
from sqlalchemy.sql import visitors
from sqlalchemy.sql.elements import BindParameter, Grouping

from crmkit.errors import InvalidInput
from crmkit.io.stores.port import SortBy, unknown_class
from crmkit.io.stores.queries import sort_columns
from crmkit.io.stores.sql import reaching
from crmkit.io.stores.sql.compile import expressions
from crmkit.io.stores.sql.tables import FamilyTable, Place, index_name
from crmkit.model.custom_field import CustomField
from crmkit.model.records import Record
from crmkit.rules.columns import CUSTOM, Column

ReadRows = Callable[[str, tuple[Any, ...]], Sequence[tuple[Any, ...]]]


def promotions(families: Sequence[FamilyTable], cls: type[Record], path: str, read_rows: ReadRows) -> list[str]:
    """Return the statements that give a field its index: several, where tenants declared it in several ways.

    Raises `InvalidInput` for an unknown class or field, and for one that no index can hold.
    """
    table = next((each for each in families if cls in each.classes), None)
    if table is None:
        raise unknown_class(cls, [known for each in families for known in each.classes])
    if path == reaching.POINTS and reaching.is_reachable(table):
        return reaching.promotion(table, read_rows)
    found = _columns(cls, path, _declared(families, read_rows)) if path != "id" else []
    statements = list(dict.fromkeys(_statement(table, column) for column in found))
    # What an expression is like is counted by PostgreSQL only from now on.
    return (
        [*statements, f"ANALYZE {table.place.name_of(table.table)}"]
        if table.place.dialect == "postgresql"
        else statements
    )


def _declared(families: Iterable[FamilyTable], read_rows: ReadRows) -> list[CustomField]:
    """The fields that any tenant has declared at run time."""
    table = next((each for each in families if each.base is CustomField), None)
    if table is None:
        return []
    query = table.rows().where(table.table.c.crm_deleted_unit.is_(None))
    held = [table.decode(type_name, data) for type_name, _, _, _, *data in read_rows(*table.place.bound(query))]
    return [each for each in held if isinstance(each, CustomField)]


def _columns(cls: type[Record], path: str, declared: Iterable[CustomField]) -> list[Column]:
    """The column at a path, as each tenant has it."""
    subjects = {extended.__name__ for extended in cls.__mro__}
    ours = [each for each in declared if each.subject in subjects]
    named = [[each] for each in ours if CUSTOM + each.name == path] or [
        list({each.name: each for each in ours}.values())
    ]
    return [column for fields in named for column in sort_columns(cls, [SortBy(path)], fields)]


def _statement(table: FamilyTable, column: Column) -> str:
    # A copy, because an index belongs to its table, and the declared table has none of this.
    copied, place = table.table.to_metadata(sa.MetaData()), table.place
    keys = [_key(each, column, place) for each in expressions(column, copied, place.dialect)]
    live = copied.c.crm_deleted_unit.is_(None)
    name = _name(copied, column, " ".join(map(place.compiled, keys)))
    index = sa.Index(name, copied.c.crm_tenant, *keys, copied.c.id, sqlite_where=live, postgresql_where=live)
    return place.compiled(CreateIndex(index, if_not_exists=True))


def _name(table: sa.Table, column: Column, keys: str) -> str:
    """The name of an index. A field may be declared anew as another kind, and then has another index."""
    words = re.sub("[^a-z0-9]+", "_", column.path.lower())
    return index_name(table, f"{words}_{crc32(keys.encode()):08x}" if "." in column.path else words, "sort")


def _key(expression: sa.ColumnElement[Any], column: Column, place: Place) -> sa.ColumnElement[Any]:
    """An expression as an index holds it: with its values in it."""
    if isinstance(expression, sa.Column):
        return expression
    if any(map(_depends, visitors.iterate(expression))):
        raise InvalidInput(
            f"{column.where} ({column.shape.kind}) cannot be promoted: no index of {place.dialect} can hold it"
        )
    return Grouping(visitors.replacement_traverse(expression, {}, _constant))


def _depends(element: Any) -> bool:
    """Whether an expression depends on more than its row.

    That is on a query, on the settings of the session as the text of a time does, or on a function of our connections, without
    which no other program could check or copy a file that has it in an index.
    """
    is_time = isinstance(element, sa.Cast) and isinstance(element.type, sa.Date | sa.DateTime)
    is_ours = isinstance(element, sa.Function) and element.name.startswith("crm_")
    return isinstance(element, sa.Select) or is_time or is_ours


def _constant(element: Any, **_: Any) -> Any:
    return sa.literal_column(_literal(element.value)) if isinstance(element, BindParameter) else None


def _literal(value: Any) -> str:
    if isinstance(value, list):
        return f"ARRAY[{', '.join(map(_literal, value))}]"
    text = str(value).replace("'", "''")
    return f"'{text}'"
