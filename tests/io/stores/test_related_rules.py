"""Stores answer rules about related records as rules say of records: of one tenant, without what is deleted."""

from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from hypothesis import given

from crmkit.errors import InvalidInput, StoreError
from crmkit.io.stores import MemoryStore, Store, open_store, schema_of
from crmkit.io.stores.sql import SqlStore
from crmkit.model import RECORDS, Customer, CustomField, Money, Order, Record, Ticket
from crmkit.rules import AllOf, AnyOf, Rule, days_ago, field, last_days, predicate
from tests.io.stores.places import empty_schema
from tests.model.vertical import Member, Visit
from tests.rules.world import AS_OF, moments, rules_about_customers, world

CLASSES = (*RECORDS, Member, Visit)
WORLD = world()
EVERYBODY = WORLD[Customer] + WORLD[Member]
RELATED = {cls: held for cls, held in WORLD.items() if cls not in {Customer, Member}}


def filled(store: Store, other: Store) -> Store:
    """A store with the world, with as much that is deleted, beside a tenant with another world."""
    gone = [each.replace(id=f"gone {each.id}") for cls in RELATED for each in world(8)[cls]]
    store.add([*(each for held in WORLD.values() for each in held), *gone])
    for each in gone:
        store.delete(type(each), each.id)
    other.add(each for held in world(9).values() for each in held)
    return store


@pytest.fixture(scope="module")
def memory() -> Store:
    store = MemoryStore(CLASSES)
    return filled(store, store.for_tenant("other"))


@pytest.fixture(scope="module")
def sqlite() -> Iterator[SqlStore]:
    store = open_store("sqlite://", records=[Member, Visit])
    assert isinstance(store, SqlStore)
    yield filled(store, store.for_tenant("other"))  # type: ignore[misc]
    store.close()


@pytest.fixture(scope="module")
def postgresql(postgres_url: str) -> Iterator[SqlStore]:
    with empty_schema(postgres_url) as url:
        schema_of(url, records=[Member, Visit]).apply()
        store = open_store(url, records=[Member, Visit])
        assert isinstance(store, SqlStore)
        yield filled(store, store.for_tenant("other"))  # type: ignore[misc]
        store.close()


@pytest.fixture(scope="module", params=["memory", "sqlite", "postgresql"])
def store(request: pytest.FixtureRequest) -> Store:
    found: Store = request.getfixturevalue(request.param)
    return found


def ids(store: Store, rule: Rule, cls: type[Record] = Customer) -> list[str]:
    return [each.id for each in store.every(cls, rule)]


@given(rule=rules_about_customers(), moment=moments())
def test_a_store_answers_as_the_records_do(rule: Rule, moment: tuple[object, str], store: Store) -> None:
    as_of, tz = moment
    says = predicate(rule, Customer, as_of=as_of, tz=tz, related=RELATED)  # type: ignore[arg-type]

    found = ids(store, rule.at(as_of, tz))  # type: ignore[arg-type]
    assert found == [each.id for each in EVERYBODY if says(each)]
    assert store.count(Customer, rule.at(as_of, tz)) == len(found)  # type: ignore[arg-type]


def test_records_may_be_related_to_others_of_their_class(store: Store) -> None:
    tickets = [
        Ticket(id=f"t{number}", merged_into_id="t0" if number else None, created_at=AS_OF) for number in range(3)
    ]
    mine = store.for_tenant("of tickets")  # type: ignore[attr-defined]
    mine.add(tickets)

    assert ids(mine, field("tickets_by_merged_into.count") == len(tickets) - 1, Ticket) == ["t0"]


def test_fields_declared_at_run_time_say_which_related_records_count(store: Store) -> None:
    mine = store.for_tenant("declaring")  # type: ignore[attr-defined]
    mine.add(
        [CustomField(subject="Order", name="table", kind="integer"), Customer(id="ann", kind="person", name="Ann")]
    )
    mine.add(Order(at=AS_OF, customer_id="ann", custom={"table": number}) for number in range(4))

    assert ids(mine, field("orders.count").where(field("custom.table") >= 2) == 2) == ["ann"]
    assert not ids(mine, field("orders.count").where(field("custom.table") >= 2) == 3)


