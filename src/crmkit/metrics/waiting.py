"""Waiting: how long customers wait for an answer, and how long their tickets take."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, Literal, Unpack

import narwhals as nw
import polars as pl

from crmkit.errors import InvalidInput
from crmkit.frames.door import beside
from crmkit.frames.table import Table
from crmkit.frames.tally import Counts, Question, Sums
from crmkit.metrics.asking import Steps, kpi
from crmkit.metrics.definition import Definition
from crmkit.metrics.scope import Asked, Scope, all_sums, check_outcomes, make_scope, result, unknown
from crmkit.metrics.service import replies
from crmkit.model.calendar import BusinessCalendar
from crmkit.model.ticket import WAITING, Ticket
from crmkit.model.transition import Transition
from crmkit.stats.histogram import Histogram
from crmkit.stats.periods import UNIX_EPOCH

CATEGORIES = ("open", "paused", "resolved")
STATES = ("category_before", "category_after")
MICROSECONDS_A_MINUTE = 60_000_000
_SECOND = 1_000_000
_EXACT = 1024
_STEPS = 10
_UNDATED = "no creation date"

FIRST_RESPONSE_TIME = Definition(
    name="first_response_time",
    title="First response time",
    text="How many minutes it takes until a person answers a ticket; half of the tickets are answered no later than the median.",
    formula="median of (first answer of a person - creation)",
    unit="minutes",
    inputs=("tickets",),
    key="ticket",
    methods={
        "stamp": "the answer is the ticket's first_responded_at; tickets are counted in the period of their answer",
        "interactions": "the answer is the first outbound interaction of a person, or first_responded_at if that is earlier",
    },
    other_inputs={"interactions": ("tickets", "interactions")},
    sources=("Zendesk: first reply time", "fivetran/dbt_zendesk: first_reply_time_calendar_minutes"),
)


@kpi(FIRST_RESPONSE_TIME)
def first_response_time(
    tickets: Any,
    *,
    interactions: Any = None,
    method: str = "stamp",
    calendar: BusinessCalendar | None = None,
    **asked: Unpack[Asked],
) -> Steps:
    """Return the median number of minutes from the creation of a ticket to the first answer of a person.

    Automatic replies and notes are no answer, and a ticket that was reopened has no second first answer. Tickets that nobody has
    answered are not in it, which makes the figure look better than it is while many wait; they are counted as left out. The default
    needs only the tickets.

    The mean is exact; the median and the 90th percentile are off by less than a second up to 17 minutes, and by less than 0.4 %
    beyond.

    Args:
        tickets: records, or a Polars, pandas or Arrow table with `created_at` and `first_responded_at`; "interactions" needs
            `id` and reads `first_responded_at`.
        interactions: for "interactions", records or a table with `ticket_id`, `direction` and `at`; it reads `provenance`.
        method: "stamp" or "interactions".
        calendar: the working time in which minutes are counted; without one every minute counts. With one the tickets
            are read out of the engine that holds them.
        ci: confidence of the interval of the median, from order statistics; None for none.
        asked: as for every KPI, see `crmkit.metrics`.

    Returns:
        Measures in minutes: the median as value, all minutes as numerator, tickets as denominator, and `details` with the mean
        and the 90th percentile. No value, with a reason, where no ticket was answered. Left out and counted: tickets that are not
        answered, those without a creation date, and those answered before they were created.

    Raises:
        InvalidInput: for a missing column, a naive timestamp, or an unknown direction.

    >>> from datetime import date, UTC, datetime
    >>> opened, answered = datetime(2025, 5, 1, 9, tzinfo=UTC), datetime(2025, 5, 1, 9, 40, tzinfo=UTC)
    >>> first_response_time([Ticket(created_at=opened, first_responded_at=answered)], as_of=date(2025, 5, 31)).value
    40.0
    """
    scope = make_scope(FIRST_RESPONSE_TIME, method, asked)
    (found,) = yield [_responses(scope, tickets, interactions if method == "interactions" else None, calendar)]
    return result(
        scope, found, ["answered"], lambda counts: minutes(scope, counts, "answered", "no ticket was answered")
    )


RESOLUTION_TIME = Definition(
    name="resolution_time",
    title="Resolution time",
    text="How many minutes it takes until a ticket is resolved; half of the tickets take no longer than the median.",
    formula="median of (resolution - creation)",
    unit="minutes",
    inputs=("tickets",),
    key="ticket",
    methods={
        "full": "to the last resolution, pauses included; tickets are counted in the period of that resolution",
        "first": "to the first resolution, whether it lasted or not, in the period of that",
        "exclude_pending": "as full, but only the time in which the ticket was open: neither paused nor resolved for a while",
    },
    other_inputs=dict.fromkeys(("first", "exclude_pending"), ("tickets", "transitions")),
    sources=("Zendesk: full and first resolution time", "fivetran/dbt_zendesk: full_resolution_calendar_minutes"),
)


@kpi(RESOLUTION_TIME)
def resolution_time(
    tickets: Any,
    *,
    transitions: Any = None,
    method: str = "full",
    calendar: BusinessCalendar | None = None,
    **asked: Unpack[Asked],
) -> Steps:
    """Return the median number of minutes from the creation of a ticket to its resolution.

    The default is what the customer sees: from the creation to the resolution that lasted, pauses included. A ticket
    that was closed without being resolved counts to its close. Open tickets are not in it; see `backlog_age` for them.

    The mean is exact; the median and the 90th percentile are off by less than a second up to 17 minutes, and by less than 0.4 %
    beyond.

    Args:
        tickets: records, or a Polars, pandas or Arrow table with `category` ("open", "paused", "resolved"), `created_at` and
            `resolved_at`; it reads `closed_at` and `merged_into_id`. All but "full" need `id`.
        transitions: for "first" and "exclude_pending", records or a table with `subject_id`, `field`, `category_before`,
            `category_after` and `at`; it reads `subject`. A ticket without any was open until it was resolved.
        method: "full", "first" or "exclude_pending".
        calendar: the working time in which minutes are counted; without one every minute counts. With one the tickets
            are read out of the engine that holds them.
        ci: confidence of the interval of the median, from order statistics; None for none.
        asked: as for every KPI, see `crmkit.metrics`.

    Returns:
        Measures in minutes: the median as value, all minutes as numerator, tickets as denominator, and `details` with the mean
        and the 90th percentile. No value, with a reason, where no ticket was resolved. Left out and counted: tickets not resolved,
        merged ones, those without a creation date or resolved without a date, those resolved before they were created,
        and those whose history does not fit.

    Raises:
        InvalidInput: for a missing column, a naive timestamp or an unknown category.

    >>> from datetime import date, UTC, datetime
    >>> opened, done = datetime(2025, 5, 1, 9, tzinfo=UTC), datetime(2025, 5, 1, 15, 30, tzinfo=UTC)
    >>> resolution_time([Ticket(category="resolved", created_at=opened, resolved_at=done)], as_of=date(2025, 5, 31)).value
    390.0
    """
    scope = make_scope(RESOLUTION_TIME, method, asked)
    keys = () if method == "full" else ("id",)
    table = open_tickets(scope, tickets, needs=keys)
    rows = with_end(table)
    if method == "first":
        rows = with_first_end(rows, moves(scope, transitions, needs=STATES))
    if method == "exclude_pending":
        lengths = _timed_while(_is_open, rows, moves(scope, transitions, needs=STATES), calendar)
    else:
        lengths = timed(rows, "created_at", "resolved_at", calendar)
    (found,) = yield [_resolutions(scope, table, lengths)]
    check_outcomes(found, "category", CATEGORIES)
    return result(
        scope, found, ["resolved"], lambda counts: minutes(scope, counts, "resolved", "no ticket was resolved")
    )


WAITING_TIME = Definition(
    name="waiting_time",
    title="Waiting time",
    text="How many minutes a customer waits for the business; half of the customers wait no longer than the median.",
    formula="median of the minutes for which a ticket waited for the business",
    unit="minutes",
    inputs=("tickets",),
    key="ticket",
    methods={
        "first_reply": "from the creation to the first answer of a person, in the period of the answer",
        "requester_wait": "all time until the resolution in which the ticket did not wait for the customer, in the period of that",
    },
    other_inputs={"requester_wait": ("tickets", "transitions")},
    sources=("Zendesk: first reply time, requester wait time", "fivetran/dbt_zendesk: requester_wait_time_in_minutes"),
)


@kpi(WAITING_TIME)
def waiting_time(
    tickets: Any,
    *,
    transitions: Any = None,
    method: str = "first_reply",
    pending: Sequence[str] = (WAITING,),
    calendar: BusinessCalendar | None = None,
    **asked: Unpack[Asked],
) -> Steps:
    """Return the median number of minutes for which a customer waited.

    Two figures go by this name: the wait for the first answer, which is the default because it is what the customer feels, and all the
    time in which it was the business's turn. A ticket that is paused under a label that is not `pending`, such as one on hold for a
    part, keeps its customer waiting.

    The mean is exact; the median and the 90th percentile are off by less than a second up to 17 minutes, and by less than 0.4 %
    beyond.

    Args:
        tickets: records, or a Polars, pandas or Arrow table; "first_reply" reads it as `first_response_time` does,
            "requester_wait" needs `id`, `category`, `created_at` and `resolved_at` and reads `closed_at` and `merged_into_id`.
        transitions: for "requester_wait", records or a table with `subject_id`, `field`, `before`, `after`, `category_before`,
            `category_after` and `at`; it reads `subject`.
        method: "first_reply" or "requester_wait".
        pending: the labels of status under which a paused ticket waits for the customer.
        calendar: the working time in which minutes are counted; without one every minute counts. With one the tickets
            are read out of the engine that holds them.
        ci: confidence of the interval of the median, from order statistics; None for none.
        asked: as for every KPI, see `crmkit.metrics`.

    Returns:
        Measures in minutes: the median as value, all minutes as numerator, tickets as denominator, and `details` with the mean
        and the 90th percentile. No value, with a reason, where nobody waited. Left out and counted as in `first_response_time` or
        `resolution_time`.

    Raises:
        InvalidInput: for a missing column, a naive timestamp, an unknown category, or `pending` that is no list of labels.

    >>> from datetime import date, UTC, datetime, timedelta
    >>> from crmkit.model.ticket import resolve, resume, wait
    >>> opened = datetime(2025, 5, 1, 9, tzinfo=UTC)
    >>> ticket, asked = wait(Ticket(created_at=opened), at=opened + timedelta(minutes=20))
    >>> ticket, told = resume(ticket, at=opened + timedelta(days=3))
    >>> ticket, done = resolve(ticket, at=opened + timedelta(days=3, minutes=10))
    >>> waiting_time([ticket], transitions=[asked, told, done], method="requester_wait", as_of=date(2025, 5, 31)).value
    30.0
    """
    scope = make_scope(WAITING_TIME, method, asked)
    if isinstance(pending, str) or not all(isinstance(label, str) for label in pending):
        raise InvalidInput(f"pending={pending!r} is no list of labels; give some such as ['Waiting on customer']")
    if method == "first_reply":
        outcome, nothing = "answered", "no ticket was answered"
        (found,) = yield [_responses(scope, tickets, None, calendar)]
    else:
        outcome, nothing = "resolved", "no ticket was resolved"
        table = open_tickets(scope, tickets, needs=("id",))
        history = moves(scope, transitions, needs=("before", "after", *STATES))
        lengths = _timed_while(lambda side: _waits(side, pending), with_end(table), history, calendar)
        (found,) = yield [_resolutions(scope, table, lengths)]
        check_outcomes(found, "category", CATEGORIES)
    return result(scope, found, [outcome], lambda counts: minutes(scope, counts, outcome, nothing))


def minutes(scope: Scope, counts: Counts, outcome: str, nothing: str) -> dict[str, Any]:
    """Return the median of durations in minutes, with the mean and the 90th percentile, from their sums in each `length_bucket`.

    All durations of a bucket are taken to be as long as their mean: of one ticket alone that is exact.
    """
    buckets = counts.get(outcome, {})
    lengths = Histogram({_mean(sums): sums.n for sums in buckets.values()})
    low, high = (scope.ci and lengths.median_interval(scope.ci)) or (None, None)
    middle, p90, sums = lengths.quantile(0.5), lengths.quantile(0.9), all_sums(buckets)
    details = (
        {} if p90 is None else {"mean": sums.total / sums.n / MICROSECONDS_A_MINUTE, "p90": p90 / MICROSECONDS_A_MINUTE}
    )
    return {
        "value": None if middle is None else middle / MICROSECONDS_A_MINUTE,
        "unit": "minutes",
        "numerator": sums.total / MICROSECONDS_A_MINUTE,
        "denominator": sums.n,
        "n": sums.n,
        "low": None if low is None else low / MICROSECONDS_A_MINUTE,
        "high": None if high is None else high / MICROSECONDS_A_MINUTE,
        "reason": None if sums.n else nothing,
        "details": details,
    }


def _mean(sums: Sums) -> int:
    return sums.total // sums.n


def length_bucket(length: nw.Expr) -> nw.Expr:
    """Return the bucket of a duration in microseconds: its second up to some minutes, an interval of less than 0.4 % beyond.

    The durations of any number of tickets fill at most some thousands of buckets. The bucket is the second at which it begins.
    """
    seconds = length // _SECOND
    width = nw.lit(1, nw.Int64)
    for step in range(1, _STEPS):
        # Where durations are four times as long, so are the buckets wide.
        width = nw.when(seconds >= _EXACT * 4 ** (step - 1)).then(nw.lit(4**step, nw.Int64)).otherwise(width)
    return nw.when(length >= 0).then(seconds - seconds % width)


def timed(rows: nw.LazyFrame[Any], start: str, end: str, calendar: BusinessCalendar | None) -> nw.LazyFrame[Any]:
    """Return rows with the `length` of the time from one instant to another, of a calendar's working time where there is one.

    No engine knows working time, so with a calendar the rows are read and counted here.
    """
    if calendar is None:
        return rows.with_columns(length=nw.col(end) - nw.col(start))
    schedule = calendar.schedule
    frame = rows.collect("polars").to_native()
    lengths = [
        None if first is None or last is None else schedule.between(_instant(first), _instant(last))
        for first, last in frame.select(start, end).iter_rows()
    ]
    measured: nw.LazyFrame[Any] = nw.from_native(
        frame.with_columns(pl.Series("length", lengths, dtype=pl.Int64)).lazy()
    )
    return measured


def _instant(microseconds: int) -> datetime:
    return UNIX_EPOCH + timedelta(microseconds=microseconds)


def open_tickets(scope: Scope, tickets: Any, *, needs: Sequence[str] = (), uses: Sequence[str] = ()) -> Table:
    """Return the tickets with what says whether and when they were resolved."""
    needs = ("category", "created_at", "resolved_at", *needs)
    return scope.open(tickets, Ticket, needs=needs, uses=("closed_at", "merged_into_id", "id", *uses))


def with_end(table: Table) -> nw.LazyFrame[Any]:
    """Return tickets whose `resolved_at` is when they ended: closed without being resolved, they ended then; open, not at all."""
    columns = ["resolved_at", *beside("resolved_at")]
    others = ["closed_at", *beside("closed_at")] if "closed_at" in table.columns else columns
    is_resolved = nw.col("category") == "resolved"
    return table.rows.with_columns(
        [
            nw.when(is_resolved)
            .then(nw.when(nw.col(column).is_null()).then(nw.col(other)).otherwise(nw.col(column)))
            .alias(column)
            for column, other in zip(columns, others, strict=True)
        ]
    )


def is_merged(scope: Scope, table: Table) -> nw.Expr:
    """Whether a ticket was merged up to `as_of` into another one, which then stands for both."""
    if "merged_into_id" not in table.columns:
        return nw.lit(value=False)
    merged = ~nw.col("merged_into_id").is_null()
    if "closed_at" not in table.columns:
        return merged
    return merged & (nw.col("closed_at").is_null() | (nw.col("closed_at") <= scope.known_until))


def moves(scope: Scope, transitions: Any, *, needs: Sequence[str], field: str = "status") -> nw.LazyFrame[Any]:
    """Return the transitions of one field of tickets up to `as_of`."""
    columns = ("subject_id", "field", "at", *needs)
    table = scope.open(transitions, Transition, needs=columns, uses=("subject",), is_main=False)
    own = (nw.col("field") == field) & (nw.col("at") <= scope.known_until)
    return table.rows.filter(own & (nw.col("subject") == "Ticket") if "subject" in table.columns else own)


def _responses(scope: Scope, tickets: Any, interactions: Any | None, calendar: BusinessCalendar | None) -> Question:
    """Ask how long the first answers took, in the period of each answer."""
    answers = ["first_responded_at", *beside("first_responded_at")]
    if interactions is None:
        rows = scope.open(tickets, Ticket, needs=("created_at", "first_responded_at"), uses=("id",)).rows
    else:
        table = scope.open(tickets, Ticket, needs=("id", "created_at"), uses=("first_responded_at",))
        rows = _with_first_reply(table, replies(scope, interactions), answers)
    created_at, answered_at = nw.col("created_at"), nw.col("first_responded_at")
    is_answered = answered_at <= scope.known_until
    outcome = (
        nw.when(created_at.is_null())
        .then(nw.lit(_UNDATED))
        .when(answered_at.is_null() | ~is_answered)
        .then(nw.lit("not answered"))
        .when(answered_at < created_at)
        .then(nw.lit("answered before it was created"))
        .otherwise(nw.lit("answered"))
    )
    known = rows.filter(created_at.is_null() | (created_at <= scope.known_until))
    return _lengths(scope, timed(known, "created_at", "first_responded_at", calendar), answers[0], outcome, is_answered)


def _with_first_reply(table: Table, said: nw.LazyFrame[Any], answers: Sequence[str]) -> nw.LazyFrame[Any]:
    first = said.group_by("ticket_id").agg(
        [
            nw.col(column).min().alias(f"reply {answer}")
            for column, answer in zip(["at", *beside("at")], answers, strict=True)
        ]
    )
    rows = table.rows.join(first, left_on="id", right_on="ticket_id", how="left")
    stamped = "first_responded_at" in table.columns
    return rows.with_columns(
        [
            (nw.min_horizontal(answer, f"reply {answer}") if stamped else nw.col(f"reply {answer}")).alias(answer)
            for answer in answers
        ]
    )


def with_first_end(rows: nw.LazyFrame[Any], history: nw.LazyFrame[Any]) -> nw.LazyFrame[Any]:
    """Return tickets whose `resolved_at` is their first resolution, also of those that are open again."""
    ends = ["resolved_at", *beside("resolved_at")]
    first = (
        history.filter(nw.col("category_after") == "resolved")
        .group_by("subject_id")
        .agg(
            [
                nw.col(column).min().alias(f"first {end}")
                for column, end in zip(["at", *beside("at")], ends, strict=True)
            ]
        )
    )
    joined = rows.join(first, left_on="id", right_on="subject_id", how="left")
    return joined.with_columns([nw.min_horizontal(end, f"first {end}").alias(end) for end in ends])


Side = Literal["before", "after"]


def _is_open(side: Side) -> nw.Expr:
    return nw.col(f"category_{side}") == "open"


def _waits(side: Side, pending: Sequence[str]) -> nw.Expr:
    """Whether a ticket waited for the business before or after a move: open, or paused for another reason than the customer."""
    return _is_open(side) | ((nw.col(f"category_{side}") == "paused") & ~nw.col(side).is_in(list(pending)))


def _timed_while(
    counts: Callable[[Side], nw.Expr],
    rows: nw.LazyFrame[Any],
    history: nw.LazyFrame[Any],
    calendar: BusinessCalendar | None,
) -> nw.LazyFrame[Any]:
    """Return tickets with the time during which they were in a state that `counts`, and whether that `fits` their full time.

    With all instants measured from the creation, it is those of leaving the state less those of entering it.
    """
    joined = rows.select("id", "created_at").join(
        history.with_columns(leaving=_one_if(counts("before")) - _one_if(counts("after"))),
        left_on="id",
        right_on="subject_id",
        how="inner",
    )
    since = timed(joined, "created_at", "at", calendar).with_columns(spent=nw.col("leaving") * nw.col("length"))
    spent = since.group_by("id").agg(nw.col("spent").sum().cast(nw.Int64))
    known = nw.when(nw.col("spent").is_null()).then(nw.col("length")).otherwise(nw.col("spent"))
    return (
        timed(rows, "created_at", "resolved_at", calendar)
        .join(spent, on="id", how="left")
        .with_columns(length=known, fits=(known >= 0) & (known <= nw.col("length")))
    )


def _one_if(condition: nw.Expr) -> nw.Expr:
    return nw.when(condition).then(nw.lit(1, nw.Int64)).otherwise(nw.lit(0, nw.Int64))


def _resolutions(scope: Scope, table: Table, rows: nw.LazyFrame[Any]) -> Question:
    """Ask how long resolved tickets took, in the period of each resolution."""
    created_at, resolved_at = nw.col("created_at"), nw.col("resolved_at")
    outcome = (
        unresolved(scope, table)
        .when(created_at.is_null())
        .then(nw.lit(_UNDATED))
        .when(resolved_at < created_at)
        .then(nw.lit("resolved before it was created"))
    )
    if "fits" in rows.collect_schema():
        outcome = outcome.when(~nw.col("fits")).then(nw.lit("its history does not fit"))
    known = rows.filter(created_at.is_null() | (created_at <= scope.known_until))
    return _lengths(
        scope, known, "resolved_at", outcome.otherwise(nw.lit("resolved")), resolved_at <= scope.known_until
    )


def unresolved(scope: Scope, table: Table) -> Any:
    """Return the outcomes, to be continued with `when`, of tickets that were not resolved at a known instant up to `as_of`."""
    category, resolved_at = nw.col("category"), nw.col("resolved_at")
    not_yet = category.is_null() | category.is_in(["open", "paused"])
    return (
        nw.when((not_yet & resolved_at.is_null()) | (resolved_at > scope.known_until))
        .then(nw.lit("not resolved"))
        .when(~category.is_in(CATEGORIES))
        .then(unknown("category"))
        .when(is_merged(scope, table))
        .then(nw.lit("merged into another"))
        .when(resolved_at.is_null())
        .then(nw.lit("resolved without a date"))
    )


def _lengths(scope: Scope, rows: nw.LazyFrame[Any], at: str, outcome: nw.Expr, dated: nw.Expr) -> Question:
    length = nw.col("length")
    bucket = nw.when(dated).then(length_bucket(length))
    return scope.question(rows, at=at, dated=dated, outcome=outcome, bucket=bucket, amount=length)
