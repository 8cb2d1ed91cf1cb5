"""Cohorts: who is in which, who came back when, and what nobody knows yet."""

import json
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
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
from crmkit.model import Customer, Interaction, Money, Order
from crmkit.rules import field
from crmkit.segmentation import Events, cohorts
from crmkit.testing.strategies import simplest
from tests.examples import few
from tests.frames.kinds import KINDS
from tests.segmentation.lifetime.cdnow import END, in_polars, orders

START = datetime(2025, 1, 15, 12, tzinfo=UTC)
NOW = date(2025, 4, 30)
COLUMNS = [
    "cohort",
    "cohort_start",
    "period",
    "size",
    "customers",
    "rate",
    "revenue",
    "cumulative_revenue",
    "value",
    "partial",
]


def order(day: float, amount: str | Money | None = "10", customer: str | None = "ann", **parts: Any) -> Order:
    money = Money(amount, "PLN") if isinstance(amount, str) else amount
    return simplest(Order, **{"at": START + timedelta(days=day), "customer_id": customer, "amount": money} | parts)


def cells(*rows: Order, column: str = "customers", **options: Any) -> dict[str, list[Any]]:
    found: pl.DataFrame = cohorts(rows, **{"as_of": NOW} | options)
    return dict(found.group_by("cohort", maintain_order=True).agg(column).rows())


def test_cdnow_has_the_published_cells(published: Path) -> None:
    found: pl.DataFrame = cohorts(orders(published), as_of=END)

    by_month = dict(found.group_by("cohort").agg(pl.col("customers").sort_by("period").head(6)).rows())
    assert by_month == {
        "1997-01": [781, 124, 95, 70, 65, 77],
        "1997-02": [857, 134, 110, 75, 77, 75],
        "1997-03": [719, 87, 84, 78, 63, 64],
    }
    at_first = found.filter(pl.col("period") == 0)["revenue"].to_list()
    assert at_first == pytest.approx([28592.70, 33430.08, 32812.09], abs=0.005)
    assert found["revenue"].sum() == pytest.approx(244091.94, abs=0.005)
    assert not found["partial"].any()


def test_all_of_cdnow_has_the_cells_computed_elsewhere_and_none_that_nobody_observed(published: Path) -> None:
    expected = json.loads((published / "expected" / "cdnow.json").read_text())["master"]
    elsewhere = expected["cohort_active_customers_by_month_offset"]
    found: pl.DataFrame = cohorts(orders(published, "CDNOW_master.txt"), as_of=END)

    for cohort, skipped in (("1997-01", 0), ("1997-02", 1), ("1997-03", 2)):
        mine = found.filter(pl.col("cohort") == cohort)["customers"].to_list()
        theirs = [elsewhere[cohort][str(period)] for period in range(18)]
        assert mine == theirs[: 18 - skipped] + [None] * skipped


def test_what_is_counted() -> None:
    rows = [order(0), order(0.1, "5"), order(40, "30"), order(2, "7", "ben"), order(60, "1", "cid")]
    found = cohorts(rows, as_of=date(2025, 3, 31))

    assert found.columns == COLUMNS
    assert found.drop("cohort_start").rows() == [
        ("2025-01", 0, 2, 2, 1.0, 22.0, 22.0, 11.0, False),
        ("2025-01", 1, 2, 1, 0.5, 30.0, 52.0, 26.0, False),
        ("2025-01", 2, 2, 0, 0.0, 0.0, 52.0, 26.0, False),
        ("2025-03", 0, 1, 1, 1.0, 1.0, 1.0, 1.0, False),
        ("2025-03", 1, 1, None, None, None, None, None, None),
        ("2025-03", 2, 1, None, None, None, None, None, None),
    ]
    assert found["cohort_start"].unique().sort().to_list() == [date(2025, 1, 1), date(2025, 3, 1)]


