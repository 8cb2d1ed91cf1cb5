"""Renewals: terms that were due, by the day on which they ended, and what followed them."""

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import attrs
import duckdb
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmkit.errors import InvalidInput
from crmkit.frames import from_records
from crmkit.metrics.renewals import (
    freeze_share,
    package_balance,
    package_expiry,
    renewal_rate,
    touch_effectiveness,
)
from crmkit.metrics.result import Measure, MetricResult
from crmkit.model import Interaction, Money, Package, Record, Subscription, Transition, Usage
from crmkit.model.billing import renew
from crmkit.model.package import balance
from crmkit.rules import field
from crmkit.testing.strategies import simplest
from tests.examples import few
from tests.frames.kinds import KINDS
from tests.metrics.cases import AS_OF, maybe, moments, owners
from tests.metrics.oracle import Asked, Fact, asked, check, share

MAY = date(2025, 5, 31)
DUE = date(2025, 5, 10)
DAY = timedelta(days=1)
METHODS = ("logo", "gross", "net")

ids = [f"s{number}" for number in range(5)]
days = st.dates(date(2024, 12, 25), date(2025, 4, 10)) | st.sampled_from([date(2025, 2, 1), date(2025, 3, 31)])
subscriptions = st.lists(
    st.builds(
        Subscription,
        id=st.sampled_from(ids),
        customer_id=st.sampled_from(["ann", "ben", "cid"]),
        plan=st.sampled_from(["Gym", "Pool"]),
        price=st.sampled_from([Money(each, "PLN") for each in ("0", "9.99", "100")]),
        billing_months=st.sampled_from([1, 5, 12]),
        owner_id=owners,
        started_at=maybe,
        term_ends_on=st.none() | days,
        won_back_from_id=st.sampled_from([None, *ids]),
    ),
    max_size=5,
    unique_by=lambda each: each.id,
)
transitions = st.lists(
    st.builds(
        Transition,
        subject=st.sampled_from(["Subscription", "Subscription", "Deal"]),
        subject_id=st.sampled_from([*ids, "gone"]),
        field=st.sampled_from(["term_ends_on", "term_ends_on", "plan"]),
        before=days.map(str),
        after=st.just("x"),
        at=moments,
    ),
    max_size=8,
)
Given = tuple[list[Subscription], list[Transition]]
facts = st.tuples(subscriptions, transitions)


@attrs.frozen
class Term:
    """A term as the oracle sees it: when it was due, how it went on, and what it was and is worth."""

    subscription: Subscription
    due: date | None
    outcome: str
    worth: int = 0
    followed: int = 0
    is_repriced: bool = False
    began: tuple[date, ...] = ()


def yearly(subscription: Subscription) -> int:
    return int(subscription.price.amount * 120_000) // subscription.billing_months


def terms(given_: Given, asked_: Asked, grace: int = 0) -> Iterator[Term]:
    known = [each for each in given_[0] if each.started_at is None or asked_.is_known(each.started_at)]
    own = [each for each in given_[1] if each.subject == "Subscription"]
    for each in known:
        mine = [change for change in own if change.subject_id == each.id]
        plans = [change.at for change in mine if change.field == "plan" and asked_.is_known(change.at)]
        for change in mine:
            if change.field == "term_ends_on":
                due, happened = date.fromisoformat(change.before or ""), asked_.is_known(change.at)
                began: tuple[date, ...] = (asked_.day(change.at),) if happened else ()
                outcome = judged(due, began, asked_, grace)
                is_repriced = outcome == "renewed" and any(plan >= change.at for plan in plans)
                yield Term(each, due, outcome, yearly(each), yearly(each), is_repriced, began)
        due_ = each.term_ends_on
        if due_ is None:
            yield Term(each, None, "no term")
            continue
        started = [(asked_.day(it.started_at), it) for it in known if it.started_at and it.won_back_from_id == each.id]
        followed = sum(yearly(it) for day, it in started if day <= due_ + grace * DAY)
        began = tuple(day for day, _ in started if day <= due_ + grace * DAY)
        yield Term(each, due_, judged(due_, began, asked_, grace), yearly(each), followed, began=began)


