"""The numerical part that all models share: the top of a likelihood, and its curvature there."""

from collections.abc import Callable, Mapping
from typing import Any

import attrs
import numpy as np
from scipy.optimize import minimize
from scipy.special import digamma, gammaln

from crmkit.errors import InvalidInput
from crmkit.segmentation.lifetime.models.summaries import Numbers

Likelihood = Callable[[Numbers], tuple[float, Numbers]]
"""Positive parameters to the logarithm of their likelihood and its gradient."""

_FARTHEST = 12.0
"""How far, as a logarithm, a parameter may go from where the search begins; beyond that it has run away."""

_AWAY = (0.0, -1.5, 1.5)
_NEAR, _POLISHED = 1e-6, 1e-9
_STEP = 1e-4


@attrs.frozen(eq=False)
class _Summit:
    place: Numbers
    height: float
    errors: Numbers | None


def fitted(likelihood: Likelihood, start: Mapping[str, float], customers: Numbers) -> dict[str, Any]:
    """Return the parameters of greatest likelihood, by name, with `log_likelihood`, `standard_errors`, `customers` and `warnings`.

    The search is over logarithms, so parameters stay positive; a few steps of Newton make the last digits right. It begins
    elsewhere where it found no summit. Standard errors come from the curvature at the summit, on the scale of the parameters
    themselves; where the likelihood has none, because a parameter runs away, there are no errors and a warning instead.
    """
    scale = float(customers.sum())
    begin = np.log(np.array(list(start.values()), dtype=np.float64))
    lowest, highest = begin - _FARTHEST, begin + _FARTHEST

    def downwards(place: Numbers) -> tuple[float, Numbers]:
        inside = np.clip(place, lowest, highest)
        height, gradient = likelihood(np.exp(inside))
        return -height / scale, np.where(inside == place, -gradient * np.exp(inside) / scale, 0)

    best: _Summit | None = None
    for away in _AWAY:
        found = _climb(downwards, begin + away * np.resize([1.0, -1.0], begin.size), scale)
        if best is None or found.height > best.height:
            best = found
        if best.errors is not None:
            break
    assert best is not None
    parameters = np.exp(np.clip(best.place, lowest, highest))
    errors = None if best.errors is None else dict(zip(start, (parameters * best.errors).tolist(), strict=True))
    return {
        **dict(zip(start, parameters.tolist(), strict=True)),
        "log_likelihood": best.height,
        "standard_errors": errors,
        "customers": int(scale),
        "warnings": () if errors else (_runaway(list(start), best.place - begin),),
    }


def log_rising(base: Any, n: Any) -> Any:
    """Return the logarithm of the rising factorial base (base + 1) ... (base + n - 1), for any n from 0."""
    return gammaln(base + n) - gammaln(base)


def digamma_rising(base: Any, n: Any) -> Any:
    """Return the derivative of `log_rising` by its base."""
    return digamma(base + n) - digamma(base)


def positive(instance: Any, attribute: Any, value: Any) -> None:
    """Validate a parameter: a finite number above 0."""
    if not isinstance(value, int | float) or not 0 < value < np.inf:
        raise InvalidInput(f"{type(instance).__name__}: {attribute.name}={value!r} is no number above 0")


def _climb(downwards: Likelihood, start: Numbers, scale: float) -> _Summit:
    place, errors = minimize(downwards, start, jac=True, method="BFGS", options={"gtol": _NEAR}).x, None
    for _ in range(5):
        curvature = _curvature(downwards, place)
        if not _is_positive_definite(curvature):
            return _Summit(place, -downwards(place)[0] * scale, None)
        step = np.linalg.solve(curvature, downwards(place)[1])
        errors = np.sqrt(np.diag(np.linalg.inv(curvature)) / scale)
        if np.abs(step).max() > 1 or errors.max() > _FARTHEST:
            return _Summit(place, -downwards(place)[0] * scale, None)
        place = place - step
        if np.abs(step).max() < _POLISHED:
            break
    return _Summit(place, -downwards(place)[0] * scale, errors)


def _curvature(downwards: Likelihood, place: Numbers) -> Numbers:
    """The matrix of second derivatives, from the gradient on both sides."""
    steps = _STEP * np.eye(place.size)
    rows = [(downwards(place + step)[1] - downwards(place - step)[1]) / (2 * _STEP) for step in steps]
    return (np.array(rows) + np.array(rows).T) / 2


def _is_positive_definite(matrix: Numbers) -> bool:
    return bool(np.isfinite(matrix).all() and np.linalg.eigvalsh(matrix).min() > 1e-10 * np.abs(matrix).max())


def _runaway(names: list[str], away: Numbers) -> str:
    farthest = int(np.abs(away).argmax())
    goes = "grows" if away[farthest] > 0 else "falls"
    return (
        f"the likelihood has no summit: it rises as {names[farthest]} {goes}; "
        "take the parameters for what they predict, not for what they say"
    )