def test_the_period_that_as_of_cuts_is_partial() -> None:
    rows = [order(0), order(40, customer="ben")]

    assert cells(*rows, column="partial", as_of=date(2025, 3, 30)) == {
        "2025-01": [False, False, True],
        "2025-02": [False, True, None],
    }
    last = datetime(2025, 3, 31, 23, 59, 59, 999999, tzinfo=UTC)
    for as_of, partial in ((last, False), (last - timedelta(microseconds=1), True), (date(2025, 3, 31), False)):
        assert cells(*rows, column="partial", as_of=as_of)["2025-01"][-1] is partial


def test_a_cohort_that_is_still_forming_is_partial() -> None:
    assert cells(order(0), column="partial", as_of=date(2025, 1, 20)) == {"2025-01": [True]}


@pytest.mark.parametrize(
    ("every", "cohort", "counted"),
    [
        ("day", "2025-01-15", [1, *[0] * 30, 1]),
        ("week", "2025-W03", [1, 0, 0, 0, 1]),
        ("month", "2025-01", [1, 1]),
        ("quarter", "2025-Q1", [1]),
        ("quarter from February", "2024-11 to 2025-01", [1, 1]),
        ("year", "2025", [1]),
    ],
)
def test_periods_are_those_of_the_calendar(every: str, cohort: str, counted: list[int]) -> None:
    assert cells(order(0), order(31), every=every, as_of=date(2025, 2, 15)) == {cohort: counted}


@pytest.mark.parametrize(
    ("tz", "cohort"), [("UTC", "2025-01"), ("Asia/Bangkok", "2025-02"), ("America/New_York", "2025-01")]
)
def test_the_period_is_that_of_the_zone(tz: str, cohort: str) -> None:
    midnight = datetime(2025, 2, 1, tzinfo=ZoneInfo("Asia/Bangkok"))

    assert list(cells(order(0, at=midnight), tz=tz)) == [cohort]


def test_rolling_counts_who_came_back_then_or_later() -> None:
    rows = [order(0), order(90), order(0, customer="ben"), order(31, customer="ben"), order(0, customer="cid")]

    assert cells(*rows) == {"2025-01": [3, 1, 0, 1]}
    assert cells(*rows, method="rolling") == {"2025-01": [3, 2, 1, 1]}
    assert cells(*rows, method="rolling", periods=2) == {"2025-01": [3, 2]}


def test_a_refund_is_no_return_and_takes_money_from_what_it_gives_back() -> None:
    first = order(0, "100", id="first")

    assert cells(first, order(40, "-30")) == {"2025-01": [1, 0, 0, 0]}
    assert cells(first, order(40, "-30"), column="revenue") == {"2025-01": [100.0, -30.0, 0.0, 0.0]}
    assert cells(first, order(40, "-30", refund_of_id="first"), column="revenue") == {"2025-01": [70.0, 0.0, 0.0, 0.0]}


def test_what_does_not_count_is_left_out() -> None:
    left_out = [order(40, category="cancelled"), order(41, None), order(42, customer=None), order(43, "-5", "ben")]

    assert cells(order(0), *left_out, order(200)) == {"2025-01": [1, 0, 0, 0]}


def customer(name: str, day: float, **parts: Any) -> Customer:
    return simplest(Customer, id=name, name=name, created_at=START + timedelta(days=day), **parts)


SIGNED_UP = [
    customer("ann", 0, source="web"),
    customer("ben", 1, source="fair"),
    customer("cid", 20),
    customer("dan", 300),
    simplest(Customer, id="eve", name="eve", created_at=None),
]


def test_any_start_and_any_return() -> None:
    visits = [
        simplest(Interaction, customer_id=who, at=START + timedelta(days=day), channel=channel)
        for who, day, channel in [
            ("ann", -31, "visit"),
            ("ann", -1, "visit"),
            ("ann", 20, "visit"),
            ("ann", 21, "visit"),
            ("ben", 20, "chat"),
            ("cid", 50, "visit"),
            ("eve", 50, "visit"),
            (None, 50, "visit"),
        ]
    ]
    starts = Events(data=SIGNED_UP, cls=Customer, subject="id", at="created_at")
    returns = Events(data=visits, cls=Interaction, where=field("channel") == "visit")
    found: pl.DataFrame = cohorts(returns, starts=starts, as_of=date(2025, 3, 31))

    assert found.columns == [name for name in COLUMNS if name not in {"revenue", "cumulative_revenue", "value"}]
    assert found.drop("cohort_start", "rate", "partial").rows() == [
        ("2025-01", 0, 2, 1),
        ("2025-01", 1, 2, 1),
        ("2025-01", 2, 2, 0),
        ("2025-02", 0, 1, 0),
        ("2025-02", 1, 1, 1),
        ("2025-02", 2, 1, None),
    ]


