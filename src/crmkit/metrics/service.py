"""Service: how well requests for help are dealt with."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import narwhals as nw

from crmkit.errors import InvalidInput
from crmkit.frames.table import Table, open_table
from crmkit.frames.tally import Counts
from crmkit.metrics.definition import Definition
from crmkit.metrics.result import MetricResult
from crmkit.metrics.scope import Moment, Scope, check_outcomes, make_scope, result, rows, unknown
from crmkit.model.interaction import Interaction
from crmkit.model.ticket import Ticket
from crmkit.stats import intervals

_COUNTED = ("first contact", "more contacts")
_UNDATED = "resolved without a date"
_CATEGORIES = ("open", "paused", "resolved")
_DIRECTIONS = ("inbound", "outbound", "internal")

FIRST_CONTACT_RESOLUTION = Definition(
    name="first_contact_resolution",
    title="First contact resolution",
    text="Of the tickets that were resolved in the period, the share that needed at most one reply and did not come back.",
    formula="tickets with at most one reply, not reopened, without a new ticket of the customer on the topic / resolved tickets",
    unit="share",
    inputs=("tickets", "interactions"),
    methods={"no_repeat": "at most one reply, never reopened, and no new ticket on the topic within the window"},
    sources=("Zendesk: one-touch tickets", "callcentrehelper.com: first contact resolution"),
)


def first_contact_resolution(
    *,
    tickets: Any,
    interactions: Any,
    as_of: Moment,
    start: Moment | None = None,
    end: Moment | None = None,
    every: str | None = None,
    by: str | Sequence[str] | None = None,
    tz: str = "UTC",
    method: str = "no_repeat",
    repeat_within_days: int = 7,
    ci: float | None = 0.95,
    columns: Mapping[str, str] | None = None,
) -> MetricResult:
    """Return the share of resolved tickets that were resolved at the first contact.

    A ticket counts as such if it got at most one reply from a person of the business, was never reopened, and its customer
    opened no other ticket on the same topic within `repeat_within_days` after the resolution. A ticket whose window has not
    passed at `as_of` may still come back, so it is left out and counted.

    Args:
        tickets: records, or a Polars, pandas or Arrow table with `id`, `customer_id`, `category`, `created_at` and `resolved_at`;
            it reads `topic` (tickets without one are taken to be on one topic) and `reopen_count`.
        interactions: records or a table with `ticket_id`, `direction` and `at`; only "outbound" ones are replies, and
            where there is a column `provenance`, those of a "machine" are none.
        method: "no_repeat".
        repeat_within_days: the length of the window; 0 for none.
        ci: confidence of the interval by Wilson; None for none.
        as_of, start, end, every, by, tz, columns: as for every KPI, see `crmkit.metrics`.

    Returns:
        Measures in shares from 0 to 1, by the period of resolution; numerator resolved at the first contact, denominator
        resolved. No value, with a reason, where nothing was resolved. Left out and counted: tickets not resolved, those resolved
        without a date, and those whose window is still open.

    Raises:
        InvalidInput: for a missing column, a naive timestamp, an unknown category, or a negative window.

    >>> from datetime import date, UTC, datetime
    >>> ticket = Ticket(id="t1", category="resolved", customer_id="ann", created_at=datetime(2025, 5, 1, tzinfo=UTC),
    ...                 resolved_at=datetime(2025, 5, 2, tzinfo=UTC))
    >>> first_contact_resolution(tickets=[ticket], interactions=[], as_of=date(2025, 5, 31)).value
    1.0
    """
    scope = make_scope(
        FIRST_CONTACT_RESOLUTION,
        as_of=as_of,
        start=start,
        end=end,
        every=every,
        by=by,
        tz=tz,
        method=method,
        ci=ci,
    )
    if not isinstance(repeat_within_days, int) or repeat_within_days < 0:
        raise InvalidInput(
            f"repeat_within_days={repeat_within_days!r} is no window; give a whole number of days, or 0 for none"
        )
    window = timedelta(days=repeat_within_days)
    needs = ("id", "customer_id", "category", "created_at", "resolved_at")
    table = open_table(tickets, Ticket, needs=needs, uses=("topic", "reopen_count"), by=scope.by, columns=columns)
    replied = _replies(scope, interactions, columns)
    rows_ = table.rows.filter(nw.col("created_at").is_null() | (nw.col("created_at") <= scope.as_of))
    judged = rows_.join(replied, left_on="id", right_on="ticket_id", how="left").join(
        _repeated(rows_, table, window), on="id", how="left"
    )
    resolved = (nw.col("category") == "resolved") & (nw.col("resolved_at") <= scope.as_of)
    found = scope.tally(
        judged, at=nw.when(resolved).then(nw.col("resolved_at")), outcome=_outcome(scope, table, window)
    )
    check_outcomes(found, "category", _CATEGORIES)
    return result(scope, found, _COUNTED, lambda counts: _share(counts, ci))


def _replies(scope: Scope, interactions: Any, columns: Mapping[str, str] | None) -> nw.LazyFrame[Any]:
    """The number of replies by people to each ticket."""
    table = open_table(
        interactions, Interaction, needs=("ticket_id", "direction", "at"), uses=("provenance",), columns=columns
    )
    _check_directions(table)
    is_reply = (nw.col("direction") == "outbound") & ~nw.col("ticket_id").is_null() & (nw.col("at") <= scope.as_of)
    if "provenance" in table.columns:
        is_reply = is_reply & (nw.col("provenance").is_null() | (nw.col("provenance") != "machine"))
    return table.rows.filter(is_reply).group_by("ticket_id").agg(replies=nw.len())


def _check_directions(table: Table) -> None:
    found = table.rows.select("direction").unique().collect()["direction"].to_list()
    strange = sorted(word for word in found if word is not None and word not in _DIRECTIONS)
    if strange:
        listed = ", ".join(map(repr, strange[:5]))
        raise InvalidInput(f"column 'direction' holds {listed}; accepted are {', '.join(map(repr, _DIRECTIONS))}")


def _repeated(tickets: nw.LazyFrame[Any], table: Table, window: timedelta) -> nw.LazyFrame[Any]:
    """The tickets after whose resolution their customer opened another one on the topic, within the window.

    Tickets without a topic are on one topic: nobody knows that they are not.
    """
    keys = ["customer_id", "topic"]
    topic = nw.col("topic").fill_null("") if "topic" in table.columns else nw.lit("")
    known = tickets.select("id", "customer_id", "created_at", "resolved_at", topic=topic)
    resolved = known.filter(~nw.col("resolved_at").is_null()).select("id", "resolved_at", *keys)
    opened = known.select(*keys, other_id=nw.col("id"), opened_at=nw.col("created_at"))
    after = (nw.col("opened_at") > nw.col("resolved_at")) & (nw.col("opened_at") <= nw.col("resolved_at") + window)
    pairs = resolved.join(opened, on=keys, how="inner")
    return pairs.filter(after & (nw.col("other_id") != nw.col("id"))).group_by("id").agg(repeats=nw.len())


def _outcome(scope: Scope, table: Table, window: timedelta) -> nw.Expr:
    category, resolved_at = nw.col("category"), nw.col("resolved_at")
    first = nw.col("replies").fill_null(0) <= 1
    first = first & nw.col("repeats").is_null()
    if "reopen_count" in table.columns:
        first = first & (nw.col("reopen_count").fill_null(0) == 0)
    is_resolved = category == "resolved"
    return (
        nw.when(category.is_null() | category.is_in(["open", "paused"]) | (is_resolved & (resolved_at > scope.as_of)))
        .then(nw.lit("not resolved"))
        .when(~is_resolved)
        .then(unknown("category"))
        .when(resolved_at.is_null())
        .then(nw.lit(_UNDATED))
        .when(resolved_at + window > scope.as_of)
        .then(nw.lit("window still open"))
        .when(first)
        .then(nw.lit("first contact"))
        .otherwise(nw.lit("more contacts"))
    )


def _share(counts: Counts, ci: float | None) -> dict[str, Any]:
    first = rows(counts.get("first contact"))
    n = first + rows(counts.get("more contacts"))
    low, high = (ci and intervals.proportion(first, n, ci)) or (None, None)
    return {
        "value": first / n if n else None,
        "unit": "share",
        "numerator": first,
        "denominator": n,
        "n": n,
        "low": low,
        "high": high,
        "reason": None if n else "no ticket was resolved",
    }
