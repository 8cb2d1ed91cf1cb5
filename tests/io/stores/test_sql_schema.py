"""The schema of the SQL stores: created once by whoever comes first, upgraded without loss, never ahead of its crmkit."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from crmkit.codec import from_plain
from crmkit.errors import InvalidInput, StoreError
from crmkit.io.stores import open_store, schema_of
from crmkit.io.stores.sql.schema import SCHEMA_VERSION
from crmkit.model import RECORDS, Customer, Record, Ticket, field, record

HERE = Path(__file__).parent


@record
class Member(Customer):
    goal: str | None = field(default=None, personal=True)
    visits: int = 0


@record
class Visit(Record):
    member_id: str = field(links="Customer")


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A store that the first version of the schema wrote."""
    path = tmp_path / "old.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript((HERE / "schema_1.sql").read_text(encoding="utf-8"))
    return path


def written_by_version_1() -> Iterator[Record]:
    classes = {cls.__name__: cls for cls in RECORDS}
    for line in (HERE / "schema_1.jsonl").read_text(encoding="utf-8").splitlines():
        ((name, plain),) = json.loads(line).items()
        yield from_plain(classes[name], plain)


def structure(path: Path) -> dict[str, object]:
    """The tables with their columns, and the indexes and views, of a file."""
    with closing(sqlite3.connect(path)) as connection:
        objects = connection.execute("SELECT name, type, sql FROM sqlite_master").fetchall()
        columns = {
            name: sorted(connection.execute('SELECT name, type, "notnull", pk FROM pragma_table_info(?)', (name,)))
            for name, kind, _ in objects
            if kind == "table"
        }
    return columns | {name: sql for name, kind, sql in objects if kind != "table"}


def test_a_store_of_the_first_version_is_upgraded_without_loss(old: Path) -> None:
    with closing(open_store(f"sqlite:///{old}")) as store:
        for cls in RECORDS:
            expected = sorted((each for each in written_by_version_1() if type(each) is cls), key=lambda each: each.id)
            assert list(store.every(cls)) == expected
        told = [change.subject_id for change in store.changes()]
        assert sorted(told) == sorted(each.id for each in written_by_version_1())


def test_an_upgraded_store_has_the_structure_of_a_fresh_one(old: Path, tmp_path: Path) -> None:
    for path in (old, tmp_path / "fresh.db"):
        open_store(f"sqlite:///{path}").close()

    assert structure(old) == structure(tmp_path / "fresh.db")


def test_a_failing_upgrade_leaves_the_old_store_as_it_was(old: Path) -> None:
    before = structure(old)
    with closing(sqlite3.connect(old)) as connection:
        # Something in the way of the last steps.
        connection.execute("CREATE TABLE crm_usage_1 (id TEXT)")
    blocked = structure(old)

    with pytest.raises(StoreError):
        open_store(f"sqlite:///{old}")
    assert structure(old) == blocked == before | {"crm_usage_1": blocked["crm_usage_1"]}


def test_a_file_brings_itself_up_to_date_and_a_second_time_nothing_is_to_be_done(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'club.db'}"
    assert schema_of(url).status().version == 0
    open_store(url).close()

    status = schema_of(url).status()
    assert (status.version, status.is_current, status.pending) == (SCHEMA_VERSION, True, ())
    assert schema_of(url).verify() == ()
    assert schema_of(url).apply() == status


def test_the_statements_of_the_schema_make_what_apply_makes(tmp_path: Path) -> None:
    by_hand, applied = tmp_path / "by_hand.db", tmp_path / "applied.db"
    with closing(sqlite3.connect(by_hand)) as connection:
        for statement in schema_of("sqlite://").sql():
            connection.execute(statement)
        connection.commit()
    schema_of(f"sqlite:///{applied}").apply()

    assert structure(by_hand) == structure(applied)
    assert schema_of(f"sqlite:///{by_hand}").status().is_current


