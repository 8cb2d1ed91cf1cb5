"""What a customer is worth: to date, or as long as customers stay."""

from collections.abc import Mapping, Sequence
from math import fsum, inf
from typing import Any, Unpack

import attrs
import narwhals as nw

from crmkit.errors import InvalidInput
from crmkit.frames.door import MICROSECONDS_A_DAY, beside
from crmkit.frames.table import MONEY_UNITS, Table, group_columns, shared
from crmkit.frames.tally import Counts, Question, Sums, merged, question
from crmkit.frames.words import one_of, unknown
from crmkit.metrics.asking import Steps, kpi
from crmkit.metrics.base import ORDER_CATEGORIES, contracts, flaw, parted
from crmkit.metrics.definition import Definition
from crmkit.metrics.finishing import average_amount
from crmkit.metrics.money import currency_bucket, one_currency, unpriced
from crmkit.metrics.recurring import moved
from crmkit.metrics.scope import Asked, Scope, all_sums, check_outcomes, make_scope, result
from crmkit.model.order import Order
from crmkit.stats.periods import MONTHS

_CUSTOMER, _LEFT, _STAYS = "customer", "left", "stays"
_MOVED = ("start", "end", "new", "reactivation", "expansion", "contraction", "churn")
_DAYS_A_MONTH = 365.25 / 12

CUSTOMER_LIFETIME_VALUE = Definition(
    name="customer_lifetime_value",
    title="Customer lifetime value",
    text="What one customer is worth to the business, as revenue or, with a margin, as profit.",
    formula="sum of order values to date x margin / customers",
    unit="money",
    inputs=("orders",),
    key="customer",
    methods={
        "historic": "sum of order values to date x margin / customers, each in the period of the first order",
        "simple": "revenue per account by the month x margin / churn rate by the month, for contracts",
        "contractual": "sum over months of revenue per account x margin x share still there / (1 + discount) ^ years",
    },
    other_inputs={"simple": ("subscriptions",), "contractual": ("subscriptions",)},
    sources=("Uscreen: lifetime value", "Fader and Hardie (2010): constant churn understates the value of who stays"),
)


@kpi(CUSTOMER_LIFETIME_VALUE)
def customer_lifetime_value(
    orders: Any,
    *,
    method: str = "historic",
    margin: float = 1.0,
    horizon_months: int | None = None,
    discount: float = 0.0,
    **asked: Unpack[Asked],
) -> Steps:
    """Return what one customer is worth.

    The default counts what customers have paid and predicts nothing; with `every` it is the value to date of those who first
    bought in each period, so young periods are worth less. "simple" predicts, as if every customer were as likely to leave
    as any other, which they are not: use it to compare, not to value a business. "contractual" lets them leave as they left so far: the share
    still there after so many months is estimated by Kaplan and Meier, with those who still are as censored.

    Args:
        orders: records, or a Polars, pandas, Arrow or DuckDB table with `customer_id`, `at` and `amount`; it reads `currency` and
            `category`. For "simple" subscriptions, as for `mrr_movements`, and `every` a "month", "quarter" or "year"; for "contractual" too, without `start`, `end` and `every`.
        method: "historic", "simple" or "contractual".
        margin: the part of revenue that is profit, from 0 to 1. By default all of it, because any other guess is silently wrong.
        horizon_months: the longest lifetime to reckon with; None for none, which "contractual" does not take.
        discount: for "contractual", the rate by which money is worth less a year later, such as 0.1.
        ci: confidence of the interval of the mean by the normal approximation, for "historic"; None for none.
        asked: as for every KPI, see `crmkit.metrics`.

    Returns:
        Measures in the currency of the data. "historic": the value of all orders, refunds taken off, as numerator, customers as
        denominator. "simple": the margin of one account by the month as numerator, the churn rate by the month as denominator.
        "contractual": the value of the active customers together as numerator, their number as denominator.
        No value, with a reason, where there was no customer, or where nobody was lost and there is no horizon. Left out and
        counted: cancelled orders, those without an amount, a customer or a date; contracts as for `mrr_movements`.

    Raises:
        InvalidInput: for a missing column, a margin outside 0 to 1, amounts in several currencies, or "simple" without months.

    >>> from datetime import date, UTC, datetime
    >>> from crmkit.model import Money
    >>> paid = (("ann", "300"), ("ann", "100"), ("ben", "200"))
    >>> orders = [Order(customer_id=who, amount=Money(price, "PLN"), at=datetime(2025, 5, 2, tzinfo=UTC)) for who, price in paid]
    >>> customer_lifetime_value(orders, as_of=date(2025, 5, 31), margin=0.5).value
    150.0
    """
    scope = make_scope(CUSTOMER_LIFETIME_VALUE, method, asked)
    _check(scope, margin, horizon_months, discount)
    if method == "simple":
        found = yield from moved(scope, orders)
        months = MONTHS[scope.every or "month"][0]
        return result(scope, found, _MOVED, lambda counts: _simple(counts, margin, months, horizon_months))
    if method == "contractual":
        subscriptions = shared(orders)  # which are read twice
        found = yield from moved(scope, subscriptions)
        (tenures,) = yield [_tenures(scope, subscriptions)]
        worth = _factors(margin, discount, horizon_months or 0)
        return result(
            scope, merged(found, tenures), (*_MOVED, _LEFT, _STAYS), lambda counts: _contractual(counts, worth)
        )
    needs = ("customer_id", "at", "amount")
    table = scope.open(orders, Order, needs=needs, uses=("currency", "category", "id"))
    customers, without = yield _bought(scope, table)
    check_outcomes(without, "category", ORDER_CATEGORIES)
    return result(scope, merged(customers, without), [_CUSTOMER], lambda counts: _historic(counts, margin, scope.ci))


