"""Spending: what it costs to win a lead or a customer, and to keep one."""

from collections import Counter
from collections.abc import Collection, Generator, Iterator, Mapping, Sequence
from datetime import date, timedelta
from fractions import Fraction
from typing import Any, Literal, Unpack

import attrs
import narwhals as nw

from crmkit.errors import InvalidInput, choices
from crmkit.frames.table import MONEY_UNITS, Table, group_columns
from crmkit.frames.tally import Counts, Question, Sums, Tally, merged, question
from crmkit.metrics.asking import Steps, kpi
from crmkit.metrics.base import AT_END, AT_START, EVERYBODY, STAYED, newcomers, standings
from crmkit.metrics.definition import Definition
from crmkit.metrics.money import one_currency, unpriced
from crmkit.metrics.result import MetricResult
from crmkit.metrics.scope import Asked, Scope, make_scope, result, rows
from crmkit.model.cost import Cost
from crmkit.model.lead import Lead
from crmkit.rules import EVERYTHING
from crmkit.stats.periods import index_of, period_of, zone

Accrual = Literal["daily", "cash"]
COST, _CUSTOMER, _LEAD = "cost", "new", "lead"
_DAY = timedelta(days=1)

RETENTION_COST = Definition(
    name="retention_cost",
    title="Retention cost",
    text="What the business spent to keep one customer: staff, production, overhead, campaigns and loyalty together.",
    formula="sum of (amount x allocation) accrued in the period / customers retained",
    unit="money",
    inputs=("costs", "subscriptions"),
    key="customer",
    methods={
        "retained": "cost / customers active at the start and at the end",
        "active_end": "cost / customers active at the end",
        "average_active": "cost / mean of customers active at the start and at the end",
    },
    sources=("operately: customer retention cost", "Mosaic: customer retention cost (by active customers)"),
)


@kpi(RETENTION_COST)
def retention_cost(
    *,
    costs: Any,
    subscriptions: Any,
    method: str = "retained",
    categories: Collection[str] = ("staff", "production", "overhead", "campaigns", "loyalty"),
    accrual: Accrual = "daily",
    **asked: Unpack[Asked],
) -> Steps:
    """Return what it cost to keep one customer.

    The default divides by the customers who were kept, because money spent on those who left kept nobody.

    Args:
        costs: records, or a Polars, pandas, Arrow or DuckDB table with `category`, `amount` and `incurred_on`; it reads `currency`,
            `starts_on` and `ends_on` (the days that the cost is for) and `allocation_share` (from 0 to 1, all where empty).
        subscriptions: as for `churn_rate`; `where` filters these. Without `every` give `start`.
        method: "retained", "active_end" or "average_active".
        categories: the business's own words for what it spends on keeping customers; any other word in the table is an error.
        accrual: "daily" shares a cost among its days, "cash" books all of it on `incurred_on`.
        asked: as for every KPI, see `crmkit.metrics`. `by` groups both tables, so both need the column.

    Returns:
        Measures in the currency of the costs; numerator the cost, denominator the customers, `details` with the cost of each
        category. No value, with a reason, where no customer is to be divided by. Left out and counted: costs without an amount
        or a day, and contracts as for `churn_rate`.

    Raises:
        InvalidInput: for a missing column, an unknown category, a share outside 0 to 1, or amounts in several currencies.

    >>> from datetime import date, UTC, datetime
    >>> from crmkit.model import Cost, Money, Subscription
    >>> ann = Subscription(customer_id="ann", plan="Gym", price=Money("99", "PLN"), category="active",
    ...                    started_at=datetime(2025, 1, 1, tzinfo=UTC))
    >>> desk = Cost(category="staff", amount=Money("310", "PLN"), incurred_on=date(2025, 5, 9))
    >>> retention_cost(costs=[desk], subscriptions=[ann], start=date(2025, 5, 1), as_of=date(2025, 5, 31)).value
    310.0
    """
    scope = make_scope(RETENTION_COST, method, asked)
    booked = yield from spent(scope, costs, accrual, categories)
    customers = yield from standings(scope, subscriptions)
    divided = {"retained": (STAYED,), "active_end": AT_END, "average_active": (*AT_START, *AT_END)}[method]
    parts = 2 if method == "average_active" else 1
    nothing = "no customer was active" if parts > 1 else "no customer was kept"
    return _divided(scope, merged(booked, customers), EVERYBODY, divided, nothing=nothing, parts=parts)


