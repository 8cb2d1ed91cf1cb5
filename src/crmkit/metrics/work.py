"""People's work: what employees do with customers, whether tasks get done, and how well they keep their cards."""

from collections.abc import Mapping, Sequence
from typing import Any, Unpack

import attrs
import narwhals as nw

from crmkit.frames.door import beside
from crmkit.frames.tally import Counts, Question
from crmkit.frames.words import categorised, one_of, unknown
from crmkit.metrics.asking import Steps, kpi
from crmkit.metrics.days import first_day_not_over
from crmkit.metrics.definition import Definition
from crmkit.metrics.finishing import share
from crmkit.metrics.quality import card, measured
from crmkit.metrics.scope import Asked, Scope, check_outcomes, make_scope, result
from crmkit.model.customer import Customer
from crmkit.model.interaction import Interaction
from crmkit.model.records import Record
from crmkit.model.task import Task
from crmkit.rules import Rule

_DIRECTIONS = ("inbound", "outbound", "internal")
_CATEGORIES = ("open", "done", "cancelled")
_DEADLINES = ("due_at", "ends_at", "starts_at")
_DEADLINE = "deadline_at"

ACTIVITY = Definition(
    name="activity",
    title="Activity per employee",
    text="How many contacts with customers an employee had in the period, on average of those who had any.",
    formula="interactions of employees / employees with an interaction",
    unit="count",
    inputs=("interactions",),
    key="interaction",
    methods={
        "contacts": "inbound and outbound interactions: what customers and employees said to each other",
        "outbound": "outbound interactions alone: what employees did of themselves, or in reply",
        "all": "inbound, outbound and internal interactions, so notes count too",
    },
)


@kpi(ACTIVITY)
def activity(
    interactions: Any,
    *,
    method: str = "contacts",
    **asked: Unpack[Asked],
) -> Steps:
    """Return how many interactions an employee had, on average.

    With `by="employee_id"` it is the number that each employee had. Employees without any interaction in the period are not
    known from interactions, so they do not lower the average. Internal notes are no contact, so they do not count by default.

    Args:
        interactions: records, or a Polars, pandas or Arrow table with `at`, `direction` and `employee_id`; where there is a
            column `provenance`, interactions of a "machine" are left out.
        method: "contacts", "outbound" or "all".
        asked: as for every KPI, see `crmkit.metrics`.

    Returns:
        Measures in interactions per employee; numerator interactions, denominator employees, and `details` with the "most" and
        "least" that one employee had. No value, with a reason, where no employee had any. Left out and counted: other
        directions, automatic interactions, and those without an employee. There is no interval.

    Raises:
        InvalidInput: for a missing column, a naive timestamp or an unknown direction.

    >>> from datetime import date, UTC, datetime
    >>> call = Interaction(at=datetime(2025, 5, 2, tzinfo=UTC), channel="phone", direction="outbound", employee_id="bo")
    >>> activity([call, call.replace(id="2"), call.replace(id="3", employee_id="cy")], as_of=date(2025, 5, 31)).value
    1.5
    """
    scope = make_scope(ACTIVITY, method, asked)
    table = scope.open(interactions, Interaction, needs=("at", "direction", "employee_id"), uses=("provenance", "id"))
    direction, employee = nw.col("direction"), nw.col("employee_id")
    counted = {"contacts": _DIRECTIONS[:2], "outbound": ("outbound",), "all": _DIRECTIONS}[method]
    outcome = (
        nw.when(direction.is_null())
        .then(nw.lit("no direction"))
        .when(~one_of(direction, _DIRECTIONS))
        .then(unknown("direction"))
        .when(~one_of(direction, counted))
        .then(direction)
    )
    if "provenance" in table.columns:
        outcome = outcome.when(nw.col("provenance") == "machine").then(nw.lit("automatic"))
    counts = outcome.when(employee.is_null()).then(nw.lit("no employee")).otherwise(nw.lit("counted"))
    (found,) = yield [scope.question(table.rows, at="at", outcome=counts, bucket=employee)]
    check_outcomes(found, "direction", _DIRECTIONS)
    return result(scope, found, ["counted"], _per_employee)


def _per_employee(counts: Counts) -> dict[str, Any]:
    each = [sums.n for sums in counts.get("counted", {}).values()]
    return {
        "value": sum(each) / len(each) if each else None,
        "unit": "count",
        "numerator": sum(each),
        "denominator": len(each),
        "n": sum(each),
        "reason": None if each else "no employee had an interaction",
        "details": {"most": max(each), "least": min(each)} if each else {},
    }


TASK_COMPLETION = Definition(
    name="task_completion",
    title="Task completion",
    text="Of the tasks that were due in the period, the share that is done by now, in time or late.",
    formula="tasks done / tasks due",
    unit="share",
    inputs=("tasks",),
    key="task",
    methods={
        "due": "done / (done and open); what was cancelled needed no doing",
        "with_cancelled": "done / (done, open and cancelled); a cancelled task is one that was not done",
    },
)


