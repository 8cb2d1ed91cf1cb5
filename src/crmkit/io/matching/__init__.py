"""Who is there twice, and who is calling.

`find_duplicates` compares the records of a file with each other, `find_matches` one customer with others or with a store, and
`find_by_phone` says who is calling. They need the extra `matching`, and are loaded when they are first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from crmkit.errors import MissingExtra

if TYPE_CHECKING:
    from crmkit.io.matching.calling import find_by_phone
    from crmkit.io.matching.duplicates import find_duplicates
    from crmkit.io.matching.results import Cluster, Duplicates, FieldWeights, Model, Pair, Reason
    from crmkit.io.matching.similar import Match, find_matches, index_for_matching

__all__ = [
    "Cluster",
    "Duplicates",
    "FieldWeights",
    "Match",
    "Model",
    "Pair",
    "Reason",
    "find_by_phone",
    "find_duplicates",
    "find_matches",
    "index_for_matching",
]

_MODULES = {
    "Match": "similar",
    "find_by_phone": "calling",
    "find_duplicates": "duplicates",
    "find_matches": "similar",
    "index_for_matching": "similar",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'crmkit.io.matching' has no attribute {name!r}; it has {', '.join(__all__)}")
    try:
        module = import_module(f"crmkit.io.matching.{_MODULES.get(name, 'results')}")
    except ModuleNotFoundError as error:
        if error.name not in ("numpy", "rapidfuzz"):
            raise
        raise MissingExtra(f"{name} needs {error.name}; install it with: pip install 'crmkit[matching]'") from None
    return getattr(module, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
