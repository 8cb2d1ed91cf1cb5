"""Exports of HubSpot, as its pages export them and under the names of its API (`property_...` in tables that Fivetran copies).

Contacts and companies are numbered apart, so the keys of companies begin with a word of their own. Of several associated companies the primary
one is linked where a column names it.

Source: <https://knowledge.hubspot.com/import-and-export/export-records>,
<https://knowledge.hubspot.com/properties/hubspots-default-contact-properties>
"""

import attrs

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

_NAME = "hubspot"
_COMPANIES = "company "
_ID = "Record ID | Contact ID | id | hs_object_id"
_COMPANY_IDS = (
    "Primary Associated Company ID | Associated Company IDs (Primary) | Associated Company IDs | Associated Company ID"
)
_CONTACT_IDS = "Associated Contact IDs (Primary) | Associated Contact IDs | Associated Contact ID"
_COMPANY = "Associated Company | Associated Company (Primary) | Company Name | property_company | Company"
_ORGANIZATION = (
    {"column": _COMPANY_IDS, "prefix": _COMPANIES, "split": ";", "needs": "companies"},
    organization_named(_COMPANY),
)
_DELETED = "is_deleted | _fivetran_deleted"
_CREATED = "Create Date | property_createdate | createdate"
_ADDRESS = address(
    "Street Address | property_address | address; Street Address 2 | property_address_2 | address2",
    "City | property_city",
    "State/Region | property_state | state",
    "Postal Code | property_zip | zip",
    "Country/Region | Country | property_country",
)

CONTACTS = Preset(
    name=_NAME,
    table="contacts",
    title="HubSpot contacts",
    required=("Record ID | hs_object_id", "First Name | firstname", "Email"),
    telling=(
        "Contact owner", "Lead Status", "Lifecycle Stage", "Associated Company", "Associated Company IDs", "State/Region",
        "Country/Region", "Marketing contact status", "Original Source", "Original Traffic Source", "Last Activity Date",
        "lifecyclestage", "hs_lead_status", "createdate",
    ),
    records=(
        {
            "record": "Customer",
            "key": _ID,
            "fields": {
                "kind": {"value": "person"},
                "name": person_name(
                    "First Name | property_firstname", "Last Name | property_lastname",
                    "Email | property_email", "Phone Number | Phone | property_phone", "Mobile Phone Number",
                ),
                "given_name": "First Name | property_firstname",
                "family_name": "Last Name | property_lastname",
                "contact_points": [
                    email("Email | property_email", primary=True),
                    email("Additional email addresses", split=";"),
                    phone("Phone Number | Phone | property_phone"),
                    phone("Mobile Phone Number | property_mobilephone", "mobile"),
                    web("Website URL | property_website"),
                    _ADDRESS,
                ],
                "city": "City | property_city",
                "country": "Country/Region | Country | property_country",
                "language": "Preferred language | hs_language",
                "source": "Original Source | Original Traffic Source | hs_analytics_source",
                "owner_id": "Contact owner | hubspot_owner_id | property_hubspot_owner_id",
                "created_at": _CREATED,
            },
        },
        owner("Contact owner | hubspot_owner_id | property_hubspot_owner_id"),
        organization(_COMPANY),
        member(_ID, _ORGANIZATION, "Job Title | property_jobtitle"),
        opt_out(_ID, "Unsubscribed from all email | hs_email_optout", "Last Modified Date | lastmodifieddate"),
    ),
    deleted=_DELETED,
    left_out=("_fivetran_synced", "Number of Associated Deals", "Last Modified Date"),
)  # fmt: skip

COMPANIES = Preset(
    name=_NAME,
    table="companies",
    title="HubSpot companies",
    required=("Record ID", "Company name"),
    telling=(
        "Company owner", "Company Domain Name", "Lifecycle Stage", "State/Region", "Country/Region", "Last Activity Date",
    ),
    records=(
        {
            "record": "Customer",
            "key_prefix": _COMPANIES,
            "key": "Record ID | Company ID | id | hs_object_id",
            "fields": {
                "kind": {"value": "organization"},
                "name": {"column": "Company name | property_name", "otherwise": ["Company Domain Name | property_domain"]},
                "contact_points": [
                    phone("Phone Number | property_phone"),
                    web("Website URL | property_website"),
                    web("Company Domain Name | property_domain"),
                    _ADDRESS,
                ],
                "city": "City | property_city",
                "country": "Country/Region | Country | property_country",
                "industry": "Industry | property_industry",
                "source": "Original Source Type | Original Traffic Source | hs_analytics_source",
                "owner_id": "Company owner | hubspot_owner_id | property_hubspot_owner_id",
                "created_at": _CREATED,
            },
        },
        owner("Company owner | hubspot_owner_id | property_hubspot_owner_id"),
    ),
    deleted=_DELETED,
    left_out=("_fivetran_synced", "Number of Associated Contacts", "Number of Associated Deals", "Last Modified Date"),
)  # fmt: skip

