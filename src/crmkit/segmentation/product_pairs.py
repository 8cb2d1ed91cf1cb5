"""Pairs of products: what customers who bought one product buy after it, or with it."""

from collections.abc import Mapping
from math import isfinite
from typing import Any

import attrs
import narwhals as nw

from crmkit.errors import InvalidInput, choices
from crmkit.frames.door import day_of, moment
from crmkit.frames.table import open_table
from crmkit.model.order import Order
from crmkit.rules import EVERYTHING, Rule
from crmkit.segmentation.given import as_given, asked_rule, check_whole
from crmkit.segmentation.lifetime.purchases import check_words
from crmkit.stats.periods import index_of, instant, zone

METHODS = ("sequence", "together")
CUSTOMER, PRODUCT, NEXT = "customer_id", "product_id", "next_product_id"


@attrs.frozen(kw_only=True)
class Following:
    """What it means that a product follows another; see `affinities`."""

    method: str
    within_days: int
    min_support: int
    smoothing: float
    today: int

    @property
    def is_sequence(self) -> bool:
        """Whether it is bought after the other, not merely by the same customer."""
        return self.method == "sequence"


def affinities(
    orders: Any,
    *,
    as_of: Any,
    method: str = "sequence",
    within_days: int = 90,
    min_support: int = 5,
    smoothing: float = 10,
    where: Rule = EVERYTHING,
    tz: str = "UTC",
    columns: Mapping[str, str] | None = None,
) -> Any:
    """Return the pairs of products of which customers buy the second when they have bought the first.

    By "sequence" a customer counts who bought the first product for the first time so long ago that `within_days` have passed, and who
    had not bought the second by then; the second follows if the customer first buys it in those days, but not on the same
    day. So nobody counts as "did not buy" who still may. By "together" everybody counts who bought the first product, and
    the second goes with it if they bought it at whatever time. A product follows itself where it is bought on another day again.

        confidence = (support + smoothing × general rate) / (customers + smoothing)
        lift       = confidence / general rate

    The general rate of a product is the same share for all first products together, for "together" the share of all customers who
    bought it. The smoothing adds so many customers who buy at that rate, so that three of four do not beat 300 of 500; 0 gives the
    plain shares. What is bought on one civil day is one purchase. A refund is no purchase, and what was given back was one.

    Args:
        orders: records, or a Polars, pandas, Arrow, DuckDB, Ibis or PySpark table with `customer_id`, `at` and `product_ids`, which
            are lists, or one id a row, as in a table of the lines of orders. It reads `amount` and `category`.
        as_of: the moment until which purchases count, inclusive. A date means its whole day in `tz`.
        method: "sequence" or "together".
        within_days: in how many civil days after the first product the second one counts as following. The default is a quarter.
        min_support: pairs of fewer customers are left out.
        smoothing: how many customers at the general rate are added to those counted.
        where: a rule that orders must fulfil.
        tz: the IANA name of the time zone in which days are counted.
        columns: published column names mapped to the names that the data has.

    Returns:
        The caller's kind of table (Polars for records), one row a pair, ordered by `product_id`, then the highest `confidence`, then
        `next_product_id`: with `customers` who could buy it, `support`, how many of them did, `confidence`, `lift`, and
        `median_days` from the first purchase of the one to that of the other, empty for "together" but for a product and itself. No
        row for nothing.

    Raises:
        InvalidInput: for a missing column, a naive timestamp, an unknown category or method, or a number that is out of range.

    Source: Agrawal and Srikant (1995), Mining sequential patterns; Brin et al. (1997) for lift, there called interest.

    >>> def bought(customer, day, product):
    ...     return Order(customer_id=customer, at=datetime(2025, 1, day, tzinfo=UTC), product_ids=[product])
    >>> orders = [bought("ann", 2, "grinder"), bought("ann", 9, "beans"), bought("ben", 3, "grinder"), bought("cid", 4, "tea")]
    >>> found = affinities(orders, as_of=date(2025, 3, 1), within_days=30, min_support=1, smoothing=0)
    >>> found.select("product_id", "next_product_id", "customers", "support", "confidence", "lift", "median_days").rows()
    [('grinder', 'beans', 2, 1, 0.5, 2.0, 7.0)]
    """
    following = check_following(
        as_of, tz, method=method, within_days=within_days, min_support=min_support, smoothing=smoothing
    )
    days = purchase_days(orders, as_of=as_of, where=where, tz=tz, columns=columns)
    found = pairs(held(days, within_days), following)
    ordered = found.sort(PRODUCT, "confidence", NEXT, descending=[False, True, False])
    return as_given(ordered, orders)


