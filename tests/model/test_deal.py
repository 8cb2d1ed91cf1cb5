"""Deals: every sequence of moves, against a model of a few lines."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmkit.errors import InvalidInput, InvalidRecord, InvalidTransition
from crmkit.model import Deal, Pipeline, Stage, Transition
from crmkit.model.deal import advance, lose, placed, reopen, win
from crmkit.testing.strategies import records

CATEGORY: dict[str, Any] = {
    "Trial": "open",
    "Offer": "open",
    "Won": "won",
    "Won again": "won",
    "Lost": "lost",
    "Ghosted": "lost",
}
GYM = Pipeline(id="gym", stages=[Stage(label, category) for label, category in CATEGORY.items()])
SHOP = Pipeline(id="shop", stages=[Stage("Cart", "open"), Stage("Paid", "won"), Stage("Left", "lost")])
START = datetime(2025, 3, 1, 12, tzinfo=UTC)

Moved = tuple[Deal, Transition]
MOVES: dict[str, Callable[[Deal, str, datetime], Moved]] = {
    "advance": lambda deal, label, at: advance(deal, GYM, label, at=at, by="anna", reason="moved"),
    "win": lambda deal, label, at: win(deal, GYM, stage=label, at=at, by="anna", reason="moved"),
    "lose": lambda deal, label, at: lose(deal, GYM, stage=label, at=at, by="anna", reason="moved"),
    "reopen": lambda deal, label, at: reopen(deal, GYM, label, at=at, by="anna", reason="moved"),
}
ENDS_IN = {
    ("advance", "open"): "open",
    ("win", "open"): "won",
    ("win", "won"): "won",
    ("lose", "open"): "lost",
    ("reopen", "won"): "open",
    ("reopen", "lost"): "open",
}
"""What a move makes of a deal in a category; a move that is not here is impossible."""


@attrs.define
class Model:
    """What a deal should be."""

    stage: str = "Trial"
    closed_at: datetime | None = None
    lost_reason: str | None = None

    def allows(self, move: str, label: str) -> bool:
        return ENDS_IN.get((move, CATEGORY[self.stage])) == CATEGORY[label] and label != self.stage

    def reaches(self) -> set[str]:
        return {label for label in CATEGORY for move in MOVES if self.allows(move, label)}

    def go(self, label: str, at: datetime) -> None:
        was, becomes = CATEGORY[self.stage], CATEGORY[label]
        self.stage = label
        self.closed_at = None if becomes == "open" else self.closed_at if was == becomes == "won" else at
        self.lost_reason = "moved" if becomes == "lost" else None


steps = st.lists(st.tuples(st.sampled_from(list(MOVES)), st.sampled_from(list(CATEGORY))), max_size=12)


@given(steps)
def test_a_deal_goes_where_the_model_says_and_nowhere_else(moves: list[tuple[str, str]]) -> None:
    deal, model, ledger = Deal(pipeline_id="gym", stage="Trial"), Model(), list[Transition]()

    for number, (move, label) in enumerate(moves):
        at = START + timedelta(hours=number)
        if model.allows(move, label):
            model.go(label, at)
            deal, transition = MOVES[move](deal, label, at)
            ledger.append(transition)
        else:
            with pytest.raises(InvalidTransition, match=rf"^deal '{deal.id}' at '{deal.stage}'") as refused:
                MOVES[move](deal, label, at)
            possible = refused.value.possible
            assert set(possible) <= model.reaches()
            assert {other for other in CATEGORY if model.allows(move, other)} <= set(possible)
            assert len(set(possible)) == len(possible) > 0
        assert (deal.stage, deal.category) == (model.stage, CATEGORY[model.stage])
        assert (deal.closed_at, deal.lost_reason) == (model.closed_at, model.lost_reason)

    stages = ["Trial", *(transition.after for transition in ledger)]
    for transition, before, after in zip(ledger, stages, stages[1:], strict=False):
        assert (transition.before, transition.after) == (before, after)
        assert (transition.category_before, transition.category_after) == (CATEGORY[before], CATEGORY[after])
        assert (transition.subject, transition.subject_id, transition.field) == ("Deal", deal.id, "stage")
        assert (transition.by, transition.reason) == ("anna", "moved")
    assert [transition.at for transition in ledger] == sorted(transition.at for transition in ledger)


@given(records(Deal, pipeline_id=st.just("gym"), stage=st.sampled_from(["Trial", "Offer"]), category=st.just("open")))
def test_a_move_leaves_the_rest_of_the_deal_as_it_was(deal: Deal) -> None:
    won, _ = win(deal, GYM, at=START)

    assert (
        won.replace(**{name: getattr(deal, name) for name in ("stage", "category", "closed_at", "lost_reason")}) == deal
    )


@pytest.mark.parametrize("stage", SHOP.labels())
def test_an_impossible_move_always_names_a_possible_one_where_there_is_one(stage: str) -> None:
    deal = placed(Deal(pipeline_id="shop", stage=stage), SHOP)

    for move in (advance, win, lose, reopen):
        extra: dict[str, Any] = {"reason": "price"} if move is lose else {}
        with pytest.raises(InvalidTransition) as refused:
            move(deal, SHOP, stage=stage, at=START, **extra)

        assert refused.value.possible


@pytest.mark.parametrize("stage", CATEGORY)
def test_a_placed_deal_has_the_category_of_its_stage(stage: str) -> None:
    assert placed(Deal(pipeline_id="gym", stage=stage), GYM).category == CATEGORY[stage]


def test_without_a_stage_a_deal_closes_at_the_first_one_of_the_pipeline() -> None:
    deal = Deal(pipeline_id="gym", stage="Offer")

    assert win(deal, GYM, at=START)[0].stage == "Won"
    assert lose(deal, GYM, at=START, reason="price")[0].stage == "Lost"


def test_a_won_deal_keeps_its_close_date_at_another_won_stage() -> None:
    won, _ = win(Deal(pipeline_id="gym", stage="Offer"), GYM, at=START)
    again, transition = win(won, GYM, stage="Won again", at=START + timedelta(days=30))

    assert again.closed_at == START
    assert transition.at == START + timedelta(days=30)


def test_the_ledger_remembers_the_stage_in_which_a_deal_died() -> None:
    lost, transition = lose(Deal(pipeline_id="gym", stage="Offer"), GYM, at=START, reason="price")

    assert (transition.before, transition.category_before) == ("Offer", "open")
    assert (lost.lost_reason, transition.reason) == ("price", "price")


@pytest.mark.parametrize(
    ("stage", "hint"), [("Won", r"; win\(\.\.\.\) does that"), ("Lost", r"; lose\(\.\.\.\) does that")]
)
def test_closing_by_advancing_is_refused_with_the_move_that_does_it(stage: str, hint: str) -> None:
    with pytest.raises(InvalidTransition, match=hint):
        advance(Deal(pipeline_id="gym", stage="Trial"), GYM, stage, at=START)


def test_a_deal_moves_in_its_own_pipeline_only() -> None:
    with pytest.raises(InvalidInput, match="is in pipeline 'gym', not in 'shop'"):
        advance(Deal(pipeline_id="gym", stage="Trial"), SHOP, "Cart", at=START)


@pytest.mark.parametrize("label", ["Ofer", ""])
def test_an_unknown_stage_is_refused_with_the_known_ones(label: str) -> None:
    deal = Deal(pipeline_id="gym", stage="Trial")

    for move in ("advance", "win", "lose"):
        with pytest.raises(InvalidInput, match=f"pipeline 'gym' has no stage '{label}'; there are 'Trial', 'Offer'"):
            MOVES[move](deal, label, START)


def test_a_pipeline_without_a_stage_to_lose_in_says_so() -> None:
    happy = Pipeline(id="happy", stages=[Stage("Trial", "open"), Stage("Won", "won")])

    with pytest.raises(InvalidInput, match="pipeline 'happy' has no stage of the category 'lost'"):
        lose(Deal(pipeline_id="happy", stage="Trial"), happy, at=START, reason="price")


def test_a_move_at_a_naive_time_is_refused() -> None:
    for at in (datetime(2025, 3, 1), None):
        with pytest.raises(InvalidRecord, match=r"^Transition\.at: "):
            advance(Deal(pipeline_id="gym", stage="Trial"), GYM, "Offer", at=at)  # type: ignore[arg-type]


def test_a_deal_is_lost_for_a_reason() -> None:
    with pytest.raises(InvalidRecord, match=r"^Deal\.lost_reason: "):
        lose(Deal(pipeline_id="gym", stage="Trial"), GYM, at=START, reason=" ")


@pytest.mark.parametrize("share", [-0.1, 40])
def test_the_probability_of_a_deal_is_a_share_and_no_percentage(share: float) -> None:
    with pytest.raises(InvalidRecord, match=r"^Deal\.probability: "):
        Deal(pipeline_id="gym", stage="Trial", probability=share)
