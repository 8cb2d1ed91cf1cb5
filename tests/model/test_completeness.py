"""Completeness counts what is filled, by category, and names what is empty."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmkit.errors import InvalidInput
from crmkit.model import Customer, Interaction, Preference, Product, Record, Ticket, fields
from crmkit.model.completeness import completeness
from crmkit.testing.strategies import records
from tests.examples import few

ANN = Customer(id="ann", kind="person", name="Ann")
IDENTITY = ("external_ids", "given_name", "family_name", "contact_points")


def test_each_category_has_the_share_of_its_filled_fields() -> None:
    known = completeness(ANN.replace(given_name="Ann", preferences=[Preference("area")]))

    assert known.by_category["identity"] == 2 / 5
    assert known.by_category["qualitative"] == 1.0
    assert known.by_category["quantitative"] is None
    assert [name for name in known.empty if name in IDENTITY] == ["external_ids", "family_name", "contact_points"]


def test_what_a_store_fills_and_run_time_fields_do_not_count() -> None:
    filled = ANN.replace(created_at=datetime(2025, 5, 1, tzinfo=UTC), custom={"shoe_size": 38})

    assert completeness(filled) == completeness(ANN)


def test_zero_and_false_are_answers() -> None:
    assert completeness(Ticket()).by_category["quantitative"] == 1.0
    assert "is_active" not in completeness(Product(name="Gym", is_active=False)).empty


def test_an_empty_collection_is_no_answer() -> None:
    call = Interaction(at=datetime(2025, 5, 1, tzinfo=UTC), channel="phone", direction="inbound", sentiment="glad")

    assert completeness(call).by_category["qualitative"] == 0.5
    assert completeness(call.replace(interests={"sauna"})).by_category["qualitative"] == 1.0


def test_excluded_fields_do_not_count() -> None:
    known = completeness(ANN, excluded=["external_ids", "given_name", "family_name", "preferences"])

    assert known.by_category["identity"] == 1 / 2
    assert known.by_category["qualitative"] is None


def test_nothing_left_to_fill_has_no_share() -> None:
    known = completeness(ANN, excluded=[field.name for field in fields(Customer)])

    assert known.share is None
    assert set(known.by_category.values()) == {None}
    assert known.empty == ()


def test_an_excluded_name_that_is_no_field_is_refused() -> None:
    with pytest.raises(
        InvalidInput, match="excluded: Customer has no field 'familyname'; .* did you mean 'family_name'"
    ):
        completeness(ANN, excluded=["familyname"])


@few
@given(data=st.data())
@pytest.mark.parametrize("cls", [Customer, Interaction, Ticket], ids=lambda cls: cls.__name__)
def test_a_field_is_filled_or_named_as_empty(cls: type[Record], data: st.DataObject) -> None:
    each = data.draw(records(cls))
    counted = {field.name for field in fields(cls)} - {"id", "created_at", "custom"}
    filled = {name for name in counted if getattr(each, name) not in (None, (), {}, frozenset())}

    assert set(completeness(each).empty) == counted - filled
    assert completeness(each).share == len(filled) / len(counted)