def _check(scope: Scope, margin: Any, horizon_months: Any, discount: Any) -> None:
    if not isinstance(discount, int | float) or not 0 <= discount < inf:
        raise InvalidInput(f"discount={discount!r} is no yearly rate; give one such as 0.1, or 0 for none")
    if not isinstance(margin, int | float) or not 0 <= margin <= 1:
        raise InvalidInput(f"margin={margin!r} is no part of revenue; give a number from 0 to 1")
    if horizon_months is not None and (not isinstance(horizon_months, int) or horizon_months < 1):
        raise InvalidInput(f"horizon_months={horizon_months!r} is no lifetime; give at least 1, or None")
    if scope.method == "simple" and scope.every not in MONTHS:
        raise InvalidInput(
            f"every={scope.every!r} has no whole months to take churn by; give 'month', 'quarter' or 'year'"
        )
    if scope.method == "contractual":
        if horizon_months is None:
            raise InvalidInput("horizon_months=None has no end; give the number of months to look ahead")
        if scope.every is not None or scope.start is not None or scope.end is not None:
            raise InvalidInput(
                "start, end and every= make no sense here; how customers leave is learned from all of them"
            )


def _bought(scope: Scope, table: Table) -> list[Question]:
    """Sum what each customer bought, in the period of the first order, and count the orders that are left out."""
    known = table.rows.filter(nw.col("at").is_null() | (nw.col("at") <= scope.known_until))
    currency = ["currency"] if "currency" in table.columns else []
    bought, left_out = parted(scope, attrs.evolve(table, rows=known), _flaw(table))
    keys = ["customer_id", *group_columns(scope.by), *currency]
    customers = bought.group_by(*keys, drop_null_keys=False).agg(
        nw.col("at", *beside("at")).min(), nw.col("amount").sum()
    )
    asking = scope.question(
        customers,
        at="at",
        outcome=nw.lit(_CUSTOMER),
        bucket=currency_bucket(table),
        amount=nw.col("amount"),
        squares=scope.ci is not None,
        record="customer_id",
    )
    return [asking, left_out]


def _flaw(table: Table) -> nw.Expr:
    reason = nw.when(nw.col("customer_id").is_null()).then(nw.lit("no customer"))
    if "category" in table.columns:
        category = nw.col("category")
        reason = reason.when(~category.is_null() & ~one_of(category, ORDER_CATEGORIES)).then(unknown("category"))
        reason = reason.when(category == "cancelled").then(nw.lit("cancelled"))
    reason = reason.when(nw.col("at").is_null()).then(nw.lit("no date"))
    return reason.when(nw.col("amount").is_null()).then(unpriced(table.columns)).otherwise(nw.lit(None, nw.String))


