"""How good forecasts would have been: past moments, what was known then, and what came."""

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crmkit.errors import InvalidInput
from crmkit.metrics.forecast import forecast
from crmkit.metrics.forecast_backtest import forecast_backtest
from crmkit.model import Deal, Money, Pipeline, Stage, Transition
from tests.examples import few
from tests.frames.kinds import KINDS
from tests.metrics.cases import AS_OF, TZS
from tests.metrics.foreseeing import NO_AGE, business, foreseen, moved, sales, tables
from tests.metrics.oracle import Asked
from tests.metrics.selling import DAY, FIRST, deal, maven_deals

fewest = settings(few, max_examples=max(1, few.max_examples // 2))
MONTH_ENDS = [date(2024, 11, 30), date(2024, 12, 31), date(2025, 1, 31), date(2025, 2, 28), date(2025, 3, 31)]
GYM = Pipeline(id="gym", stages=[Stage("Trial", "open", 0.1), Stage("Offer", "open", 0.5)])
CLUB = Pipeline(id="club", stages=[Stage("Offer", "open", 0.6)])
SPRING = date(2025, 4, 30)


@pytest.mark.parametrize("method", NO_AGE)
@given(sales(), st.data())
@fewest
def test_every_forecast_is_the_one_of_its_time_and_is_held_against_what_came(
    method: str, sold: tuple[list[Deal], list[Transition]], data: st.DataObject
) -> None:
    deals, moves = sold[0] + business(data.draw(st.sampled_from([0, 25]))), sold[1]
    asked, days = Asked(tz=data.draw(st.sampled_from(TZS))), data.draw(st.sampled_from([10, 31]))
    begun = [asked.day(each.created_at) for each in deals if each.created_at and asked.is_known(each.created_at)]
    errors: list[float] = []
    won: list[float] = []
    excluded: dict[str, int] = {}
    n = 0
    for day in MONTH_ENDS:
        if day + timedelta(days=days) > AS_OF or not begun or day < min(begun):
            continue
        then = foreseen(method, deals, moves, attrs.evolve(asked, as_of=day), days)
        excluded = {each: excluded.get(each, 0) + then.excluded.get(each, 0) for each in {*excluded, *then.excluded}}
        if then.value is not None and then.deals:
            came = [each for each in then.deals if _came(each, day, days, asked)]
            won.append(sum(float(each.amount.amount) for each in came if each.amount))
            errors.append(then.value - won[-1])
            n += len(then.deals)
    measure = forecast_backtest(
        **tables(method, deals, moves), method=method, within_days=days, tz=asked.tz, as_of=AS_OF
    ).only

    assert (measure.n, measure.excluded) == (n, excluded)
    total = sum(abs(each) for each in errors)
    assert (measure.numerator, measure.denominator) == pytest.approx((total, sum(won)), abs=1e-9)
    assert measure.value == (pytest.approx(total / sum(won)) if sum(won) else None)
    if errors:
        assert measure.details["forecasts"] == len(errors)
        assert measure.details["forecast"] - measure.details["won"] == pytest.approx(sum(errors), abs=1e-9)
        assert ("mape" in measure.details) == all(won)
        assert 0 <= measure.details["coverage"] <= 1


def _came(each: Deal, day: date, days: int, asked: Asked) -> bool:
    closed = each.closed_at if each.category == "won" else None
    return closed is not None and asked.is_known(closed) and 0 < (asked.day(closed) - day).days <= days


def test_the_published_deals_were_forecast_a_third_too_high(published: Path) -> None:
    """In its first months the file has hardly any deal that was lost, so what was learned then was too good."""
    deals = maven_deals(published)
    months = forecast_backtest(deals, as_of=date(2017, 12, 31), every="month")
    june = next(each for each in months if each.period and each.period.label == "2017-06")
    whole = forecast_backtest(deals, as_of=date(2017, 12, 31)).only

    assert june.n == 1686
    assert june.details["forecast"] == pytest.approx(1456314.0048321777, rel=1e-9)
    assert june.details["won"] == 1421254
    judged = [each for each in months if each.details]
    assert [each.period.label for each in judged if each.period] == [f"2017-{month:02}" for month in range(3, 10)]
    assert whole.numerator == pytest.approx(sum(each.numerator or 0 for each in judged))
    assert (whole.denominator, whole.n) == (
        sum(each.denominator or 0 for each in judged),
        sum(each.n for each in judged),
    )
    assert whole.warnings == ("the data does not say the currency", UNTOLD)


UNTOLD = "5 forecasts could not be made, because no deal had been closed by then"


def test_bias_and_percentages_of_two_forecasts() -> None:
    """Half of the deals are won after 20 days, and of those open at the end of a month a third or two thirds."""
    closed = [deal("won" if n % 2 else "lost", id=f"c{n}", closed_at=FIRST + 20 * DAY) for n in range(40)]
    may = FIRST + 30 * DAY
    later = [
        deal("won" if n < won else "lost", id=f"{month}{n}", created_at=at, closed_at=at + 20 * DAY)
        for month, at, won in (("May", may, 10), ("June", may + 30 * DAY, 20))
        for n in range(30)
    ]
    measure = forecast_backtest([*closed, *later], within_days=30, as_of=date(2025, 9, 30)).only

    # On 31 May 20 of 40 had been won. By 30 June 30 of 70 had.
    first, second = 30 * 50.0, 30 * 100 * 30 / 70
    assert (measure.n, measure.details["forecasts"], measure.denominator) == (60, 2, 3000)
    assert measure.numerator == pytest.approx((first - 1000) + (2000 - second))
    assert measure.value == pytest.approx(((first - 1000) + (2000 - second)) / 3000)
    assert measure.details["bias"] == pytest.approx((first + second) / 3000 - 1)
    assert measure.details["mape"] == pytest.approx(((first - 1000) / 1000 + (2000 - second) / 2000) / 2)
    assert measure.details["coverage"] == 0.5


def test_a_business_that_stays_the_same_is_forecast_without_bias() -> None:
    measure = forecast_backtest(business(2000), snapshots="week", within_days=14, as_of=SPRING).only

    assert measure.details["forecasts"] == 15
    assert abs(measure.details["bias"]) < 0.05
    assert measure.details["coverage"] >= 0.8


def test_a_forecast_is_that_of_its_moment() -> None:
    deals = business(400)
    then = forecast(deals, as_of=date(2025, 1, 12), method="competing_risks", within_days=14).only
    window: dict[str, Any] = {"start": date(2025, 1, 6), "end": date(2025, 1, 13)}
    now = forecast_backtest(deals, snapshots="week", within_days=14, as_of=SPRING, **window).only

    assert (now.details["forecasts"], now.details["forecast"], now.n) == (1, then.value, then.n)


def test_a_moment_is_judged_once_all_its_days_are_over() -> None:
    deals = [deal("won", id="w", closed_at=FIRST + DAY), deal(id="d")]

    def n_judged(as_of: Any, tz: str = "UTC") -> float:
        measure = forecast_backtest(deals, within_days=10, as_of=as_of, tz=tz).only
        return measure.details.get("forecasts", 0)

    assert (n_judged(date(2025, 6, 9)), n_judged(date(2025, 6, 10))) == (0, 1)
    midnight = FIRST + 41 * DAY
    assert (n_judged(midnight - timedelta(microseconds=2)), n_judged(midnight - timedelta(microseconds=1))) == (0, 1)
    assert n_judged(midnight - timedelta(hours=7), tz="Asia/Bangkok") == 1
    assert n_judged(midnight - timedelta(hours=7)) == 0


def test_snapshots_lie_in_the_window_and_measures_in_periods() -> None:
    deals = business(400)
    whole = forecast_backtest(
        deals, snapshots="week", within_days=7, as_of=SPRING, every="month", start=date(2025, 1, 6)
    )

    assert [each.period.label for each in whole if each.period] == ["2025-01", "2025-02", "2025-03", "2025-04"]
    # Weeks end with Sundays: from 12 January to 20 April, seven days before the 27th.
    assert [each.details["forecasts"] for each in whole] == [3, 4, 5, 3]


def test_groups_are_forecast_from_what_is_known_of_all() -> None:
    deals = [each.replace(owner_id="anna" if number % 2 else "bo") for number, each in enumerate(business(400))]
    by_owner = forecast_backtest(deals, by="owner_id", within_days=14, as_of=SPRING)
    whole = forecast_backtest(deals, within_days=14, as_of=SPRING).only

    assert sum(each.details["forecast"] for each in by_owner) == pytest.approx(whole.details["forecast"])
    assert sum(each.n for each in by_owner) == whole.n
    anna = by_owner[0]
    assert set(by_owner.explain(anna)["numerator"]) <= {each.id for each in deals if each.owner_id == "anna"}


@pytest.mark.parametrize("method", NO_AGE)
@pytest.mark.parametrize("kind", ["pandas", "duckdb"])
def test_every_kind_of_data_has_the_same_answer_in_any_order(method: str, kind: str) -> None:
    deals = business(60)
    moves = [moved(each.id, "Trial", "Offer", each.created_at + DAY) for each in deals if each.created_at]
    given_ = tables(method, deals, moves)
    held = {name: KINDS[kind](rows[::-1], Deal if name == "deals" else Transition) for name, rows in given_.items()}
    here: dict[str, Any] = {"method": method, "within_days": 7, "as_of": SPRING, "by": "owner_id", "snapshots": "week"}

    assert forecast_backtest(**held, **here) == forecast_backtest(**given_, **here)


def test_parts_of_the_deals_add_up_to_all() -> None:
    deals = business(90)
    asked: dict[str, Any] = {"as_of": SPRING, "within_days": 7, "snapshots": "week"}
    parts = [deals[:31], deals[31:], []]
    first, second, nothing = (forecast_backtest(part, **asked) for part in parts)

    assert first + second + nothing == forecast_backtest(deals, **asked)


def test_nothing_to_judge_has_a_reason() -> None:
    nothing = forecast_backtest([], as_of=AS_OF).only
    young = forecast_backtest([deal(created_at=FIRST)], as_of=date(2025, 5, 31)).only
    unlearned = forecast_backtest([deal(created_at=FIRST)], as_of=date(2025, 12, 31)).only
    lost = forecast_backtest([deal("lost"), deal(id="d")], as_of=date(2025, 8, 31)).only

    assert (nothing.value, nothing.reason, nothing.n, nothing.denominator) == (
        None,
        "no forecast can be judged yet",
        0,
        0,
    )
    assert (young.value, young.reason, young.excluded) == (None, "no forecast can be judged yet", {})
    assert unlearned.reason == "no deal was closed that the chances could be learned from"
    assert (lost.value, lost.reason) == (None, "nothing was won of what was forecast")
    assert (lost.details["forecast"], "bias" in lost.details, "mape" in lost.details) == (0, False, False)
    without = forecast_backtest([deal("lost"), deal(id="d")], as_of=date(2025, 8, 31), ci=None).only
    assert "coverage" not in without.details


def test_given_probabilities_are_those_of_the_stage_that_a_deal_was_at() -> None:
    """On 31 May one deal is at Trial and one at Offer, which is won in June; the third has no history."""
    ends = FIRST + 45 * DAY
    deals = [
        deal(id="d1", stage="Trial"),
        deal("won", id="d2", stage="Won", closed_at=ends),
        deal("won", id="d3", closed_at=ends),
    ]
    moves = [moved("d2", "Trial", "Offer", FIRST + 9 * DAY), moved("d2", "Offer", "Won", ends)]
    asked: dict[str, Any] = {"transitions": moves, "within_days": 30, "method": "weighted", "as_of": date(2025, 7, 20)}
    measure = forecast_backtest(deals, stage_probabilities=[GYM], **asked).only
    offers = forecast_backtest(deals, stage_probabilities={"Offer": 0.5}, **asked).only

    assert (measure.numerator, measure.denominator, measure.details["forecast"]) == pytest.approx((40, 100, 60))
    assert (measure.n, measure.excluded) == (2, {"entry not known": 1})
    assert (offers.details["forecast"], offers.excluded) == (50, {"entry not known": 1, "no probability": 1})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"within_days": 0}, "^within_days=0 is no window"),
        ({"within_days": None}, "^within_days=None has no end"),
        ({"snapshots": None}, "^snapshots=None is not a kind of period"),
        ({"snapshots": "fortnight"}, "'fortnight' is not a kind of period"),
        ({"method": "with_won"}, "^method='with_won' is no definition of forecast_backtest"),
        ({"method": "weighted", "transitions": []}, "^method='weighted' needs stage_probabilities="),
        ({"stage_probabilities": {"Offer": 0.5}}, "^method='competing_risks' takes no stage_probabilities="),
        ({"method": "weighted", "transitions": [], "stage_probabilities": {"Offer": 50}}, "50 of 'Offer' is no share"),
        (
            {"method": "weighted", "transitions": [], "stage_probabilities": [GYM, CLUB]},
            "'Offer' has 0.5 and 0.6; give one pipeline",
        ),
        ({"method": "stage_history"}, "^method='stage_history' needs transitions="),
        ({"transitions": []}, "^method='competing_risks' reads no transitions="),
    ],
)
def test_a_bad_argument_is_refused_by_name(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        forecast_backtest([], as_of=AS_OF, **options)


def test_amounts_of_several_currencies_are_refused() -> None:
    deals = [deal("won"), deal(id="d1"), deal(id="d2", amount=Money(5, "EUR"))]

    with pytest.raises(InvalidInput, match="amounts in EUR, PLN cannot be added"):
        forecast_backtest(deals, as_of=date(2025, 12, 31))
