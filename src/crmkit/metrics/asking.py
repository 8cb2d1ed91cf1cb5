"""How a KPI asks: it yields questions, is given the answers, and returns its result.

Written that way, a KPI reads from top to bottom, and those who ask decide when: one by one, many together in one pass, or
again with the sums of the answers of several parts.
"""

from collections.abc import Callable, Generator, Mapping, Sequence
from functools import partial, wraps
from inspect import Parameter, Signature, signature
from typing import Any, ParamSpec

import attrs

from crmkit.errors import InvalidInput, choices
from crmkit.frames.table import shared
from crmkit.frames.tally import Key, Question, Tally, answers, merged, records_behind
from crmkit.metrics.definition import Definition
from crmkit.metrics.result import MetricResult
from crmkit.metrics.scope import DEFAULTS

P = ParamSpec("P")
Steps = Generator[Sequence[Question], Sequence[Tally], MetricResult]
"""A KPI under way: it yields questions, is sent their answers, and returns its result."""

Work = Callable[[], Steps]
_REGISTERED: dict[str, Callable[..., MetricResult]] = {}


def kpi(definition: Definition) -> Callable[[Callable[P, Steps]], Callable[P, MetricResult]]:
    """Make a KPI of a function that yields questions, and register it for `catalogue` and the facade.

    A vertical registers its own in the same way; see the guide "Your own KPI". Raises `InvalidInput` for a name that is taken.
    """

    def made(steps: Callable[P, Steps]) -> Callable[P, MetricResult]:
        public = _public(steps)

        @wraps(steps)
        def measure(*given: P.args, **options: P.kwargs) -> MetricResult:
            public.bind(*given, **options)
            return together([partial(steps, *given, **options)])[0]

        measure.__signature__ = public  # type: ignore[attr-defined]
        measure.definition, measure.steps = definition, steps  # type: ignore[attr-defined]
        if _REGISTERED.get(definition.name, measure).__module__ != measure.__module__:
            raise InvalidInput(f"there is a KPI {definition.name!r} already; call yours otherwise")
        _REGISTERED[definition.name] = measure
        return measure

    return made


def registered() -> Mapping[str, Callable[..., MetricResult]]:
    """Return every KPI by its name, in the order of registration."""
    return _REGISTERED


def compute(
    metrics: Mapping[str, Callable[..., MetricResult]], tables: Mapping[str, Any], **asked: Any
) -> dict[str, MetricResult]:
    """Return the results of several KPIs over the same tables, which are read once for all of them.

    Args:
        metrics: KPIs by names of the caller's choice, each a function of this package or a `functools.partial` of one with the
            arguments that are its own.
        tables: the data by the names that the catalogue lists as inputs, such as "deals".
        asked: arguments for all of them, such as `as_of` and `tz`.

    Raises:
        InvalidInput: for what is no KPI, and for a table that is missing.

    >>> from functools import partial
    >>> from crmkit import metrics
    >>> both = {"all": metrics.win_rate, "by owner": partial(metrics.win_rate, by="owner_id")}
    >>> [result.value for result in compute({"rate": metrics.win_rate}, {"deals": []}, as_of=date(2025, 5, 31)).values()]
    [None]
    """
    held = {name: shared(table) for name, table in tables.items()}
    works = [_work(name, metric, held, asked) for name, metric in metrics.items()]
    return dict(zip(metrics, together(works), strict=True))


def together(works: Sequence[Work]) -> list[MetricResult]:
    """Run several KPIs side by side: what they ask in each round is asked in one pass."""
    running = [(work, work(), [], []) for work in works]  # the questions and answers of each so far
    asking = [next(steps) for _, steps, _, _ in running]
    results: dict[int, MetricResult] = {}
    while len(results) < len(running):
        open_ = [number for number in range(len(running)) if number not in results]
        found = iter(answers([question for number in open_ for question in asking[number]]))
        for number in open_:
            work, steps, asked, told = running[number]
            its_answers = [next(found) for _ in asking[number]]
            asked += asking[number]
            told += [its_answers]
            try:
                asking[number] = steps.send(its_answers)
            except StopIteration as stop:
                results[number] = attrs.evolve(stop.value, trail=Trail(work, tuple(asked), tuple(told)))
    return [results[number] for number in range(len(running))]


@attrs.frozen(eq=False)
class Trail:
    """How a result came about: what was asked, and the answers of each round."""

    work: Work
    questions: tuple[Question, ...]
    rounds: tuple[list[Tally], ...]

    def plus(self, other: "Trail") -> MetricResult:
        """Return the result of both parts of the data together, from their answers alone."""
        sums = [[merged(a, b) for a, b in zip(*each, strict=True)] for each in zip(self.rounds, other.rounds, strict=True)]
        steps = self.work()
        next(steps)
        for number, told in enumerate(sums):
            try:
                steps.send(told)
            except StopIteration as stop:
                assert number == len(sums) - 1
                return attrs.evolve(stop.value, trail=Trail(self.work, self.questions + other.questions, tuple(sums)))
        raise AssertionError("the KPI asked more about both parts than about each")

    def records(self, key: Key, outcomes: Sequence[str]) -> list[str]:
        """Return the ids of the records that were counted under a key with one of some outcomes."""
        return sorted({each for question in self.questions for each in records_behind(question, key, outcomes)})


def _work(name: str, metric: Any, tables: Mapping[str, Any], asked: Mapping[str, Any]) -> Work:
    own = metric.keywords if isinstance(metric, partial) else {}
    function = metric.func if isinstance(metric, partial) else metric
    definition: Definition | None = getattr(function, "definition", None)
    if definition is None or (isinstance(metric, partial) and metric.args):
        raise InvalidInput(f"{name!r} is no KPI; give a function of crmkit.metrics, or a partial of one with keywords")
    inputs = [each for each in definition.tables(own.get("method")) if each not in own]
    for missing in (each for each in inputs if each not in tables):
        raise InvalidInput(f"{name!r} reads the table {missing!r}; {choices(missing, tables)}")
    options = {**asked, **own}
    function.__signature__.bind(*(tables[each] for each in inputs[:1]), **{each: tables[each] for each in inputs[1:]}, **options)
    return partial(function.steps, **_named(function, inputs, tables), **options)


def _named(function: Any, inputs: Sequence[str], tables: Mapping[str, Any]) -> dict[str, Any]:
    """The tables by the names of the function's parameters: one table is the first parameter whatever it is called."""
    parameters = list(function.__signature__.parameters)
    if len(inputs) == 1:
        return {parameters[0]: tables[inputs[0]]}
    return {each: tables[each] for each in inputs}


def _public(steps: Callable[..., Steps]) -> Signature:
    """The signature as callers see it: the arguments that all KPIs share stand in it by name."""
    own = [each for each in signature(steps).parameters.values() if each.kind != Parameter.VAR_KEYWORD]
    names = {each.name for each in own}
    common = [
        Parameter(name, Parameter.KEYWORD_ONLY, default=default) for name, default in DEFAULTS.items() if name not in names
    ]
    return Signature([*own, *common], return_annotation=MetricResult)
