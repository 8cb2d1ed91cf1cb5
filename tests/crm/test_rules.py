"""Rules asked of a CRM: by its clock, in its zone, about all that it keeps."""

from datetime import date, timedelta

from crmkit import CRM
from crmkit.model import Deal, Money, Order
from crmkit.rules import days_ago, field, last_days, last_month, this_month
from tests.crm.club import NOON, SettableClock, ids, people

MIDNIGHT_IN_WARSAW = NOON.replace(month=1, day=31, hour=23, minute=0)


def test_relative_time_counts_from_the_clock_in_the_zone(crm: CRM, clock: SettableClock) -> None:
    crm.load(people("ann"))
    crm.load(
        Order(id=f"o{number}", customer_id="ann", at=MIDNIGHT_IN_WARSAW + timedelta(seconds=number))
        for number in (-1, 0)
    )
    clock.at = MIDNIGHT_IN_WARSAW.replace(month=2, day=10)

    assert ids(crm.orders.every(field("at") == this_month())) == ["o0"]
    assert ids(crm.orders.find(field("at") == last_month())) == ["o-1"]
    assert crm.orders.count(field("at") == days_ago(10)) == 1


def test_a_group_is_who_bought_and_did_not_come_back(crm: CRM, clock: SettableClock) -> None:
    crm.load(people("ann", "bob", "cat"))
    for name, days in {"ann": 100, "bob": 20}.items():
        crm.orders.add(Order(customer_id=name, at=NOON - timedelta(days=days), amount=Money(100, "PLN")))
    clock.at = NOON
    lost, known = field("orders.last_at") < days_ago(90), field("orders.total") >= Money(100, "PLN")

    assert ids(crm.customers.find(lost & known)) == ["ann"]
    assert ids(crm.customers.find(field("orders").any(within=last_days(30)))) == ["bob"]
    assert ids(crm.customers.find(field("orders.count") == 0)) == ["cat"]
    clock.at = NOON - timedelta(days=50)
    assert ids(crm.customers.find(field("orders.count") == 0)) == ["bob", "cat"]


def test_the_past_is_asked_as_of_then(crm: CRM, clock: SettableClock) -> None:
    crm.load(people("ann"))
    clock.at = NOON + timedelta(days=10)
    crm.orders.add(Order(customer_id="ann", at=clock.at))
    clock.at = NOON + timedelta(days=20)

    assert crm.customers.count(field("orders").any(within=last_days(15))) == 1
    assert crm.as_of(NOON + timedelta(days=5)).customers.count(field("orders.count") == 0) == 1
    assert crm.as_of(NOON + timedelta(days=10)).customers.count(field("orders").any(within=last_days(0))) == 1


def test_a_kpi_is_filtered_as_of_its_own_moment(crm: CRM, clock: SettableClock) -> None:
    clock.at = NOON
    closed = {"d1": NOON - timedelta(days=3), "d2": NOON - timedelta(days=60)}
    for name, at in closed.items():
        crm.load([Deal(id=name, pipeline_id="gym", stage="Won", category="won", closed_at=at, created_at=at)])
    recent = field("closed_at") == last_days(7)

    assert crm.metrics.win_rate(where=recent).only.n == 1
    assert crm.metrics.win_rate(where=recent, as_of=date.fromordinal(NOON.toordinal() - 60)).only.n == 1
    assert crm.metrics.win_rate(where=recent, as_of=date.fromordinal(NOON.toordinal() - 30)).only.n == 0
