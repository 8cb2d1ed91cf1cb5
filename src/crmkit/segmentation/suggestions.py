"""What next: the products that each customer is likely to buy, why, and when they are due."""

from collections.abc import Mapping
from typing import Any

import narwhals as nw
import polars as pl

from crmkit.frames.door import as_date
from crmkit.frames.small import small_table
from crmkit.frames.table import Table, open_table
from crmkit.model.product import Product
from crmkit.rules import EVERYTHING, Rule
from crmkit.segmentation.given import as_given, check_whole
from crmkit.segmentation.product_pairs import (
    CUSTOMER,
    NEXT,
    PRODUCT,
    Following,
    check_following,
    held,
    pairs,
    purchase_days,
)

REPEAT, UP_SELLING, CROSS_SELLING = "repeat", "up-selling", "cross-selling"
_COLUMNS = (
    CUSTOMER,
    "rank",
    PRODUCT,
    "kind",
    "score",
    "due_on",
    "because_of",
    "customers",
    "support",
    "lift",
    "reason",
)


def next_products(
    orders: Any,
    *,
    as_of: Any,
    products: Any = None,
    method: str = "sequence",
    within_days: int = 90,
    min_support: int = 5,
    smoothing: float = 10,
    top: int = 3,
    where: Rule = EVERYTHING,
    tz: str = "UTC",
    columns: Mapping[str, str] | None = None,
) -> Any:
    """Return for each customer the products that are likely to come next, how likely, when they are due, and why.

    A product that a customer bought in the last `within_days` leads to those that `affinities` finds to follow it. One that the
    customer never bought is "cross-selling", or "up-selling" if it is of the same family as the first, in the same currency, for a
    higher list price. One that follows itself is "repeat". Of several products that lead to one, that with the highest score counts.

        score = confidence
        score = (own returns in time + smoothing × confidence) / (own returns + smoothing), for what the customer bought again before
        due   = last purchase of the product that leads to it + median days; for a repeat the customer's own median days where there are any

    The score is the smoothed share of customers who bought the product within `within_days`. It is learned from first purchases and used
    after the latest one, so for customers of long standing it is on the high side; the order of products is what to rely on. A due day
    that has passed is a product that is overdue.

    Args:
        orders: records, or a Polars, pandas, Arrow, DuckDB, Ibis or PySpark table with `customer_id`, `at` and `product_ids`, which
            are lists, or one id a row, as in a table of the lines of orders. It reads `amount` and `category`.
        as_of: the moment until which purchases count, inclusive. A date means its whole day in `tz`.
        products: records or a table of any kind with `id`; it reads `family`, `price`, `price_currency` and `is_active`. Products that are not
            active are never suggested. Without it there is no up-selling.
        method: "sequence" or "together", as for `affinities`.
        within_days: how many civil days ago the first product was bought at most, and in how many the next one follows.
        min_support: how many customers must have bought the one after the other.
        smoothing: how many customers at the general rate are added to those counted.
        top: how many products a customer gets at most.
        where: a rule that orders must fulfil.
        tz: the IANA name of the time zone in which days are counted.
        columns: published column names mapped to the names that the data has.

    Returns:
        The caller's kind of table (Polars for records), ordered by `customer_id` and `rank`, which counts from 1 the highest score, of
        equal ones the product whose id comes first. With `product_id`, `kind`, `score`, `due_on` (empty for what is merely bought
        "together"), `because_of`, the product that leads to it, the `customers`, `support` and `lift` of that pair, and a
        `reason` as a part of a sentence. No row for customers who bought nothing lately, and for nothing.

    Raises:
        InvalidInput: for a missing column, a naive timestamp, an unknown category or method, or a number that is out of range.

    >>> def bought(customer, day, product):
    ...     return Order(customer_id=customer, at=datetime(2025, 1, day, tzinfo=UTC), product_ids=[product])
    >>> orders = [bought("ann", 2, "grinder"), bought("ann", 9, "beans"), bought("ben", 3, "grinder"), bought("cid", 25, "grinder")]
    >>> found = next_products(orders, as_of=date(2025, 1, 27), within_days=10, min_support=1, smoothing=0)
    >>> found.select("customer_id", "product_id", "kind", "score", "due_on", "reason").rows()
    [('cid', 'beans', 'cross-selling', 0.5, datetime.date(2025, 2, 1), '1 of 2 customers bought it within 10 days after grinder')]
    """
    following = check_following(
        as_of, tz, method=method, within_days=within_days, min_support=min_support, smoothing=smoothing
    )
    check_whole(top, "top")
    days = purchase_days(orders, as_of=as_of, where=where, tz=tz, columns=columns)
    bought = held(days, within_days)
    rules = _with_kinds(pairs(bought, following), products, columns)
    found = _candidates(bought, rules, following, top)
    found = _best(_strongest(found), top).with_columns(reason=_reason(following))
    found = found.rename({PRODUCT: "because_of", NEXT: PRODUCT}).select(*_COLUMNS)
    return as_given(as_date(found, "due_on").sort(CUSTOMER, "rank"), orders)


