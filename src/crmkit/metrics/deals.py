"""Deals: how many of them are won."""

from collections.abc import Sequence
from typing import Any, Unpack

import narwhals as nw
from narwhals.functions import Then

from crmkit.frames.table import MONEY_UNITS, Table
from crmkit.frames.tally import Counts, Question, Sums
from crmkit.frames.words import categorised, one_of
from crmkit.metrics.asking import Steps, kpi
from crmkit.metrics.definition import Definition
from crmkit.metrics.finishing import share
from crmkit.metrics.money import currency_bucket, one_currency, unpriced
from crmkit.metrics.scope import Asked, Scope, all_sums, check_outcomes, make_scope, result
from crmkit.model.deal import Deal

CATEGORIES = ("open", "won", "lost")
CLOSED = ("won", "lost")
_OPEN = "open"

WIN_RATE = Definition(
    name="win_rate",
    title="Win rate",
    text="Of the deals that were closed in the period, the share that was won. Open deals have no outcome yet.",
    formula="won / (won + lost)",
    unit="share",
    inputs=("deals",),
    key="deal",
    methods={
        "closed": "won / (won + lost), each deal counted in the period of its close date",
        "created": "won / all deals, each counted in the period of its creation; young periods still hold open deals",
        "amount": "amount won / amount won and lost, each deal counted in the period of its close date",
    },
    sources=("kpitree.co: win rate", "HubSpot: close rate", "fivetran/dbt_salesforce: win_percent"),
)


@kpi(WIN_RATE)
def win_rate(
    deals: Any,
    *,
    method: str = "closed",
    **asked: Unpack[Asked],
) -> Steps:
    """Return the share of closed deals that was won.

    The default counts won / (won + lost) by close date. Vendors also divide by all deals created (`method="created"`) or weigh
    by amount (`method="amount"`); the first makes young periods look bad, the second lets one large deal decide.

    Args:
        deals: records, or a Polars, pandas or Arrow table with `category` ("open", "won", "lost") and `closed_at`;
            "created" needs `created_at`, "amount" needs `amount` and reads `currency`.
        method: "closed", "created" or "amount".
        ci: confidence of the interval by Wilson; None for none. Amounts have no interval.
        asked: as for every KPI, see `crmkit.metrics`.

    Returns:
        Measures in shares from 0 to 1; numerator won, denominator won and lost ("created": all). No value, with a reason, where
        nothing was closed. Left out and counted: open deals, closed ones without a date, and those without an amount.

    Raises:
        InvalidInput: for a missing column, a naive timestamp, an unknown category, or amounts in several currencies.

    >>> from datetime import date, UTC, datetime
    >>> may = datetime(2025, 5, 2, tzinfo=UTC)
    >>> deals = [Deal(pipeline_id="gym", stage=label, category=label, closed_at=may) for label in ("won", "won", "lost")]
    >>> win_rate(deals, as_of=date(2025, 5, 31)).value
    0.6666666666666666
    """
    scope = make_scope(WIN_RATE, method, asked)
    counted = CATEGORIES if method == "created" else ("won", "lost")
    if method == "created":
        question = _created(scope, deals)
    elif method == "amount":
        question = closed_amounts(scope, deals)
    else:
        table = scope.open(deals, Deal, needs=("category", "closed_at"), uses=("created_at", "id"))
        question = closed_deals(scope, table)
    (found,) = yield [question]
    check_outcomes(found, "category", CATEGORIES)
    if method == "amount":
        return result(scope, found, counted, _amount_won, numerator=["won"])
    nothing = "no deal was created" if method == "created" else "no deal was closed"
    return result(
        scope,
        found,
        counted,
        lambda counts: share(counts, ["won"], counted, ci=scope.ci, nothing=nothing),
        numerator=["won"],
    )


def flaw_of_deal(category: nw.Expr | None = None, is_undated: nw.Expr | None = None) -> Then:
    """Begin an outcome with the reasons for leaving out a deal that all KPIs share.

    The category and whether the close is not dated are those of now, or of a moment before.
    """
    closed = one_of(nw.col("category") if category is None else category, CLOSED)
    undated = nw.col("closed_at").is_null() if is_undated is None else is_undated
    return categorised(CATEGORIES, category).when(closed & undated).then(nw.lit("closed without a close date"))


def closed_deals(
    scope: Scope,
    table: Table,
    *,
    bucket: nw.Expr | None = None,
    amount: nw.Expr | None = None,
    squares: bool = False,
    unusable: Sequence[tuple[nw.Expr, nw.Expr]] = (),
) -> Question:
    """Count deals by outcome in the period of their close date; what is closed after `as_of` is open."""
    category, closed_at = nw.col("category"), nw.col("closed_at")
    closed = one_of(category, CLOSED)
    outcome = flaw_of_deal().when(closed & (closed_at > scope.known_until)).then(nw.lit(_OPEN))
    for condition, reason in unusable:
        outcome = outcome.when(closed & condition).then(reason)
    known = table.rows
    if "created_at" in table.columns:
        known = known.filter(nw.col("created_at").is_null() | (nw.col("created_at") <= scope.known_until))
    return scope.question(
        known,
        at="closed_at",
        dated=closed & (closed_at <= scope.known_until),
        outcome=outcome.otherwise(category),
        bucket=bucket,
        amount=amount,
        squares=squares,
    )


def _created(scope: Scope, deals: Any) -> Question:
    table = scope.open(deals, Deal, needs=("category", "created_at", "closed_at"), uses=("id",))
    category = nw.col("category")
    later = one_of(category, CLOSED) & (nw.col("closed_at") > scope.known_until)
    outcome = (
        categorised(CATEGORIES)
        .when(nw.col("created_at").is_null())
        .then(nw.lit("no creation date"))
        .when(later)
        .then(nw.lit(_OPEN))
        .otherwise(category)
    )
    return scope.question(table.rows, at="created_at", outcome=outcome)


def closed_amounts(scope: Scope, deals: Any, *, squares: bool = False) -> Question:
    """Sum the amounts of deals by outcome and currency in the period of their close date."""
    needs = ("category", "closed_at", "amount")
    table = scope.open(deals, Deal, needs=needs, uses=("created_at", "currency", "id"))
    without = (nw.col("amount").is_null(), unpriced(table.columns))
    bucket = currency_bucket(table)
    return closed_deals(scope, table, bucket=bucket, amount=nw.col("amount"), squares=squares, unusable=[without])


def _amount_won(counts: Counts) -> dict[str, Any]:
    won_in, lost_in = counts.get("won", {}), counts.get("lost", {})
    _, warnings = one_currency(
        {each: won_in.get(each, Sums()) + lost_in.get(each, Sums()) for each in {*won_in, *lost_in}}
    )
    won, lost = all_sums(won_in), all_sums(lost_in)
    both = won + lost
    return {
        "value": won.total / both.total if both.total else None,
        "unit": "share",
        "numerator": won.total / MONEY_UNITS,
        "denominator": both.total / MONEY_UNITS,
        "n": both.n,
        "reason": None if both.total else "no amount was closed",
        "warnings": warnings if both.n else (),
    }
