"""The numbers of a report: every KPI in total and by month, and the deals of every owner."""

from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime
from functools import partial
from typing import Any

import attrs

from crmkit import metrics
from crmkit.errors import InvalidInput
from crmkit.metrics import Definition, Measure, MetricResult
from crmkit.stats.periods import Period, index_of, instant, period_of, zone

Say = Callable[[str], None]
_TABLES = ("deals", "orders", "tickets", "interactions", "survey_responses")
_DEFINITIONS = {definition.name: definition for definition in metrics.catalogue()}
_REVENUE = "won_revenue"
_FEWEST_MONTHS, _MOST_MONTHS = 12, 24


@attrs.frozen(kw_only=True)
class Kpi:
    """A KPI over all data up to `as_of` and by month.

    `method` is None where nothing could be computed; the reason of `total` says why. `excluded` counts what was left out, by
    reason. `caveats` are sentences that must stand beside the value.
    """

    definition: Definition
    total: Measure
    method: str | None = None
    months: tuple[Measure, ...] = ()
    excluded: Mapping[str, int] = attrs.field(factory=dict)
    caveats: tuple[str, ...] = ()


@attrs.frozen(kw_only=True)
class Owner:
    """The deals of one owner; `id` is None for deals without one."""

    id: Any
    wins: Measure
    revenue: Measure | None
    cycle: Measure | None


@attrs.frozen(kw_only=True)
class Figures:
    """All that the page shows.

    `kpis` are by name and in the order of the catalogue; `revenue` is the average won deal, whose numerator is the won revenue.
    `months` are the last 12 to 24 up to `as_of`, `span` is the first and the last month with data. Without `owners`,
    `ownerless` says why.
    """

    kpis: Mapping[str, Kpi]
    revenue: Kpi
    months: tuple[Period, ...]
    span: tuple[Period, Period] | None
    owners: tuple[Owner, ...]
    ownerless: str | None


@attrs.frozen
class _Source:
    """How a KPI is computed. `absent` says why it cannot be, `caveat` what must stand beside it."""

    compute: Callable[..., MetricResult]
    absent: str | None
    caveat: str | None = None

    def attempt(self, **arguments: Any) -> MetricResult | str:
        """The result, or the reason why there is none."""
        if self.absent:
            return self.absent
        try:
            return self.compute(**arguments)
        except InvalidInput as error:
            return str(error)


def figures(tables: Mapping[str, Any], *, as_of: date | datetime, tz: str, say: Say) -> Figures:
    """Compute everything. A KPI whose table is missing, empty or unusable has no value, and its reason says so.

    Raises `InvalidInput` for an unknown time zone or an `as_of` that is no point in time.
    """
    last = instant(as_of, tz, "as_of", end_of_day=True).astimezone(zone(tz)).date()
    sources = _sources({name: _held(tables.get(name)) for name in _TABLES})
    found = {name: _kpi(name, source, say, as_of=as_of, tz=tz) for name, source in sources.items()}
    revenue = found.pop(_REVENUE)
    span = _span([*found.values(), revenue])
    say("Computing the figures of every owner")
    owners = _owners(sources, as_of=as_of, tz=tz)
    return Figures(
        kpis=found,
        revenue=revenue,
        months=_months(span, index_of(last, "month")),
        span=span,
        owners=() if isinstance(owners, str) else owners,
        ownerless=owners if isinstance(owners, str) else None,
    )


def _held(data: Any) -> Any:
    """A table that can be read again and again; an empty tuple for none."""
    if hasattr(data, "collect"):
        return data.collect()
    if isinstance(data, Iterable) and not hasattr(data, "__len__"):
        return tuple(data)
    return () if data is None else data


def _absent(held: Mapping[str, Any], table: str) -> str | None:
    empty = hasattr(held[table], "__len__") and not len(held[table])
    return f"the data has no {table.replace('_', ' ')}" if empty else None


def _sources(held: Mapping[str, Any]) -> dict[str, _Source]:
    no_deals, no_orders, no_interactions = (_absent(held, table) for table in ("deals", "orders", "interactions"))
    revenue = partial(metrics.average_order_value, held["deals"], method="won_deal")
    average = revenue if no_orders else partial(metrics.average_order_value, held["orders"])
    nothing_sold = no_orders and no_deals and "the data has neither orders nor deals"
    service = partial(metrics.first_contact_resolution, tickets=held["tickets"], interactions=held["interactions"])
    too_high = no_interactions and f"{no_interactions}, so replies are not counted and the true share may be lower"
    return {
        "win_rate": _Source(partial(metrics.win_rate, held["deals"]), no_deals),
        "sales_cycle": _Source(partial(metrics.sales_cycle, held["deals"]), no_deals),
        "average_order_value": _Source(average, nothing_sold),
        "nps": _Source(partial(metrics.nps, held["survey_responses"]), _absent(held, "survey_responses")),
        "first_contact_resolution": _Source(service, _absent(held, "tickets"), too_high),
        _REVENUE: _Source(revenue, no_deals),
    }


def _kpi(name: str, source: _Source, say: Say, **scope: Any) -> Kpi:
    say(f"Computing: {name.replace('_', ' ')}")
    definition = _DEFINITIONS["average_order_value" if name == _REVENUE else name]
    total, months = source.attempt(**scope), source.attempt(**scope, every="month")
    if isinstance(total, str) or isinstance(months, str):
        return Kpi(definition=definition, total=Measure(value=None, unit=definition.unit, n=0, reason=str(total)))
    return Kpi(
        definition=definition,
        total=total.only,
        method=total.method,
        months=months.measures,
        excluded={**months.excluded, **total.excluded, **total.only.excluded},
        caveats=(*total.only.warnings, *filter(None, [source.caveat])),
    )


def _owners(sources: Mapping[str, _Source], **scope: Any) -> tuple[Owner, ...] | str:
    """The owners, those with the highest won revenue first, or the reason why there are none."""
    wins = sources["win_rate"].attempt(**scope, by="owner_id")
    if isinstance(wins, str):
        return wins
    revenue = _by_owner(sources[_REVENUE].attempt(**scope, by="owner_id"))
    cycle = _by_owner(sources["sales_cycle"].attempt(**scope, by="owner_id"))
    owners = [
        Owner(id=id_, wins=won, revenue=revenue.get(id_), cycle=cycle.get(id_)) for id_, won in _by_owner(wins).items()
    ]
    return tuple(sorted(owners, key=_rank))


def _by_owner(result: MetricResult | str) -> dict[Any, Measure]:
    return {} if isinstance(result, str) else {measure.group["owner_id"]: measure for measure in result}


def _rank(owner: Owner) -> tuple[bool, float, float, str]:
    revenue = owner.revenue.numerator if owner.revenue else None
    return owner.id is None, -(revenue or 0), -(owner.wins.numerator or 0), str(owner.id)


def _span(kpis: Iterable[Kpi]) -> tuple[Period, Period] | None:
    periods = [measure.period for kpi in kpis for measure in kpi.months if measure.period and measure.n]
    return (min(periods), max(periods)) if periods else None


def _months(span: tuple[Period, Period] | None, last: int) -> tuple[Period, ...]:
    """The months of the charts: as many as there is data for, but at least a year and at most two, up to `as_of`."""
    known = last + 1 - index_of(span[0].start, "month") if span else 0
    shown = min(max(known, _FEWEST_MONTHS), _MOST_MONTHS)
    return tuple(period_of(index, "month") for index in range(last + 1 - shown, last + 1))
