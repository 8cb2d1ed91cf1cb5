"""Bottlenecks: at which stage of a pipeline the most is lost, or deals wait longest."""

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, Unpack

import attrs
import narwhals as nw

from crmkit.errors import InvalidInput
from crmkit.frames.door import MICROSECONDS_A_DAY
from crmkit.frames.table import MONEY_UNITS
from crmkit.frames.tally import Counts, Sums
from crmkit.metrics.asking import Steps, kpi
from crmkit.metrics.deals import CATEGORIES
from crmkit.metrics.definition import Definition
from crmkit.metrics.money import one_currency
from crmkit.metrics.passages import Passages, every_stage, in_order, passages
from crmkit.metrics.result import Measure, MetricResult
from crmkit.metrics.scope import Asked, Scope, all_sums, check_outcomes, make_scope, result
from crmkit.stats.histogram import Histogram
from crmkit.stats.survival import Curve, Lifetimes

BOTTLENECKS = Definition(
    name="bottlenecks",
    title="Bottlenecks",
    text="What is lost at each stage: the deals that came to it, times the share lost there, times the share that is won beyond.",
    formula="amount of deals that came * share lost at the stage * win rate of those that went on",
    unit="money",
    inputs=("deals", "transitions"),
    key="deal",
    methods={
        "value": "the amount that would have been won of what is lost at the stage",
        "deals": "the number of deals that would have been won of what is lost at the stage",
        "days": "the median of the days until a deal goes on from the stage or is lost there, by Kaplan-Meier",
    },
    sources=("Bitrix24: sales funnel", "Aalen and Johansen 1978: competing outcomes", "Kaplan and Meier 1958"),
)

_HOUR = MICROSECONDS_A_DAY // 24
_HOURS_A_DAY = 24
_LOST, _OPEN = "lost", "open"
_ON = {"won": "went on and was won", "lost": "went on and was lost", "open": "went on and is open"}
_ALL = (_LOST, _OPEN, *_ON.values())
_OLD = 0.8
"""The share of deals that have left a stage by the time from which an open one counts as old."""


@kpi(BOTTLENECKS)
def bottlenecks(
    *,
    deals: Any,
    transitions: Any,
    stages: Any,
    method: str = "value",
    min_n: int = 20,
    **asked: Unpack[Asked],
) -> Steps:
    """Return what is lost at each stage, the worst first, of the deals that came to it in the period.

    A stage that loses much may lose what would not have been won anyway, and one that loses little may lose large deals late: so
    the default weighs the share lost with the amount that came and with the win rate of the deals that went on. A stage with fewer
    than `min_n` deals never comes first.

    Deals that are still at a stage are censored: they have neither gone on nor been lost, and count for as long as they are there.
    The shares that went on and were lost are those by Aalen and Johansen, so a slow stage does not look better than it is.

    Args:
        deals: records, or a Polars, pandas or Arrow table with `id`, `category` ("open", "won", "lost"), `stage`, `created_at`,
            `closed_at` and, for "value", `amount`; it reads `currency`. It needs `pipeline_id` where `stages` is a pipeline, whose
            deals alone count then.
        transitions: records or a table with `id`, `subject`, `subject_id`, `field`, `before`, `after` and `at`.
        stages: the `Pipeline`, or the labels of its open stages in order.
        method: "value", "deals" or "days".
        min_n: the number of deals below which a stage is listed last, with a warning.
        ci: confidence of the intervals; None for none. That of a loss is of the share lost, with amounts and win rate as they are.
        asked: as for every KPI, see `crmkit.metrics`; columns in `by` are those of the deals.

    Returns:
        Measures by stage, which is the first group, the worst first in each period and group: in the currency of the data, in deals, or
        in days of 24 hours, counted in whole hours; deals that came as `n`. `details` have how many "went_on", were "lost" there and
        are "open" there, "went_back", and are "old": open for longer than 80 % of the deals stayed; the shares "conversion" and
        "lost_share" with their bounds, "loss_of_total", the share of this stage in all deals lost, "win_rate_beyond", and
        "median_days" and "p90_days". No value, with a reason, where no deal came, or none that went on has been closed.
        Left out and counted, once, at the first stage: as for `stage_conversion`.

    Raises:
        InvalidInput: for a missing column, a naive timestamp, an unknown category, amounts in several currencies, stages that are
            none, or a `min_n` that is no number.

    >>> from datetime import date, UTC, datetime
    >>> may, june = datetime(2025, 5, 1, tzinfo=UTC), datetime(2025, 6, 1, tzinfo=UTC)
    >>> deal = Deal(id="d1", pipeline_id="gym", stage="Won", category="won", created_at=may, closed_at=june, amount=Money(100, "PLN"))
    >>> deals = [deal, deal.replace(id="d2", stage="Lost", category="lost"), deal.replace(id="d3", stage="Lost", category="lost")]
    >>> moves = [Transition(subject="Deal", subject_id=each.id, field="stage", before="Trial", after=each.stage, at=june)
    ...          for each in deals]
    >>> worst = bottlenecks(deals=deals, transitions=moves, stages=["Trial"], as_of=june).only
    >>> worst.value, worst.details["lost_share"], worst.details["win_rate_beyond"]
    (200.0, 0.6666666666666666, 1.0)
    """
    scope = make_scope(BOTTLENECKS, method, asked)
    if not isinstance(min_n, int) or isinstance(min_n, bool) or min_n < 0:
        raise InvalidInput(f"min_n={min_n!r} is no number of deals; give a whole one, or 0 for none")
    priced = method == "value"
    passed = passages(
        scope,
        deals,
        transitions,
        stages,
        "visited",
        needs=["amount"] if priced else [],
        uses=["currency"] if priced else [],
        with_back=True,
    )
    amount = nw.col("amount").fill_null(0) if priced else None
    (found,) = yield [passed.question(_became(), bucket=_told(scope, passed), amount=amount)]
    check_outcomes(found, "category", CATEGORIES)
    whole = every_stage(found, passed.labels, is_grouped=bool(scope.by), is_dated=scope.every is not None)
    measured = result(passed.scope, whole, _ALL, lambda counts: _bottleneck(counts, scope, min_n), numerator=[_LOST])
    return _worst_first(in_order(measured, passed.labels), min_n)


