"""A rule survives being saved, and nothing that is no rule gets in."""

import json
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from time import process_time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmkit.errors import CrmError, InvalidInput
from crmkit.model import Money
from crmkit.rules import (
    EVERYTHING,
    AllOf,
    Rule,
    days_ago,
    field,
    from_json,
    last_month,
    rule_from_plain,
    rule_to_plain,
    to_json,
)
from crmkit.rules.plain import LONGEST_JSON
from crmkit.rules.tree import MOST_LEVELS
from tests.model.vertical import Visit
from tests.rules.drawn import OF_VISITS, rules_about
from tests.rules.world import moments, rules_about_customers

RULE = (field("country") == "TH") & ~field("tags").has("staff")
PLAIN: dict[str, Any] = {
    "version": 1,
    "rule": {
        "all": [
            {"field": "country", "operator": "is", "value": "TH"},
            {"not": {"field": "tags", "operator": "has", "value": "staff"}},
        ]
    },
}
ANYTHING: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
)
WORDS = st.sampled_from(
    [
        "all",
        "any",
        "not",
        "field",
        "operator",
        "value",
        "where",
        "until",
        "instant",
        "day",
        "decimal",
        "money",
        "amount",
        "currency",
        "relative",
        "every",
        "first",
        "last",
        "days",
        "start",
        "end",
        "tz",
    ]
)
NEARLY: st.SearchStrategy[Any] = st.recursive(
    ANYTHING | st.sampled_from(["is", "in", "empty", "tags", "2025-01-31", "1e5", "9" * 50, "PLN"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
)


@given(rule=rules_about(Visit, OF_VISITS))
def test_a_rule_comes_back_equal_from_plain_data_and_json(rule: Rule) -> None:
    assert rule_from_plain(rule_to_plain(rule)) == rule
    assert from_json(to_json(rule)) == rule
    assert rule_from_plain(json.loads(json.dumps(rule_to_plain(rule)))) == rule


@given(rule=rules_about_customers(), moment=moments())
def test_a_rule_about_related_records_and_relative_time_comes_back_equal(rule: Rule, moment: tuple[Any, str]) -> None:
    for asked in (rule, rule.at(*moment)):
        assert from_json(to_json(asked)) == asked
        assert rule_from_plain(rule_to_plain(asked)) == asked


@given(data=st.data(), rule=rules_about_customers(), moment=moments())
def test_of_a_rule_about_related_records_that_somebody_changed_a_rule_is_made_or_a_crm_error(
    data: st.DataObject, rule: Rule, moment: tuple[Any, str]
) -> None:
    plain = rule_to_plain(rule.at(*moment) if data.draw(st.booleans()) else rule)
    _spoil(plain, data)

    _made_or_refused(lambda: rule_from_plain(plain))


def test_relative_time_and_related_records_are_readable() -> None:
    rule = field("interactions").any(channel="visit", within=last_month())

    assert rule_to_plain(rule)["rule"] == {
        "field": "interactions.any",
        "operator": "is",
        "value": True,
        "where": {
            "all": [
                {"field": "channel", "operator": "is", "value": "visit"},
                {
                    "field": "happened_at",
                    "operator": "is",
                    "value": {"relative": {"every": "month", "first": -1, "last": -1}},
                },
            ]
        },
    }
    said = (field("orders.last_at") < days_ago(3)).at(date(2025, 1, 31), "Asia/Bangkok")
    assert rule_to_plain(said)["rule"] == {
        "field": "orders.last_at",
        "operator": "below",
        "value": {"days": {"start": "2025-01-28", "end": "2025-01-29", "tz": "Asia/Bangkok"}},
        "until": {"instant": "2025-01-31T16:59:59.999999+00:00"},
    }


def test_the_form_is_what_it_was() -> None:
    assert rule_to_plain(RULE) == PLAIN
    assert rule_to_plain(EVERYTHING | RULE)["rule"]["any"][0] == {"all": []}
    assert rule_to_plain(field("a").is_empty())["rule"] == {"field": "a", "operator": "empty"}


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        ("TH", "TH"),
        (Decimal("1.50"), {"decimal": "1.50"}),
        (date(2025, 1, 31), {"day": "2025-01-31"}),
        (datetime(1, 1, 1, tzinfo=UTC), {"instant": "0001-01-01T00:00:00+00:00"}),
        (Money("490", "PLN"), {"money": {"amount": "490.00", "currency": "PLN"}}),
    ],
)
def test_a_value_says_what_it_is(value: Any, plain: Any) -> None:
    rule = (field("a") == value) | field("a").is_in([value, 1])

    assert [each["value"] for each in rule_to_plain(rule)["rule"]["any"]] == [plain, [plain, 1]]
    assert from_json(to_json(rule)) == rule


