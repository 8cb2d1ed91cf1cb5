"""Deals: possible sales, and the moves that change their stage."""

from collections.abc import Sequence
from datetime import date, datetime

from crmkit.errors import InvalidInput, InvalidRecord, InvalidTransition
from crmkit.model.line import Line
from crmkit.model.money import Money
from crmkit.model.pipeline import DealCategory, Pipeline, Stage
from crmkit.model.records import Record, Value, field, record, value
from crmkit.model.transition import Transition, changed


@value
class DealContact(Value):
    """Somebody who has a say in a deal, such as a "decision maker"."""

    customer_id: str = field(links="Customer")
    role: str | None = None
    is_primary: bool = False


@record
class Deal(Record):
    """A possible sale. It may belong to no customer yet.

    `stage` is a label of its pipeline and `category` what that label means. Stage and category change through
    `advance`, `win`, `lose` and `reopen` alone, the owner through `crmkit.model.owner.reassign`.

    `amount` is what is paid once, `recurring_amount` what is paid again every `recurring_months`. `reporting_amount` is
    the amount in the business's own currency at a rate that somebody froze; no move changes it, and it is empty where
    there is no rate. `probability` and `forecast_category` are somebody's own estimates, kept apart from the stage's.
    `first_responded_at` is when the enquiry that became the deal was first answered. At most one contact is primary.
    """

    pipeline_id: str = field(links="Pipeline")
    stage: str
    category: DealCategory = "open"
    name: str | None = None
    customer_id: str | None = field(default=None, links="Customer")
    owner_id: str | None = field(default=None, links="Employee")
    contacts: Sequence[DealContact] = ()
    product_ids: Sequence[str] = field(default=(), links="Product")
    lines: Sequence[Line] = ()
    amount: Money | None = field(default=None, category="quantitative")
    reporting_amount: Money | None = field(default=None, category="quantitative")
    recurring_amount: Money | None = field(default=None, category="quantitative")
    recurring_months: int | None = field(default=None, category="quantitative")
    probability: float | None = field(default=None, category="quantitative")
    forecast_category: str | None = None
    source: str | None = None
    campaign_id: str | None = field(default=None, links="Campaign")
    first_responded_at: datetime | None = None
    next_step: str | None = None
    next_step_on: date | None = None
    expected_close_on: date | None = None
    closed_at: datetime | None = None
    lost_reason: str | None = None

    def __attrs_post_init__(self) -> None:
        """Check that the probability is a share and that no two contacts are primary."""
        if self.probability is not None and not 0 <= self.probability <= 1:
            raise InvalidRecord(f"Deal.probability: {self.probability} is not a share; give a number from 0 to 1")
        if sum(contact.is_primary for contact in self.contacts) > 1:
            raise InvalidRecord("Deal.contacts: several contacts are primary; mark at most one")


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

    Raises `InvalidTransition` for a closed deal, its present stage, or a stage that closes the deal, and `InvalidInput`
    for an unknown stage.

    >>> gym = Pipeline(id="gym", stages=[Stage("Trial", "open"), Stage("Offer", "open")])
    >>> advance(Deal(pipeline_id="gym", stage="Trial"), gym, "Offer", at=datetime(2025, 5, 1, tzinfo=UTC))[0].stage
    'Offer'
    """
    target = _stage(deal, pipeline, stage)
    if deal.category != "open" or target.category != "open" or stage == deal.stage:
        instead = {"won": "; win(...) does that", "lost": "; lose(...) does that"} if deal.category == "open" else {}
        raise _refused(deal, pipeline, f"cannot advance to {stage!r}{instead.get(target.category, '')}")
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
    """Close an open deal as won; return the deal and its transition.

    Without a stage it is won at the next won stage of the pipeline, or at the first where none comes later. A won deal
    may move to another won stage by name, which keeps its close date. Raises `InvalidTransition` otherwise; a lost deal
    is reopened first.

    >>> gym = Pipeline(id="gym", stages=[Stage("Trial", "open"), Stage("Won", "won")])
    >>> win(Deal(pipeline_id="gym", stage="Trial"), gym, at=datetime(2025, 5, 1, tzinfo=UTC))[0].stage
    'Won'
    """
    target = _closing_stage(deal, pipeline, "won", stage)
    if deal.category == "lost" or target.category != "won" or target.label == deal.stage:
        raise _refused(deal, pipeline, f"cannot be won at {target.label!r}")
    closed_at = deal.closed_at if deal.category == "won" else at
    return _moved(deal, target, at=at, by=by, reason=reason, closed_at=closed_at)


def lose(
    deal: Deal, pipeline: Pipeline, *, reason: str, at: datetime, stage: str | None = None, by: str | None = None
) -> Moved:
    """Close an open deal as lost for a reason; return the deal and its transition.

    Without a stage it is lost at the next lost stage of the pipeline, or at the first where none comes later. The
    transition's `before` is the stage at which the deal died. Raises `InvalidTransition` for a deal that is not open.

    >>> gym = Pipeline(id="gym", stages=[Stage("Trial", "open"), Stage("Lost", "lost")])
    >>> deal = Deal(pipeline_id="gym", stage="Trial")
    >>> deal, transition = lose(deal, gym, reason="price", at=datetime(2025, 5, 1, tzinfo=UTC))
    >>> deal.lost_reason, transition.before
    ('price', 'Trial')
    """
    target = _closing_stage(deal, pipeline, "lost", stage)
    if deal.category != "open" or target.category != "lost":
        raise _refused(deal, pipeline, f"cannot be lost at {target.label!r}")
    return _moved(deal, target, at=at, by=by, reason=reason, closed_at=at, lost_reason=reason)


def reopen(
    deal: Deal, pipeline: Pipeline, stage: str, *, at: datetime, by: str | None = None, reason: str | None = None
) -> Moved:
    """Open a closed deal again at an open stage; its close date and lost reason are cleared.

    Raises `InvalidTransition` for an open deal or a stage that is not open.

    >>> gym = Pipeline(id="gym", stages=[Stage("Trial", "open"), Stage("Lost", "lost")])
    >>> deal = Deal(pipeline_id="gym", stage="Lost", category="lost", lost_reason="price")
    >>> reopen(deal, gym, "Trial", at=datetime(2025, 5, 1, tzinfo=UTC))[0].lost_reason is None
    True
    """
    target = _stage(deal, pipeline, stage)
    if deal.category == "open" or target.category != "open":
        raise _refused(deal, pipeline, f"cannot reopen at {stage!r}")
    return _moved(deal, target, at=at, by=by, reason=reason)


def probability(deal: Deal, pipeline: Pipeline) -> float | None:
    """Return how likely a deal is to be won, from 0 to 1; None where neither the deal nor its stage says.

    A won deal has 1 and a lost deal 0, whatever is estimated; an open one has its own probability or else that of its
    stage. Raises `InvalidInput` for another pipeline or an unknown stage.

    >>> gym = Pipeline(id="gym", stages=[Stage("Trial", "open", 0.3), Stage("Won", "won")])
    >>> deal = Deal(pipeline_id="gym", stage="Trial")
    >>> probability(deal, gym), probability(deal.replace(probability=0.5), gym)
    (0.3, 0.5)
    """
    if deal.category != "open":
        return 1.0 if deal.category == "won" else 0.0
    stage = _stage(deal, pipeline, deal.stage)
    return stage.probability if deal.probability is None else deal.probability


def _stage(deal: Deal, pipeline: Pipeline, label: str) -> Stage:
    if deal.pipeline_id != pipeline.id:
        raise InvalidInput(f"deal {deal.id!r} is in pipeline {deal.pipeline_id!r}, not in {pipeline.id!r}")
    return pipeline.stage(label)


def _closing_stage(deal: Deal, pipeline: Pipeline, category: DealCategory, label: str | None) -> Stage:
    """The stage of this label, or else the nearest of the category at or after the deal's, or else its first."""
    if label is None:
        labels, wanted = pipeline.labels(), pipeline.labels(category)
        later = labels[labels.index(deal.stage) :] if deal.stage in labels else ()
        label = next((label for label in (*later, *labels) if label in wanted), None)
    if label is None:
        raise InvalidInput(f"pipeline {pipeline.id!r} has no stage of the category {category!r}; add one")
    return _stage(deal, pipeline, label)


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
    return moved, changed(deal, moved, "stage", at=at, by=by, reason=reason)
