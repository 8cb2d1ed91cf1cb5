import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from crmkit.errors import InvalidInput
from crmkit.model import RECORDS, Deal, Record, Ticket, Transition, fields
from crmkit.sample import Company, company

COMPANY = company()
MOMENTS = {
    "interactions": [each.at for each in COMPANY.interactions if each.provenance == "human"],
    "orders": [each.at for each in COMPANY.orders],
    "transitions": [each.at for each in COMPANY.transitions],
    "surveys": [each.sent_at for each in COMPANY.survey_responses if each.sent_at],
}


def ends(year: int) -> datetime:
    return datetime(year + 1, 1, 1, tzinfo=ZoneInfo("Europe/Warsaw")).astimezone(UTC)


def links(record: Record) -> Iterator[tuple[str, str]]:
    """Every link of a record: the name of the class and the id that it points to."""
    for field in fields(type(record)):
        value = getattr(record, field.name)
        if field.links and value is not None:
            yield from ((field.links, each) for each in ([value] if isinstance(value, str) else value))
    if isinstance(record, Transition):
        yield record.subject, record.subject_id


def instants(record: Record) -> list[datetime]:
    named = (field.name for field in fields(type(record)) if field.shape.kind == "instant")
    return [value for value in (getattr(record, name) for name in named) if value is not None]


def history(sample: Company) -> dict[tuple[str, str], list[Transition]]:
    """The transitions of each record in order of time."""
    moves = defaultdict(list)
    for move in sorted(sample.transitions, key=lambda move: move.at):
        moves[move.subject, move.subject_id].append(move)
    return moves


def check_ids_are_unique(sample: Company) -> None:
    seen = Counter((type(record), record.id) for record in sample.records())
    assert set(seen.values()) == {1}


def check_links(sample: Company) -> None:
    """Every link points to a record that is not younger than the one that has the link."""
    begun = {(type(record).__name__, record.id): record.created_at for record in sample.records()}
    for record in sample.records():
        for link in links(record):
            linked_at = begun[link]
            assert linked_at is not None
            assert record.created_at is not None
            assert linked_at <= record.created_at


def check_time(sample: Company) -> None:
    for record in sample.records():
        assert record.created_at is not None
        assert all(record.created_at <= at < ends(sample.year) for at in instants(record))


def check_deal(sample: Company, deal: Deal, moves: list[Transition]) -> None:
    pipeline = next(pipeline for pipeline in sample.pipelines if pipeline.id == deal.pipeline_id)
    stage, category, closed_at = pipeline.stages[0].label, "open", None
    for move in moves:
        assert (move.before, move.category_before) == (stage, category)
        stage, category = move.after, pipeline.stage(move.after).category
        assert move.category_after == category
        if category != move.category_before:
            closed_at = None if category == "open" else move.at
    assert (deal.stage, deal.category, deal.closed_at) == (stage, category, closed_at)
    assert deal.lost_reason == (moves[-1].reason if category == "lost" else None)


def check_ticket(ticket: Ticket, moves: list[Transition]) -> None:
    status, category, resolved_at, reopened = "New", "open", None, 0
    for move in moves:
        assert (move.before, move.category_before) == (status, category)
        status, category = move.after, move.category_after or ""
        resolved_at = move.at if category == "resolved" else None
        reopened += category == "open"
    assert (ticket.status, ticket.category, ticket.resolved_at) == (status, category, resolved_at)
    assert ticket.reopen_count == reopened


def check_history(sample: Company) -> None:
    moves = history(sample)
    for deal in sample.deals:
        check_deal(sample, deal, moves.pop(("Deal", deal.id), []))
    for ticket in sample.tickets:
        check_ticket(ticket, moves.pop(("Ticket", ticket.id), []))
    assert not moves


CHECKS = (check_ids_are_unique, check_links, check_time, check_history)


