"""Rows that are encoded already are kept as the records that they were made of."""

import pytest
from hypothesis import given

from crmkit.errors import Conflict
from crmkit.io.stores import open_store
from crmkit.io.stores.port import Stamp
from crmkit.io.stores.sql.store import SqlStore
from crmkit.io.stores.sql.tables import Place, family_tables
from crmkit.model import RECORDS, Customer
from crmkit.testing import strategies
from tests.examples import few, several

_ENCODE = family_tables(tuple(RECORDS), Place("sqlite", "crm_", None))[Customer].codec("Customer").encode
_STAMP = Stamp("anna")


def _store() -> SqlStore:
    store = open_store("sqlite://")
    assert isinstance(store, SqlStore)
    return store


@given(customers=several(Customer, 4))
@few
def test_a_store_of_rows_is_the_store_of_their_records(customers: list[Customer]) -> None:
    with_records, with_rows = _store(), _store()
    with with_records.transaction(_STAMP), with_rows.transaction(_STAMP):
        with_records.add(customers)
        assert with_rows.add_rows(Customer, map(_ENCODE, customers)) == len(customers)
    assert list(with_rows.every(Customer)) == list(with_records.every(Customer))
    for customer in customers:
        assert with_rows.history(Customer, customer.id) == with_records.history(Customer, customer.id)
    assert list(with_rows.changes()) == list(with_records.changes())


def test_rows_are_kept_all_or_none_and_the_one_that_is_stored_already_is_named() -> None:
    store = _store()
    ann, bob = (strategies.simplest(Customer, id=each) for each in ("ann", "bob"))
    store.add([bob])
    with pytest.raises(Conflict, match="bob"):
        store.add_rows(Customer, map(_ENCODE, [ann, bob]))
    assert [each.id for each in store.every(Customer)] == ["bob"]
