"""What every record of the sample has: a readable id and a date of creation."""

from datetime import datetime

from crmkit.model import Record, Transition


def numbered(kind: str, number: int) -> str:
    """Return a readable id.

    >>> numbered("deal", 42)
    'deal-0042'
    """
    return f"{kind}-{number:04}"


def begun(record: Record) -> datetime:
    """Return when a record was created; every one of the sample says it."""
    assert record.created_at is not None
    return record.created_at


def filed(move: Transition, number: int) -> Transition:
    """Return the move as it lies in the ledger: with a readable id, and known as soon as it was made."""
    return move.replace(id=f"{move.subject_id}-move-{number}", created_at=move.at, recorded_at=move.at)
