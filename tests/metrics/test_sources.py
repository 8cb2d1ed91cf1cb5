"""Sources of leads side by side: conversion, what it costs and brings, and whether chance alone explains the differences."""

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmkit.errors import InvalidInput
from crmkit.frames import from_records
from crmkit.frames.rates import Rates
from crmkit.metrics.leads import lead_conversion
from crmkit.metrics.result import MetricResult
from crmkit.metrics.sources import source_comparison
from crmkit.metrics.spending import cost_per_lead
from crmkit.model import Cost, Deal, Lead, Money
from crmkit.rules import field
from crmkit.stats.differences import exact_p
from crmkit.testing.strategies import money, simplest
from tests.examples import few
from tests.frames.kinds import KINDS
from tests.metrics.cases import AS_OF, maybe
from tests.metrics.oracle import Asked, asked

MAY = date(2025, 5, 31)
CAME = datetime(2025, 5, 2, 12, tzinfo=UTC)
DAY, MICROSECOND = timedelta(days=1), timedelta(microseconds=1)
DEAL_IDS = ["d1", "d2", "d3"]
METHODS = ["converted", "deal", "won"]

leads = st.lists(
    st.builds(
        Lead,
        id=st.uuids().map(str),
        created_at=maybe,
        category=st.sampled_from(["open", "converted", "converted", "disqualified"]),
        converted_at=maybe,
        deal_id=st.sampled_from([None, *DEAL_IDS]),
        source=st.sampled_from([None, "web", "fair"]),
        campaign_id=st.sampled_from([None, "spring", "summer"]),
    ),
    max_size=10,
    unique_by=lambda each: each.id,
)
deals = st.lists(
    st.builds(
        Deal,
        id=st.sampled_from(DEAL_IDS),
        pipeline_id=st.just("gym"),
        stage=st.just("Offer"),
        category=st.sampled_from(["open", "won", "won", "lost"]),
        closed_at=maybe,
        amount=st.none() | money(10**5, ("PLN",)),
    ),
    max_size=3,
    unique_by=lambda each: each.id,
)
costs = st.lists(
    st.builds(
        Cost,
        category=st.sampled_from(["advertising", "fairs"]),
        amount=money(10**5, ("PLN",)),
        incurred_on=st.dates(date(2024, 12, 20), date(2025, 4, 5)),
        campaign_id=st.sampled_from([None, "spring", "summer"]),
    ),
    max_size=4,
)


def lead(source: str | None, category: Any = "converted", **given_: Any) -> Lead:
    converted = {"created_at": CAME, "converted_at": CAME + DAY if category == "converted" else None}
    return simplest(Lead, source=source, category=category, **converted | given_)


def some(source: str, converted: int, n: int) -> list[Lead]:
    return [lead(source, "converted" if each < converted else "disqualified") for each in range(n)]


def by_source(result: MetricResult) -> dict[Any, Any]:
    return {each.group["source"]: each for each in result}


@pytest.mark.parametrize("method", METHODS)
@few
@given(leads, deals, asked(by="campaign_id"), st.sampled_from([None, 7]))
def test_the_conversion_of_a_source_is_that_of_its_leads(
    method: str, leads_: list[Lead], deals_: list[Deal], asked_: Asked, days: int | None
) -> None:
    options: dict[str, Any] = {"method": method, "within_days": days} | asked_.options
    by = [*([asked_.by] if asked_.by else []), "source"]
    priced = [each.replace(amount=Money("1", "PLN")) for each in deals_]
    alone = lead_conversion(leads_, deals=priced, **options | {"by": by})
    compared = source_comparison(leads_, deals=priced, **options)

    figures = ("period", "group", "value", "numerator", "denominator", "n", "low", "high", "excluded", "warnings")
    if len(alone):
        assert [[getattr(each, name) for name in figures] for each in compared] == [
            [getattr(each, name) for name in figures] for each in alone
        ]
    else:  # nothing is one measure without a value, or none of a period or group
        assert all(each.value is None for each in compared)
    assert compared.excluded == alone.excluded


