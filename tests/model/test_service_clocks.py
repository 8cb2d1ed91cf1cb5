"""Service levels of random tickets against an oracle that lives through their history minute by minute."""

import os
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import Any, NamedTuple, get_args
from zoneinfo import ZoneInfo

import attrs
from hypothesis import given, settings
from hypothesis import strategies as st

from crmkit.model import Interaction, Ticket, Transition
from crmkit.model.calendar import BusinessCalendar, Hours, SpecialDay, TimeRange, always_open
from crmkit.model.service_clock import Clock
from crmkit.model.service_level import ServiceLevel, ServiceLevelStatus, ServiceTarget, service_level
from crmkit.model.ticket import Priority, change_service_level, hold, prioritise, reopen, resolve, resume, wait

MINUTE = timedelta(minutes=1)
SPLIT = [Hours(day, *each) for day in range(5) for each in (("08:00", "12:00"), ("13:30", "17:10"))]
NIGHT = [Hours(day, *each) for day in range(7) for each in (("00:00", "04:30"), ("22:00", "24:00"))]
# Where and from when the random tickets live: shortly before the clock is changed.
PLACES = [
    (
        BusinessCalendar(
            tz="Europe/Warsaw",
            hours=SPLIT,
            special_days=[SpecialDay(date(2025, 3, 28)), SpecialDay(date(2025, 3, 30), [TimeRange("01:00", "05:00")])],
        ),
        datetime(2025, 3, 24, tzinfo=UTC),
    ),
    (BusinessCalendar(tz="America/New_York", hours=NIGHT), datetime(2025, 10, 30, tzinfo=UTC)),
    (
        BusinessCalendar(
            tz="Australia/Lord_Howe",
            hours=NIGHT,
            special_days=[SpecialDay(date(2025, 4, 8), [TimeRange("09:00", "10:00")])],
        ),
        datetime(2025, 4, 3, tzinfo=UTC),
    ),
    (
        BusinessCalendar(tz="America/Sao_Paulo", hours=[*SPLIT, Hours(6, "00:00", "06:00")]),
        datetime(2018, 11, 1, tzinfo=UTC),
    ),
    (always_open("Europe/Warsaw"), datetime(2025, 10, 20, tzinfo=UTC)),
    (
        BusinessCalendar(
            tz="Asia/Kathmandu", special_days=[SpecialDay(date(2025, 1, 4), [TimeRange("10:00", "18:00")])]
        ),
        datetime(2025, 1, 2, tzinfo=UTC),
    ),
]
LEVELS = {
    "silver": ServiceLevel(
        id="silver",
        name="Silver",
        targets=[
            ServiceTarget("normal", first_response_minutes=240, next_response_minutes=300, resolution_minutes=1400),
            ServiceTarget("high", first_response_minutes=60, next_response_minutes=90, resolution_minutes=500),
        ],
    ),
    "gold": ServiceLevel(
        id="gold",
        name="Gold",
        pauses_first_response=True,
        targets=[
            ServiceTarget("normal", first_response_minutes=120, resolution_minutes=700),
            ServiceTarget("high", first_response_minutes=15, next_response_minutes=30, resolution_minutes=120),
            ServiceTarget("urgent", next_response_minutes=5),
        ],
    ),
}
FAR = 40 * 1440
CLOCKS = ("first_response", "next_response", "resolution")
PAUSED_CLOCKS = {"silver": {"resolution"}, "gold": {"resolution", "first_response"}}


@attrs.frozen
class Story:
    """What happened to one ticket, in minutes after its beginning, and the records that say so."""

    ticket: Ticket
    transitions: list[Transition]
    interactions: list[Interaction]
    events: dict[int, list[tuple[str, str]]]  # by minute, in order
    place: int
    begin: datetime
    end: int


@cache
def is_working(place: int, minute: int) -> bool:
    """Whether the clock on the wall shows working time so many minutes after the beginning of a place."""
    calendar, beginning = PLACES[place]
    local = (beginning + minute * MINUTE).astimezone(ZoneInfo(calendar.tz))
    special = [day.hours for day in calendar.special_days if day.on == local.date()]
    today = special[0] if special else [each for each in calendar.hours if each.weekday == local.weekday()]
    return any(each.opens <= f"{local:%H:%M}" < each.closes for each in today)


class State(NamedTuple):
    category: str = "open"
    priority: str = "normal"
    policy: str = "silver"