@kpi(TASK_COMPLETION)
def task_completion(
    tasks: Any,
    *,
    method: str = "due",
    **asked: Unpack[Asked],
) -> Steps:
    """Return the share of the tasks due in the period that is done.

    A task is due at `due_at` or, without it, at its end or its start, and counts in the period of that instant. What is completed
    after `as_of` is open. Tasks due later than `as_of` do not count. An all-day task is due when its day is over on the calendar
    of `tz`. Cancelled tasks are left out by default, because most were cancelled for a reason; where cancelling is a way to get rid
    of them, `method="with_cancelled"` counts them as not done.

    Args:
        tasks: records, or a Polars, pandas or Arrow table with `category` ("open", "done", "cancelled"), `due_at` and
            `completed_at`; it reads `ends_at`, `starts_at`, `is_all_day` and `created_at`.
        method: "due" or "with_cancelled".
        ci: confidence of the interval by Wilson; None for none.
        asked: as for every KPI, see `crmkit.metrics`.

    Returns:
        Measures in shares from 0 to 1; numerator done, denominator due. No value, with a reason, where nothing was due. Left out and
        counted: cancelled tasks, those never due, those whose day is not over, and those done without a date.

    Raises:
        InvalidInput: for a missing column, a naive timestamp or an unknown category.

    >>> from datetime import date, UTC, datetime
    >>> due = datetime(2025, 5, 2, tzinfo=UTC)
    >>> task_completion([Task(due_at=due, category="done", completed_at=due), Task(due_at=due)], as_of=date(2025, 5, 31)).value
    0.5
    """
    scope = make_scope(TASK_COMPLETION, method, asked)
    (found,) = yield [_tasks(scope, tasks)]
    check_outcomes(found, "category", _CATEGORIES)
    done = (_IN_TIME, _LATE)
    counted = (*done, _OPEN, *((_CANCELLED,) if method == "with_cancelled" else ()))
    return result(
        scope,
        found,
        counted,
        lambda counts: share(counts, done, counted, ci=scope.ci, nothing="no task was due"),
        numerator=done,
    )


TASK_PUNCTUALITY = Definition(
    name="task_punctuality",
    title="Task punctuality",
    text="Of the tasks that were due in the period, the share that was done in time.",
    formula="tasks done in time / tasks due",
    unit="share",
    inputs=("tasks",),
    key="task",
    methods={
        "due": "done in time / (done and open); an open task that was due is late already",
        "done": "done in time / done; the tasks that nobody did are not in it",
    },
)


@kpi(TASK_PUNCTUALITY)
def task_punctuality(
    tasks: Any,
    *,
    method: str = "due",
    **asked: Unpack[Asked],
) -> Steps:
    """Return the share of the tasks due in the period that was done in time.

    A task is due at `due_at` or, without it, at its end or its start, and counts in the period of that instant. It is in time when
    completed at that instant or before, an all-day one on its day on the calendar of `tz` or before. Open tasks that were due are
    late by default: counting those done alone, `method="done"`, makes whoever leaves the overdue ones open look punctual.

    Args:
        tasks: records, or a Polars, pandas or Arrow table with `category` ("open", "done", "cancelled"), `due_at` and
            `completed_at`; it reads `ends_at`, `starts_at`, `is_all_day` and `created_at`.
        method: "due" or "done".
        ci: confidence of the interval by Wilson; None for none.
        asked: as for every KPI, see `crmkit.metrics`.

    Returns:
        Measures in shares from 0 to 1; numerator done in time, denominator due ("done": those done). No value, with a reason, where
        there are none. Left out and counted: cancelled tasks, those never due, those whose day is not over, those done
        without a date, and for "done" the open ones.

    Raises:
        InvalidInput: for a missing column, a naive timestamp or an unknown category.

    >>> from datetime import date, UTC, datetime
    >>> due, late = datetime(2025, 5, 2, tzinfo=UTC), datetime(2025, 5, 3, tzinfo=UTC)
    >>> tasks = [Task(due_at=due, category="done", completed_at=at) for at in (due, late)]
    >>> task_punctuality([*tasks, Task(due_at=due), Task(due_at=due)], as_of=date(2025, 5, 31)).value
    0.25
    """
    scope = make_scope(TASK_PUNCTUALITY, method, asked)
    (found,) = yield [_tasks(scope, tasks)]
    check_outcomes(found, "category", _CATEGORIES)
    counted = (_IN_TIME, _LATE, *((_OPEN,) if method == "due" else ()))
    nothing = "no task was due" if method == "due" else "no task that was due was done"
    return result(
        scope,
        found,
        counted,
        lambda counts: share(counts, [_IN_TIME], counted, ci=scope.ci, nothing=nothing),
        numerator=[_IN_TIME],
    )


