"""Contacts as Outlook and Outlook.com export them. There are no ids, so a contact is known by its name with its e-mail address.

Source: <https://support.microsoft.com/en-us/office/create-or-edit-csv-files-to-import-into-outlook-4518d70d-8fe9-46ad-94fa-1494247193c7>
"""

from crmkit.io.presets.preset import Preset
from crmkit.io.presets.words import address, email, member, organization, organization_named, phone, web

_EMAIL = "E-mail Address"
_PERSON = ["First Name", "Middle Name", "Last Name", "Company", _EMAIL]
_PHONES = {
    "Business Phone": "work", "Business Phone 2": "work", "Mobile Phone": "mobile", "Home Phone": "home", "Home Phone 2": "home",
    "Primary Phone": "main", "Car Phone": "car", "Other Phone": "other", "Business Fax": "work fax", "Home Fax": "home fax",
}  # fmt: skip

CONTACTS = Preset(
    name="outlook",
    table="contacts",
    title="Outlook contacts",
    required=("First Name", "E-mail Address"),
    telling=(
        "Business Phone", "Home Phone", "Business Street", "Home Street", "Business City", "Home City", "E-mail Display Name",
        "E-mail Type", "E-mail 2 Address", "Given Name Yomi", "Business Fax", "Car Phone", "Web Page", "Spouse",
    ),
    enough=4,
    records=(
        {
            "record": "Customer",
            "key": _PERSON,
            "fields": {
                "kind": {"value": "person"},
                "name": {"columns": ["First Name", "Middle Name", "Last Name", "Suffix"], "otherwise": [_EMAIL, "Company", *_PHONES]},
                "given_name": "First Name",
                "family_name": "Last Name",
                "birth_on": {"column": "Birthday", "lenient": True},
                "contact_points": [
                    email(_EMAIL, primary=True),
                    email("E-mail 2 Address"),
                    email("E-mail 3 Address"),
                    *(phone(column, label) for column, label in _PHONES.items()),
                    *(
                        address(
                            f"{place} Street; {place} Street 2; {place} Street 3", f"{place} City", f"{place} State",
                            f"{place} Postal Code", f"{place} Country/Region | {place} Country", label,
                        )
                        for place, label in (("Business", "work"), ("Home", "home"), ("Other", "other"))
                    ),
                    web("Web Page"),
                ],
                "city": "Business City | Home City",
                "country": "Business Country/Region | Business Country | Home Country/Region | Home Country",
                "tags": {"column": "Categories", "split": ";"},
            },
        },
        organization("Company"),
        member(_PERSON, organization_named("Company"), "Job Title"),
    ),
    left_out=(
        "E-mail Display Name", "E-mail 2 Display Name", "E-mail 3 Display Name", "E-mail Type", "E-mail 2 Type", "E-mail 3 Type",
        "Priority", "Private", "Sensitivity", "Initials",
    ),
)  # fmt: skip

PRESETS = (CONTACTS,)