def _candidates(
    bought: nw.LazyFrame[Any], rules: nw.LazyFrame[Any], following: Following, top: int
) -> nw.LazyFrame[Any]:
    """What follows the products that customers bought lately, and is either new to them or follows itself."""
    lately = bought.with_columns(n_owned=nw.col(PRODUCT).count().over(CUSTOMER))
    lately = lately.filter(nw.col("last") + following.within_days >= following.today).drop("first", "second")
    rules = rules.with_columns(place=_place(PRODUCT, "confidence"))
    found = lately.join(rules, on=PRODUCT, how="inner")
    # Only what the customer owns falls away, so what stands further behind is never among the first.
    found = found.filter((nw.col("kind") == REPEAT) | (nw.col("place") <= nw.col("n_owned") + top))
    owned = bought.select(CUSTOMER, owned=nw.lit(1), next_product_id=PRODUCT)
    found = found.join(owned, on=[CUSTOMER, NEXT], how="left")
    is_repeat = nw.col("kind") == REPEAT
    found = found.filter(is_repeat | nw.col("owned").is_null())
    has_rhythm = is_repeat & (nw.col("gaps") > 0)
    wait = nw.when(has_rhythm).then(nw.col("rhythm")).otherwise(nw.col("median_days"))
    confidence, smoothing = nw.col("confidence"), following.smoothing
    own = (nw.col("in_time").cast(nw.Float64) + confidence * smoothing) / (nw.col("gaps").cast(nw.Float64) + smoothing)
    return found.with_columns(
        has_rhythm=has_rhythm,
        score=nw.when(has_rhythm).then(own).otherwise(confidence),
        wait=wait.floor().cast(nw.Int64),
    ).with_columns(due_on=nw.col("last") + nw.col("wait"))


def _with_kinds(found: nw.LazyFrame[Any], products: Any, columns: Mapping[str, str] | None) -> nw.LazyFrame[Any]:
    """The pairs with the kind of each, as far as the products say so, and without what is not sold any more."""
    is_repeat = nw.col(PRODUCT) == nw.col(NEXT)
    if products is None:
        return found.with_columns(kind=nw.when(is_repeat).then(nw.lit(REPEAT)).otherwise(nw.lit(CROSS_SELLING)))
    uses = ("family", "price", "price_currency", "is_active")
    table = open_table(products, Product, needs=("id",), uses=uses, columns=columns)
    listed = small_table(_listed(table), found)
    one = listed.select(product_id="id", family="family", price="price", price_currency="price_currency")
    other = listed.select(
        "is_active", next_product_id="id", next_family="family", next_price="price", next_currency="price_currency"
    )
    found = found.join(one, on=PRODUCT, how="left").join(other, on=NEXT, how="left")
    found = found.filter(nw.col("is_active").is_null() | (nw.col("is_active") == 1))
    is_up = (
        (nw.col("family") == nw.col("next_family"))
        & (nw.col("price_currency") == nw.col("next_currency"))
        & (nw.col("next_price") > nw.col("price"))
    )
    kind = nw.when(is_repeat).then(nw.lit(REPEAT)).when(is_up).then(nw.lit(UP_SELLING)).otherwise(nw.lit(CROSS_SELLING))
    return found.with_columns(kind=kind)


def _listed(table: Table) -> pl.DataFrame:
    """The products as a small frame that can go beside the orders, whatever engine these are in."""
    frame: pl.DataFrame = table.rows.collect("polars").to_native().sort("id").unique("id", keep="first")

    def column(name: str, kind: type[pl.DataType]) -> pl.Expr:
        return (pl.col(name) if name in table.columns else pl.lit(None)).cast(kind).alias(name)

    # Prices without a currency are all in the same one.
    currency = column("price_currency", pl.String).fill_null("")
    return frame.select(
        "id",
        column("family", pl.String),
        column("price", pl.Int64),
        pl.concat_str(pl.lit("in "), currency).alias("price_currency"),
        column("is_active", pl.Int64),
    )


def _strongest(found: nw.LazyFrame[Any]) -> nw.LazyFrame[Any]:
    """Of several products that lead to one, that with the highest score, of equal ones that whose id comes first."""
    which = [CUSTOMER, NEXT]
    found = found.with_columns(highest=nw.col("score").max().over(*which)).filter(nw.col("score") == nw.col("highest"))
    return found.with_columns(leads=nw.col(PRODUCT).min().over(*which)).filter(nw.col(PRODUCT) == nw.col("leads"))


def _best(found: nw.LazyFrame[Any], top: int) -> nw.LazyFrame[Any]:
    """The first candidates of each customer: those with the highest score, of equal ones those whose id comes first."""
    found = found.with_columns(place=_place(CUSTOMER, "score")).filter(nw.col("place") <= top)
    among_equals = nw.col(NEXT).rank("min").over(CUSTOMER, "place").cast(nw.Int64)
    return found.with_columns(rank=nw.col("place") + among_equals - 1).filter(nw.col("rank") <= top)


def _place(whose: str, by: str) -> nw.Expr:
    """How many rows of the same one have a higher value, plus one."""
    return nw.col(by).rank("min", descending=True).over(whose).cast(nw.Int64)


def _reason(following: Following) -> nw.Expr:
    """Why a product is suggested, as a part of a sentence."""
    within = f" within {following.within_days} days"
    counted = [_text("support"), nw.lit(" of "), _text("customers")]
    it = [*counted, nw.lit(" customers bought it")]
    after = nw.lit(f"{within} after ") if following.is_sequence else nw.lit(" too who had bought ")
    again = nw.lit(f" again{within}" if following.is_sequence else " again")
    rhythm = [
        nw.lit("bought "),
        (nw.col("gaps") + 1).cast(nw.String),
        nw.lit(" times, every "),
        _text("wait"),
        nw.lit(" days"),
    ]
    return (
        nw.when(nw.col("has_rhythm"))
        .then(nw.concat_str(*rhythm))
        .when(nw.col("kind") == REPEAT)
        .then(nw.concat_str(*it, again))
        .otherwise(nw.concat_str(*it, after, nw.col(PRODUCT)))
    )


def _text(column: str) -> nw.Expr:
    return nw.col(column).cast(nw.String)
