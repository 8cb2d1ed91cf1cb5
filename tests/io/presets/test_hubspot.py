"""Exports of HubSpot become people, companies, deals and tickets that are linked as they were there."""

import csv
from datetime import UTC, date, datetime
from io import StringIO
from pathlib import Path

from crmkit.io import formats
from crmkit.io.importing import plan_import
from crmkit.io.presets import mapping_for, words_for
from crmkit.io.stores import open_store
from crmkit.model import Consent, Contact, Customer, Deal, Employee, Money, Pipeline, Ticket, Transition
from tests.io.presets.exports import imported

COMPANIES = """
Record ID,Company name,Company Domain Name,Industry,City,Country/Region,Company owner,Create Date
9001,Bluebay Ltd,bluebay.example,Software,Leeds,United Kingdom,Sam Sales,2024-02-01 09:30
"""
CONTACTS = """
Record ID,First Name,Last Name,Email,Phone Number,Contact owner,Job Title,Associated Company IDs,Associated Company,\
Unsubscribed from all email,Create Date,Lifecycle Stage
9001,Priya,Example,priya@bluebay.example,+44 20 7946 0000,Sam Sales,Buyer,9001;9002,Bluebay Ltd,true,2024-03-12 09:14,customer
8002,,,tom@harbour.example,,,,,,false,2024-03-13 10:00,lead
"""
DEALS = """
Record ID,Deal Name,Deal Stage,Pipeline,Amount,Currency,Close Date,Deal owner,Associated Company IDs,Create Date
1,Casino,Closed won,Sales Pipeline,15000,GBP,2024-05-01 12:00,Sam Sales,9001,2024-03-01 08:00
2,Draw,Contract Sent,Sales Pipeline,"2,500.50",EUR,2026-12-31 00:00,Ola North,9001,2024-03-02 08:00
3,Lease,Looking around,Renewals,,,2026-12-31 00:00,,,2024-03-03 08:00
"""
TICKETS = """
Ticket ID,Ticket name,Pipeline,Ticket status,Priority,Source,Ticket owner,Create date,Close date,Associated Contact IDs
70,No invoice,Support Pipeline,Waiting on contact,HIGH,Email,Sam Sales,2024-06-01 09:00,,9001
71,Login,Support Pipeline,Closed,,Chat,,2024-06-02 09:00,2024-06-03 10:00,8002
72,Crash,Support Pipeline,Escalated,MEDIUM,,,2024-06-02 09:00,,
"""
FILES = {"companies.csv": COMPANIES, "contacts.csv": CONTACTS, "deals.csv": DEALS, "tickets.csv": TICKETS}
DAY = date(2025, 1, 31)


def test_people_and_companies_with_the_same_number_stay_apart(tmp_path: Path) -> None:
    customers = imported(tmp_path, FILES, exported_on=DAY)[Customer]
    assert {key: (each.kind, each.name) for key, each in customers.items()} == {
        "9001": ("person", "Priya Example"),
        "8002": ("person", "tom@harbour.example"),
        "company 9001": ("organization", "Bluebay Ltd"),
    }
    company = customers["company 9001"]
    assert (company.industry, company.city, company.country) == ("Software", "Leeds", "United Kingdom")
    assert company.created_at == datetime(2024, 2, 1, 9, 30, tzinfo=UTC)
    assert customers["9001"].custom == {"Lifecycle Stage": "customer", "Associated Company": "Bluebay Ltd"}


def test_a_person_is_linked_to_the_first_of_several_companies_by_its_id(tmp_path: Path) -> None:
    found = imported(tmp_path, FILES, exported_on=DAY)
    [link] = found[Contact].values()
    assert (link.person_id, link.organization_id) == (found[Customer]["9001"].id, found[Customer]["company 9001"].id)
    assert link.role == "Buyer"


