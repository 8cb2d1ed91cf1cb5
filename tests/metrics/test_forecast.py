"""Forecasts: what open deals are expected to bring."""

from datetime import date
from itertools import product
from math import prod, sqrt
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmkit.errors import InvalidInput
from crmkit.frames import from_records
from crmkit.metrics.forecast import forecast
from crmkit.metrics.result import Measure
from crmkit.model import Deal, Money, Pipeline, Stage, Transition
from tests.examples import few
from tests.frames.kinds import KINDS
from tests.metrics.cases import AS_OF, TZS
from tests.metrics.foreseeing import NO_AGE, business, foreseen, moved, sales, tables
from tests.metrics.oracle import Asked
from tests.metrics.selling import DAY, FIRST, MAY, deal, maven_deals

# Deals open then, what they bring within 90 days, and how many are won, by a loop over the published file.
BY_HAND = {
    date(2017, 6, 30): (1686, 1456314.0048321777, 765.6486388933713),
    date(2017, 9, 30): (2409, 1588353.4139490537, 871.1313627621213),
    date(2017, 12, 31): (1589, 168727.44130737218, 71.78177284497384),
}


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


NOTHING = "no deal was closed that the chances could be learned from"


@pytest.mark.parametrize("method", NO_AGE)
@given(sales(), st.data())
@few
def test_learned_chances_are_those_of_the_single_deals(
    method: str, sold: tuple[list[Deal], list[Transition]], data: st.DataObject
) -> None:
    tz = data.draw(st.sampled_from(TZS))
    asked = Asked(tz=tz, as_of=data.draw(st.sampled_from([date(2025, 1, 31), AS_OF])))
    days = data.draw(st.sampled_from([1, 20, 90]))
    options: dict[str, Any] = {} if method == "stage_history" else {"within_days": days}
    # Twenty-five more deals, so that a stage has enough now and then.
    deals, moves = sold[0] + business(data.draw(st.sampled_from([0, 25]))), sold[1]
    measure = forecast(**tables(method, deals, moves), method=method, as_of=asked.as_of, tz=tz, **options).only
    expected = foreseen(method, deals, moves, asked, days)

    assert measure.value == (expected.value if expected.value is None else pytest.approx(expected.value, abs=1e-9))
    assert measure.excluded == expected.excluded
    if measure.value is None:
        assert (measure.reason, measure.n) == (NOTHING, 0)
        return
    assert measure.n == len(expected.deals)
    if measure.n:
        assert measure.details["wins"] == pytest.approx(expected.wins, abs=1e-9)
        assert measure.low is not None
        assert measure.high is not None
        assert 0 <= measure.low <= measure.value + 1e-9
        assert measure.value - 1e-9 <= measure.high <= measure.details["unweighted"]


@pytest.mark.parametrize("method", NO_AGE)
@pytest.mark.parametrize("kind", KINDS)
def test_learned_chances_are_the_same_in_every_kind_of_data(method: str, kind: str) -> None:
    deals = [*business(40), deal(id="d1", stage="Offer"), deal(id="d2", stage="Trial", created_at=FIRST - 90 * DAY)]
    moves = [moved("d1", "Trial", "Offer", FIRST + 3 * DAY), moved("b0000", "Trial", "Offer", FIRST - 118 * DAY)]
    given_ = tables(method, deals, moves)
    held = {name: KINDS[kind](rows, Deal if name == "deals" else Transition) for name, rows in given_.items()}
    here: dict[str, Any] = {"method": method, "as_of": MAY, "by": "owner_id", "tz": "Asia/Bangkok"}

    assert forecast(**held, **here) == forecast(**given_, **here)
    backwards = {name: rows[::-1] for name, rows in given_.items()}
    assert forecast(**backwards, **here) == forecast(**given_, **here)


def test_the_published_deals_are_forecast_as_by_hand(published: Path) -> None:
    deals = maven_deals(published)

    for as_of, (n, value, wins) in BY_HAND.items():
        measure = forecast(deals, as_of=as_of, method="competing_risks").only

        assert (measure.n, measure.excluded) == (n, {"no creation date": 500})
        assert (measure.value, measure.details["wins"]) == pytest.approx((value, wins), rel=1e-9)


def test_a_deal_is_judged_by_the_stage_that_it_was_at() -> None:
    won = [deal("won", id=f"w{n}", stage="Won", closed_at=FIRST + 9 * DAY) for n in range(30)]
    lost = [deal("lost", id=f"l{n}", stage="Lost", closed_at=FIRST + 9 * DAY) for n in range(30)]
    moves = [moved(each.id, "Trial", "Offer", FIRST + DAY, id=f"{each.id}-1") for each in won]
    moves += [moved(each.id, "Offer", "Won", FIRST + 9 * DAY, id=f"{each.id}-2") for each in won]
    moves += [moved(each.id, "Trial", "Lost", FIRST + 9 * DAY, id=f"{each.id}-1") for each in lost]
    here = [deal(id="d1", stage="Offer", amount=Money(1000, "PLN")), deal(id="d2", stage="Trial")]
    moves.append(moved("d1", "Trial", "Offer", FIRST + 20 * DAY, id="d1-1"))

    def brought(day: int, **options: Any) -> float | None:
        return forecast([*won, *lost, *here], transitions=moves, as_of=date(2025, 5, day), **options).value

    assert brought(31, method="stage_history") == 1000 + 50
    assert brought(20, method="stage_history") == 500 + 50
    # Everybody at Offer was won on the eighth day there. Of the 62 at Trial 30 were won on the ninth, and d2 is older than all
    # who are known, so it counts as one of the eighth.
    assert brought(22, method="competing_risks_by_stage") == pytest.approx(1000 + 100 * 30 / 62)


