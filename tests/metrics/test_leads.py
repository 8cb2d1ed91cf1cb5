"""Leads: new ones, and the share that is converted, becomes a deal, or is won."""

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmkit.errors import InvalidInput
from crmkit.frames import from_records
from crmkit.metrics.leads import lead_conversion, new_leads
from crmkit.model import Deal, Lead
from crmkit.rules import field
from crmkit.testing.strategies import simplest
from tests.examples import few
from tests.frames.kinds import KINDS
from tests.metrics.cases import AS_OF, maybe
from tests.metrics.oracle import Asked, Fact, asked, check, share

MAY = date(2025, 5, 31)
CAME = datetime(2025, 5, 2, 12, tzinfo=UTC)
DAY, MICROSECOND = timedelta(days=1), timedelta(microseconds=1)
DEAL_IDS = ["d1", "d2", "d3"]


def several(cls: Any, **given_: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Any]]:
    made = st.builds(cls, **{"id": st.uuids().map(str)} | given_)
    return st.lists(made, max_size=8, unique_by=lambda each: each.id)


leads = several(
    Lead,
    created_at=maybe,
    category=st.sampled_from(["open", "converted", "converted", "disqualified"]),
    converted_at=maybe,
    deal_id=st.sampled_from([None, *DEAL_IDS]),
    customer_id=st.sampled_from([None, "ann", "ben"]),
    source=st.sampled_from([None, "web", "fair"]),
)
deals = several(
    Deal,
    id=st.sampled_from(DEAL_IDS),
    pipeline_id=st.just("gym"),
    stage=st.just("Offer"),
    category=st.sampled_from(["open", "won", "lost"]),
    closed_at=maybe,
)


def lead(category: Any = "open", **given_: Any) -> Lead:
    converted = {"created_at": CAME, "converted_at": CAME + DAY if category == "converted" else None}
    return simplest(Lead, category=category, **converted | given_)


def came(leads_: list[Lead], asked_: Asked) -> Iterator[Fact]:
    for each in leads_:
        yield Fact(each.created_at, "lead" if each.created_at else "no creation date", asked_.group(each))


@given(leads, asked(by="source"))
def test_new_leads_are_counted_by_creation_date(leads_: list[Lead], asked_: Asked) -> None:
    facts = came(leads_, asked_)

    check(new_leads(leads_, **asked_.options), facts, ["lead"], asked_, lambda inside: {"value": len(inside)})


@given(leads, asked(by="source"))
def test_people_count_once_when_they_first_came(leads_: list[Lead], asked_: Asked) -> None:
    firsts: dict[Any, Fact] = {}
    for each, fact in zip(leads_, came(leads_, asked_), strict=True):
        who = (each.customer_id, fact.group) if each.customer_id and fact.at else each.id
        firsts[who] = min(firsts.get(who, fact), fact, key=lambda one: one.at or CAME)
    result = new_leads(leads_, method="people", **asked_.options)

    check(result, firsts.values(), ["lead"], asked_, lambda inside: {"value": len(inside)})


def test_a_lead_of_a_known_person_is_no_new_one_later() -> None:
    again = [lead(customer_id="ann", created_at=CAME), lead(customer_id="ann", created_at=CAME + 40 * DAY)]
    options: dict[str, Any] = {"as_of": date(2025, 6, 30), "every": "month"}

    assert [each.value for each in new_leads(again, **options)] == [1.0, 1.0]
    assert [each.value for each in new_leads(again, method="people", **options)] == [1.0, 0.0]


def test_without_leads_there_are_none_and_nothing_is_converted() -> None:
    assert (new_leads([], as_of=MAY).value, new_leads([], as_of=MAY).only.n) == (0.0, 0)
    measure = lead_conversion([], as_of=MAY).only
    assert (measure.value, measure.reason, measure.denominator, measure.details) == (None, "no lead came", 0, {})


def reached(method: str, each: Lead, sales: dict[str, Deal]) -> tuple[bool, datetime | None]:
    """Whether a lead got there, and when."""
    if method == "won":
        deal = sales.get(each.deal_id or "")
        return (deal.category == "won", deal.closed_at) if deal else (False, None)
    is_there = each.category == "converted" and (method == "converted" or each.deal_id is not None)
    return is_there, each.converted_at


