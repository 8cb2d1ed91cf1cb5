"""Campaigns: what they bring."""

import math
from collections.abc import Generator, Sequence
from typing import Any, Unpack

import narwhals as nw

from crmkit.errors import InvalidInput
from crmkit.frames.door import MICROSECONDS_A_DAY, beside
from crmkit.frames.table import MONEY_UNITS, Table, group_columns
from crmkit.frames.tally import Counts, Question, Sums, Tally, merged
from crmkit.metrics.asking import Steps, kpi
from crmkit.metrics.days import days_window
from crmkit.metrics.definition import Definition
from crmkit.metrics.money import UNPRICED, one_currency
from crmkit.metrics.scope import Asked, Scope, all_sums, check_outcomes, make_scope, result, rows, unknown
from crmkit.metrics.spending import COST, Accrual, spent
from crmkit.model.interaction import Interaction
from crmkit.model.message import Message
from crmkit.model.order import Order
from crmkit.stats.intervals import quantile_of_normal

_ORDER_CATEGORIES = ("open", "completed", "cancelled")
_BUYERS = ("treated, bought", "treated, did not buy", "held out, bought", "held out, did not buy")
_ARMS = ("treated", "held out")
_ORDER = "order"
_FEW = 5
"""Below so many buyers or others in a group the normal approximation is rough."""

_ATTRIBUTED = "attributed"
_FINENESS = 10**12
"""Parts of a smallest unit of money in which credit is counted, so that what is divided adds up again."""

_WEIGHT = 2**20
"""The weight of a touch on the day of the order, where weights halve with time."""

_LONGEST_DECAY = 366

CAMPAIGN_REVENUE = Definition(
    name="campaign_revenue",
    title="Campaign revenue",
    text="The value of the orders that followed a campaign: each order is credited to the campaigns that its customer was in touch with.",
    formula="sum of order values * credit of the touches",
    unit="money",
    inputs=("interactions", "orders"),
    key="customer",
    methods={
        "last": "all credit to the last touch before the order",
        "first": "all credit to the first touch in the window",
        "linear": "the same credit to every touch",
        "position": "40 % to the first, 40 % to the last, 20 % to those between; half each where there are none between",
        "time_decay": "credit halves with every `half_life_days` before the order",
    },
    sources=("Bitrix24: attribution window", "Google Analytics: attribution models"),
)


@kpi(CAMPAIGN_REVENUE)
def campaign_revenue(
    *,
    interactions: Any,
    orders: Any,
    method: str = "last",
    within_days: int = 28,
    half_life_days: int = 7,
    **asked: Unpack[Asked],
) -> Steps:
    """Return the value of the orders that are credited to campaigns, in the period of the order.

    An order is credited to its customer's touches in the `within_days` before it: interactions with people that belong to a
    campaign. One without a campaign is direct and takes no credit. Touches at the same instant share their credit, so the result
    never depends on the order of rows, and no order is counted twice: the groups add up to the total. A refund of a known
    order takes the credit back from the touches of that order, on the day of the refund.

    Credit is no proof that the campaign caused the order; `campaign_lift` with a holdout is.

    Args:
        interactions: records, or a Polars, pandas or Arrow table with `customer_id`, `at` and `campaign_id`; it reads `direction`
            ("internal" is no touch) and `provenance` (that of a "machine" is none). Columns to group by, such as `campaign_id` or
            `channel`, and the rule are its.
        orders: records or a table with `id`, `customer_id`, `at` and `amount`; it reads `currency`, `category` and `refund_of_id`. Rows
            with the same id are lines of one order.
        method: "last", "first", "linear", "position" or "time_decay".
        within_days: the window before the order, in days of 24 hours.
        half_life_days: days after which a touch has half the credit; for "time_decay", whose window is at most 366 days.
        asked: as for every KPI, see `crmkit.metrics`. There is no interval.

    Returns:
        Measures in the currency of the data; `n` credited touches. 0 where nothing is credited. Left out and counted, in the group
        None: orders without a touch, cancelled, and without a customer, an amount or a date.

    Raises:
        InvalidInput: for a missing column, a naive timestamp, an unknown category, a window that is none, or amounts in several
            currencies.

    >>> from datetime import date, UTC, datetime
    >>> from crmkit.model import Money
    >>> touches = [
    ...     Interaction(at=datetime(2025, 5, day, tzinfo=UTC), channel="email", direction="outbound", customer_id="ann", campaign_id=name)
    ...     for day, name in ((1, "spring"), (3, "summer"))
    ... ]
    >>> order = Order(at=datetime(2025, 5, 4, tzinfo=UTC), amount=Money("490", "PLN"), customer_id="ann")
    >>> found = campaign_revenue(interactions=touches, orders=[order], as_of=date(2025, 5, 31), by="campaign_id")
    >>> [(each.group["campaign_id"], each.value) for each in found]
    [('summer', 490.0)]
    """
    scope = make_scope(CAMPAIGN_REVENUE, method, asked)
    found = yield from _attributed(scope, interactions, orders, within_days, half_life_days)
    return result(scope, found, [_ATTRIBUTED], _credited_amount)


