"""Sales cycle: the median of civil days from creation to close."""

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from statistics import fmean, median
from typing import Any

import attrs
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmkit.errors import InvalidInput
from crmkit.frames import from_records
from crmkit.metrics.cycles import sales_cycle
from crmkit.model import Deal, Interaction, Lead, Transition
from crmkit.testing.strategies import simplest
from tests.examples import few
from tests.frames.kinds import KINDS
from tests.metrics.cases import AS_OF, customers, deals, maybe, moments, owners
from tests.metrics.oracle import Asked, Fact, asked, check, closed_deals
from tests.metrics.selling import maven_deals

MAY = date(2025, 5, 31)
CREATED = datetime(2025, 5, 1, 9, tzinfo=UTC)


def won(days: float, **given_: Any) -> Deal:
    closed: dict[str, Any] = {"category": "won", "created_at": CREATED, "closed_at": CREATED + timedelta(days=days)}
    return simplest(Deal, **closed | given_)


Sales = tuple[list[Deal], list[Lead], list[Interaction]]
deal_ids = st.sampled_from(["d0", "d1", "d2", None])
sales: st.SearchStrategy[Sales] = st.tuples(
    st.lists(
        st.builds(
            Deal,
            id=st.sampled_from(["d0", "d1", "d2", "d3"]),
            pipeline_id=st.just("gym"),
            stage=st.just("Offer"),
            category=st.sampled_from(["open", "won", "won", "lost"]),
            created_at=maybe,
            closed_at=maybe,
            customer_id=st.none() | customers,
            owner_id=owners,
        ),
        max_size=4,
        unique_by=lambda each: each.id,
    ),
    st.lists(st.builds(Lead, deal_id=deal_ids, qualified_at=maybe), max_size=6),
    st.lists(
        st.builds(
            Interaction,
            at=moments,
            channel=st.just("phone"),
            direction=st.sampled_from(["inbound", "outbound", "internal"]),
            provenance=st.sampled_from(["human", "unknown", "machine"]),
            deal_id=deal_ids,
            customer_id=st.none() | customers,
        ),
        max_size=8,
    ),
)


def cycles(given_: list[Deal], asked_: Asked) -> Iterator[Fact]:
    for deal, fact in closed_deals(given_, asked_):
        if fact.at is None:
            yield fact
        elif deal.created_at is None:
            yield attrs.evolve(fact, outcome="no creation date")
        elif asked_.day(fact.at) < asked_.day(deal.created_at):
            yield attrs.evolve(fact, outcome="closed before it was created")
        else:
            yield attrs.evolve(fact, worth=(asked_.day(fact.at) - asked_.day(deal.created_at)).days)


def middle(facts: list[Fact]) -> dict[str, Any]:
    days = [fact.worth for fact in facts]
    return {"value": median(days) if days else None, "numerator": sum(days), "denominator": len(days)}


@pytest.mark.parametrize(("method", "counted"), [("won", ["won"]), ("lost", ["lost"]), ("closed", ["won", "lost"])])
@given(deals, asked(by="owner_id"))
def test_it_is_the_median_of_civil_days(method: str, counted: list[str], given_: list[Deal], asked_: Asked) -> None:
    facts = [fact for fact in cycles(given_, asked_) if fact.outcome not in {"won", "lost"} - set(counted)]
    result = sales_cycle(given_, method=method, **asked_.options)

    check(result, facts, counted, asked_, middle)


@given(st.lists(st.integers(0, 400), min_size=1, max_size=40))
def test_mean_and_90th_percentile_are_those_of_the_days(days: list[int]) -> None:
    measure = sales_cycle([won(number) for number in days], as_of=date(2027, 1, 1)).only

    assert measure.value == median(days)
    assert measure.details["mean"] == pytest.approx(fmean(days))
    assert measure.details["p90"] == pytest.approx(pl.Series(days).quantile(0.9, interpolation="linear"))


