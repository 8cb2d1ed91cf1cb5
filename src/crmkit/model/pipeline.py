"""Pipelines: the stages that a deal goes through, in the words of the business."""

from collections.abc import Sequence
from typing import Literal
from unicodedata import normalize

from crmkit.errors import InvalidInput, InvalidRecord, choices
from crmkit.model.records import Record, Value, field, record, value

DealCategory = Literal["open", "won", "lost"]


@value
class Stage(Value):
    """A stage: its label is the business's own, its category says what it means to every KPI.

    `probability` is the share of deals at this stage that are won, from 0 to 1. After `rotting_days` without activity
    a deal at this stage needs attention. `forecast_category` is the business's own word for how sure it is of deals at
    this stage, such as "commit".
    """

    label: str
    category: DealCategory
    probability: float | None = field(default=None, category="quantitative")
    rotting_days: int | None = None
    forecast_category: str | None = None

    def __attrs_post_init__(self) -> None:
        """Check that the probability is a share; 40 for 40 % would make every forecast 100 times too large."""
        if self.probability is not None and not 0 <= self.probability <= 1:
            raise InvalidRecord(f"Stage.probability: {self.probability} is not a share; give a number from 0 to 1")


@record
class Pipeline(Record):
    """The stages of one kind of sale, in order. A business may have several pipelines.

    >>> gym = Pipeline(id="gym", stages=[Stage("Trial", "open", 0.3), Stage("Won", "won"), Stage("Lost", "lost")])
    >>> gym.stage("Trial").probability
    0.3
    """

    stages: Sequence[Stage]
    name: str | None = None

    def __attrs_post_init__(self) -> None:
        """Check that there is a stage and that no two have the same label."""
        labels = self.labels()
        if not labels:
            raise InvalidRecord("Pipeline.stages: a pipeline needs at least one stage")
        if len(set(labels)) < len(labels):
            raise InvalidRecord(f"Pipeline.stages: two stages have the same label in {', '.join(labels)}")

    def stage(self, label: str) -> Stage:
        """Return the stage with this label; raise `InvalidInput`, which lists the stages, if there is none."""
        wanted = normalize("NFC", label)
        for stage in self.stages:
            if stage.label == wanted:
                return stage
        raise InvalidInput(f"pipeline {self.id!r} has no stage {label!r}; {choices(label, self.labels())}")

    def labels(self, *categories: DealCategory) -> tuple[str, ...]:
        """Return the labels of the stages in order, of these categories or of all."""
        return tuple(stage.label for stage in self.stages if not categories or stage.category in categories)
