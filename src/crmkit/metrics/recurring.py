"""Recurring revenue: what contracts bring by the month, how that moves, and what one customer brings."""

from collections.abc import Generator, Sequence
from typing import Any, Unpack

import attrs
import narwhals as nw
import polars as pl

from crmkit.frames.small import small_table
from crmkit.frames.table import MONEY_UNITS, Table, group_columns
from crmkit.frames.tally import Counts, Question, Sums, Tally, merged, question
from crmkit.metrics.asking import Steps, kpi
from crmkit.metrics.base import CATEGORIES, by_customer, contracts, flaw, parted, spans
from crmkit.metrics.definition import Definition
from crmkit.metrics.money import one_currency, unpriced
from crmkit.metrics.result import MetricResult
from crmkit.metrics.scope import Asked, Finish, Scope, all_sums, check_outcomes, make_scope, result

_START, _END = "start", "end"
_UP, _DOWN = ("new", "reactivation", "expansion"), ("contraction", "churn")
_MOVES = (*_UP, *_DOWN)
_COUNTED = (_START, _END, *_MOVES)
_NOTHING = "nothing was recurring at the start"

MRR_MOVEMENTS = Definition(
    name="mrr_movements",
    title="Movements of recurring revenue",
    text="What the period added to and took from the revenue by the month (MRR).",
    formula="end = start + new + reactivation + expansion - contraction - churn",
    unit="money",
    inputs=("subscriptions",),
    key="customer",
    methods={
        "net": "end - start; all parts are in the details",
        "new": "of customers who pay for the first time",
        "reactivation": "of customers who had left and are back",
        "expansion": "what customers pay more than at the start",
        "contraction": "what customers pay less than at the start",
        "churn": "what customers paid who were lost",
    },
    sources=("Stripe: MRR growth", "dbt-labs/mrr-playbook"),
)


@kpi(MRR_MOVEMENTS)
def mrr_movements(
    subscriptions: Any,
    *,
    method: str = "net",
    **asked: Unpack[Asked],
) -> Steps:
    """Return how the monthly recurring revenue moved, by what each customer pays at the start and at the end of the period.

    A customer who is there at both ends expanded or contracted, however many contracts that took; one of two contracts ended is
    a contraction. Who joins and leaves within the period moved nothing. A change of price shows where it is a contract
    of its own: a table of contracts knows no earlier prices.

    Args:
        subscriptions: records, or a Polars, pandas, Arrow or DuckDB table with `customer_id`, `started_at`, `ended_at` and `price`; it
            reads `price_currency`, `billing_months` (1 where empty; the price is divided by it) and `category`.
        method: the movement that is the value: "net", "new", "reactivation", "expansion", "contraction" or "churn".
        asked: as for every KPI, see `crmkit.metrics`; `by` as for `churn_rate`.

    Returns:
        Measures in the currency of the data by the month, movements as positive amounts; `details` with all of them, the `start`
        and the `end`. Left out and counted: contracts without a price, and those that `churn_rate` leaves out.

    Raises:
        InvalidInput: for a missing column, a naive timestamp, an unknown category, or prices in several currencies.

    >>> from datetime import date, UTC, datetime
    >>> from crmkit.model import Money, Subscription
    >>> ann = Subscription(customer_id="ann", plan="Gym", price=Money("999", "PLN"), billing_months=12, category="active",
    ...                    started_at=datetime(2025, 5, 1, tzinfo=UTC))
    >>> mrr_movements([ann], method="new", every="month", as_of=date(2025, 5, 31)).value
    83.25
    """
    scope = make_scope(MRR_MOVEMENTS, method, asked)
    found = yield from moved(scope, subscriptions)
    numerator = _MOVES if method == "net" else (method,)
    return _measured(scope, found, lambda counts: _movement(counts, method), numerator=numerator, denominator=())


REVENUE_CHURN = Definition(
    name="revenue_churn",
    title="Revenue churn",
    text="Of the revenue by the month when the period began, the share that was lost until it ended.",
    formula="recurring revenue lost / recurring revenue at the start",
    unit="share",
    inputs=("subscriptions",),
    key="customer",
    methods={
        "lost": "revenue of lost customers / revenue at the start",
        "gross": "revenue of lost customers and contraction of others / revenue at the start",
        "net": "gross less the expansion of others / revenue at the start; negative where expansion is more",
    },
    sources=("Stripe: MRR growth", "ChartMogul: MRR churn"),
)


