"""The state of the service: what is left undone and for how long, what comes back, what is escalated, which promises are kept."""

from collections.abc import Generator, Mapping, Sequence
from typing import Any, Unpack

import narwhals as nw

from crmkit.errors import InvalidInput
from crmkit.frames.door import day_of
from crmkit.frames.tally import Counts, Question, Tally
from crmkit.frames.words import categorised, one_of, unknown
from crmkit.metrics.asking import Steps, kpi
from crmkit.metrics.days import day_at
from crmkit.metrics.definition import Definition
from crmkit.metrics.finishing import durations, number, share
from crmkit.metrics.lengths import MICROSECONDS_A_MINUTE, timed
from crmkit.metrics.scope import Asked, Scope, check_outcomes, make_scope, result
from crmkit.metrics.states import state
from crmkit.metrics.tickets import (
    CATEGORIES,
    STATES,
    is_merged,
    moves,
    open_tickets,
    unresolved,
    with_end,
    with_first_end,
)
from crmkit.model.calendar import BusinessCalendar
from crmkit.model.service_clock import ClockName
from crmkit.model.service_level import ServiceLevel
from crmkit.model.ticket import Ticket
from crmkit.stats.periods import index_of, period_of

_IN = "in the backlog"
_CREATED = "created"
_UNDATED = "no creation date"
_PRIORITIES = ("low", "normal", "high", "urgent")

BACKLOG = Definition(
    name="backlog",
    title="Backlog",
    text="How many tickets are not resolved at the end of the period, and how old they are.",
    formula="tickets created up to the moment - tickets resolved up to the moment",
    unit="count",
    inputs=("tickets",),
    key="ticket",
    methods={
        "unresolved": "tickets that are open or paused at the end of each period, or at `as_of` if that is earlier"
    },
    sources=("Zendesk: unsolved tickets", "GitLab handbook: ticket backlog"),
)


@kpi(BACKLOG)
def backlog(tickets: Any, *, method: str = "unresolved", **asked: Unpack[Asked]) -> Steps:
    """Return the number of tickets that are not resolved, at the end of each period or at `as_of`.

    A ticket is in the backlog from its creation to its last resolution, or to its close or merge where it was not resolved; time
    for which a reopened ticket counted as resolved is not taken out. Without `every` there is one moment, `as_of` or
    the end of the window, and the start of the window does not matter.

    Args:
        tickets: records, or a Polars, pandas or Arrow table with `category` ("open", "paused", "resolved"), `created_at` and
            `resolved_at`; it reads `closed_at`.
        method: "unresolved".
        asked: as for every KPI, see `crmkit.metrics`.

    Returns:
        Measures in tickets, which is 0 where there are none, with `details`: the median, mean and 90th percentile of their
        ages in civil days. Left out and counted, in no period: tickets without a creation date or a category, and those resolved
        without a date.

    Raises:
        InvalidInput: for a missing column, a naive timestamp or an unknown category.

    >>> from datetime import date, UTC, datetime
    >>> opened = [datetime(2025, 5, day, tzinfo=UTC) for day in (3, 9, 20)]
    >>> left = backlog([Ticket(created_at=at) for at in opened], as_of=date(2025, 5, 31)).only
    >>> left.value, left.details["median_age_days"]
    (3.0, 22.0)
    """
    scope = make_scope(BACKLOG, method, asked)
    found = yield from _snapshots(scope, tickets)
    return result(scope, found, [_IN], _left)


BACKLOG_AGE = Definition(
    name="backlog_age",
    title="Age of the backlog",
    text="For how many days the tickets that are not resolved have been waiting; half of them are no older than the median.",
    formula="median of (day of the moment - creation day) of unresolved tickets",
    unit="days",
    inputs=("tickets",),
    key="ticket",
    methods={
        "unresolved": "tickets that are open or paused at the end of each period, or at `as_of` if that is earlier"
    },
    sources=("Zendesk: unsolved tickets age",),
)