def test_without_the_file_of_companies_they_are_made_from_their_names(tmp_path: Path) -> None:
    found = imported(tmp_path, {"contacts.csv": CONTACTS}, exported_on=DAY)
    assert found[Customer]["organization Bluebay Ltd"].kind == "organization"
    assert found[Contact]["9001"].organization_id == found[Customer]["organization Bluebay Ltd"].id


def test_deals_that_come_later_are_linked_to_the_companies_of_an_earlier_import(tmp_path: Path) -> None:
    for name, text in {"companies.csv": COMPANIES, "deals.csv": DEALS}.items():
        (tmp_path / name).write_text(text.strip())
    store = open_store("memory://")
    for name, beside in (("companies.csv", ()), ("deals.csv", ("companies",))):
        mapping = mapping_for(tmp_path / name, beside=beside)
        plan_import(store, tmp_path / name, mapping=mapping).apply(store)
    [company] = store.every(Customer)
    assert [each.customer_id for each in store.every(Deal)].count(company.id) == 2


def test_a_workbook_is_read_like_a_text_table(tmp_path: Path) -> None:
    rows = list(csv.DictReader(StringIO(CONTACTS.strip())))
    typed = [{**row, "Record ID": int(row["Record ID"])} for row in rows]
    formats.by_name("excel").write(tmp_path / "contacts.xlsx", [*rows[0]], typed)
    found = imported(tmp_path, {})
    assert {key for key in found[Customer] if key.isdigit()} == {"9001", "8002"}


def test_owners_become_employees_once(tmp_path: Path) -> None:
    found = imported(tmp_path, FILES, exported_on=DAY)
    assert set(found[Employee]) == {"Sam Sales", "Ola North"}
    assert {found[Deal]["1"].owner_id, found[Customer]["9001"].owner_id, found[Ticket]["70"].assignee_id} == {
        found[Employee]["Sam Sales"].id
    }


def test_an_opt_out_is_a_withdrawn_consent_on_the_day_of_the_export(tmp_path: Path) -> None:
    found = imported(tmp_path, FILES, exported_on=DAY)
    [consent] = found[Consent].values()
    assert (consent.customer_id, consent.channel, consent.state) == (found[Customer]["9001"].id, "email", "withdrawn")
    assert consent.at == datetime(2025, 1, 31, tzinfo=UTC)


def test_an_opt_out_without_any_date_is_kept_in_custom(tmp_path: Path) -> None:
    found = imported(tmp_path, FILES)
    assert not found[Consent]
    assert found[Customer]["9001"].custom["Unsubscribed from all email"] == "true"


def test_deals_have_their_stage_its_category_and_their_own_currency(tmp_path: Path) -> None:
    deals = imported(tmp_path, FILES, exported_on=DAY)[Deal]
    assert {key: (each.stage, each.category, each.amount) for key, each in deals.items()} == {
        "1": ("Closed won", "won", Money("15000", "GBP")),
        "2": ("Contract Sent", "open", Money("2500.50", "EUR")),
        "3": ("Looking around", "open", None),
    }


def test_the_close_date_of_an_open_deal_is_only_expected(tmp_path: Path) -> None:
    deals = imported(tmp_path, FILES, exported_on=DAY)[Deal]
    assert (deals["1"].closed_at, deals["1"].expected_close_on) == (
        datetime(2024, 5, 1, 12, tzinfo=UTC),
        date(2024, 5, 1),
    )
    assert (deals["2"].closed_at, deals["2"].expected_close_on) == (None, date(2026, 12, 31))


def test_pipelines_have_the_usual_stages_or_those_of_the_file(tmp_path: Path) -> None:
    found = imported(tmp_path, FILES, exported_on=DAY)
    stages = {each.id: [(stage.label, stage.category) for stage in each.stages] for each in found.store.every(Pipeline)}
    assert stages["Sales Pipeline"][0] == ("Appointment Scheduled", "open")
    assert stages["Sales Pipeline"][-2:] == [("Closed won", "won"), ("Closed Lost", "lost")]
    assert stages["Renewals"] == [("Looking around", "open"), ("Closed Won", "won"), ("Closed Lost", "lost")]


