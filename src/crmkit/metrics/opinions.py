"""Opinions: what customers say in surveys."""

from typing import Any, Unpack

import narwhals as nw

from crmkit.errors import InvalidInput
from crmkit.frames.door import period_of
from crmkit.frames.table import Table, group_columns
from crmkit.frames.tally import Counts, Question
from crmkit.metrics.asking import Steps, kpi
from crmkit.metrics.definition import Definition
from crmkit.metrics.scope import Asked, Scope, make_scope, result, rows
from crmkit.model.survey import SurveyResponse
from crmkit.stats import intervals

_ANSWERS = ("promoter", "passive", "detractor")
_UNANSWERED, _INVALID = "unanswered", "invalid"
_LOWEST, _HIGHEST = 0, 10
_PROMOTER_FROM, _DETRACTOR_TO = 9, 6

NPS = Definition(
    name="nps",
    title="Net promoter score",
    text="How many more customers would recommend the business (9 or 10 of 10) than would not (0 to 6), in points per 100 answers.",
    formula="100 * (promoters - detractors) / answers",
    unit="points",
    inputs=("survey_responses",),
    key="customer",
    methods={
        "latest": "the latest answer of each customer in the period; answers without a customer all count",
        "all": "every answer",
    },
    sources=("Reichheld 2003: The one number you need to grow", "cybaea.net 2016: the standard error"),
)


@kpi(NPS)
def nps(
    responses: Any,
    *,
    method: str = "latest",
    **asked: Unpack[Asked],
) -> Steps:
    """Return the net promoter score in points from -100 to 100.

    Args:
        responses: records, or a Polars, pandas or Arrow table with `score` (whole numbers from 0 to 10, empty where
            unanswered) and `responded_at`; "latest" needs `customer_id`. Where there is a column `kind`, only "nps" counts, and `scale_low` and `scale_high` must be 0 and 10.
        method: "latest" or "all" answers of a customer. Of several at the same instant the lowest score counts.
        ci: confidence of the interval, in closed form; None for none.
        asked: as for every KPI, see `crmkit.metrics`.

    Returns:
        Measures in points, not rounded; numerator promoters less detractors, denominator answers, `details` with the
        three counts. No value, with a reason, where nobody answered: that is not a score of 0. Left out and counted:
        unanswered, answered without a date, and, for "latest", earlier answers of the same customer.

    Raises:
        InvalidInput: for a missing column, a naive timestamp, or a score that is not a whole number from 0 to 10.

    >>> from datetime import date, UTC, datetime
    >>> may = datetime(2025, 5, 2, tzinfo=UTC)
    >>> answers = [SurveyResponse(kind="nps", scale_low=0, scale_high=10, score=score, responded_at=may) for score in (10, 9, 3)]
    >>> nps(answers, as_of=date(2025, 5, 31)).value
    33.333333333333336
    """
    scope = make_scope(NPS, method, asked)
    customer = ("customer_id",) if method == "latest" else ()
    uses = ("kind", "scale_low", "scale_high", "id")
    table = scope.open(responses, SurveyResponse, needs=("score", "responded_at", *customer), uses=uses)
    (found,) = yield [_answers(scope, table)]
    invalid = sum(rows(counts.get(_INVALID)) for counts in found.values())
    if invalid:
        raise InvalidInput(
            f"column 'score' has {invalid} rows off the scale; give whole numbers from 0 to 10, empty where unanswered"
        )
    return result(scope, found, _ANSWERS, lambda counts: _points(counts, scope.ci))


def _answers(scope: Scope, table: Table) -> Question:
    score, at = nw.col("score"), nw.col("responded_at")
    valid = (score >= _LOWEST) & (score <= _HIGHEST) & (score.round() == score)
    for column, bound in (("scale_low", _LOWEST), ("scale_high", _HIGHEST)):
        if column in table.columns:
            valid = valid & (nw.col(column).fill_null(bound) == bound)
    answer = (
        nw.when(score.is_null() | (at > scope.now))
        .then(nw.lit(_UNANSWERED))
        .when(~valid)
        .then(nw.lit(_INVALID))
        .when(at.is_null())
        .then(nw.lit("answered without a date"))
        .when(score >= _PROMOTER_FROM)
        .then(nw.lit("promoter"))
        .when(score <= _DETRACTOR_TO)
        .then(nw.lit("detractor"))
        .otherwise(nw.lit("passive"))
    )
    known = table.rows.filter(nw.col("kind") == "nps") if "kind" in table.columns else table.rows
    answers = known.with_columns(answer=answer)
    if scope.method == "latest":
        answers = _with_superseded(scope, answers)
    answered = nw.col("answer") != _UNANSWERED
    return scope.question(answers, at="responded_at", dated=answered, outcome=nw.col("answer"))


def _with_superseded(scope: Scope, answers: nw.LazyFrame[Any]) -> nw.LazyFrame[Any]:
    """Mark all but the latest answer of each customer in each period and group.

    Rows that tie in instant and score are alike in all that counts, so which of them is the first does not matter.
    """
    at, score = nw.col("responded_at"), nw.col("score")
    competes = nw.col("answer").is_in(_ANSWERS) & ~nw.col("customer_id").is_null() & scope.window(at)
    index = nw.lit(0) if scope.every is None else period_of("responded_at", scope.every)
    keys = ["rated_in", "competes", "customer_id", *group_columns(scope.by)]
    latest = answers.with_columns(rated_in=index, competes=competes).with_columns(latest_at=at.max().over(*keys))
    lowest = latest.with_columns(lowest=nw.when(at == nw.col("latest_at")).then(score).min().over(*keys))
    chosen = (at == nw.col("latest_at")) & (score == nw.col("lowest")) & nw.col("is_first")
    return lowest.with_columns(
        is_first=score.is_first_distinct().over(*keys, "responded_at", "score", order_by="score")
    ).with_columns(
        answer=nw.when(nw.col("competes") & ~chosen).then(nw.lit("earlier answer")).otherwise(nw.col("answer"))
    )


def _points(counts: Counts, ci: float | None) -> dict[str, Any]:
    promoters, passives, detractors = (rows(counts.get(answer)) for answer in _ANSWERS)
    n = promoters + passives + detractors
    net = (ci and intervals.net_share(promoters, detractors, n, ci)) or None
    low, high = (100 * net[0], 100 * net[1]) if net else (None, None)
    unanimous = n > 0 and n in (promoters, passives, detractors)
    return {
        "value": 100 * (promoters - detractors) / n if n else None,
        "unit": "points",
        "numerator": promoters - detractors,
        "denominator": n,
        "n": n,
        "low": low,
        "high": high,
        "reason": None if n else "nobody answered",
        "details": {"promoters": promoters, "passives": passives, "detractors": detractors},
        "warnings": ("all answers are of one kind, so the interval has no width",) if unanimous and net else (),
    }
