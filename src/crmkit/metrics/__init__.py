"""Every KPI as a function from records or tables to a `MetricResult`.

All take the same arguments where they make sense:

- `as_of`: the moment that is reported on, inclusive and never guessed; what happened later has not happened. A date means its
  whole day in `tz`.
- `start` and `end`: the half-open window of moments that count. A date means its midnight in `tz`.
- `every`: "day", "week", "month", "quarter" or "year" for one measure a civil period; without it one for all. A business year
  is "year from April", its quarters are "quarter from April".
- `by`: a column, or several, to group by.
- `where`: a rule; the rows of the main table for which it holds count.
- `related`: the data of other classes that the rule asks about, by class: `{Order: orders}` for `field("orders.count") > 3`.
- `tz`: the IANA name of the time zone in which days and periods are counted.
- `method`: the name of the definition; `catalogue()` lists them.
- `ci`: the confidence of the interval, or None.
- `columns`: published column names mapped to the names that the data has.
- `rates`: exchange rates, see `Rates`; without them amounts of several currencies are refused.
- `versus`: "previous" or "year_ago" for the same at an earlier time beside each measure, as much of it as of the present period.
"""

from crmkit.frames.rates import Rates
from crmkit.metrics.asking import compute, kpi, registered
from crmkit.metrics.backlog import backlog, backlog_age, escalation_rate, reopen_rate, service_level_attainment
from crmkit.metrics.base import churn_rate, customer_growth, new_customers, reactivations, retention_rate
from crmkit.metrics.bottlenecks import bottlenecks
from crmkit.metrics.campaigns import campaign_revenue, campaign_roi
from crmkit.metrics.comparing import Compared, Comparison, compare
from crmkit.metrics.cycles import sales_cycle
from crmkit.metrics.deals import win_rate
from crmkit.metrics.definition import Definition
from crmkit.metrics.forecast import forecast
from crmkit.metrics.forecast_backtest import forecast_backtest
from crmkit.metrics.funnel import stage_conversion
from crmkit.metrics.handling import handling_time
from crmkit.metrics.leads import lead_conversion, new_leads
from crmkit.metrics.lifetime_value import customer_lifetime_value
from crmkit.metrics.lift import campaign_lift
from crmkit.metrics.messaging import (
    bounce_rate,
    click_rate,
    click_through_rate,
    delivery_rate,
    open_rate,
    reply_rate,
    unsubscribe_rate,
)
from crmkit.metrics.opinions import customer_effort, customer_satisfaction, nps, response_rate
from crmkit.metrics.orders import average_order_value
from crmkit.metrics.packages import package_balance, package_expiry
from crmkit.metrics.pipeline import pipeline_value, pipeline_velocity
from crmkit.metrics.quality import DuplicatePair, completeness, duplicate_share, freshness
from crmkit.metrics.quotes import quote_acceptance
from crmkit.metrics.recurring import average_revenue_per_account, mrr_movements, revenue_churn
from crmkit.metrics.renewals import freeze_share, renewal_rate
from crmkit.metrics.resolution import resolution_time
from crmkit.metrics.result import Measure, MetricResult
from crmkit.metrics.service import first_contact_resolution
from crmkit.metrics.sources import source_comparison
from crmkit.metrics.spending import acquisition_cost, cost_per_lead, retention_cost
from crmkit.metrics.stages import stage_duration
from crmkit.metrics.targets import target_attainment
from crmkit.metrics.touches import touch_effectiveness
from crmkit.metrics.waiting import first_response_time, waiting_time
from crmkit.metrics.work import activity, card_completeness, task_completion, task_punctuality

