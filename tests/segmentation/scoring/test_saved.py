"""A score as JSON text: it comes back as it was, and nothing else is taken for one."""

import json
from typing import Any

import pytest

from crmkit.errors import InvalidInput
from crmkit.rules import field
from crmkit.segmentation import Points, PointScorecard, Scorecard
from crmkit.segmentation.scoring import saved
from tests.segmentation.scoring.prospects import ASKED, FIELDS, prospects

CARD = Scorecard.fit(prospects(), outcome="won", fields=FIELDS, **ASKED)
POINTS = PointScorecard([Points(field("source") == "ąę", 10, "came", "g")], {"g": 5}, start=2)


def changed(text: str, *path: Any, value: Any) -> str:
    data = json.loads(text)
    inner = data
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = value
    return json.dumps(data)


@pytest.mark.parametrize("score", [CARD, POINTS, PointScorecard([])])
def test_a_score_comes_back_as_it_was(score: Any) -> None:
    assert type(score).from_json(score.to_json()) == score
    assert type(score).from_json(score.to_json()).to_json() == score.to_json()


def test_text_is_written_as_it_is() -> None:
    assert "ąę" in POINTS.to_json()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (None, "NoneType is no JSON text; give what Scorecard.to_json returned"),
        ("{", "this text is no JSON; give what Scorecard.to_json returned"),
        ("[" * 100_000, "this text is no JSON"),
        ("[]", "this is no saved Scorecard"),
        (POINTS.to_json(), "this is no saved Scorecard; give what Scorecard.to_json returned"),
        (changed(CARD.to_json(), "version", value=2), "this version of a saved Scorecard is not known; give 1"),
        (changed(CARD.to_json(), "version", value=True), "this version of a saved Scorecard is not known"),
        (changed(CARD.to_json(), "Scorecard", value=[]), "Scorecard: what is there does not fit"),
        (changed(CARD.to_json(), "Scorecard", "extra", value=1), "Scorecard: what is there does not fit"),
        (changed(CARD.to_json(), "Scorecard", "start", value=1.5), "Scorecard.start: what is there does not fit"),
        (changed(CARD.to_json(), "Scorecard", "start", value=True), "Scorecard.start: what is there does not fit"),
        (changed(CARD.to_json(), "Scorecard", "fields", value={}), "Scorecard.fields: what is there does not fit"),
        (
            changed(CARD.to_json(), "Scorecard", "fields", 0, "kind", value="picture"),
            r"fields\[0\].kind: what is there",
        ),
        (
            changed(CARD.to_json(), "Scorecard", "fields", 1, "bins", 0, "upto", value="2"),
            r"fields\[1\].bins\[0\].upto:",
        ),
        (changed(CARD.to_json(), "Scorecard", "histogram", 0, value=[1, 2]), r"histogram\[0\]: what is there"),
    ],
)
def test_what_is_no_saved_score_is_refused(text: Any, says: str) -> None:
    with pytest.raises(InvalidInput, match=says):
        Scorecard.from_json(text)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (changed(POINTS.to_json(), "PointScorecard", "points", 0, "rule", value={}), "this is no saved rule"),
        (
            changed(POINTS.to_json(), "PointScorecard", "points", 0, "points", value="10"),
            r"points\[0\].points: what is there",
        ),
        (changed(POINTS.to_json(), "PointScorecard", "limits", value=[]), "PointScorecard.limits: what is there"),
        (
            changed(POINTS.to_json(), "PointScorecard", "limits", value={"g": None}),
            "PointScorecard.limits.g: what is there",
        ),
        (changed(POINTS.to_json(), "PointScorecard", "limits", value={"h": 1}), "names a group 'h'"),
    ],
)
def test_what_are_no_saved_points_is_refused(text: str, says: str) -> None:
    with pytest.raises(InvalidInput, match=says):
        PointScorecard.from_json(text)


def test_points_have_a_bound() -> None:
    text = changed(CARD.to_json(), "Scorecard", "fields", 0, "bins", 0, "points", value=10**15)

    with pytest.raises(InvalidInput, match="the points of this score lie more than 1,000,000 apart"):
        Scorecard.from_json(text).score(prospects(), **ASKED)


def test_a_text_has_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(saved, "LONGEST_JSON", 50)

    for act in (CARD.to_json, lambda: Scorecard.from_json("x" * 51)):
        with pytest.raises(InvalidInput, match="a saved score has at most 50 characters"):
            act()
