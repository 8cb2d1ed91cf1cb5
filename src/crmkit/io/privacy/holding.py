"""What all of privacy asks of stores and records: whether a store can erase, and whether a record must be kept."""

from crmkit.errors import InvalidInput
from crmkit.io.stores.port import Erasing, Store
from crmkit.model import CustomField, Record

LEGAL_HOLD = "legal hold"
"""The tag of a record that the law obliges to keep as it is: it is neither erased nor deleted by age."""


def erasing(store: Store) -> Erasing:
    """Return a store as one that erases; raises `InvalidInput` for one that cannot, such as the past of another."""
    if isinstance(store, Erasing):
        return store
    raise InvalidInput(
        f"a {type(store).__name__} cannot erase; give a store with the capability 'erasing', such as one of open_store"
    )


def is_held(record: Record) -> bool:
    """Return whether a record must be kept as it is.

    >>> is_held(Order(at=datetime(2025, 3, 1, tzinfo=UTC), tags={LEGAL_HOLD}))
    True
    """
    return LEGAL_HOLD in record.tags


def declared_in(store: Store) -> tuple[CustomField, ...]:
    """Return the fields that are declared at run time."""
    return tuple(store.every(CustomField)) if CustomField in store.classes else ()
