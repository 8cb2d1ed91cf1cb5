"""Every KPI by each of its methods, with small tables that it can be computed from."""

from collections.abc import Callable, Mapping
from datetime import date, datetime
from inspect import signature
from types import MappingProxyType
from typing import Any

import attrs
import pytest
from hypothesis import settings
from hypothesis import strategies as st

from crmkit.metrics import Definition, MetricResult, catalogue, registered
from crmkit.model import Deal, Interaction, Order, Record, ServiceLevel, ServiceTarget, SurveyResponse, Ticket
from crmkit.testing.strategies import instants, money
from tests.metrics import tables
from tests.metrics.tables import Facts, Tables

TZS = ("UTC", "Asia/Bangkok", "Europe/Warsaw", "America/New_York")
AS_OF = date(2025, 3, 31)
EDGES = tables.EDGES

moments = st.sampled_from(EDGES) | instants(datetime(2024, 12, 20), datetime(2025, 4, 5), TZS)
maybe = st.none() | moments
owners = st.sampled_from([None, "anna", "bo"])
customers = st.sampled_from(["ann", "ben", "cid"])
amounts = st.none() | money(10**7, ("PLN",))
ticket_ids = [f"t{number}" for number in range(8)]


def _several(cls: type[Record], **given: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Any]]:
    made = st.builds(cls, **{"id": st.uuids().map(str)} | given)
    return st.lists(made, max_size=10, unique_by=lambda record: record.id)


deals = _several(
    Deal,
    created_at=maybe,
    pipeline_id=st.just("gym"),
    stage=st.sampled_from(["Trial", "Offer"]),
    category=st.sampled_from(["open", "won", "lost"]),
    closed_at=maybe,
    amount=amounts,
    owner_id=owners,
)
orders = _several(
    Order,
    at=moments,
    amount=amounts,
    category=st.sampled_from(["open", "completed", "completed", "cancelled"]),
    status=st.sampled_from([None, "shipped"]),
    customer_id=customers,
    owner_id=owners,
)
survey_responses = _several(
    SurveyResponse,
    kind=st.sampled_from(["nps", "nps", "nps", "csat"]),
    scale_low=st.just(0),
    scale_high=st.just(10),
    score=st.none() | st.integers(0, 10),
    responded_at=maybe,
    customer_id=st.none() | customers,
    ticket_id=owners,
)
tickets = _several(
    Ticket,
    id=st.sampled_from(ticket_ids),
    created_at=maybe,
    category=st.sampled_from(["open", "paused", "resolved", "resolved"]),
    resolved_at=maybe,
    customer_id=st.none() | customers,
    topic=st.sampled_from(["fees", "access"]),
    reopen_count=st.sampled_from([0, 0, 1]),
    assignee_id=owners,
)
interactions = _several(
    Interaction,
    at=moments,
    channel=st.just("email"),
    direction=st.sampled_from(["inbound", "outbound", "outbound", "internal"]),
    ticket_id=st.sampled_from([None, *ticket_ids]),
    provenance=st.sampled_from(["human", "machine", "unknown"]),
)
_PROMISED = [
    ServiceTarget("low", first_response_minutes=30, resolution_minutes=24 * 60),
    ServiceTarget("urgent", first_response_minutes=15, resolution_minutes=60),
]
_CHANCES = {"stage_probabilities": {"Trial": 0.25, "Offer": 0.5}}
_STAGES = {"stages": ["Trial", "Offer"]}
_ARGUMENTS: dict[str, dict[str, Any]] = {
    "customer_lifetime_value-simple": {"every": "month"},
    "customer_lifetime_value-contractual": {"horizon_months": 12},
    "bottlenecks": _STAGES,
    "forecast-weighted": _CHANCES,
    "forecast-with_won": _CHANCES,
    "forecast_backtest-weighted": _CHANCES,
    "retention_cost": {"start": date(2025, 1, 1)},
    "service_level_attainment": {"policy": ServiceLevel(name="All", targets=_PROMISED)},
    "stage_conversion": _STAGES,
    "target_attainment": {"start": date(2025, 1, 1), "end": date(2025, 4, 1)},
    "touch_effectiveness-stratified": {"strata": "plan"},
    "touch_effectiveness-weighted": {"strata": "plan"},
}
"""What a KPI, or one method of it, must be given besides its tables."""

