"""The stored records of one class: finding, versions, deletion, and ids that are gone."""

from datetime import timedelta

import pytest

from crmkit import CRM
from crmkit.errors import Conflict, InvalidInput, NotFound
from crmkit.io.stores.port import SortBy
from crmkit.model import Alias, Customer, Employee, Ticket
from crmkit.rules import field
from tests.crm.club import NOON, Member, SettableClock, ids, people


def test_records_are_found_by_a_rule_in_an_order_page_by_page(crm: CRM) -> None:
    crm.load(
        each.replace(city="Łódź", country=country) for each, country in zip(people(*"abcde"), "PPTPP", strict=True)
    )
    poles = field("country") == "P"

    first = crm.customers.find(poles, sort="-id", limit=3)
    rest = crm.customers.find(poles, sort="-id", limit=3, after=first.next)
    assert (ids(first), ids(rest), rest.next) == (["e", "d", "b"], ["a"], None)


def test_a_sort_is_one_key_or_several_as_text_or_not(crm: CRM) -> None:
    crm.load(each.replace(country=country) for each, country in zip(people(*"abc"), "PTP", strict=True))

    assert ids(crm.customers.find(sort="name")) == ["a", "b", "c"]
    assert ids(crm.customers.find(sort=["country", "-name"])) == ["c", "a", "b"]
    assert ids(crm.customers.find(sort=SortBy("name", is_descending=True))) == ["c", "b", "a"]


def test_an_unknown_field_to_sort_by_is_refused_with_the_nearest(crm: CRM) -> None:
    with pytest.raises(InvalidInput, match="no field 'contry'; .* did you mean 'country'"):
        crm.customers.find(sort="-contry")


def test_a_rule_says_what_is_gone_through_and_counted(crm: CRM) -> None:
    crm.load(people(*"abc"))
    late = field("id") > "a"

    assert ids(crm.customers.every(late)) == ["b", "c"]
    assert (crm.customers.count(late), crm.customers.count(), len(crm.customers)) == (2, 3, 3)


def test_an_update_with_the_version_that_was_read_overwrites_nothing(crm: CRM) -> None:
    crm.load(people("ann"))
    seen = crm.customers.read("ann")
    crm.customers.update(seen.record.replace(city="Łódź"), seen.version)

    with pytest.raises(Conflict) as conflict:
        crm.customers.update(seen.record.replace(country="PL"), seen.version)
    assert (conflict.value.expected, conflict.value.actual) == (1, 2)
    assert (crm.customers.get("ann").city, crm.customers.get("ann").country) == ("Łódź", None)


def test_an_update_with_a_record_of_another_class_is_refused(crm: CRM) -> None:
    crm.load([*people("x"), Employee(id="x", name="Bob")])

    with pytest.raises(InvalidInput, match="a Employee is no Customer"):
        crm.customers.update(Employee(id="x", name="Eve"))  # type: ignore[arg-type]
    assert crm.employees.get("x").name == "Bob"


def test_what_is_deleted_is_hidden_until_it_is_restored(crm: CRM, clock: SettableClock) -> None:
    crm.load(people("ann"))
    clock.wait(days=1)
    crm.customers.delete("ann")

    with pytest.raises(NotFound, match="no Customer has the id 'ann'"):
        crm.customers.get("ann")
    read = crm.customers.read("ann")
    assert (read.is_deleted, read.deleted_at, len(crm.customers)) == (True, NOON + timedelta(days=1), 0)
    assert crm.customers.restore("ann") == crm.customers.get("ann") == people("ann")[0].replace(created_at=None)


def test_deleting_another_version_is_refused(crm: CRM) -> None:
    crm.load(people("ann"))
    crm.customers.update(crm.customers.get("ann").replace(city="Łódź"))

    with pytest.raises(Conflict):
        crm.customers.delete("ann", version=1)
    crm.customers.delete("ann", version=2)


def test_deletion_frees_a_unique_value_and_restoring_checks_it_again(crm: CRM) -> None:
    crm.tickets.add(Ticket(id="t1", number="7"))
    with pytest.raises(Conflict):
        crm.tickets.add(Ticket(id="t2", number="7"))
    crm.tickets.delete("t1")
    crm.tickets.add(Ticket(id="t2", number="7"))

    with pytest.raises(Conflict):
        crm.tickets.restore("t1")
    assert crm.tickets.read("t1").is_deleted


def test_what_is_purged_leaves_no_history(crm: CRM) -> None:
    crm.load(people("ann"))
    crm.customers.delete("ann")
    crm.customers.purge("ann")

    with pytest.raises(NotFound):
        crm.customers.read("ann")
    with pytest.raises(NotFound):
        crm.customers.history("ann")


def test_the_history_tells_every_form_and_who_made_it(crm: CRM) -> None:
    crm.load(people("ann"))
    with crm.transaction(by="bob"):
        crm.customers.update(crm.customers.get("ann").replace(city="Łódź"))
    crm.customers.delete("ann")

    told = [
        (each.number, each.kind, each.record and each.record.city, each.stamp.by)
        for each in crm.customers.history("ann")
    ]
    assert told == [(1, "added", None, "host"), (2, "changed", "Łódź", "bob"), (3, "deleted", None, "host")]


def _alias(former_id: str, survivor_id: str, days: int = 0) -> Alias:
    at = NOON + timedelta(days=days)
    return Alias(subject="Customer", former_id=former_id, survivor_id=survivor_id, at=at)


def test_an_id_that_is_gone_leads_to_what_took_its_place(crm: CRM) -> None:
    crm.load([*people("c", "x"), _alias("a", "x"), _alias("a", "b", days=1), _alias("b", "c")])

    assert crm.customers.get("a").id == crm.customers.get("b").id == "c"
    with pytest.raises(NotFound, match="no Customer has the id 'd'"):
        crm.customers.get("d")


def test_a_record_that_is_there_is_not_looked_for_elsewhere(crm: CRM) -> None:
    crm.load([*people("a", "b"), _alias("a", "b")])

    assert crm.customers.get("a").id == "a"


def test_an_alias_is_for_its_class_and_those_that_extend_it(crm: CRM) -> None:
    bea = Member(id="bea", kind="person", name="Bea")
    crm.load([bea, Employee(id="bea", name="Bea"), _alias("gone", "bea")])

    assert crm[Member].get("gone") == bea
    with pytest.raises(NotFound, match="no Employee has the id 'gone'"):
        crm.employees.get("gone")


def test_aliases_in_a_ring_are_refused(crm: CRM) -> None:
    crm.load([_alias("a", "b"), _alias("b", "a")])

    with pytest.raises(InvalidInput, match="lead in a ring"):
        crm.customers.get("a")


@pytest.mark.parametrize("impossible", ["", "x" * 2000])
def test_an_id_that_no_record_can_have_is_not_found(crm: CRM, impossible: str) -> None:
    with pytest.raises(NotFound):
        crm.customers.get(impossible)


def test_versions_count_the_changes_of_a_record(crm: CRM) -> None:
    crm.load(people("ann"))
    assert crm.customers.read("ann").version == 1

    crm.customers.update(crm.customers.get("ann").replace(city="Łódź"))
    assert crm.customers.read("ann").version == 2


def test_an_addition_that_fails_leaves_no_trace_of_who_acts(crm: CRM) -> None:
    crm.load(people("ann"))

    with pytest.raises(Conflict):
        crm.customers.add(Customer(id="ann", kind="person", name="Ann"))
    assert crm.acting() == ("host", NOON)
    assert [each.kind for each in crm.customers.history("ann")] == ["added"]
