"""Lists that Pipedrive exports, with columns such as "Person - Name". A list may show the columns of several kinds of records side by
side; then it becomes all of them.

Organizations are linked by name, because Pipedrive exports no ids of what is linked; of people only those in the same row are. A deal
that is won or lost keeps its stage there; here it is at the stage "Won" or "Lost".

Source: <https://support.pipedrive.com/en/article/exporting-data-from-pipedrive>,
<https://support.pipedrive.com/en/article/importing-sample-import-spreadsheets>
"""

from crmkit.io.presets.fitting import Words
from crmkit.io.presets.preset import Preset
from crmkit.io.presets.words import (
    BY_NAME,
    address,
    email,
    means,
    member,
    organization,
    organization_named,
    owner,
    person_name,
    phone,
    web,
)

_NAME = "pipedrive"
_PLACES = ("Work", "Home", "Mobile", "Other")
_PART = "Organization - Address - {} of Address".format

_PERSON_NAME = "Person - Name"
_EMAIL = "Person - Email | Person - Email - Work | Person - Email (Work)"
_PERSON = (
    "Person - ID | Person - Pipedrive System ID",
    [_PERSON_NAME, _EMAIL],
    ["Person - First name", "Person - Last name", _EMAIL],
)
_NAMED = "Person - Organization | Deal - Organization | Lead - Organization | Activity - Organization | Organization"
_ORGANIZATION = organization_named(f"Organization - Name | {_NAMED}")
_CONTACT = "Deal - Contact person | Lead - Contact person | Activity - Contact person | Contact person"
_CUSTOMER = (_ORGANIZATION, _PERSON)

_PERSONS: Words = {
    "record": "Customer",
    "key": _PERSON,
    "fields": {
        "kind": {"value": "person"},
        "name": (
            {"column": _PERSON_NAME, "otherwise": [_EMAIL, "Person - Phone"]},
            person_name("Person - First name", "Person - Last name", _EMAIL, "Person - Phone"),
        ),
        "given_name": "Person - First name",
        "family_name": "Person - Last name",
        "birth_on": {"column": "Person - Birthday", "lenient": True},
        "contact_points": [
            email("Person - Email", split=","),
            *(email(f"Person - Email - {place}", place.lower()) for place in _PLACES),
            phone("Person - Phone", split=","),
            *(phone(f"Person - Phone - {place}", place.lower()) for place in _PLACES),
            {"kind": "address", "column": "Person - Postal address"},
        ],
        "tags": {"column": "Person - Labels | Person - Label", "split": ","},
        "owner_id": "Person - Owner",
        "created_at": "Person - Person created | Person - Creation date",
    },
}
_WITHDRAWN: Words = {
    "record": "Consent",
    "key": _PERSON,
    "only": {"Person - Marketing status": ["Unsubscribed"]},
    "optional": True,
    "fields": {
        "customer_id": _PERSON,
        "channel": {"value": "email"},
        "purpose": {"value": "marketing"},
        "state": {"value": "withdrawn"},
        "at": ("Person - Update time", {"exported_on": True}),
    },
}
_ORGANIZATIONS: Words = {
    "record": "Customer",
    "key": "Organization - Name",
    "key_prefix": BY_NAME,
    "fields": {
        "kind": {"value": "organization"},
        "name": "Organization - Name",
        "contact_points": [
            web("Organization - Website"),
            {"kind": "address", "column": "Organization - Address"},
            address(
                f"{_PART('Street/road name')}; {_PART('House number')}; {_PART('Apartment/suite no')}",
                _PART("City/town/village/locality"),
                _PART("State/county"),
                _PART("ZIP/Postal code"),
                _PART("Country"),
            ),
        ],
        "city": _PART("City/town/village/locality"),
        "country": _PART("Country"),
        "industry": "Organization - Industry",
        "tags": {"column": "Organization - Labels | Organization - Label", "split": ","},
        "owner_id": "Organization - Owner",
        "created_at": "Organization - Organization created | Organization - Creation date",
    },
}
_STAGE = "Deal - Stage | Deal - Stage (pipeline)"
_FIRST = "Qualified"
_CLOSED = {"won": "Won", "lost": "Lost"}
_DEALS: Words = {
    "record": "Deal",
    "key": ("Deal - ID | Deal - Pipedrive System ID", ["Deal - Title", f"Organization - Name | {_NAMED}", _CONTACT]),
    "fields": {
        "pipeline_id": ("Deal - Pipeline", {"value": "Pipeline"}),
        "stage": (
            {
                "column": "Deal - Status",
                "replace": {**_CLOSED, "Open": "", "open": ""},
                "otherwise": [_STAGE],
                "with": _STAGE,
            },
            _STAGE,
            {"column": "Deal - Status", "replace": {**_CLOSED, "Open": _FIRST, "open": _FIRST}},
            {"value": _FIRST},
        ),
        "name": "Deal - Title",
        "customer_id": _CUSTOMER,
        "amount": {"column": "Deal - Value", "currency_column": "Deal - Currency | Deal - Currency of Value"},
        "owner_id": "Deal - Owner",
        "probability": {"column": "Deal - Probability", "percent": True},
        "source": "Deal - Source channel | Deal - Lead Source",
        "expected_close_on": "Deal - Expected close date",
        "closed_at": (
            {"column": "Deal - Won time", "otherwise": ["Deal - Lost time"]},
            "Deal - Deal closed on | Deal - Closed on",
        ),
        "lost_reason": "Deal - Lost reason",
        "tags": {"column": "Deal - Label", "split": ","},
        "created_at": "Deal - Deal created | Deal - Creation date",
    },
}
_LEADS: Words = {
    "record": "Lead",
    "key": ("Lead - ID | Lead - Pipedrive System ID", ["Lead - Title", f"Organization - Name | {_NAMED}", _CONTACT]),
    "fields": {
        "name": f"{_CONTACT} | {_PERSON_NAME}",
        "organization_name": f"Organization - Name | {_NAMED}",
        "contact_points": [email(_EMAIL, split=","), phone("Person - Phone", split=",")],
        "source": "Lead - Source channel | Lead - Source",
        "tags": {"column": "Lead - Labels", "split": ","},
        "owner_id": "Lead - Owner",
        "created_at": "Lead - Lead created | Lead - Creation date",
    },
}
_ACTIVITIES: Words = {
    "record": "Task",
    "key": ("Activity - ID | Activity - Pipedrive System ID", ["Activity - Subject", "Activity - Due date", _CONTACT]),
    "fields": {
        "kind": means("Activity - Type", others="task", call=["Call"], appointment=["Meeting", "Lunch"]),
        "category": means("Activity - Done", others="open", done=["Done", "Yes", "True", "1"]),
        "status": "Activity - Done",
        "subject": "Activity - Subject",
        "due_at": {"columns": ["Activity - Due date", "Activity - Due time"], "lenient": True},
        "assignee_id": "Activity - Assigned to user",
        "customer_id": _CUSTOMER,
        "completed_at": "Activity - Marked as done time",
        "created_at": "Activity - Creation date | Activity - Add time",
    },
}
_KINDS = (_DEALS, _LEADS, _ACTIVITIES, _PERSONS, _ORGANIZATIONS)
_LINKED = (
    member(_PERSON, _ORGANIZATION, "Person - Job title | Person - Title"),
    _WITHDRAWN,
    organization(f"Organization - Name | {_NAMED}"),
    *map(
        owner, ("Deal - Owner", "Person - Owner", "Organization - Owner", "Lead - Owner", "Activity - Assigned to user")
    ),
)
_STAGES = (
    (_FIRST, "open", None),
    ("Contact Made", "open", None),
    ("Demo Scheduled", "open", None),
    ("Proposal Made", "open", None),
    ("Negotiations Started", "open", None),
    ("Won", "won", 1.0),
    ("Lost", "lost", 0.0),
)
_COUNTS = (
    "Open deals",
    "Won deals",
    "Lost deals",
    "Closed deals",
    "Total activities",
    "Done activities",
    "Activities to do",
    "People",
)
_LEFT_OUT = (
    "Deal - Weighted value",
    *(f"{kind} - {count}" for kind in ("Person", "Organization", "Deal") for count in _COUNTS),
)


