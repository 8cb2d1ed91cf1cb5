"""The laws that every KPI obeys, by each of its methods."""

import math
import random
from collections import Counter
from collections.abc import Iterable
from datetime import date, timedelta
from typing import Any

import attrs
import narwhals as nw
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crmkit.frames import from_records, schema
from crmkit.metrics import Measure, MetricResult
from crmkit.rules import field
from tests.frames.kinds import KINDS
from tests.metrics.cases import DEFAULTS, MANY, TZS, Case, kpis
from tests.metrics.tables import CLASSES, Facts, elsewhere, facts, later, shifted, united

tried = settings(max_examples=max(1, settings().max_examples // 50))
"""One rich example where the settings are those of every day, because there are so many KPIs, methods and laws."""

SUMS = ("n", "numerator", "denominator")
ANY = (-math.inf, math.inf)
POSITIVE = (0.0, math.inf)

_CHANGES = "it compares the end of each period with its start"
_STOCK = "it is what there is at the end of each period"
_PRODUCT = "a product of averages is no sum"

EXEMPT: dict[str, dict[str, str]] = {
    "groups": {
        "acquisition_cost": "customers and costs have no column in common that parts them",
        "retention_cost": "customers and costs have no column in common that parts them",
        "bottlenecks": "a stage is judged by the deals of its own group",
        "customer_lifetime_value-contractual": _PRODUCT,
        "customer_lifetime_value-simple": _PRODUCT,
        "pipeline_velocity": _PRODUCT,
        "target_attainment": "the business has targets of its own",
    },
    "periods": {
        "activity": "an employee is counted in every period in which they did something",
        "average_revenue_per_account-end": _STOCK,
        "average_revenue_per_account-start": _STOCK,
        "backlog": _STOCK,
        "backlog_age": _STOCK,
        "bottlenecks-days": "a deal may stay in a stage for several periods",
        "card_completeness": _STOCK,
        "churn_rate-average_base": _CHANGES,
        "churn_rate-simple": _CHANGES,
        "churn_rate-start_cohort": _CHANGES,
        "churn_rate-stripe": _CHANGES,
        "completeness": _STOCK,
        "customer_growth": _CHANGES,
        "customer_lifetime_value-contractual": "it learns from all contracts and takes no periods",
        "customer_lifetime_value-simple": _PRODUCT,
        "customer_satisfaction-latest": "a ticket has a latest answer in every period",
        "duplicate_share": _STOCK,
        "forecast": "it is about the future and takes no periods",
        "freshness": _STOCK,
        "mrr_movements": _CHANGES,
        "nps-latest": "a customer has a latest answer in every period",
        "package_balance": _STOCK,
        "pipeline_value": _STOCK,
        "pipeline_velocity": _PRODUCT,
        "retention_cost": _CHANGES,
        "retention_rate": _CHANGES,
        "revenue_churn": _CHANGES,
        "target_attainment": "a target is for its own period only",
    },
    "weeks": {
        "customer_lifetime_value-simple": "it counts whole months, which weeks do not keep",
        "forecast_backtest": "it forecasts at the ends of months, which weeks do not keep",
    },
    "nothing": {
        "customer_lifetime_value-simple": "there is one measure a period",
        "stage_duration": "there is one measure a stage",
    },
    "explain": {
        "average_order_value-customer_day": "a purchase is several rows",
        "average_order_value-row": "rows need no id",
        "average_revenue_per_account-daily": "a customer counts on every day",
        "campaign_lift": "a customer has several messages",
        "churn_rate-daily_sum": "a customer counts on every day",
        "customer_lifetime_value-contractual": "it learns from customers who left, too",
        "customer_lifetime_value-simple": _PRODUCT,
        "forecast_backtest": "a deal is forecast at several moments",
        "new_leads-people": "a person has several leads",
        "pipeline_velocity": _PRODUCT,
        "renewal_rate": "a subscription has several terms",
        "retention_cost-average_active": "a customer counts at the start and at the end",
        "touch_effectiveness": "a subscription has several terms",
    },
}
"""What a law does not say anything of, and why."""

COUNTED_LATER = {
    "bounce_rate": "a message that is sent later is not sent yet",
    "campaign_lift": "a message that is sent later is not sent yet",
    "click_rate": "a message that is sent later is not sent yet",
    "click_through_rate": "a message that is sent later is not sent yet",
    "customer_effort": "who answers later has not answered yet",
    "customer_satisfaction": "who answers later has not answered yet",
    "delivery_rate": "a message that is sent later is not sent yet",
    "nps": "who answers later has not answered yet",
    "open_rate": "a message that is sent later is not sent yet",
    "reply_rate": "a message that is sent later is not sent yet",
    "unsubscribe_rate": "a message that is sent later is not sent yet",
}
"""What is there already, though left out, before it happens; all others do not know of it at all."""

RANGES = {
    "average_order_value-won_deal": ANY,  # a deal may be a credit
    "campaign_lift-conversion": (-1.0, 1.0),
    "campaign_lift-revenue": ANY,
    "campaign_roi": ANY,
    "churn_rate-average_base": POSITIVE,  # who joined and left in the period is no part of the base
    "churn_rate-simple": POSITIVE,
    "customer_effort-index": (-100.0, 100.0),
    "customer_growth": (-1.0, math.inf),
    "mrr_movements-churn": ANY,
    "mrr_movements-contraction": ANY,
    "mrr_movements-net": ANY,
    "pipeline_value-amount": ANY,
    "pipeline_velocity": ANY,
    "revenue_churn-net": (-math.inf, 1.0),
    "win_rate-amount": ANY,
}
"""Values that are no share from 0 to 1, no points from -100 to 100, and may be negative or large."""

ZERO_FOR_NOTHING = frozenset(
    {
        "backlog",
        "campaign_revenue",
        "forecast",
        "mrr_movements",
        "new_customers",
        "new_leads",
        "package_balance",
        "pipeline_value",
        "reactivations",
    }
)
"""Numbers and sums, of which there may be none; all others have nothing to divide by then."""

monthly = st.sampled_from([{"every": "month", "tz": "Asia/Bangkok"}, {}])


def sums(measures: Iterable[Measure]) -> dict[str, Any]:
    measures = list(measures)
    return {name: pytest.approx(sum(getattr(each, name) or 0 for each in measures)) for name in SUMS}


def left_out(result: MetricResult) -> Counter[str]:
    return sum((Counter(each.excluded) for each in [*result, result]), start=Counter())


@kpis()
@tried
@given(facts, monthly)
def test_the_order_of_rows_is_irrelevant(case: Case, facts_: Facts, asked: dict[str, Any]) -> None:
    tables = case.tables(facts_)
    shuffled = {name: random.Random(facts_.seed).sample(rows, len(rows)) for name, rows in tables.items()}

    assert case(shuffled, **asked) == case(tables, **asked)


@kpis()
@tried
@given(facts, facts, monthly)
def test_parts_that_share_no_key_add_up(case: Case, some: Facts, more: Facts, asked: dict[str, Any]) -> None:
    first = case.tables(some)
    second = elsewhere(case.tables(attrs.evolve(more, seed=more.seed + 1))) | {
        name: rows for name, rows in first.items() if name == "targets"
    }

    assert case(first, **asked) + case(second, **asked) == case(united(first, second), **asked)


@kpis(exempt=EXEMPT["groups"])
@tried
@given(facts)
def test_groups_are_a_partition(case: Case, facts_: Facts) -> None:
    tables = case.tables(facts_)
    total, groups = case(tables), case(tables, by=case.by)

    assert sums(groups) == sums(total)
    assert left_out(groups) == left_out(total)
    assert all(case.by in group.group for group in groups)
    assert len({tuple(group.group.items()) for group in groups} | {()}) == len({group.key for group in groups} | {()})


@kpis(exempt=EXEMPT["periods"])
@tried
@given(facts, st.sampled_from(TZS[1:]), st.sampled_from(["month", "week", "quarter"]))
def test_periods_are_a_partition(case: Case, facts_: Facts, tz: str, every: str) -> None:
    tables = case.tables(facts_)
    window = {"start": date(2025, 1, 1), "end": date(2025, 3, 15), "tz": tz}
    total, periods = case(tables, **window), case(tables, every=every, **window)

    assert sums(periods) == sums(total)
    assert left_out(periods) == left_out(total)
    bounds = dict.fromkeys((each.period.start, each.period.end) for each in periods if each.period)
    assert [end for _, end in bounds][:-1] == [start for start, _ in bounds][1:]


@kpis()
@tried
@given(facts, st.sampled_from(["month", "quarter", "year"]))
def test_a_value_is_a_number_in_its_range_or_none_with_a_reason(case: Case, facts_: Facts, every: str) -> None:
    usual = {"points": (-100.0, 100.0), "share": (0.0, 1.0)}.get(case.definition.unit, POSITIVE)
    lowest, highest = case.of(RANGES) or usual

    for each in case(case.tables(facts_), every=every, by=case.by):
        numbers = [each.value, each.low, each.high, each.numerator, each.denominator, *each.details.values()]
        assert all(math.isfinite(number) for number in numbers if number is not None)
        assert all(count > 0 for count in each.excluded.values())
        assert (each.value is None) == (each.reason is not None)
        if each.value is None:
            assert (each.low, each.high) == (None, None)
            assert not each.denominator
        else:
            assert lowest <= each.value <= highest
        if each.low is not None and each.high is not None and each.value is not None:
            assert each.low <= each.value <= each.high


@kpis(exempt=EXEMPT["nothing"])
def test_nothing_has_no_value_but_a_reason_or_is_0_of_what_is_counted(case: Case) -> None:
    result = case({name: [] for name in case.inputs})

    assert len(result) > 0
    for measure in result:
        assert measure.value == (0 if case.definition.name in ZERO_FOR_NOTHING else None)
        assert (measure.value is None) == bool(measure.reason)
        assert (measure.n, measure.numerator or 0, measure.denominator or 0) == (0, 0, 0)
        assert (measure.low, measure.high, measure.excluded, measure.warnings) == (None, None, {}, ())


@kpis(DEFAULTS)
@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "records"])
def test_nothing_is_the_same_in_every_kind_of_data(case: Case, kind: str) -> None:
    empty = {name: KINDS[kind]([], CLASSES[name]) for name in case.inputs}

    assert case(empty) == case({name: [] for name in case.inputs})


