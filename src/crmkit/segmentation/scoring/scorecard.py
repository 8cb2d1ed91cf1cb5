"""The score that is learned: what those who came true had in common before anybody knew that they would."""

import math
from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime
from typing import Any, Self

import attrs
import narwhals as nw
import polars as pl

from crmkit.errors import InvalidInput, choices
from crmkit.model.records import Record
from crmkit.rules import EVERYTHING, Rule
from crmkit.segmentation.given import as_given, check_whole
from crmkit.segmentation.scoring.arguments import field_names
from crmkit.segmentation.scoring.bins import MISSING, looked_up, mapped, outcomes, place, possible
from crmkit.segmentation.scoring.drift import Drift, cut, make_shift, tally
from crmkit.segmentation.scoring.evidence import FieldScore, History, calibrate, evidence, histogram, learn, weigh
from crmkit.segmentation.scoring.explained import Contribution, Score, by_size
from crmkit.segmentation.scoring.leakage import check_leakage
from crmkit.segmentation.scoring.quality import Quality, make_quality, parts
from crmkit.segmentation.scoring.reading import Asked, Kind, Outcome, Reading, held_records, one_row, read
from crmkit.segmentation.scoring.saved import from_text, to_text
from crmkit.segmentation.scoring.weights import chance

_TOO_GOOD = 0.99
_PER_FIELD = 10
_MOST_RARE = 0.5
_GROUPS = 10


