"""Surveys: nobody is asked too often, and scales are never mixed."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmkit.errors import InvalidInput, InvalidRecord
from crmkit.model.survey import Survey, SurveyResponse, answer, ask, may_ask, upright_scores

NOON = datetime(2025, 5, 1, 12, tzinfo=UTC)
NPS = Survey(id="nps", name="Yearly", kind="nps", scale_low=0, scale_high=10, fatigue_days=30)
EFFORT = Survey(id="ces", name="Effort", kind="ces", scale_low=1, scale_high=7, is_reversed=True)


@given(st.lists(st.tuples(st.sampled_from(["ann", "bob"]), st.integers(-100, 100)), max_size=6), st.integers(0, 60))
def test_nobody_is_asked_twice_within_the_fatigue_window(asked: list[tuple[str, int]], fatigue_days: int) -> None:
    responses = [ask(NPS, customer, at=NOON + timedelta(hours=12 * halves)) for customer, halves in asked]
    recent = any(customer == "ann" and -2 * fatigue_days < halves <= 0 for customer, halves in asked)

    assert may_ask(NPS.replace(fatigue_days=fatigue_days), responses, "ann", NOON) is not recent


def test_being_asked_anything_tires_and_an_undated_response_does_not() -> None:
    undated = ask(NPS, "ann", at=NOON).replace(sent_at=None)

    assert may_ask(NPS, [undated], "ann", NOON)
    assert not may_ask(NPS, [undated.replace(responded_at=NOON)], "ann", NOON)
    assert not may_ask(NPS, [ask(EFFORT, "ann", at=NOON)], "ann", NOON)


def test_a_response_has_the_scale_of_its_survey() -> None:
    asked = ask(EFFORT, "ann", at=NOON, ticket_id="t1", order_id="o1", interaction_id="i1", subscription_id="s1")
    answered = answer(asked, 7, at=NOON + timedelta(hours=1), comment="hard")

    assert (asked.survey_id, asked.kind, asked.scale_low, asked.scale_high) == ("ces", "ces", 1, 7)
    assert (asked.score, asked.responded_at) == (None, None)
    assert (asked.ticket_id, asked.order_id, asked.interaction_id, asked.subscription_id) == ("t1", "o1", "i1", "s1")
    assert answered == asked.replace(score=7, responded_at=NOON + timedelta(hours=1), comment="hard")
    with pytest.raises(InvalidRecord, match=r"SurveyResponse\.score: 8 is not on the scale"):
        answer(asked, 8, at=NOON)


@given(st.lists(st.none() | st.integers(1, 7)))
def test_a_reversed_scale_is_turned_and_the_unanswered_have_no_score(scores: list[int | None]) -> None:
    responses = [SurveyResponse(kind="ces", scale_low=1, scale_high=7, score=score) for score in scores]
    answered = [score for score in scores if score is not None]

    assert upright_scores(EFFORT, responses) == tuple(8 - score for score in answered)
    assert upright_scores(EFFORT.replace(is_reversed=False), responses) == tuple(answered)


@pytest.mark.parametrize("other", [{"scale_high": 5}, {"scale_low": 0}, {"kind": "csat"}])
def test_mixed_scales_are_refused_even_without_an_answer(other: dict[str, Any]) -> None:
    mixed = [ask(EFFORT, "ann", at=NOON), ask(EFFORT, "bob", at=NOON).replace(**other)]

    with pytest.raises(InvalidInput, match="cannot be counted with the survey's"):
        upright_scores(EFFORT, mixed)


@pytest.mark.parametrize("cls", [Survey, SurveyResponse])
def test_a_scale_without_length_is_refused(cls: type[Any]) -> None:
    name = {"name": "Broken"} if cls is Survey else {}

    with pytest.raises(InvalidRecord, match=rf"{cls.__name__}\.scale_low: 5 is not below scale_high 5"):
        cls(kind="csat", scale_low=5, scale_high=5, **name)
