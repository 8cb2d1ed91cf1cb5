"""All that a KPI says, out of the small tables that hand-written queries give: values, intervals, and what was left out for which reason.

A table has rows of an `outcome` with their number `n`, by groups and by `month`, which is empty for what belongs to no period; rows
without an outcome only tell a `currency`. Where they are needed it has sums of amounts (`total`), of their `squares` or of days, and
what was `taken`: each length with its number, or a list of lengths. What lasts has the months in which it `began` and `ended` instead
of one.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from company import BEGINNING, NOW

from crmkit.metrics import MetricResult
from crmkit.stats import intervals

TZ = "UTC"
"""The time zone whose months are meant, as the KPIs are asked; queries convert to it as KPIs do."""

UNKNOWN = "unknown"
"""The outcome of a row whose category means nothing, which no query may find."""

_CONFIDENCE = 0.95
_CODE = len("PLN")
_LAST = (NOW - timedelta(days=1)).date()
MONTHS = pl.DataFrame({"month": pl.date_range(BEGINNING.date(), _LAST, "1mo", eager=True)})

Key = tuple[Any, ...]
Row = Mapping[str, Any]


class Figure(NamedTuple):
    """The part of a `Measure` that is compared."""

    value: float | None
    n: int
    numerator: float | None = None
    denominator: float | None = None
    low: float | None = None
    high: float | None = None
    details: Mapping[str, float] = {}
    excluded: Mapping[str, int] = {}


class Figures(NamedTuple):
    """What is said by month and group, the rows that belong to no month by reason, and the currency where there is one."""

    by_key: Mapping[Key, Figure]
    excluded: Mapping[str, int]
    currency: str | None


Finish = Callable[[Sequence[Row]], Figure]


def figures_of(result: MetricResult) -> Figures:
    """Return what a KPI says."""
    by_key = {
        (each.period and each.period.start, *each.group.values()): Figure(
            *(getattr(each, name) for name in Figure._fields)
        )
        for each in result
    }
    currencies = {each.unit for each in result if len(each.unit) == _CODE and each.unit.isupper()}
    return Figures(by_key, result.excluded, next(iter(currencies), None))


def figures(answer: pl.DataFrame, finish: Finish, counted: Sequence[str], *by: str) -> Figures:
    """Return what an answer says; outcomes that are not `counted` are reasons for leaving out."""
    currencies = answer["currency"].drop_nulls().unique().to_list() if "currency" in answer.columns else [None]
    if len(currencies) > 1:
        raise ValueError("amounts of several currencies cannot be added")
    rows: dict[Key, list[Row]] = defaultdict(list)
    left_out: dict[Key, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    is_dated = "month" in answer.columns
    for row in _rows(answer.filter(pl.col("outcome").is_not_null())):
        key = (row["month"] if is_dated else None, *(row[name] for name in by))
        if row["outcome"] == UNKNOWN:
            raise ValueError(f"{row['n']} rows hold a category that means nothing")
        if row["outcome"] in counted:
            rows[key].append(row)
        elif is_dated and key[0] is None:
            left_out[()][row["outcome"]] += row["n"]
        else:
            left_out[key][row["outcome"]] += row["n"]
    undated = left_out.pop((), {})
    by_key = {key: finish(rows.get(key, ()))._replace(excluded=left_out.get(key, {})) for key in {*rows, *left_out}}
    return Figures(by_key, undated, *currencies)


def _rows(answer: pl.DataFrame) -> list[Row]:
    # Lists of what was taken are long, and stay what they are.
    columns = [each if each.dtype == pl.List else each.to_list() for each in answer]
    return [dict(zip(answer.columns, values, strict=True)) for values in zip(*columns, strict=True)]


def lasting(answer: pl.DataFrame) -> pl.DataFrame:
    """Return the rows in each month at whose end they are there, and as they are those that never began."""
    there = answer.filter(pl.col("began").is_not_null()).join(MONTHS, how="cross")
    there = there.filter(
        pl.col("began") <= pl.col("month").dt.month_end(),
        pl.col("ended").is_null() | (pl.col("ended") > pl.col("month")),
    )
    never = answer.filter(pl.col("began").is_null())
    return pl.concat([there, never], how="diagonal")


def total(rows: Sequence[Row], name: str = "n", *outcomes: str) -> Any:
    """Return the sum of a column, over rows with some outcomes where they are named."""
    return sum(row[name] or 0 for row in rows if not outcomes or row["outcome"] in outcomes)


def _number(rows: Sequence[Row]) -> Figure:
    n = total(rows)
    return Figure(float(n), n, n)


def _proportion(part: int, n: int, **details: float) -> Figure:
    low, high = intervals.proportion(part, n, _CONFIDENCE) or (None, None)
    return Figure(part / n if n else None, n, part, n, low, high, details)


def _share(part: str) -> Finish:
    return lambda rows: _proportion(total(rows, "n", part), total(rows))


def _conversion(rows: Sequence[Row]) -> Figure:
    part, n = total(rows, "n", "converted"), total(rows)
    still_open = float(total(rows, "n", "open"))
    return _proportion(part, n, per_100_leads=100 * part / n, open=still_open) if n else _proportion(0, 0)


def _amount(rows: Sequence[Row]) -> Figure:
    amount = total(rows, "total")
    return Figure(amount, total(rows), amount)


def _average(rows: Sequence[Row]) -> Figure:
    amount, n = total(rows, "total"), total(rows)
    bounds = intervals.mean(amount, total(rows, "squares"), n, _CONFIDENCE) or (None, None)
    return Figure(amount / n if n else None, n, amount, n, *bounds)


def _net_score(rows: Sequence[Row]) -> Figure:
    n = total(rows)
    promoters = total([row for row in rows if row["score"] >= 9])
    detractors = total([row for row in rows if row["score"] <= 6])
    net = intervals.net_share(promoters, detractors, n, _CONFIDENCE)
    low, high = (100 * net[0], 100 * net[1]) if net else (None, None)
    parts = {"promoters": promoters, "passives": n - promoters - detractors, "detractors": detractors}
    score = 100 * (promoters - detractors) / n if n else None
    return Figure(score, n, promoters - detractors, n, low, high, parts)


def _churn(rows: Sequence[Row], *, is_retention: bool = False) -> Figure:
    before, after = (total([row for row in rows if row[flag]]) for flag in ("before", "after"))
    lost = total([row for row in rows if row["before"] and not row["after"]])
    joined = [row for row in rows if not row["before"]]
    # Who came and left within the period is new, or reactivated, and lost.
    passed = total([row for row in joined if not row["after"]])
    new = total([row for row in joined if row["is_first"]])
    base = {"start": before, "end": after, "new": new, "reactivated": total(joined) - new, "lost": lost + passed}
    return _proportion(before - lost if is_retention else lost, before, **base)


def _movement(rows: Sequence[Row]) -> Figure:
    moved: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        moved[_move(row)].append(row)
    words = ("new", "reactivation", "expansion", "contraction", "churn")
    parts = {word: abs(total(moved[word], "total")) for word in words}
    start, end = total(rows, "paid_before"), total(rows, "paid_after")
    n = sum(total(moved[word]) for word in words)
    return Figure(end - start, n, end - start, details={**parts, "start": start, "end": end})


def _move(row: Row) -> str:
    before, after, change = row["before"], row["after"], row["direction"]
    if before and not after:
        return "churn"
    if after and not before:
        return "new" if row["is_first"] else "reactivation"
    return {1: "expansion", -1: "contraction", 0: "none"}[change]


def _account(rows: Sequence[Row]) -> Figure:
    active = [row for row in rows if row["after"]]
    paid, n = total(active, "paid_after"), total(active)
    return Figure(paid / n if n else None, n, paid, n)


def _velocity(rows: Sequence[Row]) -> Figure:
    n_open, won, n = total(rows, "n", "open"), total(rows, "n", "won"), total(rows, "n", "won", "lost")
    priced, cycles = total(rows, "priced", "won"), total(rows, "cycles", "won")
    days = total(rows, "days", "won")
    if not n or not won or not priced or not days:
        return Figure(None, n, 0, 0)
    rate, average, cycle = won / n, total(rows, "total", "won") / priced, days / cycles
    expected = n_open * rate * average
    factors = {"open": n_open, "win_rate": rate, "average_won": average, "cycle_days": cycle}
    return Figure(expected / cycle, n, expected, cycle, details=factors)


def _lengths(rows: Sequence[Row], *, each: float = 1) -> Figure:
    """The median of lengths, of which so many make `each` unit, with its interval, the mean and the 90th percentile."""
    n = total(rows)
    if not n:
        return Figure(None, 0, 0, 0)
    values, counts = _values(rows)
    reach = intervals.quantile_of_normal(_CONFIDENCE) * math.sqrt(n)
    low, high = math.floor((n - reach) / 2), math.ceil((n + reach) / 2)
    middle, ninth = (n - 1) / 2, 0.9 * (n - 1)
    ranks = [math.floor(middle), math.ceil(middle), math.floor(ninth), math.ceil(ninth)]
    bounds = [low - 1, high] if low >= 1 and high < n else []
    below, above, under, over, *reached = _at_ranks(values, counts, [*ranks, *bounds])
    whole = float(np.sum(values if counts is None else values * counts))
    p90 = under + (over - under) * (ninth - math.floor(ninth))
    low_, high_ = (bound / each for bound in reached) if reached else (None, None)
    details = {"mean": whole / n / each, "p90": p90 / each}
    return Figure((below + above) / 2 / each, n, whole / each, n, low_, high_, details)


def _values(rows: Sequence[Row]) -> tuple[Any, Any]:
    """The lengths, and how many there are of each where they are counted."""
    if isinstance(rows[0]["taken"], pl.Series):
        lists = [row["taken"].to_numpy() for row in rows]
        return (lists[0] if len(lists) == 1 else np.concatenate(lists)), None
    return np.array([row["taken"] for row in rows]), np.array([row["n"] for row in rows])


def _at_ranks(values: Any, counts: Any, ranks: Sequence[int]) -> list[float]:
    if counts is None:
        return [float(each) for each in np.partition(values, ranks)[ranks]]
    order = np.argsort(values)
    places = np.searchsorted(np.cumsum(counts[order]), ranks, side="right")
    return [float(each) for each in values[order][places]]


def _aged(answer: pl.DataFrame) -> pl.DataFrame:
    age = pl.col("month").dt.month_end() - pl.col("began")
    return lasting(answer).with_columns(taken=age.dt.total_days())


def _backlog(rows: Sequence[Row]) -> Figure:
    ages = _lengths(rows)
    told = {"median": ages.value or 0.0, **ages.details} if ages.n else {}
    return _number(rows)._replace(details={f"{name}_age_days": age for name, age in told.items()})


def _in_the_pipeline(answer: pl.DataFrame) -> pl.DataFrame:
    """The deals that are open at the end of each month, beside those that were closed in it."""
    is_deal = pl.col("outcome").is_in(["open", "won", "lost"])
    is_begun = pl.col("began").is_not_null()
    states = pl.when(~is_deal).then("outcome").when(is_begun).then(pl.lit("open")).otherwise(pl.lit("no creation date"))
    there = lasting(answer.with_columns(outcome=states, began=pl.when(is_deal).then("began")))
    closed = answer.filter(pl.col("ended").is_not_null(), pl.col("ended") >= BEGINNING.date())
    return pl.concat([there, closed.with_columns(month="ended")], how="diagonal")


_CUSTOMERS = ("customer",)

FINISHES: Mapping[str, Callable[[pl.DataFrame], Figures]] = {
    "win_rate": lambda answer: figures(answer, _share("won"), ("won", "lost"), "owner_id"),
    "sales_cycle": lambda answer: figures(answer, _lengths, ("won",)),
    "stage_duration": lambda answer: figures(answer, partial(_lengths, each=1440), ("left",), "stage"),
    "pipeline_value": lambda answer: figures(lasting(answer), _amount, ("open",)),
    "pipeline_velocity": lambda answer: figures(_in_the_pipeline(answer), _velocity, ("open", "won", "lost")),
    "average_order_value": lambda answer: figures(answer, _average, ("purchase",)),
    "average_row_value": lambda answer: figures(answer, _average, ("purchase",)),
    "new_customers": lambda answer: figures(answer, _number, _CUSTOMERS),
    "customer_lifetime_value": lambda answer: figures(answer, _average, _CUSTOMERS),
    "churn_rate": lambda answer: figures(answer, _churn, _CUSTOMERS),
    "retention_rate": lambda answer: figures(answer, partial(_churn, is_retention=True), _CUSTOMERS, "plan"),
    "mrr_movements": lambda answer: figures(answer, _movement, _CUSTOMERS),
    "average_revenue_per_account": lambda answer: figures(answer, _account, _CUSTOMERS),
    "first_contact_resolution": lambda answer: figures(
        answer, _share("first contact"), ("first contact", "more contacts")
    ),
    "first_response_time": lambda answer: figures(answer, partial(_lengths, each=60_000_000), ("answered",)),
    "resolution_time": lambda answer: figures(answer, partial(_lengths, each=60_000_000), ("resolved",), "channel"),
    "reopen_rate": lambda answer: figures(answer, _share("reopened"), ("reopened", "lasted")),
    "backlog": lambda answer: figures(_aged(answer), _backlog, ("in the backlog",)),
    "nps": lambda answer: figures(answer, _net_score, ("answer",)),
    "response_rate": lambda answer: figures(answer, _share("answered"), ("answered", "not answered")),
    "new_leads": lambda answer: figures(answer, _number, ("lead",), "source"),
    "lead_conversion": lambda answer: figures(answer, _conversion, ("converted", "not converted", "open")),
    "click_rate": lambda answer: figures(answer, _share("clicked"), ("clicked", "not clicked"), "campaign_id"),
}
"""How the answers to the queries of a KPI become what it says."""
