"""The command `crmkit`: a module for each group of its sub-commands."""

import argparse
import sys
from collections.abc import Sequence

from crmkit import __version__
from crmkit.cli import backup, importing, reporting, schema
from crmkit.cli.terminal import clear
from crmkit.errors import CrmError

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command with these arguments, or the program's own, and return its exit status.

    0 is success; 1 is the answer that something is to be done; 2 is a mistake in what was given, explained in one sentence on standard error; 130 is an interruption.
    """
    options = _parser().parse_args(arguments)
    try:
        status: int | None = options.run(options)
    except CrmError as error:
        clear()
        print(f"crmkit: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        clear()
        print("crmkit: interrupted; nothing was written", file=sys.stderr)
        return 130
    return status or 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="crmkit", description="CRM numbers from a store or from files.")
    parser.add_argument("--version", action="version", version=f"crmkit {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for group in (reporting, importing, schema, backup):
        group.add_to(commands)
    return parser
