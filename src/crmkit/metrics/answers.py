"""Answers: the scores of surveys, on which scale they are, and which of several counts."""

from typing import Any

import attrs
import narwhals as nw

from crmkit.errors import InvalidInput
from crmkit.frames.door import exact, period_of
from crmkit.frames.table import Table, group_columns
from crmkit.frames.tally import Counts, Question, Tally
from crmkit.frames.words import one_of
from crmkit.metrics.scope import Scope, rows
from crmkit.model.survey import SurveyKind, SurveyResponse
from crmkit.stats import intervals
from crmkit.stats.histogram import Histogram

NOBODY = "nobody answered"
"""The reason where there is no answer to divide by."""

_UNANSWERED, _INVALID = "unanswered", "invalid"
_SHORT_SCALE = 36
"""So many points times any instant fit into 64 bits."""


@attrs.frozen
class Scale:
    """The scale that all answers must be on; upright, the highest score is the best."""

    lowest: int
    highest: int
    is_reversed: bool = False

    @property
    def points(self) -> int:
        """The number of scores that the scale has."""
        return self.highest - self.lowest + 1

    def upright(self, score: nw.Expr) -> nw.Expr:
        """Return a score turned so that the highest is the best."""
        return self.lowest + self.highest - score if self.is_reversed else score

    def is_good(self, score: nw.Expr) -> nw.Expr:
        """Whether an upright score lies above the middle: 2 of 2, 3 of 3, 4 and 5 of 5, 5 to 7 of 7."""
        return score * 2 > self.lowest + self.highest

    def is_bad(self, score: nw.Expr) -> nw.Expr:
        """Whether an upright score lies below the middle."""
        return score * 2 < self.lowest + self.highest


def check_scale(scale: Any, is_reversed: Any) -> Scale:
    """Return the scale that an argument gives; raise `InvalidInput` for what is none."""
    whole = isinstance(scale, tuple | list) and all(type(bound) is int for bound in scale)
    if not whole or len(scale) != 2 or scale[0] >= scale[1]:  # noqa: PLR2004 - the lowest and the highest
        raise InvalidInput(f"scale={scale!r} is no scale; give its lowest and its highest score, such as (1, 7)")
    if not isinstance(is_reversed, bool):
        raise InvalidInput(f"is_reversed={is_reversed!r} is neither True nor False")
    return Scale(scale[0], scale[1], is_reversed)


def open_answers(scope: Scope, responses: Any, *subject: str) -> Table:
    """Return the responses with their scores and scales, and the columns that say what they are about."""
    uses = ("kind", "scale_low", "scale_high", "id")
    return scope.open(responses, SurveyResponse, needs=("score", "responded_at", *subject), uses=uses)


def answers_of(scope: Scope, table: Table, kind: SurveyKind, scale: Scale, answer: nw.Expr) -> nw.LazyFrame[Any]:
    """Return the responses of a kind with their scores `upright` and the `answer` that these are, or why they do not count."""
    given, score, at = nw.col("score"), nw.col("upright"), nw.col("responded_at")
    valid = (given >= scale.lowest) & (given <= scale.highest) & (given.round() == given)
    for column, bound in (("scale_low", scale.lowest), ("scale_high", scale.highest)):
        if column in table.columns:
            valid = valid & (nw.col(column).fill_null(bound) == bound)
    known = table.rows.filter(nw.col("kind") == kind) if "kind" in table.columns else table.rows
    status = (
        nw.when(given.is_null() | (at > scope.known_until))
        .then(nw.lit(_UNANSWERED))
        .when(~valid)
        .then(nw.lit(_INVALID))
        .when(at.is_null())
        .then(nw.lit("answered without a date"))
    )
    judged = known.with_columns(status=status, upright=nw.when(valid).then(scale.upright(given)).cast(nw.Int64))
    scored = judged.with_columns(score=score)
    return scored.with_columns(answer=nw.when(nw.col("status").is_null()).then(answer).otherwise(nw.col("status")))


