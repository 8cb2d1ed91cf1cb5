"""What sets a segment apart: its attributes beside those of everybody else, the greatest difference first."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import asin, sqrt
from typing import Any

import attrs
import narwhals as nw
import polars as pl

from crmkit.errors import InvalidInput, choices
from crmkit.frames.door import engine_of
from crmkit.frames.small import small_table
from crmkit.frames.table import Table, group_columns, open_table
from crmkit.model.customer import Customer
from crmkit.model.records import Record, fields
from crmkit.segmentation.given import as_given
from crmkit.stats.differences import exact_p, holm
from crmkit.stats.intervals import difference, proportion, quantile_of_normal
from crmkit.stats.ranks import cliffs_delta, delta_in_deviations, median, median_interval, rank_p

_MOST_VALUES = 50
"""How many values of an attribute are compared, the most frequent ones."""

_FEW = 30
"""Below how many customers on either side a difference is said to rest on few."""

_STRENGTHS = ((0.8, "large"), (0.5, "medium"), (0.2, "small"))
_COLUMNS = {
    "rank": pl.Int64,
    "attribute": pl.String,
    "value": pl.String,
    "measure": pl.String,
    "inside": pl.Float64,
    "outside": pl.Float64,
    "difference": pl.Float64,
    "low": pl.Float64,
    "high": pl.Float64,
    "effect": pl.Float64,
    "strength": pl.String,
    "p": pl.Float64,
    "p_together": pl.Float64,
    "n_inside": pl.Int64,
    "n_outside": pl.Int64,
    "note": pl.String,
}


def profile(
    customers: Any,
    members: Any,
    *,
    by: Sequence[str] | None = None,
    ci: float = 0.95,
    cls: type[Record] = Customer,
    columns: Mapping[str, str] | None = None,
) -> Any:
    """Return which attributes set the members of a segment apart from all other customers, the greatest effect first.

    Of words, each value is a row with its share among the members (`inside`) and among the others (`outside`): the interval of the
    difference is Newcombe's, the effect Cohen's h = 2 asin(sqrt(inside)) - 2 asin(sqrt(outside)), p Fisher's. Nothing
    is a value too, in which `value` is empty. Of numbers, infinite ones left out, there is one row with both medians, because the amounts of customers are
    skewed: the interval of the difference is of the two intervals by ranks, the effect Cliff's delta, how much more often a
    member has more than another customer than less, p that of Mann and Whitney. Effects are put in one order by what they are in
    standard deviations: h is so already, and delta as of two normal distributions.

    Looking at many attributes finds some difference by chance. `p_together` is p by Holm's method for all rows: the chance that
    any of those below a limit is there by chance alone is no greater than the limit.

    Args:
        customers: records, or a table of any engine, with `id` and the attributes; those who are in the segment among them.
        members: their ids, or a table with `customer_id`, such as `crmkit.segmentation.members` returns.
        by: the attributes, any columns of words, numbers, or true and false. Without it those of the published columns that the data
            has and that are words about nobody's person, such as `country` and `source`.
        ci: the confidence of the intervals.
        cls: the record class of the customers, where it is a vertical's that extends Customer.
        columns: published column names mapped to the names that the data has.

    Returns:
        The caller's kind of table (Polars for records), ordered by `rank`: `attribute`, `value`, `measure` ("share" or "median"),
        `inside`, `outside`, `difference` with `low` and `high`, `effect`, `strength` ("large", "medium" and "small" from 0.8, 0.5 and
        0.2 standard deviations, else "none"), `p`, `p_together`, `n_inside` and `n_outside` (customers, of numbers those who have
        one), and `note`, where they are few or not all values are told. What there is nothing to compare with is empty. Of an
        attribute with more than 50 values the most frequent 50 are told. No row for nothing.

    Raises:
        InvalidInput: for a missing column, one that is neither words nor numbers, a confidence that is none, and members in
            another engine than the customers.

    Source: Newcombe (1998), method 10; Cohen (1988); Cliff (1993); Holm (1979); Zou and Donner (2008).

    >>> countries = {"ann": "TH", "bob": "TH", "cy": "PL", "dan": "PL", "eve": "PL"}
    >>> customers = [Customer(id=id, kind="person", name=id, country=country) for id, country in countries.items()]
    >>> found = profile(customers, ["ann", "bob"], by=["country"])
    >>> found.select("attribute", "value", "inside", "outside", "strength").row(0)
    ('country', 'PL', 0.0, 1.0, 'large')
    """
    quantile_of_normal(ci)
    rows, attributes = _open(customers, by, cls, columns)
    marked = _marked(rows.rows, members)
    traits = [trait for name, counts in _counted(marked, attributes).items() for trait in _traits(name, counts, ci)]
    found = pl.DataFrame(_rows(traits), schema=_COLUMNS, orient="row")
    return as_given(small_table(found, rows.rows).sort("rank"), customers)


@attrs.frozen
class _Attribute:
    """Something that customers are compared by, and the column that it is in."""

    name: str
    column: str


def _open(
    customers: Any, by: Sequence[str] | None, cls: type[Record], columns: Mapping[str, str] | None
) -> tuple[Table, list[_Attribute]]:
    if by is None:
        usual = [info.name for info in fields(cls) if info.shape.kind in ("text", "choice") and not info.personal]
        uses = [name for name in usual if name != "id"]
        table = open_table(customers, cls, needs=("id",), uses=uses, columns=columns)
        return table, [_Attribute(name, name) for name in uses if name in table.columns]
    if isinstance(by, str):
        raise InvalidInput(f"by={by!r} is one text; give a list of columns, such as [{by!r}]")
    table = open_table(customers, cls, needs=("id",), by=by, columns=columns)
    return table, [_Attribute(*each) for each in zip(by, group_columns(by), strict=True)]


def _marked(rows: nw.LazyFrame[Any], members: Any) -> nw.LazyFrame[Any]:
    """The rows with `inside`, 1 of members and 0 of others."""
    inside = _ids(members, rows).unique().with_columns(is_member=nw.lit(1))
    joined = rows.join(inside, left_on="id", right_on="customer_id", how="left")
    return joined.with_columns(inside=nw.when(nw.col("is_member").is_null()).then(nw.lit(0)).otherwise(nw.lit(1)))


def _ids(members: Any, rows: nw.LazyFrame[Any]) -> nw.LazyFrame[Any]:
    """The ids of members as a table in the engine of the rows."""
    frame = nw.from_native(members, pass_through=True)
    if not isinstance(frame, nw.DataFrame | nw.LazyFrame):
        if isinstance(members, str) or not isinstance(members, Iterable):
            raise InvalidInput(f"members are {type(members).__name__}; give their ids, or a table with customer_id")
        ids = [*members]
        if not all(isinstance(each, str) for each in ids):
            raise InvalidInput("members are no ids; give their ids as text, or a table with customer_id")
        return small_table(pl.DataFrame({"customer_id": ids}, schema={"customer_id": pl.String}), rows)
    lazy = frame if isinstance(frame, nw.LazyFrame) else nw.from_native(frame.to_polars().lazy())
    names = lazy.collect_schema().names()
    if "customer_id" not in names:
        raise InvalidInput(f"the table of members has no column 'customer_id'; {choices('customer_id', names)}")
    engines = engine_of(rows), engine_of(lazy)
    if len(set(engines)) > 1:
        raise InvalidInput(f"customers and members are in {' and '.join(engines)}; give both as one kind of data")
    return lazy.select(nw.col("customer_id").cast(nw.String))


_Counts = dict[Any, tuple[int, int]]
"""How many outside and inside have each value."""


def _counted(rows: nw.LazyFrame[Any], attributes: Sequence[_Attribute]) -> dict[tuple[str, bool], _Counts]:
    """The counts of each attribute, by its name and whether it is a number; one question to the engine for all of them."""
    if not attributes:
        return {}
    schema = rows.collect_schema()
    is_number = {each.name: _is_number(each.name, schema[each.column]) for each in attributes}
    parts = [
        rows.select("inside", attribute=nw.lit(each.name), **_value(each, schema[each.column]))
        .group_by("attribute", "word", "number", "inside", drop_null_keys=False)
        .agg(n=nw.len())
        for each in attributes
    ]
    counts: dict[str, defaultdict[Any, list[int]]] = {each.name: defaultdict(lambda: [0, 0]) for each in attributes}
    asked = nw.concat(parts).collect("polars").to_native()
    for name, word, number, inside, n in asked.select("attribute", "word", "number", "inside", "n").rows():
        counts[name][number if is_number[name] else word][inside] += n
    return {
        (name, is_number[name]): {value: (outside, inside) for value, (outside, inside) in held.items()}
        for name, held in counts.items()
    }


def _is_number(name: str, found: nw.dtypes.DType) -> bool:
    is_word = found == nw.Boolean or isinstance(found, nw.String | nw.Categorical | nw.Enum) or found == nw.Unknown
    if not (is_word or found.is_numeric()):
        raise InvalidInput(f"by={name!r} is {found}; give columns of words, of numbers, or of true and false")
    return found.is_numeric()


def _value(attribute: _Attribute, found: nw.dtypes.DType) -> dict[str, nw.Expr]:
    """The value of an attribute, as a word or as a number."""
    held = nw.col(attribute.column)
    if found.is_numeric():
        number = nw.when(held.is_finite()).then(held) if found.is_float() else held
        return {"word": nw.lit(None, dtype=nw.String), "number": number.cast(nw.Float64)}
    if found == nw.Boolean:  # which engines write differently
        held = nw.when(held).then(nw.lit("true")).otherwise(nw.when(~held).then(nw.lit("false")))
    return {"word": held.cast(nw.String), "number": nw.lit(None, dtype=nw.Float64)}


@attrs.frozen
class _Trait:
    """One comparison of members with the others; `size` is the effect in standard deviations."""

    attribute: str
    value: str | None
    measure: str
    n_inside: int
    n_outside: int
    inside: float | None = None
    outside: float | None = None
    interval: tuple[float, float] | None = None
    effect: float | None = None
    size: float = 0.0
    p: float | None = None
    note: str | None = None


def _traits(attribute: tuple[str, bool], counts: _Counts, ci: float) -> Iterator[_Trait]:
    name, is_number = attribute
    if is_number:
        yield _of_number(name, counts, ci)
        return
    n_outside, n_inside = (sum(each[side] for each in counts.values()) for side in (0, 1))
    frequent = sorted(counts, key=lambda value: (-sum(counts[value]), value is None, value or ""))
    is_part = len(frequent) > _MOST_VALUES
    note = f"one of the {_MOST_VALUES} most frequent of {len(frequent)} values" if is_part else None
    for value in frequent[:_MOST_VALUES]:
        yield _of_word(_Trait(name, value, "share", n_inside, n_outside, note=note), *counts[value], ci)


def _of_word(trait: _Trait, outside: int, inside: int, ci: float) -> _Trait:
    share, other = _share(inside, trait.n_inside), _share(outside, trait.n_outside)
    bounds, other_bounds = proportion(inside, trait.n_inside, ci), proportion(outside, trait.n_outside, ci)
    trait = attrs.evolve(trait, inside=share, outside=other)
    if share is None or other is None or bounds is None or other_bounds is None:
        return trait
    effect = 2 * (asin(sqrt(share)) - asin(sqrt(other)))
    p = exact_p(inside, trait.n_inside, outside, trait.n_outside)
    interval = difference(share, bounds, other, other_bounds)
    return attrs.evolve(trait, interval=interval, effect=effect, size=abs(effect), p=p)


def _share(n: int, of: int) -> float | None:
    return n / of if of else None


def _of_number(name: str, counts: _Counts, ci: float) -> _Trait:
    known = {value: each for value, each in counts.items() if value is not None}
    outside, inside = ({value: each[side] for value, each in known.items()} for side in (0, 1))
    n_outside, n_inside = sum(outside.values()), sum(inside.values())
    trait = _Trait(name, None, "median", n_inside, n_outside, median(inside), median(outside))
    effect = cliffs_delta(inside, outside)
    if trait.inside is None or trait.outside is None or effect is None:
        return trait
    bounds, other_bounds = median_interval(inside, ci), median_interval(outside, ci)
    interval = difference(trait.inside, bounds, trait.outside, other_bounds) if bounds and other_bounds else None
    size = abs(delta_in_deviations(effect, n_inside * n_outside))
    return attrs.evolve(trait, interval=interval, effect=effect, size=size, p=rank_p(inside, outside))


def _rows(traits: Sequence[_Trait]) -> list[dict[str, Any]]:
    """The rows of the result, the greatest effect first; of the same size, by attribute and value."""
    tested = [trait.p for trait in traits if trait.p is not None]
    together = iter(holm(tested))
    worth = [(trait, None if trait.p is None else next(together)) for trait in traits]
    worth.sort(key=lambda each: (each[0].effect is None, -each[0].size, each[0].attribute, each[0].value or ""))
    return [_row(rank, trait, p) for rank, (trait, p) in enumerate(worth, start=1)]


def _row(rank: int, trait: _Trait, p_together: float | None) -> dict[str, Any]:
    is_compared = trait.inside is not None and trait.outside is not None
    low, high = trait.interval or (None, None)
    return {
        "rank": rank,
        "attribute": trait.attribute,
        "value": trait.value,
        "measure": trait.measure,
        "inside": trait.inside,
        "outside": trait.outside,
        "difference": trait.inside - trait.outside if is_compared else None,  # type: ignore[operator]
        "low": low,
        "high": high,
        "effect": trait.effect,
        "strength": next((word for least, word in _STRENGTHS if trait.size >= least), "none") if is_compared else None,
        "p": trait.p,
        "p_together": p_together,
        "n_inside": trait.n_inside,
        "n_outside": trait.n_outside,
        "note": "; ".join(_notes(trait)) or None,
    }


def _notes(trait: _Trait) -> Iterator[str]:
    for where, n in (("inside", trait.n_inside), ("outside", trait.n_outside)):
        if not n:
            yield f"there is nobody {where} to compare with"
        elif n < _FEW:
            yield f"there are only {n} {where}"
    if trait.note:
        yield trait.note
