"""Opinions: what customers say in surveys."""

from typing import Any, Unpack

import attrs
import narwhals as nw

from crmkit.errors import InvalidInput
from crmkit.frames.door import period_of
from crmkit.frames.table import Table, group_columns
from crmkit.frames.tally import Counts, Question, Tally
from crmkit.metrics.asking import Steps, kpi
from crmkit.metrics.days import days_window
from crmkit.metrics.definition import Definition
from crmkit.metrics.finishing import share
from crmkit.metrics.scope import Asked, Scope, make_scope, result, rows
from crmkit.model.survey import SurveyKind, SurveyResponse
from crmkit.stats import intervals
from crmkit.stats.histogram import Histogram

_ANSWERS = ("promoter", "passive", "detractor")
_UNANSWERED, _INVALID = "unanswered", "invalid"
_NOBODY = "nobody answered"
_PROMOTER_FROM, _DETRACTOR_TO = 9, 6
_EFFORTS = ("easy", "neither", "difficult")
_RATINGS = ("satisfied", "not satisfied")
_RESPONSES = ("answered", "not answered")
_HALVED_SCALES = (5, 7)
"""The numbers of points of the scales for which vendors publish an index of effort."""


@attrs.frozen
class _Scale:
    """The scale that all answers must be on; upright, the highest score is the best."""

    lowest: int
    highest: int
    is_reversed: bool = False

    @property
    def points(self) -> int:
        return self.highest - self.lowest + 1

    def upright(self, score: nw.Expr) -> nw.Expr:
        return self.lowest + self.highest - score if self.is_reversed else score

    def is_good(self, score: nw.Expr) -> nw.Expr:
        """Whether an upright score lies above the middle: 2 of 2, 3 of 3, 4 and 5 of 5, 5 to 7 of 7."""
        return score * 2 > self.lowest + self.highest

    def is_bad(self, score: nw.Expr) -> nw.Expr:
        return score * 2 < self.lowest + self.highest


_NPS_SCALE = _Scale(0, 10)

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
    table = _open(scope, responses, *customer)
    score = nw.col("score")
    answer = (
        nw.when(score >= _PROMOTER_FROM)
        .then(nw.lit("promoter"))
        .when(score <= _DETRACTOR_TO)
        .then(nw.lit("detractor"))
        .otherwise(nw.lit("passive"))
    )
    answers = _answers(scope, table, "nps", _NPS_SCALE, answer)
    if method == "latest":
        answers = _with_superseded(scope, answers, _ANSWERS, "customer_id")
    (found,) = yield [_question(scope, answers)]
    _check_scores(found, _NPS_SCALE)
    return result(scope, found, _ANSWERS, lambda counts: _points(counts, scope.ci))


CUSTOMER_EFFORT = Definition(
    name="customer_effort",
    title="Customer effort score",
    text="How easy customers say it was to get what they wanted: the mean of their scores, of which the highest is the easiest.",
    formula="sum of scores / answers",
    unit="score",
    inputs=("survey_responses",),
    key="response",
    methods={
        "mean": "the mean score",
        "top_box": "the share of answers above the middle of the scale, 5 to 7 of 7",
        "index": "the share of the two highest scores less that of those below the middle, in points per 100 answers",
    },
    sources=("Nicereply: CES 2.0", "CYS: customer effort score, average and index"),
)


