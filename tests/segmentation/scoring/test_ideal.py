"""The ideal customer: what the best have more often, and who is like them."""

from datetime import UTC, date, datetime
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmkit.errors import InvalidInput
from crmkit.model import Customer, Lead, Money, Order
from crmkit.rules import field
from crmkit.segmentation import IdealCustomer
from crmkit.segmentation.scoring.ideal import lift_interval
from tests.examples import few
from tests.segmentation.lifetime.cdnow import in_polars
from tests.segmentation.scoring.prospects import ASKED, FIELDS, KINDS, prospects

PEOPLE = prospects()


def ideal(frame: Any = PEOPLE, **options: Any) -> IdealCustomer:
    return IdealCustomer.fit(frame, **{"best": "won", "fields": FIELDS} | ASKED | options)


def test_traits_are_what_the_best_have_more_often_for_sure() -> None:
    known = PEOPLE.filter(pl.col("won").is_not_null())
    best, others = known.filter("won"), known.filter(~pl.col("won"))
    found = next(each for each in ideal().traits if each.label == "fair")

    assert (ideal().best, ideal().others) == (best.height, others.height)
    best_share, others_share = (frame.filter(source="fair").height / frame.height for frame in (best, others))
    assert (found.best_share, found.others_share) == (best_share, others_share)
    assert found.lift == best_share / others_share
    assert 1 < found.low < best_share / others_share < found.high
    assert all(each.low > 1 and each.points > 0 for each in ideal().traits)
    assert [each.points for each in ideal().traits] == sorted((each.points for each in ideal().traits), reverse=True)


def test_what_makes_no_difference_is_no_trait() -> None:
    assert not {"spent", "joined_at", "born_on"} & {each.field for each in ideal().traits}


def test_a_missing_value_is_no_trait() -> None:
    rows = [(None, True)] * 50 + [("web", False)] * 50
    frame = pl.DataFrame(rows, schema=["source", "won"], orient="row")

    assert IdealCustomer.fit(frame, best="won", fields=["source"]).traits == ()


def test_what_few_customers_show_counts_little() -> None:
    def points(n: int) -> int:
        rows = [("fair", at < 3 * n) for at in range(4 * n)] + [("web", at < n) for at in range(4 * n)]
        frame = pl.DataFrame(rows, schema=["source", "won"], orient="row")
        return IdealCustomer.fit(frame, best="won", fields=["source"], least=1).traits[0].points

    assert points(5) < points(20) < points(500) < 159  # a lift of 3 is that many hundredths of a doubling


def test_the_one_who_has_everything_matches_fully_and_is_told_why() -> None:
    two = {"id": ["ann", "ben"], "source": ["fair", "web"], "visits": [11, 0], "is_member": [True, False]}
    frame = pl.DataFrame(two).with_columns(spent=1.0, joined_at=PEOPLE["joined_at"][0], born_on=PEOPLE["born_on"][0])
    found: pl.DataFrame = ideal().score(frame, **ASKED)

    assert found.rows() == [("ann", 1.0, "visits: above 8; source: fair; is_member: yes"), ("ben", 0.0, None)]


@given(st.permutations(range(80)), st.integers(1, 5))
@few
def test_neither_order_nor_way_matters(order: list[int], bins: int) -> None:
    some = PEOPLE.head(80)
    profile = ideal(some, bins=bins, least=5)
    most = sum(each.most for each in profile.fields)
    scored = {row["id"]: row for row in profile.score(some[order], **ASKED).to_dicts()}

    assert ideal(some[order], bins=bins, least=5) == profile
    assert list(scored) == some["id"].to_list()
    for row in some.head(4).to_dicts():
        found = profile.explain(row, **ASKED)
        assert sum(each.points for each in found.contributions) == found.score
        assert scored[row["id"]]["match"] == (found.score / most if most else None)
        reasons = scored[row["id"]]["reasons"]
        held = {f"{each.name}: {each.label}" for each in found.contributions}
        assert set(reasons.split("; ") if reasons else ()) == held


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_the_same_whatever_the_data_is(kind: str) -> None:
    data = KINDS[kind](PEOPLE)
    found = ideal(data).score(data, **ASKED)

    assert type(found) is type(data)
    assert in_polars(found).rows() == ideal().score(PEOPLE, **ASKED).rows()


def test_prospects_may_be_of_another_class() -> None:
    customers = [
        Customer(id=f"c{at}", kind="person", name="?", source="fair" if at < 60 else "web") for at in range(120)
    ]
    orders = [
        Order(customer_id=f"c{at}", at=datetime(2025, 5, 1, tzinfo=UTC), amount=Money("200", "PLN")) for at in range(45)
    ]
    big = field("orders.total") > Money("100", "PLN")
    profile = IdealCustomer.fit(customers, best=big, fields=["source"], related={Order: orders}, as_of=date(2025, 6, 1))

    assert profile.best == 45
    assert profile.score([Lead(id="a", source="fair"), Lead(id="b")]).rows() == [
        ("a", 1.0, "source: fair"),
        ("b", 0.0, None),
    ]


def test_without_a_trait_nobody_matches() -> None:
    profile = ideal(fields=["spent"])

    assert profile.traits == ()
    assert profile.to_polars().height == 0
    assert profile.score(PEOPLE.head(1), **ASKED).rows() == [("p00000", None, None)]


def test_json_makes_the_same_profile() -> None:
    assert IdealCustomer.from_json(ideal().to_json()) == ideal()


def test_the_table_has_a_row_for_each_trait() -> None:
    table = ideal().to_polars()

    assert table["label"].to_list() == [each.label for each in ideal().traits]
    assert "fair" not in repr(ideal()) + repr(ideal().traits)


@given(st.integers(0, 30), st.integers(0, 30), st.integers(1, 30), st.integers(1, 30))
def test_an_interval_is_finite_and_turns_with_the_shares(a: int, c: int, more: int, others: int) -> None:
    low, high = lift_interval(a, a + more, c, c + others, 0.95)

    assert 0 < low <= high
    back = lift_interval(c, c + others, a, a + more, 0.95)
    assert (1 / high, 1 / low) == pytest.approx(back)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"best": []}, "of 240 customers 0 are the best; give some who are and some who are not"),
        ({"fields": []}, "fields= has no list of columns"),
        ({"fields": ["won"]}, "'won' is what the outcome is read from"),
        ({"bins": 0}, "bins=0 is out of range"),
        ({"least": "many"}, "least='many' is out of range"),
        ({"ci": 1.0}, "ci=1.0 is not a confidence"),
    ],
)
def test_what_is_no_profile_is_refused(options: dict[str, Any], says: str) -> None:
    with pytest.raises(InvalidInput, match=says):
        ideal(**options)
    with pytest.raises(InvalidInput, match="one row is explained at a time"):
        ideal().explain(PEOPLE, **ASKED)
