"""First contact resolution: at most one reply, never reopened, and the customer did not come back."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmkit.errors import InvalidInput
from crmkit.frames import from_records
from crmkit.metrics import first_contact_resolution
from crmkit.metrics.result import Measure
from crmkit.model import Interaction, Ticket
from crmkit.testing.strategies import simplest
from tests.metrics.cases import interactions, tickets
from tests.metrics.oracle import Asked, Fact, asked, check, share

MAY = date(2025, 5, 31)
SOLVED = datetime(2025, 5, 2, 12, tzinfo=UTC)
DAY, MICROSECOND = timedelta(days=1), timedelta(microseconds=1)


def ticket(id_: str = "t1", **given_: Any) -> Ticket:
    solved: dict[str, Any] = {
        "customer_id": "ann",
        "topic": "fees",
        "category": "resolved",
        "created_at": SOLVED - DAY,
        "resolved_at": SOLVED,
    }
    return simplest(Ticket, id=id_, **solved | given_)


def reply(**given_: Any) -> Interaction:
    sent: dict[str, Any] = {"at": SOLVED - timedelta(hours=1), "direction": "outbound", "ticket_id": "t1"}
    return simplest(Interaction, **sent | given_)


def measured(tickets_: list[Ticket], interactions_: list[Interaction] | None = None, **options: Any) -> Measure:
    return first_contact_resolution(tickets=tickets_, interactions=interactions_ or [], **{"as_of": MAY} | options).only


def resolutions(
    tickets_: list[Ticket], interactions_: list[Interaction], asked_: Asked, window: timedelta
) -> Iterator[Fact]:
    known = [each for each in tickets_ if each.created_at is None or asked_.is_known(each.created_at)]
    for each in known:
        group, at = asked_.group(each), each.resolved_at
        if each.category != "resolved" or (at is not None and not asked_.is_known(at)):
            yield Fact(None, "not resolved", group)
        elif at is None:
            yield Fact(None, "resolved without a date", group)
        elif not asked_.is_known(at + window):
            yield Fact(at, "window still open", group)
        else:
            replies = sum(
                each_.ticket_id == each.id
                and each_.direction == "outbound"
                and each_.provenance != "machine"
                and each_.at != each.created_at
                and asked_.is_known(each_.at)
                for each_ in interactions_
            )
            came_back = each.customer_id is not None and any(
                other.id != each.id
                and (other.customer_id, other.topic) == (each.customer_id, each.topic)
                and other.created_at is not None
                and at < other.created_at <= at + window
                for other in known
            )
            first = replies <= 1 and each.reopen_count == 0 and not came_back
            yield Fact(at, "first contact" if first else "more contacts", group)


@given(tickets, interactions, asked(by="assignee_id"), st.sampled_from([0, 1, 7, 30]))
def test_it_is_the_share_of_resolved_tickets_that_needed_one_contact(
    tickets_: list[Ticket], interactions_: list[Interaction], asked_: Asked, days: int
) -> None:
    result = first_contact_resolution(
        tickets=tickets_, interactions=interactions_, repeat_within_days=days, **asked_.options
    )
    facts = resolutions(tickets_, interactions_, asked_, timedelta(days=days))

    check(result, facts, ["first contact", "more contacts"], asked_, lambda inside: share(inside, "first contact"))


@pytest.mark.parametrize(
    ("replies", "value"),
    [
        ([], 1),
        ([reply()], 1),
        ([reply(), reply()], 0),
        ([reply(), reply(direction="inbound"), reply(direction="internal")], 1),
        ([reply(), reply(provenance="machine")], 1),
        ([reply(), reply(provenance="unknown")], 0),
        ([reply(), reply(ticket_id="t2")], 1),
        ([reply(), reply(ticket_id=None)], 1),
        ([reply(), reply(at=datetime(2025, 6, 1, tzinfo=UTC))], 1),
    ],
)
def test_at_most_one_reply_of_a_person_is_a_first_contact(replies: list[Interaction], value: float) -> None:
    assert measured([ticket()], replies).value == value


@pytest.mark.parametrize(
    ("opened", "value"),
    [(timedelta(0), 1), (MICROSECOND, 0), (7 * DAY, 0), (7 * DAY + MICROSECOND, 1), (-MICROSECOND, 1)],
)
def test_a_new_ticket_within_the_window_is_a_return(opened: timedelta, value: float) -> None:
    new = ticket("t2", created_at=SOLVED + opened, category="open", resolved_at=None)

    assert measured([ticket(), new]).value == value


def test_a_ticket_resolved_before_its_creation_is_no_return_of_itself() -> None:
    assert measured([ticket(created_at=SOLVED + DAY)]).value == 1


@pytest.mark.parametrize("other", [{"topic": "access"}, {"customer_id": "ben"}, {"customer_id": None}])
def test_a_ticket_of_somebody_else_or_on_something_else_is_no_return(other: dict[str, Any]) -> None:
    new = ticket("t2", **{"created_at": SOLVED + DAY, "category": "open"} | other)

    assert measured([ticket(), new]).value == 1


def test_without_topics_any_new_ticket_of_the_customer_is_a_return_in_records_as_in_tables() -> None:
    pair = [ticket(topic=None), ticket("t2", topic=None, created_at=SOLVED + DAY, category="open")]
    frame = from_records(pair, Ticket).drop("topic")

    assert first_contact_resolution(tickets=frame, interactions=[], as_of=MAY).value == 0
    assert measured(pair).value == 0


def test_a_reopened_ticket_was_not_resolved_at_the_first_contact() -> None:
    assert measured([ticket(reopen_count=1)]).value == 0


def test_a_ticket_whose_window_is_open_may_still_come_back() -> None:
    on_time, late = SOLVED + 7 * DAY, SOLVED + 7 * DAY - MICROSECOND

    assert (measured([ticket()], as_of=on_time).value, measured([ticket()], as_of=on_time).n) == (1, 1)
    assert measured([ticket()], as_of=late).excluded == {"window still open": 1}
    assert measured([ticket()], as_of=late).reason == "no ticket was resolved"
    assert measured([ticket()], as_of=late, repeat_within_days=0).value == 1


def test_tickets_that_are_not_resolved_are_left_out_and_counted() -> None:
    rows = [
        ticket("t1"),
        ticket("t2", category="open"),
        ticket("t3", category="paused"),
        ticket("t4", resolved_at=datetime(2025, 6, 1, tzinfo=UTC)),
        ticket("t5", resolved_at=None),
    ]
    measure = measured([each.replace(customer_id=each.id) for each in rows])

    assert (measure.value, measure.n) == (1, 1)
    assert measure.excluded == {"not resolved": 3, "resolved without a date": 1}


def test_a_table_may_lack_topic_provenance_and_reopen_count() -> None:
    tickets_ = from_records([ticket()], Ticket).drop("topic", "reopen_count")
    replies = from_records([reply(), reply(provenance="machine")], Interaction).drop("provenance")

    assert first_contact_resolution(tickets=tickets_, interactions=replies, as_of=MAY).value == 0


@pytest.mark.parametrize("column", ["replies", "repeats", "ticket_id"])
def test_a_column_to_group_by_may_have_a_name_that_is_used_inside(column: str) -> None:
    frame = from_records([ticket()], Ticket).with_columns(pl.lit("x").alias(column))
    result = first_contact_resolution(tickets=frame, interactions=[reply()], as_of=MAY, by=column)

    assert (result.only.group, result.value) == ({column: "x"}, 1.0)


def test_numbers_and_text_are_the_same_identifier() -> None:
    columns = {"id": [7], "customer_id": [1], "category": ["resolved"], "created_at": [SOLVED], "resolved_at": [SOLVED]}
    replies = pl.DataFrame(
        {"ticket_id": ["7", "7"], "direction": ["outbound"] * 2, "at": [SOLVED + timedelta(hours=1)] * 2}
    )

    assert first_contact_resolution(tickets=pl.DataFrame(columns), interactions=replies, as_of=MAY).value == 0


@pytest.mark.parametrize("days", [-1, -0.5, "7", None])
def test_a_window_that_is_no_number_of_days_is_refused(days: Any) -> None:
    with pytest.raises(InvalidInput, match="^repeat_within_days="):
        measured([ticket()], repeat_within_days=days)


@pytest.mark.parametrize("word", ["solved", "Resolved", "", "first contact", "not resolved"])
def test_an_unknown_category_is_an_error_and_no_missing_ticket(word: str) -> None:
    frame = from_records([ticket()], Ticket).with_columns(category=pl.lit(word))

    with pytest.raises(InvalidInput, match=f"column 'category' holds '{word}' .1 rows.; accepted are 'open', 'paused'"):
        first_contact_resolution(tickets=frame, interactions=[], as_of=MAY)


@pytest.mark.parametrize("word", ["out", "Outbound", "agent"])
def test_an_unknown_direction_is_an_error_and_no_missing_reply(word: str) -> None:
    frame = from_records([reply()], Interaction).with_columns(direction=pl.lit(word))

    with pytest.raises(InvalidInput, match=f"column 'direction' holds '{word}'"):
        first_contact_resolution(tickets=[ticket()], interactions=frame, as_of=MAY)
