"""Deals as they were at a moment: which were open then, since when, and what had become of the others."""

from collections.abc import Sequence
from typing import Any, ClassVar

import attrs
import narwhals as nw
import polars as pl

from crmkit.frames.door import day_of
from crmkit.frames.small import small_table
from crmkit.frames.table import Table, group_columns
from crmkit.frames.tally import Question, question
from crmkit.frames.words import one_of
from crmkit.metrics.days import day_at
from crmkit.metrics.deals import CATEGORIES, CLOSED, flaw_of_deal
from crmkit.metrics.money import currency_bucket, unpriced
from crmkit.metrics.scope import Scope
from crmkit.metrics.visits import open_ledger, visits
from crmkit.model.deal import Deal
from crmkit.stats.periods import index_of

_NO_STAGE = nw.lit(None, nw.String)
HISTORY = "history: "
"""What outcomes of past deals begin with, so that none is taken for one of the deals that are forecast."""


@attrs.frozen
class Moment:
    """A moment that a forecast is made at: behind the door, and as a civil day since 1970. `period` is that of the measure."""

    at: int
    day: int
    period: int | None = None


def reporting_moment(scope: Scope) -> Moment:
    """Return `as_of` as the moment of a forecast."""
    return Moment(scope.known_until, index_of(day_at(scope, scope.as_of), "day"))


@attrs.frozen
class ByAge:
    """Deals by the civil days since they were created, whatever their stage."""

    table: Table
    no_age: ClassVar[str] = "no creation date"

    def deals(self, moments: Sequence[Moment]) -> nw.LazyFrame[Any]:
        """Return the deals that there were at each moment."""
        return _existing(self.table, moments).with_columns(scope_stage=_NO_STAGE, scope_since=day_of("created_at"))

    def histories(self, moments: Sequence[Moment]) -> nw.LazyFrame[Any]:
        """Return the same."""
        return self.deals(moments)


@attrs.frozen
class ByStage:
    """Deals by the civil days since they first entered a stage: a deal counts at every open stage that it has been at.

    `visits` are those of `crmkit.metrics.visits`.
    """

    table: Table
    visits: nw.LazyFrame[Any]
    no_age: ClassVar[str] = "entry not known"

    def deals(self, moments: Sequence[Moment]) -> nw.LazyFrame[Any]:
        """Return the deals that there were at each moment."""
        entries = self._entries()
        at_stage = ["id", "scope_stage"]
        there = self._there(moments).join(entries, left_on=at_stage, right_on=["visit_id", "scope_stage"], how="left")
        return there.with_columns(scope_since=nw.when(_IS_ENTERED).then(nw.col("scope_since")))

    def histories(self, moments: Sequence[Moment]) -> nw.LazyFrame[Any]:
        """Return the deals with each open stage that they had entered by each moment."""
        there = self._there(moments).drop("scope_stage")
        return there.join(self._entries(), left_on="id", right_on="visit_id", how="inner").filter(_IS_ENTERED)

    def _there(self, moments: Sequence[Moment]) -> nw.LazyFrame[Any]:
        began, left = nw.col("visit_at"), nw.col("left_at")
        is_present = (began.is_null() | (began <= _AT)) & (left.is_null() | (left > _AT))
        present = _beside(self.visits, moments).filter(is_present)
        known = _existing(self.table, moments).join(
            present.select("visit_id", "scope_moment", "scope_stage", "visit_category", "visit_day"),
            left_on=["id", "scope_moment"],
            right_on=["visit_id", "scope_moment"],
            how="left",
        )
        # The table knows the last close alone; of a deal that was reopened since, the history tells that it was closed.
        was_closed = one_of(nw.col("visit_category"), CLOSED) & (nw.col("scope_category") == "open")
        return known.with_columns(
            scope_category=nw.when(was_closed).then(nw.col("visit_category")).otherwise(nw.col("scope_category")),
            scope_closed_day=nw.when(was_closed).then(nw.col("visit_day")).otherwise(nw.col("scope_closed_day")),
        ).drop("visit_category", "visit_day")

    def _entries(self) -> nw.LazyFrame[Any]:
        """When each deal first entered each open stage."""
        entered = self.visits.filter((nw.col("visit_category") == "open") & ~nw.col("visit_at").is_null())
        return entered.group_by("visit_id", "scope_stage").agg(
            scope_since=nw.col("visit_day").min(), scope_entered_at=nw.col("visit_at").min()
        )


Past = ByAge | ByStage
"""Deals at any moment.

`deals` has a row a moment and deal that there was, with the stage that it was at, and `histories` one a moment, deal and stage that
it had been at. Both have `scope_stage`, `scope_since`, the civil day from which its time there counts, `scope_category`, and
`scope_closed_day` of deals that were closed. `no_age` is the reason for leaving out a deal of which `scope_since` is not known.
"""

