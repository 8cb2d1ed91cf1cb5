"""What the models of repeat buying learn from: one row a customer, made of the orders."""

from collections.abc import Mapping
from typing import Any

import narwhals as nw

from crmkit.errors import InvalidInput, choices
from crmkit.frames.door import moment, period_of
from crmkit.frames.table import MONEY_UNITS, Table, open_table
from crmkit.model.order import Order
from crmkit.rules import EVERYTHING, Rule
from crmkit.segmentation.given import as_given, asked_rule
from crmkit.stats.periods import index_of, instant, zone

DAYS: Mapping[str, float] = {"day": 1, "week": 7, "month": 365.25 / 12, "quarter": 365.25 / 4, "year": 365.25}
"""How long a unit of time is on average, in days."""

_CATEGORIES = ("open", "completed", "cancelled")


def purchase_summary(
    orders: Any,
    *,
    as_of: Any,
    holdout_until: Any = None,
    unit: str = "week",
    collapse: str = "day",
    where: Rule = EVERYTHING,
    tz: str = "UTC",
    columns: Mapping[str, str] | None = None,
) -> Any:
    """Return one row a customer who bought: how often they came back, when, and what they then spent.

    What a customer buys on one civil day is one purchase, because the models are about occasions, not about receipts; time is
    measured in weeks, as in the literature. The two are separate arguments: to collapse by weeks as well gives other parameters.
    A refund never moves the time of a purchase but takes its money back: from the purchase that it names in `refund_of_id`, else
    from the day of the refund.

    Args:
        orders: records, or a Polars, pandas, Arrow or DuckDB table with `customer_id` and `at`; it reads `amount`, `currency` and
            `category`, and `id` and `refund_of_id` for refunds.
        as_of: the moment until which purchases count, inclusive. A date means its whole day in `tz`.
        holdout_until: also count the purchases of the periods after that of `as_of` until this moment, to compare a model with.
        unit: what time is measured in: "day", "week", "month", "quarter" or "year"; the last three of average length.
        collapse: the civil period, one of the same words, of which all purchases of a customer are one.
        where: a rule that orders must fulfil.
        tz: the IANA name of the time zone in which days are counted.
        columns: published column names mapped to the names that the data has.

    Returns:
        The caller's kind of table (Polars for records), ordered by `customer_id`, with `frequency` (purchases after the first),
        `recency` (from the first purchase to the last, 0 where there is but one), `age` (from the first purchase to `as_of`) and
        `value` (what a purchase after the first was worth on average, empty without any; no such column where the data has no
        amounts). With `holdout_until` also `holdout_frequency`, `holdout_value` and `holdout_age`, which is how long that time
        is. Left out: cancelled orders, orders without a customer, a date or an amount, and customers with nothing but refunds.
        No row for nothing.

    Raises:
        InvalidInput: for a missing column, a naive timestamp, an unknown category, unit or period, amounts in several currencies,
            or a holdout that ends before it begins.

    Source: Fader, Hardie and Lee (2005), "Counting your customers" the easy way; Fader and Hardie (2005), RFM and CLV.

    >>> days = [datetime(2025, 5, day, tzinfo=UTC) for day in (1, 1, 15)]
    >>> orders = [Order(customer_id="ann", amount=Money("20", "PLN"), at=at) for at in days]
    >>> purchase_summary(orders, as_of=date(2025, 5, 29)).rows()
    [('ann', 1, 2.0, 4.0, 20.0)]
    """
    scale = days(collapse, "collapse") / days(unit, "unit")
    known_until = instant(as_of, tz, "as_of", end_of_day=True)
    end = known_until if holdout_until is None else instant(holdout_until, tz, "holdout_until", end_of_day=True)
    if end < known_until:
        raise InvalidInput(
            f"holdout_until={holdout_until} is before as_of={as_of}; a holdout comes after what is known"
        )
    now, last = (index_of(at.astimezone(zone(tz)).date(), collapse) for at in (known_until, end))
    uses = ("amount", "currency", "category", "id", "refund_of_id")
    asked = asked_rule(where, as_of, tz)
    table = open_table(orders, Order, needs=("customer_id", "at"), uses=uses, columns=columns, tz=tz, where=asked)
    check_words(table)
    bought = purchases(table, collapse)
    at = nw.col("at")
    found = _customers(occasions(bought.filter(at <= moment(known_until))), now, scale)
    if holdout_until is not None:
        later = bought.filter(at <= moment(end), nw.col("period") > now)
        found = found.join(_held_out(occasions(later)), on="customer_id", how="left").with_columns(
            nw.col("holdout_frequency").fill_null(0), holdout_age=nw.lit((last - now) * scale)
        )
    if "amount" not in table.columns:
        found = found.drop("value", "holdout_value", strict=False)
    return as_given(found.sort("customer_id"), orders)


