"""Lifetime value: who will come back, how often, and what they will be worth.

`purchase_summary` makes one row a customer of their orders. `BgNbd`, `MbgNbd` and `ParetoNbd` are fitted to it and say who is
still a customer and how often each will buy; `GammaGamma` says what a purchase of each is worth; `predict` and `lifetime_value`
put that beside each customer, and `calibration` says whether to believe it. `ShiftedBetaGeometric` and `BetaDiscreteWeibull` do the same for contracts, from who renewed.

A model is a frozen value of its parameters, so it can be written down by hand as well as fitted. Times are in whatever unit the
summary has, weeks unless said otherwise. The models need the extra `lifetime`; they are loaded when they are first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from crmkit.errors import MissingExtra

if TYPE_CHECKING:
    from crmkit.segmentation.lifetime.beta_geometric import BgNbd, MbgNbd
    from crmkit.segmentation.lifetime.contracts import BetaDiscreteWeibull, ShiftedBetaGeometric, survivors_summary
    from crmkit.segmentation.lifetime.gamma_gamma import GammaGamma
    from crmkit.segmentation.lifetime.holdout import Calibration, calibration
    from crmkit.segmentation.lifetime.pareto import ParetoNbd
    from crmkit.segmentation.lifetime.purchases import purchase_summary
    from crmkit.segmentation.lifetime.value import Independence, independence, lifetime_value, predict

__all__ = [
    "BetaDiscreteWeibull",
    "BgNbd",
    "Calibration",
    "GammaGamma",
    "Independence",
    "MbgNbd",
    "ParetoNbd",
    "ShiftedBetaGeometric",
    "calibration",
    "independence",
    "lifetime_value",
    "predict",
    "purchase_summary",
    "survivors_summary",
]

_MODULES = {
    "BetaDiscreteWeibull": "contracts",
    "BgNbd": "beta_geometric",
    "Calibration": "holdout",
    "GammaGamma": "gamma_gamma",
    "Independence": "value",
    "MbgNbd": "beta_geometric",
    "ParetoNbd": "pareto",
    "ShiftedBetaGeometric": "contracts",
    "calibration": "holdout",
    "independence": "value",
    "lifetime_value": "value",
    "predict": "value",
    "purchase_summary": "purchases",
    "survivors_summary": "contracts",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(
            f"module 'crmkit.segmentation.lifetime' has no attribute {name!r}; it has {', '.join(__all__)}"
        )
    try:
        return getattr(import_module(f"crmkit.segmentation.lifetime.{_MODULES[name]}"), name)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] not in {"numpy", "scipy"}:
            raise
        raise MissingExtra(f"lifetime.{name} needs SciPy: pip install 'crmkit[lifetime]'") from error


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
