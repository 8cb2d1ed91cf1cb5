"""Rows of a table are filtered as rules say of records, in Polars and in DuckDB."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmkit.errors import InvalidInput
from crmkit.frames import from_records
from crmkit.frames.schema import schema
from crmkit.frames.table import open_table
from crmkit.model import Customer, Money, Order, Record
from crmkit.rules import EVERYTHING, Rule, field, last_days, predicate
from crmkit.testing.strategies import records, simplest, texts
from tests.examples import few
from tests.frames.kinds import KINDS
from tests.model.vertical import Member, Visit
from tests.rules.drawn import AT, rules_about
from tests.rules.world import AS_OF, moments, rules_about_customers, world

ENGINES = ("polars", "duckdb")
WORLD = world()


def kept(data: Any, cls: type[Record], rule: Rule, related: Any = None) -> list[str]:
    rows = open_table(data, cls, needs=["id"], where=rule, related=related).rows
    found: list[str] = rows.select("id").collect("polars").to_native()["id"].to_list()
    return sorted(found)


def numbered(held: Sequence[Any]) -> list[Any]:
    return [each.replace(id=f"{number:02}") for number, each in enumerate(held)]


def fine() -> st.SearchStrategy[Decimal]:
    """Decimals as a table counts them: to four places, within 64 bits."""
    return st.integers(-(10**12), 10**12).map(lambda units: Decimal(units).scaleb(-4))


def visits() -> st.SearchStrategy[Visit]:
    amounts = st.none() | st.builds(
        Money.from_minor_units, st.integers(-(10**9), 10**9), st.sampled_from(["PLN", "JPY"])
    )
    return records(Visit, weight=st.none() | fine(), paid=amounts, lockers=st.just(()), measured=st.none())


def in_columns(rule: Rule) -> bool:
    return {each.path for each in rule.comparisons()} <= schema(Visit).keys()


@few
@given(data=st.data())
@pytest.mark.parametrize("engine", ENGINES)
def test_rows_are_kept_for_which_the_rule_holds(data: st.DataObject, engine: str) -> None:
    held = numbered(data.draw(st.lists(visits(), min_size=1, max_size=4)))
    table = KINDS[engine](held, Visit)

    for rule in data.draw(st.lists(rules_about(Visit, (), held).filter(in_columns), min_size=1, max_size=3)):
        says = predicate(rule, Visit)
        for asked in (rule, ~rule):
            assert kept(table, Visit, asked) == [each.id for each in held if says(each) is (asked is rule)]


@few
@given(rule=rules_about_customers(), moment=moments())
@pytest.mark.parametrize("engine", ENGINES)
def test_related_rows_answer_as_related_records_do(rule: Rule, moment: tuple[Any, str], engine: str) -> None:
    everybody = WORLD[Customer] + WORLD[Member]
    related = {cls: held for cls, held in WORLD.items() if cls not in {Customer, Member}}
    says = predicate(rule, Customer, as_of=moment[0], tz=moment[1], related=related)
    given_tables = {cls: KINDS[engine](held, cls) for cls, held in related.items()}

    found = kept(KINDS[engine](everybody, Customer), Customer, rule.at(*moment), given_tables)
    assert found == [each.id for each in everybody if says(each)]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    "pattern", [r"100\%", "100_", "_", "a%", r"a\\b", r"a\b", "[a]", "a*c", "ł%", "%\n", "^a$", "%<%>"]
)
def test_like_knows_two_wildcards_and_case(engine: str, pattern: str) -> None:
    words = ("100%", "1000", "a_b", r"a\b", "[a]", "a", "A", "a*c", "abc", "łódź", "Łódź", "a\n", "^a$", "<b>", "👩")
    held = [simplest(Visit, id=f"{number:02}", member_id=word) for number, word in enumerate(words)]
    rule = field("member_id").like(pattern)

    assert kept(KINDS[engine](held, Visit), Visit, rule) == [each.id for each in held if predicate(rule, Visit)(each)]


@few
@given(
    held=st.lists(texts(), min_size=1, max_size=4),
    pattern=st.text("%_\\ab.*[<>-&~ł\n", min_size=1, max_size=4).filter(str.strip),
)
@pytest.mark.parametrize("engine", ENGINES)
def test_no_pattern_is_a_regular_expression(held: list[str], pattern: str, engine: str) -> None:
    rows = [simplest(Visit, id=f"{number:02}", member_id=text) for number, text in enumerate([*held, pattern])]
    rule = field("member_id").like(pattern)

    assert kept(KINDS[engine](rows, Visit), Visit, rule) == [each.id for each in rows if predicate(rule, Visit)(each)]


@pytest.mark.parametrize("engine", ENGINES)
def test_of_no_values_none_is_one(engine: str) -> None:
    held = [simplest(Visit, id="a", paid=Money(1, "PLN"), weight=Decimal(1), rating=1.0)]

    for path in ("paid", "weight", "rating", "guests", "member_id", "at"):
        assert not kept(KINDS[engine](held, Visit), Visit, field(path).is_in([]))
        assert kept(KINDS[engine](held, Visit), Visit, ~field(path).is_in([])) == ["a"]
    assert kept(KINDS[engine](held, Visit), Visit, ~EVERYTHING | EVERYTHING) == ["a"]
    assert not kept(KINDS[engine](held, Visit), Visit, ~EVERYTHING)


def test_nan_is_no_number() -> None:
    data = pl.DataFrame({"id": ["a", "b", "c"], "rating": [float("nan"), 1.0, None]})

    assert kept(data, Visit, field("rating") > 0) == ["b"]
    assert kept(data, Visit, field("rating").is_empty()) == ["a", "c"]
    assert kept(data.with_columns(rating=pl.Series([1, 2, None])), Visit, field("rating") >= 2) == ["b"]


def test_a_decimal_is_compared_with_what_lies_between_two_units() -> None:
    data = from_records(
        [simplest(Visit, id="a", weight=Decimal("1.0001")), simplest(Visit, id="b", weight=Decimal(2))], Visit
    )
    between, weight = Decimal("1.00015"), field("weight")

    assert [kept(data, Visit, rule) for rule in (weight < between, weight <= between)] == [["a"], ["a"]]
    assert [kept(data, Visit, rule) for rule in (weight > between, weight >= between)] == [["b"], ["b"]]
    assert kept(data, Visit, (weight == between) | weight.is_in([between, Decimal(2)])) == ["b"]
    assert kept(data, Visit, weight < Decimal("1e27")) == ["a", "b"]


def test_a_rule_about_related_records_needs_their_table() -> None:
    rule = field("orders.count") > 1

    with pytest.raises(InvalidInput, match="the rule asks of Order records; give them as related={Order: ...}"):
        open_table(WORLD[Customer], Customer, needs=["id"], where=rule)
    with pytest.raises(
        InvalidInput, match="Customer and Order are in duckdb and polars, and no engine reads another's"
    ):
        kept(KINDS["duckdb"](WORLD[Customer], Customer), Customer, rule, {Order: WORLD[Order]})
    with pytest.raises(InvalidInput, match="the Order data has no column 'customer_id'"):
        kept(WORLD[Customer], Customer, rule, {Order: pl.DataFrame({"at": [AT]})})


def test_relative_time_needs_a_moment() -> None:
    with pytest.raises(InvalidInput, match="Visit.at is compared with days that depend on the moment; give as_of="):
        open_table([], Visit, needs=["id"], where=field("at") == last_days(3))


def test_only_the_columns_that_a_rule_asks_of_are_read_of_related_tables() -> None:
    orders = pl.DataFrame({"customer_id": ["1", "1", None]})
    rule = field("orders.count") == 2

    assert kept(WORLD[Customer], Customer, rule, {Order: orders}) == ["1"]
    assert kept(WORLD[Customer], Customer, EVERYTHING, {}) == sorted(each.id for each in WORLD[Customer])
    with pytest.raises(InvalidInput, match="the Order data has no column 'at'"):
        kept(WORLD[Customer], Customer, rule.at(AS_OF), {Order: orders})