@pytest.mark.parametrize(
    ("tz", "days"),
    [("UTC", 0), ("Asia/Bangkok", 1), ("America/New_York", 0)],
)
def test_days_are_counted_on_the_calendar_of_the_time_zone(tz: str, days: int) -> None:
    late = won(0, created_at=datetime(2025, 5, 1, 16, 59, tzinfo=UTC), closed_at=datetime(2025, 5, 1, 17, tzinfo=UTC))

    assert sales_cycle([late], as_of=MAY, tz=tz).value == days


def test_a_deal_closed_on_the_day_of_its_creation_took_no_day_whatever_the_hours() -> None:
    assert sales_cycle([won(0, closed_at=CREATED - timedelta(hours=3))], as_of=MAY).value == 0


def test_a_deal_closed_before_it_was_created_is_left_out_and_counted() -> None:
    measure = sales_cycle([won(-1), won(5)], as_of=MAY).only

    assert (measure.value, measure.n) == (5.0, 1)
    assert measure.excluded == {"closed before it was created": 1}


def test_the_interval_of_the_median_comes_from_order_statistics() -> None:
    measure = sales_cycle([won(days) for days in range(1, 101)], as_of=date(2027, 1, 1)).only

    assert (measure.low, measure.value, measure.high) == (40.0, 50.5, 61.0)


def test_few_deals_have_a_median_without_an_interval() -> None:
    measure = sales_cycle([won(3), won(5)], as_of=MAY).only

    assert (measure.value, measure.low, measure.high) == (4.0, None, None)


def test_without_deals_there_are_no_details() -> None:
    measure = sales_cycle([], as_of=MAY).only

    assert (measure.value, measure.details, measure.reason) == (None, {}, "no deal was closed")


@few
@given(sales, st.sampled_from(["qualified", "first_touch"]), st.sampled_from([None, 1, 20]), asked(by="owner_id"))
def test_a_cycle_may_begin_with_the_qualification_or_the_first_touch(
    given_: Sales, since: str, lookback_days: int | None, asked_: Asked
) -> None:
    deals_, leads, interactions = given_
    tables = {"leads": leads} if since == "qualified" else {"interactions": interactions}
    result = sales_cycle(deals_, since=since, lookback_days=lookback_days, **tables, **asked_.options)

    def facts() -> Iterator[Fact]:
        for deal, fact in closed_deals(deals_, asked_):
            if since == "qualified":
                begins = [each.qualified_at for each in leads if each.deal_id == deal.id and each.qualified_at]
            else:
                begins = [each.at for each in interactions if touches(each, deal, lookback_days)]
            began = min((at for at in begins if asked_.is_known(at)), default=None)
            if fact.at is None:
                yield fact
            elif began is None:
                yield attrs.evolve(fact, outcome="not qualified" if since == "qualified" else "never touched")
            elif asked_.day(fact.at) < asked_.day(began):
                late = "it was qualified" if since == "qualified" else "the first touch"
                yield attrs.evolve(fact, outcome=f"closed before {late}")
            else:
                yield attrs.evolve(fact, worth=(asked_.day(fact.at) - asked_.day(began)).days)

    usable = [fact for fact in facts() if fact.outcome != "lost"]
    check(result, usable, ["won"], asked_, middle)


def touches(each: Interaction, deal: Deal, lookback_days: int | None) -> bool:
    if each.direction == "internal" or each.provenance == "machine":
        return False
    if each.deal_id is not None:
        return each.deal_id == deal.id
    if each.customer_id is None or each.customer_id != deal.customer_id:
        return False
    if lookback_days is None:
        return True
    return deal.created_at is not None and each.at >= deal.created_at - timedelta(days=lookback_days)


