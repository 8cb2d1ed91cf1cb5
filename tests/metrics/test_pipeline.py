"""The pipeline: its value and how fast it brings money."""

import json
from datetime import UTC, date, datetime
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmkit.metrics.pipeline import pipeline_value, pipeline_velocity
from crmkit.model import Deal
from tests.examples import few
from tests.metrics.cases import AS_OF
from tests.metrics.cases import deals as closing
from tests.metrics.oracle import Asked
from tests.metrics.selling import DAY, FIRST, MAY, MICROSECOND, deal, maven_deals, paid, was_open


@few
@given(closing, st.sampled_from([None, "owner_id"]), st.sampled_from(["UTC", "Asia/Bangkok", "America/New_York"]))
def test_the_value_is_that_of_the_deals_open_at_as_of(deals_: list[Deal], by: str | None, tz: str) -> None:
    asked_ = Asked(tz=tz, by=by)
    measures = pipeline_value(deals_, as_of=AS_OF, by=by, tz=tz)
    counts = pipeline_value(deals_, as_of=AS_OF, by=by, tz=tz, method="count")

    for each, count in zip(measures, counts, strict=True):
        there = [
            one for one in deals_ if was_open(one, AS_OF, asked_) and asked_.group(one) == each.group.get(by or "")
        ]
        assert each.value == pytest.approx(float(paid(there)))
        assert each.n == len([one for one in there if one.amount is not None])
        assert each.excluded.get("no amount", 0) == len(there) - each.n
        assert count.value == len(there)


@few
@given(closing, st.sampled_from(["UTC", "Asia/Bangkok"]), st.sampled_from(["week", "month", "quarter"]))
def test_every_period_has_the_value_at_its_end(deals_: list[Deal], tz: str, every: str) -> None:
    asked_ = Asked(tz=tz)
    known = [one for one in deals_ if one.created_at is not None]
    created = [asked_.day(one.created_at) for one in known if one.created_at is not None]
    result = pipeline_value(deals_, as_of=AS_OF, every=every, tz=tz)

    for each in result:
        assert each.period is not None
        last = min(each.period.end - DAY, AS_OF)
        there = [one for one in known if was_open(one, last, asked_)]
        assert each.value == pytest.approx(float(paid(there)))
    if any(day <= AS_OF for day in created) and result.measures:
        assert result[0].period is not None
        assert result[0].period.start <= min(created) < result[0].period.end
    assert pipeline_value(deals_, as_of=AS_OF, every=every, tz=tz, start=date(2024, 12, 1))[0].value is not None


def test_a_deal_is_open_until_the_moment_of_its_close() -> None:
    closed = deal("won")

    assert pipeline_value([closed], as_of=FIRST - MICROSECOND).value == 0
    assert pipeline_value([closed], as_of=FIRST).value == 100
    assert pipeline_value([closed], as_of=FIRST + 10 * DAY - MICROSECOND).value == 100
    assert pipeline_value([closed], as_of=FIRST + 10 * DAY).value == 0
    assert pipeline_value([closed], as_of=MAY, end=date(2025, 5, 5)).value == 100


def test_without_a_creation_date_a_deal_is_in_no_series() -> None:
    series = pipeline_value([deal(), deal(created_at=None)], as_of=MAY, every="month")

    assert [each.value for each in series] == [100.0]
    assert series.excluded == {"no creation date": 1}
    assert pipeline_value([deal(), deal(created_at=None)], as_of=MAY).value == 200


def test_the_records_behind_each_period_are_those_open_at_its_end() -> None:
    rows = [deal(id="d1", created_at=datetime(2025, 3, 2, tzinfo=UTC)), deal(id="d2", created_at=FIRST)]
    series = pipeline_value(rows, as_of=MAY, every="month")

    assert [each.value for each in series] == [100.0, 100.0, 200.0]
    assert [series.explain(each)["numerator"] for each in series] == [["d1"], ["d1"], ["d1", "d2"]]


@few
@given(closing)
def test_velocity_is_opens_times_win_rate_times_average_over_cycle(deals_: list[Deal]) -> None:
    asked_ = Asked(tz="Asia/Bangkok")
    known = [one for one in deals_ if one.created_at is None or asked_.is_known(one.created_at)]
    closed = [one for one in known if one.category != "open" and one.closed_at and asked_.is_known(one.closed_at)]
    won = [one for one in closed if one.category == "won"]
    priced = [one for one in won if one.amount is not None]
    cycles = [
        (asked_.day(one.closed_at) - asked_.day(one.created_at)).days for one in won if one.created_at and one.closed_at
    ]
    cycles = [days for days in cycles if days >= 0]
    n_open = sum(was_open(one, AS_OF, asked_) for one in known)
    measure = pipeline_velocity(deals_, as_of=AS_OF, tz="Asia/Bangkok").only

    assert measure.n == len(closed)
    if not priced or not sum(cycles):
        assert (measure.value, measure.reason is None) == (None, False)
    else:
        expected = n_open * len(won) / len(closed) * float(paid(priced)) / len(priced) / fmean(cycles)
        assert measure.value == pytest.approx(expected)


def test_velocity_by_month_takes_the_open_deals_at_its_end() -> None:
    march = datetime(2025, 3, 1, tzinfo=UTC)
    rows = [deal("won", created_at=march, closed_at=march + 10 * DAY), deal(created_at=march), deal()]
    found = pipeline_velocity(rows, as_of=MAY, every="month")

    assert [each.value for each in found] == [10.0, None, None]
    assert [each.reason for each in found] == [None, "no deal was closed", "no deal was closed"]


def test_the_maven_pipeline_has_its_published_figures(published: Path) -> None:
    expected = json.loads((published / "expected" / "maven_crm.json").read_text())
    frame = maven_deals(published)
    options: dict[str, Any] = {"as_of": date(2018, 1, 1)}
    velocity = pipeline_velocity(frame, **options).only
    stages = {each.group["stage"]: each.value for each in pipeline_value(frame, by="stage", **options)}
    agents = {
        each.group["owner_id"]: each.value for each in pipeline_value(frame, by="owner_id", method="count", **options)
    }

    assert velocity.details["open"] == expected["sales_velocity_won_per_day"]["n_open"]
    assert velocity.value == pytest.approx(expected["sales_velocity_won_per_day"]["value"], abs=1e-4)
    assert velocity.details["win_rate"] == pytest.approx(expected["win_rate_overall"], abs=1e-9)
    assert stages["Engaging"] == expected["open_pipeline"]["list_value_engaging"]
    assert stages["Prospecting"] == expected["open_pipeline"]["list_value_prospecting"]
    for agent, n in expected["open_pipeline"]["by_stage_agent_top5"].items():
        assert agents[agent] == n
