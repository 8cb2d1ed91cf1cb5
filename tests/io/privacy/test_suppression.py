"""Who was erased does not come back with the next import."""

import pytest

from crmkit.errors import InvalidInput
from crmkit.io.privacy import erase_person, is_suppressed
from crmkit.io.stores import MemoryStore
from crmkit.model import ContactPoint, Customer, Lead
from tests.io.privacy.people import DAY, MAIL, PHONE, club, told

HOME = ContactPoint("phone", "+48 22 123 45 67")


@pytest.fixture(scope="module")
def store() -> MemoryStore:
    crm = club()
    crm.erase_person("ann", preview=False)
    assert isinstance(crm.store, MemoryStore)
    return crm.store


@pytest.mark.parametrize("mail", [MAIL, MAIL.upper(), f" {MAIL} ", "lead@c4n4ry.example"])
def test_an_address_is_suppressed_in_whatever_capitals(store: MemoryStore, mail: str) -> None:
    assert is_suppressed(store, ContactPoint("email", mail))


@pytest.mark.parametrize("phone", [PHONE, "501777333", "0048 501-777-333", "(501) 777 333;ext=9"])
def test_a_number_is_suppressed_with_and_without_the_code_of_its_country(store: MemoryStore, phone: str) -> None:
    assert is_suppressed(store, ContactPoint("phone", phone))


@pytest.mark.parametrize(
    "point",
    [
        ContactPoint("email", f"x{MAIL}"),
        ContactPoint("phone", "501777334"),
        ContactPoint("phone", "777333"),
        ContactPoint("social", MAIL),
    ],
)
def test_another_point_is_not(store: MemoryStore, point: ContactPoint) -> None:
    assert not is_suppressed(store, point)


def test_what_a_family_shares_is_not_suppressed(store: MemoryStore) -> None:
    assert not is_suppressed(store, HOME)


def test_a_record_is_suppressed_by_one_of_its_points_or_external_ids(store: MemoryStore) -> None:
    point = ContactPoint("email", MAIL)
    known = Customer(kind="person", name="Ann", external_ids={"till": "C4N4RY"})

    assert is_suppressed(store, Customer(kind="person", name="Ann", contact_points=[HOME, point]))
    assert is_suppressed(store, Lead(name="Ann", contact_points=[point]))
    assert is_suppressed(store, known)
    assert not is_suppressed(store, known.replace(external_ids={"web": "C4N4RY"}))
    assert not is_suppressed(store, Customer(kind="person", name="Ann", contact_points=[HOME]))


def test_nothing_is_suppressed_where_nobody_was_erased() -> None:
    assert not is_suppressed(MemoryStore(), HOME)


def test_what_is_neither_a_point_nor_a_record_is_refused(store: MemoryStore) -> None:
    with pytest.raises(InvalidInput, match="a str is nobody; give a ContactPoint"):
        is_suppressed(store, MAIL)  # type: ignore[arg-type]


def test_nobody_can_read_who_is_suppressed_nor_compare_two_stores() -> None:
    stores = [MemoryStore(), MemoryStore()]
    hashes = []
    for each in stores:
        each.add([Customer(id="ann", kind="person", name="Ann", contact_points=[ContactPoint("email", MAIL)])])
        erase_person(each, "ann", at=DAY, preview=False)
        hashes.append({key for key, _ in each.notes() if key.startswith("privacy:erased ")})
        assert MAIL not in told(each)

    assert [len(each) for each in hashes] == [1, 1]
    assert hashes[0] != hashes[1]
