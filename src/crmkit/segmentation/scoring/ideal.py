"""The ideal customer: what the best customers have more often than the others, and who has it too."""

import math
from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime
from typing import Any, Self

import attrs
import narwhals as nw
import polars as pl

from crmkit.errors import InvalidInput
from crmkit.model.records import Record
from crmkit.rules import EVERYTHING, Rule
from crmkit.segmentation.given import as_given, check_whole
from crmkit.segmentation.scoring.arguments import field_names
from crmkit.segmentation.scoring.bins import Bin, binned, count, looked_up, mapped, outcomes, place, possible
from crmkit.segmentation.scoring.explained import Contribution, Score, by_size
from crmkit.segmentation.scoring.leakage import check_leakage
from crmkit.segmentation.scoring.reading import Asked, Kind, Outcome, Reading, held_records, one_row, read
from crmkit.segmentation.scoring.saved import from_text, to_text
from crmkit.stats.intervals import quantile_of_normal

_A_DOUBLING = 100
"""The points of what is for sure twice as frequent."""


@attrs.frozen(kw_only=True)
class Trait:
    """Something that the best customers have for sure more often than the others.

    `best_share` and `others_share` are the parts of the two that have it, and `lift` is how many times the second the first is; None
    where none of the others has it. `low` and `high` are its interval. `points` is what it counts for: a hundred for each doubling
    that the lower bound is sure of.
    """

    field: str
    label: str = attrs.field(repr=False)
    n: int
    best_share: float
    others_share: float
    lift: float | None
    low: float
    high: float
    points: int


@attrs.frozen(kw_only=True)
class FieldTraits:
    """The values of one field in bins, with the points of those that are traits."""

    name: str
    kind: Kind
    bins: tuple[Bin, ...]

    @property
    def most(self) -> int:
        """The most points that the field gives."""
        return max((each.points for each in self.bins), default=0)