@kpi(BACKLOG_AGE)
def backlog_age(tickets: Any, *, method: str = "unresolved", **asked: Unpack[Asked]) -> Steps:
    """Return the median age of the tickets that are not resolved, at the end of each period or at `as_of`.

    Ages are civil days in `tz`: a ticket is 0 days old on the day of its creation. It tells what the resolution time
    leaves out, because that knows only tickets that are done. The tickets are those of `backlog`.

    Args:
        tickets: records, or a Polars, pandas or Arrow table with `category` ("open", "paused", "resolved"), `created_at` and
            `resolved_at`; it reads `closed_at`.
        method: "unresolved".
        ci: confidence of the interval of the median, from order statistics; None for none.
        asked: as for every KPI, see `crmkit.metrics`.

    Returns:
        Measures in days: the median as value, all days as numerator, tickets as denominator, and `details` with the mean and the
        90th percentile. No value, with a reason, where no ticket is unresolved. Left out and counted as in `backlog`.

    Raises:
        InvalidInput: for a missing column, a naive timestamp or an unknown category.

    >>> from datetime import date, UTC, datetime
    >>> opened = [datetime(2025, 5, day, tzinfo=UTC) for day in (3, 9, 20)]
    >>> backlog_age([Ticket(created_at=at) for at in opened], as_of=date(2025, 5, 31)).value
    22.0
    """
    scope = make_scope(BACKLOG_AGE, method, asked)
    found = yield from _snapshots(scope, tickets)
    return result(
        scope,
        found,
        [_IN],
        lambda counts: durations(counts, [_IN], unit="days", ci=scope.ci, nothing="no ticket is unresolved"),
    )


REOPEN_RATE = Definition(
    name="reopen_rate",
    title="Reopen rate",
    text="Of the tickets that were resolved in the period, the share that was opened again.",
    formula="resolved tickets that were reopened / resolved tickets",
    unit="share",
    inputs=("tickets",),
    key="ticket",
    methods={
        "last": "tickets in the period of their last resolution, reopened before it; those that are open again are left out",
        "first": "tickets in the period of their first resolution, reopened at any time after it, whether open again or not",
    },
    other_inputs={"first": ("tickets", "transitions")},
    sources=("fivetran/dbt_zendesk: count_reopens", "Zendesk: reopened tickets"),
)


@kpi(REOPEN_RATE)
def reopen_rate(tickets: Any, *, transitions: Any = None, method: str = "last", **asked: Unpack[Asked]) -> Steps:
    """Return the share of resolved tickets that were opened again.

    The default needs the tickets alone. It does not see tickets that are open again, so it is too low while many of them are; "first"
    sees them by their history, and its young periods will still rise.

    Args:
        tickets: records, or a Polars, pandas or Arrow table with `category` ("open", "paused", "resolved"), `created_at` and
            `resolved_at`; it reads `closed_at` and `merged_into_id`. "last" needs `reopen_count`, "first" needs `id`.
        transitions: for "first", records or a table with `subject_id`, `field`, `category_before`, `category_after` and `at`; it
            reads `subject`.
        method: "last" or "first".
        ci: confidence of the interval by Wilson; None for none.
        asked: as for every KPI, see `crmkit.metrics`.

    Returns:
        Measures in shares from 0 to 1; numerator reopened, denominator resolved. No value, with a reason, where nothing was
        resolved. Left out and counted: tickets not resolved, merged ones, and those resolved without a date.

    Raises:
        InvalidInput: for a missing column, a naive timestamp or an unknown category.

    >>> from datetime import date, UTC, datetime
    >>> may = datetime(2025, 5, 2, tzinfo=UTC)
    >>> tickets = [Ticket(category="resolved", created_at=may, resolved_at=may, reopen_count=count) for count in (0, 0, 0, 2)]
    >>> reopen_rate(tickets, as_of=date(2025, 5, 31)).value
    0.25
    """
    scope = make_scope(REOPEN_RATE, method, asked)
    table = open_tickets(scope, tickets, needs=("reopen_count",) if method == "last" else ("id",))
    rows = with_end(table)
    if method == "first":
        history = moves(scope, transitions, needs=STATES)
        again = history.filter((nw.col("category_before") == "resolved") & (nw.col("category_after") != "resolved"))
        reopened = again.group_by("subject_id").agg(times=nw.len())
        rows = with_first_end(rows, history).join(reopened, left_on="id", right_on="subject_id", how="left")
    times = nw.col("reopen_count" if method == "last" else "times")
    outcome = unresolved(scope, table).when(times > 0).then(nw.lit("reopened")).otherwise(nw.lit("lasted"))
    known = _known(scope, rows)
    (found,) = yield [
        scope.question(known, at="resolved_at", dated=nw.col("resolved_at") <= scope.known_until, outcome=outcome)
    ]
    check_outcomes(found, "category", CATEGORIES)
    counted = ("reopened", "lasted")
    return result(
        scope,
        found,
        counted,
        lambda counts: share(counts, counted[:1], counted, ci=scope.ci, nothing="no ticket was resolved"),
        numerator=counted[:1],
    )