@few
@given(leads, asked(by="campaign_id"))
def test_a_source_is_compared_with_all_others_and_corrected_for_their_number(leads_: list[Lead], asked_: Asked) -> None:
    families: dict[Any, list[Any]] = {}
    for each in source_comparison(leads_, **asked_.options):
        families.setdefault((each.period, each.group.get(asked_.by or "")), []).append(each)

    for family in families.values():
        tests = []
        for each in family:
            others = [other for other in family if other is not each]
            converted, n = sum(other.numerator for other in others), sum(other.n for other in others)
            if not n or not each.n:
                assert "p" not in each.details
                continue
            assert each.details["difference"] == pytest.approx(each.value - converted / n)
            assert each.details["difference_low"] <= each.details["difference"] <= each.details["difference_high"]
            assert each.details["p"] == exact_p(each.numerator, each.n, converted, n)
            tests.append((each.details["p"], each.details["p_adjusted"]))
        largest = 0.0
        for rank, (p, adjusted) in enumerate(sorted(tests)):
            largest = max(largest, min(1.0, p * (len(tests) - rank)))
            assert adjusted == largest


@few
@given(leads, deals, st.sampled_from([None, 7, 60]))
def test_no_deal_is_counted_twice(leads_: list[Lead], deals_: list[Deal], days: int | None) -> None:
    asked_ = Asked()
    expected: dict[Any, float] = {}
    for deal in deals_:
        own = [
            each for each in leads_ if each.deal_id == deal.id and each.created_at and asked_.is_known(each.created_at)
        ]
        if (
            not own
            or deal.category != "won"
            or deal.amount is None
            or (deal.closed_at and not asked_.is_known(deal.closed_at))
        ):
            continue
        first = min(own, key=lambda each: (each.created_at, each.id))
        assert first.created_at is not None
        until = first.created_at + (days or 0) * DAY
        if days is None or (asked_.is_known(until) and deal.closed_at and first.created_at <= deal.closed_at <= until):
            expected[first.source] = expected.get(first.source, 0.0) + float(deal.amount.amount)
    found = by_source(source_comparison(leads_, deals=deals_, within_days=days, **asked_.options))

    assert {name: each.details["revenue"] for name, each in found.items() if each.details["revenue"]} == {
        name: pytest.approx(value) for name, value in expected.items() if value
    }


@few
@given(leads, costs)
def test_a_lead_of_a_source_costs_what_cost_per_lead_says(leads_: list[Lead], costs_: list[Cost]) -> None:
    options: dict[str, Any] = {"as_of": AS_OF, "every": "month"}
    alone = cost_per_lead(costs=costs_, leads=leads_, by="campaign_id", **options)
    compared = {
        (each.period, each.group["campaign_id"]): each
        for each in source_comparison(leads_, costs=costs_, source="campaign_id", **options)
    }

    for each in alone:
        other = compared[each.period, each.group["campaign_id"]]
        assert other.details["cost"] == each.numerator
        assert other.details.get("cost_per_lead") == each.value
        customers = other.numerator
        assert other.details.get("cost_per_customer") == (each.numerator / customers if customers else None)


@pytest.mark.parametrize("method", METHODS)
@few
@given(leads, deals, st.data())
def test_the_answer_does_not_depend_on_order_or_kind_of_data(
    method: str, leads_: list[Lead], deals_: list[Deal], data: st.DataObject
) -> None:
    options: dict[str, Any] = {"method": method, "as_of": AS_OF, "every": "month", "tz": "Asia/Bangkok"}
    expected = source_comparison(leads_, deals=deals_, **options)
    kind = KINDS[data.draw(st.sampled_from(list(KINDS)))]
    shuffled = data.draw(st.permutations(leads_))
    from_spring = [each for each in leads_ if each.campaign_id == "spring"]

    assert source_comparison(kind(shuffled, Lead), deals=kind(deals_, Deal), **options) == expected
    assert source_comparison(
        leads_, deals=deals_, where=field("campaign_id") == "spring", **options
    ) == source_comparison(from_spring, deals=deals_, **options)


@few
@given(leads, leads)
def test_the_parts_of_two_sets_of_leads_add_up(first: list[Lead], second: list[Lead]) -> None:
    both = [*first, *(each.replace(id=f"other {each.id}") for each in second)]

    assert source_comparison(first, as_of=AS_OF) + source_comparison(second, as_of=AS_OF) == source_comparison(
        both, as_of=AS_OF
    )


