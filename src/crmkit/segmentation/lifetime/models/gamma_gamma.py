"""What a purchase is worth to come: the gamma-gamma model of spending."""

from collections.abc import Mapping
from typing import Any, Self

import attrs
import narwhals as nw
import numpy as np
from scipy.special import digamma, gammaln

from crmkit.errors import InvalidInput
from crmkit.segmentation.lifetime.models.numerics import Likelihood, fitted, positive
from crmkit.segmentation.lifetime.models.summaries import Numbers, compressed, plain


@attrs.frozen(kw_only=True)
class GammaGamma:
    """The gamma-gamma model of spending.

    What a purchase of a customer is worth varies as gamma with shape `p`, around a mean of the customer's own; the rates vary
    between customers as gamma with shape `q` and rate `v`, which is in the unit of money of the summary. So the mean of few
    purchases is drawn towards that of everybody. It takes for granted that who buys often does not spend more or less by that;
    `independence` says whether that is so.

    What a fit says is as for `BgNbd`; `customers` are those who came back.

    Source: Fader and Hardie (2013), The gamma-gamma model of monetary value.

    >>> published = GammaGamma(p=6.25, q=3.74, v=15.44)
    >>> round(published.expected_value(frequency=2, value=22.35), 2), round(published.mean_value, 2)
    (24.66, 35.22)
    """

    p: float = attrs.field(validator=positive)
    q: float = attrs.field(validator=positive)
    v: float = attrs.field(validator=positive)
    log_likelihood: float | None = None
    standard_errors: Mapping[str, float] | None = None
    customers: int | None = None
    warnings: tuple[str, ...] = ()

    @classmethod
    def fit(cls, summary: Any, *, columns: Mapping[str, str] | None = None) -> Self:
        """Return the model of greatest likelihood for a summary of customers.

        Args:
            summary: a table with `frequency` and `value`, the mean worth of a customer's purchases after the first, as
                `purchase_summary` returns. Who never came back says nothing. Customers whose purchases were worth nothing, or less
                than was paid back, do not fit the model and are left out with a warning.
            columns: these names mapped to the names that the table has.

        Raises:
            InvalidInput: for a missing column, an empty number, or a summary in which nobody came back and spent.
        """
        observed = compressed(summary, ("frequency", "value"), columns, where=nw.col("frequency") > 0)
        spent = observed["value"] > 0
        left_out = int(observed.customers[~spent].sum())
        x, z, n = observed["frequency"][spent], observed["value"][spent], observed.customers[spent]
        if not n.size:
            raise InvalidInput("nobody in the summary came back and spent, so nothing can be learned about spending")
        found = fitted(_likelihood(x, z, n), {"p": 2, "q": 3, "v": float((n * z).sum() / n.sum())}, n)
        if left_out:
            found["warnings"] += (f"{left_out} customers were left out, whose purchases were not worth more than 0",)
        return cls(**found)

    @property
    def mean_value(self) -> float | None:
        """What a purchase of any customer is worth on average; None where the model has no mean, which is where `q` is at most 1."""
        return self.p * self.v / (self.q - 1) if self.q > 1 else None

    def expected_value(self, frequency: Any, value: Any) -> Any:
        """Return what a purchase of a customer is expected to be worth, from the mean worth of those so far.

        A number, or an array for arrays. Where `frequency` is 0 it is the `mean_value`, whatever the `value`; a value below 0, which
        refunds may leave, counts as 0. None, or NaN in an array, where the model has no mean. Raises `InvalidInput` for a frequency below 0,
        or no value where there is a frequency.
        """
        try:
            x, z = np.broadcast_arrays(np.asarray(frequency, np.float64), np.asarray(value, np.float64))
        except (TypeError, ValueError):
            raise InvalidInput("frequency and value must be numbers, or arrays of one length") from None
        if not (x >= 0).all():
            raise InvalidInput("'frequency' is below 0 or empty; give the number of purchases after the first")
        spent = np.where(x > 0, z, 0)
        if np.isnan(spent).any():
            raise InvalidInput("'value' is empty where 'frequency' is above 0; give the mean worth of the purchases")
        spent = np.maximum(spent, 0)
        weight = self.p * x + self.q - 1
        found = np.where(weight > 0, self.p * (self.v + x * spent) / np.where(weight > 0, weight, 1), np.nan)
        return None if found.ndim == 0 and np.isnan(found) else plain(found)


def _likelihood(x: Numbers, z: Numbers, n: Numbers) -> Likelihood:
    log_spent = np.log(x) + np.log(z)

    def likelihood(parameters: Numbers) -> tuple[float, Numbers]:
        p, q, v = parameters
        shape, total = p * x, v + x * z
        log_total = np.log(total)
        height = gammaln(shape + q) - gammaln(shape) - gammaln(q) + q * np.log(v) + shape * log_spent - np.log(z)
        height -= (shape + q) * log_total
        by_p = x * (digamma(shape + q) - digamma(shape) + log_spent - log_total)
        by_q = digamma(shape + q) - digamma(q) + np.log(v) - log_total
        by_v = q / v - (shape + q) / total
        return float((n * height).sum()), np.array([(n * each).sum() for each in (by_p, by_q, by_v)])

    return likelihood
