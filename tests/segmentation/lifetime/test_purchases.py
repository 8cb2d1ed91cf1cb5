"""The summary of purchases: what counts as one, and when."""

import json
import math
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
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
from crmkit.segmentation.lifetime import BgNbd, purchase_summary
from crmkit.testing.strategies import simplest
from tests.examples import few
from tests.frames.kinds import KINDS
from tests.segmentation.lifetime.cdnow import SPLIT, in_polars, orders, rounded

START = datetime(2025, 5, 1, 12, tzinfo=UTC)
NOW = date(2025, 5, 29)


def order(day: float, amount: Any = "20", customer: str | None = "ann", **given_: Any) -> Order:
    money = Money(amount, "PLN") if isinstance(amount, str) else amount
    parts: dict[str, Any] = {"at": START + timedelta(days=day), "customer_id": customer, "amount": money}
    return simplest(Order, **parts | given_)


def only(*rows: Order, **options: Any) -> dict[str, Any]:
    found: pl.DataFrame = purchase_summary(rows, **{"as_of": NOW} | options)
    return found.row(0, named=True)


def test_cdnow_has_the_published_counts(cdnow: pl.DataFrame) -> None:
    assert cdnow.height == 2357
    assert cdnow["frequency"].sum() == 2457
    assert (cdnow["frequency"] == 0).sum() == 1411
    assert cdnow["value"].count() == 946
    assert cdnow["value"].mean() == pytest.approx(35.077848, abs=5e-7)
    assert cdnow["holdout_frequency"].sum() == 1882
    assert cdnow.filter(pl.col("frequency") == 0)["holdout_frequency"].sum() == 334
    assert cdnow["holdout_age"].unique().to_list() == [39.0]


def test_cdnow_is_the_summary_that_circulates_rounded(published: Path, cdnow: pl.DataFrame) -> None:
    circulating = rounded(published)

    assert cdnow["frequency"].to_list() == circulating["x"].to_list()
    for mine, theirs, nearest in (("recency", "t_x", 0.005), ("age", "T", 0.005), ("value", "zbar", 0.0051)):
        assert (cdnow[mine].fill_null(0) - circulating[theirs]).abs().max() <= nearest  # type: ignore[operator]


def test_all_of_cdnow_has_the_figures_computed_elsewhere(published: Path) -> None:
    expected = json.loads((published / "expected" / "cdnow.json").read_text())["master"]
    found = purchase_summary(orders(published, "CDNOW_master.txt"), as_of=date(1998, 6, 30), unit="day")

    means = expected["rfm_1998_06_30_days"]
    assert found.height == expected["customers"]
    assert (found["frequency"] > 0).sum() == expected["repeat_customers"]
    assert found["frequency"].sum() == expected["customer_days"] - expected["customers"]
    assert found["frequency"].mean() == pytest.approx(means["frequency_mean"], rel=1e-9)
    assert found["recency"].mean() == pytest.approx(means["recency_mean"], rel=1e-9)
    assert found["age"].mean() == pytest.approx(means["T_mean"], rel=1e-9)
    assert found["value"].mean() == pytest.approx(means["monetary_mean_repeaters"], rel=1e-9)
    assert (found["age"] - found["recency"]).median() == means["R_days_since_last_median"]


def test_to_collapse_by_weeks_gives_other_parameters_than_to_measure_in_weeks(published: Path) -> None:
    by_days = BgNbd.fit(purchase_summary(orders(published), as_of=SPLIT))
    by_weeks = BgNbd.fit(purchase_summary(orders(published), as_of=SPLIT, collapse="week"))

    assert by_weeks.r / by_days.r > 1.1
    assert by_weeks.alpha / by_days.alpha > 1.4


def test_what_is_bought_on_one_day_is_one_purchase() -> None:
    assert only(order(0), order(0.1), order(7), order(7.2, "30")) == {
        "customer_id": "ann",
        "frequency": 1,
        "recency": 1.0,
        "age": 4.0,
        "value": 50.0,
    }


def test_the_day_is_that_of_the_zone() -> None:
    late, early = datetime(2025, 5, 1, 16, 30, tzinfo=UTC), datetime(2025, 5, 1, 17, 30, tzinfo=UTC)
    rows = [order(0, at=late), order(0, at=early)]

    assert only(*rows)["frequency"] == 0
    assert only(*rows, tz="Asia/Bangkok", unit="day") == {
        "customer_id": "ann",
        "frequency": 1,
        "recency": 1.0,
        "age": 28.0,
        "value": 20.0,
    }


