"""Following the feed: every change has its effect exactly once."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from crmkit.io.stores.port import Change

if TYPE_CHECKING:
    from crmkit.crm.facade import CRM


def follow(crm: "CRM", name: str, effect: Callable[[Change], object], limit: int) -> int:
    """Pass the changes after the position of a follower to `effect`, in the unit of work around, and return how many there were."""
    note = f"follow:{name}"
    position = crm.store.note(note)
    changes = crm.store.changes(position, limit=limit)
    if changes:
        # Before the effects, so that a second follower of this name waits here, or fails, and has none.
        crm.store.set_note(note, changes.cursor, was=position)
    for change in changes:
        effect(change)
    return len(changes)
