"""How fast files are read, beside what is usual: the csv module, python-calamine alone, vobject for vCards.

The figures are rows or cards a second of processor time. vCards should be read at least ten times as fast as by vobject.
"""

import csv as standard
import tempfile
import time
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

from crmkit.io.formats import csv, excel, json_lines, parquet, vcard
from crmkit.io.formats.workbook import check_workbook

ROWS, CARDS, USUAL_CARDS = 200_000, 30_000, 2_000
COLUMNS = ["id", "name", "email", "amount", "city", "note", "visits"]
CARD = """BEGIN:VCARD
VERSION:3.0
N:Kowalska;Anna;;;
FN:Anna Kowalska {0}
ORG:Acme;Sales
TITLE:Buyer
TEL;TYPE=CELL:+48 600 100 {0}
EMAIL;TYPE=INTERNET,WORK:anna{0}@example.com
ADR;TYPE=WORK:;;Prosta 1;Warszawa;;00-838;Polska
NOTE:likes tea\\, not coffee
END:VCARD
"""


def timed(name: str, number: int, run: Callable[[], Iterable[object]]) -> float:
    begun = time.process_time()
    for _ in run():
        pass
    rate = number / (time.process_time() - begun)
    print(f"{name:<40}{rate:>12,.0f}/s")
    return rate


def written(module: ModuleType, path: Path, rows: list[dict[str, Any]]) -> list[None]:
    return [module.write(path, COLUMNS, rows)]


def usual_tables(path: Path) -> None:
    with path.open(newline="") as file:
        timed("csv.reader", ROWS, lambda: standard.reader(file))
    with path.open(newline="") as file:
        timed("csv.DictReader", ROWS, lambda: standard.DictReader(file))


def tables(folder: Path) -> None:
    rows = [
        {
            "id": n,
            "name": f"Name {n}",
            "email": f"mail{n}@example.com",
            "amount": n * 1.5,
            "city": "Oslo",
            "note": "",
            "visits": n % 7,
        }
        for n in range(ROWS)
    ]
    path = folder / "table.csv"
    timed("csv.write", ROWS, partial(written, csv, path, rows))
    usual_tables(path)
    timed("csv.read, stated", ROWS, lambda: csv.read(path))
    timed("csv.read, found out", ROWS, lambda: csv.read(path, csv.detect(path)))
    for module in (json_lines, parquet):
        name = module.__name__.rpartition(".")[2]
        timed(f"{name}.write", ROWS, partial(written, module, folder / name, rows))
        timed(f"{name}.read", ROWS, partial(module.read, folder / name))
    book = folder / "table.xlsx"
    timed("excel.write", ROWS // 4, partial(written, excel, book, rows[: ROWS // 4]))
    timed("excel.read", ROWS // 4, lambda: excel.read(book))
    timed("  of which the check", ROWS // 4, lambda: check_workbook(book))


def cards(folder: Path) -> None:
    path = folder / "cards.vcf"
    path.write_text("".join(CARD.format(n) for n in range(CARDS)))
    ours = timed("vcard.read", CARDS, lambda: vcard.read(path))
    try:
        import vobject
    except ImportError:
        print("vobject is not installed: pip install vobject")
        return
    text = "".join(CARD.format(n) for n in range(USUAL_CARDS))
    usual = timed("vobject.readComponents", USUAL_CARDS, lambda: vobject.readComponents(text))
    print(f"vCards: {ours / usual:.1f} times as fast as vobject")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        tables(Path(folder))
        cards(Path(folder))
