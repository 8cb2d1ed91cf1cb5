"""Offers and preferences: what suits whom, how well, and what is in the way."""

import math
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from decimal import Decimal
from itertools import groupby, islice
from typing import Any, Literal

import attrs

from crmkit.errors import InvalidInput
from crmkit.model.customer import Customer
from crmkit.model.money import Money
from crmkit.model.preference import Preference
from crmkit.model.records import Record, fields

Feature = str | float | Decimal | bool | Money | Sequence[str] | AbstractSet[str] | None
"""What an offer is like in one topic: a text, a number, yes or no, money, or several texts."""

Features = Mapping[str, Feature]


@attrs.frozen(kw_only=True)
class MatchPart:
    """How one preference fits an offer: `fit` is 1 where it is met, less the farther a number is off, and else 0.

    `is_near` says that it is missed, but by no more than was tolerated, or that nobody knows. `reason` is a part of a sentence.
    """

    topic: str
    is_met: bool
    is_near: bool
    is_required: bool
    fit: float
    weight: float
    reason: str = attrs.field(repr=False)  # which tells what the customer wants


@attrs.frozen(kw_only=True)
class Match:
    """An offer that suits a customer, or nearly does.

    `is_near` says that something required is missed, though not by much. `parts` are in the order of the preferences.
    """

    customer_id: str
    offer_id: str
    score: float | None
    is_near: bool
    parts: tuple[MatchPart, ...]

    @property
    def reasons(self) -> tuple[str, ...]:
        """What speaks for the offer and against it, in the order of the preferences."""
        return tuple(part.reason for part in self.parts)


def match(
    offers: Iterable[Record] | Mapping[str, Features],
    customers: Iterable[Customer] | Mapping[str, Sequence[Preference]],
    *,
    by: Literal["customer", "offer"] = "customer",
    top: int | None = None,
    tolerance: float = 0.1,
) -> list[Match]:
    """Return which offers suit which customers, the best ones first: offers for each customer, or customers for each offer.

    A preference is met by one of its choices, whatever the case of the letters, or by a number between its bounds, both included.
    One without choices and bounds is met by whatever is there and not False. What is required and missed rules an offer out, unless a
    number is off by at most `tolerance` of the bound, or the offer does not say: people look at a flat that is 5% too dear, and can ask
    for what they do not know. Such a match is `is_near`, and stands after all others.

        score = sum of weight × fit / sum of weights
        fit   = 1 - (distance to the bound / bound) / tolerance for a number that is off, and not less than 0

    A preference without a weight weighs 1. Every offer is compared with every customer.

    Args:
        offers: records, such as products, whose fields or custom fields are called as the topics; or features by the id of the offer. Those
            that are not active are no offers. Money is compared with preferences whose unit is its currency, True is "yes".
        customers: records with their preferences, or preferences by the id of the customer.
        by: "customer" for offers for each customer, "offer" for customers for each offer.
        top: how many matches each customer, or offer, gets at most; None for all.
        tolerance: how far a number may be off, as a part of the bound. The default is a tenth; with 0 nothing is near.

    Returns:
        Matches by the id of the customer (or offer); of each first those that miss nothing required, then the highest score, of equal
        ones the offer (or customer) whose id comes first. The score is None where nothing weighs anything. No match for customers
        without preferences, and for nothing.

    Raises:
        InvalidInput: for a feature that does not fit the preference, such as a text for a range, a negative weight, or an argument
            that makes no sense.

    >>> flats = {"loft": {"area": "Wola", "rooms": 2, "price": Money("735000", "PLN")}}
    >>> wishes = [Preference("area", choices=["Wola", "Ochota"]), Preference("price", high=700_000, unit="PLN", is_required=True)]
    >>> (found,) = match(flats, {"ann": wishes})
    >>> found.score, found.is_near, found.reasons
    (0.75, True, ('area as wanted', 'price 5% above the most'))
    """
    if by not in ("customer", "offer"):
        raise InvalidInput(f"by={by!r} is no side of a match; give 'customer' or 'offer'")
    if top is not None and (not isinstance(top, int) or isinstance(top, bool) or top < 1):
        raise InvalidInput(f"top={top!r} is out of range; give a whole number from 1, or None for all")
    if isinstance(tolerance, bool) or not isinstance(tolerance, int | float) or not 0 <= tolerance <= 1:
        raise InvalidInput(f"tolerance={tolerance!r} is no part of a bound; give a number from 0 to 1")
    wishes = _preferences(customers)
    topics = {preference.topic for each in wishes.values() for preference in each}
    known = _features(offers, topics)
    found = [
        each
        for customer_id, preferences in wishes.items()
        for offer_id, offer in known.items()
        if (each := _match(customer_id, preferences, offer_id, offer, tolerance)) is not None
    ]
    whose, other = ("customer_id", "offer_id") if by == "customer" else ("offer_id", "customer_id")
    found.sort(key=lambda each: (getattr(each, whose), each.is_near, -(each.score or 0), getattr(each, other)))
    return [each for _, group in groupby(found, lambda each: getattr(each, whose)) for each in islice(group, top)]


def _preferences(customers: Any) -> dict[str, Sequence[Preference]]:
    """The preferences of each customer who has any, by id."""
    if isinstance(customers, Mapping):
        given = dict(customers)
    else:
        given = {each.id: each.preferences for each in _records(customers, Customer, "customers")}
    for customer_id, preferences in given.items():
        for each in preferences:
            if not isinstance(each, Preference):
                raise InvalidInput(
                    f"customer {customer_id!r} has a {type(each).__name__} among the preferences; give Preference"
                )
            if each.weight is not None and not (each.weight >= 0 and math.isfinite(each.weight)):
                raise InvalidInput(
                    f"customer {customer_id!r}: the weight of {each.topic!r} is {each.weight}; give 0 or more"
                )
    return {customer_id: preferences for customer_id, preferences in given.items() if preferences}