def test_of_many_sources_one_that_looks_good_by_chance_is_not_taken_for_better() -> None:
    alike = [each for number in range(9) for each in some(f"s{number}", 5, 20)]
    found = by_source(source_comparison([*alike, *some("lucky", 10, 20), *some("friends", 19, 20)], as_of=MAY))

    assert found["lucky"].details["p"] < 0.2
    assert found["lucky"].details["p_adjusted"] == 1.0
    assert found["friends"].details["p_adjusted"] == pytest.approx(11 * found["friends"].details["p"])
    assert found["friends"].details["p_adjusted"] < 1e-6


def test_what_a_source_brings_and_costs() -> None:
    rows = [
        lead("fair", deal_id="d1", id="l1"),
        lead("fair", "disqualified", id="l2"),
        lead("web", deal_id="d1", id="l3", created_at=CAME + DAY, converted_at=CAME + 2 * DAY),
    ]
    sale = simplest(Deal, id="d1", category="won", closed_at=CAME + 9 * DAY, amount=Money("600", "PLN"))
    paid = pl.DataFrame(
        {
            "category": ["fairs", "ads", "salaries"],
            "amount": [100.0, 50.0, 7.0],
            "currency": ["PLN"] * 3,
            "incurred_on": [date(2025, 5, 1)] * 3,
            "source": ["fair", "tv", None],
        }
    )
    found = by_source(
        source_comparison(from_records(rows, Lead), deals=from_records([sale], Deal), costs=paid, as_of=MAY)
    )

    money_ = {"revenue": 600.0, "revenue_per_lead": 300.0, "cost": 100.0, "cost_per_lead": 50.0}
    assert found["fair"].details.items() >= (money_ | {"cost_per_customer": 100.0, "roas": 6.0}).items()
    assert found["web"].details.items() >= {"revenue": 0.0, "cost": 0.0, "cost_per_lead": 0.0}.items()
    assert "roas" not in found["web"].details
    assert (found["tv"].value, found["tv"].reason, found["tv"].n) == (None, "no lead came", 0)
    assert found["tv"].details == {"revenue": 0.0, "cost": 50.0, "roas": 0.0}
    assert found[None].details["cost"] == 7.0


def test_a_deal_after_as_of_or_without_an_amount_brings_nothing_yet() -> None:
    rows = [lead("fair", deal_id="d1"), lead("fair", deal_id="d2")]
    late = simplest(Deal, id="d1", category="won", closed_at=CAME + 9 * DAY, amount=Money("600", "PLN"))
    unpriced = simplest(Deal, id="d2", category="won", closed_at=CAME)
    measure = source_comparison(rows, deals=[late, unpriced], as_of=CAME + 9 * DAY - MICROSECOND).only

    assert (measure.details["revenue"], measure.excluded) == (0.0, {"no amount": 1})
    assert source_comparison(rows, deals=[late, unpriced], as_of=CAME + 9 * DAY).only.details["revenue"] == 600.0


def test_a_single_source_has_nothing_to_be_compared_with() -> None:
    measure = source_comparison([lead("web")], as_of=MAY).only

    assert (measure.value, measure.details) == (1.0, {"per_100_leads": 100.0, "open": 0.0})


@pytest.mark.parametrize("kind", KINDS)
def test_without_leads_there_is_nothing_to_compare(kind: str) -> None:
    measure = source_comparison(KINDS[kind]([], Lead), deals=KINDS[kind]([], Deal), as_of=MAY).only

    assert (measure.value, measure.reason, measure.denominator) == (None, "no lead came", 0)
    assert len(source_comparison(KINDS[kind]([], Lead), as_of=MAY, by="owner_id")) == 0


def test_without_a_confidence_there_are_no_intervals() -> None:
    found = by_source(source_comparison([*some("web", 1, 3), *some("fair", 2, 3)], as_of=MAY, ci=None))

    assert found["web"].low is None
    assert found["web"].details.keys() == {"per_100_leads", "open", "difference", "p", "p_adjusted"}


def test_the_records_behind_a_source_are_its_leads() -> None:
    rows = [lead("web", id="l1", deal_id="d1"), lead("web", "disqualified", id="l2"), lead("fair", id="l3")]
    sale = simplest(Deal, id="d1", category="won", closed_at=CAME + DAY, amount=Money("600", "PLN"))
    result = source_comparison(rows, deals=[sale], as_of=MAY)

    assert result.explain(by_source(result)["web"]) == {"numerator": ["l1"], "denominator": ["l1", "l2"]}


