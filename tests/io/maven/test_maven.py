"""A year of published deals is imported whole, and its KPIs are the published ones."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from crmkit import metrics
from crmkit.io.folder import Imported, read_folder
from crmkit.model import Customer, Deal, Employee, Product

MAPPING = Path(__file__).parent / "crmkit.toml"
ALIAS = 'product_ids = { column = "product", replace = { GTXPro = "GTX Pro" } }'


@pytest.fixture(name="maven")
def _maven(published: Path) -> Imported:
    return _read_once(published / "maven_crm")


@cache
def _read_once(folder: Path) -> Imported:
    return read_folder(folder, mapping=MAPPING)


@pytest.fixture(name="expected")
def _expected(published: Path) -> Any:
    return json.loads((published / "expected" / "maven_crm.json").read_text("utf-8"))


def test_every_row_becomes_a_record(maven: Imported) -> None:
    assert {cls.__name__: len(records) for cls, records in maven.records.items() if records} == {
        "Employee": 35,
        "Product": 7,
        "Pipeline": 1,
        "Customer": 85,
        "Deal": 8800,
    }
    assert len({record.id for records in maven.records.values() for record in records}) == 8928
    categories = [deal.category for deal in maven[Deal]]
    assert (categories.count("won"), categories.count("lost"), categories.count("open")) == (4238, 2473, 2089)
    assert {deal.pipeline_id for deal in maven[Deal]} == {"sales"}


def test_nothing_is_lost_silently(maven: Imported) -> None:
    product = "product_ids (column 'product') names no Product, so its text is kept in custom['product']"
    nearest = "'GTXPro' (1,480), did you mean 'GTX Pro'?"
    customer = "customer_id (column 'account') is blank, so it links to no Customer"
    assert [str(problem) for problem in maven.problems] == [
        f"sales_pipeline.csv: {product}: {nearest} (1,480 rows: lines 3, 13, 20, 31, 34, …)",
        f"sales_pipeline.csv: {customer} (1,425 rows: lines 11, 44, 46, 58, 62, …)",
        "data_dictionary.csv: the file is not in the mapping, so it is not imported",
    ]
    assert {deal.category for deal in maven[Deal] if deal.customer_id is None} == {"open"}
    kept = [deal.custom["product"] for deal in maven[Deal] if not deal.product_ids]
    assert kept == ["GTXPro"] * 1480


def test_an_alias_mends_a_misspelt_product(published: Path, tmp_path: Path) -> None:
    mended = tmp_path / "crmkit.toml"
    mended.write_text(MAPPING.read_text("utf-8").replace('product_ids = "product"', ALIAS), encoding="utf-8")
    maven = read_folder(published / "maven_crm", mapping=mended)
    assert [problem.count for problem in maven.problems] == [1425, None]
    assert all(len(deal.product_ids) == 1 and not deal.custom for deal in maven[Deal])


def test_names_teams_and_prices_are_in_their_fields(maven: Imported) -> None:
    employee, product = maven[Employee][0], maven[Product][-1]
    assert (employee.name, employee.team, employee.custom) == (
        "Anna Snelling",
        "Central",
        {"manager": "Dustin Brinkmann"},
    )
    assert product.price is not None
    assert (product.name, product.family, str(product.price.amount)) == ("GTK 500", "GTK", "26768.00")
    customers = maven[Customer]
    assert {each.kind for each in customers} == {"organization"}
    assert "technology" in {each.industry for each in customers} >= {"medical"}
    assert "Philippines" in {each.country for each in customers}
    assert customers[0].custom["revenue"] == "1100.04"


def test_the_published_figures_come_out(maven: Imported, expected: Any) -> None:
    deals, as_of = maven[Deal], maven.exported_on
    assert as_of is not None
    assert metrics.win_rate(deals, as_of=as_of).value == pytest.approx(expected["win_rate_overall"], abs=1e-9)
    revenue = metrics.average_order_value(deals, as_of=as_of, method="won_deal").only
    assert (revenue.numerator, revenue.unit) == (expected["revenue_won_total"], "USD")
    assert revenue.value == pytest.approx(expected["avg_deal_won"])
    cycle = metrics.sales_cycle(deals, as_of=as_of).only
    assert cycle.value == expected["cycle_days"]["won_median"]
    assert cycle.details["mean"] == pytest.approx(expected["cycle_days"]["won_mean"])


def test_the_published_figures_of_every_owner_come_out(maven: Imported, expected: Any) -> None:
    names = {employee.id: employee.name for employee in maven[Employee]}
    deals = maven[Deal]
    scope: dict[str, Any] = {"as_of": maven.exported_on, "by": "owner_id", "ci": None}
    found: dict[str, dict[str, float | None]] = {}
    for rate in metrics.win_rate(deals, **scope):
        found[names[rate.group["owner_id"]]] = {"closed": rate.n, "won": rate.numerator, "win_rate": rate.value}
    for value in metrics.average_order_value(deals, **scope, method="won_deal"):
        found[names[value.group["owner_id"]]] |= {"revenue_won": value.numerator, "avg_deal_won": value.value}
    for cycle in metrics.sales_cycle(deals, **scope):
        days = {"cycle_days_won_median": cycle.value, "cycle_days_won_mean": cycle.details["mean"]}
        found[names[cycle.group["owner_id"]]] |= days
    assert found.keys() == expected["by_agent"].keys()
    for name, figures in expected["by_agent"].items():
        assert found[name] == pytest.approx(figures, rel=1e-8)
