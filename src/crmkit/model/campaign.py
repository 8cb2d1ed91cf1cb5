"""Campaigns: what the business says to many people at once, and the moves of a campaign's life."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Literal

from crmkit.errors import InvalidTransition
from crmkit.model.interaction import Channel
from crmkit.model.money import Money
from crmkit.model.records import Record, field, record
from crmkit.model.transition import Transition, changed

CampaignCategory = Literal["planning", "active", "paused", "complete"]

_MOVES: Mapping[CampaignCategory, tuple[str, ...]] = {
    "planning": ("start",),
    "active": ("pause", "complete"),
    "paused": ("start", "complete"),
    "complete": (),
}


@record
class Campaign(Record):
    """Messages to a segment of customers over a channel, with a budget.

    `ends_on` is the first day after it. A transactional one, such as a receipt, is sent to those who want no
    advertising too. `status` is the business's own label and `category` what it means; they change through `start`,
    `pause` and `complete` alone.
    """

    name: str = field(category="identity")
    channel: Channel | None = None
    segment: str | None = None
    budget: Money | None = field(default=None, category="quantitative")
    starts_on: date | None = None
    ends_on: date | None = None
    is_transactional: bool = False
    owner_id: str | None = field(default=None, links="Employee")
    status: str = "Planning"
    category: CampaignCategory = "planning"


Moved = tuple[Campaign, Transition]


def possible_moves(campaign: Campaign) -> tuple[str, ...]:
    """Return the names of the moves that the campaign's state allows.

    >>> possible_moves(Campaign(name="Spring"))
    ('start',)
    """
    return _MOVES[campaign.category]


def start(
    campaign: Campaign, *, at: datetime, status: str = "Active", by: str | None = None, reason: str | None = None
) -> Moved:
    """Start a planned campaign or let a paused one go on; return the campaign and its transition.

    Raises `InvalidTransition` for a campaign that is active or complete.
    """
    return _moved(campaign, "start", "active", status, at=at, by=by, reason=reason)


def pause(
    campaign: Campaign, *, at: datetime, status: str = "Paused", by: str | None = None, reason: str | None = None
) -> Moved:
    """Suspend an active campaign; return the campaign and its transition.

    Raises `InvalidTransition` for a campaign that is not active.
    """
    return _moved(campaign, "pause", "paused", status, at=at, by=by, reason=reason)


def complete(
    campaign: Campaign, *, at: datetime, status: str = "Complete", by: str | None = None, reason: str | None = None
) -> Moved:
    """Complete an active or paused campaign, which is final; return the campaign and its transition.

    Raises `InvalidTransition` for a campaign that is planned or complete already.
    """
    return _moved(campaign, "complete", "complete", status, at=at, by=by, reason=reason)


def _moved(
    campaign: Campaign,
    move: str,
    category: CampaignCategory,
    status: str,
    *,
    at: datetime,
    by: str | None,
    reason: str | None,
) -> Moved:
    possible = possible_moves(campaign)
    if move not in possible:
        where = f"campaign {campaign.id!r} at {campaign.status!r} ({campaign.category})"
        raise InvalidTransition(f"{where} does not allow {move}", possible)
    moved = campaign.replace(status=status, category=category)
    return moved, changed(campaign, moved, "status", at=at, by=by, reason=reason)