@kpis(MANY)
@tried
@given(facts)
def test_every_kind_of_data_has_the_same_answer(case: Case, facts_: Facts) -> None:
    tables = case.tables(facts_)
    asked = {"every": "month", "by": case.by, "tz": "Asia/Bangkok"}
    expected = case(tables, **asked)

    for kind in ("polars", "pandas", "arrow", "duckdb"):
        converted = {name: KINDS[kind](rows, CLASSES[name]) for name, rows in tables.items()}
        assert case(converted, **asked) == expected, kind


@kpis(MANY)
@tried
@given(facts)
def test_columns_of_other_names_have_the_same_answer(case: Case, facts_: Facts) -> None:
    tables = case.tables(facts_)
    columns = {name: f"The {name.upper()}" for table in tables for name in schema(CLASSES[table])}
    foreign = {name: from_records(rows, CLASSES[name]).rename(columns, strict=False) for name, rows in tables.items()}

    assert case(foreign, by=case.by, columns=columns) == case(tables, by=case.by)


@kpis(exempt=EXEMPT["weeks"])
@tried
@given(facts, st.sampled_from([53, -9]))
def test_shifting_everything_by_whole_weeks_changes_nothing(case: Case, facts_: Facts, weeks: int) -> None:
    tables, shift = case.tables(facts_), timedelta(weeks=weeks)
    asked = case.arguments(by=case.by, every="week")
    moved = {name: value + shift if isinstance(value, date) else value for name, value in asked.items()}
    before, after = case(tables, **asked), case(shifted(tables, shift), **moved)

    assert [attrs.evolve(each, period=None) for each in after] == [attrs.evolve(each, period=None) for each in before]


