"""What no KPI takes for granted: columns, types and arguments. What it cannot use is refused by name, or counted as left out."""

import inspect
import math
import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from functools import cache
from inspect import signature
from typing import Any

import polars as pl
import pytest

from crmkit.errors import InvalidInput
from crmkit.frames import from_records, schema
from crmkit.metrics import MetricResult, registered
from crmkit.model import Deal, Message, Subscription, Ticket
from crmkit.testing.strategies import simplest
from tests.metrics.cases import DEFAULTS, MANY, Case, kpis
from tests.metrics.selling import deal
from tests.metrics.tables import CLASSES, Facts

Frames = dict[str, pl.DataFrame]
Spoil = Callable[[pl.DataFrame, str], pl.DataFrame]

EARLY, LATE = (datetime(2025, month, 1, tzinfo=UTC) for month in (1, 2))

BY_ARGUMENT = {"freshness": {"created_at"}, "touch_effectiveness": {"channel", "plan"}}
"""Columns that an argument names, so that a docstring cannot."""

ALL_FIELDS = {
    "card_completeness": "it reads every field of a card",
    "completeness": "it reads every field of a record",
}


@cache
def frame(table: str) -> pl.DataFrame:
    return from_records(Facts(0).tables(table)[table], CLASSES[table])


def documented(case: Case) -> set[str]:
    """The columns that a docstring names, or that of another KPI to which it refers."""
    own = inspect.getdoc(registered()[case.definition.name]) or ""
    others = [registered()[name] for name in re.findall(r"as for `(\w+)`", own)]
    text = " ".join([own, *(inspect.getdoc(other) or "" for other in others)])
    events = schema(Message) if re.search(r"instants\s+of[^.;]*`Message`", text) else {}
    instants = [name for name, dtype in events.items() if dtype == pl.Datetime]
    return {*re.findall(r"`(\w+)`", text), *instants, *BY_ARGUMENT.get(case.definition.name, ())}


def lean(case: Case) -> Frames:
    """The tables with the documented columns alone."""
    named = documented(case)
    names = {table: [name for name in schema(CLASSES[table]) if name in named] for table in case.inputs}
    return {table: frame(table).select(names[table]) for table in case.inputs}


def answer(case: Case, frames: Frames) -> MetricResult | str:
    """The result, or why there is none."""
    try:
        return case(frames)
    except InvalidInput as error:
        return str(error)


def refused(case: Case, frames: Frames, kind: type[pl.DataType], spoil: Spoil, message: str) -> list[str]:
    """Spoil each column of a type, and return those that are refused, by their names; the others are not read at all."""
    expected, refused_ = case(frames), []
    for table, rows in frames.items():
        for column in [name for name, dtype in rows.schema.items() if dtype == kind]:
            found = answer(case, frames | {table: spoil(rows, column)})
            if isinstance(found, str):
                assert re.search(message.format(column=column, cls=CLASSES[table].__name__), found), found
                refused_.append(column)
            else:
                assert found == expected, column
    return refused_


@kpis(exempt=ALL_FIELDS)
def test_the_documentation_names_every_column_that_is_read(case: Case) -> None:
    assert case(lean(case)) == case({name: frame(name) for name in case.inputs})


@kpis(MANY, exempt={"completeness": "a column that is missing was never filled"})
def test_a_missing_column_is_named(case: Case) -> None:
    empty = {table: rows.clear() for table, rows in lean(case).items()}
    each_missing = [(table, column) for table, rows in empty.items() for column in rows.columns]
    answers = {
        (table, column): answer(case, empty | {table: empty[table].drop(column)}) for table, column in each_missing
    }
    refusals = {missing: found for missing, found in answers.items() if isinstance(found, str)}

    assert refusals
    for (table, column), refusal in refusals.items():
        assert f"the {CLASSES[table].__name__} data has no column {column!r}; there " in refusal


