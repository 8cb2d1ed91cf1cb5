"""Service levels: what a business promises about its tickets, and how a ticket stands by its history."""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import partial
from itertools import takewhile, zip_longest
from operator import itemgetter
from typing import Any, get_args

import attrs

from crmkit.errors import InvalidInput, InvalidRecord, choices
from crmkit.model.calendar import BusinessCalendar
from crmkit.model.interaction import Interaction
from crmkit.model.records import Record, Value, family, field, record, value
from crmkit.model.service_clock import Clock, ClockName, Span, measure
from crmkit.model.service_time import in_utc
from crmkit.model.ticket import Priority, Ticket
from crmkit.model.transition import Transition

_CLOCKS: tuple[ClockName, ...] = get_args(ClockName)
_STATES = ("status", "priority", "service_level_id")
_IDLE = Clock()
_MOST_MINUTES = 100 * 366 * 24 * 60


@value
class ServiceTarget(Value):
    """What is promised for a priority, in minutes of working time; None where nothing is promised.

    >>> ServiceTarget("high", first_response_minutes=60, resolution_minutes=480).next_response_minutes
    """

    priority: Priority
    first_response_minutes: int | None = field(default=None, category="quantitative")
    next_response_minutes: int | None = field(default=None, category="quantitative")
    resolution_minutes: int | None = field(default=None, category="quantitative")

    def __attrs_post_init__(self) -> None:
        """Check that a promise is a possible length of time."""
        for clock in _CLOCKS:
            minutes = self.minutes(clock)
            if minutes is not None and not 0 < minutes <= _MOST_MINUTES:
                raise InvalidRecord(
                    f"ServiceTarget.{clock}_minutes: {minutes} is not from 1 to {_MOST_MINUTES} minutes"
                )

    def minutes(self, clock: ClockName) -> int | None:
        """Return what is promised for "first_response", "next_response" or "resolution"."""
        minutes: int | None = getattr(self, f"{clock}_minutes")
        return minutes


@record
class ServiceLevel(Record):
    """A policy: targets by priority, in the working time of a calendar.

    With `pauses_first_response`, time for which a ticket is paused does not count for its first response either.

    >>> gold = ServiceLevel(id="gold", name="Gold", targets=[ServiceTarget("urgent", first_response_minutes=15)])
    >>> gold.target("urgent").first_response_minutes
    15
    """

    name: str
    targets: Sequence[ServiceTarget] = field(default=())
    pauses_first_response: bool = False
    calendar_id: str | None = field(default=None, links="BusinessCalendar")

    def __attrs_post_init__(self) -> None:
        """Check that no priority has two targets."""
        priorities = [target.priority for target in self.targets]
        if len(set(priorities)) < len(priorities):
            raise InvalidRecord(f"ServiceLevel.targets: a priority has two targets in {', '.join(priorities)}")

    def target(self, priority: Priority) -> ServiceTarget | None:
        """Return the target of a priority, None where nothing is promised for it."""
        return next((each for each in self.targets if each.priority == priority), None)


@attrs.frozen
class ServiceLevelStatus:
    """How a ticket stands; `next_responses` has a clock for each time that the customer waited for a further answer."""

    first_response: Clock = _IDLE
    next_responses: tuple[Clock, ...] = ()
    resolution: Clock = _IDLE

    @property
    def next_response(self) -> Clock:
        """The wait that is still open, or else the longest one, the earliest of equal ones."""
        waits = self.next_responses or (_IDLE,)
        return waits[-1] if waits[-1].state != "done" else max(waits, key=lambda wait: wait.used)

    @property
    def breached_at(self) -> datetime | None:
        """The earliest breach of any clock."""
        clocks = (self.first_response, *self.next_responses, self.resolution)
        return min((clock.breached_at for clock in clocks if clock.breached_at), default=None)


def service_level(  # noqa: PLR0917 - the published order
    ticket: Ticket,
    transitions: Iterable[Transition],
    interactions: Iterable[Interaction],
    policy: ServiceLevel | Mapping[str, ServiceLevel],
    calendar: BusinessCalendar,
    as_of: datetime,
) -> ServiceLevelStatus:
    """Return how a ticket stands with what was promised, computed from its history alone; all later than `as_of` is ignored.

    - First response: from the creation to the first outbound interaction that is not automatic, or to the ticket's
      `first_responded_at` if that is earlier. Notes and changes of status are no response, and a reopening starts no new clock.
    - Next response: from the first customer's message since the last answer to the next answer.
    - Resolution: while the ticket is open, until it is resolved for good. A resolution that did not last counts as a pause.
    - While a ticket is resolved, nobody owes an answer: the clocks stand still, and go on if it is opened again. A merge stops
      all of them.
    - Targets follow the priority and the policy in force at each moment and apply to the whole use so far. A breach is the
      first instant at which the use exceeds the target in force; it stays one, whatever is changed later.

    Without transitions of its status, a ticket was in its category from the beginning, a resolved one open until then. Of events
    at one instant, a message comes before an answer, and transitions stand in the order of `recorded_at` and `id`.

    Args:
        ticket: the ticket; without `created_at`, or created later than `as_of`, its clocks are "idle".
        transitions: its transitions of status, priority and service level, in any order; those of other records are skipped.
        interactions: its messages and answers, in any order; those of other tickets are skipped.
        policy: the service level, or all of them by id, of which the ticket's `service_level_id` chooses.
        calendar: the working time by which everything is measured.
        as_of: the instant, inclusive.

    Raises:
        InvalidInput: for a service level that is not in the mapping, an unknown time zone of the calendar, or a naive `as_of`.

    >>> opened, answered = datetime(2025, 5, 1, 9, tzinfo=UTC), datetime(2025, 5, 1, 9, 40, tzinfo=UTC)
    >>> gold = ServiceLevel(name="Gold", targets=[ServiceTarget("normal", first_response_minutes=30)])
    >>> ticket = Ticket(id="t1", created_at=opened, first_responded_at=answered)
    >>> office = BusinessCalendar(tz="UTC", hours=[Hours(3, "09:00", "17:00")])
    >>> service_level(ticket, [], [], gold, office, as_of=answered).breached_at
    datetime.datetime(2025, 5, 1, 9, 30, tzinfo=datetime.timezone.utc)
    """
    until = in_utc(as_of)
    if ticket.created_at is None or ticket.created_at > until:
        return ServiceLevelStatus()
    if ticket.merged_into_id is not None and ticket.closed_at is not None:
        until = max(min(until, ticket.closed_at), ticket.created_at)
    history = _history(*_changes(ticket, transitions), policy, ticket.created_at, until)
    answers, messages = _conversation(ticket, interactions, until)
    resolved_at, is_done = _resolution(ticket, history)
    run = partial(measure, history=history, schedule=calendar.schedule)
    return ServiceLevelStatus(
        run("first_response", start=ticket.created_at, end=min(answers, default=None)),
        tuple(run("next_response", start=asked, end=answered) for asked, answered in _waits(answers, messages)),
        run("resolution", start=ticket.created_at, end=resolved_at, is_done=is_done),
    )


