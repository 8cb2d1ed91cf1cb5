"""crmkit: customers, interactions, pipelines and tickets as values, and every CRM KPI as a pure function.

Names are loaded when they are first used, so importing crmkit loads no dataframe library.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from crmkit import metrics, model, segmentation
    from crmkit.crm import CRM

__version__ = "0.1.0"
__all__ = ["CRM", "metrics", "model", "segmentation"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'crmkit' has no attribute {name!r}; it has {', '.join(__all__)}")
    found = getattr(import_module("crmkit.crm"), name) if name == "CRM" else import_module(f"crmkit.{name}")
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
