"""Values inside records are written as JSON that says the same as their plain data, and equal values are equal text."""

import json
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmkit.codec import from_plain, to_plain
from crmkit.io.stores.sql.json_text import value_reader, value_writer
from crmkit.model import RECORDS, Money, fields
from crmkit.model.records import Value, field, value
from crmkit.model.shape import Scalar
from crmkit.testing import strategies


@value
class Inner(Value):
    note: str | None = None


@value
class Everything(Value):
    """One field of each kind, and the same empty."""

    text: str
    texts: Sequence[str] = ()
    words: AbstractSet[str] = frozenset()
    count: int | None = 1
    share: float = 0.5
    exact: Decimal | None = None
    is_so: bool = True
    at: datetime | None = None
    on: date | None = None
    price: Money | None = None
    inner: Inner | None = None
    inners: Sequence[Inner] = ()
    more: Mapping[str, Scalar] = field(factory=dict)


VALUES: list[Any] = sorted(
    {info.shape.item for cls in RECORDS for info in fields(cls) if info.shape.kind in ("value", "values")}
    | {Everything},
    key=str,
)


@pytest.mark.parametrize("cls", VALUES, ids=lambda cls: cls.__name__)
@given(data=st.data())
def test_a_value_is_written_as_its_plain_data_without_what_comes_back_empty_by_itself_and_read_again(
    cls: Any, data: st.DataObject
) -> None:
    drawn = data.draw(strategies.records(cls))
    empty = {each.name for each in attrs.fields(cls) if each.default is None}
    plain = {name: held for name, held in to_plain(drawn).items() if held is not None or name not in empty}
    written = value_writer(cls)(drawn)
    assert from_plain(cls, json.loads(written)) == value_reader(cls)(json.loads(written)) == drawn
    assert hash(value_reader(cls)(json.loads(written))) == hash(drawn)
    assert json.loads(written).keys() == plain.keys()
    assert list(json.loads(written)) == sorted(plain)


def test_sets_are_written_in_order_and_text_as_it_is() -> None:
    written = value_writer(Everything)(Everything('Łódź "a"\n', words={"b", "a"}, count=None))
    assert '"words":["a","b"]' in written
    assert '"count":null' in written
    assert json.loads(written)["text"] == 'Łódź "a"\n'
