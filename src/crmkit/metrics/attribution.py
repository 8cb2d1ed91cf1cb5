"""Attribution: which share of an order each touch before it is credited with."""

from collections.abc import Generator, Sequence
from typing import Any

import narwhals as nw

from crmkit.errors import InvalidInput
from crmkit.frames.door import MICROSECONDS_A_DAY, beside, exact
from crmkit.frames.table import MONEY_UNITS, group_columns
from crmkit.frames.tally import Counts, Question, Tally
from crmkit.frames.words import one_of, unknown
from crmkit.metrics.base import ORDER_CATEGORIES
from crmkit.metrics.days import days_window
from crmkit.metrics.money import one_currency, unpriced
from crmkit.metrics.scope import Scope, all_sums, check_outcomes
from crmkit.model.interaction import Interaction
from crmkit.model.order import Order

ATTRIBUTED = "attributed"
"""The outcome of the part of an order that is credited to a touch."""

_FINENESS = 10**12
"""Parts of a smallest unit of money in which credit is counted, so that what is divided adds up again."""

_FINENESS_IN_STEPS = (nw.lit(10**6), nw.lit(10**6))

_WEIGHT = 2**20
"""The weight of a touch on the day of the order, where weights halve with time."""

_LONGEST_DECAY = 366


def attributed(
    scope: Scope, interactions: Any, orders: Any, within_days: int, half_life_days: int
) -> Generator[Sequence[Question], Any, Tally]:
    """Return the credit of each period and group by currency; ask once."""
    window = order_window(within_days)
    if scope.method == "time_decay" and within_days > _LONGEST_DECAY:
        raise InvalidInput(f"within_days={within_days!r} is too long for 'time_decay'; give at most {_LONGEST_DECAY}")
    if days_window(half_life_days, "half_life_days") is None:
        raise InvalidInput("half_life_days=None is no time; give a whole number of days from 1")
    sold = _sold(scope, orders)
    pairs = _paired(sold, _touches(scope, interactions), window)
    credits_ = _credits(scope, pairs, half_life_days, within_days)
    (found,) = yield [_credited(scope, sold, credits_)]
    check_outcomes(found, "category", ORDER_CATEGORIES)
    credit: Tally = found
    return credit


def order_window(within_days: Any) -> int:
    """Return the days in which an order may follow, in microseconds; raise `InvalidInput` for what is no number of days."""
    window = days_window(within_days)
    if window is None:
        raise InvalidInput("within_days=None is no window; give a whole number of days from 1")
    return window


def _touches(scope: Scope, interactions: Any) -> nw.LazyFrame[Any]:
    needs = ("customer_id", "at", "campaign_id")
    table = scope.open(interactions, Interaction, needs=needs, uses=("direction", "provenance"))
    is_touch = ~nw.col("campaign_id").is_null() & ~nw.col("customer_id").is_null() & (nw.col("at") <= scope.known_until)
    for column, other in (("direction", "internal"), ("provenance", "machine")):
        if column in table.columns:
            is_touch = is_touch & (nw.col(column).is_null() | (nw.col(column) != other))
    return table.rows.filter(is_touch).select("customer_id", *group_columns(scope.by), touched_at=nw.col("at"))


def _sold(scope: Scope, orders: Any) -> nw.LazyFrame[Any]:
    """Orders with why they do not count, where they do not, and since when touches count: a refund's are those of its order."""
    needs = ("id", "customer_id", "at", "amount")
    table = scope.open(orders, Order, needs=needs, uses=("currency", "category", "refund_of_id"), is_main=False)
    at, category = nw.col("at"), nw.col("category")
    optional = {
        each: nw.col(each) if each in table.columns else nw.lit(None, nw.String)
        for each in ("currency", "category", "refund_of_id")
    }
    known = table.rows.filter(at.is_null() | (at <= scope.known_until)).with_columns(**optional)
    status = (
        nw.when(at.is_null())
        .then(nw.lit("no date"))
        .when(nw.col("amount").is_null())
        .then(unpriced(table.columns))
        .when(category == "cancelled")
        .then(nw.lit("cancelled"))
        .when(~category.is_null() & ~one_of(category, ORDER_CATEGORIES))
        .then(unknown("category"))
        .when(nw.col("customer_id").is_null())
        .then(nw.lit("no customer"))
    )
    lines = known.with_columns(status=status)
    sold = lines.group_by("id", "status", "currency", drop_null_keys=False).agg(
        nw.col("at", *beside("at")).min(),
        nw.col("customer_id", "refund_of_id").max(),
        nw.col("amount").sum().cast(nw.Int64),
    )
    refunded = known.group_by("id").agg(refunded_at=at.min()).select("refunded_at", refund_of_id=nw.col("id"))
    with_origin = sold.join(refunded, on="refund_of_id", how="left")
    origin = nw.when(nw.col("refunded_at").is_null()).then(at).otherwise(nw.col("refunded_at"))
    return with_origin.with_columns(origin_at=origin)


