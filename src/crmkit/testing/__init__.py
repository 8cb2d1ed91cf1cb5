"""What authors of stores and verticals test with.

`StoreContract` needs no other package; `StoreMachine` and `strategies` need the extra `testing`.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from crmkit.testing.store_contract import StoreContract
    from crmkit.testing.store_machine import StoreMachine

__all__ = ["StoreContract", "StoreMachine"]

_MODULES = {"StoreContract": "store_contract", "StoreMachine": "store_machine"}


def __getattr__(name: str) -> Any:
    """Load what is asked for, so that nobody needs the extra who does not use it."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}; it has {', '.join(__all__)}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    """List what is there to load."""
    return [*globals(), *__all__]