@kpi(CUSTOMER_EFFORT)
def customer_effort(
    responses: Any,
    *,
    method: str = "mean",
    scale: tuple[int, int] = (1, 7),
    is_reversed: bool = False,
    **asked: Unpack[Asked],
) -> Steps:
    """Return how easy customers say it was, as the mean of their scores.

    Every answer counts, because each is about one errand. Vendors also give the share of answers that agree ("top_box"), or
    those that found it easy less those that found it difficult ("index"); these are three different numbers of the same answers.

    Args:
        responses: records, or a Polars, pandas or Arrow table with `score` (whole numbers, empty where unanswered) and
            `responded_at`. Where there is a column `kind`, only "ces" counts, and `scale_low` and `scale_high` must be those of `scale`.
        method: "mean", "top_box" or "index"; the index is for scales of 5 or 7 points.
        scale: the lowest and the highest score of the question; scores of several scales are never mixed.
        is_reversed: whether the lowest score is the easiest, as in the first edition of the question; the scores are turned round.
        ci: confidence of the interval, by the normal approximation, by Wilson for "top_box"; None for none.
        asked: as for every KPI, see `crmkit.metrics`.

    Returns:
        Measures on the scale, as a share for "top_box", in points from -100 to 100 for "index"; numerator the sum of scores,
        the easy answers, or those less the difficult ones; denominator answers; `details` with the `top_box` of a mean. No
        value, with a reason, where nobody answered. Left out and counted: unanswered, and answered without a date.

    Raises:
        InvalidInput: for a missing column, a naive timestamp, a scale that is none, or a score that is not on it.

    >>> from datetime import date, UTC, datetime
    >>> may = datetime(2025, 5, 2, tzinfo=UTC)
    >>> answers = [SurveyResponse(kind="ces", scale_low=1, scale_high=7, score=score, responded_at=may) for score in (7, 5, 3)]
    >>> effort = customer_effort(answers, as_of=date(2025, 5, 31)).only
    >>> effort.value, effort.details["top_box"]
    (5.0, 0.6666666666666666)
    """
    scope = make_scope(CUSTOMER_EFFORT, method, asked)
    asked_on = _check_scale(scale, is_reversed)
    if method == "index" and asked_on.points not in _HALVED_SCALES:
        raise InvalidInput(
            f"method='index' has no meaning on scale={scale!r}; give a scale of 5 or 7 points, or another method"
        )
    score = nw.col("score")
    easy = score >= asked_on.highest - 1 if method == "index" else asked_on.is_good(score)
    answer = (
        nw.when(easy)
        .then(nw.lit("easy"))
        .when(asked_on.is_bad(score))
        .then(nw.lit("difficult"))
        .otherwise(nw.lit("neither"))
    )
    answers = _answers(scope, _open(scope, responses), "ces", asked_on, answer)
    (found,) = yield [_question(scope, answers, bucket=score)]
    _check_scores(found, asked_on)

    def finish(counts: Counts) -> dict[str, Any]:
        if method == "index":
            return _effort_index(counts, scope.ci)
        top_box = share(counts, ["easy"], _EFFORTS, ci=scope.ci, nothing=_NOBODY)
        if method == "top_box":
            return top_box
        details = {"top_box": top_box["value"]} if top_box["n"] else {}
        return _mean_score(counts, _EFFORTS, asked_on, scope.ci) | {"details": details}

    return result(scope, found, _EFFORTS, finish, numerator=["easy"] if method == "top_box" else [])


CUSTOMER_SATISFACTION = Definition(
    name="customer_satisfaction",
    title="Customer satisfaction",
    text="Of the customers who rated, the share that was satisfied: 4 or 5 of 5, in general a score above the middle of the scale.",
    formula="satisfied ratings / ratings",
    unit="share",
    inputs=("survey_responses",),
    key="ticket",
    methods={
        "latest": "the latest rating of each ticket in the period; ratings without a ticket all count",
        "first": "the first rating of each ticket in the period; ratings without a ticket all count",
        "all": "every rating",
        "mean": "the mean score of every rating, on the scale",
    },
    sources=("Zendesk: customer satisfaction ratings", "Front: CSAT", "fivetran/dbt_zendesk: first and latest rating"),
)