@kpis()
def test_timestamps_without_a_time_zone_are_refused(case: Case) -> None:
    def naive(rows: pl.DataFrame, column: str) -> pl.DataFrame:
        return rows.with_columns(pl.col(column).dt.replace_time_zone(None))

    message = "{cls} column '{column}' is Datetime.* without a time zone; give timestamps with a time zone, such as UTC"
    assert refused(case, lean(case), pl.Datetime, naive, message)


@kpis(MANY)
@pytest.mark.parametrize("kind", [pl.Datetime, pl.Date, pl.Decimal, pl.Int64], ids=str)
def test_text_where_something_else_is_due_is_refused(case: Case, kind: Any) -> None:
    def text(rows: pl.DataFrame, column: str) -> pl.DataFrame:
        return rows.with_columns(pl.lit("31.01.2025").alias(column))

    found = refused(case, lean(case), kind, text, "column '{column}' is String; give ")
    assert found or kind != pl.Datetime


@kpis(MANY)
def test_numbers_that_are_none_are_missing(case: Case) -> None:
    frames = lean(case)
    floats = {
        name: rows.with_columns(pl.col(pl.Decimal, pl.Int64, pl.Float64).cast(pl.Float64).fill_null(math.nan))
        for name, rows in frames.items()
    }

    assert case(floats) == case(frames)


FREE_WORDS = {
    "acquisition_cost": "costs are called as the business calls them",
    "campaign_lift": "it reads when something was sent, not what became of it",
    "campaign_revenue": "it leaves out what is internal, and nothing else by its direction",
    "campaign_roi": "it leaves out what is internal, and nothing else by its direction",
    "cost_per_lead": "costs are called as the business calls them",
    "handling_time-contacts": "it counts every direction alike",
}
"""Words of categories and directions that nobody checks."""


@kpis(exempt=FREE_WORDS)
def test_an_unknown_category_or_direction_is_refused_and_counted(case: Case) -> None:
    frames = lean(case)
    expected = case(frames)
    for table, rows in frames.items():
        for column in {"category", "direction"} & set(rows.columns):
            found = answer(case, frames | {table: rows.with_columns(pl.lit("strange").alias(column))})
            refusal = rf"column '{column}.*' holds 'strange'( \(\d+ rows\))?; (accepted|there) are '"
            assert re.match(refusal, found) if isinstance(found, str) else found == expected, found


@kpis(DEFAULTS)
@pytest.mark.parametrize("nonsense", [None, 7, "deals.csv", {"category": ["won"]}], ids=repr)
def test_what_is_no_data_is_refused(case: Case, nonsense: Any) -> None:
    with pytest.raises(
        InvalidInput,
        match=r"is no .* data; give records of |reads the table '.*'; give |no applications are given; give ",
    ):
        case(dict.fromkeys(case.inputs, nonsense))


@kpis(DEFAULTS)
def test_records_of_another_class_are_refused(case: Case) -> None:
    strangers = [Deal(pipeline_id="gym", stage="Trial"), Ticket()]
    wrong = {name: [row for row in strangers if type(row) is not CLASSES[name]] for name in case.inputs}

    with pytest.raises(InvalidInput, match="stands among the records; every one must be a"):
        case(wrong)


ARGUMENTS: dict[str, tuple[Any, str]] = {
    "a text for as_of": ({"as_of": "2025-01-31"}, "^as_of='2025-01-31'"),
    "as_of without a zone": ({"as_of": datetime(2025, 1, 31)}, "^as_of="),
    "no as_of": ({"as_of": None}, "^as_of=None"),
    "a start without a zone": ({"start": datetime(2025, 1, 31)}, "^start="),
    "a text for the end": ({"end": "tomorrow"}, "^end='tomorrow'"),
    "an end before the start": (
        {"start": date(2025, 1, 2), "end": date(2025, 1, 1)},
        "start=.* is not before end=2025-01-01",
    ),
    "an empty window": ({"start": date(2025, 1, 1), "end": date(2025, 1, 1)}, "start=.* is not before end=2025-01-01"),
    "an unknown method": ({"method": "best"}, "^method='best' is no definition of "),
    "an unknown zone": ({"tz": "Asia/Bankok"}, "^tz='Asia/Bankok'"),
    "a confidence in percent": ({"ci": 95}, "^ci=95"),
    "a where that is no rule": ({"where": "source == 'web'"}, "^where=.* is no rule"),
    "a by that is no column": ({"by": 7}, "^by=7 is no column"),
    "columns that are no mapping": ({"columns": ["id"]}, "^columns=.* is no mapping"),
}


