"""The facade: what a host does every day."""

from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from crmkit import CRM, metrics
from crmkit.crm import Collection
from crmkit.errors import Conflict, InvalidInput, InvalidTransition, NotFound
from crmkit.io.stores import MemoryStore
from crmkit.model import (
    RECORDS,
    Customer,
    Deal,
    Employee,
    Interaction,
    Lead,
    Money,
    Order,
    SurveyResponse,
    Ticket,
    new_id,
)
from crmkit.model.lead import qualify
from tests.crm.club import NOON, Member, Membership, SettableClock, Visit


def _deal(crm: CRM) -> Deal:
    return crm.deals.add(Deal(id="d1", pipeline_id="gym", stage="Trial", amount=Money("490", "PLN")))


def test_adding_fills_the_creation_with_the_clock(crm: CRM) -> None:
    ann = crm.customers.add(Customer(id="ann", kind="person", name="Ann"))

    assert ann.created_at == NOON
    assert crm.customers.get("ann") == ann
    assert list(crm.customers) == [ann]
    assert len(crm.customers) == 1


def test_a_creation_that_is_known_is_kept(crm: CRM) -> None:
    before = NOON - timedelta(days=700)

    assert crm.customers.add(Customer(kind="person", name="Ann", created_at=before)).created_at == before


def test_loading_keeps_records_exactly_as_they_are(crm: CRM) -> None:
    assert crm.load([Customer(id="ann", kind="person", name="Ann"), Employee(id="bob", name="Bob")]) == 2

    assert crm.customers.get("ann").created_at is None


def test_loading_is_all_or_nothing(crm: CRM) -> None:
    ann = Customer(id="ann", kind="person", name="Ann")

    with pytest.raises(Conflict):
        crm.load([ann, ann])
    assert len(crm.customers) == 0


def test_an_update_replaces(crm: CRM) -> None:
    ann = crm.customers.add(Customer(kind="person", name="Ann"))
    crm.customers.update(ann.replace(city="Łódź"))

    assert crm.customers.get(ann.id).city == "Łódź"


def test_an_update_of_a_record_that_is_not_stored_is_refused(crm: CRM) -> None:
    with pytest.raises(NotFound, match="no Customer has the id 'ann'"):
        crm.customers.update(Customer(id="ann", kind="person", name="Ann"))


def test_a_record_of_another_class_is_refused(crm: CRM) -> None:
    with pytest.raises(InvalidInput, match="a Deal is no Customer; add it to the collection of its class"):
        crm.customers.add(Deal(pipeline_id="gym", stage="Trial"))  # type: ignore[arg-type]


def test_a_new_deal_gets_the_category_of_its_stage(crm: CRM) -> None:
    assert crm.deals.add(Deal(pipeline_id="gym", stage="Won", closed_at=NOON)).category == "won"


def test_a_deal_at_an_unknown_stage_or_pipeline_is_refused(crm: CRM) -> None:
    with pytest.raises(InvalidInput, match="pipeline 'gym' has no stage 'Trail'; .* did you mean 'Trial'"):
        crm.deals.add(Deal(pipeline_id="gym", stage="Trail"))
    with pytest.raises(NotFound, match="no Pipeline has the id 'gim'"):
        crm.deals.add(Deal(pipeline_id="gim", stage="Trial"))


def test_moves_keep_the_deal_and_the_transition(crm: CRM, clock: SettableClock) -> None:
    deal = _deal(crm)
    crm.deals.advance(deal.id, "Offer")
    clock.at += timedelta(days=1)
    crm.deals.lose(deal.id, reason="price")
    clock.at += timedelta(days=1)
    crm.deals.reopen(deal.id, "Offer")
    clock.at += timedelta(days=1)
    crm.deals.win(deal.id)

    assert crm.deals.get(deal.id).closed_at == NOON + timedelta(days=3)
    history = sorted(crm.transitions, key=lambda each: each.at)
    assert [each.after for each in history] == ["Offer", "Lost", "Offer", "Won"]
    assert {each.by for each in history} == {"host"}
    assert [each.recorded_at for each in history] == [each.at for each in history]


def test_moves_of_a_ticket_keep_the_transition(crm: CRM) -> None:
    ticket = crm.tickets.add(Ticket())
    crm.tickets.resolve(ticket.id, reason="answered")
    crm.tickets.reopen(ticket.id)

    assert crm.tickets.get(ticket.id).reopen_count == 1
    assert {each.after for each in crm.transitions} == {"Resolved", "Open"}


def test_an_update_cannot_change_a_state(crm: CRM) -> None:
    deal, ticket = _deal(crm), crm.tickets.add(Ticket())

    with pytest.raises(InvalidTransition, match="changes its state in update; .*: advance, win, lose, reopen"):
        crm.deals.update(deal.replace(stage="Offer"))
    with pytest.raises(InvalidTransition, match="changes its state in update; .*: resolve, reopen"):
        crm.tickets.update(ticket.replace(category="resolved"))
    assert crm.deals.update(deal.replace(name="Year card")).name == "Year card"
    assert crm.tickets.update(ticket.replace(topic="door")).topic == "door"


