"""The contract of "frames": records as columns."""

import polars as pl

from crmkit.errors import InvalidInput
from crmkit.frames.convert import from_records
from crmkit.frames.schema import schema
from crmkit.io.stores.port import Store
from crmkit.model import Customer, Employee
from crmkit.rules import field
from crmkit.testing.contract.base import StoreTests, promise, raises, undone
from crmkit.testing.contract.examples import ANN, BOB, Member, Specimen, specimens


class FramesContract(StoreTests):
    """What a store with the capability "frames" does."""

    @promise("frames")
    def test_a_frame_is_what_the_records_are_in_columns(self, store: Store) -> None:
        """With the extremes of every kind, equal to `crmkit.frames.from_records`, by id."""
        store.add(specimens())
        _assert_equal(store.frame(Specimen), from_records(store.every(Specimen), Specimen))

    @promise("frames")
    def test_a_frame_of_nothing_has_its_columns(self, store: Store) -> None:
        """Of their types; there is one batch of no rows."""
        frame = store.frame(Specimen)
        assert (frame.height, dict(frame.schema)) == (0, schema(Specimen))
        assert [each.height for each in store.batches(Specimen)] == [0]

    @promise("frames")
    def test_a_frame_may_have_some_columns(self, store: Store) -> None:
        """Of the same types, in the order of the schema."""
        store.add(specimens())
        wanted = ["price", "currency", "id", "maybe_labels"]
        _assert_equal(
            store.frame(Specimen, columns=wanted), from_records(store.every(Specimen), Specimen, columns=wanted)
        )

    @promise("frames")
    def test_a_frame_follows_a_rule(self, store: Store) -> None:
        """Only records for which it holds."""
        store.add(specimens())
        rule = field("amount").is_empty() | (field("currency") == "PLN")
        _assert_equal(store.frame(Specimen, rule), from_records(store.every(Specimen, rule), Specimen))

    @promise("frames")
    def test_batches_are_the_frame_in_parts(self, store: Store) -> None:
        """Of at most so many rows each."""
        store.add(specimens())
        for rows in (1, 2, 7, 1000):
            batches = list(store.batches(Specimen, rows=rows))
            assert all(each.height <= rows for each in batches)
            _assert_equal(pl.concat(batches), store.frame(Specimen))

    @promise("frames")
    def test_a_frame_sees_what_its_own_transaction_wrote(self, store: Store) -> None:
        """And nobody does once it is undone."""
        store.add([ANN])
        with undone(store):
            store.add([BOB])
            assert store.frame(Employee)["id"].to_list() == ["ann", "bob"]
        assert store.frame(Employee)["id"].to_list() == ["ann"]

    @promise("frames")
    def test_a_frame_of_a_class_includes_those_that_extend_it(self, store: Store) -> None:
        """With the columns of the class that was asked for."""
        ada = Member(id="ada", kind="person", name="Ada", card="7")
        store.add([ada, Customer(id="bob", kind="person", name="Bob")])
        frame = store.frame(Customer)
        assert (frame["id"].to_list(), dict(frame.schema)) == (["ada", "bob"], schema(Customer))
        _assert_equal(store.frame(Member), from_records([ada], Member))

    @promise("frames")
    def test_an_unknown_column_or_an_unfit_rule_is_refused(self, store: Store) -> None:
        """`InvalidInput`."""
        with raises(InvalidInput):
            store.frame(Specimen, columns=["id", "nope"])
        with raises(InvalidInput):
            store.frame(Specimen, columns=["measured"])
        with raises(InvalidInput):
            store.frame(Specimen, field("nope") == 1)


def _assert_equal(found: pl.DataFrame, expected: pl.DataFrame) -> None:
    assert dict(found.schema) == dict(expected.schema)
    for name in expected.columns:
        assert found[name].to_list() == expected[name].to_list(), name
