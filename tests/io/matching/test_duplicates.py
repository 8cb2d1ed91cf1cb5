"""Records that are one customer are found, with a probability and reasons."""

import json
import random
from datetime import date
from math import log2
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmkit import metrics
from crmkit.errors import InvalidInput
from crmkit.io.matching import Duplicates, find_duplicates
from crmkit.model import Address, ContactPoint, Customer, Employee
from tests.examples import few
from tests.io.matching.truth import f1, pairs_of

FEBRL = {
    "given_name": "given_name",
    "surname": "family_name",
    "street_number": "identifier",
    "address_1": "text",
    "address_2": "text",
    "suburb": "city",
    "postcode": "postcode",
    "state": "choice",
    "date_of_birth": "date",
}
SPLINK = {"first_name": "given_name", "surname": "family_name", "dob": "date", "city": "city", "email": "email"}
BORN = date(1990, 5, 17)


def person(record_id: str, name: str = "Łucja Nowak", birth_on: date | None = BORN, **others: Any) -> Customer:
    return Customer(id=record_id, kind="person", name=name, birth_on=birth_on, **others)


def found(*customers: Customer, **options: Any) -> list[tuple[str, str]]:
    return [(each.first_id, each.second_id) for each in find_duplicates(customers, **options).pairs]


def read(path: Path, record_id: str) -> pl.DataFrame:
    if not path.exists():
        pytest.skip(f"{path} is not here")
    table = pl.read_csv(path, infer_schema=False)
    table = table.rename({name: name.strip() for name in table.columns}).with_columns(pl.all().str.strip_chars())
    return table.rename({record_id: "id"})


@pytest.fixture
def febrl(published: Path) -> pl.DataFrame:
    return read(published / "febrl" / "dataset1.csv", "rec_id")


def published_f1(published: Path, name: str) -> list[float]:
    held: dict[str, Any] = json.loads((published / "expected" / "entity_resolution.json").read_text())[name]
    return [each["f1"] for key, each in held.items() if key.startswith("baseline")]


@pytest.mark.parametrize("with_number", [True, False])
def test_febrl_1_is_found_also_without_the_number_that_gives_it_away(
    febrl: pl.DataFrame, published: Path, *, with_number: bool
) -> None:
    compare = FEBRL | ({"soc_sec_id": "identifier"} if with_number else {})
    made = find_duplicates(febrl, compare=compare)
    entities = {record_id: record_id.split("-")[1] for record_id in febrl["id"]}
    by_pairs = f1([(each.first_id, each.second_id) for each in made.pairs], entities)
    assert min(by_pairs, f1(pairs_of(made.clusters), entities)) >= 0.98
    assert by_pairs > max(published_f1(published, "febrl_dataset1"))


def test_the_sample_of_splink_is_found_better_than_by_its_own_tutorial(published: Path) -> None:
    table = read(published / "splink_fake" / "fake_1000_from_splink_demos.csv", "unique_id")
    made = find_duplicates(table, compare=SPLINK)
    entities = dict(zip(table["id"], table["cluster"], strict=True))
    by_pairs = f1([(each.first_id, each.second_id) for each in made.pairs], entities)
    tutorial = 0.67  # of Splink 5 with the settings of its tutorial, pairs or clusters, at the best threshold
    assert min(by_pairs, f1(pairs_of(made.clusters), entities)) > max(
        0.95, tutorial, *published_f1(published, "splink_fake_1000")
    )


def test_a_probability_is_what_its_reasons_and_the_prior_say(febrl: pl.DataFrame) -> None:
    made = find_duplicates(febrl.head(300), compare=FEBRL, review=0.01)
    base = log2(made.model.prior / (1 - made.model.prior))
    for pair in made.pairs:
        odds = min(60.0, base + sum(reason.bits for reason in pair.reasons))
        assert log2(pair.probability / (1 - pair.probability) if pair.probability < 1 else 2**60) == pytest.approx(
            odds, abs=0.2
        )
        weights = [abs(reason.bits) for reason in pair.reasons]
        assert weights == sorted(weights, reverse=True)
    assert [each.probability for each in made.pairs] == sorted((each.probability for each in made.pairs), reverse=True)