ESCALATION_RATE = Definition(
    name="escalation_rate",
    title="Escalation rate",
    text="Of the tickets that were created in the period, the share that was escalated since.",
    formula="escalated tickets / tickets",
    unit="share",
    inputs=("tickets", "transitions"),
    key="ticket",
    methods={
        "priority": "a ticket was escalated if its priority was raised",
        "assignee": "a ticket was escalated if one employee handed it over to another",
        "status": "a ticket was escalated if its status is a label that says so, as far as it still has that",
    },
    other_inputs={"status": ("tickets",)},
    sources=("crmkit: vendors have no common definition",),
)


@kpi(ESCALATION_RATE)
def escalation_rate(
    tickets: Any,
    *,
    transitions: Any = None,
    method: str = "priority",
    labels: Sequence[str] = ("Escalated",),
    **asked: Unpack[Asked],
) -> Steps:
    """Return the share of tickets that were escalated up to `as_of`, in the period of their creation.

    A business that has a status for it asks by `method="status"`; where there is none, the history tells whose priority was
    raised, or who was handed over. The first assignment of a ticket is no handover.

    Args:
        tickets: records, or a Polars, pandas or Arrow table with `created_at` and `id`, or for "status" `created_at` and `status`.
        transitions: for "priority" and "assignee", records or a table with `subject_id`, `field`, `before`, `after` and `at`; it
            reads `subject`.
        method: "priority", "assignee" or "status".
        labels: for "status", the labels of a ticket that is escalated.
        ci: confidence of the interval by Wilson; None for none.
        asked: as for every KPI, see `crmkit.metrics`.

    Returns:
        Measures in shares from 0 to 1; numerator escalated, denominator all tickets. No value, with a reason, where no ticket was
        created. Left out and counted: tickets without a creation date.

    Raises:
        InvalidInput: for a missing column, a naive timestamp, or `labels` that are no list.

    >>> from datetime import date, UTC, datetime
    >>> may = datetime(2025, 5, 2, tzinfo=UTC)
    >>> tickets = [Ticket(created_at=may, status=status) for status in ("New", "Escalated")]
    >>> escalation_rate(tickets, method="status", as_of=date(2025, 5, 31)).value
    0.5
    """
    scope = make_scope(ESCALATION_RATE, method, asked)
    if isinstance(labels, str) or not all(isinstance(label, str) for label in labels):
        raise InvalidInput(f"labels={labels!r} is no list of labels; give some such as ['Escalated']")
    if method == "status":
        rows = scope.open(tickets, Ticket, needs=("created_at", "status"), uses=("id",)).rows
        is_escalated = nw.col("status").is_in(list(labels))
    else:
        rows = scope.open(tickets, Ticket, needs=("id", "created_at")).rows
        times = _escalations(scope, transitions).group_by("subject_id").agg(times=nw.len())
        rows = rows.join(times, left_on="id", right_on="subject_id", how="left")
        is_escalated = nw.col("times") > 0
    outcome = (
        nw.when(nw.col("created_at").is_null()).then(nw.lit(_UNDATED)).when(is_escalated).then(nw.lit("escalated"))
    )
    (found,) = yield [scope.question(rows, at="created_at", outcome=outcome.otherwise(nw.lit("not escalated")))]
    counted = ("escalated", "not escalated")
    return result(
        scope,
        found,
        counted,
        lambda counts: share(counts, counted[:1], counted, ci=scope.ci, nothing="no ticket was created"),
        numerator=counted[:1],
    )


SERVICE_LEVEL_ATTAINMENT = Definition(
    name="service_level_attainment",
    title="Service level attainment",
    text="Of the promises that were due for the tickets created in the period, the share that was kept.",
    formula="promises kept / (promises kept + promises broken)",
    unit="share",
    inputs=("tickets",),
    key="ticket",
    methods={
        "first_response": "a person answers within the target of the ticket's priority",
        "resolution": "the ticket is resolved within the target of its priority, pauses included",
    },
    sources=("Zendesk: SLA achievement rate", "fivetran/dbt_zendesk: sla_policies"),
)