@pytest.mark.parametrize(
    ("tz", "at", "counts"),
    [
        ("UTC", datetime(2025, 5, 29, 23, 59, 59, 999999, tzinfo=UTC), True),
        ("UTC", datetime(2025, 5, 30, tzinfo=UTC), False),
        ("America/New_York", datetime(2025, 5, 29, 23, 59, 59, 999999, tzinfo=ZoneInfo("America/New_York")), True),
        ("America/New_York", datetime(2025, 5, 30, tzinfo=ZoneInfo("America/New_York")), False),
    ],
)
def test_the_last_instant_of_as_of_counts_and_the_next_does_not(tz: str, at: datetime, counts: bool) -> None:
    assert only(order(0), order(0, at=at), tz=tz)["frequency"] == int(counts)


@pytest.mark.parametrize(
    ("unit", "recency", "age"),
    [
        ("day", 14, 28),
        ("week", 2, 4),
        ("month", 14 * 12 / 365.25, 28 * 12 / 365.25),
        ("year", 14 / 365.25, 28 / 365.25),
    ],
)
def test_a_unit_measures_the_same_time(unit: str, recency: float, age: float) -> None:
    found = only(order(0), order(14), unit=unit)

    assert (found["recency"], found["age"]) == (pytest.approx(recency), pytest.approx(age))


def test_a_refund_takes_money_but_never_moves_time() -> None:
    bought = [order(0, "100"), order(7, "50"), order(14, "30")]

    assert only(*bought, order(14, "-10"))["value"] == 35.0
    assert only(*bought, order(20, "-10")) == only(*bought, order(14, "-10"))


def test_a_refund_that_names_its_order_takes_the_money_back_from_there() -> None:
    first, second = order(0, "100", id="first"), order(7, "50", id="second")

    assert only(first, second, order(8, "-20", refund_of_id="first"))["value"] == 50.0
    assert only(first, second, order(8, "-20", refund_of_id="second"))["value"] == 30.0
    assert only(first, second, order(8, "-20", refund_of_id="unknown"))["value"] == 30.0


def test_a_refund_in_the_holdout_of_an_order_before_it_is_not_known_before_it() -> None:
    rows = [order(0), order(7, "50", id="second"), order(40, "-20", refund_of_id="second"), order(41, "60")]
    found = only(*rows, holdout_until=date(2025, 7, 1))

    assert (found["value"], found["holdout_frequency"], found["holdout_value"]) == (50.0, 1, 60.0)


def test_what_does_not_count_is_left_out() -> None:
    left_out = [
        order(3, category="cancelled"),
        order(4, None),
        order(5, customer=None),
        order(6, "-5", customer="ben"),
        order(100),
    ]

    assert only(order(0), *left_out) == only(order(0))
    assert purchase_summary([order(0), *left_out], as_of=NOW)["customer_id"].to_list() == ["ann"]


def test_a_purchase_of_no_worth_is_one() -> None:
    assert only(order(0), order(7, "0"), order(14, "10"))["value"] == 5.0


def test_the_holdout_begins_the_day_after_as_of() -> None:
    rows = [order(0), order(28), order(29, "5"), order(30, "8"), order(35, "9"), order(36)]
    found = only(*rows, holdout_until=date(2025, 6, 5))

    assert (found["frequency"], found["holdout_frequency"]) == (1, 3)
    assert found["holdout_value"] == pytest.approx(22 / 3)
    assert found["holdout_age"] == 1.0


def test_who_first_bought_in_the_holdout_is_not_in_the_summary() -> None:
    found = purchase_summary([order(0), order(40, customer="ben")], as_of=NOW, holdout_until=date(2025, 7, 1))

    assert found["customer_id"].to_list() == ["ann"]
    assert found["holdout_frequency"].to_list() == [0]
    assert found["holdout_value"].to_list() == [None]


def test_a_rule_chooses_orders() -> None:
    rows = [order(0, channel="web"), order(7, channel="shop"), order(14, channel="web")]

    assert only(*rows, where=field("channel") == "web")["recency"] == 2.0
    assert only(*rows, where=field("at") < days_ago(0))["frequency"] <= only(*rows)["frequency"]


def test_without_amounts_there_is_no_value() -> None:
    frame = pl.DataFrame({"who": [1, 1], "at": [START, START + timedelta(7)]})
    found = purchase_summary(frame, as_of=NOW, holdout_until=NOW, columns={"customer_id": "who"})

    assert found.columns == ["customer_id", "frequency", "recency", "age", "holdout_frequency", "holdout_age"]
    assert found.row(0) == ("1", 1, 1.0, 4.0, 0, 0.0)


