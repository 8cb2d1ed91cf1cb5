"""Customers under contract, who can only leave at a renewal: the shifted beta-geometric and the beta discrete Weibull model.

The first is the second with a shape of 1: the chance to leave at a renewal is each customer's own and stays as it is.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, Self

import attrs
import numpy as np
import polars as pl
from scipy.special import betaln

from crmkit.errors import InvalidInput
from crmkit.segmentation.given import check_whole
from crmkit.segmentation.lifetime.models.numerics import Likelihood, digamma_rising, fitted, positive
from crmkit.segmentation.lifetime.models.summaries import Numbers, Observed, check, compressed, length
from crmkit.segmentation.lifetime.purchases import days

_NEGLIGIBLE = 1e-16
_LONGEST = 1_000_000
_ENDLESS = 100.0
"""The logarithm of a time that nobody will see, beyond which a power would overflow."""


def survivors_summary(survivors: Sequence[int]) -> pl.DataFrame:
    """Return the table that the models are fitted to, of how many customers were there at first and after each renewal.

    Raises `InvalidInput` unless these are at least two whole numbers from 0 that never grow.

    >>> survivors_summary([1000, 869, 743]).rows()
    [(0, True, 131), (1, True, 126), (2, False, 743)]
    """
    left = [before - after for before, after in pairwise(survivors)]
    if not left or not all(isinstance(each, int) for each in survivors) or min(*left, *survivors) < 0:
        raise InvalidInput(
            "survivors must be at least two whole numbers from 0 that never grow, such as [1000, 869, 743]"
        )
    rows = [(renewals, True, n) for renewals, n in enumerate(left)] + [(len(left), False, survivors[-1])]
    return pl.DataFrame(rows, schema=["renewals", "ended", "customers"], orient="row")


@attrs.frozen(kw_only=True)
class ShiftedBetaGeometric:
    """The shifted beta-geometric model of contracts.

    At each renewal customers leave with a probability of their own: beta with `alpha` and `beta`. Those who are likely to leave do so
    early, so the retention of a cohort rises though nobody changes; a constant churn rate values those who stay too low.

    What a fit says is as for `BgNbd`.

    Source: Fader and Hardie (2007), How to project customer retention; (2010), Customer-base valuation in a contractual setting.

    >>> model = ShiftedBetaGeometric.fit(survivors_summary([1000, 869, 743, 653, 593, 551, 517, 491]))
    >>> round(model.alpha, 3), round(model.beta, 3), round(model.survival(12), 3)
    (0.668, 3.806, 0.378)
    """

    alpha: float = attrs.field(validator=positive)
    beta: float = attrs.field(validator=positive)
    log_likelihood: float | None = None
    standard_errors: Mapping[str, float] | None = None
    customers: int | None = None
    warnings: tuple[str, ...] = ()

    @classmethod
    def fit(cls, contracts: Any, *, columns: Mapping[str, str] | None = None) -> Self:
        """Return the model of greatest likelihood for contracts.

        Args:
            contracts: a Polars, pandas, Arrow or DuckDB table with `renewals`, how often a contract was renewed, and `ended`, whether
                it was not renewed again (who may still do so has not ended); it reads `customers`, how many a row stands for.
                `survivors_summary` makes one of counts, and `columns={"renewals": "renewal_count"}` reads subscriptions.
            columns: these names mapped to the names that the table has.

        Raises:
            InvalidInput: for a missing column, an empty number, or contracts of which none ended.
        """
        observed = _contracts(contracts, columns)
        return cls(**fitted(_likelihood(observed, shape=1), _start(observed), observed.customers))

    def survival(self, renewals: int) -> float:
        """Return the share of customers still there after so many renewals."""
        return _survival((self.alpha, self.beta, 1), check_whole(renewals, "renewals", 0))

    def retention(self, renewal: int) -> float:
        """Return the share of those still there before a renewal, 1 being the first, who renew."""
        return _retention((self.alpha, self.beta, 1), check_whole(renewal, "renewal"))

    def expected_lifetime(self, *, discount: float, horizon: int | None = None, unit: str = "year") -> float:
        """Return for how many periods a new customer is expected to pay, those to come discounted; times a price it is a value.

        Arguments and errors are as for `expected_residual_lifetime`. The first period is paid at once.
        """
        return _lifetime((self.alpha, self.beta, 1), discount, horizon, unit)

    def expected_residual_lifetime(
        self, renewals: int, *, discount: float, horizon: int | None = None, unit: str = "year"
    ) -> float:
        """Return for how many more periods a customer is expected to pay who has renewed so often and is about to be asked again.

        Args:
            renewals: how often the customer renewed; 0 in the first period.
            discount: the rate by which money is worth less a year later, such as 0.1. The next renewal is not discounted.
            horizon: the number of renewals to look ahead; None for all there will be.
            unit: how long a period of the contract is: "day", "week", "month", "quarter" or "year".

        Raises:
            InvalidInput: for a discount below 0, or one so small that without a horizon the sum has no end.
        """
        return _residual((self.alpha, self.beta, 1), check_whole(renewals, "renewals", 0), discount, horizon, unit)


@attrs.frozen(kw_only=True)
class BetaDiscreteWeibull:
    """The beta discrete Weibull model of contracts.

    As `ShiftedBetaGeometric`, but the chance of each customer to leave changes with the renewals: it grows where `shape` is above
    1, and falls below. `shape` 1 is that model.

    Source: Fader, Hardie, Liu, Davin and Steenburgh (2018), "How to project customer retention" revisited.

    >>> model = BetaDiscreteWeibull.fit(survivors_summary([1000, 869, 743, 653, 593, 551, 517, 491]))
    >>> round(model.alpha, 3), round(model.beta, 3), round(model.shape, 3)
    (0.214, 1.427, 1.724)
    """

    alpha: float = attrs.field(validator=positive)
    beta: float = attrs.field(validator=positive)
    shape: float = attrs.field(validator=positive)
    log_likelihood: float | None = None
    standard_errors: Mapping[str, float] | None = None
    customers: int | None = None
    warnings: tuple[str, ...] = ()

    @classmethod
    def fit(cls, contracts: Any, *, columns: Mapping[str, str] | None = None) -> Self:
        """Return the model of greatest likelihood for contracts; see `ShiftedBetaGeometric.fit`."""
        observed = _contracts(contracts, columns)
        return cls(**fitted(_likelihood(observed), _start(observed) | {"shape": 1}, observed.customers))

    def survival(self, renewals: int) -> float:
        """Return the share of customers still there after so many renewals."""
        return _survival((self.alpha, self.beta, self.shape), check_whole(renewals, "renewals", 0))

    def retention(self, renewal: int) -> float:
        """Return the share of those still there before a renewal, 1 being the first, who renew."""
        return _retention((self.alpha, self.beta, self.shape), check_whole(renewal, "renewal"))

    def expected_lifetime(self, *, discount: float, horizon: int | None = None, unit: str = "year") -> float:
        """Return for how many periods a new customer is expected to pay; see `ShiftedBetaGeometric.expected_lifetime`."""
        return _lifetime((self.alpha, self.beta, self.shape), discount, horizon, unit)

    def expected_residual_lifetime(
        self, renewals: int, *, discount: float, horizon: int | None = None, unit: str = "year"
    ) -> float:
        """Return for how many more periods a customer is expected to pay; see `ShiftedBetaGeometric.expected_residual_lifetime`."""
        return _residual(
            (self.alpha, self.beta, self.shape), check_whole(renewals, "renewals", 0), discount, horizon, unit
        )


def _contracts(contracts: Any, columns: Mapping[str, str] | None) -> Observed:
    observed = compressed(contracts, ("renewals", "ended"), columns, count="customers")
    renewals, ended = observed["renewals"], observed["ended"]
    check(observed, (renewals < 0) | (renewals != np.floor(renewals)), "'renewals' is no whole number from 0")
    check(observed, (ended != 0) & (ended != 1), "'ended' is neither true nor false")
    check(observed, observed.customers < 0, "'customers' is below 0")
    if not (observed.customers * ended).sum():
        raise InvalidInput("no contract has ended, so nothing can be learned about when customers leave")
    return observed


def _start(observed: Observed) -> dict[str, float]:
    """Where the search begins: as many leave at a renewal as left on average."""
    stayed = float((observed.customers * observed["renewals"]).sum())
    return {"alpha": 1, "beta": max(stayed, 1) / float((observed.customers * observed["ended"]).sum())}


def _likelihood(observed: Observed, shape: float | None = None) -> Likelihood:
    """Who is still there has survived the renewals; who has left survived them, but not the next one."""
    renewals, ended, n = observed["renewals"], observed["ended"], observed.customers

    def likelihood(parameters: Numbers) -> tuple[float, Numbers]:
        curve = (*parameters, shape) if shape is not None else tuple(parameters)
        before, by_before = _log_survival(curve, renewals)
        after, by_after = _log_survival(curve, renewals + 1)
        left = np.maximum(-np.expm1(after - before), _NEGLIGIBLE)
        height = before + np.where(ended, np.log(left), 0)
        odds = np.where(ended, 1 / left - 1, 0)
        gradient = [(n * (one - odds * (other - one))).sum() for one, other in zip(by_before, by_after, strict=True)]
        return float((n * height).sum()), np.array(gradient[: parameters.size])

    return likelihood


def _log_survival(curve: tuple[float, ...], renewals: Numbers) -> tuple[Numbers, tuple[Numbers, ...]]:
    """The logarithm of the share still there after some renewals, and its gradient."""
    alpha, beta, shape = curve
    log_renewals = np.log(np.maximum(renewals, 1))
    times = np.where(renewals > 0, np.exp(np.minimum(shape * log_renewals, _ENDLESS)), 0)
    value = betaln(alpha, beta + times) - betaln(alpha, beta)
    by_alpha = -digamma_rising(alpha + beta, times)
    by_beta = digamma_rising(beta, times) + by_alpha
    by_times = by_beta - digamma_rising(beta, alpha)
    by_shape = by_times * times * log_renewals
    return value, (by_alpha, by_beta, by_shape)


def _survival(curve: tuple[float, ...], renewals: int) -> float:
    return float(np.exp(_log_survival(curve, np.array(float(renewals)))[0]))


def _retention(curve: tuple[float, ...], renewal: int) -> float:
    return _survival(curve, renewal) / _survival(curve, renewal - 1)


def _lifetime(curve: tuple[float, ...], discount: float, horizon: int | None, unit: str) -> float:
    return 1 + _residual(curve, 0, discount, horizon, unit) / _growth(discount, unit)


def _residual(curve: tuple[float, ...], renewals: int, discount: float, horizon: int | None, unit: str) -> float:
    growth = _growth(discount, unit)
    ahead = _until_negligible(growth) if horizon is None else check_whole(horizon, "horizon", 0)
    times = np.arange(ahead, dtype=np.float64)
    now, then = (_log_survival(curve, each)[0] for each in (np.array(float(renewals)), renewals + 1 + times))
    return float(np.exp(then - now - times * np.log(growth)).sum())


def _growth(discount: float, unit: str) -> float:
    """What one unit of money grows to in a period."""
    years = days(unit, "unit") / days("year", "unit")
    growth: float = (1 + length(discount, "discount")) ** years
    return growth


def _until_negligible(growth: float) -> int:
    """How many periods it takes until a discounted one is worth nothing."""
    ahead = -np.log(_NEGLIGIBLE) / np.log(growth) if growth > 1 else np.inf
    if ahead > _LONGEST:
        raise InvalidInput("the discount is so small that the sum has no end; give a horizon as well")
    return int(ahead) + 1
