"""Cycles: how long it takes to win a deal."""

from collections.abc import Sequence
from typing import Any, Unpack

import attrs
import narwhals as nw

from crmkit.errors import InvalidInput, choices
from crmkit.frames.door import beside, day_of
from crmkit.frames.table import Table
from crmkit.frames.tally import Counts, Question, Sums, Tally, merged
from crmkit.frames.words import one_of
from crmkit.metrics.asking import Steps, kpi
from crmkit.metrics.days import day_at, days_window
from crmkit.metrics.deals import CATEGORIES, CLOSED, closed_deals, flaw_of_deal
from crmkit.metrics.definition import Definition
from crmkit.metrics.finishing import censored_durations, durations
from crmkit.metrics.scope import Asked, Scope, all_sums, check_outcomes, make_scope, result, rows
from crmkit.model.deal import Deal
from crmkit.model.interaction import Interaction
from crmkit.model.lead import Lead
from crmkit.model.transition import Transition
from crmkit.stats.periods import index_of

SALES_CYCLE = Definition(
    name="sales_cycle",
    title="Sales cycle",
    text="How many days it takes from the creation of a deal to its close; half of the deals take no longer than the median.",
    formula="median of (close day - creation day)",
    unit="days",
    inputs=("deals",),
    key="deal",
    methods={
        "won": "won deals, counted in the period of their close date",
        "lost": "lost deals, counted in the period of their close date",
        "closed": "won and lost deals, counted in the period of their close date",
        "kaplan_meier": "all deals until they are won or lost, in the period in which they began; open ones are not over yet",
    },
    sources=(
        "kpitree.co: sales cycle length",
        "fivetran/dbt_salesforce: avg_days_to_close",
        "Kaplan and Meier 1958: durations of which some are not over",
    ),
)

_UNTIL = ("closed", "first_closed")
_REOPENED = "reopened"


@kpi(SALES_CYCLE)
def sales_cycle(
    deals: Any,
    *,
    leads: Any = None,
    interactions: Any = None,
    transitions: Any = None,
    method: str = "won",
    since: str = "created",
    until: str = "closed",
    lookback_days: int | None = None,
    **asked: Unpack[Asked],
) -> Steps:
    """Return the median number of civil days from the creation of a deal to its close.

    Days are counted on the calendar of `tz`, so a deal created and closed on one day took 0 days whatever the hours. A reopened
    deal counts from its creation to its final close. Open deals are not in it, which makes the figure shorter than what a new deal
    should expect while many are open; they are counted as left out. `method="kaplan_meier"` takes them for what they are, cycles that
    have lasted so long and are not over, and is the median to plan with.

    Sales that are entered late look short from the creation of the deal. From the qualification of its lead, or from the first
    touch, they do not: that is the first interaction that a person had about the deal, or with its customer about no deal in
    particular. Of customers who buy again the first touch may be years old; `lookback_days` leaves out what lies so long before the
    creation.

    Args:
        deals: records, or a Polars, pandas or Arrow table with `category`, `created_at` and `closed_at`; `id` where another table
            is read, and `customer_id` for the first touch.
        leads: for `since="qualified"`, records or a table with `deal_id` and `qualified_at`.
        interactions: for `since="first_touch"`, records or a table with `at`, `direction`, `customer_id` and `deal_id`; it reads
            `provenance`. Notes and what machines send are no touch.
        transitions: for `until="first_closed"`, records or a table with `subject`, `subject_id`, `field`, `category_before`,
            `category_after` and `at`. Where they are given, `details` say how many of the deals were reopened.
        method: "won", "lost" or "closed" deals, or "kaplan_meier" for all of them.
        since: what a cycle begins with: "created", "qualified" or "first_touch".
        until: what it ends with: "closed", the final close, or "first_closed".
        lookback_days: how many days of 24 hours before the creation of the deal a touch may lie that was about no deal.
        ci: confidence of the interval of the median, from order statistics or, for "kaplan_meier", from its curve; None for none.
        asked: as for every KPI, see `crmkit.metrics`.

    Returns:
        Measures in days: the median as value, all days as numerator, deals as denominator, and `details` with the mean and the
        90th percentile; for "kaplan_meier" closed deals as numerator, deals as `n`, no denominator, and `details` with the number of
        "open" ones and the 90th percentile where so many are closed. No value, with a reason, where no deal was closed, or for
        "kaplan_meier" fewer than half. Left out and counted: open deals, those without a close date, those of which it is not known
        when they began, and those closed before that.

    Raises:
        InvalidInput: for a missing column or table, a naive timestamp, an unknown category, or an unknown `since` or `until`.

    >>> from datetime import date, UTC, datetime
    >>> closed = [datetime(2025, 5, day, tzinfo=UTC) for day in (3, 9, 20)]
    >>> deals = [Deal(pipeline_id="gym", stage="Won", category="won", created_at=datetime(2025, 5, 1, tzinfo=UTC), closed_at=at)
    ...          for at in closed]
    >>> cycle = sales_cycle(deals, as_of=date(2025, 5, 31)).only
    >>> cycle.value, cycle.details["mean"]
    (8.0, 9.666666666666666)
    """
    scope = make_scope(SALES_CYCLE, method, asked)
    _check_word("since", since, tuple(_BEGINNINGS))
    _check_word("until", until, _UNTIL)
    lookback = days_window(lookback_days, "lookback_days")
    joins = since != "created" or transitions is not None or until == "first_closed"
    needs = ["category", "created_at", "closed_at", *(["id"] if joins else [])]
    table = scope.open(deals, Deal, needs=[*needs, *(["customer_id"] if since == "first_touch" else [])], uses=("id",))
    if since == "qualified":
        table = _qualified(scope, table, _given("leads", leads, "since='qualified'"))
    elif since == "first_touch":
        table = _touched(scope, table, _given("interactions", interactions, "since='first_touch'"), lookback)
    if until == "first_closed":
        _given("transitions", transitions, "until='first_closed'")
    if transitions is not None:
        table = _with_first_close(scope, table, transitions, counts=until == "first_closed")
    began = _BEGINNINGS[since]
    days = day_of("closed_at") - day_of(began.at)
    unusable = ((nw.col(began.at).is_null(), nw.lit(began.unknown)), (days < 0, nw.lit(began.late)))
    if method == "kaplan_meier":
        (found,) = yield [_begun(scope, table, began)]
        check_outcomes(found, "category", CATEGORIES)
        return result(scope, found, CATEGORIES, lambda counts: _censored(counts, scope), numerator=("won", "lost"))
    asking = [closed_deals(scope, table, bucket=days, unusable=unusable)]
    if transitions is not None:
        reopened = attrs.evolve(table, rows=table.rows.filter(~nw.col("reopened_at").is_null()))
        asking.append(closed_deals(scope, reopened, unusable=unusable))
    found, *others = yield asking
    check_outcomes(found, "category", CATEGORIES)
    counted = ("won", "lost") if method == "closed" else (method,)
    found = _without(found, {"won", "lost"} - set(counted))
    for each in others:
        found = merged(found, _reopened(each, counted))
    return result(
        scope, found, (*counted, _REOPENED), lambda counts: _cycle(counts, counted, scope, others), numerator=counted
    )


