"""What a rule says of a record."""

import operator
import re
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmkit.errors import InvalidInput, InvalidRecord
from crmkit.model import RECORDS, Customer, CustomField, Deal, Money, Record
from crmkit.model.custom_field import custom_value, with_custom
from crmkit.model.money import currency_column
from crmkit.model.shape import Shape
from crmkit.rules import EVERYTHING, AllOf, AnyOf, Comparison, Days, Not, Rule, columns, field, predicate
from crmkit.testing.strategies import records, simplest
from tests.examples import few
from tests.model.vertical import Locker, Member, Visit
from tests.rules.drawn import AT, OF_VISITS, odd_records, rules_about

ANN = Customer(id="ann", kind="person", name="Ann", tags={"vip", "staff"}, external_ids={"shop": "7", "till": 7})
DEAL = Deal(id="d", pipeline_id="gym", stage="Trial", amount=Money("490", "PLN"), probability=0.5)
VISIT = Visit(id="v", member_id="ann", at=AT, weight=Decimal("71.50"), guests=2)


def holds(rule: Rule, record: Record, declared: Sequence[CustomField] = ()) -> bool:
    return predicate(rule, type(record), declared)(record)


def drawn(data: st.DataObject, cls: type[Record], declared: Sequence[CustomField]) -> tuple[Rule, list[Any]]:
    held = data.draw(st.lists(odd_records(cls, declared), min_size=1, max_size=3))
    return data.draw(rules_about(cls, declared, held)), held


@given(data=st.data())
def test_every_rule_says_what_reading_it_word_by_word_says(data: st.DataObject) -> None:
    rule, visits = drawn(data, Visit, OF_VISITS)
    says = predicate(rule, Visit, OF_VISITS)

    assert [says(each) for each in visits] == [word_by_word(rule, each) for each in visits]


@few
@given(data=st.data())
@pytest.mark.parametrize("cls", RECORDS, ids=lambda cls: cls.__name__)
def test_a_rule_that_fits_a_class_says_yes_or_no_of_all_its_records(data: st.DataObject, cls: type[Record]) -> None:
    rule, held = drawn(data, cls, ())

    assert rule.check(cls) == ()
    assert {predicate(rule, cls)(each) for each in held} <= {True, False}


@given(data=st.data())
def test_not_and_and_or_are_those_of_logic(data: st.DataObject) -> None:
    one, visits = drawn(data, Visit, OF_VISITS)
    other = data.draw(rules_about(Visit, OF_VISITS, visits))

    for visit in visits:
        a, b = holds(one, visit, OF_VISITS), holds(other, visit, OF_VISITS)
        assert holds(~one, visit, OF_VISITS) is not a
        assert holds(~~one, visit, OF_VISITS) is a
        assert holds(one & other, visit, OF_VISITS) is (a and b)
        assert holds(one | other, visit, OF_VISITS) is (a or b)
        assert holds(~(one & other), visit, OF_VISITS) is holds(~one | ~other, visit, OF_VISITS)
        assert holds(~(one | other), visit, OF_VISITS) is holds(~one & ~other, visit, OF_VISITS)


@given(data=st.data(), visit=records(Visit))
def test_between_is_at_least_and_at_most(data: st.DataObject, visit: Visit) -> None:
    low, high = data.draw(st.tuples(st.integers(-5, 5), st.integers(-5, 5)))

    assert holds(field("guests").between(low, high), visit) is (low <= visit.guests <= high)


@given(visit=records(Visit))
def test_a_comparison_with_an_empty_field_is_false_and_its_negation_true(visit: Visit) -> None:
    nothing = visit.replace(left_at=None)
    compared = [field("left_at") == AT, field("left_at") < AT, field("left_at") >= AT, field("left_at").is_in([AT])]

    assert [holds(rule, nothing) for rule in compared] == [False] * 4
    assert [holds(~rule, nothing) for rule in compared] == [True] * 4
    assert holds(field("left_at") != AT, nothing)


def test_everything_holds_for_every_record() -> None:
    assert holds(EVERYTHING, ANN)
    assert not holds(AnyOf(()), ANN)
    assert not holds(~EVERYTHING, ANN)


def test_empty_is_no_value_or_a_collection_without_items() -> None:
    bare = simplest(Visit, id="v", measured={}, goals=set(), classes=[], lockers=[])
    full = bare.replace(measured={"a": None}, goals={"a"}, classes=["a"], lockers=[Locker(1)], locker=Locker(1))

    for name in ("measured", "goals", "classes", "lockers", "locker", "paid", "tags", "custom", "external_ids"):
        assert holds(field(name).is_empty(), bare), name
        assert holds(field(name) == None, bare), name  # noqa: E711 - a field makes a rule of it
    for name in ("measured", "goals", "classes", "lockers", "locker", "at", "guests", "is_trial"):
        assert holds(field(name) != None, full), name  # noqa: E711