CAMPAIGN_ROI = Definition(
    name="campaign_roi",
    title="Campaign return on investment",
    text="What campaigns earned for each unit of money spent on them, after that money is back: 0 is break-even, -1 a total loss.",
    formula="(attributed revenue * margin - cost) / cost",
    unit="share",
    inputs=("costs", "interactions", "orders"),
    key="customer",
    methods=CAMPAIGN_REVENUE.methods,
    sources=("Bitrix24: attribution window", "HubSpot: marketing return on investment"),
)


@kpi(CAMPAIGN_ROI)
def campaign_roi(
    *,
    costs: Any,
    interactions: Any,
    orders: Any,
    method: str = "last",
    margin: float = 1.0,
    within_days: int = 28,
    half_life_days: int = 7,
    accrual: Accrual = "daily",
    **asked: Unpack[Asked],
) -> Steps:
    """Return what campaigns earned above their cost, as a share of the cost.

    Revenue is that of `campaign_revenue`, whose methods these are. Without a `margin` the whole revenue is taken for earnings, which
    flatters the campaign. What would have been bought anyway is in it as well; `campaign_lift` tells that apart.

    Args:
        costs: the costs of the campaigns and no others: records, or a Polars, pandas or Arrow table with `category`, `amount` and
            `incurred_on`; it reads `currency`, `starts_on` and `ends_on` (the days that the cost is for) and `allocation_share`.
        interactions: as for `campaign_revenue`; the rule filters these alone.
        orders: as for `campaign_revenue`.
        method: "last", "first", "linear", "position" or "time_decay", see `campaign_revenue`.
        margin: the share of revenue that is left after the goods are paid for, above 0 and up to 1.
        within_days: the window before the order, in days of 24 hours.
        half_life_days: days after which a touch has half the credit, for "time_decay".
        accrual: "daily" shares a cost among its days, "cash" books all of it on `incurred_on`.
        asked: as for every KPI, see `crmkit.metrics`. `by` groups interactions and costs, so both need the column, as `campaign_id`.

    Returns:
        Measures as shares of the cost, from -1 without an upper end; numerator revenue times margin less cost, denominator cost,
        `n` credited touches, `details` with `revenue`, `cost` and `roas`, the revenue for each unit of money spent. No value, with
        a reason, where nothing was spent. Left out and counted: orders as for `campaign_revenue`, costs without an amount or a day.

    Raises:
        InvalidInput: as `campaign_revenue`, and for a margin or a share that is none, or costs in another currency than orders.

    >>> from datetime import date, UTC, datetime
    >>> from crmkit.model import Cost, Money
    >>> may = datetime(2025, 5, 2, tzinfo=UTC)
    >>> touch = Interaction(at=may, channel="email", direction="outbound", customer_id="ann", campaign_id="spring")
    >>> order = Order(at=may, amount=Money("490", "PLN"), customer_id="ann")
    >>> spent = Cost(category="advertising", amount=Money("200", "PLN"), incurred_on=date(2025, 5, 1))
    >>> campaign_roi(costs=[spent], interactions=[touch], orders=[order], as_of=date(2025, 5, 31)).value
    1.45
    """
    scope = make_scope(CAMPAIGN_ROI, method, asked)
    if isinstance(margin, bool) or not isinstance(margin, int | float) or not 0 < margin <= 1:
        raise InvalidInput(f"margin={margin!r} is no share of revenue; give a number above 0 and up to 1")
    booked = yield from spent(scope, costs, accrual)
    found = yield from _attributed(scope, interactions, orders, within_days, half_life_days)
    both = merged(booked, found)
    return result(
        scope, both, [_ATTRIBUTED, COST], lambda counts: _return(counts, float(margin)), numerator=[_ATTRIBUTED]
    )