@kpis(DEFAULTS)
@pytest.mark.parametrize("wrong", ARGUMENTS)
def test_a_bad_argument_is_refused_by_name(case: Case, wrong: str) -> None:
    given, message = ARGUMENTS[wrong]

    with pytest.raises(InvalidInput, match=message):
        case({name: [] for name in case.inputs}, **given)


def called(case: Case, **given: Any) -> MetricResult:
    """The KPI of nothing, with just these arguments."""
    function = registered()[case.definition.name]
    names = list(signature(function).parameters) if len(case.inputs) == 1 else case.inputs
    return function(**dict.fromkeys(names[: len(case.inputs)], ()), **given)


@kpis(DEFAULTS)
def test_an_unknown_kind_of_period_is_refused(case: Case) -> None:
    with pytest.raises(InvalidInput, match="^every='fortnight'"):
        called(case, **case.arguments() | {"every": "fortnight"})


@kpis(DEFAULTS)
def test_as_of_must_be_given(case: Case) -> None:
    with pytest.raises(TypeError, match="missing a required argument: 'as_of'"):
        called(case, **{name: value for name, value in case.arguments().items() if name != "as_of"})


@kpis(DEFAULTS, exempt={"target_attainment": "it has targets by owner_id and team alone, and says so"})
def test_a_column_to_group_by_that_is_not_there_is_named(case: Case) -> None:
    with pytest.raises(InvalidInput, match="has no column 'ownr_id'; there are "):
        case({name: [] for name in case.inputs}, by="ownr_id")


BACKWARDS: dict[str, tuple[dict[str, list[Any]], str]] = {
    "sales_cycle": ({"deals": [deal("won", created_at=LATE, closed_at=EARLY)]}, "closed before it was created"),
    "first_response_time": (
        {"tickets": [Ticket(created_at=LATE, first_responded_at=EARLY)]},
        "answered before it was created",
    ),
    "resolution_time": (
        {"tickets": [Ticket(created_at=LATE, category="resolved", resolved_at=EARLY)]},
        "resolved before it was created",
    ),
    "churn_rate": (
        {
            "subscriptions": [
                simplest(Subscription, id="s1", category="lapsed", started_at=LATE, ended_at=EARLY),
            ]
        },
        "covers no time",
    ),
}


@pytest.mark.parametrize("name", BACKWARDS)
def test_what_ends_before_it_begins_is_left_out_and_counted(name: str) -> None:
    tables, reason = BACKWARDS[name]
    measure = DEFAULTS[name](tables).only

    assert (measure.value, measure.n, measure.excluded) == (None, 0, {reason: 1})


@pytest.mark.parametrize("name", ["nps", "customer_satisfaction", "customer_effort"])
@pytest.mark.parametrize("score", [-1, 11, 1000])
def test_scores_off_the_scale_are_refused_and_counted(name: str, score: int) -> None:
    rows = frame("survey_responses").drop("kind").with_columns(score=pl.lit(score, pl.Int64))

    with pytest.raises(
        InvalidInput, match=r"column 'score' has \d+ rows off the scale; give whole numbers from [01] to "
    ):
        DEFAULTS[name]({"survey_responses": rows})


@pytest.mark.parametrize("probability", [-0.1, 1.5, 50.0])
def test_probabilities_that_are_no_shares_are_refused_and_counted(probability: float) -> None:
    rows = frame("deals").with_columns(probability=pl.lit(probability), category=pl.lit("open"), amount=pl.lit(1))

    with pytest.raises(
        InvalidInput, match=r"column 'probability' holds \d+ values that are no share; give numbers from 0 to 1"
    ):
        DEFAULTS["forecast"]({"deals": rows})
