"""Families share a name, a telephone and an address, and are not one customer; who is there twice is found among them."""

from datetime import date
from math import prod
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmkit.io.matching import FieldWeights, Model, find_duplicates, find_matches
from crmkit.io.matching.learning import (
    Patterns,
    field_bits,
    highest_probability,
    home_bits,
    learn,
    patterns,
    probability,
)
from crmkit.io.matching.levels import KINDS
from crmkit.io.matching.rows import FIELDS, rows_of
from crmkit.io.matching.values import all_pairs, compared
from crmkit.model import Address, ContactPoint, Customer
from tests.examples import few
from tests.io.matching.population import population
from tests.io.matching.truth import pairs_of, true_pairs

POPULATIONS: dict[str, dict[str, Any]] = {
    "many families and few duplicates": {"homes": 250, "twice": 0.03},
    "large families and hardly a duplicate": {"homes": 120, "sizes": (3, 4, 5, 6), "twice": 0.01},
    "families and no duplicate": {"homes": 200, "twice": 0},
    "no families": {"homes": 500, "sizes": (1,), "twice": 0.1},
    "many duplicates": {"homes": 150, "twice": 0.6},
    "many duplicates and no families": {"homes": 350, "sizes": (1,), "twice": 0.6},
    "nothing in common": {"homes": 400, "sizes": (1,), "twice": 0},
    "twins": {"homes": 120, "sizes": (4, 5), "twins": 0.6, "twice": 0.05},
    "parents and children of one name": {"homes": 150, "sizes": (1, 3, 4), "namesakes": 0.2, "twice": 0.05},
    "families, couples and companies": {"homes": 150, "sizes": (1, 2, 2, 3, 4), "companies": 200, "twice": 0.06},
    "a few homes": {"homes": 8, "twice": 0.1},
}


@pytest.mark.parametrize("name", POPULATIONS)
def test_who_is_there_twice_is_found_and_who_lives_together_is_not(name: str) -> None:
    made = population(1, **POPULATIONS[name])
    true = true_pairs(made.entities)
    found = find_duplicates(made.customers)
    likely = {(each.first_id, each.second_id) for each in found.pairs}
    surely = {(each.first_id, each.second_id) for each in found.pairs if each.verdict == "same"}
    assert len(surely - true) <= 0.02 * len(surely)
    assert len(likely - true) <= 0.1 * len(true) + 8
    assert len(set(pairs_of(found.clusters)) - true) <= 0.1 * len(true) + 8
    assert len(likely & true) >= 0.85 * len(true) - 1


@pytest.mark.parametrize(("without", "least"), [({}, 0.85), ({"birth_on": None}, 0.65)])
def test_it_is_so_where_there_are_thousands_of_families_and_no_birthdays(
    without: dict[str, None], least: float
) -> None:
    made = population(1, homes=1200, twice=0.05)
    true = true_pairs(made.entities)
    found = find_duplicates([each.replace(**without) for each in made.customers]).pairs
    surely = {(each.first_id, each.second_id) for each in found if each.verdict == "same"}
    likely = {(each.first_id, each.second_id) for each in found}
    assert len(surely - true) <= 0.02 * len(surely)
    assert len(likely - true) <= 0.2 * len(likely)
    assert len(true & likely) >= least * len(true)


HOME = [
    ContactPoint("phone", "+48 501 234 567"),
    ContactPoint("email", "dom@example.com"),
    ContactPoint("address", "home", address=Address(["ul. Piotrkowska 1"], city="Łódź", postcode="90-001")),
]


def person(record_id: str, given_name: str, born: date | None, family_name: str = "Nowak", **others: Any) -> Customer:
    name = f"{given_name} {family_name}"
    held = {"name": name, "given_name": given_name, "family_name": family_name, "birth_on": born}
    return Customer(**({"id": record_id, "kind": "person", "contact_points": HOME} | held | others))


ANNA = person("anna", "Anna", date(1990, 5, 17))


