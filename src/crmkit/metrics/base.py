"""The customer base: who stays, who leaves, who comes and who comes back."""

from collections.abc import Generator, Sequence
from datetime import date, datetime
from functools import partial
from itertools import count
from math import fsum
from typing import Any, Unpack

import attrs
import narwhals as nw
import polars as pl

from crmkit.errors import InvalidInput
from crmkit.frames.door import MICROSECONDS_A_DAY, beside, moment, period_of
from crmkit.frames.small import small_table
from crmkit.frames.table import Table, group_columns
from crmkit.frames.tally import Counts, Question, Tally, merged, question
from crmkit.frames.words import one_of, unknown
from crmkit.metrics.asking import Steps, kpi
from crmkit.metrics.definition import Definition
from crmkit.metrics.finishing import number, share
from crmkit.metrics.result import MetricResult
from crmkit.metrics.scope import Asked, Finish, Scope, check_outcomes, make_scope, result, rows
from crmkit.model.order import Order
from crmkit.model.subscription import Subscription
from crmkit.stats.periods import Every, index_of, instant, zone
from crmkit.stats.periods import period_of as period_of_index

ORDER_CATEGORIES = ("open", "completed", "cancelled")
CATEGORIES = ("trial", "active", "frozen", "past_due", "cancelling", "lapsed")
STAYED, LEFT = "retained", "lost"
JOINED = ("new", "reactivated")
PASSED = ("new and lost", "reactivated and lost")

AT_START = (STAYED, LEFT)
AT_END = (STAYED, *JOINED)
LOST = (LEFT, *PASSED)
NEW = ("new", "new and lost")
BACK = ("reactivated", "reactivated and lost")
EVERYBODY = (STAYED, LEFT, *JOINED, *PASSED)
"""What a customer who was active at any time of a period was to it: every one is exactly one of these."""

NOBODY = "no customer was active at the start"
_BEGINNING = -(2**62)

CHURN_RATE = Definition(
    name="churn_rate",
    title="Churn rate",
    text="Of the customers who were active when the period began, the share that was not any more when it ended.",
    formula="lost among those active at the start / active at the start",
    unit="share",
    inputs=("subscriptions",),
    key="customer",
    methods={
        "start_cohort": "lost among those active at the start / active at the start; who joins and leaves within is in neither",
        "simple": "all lost in the period / active at the start; may exceed 1 where many join and leave",
        "stripe": "all lost in the period / active at any time of it",
        "average_base": "all lost in the period / mean of active at the start and at the end",
        "daily_sum": "sum over the days of lost among those active at the start of the day / active at its start",
    },
    sources=("help.chartmogul.com 203359321: customer churn rate", "support.stripe.com: subscriber churn rate"),
)


