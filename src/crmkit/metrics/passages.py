"""Passages: when deals came to each stage of a pipeline, and when they went on from it."""

from collections.abc import Iterator, Sequence
from typing import Any, Literal

import attrs
import narwhals as nw

from crmkit.errors import InvalidInput
from crmkit.frames.door import beside
from crmkit.frames.table import Table, group_columns
from crmkit.frames.tally import Counts, Key, Question, Tally
from crmkit.frames.words import one_of
from crmkit.metrics.deals import CLOSED, flaw_of_deal
from crmkit.metrics.result import Measure, MetricResult
from crmkit.metrics.scope import Scope
from crmkit.model.deal import Deal
from crmkit.model.pipeline import Pipeline
from crmkit.model.transition import Transition

Stages = Pipeline | Sequence[str]
"""A pipeline, or the labels of its open stages in order."""


@attrs.frozen
class Passages:
    """Rows of deals and stages, one each.

    Beside the columns of the deals it has `entered_at`, which is null where the deal never came to the stage; `went_on_at`, when it
    first was at a later one or won; `back_at`, when it first went back from there, if asked for; and `ended`: "open", "won" or "lost".
    Of a deal of which nothing can be said there is one row alone, at the first stage, with the `reason`.
    """

    rows: nw.LazyFrame[Any]
    scope: Scope
    labels: tuple[str, ...]

    def question(
        self, outcome: nw.Expr, *, at: str = "entered_at", bucket: nw.Expr | None = None, amount: nw.Expr | None = None
    ) -> Question:
        """Return the question for the rows by period, stage, group and outcome; those with a `reason` have that outcome."""
        reason = nw.col("reason")
        return self.scope.question(
            self.rows,
            at=at,
            dated=reason.is_null(),
            outcome=nw.when(~reason.is_null()).then(reason).otherwise(outcome),
            bucket=bucket,
            amount=amount,
        )


Count = Literal["visited", "implied", "strict"]
"""Which deals came to a stage: those that were there, also those that were later at a further one but for the lost ones,
or those that were at every stage before it too, in that order."""


def passages(
    scope: Scope,
    deals: Any,
    transitions: Any,
    stages: Any,
    count: Count,
    *,
    needs: Sequence[str] = (),
    uses: Sequence[str] = (),
    with_back: bool = False,
) -> Passages:
    """Return the passages of deals through stages, with further columns of the deals, and `back_at` where it is asked for.

    Raises `InvalidInput` for stages that are no pipeline and no labels, and as `open_table` does.
    """
    labels = labels_of(stages)
    if "stage" in scope.by:
        raise InvalidInput("by='stage' is not needed: there is a measure for each stage")
    staged = attrs.evolve(scope, by=("stage", *scope.by))
    known = _renumbered(_opened(scope, deals, stages, needs, uses).rows, scope, staged)
    moves = _moves(scope, transitions)
    entered = _with_entries(scope, known, moves, labels)
    judged = _judged(scope, _with_back(scope, entered, moves, labels) if with_back else entered, len(labels), count)
    if count == "strict":
        judged = _in_strict_order(judged, len(labels))
    rows = _by_stage(judged, known.collect_schema().names(), group_columns(staged.by)[0], count, labels)
    return Passages(nw.concat(list(rows)), staged, labels)


def labels_of(stages: Any) -> tuple[str, ...]:
    """Return the labels of the open stages in order."""
    labels = stages.labels("open") if isinstance(stages, Pipeline) else stages
    is_list = isinstance(labels, Sequence) and not isinstance(labels, str)
    if not is_list or not labels or not all(isinstance(label, str) for label in labels):
        raise InvalidInput(
            f"stages={stages!r} are no stages; give a Pipeline, or the labels of its open stages in order"
        )
    if len(set(labels)) < len(labels):
        raise InvalidInput(f"stages={list(labels)!r} has a label twice; give each once")
    return tuple(labels)


def every_stage(found: Tally, labels: Sequence[str], *, is_grouped: bool, is_dated: bool) -> Tally:
    """Return counts with a place for every stage in each period and group, so that one which no deal entered is seen."""
    keys = list(found) or ([] if is_grouped or is_dated else [(None, labels[0])])
    places: dict[Key, Counts] = {
        (key[0], label, *key[2:]): {} for key in keys for label in labels if not is_dated or key[0] is not None
    }
    return {**places, **found}