def judged(due: date, renewed: tuple[date, ...], asked_: Asked, grace: int) -> str:
    last = due + grace * DAY
    if any(day <= last for day in renewed):
        return "renewed"
    if isinstance(asked_.as_of, datetime):
        return "open" if last >= asked_.day(asked_.as_of) else "not renewed"
    return "open" if last > asked_.as_of else "not renewed"


def as_fact(term: Term, asked_: Asked, outcome: str | None = None, worth: Any = 0) -> Fact:
    at = None if term.due is None else datetime.combine(term.due, time.min, ZoneInfo(asked_.tz))
    return Fact(at, outcome or term.outcome, asked_.group(term.subscription), worth)


def measured(given_: Given, **options: Any) -> MetricResult:
    return renewal_rate(subscriptions=given_[0], transitions=given_[1], **{"as_of": date(2025, 3, 31)} | options)


@few
@given(facts, asked(by="owner_id"), st.sampled_from([0, 1, 30]))
def test_it_is_terms_renewed_of_terms_due_by_the_day_on_which_they_end(
    given_: Given, asked_: Asked, grace: int
) -> None:
    result = measured(given_, grace_days=grace, **asked_.options)
    expected = [as_fact(term, asked_) for term in terms(given_, asked_, grace)]

    check(result, expected, ["renewed", "not renewed"], asked_, lambda inside: share(inside, "renewed"))


@few
@given(facts, asked(by="owner_id"), st.sampled_from(["gross", "net"]))
def test_amounts_are_those_kept_of_those_due(given_: Given, asked_: Asked, method: str) -> None:
    expected = []
    for term in terms(given_, asked_):
        kept = term.followed if method == "net" else min(term.followed, term.worth)
        worth = (term.worth, kept if term.outcome == "renewed" else 0)
        expected.append(as_fact(term, asked_, "renewed before its plan changed" if term.is_repriced else None, worth))

    def finish(inside: list[Fact]) -> dict[str, Any]:
        due, kept = (sum(fact.worth[part] for fact in inside) for part in (0, 1))
        return {"value": kept / due if due else None, "numerator": kept / 10_000, "denominator": due / 10_000}

    check(measured(given_, method=method, **asked_.options), expected, ["renewed", "not renewed"], asked_, finish)


@few
@given(facts, st.data(), st.sampled_from(METHODS))
def test_neither_the_order_of_rows_nor_the_kind_of_data_matters(
    given_: Given, data: st.DataObject, method: str
) -> None:
    kind = KINDS[data.draw(st.sampled_from(list(KINDS)))]
    shuffled = [data.draw(st.permutations(rows)) for rows in given_]
    options = {"method": method, "every": "month", "by": "owner_id", "tz": "Asia/Bangkok"}
    other = measured((kind(shuffled[0], Subscription), kind(shuffled[1], Transition)), **options)

    assert other == measured(given_, **options)


@few
@given(facts, st.sampled_from(METHODS))
def test_parts_without_a_common_customer_and_groups_add_up(given_: Given, method: str) -> None:
    others = [each.replace(id=f"x{each.id}", won_back_from_id=None) for each in given_[0]]
    whole = measured(([*given_[0], *others], given_[1]), method=method)
    groups = measured(given_, method=method, by="owner_id")

    assert measured(given_, method=method) + measured((others, []), method=method) == whole
    assert sum(each.n for each in groups) == measured(given_, method=method).only.n


@few
@given(facts, st.sampled_from(METHODS))
def test_a_rule_is_the_same_as_leaving_subscriptions_out(given_: Given, method: str) -> None:
    left = [each for each in given_[0] if each.plan == "Gym"]

    assert measured(given_, method=method, where=field("plan") == "Gym") == measured((left, given_[1]), method=method)


def gym(id_: str = "s1", **given_: Any) -> Subscription:
    usual = {"price": Money(100, "PLN"), "term_ends_on": DUE, "term_months": 1, "category": "active"}
    return simplest(Subscription, id=id_, **usual | given_)


