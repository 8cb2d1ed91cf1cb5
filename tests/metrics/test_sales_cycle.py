"""Sales cycle: the median of civil days from creation to close."""

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

from crmkit.metrics import sales_cycle
from crmkit.model import Deal
from crmkit.testing.strategies import simplest
from tests.metrics.cases import deals
from tests.metrics.oracle import Asked, Fact, asked, check, closed_deals

MAY = date(2025, 5, 31)
CREATED = datetime(2025, 5, 1, 9, tzinfo=UTC)


def won(days: float, **given_: Any) -> Deal:
    closed: dict[str, Any] = {"category": "won", "created_at": CREATED, "closed_at": CREATED + timedelta(days=days)}
    return simplest(Deal, **closed | given_)


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