@kpi(CHURN_RATE)
def churn_rate(
    subscriptions: Any,
    *,
    method: str = "start_cohort",
    grace_days: int = 0,
    **asked: Unpack[Asked],
) -> Steps:
    """Return the share of customers that was lost, by month, quarter or year with `every`.

    A customer is active while any of their contracts is; trials do not count. Who leaves and is back when the period ends was
    not lost. A contract that ends at the first moment of a month ends in that month, as one that starts then starts in it.

    The default follows one group of customers through the period, so it lies between 0 and 1 and is 1 minus the retention rate.
    The others mix in customers who joined within the period: on the same facts they say 11.0, 9.2 or 10.5 percent instead
    of 10.0. A year of 5 percent a month loses 46 percent, not 60: ask for `every="year"` rather than multiplying.

    Args:
        subscriptions: records, or a Polars, pandas, Arrow or DuckDB table with `customer_id`, `started_at` (when a contract became
            paid) and `ended_at` (empty while it runs); it reads `category`. Without `every` give `start`.
        method: "start_cohort", "simple", "stripe", "average_base" or "daily_sum".
        grace_days: a customer who is back within so many days never left.
        ci: confidence of the interval by Wilson, for "start_cohort" and "stripe", which are shares of customers; None for none.
        asked: as for every KPI, see `crmkit.metrics`. With `by` a customer is counted in each group of their contracts, so who
            changes the plan is lost to one and new to another.

    Returns:
        Measures in shares; numerator the customers lost, denominator what they are divided by ("daily_sum": customer-days), and
        `details` with the customers at the `start`, `new`, `reactivated`, `lost` and at the `end`. No value, with a reason,
        where nobody was active. Left out and counted: trials, contracts without a customer or a start, those that lapsed
        without a date, and those that cover no time.

    Raises:
        InvalidInput: for a missing column, a naive timestamp, an unknown category, or a negative grace.

    >>> from datetime import date, UTC, datetime
    >>> from crmkit.model import Money
    >>> jan, feb = datetime(2025, 1, 1, tzinfo=UTC), datetime(2025, 2, 14, tzinfo=UTC)
    >>> contracts = [Subscription(customer_id=who, plan="Gym", price=Money("99", "PLN"), category="active", started_at=jan,
    ...                           ended_at=left) for who, left in (("ann", None), ("ben", feb))]
    >>> churn_rate(contracts, start=date(2025, 2, 1), as_of=date(2025, 2, 28)).value
    0.5
    """
    scope = make_scope(CHURN_RATE, method, asked)
    if method == "daily_sum":
        found = yield from standings(scope, subscriptions, grace_days, daily=True)
        return measured(scope, found, _daily_sum, numerator=[LEFT], denominator=AT_START)
    found = yield from standings(scope, subscriptions, grace_days)
    if method == "start_cohort":
        return measured(scope, found, _share(scope, [LEFT], AT_START, NOBODY), numerator=[LEFT], denominator=AT_START)
    if method == "stripe":
        nothing = "no customer was active in the period"
        return measured(scope, found, _share(scope, LOST, EVERYBODY, nothing), numerator=LOST, denominator=EVERYBODY)
    if method == "simple":
        return measured(scope, found, _simple, numerator=LOST, denominator=AT_START)
    return measured(scope, found, _average_base, numerator=LOST, denominator=(*AT_START, *JOINED))


RETENTION_RATE = Definition(
    name="retention_rate",
    title="Retention rate",
    text="Of the customers who were active when the period began, the share that still was when it ended.",
    formula="active at the start and at the end / active at the start",
    unit="share",
    inputs=("subscriptions",),
    key="customer",
    methods={"start_cohort": "active at the start and at the end / active at the start"},
    sources=("help.chartmogul.com 203359321: customer churn rate",),
)


@kpi(RETENTION_RATE)
def retention_rate(
    subscriptions: Any,
    *,
    method: str = "start_cohort",
    grace_days: int = 0,
    **asked: Unpack[Asked],
) -> Steps:
    """Return the share of customers that was retained, which is 1 minus the churn rate.

    The textbook's (end - new) / start takes off those who joined and left within the period twice; this does not.

    Args:
        subscriptions: records, or a Polars, pandas, Arrow or DuckDB table with `customer_id`, `started_at` and `ended_at`; it
            reads `category`. Without `every` give `start`.
        method: "start_cohort".
        grace_days: a customer who is back within so many days never left.
        ci: confidence of the interval by Wilson; None for none.
        asked: as for every KPI, see `crmkit.metrics`; `by` as for `churn_rate`.

    Returns:
        Measures in shares from 0 to 1; numerator retained, denominator active at the start, `details` and what is left out as for
        `churn_rate`. No value, with a reason, where nobody was active at the start.

    Raises:
        InvalidInput: for a missing column, a naive timestamp, an unknown category, or a negative grace.

    >>> from datetime import date, UTC, datetime
    >>> from crmkit.model import Money
    >>> ann = Subscription(customer_id="ann", plan="Gym", price=Money("99", "PLN"), category="active",
    ...                    started_at=datetime(2025, 1, 1, tzinfo=UTC))
    >>> [each.value for each in retention_rate([ann], every="month", as_of=date(2025, 2, 28))]
    [None, 1.0]
    """
    scope = make_scope(RETENTION_RATE, method, asked)
    found = yield from standings(scope, subscriptions, grace_days)
    return measured(scope, found, _share(scope, [STAYED], AT_START, NOBODY), numerator=[STAYED], denominator=AT_START)


