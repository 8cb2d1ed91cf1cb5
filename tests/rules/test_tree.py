"""Rules are values that cannot be made wrong."""

import copy
import pickle
import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmkit.errors import InvalidInput
from crmkit.model import Money
from crmkit.rules import EVERYTHING, AllOf, AnyOf, Comparison, Not, Rule, field
from crmkit.rules.operands import LONGEST_TEXT, MOST_VALUES
from crmkit.rules.tree import MOST_COMPARISONS, MOST_LEVELS
from crmkit.testing.strategies import instants, texts
from tests.model.vertical import Visit
from tests.rules.drawn import OF_VISITS, rules_about
from tests.rules.world import moments, rules_about_customers

ONE, OTHER = field("a") == 1, field("b") == 2


def test_rules_are_joined_by_and_or_and_not() -> None:
    assert AllOf((ONE, OTHER, ONE)) == ONE & OTHER & ONE
    assert AnyOf((ONE, OTHER, ONE)) == ONE | OTHER | ONE
    assert AllOf((ONE, AnyOf((OTHER, ONE)))) == ONE & (OTHER | ONE)
    assert Not(ONE) == ~ONE
    assert ~~ONE == ONE
    assert AllOf((ONE,)) == EVERYTHING & ONE


@pytest.mark.parametrize("rule", [ONE, ~ONE, ONE & OTHER, ONE | OTHER, EVERYTHING])
def test_a_rule_is_no_yes_or_no_by_itself(rule: Rule) -> None:
    for ask in (bool, lambda rule: rule and ONE, lambda rule: not rule):
        with pytest.raises(TypeError, match="join rules with &, | and ~, each in parentheses"):
            ask(rule)


def test_a_chain_of_comparisons_is_refused() -> None:
    with pytest.raises(TypeError, match="each in parentheses"):
        _ = 1 < field("a") < 3


def test_a_rule_is_joined_with_rules_only() -> None:
    with pytest.raises(TypeError, match="a rule cannot be joined with bool; compare the field in parentheses first"):
        ONE & True  # type: ignore[operator]
    with pytest.raises(TypeError, match="cannot be joined with Field"):
        AnyOf((ONE, field("b")))  # type: ignore[arg-type]


def test_a_field_is_no_key() -> None:
    with pytest.raises(TypeError, match="unhashable"):
        {field("a")}


def test_not_equal_is_not_the_same_as_equal_and_none_asks_for_empty() -> None:
    assert (field("a") != 1) == ~(field("a") == 1)
    assert (field("a") == None) == field("a").is_empty()  # noqa: E711 - a field makes a rule of it
    assert (field("a") != None) == ~field("a").is_empty()  # noqa: E711


def test_equal_rules_have_operands_of_one_type() -> None:
    alike = [field("a") == value for value in (1, 1.0, True, Decimal(1))]

    assert len(set(alike)) == 4
    assert len({field("a").is_in([value]) for value in (1, 1.0, True, Decimal(1))}) == 4
    assert (field("a") == 1) == (field("a") == 1)


@given(rule=rules_about(Visit, OF_VISITS))
def test_a_rule_is_a_value(rule: Rule) -> None:
    assert copy.deepcopy(rule) == rule
    assert pickle.loads(pickle.dumps(rule)) == rule
    assert hash(copy.deepcopy(rule)) == hash(rule)


@given(text=texts(), moment=instants())
def test_operands_have_one_form(text: str, moment: datetime) -> None:
    assert (field("a") == moment) == (field("a") == moment.astimezone(UTC))
    (same,) = (field("a") == f"x{text}").comparisons()
    assert Comparison(same.path, same.operator, same.operand) == same


def test_values_are_not_shown() -> None:
    rule = (field("email") == "ann@example.com") & field("name").is_in(["Ann"])

    assert "ann" not in repr(rule).lower()
    assert repr(rule.parts[0]) == "Comparison(path='email', operator='is', operand=str)"  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "path", ["", "A", "a b", "a.", "a. b", "1a", "a;drop", 'a"', "a" * 64, "a.\0", "a.\ud800", "ä", None, 1]
)
def test_what_cannot_be_a_path_is_refused(path: Any) -> None:
    with pytest.raises(InvalidInput, match="is no name of a field; give one such as 'country' or 'custom.shoe_size'"):
        field(path)
    with pytest.raises(InvalidInput, match="is no name of a field"):
        Comparison(path, "empty")