def test_false_and_nought_are_not_empty() -> None:
    visit = simplest(Visit, guests=0, is_trial=False, rating=0.0, weight=Decimal(0))

    assert not any(holds(field(name).is_empty(), visit) for name in ("guests", "is_trial", "rating", "weight"))


def test_text_is_compared_in_nfc_with_case_and_by_code_point() -> None:
    zoe = ANN.replace(name="Zoe\u0308")

    assert holds(field("name") == "Zoë", zoe)
    assert holds(field("name") == "Zoe\u0308", zoe)
    assert not holds(field("name") == "zoë", zoe)
    assert holds(field("name") < "a", zoe)
    assert holds(field("name") > "Zo\N{LATIN SMALL LETTER A WITH DIAERESIS}", zoe)


def test_text_has_a_beginning_an_end_and_a_middle() -> None:
    path = field("name")

    assert holds(path.starts_with("An") & path.ends_with("nn") & path.contains("nn"), ANN)
    assert not any(holds(rule, ANN) for rule in (path.starts_with("an"), path.ends_with("N"), path.contains("na")))


def test_money_is_compared_within_its_currency() -> None:
    amount = field("amount")

    assert holds((amount == Money("490.00", "PLN")) & (amount > Money("489.99", "PLN")), DEAL)
    assert holds(amount.is_in([Money(1, "PLN"), Money("490", "PLN")]), DEAL)
    elsewhere = [amount == Money(490, "EUR"), amount < Money(491, "EUR"), amount >= Money(0, "EUR")]
    assert not any(holds(rule, DEAL) for rule in elsewhere)
    assert holds(field("currency") == "PLN", DEAL)
    assert holds(field("currency").is_empty(), DEAL.replace(amount=None))


def test_numbers_are_compared_by_value() -> None:
    assert holds((field("probability") == 0.5) & (field("probability") < 1), DEAL)
    assert holds((field("weight") == Decimal("71.5")) & (field("weight") < 72), VISIT)
    assert holds(field("guests").is_in([1, 2]), VISIT)


def test_instants_are_compared_in_time_and_days_by_date() -> None:
    member = simplest(Member, joined_on=date(2025, 1, 31))

    assert holds(field("at") == datetime.fromisoformat("2025-01-31T19:00:00+07:00"), VISIT)
    assert holds(field("joined_on").between(date(2025, 1, 31), date(2025, 1, 31)), member)


def test_external_ids_are_texts() -> None:
    assert holds(field("external_ids.shop") == "7", ANN)
    assert holds(field("external_ids.till").is_empty(), ANN)
    assert holds(field("external_ids.none").is_empty(), ANN)


def test_the_name_of_another_system_is_one_in_every_normal_form() -> None:
    ann = ANN.replace(external_ids={"Zoe\u0308": "7"})

    assert holds(field("external_ids.Zoe\u0308") == "7", ann)
    assert holds(field("external_ids.Zoë") == "7", ann)


def test_a_rule_about_a_class_may_be_asked_of_a_record_that_extends_it() -> None:
    member = simplest(Member, name="Ann")

    assert predicate(field("name") == "Ann", Customer)(member)
    with pytest.raises(InvalidInput, match="Customer has no field 'card'"):
        predicate(field("card") == "7", Customer)


def test_a_declared_field_of_a_class_is_one_of_those_that_extend_it() -> None:
    size = CustomField(subject="Customer", name="size", kind="integer")

    assert holds(field("custom.size") == 38, with_custom(simplest(Member), [size], size=38), [size])


@pytest.mark.parametrize(
    ("kind", "held"),
    [
        ("integer", "38"),
        ("integer", 38.0),
        ("integer", True),
        ("number", "38"),
        ("text", 38),
        ("flag", 1),
        ("day", "2025-02-30"),
        ("day", "20250131"),
        ("instant", "2025-01-31T12:00:00Z"),
        ("instant", 7),
        ("decimal", 38.5),
        ("decimal", "1e3"),
    ],
)
def test_what_does_not_fit_the_declared_kind_is_empty(kind: Any, held: Any) -> None:
    declared = CustomField(subject="Customer", name="size", kind=kind)

    assert holds(field("custom.size").is_empty(), ANN.replace(custom={"size": held}), [declared])


def test_a_name_that_is_declared_twice_is_refused() -> None:
    twice = [CustomField(subject="Customer", name="size", kind=kind) for kind in ("text", "integer")]

    with pytest.raises(InvalidInput, match="Customer.custom.size is declared twice for Customer; keep one declaration"):
        columns(Customer, twice)


