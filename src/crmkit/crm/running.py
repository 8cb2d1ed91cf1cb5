"""Doing a unit of work again until it is done, and once only under a key."""

from collections.abc import Callable
from random import uniform
from time import sleep
from typing import TYPE_CHECKING, Any, TypeVar

from crmkit.errors import CommitOutcomeUnknown, Conflict, CrmError, InvalidInput, NotFound, StoreBusy
from crmkit.model import Record

if TYPE_CHECKING:
    from crmkit.crm.facade import CRM

T = TypeVar("T")
Pause = Callable[[int], None]
"""What waits before the first, second, ... repetition of a unit of work."""

RETRIES = 10
"""How often work is done again: with the pauses between, for as long as a person waits. Mostly the second attempt is the last."""

_LONGEST_PAUSE = 0.25


def pause(repetition: int) -> None:
    """Wait for a random time, so that those who met do not meet again."""
    sleep(uniform(0, longest_pause(repetition)))  # noqa: S311 - chance, not a secret


def longest_pause(repetition: int) -> float:
    """Return the most seconds to wait before a repetition: twice as many for each, up to a quarter.

    >>> [longest_pause(repetition) for repetition in (1, 2, 3, 10)]
    [0.01, 0.02, 0.04, 0.25]
    """
    return min(_LONGEST_PAUSE, 0.005 * 2.0**repetition)


def run(work: Callable[..., T], *, retries: int, is_safe: bool, wait: Pause) -> T:
    """Call `work(lock=...)` until it meets nobody else, at most `retries` times more; raise the last error.

    Where nobody knows whether it is done, it is called again only if that `is_safe`.
    """
    passing: tuple[type[CrmError], ...] = (Conflict, StoreBusy, *([CommitOutcomeUnknown] if is_safe else []))
    for repetition in range(retries):
        try:
            return work(lock=repetition > 0)
        except passing:
            wait(repetition + 1)
    return work(lock=retries > 0)


def once(crm: "CRM", work: Callable[[Any], Any], key: str) -> Any:
    """Do work in the unit of work around; or, where it was done under this key before, return what it made as that is now."""
    if not isinstance(key, str) or not key.strip():
        raise InvalidInput(f"key={key!r} tells no command from another; give a text that is not blank")
    note = f"run:{key}"
    done = crm.store.note(note)
    if done is not None:
        return _present(crm, done)
    made = work(crm)
    crm.store.set_note(note, _name(crm, made), was=None)
    return made


def _name(crm: "CRM", made: object) -> str:
    """What a note keeps of the record that work returned, which must be stored."""
    if made is None:
        return ""
    if not isinstance(made, Record):
        raise InvalidInput(f"work under a key returned a {type(made).__name__}; let it return a stored record, or None")
    try:
        crm.store.get(type(made), made.id)
    except NotFound:
        raise InvalidInput(f"work under a key returned a {type(made).__name__} that is not stored; store it") from None
    return f"{type(made).__name__} {made.id}"


def _present(crm: "CRM", name: str) -> Record | None:
    cls, _, record_id = name.partition(" ")
    try:
        return next((crm[each].get(record_id) for each in crm.store.classes if each.__name__ == cls), None)
    except NotFound:
        return None
