"""The groups: from numbers about everybody to decisions about somebody.

`lifetime` says who will come back, how often, and what they will be worth. It is loaded when it is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from crmkit.segmentation import lifetime

__all__ = ["lifetime"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'crmkit.segmentation' has no attribute {name!r}; it has {', '.join(__all__)}")
    return import_module(f"crmkit.segmentation.{name}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
