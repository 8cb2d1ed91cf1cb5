"""Opinions: what customers say in surveys."""

from typing import Any, Unpack

import narwhals as nw

from crmkit.errors import InvalidInput
from crmkit.frames.tally import Counts
from crmkit.metrics.answers import (
    NOBODY,
    Scale,
    answers_of,
    answers_question,
    check_scale,
    check_scores,
    mean_score,
    net_points,
    open_answers,
    with_superseded,
)
from crmkit.metrics.asking import Steps, kpi
from crmkit.metrics.days import days_window
from crmkit.metrics.definition import Definition
from crmkit.metrics.finishing import share
from crmkit.metrics.scope import Asked, make_scope, result, rows
from crmkit.model.survey import SurveyResponse

_ANSWERS = ("promoter", "passive", "detractor")
_PROMOTER_FROM, _DETRACTOR_TO = 9, 6
_EFFORTS = ("easy", "neither", "difficult")
_RATINGS = ("satisfied", "not satisfied")
_RESPONSES = ("answered", "not answered")
_HALVED_SCALES = (5, 7)
"""The numbers of points of the scales for which vendors publish an index of effort."""

_NPS_SCALE = Scale(0, 10)

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
    table = open_answers(scope, responses, *customer)
    score = nw.col("score")
    answer = (
        nw.when(score >= _PROMOTER_FROM)
        .then(nw.lit("promoter"))
        .when(score <= _DETRACTOR_TO)
        .then(nw.lit("detractor"))
        .otherwise(nw.lit("passive"))
    )
    answers = answers_of(scope, table, "nps", _NPS_SCALE, answer)
    if method == "latest":
        answers = with_superseded(scope, answers, _NPS_SCALE, _ANSWERS, "customer_id")
    (found,) = yield [answers_question(scope, answers)]
    check_scores(found, _NPS_SCALE)
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
    sources=(
        "Nicereply: how CES is calculated",
        "CYS: customer effort score, 7-point scale to average",
        "CYS: customer effort score, 7-point scale to index",
    ),
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
    asked_on = check_scale(scale, is_reversed)
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
    answers = answers_of(scope, open_answers(scope, responses), "ces", asked_on, answer)
    (found,) = yield [answers_question(scope, answers, bucket=score)]
    check_scores(found, asked_on)

    def finish(counts: Counts) -> dict[str, Any]:
        if method == "index":
            return _effort_index(counts, scope.ci)
        top_box = share(counts, ["easy"], _EFFORTS, ci=scope.ci, nothing=NOBODY)
        if method == "top_box":
            return top_box
        details = {"top_box": top_box["value"]} if top_box["n"] else {}
        return mean_score(counts, _EFFORTS, asked_on, scope.ci) | {"details": details}

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
    sources=(
        "Zendesk: customer satisfaction ratings",
        "Front: satisfaction score",
        "fivetran/dbt_zendesk: first and latest rating",
    ),
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
    asked_on = check_scale(scale, is_reversed)
    by_ticket = method in {"latest", "first"}
    score = nw.col("score")
    answer = nw.when(asked_on.is_good(score)).then(nw.lit("satisfied")).otherwise(nw.lit("not satisfied"))
    table = open_answers(scope, responses, *(("ticket_id",) if by_ticket else ()))
    answers = answers_of(scope, table, "csat", asked_on, answer)
    if by_ticket:
        answers = with_superseded(scope, answers, asked_on, _RATINGS, "ticket_id", latest=method == "latest")
    (found,) = yield [answers_question(scope, answers, bucket=score if method == "mean" else None)]
    check_scores(found, asked_on)

    def finish(counts: Counts) -> dict[str, Any]:
        if method == "mean":
            return mean_score(counts, _RATINGS, asked_on, scope.ci)
        return share(counts, ["satisfied"], _RATINGS, ci=scope.ci, nothing=NOBODY)

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


def _effort_index(counts: Counts, ci: float | None) -> dict[str, Any]:
    easy, neither, difficult = (rows(counts.get(answer)) for answer in _EFFORTS)
    return net_points(easy, difficult, easy + neither + difficult, ci) | {
        "details": {"easy": easy, "difficult": difficult}
    }


def _points(counts: Counts, ci: float | None) -> dict[str, Any]:
    promoters, passives, detractors = (rows(counts.get(answer)) for answer in _ANSWERS)
    n = promoters + passives + detractors
    unanimous = n > 0 and n in (promoters, passives, detractors)
    return net_points(promoters, detractors, n, ci) | {
        "details": {"promoters": promoters, "passives": passives, "detractors": detractors},
        "warnings": ("all answers are of one kind, so the interval has no width",) if unanimous and ci else (),
    }
