"""The timeline of a customer."""

from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmkit import CRM
from crmkit.crm import Event
from crmkit.errors import InvalidInput, NotFound
from crmkit.model import (
    Contact,
    Deal,
    Interaction,
    Message,
    Money,
    Order,
    Payment,
    Record,
    SurveyResponse,
    Task,
    Ticket,
)
from tests.crm.club import GYM, NOON, OWN, Member, SettableClock, TrialVisit, Visit, people
from tests.examples import few


def _day(day: int) -> datetime:
    return NOON + timedelta(days=day)


def test_everything_that_links_to_a_customer_is_told_newest_first(crm: CRM) -> None:
    crm.load(people("ann", "bob"))
    crm.load(
        [
            Order(id="o1", at=_day(3), customer_id="ann", created_at=_day(9)),
            Interaction(id="i1", at=_day(1), channel="phone", direction="inbound", customer_id="ann"),
            Deal(id="d1", pipeline_id="gym", stage="Trial", customer_id="ann", created_at=_day(2)),
            Ticket(id="t1", customer_id="ann", created_at=_day(5)),
            Task(id="k1", customer_id="ann", created_at=_day(4)),
            Message(id="m1", channel="email", customer_id="ann", created_at=_day(1), sent_at=_day(6)),
            SurveyResponse(id="s1", kind="nps", scale_low=0, scale_high=10, customer_id="ann", responded_at=_day(7)),
            Contact(id="c1", person_id="ann", organization_id="bob", created_at=_day(8)),
            Visit(id="v1", member_id="ann", at=_day(9), companion_ids=["bob"]),
            Visit(id="v2", member_id="bob", at=_day(10), companion_ids=["eve", "ann"]),
            TrialVisit(id="v3", member_id="bob", at=_day(11), given_by_id="ann"),
            TrialVisit(id="v4", member_id="ann", at=_day(12), given_by_id="ann"),
            Member(id="eve", kind="person", name="Eve", referred_by_id="ann", created_at=_day(13)),
            Order(id="o2", at=_day(3), customer_id="bob"),
        ]
    )
    told = crm.timeline("ann")

    assert [each.record.id for each in told] == [
        "eve",
        "v4",
        "v3",
        "v2",
        "v1",
        "c1",
        "s1",
        "m1",
        "t1",
        "k1",
        "o1",
        "d1",
        "i1",
    ]
    assert [each.at for each in told[-3:]] == [_day(3), _day(2), _day(1)]
    assert told.next is None


def test_what_has_not_happened_yet_is_not_told(crm: CRM) -> None:
    crm.load(people("ann"))
    crm.load(
        [
            Message(channel="email", customer_id="ann", created_at=NOON, queued_at=NOON),
            SurveyResponse(kind="nps", scale_low=0, scale_high=10, customer_id="ann", sent_at=NOON),
            Payment(amount=Money("1", "PLN"), customer_id="ann"),
        ]
    )

    assert [*crm.timeline("ann")] == []


def test_a_merged_customer_has_the_timeline_of_the_survivor(crm: CRM) -> None:
    crm.load([*people("ann", "anna"), Order(id="o1", at=NOON, customer_id="anna")])
    crm.merge("ann", ["anna"])

    assert [each.record.id for each in crm.timeline("anna")] == ["o1"]


def test_the_timeline_of_nobody_is_refused(crm: CRM) -> None:
    with pytest.raises(NotFound, match="no Customer has the id 'ann'"):
        crm.timeline("ann")


def test_another_cursor_is_refused(crm: CRM) -> None:
    crm.load(people("ann", "bob"))

    with pytest.raises(InvalidInput, match="cursor"):
        crm.timeline("ann", after=crm.customers.find(limit=1).next)
    with pytest.raises(InvalidInput, match="cursor"):
        crm.timeline("ann", after="nonsense")
    with pytest.raises(InvalidInput, match="0 is no number of records"):
        crm.timeline("ann", limit=0)


EVENTS: st.SearchStrategy[Record] = (
    st.integers(0, 2)
    .map(_day)
    .flatmap(
        lambda at: st.sampled_from(
            [
                Order(at=at, customer_id="ann"),
                Visit(at=at, member_id="ann"),
                TrialVisit(at=at, member_id="bob", given_by_id="ann"),
                Ticket(created_at=at, customer_id="ann"),
                Ticket(created_at=at, customer_id="bob"),
            ]
        )
    )
)


def _walk(crm: CRM, limit: int) -> Iterator[Event]:
    page = crm.timeline("ann", limit=limit)
    yield from page
    while page.next is not None:
        page = crm.timeline("ann", limit=limit, after=page.next)
        yield from page


@few
@given(
    events=st.lists(EVENTS, max_size=12).map(
        lambda each: [record.replace(id=f"r{n}") for n, record in enumerate(each)]
    ),
    limit=st.integers(1, 5),
)
def test_pages_tell_the_same_as_the_whole(events: list[Record], limit: int) -> None:
    for url in ("memory://", "sqlite://"):
        with closing(CRM.open(url, records=OWN, clock=SettableClock())) as crm:
            crm.load([GYM, *people("ann", "bob"), *events])
            whole = [*crm.timeline("ann", limit=100)]

            assert [*_walk(crm, limit)] == whole
            assert [each.at for each in whole] == sorted((each.at for each in whole), reverse=True)
            others = {each.id for each in events if isinstance(each, Ticket) and each.customer_id == "bob"}
            assert {each.record.id for each in whole} == {each.id for each in events} - others
