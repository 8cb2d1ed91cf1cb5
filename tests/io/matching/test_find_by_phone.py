"""Who is calling."""

import pytest

from crmkit.errors import InvalidInput
from crmkit.io.matching import find_by_phone
from crmkit.io.stores import MemoryStore
from crmkit.model import ContactPoint, Customer


def customer(record_id: str, *numbers: str, country: str | None = None, is_invalid: bool = False) -> Customer:
    points = [ContactPoint("phone", number, is_invalid=is_invalid) for number in numbers]
    return Customer(id=record_id, kind="person", name=record_id, contact_points=points, country=country)


def callers(number: str, *customers: Customer, country: str | None = None) -> list[str]:
    store = MemoryStore()
    store.add(customers)
    return [each.id for each in find_by_phone(store, number, country)]


@pytest.mark.parametrize(
    "held", ["+48 501 234 567", "0048501234567", "501-234-567", "(501) 234.567", "+48501234567;ext=9"]
)
@pytest.mark.parametrize("called", ["+48501234567", "501 234 567", "+48 501 234 567 ext. 12"])
def test_a_number_is_one_however_it_is_written(held: str, called: str) -> None:
    assert callers(called, customer("ann", held), country="PL") == ["ann"]


def test_a_number_without_any_country_is_found_by_all_its_digits() -> None:
    assert callers("+66812345678", customer("som", "081-234-5678")) == ["som"]
    assert callers("081 234 5678", customer("som", "+66 81 234 5678")) == ["som"]


def test_numbers_that_end_alike_are_not_one() -> None:
    ending = [customer("pl", "+48 501 234 567"), customer("de", "+49 30 1234567"), customer("short", "34567")]
    assert callers("+48 22 1234567", *ending) == []


def test_the_country_of_a_customer_goes_before_that_of_the_call() -> None:
    assert callers("+48221234567", customer("thai", "22 123 45 67", country="PL"), country="TH") == ["thai"]


def test_a_family_shares_a_number_and_a_wrong_number_comes_last() -> None:
    family = [customer("c", "501234567"), customer("a", "+48501234567", is_invalid=True), customer("b", "+48501234567")]
    assert callers("+48501234567", *family) == ["b", "c", "a"]


def test_a_country_that_is_no_code_is_refused() -> None:
    with pytest.raises(InvalidInput, match="country='Poland' is no code of two letters; give one such as 'PL'"):
        callers("501234567", country="Poland")


@pytest.mark.parametrize("number", ["", "anonymous", "+", "1", "ext. 5"])
def test_a_withheld_number_is_nobody(number: str) -> None:
    assert callers(number, customer("ann", "+48501234567"), customer("ben", "anonymous")) == []