def _became() -> nw.Expr:
    """What became of a deal that came to a stage."""
    ended, went_on = nw.col("ended"), ~nw.col("went_on_at").is_null()
    outcome = nw.when(nw.col("entered_at").is_null()).then(nw.lit(None, nw.String))
    for end, word in _ON.items():
        outcome = outcome.when(went_on & (ended == end)).then(nw.lit(word))
    return outcome.otherwise(ended)


def _hours(scope: Scope) -> nw.Expr:
    """The whole hours until a deal went on or was lost, or until `as_of` where it has done neither."""
    went_on_at = nw.col("went_on_at")
    left = (
        nw.when(~went_on_at.is_null())
        .then(went_on_at)
        .when(nw.col("ended") == "lost")
        .then(nw.col("closed_at"))
        .otherwise(nw.lit(scope.known_until))
    )
    spent = left - nw.col("entered_at")
    # A deal may be said to be closed before it came to its last stage.
    return nw.when(spent < 0).then(nw.lit(0, nw.Int64)).otherwise(spent // _HOUR)


def _told(scope: Scope, passed: Passages) -> nw.Expr:
    """What else is counted of a deal, as text: its hours, whether it went back, whether it has an amount, and the currency."""
    columns = passed.rows.collect_schema()
    currency = nw.col("currency").fill_null("") if "currency" in columns else nw.lit("")
    has_amount = ~nw.col("amount").is_null() if "amount" in columns else nw.lit(value=True)
    parts = [_hours(scope).cast(nw.String), _flag(~nw.col("back_at").is_null()), _flag(has_amount), currency]
    return nw.when(~nw.col("entered_at").is_null()).then(nw.concat_str(parts, separator=" "))


def _flag(condition: nw.Expr) -> nw.Expr:
    return nw.when(condition).then(nw.lit("1")).otherwise(nw.lit("0"))


@attrs.frozen
class _Told:
    """What the text of a bucket says of its deals."""

    hours: int
    went_back: bool
    has_amount: bool
    currency: str | None

    @classmethod
    def of(cls, text: str) -> "_Told":
        hours, went_back, has_amount, currency = text.split(" ", 3)
        return cls(int(hours), went_back == "1", has_amount == "1", currency or None)


_Deals = Mapping[str, Mapping[_Told, Sums]]


def _together(deals: _Deals, by: Callable[[_Told], Any]) -> dict[Any, Sums]:
    """The sums of all deals by something that is told of them."""
    found: dict[Any, Sums] = {}
    for buckets in deals.values():
        for told, sums in buckets.items():
            found[by(told)] = found.get(by(told), Sums()) + sums
    return found


def _bottleneck(counts: Counts, scope: Scope, min_n: int) -> dict[str, Any]:
    deals = {word: {_Told.of(text): sums for text, sums in counts.get(word, {}).items()} for word in _ALL}
    lengths = {word: _lengths(buckets) for word, buckets in deals.items()}
    went_on = sum((lengths[word] for word in _ON.values()), start=Histogram({}))
    lifetimes = Lifetimes({"on": went_on, _LOST: lengths[_LOST]}, lengths[_OPEN])
    priced = _together({word: _with_amount(buckets) for word, buckets in deals.items()}, lambda told: told.currency)
    unit, warnings = one_currency(priced) if scope.method == "value" else (_UNITS[scope.method], ())
    if not lifetimes.n:
        return {"value": None, "unit": unit, "numerator": 0, "n": 0, "reason": "no deal came to the stage"}
    curve = lifetimes.curve()
    went_back = _together(deals, lambda told: told.went_back).get(True, Sums()).n
    details = _details(lengths, lifetimes, curve, scope.ci) | {"went_back": float(went_back)}
    worthless = lifetimes.n - all_sums(priced).n
    warned = [
        *warnings,
        *([f"{worthless} of {lifetimes.n} deals have no amount and weigh nothing"] if worthless else []),
        *([f"fewer than {min_n} deals came to the stage"] if lifetimes.n < min_n else []),
    ]
    worth = all_sums(priced).total / MONEY_UNITS if scope.method == "value" else float(lifetimes.n)
    found = _wait(curve, scope.ci) if scope.method == "days" else _loss(worth, details)
    common = {"unit": unit, "n": lifetimes.n, "details": details, "warnings": tuple(warned)}
    return {**common, "numerator": found["value"], **found}


def _lengths(buckets: Mapping[_Told, Sums]) -> Histogram:
    counts = Counter[int]()
    for told, sums in buckets.items():
        counts[told.hours] += sums.n
    return Histogram(counts)


def _with_amount(buckets: Mapping[_Told, Sums]) -> dict[_Told, Sums]:
    return {told: sums for told, sums in buckets.items() if told.has_amount}


_UNITS = {"deals": "count", "days": "days"}


def _details(
    lengths: Mapping[str, Histogram], lifetimes: Lifetimes, curve: Curve, ci: float | None
) -> dict[str, float]:
    last = lifetimes.last or 0
    won, lost = lengths[_ON["won"]].n, lengths[_ON["lost"]].n
    old = curve.quantile(_OLD)
    found = {
        "went_on": lifetimes.ended["on"].n,
        "lost": lengths[_LOST].n,
        "open": lengths[_OPEN].n,
        "old": None if old is None else sum(n for hours, n in lengths[_OPEN].counts.items() if hours > old),
        "win_rate_beyond": won / (won + lost) if won + lost else None,
        "median_days": _days(curve.median()),
        "p90_days": _days(curve.quantile(0.9)),
    }
    for name, cause in (("conversion", "on"), ("lost_share", _LOST)):
        low, high = (ci and curve.incidence_interval(cause, last, ci)) or (None, None)
        found |= {name: curve.incidence(cause, last), f"{name}_low": low, f"{name}_high": high}
    return {name: float(figure) for name, figure in found.items() if figure is not None}


def _days(hours: float | None) -> float | None:
    return None if hours is None else hours / _HOURS_A_DAY


def _wait(curve: Curve, ci: float | None) -> dict[str, Any]:
    median = _days(curve.median())
    if median is None:
        return {"value": None, "reason": "fewer than half have gone on or been lost"}
    low, high = (ci and curve.median_interval(ci)) or (None, None)
    return {"value": median, "low": _days(low), "high": _days(high)}


def _loss(worth: float, details: Mapping[str, float]) -> dict[str, Any]:
    """What would have been won of the deals lost at a stage."""
    beyond = details.get("win_rate_beyond")
    if beyond is None:
        return {"value": None, "reason": "no deal that went on has been closed"}
    bounds = [details.get(name) for name in ("lost_share_low", "lost_share_high")]
    value, low, high = (None if share is None else worth * share * beyond for share in (details["lost_share"], *bounds))
    return {"value": value, "low": low, "high": high}


def _worst_first(found: MetricResult, min_n: int) -> MetricResult:
    """The measures of each period and group with the share that each stage has in its losses, the worst first."""
    blocks: dict[Any, list[Measure]] = {}
    for each in found.measures:
        blocks.setdefault((each.key[0], each.key[2:]), []).append(each)
    ordered = []
    for block in blocks.values():
        lost = sum(each.details.get(_LOST, 0) for each in block)
        shares = [
            attrs.evolve(each, details={**each.details, "loss_of_total": each.details[_LOST] / lost})
            if each.n and lost
            else each
            for each in block
        ]
        ordered += sorted(shares, key=lambda each: (each.n < min_n, each.value is None, -(each.value or 0)))
    return attrs.evolve(found, measures=tuple(ordered))
