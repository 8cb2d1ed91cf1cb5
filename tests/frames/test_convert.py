"""Records into columns: the columns say what the records say."""

from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmkit.errors import InvalidInput
from crmkit.frames import from_records, schema
from crmkit.model import RECORDS, Customer, Deal, Employee, Money, Record, fields
from crmkit.testing.strategies import records, simplest
from tests.examples import few
from tests.model.vertical import Member, Visit

CLASSES = [*RECORDS, Member, Visit]
LISTS = {cls: st.lists(records(cls), max_size=4) for cls in CLASSES}
every_class = pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)


def said(record: Record) -> dict[str, Any]:
    """What the columns should say of a record."""
    values: dict[str, Any] = {}
    for field in fields(type(record)):
        value = getattr(record, field.name)
        match field.shape.kind:
            case "money":
                values[field.name] = value and value.amount
                values["currency" if field.name == "amount" else f"{field.name}_currency"] = value and value.currency
            case "texts":
                values[field.name] = value if value is None else sorted(value) if field.shape.is_set else list(value)
            case "mapping" | "value" | "values":
                pass
            case _:
                values[field.name] = value
    return values


@every_class
@few
@given(data=st.data())
def test_columns_say_what_the_records_say(cls: type[Record], data: st.DataObject) -> None:
    rows = data.draw(LISTS[cls])
    frame = from_records(rows, cls)

    assert dict(frame.schema) == schema(cls)
    assert frame.to_dicts() == [said(row) for row in rows]


@every_class
def test_no_records_are_an_empty_frame_with_all_columns(cls: type[Record]) -> None:
    frame = from_records([], cls)

    assert dict(frame.schema) == schema(cls)
    assert frame.height == 0


def test_only_the_wanted_columns_are_made_in_the_published_order() -> None:
    assert from_records([simplest(Deal)], Deal, ["stage", "id", "nothing"]).columns == ["id", "stage"]


@pytest.mark.parametrize(("wanted", "row"), [(["currency"], ("PLN",)), (["amount"], (Money("9.50", "PLN").amount,))])
def test_a_currency_is_there_without_its_amount_and_the_other_way_round(
    wanted: list[str], row: tuple[object, ...]
) -> None:
    assert from_records([simplest(Deal, amount=Money("9.50", "PLN"))], Deal, wanted).rows() == [row]


def test_records_of_a_vertical_are_records_of_their_base() -> None:
    frame = from_records([simplest(Member), simplest(Customer)], Customer)

    assert dict(frame.schema) == schema(Customer)
    assert frame.height == 2


def test_an_empty_collection_of_a_vertical_is_a_null() -> None:
    assert from_records([simplest(Visit)], Visit, ["goals"]).to_series().to_list() == [None]


def test_records_come_from_any_iterable() -> None:
    assert from_records((simplest(Deal) for _ in range(3)), Deal).height == 3


@pytest.mark.parametrize("stranger", [simplest(Employee), "deal", None, {"id": "d1"}])
def test_a_record_of_another_class_is_refused(stranger: Any) -> None:
    with pytest.raises(InvalidInput, match=rf"^a {type(stranger).__name__} stands among .* must be a Deal$"):
        from_records([simplest(Deal), stranger], Deal)


def test_the_largest_amounts_of_every_currency_fit() -> None:
    largest = [Money.from_minor_units(2**63 - 1, currency) for currency in ("JPY", "PLN", "KWD", "CLF")]
    frame = from_records([simplest(Deal, amount=each) for each in largest], Deal, ["amount"])

    assert frame["amount"].to_list() == [each.amount for each in largest]
    assert isinstance(frame, pl.DataFrame)
