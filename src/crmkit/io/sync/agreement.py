"""What two systems that hold the same record agree on: pure functions of what each has and what both had before."""

import json
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from hashlib import blake2b
from typing import Literal

import attrs

from crmkit.io.sync.remote import Plain
from crmkit.model.consent import ConsentState

SyncDirection = Literal["in", "out", "both"]
"""Which way a field, a new record or a deletion goes: from the other system into the store, out of it, or both."""

Side = Literal["ours", "theirs"]

Base = Mapping[str, tuple[str, str]]
"""The digests of what each field was here and there when the two last agreed. Of what may be personal nothing else is kept."""


_OURS: Side = "ours"
_THEIRS: Side = "theirs"
_WRITER: Mapping[SyncDirection, Side | None] = {"out": "ours", "in": "theirs", "both": None}


@attrs.frozen
class Agreement:
    """What is to be written here and there, by the names of the other system, and which fields both sides had changed."""

    taken: Mapping[str, Plain] = attrs.field(repr=False)
    sent: Mapping[str, Plain] = attrs.field(repr=False)
    conflicts: tuple[str, ...] = ()


def digest(value: Plain) -> str:
    """Return a short text that differs for different values.

    >>> digest("Łódź") == digest("Łódź"), digest(1) == digest(True)
    (True, False)
    """
    return blake2b(json.dumps(value).encode(), digest_size=8).hexdigest()


def agree(
    directions: Mapping[str, SyncDirection],
    base: Base,
    ours: Mapping[str, Plain],
    theirs: Mapping[str, Plain],
    winner: Callable[[str], Side],
) -> Agreement:
    """Return what is to be written where, so that both sides hold the same.

    What only one side changed since they last agreed is taken from that side. What both changed is a conflict, and `winner`
    is asked for the side that counts. A field that goes one way is written that way whoever changed it. Where two records meet
    for the first time, an empty field was not changed, and is never written over one that is not.

    Args:
        directions: which way each field goes, by its name.
        base: what each field was when the two last agreed; a field that is not there meets for the first time.
        ours, theirs: what each side has now.
        winner: says which side counts for a field that both changed to different values; asked for such fields alone.

    >>> base = {"city": (digest("Łódź"), digest("Łódź")), "name": (digest("Ann"), digest("Ann"))}
    >>> ours, theirs = {"city": "Kraków", "name": "Ann"}, {"city": "Łódź", "name": "Anna"}
    >>> found = agree({"city": "both", "name": "both"}, base, ours, theirs, lambda _: "ours")
    >>> found.taken, found.sent
    ({'name': 'Anna'}, {'city': 'Kraków'})
    """
    taken: dict[str, Plain] = {}
    sent: dict[str, Plain] = {}
    conflicts: list[str] = []
    for name, direction in directions.items():
        our, their = ours.get(name), theirs.get(name)
        changed = _changed(base.get(name), our, their)
        if our == their or not changed:
            continue
        side = _WRITER[direction] or changed[0]
        if direction == "both" and len(changed) > 1:
            conflicts.append(name)
            side = winner(name)
        value = our if side == "ours" else their
        if value is None and name not in base:
            continue
        (sent if side == "ours" else taken)[name] = value
    return Agreement(taken, sent, tuple(conflicts))


def _changed(before: tuple[str, str] | None, our: Plain, their: Plain) -> list[Side]:
    """The sides that changed a field since both last agreed on it."""
    is_ours = our is not None if before is None else digest(our) != before[0]
    is_theirs = their is not None if before is None else digest(their) != before[1]
    return [*([_OURS] if is_ours else []), *([_THEIRS] if is_theirs else [])]


def base_of(names: Iterable[str], ours: Mapping[str, Plain], theirs: Mapping[str, Plain]) -> dict[str, tuple[str, str]]:
    """Return what fields are on both sides now, as the base of the next agreement."""
    return {name: (digest(ours.get(name)), digest(theirs.get(name))) for name in names}


@attrs.frozen
class Said:
    """What a person said about being contacted, as one side knows it, and when."""

    state: ConsentState | None = None
    at: datetime | None = None


NOTHING_SAID = Said()


def agree_on_consent(
    before: tuple[ConsentState | None, ConsentState | None], ours: Said, theirs: Said
) -> ConsentState | None:
    """Return the consent that both sides are to have; None where each keeps what it has.

    An opt-out wins: one that a side has newly learned of counts against any opt-in of the other, whatever their dates, because that
    opt-in knew nothing of it. Once both sides knew of the opt-out, the person may opt in again on one of them: an opt-in that is new
    since then, and dated after the opt-out where both have dates, is taken to the other side. An undated opt-in never counts against
    a dated opt-out here.

    >>> out, back = Said("withdrawn", datetime(2025, 3, 1, tzinfo=UTC)), Said("granted", datetime(2025, 4, 1, tzinfo=UTC))
    >>> agree_on_consent((None, None), out, back), agree_on_consent(("withdrawn", "withdrawn"), out, back)
    ('withdrawn', 'granted')
    """
    sides = ((ours, before[0], theirs), (theirs, before[1], ours))
    if any(said.state == "withdrawn" and was != "withdrawn" for said, was, _ in sides):
        return "withdrawn"
    renewed = any(said.state == "granted" and was != "granted" and _is_after(said, other) for said, was, other in sides)
    if renewed and ours.state != theirs.state:
        return "granted"
    return "withdrawn" if "withdrawn" in (ours.state, theirs.state) else None


def _is_after(said: Said, other: Said) -> bool:
    """Whether an opt-in may count against what the other side has."""
    if other.state != "withdrawn" or other.at is None:
        return True
    return said.at is not None and said.at > other.at
