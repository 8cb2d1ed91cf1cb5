"""The contract of values: what goes in comes out equal."""

from crmkit.io.stores.port import Store
from crmkit.model import RECORDS, Customer, Record, fields
from crmkit.model.contact_point import Address, ContactPoint
from crmkit.sample import company
from crmkit.testing.contract.base import StoreTests, promise
from crmkit.testing.contract.examples import Member, Specimen, specimens


class ValuesContract(StoreTests):
    """No value is rounded, cut, or turned into another type."""

    @promise()
    def test_every_kind_of_field_comes_back_equal(self, store: Store) -> None:
        """With its extremes: the years 1 and 9999, 38 digits, all of 64 bits, any script, empty and missing."""
        kept = specimens()
        store.add(kept)
        for each in kept:
            _assert_same(store.get(Specimen, each.id), each)
        for found, each in zip(store.every(Specimen), sorted(kept, key=lambda record: record.id), strict=True):
            _assert_same(found, each)

    @promise()
    def test_every_kind_of_field_comes_back_equal_after_a_change(self, store: Store) -> None:
        """Whatever was there before it."""
        kept = specimens()
        store.add([Specimen(id="one")])
        for each in kept:
            changed = each.replace(id="one")
            store.put(changed)
            _assert_same(store.get(Specimen, "one"), changed)

    @promise()
    def test_values_inside_values_come_back_equal(self, store: Store) -> None:
        """In a class that extends another too."""
        points = [ContactPoint("email", "ann@example.com", is_primary=True), ContactPoint("phone", "+48 1", label="x")]
        ada = Member(id="ada", kind="person", name="Ada", contact_points=points, external_ids={"a": 1, "b": None})
        firm = Customer(
            id="co", kind="organization", name="Łódź", contact_points=[_post()], custom={"x": 0.1, "y": True}
        )
        store.add([ada, firm])
        _assert_same(store.get(Customer, "ada"), ada)
        _assert_same(store.get(Customer, "co"), firm)

    def test_a_whole_company_comes_back_equal(self) -> None:
        """With every built-in class of records."""
        kept = list(company(seed=1, customers=20).records())
        store = self.open_store(RECORDS)
        try:
            assert store.add(kept) == len(kept)
            for cls in RECORDS:
                expected = sorted((each for each in kept if type(each) is cls), key=lambda record: record.id)
                assert list(store.every(cls)) == expected, cls
        finally:
            store.close()


def _post() -> ContactPoint:
    return ContactPoint("address", "ul. Piotrkowska 1", address=Address(city="Łódź", country="PL"))


def _assert_same(found: Record, expected: Record) -> None:
    """Equal, and of the same types, because 1 equals 1.0 and True."""
    assert found == expected
    assert type(found) is type(expected)
    for each in fields(type(expected)):
        assert _types(getattr(found, each.name)) == _types(getattr(expected, each.name)), each.name


def _types(value: object) -> object:
    if isinstance(value, dict):
        return type(value), {key: type(each) for key, each in value.items()}
    return (type(value), [type(each) for each in value]) if isinstance(value, tuple | frozenset) else type(value)
