"""The published columns: every field that fits into one, under its own name."""

from typing import Any

import polars as pl
import pytest

from crmkit.frames import schema
from crmkit.frames.schema import INSTANT, MONEY
from crmkit.model import RECORDS, Deal, Money, Product, Record, field, fields, record
from crmkit.model.money import currency_column, decimals
from crmkit.testing.strategies import CURRENCIES
from tests.model.vertical import Member, Visit

every_class = pytest.mark.parametrize("cls", [*RECORDS, Member, Visit], ids=lambda cls: cls.__name__)


@every_class
def test_every_field_is_a_column_of_its_name_but_mappings_and_values(cls: type[Record]) -> None:
    columns = schema(cls)

    assert [name for name in columns if name in {known.name for known in fields(cls)}] == [
        known.name for known in fields(cls) if known.shape.kind not in {"mapping", "value", "values"}
    ]


@every_class
def test_money_is_two_columns(cls: type[Record]) -> None:
    for known in fields(cls):
        if known.shape.kind == "money":
            assert schema(cls)[known.name] == MONEY
            assert schema(cls)[currency_column(known.name)] == pl.String


def test_the_columns_of_a_deal_are_published() -> None:
    published = {
        "id": pl.String(),
        "created_at": INSTANT,
        "tags": pl.List(pl.String()),
        "pipeline_id": pl.String(),
        "stage": pl.String(),
        "category": pl.String(),
        "name": pl.String(),
        "customer_id": pl.String(),
        "owner_id": pl.String(),
        "product_ids": pl.List(pl.String()),
        "amount": MONEY,
        "currency": pl.String(),
        "probability": pl.Float64(),
        "source": pl.String(),
        "expected_close_on": pl.Date(),
        "closed_at": INSTANT,
        "lost_reason": pl.String(),
    }

    assert published.items() <= schema(Deal).items()


def test_a_second_money_column_has_a_currency_column_of_its_own() -> None:
    assert {"price", "price_currency"} <= schema(Product).keys()
    assert {"paid", "paid_currency"} <= schema(Visit).keys()


def test_the_money_column_holds_the_finest_currency() -> None:
    assert max(map(decimals, CURRENCIES)) == MONEY.scale


def test_two_fields_that_would_be_one_column_are_refused() -> None:
    @record
    class Invoice(Record):
        amount: Money | None = field(default=None)
        currency: str | None = None

    with pytest.raises((TypeError, ValueError), match=r"Invoice.*currency"):
        schema(Invoice)


def test_the_schema_is_a_copy_that_a_caller_may_change() -> None:
    first: dict[str, Any] = schema(Deal)
    first.clear()

    assert schema(Deal)
