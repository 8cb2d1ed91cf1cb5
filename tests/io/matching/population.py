"""Customers who were made up, of whom it is known who is there twice: homes, couples, twins, namesakes and companies, from a seed."""

import random
from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

import attrs

from crmkit.model import Address, ContactPoint, Customer


def _words(text: str) -> list[str]:
    return text.split()


GIVEN = _words(
    "Anna Piotr Maria Krzysztof Katarzyna Andrzej Małgorzata Tomasz Agnieszka Jan Barbara Paweł Ewa Michał Magdalena Marcin Zofia Jakub "
    "Łucja Adam Alicja Łukasz Oliwia Grzegorz Maja Mateusz Hanna Wojciech Julia Kacper Weronika Filip Joanna Szymon Elżbieta Antoni"
)
_ROOTS = _words(
    "Nowak Wójcik Mazur Zając Król Wróbel Sikora Baran Duda Lis Mróz Kurek Gołąb Sowa Żak Polak Jarosz Madej Górka Śliwa Kruk"
)
_ENDS = ("", "ski", "owski", "czyk", "iak", "ewicz", "ik", "ecki", "owicz", "ak", "uk", "iński")
FAMILY = [root + end for end in _ENDS for root in _ROOTS]
STREETS = [f"{first} {second}" for first in ("ul.", "al.", "pl.") for second in [*_ROOTS, *GIVEN]]
_TRADES = ("Bud", "Trans", "Med", "Soft", "Auto", "Agro", "Tech", "Dom", "Plast", "Print", "Foto", "Event")
CITIES = ("Łódź", "Warszawa", "Kraków", "Gdańsk", "Poznań", "Lublin", "Zgierz", "Pabianice")


@attrs.frozen
class Population:
    """Customers in no order, and which entity each one is of."""

    customers: tuple[Customer, ...]
    entities: Mapping[str, str]


@attrs.frozen
class Home:
    """What the members of a home may share."""

    family_name: str
    phone: str
    email: str
    address: Address


def population(
    seed: int,
    *,
    homes: int = 300,
    sizes: tuple[int, ...] = (1, 2, 2, 3, 4, 5),
    twice: float = 0.04,
    twins: float = 0.0,
    namesakes: float = 0.0,
    companies: int = 0,
) -> Population:
    """Return a population.

    Args:
        seed: the same one makes the same population.
        homes: how many there are.
        sizes: how many people may live in one; two adults and children.
        twice: the share of customers who were entered again, with typing errors, gaps and what has changed meanwhile.
        twins: the share of homes with children whose first two are twins.
        namesakes: the share of homes with children whose first one has the given name of a parent.
        companies: how many companies there are beside the homes; some share a house and its telephone.
    """
    chance = random.Random(seed)
    made: list[Customer] = []
    for _ in range(homes):
        made += _members(chance, chance.choice(sizes), twins, namesakes)
    house = _home(chance)
    for number in range(companies):
        house = house if chance.random() < 0.3 else _home(chance)
        made.append(_company(chance, house, number))
    again = [(_again(chance, each), number) for number, each in enumerate(made) if chance.random() < twice]
    known = [(each, number) for number, each in enumerate(made)] + again
    chance.shuffle(known)
    named = [(each.replace(id=f"{place:05}"), number) for place, (each, number) in enumerate(known)]
    return Population(tuple(each for each, _ in named), {each.id: f"entity {number}" for each, number in named})


def _members(chance: random.Random, size: int, twins: float, namesakes: float) -> list[Customer]:
    home = _home(chance)
    given = chance.sample(GIVEN, size)
    born = [_day(chance, 1950, 1995) if place < 2 else _day(chance, 2004, 2018) for place in range(size)]
    if size > 2 and chance.random() < namesakes:
        given[2] = given[0]
    if size > 3 and chance.random() < twins:
        born[3] = born[2]
    return [_person(chance, home, *each) for each in zip(given, born, strict=True)]


