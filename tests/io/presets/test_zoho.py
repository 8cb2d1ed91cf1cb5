"""Exports of Zoho become customers, leads and deals that are linked by their ids."""

from datetime import UTC, datetime
from pathlib import Path

from crmkit.model import Consent, Contact, Customer, Deal, Employee, Lead, Money
from tests.io.presets.exports import imported

ACCOUNTS = """
Record Id,Account Owner.id,Account Owner,Account Name,Phone,Website,Billing City,Billing Code,Industry,Tag,Created Time
zcrm_1,zcrm_90,Ann Lee,Acme,+48 22 100 20 30,acme.example,Warsaw,00-950,Retail,"vip,north",2023-05-06 07:08:09
"""
CONTACTS = """
Record Id,Contact Owner.id,Contact Owner,First Name,Last Name,Account Name.id,Account Name,Email,Mobile,Email Opt Out,Unsubscribed Time,\
Mailing City,Created Time,Shoe Size
zcrm_2,zcrm_90,Ann Lee,Bob,Ray,zcrm_1,Acme,bob@acme.example,+48 600 100 200,true,2024-01-02 03:04:05,Warsaw,2023-05-07 07:08:09,42
"""
LEADS = """
Record Id,Lead Owner.id,Lead Owner,First Name,Last Name,Company,Email,Lead Status,Lead Source,Is Converted,Converted Contact.id
zcrm_3,zcrm_90,Ann Lee,Cy,Oh,Beta,cy@beta.example,Contacted,Web,false,
zcrm_4,zcrm_90,Ann Lee,Bob,Ray,Acme,bob@acme.example,Contacted,Web,true,zcrm_2
"""
DEALS = """
Record Id,Deal Owner.id,Deal Owner,Amount,Deal Name,Closing Date,Account Name.id,Account Name,Stage,Probability (%),Pipeline,Currency,Created Time
zcrm_5,zcrm_90,Ann Lee,"1,250.00",Shop,2024-02-01,zcrm_1,Acme,Closed Won,100,Standard,PLN,2023-06-01 08:00:00
zcrm_6,zcrm_91,Ben Fox,300,Kiosk,2026-02-01,,,Closed-Lost to Competition,0,Standard,PLN,2023-06-01 08:00:00
"""
FILES = {"Accounts.csv": ACCOUNTS, "Contacts.csv": CONTACTS, "Leads.csv": LEADS, "Deals.csv": DEALS}


def test_people_accounts_and_owners_are_linked(tmp_path: Path) -> None:
    found = imported(tmp_path, FILES)
    customers, [link] = found[Customer], found[Contact].values()
    assert {key: each.kind for key, each in customers.items()} == {"zcrm_1": "organization", "zcrm_2": "person"}
    assert (link.person_id, link.organization_id) == (customers["zcrm_2"].id, customers["zcrm_1"].id)
    assert customers["zcrm_1"].tags == {"vip", "north"}
    assert customers["zcrm_2"].custom == {"Account Name": "Acme", "Shoe Size": "42"}
    assert customers["zcrm_2"].owner_id == found[Employee]["Ann Lee"].id


def test_an_opt_out_is_withdrawn_at_its_time(tmp_path: Path) -> None:
    [consent] = imported(tmp_path, FILES)[Consent].values()
    assert (consent.state, consent.at) == ("withdrawn", datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC))


def test_an_opt_out_without_a_time_of_its_own_is_as_old_as_the_latest_change(tmp_path: Path) -> None:
    text = "Record Id,Contact Owner.id,Last Name,Email Opt Out,Unsubscribed Time,Modified Time\nzcrm_2,,Ray,true,,2024-03-04 05:06:07\n"
    [consent] = imported(tmp_path, {"Contacts.csv": text})[Consent].values()
    assert consent.at == datetime(2024, 3, 4, 5, 6, 7, tzinfo=UTC)


def test_a_converted_lead_has_the_contact_that_it_became(tmp_path: Path) -> None:
    found = imported(tmp_path, FILES)
    assert {key: each.category for key, each in found[Lead].items()} == {"zcrm_3": "open", "zcrm_4": "converted"}
    assert found[Lead]["zcrm_4"].customer_id == found[Customer]["zcrm_2"].id


def test_deals_are_won_and_lost(tmp_path: Path) -> None:
    deals = imported(tmp_path, FILES)[Deal]
    assert {key: (each.category, each.amount) for key, each in deals.items()} == {
        "zcrm_5": ("won", Money("1250", "PLN")),
        "zcrm_6": ("lost", Money("300", "PLN")),
    }
    assert deals["zcrm_6"].customer_id is None
