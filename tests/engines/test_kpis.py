"""Every KPI has the same digits wherever its tables are."""

import os
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from functools import partial
from typing import Any

import polars as pl
import pytest

from crmkit import metrics
from crmkit.metrics import MetricResult
from crmkit.model import Money, ServiceLevel, ServiceTarget
from crmkit.model.ticket import Priority
from crmkit.rules import Rule, field
from tests.engines.tables import Tables

ASKED = {"as_of": date(2025, 12, 31), "start": date(2025, 1, 1), "every": "month", "tz": "Asia/Bangkok"}
_PRIORITIES: tuple[Priority, ...] = ("urgent", "high", "normal", "low")
_POLICY = ServiceLevel(
    id="gold",
    name="Gold",
    targets=[
        ServiceTarget(priority=priority, first_response_minutes=60 * number, resolution_minutes=6000 * number)
        for number, priority in enumerate(_PRIORITIES, start=1)
    ],
)
_STAGES = ("Trial", "Tasting", "Offer")
OWN: Mapping[str, Mapping[str, Any]] = {
    "service_level_attainment": {"policy": _POLICY},
    "retention_cost": {"categories": ("staff", "overhead", "advertising", "agency")},
    "stage_conversion": {"stages": _STAGES},
    "bottlenecks": {"stages": _STAGES},
    "forecast_backtest-weighted": {"stage_probabilities": dict.fromkeys(_STAGES, 0.5)},
    "forecast": {"every": None},
    "forecast-competing_risks": {"start": None},
    "forecast-competing_risks_by_stage": {"start": None},
    "customer_lifetime_value-contractual": {"horizon_months": 24, "start": None, "every": None},
    "touch_effectiveness-stratified": {"strata": "plan"},
    "touch_effectiveness-weighted": {"strata": "plan"},
}
"""What a KPI, or one of its methods, asks for or refuses."""


def every_method() -> dict[str, Any]:
    found = {}
    for definition in metrics.catalogue():
        for method in definition.methods:
            name = f"{definition.name}-{method}"
            own = {**OWN.get(definition.name, {}), **OWN.get(name, {})}
            found[name] = partial(metrics.registered()[definition.name], method=method, **own)
    return found


@pytest.fixture(scope="session")
def expected(records: Tables) -> dict[str, MetricResult]:
    return metrics.compute(every_method(), records, **ASKED)


def test_every_kpi_has_something_to_count(expected: dict[str, MetricResult]) -> None:
    assert [name for name, result in expected.items() if not any(each.n for each in result)] == []


def test_every_kpi_is_the_same(tables: dict[str, Any], expected: dict[str, MetricResult]) -> None:
    defaults = {f"{each.name}-{next(iter(each.methods))}" for each in metrics.catalogue()}
    asked = {name: metric for name, metric in every_method().items() if name in defaults}

    assert different(asked, tables, expected) == {}


@pytest.mark.skipif(os.environ.get("CRMKIT_HYPOTHESIS") != "full", reason="takes minutes; set CRMKIT_HYPOTHESIS=full")
def test_every_method_of_every_kpi_is_the_same(tables: dict[str, Any], expected: dict[str, MetricResult]) -> None:
    assert different(every_method(), tables, expected) == {}


def different(asked: dict[str, Any], tables: dict[str, Any], expected: dict[str, MetricResult]) -> dict[str, Any]:
    found = metrics.compute(asked, tables, **ASKED)
    return {name: result for name, result in found.items() if result != expected[name]}


GROUPED = {
    "a text": partial(metrics.win_rate, by="owner_id"),
    "a number": partial(metrics.win_rate, by="probability"),
    "a day": partial(metrics.new_leads, by="score"),
    "several": partial(metrics.average_order_value, by=["status", "owner_id"], method="row"),
    "customers": partial(metrics.churn_rate, by="plan", start=date(2025, 3, 1)),
    "people": partial(metrics.nps, by="kind", every="quarter"),
}


def test_groups_are_the_same(tables: dict[str, Any], records: Tables) -> None:
    asked: dict[str, Any] = {"as_of": date(2025, 12, 31), "tz": "America/New_York"}

    assert metrics.compute(GROUPED, tables, **asked) == metrics.compute(GROUPED, records, **asked)


_NOON = datetime(2025, 6, 1, 12, tzinfo=UTC)
RULES: dict[str, Rule] = {
    "is": field("owner_id") == "employee-0001",
    "is not": ~(field("stage") == "red"),
    "in": field("owner_id").is_in(["employee-0001", "employee-x002"]),
    "contains": field("stage").contains("'c' \"d\""),
    "starts with": field("stage").starts_with("Ł"),
    "number": (field("probability") >= 0.5) & (field("probability") < 0.9),
    "instant": field("created_at") > _NOON,
    "day": field("expected_close_on") <= date(2025, 6, 1),
    "money": field("amount") > Money("5000", "PLN"),
    "empty": field("closed_at").is_empty() | field("product_ids").is_empty(),
    "list": field("tags").has("0012"),
}


def test_a_rule_leaves_the_same_rows(tables: dict[str, Any], records: Tables) -> None:
    ruled = {name: partial(metrics.pipeline_value, method="count", where=rule) for name, rule in RULES.items()}
    found = metrics.compute(ruled, tables, as_of=ASKED["as_of"])

    assert found == metrics.compute(ruled, records, as_of=ASKED["as_of"])


EXPLAINED = ("win_rate-closed", "churn_rate-stripe", "nps-latest", "first_response_time-interactions")


def test_the_records_behind_a_number_are_the_same(tables: dict[str, Any], records: Tables) -> None:
    chosen = {name: every_method()[name] for name in EXPLAINED}
    asked = {**ASKED, "every": None}
    found, same = (metrics.compute(chosen, each, **asked) for each in (tables, records))

    for name in EXPLAINED:
        behind = same[name].explain(same[name].only)
        assert any(behind.values())
        assert found[name].explain(found[name].only) == behind


def test_amounts_are_brought_to_one_currency_alike(away: Callable[[pl.DataFrame], Any]) -> None:
    noon = datetime(2025, 1, 31, 12, tzinfo=UTC)
    orders = pl.DataFrame(
        {
            "id": ["a", "b", "c", "d"],
            "at": [noon] * 4,
            "amount": [1.5, 2.25, 3.0, None],
            "currency": ["PLN", "EUR", "USD", "EUR"],
        }
    )
    for table in ([{"currency": "EUR", "on": date(2025, 1, 1), "rate": 4.25}], []):
        rates = metrics.Rates(table=pl.DataFrame(table, schema=RATES), into="PLN")
        asked: dict[str, Any] = {"as_of": noon, "rates": rates}

        assert metrics.average_order_value(away(orders), **asked) == metrics.average_order_value(orders, **asked)


RATES = {"currency": pl.String, "on": pl.Date, "rate": pl.Float64}