def test_the_levels_that_were_learned_are_shares(febrl: pl.DataFrame) -> None:
    made = find_duplicates(febrl.head(300), compare=FEBRL)
    for each in made.model.weights:
        assert sum(each.m) == pytest.approx(1, abs=1e-4)
        assert sum(each.u) == pytest.approx(1, abs=1e-4)
        assert each.m[-1] > each.u[-1]


NAMES = ["Łucja Nowak", "Lucja Nowak", "Nowak Lucja", "Jan Kowalski", "Jan Kovalski", "Zofia Wójcik"]
people = st.lists(
    st.builds(lambda name, day: (name, date(1990, 5, day)), st.sampled_from(NAMES), st.sampled_from([1, 2, 17])),
    max_size=9,
)


@few
@given(people, st.randoms(use_true_random=False))
def test_the_order_of_records_does_not_matter(drawn: list[tuple[str, date]], chance: random.Random) -> None:
    made = [person(str(number), *each) for number, each in enumerate(drawn)]
    assert find_duplicates(chance.sample(made, len(made))) == find_duplicates(made)


@few
@given(people)
def test_pairs_are_told_once_and_clusters_share_nobody(drawn: list[tuple[str, date]]) -> None:
    made = find_duplicates([person(str(number), *each) for number, each in enumerate(drawn)])
    ids = [(each.first_id, each.second_id) for each in made.pairs]
    assert all(first < second for first, second in ids)
    assert len(set(ids)) == len(ids)
    grouped = [each for cluster in made.clusters for each in cluster.ids]
    assert len(set(grouped)) == len(grouped)
    assert {each for pair in ids for each in pair} >= set(grouped)
    assert all(0.5 <= each.probability <= 1 for each in made.pairs)


def test_pandas_and_arrow_are_read_as_polars_is(febrl: pl.DataFrame) -> None:
    few = febrl.head(60)
    expected = find_duplicates(few, compare=FEBRL)
    assert find_duplicates(few.to_arrow(), compare=FEBRL) == expected
    assert find_duplicates(pd.DataFrame(few.to_dict(as_series=False)), compare=FEBRL) == expected


def test_names_are_the_same_in_any_capitals_accents_and_order() -> None:
    written = ["Łucja Nowak", "LUCJA NOWAK", "Nowak Łucja", "Łucja  Nówak"]
    people = [person(str(number), name) for number, name in enumerate(written)]
    made = find_duplicates(people)
    assert [each.verdict for each in made.pairs] == ["same"] * 6
    assert [each.ids for each in made.clusters] == [("0", "1", "2", "3")]


def test_a_name_alone_is_no_proof_that_two_are_one() -> None:
    assert found(person("a", birth_on=None), person("b", birth_on=None)) in ([], [("a", "b")])
    assert all(
        each.verdict == "review"
        for each in find_duplicates([person("a", birth_on=None), person("b", birth_on=None)]).pairs
    )


def test_a_family_that_shares_a_telephone_is_not_one_customer() -> None:
    phone = ContactPoint("phone", "+48 501 234 567")
    parents = [person("a", "Jan Nowak", date(1980, 1, 2), contact_points=[phone])]
    children = [person("b", "Zofia Nowak", date(2012, 7, 30), contact_points=[phone])]
    assert found(*parents, *children) == []


def test_one_telephone_is_the_same_with_and_without_its_country() -> None:
    one = person("a", birth_on=None, contact_points=[ContactPoint("phone", "501 234 567")], country="PL")
    other = person(
        "b", birth_on=None, contact_points=[ContactPoint("phone", "600 1"), ContactPoint("phone", "+48501234567")]
    )
    assert found(one, other) == [("a", "b")]
    assert found(one.replace(country=None), other, country="pl") == [("a", "b")]


