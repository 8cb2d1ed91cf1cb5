"""The laws that every KPI obeys, by each of its methods."""

import math
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import attrs
import narwhals as nw
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmkit.errors import InvalidInput
from crmkit.frames import from_records, schema
from crmkit.metrics import Measure, MetricResult, catalogue
from tests.examples import few
from tests.frames.kinds import KINDS
from tests.metrics.cases import AS_OF, CASES, CLASSES, EVERY, GENERAL, TZS, Case, every_case

DEFAULTS = {
    definition.name: Case(definition, next(iter(definition.methods)))
    for definition in catalogue()
    if definition.name in GENERAL
}
every_kpi = pytest.mark.parametrize("kpi", DEFAULTS.values(), ids=DEFAULTS)
SUMS = ("n", "numerator", "denominator")


def sums(measures: Iterable[Measure]) -> dict[str, Any]:
    measures = list(measures)
    return {name: pytest.approx(sum(getattr(each, name) or 0 for each in measures)) for name in SUMS}


def left_out(result: MetricResult) -> Counter[str]:
    return sum((Counter(each.excluded) for each in [*result, result]), start=Counter())


@every_case
@few
@given(st.data())
def test_the_order_of_rows_is_irrelevant(case: Case, data: st.DataObject) -> None:
    tables = data.draw(case.tables)
    shuffled = {name: data.draw(st.permutations(rows)) for name, rows in tables.items()}
    options = data.draw(st.fixed_dictionaries({"every": st.sampled_from([None, "month"]), "by": st.just(case.by[0])}))

    assert case(shuffled, **options) == case(tables, **options)


@every_case
@few
@given(st.data())
def test_groups_add_up_to_the_total(case: Case, data: st.DataObject) -> None:
    tables = data.draw(case.tables)
    by = data.draw(st.sampled_from([case.by[0], case.by]))
    total, groups = case(tables), case(tables, by=by)

    assert sums(total) == sums(groups)
    assert left_out(groups) == left_out(total)
    assert {tuple(group.group) for group in groups} <= {tuple(dict.fromkeys([by] if isinstance(by, str) else by))}


@every_case
@few
@given(st.data())
def test_periods_partition_the_window(case: Case, data: st.DataObject) -> None:
    tables = data.draw(case.tables)
    window = {"start": date(2025, 1, 1), "end": date(2025, 3, 15), "tz": data.draw(st.sampled_from(TZS))}
    total = case(tables, **window)
    periods = case(tables, every=data.draw(st.sampled_from(EVERY)), **window)

    assert [each.period and each.period.end for each in periods][:-1] == [
        each.period and each.period.start for each in periods
    ][1:]
    if case.method == "latest":  # a customer has a latest answer in every period
        assert sum(each.n for each in periods) >= total.only.n
    else:
        assert sums(periods) == sums(total)
        assert left_out(periods) == left_out(total)


@every_case
@few
@given(st.data())
def test_windows_that_meet_add_up_to_one(case: Case, data: st.DataObject) -> None:
    tables = data.draw(case.tables)
    middle = data.draw(st.sampled_from([date(2025, 2, 1), datetime(2025, 2, 1, 5, tzinfo=UTC)]))
    first, second, both = case(tables, end=middle), case(tables, start=middle), case(tables)

    if case.method not in {"latest", "customer_day"}:  # what is one purchase or answer may lie in both
        assert sums([*first, *second]) == sums(both)


@every_case
@few
@given(st.data())
def test_a_value_is_a_number_in_its_range_or_none_with_a_reason(case: Case, data: st.DataObject) -> None:
    options = {"every": data.draw(st.sampled_from([None, *EVERY])), "by": data.draw(st.sampled_from([None, case.by]))}
    lowest = {"points": -100.0}.get(case.definition.unit, 0.0)
    highest = {"points": 100.0, "share": 1.0}.get(case.definition.unit, math.inf)

    for each in case(data.draw(case.tables), **options):
        numbers = [each.value, each.low, each.high, each.numerator, each.denominator, *each.details.values()]
        assert all(math.isfinite(number) for number in numbers if number is not None)
        assert all(count > 0 for count in each.excluded.values())
        assert (each.value is None) == (each.reason is not None)
        if each.value is None:
            assert (each.low, each.high, each.denominator) == (None, None, 0)
        elif case.method not in {"amount", "won_deal"}:  # whose amounts may be negative
            assert lowest <= each.value <= highest
        if each.low is not None and each.high is not None and each.value is not None:
            assert each.low <= each.value <= each.high


