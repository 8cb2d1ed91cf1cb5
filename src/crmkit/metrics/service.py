"""Service: how well requests for help are dealt with."""

from typing import Any, Unpack

import narwhals as nw

from crmkit.errors import InvalidInput
from crmkit.frames.door import MICROSECONDS_A_DAY
from crmkit.frames.table import Table
from crmkit.metrics.asking import Steps, kpi
from crmkit.metrics.definition import Definition
from crmkit.metrics.finishing import share
from crmkit.metrics.scope import Asked, Scope, check_outcomes, make_scope, result, unknown
from crmkit.model.interaction import Interaction
from crmkit.model.ticket import Ticket

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
    key="customer",
    methods={"no_repeat": "at most one reply, never reopened, and no new ticket on the topic within the window"},
    sources=("Zendesk: one-touch tickets", "callcentrehelper.com: first contact resolution"),
)


@kpi(FIRST_CONTACT_RESOLUTION)
def first_contact_resolution(
    *,
    tickets: Any,
    interactions: Any,
    method: str = "no_repeat",
    repeat_within_days: int = 7,
    **asked: Unpack[Asked],
) -> Steps:
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
        asked: as for every KPI, see `crmkit.metrics`.

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
    scope = make_scope(FIRST_CONTACT_RESOLUTION, method, asked)
    if not isinstance(repeat_within_days, int) or repeat_within_days < 0:
        raise InvalidInput(
            f"repeat_within_days={repeat_within_days!r} is no window; give a whole number of days, or 0 for none"
        )
    window = repeat_within_days * MICROSECONDS_A_DAY
    needs = ("id", "customer_id", "category", "created_at", "resolved_at")
    table = scope.open(tickets, Ticket, needs=needs, uses=("topic", "reopen_count"))
    replied = _replies(scope, interactions)
    rows_ = table.rows.filter(nw.col("created_at").is_null() | (nw.col("created_at") <= scope.now))
    judged = rows_.join(replied, left_on="id", right_on="ticket_id", how="left").join(
        _repeated(rows_, table, window), on="id", how="left"
    )
    resolved = (nw.col("category") == "resolved") & (nw.col("resolved_at") <= scope.now)
    outcome = _outcome(scope, table, window)
    (found,) = yield [scope.question(judged, at="resolved_at", dated=resolved, outcome=outcome)]
    check_outcomes(found, "category", _CATEGORIES)
    first = _COUNTED[:1]
    return result(
        scope,
        found,
        _COUNTED,
        lambda counts: share(counts, first, _COUNTED, ci=scope.ci, nothing="no ticket was resolved"),
        numerator=first,
    )


def _replies(scope: Scope, interactions: Any) -> nw.LazyFrame[Any]:
    """The number of replies by people to each ticket."""
    needs = ("ticket_id", "direction", "at")
    table = scope.open(interactions, Interaction, needs=needs, uses=("provenance",), is_main=False)
    _check_directions(table)
    is_reply = (nw.col("direction") == "outbound") & ~nw.col("ticket_id").is_null() & (nw.col("at") <= scope.now)
    if "provenance" in table.columns:
        is_reply = is_reply & (nw.col("provenance").is_null() | (nw.col("provenance") != "machine"))
    return table.rows.filter(is_reply).group_by("ticket_id").agg(replies=nw.len())


def _check_directions(table: Table) -> None:
    found = table.rows.select("direction").unique().collect()["direction"].to_list()
    strange = sorted(word for word in found if word is not None and word not in _DIRECTIONS)
    if strange:
        listed = ", ".join(map(repr, strange[:5]))
        raise InvalidInput(f"column 'direction' holds {listed}; accepted are {', '.join(map(repr, _DIRECTIONS))}")


def _repeated(tickets: nw.LazyFrame[Any], table: Table, window: int) -> nw.LazyFrame[Any]:
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


def _outcome(scope: Scope, table: Table, window: int) -> nw.Expr:
    category, resolved_at = nw.col("category"), nw.col("resolved_at")
    first = nw.col("replies").fill_null(0) <= 1
    first = first & nw.col("repeats").is_null()
    if "reopen_count" in table.columns:
        first = first & (nw.col("reopen_count").fill_null(0) == 0)
    is_resolved = category == "resolved"
    return (
        nw.when(category.is_null() | category.is_in(["open", "paused"]) | (is_resolved & (resolved_at > scope.now)))
        .then(nw.lit("not resolved"))
        .when(~is_resolved)
        .then(unknown("category"))
        .when(resolved_at.is_null())
        .then(nw.lit(_UNDATED))
        .when(resolved_at + window > scope.now)
        .then(nw.lit("window still open"))
        .when(first)
        .then(nw.lit("first contact"))
        .otherwise(nw.lit("more contacts"))
    )
