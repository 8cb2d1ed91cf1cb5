"""The options that say which tables of a database are meant."""

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module

from crmkit.errors import InvalidInput
from crmkit.model import Record


def add_place(command: argparse.ArgumentParser) -> None:
    """Let a command be told which tables of a database are meant."""
    command.add_argument(
        "--records",
        metavar="MODULE:NAME",
        help="a sequence of a vertical's own record classes, such as club.model:RECORDS",
    )
    command.add_argument("--prefix", default="crm_", help="what the names of the tables begin with (default: crm_)")
    command.add_argument("--schema", help="the schema of PostgreSQL that the tables are in")


def records(named: str | None) -> Sequence[type[Record]]:
    """Return the record classes that MODULE:NAME names; the module is installed or in the folder that one is in."""
    if named is None:
        return ()
    module, _, name = named.partition(":")
    if "" not in sys.path:
        sys.path.append("")
    try:
        found = getattr(import_module(module), name)
    except (ImportError, AttributeError, ValueError):
        raise InvalidInput(
            f"--records {named}: there is no such sequence; give MODULE:NAME, such as club.model:RECORDS"
        ) from None
    if not isinstance(found, Sequence) or not all(
        isinstance(each, type) and issubclass(each, Record) for each in found
    ):
        raise InvalidInput(f"--records {named}: this is no sequence of record classes")
    return found
