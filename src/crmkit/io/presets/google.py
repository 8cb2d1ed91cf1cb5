"""Exports of Google Contacts: the layout since 2024 ("First Name", "E-mail 1 - Label") and the one before ("Given Name", "E-mail 1 - Type").

There are no ids, so a contact is known by its name with its first e-mail address and telephone number.

Source: <https://support.google.com/contacts/answer/7199294>
"""

from crmkit.io.presets.preset import Preset
from crmkit.io.presets.words import address, email, member, organization, organization_named, phone, web

_MOST = 5
_SEVERAL = " ::: "
_GIVEN = "First Name | Given Name"
_FAMILY = "Last Name | Family Name"
_ORGANIZATION = "Organization Name | Organization 1 - Name"
_EMAIL = "E-mail 1 - Value"
_PHONE = "Phone 1 - Value"
_PERSON = [_GIVEN, _FAMILY, _ORGANIZATION, _EMAIL, _PHONE]
_NUMBERS = range(1, _MOST + 1)

CONTACTS = Preset(
    name="google_contacts",
    table="contacts",
    title="Google Contacts",
    required=(),
    telling=("E-mail 1 - Value", "Phone 1 - Value", "Group Membership", "Yomi Name", "Phonetic First Name", "Organization 1 - Name"),
    enough=2,
    records=(
        {
            "record": "Customer",
            "key": _PERSON,
            "fields": {
                "kind": {"value": "person"},
                "name": {
                    "columns": [_GIVEN, "Middle Name | Additional Name", _FAMILY, "Name Suffix"],
                    "otherwise": ["Nickname", _EMAIL, _ORGANIZATION, _PHONE],
                },
                "given_name": _GIVEN,
                "family_name": _FAMILY,
                "birth_on": {"column": "Birthday", "lenient": True},
                "contact_points": [
                    *(email(f"E-mail {number} - Value", split=_SEVERAL) for number in _NUMBERS),
                    *(phone(f"Phone {number} - Value", split=_SEVERAL) for number in _NUMBERS),
                    *(
                        address(
                            f"Address {number} - Street; Address {number} - Extended Address", f"Address {number} - City",
                            f"Address {number} - Region", f"Address {number} - Postal Code", f"Address {number} - Country",
                        )
                        for number in _NUMBERS
                    ),
                    *(web(f"Website {number} - Value") for number in _NUMBERS),
                ],
                "city": "Address 1 - City",
                "country": "Address 1 - Country",
                "tags": {"column": "Labels | Group Membership", "split": _SEVERAL},
            },
        },
        organization(_ORGANIZATION),
        member(_PERSON, organization_named(_ORGANIZATION), "Organization Title | Organization 1 - Title"),
    ),
    left_out=("Photo", *(f"Address {number} - Formatted" for number in _NUMBERS)),
)  # fmt: skip

PRESETS = (CONTACTS,)