@kpi(REVENUE_CHURN)
def revenue_churn(
    subscriptions: Any,
    *,
    method: str = "lost",
    **asked: Unpack[Asked],
) -> Steps:
    """Return the share of recurring revenue that was lost.

    The default weighs churn by what each lost customer paid, so it can be laid beside `churn_rate`.

    Args:
        subscriptions: as for `mrr_movements`. Without `every` give `start`.
        method: "lost", "gross" or "net".
        asked: as for every KPI, see `crmkit.metrics`; `by` as for `churn_rate`.

    Returns:
        Measures in shares; numerator the revenue lost by the month, denominator that at the start, `details` as for
        `mrr_movements`. No value, with a reason, where nothing was recurring at the start. Left out as for `mrr_movements`.

    Raises:
        InvalidInput: for a missing column, a naive timestamp, an unknown category, or prices in several currencies.

    >>> from datetime import date, UTC, datetime
    >>> from crmkit.model import Money, Subscription
    >>> jan, feb = datetime(2025, 1, 1, tzinfo=UTC), datetime(2025, 2, 14, tzinfo=UTC)
    >>> paid = [("ann", "300", None), ("ben", "100", feb)]
    >>> contracts = [Subscription(customer_id=who, plan="Gym", price=Money(price, "PLN"), category="active", started_at=jan,
    ...                           ended_at=left) for who, price, left in paid]
    >>> revenue_churn(contracts, start=date(2025, 2, 1), as_of=date(2025, 2, 28)).value
    0.25
    """
    scope = make_scope(REVENUE_CHURN, method, asked)
    found = yield from moved(scope, subscriptions)
    numerator = {"lost": ("churn",), "gross": _DOWN, "net": (*_DOWN, "expansion")}[method]
    return _measured(scope, found, lambda counts: _churn(counts, method), numerator=numerator, denominator=[_START])


AVERAGE_REVENUE_PER_ACCOUNT = Definition(
    name="average_revenue_per_account",
    title="Average revenue per account",
    text="What one active customer brings by the month.",
    formula="recurring revenue by the month / active customers",
    unit="money",
    inputs=("subscriptions",),
    key="customer",
    methods={
        "daily": "sum over the days of the period of revenue by the month / customer-days, at the end of each day",
        "start": "revenue by the month / active customers at the start",
        "end": "revenue by the month / active customers at the end",
    },
    sources=("Stripe: average revenue per user, normalised to MRR",),
)


@kpi(AVERAGE_REVENUE_PER_ACCOUNT)
def average_revenue_per_account(
    subscriptions: Any,
    *,
    method: str = "daily",
    **asked: Unpack[Asked],
) -> Steps:
    """Return the monthly revenue that one active customer brings (ARPA, ARPU).

    The default weighs every day of the period alike, so that neither end of it decides.

    Args:
        subscriptions: as for `mrr_movements`. Customers of free contracts are accounts too.
        method: "daily", "start" or "end".
        asked: as for every KPI, see `crmkit.metrics`; `by` as for `churn_rate`.

    Returns:
        Measures in the currency of the data by the month; numerator the revenue, denominator the customers ("daily": both
        summed over the days). No value, with a reason, where nobody was active. Left out as for `mrr_movements`.

    Raises:
        InvalidInput: for a missing column, a naive timestamp, an unknown category, or prices in several currencies.

    >>> from datetime import date, UTC, datetime
    >>> from crmkit.model import Money, Subscription
    >>> contracts = [Subscription(customer_id=who, plan="Gym", price=Money(price, "PLN"), category="active",
    ...                           started_at=datetime(2025, 5, 1, tzinfo=UTC)) for who, price in (("ann", "300"), ("ben", "100"))]
    >>> average_revenue_per_account(contracts, every="month", as_of=date(2025, 5, 31)).value
    200.0
    """
    scope = make_scope(AVERAGE_REVENUE_PER_ACCOUNT, method, asked)
    found = yield from moved(scope, subscriptions, daily=method == "daily")
    counted = _START if method == "start" else _END
    return _measured(scope, found, lambda counts: _average(counts, counted), numerator=[counted], denominator=[counted])


def moved(scope: Scope, subscriptions: Any, *, daily: bool = False) -> Generator[Sequence[Question], Any, Tally]:
    """Count customers and what they pay by the month, at both ends of each period and by how they moved between."""
    table = contracts(scope, subscriptions, needs=["price"], uses=["price_currency", "billing_months"])
    paid, left_out = parted(scope, table, _unpriced(table))
    through = yield from spans(scope, paid, daily=daily)
    apart = [each for each in ("price_currency",) if each in table.columns]
    customers = by_customer(scope, paid, through, apart=apart, monthly=_monthly(table))
    asking = _asking(scope, customers.join(small_table(_SIDES, table.rows), how="cross"), apart)
    found, without = yield [asking, left_out]
    check_outcomes(without, "category", CATEGORIES)
    return merged(found, without)


_SIDES = pl.DataFrame({"side": ["before", "after", "between"]})
"""What is counted of each customer, who are found only once for all three."""


