"""A row of a table, as every format hands it out."""

from collections.abc import Mapping

import attrs


@attrs.frozen
class Row:
    """The cells of one row as text by column, and the line of the file on which the row begins, counted from 1."""

    line: int
    values: Mapping[str, str]
