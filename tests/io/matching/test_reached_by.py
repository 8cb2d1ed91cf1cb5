"""Who has a telephone number or an e-mail address: the same in every store, before and after its index is made."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmkit.io.stores import MemoryStore, Store
from crmkit.io.stores.reaching import SEPARATORS, email_key, keys_of, phone_key
from crmkit.io.stores.sql import SqlStore, reaching
from crmkit.model import RECORDS, ContactPoint, Customer, Deal, record
from tests.examples import few
from tests.io.stores.analysed import opened
from tests.io.stores.places import KINDS, empty_place


@record
class Member(Customer):
    """A customer of a club."""


def customer(record_id: str, *points: tuple[str, str], cls: type[Customer] = Customer) -> Customer:
    held = [ContactPoint(kind, value) for kind, value in points]  # type: ignore[arg-type]
    return cls(id=record_id, kind="person", name=record_id, contact_points=held)


ANN = customer("ann", ("phone", "+48 501 234-567"), ("email", "Ann@Example.com"))
BEN = customer("ben", ("phone", "501234567;ext=12"), ("phone", "0048 501 234 567"), ("web", "https://example.com"))
CAT = customer("cat", ("email", "łucja@example.com"), cls=Member)


@pytest.fixture(params=["memory", *KINDS, *(f"{kind} with its index" for kind in KINDS)])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    kind, _, promoted = request.param.partition(" ")
    if kind == "memory":
        yield MemoryStore((*RECORDS, Member))
        return
    for url in empty_place(request, kind, tmp_path):
        with closing(opened(url, *RECORDS, Member)) as made:
            made.add([ANN])  # before there is an index
            if promoted:
                made.schema.promote(Customer, "contact_points")
            made.delete(Customer, "ann")
            made.purge(Customer, "ann")
            yield made


def ids(store: Store, *keys: str, cls: type[Customer] = Customer) -> list[str]:
    assert isinstance(store, MemoryStore | SqlStore)
    return [each.id for each in store.reached_by(cls, keys)]


def test_a_number_is_found_however_it_was_written_and_once(store: Store) -> None:
    store.add([BEN, ANN, CAT])
    assert ids(store, phone_key("+48501234567")) == ["ann", "ben"]
    assert ids(store, phone_key("501 234 567"), email_key("ANN@example.com")) == ["ann", "ben"]


def test_at_most_so_many_are_found_as_are_asked_for(store: Store) -> None:
    assert isinstance(store, MemoryStore | SqlStore)
    store.add([BEN, ANN])
    assert [each.id for each in store.reached_by(Customer, [phone_key("501234567")], limit=1)] == ["ann"]


def test_those_who_are_gone_and_those_of_another_class_do_not_count_among_them(store: Store) -> None:
    assert isinstance(store, MemoryStore | SqlStore)
    phone = phone_key("501234567")
    store.add([ANN, BEN, customer("dan", ("phone", "501234567"), cls=Member)])
    store.delete(Customer, "ann")
    assert [each.id for each in store.reached_by(Customer, [phone], limit=1)] == ["ben"]
    assert [each.id for each in store.reached_by(Member, [phone], limit=1)] == ["dan"]
    assert [each.id for each in store.reached_by(Customer, [phone, email_key("x@example.com")], limit=2)] == [
        "ben",
        "dan",
    ]


def test_the_class_decides_who_is_found(store: Store) -> None:
    store.add([ANN, CAT])
    key = email_key("łucja@EXAMPLE.com")
    assert (ids(store, key), ids(store, key, cls=Member)) == (["cat"], ["cat"])
    assert ids(store, phone_key("501234567"), cls=Member) == []


def test_nobody_is_found_by_what_nobody_has(store: Store) -> None:
    store.add([BEN])
    assert ids(store) == []
    assert ids(store, phone_key("1"), email_key("https://example.com")) == []


def test_classes_without_contact_points_reach_nobody(store: Store) -> None:
    assert isinstance(store, MemoryStore | SqlStore)
    assert store.reached_by(Deal, [phone_key("501234567")]) == ()


def test_it_follows_every_change(store: Store) -> None:
    store.add([ANN])
    store.put(ANN.replace(contact_points=[ContactPoint("phone", "600 700 800")]))
    assert (ids(store, phone_key("501234567")), ids(store, phone_key("+48600700800"))) == ([], ["ann"])
    store.put(ANN.replace(name="Anna", contact_points=[ContactPoint("phone", "600 700 800")]))
    assert ids(store, phone_key("600700800")) == ["ann"]
    store.delete(Customer, "ann")
    assert ids(store, phone_key("600700800")) == []
    store.restore(Customer, "ann")
    assert ids(store, phone_key("600700800")) == ["ann"]


def test_what_is_undone_is_not_found(store: Store) -> None:
    with pytest.raises(RuntimeError), store.transaction():
        store.add([ANN])
        assert ids(store, phone_key("501234567")) == ["ann"]
        raise RuntimeError
    assert ids(store, phone_key("501234567")) == []


def test_tenants_do_not_reach_each_other(store: Store) -> None:
    assert isinstance(store, MemoryStore | SqlStore)
    store.for_tenant("other").add([ANN])
    assert ids(store, phone_key("501234567")) == []


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SqlStore]:
    with closing(opened(f"sqlite:///{tmp_path_factory.mktemp('reach')}/club.db", *RECORDS)) as made:
        made.schema.promote(Customer, "contact_points")
        yield made


values = st.text(st.sampled_from("0123456789AZéŁ@;x" + SEPARATORS), min_size=1, max_size=14).filter(str.strip)


@few
@given(st.lists(st.tuples(st.sampled_from(["phone", "email"]), values), max_size=3))
def test_the_database_makes_the_keys_that_python_makes(both: SqlStore, points: list[tuple[str, str]]) -> None:
    made = Customer(kind="person", name="Ann", contact_points=[ContactPoint(kind, value) for kind, value in points])  # type: ignore[arg-type]
    both.add([made])
    for key in keys_of(made.contact_points):
        assert made.id in ids(both, key)


def test_the_index_answers(both: SqlStore) -> None:
    reader = both._reader(Customer)
    sql, values_ = reaching.query(reader.table, [phone_key("501234567")], reader.condition)
    plan = " ".join(str(line[-1]) for line in both._session.rows(f"EXPLAIN QUERY PLAN {sql}", values_))
    assert "SEARCH crm_customer_reach" in plan
    assert "SCAN" not in plan


def test_an_index_that_is_there_is_kept(both: SqlStore) -> None:
    both.add([ANN])
    both.schema.promote(Customer, "contact_points")
    assert "ann" in ids(both, phone_key("501234567"))
    assert both.schema.verify() == ()