@attrs.frozen(kw_only=True)
class Scorecard:
    """A score learned from history by weights of evidence: points for what is known of somebody, and the probability that they mean.

    A frozen value. `base` points mean an even chance, and `points_to_double` more double the odds. `fit` makes one.

    The evidence of a value is ln((came true with it / all that came true) / (others with it / all others)), as if there were `smoothing`
    average rows more with each value. It is weighed by Fisher's discriminant, so that what several fields say alike counts once, and
    brought to a probability by a logistic curve; the points are whole.
    """

    fields: tuple[FieldScore, ...]
    start: int
    base: int
    points_to_double: int
    smoothing: float
    n: int
    hits: int
    left_out: int
    histogram: tuple[tuple[int, int, int], ...] = attrs.field(repr=False)
    warnings: tuple[str, ...] = ()

    @classmethod
    def fit(
        cls,
        data: Any,
        *,
        outcome: Outcome,
        fields: Sequence[str],
        record_class: type[Record] | None = None,
        as_of: date | datetime | None = None,
        known: Collection[str] = (),
        bins: int = 10,
        least: int = 20,
        smoothing: float = 10,
        monotone: Collection[str] = (),
        base: int = 500,
        points_to_double: int = 20,
        where: Rule = EVERYTHING,
        related: Mapping[type[Record], Any] | None = None,
        tz: str = "UTC",
        columns: Mapping[str, str] | None = None,
    ) -> Self:
        """Return the score that history teaches.

        The data must be as it was known *before* the outcome: what a store knew then is `crm.as_of(moment)`. Fields that tell the outcome
        are refused: those that records of the class are known to fill on the way to it, what the outcome itself is read from, and
        columns of instants after `as_of`. A field that tells it almost perfectly by itself (an AUC of 0.99) is warned of.

        Args:
            data: records, or a Polars, pandas, Arrow, DuckDB, Ibis or PySpark table, one row for each that a score could have been given.
            outcome: what is to be foretold: a column of True and False (or 1 and 0; rows where it is empty are left out), a rule, or the
                ids of those it came true for.
            fields: the columns to learn from: numbers, texts, flags, dates and timestamps. Times count as days before `as_of`.
            record_class: the class of records that a table is of, for rules and for what is refused; records say it themselves.
            as_of: the moment at which the fields were known; needed where a field is a time. A date means its whole day in `tz`.
            known: fields that are usually known only afterwards, and that the caller vouches for.
            bins: into how many parts of equally many rows numbers are cut at most. Ten, because deciles are fine enough for a few
                hundred rows and more.
            least: how many rows a bin has at least; rarer texts say nothing.
            smoothing: how many average rows are added to every bin: one of as many rows counts half. Ten by default, for a bin of twenty
                is little evidence.
            monotone: fields of numbers whose effect may only rise or only fall; bins are joined until it does.
            base: the points of an even chance.
            points_to_double: how many points more double the odds.
            where: a rule that rows must fulfil.
            related: records of other classes by their class, of which the rules ask.
            tz: the IANA name of the time zone in which days are counted.
            columns: published column names mapped to the names that the data has.

        Returns:
            The score. Whatever the order of rows, their kind or their engine, it is the same to the last digit.

        Raises:
            InvalidInput: for a missing column or one of another kind, a field that tells the outcome, an outcome that is the same in all
                rows, or an argument out of its range.

        `warnings` of what is returned say so where a field tells the outcome by itself, where most texts of one are rare, and where the
        rarer outcome has fewer than ten rows a field.

        Source: Siddiqi (2006), Credit Risk Scorecards; Good (1950), Probability and the Weighing of Evidence; Fisher (1936).

        >>> leads = [Lead(id=str(i), source="fair" if i % 2 else "web", category="converted" if i % 10 in (1, 3, 5, 6) else "open")
        ...     for i in range(200)]
        >>> from crmkit.rules import field
        >>> card = Scorecard.fit(leads, outcome=field("category") == "converted", fields=["source"])
        >>> card.to_polars().select("label", "n", "hits", "points").rows()
        [('fair', 100, 60, 21), ('web', 100, 20, -25)]
        >>> card.score(leads[:2]).rows()
        [('0', 463, 0.21715517875497284), ('1', 509, 0.5773529224005067)]
        """
        names = field_names(fields)
        for name, value, lowest in (("bins", bins, 1), ("least", least, 1), ("points_to_double", points_to_double, 1)):
            check_whole(value, name, lowest)
        check_whole(base, "base", None)
        if isinstance(smoothing, bool) or not isinstance(smoothing, int | float) or not 0 < smoothing < math.inf:
            raise InvalidInput(f"smoothing={smoothing!r} is no number of rows; give one above 0")
        data, asked = held_records(data, Asked(record_class, as_of, tz, columns, where, related))
        check_leakage(names, asked.cls or Record, outcome, known)
        reading = read(data, names, asked, outcome=outcome, is_past=True)
        hits, misses, left_out = outcomes(reading.rows)
        if not hits or not misses:
            raise InvalidInput(
                f"the outcome is the same in all {hits + misses} rows that have one, so there is nothing to learn; give some of both"
            )
        history = History(reading=reading, hits=hits, misses=misses, smoothing=float(smoothing))
        alone = learn(history, bins=bins, least=least, monotone_fields=_falling(monotone, reading.kinds))
        factor = points_to_double / math.log(2)
        start, made = calibrate(history, weigh(history, alone), factor)
        card = cls(
            fields=tuple(made),
            start=round(base + factor * start),
            base=base,
            points_to_double=points_to_double,
            smoothing=float(smoothing),
            n=hits + misses,
            hits=hits,
            left_out=left_out,
            histogram=(),
            warnings=tuple(_warnings(made, hits + misses, min(hits, misses))),
        )
        return attrs.evolve(card, histogram=tuple(histogram(card._summed(reading))))

    def probability(self, score: int) -> float:
        """Return the probability that a score means.

        >>> Scorecard.probability(Scorecard(fields=(), start=500, base=500, points_to_double=20, smoothing=10, n=2, hits=1,
        ...     left_out=0, histogram=()), 520)
        0.6666666666666666
        """
        return chance((score - self.base) / self.points_to_double * math.log(2))

    def score(
        self,
        data: Any,
        *,
        record_class: type[Record] | None = None,
        as_of: date | datetime | None = None,
        where: Rule = EVERYTHING,
        related: Mapping[type[Record], Any] | None = None,
        tz: str = "UTC",
        columns: Mapping[str, str] | None = None,
    ) -> Any:
        """Return the score of each row, and the probability that it means.

        Args:
            data: records or a table, as for `fit`, with `id` and the fields of the score. No outcome is needed.
            record_class: the class of records that a table is of, where a rule is given.
            as_of: the moment of the prediction; needed where a field is a time, and instants after it have not happened.
            where: a rule that rows must fulfil.
            related: records of other classes by their class, of which the rule asks.
            tz: the IANA name of the time zone in which days are counted.
            columns: published column names mapped to the names that the data has.

        Returns:
            The caller's kind of table (Polars for records), ordered by `id`, with `id`, `score` and `probability`. No row for nothing.

        Raises:
            InvalidInput: for a missing column, or one that is of another kind than where the score was made.
        """
        data, asked = held_records(data, Asked(record_class, as_of, tz, columns, where, related))
        rows = self._summed(self._read(data, asked, has_id=True))
        sums = possible(self.start, (each.bins for each in self.fields))
        found = looked_up(rows, "probability", sums, self.probability).select("id", "score", "probability")
        return as_given(found.sort("id"), data)

    def explain(
        self,
        row: Any,
        *,
        as_of: date | datetime | None = None,
        tz: str = "UTC",
        columns: Mapping[str, str] | None = None,
    ) -> Score:
        """Return the score of one record, mapping or table of one row, with what each field adds to it.

        A value that the score has learned nothing about adds 0, and says so in its note. Raises `InvalidInput` as `score` does, and
        for more than one row.

        >>> leads = [Lead(source="fair" if i % 2 else "web", category="converted" if i % 3 else "open") for i in range(200)]
        >>> from crmkit.rules import field
        >>> card = Scorecard.fit(leads, outcome=field("category") == "converted", fields=["source"])
        >>> found = card.explain(Lead(source="letter"))
        >>> found.score == found.start, found.contributions[0].note
        (True, 'nothing was learned about this value')
        """
        reading = self._read(one_row(row), Asked(None, as_of, tz, columns))
        found = reading.rows.collect("polars").to_native()
        if found.height != 1:
            raise InvalidInput(f"one row is explained at a time, and these are {found.height}; give one record or row")
        values = found.row(0, named=True)
        made = [_contribution(each, values[reading.columns[each.name]]) for each in self.fields]
        score = self.start + sum(each.points for each in made)
        return Score(score=score, probability=self.probability(score), start=self.start, contributions=by_size(made))

    def quality(
        self,
        data: Any,
        *,
        outcome: Outcome,
        record_class: type[Record] | None = None,
        as_of: date | datetime | None = None,
        groups: int = _GROUPS,
        ci: float = 0.95,
        where: Rule = EVERYTHING,
        related: Mapping[type[Record], Any] | None = None,
        tz: str = "UTC",
        columns: Mapping[str, str] | None = None,
    ) -> Quality:
        """Return how well the score tells, on data that it has not learned from.

        On the data that it did learn from it looks better than it is. `groups` is into how many parts of equally many rows scores
        are cut at most, and `ci` the confidence of the intervals; the other arguments are those of `fit`.

        Raises:
            InvalidInput: for a missing column, one of another kind, or an outcome that is neither true nor false.
        """
        data, asked = held_records(data, Asked(record_class, as_of, tz, columns, where, related))
        reading = self._read(data, asked, outcome=outcome)
        _, _, left_out = outcomes(reading.rows)
        found = histogram(self._summed(reading))
        return make_quality(found, left_out, groups=groups, ci=ci, probability=self.probability)

    def drift(
        self,
        data: Any,
        *,
        record_class: type[Record] | None = None,
        as_of: date | datetime | None = None,
        where: Rule = EVERYTHING,
        related: Mapping[type[Record], Any] | None = None,
        tz: str = "UTC",
        columns: Mapping[str, str] | None = None,
    ) -> Drift:
        """Return how far those in the data have moved from those that the score learned from, by field and by score.

        An index below 0.1 is "stable", below 0.25 "shifted", and from there on "changed"; then the score should be fitted again. In
        few rows chance alone moves it by about (bins - 1) / rows. Arguments and errors are those of `score`.
        """
        data, asked = held_records(data, Asked(record_class, as_of, tz, columns, where, related))
        reading = self._read(data, asked)
        cuts = [part[-1][0] for part in parts(self.histogram, _GROUPS)][:-1]
        places = {reading.columns[each.name]: _place(reading.columns[each.name], each) for each in self.fields}
        rows = self._summed(reading).with_columns(**places, score=cut("score", cuts))
        sizes = {"score": len(cuts) + 1} | {
            column: len(each.bins) + 1 for column, each in zip(places, self.fields, strict=True)
        }
        found = tally(rows, sizes)
        expected = [sum(each[1] for each in part) for part in parts(self.histogram, _GROUPS)]
        shifts = []
        for column, each in zip(places, self.fields, strict=True):
            learned, actual = [part.n for part in each.bins], found[column]
            shifts.append(make_shift(each.name, [*learned, self.n - sum(learned)], actual, unseen=actual[-1]))
        return Drift(n=sum(found["score"]), score=make_shift(None, expected, found["score"]), fields=tuple(shifts))

    def to_polars(self) -> pl.DataFrame:
        """Return the score as a Polars frame: one row a value, with its rows, its evidence and its points."""
        types = {"field": pl.String, "label": pl.String, "n": pl.Int64, "hits": pl.Int64, "evidence": pl.Float64}
        types |= {"points": pl.Int64, "weight": pl.Float64, "information": pl.Float64}
        rows = [
            (
                each.name,
                part.label,
                part.n,
                part.hits,
                evidence(part, self.hits, self.n - self.hits, self.smoothing),
                part.points,
                each.weight,
                each.information,
            )
            for each in self.fields
            for part in each.bins
        ]
        return pl.DataFrame(rows, schema=types, orient="row")

    def to_json(self) -> str:
        """Return the score as JSON text, from which `from_json` makes it again."""
        return to_text(self)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Return the score that `to_json` made this text of; raise `InvalidInput` for any other."""
        return from_text(cls, text)

    def _read(self, data: Any, asked: Asked, *, outcome: Outcome | None = None, has_id: bool = False) -> Reading:
        kinds = {each.name: each.kind for each in self.fields}
        return read(data, list(kinds), asked, outcome=outcome, kinds=kinds, has_id=has_id)

    def _summed(self, reading: Reading) -> nw.LazyFrame[Any]:
        """The rows with their score."""
        total = nw.lit(self.start)
        for each in self.fields:
            points = [part.points for part in each.bins]
            if any(points):
                total = total + mapped(reading.columns[each.name], each.bins, each.kind, points, 0)
        return reading.rows.with_columns(score=total.cast(nw.Int64))


def _falling(names: Collection[str], kinds: Mapping[str, Kind]) -> set[str]:
    for name in names:
        if kinds.get(name) != "number":
            numbers = [each for each, kind in kinds.items() if kind == "number"]
            raise InvalidInput(f"monotone= names {name!r}, which is no field of numbers; {choices(name, numbers)}")
    return set(names)


def _warnings(fields: Sequence[FieldScore], n: int, rarer: int) -> list[str]:
    found = [
        f"{each.name!r} tells the outcome almost perfectly by itself (AUC {each.auc:.3f}); was it known before?"
        for each in fields
        if each.auc >= _TOO_GOOD
    ]
    for each in fields:
        rare = 1 - sum(part.n for part in each.bins) / n
        if rare > _MOST_RARE:
            found.append(
                f"{each.name!r} says nothing about {rare:.0%} of the rows, whose texts are rare; give numbers as numbers"
            )
    if rarer < _PER_FIELD * len(fields):
        found.append(
            f"only {rarer} rows have the rarer outcome, for {len(fields)} fields; below {_PER_FIELD} a field a score learns by heart"
        )
    return found


def _contribution(each: FieldScore, value: float | str | None) -> Contribution:
    at = place(each.bins, each.kind, value)
    if at is not None:
        return Contribution(name=each.name, label=each.bins[at].label, points=each.bins[at].points)
    label = MISSING if value is None else value if isinstance(value, str) else f"{value:g}"
    return Contribution(name=each.name, label=label, points=0, note="nothing was learned about this value")


def _place(column: str, each: FieldScore) -> nw.Expr:
    """The number of the bin that a column lies in, and the next number where it lies in none."""
    return mapped(column, each.bins, each.kind, list(range(len(each.bins))), len(each.bins))
