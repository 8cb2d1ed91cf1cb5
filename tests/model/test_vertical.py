"""What a vertical declares by itself is treated in every respect as what is built in."""

import json
from collections.abc import Sequence

import pytest

from crmkit.codec import from_plain, to_plain
from crmkit.errors import InvalidRecord
from crmkit.model import Customer, Money, Record, Value, field, fields, record, value
from crmkit.model.check import check, check_links, check_money
from crmkit.model.completeness import completeness


@value
class Goal(Value):
    """What a member wants to reach, and with whom."""

    text: str = field(category="qualitative", personal=True)
    trainer_id: str | None = field(default=None, links="Trainer")
    price: Money | None = None


@record
class Trainer(Record):
    """Somebody who trains members."""

    name: str = field(category="identity", personal=True)


@record
class Member(Customer):
    """A customer of a fitness club."""

    trainer_id: str | None = field(default=None, links="Trainer")
    friend_ids: Sequence[str] = field(default=(), links="Member")
    main_goal: Goal | None = field(default=None, category="qualitative", personal=True)
    goals: Sequence[Goal] = field(default=(), category="qualitative", personal=True)
    weight: float | None = field(default=None, category="quantitative", personal=True, title="Weight (kg)")
    fee: Money | None = field(default=None, category="quantitative")


EVA = Trainer(id="eva", name="C4N4RY")
ANN = Member(
    id="ann",
    kind="person",
    name="C4N4RY",
    trainer_id="eva",
    main_goal=Goal("C4N4RY", "eva"),
    goals=[Goal("C4N4RY")],
    weight=61,
    fee=Money("99", "PLN"),
    custom={"note": "C4N4RY"},
)


def test_it_is_validated_and_personal_values_stay_out_of_the_error() -> None:
    with pytest.raises(InvalidRecord, match="^Member.weight: a personal value of type str is not accepted"):
        ANN.replace(weight="C4N4RY")
    with pytest.raises(InvalidRecord, match="^Goal.trainer_id: 7 is not accepted"):
        Goal("run", 7)  # type: ignore[arg-type]


@pytest.mark.parametrize("each", [ANN, EVA], ids=["Member", "Trainer"])
def test_it_comes_back_equal_from_json(each: Record) -> None:
    assert from_plain(type(each), json.loads(json.dumps(to_plain(each)))) == each


def test_its_personal_data_are_masked() -> None:
    assert "C4N4RY" not in repr([ANN, EVA, ANN.main_goal, *ANN.goals])
    assert "61" not in repr(ANN)


def test_its_fields_are_listed_after_the_built_in_ones() -> None:
    assert [info.name for info in fields(Member)] == [
        *(info.name for info in fields(Customer)),
        "trainer_id",
        "friend_ids",
        "main_goal",
        "goals",
        "weight",
        "fee",
    ]
    assert fields(Member)[-2].title == "Weight (kg)"


def test_its_links_are_checked_also_inside_its_values() -> None:
    assert check([ANN, EVA]) == ()
    assert [fault.field for fault in check_links([ANN.replace(friend_ids=["bob", "ann"])])] == [
        "friend_ids",
        "main_goal.trainer_id",
        "trainer_id",
    ]


def test_its_money_is_checked_also_inside_its_values() -> None:
    priced = ANN.replace(goals=[Goal("run", price=Money("1", "THB"))])

    assert [str(fault) for fault in check_money([priced])] == [
        "Member 'ann': goals.0.price: it is in THB, but fee is in PLN"
    ]


def test_it_is_counted_by_category() -> None:
    known = completeness(ANN)

    assert known.by_category["quantitative"] == 1.0
    assert known.by_category["qualitative"] == 2 / 3
    assert "friend_ids" in known.empty
    assert "goals" not in known.empty
