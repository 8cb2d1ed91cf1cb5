"""Renewals: terms that were due, by the day on which they ended, and what followed them."""

import json
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmkit.errors import InvalidInput
from crmkit.frames import from_records
from crmkit.metrics.renewals import freeze_share, renewal_rate
from crmkit.metrics.result import Measure, MetricResult
from crmkit.model import Money, Record, Subscription, Transition, record
from crmkit.model.billing import renew
from crmkit.model.subscription import activate
from crmkit.rules import field
from crmkit.testing.strategies import simplest
from tests.examples import few
from tests.frames.kinds import KINDS
from tests.metrics.cases import maybe, owners
from tests.metrics.oracle import Asked, Fact, asked, check, share
from tests.metrics.renewing import DAY, DUE, MAY, Given, Term, days, facts, gym, terms

METHODS = ("logo", "gross", "net")


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


@record
class ClubMembership(Subscription):
    """A subscription of a vertical."""


def test_the_renewals_of_a_vertical_subscription_count_as_those_of_any() -> None:
    new = ClubMembership(id="gym", customer_id="ann", plan="Gym", price=Money("99", "PLN"), term_months=1)
    active, _ = activate(new, date(2025, 1, 2), at=datetime(2025, 1, 2, tzinfo=UTC))
    renewed, renewal = renew(active, date(2025, 1, 30), at=datetime(2025, 1, 30, tzinfo=UTC))

    rate = renewal_rate(subscriptions=[renewed], transitions=[renewal], as_of=date(2025, 2, 28))

    assert isinstance(renewed, ClubMembership)
    assert (rate.value, rate.only.n) == (1.0, 1)


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
    assert freeze_share(empty(Subscription), as_of=MAY).only.n == 0


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