ACQUISITION_COST = Definition(
    name="acquisition_cost",
    title="Customer acquisition cost",
    text="What the business spent to win one new customer.",
    formula="sum of (amount x allocation) accrued in the period / new paying customers",
    unit="money",
    inputs=("costs", "subscriptions"),
    key="customer",
    methods={
        "fully_loaded": "all costs given, with salaries and tools / customers whose first contract started",
        "paid": "costs of paid channels alone / customers whose first contract started",
        "order": "all costs given / customers whose first order was in the period, for businesses without contracts",
    },
    other_inputs={"order": ("costs", "orders")},
    sources=("metrickittools: blended CAC vs paid CAC (fully loaded is called blended there)", "naildd: CAC"),
)


@kpi(ACQUISITION_COST)
def acquisition_cost(
    *,
    costs: Any,
    subscriptions: Any = None,
    orders: Any = None,
    method: str = "fully_loaded",
    paid: Collection[str] = ("advertising", "agency"),
    lag_days: int = 0,
    accrual: Accrual = "daily",
    **asked: Unpack[Asked],
) -> Steps:
    """Return what it cost to win one new customer. Who comes back is not new.

    Give the costs of marketing and sales alone; all lines of the table count, but for "paid" those of paid channels only.

    Args:
        costs: as for `retention_cost`.
        subscriptions: as for `churn_rate`; `where` filters these.
        orders: for "order" in their place: records or a table with `customer_id` and `at`.
        method: "fully_loaded", "paid" or "order".
        paid: the business's own words for what it spends on paid channels.
        lag_days: how many days before the first payment the money was spent, such as the length of the sales cycle.
        accrual: "daily" shares a cost among its days, "cash" books all of it on `incurred_on`.
        asked: as for every KPI, see `crmkit.metrics`. `by` groups both tables, so both need the column.

    Returns:
        Measures in the currency of the costs; numerator the cost, denominator new customers, `details` with the cost of each
        category. No value, with a reason, where there was no new customer; the cost is shown. Left out and counted: costs
        without an amount or a day, and contracts or orders as for `new_customers`.

    Raises:
        InvalidInput: for a missing table or column, a share outside 0 to 1, or amounts in several currencies.

    >>> from datetime import date, UTC, datetime
    >>> from crmkit.model import Cost, Money, Order
    >>> bought = [Order(customer_id=who, at=datetime(2025, 5, 9, tzinfo=UTC)) for who in ("ann", "ben")]
    >>> spent = Cost(category="advertising", amount=Money("100", "PLN"), incurred_on=date(2025, 5, 2))
    >>> acquisition_cost(costs=[spent], orders=bought, method="order", as_of=date(2025, 5, 31)).value
    50.0
    """
    scope = make_scope(ACQUISITION_COST, method, asked)
    if not isinstance(lag_days, int) or lag_days < 0:
        raise InvalidInput(f"lag_days={lag_days!r} is no lag; give a whole number of days, or 0 for none")
    name, data = ("orders", orders) if method == "order" else ("subscriptions", subscriptions)
    if data is None:
        raise InvalidInput(f"method={method!r} reads the table {name!r}; give {name}=")
    booked = yield from spent(scope, costs, accrual, lag_days=lag_days)
    if method == "paid":
        booked = {key: _of(counts, paid) for key, counts in booked.items()}
    customers = yield from newcomers(scope, data, orders=method == "order")
    return _divided(scope, merged(booked, customers), [_CUSTOMER], [_CUSTOMER], nothing="there was no new customer")


COST_PER_LEAD = Definition(
    name="cost_per_lead",
    title="Cost per lead",
    text="What the business spent for one new lead.",
    formula="sum of (amount x allocation) accrued in the period / leads created",
    unit="money",
    inputs=("costs", "leads"),
    key="lead",
    methods={"created": "all costs given / leads created in the period"},
)


