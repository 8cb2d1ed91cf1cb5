"""Service: tickets with their replies, resolutions and returns, and the visits of the technician."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from heapq import heapify, heappop, heappush
from typing import Literal, NamedTuple

import attrs

from crmkit.model import Customer, Interaction, Ticket, Transition
from crmkit.model.interaction import Channel, Direction
from crmkit.model.ticket import Moved, Priority, reopen, resolve
from crmkit.sample.draw import Draw
from crmkit.sample.people import ids_of, skill
from crmkit.sample.records import begun, filed, numbered

Step = Literal["ask", "note", "reply", "answer", "resolve", "return"]
"""What happens to a ticket. An answer is the customer's; with "return" the customer opens a resolved ticket again."""

_MONTHS = (1.1, 1.0, 1.0, 0.95, 0.9, 1.0, 1.1, 1.1, 0.9, 1.0, 1.2, 1.4)
_TICKETS_A_YEAR = 1.0
_TOPICS = {"machine fault": 30, "delivery": 26, "invoice": 18, "descaling": 14, "contract": 12}
_EASE = {"machine fault": 0.85, "delivery": 1.0, "invoice": 1.1, "descaling": 1.15, "contract": 0.95}
_CHANNELS: Mapping[Channel, int] = {"email": 42, "phone": 28, "form": 18, "chat": 12}
_PRIORITIES: Mapping[Priority, int] = {"low": 15, "normal": 62, "high": 18, "urgent": 5}
_PACE: Mapping[Priority, float] = {"low": 2.0, "normal": 1.0, "high": 0.4, "urgent": 0.15}
_HOURS_UNTIL: Mapping[Step, float] = {"note": 0.5, "reply": 3.5, "answer": 4.0, "resolve": 0.5, "return": 15.0}
_DIRECTIONS: Mapping[Step, Direction] = {
    "ask": "inbound",
    "note": "internal",
    "reply": "outbound",
    "answer": "inbound",
    "return": "inbound",
}
_SENTIMENTS: Mapping[Step, Mapping[str, int]] = {
    "ask": {"positive": 10, "neutral": 65, "negative": 25},
    "answer": {"positive": 20, "neutral": 55, "negative": 25},
    "return": {"neutral": 25, "negative": 75},
}
_NOTED, _FORGOTTEN, _RETURNED, _REPEATED = 0.25, 0.03, 0.08, 0.07
_MOST_HOURS_TO_REPEAT = 30
_SECONDS_OF_A_CALL, _SECONDS_OF_A_VISIT = 380, 4200
_VISITED = 0.6


class Cause(NamedTuple):
    """Why there is a ticket: the instant at which a customer needs help, and on which topic."""

    at: datetime
    customer_id: str
    topic: str


@attrs.frozen
class TicketStory:
    """A ticket as it stands, the history of its status, and what was said and noted about it."""

    ticket: Ticket
    moves: Sequence[Transition]
    messages: Sequence[Interaction]


def ticket_stories(draw: Draw, buyers: Sequence[Customer]) -> list[TicketStory]:
    """Return the tickets of the year in the order of their creation."""
    causes = _causes(draw, buyers)
    heapify(causes)
    stories: list[TicketStory] = []
    while causes:
        cause = heappop(causes)
        story = _story(draw, len(stories) + 1, cause)
        stories.append(story)
        if story.ticket.resolved_at is not None and draw.chance(_REPEATED):
            again = draw.later(story.ticket.resolved_at, draw.random.uniform(1, _MOST_HOURS_TO_REPEAT))
            if again <= draw.end:
                heappush(causes, cause._replace(at=again))
    return stories


def visits(draw: Draw, buyers: Sequence[Customer]) -> list[Interaction]:
    """Return the technician's yearly visits to organizations, in order."""
    season = draw.season(_MONTHS)
    hosts = [customer for customer in buyers if customer.kind == "organization" and draw.chance(_VISITED)]
    planned = [
        (at, host.id) for host in hosts for at in draw.moments(season, 1, max(draw.start, begun(host)), draw.end)
    ]
    return [_visit(draw, number, at, host_id) for number, (at, host_id) in enumerate(sorted(planned), 1)]


