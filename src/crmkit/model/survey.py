"""Surveys: what customers say when they are asked."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Literal

from crmkit.errors import InvalidInput, InvalidRecord
from crmkit.model.records import Record, field, record

SurveyKind = Literal["nps", "ces", "csat"]


@record
class Survey(Record):
    """A question with the scale of its answers; its kind says which measure they make.

    On a reversed scale the lowest score is the best. Nobody is asked within `fatigue_days` of being asked anything.
    """

    name: str = field(category="identity")
    kind: SurveyKind
    scale_low: int
    scale_high: int
    is_reversed: bool = False
    question: str | None = None
    fatigue_days: int = 0

    def __attrs_post_init__(self) -> None:
        """Check that the scale is one."""
        _check_scale(self)


@record
class SurveyResponse(Record):
    """One question put to one customer, answered or not.

    An unanswered one has no `score`, which is not the score 0. The scale is declared with every response, because
    scores of different scales must never be added. A score outside its scale raises `InvalidRecord`.

    >>> SurveyResponse(kind="nps", score=9, scale_low=0, scale_high=10).score
    9
    """

    kind: SurveyKind
    scale_low: int
    scale_high: int
    survey_id: str | None = field(default=None, links="Survey")
    score: int | None = field(default=None, category="qualitative")
    customer_id: str | None = field(default=None, links="Customer")
    sent_at: datetime | None = None
    responded_at: datetime | None = None
    comment: str | None = field(default=None, category="qualitative", personal=True)
    interaction_id: str | None = field(default=None, links="Interaction")
    ticket_id: str | None = field(default=None, links="Ticket")
    order_id: str | None = field(default=None, links="Order")
    subscription_id: str | None = field(default=None, links="Subscription")

    def __attrs_post_init__(self) -> None:
        """Check that the scale is one and that the score lies on it."""
        _check_scale(self)
        if self.score is not None and not self.scale_low <= self.score <= self.scale_high:
            raise InvalidRecord(
                f"SurveyResponse.score: {self.score} is not on the scale from {self.scale_low} to {self.scale_high}"
            )


def may_ask(survey: Survey, responses: Iterable[SurveyResponse], customer_id: str, as_of: datetime) -> bool:
    """Return whether a customer has not been asked anything for `fatigue_days` of 24 hours up to an instant.

    `responses` are those of any survey, answered or not. One exactly so long ago does not count any more, nor does one
    later than `as_of`.
    """
    asked = [each.sent_at or each.responded_at for each in responses if each.customer_id == customer_id]
    days_ago = [(as_of - at) // timedelta(days=1) for at in asked if at is not None]
    return not any(0 <= days < survey.fatigue_days for days in days_ago)


def ask(
    survey: Survey,
    customer_id: str,
    *,
    at: datetime,
    interaction_id: str | None = None,
    ticket_id: str | None = None,
    order_id: str | None = None,
    subscription_id: str | None = None,
) -> SurveyResponse:
    """Return the response, not answered yet, of a customer who is asked, on the scale of the survey.

    >>> survey = Survey(name="After a visit", kind="csat", scale_low=1, scale_high=5)
    >>> answer(ask(survey, "ann", at=datetime(2025, 5, 1, tzinfo=UTC)), 4, at=datetime(2025, 5, 2, tzinfo=UTC)).score
    4
    """
    return SurveyResponse(
        kind=survey.kind,
        scale_low=survey.scale_low,
        scale_high=survey.scale_high,
        survey_id=survey.id,
        customer_id=customer_id,
        sent_at=at,
        interaction_id=interaction_id,
        ticket_id=ticket_id,
        order_id=order_id,
        subscription_id=subscription_id,
    )


def answer(response: SurveyResponse, score: int, *, at: datetime, comment: str | None = None) -> SurveyResponse:
    """Return the response with an answer, instead of any earlier one; raises `InvalidRecord` for one off its scale."""
    return response.replace(score=score, responded_at=at, comment=comment)


def upright_scores(survey: Survey, responses: Iterable[SurveyResponse]) -> tuple[int, ...]:
    """Return the scores of the answered responses to a survey, turned so that the highest is the best.

    Raises `InvalidInput` for a response of another kind or scale, even one without an answer.

    >>> effort = Survey(name="Effort", kind="ces", scale_low=1, scale_high=5, is_reversed=True)
    >>> upright_scores(effort, [SurveyResponse(kind="ces", scale_low=1, scale_high=5, score=1)])
    (5,)
    """
    scale = (survey.kind, survey.scale_low, survey.scale_high)
    responses = tuple(responses)
    for response in responses:
        other = (response.kind, response.scale_low, response.scale_high)
        if other != scale:
            raise InvalidInput(
                f"response {response.id!r} is {other}, which cannot be counted with the survey's {scale}"
            )
    scores = [response.score for response in responses if response.score is not None]
    return tuple(survey.scale_low + survey.scale_high - score if survey.is_reversed else score for score in scores)


def _check_scale(scaled: Survey | SurveyResponse) -> None:
    if scaled.scale_low >= scaled.scale_high:
        where = f"{type(scaled).__name__}.scale_low"
        raise InvalidRecord(f"{where}: {scaled.scale_low} is not below scale_high {scaled.scale_high}")
