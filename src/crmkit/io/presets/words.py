"""What presets say often, in the words of the mapping file. A column is given by all the names that it has."""

from typing import Any

from crmkit.io.presets.fitting import Words

BY_NAME = "organization "
"""The prefix of the keys of organizations that are known by their name alone."""

_YES = ["true", "TRUE", "True", "yes", "Yes", "YES", "1"]


def person_name(given: str, family: str, *otherwise: str) -> Words:
    """The full name of a person from its parts, or where both are empty from the first of other columns that is filled."""
    return {"columns": [given, family], "otherwise": list(otherwise)}


def email(column: str, label: str | None = None, **more: Any) -> Words:
    """An e-mail address."""
    return _point("email", column, label, more)


def phone(column: str, label: str | None = None, **more: Any) -> Words:
    """A telephone number."""
    return _point("phone", column, label, more)


def web(column: str) -> Words:
    """A website."""
    return _point("web", column, None, {})


def _point(kind: str, column: str, label: str | None, more: Words) -> Words:
    return {"kind": kind, "column": column, **({"label": label} if label else {}), **more}


def address(  # noqa: PLR0917 - an address has these parts
    street: str, city: str, region: str, postcode: str, country: str, label: str | None = None
) -> Words:
    """A postal address from its parts; the lines of the street may be several columns, as in "Street; Street 2"."""
    parts = {"lines": street.split("; "), "city": city, "region": region, "postcode": postcode, "country": country}
    return {"kind": "address", **parts, **({"label": label} if label else {})}


def means(column: str, others: str, **meanings: list[str]) -> Words:
    """What the texts of a column mean: each in whatever capitals, and all others the same."""
    spelled = {
        variant: meaning
        for meaning, texts in meanings.items()
        for text in texts
        for variant in (text, text.lower(), text.upper(), text.capitalize())
    }
    return {"column": column, "replace": spelled, "others": others}


def owner(column: str) -> Words:
    """An employee for each owner that a column names."""
    return {"record": "Employee", "key": column, "optional": True, "fields": {"name": column}}


def organization(column: str) -> Words:
    """A customer for each organization that a column names, where something links to it."""
    return {
        "record": "Customer",
        "key": column,
        "key_prefix": BY_NAME,
        "optional": True,
        "for_links": True,
        "fields": {"kind": {"value": "organization"}, "name": column},
    }


def organization_named(column: str) -> Words:
    """The link to the organization that a column names."""
    return {"column": column, "prefix": BY_NAME}


def member(person: Any, organization: Any, role: str) -> Words:
    """The link from the person of a row to its organization. The person is given by its key."""
    return {
        "record": "Contact",
        "key": person,
        "optional": True,
        "fields": {"person_id": person, "organization_id": organization, "role": role},
    }


def opt_out(person: Any, column: str, *at: str, channel: str = "email") -> Words:
    """A withdrawn consent for each person with a mark in a column of opt-outs.

    Its time is in the first of other columns that is filled, or the day of the export where the file has none of them.
    """
    return {
        "record": "Consent",
        "key_prefix": f"{channel} ",
        "key": person,
        "only": {column: _YES},
        "fields": {
            "customer_id": person,
            "channel": {"value": channel},
            "purpose": {"value": "marketing"},
            "state": {"value": "withdrawn"},
            "at": ({"column": at[0], "otherwise": list(at[1:])}, {"exported_on": True}),
        },
    }