def test_cohorts_are_parted_by_what_the_start_was() -> None:
    starts = Events(data=SIGNED_UP, cls=Customer, subject="id", at="created_at")
    rows = [order(1), order(40), order(41, customer="cid")]
    found: pl.DataFrame = cohorts(rows, starts=starts, by="source", as_of=date(2025, 2, 28))

    assert found.select("cohort", "source", "period", "size", "customers", "value").rows() == [
        ("2025-01", "fair", 0, 1, 0, 0.0),
        ("2025-01", "fair", 1, 1, 0, 0.0),
        ("2025-01", "web", 0, 1, 1, 10.0),
        ("2025-01", "web", 1, 1, 1, 20.0),
        ("2025-02", None, 0, 1, 1, 10.0),
        ("2025-02", None, 1, 1, None, None),
    ]


def test_a_customer_stays_in_the_group_of_the_first_start() -> None:
    rows = [order(0, channel="web"), order(0, channel="shop"), order(-1, channel="shop", amount=None), order(31)]
    found: pl.DataFrame = cohorts(rows, by=["channel"], as_of=date(2025, 2, 28))

    assert found.select("channel", "period", "size", "customers").rows() == [("shop", 0, 1, 1), ("shop", 1, 1, 1)]


def test_nothing_gives_no_row() -> None:
    found = cohorts([], as_of=NOW, by="channel")

    assert (found.height, found.columns) == (0, [*COLUMNS[:2], "channel", *COLUMNS[2:]])


purchases = st.lists(
    st.builds(
        order,
        st.integers(-20, 110).map(float) | st.floats(-20, 110),
        st.sampled_from(["10", "0", "-5", "7.25"]),
        st.sampled_from(["ann", "ben", "cid", None]),
    ),
    max_size=12,
)


def months(day: date) -> int:
    return day.year * 12 + day.month


def expected(rows: Sequence[Order]) -> dict[tuple[int, int], tuple[int, int | None, float | None]]:
    """Size, customers and revenue by month of the cohort and months since, in plain words."""
    happened = [
        (row.customer_id, months(row.at.date()), row.amount.amount)
        for row in rows
        if row.customer_id and row.amount and row.at.date() <= NOW
    ]
    firsts: dict[str, int] = {}
    for who, month, amount in happened:
        if amount >= 0:
            firsts[who] = min(month, firsts.get(who, month))
    found = {}
    for cohort in set(firsts.values()):
        mine = [each for each in happened if firsts.get(each[0]) == cohort]
        for period in range(months(NOW) - min(firsts.values()) + 1):
            then = [(who, amount) for who, month, amount in mine if month == cohort + period]
            is_known = cohort + period <= months(NOW)
            found[cohort, period] = (
                sum(first == cohort for first in firsts.values()),
                len({who for who, amount in then if amount >= 0}) if is_known else None,
                float(sum((amount for _, amount in then), Decimal(0))) if is_known else None,
            )
    return found


@few
@given(purchases)
def test_it_is_what_it_says_in_plain_words(rows: list[Order]) -> None:
    found: pl.DataFrame = cohorts(rows, as_of=NOW)

    assert {
        (months(start), period): tuple(rest)
        for start, period, *rest in found.select("cohort_start", "period", "size", "customers", "revenue").rows()
    } == expected(rows)


