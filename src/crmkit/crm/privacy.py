"""What is known about a person, given out and erased: `crmkit.io.privacy` over what is stored, by the clock of a CRM."""

from typing import TYPE_CHECKING, cast

from crmkit.io import privacy
from crmkit.io.stores import Store
from crmkit.io.stores.port import Erasing

if TYPE_CHECKING:
    from collections.abc import Iterable

    from crmkit.crm.facade import CRM
    from crmkit.io.privacy import Erasure, PersonExport, Retained, Retention
    from crmkit.model import ContactPoint, Record


class Privacy:
    """What `CRM` does for the persons whom it knows."""

    store: Store

    def export_person(self, customer_id: str) -> "PersonExport":
        """Return everything that is known about a person; see `crmkit.io.privacy.export_person`.

        >>> crm = CRM.open("memory://")
        >>> _ = crm.customers.add(Customer(id="ann", kind="person", name="Ann"))
        >>> crm.export_person("ann").to_dict()["records"]["Customer"][0]["record"]["name"]
        'Ann'
        """
        return privacy.export_person(self.store, customer_id)

    def erase_person(self, customer_id: str, *, preview: bool = True) -> "Erasure":
        """Say what erasing a person takes out or, with `preview=False`, take it out, now and by who acts.

        See `crmkit.io.privacy.erase_person`.

        >>> crm = CRM.open("memory://")
        >>> _ = crm.customers.add(Customer(id="ann", kind="person", name="Ann"))
        >>> crm.erase_person("ann").counts
        {'Customer': {'name': 1}}
        >>> _ = crm.erase_person("ann", preview=False)
        >>> crm.customers.get("ann").name
        '[erased]'
        """
        crm = cast("CRM", self)
        if preview:
            return privacy.erase_person(self.store, customer_id, at=crm.now())
        with crm.transaction():
            by, at = crm.acting()
            erased = privacy.erase_person(self.store, customer_id, at=at, by=by, preview=False)
        _overwrite(self.store)
        return erased

    def apply_retention(self, rules: "Iterable[Retention]", *, preview: bool = True) -> "tuple[Retained, ...]":
        """Say what rules of retention take out today or, with `preview=False`, take it out, by who acts.

        See `crmkit.io.privacy.apply_retention`.

        >>> from crmkit.io.privacy import Retention
        >>> crm = CRM.open("memory://")
        >>> crm.apply_retention([Retention(records=Interaction, days=730, since="at")])[0].records
        0
        """
        crm = cast("CRM", self)
        if preview:
            return privacy.apply_retention(self.store, rules, as_of=crm.now())
        with crm.transaction():
            by, at = crm.acting()
            done = privacy.apply_retention(self.store, rules, as_of=at, by=by, preview=False)
        _overwrite(self.store)
        return done

    def is_suppressed(self, who: "ContactPoint | Record") -> bool:
        """Return whether somebody was erased and must not come back; see `crmkit.io.privacy.is_suppressed`."""
        return privacy.is_suppressed(self.store, who)


def _overwrite(store: Store) -> None:
    """Inside the unit of work around nothing can be written over, so it is done behind it."""
    if isinstance(store, Erasing):
        store.overwrite_erased()
