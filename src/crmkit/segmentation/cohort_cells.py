"""Cohorts: of those who began together, how many came back in each later period, and what they brought."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import attrs
import narwhals as nw
import polars as pl

from crmkit.errors import InvalidInput, choices
from crmkit.frames.door import beside, engine_of, moment
from crmkit.frames.schema import schema
from crmkit.frames.small import small_table
from crmkit.frames.table import MONEY_UNITS, Table, group_columns, open_table
from crmkit.model.money import currency_column
from crmkit.model.order import Order
from crmkit.model.records import Record
from crmkit.rules import EVERYTHING, Rule
from crmkit.segmentation.given import as_given, asked_rule
from crmkit.segmentation.lifetime.purchases import check_words, purchases
from crmkit.stats.periods import Every, check_every, index_of, instant, period_of, zone

_METHODS = ("bracket", "rolling")
_COLUMNS = (
    "cohort",
    "cohort_start",
    "period",
    "size",
    "customers",
    "rate",
    "revenue",
    "cumulative_revenue",
    "value",
    "partial",
)


@attrs.frozen(kw_only=True)
class Events:
    """Data of any class of records, and which of its columns say to whom something happened, when, and for how much.

    Args:
        data: records, or a table of any engine.
        cls: the class of the records, or the one that the columns of the table are named and typed after.
        subject: the column with the id of whom it happened to.
        at: the column with the instant.
        amount: the column with money; None for the one of orders, and for none in other classes.
        where: a rule that the rows must fulfil.
        columns: published column names mapped to the names that the data has.

    Orders that were cancelled are no events, and neither is a refund, which takes its money back. Raises `InvalidInput` for a column that
    the class has not, or that holds something else.

    >>> Events(data=[], cls=Customer, subject="id", at="created_at").at
    'created_at'
    """

    data: Any = attrs.field(repr=False)
    cls: type[Record] = Order
    subject: str = "customer_id"
    at: str = "at"
    amount: str | None = None
    where: Rule = EVERYTHING
    columns: Mapping[str, str] | None = None

    def __attrs_post_init__(self) -> None:  # noqa: D105
        if not isinstance(self.cls, type) or not issubclass(self.cls, Record):
            raise InvalidInput(f"cls={self.cls!r} is no class of records; give one such as Order")
        for name, meant, kind in (
            ("subject", "an id", pl.String),
            ("at", "an instant", pl.Datetime),
            ("amount", "money", pl.Decimal),
        ):
            column = getattr(self, name)
            fitting = [each for each, dtype in schema(self.cls).items() if isinstance(dtype, kind)]
            if column not in fitting and not (name == "amount" and column is None):
                raise InvalidInput(
                    f"{name}={column!r} is no column of {self.cls.__name__} with {meant}; {choices(str(column), fitting)}; a column of "
                    "another name in the data is given with columns="
                )


def cohorts(
    returns: Any,
    *,
    as_of: Any,
    starts: Any = None,
    every: str = "month",
    periods: int | None = None,
    by: str | Sequence[str] | None = None,
    method: str = "bracket",
    where: Rule = EVERYTHING,
    tz: str = "UTC",
    columns: Mapping[str, str] | None = None,
) -> Any:
    """Return how many of those who began in one period came back in each period since, and what they brought.

    A cohort are the customers whose first start is in one civil period. By default the start is the first purchase and the return any
    purchase; `starts` and `returns` may be any two kinds of `Events`, such as sign-ups and visits. Period 0 is that of the start, period 1 the
    next on the calendar, however few days lie between. What happened before the period of the start does not count.

    A cell that lies after `as_of` is empty, not 0: nobody knows yet. A cell whose period `as_of` cuts is marked as partial, because it may
    still grow; compare it with nothing.

    Args:
        returns: orders as records, or as a Polars, pandas, Arrow, DuckDB, Ibis or PySpark table with `customer_id` and `at`; it reads
            `amount`, `currency` and `category`, and `id` and `refund_of_id` for refunds. Or `Events` of another class.
        as_of: the moment until which events count, inclusive. A date means its whole day in `tz`.
        starts: orders or `Events` of which the first puts a customer into a cohort; None for the first of the returns. A customer who
            never started is in no cohort.
        every: "day", "week", "month", "quarter" or "year", for cohorts and for periods.
        periods: how many periods to follow a cohort for, that of the start among them; None for all until `as_of`.
        by: a column of the starts, or several, to part cohorts by. It counts as it was at the first start; the smallest value,
            where two are at one instant.
        method: "bracket" counts who came back in the period itself; "rolling" who came back in it or later, so who skipped a
            period is not lost. The latest periods of "rolling" still grow, all of them.
        where: a rule that orders must fulfil; `Events` have their own.
        tz: the IANA name of the time zone in which periods are counted.
        columns: published column names mapped to the names that the orders have; `Events` have their own.

    Returns:
        The caller's kind of table (Polars for records), one row a cohort and period, in their order: `cohort` (such as "2025-05"),
        `cohort_start` (its first day), the columns of `by`, `period` (0, 1, ...), `size` (customers in the cohort), `customers` (who came
        back), `rate` (`customers / size`), `revenue` (of the period, refunds taken off in the period of what they give back),
        `cumulative_revenue`, `value` (`cumulative_revenue / size`) and `partial`. Without amounts there are no columns for money. Every
        cohort has a row for each period that the oldest one has. No row for nothing.

    Raises:
        InvalidInput: for a missing column, a naive timestamp, amounts in several currencies, an unknown period or method, or tables in
            two engines.

    Source: clvkit, which calls the 0 in a cell that nobody has observed the most common bug of cohort tables.

    >>> days = (("ann", 3, 1), ("ann", 4, 9), ("ben", 3, 2), ("cid", 4, 20))
    >>> orders = [Order(customer_id=who, amount=Money(10, "PLN"), at=datetime(2025, month, day, tzinfo=UTC)) for who, month, day in days]
    >>> cohorts(orders, as_of=date(2025, 4, 30)).select("cohort", "period", "size", "customers", "rate", "value").rows()
    [('2025-03', 0, 2, 2, 1.0, 10.0), ('2025-03', 1, 2, 1, 0.5, 15.0), ('2025-04', 0, 1, 1, 1.0, 10.0), ('2025-04', 1, 1, None, None, None)]
    """
    kind = _kind(every)
    groups = _groups(by)
    if method not in _METHODS:
        raise InvalidInput(f"method={method!r} is no way to count returns; {choices(str(method), _METHODS)}")
    if periods is not None and (not isinstance(periods, int) or isinstance(periods, bool) or periods < 1):
        raise InvalidInput(f"periods={periods!r} is no number of periods; give at least 1, or None for all")
    known_until = instant(as_of, tz, "as_of", end_of_day=True)
    now = index_of(known_until.astimezone(zone(tz)).date(), kind)

    coming = _events(returns, where, columns)
    table = _opened(coming, groups if starts is None else (), as_of, tz)
    check_words(table)
    happened = _happened(table, kind, known_until)
    if starts is None:
        begun = happened
    else:
        begun = _happened(_opened(_events(starts, EVERYTHING, None), groups, as_of, tz), kind, known_until)
        _check_engines(begun, happened)

    firsts = _firsts(begun, group_columns(groups))
    keys = ["cohort", *group_columns(groups)]
    oldest = firsts.select(nw.col("cohort").min()).collect("polars").to_native().item()
    number = 1 if oldest is None else now - oldest + 1
    cells = _filled(firsts, _cells(happened, firsts, keys, method), keys, number)
    known = _known(_labels(kind, now - number + 1, now), cells, now, _partial_period(kind, now, known_until, tz))
    found = _finished(known, keys, method, has_amount="amount" in table.columns)
    if periods is not None:
        found = found.filter(nw.col("period") < periods)
    names = dict(zip(group_columns(groups), groups, strict=True))
    sorted_ = found.sort("cohort_start", *names, "period", nulls_last=True)
    return as_given(sorted_.rename(names), coming.data)


def _kind(every: Any) -> Every:
    kind = check_every(every)
    if kind is None:
        raise InvalidInput("every=None parts nobody; give a period such as 'month'")
    return kind


def _groups(by: str | Sequence[str] | None) -> tuple[str, ...]:
    groups = (by,) if isinstance(by, str) else tuple(dict.fromkeys(by or ()))
    taken = [name for name in groups if name in _COLUMNS]
    if taken:
        raise InvalidInput(
            f"by={taken[0]!r} is a column of the answer; give the data another name for it with columns="
        )
    return groups


def _events(given: Any, where: Rule, columns: Mapping[str, str] | None) -> Events:
    if not isinstance(given, Events):
        return Events(data=given, where=where, columns=columns)
    if where != EVERYTHING or columns is not None:
        raise InvalidInput("where= and columns= are for orders; give them to the Events themselves")
    return given


def _opened(events: Events, by: Sequence[str], as_of: Any, tz: str) -> Table:
    """The rows under the names that a table of purchases has."""
    at = events.at
    names = {events.subject: "customer_id", at: "at", **dict(zip(beside(at), beside("at"), strict=True))}
    uses, amount = [], events.amount
    if issubclass(events.cls, Order):  # whose amounts tell refunds
        uses, amount = ["category", "id", "refund_of_id"], amount or "amount"
    if amount is not None:
        currency = currency_column(amount)
        names |= {amount: "amount", currency: "currency"}
        uses += [amount, currency]
    table = open_table(
        events.data,
        events.cls,
        needs=(events.subject, at),
        uses=uses,
        by=by,
        columns=events.columns,
        tz=tz,
        where=asked_rule(events.where, as_of, tz),
    )
    kept = [column for column in uses if column in table.columns and column not in names]
    found = {new: nw.col(old) for old, new in names.items() if old in {*table.columns, *beside(at)}}
    rows = table.rows.select(*kept, *group_columns(by), **found)
    return Table(rows, frozenset({*kept, *found}))


def _check_engines(*tables: nw.LazyFrame[Any]) -> None:
    engines = {engine_of(each) for each in tables}
    if len(engines) > 1:
        raise InvalidInput(
            f"starts and returns are in {' and '.join(sorted(engines))}, and no engine reads another's; give both as one kind of data"
        )


def _happened(table: Table, every: Every, known_until: datetime) -> nw.LazyFrame[Any]:
    """What counts until then, with its period; `is_event` is 0 for what only gives money back."""
    is_event = nw.when(nw.col("amount") < 0).then(nw.lit(0)).otherwise(nw.lit(1))
    rows = purchases(table, every).filter(nw.col("at") <= moment(known_until))
    return rows.with_columns(is_event=is_event)


def _firsts(begun: nw.LazyFrame[Any], groups: Sequence[str]) -> nw.LazyFrame[Any]:
    """One row a customer: the period of the first start, and the groups that it was in."""
    counted = begun.filter(nw.col("is_event") == 1)
    if groups:
        counted = counted.with_columns(first_at=nw.col("at").min().over("customer_id"))
        counted = counted.filter(nw.col("at") == nw.col("first_at"))
    firsts = counted.group_by("customer_id").agg(nw.col("period", *groups).min())
    return firsts.select("customer_id", *groups, cohort=nw.col("period").cast(nw.Int64))


def _cells(
    happened: nw.LazyFrame[Any], firsts: nw.LazyFrame[Any], keys: Sequence[str], method: str
) -> nw.LazyFrame[Any]:
    """How many customers of a cohort came back in each period, or in which they did last, and the revenue of it."""
    joined = happened.select("customer_id", "amount", "is_event", happened_in="period").join(
        firsts, on="customer_id", how="inner"
    )
    since = joined.with_columns(period=nw.col("happened_in").cast(nw.Int64) - nw.col("cohort"))
    since = since.filter(nw.col("period") >= 0)
    by_customer = since.group_by("customer_id", *keys, "period", drop_null_keys=False).agg(
        nw.col("is_event").max(), nw.col("amount").sum()
    )
    if method == "rolling":
        came = nw.when(nw.col("is_event") == 1).then(nw.col("period"))
        by_customer = by_customer.with_columns(came=came)
        is_last = nw.col("period") == nw.col("came").max().over("customer_id")
        by_customer = by_customer.with_columns(is_event=nw.when(is_last).then(nw.lit(1)).otherwise(nw.lit(0)))
    counted = by_customer.group_by(*keys, "period", drop_null_keys=False)
    return counted.agg(customers=nw.col("is_event").sum(), revenue=nw.col("amount").sum())


def _filled(firsts: nw.LazyFrame[Any], cells: nw.LazyFrame[Any], keys: Sequence[str], number: int) -> nw.LazyFrame[Any]:
    """Every cohort with each of a number of periods, and what is in each cell."""
    sizes = firsts.group_by(*keys, drop_null_keys=False).agg(size=nw.len())
    numbers = small_table(pl.DataFrame({"period": range(number)}), firsts)
    empty = sizes.join(numbers, how="cross").with_columns(customers=nw.lit(0), revenue=nw.lit(0))
    inside = cells.with_columns(size=nw.lit(0))
    counts = ("size", "customers", "revenue")
    columns: list[Any] = [*keys, *(nw.col(each).cast(nw.Int64) for each in ("period", *counts))]
    both = nw.concat([empty.select(*columns), inside.select(*columns)])
    # Groups that are empty are no keys of a join, but they are keys to group by.
    summed = both.group_by(*keys, "period", drop_null_keys=False).agg(nw.col(*counts).sum())
    return summed.with_columns(nw.col(*counts).cast(nw.Int64))


def _labels(every: Every, first: int, last: int) -> pl.DataFrame:
    indices = range(first, last + 1)
    found = [period_of(index, every) for index in indices]
    return pl.DataFrame(
        {"cohort": indices, "label": [each.label for each in found], "cohort_start": [each.start for each in found]},
        schema={"cohort": pl.Int64, "label": pl.String, "cohort_start": pl.Date},
    )


def _partial_period(every: Every, now: int, known_until: datetime, tz: str) -> int | None:
    """The period that has begun and is not over."""
    over = instant(period_of(now, every).end, tz, "as_of")
    return None if known_until >= over - timedelta(microseconds=1) else now


def _known(labels: pl.DataFrame, cells: nw.LazyFrame[Any], now: int, partial: int | None) -> nw.LazyFrame[Any]:
    """The cells with the names of their cohorts, and whether anybody can know what is in them."""
    named = cells.join(small_table(labels, cells), on="cohort", how="inner")
    happens_in = nw.col("cohort") + nw.col("period")
    is_partial = happens_in == (now + 1 if partial is None else partial)
    return named.with_columns(is_known=happens_in <= now, partial=is_partial)


def _finished(cells: nw.LazyFrame[Any], keys: Sequence[str], method: str, *, has_amount: bool) -> nw.LazyFrame[Any]:
    if method == "rolling":
        later = nw.col("customers").cum_sum(reverse=True).over(*keys, order_by="period")
        cells = cells.with_columns(customers=later)
    so_far = nw.col("revenue").cum_sum().over(*keys, order_by="period")
    cells = cells.with_columns(cumulative=so_far)
    size = nw.col("size").cast(nw.Float64)
    values = {"customers": nw.col("customers").cast(nw.Int64), "rate": nw.col("customers").cast(nw.Float64) / size}
    if has_amount:
        total = nw.col("cumulative").cast(nw.Float64)
        values["revenue"] = nw.col("revenue").cast(nw.Float64) / MONEY_UNITS
        values["cumulative_revenue"] = total / MONEY_UNITS
        values["value"] = total / (size * MONEY_UNITS)
    values["partial"] = nw.col("partial")
    known = {name: nw.when(nw.col("is_known")).then(value) for name, value in values.items()}
    label = nw.col("label").alias("cohort")
    return cells.select(label, "cohort_start", *keys[1:], "period", "size", **known)
