"""How long customers wait: first responses, and the time that was the business's turn."""

from collections.abc import Callable, Iterator
from datetime import date, timedelta
from pathlib import Path
from statistics import fmean
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmkit.errors import InvalidInput
from crmkit.frames import from_records
from crmkit.metrics.resolution import resolution_time
from crmkit.metrics.waiting import first_response_time, waiting_time
from crmkit.model import BusinessCalendar, Interaction, Ticket
from crmkit.model.ticket import HOLDING, WAITING
from crmkit.rules import field
from crmkit.testing.strategies import simplest
from tests.examples import few
from tests.frames.kinds import KINDS
from tests.metrics.cases import interactions, maybe, owners, ticket_ids, tickets
from tests.metrics.oracle import Asked, Fact, asked, check
from tests.metrics.serving import (
    CLASSES,
    DAY,
    HOUR,
    MINUTE,
    OFFICE,
    OPENED,
    Life,
    answered,
    gap,
    lived,
    lives,
    moves_of,
    resolutions,
    resolved,
    totals,
)

MAY = date(2025, 5, 31)
MICROSECOND = timedelta(microseconds=1)


def responses(given_: list[Ticket], said: list[Interaction] | None, asked_: Asked) -> Iterator[Fact]:
    for each in given_:
        replies = [
            one.at
            for one in said or []
            if (one.ticket_id, one.direction) == (each.id, "outbound")
            and one.provenance != "machine"
            and one.at != each.created_at
        ]
        first = min((at for at in [each.first_responded_at, *replies] if at and asked_.is_known(at)), default=None)
        group = asked_.group(each)
        if each.created_at is None:
            yield Fact(first, "no creation date", group)
        elif not asked_.is_known(each.created_at):
            continue
        elif first is None:
            yield Fact(None, "not answered", group)
        elif first < each.created_at:
            yield Fact(first, "answered before it was created", group)
        else:
            yield Fact(first, "answered", group, gap(each.created_at, first))


answered_tickets = st.lists(
    st.builds(Ticket, id=st.sampled_from(ticket_ids), created_at=maybe, first_responded_at=maybe, assignee_id=owners),
    max_size=8,
    unique_by=lambda ticket: ticket.id,
)


@few
@given(answered_tickets, interactions, asked(by="assignee_id"))
def test_a_response_takes_from_the_creation_to_the_first_answer(
    given_: list[Ticket], said: list[Interaction], asked_: Asked
) -> None:
    for wait in (first_response_time, waiting_time):
        check(wait(given_, **asked_.options), responses(given_, None, asked_), ["answered"], asked_, totals)

    result = first_response_time(given_, interactions=said, method="interactions", **asked_.options)
    check(result, responses(given_, said, asked_), ["answered"], asked_, totals)


@few
@given(tickets, asked(by="assignee_id"))
def test_tickets_without_a_history_were_open_until_they_were_resolved(given_: list[Ticket], asked_: Asked) -> None:
    full = resolution_time(given_, **asked_.options)

    for method in ("first", "exclude_pending"):
        other = resolution_time(given_, transitions=[], method=method, **asked_.options)
        assert (other.measures, other.excluded) == (full.measures, full.excluded)
    waits = waiting_time(given_, transitions=[], method="requester_wait", **asked_.options)
    assert waits.measures == full.measures


@few
@given(lives, st.sampled_from([["paused"], ["other"], []]))
def test_a_customer_waits_unless_the_ticket_waits_for_the_customer(lives_: list[Life], pending: list[str]) -> None:
    asked_ = Asked()
    states_ = {"open"} if pending == ["paused"] else {"open", "paused"}
    ended = [(life, fact) for life in lives_ for _, fact in resolutions([life.ticket], asked_) if fact.at]
    result = waiting_time(
        [life.ticket for life in lives_],
        transitions=moves_of(lives_),
        method="requester_wait",
        pending=pending,
        **asked_.options,
    )

    assert result.only.numerator == pytest.approx(
        sum(life.minutes(states_, fact.at) for life, fact in ended if fact.at)
    )
    assert result.only.n == len(ended)


@given(st.lists(st.integers(0, 10**14) | st.integers(0, 10**9), min_size=1, max_size=40))
def test_the_mean_is_exact_and_quantiles_nearly_are(lengths: list[int]) -> None:
    given_ = [answered(length * MICROSECOND) for length in lengths]
    measure = first_response_time(given_, as_of=date(2035, 1, 1)).only
    minutes = [length / 60e6 for length in lengths]
    series = pl.Series(minutes)

    assert measure.details["mean"] == pytest.approx(fmean(minutes))
    for value, share in ((measure.value, 0.5), (measure.details["p90"], 0.9)):
        assert value == pytest.approx(series.quantile(share, "linear"), rel=0.004, abs=1 / 60)


