"""Bottlenecks: the stages at which the most is lost, or deals wait longest."""

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crmkit.errors import InvalidInput
from crmkit.frames import from_records
from crmkit.metrics.bottlenecks import bottlenecks
from crmkit.metrics.funnel import stage_conversion
from crmkit.metrics.result import Measure, MetricResult
from crmkit.model import Deal, Money, Transition
from crmkit.stats.histogram import Histogram
from crmkit.stats.survival import Lifetimes
from tests.examples import few
from tests.frames.kinds import KINDS
from tests.metrics.cases import AS_OF, amounts
from tests.metrics.selling import STAGES, History, histories, together, went

MAY = date(2025, 5, 31)
FIRST = datetime(2025, 5, 1, tzinfo=UTC)
DAY = timedelta(days=1)
METHODS = ["value", "deals", "days"]
every_method = pytest.mark.parametrize("method", METHODS)


def worth(amount: int | None) -> dict[str, Any]:
    return {"amount": None if amount is None else Money(amount, "PLN")}


TEN = together(
    *(went("Trial", "Offer", "Won", number=number, category="won", **worth(100)) for number in (1, 2)),
    *(went("Trial", "Offer", "Lost", number=number, category="lost", **worth(200)) for number in (3, 4, 5)),
    *(went("Trial", "Lost", number=number, category="lost", **worth(50)) for number in (6, 7)),
    went("Trial", "Offer", "Trial", "Won", number=8, category="won", **worth(100)),
    went("Trial", number=9, **worth(300)),
    went("Offer", number=10, **worth(None)),
)


def found(method: str = "value", **options: Any) -> dict[str, Measure]:
    asked: dict[str, Any] = {"stages": ["Trial", "Offer"], "as_of": MAY, "min_n": 0} | options
    return {each.group["stage"]: each for each in bottlenecks(**TEN, method=method, **asked)}


def test_details_say_what_became_of_the_deals_that_came() -> None:
    trial, offer = (found()[stage] for stage in ("Trial", "Offer"))

    assert (trial.n, offer.n) == (9, 7)
    assert {name: trial.details[name] for name in ("went_on", "lost", "open", "went_back", "old")} == {
        "went_on": 6,
        "lost": 2,
        "open": 1,
        "went_back": 0,
        "old": 1,
    }
    assert {name: offer.details[name] for name in ("went_on", "lost", "open", "went_back")} == {
        "went_on": 3,
        "lost": 3,
        "open": 1,
        "went_back": 1,
    }
    assert trial.details["win_rate_beyond"] == 3 / 6
    assert offer.details["win_rate_beyond"] == 1
    assert trial.details["loss_of_total"] == pytest.approx(2 / 5)


def test_the_loss_is_what_would_have_been_won_of_what_is_lost() -> None:
    # Everybody who left Trial did so after a day, and one is there still: 2 of 9 were lost.
    trial, offer = found()["Trial"], found()["Offer"]
    assert trial.details["lost_share"] == pytest.approx(2 / 9)
    assert trial.value == pytest.approx((3 * 100 + 3 * 200 + 2 * 50 + 300) * 2 / 9 * 3 / 6)
    assert (trial.unit, offer.unit) == ("PLN", "PLN")
    # Of seven at the offer five have left it after a day and another after two.
    assert offer.details["lost_share"] == pytest.approx(3 / 7)
    assert offer.value == pytest.approx((3 * 100 + 3 * 200) * 3 / 7)
    assert offer.warnings == ("1 of 7 deals have no amount and weigh nothing",)

    deals = found("deals")
    assert (deals["Trial"].value, deals["Offer"].value) == pytest.approx((9 * 2 / 9 * 3 / 6, 3))
    assert deals["Trial"].unit == "count"


def test_the_interval_is_that_of_the_share_lost() -> None:
    trial = found("deals")["Trial"]
    lasted = Lifetimes({"on": Histogram({24: 6}), "lost": Histogram({24: 2})}, Histogram({30 * 24: 1}))
    low, high = lasted.curve().incidence_interval("lost", 30 * 24, 0.95) or (None, None)

    assert low is not None
    assert high is not None
    assert (trial.low, trial.high) == pytest.approx((9 * low * 0.5, 9 * high * 0.5))
    assert (found("deals", ci=None)["Trial"].low, trial.details["lost_share_low"]) == (None, low)


def test_the_wait_counts_those_who_wait() -> None:
    trial, offer = found("days")["Trial"], found("days")["Offer"]

    assert (trial.value, trial.unit, offer.value, offer.details["median_days"]) == (1, "days", 1, 1)
    alone = bottlenecks(**together(went("Trial", number=1)), stages=["Trial"], method="days", as_of=MAY).only
    assert (alone.value, alone.n, alone.reason) == (None, 1, "fewer than half have gone on or been lost")


