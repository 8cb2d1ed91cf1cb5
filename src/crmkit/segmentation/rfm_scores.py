"""RFM: how recently customers bought, how often, and for how much, scored and named."""

from collections.abc import Mapping, Sequence
from functools import reduce
from itertools import pairwise
from math import isfinite
from operator import and_
from typing import Any

import attrs
import narwhals as nw

from crmkit.errors import InvalidInput, choices
from crmkit.frames.door import moment
from crmkit.frames.table import MONEY_UNITS, open_table
from crmkit.model.order import Order
from crmkit.rules import EVERYTHING, Rule
from crmkit.segmentation.given import as_given, asked_rule
from crmkit.segmentation.lifetime.purchases import check_words, occasions, purchases
from crmkit.stats.periods import index_of, instant, zone

OTHER = "Other"
"""The segment of those whom no segment of a table describes."""

_MEASURES = {"recency": "recency_days", "frequency": "frequency", "monetary": "monetary"}
_USUAL, _SMALLEST, _LARGEST = 5, 2, 10

Scores = int | Sequence[float]
"""How a measure is scored: into so many groups of customers, or by thresholds."""


@attrs.frozen
class RfmSegment:
    """A named group of customers: the lowest and the highest score that it takes of each measure; None takes all.

    Raises `InvalidInput` for a blank name, and for scores that are no two whole numbers in order.

    >>> RfmSegment("Big and gone", recency=(1, 2), monetary=(5, 5))
    RfmSegment(name='Big and gone', recency=(1, 2), frequency=None, monetary=(5, 5))
    """

    name: str
    recency: tuple[int, int] | None = attrs.field(default=None, kw_only=True)
    frequency: tuple[int, int] | None = attrs.field(default=None, kw_only=True)
    monetary: tuple[int, int] | None = attrs.field(default=None, kw_only=True)

    def __attrs_post_init__(self) -> None:  # noqa: D105
        if not isinstance(self.name, str) or not self.name.strip():
            raise InvalidInput(f"{self.name!r} is no name of a segment; give a text such as 'Champions'")
        for measure, scores in self.scores.items():
            match scores:
                case (int(low), int(high)) if 1 <= low <= high:
                    continue
            raise InvalidInput(
                f"segment {self.name!r}: {measure}={scores!r} is no range of scores; give the lowest and the highest, such as (4, 5)"
            )

    @property
    def scores(self) -> dict[str, tuple[int, int]]:
        """The measures that decide, with the scores that they may have."""
        taken = {measure: getattr(self, measure) for measure in _MEASURES}
        return {measure: scores for measure, scores in taken.items() if scores is not None}


RFM_SEGMENTS: tuple[RfmSegment, ...] = (
    RfmSegment("Champions", recency=(5, 5), frequency=(4, 5)),
    RfmSegment("Loyal", recency=(3, 4), frequency=(4, 5)),
    RfmSegment("Potential loyalists", recency=(4, 5), frequency=(2, 3)),
    RfmSegment("New", recency=(5, 5), frequency=(1, 1)),
    RfmSegment("Promising", recency=(4, 4), frequency=(1, 1)),
    RfmSegment("Need attention", recency=(3, 3), frequency=(3, 3)),
    RfmSegment("About to sleep", recency=(3, 3), frequency=(1, 2)),
    RfmSegment("Cannot lose", recency=(1, 2), frequency=(5, 5)),
    RfmSegment("At risk", recency=(1, 2), frequency=(3, 4)),
    RfmSegment("Hibernating", recency=(1, 2), frequency=(1, 2)),
)
"""The segments that most tools name, for scores from 1 to 5. They part the plane of recency and frequency without gap or overlap."""


