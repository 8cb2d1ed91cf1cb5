"""Pipelines: stages in the words of the business, each with a fixed meaning."""

import pytest
from hypothesis import given

from crmkit.errors import InvalidInput, InvalidRecord
from crmkit.model import Pipeline, Stage
from crmkit.testing.strategies import records

GYM = Pipeline(
    id="gym",
    stages=[Stage("Trial", "open", 0.3), Stage("Won", "won"), Stage("Offer", "open", 0.6), Stage("Lost", "lost")],
)


@given(records(Pipeline))
def test_a_pipeline_finds_each_of_its_stages_by_label(pipeline: Pipeline) -> None:
    assert [pipeline.stage(label) for label in pipeline.labels()] == list(pipeline.stages)


@given(records(Pipeline))
def test_every_label_has_exactly_one_category(pipeline: Pipeline) -> None:
    assert sorted(pipeline.labels()) == sorted(
        pipeline.labels("open") + pipeline.labels("won") + pipeline.labels("lost")
    )


def test_labels_keep_the_order_of_the_stages() -> None:
    assert GYM.labels() == ("Trial", "Won", "Offer", "Lost")
    assert GYM.labels("open") == ("Trial", "Offer")
    assert GYM.labels("won", "lost") == ("Won", "Lost")


def test_an_unknown_stage_is_answered_with_the_known_ones() -> None:
    with pytest.raises(InvalidInput, match="pipeline 'gym' has no stage 'Ofer'; there are .*; did you mean 'Offer'"):
        GYM.stage("Ofer")


def test_a_stage_is_found_in_whatever_normal_form_its_label_is_typed() -> None:
    typed = "Zo\u0065\u0308"

    assert Pipeline(id="x", stages=[Stage(typed, "open")]).stage(typed).category == "open"


def test_a_pipeline_has_at_least_one_stage() -> None:
    with pytest.raises(InvalidRecord, match=r"^Pipeline\.stages: .* at least one stage"):
        Pipeline(id="gym", stages=[])


def test_two_stages_never_have_the_same_label() -> None:
    with pytest.raises(InvalidRecord, match=r"^Pipeline\.stages: .* same label in Trial, Trial"):
        Pipeline(id="gym", stages=[Stage("Trial", "open"), Stage("Trial", "lost")])


@pytest.mark.parametrize("share", [-0.01, 1.01, 40])
def test_the_probability_of_a_stage_is_a_share_and_no_percentage(share: float) -> None:
    with pytest.raises(InvalidRecord, match=r"^Stage\.probability: .* is not a share; give a number from 0 to 1"):
        Stage("Trial", "open", share)


def test_a_stage_may_be_certain() -> None:
    assert (Stage("Lost", "lost", 0).probability, Stage("Won", "won", 1).probability) == (0.0, 1.0)
