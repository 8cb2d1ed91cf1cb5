"""Sales: enquiries that become deals, the moves of the deals, and the talks on the way."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from operator import itemgetter

import attrs

from crmkit.model import Customer, Deal, Interaction, Pipeline, Transition
from crmkit.model.deal import Moved, advance, lose, reopen, win
from crmkit.model.interaction import Channel, Direction
from crmkit.sample import words
from crmkit.sample.draw import Draw
from crmkit.sample.offer import Offer, price
from crmkit.sample.people import SELLING_TEAMS, ids_of, skill, source
from crmkit.sample.records import begun, filed, numbered

_ENQUIRIES = (1.2, 1.1, 1.1, 1.0, 0.9, 0.8, 0.6, 0.6, 1.3, 1.4, 1.2, 0.7)
_DAYS_BEFORE = 150
_ENQUIRIES_A_YEAR = 1.0
_ENQUIRES_ON_JOINING = 0.6
_NAMELESS = 0.05
_CONTRACT = 0.3
_UNPRICED = 0.08
_LUCK_OF_MONTH = (0.9, 0.95, 1.05, 1.05, 1.0, 0.9, 0.75, 0.8, 1.05, 1.15, 1.25, 1.1)
_LUCK_OF_SOURCE = {"referral": 1.35, "partner": 1.15, "web": 0.95, "cold call": 0.6}
_HOURS_A_STAGE = 52
_EXPECTED_DAYS = 40
_QUANTITIES = {1: 70, 2: 22, 3: 8}
_DISCOUNTS = {0: 50, 5: 20, 8: 18, 12: 12}
_OUTCOMES = {"reached": 80, "left a message": 20}
_STALLED, _STEPPED_BACK, _REOPENED, _WON_AFTER_ALL = 0.05, 0.12, 0.1, 0.4
_FIRST_TALK: Mapping[str, Channel] = {"web": "form", "partner": "email", "trade fair": "meeting"}
_TALK: Mapping[str, Channel] = {"Tasting": "meeting", "Check-up": "visit", "Offer": "email", "Installed": "visit"}
_TYPICAL_SECONDS: Mapping[Channel, int] = {"phone": 420, "meeting": 3300, "visit": 4500}


@attrs.frozen
class DealStory:
    """A deal as it stands, the history of its stages, and the talks about it."""

    deal: Deal
    moves: Sequence[Transition]
    talks: Sequence[Interaction]


def deal_stories(draw: Draw, buyers: Sequence[Customer], offer: Offer) -> list[DealStory]:
    """Return the deals that were created in the year, and those from before it that were still open when it began."""
    stories: list[DealStory] = []
    for at, customer in _enquiries(draw, buyers):
        deal = _enquiry(draw, len(stories) + 1, at, customer, offer)
        story = _story(draw, deal, offer.pipelines[deal.pipeline_id])
        if story.deal.closed_at is None or story.deal.closed_at >= draw.start:
            stories.append(story)
    return stories


def _enquiries(draw: Draw, buyers: Sequence[Customer]) -> list[tuple[datetime, Customer | None]]:
    """When who asks for an offer, in order; some callers leave no name."""
    season = draw.season(_ENQUIRIES)
    since = draw.start - timedelta(days=_DAYS_BEFORE)
    found: list[tuple[datetime, Customer | None]] = []
    for customer in buyers:
        first = max(begun(customer), since)
        asked = draw.moments(season, draw.count(_ENQUIRIES_A_YEAR * draw.years(first, draw.end)), first, draw.end)
        if begun(customer) >= draw.start and draw.chance(_ENQUIRES_ON_JOINING):
            asked.append(begun(customer))
        found += [(at, None if draw.chance(_NAMELESS) else customer) for at in asked]
    return sorted(found, key=itemgetter(0))


def _enquiry(draw: Draw, number: int, at: datetime, customer: Customer | None, offer: Offer) -> Deal:
    is_organization = customer is not None and customer.kind == "organization"
    is_contract = is_organization and draw.chance(_CONTRACT)
    pipeline = offer.contracts if is_contract else offer.machines
    family = "contracts" if is_contract else "machines" if is_organization else "home machines"
    product = draw.pick(offer.family(family))
    quantity, discount = draw.weighed(_QUANTITIES), draw.weighed(_DISCOUNTS)
    return Deal(
        id=numbered("deal", number),
        created_at=at,
        pipeline_id=pipeline.id,
        stage=pipeline.stages[0].label,
        name=f"{quantity} × {product.name}",
        customer_id=customer.id if customer else None,
        owner_id=(customer and customer.owner_id) or draw.pick(ids_of(*SELLING_TEAMS)),
        product_ids=[product.id],
        amount=None if draw.chance(_UNPRICED) else price([product], quantity=quantity, discount=discount),
        probability=draw.pick((0.25, 0.5, 0.75)) if draw.chance(0.1) else None,
        source=customer.source if customer else source(draw),
        expected_close_on=at.date() + timedelta(days=round(draw.skewed(_EXPECTED_DAYS))),
    )


def _story(draw: Draw, deal: Deal, pipeline: Pipeline) -> DealStory:
    """Let the deal go its way until it ends or the year does."""
    at, pace = begun(deal), draw.skewed(_HOURS_A_STAGE)
    moves: list[Transition] = []
    talks = [_first_talk(draw, deal)]
    for label in _path(draw, deal, pipeline):
        talked_at = draw.later(at, draw.skewed(pace) / 2)
        at = draw.later(talked_at, draw.skewed(pace) / 2)
        if talked_at <= draw.end:
            talks.append(_talk(draw, deal, len(talks) + 1, at=talked_at, channel=_TALK.get(label, "phone")))
        if at > draw.end:
            break
        deal, move = _moved(deal, pipeline, label, at, draw.weighed(words.LOST_REASONS))
        moves.append(filed(move, len(moves) + 1))
    return DealStory(deal, moves, talks)


def _path(draw: Draw, deal: Deal, pipeline: Pipeline) -> list[str]:
    """The stages that the deal would visit if the year were long enough."""
    opened, won, lost = pipeline.labels("open"), pipeline.labels("won"), pipeline.labels("lost")
    ahead = list(opened[1:])
    if draw.chance(_STEPPED_BACK):
        place = draw.random.randrange(1, len(opened))
        ahead[place:place] = opened[place - 1 : place + 1]
    if draw.chance(_luck(deal)):
        return [*ahead, *won]
    ahead = ahead[: draw.random.randrange(len(ahead) + 1)]
    if draw.chance(_STALLED):
        return ahead
    if not draw.chance(_REOPENED):
        return [*ahead, *lost]
    return [*ahead, *lost, opened[-1], *(won if draw.chance(_WON_AFTER_ALL) else lost)]


def _luck(deal: Deal) -> float:
    """The share of such deals that is won at once; nobody can sell to a caller without a name."""
    if deal.customer_id is None or deal.owner_id is None:
        return 0.0
    return skill(deal.owner_id) * _LUCK_OF_SOURCE.get(deal.source or "", 1.0) * _LUCK_OF_MONTH[begun(deal).month - 1]


def _moved(deal: Deal, pipeline: Pipeline, label: str, at: datetime, reason: str) -> Moved:
    """Move the deal to a stage by the command that leads there."""
    category = pipeline.stage(label).category
    if category == "won":
        return win(deal, pipeline, stage=label, at=at, by=deal.owner_id)
    if category == "lost":
        return lose(deal, pipeline, stage=label, reason=reason, at=at, by=deal.owner_id)
    if deal.category == "open":
        return advance(deal, pipeline, label, at=at, by=deal.owner_id)
    return reopen(deal, pipeline, label, at=at, by=deal.owner_id, reason="the customer called again")


def _first_talk(draw: Draw, deal: Deal) -> Interaction:
    channel = _FIRST_TALK.get(deal.source or "", "phone")
    direction: Direction = "outbound" if deal.source == "cold call" else "inbound"
    return _talk(draw, deal, 1, at=begun(deal), channel=channel, direction=direction)


def _talk(
    draw: Draw, deal: Deal, number: int, *, at: datetime, channel: Channel, direction: Direction = "outbound"
) -> Interaction:
    typical = _TYPICAL_SECONDS.get(channel)
    return Interaction(
        id=f"{deal.id}-talk-{number}",
        created_at=at,
        at=at,
        channel=channel,
        direction=direction,
        customer_id=deal.customer_id,
        employee_id=deal.owner_id,
        department="sales",
        subject=deal.name,
        duration_seconds=None if typical is None else round(draw.skewed(typical)),
        outcome=draw.weighed(_OUTCOMES) if channel == "phone" else None,
        deal_id=deal.id,
    )
