"""Exports of Mailchimp: the three files of an audience (subscribed, unsubscribed, cleaned) and the report of all campaigns.

Who subscribed has granted a consent, at the confirmation or else at the sign-up, and who unsubscribed has withdrawn it. A cleaned
address bounced; when it did stays in `custom`. The counts of the report of campaigns stay there too, because they name no recipients.

Source: <https://mailchimp.com/help/view-export-contacts/>, <https://mailchimp.com/help/download-campaign-reports/>
"""

from crmkit.io.presets.fitting import Words
from crmkit.io.presets.preset import Preset
from crmkit.io.presets.words import email, person_name, phone

_NAME = "mailchimp"
_EMAIL = "Email Address"


def _consent(state: str, at: Words | str) -> Words:
    return {
        "record": "Consent",
        "key": [_EMAIL, at["column"] if isinstance(at, dict) else at],
        "optional": True,
        "fields": {
            "customer_id": _EMAIL,
            "channel": {"value": "email"},
            "purpose": {"value": "marketing"},
            "state": {"value": state},
            "at": at,
            "evidence": {"columns": ["OPTIN_IP", "CONFIRM_IP"], "join": ", "} if state == "granted" else "UNSUB_REASON",
        },
    }


AUDIENCE = Preset(
    name=_NAME,
    table="audience",
    title="Mailchimp audience",
    required=(_EMAIL,),
    telling=("MEMBER_RATING", "OPTIN_TIME", "CONFIRM_TIME", "LEID", "EUID", "UNSUB_TIME", "CLEAN_TIME", "LAST_CHANGED"),
    enough=2,
    records=(
        {
            "record": "Customer",
            "key": _EMAIL,
            "fields": {
                "kind": {"value": "person"},
                "name": person_name("First Name | FNAME", "Last Name | LNAME", _EMAIL),
                "given_name": "First Name | FNAME",
                "family_name": "Last Name | LNAME",
                "contact_points": [
                    email(_EMAIL, primary=True),
                    phone("Phone Number | Phone"),
                    {"kind": "address", "column": "Address"},
                ],
                "country": "Country | CC",
                "tags": {"column": "TAGS", "split": ","},
                "source": "SOURCE",
                "created_at": {"column": "OPTIN_TIME", "otherwise": ["CONFIRM_TIME"]},
            },
        },
        _consent("granted", {"column": "CONFIRM_TIME", "otherwise": ["OPTIN_TIME"]}),
        _consent("withdrawn", "UNSUB_TIME"),
    ),
    left_out=("LATITUDE", "LONGITUDE", "GMTOFF", "DSTOFF", "LEID"),
)

CAMPAIGNS = Preset(
    name=_NAME,
    table="campaigns",
    title="Mailchimp campaigns",
    required=("Title", "Subject", "Send Date"),
    telling=("Successful Deliveries", "Soft Bounces", "Hard Bounces", "Unique Opens", "Abuse Complaints"),
    enough=3,
    records=(
        {
            "record": "Campaign",
            "key": ("Unique Id", ["Title", "Send Date"]),
            "fields": {
                "name": {"column": "Title", "otherwise": ["Subject"]},
                "channel": {"value": "email"},
                "segment": "List | Audience",
                "starts_on": "Send Date",
                "status": {"value": "Sent"},
                "category": {"value": "complete"},
            },
        },
    ),
    left_out=("Send Weekday", "Open Rate", "Click Rate", "Folder Id"),
)

PRESETS = (AUDIENCE, CAMPAIGNS)
