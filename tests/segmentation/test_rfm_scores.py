"""Recency, frequency and money: the scores, their ties, and what customers are called."""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from itertools import product
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmkit.errors import InvalidInput
from crmkit.model import Money, Order
from crmkit.rules import days_ago, field
from crmkit.segmentation import RFM_SEGMENTS, RfmSegment, rfm
from crmkit.segmentation.rfm_scores import OTHER
from crmkit.testing.strategies import simplest
from tests.examples import few
from tests.frames.kinds import KINDS
from tests.segmentation.lifetime.cdnow import END, in_polars, orders

START = datetime(2025, 5, 1, 12, tzinfo=UTC)
NOW = date(2025, 5, 31)
COLUMNS = [
    "customer_id",
    "recency_days",
    "frequency",
    "monetary",
    "recency_score",
    "frequency_score",
    "monetary_score",
    "score",
    "segment",
]


def order(day: float, amount: str | Money | None = "20", customer: str | None = "ann", **parts: Any) -> Order:
    money = Money(amount, "PLN") if isinstance(amount, str) else amount
    return simplest(Order, **{"at": START + timedelta(days=day), "customer_id": customer, "amount": money} | parts)


def scored(*rows: Order, **options: Any) -> dict[str, dict[str, Any]]:
    found: pl.DataFrame = rfm(rows, **{"as_of": NOW} | options)
    return {row.pop("customer_id"): row for row in found.to_dicts()}


def test_cdnow_has_the_published_scores(published: Path) -> None:
    found: pl.DataFrame = rfm(orders(published), as_of=END)

    counts = {name: dict(found[f"{name}_score"].value_counts().rows()) for name in ("recency", "frequency", "monetary")}
    assert counts == {
        "recency": {1: 459, 2: 478, 3: 475, 4: 471, 5: 474},
        "frequency": {1: 1218, 3: 403, 4: 358, 5: 378},
        "monetary": {1: 481, 2: 462, 3: 472, 4: 470, 5: 472},
    }
    assert found.filter(pl.col("score") == "555").height == 233
    assert found.filter(pl.col("score") == "111").height == 167
    assert found["score"].n_unique() == 60
    assert found.filter(pl.col("recency_days") > 180).height == 1842


def test_cdnow_by_the_published_quintiles_as_thresholds_has_the_same_scores(published: Path) -> None:
    data = orders(published)
    quintiles = {"recency": (152, 442, 486, 512), "monetary": (15.3601, 31.9581, 59.2501, 130.4361)}
    by_groups, by_thresholds = (rfm(data, as_of=END, scores=scores) for scores in (5, quintiles))

    assert by_thresholds.equals(by_groups)


def test_what_is_measured() -> None:
    found = scored(order(0, "10"), order(0.2, "5"), order(10, "30"), order(12, "-15"))

    assert found["ann"] | {"segment": None} == {
        "recency_days": 20,
        "frequency": 2,
        "monetary": 30.0,
        "recency_score": 5,
        "frequency_score": 1,
        "monetary_score": 1,
        "score": "511",
        "segment": None,
    }
    assert scored(order(0, "10"), order(10, "30"), monetary="mean")["ann"]["monetary"] == 20.0


def test_one_customer_alone_has_nobody_below_or_before() -> None:
    assert scored(order(0))["ann"]["score"] == "511"


def test_customers_who_are_all_alike_have_one_score() -> None:
    found = scored(*(order(3, customer=f"customer {number}") for number in range(17)))

    assert {row["score"] for row in found.values()} == {"511"}


def test_nothing_gives_no_row() -> None:
    found = rfm([], as_of=NOW)

    assert (found.height, found.columns) == (0, COLUMNS)


def test_what_does_not_count_is_left_out() -> None:
    left_out = [
        order(3, category="cancelled"),
        order(4, None),
        order(5, customer=None),
        order(6, "-5", customer="ben"),
        order(100),
    ]

    assert scored(order(0), *left_out) == scored(order(0))


