"""A row of a table, as every format hands it out."""

from collections.abc import Mapping
from typing import Any

import attrs


@attrs.frozen
class Row:
    """The cells of one row by column, and the line or number of the file where the row begins, counted from 1.

    Cells are text, or values where the format has types: int, float, Decimal, bool, date, datetime, a list, None for an empty one.
    A row that does not fit its table is not left out: `fault` says what is wrong with it, and `values` holds what could be read.
    """

    line: int
    values: Mapping[str, Any] = attrs.field(repr=False)
    fault: str | None = None