def test_records_of_a_vertical_get_their_columns_and_tables_when_they_are_first_opened(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'club.db'}"
    ann = Customer(id="ann", kind="person", name="Ann")
    with closing(open_store(url)) as store:
        store.add([ann])

    status = schema_of(url, records=[Member, Visit]).status()
    assert not status.is_current
    assert any("crm_visit" in statement for statement in status.pending)
    with closing(open_store(url, records=[Member, Visit])) as store:
        bob = Member(id="bob", kind="person", name="Bob", goal="strength", visits=3)
        visit = Visit(id="v1", member_id="bob")
        store.add([bob, visit])
        assert list(store.every(Customer)) == [ann, bob]
        assert list(store.every(Member)) == [bob]
        assert store.get(Visit, "v1") == visit
    with closing(open_store(url)) as store:
        assert store.get(Customer, "ann") == ann
        with pytest.raises(StoreError, match=r"Member records are stored, .* give records=\[Member\]"):
            store.get(Customer, "bob")


def test_a_field_that_came_later_has_its_default_in_earlier_records(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'club.db'}"

    @record
    class Guest(Customer):
        pass

    with closing(open_store(url, records=[Guest])) as store:
        store.add([Guest(id="ann", kind="person", name="Ann")])

    def later() -> type[Customer]:
        @record
        class Guest(Customer):
            visits: int = 7
            goal: str | None = None

        return Guest

    cls = later()
    with closing(open_store(url, records=[cls])) as store:
        assert store.get(cls, "ann") == cls(id="ann", kind="person", name="Ann")


def test_two_classes_that_cannot_share_a_database_are_refused() -> None:
    def another(name: str) -> type[Record]:
        @record
        class Coach(Customer):
            goal: int = 0

        @record
        class Visit(Record):
            pass

        return Coach if name == "Coach" else Visit

    with pytest.raises(InvalidInput, match="two record classes are called Visit"):
        open_store("sqlite://", records=[Visit, another("Visit")])
    with pytest.raises(InvalidInput, match=r"Coach.goal: another class of the same family"):
        open_store("sqlite://", records=[Member, another("Coach")])


def test_a_field_whose_name_needs_care_in_sql_is_refused() -> None:
    @record
    class Odd(Record):
        crm_version: int = 0

    with pytest.raises(InvalidInput, match=r"Odd.crm_version: a stored field has a name of lower case letters"):
        open_store("sqlite://", records=[Odd])


def test_a_prefix_keeps_two_stores_in_one_file_apart(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'club.db'}"
    with closing(open_store(url, prefix="a_")) as one, closing(open_store(url, prefix="b_")) as two:
        one.add([Ticket(id="t1", number="1")])
        two.add([Ticket(id="t1", number="1")])
        assert (one.count(Ticket), two.count(Ticket)) == (1, 1)


@pytest.mark.parametrize("prefix", ["", "1a", "a b", "a;", 'a"', "x" * 17])
def test_a_prefix_that_needs_care_in_sql_is_refused(prefix: str) -> None:
    with pytest.raises(InvalidInput, match="is no prefix; give lower case letters"):
        open_store("sqlite://", prefix=prefix)


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    path = tmp_path / "club.db"
    open_store(f"sqlite:///{path}").close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DROP VIEW IF EXISTS crm_view_ticket")
        connection.execute("DROP VIEW IF EXISTS crm_view_quote")
        connection.execute("DROP TABLE crm_quote")
        connection.execute("DROP INDEX crm_ticket_number_key")
        connection.commit()

    problems = schema_of(f"sqlite:///{path}").verify()
    assert "the table crm_quote is missing" in problems
    assert "the index crm_ticket_number_key is missing" in problems


def test_the_schema_of_a_newer_crmkit_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "club.db"
    open_store(f"sqlite:///{path}").close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE crm_meta SET value = '99' WHERE key = 'schema_version'")
        connection.commit()

    for use in (open_store, lambda url: schema_of(url).status(), lambda url: schema_of(url).apply()):
        with pytest.raises(StoreError, match="a newer crmkit wrote this store .schema 99, this one knows 2."):
            use(f"sqlite:///{path}")
