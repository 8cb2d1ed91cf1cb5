"""What each customer is likely to buy next, against the same in plain Python."""

from collections.abc import Sequence
from datetime import date, timedelta
from itertools import pairwise
from statistics import median
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmkit.errors import InvalidInput
from crmkit.model import Money, Order, Product
from crmkit.sample import company
from crmkit.segmentation import affinities, next_products
from tests.examples import few
from tests.frames.kinds import KINDS
from tests.segmentation.buying import FIRST, bought
from tests.segmentation.lifetime.cdnow import in_polars
from tests.segmentation.test_product_pairs import days_of, plainly, purchases

NOW = FIRST.date() + timedelta(30)
PRODUCTS = [
    Product(id="P", name="Small", family="machines", price=Money("100", "PLN")),
    Product(id="Q", name="Large", family="machines", price=Money("200", "PLN")),
    Product(id="R", name="Beans", family="beans", price=Money("300", "PLN")),
]


def suggested(rows: Sequence[tuple[str, str, int]], today: int, top: int, **asked: Any) -> list[tuple[Any, ...]]:
    """What `next_products` defines, customer by customer: whom, what, score, when, because of what."""
    days, rules = days_of(rows), plainly(rows, today, **asked)
    within, smoothing = asked["within_days"], asked["smoothing"]
    found = []
    for customer in sorted({customer for customer, _ in days}):
        best: dict[str, tuple[Any, ...]] = {}
        for one, other, _, _, confidence, _, wait in rules:
            own = days.get((customer, one))
            if own is None or own[-1] + within < today or (one != other and (customer, other) in days):
                continue
            score, due = confidence, wait
            gaps = [later - earlier for earlier, later in pairwise(own)]
            if one == other and gaps:
                score = (sum(gap <= within for gap in gaps) + smoothing * confidence) / (len(gaps) + smoothing)
                due = median(gaps)
            assert due is not None
            offer = (-score, one, NOW + timedelta(own[-1] + int(due) - today))
            best[other] = min(best.get(other, offer), offer)
        ranked = sorted((score, other, one, due) for other, (score, one, due) in best.items())[:top]
        found += [(customer, other, -score, due, one) for score, other, one, due in ranked]
    return found


@few
@given(purchases, st.integers(1, 30), st.integers(1, 3), st.sampled_from([0, 10]), st.integers(1, 2))
def test_suggestions_are_what_they_are_in_plain_words(
    rows: list[tuple[str, str, int]], within: int, least: int, smoothing: float, top: int
) -> None:
    asked: dict[str, Any] = {"within_days": within, "min_support": least, "smoothing": smoothing}
    found = next_products([bought(*row) for row in rows], as_of=NOW, top=top, **asked)
    known = [row for row in rows if row[2] <= 30]

    named = found.select("customer_id", "product_id", "score", "due_on", "because_of")
    assert named.rows() == suggested(known, 30, top, **asked)


def only(*rows: Order, **options: Any) -> list[dict[str, Any]]:
    asked: dict[str, Any] = {"as_of": NOW, "within_days": 15, "min_support": 1, "smoothing": 0}
    found: pl.DataFrame = next_products(rows, **asked | options)
    return found.rows(named=True)


LEADER = [bought("lea", "P", 0), bought("lea", "Q", 7)]


def test_what_others_bought_after_it_is_due_when_they_did() -> None:
    (found,) = only(*LEADER, bought("ann", "P", 20))

    assert found == {
        "customer_id": "ann",
        "rank": 1,
        "product_id": "Q",
        "kind": "cross-selling",
        "score": 1.0,
        "due_on": date(2025, 1, 28),
        "because_of": "P",
        "customers": 1,
        "support": 1,
        "lift": 2.0,
        "reason": "1 of 1 customers bought it within 15 days after P",
    }


def test_a_dearer_product_of_the_family_is_up_selling_and_a_cheaper_one_is_not() -> None:
    (dearer,) = only(*LEADER, bought("ann", "P", 20), products=PRODUCTS)
    back = [bought("lea", "Q", 0), bought("lea", "P", 7)]
    (cheaper,) = only(*back, bought("ann", "Q", 20), products=PRODUCTS)
    beans = [bought("lea", "P", 0), bought("lea", "R", 7)]
    (other,) = only(*beans, bought("ann", "P", 20), products=PRODUCTS)

    assert [each["kind"] for each in (dearer, cheaper, other)] == ["up-selling", "cross-selling", "cross-selling"]