def states(story: Story) -> list[State]:
    """What was so from each minute to the next one, up to and including the last instant."""
    now, found = State(), []
    for minute in range(story.end + 1):
        for name, value in story.events.get(minute, []):
            now = now._replace(**{name: value}) if name in State._fields else now
        found.append(now)
    return found


@cache
def target(state: State, clock: str) -> int | None:
    found = [each for each in LEVELS[state.policy].targets if each.priority == state.priority]
    limit: int | None = getattr(found[0], f"{clock}_minutes") if found else None
    return limit


@cache
def mode(state: State, clock: str) -> str:
    if state.category == "resolved":
        return "stopped"
    return "paused" if state.category == "paused" and clock in PAUSED_CLOCKS[state.policy] else "running"


def run(story: Story, lived: list[State], clock: str, start: int, end: int | None) -> dict[str, Any]:
    """Live through a clock minute by minute; without an end it is still going on."""
    shift = (story.begin - PLACES[story.place][1]) // MINUTE
    used, paused, breached, history = 0, 0, None, []
    for minute in range(start, story.end + 1 if end is None else end):
        state = lived[minute]
        limit, runs = target(state, clock), mode(state, clock) == "running"
        works = is_working(story.place, minute + shift) and minute < story.end
        if limit is not None and breached is None and mode(state, clock) != "stopped":
            breached = minute if used > limit or (runs and works and used == limit) else None
        history.append((minute, used))
        used, paused = used + (works and runs), paused + (works and not runs)
    last = lived[story.end] if end is None else lived[max(end - 1, start)]
    stop, goal, due = story.end if end is None else end, target(last, clock), None
    if goal is not None:
        due = next((minute for minute, before in [*history, (stop, used)] if before >= goal), None)
        left, minute = goal - used, stop
        while due is None and minute < stop + FAR:
            left, minute = left - is_working(story.place, minute + shift), minute + 1
            due = minute if left == 0 else None
    return {
        "state": "done" if end is not None else mode(last, clock),
        "started_at": start,
        "due_at": due,
        "used": used,
        "paused": paused,
        "remaining": None if goal is None else goal - used,
        "completed_at": end,
        "breached_at": breached,
    }


def oracle(story: Story) -> dict[str, Any]:
    """The three clocks, each with the wait, for the next response, that is open or was the longest."""
    lived = states(story)
    first = asked = resolved = None
    waits: list[tuple[int, int | None]] = []
    for minute in range(story.end + 1):
        kinds = {name for name, _ in story.events.get(minute, [])}
        if "message" in kinds and first is not None and asked is None:
            asked = minute
        if "answer" in kinds:
            waits += [] if asked is None else [(asked, minute)]
            first, asked = minute if first is None else first, None
        if lived[minute].category != "resolved":
            resolved = None
        elif resolved is None:
            resolved = minute
    waits += [] if asked is None else [(asked, None)]
    clocks = [run(story, lived, "next_response", *wait) for wait in waits]
    shown = [clock for clock in clocks if clock["completed_at"] is None] or sorted(
        clocks, key=lambda each: -each["used"]
    )
    return {
        "first_response": run(story, lived, "first_response", 0, first),
        "next_response": shown[0] if shown else None,
        "waits": len(waits),
        "resolution": run(story, lived, "resolution", 0, resolved),
    }


def as_minutes(clock: Clock, begin: datetime) -> dict[str, Any]:
    """A clock in the terms of the oracle; all that it holds must be whole minutes."""

    def minutes(value: object) -> object:
        if isinstance(value, datetime):
            return minutes(value - begin)
        if not isinstance(value, timedelta):
            return value
        assert value % MINUTE == timedelta(0)
        return value // MINUTE

    return {name: minutes(value) for name, value in attrs.asdict(clock).items()}


MOVES: dict[str, tuple[str, Callable[..., tuple[Ticket, Transition]]]] = {
    "wait": ("paused", wait),
    "hold": ("paused", hold),
    "resume": ("open", resume),
    "resolve": ("resolved", resolve),
    "reopen": ("open", reopen),
}
HAPPENINGS = ["category"] * 3 + ["message"] * 2 + ["answer", "priority", "policy", "noise"]
POSSIBLE = {"open": ["wait", "hold", "resolve"], "paused": ["resume", "resolve"], "resolved": ["reopen"]}
SAID = Interaction(at=datetime.min.replace(tzinfo=UTC), channel="email", direction="outbound", ticket_id="t1")
TALK = {
    "answer": [SAID, SAID.replace(provenance="unknown")],
    "message": [SAID.replace(direction="inbound")],
    "noise": [
        SAID.replace(direction="internal"),
        SAID.replace(direction="outbound", provenance="machine"),
        SAID.replace(direction="inbound", provenance="machine"),
        SAID.replace(ticket_id="another"),
    ],
}


