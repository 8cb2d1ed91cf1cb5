"""Who was erased and must not come back: addresses and numbers as keyed hashes, from which nobody can read them."""

import hmac
import unicodedata
from collections.abc import Iterable, Iterator
from hashlib import sha256

from crmkit.errors import InvalidInput
from crmkit.io.stores.families import family
from crmkit.io.stores.port import Reaching, Store
from crmkit.io.stores.reaching import keys_of
from crmkit.model import ContactPoint, Customer, Record, new_id

_SALT_NOTE = "privacy:salt"
_DIGITS = 9


def is_suppressed(store: Store, who: ContactPoint | Record) -> bool:
    """Return whether a contact point, or any contact point or external id of a record, belongs to somebody who was erased.

    An import asks this before it adds anybody. E-mail addresses are compared without capitals, telephone numbers by their last
    nine digits, so that they are found with and without the code of their country; others as they are. What is kept is HMAC-SHA256
    with a salt that the store made for itself, so that hashes of two stores cannot be compared. Raises `InvalidInput` for what is
    neither a contact point nor a record.

    >>> from crmkit.io.stores import MemoryStore
    >>> store, mail = MemoryStore(), ContactPoint("email", "ann@example.com")
    >>> store.add([Customer(id="ann", kind="person", name="Ann", contact_points=[mail])])
    1
    >>> from crmkit.io.privacy import erase_person
    >>> _ = erase_person(store, "ann", at=datetime(2025, 3, 1, tzinfo=UTC), preview=False)
    >>> is_suppressed(store, ContactPoint("email", "Ann@Example.com")), is_suppressed(store, mail.replace(value="b@example.com"))
    (True, False)
    """
    if not isinstance(who, ContactPoint | Record):
        raise InvalidInput(f"a {type(who).__name__} is nobody; give a ContactPoint, or a record such as a Customer")
    salt = store.note(_SALT_NOTE)
    keys = [_key(who)] if isinstance(who, ContactPoint) else _keys(who)
    return salt is not None and any(store.note(_note(salt, key)) is not None for key in keys)


def is_anybody_suppressed(store: Store) -> bool:
    """Return whether anybody was erased at all, so that an import need not ask for each row."""
    return store.note(_SALT_NOTE) is not None


def suppress(store: Store, records: Iterable[Record], erased: Iterable[str]) -> int:
    """Keep hashes of the contact points and external ids of records of a person, and return how many are new.

    A contact point that somebody else has too, as families share a telephone, is not theirs alone and stays free. `erased` are
    the ids of the person.
    """
    found = list(records)
    shared = _shared(store, found, set(erased))
    keys = sorted({key for each in found for key in _keys(each)} - shared)
    if not keys:
        return 0
    salt = store.note(_SALT_NOTE)
    if salt is None:
        salt = f"{new_id()} {new_id()}"  # two, because one has 62 random bits
        store.set_note(_SALT_NOTE, salt, was=None)
    notes = [_note(salt, key) for key in keys]
    new = [each for each in notes if store.note(each) is None]
    for each in new:
        store.set_note(each, "", was=None)
    return len(new)


def is_own_note(key: str) -> bool:
    """Return whether a note is one of those that suppression keeps."""
    return key.startswith("privacy:")


def _shared(store: Store, records: Iterable[Record], erased: set[str]) -> set[str]:
    points = [point for each in records for point in getattr(each, "contact_points", ())]
    if not isinstance(store, Reaching):
        return set()
    others = (each for each in store.reached_by(Customer, keys_of(points)) if each.id not in erased)
    return {key for each in others for key in _keys(each.replace(external_ids={}))}


def _keys(record: Record) -> Iterator[str]:
    for point in getattr(record, "contact_points", ()):
        yield _key(point)
    for system, external_id in record.external_ids.items():
        yield f"id:{family(type(record)).__name__}:{system}:{external_id}"


def _key(point: ContactPoint) -> str:
    text = unicodedata.normalize("NFC", point.value).strip()
    if point.kind == "phone":
        digits = "".join(each for each in text.partition(";")[0] if each.isdigit())
        text = digits[-_DIGITS:]
    return f"{point.kind}:{text.casefold()}"


def _note(salt: str, key: str) -> str:
    return f"privacy:erased {hmac.new(salt.encode(), key.encode(), sha256).hexdigest()}"