def test_a_class_that_a_store_does_not_keep_is_not_related(store: Store) -> None:
    with pytest.raises(InvalidInput, match="Customer has no related records 'visitors'; .* did you mean 'visits'?"):
        store.count(Customer, field("visitors.count") > 1)


def test_the_largest_rules_are_answered(store: Store) -> None:
    counts = [field("orders.count").where(field("amount") > Money(number, "PLN")) == number for number in range(250)]
    mine = store.for_tenant("large")  # type: ignore[attr-defined]
    mine.add(
        [Customer(id="ann", kind="person", name="Ann"), Order(at=AS_OF, customer_id="ann", amount=Money(2, "PLN"))]
    )

    assert mine.count(Customer, AnyOf(tuple(counts)).at(AS_OF)) == 1
    assert mine.count(Customer, AllOf(tuple(~each for each in counts[2:])).at(AS_OF)) == 1


def test_relative_time_needs_a_moment(store: Store) -> None:
    with pytest.raises(InvalidInput, match="Order.at is compared with days that depend on the moment; give as_of="):
        store.count(Order, field("at") == last_days(3))
    with pytest.raises(InvalidInput, match="give as_of="):
        store.count(Customer, field("orders.last_at") < days_ago(3))


def test_no_value_stands_in_the_statement(sqlite: SqlStore) -> None:
    rule = (field("orders.total").where(field("channel") == "canary") > Money(99_887, "PLN")) & (
        field("orders.last_at") < days_ago(5)
    )
    reader = sqlite._reader(Customer, rule.at(AS_OF))
    statement, values = sqlite.schema.place.bound(sa.select(reader.table.table.c.id).where(reader.condition))

    assert "canary" not in statement
    assert "99887" not in statement
    assert "canary" in values


def statement_of(store: SqlStore, rule: Rule) -> str:
    reader = store._reader(Customer, rule)
    return store.schema.place.bound(sa.select(reader.table.table.c.id).where(reader.condition))[0]


def test_several_questions_about_the_same_related_rows_are_one_subquery(sqlite: SqlStore) -> None:
    web = field("orders.count").where(field("channel") == "web") > 3
    statement = statement_of(sqlite, web & ~(field("orders.last_at") < AS_OF) & (field("orders.completed") == 1))

    assert statement.count("FROM crm_order") == 1


@pytest.mark.parametrize("rule", [field("tickets.open") == 0, field("orders.count") > 0, ~(field("orders.count") < 1)])
def test_whether_there_are_any_is_answered_without_counting(sqlite: SqlStore, rule: Rule) -> None:
    statement = statement_of(sqlite, rule)

    assert "EXISTS" in statement
    assert "count(" not in statement


def test_related_rows_are_found_by_the_index_of_their_link(sqlite: SqlStore) -> None:
    reader = sqlite._reader(Customer, field("orders.count") > 1)
    statement, values = sqlite.schema.place.bound(sa.select(reader.table.table.c.id).where(reader.condition))
    plan = str(sqlite._session.rows(f"EXPLAIN QUERY PLAN {statement}", values))

    assert "crm_order_customer_id_idx (crm_tenant=? AND customer_id=?)" in plan


def test_a_total_beyond_64_bits_is_an_error_where_the_database_cannot_hold_it(sqlite: SqlStore) -> None:
    mine = sqlite.for_tenant("rich")
    largest = Money.from_minor_units(2**63 - 1, "PLN")
    mine.add([Customer(id="ann", kind="person", name="Ann")])
    mine.add(Order(at=AS_OF, customer_id="ann", amount=largest) for _ in range(2))

    with pytest.raises(StoreError):
        mine.count(Customer, field("orders.total") > Money(1, "PLN"))