def in_may(*rows: Subscription, moves: list[Transition] | None = None, **options: Any) -> Measure:
    return measured((list(rows), moves or []), **{"as_of": MAY} | options).only


def test_50_due_and_45_renewed_are_nine_tenths_with_the_published_interval() -> None:
    made = [renew(gym(f"s{number}"), DUE, at=datetime(2025, 5, 9, tzinfo=UTC)) for number in range(45)]
    left = [gym(f"s{number}") for number in range(45, 50)]
    measure = in_may(*(after for after, _ in made), *left, moves=[move for _, move in made])

    assert (measure.value, measure.numerator, measure.denominator, measure.n) == (0.9, 45, 50, 50)
    assert (measure.low, measure.high) == pytest.approx((0.7864, 0.9565), abs=5e-5)


def test_real_contracts_have_the_published_renewal_rates(published: Path) -> None:
    expected = json.loads((published / "expected" / "sbg_highend.json").read_text())["observed_retention"]
    losses = pl.read_csv(published / "sbg" / "highend_losses_of_1000.csv")["customers_lost"].to_list()
    years = [year for year, lost in enumerate(losses) for _ in range(lost)]
    years += [len(losses)] * (1000 - len(years))
    contracts = [gym(f"s{number}", term_ends_on=date(2001 + year, 1, 1)) for number, year in enumerate(years)]
    renewals = [
        simplest(
            Transition,
            subject="Subscription",
            subject_id=f"s{number}",
            field="term_ends_on",
            before=f"{2001 + each}-01-01",
            at=datetime(2000 + each, 12, 1, tzinfo=UTC),
        )
        for number, year in enumerate(years)
        for each in range(year)
    ]
    by_year = measured((contracts, renewals), as_of=date(2000 + len(losses), 12, 31), every="year")

    assert [each.value for each in by_year] == pytest.approx(list(expected.values()), abs=1e-9)


def test_an_early_renewal_counts_when_the_term_was_due() -> None:
    after, move = renew(gym(), date(2025, 3, 2), at=datetime(2025, 3, 2, tzinfo=UTC))
    by_month = measured(([after], [move]), as_of=MAY, every="month", start=date(2025, 3, 1))

    assert [(each.value, each.n) for each in by_month] == [(None, 0), (None, 0), (1.0, 1)]


@pytest.mark.parametrize(("started", "grace", "value"), [(0, 0, 1), (1, 0, 0), (1, 1, 1), (8, 7, 0), (-5, 0, 1)])
def test_another_subscription_renews_it_within_the_grace(started: int, grace: int, value: float) -> None:
    at = datetime.combine(DUE + started * DAY, time.min, UTC)
    new = gym("s2", started_at=at, term_ends_on=None, won_back_from_id="s1")

    assert in_may(gym(), new, grace_days=grace).value == value


def test_a_term_is_open_until_its_grace_is_over() -> None:
    assert in_may(gym(), as_of=DUE - DAY).excluded == {}
    assert in_may(gym(), as_of=datetime(2025, 5, 10, 12, tzinfo=UTC)).excluded == {"open": 1}
    assert in_may(gym(), as_of=DUE).value == 0
    assert in_may(gym(), as_of=date(2025, 5, 16), grace_days=7).excluded == {"open": 1}
    assert in_may(gym(), as_of=date(2025, 5, 17), grace_days=7).value == 0


def test_a_renewal_after_as_of_has_not_happened_but_its_term_was_due() -> None:
    after, move = renew(gym(), DUE + 5 * DAY, at=datetime(2025, 5, 15, tzinfo=UTC), grace_days=7)

    assert in_may(after, moves=[move], as_of=date(2025, 5, 14), grace_days=7).excluded == {"open": 1}
    assert in_may(after, moves=[move], as_of=date(2025, 5, 14)).value == 0
    assert in_may(after, moves=[move], grace_days=7).value == 1


