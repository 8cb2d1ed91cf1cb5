"""The stages of a customer's life: which one somebody is in, how it is learned, and that nobody is lost on the way."""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
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
from crmkit.model import Customer, Money, Order
from crmkit.rules import field
from crmkit.segmentation import lifecycle, lifecycle_transitions, purchase_gap
from crmkit.segmentation.life_stages import NOT_YET, STAGES
from crmkit.testing.strategies import simplest
from tests.examples import few
from tests.frames.kinds import KINDS
from tests.segmentation.lifetime.cdnow import END, SPLIT, in_polars, orders

START = datetime(2025, 5, 1, 12, tzinfo=UTC)
NOW = date(2025, 7, 31)
LONG = 20


def order(day: float, amount: str | None = "20", customer: str | None = "ann", **parts: Any) -> Order:
    money = amount and Money(amount, "PLN")
    return simplest(Order, **{"at": START + timedelta(days=day), "customer_id": customer, "amount": money} | parts)


def person(name: str, day: float | None = None) -> Customer:
    created_at = None if day is None else START + timedelta(days=day)
    return simplest(Customer, id=name, name=name, created_at=created_at)


def day(number: int) -> date:
    return (START + timedelta(days=number)).date()


def stages(*rows: Order, **options: Any) -> dict[str, str]:
    asked: dict[str, Any] = {"as_of": NOW, "lost_after_days": LONG}
    found: pl.DataFrame = lifecycle(rows, **asked | options)
    return dict(found.select("customer_id", "stage").rows())


@pytest.mark.parametrize(
    ("bought", "now", "stage"),
    [
        ([0], 0, "active"),
        ([0], 20, "active"),
        ([0], 21, "lost"),
        ([0, 20], 40, "active"),
        ([0, 10, 20], 20, "regular"),
        ([0, 20, 40], 60, "regular"),
        ([0, 10, 20], 41, "lost"),
        ([0, 21], 21, "reactivated"),
        ([0, 10, 20, 41], 41, "reactivated"),
        ([0, 21, 22], 22, "reactivated"),
        ([0, 21, 22, 23], 23, "regular"),
        ([0, 21], 42, "lost"),
        ([0, 10, 20], 15, "active"),
        ([0, 0.1, 0.2], 0, "active"),
    ],
)
def test_the_stage_follows_from_the_days_of_purchases(bought: list[float], now: int, stage: str) -> None:
    assert stages(*map(order, bought), as_of=day(now)) == {"ann": stage}


def test_what_is_beside_the_stage() -> None:
    rows = [order(0), order(30), order(35)]
    found = lifecycle(rows, customers=[person("ben")], as_of=day(40), lost_after_days=LONG)

    assert found.to_dicts() == [
        {"customer_id": "ann", "stage": "reactivated", "recency_days": 5, "purchases": 3, "recent_purchases": 2},
        {"customer_id": "ben", "stage": "potential", "recency_days": None, "purchases": 0, "recent_purchases": 0},
    ]


def test_who_has_not_bought_yet_is_potential_once_known() -> None:
    people = [person("ann", 0), person("ben", 5), person("cid"), person("dan", 6)]
    people_now = {"customers": people, "as_of": day(5)}

    assert stages(order(1), **people_now) == {"ann": "active", "ben": "potential", "cid": "potential"}
    assert stages(order(6), **people_now) == {"ann": "potential", "ben": "potential", "cid": "potential"}


def test_who_bought_is_a_customer_though_no_list_has_them() -> None:
    assert stages(order(1), customers=[person("ben")], as_of=day(2)) == {"ann": "active", "ben": "potential"}


def test_a_refund_neither_makes_nor_undoes_a_purchase() -> None:
    bought = order(0, id="first")

    assert stages(bought, order(19, "-20", refund_of_id="first"), as_of=day(21)) == {"ann": "lost"}
    assert stages(order(0, "-20"), as_of=day(1)) == {}


def test_what_does_not_count_is_left_out() -> None:
    left_out = [order(1, category="cancelled"), order(2, None), order(3, customer=None), order(100)]

    assert stages(order(0), *left_out, as_of=day(21)) == {"ann": "lost"}


@pytest.mark.parametrize("tz", ["UTC", "America/New_York", "Asia/Bangkok"])
def test_the_last_instant_of_as_of_counts_and_the_next_does_not(tz: str) -> None:
    midnight = datetime(2025, 6, 1, tzinfo=ZoneInfo(tz))
    asked: dict[str, Any] = {"as_of": date(2025, 5, 31), "tz": tz}

    assert stages(order(0, at=midnight - timedelta(microseconds=1)), **asked) == {"ann": "active"}
    assert stages(order(0, at=midnight), **asked) == {}


def test_currencies_may_differ_because_nothing_is_added() -> None:
    rows = [order(0), order(1).replace(amount=Money("5", "EUR"))]

    assert lifecycle(rows, as_of=day(2), lost_after_days=LONG)["purchases"].to_list() == [2]