@every_case
@pytest.mark.parametrize("kind", KINDS)
def test_no_data_has_no_value_but_a_reason(case: Case, kind: str) -> None:
    empty = {name: KINDS[kind]([], CLASSES[name]) for name in case.inputs}
    measure = case(empty).only

    assert (measure.value, measure.n, measure.numerator, measure.denominator) == (None, 0, 0, 0)
    assert (measure.low, measure.high, measure.excluded, measure.warnings) == (None, None, {}, ())
    assert measure.reason


@every_case
@few
@given(st.data())
def test_every_kind_of_data_has_the_same_answer(case: Case, data: st.DataObject) -> None:
    tables = data.draw(case.tables)
    # Tables may come in different kinds as long as one engine counts them all.
    in_polars = st.sampled_from([kind for kind in KINDS if kind != "duckdb"])
    one_engine = [dict.fromkeys(tables, "duckdb"), {name: data.draw(in_polars) for name in tables}]
    kinds = data.draw(st.sampled_from(one_engine))
    converted = {name: KINDS[kinds[name]](rows, CLASSES[name]) for name, rows in tables.items()}
    options = {"every": "month", "by": case.by[0], "tz": "Asia/Bangkok"}

    assert case(converted, **options) == case(tables, **options)


@every_case
@few
@given(st.data())
def test_columns_of_other_names_have_the_same_answer(case: Case, data: st.DataObject) -> None:
    tables = data.draw(case.tables)
    names = {name for table in tables for name in schema(CLASSES[table])}
    columns = {name: f"The {name.upper()}" for name in names}
    foreign = {name: from_records(rows, CLASSES[name]).rename(columns, strict=False) for name, rows in tables.items()}

    assert case(foreign, by=case.by[0], columns=columns) == case(tables, by=case.by[0])


@every_case
@few
@given(st.data())
def test_shifting_everything_by_whole_weeks_changes_nothing(case: Case, data: st.DataObject) -> None:
    tables = data.draw(case.tables)
    later = timedelta(weeks=data.draw(st.integers(-100, 100)))
    shifted = {name: [_shifted(row, later) for row in rows] for name, rows in tables.items()}

    options = data.draw(st.sampled_from([{"by": case.by[0]}, {"every": "week"}]))
    before, after = case(tables, **options), case(shifted, as_of=AS_OF + later, **options)

    assert [attrs.evolve(each, period=None) for each in after] == [attrs.evolve(each, period=None) for each in before]


def _shifted(row: Any, later: timedelta) -> Any:
    moments = {field.name: getattr(row, field.name) for field in attrs.fields(type(row))}
    return row.replace(**{name: at + later for name, at in moments.items() if isinstance(at, datetime)})


@every_case
@few
@given(st.data())
def test_what_happens_after_as_of_changes_nothing(case: Case, data: st.DataObject) -> None:
    tables = data.draw(case.tables)
    future = data.draw(case.tables)
    later = {
        name: [*tables[name], *(_renamed(_shifted(row, timedelta(weeks=52)), name) for row in rows)]
        for name, rows in future.items()
    }

    assert sums(case(later)) == sums(case(tables))


def _renamed(row: Any, table: str) -> Any:
    """The row as another one, so that nothing of it is taken for something that is there."""
    return row.replace(id=f"later {row.id}") if table == "tickets" else row


@every_kpi
@few
@given(st.data())
def test_without_a_confidence_there_is_no_interval_and_nothing_else_changes(kpi: Case, data: st.DataObject) -> None:
    tables = data.draw(kpi.tables)
    without, with_ = kpi(tables, ci=None).only, kpi(tables).only

    assert (without.low, without.high) == (None, None)
    assert attrs.evolve(with_, low=None, high=None, warnings=without.warnings) == without


BAD: dict[str, Any] = {
    "as_of": "2025-01-31",
    "start": datetime(2025, 1, 31),
    "end": datetime(2025, 1, 31),
    "every": "fortnight",
    "tz": "Asia/Bankok",
    "method": "best",
    "ci": 95,
}