@pytest.mark.parametrize("before", [None, "10.05.2025", ""])
def test_a_renewal_from_a_day_that_nobody_can_read_is_left_out_and_counted(before: str | None) -> None:
    _, move = renew(gym(), DUE, at=datetime(2025, 5, 9, tzinfo=UTC))
    frame = from_records([move, move.replace(field="plan")], Transition).with_columns(before=pl.lit(before, pl.String))

    for table in (frame, frame.lazy(), duckdb.from_arrow(frame.to_arrow())):
        subscriptions_ = KINDS["duckdb" if not isinstance(table, pl.DataFrame | pl.LazyFrame) else "lazy"](
            [gym()], Subscription
        )
        measure = renewal_rate(subscriptions=subscriptions_, transitions=table, as_of=MAY).only
        assert (measure.n, measure.excluded) == (1, {"renewed from an unknown day": 1})


@pytest.mark.parametrize("kind", KINDS)
def test_no_data_of_any_kind_is_nothing(kind: str) -> None:
    def empty(cls: type[Record]) -> Any:
        return KINDS[kind]([], cls)

    for method in METHODS:
        measure = measured((empty(Subscription), empty(Transition)), method=method).only
        assert (measure.value, measure.n, measure.excluded, measure.warnings) == (None, 0, {}, ())
    assert touched((empty(Subscription), empty(Transition)), empty(Interaction)).only.n == 0
    assert freeze_share(empty(Subscription), as_of=MAY).only.n == 0
    for kpi in (package_balance, package_expiry):
        assert kpi(packages=empty(Package), usages=empty(Usage), as_of=MAY).only.n == 0


def test_the_records_behind_a_touch_and_a_balance_are_found() -> None:
    rows, touches_ = called(3, 1, 0, "Gym", "phone")
    result = touched(rows, touches_, as_of=MAY)
    left = package_balance(packages=[Package(id="p1", customer_id="ann", units=10)], usages=[], as_of=MAY)

    assert result.explain(result.only) == {"numerator": ["s0"], "denominator": ["s0", "s1", "s2"]}
    assert left.explain(left.only) == {"numerator": ["p1"], "denominator": ["p1"]}


@pytest.mark.parametrize(("price", "gross", "net"), [("150", 1.0, 1.25), ("40", 0.7, 0.7), ("100", 1.0, 1.0)])
def test_gross_does_not_count_what_was_added(price: str, gross: float, net: float) -> None:
    same, move = renew(gym("s0"), DUE, at=datetime(2025, 5, 9, tzinfo=UTC))
    at = datetime(2025, 5, 10, tzinfo=UTC)
    new = gym("s2", started_at=at, term_ends_on=None, won_back_from_id="s1", price=Money(price, "PLN"))
    rows = (same, gym(), new)

    assert in_may(*rows, moves=[move], method="gross").value == gross
    assert in_may(*rows, moves=[move], method="net").value == net
    assert in_may(*rows, moves=[move], method="net").denominator == 2400


def test_amounts_are_compared_by_the_year() -> None:
    at = datetime(2025, 5, 10, tzinfo=UTC)
    yearly_ = gym("s2", started_at=at, term_ends_on=None, won_back_from_id="s1", billing_months=12)

    assert in_may(gym(), yearly_.replace(price=Money(600, "PLN")), method="net").value == 0.5


def test_amounts_in_several_currencies_are_refused_unless_grouped() -> None:
    new = gym("s2", started_at=datetime(2025, 5, 10, tzinfo=UTC), term_ends_on=None, won_back_from_id="s1")

    for rows in ((gym(), gym("s3", price=Money(1, "THB"))), (gym(), new.replace(price=Money(1, "THB")))):
        with pytest.raises(InvalidInput, match="amounts in PLN, THB cannot be added"):
            in_may(*rows, method="net")


def test_subscriptions_without_a_price_are_left_out_of_amounts() -> None:
    frame = from_records([gym(), gym("s2")], Subscription).with_columns(price=pl.Series([None, 9.0]))
    result = renewal_rate(subscriptions=frame, transitions=[], as_of=MAY, method="gross")

    assert (result.only.n, result.only.excluded) == (1, {"no amount": 1})


