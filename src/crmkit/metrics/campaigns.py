"""Campaigns: the revenue of the orders that follow, and what is left of it after the cost."""

from typing import Any, Unpack

from crmkit.errors import InvalidInput
from crmkit.frames.table import MONEY_UNITS
from crmkit.frames.tally import Counts, Sums, merged
from crmkit.metrics.asking import Steps, kpi
from crmkit.metrics.attribution import ATTRIBUTED, attributed, credited_amount
from crmkit.metrics.definition import Definition
from crmkit.metrics.money import one_currency
from crmkit.metrics.scope import Asked, all_sums, make_scope, result
from crmkit.metrics.spending import COST, Accrual, spent

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
    sources=(
        "Bitrix24: attribution window of Sales Intelligence, 28 days",
        "Google Ads: attribution models, 40 % to each end and a half-life of 7 days",
    ),
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
    found = yield from attributed(scope, interactions, orders, within_days, half_life_days)
    return result(scope, found, [ATTRIBUTED], credited_amount)


CAMPAIGN_ROI = Definition(
    name="campaign_roi",
    title="Campaign return on investment",
    text="What campaigns earned for each unit of money spent on them, after that money is back: 0 is break-even, -1 a total loss.",
    formula="(attributed revenue * margin - cost) / cost",
    unit="share",
    inputs=("costs", "interactions", "orders"),
    key="customer",
    methods=CAMPAIGN_REVENUE.methods,
    sources=("HubSpot glossary: return on investment",),
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
    found = yield from attributed(scope, interactions, orders, within_days, half_life_days)
    both = merged(booked, found)
    return result(
        scope, both, [ATTRIBUTED, COST], lambda counts: _return(counts, float(margin)), numerator=[ATTRIBUTED]
    )


def _return(counts: Counts, margin: float) -> dict[str, Any]:
    costs = counts.get(COST, {})
    by_currency = dict(counts.get(ATTRIBUTED, {}))
    for (currency, _), sums in costs.items():
        by_currency[currency] = by_currency.get(currency, Sums()) + sums
    _, warnings = one_currency(by_currency)
    credited = credited_amount(counts)
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
