"""Lift: what a campaign changed, against customers who were held out of it by chance."""

import math
from typing import Any, Unpack

import narwhals as nw

from crmkit.errors import InvalidInput
from crmkit.frames.door import beside
from crmkit.frames.table import MONEY_UNITS, Table, group_columns
from crmkit.frames.tally import Counts, Question, Sums, merged
from crmkit.frames.words import one_of, unknown
from crmkit.metrics.asking import Steps, kpi
from crmkit.metrics.attribution import order_window
from crmkit.metrics.base import ORDER_CATEGORIES
from crmkit.metrics.definition import Definition
from crmkit.metrics.money import one_currency
from crmkit.metrics.scope import Asked, Scope, all_sums, check_outcomes, make_scope, result, rows
from crmkit.model.message import Message
from crmkit.model.order import Order
from crmkit.stats.intervals import quantile_of_normal

_BUYERS = ("treated, bought", "treated, did not buy", "held out, bought", "held out, did not buy")
_ARMS = ("treated", "held out")
_ORDER = "order"
_FEW = 5
"""Below so many buyers or others in a group the normal approximation is rough."""

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
    window = order_window(within_days)
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
    check_outcomes(purchases, "category", ORDER_CATEGORIES)
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
    stands = category.is_null() | one_of(category, ["open", "completed"])
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
    strange = nw.col("inside") & ~nw.col("category").is_null() & ~one_of(nw.col("category"), ORDER_CATEGORIES)
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