@pytest.mark.parametrize("source", [None, "value", "owner_id"])
def test_what_is_no_column_to_compare_by_is_refused(source: Any) -> None:
    with pytest.raises(InvalidInput, match="^source="):
        source_comparison([], as_of=MAY, by="owner_id", source=source)


def test_what_is_missing_or_unknown_is_named() -> None:
    with pytest.raises(InvalidInput, match="the Lead data has no column 'sorce'"):
        source_comparison([], as_of=MAY, source="sorce")
    with pytest.raises(InvalidInput, match="the Cost data has no column 'source'"):
        source_comparison([], costs=[], as_of=MAY)
    with pytest.raises(InvalidInput, match="is no Deal data"):
        source_comparison([], as_of=MAY, method="won")
    signed = from_records([simplest(Deal)], Deal).with_columns(category=pl.lit("signed"))
    with pytest.raises(InvalidInput, match="column 'category' holds 'signed' .1 rows.; accepted are 'open', 'won'"):
        source_comparison([lead("web")], deals=signed, as_of=MAY)


def test_revenue_and_costs_in_two_currencies_are_refused() -> None:
    sale = simplest(Deal, id="d1", category="won", closed_at=CAME, amount=Money("600", "PLN"))
    paid = Cost(category="ads", amount=Money("5", "THB"), incurred_on=date(2025, 5, 1), campaign_id="spring")
    rows = [lead("web", deal_id="d1", campaign_id="spring")]

    with pytest.raises(InvalidInput, match="amounts in PLN, THB cannot be added"):
        source_comparison(rows, deals=[sale], costs=[paid], source="campaign_id", as_of=MAY)


def test_the_sources_of_x_education_have_their_published_conversion(published: Path) -> None:
    expected = json.loads((published / "expected" / "xeducation.json").read_text())
    parts = ("Lead_Scoring.csv", "eval_leads_heldout49.csv")  # the published figures are of both files together
    files = [pl.read_csv(published / "xeducation_leads" / part, infer_schema=False) for part in parts]
    frame = pl.concat(files, how="diagonal").select(
        pl.lit(CAME).alias("created_at"),
        pl.lit(CAME).alias("converted_at"),
        pl.when(pl.col("Converted") == "1").then(pl.lit("converted")).otherwise(pl.lit("open")).alias("category"),
        pl.col("Lead Source").replace("google", "Google").alias("source"),
    )
    found = {each.group["source"] or "nan": each for each in source_comparison(frame, as_of=MAY)}

    assert found.keys() == expected["by_lead_source_folded"].keys()
    for name, figure in expected["by_lead_source_folded"].items():
        measure = found[name]
        n, converted = expected["rows"] - figure["n"], expected["converted"] - figure["converted"]
        assert (measure.numerator, measure.n) == (figure["converted"], figure["n"])
        assert measure.value == pytest.approx(figure["rate"], abs=1e-9)
        assert measure.details["difference"] == pytest.approx(figure["rate"] - converted / n, abs=1e-9)
    # A source of four leads that converts three may be like the others; the 534 who came by a friend are not.
    for name, p in (("Click2call", 0.1627310082917881), ("Reference", 1.0595684440257021e-156)):
        assert found[name].details["p"] == pytest.approx(p, rel=1e-8)
    assert found["Click2call"].details["p_adjusted"] == 1.0
    assert found["Reference"].details["p_adjusted"] < 1e-150


def test_revenue_in_other_currencies_is_weighed_by_rates() -> None:
    rates = Rates(into="PLN", table=[{"currency": "EUR", "on": date(2025, 5, 1), "rate": 4.0}])
    sales = [
        simplest(Deal, id=name, category="won", closed_at=CAME, amount=Money("10", currency))
        for name, currency in (("d1", "EUR"), ("d2", "PLN"), ("d3", "THB"))
    ]
    rows = [lead("web", deal_id=each.id) for each in sales]
    measure = source_comparison(rows, deals=sales, as_of=MAY, rates=rates).only

    assert (measure.details["revenue"], measure.excluded) == (50.0, {"no exchange rate": 1})
