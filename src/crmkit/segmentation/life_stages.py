"""The stages of a customer's life: potential, active, regular, lost and reactivated, and who went from which to which."""

from collections.abc import Mapping
from datetime import datetime
from fractions import Fraction
from math import ceil
from typing import Any

import attrs
import narwhals as nw
import polars as pl

from crmkit.errors import InvalidInput
from crmkit.frames.door import engine_of, moment
from crmkit.frames.small import small_table
from crmkit.frames.table import open_table
from crmkit.model.customer import Customer
from crmkit.model.order import Order
from crmkit.rules import EVERYTHING, Rule
from crmkit.segmentation.given import as_given, asked_rule
from crmkit.segmentation.lifetime.purchases import check_words, purchases
from crmkit.stats.periods import index_of, instant, zone

STAGES = ("potential", "active", "regular", "lost", "reactivated")
NOT_YET = "not yet a customer"
"""What a customer was before anything was known of them."""

_USUAL_SHARE = 0.9
_FEWEST = 2


def lifecycle(
    orders: Any,
    *,
    as_of: Any,
    customers: Any = None,
    lost_after_days: int | None = None,
    regular_purchases: int = 3,
    where: Rule = EVERYTHING,
    tz: str = "UTC",
    columns: Mapping[str, str] | None = None,
    customers_columns: Mapping[str, str] | None = None,
) -> Any:
    """Return the stage of life of each customer at a moment.

    | stage | who |
    |---|---|
    | potential | has not bought yet |
    | active | bought, not long ago, and fewer than `regular_purchases` times |
    | regular | bought at least `regular_purchases` times without a long gap, and not long ago |
    | lost | has not bought for longer than `lost_after_days` |
    | reactivated | was lost and came back, and is not regular again yet |

    A gap is long if it is longer than `lost_after_days`. Each customer is in one stage, and the stage follows from the orders
    alone, so it is the same whenever it is asked for one moment. Days with a purchase are counted, not orders; a refund undoes none.

    Args:
        orders: records, or a Polars, pandas, Arrow, DuckDB, Ibis or PySpark table with `customer_id` and `at`; it reads `amount`,
            `category`, `id` and `refund_of_id`, to tell refunds and what was cancelled.
        as_of: the moment that is reported on, inclusive. A date means its whole day in `tz`.
        customers: data with the `id` of those who may not have bought yet; it reads `created_at`, and who was created later is not known
            yet. Without it nobody is potential.
        lost_after_days: after how many days without a purchase a customer is lost, by the knowledge of the business; None for what
            `purchase_gap` learns from the purchases until `as_of`. Where nobody has bought twice there is nothing to learn, and nobody is lost.
        regular_purchases: how many purchases make a customer regular, at least 2.
        where: a rule that orders must fulfil.
        tz: the IANA name of the time zone in which days are counted.
        columns: published column names mapped to the names that the orders have.
        customers_columns: the same for the customers.

    Returns:
        The caller's kind of table (Polars for records), ordered by `customer_id`, with `stage`, `recency_days` (civil days since the last
        purchase, empty for potential customers), `purchases`, and `recent_purchases` (those since the last long gap). No row for nothing.

    Raises:
        InvalidInput: for a missing column, a naive timestamp, an unknown category, days or purchases that are no whole numbers, or
            orders and customers in two engines.

    One number of days fits no customer exactly: who buys weekly is lost sooner than who buys yearly. The probability of being
    alive of `crmkit.segmentation.lifetime` goes by the rhythm of each.

    >>> days = (("ann", 1), ("ann", 8), ("ann", 20), ("ben", 2), ("cid", 1), ("cid", 28))
    >>> orders = [Order(customer_id=who, at=datetime(2025, 5, day, tzinfo=UTC), amount=Money(9, "PLN")) for who, day in days]
    >>> people = [Customer(id=who, kind="person", name=who) for who in ("ann", "ben", "cid", "dan")]
    >>> found = lifecycle(orders, customers=people, as_of=date(2025, 5, 31), lost_after_days=14)
    >>> found.select("customer_id", "stage").rows()
    [('ann', 'regular'), ('ben', 'lost'), ('cid', 'reactivated'), ('dan', 'potential')]
    """
    _check(lost_after_days, regular_purchases)
    until = instant(as_of, tz, "as_of", end_of_day=True)
    history = _history(
        orders, customers, as_of=as_of, where=where, tz=tz, columns=columns, customers_columns=customers_columns
    )
    long = _gap(history.days(until), _USUAL_SHARE) if lost_after_days is None else lost_after_days
    return as_given(_staged(history, until, long, regular_purchases).sort("customer_id"), orders)