@kpi(COST_PER_LEAD)
def cost_per_lead(
    *,
    costs: Any,
    leads: Any,
    method: str = "created",
    accrual: Accrual = "daily",
    **asked: Unpack[Asked],
) -> Steps:
    """Return what one new lead cost. Every row is a lead: merge duplicates, or filter them out with `where`, before.

    Args:
        costs: as for `retention_cost`; give those of winning leads alone.
        leads: records or a table with `created_at`; `where` filters these, such as by a company's own definition of a lead.
        method: "created".
        accrual: "daily" shares a cost among its days, "cash" books all of it on `incurred_on`.
        asked: as for every KPI, see `crmkit.metrics`. `by` groups both tables, so both need the column, such as `campaign_id`.

    Returns:
        Measures in the currency of the costs; numerator the cost, denominator the leads, `details` with the cost of each category.
        No value, with a reason, where there was no lead; the cost is shown. Left out and counted: costs without an amount or
        a day, and leads without a creation date.

    Raises:
        InvalidInput: for a missing column, a share outside 0 to 1, or amounts in several currencies.

    >>> from datetime import date, UTC, datetime
    >>> from crmkit.model import Cost, Lead, Money
    >>> leads = [Lead(created_at=datetime(2025, 5, day, tzinfo=UTC)) for day in (2, 3, 4, 5)]
    >>> spent = Cost(category="advertising", amount=Money("100", "PLN"), incurred_on=date(2025, 5, 2))
    >>> cost_per_lead(costs=[spent], leads=leads, as_of=date(2025, 5, 31)).value
    25.0
    """
    scope = make_scope(COST_PER_LEAD, method, asked)
    booked = yield from spent(scope, costs, accrual)
    table = scope.open(leads, Lead, needs=("created_at",), uses=("id",))
    undated = nw.when(nw.col("created_at").is_null()).then(nw.lit("no creation date"))
    (found,) = yield [scope.question(table.rows, at="created_at", outcome=undated.otherwise(nw.lit(_LEAD)))]
    return _divided(scope, merged(booked, found), [_LEAD], [_LEAD], nothing="there was no lead")


