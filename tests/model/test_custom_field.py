"""Fields declared at run time are checked, coded, decoded and masked as built-in ones are."""

import json
from datetime import UTC, datetime
from typing import Any
from unicodedata import normalize

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmkit.codec import from_plain, instant_to_text, to_plain
from crmkit.errors import InvalidInput, InvalidRecord
from crmkit.model import Customer, Record, record
from crmkit.model.custom_field import CustomField, check_custom, custom_value, masked_custom, with_custom
from crmkit.model.fault import Fault
from crmkit.testing.strategies import instants, records, texts

ANN = Customer(id="ann", kind="person", name="Ann")
CHOICE = CustomField(subject="Customer", name="size", kind="choice", choices=["S", "M"])
REQUIRED = CustomField(subject="Customer", name="card", kind="integer", is_required=True)
PERSONAL = CustomField(subject="Customer", name="allergy", kind="text", is_personal=True)


def declared(kind: Any, **given: Any) -> CustomField:
    return CustomField(subject="Customer", name="shoe_size", kind=kind, **given)


VALUES: dict[str, st.SearchStrategy[Any]] = {
    "text": texts(),
    "integer": st.integers(-(2**63), 2**63 - 1),
    "number": st.floats(allow_nan=False, allow_infinity=False),
    "decimal": st.decimals(-(10**15), 10**15, places=10),
    "flag": st.booleans(),
    "instant": instants(),
    "day": st.dates(),
}


@given(data=st.data())
@pytest.mark.parametrize("kind", VALUES)
def test_a_value_comes_back_equal_from_json(kind: str, data: st.DataObject) -> None:
    given = data.draw(VALUES[kind])
    field = declared(kind)
    stored = from_plain(Customer, json.loads(json.dumps(to_plain(with_custom(ANN, [field], shoe_size=given)))))
    found = custom_value(stored, field)

    assert found == (
        normalize("NFC", given) if isinstance(given, str) else given.astimezone(UTC) if kind == "instant" else given
    )
    assert type(found) is (datetime if kind == "instant" else type(given))
    assert check_custom([stored], [field]) == ()


def test_a_choice_is_one_of_its_words() -> None:
    assert custom_value(with_custom(ANN, [CHOICE], size="M"), CHOICE) == "M"
    with pytest.raises(InvalidRecord, match="^Customer.custom.size: 'XL' is not accepted; give one of 'S', 'M'$"):
        with_custom(ANN, [CHOICE], size="XL")


@given(moment=instants())
def test_instants_are_held_as_the_codec_writes_them(moment: datetime) -> None:
    held = with_custom(ANN, [declared("instant")], shoe_size=moment).custom["shoe_size"]

    assert held == instant_to_text(moment.astimezone(UTC))


@pytest.mark.parametrize(
    ("kind", "wrong"),
    [
        ("text", " "),
        ("text", 1),
        ("integer", True),
        ("integer", 1.0),
        ("number", float("nan")),
        ("decimal", 1.5),
        ("flag", 1),
        ("instant", datetime(2025, 5, 1)),
        ("instant", "2025-05-01T00:00:00Z"),
        ("day", datetime(2025, 5, 1, tzinfo=UTC)),
        ("day", "2025-05-01"),
    ],
)
def test_a_wrong_value_is_refused_by_the_name_of_its_field(kind: str, wrong: Any) -> None:
    with pytest.raises(InvalidRecord, match=r"^Customer\.custom\.shoe_size: .* is not accepted; give "):
        with_custom(ANN, [declared(kind)], shoe_size=wrong)


def test_a_personal_value_is_masked_where_it_is_refused() -> None:
    with pytest.raises(InvalidRecord, match="Customer.custom.allergy: a personal value of type bytes is not accepted"):
        with_custom(ANN, [PERSONAL], allergy=b"nuts")


def test_other_values_stay_and_none_takes_one_away() -> None:
    ann = with_custom(ANN.replace(custom={"old": 1}), [CHOICE, PERSONAL], size="S", allergy="nuts")

    assert ann.custom == {"old": 1, "size": "S", "allergy": "nuts"}
    assert with_custom(ann, [CHOICE], size=None).custom == {"old": 1, "allergy": "nuts"}
    assert with_custom(ann, [CHOICE]) == ann


def test_a_required_value_cannot_be_taken_away() -> None:
    with pytest.raises(InvalidRecord, match="Customer.custom.card: None is not accepted; give a whole number"):
        with_custom(with_custom(ANN, [REQUIRED], card=7), [REQUIRED], card=None)