@pytest.mark.parametrize(
    ("other", "verdict"),
    [
        (person("brother", "Jan", date(1988, 2, 3)), None),
        (person("twin", "Zofia", date(1990, 5, 17)), "review"),
        (person("daughter", "Anna", date(2014, 8, 30)), "review"),
        (person("somebody", "Jan", None), None),
        (person("again", "Anna", date(1990, 5, 17)), "same"),
        (person("mistyped", "Ana", date(1990, 5, 17)), "same"),
        (person("married", "Anna", date(1990, 5, 17), "Kowalska"), "same"),
        (person("moved", "Anna", date(1990, 5, 17), contact_points=[]), "same"),
        (person("no birthday", "Anna", None), "same"),
    ],
    ids=lambda value: value.id if isinstance(value, Customer) else str(value),
)
def test_who_of_a_home_is_the_same_as_anna(other: Customer, verdict: str | None) -> None:
    assert [each.verdict for each in find_matches(other, [ANNA])] == ([verdict] if verdict else [])
    assert [each.verdict for each in find_duplicates([ANNA, other]).pairs] == ([verdict] if verdict else [])


def test_what_a_home_shares_is_taken_back_and_told() -> None:
    (found,) = find_duplicates([ANNA, person("again", "Anna", date(1990, 5, 17))]).pairs
    assert "home: shared (-" in "; ".join(map(str, found.reasons))
    (found,) = find_duplicates([ANNA, person("moved", "Anna", date(1990, 5, 17), contact_points=[])]).pairs
    assert all(each.bits > 0 for each in found.reasons if each.field != "home")


def test_companies_of_one_house_are_not_one() -> None:
    house = {"kind": "organization", "contact_points": HOME}
    companies = [Customer(id=each, name=each, **house) for each in ("Acme Sp. z o.o.", "Zenit SA")]  # type: ignore[arg-type]
    assert find_duplicates(companies).pairs == ()
    assert len(find_duplicates([*companies, companies[0].replace(id="again", name="ACME")]).pairs) == 1


shares = st.lists(st.floats(0.01, 1), min_size=4, max_size=4).map(
    lambda drawn: tuple(each / sum(drawn) for each in drawn)
)
fields = st.sampled_from(["given_name", "family_name", "birth_on"])


@few
@given(
    st.dictionaries(fields, st.tuples(shares, shares, shares), min_size=1),
    st.floats(1e-6, 0.5),
    st.floats(0, 0.5),
    st.sampled_from(["Anna", "Ana", "Jan"]),
)
def test_the_probability_is_that_of_one_customer_against_one_home_and_strangers(
    drawn: dict[str, tuple[tuple[float, ...], ...]], prior: float, home_prior: float, given_name: str
) -> None:
    weights = [
        FieldWeights(name, FIELDS[name], KINDS[FIELDS[name]].names, m, u, h) for name, (m, u, h) in drawn.items()
    ]
    model = Model(prior, tuple(weights), home_prior)
    other = person("other", given_name, date(1990, 5, 17), "Wójcik")
    (found,) = find_matches(other, [ANNA], model=model, review=1e-12)
    level = {"given_name": {"Anna": 3, "Ana": 2, "Jan": 0}[given_name], "family_name": 0, "birth_on": 3}
    m, u, h = (prod(of[place][level[name]] for name, of in drawn.items()) for place in range(3))
    others = (1 - prior) * ((1 - home_prior) * u + home_prior * h)
    assert found.probability == pytest.approx(prior * m / (prior * m + others))


def test_a_model_that_knows_of_no_homes_compares_with_strangers() -> None:
    of_birth = FieldWeights("birth_on", "date", KINDS["date"].names, KINDS["date"].m, KINDS["date"].u)
    assert of_birth.h == of_birth.u
    (found,) = find_matches(ANNA.replace(id="new"), [ANNA], model=Model(0.5, (of_birth,)))
    assert [each.field for each in found.reasons] == ["birth_on"]


def test_no_pair_is_likelier_than_what_is_foretold_of_its_levels() -> None:
    rows = rows_of(population(1, homes=40, twice=0.3, companies=10).customers, None, None)
    pairs = compared(rows.columns, *all_pairs(len(rows.ids)))
    model = learn(rows.columns, len(rows.ids), patterns(rows.columns, pairs))
    each_alone = Patterns(np.array([pairs.levels[each.name] for each in rows.columns]), np.ones(len(pairs.left)))
    bits = field_bits(rows.columns, model, pairs).sum(axis=0) + home_bits(rows.columns, model, pairs)
    assert (probability(bits, model.prior) <= highest_probability(rows.columns, model, each_alone) + 1e-9).all()