CUSTOMER_GROWTH = Definition(
    name="customer_growth",
    title="Growth of the customer base",
    text="By which share the number of active customers grew in the period; negative where it shrank.",
    formula="(active at the end - active at the start) / active at the start",
    unit="share",
    inputs=("subscriptions",),
    key="customer",
    methods={"net": "(active at the end - active at the start) / active at the start"},
    sources=("angelinvestingschool: there with the opposite sign, as churn, which it is not",),
)


@kpi(CUSTOMER_GROWTH)
def customer_growth(
    subscriptions: Any,
    *,
    method: str = "net",
    grace_days: int = 0,
    **asked: Unpack[Asked],
) -> Steps:
    """Return by which share the customer base grew.

    The details say how: end = start + new + reactivated - lost, always. Who joins and leaves within a period is in it as new
    (or reactivated) and as lost; who leaves and is back in time, as neither.

    Args:
        subscriptions: records, or a Polars, pandas, Arrow or DuckDB table with `customer_id`, `started_at` and `ended_at`; it
            reads `category`. Without `every` give `start`.
        method: "net".
        grace_days: a customer who is back within so many days never left.
        asked: as for every KPI, see `crmkit.metrics`; `by` as for `churn_rate`.

    Returns:
        Measures in shares, of either sign; numerator the difference, denominator active at the start, `details` and what is
        left out as for `churn_rate`. No value, with a reason, where nobody was active at the start.

    Raises:
        InvalidInput: for a missing column, a naive timestamp, an unknown category, or a negative grace.

    >>> from datetime import date, UTC, datetime
    >>> from crmkit.model import Money
    >>> days = {"ann": datetime(2025, 1, 7, tzinfo=UTC), "ben": datetime(2025, 2, 7, tzinfo=UTC)}
    >>> contracts = [Subscription(customer_id=who, plan="Gym", price=Money("99", "PLN"), category="active", started_at=day)
    ...              for who, day in days.items()]
    >>> february = customer_growth(contracts, start=date(2025, 2, 1), as_of=date(2025, 2, 28)).only
    >>> february.value, february.details["new"]
    (1.0, 1.0)
    """
    scope = make_scope(CUSTOMER_GROWTH, method, asked)
    found = yield from standings(scope, subscriptions, grace_days)
    return measured(scope, found, _growth, numerator=(*JOINED, LEFT), denominator=AT_START)


NEW_CUSTOMERS = Definition(
    name="new_customers",
    title="New customers",
    text="How many customers paid for the first time in the period. Who comes back is not new.",
    formula="customers whose first contract started in the period",
    unit="count",
    inputs=("subscriptions",),
    key="customer",
    methods={
        "contract": "customers whose first paid contract started in the period",
        "order": "customers whose first order was in the period, for businesses without contracts",
    },
    other_inputs={"order": ("orders",)},
    sources=("naildd: reactivated customers are not new",),
)


@kpi(NEW_CUSTOMERS)
def new_customers(
    subscriptions: Any,
    *,
    method: str = "contract",
    **asked: Unpack[Asked],
) -> Steps:
    """Return the number of customers who paid for the first time.

    Args:
        subscriptions: records, or a Polars, pandas, Arrow or DuckDB table with `customer_id`, `started_at` and `ended_at`; it
            reads `category`. For "order" orders, with `customer_id` and `at`; it reads `amount` and `category`.
        method: "contract" or "order".
        asked: as for every KPI, see `crmkit.metrics`. With `by` a customer is new to each group at its first contract or order.

    Returns:
        Measures in customers, 0 where there are none. Left out and counted: for "contract" as for `churn_rate`; for "order"
        cancelled orders, refunds, and those without a customer or a date.

    Raises:
        InvalidInput: for a missing column, a naive timestamp or an unknown category.

    >>> from datetime import date, UTC, datetime
    >>> visits = [Order(customer_id=who, at=datetime(2025, 5, day, tzinfo=UTC)) for who, day in (("ann", 2), ("ann", 9), ("ben", 9))]
    >>> new_customers(visits, method="order", as_of=date(2025, 5, 31)).value
    2.0
    """
    scope = make_scope(NEW_CUSTOMERS, method, asked)
    found = yield from newcomers(scope, subscriptions, orders=method == "order")
    return result(scope, found, ["new"], lambda counts: number(counts, ["new"]))


