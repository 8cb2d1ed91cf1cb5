"""What every store says when it cannot do what it is asked."""

from crmkit.errors import Conflict, InvalidInput, NotFound, StoreError
from crmkit.model.records import Record


def not_found(cls: type[Record], record_id: str) -> NotFound:
    """Return the error of an id that is not stored, or only as deleted."""
    return NotFound(f"no {cls.__name__} has the id {record_id!r}")


def not_deleted(cls: type[Record], record_id: str) -> NotFound:
    """Return the error of an id that is not stored as deleted."""
    return NotFound(f"no deleted {cls.__name__} has the id {record_id!r}")


def stored_already(record: Record, version: int, *, is_deleted: bool) -> Conflict:
    """Return the error of an id that is taken."""
    how = "stored already, but deleted; restore or purge it" if is_deleted else "stored already"
    return Conflict(f"a {type(record).__name__} with the id {record.id!r} is {how}", 0, version)


def changed_meanwhile(cls: type[Record], record_id: str, expected: int, actual: int) -> Conflict:
    """Return the error of a version that is no longer the stored one."""
    return Conflict(
        f"{cls.__name__} {record_id!r} was changed meanwhile: its version is {actual}, no longer {expected}; read it again",
        expected,
        actual,
    )


def value_taken(record: Record, name: str) -> Conflict:
    """Return the error of a unique value that another record has. The value itself may be personal."""
    return Conflict(f"{type(record).__name__} {record.id!r}: another one has the same {name}; give it one of its own")


def another_class(record: Record, stored: type[Record]) -> InvalidInput:
    """Return the error of a record that would lose fields of the stored one."""
    return InvalidInput(
        f"{record.id!r} is stored as a {stored.__name__}, of which a {type(record).__name__} has not all fields; "
        f"put a {stored.__name__}"
    )


def closed(name: str) -> StoreError:
    """Return the error of a store that was closed."""
    return StoreError(f"{name}: the store is closed; open it again to use it")


def note_changed(key: str) -> Conflict:
    """Return the error of a note that is no longer what it was."""
    return Conflict(f"the note {key!r} was changed meanwhile; read it again")


def copying_inside() -> InvalidInput:
    """Return the error of copying a store inside a unit of work, which may yet be undone."""
    return InvalidInput("a store is copied outside of a unit of work; end the transaction first")


def not_empty(name: str) -> InvalidInput:
    """Return the error of filling a store in which something is kept already."""
    return InvalidInput(
        f"{name} is not empty, and nothing was written; give a new store, or another tenant of this one"
    )
