"""Customers who buy at random and leave at random, not only after a purchase: the Pareto/NBD model."""

from collections.abc import Iterator, Mapping
from typing import Any, Self

import attrs
import numpy as np
from scipy.special import expit, logsumexp

from crmkit.segmentation.lifetime.models.numerics import Likelihood, digamma_rising, fitted, log_rising, positive
from crmkit.segmentation.lifetime.models.summaries import Numbers, Observed, history, length, observed_purchases, plain

_POINTS, _WEIGHTS = np.polynomial.legendre.leggauss(40)
_POINTS, _LOG_WEIGHTS = (_POINTS + 1) / 2, np.log(_WEIGHTS / 2)
_NEGLIGIBLE = 36.0
"""What is e to this power smaller is lost in the last digit."""

_HUGE = 500.0
_AT_ONCE = 1 << 15


@attrs.frozen(kw_only=True)
class ParetoNbd:
    """The Pareto/NBD model of repeat buying.

    While customers stay they buy at random, each at a rate of their own: gamma with shape `r` and rate `alpha`. They leave for good
    at random, each at a rate of their own: gamma with shape `s` and rate `beta`. It says much the same as `BgNbd`, takes longer
    to fit, and knows that who never came back may be lost.

    `alpha` and `beta` are in the unit of time of the summary. What a fit says is as for `BgNbd`.

    Source: Schmittlein, Morrison and Colombo (1987), Counting your customers; Fader and Hardie (2005), A note on deriving the
    Pareto/NBD model.

    >>> published = ParetoNbd(r=0.5534, alpha=10.5802, s=0.6061, beta=11.6562)
    >>> round(published.expected_purchases(frequency=26, recency=30.86, age=31, periods=52), 2)
    25.45
    """

    r: float = attrs.field(validator=positive)
    alpha: float = attrs.field(validator=positive)
    s: float = attrs.field(validator=positive)
    beta: float = attrs.field(validator=positive)
    log_likelihood: float | None = None
    standard_errors: Mapping[str, float] | None = None
    customers: int | None = None
    warnings: tuple[str, ...] = ()

    @classmethod
    def fit(cls, summary: Any, *, columns: Mapping[str, str] | None = None) -> Self:
        """Return the model of greatest likelihood for a summary of customers; see `BgNbd.fit`."""
        observed, rate = observed_purchases(summary, columns)
        start = {"r": 1, "alpha": 1 / rate, "s": 1, "beta": 1 / rate}
        return cls(**fitted(_likelihood(observed), start, observed.customers))

    def probability_alive(self, frequency: Any, recency: Any, age: Any) -> Any:
        """Return the probability that a customer with this history has not left: a number, or an array for arrays.

        Raises `InvalidInput` for a history that contradicts itself.
        """
        return plain(_alive(self, history(frequency, recency, age)))

    def expected_purchases(self, frequency: Any, recency: Any, age: Any, *, periods: float) -> Any:
        """Return how many purchases to expect in the next `periods` units of time; see `BgNbd.expected_purchases`."""
        observed, ahead = history(frequency, recency, age), length(periods, "periods")
        age = observed["age"]
        rate = (self.r + observed["frequency"]) / (self.alpha + age)
        staying = (self.beta + age) * _mean_of_power(np.log1p(ahead / (self.beta + age)), self.s - 1)
        return plain(_alive(self, observed) * rate * staying)

    def expected_purchases_of_new(self, periods: float) -> float:
        """Return how many purchases to expect of somebody in so many units of time after the first purchase."""
        return float(self.expected_purchases(0, 0, 0, periods=periods))


def _mean_of_power(log: Numbers, power: float) -> Numbers:
    """(1 - e ^ -(power x log)) / power, which is the logarithm itself where the power is 0."""
    found: Numbers = -np.expm1(-power * log) / power if power else log
    return found