def days(period: str, name: str) -> float:
    """Return how long a unit of time is on average, in days; raise `InvalidInput`, naming the argument, for another word."""
    if period not in DAYS:
        raise InvalidInput(f"{name}={period!r} is not a unit of time; {choices(str(period), DAYS)}")
    return DAYS[period]


def check_words(table: Table) -> None:
    """Refuse categories without a meaning, and amounts in several currencies, of which no sum means anything."""
    strange = [word for word in _words(table, "category") if word not in _CATEGORIES]
    if strange:
        raise InvalidInput(f"column 'category' holds {strange[0]!r}; accepted are {', '.join(map(repr, _CATEGORIES))}")
    currencies = _words(table, "currency")
    if len(currencies) > 1:
        listed = ", ".join(currencies[:5])
        raise InvalidInput(f"amounts in {listed} cannot be added; convert them first, or choose one with where=")


def _words(table: Table, column: str) -> list[str]:
    if column not in table.columns:
        return []
    words = table.rows.select(nw.col(column).cast(nw.String)).unique().collect("polars").to_native()
    return sorted(words[column].drop_nulls())


def purchases(table: Table, collapse: str) -> nw.LazyFrame[Any]:
    """Return the rows that count, with the period that each belongs to: a refund to that of the order which it gives back."""
    amount = nw.col("amount") if "amount" in table.columns else nw.lit(0)
    rows = table.rows.with_columns(amount=amount, period=period_of("at", collapse))
    missing = (nw.col(column).is_null() for column in ("customer_id", "at", "amount"))
    rows = rows.filter(*(~each for each in missing))
    if "category" in table.columns:
        rows = rows.filter(nw.col("category").is_null() | (nw.col("category") != "cancelled"))
    if {"id", "refund_of_id"} <= table.columns:
        refunds = rows.filter(nw.col("amount") < 0).select(id="refund_of_id").unique()
        bought = rows.join(refunds, on="id", how="inner").group_by("id").agg(bought_in=nw.col("period").min())
        rows = rows.join(bought, left_on="refund_of_id", right_on="id", how="left")
        is_known = (nw.col("amount") < 0) & ~nw.col("bought_in").is_null()
        rows = rows.with_columns(period=nw.when(is_known).then(nw.col("bought_in")).otherwise(nw.col("period")))
    return rows


def occasions(purchases: nw.LazyFrame[Any]) -> nw.LazyFrame[Any]:
    """Return one row for all that a customer bought and gave back in one period; `is_bought` is 0 where there are but refunds."""
    is_bought = nw.when(nw.col("amount") < 0).then(nw.lit(0)).otherwise(nw.lit(1))
    rows = purchases.select("customer_id", "period", "amount", is_bought=is_bought)
    return rows.group_by("customer_id", "period").agg(nw.col("is_bought").max(), nw.col("amount").sum())


def _customers(occasions: nw.LazyFrame[Any], now: int, scale: float) -> nw.LazyFrame[Any]:
    bought_in = nw.when(nw.col("is_bought") == 1).then(nw.col("period"))
    dated = occasions.with_columns(bought_in=bought_in)
    dated = dated.with_columns(first=nw.col("bought_in").min().over("customer_id"))
    later = nw.when(nw.col("period") > nw.col("first")).then(nw.col("amount")).otherwise(nw.lit(0))
    customers = (
        dated.filter(~nw.col("first").is_null())
        .with_columns(later=later)
        .group_by("customer_id")
        .agg(
            nw.col("first").min(),
            last=nw.col("bought_in").max(),
            n=nw.col("is_bought").sum(),
            spent=nw.col("later").sum(),
        )
    )
    frequency = nw.col("n").cast(nw.Int64) - 1
    return customers.select(
        "customer_id",
        frequency=frequency,
        recency=(nw.col("last") - nw.col("first")) * scale,
        age=(now - nw.col("first")) * scale,
        value=_mean("spent", frequency),
    )


def _held_out(occasions: nw.LazyFrame[Any]) -> nw.LazyFrame[Any]:
    held = occasions.group_by("customer_id").agg(n=nw.col("is_bought").sum(), spent=nw.col("amount").sum())
    frequency = nw.col("n").cast(nw.Int64)
    return held.select("customer_id", holdout_frequency=frequency, holdout_value=_mean("spent", frequency))


def _mean(spent: str, n: nw.Expr) -> nw.Expr:
    return nw.when(n > 0).then(nw.col(spent).cast(nw.Float64) / (n.cast(nw.Float64) * MONEY_UNITS))