def check_following(
    as_of: Any, tz: str, *, method: str, within_days: int, min_support: int, smoothing: float
) -> Following:
    """Return what was asked; raise `InvalidInput`, naming the argument, for what makes no sense."""
    if method not in METHODS:
        raise InvalidInput(f"method={method!r} is no way to pair products; {choices(str(method), METHODS)}")
    check_whole(within_days, "within_days")
    check_whole(min_support, "min_support")
    if (
        isinstance(smoothing, bool)
        or not isinstance(smoothing, int | float)
        or not smoothing >= 0
        or not isfinite(smoothing)
    ):
        raise InvalidInput(f"smoothing={smoothing!r} is no number of customers; give 0 or more")
    known_until = instant(as_of, tz, "as_of", end_of_day=True)
    return Following(
        method=method,
        within_days=within_days,
        min_support=min_support,
        smoothing=float(smoothing),
        today=index_of(known_until.astimezone(zone(tz)).date(), "day"),
    )


def purchase_days(
    orders: Any, *, as_of: Any, where: Rule, tz: str, columns: Mapping[str, str] | None
) -> nw.LazyFrame[Any]:
    """Return one row for each product and civil day on which a customer bought it: `customer_id`, `product_id` and `day`."""
    known_until = moment(instant(as_of, tz, "as_of", end_of_day=True))
    needs, uses = (CUSTOMER, "at", "product_ids"), ("amount", "category")
    table = open_table(
        orders, Order, needs=needs, uses=uses, columns=columns, tz=tz, where=asked_rule(where, as_of, tz)
    )
    check_words(table)
    rows = table.rows.filter(nw.col("at") <= known_until, ~nw.col(CUSTOMER).is_null(), ~nw.col("product_ids").is_null())
    if "amount" in table.columns:
        rows = rows.filter(nw.col("amount").is_null() | (nw.col("amount") >= 0))
    if "category" in table.columns:
        rows = rows.filter(nw.col("category").is_null() | (nw.col("category") != "cancelled"))
    rows = rows.select(CUSTOMER, product_id="product_ids", day=day_of("at"))
    if isinstance(rows.collect_schema()[PRODUCT], nw.List):
        rows = rows.filter(nw.col(PRODUCT).list.len() > 0).explode(PRODUCT)
    rows = rows.with_columns(nw.col(PRODUCT).cast(nw.String))
    return rows.filter(~nw.col(PRODUCT).is_null()).unique([CUSTOMER, PRODUCT, "day"])


def held(days: nw.LazyFrame[Any], within_days: int) -> nw.LazyFrame[Any]:
    """Return one row a customer and product: when it was bought `first`, a `second` time and `last`, and at which rhythm.

    `gaps` is how many times it was bought again, `in_time` how often of these after at most `within_days`.
    """
    before = nw.col("day").shift(1).over(CUSTOMER, PRODUCT, order_by="day")
    known = days.with_columns(gap=nw.col("day") - before)
    gap = nw.col("gap")
    known = known.with_columns(
        again=nw.when(~gap.is_null()).then(nw.col("day")),
        is_again=nw.when(gap.is_null()).then(nw.lit(0)).otherwise(nw.lit(1)),
        is_in_time=nw.when(gap <= within_days).then(nw.lit(1)).otherwise(nw.lit(0)),
    )
    return known.group_by(CUSTOMER, PRODUCT).agg(
        first=nw.col("day").min(),
        second=nw.col("again").min(),
        last=nw.col("day").max(),
        rhythm=gap.median(),
        gaps=nw.col("is_again").sum().cast(nw.Int64),
        in_time=nw.col("is_in_time").sum().cast(nw.Int64),
    )


