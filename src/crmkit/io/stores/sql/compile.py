"""Rules and sort keys as SQL. (The lead's stub: `condition` and `expressions` are used by reading.py with these signatures.)"""

from typing import Any

import sqlalchemy as sa

from crmkit.io.stores.sql.cells import DialectName
from crmkit.rules import EVERYTHING, Rule
from crmkit.rules.columns import Column, Columns


def condition(rule: Rule, known: Columns, table: sa.Table, dialect: DialectName) -> sa.ColumnElement[bool]:
    """Return a rule as a condition on the rows of a table; `known` are the columns that it was checked with."""
    assert rule == EVERYTHING
    return sa.true()


def expressions(column: Column, table: sa.Table, dialect: DialectName) -> tuple[sa.ColumnElement[Any], ...]:
    """Return what a column is in SQL, NULL where it is empty: one expression, and for money its currency and its amount."""
    if column.shape.kind == "money":
        from crmkit.model.money import currency_column
        return (table.c[currency_column(column.path)], table.c[column.path])
    return (table.c[column.path],)
