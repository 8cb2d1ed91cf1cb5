"""Contact points from the cells of a row."""

import re
from collections.abc import Iterable
from functools import lru_cache

from crmkit.errors import InvalidInput
from crmkit.io.formats.row import Row
from crmkit.io.mapping.cells import filled
from crmkit.io.mapping.fields import PointMapping, cell_text
from crmkit.model.contact_point import Address, ContactPoint
from crmkit.model.normalise import normalise_email, normalise_phone

# RFC 5321: what may stand before the @ without quotes, and how long it and the whole may be.
_PLAIN_LOCAL = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_LONGEST_LOCAL = 64
_LONGEST_ADDRESS = 254


def read_points(mappings: Iterable[PointMapping], row: Row) -> tuple[ContactPoint, ...]:
    """Return the contact points of a row, none twice; of several primary ones of a kind the first is.

    Values are kept as they are written. What can be no address or number is kept too, because somebody may mend it.
    """
    found: dict[tuple[str, str], ContactPoint] = {}
    primary: set[str] = set()
    for mapping in mappings:
        for value, address in _values(mapping, row):
            is_primary = mapping.is_primary and mapping.kind not in primary
            point = ContactPoint(mapping.kind, value, mapping.label, address, is_primary)
            if point.key not in found:
                found[point.key] = point
                if is_primary:
                    primary.add(mapping.kind)
    return tuple(found.values())


def checked_points(points: Iterable[ContactPoint], country: str | None) -> tuple[ContactPoint, ...]:
    """Return contact points of which those that can be no e-mail address or telephone number are marked as malformed.

    A number without a country code, where no `country` says where it is dialled, may be one, so it stays as it is. Raises
    `MissingExtra` without email-validator and phonenumbers.

    >>> [point.invalid_reason for point in checked_points([ContactPoint("email", "ann@"), ContactPoint("phone", "555")], None)]
    ['malformed', None]
    """
    return tuple(
        point
        if can_be(point.kind, point.value, country)
        else point.replace(is_invalid=True, invalid_reason="malformed")
        for point in points
    )


def can_be(kind: str, value: str, country: str | None) -> bool:
    """Return whether a text can be an e-mail address or a telephone number, where its kind is one of these and that can be told."""
    try:
        if kind == "email":
            local, _, domain = value.rpartition("@")
            # Of most addresses the domain is the doubtful part, and many have the same.
            is_plain = _PLAIN_LOCAL.fullmatch(local) and len(local) <= _LONGEST_LOCAL and len(value) <= _LONGEST_ADDRESS
            if is_plain:
                _check_domain(domain)
            else:
                normalise_email(value)
        elif kind == "phone" and (country or value.startswith("+")):
            normalise_phone(value, country)
    except InvalidInput:
        return False
    return True


@lru_cache(maxsize=1024)
def _check_domain(domain: str) -> None:
    normalise_email(f"a@{domain}")


def joined_points(stored: Iterable[ContactPoint], given: Iterable[ContactPoint]) -> tuple[ContactPoint, ...]:
    """Return the stored points and after them those that are new; what is known of a stored one stays.

    A new one is primary only where its kind has no primary one.
    """
    stored = tuple(stored)
    known = {point.key for point in stored}
    primary = {point.kind for point in stored if point.is_primary}
    new = [point for point in given if point.key not in known]
    return (*stored, *(point.replace(is_primary=point.is_primary and point.kind not in primary) for point in new))


def _values(mapping: PointMapping, row: Row) -> Iterable[tuple[str, Address | None]]:
    if mapping.column is not None:
        text = _text(mapping, mapping.column, row)
        texts = text.split(mapping.split) if mapping.split else [text]
        return ((part, None) for each in texts if (part := each.strip()))
    lines = [line for column in mapping.lines if (line := _text(mapping, column, row))]
    parts = {name: text for name, column in mapping.parts.items() if (text := _text(mapping, column, row))}
    address = Address(lines, **parts)
    return ((address.line, address),) if address.line else ()


def _text(mapping: PointMapping, column: str, row: Row) -> str:
    return filled(cell_text(row.values.get(column)), mapping.empty)
