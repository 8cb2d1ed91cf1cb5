"""The laws that hold for the pipeline, forecasts, quotes and targets alike."""

from datetime import UTC, date, datetime
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crmkit.errors import InvalidInput
from crmkit.frames import from_records
from crmkit.metrics.forecast import forecast
from crmkit.metrics.pipeline import pipeline_value, pipeline_velocity
from crmkit.metrics.quotes import quote_acceptance
from crmkit.metrics.result import MetricResult
from crmkit.metrics.targets import target_attainment
from crmkit.model import Deal, Employee, Money, Quote, Target
from crmkit.rules import field
from crmkit.testing.strategies import simplest
from tests.examples import few
from tests.frames.kinds import KINDS
from tests.metrics.cases import AS_OF, amounts, maybe, owners
from tests.metrics.selling import MAY, deal, quotes, target

fewest = settings(few, max_examples=few.max_examples // 3)  # for laws that are tried on all these KPIs at once


def every_kpi(kind: str, deals_: list[Deal], quotes_: list[Quote], **options: Any) -> list[MetricResult]:
    sales, offers = KINDS[kind](deals_, Deal), KINDS[kind](quotes_, Quote)
    if kind == "generator":
        sales, offers = list(sales), list(offers)
    goals = KINDS[kind]([target(500, 2, owner_id="anna"), target(900, 1, 2, owner_id="bo")], Target)
    staff = KINDS[kind]([simplest(Employee, id="anna", team="north")], Employee)
    goals, staff = (list(each) if kind == "generator" else each for each in (goals, staff))
    without_every = {name: value for name, value in options.items() if name != "every"}
    return [
        *(pipeline_value(sales, method=method, by="owner_id", **options) for method in ("amount", "count")),
        *(forecast(sales, method=method, by="owner_id", **without_every) for method in ("weighted", "with_won")),
        forecast(sales, start=date(2025, 2, 1), stage_probabilities={"Trial": 0.125}, **without_every),
        pipeline_velocity(sales, by="owner_id", **options),
        *(quote_acceptance(offers, method=method, by="customer_id", **options) for method in ("decided", "sent")),
        *(
            target_attainment(deals=sales, targets=goals, employees=staff, by=by, **options)
            for by in (None, "owner_id", "team")
        ),
    ]


sales = st.lists(
    st.builds(
        Deal,
        id=st.uuids().map(str),
        created_at=maybe,
        pipeline_id=st.just("gym"),
        stage=st.sampled_from(["Trial", "Offer"]),
        category=st.sampled_from(["open", "won", "lost"]),
        closed_at=maybe,
        amount=amounts,
        probability=st.sampled_from([None, 0.0, 0.1, 1 / 3, 1.0]),
        expected_close_on=st.sampled_from([None, date(2025, 1, 31), date(2025, 2, 1), date(2025, 5, 1)]),
        owner_id=owners,
    ),
    max_size=8,
)
OPTIONS: dict[str, Any] = {"as_of": AS_OF, "every": "month", "tz": "Asia/Bangkok"}


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "records"])
@given(sales, quotes)
@fewest
def test_every_kind_of_data_has_the_same_answer(kind: str, deals_: list[Deal], quotes_: list[Quote]) -> None:
    assert every_kpi(kind, deals_, quotes_, **OPTIONS) == every_kpi("records", deals_, quotes_, **OPTIONS)


@given(sales, sales, quotes, st.randoms(use_true_random=False))
@fewest
def test_parts_add_up_in_any_order(some: list[Deal], more: list[Deal], quotes_: list[Quote], order: Any) -> None:
    others = [each.replace(id=f"other {each.id}") for each in more]
    both = [*some, *others]
    whole = every_kpi("records", both, quotes_, **OPTIONS)
    order.shuffle(both)

    assert every_kpi("records", both, quotes_, **OPTIONS) == whole
    first, second = every_kpi("records", some, quotes_, **OPTIONS), every_kpi("records", others, [], **OPTIONS)
    assert [a + b for a, b in zip(first, second, strict=True)] == whole


@pytest.mark.parametrize("kpi", [pipeline_value, pipeline_velocity, forecast])
@given(sales)
@few
def test_a_rule_is_a_filter_of_the_input(kpi: Any, deals_: list[Deal]) -> None:
    annas = [each for each in deals_ if each.owner_id == "anna"]

    assert kpi(deals_, as_of=AS_OF, where=field("owner_id") == "anna") == kpi(annas, as_of=AS_OF)


@given(sales)
@fewest
def test_what_is_created_after_as_of_changes_nothing(deals_: list[Deal]) -> None:
    late = datetime(2025, 6, 1, tzinfo=UTC)
    later = [each.replace(id=f"later {each.id}", created_at=late, closed_at=each.closed_at and late) for each in deals_]

    assert every_kpi("records", [*deals_, *later], [], **OPTIONS) == every_kpi("records", deals_, [], **OPTIONS)


@pytest.mark.parametrize("kpi", [pipeline_value, forecast, pipeline_velocity])
def test_a_missing_column_or_an_unknown_category_is_named(kpi: Any) -> None:
    frame = from_records([deal(probability=0.5)], Deal)

    for column in ("amount", "closed_at", "category", "created_at"):
        with pytest.raises(InvalidInput, match=f"has no column '{column}'"):
            kpi(frame.drop(column), as_of=MAY)
    with pytest.raises(InvalidInput, match="column 'category' holds 'signed' .1 rows.; accepted are 'open', 'won', "):
        kpi(frame.with_columns(category=pl.lit("signed")), as_of=MAY)


def test_several_currencies_are_refused_unless_grouped() -> None:
    rows = [deal(probability=0.5), deal(amount=Money(1, "THB"), probability=0.5)]

    for kpi in (pipeline_value, forecast):
        with pytest.raises(InvalidInput, match="amounts in PLN, THB cannot be added"):
            kpi(rows, as_of=MAY)
        assert [each.unit for each in kpi(rows, as_of=MAY, by="currency")] == ["PLN", "THB"]