@pytest.mark.parametrize("tz", ["Africa/Cairo", "Asia/Bangkok", "America/New_York"])
def test_a_window_starts_with_its_day_even_where_clocks_skip_its_midnight(tz: str) -> None:
    due = date(2025, 4, 25)  # the day on which clocks in Cairo go from 0 to 1 o'clock
    counted = {
        (start, end): in_may(gym(term_ends_on=due), tz=tz, start=start, end=end).n
        for start, end in ((due, due + DAY), (due - DAY, due), (due + DAY, due + 2 * DAY))
    }

    assert list(counted.values()) == [1, 0, 0]


def test_the_records_behind_a_measure_are_subscriptions() -> None:
    after, move = renew(gym(), DUE, at=datetime(2025, 5, 9, tzinfo=UTC))
    result = measured(([after, gym("s2")], [move]), as_of=MAY)

    assert result.explain(result.only) == {"numerator": ["s1"], "denominator": ["s1", "s2"]}


def test_nothing_due_has_no_value_but_a_reason() -> None:
    for method, reason in (("logo", "no term was due"), ("net", "no amount was due")):
        measure = in_may(method=method)
        assert (measure.value, measure.reason, measure.n) == (None, reason, 0)


@pytest.mark.parametrize("days_", [-1, 1.5, True, None, "7"])
def test_a_grace_that_is_no_number_of_days_is_refused(days_: Any) -> None:
    with pytest.raises(InvalidInput, match="^grace_days="):
        in_may(grace_days=days_)


@pytest.mark.parametrize("column", ["id", "term_ends_on"])
def test_a_missing_column_is_named(column: str) -> None:
    with pytest.raises(InvalidInput, match=f"the Subscription data has no column '{column}'"):
        renewal_rate(subscriptions=from_records([], Subscription).drop(column), transitions=[], as_of=MAY)


@pytest.mark.parametrize("value", ["2025-05-10", datetime(2025, 5, 10, tzinfo=UTC)])
def test_days_that_are_no_dates_are_refused(value: Any) -> None:
    frame = from_records([gym()], Subscription).with_columns(term_ends_on=pl.lit(value))

    with pytest.raises(InvalidInput, match="column 'term_ends_on' is .*; give dates"):
        renewal_rate(subscriptions=frame, transitions=[], as_of=MAY)


def test_a_table_may_lack_what_is_only_used() -> None:
    frame = from_records([gym()], Subscription, ["id", "term_ends_on", "price"])

    for method in METHODS:
        assert renewal_rate(subscriptions=frame, transitions=[], as_of=MAY, method=method).value == 0


touches = st.lists(
    st.builds(
        Interaction,
        at=moments,
        channel=st.sampled_from(["phone", "email"]),
        direction=st.sampled_from(["outbound", "outbound", "inbound"]),
        customer_id=st.sampled_from([None, "ann", "ben"]),
    ),
    max_size=8,
)


def touched(given_: Given, interactions: Any, **options: Any) -> MetricResult:
    rows = {"subscriptions": given_[0], "transitions": given_[1], "interactions": interactions}
    return touch_effectiveness(**rows, **{"as_of": AS_OF} | options)


@few
@given(facts, touches, st.sampled_from([0, 30]), st.sampled_from(["UTC", "Asia/Bangkok"]))
def test_touches_are_judged_by_the_terms_that_came_after(
    given_: Given, touches_: list[Interaction], within: int, tz: str
) -> None:
    distinct = list({(each.subject, each.subject_id, each.before): each for each in given_[1]}.values())
    asked_ = Asked(tz=tz)
    result = touched((given_[0], distinct), touches_, within_days=within, tz=tz)
    expected: dict[str, list[str]] = {}
    for term in terms((given_[0], distinct), asked_):
        kinds: set[str] = {
            each.channel
            for each in touches_
            if term.due is not None
            and each.customer_id == term.subscription.customer_id
            and each.direction == "outbound"
            and asked_.is_known(each.at)
            and term.due - within * DAY <= asked_.day(each.at) <= min(term.due, *(term.began or [term.due]))
        }
        if term.due is None or asked_.counts(datetime.combine(term.due, time.min, ZoneInfo(tz))):
            for kind in kinds or {"none"}:
                expected.setdefault(kind, []).append(term.outcome)

    for measure in result:
        found = expected.pop(measure.group["touch"], [])
        assert (measure.numerator, measure.n) == (
            found.count("renewed"),
            found.count("renewed") + found.count("not renewed"),
        )
        assert sum(measure.excluded.values()) + measure.n == len(found)
    assert not expected


