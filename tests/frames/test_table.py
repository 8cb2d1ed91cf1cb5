"""Whatever the caller has becomes one lazy table of checked columns, or an error that names the column."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmkit.errors import InvalidInput
from crmkit.frames.door import moment
from crmkit.frames.table import MONEY_UNITS, Table, open_table
from crmkit.model import Customer, Deal, Money, SurveyResponse
from crmkit.rules import EVERYTHING, field
from crmkit.testing.strategies import money, records, simplest
from tests.examples import few
from tests.frames.kinds import KINDS
from tests.model.vertical import Member

NOON = datetime(2025, 1, 31, 12, tzinfo=UTC)
NEEDS = ("id", "category", "closed_at", "amount", "currency")
SMALL = {"amount": st.none() | money(10**12)}
deals = st.lists(records(Deal, **SMALL), max_size=4)


def rows(table: Table) -> list[dict[str, Any]]:
    """The rows without what stands beside instants."""
    found: list[dict[str, Any]] = table.rows.collect("polars").rows(named=True)
    return [{name: value for name, value in row.items() if not name.startswith("civil ")} for row in found]


def opened(data: Any, *needs: str, **options: Any) -> list[dict[str, Any]]:
    return rows(open_table(data, Deal, needs=needs, **options))


@pytest.mark.parametrize("kind", KINDS)
@few
@given(deals)
def test_every_kind_of_data_is_the_same_table(kind: str, given_: list[Deal]) -> None:
    assert opened(KINDS[kind](given_, Deal), *NEEDS) == [
        {
            "id": deal.id,
            "category": deal.category,
            "closed_at": deal.closed_at and moment(deal.closed_at),
            "amount": deal.amount and int(deal.amount.amount * MONEY_UNITS),
            "currency": deal.amount and deal.amount.currency,
        }
        for deal in given_
    ]


@pytest.mark.parametrize("kind", ["polars", "pandas", "arrow"])
def test_the_data_of_the_caller_stay_as_they_are(kind: str) -> None:
    priced = simplest(Deal, closed_at=NOON, amount=Money(490, "PLN"))
    data, twin = (KINDS[kind]([priced], Deal) for _ in range(2))
    opened(data, *NEEDS, columns={"currency": "id"})

    assert data.equals(twin)


def test_a_lazy_frame_is_not_collected() -> None:
    def fail(_: pl.DataFrame) -> pl.DataFrame:
        raise AssertionError("collected")

    lazy = KINDS["polars"]([simplest(Deal)], Deal).lazy().map_batches(fail)

    assert open_table(lazy, Deal, needs=NEEDS).columns == frozenset(NEEDS)


def test_only_the_columns_in_use_are_looked_at() -> None:
    frame = pl.DataFrame({"id": ["d1"], "closed_at": ["never"], "Mystery": [object()]})

    assert opened(frame, "id") == [{"id": "d1"}]


def test_a_column_in_use_may_be_missing_where_it_is_not_needed() -> None:
    table = open_table(pl.DataFrame({"id": ["d1"]}), Deal, needs=["id"], uses=["currency"])

    assert table.columns == frozenset({"id"})


def test_columns_of_other_names_are_mapped_even_crosswise() -> None:
    frame = pl.DataFrame({"id": ["anna"], "owner_id": ["d1"], "Closed": [NOON]})
    mapped = {"id": "owner_id", "owner_id": "id", "closed_at": "Closed"}

    assert opened(frame, "id", "owner_id", "closed_at", columns=mapped) == [
        {"id": "d1", "owner_id": "anna", "closed_at": moment(NOON)}
    ]


@pytest.mark.parametrize("kind", KINDS)
def test_a_missing_column_is_named_with_the_nearest_one(kind: str) -> None:
    with pytest.raises(InvalidInput, match=r"^the Deal data has no column 'clsed_at'.*; did you mean 'closed_at'\?"):
        opened(KINDS[kind]([simplest(Deal)], Deal), "clsed_at")


@pytest.mark.parametrize("kind", KINDS)
def test_a_missing_mapped_column_is_named_as_it_was_mapped(kind: str) -> None:
    with pytest.raises(InvalidInput, match=r"^the Deal data has no column 'Closed' \(for 'closed_at'\); .*columns="):
        opened(KINDS[kind]([simplest(Deal)], Deal), "closed_at", columns={"closed_at": "Closed"})


def test_a_mapped_column_that_does_not_exist_is_an_error_even_where_it_is_optional() -> None:
    with pytest.raises(InvalidInput, match="'Curency'"):
        opened(
            pl.DataFrame({"id": ["d1"], "Currency": ["PLN"]}), "id", uses=["currency"], columns={"currency": "Curency"}
        )


def test_a_missing_column_among_numbered_ones_is_named() -> None:
    with pytest.raises(InvalidInput, match="no column 'id'"):
        opened(pd.DataFrame([["d1", "won"]]), "id")


def test_two_columns_of_one_name_are_an_error_that_names_it() -> None:
    with pytest.raises(InvalidInput, match="'id'"):
        opened(pd.DataFrame([["d1", "d2"]], columns=["id", "id"]), "id")


@pytest.mark.parametrize("nonsense", [None, 7, "deals.csv", b"deals", {"id": ["d1"]}, Deal, simplest(Deal)])
def test_what_is_no_data_is_refused(nonsense: Any) -> None:
    with pytest.raises(
        InvalidInput,
        match=r"is no Deal data; give records of Deal, or a Polars, pandas, Arrow, DuckDB, Ibis or PySpark table",
    ):
        opened(nonsense, "id")


NAIVE = datetime(2025, 1, 31, 12)
WRONG: dict[str, list[Any]] = {
    "id": [1.5, True, NOON, date(2025, 1, 31), ["d1"]],
    "closed_at": [NAIVE, date(2025, 1, 31), "2025-01-31T12:00Z", 1738324800],
    "amount": ["490,00", True, NOON, [490]],
}


@pytest.mark.parametrize(("column", "value"), [(column, value) for column, values in WRONG.items() for value in values])
@pytest.mark.parametrize("make", [pl.DataFrame, pd.DataFrame, pa.table])
def test_a_column_of_a_wrong_type_is_named_with_what_it_is_and_should_be(
    column: str, value: Any, make: Callable[[dict[str, list[Any]]], Any]
) -> None:
    with pytest.raises(InvalidInput, match=rf"^Deal column 'the {column}' is .*; give (text|timestamps|numbers)"):
        opened(make({f"the {column}": [value]}), column, columns={column: f"the {column}"})


def test_a_score_that_is_no_number_is_named() -> None:
    with pytest.raises(InvalidInput, match="^SurveyResponse column 'score' is String; give whole numbers"):
        open_table(pl.DataFrame({"score": ["9"]}), SurveyResponse, needs=["score"])


@pytest.mark.parametrize("kind", KINDS)
def test_a_column_of_lists_cannot_be_grouped_by(kind: str) -> None:
    with pytest.raises(InvalidInput, match="^Deal column 'tags' is List.*; give a column of single values to group by"):
        opened(KINDS[kind]([simplest(Deal, tags={"vip"})], Deal), by=["tags"])


def test_a_missing_column_to_group_by_is_named() -> None:
    with pytest.raises(InvalidInput, match="no column 'owner'.*did you mean 'owner_id'"):
        opened([simplest(Deal)], "id", by=["owner"])


IDS: dict[str, Any] = {
    "whole numbers": pl.Series([7, None]),
    "small whole numbers": pl.Series([7, None], dtype=pl.UInt8),
    "categories": pl.Series(["7", None], dtype=pl.Categorical),
    "an enumeration": pl.Series(["7", None], dtype=pl.Enum(["7"])),
    "pandas categories": pd.Series(["7", None], dtype="category"),
    "pandas nullable numbers": pd.Series([7, None], dtype="Int64"),
    "pandas numbers with gaps": pd.Series([7, None]),
    "pandas objects": pd.Series(["7", None], dtype=object),
    "an Arrow dictionary": pa.array(["7", None]).dictionary_encode(),
    "Arrow large text": pa.array(["7", None], pa.large_string()),
}


def table_of(column: str, values: Any) -> Any:
    """A frame of the library that the values are of."""
    makers: dict[Any, Callable[[Any], Any]] = {pl.Series: pl.DataFrame, pd.Series: pd.DataFrame}
    return makers.get(type(values), pa.table)({column: values})


@pytest.mark.parametrize("ids", IDS.values(), ids=IDS)
def test_identifiers_are_text_however_they_are_stored(ids: Any) -> None:
    assert opened(table_of("customer_id", ids), "customer_id") == [{"customer_id": "7"}, {"customer_id": None}]


INSTANTS: dict[str, Any] = {
    "milliseconds": pl.Series([NOON, None], dtype=pl.Datetime("ms", "UTC")),
    "another zone": pl.Series([NOON, None], dtype=pl.Datetime("us", "UTC")).dt.convert_time_zone("Asia/Bangkok"),
    "pandas": pd.Series([NOON, None]),
    "pandas with an offset": pd.to_datetime(pd.Series(["2025-01-31T19:00:00+07:00", None])),
    "pandas nanoseconds": pd.Series([NOON, None], dtype="datetime64[ns, America/New_York]"),
    "pandas objects": pd.Series([NOON, None], dtype=object),
    "Arrow seconds": pa.array([NOON, None], pa.timestamp("s", "UTC")),
    "Arrow with an offset": pa.array([NOON, None], pa.timestamp("us", "+07:00")),
}


@pytest.mark.parametrize("instants", INSTANTS.values(), ids=INSTANTS)
def test_instants_are_in_utc_however_they_are_stored(instants: Any) -> None:
    assert opened(table_of("closed_at", instants), "closed_at") == [{"closed_at": moment(NOON)}, {"closed_at": None}]


AMOUNTS: dict[str, Any] = {
    "decimals": pl.Series([Decimal("0.57"), None]),
    "floats": pl.Series([0.57, None]),
    "NaN": pl.Series([0.57, float("nan")]),
    "pandas floats": pd.Series([0.57, None]),
    "pandas objects": pd.Series([Decimal("0.57"), None], dtype=object),
    "Arrow decimals": pa.array([Decimal("0.570"), None], pa.decimal128(20, 3)),
    "Arrow floats": pa.array([0.57, None]),
    "Arrow NaN": pa.array([0.57, float("nan")]),
}


@pytest.mark.parametrize("amounts", AMOUNTS.values(), ids=AMOUNTS)
def test_amounts_are_whole_ten_thousandths_and_nan_is_missing(amounts: Any) -> None:
    assert opened(table_of("amount", amounts), "amount") == [{"amount": 5700}, {"amount": None}]


@pytest.mark.parametrize("whole", [pl.Series([3, None]), pd.Series([3, None], dtype="Int32"), pd.Series([3, None])])
def test_amounts_may_be_whole_numbers(whole: Any) -> None:
    assert opened(table_of("amount", whole), "amount") == [{"amount": 30000}, {"amount": None}]


@pytest.mark.parametrize("column", ["id", "closed_at", "amount", "category"])
@pytest.mark.parametrize("make", [pl.DataFrame, pa.table])
def test_a_column_without_any_value_has_no_wrong_type(column: str, make: Callable[[dict[str, list[Any]]], Any]) -> None:
    assert opened(make({column: [None, None]}), column) == [{column: None}, {column: None}]


@pytest.mark.parametrize("column", ["probability", "Score"])
@pytest.mark.parametrize("make", [pl.DataFrame, pd.DataFrame, pa.table])
def test_nan_is_missing_where_it_is_grouped_by_too(column: str, make: Callable[[dict[str, list[Any]]], Any]) -> None:
    found = opened(make({column: [0.5, float("nan")]}), by=[column])

    assert [set(row.values()) for row in found] == [{0.5}, {None}]


def test_records_of_a_vertical_are_grouped_by_their_own_field() -> None:
    for cls in (Member, Customer):
        (row,) = rows(open_table([simplest(Member, card="0012")], cls, needs=["id"], by=["card"]))
        assert "0012" in row.values()


@pytest.mark.parametrize("kind", KINDS)
def test_marks_say_where_rules_hold(kind: str) -> None:
    rows = [
        simplest(Deal, id="a", source="web"),
        simplest(Deal, id="b", source=None),
        simplest(Deal, id="c", source="fair"),
    ]
    marks = {"is_web": field("source") == "web", "is_known": ~field("source").is_empty(), "is_there": EVERYTHING}
    found = opened(KINDS[kind](rows, Deal), "id", marks=marks, where=field("id") != "c")

    held = {row["id"]: [row[name] for name in marks] for row in found}
    assert held == {"a": [1, 1, 1], "b": [0, 0, 1]}
