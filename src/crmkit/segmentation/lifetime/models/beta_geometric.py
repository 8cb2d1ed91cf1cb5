"""Customers who buy at random and may leave after any purchase: BG/NBD, and MBG/NBD where they may leave after the first as well.

Both are one model but for one occasion. `first` is 0 or 1: how often a customer could have left by the first purchase; and
`k` is how often by the last one.
"""

from collections.abc import Mapping
from typing import Any, Self

import attrs
import numpy as np
from scipy.special import betainc, betaln, expit, gammaln, xlog1py, xlogy

from crmkit.segmentation.given import check_whole
from crmkit.segmentation.lifetime.models.numerics import Likelihood, digamma_rising, fitted, log_rising, positive
from crmkit.segmentation.lifetime.models.summaries import (
    Numbers,
    Observed,
    history,
    length,
    observed_purchases,
    plain,
)

_POINTS, _WEIGHTS = np.polynomial.legendre.leggauss(160)
_POINTS, _WEIGHTS = (_POINTS + 1) / 2, _WEIGHTS / 2
_NEGLIGIBLE = 37.0
"""What is e to this power smaller is lost in the last digit."""

_AT_ONCE = 1 << 13


@attrs.frozen(kw_only=True)
class BgNbd:
    """The beta-geometric model of repeat buying, BG/NBD.

    While customers stay they buy at random, each at a rate of their own: gamma with shape `r` and rate `alpha`. After each
    purchase but the first they leave for good with a probability of their own: beta with `a` and `b`. So who never came back is
    taken to be still there, and of two who were last seen on one day the one who used to buy more often is the less alive.

    `alpha` is in the unit of time of the summary. `log_likelihood`, `standard_errors` (of the parameters themselves, not of their
    logarithms) and `customers` say what a fit rests on; a model written by hand has none of them. `warnings` says where the
    likelihood has no summit.

    Source: Fader, Hardie and Lee (2005), "Counting your customers" the easy way.

    >>> published = BgNbd(r=0.243, alpha=4.414, a=0.793, b=2.426)
    >>> round(published.expected_purchases(frequency=2, recency=30.43, age=38.86, periods=39), 3)
    1.226
    """

    r: float = attrs.field(validator=positive)
    alpha: float = attrs.field(validator=positive)
    a: float = attrs.field(validator=positive)
    b: float = attrs.field(validator=positive)
    log_likelihood: float | None = None
    standard_errors: Mapping[str, float] | None = None
    customers: int | None = None
    warnings: tuple[str, ...] = ()

    @classmethod
    def fit(cls, summary: Any, *, columns: Mapping[str, str] | None = None) -> Self:
        """Return the model of greatest likelihood for a summary of customers.

        Args:
            summary: a Polars, pandas, Arrow or DuckDB table with `frequency`, `recency` and `age`, as `purchase_summary` returns.
            columns: these names mapped to the names that the table has.

        Raises:
            InvalidInput: for a missing column, an empty number, a `recency` beyond the `age`, or a summary in which nobody came back.

        >>> import polars as pl
        >>> seen = {"frequency": [0, 0, 1, 3], "recency": [0.0, 0.0, 5.0, 30.0], "age": [39.0, 20.0, 38.0, 31.0]}
        >>> BgNbd.fit(pl.DataFrame(seen)).customers
        4
        """
        return cls(**_fit(summary, columns, first=0))

    def probability_alive(self, frequency: Any, recency: Any, age: Any) -> Any:
        """Return the probability that a customer with this history has not left: a number, or an array for arrays.

        It is 1 for customers who never came back, whom this model cannot take for lost. Raises `InvalidInput` for a history that
        contradicts itself.
        """
        return plain(_alive(self, history(frequency, recency, age), first=0))

    def expected_purchases(self, frequency: Any, recency: Any, age: Any, *, periods: float) -> Any:
        """Return how many purchases to expect of a customer with this history in the next `periods` units of time.

        A number, or an array for arrays. Raises `InvalidInput` for a history that contradicts itself or periods below 0.
        """
        return plain(_ahead(self, history(frequency, recency, age), length(periods, "periods"), first=0))

    def expected_purchases_of_new(self, periods: float) -> float:
        """Return how many purchases to expect of somebody in so many units of time after the first purchase."""
        return float(self.expected_purchases(0, 0, 0, periods=periods))

    def probability_of_purchases(self, n: int, *, periods: float) -> float:
        """Return the probability of exactly `n` purchases in so many units of time after the first purchase."""
        return _probability(self, check_whole(n, "n", 0), length(periods, "periods"), first=0)


