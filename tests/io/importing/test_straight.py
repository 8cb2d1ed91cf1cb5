"""Rows that go straight into the staging file become there what their records become, cell for cell."""

from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmkit.io.formats import Row
from crmkit.io.importing.payload import Payloads
from crmkit.io.importing.straight import Straight
from crmkit.io.mapping import folder_mapping
from crmkit.io.mapping.links import Links
from crmkit.io.mapping.problems import Findings
from crmkit.io.mapping.rows import RecordMaker
from crmkit.io.stores import MemoryStore
from crmkit.model import RECORDS, Customer, Product, Record, field, new_id, record
from crmkit.testing import strategies

_CUSTOMER: dict[str, Any] = {
    "kind": {"value": "person"},
    "name": {"columns": ["first", "last"]},
    "given_name": "first",
    "family_name": "last",
    "birth_on": {"column": "born", "format": "day first"},
    "country": {"column": "land", "replace": {"Polska": "PL", "brak": "none"}},
    "language": {"columns": ["speaks"], "otherwise": "mother"},
    "created_at": "since",
    "tags": {"column": "labels", "split": ";"},
    "contact_points": [
        {"kind": "email", "column": "mail", "primary": True},
        {"kind": "phone", "column": "phone", "label": "home"},
    ],
}
_GOOD = {
    "no": "1", "first": "Łucja", "last": "O'Neil \"Bis\"", "born": "17/5/1990", "land": "Polska", "speaks": "", "mother": "pl",
    "since": "2024-05-01T12:00:00+02:00", "labels": "vip; new", "mail": "lucja@example.org", "phone": "",
}  # fmt: skip
_CELLS = st.one_of(
    strategies.texts(),
    st.sampled_from(
        [
            "",
            " ",
            "-",
            "N/A",
            "none",
            "brak",
            "Polska",
            "31/12/1990",
            "12/31/1990",
            "2024-05-01",
            "e\u0301",
            "\ud800",
            "\0",
        ]
    ),
    st.sampled_from([*_GOOD.values()]),
    st.none() | st.integers() | st.booleans() | st.dates(),
)


@record
class Member(Customer):
    """Every member gets a token of their own."""

    token: str = field(factory=new_id)


def _maker(cls: type[Record], fields: dict[str, Any], **more: Any) -> RecordMaker:
    files = [{"path": "people.csv", "record": cls.__name__, "key": "no", "fields": fields, **more}]
    (file,) = folder_mapping(source="till", files=files, records=[Member]).files
    return RecordMaker(source="till", file=file, pipelines={}, links=Links("till", []), findings=Findings())


def _usual(maker: RecordMaker, row: Row) -> tuple[Any, ...] | None:
    """What the record of a row becomes, None for a row that has none."""
    reading = maker.read(row, maker.key(row))
    values = {"id": "an-id", **reading.values}
    made = None if reading.faults else maker.build(maker.file.record, values, reading.faults)
    return None if made is None else PAYLOADS.encode(made)


def _straight(maker: RecordMaker, first: Row) -> Straight | None:
    usual = _usual(maker, first)
    assert usual is not None
    return Straight.of(maker, PAYLOADS.columns(maker.file.record.__name__), usual)


def _outcomes(maker: RecordMaker, straight: Straight | None, row: Row) -> tuple[Any, Any]:
    assert straight is not None
    return straight.row(row, maker.key(row), "an-id"), _usual(maker, row)


PAYLOADS = Payloads(MemoryStore([*RECORDS, Member]))
MAKER = _maker(Customer, _CUSTOMER)
STRAIGHT = _straight(MAKER, Row(2, _GOOD))
CHECKING = RecordMaker(
    source="till",
    file=attrs.evolve(MAKER.file, check_points=True, country="PL"),
    pipelines={},
    links=Links("till", []),
    findings=Findings(),
)
STRAIGHT_CHECKING = _straight(CHECKING, Row(2, _GOOD))


@given(
    cells=st.fixed_dictionaries(
        {"no": st.sampled_from(["7", "Ł"])}, optional={name: _CELLS for name in _GOOD if name != "no"}
    )
)
def test_a_row_becomes_what_its_record_becomes_or_is_left_to_it(cells: dict[str, Any]) -> None:
    for row in (Row(3, {**_GOOD, **cells}), Row(3, cells)):
        found, usual = _outcomes(MAKER, STRAIGHT, row)
        assert found in (None, usual)


@given(
    mail=st.sampled_from(["", "ann@example.org", "ann@", "łucja@żółw.pl"]),
    phone=st.sampled_from(["", "+48 501 234 567", "+48 1", "12"]),
)
def test_malformed_points_are_left_to_the_record(mail: str, phone: str) -> None:
    found, usual = _outcomes(CHECKING, STRAIGHT_CHECKING, Row(3, {**_GOOD, "mail": mail, "phone": phone}))
    is_good = mail != "ann@" and phone in ("", "+48 501 234 567")
    assert found == (usual if is_good else None)


@given(name=st.sampled_from([*_GOOD]), cell=st.sampled_from(["", "Ann", "1/2/2003", "2003-02-01", "x;y"]))
def test_usual_rows_go_straight(name: str, cell: str) -> None:
    row = Row(3, {**_GOOD, name: cell} if name != "no" else _GOOD)
    found, usual = _outcomes(MAKER, STRAIGHT, row)
    assert found == usual


@pytest.mark.parametrize(
    ("cls", "fields", "more"),
    [
        (Member, _CUSTOMER, {}),
        (Customer, {**_CUSTOMER, "owner_id": "owner"}, {}),
        (Customer, _CUSTOMER, {"custom": ["*"]}),
        (Customer, {**_CUSTOMER, "contact_points": [{"kind": "phone", "column": "phone", "split": ";"}]}, {}),
        (
            Customer,
            {**_CUSTOMER, "contact_points": [{"kind": "phone", "column": each} for each in ("phone", "mail")]},
            {},
        ),
        (Product, {"name": "first", "price": {"column": "price", "currency": "PLN"}}, {}),
    ],
    ids=["a default of each record", "links", "custom columns", "several in a cell", "two of a kind", "money"],
)
def test_what_needs_more_than_its_cells_goes_the_usual_way(cls: Any, fields: Any, more: Any) -> None:
    assert _straight(_maker(cls, fields, **more), Row(2, {**_GOOD, "price": "5"})) is None