@kpi(SERVICE_LEVEL_ATTAINMENT)
def service_level_attainment(
    tickets: Any,
    *,
    policy: ServiceLevel | Mapping[str, ServiceLevel],
    method: str = "first_response",
    calendar: BusinessCalendar | None = None,
    **asked: Unpack[Asked],
) -> Steps:
    """Return the share of promises that were kept, in the period of the creation of the tickets.

    A promise is broken as soon as its target has passed, answered or not, so tickets that are late count before they are done. What is
    not due yet is left out and counted. Targets are those of the priority and the policy that a ticket has now;
    `crmkit.model.service_level` follows their changes, and pauses, for a single ticket.

    Args:
        tickets: records, or a Polars, pandas or Arrow table with `category`, `priority`, `created_at` and `resolved_at`;
            "first_response" needs `first_responded_at`, and several policies need `service_level_id`. It reads `closed_at` and
            `merged_into_id`.
        policy: the service level, or all of them by id, of which `service_level_id` chooses.
        method: "first_response" or "resolution".
        calendar: the working time in which targets are counted; without one every minute counts. With one the tickets
            are read out of the engine that holds them.
        ci: confidence of the interval by Wilson; None for none.
        asked: as for every KPI, see `crmkit.metrics`.

    Returns:
        Measures in shares from 0 to 1; numerator kept, denominator kept and broken. No value, with a reason, where nothing was due.
        Left out and counted: tickets to which nothing is promised, those that are not due yet, merged ones, those resolved
        in time without an answer or without a date, and those without a creation date or done before it.

    Raises:
        InvalidInput: for a missing column, a naive timestamp, an unknown category or priority, or a policy that is none.

    >>> from datetime import date, UTC, datetime
    >>> from crmkit.model import ServiceTarget
    >>> gold = ServiceLevel(name="Gold", targets=[ServiceTarget("normal", first_response_minutes=30)])
    >>> opened, answers = datetime(2025, 5, 1, 9, tzinfo=UTC), [datetime(2025, 5, 1, 9, minute, tzinfo=UTC) for minute in (30, 31)]
    >>> tickets = [Ticket(created_at=opened, first_responded_at=answer) for answer in answers]
    >>> service_level_attainment(tickets, policy=gold, as_of=date(2025, 5, 31)).value
    0.5
    """
    scope = make_scope(SERVICE_LEVEL_ATTAINMENT, method, asked)
    clock: ClockName = "first_response" if method == "first_response" else "resolution"
    done = "first_responded_at" if method == "first_response" else "resolved_at"
    needs = ["priority", *(["service_level_id"] if isinstance(policy, Mapping) else []), done]
    table = open_tickets(scope, tickets, needs=needs)
    resolved_at, is_done = nw.col("resolved_at"), nw.col(done) <= scope.known_until
    # What is not done is owed until the ticket is resolved, or until now.
    owed = nw.when(resolved_at <= scope.known_until).then(resolved_at).otherwise(nw.lit(scope.known_until, nw.Int64))
    until = nw.when(is_done).then(nw.col(done)).otherwise(owed)
    rows = with_end(table).with_columns(until=until, target=_target(policy, clock))
    lengths = timed(_known(scope, rows), "created_at", "until", calendar)
    outcome = _promise(is_done, is_merged(scope, table))
    (found,) = yield [scope.question(lengths, at="created_at", outcome=outcome)]
    check_outcomes(found, "category or priority", (*CATEGORIES, *_PRIORITIES))
    counted = ("kept", "broken")
    return result(
        scope,
        found,
        counted,
        lambda counts: share(counts, counted[:1], counted, ci=scope.ci, nothing="nothing was due"),
        numerator=counted[:1],
    )


def _known(scope: Scope, rows: nw.LazyFrame[Any]) -> nw.LazyFrame[Any]:
    return rows.filter(nw.col("created_at").is_null() | (nw.col("created_at") <= scope.known_until))


def _snapshots(scope: Scope, tickets: Any) -> Generator[list[Question], Sequence[Tally], Tally]:
    """Ask when tickets were created, and which of them were unresolved at the end of each period from then on."""
    table = open_tickets(scope, tickets)
    rows = _known(scope, with_end(table))
    created, unresolved_ = yield [_creations(scope, rows), _unresolved(scope, rows, table.record)]
    check_outcomes(created, "category", CATEGORIES)
    left_out = {key: {why: n for why, n in counts.items() if why != _CREATED} for key, counts in created.items()}
    aged = _by_age(scope, unresolved_)
    return {key: {**left_out.get(key, {}), **aged.get(key, {})} for key in {**left_out, **aged}}


def _creations(scope: Scope, rows: nw.LazyFrame[Any]) -> Question:
    category, created_at = nw.col("category"), nw.col("created_at")
    is_endless = (category == "resolved") & nw.col("resolved_at").is_null()
    outcome = (
        categorised(CATEGORIES)
        .when(created_at.is_null())
        .then(nw.lit(_UNDATED))
        .when(is_endless)
        .then(nw.lit("resolved without a date"))
        .otherwise(nw.lit(_CREATED))
    )
    return scope.question(rows, at="created_at", dated=one_of(category, CATEGORIES) & ~is_endless, outcome=outcome)