@few
@given(purchases, st.randoms(use_true_random=False))
def test_it_keeps_totals_and_is_the_same_in_any_order(rows: list[Order], chance: Any) -> None:
    found: pl.DataFrame = cohorts(rows, as_of=NOW)
    rolling: pl.DataFrame = cohorts(chance.sample(rows, len(rows)), as_of=NOW, method="rolling")
    at_first = found.filter(pl.col("period") == 0)

    assert at_first["size"].equals(at_first["customers"].rename("size"))
    assert rolling.drop("customers", "rate").equals(found.drop("customers", "rate"))
    assert (rolling["customers"] >= found["customers"]).all()
    for _, cohort in rolling.group_by("cohort", maintain_order=True):
        assert cohort["customers"].drop_nulls().is_sorted(descending=True)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_data_gives_the_same_in_its_own_kind(kind: str) -> None:
    rows = [
        order(0, channel="web 'a'"),
        order(35, "-5"),
        order(40, "12.5"),
        order(3, customer="ben"),
        order(90, customer="cid", channel="Łódź"),
    ]
    asked: dict[str, Any] = {"by": "channel", "method": "rolling", "as_of": date(2025, 4, 20)}
    data = KINDS[kind](rows, Order)
    found: Any = cohorts(data, **asked)
    same = cohorts(rows, **asked)

    assert same["channel"].unique(maintain_order=True).to_list() == ["web 'a'", None, "Łódź"]
    assert type(found) is (pl.DataFrame if kind in {"records", "generator"} else type(data))
    # Pandas has no whole numbers, days and flags that may be missing.
    assert [tuple(map(str, row)) for row in in_polars(found).cast(same.schema).rows()] == [
        tuple(map(str, row)) for row in same.rows()
    ]


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"every": "months"}, "every='months' is not a kind of period; .* did you mean 'month'"),
        ({"every": None}, "every=None parts nobody"),
        ({"method": "unbounded"}, "method='unbounded' is no way to count returns; there are 'bracket', 'rolling'"),
        ({"periods": 0}, "periods=0 is no number of periods; give at least 1, or None"),
        ({"by": "size"}, "by='size' is a column of the answer"),
        ({"by": "colour"}, "has no column 'colour'"),
        ({"as_of": datetime(2025, 5, 29)}, "as_of=.* has no time zone"),
        ({"tz": "Mars"}, "tz='Mars' is not a time zone"),
    ],
)
def test_what_makes_no_sense_is_refused(options: dict[str, Any], complaint: str) -> None:
    with pytest.raises(InvalidInput, match=complaint):
        cohorts([order(0)], **{"as_of": NOW} | options)


@pytest.mark.parametrize(
    ("parts", "complaint"),
    [
        ({"cls": dict}, "cls=<class 'dict'> is no class of records; give one such as Order"),
        ({"subject": "who"}, "subject='who' is no column of Order with an id; there are 'id', .*'customer_id'"),
        ({"at": "amount"}, "at='amount' is no column of Order with an instant; there are 'created_at', 'at'"),
        ({"amount": "price"}, "amount='price' is no column of Order with money; there are 'amount'"),
    ],
)
def test_events_of_columns_that_are_not_there_are_refused(parts: dict[str, Any], complaint: str) -> None:
    with pytest.raises(InvalidInput, match=complaint):
        Events(data=[], **parts)


def test_what_is_no_rule_is_refused() -> None:
    with pytest.raises(InvalidInput, match="where='web' is no rule; give one such as field"):
        cohorts([order(0)], as_of=NOW, where="web")  # type: ignore[arg-type]


def test_events_have_a_rule_of_their_own() -> None:
    with pytest.raises(InvalidInput, match="where= and columns= are for orders; give them to the Events"):
        cohorts(Events(data=[order(0)]), as_of=NOW, where=field("channel") == "web")


def test_tables_in_two_engines_are_refused_and_currencies_not_added() -> None:
    signed_up = duckdb.from_arrow(from_records(SIGNED_UP, Customer).to_arrow())
    starts = Events(data=signed_up, cls=Customer, subject="id", at="created_at")
    with pytest.raises(InvalidInput, match="starts and returns are in duckdb and polars"):
        cohorts([order(0)], starts=starts, as_of=NOW)
    with pytest.raises(InvalidInput, match="amounts in EUR, PLN cannot be added"):
        cohorts([order(0), order(1, Money("5", "EUR"))], as_of=NOW)
