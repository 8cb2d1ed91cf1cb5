"""Handling: how long employees have the deals, leads and tickets that are theirs, and how long their contacts last."""

from collections.abc import Sequence
from typing import Any, Unpack

import attrs
import narwhals as nw

from crmkit.errors import InvalidInput
from crmkit.frames.door import beside
from crmkit.frames.table import Table, group_columns
from crmkit.frames.tally import Counts, Question
from crmkit.frames.words import categorised, one_of
from crmkit.metrics.asking import Steps, kpi
from crmkit.metrics.definition import Definition
from crmkit.metrics.lengths import MICROSECONDS_A_MINUTE, length_bucket, minutes, timed
from crmkit.metrics.scope import Asked, Scope, all_sums, check_outcomes, make_scope, result
from crmkit.model.calendar import BusinessCalendar
from crmkit.model.deal import Deal
from crmkit.model.interaction import Interaction
from crmkit.model.lead import Lead
from crmkit.model.records import Record
from crmkit.model.ticket import Ticket
from crmkit.model.transition import Transition
from crmkit.stats import intervals

HANDLING_TIME = Definition(
    name="handling_time",
    title="Average handling time",
    text="How many minutes an employee has an application, until it is closed or handed to somebody else.",
    formula="minutes for which applications were with employees / applications handled",
    unit="minutes",
    inputs=("deals", "transitions"),
    key="deal",
    methods={
        "segment": "each employee has the time for which an application was theirs; it is handled when they close it or hand it on",
        "final_owner": "who has an application in the end has all of its time",
        "first_owner": "who had an application first has all of its time",
        "contacts": "minutes of talking, holding and wrapping up / contacts: the figure of contact centres",
    },
    other_inputs={"contacts": ("interactions",)},
    sources=("callcentrehelper.com: average handling time", "fivetran/dbt_zendesk: first and last assignee"),
)

_EMPLOYEE = "employee_id"
_HANDLED, _OPEN = "handled", "open"
_NOBODY = "no employee"


@kpi(HANDLING_TIME)
def handling_time(
    deals: Any = None,
    *,
    leads: Any = None,
    tickets: Any = None,
    transitions: Any = None,
    method: str = "segment",
    calendar: BusinessCalendar | None = None,
    **asked: Unpack[Asked],
) -> Steps:
    """Return the average number of minutes for which an application, be it a deal, a lead or a ticket, is with an employee.

    With `by="employee_id"` it is that of each employee, without it of all applications, each of which counts once however many had
    it. A handover splits the time by default: to charge one employee with all of it makes whoever takes over from others look slow, or
    whoever hands on look busy. What is still open is left out and counted, so the figure is shorter than what a new application
    should expect while many are open.

    Args:
        deals: records, or a Polars, pandas or Arrow table with `id`, `category`, `owner_id`, `created_at` and `closed_at`. For
            "contacts" interactions, with `at`, `employee_id` and `duration_seconds`; it reads `provenance` and `direction`.
        leads: instead of deals, which are not read then, with `id`, `category`, `owner_id`, `created_at` and `converted_at`;
            a lead that was disqualified ends with that transition, which needs `category_after`.
        tickets: instead of deals, which are not read then, with `id`, `category`, `assignee_id`, `created_at` and
            `resolved_at`; it reads `closed_at`.
        transitions: records or a table with `id`, `subject`, `subject_id`, `field`, `before`, `after` and `at`; those of the field
            "owner_id", or "assignee_id" of tickets, are the handovers. Not for "contacts".
        method: "segment", "final_owner", "first_owner" or "contacts".
        calendar: the working time in which minutes are counted; without one every minute counts. With one the data is read
            out of the engine that holds it. Not for "contacts".
        ci: confidence of the interval of the mean, by the normal approximation; None for none.
        asked: as for every KPI, see `crmkit.metrics`; columns in `by` are those of the applications, and "employee_id".

    Returns:
        Measures in minutes: the mean as value, all minutes as numerator, applications as denominator, counted in the period in which
        the employee closed them or handed them on; `details` with the median and the 90th percentile, which are off by less than 0.4 %.
        No value, with a reason, where none was handled. Left out and counted: those that are open, that nobody had, without a category
        or creation date, and that ended without a date or before they were created; of contacts notes, automatic ones, and
        those without an employee or a duration.

    Raises:
        InvalidInput: for a missing column or table, leads and tickets together, a naive timestamp or an unknown category.

    >>> from datetime import date, UTC, datetime
    >>> from crmkit.model.owner import reassign
    >>> def nine(day): return datetime(2025, 5, day, 9, tzinfo=UTC)
    >>> deal = Deal(pipeline_id="gym", stage="Won", category="won", owner_id="bo", created_at=nine(1), closed_at=nine(4))
    >>> deal, handover = reassign(deal, "cy", at=nine(2))
    >>> times = handling_time([deal], transitions=[handover], by="employee_id", as_of=date(2025, 5, 31))
    >>> [(each.group["employee_id"], each.value) for each in times]
    [('bo', 1440.0), ('cy', 2880.0)]
    """
    scope = make_scope(HANDLING_TIME, method, asked)
    kind, data = _applications(deals, leads, tickets)
    if method == "contacts":
        question = _contacts(scope, data)
        categories: tuple[str, ...] = ()
    else:
        if transitions is None:
            raise InvalidInput(f"method={method!r} reads transitions; give transitions=")
        question = _handled(scope, kind, data, transitions, calendar)
        categories = (*kind.going_on, *kind.over)
    (found,) = yield [question]
    check_outcomes(found, "category", categories)
    return result(scope, found, [_HANDLED], lambda counts: _mean(scope, counts))


