"""What is left undone, what comes back, what is escalated, and which promises are kept."""

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from statistics import fmean, median
from typing import Any

import attrs
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmkit.errors import InvalidInput
from crmkit.frames import from_records
from crmkit.metrics.backlog import backlog, backlog_age, escalation_rate, reopen_rate, service_level_attainment
from crmkit.model import BusinessCalendar, Hours, ServiceLevel, ServiceTarget, Ticket, Transition
from crmkit.model.service_level import service_level
from crmkit.rules import field
from crmkit.stats.intervals import proportion
from crmkit.testing.strategies import simplest
from tests.examples import few
from tests.frames.kinds import KINDS
from tests.metrics.cases import maybe, moments, owners, ticket_ids, tickets
from tests.metrics.oracle import Asked, Fact, asked, check, share
from tests.metrics.serving import Life, lived, lives, moves_of, resolutions

MAY = date(2025, 5, 31)
OPENED = datetime(2025, 5, 1, 9, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
MICROSECOND = timedelta(microseconds=1)
OFFICE = BusinessCalendar(tz="Europe/Warsaw", hours=[Hours(day, "09:00", "17:00") for day in range(5)])
EVEN = BusinessCalendar(tz="UTC", hours=[Hours(day, "00:00", "24:00") for day in range(7)])
CLASSES: dict[str, Any] = {"tickets": Ticket, "transitions": Transition}
GOLD = ServiceLevel(
    id="gold",
    name="Gold",
    targets=[
        ServiceTarget("urgent", first_response_minutes=15, resolution_minutes=240),
        ServiceTarget("normal", first_response_minutes=60, resolution_minutes=2880),
        ServiceTarget("low", resolution_minutes=30000),
    ],
)


def ticket(id_: str = "t1", **given_: Any) -> Ticket:
    return simplest(Ticket, id=id_, **{"created_at": OPENED} | given_)


def resolved(length: timedelta, id_: str = "t1", **given_: Any) -> Ticket:
    return ticket(id_, **{"category": "resolved", "resolved_at": OPENED + length} | given_)


def transition(name: str, before: str | None, after: str, hours: int = 1, **given_: Any) -> Transition:
    changed: dict[str, Any] = {"subject": "Ticket", "subject_id": "t1", "field": name, "before": before, "after": after}
    return simplest(Transition, **changed | {"at": OPENED + hours * HOUR} | given_)


# The backlog


def is_left(each: Ticket, day: date, asked_: Asked) -> bool:
    def by_then(at: datetime | None) -> bool:
        return at is not None and asked_.is_known(at) and asked_.day(at) <= day

    return by_then(each.created_at) and not (each.category == "resolved" and by_then(each.resolved_at))


def is_usable(each: Ticket) -> bool:
    return each.created_at is not None and (each.category != "resolved" or each.resolved_at is not None)


@few
@given(tickets, asked(by="assignee_id"))
def test_it_is_what_was_created_and_not_resolved_by_the_end_of_each_period(given_: list[Ticket], asked_: Asked) -> None:
    known = [each for each in given_ if each.created_at is None or asked_.is_known(each.created_at)]
    usable = [each for each in known if is_usable(each)]
    result = backlog(given_, **asked_.options)
    ages = backlog_age(given_, **asked_.options)
    seen = Counter[tuple[Any, Any]]()

    for measure, age in zip(result, ages, strict=True):
        group = measure.group.get("assignee_id")
        days = [date.max, *(each - DAY for each in (measure.period and measure.period.end, asked_.end) if each)]
        left = [
            each for each in usable if is_left(each, min(days), asked_) and (not asked_.by or each.assignee_id == group)
        ]
        last = min([*days, asked_.day(asked_.as_of) if isinstance(asked_.as_of, datetime) else asked_.as_of])
        lengths = [(last - asked_.day(each.created_at)).days for each in left if each.created_at]
        assert (measure.value, measure.n, age.n) == (len(left), len(left), len(left))
        assert age.value == (median(lengths) if lengths else None)
        assert measure.details.get("mean_age_days") == (pytest.approx(fmean(lengths)) if lengths else None)
        assert (age.value is None) == (age.reason is not None)
        seen[measure.period, group] += 1
    assert all(times == 1 for times in seen.values())
    unusable = [each for each in known if not is_usable(each)]
    assert sum((Counter(each.excluded) for each in [*result, result]), start=Counter()).total() == len(unusable)
    if asked_.every and len(result):
        first = (
            min(asked_.day(each.created_at) for each in usable if each.created_at) if not asked_.start else asked_.start
        )
        assert result[0].period is not None
        assert result[0].period.start <= first < result[0].period.end


def test_the_backlog_is_what_came_less_what_went() -> None:
    rows = [
        ticket("t1"),
        ticket("t2", category="paused"),
        resolved(40 * DAY, "t3"),
        resolved(2 * DAY, "t4", created_at=OPENED + DAY),
        ticket("t5", created_at=OPENED + 35 * DAY),
    ]
    result = backlog(rows, as_of=date(2025, 7, 15), every="month")

    assert [(each.period and each.period.label, each.value, each.partial) for each in result] == [
        ("2025-05", 3, False),
        ("2025-06", 3, False),
        ("2025-07", 3, True),
    ]
    assert result.explain(result[0]) == {"numerator": ["t1", "t2", "t3"], "denominator": ["t1", "t2", "t3"]}
    assert result.explain(result[1])["numerator"] == ["t1", "t2", "t5"]
    assert result[0].details == {"median_age_days": 30, "mean_age_days": 30, "p90_age_days": 30}


def test_a_period_in_which_nothing_is_left_has_no_tickets_and_no_age() -> None:
    rows = [resolved(DAY), ticket("t2", created_at=OPENED + 40 * DAY)]
    result = backlog(rows, as_of=date(2025, 6, 30), every="month")

    assert [(each.value, each.reason) for each in result] == [(0, None), (1, None)]
    assert [each.value for each in backlog_age(rows, as_of=date(2025, 6, 30), every="month")] == [None, 20]


@pytest.mark.parametrize(("shift", "value"), [(-MICROSECOND, 1), (timedelta(0), 0)])
def test_a_ticket_is_gone_from_the_instant_of_its_resolution_on(shift: timedelta, value: float) -> None:
    assert backlog([resolved(HOUR)], as_of=OPENED + HOUR + shift).value == value
    assert backlog([ticket()], as_of=OPENED).value == 1


@pytest.mark.parametrize(("tz", "counts"), [("UTC", [1, 1]), ("Asia/Bangkok", [1])])
def test_periods_end_at_midnight_in_the_time_zone(tz: str, counts: list[float]) -> None:
    late = ticket(created_at=datetime(2025, 5, 31, 17, tzinfo=UTC))

    assert [each.value for each in backlog([late], as_of=date(2025, 6, 5), every="month", tz=tz)] == counts


def test_a_closed_or_merged_ticket_left_the_backlog_when_it_was_closed() -> None:
    gone = ticket(category="resolved", closed_at=OPENED + DAY, merged_into_id="t2")

    assert backlog([gone], as_of=OPENED).value == 1
    assert backlog([gone], as_of=MAY).value == 0


def test_tickets_of_which_nobody_knows_when_they_came_or_went_are_left_out() -> None:
    rows = [ticket("t1", created_at=None), ticket("t2", category="resolved"), ticket("t3")]

    assert backlog(rows, as_of=MAY).only.excluded == {"no creation date": 1, "resolved without a date": 1}
    assert backlog(rows, as_of=MAY, every="month").excluded == {"no creation date": 1, "resolved without a date": 1}


def test_without_tickets_the_backlog_is_empty() -> None:
    assert (backlog([], as_of=MAY).value, backlog([], as_of=MAY).only.details) == (0, {})
    assert len(backlog([], as_of=MAY, every="month")) == 0
    assert [each.value for each in backlog([], as_of=MAY, every="month", start=date(2025, 4, 1))] == [0, 0]
    assert backlog_age([], as_of=MAY).only.reason == "no ticket is unresolved"


@few
@given(tickets, tickets, st.sampled_from([None, "week", "month"]))
def test_backlogs_of_parts_that_share_no_ticket_add_up(first: list[Ticket], second: list[Ticket], every: str) -> None:
    taken = {each.id for each in first}
    second = [each for each in second if each.id not in taken]
    options: dict[str, Any] = {"as_of": date(2025, 3, 31), "every": every, "by": "assignee_id"}

    assert backlog(first, **options) + backlog(second, **options) == backlog([*first, *second], **options)


@few
@given(tickets, st.randoms())
def test_order_is_irrelevant_and_a_rule_is_the_same_as_fewer_tickets(given_: list[Ticket], random: Any) -> None:
    shuffled = random.sample(given_, len(given_))
    options: dict[str, Any] = {"as_of": date(2025, 3, 31), "every": "month"}

    assert backlog(shuffled, **options) == backlog(given_, **options)
    ruled = backlog(given_, where=field("assignee_id") == "anna", **options)
    assert ruled == backlog([each for each in given_ if each.assignee_id == "anna"], **options)


# Reopening


def last_resolutions(given_: list[Ticket], asked_: Asked) -> Iterator[Fact]:
    for each, fact in resolutions(given_, asked_):
        if fact.outcome in {"not resolved", "resolved without a date"}:
            yield fact
        else:
            yield attrs.evolve(fact, outcome="reopened" if each.reopen_count else "lasted")


@few
@given(tickets, asked(by="assignee_id"))
def test_it_is_the_share_of_resolved_tickets_that_were_reopened(given_: list[Ticket], asked_: Asked) -> None:
    facts = last_resolutions(given_, asked_)

    check(
        reopen_rate(given_, **asked_.options),
        facts,
        ["reopened", "lasted"],
        asked_,
        lambda inside: share(inside, "reopened"),
    )


@few
@given(lives, asked(by="assignee_id"))
def test_by_the_history_tickets_that_are_open_again_count_too(lives_: list[Life], asked_: Asked) -> None:
    facts = []
    for life in lives_:
        if life.ticket.created_at is None or not asked_.is_known(life.ticket.created_at):
            continue
        moves = [move for move in life.moves if asked_.is_known(move.at)]
        ends = [move.at for move in moves if move.category_after == "resolved"]
        again = any(move.category_before == "resolved" != move.category_after for move in moves)
        outcome = "not resolved" if not ends else "reopened" if again else "lasted"
        facts.append(Fact(min(ends, default=None), outcome, asked_.group(life.ticket)))
    given_ = [life.ticket for life in lives_]
    result = reopen_rate(given_, transitions=moves_of(lives_), method="first", **asked_.options)

    check(result, facts, ["reopened", "lasted"], asked_, lambda inside: share(inside, "reopened"))


def test_a_ticket_that_is_open_again_is_seen_by_its_history_alone() -> None:
    life = lived("t1", OPENED, ["open", "resolved", "open"], [60, 60])
    again = life.ticket.replace(reopen_count=1)

    assert reopen_rate([again], as_of=MAY).only.excluded == {"not resolved": 1}
    assert reopen_rate([again], transitions=life.moves, method="first", as_of=MAY).value == 1
    assert reopen_rate([again], transitions=life.moves, method="first", as_of=OPENED + HOUR).value == 0


# Escalation

PRIORITIES = ["low", "normal", "high", "urgent"]


@few
@given(
    st.lists(
        st.builds(Ticket, id=st.sampled_from(ticket_ids), created_at=maybe, assignee_id=owners),
        max_size=8,
        unique_by=lambda each: each.id,
    ),
    st.lists(
        st.builds(
            Transition,
            subject=st.sampled_from(["Ticket", "Ticket", "Lead"]),
            subject_id=st.sampled_from(ticket_ids),
            field=st.sampled_from(["priority", "assignee_id", "status"]),
            before=st.sampled_from([None, *PRIORITIES]),
            after=st.sampled_from(PRIORITIES),
            at=moments,
        ),
        max_size=8,
    ),
    asked(by="assignee_id"),
)
def test_it_is_the_share_of_tickets_that_were_escalated(
    given_: list[Ticket], moves: list[Transition], asked_: Asked
) -> None:
    tests: dict[str, tuple[str, Callable[[str, str], bool]]] = {
        "priority": ("priority", lambda before, after: PRIORITIES.index(before) < PRIORITIES.index(after)),
        "assignee": ("assignee_id", lambda before, after: before != after),
    }
    for method, (name, is_up) in tests.items():
        up = {
            move.subject_id
            for move in moves
            if (move.subject, move.field) == ("Ticket", name)
            and asked_.is_known(move.at)
            and move.before is not None
            and is_up(move.before, move.after)
        }
        facts = [
            Fact(
                each.created_at,
                "no creation date" if not each.created_at else "escalated" if each.id in up else "not escalated",
                asked_.group(each),
            )
            for each in given_
        ]
        result = escalation_rate(given_, transitions=moves, method=method, **asked_.options)
        check(result, facts, ["escalated", "not escalated"], asked_, lambda inside: share(inside, "escalated"))


@pytest.mark.parametrize(
    ("before", "after", "value"), [("low", "high", 1), ("high", "normal", 0), (None, "urgent", 0), ("normal", "mad", 0)]
)
def test_only_a_priority_that_was_raised_is_an_escalation(before: str | None, after: str, value: float) -> None:
    assert escalation_rate([ticket()], transitions=[transition("priority", before, after)], as_of=MAY).value == value


def test_several_escalations_are_one_ticket() -> None:
    moves = [transition("priority", "low", "high"), transition("priority", "high", "urgent")]

    assert escalation_rate([ticket(), ticket("t2")], transitions=moves, as_of=MAY).value == 0.5


# Service levels


def is_in_order(each: Ticket) -> bool:
    """Whether it was created, then answered, then resolved; for others the model has rules of its own."""
    ended = each.resolved_at if each.category == "resolved" else None
    known = [at for at in (each.created_at, each.first_responded_at, ended) if at]
    return known == sorted(known)


@few
@given(
    st.lists(
        st.builds(
            Ticket,
            id=st.sampled_from(ticket_ids),
            priority=st.sampled_from(["low", "normal", "high", "urgent"]),
            category=st.sampled_from(["open", "resolved"]),
            created_at=moments,
            first_responded_at=maybe,
            resolved_at=moments,
            service_level_id=st.sampled_from([None, "gold", "iron"]),
        ),
        max_size=8,
        unique_by=lambda each: each.id,
    ),
    st.booleans(),
    st.sampled_from([EVEN, OFFICE]),
)
def test_promises_are_kept_and_broken_as_the_model_says(
    given_: list[Ticket], is_single: bool, calendar: BusinessCalendar
) -> None:
    iron = ServiceLevel(
        id="iron",
        name="Iron",
        targets=[ServiceTarget("normal", first_response_minutes=24 * 60, resolution_minutes=30 * 24 * 60)],
    )
    policy = GOLD if is_single else {"gold": GOLD, "iron": iron}
    as_of = datetime(2025, 3, 31, tzinfo=UTC)
    given_ = [each for each in given_ if is_in_order(each)]
    for method in ("first_response", "resolution"):
        expected = Counter[str]()
        for each in given_:
            ended = each.resolved_at if each.category == "resolved" else None
            if each.created_at is None or each.created_at > as_of:
                continue
            shown = each if ended is None or ended <= as_of else each.replace(category="open", resolved_at=None)
            shown = shown if shown.category == "resolved" else shown.replace(resolved_at=None)
            clock = getattr(service_level(shown, [], [], policy, calendar, as_of), method)
            if clock.remaining is None:
                expected["nothing promised"] += 1
            elif clock.breached_at is not None:
                expected["broken"] += 1
            elif clock.state == "done":
                expected["kept"] += 1
            else:
                expected["resolved without an answer" if clock.state == "stopped" else "not due yet"] += 1
        measure = service_level_attainment(
            given_, policy=policy, method=method, calendar=None if calendar is EVEN else calendar, as_of=as_of
        ).only
        assert measure.numerator == expected["kept"]
        assert measure.denominator == expected["kept"] + expected["broken"]
        assert measure.excluded == {why: n for why, n in expected.items() if why not in {"kept", "broken"}}


@pytest.mark.parametrize(
    ("given_", "outcome"),
    [
        ({"first_responded_at": OPENED + HOUR}, "kept"),
        ({"first_responded_at": OPENED + HOUR + MICROSECOND}, "broken"),
        ({}, "broken"),
        ({"created_at": datetime(2025, 5, 31, 23, 30, tzinfo=UTC)}, "not due yet"),
        ({"category": "resolved", "resolved_at": OPENED + HOUR}, "resolved without an answer"),
        ({"category": "resolved", "resolved_at": OPENED + 2 * HOUR}, "broken"),
        ({"category": "resolved", "closed_at": OPENED + MINUTE, "merged_into_id": "t2"}, "merged into another"),
        ({"category": "resolved"}, "resolved without a date"),
        ({"created_at": None}, "no creation date"),
        ({"first_responded_at": OPENED - MINUTE}, "done before it was created"),
        ({"priority": "high"}, "nothing promised"),
    ],
)
def test_a_promise_is_kept_broken_or_left_out(given_: dict[str, Any], outcome: str) -> None:
    measure = service_level_attainment([ticket(**{"priority": "normal"} | given_)], policy=GOLD, as_of=MAY).only

    assert measure.value == {"kept": 1, "broken": 0}.get(outcome)
    assert measure.excluded == ({} if measure.n else {outcome: 1})


@pytest.mark.parametrize("policy", [None, {"gold": "Gold"}, "gold"])
def test_a_policy_that_is_none_is_refused(policy: Any) -> None:
    with pytest.raises(InvalidInput, match="^policy="):
        service_level_attainment([], policy=policy, as_of=MAY)


def test_an_unknown_priority_is_an_error() -> None:
    frame = from_records([ticket()], Ticket).with_columns(priority=pl.lit("asap"))

    with pytest.raises(InvalidInput, match="holds 'asap' .1 rows.; accepted are 'open'.* 'urgent'"):
        service_level_attainment(frame, policy=GOLD, as_of=MAY)


# All of them

ALL: dict[str, tuple[Callable[..., Any], dict[str, Any], list[str]]] = {
    "backlog": (backlog, {}, []),
    "backlog_age": (backlog_age, {}, []),
    "reopen_rate": (reopen_rate, {}, []),
    "reopen_rate first": (reopen_rate, {"method": "first"}, ["transitions"]),
    "escalation_rate": (escalation_rate, {}, ["transitions"]),
    "escalation_rate status": (escalation_rate, {"method": "status", "labels": ["Lost"]}, []),
    "first_response": (service_level_attainment, {"policy": GOLD}, []),
    "resolution": (service_level_attainment, {"policy": {"gold": GOLD}, "method": "resolution"}, []),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ALL)
def test_every_kind_of_data_has_the_same_answer(name: str, kind: str) -> None:
    function, own, more = ALL[name]
    lives_ = [
        lived(
            f"t{n}",
            OPENED + n * 7 * HOUR,
            ["open", "paused", "resolved", "open", "resolved"][: n % 5 + 1],
            [n * 40] * 4,
        )
        for n in range(15)
    ]
    rows: dict[str, list[Any]] = {
        "tickets": [
            life.ticket.replace(
                first_responded_at=OPENED + 2 * DAY,
                status="Lost" if len(life.moves) == 2 else "New",
                reopen_count=len(life.moves) // 3,
                priority="urgent",
                service_level_id="gold",
                assignee_id="al",
            )
            for life in lives_
        ],
        "transitions": [*moves_of(lives_), transition("priority", "low", "high")],
    }
    options: dict[str, Any] = {"as_of": MAY, "tz": "Asia/Bangkok", "every": "week", "by": "assignee_id"} | own
    expected = function(rows["tickets"], **{each: rows[each] for each in more}, **options)
    tables = {each: KINDS[kind](rows[each], CLASSES[each]) for each in ("tickets", *more)}

    assert function(**tables, **options) == expected
    assert sum(measure.n for measure in expected)


@pytest.mark.parametrize("name", ALL)
def test_an_unknown_category_or_a_missing_column_is_named(name: str) -> None:
    function, own, more = ALL[name]
    frame = from_records([ticket()], Ticket).with_columns(category=pl.lit("solved"))
    empty = {each: from_records([], CLASSES[each]) for each in more}

    if function is not escalation_rate:
        with pytest.raises(InvalidInput, match="holds 'solved' .1 rows.; accepted are 'open'"):
            function(frame, **empty, **own, as_of=MAY)
    with pytest.raises(InvalidInput, match="the Ticket data has no column 'created_at'"):
        function(frame.drop("created_at"), **empty, **own, as_of=MAY)
    with pytest.raises(InvalidInput, match="Ticket column 'created_at' is .* without a time zone"):
        naive = frame.with_columns(pl.col("created_at").dt.replace_time_zone(None))
        function(naive, **empty, **own, as_of=MAY)


def test_the_simulated_tickets_have_their_published_figures(published: Path) -> None:
    path = published / "support_tickets_simulated" / "customer_support_tickets.csv"
    instant: dict[str, Any] = {"time_zone": "UTC", "time_unit": "us"}
    frame = pl.read_csv(path).select(
        "status",
        created_at=pl.col("created_date").str.to_datetime(**instant),
        # The file has a length of the resolution of unresolved tickets too, and judges them by it.
        resolved_at=pl.col("created_date").str.to_datetime(**instant)
        + pl.duration(microseconds=(pl.col("resolution_hours") * 3600e6).round().cast(pl.Int64)),
        first_responded_at=pl.col("created_date").str.to_datetime(**instant)
        + pl.duration(microseconds=(pl.col("first_response_minutes") * 60e6).round().cast(pl.Int64)),
        category=pl.when(pl.col("status") == "Resolved").then(pl.lit("resolved")).otherwise(pl.lit("open")),
        judged=pl.lit("resolved"),
        priority=pl.col("priority").replace({"Medium": "normal", "Critical": "urgent"}).str.to_lowercase(),
    )
    promised = [ServiceTarget(each, first_response_minutes=30, resolution_minutes=24 * 60) for each in PRIORITIES]  # type: ignore[arg-type]
    options: dict[str, Any] = {
        "as_of": date(2025, 3, 1),
        "policy": ServiceLevel(name="All", targets=promised),
        "columns": {"category": "judged"},
    }
    first = service_level_attainment(frame, **options).only
    full = service_level_attainment(frame, method="resolution", **options).only
    escalated = escalation_rate(frame, method="status", as_of=date(2025, 3, 1)).only

    assert (first.n, full.n) == (5000, 5000)
    assert first.value == pytest.approx(0.4806, abs=1e-9)
    assert full.value == pytest.approx(0.6028, abs=1e-9)
    assert (escalated.numerator, escalated.n) == (220, 5000)
    assert (escalated.low, escalated.high) == proportion(220, 5000, 0.95)
    assert backlog(frame, as_of=date(2025, 3, 1)).value == 1276
    by = service_level_attainment(frame, by="priority", **options)
    assert {each.group["priority"]: each.value for each in by} == pytest.approx(
        {"urgent": 0.9921568627, "high": 0.8628230616, "low": 0.2158796056, "normal": 0.4779249448}
    )
