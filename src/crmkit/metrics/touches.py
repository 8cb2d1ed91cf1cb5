"""Touches: how many terms are renewed after the business was in touch, and how many without."""

from collections.abc import Sequence
from functools import partial
from math import sqrt
from typing import Any, Unpack

import attrs
import narwhals as nw
import polars as pl

from crmkit.errors import InvalidInput, choices
from crmkit.frames.door import day_of
from crmkit.frames.schema import schema
from crmkit.frames.table import group_columns
from crmkit.frames.tally import Counts, Question, Sums, Tally, merged
from crmkit.metrics.asking import Steps, kpi
from crmkit.metrics.days import DUE, DUE_DAY, check_days
from crmkit.metrics.definition import Definition
from crmkit.metrics.finishing import share
from crmkit.metrics.renewals import COUNTED, NOTHING, RENEWED, due_terms, terms_question
from crmkit.metrics.scope import Asked, Scope, check_outcomes, make_scope, result, unknown_words
from crmkit.model.interaction import Interaction
from crmkit.stats.differences import difference
from crmkit.stats.intervals import quantile_of_normal

TOUCH_EFFECTIVENESS = Definition(
    name="touch_effectiveness",
    title="Effectiveness of touches",
    text="Of the terms that were due and before which the business was in touch, the share that was renewed, by kind of touch.",
    formula="terms renewed after a touch / terms due after a touch; uplift = that rate - rate of terms without any touch",
    unit="share",
    inputs=("subscriptions", "transitions", "interactions"),
    key="customer",
    methods={
        "crude": "uplift = renewal rate with the touch - renewal rate without any, with its interval by Newcombe",
        "stratified": "uplift as the mean of those in each stratum, weighted by Mantel and Haenszel, so that strata do not mix",
        "weighted": "as if all terms had had the touch less as if none had: each weighed by the inverse of the chance of its own in its stratum",
    },
    sources=(
        "Newcombe 1998, method 10: interval of a difference",
        "Greenland and Robins 1985: variance of the Mantel-Haenszel risk difference",
        "Rosenbaum and Rubin 1983: propensity score",
    ),
)


