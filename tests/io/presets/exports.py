"""Exports as text, read through the presets into a store."""

from datetime import date
from pathlib import Path
from typing import Any

from crmkit.io.importing import ImportPlan, plan_import
from crmkit.io.presets import mapping_for
from crmkit.io.stores import open_store
from crmkit.io.stores.port import Store
from crmkit.model import Customer, Record


class Imported:
    """What a store holds after an import: the records of a class by their keys in the other system."""

    def __init__(self, store: Store, plan: ImportPlan, source: str) -> None:
        self.store, self.plan, self.source = store, plan, source

    def __getitem__(self, cls: type[Record]) -> dict[str, Any]:
        return {str(record.external_ids[self.source]): record for record in self.store.every(cls)}

    def person(self, name: str) -> Customer:
        return next(each for each in self.store.every(Customer) if each.name == name)

    def rejects(self) -> list[str]:
        return [str(step) for step in self.plan.steps("reject", "conflict")]


def imported(folder: Path, files: dict[str, str], *, exported_on: date | None = None, **stated: Any) -> Imported:
    """Write files, import all that are recognised, and check that a second import would change nothing."""
    for name, text in files.items():
        (folder / name).write_text(text.strip() + "\n", encoding="utf-8")
    mapping = mapping_for(folder, exported_on=exported_on, **stated)
    assert mapping is not None
    store = open_store("memory://")
    plan = plan_import(store, folder, mapping=mapping)
    plan.apply(store)
    again = plan_import(store, folder, mapping=mapping)
    assert {step.action for step in again.steps()} == {"skip"}, str(again)
    return Imported(store, plan, mapping.source)
