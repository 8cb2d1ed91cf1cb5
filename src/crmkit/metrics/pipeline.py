"""The pipeline: what is under way, and how fast it brings money."""

from collections.abc import Mapping
from typing import Any, Unpack

import narwhals as nw

from crmkit.frames.door import day_of
from crmkit.frames.table import MONEY_UNITS, Table
from crmkit.frames.tally import Counts, Question, Tally, merged
from crmkit.frames.words import one_of
from crmkit.metrics.asking import Steps, kpi
from crmkit.metrics.deals import CATEGORIES, CLOSED, closed_amounts, flaw_of_deal
from crmkit.metrics.definition import Definition
from crmkit.metrics.finishing import number, total_amount
from crmkit.metrics.money import currency_bucket, one_currency, unpriced
from crmkit.metrics.scope import Asked, Scope, all_sums, check_outcomes, make_scope, result, rows
from crmkit.metrics.states import state
from crmkit.model.deal import Deal

PIPELINE_VALUE = Definition(
    name="pipeline_value",
    title="Pipeline value",
    text="What the open deals are worth together, at the end of the period.",
    formula="sum of the amounts of open deals",
    unit="money",
    inputs=("deals",),
    key="deal",
    methods={
        "amount": "the sum of their amounts",
        "count": "the number of open deals",
    },
    sources=("fivetran/dbt_salesforce: total_pipeline_amount",),
)


@kpi(PIPELINE_VALUE)
def pipeline_value(
    deals: Any,
    *,
    method: str = "amount",
    **asked: Unpack[Asked],
) -> Steps:
    """Return what the open deals are worth at `as_of`, or at the end of each period.

    It is a state and no flow: a deal counts at every moment from its creation until it is closed, so periods do not add up.
    `start` says only where the series begins. A reopened deal was open all the time, and amounts are those of today: what was
    known then is a question to the store's past.

    Args:
        deals: records, or a Polars, pandas or Arrow table with `category` ("open", "won", "lost"), `created_at`, `closed_at` and,
            for "amount", `amount`; it reads `currency`.
        method: "amount" or "count".
        asked: as for every KPI, see `crmkit.metrics`.

    Returns:
        Measures in the currency of the data, or deals: the same as numerator, 0 where nothing is open. Left out and counted:
        deals without an amount or a category, closed ones without a date, and, with `every`, those without a creation date.

    Raises:
        InvalidInput: for a missing column, a naive timestamp, an unknown category, or amounts in several currencies.

    >>> from datetime import date, UTC, datetime
    >>> may = datetime(2025, 5, 2, tzinfo=UTC)
    >>> deals = [Deal(pipeline_id="gym", stage="Offer", created_at=may, amount=Money(sum_, "PLN")) for sum_ in (100, 50)]
    >>> pipeline_value(deals, as_of=date(2025, 5, 31)).value
    150.0
    """
    scope = make_scope(PIPELINE_VALUE, method, asked)
    needs = ("category", "created_at", "closed_at")
    if method == "count":
        table = scope.open(deals, Deal, needs=needs, uses=("id",))
    else:
        table = scope.open(deals, Deal, needs=(*needs, "amount"), uses=("currency", "id"))
    (found,) = yield [_open_deals(scope, table, priced=method == "amount")]
    check_outcomes(found, "category", CATEGORIES)
    finish = number if method == "count" else total_amount
    return result(scope, found, ["open"], lambda counts: finish(counts, ["open"]))


def _open_deals(scope: Scope, table: Table, *, priced: bool) -> Question:
    """Ask for the deals that were open at the end of each period."""
    category, created_at = nw.col("category"), nw.col("created_at")
    closed = one_of(category, CLOSED)
    reason = flaw_of_deal()
    if scope.every is not None:
        reason = reason.when(created_at.is_null()).then(nw.lit("no creation date"))
    outcome: nw.Expr = nw.lit("open")
    if priced:
        outcome = nw.when(nw.col("amount").is_null()).then(unpriced(table.columns)).otherwise(outcome)
    return state(
        scope,
        table.rows,
        since="created_at",
        until="closed_at",
        ends=closed,
        flaw=reason,
        outcome=outcome,
        bucket=currency_bucket(table) if priced else None,
        amount=nw.col("amount") if priced else None,
        record=table.record,
    )


PIPELINE_VELOCITY = Definition(
    name="pipeline_velocity",
    title="Pipeline velocity",
    text="How much the pipeline brings a day: open deals times win rate times average won deal, divided by the days of a cycle.",
    formula="open deals * win rate * average amount won / average days from creation to win",
    unit="money",
    inputs=("deals",),
    key="deal",
    methods={"mean": "with the mean of the cycles of won deals"},
    sources=("HubSpot: deal velocity", "Salesforce: pipeline velocity"),
)