@pytest.mark.parametrize("tz", ["UTC", "America/New_York", "Asia/Bangkok"])
def test_the_last_instant_of_as_of_counts_and_the_next_does_not(tz: str) -> None:
    midnight = datetime(2025, 6, 1, tzinfo=ZoneInfo(tz))
    last = order(0, at=midnight - timedelta(microseconds=1))

    assert scored(last, order(0, at=midnight), tz=tz)["ann"]["recency_days"] == 0
    assert scored(last, order(0, at=midnight), tz=tz)["ann"]["frequency"] == 1


def test_a_day_is_that_of_the_zone() -> None:
    rows = [order(0, at=datetime(2025, 5, 1, hour, 30, tzinfo=UTC)) for hour in (16, 17)]

    assert scored(*rows)["ann"]["frequency"] == 1
    assert scored(*rows, tz="Asia/Bangkok")["ann"]["frequency"] == 2


def test_a_threshold_that_is_reached_gives_the_better_score() -> None:
    rows = [order(day, "10") for day in (0, 10, 20)]
    ways = {"recency": (10, 20), "frequency": (3, 4), "monetary": (30, 30.01)}

    assert scored(*rows, scores=ways, segments=None)["ann"]["score"] == "322"
    assert scored(*rows, scores=ways, segments=None, as_of=date(2025, 6, 1))["ann"]["score"] == "222"


def test_each_measure_has_its_own_number_of_groups() -> None:
    rows = [order(day, str(day + 1), f"customer {day:02}") for day in range(30)]
    found = scored(*rows, scores={"recency": 3, "frequency": (2,), "monetary": 10}, segments=None)

    assert Counter(row["recency_score"] for row in found.values()) == {1: 10, 2: 10, 3: 10}
    assert Counter(row["monetary_score"] for row in found.values()) == dict.fromkeys(range(1, 11), 3)
    assert found["customer 29"]["score"] == "3-1-10"


def test_the_published_segments_part_all_scores_without_gap_or_overlap() -> None:
    for recency, frequency in product(range(1, 6), repeat=2):
        scores = {"recency": recency, "frequency": frequency}
        fitting = [
            each.name
            for each in RFM_SEGMENTS
            if all(low <= scores[measure] <= high for measure, (low, high) in each.scores.items())
        ]
        assert len(fitting) == 1


def test_the_first_segment_that_fits_counts_and_others_have_a_name() -> None:
    rows = [order(0, "10", "ann"), order(20, "90", "ben"), order(20, "50", "cid")]
    table = [RfmSegment("Big", monetary=(5, 5)), RfmSegment("Recent", recency=(5, 5))]
    names = {customer: row["segment"] for customer, row in scored(*rows, segments=table).items()}

    assert names == {"ann": OTHER, "ben": "Big", "cid": "Recent"}
    assert {row["segment"] for row in scored(*rows, segments=[]).values()} == {OTHER}
    assert {row["segment"] for row in scored(*rows, segments=[*table, RfmSegment("All")]).values()} == {
        "Big",
        "Recent",
        "All",
    }


def test_without_segments_there_is_no_such_column() -> None:
    assert "segment" not in rfm([order(0)], as_of=NOW, segments=None, scores=3).columns


def test_a_rule_looks_back_a_year() -> None:
    rows = [order(-400), order(0)]

    assert scored(*rows)["ann"]["frequency"] == 2
    assert scored(*rows, where=field("at") >= days_ago(365))["ann"]["frequency"] == 1


purchases = st.lists(
    st.builds(
        order,
        st.floats(0, 30) | st.integers(0, 30).map(float),
        st.sampled_from(["10", "0", "-5", "7.25", "0.01"]),
        st.sampled_from([f"customer {number}" for number in range(7)]),
    ),
    max_size=15,
)