def test_prices_of_several_currencies_are_not_compared() -> None:
    dollars = [PRODUCTS[0], PRODUCTS[1].replace(price=Money("900", "USD"))]

    assert only(*LEADER, bought("ann", "P", 20), products=dollars)[0]["kind"] == "cross-selling"


def test_products_that_are_not_sold_any_more_are_not_suggested() -> None:
    gone = [PRODUCTS[0], PRODUCTS[1].replace(is_active=False)]

    assert only(*LEADER, bought("ann", "P", 20), products=gone) == []


def test_products_that_nobody_listed_are_suggested_all_the_same() -> None:
    assert only(*LEADER, bought("ann", "P", 20), products=[])[0]["product_id"] == "Q"
    assert only(*LEADER, bought("ann", "P", 20), products=pl.DataFrame({"id": ["P", "Q"]}))[0]["product_id"] == "Q"


def test_a_product_that_is_used_up_is_due_at_the_rhythm_of_the_customer() -> None:
    days = (0, 8, 18, 28)
    found = only(*(bought("ann", "P", day) for day in days), smoothing=10)[0]

    assert (found["kind"], found["because_of"], found["due_on"]) == ("repeat", "P", date(2025, 2, 8))
    assert found["reason"] == "bought 4 times, every 10 days"


def test_one_who_bought_it_once_has_the_rhythm_of_the_others() -> None:
    found = only(bought("lea", "P", 0), bought("lea", "P", 7), bought("ann", "P", 20))

    assert [(each["customer_id"], each["due_on"]) for each in found] == [("ann", date(2025, 1, 28))]
    assert found[0]["reason"] == "1 of 1 customers bought it again within 15 days"


def test_own_returns_raise_the_score_towards_what_the_customer_does() -> None:
    others = [bought(name, "P", 0) for name in "bcde"]
    faithful = [bought("ann", "P", day) for day in (0, 5, 10, 15, 20)]
    (found,) = only(*others, *faithful, smoothing=2)
    confidence = affinities([*others, *faithful], as_of=NOW, within_days=15, min_support=1, smoothing=2)["confidence"][
        0
    ]

    assert confidence == pytest.approx(0.2)
    assert found["score"] == pytest.approx((4 + 2 * 0.2) / (4 + 2))


def test_whoever_bought_nothing_lately_gets_no_suggestion() -> None:
    rows = [*LEADER, bought("ann", "P", 15), bought("ben", "P", 14)]

    assert [each["customer_id"] for each in only(*rows)] == ["ann"]


def test_what_is_merely_bought_together_has_no_day() -> None:
    together = [bought("lea", "P", 0), bought("lea", "Q", 0), bought("ann", "P", 20)]
    (found,) = only(*together, method="together")

    assert (found["customer_id"], found["product_id"], found["due_on"]) == ("ann", "Q", None)
    assert found["reason"] == "1 of 2 customers bought it too who had bought P"


def test_of_equal_scores_the_product_whose_id_comes_first_leads() -> None:
    rows = [bought("lea", "P", 0), bought("lea", "R", 7), bought("lea", "Q", 7), bought("ann", "P", 20)]

    assert [(each["rank"], each["product_id"]) for each in only(*rows)] == [(1, "Q"), (2, "R")]
    assert [each["product_id"] for each in only(*rows, top=1)] == ["Q"]


def test_nothing_gives_no_rows() -> None:
    assert next_products([], as_of=NOW).is_empty()


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_data_gives_the_same_in_its_own_kind(kind: str) -> None:
    sample = company(seed=3, customers=40)
    asked: dict[str, Any] = {"as_of": date(sample.year, 12, 31), "tz": sample.tz, "min_support": 3}
    data = KINDS[kind](sample.orders, Order)
    found = next_products(data, products=sample.products, **asked)

    assert type(found) is (pl.DataFrame if kind in {"records", "generator"} else type(data))
    expected = next_products(sample.orders[::-1], products=sample.products, **asked)
    assert in_polars(found).with_columns(pl.col("due_on").cast(pl.Date)).rows() == expected.rows()
    assert set(expected["kind"]) == {"repeat", "up-selling", "cross-selling"}


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"top": 0}, "top=0 is out of range; give a whole number from 1"),
        ({"method": "basket"}, "method='basket' is no way to pair products"),
        ({"products": "P"}, "str is no Product data"),
    ],
)
def test_what_makes_no_sense_is_refused(options: dict[str, Any], complaint: str) -> None:
    with pytest.raises(InvalidInput, match=complaint):
        next_products(LEADER, **{"as_of": NOW} | options)