@kpi(PIPELINE_VELOCITY)
def pipeline_velocity(
    deals: Any,
    *,
    method: str = "mean",
    **asked: Unpack[Asked],
) -> Steps:
    """Return how much money a day the pipeline brings if things go on as in the period.

    Open deals are those at the end of the period; win rate, average amount and cycle are those of the deals closed in it.

    Args:
        deals: records, or a Polars, pandas or Arrow table with `category`, `created_at`, `closed_at` and `amount`; it reads
            `currency`.
        method: "mean".
        asked: as for every KPI, see `crmkit.metrics`.

    Returns:
        Measures in the currency of the data a day, without an interval: expected revenue of the open deals as numerator, days of
        a cycle as denominator, closed deals as `n`, and `details` with the four factors. No value, with a reason, where one
        of them is not known or cycles take 0 days. Left out and counted: deals without a category and closed ones without a date;
        won deals without an amount, without a creation date, or won before they were created are left out of the average that
        they do not have.

    Raises:
        InvalidInput: for a missing column, a naive timestamp, an unknown category, or amounts in several currencies.

    >>> from datetime import date, UTC, datetime
    >>> first, last = datetime(2025, 5, 1, tzinfo=UTC), datetime(2025, 5, 11, tzinfo=UTC)
    >>> deals = [Deal(pipeline_id="gym", stage=label, category=label, created_at=first, amount=Money(300, "PLN"),
    ...               closed_at=last if label != "open" else None) for label in ("won", "lost", "open", "open")]
    >>> pipeline_velocity(deals, as_of=date(2025, 5, 31)).value
    30.0
    """
    scope = make_scope(PIPELINE_VELOCITY, method, asked)
    table = scope.open(deals, Deal, needs=("category", "created_at", "closed_at", "amount"), uses=("currency", "id"))
    opens, closes, prices = yield [
        _open_deals(scope, table, priced=False),
        _cycles(scope, table),
        closed_amounts(scope, deals),
    ]
    check_outcomes(opens, "category", CATEGORIES)
    found = merged(merged(opens, closes), _renamed(prices, {"won": "priced"}))
    return result(scope, found, ["won", "lost", "open", "priced"], _velocity, numerator=["open"])


def _cycles(scope: Scope, table: Table) -> Question:
    """Ask for closed deals by the days that it took to win them."""
    category, created_at, closed_at = nw.col("category"), nw.col("created_at"), nw.col("closed_at")
    closed = one_of(category, CLOSED) & (closed_at <= scope.known_until)
    existing = created_at.is_null() | (created_at <= scope.known_until)
    days = day_of("closed_at") - day_of("created_at")
    return scope.question(
        table.rows.filter(closed & existing),
        at="closed_at",
        outcome=category,
        bucket=nw.when((category == "won") & (days >= 0)).then(days),
    )


def _renamed(found: Tally, names: Mapping[str, str]) -> Tally:
    """The counts of some outcomes alone, under other names."""
    kept = {key: {names[word]: counts[word] for word in names if word in counts} for key, counts in found.items()}
    return {key: counts for key, counts in kept.items() if counts}


def _velocity(counts: Counts) -> dict[str, Any]:
    unit, warnings = one_currency(counts.get("priced", {}))
    n_open, won, lost = (rows(counts.get(word)) for word in ("open", "won", "lost"))
    priced = all_sums(counts.get("priced"))
    cycles = {days: sums.n for days, sums in counts.get("won", {}).items() if days is not None}
    days, n_cycles = sum(length * n for length, n in cycles.items()), sum(cycles.values())
    reason = (
        ("no deal was closed" if not won + lost else None)
        or ("no deal was won" if not won else None)
        or ("no won deal has an amount" if not priced.n else None)
        or ("no won deal has a cycle of at least one day" if not days else None)
    )
    if reason:
        return {"value": None, "unit": unit, "numerator": 0, "denominator": 0, "n": won + lost, "reason": reason}
    win_rate, average, cycle = won / (won + lost), priced.total / MONEY_UNITS / priced.n, days / n_cycles
    expected = n_open * win_rate * average
    return {
        "value": expected / cycle,
        "unit": unit,
        "numerator": expected,
        "denominator": cycle,
        "n": won + lost,
        "details": {"open": float(n_open), "win_rate": win_rate, "average_won": average, "cycle_days": cycle},
        "warnings": warnings,
    }