def _return(counts: Counts, margin: float) -> dict[str, Any]:
    costs = counts.get(COST, {})
    by_currency = dict(counts.get(_ATTRIBUTED, {}))
    for (currency, _), sums in costs.items():
        by_currency[currency] = by_currency.get(currency, Sums()) + sums
    _, warnings = one_currency(by_currency)
    credited = _credited_amount(counts)
    revenue, cost = credited["value"], all_sums(costs).total / MONEY_UNITS
    earned = revenue * margin - cost
    return {
        "value": earned / cost if cost > 0 else None,
        "unit": "share",
        "numerator": earned if cost > 0 else 0.0,
        "denominator": max(cost, 0.0),
        "n": credited["n"],
        "reason": None if cost > 0 else "nothing was spent",
        "details": {"revenue": revenue, "cost": cost} | ({"roas": revenue / cost} if cost > 0 else {}),
        "warnings": warnings,
    }


def _attributed(
    scope: Scope, interactions: Any, orders: Any, within_days: int, half_life_days: int
) -> Generator[Sequence[Question], Any, Tally]:
    """Return the credit of each period and group by currency; ask once."""
    window = _window(within_days)
    if scope.method == "time_decay" and within_days > _LONGEST_DECAY:
        raise InvalidInput(f"within_days={within_days!r} is too long for 'time_decay'; give at most {_LONGEST_DECAY}")
    if days_window(half_life_days, "half_life_days") is None:
        raise InvalidInput("half_life_days=None is no time; give a whole number of days from 1")
    sold = _sold(scope, orders)
    pairs = _paired(sold, _touches(scope, interactions), window)
    credits_ = _credits(scope, pairs, half_life_days, within_days)
    (found,) = yield [_credited(scope, sold, credits_)]
    check_outcomes(found, "category", _ORDER_CATEGORIES)
    credit: Tally = found
    return credit