def called(number: int, renewed: int, start: int, plan: str, channel: str | None) -> tuple[Given, list[Interaction]]:
    """So many terms of customers of their own, of whom some renewed, all after a touch or none."""
    rows, moves, touches_ = [], [], []
    for each in range(start, start + number):
        row = gym(f"s{each}", customer_id=f"c{each}", plan=plan)
        if each < start + renewed:
            row, move = renew(row, DUE, at=datetime(2025, 5, 9, tzinfo=UTC))
            moves.append(move)
        if channel is not None:
            at = datetime(2025, 5, 1, tzinfo=UTC)
            touch = {"direction": "outbound", "channel": channel, "customer_id": f"c{each}", "at": at}
            touches_.append(simplest(Interaction, **touch))
        rows.append(row)
    return (rows, moves), touches_


def joined(*parts: tuple[Given, list[Interaction]], **options: Any) -> dict[str, Measure]:
    rows = [row for (rows, _), _ in parts for row in rows]
    moves = [move for (_, moves), _ in parts for move in moves]
    touches_ = [each for _, some in parts for each in some]
    result = touched((rows, moves), touches_, **{"as_of": MAY} | options)
    return {each.group["touch"]: each for each in result}


def test_the_uplift_has_the_published_interval_of_newcombe() -> None:
    measures = joined(called(70, 56, 0, "Gym", "phone"), called(80, 48, 100, "Gym", None))
    details = measures["phone"].details

    assert (measures["phone"].value, measures["none"].value) == (0.8, 0.6)
    assert [details[name] for name in ("uplift", "uplift_low", "uplift_high")] == pytest.approx(
        [0.2, 0.0524, 0.3339], abs=5e-5
    )
    assert measures["none"].details == {}
    assert set(joined(called(7, 5, 0, "Gym", "phone"), called(8, 4, 10, "Gym", None), ci=None)["phone"].details) == {
        "uplift"
    }


def test_strata_undo_what_the_choice_of_the_touched_does() -> None:
    # Calls help in both plans, but go to the plan that few renew.
    parts = (
        called(40, 12, 0, "Day", "phone"),
        called(10, 2, 100, "Day", None),
        called(10, 9, 200, "Year", "phone"),
        called(40, 32, 300, "Year", None),
    )
    crude, stratified = joined(*parts), joined(*parts, method="stratified", strata="plan")

    assert crude["phone"].details["uplift"] == pytest.approx(21 / 50 - 34 / 50)
    assert stratified["phone"].details["uplift"] == pytest.approx(0.1)
    assert stratified["phone"].value == crude["phone"].value
    low, high = (stratified["phone"].details[name] for name in ("uplift_low", "uplift_high"))
    variance = (8**2 * (0.3 * 0.7 / 40 + 0.2 * 0.8 / 10) + 8**2 * (0.9 * 0.1 / 10 + 0.8 * 0.2 / 40)) / 16**2
    assert (low, high) == pytest.approx((0.1 - 1.959964 * variance**0.5, 0.1 + 1.959964 * variance**0.5), abs=1e-6)


def test_a_touch_warns_that_it_is_chosen_and_of_few_terms() -> None:
    measures = joined(called(5, 5, 0, "Gym", "phone"), called(20, 10, 100, "Gym", None))

    assert measures["phone"].warnings[0].startswith("who is touched is chosen")
    assert measures["phone"].warnings[1] == "there are fewer than 20 terms"
    assert len(measures["none"].warnings) == 1


