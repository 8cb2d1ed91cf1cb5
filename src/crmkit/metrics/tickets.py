"""Tickets: what they and their history say about when they ended, and how long they were in a state."""

from collections.abc import Callable, Sequence
from typing import Any, Literal

import narwhals as nw

from crmkit.frames.door import beside
from crmkit.frames.table import Table
from crmkit.frames.tally import Question
from crmkit.frames.words import one_of, unknown
from crmkit.metrics.lengths import lengths, timed
from crmkit.metrics.scope import Scope
from crmkit.model.calendar import BusinessCalendar
from crmkit.model.ticket import Ticket
from crmkit.model.transition import Transition

CATEGORIES = ("open", "paused", "resolved")
STATES = ("category_before", "category_after")
UNDATED = "no creation date"

Side = Literal["before", "after"]


def open_tickets(scope: Scope, tickets: Any, *, needs: Sequence[str] = (), uses: Sequence[str] = ()) -> Table:
    """Return the tickets with what says whether and when they were resolved."""
    needs = ("category", "created_at", "resolved_at", *needs)
    return scope.open(tickets, Ticket, needs=needs, uses=("closed_at", "merged_into_id", "id", *uses))


def with_end(table: Table) -> nw.LazyFrame[Any]:
    """Return tickets whose `resolved_at` is when they ended: closed without being resolved, they ended then; open, not at all."""
    columns = ["resolved_at", *beside("resolved_at")]
    others = ["closed_at", *beside("closed_at")] if "closed_at" in table.columns else columns
    is_resolved = nw.col("category") == "resolved"
    return table.rows.with_columns(
        [
            nw.when(is_resolved)
            .then(nw.when(nw.col(column).is_null()).then(nw.col(other)).otherwise(nw.col(column)))
            .alias(column)
            for column, other in zip(columns, others, strict=True)
        ]
    )


def with_first_end(rows: nw.LazyFrame[Any], history: nw.LazyFrame[Any]) -> nw.LazyFrame[Any]:
    """Return tickets whose `resolved_at` is their first resolution, also of those that are open again."""
    ends = ["resolved_at", *beside("resolved_at")]
    first = (
        history.filter(nw.col("category_after") == "resolved")
        .group_by("subject_id")
        .agg(
            [
                nw.col(column).min().alias(f"first {end}")
                for column, end in zip(["at", *beside("at")], ends, strict=True)
            ]
        )
    )
    joined = rows.join(first, left_on="id", right_on="subject_id", how="left")
    return joined.with_columns([nw.min_horizontal(end, f"first {end}").alias(end) for end in ends])


def is_merged(scope: Scope, table: Table) -> nw.Expr:
    """Whether a ticket was merged up to `as_of` into another one, which then stands for both."""
    if "merged_into_id" not in table.columns:
        return nw.lit(value=False)
    merged = ~nw.col("merged_into_id").is_null()
    if "closed_at" not in table.columns:
        return merged
    return merged & (nw.col("closed_at").is_null() | (nw.col("closed_at") <= scope.known_until))


def unresolved(scope: Scope, table: Table) -> Any:
    """Return the outcomes, to be continued with `when`, of tickets that were not resolved at a known instant up to `as_of`."""
    category, resolved_at = nw.col("category"), nw.col("resolved_at")
    not_yet = category.is_null() | one_of(category, ["open", "paused"])
    return (
        nw.when((not_yet & resolved_at.is_null()) | (resolved_at > scope.known_until))
        .then(nw.lit("not resolved"))
        .when(~one_of(category, CATEGORIES))
        .then(unknown("category"))
        .when(is_merged(scope, table))
        .then(nw.lit("merged into another"))
        .when(resolved_at.is_null())
        .then(nw.lit("resolved without a date"))
    )


def moves(scope: Scope, transitions: Any, *, needs: Sequence[str], field: str = "status") -> nw.LazyFrame[Any]:
    """Return the transitions of one field of tickets up to `as_of`."""
    columns = ("subject_id", "field", "at", *needs)
    table = scope.open(transitions, Transition, needs=columns, uses=("subject",), is_main=False)
    own = (nw.col("field") == field) & (nw.col("at") <= scope.known_until)
    return table.rows.filter(own & (nw.col("subject") == "Ticket") if "subject" in table.columns else own)


def is_open(side: Side) -> nw.Expr:
    """Whether a ticket was open before or after a move."""
    return nw.col(f"category_{side}") == "open"


def timed_while(
    counts: Callable[[Side], nw.Expr],
    rows: nw.LazyFrame[Any],
    history: nw.LazyFrame[Any],
    calendar: BusinessCalendar | None,
) -> nw.LazyFrame[Any]:
    """Return tickets with the time during which they were in a state that `counts`, and whether that `fits` their full time.

    With all instants measured from the creation, it is those of leaving the state less those of entering it.
    """
    joined = rows.select("id", "created_at").join(
        history.with_columns(leaving=_one_if(counts("before")) - _one_if(counts("after"))),
        left_on="id",
        right_on="subject_id",
        how="inner",
    )
    since = timed(joined, "created_at", "at", calendar).with_columns(spent=nw.col("leaving") * nw.col("length"))
    spent = since.group_by("id").agg(nw.col("spent").sum().cast(nw.Int64))
    known = nw.when(nw.col("spent").is_null()).then(nw.col("length")).otherwise(nw.col("spent"))
    return (
        timed(rows, "created_at", "resolved_at", calendar)
        .join(spent, on="id", how="left")
        .with_columns(length=known, fits=(known >= 0) & (known <= nw.col("length")))
    )


def _one_if(condition: nw.Expr) -> nw.Expr:
    return nw.when(condition).then(nw.lit(1, nw.Int64)).otherwise(nw.lit(0, nw.Int64))


def resolutions(scope: Scope, table: Table, rows: nw.LazyFrame[Any]) -> Question:
    """Ask how long resolved tickets took, in the period of each resolution."""
    created_at, resolved_at = nw.col("created_at"), nw.col("resolved_at")
    outcome = (
        unresolved(scope, table)
        .when(created_at.is_null())
        .then(nw.lit(UNDATED))
        .when(resolved_at < created_at)
        .then(nw.lit("resolved before it was created"))
    )
    if "fits" in rows.collect_schema():
        outcome = outcome.when(~nw.col("fits")).then(nw.lit("its history does not fit"))
    known = rows.filter(created_at.is_null() | (created_at <= scope.known_until))
    return lengths(scope, known, "resolved_at", outcome.otherwise(nw.lit("resolved")), resolved_at <= scope.known_until)
