"""Surveys: what customers say when they are asked."""

from datetime import datetime
from typing import Literal

from crmkit.errors import InvalidRecord
from crmkit.model.record import Record, field, record

SurveyKind = Literal["nps", "ces", "csat"]


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
    score: int | None = field(default=None, category="qualitative")
    customer_id: str | None = field(default=None, links="Customer")
    sent_at: datetime | None = None
    responded_at: datetime | None = None
    comment: str | None = field(default=None, category="qualitative", personal=True)
    ticket_id: str | None = field(default=None, links="Ticket")
    order_id: str | None = field(default=None, links="Order")

    def __attrs_post_init__(self) -> None:
        """Check that the scale is one and that the score lies on it."""
        if self.scale_low >= self.scale_high:
            raise InvalidRecord(f"SurveyResponse.scale_low: {self.scale_low} is not below scale_high {self.scale_high}")
        if self.score is not None and not self.scale_low <= self.score <= self.scale_high:
            raise InvalidRecord(
                f"SurveyResponse.score: {self.score} is not on the scale from {self.scale_low} to {self.scale_high}"
            )