def test_what_was_won_and_reopened_was_not_open_then() -> None:
    reopened = deal(id="d1", stage="Offer")
    moves = [moved("d1", "Offer", "Won", FIRST + 5 * DAY, id="1"), moved("d1", "Won", "Offer", FIRST + 9 * DAY, id="2")]
    lost = deal("lost", id="d2", stage="Lost", closed_at=FIRST + DAY)
    moves.append(moved("d2", "Offer", "Lost", FIRST + DAY))

    def n_open(day: int) -> int:
        return forecast([reopened, lost], transitions=moves, method="stage_history", as_of=date(2025, 5, day)).only.n

    assert (n_open(5), n_open(6), n_open(9), n_open(10)) == (1, 0, 0, 1)


def test_errors_of_learned_chances_widen_the_interval() -> None:
    closed = [deal("won" if n % 2 else "lost", id=f"c{n}", stage="Closed") for n in range(100)]
    measure = forecast(
        [*closed, deal(id="d1")],
        transitions=[moved("d1", None, "Offer", FIRST)]
        + [moved(each.id, None, "Offer", FIRST, id=each.id) for each in closed],
        method="stage_history",
        as_of=MAY,
    ).only

    assert measure.value == 50
    assert measure.details["sd"] == pytest.approx(100 * sqrt(0.25 + 0.25 / 100))


def test_a_window_of_expected_closes_is_for_stages_alone() -> None:
    closed = [deal("won" if n % 2 else "lost", id=f"c{n}", stage="Closed") for n in range(40)]
    moves = [moved(each.id, None, "Offer", FIRST, id=each.id) for each in closed]
    rows = [
        deal(id="d1", expected_close_on=date(2025, 6, 1)),
        deal(id="d2", expected_close_on=date(2025, 7, 1)),
        deal(id="d3"),
    ]
    june: dict[str, Any] = {"start": date(2025, 6, 1), "end": date(2025, 7, 1), "as_of": MAY}
    result = forecast([*closed, *rows], transitions=moves, method="stage_history", **june)

    assert (result.value, result.only.excluded) == (50, {"no expected close": 1})
    assert result.explain(result.only)["numerator"] == ["d1"]
    with pytest.raises(InvalidInput, match="start= and end= are not for method='competing_risks'"):
        forecast(rows, method="competing_risks", **june)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"within_days": 30}, "^within_days= is not for method='weighted'"),
        ({"transitions": []}, "^transitions= is not for method='weighted'"),
        ({"method": "stage_history"}, "^method='stage_history' needs transitions="),
        (
            {"method": "stage_history", "transitions": [], "within_days": 30},
            "^within_days= is not for method='stage_history'",
        ),
        ({"method": "competing_risks", "transitions": []}, "^method='competing_risks' reads no transitions="),
        ({"method": "competing_risks", "within_days": 0}, "^within_days=0 is no window"),
        ({"method": "competing_risks", "stage_probabilities": {"Offer": 0.5}}, "^stage_probabilities= is not for"),
        ({"method": "competing_risks", "every": "month"}, "^every='month' is not for a forecast"),
    ],
)
def test_an_argument_that_a_method_does_not_take_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        forecast([], as_of=MAY, **options)


def test_without_anything_closed_there_is_nothing_to_learn_from_and_without_deals_nothing_to_expect() -> None:
    measure = forecast([deal()], as_of=MAY, method="competing_risks").only
    empty = forecast([], as_of=MAY, method="competing_risks").only

    assert (measure.value, measure.reason, measure.n) == (None, NOTHING, 0)
    assert (empty.value, empty.n, empty.details, empty.low) == (0, 0, {}, None)
    with pytest.raises(InvalidInput, match=r"column 'category' holds 'maybe' \(1 rows\)"):
        forecast(
            from_records([deal()], Deal).with_columns(category=pl.lit("maybe")), as_of=MAY, method="competing_risks"
        )


def test_a_young_business_is_told_that_nothing_is_known_of_later() -> None:
    deals = [deal("won", id="w"), deal(id="d")]
    young = "no deal has been seen for longer than 30 days, and nothing is expected from later"

    assert forecast(deals, as_of=MAY, method="competing_risks").only.warnings == (young,)
    assert forecast(deals, as_of=MAY, method="competing_risks", within_days=30).only.warnings == ()


def test_parts_of_the_deals_add_up_to_all() -> None:
    deals = business(60)
    whole = forecast(deals, as_of=date(2025, 1, 20), method="competing_risks")
    first, second = (
        forecast(part, as_of=date(2025, 1, 20), method="competing_risks") for part in (deals[:31], deals[31:])
    )

    assert first + second == whole