def _tenures(scope: Scope, subscriptions: Any) -> Question:
    """Count customers by the days from their first start to their last end, or to now where they still are."""
    table = contracts(scope, subscriptions)
    paid = table.rows.with_columns(reason=flaw(table)).filter(nw.col("reason").is_null())
    runs = nw.col("ended_at").is_null() | (nw.col("ended_at") > scope.known_until)
    until = paid.with_columns(
        runs=nw.when(runs).then(nw.lit(1)).otherwise(nw.lit(0)),
        until=nw.when(runs).then(nw.lit(scope.known_until)).otherwise(nw.col("ended_at")),
        scope_period=nw.lit(None, nw.Int64),
    )
    groups = group_columns(scope.by)
    customers = until.group_by("scope_period", "customer_id", *groups, drop_null_keys=False).agg(
        nw.col("started_at").min(), nw.col("until").max(), nw.col("runs").max()
    )
    return question(
        customers,
        ["scope_period", *groups],
        outcome=nw.when(nw.col("runs") == 1).then(nw.lit(_STAYS)).otherwise(nw.lit(_LEFT)),
        bucket=(nw.col("until") - nw.col("started_at")) // MICROSECONDS_A_DAY,
        record=nw.col("customer_id"),
    )


def _factors(margin: float, discount: float, months: int) -> list[float]:
    """What one unit of revenue is worth in each month to come."""
    return [margin / (1 + discount) ** (month / 12) for month in range(months)]


def _still_there(left: Mapping[int, Sums], stays: Mapping[int, Sums], days: Sequence[float]) -> list[float]:
    """Return the share of customers still there after some numbers of days, by Kaplan and Meier; `days` ascend."""
    lengths = sorted({*left, *stays})
    at_risk = sum(sums.n for sums in (*left.values(), *stays.values()))
    share, shares, passed = 1.0, [], 0
    for day in days:
        while passed < len(lengths) and lengths[passed] <= day:
            length = lengths[passed]
            ended = left[length].n if length in left else 0
            share *= 1 - ended / at_risk
            at_risk -= ended + (stays[length].n if length in stays else 0)
            passed += 1
        shares.append(share)
    return shares


def _contractual(counts: Counts, worth: Sequence[float]) -> dict[str, Any]:
    active = counts.get("end", {})
    unit, warnings = one_currency(active)
    sums = all_sums(active)
    left, stays = counts.get(_LEFT, {}), counts.get(_STAYS, {})
    days = [month * _DAYS_A_MONTH for month in range(len(worth))]
    months = fsum(each * share for each, share in zip(worth, _still_there(left, stays, days), strict=True))
    longest = max((*left, *stays), default=0)
    if sums.n and days[-1] > longest:
        warnings = (
            *warnings,
            f"nobody has been a customer for more than {longest} days; beyond that nobody is taken to leave",
        )
    return {
        "value": sums.total / MONEY_UNITS * months / sums.n if sums.n else None,
        "unit": unit,
        "numerator": sums.total / MONEY_UNITS * months,
        "denominator": sums.n,
        "n": sums.n,
        "reason": None if sums.n else "no customer is active",
        "warnings": warnings,
    }


def _historic(counts: Counts, margin: float, ci: float | None) -> dict[str, Any]:
    parts = average_amount(counts, _CUSTOMER, ci=ci, nothing="no customer bought")
    scaled = {name: parts[name] * margin for name in ("value", "numerator", "low", "high") if parts[name] is not None}
    return parts | scaled


def _simple(counts: Counts, margin: float, months: int, horizon: int | None) -> dict[str, Any]:
    unit, warnings = one_currency({**counts.get("start", {}), **counts.get("end", {})})
    start, lost = all_sums(counts.get("start")), all_sums(counts.get("churn")).n
    earned = start.total / MONEY_UNITS / start.n * margin if start.n else None
    churn = lost / start.n / months if start.n else 0.0
    lasts = months * start.n / lost if lost else None
    life = lasts if horizon is None else min(lasts or horizon, horizon)
    nothing = (
        "nobody was lost, so no lifetime ends; give horizon_months"
        if start.n
        else "no customer was active at the start"
    )
    value = None if earned is None or life is None else earned * life
    return {
        "value": value,
        "unit": unit,
        "numerator": earned,
        "denominator": churn,
        "n": start.n,
        "reason": nothing if value is None else None,
        "warnings": warnings,
    }