_AT = nw.col("scope_at")
_IS_ENTERED = nw.col("scope_entered_at") <= _AT


def _beside(rows: nw.LazyFrame[Any], moments: Sequence[Moment]) -> nw.LazyFrame[Any]:
    """The rows beside each moment."""
    if len(moments) == 1:
        (only,) = moments
        marks = {"scope_at": nw.lit(only.at), "scope_moment": nw.lit(only.day)}
        return rows.with_columns(**marks, scope_period=nw.lit(only.period, nw.Int64))
    marks_of_all = pl.DataFrame(
        [(each.at, each.day, each.period) for each in moments],
        schema=dict.fromkeys(("scope_at", "scope_moment", "scope_period"), pl.Int64),
        orient="row",
    )
    return rows.join(small_table(marks_of_all, rows), how="cross")


def _existing(table: Table, moments: Sequence[Moment]) -> nw.LazyFrame[Any]:
    """The deals that there were at each moment; one that was closed later was open."""
    category, closed_at, created_at = nw.col("category"), nw.col("closed_at"), nw.col("created_at")
    was_open = one_of(category, CLOSED) & (closed_at > _AT)
    there = _beside(table.rows, moments).filter(created_at.is_null() | (created_at <= _AT))
    return there.with_columns(
        scope_category=nw.when(was_open).then(nw.lit("open")).otherwise(category),
        scope_closed_day=nw.when(one_of(category, CLOSED) & ~was_open).then(day_of("closed_at")),
    )


def open_past(scope: Scope, deals: Any, transitions: Any, *, needs: Sequence[str] = ()) -> Past:
    """Return the deals as they were, by stage where there are transitions; `needs` are further columns of the deals."""
    columns = ["category", "created_at", "closed_at", "amount", *needs]
    if transitions is None:
        return ByAge(scope.open(deals, Deal, needs=columns, uses=("currency", "id")))
    table = scope.open(deals, Deal, needs=[*columns, "id", "stage"], uses=("currency",))
    return ByStage(table, visits(table, open_ledger(scope, transitions)))


def ask_histories(scope: Scope, past: Past, moments: Sequence[Moment]) -> Question:
    """Ask how many days it took from each stage to win or lose deals, as it was known at each moment."""
    outcome = nw.col("scope_category")
    until = nw.when(outcome == "open").then(nw.col("scope_moment")).otherwise(nw.col("scope_closed_day"))
    rows = past.histories(moments).with_columns(scope_days=until - nw.col("scope_since"))
    return question(
        rows.filter(one_of(outcome, CATEGORIES) & (nw.col("scope_days") >= 0)),
        ["scope_period", *group_columns(scope.by), "scope_moment", "scope_stage"],
        outcome=nw.concat_str([nw.lit(HISTORY), outcome]),
        bucket=nw.col("scope_days"),
    )


def ask_deals(scope: Scope, past: Past, moments: Sequence[Moment], outcome: nw.Expr) -> Question:
    """Ask for the amounts of the deals that were open at each moment; `outcome` is that of `forecastable`."""
    rows = past.deals(moments).with_columns(scope_age=nw.col("scope_moment") - nw.col("scope_since"))
    return question(
        rows,
        ["scope_period", *group_columns(scope.by), "scope_moment", "scope_stage", "scope_age"],
        outcome=outcome,
        bucket=currency_bucket(past.table),
        amount=nw.col("amount"),
        squares=True,
        record=past.table.record,
    )


def forecastable(past: Past, counts_as: nw.Expr, *, reasons: Sequence[tuple[nw.Expr, str | None]] = ()) -> nw.Expr:
    """The outcome of a deal at a moment: none if it was closed, a reason to leave it out, or what it `counts_as`.

    `reasons` are further conditions with the reason for which such a deal is left out, None where it just does not count.
    """
    category, amount = nw.col("scope_category"), nw.col("amount")
    outcome = (
        flaw_of_deal(category, nw.col("scope_closed_day").is_null())
        .when(one_of(category, CLOSED))
        .then(nw.lit(None, nw.String))
    )
    for condition, reason in reasons:
        outcome = outcome.when(condition).then(nw.lit(reason, nw.String))
    priced = (
        outcome.when(amount.is_null())
        .then(unpriced(past.table.columns))
        .when(amount < 0)
        .then(nw.lit("negative amount"))
    )
    return priced.when(nw.col("scope_age").is_null()).then(nw.lit(past.no_age)).otherwise(counts_as)
