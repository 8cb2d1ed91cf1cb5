"""A rule that does not fit a class says why, before any record is asked."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmkit.model import Customer, CustomField, Deal, Money, Record
from crmkit.model.shape import Kind
from crmkit.rules import EVERYTHING, Comparison, Days, Rule, field, predicate
from crmkit.rules.check import OPERATORS
from tests.model.vertical import Member, Visit
from tests.rules.drawn import AT, OF_VISITS, odd_records, rules_about

DAY = date(2025, 1, 31)
VALUES: dict[str, Any] = {
    "text": "x",
    "whole": 1,
    "float": 1.5,
    "decimal": Decimal("1.5"),
    "flag": True,
    "instant": AT,
    "day": DAY,
    "money": Money(1, "PLN"),
}
TAKES: dict[Kind, set[str]] = {
    "text": {"text"},
    "integer": {"whole"},
    "number": {"whole", "float"},
    "decimal": {"whole", "decimal"},
    "flag": {"flag"},
    "instant": {"instant"},
    "day": {"day"},
    "money": {"money"},
}


def problem(rule: Rule, cls: type[Record], *declared: CustomField) -> str:
    (found,) = rule.check(cls, declared)
    return found


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("member_id", "text"),
        ("paid_currency", "text"),
        ("external_ids.shop", "text"),
        ("guests", "integer"),
        ("rating", "number"),
        ("weight", "decimal"),
        ("is_trial", "flag"),
        ("at", "instant"),
        ("custom.a_day", "day"),
        ("paid", "money"),
    ],
)
def test_a_field_takes_values_of_its_kind(path: str, kind: Kind) -> None:
    assert {name for name, value in VALUES.items() if not (field(path) == value).check(Visit, OF_VISITS)} == TAKES[kind]
    for name, value in VALUES.items():
        fits = name in TAKES[kind]
        assert (field(path).is_in([value]).check(Visit, OF_VISITS) == ()) is fits
        if "below" in OPERATORS[kind]:
            assert ((field(path) < value).check(Visit, OF_VISITS) == ()) is fits


@pytest.mark.parametrize(
    ("path", "accepted"),
    [
        ("member_id", "is in empty below at_most above at_least contains starts_with ends_with like"),
        ("custom.a_choice", "is in empty contains starts_with ends_with like"),
        ("guests", "is in empty below at_most above at_least"),
        ("paid", "is in empty below at_most above at_least"),
        ("custom.a_day", "is in empty below at_most above at_least anniversary"),
        ("is_trial", "is in empty"),
        ("tags", "has empty"),
        ("classes", "has empty"),
        ("locker", "empty"),
        ("lockers", "empty"),
        ("measured", "empty"),
    ],
)
def test_a_field_is_asked_what_fits_its_kind(path: str, accepted: str) -> None:
    operands: dict[Any, Any] = {"empty": None, "in": [], "anniversary": Days(DAY, date(2025, 2, 1))}
    for operator in (*OPERATORS["text"], *OPERATORS["texts"], "anniversary"):
        rule = Comparison(path, operator, operands.get(operator, "x"))
        refused = any("cannot be asked" in problem for problem in rule.check(Visit, OF_VISITS))
        assert refused is (operator not in accepted.split()), operator


def test_an_unknown_field_is_named_with_the_nearest() -> None:
    assert problem(field("nme") == "Ann", Customer).startswith("Customer has no field 'nme'; there are 'id', ")
    assert problem(field("nme") == "Ann", Customer).endswith("did you mean 'name'?")


def test_a_field_of_custom_must_be_declared_for_the_class() -> None:
    size = CustomField(subject="Member", name="size", kind="integer")

    assert (field("custom.size") > 38).check(Member, [size]) == ()
    assert "Customer has no field 'custom.size'" in problem(field("custom.size") > 38, Customer, size)
    assert problem(field("custom.siz") > 38, Member, size).endswith("did you mean 'custom.size'?")


def test_a_choice_is_one_of_its_words() -> None:
    assert problem(field("category") == "opne", Deal) == (
        "Deal.category: 'opne' is not accepted; give one of 'open', 'won', 'lost'"
    )
    assert (field("category") == "open").check(Deal) == ()


def test_a_personal_value_is_not_shown() -> None:
    (said,) = (field("name") == 7).check(Customer)

    assert said == "Customer.name: a personal value of type int is not accepted; give text that is not blank"


def test_an_instant_is_no_day_and_a_day_no_instant() -> None:
    assert "give a date without a time of day" in problem(
        field("joined_on") == datetime(2025, 1, 31, tzinfo=UTC), Member
    )
    assert "give a datetime with a time zone" in problem(field("at") >= DAY, Visit)


def test_every_problem_is_told_once_in_order() -> None:
    rule = (field("tags") == "a") | (field("tags") == "b") | ~(field("nam") == "a")

    assert [said.split(";")[0] for said in rule.check(Customer)] == [
        "Customer.tags: a field of the kind 'texts' cannot be asked 'is'",
        "Customer has no field 'nam'",
    ]


def test_a_rule_without_comparisons_fits_every_class() -> None:
    assert EVERYTHING.check(Deal) == ()


@given(data=st.data())
def test_a_rule_that_fits_never_fails_on_a_record(data: st.DataObject) -> None:
    held = data.draw(st.lists(odd_records(Visit, OF_VISITS), min_size=1, max_size=2))
    rule = data.draw(rules_about(Visit, OF_VISITS, held))

    assert rule.check(Visit, OF_VISITS) == ()
    assert all(predicate(rule, Visit, OF_VISITS)(each) in (True, False) for each in held)


@given(data=st.data(), path=st.sampled_from(["member_id", "guests", "paid", "tags", "custom.a_day", "measured", "no"]))
def test_any_rule_is_checked_without_failing(data: st.DataObject, path: str) -> None:
    operator = data.draw(st.sampled_from([*OPERATORS["text"], "has"]))
    text = operator in ("contains", "starts_with", "ends_with", "like", "has")
    value = data.draw(st.just("x") if text else st.sampled_from(list(VALUES.values())))
    rule = Comparison(path, operator, None if operator == "empty" else [value] if operator == "in" else value)  # type: ignore[arg-type]

    assert all(isinstance(said, str) for said in rule.check(Visit, OF_VISITS))
