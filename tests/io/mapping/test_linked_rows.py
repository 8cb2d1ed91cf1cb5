"""What stands in the rows of something else becomes records of its own, and what fits only in part is not lost."""

from pathlib import Path

import pytest

from crmkit.errors import ImportFailed
from crmkit.io.folder import Imported, read_folder
from crmkit.model import Contact, Customer, Deal, Employee

DEALS = """
no,title,owner,company,contact,stage,closed
1,Roof,Ann Lee,7,7,Won,2025-05-01
2,Wall,Ann Lee,,,Open,2025-06-01
3,Door,,9,9,Open,
"""
COMPANIES = "no,name\n7,Acme\n"
PEOPLE = "no,name,mail,phone,born,company\n7,Bob Ray,,,1990-05-06,7\n8,,cy@example.com,,--05-06,9\n9,,,+48 600,,\n"
MAPPING = """
source = "acme"
[[pipelines]]
id = "sales"
stages = [{ label = "Open", category = "open" }, { label = "Won", category = "won" }]
[[files]]
path = "deals.csv"
record = "Deal"
key = "no"
fields = { pipeline_id = { value = "sales" }, stage = "stage", owner_id = "owner", closed_at = "closed", expected_close_on = "closed",\
 customer_id = { column = "company", prefix = "company " } }
[[files]]
path = "deals.csv"
record = "Employee"
key = "owner"
optional = true
fields = { name = "owner" }
[[files]]
path = "companies.csv"
record = "Customer"
key = "no"
key_prefix = "company "
fields = { kind = { value = "organization" }, name = "name" }
[[files]]
path = "people.csv"
record = "Customer"
key = "no"
fields = { kind = { value = "person" }, name = { column = "name", otherwise = ["mail", "phone"] }, birth_on = { column = "born", lenient = true } }
[[files]]
path = "people.csv"
record = "Contact"
key = "no"
optional = true
fields = { person_id = "no", organization_id = { column = "company", prefix = "company " } }
"""


@pytest.fixture
def found(tmp_path: Path) -> Imported:
    return _read(tmp_path, MAPPING)


def _read(folder: Path, mapping: str) -> Imported:
    for name, text in (("deals", DEALS), ("companies", COMPANIES), ("people", PEOPLE)):
        (folder / f"{name}.csv").write_text(text.strip() + "\n")
    (folder / "crmkit.toml").write_text(mapping)
    return read_folder(folder)


def test_each_owner_in_the_rows_of_deals_is_one_employee(found: Imported) -> None:
    [ann] = found[Employee]
    assert [deal.owner_id for deal in found[Deal]] == [ann.id, ann.id, None]


def test_companies_and_people_with_the_same_number_stay_apart(found: Imported) -> None:
    by_key = {each.external_ids["acme"]: each for each in found[Customer]}
    assert {key: each.name for key, each in by_key.items()} == {
        "company 7": "Acme",
        "7": "Bob Ray",
        "8": "cy@example.com",
        "9": "+48 600",
    }
    assert found[Deal][0].customer_id == by_key["company 7"].id
    [link] = found[Contact]
    assert (link.person_id, link.organization_id) == (by_key["7"].id, by_key["company 7"].id)


def test_a_link_of_an_optional_row_that_leads_nowhere_is_told(found: Imported) -> None:
    [told] = [each for each in found.problems if "no Contact is made" in each.message]
    assert "organization_id (column 'company') names no Customer" in told.message
    assert (told.kind, told.lines) == ("warning", (3,))


def test_what_a_lenient_field_cannot_read_is_kept_and_told(found: Imported) -> None:
    people = {each.name: each for each in found[Customer]}
    assert people["Bob Ray"].birth_on is not None
    assert people["cy@example.com"].birth_on is None
    assert people["cy@example.com"].custom == {"born": "--05-06"}
    assert [
        each.lines for each in found.problems if "kept in custom" in each.message and "birth_on" in each.message
    ] == [(3,)]


def test_an_open_deal_keeps_no_date_of_its_close(found: Imported) -> None:
    assert [(each.category, each.closed_at is None, each.expected_close_on is None) for each in found[Deal]] == [
        ("won", False, False),
        ("open", True, False),
        ("open", True, True),
    ]


def test_a_prefix_stands_before_a_link_alone(tmp_path: Path) -> None:
    with pytest.raises(ImportFailed, match="fields.name: only a link has a prefix; leave it out"):
        _read(tmp_path, MAPPING.replace('{ name = "owner" }', '{ name = { column = "owner", prefix = "x" } }'))
