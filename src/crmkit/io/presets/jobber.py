"""The list of clients that Jobber exports. There are no ids, so a client is known by name with the e-mail address."""

from crmkit.io.presets.preset import Preset
from crmkit.io.presets.words import address, email, member, organization, organization_named, phone

_EMAIL = "Email | E-mails"
_PERSON = ["Client Name | Display Name", _EMAIL]

CLIENTS = Preset(
    name="jobber",
    table="clients",
    title="Jobber clients",
    required=("Client Name | Display Name", "Company Name", "First Name", "Last Name"),
    telling=("Phone Number", "Main Phone #s", "Mobile Phone #s", "Billing Street 1", "Service Street 1", "Zip"),
    enough=2,
    records=(
        {
            "record": "Customer",
            "key": _PERSON,
            "fields": {
                "kind": {"value": "person"},
                "name": {"columns": ["First Name", "Last Name"], "otherwise": ["Client Name | Display Name"]},
                "given_name": "First Name",
                "family_name": "Last Name",
                "contact_points": [
                    email(_EMAIL, split=","),
                    phone("Phone Number | Main Phone #s", split=","),
                    phone("Mobile Phone #s", "mobile", split=","),
                    address(
                        "Street | Billing Street 1; Billing Street 2", "City | Billing City", "State | Billing State",
                        "Zip | Billing Zip code", "Country | Billing Country",
                    ),
                ],
                "city": "City | Billing City",
                "country": "Country | Billing Country",
                "tags": {"column": "Tags", "split": ","},
            },
        },
        organization("Company Name"),
        member(_PERSON, organization_named("Company Name"), "Title"),
    ),
)  # fmt: skip

PRESETS = (CLIENTS,)
