"""Products that follow one another, against the same in plain Python."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmkit.errors import InvalidInput
from crmkit.model import Money, Order
from crmkit.rules import field
from crmkit.segmentation import affinities
from crmkit.testing.strategies import simplest
from tests.examples import few
from tests.frames.kinds import KINDS
from tests.segmentation.buying import FIRST, bought
from tests.segmentation.lifetime.cdnow import in_polars

NOW = date(2025, 4, 30)
Row = tuple[str, str, int, int, float, float, float | None]
Bought = Mapping[tuple[str, str], Sequence[int]]
"""Customer and product to the days on which the one bought the other, in order."""


def plainly(
    rows: Sequence[tuple[str, str, int]], today: int, *, within_days: int, min_support: int, smoothing: float
) -> list[Row]:
    """The sequences as `affinities` defines them, pair by pair and customer by customer."""
    days = days_of(rows)
    products = sorted({product for _, product in days})
    counts = {(one, other): _sequence(days, one, other, today, within_days) for one in products for other in products}
    rates = {}
    for other in products:
        support = sum(len(counts[one, other][1]) for one in products)
        rates[other] = support / max(sum(counts[one, other][0] for one in products), 1)
    found = []
    for (one, other), (customers, waits) in counts.items():
        if len(waits) >= min_support:
            rate = rates[other]
            confidence = (len(waits) + smoothing * rate) / (customers + smoothing)
            found.append((one, other, customers, len(waits), confidence, confidence / rate, float(median(waits))))
    return sorted(found, key=lambda row: (row[0], -row[4], row[1]))


def days_of(rows: Sequence[tuple[str, str, int]]) -> Bought:
    days = defaultdict(set)
    for customer, product, day in rows:
        days[customer, product].add(day)
    return {key: sorted(each) for key, each in days.items()}


def _sequence(days: Bought, one: str, other: str, today: int, within: int) -> tuple[int, list[int]]:
    customers, waits = 0, []
    for customer in {customer for customer, product in days if product == one}:
        first = days[customer, one][0]
        nexts = days[customer, one][1:] if one == other else days.get((customer, other), [])
        if first + within > today or (nexts and nexts[0] <= first):
            continue
        customers += 1
        if nexts and nexts[0] - first <= within:
            waits.append(nexts[0] - first)
    return customers, waits


purchases = st.lists(st.tuples(st.sampled_from("abcdef"), st.sampled_from("PQR"), st.integers(0, 40)), max_size=40)


@few
@given(purchases, st.integers(1, 30), st.integers(1, 3), st.sampled_from([0, 10, 2.5]))
def test_sequences_are_what_they_are_in_plain_words(
    rows: list[tuple[str, str, int]], within: int, least: int, smoothing: float
) -> None:
    asked: dict[str, Any] = {"within_days": within, "min_support": least, "smoothing": smoothing}
    known = [row for row in rows if row[2] <= 30]
    found = affinities([bought(*row) for row in rows], as_of=FIRST.date() + timedelta(30), **asked)

    assert found.rows() == plainly(known, 30, **asked)


def test_deals_of_a_real_business_are_what_they_are_in_plain_words(published: Path) -> None:
    deals = pl.read_csv(published / "maven_crm" / "sales_pipeline.csv").filter(deal_stage="Won")
    closed = pl.col("close_date").str.to_datetime("%m/%d/%Y", time_zone="UTC")
    deals = deals.with_columns(closed=closed, number=closed.dt.epoch("d"))
    names = {"customer_id": "account", "at": "closed", "product_ids": "product"}
    found = affinities(deals, as_of=date(2017, 12, 31), within_days=30, columns=names)
    rows = deals.select("account", "product", "number").rows()
    today = (date(2017, 12, 31) - date(1970, 1, 1)).days

    assert found.height == 36
    assert found.rows() == plainly(rows, today, within_days=30, min_support=5, smoothing=10)


BASKETS = (
    "bread milk",
    "bread nappies beer eggs",
    "milk nappies beer cola",
    "bread milk nappies beer",
    "bread milk nappies cola",
)
"""The baskets of the textbook of Tan, Steinbach and Kumar, each of another customer."""


def test_what_is_bought_together_has_the_confidence_and_lift_of_the_textbook() -> None:
    rows = [bought(str(number), product, 0) for number, basket in enumerate(BASKETS) for product in basket.split()]
    found = affinities(rows, as_of=NOW, method="together", min_support=1, smoothing=0)
    pair = found.row(by_predicate=(pl.col("product_id") == "nappies") & (pl.col("next_product_id") == "beer"))

    assert pair[2:] == (4, 3, 0.75, pytest.approx(1.25), None)


@few
@given(purchases)
def test_what_is_bought_together_is_lifted_alike_both_ways(rows: list[tuple[str, str, int]]) -> None:
    found = affinities([bought(*row) for row in rows], as_of=NOW, method="together", min_support=1, smoothing=0)
    lifts = {(one, other): lift for one, other, *_, lift, _ in found.rows()}

    assert all(lift == pytest.approx(lifts[other, one]) for (one, other), lift in lifts.items())


def only(*rows: Order, **options: Any) -> list[Any]:
    asked: dict[str, Any] = {"as_of": NOW, "within_days": 30, "min_support": 1, "smoothing": 0}
    found: pl.DataFrame = affinities(rows, **asked | options)
    return found.select("product_id", "next_product_id", "customers", "support").rows()


def test_who_may_still_buy_does_not_count_yet() -> None:
    rows = [bought("a", "P", 0), bought("a", "Q", 10), bought("b", "P", 50)]

    assert only(*rows, as_of=FIRST.date() + timedelta(79)) == [("P", "Q", 1, 1)]
    assert only(*rows, as_of=FIRST.date() + timedelta(80)) == [("P", "Q", 2, 1)]


def test_who_had_it_before_or_on_the_same_day_cannot_buy_it_next() -> None:
    rows = [bought("a", "P", 0), bought("a", "Q", 10), bought("b", "P", 10), bought("b", "Q", 10)]

    assert only(*rows) == [("P", "Q", 1, 1)]


def test_the_last_day_of_the_window_counts_and_the_next_does_not() -> None:
    assert only(bought("a", "P", 0), bought("a", "Q", 30)) == [("P", "Q", 1, 1)]
    assert only(bought("a", "P", 0), bought("a", "Q", 31)) == []


def test_the_day_is_that_of_the_zone() -> None:
    late = bought("a", "P", 0, at=datetime(2025, 1, 1, 16, 30, tzinfo=UTC))
    rows = [late, bought("a", "Q", 0, at=late.at + timedelta(hours=1))]

    assert only(*rows) == []
    assert only(*rows, tz="Asia/Bangkok") == [("P", "Q", 1, 1)]


def test_what_is_bought_on_another_day_again_follows_itself() -> None:
    assert only(bought("a", "P", 0), bought("a", "P", 7), bought("b", "P", 0)) == [("P", "P", 2, 1)]
    assert only(bought("a", "P", 0), bought("a", "P", 0)) == []


def test_refunds_and_what_was_cancelled_are_no_purchases() -> None:
    first = bought("a", "P", 0)

    assert only(first, bought("a", "Q", 5, amount=Money("-20", "PLN"))) == []
    assert only(first, bought("a", "Q", 5, category="cancelled")) == []
    assert only(first, bought("a", "Q", 5, category="open")) == [("P", "Q", 1, 1)]


def test_a_rule_chooses_orders() -> None:
    rows = [bought("a", "P", 0), bought("a", "Q", 5, channel="web")]

    assert only(*rows, where=field("channel").is_empty()) == []


def test_nothing_gives_no_rows() -> None:
    assert affinities([], as_of=NOW).is_empty()
    assert affinities([simplest(Order, customer_id="a", at=FIRST)], as_of=NOW).is_empty()


def test_one_product_a_row_is_the_same_as_lists() -> None:
    rows = [bought("a", "P", 0), bought("a", "Q", 5), bought("b", "P", 9)]
    lines = pl.DataFrame({"who": [1, 1, 2], "article": [7, 8, 7], "at": [row.at for row in rows]})
    found = affinities(
        lines, as_of=NOW, min_support=1, within_days=20, columns={"customer_id": "who", "product_ids": "article"}
    )

    assert found.select("product_id", "next_product_id", "customers", "support").rows() == [("7", "8", 2, 1)]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("method", ["sequence", "together"])
def test_every_kind_of_data_gives_the_same_in_its_own_kind(kind: str, method: str) -> None:
    rows = [
        simplest(Order, customer_id="a", at=FIRST, product_ids=["P", "Q"]),
        bought("a", "Q", 4),
        bought("b", "P", 2),
        bought("b", "Q", 9),
        bought("b", "Q", 20),
    ]
    asked: dict[str, Any] = {"as_of": NOW, "method": method, "min_support": 1}
    data = KINDS[kind](rows, Order)
    found = affinities(data, **asked)

    assert type(found) is (pl.DataFrame if kind in {"records", "generator"} else type(data))
    assert in_polars(found).rows() == affinities(rows[::-1], **asked).rows()
    assert in_polars(found).height >= 2


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"method": "sequences"}, "method='sequences' is no way to pair products; .* did you mean 'sequence'"),
        ({"within_days": 0}, "within_days=0 is out of range; give a whole number from 1"),
        ({"min_support": 1.5}, "min_support=1.5 is out of range"),
        ({"smoothing": -1}, "smoothing=-1 is no number of customers"),
        ({"smoothing": float("nan")}, "smoothing=nan is no number of customers"),
        ({"as_of": datetime(2025, 5, 29)}, "as_of"),
        ({"tz": "Mars"}, "tz='Mars' is not a time zone"),
    ],
)
def test_what_makes_no_sense_is_refused(options: dict[str, Any], complaint: str) -> None:
    with pytest.raises(InvalidInput, match=complaint):
        affinities([bought("a", "P", 0)], **{"as_of": NOW} | options)


def test_a_table_without_products_is_refused() -> None:
    with pytest.raises(InvalidInput, match="no column 'product_ids'"):
        affinities(pl.DataFrame({"customer_id": ["a"], "at": [FIRST]}), as_of=NOW)