@kpi(TOUCH_EFFECTIVENESS)
def touch_effectiveness(
    *,
    subscriptions: Any,
    transitions: Any,
    interactions: Any,
    method: str = "crude",
    touch: str = "channel",
    strata: str | None = None,
    within_days: int = 60,
    grace_days: int = 0,
    **asked: Unpack[Asked],
) -> Steps:
    """Return the renewal rate of terms by the kind of touch before them, and its uplift against terms without any.

    A touch is an outbound interaction with the customer at most `within_days` before the term was due, and no later than its
    renewal. A term counts once under each kind of touch that it had, so kinds do not add up. The rates go with touches, and need not
    come from them: businesses choose whom they call. A customer who is in trouble is called more often, so a good touch can look bad.
    `method="stratified"` compares alike with alike, as far as `strata` says what alike is, and "weighted" says what that means for
    all terms alike, where a touch works better in one stratum than in another; only a random group that is held out tells what a
    touch does. Every measure says so as a warning.

    Args:
        subscriptions: records, or a Polars, pandas or Arrow table as for `renewal_rate`, with `customer_id`.
        transitions: records or a table as for `renewal_rate`.
        interactions: records or a table with `customer_id`, `at`, `direction` and the column `touch`.
        method: "crude", or "stratified" or "weighted", which need `strata`.
        touch: the column of interactions that says what kind of touch it was, such as "channel", "kind" or "campaign_id".
        strata: the column of subscriptions within whose values terms are compared, such as "plan".
        within_days: how long before the due day a touch counts, in civil days.
        grace_days: how many days after its end a term may still be renewed.
        ci: confidence of the intervals; None for none.
        asked: as for every KPI, see `crmkit.metrics`.

    Returns:
        A measure in shares for each kind of touch, with "touch" in its group ("none": terms without any); numerator terms renewed,
        denominator terms due. `details` have "uplift" with "uplift_low" and "uplift_high", where terms without a touch can be
        compared; strata where all terms had the touch, or none, cannot be, and a warning counts their terms. Left out and
        counted: as for `renewal_rate`.

    Raises:
        InvalidInput: for a missing column, a naive timestamp, a touch that is no text, or a method without its strata.

    >>> from datetime import date, UTC, datetime
    >>> left = Subscription(id="s1", customer_id="ann", plan="Gym", price=Money("99", "PLN"), term_ends_on=date(2025, 5, 1))
    >>> call = Interaction(at=datetime(2025, 4, 20, tzinfo=UTC), channel="phone", direction="outbound", customer_id="ann")
    >>> rates = touch_effectiveness(subscriptions=[left], transitions=[], interactions=[call], as_of=date(2025, 5, 31))
    >>> [(each.group["touch"], each.value, each.n) for each in rates]
    [('phone', 0.0, 1)]
    """
    scope = make_scope(TOUCH_EFFECTIVENESS, method, asked)
    check_days(within_days, "within_days")
    _check_touch(touch, strata, method)
    opened = scope if strata is None else attrs.evolve(scope, by=(*scope.by, strata))
    terms = due_terms(opened, subscriptions, transitions, grace_days, needs=["customer_id"])
    touches, strange = _touches(scope, interactions, touch)
    asking = attrs.evolve(scope, by=(*scope.by, "touch"))
    *_, kind = group_columns(asking.by)
    questions = []
    for each in (terms.past, terms.last):
        stratified = each.with_columns(stratum=nw.lit(None, nw.String) if strata is None else nw.col(kind))
        questions.append(terms_question(asking, _touched(stratified, touches, kind, within_days), bucket="stratum"))
    first, second, found = yield [*questions, strange]
    check_outcomes(found, "direction", _DIRECTIONS)
    found = _with_untouched(merged(first, second), is_grouped=bool(scope.by))
    return result(asking, found, (*COUNTED, *_UNTOUCHED), lambda counts: _uplift(counts, scope), numerator=[RENEWED])


_DIRECTIONS = ("inbound", "outbound", "internal")
_NO_TOUCH = "none"
_UNTOUCHED = ("renewed without a touch", "not renewed without a touch")
_FEW = 20
_CHOSEN = "who is touched is chosen, so a difference need not come from the touch"


def _check_touch(touch: str, strata: str | None, method: str) -> None:
    texts = [
        name for name, kind in schema(Interaction).items() if kind == pl.String and name not in {"id", "customer_id"}
    ]
    if touch not in texts:
        raise InvalidInput(f"touch={touch!r} is no kind of interaction; {choices(str(touch), texts)}")
    if (strata is None) != (method == "crude"):
        raise InvalidInput(
            f"strata={strata!r} does not fit method={method!r}; give a column for 'stratified' or 'weighted', and for them alone"
        )


def _touches(scope: Scope, interactions: Any, touch: str) -> tuple[nw.LazyFrame[Any], Question]:
    """The touches, and the question for directions without a meaning, which would be touches that nobody sees."""
    needs = dict.fromkeys(["customer_id", "at", "direction", touch])
    table = scope.open(interactions, Interaction, needs=list(needs), is_main=False)
    is_touch = (nw.col("direction") == "outbound") & (nw.col("at") <= scope.known_until)
    kind = nw.col(touch).fill_null("unknown")
    touches = table.rows.filter(is_touch).select("customer_id", touched_day=day_of("at"), touched_by=kind)
    return touches, unknown_words(table, "direction", _DIRECTIONS)


def _touched(terms: nw.LazyFrame[Any], touches: nw.LazyFrame[Any], kind: str, within_days: int) -> nw.LazyFrame[Any]:
    """Each term once for each kind of touch that it had, or once without any."""
    due, touched = nw.col(DUE_DAY), nw.col("touched_day")
    before = (touched <= due) & (nw.col("renewed_day").is_null() | (touched <= nw.col("renewed_day")))
    pairs = terms.select("id", "customer_id", "renewed_day", DUE, DUE_DAY).join(touches, on="customer_id", how="inner")
    had = pairs.filter(before & (touched >= due - within_days)).group_by("id", DUE, "touched_by").agg(times=nw.len())
    return terms.join(had, on=["id", DUE], how="left").with_columns(
        nw.col("touched_by").fill_null(_NO_TOUCH).alias(kind)
    )