def _causes(draw: Draw, buyers: Sequence[Customer]) -> list[Cause]:
    season = draw.season(_MONTHS)
    causes = []
    for customer in buyers:
        since = max(draw.start, begun(customer))
        count = draw.count(draw.skewed(_TICKETS_A_YEAR) * draw.years(since, draw.end))
        causes += [Cause(at, customer.id, draw.weighed(_TOPICS)) for at in draw.moments(season, count, since, draw.end)]
    return causes


def _story(draw: Draw, number: int, cause: Cause) -> TicketStory:
    channel, agent_id = draw.weighed(_CHANNELS), draw.pick(ids_of("Help desk"))
    ticket = Ticket(
        id=numbered("ticket", number),
        created_at=cause.at,
        number=f"{draw.year}-{number:04}",
        customer_id=cause.customer_id,
        subject=f"Question about {cause.topic}",
        channel=channel,
        topic=cause.topic,
        priority=draw.weighed(_PRIORITIES),
        assignee_id=agent_id,
    )
    return _told(draw, ticket, channel, _course(draw, ease=skill(agent_id) * _EASE[cause.topic]))


def _course(draw: Draw, *, ease: float) -> list[Step]:
    """What would happen to a ticket if the year were long enough; `ease` is the chance that a reply is the last."""
    steps: list[Step] = []
    while True:
        steps += ["note", "reply"] if draw.chance(_NOTED) else ["reply"]
        while not draw.chance(ease):
            steps += ["answer", "reply"]
        if draw.chance(_FORGOTTEN):
            return steps
        steps.append("resolve")
        if not draw.chance(_RETURNED):
            return steps
        steps.append("return")


def _told(draw: Draw, ticket: Ticket, channel: Channel, course: Sequence[Step]) -> TicketStory:
    """Let the ticket take its course until the year ends."""
    at = begun(ticket)
    moves: list[Transition] = []
    messages = [_message(draw, ticket, "ask", number=1, at=at, channel=channel)]
    channel = "email" if channel == "form" else channel
    if channel == "email":
        messages.append(_acknowledgement(ticket))
    for step in course:
        at = draw.later(at, draw.skewed(_HOURS_UNTIL[step] * _PACE[ticket.priority]))
        if at > draw.end:
            break
        if step != "resolve":
            messages.append(_message(draw, ticket, step, number=len(messages) + 1, at=at, channel=channel))
        if step in {"resolve", "return"}:
            ticket, move = _moved(ticket, step, at)
            moves.append(filed(move, len(moves) + 1))
    return TicketStory(ticket, moves, messages)


def _moved(ticket: Ticket, step: Step, at: datetime) -> Moved:
    if step == "resolve":
        return resolve(ticket, at=at, by=ticket.assignee_id)
    return reopen(ticket, at=at, by=ticket.assignee_id, reason="the customer wrote again")


def _message(draw: Draw, ticket: Ticket, step: Step, *, number: int, at: datetime, channel: Channel) -> Interaction:
    direction = _DIRECTIONS[step]
    is_call = channel == "phone" and direction != "internal"
    return Interaction(
        id=f"{ticket.id}-message-{number}",
        created_at=at,
        at=at,
        channel=channel,
        direction=direction,
        customer_id=ticket.customer_id,
        employee_id=ticket.assignee_id if is_call or direction != "inbound" else None,
        department="service",
        subject=ticket.subject,
        duration_seconds=round(draw.skewed(_SECONDS_OF_A_CALL)) if is_call else None,
        sentiment=draw.weighed(_SENTIMENTS[step]) if direction == "inbound" else None,
        ticket_id=ticket.id,
    )


def _acknowledgement(ticket: Ticket) -> Interaction:
    """The automatic answer to what was written, a minute later."""
    at = begun(ticket) + timedelta(minutes=1)
    return Interaction(
        id=f"{ticket.id}-message-2",
        created_at=at,
        at=at,
        channel="email",
        direction="outbound",
        customer_id=ticket.customer_id,
        department="service",
        subject=f"We have your question {ticket.number}",
        provenance="machine",
        ticket_id=ticket.id,
    )


def _visit(draw: Draw, number: int, at: datetime, customer_id: str) -> Interaction:
    return Interaction(
        id=numbered("visit", number),
        created_at=at,
        at=at,
        channel="visit",
        direction="outbound",
        customer_id=customer_id,
        employee_id=draw.pick(ids_of("Field service")),
        department="service",
        subject="Yearly check of the machine",
        duration_seconds=round(draw.skewed(_SECONDS_OF_A_VISIT)),
    )
