"""What each KPI means, in plain language: the text that documentation and reports show."""

from collections.abc import Mapping
from typing import Literal

import attrs

Unit = Literal["share", "points", "days", "money"]


@attrs.frozen(kw_only=True)
class Definition:
    """A KPI's name, title, plain-language definition, formula and unit.

    `methods` maps each accepted `method=` to what it does; the first one is the default. `inputs` are the tables it reads.
    """

    name: str
    title: str
    text: str
    formula: str
    unit: Unit
    inputs: tuple[str, ...]
    methods: Mapping[str, str]
    sources: tuple[str, ...] = ()