def test_an_agent_who_opens_a_ticket_has_not_answered_it() -> None:
    ticket = simplest(Ticket, id="t1", created_at=OPENED)
    told, answer = (
        simplest(Interaction, at=OPENED + wait, direction="outbound", ticket_id="t1") for wait in (0 * MINUTE, HOUR)
    )
    options: dict[str, Any] = {"method": "interactions", "as_of": MAY}

    assert first_response_time([ticket], interactions=[told, answer], **options).value == 60
    assert first_response_time([ticket], interactions=[told], **options).only.excluded == {"not answered": 1}


def calls(given_: list[Ticket], asked_: Asked) -> Iterator[Fact]:
    for each in given_:
        if each.created_at is not None and not asked_.is_known(each.created_at):
            continue
        answer, group = each.first_responded_at, asked_.group(each)
        answer = answer if answer and asked_.is_known(answer) else None
        end = each.resolved_at if each.category == "resolved" else None
        at = answer or (end if end and asked_.is_known(end) else None)
        if each.created_at is None:
            yield Fact(at, "no creation date", group)
        elif answer and answer < each.created_at:
            yield Fact(at, "answered before it was created", group)
        elif answer:
            yield Fact(at, "answered", group, gap(each.created_at, answer))
        elif each.category != "resolved" or (end and not at):
            yield Fact(at, "not answered", group)
        else:
            yield Fact(at, "abandoned" if end else "resolved without a date", group)


all_calls = st.lists(
    st.builds(
        Ticket,
        id=st.sampled_from(ticket_ids),
        category=st.sampled_from(["open", "paused", "resolved", "resolved"]),
        created_at=maybe,
        first_responded_at=maybe,
        resolved_at=maybe,
        assignee_id=owners,
    ),
    max_size=8,
    unique_by=lambda ticket: ticket.id,
)


def mean_wait(facts: list[Fact]) -> dict[str, Any]:
    return {**totals(facts), "value": fmean([float(fact.worth) for fact in facts]) if facts else None}


@few
@given(all_calls, asked(by="assignee_id"))
def test_the_speed_of_answer_is_the_mean_of_the_answered_alone(given_: list[Ticket], asked_: Asked) -> None:
    found = waiting_time(given_, method="asa", **asked_.options)

    check(found, calls(given_, asked_), ["answered"], asked_, mean_wait)


def test_who_hangs_up_has_not_been_answered_fast() -> None:
    waits = [answered(length) for length in (10 * MINUTE, 20 * MINUTE, 60 * MINUTE)]
    gone = [resolved(5 * MINUTE), resolved(7 * MINUTE, resolved_at=None, closed_at=OPENED + HOUR)]
    measure = waiting_time([*waits, *gone, answered(None)], method="asa", as_of=MAY).only

    assert (measure.value, measure.numerator, measure.denominator) == (30, 90, 3)
    assert measure.details["median"] == pytest.approx(20, rel=0.004)
    assert measure.excluded == {"abandoned": 2, "not answered": 1}
    reach = 1.959963984540054 * (((20**2 + 10**2 + 30**2) / 2) / 3) ** 0.5
    assert [measure.low, measure.high] == pytest.approx([30 - reach, 30 + reach])
    without = waiting_time(waits, method="asa", as_of=MAY, ci=None).only
    assert (without.low, without.high) == (None, None)


def test_a_call_merged_into_another_is_neither_answered_nor_abandoned() -> None:
    merged = resolved(HOUR, resolved_at=None, closed_at=OPENED + HOUR, merged_into_id="t2")
    unknown = from_records([resolved(HOUR)], Ticket).with_columns(category=pl.lit("lost"))

    assert waiting_time([merged], method="asa", as_of=MAY).only.excluded == {"merged into another": 1}
    with pytest.raises(InvalidInput, match="column 'category' holds 'lost' .1 rows."):
        waiting_time(unknown, method="asa", as_of=MAY)


@pytest.mark.parametrize("length", [timedelta(0), 7 * MICROSECOND, 90 * MINUTE, 400 * DAY + MICROSECOND])
def test_a_single_duration_is_exact(length: timedelta) -> None:
    measure = first_response_time([answered(length)], as_of=date(2027, 1, 1)).only

    assert measure.value == measure.details["p90"] == length / MINUTE
    assert (measure.low, measure.high) == (None, None)


