"""The score that people write: points for what is true of a record, each with the reason for which it is given."""

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from typing import Any, Self

import attrs
import narwhals as nw

from crmkit.errors import InvalidInput, choices
from crmkit.model.records import Record
from crmkit.model.shape import FrozenDict
from crmkit.rules import EVERYTHING, Rule
from crmkit.segmentation.given import as_given, check_whole
from crmkit.segmentation.scoring.bins import outcomes
from crmkit.segmentation.scoring.evidence import histogram
from crmkit.segmentation.scoring.explained import Contribution, Score, by_size
from crmkit.segmentation.scoring.quality import Quality, make_quality
from crmkit.segmentation.scoring.reading import Asked, Outcome, held_records, one_row, read
from crmkit.segmentation.scoring.saved import from_text, to_text

_GROUPS = 10


@attrs.frozen
class Points:
    """Points, which may be negative, for every record for which a rule holds.

    `name` is the reason that people read. Points of one `group` may have a limit together.

    Raises `InvalidInput` for points that are not whole, a name that is blank, or what is no rule.
    """

    rule: Rule
    points: int
    name: str
    group: str | None = None

    def __attrs_post_init__(self) -> None:
        """Check what is given."""
        if not isinstance(self.name, str) or not self.name.strip():
            raise InvalidInput("points have no name; give the reason in words, such as name='came to a fair'")
        if not isinstance(self.rule, Rule):
            raise InvalidInput(
                f"{self.name}: {type(self.rule).__name__} is no rule; give one such as field('source') == 'fair'"
            )
        check_whole(self.points, f"{self.name}: points", None)


def _points(points: Iterable[Points]) -> tuple[Points, ...]:
    if not isinstance(points, Iterable):
        raise InvalidInput(f"{type(points).__name__} is no list of points; give [Points(rule, points, name), ...]")
    return tuple(points)


def _limits(limits: Mapping[str, int]) -> Mapping[str, int]:
    return FrozenDict(limits)