def _list(table: str, record: Words, *telling: str) -> Preset:
    return Preset(
        name=_NAME,
        table=table,
        title=f"Pipedrive {table}",
        required=(),
        telling=telling,
        enough=2,
        records=(record, *_LINKED),
        left_out=_LEFT_OUT,
        stages=_STAGES,
    )


PERSONS = _list(
    "persons", _PERSONS, _PERSON_NAME, "Person - First name", _EMAIL, "Person - Phone", "Person - Owner", "Person - ID"
)
ORGANIZATIONS = _list(
    "organizations",
    _ORGANIZATIONS,
    "Organization - Name",
    "Organization - Address",
    "Organization - Owner",
    "Organization - ID",
)
DEALS = _list(
    "deals", _DEALS, "Deal - Title", "Deal - Value", "Deal - Stage", "Deal - Status", "Deal - Owner", "Deal - ID"
)
LEADS = _list("leads", _LEADS, "Lead - Title", "Lead - Owner", "Lead - Source channel", "Lead - ID", "Lead - Labels")
ACTIVITIES = _list(
    "activities",
    _ACTIVITIES,
    "Activity - Subject",
    "Activity - Type",
    "Activity - Due date",
    "Activity - Done",
    "Activity - ID",
)
LISTS = Preset(
    name=_NAME,
    table="lists",
    title="Pipedrive lists",
    required=(),
    telling=tuple(column for each in (PERSONS, ORGANIZATIONS, DEALS, LEADS, ACTIVITIES) for column in each.telling),
    enough=2,
    records=(*({**each, "optional": True} for each in _KINDS), *_LINKED),
    left_out=_LEFT_OUT,
    stages=_STAGES,
)

PRESETS = (PERSONS, ORGANIZATIONS, DEALS, LEADS, ACTIVITIES, LISTS)
