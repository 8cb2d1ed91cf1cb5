"""The kinds of data that a caller may have: the same records in each of them."""

from collections.abc import Callable, Sequence
from typing import Any

import duckdb

from crmkit.frames import from_records
from crmkit.model import Record

KINDS: dict[str, Callable[[Sequence[Record], type[Record]], Any]] = {
    "records": lambda rows, _: rows,
    "generator": lambda rows, _: (row for row in rows),
    "polars": from_records,
    "lazy": lambda rows, cls: from_records(rows, cls).lazy(),
    "pandas": lambda rows, cls: from_records(rows, cls).to_pandas(),
    "arrow": lambda rows, cls: from_records(rows, cls).to_arrow(),
    "duckdb": lambda rows, cls: duckdb.from_arrow(from_records(rows, cls).to_arrow()),
}