def test_nothing_gives_no_row() -> None:
    found = purchase_summary([], as_of=NOW)

    assert (found.height, found.columns) == (0, ["customer_id", "frequency", "recency", "age", "value"])


purchases = st.lists(
    st.builds(
        order,
        st.integers(0, 30).map(float) | st.floats(0, 30),
        st.sampled_from(["10", "0", "-5", "7.25", None]),
        st.sampled_from(["ann", "ben", "cid", None]),
        category=st.sampled_from(["completed", "open", "cancelled"]),
    ),
    max_size=12,
)


def expected(rows: Sequence[Order]) -> list[tuple[Any, ...]]:
    """The same in plain words."""
    counted = [
        row for row in rows if row.customer_id and row.amount and row.category != "cancelled" and row.at.date() <= NOW
    ]
    found = []
    for customer in sorted({row.customer_id for row in counted if row.customer_id}):
        mine = [row for row in counted if row.customer_id == customer]
        days = sorted({row.at.date() for row in mine if row.amount and row.amount.amount >= 0})
        if days:
            spent = sum((row.amount.amount for row in mine if row.amount and row.at.date() > days[0]), Decimal(0))
            frequency = len(days) - 1
            value = float(spent) / frequency if frequency else math.nan
            found.append((customer, frequency, (days[-1] - days[0]).days / 7, (NOW - days[0]).days / 7, value))
    return found


@few
@given(purchases)
def test_it_is_what_it_says_in_plain_words(rows: list[Order]) -> None:
    found = purchase_summary(rows, as_of=NOW).with_columns(pl.col("value").fill_null(math.nan)).rows()

    assert [row[:2] for row in found] == [row[:2] for row in expected(rows)]
    for mine, theirs in zip(found, expected(rows), strict=True):
        assert mine[2:] == pytest.approx(theirs[2:], rel=1e-12, abs=1e-12, nan_ok=True)


@few
@given(purchases, st.randoms(use_true_random=False))
def test_it_is_the_same_in_any_order_and_whole_weeks_later(rows: list[Order], chance: Any) -> None:
    found = purchase_summary(rows, as_of=NOW)
    shuffled = chance.sample(rows, len(rows))
    later = [row.replace(at=row.at + timedelta(weeks=3)) for row in rows]

    assert purchase_summary(shuffled, as_of=NOW).equals(found)
    assert purchase_summary(later, as_of=NOW + timedelta(weeks=3)).equals(found)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_data_gives_the_same_in_its_own_kind(kind: str) -> None:
    rows = [
        order(0),
        order(7, "-5"),
        order(9, "12"),
        order(3, customer="ben"),
        order(4, customer="ben", refund_of_id=None),
    ]
    given_ = KINDS[kind](rows, Order)
    found: Any = purchase_summary(given_, as_of=NOW, holdout_until=date(2025, 7, 1))

    assert type(found) is (pl.DataFrame if kind in {"records", "generator"} else type(given_))
    assert in_polars(found).rows() == purchase_summary(rows, as_of=NOW, holdout_until=date(2025, 7, 1)).rows()


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"unit": "weeks"}, "unit='weeks' is not a unit of time; there are .* did you mean 'week'"),
        ({"collapse": "hour"}, "collapse='hour' is not a unit of time"),
        ({"holdout_until": date(2025, 5, 1)}, "holdout_until=2025-05-01 is before as_of=2025-05-29"),
        ({"as_of": datetime(2025, 5, 29)}, "as_of"),
        ({"as_of": "today"}, "as_of"),
        ({"tz": "Mars"}, "tz='Mars' is not a time zone"),
    ],
)
def test_what_makes_no_sense_is_refused(options: dict[str, Any], complaint: str) -> None:
    with pytest.raises(InvalidInput, match=complaint):
        purchase_summary([order(0)], **{"as_of": NOW} | options)


def test_currencies_are_not_added() -> None:
    with pytest.raises(InvalidInput, match="amounts in EUR, PLN cannot be added"):
        purchase_summary([order(0), order(1, amount=Money("5", "EUR"))], as_of=NOW)


def test_an_unknown_category_and_a_missing_column_are_named() -> None:
    frame = pl.DataFrame({"customer_id": ["ann"], "at": [START], "category": ["done"]})

    with pytest.raises(
        InvalidInput, match="column 'category' holds 'done'; accepted are 'open', 'completed', 'cancelled'"
    ):
        purchase_summary(frame, as_of=NOW)
    with pytest.raises(InvalidInput, match="no column 'customer_id'"):
        purchase_summary(frame.rename({"customer_id": "CustomerID"}), as_of=NOW)