def _likelihood(observed: Observed) -> Likelihood:
    """The likelihood of what was observed, the moment at which a customer may have left integrated numerically.

    The published form with hypergeometric functions has no gradient in closed form; the integral has, under its sign.
    """
    x, place = np.unique(observed["frequency"], return_inverse=True)
    n = np.bincount(place, weights=observed.customers)
    parts = list(_parts(observed))

    def likelihood(parameters: Numbers) -> tuple[float, Numbers]:
        r, alpha, s, beta = parameters
        total = n.sum()
        height = (n * log_rising(r, x)).sum() + total * (r * np.log(alpha) + s * np.log(beta))
        gradient = np.array([(n * digamma_rising(r, x)).sum() + total * np.log(alpha), 0, total * np.log(beta), 0])
        gradient += total * np.array([0, r / alpha, 0, s / beta])
        for part in parts:
            stayed, left, by_left = _ways(parameters, part)
            age, each, buying = part["age"], part.customers, r + part["frequency"]
            height += (each * np.logaddexp(stayed, left)).sum()
            share = expit(left - stayed)
            by_stayed = (np.log(alpha + age), buying / (alpha + age), np.log(beta + age), s / (beta + age))
            gradient -= [
                (each * ((1 - share) * one + share * other)).sum()
                for one, other in zip(by_stayed, by_left, strict=True)
            ]
        return float(height), gradient

    return likelihood


def _alive(model: ParetoNbd, observed: Observed) -> Numbers:
    shape = observed["age"].shape
    flat = Observed({name: np.ravel(each) for name, each in observed.values.items()}, np.ravel(observed.customers))
    parameters = np.array([model.r, model.alpha, model.s, model.beta])
    ways = [_ways(parameters, part)[:2] for part in _parts(flat)]
    return np.concatenate([expit(stayed - left) for stayed, left in ways] or [np.empty(0)]).reshape(shape)


def _parts(observed: Observed) -> Iterator[Observed]:
    """What was observed in parts, so that the points of the integrals fit into memory."""
    for begin in range(0, observed.customers.size, _AT_ONCE):
        part = slice(begin, begin + _AT_ONCE)
        yield Observed({name: each[part] for name, each in observed.values.items()}, observed.customers[part])


def _ways(parameters: Numbers, observed: Observed) -> tuple[Numbers, Numbers, tuple[Numbers, ...]]:
    """The logarithms of how likely a history is of who has stayed and of who has left, and the latter's gradient, negative."""
    r, alpha, s, beta = parameters
    frequency, recency, age = (observed[name] for name in ("frequency", "recency", "age"))
    buying = r + frequency
    stayed = -buying * np.log(alpha + age) - s * np.log(beta + age)
    at, log_width = _moments(parameters, buying, recency, age)
    log_alpha, log_beta = np.log(alpha + at), np.log(beta + at)
    density = -buying[:, None] * log_alpha - (s + 1) * log_beta + log_width
    log_integral = logsumexp(density, axis=1)
    weight = np.exp(density - np.where(np.isfinite(log_integral), log_integral, 0)[:, None])
    means = (
        (weight * log_alpha).sum(axis=1),
        buying * (weight / (alpha + at)).sum(axis=1),
        (weight * log_beta).sum(axis=1) - 1 / s,
        (s + 1) * (weight / (beta + at)).sum(axis=1),
    )
    return stayed, np.log(s) + log_integral, means


def _moments(parameters: Numbers, buying: Numbers, recency: Numbers, age: Numbers) -> tuple[Numbers, Numbers]:
    """Moments between the last purchase and now, and the logarithm of the time that each stands for.

    They are spread evenly over the logarithm of the time, where what is integrated is smoothest, up to where it has vanished.
    """
    _, alpha, s, beta = parameters
    least = min(alpha, beta)
    vanished = np.minimum(
        (alpha + recency) * np.exp(np.minimum(_NEGLIGIBLE / buying, _HUGE)) - alpha,
        (beta + recency) * np.exp(min(_NEGLIGIBLE / s, _HUGE)) - beta,
    )
    width = np.log1p((np.minimum(age, vanished) - recency) / (least + recency))[:, None]
    since = np.exp(width * _POINTS) * (least + recency)[:, None]
    with np.errstate(divide="ignore"):
        return since - least, np.log(since) + np.log(width) + _LOG_WEIGHTS