@given(st.integers(), st.integers(1, 20), st.integers(1980, 2999))
def test_a_company_of_any_seed_size_and_year_is_consistent(seed: int, customers: int, year: int) -> None:
    sample = company(seed, customers, year)
    assert len(sample.customers) == customers
    for check in CHECKS:
        check(sample)


@pytest.mark.parametrize("check", CHECKS)
def test_the_default_company_is_consistent(check: Callable[[Company], None]) -> None:
    check(COMPANY)


@given(st.integers(), st.integers(1, 20))
def test_the_same_arguments_give_equal_records(seed: int, customers: int) -> None:
    assert company(seed, customers) == company(seed, customers)


def test_every_platform_gives_the_same_records() -> None:
    # Change the digest when the sample is changed on purpose.
    told = "\n".join(f"{record.id} {instants(record)} {getattr(record, 'amount', '')}" for record in COMPANY.records())
    assert sha256(told.encode()).hexdigest() == "200a1379bc30172f9c01daae29e389e76f84a0d6ed2515704d9bfdbff10549b8"


@given(st.integers(), st.integers())
@example(1, -1)
def test_different_seeds_give_different_companies(one: int, other: int) -> None:
    same = company(one, 20).customers == company(other, 20).customers
    assert same == (one == other)


@pytest.mark.parametrize("customers", [0, -1, 2.5])
def test_a_company_without_a_whole_number_of_customers_is_refused(customers: int) -> None:
    with pytest.raises(InvalidInput, match=f"customers={customers} makes no company; give a whole number from 1"):
        company(customers=customers)


@pytest.mark.parametrize("year", [1979, 3000])
def test_a_year_without_a_calendar_is_refused(year: int) -> None:
    with pytest.raises(InvalidInput, match=f"year={year} is not possible; give a year from 1980 to 2999"):
        company(year=year)


def test_records_come_in_the_order_of_the_model() -> None:
    classes = list(dict.fromkeys(type(record) for record in COMPANY.records()))

    assert classes == [cls for cls in RECORDS if cls in classes]
    assert len(classes) == 11


def test_what_happened_happened_in_working_hours() -> None:
    zone = ZoneInfo(COMPANY.tz)
    hours = {at.astimezone(zone).hour for moments in MOMENTS.values() for at in moments}
    assert hours == set(range(8, 18))


def test_what_happened_is_in_order_of_time() -> None:
    for moments in MOMENTS.values():
        assert moments == sorted(moments)


def test_employees_work_in_teams_and_all_but_one_have_a_manager() -> None:
    assert len({employee.team for employee in COMPANY.employees}) > 3
    assert sum(employee.manager_id is None for employee in COMPANY.employees) == 1


def test_customers_are_persons_and_organizations_with_contacts() -> None:
    kinds = {customer.id: customer.kind for customer in COMPANY.customers}
    assert set(kinds.values()) == {"person", "organization"}
    for contact in COMPANY.contacts:
        assert (kinds[contact.person_id], kinds[contact.organization_id]) == ("person", "organization")
    primary = Counter(contact.organization_id for contact in COMPANY.contacts if contact.is_primary)
    assert set(primary.values()) == {1}


def test_some_people_have_one_name_and_some_write_it_in_other_scripts() -> None:
    names = [customer.name for customer in COMPANY.customers if customer.kind == "person"]
    assert any(name.isascii() and " " not in name for name in names)
    scripts = {unicodedata.name(name[0]).split()[0] for name in names}
    assert {"LATIN", "CYRILLIC", "THAI", "ARABIC", "DEVANAGARI", "CJK"} <= scripts


def test_deals_close_reopen_move_back_and_stay_open() -> None:
    moves = history(COMPANY)
    paths = [[move.after for move in moves["Deal", deal.id]] for deal in COMPANY.deals]
    ways = {tuple(move.category_after for move in moves["Deal", deal.id])[-3:] for deal in COMPANY.deals}
    assert any(len(set(path)) < len(path) for path in paths)
    assert {("lost", "open", "won"), ("lost", "open", "lost")} <= ways
    assert {deal.category for deal in COMPANY.deals} == {"open", "won", "lost"}
    assert len({deal.lost_reason for deal in COMPANY.deals}) > 3
    assert any(deal.amount is None for deal in COMPANY.deals)
    assert any(deal.customer_id is None for deal in COMPANY.deals)


