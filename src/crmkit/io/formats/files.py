"""What all formats share: opening with a sentence for every failure, limits, and writing all or nothing."""

import secrets
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import date, datetime
from decimal import Decimal
from importlib import import_module
from math import isfinite
from pathlib import Path
from types import ModuleType
from typing import Any

from crmkit.errors import CrmError, ImportFailed, InvalidInput, MissingExtra, choices

MIB = 2**20
LONGEST_LINE = 4 * MIB
"""How many characters a line or a record of a text format may have, so that a file cannot fill the memory."""


def failed(path: Path | str, fault: str, line: int | None = None) -> ImportFailed:
    """Return an error about a file, or about a line of it, to be raised."""
    return ImportFailed(f"{path}: {fault}" if line is None else f"{path}, line {line}: {fault}")


def check_file(path: Path, kind: str, *, most: int | None = None) -> None:
    """Raise `ImportFailed` for what is no ordinary file, or for one of more than so many bytes."""
    if not path.is_file():
        found = "is no ordinary file" if path.exists() else "is not there"
        raise failed(path, f"{found}; give the path of {kind}")
    if most is not None and path.stat().st_size > most:
        raise failed(path, f"has more than {most // MIB:,} MiB; split it into smaller files")


@contextmanager
def reading(path: Path, kind: str, *, most: int | None = None) -> Iterator[None]:
    """Check a file, and turn the errors of the operating system inside into `ImportFailed`."""
    try:
        if "\0" in str(path):
            raise failed(path, f"is no path; give the path of {kind}")
        check_file(path, kind, most=most)
        yield
    except OSError as error:
        raise failed(path, f"cannot be read ({error.strerror}); give {kind} that may be read") from None


@contextmanager
def replacing(path: Path | str) -> Iterator[Path]:
    """Hand out a path beside the target that takes its place at the end, so a failure leaves what was there before."""
    path = Path(path)
    if not path.name or "\0" in str(path):
        raise InvalidInput(f"{str(path)!r} is no path of a file; give one in a folder that may be written")
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        yield part
        part.replace(path)
    except CrmError:
        raise
    except OSError as error:
        reason = error.strerror or "the disk does not take it"
        raise InvalidInput(
            f"{path}: cannot be written ({reason}); give a path in a folder that may be written"
        ) from None
    except UnicodeError as error:
        encoding = getattr(error, "encoding", "this encoding")
        raise InvalidInput(f"{path}: a cell holds text that {encoding} does not have; write it as UTF-8") from None
    finally:
        with suppress(OSError):
            part.unlink()


def need(module: str, extra: str) -> ModuleType:
    """Import a module of an optional package; raise `MissingExtra` with the command that installs it."""
    try:
        return import_module(module)
    except ImportError:
        package = module.partition(".")[0].replace("_", "-")
        raise MissingExtra(f"{package} is not installed; install it with: pip install 'crmkit[{extra}]'") from None


def cells(columns: Sequence[str], row: Mapping[str, Any], number: int, cell: Callable[[Any], Any]) -> list[Any]:
    """Return the cells of a row that is to be written, in the order of the columns.

    Raises `InvalidInput` for a cell of no known column and for a value that the format cannot hold.
    """
    if not row.keys() <= set(columns):
        strange = next(name for name in row if name not in columns)
        raise InvalidInput(f"row {number} has a cell for {strange!r}, which is no column; {choices(strange, columns)}")
    made = []
    for name in columns:
        value = row.get(name)
        try:
            made.append(cell(value))
        except TypeError:
            accepted = "text, a finite number, True or False, a date, a datetime or None"
            found = f"a value of the type {type(value).__name__} that cannot be written"
            raise InvalidInput(f"row {number}, column {name!r}: holds {found}; give {accepted}") from None
    return made


def check_columns(columns: Sequence[str]) -> None:
    """Raise `InvalidInput` for no columns, and for blank or repeated names."""
    if not columns or not all(isinstance(name, str) and name.strip() for name in columns):
        raise InvalidInput("a table needs columns; give at least one, each with a name")
    repeated = [repr(name) for name, count in Counter(columns).items() if count > 1]
    if repeated:
        raise InvalidInput(f"several columns are named {', '.join(repeated)}; give each its own name")


def number(value: Decimal) -> float | str:
    """Return a decimal as the binary number that prints as the same value, or as text where there is none.

    >>> number(Decimal("10.50")), number(Decimal("0.10000000000000000001"))
    (10.5, '0.10000000000000000001')
    """
    near = float(value)
    return near if isfinite(near) and Decimal(repr(near)) == value else str(value)


def plain(value: Any) -> Any:
    """Return a cell as text, number, flag or None; raise TypeError for another, and for a number that is not finite.

    >>> plain(Decimal("1.50")), plain(date(2025, 12, 31)), plain(None)
    ('1.50', '2025-12-31', None)
    """
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float | Decimal) and isfinite(value):
        return value if isinstance(value, float) else str(value)
    if isinstance(value, date | datetime):
        return value.isoformat()
    raise TypeError
