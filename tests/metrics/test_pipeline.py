"""The pipeline: its value, forecast and velocity, quotes accepted, and targets reached."""

import json
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import product
from math import prod, sqrt
from pathlib import Path
from statistics import fmean
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crmkit.errors import InvalidInput
from crmkit.frames import from_records
from crmkit.metrics.pipeline import (
    forecast,
    pipeline_value,
    pipeline_velocity,
    quote_acceptance,
    target_attainment,
)
from crmkit.metrics.result import Measure, MetricResult
from crmkit.model import Deal, Employee, Money, Pipeline, Quote, Stage, Target
from crmkit.rules import field
from crmkit.testing.strategies import simplest
from tests.examples import few
from tests.frames.kinds import KINDS
from tests.metrics.cases import AS_OF, amounts, maybe, owners
from tests.metrics.cases import deals as closing
from tests.metrics.oracle import Asked, Fact, asked, check, share

MAY = date(2025, 5, 31)
FIRST = datetime(2025, 5, 1, tzinfo=UTC)
DAY, MICROSECOND = timedelta(days=1), timedelta(microseconds=1)
fewest = settings(few, max_examples=few.max_examples // 3)  # for laws that are tried on all KPIs of this module at once


def deal(category: Any = "open", **given_: Any) -> Deal:
    closed = {"created_at": FIRST, "closed_at": None if category == "open" else FIRST + 10 * DAY}
    return simplest(Deal, **{"category": category, "stage": "Offer", "amount": Money(100, "PLN")} | closed | given_)


def paid(deals_: Iterable[Deal]) -> Decimal:
    return sum((each.amount.amount for each in deals_ if each.amount), start=Decimal())


def was_open(each: Deal, day: date, asked_: Asked) -> bool:
    is_there = each.created_at is None or asked_.day(each.created_at) <= day
    return is_there and (each.category == "open" or (each.closed_at is not None and asked_.day(each.closed_at) > day))


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


answers = st.sampled_from(["draft", "sent", "accepted", "declined", "expired", "withdrawn"])
quotes = st.lists(
    st.builds(
        Quote,
        id=st.uuids().map(str),
        category=answers,
        sent_at=maybe,
        decided_at=maybe,
        valid_until_on=st.sampled_from([None, date(2025, 2, 1), date(2025, 3, 31), date(2025, 6, 1)]),
        customer_id=owners,
    ),
    max_size=8,
)


def answer(each: Quote, asked_: Asked) -> str:
    is_over = each.valid_until_on is not None and each.valid_until_on < asked_.as_of
    if each.category in {"accepted", "declined"}:
        return "open" if each.decided_at and not asked_.is_known(each.decided_at) else each.category
    return "expired" if is_over or (each.category == "expired" and not each.valid_until_on) else "open"


@pytest.mark.parametrize("method", ["decided", "sent"])
@given(quotes, asked(by="customer_id"))
@few
def test_quotes_accepted_of_those_decided_or_sent(method: str, quotes_: list[Quote], asked_: Asked) -> None:
    if isinstance(asked_.as_of, datetime):
        asked_ = Asked(tz=asked_.tz, by=asked_.by, every=asked_.every)
    facts = []
    for each in quotes_:
        group = asked_.group(each)
        if each.sent_at is not None and not asked_.is_known(each.sent_at):
            continue
        if each.category == "draft":
            facts.append(Fact(None, "not sent", group))
        elif each.category == "withdrawn":
            facts.append(Fact(each.sent_at, "withdrawn", group))
        elif each.sent_at is None:
            facts.append(Fact(None, "sent without a date", group))
        else:
            facts.append(Fact(each.sent_at, answer(each, asked_), group))
    counted = ["accepted", "declined", "expired", *(["open"] if method == "sent" else [])]
    result = quote_acceptance(quotes_, method=method, **asked_.options)

    check(result, facts, counted, asked_, lambda inside: share(inside, "accepted"))


def test_a_quote_has_expired_on_the_day_after_its_last_in_the_time_zone() -> None:
    quote = Quote(category="sent", sent_at=FIRST, valid_until_on=date(2025, 5, 10))
    late = datetime(2025, 5, 10, 20, tzinfo=UTC)

    assert quote_acceptance([quote], as_of=late).only.excluded == {"open": 1}
    assert quote_acceptance([quote], as_of=late, tz="Asia/Bangkok").value == 0
    assert quote_acceptance([], as_of=late).only.reason == "no quote was decided"


def target(amount: int | None, month: int = 5, months: int = 1, **whose: Any) -> Target:
    starts, ends = date(2025, month, 1), date(2025, month + months, 1)
    value: dict[str, Any] = {
        "amount": amount if amount is None else Money(amount, "PLN"),
        "count": whose.pop("count", None),
    }
    return Target(metric=whose.pop("metric", "won_amount"), starts_on=starts, ends_on=ends, **value, **whose)


def attained(deals_: list[Deal], targets: list[Target], **options: Any) -> MetricResult:
    asked_: dict[str, Any] = {"as_of": MAY, "every": "month"} | options
    return target_attainment(deals=deals_, targets=targets, **asked_)


def sold(owner: str | None, amount: int, month: int = 5, **given_: Any) -> Deal:
    closed = datetime(2025, month, 10, tzinfo=UTC)
    return deal("won", owner_id=owner, amount=Money(amount, "PLN"), created_at=None, closed_at=closed, **given_)


def test_employees_are_measured_by_their_own_targets() -> None:
    rows = [sold("ann", 800), sold("ben", 50), sold("ben", 100), sold(None, 5), deal(owner_id="ann")]
    goals = [target(1000, owner_id="ann"), target(100, owner_id="ben"), target(70, owner_id="eve"), target(7, team="x")]
    found = {each.group["owner_id"]: each for each in attained(rows, goals, by="owner_id")}

    assert {name: each.value for name, each in found.items()} == {"ann": 0.8, "ben": 1.5, "eve": 0.0, None: None}
    assert (found["ben"].numerator, found["ben"].denominator, found["ben"].n) == (150, 100, 2)
    assert (found[None].reason, found[None].numerator, found[None].denominator) == ("no target", 5, 0)
    assert found["ann"].details == {"variance": -200.0, "elapsed": 1.0, "pace": 0.8}


def test_the_whole_is_no_mean_of_ratios_and_leaves_out_who_has_no_target() -> None:
    rows = [sold("ann", 800), sold("ben", 150), sold("cid", 5000)]
    measure = attained(rows, [target(1000, owner_id="ann"), target(100, owner_id="ben")]).only

    assert (measure.value, measure.numerator, measure.denominator) == (950 / 1100, 950, 1100)
    assert measure.excluded == {"owner without a target": 1}


def test_the_business_is_measured_by_its_own_target_where_it_has_one() -> None:
    rows = [sold("ann", 800), sold("cid", 1000)]

    assert attained(rows, [target(1000, owner_id="ann"), target(3600)]).value == 0.5


def test_teams_are_measured_by_their_own_targets() -> None:
    staff = [Employee(id="ann", name="A", team="north"), Employee(id="ben", name="B", team="north")]
    staff += [Employee(id="cid", name="C", team="south")]
    rows = [sold("ann", 10, id="d1"), sold("ben", 20, id="d2"), sold("cid", 30), sold("who", 40)]
    found = attained(rows, [target(60, team="north")], by="team", employees=staff)

    assert [(each.group["team"], each.value) for each in found] == [("north", 0.5), ("south", None), (None, None)]
    assert found.explain(found[0])["numerator"] == ["d1", "d2"]
    with pytest.raises(InvalidInput, match="by='team' needs the teams of employees"):
        attained(rows, [], by="team")


def test_a_quarter_is_the_sum_of_its_months_if_all_are_there() -> None:
    rows = [sold("ann", 60, month) for month in (4, 5)]
    months = [target(100, month) for month in (4, 5, 6)]

    assert attained(rows, months, every="quarter").value == 0.4
    assert attained(rows, months[:2], every="quarter").only.reason == "no target"
    assert attained(rows, [*months, target(240, 4, 3)], every="quarter").value == 0.5
    assert [each.value for each in attained(rows, [target(240, 4, 3)])] == [None, None]
    window: dict[str, Any] = {"every": None, "start": date(2025, 4, 1), "end": date(2025, 7, 1)}
    assert attained(rows, months, **window).value == 0.4


def test_pace_is_attainment_over_the_days_that_have_passed() -> None:
    measure = attained([sold("ann", 50)], [target(100)], as_of=date(2025, 5, 10)).only

    assert measure.partial
    assert measure.details == {"variance": -50.0, "elapsed": 10 / 31, "pace": pytest.approx(0.5 * 31 / 10)}


def test_deals_may_be_counted_instead() -> None:
    goals = [target(None, count=4, metric="won_deals"), target(1000)]

    measure = attained([sold("ann", 5), sold("ben", 5), deal("lost")], goals, method="count").only
    assert (measure.value, measure.unit, measure.numerator, measure.denominator) == (0.5, "share", 2, 4)


def test_nothing_to_reach_is_no_value() -> None:
    assert attained([sold("ann", 5)], [target(0)]).only.reason == "the target is 0"
    assert attained([sold("ann", 5)], []).only.reason == "no target"
    assert list(attained([], [])) == []
    assert attained([], [target(5)], start=date(2025, 5, 1)).value == 0


def test_targets_that_cannot_be_used_are_refused() -> None:
    with pytest.raises(InvalidInput, match="the business has 2 targets from 2025-05-01 until 2025-06-01; give one"):
        attained([], [target(5), target(6)])
    with pytest.raises(InvalidInput, match="amounts in PLN, THB cannot be added"):
        attained([sold("ann", 5).replace(amount=Money(5, "THB"))], [target(5)])
    with pytest.raises(InvalidInput, match="a target is for a period; give start= and end="):
        attained([], [], every=None)
    with pytest.raises(InvalidInput, match="by='source' has no targets; there are 'owner_id', 'team'"):
        attained([], [], by="source")


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


def test_the_maven_pipeline_has_its_published_figures(published: Path) -> None:
    expected = json.loads((published / "expected" / "maven_crm.json").read_text())
    prices = pl.read_csv(published / "maven_crm" / "products.csv")
    frame = (
        pl.read_csv(published / "maven_crm" / "sales_pipeline.csv")
        .with_columns(pl.col("product").replace("GTXPro", "GTX Pro"))
        .join(prices, on="product", how="left")
        .with_columns(
            pl.col("engage_date", "close_date").str.to_datetime("%m/%d/%Y", time_zone="UTC"),
            pl.coalesce("close_value", "sales_price").alias("amount"),
            category=pl.col("deal_stage").replace_strict(
                {"Won": "won", "Lost": "lost", "Engaging": "open", "Prospecting": "open"}
            ),
        )
    )
    columns = {"created_at": "engage_date", "closed_at": "close_date", "stage": "deal_stage", "owner_id": "sales_agent"}
    options: dict[str, Any] = {"as_of": date(2018, 1, 1), "columns": columns}
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
    quarters = target_attainment(
        deals=frame.rename({found: name for name, found in columns.items()}),
        targets=[
            Target(metric="won_amount", starts_on=date(2017, month, 1), ends_on=ends, amount=Money(3_000_000, "USD"))
            for month, ends in (
                (1, date(2017, 4, 1)),
                (4, date(2017, 7, 1)),
                (7, date(2017, 10, 1)),
                (10, date(2018, 1, 1)),
            )
        ],
        every="quarter",
        end=date(2018, 1, 1),
        as_of=date(2018, 1, 1),
    )
    revenue = expected["revenue_by_close_quarter"]
    assert [(each.numerator, each.n) for each in quarters] == [
        (one["revenue"], one["deals"]) for one in revenue.values()
    ]
    assert quarters[0].value == pytest.approx(revenue["2017Q1"]["revenue"] / 3e6, abs=1e-9)
