"""Segmentation is the same wherever its tables are, and comes back where they are."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl
import pytest

from crmkit.frames import from_records
from crmkit.model import Customer, Money, Order, Product, Segment, Transition
from crmkit.model.segment import membership_changes
from crmkit.rules import days_ago, field, to_json
from crmkit.segmentation import (
    Events,
    IdealCustomer,
    Points,
    PointScorecard,
    RfmSegment,
    Scorecard,
    affinities,
    at_risk,
    cohorts,
    in_segment,
    lifecycle,
    lifecycle_transitions,
    members,
    next_products,
    profile,
    purchase_gap,
    rfm,
    segment_overlap,
    segment_sizes,
)
from tests.segmentation import leaving
from tests.segmentation.lifetime.cdnow import in_polars
from tests.segmentation.scoring import prospects as prospect

Into = Callable[[pl.DataFrame], Any]

_START = datetime(2025, 1, 31, 20, tzinfo=UTC)
_BOUGHT = [
    ("ann", 0, "10.50", "web"),
    ("ann", 0.1, "2.00", "web"),
    ("ann", 33, "-3.25", None),
    ("ann", 40, "7.00", "shop"),
    ("ben", 2, "100.00", None),
    ("ben", 64, "1.00", "o'web"),
    ("cid", 30, "5.00", "web"),
    (None, 31, "5.00", "web"),
]
ORDERS = pl.DataFrame(
    {
        "id": [f"order-{number}" for number in range(len(_BOUGHT))],
        "customer_id": [who for who, *_ in _BOUGHT],
        "at": [_START + timedelta(days=day) for _, day, *_ in _BOUGHT],
        "amount": pl.Series([amount for *_, amount, _ in _BOUGHT]).cast(pl.Decimal(38, 4)),
        "currency": ["PLN"] * len(_BOUGHT),
        "category": ["completed"] * len(_BOUGHT),
        "refund_of_id": [None, None, "order-0", *[None] * (len(_BOUGHT) - 3)],
        "channel": [channel for *_, channel in _BOUGHT],
    }
)
PEOPLE = from_records(
    [
        Customer(id=who, kind="person", name="A", source=source, created_at=_START + timedelta(days=day))
        for who, source, day in (("ann", "web", 0), ("cid", None, 29), ("dan", "web", 0), ("eve", "web", 90))
    ],
    Customer,
    ["id", "created_at", "source"],
)
ASKED: dict[str, Any] = {"as_of": date(2025, 4, 10), "tz": "Asia/Bangkok"}
SIGNED_UP: dict[str, Any] = {"cls": Customer, "subject": "id", "at": "created_at"}
GROUPS: dict[str, Callable[[Into], Any]] = {
    "rfm": lambda into: rfm(
        into(ORDERS),
        scores={"recency": (7, 30), "monetary": 10},
        segments=[RfmSegment("Few", frequency=(1, 2), monetary=(1, 4)), RfmSegment("Late", recency=(1, 2))],
        **ASKED,
    ),
    "cohorts of orders": lambda into: cohorts(into(ORDERS), by="channel", **ASKED),
    "cohorts of any start": lambda into: cohorts(
        Events(data=into(ORDERS), cls=Order),
        starts=Events(data=into(PEOPLE), **SIGNED_UP),
        by="source",
        method="rolling",
        periods=2,
        every="quarter",
        **ASKED,
    ),
    "lifecycle": lambda into: lifecycle(into(ORDERS), customers=into(PEOPLE), lost_after_days=30, **ASKED),
    "lifecycle transitions": lambda into: lifecycle_transitions(
        into(ORDERS), customers=into(PEOPLE), since=date(2025, 2, 20), lost_after_days=30, **ASKED
    ),
}


@pytest.mark.parametrize("group", GROUPS)
def test_groups_are_the_same_and_come_back_where_the_orders_are(away: Into, group: str) -> None:
    found, same = (GROUPS[group](into) for into in (away, lambda frame: frame))

    assert type(found) is type(away(ORDERS))
    assert same.height > 0
    assert in_polars(found).cast(same.schema).rows() == same.rows()


def test_the_rhythm_of_purchases_is_the_same(away: Into) -> None:
    assert purchase_gap(away(ORDERS), **ASKED) == purchase_gap(ORDERS, **ASKED) == 62


POINTS = PointScorecard(
    [
        Points(field("source") == "web", 3, "came by the web", "interest"),
        Points(field("orders.count") >= 2, 10, "has bought", "interest"),
        Points(field("orders.last_at") < days_ago(30), -4, "is silent"),
    ],
    {"interest": 12},
)
PROSPECTS = prospect.prospects(120)
SCORES: dict[str, Callable[[Into], Any]] = {
    "points": lambda into: POINTS.score(
        into(PEOPLE), record_class=Customer, as_of=date(2025, 4, 10), related={Order: into(ORDERS)}
    ),
    "a scorecard": lambda into: scorecard(into).score(into(PROSPECTS), **prospect.ASKED),
    "an ideal customer": lambda into: IdealCustomer.fit(
        into(PROSPECTS), best="won", fields=prospect.FIELDS, **prospect.ASKED
    ).score(into(PROSPECTS), **prospect.ASKED),
}


def scorecard(into: Into) -> Scorecard:
    ids = PROSPECTS.filter("won")["id"].to_list()
    return Scorecard.fit(into(PROSPECTS), outcome=ids, fields=prospect.FIELDS, bins=4, **prospect.ASKED)


@pytest.mark.parametrize("score", SCORES)
def test_scores_are_the_same_and_come_back_where_the_data_is(away: Into, score: str) -> None:
    found, same = (SCORES[score](into) for into in (away, lambda frame: frame))

    assert type(found) is type(away(PROSPECTS))
    assert in_polars(found).cast(same.schema).rows() == same.rows()


def test_what_is_said_of_a_score_is_the_same_wherever_its_data_is(away: Into) -> None:
    card = scorecard(lambda frame: frame)

    assert scorecard(away) == card
    assert card.drift(away(PROSPECTS), **prospect.ASKED) == card.drift(PROSPECTS, **prospect.ASKED)
    found, same = (card.quality(data, outcome="won", **prospect.ASKED) for data in (away(PROSPECTS), PROSPECTS))
    assert found == same


LINES = pl.DataFrame(
    [
        {"who": who, "article": article, "at": _START + timedelta(days=day)}
        for who, article, day in (
            ("ann", "P", 0),
            ("ann", "Q", 10),
            ("ann", "Q", 17),
            ("ben", "P", 1),
            ("ben", "Q", 9),
            ("cid", "P", 2),
            ("dan", "P", 40),
            ("dan", "R", 40),
        )
    ]
)
LINES_ASKED: dict[str, Any] = {
    "as_of": date(2025, 3, 20),
    "within_days": 30,
    "min_support": 1,
    "tz": "Asia/Bangkok",
    "columns": {"customer_id": "who", "product_ids": "article"},
}
PRODUCTS = [
    Product(id=name, name=name, family="tea", price=Money(price, "PLN")) for name, price in (("P", "5"), ("Q", "9"))
]
NEXT: dict[str, Callable[[Into], Any]] = {
    "pairs in sequence": lambda into: affinities(into(LINES), **LINES_ASKED),
    "pairs together": lambda into: affinities(into(LINES), method="together", **LINES_ASKED),
    "next products": lambda into: next_products(into(LINES), products=PRODUCTS, **LINES_ASKED),
    "who is at risk": lambda into: at_risk(
        into(from_records([leaving.ANN, leaving.BEN], Customer)),
        as_of=leaving.NOW,
        alive=into(leaving.ALIVE),
        **{name: into(from_records(rows, cls)) for name, (cls, rows) in leaving.TABLES.items()},
    ),
}


@pytest.mark.parametrize("asked", NEXT)
def test_what_comes_next_is_the_same_and_comes_back_where_the_data_is(away: Into, asked: str) -> None:
    found, same = (NEXT[asked](into) for into in (away, lambda frame: frame))

    assert type(found) is type(away(LINES))
    assert same.height > 0
    assert in_polars(found).cast(same.schema).rows() == same.rows()


RECENT = (field("orders.last_at") >= days_ago(70)) & (field("orders.count").where(field("channel") == "web") >= 1)
BUYERS = Segment(
    id="buyers", name="Buyers", rule=to_json(RECENT & (field("orders.total") > Money(5, "PLN"))), added_ids={"dan"}
)
ONLINE = Segment(id="online", name="Online", rule=to_json(in_segment("Buyers") & (field("source") == "web")))
MOVES = from_records(
    [
        moved
        for segment, ids in ((BUYERS, ("ann", "ben")), (ONLINE, ("ann",)))
        for moved in membership_changes(segment, ids, [], at=_START)
    ]
    + [Transition(subject="Customer", subject_id="ben", field="segment:buyers", after="left", at=ORDERS["at"][5])],
    Transition,
)
DESCRIBED = pl.DataFrame(
    {"id": list("abcdef"), "plan": ["x", "y"] * 3, "age": [1, 2, None, 4, 5, 6], "is_active": [True, None, False] * 2}
)
SEGMENTS: dict[str, Callable[[Into], Any]] = {
    "members": lambda into: members(into(PEOPLE), ONLINE, segments=[BUYERS], related={Order: into(ORDERS)}, **ASKED),
    "sizes": lambda into: segment_sizes(into(MOVES), **ASKED),
    "overlap": lambda into: segment_overlap(into(MOVES), as_of=_START),
    "a profile of ids": lambda into: profile(into(DESCRIBED), ["a", "b", "c"], by=["plan", "age", "is_active"]),
    "a profile of members": lambda into: profile(into(PEOPLE), members(into(PEOPLE), field("id") < "d", **ASKED)),
}


@pytest.mark.parametrize("asked", SEGMENTS)
def test_segments_are_the_same_and_come_back_where_the_data_is(away: Into, asked: str) -> None:
    found, same = (SEGMENTS[asked](into) for into in (away, lambda frame: frame))

    assert type(found) is type(away(PEOPLE))
    assert same.height > 0
    assert in_polars(found).cast(same.schema).rows() == same.rows()