@few
@given(sales, st.sampled_from(sorted(set(KINDS) - {"records"})), st.randoms(use_true_random=False))
def test_every_kind_of_data_in_any_order_has_the_same_beginnings(given_: Sales, kind: str, order: Any) -> None:
    deals_, leads, interactions = given_
    options: dict[str, Any] = {"as_of": AS_OF, "every": "month", "by": "owner_id", "tz": "Asia/Bangkok"}
    expected = [
        sales_cycle(deals_, since="qualified", leads=leads, **options),
        sales_cycle(deals_, since="first_touch", interactions=interactions, lookback_days=9, **options),
    ]
    shuffled: list[tuple[list[Any], Any]] = list(zip(given_, (Deal, Lead, Interaction), strict=True))
    for rows, _ in shuffled:
        order.shuffle(rows)
    tables = [KINDS[kind](rows, cls) for rows, cls in shuffled]
    again = [KINDS[kind](deals_, Deal)] * 2 if kind != "generator" else [iter(deals_), iter(deals_)]

    assert sales_cycle(again[0], since="qualified", leads=tables[1], **options) == expected[0]
    assert sales_cycle(again[1], since="first_touch", interactions=tables[2], lookback_days=9, **options) == expected[1]


@few
@given(deals, asked(by="owner_id"))
def test_by_kaplan_and_meier_open_deals_have_not_ended_yet(given_: list[Deal], asked_: Asked) -> None:
    def facts() -> Iterator[Fact]:
        for deal, fact in closed_deals(given_, asked_):
            today = asked_.day(asked_.as_of) if isinstance(asked_.as_of, datetime) else asked_.as_of
            ends = asked_.day(fact.at) if fact.at else today
            if fact.outcome not in {"open", "won", "lost"}:
                yield attrs.evolve(fact, at=deal.created_at)
            elif deal.created_at is None:
                yield attrs.evolve(fact, at=None, outcome="no creation date")
            elif ends < asked_.day(deal.created_at):
                yield attrs.evolve(fact, at=deal.created_at, outcome="closed before it was created")
            else:
                days = (ends - asked_.day(deal.created_at)).days
                yield attrs.evolve(fact, at=deal.created_at, worth=days)

    def finish(inside: list[Fact]) -> dict[str, Any]:
        left, value = 1.0, None
        ended = [fact.worth for fact in inside if fact.outcome != "open"]
        for day in sorted(set(ended)):
            left *= 1 - ended.count(day) / sum(fact.worth >= day for fact in inside)
            if value is None and left <= 0.5 + 1e-9:
                later = [each for each in ended if each > day]
                value = (day + min(later)) / 2 if later and left > 0.5 - 1e-9 else day
        return {"value": value, "numerator": len(ended)}

    result = sales_cycle(given_, method="kaplan_meier", **asked_.options)

    check(result, facts(), ["open", "won", "lost"], asked_, finish)


def test_by_kaplan_and_meier_a_cycle_is_as_long_as_a_new_deal_should_expect() -> None:
    rows = [won(2), won(4), won(40), won(0, category="open", closed_at=None)]
    naive, measure = (sales_cycle(rows, as_of=MAY, method=method).only for method in ("won", "kaplan_meier"))

    assert (naive.value, naive.n) == (3, 2)
    assert (measure.value, measure.n, measure.numerator, measure.details) == (4, 4, 2, {"open": 2})
    assert sales_cycle(rows[2:], as_of=MAY, method="kaplan_meier").only.reason == "fewer than half have ended"
    assert sales_cycle(rows[2:], as_of=MAY, method="kaplan_meier").only.low is None


def reopened(days: float) -> list[Transition]:
    told: dict[str, Any] = {"subject": "Deal", "subject_id": "d1", "field": "stage"}
    steps = [("open", "won", 2), ("won", "open", 4), ("open", "won", days)]
    return [
        simplest(Transition, category_before=before, category_after=after, at=CREATED + timedelta(days=each), **told)
        for before, after, each in steps
    ]


def test_a_reopened_deal_counts_to_its_final_close_or_to_the_first() -> None:
    rows, ledger = [won(20, id="d1"), won(30, id="d2")], reopened(20)
    final = sales_cycle(rows, transitions=ledger, as_of=MAY).only
    first = sales_cycle(rows, transitions=ledger, until="first_closed", as_of=MAY).only

    assert (final.value, final.n, final.details["reopened"]) == (25, 2, 1)
    assert (first.value, first.n, first.details["reopened"]) == (16, 2, 1)
    assert sales_cycle(rows, as_of=MAY).only.details.keys() == {"mean", "p90"}
    assert sales_cycle(rows, transitions=ledger, as_of=MAY).explain(final) == {
        "numerator": ["d1", "d2"],
        "denominator": ["d1", "d2"],
    }