def rfm(
    orders: Any,
    *,
    as_of: Any,
    scores: int | Mapping[str, Scores] = _USUAL,
    monetary: str = "total",
    segments: Sequence[RfmSegment] | None = RFM_SEGMENTS,
    where: Rule = EVERYTHING,
    tz: str = "UTC",
    columns: Mapping[str, str] | None = None,
) -> Any:
    """Return one row a customer who bought: how recently, how often and for how much, as scores, and what such customers are called.

    What a customer buys on one civil day is one purchase. A refund takes back money but is no purchase, and does not undo one. The
    best score is the highest: in five groups 555 are those who bought lately, often and for much.

    Scored into n groups, a customer has the score `ceil(n x worse / others)`, at least 1, where `worse` are those with a lower
    frequency or monetary value, out of all `others`. This is 1 and the number of quantiles below the value, without any
    rounding. Recency is n + 1 less such a score of its days. Equal customers so have equal scores, and groups are as large as ties
    allow: where half of all bought once, no score of frequency is 2. By thresholds a customer has one score more for each
    threshold reached, which makes scores comparable over time: a customer's score then depends on nobody else.

    Args:
        orders: records, or a Polars, pandas, Arrow, DuckDB, Ibis or PySpark table with `customer_id`, `at` and `amount`; it reads
            `currency` and `category`, and `id` and `refund_of_id` for refunds.
        as_of: the moment until which purchases count, inclusive. A date means its whole day in `tz`.
        scores: into how many groups customers are scored, 2 to 10; or a mapping of "recency", "frequency" and "monetary" to such a
            number or to rising thresholds: the most days, the fewest purchases, the least money. Those not named have 5 groups.
            `{"recency": (30, 90, 180, 365)}` scores who bought within 30 days with 5, and who did longer than 365 days ago with 1.
        monetary: "total" for the money of all purchases less refunds, or "mean" for that of one purchase, on average.
        segments: a table of names; the first that fits counts, and `OTHER` is who fits none. The default names recency and frequency
            for scores from 1 to 5. None for no names.
        where: a rule that orders must fulfil. `field("at") >= days_ago(365)` looks back a year.
        tz: the IANA name of the time zone in which days are counted.
        columns: published column names mapped to the names that the data has.

    Returns:
        The caller's kind of table (Polars for records), ordered by `customer_id`, with `recency_days` (civil days since the last
        purchase), `frequency` (purchases, the first one too), `monetary`, the whole numbers `recency_score`, `frequency_score` and
        `monetary_score`, `score` (the three in one text, "555"; "10-5-5" where there are ten groups) and `segment`. Left out:
        cancelled orders, orders without a customer, a date or an amount, and customers with nothing but refunds. No row for nothing.

    Raises:
        InvalidInput: for a missing column, a naive timestamp, an unknown category, amounts in several currencies, scores that are
            none, or segments that do not fit the scores.

    Source: Hughes (1994), Strategic Database Marketing. Many tools part equal customers by their id instead, so that those who bought once
    stand in half of all groups.

    >>> days = (("ann", 1), ("ann", 9), ("ann", 28), ("ben", 2), ("cid", 20))
    >>> orders = [Order(customer_id=who, amount=Money(10, "PLN"), at=datetime(2025, 5, day, tzinfo=UTC)) for who, day in days]
    >>> rfm(orders, as_of=date(2025, 5, 31)).select("customer_id", "recency_days", "frequency", "score", "segment").rows()
    [('ann', 3, 3, '555', 'Champions'), ('ben', 29, 1, '111', 'Hibernating'), ('cid', 11, 1, '311', 'About to sleep')]
    """
    asked = _scores(scores)
    _check_segments(segments, asked)
    if monetary not in {"total", "mean"}:
        raise InvalidInput(f"monetary={monetary!r} is no measure of money; {choices(str(monetary), ('total', 'mean'))}")
    known_until = instant(as_of, tz, "as_of", end_of_day=True)
    today = index_of(known_until.astimezone(zone(tz)).date(), "day")
    table = open_table(
        orders,
        Order,
        needs=("customer_id", "at", "amount"),
        uses=("currency", "category", "id", "refund_of_id"),
        columns=columns,
        tz=tz,
        where=asked_rule(where, as_of, tz),
    )
    check_words(table)
    bought = occasions(purchases(table, "day").filter(nw.col("at") <= moment(known_until)))
    measured = _measured(bought, today, per_purchase=monetary == "mean")
    found = _scored(measured, asked)
    if segments is not None:
        found = found.with_columns(segment=_named(segments))
    return as_given(found.sort("customer_id"), orders)


def _scores(given: Any) -> dict[str, int | tuple[float, ...]]:
    """The number of groups, or the thresholds, of each measure."""
    each = given if isinstance(given, Mapping) else dict.fromkeys(_MEASURES, given)
    unknown = [name for name in each if name not in _MEASURES]
    if unknown:
        raise InvalidInput(f"scores: {unknown[0]!r} is not measured; {choices(str(unknown[0]), _MEASURES)}")
    return {measure: _way(measure, each.get(measure, _USUAL)) for measure in _MEASURES}


