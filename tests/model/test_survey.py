"""Surveys: a score lies on its declared scale, and no answer is not the score 0."""

import pytest

from crmkit.errors import InvalidRecord
from crmkit.model import SurveyResponse


def response(score: int | None, low: int = 0, high: int = 10) -> SurveyResponse:
    return SurveyResponse(kind="nps", scale_low=low, scale_high=high, score=score)


@pytest.mark.parametrize("score", [0, 5, 10, None])
def test_a_score_lies_on_its_scale_or_is_missing(score: int | None) -> None:
    assert response(score).score == score


@pytest.mark.parametrize("score", [-1, 11])
def test_a_score_off_its_scale_is_refused(score: int) -> None:
    with pytest.raises(InvalidRecord, match=rf"^SurveyResponse\.score: {score} is not on the scale from 0 to 10"):
        response(score)


@pytest.mark.parametrize(("low", "high"), [(10, 0), (5, 5)])
def test_a_scale_rises(low: int, high: int) -> None:
    with pytest.raises(InvalidRecord, match=rf"^SurveyResponse\.scale_low: {low} is not below scale_high {high}"):
        response(None, low, high)
