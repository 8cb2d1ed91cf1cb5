"""The quality of data: how much of it is filled in, how old it is, and how much of it is there twice."""

from collections.abc import Mapping, Sequence
from functools import reduce
from typing import Any, Unpack, get_args

import attrs
import narwhals as nw

from crmkit.errors import InvalidInput, choices
from crmkit.frames.door import day_of
from crmkit.frames.filtering import as_expression, filter_columns
from crmkit.frames.schema import INSTANT, schema
from crmkit.frames.tally import Counts, Question, merged
from crmkit.metrics.asking import Steps, kpi
from crmkit.metrics.days import check_days, with_instant
from crmkit.metrics.definition import Definition
from crmkit.metrics.finishing import durations, share
from crmkit.metrics.scope import Asked, Scope, all_sums, make_scope, result, rows
from crmkit.model.customer import Customer
from crmkit.model.records import Category, FieldInfo, Record, field, fields, record
from crmkit.rules import Rule
from crmkit.stats.periods import index_of, zone

_CATEGORIES: tuple[Category, ...] = get_args(Category)
_NOT_COUNTED = ("id", "created_at", "custom")
_NOTHING = "there is no record"
_COMPLETE = ("complete", "incomplete")
_FRESH, _STALE, _NEVER = "fresh", "stale", "never updated"
_ONCE, _TWICE = "there once", "duplicate"

COMPLETENESS = Definition(
    name="completeness",
    title="Completeness",
    text="Of the fields that could be filled in, the share that is.",
    formula="fields filled / fields",
    unit="share",
    inputs=("customers",),
    key="record",
    methods={
        "fields": "fields filled / fields that apply, over all records",
        "records": "records with every field that applies filled / records",
    },
)


@kpi(COMPLETENESS)
def completeness(
    records: Any,
    *,
    cls: type[Record] = Customer,
    of: Sequence[str] | None = None,
    applicable: Mapping[str, Rule] | None = None,
    method: str = "fields",
    **asked: Unpack[Asked],
) -> Steps:
    """Return how complete records of any class are, overall and by the category of their fields.

    A field is filled unless it is null, NaN, blank or an empty list: zero and False are answers. It is the state of the data as it is
    given; a period is that of the creation of records, and those of which nobody knows it count where no period is asked for.

    Args:
        records: records, or a Polars, pandas or Arrow table with columns of `cls`; reads `created_at`.
        cls: the class of the records.
        of: the names of the fields; all that the data has by default, but for `id`, `created_at` and `custom`. Mappings and lists
            of value objects, such as contact points, have no column and are not among them.
        applicable: rules for fields that make sense for some records only, such as `{"birth_on": field("kind") == "person"}`.
        method: "fields", by which a record that is nearly complete is worth more than an empty one, or "records".
        ci: confidence of the interval by Wilson for "records"; None for none. The fields of a record are filled together, so a
            share of fields has no interval.
        asked: as for every KPI, see `crmkit.metrics`.

    Returns:
        Measures in shares from 0 to 1; numerator filled fields, denominator fields ("records": complete records, records), and
        for "fields" `details` with the share of each category of fields. No value, with a reason, where there is no record.

    Raises:
        InvalidInput: for a field that the class or the data does not have, a rule that does not fit, or a naive timestamp.

    >>> from datetime import date
    >>> known = [Customer(kind="person", name="Ann", city="Gdynia"), Customer(kind="person", name="Ben")]
    >>> completeness(known, of=["name", "city"], as_of=date(2025, 5, 31)).value
    0.75
    """
    scope = make_scope(COMPLETENESS, method, asked)
    return (yield from measured(scope, card(scope, records, cls, of, applicable)))


def measured(scope: Scope, asked_of: "Card", *others: Question) -> Steps:
    """Measure how complete cards are by the method of the scope; `others` are the questions for what is left out."""
    if scope.method == "fields":
        found = reduce(merged, (yield [*_filled_fields(scope, asked_of), *others]))
        return result(scope, found, _CATEGORIES, _share_of_fields)
    found = reduce(merged, (yield [_complete_records(scope, asked_of), *others]))
    return result(
        scope,
        found,
        _COMPLETE,
        lambda counts: share(counts, _COMPLETE[:1], _COMPLETE, ci=scope.ci, nothing=_NOTHING),
        numerator=_COMPLETE[:1],
    )