def _home(chance: random.Random) -> Home:
    family = _common(chance, FAMILY)
    address = Address(
        [f"{chance.choice(STREETS)} {chance.randint(1, 90)}"],
        city=_common(chance, CITIES),
        postcode=f"{chance.randrange(100):02}-{chance.randrange(1000):03}",
    )
    return Home(family, _phone(chance), f"{family.lower()}{chance.randrange(1000)}@dom.example", address)


def _person(chance: random.Random, home: Home, given: str, born: date) -> Customer:
    email = (
        home.email
        if chance.random() < 0.3
        else f"{given}.{home.family_name}{chance.randrange(100)}@post.example".lower()
    )
    points = [
        (0.7, ContactPoint("phone", home.phone)),
        (0.4, ContactPoint("phone", _phone(chance))),
        (0.7, ContactPoint("email", email)),
        (0.7, ContactPoint("address", "home", address=home.address)),
    ]
    return _named(
        Customer(
            kind="person",
            name="-",
            birth_on=born if chance.random() < 0.9 else None,
            contact_points=[point for share, point in points if chance.random() < share],
            country="PL",
        ),
        given,
        home.family_name,
    )


def _company(chance: random.Random, house: Home, number: int) -> Customer:
    root, trade = _ROOTS[number % len(_ROOTS)], _TRADES[number // len(_ROOTS) % len(_TRADES)]
    name = f"{root} {trade} {chance.choice(CITIES)} {number}"
    points = [
        ContactPoint("phone", house.phone),
        ContactPoint("email", f"info@{name.replace(' ', '').lower()}.example"),
        ContactPoint("address", "seat", address=house.address),
    ]
    return Customer(kind="organization", name=f"{name} Sp. z o.o.", contact_points=points, country="PL")


def _again(chance: random.Random, one: Customer) -> Customer:
    """The same customer as somebody else entered it, perhaps years later."""
    points = []
    for each in one.contact_points:
        if chance.random() < 0.25:
            continue
        points.append(_changed(chance, each) if chance.random() < 0.2 else each)
    if one.kind == "organization":
        return one.replace(
            name=one.name.replace("Sp. z o.o.", chance.choice(("", "SP. Z O.O.", "SA"))), contact_points=points
        )
    given, family = one.given_name or "", one.family_name or ""
    way = chance.random()
    if way < 0.15:
        given = mistyped(chance, given)
    elif way < 0.35:
        family = mistyped(chance, family)
    elif way < 0.42 and given.endswith("a"):
        family = _common(chance, FAMILY)  # she has married
    born = one.birth_on
    if born is not None and chance.random() < 0.15:
        born = chance.choice((None, born.replace(day=born.day % 28 + 1)))
    return _named(one.replace(birth_on=born, contact_points=points), given, family)


def _changed(chance: random.Random, point: ContactPoint) -> ContactPoint:
    home = _home(chance)
    if point.kind == "address":
        return point.replace(address=home.address)
    return point.replace(value=home.phone if point.kind == "phone" else home.email)


def _named(one: Customer, given: str, family: str) -> Customer:
    return one.replace(name=f"{given} {family}", given_name=given, family_name=family)


def mistyped(chance: random.Random, text: str) -> str:
    """A text with one letter left out, doubled or swapped with its neighbour, but for the first."""
    place = chance.randrange(1, len(text) - 1)
    left, letter, right = text[:place], text[place], text[place + 1 :]
    return chance.choice((left + right, left + letter + letter + right, left + right[0] + letter + right[1:]))


def _phone(chance: random.Random) -> str:
    return f"+48 {chance.randrange(500, 900)} {chance.randrange(10**6):06}"


def _day(chance: random.Random, first: int, last: int) -> date:
    return date(first, 1, 1) + timedelta(chance.randrange((last - first) * 365))


def _common(chance: random.Random, words: Any) -> str:
    """One of some words, of which the first are the most common."""
    return str(chance.choices(words, [1 / (place + 5) for place in range(len(words))])[0])
