"""Lifetime value: who will come back, how often, and what they will be worth.

`purchase_summary` makes one row a customer of their orders. `BgNbd`, `MbgNbd` and `ParetoNbd` are fitted to it and say who is
still a customer and how often each will buy; `GammaGamma` says what a purchase of each is worth; `predict` and `lifetime_value`
put that beside each customer, and `calibration` says whether to believe it. `ShiftedBetaGeometric` and `BetaDiscreteWeibull` do the
same for contracts, from who renewed.

A model is a frozen value of its parameters, so it can be written down by hand as well as fitted. Times are in whatever unit the
summary has, weeks unless said otherwise. The models need the extra `lifetime`; they are loaded when they are first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from crmkit.segmentation.lifetime.models.beta_geometric import BgNbd, MbgNbd
    from crmkit.segmentation.lifetime.models.contracts import (
        BetaDiscreteWeibull,
        ShiftedBetaGeometric,
        survivors_summary,
    )
    from crmkit.segmentation.lifetime.models.gamma_gamma import GammaGamma
    from crmkit.segmentation.lifetime.models.holdout import Calibration, calibration
    from crmkit.segmentation.lifetime.models.pareto import ParetoNbd
    from crmkit.segmentation.lifetime.models.value import Independence, independence, lifetime_value, predict
    from crmkit.segmentation.lifetime.purchases import purchase_summary

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
    "BetaDiscreteWeibull": "models.contracts",
    "BgNbd": "models.beta_geometric",
    "Calibration": "models.holdout",
    "GammaGamma": "models.gamma_gamma",
    "Independence": "models.value",
    "MbgNbd": "models.beta_geometric",
    "ParetoNbd": "models.pareto",
    "ShiftedBetaGeometric": "models.contracts",
    "calibration": "models.holdout",
    "independence": "models.value",
    "lifetime_value": "models.value",
    "predict": "models.value",
    "purchase_summary": "purchases",
    "survivors_summary": "models.contracts",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(
            f"module 'crmkit.segmentation.lifetime' has no attribute {name!r}; it has {', '.join(__all__)}"
        )
    return getattr(import_module(f"crmkit.segmentation.lifetime.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
