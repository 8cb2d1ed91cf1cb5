"""What a synchronisation did."""

from collections import Counter
from collections.abc import Iterator
from typing import Literal

import attrs

from crmkit.io.sync.agreement import Side

Deed = Literal[
    "created_here",
    "updated_here",
    "deleted_here",
    "opted_out_here",
    "opted_in_here",
    "created_there",
    "updated_there",
    "deleted_there",
    "opted_out_there",
    "opted_in_there",
]
"""What may be done to a record on one of the two sides."""


@attrs.frozen(kw_only=True)
class SyncFault:
    """Why one record is not in step. It is tried again in the next run.

    Args:
        side: "ours" where `id` is the record's id here, "theirs" where it is known by the other system's id alone.
        id: of the record.
        message: what is wrong and what would be accepted; nothing personal.
    """

    side: Side
    id: str
    message: str

    def __str__(self) -> str:
        """Say it in one line."""
        return f"{self.id} ({'here' if self.side == 'ours' else 'there'}): {self.message}"


@attrs.frozen(kw_only=True)
class SyncReport:
    """What one run did: how many records it wrote on each side, and what it could not do.

    Args:
        created_here, updated_here, deleted_here: records that were written in the store.
        created_there, updated_there, deleted_there: records that were written in the other system.
        opted_out_here, opted_out_there: opt-outs that a side learned of.
        opted_in_here, opted_in_there: opt-ins that a side learned of.
        conflicts: fields that both sides had changed.
        skipped: records that the plan keeps out of the other side.
        faults: records that are not in step, and why.
    """

    created_here: int = 0
    updated_here: int = 0
    deleted_here: int = 0
    opted_out_here: int = 0
    opted_in_here: int = 0
    created_there: int = 0
    updated_there: int = 0
    deleted_there: int = 0
    opted_out_there: int = 0
    opted_in_there: int = 0
    conflicts: int = 0
    skipped: int = 0
    faults: tuple[SyncFault, ...] = ()

    def __bool__(self) -> bool:
        """Whether anything was written on either side, or could not be."""
        return any(count for _, count in self._deeds()) or bool(self.faults)

    def __str__(self) -> str:
        """Say it in one line.

        >>> print(SyncReport(created_there=2, updated_here=1))
        1 updated here, 2 created there
        """
        done = [f"{count:,} {name.replace('_', ' ')}" for name, count in self._deeds() if count]
        if self.faults:
            done.append(f"{len(self.faults):,} not in step")
        return ", ".join(done) or "nothing to do"

    def _deeds(self) -> Iterator[tuple[str, int]]:
        return ((each.name, getattr(self, each.name)) for each in attrs.fields(type(self))[:10])


class Tally:
    """Counts what is done while a run goes on."""

    def __init__(self) -> None:
        """Start with nothing done."""
        self._counts: Counter[str] = Counter()
        self._faults: dict[tuple[str, str], SyncFault] = {}

    def count(self, deed: Deed | Literal["conflicts", "skipped"], times: int = 1) -> None:
        """Note that something was done so many times."""
        self._counts[deed] += times

    def fault(self, fault: SyncFault) -> None:
        """Note that a record is not in step."""
        self._faults[fault.side, fault.id] = fault

    def report(self) -> SyncReport:
        """Return what was done."""
        return SyncReport(**self._counts, faults=tuple(self._faults.values()))