def test_what_is_open_again_has_no_cycle() -> None:
    again = won(20, id="d1", category="open", closed_at=None)
    measure = sales_cycle([again], transitions=reopened(90), until="first_closed", as_of=MAY).only

    assert (measure.value, measure.excluded) == (None, {"open": 1})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"since": "birth"}, "since='birth' is unknown; there are 'created', 'qualified', 'first_touch'"),
        ({"until": "paid"}, "until='paid' is unknown; there are 'closed', 'first_closed'"),
        ({"since": "qualified"}, "since='qualified' reads leads; give leads="),
        ({"since": "first_touch"}, "since='first_touch' reads interactions; give interactions="),
        ({"until": "first_closed"}, "until='first_closed' reads transitions; give transitions="),
        ({"lookback_days": 0}, "lookback_days=0 is no window"),
    ],
)
def test_what_cannot_be_meant_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        sales_cycle([], as_of=MAY, **options)


def test_a_missing_column_of_another_table_is_named() -> None:
    touches_ = from_records([], Interaction).drop("customer_id")

    with pytest.raises(InvalidInput, match="the Interaction data has no column 'customer_id'"):
        sales_cycle([], since="first_touch", interactions=touches_, as_of=MAY)


def test_each_agent_manager_and_product_of_maven_has_the_published_cycle(published: Path) -> None:
    expected = json.loads((published / "expected" / "maven_crm.json").read_text())
    teams = pl.read_csv(published / "maven_crm" / "sales_teams.csv")
    frame = maven_deals(published).join(teams, left_on="owner_id", right_on="sales_agent", how="left")

    for name, column in {
        "by_agent": "owner_id",
        "by_manager": "manager",
        "by_region": "regional_office",
        "by_product": "product",
    }.items():
        found = {each.group[column]: each for each in sales_cycle(frame, as_of=date(2018, 1, 1), by=column)}
        for group, figures in expected[name].items():
            assert found[group].n == figures["won"]
            assert found[group].value == figures["cycle_days_won_median"]
            assert found[group].details["mean"] == pytest.approx(figures["cycle_days_won_mean"], rel=1e-9)


def test_the_shortest_and_longest_cycle_of_maven_are_the_published_ones(published: Path) -> None:
    expected = json.loads((published / "expected" / "maven_crm.json").read_text())["cycle_days"]
    frame = maven_deals(published)
    alone = sales_cycle(frame, as_of=date(2018, 1, 1), method="closed", by="opportunity_id")
    days = [each.value for each in alone if each.value is not None]

    assert (min(days), max(days)) == (expected["min"], expected["max"])


@pytest.mark.parametrize(
    ("method", "median_", "mean"),
    [("won", 57.0, 51.78197263), ("lost", 14.0, 41.47917509), ("closed", 45.0, 47.98539711)],
)
def test_the_maven_pipeline_has_its_published_cycles(published: Path, method: str, median_: float, mean: float) -> None:
    frame = pl.read_csv(published / "maven_crm" / "sales_pipeline.csv").with_columns(
        pl.col("engage_date", "close_date").str.to_datetime("%m/%d/%Y", time_zone="UTC"),
        pl.col("deal_stage").replace_strict({"Won": "won", "Lost": "lost", "Engaging": "open", "Prospecting": "open"}),
    )
    columns = {"created_at": "engage_date", "closed_at": "close_date", "category": "deal_stage"}
    measure = sales_cycle(frame, as_of=date(2018, 1, 1), method=method, columns=columns).only

    assert measure.value == median_
    assert measure.details["mean"] == pytest.approx(mean)
    assert measure.excluded == {"open": 2089}