@kpis()
@tried
@given(facts, facts)
def test_what_happens_after_as_of_changes_nothing(case: Case, facts_: Facts, future: Facts) -> None:
    tables = case.tables(facts_)
    future_ = later(case.tables(future), timedelta(weeks=52)) | ({"targets": []} if "targets" in tables else {})
    known, all_ = case(tables), case(united(tables, future_))

    if case.of(COUNTED_LATER) is None:
        assert all_ == known
    else:
        assert [attrs.evolve(each, excluded={}) for each in all_] == [attrs.evolve(each, excluded={}) for each in known]


@kpis()
@tried
@given(facts)
def test_a_rule_is_a_filter_of_the_main_table(case: Case, facts_: Facts) -> None:
    tables = case.tables(facts_)
    rows = tables[case.main]
    rule = field("id").is_in([row.id for row in rows[::2]])

    assert case(tables, where=rule) == case(tables | {case.main: rows[::2]})


@kpis()
@tried
@given(facts)
def test_explain_names_records_that_exist(case: Case, facts_: Facts) -> None:
    tables = case.tables(facts_)
    ids = {each for rows in tables.values() for row in rows for each in (row.id, getattr(row, "customer_id", None))}
    result = case(tables)
    for measure in result:
        behind = result.explain(measure)
        parts, whole = set(behind["numerator"]), set(behind["denominator"])
        assert {each for found in behind.values() for each in found} <= ids
        if case.of(EXEMPT["explain"]) is None:
            assert {reason: len(behind[reason]) for reason in measure.excluded} == measure.excluded
            assert measure.n in {len(parts), len(whole), len(parts | whole)}


@kpis(DEFAULTS)
@tried
@given(facts)
def test_without_a_confidence_there_is_no_interval_and_nothing_else_changes(case: Case, facts_: Facts) -> None:
    tables = case.tables(facts_)
    for without, with_ in zip(case(tables, ci=None), case(tables), strict=True):
        assert (without.low, without.high) == (None, None)
        assert attrs.evolve(with_, low=None, high=None, details={}) == attrs.evolve(
            without, details={}, warnings=with_.warnings
        )


@kpis(DEFAULTS)
def test_a_lazy_frame_of_narwhals_is_taken_too(case: Case) -> None:
    lazy = {name: nw.from_native(from_records([], CLASSES[name]).lazy()) for name in case.inputs}

    assert case(lazy) == case({name: [] for name in case.inputs})