@attrs.frozen(kw_only=True)
class IdealCustomer:
    """What the best customers have in common, in comparison with the others. `fit` makes one; a frozen value."""

    fields: tuple[FieldTraits, ...]
    best: int
    others: int
    ci: float

    @classmethod
    def fit(
        cls,
        customers: Any,
        *,
        best: Outcome,
        fields: Sequence[str],
        record_class: type[Record] | None = None,
        as_of: date | datetime | None = None,
        known: Collection[str] = (),
        bins: int = 4,
        least: int = 20,
        ci: float = 0.95,
        where: Rule = EVERYTHING,
        related: Mapping[type[Record], Any] | None = None,
        tz: str = "UTC",
        columns: Mapping[str, str] | None = None,
    ) -> Self:
        """Return what sets the best customers apart.

        A value is a trait where the interval of its lift lies above 1: it then counts by the lower bound, so that what few customers
        show counts little. Fields are looked at one by one. A missing value is no trait.

        Args:
            customers: records, or a Polars, pandas, Arrow, DuckDB, Ibis or PySpark table with the fields.
            best: who the best are: a column of True and False (or 1 and 0), a rule such as `field("orders.total") > Money("1000", "PLN")`,
                or their ids.
            fields: the columns to look at: numbers, texts, flags, dates and timestamps, which prospects must have too.
            record_class: the class of records that a table is of, for rules and for what is refused; records say it themselves.
            as_of: the moment from which times count, in days before it; needed where a field is a time.
            known: fields that are usually known only afterwards, and that the caller vouches for; see `Scorecard.fit`.
            bins: into how many parts of equally many customers numbers are cut at most. Four by default, because people speak of
                quarters.
            least: how many customers a value must have.
            ci: the confidence of the intervals.
            where: a rule that customers must fulfil.
            related: records of other classes by their class, of which the rules ask.
            tz: the IANA name of the time zone in which days are counted.
            columns: published column names mapped to the names that the data has.

        Raises:
            InvalidInput: for a missing column or one of another kind, a field that says who the best are, or no best customer or no other.

        Source: the interval of a ratio of two shares by Katz et al. (1978), with half a customer added as by Walter (1975).

        >>> customers = [Customer(id=str(i), kind="person", name="?", country="TH" if i < 60 else "PL") for i in range(200)]
        >>> ideal = IdealCustomer.fit(customers, best=[str(i) for i in range(40)], fields=["country"])
        >>> [(each.field, each.label, each.best_share, each.others_share, each.lift, round(each.low, 2)) for each in ideal.traits]
        [('country', 'TH', 1.0, 0.125, 8.0, 5.23)]
        >>> ideal.score([Customer(id="ann", kind="person", name="Ann", country="TH")]).rows()
        [('ann', 1.0, 'country: TH')]
        """
        names = field_names(fields)
        check_whole(bins, "bins")
        check_whole(least, "least")
        data, asked = held_records(customers, Asked(record_class, as_of, tz, columns, where, related))
        check_leakage(names, asked.cls or Record, best, known)
        reading = read(data, names, asked, outcome=best, is_past=True)
        hits, misses, _ = outcomes(reading.rows)
        if not hits or not misses:
            raise InvalidInput(
                f"of {hits + misses} customers {hits} are the best; give some who are and some who are not"
            )
        counted = count(reading.rows, reading.columns.values())
        made = []
        for name, kind in reading.kinds.items():
            cut = binned(counted[reading.columns[name]], kind, bins, least)
            pointed = tuple(attrs.evolve(each, points=_points(each, hits, misses, ci)) for each in cut)
            made.append(FieldTraits(name=name, kind=kind, bins=pointed))
        return cls(fields=tuple(made), best=hits, others=misses, ci=ci)

    @property
    def traits(self) -> tuple[Trait, ...]:
        """The traits, the most telling first."""
        found = [self._trait(each, part) for each in self.fields for part in each.bins if part.points]
        return tuple(sorted(found, key=lambda each: -each.points))

    def score(
        self,
        prospects: Any,
        *,
        record_class: type[Record] | None = None,
        as_of: date | datetime | None = None,
        where: Rule = EVERYTHING,
        related: Mapping[type[Record], Any] | None = None,
        tz: str = "UTC",
        columns: Mapping[str, str] | None = None,
    ) -> Any:
        """Return how much each prospect is like the ideal customer, and in what.

        `match` is the part of the most points that anybody can have: 1 for who has the most telling trait of every field, 0 for who has
        none, and empty where there are no traits. The arguments are those of `Scorecard.score`.

        Returns:
            The caller's kind of table (Polars for records), ordered by `id`, with `id`, `match` and `reasons`, such as
            "country: TH; source: fair", the most telling field first, which are empty where there are none. No row for nothing.

        Raises:
            InvalidInput: for a missing column, or one that is of another kind than where the profile was made.
        """
        data, asked = held_records(prospects, Asked(record_class, as_of, tz, columns, where, related))
        reading = self._read(data, asked, has_id=True)
        total, most = nw.lit(0), sum(each.most for each in self.fields)
        for each in self._telling():
            points = [part.points for part in each.bins]
            total = total + mapped(reading.columns[each.name], each.bins, each.kind, points, 0)
        rows = reading.rows.select("id", score=total.cast(nw.Int64), reasons=self._reasons(reading))
        sums = possible(0, (each.bins for each in self.fields))
        found = looked_up(rows, "match", sums, lambda score: score / most if most else None)
        reasons = nw.when(nw.col("reasons") != "").then(nw.col("reasons"))
        return as_given(found.select("id", "match", reasons.alias("reasons")).sort("id"), data)

    def explain(
        self,
        row: Any,
        *,
        as_of: date | datetime | None = None,
        tz: str = "UTC",
        columns: Mapping[str, str] | None = None,
    ) -> Score:
        """Return the points of one record, mapping or table of one row, with the trait that each is for.

        Raises `InvalidInput` as `score` does, and for more than one row.
        """
        reading = self._read(one_row(row), Asked(None, as_of, tz, columns))
        found = reading.rows.collect("polars").to_native()
        if found.height != 1:
            raise InvalidInput(f"one row is explained at a time, and these are {found.height}; give one record or row")
        values = found.row(0, named=True)
        made = []
        for each in self.fields:
            at = place(each.bins, each.kind, values[reading.columns[each.name]])
            if at is not None and each.bins[at].points:
                made.append(Contribution(name=each.name, label=each.bins[at].label, points=each.bins[at].points))
        return Score(score=sum(each.points for each in made), start=0, contributions=by_size(made))

    def to_polars(self) -> pl.DataFrame:
        """Return one row a trait as a Polars frame, the most telling first."""
        types = {"field": pl.String, "label": pl.String, "n": pl.Int64, "best_share": pl.Float64}
        types |= {
            "others_share": pl.Float64,
            "lift": pl.Float64,
            "low": pl.Float64,
            "high": pl.Float64,
            "points": pl.Int64,
        }
        return pl.DataFrame([attrs.astuple(each) for each in self.traits], schema=types, orient="row")

    def to_json(self) -> str:
        """Return the profile as JSON text, from which `from_json` makes it again."""
        return to_text(self)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Return the profile that `to_json` made this text of; raise `InvalidInput`, which names the place, for any other."""
        return from_text(cls, text)

    def _read(self, data: Any, asked: Asked, *, has_id: bool = False) -> Reading:
        kinds = {each.name: each.kind for each in self.fields}
        return read(data, list(kinds), asked, kinds=kinds, has_id=has_id)

    def _telling(self) -> list[FieldTraits]:
        """The fields that have a trait, the most telling first."""
        return sorted((each for each in self.fields if each.most), key=lambda each: -each.most)

    def _reasons(self, reading: Reading) -> nw.Expr:
        reasons = [
            mapped(
                reading.columns[each.name],
                [part for part in each.bins if part.points],
                each.kind,
                [f"{each.name}: {part.label}" for part in each.bins if part.points],
                None,
            )
            for each in self._telling()
        ]
        return nw.concat_str(reasons, separator="; ", ignore_nulls=True) if reasons else nw.lit("")

    def _trait(self, each: FieldTraits, part: Bin) -> Trait:
        low, high = lift_interval(part.hits, self.best, part.n - part.hits, self.others, self.ci)
        best, others = part.hits / self.best, (part.n - part.hits) / self.others
        return Trait(
            field=each.name,
            label=part.label,
            n=part.n,
            best_share=best,
            others_share=others,
            lift=best / others if others else None,
            low=low,
            high=high,
            points=part.points,
        )


def lift_interval(hits: int, n: int, other_hits: int, other_n: int, confidence: float) -> tuple[float, float]:
    """Return the interval of how many times another share a share is, by its logarithm; both must have trials.

    >>> [round(bound, 2) for bound in lift_interval(40, 40, 20, 160, 0.95)]
    [5.23, 11.73]
    """
    z = quantile_of_normal(confidence)
    a, b, c, d = hits + 0.5, n + 0.5, other_hits + 0.5, other_n + 0.5
    reach = z * math.sqrt(max(0.0, 1 / a - 1 / b + 1 / c - 1 / d))
    ratio = math.log(a / b * d / c)
    return math.exp(ratio - reach), math.exp(ratio + reach)


def _points(part: Bin, hits: int, misses: int, ci: float) -> int:
    low, _ = lift_interval(part.hits, hits, part.n - part.hits, misses, ci)
    return 0 if part.is_missing or low <= 1 else round(_A_DOUBLING * math.log2(low))