def test_a_name_that_is_not_declared_is_refused() -> None:
    other = CustomField(subject="Deal", name="seize", kind="text")
    with pytest.raises(
        InvalidRecord, match="^Customer.custom.sise is not declared; there are 'size'; did you mean 'size'"
    ):
        with_custom(ANN, [CHOICE, other], sise="S")


def test_a_class_has_the_fields_of_the_class_that_it_extends() -> None:
    @record
    class Member(Customer):
        pass

    own = CustomField(subject="Member", name="card", kind="text")
    member = with_custom(Member(id="ann", kind="person", name="Ann"), [CHOICE, own], size="S", card="A7")

    assert type(member) is Member
    assert check_custom([member], [CHOICE, own]) == ()
    assert [fault.field for fault in check_custom([ANN.replace(custom={"card": "A7"})], [CHOICE, own])] == [
        "custom.card"
    ]
    with pytest.raises(InvalidInput, match="declared twice for Member"):
        check_custom([member], [CHOICE, CHOICE.replace(subject="Member", id="other")])


def test_what_an_import_left_comes_back_as_faults() -> None:
    day = declared("day")
    records: list[Record] = [
        ANN.replace(id="1", custom={"shoe_size": "1 May", "sise": "S", "card": 7}),
        ANN.replace(id="2", custom={"allergy": 12345, "card": "7"}),
        ANN.replace(id="3", custom={"shoe_size": 5, "size": None}),
    ]

    faults = check_custom(reversed(records), [day, CHOICE, PERSONAL, REQUIRED])

    assert faults == (
        Fault(
            "Customer",
            "1",
            "custom.shoe_size",
            "'1 May' is not accepted; give a date without a time of day, such as date(2025, 1, 31)",
        ),
        Fault(
            "Customer",
            "1",
            "custom.sise",
            "it is not declared; there are 'shoe_size', 'size', 'allergy', 'card'; did you mean 'size'?",
        ),
        Fault(
            "Customer",
            "2",
            "custom.allergy",
            "a personal value of type int is not accepted; give text that is not blank",
        ),
        Fault("Customer", "2", "custom.card", "'7' is not accepted; give a whole number of at most 64 bits"),
        Fault("Customer", "3", "custom.card", "a value is required"),
        Fault(
            "Customer",
            "3",
            "custom.shoe_size",
            "5 is not accepted; give a date without a time of day, such as date(2025, 1, 31)",
        ),
    )


@pytest.mark.parametrize(
    ("kind", "held"), [("instant", "2025-05-01T12:00:00"), ("decimal", "12,5"), ("decimal", "NaN")]
)
def test_text_that_is_no_value_of_its_kind_is_refused_when_read(kind: str, held: str) -> None:
    with pytest.raises(InvalidRecord, match="Customer.custom.shoe_size"):
        custom_value(ANN.replace(custom={"shoe_size": held}), declared(kind))


def test_a_value_that_is_not_there_is_none() -> None:
    assert custom_value(ANN, REQUIRED) is None


def test_personal_values_and_those_that_nobody_declared_are_masked() -> None:
    ann = ANN.replace(custom={"size": "S", "allergy": "nuts", "unknown": "C4N4RY"})

    assert masked_custom(ann, [CHOICE, PERSONAL]) == {"size": "S", "allergy": "<personal>", "unknown": "<personal>"}
    assert "C4N4RY" not in repr(ann)


@pytest.mark.parametrize("name", ["Size", "1st", "_x", "shoe size", "łapa", "a" * 49, "size\n"])
def test_a_name_is_a_short_identifier(name: str) -> None:
    with pytest.raises(InvalidRecord, match="CustomField.name"):
        CustomField(subject="Customer", name=name, kind="text")


@pytest.mark.parametrize(("kind", "choices"), [("choice", ()), ("text", ["S"]), ("choice", ["S", "S"])])
def test_a_choice_alone_has_different_choices(kind: Any, choices: list[str]) -> None:
    with pytest.raises(InvalidRecord, match="CustomField.choices"):
        CustomField(subject="Customer", name="size", kind=kind, choices=choices)


@given(
    each=records(
        CustomField,
        kind=st.sampled_from(sorted(VALUES)),
        choices=st.just(()),
        name=st.from_regex("[a-z][a-z0-9_]{0,47}", fullmatch=True),
    )
)
def test_a_declaration_comes_back_equal_from_json(each: CustomField) -> None:
    assert from_plain(CustomField, json.loads(json.dumps(to_plain(each)))) == each
