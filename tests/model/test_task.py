"""Tasks: every sequence of moves against a model, overdue as computed, and recurrence."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmkit.errors import InvalidInput, InvalidTransition
from crmkit.model.task import (
    Completion,
    Moved,
    Participant,
    Task,
    cancel,
    complete,
    is_overdue,
    occurrences,
    possible_moves,
    reopen,
    reschedule,
)

NOON = datetime(2025, 5, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)


def _completed(task: Task, **when: Any) -> Moved:
    completion = complete(task, outcome="signed", is_held=True, **when)
    return completion.task, completion.transition


MOVES: dict[str, Callable[..., Moved]] = {
    "complete": _completed,
    "reopen": reopen,
    "cancel": cancel,
    "reschedule": lambda task, **when: reschedule(task, when["at"] + DAY, **when),
}
BECOMES = {
    ("open", "complete"): "done",
    ("open", "cancel"): "cancelled",
    ("open", "reschedule"): "open",
    ("done", "reopen"): "open",
    ("cancelled", "reopen"): "open",
}


@given(st.lists(st.sampled_from(sorted(MOVES)), max_size=8))
def test_a_task_goes_where_the_model_says_and_nowhere_else(moves: list[str]) -> None:
    task, category = Task(), "open"

    for number, move in enumerate(moves):
        at = NOON + number * DAY
        allowed = {name for was, name in BECOMES if was == category}
        assert set(possible_moves(task)) == allowed
        if move not in allowed:
            with pytest.raises(InvalidTransition, match=f"does not allow {move}") as refused:
                MOVES[move](task, at=at)
            assert set(refused.value.possible) == allowed
            continue
        before, category = category, BECOMES[category, move]
        task, transition = MOVES[move](task, at=at, by="ann", reason="r")
        assert (transition.category_before, transition.category_after) == (before, category)
        assert (transition.at, transition.by, transition.reason) == (at, "ann", "r")
        assert task.category == category
        assert (task.completed_at, task.outcome, task.is_held) == (
            (at, "signed", True) if move == "complete" else (None, None, None)
        )


@given(st.integers(-400, 400))
def test_rescheduling_moves_all_times_by_as_much(days: int) -> None:
    meeting = Task(
        kind="appointment",
        due_at=NOON + DAY,
        starts_at=NOON,
        ends_at=NOON + timedelta(hours=1),
        reminder_at=NOON - timedelta(minutes=15),
    )
    to = NOON + days * DAY
    moved, transition = reschedule(meeting, to, at=NOON)

    assert moved.starts_at == to
    assert moved.ends_at == to + timedelta(hours=1)
    assert moved.reminder_at == to - timedelta(minutes=15)
    assert moved.due_at == to + DAY
    assert reschedule(moved, NOON, at=NOON)[0] == meeting
    assert (transition.field, transition.before, transition.after) == ("starts_at", NOON.isoformat(), to.isoformat())


def test_a_task_without_a_time_is_scheduled() -> None:
    scheduled, transition = reschedule(Task(), NOON, at=NOON)

    assert scheduled.due_at == NOON
    assert (transition.field, transition.before, transition.after) == ("due_at", None, NOON.isoformat())


def test_overdue_is_computed_and_only_of_what_is_open() -> None:
    task = Task(due_at=NOON)
    done, _ = _completed(task, at=NOON + DAY)

    assert not is_overdue(task, NOON)
    assert is_overdue(task, NOON + timedelta(microseconds=1))
    assert is_overdue(Task(starts_at=NOON), NOON + DAY)
    assert not is_overdue(Task(starts_at=NOON, ends_at=NOON + 2 * DAY), NOON + DAY)
    assert not is_overdue(done, NOON + 2 * DAY)
    assert not is_overdue(Task(), NOON)


@pytest.mark.parametrize(
    ("due_at", "tz", "day_ends_at"),
    [
        (datetime(2025, 5, 1, 12, tzinfo=UTC), "Asia/Bangkok", datetime(2025, 5, 1, 17, tzinfo=UTC)),
        (datetime(2025, 3, 30, 0, tzinfo=UTC), "Europe/Warsaw", datetime(2025, 3, 30, 22, tzinfo=UTC)),
        (datetime(2025, 10, 26, 0, tzinfo=UTC), "Europe/Warsaw", datetime(2025, 10, 26, 23, tzinfo=UTC)),
        (datetime(2018, 11, 3, 12, tzinfo=UTC), "America/Sao_Paulo", datetime(2018, 11, 4, 3, tzinfo=UTC)),
    ],
)
def test_an_all_day_task_is_overdue_when_its_day_is_over_in_its_zone(
    due_at: datetime, tz: str, day_ends_at: datetime
) -> None:
    """Behaviours 13 and 14: days of 23 and 25 hours, and one whose midnight does not exist."""
    task = Task(due_at=due_at, is_all_day=True, tz=tz)

    assert not is_overdue(task, day_ends_at - timedelta(microseconds=1))
    assert is_overdue(task, day_ends_at)


def test_an_appointment_recurs_on_the_wall_clock_of_its_zone() -> None:
    """Behaviours 13 and 14: nine o'clock in Warsaw, whatever that is in UTC."""
    warsaw = ZoneInfo("Europe/Warsaw")
    class_ = Task(
        kind="appointment", starts_at=datetime(2025, 3, 24, 9, tzinfo=warsaw), rule="FREQ=WEEKLY", tz="Europe/Warsaw"
    )
    found = occurrences(class_, datetime(2025, 3, 31, tzinfo=warsaw), datetime(2025, 4, 7, 9, tzinfo=warsaw))

    assert found == (datetime(2025, 3, 31, 7, tzinfo=UTC),)


