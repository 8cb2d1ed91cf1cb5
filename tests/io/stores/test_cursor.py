"""Cursors are opaque, come back as they were, and are refused when they are not ours."""

import string
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmkit.errors import InvalidInput
from crmkit.io.stores.cursor import decode_cursor, decode_position, encode_cursor, encode_position
from crmkit.io.stores.port import SortBy
from crmkit.io.stores.queries import SORTABLE
from crmkit.model import Customer, Employee, fields
from crmkit.model.shape import Shape
from crmkit.testing.contract.examples import Specimen
from crmkit.testing.strategies import records

FIELDS = [each for each in fields(Specimen) if each.shape.kind in SORTABLE]
SORT = [SortBy(each.name) for each in FIELDS]
SHAPES = [each.shape for each in FIELDS]
BY_NAME: tuple[list[SortBy], list[Shape]] = ([SortBy("name")], [Shape("text")])


def values_of(record: Specimen) -> tuple[Any, ...]:
    return tuple(getattr(record, each.name) for each in FIELDS)


@given(records(Specimen))
def test_what_is_sorted_by_comes_back_equal(record: Specimen) -> None:
    cursor = encode_cursor(Specimen, SORT, SHAPES, values_of(record), record.id)

    assert decode_cursor(cursor, Specimen, SORT, SHAPES) == (values_of(record), record.id)
    assert set(cursor) <= set(string.ascii_letters + string.digits + "-_")


@given(st.text() | st.text("ABCWabc0129-_=[]", max_size=40) | st.binary().map(lambda raw: raw.hex()))
def test_anything_else_is_refused(text: str) -> None:
    for decode in (
        lambda: decode_cursor(text, Customer, *BY_NAME),
        lambda: decode_position(text, "club", 1),
    ):
        with pytest.raises(InvalidInput, match="no cursor|belongs to another"):
            decode()


@given(records(Specimen), st.data())
def test_a_changed_cursor_is_refused_or_is_another_place(record: Specimen, data: st.DataObject) -> None:
    cursor = encode_cursor(Specimen, SORT, SHAPES, values_of(record), record.id)
    place = data.draw(st.integers(0, len(cursor) - 1))
    changed = cursor[:place] + data.draw(st.sampled_from("Aa0_")) + cursor[place + 1 :]

    try:
        decoded = decode_cursor(changed, Specimen, SORT, SHAPES)
    except InvalidInput:
        return
    assert (decoded == (values_of(record), record.id)) == (changed == cursor)


@pytest.mark.parametrize("text", ["W10", "bnVsbA", "W10=", "W" * 100_001, "NDI", "W1tbW1tb"])
def test_what_is_json_but_none_of_ours_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        decode_position(text, "club", 1)


def test_a_cursor_belongs_to_its_class_and_order() -> None:
    cursor = encode_cursor(Customer, *BY_NAME, ["Ann"], "c1")

    for cls, path, is_descending in ((Employee, "name", False), (Customer, "city", False), (Customer, "name", True)):
        with pytest.raises(InvalidInput, match="belongs to another query"):
            decode_cursor(cursor, cls, [SortBy(path, is_descending)], [Shape("text")])


def test_a_value_that_no_longer_fits_its_field_is_refused_without_showing_it() -> None:
    cursor = encode_cursor(Customer, *BY_NAME, ["C4N4RY"], "c1")

    with pytest.raises(InvalidInput, match="begin again without one") as caught:
        decode_cursor(cursor, Customer, BY_NAME[0], [Shape("day")])
    assert "C4N4RY" not in repr(caught.value)


@given(st.integers(0, 2**63 - 1), st.integers(0, 2**63 - 1))
def test_a_place_in_a_feed_comes_back_equal(one: int, two: int) -> None:
    assert decode_position(encode_position("club", one, two), "club", 2) == (one, two)


@pytest.mark.parametrize(
    ("store", "numbers"), [("pub", (7,)), ("club", (7, 8)), ("club", ()), ("club", (-1,)), ("club", (2**63,))]
)
def test_a_place_in_another_feed_is_refused(store: str, numbers: tuple[int, ...]) -> None:
    with pytest.raises(InvalidInput, match="belongs to another feed"):
        decode_position(encode_position(store, *numbers), "club", 1)