def test_a_customer_waits_while_a_ticket_is_on_hold_but_not_while_it_is_asked() -> None:
    life = lived("t1", OPENED, ["open", "paused", "paused", "open", "resolved"], [10, 100, 1000, 1])
    labels = [("New", WAITING), (WAITING, HOLDING), (HOLDING, "Open"), ("Open", "Resolved")]
    moves = [move.replace(before=a, after=b) for move, (a, b) in zip(life.moves, labels, strict=True)]

    wait = waiting_time([life.ticket], transitions=moves, method="requester_wait", as_of=MAY)
    assert wait.value == 10 + 1000 + 1
    assert resolution_time([life.ticket], transitions=moves, method="exclude_pending", as_of=MAY).value == 11
    assert resolution_time([life.ticket], as_of=MAY).value == 1111


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("calendar", [None, OFFICE])
def test_every_kind_of_data_has_the_same_answer(kind: str, calendar: BusinessCalendar | None) -> None:
    lives_ = [
        lived(
            f"t{n}",
            OPENED + n * 7 * HOUR,
            ["open", "paused", "resolved", "open", "resolved"][: n % 6 + 1],
            [n * 40] * 4,
            "al",
        )
        for n in range(12)
    ]
    rows: dict[str, list[Any]] = {
        "tickets": [life.ticket.replace(first_responded_at=OPENED + 4 * DAY) for life in lives_],
        "transitions": moves_of(lives_),
        "interactions": [simplest(Interaction, at=OPENED + 3 * DAY, direction="outbound", ticket_id="t1")],
    }

    def tables(*names: str) -> dict[str, Any]:
        return {name: KINDS[kind](rows[name], CLASSES[name]) for name in names}

    options: dict[str, Any] = {
        "as_of": MAY,
        "tz": "Asia/Bangkok",
        "every": "week",
        "by": "assignee_id",
        "calendar": calendar,
    }
    cases: list[tuple[Callable[..., Any], str, list[str]]] = [
        (first_response_time, "stamp", []),
        (first_response_time, "interactions", ["interactions"]),
        (resolution_time, "full", []),
        (resolution_time, "first", ["transitions"]),
        (resolution_time, "exclude_pending", ["transitions"]),
        (waiting_time, "requester_wait", ["transitions"]),
        (waiting_time, "asa", []),
    ]
    for function, method, more in cases:
        expected = function(rows["tickets"], **{name: rows[name] for name in more}, method=method, **options)
        found = function(**tables("tickets", *more), method=method, **options)
        assert found == expected
        assert sum(measure.n for measure in found)


@few
@given(answered_tickets)
def test_a_rule_is_the_same_as_fewer_tickets(given_: list[Ticket]) -> None:
    ruled = first_response_time(given_, as_of=MAY, where=field("assignee_id") == "anna")

    assert ruled == first_response_time([each for each in given_ if each.assignee_id == "anna"], as_of=MAY)


def test_without_tickets_there_is_no_value_but_a_reason() -> None:
    nothing = [first_response_time([], as_of=MAY).only, resolution_time([], as_of=MAY).only]

    assert [(each.value, each.n, each.numerator, each.details) for each in nothing] == [(None, 0, 0, {})] * 2
    assert [each.reason for each in nothing] == ["no ticket was answered", "no ticket was resolved"]


@pytest.mark.parametrize("pending", ["paused", [1]])
def test_labels_that_are_no_list_are_refused(pending: Any) -> None:
    with pytest.raises(InvalidInput, match="^pending="):
        waiting_time([], transitions=[], method="requester_wait", pending=pending, as_of=MAY)


def test_the_simulated_tickets_have_their_published_times(published: Path) -> None:
    path = published / "support_tickets_simulated" / "customer_support_tickets.csv"
    response = (pl.col("first_response_minutes") * 60e6).round().cast(pl.Int64)
    frame = pl.read_csv(path).select(
        created_at=pl.col("created_date").str.to_datetime(time_zone="UTC", time_unit="us"),
        resolved_at=pl.col("resolved_date").str.to_datetime(time_zone="UTC", time_unit="us"),
        category=pl.when(pl.col("status") == "Resolved").then(pl.lit("resolved")).otherwise(pl.lit("open")),
        priority="priority",
        minutes=response,
    )
    frame = frame.with_columns(first_responded_at=pl.col("created_at") + pl.duration(microseconds="minutes"))
    first = first_response_time(frame, as_of=date(2025, 3, 1)).only
    full = resolution_time(frame, as_of=date(2025, 3, 1)).only

    assert (first.n, full.n, full.excluded) == (5000, 3724, {"not resolved": 1276})
    assert first.details["mean"] == pytest.approx(67.58458345, rel=1e-9)
    assert first.value == pytest.approx(32.29736344, rel=0.004)
    assert full.details["mean"] / 60 == pytest.approx(27.64597013, rel=1e-9)
    medians = {"Critical": 3.014958633, "High": 10.91012446, "Low": 85.97749865, "Medium": 31.92486249}
    by = first_response_time(frame, as_of=date(2025, 3, 1), by="priority")
    assert {each.group["priority"]: each.value for each in by} == pytest.approx(medians, rel=0.004)