@every_kpi
@pytest.mark.parametrize("argument", BAD)
def test_a_bad_argument_is_refused_by_name(kpi: Case, argument: str) -> None:
    with pytest.raises(InvalidInput, match=f"^{argument}="):
        kpi({name: [] for name in kpi.inputs}, **{argument: BAD[argument]})


@every_kpi
def test_a_column_to_group_by_that_is_not_there_is_named(kpi: Case) -> None:
    with pytest.raises(InvalidInput, match="has no column 'ownr_id'; there are "):
        kpi({name: [] for name in kpi.inputs}, by="ownr_id")


@every_kpi
@pytest.mark.parametrize("start", [date(2025, 1, 2), date(2025, 1, 1)])
def test_a_window_starts_before_it_ends(kpi: Case, start: date) -> None:
    with pytest.raises(InvalidInput, match="start=.* is not before end=2025-01-01"):
        kpi({name: [] for name in kpi.inputs}, start=start, end=date(2025, 1, 1))


def _without(case: Case, table: str, column: str) -> dict[str, pl.DataFrame]:
    empty = {name: from_records([], CLASSES[name]) for name in case.inputs}
    return empty | {table: empty[table].drop(column)}


NEEDED = {
    "win_rate-closed": {"deals": ["category", "closed_at"]},
    "win_rate-created": {"deals": ["created_at", "category", "closed_at"]},
    "win_rate-amount": {"deals": ["category", "amount", "closed_at"]},
    "sales_cycle-won": {"deals": ["created_at", "category", "closed_at"]},
    "sales_cycle-lost": {"deals": ["created_at", "category", "closed_at"]},
    "sales_cycle-closed": {"deals": ["created_at", "category", "closed_at"]},
    "average_order_value-order": {"orders": ["id", "at", "amount"]},
    "average_order_value-customer_day": {"orders": ["at", "amount", "customer_id"]},
    "average_order_value-row": {"orders": ["at", "amount"]},
    "average_order_value-won_deal": {"deals": ["category", "amount", "closed_at"]},
    "nps-latest": {"survey_responses": ["score", "customer_id", "responded_at"]},
    "nps-all": {"survey_responses": ["score", "responded_at"]},
    "first_contact_resolution-no_repeat": {
        "tickets": ["id", "created_at", "category", "customer_id", "resolved_at"],
        "interactions": ["at", "direction", "ticket_id"],
    },
}


@pytest.mark.parametrize("name", NEEDED)
def test_only_the_columns_in_use_are_required_and_their_absence_is_named(name: str) -> None:
    case = CASES[name]
    lean = {table: from_records([], CLASSES[table], columns) for table, columns in NEEDED[name].items()}

    assert case(lean).only.n == 0
    for table, columns in NEEDED[name].items():
        for column in columns:
            with pytest.raises(InvalidInput, match=f"the {CLASSES[table].__name__} data has no column '{column}'"):
                case(_without(case, table, column))


@pytest.mark.parametrize("name", NEEDED)
def test_a_naive_timestamp_is_refused_by_the_name_of_its_column(name: str) -> None:
    case = CASES[name]
    for table, columns in NEEDED[name].items():
        for column in columns:
            if isinstance(schema(CLASSES[table])[column], pl.Datetime):
                frames = {other: from_records([], CLASSES[other]) for other in case.inputs}
                frames[table] = frames[table].with_columns(pl.col(column).dt.replace_time_zone(None))
                with pytest.raises(InvalidInput, match=f"{CLASSES[table].__name__} column '{column}' is .* without a"):
                    case(frames)


@every_kpi
@pytest.mark.parametrize("nonsense", [None, 7, "deals.csv", {"category": ["won"]}])
def test_what_is_no_data_is_refused(kpi: Case, nonsense: Any) -> None:
    with pytest.raises(InvalidInput, match="is no .* data; give records of "):
        kpi(dict.fromkeys(kpi.inputs, nonsense))


@every_kpi
def test_records_of_another_class_are_refused(kpi: Case) -> None:
    wrong = {name: [CLASSES["interactions" if name != "interactions" else "deals"]] for name in kpi.inputs}

    with pytest.raises(InvalidInput, match="stands among the records; every one must be a"):
        kpi(wrong)


@every_kpi
def test_a_lazy_frame_of_narwhals_is_taken_too(kpi: Case) -> None:
    lazy = {name: nw.from_native(from_records([], CLASSES[name]).lazy()) for name in kpi.inputs}

    assert kpi(lazy).only.value is None
