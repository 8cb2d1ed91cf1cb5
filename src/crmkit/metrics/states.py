"""States: what is there at the end of each period, such as open deals and unresolved tickets."""

from typing import Any

import narwhals as nw

from crmkit.frames.door import moment, period_of
from crmkit.frames.table import group_columns
from crmkit.frames.tally import Question, question
from crmkit.metrics.days import day_at
from crmkit.metrics.scope import Scope
from crmkit.stats.periods import index_of


def state(
    scope: Scope,
    rows: nw.LazyFrame[Any],
    *,
    since: str,
    until: str,
    ends: nw.Expr,
    flaw: nw.Expr,
    outcome: nw.Expr,
    bucket: nw.Expr | None = None,
    amount: nw.Expr | None = None,
    record: nw.Expr | None = None,
) -> Question:
    """Return the question for the rows that are there at the end of each period, or at the last moment of the window.

    A row is there from the instant `since` to before the instant `until`, if it `ends`. What has a `flaw`, the reason for leaving it
    out, is counted once, in no period.
    """
    last = scope.last_moment
    known = rows.filter(nw.col(since).is_null() | (nw.col(since) <= moment(last))).with_columns(scope_flaw=flaw)
    usable, is_over = nw.col("scope_flaw").is_null(), ends & (nw.col(until) <= moment(last))
    outcome = nw.when(~usable).then(nw.col("scope_flaw")).otherwise(outcome)
    keys = ["scope_period", *group_columns(scope.by)]
    if scope.every is None:
        there = known.filter(~usable | ~is_over).with_columns(scope_period=nw.lit(None, nw.Int64))
        return question(there, keys, outcome=outcome, bucket=bucket, amount=amount, record=record)
    begun = period_of(since, scope.every)
    if scope.start is not None:
        first = index_of(day_at(scope, scope.start), scope.every)
        begun = nw.when(begun < first).then(nw.lit(first, nw.Int64)).otherwise(begun)
    lasting = known.with_columns(
        scope_period=nw.when(usable).then(begun),
        scope_until=nw.when(usable & is_over).then(period_of(until, scope.every)),
    )
    return question(
        lasting.filter(nw.col("scope_until").is_null() | (nw.col("scope_period") < nw.col("scope_until"))),
        keys,
        outcome=outcome,
        bucket=bucket,
        amount=amount,
        record=record,
        until=nw.col("scope_until"),
        last=index_of(day_at(scope, last), scope.every),
    )