def quantile(values: Sequence[Fraction], share: Fraction) -> Fraction:
    """Interpolated linearly, in fractions."""
    position = share * (len(values) - 1)
    below, above = sorted(values)[int(position)], sorted(values)[-int(-position // 1)]
    return below + (above - below) * (position - int(position))


def above_quantiles(values: dict[str, Fraction], groups: int) -> dict[str, int]:
    breaks = [quantile(list(values.values()), Fraction(number, groups)) for number in range(1, groups)]
    return {who: 1 + sum(each < value for each in breaks) for who, value in values.items()}


@few
@given(purchases, st.integers(2, 10))
def test_a_score_is_the_number_of_quantiles_below_in_plain_words(rows: list[Order], groups: int) -> None:
    days: dict[str, set[date]] = {}
    spent: dict[str, Fraction] = {}
    for row in rows:
        assert row.amount is not None
        assert row.customer_id is not None
        spent[row.customer_id] = spent.get(row.customer_id, Fraction(0)) + Fraction(row.amount.amount)
        if row.amount.amount >= 0:
            days.setdefault(row.customer_id, set()).add(row.at.date())
    recency = {who: Fraction((NOW - max(each)).days) for who, each in days.items()}
    frequency = {who: Fraction(len(each)) for who, each in days.items()}
    money = {who: spent[who] for who in days}
    scores = [above_quantiles(each, groups) for each in (recency, frequency, money)] if days else [{}, {}, {}]

    found = rfm(rows, as_of=NOW, scores=groups, segments=None)
    assert found.select(COLUMNS[:4]).rows() == [
        (who, recency[who], frequency[who], float(money[who])) for who in sorted(days)
    ]
    assert found.select(COLUMNS[4:7]).rows() == [
        (groups + 1 - scores[0][who], scores[1][who], scores[2][who]) for who in sorted(days)
    ]


@few
@given(purchases, st.randoms(use_true_random=False))
def test_it_is_the_same_in_any_order_at_any_prices_and_at_another_time(rows: list[Order], chance: Any) -> None:
    found = rfm(rows, as_of=NOW)
    later = [row.replace(at=row.at + timedelta(weeks=3)) for row in rows]
    dearer = [row.replace(amount=row.amount and Money(row.amount.amount * 3, "PLN")) for row in rows]

    assert rfm(chance.sample(rows, len(rows)), as_of=NOW).equals(found)
    assert rfm(later, as_of=NOW + timedelta(weeks=3)).equals(found)
    assert rfm(dearer, as_of=NOW).drop("monetary").equals(found.drop("monetary"))


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_data_gives_the_same_in_its_own_kind(kind: str) -> None:
    rows = [order(0), order(7, "-5"), order(9, "12.5"), order(3, customer="ben"), order(4, "1", customer="cid")]
    data = KINDS[kind](rows, Order)
    asked: dict[str, Any] = {"as_of": NOW, "scores": {"recency": (25, 27), "frequency": 10}}
    asked["segments"] = [RfmSegment("Often", frequency=(10, 10))]
    found: Any = rfm(data, **asked)

    assert type(found) is (pl.DataFrame if kind in {"records", "generator"} else type(data))
    assert in_polars(found).rows() == rfm(rows, **asked).rows()


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"scores": 1}, "scores: recency=1 is neither a number of groups from 2 to 10 nor rising thresholds"),
        ({"scores": {"frequency": (3, 2)}}, "scores: frequency=\\(3, 2\\) is neither"),
        ({"scores": {"frequency": (3, "many")}}, "neither a number of groups"),
        ({"scores": {"money": 5}}, "scores: 'money' is not measured; there are .*'monetary'"),
        ({"scores": 4}, "RFM_SEGMENTS is made for scores from 1 to 5, and recency has 4; give segments="),
        (
            {"segments": [RfmSegment("All", monetary=(1, 6))]},
            "segment 'All' takes monetary up to 6, and scores go to 5",
        ),
        ({"segments": ["Champions"]}, "segments= takes a list of RfmSegment"),
        ({"monetary": "sum"}, "monetary='sum' is no measure of money; there are 'total', 'mean'"),
        ({"as_of": datetime(2025, 5, 29)}, "as_of=.* has no time zone"),
        ({"tz": "Mars"}, "tz='Mars' is not a time zone"),
    ],
)
def test_what_makes_no_sense_is_refused(options: dict[str, Any], complaint: str) -> None:
    with pytest.raises(InvalidInput, match=complaint):
        rfm([order(0)], **{"as_of": NOW} | options)


