"""KPIs asked together, in parts, again and by every definition give the same answers."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from functools import partial
from typing import Any

import narwhals as nw
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmkit import metrics
from crmkit.errors import InvalidInput
from crmkit.frames import from_records
from crmkit.metrics import Definition, MetricResult
from crmkit.metrics.asking import _REGISTERED, Steps, kpi
from crmkit.metrics.finishing import number
from crmkit.metrics.scope import Asked, make_scope, result
from crmkit.model import Deal
from crmkit.rules import field
from tests.examples import few
from tests.metrics.cases import AS_OF, deals, orders

DASHBOARD: dict[str, Callable[..., MetricResult]] = {
    "rate": metrics.win_rate,
    "rate by owner": partial(metrics.win_rate, by="owner_id", every="month"),
    "created": partial(metrics.win_rate, method="created"),
    "cycle": metrics.sales_cycle,
    "average": metrics.average_order_value,
}


def alone(tables: dict[str, Any]) -> dict[str, MetricResult]:
    return {
        name: metric(tables["orders" if name == "average" else "deals"], as_of=AS_OF)
        for name, metric in DASHBOARD.items()
    }


@few
@given(st.fixed_dictionaries({"deals": deals, "orders": orders}))
def test_kpis_computed_together_are_those_computed_alone(tables: dict[str, list[Any]]) -> None:
    assert metrics.compute(DASHBOARD, tables, as_of=AS_OF) == alone(tables)
    assert list(metrics.compute(DASHBOARD, tables, as_of=AS_OF)) == list(DASHBOARD)


def test_what_no_dashboard_can_have_is_refused() -> None:
    with pytest.raises(InvalidInput, match="'rate' reads the table 'deals'; there are 'deal'; did you mean 'deal'?"):
        metrics.compute({"rate": metrics.win_rate}, {"deal": []}, as_of=AS_OF)
    with pytest.raises(InvalidInput, match="'rate' is no KPI"):
        metrics.compute({"rate": print}, {}, as_of=AS_OF)  # type: ignore[dict-item]
    with pytest.raises(TypeError, match="as_of"):
        metrics.compute({"rate": metrics.win_rate}, {"deals": []})


@few
@given(deals, deals)
def test_results_of_two_parts_add_up_to_that_of_the_whole(a: list[Deal], b: list[Deal]) -> None:
    for metric in (metrics.win_rate, partial(metrics.win_rate, every="month", by="owner_id"), metrics.sales_cycle):
        measured = partial(metric, as_of=AS_OF)
        assert measured(a) + measured(b) == measured(a + b)


def test_results_of_different_questions_do_not_add_up() -> None:
    with pytest.raises(InvalidInput, match="only results of the same KPI, asked in the same way, can be added"):
        metrics.win_rate([], as_of=AS_OF) + metrics.sales_cycle([], as_of=AS_OF)


@few
@given(deals)
def test_the_records_behind_a_measure_are_as_many_as_it_says(given_: list[Deal]) -> None:
    found = metrics.win_rate(given_, as_of=AS_OF, by="owner_id", every="month")
    for measure in found:
        behind = found.explain(measure)
        assert len(behind.pop("numerator")) == measure.numerator
        assert len(behind.pop("denominator")) == measure.denominator
        assert {reason: len(ids) for reason, ids in behind.items()} == measure.excluded


@few
@given(deals, st.sampled_from(["polars", "records"]))
def test_a_rule_counts_what_a_filter_leaves(given_: list[Deal], kind: str) -> None:
    big = (field("owner_id") == "anna") & ~(field("stage") == "Trial") | field("amount").is_empty()
    data = from_records(given_, Deal) if kind == "polars" else given_
    left = [each for each in given_ if (each.owner_id == "anna" and each.stage != "Trial") or each.amount is None]

    assert metrics.win_rate(data, as_of=AS_OF, where=big) == metrics.win_rate(left, as_of=AS_OF)


def test_a_rule_that_does_not_fit_is_refused() -> None:
    with pytest.raises(InvalidInput, match="Deal has no field 'owner'"):
        metrics.win_rate([], as_of=AS_OF, where=field("owner") == "anna")
    with pytest.raises(InvalidInput, match="where='won' is no rule"):
        metrics.win_rate([], as_of=AS_OF, where="won")  # type: ignore[arg-type]
    with pytest.raises(InvalidInput, match="Deal.contacts has no column in a table"):
        metrics.win_rate([], as_of=AS_OF, where=field("contacts").is_empty())


def test_every_definition_of_a_kpi_stands_beside_the_others() -> None:
    may = datetime(2025, 5, 2, tzinfo=UTC)
    frame = pl.DataFrame(
        {"category": ["won", "open"], "closed_at": [may, None]},
        schema_overrides={"closed_at": pl.Datetime("us", "UTC")},
    )
    compared = metrics.compare(metrics.win_rate, frame, as_of=may)

    assert [each.method for each in compared] == ["closed", "created", "amount"]
    assert compared[0].result is not None
    assert compared[0].result.value == 1.0
    assert compared[1].result is None
    assert "no column 'created_at'" in str(compared[1].problem)
    assert compared.to_polars()["method"].to_list() == ["closed"]


VISITS = Definition(
    name="open_deals",
    title="Open deals",
    text="How many deals are open.",
    formula="open deals",
    unit="count",
    inputs=("deals",),
    key="deal",
    methods={"all": "every deal"},
    sources=("this test",),
)


def test_a_vertical_makes_a_kpi_of_its_own_in_a_few_lines() -> None:
    @kpi(VISITS)
    def open_deals(deals: Iterable[Deal], *, method: str = "all", **asked: Any) -> Steps:
        scope = make_scope(VISITS, method, Asked(**asked))  # type: ignore[typeddict-item]
        table = scope.open(deals, Deal, needs=("category", "created_at"))
        (found,) = yield [scope.question(table.rows, at="created_at", outcome=nw.col("category"))]
        return result(scope, found, ["open"], lambda counts: number(counts, ["open"]))

    try:
        one = Deal(pipeline_id="gym", stage="Trial", created_at=datetime(2025, 3, 1, tzinfo=UTC))
        assert open_deals([one], as_of=AS_OF).value == 1
        assert VISITS in metrics.catalogue()
    finally:
        _REGISTERED.pop("open_deals")