def _with_untouched(found: Tally, *, is_grouped: bool) -> Tally:
    """Beside the counts of each kind of touch those of the terms without any, to compare with."""
    several = {**found} or ({} if is_grouped else {(None, _NO_TOUCH): {}})
    together = {}
    for key, counts in several.items():
        untouched = several.get((*key[:-1], _NO_TOUCH), {}) if key[-1] != _NO_TOUCH else {}
        beside = {name: untouched[each] for name, each in zip(_UNTOUCHED, COUNTED, strict=True) if each in untouched}
        together[key] = {**counts, **beside}
    return together


def _uplift(counts: Counts, scope: Scope) -> dict[str, Any]:
    measured = share(counts, [RENEWED], COUNTED, ci=scope.ci, nothing=NOTHING)
    both = [[counts.get(outcome, {}) for outcome in pair] for pair in (COUNTED, _UNTOUCHED)]
    strata = {stratum for pair in both for buckets in pair for stratum in buckets}
    tables = [
        _Table(*(part.get(stratum, Sums()).n for pair in both for part in pair))
        for stratum in sorted(strata, key=lambda each: (each is not None, str(each)))
    ]
    crude = scope.method == "crude"
    usable = [each for each in tables if each.n and each.n_without]
    lonely = sum(each.n + each.n_without for each in tables if not each.n or not each.n_without) if usable else 0
    warnings = {
        _CHOSEN: measured["n"] > 0,
        f"there are fewer than {_FEW} terms": 0 < measured["n"] < _FEW,
        f"{lonely} terms are in strata where all or none had the touch, and are not compared": lonely > 0,
    }
    uplift = _newcombe if crude else partial(_pooled, is_weighted=scope.method == "weighted")
    return measured | {
        "warnings": tuple(text for text, applies in warnings.items() if applies),
        "details": uplift(usable, scope.ci) if usable else {},
    }


@attrs.frozen
class _Table:
    """Terms that were renewed or lost, with a touch and without one."""

    renewed: int
    lost: int
    renewed_without: int
    lost_without: int

    @property
    def n(self) -> int:
        return self.renewed + self.lost

    @property
    def n_without(self) -> int:
        return self.renewed_without + self.lost_without


def _newcombe(tables: Sequence[_Table], ci: float | None) -> dict[str, float]:
    """The difference of two shares, with its interval."""
    (both,) = tables
    uplift = both.renewed / both.n - both.renewed_without / both.n_without
    bounds = ci and difference(both.renewed, both.n, both.renewed_without, both.n_without, ci)
    return {"uplift": uplift} | ({"uplift_low": bounds[0], "uplift_high": bounds[1]} if bounds else {})


def _pooled(tables: Sequence[_Table], ci: float | None, *, is_weighted: bool) -> dict[str, float]:
    """The mean of the differences of two shares within strata: by Mantel and Haenszel, or by the number of terms.

    The latter is what weighing each term by the inverse of its propensity comes to, where strata are all that is known of it.
    """
    weights = [
        float(each.n + each.n_without) if is_weighted else each.n * each.n_without / (each.n + each.n_without)
        for each in tables
    ]
    differences = [each.renewed / each.n - each.renewed_without / each.n_without for each in tables]
    uplift = sum(weight * each for weight, each in zip(weights, differences, strict=True)) / sum(weights)
    if ci is None:
        return {"uplift": uplift}
    variances = [
        each.renewed * each.lost / each.n**3 + each.renewed_without * each.lost_without / each.n_without**3
        for each in tables
    ]
    variance = sum(weight**2 * each for weight, each in zip(weights, variances, strict=True)) / sum(weights) ** 2
    reach = quantile_of_normal(ci) * sqrt(variance)
    return {"uplift": uplift, "uplift_low": max(-1.0, uplift - reach), "uplift_high": min(1.0, uplift + reach)}
