"""The contract of "tenants": several that share one place and never see each other."""

from crmkit.errors import InvalidInput, NotFound
from crmkit.io.stores.port import SortBy, Store
from crmkit.model import CustomField, Employee, Ticket
from crmkit.rules import field
from crmkit.testing.contract.base import StoreTests, promise, raises, undone
from crmkit.testing.contract.examples import ANN, BOB, CAT


class TenantsContract(StoreTests):
    """What a store with the capability "tenants" does."""

    @promise("tenants")
    def test_nothing_of_another_tenant_is_read(self, store: Store) -> None:
        """By no way of reading."""
        other = self.for_tenant(store, "b")
        other.add([ANN, BOB])
        store.add([CAT])
        for use in (store.get, store.read):
            with raises(NotFound):
                use(Employee, "ann")
        assert list(store.every(Employee)) == [CAT]
        assert store.count(Employee, field("name") == "Ann") == 0
        assert list(other.every(Employee)) == [ANN, BOB]

    @promise("tenants")
    def test_nothing_of_another_tenant_is_changed(self, store: Store) -> None:
        """The same ids are different records."""
        other = self.for_tenant(store, "b")
        other.add([ANN])
        with raises(NotFound):
            store.put(ANN)
        store.add([ANN.replace(team="North")])
        store.put(ANN.replace(team="South"), version=1)
        assert (other.read(Employee, "ann").record, other.read(Employee, "ann").version) == (ANN, 1)

    @promise("tenants")
    def test_unique_values_are_those_of_a_tenant(self, store: Store) -> None:
        """Each may use the same."""
        other = self.for_tenant(store, "b")
        assert (store.add([Ticket(id="t1", number="7")]), other.add([Ticket(id="t2", number="7")])) == (1, 1)

    @promise("tenants", "deletion")
    def test_nothing_of_another_tenant_is_deleted(self, store: Store) -> None:
        """Nor restored, nor purged."""
        other = self.for_tenant(store, "b")
        other.add([ANN, BOB])
        other.delete(Employee, "bob")
        for use, record_id in ((store.delete, "ann"), (store.restore, "bob"), (store.purge, "bob")):
            with raises(NotFound):
                use(Employee, record_id)
        assert other.read(Employee, "bob").is_deleted

    @promise("tenants", "queries", "frames")
    def test_queries_and_frames_are_those_of_a_tenant(self, store: Store) -> None:
        """Page by page."""
        other = self.for_tenant(store, "b")
        store.add([ANN, CAT])
        other.add([BOB])
        page = store.find(Employee, sort=[SortBy("name")], limit=1)
        assert (*page, *store.find(Employee, sort=[SortBy("name")], after=page.next)) == (ANN, CAT)
        assert store.frame(Employee)["id"].to_list() == ["ann", "cat"]

    @promise("tenants")
    def test_declared_fields_are_those_of_a_tenant(self, store: Store) -> None:
        """A rule of one does not fit the other."""
        rank = CustomField(subject="Employee", name="rank", kind="integer")
        self.for_tenant(store, "b").add([rank])
        with raises(InvalidInput):
            store.count(Employee, field("custom.rank") == 1)
        store.add([rank.replace(kind="text"), ANN.replace(custom={"rank": "1"})])
        assert store.count(Employee, field("custom.rank") == "1") == 1

    @promise("tenants", "history", "feed")
    def test_the_ledger_is_that_of_a_tenant(self, store: Store) -> None:
        """Its histories and its feed."""
        other = self.for_tenant(store, "b")
        other.add([ANN, BOB])
        store.add([ANN])
        assert [each.subject_id for each in store.changes()] == ["ann"]
        assert len(store.history(Employee, "ann")) == 1
        assert [each[0].record for each in store.histories(Employee)] == [ANN]
        with raises(NotFound):
            store.history(Employee, "bob")

    @promise("tenants", "notes")
    def test_notes_are_those_of_a_tenant(self, store: Store) -> None:
        """Under the same key."""
        other = self.for_tenant(store, "b")
        store.set_note("k", "one", was=None)
        assert other.note("k") is None
        other.set_note("k", "two", was=None)
        assert store.note("k") == "one"

    @promise("tenants")
    def test_a_transaction_of_one_tenant_is_its_own(self, store: Store) -> None:
        """What it undoes is not what another keeps afterwards."""
        other = self.for_tenant(store, "b")
        with undone(store):
            store.add([ANN])
        other.add([ANN])
        assert (store.count(Employee), other.count(Employee)) == (0, 1)