@attrs.frozen
class Card:
    """Rows, the fields of theirs that are to be filled, and conditions for those that apply to some rows only."""

    rows: nw.LazyFrame[Any]
    infos: Sequence[FieldInfo]
    applies: Mapping[str, nw.Expr]

    def of(self, category: Category | None) -> tuple[nw.Expr, nw.Expr]:
        """Return how many fields of a category, or of all, apply to a row, and how many of these are filled."""
        types = self.rows.collect_schema()
        nothing, one = nw.lit(0, nw.Int64), nw.lit(1, nw.Int64)
        applying, filled = nothing, nothing
        for info in self.infos:
            if category in {None, info.category}:
                applies = self.applies.get(info.name, nw.lit(value=True))
                is_filled = applies & _is_filled(info.name, types[info.name])
                applying = applying + nw.when(applies).then(one).otherwise(nothing)
                filled = filled + nw.when(is_filled).then(one).otherwise(nothing)
        return applying, filled


def _is_filled(name: str, dtype: nw.dtypes.DType) -> nw.Expr:
    value = nw.col(name)
    if dtype == nw.String:
        return ~value.is_null() & (value.str.strip_chars() != "")
    if isinstance(dtype, nw.List):
        return ~value.is_null() & (value.list.len() > 0)
    return ~value.is_null() & ~value.is_nan() if dtype.is_float() else ~value.is_null()


def card(
    scope: Scope,
    data: Any,
    cls: type[Record],
    of: Sequence[str] | None,
    applicable: Mapping[str, Rule] | None,
    *,
    beside_fields: Sequence[str] = (),
) -> Card:
    """Open a table for what is filled of it, with columns that are not judged `beside_fields`.

    Raises `InvalidInput` for a field that there is none of.
    """
    rules = {name: rule.at(scope.as_of, scope.tz) for name, rule in (applicable or {}).items()}
    infos = {
        info.name: info
        for info in fields(cls)
        if info.name in schema(cls) and info.name not in (*_NOT_COUNTED, *beside_fields)
    }
    for name in (*(of or ()), *rules):
        if name not in infos:
            raise InvalidInput(f"{cls.__name__} has no field {name!r} to be filled; {choices(name, infos)}")
    read = [column for rule in rules.values() for column in filter_columns(rule, cls)]
    needs = dict.fromkeys([*beside_fields, *(of or ()), *read])
    wanted = ["created_at", "id", *(infos if of is None else ())]
    table = scope.open(data, cls, needs=list(needs), uses=[each for each in wanted if each not in needs])
    chosen = table.columns if of is None else of
    return Card(
        rows=with_instant(table, "created_at"),
        infos=[info for name, info in infos.items() if name in chosen],
        applies={name: as_expression(rule, cls) for name, rule in rules.items()},
    )


def _filled_fields(scope: Scope, card_: Card) -> list[Question]:
    """Ask how many fields of each category are filled; the bucket is how many apply to a record."""
    asked = []
    for category in _CATEGORIES:
        applying, filled = card_.of(category)
        outcome = nw.lit(category)
        asked.append(scope.question(card_.rows, at="created_at", outcome=outcome, bucket=applying, amount=filled))
    return asked


def _share_of_fields(counts: Counts) -> dict[str, Any]:
    """Return the share of fields filled, with that of each category as details."""
    filled = {each: all_sums(counts.get(each)).total for each in _CATEGORIES}
    fields_ = {each: sum(n * sums.n for n, sums in counts.get(each, {}).items()) for each in _CATEGORIES}
    n, of_all = rows(counts.get(_CATEGORIES[0])), sum(fields_.values())
    return {
        "value": sum(filled.values()) / of_all if of_all else None,
        "unit": "share",
        "numerator": sum(filled.values()),
        "denominator": of_all,
        "n": n,
        "reason": None if of_all else "there is no field to fill" if n else _NOTHING,
        "details": {each: filled[each] / fields_[each] for each in _CATEGORIES if fields_[each]},
    }