@attrs.frozen
class _Line:
    """What all costs of one kind share: the days that they are for, half-open, and the share of them that counts."""

    currency: str | None
    starts_on: date
    ends_on: date
    share: Fraction
    category: str

    def spent(self, amount: int, start: date, end: date) -> int:
        """Return what of an amount falls into some days; the parts of any division of time add up to it."""
        return self._by(amount, end) - self._by(amount, start)

    def _by(self, amount: int, day: date) -> int:
        days = (self.ends_on - self.starts_on).days
        passed = min(max((day - self.starts_on).days, 0), days)
        return int(amount * self.share * passed / days // 1)


def spent(
    scope: Scope, costs: Any, accrual: str, categories: Collection[str] | None = None, *, lag_days: int = 0
) -> Generator[Sequence[Question], Any, Tally]:
    """Return the costs of each period and group, with currency and category as bucket; ask once."""
    if accrual not in ("daily", "cash"):
        raise InvalidInput(f"accrual={accrual!r} is no way to book costs; {choices(str(accrual), ('daily', 'cash'))}")
    needs = ("category", "amount", "incurred_on")
    uses = ("currency", "allocation_share", "id", *(("starts_on", "ends_on") if accrual == "daily" else ()))
    table = attrs.evolve(scope, where=EVERYTHING).open(costs, Cost, needs=needs, uses=uses)
    keys = ["scope_period", *group_columns(scope.by)]
    undated = table.rows.with_columns(scope_period=nw.lit(None, nw.Int64))
    asking = question(
        undated, keys, outcome=_flaw(table), bucket=_packed(table), amount=nw.col("amount"), record=table.record
    )
    (found,) = yield [asking]
    booked: Tally = {}
    for key, counts in found.items():
        left_out = {reason: {None: Sums(rows(buckets))} for reason, buckets in counts.items() if reason != COST}
        booked = merged(booked, {key: left_out} if left_out else {})
        for packed, sums in counts.get(COST, {}).items():
            line = _unpacked(packed)
            if categories is not None and line.category not in categories:
                raise InvalidInput(
                    f"column 'category' holds {line.category!r}; {choices(line.category, list(categories))}"
                )
            booked = merged(booked, dict(_accrued(scope, key, line, sums, lag_days)))
    return booked


def _flaw(table: Table) -> nw.Expr:
    undated = nw.col("incurred_on").is_null()
    if "starts_on" in table.columns:
        undated = undated & nw.col("starts_on").is_null()
    reason = nw.when(nw.col("amount").is_null()).then(unpriced(table.columns)).when(undated).then(nw.lit("no day"))
    return reason.when(nw.col("category").is_null()).then(nw.lit("no category")).otherwise(nw.lit(COST))


def _packed(table: Table) -> nw.Expr:
    """All that tells one kind of costs from another, as text: only its days and its share are to be reckoned with later."""

    def text(column: str) -> nw.Expr:
        return nw.col(column).cast(nw.String).fill_null("") if column in table.columns else nw.lit("")

    started = text("incurred_on")
    if "starts_on" in table.columns:
        started = nw.when(nw.col("starts_on").is_null()).then(started).otherwise(text("starts_on"))
    parts = [text("currency"), started, text("ends_on"), text("allocation_share"), text("category")]
    return nw.concat_str(parts, separator="/")


def _unpacked(packed: str) -> _Line:
    currency, started, ended, part, category = packed.split("/", 4)
    starts_on = date.fromisoformat(started)
    ends_on = date.fromisoformat(ended) if ended else starts_on + _DAY
    share = (
        Fraction(int(part), MONEY_UNITS) if part else Fraction(1)
    )  # like money, whole ten-thousandths behind the door
    if not 0 <= share <= 1:
        raise InvalidInput(f"column 'allocation_share' holds {float(share)}; give a number from 0 to 1")
    if ends_on <= starts_on:
        raise InvalidInput(f"column 'ends_on' holds {ends_on}, which is not after {starts_on}, when the service starts")
    return _Line(currency or None, starts_on, ends_on, share, category)


def _accrued(
    scope: Scope, key: tuple[Any, ...], line: _Line, sums: Sums, lag_days: int
) -> Iterator[tuple[Any, Counts]]:
    """What a line adds to each of the periods that its days lie in."""
    lag, here = timedelta(days=lag_days), zone(scope.tz)
    last = scope.as_of.astimezone(here).date()
    if scope.end is not None:
        last = min(last, (scope.end - timedelta(microseconds=1)).astimezone(here).date())
    first = max(line.starts_on + lag, date.min if scope.start is None else scope.start.astimezone(here).date())
    until = min(line.ends_on + lag, last + _DAY)
    while first < until:
        index = None if scope.every is None else index_of(first, scope.every)
        end = until if index is None or scope.every is None else min(until, period_of(index, scope.every).end)
        total = line.spent(sums.total, first - lag, end - lag)
        yield (index, *key[1:]), {COST: {(line.currency, line.category): Sums(sums.n, total)}}
        first = end


def _of(counts: Counts, categories: Collection[str]) -> Counts:
    kept = {bucket: sums for bucket, sums in counts.get(COST, {}).items() if bucket[1] in categories}
    return {**counts, COST: kept}


def _divided(
    scope: Scope, found: Tally, known: Sequence[str], divided: Sequence[str], *, nothing: str, parts: int = 1
) -> MetricResult:
    """Divide costs by the number of some outcomes, of which `known` are no reasons for leaving out."""
    measures = result(scope, found, [COST, *known], lambda counts: _each(counts, divided, nothing, parts))
    return attrs.evolve(measures, outcomes={"numerator": (COST,), "denominator": tuple(divided)})


def _each(counts: Counts, divided: Sequence[str], nothing: str, parts: int) -> dict[str, Any]:
    by_currency: dict[Any, Sums] = {}
    by_category: Counter[str] = Counter()
    for (currency, category), sums in sorted(counts.get(COST, {}).items(), key=repr):
        by_currency[currency] = by_currency.get(currency, Sums()) + sums
        by_category[category] += sums.total
    unit, warnings = one_currency(by_currency)
    total = sum(by_category.values())
    n = sum(rows(counts.get(outcome)) for outcome in divided)
    among = n if parts == 1 else n / parts
    return {
        "value": total / MONEY_UNITS / among if among else None,
        "unit": unit,
        "numerator": total / MONEY_UNITS,
        "denominator": among,
        "n": n,
        "reason": None if among else nothing,
        "details": _priced(by_category),
        "warnings": warnings,
    }


def _priced(units: Mapping[str, int]) -> dict[str, float]:
    return {name: total / MONEY_UNITS for name, total in units.items()}
