"""Offers and preferences: a flat to a buyer, a trip to a traveller."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmkit.errors import InvalidInput
from crmkit.model import Customer, Money, Preference, Product
from crmkit.model import record as declared
from crmkit.segmentation import Match, match
from crmkit.testing.strategies import simplest
from tests.examples import few


@declared
class Flat(Product):
    """A flat, as an estate agency declares it."""

    area: str
    rooms: int
    has_lift: bool = False


def flat(number: str, area: str, rooms: int, price: str, **given_: Any) -> Flat:
    return Flat(id=number, name="Flat", area=area, rooms=rooms, price=Money(price, "PLN"), **given_)


FLATS = [
    flat("1", "Wola", 3, "690000", has_lift=True),
    flat("2", "Mokotów", 2, "735000"),
    flat("3", "Praga", 3, "500000", has_lift=True),
    flat("4", "Wola", 3, "800000"),
    flat("5", "Wola", 3, "650000", is_active=False),
]
BUYER = simplest(
    Customer,
    id="ann",
    preferences=[
        Preference("area", choices=["wola", "Mokotów"], is_required=True),
        Preference("rooms", low=3, weight=2),
        Preference("price", high=700_000, unit="PLN", is_required=True, weight=3),
        Preference("has_lift"),
    ],
)


def test_a_flat_suits_a_buyer() -> None:
    best, near = match(FLATS, [BUYER])

    assert (best.customer_id, best.offer_id, best.score, best.is_near) == ("ann", "1", 1.0, False)
    assert best.reasons == ("area as wanted", "rooms as wanted", "price as wanted", "has_lift as wanted")
    assert (near.offer_id, near.is_near) == ("2", True)
    assert near.score == pytest.approx((1 + 2 * 0 + 3 * 0.5 + 0) / 7)
    assert near.reasons == ("area as wanted", "rooms below the least", "price 5% above the most", "has_lift not there")


def test_buyers_suit_a_flat() -> None:
    ben = BUYER.replace(id="ben", preferences=[Preference("rooms", high=2), Preference("price", high=900_000)])
    cid = BUYER.replace(id="cid", preferences=[Preference("area", choices=["Praga"], is_required=True)])
    found = match(FLATS[:1], [ben, cid, BUYER], by="offer")

    assert [(each.offer_id, each.customer_id, each.score) for each in found] == [("1", "ann", 1.0), ("1", "ben", 0.5)]


TRIPS: dict[str, Any] = {
    "lanta": {"themes": ["diving", "beach"], "nights": 7, "month": "February", "price": Money("1900", "EUR")},
    "alps": {"themes": {"skiing"}, "nights": 6, "month": "February", "price": Money("1200", "EUR")},
    "samui": {"themes": ["beach"], "nights": 15, "month": "March", "price": Money("1500", "USD")},
}


def test_a_trip_suits_a_traveller() -> None:
    wishes = [
        Preference("themes", choices=["Diving", "Beach"], is_required=True),
        Preference("nights", low=7, high=14, unit="nights"),
        Preference("month", choices=["February"], weight=0.5),
        Preference("price", high=2000, unit="EUR", is_required=True),
    ]
    first, second = match(TRIPS, {"tom": wishes})

    assert (first.offer_id, first.score, first.is_near) == ("lanta", 1.0, False)
    assert (second.offer_id, second.is_near) == ("samui", True)
    assert second.reasons == (
        "themes as wanted",
        "nights 7% above the most",
        "month March, which is none of the choices",
        "price in USD, which cannot be compared with EUR",
    )


def fit(preference: Preference, feature: Any, **options: Any) -> tuple[float, bool, str] | None:
    """How one preference fits one feature; None where it rules the offer out."""
    found = match({"offer": {preference.topic: feature}}, {"ann": [preference]}, **options)
    return (round(found[0].parts[0].fit, 9), found[0].is_near, found[0].reasons[0]) if found else None


@pytest.mark.parametrize(
    ("preference", "feature", "expected"),
    [
        (Preference("rooms", low=2, high=3), 2, (1, False, "rooms as wanted")),
        (Preference("rooms", low=2, high=3), Decimal(3), (1, False, "rooms as wanted")),
        (Preference("size", low=50, is_required=True), 45.0, (0, True, "size 10% below the least")),
        (Preference("size", low=50, is_required=True), 44.9, None),
        (Preference("size", high=50, is_required=True), 50.01, (0.998, True, "size 1% above the most")),
        (Preference("size", high=50), 60, (0, False, "size above the most")),
        (Preference("floor", high=0, is_required=True), 1, None),
        (Preference("floor", high=-1), -1.05, (1, False, "floor as wanted")),
        (Preference("rooms", choices=["2", "3"]), 3, (1, False, "rooms as wanted")),
        (Preference("rooms", choices=["2.5"]), 2.5, (1, False, "rooms as wanted")),
        (Preference("pets", choices=["yes"], is_required=True), False, None),
        (Preference("pets", choices=["Yes"]), True, (1, False, "pets as wanted")),
        (Preference("view"), "sea", (1, False, "view as wanted")),
        (Preference("view"), False, (0, False, "view not there")),
        (Preference("deposit"), Money("1", "PLN"), (1, False, "deposit as wanted")),
        (Preference("area", choices=["Łódź"]), "łódz\u0301", (1, False, "area as wanted")),
        (Preference("area", choices=["Wola"], is_required=True), None, (0, True, "area not known")),
        (Preference("area", choices=["Wola"], is_required=True), [], (0, True, "area not known")),
        (Preference("size", low=1), float("nan"), (0, False, "size not known")),
        (Preference("area", choices=["Wola"], is_required=True), "Praga", None),
    ],
)
def test_a_preference_fits_as_far_as_it_is_met(preference: Preference, feature: Any, expected: Any) -> None:
    assert fit(preference, feature) == expected


def test_with_no_tolerance_nothing_is_near() -> None:
    preference = Preference("size", high=50, is_required=True)

    assert fit(preference, 50.01, tolerance=0) is None
    assert fit(preference, 50, tolerance=0) == (1, False, "size as wanted")


def test_what_weighs_nothing_has_no_score() -> None:
    (found,) = match({"offer": {}}, {"ann": [Preference("area", choices=["Wola"], weight=0)]})

    assert found.score is None


def test_without_preferences_nothing_matches() -> None:
    assert match(FLATS, [simplest(Customer)]) == []
    assert match([], [BUYER]) == []
    assert match(FLATS, []) == []


def test_custom_fields_are_features_too() -> None:
    garden = simplest(Product, id="plot", custom={"garden": True})

    assert match([garden], {"ann": [Preference("garden")]})[0].score == 1.0


def test_of_equal_scores_the_id_that_comes_first_leads_and_the_rest_is_cut() -> None:
    offers = {name: {"area": "Wola"} for name in ("c", "a", "b")}
    wishes = {name: [Preference("area", choices=["Wola"])] for name in ("ben", "ann")}

    def pairs(found: list[Match]) -> list[tuple[str, str]]:
        return [(each.customer_id, each.offer_id) for each in found]

    assert pairs(match(offers, wishes, top=2)) == [("ann", "a"), ("ann", "b"), ("ben", "a"), ("ben", "b")]
    assert pairs(match(offers, wishes, by="offer", top=1)) == [("ann", "a"), ("ann", "b"), ("ann", "c")]


sizes = st.floats(-100, 100)


@few
@given(
    st.dictionaries(st.sampled_from("abcdef"), sizes), sizes, sizes, st.floats(0, 1), st.randoms(use_true_random=False)
)
def test_the_order_of_offers_is_of_no_account_and_nothing_out_of_question_is_there(
    offers: dict[str, float], one: float, other: float, tolerance: float, chance: Any
) -> None:
    low, high = sorted((one, other))
    wishes = {"ann": [Preference("size", low=low, high=high, is_required=True)]}
    features = {name: {"size": size} for name, size in offers.items()}
    shuffled = dict(chance.sample(sorted(features.items()), len(features)))
    found = match(features, wishes, tolerance=tolerance)

    assert found == match(shuffled, wishes, tolerance=tolerance)
    inside = [name for name, size in sorted(offers.items()) if low <= size <= high]
    assert [each.offer_id for each in found if not each.is_near] == inside
    for each in found[len(inside) :]:
        size = offers[each.offer_id]
        bound = low if size < low else high
        assert abs(size - bound) <= tolerance * abs(bound) * (1 + 1e-9)
        assert each.score is not None
        assert 0 <= each.score <= 1


def test_what_a_customer_wants_is_not_in_the_repr() -> None:
    assert "above" not in repr(match(FLATS, [BUYER]))


@pytest.mark.parametrize(
    ("offers", "preference", "options", "complaint"),
    [
        (
            {"o": {"rooms": "three"}},
            Preference("rooms", low=3),
            {},
            "offer 'o': rooms is 'three', where a range is wanted",
        ),
        ({"o": {"rooms": True}}, Preference("rooms", low=3), {}, "offer 'o': rooms is True, where a range is wanted"),
        ({"o": {"area": Money("1", "PLN")}}, Preference("area", choices=["x"]), {}, "where one of several choices is"),
        ({}, Preference("area", weight=-1), {}, "customer 'ann': the weight of 'area' is -1.0; give 0 or more"),
        ({}, "Wola", {}, "customer 'ann' has a str among the preferences"),
        (
            [{"area": "Wola"}],
            Preference("area"),
            {},
            "a dict stands among the offers; give a list of Record records, or a mapping",
        ),
        ({"o": 5}, Preference("area"), {}, "offer 'o' is a int; give its features by their topics"),
        (5, Preference("area"), {}, "a int stands among the offers"),
        ({}, Preference("area"), {"by": "flat"}, "by='flat' is no side of a match; give 'customer' or 'offer'"),
        ({}, Preference("area"), {"top": 0}, "top=0 is out of range"),
        ({}, Preference("area"), {"tolerance": 5}, "tolerance=5 is no part of a bound; give a number from 0 to 1"),
    ],
)
def test_what_makes_no_sense_is_refused(offers: Any, preference: Any, options: Any, complaint: str) -> None:
    with pytest.raises(InvalidInput, match=complaint):
        match(offers, {"ann": [preference]}, **options)