@attrs.frozen
class _Kind:
    """What differs between the records that are handled."""

    cls: type[Record]
    employee: str
    going_on: tuple[str, ...]
    over: tuple[str, ...]
    ended_at: str


_DEALS = _Kind(Deal, "owner_id", ("open",), ("won", "lost"), "closed_at")
_LEADS = _Kind(Lead, "owner_id", ("open",), ("converted", "disqualified"), "converted_at")
_TICKETS = _Kind(Ticket, "assignee_id", ("open", "paused"), ("resolved",), "resolved_at")


def _applications(deals: Any, leads: Any, tickets: Any) -> tuple[_Kind, Any]:
    if leads is not None and tickets is not None:
        raise InvalidInput("both leads= and tickets= are given; give one of them, and ask twice for both")
    if tickets is not None:
        return _TICKETS, tickets
    if leads is None and deals is None:
        raise InvalidInput("no applications are given; give deals=, leads= or tickets=")
    return (_DEALS, deals) if leads is None else (_LEADS, leads)


def _handled(scope: Scope, kind: _Kind, data: Any, transitions: Any, calendar: BusinessCalendar | None) -> Question:
    """Ask how long applications were with each employee, or with all of them."""
    opened = attrs.evolve(scope, by=tuple(name for name in scope.by if name != _EMPLOYEE))
    needs = ("id", "category", kind.employee, "created_at", kind.ended_at)
    table = opened.open(data, kind.cls, needs=needs, uses=("closed_at",))
    columns = ["id", "subject", "subject_id", "field", "before", "after", "at"]
    states = ["category_after"] if kind is _LEADS else []
    ledger = opened.open(transitions, Transition, needs=[*columns, *states], is_main=False)
    moves = ledger.rows.filter(nw.col("subject") == kind.cls.__name__)
    cases = _judged(opened, kind, _ended(table, kind, moves))
    usable = cases.filter(nw.col("reason").is_null())
    theirs = _segments(opened, kind, usable, moves)
    segments = timed(theirs, "began_at", "left_at", calendar)
    nobodys = usable.join(theirs, on="id", how="anti").with_columns(reason=nw.lit(_NOBODY))
    others = nw.concat([cases.filter(~nw.col("reason").is_null()), nobodys])
    if calendar is not None:
        others = others.collect("polars").lazy()
    groups = group_columns(opened.by)
    rows = nw.concat([_spent(scope, segments, groups), _unspent(others, groups)])
    names = dict(zip(opened.by, groups, strict=True)) | {_EMPLOYEE: "employee"}
    wanted = [nw.col(names[name]).alias(new) for name, new in zip(scope.by, group_columns(scope.by), strict=True)]
    return scope.question(
        rows.select("id", "length", "reason", "category", "left_at", *beside("left_at"), *wanted),
        at="left_at",
        outcome=nw.when(~nw.col("reason").is_null()).then(nw.col("reason")).otherwise(nw.lit(_HANDLED)),
        bucket=length_bucket(nw.col("length")),
        amount=nw.col("length"),
        squares=scope.ci is not None,
    )


def _three(column: str) -> list[str]:
    """An instant and what stands beside it."""
    return [column, *beside(column)]


def _renamed(old: str, new: str) -> list[nw.Expr]:
    return [nw.col(each).alias(name) for each, name in zip(_three(old), _three(new), strict=True)]


def _nothing(column: str) -> list[nw.Expr]:
    return [nw.lit(None, nw.Int64).alias(each) for each in _three(column)]


