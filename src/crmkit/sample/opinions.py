"""Opinions: whom the company asks, who answers, and how much the help they got shows in the scores."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import chain
from operator import itemgetter
from typing import Literal, NamedTuple

from crmkit.model import Customer, SurveyResponse, Ticket
from crmkit.model.survey import SurveyKind
from crmkit.sample import words
from crmkit.sample.draw import Draw
from crmkit.sample.records import begun, numbered

Mood = Literal["pleased", "plain", "annoyed"]

_ASKED, _ASKED_AFTER_TICKET = 0.6, 0.4
_ANSWERED, _COMMENTED = 0.44, 0.3
_HALF_A_YEAR = timedelta(days=182)
_HOURS_TO_ASK, _HOURS_TO_ANSWER = 3.0, 12.0
_TOO_LONG = timedelta(days=3)
_EVERY_MONTH = (1.0,) * 12
_SCALES: Mapping[SurveyKind, tuple[int, int]] = {"nps": (0, 10), "csat": (1, 5)}
_NPS: Mapping[Mood, Mapping[int, int]] = {
    "pleased": {10: 34, 9: 27, 8: 17, 7: 11, 6: 5, 5: 3, 3: 2, 0: 1},
    "plain": {10: 25, 9: 24, 8: 19, 7: 14, 6: 8, 5: 5, 4: 2, 3: 1, 2: 1, 0: 1},
    "annoyed": {10: 8, 9: 9, 8: 13, 7: 15, 6: 16, 5: 13, 4: 8, 3: 7, 2: 5, 1: 3, 0: 3},
}
_CSAT: Mapping[Mood, Mapping[int, int]] = {
    "pleased": {5: 58, 4: 29, 3: 8, 2: 3, 1: 2},
    "annoyed": {5: 12, 4: 22, 3: 26, 2: 22, 1: 18},
}
_COMMENTS: Mapping[Mood, Sequence[str]] = {"pleased": words.PRAISE, "plain": words.REMARKS, "annoyed": words.COMPLAINTS}


class Question(NamedTuple):
    """Who is asked what and when, and the mood of the answer if there is one."""

    sent_at: datetime
    kind: SurveyKind
    customer_id: str | None
    mood: Mood
    ticket_id: str | None = None


def survey_responses(draw: Draw, buyers: Sequence[Customer], tickets: Sequence[Ticket]) -> list[SurveyResponse]:
    """Return what customers were asked in the year, in order of sending, answered or not."""
    questions = chain(_half_yearly(draw, buyers, tickets), _after_tickets(draw, tickets))
    known = [question for question in questions if question.sent_at <= draw.end]
    return [_response(draw, number, question) for number, question in enumerate(sorted(known, key=itemgetter(0)), 1)]


def _half_yearly(draw: Draw, buyers: Sequence[Customer], tickets: Sequence[Ticket]) -> Iterator[Question]:
    """Ask a share of the customers twice, half a year apart, spread over the year so that every month has answers."""
    season = draw.season(_EVERY_MONTH)
    tickets_of = defaultdict(list)
    for ticket in tickets:
        tickets_of[ticket.customer_id].append(ticket)
    for customer in buyers:
        if not draw.chance(_ASKED):
            continue
        for first in draw.moments(season, 1, max(draw.start, begun(customer)), draw.start + _HALF_A_YEAR):
            for at in (first, draw.later(first + _HALF_A_YEAR, 1)):
                mood = _mood([ticket for ticket in tickets_of[customer.id] if begun(ticket) < at])
                yield Question(at, "nps", customer.id, mood)


def _after_tickets(draw: Draw, tickets: Iterable[Ticket]) -> Iterator[Question]:
    for ticket in tickets:
        if ticket.resolved_at is not None and draw.chance(_ASKED_AFTER_TICKET):
            at = draw.later(ticket.resolved_at, draw.skewed(_HOURS_TO_ASK))
            yield Question(at, "csat", ticket.customer_id, _mood([ticket]), ticket.id)


def _mood(tickets: Sequence[Ticket]) -> Mood:
    if any(ticket.reopen_count or _is_slow(ticket) for ticket in tickets):
        return "annoyed"
    return "pleased" if tickets else "plain"


def _is_slow(ticket: Ticket) -> bool:
    return ticket.resolved_at is None or ticket.resolved_at - begun(ticket) > _TOO_LONG


def _response(draw: Draw, number: int, question: Question) -> SurveyResponse:
    low, high = _SCALES[question.kind]
    asked = SurveyResponse(
        id=numbered("survey-response", number),
        created_at=question.sent_at,
        kind=question.kind,
        scale_low=low,
        scale_high=high,
        customer_id=question.customer_id,
        sent_at=question.sent_at,
        ticket_id=question.ticket_id,
    )
    at = draw.later(question.sent_at, draw.skewed(_HOURS_TO_ANSWER))
    if not draw.chance(_ANSWERED) or at > draw.end:
        return asked
    score = draw.weighed((_NPS if question.kind == "nps" else _CSAT)[question.mood])
    comment = draw.pick(_COMMENTS[question.mood]) if draw.chance(_COMMENTED) else None
    return asked.replace(score=score, responded_at=at, comment=comment)