def test_a_rule_chooses_orders() -> None:
    rows = [order(0, channel="web"), order(15, channel="shop"), order(30, channel="web")]

    assert stages(*rows, as_of=day(30)) == {"ann": "regular"}
    assert stages(*rows, as_of=day(30), where=field("channel") == "web") == {"ann": "reactivated"}


def test_the_rhythm_is_learned_from_gaps_that_are_over() -> None:
    rows = [order(sum(range(number))) for number in range(1, 12)]  # gaps of 1 to 10 days

    assert purchase_gap(rows, as_of=NOW) == 9
    assert [purchase_gap(rows, as_of=NOW, share=share) for share in (0.01, 0.7, 0.71, 1)] == [1, 7, 8, 10]
    assert purchase_gap(rows, as_of=day(10)) == 4
    assert stages(*rows, as_of=day(64), lost_after_days=None) == {"ann": "reactivated"}
    assert stages(*rows, as_of=day(65), lost_after_days=None) == stages(*rows, as_of=day(65), lost_after_days=9)


def test_where_nobody_bought_twice_there_is_nothing_to_learn_and_nobody_is_lost() -> None:
    rows = [order(0), order(0.1), order(1, customer="ben"), order(50, "-5")]

    assert purchase_gap(rows, as_of=NOW) is None
    assert set(stages(*rows, lost_after_days=None).values()) == {"active"}


def test_nothing_gives_no_row() -> None:
    found = lifecycle([], as_of=NOW)

    assert (found.height, found.columns[:2]) == (0, ["customer_id", "stage"])
    assert purchase_gap([], as_of=NOW) is None
    moves = lifecycle_transitions([], since=day(0), as_of=NOW)
    assert (moves.height, moves["customers"].sum(), moves["share"].count()) == (30, 0, 0)


def test_cdnow_has_the_rhythm_and_the_stages_counted_apart(published: Path) -> None:
    data = orders(published)
    days = data.select("customer_id", day=pl.col("at").dt.date()).unique().sort("customer_id", "day")
    gaps = days.select(gap=pl.col("day").diff().over("customer_id").dt.total_days())["gap"].drop_nulls()

    assert purchase_gap(data, as_of=END) == gaps.quantile(0.9, "higher") == 196
    found = lifecycle(data, as_of=END, lost_after_days=180)
    assert found.filter(pl.col("stage") == "lost").height == 1842
    assert found["purchases"].sum() == days.height == 6696
    moves = lifecycle_transitions(data, since=SPLIT, as_of=END)
    assert moves["customers"].sum() == 2357


def counts(found: pl.DataFrame, column: str) -> dict[str, int]:
    summed = found.group_by(column).agg(pl.col("customers").sum()).filter(pl.col("customers") > 0)
    return dict(summed.rows())


def test_who_went_from_where_to_where() -> None:
    rows = [
        *(order(number) for number in (0, 5, 10)),
        *(order(number, customer="ben") for number in (0, 40)),
        order(35, customer="cid"),
    ]
    people = [person("dan", 1), person("eve", 30)]
    found = lifecycle_transitions(rows, customers=people, since=day(20), as_of=day(40), lost_after_days=15)

    assert found.filter(pl.col("customers") > 0).rows() == [
        (NOT_YET, "potential", 1, 0.5),
        (NOT_YET, "active", 1, 0.5),
        ("potential", "potential", 1, 1.0),
        ("regular", "lost", 1, 1.0),
        ("lost", "reactivated", 1, 1.0),
    ]
    assert found.select("before", "after").rows() == [(one, two) for one in (NOT_YET, *STAGES) for two in STAGES]


purchases = st.lists(
    st.builds(
        order,
        st.integers(0, 90).map(float) | st.floats(0, 90),
        st.sampled_from(["10", "0", "-5"]),
        st.sampled_from(["ann", "ben", "cid"]),
    ),
    max_size=14,
)
PEOPLE = [person("ann", 30), person("cid", 0), person("dan", 10), person("eve")]


def expected(rows: Sequence[Order], now: date, long: int, regular: int) -> dict[str, str]:
    """The same in plain words: the life of a customer, day by day."""
    found = {}
    known = {each.id for each in PEOPLE if each.created_at is None or each.created_at.date() <= now}
    for who in known | {row.customer_id for row in rows if row.customer_id}:
        mine = sorted(
            {row.at.date() for row in rows if row.customer_id == who and row.amount and row.amount.amount >= 0}
        )
        past = [each for each in mine if each <= now]
        if not past:
            if who in known:
                found[who] = "potential"
            continue
        came_back, streak = False, 1
        for before, after in pairwise(past):
            gap = (after - before).days
            came_back, streak = (True, 1) if gap > long else (came_back, streak + 1)
        if (now - past[-1]).days > long:
            found[who] = "lost"
        else:
            found[who] = "regular" if streak >= regular else "reactivated" if came_back else "active"
    return found