def test_the_worst_comes_first_unless_few_deals_came_to_it() -> None:
    assert list(found()) == ["Offer", "Trial"]
    assert list(found(min_n=8)) == ["Trial", "Offer"]
    assert list(found(stages=["Talk", "Trial"])) == ["Trial", "Talk"]
    assert found(min_n=8)["Offer"].warnings[-1] == "fewer than 8 deals came to the stage"


def test_the_win_rate_beyond_may_not_be_known() -> None:
    both = together(went("Trial", "Lost", number=1, category="lost", **worth(9)), went("Trial", "Offer", number=2))
    trial = bottlenecks(**both, stages=["Trial", "Offer"], method="deals", as_of=MAY)[0]

    assert (trial.value, trial.n, trial.reason) == (None, 2, "no deal that went on has been closed")
    assert "win_rate_beyond" not in trial.details


def test_currencies_are_not_mixed() -> None:
    both = together(went("Trial", number=1, **worth(9)), went("Trial", number=2, amount=Money(9, "EUR")))

    with pytest.raises(InvalidInput, match="amounts in EUR, PLN cannot be added"):
        bottlenecks(**both, stages=["Trial"], as_of=MAY)
    assert bottlenecks(**both, stages=["Trial"], as_of=MAY, method="deals").only.n == 2


def test_bad_input_is_named() -> None:
    nonsense: list[Any] = [-1, 2.5, True, "20"]
    for min_n in nonsense:
        with pytest.raises(InvalidInput, match="is no number of deals"):
            bottlenecks(**TEN, stages=STAGES, min_n=min_n, as_of=MAY)
    with pytest.raises(InvalidInput, match="the Deal data has no column 'amount'"):
        bottlenecks(deals=from_records([], Deal).drop("amount"), transitions=[], stages=STAGES, as_of=MAY)
    frame = from_records(TEN["deals"], Deal).drop("amount")
    assert bottlenecks(deals=frame, transitions=[], stages=["Won"], method="days", as_of=MAY).only.n


@pytest.mark.parametrize("kind", KINDS)
@every_method
def test_nothing_has_no_value_but_a_reason(kind: str, method: str) -> None:
    empty = {"deals": KINDS[kind]([], Deal), "transitions": KINDS[kind]([], Transition)}
    result = bottlenecks(**empty, stages=STAGES, method=method, as_of=MAY)

    assert [(each.value, each.n, each.reason, each.details) for each in result] == [
        (None, 0, "no deal came to the stage", {})
    ] * len(STAGES)


@given(histories())
@few
def test_it_counts_the_same_deals_as_the_standard_funnel(history: History) -> None:
    deals, transitions = history
    asked: dict[str, Any] = {"deals": deals, "transitions": transitions, "stages": STAGES, "as_of": AS_OF}
    funnel = {each.group["stage"]: each for each in stage_conversion(**asked, method="standard")}

    for each in bottlenecks(**asked, method="deals"):
        other = funnel[each.group["stage"]]
        assert (each.n, each.excluded) == (other.n, other.excluded)
        if each.n:
            assert (each.details["went_on"], each.details["lost"]) == (other.numerator, other.details["lost"])
            assert each.details["conversion"] + each.details["lost_share"] <= 1 + 1e-12
            if not each.details["open"]:
                assert each.details["conversion"] == pytest.approx(other.value)


def computed(deals: Any, ledger: Any, method: str) -> MetricResult:
    options: dict[str, Any] = {"as_of": AS_OF, "every": "month", "by": "owner_id", "tz": "Asia/Bangkok"}
    return bottlenecks(deals=deals, transitions=ledger, stages=STAGES, method=method, **options)


@every_method
@given(st.data())
@settings(few, max_examples=few.max_examples // 2)
def test_neither_order_nor_kind_nor_parts_change_anything(method: str, data: st.DataObject) -> None:
    drawn, ledger = data.draw(histories())
    deals = [each.replace(amount=data.draw(amounts)) for each in drawn]
    kind, cut = KINDS[data.draw(st.sampled_from(sorted(KINDS)))], data.draw(st.integers(0, 4))
    whole = computed(deals, ledger, method)

    assert computed(kind(deals[::-1], Deal), kind(ledger[::-1], Transition), method) == whole
    assert computed(deals[:cut], ledger, method) + computed(deals[cut:], ledger, method) == whole


def test_the_records_behind_a_stage_are_found() -> None:
    result = bottlenecks(**TEN, stages=["Trial", "Offer"], as_of=MAY, min_n=0)
    behind = result.explain(result[0])

    assert behind["numerator"] == ["d3", "d4", "d5"]
    assert Counter(behind["denominator"]) == Counter(f"d{number}" for number in (1, 2, 3, 4, 5, 8, 10))