_STAGES = (
    ("Appointment Scheduled", "open", 0.2),
    ("Qualified To Buy", "open", 0.4),
    ("Presentation Scheduled", "open", 0.6),
    ("Decision Maker Bought-In", "open", 0.8),
    ("Contract Sent", "open", 0.9),
    ("Closed Won", "won", 1.0),
    ("Closed Lost", "lost", 0.0),
)
_DEAL_OWNER = "Deal owner | hubspot_owner_id | owner_id"

DEALS = Preset(
    name=_NAME,
    table="deals",
    title="HubSpot deals",
    required=("Record ID | hs_object_id", "Deal Name | dealname", "Deal Stage | dealstage"),
    telling=(
        "Deal owner", "Amount in company currency", "Associated Company IDs", "Associated Contact IDs", "Closed Lost Reason",
        "Deal Type", "Close Date", "Pipeline", "hubspot_owner_id", "dealtype",
    ),
    records=(
        {
            "record": "Deal",
            "key": "Record ID | Deal ID | id | deal_id | hs_object_id",
            "fields": {
                "pipeline_id": ("Pipeline | deal_pipeline_id", {"value": "Sales Pipeline"}),
                "stage": "Deal Stage | dealstage | deal_pipeline_stage_id",
                "name": "Deal Name | property_dealname",
                "customer_id": (
                    _ORGANIZATION[0],
                    {"column": _CONTACT_IDS, "split": ";", "needs": "contacts"},
                    organization_named(_COMPANY),
                ),
                "amount": {"column": "Amount | property_amount", "currency_column": "Currency | deal_currency_code"},
                "owner_id": _DEAL_OWNER,
                "probability": "Deal probability | hs_deal_stage_probability",
                "forecast_category": "Forecast category | hs_manual_forecast_category",
                "source": "Original Traffic Source | Original Source Type | hs_analytics_source",
                "next_step": "Next step | hs_next_step",
                "expected_close_on": "Close Date | property_closedate | closedate",
                "closed_at": "Close Date | property_closedate | closedate",
                "lost_reason": "Closed Lost Reason | closed_lost_reason",
                "created_at": _CREATED,
            },
        },
        owner(_DEAL_OWNER),
        organization(_COMPANY),
    ),
    deleted=_DELETED,
    left_out=("_fivetran_synced", "Amount in company currency", "Weighted amount", "Last Modified Date"),
    stages=_STAGES,
    entered=r"Date entered [\"“'](.+)[\"”'].*",
)  # fmt: skip

_TICKET_OWNER = "Ticket owner | hubspot_owner_id | property_hubspot_owner_id"

TICKETS = Preset(
    name=_NAME,
    table="tickets",
    title="HubSpot tickets",
    required=("Ticket ID | Record ID", "Ticket name", "Ticket status"),
    telling=("Ticket owner", "Ticket description", "Pipeline", "Create date"),
    records=(
        {
            "record": "Ticket",
            "key": "Ticket ID | Record ID | id | hs_object_id",
            "fields": {
                "number": "Ticket ID | Record ID | id | hs_object_id",
                "status": "Ticket status | hs_pipeline_stage | property_hs_pipeline_stage",
                "category": means(
                    "Ticket status | hs_pipeline_stage | property_hs_pipeline_stage",
                    others="open",
                    paused=["Waiting on contact", "Waiting on contact (Support Pipeline)", "2"],
                    resolved=["Closed", "Closed (Support Pipeline)", "4"],
                ),
                "customer_id": (
                    {"column": _CONTACT_IDS, "split": ";", "needs": "contacts"},
                    *_ORGANIZATION,
                ),
                "subject": "Ticket name | property_subject | subject",
                "channel": "Source | source_type",
                "topic": "Category | property_hs_ticket_category | hs_ticket_category",
                "priority": means(
                    "Priority | property_hs_ticket_priority | hs_ticket_priority",
                    others="normal",
                    low=["low"],
                    high=["high"],
                    urgent=["urgent"],
                ),
                "group": "Pipeline | property_hs_pipeline | hs_pipeline",
                "assignee_id": _TICKET_OWNER,
                "first_responded_at": "First agent email response date | property_first_agent_reply_date | first_agent_reply_date",
                "resolved_at": "Close date | property_closed_date | closed_date",
                "closed_at": "Close date | property_closed_date | closed_date",
                "created_at": _CREATED,
            },
        },
        owner(_TICKET_OWNER),
        organization(_COMPANY),
    ),
    deleted=_DELETED,
    left_out=("_fivetran_synced", "Time to close", "Time to first agent email reply", "Last Modified Date"),
)  # fmt: skip


def _copied(preset: Preset, *required: str) -> Preset:
    """The table that Fivetran makes of the same records, under the names of the API."""
    return attrs.evolve(preset, required=required, telling=("_fivetran_synced", "property_createdate", "portal_id"))


PRESETS = (
    CONTACTS,
    COMPANIES,
    DEALS,
    TICKETS,
    _copied(CONTACTS, "id", "property_firstname", "property_email"),
    _copied(COMPANIES, "id", "property_name"),
    _copied(DEALS, "deal_id", "property_dealname", "deal_pipeline_stage_id"),
    _copied(TICKETS, "id", "property_hs_pipeline_stage", "property_subject"),
)
