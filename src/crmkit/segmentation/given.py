"""Tables in the kind that the caller gave."""

from typing import Any

import narwhals as nw

from crmkit.errors import MissingExtra


def as_given(rows: nw.LazyFrame[Any], data: Any) -> Any:
    """Return rows as the kind of table that `data` is: lazy where it is lazy, and Polars where it is records.

    Raises `MissingExtra` where pandas cannot be written because pyarrow is not installed.
    """
    given = nw.from_native(data, pass_through=True)
    if isinstance(given, nw.LazyFrame):
        return rows.to_native()
    # What is not lazy is in Polars here; in parts it takes less time and memory than at once.
    found = rows.to_native().collect(engine="streaming").rechunk()
    if not isinstance(given, nw.DataFrame) or given.implementation.is_polars():
        return found
    try:
        return found.to_arrow() if given.implementation.is_pyarrow() else found.to_pandas()
    except ModuleNotFoundError as error:
        raise MissingExtra("a pandas table is returned with pyarrow: pip install 'crmkit[pandas]'") from error