@pytest.mark.parametrize(
    ("name", "scores", "complaint"),
    [
        (" ", {}, "' ' is no name of a segment"),
        ("Old", {"recency": (2, 1)}, "segment 'Old': recency=\\(2, 1\\) is no range of scores"),
        ("Old", {"monetary": 5}, "segment 'Old': monetary=5 is no range of scores; give the lowest and the highest"),
        ("Old", {"frequency": (0, 2)}, "segment 'Old': frequency"),
    ],
)
def test_a_segment_that_makes_no_sense_is_refused(name: str, scores: dict[str, Any], complaint: str) -> None:
    with pytest.raises(InvalidInput, match=complaint):
        RfmSegment(name, **scores)


def test_currencies_are_not_added_and_a_missing_column_is_named() -> None:
    with pytest.raises(InvalidInput, match="amounts in EUR, PLN cannot be added"):
        rfm([order(0), order(1, Money("5", "EUR"))], as_of=NOW)
    with pytest.raises(InvalidInput, match="no column 'amount'"):
        rfm(pl.DataFrame({"customer_id": ["ann"], "at": [START]}), as_of=NOW)


def test_thresholds_name_the_buyers_of_a_shop_as_published(published: Path) -> None:
    case = published / "prepbench_preppindata" / "case_276"
    sales = pl.read_csv(case / "inputs" / "input_01.csv").with_columns(
        at=pl.col("Date").str.to_datetime("%d/%m/%Y", time_zone="UTC")
    )
    # Points are a fiftieth of the money, rounded to a tenth: 5 and 7 points are reached from 4.95 and 6.95 on.
    names = ("No Byte", "Byte", "Mega Byte")
    found: pl.DataFrame = rfm(
        sales,
        as_of=date(2023, 12, 31),
        scores={"monetary": (4.95 * 50, 6.95 * 50)},
        segments=[RfmSegment(name, monetary=(score, score)) for score, name in enumerate(names, start=1)],
        columns={"customer_id": "Receipt Number", "amount": "Sale Total"},
    )
    named = found.join(
        sales.select(pl.col("Receipt Number").cast(pl.String), "Gender"),
        left_on="customer_id",
        right_on="Receipt Number",
    )
    shares = {
        name: {who: round(100 * n / len(rows), 1) for who, n in Counter(rows["Gender"]).items()}
        for (name,), rows in named.group_by("segment")
    }

    expected = pl.read_csv(case / "expected" / "output_01.csv")
    assert shares == {name: {"Female": women, "Male": men} for name, women, men in expected.rows()}


def test_money_of_customers_is_summed_as_published(published: Path) -> None:
    case = published / "prepbench_preppindata" / "case_164"
    sales = pl.read_csv(case / "inputs" / "input_01.csv").with_columns(at=pl.lit(START))
    found: pl.DataFrame = rfm(sales, as_of=NOW, columns={"customer_id": "Customer ID", "amount": "Sales"})
    money = found.sort("monetary", descending=True).select(pl.col("customer_id").cast(pl.Int64), "monetary")

    expected = pl.read_csv(case / "expected" / "output_01.csv").select("Customer ID", "Sales")
    assert money.head(expected.height).rows() == [pytest.approx(row) for row in expected.rows()]