def _features(offers: Any, topics: Iterable[str]) -> dict[str, Features]:
    """What each offer is like in some topics, by id; without those that are not offered any more."""
    if isinstance(offers, Mapping):
        return {offer_id: _mapping(offer_id, features) for offer_id, features in offers.items()}
    found: dict[str, Features] = {}
    for record in _records(offers, Record, "offers"):
        declared = {field.name for field in fields(type(record))}
        if getattr(record, "is_active", True):
            found[record.id] = {
                topic: getattr(record, topic) if topic in declared else record.custom.get(topic) for topic in topics
            }
    return found


def _mapping(offer_id: str, features: Any) -> Features:
    if not isinstance(features, Mapping):
        raise InvalidInput(f"offer {offer_id!r} is a {type(features).__name__}; give its features by their topics")
    return features


def _records(given: Any, cls: type[Any], name: str) -> list[Any]:
    rows = list(given) if isinstance(given, Iterable) and not isinstance(given, str) else [given]
    for each in rows:
        if not isinstance(each, cls):
            raise InvalidInput(
                f"a {type(each).__name__} stands among the {name}; give a list of {cls.__name__} records, or a mapping by id"
            )
    return rows


def _match(
    customer_id: str, preferences: Sequence[Preference], offer_id: str, offer: Features, tolerance: float
) -> Match | None:
    """How an offer suits a customer; None where something required rules it out."""
    parts = []
    for preference in preferences:
        part = _part(preference, offer.get(preference.topic), f"offer {offer_id!r}", tolerance)
        if part.is_required and not (part.is_met or part.is_near):
            return None
        parts.append(part)
    weights = math.fsum(part.weight for part in parts)
    return Match(
        customer_id=customer_id,
        offer_id=offer_id,
        score=math.fsum(part.weight * part.fit for part in parts) / weights if weights else None,
        is_near=any(part.is_required and not part.is_met for part in parts),
        parts=tuple(parts),
    )


def _part(preference: Preference, feature: Feature, where: str, tolerance: float) -> MatchPart:
    off, said = _compared(preference, feature, where, tolerance)
    is_near = off is None or 0 < off <= tolerance
    return MatchPart(
        topic=preference.topic,
        is_met=off == 0,
        is_near=is_near,
        is_required=preference.is_required,
        fit=_fit(off, tolerance),
        weight=1.0 if preference.weight is None else preference.weight,
        reason=f"{preference.topic} {said}",
    )


def _fit(off: float | None, tolerance: float) -> float:
    if off is None or off > tolerance:
        return 0.0
    return 1 - off / tolerance if off else 1.0


_MISSED = math.inf


def _compared(preference: Preference, feature: Feature, where: str, tolerance: float) -> tuple[float | None, str]:
    """How far a feature is off, and how that is said: 0 where it is as wanted, None where nobody knows."""
    is_range = preference.low is not None or preference.high is not None
    if _is_unknown(feature):
        return None, "not known"
    if is_range:
        return _in_range(preference, feature, f"{where}: {preference.topic}", tolerance)
    if not preference.choices:
        return (0.0, "as wanted") if feature is not False else (_MISSED, "not there")
    words = _words(feature, f"{where}: {preference.topic}")
    wanted = {_folded(choice) for choice in preference.choices}
    if any(_folded(word) in wanted for word in words):
        return 0.0, "as wanted"
    return _MISSED, f"{', '.join(sorted(words))}, which is none of the choices"


def _is_unknown(feature: Feature) -> bool:
    if isinstance(feature, float):
        return math.isnan(feature)
    return feature is None or (isinstance(feature, str | Sequence | AbstractSet) and not feature)


def _in_range(preference: Preference, feature: Feature, where: str, tolerance: float) -> tuple[float | None, str]:
    if isinstance(feature, bool) or not isinstance(feature, int | float | Decimal | Money):
        raise InvalidInput(f"{where} is {feature!r}, where a range is wanted; give a number or Money")
    if isinstance(feature, Money) and preference.unit not in (None, feature.currency):
        return None, f"in {feature.currency}, which cannot be compared with {preference.unit}"
    number = float(feature.amount if isinstance(feature, Money) else feature)
    low, high = preference.low, preference.high
    if low is not None and number < low:
        return _off(low - number, low, "below the least", tolerance)
    if high is not None and number > high:
        return _off(number - high, high, "above the most", tolerance)
    return 0.0, "as wanted"


def _off(distance: float, bound: float, said: str, tolerance: float) -> tuple[float, str]:
    off = distance / abs(bound) if bound else _MISSED
    # Less than 1% is said as 1%, because 0% would be as wanted.
    return off, f"{max(round(off * 100), 1)}% {said}" if off <= tolerance else said


def _words(feature: Feature, where: str) -> list[str]:
    """A feature as the texts that choices are compared with."""
    if isinstance(feature, bool):
        return ["yes" if feature else "no"]
    if isinstance(feature, int | float | Decimal):
        return [f"{feature:g}" if isinstance(feature, float) else str(feature)]
    words = [feature] if isinstance(feature, str) else feature
    if not isinstance(words, Sequence | AbstractSet) or not all(isinstance(word, str) for word in words):
        raise InvalidInput(f"{where} is {feature!r}, where one of several choices is wanted; give a text, or several")
    return list(words)


def _folded(word: str) -> str:
    return unicodedata.normalize("NFC", word).casefold().strip()
