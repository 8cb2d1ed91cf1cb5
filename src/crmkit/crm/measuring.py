"""The KPIs of a CRM: the functions of `crmkit.metrics` with its tables, its clock and its zone."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from crmkit import metrics
from crmkit.errors import choices
from crmkit.frames import schema
from crmkit.rules import Rule, related_classes

if TYPE_CHECKING:
    from crmkit.crm.collection import Collection
    from crmkit.crm.facade import CRM


class Metrics:
    """The functions of `crmkit.metrics` with the tables of a CRM, its clock as `as_of` and its zone as `tz`.

    >>> crm = CRM.open("memory://")
    >>> crm.metrics.win_rate().only.reason
    'no deal was closed'
    """

    def __init__(self, crm: "CRM") -> None:
        """Read from the store of a CRM."""
        self._crm = crm

    def __getattr__(self, name: str) -> Callable[..., metrics.MetricResult]:
        """Return the KPI of this name; raise `AttributeError`, which lists them, for another."""
        known = metrics.registered()
        if name not in known:
            raise AttributeError(f"there is no KPI {name!r}; {choices(name, known)}")
        return partial(self._measured, known[name])

    def __dir__(self) -> list[str]:
        """List the KPIs."""
        return list(metrics.registered())

    def _measured(self, function: Any, **options: Any) -> metrics.MetricResult:
        definition: metrics.Definition = function.definition
        measure: Callable[..., metrics.MetricResult] = function
        inputs = definition.tables(options.get("method"))
        # A table that a CRM does not keep, such as pairs of duplicates, is the caller's to give.
        tables = {
            name: self._table(name, options) for name in inputs if name not in options and hasattr(self._crm, name)
        }
        options = options | self._segmented(inputs[0], options)
        options = {"as_of": self._crm.now(), "tz": self._crm.tz, **self._related(inputs[0], options), **options}
        if len(inputs) == 1:
            return measure(*tables.values(), **options)
        return measure(**tables, **options)

    def _segmented(self, name: str, options: Mapping[str, Any]) -> dict[str, Any]:
        """The rule about a table, with the segments that it names."""
        where = options.get("where")
        if not isinstance(where, Rule) or not hasattr(self._crm, name):
            return {}
        return {"where": self._crm.segments.within(where, getattr(self._crm, name).cls)}

    def _related(self, name: str, options: Mapping[str, Any]) -> dict[str, Any]:
        """The records that the rule asks about, beside those of a table."""
        where = options.get("where")
        if not isinstance(where, Rule) or not hasattr(self._crm, name):
            return {}
        asked = related_classes(where, getattr(self._crm, name).cls, self._crm.store.classes)
        return {"related": {cls: self._crm[cls] for cls in asked}} if asked else {}

    def _table(self, name: str, options: Mapping[str, Any]) -> Any:
        """The columns of a table, which a store reads faster than records; records where a vertical's column is asked for."""
        collection: Collection[Any] = getattr(self._crm, name)
        store = self._crm.store
        if "frames" in store.capabilities and _asked(options) <= schema(collection.cls).keys():
            return store.frame(collection.cls)
        return collection


def _asked(options: Mapping[str, Any]) -> set[str]:
    """The columns that the caller names."""
    by, columns = options.get("by") or (), options.get("columns")
    grouped = [by] if isinstance(by, str) else by if isinstance(by, Sequence) else []
    return {*map(str, grouped), *map(str, columns.values() if isinstance(columns, Mapping) else [])}
