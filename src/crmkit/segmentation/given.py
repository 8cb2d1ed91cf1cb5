"""What the functions of segmentation do with what the caller gave: tables come back in its kind, rules are asked for one moment."""

from typing import Any

import narwhals as nw

from crmkit.errors import InvalidInput, MissingExtra
from crmkit.frames.filtering import check_rule
from crmkit.rules import Rule


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


def asked_rule(where: Any, as_of: Any, tz: str) -> Rule:
    """Return a rule as it is asked at a moment; raise `InvalidInput` for what is none."""
    return check_rule(where).at(as_of, tz)


def check_whole(value: Any, name: str, least: int | None = 1) -> int:
    """Return a whole number; raise `InvalidInput`, naming the argument, for anything else and for less than the least."""
    if isinstance(value, bool) or not isinstance(value, int) or (least is not None and value < least):
        accepted = "a whole number" if least is None else f"a whole number from {least}"
        raise InvalidInput(f"{name}={value!r} is out of range; give {accepted}")
    return value
