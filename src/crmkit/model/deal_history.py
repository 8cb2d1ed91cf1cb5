"""The history of deals: what the ledger of transitions and the interactions tell of a deal.

Each function takes any transitions and interactions, in any order, and looks at those of the deal; changes at the same
instant count in the order of their ids.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta

import attrs

from crmkit.model.deal import Deal, placed
from crmkit.model.interaction import Interaction
from crmkit.model.pipeline import Pipeline
from crmkit.model.records import family
from crmkit.model.transition import Transition


@attrs.frozen
class StageStay:
    """One stay of a deal at a stage, from `entered_at` until `left_at`.

    The deal is still there where `left_at` is None. `entered_at` is None where nobody knows when the deal began.
    """

    stage: str
    entered_at: datetime | None
    left_at: datetime | None


def stage_stays(deal: Deal, transitions: Iterable[Transition], *, as_of: datetime) -> tuple[StageStay, ...]:
    """Return the stays of a deal at its stages up to `as_of`, oldest first: a stage that it came back to has several.

    The first stay begins when the deal was created, and that of a closed deal without any transition when it was
    closed. History that is missing is not made up: the beginning is None where it is not known, or is said to be later
    than the first transition. Nothing is returned for a deal that began after `as_of`.

    >>> deal = Deal(id="d1", pipeline_id="gym", stage="Offer", created_at=datetime(2025, 5, 1, tzinfo=UTC))
    >>> noon = datetime(2025, 5, 4, 12, tzinfo=UTC)
    >>> offered = Transition(subject="Deal", subject_id="d1", field="stage", before="Trial", after="Offer", at=noon)
    >>> trial, offer = stage_stays(deal, [offered], as_of=datetime(2025, 5, 9, tzinfo=UTC))
    >>> trial.left_at == offer.entered_at == offered.at, offer.left_at
    (True, None)
    """
    moves = _moves(deal, transitions)
    entries = [*_beginning(deal, moves), *((move.after, move.at) for move in moves)]
    exits = [*(entered_at for _, entered_at in entries[1:]), None]
    return tuple(
        StageStay(stage, entered_at, left_at if left_at and left_at <= as_of else None)
        for (stage, entered_at), left_at in zip(entries, exits, strict=True)
        if entered_at is None or entered_at <= as_of
    )


def time_in_stages(stays: Iterable[StageStay], *, as_of: datetime) -> dict[str, timedelta | None]:
    """Return how long the stays at each stage took together, the present one up to `as_of`.

    None stands for a stage where the beginning of a stay is not known, and there is no key for a stage without a stay.

    >>> noon = datetime(2025, 5, 1, 12, tzinfo=UTC)
    >>> time_in_stages([StageStay("Trial", noon, None)], as_of=noon.replace(hour=14))
    {'Trial': datetime.timedelta(seconds=7200)}
    """
    totals: dict[str, timedelta | None] = {}
    for stay in stays:
        earlier = totals.get(stay.stage, timedelta())
        spent = None if stay.entered_at is None else (stay.left_at or as_of) - stay.entered_at
        totals[stay.stage] = None if earlier is None or spent is None else earlier + spent
    return totals


def last_open_stage(deal: Deal, transitions: Iterable[Transition]) -> str | None:
    """Return the open stage at which a deal is, or was when it was closed; None where its history does not tell.

    >>> gym = Pipeline(id="gym", stages=[Stage("Trial", "open"), Stage("Lost", "lost")])
    >>> from crmkit.model.deal import lose
    >>> deal, transition = lose(
    ...     Deal(pipeline_id="gym", stage="Trial"), gym, reason="price", at=datetime(2025, 5, 1, tzinfo=UTC)
    ... )
    >>> last_open_stage(deal, [transition])
    'Trial'
    """
    if deal.category == "open":
        return deal.stage
    opens = (move.before for move in reversed(_moves(deal, transitions)) if move.category_before == "open")
    return next(opens, None)


def idle_since(
    deal: Deal, transitions: Iterable[Transition], interactions: Iterable[Interaction], *, as_of: datetime
) -> datetime | None:
    """Return when something last happened to a deal up to `as_of`; None where nothing is known to have happened.

    That is its creation, a change of its stage, or an interaction about it that a person had. What machines send is no
    activity, nor is a change of another field.

    >>> deal = Deal(id="d1", pipeline_id="gym", stage="Trial", created_at=datetime(2025, 5, 1, tzinfo=UTC))
    >>> call = Interaction(at=datetime(2025, 5, 3, tzinfo=UTC), channel="phone", direction="outbound", deal_id="d1")
    >>> idle_since(deal, [], [call], as_of=datetime(2025, 5, 9, tzinfo=UTC)) == call.at
    True
    """
    happened = [deal.created_at, *(move.at for move in _moves(deal, transitions))]
    happened += (each.at for each in interactions if each.deal_id == deal.id and each.provenance == "human")
    return max((at for at in happened if at is not None and at <= as_of), default=None)


def is_rotting(
    deal: Deal,
    pipeline: Pipeline,
    transitions: Iterable[Transition],
    interactions: Iterable[Interaction],
    *,
    as_of: datetime,
) -> bool:
    """Say whether an open deal, as it was at `as_of`, was idle for the rotting days of its stage, of 24 hours each.

    A closed deal never rots, nor does one at a stage without rotting days or of which nothing is known to have
    happened. Another threshold changes the answer, never the history: ask about the past with the pipeline of that
    time. Raises `InvalidInput` for another pipeline or an unknown stage.

    >>> gym = Pipeline(id="gym", stages=[Stage("Trial", "open", rotting_days=7)])
    >>> deal = Deal(pipeline_id="gym", stage="Trial", created_at=datetime(2025, 5, 1, tzinfo=UTC))
    >>> [is_rotting(deal, gym, [], [], as_of=datetime(2025, 5, day, tzinfo=UTC)) for day in (7, 8)]
    [False, True]
    """
    is_open = placed(deal, pipeline).category == "open"
    limit = pipeline.stage(deal.stage).rotting_days
    since = idle_since(deal, transitions, interactions, as_of=as_of)
    return is_open and limit is not None and since is not None and (as_of - since).days >= limit


def _moves(deal: Deal, transitions: Iterable[Transition]) -> list[Transition]:
    """The changes of the deal's stage, oldest first."""
    state = (family(type(deal)).__name__, deal.id, "stage")
    moves = (each for each in transitions if (each.subject, each.subject_id, each.field) == state)
    return sorted(moves, key=lambda move: (move.at, move.id))


def _beginning(deal: Deal, moves: list[Transition]) -> list[tuple[str, datetime | None]]:
    """The stage before the first transition and when the deal got there; none where that transition made the deal."""
    if not moves:
        return [(deal.stage, deal.created_at if deal.category == "open" else deal.closed_at)]
    first = moves[0]
    if first.before is None:
        return []
    is_known = deal.created_at is not None and deal.created_at <= first.at
    return [(first.before, deal.created_at if is_known else None)]