def answers_question(scope: Scope, answers: nw.LazyFrame[Any], *, bucket: nw.Expr | None = None) -> Question:
    """Ask what the responses say, in the period of the answer."""
    said = nw.col("answer")
    return scope.question(answers, at="responded_at", dated=said != _UNANSWERED, outcome=said, bucket=bucket)


def check_scores(found: Tally, scale: Scale) -> None:
    """Raise `InvalidInput` where a score is not on the scale."""
    invalid = sum(rows(counts.get(_INVALID)) for counts in found.values())
    if invalid:
        raise InvalidInput(
            f"column 'score' has {invalid} rows off the scale; give whole numbers from {scale.lowest} to {scale.highest}, "
            "empty where unanswered"
        )


def with_superseded(
    scope: Scope,
    answers: nw.LazyFrame[Any],
    scale: Scale,
    counted: tuple[str, ...],
    subject: str,
    *,
    latest: bool = True,
) -> nw.LazyFrame[Any]:
    """Mark all but the latest (or first) answer about each subject in each period and group; of one instant the lowest counts.

    Answers that tie in instant and score are alike in all that counts, so which of them is taken does not matter.
    """
    at = nw.col("responded_at")
    competes = one_of(nw.col("answer"), counted) & ~nw.col(subject).is_null() & scope.window(at)
    index = nw.lit(0) if scope.every is None else period_of("responded_at", scope.every)
    keys = ["rated_in", subject, *group_columns(scope.by)]
    # One number for instant and score takes one window to compare, and most scales are so short that it stays a short one.
    when = at if scale.points <= _SHORT_SCALE else at.cast(exact(answers))
    rank = (when if latest else 0 - when) * scale.points - nw.col("score")
    ranked = answers.with_columns(rated_in=index, rank=nw.when(competes).then(rank))
    best = ranked.with_columns(best=nw.col("rank").max().over(*keys))
    is_best = best.with_columns(is_best=nw.when(nw.col("rank") == nw.col("best")).then(1).otherwise(0))
    counts = is_best.with_columns(n_best=nw.col("is_best").sum().over(*keys))
    is_tied = (nw.col("is_best") == 1) & (nw.col("n_best") > 1)
    ties = counts.with_columns(tied=nw.when(is_tied).then(nw.col(subject)))
    is_first = nw.col("is_best").is_first_distinct().over("tied", *keys[:1], *keys[2:], order_by="is_best")
    other = nw.lit("earlier answer" if latest else "later answer")
    return ties.with_columns(is_first=is_first).with_columns(
        answer=nw.when(~nw.col("rank").is_null() & ((nw.col("is_best") == 0) | (is_tied & ~nw.col("is_first"))))
        .then(other)
        .otherwise(nw.col("answer"))
    )


def mean_score(counts: Counts, answers: tuple[str, ...], scale: Scale, ci: float | None) -> dict[str, Any]:
    """Return the mean of the scores in the buckets of some answers, with its interval, which stays on the scale."""
    scores = Histogram({})
    for answer in answers:
        scores += Histogram({int(score): sums.n for score, sums in counts.get(answer, {}).items()})
    squares = sum(score * score * count for score, count in scores.counts.items())
    bounds = (ci and intervals.mean(scores.total, squares, scores.n, ci)) or None
    return {
        "value": scores.mean(),
        "unit": "score",
        "numerator": scores.total,
        "denominator": scores.n,
        "n": scores.n,
        "low": bounds and max(bounds[0], float(scale.lowest)),
        "high": bounds and min(bounds[1], float(scale.highest)),
        "reason": None if scores.n else NOBODY,
    }


def net_points(for_: int, against: int, n: int, ci: float | None) -> dict[str, Any]:
    """Return those for less those against, in points per 100 of n, with the interval."""
    net = (ci and intervals.net_share(for_, against, n, ci)) or None
    low, high = (100 * net[0], 100 * net[1]) if net else (None, None)
    return {
        "value": 100 * (for_ - against) / n if n else None,
        "unit": "points",
        "numerator": for_ - against,
        "denominator": n,
        "n": n,
        "low": low,
        "high": high,
        "reason": None if n else NOBODY,
    }
