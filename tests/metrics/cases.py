"""Every KPI by each of its methods, with small tables that it can be computed from."""

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

import attrs
import pytest
from hypothesis import strategies as st

from crmkit import metrics
from crmkit.metrics import Definition, MetricResult, catalogue
from crmkit.model import Deal, Interaction, Order, Record, SurveyResponse, Ticket
from crmkit.stats.periods import EVERY
from crmkit.testing.strategies import instants, money

Tables = dict[str, list[Any]]

# Those that need no table or argument of their own; the others are held to the same laws beside their own tests.
GENERAL = ("win_rate", "sales_cycle", "average_order_value", "nps", "first_contact_resolution")

CLASSES: dict[str, type[Record]] = {
    "deals": Deal,
    "orders": Order,
    "survey_responses": SurveyResponse,
    "tickets": Ticket,
    "interactions": Interaction,
}
TZS = ("UTC", "Asia/Bangkok", "Europe/Warsaw", "America/New_York")
AS_OF = date(2025, 3, 31)

# Instants on both sides of the ends of months, days and `as_of` in several zones, and anywhere between.
EDGES = [
    datetime(2025, month, day, hour, tzinfo=UTC) + timedelta(microseconds=shift)
    for month, day in ((1, 1), (2, 1), (4, 1))
    for hour in (0, 4, 5)
    for shift in (-1, 0)
]
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
_TABLES = {
    "deals": deals,
    "orders": orders,
    "survey_responses": survey_responses,
    "tickets": tickets,
    "interactions": interactions,
}


@attrs.frozen
class Case:
    """One KPI by one of its methods."""

    definition: Definition
    method: str

    @property
    def inputs(self) -> tuple[str, ...]:
        """The names of the tables."""
        return self.definition.tables(self.method)

    @property
    def by(self) -> list[str]:
        """Columns to group by, such that all that counts as one is in one group."""
        if self.method in {"customer_day", "latest"}:
            return ["customer_id"]
        return {
            "deals": ["owner_id", "stage"],
            "orders": ["owner_id", "status"],
            "survey_responses": ["ticket_id", "kind"],
            "tickets": ["assignee_id", "category"],
        }[self.inputs[0]]

    @property
    def tables(self) -> st.SearchStrategy[Tables]:
        """Small tables."""
        return st.fixed_dictionaries({name: _TABLES[name] for name in self.inputs})

    def __call__(self, tables: Mapping[str, Any], **options: Any) -> MetricResult:
        """Compute the KPI."""
        function: Callable[..., MetricResult] = getattr(metrics, self.definition.name)
        options = {"as_of": AS_OF, "method": self.method} | options
        if len(self.inputs) > 1:
            return function(**tables, **options)
        return function(tables[self.inputs[0]], **options)


CASES = {
    f"{definition.name}-{method}": Case(definition, method)
    for definition in catalogue()
    for method in definition.methods
    if definition.name in GENERAL
}
every_case = pytest.mark.parametrize("case", CASES.values(), ids=CASES)
