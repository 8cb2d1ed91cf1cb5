"""What each KPI means, in plain language: the text that documentation and reports show."""

from collections.abc import Mapping
from typing import Literal

import attrs

Unit = Literal["share", "points", "days", "minutes", "money", "count", "score"]


@attrs.frozen(kw_only=True)
class Definition:
    """A KPI's name, title, plain-language definition, formula and unit.

    `methods` maps each accepted `method=` to what it does; the first one is the default. `inputs` are the tables that it reads,
    and `other_inputs` those of a method that reads others. Results of parts of the data that share no `key` add up.
    `sources` are empty where the definition is crmkit's own.
    """

    name: str
    title: str
    text: str
    formula: str
    unit: Unit
    inputs: tuple[str, ...]
    key: str
    methods: Mapping[str, str]
    sources: tuple[str, ...] = ()
    other_inputs: Mapping[str, tuple[str, ...]] = attrs.field(factory=dict)

    def tables(self, method: str | None = None) -> tuple[str, ...]:
        """Return the names of the tables that a method reads; None for the default method."""
        return self.other_inputs.get(method or "", self.inputs)