def test_a_rule_that_does_not_fit_is_refused_with_every_reason() -> None:
    with pytest.raises(
        InvalidInput, match="has no field 'nam'.* did you mean 'name'.*; Customer.tags: .*ask one of 'has', 'empty'"
    ):
        predicate((field("nam") == "Ann") & (field("tags") == "vip"), Customer)


def word_by_word(rule: Rule, visit: Visit) -> bool:
    """The answer by the plainest means, which share nothing with those of crmkit.rules."""
    match rule:
        case AllOf(parts=parts):
            return all(word_by_word(part, visit) for part in parts)
        case AnyOf(parts=parts):
            return any(word_by_word(part, visit) for part in parts)
        case Not(part=part):
            return not word_by_word(part, visit)
        case Comparison(path=path, operator="empty"):
            return read(visit, path) in (None, (), frozenset(), {})
        case Comparison(path=path, operator=asked, operand=operand):
            value = read(visit, path)
            if isinstance(operand, Days):
                return value is not None and in_days(asked, value, operand)
            return value is not None and ASKED[asked](value, operand)
    raise AssertionError(rule)


def read(visit: Visit, path: str) -> Any:
    name, _, inside = path.partition(".")
    if name == "external_ids" and inside:
        held = visit.external_ids.get(inside)
        return held if isinstance(held, str) else None
    if name == "custom" and inside:
        return read_custom(visit, next(each for each in OF_VISITS if each.name == inside))
    if path == currency_column("paid"):
        return visit.paid and visit.paid.currency
    return getattr(visit, path)


def read_custom(visit: Visit, declared: CustomField) -> Any:
    """What is held, where its text is one that `with_custom` writes, or a decimal in digits."""
    held = visit.custom.get(declared.name)
    try:
        value = custom_value(visit, declared)
        written = with_custom(visit, OF_VISITS, **{declared.name: value}).custom.get(declared.name)
    except InvalidRecord:
        return None
    in_digits = declared.kind == "decimal" and set(str(held)) <= set("-.0123456789")
    return value if not isinstance(held, str) or in_digits or written == held else None


def in_days(asked: str, value: Any, days: Days) -> bool:
    day = value.astimezone(ZoneInfo(days.tz)).date() if isinstance(value, datetime) else value
    if asked == "anniversary":
        n = (days.end - days.start).days
        return any(is_anniversary(day, days.start + timedelta(days=each)) for each in range(n))
    is_before, is_after = day < days.start, day >= days.end
    return {
        "is": not is_before and not is_after,
        "below": is_before,
        "at_most": not is_after,
        "above": is_after,
        "at_least": not is_before,
    }[asked]


def is_anniversary(of: date, day: date) -> bool:
    try:
        same = of.replace(year=day.year)
    except ValueError:
        same = date(day.year, 2, 28)
    return day == same and day.year > of.year


def ordered(compare: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    def asked(value: Any, operand: Any) -> bool:
        if isinstance(operand, Money):
            return value.currency == operand.currency and compare(value.minor_units, operand.minor_units)
        return compare(value, operand)

    return asked


def like(value: str, pattern: str) -> bool:
    words = {"%": ".*", "_": ".", r"\%": "%", r"\_": "_", r"\\": r"\\"}
    pieces = re.findall(r"\\[%_\\]|.", pattern, re.DOTALL)
    return re.fullmatch("".join(words.get(piece, re.escape(piece)) for piece in pieces), value, re.DOTALL) is not None


ASKED: dict[str, Callable[[Any, Any], bool]] = {
    "is": operator.eq,
    "below": ordered(operator.lt),
    "at_most": ordered(operator.le),
    "above": ordered(operator.gt),
    "at_least": ordered(operator.ge),
    "in": lambda value, operands: any(value == each for each in operands),
    "contains": lambda value, text: value.find(text) >= 0,
    "starts_with": lambda value, text: value[: len(text)] == text,
    "ends_with": lambda value, text: len(value) >= len(text) and value[len(value) - len(text) :] == text,
    "has": lambda value, text: text in list(value),
    "like": like,
}


def test_every_column_reads_a_value_of_its_shape() -> None:
    known = columns(Visit, OF_VISITS)
    visit = with_custom(VISIT, OF_VISITS, a_day=date(2025, 1, 31), a_decimal=Decimal("38.50"), a_instant=AT)

    assert known["custom.a_day"].get(visit) == date(2025, 1, 31)
    assert known["custom.a_decimal"].get(visit) == Decimal("38.5")
    assert known["custom.a_instant"].get(visit) == AT.astimezone(UTC)
    assert known["paid_currency"].shape == Shape("text", optional=True)
    assert known["measured"].personal
    assert known["external_ids.shop"].personal
