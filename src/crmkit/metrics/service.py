"""Service: how well requests for help are dealt with."""

from typing import Any, Unpack

import narwhals as nw

from crmkit.errors import InvalidInput
from crmkit.frames.door import MICROSECONDS_A_DAY
from crmkit.frames.table import Table
from crmkit.frames.words import one_of, unknown
from crmkit.metrics.asking import Steps, kpi
from crmkit.metrics.definition import Definition
from crmkit.metrics.finishing import share
from crmkit.metrics.scope import Asked, Scope, check_outcomes, make_scope, result
from crmkit.model.interaction import Interaction
from crmkit.model.ticket import Ticket

_COUNTED = ("first contact", "more contacts")
_UNDATED = "resolved without a date"
_CATEGORIES = ("open", "paused", "resolved")
_NEEDS = {"no_repeat": ("customer_id", "created_at"), "freshservice": ("created_at",)}
_DIRECTIONS = ("inbound", "outbound", "internal")

FIRST_CONTACT_RESOLUTION = Definition(
    name="first_contact_resolution",
    title="First contact resolution",
    text="Of the tickets that were resolved in the period, the share that needed at most one reply and did not come back.",
    formula="tickets with at most one reply, not reopened, without a new ticket of the customer on the topic / resolved tickets",
    unit="share",
    inputs=("tickets", "interactions"),
    key="customer",
    methods={
        "no_repeat": "at most one reply, never reopened, and no new ticket on the topic within the window",
        "zendesk": "at most one reply, whatever happened afterwards",
        "fivetran": "exactly one reply; a ticket that was resolved without any does not count as such",
        "freshservice": "no further message of the customer until the resolution, however many replies there were",
    },
    sources=(
        "Zendesk: how one-touch resolutions are calculated",
        "fivetran/dbt_zendesk: is_one_touch_resolution",
        "Freshservice: how FCR is calculated",
        "callcentrehelper.com: first contact resolution",
    ),
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

    By default a ticket counts as such if it got at most one reply from a person of the business, was never reopened, and its
    customer opened no other ticket on the same topic within `repeat_within_days` after the resolution: who has to come back was
    not helped. A ticket whose window has not passed at `as_of` may still come back, so it is left out and counted. Vendors look at
    the ticket alone and count its messages, each in another way. A message at the very instant of the creation is what an agent
    opened the ticket with, and no reply; only "fivetran" counts it.

    Args:
        tickets: records, or a Polars, pandas or Arrow table with `id`, `category` and `resolved_at`; "no_repeat" needs
            `customer_id` and `created_at` and reads `topic` (tickets without one are taken to be on one topic) and `reopen_count`,
            "freshservice" needs `created_at`.
        interactions: records or a table with `ticket_id`, `direction` and `at`; "outbound" ones are replies, "inbound" ones
            after the creation of the ticket are further messages, and where there is a column `provenance`, those of a "machine"
            are neither.
        method: "no_repeat", "zendesk", "fivetran" or "freshservice".
        repeat_within_days: the length of the window of "no_repeat"; 0 for none.
        ci: confidence of the interval by Wilson; None for none.
        asked: as for every KPI, see `crmkit.metrics`.

    Returns:
        Measures in shares from 0 to 1, by the period of resolution; numerator resolved at the first contact, denominator
        resolved. No value, with a reason, where nothing was resolved. Left out and counted: tickets not resolved, those resolved
        without a date, for "no_repeat" those whose window is still open, and for "freshservice" those without a creation date.

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
    table = scope.open(
        tickets,
        Ticket,
        needs=("id", "category", "resolved_at", *_NEEDS.get(method, ())),
        uses=("created_at", "topic", "reopen_count"),
    )
    rows_ = table.rows
    if "created_at" in table.columns:
        rows_ = rows_.filter(nw.col("created_at").is_null() | (nw.col("created_at") <= scope.known_until))
    judged = _with_messages(scope, rows_, interactions)
    window = 0
    if method == "no_repeat":
        window = repeat_within_days * MICROSECONDS_A_DAY
        judged = judged.join(_repeated(rows_, table, window), on="id", how="left")
    resolved = (nw.col("category") == "resolved") & (nw.col("resolved_at") <= scope.known_until)
    outcome = _outcome(scope, window, _is_first(method, table))
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


def replies(scope: Scope, interactions: Any) -> nw.LazyFrame[Any]:
    """Return the replies of people to tickets up to `as_of`, with `ticket_id` and `at`."""
    return _said(scope, interactions, "outbound")


def without_openings(said: nw.LazyFrame[Any], tickets: nw.LazyFrame[Any]) -> nw.LazyFrame[Any]:
    """Return messages to tickets but those at the instant of the creation, with which an agent opened the ticket: no reply."""
    opened = tickets.select("created_at", ticket_id=nw.col("id"))
    return said.join(opened, on="ticket_id", how="inner").filter(
        nw.col("created_at").is_null() | (nw.col("at") != nw.col("created_at"))
    )


def _said(scope: Scope, interactions: Any, direction: str) -> nw.LazyFrame[Any]:
    """The messages of people about tickets in one direction."""
    needs = ("ticket_id", "direction", "at")
    table = scope.open(interactions, Interaction, needs=needs, uses=("provenance",), is_main=False)
    _check_directions(table)
    is_said = (nw.col("direction") == direction) & ~nw.col("ticket_id").is_null() & (nw.col("at") <= scope.known_until)
    if "provenance" in table.columns:
        is_said = is_said & (nw.col("provenance").is_null() | (nw.col("provenance") != "machine"))
    return table.rows.filter(is_said)


def _with_messages(scope: Scope, tickets: nw.LazyFrame[Any], interactions: Any) -> nw.LazyFrame[Any]:
    """The tickets with the number of their `messages` on which it depends: further ones of the customer, or replies."""
    if scope.method != "freshservice":
        counted = replies(scope, interactions)
        if scope.method != "fivetran" and "created_at" in tickets.collect_schema():
            counted = without_openings(counted, tickets)
    else:
        begun = tickets.select("id", "created_at", "resolved_at")
        said = begun.join(_said(scope, interactions, "inbound"), left_on="id", right_on="ticket_id", how="inner")
        counted = said.filter((nw.col("at") > nw.col("created_at")) & (nw.col("at") <= nw.col("resolved_at")))
        counted = counted.select("at", ticket_id=nw.col("id"))
    messages = counted.group_by("ticket_id").agg(messages=nw.len())
    return tickets.join(messages, left_on="id", right_on="ticket_id", how="left")


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


def _is_first(method: str, table: Table) -> nw.Expr:
    """Whether a resolved ticket was resolved at the first contact."""
    messages = nw.col("messages").fill_null(0)
    if method == "freshservice":
        return messages == 0
    if method == "fivetran":
        return messages == 1
    if method == "zendesk":
        return messages <= 1
    first = (messages <= 1) & nw.col("repeats").is_null()
    return first & (nw.col("reopen_count").fill_null(0) == 0) if "reopen_count" in table.columns else first


def _outcome(scope: Scope, window: int, is_first: nw.Expr) -> nw.Expr:
    category, resolved_at = nw.col("category"), nw.col("resolved_at")
    # Without it nobody knows which message was the first.
    undated = nw.col("created_at").is_null() if scope.method == "freshservice" else nw.lit(value=False)
    is_resolved = category == "resolved"
    return (
        nw.when(
            category.is_null()
            | one_of(category, ["open", "paused"])
            | (is_resolved & (resolved_at > scope.known_until))
        )
        .then(nw.lit("not resolved"))
        .when(~is_resolved)
        .then(unknown("category"))
        .when(resolved_at.is_null())
        .then(nw.lit(_UNDATED))
        .when(undated)
        .then(nw.lit("no creation date"))
        .when(resolved_at + window > scope.known_until)
        .then(nw.lit("window still open"))
        .when(is_first)
        .then(nw.lit("first contact"))
        .otherwise(nw.lit("more contacts"))
    )