@attrs.frozen
class _Beginning:
    """The column of the beginning, and the reasons for leaving out deals without one, or with one after their close."""

    at: str
    unknown: str
    late: str


_BEGINNINGS = {
    "created": _Beginning("created_at", "no creation date", "closed before it was created"),
    "qualified": _Beginning("qualified_at", "not qualified", "closed before it was qualified"),
    "first_touch": _Beginning("touched_at", "never touched", "closed before the first touch"),
}


def _check_word(name: str, given: Any, accepted: Sequence[str]) -> None:
    if given not in accepted:
        raise InvalidInput(f"{name}={given!r} is unknown; {choices(str(given), accepted)}")


def _given(name: str, data: Any, needed_for: str) -> Any:
    if data is None:
        raise InvalidInput(f"{needed_for} reads {name}; give {name}=")
    return data


def _earliest(column: str, into: str) -> list[nw.Expr]:
    """The first of some instants and what stands beside it."""
    pairs = zip([column, *beside(column)], [into, *beside(into)], strict=True)
    return [nw.col(old).min().alias(new) for old, new in pairs]


def _qualified(scope: Scope, deals: Table, leads: Any) -> Table:
    """Deals with when the first of their leads was qualified."""
    table = scope.open(leads, Lead, needs=("deal_id", "qualified_at"), is_main=False)
    of_deals = table.rows.filter(~nw.col("deal_id").is_null() & (nw.col("qualified_at") <= scope.known_until))
    first = of_deals.group_by("deal_id").agg(_earliest("qualified_at", "qualified_at"))
    return attrs.evolve(deals, rows=deals.rows.join(first, left_on="id", right_on="deal_id", how="left"))


def _touched(scope: Scope, deals: Table, interactions: Any, lookback: int | None) -> Table:
    """Deals with their first touch: an interaction about them, or one with their customer that was about no deal."""
    needs = ("at", "direction", "customer_id", "deal_id")
    table = scope.open(interactions, Interaction, needs=needs, uses=("provenance",), is_main=False)
    is_touch = one_of(nw.col("direction"), ["inbound", "outbound"]) & (nw.col("at") <= scope.known_until)
    if "provenance" in table.columns:
        is_touch = is_touch & (nw.col("provenance").is_null() | (nw.col("provenance") != "machine"))
    touches = table.rows.filter(is_touch)
    about = touches.filter(~nw.col("deal_id").is_null()).group_by("deal_id").agg(_earliest("at", "about_at"))
    pairs = deals.rows.select("id", "customer_id", "created_at").join(
        touches.filter(nw.col("deal_id").is_null()).drop("deal_id"), on="customer_id", how="inner"
    )
    if lookback is not None:
        pairs = pairs.filter(nw.col("at") >= nw.col("created_at") - lookback)
    with_them = pairs.group_by("id").agg(_earliest("at", "with_at"))
    joined = deals.rows.join(about, left_on="id", right_on="deal_id", how="left").join(with_them, on="id", how="left")
    triples = zip(*([each, *beside(each)] for each in ("touched_at", "about_at", "with_at")), strict=True)
    return attrs.evolve(
        deals,
        rows=joined.with_columns([nw.min_horizontal(about, with_).alias(into) for into, about, with_ in triples]),
    )