REACTIVATIONS = Definition(
    name="reactivations",
    title="Reactivations",
    text="How many customers who had left came back in the period.",
    formula="customers not active at the start, active in the period, and not for the first time",
    unit="count",
    inputs=("subscriptions",),
    key="customer",
    methods={"returned": "customers not active at the start who had been before and were again in the period"},
    sources=("Stripe: reactivation MRR",),
)


@kpi(REACTIVATIONS)
def reactivations(
    subscriptions: Any,
    *,
    method: str = "returned",
    grace_days: int = 0,
    **asked: Unpack[Asked],
) -> Steps:
    """Return the number of customers who had left and came back.

    Args:
        subscriptions: records, or a Polars, pandas, Arrow or DuckDB table with `customer_id`, `started_at` and `ended_at`; it
            reads `category`. Without `every` give `start`.
        method: "returned". Who leaves and is back within one period was not reactivated in it.
        grace_days: a customer who is back within so many days never left.
        asked: as for every KPI, see `crmkit.metrics`; `by` as for `churn_rate`.

    Returns:
        Measures in customers, 0 where there are none; `details` and what is left out as for `churn_rate`.

    Raises:
        InvalidInput: for a missing column, a naive timestamp, an unknown category, or a negative grace.

    >>> from datetime import date, UTC, datetime
    >>> from crmkit.model import Money
    >>> spells = [(datetime(2025, 1, 7, tzinfo=UTC), datetime(2025, 2, 7, tzinfo=UTC)), (datetime(2025, 5, 7, tzinfo=UTC), None)]
    >>> contracts = [Subscription(customer_id="ann", plan="Gym", price=Money("99", "PLN"), category="active", started_at=start,
    ...                           ended_at=end) for start, end in spells]
    >>> reactivations(contracts, start=date(2025, 5, 1), as_of=date(2025, 5, 31)).value
    1.0
    """
    scope = make_scope(REACTIVATIONS, method, asked)
    found = yield from standings(scope, subscriptions, grace_days)
    return measured(
        scope, found, lambda counts: number(counts, BACK) | {"details": base(counts)}, numerator=BACK, denominator=BACK
    )


@attrs.frozen
class Span:
    """A stretch of time that customers are followed through: its period, and its bounds as behind the door, half-open.

    A customer active at the start is one active just before `start`, at the end one active just before `end`.
    """

    period: int | None
    bucket: int | None
    start: int
    end: int


def base(counts: Counts) -> dict[str, float]:
    """Return the customer base of a period: end = start + new + reactivated - lost."""
    parts = {"start": AT_START, "new": NEW, "reactivated": BACK, "lost": LOST, "end": AT_END}
    return {name: float(_count(counts, outcomes)) for name, outcomes in parts.items()}


def contracts(scope: Scope, subscriptions: Any, *, needs: Sequence[str] = (), uses: Sequence[str] = ()) -> Table:
    """Return paid and unpaid contracts as they were known at `as_of`: what starts later is not there, what ends later runs."""
    always = ("customer_id", "started_at", "ended_at")
    table = scope.open(subscriptions, Subscription, needs=(*always, *needs), uses=("category", "id", *uses))
    known = table.rows.filter(nw.col("started_at").is_null() | (nw.col("started_at") <= scope.known_until))
    return attrs.evolve(table, rows=known)


