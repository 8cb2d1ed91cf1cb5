"""First contact resolution as vendors define it; `test_first_contact_resolution` has the default."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmkit.errors import InvalidInput
from crmkit.frames import from_records
from crmkit.metrics.service import first_contact_resolution
from crmkit.model import Interaction, Ticket
from crmkit.testing.strategies import simplest
from tests.examples import few
from tests.frames.kinds import KINDS
from tests.metrics.cases import interactions, tickets
from tests.metrics.oracle import Asked, Fact, asked, check, share

MAY = date(2025, 5, 31)
OPENED = datetime(2025, 5, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
VENDORS = ("zendesk", "fivetran", "freshservice")

TICKET = simplest(
    Ticket, id="t1", customer_id="ann", category="resolved", created_at=OPENED, resolved_at=OPENED + 10 * HOUR
)


def said(direction: str, hours: int, **given_: Any) -> Interaction:
    return simplest(Interaction, at=OPENED + hours * HOUR, direction=direction, ticket_id="t1", **given_)


ASKED, ANSWERED = said("inbound", 0), said("outbound", 2)


def value(messages: list[Interaction], method: str, **options: Any) -> float | None:
    tickets_ = options.pop("tickets", [TICKET])
    result = first_contact_resolution(
        tickets=tickets_, interactions=messages, method=method, **{"as_of": MAY} | options
    )
    return result.value


@pytest.mark.parametrize(
    ("messages", "zendesk", "fivetran", "freshservice"),
    [
        ([], 1, 0, 1),
        ([ASKED], 1, 0, 1),
        ([ASKED, ANSWERED], 1, 1, 1),
        ([ASKED, ANSWERED, said("outbound", 3)], 0, 0, 1),
        ([ASKED, ANSWERED, said("inbound", 3)], 1, 1, 0),
        ([ASKED, ANSWERED, said("inbound", 3), said("outbound", 4)], 0, 0, 0),
        ([ASKED, ANSWERED, said("internal", 3)], 1, 1, 1),
        ([said("outbound", 0)], 1, 1, 1),
        ([said("outbound", 0), said("inbound", 1), ANSWERED], 1, 0, 0),
        ([ASKED, ANSWERED, said("inbound", 10)], 1, 1, 0),
        ([ASKED, ANSWERED, said("inbound", 11)], 1, 1, 1),
        (
            [ASKED, ANSWERED, said("outbound", 3, provenance="machine"), said("inbound", 3, provenance="machine")],
            1,
            1,
            1,
        ),
    ],
)
def test_vendors_count_the_messages_of_a_ticket_each_in_another_way(
    messages: list[Interaction], zendesk: float, fivetran: float, freshservice: float
) -> None:
    assert [value(messages, method) for method in VENDORS] == [zendesk, fivetran, freshservice]


@pytest.mark.parametrize("method", VENDORS)
def test_vendors_wait_for_no_return_of_the_customer(method: str) -> None:
    again = TICKET.replace(id="t2", created_at=OPENED + 20 * HOUR, resolved_at=None, category="open")
    tickets_ = [TICKET.replace(reopen_count=1), again]

    assert value([ASKED, ANSWERED], method, tickets=tickets_) == 1
    assert value([ASKED, ANSWERED], "no_repeat", tickets=tickets_) == 0
    assert value([ASKED, ANSWERED], method, as_of=OPENED + 10 * HOUR) == 1
    assert value([ASKED, ANSWERED], "no_repeat", as_of=OPENED + 10 * HOUR) is None


def resolutions(given_: list[Ticket], said_: list[Interaction], asked_: Asked, method: str) -> Iterator[Fact]:
    for each in given_:
        if each.created_at is not None and not asked_.is_known(each.created_at):
            continue
        group, end = asked_.group(each), each.resolved_at
        own = [
            one for one in said_ if one.ticket_id == each.id and one.provenance != "machine" and asked_.is_known(one.at)
        ]
        if each.category != "resolved" or (end is not None and not asked_.is_known(end)):
            yield Fact(None, "not resolved", group)
        elif end is None:
            yield Fact(None, "resolved without a date", group)
        elif method == "freshservice" and each.created_at is None:
            yield Fact(end, "no creation date", group)
        else:
            replies = sum(
                one.direction == "outbound" and (method == "fivetran" or one.at != each.created_at) for one in own
            )
            further = sum(
                one.direction == "inbound" and each.created_at is not None and each.created_at < one.at <= end
                for one in own
            )
            first = {"zendesk": replies < 2, "fivetran": replies == 1, "freshservice": further == 0}[method]
            yield Fact(end, "first contact" if first else "more contacts", group)


@pytest.mark.parametrize("method", VENDORS)
@few
@given(tickets, interactions, asked(by="assignee_id"))
def test_it_is_the_share_of_resolved_tickets_that_a_vendor_means(
    method: str, given_: list[Ticket], said_: list[Interaction], asked_: Asked
) -> None:
    result = first_contact_resolution(tickets=given_, interactions=said_, method=method, **asked_.options)
    facts = resolutions(given_, said_, asked_, method)

    check(result, facts, ["first contact", "more contacts"], asked_, lambda inside: share(inside, "first contact"))


@pytest.mark.parametrize("kind", KINDS)
@few
@given(st.sampled_from(VENDORS), tickets, interactions)
def test_every_kind_of_data_has_the_same_answer(
    kind: str, method: str, given_: list[Ticket], said_: list[Interaction]
) -> None:
    options: dict[str, Any] = {"as_of": date(2025, 3, 31), "tz": "Asia/Bangkok", "every": "month", "method": method}
    expected = first_contact_resolution(tickets=given_, interactions=said_, **options)
    tables = {"tickets": KINDS[kind](given_, Ticket), "interactions": KINDS[kind](said_, Interaction)}

    assert first_contact_resolution(**tables, **options) == expected


@pytest.mark.parametrize(
    ("method", "columns"),
    [
        ("zendesk", ["id", "category", "resolved_at"]),
        ("fivetran", ["id", "category", "resolved_at"]),
        ("freshservice", ["id", "category", "created_at", "resolved_at"]),
    ],
)
def test_only_the_columns_in_use_are_required(method: str, columns: list[str]) -> None:
    assert value([ASKED, ANSWERED], method, tickets=from_records([TICKET], Ticket, columns)) == 1
    for column in columns:
        with pytest.raises(InvalidInput, match=f"the Ticket data has no column '{column}'"):
            value([], method, tickets=from_records([TICKET], Ticket, columns).drop(column))