def lifecycle_transitions(
    orders: Any,
    *,
    since: Any,
    as_of: Any,
    customers: Any = None,
    lost_after_days: int | None = None,
    regular_purchases: int = 3,
    where: Rule = EVERYTHING,
    tz: str = "UTC",
    columns: Mapping[str, str] | None = None,
    customers_columns: Mapping[str, str] | None = None,
) -> Any:
    """Return how many customers went from each stage to each, from one moment to another.

    Both moments are judged alike: by one `lost_after_days`, learned as of `as_of` where it is None, and by a rule that is asked as
    of `as_of`. Nobody is counted twice or forgotten: the customers of one `before` together are those whom `lifecycle` has in
    that stage as of `since`, and of one `after` those as of `as_of`. Who became known in between was "not yet a customer".

    Args:
        orders: as for `lifecycle`.
        since: the earlier moment, inclusive. A date means its whole day in `tz`.
        as_of: the later moment, inclusive.
        customers: as for `lifecycle`.
        lost_after_days: as for `lifecycle`.
        regular_purchases: as for `lifecycle`.
        where: a rule that orders must fulfil.
        tz: the IANA name of the time zone in which days are counted.
        columns: published column names mapped to the names that the orders have.
        customers_columns: the same for the customers.

    Returns:
        The caller's kind of table (Polars for records), one row a pair of stages: `before`, `after`, `customers` and `share` (of those
        with that `before`, empty where there are none). All pairs are there, in the order of the stages, also those without anybody.

    Raises:
        InvalidInput: as for `lifecycle`, and for a `since` after `as_of`.

    >>> days = ((5, 1), (5, 8), (5, 20), (7, 1))
    >>> orders = [Order(customer_id="ann", at=datetime(2025, month, day, tzinfo=UTC), amount=Money(9, "PLN")) for month, day in days]
    >>> found = lifecycle_transitions(orders, since=date(2025, 5, 31), as_of=date(2025, 7, 1), lost_after_days=30)
    >>> found.filter(found["customers"] > 0).rows()
    [('regular', 'reactivated', 1, 1.0)]
    """
    _check(lost_after_days, regular_purchases)
    first, last = (instant(each, tz, name, end_of_day=True) for each, name in ((since, "since"), (as_of, "as_of")))
    if first > last:
        raise InvalidInput(f"since={since} is after as_of={as_of}; give the earlier moment as since=")
    history = _history(
        orders, customers, as_of=as_of, where=where, tz=tz, columns=columns, customers_columns=customers_columns
    )
    long = _gap(history.days(last), _USUAL_SHARE) if lost_after_days is None else lost_after_days
    earlier, later = (_staged(history, each, long, regular_purchases) for each in (first, last))
    before = earlier.select("customer_id", before="stage")
    moved = later.select("customer_id", after="stage").join(before, on="customer_id", how="left")
    counted = (
        moved.with_columns(nw.col("before").fill_null(NOT_YET)).group_by("before", "after").agg(customers=nw.len())
    )
    return as_given(_matrix(counted), orders)


