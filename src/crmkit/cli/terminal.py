"""What is shown while a command works, and checks of what it is given."""

import argparse
import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path

from crmkit.errors import InvalidInput

Say = Callable[[str], None]

_EMPTY_LINE = "\r\x1b[K"


def progress() -> Say:
    """Return what shows one line of progress on a terminal, and nothing in a pipe or a file."""
    if not sys.stderr.isatty():
        return lambda _: None

    def say(what: str) -> None:
        print(f"{_EMPTY_LINE}{what}", end="", file=sys.stderr, flush=True)

    return say


def clear() -> None:
    """Take away the line of progress, so that what comes next has a line of its own."""
    progress()("")


def day(text: str) -> date:
    """Return the day that an argument names."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a day; give it as 2025-12-31") from None


def check_output(path: Path, example: str) -> None:
    """Refuse an output that cannot be written before the long work begins."""
    if path.is_dir():
        raise InvalidInput(f"{path} is a folder; give the file to write, such as {path / example}")
    if not path.parent.is_dir():
        raise InvalidInput(f"the folder {str(path.parent)!r} of the output does not exist; create it first")