def _asking(scope: Scope, customers: nw.LazyFrame[Any], apart: Sequence[str]) -> Question:
    """Count customers, and what they pay, at both ends of each period, and by how they moved between."""
    side, before, after = nw.col("side"), nw.col("monthly_before"), nw.col("monthly_after")
    change = after - before
    outcome = (
        nw.when(side == "between")
        .then(_move(change))
        .when((side == "before") & (nw.col("before") == 1))
        .then(nw.lit(_START))
        .when((side == "after") & (nw.col("after") == 1))
        .then(nw.lit(_END))
    )
    moved_by = nw.when(change < 0).then(-change).otherwise(change)
    amount = nw.when(side == "before").then(before).when(side == "after").then(after).otherwise(moved_by)
    bucket = nw.col(apart[0]) if apart else None
    keys = ["scope_period", *group_columns(scope.by)]
    return question(customers, keys, outcome=outcome, bucket=bucket, amount=amount, record=nw.col("customer_id"))


def _move(change: nw.Expr) -> nw.Expr:
    before, after, is_first = (nw.col(name) == 1 for name in ("before", "after", "is_first"))
    return (
        nw.when(before & ~after)
        .then(nw.lit("churn"))
        .when(~before & after & is_first)
        .then(nw.lit("new"))
        .when(~before & after)
        .then(nw.lit("reactivation"))
        .when(change > 0)
        .then(nw.lit("expansion"))
        .when(change < 0)
        .then(nw.lit("contraction"))
        .otherwise(nw.lit(None, nw.String))
    )


def _unpriced(table: Table) -> nw.Expr:
    reason = flaw(table)
    mine = nw.when(reason.is_null() & nw.col("price").is_null()).then(unpriced(table.columns))
    if "billing_months" in table.columns:
        mine = mine.when(reason.is_null() & (nw.col("billing_months") < 1)).then(nw.lit("no billing period"))
    return mine.otherwise(reason)


def _monthly(table: Table) -> nw.Expr:
    """The price by the month, rounded to the unit of sums, halves up."""
    price = nw.col("price")
    if "billing_months" not in table.columns:
        return price
    months = nw.col("billing_months").fill_null(1).cast(nw.Int64)
    return (price * 2 + months) // (months * 2)


def _measured(
    scope: Scope, found: Tally, finish: Finish, *, numerator: Sequence[str], denominator: Sequence[str]
) -> MetricResult:
    outcomes = {"numerator": tuple(numerator), "denominator": tuple(denominator)}
    return attrs.evolve(result(scope, found, _COUNTED, finish), outcomes=outcomes)


def _total(counts: Counts, outcome: str) -> int:
    return all_sums(counts.get(outcome)).total


def _currency(counts: Counts) -> tuple[str, tuple[str, ...]]:
    """The one currency of all that a customer pays, whose warning counts each customer of the period once."""
    by_currency: dict[Any, Sums] = {}
    for outcome in (_START, *_UP):
        for currency, sums in counts.get(outcome, {}).items():
            by_currency[currency] = by_currency.get(currency, Sums()) + sums
    return one_currency(by_currency)


def _parts(counts: Counts) -> dict[str, float]:
    return {outcome: _total(counts, outcome) / MONEY_UNITS for outcome in (_START, *_MOVES, _END)}


def _movement(counts: Counts, method: str) -> dict[str, Any]:
    unit, warnings = _currency(counts)
    moved = _MOVES if method == "net" else (method,)
    total = _total(counts, _END) - _total(counts, _START) if method == "net" else _total(counts, method)
    return {
        "value": total / MONEY_UNITS,
        "unit": unit,
        "numerator": total / MONEY_UNITS,
        "n": sum(all_sums(counts.get(outcome)).n for outcome in moved),
        "details": _parts(counts),
        "warnings": warnings,
    }


def _churn(counts: Counts, method: str) -> dict[str, Any]:
    _, warnings = _currency(counts)
    lost = _total(counts, "churn")
    if method != "lost":
        lost += _total(counts, "contraction")
    if method == "net":
        lost -= _total(counts, "expansion")
    start = _total(counts, _START)
    return {
        "value": lost / start if start else None,
        "unit": "share",
        "numerator": lost / MONEY_UNITS,
        "denominator": start / MONEY_UNITS,
        "n": all_sums(counts.get(_START)).n,
        "reason": None if start else _NOTHING,
        "details": _parts(counts),
        "warnings": warnings,
    }


def _average(counts: Counts, outcome: str) -> dict[str, Any]:
    unit, warnings = one_currency(counts.get(outcome, {}))
    sums = all_sums(counts.get(outcome))
    return {
        "value": sums.total / MONEY_UNITS / sums.n if sums.n else None,
        "unit": unit,
        "numerator": sums.total / MONEY_UNITS,
        "denominator": sums.n,
        "n": sums.n,
        "reason": None if sums.n else "no customer was active",
        "warnings": warnings,
    }