@kpi(CUSTOMER_SATISFACTION)
def customer_satisfaction(
    responses: Any,
    *,
    method: str = "latest",
    scale: tuple[int, int] = (1, 5),
    is_reversed: bool = False,
    **asked: Unpack[Asked],
) -> Steps:
    """Return the share of ratings that are satisfied, in the period in which the rating was given.

    Satisfied is a score above the middle of the scale, which is 2 of 2, 3 of 3, and 4 or 5 of 5: the middle is not good. A
    customer who changes a rating has one opinion, so the latest rating of a ticket counts. Some tools average the stars ("mean").

    Args:
        responses: records, or a Polars, pandas or Arrow table with `score` (whole numbers, empty where unanswered) and
            `responded_at`; "latest" and "first" need `ticket_id`. Where there is a column `kind`, only "csat" counts, and
            `scale_low` and `scale_high` must be those of `scale`.
        method: "latest", "first", "all" or "mean". Of several ratings at the same instant the lowest counts.
        scale: the lowest and the highest score of the question; scores of several scales are never mixed.
        is_reversed: whether the lowest score is the best; the scores are turned round.
        ci: confidence of the interval by Wilson, for "mean" by the normal approximation; None for none.
        asked: as for every KPI, see `crmkit.metrics`.

    Returns:
        Measures in shares from 0 to 1, on the scale for "mean"; numerator satisfied ratings, or the sum of scores; denominator
        ratings. No value, with a reason, where nobody rated. Left out and counted: unanswered (see `response_rate`), answered
        without a date, and, for "latest" and "first", the other ratings of the same ticket.

    Raises:
        InvalidInput: for a missing column, a naive timestamp, a scale that is none, or a score that is not on it.

    >>> from datetime import date, UTC, datetime
    >>> may = datetime(2025, 5, 2, tzinfo=UTC)
    >>> ratings = [SurveyResponse(kind="csat", scale_low=1, scale_high=5, score=score, responded_at=may) for score in (5, 4, 3, 1)]
    >>> customer_satisfaction(ratings, as_of=date(2025, 5, 31)).value
    0.5
    """
    scope = make_scope(CUSTOMER_SATISFACTION, method, asked)
    asked_on = _check_scale(scale, is_reversed)
    by_ticket = method in {"latest", "first"}
    score = nw.col("score")
    answer = nw.when(asked_on.is_good(score)).then(nw.lit("satisfied")).otherwise(nw.lit("not satisfied"))
    table = _open(scope, responses, *(("ticket_id",) if by_ticket else ()))
    answers = _answers(scope, table, "csat", asked_on, answer)
    if by_ticket:
        answers = _with_superseded(scope, answers, _RATINGS, "ticket_id", latest=method == "latest")
    (found,) = yield [_question(scope, answers, bucket=score if method == "mean" else None)]
    _check_scores(found, asked_on)

    def finish(counts: Counts) -> dict[str, Any]:
        if method == "mean":
            return _mean_score(counts, _RATINGS, asked_on, scope.ci)
        return share(counts, ["satisfied"], _RATINGS, ci=scope.ci, nothing=_NOBODY)

    return result(scope, found, _RATINGS, finish, numerator=[] if method == "mean" else ["satisfied"])


RESPONSE_RATE = Definition(
    name="response_rate",
    title="Response rate",
    text="Of the questions put to customers in the period, the share that was answered.",
    formula="answered / asked",
    unit="share",
    inputs=("survey_responses",),
    key="response",
    methods={"asked": "answered / asked, each question counted in the period in which it was sent"},
    sources=("Zendesk: satisfaction ratings, offered and rated",),
)


@kpi(RESPONSE_RATE)
def response_rate(
    responses: Any,
    *,
    method: str = "asked",
    within_days: int | None = None,
    **asked: Unpack[Asked],
) -> Steps:
    """Return the share of questions that were answered, by the period in which they were asked.

    A period that has just ended still collects answers. With `within_days` every question has the same time: a later
    answer does not count, and a question whose days have not passed at `as_of` is left out and counted.

    Args:
        responses: records, or a Polars, pandas or Arrow table with `score` (empty where unanswered), `sent_at` and
            `responded_at`; an answer without a date is taken to be known and in time. One kind of survey: `where=field("kind") == "nps"`.
        method: "asked".
        within_days: days of 24 hours after which an answer is too late; None for no limit.
        ci: confidence of the interval by Wilson; None for none.
        asked: as for every KPI, see `crmkit.metrics`.

    Returns:
        Measures in shares from 0 to 1; numerator answered, denominator asked. No value, with a reason, where nobody was
        asked. Left out and counted: responses without a date of asking, and those that still have time to answer.

    Raises:
        InvalidInput: for a missing column, a naive timestamp, or a number of days that is none.

    >>> from datetime import date, UTC, datetime
    >>> may = datetime(2025, 5, 2, tzinfo=UTC)
    >>> asked = SurveyResponse(kind="nps", scale_low=0, scale_high=10, sent_at=may)
    >>> response_rate([asked, asked.replace(score=9, responded_at=may)], as_of=date(2025, 5, 31)).value
    0.5
    """
    scope = make_scope(RESPONSE_RATE, method, asked)
    window = days_window(within_days)
    table = scope.open(responses, SurveyResponse, needs=("score", "sent_at", "responded_at"), uses=("id",))
    sent_at, responded_at = nw.col("sent_at"), nw.col("responded_at")
    in_time = responded_at <= scope.known_until if window is None else responded_at <= sent_at + window
    outcome = nw.when(sent_at.is_null()).then(nw.lit("no date of asking"))
    if window is not None:
        outcome = outcome.when(sent_at + window > scope.known_until).then(nw.lit("still has time to answer"))
    answered = ~nw.col("score").is_null() & (responded_at.is_null() | in_time)
    outcome_ = outcome.when(answered).then(nw.lit("answered")).otherwise(nw.lit("not answered"))
    (found,) = yield [scope.question(table.rows, at="sent_at", outcome=outcome_)]
    return result(
        scope,
        found,
        _RESPONSES,
        lambda counts: share(counts, ["answered"], _RESPONSES, ci=scope.ci, nothing="nobody was asked"),
        numerator=["answered"],
    )


