"""A small club as a folder of CSV files with a mapping, for tests to read and to damage."""

import traceback
from pathlib import Path

import pytest

from crmkit.errors import ImportFailed
from crmkit.io.folder import Imported, read_folder

CANARY = "Kanarienvogel"

HEAD = """
source = "acme"
time_zone = "Europe/Warsaw"
currency = "PLN"
exported_on = 2025-12-31

[[pipelines]]
id = "sales"
stages = [{ label = "Offer", category = "open" }, { label = "Won", category = "won" }, { label = "Lost", category = "lost" }]
"""
STAFF = """
[[files]]
path = "staff.csv"
record = "Employee"
key = "login"
fields.name = "name"
fields.manager_id = "boss"
"""
GOODS = """
[[files]]
path = "goods.csv"
record = "Product"
key = "sku"
fields.name = "title"
fields.price = "price"
"""
PEOPLE = """
[[files]]
path = "people.csv"
record = "Customer"
key = "no"
custom = ["note"]
fields.kind = { value = "person" }
fields.name = "name"
fields.birth_on = "born"
fields.owner_id = "owner"
"""
DEALS = """
[[files]]
path = "deals.csv"
record = "Deal"
key = "no"
fields.pipeline_id = { value = "sales" }
fields.stage = "stage"
fields.customer_id = "who"
fields.owner_id = "owner"
fields.product_ids = "what"
fields.amount = "worth"
fields.created_at = "since"
fields.closed_at = "until"
"""
STAFF_CSV = "login,name,boss\neva,Eva,\ntom,Tom,eva\n"
GOODS_CSV = "sku,title,price\nP 1,Pass,99.90\nP 2,Ten visits,450\n"
PEOPLE_CSV = "no,name,born,owner,note\n7,Ann,1990-01-31,tom,calls in the evening\n8,Bob,,eva,\n"
DEALS_CSV = (
    "no,stage,who,owner,what,worth,since,until\n"
    "1,Won,7,tom,P 1,99.9,2025-05-02,2025-05-09T12:30\n"
    "2,Offer,8,eva,P 2,450,2025-06-01,\n"
)
FILES = {"staff.csv": STAFF_CSV, "goods.csv": GOODS_CSV, "people.csv": PEOPLE_CSV, "deals.csv": DEALS_CSV}
ALL = HEAD + STAFF + GOODS + PEOPLE + DEALS


def read(folder: Path, mapping: str = ALL, **contents: str) -> Imported:
    """Write the files that a mapping names, some of them with other contents, and read the folder."""
    files = {**FILES, **{f"{name}.csv": content for name, content in contents.items()}}
    for name, content in files.items():
        if name in mapping:
            (folder / name).write_text(content, encoding="utf-8", newline="")
    (folder / "crmkit.toml").write_text(mapping, encoding="utf-8")
    return read_folder(folder)


def refused(folder: Path, mapping: str = ALL, **contents: str) -> str:
    """The message of the error that these files raise; it is one line and never shows the canary."""
    with pytest.raises(ImportFailed) as caught:
        read(folder, mapping, **contents)
    assert "\n" not in str(caught.value)
    assert CANARY not in "".join(traceback.format_exception(caught.value))
    return str(caught.value)