def _complete_records(scope: Scope, card_: Card) -> Question:
    """Ask how many records have every field filled that applies to them."""
    applying, filled = card_.of(None)
    outcome = nw.when(filled == applying).then(nw.lit(_COMPLETE[0])).otherwise(nw.lit(_COMPLETE[1]))
    return scope.question(card_.rows, at="created_at", outcome=outcome)


FRESHNESS = Definition(
    name="freshness",
    title="Freshness",
    text="Of the records, the share that was brought up to date not long ago.",
    formula="records updated within the days / records",
    unit="share",
    inputs=("customers",),
    key="record",
    methods={"within": "records whose last update is at most so many days ago / records; never updated is not fresh"},
    sources=("dbt: source freshness",),
)


@kpi(FRESHNESS)
def freshness(
    records: Any,
    *,
    cls: type[Record] = Customer,
    updated: str = "created_at",
    within_days: int = 365,
    method: str = "within",
    **asked: Unpack[Asked],
) -> Steps:
    """Return the share of records that were updated within so many civil days before `as_of`.

    A record without an instant was never updated: it is stale, and counts where no period is asked for. A period is that of the
    last update. Whether a record that was updated after `as_of` was fresh then is not known, so it does not count.

    Args:
        records: records, or a Polars, pandas or Arrow table with the instant `updated`.
        cls: the class of the records.
        updated: the field of `cls` that says when a record was last updated. Where the data has a column of its own for it,
            give `columns={"created_at": "verified_at"}`.
        within_days: how old a fresh record may be, in civil days of `tz`.
        method: "within".
        ci: confidence of the interval by Wilson; None for none.
        asked: as for every KPI, see `crmkit.metrics`.

    Returns:
        Measures in shares from 0 to 1; numerator fresh records, denominator records, and `details` with the "median", "mean"
        and "p90" age in days of those that have one. No value, with a reason, where there is no record.

    Raises:
        InvalidInput: for a missing column, a field that is no instant, a naive timestamp, or a negative number of days.

    >>> from datetime import date, UTC, datetime
    >>> years = [Customer(kind="person", name="Ann", created_at=datetime(year, 5, 1, tzinfo=UTC)) for year in (2024, 2025)]
    >>> freshness(years, within_days=30, as_of=date(2025, 5, 31)).value
    0.5
    """
    scope = make_scope(FRESHNESS, method, asked)
    check_days(within_days, "within_days")
    if schema(cls).get(updated) != INSTANT:
        instants = [name for name, kind in schema(cls).items() if kind == INSTANT]
        raise InvalidInput(f"updated={updated!r} is no instant of {cls.__name__}; {choices(updated, instants)}")
    table = scope.open(records, cls, needs=(updated,), uses=("id",))
    age = nw.lit(index_of(scope.as_of.astimezone(zone(scope.tz)).date(), "day"), nw.Int64) - day_of(updated)
    outcome = (
        nw.when(nw.col(updated).is_null())
        .then(nw.lit(_NEVER))
        .when(age <= within_days)
        .then(nw.lit(_FRESH))
        .otherwise(nw.lit(_STALE))
    )
    (found,) = yield [scope.question(table.rows, at=updated, outcome=outcome, bucket=age)]
    counted = (_FRESH, _STALE, _NEVER)

    def finish(counts: Counts) -> dict[str, Any]:
        ages = durations(counts, (_FRESH, _STALE), unit="days", ci=None, nothing="")
        details = {"median": ages["value"], **ages["details"]} if ages["n"] else {}
        return share(counts, [_FRESH], counted, ci=scope.ci, nothing=_NOTHING) | {"details": details}

    return result(scope, found, counted, finish, numerator=[_FRESH])