__all__ = [
    "Compared",
    "Comparison",
    "Definition",
    "DuplicatePair",
    "Measure",
    "MetricResult",
    "Rates",
    "acquisition_cost",
    "activity",
    "average_order_value",
    "average_revenue_per_account",
    "backlog",
    "backlog_age",
    "bottlenecks",
    "bounce_rate",
    "campaign_lift",
    "campaign_revenue",
    "campaign_roi",
    "card_completeness",
    "catalogue",
    "churn_rate",
    "click_rate",
    "click_through_rate",
    "compare",
    "completeness",
    "compute",
    "cost_per_lead",
    "customer_effort",
    "customer_growth",
    "customer_lifetime_value",
    "customer_satisfaction",
    "delivery_rate",
    "duplicate_share",
    "escalation_rate",
    "families",
    "first_contact_resolution",
    "first_response_time",
    "forecast",
    "forecast_backtest",
    "freeze_share",
    "freshness",
    "handling_time",
    "kpi",
    "lead_conversion",
    "mrr_movements",
    "new_customers",
    "new_leads",
    "nps",
    "open_rate",
    "package_balance",
    "package_expiry",
    "pipeline_value",
    "pipeline_velocity",
    "quote_acceptance",
    "reactivations",
    "registered",
    "renewal_rate",
    "reopen_rate",
    "reply_rate",
    "resolution_time",
    "response_rate",
    "retention_cost",
    "retention_rate",
    "revenue_churn",
    "sales_cycle",
    "service_level_attainment",
    "source_comparison",
    "stage_conversion",
    "stage_duration",
    "target_attainment",
    "task_completion",
    "task_punctuality",
    "touch_effectiveness",
    "unsubscribe_rate",
    "waiting_time",
    "win_rate",
]


def catalogue() -> tuple[Definition, ...]:
    """Return the definition of every KPI, in the order in which a business meets them, and then those of verticals.

    >>> [definition.name for definition in catalogue()][:3]
    ['new_leads', 'lead_conversion', 'source_comparison']
    """
    return tuple(definition for family in families().values() for definition in family)


def families() -> dict[str, tuple[Definition, ...]]:
    """Return the definitions of the catalogue by family; those of verticals are "Own".

    >>> [definition.name for definition in families()["Opinions"]]
    ['nps', 'customer_satisfaction', 'customer_effort', 'response_rate']
    """
    functions = dict(registered())
    found = {
        family: tuple(functions.pop(name).definition for name in names)  # type: ignore[attr-defined]
        for family, names in _FAMILIES.items()
    }
    own = tuple(function.definition for function in functions.values())  # type: ignore[attr-defined]
    return found | ({"Own": own} if own else {})


_FAMILIES = {
    "Sales": (
        "new_leads",
        "lead_conversion",
        "source_comparison",
        "win_rate",
        "sales_cycle",
        "stage_duration",
        "stage_conversion",
        "bottlenecks",
        "pipeline_value",
        "pipeline_velocity",
        "forecast",
        "forecast_backtest",
        "target_attainment",
        "quote_acceptance",
        "average_order_value",
    ),
    "Customers": (
        "new_customers",
        "churn_rate",
        "retention_rate",
        "reactivations",
        "customer_growth",
        "mrr_movements",
        "revenue_churn",
        "average_revenue_per_account",
        "customer_lifetime_value",
        "acquisition_cost",
        "retention_cost",
        "cost_per_lead",
    ),
    "Subscriptions": (
        "renewal_rate",
        "touch_effectiveness",
        "freeze_share",
        "package_balance",
        "package_expiry",
    ),
    "Service": (
        "first_contact_resolution",
        "first_response_time",
        "waiting_time",
        "resolution_time",
        "reopen_rate",
        "backlog",
        "backlog_age",
        "service_level_attainment",
        "escalation_rate",
    ),
    "Opinions": ("nps", "customer_satisfaction", "customer_effort", "response_rate"),
    "Marketing": (
        "delivery_rate",
        "open_rate",
        "click_rate",
        "click_through_rate",
        "reply_rate",
        "bounce_rate",
        "unsubscribe_rate",
        "campaign_revenue",
        "campaign_roi",
        "campaign_lift",
    ),
    "People's work": ("handling_time", "activity", "task_completion", "task_punctuality", "card_completeness"),
    "Quality of data": ("completeness", "freshness", "duplicate_share"),
}
"""From the first contact to what is known in the end."""