def _unresolved(scope: Scope, rows: nw.LazyFrame[Any], record: nw.Expr | None) -> Question:
    """Ask for the tickets that were unresolved at the end of each period, by the civil day of their creation."""
    resolved = nw.col("category") == "resolved"
    known = rows.filter(
        one_of(nw.col("category"), CATEGORIES)
        & ~nw.col("created_at").is_null()
        & ~(resolved & nw.col("resolved_at").is_null())
    )
    return state(
        scope,
        known,
        since="created_at",
        until="resolved_at",
        ends=resolved,
        flaw=nw.lit(None, nw.String),
        outcome=nw.lit(_IN),
        bucket=day_of("created_at"),
        record=record,
    )


def _by_age(scope: Scope, found: Tally) -> Tally:
    """The counts by age in civil days, of counts by the day of creation."""
    last = index_of(day_at(scope, scope.last_moment), "day")

    def day(period: int | None) -> int:
        if period is None or scope.every is None:
            return last
        return min(last, index_of(period_of(period, scope.every).end, "day") - 1)

    return {
        key: {
            outcome: {day(key[0]) - created: sums for created, sums in buckets.items()}
            for outcome, buckets in counts.items()
        }
        for key, counts in found.items()
    }


def _left(counts: Counts) -> dict[str, Any]:
    ages = durations(counts, [_IN], unit="days", ci=None, nothing="")
    details = {} if not ages["n"] else {"median": ages["value"], **ages["details"]}
    return number(counts, [_IN]) | {"details": {f"{name}_age_days": age for name, age in details.items()}}


def _escalations(scope: Scope, transitions: Any) -> nw.LazyFrame[Any]:
    needs, before, after = ("before", "after"), nw.col("before"), nw.col("after")
    if scope.method == "assignee":
        handed = moves(scope, transitions, field="assignee_id", needs=needs)
        return handed.filter(~before.is_null() & (before != after))
    return moves(scope, transitions, field="priority", needs=needs).filter(_rank("before") < _rank("after"))


def _rank(column: str) -> nw.Expr:
    rank = nw.lit(None, nw.Int64)
    for number_, priority in enumerate(_PRIORITIES):
        rank = nw.when(nw.col(column) == priority).then(nw.lit(number_, nw.Int64)).otherwise(rank)
    return rank


def _target(policy: ServiceLevel | Mapping[str, ServiceLevel], clock: ClockName) -> nw.Expr:
    """What is promised to each ticket, in microseconds; null where nothing is."""
    levels = policy if isinstance(policy, Mapping) else {None: policy}
    target = nw.lit(None, nw.Int64)
    for service_level_id, level in levels.items():
        if not isinstance(level, ServiceLevel):
            raise InvalidInput(f"policy={policy!r} is no service level; give a ServiceLevel, or all of them by id")
        for each in level.targets:
            promised = each.minutes(clock)
            is_meant = nw.col("priority") == each.priority
            if service_level_id is not None:
                is_meant = is_meant & (nw.col("service_level_id") == service_level_id)
            if promised is not None:
                length = nw.lit(promised * MICROSECONDS_A_MINUTE, nw.Int64)
                target = nw.when(is_meant).then(length).otherwise(target)
    return target


def _promise(is_done: nw.Expr, merged: nw.Expr) -> nw.Expr:
    category, priority = nw.col("category"), nw.col("priority")
    length, target = nw.col("length"), nw.col("target")
    return (
        nw.when(~one_of(category, CATEGORIES))
        .then(unknown("category"))
        .when(~one_of(priority, _PRIORITIES))
        .then(unknown("priority"))
        .when(nw.col("created_at").is_null())
        .then(nw.lit(_UNDATED))
        .when(target.is_null())
        .then(nw.lit("nothing promised"))
        .when(merged)
        .then(nw.lit("merged into another"))
        .when((category == "resolved") & nw.col("resolved_at").is_null())
        .then(nw.lit("resolved without a date"))
        .when(nw.col("until") < nw.col("created_at"))
        .then(nw.lit("done before it was created"))
        .when(length > target)
        .then(nw.lit("broken"))
        .when(is_done)
        .then(nw.lit("kept"))
        .when(nw.col("until") == nw.col("resolved_at"))
        .then(nw.lit("resolved without an answer"))
        .otherwise(nw.lit("not due yet"))
    )