@record
class DuplicatePair(Record):
    """Two records that may be one, and how sure somebody is of it, from 0 to 1."""

    first_id: str
    second_id: str
    score: float | None = field(default=None, category="quantitative")


DUPLICATE_SHARE = Definition(
    name="duplicate_share",
    title="Share of duplicates",
    text="Of the records, the share that is there more than once.",
    formula="records that are in a pair / records",
    unit="share",
    inputs=("customers", "pairs"),
    key="customer",
    methods={
        "involved": "records that are in a pair with another one / records",
        "surplus": "records that could go / records: those in a pair whose other record has the smaller id",
    },
)


@kpi(DUPLICATE_SHARE)
def duplicate_share(
    *,
    customers: Any,
    pairs: Any,
    cls: type[Record] = Customer,
    least_score: float | None = None,
    method: str = "involved",
    **asked: Unpack[Asked],
) -> Steps:
    """Return the share of records that are duplicates, from a table of pairs.

    Pairs are anybody's: of this package, of a matching tool, of people. Only those count of which both records are in the data; a
    record with itself is no pair. "surplus" is exact where pairs are complete, which is to say that two duplicates of one record are
    a pair too, and else says less than there is. A period is that of the creation of records.

    Args:
        customers: records, or a Polars, pandas or Arrow table with `id`; reads `created_at`.
        pairs: records or a table with `first_id` and `second_id`; "least_score" needs `score`.
        cls: the class of the records.
        least_score: the score from which on a pair counts; None for all. Pairs without a score then do not count.
        method: "involved" or "surplus".
        ci: confidence of the interval by Wilson; None for none.
        asked: as for every KPI, see `crmkit.metrics`.

    Returns:
        Measures in shares from 0 to 1; numerator duplicates, denominator records. No value, with a reason, where there is no record.

    Raises:
        InvalidInput: for a missing column or a naive timestamp.

    >>> from datetime import date
    >>> people = [Customer(id=each, kind="person", name="Ann") for each in "abcd"]
    >>> twice = [DuplicatePair(first_id="a", second_id="b")]
    >>> duplicate_share(customers=people, pairs=twice, as_of=date(2025, 5, 31)).value
    0.5
    """
    scope = make_scope(DUPLICATE_SHARE, method, asked)
    known = with_instant(scope.open(customers, cls, needs=("id",), uses=("created_at",)), "created_at")
    known = known.filter(nw.col("created_at").is_null() | (nw.col("created_at") <= scope.known_until))
    scored = () if least_score is None else ("score",)
    found_pairs = scope.open(pairs, DuplicatePair, needs=("first_id", "second_id", *scored), is_main=False).rows
    if least_score is not None:
        found_pairs = found_pairs.filter(nw.col("score") >= least_score)
    both = _pairs_of(known, found_pairs)
    ends = both if method == "involved" else both.filter(nw.col("id") > nw.col("other_id"))
    twice = ends.group_by("id").agg(others=nw.len())
    outcome = nw.when(nw.col("others").is_null()).then(nw.lit(_ONCE)).otherwise(nw.lit(_TWICE))
    (found,) = yield [scope.question(known.join(twice, on="id", how="left"), at="created_at", outcome=outcome)]
    counted = (_ONCE, _TWICE)
    return result(
        scope,
        found,
        counted,
        lambda counts: share(counts, [_TWICE], counted, ci=scope.ci, nothing=_NOTHING),
        numerator=[_TWICE],
    )


def _pairs_of(records: nw.LazyFrame[Any], pairs: nw.LazyFrame[Any]) -> nw.LazyFrame[Any]:
    """Each pair of records that are in the data, both ways round."""
    ids = records.select("id")
    ways = nw.concat(
        [pairs.select(id="first_id", other_id="second_id"), pairs.select(id="second_id", other_id="first_id")]
    )
    others = ids.select(other_id="id")
    return (
        ways.filter(nw.col("id") != nw.col("other_id"))
        .join(ids, on="id", how="inner")
        .join(others, on="other_id", how="inner")
    )
