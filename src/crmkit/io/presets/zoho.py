"""Exports of Zoho CRM, as its pages export them and as its data backup writes them, with the ids of what is linked ("Account Name.id").

Ids are unique among all kinds of records.

Source: <https://help.zoho.com/portal/en/kb/crm/data-administration/export-data/articles/export-data>
"""

from crmkit.io.presets.preset import Preset
from crmkit.io.presets.words import (
    address,
    email,
    means,
    member,
    opt_out,
    organization,
    organization_named,
    owner,
    person_name,
    phone,
    web,
)

_NAME = "zoho"
_CREATED = "Created Time"
_ORGANIZATION = ({"column": "Account Name.id", "needs": "accounts"}, organization_named("Account Name"))
_LEFT_OUT = (
    "Created By.id", "Created By", "Modified By.id", "Modified By", "Modified Time", "Change Log Time", "Locked",
    "Last Enriched Time", "Enrich Status", "Layout", "Layout.id",
)  # fmt: skip

_CONTACT = "Record Id | Contact Id"
_CONTACT_OWNER = "Contact Owner"

CONTACTS = Preset(
    name=_NAME,
    table="contacts",
    title="Zoho contacts",
    required=(_CONTACT, "Last Name"),
    telling=(
        "Contact Owner.id",
        "Account Name.id",
        "Vendor Name.id",
        "Reporting To.id",
        "Created By.id",
        "Modified By.id",
    ),
    records=(
        {
            "record": "Customer",
            "key": _CONTACT,
            "fields": {
                "kind": {"value": "person"},
                "name": person_name("First Name", "Last Name", "Email", "Phone", "Mobile"),
                "given_name": "First Name",
                "family_name": "Last Name",
                "birth_on": {"column": "Date of Birth", "lenient": True},
                "contact_points": [
                    email("Email", primary=True),
                    email("Secondary Email", "other"),
                    phone("Phone", "work"),
                    phone("Mobile", "mobile"),
                    phone("Home Phone", "home"),
                    phone("Other Phone", "other"),
                    address("Mailing Street", "Mailing City", "Mailing State", "Mailing Zip", "Mailing Country"),
                    address("Other Street", "Other City", "Other State", "Other Zip", "Other Country", "other"),
                ],
                "city": "Mailing City",
                "country": "Mailing Country",
                "source": "Lead Source",
                "tags": {"column": "Tag", "split": ","},
                "owner_id": _CONTACT_OWNER,
                "created_at": _CREATED,
            },
        },
        owner(_CONTACT_OWNER),
        organization("Account Name"),
        member(_CONTACT, _ORGANIZATION, "Title"),
        opt_out(_CONTACT, "Email Opt Out", "Unsubscribed Time", "Modified Time"),
    ),
    left_out=(*_LEFT_OUT, "Contact Owner.id", "Contact Name"),
)

_ACCOUNT = "Record Id | Account Id"

ACCOUNTS = Preset(
    name=_NAME,
    table="accounts",
    title="Zoho accounts",
    required=(_ACCOUNT, "Account Name"),
    telling=("Account Owner.id", "Parent Account.id", "Created By.id", "Modified By.id"),
    records=(
        {
            "record": "Customer",
            "key": _ACCOUNT,
            "fields": {
                "kind": {"value": "organization"},
                "name": "Account Name",
                "contact_points": [
                    phone("Phone"),
                    web("Website"),
                    address(
                        "Billing Street", "Billing City", "Billing State", "Billing Code", "Billing Country", "billing"
                    ),
                    address(
                        "Shipping Street",
                        "Shipping City",
                        "Shipping State",
                        "Shipping Code",
                        "Shipping Country",
                        "shipping",
                    ),
                ],
                "city": "Billing City",
                "country": "Billing Country",
                "industry": "Industry",
                "tags": {"column": "Tag", "split": ","},
                "owner_id": "Account Owner",
                "created_at": _CREATED,
            },
        },
        owner("Account Owner"),
    ),
    left_out=(*_LEFT_OUT, "Account Owner.id"),
)

_LEAD = "Record Id | Lead Id"

LEADS = Preset(
    name=_NAME,
    table="leads",
    title="Zoho leads",
    required=(_LEAD, "Last Name", "Lead Status"),
    telling=("Lead Owner.id", "Converted Account.id", "Created By.id", "Modified By.id"),
    records=(
        {
            "record": "Lead",
            "key": _LEAD,
            "fields": {
                "status": "Lead Status",
                "category": (
                    means("Is Converted", others="open", converted=["true"]),
                    means("Lead Status", others="open", disqualified=["Junk Lead", "Lost Lead", "Not Qualified"]),
                ),
                "name": person_name("First Name", "Last Name", "Email", "Phone", "Mobile"),
                "organization_name": "Company",
                "job_title": "Title",
                "contact_points": [
                    email("Email", primary=True),
                    email("Secondary Email", "other"),
                    phone("Phone", "work"),
                    phone("Mobile", "mobile"),
                    web("Website"),
                    address("Street", "City", "State", "Zip Code", "Country"),
                ],
                "source": "Lead Source",
                "tags": {"column": "Tag", "split": ","},
                "owner_id": "Lead Owner",
                "converted_at": "Converted Date Time | Lead Conversion Time",
                "customer_id": "Converted Contact.id",
                "organization_id": "Converted Account.id",
                "deal_id": "Converted Deal.id",
                "created_at": _CREATED,
            },
        },
        owner("Lead Owner"),
    ),
    left_out=(*_LEFT_OUT, "Lead Owner.id", "Lead Name", "Converted Account", "Converted Contact", "Converted Deal"),
)

_DEAL = "Record Id | Deal Id"

DEALS = Preset(
    name=_NAME,
    table="deals",
    title="Zoho deals",
    required=(_DEAL, "Deal Name", "Stage"),
    telling=("Deal Owner.id", "Account Name.id", "Contact Name.id", "Created By.id", "Modified By.id"),
    records=(
        {
            "record": "Deal",
            "key": _DEAL,
            "fields": {
                "pipeline_id": ("Pipeline", {"value": "Standard"}),
                "stage": "Stage",
                "name": "Deal Name",
                "customer_id": (*_ORGANIZATION, {"column": "Contact Name.id", "needs": "contacts"}),
                "amount": {"column": "Amount", "currency_column": "Currency"},
                "owner_id": "Deal Owner",
                "probability": {"column": "Probability (%) | Probability", "percent": True},
                "source": "Lead Source",
                "next_step": "Next Step",
                "expected_close_on": "Closing Date",
                "closed_at": "Closing Date",
                "lost_reason": "Reason For Loss | Reason For Loss__s",
                "tags": {"column": "Tag", "split": ","},
                "created_at": _CREATED,
            },
        },
        owner("Deal Owner"),
        organization("Account Name"),
    ),
    left_out=(*_LEFT_OUT, "Deal Owner.id", "Expected Revenue", "Pipeline.id", "Exchange Rate"),
    stages=(
        ("Qualification", "open", 0.1),
        ("Needs Analysis", "open", 0.2),
        ("Value Proposition", "open", 0.4),
        ("Identify Decision Makers", "open", 0.6),
        ("Proposal/Price Quote", "open", 0.75),
        ("Negotiation/Review", "open", 0.9),
        ("Closed Won", "won", 1.0),
        ("Closed Lost", "lost", 0.0),
        ("Closed-Lost to Competition", "lost", 0.0),
    ),
)

PRESETS = (CONTACTS, ACCOUNTS, LEADS, DEALS)