@attrs.frozen(kw_only=True)
class MbgNbd:
    """The modified beta-geometric model of repeat buying, MBG/NBD: customers may leave after the first purchase as well.

    So who never came back may be lost, which `BgNbd` rules out. The parameters and what a fit says are as there.

    Source: Batislam, Denizel and Filiztekin (2007), Empirical validation and comparison of models for customer base analysis.

    >>> model = MbgNbd(r=0.525, alpha=6.183, a=0.891, b=1.614)
    >>> round(model.probability_alive(frequency=0, recency=0, age=38.86), 3)
    0.39
    """

    r: float = attrs.field(validator=positive)
    alpha: float = attrs.field(validator=positive)
    a: float = attrs.field(validator=positive)
    b: float = attrs.field(validator=positive)
    log_likelihood: float | None = None
    standard_errors: Mapping[str, float] | None = None
    customers: int | None = None
    warnings: tuple[str, ...] = ()

    @classmethod
    def fit(cls, summary: Any, *, columns: Mapping[str, str] | None = None) -> Self:
        """Return the model of greatest likelihood for a summary of customers; see `BgNbd.fit`."""
        return cls(**_fit(summary, columns, first=1))

    def probability_alive(self, frequency: Any, recency: Any, age: Any) -> Any:
        """Return the probability that a customer with this history has not left; see `BgNbd.probability_alive`."""
        return plain(_alive(self, history(frequency, recency, age), first=1))

    def expected_purchases(self, frequency: Any, recency: Any, age: Any, *, periods: float) -> Any:
        """Return how many purchases to expect in the next `periods` units of time; see `BgNbd.expected_purchases`."""
        return plain(_ahead(self, history(frequency, recency, age), length(periods, "periods"), first=1))

    def expected_purchases_of_new(self, periods: float) -> float:
        """Return how many purchases to expect of somebody in so many units of time after the first purchase."""
        return float(self.expected_purchases(0, 0, 0, periods=periods))

    def probability_of_purchases(self, n: int, *, periods: float) -> float:
        """Return the probability of exactly `n` purchases in so many units of time after the first purchase."""
        return _probability(self, check_whole(n, "n", 0), length(periods, "periods"), first=1)


def _fit(summary: Any, columns: Mapping[str, str] | None, first: int) -> dict[str, Any]:
    observed, rate = observed_purchases(summary, columns)
    return fitted(_likelihood(observed, first), {"r": 1, "alpha": 1 / rate, "a": 1, "b": 2}, observed.customers)


def _likelihood(observed: Observed, first: int) -> Likelihood:
    """The likelihood of what was observed; what depends on the frequency alone is computed once for each."""
    x, place = np.unique(observed["frequency"], return_inverse=True)
    n = np.bincount(place, weights=observed.customers)
    k = x + first
    each, total = observed.customers, observed.customers.sum()
    frequency, recency, age = observed["frequency"], observed["recency"], observed["age"]

    def likelihood(parameters: Numbers) -> tuple[float, Numbers]:
        r, alpha, a, b = parameters
        log_age, log_recency = np.log(alpha + age), np.log(alpha + recency)
        log_odds = _log_odds(a, b, k)[place] + (r + frequency) * (log_age - log_recency)
        left = each * expit(log_odds)
        stayed = each - left
        height = (
            n * (log_rising(r, x) + log_rising(b, k) - log_rising(a + b, k)),
            each * (np.logaddexp(0, log_odds) - (r + frequency) * log_age + r * np.log(alpha)),
        )
        left_of_x = np.bincount(place, weights=left)
        rate = (r + frequency) * (stayed / (alpha + age) + left / (alpha + recency))
        gradient = (
            (n * digamma_rising(r, x)).sum() - (stayed * log_age + left * log_recency).sum() + total * np.log(alpha),
            total * r / alpha - rate.sum(),
            left_of_x.sum() / a - (n * digamma_rising(a + b, k)).sum(),
            (n * (digamma_rising(b, k) - digamma_rising(a + b, k)) - left_of_x / np.where(k > 0, b + k - 1, 1)).sum(),
        )
        return float(sum(part.sum() for part in height)), np.array(gradient)

    return likelihood