def test_a_move_of_the_model_is_kept_with_its_transition(crm: CRM) -> None:
    lead = crm.leads.add(Lead(id="l1", name="Ann"))
    crm.keep(*qualify(lead, at=NOON, by="anna"))

    assert crm.leads.get("l1").qualified_at == NOON
    assert [(each.subject, each.by, each.recorded_at) for each in crm.transitions] == [("Lead", "anna", NOON)]
    with pytest.raises(InvalidTransition, match="Lead 'l1' changes its state in update; .* crm.keep"):
        crm.leads.update(lead)


def test_a_move_of_a_record_that_is_not_stored_keeps_nothing(crm: CRM) -> None:
    with pytest.raises(NotFound, match="no Lead has the id 'l1'"):
        crm.keep(*qualify(Lead(id="l1", name="Ann"), at=NOON))

    assert len(crm.transitions) == 0


def test_every_record_class_has_a_collection(crm: CRM) -> None:
    collected = {each.cls for each in vars(crm).values() if isinstance(each, Collection)}

    assert collected == set(RECORDS)


def test_a_move_that_is_impossible_changes_nothing(crm: CRM) -> None:
    deal = _deal(crm)
    crm.deals.win(deal.id)

    with pytest.raises(InvalidTransition):
        crm.deals.lose(deal.id, reason="price")
    assert crm.deals.get(deal.id).category == "won"
    assert len(crm.transitions) == 1


def test_a_transaction_names_who_acts_and_when_it_was_true(crm: CRM) -> None:
    deal, earlier = _deal(crm), NOON - timedelta(days=3)
    with crm.transaction(by="anna", at=earlier):
        crm.deals.advance(deal.id, "Offer")
        with crm.transaction(by="bob"):
            crm.deals.win(deal.id)
    crm.tickets.resolve(crm.tickets.add(Ticket()).id)

    by_stage = {each.after: each for each in crm.transitions}
    assert (by_stage["Offer"].by, by_stage["Won"].by, by_stage["Resolved"].by) == ("anna", "bob", "host")
    assert (by_stage["Offer"].at, by_stage["Won"].at, by_stage["Resolved"].at) == (earlier, earlier, NOON)
    assert {each.recorded_at for each in by_stage.values()} == {NOON}


def test_a_transaction_that_fails_leaves_nothing(crm: CRM) -> None:
    with pytest.raises(ZeroDivisionError), crm.transaction():
        _deal(crm)
        raise ZeroDivisionError

    assert len(crm.deals) == 0


def test_kpis_of_the_store_are_those_of_its_records(crm: CRM) -> None:
    for number in range(3):
        crm.deals.add(Deal(id=f"d{number}", pipeline_id="gym", stage="Trial", amount=Money(number + 1, "PLN")))
    crm.deals.win("d1")
    crm.deals.lose("d2", reason="price")
    crm.orders.add(Order(at=NOON, amount=Money("20", "PLN")))
    crm.survey_responses.add(SurveyResponse(kind="nps", scale_low=0, scale_high=10, score=9, responded_at=NOON))
    crm.tickets.resolve(crm.tickets.add(Ticket()).id)
    crm.interactions.add(Interaction(at=NOON, channel="email", direction="outbound"))

    assert crm.metrics.win_rate() == metrics.win_rate(crm.deals, as_of=NOON, tz="Europe/Warsaw")
    assert crm.metrics.win_rate(every="month").value == 0.5
    assert crm.metrics.average_order_value().value == 20.0
    assert crm.metrics.average_order_value(method="won_deal").value == 2.0
    assert crm.metrics.nps().value == 100.0
    assert crm.metrics.sales_cycle(as_of=date(2025, 4, 1)).value is None
    fcr = crm.metrics.first_contact_resolution(as_of=NOON + timedelta(days=8))
    assert fcr.value == 1.0


def test_an_unknown_kpi_is_refused_with_the_nearest(crm: CRM) -> None:
    with pytest.raises(AttributeError, match="there is no KPI 'winrate'; .* did you mean 'win_rate'"):
        crm.metrics.winrate()
    assert "win_rate" in dir(crm.metrics)


@pytest.mark.parametrize("by", [5, "nothing", ["nothing"], [["stage"]]])
def test_what_no_deal_can_be_grouped_by_is_refused_as_for_records(crm: CRM, by: Any) -> None:
    deals = [_deal(crm)]

    with pytest.raises(InvalidInput) as of_store:
        crm.metrics.win_rate(by=by)
    with pytest.raises(InvalidInput) as of_records:
        metrics.win_rate(deals, as_of=NOON, by=by)
    assert str(of_store.value) == str(of_records.value)


