"""The history that files hold: when deals entered their stages, and what changed since a record was stored."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from crmkit.io.formats import Row
from crmkit.io.mapping.fields import EntryMapping
from crmkit.io.mapping.links import imported_id
from crmkit.model import Deal, Pipeline, Record, Transition, fields
from crmkit.model.transition import changed

_STATES = ("stage", "status")


def entered(deal: Deal, pipeline: Pipeline, entries: Iterable[EntryMapping], row: Row) -> list[Transition]:
    """Return the transitions of a deal through the stages whose instants a row has, in order of time.

    Where the deal is closed and no column says when it entered its last stage, it did so when it was closed. Cells that are no date,
    and stages that the pipeline does not have, are passed over. The ids are always the same.
    """
    read = [(entry.stage, entry.moment.parse(text, row)) for entry in entries if (text := entry.moment.text(row))]
    found = [(at, stage) for stage, at in read if at is not None and stage in pipeline.labels()]
    if found and deal.closed_at and deal.category != "open" and deal.stage not in {stage for _, stage in found}:
        found.append((deal.closed_at, deal.stage))
    order = pipeline.labels()
    found.sort(key=lambda each: (each[0], order.index(each[1])))
    made, before = [], None
    for at, stage in found:
        made.append(_entry(deal, pipeline, before, stage, at))
        before = stage
    return made


def _entry(deal: Deal, pipeline: Pipeline, before: str | None, stage: str, at: datetime) -> Transition:
    return Transition(
        id=imported_id("entries", Transition, f"{deal.id}\0{stage}\0{at.isoformat()}"),
        subject=Deal.__name__,
        subject_id=deal.id,
        field="stage",
        before=before,
        after=stage,
        category_before=pipeline.stage(before).category if before else None,
        category_after=pipeline.stage(stage).category,
        at=at,
    )


def state_of(record: Record) -> str | None:
    """Return the name of the field that holds the state of a record, None for one without a state.

    >>> state_of(Lead()), state_of(Employee(name="Ann"))
    ('status', None)
    """
    names = {info.name for info in fields(type(record))}
    return next((name for name in _STATES if name in names), None) if "category" in names else None


def is_moved(stored: Record, made: Record) -> bool:
    """Return whether a record has another state than the stored one."""
    state = state_of(made)
    return state is not None and getattr(stored, state) != getattr(made, state)


def moved(stored: Record, made: Any, moves: Sequence[Transition], at: datetime | None) -> Transition | None:
    """Return the transition of a record whose state a file changes, None where it does not or where `moves` tell it.

    A deal that was closed moved when it was closed; all others at `at`.
    """
    state = state_of(made)
    if state is None or not is_moved(stored, made) or any(each.after == getattr(made, state) for each in moves):
        return None
    closed_at = made.closed_at if isinstance(made, Deal) and made.category != "open" else None
    moment = closed_at or at
    return (
        None
        if moment is None
        else changed(stored, made, state, at=moment).replace(
            id=imported_id("moves", Transition, f"{made.id}\0{state}\0{getattr(made, state)}\0{moment.isoformat()}")
        )
    )
