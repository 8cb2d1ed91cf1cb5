"""A rule reads as a sentence."""

import re
from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import given

from crmkit.model import Customer, Money
from crmkit.rules import (
    ENGLISH,
    EVERYTHING,
    AnyOf,
    Days,
    Relative,
    Rule,
    days_ago,
    days_ahead,
    field,
    last_days,
    next_days,
    this_week,
)
from tests.model.vertical import Visit
from tests.rules.drawn import OF_VISITS, rules_about
from tests.rules.world import rules_about_customers

COUNTRY, TAGS, AT, GUESTS = field("country"), field("tags"), field("at"), field("guests")


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        (COUNTRY == "TH", "country is 'TH'"),
        (COUNTRY != "TH", "country is not 'TH'"),
        (COUNTRY == None, "country is empty"),  # noqa: E711 - a field makes a rule of it
        (COUNTRY != None, "country is not empty"),  # noqa: E711
        (COUNTRY.is_in(["TH", "PL"]), "country is one of 'TH', 'PL'"),
        (~COUNTRY.is_in([]), "country is none of nothing"),
        (~COUNTRY.starts_with("T"), "not (country starts with 'T')"),
        (COUNTRY.like("T%"), "country is like 'T%'"),
        (TAGS.has("vip") & ~TAGS.has("staff"), "tags has 'vip' and tags does not have 'staff'"),
        (
            (GUESTS > 1) | (GUESTS <= 0) & (GUESTS >= 3),
            "guests is more than 1 or (guests is at most 0 and guests is at least 3)",
        ),
        (~((GUESTS > 1) & (GUESTS < 3)), "not (guests is more than 1 and guests is less than 3)"),
        (field("custom.shoe_size") == 38, "shoe size is 38"),
        (field("external_ids.shop") == "7", "the id in shop is '7'"),
        (field("is_active") == True, "is active is yes"),  # noqa: E712
        (field("amount") == Money("490", "PLN"), "amount is 490.00 PLN"),
        (datetime(2025, 1, 31, 12, 30, tzinfo=UTC) > AT, "at is before 2025-01-31 12:30 UTC"),
        (field("birth_on") >= date(2000, 1, 1), "birth on is not before 2000-01-01"),
        (days_ago(90) > AT, "at is before 90 days ago"),
        (days_ago(1) == AT, "at is yesterday"),
        (days_ahead(1) == AT, "at is tomorrow"),
        (days_ahead(3) >= AT, "at is not after 3 days from now"),
        (this_week() == AT, "at is this week"),
        (Relative("month", -2) == AT, "at is 2 months ago"),
        (last_days(30) == AT, "at is within the last 30 days"),
        (next_days(7) != AT, "at is not within the next 7 days"),
        (Relative("week", -2, 0) == AT, "at is within this week and the 2 before"),
        (Relative("week", -2, -1) == AT, "at is within 2 weeks ago to last week"),
        (Days(date(2025, 1, 1), date(2025, 1, 2)) == AT, "at is 2025-01-01"),
        (
            Days(date(2025, 1, 1), date(2025, 2, 1), "Asia/Bangkok") < AT,
            "at is after 2025-01-01 to 2025-01-31 in Asia/Bangkok",
        ),
        (field("birth_on").has_anniversary(days_ago(0)), "the anniversary of birth on is today"),
        (field("birth_on").has_anniversary(next_days(9)), "the anniversary of birth on is within the next 9 days"),
        (field("orders.count") > 3, "the number of orders is more than 3"),
        (field("survey_responses.last_at").is_empty(), "the last time of survey responses is empty"),
        (field("tickets.open") == 0, "the number of open tickets is 0"),
        (field("orders.total") > Money(1, "JPY"), "the total of orders is more than 1 JPY"),
        (field("visits").any(), "there are visits"),
        (~field("visits").any(guests=2), "there are no visits (guests is 2)"),
        (EVERYTHING, "everything"),
        (~EVERYTHING, "not (everything)"),
        (AnyOf(()), "nothing"),
    ],
)
def test_every_question_has_its_words(rule: Rule, said: str) -> None:
    assert rule.sentence() == str(rule) == said


def test_fields_have_the_titles_of_their_class() -> None:
    assert field("birth_on").is_empty().sentence(Customer) == "date of birth is empty"


def test_a_translation_has_its_own_words_and_order() -> None:
    german = {
        "is": "{field} ist {value}",
        "and": "{other} und {one}",
        "day past": "vor {n} Tagen",
        "is before": "{field} liegt {value}",
    }

    assert ((COUNTRY == "TH") & (days_ago(9) > AT)).sentence(
        phrases=german
    ) == "at liegt vor 9 Tagen und country ist 'TH'"
    assert TAGS.has("vip").sentence(phrases=german) == "tags has 'vip'"


@given(rule=rules_about(Visit, OF_VISITS) | rules_about_customers())
def test_every_rule_has_a_sentence(rule: Rule) -> None:
    assert rule.sentence()


@given(rule=rules_about_customers())
def test_no_word_stands_outside_of_the_phrases(rule: Rule) -> None:
    """Of phrases without words nothing is left but names of fields and values."""
    bare: dict[str, Any] = {key: "".join(re.findall(r"\{\w+\}", text)) for key, text in ENGLISH.items()}
    said = rule.sentence(phrases=bare)

    for word in ("there", "number", "total", "ago", "within", "empty", "everything", "before", "anniversary"):
        assert word not in said