def _with_first_close(scope: Scope, deals: Table, transitions: Any, *, counts: bool) -> Table:
    """Deals with when they were first reopened, and closed when they were first closed where that `counts`."""
    needs = ("subject", "subject_id", "field", "category_before", "category_after", "at")
    ledger = scope.open(transitions, Transition, needs=needs, is_main=False)
    is_move = (nw.col("subject") == "Deal") & (nw.col("field") == "stage") & (nw.col("at") <= scope.known_until)
    moves = ledger.rows.filter(is_move)
    was_closed, is_closed = (one_of(nw.col(f"category_{side}"), CLOSED) for side in ("before", "after"))
    reopened = moves.filter(was_closed & (nw.col("category_after") == "open"))
    closes = moves.filter(is_closed).group_by("subject_id").agg(_earliest("at", "first_closed_at"))
    known = deals.rows.join(
        reopened.group_by("subject_id").agg(reopened_at=nw.col("at").min()),
        left_on="id",
        right_on="subject_id",
        how="left",
    )
    if not counts:
        return attrs.evolve(deals, rows=known)
    joined = known.join(closes, left_on="id", right_on="subject_id", how="left")
    is_closed_now = ~nw.col("closed_at").is_null() & (nw.col("closed_at") <= scope.known_until)
    pairs = zip(*([each, *beside(each)] for each in ("closed_at", "first_closed_at")), strict=True)
    first = [
        nw.when(is_closed_now).then(nw.min_horizontal(final, first)).otherwise(nw.col(final)).alias(final)
        for final, first in pairs
    ]
    return attrs.evolve(deals, rows=joined.with_columns(first))


def _begun(scope: Scope, table: Table, beginning: _Beginning) -> Question:
    """Count deals by how they ended, and by how many days they took or have taken so far, in the period of their beginning."""
    today = index_of(day_at(scope, scope.as_of), "day")
    category, closed_at = nw.col("category"), nw.col("closed_at")
    closed = one_of(category, CLOSED)
    is_over = closed & (closed_at <= scope.known_until)
    outcome = (
        flaw_of_deal()
        .when(nw.col(beginning.at).is_null())
        .then(nw.lit(beginning.unknown))
        .when(is_over & (day_of("closed_at") < day_of(beginning.at)))
        .then(nw.lit(beginning.late))
        .when(is_over)
        .then(category)
        .otherwise(nw.lit("open"))
    )
    last = nw.when(is_over).then(day_of("closed_at")).otherwise(nw.lit(today, nw.Int64))
    known = table.rows.filter(nw.col("created_at").is_null() | (nw.col("created_at") <= scope.known_until))
    return scope.question(known, at=beginning.at, outcome=outcome, bucket=last - day_of(beginning.at))


def _censored(counts: Counts, scope: Scope) -> dict[str, Any]:
    found = censored_durations(
        counts, ("won", "lost"), ("open",), unit="days", ci=scope.ci, nothing="no deal was created"
    )
    closed = rows(counts.get("won")) + rows(counts.get("lost"))
    # Without a median there is no interval of one either.
    bounds = {} if found["value"] is not None else {"low": None, "high": None}
    return found | {"numerator": closed, "denominator": None} | bounds


def _without(found: Tally, outcomes: set[str]) -> Tally:
    return {
        key: {outcome: buckets for outcome, buckets in counts.items() if outcome not in outcomes}
        for key, counts in found.items()
    }


def _reopened(found: Tally, counted: Sequence[str]) -> Tally:
    """The number of counted deals among those that were reopened, under that name alone."""
    return {
        key: {_REOPENED: {None: sum((all_sums(counts.get(outcome)) for outcome in counted), start=Sums())}}
        for key, counts in found.items()
    }


def _cycle(counts: Counts, counted: Sequence[str], scope: Scope, reopened: Sequence[Tally]) -> dict[str, Any]:
    found = durations(counts, counted, unit="days", ci=scope.ci, nothing="no deal was closed")
    if not reopened or not found["n"]:
        return found
    return found | {"details": found["details"] | {_REOPENED: float(rows(counts.get(_REOPENED)))}}