_BY = {
    "customers": "owner_id",
    "deals": "owner_id",
    "interactions": "employee_id",
    "leads": "source",
    "messages": "campaign_id",
    "orders": "source",
    "packages": "customer_id",
    "quotes": "customer_id",
    "subscriptions": "customer_id",
    "survey_responses": "ticket_id",
    "tasks": "assignee_id",
    "tickets": "assignee_id",
}
_BY_OF = {
    "acquisition_cost": "category",
    "campaign_revenue": "campaign_id",
    "campaign_roi": "campaign_id",
    "cost_per_lead": "campaign_id",
    "customer_lifetime_value-historic": "customer_id",
    "new_customers-order": "customer_id",
    "new_leads-people": "customer_id",
    "nps": "customer_id",
    "retention_cost": "category",
    "source_comparison": "owner_id",
}
"""Columns to group by: such that all that counts as one is in one group, and that all tables have which are grouped."""

_WITHOUT_PERIODS = frozenset({"forecast", "customer_lifetime_value-contractual"})


@attrs.frozen
class Case:
    """One KPI by one of its methods."""

    definition: Definition
    method: str

    @property
    def name(self) -> str:
        """The KPI and its method."""
        return f"{self.definition.name}-{self.method}"

    @property
    def inputs(self) -> tuple[str, ...]:
        """The names of the tables."""
        return self.definition.tables(self.method)

    @property
    def main(self) -> str:
        """The table that is filtered and grouped; costs are only grouped."""
        return self.inputs[1 if self.inputs[0] == "costs" else 0]

    @property
    def by(self) -> str:
        """A column to group by."""
        return str(self.of(_BY_OF) or _BY[self.main])

    def of(self, table: Mapping[str, Any]) -> Any:
        """Return what a table says of the method, or of the KPI; None where it says nothing."""
        return table.get(self.name, table.get(self.definition.name))

    def arguments(self, **options: Any) -> dict[str, Any]:
        """Return what it must be given besides tables, and those of some options that it takes."""
        if {self.name, self.definition.name} & _WITHOUT_PERIODS:
            options.pop("every", None)
        return {"as_of": AS_OF, "method": self.method} | (self.of(_ARGUMENTS) or {}) | options

    def tables(self, facts: Facts) -> Tables:
        """Return the tables that it reads."""
        return facts.tables(*self.inputs)

    def __call__(self, tables: Mapping[str, Any], **options: Any) -> MetricResult:
        """Compute the KPI."""
        function: Callable[..., MetricResult] = registered()[self.definition.name]
        # Of one table only, the first parameter is it, whatever it is called.
        parameters = list(signature(function).parameters) if len(self.inputs) == 1 else self.inputs
        given = {parameter: tables[name] for name, parameter in zip(self.inputs, parameters, strict=False)}
        return function(**given, **self.arguments(**options))


_OURS = [each for each in catalogue() if registered()[each.name].__module__.startswith("crmkit.")]
CASES = {case.name: case for each in _OURS for case in (Case(each, method) for method in each.methods)}
DEFAULTS = {each.name: Case(each, next(iter(each.methods))) for each in _OURS}

MANY = CASES if settings().max_examples > 100 else DEFAULTS
"""Every method in long runs, and the default one in those of every day: for what costs much."""


def kpis(
    cases: Mapping[str, Case] = CASES, *, exempt: Mapping[str, str] = MappingProxyType({})
) -> pytest.MarkDecorator:
    """Return the parameters of a test of all KPIs by all methods, but for those that it has a reason not to hold for."""
    held = {name: case for name, case in cases.items() if case.of(exempt) is None}
    return pytest.mark.parametrize("case", held.values(), ids=held)