def flaw(table: Table) -> nw.Expr:
    """The reason for which a contract is left out; empty for one that counts."""
    started, ended = nw.col("started_at"), nw.col("ended_at")
    reason = nw.when(nw.col("customer_id").is_null()).then(nw.lit("no customer"))
    if "category" in table.columns:
        category = nw.col("category")
        reason = reason.when(~category.is_null() & ~one_of(category, CATEGORIES)).then(unknown("category"))
        reason = reason.when(category == "trial").then(nw.lit("trial"))
        reason = reason.when((category == "lapsed") & ended.is_null()).then(nw.lit("ended without a date"))
    reason = reason.when(started.is_null()).then(nw.lit("no start date"))
    return reason.when(ended <= started).then(nw.lit("covers no time")).otherwise(nw.lit(None, nw.String))


def parted(scope: Scope, table: Table, reason: nw.Expr) -> tuple[nw.LazyFrame[Any], Question]:
    """Return the rows that count, and the question for those that are left out for a reason, which are in no period."""
    judged = table.rows.with_columns(reason=reason)
    undated = judged.with_columns(scope_period=nw.lit(None, nw.Int64))
    keys = ["scope_period", *group_columns(scope.by)]
    without = question(undated, keys, outcome=nw.col("reason"), record=table.record)
    return judged.filter(nw.col("reason").is_null()), without


def first_start(scope: Scope, paid: nw.LazyFrame[Any], step: Every) -> Question:
    """Count contracts by the period of their start, of which the first is where a series without `start` begins."""
    undated = paid.with_columns(scope_period=nw.lit(None, nw.Int64))
    keys = ["scope_period", *group_columns(scope.by)]
    return question(undated, keys, outcome=nw.lit("started"), bucket=period_of("started_at", step))


def spans(
    scope: Scope, paid: nw.LazyFrame[Any], *, daily: bool = False
) -> Generator[Sequence[Question], Any, list[Span]]:
    """Return the periods of the series, or the days of them, cut to the window and to `as_of`; ask where they begin."""
    step: Every | None = "day" if daily else scope.every
    first = _BEGINNING if scope.start is None else moment(scope.start)
    until = scope.known_until + 1 if scope.end is None else min(scope.known_until + 1, moment(scope.end))
    if step is None:
        return [Span(None, None, first, until)] if first < until else []
    if scope.start is not None:
        index = index_of(_day(scope, scope.start), step)
    else:
        (started,) = yield [first_start(scope, paid, step)]
        indexes = [index for counts in started.values() for index in counts["started"]]
        if not indexes:
            return []
        index = min(indexes)
    found: list[Span] = []
    for period in map(partial(period_of_index, every=step), count(index)):
        start, end = (moment(instant(day, scope.tz, "start")) for day in (period.start, period.end))
        if start >= until:
            return found
        whole = None if scope.every is None else index_of(period.start, scope.every)
        found.append(Span(whole, index_of(period.start, step), max(start, first), min(end, until)))
    raise AssertionError("the calendar ended before `as_of`")


def by_customer(
    scope: Scope, paid: nw.LazyFrame[Any], through: Sequence[Span], *, apart: Sequence[str] = (), **worth: nw.Expr
) -> nw.LazyFrame[Any]:
    """Return one row for each span and customer active in it: were they before, are they after, and is it their first time.

    `worth` are columns of contracts, of which `..._before` and `..._after` are the sums over those that are active then; sums
    are kept `apart` by further columns.
    """
    groups = ["customer_id", *group_columns(scope.by)]
    known = paid.with_columns(first_at=nw.col("started_at").min().over(*groups), **worth)
    parts = _during(known, through or [_NEVER], list(worth))
    sums = [nw.col(f"{name}_{at}").sum() for name in worth for at in ("before", "after")]
    return parts.group_by("scope_period", "scope_bucket", *groups, *apart, drop_null_keys=False).agg(
        nw.col("before", "after", "is_first").max(), *sums
    )


def standing() -> nw.Expr:
    """What a customer was to a span, as one of `EVERYBODY`."""
    before, after, is_first = (nw.col(name) == 1 for name in ("before", "after", "is_first"))
    return (
        nw.when(before & after)
        .then(nw.lit(STAYED))
        .when(before)
        .then(nw.lit(LEFT))
        .when(after & is_first)
        .then(nw.lit(JOINED[0]))
        .when(after)
        .then(nw.lit(JOINED[1]))
        .when(is_first)
        .then(nw.lit(PASSED[0]))
        .otherwise(nw.lit(PASSED[1]))
    )


