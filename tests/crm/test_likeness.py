"""The facade tells who is calling, who looks like a known customer, and who is there twice."""

from datetime import UTC, date, datetime

from crmkit import CRM
from crmkit.model import ContactPoint, Customer
from crmkit.rules import field

BORN = date(1990, 5, 17)
PHONE = ContactPoint("phone", "+48 501 234 567")
ANN = Customer(id="ann", kind="person", name="Ann Kowalska", birth_on=BORN, contact_points=[PHONE], country="PL")


def opened() -> CRM:
    crm = CRM.open("memory://", clock=lambda: datetime(2025, 3, 1, tzinfo=UTC))
    crm.load([ANN, Customer(id="ben", kind="person", name="Ben Nowak")])
    return crm


def test_a_caller_is_found_also_in_the_past() -> None:
    crm = opened()
    assert [each.id for each in crm.find_by_phone("501234567", country="PL")] == ["ann"]
    assert [each.id for each in crm.as_of(date(2025, 3, 1)).find_by_phone("+48501234567")] == ["ann"]
    assert crm.as_of(date(2025, 2, 1)).find_by_phone("+48501234567") == ()


def test_a_new_customer_who_looks_like_a_known_one_is_told_and_may_be_added() -> None:
    crm = opened()
    new = ANN.replace(id="new", name="Anna Kowalska")
    assert [each.customer.id for each in crm.find_matches(new)] == ["ann"]
    crm.customers.add(new)
    assert [each.customer.id for each in crm.find_matches(new)] == ["ann"]


def test_duplicates_are_merged_and_the_merge_taken_back() -> None:
    crm = opened()
    crm.customers.add(ANN.replace(id="new"))
    (cluster,) = crm.find_duplicates().clusters
    log = crm.merge(cluster.ids[0], cluster.ids[1:]).log
    assert crm.find_duplicates().clusters == ()
    crm.unmerge(log.id)
    assert crm.find_duplicates().clusters == (cluster,)
    assert crm.find_duplicates(where=field("country") == "TH").pairs == ()
