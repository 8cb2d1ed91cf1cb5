"""Forecasts: what open deals are expected to bring."""

from datetime import date
from itertools import product
from math import prod, sqrt
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmkit.errors import InvalidInput
from crmkit.frames import from_records
from crmkit.metrics.forecast import forecast
from crmkit.metrics.result import Measure
from crmkit.model import Deal, Money, Pipeline, Stage
from tests.examples import few
from tests.metrics.selling import DAY, FIRST, MAY, deal


def chances(*given_: tuple[int, float], **options: Any) -> Measure:
    rows = [deal(amount=Money(amount, "PLN"), probability=probability) for amount, probability in given_]
    return forecast(rows, as_of=MAY, **options).only


def test_the_published_forecast() -> None:
    measure = chances((100, 0.5), (200, 0.25), (50, 0.9))

    assert (measure.value, measure.unit, measure.n) == (145.0, "PLN", 3)
    assert measure.details["sd"] == pytest.approx(101.119, abs=5e-4)
    assert measure.details["unweighted"] == 350
    assert measure.low == 0
    assert measure.high == pytest.approx(145 + 1.959964 * 101.11874, abs=1e-3)


@given(st.lists(st.tuples(st.integers(0, 500), st.integers(0, 100).map(lambda p: p / 100)), max_size=6))
@few
def test_mean_and_deviation_are_those_of_all_ways_it_may_end(given_: list[tuple[int, float]]) -> None:
    ways = [
        (
            sum(amount for (amount, _), is_won in zip(given_, way, strict=True) if is_won),
            prod(chance if is_won else 1 - chance for (_, chance), is_won in zip(given_, way, strict=True)),
        )
        for way in product([True, False], repeat=len(given_))
    ]
    mean = sum(total * chance for total, chance in ways)
    measure = chances(*given_)

    assert measure.value == pytest.approx(mean)
    if given_:
        deviation = sqrt(sum(chance * (total - mean) ** 2 for total, chance in ways))
        assert measure.details["sd"] == pytest.approx(deviation, abs=1e-6)
        assert measure.low is not None
        assert measure.high is not None
        assert measure.low <= mean + 1e-9
        assert measure.high >= mean - 1e-9


def test_a_certain_deal_has_no_spread_and_an_impossible_one_none_either() -> None:
    measure = chances((100, 1.0), (70, 0.0))

    assert (measure.value, measure.low, measure.high, measure.details["sd"]) == (100, 100, 100, 0)
    assert chances((100, 0.5), ci=None).high is None


def test_a_percentage_is_refused_unless_it_is_said_to_be_one() -> None:
    frame = from_records([deal(probability=0.4)], Deal).with_columns(probability=pl.lit(40.0))

    with pytest.raises(InvalidInput, match="column 'probability' holds 1 values that are no share; .*='percent'"):
        forecast(frame, as_of=MAY)
    assert forecast(frame, as_of=MAY, probability_unit="percent").value == 40
    with pytest.raises(InvalidInput, match="^probability_unit="):
        forecast(frame, as_of=MAY, probability_unit="percents")
    with pytest.raises(InvalidInput, match="column 'probability' is String; give numbers"):
        forecast(frame.with_columns(probability=pl.lit("high")), as_of=MAY)


def test_a_deal_has_its_own_probability_or_that_of_its_stage() -> None:
    rows = [deal(), deal(probability=0.5), deal(stage="Trial"), deal(stage="Trial", pipeline_id="club")]
    gym = Pipeline(id="x", stages=[Stage("Trial", "open", 0.1), Stage("Offer", "open", 0.25), Stage("Won", "won")])

    by_pipeline = forecast(rows, as_of=MAY, stage_probabilities=[gym]).only
    assert (by_pipeline.value, by_pipeline.excluded) == (25 + 50 + 10, {"no probability": 1})
    assert forecast(rows, as_of=MAY, stage_probabilities={"Trial": 0.1, "Offer": 0.25}).value == 95
    with pytest.raises(InvalidInput, match="stage_probabilities: 25 of 'Offer' is no share"):
        forecast(rows, as_of=MAY, stage_probabilities={"Offer": 25})


def test_the_window_is_of_expected_closes_and_the_future() -> None:
    june: dict[str, Any] = {"start": date(2025, 6, 1), "end": date(2025, 7, 1)}
    days = [date(2025, 5, 31), date(2025, 6, 1), date(2025, 6, 30), date(2025, 7, 1), None]
    rows = [deal(id=f"d{n}", expected_close_on=day, probability=0.5) for n, day in enumerate(days)]
    result = forecast(rows, as_of=MAY, tz="Asia/Bangkok", **june)

    assert (result.value, result.only.excluded) == (100, {"no expected close": 1})
    assert result.explain(result.only)["numerator"] == ["d1", "d2"]
    assert forecast(rows, as_of=MAY, end=date(2025, 7, 1)).value == 150
    with pytest.raises(InvalidInput, match="^every='month' is not for a forecast"):
        forecast(rows, as_of=MAY, every="month")


def test_what_is_won_counts_in_full_where_it_is_asked_for() -> None:
    won = [deal("won", probability=0.2), deal("won", closed_at=FIRST - 40 * DAY), deal("lost")]
    rows = [*won, deal(probability=0.5, expected_close_on=date(2025, 5, 31))]
    window: dict[str, Any] = {"start": date(2025, 5, 1), "end": date(2025, 6, 1)}

    assert forecast(rows, as_of=MAY, **window).value == 50
    assert forecast(rows, as_of=MAY, method="with_won", **window).value == 150
    assert forecast(rows, as_of=date(2025, 5, 5), method="with_won").only.value == 20 + 50 + 100


def test_what_cannot_be_forecast_is_left_out_and_counted() -> None:
    rows = [deal(), deal(amount=None, probability=0.5), deal(amount=Money(-5, "PLN"), probability=0.5)]
    measure = forecast(rows, as_of=MAY).only

    assert (measure.value, measure.n) == (0, 0)
    assert measure.excluded == {"negative amount": 1, "no amount": 1, "no probability": 1}
