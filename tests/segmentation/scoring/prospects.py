"""Prospects of whom it is known who became a customer, in every kind of table."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import duckdb
import polars as pl

SOURCES = ("web", "fair", "o'neil", "letter")
START = datetime(2025, 1, 1, 20, tzinfo=UTC)
NOW = date(2025, 5, 31)
FIELDS = ("source", "visits", "spent", "is_member", "joined_at", "born_on")
ASKED: dict[str, Any] = {"as_of": NOW, "tz": "Asia/Bangkok"}
KINDS: dict[str, Callable[[pl.DataFrame], Any]] = {
    "polars": lambda frame: frame,
    "lazy": lambda frame: frame.lazy(),
    "pandas": lambda frame: frame.to_pandas(),
    "arrow": lambda frame: frame.to_arrow(),
    "duckdb": lambda frame: duckdb.from_arrow(frame.to_arrow()),
}


def chance(number: int, salt: str, below: int) -> int:
    """A number that looks drawn and is always the same."""
    return int.from_bytes(sha256(f"{salt} {number}".encode()).digest()[:4], "big") % below


def prospects(n: int = 240) -> pl.DataFrame:
    """Prospects who came more often from fairs, with more visits, and as members; some know nothing."""
    rows = []
    for number in range(n):
        source, visits = SOURCES[chance(number, "source", 4)], chance(number, "visits", 12)
        is_member = bool(chance(number, "member", 2))
        inclined = 2 * (source == "fair") + visits // 4 + is_member + chance(number, "luck", 4)
        rows.append(
            {
                "id": f"p{number:05}",
                "source": None if number % 17 == 0 else source,
                "visits": None if number % 13 == 0 else visits,
                "spent": chance(number, "spent", 1000) / 8,
                "is_member": None if number % 19 == 0 else is_member,
                "joined_at": START + timedelta(hours=5 * chance(number, "joined", 600)),
                "born_on": date(1950, 1, 1) + timedelta(days=chance(number, "born", 20_000)),
                "won": None if number % 29 == 0 else inclined >= 4,
            }
        )
    types = {"source": pl.String, "visits": pl.Int64, "is_member": pl.Boolean, "won": pl.Boolean}
    return pl.DataFrame(rows, schema_overrides=types)


def telco(folder: Path) -> tuple[pl.DataFrame, list[str], pl.Series]:
    """The customers of a telephone company, the fields that were known of them, and one of four folds by their id."""
    path = folder / "telco_churn" / "Telco-Customer-Churn.csv"
    frame = pl.read_csv(path, null_values=[" "]).with_columns(churned=pl.col("Churn") == "Yes")
    fields = [name for name in frame.columns if name not in {"customerID", "Churn", "churned"}]
    folds = pl.Series([sha256(each.encode()).digest()[1] % 4 for each in frame["customerID"]])
    return frame, fields, folds