def pairs(bought: nw.LazyFrame[Any], following: Following) -> nw.LazyFrame[Any]:
    """Return the pairs of products of what customers hold, as `affinities` says."""
    both = _both(bought, following)
    counted = both.group_by(PRODUCT, NEXT).agg(
        support=nw.col("follows").sum().cast(nw.Int64),
        had=nw.col("had").sum().cast(nw.Int64),
        median_days=nw.col("days").median(),
    )
    buyers = _buyers(bought, following)
    rates = _rates(counted, buyers, bought, following)
    found = counted.filter(nw.col("support") >= following.min_support)
    found = found.join(buyers, on=PRODUCT, how="inner").join(rates, on=NEXT, how="inner")
    rate, smoothing = nw.col("rate"), following.smoothing
    found = found.with_columns(customers=nw.col("buyers") - nw.col("had"))
    support, customers = (nw.col(column).cast(nw.Float64) for column in ("support", "customers"))
    found = found.with_columns(confidence=(support + rate * smoothing) / (customers + smoothing))
    found = found.with_columns(lift=nw.col("confidence") / rate)
    return found.select(PRODUCT, NEXT, "customers", "support", "confidence", "lift", "median_days")


def _both(bought: nw.LazyFrame[Any], following: Following) -> nw.LazyFrame[Any]:
    """One row a customer and pair: whether the next product `follows`, after how many `days`, or was `had` before."""
    ones = bought.select(CUSTOMER, PRODUCT, "first")
    others = bought.select(CUSTOMER, "second", next_product_id=PRODUCT, next_first="first")
    is_same = nw.col(PRODUCT) == nw.col(NEXT)
    next_on = nw.when(is_same).then(nw.col("second")).otherwise(nw.col("next_first"))
    both = ones.join(others, on=CUSTOMER, how="inner").with_columns(days=next_on - nw.col("first"))
    days = nw.col("days")
    if following.is_sequence:
        counts = _is_over(following)
        had, follows = counts & (days <= 0), counts & (days > 0) & (days <= following.within_days)
        after = nw.when(follows).then(days)
    else:
        had, follows = nw.lit(value=False), ~days.is_null()
        after = nw.when(is_same).then(days)
    return both.select(PRODUCT, NEXT, follows=_number(follows), had=_number(had), days=after)


def _is_over(following: Following) -> nw.Expr:
    """Whether the days in which another product may follow have passed."""
    return nw.col("first") + following.within_days <= following.today


def _number(test: nw.Expr) -> nw.Expr:
    return nw.when(test).then(nw.lit(1)).otherwise(nw.lit(0))


def _buyers(bought: nw.LazyFrame[Any], following: Following) -> nw.LazyFrame[Any]:
    """How many customers bought each product in time to count."""
    counts = _number(_is_over(following)) if following.is_sequence else nw.lit(1)
    return bought.with_columns(counts=counts).group_by(PRODUCT).agg(buyers=nw.col("counts").sum().cast(nw.Int64))


def _rates(
    counted: nw.LazyFrame[Any], buyers: nw.LazyFrame[Any], bought: nw.LazyFrame[Any], following: Following
) -> nw.LazyFrame[Any]:
    """How often each next product is bought in general: by whoever bought anything and had not bought it."""
    if following.is_sequence:
        reached = counted.group_by(NEXT).agg(reached=nw.col("support").sum(), had=nw.col("had").sum())
        everybody = buyers.select(everybody=nw.col("buyers").sum().cast(nw.Int64))
        rates = reached.join(everybody, how="cross").with_columns(everybody=nw.col("everybody") - nw.col("had"))
    else:
        everybody = bought.select(CUSTOMER).unique().select(everybody=nw.len().cast(nw.Int64))
        rates = buyers.select(nw.col(PRODUCT).alias(NEXT), reached="buyers").join(everybody, how="cross")
    return rates.filter(nw.col("reached") > 0).select(
        NEXT, rate=nw.col("reached").cast(nw.Float64) / nw.col("everybody").cast(nw.Float64)
    )