def test_an_unknown_zone_is_refused_before_a_store_is_made(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="tz='Warsaw' is not a time zone"):
        CRM.open(f"sqlite:///{tmp_path}/club.db", tz="Warsaw")
    assert list(tmp_path.iterdir()) == []


def test_without_a_clock_the_present_is_used() -> None:
    with closing(CRM(MemoryStore())) as crm:
        ann = crm.customers.add(Customer(id=new_id(), kind="person", name="Ann"))

    assert ann.created_at is not None
    assert abs(datetime.now(UTC) - ann.created_at) < timedelta(minutes=1)  # noqa: TID251 - compared with the clock


def test_the_records_of_a_vertical_have_a_collection(crm: CRM) -> None:
    bea = crm[Member].add(Member(id="bea", kind="person", name="Bea", card="7"))
    visit = crm[Visit].add(Visit(member_id="bea", at=NOON))

    assert crm[Member].get("bea") == crm.customers.get("bea") == bea
    assert [*crm[Visit]] == [visit]
    with pytest.raises(InvalidInput, match="Unknown is no record class of this store; it has Employee, .* records="):
        crm[Unknown]


class Unknown(Customer):
    """A class that no store was opened for."""


def test_a_class_that_extends_deals_has_their_commands(crm: CRM) -> None:
    crm[Membership].add(Membership(id="m1", pipeline_id="gym", stage="Trial", months=6))
    crm.deals.win("m1")

    memberships = crm[Membership]
    assert memberships.get("m1").months == 6
    with pytest.raises(InvalidTransition, match="changes its state in update; .*: advance, win, lose, reopen"):
        memberships.update(memberships.get("m1").replace(stage="Trial", category="open"))


def test_every_write_is_stamped_with_who_and_when(crm: CRM, clock: SettableClock) -> None:
    beginning = crm.changes().cursor
    monday, tuesday = clock.wait(days=1), clock.wait(days=1)
    ann = crm.customers.add(Customer(id="ann", kind="person", name="Ann"))
    with crm.transaction(by="bob", at=monday):
        crm.customers.update(ann.replace(city="Łódź"))
        clock.wait(hours=1)
        with crm.transaction(by="eve", at=NOON):
            crm.load([Employee(id="e1", name="Eve")])
    crm.customers.delete("ann")
    crm.customers.restore("ann")

    stamps = [(each.kind, each.stamp.by, each.stamp.at, each.stamp.recorded_at) for each in crm.changes(beginning)]
    later = tuesday + timedelta(hours=1)
    assert stamps == [
        ("added", "host", tuesday, tuesday),
        ("changed", "bob", monday, tuesday),
        ("added", "bob", monday, tuesday),
        ("deleted", "host", later, later),
        ("restored", "host", later, later),
    ]


def test_time_stands_still_in_a_unit_of_work(crm: CRM, clock: SettableClock) -> None:
    with crm.transaction():
        deal = _deal(crm)
        clock.wait(hours=1)
        crm.deals.win(deal.id)
        clock.wait(hours=1)
        employee = crm.employees.add(Employee(name="Bob"))

    assert deal.created_at == crm.deals.get(deal.id).closed_at == employee.created_at == NOON
    assert {(each.at, each.recorded_at) for each in crm.transitions} == {(NOON, NOON)}
    assert crm.employees.add(Employee(name="Eve")).created_at == NOON + timedelta(hours=2)


def test_an_instant_without_a_zone_is_refused_before_anything_is_done(crm: CRM) -> None:
    with (
        pytest.raises(InvalidInput, match="at=2025-05-01 00:00:00 has no time zone"),
        crm.transaction(at=datetime(2025, 5, 1)),
    ):
        _deal(crm)

    assert len(crm.deals) == 0
    assert crm.acting() == ("host", NOON)


def test_an_inner_transaction_that_fails_is_undone_alone(crm: CRM) -> None:
    with crm.transaction():
        _deal(crm)
        with pytest.raises(ZeroDivisionError), crm.transaction(by="bob"):
            crm.deals.win("d1")
            raise ZeroDivisionError
        assert crm.acting()[0] == "host"

    assert crm.deals.get("d1").category == "open"


def test_kpis_group_by_the_column_of_a_vertical(crm: CRM) -> None:
    for number, months in enumerate([6, 12]):
        crm[Membership].add(Membership(id=f"m{number}", pipeline_id="gym", stage="Trial", months=months))
    crm.deals.win("m1")
    crm.deals.lose("m0", reason="price")

    by_months = crm.metrics.win_rate(by="months")
    assert [(each.group["months"], each.value) for each in by_months] == [(6, 0.0), (12, 1.0)]


def test_a_connection_of_another_kind_is_refused(crm: CRM) -> None:
    with pytest.raises(InvalidInput, match="connection"), crm.transaction(connection=object()):
        _deal(crm)

    assert len(crm.deals) == 0
