"""What a KPI should say, in plain Python from its documentation: which facts lie in which period and group."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import attrs
import pytest
from hypothesis import strategies as st

from crmkit.metrics import MetricResult
from crmkit.model import Deal
from tests.metrics.cases import AS_OF, EDGES, TZS


@attrs.frozen
class Fact:
    """What a record means to a KPI: when it counts (None: in no period), as what, in which group, and for how much."""

    at: datetime | None
    outcome: str
    group: object = None
    worth: Any = 0


Finish = Callable[[list[Fact]], dict[str, Any]]


@attrs.frozen(kw_only=True)
class Asked:
    """The arguments of a KPI; dates are compared with civil dates, so no midnight is ever computed."""

    tz: str = "UTC"
    every: str | None = None
    start: date | None = None
    end: date | None = None
    by: str | None = None
    as_of: date = AS_OF

    @property
    def options(self) -> dict[str, Any]:
        return attrs.asdict(self)

    def day(self, at: datetime) -> date:
        return at.astimezone(ZoneInfo(self.tz)).date()

    def is_known(self, at: datetime) -> bool:
        return at <= self.as_of if isinstance(self.as_of, datetime) else self.day(at) <= self.as_of

    def counts(self, at: datetime) -> bool:
        from_, until = self.start or date.min, self.end or date.max
        return self.is_known(at) and from_ <= self.day(at) < until

    def period(self, at: datetime) -> str | None:
        day = self.day(at)
        week = day.isocalendar()
        names = {
            None: None,
            "day": str(day),
            "week": f"{week.year}-W{week.week:02}",
            "month": str(day)[:7],
            "quarter": f"{day.year}-Q{(day.month + 2) // 3}",
            "year": str(day.year),
        }
        return names[self.every]

    def group(self, record: object) -> object:
        return None if self.by is None else getattr(record, self.by)


def asked(by: str) -> st.SearchStrategy[Asked]:
    """Arguments in all combinations; the window, where there is one, cuts off some of what happens."""
    return st.builds(
        Asked,
        tz=st.sampled_from(TZS),
        every=st.sampled_from([None, "day", "week", "month", "quarter", "year"]),
        start=st.sampled_from([None, date(2025, 1, 1), date(2025, 1, 15)]),
        end=st.sampled_from([None, date(2025, 2, 1), date(2025, 3, 10), date(2025, 5, 1)]),
        by=st.sampled_from([None, by]),
        as_of=st.sampled_from([AS_OF, date(2025, 2, 20), EDGES[-1]]),
    )


def check(result: MetricResult, facts: Iterable[Fact], counted: Sequence[str], asked_: Asked, finish: Finish) -> None:
    """Compare a result with facts, measure by measure."""
    cells: dict[tuple[Any, Any], list[Fact]] = {}
    undated = Counter[str]()
    for fact in facts:
        if fact.at is None and asked_.every is not None:
            undated[fact.outcome] += 1
        elif fact.at is None:
            cells.setdefault((None, fact.group), []).append(fact)
        elif asked_.counts(fact.at):
            cells.setdefault((asked_.period(fact.at), fact.group), []).append(fact)

    assert result.excluded == undated
    for measure in result:
        found = cells.pop((measure.period and measure.period.label, measure.group.get(asked_.by or "")), [])
        inside = [fact for fact in found if fact.outcome in counted]
        expected = {
            "n": len(inside),
            "excluded": Counter(fact.outcome for fact in found if fact.outcome not in counted),
        }
        expected |= {name: _near(value) for name, value in finish(inside).items()}
        assert {name: getattr(measure, name) for name in expected} == expected
        assert (measure.value is None) == (measure.reason is not None)
    assert not cells


def _near(value: float | None) -> Any:
    return None if value is None else pytest.approx(float(value), rel=1e-12, abs=1e-12)


def share(facts: list[Fact], outcome: str) -> dict[str, Any]:
    """The share of facts that are of an outcome."""
    part = sum(fact.outcome == outcome for fact in facts)
    return {"value": part / len(facts) if facts else None, "numerator": part, "denominator": len(facts)}


def closed_deals(deals: Iterable[Deal], asked_: Asked) -> Iterator[tuple[Deal, Fact]]:
    """Deals as of their close dates; what is closed after `as_of` is open, and what is created later does not exist."""
    for deal in deals:
        if deal.created_at is not None and not asked_.is_known(deal.created_at):
            continue
        group = asked_.group(deal)
        if deal.category == "open":
            yield deal, Fact(None, "open", group)
        elif deal.closed_at is None:
            yield deal, Fact(None, "closed without a close date", group)
        elif not asked_.is_known(deal.closed_at):
            yield deal, Fact(None, "open", group)
        else:
            yield deal, Fact(deal.closed_at, deal.category, group)


def priced_deals(deals: Iterable[Deal], asked_: Asked) -> Iterator[Fact]:
    """Closed deals with what they are worth."""
    for deal, fact in closed_deals(deals, asked_):
        if fact.at is None:
            yield fact
        elif deal.amount is None:
            yield attrs.evolve(fact, outcome="no amount")
        else:
            yield attrs.evolve(fact, worth=deal.amount.amount)
