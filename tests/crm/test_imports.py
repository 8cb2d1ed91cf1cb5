"""A CRM imports as who acts in it, and what nobody dated is true now."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from crmkit import CRM
from crmkit.io.mapping import FolderMapping, folder_mapping

NOW = datetime(2025, 6, 1, 12, tzinfo=UTC)
PIPELINE = {"id": "sales", "learns": True, "stages": [{"label": "New", "category": "open"}]}
DEALS = {
    "path": "deals.csv",
    "record": "Deal",
    "key": "id",
    "fields": {"pipeline_id": {"value": "sales"}, "stage": "stage"},
}


def _mapping() -> FolderMapping:
    return folder_mapping(source="till", pipelines=[PIPELINE], files=[DEALS])


def test_an_import_is_of_who_acts_and_of_now(tmp_path: Path) -> None:
    path = tmp_path / "deals.csv"
    crm = CRM.open("memory://", by="eva", clock=lambda: NOW)
    for stage in ("New", "Won"):
        path.write_text(f"id,stage\n7,{stage}\n")
        with crm.imports.plan(path, mapping=_mapping()) as plan:
            crm.imports.apply(plan)
    (move,) = crm.transitions
    assert (move.before, move.after, move.category_after, move.at, move.recorded_at) == ("New", "Won", "won", NOW, NOW)
    assert {(change.stamp.by, change.stamp.recorded_at) for change in crm.changes()} == {("eva", NOW)}


def test_an_import_joins_the_unit_of_work_around(tmp_path: Path) -> None:
    (tmp_path / "deals.csv").write_text("id,stage\n7,New\n")
    crm = CRM.open("memory://")
    plan = crm.imports.plan(tmp_path / "deals.csv", mapping=_mapping())
    with plan, pytest.raises(ZeroDivisionError), crm.transaction(by="tom"):
        assert crm.imports.apply(plan).created == 2
        assert len(crm.deals) == 1 / 0
    assert len(crm.deals) == 0