@pytest.mark.parametrize("place", ["field", "operator", "value"])
def test_what_is_nested_too_deeply_is_refused_wherever_it_stands(place: str) -> None:
    plain = {"field": '"a"', "operator": '"is"', "value": "1"}
    for depth in (900, 940, 960, 980, 990):
        parts = plain | {place: "[" * depth + "]" * depth}
        text = ", ".join(f'"{key}": {value}' for key, value in parts.items())
        with pytest.raises(InvalidInput):
            from_json(f'{{"version": 1, "rule": {{{text}}}}}')


def test_whole_numbers_floats_and_flags_stay_apart() -> None:
    for value in (1, 1.0, True):
        (back,) = from_json(to_json(field("a").is_in([value]))).comparisons()
        assert back == field("a").is_in([value])


@given(data=ANYTHING | NEARLY | st.builds(lambda rule: {"version": 1, "rule": rule}, NEARLY))
def test_of_anything_a_rule_is_made_or_a_crm_error(data: Any) -> None:
    _made_or_refused(lambda: rule_from_plain(data))
    _made_or_refused(lambda: from_json(json.dumps(data)))


@given(text=st.text() | st.text('{}[]":,.0123456789eE-tfn'))
def test_of_any_text_a_rule_is_made_or_a_crm_error(text: str) -> None:
    _made_or_refused(lambda: from_json(text))


@given(data=st.data(), rule=rules_about(Visit, OF_VISITS))
def test_of_a_rule_that_somebody_changed_a_rule_is_made_or_a_crm_error(data: st.DataObject, rule: Rule) -> None:
    plain = rule_to_plain(rule)
    _spoil(plain, data)

    _made_or_refused(lambda: rule_from_plain(plain))


def _made_or_refused(make: Callable[[], Rule]) -> None:
    try:
        rule = make()
    except CrmError:
        return
    assert from_json(to_json(rule)) == rule


def _spoil(plain: Any, data: st.DataObject) -> None:
    """Put anything in some place."""
    keys = list(plain) if isinstance(plain, dict) else list(range(len(plain)))
    if not keys:
        return
    key = data.draw(st.sampled_from(keys))
    if isinstance(plain[key], dict | list) and data.draw(st.booleans()):
        _spoil(plain[key], data)
    else:
        plain[key] = data.draw(NEARLY)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ([], "this is no saved rule; give {'version': 1, 'rule': ...}"),
        ({"rule": PLAIN["rule"]}, "this is no saved rule"),
        ({**PLAIN, "name": "x"}, "this is no saved rule"),
        ({**PLAIN, "version": 2}, "this version of a saved rule is not known; give 1, or upgrade crmkit"),
        ({**PLAIN, "version": True}, "this version"),
        ({**PLAIN, "rule": {"all": [PLAIN["rule"], {"or": []}]}}, "rule.all[1]: this is no rule; give {'all': [...]}"),
        ({**PLAIN, "rule": {"not": {"field": "a"}}}, "rule.not: this is no rule"),
        ({**PLAIN, "rule": {"field": "a", "operator": "is", "value": 1, "x": 1}}, "rule: this is no rule"),
        ({**PLAIN, "rule": {"field": "a", "operator": "is"}}, "rule: a cannot be compared with NoneType"),
        ({**PLAIN, "rule": {"field": "A", "operator": "is", "value": 1}}, "rule: 'A' is no name of a field"),
        (
            {**PLAIN, "rule": {"field": "a", "operator": "is", "value": {"day": "today"}}},
            "rule: this day cannot be read",
        ),
        ({**PLAIN, "rule": {"field": "a", "operator": "is", "value": {"money": 5}}}, "rule: this money cannot be read"),
        ({**PLAIN, "rule": {"field": "a", "operator": "is", "value": {"year": 1}}}, "has one key of 'instant', 'day'"),
        ({**PLAIN, "rule": {"field": "a", "operator": "in", "value": [[1]]}}, "rule: a cannot be compared with list"),
        ({**PLAIN, "rule": {"field": "a", "operator": "is", "value": {"instant": "2025-01-31"}}}, "with a time zone"),
        (
            {**PLAIN, "rule": {"field": "a", "operator": "is", "value": {"money": {"amount": 1.5, "currency": "PLN"}}}},
            "money",
        ),
        *(
            (
                {**PLAIN, "rule": {"field": "a", "operator": "is", "value": value}},
                f"this {next(iter(value))} cannot be read",
            )
            for value in (
                {"relative": {"every": "day", "first": 10**30, "last": 10**30}},
                {"relative": {"every": "day", "first": 0}},
                {"relative": {"every": ["day"], "first": 0, "last": 0}},
                {"relative": {"every": "day", "first": "0", "last": "0"}},
                {"relative": 7},
                {"days": {"start": "2025-01-01", "end": "2025-01-01", "tz": "UTC"}},
                {"days": {"start": "2025-01-01", "end": "9999-12-31", "tz": "UTC"}},
                {"days": {"start": 1, "end": 2, "tz": "UTC"}},
                {"days": {"start": "2025-01-01", "end": "2025-01-02", "tz": "../../etc/passwd"}},
                {"days": {"start": "2025-01-01", "end": "2025-01-02", "tz": ["UTC"]}},
            )
        ),
        (
            {**PLAIN, "rule": {"field": "a", "operator": "anniversary", "value": {"day": "2025-01-01"}}},
            "'anniversary' takes days, such as next_days(14)",
        ),
        (
            {**PLAIN, "rule": {"field": "a", "operator": "empty", "where": PLAIN["rule"]}},
            "rule: a is no question about related records such as 'orders.count'",
        ),
        ({**PLAIN, "rule": {"field": "a.count", "operator": "empty", "where": {}}}, "rule.where: this is no rule"),
        ({**PLAIN, "rule": {"field": "a.count", "operator": "empty", "where": None}}, "rule.where: this is no rule"),
        ({**PLAIN, "rule": {"field": "a.count", "operator": "empty", "until": "soon"}}, "rule: until: 'soon' is not"),
        (
            {**PLAIN, "rule": {"field": "a", "operator": "empty", "until": {"instant": "2025-01-31T00:00:00Z"}}},
            "rule: a is no question about related records, so nothing says until when they count",
        ),
        (
            {**PLAIN, "rule": {"field": "a.b", "operator": "empty", "where": {"field": "c.d", "operator": "empty"}}},
            "rule: a rule about the records behind a.b can ask for their own fields only",
        ),
    ],
)
def test_what_is_no_rule_is_refused_by_its_place(data: Any, said: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        rule_from_plain(data)
    assert said in str(refused.value)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "NaN",
        "[" * 1_000_000,
        '{"a":' * 300_000,
        "9" * 10_000,
        '{"version": 1, "rule": ' + '{"not": ' * 900 + "1" + "}" * 901,
        '{"version": 1, "rule": ' + '{"field": "a.b", "operator": "empty", "where": ' * 300 + "1" + "}" * 301,
        "\ud800",
        7,
        b"{}",
        None,
    ],
    ids=range(12),
)
def test_text_that_is_no_rule_is_refused(text: Any) -> None:
    with pytest.raises(InvalidInput):
        from_json(text)


