"""Runs of a plan: who is met, who counts, what is at fault."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from crmkit import CRM
from crmkit.errors import InvalidInput, StoreError
from crmkit.io.stores import MemoryStore, open_store
from crmkit.io.sync import MemoryRemote, Remote, SyncConsent, SyncField, SyncPlan, SyncReport, synchronise
from crmkit.model import Consent, ContactPoint, Customer, Deal
from crmkit.rules import days_ago, field
from tests.io.sync.flaky import FlakyRemote

NOW = datetime(2025, 3, 1, 12, tzinfo=UTC)
FIELDS = [SyncField("name"), SyncField("city"), SyncField("contact_points.email", "email")]


def plan(**options: Any) -> SyncPlan[Customer]:
    settings = {"name": "mailer", "cls": Customer, "fields": FIELDS, "defaults": {"kind": "person"}}
    return SyncPlan(**{**settings, **options})


def person(record_id: str, address: str | None = None, **fields: Any) -> Customer:
    points = [] if address is None else [ContactPoint("email", address)]
    return Customer(**{"id": record_id, "kind": "person", "name": record_id, "contact_points": points, **fields})


@pytest.fixture
def crm() -> CRM:
    return CRM.open("memory://", clock=lambda: NOW)


def sync(crm: CRM, remote: Remote, how: SyncPlan[Customer], minutes: int = 0) -> SyncReport:
    return synchronise(crm.store, remote, how, at=NOW + timedelta(minutes=minutes))


def test_a_memory_remote_is_a_remote() -> None:
    assert isinstance(MemoryRemote(), Remote)


def test_nothing_on_either_side_is_nothing_to_do(crm: CRM) -> None:
    report = sync(crm, MemoryRemote(), plan())
    assert not report
    assert str(report) == "nothing to do"


@pytest.mark.parametrize(("match", "made"), [("email", 0), (None, 1)])
def test_a_record_that_is_new_there_is_met_by_its_address(crm: CRM, match: Any, made: int) -> None:
    remote = MemoryRemote()
    remote_id = remote.add(name="Ann", email="ANN@example.com", city="Łódź")
    crm.customers.add(person("ann", "ann@example.com", name="Ann"))
    assert sync(crm, remote, plan(match=match, new="in")).created_here == made
    assert (crm.customers.get("ann").external_ids == {"mailer": remote_id}) is (match == "email")


def test_an_address_that_two_have_is_left_to_people(crm: CRM) -> None:
    remote = MemoryRemote()
    remote.add(name="Ann", email="home@example.com")
    for record_id in ("ann", "bob"):
        crm.customers.add(person(record_id, "home@example.com"))
    (fault,) = sync(crm, remote, plan(match="email", new="in")).faults
    assert (
        str(fault)
        == "1 (there): 2 records here have its e-mail address; give one of them its id in external_ids['mailer']"
    )
    crm.customers.update(crm.customers.get("bob").replace(external_ids={"mailer": "1"}))
    assert not sync(crm, remote, plan(match="email", new="in")).faults
    assert crm.customers.get("bob").name == "bob"


def test_an_external_id_that_two_have_is_left_to_people(crm: CRM) -> None:
    remote = MemoryRemote()
    remote_id = remote.add(name="Ann")
    for record_id in ("ann", "bob"):
        crm.customers.add(person(record_id, external_ids={"mailer": remote_id}))
    faults = sync(crm, remote, plan(new="in")).faults
    assert any("2 records here are linked to it" in each.message for each in faults)


def test_an_imported_link_is_followed_and_an_outdated_one_deletes_nobody(crm: CRM) -> None:
    remote = MemoryRemote()
    remote_id = remote.add(name="Ann", city="Łódź")
    crm.customers.add(person("ann", name="Ann", external_ids={"mailer": remote_id}))
    crm.customers.add(person("bob", external_ids={"mailer": "gone"}))
    report = sync(crm, remote, plan(deletions="both"))
    assert (report.created_here, report.created_there, report.deleted_here) == (0, 0, 0)
    assert crm.customers.get("ann").city == "Łódź"
    assert crm.customers.get("bob").name == "bob"


def test_only_records_of_the_rule_are_sent(crm: CRM) -> None:
    remote = MemoryRemote()
    crm.customers.add(person("new", created_at=NOW - timedelta(days=1)))
    crm.customers.add(person("old", created_at=NOW - timedelta(days=30)))
    report = sync(crm, remote, plan(where=field("created_at") > days_ago(7)))
    assert [each.values["name"] for each in remote.records] == ["new"]
    assert report.skipped == 1


def test_the_later_change_of_a_field_counts_and_the_store_where_both_are_at_one_time(crm: CRM) -> None:
    remote = MemoryRemote()
    crm.customers.add(person("ann"))
    sync(crm, remote, plan())
    for minutes, kept in ((-1, "Łódź"), (0, "Łódź"), (1, "Kraków")):
        with crm.transaction(at=NOW):
            crm.customers.update(crm.customers.get("ann").replace(city="Łódź"))
        remote.change("1", at=NOW + timedelta(minutes=minutes), city="Kraków")
        report = sync(crm, remote, plan())
        assert (report.conflicts, crm.customers.get("ann").city, remote.records[0].values["city"]) == (1, kept, kept)
        with crm.transaction(at=NOW - timedelta(hours=1)):
            crm.customers.update(crm.customers.get("ann").replace(city="Gdynia"))
        sync(crm, remote, plan())


def test_a_merged_customer_keeps_the_link_that_went_to_the_survivor(crm: CRM) -> None:
    remote = MemoryRemote()
    crm.customers.add(person("ann", city="Łódź"))
    sync(crm, remote, plan())
    crm.customers.add(person("anna"))
    merged = crm.merge("anna", ["ann"])
    sync(crm, remote, plan())
    (there,) = remote.records
    assert crm.customers.get("anna").external_ids == {"mailer": there.id}
    assert there.values["city"] == "Łódź"
    crm.unmerge(merged.log.id)
    sync(crm, remote, plan())
    assert not sync(crm, remote, plan())
    assert len({str(each.external_ids["mailer"]) for each in crm.customers}) == 2
    crm.customers.delete("ann")
    remote.change(there.id, city="Kraków")
    report = sync(crm, remote, plan())
    assert (report.created_here, report.deleted_there) == (0, 1)


def test_a_change_here_while_a_record_is_sent_is_not_written_over(crm: CRM) -> None:
    remote = FlakyRemote()
    crm.customers.add(person("ann"))
    for _ in range(2):
        sync(crm, remote, plan())
    crm.customers.update(crm.customers.get("ann").replace(city="Łódź"))
    remote.change("1", name="Ann")

    def call_ann() -> None:
        crm.customers.update(crm.customers.get("ann").replace(country="PL"))

    remote.let([None, call_ann])
    sync(crm, remote, plan())
    ann = crm.customers.get("ann")
    assert (ann.name, ann.city, ann.country) == ("Ann", "Łódź", "PL")


def test_a_change_there_while_a_record_is_sent_is_read_in_the_next_run(crm: CRM) -> None:
    class Versionless(FlakyRemote):
        def update(self, remote_id: str, values: Any, consent: Any, version: str | None) -> Any:
            self.change(remote_id, name="Ann Kowalska")
            return super().update(remote_id, values, consent, self._records[remote_id].version)

    remote = Versionless()
    crm.customers.add(person("ann"))
    for _ in range(2):
        sync(crm, remote, plan())
    crm.customers.update(crm.customers.get("ann").replace(city="Łódź"))
    assert sync(crm, remote, plan()).updated_there == 1
    assert sync(crm, remote, plan()).updated_here == 1
    assert crm.customers.get("ann").name == "Ann Kowalska"


def test_a_purge_between_two_runs_is_a_deletion_there(crm: CRM) -> None:
    remote = MemoryRemote()
    crm.customers.add(person("ann"))
    sync(crm, remote, plan())
    crm.customers.delete("ann")
    crm.customers.purge("ann")
    assert sync(crm, remote, plan()).deleted_there == 1
    assert remote.records == ()


def test_deletions_that_go_nowhere_leave_both_sides_alone(crm: CRM) -> None:
    remote = MemoryRemote()
    for record_id in ("ann", "bob"):
        crm.customers.add(person(record_id))
    sync(crm, remote, plan(deletions=None))
    crm.customers.delete("ann")
    remote.delete(next(each.id for each in remote.records if each.key == "bob"))
    assert not sync(crm, remote, plan(deletions=None))
    assert ([each.key for each in remote.records], [each.id for each in crm.customers]) == (["ann"], ["bob"])
    remote.change("1", city="Łódź")
    assert not sync(crm, remote, plan(deletions=None))
    assert [each.id for each in crm.customers] == ["bob"]


def test_what_does_not_fit_here_is_a_fault_and_the_others_go_on(crm: CRM) -> None:
    remote = MemoryRemote()
    remote.add(city="Łódź")
    remote.add(name="Bob", city=7)
    remote.add(name="Eva")
    report = sync(crm, remote, plan())
    assert [each.name for each in crm.customers] == ["Eva"]
    assert [each.message for each in report.faults] == [
        "Customer.name: it is missing, and there is no default",
        "Customer.city: a personal value of type int is not accepted; give text that is not blank",
    ]
    remote.change("1", name="Ann")
    report = sync(crm, remote, plan())
    assert (report.created_here, [each.id for each in report.faults]) == (1, ["2"])


def test_a_record_that_others_keep_changing_is_tried_again_in_the_next_run(crm: CRM) -> None:
    remote = FlakyRemote()
    crm.customers.add(person("ann"))
    for _ in range(2):
        sync(crm, remote, plan())
    crm.customers.update(crm.customers.get("ann").replace(city="Łódź"))

    def meddle() -> None:
        remote._keep(remote._records["1"])

    remote.let([None, None, *[meddle, None] * 3])
    (fault,) = sync(crm, remote, plan()).faults
    assert fault.message == "the remote record '1' changed meanwhile"
    assert sync(crm, remote, plan()).updated_there == 1


def test_an_opt_out_during_a_run_is_looked_at_in_the_next_one(crm: CRM) -> None:
    remote, how = FlakyRemote(), plan(consent=SyncConsent("email", "news"))
    said = {"customer_id": "ann", "channel": "email", "purpose": "news"}
    crm.customers.add(person("ann"))
    crm.consents.add(Consent(**said, state="granted", at=NOW))  # type: ignore[arg-type]
    for _ in range(2):
        sync(crm, remote, how)
    soon = NOW + timedelta(minutes=3)
    remote.let([lambda: crm.consents.add(Consent(**said, state="withdrawn", at=soon))])  # type: ignore[arg-type]
    assert not sync(crm, remote, how)
    assert sync(crm, remote, how, minutes=5).opted_out_there == 1
    assert remote.records[0].consent == "withdrawn"


def test_the_ledger_says_who_did_it_and_when(crm: CRM) -> None:
    remote = MemoryRemote()
    remote.add(name="Ann")
    synchronise(crm.store, remote, plan(), at=NOW, by="sync")
    (customer,) = crm.customers
    stamp = crm.customers.history(customer.id)[0].stamp
    assert (stamp.by, stamp.at, customer.created_at) == ("sync", NOW, NOW)


def test_two_systems_are_kept_in_step_beside_each_other(crm: CRM) -> None:
    mailer, shop = MemoryRemote(), MemoryRemote()
    crm.customers.add(person("ann", city="Łódź"))
    for _ in range(2):
        sync(crm, mailer, plan())
        sync(crm, shop, plan(name="shop"))
    shop.change("1", city="Kraków")
    assert sync(crm, shop, plan(name="shop")).updated_here == 1
    assert sync(crm, mailer, plan()).updated_there == 1
    assert mailer.records[0].values["city"] == "Kraków"


def test_a_file_goes_on_where_it_was_closed(tmp_path: Path) -> None:
    remote, url = MemoryRemote(), f"sqlite:///{tmp_path}/club.db"
    store = open_store(url)
    store.add([person(f"c{number}", f"c{number}@example.com") for number in range(3)])
    assert synchronise(store, remote, plan(match="email"), at=NOW).created_there == 3
    store.close()
    store = open_store(url)
    assert not synchronise(store, remote, plan(match="email"), at=NOW)
    remote.change("2", city="Łódź")
    store.delete(Customer, "c0")
    report = synchronise(store, remote, plan(match="email"), at=NOW)
    assert (report.updated_here, report.deleted_there) == (1, 1)
    store.close()


def test_misuse_is_refused_before_anything_is_asked() -> None:
    remote = FlakyRemote()
    with pytest.raises(InvalidInput, match="at=.* has no time zone"):
        synchronise(MemoryStore(), remote, plan(), at=datetime(2025, 3, 1))
    with pytest.raises(InvalidInput, match="Customer is no record class of this store"):
        synchronise(MemoryStore([Deal]), remote, plan(), at=NOW)
    with pytest.raises(InvalidInput, match="Customer has no field 'cty'"):
        synchronise(MemoryStore(), remote, plan(where=field("cty") == "x"), at=NOW)
    store = MemoryStore()
    store.close()
    with pytest.raises(StoreError, match="closed"):
        synchronise(store, remote, plan(), at=NOW)
    assert remote.calls == []


def test_a_remote_whose_cursor_stands_still_is_named() -> None:
    class Stuck(MemoryRemote):
        def changed(self, cursor: str | None) -> Any:
            page = super().changed(None)
            return type(page)(page.records, "0", has_more=True)

    with pytest.raises(InvalidInput, match="let it advance"):
        synchronise(MemoryStore(), Stuck(), plan(), at=NOW)