def _ended(table: Table, kind: _Kind, moves: nw.LazyFrame[Any]) -> nw.LazyFrame[Any]:
    """Applications with when they ended, as far as that is known."""
    if kind is _LEADS:
        last = moves.filter((nw.col("field") == "status") & (nw.col("category_after") == "disqualified"))
        given_up = last.select("subject_id", *_renamed("at", "given_up_at")).group_by("subject_id")
        rows = table.rows.join(
            given_up.agg(nw.col(*_three("given_up_at")).max()), left_on="id", right_on="subject_id", how="left"
        )
        is_given_up, other = nw.col("category") == "disqualified", "given_up_at"
    else:
        rows, other = table.rows, "closed_at" if "closed_at" in table.columns else kind.ended_at
        is_given_up = nw.col(kind.ended_at).is_null()
    return rows.with_columns(
        [
            nw.when(is_given_up).then(nw.col(second)).otherwise(nw.col(first)).alias(into)
            for first, second, into in zip(_three(kind.ended_at), _three(other), _three("ended_at"), strict=True)
        ]
    )


def _judged(scope: Scope, kind: _Kind, rows: nw.LazyFrame[Any]) -> nw.LazyFrame[Any]:
    """Applications that were known, with the `reason` for leaving one out, and `until` when it was somebody's."""
    category, created_at, ended_at = nw.col("category"), nw.col("created_at"), nw.col("ended_at")
    is_over = one_of(category, kind.over)
    is_past = is_over & (ended_at <= scope.known_until)
    reason = (
        categorised([*kind.going_on, *kind.over])
        .when(is_over & ended_at.is_null())
        .then(nw.lit("ended without a date"))
        .when(created_at.is_null())
        .then(nw.lit("no creation date"))
        .when(is_past & (ended_at < created_at))
        .then(nw.lit("ended before it was created"))
        .otherwise(nw.lit(None, nw.String))
    )
    ends = [nw.when(is_past).then(each).alias(name) for each, name in _pairs("ended_at", "until")]
    known = rows.filter(created_at.is_null() | (created_at <= scope.known_until))
    return known.with_columns(reason.alias("reason"), nw.col(kind.employee).alias("employee"), *ends)


def _pairs(old: str, new: str) -> list[tuple[nw.Expr, str]]:
    return [(nw.col(each), name) for each, name in zip(_three(old), _three(new), strict=True)]


def _segments(scope: Scope, kind: _Kind, cases: nw.LazyFrame[Any], moves: nw.LazyFrame[Any]) -> nw.LazyFrame[Any]:
    """One row for each time that somebody had an application; `left_at` is null where they still have it."""
    own = [*group_columns(scope.by), *_three("created_at"), *_three("until")]
    handovers = (
        moves.filter(nw.col("field") == kind.employee)
        .select("before", "after", *_three("at"), move="id", id="subject_id")
        .join(cases.select("id", *own), on="id", how="inner")
        .with_columns(
            nw.col("at").shift(1).over("id", order_by=["at", "move"]).alias("previous"),
            *(
                nw.col(each).shift(-1).over("id", order_by=["at", "move"]).alias(f"next {each}")
                for each in _three("at")
            ),
        )
    )
    is_first, one, zero = nw.col("previous").is_null(), nw.lit(1, nw.Int64), nw.lit(0, nw.Int64)
    nobody = nw.col("before").is_null()
    parts = [
        handovers.filter(is_first & ~nobody).select(
            "id", *own, *_renamed("at", "left_at"), employee="before", began_at="created_at", first=one, start=one
        ),
        handovers.select(
            "id",
            *own,
            *(nw.col(f"next {each}").alias(name) for each, name in zip(_three("at"), _three("left_at"), strict=True)),
            employee="after",
            began_at="at",
            first=nw.when(is_first & nobody).then(one).otherwise(zero),
            start=zero,
        ),
        cases.join(handovers, on="id", how="anti").select(
            "id", *own, *_nothing("left_at"), employee="employee", began_at="created_at", first=one, start=one
        ),
    ]
    names = ["id", *own, "employee", "began_at", *_three("left_at"), "first", "start"]
    together = nw.concat([each.select(*names) for each in parts])
    return _inside(scope, together.filter(~nw.col("employee").is_null()))


