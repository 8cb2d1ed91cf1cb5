"""Resolution: how long tickets take."""

from typing import Any, Unpack

from crmkit.metrics.asking import Steps, kpi
from crmkit.metrics.definition import Definition
from crmkit.metrics.lengths import minutes, timed
from crmkit.metrics.scope import Asked, check_outcomes, make_scope, result
from crmkit.metrics.tickets import (
    CATEGORIES,
    STATES,
    is_open,
    moves,
    open_tickets,
    resolutions,
    timed_while,
    with_end,
    with_first_end,
)
from crmkit.model.calendar import BusinessCalendar

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
    sources=(
        "Zendesk: native time duration metrics, full and first resolution time",
        "fivetran/dbt_zendesk: full_resolution_calendar_minutes",
    ),
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
        measured = timed_while(is_open, rows, moves(scope, transitions, needs=STATES), calendar)
    else:
        measured = timed(rows, "created_at", "resolved_at", calendar)
    (found,) = yield [resolutions(scope, table, measured)]
    check_outcomes(found, "category", CATEGORIES)
    return result(
        scope, found, ["resolved"], lambda counts: minutes(scope, counts, "resolved", "no ticket was resolved")
    )
