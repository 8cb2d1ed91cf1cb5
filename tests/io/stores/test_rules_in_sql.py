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

from crmkit.io.stores.sql.compile import Asked, condition, expressions
from crmkit.io.stores.sql.sqlite import add_functions
from crmkit.io.stores.sql.tables import Place, family_tables
from crmkit.model import Customer, CustomField, Money, Record
from crmkit.rules import AllOf, AnyOf, Comparison, Not, Rule, columns, field, predicate
from crmkit.rules.check import checked
from crmkit.testing.strategies import simplest
from tests.model.vertical import Member, Visit
from tests.rules.drawn import AT, NEARLY_WRITTEN, OF_VISITS, odd_records, rules_about

Execute = Callable[..., Any]


class Database:
    """Some tables in a database that is empty again for every question."""

    def __init__(self, place: Place, execute: Execute) -> None:
        self.place = place
        self.dialect = place.dialect
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
        found = sa.select(table.c.id).where(condition(rule, known, Asked(table, self.dialect)))
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


@given(data=st.data())
def test_sql_sorts_rows_as_their_values_are_sorted(data: st.DataObject, database: Database) -> None:
    visits = numbered(data.draw(st.lists(odd_records(Visit, OF_VISITS), min_size=2, max_size=5)))
    database.keep(visits)

    for path in (
        "member_id",
        "at",
        "paid",
        "guests",
        "rating",
        "weight",
        "is_trial",
        *(f"custom.{each.name}" for each in OF_VISITS),
    ):
        get = columns(Visit, OF_VISITS)[path].get
        expected = sorted(visits, key=lambda visit: (place(get(visit)), visit.id))
        assert database.in_order_of(path, Visit, OF_VISITS) == [visit.id for visit in expected], path


def place(value: Any) -> tuple[Any, ...]:
    """What sorts as the value does, after all others where it is empty."""
    if value is None:
        return (True,)
    return (False, value.currency, value.amount) if isinstance(value, Money) else (False, value)


SPECIAL = (
    "100%",
    "1000",
    "a_b",
    "axb",
    r"a\b",
    "[a]",
    "a",
    "A",
    "a*c",
    "abc",
    "a?c",
    "łódź",
    "Łódź",
    "'; --",
    '"',
    "%(x)s",
    ":x",
    "?",
)


@pytest.mark.parametrize("text", SPECIAL)
def test_no_character_is_special_outside_of_like(database: Database, text: str) -> None:
    held = [simplest(Visit, id=str(number), member_id=f"<{word}>") for number, word in enumerate(SPECIAL)]
    database.keep(held)
    of = {visit.id: visit.member_id for visit in held}

    assert {of[each] for each in database.holds(field("member_id").contains(text), Visit)} == {
        f"<{word}>" for word in SPECIAL if text in word
    }
    for rule in (
        field("member_id").starts_with(f"<{text}>"),
        field("member_id").ends_with(f"<{text}>"),
        field("member_id") == f"<{text}>",
    ):
        assert [of[each] for each in database.holds(rule, Visit)] == [f"<{text}>"]


@pytest.mark.parametrize(
    ("pattern", "fitting"),
    [
        (r"100\%", {"100%"}),
        ("100_", {"100%", "1000"}),
        ("_", {"a", "A", '"', "?"}),
        ("a%", {"a_b", "axb", r"a\b", "a", "a*c", "abc", "a?c"}),
        (r"a\\b", {r"a\b"}),
        (r"a\b", {r"a\b"}),
        ("[a]", {"[a]"}),
        ("a*c", {"a*c"}),
        ("ł%", {"łódź"}),
        ("%\\", set()),
    ],
)
def test_like_knows_two_wildcards_and_case(database: Database, pattern: str, fitting: set[str]) -> None:
    held = [simplest(Visit, id=str(number), member_id=word) for number, word in enumerate(SPECIAL)]
    database.keep(held)

    assert {SPECIAL[int(each)] for each in database.holds(field("member_id").like(pattern), Visit)} == fitting