def newcomers(scope: Scope, data: Any, *, orders: bool = False) -> Generator[Sequence[Question], Any, Tally]:
    """Count customers as "new" in the period in which they first paid."""
    at = "at" if orders else "started_at"
    accepted: Sequence[str]
    if orders:
        table = scope.open(data, Order, needs=("customer_id", "at"), uses=("amount", "category", "id"))
        table = attrs.evolve(
            table, rows=table.rows.filter(nw.col("at").is_null() | (nw.col("at") <= scope.known_until))
        )
        reason, accepted = _no_purchase(table), ORDER_CATEGORIES
    else:
        table = contracts(scope, data)
        reason, accepted = flaw(table), CATEGORIES
    paid, left_out = parted(scope, table, reason)
    first = paid.group_by("customer_id", *group_columns(scope.by), drop_null_keys=False).agg(
        nw.col(at, *beside(at)).min()
    )
    new = scope.question(first, at=at, outcome=nw.lit("new"), record="customer_id")
    found, without = yield [new, left_out]
    check_outcomes(without, "category", accepted)
    return merged(found, without)


def measured(
    scope: Scope, found: Tally, finish: Finish, *, numerator: Sequence[str], denominator: Sequence[str]
) -> MetricResult:
    """Turn counts of `EVERYBODY` into measures; nobody of them is left out, though not all are in the denominator."""
    outcomes = {"numerator": tuple(numerator), "denominator": tuple(denominator)}
    return attrs.evolve(result(scope, found, EVERYBODY, finish), outcomes=outcomes)


def standings(
    scope: Scope, subscriptions: Any, grace_days: int = 0, *, daily: bool = False
) -> Generator[Sequence[Question], Any, Tally]:
    """Count customers by what they were to each period, and the contracts that are left out."""
    if not isinstance(grace_days, int) or grace_days < 0:
        raise InvalidInput(f"grace_days={grace_days!r} is no grace; give a whole number of days, or 0 for none")
    table = contracts(scope, subscriptions)
    paid, left_out = parted(scope, table, flaw(table))
    through = yield from spans(scope, paid, daily=daily)
    customers = by_customer(scope, _bridged(paid, scope, grace_days) if grace_days else paid, through)
    keys = ["scope_period", *group_columns(scope.by)]
    bucket = nw.col("scope_bucket") if daily else None
    asking = question(customers, keys, outcome=standing(), bucket=bucket, record=nw.col("customer_id"))
    found, without = yield [asking, left_out]
    check_outcomes(without, "category", CATEGORIES)
    return merged(found, without)


_NEVER = Span(None, None, _BEGINNING, _BEGINNING)


def _during(paid: nw.LazyFrame[Any], through: Sequence[Span], worth: Sequence[str]) -> nw.LazyFrame[Any]:
    """The contracts beside each of the spans in which they are active, or were until its first moment."""
    started, ended, start, end = (nw.col(name) for name in ("started_at", "ended_at", "scope_start", "scope_end"))
    inside = (started < end) & (ended.is_null() | (ended >= start))
    before, after = started < start, ended.is_null() | (ended >= end)
    sums = {
        f"{name}_{at}": nw.when(when).then(nw.col(name)).otherwise(0)
        for name in worth
        for at, when in (("before", before), ("after", after))
    }
    beside = paid.join(small_table(_table_of(through), paid), how="cross").filter(inside)
    return beside.with_columns(
        before=_flag(before), after=_flag(after), is_first=_flag(nw.col("first_at") >= start), **sums
    )


def _table_of(through: Sequence[Span]) -> pl.DataFrame:
    names = {"scope_period": "period", "scope_bucket": "bucket", "scope_start": "start", "scope_end": "end"}
    columns = {column: [getattr(each, name) for each in through] for column, name in names.items()}
    return pl.DataFrame(columns, schema=dict.fromkeys(names, pl.Int64))


