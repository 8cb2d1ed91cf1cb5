"""Waiting: how long customers wait for an answer, and for the business altogether."""

from collections.abc import Sequence
from typing import Any, Unpack

import narwhals as nw

from crmkit.errors import InvalidInput
from crmkit.frames.door import beside
from crmkit.frames.table import Table
from crmkit.frames.tally import Counts, Question
from crmkit.frames.words import one_of, unknown
from crmkit.metrics.asking import Steps, kpi
from crmkit.metrics.definition import Definition
from crmkit.metrics.lengths import MICROSECONDS_A_MINUTE, lengths, minutes, timed
from crmkit.metrics.scope import Asked, Scope, all_sums, check_outcomes, make_scope, result
from crmkit.metrics.service import replies, without_openings
from crmkit.metrics.tickets import (
    CATEGORIES,
    STATES,
    UNDATED,
    Side,
    is_merged,
    is_open,
    moves,
    open_tickets,
    resolutions,
    timed_while,
    with_end,
)
from crmkit.model.calendar import BusinessCalendar
from crmkit.model.ticket import WAITING, Ticket
from crmkit.stats import intervals

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
    sources=(
        "Zendesk: native time duration metrics, first reply time",
        "fivetran/dbt_zendesk: first_reply_time_calendar_minutes",
    ),
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

    Automatic replies and notes are no answer, nor is the message with which an agent opened the ticket, at the very instant of its
    creation; a ticket that was reopened has no second first answer. Tickets that nobody has
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
        "asa": "average speed of answer: the mean from the creation to the first answer; who gave up before is counted apart",
    },
    other_inputs={"requester_wait": ("tickets", "transitions")},
    sources=(
        "Zendesk: native time duration metrics, first reply time and requester wait time",
        "fivetran/dbt_zendesk: requester_wait_time_in_minutes",
        "Talkdesk: average waiting time, also called average speed of answer",
    ),
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
    """Return the median number of minutes for which a customer waited; for "asa" the mean.

    Several figures go by this name: the wait for the first answer, which is the default because it is what the customer feels, and
    all the time in which it was the business's turn. A ticket that is paused under a label that is not `pending`, such as one on
    hold for a part, keeps its customer waiting. Telephony gives the mean wait of the calls that were answered ("asa"): a call is a
    ticket, and one that ended without an answer was abandoned. The impatient are not in the mean, so read both together.

    The mean is exact; the median and the 90th percentile are off by less than a second up to 17 minutes, and by less than 0.4 %
    beyond.

    Args:
        tickets: records, or a Polars, pandas or Arrow table; "first_reply" reads it as `first_response_time` does,
            "requester_wait" needs `id`, `category`, `created_at` and `resolved_at` and reads `closed_at` and `merged_into_id`;
            "asa" needs and reads the same but for `id`, and `first_responded_at`.
        transitions: for "requester_wait", records or a table with `subject_id`, `field`, `before`, `after`, `category_before`,
            `category_after` and `at`; it reads `subject`.
        method: "first_reply", "requester_wait" or "asa".
        pending: the labels of status under which a paused ticket waits for the customer.
        calendar: the working time in which minutes are counted; without one every minute counts. With one the tickets
            are read out of the engine that holds them.
        ci: confidence of the interval of the median, from order statistics, for "asa" of the mean by the normal approximation;
            None for none.
        asked: as for every KPI, see `crmkit.metrics`.

    Returns:
        Measures in minutes: the median as value, all minutes as numerator, tickets as denominator, and `details` with the mean
        (the `median` for "asa") and the 90th percentile. No value, with a reason, where nobody waited. Left out and counted as in
        `first_response_time` or `resolution_time`, and for "asa" those abandoned, in the period of their end.

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
    if method == "asa":
        (found,) = yield [_calls(scope, tickets, calendar)]
        check_outcomes(found, "category", CATEGORIES)
        return result(scope, found, ["answered"], lambda counts: _speed(scope, counts))
    if method == "first_reply":
        outcome, nothing = "answered", "no ticket was answered"
        (found,) = yield [_responses(scope, tickets, None, calendar)]
    else:
        outcome, nothing = "resolved", "no ticket was resolved"
        table = open_tickets(scope, tickets, needs=("id",))
        history = moves(scope, transitions, needs=("before", "after", *STATES))
        measured = timed_while(lambda side: _waits(side, pending), with_end(table), history, calendar)
        (found,) = yield [resolutions(scope, table, measured)]
        check_outcomes(found, "category", CATEGORIES)
    return result(scope, found, [outcome], lambda counts: minutes(scope, counts, outcome, nothing))


def _responses(scope: Scope, tickets: Any, interactions: Any | None, calendar: BusinessCalendar | None) -> Question:
    """Ask how long the first answers took, in the period of each answer."""
    answers = ["first_responded_at", *beside("first_responded_at")]
    if interactions is None:
        rows = scope.open(tickets, Ticket, needs=("created_at", "first_responded_at"), uses=("id",)).rows
    else:
        table = scope.open(tickets, Ticket, needs=("id", "created_at"), uses=("first_responded_at",))
        rows = _with_first_reply(table, without_openings(replies(scope, interactions), table.rows), answers)
    created_at, answered_at = nw.col("created_at"), nw.col("first_responded_at")
    is_answered = answered_at <= scope.known_until
    outcome = (
        nw.when(created_at.is_null())
        .then(nw.lit(UNDATED))
        .when(answered_at.is_null() | ~is_answered)
        .then(nw.lit("not answered"))
        .when(answered_at < created_at)
        .then(nw.lit("answered before it was created"))
        .otherwise(nw.lit("answered"))
    )
    known = rows.filter(created_at.is_null() | (created_at <= scope.known_until))
    return lengths(scope, timed(known, "created_at", "first_responded_at", calendar), answers[0], outcome, is_answered)


def _calls(scope: Scope, tickets: Any, calendar: BusinessCalendar | None) -> Question:
    """Ask how long it took to answer, in the period of the answer, and for those abandoned, in that of their end."""
    table = open_tickets(scope, tickets, needs=("first_responded_at",))
    created_at, answered_at, resolved_at = (nw.col(f"{each}_at") for each in ("created", "first_responded", "resolved"))
    category, is_answered = nw.col("category"), answered_at <= scope.known_until
    moments = [[f"{each}_at", *beside(f"{each}_at")] for each in ("over", "first_responded", "resolved")]
    rows = with_end(table).with_columns(
        [
            nw.when(is_answered).then(nw.col(answer)).otherwise(nw.col(end)).alias(over)
            for over, answer, end in zip(*moments, strict=True)
        ]
    )
    outcome = (
        nw.when(~category.is_null() & ~one_of(category, CATEGORIES))
        .then(unknown("category"))
        .when(created_at.is_null())
        .then(nw.lit(UNDATED))
        .when(is_answered & (answered_at < created_at))
        .then(nw.lit("answered before it was created"))
        .when(is_answered)
        .then(nw.lit("answered"))
        .when(category.is_null() | (category != "resolved") | (resolved_at > scope.known_until))
        .then(nw.lit("not answered"))
        .when(is_merged(scope, table))
        .then(nw.lit("merged into another"))
        .when(resolved_at.is_null())
        .then(nw.lit("resolved without a date"))
        .otherwise(nw.lit("abandoned"))
    )
    known = rows.filter(created_at.is_null() | (created_at <= scope.known_until))
    dated = nw.col("over_at") <= scope.known_until
    return lengths(scope, timed(known, "created_at", "over_at", calendar), "over_at", outcome, dated, squares=True)


def _speed(scope: Scope, counts: Counts) -> dict[str, Any]:
    """The mean of the durations of what was answered, with its interval."""
    found = minutes(scope, counts, "answered", "no ticket was answered")
    if not found["n"]:
        return found
    sums = all_sums(counts["answered"])
    bounds = scope.ci and intervals.mean(sums.total, sums.squares, sums.n, scope.ci)
    low, high = (each / MICROSECONDS_A_MINUTE for each in bounds) if bounds else (None, None)
    return found | {
        "value": found["details"]["mean"],
        "low": None if low is None else max(low, 0.0),
        "high": high,
        "details": {"median": found["value"], "p90": found["details"]["p90"]},
    }


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


def _waits(side: Side, pending: Sequence[str]) -> nw.Expr:
    """Whether a ticket waited for the business before or after a move: open, or paused for another reason than the customer."""
    return is_open(side) | ((nw.col(f"category_{side}") == "paused") & ~nw.col(side).is_in(list(pending)))