@few
@given(purchases, st.integers(0, 100), st.integers(1, 40), st.integers(2, 4), st.randoms(use_true_random=False))
def test_a_stage_is_what_it_says_in_plain_words(
    rows: list[Order], now: int, long: int, regular: int, chance: Any
) -> None:
    asked: dict[str, Any] = {"as_of": day(now), "lost_after_days": long, "regular_purchases": regular}

    assert stages(*chance.sample(rows, len(rows)), customers=PEOPLE, **asked) == expected(rows, day(now), long, regular)


@few
@given(purchases, st.lists(st.integers(0, 100), min_size=2, max_size=2), st.integers(1, 40) | st.none())
def test_transitions_keep_the_totals_of_both_moments(rows: list[Order], moments: list[int], long: int | None) -> None:
    since, as_of = sorted(map(day, moments))
    asked: dict[str, Any] = {"customers": PEOPLE, "lost_after_days": long}
    found = lifecycle_transitions(rows, since=since, as_of=as_of, **asked)

    asked["lost_after_days"] = long or purchase_gap(rows, as_of=as_of) or 10**6
    before, after = (Counter(lifecycle(rows, as_of=each, **asked)["stage"]) for each in (since, as_of))
    arrived = after.total() - before.total()
    assert counts(found, "after") == after
    assert counts(found, "before") == before | ({NOT_YET: arrived} if arrived else {})
    for (_,), row in found.filter(pl.col("customers") > 0).group_by("before"):
        assert row["share"].sum() == pytest.approx(1)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_data_gives_the_same_in_its_own_kind(kind: str) -> None:
    rows = [order(0), order(7, "-5"), order(40), order(3, customer="ben"), order(4, customer="cid")]
    people = [person("ann", 0), person("dan", 0), person("eve", 100)]
    asked: dict[str, Any] = {"as_of": day(50), "lost_after_days": LONG}
    for function, options in ((lifecycle, asked), (lifecycle_transitions, asked | {"since": day(3)})):
        data, known = KINDS[kind](rows, Order), KINDS[kind](people, Customer)
        found: Any = function(data, customers=known, **options)

        assert type(found) is (pl.DataFrame if kind in {"records", "generator"} else type(data))
        same: pl.DataFrame = function(rows, customers=people, **options)
        assert in_polars(found).cast(same.schema).fill_nan(None).rows() == same.rows()
    assert purchase_gap(KINDS[kind](rows, Order), as_of=day(50)) == 40


def test_columns_may_have_other_names() -> None:
    bought = pl.DataFrame({"who": ["ann"], "when": [START]})
    people = pl.DataFrame({"number": ["ann", "ben", None]})
    found = lifecycle(
        bought,
        customers=people,
        as_of=day(1),
        lost_after_days=LONG,
        columns={"customer_id": "who", "at": "when"},
        customers_columns={"id": "number"},
    )

    assert found.select("customer_id", "stage").rows() == [("ann", "active"), ("ben", "potential")]


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"lost_after_days": 0}, "lost_after_days=0 is no number of days; give a whole one from 1 on, or None"),
        ({"lost_after_days": 1.5}, "lost_after_days=1.5 is no number of days"),
        ({"regular_purchases": 1}, "regular_purchases=1 is no number of purchases; give a whole one from 2 on"),
        ({"as_of": datetime(2025, 5, 29)}, "as_of=.* has no time zone"),
        ({"tz": "Mars"}, "tz='Mars' is not a time zone"),
    ],
)
def test_what_makes_no_sense_is_refused(options: dict[str, Any], complaint: str) -> None:
    with pytest.raises(InvalidInput, match=complaint):
        lifecycle([order(0)], **{"as_of": NOW} | options)
    with pytest.raises(InvalidInput, match=complaint):
        lifecycle_transitions([order(0)], **{"since": day(0), "as_of": NOW} | options)


def test_moments_in_the_wrong_order_two_engines_and_shares_that_are_none_are_refused() -> None:
    with pytest.raises(InvalidInput, match="since=2025-08-01 is after as_of=2025-07-31; give the earlier moment"):
        lifecycle_transitions([order(0)], since=date(2025, 8, 1), as_of=NOW)
    people = duckdb.from_arrow(from_records([person("ann")], Customer).to_arrow())
    with pytest.raises(InvalidInput, match="orders and customers are in duckdb and polars"):
        lifecycle([order(0)], customers=people, as_of=NOW)
    for share in (0, 1.01, "most", True):
        with pytest.raises(InvalidInput, match="is no share of gaps; give a number above 0 and up to 1"):
            purchase_gap([order(0)], as_of=NOW, share=share)  # type: ignore[arg-type]
