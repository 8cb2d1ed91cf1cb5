"""Deals: possible sales, and the moves that change their stage."""

from collections.abc import Sequence
from datetime import date, datetime

from crmkit.errors import InvalidInput, InvalidRecord, InvalidTransition
from crmkit.model.money import Money
from crmkit.model.pipeline import DealCategory, Pipeline, Stage
from crmkit.model.record import Record, field, record
from crmkit.model.transition import Transition


@record
class Deal(Record):
    """A possible sale. It may belong to no customer yet.

    `stage` is a label of its pipeline and `category` what that label means. `probability` is somebody's own estimate, kept
    apart from the stage's. Stage and category change through `advance`, `win`, `lose` and `reopen` alone.
    """

    pipeline_id: str = field(links="Pipeline")
    stage: str
    category: DealCategory = "open"
    name: str | None = None
    customer_id: str | None = field(default=None, links="Customer")
    owner_id: str | None = field(default=None, links="Employee")
    product_ids: Sequence[str] = field(default=(), links="Product")
    amount: Money | None = field(default=None, category="quantitative")
    probability: float | None = field(default=None, category="quantitative")
    source: str | None = None
    expected_close_on: date | None = None
    closed_at: datetime | None = None
    lost_reason: str | None = None

    def __attrs_post_init__(self) -> None:
        """Check that the probability is a share."""
        if self.probability is not None and not 0 <= self.probability <= 1:
            raise InvalidRecord(f"Deal.probability: {self.probability} is not a share; give a number from 0 to 1")


Moved = tuple[Deal, Transition]


def placed(deal: Deal, pipeline: Pipeline) -> Deal:
    """Return the deal with the category that its pipeline gives to its stage.

    Raises `InvalidInput` for another pipeline or an unknown stage.

    >>> gym = Pipeline(id="gym", stages=[Stage("Trial", "open"), Stage("Won", "won")])
    >>> placed(Deal(pipeline_id="gym", stage="Won"), gym).category
    'won'
    """
    return deal.replace(category=_stage(deal, pipeline, deal.stage).category)


def advance(
    deal: Deal, pipeline: Pipeline, stage: str, *, at: datetime, by: str | None = None, reason: str | None = None
) -> Moved:
    """Move an open deal to another open stage, forward or back; return the deal and its transition.

    Raises `InvalidTransition` for a closed deal, its present stage, or a stage that closes the deal, and `InvalidInput` for
    an unknown stage.
    """
    target = _stage(deal, pipeline, stage)
    if deal.category != "open" or target.category != "open" or stage == deal.stage:
        how = {"won": "; win(...) does that", "lost": "; lose(...) does that"}.get(target.category, "")
        raise _refused(deal, pipeline, f"cannot advance to {stage!r}{how}")
    return _moved(deal, target, at=at, by=by, reason=reason)


def win(
    deal: Deal,
    pipeline: Pipeline,
    *,
    at: datetime,
    stage: str | None = None,
    by: str | None = None,
    reason: str | None = None,
) -> Moved:
    """Close an open deal as won, at the given won stage or the pipeline's first; return the deal and its transition.

    A won deal may move to another won stage, which keeps its close date. Raises `InvalidTransition` otherwise.
    """
    target = _closing_stage(deal, pipeline, "won", stage)
    if deal.category == "lost" or target.label == deal.stage:
        raise _refused(deal, pipeline, f"cannot be won at {target.label!r}")
    closed_at = deal.closed_at if deal.category == "won" else at
    return _moved(deal, target, at=at, by=by, reason=reason, closed_at=closed_at)


def lose(
    deal: Deal, pipeline: Pipeline, *, reason: str, at: datetime, stage: str | None = None, by: str | None = None
) -> Moved:
    """Close an open deal as lost for a reason, at the given lost stage or the pipeline's first.

    The transition's `before` is the stage at which the deal died. Raises `InvalidTransition` for a deal that is not open.
    """
    target = _closing_stage(deal, pipeline, "lost", stage)
    if deal.category != "open":
        raise _refused(deal, pipeline, "cannot be lost")
    return _moved(deal, target, at=at, by=by, reason=reason, closed_at=at, lost_reason=reason)


def reopen(
    deal: Deal, pipeline: Pipeline, stage: str, *, at: datetime, by: str | None = None, reason: str | None = None
) -> Moved:
    """Open a closed deal again at an open stage; its close date and lost reason are cleared.

    Raises `InvalidTransition` for an open deal or a stage that is not open.
    """
    target = _stage(deal, pipeline, stage)
    if deal.category == "open" or target.category != "open":
        raise _refused(deal, pipeline, f"cannot reopen at {stage!r}")
    return _moved(deal, target, at=at, by=by, reason=reason)


def _stage(deal: Deal, pipeline: Pipeline, label: str) -> Stage:
    if deal.pipeline_id != pipeline.id:
        raise InvalidInput(f"deal {deal.id!r} is in pipeline {deal.pipeline_id!r}, not in {pipeline.id!r}")
    return pipeline.stage(label)


def _closing_stage(deal: Deal, pipeline: Pipeline, category: DealCategory, label: str | None) -> Stage:
    labels = pipeline.labels(category)
    if label is None and not labels:
        raise InvalidInput(f"pipeline {pipeline.id!r} has no stage of the category {category!r}; add one")
    stage = _stage(deal, pipeline, labels[0] if label is None else label)
    if stage.category != category:
        raise _refused(deal, pipeline, f"is not {category} at {stage.label!r}")
    return stage


def _refused(deal: Deal, pipeline: Pipeline, what: str) -> InvalidTransition:
    """The error of an impossible move; it lists every stage that some move reaches from here."""
    reachable: dict[DealCategory, tuple[DealCategory, ...]] = {
        "open": ("open", "won", "lost"),
        "won": ("open", "won"),
        "lost": ("open",),
    }
    possible = tuple(label for label in pipeline.labels(*reachable[deal.category]) if label != deal.stage)
    return InvalidTransition(f"deal {deal.id!r} at {deal.stage!r} ({deal.category}) {what}", possible)


def _moved(
    deal: Deal,
    target: Stage,
    *,
    at: datetime,
    by: str | None,
    reason: str | None,
    closed_at: datetime | None = None,
    lost_reason: str | None = None,
) -> Moved:
    moved = deal.replace(stage=target.label, category=target.category, closed_at=closed_at, lost_reason=lost_reason)
    transition = Transition(
        subject="Deal",
        subject_id=deal.id,
        field="stage",
        before=deal.stage,
        after=target.label,
        category_before=deal.category,
        category_after=target.category,
        at=at,
        by=by,
        reason=reason,
    )
    return moved, transition