def test_money_of_other_currencies_is_not_compared(database: Database) -> None:
    paid = [Money(10, "PLN"), Money(10, "EUR"), Money("10.5", "PLN"), Money(1000, "JPY"), None]
    database.keep([simplest(Visit, id=str(number), paid=each) for number, each in enumerate(paid)])

    assert database.holds(field("paid") == Money(10, "PLN"), Visit) == {"0"}
    assert database.holds(field("paid") >= Money(10, "PLN"), Visit) == {"0", "2"}
    assert database.holds(~(field("paid") >= Money(10, "PLN")), Visit) == {"1", "3", "4"}
    assert database.holds(field("paid").is_in([Money(1000, "JPY"), Money(10, "EUR")]), Visit) == {"1", "3"}
    assert database.holds(field("paid_currency") == "PLN", Visit) == {"0", "2"}
    assert database.holds(field("paid_currency").is_empty(), Visit) == {"4"}


def test_instants_and_days_at_the_ends_of_time(database: Database) -> None:
    ends = [datetime(1, 1, 1, tzinfo=UTC), AT, datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)]
    written = [each.strftime("%Y-%m-%dT%H:%M:%S.%fZ").rjust(27, "0") for each in ends]
    database.keep(
        [
            simplest(Visit, id=str(number), at=each, custom={"a_instant": text, "a_day": text[:10]})
            for number, (each, text) in enumerate(zip(ends, written, strict=True))
        ]
    )
    for number, each in enumerate(ends):
        for path, value in (("at", each), ("custom.a_instant", each), ("custom.a_day", each.date())):
            assert database.holds(field(path) == value, Visit, OF_VISITS) == {str(number)}
            assert database.holds(field(path) <= value, Visit, OF_VISITS) == set("012"[: number + 1])


def test_the_time_zone_of_a_session_changes_nothing(postgresql: Database) -> None:
    visit = simplest(Visit, id="v", at=AT, custom={"a_instant": "2025-01-31T12:00:00.000000Z", "a_day": "2025-01-31"})
    postgresql.keep([visit])
    rule = (field("at") == AT) & (field("custom.a_instant") == AT) & (field("custom.a_day") == date(2025, 1, 31))

    for zone in ("Asia/Bangkok", "America/New_York", "UTC"):
        postgresql.execute(f"SET TimeZone = '{zone}'")
        postgresql.execute("SET DateStyle = 'SQL, DMY'")
        assert postgresql.holds(rule, Visit, OF_VISITS) == {"v"}
    postgresql.execute("RESET ALL")


def test_what_others_wrote_into_custom_is_empty_and_never_an_error(database: Database) -> None:
    odd = ["null", "{}", "[1]", '{"a": "b"}', "1e300", "1.0", '"x"', '""', "true", '"9999-99-99"', '"٣٨"', '"1e5"']
    mark = "?" if database.dialect == "sqlite" else "%s"
    table = database.place.name_of(database.tables[Visit].table)
    database.keep([simplest(Visit, id="v")])
    for written in odd:
        custom = "{" + ", ".join(f'"{each.name}": {written}' for each in OF_VISITS) + "}"
        database.execute(f"UPDATE {table} SET custom = {mark}, external_ids = {mark}", (custom, custom))
        for name in ("a_day", "a_instant", "a_decimal", "a_integer", "a_choice"):
            assert database.holds(field(f"custom.{name}").is_empty(), Visit, OF_VISITS) == {"v"}, (name, written)
        for each in OF_VISITS:
            database.holds(field(f"custom.{each.name}").is_empty(), Visit, OF_VISITS)
            database.holds(field(f"external_ids.{each.name}") == "x", Visit, OF_VISITS)


@pytest.mark.parametrize("declared", OF_VISITS, ids=lambda declared: declared.kind)
def test_both_tell_what_is_written_as_declared(declared: CustomField, database: Database) -> None:
    days = [
        f"{year}-{month:02}-{day:02}"
        for year in (1900, 2000, 2024, 2025)
        for month in range(14)
        for day in range(28, 33)
    ]
    written = [*NEARLY_WRITTEN, *days, *(f"{day}T23:59:59.999999Z" for day in days), 1, 1.0, True]
    visits = [simplest(Visit, id=str(number), custom={declared.name: each}) for number, each in enumerate(written)]
    database.keep(visits)
    rule = field(f"custom.{declared.name}").is_empty()
    is_empty = predicate(rule, Visit, OF_VISITS)

    empty = {repr(written[int(each)]) for each in database.holds(rule, Visit, OF_VISITS)}
    assert empty == {repr(visit.custom[declared.name]) for visit in visits if is_empty(visit)}