def test_a_task_without_a_rule_happens_once_and_without_a_time_never() -> None:
    window = (NOON, NOON + DAY)

    assert occurrences(Task(due_at=NOON), *window) == (NOON,)
    assert occurrences(Task(due_at=NOON + DAY), *window) == ()
    assert occurrences(Task(rule="FREQ=DAILY"), *window) == ()


@pytest.mark.parametrize(
    ("task", "end", "message"),
    [
        (Task(due_at=NOON), NOON - DAY, "is before start="),
        (Task(due_at=NOON, rule="FREQ=DAILY"), NOON.replace(year=2126), "over 100 years after the task"),
        (Task(due_at=NOON, rule="FREQ=SECONDLY"), NOON + DAY, "rule='FREQ=SECONDLY' is not accepted"),
        (Task(due_at=NOON, rule="FREQ=DAILY", tz="Warsaw"), NOON + DAY, "Task.tz: 'Warsaw' is no time zone"),
    ],
)
def test_a_window_a_rule_or_a_zone_that_cannot_be_followed_is_refused(task: Task, end: datetime, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        occurrences(task, NOON, end)


@given(
    st.datetimes(datetime(2024, 1, 1), datetime(2026, 1, 1)),
    st.sampled_from(["FREQ=DAILY;COUNT=5", "FREQ=WEEKLY;COUNT=4;BYDAY=MO,FR", "FREQ=MONTHLY;COUNT=3;BYMONTHDAY=-1"]),
    st.sampled_from(["UTC", "Europe/Warsaw", "Australia/Lord_Howe"]),
)
def test_completing_one_after_the_other_goes_through_the_occurrences(start: datetime, rule: str, tz: str) -> None:
    task: Task | None = Task(due_at=start.replace(second=0, microsecond=0, tzinfo=ZoneInfo(tz)), rule=rule, tz=tz)
    assert task is not None
    assert task.due_at is not None
    expected = occurrences(task, task.due_at, task.due_at + 400 * DAY)

    done: list[datetime | None] = []
    while task is not None:
        done.append(task.due_at)
        task = complete(task, at=NOON).following
    assert tuple(done) == expected


def test_the_task_that_follows_is_new_and_open() -> None:
    class_ = Task(
        id="t1",
        starts_at=NOON,
        ends_at=NOON + timedelta(hours=1),
        rule="FREQ=WEEKLY;COUNT=2",
        participants=[Participant(customer_id="ann", answer="accepted"), Participant(employee_id="eve")],
        external_ids={"google": "e1"},
    )
    completion: Completion = complete(class_, at=NOON + DAY, is_held=False)
    following = completion.following

    assert following is not None
    assert following.id != "t1"
    assert following.ends_at == NOON + timedelta(days=7, hours=1)
    assert (following.category, following.completed_at, following.is_held) == ("open", None, None)
    assert [each.answer for each in following.participants] == ["none", "none"]
    assert (dict(following.external_ids), following.rule) == ({}, "FREQ=WEEKLY;COUNT=1")
    assert completion.task.is_held is False
    again, _ = reopen(completion.task, at=NOON + DAY)
    assert complete(again, at=NOON + DAY).following is None
    assert complete(following, at=NOON + 8 * DAY).following is None
    assert complete(Task(due_at=NOON), at=NOON).following is None


def test_the_subject_is_masked() -> None:
    assert "Ann" not in repr(Task(subject="Call Ann"))