_IN_TIME, _LATE, _OPEN, _CANCELLED = "done in time", "done late", "open", "cancelled"


def _tasks(scope: Scope, data: Any) -> Question:
    """Count tasks by what became of them in the period in which they were due."""
    needs, uses = ("category", "due_at", "completed_at"), ("ends_at", "starts_at", "is_all_day", "created_at", "id")
    table = scope.open(data, Task, needs=needs, uses=uses)
    category, completed_at = nw.col("category"), nw.col("completed_at")
    names = [each for each in _DEADLINES if each in table.columns]
    deadlines = {
        into: nw.coalesce(*(nw.col(column) for column in columns))
        for into, *columns in zip(
            (_DEADLINE, *beside(_DEADLINE)), *((name, *beside(name)) for name in names), strict=True
        )
    }
    known = table.rows
    if "created_at" in table.columns:
        known = known.filter(nw.col("created_at").is_null() | (nw.col("created_at") <= scope.known_until))
    day, done_day = nw.col(beside(_DEADLINE)[0]), nw.col(beside("completed_at")[0])
    is_all_day = nw.col("is_all_day").fill_null(value=False) if "is_all_day" in table.columns else nw.lit(value=False)
    in_time = nw.when(is_all_day).then(done_day <= day).otherwise(completed_at <= nw.col(_DEADLINE))
    is_open = (category == "open") | ((category == "done") & (completed_at > scope.known_until))
    outcome = (
        categorised(_CATEGORIES)
        .when(nw.col(_DEADLINE).is_null())
        .then(nw.lit("never due"))
        .when(is_all_day & (day >= first_day_not_over(scope)))
        .then(nw.lit("day not over"))
        .when(category == "cancelled")
        .then(nw.lit(_CANCELLED))
        .when(is_open)
        .then(nw.lit(_OPEN))
        .when(completed_at.is_null())
        .then(nw.lit("done without a date"))
        .when(in_time)
        .then(nw.lit(_IN_TIME))
        .otherwise(nw.lit(_LATE))
    )
    return scope.question(known.with_columns(**deadlines), at=_DEADLINE, outcome=outcome)


CARD_COMPLETENESS = Definition(
    name="card_completeness",
    title="Completeness of cards",
    text="How much of what could be known of their customers employees have filled in.",
    formula="fields filled / fields, over the customers of an employee",
    unit="share",
    inputs=("customers",),
    key="customer",
    methods={
        "fields": "fields filled / fields, over all cards",
        "records": "cards with every field filled / cards",
    },
)


@kpi(CARD_COMPLETENESS)
def card_completeness(
    customers: Any,
    *,
    cls: type[Record] = Customer,
    of: Sequence[str] | None = None,
    applicable: Mapping[str, Rule] | None = None,
    method: str = "fields",
    **asked: Unpack[Asked],
) -> Steps:
    """Return how complete the cards of customers are of whom some employee takes care; `by="owner_id"` says it for each.

    It is `completeness` of the customers that have an owner; the owner itself is no field that the card is judged by.

    Args:
        customers: records, or a Polars, pandas or Arrow table with `owner_id`; reads `created_at`.
        cls: the class of the customers, such as a vertical's own, whose fields may be judged then.
        of: the names of the fields; all that the data has by default, as in `completeness`.
        applicable: rules for fields that make sense for some customers only, as in `completeness`.
        method: "fields" or "records".
        ci: confidence of the interval by Wilson for "records"; None for none.
        asked: as for every KPI, see `crmkit.metrics`.

    Returns:
        Measures in shares from 0 to 1; numerator filled fields, denominator fields ("records": complete cards, cards), and for
        "fields" `details` with the share of each category of fields. No value, with a reason, where there is no card. Left out and
        counted: customers without an owner.

    Raises:
        InvalidInput: for a field that a customer or the data does not have, a rule that does not fit, or a naive timestamp.

    >>> from datetime import date
    >>> cards = [Customer(kind="person", name="Ann", city=city, owner_id="bo") for city in ("Gdynia", None)]
    >>> card_completeness(cards, of=["name", "city"], as_of=date(2025, 5, 31), by="owner_id").value
    0.75
    """
    scope = make_scope(CARD_COMPLETENESS, method, asked)
    opened = card(scope, customers, cls, of, applicable, beside_fields=["owner_id"])
    has_owner = ~nw.col("owner_id").is_null()
    without = scope.question(opened.rows.filter(~has_owner), at="created_at", outcome=nw.lit("no owner"))
    return (yield from measured(scope, attrs.evolve(opened, rows=opened.rows.filter(has_owner)), without))
