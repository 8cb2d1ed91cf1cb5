"""Targets: how much of what was to be won has been won."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, Unpack

import attrs
import narwhals as nw

from crmkit.errors import InvalidInput, choices
from crmkit.frames.door import period_of
from crmkit.frames.table import MONEY_UNITS, group_columns
from crmkit.frames.tally import Question, Sums, Tally
from crmkit.frames.words import categorised
from crmkit.metrics.asking import Steps, kpi
from crmkit.metrics.days import day_at, first_day_from
from crmkit.metrics.deals import CATEGORIES
from crmkit.metrics.definition import Definition
from crmkit.metrics.finishing import number, total_amount
from crmkit.metrics.money import currency_bucket, one_currency, unpriced
from crmkit.metrics.result import Measure
from crmkit.metrics.scope import Asked, Scope, check_outcomes, make_scope, result
from crmkit.model.deal import Deal
from crmkit.model.employee import Employee
from crmkit.model.target import Target
from crmkit.stats import periods
from crmkit.stats.periods import index_of

TARGET_ATTAINMENT = Definition(
    name="target_attainment",
    title="Target attainment",
    text="How much of its target an employee, a team or the whole business has reached with the deals won in the period.",
    formula="won / target",
    unit="share",
    inputs=("deals", "targets"),
    key="deal",
    methods={
        "amount": "the amount of won deals / the targets for the metric won_amount",
        "count": "the number of won deals / the targets for the metric won_deals",
    },
    sources=("Salesforce: quota attainment", "HubSpot: goals"),
)

_LEVELS = (None, "owner_id", "team")
_METRICS = {"amount": "won_amount", "count": "won_deals"}


@kpi(TARGET_ATTAINMENT)
def target_attainment(
    *,
    deals: Any,
    targets: Any,
    employees: Any = None,
    method: str = "amount",
    metric: str | None = None,
    **asked: Unpack[Asked],
) -> Steps:
    """Return what was won in proportion to its target: of the business, of each employee or of each team.

    Deals count in the period of their close date and for their present owner. The target of a period is the one for exactly that
    period, or the sum of those that cover it day by day; a quarter of which one month has no target has none, and no target is
    divided. Without a target of its own the business is measured by its employees: the sum of what those with a target won over
    the sum of their targets, which is not the mean of their ratios.

    Args:
        deals: records, or a Polars, pandas or Arrow table with `category`, `closed_at`, `owner_id` and, for "amount", `amount`; it
            reads `created_at` and `currency`.
        targets: records or a table with `metric`, `starts_on` and `ends_on`, and `amount` or `count`; it reads `owner_id`, `team` and
            `currency`.
        employees: records or a table with `id` and `team`, for `by="team"`.
        method: "amount" or "count".
        metric: the `metric` of the targets that count; "won_amount", or "won_deals" by "count", where nothing is said.
        by: "owner_id" for each employee, "team" for each team, None for the whole.
        asked: as for every KPI, see `crmkit.metrics`; without `every` both `start` and `end` are needed.

    Returns:
        Measures in shares, which may exceed 1: what was won as numerator, the target as denominator, won deals as `n`, and
        `details` with the `variance` from the target, the `elapsed` share of days of the period, and the `pace`, which is
        the attainment over that share. No value, with a reason, where there is no target or it is 0. An employee or team with a
        target and no deal is there. Left out and counted: deals without a category, won ones without a close date or an amount and,
        where the business is measured by its employees, those of employees without a target.

    Raises:
        InvalidInput: for a missing column, a naive timestamp, an unknown category, amounts in several currencies, two
            targets for the same days, or a period that is not said.

    >>> from datetime import date, UTC, datetime
    >>> may = {"starts_on": date(2025, 5, 1), "ends_on": date(2025, 6, 1)}
    >>> target = Target(metric="won_amount", owner_id="ann", amount=Money("1000", "PLN"), **may)
    >>> deal = Deal(pipeline_id="gym", stage="Won", category="won", closed_at=datetime(2025, 5, 2, tzinfo=UTC), owner_id="ann",
    ...             amount=Money("800", "PLN"))
    >>> target_attainment(deals=[deal], targets=[target], by="owner_id", every="month", as_of=date(2025, 5, 31)).value
    0.8
    """
    scope = make_scope(TARGET_ATTAINMENT, method, asked)
    level = _level(scope)
    if scope.every is None and (scope.start is None or scope.end is None):
        raise InvalidInput("a target is for a period; give start= and end=, or every='month'")
    if level == "team" and employees is None:
        raise InvalidInput("by='team' needs the teams of employees; give employees=")
    quotas = _quotas(scope, targets, level, metric or _METRICS[method])
    (found,) = yield [_won(scope, deals, employees, quotas)]
    check_outcomes(found, "category", CATEGORIES)
    whole: Tally = {(index, *whose): {} for index, whose in quotas.shown}
    finish = number if method == "count" else total_amount
    won = result(scope, {**whole, **found}, ["won"], lambda counts: finish(counts, ["won"]))
    return attrs.evolve(won, measures=tuple(_attained(scope, each, quotas) for each in won))


def _level(scope: Scope) -> str | None:
    level = ", ".join(scope.by) or None
    if level not in _LEVELS:
        raise InvalidInput(f"by={level!r} has no targets; {choices(level or '', [each for each in _LEVELS if each])}")
    return level


@attrs.frozen
class _Quota:
    """A target: of the business (), of one employee or of one team, for the days from `start` until before `end`."""

    whose: tuple[str, ...]
    start: date
    end: date
    value: int
    currency: str | None


@attrs.frozen
class _Quotas:
    """The targets of one level. `is_sum` says that the business has none of its own and is measured by its employees."""

    every: tuple[_Quota, ...]
    spans: Mapping[int | None, tuple[date, date]]
    is_sum: bool

    @property
    def shown(self) -> list[tuple[int | None, tuple[str, ...]]]:
        """The periods and owners that have a target, whether or not anything was won."""
        found = [(index, whose) for index in self.spans for whose in self.met(index)]
        return [(index, ()) for index in dict.fromkeys(index for index, _ in found)] if self.is_sum else found

    def met(self, index: int | None) -> dict[tuple[str, ...], list[_Quota]]:
        """The targets that cover a period day by day, by whose they are."""
        start, end = self.spans[index]
        mine: dict[tuple[str, ...], list[_Quota]] = {}
        for each in self.every:
            mine.setdefault(each.whose, []).append(each)
        covers = {whose: _cover(quotas, start, end) for whose, quotas in mine.items()}
        return {whose: cover for whose, cover in covers.items() if cover}

    def of(self, whose: tuple[str, ...], index: int | None) -> list[_Quota]:
        """The targets that make up the one of a period; none where some of its days have none."""
        met = self.met(index) if index in self.spans else {}
        return [each for cover in met.values() for each in cover] if self.is_sum else met.get(whose, [])


def _cover(quotas: Sequence[_Quota], start: date, end: date) -> list[_Quota]:
    """Targets that follow one another from the first to the last day, the longest where several begin on one day."""
    cover: list[_Quota] = []
    while start < end:
        longest = max((each.end for each in quotas if each.start == start and each.end <= end), default=None)
        found = [each for each in quotas if each.start == start and each.end == longest]
        if not found:
            return []
        if len(found) > 1:
            whose = " ".join(map(repr, found[0].whose)) or "the business"
            raise InvalidInput(f"{whose} has {len(found)} targets from {start} until {longest}; give one")
        cover += found
        start = found[0].end
    return cover


def _quotas(scope: Scope, targets: Any, level: str | None, metric: str) -> _Quotas:
    needs, uses = ("metric", "starts_on", "ends_on", scope.method), ("owner_id", "team", "currency")
    table = scope.open(targets, Target, needs=needs, uses=uses, is_main=False)
    held = table.rows.filter((nw.col("metric") == metric) & ~nw.col(scope.method).is_null())
    found = held.collect("polars").to_native().to_dicts()
    # A target of another time decides nothing: not even whether the business is measured by its employees.
    first = None if scope.start is None else day_at(scope, scope.start)
    until = _until(scope)
    levels: dict[str | None, list[_Quota]] = {}
    for row in found:
        owner = "owner_id" if row.get("owner_id") else "team" if row.get("team") else None
        whose = () if owner is None else (row[owner],)
        start, end = row["starts_on"], row["ends_on"]
        if start < until and (first is None or end > first):
            quota = _Quota(whose, start, end, int(row[scope.method]), row.get("currency"))
            levels.setdefault(owner, []).append(quota)
    is_sum = level is None and None not in levels
    every = levels.get("owner_id" if is_sum else level, [])
    return _Quotas(tuple(every), _spans(scope, every), is_sum)


def _until(scope: Scope) -> date:
    """The first day after the window, or after the last of its periods, which may go on after `as_of`."""
    if scope.every is None:
        assert scope.end is not None
        return first_day_from(scope, scope.end)
    last = index_of(day_at(scope, scope.last_moment), scope.every)
    return periods.period_of(last, scope.every).end


def _spans(scope: Scope, quotas: Sequence[_Quota]) -> dict[int | None, tuple[date, date]]:
    """The days of each period that there may be a target for, by its index."""
    if scope.every is None:
        assert scope.start is not None
        assert scope.end is not None
        return {None: (first_day_from(scope, scope.start), first_day_from(scope, scope.end))}
    if not quotas:
        return {}
    first = min(each.start for each in quotas) if scope.start is None else day_at(scope, scope.start)
    last = min(day_at(scope, scope.last_moment), max(each.end for each in quotas))
    indexes = range(index_of(first, scope.every), index_of(last, scope.every) + 1)
    found = {index: periods.period_of(index, scope.every) for index in indexes}
    return {index: (period.start, period.end) for index, period in found.items()}


def _won(scope: Scope, deals: Any, employees: Any, quotas: _Quotas) -> Question:
    """Ask for what was won; of those who have no target too, unless the business is measured by those who have one."""
    is_priced = scope.method == "amount"
    needs = ("category", "closed_at", "owner_id", *(["amount"] if is_priced else []))
    by_owner = attrs.evolve(scope, by=()) if scope.by == ("team",) else scope
    table = by_owner.open(deals, Deal, needs=needs, uses=("created_at", "currency", "id"))
    category, closed_at = nw.col("category"), nw.col("closed_at")
    outcome = (
        categorised(CATEGORIES)
        .when((category != "won") | (closed_at > scope.known_until))
        .then(nw.lit(None, nw.String))
        .when(closed_at.is_null())
        .then(nw.lit("won without a close date"))
    )
    if is_priced:
        outcome = outcome.when(nw.col("amount").is_null()).then(unpriced(table.columns))
    if quotas.is_sum:
        outcome = outcome.when(~_has_target(scope, quotas)).then(nw.lit("owner without a target"))
    won = table.rows if scope.by != ("team",) else _with_teams(scope, table.rows, employees)
    return scope.question(
        won,
        at="closed_at",
        outcome=outcome.otherwise(nw.lit("won")),
        bucket=currency_bucket(table) if is_priced else None,
        amount=nw.col("amount") if is_priced else None,
    )


def _has_target(scope: Scope, quotas: _Quotas) -> nw.Expr:
    """Whether the owner of a deal had a target in the period in which it was closed."""
    found = nw.lit(value=False)
    for index in quotas.spans:
        has_one = nw.col("owner_id").is_in([owner for (owner,) in quotas.met(index)]).fill_null(value=False)
        if scope.every is not None:
            has_one = has_one & (period_of("closed_at", scope.every) == index)
        found = found | has_one
    return found


def _with_teams(scope: Scope, deals: nw.LazyFrame[Any], employees: Any) -> nw.LazyFrame[Any]:
    table = scope.open(employees, Employee, needs=("id", "team"), is_main=False)
    (group,) = group_columns(scope.by)
    teams = table.rows.group_by("id").agg(nw.col("team").max().alias(group))
    return deals.join(teams, left_on="owner_id", right_on="id", how="left")


def _attained(scope: Scope, won: Measure, quotas: _Quotas) -> Measure:
    """What was won, in proportion to its target."""
    index, *whose = won.key
    cover = quotas.of(tuple(whose), index)
    target = sum(each.value for each in cover) / (MONEY_UNITS if scope.method == "amount" else 1)
    reached = won.value or 0.0
    if not target:
        reason = "the target is 0" if cover else "no target"
        return attrs.evolve(won, value=None, unit="share", numerator=reached, denominator=0, reason=reason)
    if scope.method == "amount":
        named = {each.currency: Sums() for each in cover if each.currency}
        one_currency(named if won.unit == "money" else {**named, won.unit: Sums()})
    start, end = quotas.spans[index]
    days = (day_at(scope, scope.last_moment) - start).days + 1
    elapsed = max(0.0, min(1.0, days / (end - start).days))
    details = {"variance": reached - target, "elapsed": elapsed}
    return attrs.evolve(
        won,
        value=reached / target,
        unit="share",
        numerator=reached,
        denominator=target,
        details=details | ({"pace": reached / target / elapsed} if elapsed else {}),
    )
