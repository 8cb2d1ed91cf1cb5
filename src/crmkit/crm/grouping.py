"""The groups of a CRM: the functions of `crmkit.segmentation` with its tables, its clock and its zone."""

from collections.abc import Callable
from functools import partial
from inspect import signature
from typing import TYPE_CHECKING, Any

from crmkit import segmentation
from crmkit.errors import choices
from crmkit.rules import Rule

if TYPE_CHECKING:
    from crmkit.crm.facade import CRM


class Segmentation:
    """The functions of `crmkit.segmentation` with the tables of a CRM, its clock as `as_of` and its zone as `tz`.

    A table is read where a function has an argument of its name that the caller leaves out, so `crm.segmentation.at_risk()` looks
    at all that the CRM knows.

    >>> crm = CRM.open("memory://")
    >>> crm.segmentation.rfm().height
    0
    """

    def __init__(self, crm: "CRM") -> None:
        """Read from the store of a CRM."""
        self._crm = crm

    def __getattr__(self, name: str) -> Callable[..., Any]:
        """Return the function of this name; raise `AttributeError`, which lists them, for another."""
        known = dir(self)
        if name not in known:
            raise AttributeError(f"there is no function {name!r}; {choices(name, known)}")
        return partial(self._asked, getattr(segmentation, name))

    def __dir__(self) -> list[str]:
        """List the functions that look at one moment."""
        functions = (getattr(segmentation, name) for name in segmentation.__all__)
        return [each.__name__ for each in functions if callable(each) and "as_of" in _arguments(each)]

    def _asked(self, function: Callable[..., Any], *given: Any, **options: Any) -> Any:
        arguments = _arguments(function)
        left = [name for name in arguments[len(given) :] if name not in options]
        tables = {name: getattr(self._crm, name) for name in left if name in _TABLES}
        usual = {"as_of": self._crm.now(), "tz": self._crm.tz}
        options = {**{name: value for name, value in usual.items() if name in left}, **tables, **options}
        return function(*given, **options | self._segmented(arguments[0], options))

    def _segmented(self, table: str, options: dict[str, Any]) -> dict[str, Any]:
        """The rule about the first table, with the segments that it names."""
        where = options.get("where")
        if not isinstance(where, Rule) or table not in _TABLES:
            return {}
        return {"where": self._crm.segments.within(where, getattr(self._crm, table).cls)}


_TABLES = frozenset(
    {
        "customers",
        "interactions",
        "orders",
        "payments",
        "products",
        "subscriptions",
        "survey_responses",
        "tickets",
        "transitions",
        "usages",
    }
)


def _arguments(function: Callable[..., Any]) -> list[str]:
    return list(signature(function).parameters)