def _inside(scope: Scope, segments: nw.LazyFrame[Any]) -> nw.LazyFrame[Any]:
    """The parts of segments between the creation of an application and its end."""
    began_at, left_at, until, created_at = (nw.col(each) for each in ("began_at", "left_at", "until", "created_at"))
    has_begun = (nw.col("start") == 1) | (began_at < until) | (until.is_null() & (began_at <= scope.known_until))
    is_last = left_at.is_null() | (left_at > scope.known_until) | (left_at >= until)
    clipped = [
        nw.when(is_last).then(end).when(left_at < created_at).then(created).otherwise(left).alias(name)
        for (left, name), (end, _), (created, _) in zip(
            _pairs("left_at", "left_at"), _pairs("until", "left_at"), _pairs("created_at", "left_at"), strict=True
        )
    ]
    return segments.filter(has_begun).with_columns(
        *clipped,
        nw.when(began_at < created_at).then(created_at).otherwise(began_at).alias("began_at"),
        nw.when(is_last).then(nw.lit(1, nw.Int64)).otherwise(nw.lit(0, nw.Int64)).alias("last"),
    )


def _spent(scope: Scope, segments: nw.LazyFrame[Any], groups: Sequence[str]) -> nw.LazyFrame[Any]:
    """One row an application and employee, or an application where nobody asks whose, with all of the time that is theirs."""
    still = nw.when(nw.col("left_at").is_null()).then(nw.lit(1, nw.Int64)).otherwise(nw.lit(0, nw.Int64))
    timed_ = segments.with_columns(still=still)
    theirs = [nw.col("length").sum().cast(nw.Int64), nw.col("still", *_three("left_at")).max()]
    if _EMPLOYEE in scope.by and scope.method == "segment":
        spent = timed_.group_by("id", *groups, "employee", drop_null_keys=False).agg(*theirs)
    else:
        owner = nw.col("last" if scope.method == "final_owner" else "first") == 1
        whole = timed_.group_by("id", *groups, drop_null_keys=False).agg(*theirs)
        spent = whole.join(segments.filter(owner).select("id", "employee"), on="id", how="inner")
    is_open = nw.col("still") == 1
    reason = nw.when(is_open).then(nw.lit(_OPEN)).otherwise(nw.lit(None, nw.String))
    ends = [nw.when(~is_open).then(each).alias(name) for each, name in _pairs("left_at", "left_at")]
    nothing = nw.lit(None, nw.String).alias("category")
    return spent.select("id", *groups, "employee", "length", *ends, reason.alias("reason"), nothing)


def _unspent(cases: nw.LazyFrame[Any], groups: Sequence[str]) -> nw.LazyFrame[Any]:
    """Applications of which nothing can be said, in the same columns."""
    return cases.select(
        "id",
        *groups,
        nw.lit(None, nw.String).alias("employee"),
        nw.lit(None, nw.Int64).alias("length"),
        *_nothing("left_at"),
        "reason",
        "category",
    )


def _contacts(scope: Scope, interactions: Any) -> Question:
    """Ask how long contacts lasted."""
    table = scope.open(
        interactions, Interaction, needs=("at", _EMPLOYEE, "duration_seconds"), uses=("provenance", "direction", "id")
    )
    seconds = nw.col("duration_seconds")
    length = (nw.when(~seconds.is_nan()).then(seconds) * 1_000_000).round().cast(nw.Int64)
    outcome = nw.when(nw.col(_EMPLOYEE).is_null()).then(nw.lit(_NOBODY))
    if "direction" in table.columns:
        outcome = outcome.when(nw.col("direction") == "internal").then(nw.lit("internal"))
    if "provenance" in table.columns:
        outcome = outcome.when(nw.col("provenance") == "machine").then(nw.lit("automatic"))
    judged = (
        outcome.when(nw.col("length").is_null())
        .then(nw.lit("no duration"))
        .when(nw.col("length") < 0)
        .then(nw.lit("negative duration"))
        .otherwise(nw.lit(_HANDLED))
    )
    return scope.question(
        table.rows.with_columns(length=length),
        at="at",
        outcome=judged,
        bucket=length_bucket(nw.col("length")),
        amount=nw.col("length"),
        squares=scope.ci is not None,
    )


def _mean(scope: Scope, counts: Counts) -> dict[str, Any]:
    """The mean, where other durations have their median, since that is what the average handling time is."""
    nothing = "no contact was handled" if scope.method == "contacts" else "no application was handled"
    found = minutes(scope, counts, _HANDLED, nothing)
    if not found["n"]:
        return found
    sums = all_sums(counts.get(_HANDLED))
    bounds = (scope.ci and intervals.mean(sums.total, sums.squares, sums.n, scope.ci)) or (None, None)
    low, high = (None if bound is None else bound / MICROSECONDS_A_MINUTE for bound in bounds)
    details = {"median": found["value"], "p90": found["details"]["p90"]}
    return found | {"value": found["details"]["mean"], "low": low, "high": high, "details": details}
