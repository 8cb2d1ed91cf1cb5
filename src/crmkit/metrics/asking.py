"""How a KPI asks: it yields questions, is given the answers, and returns its result.

Written that way, a KPI reads from top to bottom, and those who ask decide when: one by one, many together in one pass, or
again with the sums of the answers of several parts.
"""

from collections.abc import Callable, Generator, Mapping, Sequence
from functools import partial, wraps
from inspect import Parameter, Signature, signature
from typing import Any, ParamSpec

import attrs
from dateutil.relativedelta import relativedelta

from crmkit.errors import InvalidInput, choices
from crmkit.frames.table import shared
from crmkit.frames.tally import Key, Question, Tally, answers, merged, records_behind
from crmkit.metrics.definition import Definition
from crmkit.metrics.result import MetricResult
from crmkit.metrics.scope import DEFAULTS
from crmkit.metrics.versus import earlier, how_far_back

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
            return _run([_Call(steps, given, options)])[0]

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
    calls = [_call(name, metric, held, asked) for name, metric in metrics.items()]
    return dict(zip(metrics, _run(calls), strict=True))


@attrs.frozen(eq=False)
class _Call:
    """A KPI with its arguments."""

    steps: Callable[..., Steps]
    given: Sequence[Any]
    options: Mapping[str, Any]

    def work(self, back: relativedelta | None = None) -> Work:
        """Return what is to be done for the result, or for that of a time that lies so far back."""
        options = self.options if back is None else earlier(self.options, back)
        return partial(self.steps, *self.given, **{name: given for name, given in options.items() if name != "versus"})


def _run(calls: Sequence[_Call]) -> list[MetricResult]:
    """Return the results of calls, each beside that of the earlier time where one is asked for."""
    backs = [how_far_back(call.options) for call in calls]
    works = [call.work() for call in calls]
    works += [call.work(back) for call, back in zip(calls, backs, strict=True) if back is not None]
    found = together(works)
    results, of_earlier = found[: len(calls)], iter(found[len(calls) :])
    return [
        result if back is None else result.versus(next(of_earlier), back)
        for result, back in zip(results, backs, strict=True)
    ]


def together(works: Sequence[Work]) -> list[MetricResult]:
    """Run several KPIs side by side: what they ask in each round is asked in one pass."""
    running = [_Running(work) for work in works]
    while asking := [each for each in running if each.result is None]:
        found = iter(answers([question for each in asking for question in each.asking]))
        for each in asking:
            each.tell([next(found) for _ in each.asking])
    return [each.result for each in running if each.result is not None]


class _Running:
    """A KPI under way, what it asks at present, and in the end its result."""

    def __init__(self, work: Work) -> None:
        self._work, self._steps = work, work()
        self._questions: list[Question] = []
        self._rounds: list[Sequence[Tally]] = []
        self.result: MetricResult | None = None
        self.asking: Sequence[Question] = next(self._steps)

    def tell(self, told: Sequence[Tally]) -> None:
        self._questions += self.asking
        self._rounds.append(told)
        try:
            self.asking = self._steps.send(told)
        except StopIteration as stop:
            trail = Trail(self._work, tuple(self._questions), tuple(self._rounds))
            self.result = attrs.evolve(stop.value, trail=trail)


@attrs.frozen(eq=False)
class Trail:
    """How a result came about: what was asked, and the answers of each round."""

    work: Work
    questions: tuple[Question, ...]
    rounds: tuple[Sequence[Tally], ...]

    def plus(self, other: "Trail") -> MetricResult:
        """Return the result of both parts of the data together, from their answers alone."""
        sums = [
            [merged(a, b) for a, b in zip(*each, strict=True)] for each in zip(self.rounds, other.rounds, strict=True)
        ]
        both = _Running(self.work)
        for told in sums:
            both.tell(told)
        assert both.result is not None
        trail = Trail(self.work, self.questions + other.questions, tuple(sums))
        added: MetricResult = attrs.evolve(both.result, trail=trail)
        return added

    def records(self, key: Key, outcomes: Sequence[str]) -> list[str]:
        """Return the ids of the records that were counted under a key with one of some outcomes."""
        return sorted({each for question in self.questions for each in records_behind(question, key, outcomes)})


def _call(name: str, metric: Any, tables: Mapping[str, Any], asked: Mapping[str, Any]) -> _Call:
    own: dict[str, Any] = metric.keywords if isinstance(metric, partial) else {}
    function: Any = metric.func if isinstance(metric, partial) else metric
    if not hasattr(function, "definition") or (isinstance(metric, partial) and metric.args):
        raise InvalidInput(f"{name!r} is no KPI; give a function of crmkit.metrics, or a partial of one with keywords")
    inputs = function.definition.tables(own.get("method"))
    # Of one table only, the first parameter is it, whatever it is called.
    parameters = list(function.__signature__.parameters) if len(inputs) == 1 else inputs
    options = {**asked, **own}
    for table, parameter in zip(inputs, parameters, strict=False):
        if parameter not in options:
            if table not in tables:
                raise InvalidInput(f"{name!r} reads the table {table!r}; {choices(table, tables)}")
            options[parameter] = tables[table]
    function.__signature__.bind(**options)
    return _Call(function.steps, (), options)


def _public(steps: Callable[..., Steps]) -> Signature:
    """The signature as callers see it: the arguments that all KPIs share stand in it by name."""
    own = [each for each in signature(steps).parameters.values() if each.kind != Parameter.VAR_KEYWORD]
    names = {each.name for each in own}
    common = [
        Parameter(name, Parameter.KEYWORD_ONLY, default=default)
        for name, default in DEFAULTS.items()
        if name not in names
    ]
    return Signature([*own, *common], return_annotation=MetricResult)