def test_what_is_no_operator_is_refused() -> None:
    with pytest.raises(InvalidInput, match="'start_with' is no operator; .* did you mean 'starts_with'?"):
        Comparison("a", "start_with", "x")  # type: ignore[arg-type]
    with pytest.raises(InvalidInput, match="is no operator"):
        Comparison("a", ["is"], "x")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("operand", "said"),
    [
        ("", "this text; give 1 to 1,000 characters that UTF-8 can hold"),
        ("x" * (LONGEST_TEXT + 1), "this text"),
        ("\0", "this text"),
        ("\ud800", "this text"),
        (float("nan"), "give a finite number"),
        (float("inf"), "give a finite number"),
        (Decimal("NaN"), "give a Decimal or a whole number"),
        (Decimal("1E+999999"), "give a Decimal or a whole number"),
        (10**28, "give a Decimal or a whole number"),
        (datetime(2025, 1, 31), "give a datetime with a time zone"),
        (b"x", "bytes; give text, a number, True, False, an instant, a day or Money"),
        ([1], "list; give text"),
        (None, "NoneType; give text"),
    ],
)
def test_what_no_field_holds_is_refused_and_not_shown(operand: Any, said: str) -> None:
    with pytest.raises(InvalidInput, match=re.escape(said)):
        Comparison("a", "is", operand)


def test_text_that_grows_too_long_in_nfc_is_refused() -> None:
    with pytest.raises(InvalidInput, match="a cannot be compared with this text"):
        field("a").contains("\N{HEBREW LETTER SHIN WITH DAGESH AND SHIN DOT}" * LONGEST_TEXT)


@pytest.mark.parametrize("operator", ["contains", "starts_with", "ends_with", "like", "has"])
def test_parts_of_text_are_text(operator: Any) -> None:
    with pytest.raises(InvalidInput, match=f"a cannot be compared with int; '{operator}' takes text"):
        Comparison("a", operator, 1)


def test_empty_takes_no_value() -> None:
    with pytest.raises(InvalidInput, match="a cannot be compared with bool by 'empty', which takes no value"):
        Comparison("a", "empty", True)


def test_in_takes_a_list_and_no_text_of_letters() -> None:
    assert field("a").is_in(iter("TH")) == field("a").is_in(["T", "H"])
    for wrong in ("TH", 1, None, Money(1, "PLN")):
        with pytest.raises(InvalidInput, match="by 'in'; give a list of values"):
            field("a").is_in(wrong)  # type: ignore[arg-type]


def test_the_size_of_a_rule_is_bounded() -> None:
    most = AllOf((ONE,) * MOST_COMPARISONS)
    deepest: Rule = ONE
    for _ in range(MOST_LEVELS - 1):
        deepest = AllOf((deepest,))

    for enlarge in (most.__and__, most.__or__):
        with pytest.raises(InvalidInput, match="the rule is too large; give at most 500 comparisons in 50 levels"):
            enlarge(ONE)
    with pytest.raises(InvalidInput, match="the rule is too large"):
        _ = ~deepest
    assert len(list((~most).comparisons())) == MOST_COMPARISONS


def test_a_rule_about_related_records_counts_in_its_size() -> None:
    inner = AllOf((ONE,) * (MOST_COMPARISONS - 1))
    largest = Comparison("orders.count", "is", 1, inner)
    deepest: Rule = ONE
    for _ in range(MOST_LEVELS - 2):
        deepest = AllOf((deepest,))

    with pytest.raises(InvalidInput, match="the rule is too large"):
        _ = largest & ONE
    with pytest.raises(InvalidInput, match="the rule is too large"):
        Comparison("orders.count", "is", 1, inner & ONE)
    with pytest.raises(InvalidInput, match="the rule is too large"):
        _ = ~Comparison("orders.count", "is", 1, deepest)
    assert list((~largest).comparisons()) == [largest]


@given(rule=rules_about_customers(), moment=moments())
def test_what_was_said_for_a_moment_is_as_large_and_has_no_relative_time(rule: Rule, moment: tuple[Any, str]) -> None:
    said = rule.at(*moment)

    assert len(list(said.comparisons())) == len(list(rule.comparisons()))
    assert said.at(datetime(2001, 1, 1, tzinfo=UTC)) == said
    assert hash(pickle.loads(pickle.dumps(said))) == hash(said)
    assert "Relative" not in repr(said)


def test_a_rule_without_time_is_the_same_at_every_moment() -> None:
    rule = AllOf((ONE, AnyOf((OTHER, ~ONE))))

    assert rule.at(datetime(2001, 1, 1, tzinfo=UTC)) == rule


def test_the_values_of_in_are_bounded() -> None:
    field("a").is_in(range(MOST_VALUES))
    with pytest.raises(InvalidInput, match="a cannot be compared with so many values; give at most 10,000"):
        field("a").is_in(range(10**12))


@given(rules=st.lists(rules_about(Visit), max_size=4))
def test_comparisons_come_from_left_to_right(rules: list[Rule]) -> None:
    joined = AnyOf(tuple(rules))

    assert list(joined.comparisons()) == [each for rule in rules for each in rule.comparisons()]
