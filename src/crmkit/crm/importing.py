"""Bringing files into a CRM: a plan first, then the plan carried out."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from crmkit.io.folder import Progress
from crmkit.io.importing import Applied, ImportPlan, plan_import
from crmkit.io.mapping.files import FolderMapping

if TYPE_CHECKING:
    from crmkit.crm.facade import CRM


class Imports:
    r"""Imports into a CRM, done by who acts, and true when the files were exported.

    >>> import tempfile, pathlib
    >>> from crmkit.io.mapping import folder_mapping
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "people.csv"
    >>> _ = path.write_text("no,name\n1,Ann\n")
    >>> mapping = folder_mapping(source="till", files=[{"path": "people.csv", "record": "Customer", "key": "no",
    ...     "fields": {"kind": {"value": "person"}, "name": "name"}}])
    >>> crm = CRM.open("memory://")
    >>> with crm.imports.plan(path, mapping=mapping) as plan:
    ...     print(plan)
    ...     print(crm.imports.apply(plan))
    Customer: 1 create
    1 created, 0 updated, 0 unchanged
    >>> print(crm.imports.plan(path, mapping=mapping))
    Customer: 1 skip
    """

    def __init__(self, crm: "CRM") -> None:
        """Import into the store of a CRM."""
        self._crm = crm

    def plan(
        self,
        path: Path | str,
        *,
        mapping: FolderMapping | Path | str | None = None,
        overwrite: bool = False,
        warn_duplicates: bool = False,
        progress: Progress | None = None,
        **stated: Any,
    ) -> ImportPlan:
        """Find out what importing a file or a folder would do; see `crmkit.io.importing.plan_import`.

        Words of a mapping that a file needs may be `stated`, as `currency="PLN"`. Files whose mapping does not say when they were
        exported are true now.
        """
        _, at = self._crm.acting()
        return plan_import(
            self._crm.store,
            path,
            mapping=mapping,
            at=at,
            overwrite=overwrite,
            warn_duplicates=warn_duplicates,
            progress=progress,
            **stated,
        )

    def apply(
        self,
        plan: ImportPlan,
        *,
        partial: bool = False,
        rejects: Path | str | None = None,
        progress: Progress | None = None,
    ) -> Applied:
        """Carry a plan out in one unit of work; see `ImportPlan.apply`. Inside a `transaction` it joins that."""
        by, _ = self._crm.acting()
        return plan.apply(
            self._crm.store, partial=partial, rejects=rejects, by=by, recorded_at=self._crm.now(), progress=progress
        )