def change(draw: st.DrawFn, ticket: Ticket, what: str, at: datetime) -> tuple[Ticket, Transition, str]:
    """Change the ticket's category, priority or policy to another one; the last is what it became."""
    if what == "category":
        after, move = MOVES[draw(st.sampled_from(POSSIBLE[ticket.category]))]
        return *move(ticket, at=at), after
    if what == "priority":
        priority = draw(st.sampled_from([each for each in get_args(Priority) if each != ticket.priority]))
        return *prioritise(ticket, priority, at=at), priority
    policy = "gold" if ticket.service_level_id == "silver" else "silver"
    return *change_service_level(ticket, policy, at=at), policy


@st.composite
def stories(draw: st.DrawFn) -> Story:
    place = draw(st.integers(0, len(PLACES) - 1))
    # In steps of half an hour, much happens at one instant, and targets are used up exactly.
    step, length = draw(st.sampled_from([1, 30])), draw(st.sampled_from([300, 1440, 1440, 4 * 1440, 21 * 1440]))
    begin = PLACES[place][1] + draw(st.integers(0, 7 * 1440 // step)) * step * MINUTE
    ticket = Ticket(id="t1", created_at=begin, service_level_id="silver")
    transitions: list[Transition] = []
    interactions: list[Interaction] = []
    events: dict[int, list[tuple[str, str]]] = {}
    for minute in sorted(step * count for count in draw(st.lists(st.integers(0, length // step), max_size=14))):
        what, at = draw(st.sampled_from(HAPPENINGS)), begin + minute * MINUTE
        if what in TALK:
            value = ""
            interactions.append(draw(st.sampled_from(TALK[what])).replace(id=f"i{minute}", at=at))
        else:
            ticket, transition, value = change(draw, ticket, what, at)
            # Ids in order say what was first in the same minute.
            transitions.append(transition.replace(id=f"{len(transitions):03}"))
        events.setdefault(minute, []).append((what, value))
    answers = [
        each
        for each in interactions
        if (each.direction, each.ticket_id) == ("outbound", "t1") and each.provenance != "machine"
    ]
    if draw(st.booleans()) and answers:
        interactions.remove(answers[0])
        ticket = ticket.replace(first_responded_at=answers[0].at)
    end = step * draw(st.integers(0, length // step))
    return Story(
        ticket, draw(st.permutations(transitions)), draw(st.permutations(interactions)), events, place, begin, end
    )


def judged(story: Story, end: int | None = None) -> ServiceLevelStatus:
    as_of = story.begin + (story.end if end is None else end) * MINUTE
    return service_level(story.ticket, story.transitions, story.interactions, LEVELS, PLACES[story.place][0], as_of)


@settings(max_examples=10_000 if os.environ.get("CRMKIT_HYPOTHESIS") == "full" else 300)
@given(stories())
def test_a_service_level_is_what_the_oracle_lived_through(story: Story) -> None:
    """Behaviours 14 to 19 and 21 to 23, all at once."""
    status, expected = judged(story), oracle(story)

    assert len(status.next_responses) == expected["waits"]
    for name in CLOCKS:
        clock = getattr(status, name)
        if expected[name] is None:
            assert clock == Clock()
            continue
        found = as_minutes(clock, story.begin)
        if expected[name]["due_at"] is None and found["due_at"] is not None:
            assert found["due_at"] > story.end + FAR - 21 * 1440
            found["due_at"] = None
        assert found == expected[name], name


@given(stories(), st.integers(0, 21 * 1440))
def test_a_breach_is_final_and_is_known_as_soon_as_its_instant_has_passed(story: Story, later: int) -> None:
    """Behaviour 21: it is evaluated at its due time, whenever somebody looks; behaviour 23: later changes leave it."""
    before, after = judged(story), judged(story, story.end + later)
    clocks = [(before.first_response, after.first_response), (before.resolution, after.resolution)]

    for early, late in [*clocks, *zip(before.next_responses, after.next_responses, strict=False)]:
        assert early.breached_at is None or early.breached_at == late.breached_at
        if late.breached_at is not None and late.breached_at < story.begin + story.end * MINUTE:
            assert early.breached_at == late.breached_at
