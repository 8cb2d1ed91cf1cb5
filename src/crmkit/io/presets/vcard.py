"""Address books as vCards, with the columns of `crmkit.io.formats.vcard`. A card is known by its UID, where it has one, and its name.

Source: <https://www.rfc-editor.org/rfc/rfc6350>
"""

from crmkit.io.presets.preset import Preset
from crmkit.io.presets.words import address, email, member, organization, organization_named, phone, web

_MOST = 6
_PARTS = ["FN", "N family", "N given", "ORG", "EMAIL", "TEL", "URL"]
_CARD = tuple([first, *_PARTS] for first in ("UID", *_PARTS))
_NUMBERS = ("", *(f" {number}" for number in range(2, _MOST + 1)))

CARDS = Preset(
    name="vcard",
    table="cards",
    title="vCards",
    required=("VERSION",),
    telling=("FN", "N family", "N given"),
    records=(
        {
            "record": "Customer",
            "key": _CARD,
            "fields": {
                "kind": {"value": "person"},
                "name": {
                    "columns": ["N given", "N additional", "N family"],
                    "otherwise": ["FN", "ORG", "EMAIL", "TEL"],
                },
                "given_name": "N given",
                "family_name": "N family",
                "birth_on": {"column": "BDAY", "lenient": True},
                "contact_points": [
                    *(email(f"EMAIL{number}") for number in _NUMBERS),
                    *(phone(f"TEL{number}") for number in _NUMBERS),
                    *(
                        address(
                            f"ADR{number} street; ADR{number} extended",
                            f"ADR{number} city",
                            f"ADR{number} region",
                            f"ADR{number} postal code",
                            f"ADR{number} country",
                        )
                        for number in _NUMBERS
                    ),
                    *(web(f"URL{number}") for number in _NUMBERS),
                ],
                "city": "ADR city",
                "country": "ADR country",
                "tags": {"column": "CATEGORIES", "split": ","},
            },
        },
        organization("ORG"),
        member(_CARD, organization_named("ORG"), "TITLE"),
    ),
    left_out=("VERSION", "PRODID", "REV"),
)

PRESETS = (CARDS,)