def test_fields_of_an_extending_class_are_empty_in_rows_of_others(database: Database) -> None:
    ann, bob = (
        simplest(Customer, id="ann", name="Ann"),
        simplest(Member, id="bob", name="Bob", card="7", allergies={"nuts"}),
    )
    database.keep([ann, bob])

    assert database.holds(field("card") == "7", Member) == {"bob"}
    assert database.holds(field("card").is_empty(), Member) == {"ann"}
    assert database.holds(field("allergies").has("nuts"), Member) == {"bob"}
    assert database.holds(field("allergies").is_empty(), Member) == {"ann"}
    assert database.holds(field("name").starts_with("A"), Customer) == {"ann"}


def test_the_largest_rules_are_answered(database: Database) -> None:
    database.keep([simplest(Visit, id="v", guests=7, custom={"a_day": "2025-01-31"})])
    guests = [field("guests") == number for number in range(249)]
    days = [field("custom.a_day") == date(2025, 1, 1 + number % 31) for number in range(249)]
    deepest: Rule = field("guests") == 7
    for _ in range(23):
        deepest = Not(AllOf((deepest, Not(AnyOf(())))))

    assert database.holds(AnyOf((*guests, *days)), Visit, OF_VISITS) == {"v"}
    assert database.holds(AllOf([~rule for rule in guests]), Visit) == set()
    assert database.holds(deepest, Visit) == set()


def test_many_values_are_one_parameter(database: Database) -> None:
    database.keep([simplest(Visit, id="v", member_id="m9999", guests=9_999)])
    rule = field("member_id").is_in([f"m{number}" for number in range(10_000)]) & field("guests").is_in(range(10_000))

    assert database.holds(rule, Visit) == {"v"}
    table = database.tables[Visit].table
    _, values = database.place.bound(
        sa.select(table).where(condition(rule, columns(Visit), Asked(table, database.dialect)))
    )
    assert len(values) == 2


@given(data=st.data(), word=st.sampled_from(SPECIAL))
def test_no_value_stands_in_the_statement(data: st.DataObject, word: str, database: Database) -> None:
    canary = f"canary{word}"
    rules = [
        field("member_id") == canary,
        field("member_id").like(canary),
        field("tags").has(canary),
        field(f"external_ids.{canary}") == canary,
        field("custom.a_text").is_in([canary]),
    ]
    rule = data.draw(st.sampled_from(rules))
    table = database.tables[Visit].table
    statement, _ = database.place.bound(
        sa.select(table.c.id).where(condition(rule, columns(Visit, OF_VISITS), Asked(table, database.dialect)))
    )

    assert "canary" not in statement
    database.keep([])
    assert database.holds(rule, Visit, OF_VISITS) == set()


def test_a_beginning_is_found_by_an_index(sqlite: Database) -> None:
    table = sqlite.tables[Visit].table
    sqlite.execute(f"CREATE INDEX by_member ON {table.name} (member_id)")
    found = sa.select(table.c.id).where(
        condition(field("member_id").starts_with("ab*"), columns(Visit), Asked(table, "sqlite"))
    )
    statement, values = sqlite.place.bound(found)
    plan = sqlite.execute(f"EXPLAIN QUERY PLAN {statement}", values).fetchall()

    assert "USING INDEX by_member (member_id>? AND member_id<?)" in plan[0][3]


def test_decimals_are_compared_by_value(database: Database) -> None:
    held = [
        Decimal(text) for text in ("-10", "-1.5", "-0.0000000001", "0", "1.50", "9", "10", "9" * 28 + "." + "9" * 10)
    ]
    database.keep(
        [
            simplest(Visit, id=str(number), weight=each, custom={"a_decimal": f"{each:f}"})
            for number, each in enumerate(held)
        ]
    )

    for path in ("weight", "custom.a_decimal"):
        for number, each in enumerate(held):
            assert database.holds(field(path) == each, Visit, OF_VISITS) == {str(number)}
            assert database.holds(field(path) < each, Visit, OF_VISITS) == set("01234567"[:number])
    assert database.holds(field("weight").is_in([Decimal("1.5"), 10]), Visit) == {"4", "6"}


def test_a_comparison_of_columns_is_a_rule_of_its_class(database: Database) -> None:
    known = columns(Visit, OF_VISITS)
    (held,) = expressions(known["member_id"], database.tables[Visit].table, database.dialect)

    assert held is database.tables[Visit].table.c.member_id
    assert len(expressions(known["paid"], database.tables[Visit].table, database.dialect)) == 2
    assert Comparison("member_id", "empty") == field("member_id").is_empty()
