"""What is coded comes back equal, and what cannot be a record is refused by name."""

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmkit.codec import from_plain, to_plain
from crmkit.errors import CrmError, InvalidRecord
from crmkit.model import RECORDS, Customer, Deal, Employee, Pipeline, Record, field, record
from crmkit.testing.strategies import records
from tests.examples import few


@few
@given(data=st.data())
@pytest.mark.parametrize("cls", RECORDS, ids=lambda cls: cls.__name__)
def test_every_record_comes_back_equal_from_json(data: st.DataObject, cls: type[Record]) -> None:
    original = data.draw(records(cls))

    assert from_plain(cls, json.loads(json.dumps(to_plain(original)))) == original


@record
class Member(Customer):
    goal: str | None = field(default=None, personal=True)


@given(member=records(Member))
def test_a_record_of_a_vertical_comes_back_equal_with_its_own_fields(member: Member) -> None:
    assert from_plain(Member, json.loads(json.dumps(to_plain(member)))) == member


def test_fields_that_are_not_there_take_their_defaults() -> None:
    assert from_plain(Employee, {"id": "ann", "name": "Ann"}) == Employee(id="ann", name="Ann")


@pytest.mark.parametrize(
    ("cls", "plain", "message"),
    [
        (Employee, {"nmae": "Ann"}, "Employee has no field 'nmae'; .*did you mean 'name'"),
        (Employee, {}, "Employee.name: it is missing"),
        (Employee, {"name": 3}, "Employee.name: a personal value of type int"),
        (Employee, {"id": 3, "name": "Ann"}, "Employee.id: 3 is not accepted"),
        (Employee, {"name": "Ann", "created_at": "soon"}, "Employee.created_at: 'soon' is not accepted"),
        (
            Employee,
            {"name": "Ann", "created_at": "2025-01-31"},
            "Employee.created_at: .* give a datetime with a time zone",
        ),
        (Employee, {"name": "Ann", "tags": "abc"}, "Employee.tags: 'abc' is not accepted"),
        (Deal, {"pipeline_id": "p", "stage": "s", "amount": 5}, "Deal.amount: 5 is not accepted"),
        (Deal, {"pipeline_id": "p", "stage": "s", "amount": {"amount": 1.5, "currency": "PLN"}}, "float is not exact"),
        (Pipeline, {"stages": 3}, "Pipeline.stages: 3 is not accepted"),
        (Pipeline, {"stages": [3]}, "Stage: int is no record"),
        (Pipeline, {"stages": [{"label": "Won"}]}, "Stage.category: it is missing"),
        (Pipeline, [], "Pipeline: list is no record"),
    ],
)
def test_what_is_no_record_is_refused_by_name(cls: type[Record], plain: Any, message: str) -> None:
    with pytest.raises(InvalidRecord, match=message):
        from_plain(cls, plain)


_SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
_JSON = _SCALARS | st.lists(_SCALARS, max_size=3) | st.dictionaries(st.text(max_size=5), _SCALARS, max_size=3)


@given(data=st.data())
@pytest.mark.parametrize("cls", [Customer, Deal, Pipeline])
def test_nothing_but_our_own_errors_comes_out(data: st.DataObject, cls: type[Record]) -> None:
    names = [*(name for name in to_plain(_any(cls))), "other"]
    plain = data.draw(st.dictionaries(st.sampled_from(names), _JSON))

    with suppress(CrmError):
        from_plain(cls, plain)


def _any(cls: type[Record]) -> Record:
    examples: dict[type[Record], Record] = {
        Customer: Customer(kind="person", name="Ann"),
        Deal: Deal(pipeline_id="gym", stage="Trial"),
        Pipeline: from_plain(Pipeline, {"stages": [{"label": "Won", "category": "won"}]}),
    }
    return examples[cls]