def _window(within_days: Any) -> int:
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
        .then(nw.lit(UNPRICED))
        .when(category == "cancelled")
        .then(nw.lit("cancelled"))
        .when(~category.is_null() & ~category.is_in(_ORDER_CATEGORIES))
        .then(unknown("category"))
        .when(nw.col("customer_id").is_null())
        .then(nw.lit("no customer"))
    )
    lines = known.with_columns(status=status)
    sold = lines.group_by("id", "status", "currency", drop_null_keys=False).agg(
        nw.col(*_moment("at")).min(),
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
    size = (amount * sign).cast(nw.Int128) * _FINENESS * part // nw.col("whole")
    outcome = (
        nw.when(~nw.col("status").is_null())
        .then(nw.col("status"))
        .when(part.is_null())
        .then(nw.lit("no touch of a campaign"))
        .otherwise(nw.lit(_ATTRIBUTED))
    )
    credit = nw.when(part.is_null()).then(nw.lit(0)).otherwise(size * sign)
    return scope.question(joined, at="at", outcome=outcome, bucket=nw.col("currency"), amount=credit)


def _credited_amount(counts: Counts) -> dict[str, Any]:
    amounts = counts.get(_ATTRIBUTED, {})
    unit, warnings = one_currency(amounts)
    sums = all_sums(amounts)
    value = sums.total / (MONEY_UNITS * _FINENESS)
    return {"value": value, "unit": unit, "numerator": value, "n": sums.n, "warnings": warnings}


CAMPAIGN_LIFT = Definition(
    name="campaign_lift",
    title="Campaign lift",
    text="What a campaign changed: how much more those did who got it than those who were held out, by chance, to compare with.",
    formula="buyers / treated - buyers / held out",
    unit="share",
    inputs=("messages", "orders"),
    key="customer",
    methods={
        "conversion": "the share of customers that bought, treated less held out",
        "revenue": "the revenue a customer, treated less held out; refunds subtract",
    },
    sources=("Hillstrom 2008: the MineThatData e-mail challenge", "Welch 1947: means of unequal variance"),
)


@kpi(CAMPAIGN_LIFT)
def campaign_lift(
    *,
    messages: Any,
    orders: Any,
    method: str = "conversion",
    within_days: int = 28,
    holdout: str = "holdout",
    **asked: Unpack[Asked],
) -> Steps:
    """Return how much more the customers of a campaign bought than those who were held out of it.

    The held out are messages of the campaign that were skipped on purpose, with `skip_reason` "holdout". Everybody to whom
    something was sent is treated, opened or not, because who opens is not left to chance. What a customer buys counts from the
    moment of sending (of skipping) for `within_days`; customers whose days have not passed at `as_of` are left out.

    The lift is of a campaign where its holdout was drawn by chance; with several campaigns group by `campaign_id`.

    Args:
        messages: records, or a Polars, pandas or Arrow table with `customer_id`, `sent_at`, `skipped_at` and `skip_reason`; it
            reads `campaign_id`. Several messages of a campaign to one customer are one customer.
        orders: records or a table with `customer_id` and `at`, for "revenue" `amount`; it reads `amount`, `currency` and `category`.
            Cancelled orders do not count, and refunds are no purchase.
        method: "conversion" or "revenue".
        within_days: the window after sending, in days of 24 hours.
        holdout: the `skip_reason` of those who were held out.
        ci: confidence of the interval of the difference, by the normal approximation; None for none.
        asked: as for every KPI, see `crmkit.metrics`.

    Returns:
        Measures in shares from -1 to 1, or in the currency of the data, by the period of sending; denominator treated customers,
        numerator the buyers (the revenue) among them that the campaign brought; `n` both groups. `details` has for both groups
        their number and rate (or mean), the `relative` lift, and `z` with its two-sided `p` (or Welch's `t`). No value, with a
        reason, where a group is empty. Left out and counted: messages not sent, without a customer, customers in both
        groups, and those whose window is still open.

    Raises:
        InvalidInput: for a missing column, a naive timestamp, an unknown category, a window that is none, or amounts in several
            currencies.

    >>> from datetime import date, UTC, datetime
    >>> may = datetime(2025, 5, 2, tzinfo=UTC)
    >>> sent = [Message(channel="email", customer_id=name, sent_at=may) for name in ("ann", "ben")]
    >>> held = [Message(channel="email", customer_id=name, skipped_at=may, skip_reason="holdout") for name in ("cid", "dan")]
    >>> bought = [Order(at=may, customer_id="ann")]
    >>> campaign_lift(messages=sent + held, orders=bought, as_of=date(2025, 5, 31)).value
    0.5
    """
    scope = make_scope(CAMPAIGN_LIFT, method, asked)
    window = _window(within_days)
    if not isinstance(holdout, str):
        raise InvalidInput(f"holdout={holdout!r} is no reason for skipping; give the text that skip_reason has")
    needs = ("customer_id", "sent_at", "skipped_at", "skip_reason")
    table = scope.open(messages, Message, needs=needs, uses=("campaign_id", "id"))
    assigned = _assigned(scope, table, holdout)
    people = _people(scope, table, assigned)
    bought = _bought(scope, orders, people, window)
    nameless = assigned.filter(nw.col("customer_id").is_null())
    questions = [
        _outcomes(scope, bought, window),
        _purchases(scope, bought),
        scope.question(nameless, at="assigned_at", outcome=nw.lit("no customer")),
    ]
    found, purchases, unnamed = yield questions
    check_outcomes(purchases, "category", _ORDER_CATEGORIES)
    counted = [*(_BUYERS if method == "conversion" else _ARMS), _ORDER]
    both = merged(merged(found, purchases), unnamed)
    finish = _conversion_lift if method == "conversion" else _revenue_lift
    return result(scope, both, counted, lambda counts: finish(counts, scope.ci), numerator=counted[:1])


def _assigned(scope: Scope, table: Table, holdout: str) -> nw.LazyFrame[Any]:
    """The messages with whether they treat or hold out, and since when."""
    treated = nw.col("sent_at") <= scope.known_until
    held_out = (nw.col("skip_reason") == holdout) & (nw.col("skipped_at") <= scope.known_until)
    moments = zip(_moment("assigned_at"), _moment("sent_at"), _moment("skipped_at"), strict=True)
    return table.rows.with_columns(
        **{
            name: nw.when(treated).then(nw.col(sent)).otherwise(nw.when(held_out).then(nw.col(skipped)))
            for name, sent, skipped in moments
        },
        treated=nw.when(treated).then(1).otherwise(0),
        held_out=nw.when(treated).then(0).otherwise(nw.when(held_out).then(1).otherwise(0)),
    )


def _moment(column: str) -> list[str]:
    return [column, *beside(column)]


def _people(scope: Scope, table: Table, assigned: nw.LazyFrame[Any]) -> nw.LazyFrame[Any]:
    """Each customer of each campaign once, since the first message."""
    campaign = ["campaign_id"] if "campaign_id" in table.columns else []
    keys = ["customer_id", *campaign, *group_columns(scope.by)]
    named = assigned.filter(~nw.col("customer_id").is_null())
    return named.group_by(*keys, drop_null_keys=False).agg(
        nw.col(*_moment("assigned_at")).min(), nw.col("treated", "held_out").max()
    )


def _bought(scope: Scope, orders: Any, people: nw.LazyFrame[Any], window: int) -> nw.LazyFrame[Any]:
    """The customers beside each of their orders, with whether it lies in the window; those without any stand alone."""
    needs = ("customer_id", "at", *(("amount",) if scope.method == "revenue" else ()))
    table = scope.open(orders, Order, needs=needs, uses=("amount", "currency", "category"), is_main=False)
    types: dict[str, Any] = {"amount": nw.Int64, "category": nw.String, "currency": nw.String}
    optional = {each: nw.col(each) if each in table.columns else nw.lit(None, dtype) for each, dtype in types.items()}
    known = table.rows.select("customer_id", "at", **optional)
    at, assigned_at, category = nw.col("at"), nw.col("assigned_at"), nw.col("category")
    inside = (at <= scope.known_until) & (at >= assigned_at) & (at <= assigned_at + window)
    stands = category.is_null() | category.is_in(["open", "completed"])
    joined = people.join(known, on="customer_id", how="left").with_columns(inside=inside)
    return joined.with_columns(counts=nw.when(nw.col("inside") & stands).then(1).otherwise(0))


def _outcomes(scope: Scope, bought: nw.LazyFrame[Any], window: int) -> Question:
    amount, counts = nw.col("amount"), nw.col("counts")
    keys = [each for each in bought.collect_schema().names() if each not in _OF_ORDERS]
    customers = (
        bought.with_columns(
            purchases=nw.when((counts == 1) & (amount.is_null() | (amount >= 0))).then(1).otherwise(0),
            revenue=nw.when((counts == 1) & ~amount.is_null()).then(amount).otherwise(0),
        )
        .group_by(*keys, drop_null_keys=False)
        .agg(nw.col("purchases").max(), nw.col("revenue").sum().cast(nw.Int64))
    )
    outcome = (
        nw.when((nw.col("treated") == 1) & (nw.col("held_out") == 1))
        .then(nw.lit("in both groups"))
        .when((nw.col("treated") == 0) & (nw.col("held_out") == 0))
        .then(nw.lit("not sent"))
        .when(nw.col("assigned_at") + window > scope.known_until)
        .then(nw.lit("window still open"))
    )
    arm = nw.when(nw.col("treated") == 1).then(nw.lit(_ARMS[0])).otherwise(nw.lit(_ARMS[1]))
    if scope.method == "revenue":
        return scope.question(
            customers,
            at="assigned_at",
            outcome=outcome.otherwise(arm),
            amount=nw.col("revenue"),
            squares=True,
            record="customer_id",
        )
    did = nw.when(nw.col("purchases") == 1).then(nw.lit(", bought")).otherwise(nw.lit(", did not buy"))
    bought_or_not = outcome.otherwise(nw.concat_str([arm, did]))
    return scope.question(customers, at="assigned_at", outcome=bought_or_not, record="customer_id")


_OF_ORDERS = ("at", "amount", "category", "currency", "inside", "counts")


def _purchases(scope: Scope, bought: nw.LazyFrame[Any]) -> Question:
    """The orders by currency, because revenue of several currencies means nothing, and their categories, to find unknown ones."""
    strange = nw.col("inside") & ~nw.col("category").is_null() & ~nw.col("category").is_in(_ORDER_CATEGORIES)
    priced = (nw.col("counts") == 1) & ~nw.col("amount").is_null()
    outcome = nw.when(strange).then(unknown("category")).otherwise(nw.when(priced).then(nw.lit(_ORDER)))
    return scope.question(bought, at="assigned_at", outcome=outcome, bucket=nw.col("currency"), record=None)


def _conversion_lift(counts: Counts, ci: float | None) -> dict[str, Any]:
    yes, no, held_yes, held_no = (rows(counts.get(each)) for each in _BUYERS)
    treated, held = yes + no, held_yes + held_no
    if not treated or not held:
        return _no_lift(treated, held, "share")
    rate, held_rate = yes / treated, held_yes / held
    pooled = (yes + held_yes) / (treated + held)
    spread = math.sqrt(rate * (1 - rate) / treated + held_rate * (1 - held_rate) / held)
    error = math.sqrt(pooled * (1 - pooled) * (1 / treated + 1 / held))
    z = (rate - held_rate) / error if error else None
    tests = {} if z is None else {"z": z, "p": math.erfc(abs(z) / math.sqrt(2))}
    rough = "some groups are small, so the interval and z are rough"
    lift = _lift((rate, treated), (held_rate, held), spread, ci, bounds=(-1.0, 1.0))
    return lift | {
        "unit": "share",
        "details": _sizes(treated, held, rate, held_rate, "rate") | tests,
        "warnings": (rough,) if min(yes, no, held_yes, held_no) < _FEW else (),
    }


def _revenue_lift(counts: Counts, ci: float | None) -> dict[str, Any]:
    currency, warnings = one_currency(counts.get(_ORDER, {}))
    sums, held_sums = (all_sums(counts.get(each)) for each in _ARMS)
    if not sums.n or not held_sums.n:
        return _no_lift(sums.n, held_sums.n, currency)
    mean, held_mean = (each.total / MONEY_UNITS / each.n for each in (sums, held_sums))
    variances = [_variance_of_mean(each) for each in (sums, held_sums)]
    spread = None if None in variances else math.sqrt(sum(each or 0.0 for each in variances))
    tests = {"t": (mean - held_mean) / spread} if spread else {}
    lift = _lift((mean, sums.n), (held_mean, held_sums.n), spread, ci, bounds=(-math.inf, math.inf))
    return lift | {
        "unit": currency,
        "details": _sizes(sums.n, held_sums.n, mean, held_mean, "mean") | tests,
        "warnings": warnings,
    }


def _variance_of_mean(sums: Sums) -> float | None:
    if sums.n < 2:  # noqa: PLR2004 - one value has no spread
        return None
    variance = (sums.n * sums.squares - sums.total * sums.total) / (sums.n * (sums.n - 1))
    return float(variance / MONEY_UNITS**2 / sums.n)


def _no_lift(treated: int, held: int, unit: str) -> dict[str, Any]:
    reason = "nobody was treated" if not treated else "nobody was held out"
    return {"value": None, "unit": unit, "numerator": 0, "denominator": 0, "n": treated + held, "reason": reason}


def _lift(
    treated: tuple[float, int],
    held: tuple[float, int],
    spread: float | None,
    ci: float | None,
    *,
    bounds: tuple[float, float],
) -> dict[str, Any]:
    value, n = treated[0] - held[0], treated[1]
    reach = None if ci is None or spread is None else quantile_of_normal(ci) * spread
    return {
        "value": value,
        "numerator": value * n,
        "denominator": n,
        "n": n + held[1],
        "low": None if reach is None else max(bounds[0], value - reach),
        "high": None if reach is None else min(bounds[1], value + reach),
    }


def _sizes(treated: int, held: int, rate: float, held_rate: float, word: str) -> dict[str, float]:
    sizes = {"treated": treated, "held_out": held, f"treated_{word}": rate, f"held_out_{word}": held_rate}
    return sizes | ({"relative": rate / held_rate - 1} if held_rate > 0 else {})