def _way(measure: str, way: Any) -> int | tuple[float, ...]:
    if isinstance(way, int) and not isinstance(way, bool) and _SMALLEST <= way <= _LARGEST:
        return way
    if isinstance(way, Sequence) and not isinstance(way, str) and 1 <= len(way) < _LARGEST:
        numbers = all(isinstance(each, int | float) and isfinite(each) for each in way)
        if numbers and all(low < high for low, high in pairwise(way)):
            return tuple(way)
    raise InvalidInput(
        f"scores: {measure}={way!r} is neither a number of groups from {_SMALLEST} to {_LARGEST} nor rising thresholds, fewer than {_LARGEST}, "
        "such as (30, 90, 180, 365)"
    )


def _highest(way: int | tuple[float, ...]) -> int:
    return way if isinstance(way, int) else len(way) + 1


def _check_segments(segments: Any, asked: Mapping[str, int | tuple[float, ...]]) -> None:
    if segments is None:
        return
    if not isinstance(segments, Sequence) or not all(isinstance(each, RfmSegment) for each in segments):
        raise InvalidInput("segments= takes a list of RfmSegment, or None for no names")
    highest = {measure: _highest(way) for measure, way in asked.items()}
    for measure in ("recency", "frequency"):
        if segments == RFM_SEGMENTS and highest[measure] != _USUAL:
            raise InvalidInput(
                f"RFM_SEGMENTS is made for scores from 1 to {_USUAL}, and {measure} has {highest[measure]}; give segments= of your own, "
                "or None for no names"
            )
    for segment in segments:
        for measure, (_, high) in segment.scores.items():
            if high > highest[measure]:
                raise InvalidInput(
                    f"segment {segment.name!r} takes {measure} up to {high}, and scores go to {highest[measure]}; lower the one or raise "
                    "the other"
                )


def _measured(bought: nw.LazyFrame[Any], today: int, *, per_purchase: bool) -> nw.LazyFrame[Any]:
    """One row a customer with what is scored."""
    bought_on = nw.when(nw.col("is_bought") == 1).then(nw.col("period"))
    customers = (
        bought.with_columns(bought_on=bought_on)
        .group_by("customer_id")
        .agg(nw.col("bought_on").max(), n=nw.col("is_bought").sum(), spent=nw.col("amount").sum())
        .filter(nw.col("n") > 0)
    )
    units = nw.col("n").cast(nw.Float64) * MONEY_UNITS if per_purchase else nw.lit(float(MONEY_UNITS))
    return customers.select(
        "customer_id",
        recency_days=(today - nw.col("bought_on")).cast(nw.Int64),
        frequency=nw.col("n").cast(nw.Int64),
        monetary=nw.col("spent").cast(nw.Float64) / units,
    )


def _scored(customers: nw.LazyFrame[Any], asked: Mapping[str, int | tuple[float, ...]]) -> nw.LazyFrame[Any]:
    counted = customers.with_columns(one=nw.lit(1))
    counted = counted.with_columns(others=nw.col("one").sum().over("one").cast(nw.Int64) - 1)
    scores = {f"{measure}_score": _score(measure, asked[measure]) for measure in _MEASURES}
    has_ten = any(_highest(way) == _LARGEST for way in asked.values())
    texts = (nw.col(score).cast(nw.String) for score in scores)
    scored = counted.with_columns(**scores).drop("one", "others")
    return scored.with_columns(score=nw.concat_str(*texts, separator="-" if has_ten else ""))


def _score(measure: str, way: int | tuple[float, ...]) -> nw.Expr:
    value, is_recency = nw.col(_MEASURES[measure]), measure == "recency"
    if isinstance(way, int):
        # Never divided by nobody; who is alone has nobody below.
        others = nw.when(nw.col("others") > 0).then(nw.col("others")).otherwise(nw.lit(1))
        below = value.rank("min").cast(nw.Int64) - 1
        quantiles = (below * way + others - 1) // others
        score = nw.when(quantiles > 1).then(quantiles).otherwise(nw.lit(1)).cast(nw.Int64)
        return way + 1 - score if is_recency else score
    score = nw.lit(1)
    for threshold in way:
        reached = value <= threshold if is_recency else value >= threshold
        score += nw.when(reached).then(nw.lit(1)).otherwise(nw.lit(0))
    return score.cast(nw.Int64)


def _named(segments: Sequence[RfmSegment]) -> nw.Expr:
    name = nw.lit(OTHER)
    for segment in reversed(segments):
        ranges = [nw.col(f"{measure}_score").is_between(*scores) for measure, scores in segment.scores.items()]
        name = (
            nw.when(reduce(and_, ranges)).then(nw.lit(segment.name)).otherwise(name) if ranges else nw.lit(segment.name)
        )
    return name
