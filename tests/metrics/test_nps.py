"""Net promoter score: promoters less detractors of those who answered."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import attrs
import polars as pl
import pytest
from hypothesis import given

from crmkit.errors import InvalidInput
from crmkit.metrics import nps
from crmkit.model import SurveyResponse
from crmkit.testing.strategies import simplest
from tests.metrics.cases import survey_responses
from tests.metrics.oracle import Asked, Fact, asked, check

MAY = date(2025, 5, 31)
NOON = datetime(2025, 5, 2, 12, tzinfo=UTC)
ANSWERS = ["promoter", "passive", "detractor"]


def response(score: int | None, **given_: Any) -> SurveyResponse:
    answered = None if score is None else NOON
    return simplest(SurveyResponse, **{"score": score, "responded_at": answered} | given_)


def answers(given_: list[SurveyResponse], asked_: Asked) -> Iterator[tuple[SurveyResponse, Fact]]:
    for each in given_:
        if each.kind != "nps":
            continue
        group, at = asked_.group(each), each.responded_at
        if each.score is None or (at is not None and not asked_.is_known(at)):
            yield each, Fact(None, "unanswered", group)
        elif at is None:
            yield each, Fact(None, "answered without a date", group)
        else:
            answer = "promoter" if each.score >= 9 else "detractor" if each.score <= 6 else "passive"
            yield each, Fact(at, answer, group, each.score)


def latest(given_: list[SurveyResponse], asked_: Asked) -> Iterator[Fact]:
    """Of the answers of a customer in a period and group the latest counts, of several at once the lowest."""
    rivals: dict[object, list[Fact]] = {}
    for each, fact in answers(given_, asked_):
        if fact.at is None or each.customer_id is None or not asked_.counts(fact.at):
            yield fact
        else:
            rivals.setdefault((each.customer_id, asked_.period(fact.at), fact.group), []).append(fact)
    for facts in rivals.values():
        chosen, *earlier = sorted(facts, key=lambda fact: (-fact.at.timestamp() if fact.at else 0, fact.worth))
        yield chosen
        yield from (attrs.evolve(fact, outcome="earlier answer") for fact in earlier)


def points(facts: list[Fact]) -> dict[str, Any]:
    net = sum({"promoter": 1, "detractor": -1}.get(fact.outcome, 0) for fact in facts)
    return {"value": 100 * net / len(facts) if facts else None, "numerator": net, "denominator": len(facts)}


@given(survey_responses, asked(by="ticket_id"))
def test_it_is_promoters_less_detractors_of_every_answer(given_: list[SurveyResponse], asked_: Asked) -> None:
    facts = [fact for _, fact in answers(given_, asked_)]

    check(nps(given_, method="all", **asked_.options), facts, ANSWERS, asked_, points)


@given(survey_responses, asked(by="ticket_id"))
def test_by_default_the_latest_answer_of_a_customer_counts(given_: list[SurveyResponse], asked_: Asked) -> None:
    check(nps(given_, **asked_.options), latest(given_, asked_), ANSWERS, asked_, points)


@pytest.mark.parametrize(
    ("counts", "value", "interval"),
    [
        ((70, 20, 10), 60, (46.999, 73.001)),
        ((500, 300, 200), 30, (25.159, 34.841)),
        ((1, 0, 99), -98, (-100, -94.0997)),
    ],
)
def test_the_published_numbers(counts: tuple[int, int, int], value: float, interval: tuple[float, float]) -> None:
    promoters, passives, detractors = counts
    rows = [response(10)] * promoters + [response(8)] * passives + [response(0)] * detractors
    measure = nps(rows, as_of=MAY).only

    assert measure.value == value
    assert (measure.low, measure.high) == pytest.approx(interval, abs=5e-4)
    assert measure.details == {"promoters": promoters, "passives": passives, "detractors": detractors}
    assert measure.warnings == ()


@pytest.mark.parametrize(("score", "value"), [(10, 100), (9, 100), (8, 0), (7, 0), (6, -100), (0, -100)])
def test_one_kind_of_answer_has_an_interval_without_width_and_a_warning(score: int, value: float) -> None:
    measure = nps([response(score)] * 10, as_of=MAY).only

    assert (measure.value, measure.low, measure.high) == (value, value, value)
    assert measure.warnings == ("all answers are of one kind, so the interval has no width",)
    assert nps([response(score)], as_of=MAY, ci=None).only.warnings == ()


def test_no_answer_is_not_a_score_of_0() -> None:
    measure = nps([response(None)] * 5, as_of=MAY).only

    assert (measure.value, measure.reason, measure.n) == (None, "nobody answered", 0)
    assert measure.excluded == {"unanswered": 5}
    assert nps([response(0)], as_of=MAY).value == -100


def test_an_answer_after_as_of_is_no_answer_yet() -> None:
    measure = nps([response(10), response(0, responded_at=datetime(2025, 6, 1, tzinfo=UTC))], as_of=MAY).only

    assert (measure.value, measure.excluded) == (100, {"unanswered": 1})


def test_an_answer_at_as_of_counts() -> None:
    assert nps([response(10)], as_of=NOON).value == 100
    assert nps([response(10)], as_of=NOON - timedelta(microseconds=1)).value is None


def test_the_latest_answer_of_a_customer_counts_in_each_period() -> None:
    rows = [
        response(10, customer_id="ann", responded_at=NOON - timedelta(days=30)),
        response(10, customer_id="ann"),
        response(0, customer_id="ann", responded_at=NOON + timedelta(hours=1)),
    ]

    assert [measure.value for measure in nps(rows, as_of=MAY, every="month")] == [100, -100]
    assert nps(rows, as_of=MAY).value == -100
    assert nps(rows, as_of=MAY).only.excluded == {"earlier answer": 2}


def test_of_several_answers_at_one_instant_the_lowest_counts_once() -> None:
    rows = [response(score, customer_id="ann") for score in (10, 3, 3, 8)]
    measure = nps(rows, as_of=MAY).only

    assert (measure.value, measure.n, measure.excluded) == (-100, 1, {"earlier answer": 3})


def test_answers_without_a_customer_all_count() -> None:
    assert nps([response(10), response(10), response(0)], as_of=MAY).only.n == 3


def test_answers_to_other_questions_do_not_count() -> None:
    other = response(1, kind="csat", scale_low=1, scale_high=5)

    assert nps([response(10), other], as_of=MAY).only.n == 1


def test_an_answer_on_another_scale_is_never_mixed_in() -> None:
    five_of_five = response(5, scale_low=1, scale_high=5)

    try:
        measure = nps([five_of_five], as_of=MAY).only
    except InvalidInput as refused:
        assert "scale" in str(refused)  # noqa: PT017 - refusing is one of two good answers
    else:
        assert (measure.n, sum(measure.excluded.values())) == (0, 1)


@pytest.mark.parametrize("score", [-1, 11, 9.5, float("inf")])
def test_a_score_off_the_scale_is_an_error_and_no_missing_answer(score: float) -> None:
    frame = pl.DataFrame({"score": [score], "responded_at": [NOON]})

    with pytest.raises(InvalidInput, match="column 'score' has 1 rows off the scale; give whole numbers from 0 to 10"):
        nps(frame, as_of=MAY, method="all")


def test_nan_is_an_unanswered_question() -> None:
    frame = pl.DataFrame({"score": [9.0, float("nan")], "responded_at": [NOON, NOON]})

    assert nps(frame, as_of=MAY, method="all").only.excluded == {"unanswered": 1}


@pytest.mark.parametrize("column", ["answer", "lowest"])
def test_a_column_to_group_by_may_have_a_name_that_is_used_inside(column: str) -> None:
    columns = {"score": [10, 0], "responded_at": [NOON, NOON], "customer_id": ["ann", "ben"], column: ["x", "y"]}

    assert [measure.value for measure in nps(pl.DataFrame(columns), as_of=MAY, by=column)] == [100.0, -100.0]


@pytest.mark.parametrize("by", ["score", "responded_at", "customer_id", "kind", "id"])
def test_any_column_may_be_grouped_by_even_one_that_is_counted_with(by: str) -> None:
    rows = [response(10, customer_id="ann"), response(9, customer_id="ben")]

    assert sum(measure.n for measure in nps(rows, as_of=MAY, by=by)) == 2


def test_the_sudzilla_survey_has_its_published_score(published: Path) -> None:
    path = published / "prepbench_preppindata" / "case_040" / "inputs" / "input_01.csv"
    frame = pl.read_csv(path).with_columns(pl.col("Timestamp").str.to_datetime("%m/%d/%Y %H:%M:%S", time_zone="UTC"))
    columns = {"score": "On a scale of 0-10, how would you rate Sudzilla?", "responded_at": "Timestamp"}
    measure = nps(frame, as_of=date(2019, 12, 31), method="all", columns=columns).only

    assert measure.value == pytest.approx(-35.8974359)
    assert measure.details == {"promoters": 8, "passives": 9, "detractors": 22}
