"""What a score is made of: each field of a row as a number or as a word, and whether the outcome came true."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Any, Literal

import attrs
import narwhals as nw
import polars as pl

from crmkit.errors import InvalidInput
from crmkit.frames.door import civil_day, day_number, day_of, moment, through_the_door
from crmkit.frames.small import small_table
from crmkit.frames.table import group_columns, open_table
from crmkit.model.money import currency_column
from crmkit.model.records import Record, fields
from crmkit.rules import EVERYTHING, Rule
from crmkit.stats.periods import index_of, instant, zone

Kind = Literal["number", "word"]
Outcome = str | Rule | Collection[str]
"""A column that is true or false, a rule, or the ids of those for which it came true."""

OUTCOME = "outcome"


@attrs.frozen
class Asked:
    """What every function of scores is asked: of which class the rows are, when, in which zone, and what columns are called."""

    cls: type[Record] | None = None
    as_of: date | datetime | None = None
    tz: str = "UTC"
    columns: Mapping[str, str] | None = None
    where: Rule = EVERYTHING
    related: Mapping[type[Record], Any] | None = None

    def rule(self, rule: Rule) -> Rule:
        """Return a rule as it is to be asked."""
        return rule if self.as_of is None else rule.at(self.as_of, self.tz)

    def opened(self, data: Any, *, marks: Mapping[str, Rule], **options: Any) -> nw.LazyFrame[Any]:
        """Return the rows of a table; see `open_table`."""
        if self.cls is None and any(True for each in (self.where, *marks.values()) for _ in each.comparisons()):
            raise InvalidInput(
                "a rule is asked of records of a class, and nothing here says which; give record_class=, such as Lead"
            )
        table = open_table(
            data,
            self.cls or Record,
            columns=self.columns,
            tz=self.tz,
            where=self.rule(self.where),
            marks={name: self.rule(each) for name, each in marks.items()},
            related=self.related,
            **options,
        )
        return table.rows


@attrs.frozen
class Reading:
    """Rows with their fields as numbers and words under the columns of `Reading.columns`, and the kind of each field."""

    rows: nw.LazyFrame[Any]
    kinds: Mapping[str, Kind]

    @property
    def columns(self) -> dict[str, str]:
        """The column of each field."""
        return dict(zip(self.kinds, group_columns(list(self.kinds)), strict=True))


def held_records(data: Any, asked: Asked) -> tuple[Any, Asked]:
    """Return data that may be read more than once, and what is asked with the class of the records, where they are some."""
    is_table = nw.from_native(data, pass_through=True) is not data
    if is_table or not isinstance(data, Iterable) or isinstance(data, str | bytes | Mapping):
        return data, asked
    rows = list(data)
    classes = {type(row) for row in rows if isinstance(row, Record)}
    cls = classes.pop() if asked.cls is None and len(classes) == 1 else asked.cls
    return rows, attrs.evolve(asked, cls=cls)


def one_row(row: Any) -> Any:
    """Return one record or mapping as data of one row, and anything else as it is."""
    if isinstance(row, Record):
        return [row]
    return pl.DataFrame([row]) if isinstance(row, Mapping) else row


def read(
    data: Any,
    names: Sequence[str],
    asked: Asked,
    *,
    outcome: Outcome | None = None,
    kinds: Mapping[str, Kind] | None = None,
    marks: Mapping[str, Rule] | None = None,
    has_id: bool = False,
    is_past: bool = False,
) -> Reading:
    """Return the fields of rows as numbers and words.

    Numbers are finite or empty, text is not blank or is empty, flags are "yes" and "no", and instants and days are how many days they
    were before `as_of`. An instant after `as_of` has not happened and is empty; where `is_past`, it is an error, because then the data is
    not as it was known. With an outcome the rows have it as 1 or 0 in the column `OUTCOME`, empty where it is not known. Fields of `kinds`
    must be of these kinds; `marks` are rules by the names of columns that have 1 where they hold and 0 where they do not.
    """
    flags = [outcome] if isinstance(outcome, str) else []
    ids = None if outcome is None or isinstance(outcome, str | Rule) else _ids(outcome)
    rules = dict(marks or {}) | ({OUTCOME: outcome} if isinstance(outcome, Rule) else {})
    if isinstance(data, list) and not data and asked.cls is None:
        return _nothing(names, kinds or {}, [*rules, OUTCOME])
    by = [*names, *flags]
    columns = dict(zip(by, group_columns(by), strict=True))
    needs = [] if ids is None and not has_id else ["id"]
    rows = asked.opened(data, needs=needs, uses=_currencies(names, asked.cls), by=by, marks=rules)
    present = rows.collect_schema()
    _check_currencies(rows, [each for each in _currencies(names, asked.cls) if each in present.names()])
    types = {name: present[column] for name, column in columns.items()}
    for name, column in columns.items():
        _check_type(rows, name, column, types[name])
    timed = [name for name in names if _is_instant(types[name])]
    rows = through_the_door(rows, [columns[name] for name in timed], asked.tz)
    for name in timed if is_past else ():
        _check_past(rows, name, columns[name], asked)
    values = {
        name: _of_kind(name, _value(name, columns[name], types[name], asked), types[name], kinds or {})
        for name in names
    }
    told = [_flag(columns[name], types[name], name).alias(OUTCOME) for name in flags]
    rows = rows.select(*needs, *rules, *told, **{columns[name]: value for name, (_, value) in values.items()})
    return Reading(rows if ids is None else _among(rows, ids), {name: kind for name, (kind, _) in values.items()})


def _nothing(names: Sequence[str], kinds: Mapping[str, Kind], ones: Sequence[str]) -> Reading:
    """No rows: of no records nobody knows the class, and no class is needed."""
    known: dict[str, Kind] = {name: kinds.get(name, "word") for name in names}
    types = {"id": pl.String()} | dict.fromkeys(ones, pl.Int64())
    types |= {column: _TYPES[kind] for column, kind in zip(group_columns(names), known.values(), strict=True)}
    return Reading(nw.from_native(pl.LazyFrame(schema=types)), known)


def _ids(given: Any) -> list[str]:
    found = [] if not isinstance(given, Iterable) else list(given)
    if not isinstance(given, Iterable) or not all(isinstance(each, str) for each in found):
        raise InvalidInput(
            "the outcome is no column, no rule and no list of ids; give the ids, which are text, of those it came true for"
        )
    return sorted(set(found))


def _among(rows: nw.LazyFrame[Any], ids: Sequence[str]) -> nw.LazyFrame[Any]:
    """The rows with 1 as the outcome of those whose id is among some, and 0 for the others."""
    if not ids:
        return rows.with_columns(**{OUTCOME: nw.lit(0)})
    true = small_table(pl.DataFrame({"true_id": ids, "is_true": 1}), rows)
    joined = rows.join(true, left_on="id", right_on="true_id", how="left")
    known = nw.when(nw.col("is_true").is_null()).then(nw.lit(0)).otherwise(nw.lit(1))
    return joined.with_columns(**{OUTCOME: known}).drop("is_true")


def _currencies(names: Sequence[str], cls: type[Record] | None) -> list[str]:
    """The columns that have the currencies of those fields that are money."""
    money = {each.name for each in fields(cls or Record) if each.shape.kind == "money"}
    return [currency_column(name) for name in names if name in money]


def _check_currencies(rows: nw.LazyFrame[Any], columns: Sequence[str]) -> None:
    for column in columns:
        words = rows.select(nw.col(column).cast(nw.String)).unique().collect("polars").to_native()[column].drop_nulls()
        if len(words) > 1:
            raise InvalidInput(
                f"amounts in {', '.join(sorted(words)[:5])} cannot be compared; convert them first, or choose one currency with where="
            )


def _check_type(rows: nw.LazyFrame[Any], name: str, column: str, found: Any) -> None:
    if isinstance(found, nw.Datetime) and found.time_zone is None:
        # Some frames have no days, and midnights without a time zone for them.
        at = nw.col(column).dt
        seconds = (at.hour().cast(nw.Int64) * 60 + at.minute()) * 60 + at.second()
        if rows.select(last=seconds.max()).collect("polars").to_native().item():
            raise InvalidInput(f"column {name!r} is {found} without a time zone; give timestamps with one, or dates")
    elif not _is_word(found) and not found.is_numeric() and found not in (nw.Boolean, nw.Date, nw.Datetime):
        raise InvalidInput(
            f"column {name!r} is {found}; a score is made of numbers, texts, flags, dates and timestamps"
        )


def _is_word(found: Any) -> bool:
    return found in (nw.String, nw.Unknown) or isinstance(found, nw.Categorical | nw.Enum)


def _is_instant(found: Any) -> bool:
    return isinstance(found, nw.Datetime) and found.time_zone is not None


def _now(asked: Asked, name: str) -> int:
    """The moment until which instants have happened."""
    if asked.as_of is None:
        raise InvalidInput(f"column {name!r} is a time, and counts as days before as_of; give as_of=")
    return moment(instant(asked.as_of, asked.tz, "as_of", end_of_day=True))


def _check_past(rows: nw.LazyFrame[Any], name: str, column: str, asked: Asked) -> None:
    last = rows.select(last=nw.col(column).max()).collect("polars").to_native().item()
    if last is not None and last > _now(asked, name):
        raise InvalidInput(
            f"column {name!r} has instants after as_of, so it was not known then; give the data as it was known, or leave it out"
        )


def _value(name: str, column: str, found: Any, asked: Asked) -> tuple[Kind, nw.Expr]:
    value = nw.col(column)
    if _is_instant(found):
        past = nw.when(value <= _now(asked, name)).then(day_of(column))
        return "number", (nw.lit(_today(asked)) - past).cast(nw.Float64)
    if found in (nw.Date, nw.Datetime):
        _now(asked, name)
        return "number", (nw.lit(_today(asked)) - day_number(*civil_day(column))).cast(nw.Float64)
    if found == nw.Boolean:
        return "word", nw.when(value).then(nw.lit("yes")).when(~value).then(nw.lit("no"))
    if _is_word(found):
        word = value.cast(nw.String)
        return "word", nw.when(word.str.strip_chars() != "").then(word)
    number = value.cast(nw.Float64)
    return "number", nw.when(number.is_finite()).then(number)


def _of_kind(name: str, value: tuple[Kind, nw.Expr], found: Any, kinds: Mapping[str, Kind]) -> tuple[Kind, nw.Expr]:
    kind = kinds.get(name, value[0])
    if found == nw.Unknown:  # a column without any value
        return kind, value[1].cast(nw.Float64 if kind == "number" else nw.String)
    if kind != value[0]:
        raise InvalidInput(
            f"column {name!r} is {found}, and was {_CALLED[kind]} where the score was made; give the same"
        )
    return value


_TYPES: Mapping[Kind, Any] = {"number": pl.Float64(), "word": pl.String()}
_CALLED: Mapping[Kind, str] = {"number": "numbers or times", "word": "texts or flags"}


def _today(asked: Asked) -> int:
    assert asked.as_of is not None
    now = instant(asked.as_of, asked.tz, "as_of", end_of_day=True)
    return index_of(now.astimezone(zone(asked.tz)).date(), "day")


def _flag(column: str, found: Any, name: str) -> nw.Expr:
    value = nw.col(column)
    if found == nw.Boolean:
        return nw.when(value).then(nw.lit(1)).when(~value).then(nw.lit(0))
    if not found.is_numeric():
        raise InvalidInput(f"the outcome {name!r} is {found}; give a column of True and False, or of 1 and 0")
    return value.cast(nw.Float64)
