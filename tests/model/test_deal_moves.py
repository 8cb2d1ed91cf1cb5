"""Deals: closing, reopening, owners and probabilities over pipelines of any shape."""

from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from crmkit.errors import InvalidInput, InvalidRecord, InvalidTransition
from crmkit.model.deal import Deal, DealContact, Moved, advance, lose, placed, probability, reopen, win
from crmkit.model.money import Money
from crmkit.model.pipeline import Pipeline, Stage
from crmkit.testing.strategies import records

START = datetime(2025, 3, 1, 12, tzinfo=UTC)
LATER = START + timedelta(days=30)
GYM = Pipeline(
    id="gym",
    stages=[
        Stage("Trial", "open", 0.3),
        Stage("Won small", "won", 0.9),
        Stage("Offer", "open", 0.6),
        Stage("Won big", "won"),
        Stage("Lost", "lost", 0.1),
    ],
)
TRIAL = Deal(pipeline_id="gym", stage="Trial")
OFFER = Deal(pipeline_id="gym", stage="Offer")

pipelines = st.lists(records(Stage), min_size=1, max_size=6, unique_by=lambda stage: stage.label).map(
    lambda stages: Pipeline(id="any", stages=stages)
)


def _moves(deal: Deal, pipeline: Pipeline, label: str) -> list[Moved]:
    """What every move that is possible makes of a deal at this stage."""
    moves: list[Callable[[], Moved]] = [
        lambda: advance(deal, pipeline, label, at=LATER),
        lambda: win(deal, pipeline, stage=label, at=LATER),
        lambda: lose(deal, pipeline, stage=label, reason="price", at=LATER),
        lambda: reopen(deal, pipeline, label, at=LATER),
    ]
    made = []
    for move in moves:
        with suppress(InvalidTransition):
            made.append(move())
    return made


@given(pipelines, st.data())
def test_there_is_one_way_to_each_stage_and_a_refusal_lists_them_all(pipeline: Pipeline, data: st.DataObject) -> None:
    deal = placed(Deal(pipeline_id="any", stage=data.draw(st.sampled_from(pipeline.labels()))), pipeline)
    ways = {label: _moves(deal, pipeline, label) for label in pipeline.labels()}

    with pytest.raises(InvalidTransition) as refused:
        advance(deal, pipeline, deal.stage, at=LATER)
    assert list(refused.value.possible) == [label for label, made in ways.items() if made]
    assert all(len(made) <= 1 for made in ways.values())
    assert all(moved.stage == label for label, made in ways.items() for moved, _ in made)


@given(pipelines, st.data())
def test_a_deal_is_won_at_the_nearest_won_stage_after_the_present_one(pipeline: Pipeline, data: st.DataObject) -> None:
    """Behaviour 2."""
    categories = [stage.category for stage in pipeline.stages]
    assume({"open", "won"} <= set(categories))
    here = data.draw(st.sampled_from([place for place, category in enumerate(categories) if category == "open"]))
    won_places = [place for place, category in enumerate(categories) if category == "won"]
    expected = min(won_places, key=lambda place: (place < here, place))

    won, _ = win(Deal(pipeline_id="any", stage=pipeline.stages[here].label), pipeline, at=START)

    assert won.stage == pipeline.stages[expected].label


def test_a_won_deal_moves_to_another_won_stage_by_name_and_keeps_its_close_date() -> None:
    """Behaviour 2: it is not a new win."""
    won, _ = win(TRIAL, GYM, at=START)
    again, transition = win(won, GYM, stage="Won big", at=LATER)

    assert (won.stage, again.stage, again.closed_at) == ("Won small", "Won big", START)
    assert (transition.category_before, transition.category_after) == ("won", "won")
    with pytest.raises(InvalidTransition, match="cannot be won at 'Won small'.*: Trial, Offer, Won big$"):
        win(won, GYM, at=LATER)