State = dict[str, Any]
Change = tuple[datetime, State]


def _changes(ticket: Ticket, transitions: Iterable[Transition]) -> tuple[State, list[Change]]:
    """What a ticket's category, priority and service level were at first, and what changed them, in order."""
    own = [
        move
        for move in transitions
        if move.subject_id == ticket.id and move.subject == family(type(ticket)).__name__ and move.field in _STATES
    ]
    own.sort(key=lambda move: (move.at, move.recorded_at or move.at, move.id))
    state = {"status": ticket.category, "priority": ticket.priority, "service_level_id": ticket.service_level_id}
    state |= {move.field: _values(move)[0] for move in reversed(own)}
    changes = [(move.at, {move.field: _values(move)[1]}) for move in own]
    ended_at = ticket.resolved_at or ticket.closed_at
    if ticket.category == "resolved" and ended_at is not None and all(move.field != "status" for move in own):
        state["status"] = "open"
        changes.append((ended_at, {"status": "resolved"}))
        changes.sort(key=itemgetter(0))
    return state, changes


def _values(move: Transition) -> tuple[str | None, str | None]:
    """What a transition says of the time before and after it: categories, because statuses are the business's own words."""
    return (move.category_before, move.category_after) if move.field == "status" else (move.before, move.after)


def _history(
    state: State,
    changes: Iterable[Change],
    policy: ServiceLevel | Mapping[str, ServiceLevel],
    start: datetime,
    until: datetime,
) -> list[Span]:
    """The spans from the creation on; the first one says what was so at first, even where it changed at once."""
    spans: list[Span] = []
    for at, change in changes:
        if at > until:
            break
        if at > start or not spans:
            spans.append(_span(state, policy, start, max(at, start)))
            start = spans[-1].end
        state = state | change
    return [*spans, _span(state, policy, start, until)]


def _span(state: State, policy: ServiceLevel | Mapping[str, ServiceLevel], start: datetime, end: datetime) -> Span:
    level = policy if isinstance(policy, ServiceLevel) else _level(policy, state["service_level_id"])
    target = level.target(state["priority"]) if level else None
    minutes = {clock: target.minutes(clock) if target else None for clock in _CLOCKS}
    return Span(start, end, state["status"], minutes, level is not None and level.pauses_first_response)


def _level(levels: Mapping[str, ServiceLevel], service_level_id: str | None) -> ServiceLevel | None:
    if service_level_id is not None and service_level_id not in levels:
        raise InvalidInput(f"policy: no service level {service_level_id!r}; {choices(service_level_id, levels)}")
    return None if service_level_id is None else levels[service_level_id]


def _resolution(ticket: Ticket, history: Sequence[Span]) -> tuple[datetime | None, bool]:
    """When the resolution that lasts began, and whether it is one: a merge, or one without a date, ends without being done."""
    lasting = list(takewhile(lambda span: span.category == "resolved", reversed(history)))
    if not lasting:
        return None, False
    end = lasting[-1].start
    is_merge = ticket.merged_into_id is not None and ticket.resolved_at is None and end == ticket.closed_at
    return end, not is_merge and len(lasting) < len(history)


def _conversation(
    ticket: Ticket, interactions: Iterable[Interaction], until: datetime
) -> tuple[list[datetime], list[datetime]]:
    """The instants of answers and of customer's messages."""
    own = [each for each in interactions if each.ticket_id == ticket.id and each.at <= until]
    said = [each for each in own if each.provenance != "machine"]
    answers = sorted(each.at for each in said if each.direction == "outbound")
    stamp = ticket.first_responded_at
    if stamp is not None and stamp <= until and (not answers or stamp < answers[0]):
        answers.insert(0, stamp)
    return answers, sorted(each.at for each in said if each.direction == "inbound")


def _waits(answers: Sequence[datetime], messages: Sequence[datetime]) -> Iterator[tuple[datetime, datetime | None]]:
    """From each first message since an answer to the next answer; what comes before any answer awaits the first one."""
    index = 0
    for answered, following in zip_longest(answers, answers[1:]):
        index = bisect_right(messages, answered, lo=index)
        if index < len(messages) and (following is None or messages[index] <= following):
            yield messages[index], following
