"""The visits of deals to stages, as the ledger of transitions tells them."""

from typing import Any

import narwhals as nw

from crmkit.frames.door import day_of
from crmkit.frames.table import Table
from crmkit.metrics.scope import Scope
from crmkit.model.transition import Transition

_NEEDS = ("id", "subject", "subject_id", "field", "before", "after", "at")
_COLUMNS = ["visit_id", "scope_stage", "visit_category", "visit_at", "visit_day", "left_at"]


def open_ledger(scope: Scope, transitions: Any) -> Table:
    """Return the transitions with what `visits` needs."""
    uses = ("category_before", "category_after")
    return scope.open(transitions, Transition, needs=_NEEDS, uses=uses, is_main=False)


def visits(deals: Table, ledger: Table) -> nw.LazyFrame[Any]:
    """Return one row a visit of a deal to a stage: `visit_id` of the deal, `scope_stage`, `visit_category`, and when it lasted.

    It began at `visit_at`, on the civil day `visit_day`, and ended at `left_at`; null where that is not known or has not happened. The
    first visit began when the deal was created. A closed deal without a transition has none, because nobody knows where it was.
    A category that the ledger does not say is that of the deal, if it is at the stage now, and else "open".
    """
    is_move = (nw.col("subject") == "Deal") & (nw.col("field") == "stage")
    in_order: dict[str, Any] = {"order_by": ["at", "id"]}
    moves = ledger.rows.filter(is_move).with_columns(
        scope_began=nw.col("at").shift(1).over("subject_id", **in_order),
        scope_left=nw.col("at").shift(-1).over("subject_id", **in_order),
    )
    entered = moves.select(
        nw.col("after").alias("scope_stage"),
        _said(ledger, "category_after").alias("visit_category"),
        visit_id=nw.col("subject_id"),
        visit_at=nw.col("at"),
        visit_day=day_of("at"),
        left_at=nw.col("scope_left"),
    )
    own = deals.rows.select(
        "created_at",
        scope_own_id=nw.col("id"),
        scope_own_stage=nw.col("stage"),
        scope_own_category=nw.col("category"),
        scope_created_day=day_of("created_at"),
    )
    firsts = moves.filter(nw.col("scope_began").is_null() & ~nw.col("before").is_null())
    begun = firsts.join(own, left_on="subject_id", right_on="scope_own_id", how="inner")
    created = nw.col("created_at") <= nw.col("at")
    began = begun.select(
        nw.col("before").alias("scope_stage"),
        _said(ledger, "category_before").alias("visit_category"),
        visit_id=nw.col("subject_id"),
        visit_at=nw.when(created).then(nw.col("created_at")),
        visit_day=nw.when(created).then(nw.col("scope_created_day")),
        left_at=nw.col("at"),
    )
    unmoved = own.join(moves, left_on="scope_own_id", right_on="subject_id", how="anti").filter(
        nw.col("scope_own_category") == "open"
    )
    stayed = unmoved.select(
        scope_stage=nw.col("scope_own_stage"),
        visit_category=nw.col("scope_own_category"),
        visit_id=nw.col("scope_own_id"),
        visit_at=nw.col("created_at"),
        visit_day=nw.col("scope_created_day"),
        left_at=nw.lit(None, nw.Int64),
    )
    every = nw.concat([part.select(_COLUMNS) for part in (entered, began, stayed)])
    whose = every.join(own, left_on="visit_id", right_on="scope_own_id", how="inner")
    is_now = nw.col("scope_stage") == nw.col("scope_own_stage")
    category = (
        nw.when(~nw.col("visit_category").is_null())
        .then(nw.col("visit_category"))
        .when(is_now)
        .then(nw.col("scope_own_category"))
        .otherwise(nw.lit("open"))
    )
    return whose.with_columns(visit_category=category).select(_COLUMNS)


def _said(ledger: Table, column: str) -> nw.Expr:
    return nw.col(column) if column in ledger.columns else nw.lit(None, nw.String)