def test_a_personal_value_does_not_stand_in_the_error() -> None:
    for value in (
        {"day": "Kowalska"},
        {"money": {"amount": "Kowalska", "currency": "PLN"}},
        {"Kowalska": 1},
        {"relative": {"every": "Kowalska", "first": 0, "last": 0}},
        {"days": {"start": "2025-01-01", "end": "2025-01-02", "tz": "Kowalska"}},
        ["Kowalska" * 1000],
    ):
        with pytest.raises(InvalidInput) as refused:
            rule_from_plain({"version": 1, "rule": {"field": "a", "operator": "is", "value": value}})
        assert "Kowalska" not in str(refused.value)
    with pytest.raises(InvalidInput) as refused:
        from_json('{"Kowalska": ')
    assert "Kowalska" not in str(refused.value)
    assert refused.value.__suppress_context__


def test_a_saved_rule_has_a_length() -> None:
    many = field("a").is_in([f"{number:05}" + "x" * 300 for number in range(10_000)])

    for refused in (lambda: to_json(many), lambda: from_json(" " * (LONGEST_JSON + 1))):
        with pytest.raises(InvalidInput, match="a saved rule has at most 2,000,000 characters; give fewer values"):
            refused()


def test_a_rule_may_be_saved_as_deep_as_it_may_be() -> None:
    deepest: Rule = field("a") == 1
    for _ in range(MOST_LEVELS - 1):
        deepest = AllOf((deepest,))

    assert from_json(to_json(deepest)) == deepest
    with pytest.raises(InvalidInput, match="the rule is too large"):
        rule_from_plain({"version": 1, "rule": {"not": rule_to_plain(deepest)["rule"]}})


@pytest.mark.parametrize("part", [{"all": []}, {"field": "a", "operator": "empty"}], ids=["groups", "comparisons"])
def test_a_large_rule_of_a_stranger_is_refused_in_little_time(part: Any) -> None:
    text = json.dumps({"version": 1, "rule": {"any": [{"all": [part] * 400}] * 120}})
    started = process_time()

    with pytest.raises(InvalidInput, match="the rule is too large"):
        from_json(text)
    assert process_time() - started < 5


def test_data_that_refers_to_itself_comes_to_an_end() -> None:
    rule: dict[str, Any] = {"field": "a", "operator": "empty"}
    for _ in range(MOST_LEVELS + 10):
        rule = {"all": [rule] * 400}
    endless: dict[str, Any] = {}
    endless["not"] = endless

    around: dict[str, Any] = {"field": "a.count", "operator": "empty"}
    around["where"] = around

    for data in (rule, endless, around):
        with pytest.raises(InvalidInput, match="the rule is too large"):
            rule_from_plain({"version": 1, "rule": data})
