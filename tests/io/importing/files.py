"""A small import for tests: people and their deals in two files, and the mapping of both."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

from crmkit.io.importing import Applied, ImportPlan, plan_import
from crmkit.io.mapping import FolderMapping, folder_mapping
from crmkit.io.stores.port import Store

CANARY = "Kanarienvogel"
EXPORTED_ON = date(2025, 5, 1)

PEOPLE: dict[str, Any] = {
    "path": "people.csv",
    "record": "Customer",
    "key": "no",
    "custom": ["note"],
    "fields": {
        "kind": {"value": "person"},
        "name": {"columns": ["first", "last"], "otherwise": "mail"},
        "birth_on": "born",
        "tags": {"column": "labels", "split": ","},
        "contact_points": [
            {"kind": "email", "column": "mail", "primary": True},
            {"kind": "phone", "column": "phone", "split": ";"},
            {"kind": "address", "lines": ["street"], "city": "town"},
        ],
    },
}
DEALS: dict[str, Any] = {
    "path": "deals.csv",
    "record": "Deal",
    "key": "id",
    "entries": {"offered": "Offer"},
    "fields": {
        "pipeline_id": {"value": "sales"},
        "stage": "stage",
        "customer_id": "who",
        "amount": {"column": "amount", "currency_column": "currency"},
        "probability": {"column": "chance", "percent": True},
        "closed_at": "closed",
        "created_at": "created",
    },
}
PIPELINE = {"id": "sales", "learns": True, "stages": [{"label": "New", "category": "open"}]}

PEOPLE_CSV = (
    "no,first,last,mail,phone,born,labels,street,town,note\n"
    '1,Ann,Kowalska,ann@example.org,+48 600 100 200;22 123 45 67,31/12/1990,"vip, early",Long 1,Oslo,likes tea\n'
    "2,,,bob@example.org,-,1/2/1991,,,,N/A\n"
)
DEALS_CSV = (
    "id,stage,who,amount,currency,chance,closed,created,offered\n"
    '7,Offer,1,"1,234.50",EUR,50,,2025-01-01,2025-01-02\n'
    "8,Closed Won,2,100,PLN,,2025-03-01,2025-01-03,2025-01-05\n"
)


def mapping(*files: dict[str, Any], **words: Any) -> FolderMapping:
    """The mapping of some files, of both by default."""
    top = {"source": "till", "pipelines": [PIPELINE], "exported_on": EXPORTED_ON}
    return folder_mapping(**{**top, **words}, files=[*files] or [PEOPLE, DEALS])


def write(folder: Path, people: str = PEOPLE_CSV, deals: str = DEALS_CSV) -> Path:
    """Write both files."""
    (folder / "people.csv").write_text(people, encoding="utf-8")
    (folder / "deals.csv").write_text(deals, encoding="utf-8")
    return folder


@contextmanager
def planned(store: Store, path: Path, found: FolderMapping | None = None, **options: Any) -> Iterator[ImportPlan]:
    """A plan that is closed afterwards."""
    with plan_import(store, path, mapping=found or mapping(), **options) as plan:
        yield plan


def imported(store: Store, path: Path, found: FolderMapping | None = None, **options: Any) -> Applied:
    """Import at once."""
    with planned(store, path, found) as plan:
        return plan.apply(store, **options)
