"""Campaigns: every sequence of moves, against a model of a few lines."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmkit.errors import InvalidTransition
from crmkit.model.campaign import Campaign, Moved, complete, pause, possible_moves, start

NOON = datetime(2025, 5, 1, 12, tzinfo=UTC)
MOVES: dict[str, Callable[..., Moved]] = {"start": start, "pause": pause, "complete": complete}
BECOMES = {
    ("planning", "start"): "active",
    ("active", "pause"): "paused",
    ("paused", "start"): "active",
    ("active", "complete"): "complete",
    ("paused", "complete"): "complete",
}


@given(st.lists(st.sampled_from(sorted(MOVES)), max_size=8))
def test_a_campaign_goes_where_the_model_says_and_nowhere_else(moves: list[str]) -> None:
    campaign, category = Campaign(name="Spring"), "planning"

    for move in moves:
        allowed = {name for was, name in BECOMES if was == category}
        assert set(possible_moves(campaign)) == allowed
        if move not in allowed:
            with pytest.raises(InvalidTransition, match=f"does not allow {move}") as refused:
                MOVES[move](campaign, at=NOON)
            assert set(refused.value.possible) == allowed
            continue
        before, category = category, BECOMES[category, move]
        campaign, transition = MOVES[move](campaign, at=NOON, by="ann", reason="r")
        assert (transition.category_before, transition.category_after) == (before, category)
        assert (transition.after, transition.at, transition.by, transition.reason) == (
            campaign.status,
            NOON,
            "ann",
            "r",
        )
