"""Words of a mapping that whoever imports states: they stand in for what a preset cannot know, and win over a mapping file."""

from pathlib import Path
from typing import Any

import pytest

from crmkit.errors import ImportFailed, InvalidInput
from crmkit.io.importing import plan_import, suggest_mapping
from crmkit.io.mapping import read_mapping
from crmkit.io.stores import MemoryStore
from crmkit.model import Deal, Money
from tests.io.importing.files import PEOPLE, mapping, write

DEALS = "Record ID,Deal Name,Deal Stage,Pipeline,Amount,Close Date\n1,Tea,Offer,Sales,10,5/2/2025\n"
MAPPING = """
source = "till"
currency = "EUR"
dates = "month first"
pipelines = [{ id = "sales", learns = true, stages = [{ label = "New", category = "open" }] }]

[[files]]
path = "deals.csv"
record = "Deal"
key = "Record ID"
[files.fields]
pipeline_id = { value = "sales" }
stage = "Deal Stage"
amount = "Amount"
expected_close_on = "Close Date"
"""


@pytest.fixture
def deals(tmp_path: Path) -> Path:
    (tmp_path / "deals.csv").write_text(DEALS)
    return tmp_path / "deals.csv"


def _imported(path: Path, **stated: Any) -> Deal:
    store = MemoryStore()
    with plan_import(store, path, **stated) as plan:
        plan.apply(store)
    (deal,) = store.every(Deal)
    return deal


def test_they_stand_in_for_what_a_preset_cannot_know(deals: Path) -> None:
    with pytest.raises(ImportFailed, match="an amount needs a currency"):
        plan_import(MemoryStore(), deals)
    deal = _imported(deals, currency="PLN", dates="day first")
    assert (deal.amount, str(deal.expected_close_on)) == (Money(10, "PLN"), "2025-02-05")


def test_they_win_over_a_mapping_file(deals: Path) -> None:
    (deals.parent / "crmkit.toml").write_text(MAPPING)
    assert _imported(deals).amount == Money(10, "EUR")
    deal = _imported(deals, currency="PLN", dates="day first")
    assert (deal.amount, str(deal.expected_close_on)) == (Money(10, "PLN"), "2025-02-05")


def test_a_mapping_that_is_made_already_takes_none(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="the mapping is made already; state currency, dates where it is made"):
        plan_import(MemoryStore(), write(tmp_path), mapping=mapping(PEOPLE), currency="PLN", dates="iso")


def test_what_is_no_word_of_a_mapping_is_named(deals: Path) -> None:
    with pytest.raises(ImportFailed, match="'curency' is no key here; .*did you mean 'currency'"):
        plan_import(MemoryStore(), deals, curency="PLN")


def test_a_suggested_mapping_says_them(deals: Path) -> None:
    deals.write_text("Title,Stage,Amount\nTea,Won,5\n")
    assert "state the currency" in suggest_mapping(deals)
    (deals.parent / "crmkit.toml").write_text(text := suggest_mapping(deals, currency="PLN", time_zone="Europe/Warsaw"))
    assert "state the currency" not in text
    found = read_mapping(deals.parent / "crmkit.toml")
    assert (found.currency, found.time_zone) == ("PLN", "Europe/Warsaw")
