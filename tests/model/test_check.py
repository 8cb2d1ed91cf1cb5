"""Checks find what is wrong among many records, whatever their order, and nothing where nothing is."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from functools import partial
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmkit.errors import InvalidTransition
from crmkit.model import (
    RECORDS,
    Alias,
    Cost,
    Customer,
    Deal,
    DealContact,
    Employee,
    Line,
    Message,
    Money,
    Order,
    Pipeline,
    Record,
    Stage,
    Subscription,
    Target,
    Task,
    Team,
    Ticket,
    Transition,
    billing,
    deal,
    field,
    fields,
    record,
    subscription,
    ticket,
)
from crmkit.model.check import (
    ORDERED_FIELDS,
    check,
    check_dates,
    check_ids,
    check_links,
    check_money,
    check_overlaps,
)
from crmkit.model.check_history import check_history
from crmkit.model.fault import Fault
from crmkit.model.links import links_of
from crmkit.model.message import record_event
from crmkit.sample import company
from crmkit.testing.strategies import simplest
from tests.examples import few

NOON = datetime(2025, 5, 1, 12, tzinfo=UTC)
SAMPLE = tuple(company(seed=7, customers=20).records())
GYM = Pipeline(
    id="gym",
    stages=[
        Stage("Trial", "open"),
        Stage("Offer", "open"),
        Stage("Won", "won"),
        Stage("Paid", "won"),
        Stage("Lost", "lost"),
    ],
)


def later(minutes: int) -> datetime:
    return NOON + timedelta(minutes=minutes)


def places(faults: Sequence[Fault]) -> list[tuple[str, str]]:
    return [(fault.subject_id, fault.field) for fault in faults]


def test_a_consistent_company_has_no_fault_but_won_deals_without_an_amount() -> None:
    unpriced = [each.id for each in SAMPLE if isinstance(each, Deal) and each.category == "won" and each.amount is None]

    assert places(check(SAMPLE)) == [(each, "amount") for each in sorted(unpriced)]


@few
@given(seed=st.integers(0, 99), half=st.integers(0, len(SAMPLE)))
def test_the_order_of_records_changes_nothing(seed: int, half: int) -> None:
    some = [*SAMPLE[:half], *SAMPLE[half // 2 :]]
    mixed = Random(seed).sample(some, len(some))

    assert check(mixed) == check(some)


def test_all_checks_are_run() -> None:
    twice = simplest(Team, id="t1")
    won = Deal(id="d1", pipeline_id="gym", stage="Won", category="won", created_at=NOON, closed_at=later(-1))
    moved = Transition(subject="Deal", subject_id="d1", field="stage", before="Trial", after="Offer", at=NOON)
    first = simplest(Subscription, id="s1", customer_id="ann", term_starts_on=date(2025, 5, 1))

    faults = check([twice, twice, won, moved, GYM, first, first.replace(id="s2")], known={"Customer": {"ann"}})

    assert places(faults) == [
        ("d1", "amount"),
        ("d1", "closed_at"),
        ("d1", "stage"),
        ("s2", "term_starts_on"),
        ("t1", "id"),
    ]
    assert str(faults[1]) == "Deal 'd1': closed_at: it is before created_at"


def test_no_records_have_no_faults() -> None:
    assert check([]) == ()


def test_an_id_may_be_used_once_in_each_class() -> None:
    records = [
        Team(id="x", name="East"),
        simplest(Employee, id="x"),
        Team(id="x", name="West"),
        Team(id="y", name="West"),
    ]

    assert check_ids(records) == (Fault("Team", "x", "id", "there are 2 with this id"),)


@given(place=st.integers(0, len(SAMPLE) - 1))
def test_what_links_to_a_record_dangles_without_it(place: int) -> None:
    gone, left = SAMPLE[place], SAMPLE[:place] + SAMPLE[place + 1 :]
    expected = [
        (each.id, path)
        for each in left
        for path, ids in links_of(each, [type(gone).__name__]).items()
        if gone.id in ids
    ]

    assert sorted(places(check_links(left))) == sorted(expected)


@given(st.data())
def test_every_link_of_every_class_dangles_alone(data: st.DataObject) -> None:
    cls = data.draw(st.sampled_from(RECORDS))
    links = {info.name: info for info in fields(cls) if info.links}
    linked: dict[str, Any] = {name: ["away"] if info.shape.kind == "texts" else "away" for name, info in links.items()}
    each = simplest(cls, **linked | ({"team": None} if cls is Target else {}))

    assert sorted(fault.field for fault in check_links([each])) == sorted(links)
    assert check_links([each], known={str(info.links): ["away"] for info in links.values()}) == ()


def test_links_inside_value_objects_are_followed() -> None:
    order = Order(id="o1", at=NOON, lines=[Line(Money("1", "PLN")), Line(Money("1", "PLN"), product_id="p1")])
    shared = simplest(Deal, id="d1", pipeline_id="gym", contacts=[DealContact("ann"), DealContact("bob")])

    faults = check_links([order, shared, GYM, simplest(Customer, id="ann")])

    assert [(fault.field, fault.what) for fault in faults] == [
        ("contacts.1.customer_id", "there is no Customer 'bob'"),
        ("lines.1.product_id", "there is no Product 'p1'"),
    ]


def test_a_record_stands_for_the_classes_that_it_extends_but_not_the_other_way() -> None:
    @record
    class Member(Customer):
        pass

    @record
    class Locker(Record):
        member_id: str = field(links="Member")

    task, locker = Task(id="t1", customer_id="ann"), Locker(id="l1", member_id="ann")

    assert check_links([simplest(Member, id="ann"), task, locker]) == ()
    assert places(check_links([simplest(Customer, id="ann"), task, locker])) == [("l1", "member_id")]


def test_an_id_that_a_merge_left_behind_is_there_by_its_alias() -> None:
    alias = Alias(subject="Customer", former_id="anna", survivor_id="ann", at=NOON)

    assert check_links([Task(customer_id="anna"), alias]) == ()
    assert places(check_links([Task(id="t1", assignee_id="anna"), alias])) == [("t1", "assignee_id")]


def classes_with(*names: str) -> list[type[Record]]:
    """The classes that have these fields and do not compare them themselves."""
    return [cls for cls in RECORDS if {*names} <= {info.name for info in fields(cls)} and cls not in (Target, Cost)]


@pytest.mark.parametrize(("earlier", "later"), ORDERED_FIELDS)
def test_the_second_of_a_pair_is_not_before_the_first(earlier: str, later: str) -> None:
    first, second = (
        (date(2025, 5, 1), date(2025, 5, 2)) if later.endswith("_on") else (NOON, NOON + timedelta(minutes=1))
    )
    classes = classes_with(earlier, later)

    assert classes
    for cls in classes:
        fine = [{earlier: first, later: second}, {earlier: first, later: first}, {later: first}, {earlier: second}]
        assert check_dates(simplest(cls, **given) for given in fine) == ()
        wrong = simplest(cls, id="x", **{earlier: second, later: first})
        assert check_dates([wrong]) == (Fault(cls.__name__, "x", later, f"it is before {earlier}"),)


def test_a_vertical_adds_pairs_of_its_own_and_only_the_same_kinds_are_compared() -> None:
    @record
    class Visit(Record):
        came_at: datetime
        left_at: datetime
        starts_at: date | None = None
        ends_at: datetime | None = None

    visit = Visit(id="v1", came_at=NOON, left_at=later(-1), starts_at=date(2025, 5, 2), ends_at=NOON)

    assert check_dates([visit]) == ()
    assert places(check_dates([visit], pairs=[*ORDERED_FIELDS, ("came_at", "left_at")])) == [("v1", "left_at")]


def test_a_record_has_one_currency_also_in_its_lines() -> None:
    lines = [Line(Money("1", "PLN")), Line(Money("1", "THB"))]

    assert check_money([Order(id="o1", at=NOON, amount=Money("2", "PLN"), lines=lines)]) == (
        Fault("Order", "o1", "lines.1.unit_price", "it is in THB, but amount is in PLN"),
    )
    assert places(check_money([Order(id="o1", at=NOON, amount=Money("2", "THB"), lines=lines)])) == [
        ("o1", "lines.0.unit_price")
    ]
    assert places(check_money([Order(id="o1", at=NOON, lines=lines)])) == [("o1", "lines.1.unit_price")]


def test_the_reporting_amount_may_be_in_another_currency() -> None:
    assert check_money([simplest(Deal, amount=Money("1", "THB"), reporting_amount=Money("1", "PLN"))]) == ()


@pytest.mark.parametrize("name", ["amount", "recurring_amount"])
def test_a_won_deal_has_an_amount_paid_once_or_again(name: str) -> None:
    won = simplest(Deal, id="d1", category="won")

    assert places(check_money([won, won.replace(id="d2", category="lost")])) == [("d1", "amount")]
    assert check_money([won.replace(**{name: Money("0", "PLN")})]) == ()


def term(start: int, days: int | None, **given: Any) -> Subscription:
    starts_on = date(2025, 5, 1) + timedelta(days=start)
    ends_on = None if days is None else starts_on + timedelta(days=days)
    fixed: dict[str, Any] = {"category": "active", "term_starts_on": starts_on, "term_ends_on": ends_on}
    return simplest(Subscription, **fixed | given)


TERMS = st.builds(
    term,
    st.integers(0, 12),
    st.none() | st.integers(1, 6),
    id=st.uuids().map(str),
    customer_id=st.sampled_from(["ann", "bob"]),
    plan=st.sampled_from(["Gym", "Pool"]),
)


@given(terms=st.lists(TERMS, max_size=8, unique_by=lambda each: each.id))
def test_of_two_terms_that_share_a_day_the_one_that_begins_later_is_at_fault(terms: list[Subscription]) -> None:
    def days(each: Subscription) -> set[date]:
        start, end = each.term_starts_on, each.term_ends_on or date(2025, 6, 30)
        assert start
        return {start + timedelta(days=passed) for passed in range((end - start).days)}

    def key(each: Subscription) -> tuple[date, date, str]:
        return min(days(each)), each.term_ends_on or date.max, each.id

    expected = {
        second.id
        for first in terms
        for second in terms
        if (first.customer_id, first.plan) == (second.customer_id, second.plan)
        if key(first) < key(second) and days(first) & days(second)
    }

    assert {fault.subject_id for fault in check_overlaps(terms)} == expected


def test_a_cancelled_one_runs_until_it_is_cancelled_and_a_lapsed_one_not_at_all() -> None:
    second = term(3, 5, id="s2")

    assert check_overlaps([term(0, None, cancels_on=date(2025, 5, 4), category="cancelling"), second]) == ()
    assert check_overlaps([term(0, None, category="lapsed"), second]) == ()
    assert check_overlaps([simplest(Subscription), second]) == ()
    assert places(check_overlaps([term(0, 9, category="frozen"), second])) == [("s2", "term_starts_on")]


def moved(each: Deal, label: str, at: datetime) -> tuple[Deal, Transition] | None:
    """What the move that leads a deal to this label makes of it."""
    moves: list[Callable[..., Any]] = [deal.advance, deal.win, partial(deal.lose, reason="price"), deal.reopen]
    for move in moves:
        with suppress(InvalidTransition):
            made: tuple[Deal, Transition] = move(each, GYM, stage=label, at=at)
            return made
    return None


@given(labels=st.lists(st.sampled_from(GYM.labels()), max_size=12))
def test_a_deal_that_only_moves_changed_is_as_its_history_says(labels: list[str]) -> None:
    each, moves = Deal(id="d1", pipeline_id="gym", stage="Trial"), []
    for minute, label in enumerate(labels):
        made = moved(each, label, later(minute))
        if made is not None:
            each = made[0]
            moves.append(made[1])

    assert check_history([each], moves) == ()
    if moves:
        other = next(label for label in GYM.labels() if label != each.stage)
        assert "stage" in {fault.field for fault in check_history([each.replace(stage=other)], moves)}
    for place in range(len(moves) - 1):
        if moves[place].before != moves[place].after:
            left = moves[:place] + moves[place + 1 :]
            assert (place == 0) == (check_history([each], left) == ())


def test_a_ticket_that_only_moves_changed_is_as_its_history_says() -> None:
    each, waited = ticket.wait(Ticket(id="t1"), at=NOON)
    each, urgent = ticket.prioritise(each, "urgent", at=NOON)
    each, resolved = ticket.resolve(each, at=later(1))
    each, given_to = ticket.reassign(each, "anna", at=later(1))
    moves = [waited, urgent, resolved, given_to]

    assert check_history([each], moves) == ()
    assert places(check_history([each.replace(priority="low", assignee_id=None)], moves)) == [
        ("t1", "assignee_id"),
        ("t1", "priority"),
    ]


def test_a_subscription_that_only_moves_changed_is_as_its_history_says() -> None:
    new = Subscription(id="s1", customer_id="ann", plan="Gym", price=Money("99", "PLN"), term_months=1)
    each, started = subscription.activate(new, date(2025, 5, 1), at=NOON)
    each, frozen = subscription.freeze(each, date(2025, 5, 10), at=later(1))
    each, unfrozen = subscription.unfreeze(each, date(2025, 5, 20), at=later(2))
    each, renewed = billing.renew(each, date(2025, 6, 10), at=later(3))
    change = billing.change_plan(each, "Pool", Money("120", "PLN"), date(2025, 6, 15), at=later(4))

    assert check_history([change.subscription], [started, frozen, unfrozen, renewed, change.transition]) == ()
    assert places(check_history([each], [change.transition])) == [("s1", "plan")]


def test_events_of_a_message_may_become_known_in_any_order() -> None:
    each, sent = record_event(Message(channel="email"), "sent", at=later(5))
    each, opened = record_event(each, "opened", at=later(1))

    assert sent
    assert opened
    assert check_history([each], [sent, opened]) == ()


def test_a_closed_deal_was_closed_by_one_of_its_transitions() -> None:
    trial = Deal(id="d1", pipeline_id="gym", stage="Trial")
    offer, moved = deal.advance(trial, GYM, "Offer", at=NOON)
    closed = offer.replace(category="won")

    assert check_history([closed], []) == ()
    assert check_history([closed], [moved]) == (
        Fault("Deal", "d1", "category", "it is 'won', but the last transition ended with 'open'"),
    )


def test_transitions_without_categories_contradict_none() -> None:
    moved = Transition(subject="Deal", subject_id="d1", field="stage", before="Trial", after="Won", at=NOON)

    assert check_history([Deal(id="d1", pipeline_id="gym", stage="Won", category="won")], [moved]) == ()
    assert check_history([Deal(id="d2", pipeline_id="gym", stage="Lost")], [moved]) == ()


def test_transitions_follow_each_other() -> None:
    first = Transition(subject="Deal", subject_id="d1", field="stage", before="Trial", after="Offer", at=NOON)
    second = first.replace(id="second", before="Visit", after="Won", at=later(1))

    assert check_history([Deal(id="d1", pipeline_id="gym", stage="Won")], [second, first]) == (
        Fault("Deal", "d1", "stage", "a transition began with 'Visit', but the one before it ended with 'Offer'"),
    )


def test_what_faults_say_holds_no_personal_value() -> None:
    each = Ticket(id="t1", subject="C4N4RY", created_at=NOON, closed_at=later(-1), customer_id="gone")
    moved = Transition(subject="Ticket", subject_id="t1", field="subject", before="old C4N4RY", after="new", at=NOON)

    assert places(check([each, moved])) == [("t1", "closed_at"), ("t1", "customer_id")]
    assert "C4N4RY" not in "".join(map(str, check([each, moved])))


def test_transitions_count_by_their_time_and_not_by_their_ids() -> None:
    trial = Deal(id="d1", pipeline_id="gym", stage="Trial")
    offer, first = deal.advance(trial, GYM, "Offer", at=NOON)
    won, second = deal.win(offer, GYM, at=later(1))

    assert check_history([won], [first.replace(id="b"), second.replace(id="a")]) == ()


def test_changes_of_two_fields_at_one_instant_may_have_ids_in_any_order() -> None:
    urgent, first = ticket.prioritise(Ticket(id="t1"), "urgent", at=NOON)
    resolved, second = ticket.resolve(urgent, at=NOON)

    assert check_history([resolved], [first.replace(id="b"), second.replace(id="a")]) == ()
    assert places(check_history([resolved.replace(category="paused")], [first, second])) == [("t1", "category")]