def _log_odds(a: float, b: float, k: Numbers) -> Numbers:
    """The logarithm of the odds of having left, at the moment of the last purchase; nobody leaves without an occasion."""
    return np.where(k > 0, np.log(a) - np.log(np.where(k > 0, b + k - 1, 1)), -np.inf)


def _alive(model: BgNbd | MbgNbd, observed: Observed, first: int) -> Numbers:
    frequency, recency, age = observed["frequency"], observed["recency"], observed["age"]
    waited = np.log((model.alpha + age) / (model.alpha + recency))
    log_odds = _log_odds(model.a, model.b, frequency + first) + (model.r + frequency) * waited
    alive: Numbers = expit(-log_odds)
    return alive


def _ahead(model: BgNbd | MbgNbd, observed: Observed, periods: float, first: int) -> Numbers:
    frequency, age = observed["frequency"], observed["age"]
    # Many customers share a frequency and an age, and the formula is slow; complex numbers are the pairs that sort fast.
    pairs, place = np.unique(frequency + 1j * age, return_inverse=True)
    while_alive = _while_alive(model, pairs.real, pairs.imag, periods, first)
    return _alive(model, observed, first) * while_alive[place.reshape(frequency.shape)]


def _while_alive(model: BgNbd | MbgNbd, frequency: Numbers, age: Numbers, periods: float, first: int) -> Numbers:
    """The purchases to expect of customers who have not left, integrated over their chance to leave after a purchase.

    The published formula with a hypergeometric function has no value where `a` is 1, and no digits for short horizons and frequent
    buyers; what is integrated is between 0 and what would be bought if nobody left, whatever the parameters.
    """
    found = np.empty(frequency.shape)
    for begin in range(0, frequency.size, _AT_ONCE):
        part = slice(begin, begin + _AT_ONCE)
        reach = periods / (model.alpha + age[part])
        found[part] = _mean_over_leaving(model.a, model.b + frequency[part] + first, model.r + frequency[part], reach)
    return found


def _mean_over_leaving(a: float, b: Numbers, shape: Numbers, reach: Numbers) -> Numbers:
    """The mean of `bought` where the chance to leave is beta with `a` and `b`; over its log odds, which spread evenly.

    Beyond the ends either nobody is left to count, or what is bought changes no more.
    """
    peak = np.log(a / b)
    least = np.maximum(peak - _width(b, a), -_NEGLIGIBLE - np.log(np.maximum(shape * reach, 1)))
    most = np.maximum(np.minimum(peak + _width(a, b), _NEGLIGIBLE), least)
    odds = least[:, None] + (most - least)[:, None] * _POINTS
    log_leaving = -np.logaddexp(0, -odds)
    density = np.exp((a + b)[:, None] * log_leaving - b[:, None] * odds - betaln(a, b)[:, None])
    bought = _bought(np.exp(log_leaving), shape[:, None], reach[:, None])
    inside = (density * bought * _WEIGHTS).sum(axis=1) * (most - least)
    below = betainc(a, b, expit(least)) * shape * reach
    above = betainc(b, a, expit(-most)) * -np.expm1(-shape * np.log1p(reach))
    found: Numbers = below + inside + above
    return found


def _width(a: Any, b: Any) -> Any:
    """How far above its peak the density of the log odds of a beta has vanished; a wide bound, made narrower a few times."""
    width = _NEGLIGIBLE * (1 / a + 1 / b)
    width += np.sqrt(2 * width)
    for _ in range(3):
        width = np.log1p(np.expm1(np.minimum((_NEGLIGIBLE + a * width) / (a + b), 500)) * (a + b) / a)
    return width


def _bought(leaving: Numbers, shape: Numbers, reach: Numbers) -> Numbers:
    """The purchases to expect in a time of those who leave after each with some chance."""
    return -np.expm1(-shape * np.log1p(leaving * reach)) / leaving


def _probability(model: BgNbd | MbgNbd, n: int, periods: float, first: int) -> float:
    """Bought n times and still there, or left at the n-th while the buying would have gone on."""
    r, alpha, a, b, k = model.r, model.alpha, model.a, model.b, n + first
    share = periods / (alpha + periods)
    log_count = log_rising(r, n) - gammaln(n + 1) + xlog1py(r, -share) + xlogy(n, share)
    stayed = np.exp(betaln(a, b + k) - betaln(a, b) + log_count)
    reached = betainc(n, r, share) if n else 1.0
    left = np.exp(betaln(a + 1, b + k - 1) - betaln(a, b)) * reached if k else 0.0
    return float(stayed + left)
