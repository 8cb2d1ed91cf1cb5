"""Published exports come in whole, once, and the same as when they are read for a report."""

from pathlib import Path

import pytest

from crmkit.crm import CRM
from crmkit.io.folder import read_folder
from crmkit.io.importing import plan_import
from crmkit.io.presets import mapping_for
from crmkit.io.stores import MemoryStore

MAVEN = Path(__file__).parents[1] / "maven" / "crmkit.toml"


def test_a_year_of_deals_is_stored_as_it_is_read(published: Path) -> None:
    store = MemoryStore()
    found = read_folder(published / "maven_crm", mapping=MAVEN)
    with plan_import(store, published / "maven_crm", mapping=MAVEN) as plan:
        assert plan.counts == {"create": 8928, "update": 0, "skip": 0, "conflict": 0, "reject": 0}
        plan.apply(store)
    for cls, records in found.records.items():
        assert [*store.every(cls)] == sorted(records, key=lambda each: each.id)


@pytest.mark.parametrize("name", ["google_contacts", "hubspot", "jobber", "pipedrive", "salesforce"])
def test_a_vendors_export_is_imported_once(published: Path, name: str) -> None:
    (path,) = (published / "crm_export_samples").rglob(f"{name}.csv")
    crm = CRM.open("memory://")
    mapping = mapping_for(path, currency="USD")
    for counted in ({"create": 3}, {"skip": 3}):
        with crm.imports.plan(path, mapping=mapping) as plan:
            assert {action: n for action, n in plan.counts.items() if n} == counted
            crm.imports.apply(plan)
    assert len(crm.customers) == 2
