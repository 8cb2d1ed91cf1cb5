"""Exports of Salesforce: reports, whose columns have labels, and the Data Loader or a data export, whose columns have API names.

Ids are unique among all kinds of records. The probability of an opportunity is kept as somebody's own estimate, because a
report does not tell whether it is the stage's.

Source: <https://developer.salesforce.com/docs/atlas.en-us.object_reference.meta/object_reference/sforce_api_objects_list.htm>
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

_NAME = "salesforce"
_CREATED = "Created Date | CreatedDate"
_MODIFIED = "Last Modified Date | LastModifiedDate"
_ORGANIZATION = ({"column": "Account ID", "needs": "accounts"}, organization_named("Account Name"))
_LEFT_OUT = (
    "MasterRecordId", "SystemModstamp", "LastModifiedById", "LastViewedDate", "LastReferencedDate",
    "PhotoUrl", "HasOpportunityLineItem", "Fiscal", "FiscalQuarter", "FiscalYear", "Fiscal Period", "Age", "Last Modified By",
    "HasOpenActivity", "HasOverdueTask",
)  # fmt: skip

_ACCOUNT = "Account ID | Id"
_ACCOUNT_NAME = "Account Name | Name"
_ACCOUNT_OWNER = "Account Owner | OwnerId"

ACCOUNTS = Preset(
    name=_NAME,
    table="accounts",
    title="Salesforce accounts",
    required=("Account Name | Name",),
    telling=(
        "Billing State/Province", "Billing Zip/Postal Code", "Account Owner", "Account ID", "BillingPostalCode", "MasterRecordId",
        "SystemModstamp", "OwnerId", "IsDeleted",
    ),
    enough=2,
    records=(
        {
            "record": "Customer",
            "key": (_ACCOUNT, _ACCOUNT_NAME),
            "fields": {
                "kind": {"value": "organization"},
                "name": _ACCOUNT_NAME,
                "contact_points": [
                    phone("Phone"),
                    web("Website"),
                    address(
                        "Billing Street", "Billing City", "Billing State/Province | BillingState",
                        "Billing Zip/Postal Code | BillingPostalCode", "Billing Country", "billing",
                    ),
                    address(
                        "Shipping Street", "Shipping City", "Shipping State/Province | ShippingState",
                        "Shipping Zip/Postal Code | ShippingPostalCode", "Shipping Country", "shipping",
                    ),
                ],
                "city": "Billing City",
                "country": "Billing Country",
                "industry": "Industry",
                "source": "Account Source",
                "owner_id": _ACCOUNT_OWNER,
                "created_at": _CREATED,
            },
        },
        owner(_ACCOUNT_OWNER),
    ),
    deleted="IsDeleted",
    left_out=_LEFT_OUT,
)  # fmt: skip

_CONTACT = "Contact ID | Id"
_PERSON = (_CONTACT, ["First Name", "Last Name", "Email"])
_CONTACT_OWNER = "Contact Owner | OwnerId"

CONTACTS = Preset(
    name=_NAME,
    table="contacts",
    title="Salesforce contacts",
    required=("Last Name | LastName",),
    telling=(
        "Mailing State/Province", "Mailing Zip/Postal Code", "MailingPostalCode", "ReportsToId", "HasOptedOutOfEmail",
        "EmailBouncedDate",
    ),
    records=(
        {
            "record": "Customer",
            "key": _PERSON,
            "fields": {
                "kind": {"value": "person"},
                "name": person_name("First Name", "Last Name", "Email", "Phone"),
                "given_name": "First Name",
                "family_name": "Last Name",
                "birth_on": {"column": "Birthdate", "lenient": True},
                "contact_points": [
                    email("Email", primary=True),
                    phone("Phone | Business Phone", "work"),
                    phone("Mobile | MobilePhone", "mobile"),
                    phone("Home Phone", "home"),
                    phone("Other Phone", "other"),
                    address(
                        "Mailing Street", "Mailing City", "Mailing State/Province | MailingState",
                        "Mailing Zip/Postal Code | MailingPostalCode", "Mailing Country",
                    ),
                    address(
                        "Other Street", "Other City", "Other State/Province | OtherState",
                        "Other Zip/Postal Code | OtherPostalCode", "Other Country", "other",
                    ),
                ],
                "city": "Mailing City",
                "country": "Mailing Country",
                "source": "Lead Source",
                "owner_id": _CONTACT_OWNER,
                "created_at": _CREATED,
            },
        },
        owner(_CONTACT_OWNER),
        organization("Account Name"),
        member(_PERSON, _ORGANIZATION, "Title"),
        opt_out(_PERSON, "Email Opt Out | HasOptedOutOfEmail", _MODIFIED),
        opt_out(_PERSON, "Do Not Call", _MODIFIED, channel="phone"),
    ),
    deleted="IsDeleted",
    left_out=_LEFT_OUT,
)  # fmt: skip

_LEAD = "Lead ID | Id"
_LEAD_STATUS = "Lead Status | Status"
_LEAD_OWNER = "Lead Owner | OwnerId"

LEADS = Preset(
    name=_NAME,
    table="leads",
    title="Salesforce leads",
    required=("Last Name | LastName", "Company | Company / Account", "Lead Status | Status"),
    telling=("Company / Account", "ConvertedAccountId", "ConvertedContactId", "IsUnreadByOwner", "IsConverted"),
    records=(
        {
            "record": "Lead",
            "key": (_LEAD, ["First Name", "Last Name", "Email", "Company | Company / Account"]),
            "fields": {
                "status": _LEAD_STATUS,
                "category": means(
                    _LEAD_STATUS,
                    others="open",
                    converted=["Closed - Converted", "Converted", "Qualified - Converted"],
                    disqualified=["Closed - Not Converted", "Unqualified", "Disqualified"],
                ),
                "name": person_name("First Name", "Last Name", "Email", "Phone"),
                "organization_name": "Company | Company / Account",
                "job_title": "Title",
                "contact_points": [
                    email("Email", primary=True),
                    phone("Phone", "work"),
                    phone("Mobile | MobilePhone", "mobile"),
                    web("Website"),
                    address("Street", "City", "State/Province | State", "Zip/Postal Code | PostalCode", "Country"),
                ],
                "source": "Lead Source",
                "owner_id": _LEAD_OWNER,
                "converted_at": "Converted Date",
                "customer_id": "ConvertedContactId",
                "organization_id": "ConvertedAccountId",
                "deal_id": "ConvertedOpportunityId",
                "created_at": _CREATED,
            },
        },
        owner(_LEAD_OWNER),
    ),
    deleted="IsDeleted",
    left_out=_LEFT_OUT,
)  # fmt: skip

_STAGES = (
    ("Prospecting", "open", 0.1),
    ("Qualification", "open", 0.1),
    ("Needs Analysis", "open", 0.2),
    ("Value Proposition", "open", 0.5),
    ("Id. Decision Makers", "open", 0.6),
    ("Perception Analysis", "open", 0.7),
    ("Proposal/Price Quote", "open", 0.75),
    ("Negotiation/Review", "open", 0.9),
    ("Closed Won", "won", 1.0),
    ("Closed Lost", "lost", 0.0),
)
_OPPORTUNITY = "Opportunity ID | Id"
_OPPORTUNITY_OWNER = "Opportunity Owner | OwnerId"

OPPORTUNITIES = Preset(
    name=_NAME,
    table="opportunities",
    title="Salesforce opportunities",
    required=("Opportunity Name | Name", "Stage | StageName", "Close Date | CloseDate"),
    telling=(
        "Opportunity Owner", "Fiscal Period", "ForecastCategoryName", "IsWon", "HasOpportunityLineItem",
    ),
    records=(
        {
            "record": "Deal",
            "key": (_OPPORTUNITY, ["Opportunity Name", "Account Name", _CREATED]),
            "fields": {
                "pipeline_id": {"value": "Opportunities"},
                "stage": "Stage | StageName",
                "name": "Opportunity Name | Name",
                "customer_id": _ORGANIZATION,
                "amount": {"column": "Amount", "currency_column": "Amount Currency | Opportunity Currency | CurrencyIsoCode"},
                "owner_id": _OPPORTUNITY_OWNER,
                "probability": {"column": "Probability (%) | Probability", "percent": True},
                "forecast_category": "Forecast Category | ForecastCategoryName",
                "source": "Lead Source",
                "next_step": "Next Step",
                "expected_close_on": "Close Date",
                "closed_at": "Close Date",
                "lost_reason": "Loss Reason | Closed Lost Reason",
                "created_at": _CREATED,
            },
        },
        owner(_OPPORTUNITY_OWNER),
        organization("Account Name"),
    ),
    deleted="IsDeleted",
    left_out=(*_LEFT_OUT, "Expected Revenue", "IsClosed", "IsWon", "Closed", "Won"),
    stages=_STAGES,
)  # fmt: skip

_CASE = "Case ID | Id"
_CASE_OWNER = "Case Owner | OwnerId"

CASES = Preset(
    name=_NAME,
    table="cases",
    title="Salesforce cases",
    required=("Case Number | CaseNumber", "Status"),
    telling=(
        "Date/Time Opened", "Date/Time Closed", "Case Owner", "Case Origin", "SuppliedEmail", "IsEscalated", "ContactId", "ClosedDate",
        "OwnerId",
    ),
    enough=2,
    records=(
        {
            "record": "Ticket",
            "key": (_CASE, "Case Number"),
            "fields": {
                "number": "Case Number",
                "status": "Status",
                "category": means(
                    "Status",
                    others="open",
                    paused=["On Hold", "Waiting on Customer", "Waiting for Customer", "Pending"],
                    resolved=["Closed", "Resolved", "Solved"],
                ),
                "customer_id": ({"column": "Contact ID", "needs": "contacts"}, *_ORGANIZATION),
                "subject": "Subject",
                "channel": "Case Origin | Origin",
                "topic": "Case Reason | Reason",
                "kind": "Type",
                "priority": means("Priority", others="normal", low=["Low"], high=["High"], urgent=["Urgent", "Critical"]),
                "assignee_id": _CASE_OWNER,
                "resolved_at": "Date/Time Closed | ClosedDate",
                "closed_at": "Date/Time Closed | ClosedDate",
                "created_at": "Date/Time Opened | CreatedDate",
            },
        },
        owner(_CASE_OWNER),
        organization("Account Name"),
    ),
    deleted="IsDeleted",
    left_out=(*_LEFT_OUT, "IsClosed", "Closed"),
)  # fmt: skip

_ENTERED = "StageName | To Stage"
_AT = "CreatedDate | Last Modified"

OPPORTUNITY_HISTORY = Preset(
    name=_NAME,
    table="opportunity history",
    title="Salesforce opportunity history",
    required=("Opportunity ID | OpportunityId", _ENTERED, "CreatedDate | Last Modified"),
    telling=("To Stage", "From Stage", "PrevAmount", "PrevCloseDate", "PrevForecastUpdate", "ForecastCategory"),
    records=(
        {
            "record": "Transition",
            "key": ("Id", ["Opportunity ID", _ENTERED, _AT]),
            "fields": {
                "subject": {"value": "Deal"},
                "subject_id": "Opportunity ID",
                "field": {"value": "stage"},
                "before": "From Stage",
                "after": _ENTERED,
                "category_after": means(_ENTERED, others="open", won=["Closed Won"], lost=["Closed Lost"]),
                "at": _AT,
            },
        },
    ),
    deleted="IsDeleted",
    left_out=_LEFT_OUT,
)

PRESETS = (ACCOUNTS, CONTACTS, LEADS, OPPORTUNITIES, OPPORTUNITY_HISTORY, CASES)
