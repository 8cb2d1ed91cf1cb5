"""An export is recognised by its columns in any order, and a foreign file is not."""

import json
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmkit.errors import ImportFailed, InvalidInput
from crmkit.io import formats
from crmkit.io.importing import plan_import
from crmkit.io.mapping import folder_mapping
from crmkit.io.presets import PRESETS, Preset, by_name, mapping_for, recognise, words_for
from crmkit.io.presets.fitting import columns_in
from crmkit.io.stores import open_store
from crmkit.model import Contact, Customer
from tests.examples import few

SAMPLES = "crm_export_samples/vendor_presets_*"


def _samples(published: Path) -> Path:
    [folder] = published.glob(SAMPLES)
    return folder


def test_every_sample_has_its_preset_and_the_expected_fields(published: Path) -> None:
    folder = _samples(published)
    expected = json.loads((folder / "expected.json").read_text())
    for name, fields in expected.items():
        path = folder / f"{name}.csv"
        preset, mapping = recognise(path), mapping_for(path)
        assert preset is not None
        assert preset.name == name
        store = open_store("memory://")
        plan_import(store, path, mapping=mapping).apply(store)
        [link] = store.every(Contact)
        person, company = store.get(Customer, link.person_id), store.get(Customer, link.organization_id)
        found = {
            "firstname": person.given_name or person.name.split()[0],
            "lastname": person.family_name or person.name.split()[1],
            "email": next(each.value for each in person.contact_points if each.kind == "email"),
            "company": company.name,
            "city": person.city,
        }
        assert {key: found[key] for key in fields} == fields


def test_foreign_columns_are_not_recognised(published: Path) -> None:
    for columns in json.loads((_samples(published) / "not_detected.json").read_text()):
        assert recognise(columns) is None


@pytest.mark.parametrize(
    "columns",
    [
        "id first_name last_name email create_date lifecycle",
        "Record ID,First Name,Last Name,Email,Company,Job Title,Phone",
        "Ticket ID,Customer Name,Customer Email,Ticket Type,Ticket Subject,Ticket Description,Ticket Status,Ticket Priority",
        "contact_id last_name email phone account_name",
        "name number_of_employees billing_postal_code owner_id",
        "lead_id first_name last_name company status lead_source owner_id",
        "name stage close_date probability amount",
        "case_number status closed_date contact_id",
        "deal_id deal_name stage closing_date account_name",
        "person_name person_email deal_title deal_value",
        "First Name,Last Name,E-mail Address,Mobile Phone,Home Phone,Company",
        "Version,Email,Name",
        "Title,Subject,Send Date,List",
        "Client Name,Company Name,Phone Number,Zip",
        "Email Address,First Name,Last Name,Phone Number",
    ],
)
def test_a_table_that_anybody_might_have_is_not_taken_for_an_export(columns: str) -> None:
    assert recognise(columns.split("," if "," in columns else " ")) is None


def test_no_other_published_table_is_taken_for_an_export(published: Path) -> None:
    known = {"crm_export_samples", "fivetran_seeds"}
    tables = [each for each in sorted(published.glob("*/*.csv")) if each.parent.name not in known]
    assert len(tables) > 10
    assert [each.name for each in tables if recognise(formats.by_name("csv").columns(each))] == []


def test_of_the_tables_of_fivetran_the_four_that_are_mapped_are_recognised(published: Path) -> None:
    seeds = sorted((published / "fivetran_seeds" / "hubspot").glob("*_data.csv"))
    found = {path.stem: preset.table for path in seeds if (preset := recognise(path))}
    assert found == {
        "company_data": "companies",
        "contact_data": "contacts",
        "deal_data": "deals",
        "ticket_data": "tickets",
    }


@pytest.mark.parametrize("preset", PRESETS, ids=lambda preset: f"{preset.name}-{preset.table}")
def test_a_preset_is_recognised_by_its_own_columns_whatever_their_order_and_capitals(preset: Preset) -> None:
    names = [_first(each) for each in dict.fromkeys([*preset.required, *preset.telling])]
    for columns in (names, names[::-1], [each.upper() for each in names], [f" {each}*" for each in names]):
        assert recognise(columns) is preset


