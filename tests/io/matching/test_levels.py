"""Values in one form, and how alike they are."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmkit.io.matching.levels import KINDS
from crmkit.io.matching.text import company, folded
from crmkit.io.matching.values import column
from tests.examples import few


def level(kind: str, left: str, right: str) -> str:
    made = column("it", kind, [[left], [right]])
    levels, _ = made.levels(np.array([0]), np.array([1]))
    return str(made.kind.names[levels[0]])


@pytest.mark.parametrize(
    ("kind", "left", "right", "expected"),
    [
        ("name", "Łukasz", "LUKASZ", "same"),
        ("name", "Anna Maria", "maria-anna", "alike"),
        ("name", "Kowalski", "Kowalsky", "alike"),
        ("name", "Ann", "Piotr", "differ"),
        ("name", "สมชาย", "สมหญิง", "differ"),
        ("name", "Владимир", "ВЛАДИМИР", "same"),
        ("company", "Acme Sp. z o.o.", "ACME spółka z o.o.", "same"),
        ("company", "Acme GmbH & Co. KG", "acme", "same"),
        ("text", "ul. Piotrkowska 1", "1 Piotrkowska ul", "alike"),
        ("email", "Ann@Example.com", "ann@example.com ", "same"),
        ("email", "ann.kowalska@example.com", "ann.kowalska@example.org", "same before @"),
        ("email", "ann.kowalska@example.com", "ann.kowalska@exmaple.com", "same before @"),
        ("email", "ann.kowalska@example.com", "anm.kowalska@example.com", "alike"),
        ("email", "ann@example.com", "piotr@club.pl", "differ"),
        ("phone", "+48501234567", "+48501234568", "one digit off"),
        ("phone", "+48501234567", "+48501234657", "one digit off"),
        ("phone", "+48501234567", "+48222222222", "differ"),
        ("date", "1990-05-17", "17900517", "one digit off"),
        ("date", "1990-05-12", "1990-12-05", "one digit off"),
        ("date", "1990-05-17", "1990-06-18", "two digits off"),
        ("date", "1990-05-17", "1971-01-30", "differ"),
        ("identifier", "PL 123-45-67-819", "pl1234567819", "same"),
        ("identifier", "1234567819", "1234567891", "one digit off"),
        ("postcode", "90-001", "90001", "same"),
        ("postcode", "90-001", "90-999", "same area"),
        ("postcode", "90-001", "80-802", "differ"),
        ("choice", "Nsw", "NSW", "same"),
        ("choice", "NSW", "NSV", "differ"),
    ],
)
def test_levels(kind: str, left: str, right: str, expected: str) -> None:
    assert level(kind, left, right) == expected


texts = st.text(st.sampled_from("abółŁñ 19-@.'สมҐ"), max_size=9)


@few
@given(st.sampled_from(sorted(KINDS)), st.lists(st.lists(texts, max_size=2), min_size=2, max_size=4))
def test_records_are_as_alike_as_their_most_alike_values_either_way(kind: str, values: list[list[str]]) -> None:
    made = column("it", kind, values)
    ends = np.array([0]), np.array([1])
    (found,), (same,) = made.levels(*ends)
    (back,), _ = made.levels(*reversed(ends))
    left, right = ({made.kind.plain(each) for each in held} - {""} for held in values[:2])
    assert found == back == max((_level(kind, a, b) for a in left for b in right), default=-1)
    assert (same >= 0) == bool(left & right) == (found == len(made.kind.names) - 1)


def _level(kind: str, left: str, right: str) -> int:
    how = KINDS[kind]
    return len(how.names) - 1 if left == right else int(how.level([left], [right])[0])


@few
@given(st.text(max_size=20))
def test_folding_twice_changes_nothing_more(text: str) -> None:
    assert folded(folded(text)) == folded(text)


def test_the_name_of_a_company_is_never_lost() -> None:
    assert [company(each) for each in ("SA", "AB Ltd", "The Limited", "ĄĘ S.A.")] == [
        "sa",
        "ab ltd",
        "the limited",
        "ae sa",
    ]


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_what_is_usual_of_a_kind_are_shares_of_its_levels(kind: str) -> None:
    how = KINDS[kind]
    assert len(how.names) == len(how.m) == len(how.u)
    assert sum(how.m) == pytest.approx(1)
    assert sum(how.u) == pytest.approx(1)