def _check_scale(scale: Any, is_reversed: Any) -> _Scale:
    whole = isinstance(scale, tuple | list) and all(type(bound) is int for bound in scale)
    if not whole or len(scale) != 2 or scale[0] >= scale[1]:  # noqa: PLR2004 - the lowest and the highest
        raise InvalidInput(f"scale={scale!r} is no scale; give its lowest and its highest score, such as (1, 7)")
    if not isinstance(is_reversed, bool):
        raise InvalidInput(f"is_reversed={is_reversed!r} is neither True nor False")
    return _Scale(scale[0], scale[1], is_reversed)


def _open(scope: Scope, responses: Any, *subject: str) -> Table:
    uses = ("kind", "scale_low", "scale_high", "id")
    return scope.open(responses, SurveyResponse, needs=("score", "responded_at", *subject), uses=uses)


def _answers(scope: Scope, table: Table, kind: SurveyKind, scale: _Scale, answer: nw.Expr) -> nw.LazyFrame[Any]:
    """The responses of a kind with their scores upright, and what each says: an expression on the score, or why it does not count."""
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


def _question(scope: Scope, answers: nw.LazyFrame[Any], *, bucket: nw.Expr | None = None) -> Question:
    said = nw.col("answer")
    return scope.question(answers, at="responded_at", dated=said != _UNANSWERED, outcome=said, bucket=bucket)


def _check_scores(found: Tally, scale: _Scale) -> None:
    invalid = sum(rows(counts.get(_INVALID)) for counts in found.values())
    if invalid:
        raise InvalidInput(
            f"column 'score' has {invalid} rows off the scale; give whole numbers from {scale.lowest} to {scale.highest}, "
            "empty where unanswered"
        )


def _with_superseded(
    scope: Scope, answers: nw.LazyFrame[Any], counted: tuple[str, ...], subject: str, *, latest: bool = True
) -> nw.LazyFrame[Any]:
    """Mark all but the latest (or first) answer about each subject in each period and group.

    Rows that tie in instant and score are alike in all that counts, so which of them is the first does not matter.
    """
    at, score = nw.col("responded_at"), nw.col("score")
    competes = nw.col("answer").is_in(counted) & ~nw.col(subject).is_null() & scope.window(at)
    index = nw.lit(0) if scope.every is None else period_of("responded_at", scope.every)
    keys = ["rated_in", "competes", subject, *group_columns(scope.by)]
    rated = answers.with_columns(rated_in=index, competes=competes)
    timed = rated.with_columns(chosen_at=(at.max() if latest else at.min()).over(*keys))
    lowest = timed.with_columns(lowest=nw.when(at == nw.col("chosen_at")).then(score).min().over(*keys))
    chosen = (at == nw.col("chosen_at")) & (score == nw.col("lowest")) & nw.col("is_first")
    other = nw.lit("earlier answer" if latest else "later answer")
    return lowest.with_columns(
        is_first=score.is_first_distinct().over(*keys, "responded_at", "score", order_by="score")
    ).with_columns(answer=nw.when(nw.col("competes") & ~chosen).then(other).otherwise(nw.col("answer")))


def _mean_score(counts: Counts, answers: tuple[str, ...], scale: _Scale, ci: float | None) -> dict[str, Any]:
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
        "reason": None if scores.n else _NOBODY,
    }


def _effort_index(counts: Counts, ci: float | None) -> dict[str, Any]:
    easy, neither, difficult = (rows(counts.get(answer)) for answer in _EFFORTS)
    return _net(easy, difficult, easy + neither + difficult, ci) | {"details": {"easy": easy, "difficult": difficult}}


def _points(counts: Counts, ci: float | None) -> dict[str, Any]:
    promoters, passives, detractors = (rows(counts.get(answer)) for answer in _ANSWERS)
    n = promoters + passives + detractors
    unanimous = n > 0 and n in (promoters, passives, detractors)
    return _net(promoters, detractors, n, ci) | {
        "details": {"promoters": promoters, "passives": passives, "detractors": detractors},
        "warnings": ("all answers are of one kind, so the interval has no width",) if unanimous and ci else (),
    }


def _net(for_: int, against: int, n: int, ci: float | None) -> dict[str, Any]:
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
        "reason": None if n else _NOBODY,
    }
