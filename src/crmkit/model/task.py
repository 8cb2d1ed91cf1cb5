"""Tasks: what somebody has to do, or to be at, and the moves until it is done."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, time, timedelta
from itertools import islice, takewhile
from typing import Any, Literal
from zoneinfo import ZoneInfo

import attrs

from crmkit.errors import InvalidInput, InvalidTransition
from crmkit.model.identity import new_id
from crmkit.model.records import Record, Value, field, record, value
from crmkit.model.recurrence import recurrence, without_first
from crmkit.model.shape import FrozenDict
from crmkit.model.transition import Transition, changed

TaskKind = Literal["task", "appointment", "call"]
TaskCategory = Literal["open", "done", "cancelled"]
Answer = Literal["accepted", "declined", "tentative", "none"]

_MOVES: Mapping[TaskCategory, tuple[str, ...]] = {
    "open": ("complete", "cancel", "reschedule"),
    "done": ("reopen",),
    "cancelled": ("reopen",),
}
_TIMES = ("due_at", "starts_at", "ends_at", "reminder_at")
_LONGEST_YEARS = 100


@value
class Participant(Value):
    """A customer or an employee who is invited, and what they answered."""

    customer_id: str | None = field(default=None, links="Customer")
    employee_id: str | None = field(default=None, links="Employee")
    answer: Answer = "none"


@record
class Task(Record):
    """Something to do by `due_at`, or an appointment or call from `starts_at` to `ends_at`.

    Of an all-day one only the day counts, as `tz` has it. `rule` is a recurrence rule of RFC 5545, such as
    "FREQ=WEEKLY;BYDAY=MO", which runs in the time of `tz` from `starts_at` or, without it, `due_at`. `is_held` says
    whether an appointment took place. `status` is the business's own label and `category` what it means; they change
    through `complete`, `reopen` and `cancel` alone.
    """

    kind: TaskKind = "task"
    status: str = "Open"
    category: TaskCategory = "open"
    subject: str | None = field(default=None, personal=True)
    due_at: datetime | None = None
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    is_all_day: bool = False
    reminder_at: datetime | None = None
    rule: str | None = None
    tz: str = "UTC"
    assignee_id: str | None = field(default=None, links="Employee")
    participants: Sequence[Participant] = ()
    customer_id: str | None = field(default=None, links="Customer")
    lead_id: str | None = field(default=None, links="Lead")
    deal_id: str | None = field(default=None, links="Deal")
    ticket_id: str | None = field(default=None, links="Ticket")
    completed_at: datetime | None = None
    outcome: str | None = None
    is_held: bool | None = None


Moved = tuple[Task, Transition]


@attrs.frozen
class Completion:
    """What `complete` makes: the task, its transition and, where it recurs, the task that comes next."""

    task: Task
    transition: Transition
    following: Task | None


def possible_moves(task: Task) -> tuple[str, ...]:
    """Return the names of the moves that the task's state allows.

    >>> possible_moves(Task())
    ('complete', 'cancel', 'reschedule')
    """
    return _MOVES[task.category]


def complete(
    task: Task,
    *,
    at: datetime,
    status: str = "Done",
    outcome: str | None = None,
    is_held: bool | None = None,
    by: str | None = None,
    reason: str | None = None,
) -> Completion:
    """Complete an open task; `is_held` says whether an appointment took place.

    Of a recurring task, the rule passes on to the one that follows, which is at the next time of the rule however late
    this one is completed. Raises `InvalidTransition` for a task that is not open, and `InvalidInput` for a rule or zone
    that is not accepted.

    >>> watering = Task(due_at=datetime(2025, 5, 1, 9, tzinfo=UTC), rule="FREQ=WEEKLY")
    >>> complete(watering, at=datetime(2025, 5, 2, tzinfo=UTC)).following.due_at.day
    8
    """
    _allow(task, "complete")
    changes = {"category": "done", "completed_at": at, "outcome": outcome, "is_held": is_held, "rule": None}
    done, transition = _moved(task, status, changes, at=at, by=by, reason=reason)
    return Completion(done, transition, _following(task))


def reopen(
    task: Task, *, at: datetime, status: str = "Open", by: str | None = None, reason: str | None = None
) -> Moved:
    """Open a task again that is done or cancelled, which clears its completion; return the task and its transition.

    Raises `InvalidTransition` for an open task.
    """
    _allow(task, "reopen")
    changes = {"category": "open", "completed_at": None, "outcome": None, "is_held": None}
    return _moved(task, status, changes, at=at, by=by, reason=reason)


def cancel(
    task: Task, *, at: datetime, status: str = "Cancelled", by: str | None = None, reason: str | None = None
) -> Moved:
    """Cancel an open task; return the task and its transition.

    Raises `InvalidTransition` for a task that is not open.
    """
    _allow(task, "cancel")
    return _moved(task, status, {"category": "cancelled"}, at=at, by=by, reason=reason)


def reschedule(task: Task, to: datetime, *, at: datetime, by: str | None = None, reason: str | None = None) -> Moved:
    """Move the start of an open task, or without one its due time, and all its other times by as much.

    The transition is of the time moved. Raises `InvalidTransition` for a task that is not open.
    """
    _allow(task, "reschedule")
    moved, name = _shifted(task, to), _main_time(task)
    before = getattr(task, name)
    transition = changed(task, moved, "status", at=at, by=by, reason=reason)
    times = {"before": before and before.isoformat(), "after": getattr(moved, name).isoformat()}
    return moved, transition.replace(field=name, **times)


def is_overdue(task: Task, as_of: datetime) -> bool:
    """Return whether a task is still open after it was due or, without a due time, after its end or its start.

    An all-day one is overdue when its day is over in its zone, however long that day was. Raises `InvalidInput` for a
    zone that is not known.
    """
    deadline = task.due_at or task.ends_at or task.starts_at
    if task.category != "open" or deadline is None:
        return False
    return as_of >= _end_of_day(deadline, task) if task.is_all_day else as_of > deadline


def occurrences(task: Task, start: datetime, end: datetime) -> tuple[datetime, ...]:
    """Return the instants, in UTC, at which a task happens from `start` up to, not including, `end`.

    A task without a rule happens once, one without a time never; see `crmkit.model.recurrence` for rules. Raises
    `InvalidInput` for a rule or zone that is not accepted, and for an `end` before `start` or over 100 years after the
    task's own time.
    """
    first = getattr(task, _main_time(task))
    if end < start or (first is not None and end.year - first.year > _LONGEST_YEARS):
        raise InvalidInput(
            f"end={end} is before start={start} or over {_LONGEST_YEARS} years after the task; ask for less"
        )
    return tuple(moment for moment in takewhile(lambda moment: moment < end, _moments(task)) if moment >= start)


def _main_time(task: Task) -> str:
    return "starts_at" if task.starts_at is not None else "due_at"


def _moments(task: Task) -> Iterator[datetime]:
    first = getattr(task, _main_time(task))
    if first is None or task.rule is None:
        return iter(() if first is None else (first,))
    return recurrence(task.rule, first, _zone(task))


def _following(task: Task) -> Task | None:
    coming = next(islice(_moments(task), 1, None), None)
    if coming is None or task.rule is None:
        return None
    return _shifted(task, coming).replace(
        id=new_id(),
        created_at=None,
        external_ids=FrozenDict(),
        rule=without_first(task.rule),
        participants=[participant.replace(answer="none") for participant in task.participants],
    )


def _shifted(task: Task, to: datetime) -> Task:
    """Return the task with its main time at an instant and all other times moved by as much."""
    name = _main_time(task)
    moved = task.replace(**{name: to})
    if getattr(task, name) is None:
        return moved
    by = getattr(moved, name) - getattr(task, name)
    return task.replace(**{each: getattr(task, each) + by for each in _TIMES if getattr(task, each) is not None})


def _end_of_day(moment: datetime, task: Task) -> datetime:
    zone = _zone(task)
    next_day = moment.astimezone(zone).date() + timedelta(days=1)
    return datetime.combine(next_day, time.min, zone).astimezone(UTC)


def _zone(task: Task) -> ZoneInfo:
    try:
        return ZoneInfo(task.tz)
    except (LookupError, OSError, ValueError):
        raise InvalidInput(f"Task.tz: {task.tz!r} is no time zone; give an IANA name such as 'Asia/Bangkok'") from None


def _allow(task: Task, move: str) -> None:
    possible = possible_moves(task)
    if move not in possible:
        raise InvalidTransition(
            f"task {task.id!r} at {task.status!r} ({task.category}) does not allow {move}", possible
        )


def _moved(
    task: Task, status: str, changes: Mapping[str, Any], *, at: datetime, by: str | None, reason: str | None
) -> Moved:
    moved = task.replace(status=status, **changes)
    return moved, changed(task, moved, "status", at=at, by=by, reason=reason)
