"""Orders: what a purchase is worth."""

from typing import Any, Unpack

import narwhals as nw

from crmkit.frames.door import beside, day_of
from crmkit.frames.table import Table, group_columns
from crmkit.frames.tally import Question
from crmkit.frames.words import one_of, unknown
from crmkit.metrics.asking import Steps, kpi
from crmkit.metrics.deals import closed_amounts
from crmkit.metrics.definition import Definition
from crmkit.metrics.finishing import average_amount
from crmkit.metrics.money import currency_bucket, unpriced
from crmkit.metrics.scope import Asked, Scope, check_outcomes, make_scope, result
from crmkit.model.order import Order

_CATEGORIES = ("open", "completed", "cancelled")

AVERAGE_ORDER_VALUE = Definition(
    name="average_order_value",
    title="Average order value",
    text="What one purchase is worth on average. Cancelled orders and refunds alone are left out, free orders are in.",
    formula="sum of order values / orders",
    unit="money",
    inputs=("orders",),
    key="order",
    methods={
        "order": "one purchase is one order id; rows with the same id are lines of one order",
        "customer_day": "one purchase is all that a customer bought on one day, for data without order ids",
        "row": "one purchase is one row",
        "won_deal": "one purchase is one won deal at its close date, for data without orders",
    },
    other_inputs={"won_deal": ("deals",)},
    sources=("crmkit: the definition of CDNOW's average check depends on this choice by 3 %",),
)


@kpi(AVERAGE_ORDER_VALUE)
def average_order_value(
    orders: Any,
    *,
    method: str = "order",
    **asked: Unpack[Asked],
) -> Steps:
    """Return the average value of a purchase, also called the average check.

    Args:
        orders: records, or a Polars, pandas or Arrow table with `at` and `amount`, and `id` or, for "customer_day",
            `customer_id`; it reads `currency` and `category`. For "won_deal" deals, with `category`, `closed_at` and
            `amount`; it reads `created_at`.
        method: what one purchase is: "order", "customer_day", "row" or "won_deal".
        ci: confidence of the interval of the mean, by the normal approximation; None for none.
        asked: as for every KPI, see `crmkit.metrics`.

    Returns:
        Measures in the currency of the data: the sum of values as numerator, purchases as denominator. No value, with a
        reason, where nothing was bought. Left out and counted: cancelled orders, refunds alone (a negative sum), rows
        without an amount or a date, and for "won_deal" deals that are not won.

    Raises:
        InvalidInput: for a missing column, a naive timestamp, an unknown category, or amounts in several currencies.

    >>> from datetime import date, UTC, datetime
    >>> from crmkit.model import Money
    >>> orders = [Order(at=datetime(2025, 5, 2, tzinfo=UTC), amount=Money(paid, "PLN")) for paid in ("100", "200")]
    >>> average = average_order_value(orders, as_of=date(2025, 5, 31)).only
    >>> average.value, average.unit
    (150.0, 'PLN')
    """
    scope = make_scope(AVERAGE_ORDER_VALUE, method, asked)
    squares = scope.ci is not None
    if method == "won_deal":
        outcome, question = "won", closed_amounts(scope, orders, squares=squares)
    else:
        outcome, question = "purchase", _purchases(scope, orders, squares=squares)
    (found,) = yield [question]
    check_outcomes(found, "category", ("open", "won", "lost") if method == "won_deal" else _CATEGORIES)
    return result(
        scope,
        found,
        [outcome],
        lambda counts: average_amount(counts, outcome, ci=scope.ci, nothing="nothing was bought"),
    )


def _purchases(scope: Scope, orders: Any, *, squares: bool) -> Question:
    key = {"order": ("id",), "customer_day": ("customer_id",), "row": ()}[scope.method]
    table = scope.open(orders, Order, needs=("at", "amount", *key), uses=("currency", "category"))
    known = table.rows.filter(nw.col("at").is_null() | (nw.col("at") <= scope.known_until)).with_columns(
        status=_status(table)
    )
    purchases = _collapsed(scope, table, known, *key) if key else known
    refund = nw.when((nw.col("status") == "purchase") & (nw.col("amount") < 0)).then(nw.lit("refund"))
    return scope.question(
        purchases,
        at="at",
        outcome=refund.otherwise(nw.col("status")),
        bucket=currency_bucket(table),
        amount=nw.col("amount"),
        squares=squares,
    )


def _collapsed(scope: Scope, table: Table, rows: nw.LazyFrame[Any], key: str) -> nw.LazyFrame[Any]:
    """Make one row of the rows of one purchase; what has no key, or is left out, stays a row of its own."""
    currency = ["currency"] if "currency" in table.columns else []
    # Each further key makes grouping slower, so those that would say nothing are left out.
    day = ["day"] if scope.method == "customer_day" else []
    keys = [key, *day, *currency, *group_columns(scope.by)]
    lines = rows.with_columns(day=day_of("at"), is_line=(nw.col("status") == "purchase") & ~nw.col(key).is_null())
    purchases = (
        lines.filter(nw.col("is_line"))
        .group_by(*keys, drop_null_keys=False)
        .agg(nw.col("at", *beside("at")).min(), nw.col("amount").sum().cast(nw.Int64))
        .with_columns(status=nw.lit("purchase"))
    )
    columns = [*keys, "status", "at", *beside("at"), "amount", *(["category"] if "category" in table.columns else [])]
    together = purchases.with_columns(category=nw.lit(None, nw.String)).select(*columns)
    return nw.concat([together, lines.filter(~nw.col("is_line")).select(*columns)])


def _status(table: Table) -> nw.Expr:
    undated = nw.when(nw.col("at").is_null()).then(nw.lit("no date"))
    status = undated.when(nw.col("amount").is_null()).then(unpriced(table.columns))
    if "category" not in table.columns:
        return status.otherwise(nw.lit("purchase"))
    category = nw.col("category")
    bought = category.is_null() | one_of(category, ["open", "completed"])
    cancelled = status.when(category == "cancelled").then(nw.lit("cancelled"))
    return cancelled.when(bought).then(nw.lit("purchase")).otherwise(unknown("category"))
