"""Every kind of field can be without its personal data."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmkit.errors import InvalidInput, InvalidRecord
from crmkit.io.privacy.blanking import Mentions, blanked, changed_fields
from crmkit.model import (
    RECORDS,
    Address,
    ContactPoint,
    Customer,
    CustomField,
    Lead,
    Money,
    Record,
    Value,
    field,
    fields,
    record,
    value,
)
from crmkit.model.shape import Scalar
from crmkit.testing.strategies import records
from tests.examples import few


@value
class Key(Value):
    """Something in a record with a personal field, which the record itself does not call personal."""

    number: str = field(personal=True)
    colour: str = "red"


@record
class Locker(Record):
    """Something personal of every kind that must not be empty."""

    text: str = field(personal=True)
    code: str = field(personal=True, unique=True)
    word: Literal["none", "some"] = field(personal=True)
    whole: int = field(personal=True)
    share: float = field(personal=True)
    exact: Decimal = field(personal=True)
    flag: bool = field(personal=True)
    at: datetime = field(personal=True)
    on: date = field(personal=True)
    price: Money = field(personal=True)
    steps: Sequence[str] = field(personal=True)
    home: Address = field(personal=True)
    point: ContactPoint = field(personal=True)
    extra: Mapping[str, Scalar] = field(personal=True)
    keys: Sequence[Key]
    key: Key | None = None


FULL = Locker(
    id="l1",
    text="Ann",
    code="7",
    word="some",
    whole=7,
    share=0.5,
    exact=Decimal("1.5"),
    flag=True,
    at=datetime(2025, 3, 1, tzinfo=UTC),
    on=date(2025, 3, 1),
    price=Money("5", "PLN"),
    steps=["a"],
    home=Address(["ul. Długa 1"], country="PL"),
    point=ContactPoint("email", "ann@example.com"),
    extra={"a": 1},
    keys=[Key("12", "blue")],
    key=Key("13"),
)


def test_what_must_not_be_empty_holds_a_placeholder() -> None:
    assert blanked(FULL) == Locker(
        id="l1",
        text="[erased]",
        code="[erased] l1",
        word="none",
        whole=0,
        share=0.0,
        exact=Decimal(0),
        flag=False,
        at=datetime(1900, 1, 1, tzinfo=UTC),
        on=date(1900, 1, 1),
        price=Money("0", "PLN"),
        steps=[],
        home=Address([], country=None),
        point=ContactPoint("email", "[erased]"),
        extra={},
        keys=[Key("[erased]", "blue")],
        key=Key("[erased]"),
    )


@few
@given(st.sampled_from(RECORDS).flatmap(records))
def test_blanking_twice_is_blanking_once_and_leaves_all_that_is_not_personal(some: Record) -> None:
    once = blanked(some)

    assert blanked(once) == once
    personal = {each.name for each in fields(type(some)) if each.personal or each.shape.kind in ("value", "values")}
    assert changed_fields(some, once) <= personal


def test_one_category_alone_is_blanked() -> None:
    ann = Customer(id="ann", kind="person", name="Ann", city="Łódź", external_ids={"till": "7"}, custom={"a": "b"})

    assert blanked(ann, category="identity") == ann.replace(name="[erased]", external_ids={})
    assert blanked(ann, category="descriptive") == ann.replace(city=None, custom={})
    assert blanked(ann, category="quantitative") == ann


def test_run_time_fields_stay_that_are_declared_and_not_personal() -> None:
    declared = [
        CustomField(subject="Customer", name="level", kind="text"),
        CustomField(subject="Customer", name="diet", kind="text", is_personal=True, category="qualitative"),
        CustomField(subject="Lead", name="budget", kind="text"),
    ]
    custom = {"level": "gold", "diet": "vegan", "budget": "low", "else": "x"}
    ann = Customer(kind="person", name="Ann", custom=custom)

    assert blanked(ann, declared).custom == {"level": "gold"}
    assert blanked(ann, declared, "qualitative").custom == {"level": "gold", "budget": "low", "else": "x"}
    assert blanked(Lead(name="Ann", custom=custom), declared).custom == {"budget": "low"}


def test_a_class_that_cannot_be_without_is_named() -> None:
    @record
    class Adult(Record):
        born_on: date = field(personal=True)

        def __attrs_post_init__(self) -> None:
            if self.born_on.year < 1910:
                raise InvalidRecord("Adult.born_on: too old")

    with pytest.raises(InvalidInput, match="let the check of Adult accept that"):
        blanked(Adult(born_on=date(1990, 5, 17)))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Ann Kowalska's locker", "[erased]'s locker"),
        ("ANN KOWALSKA", "[erased]"),
        ("Joann Kowalska", "Joann Kowalska"),
        ("Ann", "Ann"),
        ("mail ann@example.com, call +48 501 234 567.", "mail [erased], call [erased]."),
        ("", ""),
    ],
)
def test_mentions_of_a_person_are_removed_as_whole_words(text: str, expected: str) -> None:
    assert Mentions(["Ann Kowalska", "Ann", "ann@example.com", "+48 501 234 567", ""]).removed(text) == expected


def test_nobody_is_mentioned_by_nothing() -> None:
    assert Mentions(["", " ", "Ann"]).removed("Ann") == "Ann"