def test_a_file_with_stages_of_its_own_has_no_others(tmp_path: Path) -> None:
    text = (
        "Record ID,Deal Name,Deal Stage,Deal owner\n1,Roof,Signed and won,Ann\n2,Wall,Talks,Ann\n3,Door,Lost to B,Ann\n"
    )
    [pipeline] = imported(tmp_path, {"deals.csv": text}).store.every(Pipeline)
    assert [(each.label, each.category) for each in pipeline.stages] == [
        ("Talks", "open"),
        ("Signed and won", "won"),
        ("Lost to B", "lost"),
    ]


def test_columns_of_entered_stages_become_the_history_of_a_deal(tmp_path: Path) -> None:
    deals = '''
Record ID,Deal Name,Deal Stage,Pipeline,Close Date,Deal owner,"Date entered ""Appointment scheduled (Sales Pipeline)""",\
"Date entered ""Closed Won (Sales Pipeline)"""
1,Roof,Closed won (Sales Pipeline),Sales Pipeline,2024-05-01 12:00,Sam Sales,2024-03-02 09:00,2024-05-01 12:00
'''
    found = imported(tmp_path, {"deals.csv": deals})
    assert found[Deal]["1"].category == "won"
    assert found[Deal]["1"].custom == {}
    moves = sorted((each.at.date().isoformat(), each.before, each.after) for each in found.store.every(Transition))
    assert moves == [
        ("2024-03-02", None, "Appointment Scheduled"),
        ("2024-05-01", "Appointment Scheduled", "Closed won (Sales Pipeline)"),
    ]


def test_tickets_have_fixed_categories_whatever_their_status_is_called(tmp_path: Path) -> None:
    found = imported(tmp_path, FILES, exported_on=DAY)
    tickets = found[Ticket]
    assert {key: (each.status, each.category, each.priority) for key, each in tickets.items()} == {
        "70": ("Waiting on contact", "paused", "high"),
        "71": ("Closed", "resolved", "normal"),
        "72": ("Escalated", "open", "normal"),
    }
    assert tickets["71"].resolved_at == datetime(2024, 6, 3, 10, tzinfo=UTC)
    assert tickets["70"].customer_id == found[Customer]["9001"].id


def test_tables_that_fivetran_copies_are_read_too(published: Path, tmp_path: Path) -> None:
    seeds = published / "fivetran_seeds" / "hubspot"
    files = {
        f"{name}.csv": (seeds / f"{name}.csv").read_text() for name in ("contact_data", "company_data", "ticket_data")
    }
    found = imported(tmp_path, files)
    rows = {name: text.strip().count("\n") for name, text in files.items()}
    kinds = [(each.kind, not str(key).startswith("organization")) for key, each in found[Customer].items()]
    assert kinds.count(("person", True)) == rows["contact_data.csv"]
    assert kinds.count(("organization", True)) == rows["company_data.csv"]
    assert len(found[Ticket]) == rows["ticket_data.csv"]
    assert not found.rejects()


def test_rows_that_are_marked_as_deleted_become_nothing(tmp_path: Path) -> None:
    text = "id,is_deleted,property_name,property_createdate\n1,false,Acme,2020-01-01\n2,TRUE,Gone,2020-01-01\n"
    assert [each.name for each in imported(tmp_path, {"company_data.csv": text})[Customer].values()] == ["Acme"]


def test_the_words_of_a_preset_are_those_of_a_mapping_file(tmp_path: Path) -> None:
    (tmp_path / "deals.csv").write_text(DEALS.strip())
    words = words_for(tmp_path / "deals.csv", time_zone="Europe/London")
    assert words is not None
    assert (words["source"], words["time_zone"]) == ("hubspot", "Europe/London")
    mapping = mapping_for(tmp_path / "deals.csv", time_zone="Europe/London")
    assert mapping is not None
    assert [each.record for each in mapping.files] == [Deal, Employee]
