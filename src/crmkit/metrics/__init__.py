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
from crmkit.metrics.comparing import Compared, Comparison, compare
from crmkit.metrics.deals import sales_cycle, win_rate
from crmkit.metrics.definition import Definition
from crmkit.metrics.opinions import nps
from crmkit.metrics.orders import average_order_value
from crmkit.metrics.result import Measure, MetricResult
from crmkit.metrics.service import first_contact_resolution

__all__ = [
    "Definition",
    "Measure",
    "MetricResult",
    "average_order_value",
    "catalogue",
    "Compared",
    "Comparison",
    "compare",
    "compute",
    "first_contact_resolution",
    "kpi",
    "registered",
    "nps",
    "sales_cycle",
    "win_rate",
]


def catalogue() -> tuple[Definition, ...]:
    """Return the definition of every KPI, in the order in which a business meets them.

    >>> [definition.name for definition in catalogue()][:2]
    ['win_rate', 'sales_cycle']
    """
    return tuple(function.definition for function in registered().values())  # type: ignore[attr-defined]