def test_organizations_are_compared_without_their_legal_form_and_never_with_people() -> None:
    address = ContactPoint("address", "x", address=Address(["Piotrkowska 1"], city="Łódź", postcode="90-001"))
    acme = Customer(id="a", kind="organization", name="Acme Sp. z o.o.", contact_points=[address])
    same = acme.replace(id="b", name="ACME")
    human = person("c", "Acme", contact_points=[address])
    assert found(acme, same, human) == [("a", "b")]


def test_nothing_and_one_record_have_no_duplicates() -> None:
    for data in (
        [],
        [person("a")],
        pl.DataFrame({"id": [], "email": []}, schema={"id": pl.String, "email": pl.String}),
    ):
        made = find_duplicates(data)
        assert (made.pairs, made.clusters, made.compared) == ((), (), 0)
        assert made.to_polars().columns == ["first_id", "second_id", "score", "verdict", "reasons"]


def test_records_without_values_are_not_alike() -> None:
    table = pl.DataFrame({"id": ["a", "b"], "email": [None, " "], "city": ["", None]})
    assert find_duplicates(table).pairs == ()


def test_a_value_that_everybody_has_is_no_reason_to_compare_and_is_told() -> None:
    n = 400
    table = pl.DataFrame({"id": [f"{each:03}" for each in range(n)], "email": ["info@example.com"] * n})
    made = find_duplicates(table)
    assert (made.pairs, made.too_common) == ((), {"email": 2})


def test_numbers_that_pandas_made_fractions_of_are_whole() -> None:
    table = pd.DataFrame({"id": [1, 2], "tax": [1234567.0, None], "postcode": [4011.0, 4011.0]})
    made = find_duplicates(table, compare={"tax": "identifier", "postcode": "postcode"}, review=1e-9)
    assert [reason.level for reason in made.pairs[0].reasons] == ["same"]


def test_pairs_are_what_the_share_of_duplicates_reads() -> None:
    people = [person("a"), person("b"), person("c", "Jan Kowalski", date(1971, 1, 30))]
    pairs = find_duplicates(people).to_polars()
    share = metrics.duplicate_share(customers=people, pairs=pairs, least_score=0.9, as_of=date(2025, 5, 31))
    assert (share[0].numerator, share[0].denominator) == (2, 3)


def test_no_value_of_a_person_is_in_what_is_told() -> None:
    made: Duplicates = find_duplicates([person("a"), person("b")])
    assert made.pairs
    assert not any(secret in repr(made) for secret in ("ucja", "owak", "1990"))


def wrong(problem: str, data: Any, **options: Any) -> None:
    with pytest.raises(InvalidInput, match=problem) as refused:
        find_duplicates(data, **options)
    assert "secret" not in str(refused.value)


def test_what_cannot_be_searched_is_refused_with_what_could() -> None:
    table = pl.DataFrame({"id": ["a", "b"], "mail": ["secret@example.com"] * 2})
    wrong("no column is called as a field of customers", table)
    wrong("no column 'email' to compare; .*mail", table, compare={"email": "email"})
    wrong("'mail' is no kind of field .*email", table, compare={"mail": "mail"})
    wrong("no mapping", table, compare="mail")
    wrong("a int holds no customers", 5)
    wrong("no column 'id'", table.rename({"id": "ID"}))
    wrong("two records have the id 'a'", pl.concat([table, table]), compare={"mail": "email"})
    wrong("id of a record is empty", table.with_columns(id=pl.lit(" ")), compare={"mail": "email"})
    wrong("a Employee stands among the customers", [Employee(name="secret")])
    wrong("leave it out for records", [], compare={"mail": "email"})
    wrong("no probabilities in this order", [], review=0.9, same=0.5)
    wrong("'Splnk' is no engine.*splink", [], engine="Splnk")
