"""The customer base: churn, retention, growth, new and reactivated customers."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from itertools import count
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crmkit.errors import InvalidInput
from crmkit.frames import from_records
from crmkit.metrics import Measure, MetricResult
from crmkit.metrics.base import churn_rate, customer_growth, new_customers, reactivations, retention_rate
from crmkit.model import Money, Order, Subscription
from crmkit.rules import field
from crmkit.stats.periods import index_of, instant, period_of
from crmkit.testing.strategies import instants
from tests.examples import few
from tests.frames.kinds import KINDS

AS_OF = date(2025, 3, 31)
JAN, FEB, MAR = (datetime(2025, month, 1, tzinfo=UTC) for month in (1, 2, 3))
DAY, MICROSECOND = timedelta(days=1), timedelta(microseconds=1)
METHODS = ("start_cohort", "simple", "stripe", "average_base", "daily_sum")
ids = map(str, count())


def contract(customer: str | None, start: datetime | None, end: datetime | None = None, **more: Any) -> Subscription:
    category = "active" if end is None else "lapsed"
    given_: dict[str, Any] = {"id": next(ids), "plan": "Gym", "price": Money("99", "PLN"), "category": category} | more
    return Subscription(customer_id=customer or "?", started_at=start, ended_at=end, **given_)


moments = st.sampled_from([edge + shift for edge in (JAN, FEB, MAR) for shift in (-MICROSECOND, timedelta(), DAY / 5)])
moments |= instants(datetime(2024, 12, 20), datetime(2025, 4, 5), ("UTC",))
contracts = st.lists(
    st.builds(
        contract,
        st.sampled_from(["ann", "ben", "cid"]),
        st.none() | moments,
        st.none() | moments,
        plan=st.sampled_from(["Gym", "Pool"]),
        category=st.sampled_from(["active", "frozen", "lapsed", "trial"]),
    ),
    max_size=8,
)


def counts_of(given_: list[Subscription], start: datetime, end: datetime) -> dict[str, set[str]]:
    """Sets of customers, from the documentation alone: before `start`, before `end`, new, back and lost between."""
    paid = [
        (each.customer_id, each.started_at, each.ended_at)
        for each in given_
        if each.started_at is not None
        and each.category != "trial"
        and not (each.category == "lapsed" and each.ended_at is None)
        and not (each.ended_at is not None and each.ended_at <= each.started_at)
    ]

    def before(bound: datetime) -> set[str]:
        return {who for who, since, until in paid if since < bound and (until is None or until >= bound)}

    joined = {who for who, since, _ in paid if start <= since < end} - before(start)
    ever = {who for who, since, _ in paid if since < start}
    return {
        "start": before(start),
        "new": joined - ever,
        "reactivated": joined & ever,
        "lost": (before(start) | joined) - before(end),
        "end": before(end),
    }


def expected(given_: list[Subscription], start: datetime, end: datetime) -> dict[str, int]:
    return {name: len(who) for name, who in counts_of(given_, start, end).items()}


def series(given_: list[Subscription], every: Any, tz: str) -> Iterator[tuple[str, datetime, datetime]]:
    """The periods from the first start on, and their bounds, cut at the end of `AS_OF`."""
    now = instant(AS_OF, tz, "as_of", end_of_day=True)
    starts = [
        each.started_at
        for each in given_
        if each.started_at is not None
        and each.started_at <= now
        and counts_of([each], each.started_at, datetime.max.replace(tzinfo=UTC))["new"]
    ]
    if not starts:
        return
    day = min(starts)
    for index in range(local_index(day, every, tz), index_of(AS_OF, every) + 1):
        period = period_of(index, every)
        yield period.label, instant(period.start, tz, "start"), min(instant(period.end, tz, "end"), now + MICROSECOND)


def local_index(at: datetime, every: Any, tz: str) -> int:
    return index_of(at.astimezone(ZoneInfo(tz)).date(), every)


@few
@given(
    contracts,
    st.sampled_from(["week", "month", "quarter", "year"]),
    st.sampled_from(["UTC", "Asia/Bangkok", "America/New_York"]),
)
def test_each_period_has_the_customers_that_a_plain_reading_finds(
    given_: list[Subscription], every: str, tz: str
) -> None:
    result = customer_growth(given_, every=every, tz=tz, as_of=AS_OF)

    found = [(each.period and each.period.label, each.details) for each in result]
    assert found == [(label, expected(given_, start, end)) for label, start, end in series(given_, every, tz)]


@few
@given(contracts, st.sampled_from([None, "month"]))
def test_the_base_at_the_end_is_start_and_new_and_reactivated_without_lost(
    given_: list[Subscription], every: str | None
) -> None:
    for each in customer_growth(given_, every=every, as_of=AS_OF):
        base = each.details
        assert base["end"] == base["start"] + base["new"] + base["reactivated"] - base["lost"]


@few
@given(contracts)
def test_the_methods_divide_the_same_facts_differently(given_: list[Subscription]) -> None:
    facts = counts_of(given_, FEB, MAR)
    start, end, lost = len(facts["start"]), len(facts["end"]), len(facts["lost"])
    among_start = len(facts["start"] - facts["end"])
    touched = len(facts["start"] | facts["new"] | facts["reactivated"])
    wanted = {
        "start_cohort": (among_start, start),
        "simple": (lost, start),
        "stripe": (lost, touched),
        "average_base": (lost, (start + end) / 2),
    }

    for method, (part, whole) in wanted.items():
        measure = churn_rate(given_, method=method, start=FEB, end=MAR, as_of=AS_OF).only
        assert (measure.numerator, measure.denominator) == (part, whole)
        assert measure.value == (part / whole if whole else None)
        assert (measure.value is None) == (measure.reason is not None)


@few
@given(contracts)
def test_the_daily_sum_adds_the_churn_of_every_day(given_: list[Subscription]) -> None:
    total = Fraction()
    for number in range(28):
        day = counts_of(given_, FEB + number * DAY, FEB + (number + 1) * DAY)
        total += Fraction(len(day["start"] - day["end"]), len(day["start"])) if day["start"] else 0
    measure = churn_rate(given_, method="daily_sum", start=FEB, end=MAR, as_of=AS_OF).only

    assert (measure.value or 0) == pytest.approx(float(total), abs=1e-12)


@few
@given(contracts)
def test_churn_and_retention_are_one(given_: list[Subscription]) -> None:
    lost, kept = (metric(given_, every="month", as_of=AS_OF) for metric in (churn_rate, retention_rate))

    for a, b in zip(lost, kept, strict=True):
        assert (a.value is None) == (b.value is None)
        assert a.value is None or a.value + (b.value or 0) == pytest.approx(1)


@few
@given(st.data(), contracts)
def test_the_order_of_rows_is_irrelevant(data: st.DataObject, given_: list[Subscription]) -> None:
    for metric in (churn_rate, new_customers, reactivations):
        assert metric(data.draw(st.permutations(given_)), every="month", as_of=AS_OF) == metric(
            given_, every="month", as_of=AS_OF
        )


@few
@given(contracts, st.sampled_from([None, "month", "quarter"]), st.sampled_from(METHODS))
def test_parts_that_share_no_customer_add_up_to_the_whole(
    given_: list[Subscription], every: str | None, method: str
) -> None:
    def measured(rows: list[Subscription]) -> MetricResult:
        return churn_rate(rows, every=every, method=method, as_of=AS_OF, grace_days=3)

    parts = [[each for each in given_ if (each.customer_id == "ann") == is_ann] for is_ann in (True, False)]
    assert measured(parts[0]) + measured(parts[1]) == measured(given_)


@few
@given(contracts)
def test_groups_that_share_no_customer_add_up_to_the_total(given_: list[Subscription]) -> None:
    total = customer_growth(given_, every="month", as_of=AS_OF)
    groups = customer_growth(given_, every="month", by="customer_id", as_of=AS_OF)

    for whole in total:
        parts = [each.details for each in groups if each.period == whole.period]
        assert whole.details == {name: sum(part[name] for part in parts) for name in whole.details}


@few
@given(contracts, moments)
def test_what_happens_after_as_of_is_not_known(given_: list[Subscription], now: datetime) -> None:
    def as_known(each: Subscription) -> Subscription:
        if each.ended_at is None or each.ended_at <= now:
            return each
        return each.replace(ended_at=None, category="trial" if each.category == "trial" else "active")

    known = [as_known(each) for each in given_ if each.started_at is None or each.started_at <= now]
    for method in METHODS:
        asked: dict[str, Any] = {"method": method, "every": "month", "as_of": now}
        assert [each.value for each in churn_rate(given_, **asked)] == [
            each.value for each in churn_rate(known, **asked)
        ]


@few
@given(contracts)
def test_a_rule_keeps_the_contracts_for_which_it_holds(given_: list[Subscription]) -> None:
    kept = [each for each in given_ if each.plan == "Gym"]

    for metric in (churn_rate, new_customers):
        assert metric(given_, where=field("plan") == "Gym", every="month", as_of=AS_OF) == metric(
            kept, every="month", as_of=AS_OF
        )


@settings(max_examples=4)
@given(contracts, st.sampled_from(METHODS))
def test_the_digits_are_the_same_for_every_kind_of_data(given_: list[Subscription], method: str) -> None:
    asked: dict[str, Any] = {
        "every": "month",
        "by": "plan",
        "start": FEB,
        "method": method,
        "as_of": AS_OF,
        "grace_days": 2,
    }
    results = [churn_rate(made(given_, Subscription), **asked) for made in KINDS.values()]

    assert all(result == results[0] for result in results)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kpi_reads_every_kind_of_data(kind: str) -> None:
    for metric in (retention_rate, customer_growth, new_customers, reactivations):
        given_ = KINDS[kind](facts(), Subscription)
        assert metric(given_, every="month", as_of=AS_OF) == metric(facts(), every="month", as_of=AS_OF)


@few
@given(contracts, st.sampled_from([None, "month"]))
def test_new_customers_are_those_of_the_base(given_: list[Subscription], every: str | None) -> None:
    news = {each.period: each.value for each in new_customers(given_, every=every, as_of=AS_OF)}

    assert news == {each.period: each.details["new"] for each in customer_growth(given_, every=every, as_of=AS_OF)}


def facts() -> list[Subscription]:
    """100 customers at the start, 20 new, 11 lost of whom 1 joined in the period, 109 at the end."""
    old = [contract(f"old{number}", JAN, FEB + 9 * DAY if number < 10 else None) for number in range(100)]
    new = [contract(f"new{number}", FEB + DAY, FEB + 9 * DAY if number == 0 else None) for number in range(20)]
    return old + new


def february(rows: list[Subscription], metric: Callable[..., MetricResult] = churn_rate, **options: Any) -> Measure:
    return metric(rows, **{"start": FEB, "end": MAR, "as_of": AS_OF} | options).only


@pytest.mark.parametrize(
    ("method", "published"),
    [("start_cohort", 10 / 100), ("simple", 11 / 100), ("stripe", 11 / 120), ("average_base", 11 / 104.5)],
)
def test_the_same_facts_give_the_published_rates(method: str, published: float) -> None:
    assert february(facts(), method=method).value == published


def test_growth_and_retention_of_the_published_facts() -> None:
    growth = february(facts(), customer_growth)

    assert (growth.value, growth.numerator, growth.denominator) == (0.09, 9, 100)
    assert growth.details == {"start": 100, "new": 20, "reactivated": 0, "lost": 11, "end": 109}
    assert february(facts(), retention_rate).value == 0.90


def test_the_daily_sum_of_100_to_98_to_97_is_the_published_one() -> None:
    left = [FEB + DAY / 2] * 2 + [FEB + 3 * DAY / 2]
    rows = [contract(f"c{number}", JAN, left[number] if number < 3 else None) for number in range(100)]

    assert february(rows, method="daily_sum").value == pytest.approx(0.030204, abs=5e-7)


def test_the_interval_is_that_of_wilson_for_shares_of_customers_only() -> None:
    rows = [contract(f"c{number}", JAN, FEB + DAY if number < 5 else None) for number in range(50)]
    kept = february(rows, retention_rate)

    assert (kept.low, kept.high) == pytest.approx((0.7864, 0.9565), abs=5e-5)
    assert february(rows, method="simple").low is None
    assert february(rows, ci=None).low is None


def test_one_of_two_contracts_ended_is_no_churn_and_a_change_of_contract_neither() -> None:
    both = [
        contract("ann", JAN),
        contract("ann", JAN, FEB + DAY),
        contract("ben", JAN, FEB + DAY),
        contract("ben", FEB + DAY),
    ]

    assert february(both).value == 0
    assert february(both, customer_growth).details == {"start": 2, "new": 0, "reactivated": 0, "lost": 0, "end": 2}


def test_who_leaves_and_is_back_in_time_was_not_lost_and_later_is_reactivated() -> None:
    rows = [
        contract("ann", JAN, FEB + DAY),
        contract("ann", FEB + 9 * DAY),
        contract("ben", JAN, FEB + DAY),
        contract("ben", MAR),
    ]

    assert february(rows).numerator == 1
    assert [each.value for each in reactivations(rows, every="month", as_of=AS_OF)] == [0, 0, 1]


def test_a_customer_who_is_back_within_the_grace_never_left() -> None:
    rows = [contract("ann", JAN, FEB + 26 * DAY), contract("ann", MAR + DAY)]

    assert [february(rows, grace_days=days).value for days in (0, 2, 3)] == [1, 1, 0]
    assert [each.value for each in reactivations(rows, every="month", as_of=AS_OF, grace_days=3)] == [0, 0, 0]
    assert february(rows, grace_days=3, as_of=MAR).value == 1  # nobody knows yet that she comes back


def test_the_grace_does_not_bridge_customers_or_groups() -> None:
    rows = [
        contract("ann", JAN, FEB + DAY),
        contract("ann", FEB + 2 * DAY, plan="Pool"),
        contract("ben", FEB + 2 * DAY),
    ]
    frame = from_records(rows, Subscription).with_columns(
        plan=pl.when(pl.col("plan") == "Pool").then(pl.lit(None)).otherwise("plan")
    )

    by_plan = churn_rate(frame, by="plan", start=FEB, end=MAR, as_of=AS_OF, grace_days=5)
    assert [(each.group["plan"], each.value) for each in by_plan] == [("Gym", 1.0), (None, None)]
    assert february(rows, grace_days=5).value == 0


@pytest.mark.parametrize(
    ("tz", "month"), [("UTC", "2025-02"), ("America/New_York", "2025-01"), ("Asia/Bangkok", "2025-02")]
)
def test_a_contract_that_ends_at_midnight_ends_in_the_month_that_begins(tz: str, month: str) -> None:
    rows = [contract("ann", JAN - 9 * DAY, FEB), contract("ben", JAN - 9 * DAY)]
    result = churn_rate(rows, every="month", tz=tz, as_of=AS_OF)

    assert [each.period and each.period.label for each in result if each.numerator] == [month]


def test_a_contract_that_starts_at_midnight_starts_in_the_month_that_begins() -> None:
    assert [each.value for each in new_customers([contract("ann", FEB)], every="month", start=JAN, as_of=AS_OF)] == [
        0,
        1,
        0,
    ]
    assert february([contract("ann", FEB, FEB + DAY)], method="stripe").value == 1
    assert february([contract("ann", FEB, FEB + DAY)]).reason == "no customer was active at the start"


def test_what_as_of_includes_has_happened() -> None:
    rows = [contract("ann", JAN, FEB + DAY)]

    assert february(rows, as_of=FEB + DAY).value == 1
    assert february(rows, as_of=FEB + DAY - MICROSECOND).value == 0
    assert february(rows, as_of=FEB + DAY).partial


def test_what_covers_nothing_is_left_out_and_counted() -> None:
    rows = [
        contract("ann", JAN),
        contract("ben", None),
        contract("ben", JAN, category="trial"),
        contract("ben", JAN, category="lapsed"),
        contract("ben", FEB, JAN),
        contract("ben", FEB, FEB),
    ]
    reasons = {"no start date": 1, "trial": 1, "ended without a date": 1, "covers no time": 2}

    assert february(rows).excluded == reasons
    assert (february(rows).n, february(rows, new_customers).excluded) == (1, reasons)
    assert churn_rate(rows, every="month", as_of=AS_OF).excluded == reasons


def test_a_contract_of_nobody_is_left_out_and_a_table_may_lack_categories_and_ids() -> None:
    frame = pl.DataFrame({"who": ["ann", None], "started_at": [JAN, JAN], "ended_at": [FEB + DAY, None]})
    measure = churn_rate(frame, columns={"customer_id": "who"}, start=FEB, end=MAR, as_of=AS_OF).only

    assert (measure.value, measure.excluded) == (1, {"no customer": 1})


def test_behind_a_measure_stand_the_ids_of_customers_and_of_contracts_left_out() -> None:
    rows = [
        contract("ann", JAN),
        contract("ben", JAN, FEB + DAY),
        contract("cid", FEB + DAY),
        contract("dan", None, id="c7"),
    ]
    result = churn_rate(rows, start=FEB, end=MAR, as_of=AS_OF)

    assert result.explain(result.only) == {"numerator": ["ben"], "denominator": ["ann", "ben"], "no start date": ["c7"]}
    monthly = churn_rate(rows, every="month", as_of=AS_OF)
    assert monthly.explain(monthly[1]) == {"numerator": ["ben"], "denominator": ["ann", "ben"]}


@pytest.mark.parametrize("metric", [churn_rate, retention_rate, customer_growth, new_customers, reactivations])
@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_nobody(metric: Callable[..., MetricResult], kind: str) -> None:
    nothing = KINDS[kind]([], Subscription)
    measure = metric(nothing, as_of=AS_OF).only

    assert measure.n == 0
    assert measure.value == (0 if metric in {new_customers, reactivations} else None)
    assert (measure.value is None) == (measure.reason is not None)
    assert len(metric(KINDS[kind]([], Subscription), every="month", as_of=AS_OF)) == 0


def test_new_customers_by_order_are_those_who_buy_for_the_first_time() -> None:
    bought = {"ann": [JAN, FEB], "ben": [FEB, MAR], "cid": [MAR]}
    orders = [Order(customer_id=who, at=at, amount=Money("9", "PLN")) for who, days in bought.items() for at in days]
    orders += [
        Order(customer_id="ben", at=JAN, category="cancelled"),
        Order(customer_id="cid", at=FEB, amount=Money("-9", "PLN")),
        Order(at=JAN),
    ]
    result = new_customers(orders, method="order", every="month", as_of=AS_OF)

    assert [each.value for each in result] == [1, 1, 1]
    assert result.excluded == {"cancelled": 1, "no customer": 1, "refund": 1}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"grace_days": -1}, "^grace_days=-1"),
        ({"grace_days": "7"}, "^grace_days='7'"),
        ({"method": "net"}, "method='net' is no definition of churn_rate"),
    ],
)
def test_what_makes_no_sense_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        churn_rate([], as_of=AS_OF, **options)


def test_a_missing_column_and_an_unknown_category_are_refused_by_name() -> None:
    frame = from_records([contract("ann", JAN)], Subscription)

    for metric in (churn_rate, new_customers):
        with pytest.raises(InvalidInput, match="has no column 'ended_at'"):
            metric(frame.drop("ended_at"), as_of=AS_OF)
        with pytest.raises(InvalidInput, match="column 'category' holds 'gone' .1 rows."):
            metric(frame.with_columns(category=pl.lit("gone")), as_of=AS_OF)


@pytest.mark.parametrize("column", ["before", "after", "first_at", "is_first", "scope_bucket", "next_at"])
def test_a_column_to_group_by_may_have_a_name_that_is_used_inside(column: str) -> None:
    frame = from_records([contract("ann", JAN)], Subscription).with_columns(pl.lit("x").alias(column))
    measure = churn_rate(frame, start=FEB, as_of=AS_OF, by=column, grace_days=1).only

    assert (measure.group, measure.value) == ({column: "x"}, 0)


def test_the_playbook_has_the_customers_of_its_expected_months(published: Path) -> None:
    expected_ = read(published / "expected" / "mrr_playbook.json")
    frame = playbook(published)
    growth = customer_growth(frame, every="month", start=date(2018, 1, 1), as_of=date(2020, 2, 29))
    base = {each.period.label: each.details for each in growth if each.period}

    assert {label: int(details["end"]) for label, details in base.items()} == {
        label: month["active"] for label, month in expected_["by_month"].items()
    }
    for ours, theirs in (("new", "new"), ("reactivated", "reactivation"), ("lost", "churn")):
        found = {label: int(details[ours]) for label, details in base.items() if details[ours]}
        assert found == {label: each[theirs]["n"] for label, each in expected_["movements"].items() if theirs in each}


def test_telco_customers_churn_as_expected_by_contract_and_payment(published: Path) -> None:
    expected_ = read(published / "expected" / "telco.json")
    frame = telco(published)
    asked: dict[str, Any] = {"start": FEB, "end": MAR, "as_of": AS_OF}
    rate = churn_rate(frame, **asked).only

    assert (rate.numerator, rate.denominator) == (expected_["churned"], expected_["rows"])
    assert rate.value == pytest.approx(expected_["churn_rate"], rel=1e-9)
    assert retention_rate(frame, **asked).value == pytest.approx(expected_["retention_rate"], rel=1e-9)
    for by, name in (("Contract", "by_contract"), ("PaymentMethod", "by_payment"), ("InternetService", "by_internet")):
        found = {each.group[by]: (each.numerator, each.denominator) for each in churn_rate(frame, by=by, **asked)}
        assert found == {group: (each["churned"], each["n"]) for group, each in expected_[name].items()}


def test_the_first_buyers_of_each_month_are_those_expected(published: Path) -> None:
    expected_ = read(published / "expected" / "acquisition.json")
    orders = pl.read_csv(
        published / "acquisition" / "orders.csv", schema_overrides={"Uid": pl.String}, try_parse_dates=True
    )
    orders = orders.with_columns(pl.col("Buy Ts").dt.replace_time_zone("UTC"))
    names = {"customer_id": "Uid", "at": "Buy Ts", "amount": "Revenue"}
    result = new_customers(orders, method="order", every="month", columns=names, as_of=date(2017, 11, 30))

    assert {each.period.label: each.value for each in result if each.period} == expected_["new_buyers_by_month"]


def read(path: Path) -> Any:
    return json.loads(path.read_text())


def playbook(published: Path) -> pl.DataFrame:
    """The contracts of the playbook; each starts and ends at a midnight."""
    frame = pl.read_csv(published / "mrr_playbook" / "subscription_periods.csv", try_parse_dates=True)
    midnights = pl.col("start_date", "end_date").cast(pl.Datetime("us", "UTC"))
    return frame.with_columns(midnights).rename({"start_date": "started_at", "end_date": "ended_at"})


def telco(published: Path) -> pl.DataFrame:
    """All customers as active when the quarter began; those who churned left in it."""
    frame = pl.read_csv(published / "telco_churn" / "Telco-Customer-Churn.csv")
    left = pl.when(pl.col("Churn") == "Yes").then(pl.lit(FEB + DAY))
    return frame.with_columns(started_at=pl.lit(JAN), ended_at=left, customer_id="customerID")