def _flag(condition: nw.Expr) -> nw.Expr:
    return nw.when(condition).then(nw.lit(1)).otherwise(nw.lit(0))


def _bridged(paid: nw.LazyFrame[Any], scope: Scope, grace_days: int) -> nw.LazyFrame[Any]:
    """Contracts that last until the customer's next one, where it starts within the grace."""
    groups = group_columns(scope.by)
    texts = {
        f"scope_{group}": nw.concat_str(nw.lit("="), nw.col(group).cast(nw.String)).fill_null("") for group in groups
    }
    keyed = paid.with_columns(**texts) if texts else paid  # joins would not find a group without a value
    keys = ["customer_id", *texts]
    starts = keyed.select(*keys, next_at=nw.col("started_at")).unique()
    gap = nw.col("next_at") - nw.col("ended_at")
    near = keyed.select(*keys, "ended_at").unique().join(starts, on=keys, how="inner")
    near = near.filter((gap > 0) & (gap <= grace_days * MICROSECONDS_A_DAY))
    until = near.group_by(*keys, "ended_at").agg(nw.col("next_at").max())
    bridged = nw.when(nw.col("next_at").is_null()).then(nw.col("ended_at")).otherwise(nw.col("next_at"))
    return keyed.join(until, on=[*keys, "ended_at"], how="left").with_columns(ended_at=bridged)


def _day(scope: Scope, at: datetime) -> date:
    return at.astimezone(zone(scope.tz)).date()


def _no_purchase(table: Table) -> nw.Expr:
    reason = nw.when(nw.col("customer_id").is_null()).then(nw.lit("no customer"))
    if "category" in table.columns:
        category = nw.col("category")
        reason = reason.when(~category.is_null() & ~one_of(category, ORDER_CATEGORIES)).then(unknown("category"))
        reason = reason.when(category == "cancelled").then(nw.lit("cancelled"))
    if "amount" in table.columns:
        reason = reason.when(nw.col("amount") < 0).then(nw.lit("refund"))
    return reason.when(nw.col("at").is_null()).then(nw.lit("no date")).otherwise(nw.lit(None, nw.String))


def _count(counts: Counts, outcomes: Sequence[str]) -> int:
    return sum(rows(counts.get(outcome)) for outcome in outcomes)


def _ratio(part: float, whole: float, n: int, nothing: str) -> dict[str, Any]:
    return {
        "value": part / whole if whole else None,
        "unit": "share",
        "numerator": part,
        "denominator": whole,
        "n": n,
        "reason": None if whole else nothing,
    }


def _share(scope: Scope, part: Sequence[str], whole: Sequence[str], nothing: str) -> Finish:
    return lambda counts: share(counts, part, whole, ci=scope.ci, nothing=nothing) | {"details": base(counts)}


def _simple(counts: Counts) -> dict[str, Any]:
    start = _count(counts, AT_START)
    return _ratio(_count(counts, LOST), start, start, NOBODY) | {"details": base(counts)}


def _average_base(counts: Counts) -> dict[str, Any]:
    size = (_count(counts, AT_START) + _count(counts, AT_END)) / 2
    nothing = "no customer was active at the start or at the end"
    return _ratio(_count(counts, LOST), size, _count(counts, (*AT_START, *JOINED)), nothing) | {"details": base(counts)}


def _growth(counts: Counts) -> dict[str, Any]:
    start, end = _count(counts, AT_START), _count(counts, AT_END)
    return _ratio(end - start, start, start, NOBODY) | {"details": base(counts)}


def _daily_sum(counts: Counts) -> dict[str, Any]:
    lost, stayed = counts.get(LEFT, {}), counts.get(STAYED, {})
    days = sorted({*lost, *stayed})
    left = {day: lost[day].n if day in lost else 0 for day in days}
    active = {day: left[day] + (stayed[day].n if day in stayed else 0) for day in days}
    at_risk = sum(active.values())
    parts = _ratio(sum(left.values()), at_risk, at_risk, "no customer was active at the start of a day")
    return parts | {"value": fsum(left[day] / active[day] for day in days) if days else None}