def test_owners_differ_in_how_much_they_win() -> None:
    won = Counter(deal.owner_id for deal in COMPANY.deals if deal.category == "won")
    closed = Counter(deal.owner_id for deal in COMPANY.deals if deal.category != "open")
    shares = [won[owner] / closed[owner] for owner in closed]
    assert max(shares) - min(shares) > 0.1


def test_won_deals_are_ordered_once_and_after_they_were_won() -> None:
    deals = {deal.id: deal for deal in COMPANY.deals}
    bought = [order for order in COMPANY.orders if order.deal_id and order.amount and order.amount.amount > 0]
    assert len({order.deal_id for order in bought}) == len(bought)
    for order in bought:
        closed_at = deals[order.deal_id or ""].closed_at
        assert closed_at is not None
        assert closed_at <= order.at


def test_some_orders_are_open_cancelled_or_paid_back() -> None:
    assert {order.category for order in COMPANY.orders} == {"open", "completed", "cancelled"}
    paid = {order.id: order for order in COMPANY.orders}
    refunds = [order for order in COMPANY.orders if order.id.endswith("-refund")]
    assert refunds
    for refund in refunds:
        paid_back = paid[refund.id.removesuffix("-refund")]
        assert paid_back.at < refund.at
        assert paid_back.amount is not None
        assert refund.amount == -paid_back.amount


def test_orders_follow_the_season_and_the_week() -> None:
    months = Counter(order.at.month for order in COMPANY.orders)
    weekdays = Counter(order.at.weekday() for order in COMPANY.orders)
    assert months[12] > 1.5 * months[7]
    assert weekdays[0] > 1.5 * weekdays[4] > 3 * weekdays[5]


def test_tickets_are_resolved_reopened_left_open_and_repeated() -> None:
    assert {ticket.category for ticket in COMPANY.tickets} == {"open", "resolved"}
    assert any(ticket.reopen_count for ticket in COMPANY.tickets)
    resolved = defaultdict(list)
    for ticket in COMPANY.tickets:
        if ticket.resolved_at:
            resolved[ticket.customer_id, ticket.topic].append(ticket.resolved_at)
    again = [
        ticket
        for ticket in COMPANY.tickets
        for at in resolved[ticket.customer_id, ticket.topic]
        if ticket.created_at and timedelta() < ticket.created_at - at <= timedelta(days=7)
    ]
    assert len(again) > 10


def test_tickets_have_replies_answers_notes_and_automatic_acknowledgements() -> None:
    said = Counter((message.direction, message.provenance) for message in COMPANY.interactions if message.ticket_id)
    assert set(said) == {
        ("inbound", "human"),
        ("outbound", "human"),
        ("internal", "human"),
        ("outbound", "machine"),
    }


def test_some_surveys_are_answered_and_some_are_not() -> None:
    for kind in ("nps", "csat"):
        asked = [response for response in COMPANY.survey_responses if response.kind == kind]
        answered = [response for response in asked if response.score is not None]
        assert 0.2 < len(answered) / len(asked) < 0.8
        assert all((response.score is None) == (response.responded_at is None) for response in asked)


def test_customers_whose_tickets_went_wrong_give_lower_scores() -> None:
    wrong = {ticket.id for ticket in COMPANY.tickets if ticket.reopen_count}
    scores = defaultdict(list)
    for response in COMPANY.survey_responses:
        if response.kind == "csat" and response.score is not None:
            scores[response.ticket_id in wrong].append(response.score)
    assert sum(scores[True]) / len(scores[True]) < sum(scores[False]) / len(scores[False]) - 0.5
