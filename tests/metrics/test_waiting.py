"""How long customers wait: first responses, resolutions, and the time that was the business's turn."""

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from statistics import fmean
from typing import Any

import attrs
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmkit.errors import InvalidInput
from crmkit.frames import from_records
from crmkit.metrics.waiting import first_response_time, resolution_time, waiting_time
from crmkit.model import BusinessCalendar, Hours, Interaction, Ticket, Transition
from crmkit.model.calendar import always_open
from crmkit.model.ticket import HOLDING, WAITING
from crmkit.rules import field
from crmkit.testing.strategies import simplest
from tests.examples import few
from tests.frames.kinds import KINDS
from tests.metrics.cases import interactions, maybe, moments, owners, ticket_ids, tickets
from tests.metrics.oracle import Asked, Fact, asked, check

MAY = date(2025, 5, 31)
OPENED = datetime(2025, 5, 1, 9, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
MICROSECOND = timedelta(microseconds=1)
CLASSES: dict[str, Any] = {"tickets": Ticket, "interactions": Interaction, "transitions": Transition}
OFFICE = BusinessCalendar(tz="Europe/Warsaw", hours=[Hours(day, "09:00", "17:00") for day in range(5)])


def answered(length: timedelta | None, **given_: Any) -> Ticket:
    at = None if length is None else OPENED + length
    return simplest(Ticket, **{"created_at": OPENED, "first_responded_at": at} | given_)


def resolved(length: timedelta, **given_: Any) -> Ticket:
    return simplest(Ticket, **{"category": "resolved", "created_at": OPENED, "resolved_at": OPENED + length} | given_)


@attrs.frozen
class Life:
    """A ticket with its history: at first its category, then what it became and when."""

    ticket: Ticket
    moves: list[Transition]

    def minutes(self, states: set[str], end: datetime) -> float:
        """How long the ticket was in some states up to an instant, from span to span."""
        assert self.ticket.created_at is not None
        starts = [self.ticket.created_at, *(move.at for move in self.moves)]
        ends = [*starts[1:], end]
        lengths = [
            min(after, end) - at
            for at, state, after in zip(
                starts, ["open", *(move.category_after for move in self.moves)], ends, strict=True
            )
            if state in states
        ]
        return sum((max(length, timedelta(0)) for length in lengths), timedelta(0)) / MINUTE


def lived(id_: str, opened: datetime, states: list[str], gaps: list[int], owner: str | None = None) -> Life:
    moves: list[Transition] = []
    at, resolved_at = opened, None
    for before, after, gap in zip(states, states[1:], gaps, strict=False):
        at += gap * MINUTE
        if after == "resolved" != before:
            resolved_at = at
        moves.append(
            Transition(
                subject="Ticket",
                subject_id=id_,
                field="status",
                before=before,
                after=after,
                category_before=before,
                category_after=after,
                at=at,
            )
        )
    ended = resolved_at if states[-1] == "resolved" else None
    ended = opened if states == ["resolved"] else ended
    given_ = {"category": states[-1], "created_at": opened, "resolved_at": ended, "assignee_id": owner}
    return Life(simplest(Ticket, id=id_, **given_), moves)


states = st.lists(st.sampled_from(["open", "paused", "resolved"]), max_size=6).map(lambda each: ["open", *each])
lives = st.lists(
    st.builds(
        lived, st.sampled_from(ticket_ids), moments, states, st.lists(st.integers(0, 50_000), min_size=6), owners
    ),
    max_size=6,
    unique_by=lambda life: life.ticket.id,
)


def moves_of(lives_: list[Life]) -> list[Transition]:
    return [move for life in lives_ for move in life.moves]


def totals(facts: list[Fact]) -> dict[str, Any]:
    return {"numerator": sum(fact.worth for fact in facts), "denominator": len(facts)}


def gap(facts_from: datetime | None, to: datetime | None) -> float:
    assert facts_from is not None
    assert to is not None
    return (to - facts_from) / MINUTE


def responses(given_: list[Ticket], said: list[Interaction] | None, asked_: Asked) -> Iterator[Fact]:
    for each in given_:
        replies = [
            one.at
            for one in said or []
            if (one.ticket_id, one.direction) == (each.id, "outbound") and one.provenance != "machine"
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


def resolutions(given_: list[Ticket], asked_: Asked) -> Iterator[tuple[Ticket, Fact]]:
    for each in given_:
        if each.created_at is not None and not asked_.is_known(each.created_at):
            continue
        end, group = each.resolved_at, asked_.group(each)
        if each.category != "resolved" or (end is not None and not asked_.is_known(end)):
            yield each, Fact(None, "not resolved", group)
        elif end is None:
            yield each, Fact(None, "resolved without a date", group)
        elif each.created_at is None:
            yield each, Fact(end, "no creation date", group)
        elif end < each.created_at:
            yield each, Fact(end, "resolved before it was created", group)
        else:
            yield each, Fact(end, "resolved", group, gap(each.created_at, end))


@few
@given(tickets, asked(by="assignee_id"))
def test_a_resolution_takes_from_the_creation_to_the_last_resolution(given_: list[Ticket], asked_: Asked) -> None:
    facts = (fact for _, fact in resolutions(given_, asked_))

    check(resolution_time(given_, **asked_.options), facts, ["resolved"], asked_, totals)


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


@pytest.mark.parametrize("length", [timedelta(0), 7 * MICROSECOND, 90 * MINUTE, 400 * DAY + MICROSECOND])
def test_a_single_duration_is_exact(length: timedelta) -> None:
    measure = first_response_time([answered(length)], as_of=date(2027, 1, 1)).only

    assert measure.value == measure.details["p90"] == length / MINUTE
    assert (measure.low, measure.high) == (None, None)


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


def test_a_customer_waits_while_a_ticket_is_on_hold_but_not_while_it_is_asked() -> None:
    life = lived("t1", OPENED, ["open", "paused", "paused", "open", "resolved"], [10, 100, 1000, 1])
    labels = [("New", WAITING), (WAITING, HOLDING), (HOLDING, "Open"), ("Open", "Resolved")]
    moves = [move.replace(before=a, after=b) for move, (a, b) in zip(life.moves, labels, strict=True)]

    wait = waiting_time([life.ticket], transitions=moves, method="requester_wait", as_of=MAY)
    assert wait.value == 10 + 1000 + 1
    assert resolution_time([life.ticket], transitions=moves, method="exclude_pending", as_of=MAY).value == 11
    assert resolution_time([life.ticket], as_of=MAY).value == 1111


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
    ]
    for function, method, more in cases:
        expected = function(rows["tickets"], **{name: rows[name] for name in more}, method=method, **options)
        found = function(**tables("tickets", *more), method=method, **options)
        assert found == expected
        assert sum(measure.n for measure in found)


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


@few
@given(answered_tickets)
def test_a_rule_is_the_same_as_fewer_tickets(given_: list[Ticket]) -> None:
    ruled = first_response_time(given_, as_of=MAY, where=field("assignee_id") == "anna")

    assert ruled == first_response_time([each for each in given_ if each.assignee_id == "anna"], as_of=MAY)


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


def test_without_tickets_there_is_no_value_but_a_reason() -> None:
    nothing = [first_response_time([], as_of=MAY).only, resolution_time([], as_of=MAY).only]

    assert [(each.value, each.n, each.numerator, each.details) for each in nothing] == [(None, 0, 0, {})] * 2
    assert [each.reason for each in nothing] == ["no ticket was answered", "no ticket was resolved"]


def test_an_unknown_category_is_an_error() -> None:
    frame = from_records([resolved(HOUR)], Ticket).with_columns(category=pl.lit("solved"))

    with pytest.raises(InvalidInput, match="column 'category' holds 'solved' .1 rows.; accepted are 'open'"):
        resolution_time(frame, as_of=MAY)


@pytest.mark.parametrize("column", ["category", "created_at", "resolved_at"])
def test_a_missing_column_is_named(column: str) -> None:
    with pytest.raises(InvalidInput, match=f"the Ticket data has no column '{column}'"):
        resolution_time(from_records([], Ticket).drop(column), as_of=MAY)


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