def in_order(found: MetricResult, labels: Sequence[str]) -> MetricResult:
    """Return the measures of each period in the order of their stages; those at other stages come last."""
    places = {label: place for place, label in enumerate(labels)}

    def place(each: Measure) -> tuple[int, int]:
        return each.period.start.toordinal() if each.period else 0, places.get(each.group["stage"], len(places))

    return attrs.evolve(found, measures=tuple(sorted(found.measures, key=place)))


def _opened(scope: Scope, deals: Any, stages: Any, needs: Sequence[str], uses: Sequence[str]) -> Table:
    wanted = ["id", "category", "stage", "created_at", "closed_at", *needs]
    if not isinstance(stages, Pipeline):
        return scope.open(deals, Deal, needs=wanted, uses=uses)
    table = scope.open(deals, Deal, needs=[*wanted, "pipeline_id"], uses=uses)
    return attrs.evolve(table, rows=table.rows.filter(nw.col("pipeline_id") == stages.id))


def _renumbered(rows: nw.LazyFrame[Any], scope: Scope, staged: Scope) -> nw.LazyFrame[Any]:
    """Deals that were known, with their groups where those of measures by stage stand; the label stays as `label`."""
    groups = dict(zip(group_columns(scope.by), group_columns(staged.by)[1:], strict=True))
    known = rows.filter(nw.col("created_at").is_null() | (nw.col("created_at") <= scope.known_until))
    return known.rename({"stage": "label", **groups})


def _three(column: str) -> list[str]:
    """An instant and what stands beside it."""
    return [column, *beside(column)]


def _entered(place: int) -> str:
    return f"entered {place}"


def _back(place: int) -> str:
    return f"back {place}"


def _moves(scope: Scope, transitions: Any) -> nw.LazyFrame[Any]:
    """The moves of deals, those that are still to come too."""
    needs = ("id", "subject", "subject_id", "field", "before", "after", "at")
    ledger = scope.open(transitions, Transition, needs=needs, is_main=False)
    return ledger.rows.filter((nw.col("subject") == "Deal") & (nw.col("field") == "stage"))


def _with_entries(
    scope: Scope, deals: nw.LazyFrame[Any], ledger: nw.LazyFrame[Any], labels: Sequence[str]
) -> nw.LazyFrame[Any]:
    """Deals with when they first entered each stage."""
    moves = ledger.with_columns(earlier=nw.col("at").shift(1).over("subject_id", order_by=["at", "id"]))
    # A deal began at the stage that its first move left, also where that move is still to come, or is still where it began.
    begun = deals.select(*_three("created_at"), subject_id="id", label="label")
    first = begun.drop("label").join(
        moves.filter(nw.col("earlier").is_null()).select("subject_id", *_three("at"), label="before"),
        on="subject_id",
        how="inner",
    )
    pairs = list(zip(_three("at"), _three("created_at"), strict=True))
    entries = [
        moves.select("subject_id", *_three("at"), label="after"),
        first.select("subject_id", *(nw.min_horizontal(at, created).alias(at) for at, created in pairs), label="label"),
        begun.join(moves, on="subject_id", how="anti").select(
            "subject_id", *(nw.col(created).alias(at) for at, created in pairs), label="label"
        ),
    ]
    columns = ["subject_id", *_three("at"), "label"]
    is_known = nw.col("at") <= scope.known_until
    entered = _first_at_each(nw.concat([each.select(*columns) for each in entries]).filter(is_known), labels)
    return deals.join(entered, left_on="id", right_on="subject_id", how="left")


def _first_at_each(entries: nw.LazyFrame[Any], labels: Sequence[str]) -> nw.LazyFrame[Any]:
    """One row a deal with the first instant, and what stands beside it, at each of some labels."""
    first = {
        name: nw.when(nw.col("label") == label).then(nw.col(at))
        for place, label in enumerate(labels)
        for name, at in zip(_three(_entered(place)), _three("at"), strict=True)
    }
    return entries.select("subject_id", **first).group_by("subject_id").agg(nw.col(*first).min())


