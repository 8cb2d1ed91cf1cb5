"""Every KPI as a function from records or tables to a `MetricResult`.

All take the same arguments where they make sense:

- `as_of`: the moment that is reported on, inclusive and never guessed; what happened later has not happened. A date means its
  whole day in `tz`.
- `start` and `end`: the half-open window of moments that count. A date means its midnight in `tz`.
- `every`: "day", "week", "month", "quarter" or "year" for one measure a civil period; without it one for all.
- `by`: a column, or several, to group by.
- `tz`: the IANA name of the time zone in which days and periods are counted.
- `method`: the name of the definition; `catalogue()` lists them.
- `ci`: the confidence of the interval, or None.
- `columns`: published column names mapped to the names that the data has.
"""

from crmkit.metrics.asking import compute, kpi, registered
from crmkit.metrics.backlog import backlog, backlog_age, escalation_rate, reopen_rate, service_level_attainment
from crmkit.metrics.base import churn_rate, customer_growth, new_customers, reactivations, retention_rate
from crmkit.metrics.campaigns import campaign_lift, campaign_revenue, campaign_roi
from crmkit.metrics.comparing import Compared, Comparison, compare
from crmkit.metrics.deals import sales_cycle, win_rate
from crmkit.metrics.definition import Definition
from crmkit.metrics.leads import lead_conversion, new_leads
from crmkit.metrics.lifetime_value import customer_lifetime_value
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
from crmkit.metrics.pipeline import forecast, pipeline_value, pipeline_velocity, quote_acceptance, target_attainment
from crmkit.metrics.quality import DuplicatePair, completeness, duplicate_share, freshness
from crmkit.metrics.recurring import average_revenue_per_account, mrr_movements, revenue_churn
from crmkit.metrics.renewals import freeze_share, package_balance, package_expiry, renewal_rate, touch_effectiveness
from crmkit.metrics.result import Measure, MetricResult
from crmkit.metrics.service import first_contact_resolution
from crmkit.metrics.spending import acquisition_cost, cost_per_lead, retention_cost
from crmkit.metrics.stages import stage_duration
from crmkit.metrics.waiting import first_response_time, resolution_time, waiting_time
from crmkit.metrics.work import activity, card_completeness, task_completion, task_punctuality

__all__ = [
    "Compared",
    "Comparison",
    "Definition",
    "DuplicatePair",
    "Measure",
    "MetricResult",
    "acquisition_cost",
    "activity",
    "average_order_value",
    "average_revenue_per_account",
    "backlog",
    "backlog_age",
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
    "first_contact_resolution",
    "first_response_time",
    "forecast",
    "freeze_share",
    "freshness",
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
    """Return the definition of every KPI, in the order in which a business meets them.

    >>> [definition.name for definition in catalogue()][:2]
    ['win_rate', 'sales_cycle']
    """
    return tuple(function.definition for function in registered().values())  # type: ignore[attr-defined]