def test_a_lost_deal_is_won_through_reopening_alone() -> None:
    """Behaviour 3: a deal is never won and lost without being open in between, so the ledger needs no guess."""
    lost, _ = lose(TRIAL, GYM, reason="price", at=START)
    won, _ = win(OFFER, GYM, at=START)

    with pytest.raises(InvalidTransition, match="possible from here: Trial, Offer$"):
        win(lost, GYM, at=LATER)
    with pytest.raises(InvalidTransition, match="possible from here: Trial, Won small, Offer$"):
        lose(won, GYM, reason="price", at=LATER)
    assert win(reopen(lost, GYM, "Offer", at=LATER)[0], GYM, at=LATER)[0].stage == "Won big"


@pytest.mark.parametrize("close", [lambda: win(TRIAL, GYM, at=START), lambda: lose(TRIAL, GYM, reason="r", at=START)])
def test_won_and_lost_deals_have_a_close_date_until_they_are_reopened(close: Callable[[], Moved]) -> None:
    """Behaviour 5."""
    closed, _ = close()
    opened, transition = reopen(closed, GYM, "Offer", at=LATER)

    assert closed.closed_at == START
    assert (opened.closed_at, opened.lost_reason) == (None, None)
    assert (transition.before, transition.category_after) == (closed.stage, "open")


def test_a_pipeline_without_a_stage_to_win_in_says_so() -> None:
    endless = Pipeline(id="gym", stages=[Stage("Trial", "open")])

    with pytest.raises(InvalidInput, match="pipeline 'gym' has no stage of the category 'won'; add one"):
        win(TRIAL, endless, at=START)


def test_a_deal_at_a_stage_that_is_gone_can_be_closed() -> None:
    gone = Deal(pipeline_id="gym", stage="Fax sent")

    assert win(gone, GYM, at=START)[0].stage == "Won small"
    assert lose(gone, GYM, reason="price", at=START)[1].before == "Fax sent"


@pytest.mark.parametrize("own", [None, 0.0, 0.5])
def test_a_probability_is_the_deals_own_or_that_of_its_stage_and_certain_once_closed(own: float | None) -> None:
    """Behaviour 4: the two are kept apart, so a move changes the one and not the other."""
    trial = TRIAL.replace(probability=own)
    offer, _ = advance(trial, GYM, "Offer", at=START)
    lost, _ = lose(offer, GYM, reason="price", at=START)
    won, _ = win(reopen(lost, GYM, "Trial", at=START)[0], GYM, at=START)
    deals = (trial, offer, lost, won)

    assert [probability(deal, GYM) for deal in deals] == [
        0.3 if own is None else own,
        0.6 if own is None else own,
        0,
        1,
    ]
    assert {deal.probability for deal in deals} == {own}


def test_a_probability_that_nobody_gave_is_none() -> None:
    plain = Pipeline(id="plain", stages=[Stage("New", "open")])

    assert probability(Deal(pipeline_id="plain", stage="New"), plain) is None
    with pytest.raises(InvalidInput, match="is in pipeline 'gym', not in 'plain'"):
        probability(TRIAL, plain)


def test_no_move_changes_a_frozen_amount_and_nothing_prices_a_deal_without_one() -> None:
    """Behaviour 12: the record holds the amount at the frozen rate; the two other policies need none."""
    deal = TRIAL.replace(amount=Money(100, "THB"), reporting_amount=Money("11.20", "PLN"))
    won, _ = win(deal, GYM, at=START)
    opened, _ = reopen(won, GYM, "Offer", at=LATER)

    assert won.reporting_amount == opened.reporting_amount == Money("11.20", "PLN")
    assert win(deal.replace(reporting_amount=None), GYM, at=START)[0].reporting_amount is None


def test_a_deal_has_at_most_one_primary_contact() -> None:
    ann, bob = DealContact("ann", "decision maker", is_primary=True), DealContact("bob", is_primary=True)

    assert TRIAL.replace(contacts=[ann, bob.replace(is_primary=False)]).contacts[0].role == "decision maker"
    with pytest.raises(InvalidRecord, match=r"^Deal\.contacts: "):
        TRIAL.replace(contacts=[ann, bob])


@pytest.mark.parametrize("share", [-0.1, 40])
def test_a_probability_is_a_share_and_no_percentage(share: float) -> None:
    with pytest.raises(InvalidRecord, match=r"^Deal\.probability: "):
        TRIAL.replace(probability=share)
