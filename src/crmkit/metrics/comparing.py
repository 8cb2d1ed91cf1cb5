"""Every definition of a KPI side by side, because vendors disagree about the same facts."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import attrs
import polars as pl

from crmkit.errors import InvalidInput
from crmkit.frames.table import shared
from crmkit.metrics.result import MetricResult


@attrs.frozen
class Compared:
    """A KPI by one of its methods: what the method counts, and the result, or why the data has none."""

    method: str
    text: str
    result: MetricResult | None
    problem: str | None = None


@attrs.frozen
class Comparison(Sequence[Compared]):
    """A KPI by each of its methods, the default first."""

    methods: tuple[Compared, ...]

    def __getitem__(self, place: Any) -> Any:
        """Return the KPI by one of its methods, or by some of them."""
        return self.methods[place]

    def __len__(self) -> int:
        """Return how many methods there are."""
        return len(self.methods)

    def __iter__(self) -> Iterator[Compared]:
        """Go through the methods, the default first."""
        return iter(self.methods)

    def to_polars(self) -> pl.DataFrame:
        """Return the measures of all methods as one frame: the method, what it counts, and what a result's frame has."""
        frames = [
            each.result.to_polars().select(
                pl.lit(each.method).alias("method"), pl.lit(each.text).alias("text"), pl.all()
            )
            for each in self
            if each.result is not None
        ]
        if not frames:
            raise InvalidInput(f"the data has no result by any method: {self[0].problem}")
        return pl.concat(frames)

    def _repr_html_(self) -> str:
        return self.to_polars()._repr_html_()


def compare(metric: Callable[..., MetricResult], *given: Any, **asked: Any) -> Comparison:
    """Return a KPI by each of its definitions, with what each counts, so that two reports can be reconciled.

    Args:
        metric: a function of `crmkit.metrics`.
        given, asked: its arguments but for `method`.

    A method whose columns or tables are not there is listed with that as its `problem`.

    >>> from crmkit import metrics
    >>> may = datetime(2025, 5, 2, tzinfo=UTC)
    >>> def deal(category): return Deal(pipeline_id="gym", stage="Offer", category=category, created_at=may, closed_at=may)
    >>> by_method = compare(metrics.win_rate, [deal("won"), deal("lost"), deal("open")], as_of=date(2025, 5, 31))
    >>> [(each.method, each.result.value) for each in by_method][:2]
    [('closed', 0.5), ('created', 0.3333333333333333)]
    """
    if not hasattr(metric, "definition"):
        raise InvalidInput(f"{metric!r} is no KPI; give a function of crmkit.metrics")
    held = [shared(each) for each in given]
    compared = (
        _compared(partial(metric, *held, method=method, **asked), method, text)
        for method, text in metric.definition.methods.items()
    )
    return Comparison(tuple(compared))


def _compared(measured: Callable[[], MetricResult], method: str, text: str) -> Compared:
    try:
        return Compared(method, text, measured())
    except InvalidInput as error:
        return Compared(method, text, None, str(error))