@pytest.mark.parametrize("preset", PRESETS, ids=lambda preset: f"{preset.name}-{preset.table}")
def test_every_preset_makes_records_that_a_mapping_accepts(preset: Preset, tmp_path: Path) -> None:
    """All the first names of all columns, with nothing below them, are a mapping without a mistake."""
    columns = _all_columns(preset)
    path = tmp_path / "export.csv"
    formats.by_name("csv").write(path, columns, [])
    assert preset.files(path.name, columns)
    mapping = mapping_for(path)
    assert mapping is not None


@few
@given(st.sampled_from(PRESETS), st.data())
def test_whatever_columns_an_export_has_its_words_are_a_mapping_that_uses_each_of_them_once(
    preset: Preset, data: st.DataObject
) -> None:
    columns = data.draw(st.lists(st.sampled_from(_all_columns(preset)), unique=True))
    made = preset.files("export.csv", [*columns, "Shoe size"], exported_on=date(2025, 1, 31))
    if not made:
        return
    ids = {
        each["fields"]["pipeline_id"].get("value", "p")
        for each in made
        if isinstance(each["fields"].get("pipeline_id"), dict)
    }
    pipelines = [{"id": each, "stages": [{"label": "Open", "category": "open"}]} for each in sorted({*ids, "p"})]
    mapping = folder_mapping(source=preset.name, currency="USD", pipelines=pipelines, files=made)
    assert "Shoe size" in mapping.files[0].custom
    mapped = {column for each in made for column in columns_in(each)}
    assert mapped.isdisjoint(mapping.files[0].custom)
    assert mapped <= set(columns)


def _all_columns(preset: Preset) -> list[str]:
    mapped = [name for table in preset.records for name in columns_in(table)]
    return list(dict.fromkeys(map(_first, [*preset.required, *preset.telling, *mapped])))


def _first(name: str) -> str:
    return name.partition(" | ")[0]


@few
@given(st.lists(st.text(max_size=12), max_size=8))
def test_any_columns_are_recognised_or_not_but_never_a_fault(columns: list[str]) -> None:
    found = recognise(columns)
    assert found is None or found in PRESETS


@pytest.mark.parametrize("source", [5, [1, 2], None])
def test_what_is_no_file_and_no_columns_is_refused(source: Any) -> None:
    with pytest.raises(InvalidInput, match="by its path or by the names of its columns"):
        recognise(source)


def test_an_unknown_name_is_told_the_known_ones() -> None:
    with pytest.raises(InvalidInput, match="there is no preset 'hubspt'.*did you mean 'hubspot'"):
        by_name("hubspt")
    with pytest.raises(InvalidInput, match="has no table 'deal'.*did you mean 'deals'"):
        by_name("zoho", "deal")
    with pytest.raises(
        InvalidInput, match="has several tables, give one; there are 'contacts', 'companies', 'deals', 'tickets'"
    ):
        by_name("hubspot")
    assert by_name("outlook") is by_name("outlook", "contacts")


def test_a_file_that_nobody_knows_has_no_mapping(tmp_path: Path) -> None:
    (tmp_path / "people.csv").write_text("Email,Name\nann@example.com,Ann\n")
    assert mapping_for(tmp_path / "people.csv") is None
    assert words_for(tmp_path) is None


def test_exports_of_two_systems_in_one_folder_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("Record ID,Deal Name,Deal Stage,Deal owner\n1,Roof,Won,Ann\n")
    (tmp_path / "b.csv").write_text("Deal - Title,Deal - Value\nRoof,1\n")
    with pytest.raises(ImportFailed, match="holds exports of hubspot and pipedrive"):
        mapping_for(tmp_path)


def test_amounts_without_any_currency_are_refused_before_anything_is_read(tmp_path: Path) -> None:
    (tmp_path / "deals.csv").write_text("Record ID,Deal Name,Deal Stage,Amount,Deal owner\n1,Roof,Won,12,Ann\n")
    with pytest.raises(ImportFailed, match="the preset 'hubspot'.*amount.*needs a currency"):
        mapping_for(tmp_path / "deals.csv")
    assert mapping_for(tmp_path / "deals.csv", currency="PLN") is not None


@pytest.mark.parametrize("content", [b"", b"\0\1\2\3", b"PK\x03\x04broken", b'"'])
def test_a_damaged_file_is_refused_or_unknown(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "contacts.csv"
    path.write_bytes(content)
    with suppress(ImportFailed):
        assert mapping_for(path) is None
