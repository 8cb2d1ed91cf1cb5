"""A promoted field has an index that rules about it and sorting by it really use."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import attrs
import pytest
import sqlalchemy as sa

from crmkit.errors import InvalidInput
from crmkit.io.stores import SortBy
from crmkit.io.stores.sql import SqlStore, reading
from crmkit.io.stores.sql.sqlite import Sqlite
from crmkit.model import Customer, CustomField, Money, Record, new_id
from crmkit.model.custom_field import with_custom
from crmkit.rules import EVERYTHING, Rule, field
from crmkit.testing.strategies import simplest
from tests.io.stores.analysed import opened
from tests.io.stores.places import KINDS, empty_place
from tests.model.vertical import Member, Visit

AT = datetime(2025, 1, 31, 12, tzinfo=UTC)
DECLARED = [
    CustomField(subject="Visit", name="a_text", kind="text"),
    CustomField(subject="Visit", name="a_integer", kind="integer"),
    CustomField(subject="Visit", name="a_number", kind="number"),
    CustomField(subject="Visit", name="a_decimal", kind="decimal"),
    CustomField(subject="Visit", name="a_flag", kind="flag"),
    CustomField(subject="Visit", name="a_choice", kind="choice", choices=["a", "it's"]),
    CustomField(subject="Visit", name="a_instant", kind="instant"),
    CustomField(subject="Visit", name="a_day", kind="day"),
]
UNFIT = {
    "sqlite": {"custom.a_choice", "custom.a_decimal", "external_ids.hubspot"},
    "postgresql": {"custom.a_instant", "custom.a_day"},
}
"""What no index of a database can hold."""

MIDDLE: dict[str, Any] = {
    "at": AT + timedelta(hours=1500),
    "paid": Money(1501, "PLN"),
    "paid_currency": "EUR",
    "guests": 1500,
    "rating": 150.0,
    "weight": Decimal("15.00"),
    "custom.a_text": "t1500",
    "custom.a_integer": 1500,
    "custom.a_number": 150.0,
    "custom.a_decimal": Decimal("15.00"),
    "custom.a_choice": "it's",
    "external_ids.hubspot": "h1500",
}
"""A value of each field that one of three thousand visits has, and the most of them not."""


def visit(number: int) -> Visit:
    held = simplest(
        Visit,
        id=f"v{number:05}",
        member_id=f"m{number:04}",
        at=AT + timedelta(hours=number),
        paid=Money(number, "EUR" if number % 300 == 0 else "PLN"),
        guests=number,
        rating=number / 10,
        weight=Decimal(number) / 100,
        external_ids={"hubspot": f"h{number}"},
    )
    return with_custom(
        held,
        DECLARED,
        a_text=f"t{number}",
        a_integer=number,
        a_number=number / 10,
        a_decimal=Decimal(number) / 100,
        a_choice="it's" if number % 300 == 0 else "a",
    )


@pytest.fixture(scope="module", params=KINDS)
def store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SqlStore]:
    for url in empty_place(request, request.param, tmp_path_factory.mktemp("promote")):
        with closing(opened(url, Visit, Member)) as store:
            store.add(DECLARED)
            store.add(map(visit, range(1, 3001)))
            yield store


@attrs.frozen(slots=False)
class Explained(reading.Reader):
    """A reader that notes how the database goes about its queries."""

    plans: list[str] = attrs.field(factory=list)

    def rows(self, statement: sa.Select[Any]) -> list[tuple[Any, ...]]:
        sql, values = self.table.place.bound(statement)
        how = "EXPLAIN QUERY PLAN" if self.table.place.dialect == "sqlite" else "EXPLAIN"
        self.plans.append("\n".join(str(line[-1]) for line in self.session.rows(f"{how} {sql}", values)))
        return super().rows(statement)


def explained(store: SqlStore, where: Rule = EVERYTHING) -> Explained:
    found = store._reader(Visit, where)
    return Explained(found.session, found.table, found.cls, found.tenant, found.where, found.tables)


def promote(store: SqlStore, path: str) -> str:
    """Promote a field and return the name of its new index."""
    before = store.schema._indexes()
    store.schema.promote(Visit, path)
    (made,) = store.schema._indexes() - before
    return made


@pytest.mark.parametrize("path", MIDDLE)
def test_rules_find_by_the_index(path: str, store: SqlStore) -> None:
    if path in UNFIT[store.schema.place.dialect]:
        pytest.skip("no index of this database can hold it")
    value, name = MIDDLE[path], promote(store, path)
    rules = [field(path) == value]
    if path not in ("paid_currency", "custom.a_choice"):
        rules.append((field(path) >= value) & (field(path) <= value))

    for rule in rules:
        reader = explained(store, rule)
        assert reading.page(reader, [], 5, None).records
        assert reading.count(reader) < 20
        assert [plan for plan in reader.plans if name not in plan] == []


@pytest.mark.parametrize("path", [path for path in MIDDLE if not path.endswith(("a_choice", "currency"))])
@pytest.mark.parametrize("is_descending", [False, True], ids=["up", "down"])
def test_pages_come_in_the_order_of_the_index(path: str, is_descending: bool, store: SqlStore) -> None:
    if path in UNFIT[store.schema.place.dialect]:
        pytest.skip("no index of this database can hold it")
    store.schema.promote(Visit, path)
    sort, reader = [SortBy(path, is_descending)], explained(store)
    second = reading.page(reader, sort, 3, reading.page(reader, sort, 3, None).next)

    name = "crm_visit_" + path.replace(".", "_")
    assert len(second) == 3
    assert [plan for plan in reader.plans if name not in plan or _sorts_all(plan)] == []


def _sorts_all(plan: str) -> bool:
    """Whether all rows are sorted. Those that are equal in the sort key may be, by id."""
    lines = plan.replace("Incremental Sort", "").splitlines()
    return any("FOR ORDER BY" in line or "Sort  (" in line for line in lines)


@pytest.mark.parametrize("path", ["at", "paid", "custom.a_text", "external_ids.hubspot"])
def test_promoting_again_changes_nothing(path: str, store: SqlStore) -> None:
    if path in UNFIT[store.schema.place.dialect]:
        pytest.skip("no index of this database can hold it")
    store.schema.promote(Visit, path)
    before = store.schema._indexes()
    store.schema.promote(Visit, path)
    store.schema.apply()

    assert store.schema._indexes() == before
    assert store.schema.status().is_current
    assert store.schema.verify() == ()


@pytest.mark.parametrize(
    ("cls", "path", "message"),
    [
        (Visit, "guest", "Visit has no field 'guest'.*did you mean 'guests'"),
        (Visit, "custom.a_texts", "Visit has no field 'custom.a_texts'.*did you mean 'custom.a_text'"),
        (Customer, "custom.a_text", "Customer has no field 'custom.a_text'"),
        (Visit, "classes", "Visit.classes holds texts and has no order"),
        (Visit, "paid; DROP TABLE crm_visit", "is no name of a field"),
        (Record, "id", "Record is no record class of this store"),
    ],
)
def test_what_cannot_be_promoted_is_refused_and_nothing_is_done(
    cls: type[Record], path: str, message: str, store: SqlStore
) -> None:
    before = store.schema._indexes()
    with pytest.raises(InvalidInput, match=message):
        store.schema.promote(cls, path)

    assert store.schema._indexes() == before


def test_what_no_index_can_hold_is_refused_with_a_sentence(store: SqlStore) -> None:
    for path in UNFIT[store.schema.place.dialect]:
        with pytest.raises(InvalidInput, match=r"^Visit\..* cannot be promoted: no index of .* can hold it$"):
            store.schema.promote(Visit, path)


def test_an_id_has_its_index_already(store: SqlStore) -> None:
    before = store.schema._indexes()
    store.schema.promote(Visit, "id")

    assert store.schema._indexes() == before


def test_fields_of_an_extending_class_are_promoted_too(store: SqlStore) -> None:
    store.schema.promote(Member, "joined_on")

    assert "crm_customer_joined_on_sort" in store.schema._indexes()


def test_each_way_in_which_tenants_declared_a_field_has_an_index(store: SqlStore) -> None:
    ours, theirs = (store.for_tenant(new_id()) for _ in range(2))
    ours.add([CustomField(subject="Visit", name="since", kind="integer")])
    theirs.add([CustomField(subject="Visit", name="since", kind="text")])
    before = store.schema._indexes()
    store.schema.promote(Visit, "custom.since")

    made = store.schema._indexes() - before
    assert len(made) == 2
    assert all(name.startswith("crm_visit_custom_since_") for name in made)


@pytest.mark.parametrize("name", ["a" * 48, "b" * 48])
def test_long_names_fit(name: str, store: SqlStore) -> None:
    tenant = store.for_tenant(new_id())
    tenant.add([CustomField(subject="Visit", name=name, kind="integer")])

    assert len(promote(store, f"custom.{name}")) <= 63


def test_names_of_systems_need_no_care(store: SqlStore) -> None:
    if store.schema.place.dialect == "sqlite":
        pytest.skip("no index of this database can hold it")
    odd = 'it\'s 100% \\ "Łódź" %s'
    store.add(
        [simplest(Visit, id=new_id(), external_ids={odd: "7"}), simplest(Visit, id=new_id(), external_ids={odd: "8"})]
    )
    name, reader = promote(store, f"external_ids.{odd}"), explained(store, field(f"external_ids.{odd}") == "7")

    assert reading.count(reader) == 1
    assert name in reader.plans[0]


def test_other_programs_can_still_check_and_copy_a_file(store: SqlStore, tmp_path: Path) -> None:
    if not isinstance(store.database, Sqlite):
        pytest.skip("only SQLite has files")
    for path in MIDDLE.keys() - UNFIT["sqlite"]:
        store.schema.promote(Visit, path)

    with closing(sqlite3.connect(store.database.name)) as other:
        assert other.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        other.execute("VACUUM INTO ?", (str(tmp_path / "copy.db"),))