@attrs.frozen
class PointScorecard:
    """A score that people write: the sum of the points whose rules hold, from `start` on.

    A frozen value. `limits` has the most that the points of a group may add up to. What counts for a time only is said by the rule,
    such as `field("interactions").any(channel="visit", within=last_days(30))`; its points go when that time is over.

    Raises `InvalidInput` for two points of one name, or for a limit below 0 or of a group that there is not.

    >>> from crmkit.rules import field
    >>> card = PointScorecard([
    ...     Points(field("source") == "fair", 10, "came to a fair"),
    ...     Points(field("job_title").contains("director"), 15, "decides"),
    ...     Points(field("job_title").is_empty(), -5, "nobody knows who it is"),
    ... ])
    >>> card.score([Lead(id="ann", source="fair"), Lead(id="bob", job_title="director")]).rows()
    [('ann', 5), ('bob', 15)]
    """

    points: tuple[Points, ...] = attrs.field(converter=_points)
    limits: Mapping[str, int] = attrs.field(factory=dict, converter=_limits)
    start: int = 0

    def __attrs_post_init__(self) -> None:
        """Check that the points, their names and the limits fit each other."""
        strange = next((each for each in self.points if not isinstance(each, Points)), None)
        if strange is not None:
            raise InvalidInput(f"{type(strange).__name__} stands among the points; give Points(rule, points, name)")
        names = [each.name for each in self.points]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise InvalidInput(f"two points are called {twice!r}; give each a name of its own")
        groups = {each.group for each in self.points if each.group is not None}
        for group, limit in self.limits.items():
            if group not in groups:
                raise InvalidInput(f"limits= names a group {group!r}; {choices(str(group), sorted(groups))}")
            check_whole(limit, f"the limit of {group!r}", 0)
        check_whole(self.start, "start", None)

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
        """Return the score of each row.

        Args:
            data: records, or a Polars, pandas, Arrow, DuckDB, Ibis or PySpark table with `id` and the columns that the rules name.
            record_class: the class of records that a table is of; records say it themselves, where there are some.
            as_of: the moment at which rules are asked; needed where one has relative time. Related records that happened after it do
                not count.
            where: a rule that rows must fulfil.
            related: records or tables of other classes by their class, such as `{Interaction: interactions}`, of which rules ask.
            tz: the IANA name of the time zone in which days are counted.
            columns: published column names mapped to the names that the data has.

        Returns:
            The caller's kind of table (Polars for records), ordered by `id`, with `id` and `score`. No row for nothing.

        Raises:
            InvalidInput: for a missing column, or a rule that does not fit the class, with every reason.
        """
        data, asked = held_records(data, Asked(record_class, as_of, tz, columns, where, related))
        return as_given(self._scored(data, asked).select("id", "score").sort("id"), data)

    def explain(
        self,
        row: Any,
        *,
        record_class: type[Record] | None = None,
        as_of: date | datetime | None = None,
        related: Mapping[type[Record], Any] | None = None,
        tz: str = "UTC",
        columns: Mapping[str, str] | None = None,
    ) -> Score:
        """Return the score of one record or row with the points that it has, and what limits take away.

        Raises `InvalidInput` as `score` does, and for more than one row.

        >>> from crmkit.rules import field
        >>> web = [Points(field(name).is_empty(), 20, f"no {name}", "gaps") for name in ("source", "job_title")]
        >>> found = PointScorecard(web, {"gaps": 30}).explain(Lead())
        >>> found.score, [(each.name, each.points) for each in found.contributions]
        (30, [('no source', 20), ('no job_title', 20), ('limit of gaps', -10)])
        """
        data, asked = held_records(one_row(row), Asked(record_class, as_of, tz, columns, EVERYTHING, related))
        found = self._scored(data, asked).collect("polars").to_native()
        if found.height != 1:
            raise InvalidInput(f"one row is explained at a time, and these are {found.height}; give one record or row")
        held = found.row(0, named=True)
        made = [
            Contribution(name=each.name, label=str(each.rule), points=each.points)
            for column, each in self._marks().items()
            if held[column]
        ]
        return Score(score=held["score"], start=self.start, contributions=by_size([*made, *self._over_limits(held)]))

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
        """Return how well the score tells who will come from who will not.

        `outcome` is a column of True and False (or 1 and 0), a rule, or the ids of those it came true for; the data must be as it was
        known before. `groups` is into how many parts of equally many rows scores are cut at most, and `ci` the confidence of the
        intervals; the other arguments are those of `score`. Points say no probability, so `expected` is None.

        Raises:
            InvalidInput: for a missing column, or an outcome that is neither true nor false.
        """
        data, asked = held_records(data, Asked(record_class, as_of, tz, columns, where, related))
        rows = self._scored(data, asked, outcome)
        _, _, left_out = outcomes(rows)
        return make_quality(histogram(rows), left_out, groups=groups, ci=ci, probability=None)

    def to_json(self) -> str:
        """Return the score as JSON text, from which `from_json` makes it again.

        >>> from crmkit.rules import field
        >>> card = PointScorecard([Points(field("source") == "fair", 10, "came to a fair")])
        >>> PointScorecard.from_json(card.to_json()) == card
        True
        """
        return to_text(self)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Return the score that `to_json` made this text of; raise `InvalidInput`, which names the place, for any other."""
        return from_text(cls, text)

    def _marks(self) -> dict[str, Points]:
        """The points by the columns that say where their rules hold."""
        return {f"points_{at}": each for at, each in enumerate(self.points)}

    def _scored(self, data: Any, asked: Asked, outcome: Outcome | None = None) -> nw.LazyFrame[Any]:
        """The rows with their score, and with 1 or 0 for each of the points."""
        marks = {column: each.rule for column, each in self._marks().items()}
        rows = read(data, (), asked, outcome=outcome, marks=marks, has_id=True).rows
        total = nw.lit(self.start)
        for group, sum_ in self._sums().items():
            limit = self.limits.get(group) if group is not None else None
            total = total + (sum_ if limit is None else nw.when(sum_ > limit).then(nw.lit(limit)).otherwise(sum_))
        return rows.with_columns(score=total.cast(nw.Int64))

    def _sums(self) -> dict[str | None, nw.Expr]:
        """The points of each group together, and under None those of no group."""
        found: dict[str | None, nw.Expr] = {}
        for column, each in self._marks().items():
            found[each.group] = found.get(each.group, nw.lit(0)) + nw.col(column) * each.points
        return found

    def _over_limits(self, held: Mapping[str, Any]) -> list[Contribution]:
        """What limits take away from the points of their groups."""
        found = []
        for group, limit in self.limits.items():
            total = sum(each.points for column, each in self._marks().items() if held[column] and each.group == group)
            if total > limit:
                label = f"{group} counts for at most {limit}"
                found.append(Contribution(name=f"limit of {group}", label=label, points=limit - total))
        return found