def test_without_terms_there_is_no_rate_and_no_uplift() -> None:
    (measure,) = touched(([], []), [])

    assert (measure.group, measure.value, measure.reason) == ({"touch": "none"}, None, "no term was due")
    assert (measure.details, measure.warnings) == ({}, ())
    only_called = joined(called(5, 3, 0, "Gym", "phone"))
    assert only_called["phone"].details == {}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"touch": "chanel"}, "touch='chanel' is no kind of interaction; .*'channel'"),
        ({"method": "stratified"}, "strata=None does not fit method='stratified'"),
        ({"strata": "plan"}, "strata='plan' does not fit method='crude'"),
        ({"within_days": -1}, "within_days=-1 is no number of days"),
        ({"method": "stratified", "strata": "pln"}, "has no column 'pln'"),
    ],
)
def test_a_question_that_means_nothing_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        touched(([], []), [], **options)


@few
@given(facts, touches, st.data())
def test_touches_have_the_same_answer_in_every_order_and_kind(
    given_: Given, touches_: list[Interaction], data: st.DataObject
) -> None:
    kind = KINDS[data.draw(st.sampled_from(list(KINDS)))]
    options: dict[str, Any] = {"every": "month", "by": "owner_id", "method": "stratified", "strata": "plan"}
    rows = kind(data.draw(st.permutations(given_[0])), Subscription)
    other = touched((rows, kind(given_[1], Transition)), kind(touches_, Interaction), **options)

    assert other == touched(given_, touches_, **options)


running = st.lists(
    st.builds(
        Subscription,
        customer_id=st.just("ann"),
        plan=st.just("Gym"),
        price=st.just(Money(1, "PLN")),
        category=st.sampled_from(["trial", "active", "frozen", "lapsed"]),
        owner_id=owners,
        started_at=maybe,
        ended_at=maybe,
        frozen_on=st.none() | days,
        frozen_days_used=st.sampled_from([0, 0, 7]),
    ),
    max_size=8,
)


@few
@given(running, asked(by="owner_id"), st.booleans(), st.data())
def test_frozen_is_the_share_of_those_that_run(
    given_: list[Subscription], asked_: Asked, is_ever: bool, data: st.DataObject
) -> None:
    as_of = asked_.day(asked_.as_of) if isinstance(asked_.as_of, datetime) else asked_.as_of
    expected = []
    for each in given_:
        outcome = "frozen" if each.category == "frozen" and each.frozen_on is None else "running"
        if (each.frozen_on and each.frozen_on <= as_of) or (is_ever and each.frozen_days_used):
            outcome = "frozen"
        if each.category == "trial" or each.started_at is None:
            outcome = "not started"
        elif asked_.is_known(each.ended_at) if each.ended_at else each.category == "lapsed":
            outcome = "ended"
        expected.append(Fact(each.started_at, outcome, asked_.group(each)))
    kind = KINDS[data.draw(st.sampled_from(list(KINDS)))]
    method = "ever" if is_ever else "now"
    result = freeze_share(kind(given_, Subscription), method=method, **asked_.options)

    check(result, expected, ["frozen", "running"], asked_, lambda inside: share(inside, "frozen"))


def test_an_unknown_category_of_a_subscription_is_refused() -> None:
    frame = from_records([gym()], Subscription).with_columns(category=pl.lit("paused"))

    with pytest.raises(InvalidInput, match="column 'category' holds 'paused' .1 rows.; accepted are 'trial', 'active'"):
        freeze_share(frame, as_of=MAY)
    assert freeze_share([], as_of=MAY).only.reason == "no subscription runs"


package_ids = ["p0", "p1", "p2"]
packages = st.lists(
    st.builds(
        Package,
        id=st.sampled_from(package_ids),
        customer_id=st.sampled_from(["ann", "ben"]),
        units=st.integers(0, 4),
        bonus_units=st.integers(0, 1),
        created_at=maybe,
        valid_from_on=st.none() | days,
        expires_on=st.none() | days,
    ),
    max_size=3,
    unique_by=lambda each: each.id,
)
usages = st.lists(
    st.builds(
        Usage,
        id=st.sampled_from("abcdefgh"),
        customer_id=st.just("ann"),
        at=moments,
        units=st.integers(1, 3),
        package_id=st.sampled_from([None, *package_ids]),
        reversal_of_id=st.sampled_from([None, None, *"abcd"]),
    ),
    max_size=8,
    unique_by=lambda each: each.id,
)