def purchase_gap(
    orders: Any,
    *,
    as_of: Any,
    share: float = _USUAL_SHARE,
    where: Rule = EVERYTHING,
    tz: str = "UTC",
    columns: Mapping[str, str] | None = None,
) -> int | None:
    """Return within how many days customers who bought again mostly did so: the rhythm of the business.

    It is the least number of days that at least `share` of the gaps between a purchase and the next of the same customer do not
    exceed. Nine of ten by default, so one of ten who came back would have been given up too early; a larger share waits longer. Only
    gaps that are over count. Those that still run at `as_of` would be longer, so the figure is too small for a business younger than
    a few such gaps, and it says nothing about customers who bought once.

    Args:
        orders: as for `lifecycle`.
        as_of: the moment until which purchases count, inclusive. A date means its whole day in `tz`.
        share: the share of gaps, above 0 and up to 1.
        where: a rule that orders must fulfil.
        tz: the IANA name of the time zone in which days are counted.
        columns: published column names mapped to the names that the data has.

    Returns:
        Whole days, or None where nobody has bought on two days.

    Raises:
        InvalidInput: as for `lifecycle`, and for a share outside its range.

    >>> days = (1, 8, 15, 29)
    >>> orders = [Order(customer_id="ann", at=datetime(2025, 5, day, tzinfo=UTC), amount=Money(9, "PLN")) for day in days]
    >>> purchase_gap(orders, as_of=date(2025, 5, 31)), purchase_gap(orders, as_of=date(2025, 5, 31), share=0.5)
    (14, 7)
    """
    if isinstance(share, bool) or not isinstance(share, int | float) or not 0 < share <= 1:
        raise InvalidInput(f"share={share!r} is no share of gaps; give a number above 0 and up to 1, such as 0.9")
    until = instant(as_of, tz, "as_of", end_of_day=True)
    history = _history(orders, as_of=as_of, where=where, tz=tz, columns=columns)
    return _gap(history.days(until), share)


def _check(lost_after_days: Any, regular_purchases: Any) -> None:
    def is_number(value: Any, least: int) -> bool:
        return isinstance(value, int) and not isinstance(value, bool) and value >= least

    if lost_after_days is not None and not is_number(lost_after_days, 1):
        raise InvalidInput(
            f"lost_after_days={lost_after_days!r} is no number of days; give a whole one from 1 on, or None to learn it"
        )
    if not is_number(regular_purchases, _FEWEST):
        raise InvalidInput(
            f"regular_purchases={regular_purchases!r} is no number of purchases; give a whole one from {_FEWEST} on"
        )


@attrs.frozen
class _History:
    """The purchases and the customers of a business, at whatever time."""

    bought: nw.LazyFrame[Any]
    people: nw.LazyFrame[Any] | None
    tz: str

    def today(self, until: datetime) -> int:
        return index_of(until.astimezone(zone(self.tz)).date(), "day")

    def days(self, until: datetime) -> nw.LazyFrame[Any]:
        """The days on which each customer had bought by then, with the days since the purchase before."""
        bought = self.bought.filter(nw.col("at") <= moment(until)).select("customer_id", day="period").unique()
        return bought.with_columns(gap=nw.col("day") - nw.col("day").shift(1).over("customer_id", order_by="day"))

    def known(self, until: datetime) -> nw.LazyFrame[Any] | None:
        """The customers of whom something was known by then."""
        if self.people is None:
            return None
        created_at = nw.col("created_at")
        known = self.people.filter(created_at.is_null() | (created_at <= moment(until)))
        return known.select("customer_id").unique()


def _history(
    orders: Any,
    customers: Any = None,
    *,
    as_of: Any,
    where: Rule,
    tz: str,
    columns: Mapping[str, str] | None,
    customers_columns: Mapping[str, str] | None = None,
) -> _History:
    zone(tz)
    table = open_table(
        orders,
        Order,
        needs=("customer_id", "at"),
        uses=("amount", "category", "id", "refund_of_id"),
        columns=columns,
        tz=tz,
        where=asked_rule(where, as_of, tz),
    )
    check_words(table)
    bought = purchases(table, "day").filter(nw.col("amount") >= 0)
    return _History(bought, None if customers is None else _people(customers, customers_columns, bought, tz), tz)