def _with_back(
    scope: Scope, deals: nw.LazyFrame[Any], moves: nw.LazyFrame[Any], labels: Sequence[str]
) -> nw.LazyFrame[Any]:
    """Deals with when they first went back from each stage to an earlier one."""
    first = {
        _back(place): nw.when((nw.col("before") == label) & nw.col("after").is_in(list(labels[:place]))).then(
            nw.col("at")
        )
        for place, label in enumerate(labels)
        if place
    }
    known = {_back(0): nw.lit(None, nw.Int64), **first}
    past = moves.filter(nw.col("at") <= scope.known_until).select("subject_id", **known)
    back = past.group_by("subject_id").agg(nw.col(*known).min())
    return deals.join(back, left_on="id", right_on="subject_id", how="left")


def _judged(scope: Scope, deals: nw.LazyFrame[Any], n_stages: int, count: Count) -> nw.LazyFrame[Any]:
    """Deals with how they ended, when they were won, and the reason for which nothing can be said of one."""
    category, closed_at = nw.col("category"), nw.col("closed_at")
    is_over = one_of(category, CLOSED) & (closed_at <= scope.known_until)
    ended = nw.when(is_over).then(category).otherwise(nw.lit("open"))
    was_anywhere = ~_earliest([_entered(place) for place in range(n_stages)]).is_null()
    is_implied = is_over & (category == "won") if count == "implied" else nw.lit(value=False)
    reason = (
        flaw_of_deal()
        .when(nw.col("created_at").is_null())
        .then(nw.lit("no creation date"))
        .when(~was_anywhere & ~is_implied)
        .then(nw.lit("never at one of the stages"))
        .otherwise(nw.lit(None, nw.String))
    )
    closes = {
        name: nw.when(is_over & (category == "won")).then(nw.col(at))
        for name, at in zip(_three(_entered(n_stages)), _three("closed_at"), strict=True)
    }
    return deals.with_columns(ended=ended, reason=reason, **closes)


def _earliest(columns: Sequence[str]) -> nw.Expr:
    """The earliest of some instants; one is given twice, because Spark has none of a single one."""
    return nw.min_horizontal(columns[0], *columns)


def _by_stage(
    deals: nw.LazyFrame[Any], columns: Sequence[str], stage: str, count: Count, labels: Sequence[str]
) -> Iterator[nw.LazyFrame[Any]]:
    """The rows of each stage: of all deals of which something can be said, and at the first one also of the others."""
    has_back = _back(0) in deals.collect_schema()
    for place, label in enumerate(labels):
        back = nw.col(_back(place)) if has_back else nw.lit(None, nw.Int64)
        entered = dict(zip(_three("entered_at"), _first_entries(count, place, len(labels)), strict=True))
        later = [_entered(each) for each in range(place + 1, 1 + (place + 1 if count == "strict" else len(labels)))]
        went_on = _earliest(later)
        rows = deals if place == 0 else deals.filter(nw.col("reason").is_null())
        yield (
            rows.with_columns(**entered, went_on_at=went_on, back_at=back)
            .with_columns(
                nw.lit(label).alias(stage),
                # It may have been further before it came here, where a deal went back.
                went_on_at=nw.when(nw.col("went_on_at") < nw.col("entered_at"))
                .then(nw.col("entered_at"))
                .otherwise(nw.col("went_on_at")),
            )
            .select(*columns, "ended", "reason", *entered, "went_on_at", "back_at", stage)
        )


def _first_entries(count: Count, place: int, n_stages: int) -> list[nw.Expr]:
    """When a deal first entered a stage, and what stands beside that."""
    own = [nw.col(each) for each in _three(_entered(place))]
    if count != "implied":
        return own
    reached = [
        _earliest(each) for each in zip(*(_three(_entered(each)) for each in range(place, n_stages + 1)), strict=True)
    ]
    is_lost = nw.col("ended") == "lost"
    return [nw.when(is_lost).then(mine).otherwise(any_) for mine, any_ in zip(own, reached, strict=True)]


def _in_strict_order(deals: nw.LazyFrame[Any], n_stages: int) -> nw.LazyFrame[Any]:
    """Deals that forget their entry to a stage before which they were not at each earlier one, in the order of the stages."""
    for place in range(1, n_stages + 1):
        follows = nw.col(_entered(place)) >= nw.col(_entered(place - 1))
        deals = deals.with_columns(
            [nw.when(follows).then(nw.col(each)).alias(each) for each in _three(_entered(place))]
        )
    return deals
