"""How long tickets take."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import attrs
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmkit.errors import InvalidInput
from crmkit.frames import from_records
from crmkit.metrics.resolution import resolution_time
from crmkit.metrics.waiting import first_response_time, waiting_time
from crmkit.model import Ticket
from crmkit.model.calendar import always_open
from tests.examples import few
from tests.metrics.cases import tickets
from tests.metrics.oracle import Asked, Fact, asked, check
from tests.metrics.serving import (
    DAY,
    HOUR,
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


@few
@given(tickets, asked(by="assignee_id"))
def test_a_resolution_takes_from_the_creation_to_the_last_resolution(given_: list[Ticket], asked_: Asked) -> None:
    facts = (fact for _, fact in resolutions(given_, asked_))

    check(resolution_time(given_, **asked_.options), facts, ["resolved"], asked_, totals)


@few
@given(lives, asked(by="assignee_id"))
def test_the_first_resolution_counts_whether_it_lasted_or_not(lives_: list[Life], asked_: Asked) -> None:
    facts = []
    for life in lives_:
        opened, group = life.ticket.created_at, asked_.group(life.ticket)
        ends = [move.at for move in life.moves if move.category_after == "resolved" and asked_.is_known(move.at)]
        if opened is None or not asked_.is_known(opened):
            continue
        if ends:
            facts.append(Fact(min(ends), "resolved", group, gap(opened, min(ends))))
        else:
            facts.append(Fact(None, "not resolved", group))
    given_ = [life.ticket for life in lives_]
    result = resolution_time(given_, transitions=moves_of(lives_), method="first", **asked_.options)

    check(result, facts, ["resolved"], asked_, totals)


@few
@given(lives, asked(by="assignee_id"), st.booleans())
def test_pauses_and_resolutions_that_did_not_last_can_be_left_out(
    lives_: list[Life], asked_: Asked, is_always_open: bool
) -> None:
    by_id = {life.ticket.id: life for life in lives_}
    facts = [
        attrs.evolve(fact, worth=by_id[ticket.id].minutes({"open"}, fact.at)) if fact.at else fact
        for ticket, fact in resolutions([life.ticket for life in lives_], asked_)
    ]
    result = resolution_time(
        [life.ticket for life in lives_],
        transitions=moves_of(lives_),
        method="exclude_pending",
        calendar=always_open() if is_always_open else None,
        **asked_.options,
    )

    check(result, facts, ["resolved"], asked_, totals)


def test_the_interval_of_the_median_comes_from_order_statistics() -> None:
    measure = resolution_time([resolved(number * HOUR) for number in range(1, 101)], as_of=MAY).only

    assert (measure.low, measure.value, measure.high) == (40 * 60, 50.5 * 60, 61 * 60)


def test_a_ticket_that_was_closed_without_being_resolved_counts_to_its_close() -> None:
    closed = resolved(HOUR, resolved_at=None, closed_at=OPENED + 2 * HOUR)

    assert resolution_time([closed], as_of=MAY).value == 120
    assert resolution_time([closed], as_of=MAY, every="month")[0].period is not None
    assert resolution_time([closed], as_of=OPENED + HOUR).only.excluded == {"not resolved": 1}


def test_a_merged_ticket_is_left_out_from_its_merge_on() -> None:
    merged = resolved(HOUR, resolved_at=None, closed_at=OPENED + 2 * HOUR, merged_into_id="t2")

    assert resolution_time([merged], as_of=MAY).only.excluded == {"merged into another": 1}
    assert resolution_time([merged], as_of=OPENED).only.excluded == {"not resolved": 1}


def test_a_history_that_does_not_fit_is_left_out_and_counted() -> None:
    life = lived("t1", OPENED, ["open", "paused", "open", "resolved"], [10, 10, 10])
    measure = resolution_time([life.ticket], transitions=[life.moves[1]], method="exclude_pending", as_of=MAY).only

    assert measure.excluded == {"its history does not fit": 1}


def test_transitions_of_other_records_and_other_fields_do_not_matter() -> None:
    life = lived("t1", OPENED, ["open", "paused", "open", "resolved"], [10, 10, 10])
    others = [
        move.replace(**changes) for move in life.moves for changes in ({"subject": "Lead"}, {"field": "priority"})
    ]
    measure = resolution_time(
        [life.ticket], transitions=[*life.moves, *others], method="exclude_pending", as_of=MAY
    ).only

    assert measure.value == 20


# 1 May 2025 is a Thursday; 09:00 in UTC is 11:00 in Warsaw.
@pytest.mark.parametrize(
    ("length", "minutes"),
    [(HOUR, 60), (6 * HOUR, 360), (7 * HOUR, 360), (DAY, 480), (4 * DAY, 2 * 480), (7 * DAY, 5 * 480)],
)
def test_with_a_calendar_only_working_time_counts(length: timedelta, minutes: float) -> None:
    assert resolution_time([resolved(length)], calendar=OFFICE, as_of=MAY).value == minutes
    assert first_response_time([answered(length)], calendar=OFFICE, as_of=MAY).value == minutes
    assert waiting_time([answered(length)], calendar=OFFICE, as_of=MAY).value == minutes


def test_working_time_of_pauses_does_not_count_either() -> None:
    life = lived("t1", OPENED, ["open", "paused", "open", "resolved"], [60, 24 * 60, 60])
    options: dict[str, Any] = {"transitions": life.moves, "calendar": OFFICE, "as_of": MAY}

    assert resolution_time([life.ticket], method="exclude_pending", **options).value == 120
    assert resolution_time([life.ticket], method="first", **options).value == 600


@few
@given(lives, lives)
def test_answers_of_parts_that_share_no_ticket_add_up(first: list[Life], second: list[Life]) -> None:
    taken = {life.ticket.id for life in first}
    second = [life for life in second if life.ticket.id not in taken]

    def whole(lives_: list[Life]) -> Any:
        given_ = [life.ticket for life in lives_]
        return resolution_time(
            given_, transitions=moves_of(lives_), method="exclude_pending", as_of=MAY, every="month", by="assignee_id"
        )

    assert whole(first) + whole(second) == whole([*first, *second])


def test_the_tickets_behind_a_figure_are_named() -> None:
    result = resolution_time([resolved(HOUR, id="t1"), resolved(HOUR, id="t2", category="open")], as_of=MAY)

    assert result.explain(result.only) == {"numerator": ["t1"], "denominator": ["t1"], "not resolved": ["t2"]}


@pytest.mark.parametrize(("tz", "month"), [("UTC", "2025-05"), ("Asia/Bangkok", "2025-06")])
def test_the_period_is_that_of_the_end_in_the_time_zone(tz: str, month: str) -> None:
    late = resolved(HOUR, resolved_at=datetime(2025, 5, 31, 17, tzinfo=UTC))
    (measure,) = resolution_time(
        [late], as_of=date(2025, 6, 1), every="month", tz=tz, end=date(2025, 6, 1) if tz == "UTC" else None
    )

    assert measure.period is not None
    assert (measure.period.label, measure.n) == (month, 1)


def test_an_unknown_category_is_an_error() -> None:
    frame = from_records([resolved(HOUR)], Ticket).with_columns(category=pl.lit("solved"))

    with pytest.raises(InvalidInput, match="column 'category' holds 'solved' .1 rows.; accepted are 'open'"):
        resolution_time(frame, as_of=MAY)


@pytest.mark.parametrize("column", ["category", "created_at", "resolved_at"])
def test_a_missing_column_is_named(column: str) -> None:
    with pytest.raises(InvalidInput, match=f"the Ticket data has no column '{column}'"):
        resolution_time(from_records([], Ticket).drop(column), as_of=MAY)