def _people(customers: Any, columns: Mapping[str, str] | None, bought: nw.LazyFrame[Any], tz: str) -> nw.LazyFrame[Any]:
    table = open_table(customers, Customer, needs=("id",), uses=("created_at",), columns=columns, tz=tz)
    engines = {engine_of(table.rows), engine_of(bought)}
    if len(engines) > 1:
        raise InvalidInput(
            f"orders and customers are in {' and '.join(sorted(engines))}, and no engine reads another's; give both as one kind of data"
        )
    created_at = nw.col("created_at") if "created_at" in table.columns else nw.lit(None, nw.Int64)
    return table.rows.filter(~nw.col("id").is_null()).select(customer_id="id", created_at=created_at)


def _gap(days: nw.LazyFrame[Any], share: float) -> int | None:
    gaps = days.filter(~nw.col("gap").is_null()).group_by("gap").agg(n=nw.len())
    counts = sorted(gaps.collect("polars").to_native().select("gap", "n").rows())
    left = ceil(Fraction(str(share)) * sum(n for _, n in counts))
    for gap, n in counts:
        left -= n
        if left <= 0:
            return int(gap)
    return None


def _staged(history: _History, until: datetime, long: int | None, regular: int) -> nw.LazyFrame[Any]:
    """One row a customer who is known by then, with the stage."""
    buyers = _buyers(history.days(until), long).with_columns(
        recency_days=(history.today(until) - nw.col("last")).cast(nw.Int64)
    )
    here = (
        nw.when(nw.col("recent_purchases") >= regular)
        .then(nw.lit("regular"))
        .when(nw.col("spells") > 1)
        .then(nw.lit("reactivated"))
        .otherwise(nw.lit("active"))
    )
    stage = here if long is None else nw.when(nw.col("recency_days") > long).then(nw.lit("lost")).otherwise(here)
    columns = ("customer_id", "stage", "recency_days", "purchases", "recent_purchases")
    staged = buyers.with_columns(stage=stage).select(*columns)
    known = history.known(until)
    if known is None:
        return staged
    potential = known.join(staged.select("customer_id"), on="customer_id", how="anti").with_columns(
        stage=nw.lit("potential"),
        recency_days=nw.lit(None, nw.Int64),
        purchases=nw.lit(0).cast(nw.Int64),
        recent_purchases=nw.lit(0).cast(nw.Int64),
    )
    return nw.concat([staged, potential.select(*columns)])


def _buyers(days: nw.LazyFrame[Any], long: int | None) -> nw.LazyFrame[Any]:
    """What each customer bought, in all and since the last long gap; a spell is what lies between two of them."""
    day, gap = nw.col("day"), nw.col("gap")
    is_begin = gap.is_null() if long is None else gap.is_null() | (gap > long)
    begun = days.with_columns(
        begins=nw.when(is_begin).then(nw.lit(1)).otherwise(nw.lit(0)), began=nw.when(is_begin).then(day)
    )
    begun = begun.with_columns(began=nw.col("began").max().over("customer_id"))
    is_recent = nw.when(day >= nw.col("began")).then(nw.lit(1)).otherwise(nw.lit(0))
    counted = begun.with_columns(recent=is_recent).group_by("customer_id")
    return counted.agg(
        last=day.max(), spells=nw.col("begins").sum(), purchases=nw.len(), recent_purchases=nw.col("recent").sum()
    ).with_columns(nw.col("purchases", "recent_purchases").cast(nw.Int64))


def _matrix(counted: nw.LazyFrame[Any]) -> nw.LazyFrame[Any]:
    """Every pair of stages, in their order, with how many customers went from one to the other."""
    pairs = [(before, after) for before in (NOT_YET, *STAGES) for after in STAGES]
    numbered = [(number, *pair) for number, pair in enumerate(pairs)]
    every = small_table(pl.DataFrame(numbered, schema=["number", "before", "after"], orient="row"), counted)
    filled = every.join(counted, on=["before", "after"], how="left")
    filled = filled.with_columns(nw.col("customers").fill_null(0).cast(nw.Int64))
    total = nw.col("customers").sum().over("before").cast(nw.Float64)
    share = nw.when(total > 0).then(nw.col("customers").cast(nw.Float64) / total)
    return filled.with_columns(share=share).sort("number").select("before", "after", "customers", "share")
