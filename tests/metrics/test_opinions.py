"""Customer effort, customer satisfaction and the rate of responses: what customers say when they are asked."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import attrs
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmkit.errors import InvalidInput
from crmkit.metrics import MetricResult
from crmkit.metrics.opinions import customer_effort, customer_satisfaction, response_rate
from crmkit.model import SurveyResponse
from crmkit.rules import field
from crmkit.testing.strategies import simplest
from tests.examples import few
from tests.frames.kinds import KINDS
from tests.metrics.cases import AS_OF, customers, maybe
from tests.metrics.oracle import Asked, Fact, asked, check, share

MAY = date(2025, 5, 31)
NOON = datetime(2025, 5, 2, 12, tzinfo=UTC)
DAY, MICROSECOND = timedelta(days=1), timedelta(microseconds=1)
CES_COUNTS = (80, 210, 140, 110, 160, 180, 120)

Responses = list[SurveyResponse]


def _responses(kind: str, highest: int) -> st.SearchStrategy[Responses]:
    made = st.builds(
        SurveyResponse,
        id=st.uuids().map(str),
        kind=st.sampled_from([kind, kind, kind, "nps"]),
        scale_low=st.just(1),
        scale_high=st.just(highest),
        score=st.none() | st.integers(1, highest),
        sent_at=maybe,
        responded_at=maybe,
        ticket_id=st.sampled_from([None, "t1", "t2"]),
        customer_id=st.none() | customers,
    )
    return st.lists(made, max_size=10, unique_by=lambda each: each.id)


efforts, ratings = _responses("ces", 7), _responses("csat", 5)


def effort(score: int | None, **given_: Any) -> SurveyResponse:
    given_ = {"kind": "ces", "scale_low": 1, "scale_high": 7} | given_
    return simplest(SurveyResponse, **{"score": score, "responded_at": None if score is None else NOON} | given_)


def rating(score: int | None, **given_: Any) -> SurveyResponse:
    return effort(score, **{"kind": "csat", "scale_high": 5} | given_)


def scored(given_: Responses, asked_: Asked, kind: str, word: Callable[[int], str]) -> Iterator[tuple[Any, Fact]]:
    for each in given_:
        if each.kind != kind:
            continue
        group, at = asked_.group(each), each.responded_at
        if each.score is None or (at is not None and not asked_.is_known(at)):
            yield each, Fact(None, "unanswered", group)
        elif at is None:
            yield each, Fact(None, "answered without a date", group)
        else:
            yield each, Fact(at, word(each.score), group, each.score)


def mean(facts: list[Fact]) -> dict[str, Any]:
    total = sum(fact.worth for fact in facts)
    return {"value": total / len(facts) if facts else None, "numerator": total, "denominator": len(facts)}


def index(facts: list[Fact]) -> dict[str, Any]:
    net = sum(fact.worth >= 6 for fact in facts) - sum(fact.worth <= 3 for fact in facts)
    return {"value": 100 * net / len(facts) if facts else None, "numerator": net, "denominator": len(facts)}


@pytest.mark.parametrize(
    ("method", "finish"), [("mean", mean), ("top_box", lambda facts: share(facts, "easy")), ("index", index)]
)
@few
@given(efforts, asked(by="ticket_id"))
def test_effort_is_counted_over_every_answer(
    method: str, finish: Callable[[list[Fact]], dict[str, Any]], given_: Responses, asked_: Asked
) -> None:
    facts = [fact for _, fact in scored(given_, asked_, "ces", lambda score: "easy" if score >= 5 else "other")]

    check(customer_effort(given_, method=method, **asked_.options), facts, ["easy", "other"], asked_, finish)


def satisfied(score: int) -> str:
    return "satisfied" if score >= 4 else "not satisfied"


RATED = ["satisfied", "not satisfied"]


@pytest.mark.parametrize(("method", "finish"), [("all", lambda facts: share(facts, "satisfied")), ("mean", mean)])
@few
@given(ratings, asked(by="customer_id"))
def test_satisfaction_is_counted_over_every_rating_where_that_is_asked_for(
    method: str, finish: Callable[[list[Fact]], dict[str, Any]], given_: Responses, asked_: Asked
) -> None:
    facts = [fact for _, fact in scored(given_, asked_, "csat", satisfied)]

    check(customer_satisfaction(given_, method=method, **asked_.options), facts, RATED, asked_, finish)


def one_a_ticket(given_: Responses, asked_: Asked, *, latest: bool) -> Iterator[Fact]:
    rivals: dict[object, list[Fact]] = {}
    for each, fact in scored(given_, asked_, "csat", satisfied):
        if fact.at is None or each.ticket_id is None or not asked_.counts(fact.at):
            yield fact
        else:
            rivals.setdefault((each.ticket_id, asked_.period(fact.at), fact.group), []).append(fact)
    sign, other = (-1, "earlier answer") if latest else (1, "later answer")
    for facts in rivals.values():
        chosen, *others = sorted(facts, key=lambda fact: (sign * fact.at.timestamp() if fact.at else 0, fact.worth))
        yield chosen
        yield from (attrs.evolve(fact, outcome=other) for fact in others)


@pytest.mark.parametrize("method", ["latest", "first"])
@few
@given(ratings, asked(by="customer_id"))
def test_a_ticket_has_one_rating(method: str, given_: Responses, asked_: Asked) -> None:
    result = customer_satisfaction(given_, method=method, **asked_.options)
    facts = one_a_ticket(given_, asked_, latest=method == "latest")

    check(result, facts, RATED, asked_, lambda inside: share(inside, "satisfied"))


@few
@given(efforts, asked(by="kind"), st.sampled_from([None, 1, 30]))
def test_the_response_rate_is_the_share_of_questions_that_were_answered(
    given_: Responses, asked_: Asked, days: int | None
) -> None:
    facts = []
    for each in given_:
        sent, answered, until = each.sent_at, each.responded_at, timedelta(days=days or 0)
        if sent is None:
            outcome = "no date of asking"
        elif days and not asked_.is_known(sent + until):
            outcome = "still has time to answer"
        else:
            in_time = answered is None or (answered <= sent + until if days else asked_.is_known(answered))
            outcome = "answered" if each.score is not None and in_time else "not answered"
        facts.append(Fact(sent, outcome, asked_.group(each)))
    result = response_rate(given_, within_days=days, **asked_.options)

    check(result, facts, ["answered", "not answered"], asked_, lambda inside: share(inside, "answered"))


Ask = Callable[..., MetricResult]
ASKS: dict[str, tuple[Ask, st.SearchStrategy[Responses], dict[str, Any]]] = {
    **{f"effort-{method}": (customer_effort, efforts, {"method": method}) for method in ("mean", "top_box", "index")},
    **{f"satisfaction-{method}": (customer_satisfaction, ratings, {"method": method}) for method in ("latest", "mean")},
    "responses": (response_rate, efforts, {"within_days": 7}),
}
every_ask = pytest.mark.parametrize(("kpi", "strategy", "options"), ASKS.values(), ids=ASKS)


@every_ask
@few
@given(st.data())
def test_order_kind_of_data_and_time_after_as_of_are_irrelevant(
    kpi: Ask, strategy: st.SearchStrategy[Responses], options: dict[str, Any], data: st.DataObject
) -> None:
    given_ = data.draw(strategy)
    options = options | {"as_of": AS_OF, "every": "month", "by": "ticket_id", "tz": "Asia/Bangkok"}
    expected = kpi(given_, **options)
    later = [each.replace(id=f"later {each.id}", sent_at=_later(each.sent_at), responded_at=_later(each.responded_at))
             for each in data.draw(strategy) if each.responded_at and each.sent_at]  # fmt: skip
    kind = KINDS[data.draw(st.sampled_from(list(KINDS)))]

    assert kpi(data.draw(st.permutations(given_)), **options) == expected
    assert kpi(kind(given_, SurveyResponse), **options) == expected
    hidden = kpi([*given_, *later], **options | {"every": None, "by": None}).only
    assert hidden.value == kpi(given_, **options | {"every": None, "by": None}).value


def _later(at: datetime | None) -> datetime | None:
    return None if at is None else at + timedelta(weeks=52)


@every_ask
@few
@given(st.data())
def test_a_rule_filters_and_parts_add_up(
    kpi: Ask, strategy: st.SearchStrategy[Responses], options: dict[str, Any], data: st.DataObject
) -> None:
    given_ = data.draw(strategy)
    of_one = [each for each in given_ if each.ticket_id == "t1"]
    others = [each for each in given_ if each.ticket_id != "t1"]
    options = options | {"as_of": AS_OF, "every": "month"}

    assert kpi(given_, where=field("ticket_id") == "t1", **options) == kpi(of_one, **options)
    assert kpi(of_one, **options) + kpi(others, **options) == kpi(given_, **options)


def test_the_published_scores_of_effort() -> None:
    answers = [effort(score) for score, count in enumerate(CES_COUNTS, start=1) for _ in range(count)]
    measure = customer_effort(answers, as_of=MAY).only

    assert (measure.value, measure.unit, measure.numerator, measure.denominator) == (4.08, "score", 4080, 1000)
    assert measure.details == {"top_box": 0.46}
    assert measure.low is not None and measure.low < 4.08  # noqa: PT018
    assert customer_effort(answers, as_of=MAY, method="top_box").value == 0.46
    assert customer_effort(answers, as_of=MAY, method="index").value == pytest.approx(30 - 43)


def test_the_lowest_score_may_be_the_easiest() -> None:
    answers = [effort(score, scale_high=5) for score in (1, 1, 2, 5)]
    options: dict[str, Any] = {"as_of": MAY, "scale": (1, 5), "is_reversed": True}

    assert customer_effort(answers, **options).value == (5 + 5 + 4 + 1) / 4
    assert customer_effort(answers, method="top_box", **options).value == 0.75
    assert customer_effort(answers, method="index", **options).value == 50.0


def test_the_interval_of_a_mean_stays_on_the_scale() -> None:
    measure = customer_effort([effort(7), effort(7), effort(4)], as_of=MAY).only

    assert (measure.high, measure.value) == (7.0, 6.0)
    assert customer_effort([effort(7)], as_of=MAY).only.low is None


@pytest.mark.parametrize(
    ("scale", "good"), [((1, 2), {2}), ((1, 3), {3}), ((1, 5), {4, 5}), ((0, 10), {6, 7, 8, 9, 10})]
)
def test_satisfied_is_above_the_middle_of_the_scale(scale: tuple[int, int], good: set[int]) -> None:
    for score in range(scale[0], scale[1] + 1):
        given_ = [rating(score, scale_low=scale[0], scale_high=scale[1])]
        assert customer_satisfaction(given_, as_of=MAY, scale=scale).value == float(score in good)


def test_a_changed_rating_counts_as_the_customer_left_it() -> None:
    good, bad = rating(5, ticket_id="t1"), rating(1, ticket_id="t1", responded_at=NOON + DAY)

    assert customer_satisfaction([good, bad], as_of=MAY).value == 0.0
    assert customer_satisfaction([good, bad], as_of=MAY).only.excluded == {"earlier answer": 1}
    assert customer_satisfaction([good, bad], as_of=MAY, method="first").value == 1.0
    assert customer_satisfaction([good, bad], as_of=MAY, method="first").only.excluded == {"later answer": 1}
    assert customer_satisfaction([good, bad], as_of=NOON).value == 1.0


def test_offered_and_not_answered_is_no_rating() -> None:
    measure = customer_satisfaction([rating(5), rating(None)], as_of=MAY).only

    assert (measure.value, measure.excluded) == (1.0, {"unanswered": 1})


@pytest.mark.parametrize("kpi", [customer_effort, customer_satisfaction])
def test_nobody_answered_is_no_score(kpi: Ask) -> None:
    measure = kpi([], as_of=MAY).only

    assert (measure.value, measure.reason, measure.n, measure.details) == (None, "nobody answered", 0, {})


@pytest.mark.parametrize("kpi", [customer_effort, customer_satisfaction])
@pytest.mark.parametrize("score", [0, 8, 2.5, float("inf")])
def test_a_score_off_the_scale_is_an_error(kpi: Ask, score: float) -> None:
    frame = pl.DataFrame({"score": [score], "responded_at": [NOON], "ticket_id": ["t1"]}, strict=False)

    with pytest.raises(InvalidInput, match="column 'score' has 1 rows off the scale; give whole numbers from 1 to "):
        kpi(frame, as_of=MAY)


def test_scales_are_never_mixed() -> None:
    with pytest.raises(InvalidInput, match="column 'score' has 1 rows off the scale"):
        customer_effort([effort(5), effort(5, scale_high=5)], as_of=MAY)


@pytest.mark.parametrize("scale", [(1,), (5, 1), (1, 1), "1-7", 7, (1.0, 7.0), (False, True)])
def test_what_is_no_scale_is_refused(scale: Any) -> None:
    with pytest.raises(InvalidInput, match="^scale="):
        customer_effort([], as_of=MAY, scale=scale)


def test_the_index_is_for_scales_of_5_or_7_points() -> None:
    with pytest.raises(InvalidInput, match="^method='index' has no meaning on scale="):
        customer_effort([], as_of=MAY, method="index", scale=(0, 10))
    with pytest.raises(InvalidInput, match="^is_reversed="):
        customer_effort([], as_of=MAY, is_reversed="yes")  # type: ignore[arg-type]


def test_the_days_to_answer_have_an_end() -> None:
    def asked_(answered: datetime | None) -> SurveyResponse:
        return rating(5 if answered else None, sent_at=NOON, responded_at=answered)

    late, in_time = asked_(NOON + DAY + MICROSECOND), asked_(NOON + DAY)

    assert response_rate([late, in_time, asked_(None)], as_of=MAY).value == 2 / 3
    assert response_rate([late, in_time, asked_(None)], as_of=MAY, within_days=1).value == 1 / 3
    young = response_rate([in_time], as_of=NOON + DAY - MICROSECOND, within_days=1).only
    assert (young.value, young.reason, young.excluded) == (None, "nobody was asked", {"still has time to answer": 1})


@pytest.mark.parametrize("days", [0, -1, 1.5, True, "7"])
def test_days_are_a_whole_number(days: Any) -> None:
    with pytest.raises(InvalidInput, match="^within_days="):
        response_rate([], as_of=MAY, within_days=days)


def test_the_records_behind_a_measure_are_told() -> None:
    rows = [rating(5, id="a"), rating(2, id="b"), rating(None, id="c")]
    result = customer_satisfaction(rows, as_of=MAY)

    assert result.explain(result.only) == {"numerator": ["a"], "denominator": ["a", "b"], "unanswered": ["c"]}


@pytest.mark.parametrize("kpi", [customer_effort, customer_satisfaction, response_rate])
def test_a_missing_column_is_named(kpi: Ask) -> None:
    with pytest.raises(InvalidInput, match="the SurveyResponse data has no column 'score'"):
        kpi(pl.DataFrame({"responded_at": [NOON], "sent_at": [NOON], "ticket_id": ["t"]}), as_of=MAY)


def test_an_answer_is_in_the_month_of_the_business() -> None:
    late = rating(5, responded_at=datetime(2025, 4, 30, 17, tzinfo=UTC))

    months = [
        customer_satisfaction([late], as_of=MAY, every="month", tz=tz)[0].period for tz in ("UTC", "Asia/Bangkok")
    ]
    assert [month and month.label for month in months] == ["2025-04", "2025-05"]


def test_the_simulated_tickets_have_their_published_satisfaction(published: Path) -> None:
    frame = pl.read_csv(published / "support_tickets_simulated" / "customer_support_tickets.csv")
    at = pl.coalesce("resolved_date", "created_date").str.to_datetime(time_unit="us", time_zone="UTC", strict=False)
    columns = {"score": "csat_score", "responded_at": "rated_at"}
    frame = frame.with_columns(rated_at=at)

    share_ = customer_satisfaction(frame, as_of=date(2025, 12, 31), columns=columns).only
    average = customer_satisfaction(frame, as_of=date(2025, 12, 31), columns=columns, method="mean").only
    by_team = customer_satisfaction(frame, as_of=date(2025, 12, 31), columns=columns, method="mean", by="team")

    assert (share_.n, average.n) == (3724, 3724)
    assert share_.value == pytest.approx(0.3904403867, abs=1e-9)
    assert average.value == pytest.approx(2.969119227, abs=1e-9)
    (alpha,) = (each for each in by_team if each.group["team"] == "Team_Alpha")
    assert alpha.n == 943
    assert alpha.value == pytest.approx(3.032873807, abs=1e-9)


def test_the_satisfaction_of_telco_customers_is_the_published_one(published: Path) -> None:
    expected = json.loads((published / "expected" / "telco_status.json").read_text())
    counts = expected["satisfaction_distribution"]
    scores = [int(score) for score, count in counts.items() for _ in range(count)]
    frame = pl.DataFrame({"score": scores}).with_columns(responded_at=pl.lit(NOON))

    top_two = customer_satisfaction(frame, as_of=MAY, method="all").only
    average = customer_satisfaction(frame, as_of=MAY, method="mean").only
    assert top_two.value == pytest.approx(expected["csat_top2box_pct"] / 100, abs=1e-9)
    assert average.value == pytest.approx(expected["csat_mean"], abs=1e-9)