def conversions(method: str, leads_: list[Lead], deals_: list[Deal], asked_: Asked, days: int | None) -> Iterator[Fact]:
    sales = {each.id: each for each in deals_}
    for each in leads_:
        group, at = asked_.group(each), each.created_at
        got_there, then = reached(method, each, sales)
        if at is None:
            yield Fact(None, "no creation date", group)
        elif days is None:
            is_known = then is None or asked_.is_known(then)
            yield Fact(at, "reached" if got_there and is_known else "not reached", group)
        elif not asked_.is_known(at + days * DAY):
            yield Fact(at, "window still open", group)
        elif got_there and then is None:
            yield Fact(at, "converted without a date", group)
        elif got_there and then is not None and then < at:
            yield Fact(at, "converted before it came", group)
        else:
            is_in_time = got_there and then is not None and then <= at + days * DAY
            yield Fact(at, "reached" if is_in_time else "not reached", group)


@pytest.mark.parametrize("method", ["converted", "deal", "won"])
@given(leads, deals, asked(by="source"), st.sampled_from([None, 0, 7, 30]))
@few
def test_it_is_the_share_of_leads_that_got_there(
    method: str, leads_: list[Lead], deals_: list[Deal], asked_: Asked, days: int | None
) -> None:
    options: dict[str, Any] = {"deals": deals_, "method": method, "within_days": days}
    facts = conversions(method, leads_, deals_, asked_, days)
    result = lead_conversion(leads_, **options, **asked_.options)

    check(result, facts, ["reached", "not reached"], asked_, lambda inside: share(inside, "reached"))


@pytest.mark.parametrize("method", ["converted", "deal", "won"])
@given(leads, leads, deals, st.randoms(use_true_random=False))
@few
def test_parts_add_up_to_the_whole_in_any_order_and_a_rule_is_a_filter(
    method: str, some: list[Lead], others: list[Lead], deals_: list[Deal], order: Any
) -> None:
    options: dict[str, Any] = {"as_of": AS_OF, "method": method, "deals": deals_}
    both = [*some, *(each.replace(id=f"other {each.id}") for each in others)]
    whole = lead_conversion(both, **options)
    order.shuffle(both)

    assert lead_conversion(some, **options) + lead_conversion(others, **options) == whole
    assert lead_conversion(both, **options) == whole
    from_web = [each for each in both if each.source == "web"]
    assert lead_conversion(both, where=field("source") == "web", **options) == lead_conversion(from_web, **options)
    groups = lead_conversion(both, by="source", **options)
    assert sum(each.numerator or 0 for each in groups) == whole.only.numerator


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("method", ["converted", "deal", "won"])
@given(leads, deals)
@few
def test_every_kind_of_data_has_the_same_answer(kind: str, method: str, leads_: list[Lead], deals_: list[Deal]) -> None:
    options: dict[str, Any] = {"as_of": AS_OF, "every": "month", "by": "source", "tz": "Asia/Bangkok"}
    asked_: dict[str, Any] = {"method": method, "within_days": 7} | options
    found = lead_conversion(KINDS[kind](leads_, Lead), deals=KINDS[kind](deals_, Deal), **asked_)

    assert found == lead_conversion(leads_, deals=deals_, **asked_)
    for counted in ("leads", "people"):
        assert new_leads(KINDS[kind](leads_, Lead), method=counted, **options) == new_leads(
            leads_, method=counted, **options
        )


def test_deals_per_100_leads_are_beside_the_share() -> None:
    rows = [lead("converted", deal_id="d1")] * 4 + [lead("converted")] + [lead("disqualified")] * 20
    measure = lead_conversion(rows, as_of=MAY, method="deal").only

    assert (measure.value, measure.numerator, measure.denominator) == (0.16, 4, 25)
    assert measure.details == {"per_100_leads": 16.0, "open": 0.0}
    assert measure.warnings == ()


def test_a_cohort_with_open_leads_says_that_it_may_grow() -> None:
    measure = lead_conversion([lead("converted"), lead(), lead()], as_of=MAY).only

    assert measure.details["open"] == 2
    assert measure.warnings == ("2 of 3 leads have not been converted yet and may still be",)
    assert lead_conversion([lead()], as_of=MAY, within_days=7).only.warnings == ()


def test_a_lost_deal_is_no_open_one() -> None:
    sale = simplest(Deal, id="d1", category="lost", closed_at=CAME)

    assert lead_conversion([lead(deal_id="d1")], deals=[sale], as_of=MAY, method="won").only.warnings == ()
    earlier = date(2025, 5, 2)
    later = sale.replace(closed_at=CAME + DAY)
    assert lead_conversion([lead(deal_id="d1")], deals=[later], as_of=earlier, method="won").only.details["open"] == 1


def test_a_conversion_after_as_of_has_not_happened() -> None:
    rows = [lead("converted", converted_at=CAME + DAY)]

    assert lead_conversion(rows, as_of=CAME + DAY - MICROSECOND).value == 0
    assert lead_conversion(rows, as_of=CAME + DAY).value == 1


