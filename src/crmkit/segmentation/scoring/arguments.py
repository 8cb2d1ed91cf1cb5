"""Arguments that several functions of scores take."""

from collections.abc import Iterable
from typing import Any

from crmkit.errors import InvalidInput


def field_names(fields: Any) -> list[str]:
    """Return the names of fields, each once; raise `InvalidInput` where there is none."""
    names = [] if isinstance(fields, str) or not isinstance(fields, Iterable) else list(dict.fromkeys(fields))
    if not names or not all(isinstance(name, str) for name in names):
        raise InvalidInput(
            "fields= has no list of columns to learn from; give their names, such as fields=['source', 'country']"
        )
    return names
