"""The known customers whom one looks like, among some and in every store."""

from collections.abc import Iterator
from contextlib import closing
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from crmkit.errors import InvalidInput
from crmkit.io.matching import FieldWeights, Model, find_duplicates, find_matches, index_for_matching
from crmkit.io.stores import MemoryStore, Store
from crmkit.model import ContactPoint, Customer, Employee
from tests.io.stores.analysed import opened
from tests.io.stores.places import KINDS, empty_place

BORN = date(1990, 5, 17)
PHONE = ContactPoint("phone", "+48 501 234 567")
EMAIL = ContactPoint("email", "ann@example.com")


def person(record_id: str, name: str = "Ann Kowalska", birth_on: date | None = None, **others: Any) -> Customer:
    return Customer(id=record_id, kind="person", name=name, birth_on=birth_on, **others)


ANN = person("ann", birth_on=BORN, contact_points=[PHONE, EMAIL])


def found(customer: Customer, among: Any, **options: Any) -> list[str]:
    return [each.customer.id for each in find_matches(customer, among, **options)]


@pytest.mark.parametrize(
    ("new", "verdict"),
    [
        (person("new", birth_on=BORN), "same"),
        (person("new", "Anna Kowalska", contact_points=[ContactPoint("phone", "501234567")], country="PL"), "same"),
        (person("new", "Ann K.", contact_points=[ContactPoint("email", "ANN@example.com")]), "review"),
        (person("new", "Kowalska Ann", birth_on=BORN), "same"),
        (person("new", "Ann Kowalska"), "review"),
        (person("new", "Jan Nowak", date(1961, 1, 2), contact_points=[PHONE]), None),
        (person("new", "Jan Nowak", birth_on=BORN), None),
        (Customer(id="new", kind="organization", name="Ann Kowalska", contact_points=[EMAIL]), None),
    ],
)
def test_who_is_like_a_known_customer(new: Customer, verdict: str | None) -> None:
    matches = find_matches(new, [ANN, person("other", "Zofia Wójcik")])
    assert [(each.customer.id, each.verdict) for each in matches] == ([("ann", verdict)] if verdict else [])


def test_a_customer_is_not_like_itself_and_nobody_is_like_nobody() -> None:
    assert found(ANN, [ANN]) == []
    assert found(ANN, []) == []
    assert found(person("new", "สมชาย"), iter([ANN])) == []


def test_the_likeliest_comes_first_and_then_the_smaller_id() -> None:
    twin = ANN.replace(id="a twin")
    less = ANN.replace(id="a", birth_on=None)
    assert found(ANN.replace(id="new"), [less, ANN, twin]) == ["a twin", "ann", "a"]


def test_a_model_that_was_learned_decides() -> None:
    learned = find_duplicates([ANN, ANN.replace(id="b"), person("c", "Jan Nowak", date(1961, 1, 2))]).model
    assert found(ANN.replace(id="new"), [ANN], model=learned) == ["ann"]
    nothing = Model(
        0.5, (FieldWeights("birth_on", "date", ("differ", "two", "one", "same"), (0.25,) * 4, (0.25,) * 4),)
    )
    assert [each.probability for each in find_matches(ANN.replace(id="new"), [ANN], model=nothing)] == [0.5]


def test_a_model_of_other_fields_is_refused() -> None:
    other = Model(0.5, (FieldWeights("surname", "name", ("differ", "same"), (0.5, 0.5), (0.5, 0.5)),))
    with pytest.raises(InvalidInput, match="the model is of other fields; give one of customers, who have given_name"):
        find_matches(ANN, [ANN], model=other)


def test_what_is_no_customer_is_refused() -> None:
    with pytest.raises(InvalidInput, match="a Employee stands among the customers"):
        find_matches(ANN, [Employee(name="secret")])  # type: ignore[list-item]
    with pytest.raises(InvalidInput, match="a str stands among the customers"):
        find_matches("secret", [ANN])  # type: ignore[arg-type]
    with pytest.raises(InvalidInput, match="country='Poland' is no code of two letters"):
        find_matches(ANN, [], country="Poland")


def test_thresholds_out_of_order_are_refused() -> None:
    with pytest.raises(InvalidInput, match="no probabilities in this order"):
        find_matches(ANN, [], same=1.5)


@pytest.fixture(params=["memory", *KINDS])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    if request.param == "memory":
        yield MemoryStore()
        return
    for url in empty_place(request, request.param, tmp_path):
        with closing(opened(url, Customer)) as made:
            yield made


def test_a_store_finds_whom_all_of_its_customers_would(store: Store) -> None:
    customers = [
        ANN,
        person("born", "Ann Kowalsky", BORN),
        person("mail", "A. Kowalska", contact_points=[EMAIL]),
        person("other", "Jan Nowak", date(1961, 1, 2)),
    ]
    store.add(customers)
    new = ANN.replace(id="new")
    expected = found(new, customers)
    assert expected == ["ann", "born", "mail"]
    assert found(new, store) == expected
    index_for_matching(store)
    index_for_matching(store)
    assert found(new, store) == expected


def test_a_number_that_many_share_is_no_reason_and_another_one_is(store: Store) -> None:
    store.add(person(f"{number:03}", f"Jan {number}", contact_points=[PHONE]) for number in range(70))
    store.add([person("ann", contact_points=[PHONE, EMAIL])])
    new = person("new", "Anne Kowalska", contact_points=[PHONE, EMAIL])
    assert found(new, store) == ["ann"]
    assert found(new.replace(contact_points=[PHONE]), store) == []


def test_a_birthday_that_many_share_is_narrowed_by_a_name(store: Store) -> None:
    many = [person(f"{number:03}", f"Jan Nowak {number}", BORN) for number in range(70)]
    store.add([*many, person("ann", "Anna Kowalska", BORN, given_name="Anna", family_name="Kowalska")])
    new = person("new", "Anne Kowalska", BORN, given_name="Anne", family_name="Kowalska")
    assert found(new, store) == ["ann"]