def test_the_window_is_closed_at_its_last_microsecond() -> None:
    late, in_time = lead("converted", converted_at=CAME + 7 * DAY + MICROSECOND), lead("converted")

    assert lead_conversion([late, in_time], as_of=MAY, within_days=7).value == 0.5
    young = lead_conversion([late], as_of=CAME + 7 * DAY - MICROSECOND, within_days=7).only
    assert (young.value, young.excluded) == (None, {"window still open": 1})


@pytest.mark.parametrize(("tz", "month"), [("UTC", "2025-04"), ("Asia/Bangkok", "2025-05")])
def test_the_month_is_that_of_the_time_zone(tz: str, month: str) -> None:
    rows = [lead(created_at=datetime(2025, 4, 30, 20, tzinfo=UTC))]

    assert [
        each.period and each.period.label for each in new_leads(rows, as_of=MAY, every="month", tz=tz) if each.n
    ] == [month]


def test_a_missing_column_is_named() -> None:
    frame = from_records([lead()], Lead)

    with pytest.raises(InvalidInput, match="has no column 'created_at'"):
        new_leads(frame.drop("created_at"), as_of=MAY)
    with pytest.raises(InvalidInput, match="has no column 'deal_id'"):
        lead_conversion(frame.drop("deal_id"), as_of=MAY, method="deal")
    with pytest.raises(InvalidInput, match="is no Deal data"):
        lead_conversion(frame, as_of=MAY, method="won")


def test_an_unknown_category_is_refused_in_both_tables() -> None:
    frame = from_records([lead()], Lead).with_columns(category=pl.lit("junk"))
    sales = from_records([simplest(Deal)], Deal).with_columns(category=pl.lit("signed"))

    with pytest.raises(InvalidInput, match="column 'category' holds 'junk' .1 rows.; accepted are 'open', 'converted'"):
        lead_conversion(frame, as_of=MAY)
    with pytest.raises(InvalidInput, match="column 'category' holds 'signed' .1 rows.; accepted are 'open', 'won'"):
        lead_conversion([lead()], deals=sales, as_of=MAY, method="won", by="source")


@pytest.mark.parametrize("days", [-1, 1.5, True, "7"])
def test_a_window_is_a_whole_number_of_days(days: Any) -> None:
    with pytest.raises(InvalidInput, match="^within_days="):
        lead_conversion([], as_of=MAY, within_days=days)


def test_the_records_behind_a_measure_are_leads_only() -> None:
    sale = simplest(Deal, id="d1", category="won", closed_at=CAME + DAY)
    result = lead_conversion([lead(id="l1", deal_id="d1"), lead(id="l2")], deals=[sale], as_of=MAY, method="won")

    assert result.explain(result.only) == {"numerator": ["l1"], "denominator": ["l1", "l2"]}
    web = [lead(id="l1", source="web", deal_id="d1"), lead(id="l2", source="web"), lead(id="l3", source="fair")]
    *_, grouped = found = lead_conversion(web, deals=[sale], as_of=MAY, method="won", by="source")
    assert found.explain(grouped) == {"numerator": ["l1"], "denominator": ["l1", "l2"]}


def test_the_leads_of_x_education_have_their_published_conversion(published: Path) -> None:
    expected = json.loads((published / "expected" / "xeducation.json").read_text())
    parts = ("Lead_Scoring.csv", "eval_leads_heldout49.csv")  # the published figures are of both files together
    files = [pl.read_csv(published / "xeducation_leads" / part, infer_schema=False) for part in parts]
    frame = pl.concat(files, how="diagonal").select(
        pl.lit(CAME).alias("created_at"),
        pl.lit(CAME).alias("converted_at"),
        pl.when(pl.col("Converted") == "1").then(pl.lit("converted")).otherwise(pl.lit("open")).alias("category"),
        pl.col("Lead Origin").alias("origin"),
        pl.col("Lead Source").replace("google", "Google").alias("source"),
    )
    whole = lead_conversion(frame, as_of=MAY).only

    assert new_leads(frame, as_of=MAY).value == expected["rows"]
    assert (whole.numerator, whole.denominator) == (expected["converted"], expected["rows"])
    assert whole.value == pytest.approx(expected["conversion_rate"], abs=1e-9)
    for column, figures in (("source", "by_lead_source_folded"), ("origin", "by_lead_origin")):
        groups = {str(each.group[column] or "nan"): each for each in lead_conversion(frame, as_of=MAY, by=column)}
        assert groups.keys() == expected[figures].keys()
        for name, figure in expected[figures].items():
            assert (groups[name].numerator, groups[name].n) == (figure["converted"], figure["n"])
            assert groups[name].value == pytest.approx(figure["rate"], abs=1e-9)
