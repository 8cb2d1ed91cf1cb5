"""The funnel: how many deals go on from each stage."""

from collections.abc import Mapping
from typing import Any, Unpack

import narwhals as nw

from crmkit.errors import InvalidInput
from crmkit.frames.tally import Counts
from crmkit.metrics.asking import Steps, kpi
from crmkit.metrics.days import days_window
from crmkit.metrics.deals import CATEGORIES
from crmkit.metrics.definition import Definition
from crmkit.metrics.finishing import share
from crmkit.metrics.passages import Count, every_stage, in_order, passages
from crmkit.metrics.scope import Asked, Scope, check_outcomes, make_scope, result, rows

STAGE_CONVERSION = Definition(
    name="stage_conversion",
    title="Stage conversion",
    text="Of the deals that came to a stage in the period, the share that went on to a later one or was won.",
    formula="deals that went on from the stage / deals that came to it",
    unit="share",
    inputs=("deals", "transitions"),
    key="deal",
    methods={
        "implied": "a deal that is at a later stage, or won, came to all before it; a lost one only to those where it was",
        "standard": "a deal came only to those stages where it was",
        "strict": "a deal came to a stage if it was at each one before it too, in their order, and went on to the very next",
        "funnel": "deals that came to the stage, as in implied / all deals, by the period of their creation",
    },
    sources=("Bitrix24: standard funnel and funnel with conversion", "HubSpot: next step and cumulative conversion"),
)

_WENT_ON, _LATER, _LOST, _OPEN, _PAST = "went on", "went on later", "lost", "open", "won by another way"
_COUNTED = (_WENT_ON, _LATER, _LOST, _OPEN, _PAST)
_NOT_YET = "window still open"


@kpi(STAGE_CONVERSION)
def stage_conversion(
    *,
    deals: Any,
    transitions: Any,
    stages: Any,
    method: str = "implied",
    within_days: int | None = None,
    **asked: Unpack[Asked],
) -> Steps:
    """Return the share of deals that went on from each stage, by the period in which they came to it.

    Deals skip stages, and their history has gaps. The default takes a deal that got further to have passed what lies before;
    of a lost deal nothing is made up. A deal that went back counts once, from its first entry, and has gone on if it ever was further.
    Deals that are still open count as not gone on, and the measure says in a warning how many there are; `within_days` makes periods
    comparable: only deals that had so many days of 24 hours count, and only what happened in them.

    Args:
        deals: records, or a Polars, pandas or Arrow table with `id`, `category` ("open", "won", "lost"), `stage`, `created_at`
            and `closed_at`; `pipeline_id` where `stages` is a pipeline, whose deals alone count then.
        transitions: records or a table with `id`, `subject`, `subject_id`, `field`, `before`, `after` and `at`.
        stages: the `Pipeline`, or the labels of its open stages in order.
        method: "implied", "standard", "strict" or "funnel".
        within_days: the time that a deal has to go on, from its entry; None for as long as it takes. Not for "funnel".
        ci: confidence of the interval by Wilson; None for none.
        asked: as for every KPI, see `crmkit.metrics`; columns in `by` are those of the deals.

    Returns:
        Measures by stage, which is the first group, in the order of the stages, in shares from 0 to 1: deals that went on as
        numerator, deals that came as denominator, and `details` with how many were "lost" from there and are "open". No value, with a
        reason, where no deal came. Left out and counted, once, at the first stage: deals without a category or creation date,
        closed ones without a date, and those that were never at one of the stages. With `within_days` also those whose time
        has not passed.

    Raises:
        InvalidInput: for a missing column, a naive timestamp, an unknown category, or stages that are none.

    >>> from datetime import date, UTC, datetime
    >>> may = datetime(2025, 5, 1, tzinfo=UTC)
    >>> def deal(stage, category="open", closed_at=None):
    ...     return Deal(pipeline_id="gym", stage=stage, category=category, created_at=may, closed_at=closed_at)
    >>> deals = [deal("Trial"), deal("Offer"), deal("Offer"), deal("Won", "won", may)]
    >>> rates = stage_conversion(deals=deals, transitions=[], stages=["Trial", "Offer"], as_of=date(2025, 5, 31))
    >>> [(each.group["stage"], each.value, each.n) for each in rates]
    [('Trial', 0.75, 4), ('Offer', 0.3333333333333333, 3)]
    """
    scope = make_scope(STAGE_CONVERSION, method, asked)
    window = days_window(within_days)
    is_funnel = method == "funnel"
    passed = passages(scope, deals, transitions, stages, _COUNTS[method])
    outcome = _came(window) if is_funnel else _went_on(scope, window)
    at = "created_at" if is_funnel else "entered_at"
    (found,) = yield [passed.question(outcome, at=at)]
    check_outcomes(found, "category", CATEGORIES)
    whole = every_stage(found, passed.labels, is_grouped=bool(scope.by), is_dated=scope.every is not None)
    measured = result(
        passed.scope,
        whole,
        _COUNTED,
        lambda counts: _conversion(counts, ci=scope.ci, is_final=within_days is not None, is_funnel=is_funnel),
        numerator=[_WENT_ON],
    )
    return in_order(measured, passed.labels)


_COUNTS: Mapping[str, Count] = {"implied": "implied", "standard": "visited", "strict": "strict", "funnel": "implied"}


def _went_on(scope: Scope, window: int | None) -> nw.Expr:
    """What became of the deals that came to a stage."""
    entered_at, went_on_at = nw.col("entered_at"), nw.col("went_on_at")
    outcome = nw.when(entered_at.is_null()).then(nw.lit(None, nw.String))
    if window is not None:
        outcome = (
            outcome.when(entered_at + window > scope.known_until)
            .then(nw.lit(_NOT_YET))
            .when(went_on_at > entered_at + window)
            .then(nw.lit(_LATER))
        )
    return outcome.when(~went_on_at.is_null()).then(nw.lit(_WENT_ON)).otherwise(_ended())


def _came(window: int | None) -> nw.Expr:
    """What became of all deals on their way to a stage."""
    if window is not None:
        raise InvalidInput("within_days= is not for method='funnel', which counts what deals came to so far")
    return nw.when(~nw.col("entered_at").is_null()).then(nw.lit(_WENT_ON)).otherwise(_ended())


def _ended() -> nw.Expr:
    """How a deal stands that did not go on."""
    ended = nw.col("ended")
    return nw.when(ended == "won").then(nw.lit(_PAST)).otherwise(ended)


def _conversion(counts: Counts, *, ci: float | None, is_final: bool, is_funnel: bool) -> dict[str, Any]:
    nothing = "no deal was created" if is_funnel else "no deal came to the stage"
    found = share(counts, [_WENT_ON], _COUNTED, ci=ci, nothing=nothing)
    lost, still_open = (float(rows(counts.get(outcome))) for outcome in (_LOST, _OPEN))
    warning = f"{still_open:.0f} of {found['n']} deals are open and may still {'come' if is_funnel else 'go on'}"
    return found | {
        "details": {"lost": lost, "open": still_open} if found["n"] else {},
        "warnings": (warning,) if still_open and not is_final else (),
    }
