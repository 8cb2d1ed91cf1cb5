"""Contact points from the cells of a row."""

from collections.abc import Iterable

from crmkit.errors import InvalidInput
from crmkit.io.formats.row import Row
from crmkit.io.mapping.fields import PointMapping, cell_text
from crmkit.model.contact_point import Address, ContactPoint
from crmkit.model.normalise import normalise_email, normalise_phone


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
        point if _can_be(point, country) else point.replace(is_invalid=True, invalid_reason="malformed")
        for point in points
    )


def _can_be(point: ContactPoint, country: str | None) -> bool:
    try:
        if point.kind == "email":
            normalise_email(point.value)
        elif point.kind == "phone" and (country or point.value.startswith("+")):
            normalise_phone(point.value, country)
    except InvalidInput:
        return False
    return True


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
    text = cell_text(row.values.get(column))
    return "" if text.casefold() in mapping.empty else text