@few
@given(packages, usages, asked(by="customer_id"), st.data())
def test_packages_have_left_what_the_balance_of_each_says(
    packages_: list[Package], usages_: list[Usage], asked_: Asked, data: st.DataObject
) -> None:
    kind = KINDS[data.draw(st.sampled_from(list(KINDS)))]
    shuffled = data.draw(st.permutations(usages_))
    tables = {"packages": kind(packages_, Package), "usages": kind(shuffled, Usage)}
    zone = ZoneInfo(asked_.tz)
    as_of = asked_.as_of
    if not isinstance(as_of, datetime):
        as_of = datetime.combine(as_of + DAY, time.min, zone).astimezone(UTC) - timedelta(microseconds=1)
    known = [each for each in packages_ if each.created_at is None or asked_.is_known(each.created_at)]
    found = {each.id: balance(each, usages_, as_of, zone) for each in known}

    left = package_balance(tz=asked_.tz, as_of=asked_.as_of, by="customer_id", **tables)
    for measure in left:
        mine = [each for each in known if each.customer_id == measure.group["customer_id"]]
        assert (measure.n, measure.value) == (len(mine), sum(found[each.id].left for each in mine))
        for name in ("used", "left", "expired", "overdrawn"):
            assert measure.details[name] == sum(getattr(found[each.id], name) for each in mine)
        assert measure.details["units"] == sum(each.units + each.bonus_units for each in mine)

    expiring = [
        Fact(
            None if each.expires_on is None else datetime.combine(each.expires_on, time.min, zone),
            "never expires" if each.expires_on is None else "expired",
            asked_.group(each),
            (found[each.id].expired, each.units + each.bonus_units),
        )
        for each in known
    ]

    def finish(inside: list[Fact]) -> dict[str, Any]:
        expired, units = (sum(fact.worth[part] for fact in inside) for part in (0, 1))
        return {"value": expired / units if units else None, "numerator": expired, "denominator": units}

    tables = {"packages": kind(packages_, Package), "usages": kind(shuffled, Usage)}  # a generator is read once
    check(package_expiry(**tables, **asked_.options), expiring, ["expired"], asked_, finish)


def test_units_of_several_kinds_are_refused_unless_kept_apart() -> None:
    rows = [Package(customer_id="ann", units=10), Package(customer_id="ann", units=60, unit="minute")]

    with pytest.raises(InvalidInput, match="units in minute, visit cannot be added; keep one with"):
        package_balance(packages=rows, usages=[], as_of=MAY)
    assert package_balance(packages=rows, usages=[], as_of=MAY, where=field("unit") == "visit").value == 10
    grouped = package_balance(packages=rows, usages=[], as_of=MAY, by="my_unit", columns={"my_unit": "unit"})
    assert [each.value for each in grouped] == [60, 10]


def test_no_package_has_nothing_left_and_nothing_that_expires() -> None:
    left, expired = (kpi(packages=[], usages=[], as_of=MAY).only for kpi in (package_balance, package_expiry))

    assert (left.value, left.n, expired.value, expired.reason) == (0, 0, None, "no unit expired")


def test_packages_of_different_customers_add_up() -> None:
    ten = Package(id="p1", customer_id="ann", units=10)
    other = ten.replace(id="p2", customer_id="ben", units=5)
    visit = Usage(customer_id="ann", at=DUE_AT, package_id="p1")
    parts = [package_balance(packages=[each], usages=[visit], as_of=MAY) for each in (ten, other)]

    assert parts[0] + parts[1] == package_balance(packages=[ten, other], usages=[visit], as_of=MAY)
    assert (parts[0] + parts[1]).value == 14


DUE_AT = datetime(2025, 5, 10, tzinfo=UTC)
