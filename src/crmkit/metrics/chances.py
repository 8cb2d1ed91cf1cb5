"""How likely open deals are to be won, by what became of the deals before them."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from math import fsum, sqrt
from typing import Any, ClassVar

import attrs

from crmkit.errors import InvalidInput
from crmkit.frames.table import MONEY_UNITS
from crmkit.frames.tally import Key, Sums, Tally
from crmkit.metrics.snapshots import HISTORY
from crmkit.stats.histogram import Histogram
from crmkit.stats.intervals import Interval, quantile_of_normal
from crmkit.stats.survival import Curve, Lifetimes

ENOUGH = 20
"""How many deals it takes until their share is believed without regard to others."""

NOTHING_CLOSED = "no deal was closed that the chances could be learned from"

LEARNED = ("stage_history", "competing_risks", "competing_risks_by_stage")
"""The methods of a forecast that learn how likely deals are to be won."""

TIMED = ("competing_risks", "competing_risks_by_stage")
"""Those that know how long it takes."""


def check_transitions(method: str, transitions: Any) -> None:
    """Raise `InvalidInput` for a method that needs transitions and is given none, or reads none and is given some."""
    is_read = method != "competing_risks"
    if is_read != (transitions is not None):
        asked = "needs transitions=; give the ledger" if is_read else "reads no transitions=; leave them out"
        raise InvalidInput(f"method={method!r} {asked}")


@attrs.frozen
class Chance:
    """How likely a deal is to be won, and the variance of that estimate, which comes from `n` deals."""

    share: float
    variance: float
    n: int


@attrs.frozen
class Histories:
    """How long it took, from each stage, to win or lose deals; the stage None stands for deals whatever their stage."""

    of_stages: Mapping[str | None, Lifetimes]
    _found: dict[tuple[str | None, int, int | None], Chance] = attrs.field(
        factory=dict, init=False, eq=False, repr=False
    )

    @property
    def tell(self) -> bool:
        """Whether any deal was closed, without which nothing is known."""
        return self._all.lives.n_ended > 0

    @property
    def last(self) -> int | None:
        """The longest time for which a deal has been seen."""
        return self._all.lives.last

    def chance(self, stage: str | None, age: int, days: int | None) -> Chance:
        """Return how likely a deal of some age at a stage is to be won within some days, in the end for None, if they `tell`.

        With fewer than `ENOUGH` deals that had been at the stage, it is drawn to the chance of all.
        """
        asked = stage, age, days
        if asked not in self._found:
            general, special = (
                self._all.chance(age, days),
                self._stages[stage].chance(age, days) if stage in self._stages else None,
            )
            assert general is not None
            self._found[asked] = general if special is None else _between(general, special)
        return self._found[asked]

    @cached_property
    def _all(self) -> "_History":
        return _History(sum(self.of_stages.values(), start=Lifetimes({})))

    @cached_property
    def _stages(self) -> Mapping[str | None, "_History"]:
        return {stage: _History(lives) for stage, lives in self.of_stages.items()}


@attrs.frozen
class Given:
    """Chances that people give to stages, which need no histories."""

    shares: Mapping[str | None, float]
    tell: ClassVar[bool] = True

    def chance(self, stage: str | None, age: int, days: int | None) -> Chance:  # noqa: ARG002 - as `Histories`
        """Return how likely a deal at a stage is said to be won."""
        return Chance(self.shares[stage], 0.0, 0)


def _between(general: Chance, special: Chance) -> Chance:
    """The special chance, as far as there are enough behind it, and the general one for the rest."""
    weight = min(1.0, special.n / ENOUGH)
    share = weight * special.share + (1 - weight) * general.share
    return Chance(share, weight**2 * special.variance + (1 - weight) ** 2 * general.variance, special.n)


@attrs.frozen
class _History:
    """Lifetimes and what they say about the chance to be won."""

    lives: Lifetimes

    @cached_property
    def _curve(self) -> Curve:
        return self.lives.curve()

    @cached_property
    def _oldest(self) -> int:
        """The last age that `ENOUGH` got beyond; -1, before the beginning, where as many have not been seen."""
        reached = self.lives.reached_by(ENOUGH)
        return -1 if reached is None else reached - 1

    def chance(self, age: int, days: int | None) -> Chance | None:
        return self._in_the_end() if days is None else self._within(days, age)

    def _in_the_end(self) -> Chance | None:
        won, n = self.lives.ended.get("won", Histogram({})).n, self.lives.n_ended
        return Chance(won / n, won * (n - won) / n**3, n) if n else None

    def _within(self, days: int, age: int) -> Chance | None:
        """(F(age + days) - F(age)) / S(age) by Aalen and Johansen, no further than anybody has been seen.

        A deal older than all but few counts with the last age that `ENOUGH` got beyond.
        """
        if self.lives.last is None:
            return None
        known = min(age, self._oldest)
        until = min(known + days, self.lives.last)
        share, variance = (f("won", until, known) for f in (self._curve.incidence, self._curve.incidence_variance))
        return None if share is None or variance is None else Chance(share, variance, self.lives.n)


def histories(found: Tally) -> Mapping[int, Histories]:
    """Return the answers to `ask_histories` by the day of the moment, those of all groups together."""
    causes: dict[int, dict[str | None, dict[str, Histogram]]] = {}
    for (*_, day, stage), counts in found.items():
        for outcome, buckets in counts.items():
            of_stage = causes.setdefault(day, {}).setdefault(stage, {})
            lengths = Histogram({length: sums.n for length, sums in buckets.items()})
            word = outcome.removeprefix(HISTORY)
            of_stage[word] = of_stage.get(word, Histogram({})) + lengths
    return {
        day: Histories(
            {
                stage: Lifetimes(
                    {cause: parts[cause] for cause in ("won", "lost") if cause in parts}, parts.get("open", _NONE)
                )
                for stage, parts in of_stages.items()
            }
        )
        for day, of_stages in causes.items()
    }


_NONE = Histogram({})


def regrouped(found: Tally) -> Tally:
    """Return the answers to `ask_deals` with the day, the stage, the age and the currency as the bucket."""
    result: dict[Key, dict[str, dict[Any, Sums]]] = {}
    for (*key, day, stage, age), counts in found.items():
        for outcome, buckets in counts.items():
            into = result.setdefault(tuple(key), {}).setdefault(outcome, {})
            into.update({(day, stage, age, currency): sums for currency, sums in buckets.items()})
    return result


def by_currency(deals: Mapping[Any, Sums]) -> Mapping[Any, Sums]:
    """Return the sums of regrouped answers by currency."""
    found: dict[Any, Sums] = {}
    for (*_, currency), sums in deals.items():
        found[currency] = found.get(currency, Sums()) + sums
    return found


@attrs.frozen
class Expected:
    """What some deals are expected to bring: a sum of amounts of which each comes or does not.

    The deviation has two parts. Deals are won independently of each other (Poisson-binomial), and the chances are estimates, whose
    errors are taken to go the same way, because deals share them.
    """

    n: int
    wins: float
    value: float
    sd: float
    unweighted: float

    def interval(self, confidence: float) -> Interval:
        """Return the interval by the normal approximation, within nothing and everything."""
        reach = quantile_of_normal(confidence) * self.sd
        return max(0.0, self.value - reach), min(self.unweighted, self.value + reach)


def expected(deals: Sequence[tuple[Sums, Chance]]) -> Expected:
    """Return what deals with these chances are expected to bring."""
    mean = fsum(sums.total * chance.share for sums, chance in deals)
    independent = fsum(sums.squares * chance.share * (1 - chance.share) for sums, chance in deals)
    shared = fsum(sums.total * sqrt(chance.variance) for sums, chance in deals)
    return Expected(
        n=sum(sums.n for sums, _ in deals),
        wins=fsum(sums.n * chance.share for sums, chance in deals),
        value=mean / MONEY_UNITS,
        sd=sqrt(max(0.0, independent) + shared**2) / MONEY_UNITS,
        unweighted=sum(sums.total for sums, _ in deals) / MONEY_UNITS,
    )