def _paired(sold: nw.LazyFrame[Any], touches: nw.LazyFrame[Any], window: int) -> nw.LazyFrame[Any]:
    """Each order beside each touch that may have led to it."""
    counted = sold.filter(nw.col("status").is_null())
    by_order = counted.group_by("id").agg(nw.col("customer_id").max(), nw.col("origin_at").min())
    age = nw.col("origin_at") - nw.col("touched_at")
    pairs = by_order.join(touches, on="customer_id", how="inner").with_columns(age=age)
    return pairs.filter((nw.col("age") >= 0) & (nw.col("age") <= window))


def _credits(scope: Scope, pairs: nw.LazyFrame[Any], half_life: int, days: int) -> nw.LazyFrame[Any]:
    """The credit of each touch as a fraction of two whole numbers, `part` of `whole`."""
    groups = group_columns(scope.by)
    if scope.method in {"linear", "time_decay"}:
        weight = nw.lit(1) if scope.method == "linear" else _decayed(half_life, days)
        weighed = pairs.with_columns(part=weight).with_columns(whole=nw.col("part").sum().over("id"))
        return weighed.select("id", *groups, "part", "whole")
    age = nw.col("age")
    ends = pairs.with_columns(oldest=age.max().over("id"), newest=age.min().over("id")).with_columns(
        first=nw.when(age == nw.col("oldest")).then(1).otherwise(0),
        last=nw.when(age == nw.col("newest")).then(1).otherwise(0),
    )
    first, last, middle = (nw.col(each) for each in ("first", "last", "middle"))
    placed = ends.with_columns(middle=nw.when((first == 0) & (last == 0)).then(1).otherwise(0)).with_columns(
        **{f"n_{each}": nw.col(each).sum().over("id") for each in ("first", "last", "middle")}
    )
    if scope.method in {"first", "last"}:
        chosen = placed.filter(nw.col(scope.method) == 1)
        return chosen.select("id", *groups, part=nw.lit(1), whole=nw.col(f"n_{scope.method}"))
    alone = nw.col("oldest") == nw.col("newest")
    between = nw.col("n_middle") > 0
    n = (
        nw.when(middle == 1)
        .then(nw.col("n_middle"))
        .otherwise(nw.when(first == 1).then(nw.col("n_first")).otherwise(nw.col("n_last")))
    )
    part = nw.when(between & (middle == 0)).then(2).otherwise(1)
    whole = nw.when(alone).then(1).otherwise(nw.when(between).then(5).otherwise(2))
    return placed.select("id", *groups, part=part, whole=whole * n)


def _decayed(half_life: int, days: int) -> nw.Expr:
    """The weight of a touch by its age in whole days."""
    age = nw.col("age") // MICROSECONDS_A_DAY
    weights = [max(1, round(_WEIGHT * 0.5 ** (day / half_life))) for day in range(days + 1)]
    weight = nw.when(age == 0).then(nw.lit(weights[0]))
    for day in range(1, days + 1):
        weight = weight.when(age == day).then(nw.lit(weights[day]))
    return weight


def _credited(scope: Scope, sold: nw.LazyFrame[Any], credits_: nw.LazyFrame[Any]) -> Question:
    joined = sold.join(credits_, on="id", how="left")
    amount, part = nw.col("amount"), nw.col("part")
    # The size is divided and the sign put back, because engines disagree about dividing negative numbers.
    sign = nw.when(amount < 0).then(-1).otherwise(1)
    divided = _divided(joined, amount * sign, nw.col("whole"), (nw.lit(1), part, *_FINENESS_IN_STEPS))
    outcome = (
        nw.when(~nw.col("status").is_null())
        .then(nw.col("status"))
        .when(part.is_null())
        .then(nw.lit("no touch of a campaign"))
        .otherwise(nw.lit(ATTRIBUTED))
    )
    credit = nw.when(part.is_null()).then(nw.lit(0)).otherwise(nw.col("quotient") * sign)
    return scope.question(divided, at="at", outcome=outcome, bucket=nw.col("currency"), amount=credit)


def _divided(rows: nw.LazyFrame[Any], size: nw.Expr, whole: nw.Expr, factors: Sequence[nw.Expr]) -> nw.LazyFrame[Any]:
    """Return rows with the `quotient` of a size times all factors by a whole, rounded down.

    It is a long division, one factor after the other, because not every engine divides large numbers exactly.
    """
    quotient, rest = nw.lit(0).cast(exact(rows)), size
    for factor in factors:
        scaled = rest * factor
        rows = rows.with_columns(quotient=quotient * factor + scaled // whole, rest=scaled - scaled // whole * whole)
        quotient, rest = nw.col("quotient"), nw.col("rest")
    return rows


def credited_amount(counts: Counts) -> dict[str, Any]:
    """Return the sum of the credit of a group in its currency, with the number of touches; 0 where there is none."""
    amounts = counts.get(ATTRIBUTED, {})
    unit, warnings = one_currency(amounts)
    sums = all_sums(amounts)
    value = sums.total / (MONEY_UNITS * _FINENESS)
    return {"value": value, "unit": unit, "numerator": value, "n": sums.n, "warnings": warnings}
