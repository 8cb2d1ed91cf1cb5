"""Stages: how long deals stay at each of them."""

from typing import Any, Unpack

import attrs
import narwhals as nw

from crmkit.frames.door import MICROSECONDS_A_DAY, beside
from crmkit.frames.table import Table, group_columns
from crmkit.frames.tally import Counts
from crmkit.metrics.asking import Steps, kpi
from crmkit.metrics.definition import Definition
from crmkit.metrics.finishing import durations
from crmkit.metrics.passages import Stages, in_order, labels_of
from crmkit.metrics.scope import Asked, Scope, make_scope, result
from crmkit.model.deal import Deal
from crmkit.model.transition import Transition

_MINUTES_A_DAY = 1440
_MINUTE = MICROSECONDS_A_DAY // _MINUTES_A_DAY
_UNKNOWN_ENTRY = "entry not known"

STAGE_DURATION = Definition(
    name="stage_duration",
    title="Time in stage",
    text="How many days deals stay at each stage; half of them leave it no later than after the median.",
    formula="median of (time of leaving - time of entering) by stage",
    unit="days",
    inputs=("deals", "transitions"),
    key="deal",
    methods={
        "cumulative": "all stays of a deal at the stage together, counted when it left it for the last time",
        "latest": "the last stay of each deal at the stage",
        "first_entry": "the first stay of each deal at the stage",
    },
    sources=("HubSpot: latest and cumulative time in stage", "Rekener: first entry of each stage"),
)


@kpi(STAGE_DURATION)
def stage_duration(
    *,
    deals: Any,
    transitions: Any,
    stages: Stages | None = None,
    method: str = "cumulative",
    **asked: Unpack[Asked],
) -> Steps:
    """Return the median number of days that deals stayed at each stage.

    A deal that comes back to a stage has several stays there; together they are what the stage costs, hence the default. Only
    stays that have ended count, in the period in which the deal left the stage, so the figure is shorter than what the deals
    that are still there should expect; `bottlenecks` with `method="days"` counts those too. A stage that a deal skipped is no stay
    of 0 days.

    Args:
        deals: records, or a Polars, pandas or Arrow table with `id` and `created_at`, when the first stay began.
        transitions: records or a table with `id`, `subject`, `subject_id`, `field`, `before` and `at`; those of the field "stage" of
            a "Deal" count, and changes at one instant are in the order of their ids.
        stages: the `Pipeline`, or the labels of its stages, in whose order the measures come; None for that of the alphabet.
        method: "cumulative", "latest" or "first_entry".
        ci: confidence of the interval of the median, from order statistics; None for none.
        asked: as for every KPI, see `crmkit.metrics`; columns in `by` are those of the deals.

    Returns:
        Measures by stage, which is the first group, in days of 24 hours, counted in whole minutes: the median as value, all days as
        numerator, deals as denominator, and `details` with the mean and the 90th percentile. Left out and counted: deals of which
        nobody knows when they entered the stage.

    Raises:
        InvalidInput: for a missing column, a naive timestamp, or stages that are none.

    >>> from datetime import date, UTC, datetime
    >>> deal = Deal(id="d1", pipeline_id="gym", stage="Offer", created_at=datetime(2025, 5, 1, tzinfo=UTC))
    >>> offered = Transition(subject="Deal", subject_id="d1", field="stage", before="Trial", after="Offer",
    ...                      at=datetime(2025, 5, 4, 12, tzinfo=UTC))
    >>> [(each.group["stage"], each.value) for each in
    ...  stage_duration(deals=[deal], transitions=[offered], as_of=date(2025, 5, 31))]
    [('Trial', 3.5)]
    """
    scope = make_scope(STAGE_DURATION, method, asked)
    labels = () if stages is None else labels_of(stages)
    by_stage = attrs.evolve(scope, by=("stage", *scope.by))
    table = scope.open(deals, Deal, needs=("id", "created_at"))
    needs = ("id", "subject", "subject_id", "field", "before", "at")
    ledger = scope.open(transitions, Transition, needs=needs, is_main=False)
    stays = _stays(by_stage, table, ledger)
    outcome = nw.when(nw.col("minutes").is_null()).then(nw.lit(_UNKNOWN_ENTRY)).otherwise(nw.lit("left"))
    (found,) = yield [by_stage.question(stays, at="at", outcome=outcome, bucket=nw.col("minutes"))]
    measured = result(by_stage, found, ["left"], lambda counts: _in_days(counts, ci=scope.ci))
    return in_order(measured, labels)


def _stays(scope: Scope, deals: Table, ledger: Table) -> nw.LazyFrame[Any]:
    """One row a deal and stage that it left: its groups, when it left, and the whole minutes of the stays that count."""
    own = group_columns(scope.by[1:])
    stage, *groups = group_columns(scope.by)
    known = deals.rows.filter(nw.col("created_at").is_null() | (nw.col("created_at") <= scope.known_until)).select(
        nw.col("created_at"),
        *(nw.col(old).alias(new) for old, new in zip(own, groups, strict=True)),
        deal_id=nw.col("id"),
    )
    is_move = (nw.col("subject") == "Deal") & (nw.col("field") == "stage") & (nw.col("at") <= scope.known_until)
    # A move ends the stay at the stage before it, which the move before that began, or else the creation of the deal.
    moves = ledger.rows.filter(is_move).with_columns(
        begun=nw.col("at").shift(1).over("subject_id", order_by=["at", "id"]),
    )
    ended = moves.filter(~nw.col("before").is_null()).join(known, left_on="subject_id", right_on="deal_id", how="inner")
    created = nw.when(nw.col("created_at") <= nw.col("at")).then(nw.col("created_at"))
    began = nw.when(nw.col("begun").is_null()).then(created).otherwise(nw.col("begun"))
    stays = ended.with_columns(spent=nw.col("at") - began, unknown=nw.when(began.is_null()).then(1).otherwise(0))
    whose = ["subject_id", "before"]
    if scope.method != "cumulative":
        chosen = nw.col("at").max() if scope.method == "latest" else nw.col("at").min()
        stays = stays.with_columns(chosen_at=chosen.over(*whose)).filter(nw.col("at") == nw.col("chosen_at"))
    together = stays.group_by(*whose, *groups, drop_null_keys=False).agg(
        nw.col("at", *beside("at")).max(), nw.col("spent", "unknown").sum().cast(nw.Int64)
    )
    minutes = nw.when(nw.col("unknown") == 0).then(nw.col("spent") // _MINUTE)
    return together.with_columns(nw.col("before").alias(stage), nw.col("subject_id").alias("id"), minutes=minutes)


def _in_days(counts: Counts, *, ci: float | None) -> dict[str, Any]:
    found = durations(counts, ["left"], unit="days", ci=ci, nothing="no deal left the stage")
    for name in ("value", "numerator", "low", "high"):
        found[name] = None if found[name] is None else found[name] / _MINUTES_A_DAY
    return found | {"details": {name: figure / _MINUTES_A_DAY for name, figure in found["details"].items()}}
