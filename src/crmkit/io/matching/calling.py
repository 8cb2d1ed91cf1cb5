"""Who is calling: customers by a telephone number."""

import re
from itertools import islice

from crmkit.errors import InvalidInput
from crmkit.io.matching.text import compact
from crmkit.io.stores.port import Reaching, Store
from crmkit.io.stores.reaching import TAIL, keys_of, phone_key
from crmkit.model.contact_point import ContactPoint
from crmkit.model.customer import Customer
from crmkit.model.normalise import normalise_phone


def plain_phone(text: str, country: str | None) -> str:
    """Return a telephone number in its normal form without an extension, or its digits alone where it has none.

    >>> plain_phone("501 234 567", "PL"), plain_phone("501 234 567", None)
    ('+48501234567', '501234567')
    """
    try:
        return normalise_phone(text, country).partition(";")[0]
    except InvalidInput:
        return _dialled(text)


def find_by_phone(store: Store, number: str, country: str | None = None) -> tuple[Customer, ...]:
    """Return the customers of a store who have a telephone number, also one that was given without the code of its country.

    One number may be that of a whole family. It is one indexed lookup in a memory store, and in a SQL store once its index is
    made by `store.schema.promote(Customer, "contact_points")`; without the index every customer is read. Numbers are found that
    are kept in their normal form, see `crmkit.model.normalise`, or as digits with spaces, hyphens, dots and brackets between them.

    Args:
        store: where to look.
        number: the number as the telephone system tells it; the extension does not matter.
        country: the two-letter code of where a number without a country code is dialled. A customer's own country goes
            before it for the numbers of that customer.

    Returns:
        Customers, those first whose number is not marked as invalid, and then by id; none for a withheld number.

    Raises:
        InvalidInput: for a country that is no code of two letters.
        MissingExtra: without phonenumbers.

    >>> crm = CRM.open("memory://")
    >>> _ = crm.customers.add(Customer(id="ann", kind="person", name="Ann", contact_points=[ContactPoint("phone", "501 234 567")]))
    >>> [each.id for each in find_by_phone(crm.store, "+48501234567")]
    ['ann']
    """
    check_country(country)
    called = plain_phone(number, country)
    if not any(map(str.isdigit, called)):
        return ()
    found = [
        (all(point.is_invalid for point in points), each.id, each)
        for each in reached_by(store, {phone_key(called)})
        if (points := [point for point in each.contact_points if _is_it(point, called, each.country or country)])
    ]
    return tuple(each for _, _, each in sorted(found, key=lambda ranked: ranked[:2]))


def reached_by(store: Store, keys: set[str], limit: int | None = None) -> tuple[Customer, ...]:
    """Return the customers of a store who have a contact point of one of some keys, by id; by reading all where it cannot look up."""
    if not keys:
        return ()
    if isinstance(store, Reaching):
        return store.reached_by(Customer, keys, limit=limit)
    reached = (each for each in store.every(Customer) if not keys.isdisjoint(keys_of(each.contact_points)))
    return tuple(islice(reached, limit))


def check_country(country: str | None) -> None:
    """Check that a country is a code; raises `InvalidInput` for anything else, by which no number could be dialled."""
    if country is not None and not re.fullmatch("[A-Za-z]{2}", country):
        raise InvalidInput(f"country={country!r} is no code of two letters; give one such as 'PL'")


def _is_it(point: ContactPoint, called: str, country: str | None) -> bool:
    """Whether a point is the number: in their normal form, or as far as one of the two goes that has no country code."""
    if point.kind != "phone":
        return False
    normal = plain_phone(point.value, country)
    return called == normal or any(
        not national.startswith("+") and len(digits := national.lstrip("0")) >= TAIL and other.endswith(digits)
        for national, other in ((_dialled(point.value), called), (called, normal))
    )


def _dialled(text: str) -> str:
    """Return the digits of a telephone number as it is dialled, after a plus where it has the code of its country."""
    digits = compact(text.partition(";")[0])
    return f"+{digits}" if text.strip().startswith("+") else digits
