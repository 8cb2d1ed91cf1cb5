"""SQL answers of rows as rules do of records, in SQLite and in PostgreSQL."""

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.schema import CreateTable

from crmkit.io.stores.sql.cells import DialectName
from crmkit.io.stores.sql.compile import condition, expressions
from crmkit.io.stores.sql.sqlite import add_functions
from crmkit.io.stores.sql.tables import FamilyTable, Place, family_tables
from crmkit.model import Customer, Money, Record
from crmkit.rules import AllOf, AnyOf, Comparison, Not, Rule, columns, field, predicate
from crmkit.rules.check import checked
from crmkit.testing.strategies import simplest
from tests.model.vertical import Member, Visit
from tests.rules.drawn import AT, OF_VISITS, odd_records, rules_about

Execute = Callable[..., Any]


class Database:
    """Some tables in a database that is empty again for every question."""

    def __init__(self, place: Place, execute: Execute) -> None:
        self.place = place
        self.dialect: DialectName = place.dialect
        self.execute = execute
        self.tables = family_tables((Visit, Customer, Member), place)
        for each in dict.fromkeys(table.table for table in self.tables.values()):
            execute(self.place.compiled(CreateTable(each)))

    def keep(self, records: Sequence[Record]) -> None:
        for table in dict.fromkeys(table.table for table in self.tables.values()):
            self.execute(self.place.compiled(sa.delete(table)))
        for record in records:
            kept = self.tables[type(record)]
            name = type(record).__name__
            row = ("", name, 1, 1, None, *kept.codec(name).encode(record))
            self.execute(self.place.compiled(sa.insert(kept.table)), row)

    def holds(self, rule: Rule, cls: type[Record], declared: Sequence[Any] = ()) -> set[str]:
        """The ids of the rows for which a rule holds."""
        table = self.tables[cls].table
        known = checked(rule, cls, declared)
        found = sa.select(table.c.id).where(condition(rule, known, table, self.dialect))
        return {row[0] for row in self.execute(*self.place.bound(found)).fetchall()}

    def in_order_of(self, path: str, cls: type[Record], declared: Sequence[Any] = ()) -> list[str]:
        table = self.tables[cls].table
        keys = expressions(columns(cls, declared)[path], table, self.dialect)
        order = [part for key in keys for part in (key.is_(None), key)]
        found = sa.select(table.c.id).order_by(*order, table.c.id)
        return [row[0] for row in self.execute(*self.place.bound(found)).fetchall()]


@pytest.fixture(scope="module")
def sqlite() -> Iterator[Database]:
    with closing(sqlite3.connect(":memory:")) as connection:
        add_functions(connection)
        yield Database(Place("sqlite"), connection.execute)


@pytest.fixture(scope="module")
def postgresql(postgres_url: str) -> Iterator[Database]:
    psycopg = pytest.importorskip("psycopg")
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("DROP SCHEMA IF EXISTS rules_in_sql CASCADE")
        connection.execute("CREATE SCHEMA rules_in_sql")
        yield Database(Place("postgresql", schema="rules_in_sql"), connection.execute)
        connection.execute("DROP SCHEMA rules_in_sql CASCADE")


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest) -> Database:
    found: Database = request.getfixturevalue(request.param)
    return found


def numbered(records: Sequence[Any]) -> list[Any]:
    return [record.replace(id=str(number)) for number, record in enumerate(records)]


@given(data=st.data())
def test_sql_says_of_rows_what_a_rule_says_of_records(data: st.DataObject, database: Database) -> None:
    visits = numbered(data.draw(st.lists(odd_records(Visit, OF_VISITS), min_size=1, max_size=4)))
    database.keep(visits)

    for rule in data.draw(st.lists(rules_about(Visit, OF_VISITS, visits), min_size=1, max_size=5)):
        says = predicate(rule, Visit, OF_VISITS)
        for asked in (rule, ~rule):
            expected = {visit.id for visit in visits if says(visit) is (asked is rule)}
            assert database.holds(asked, Visit, OF_VISITS) == expected
