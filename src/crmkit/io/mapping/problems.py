"""What is wrong with data that are imported, as values: a fault of a row is no fault of the program."""

from collections.abc import Iterable
from typing import Literal

import attrs

from crmkit.errors import ImportFailed

Severity = Literal["rejected", "warning", "information"]
"""A rejected row became no record; a warning became one with something left empty; information is good to know."""

_LINES_SHOWN = 5
_REASONS_SHOWN = 5


@attrs.define
class Lines:
    """How many rows a thing was seen in, and the lines of the first few."""

    count: int = 0
    first: tuple[int, ...] = ()

    def add(self, line: int) -> None:
        """Count one more row."""
        self.count += 1
        if len(self.first) < _LINES_SHOWN:
            self.first += (line,)


@attrs.frozen(kw_only=True)
class Problem:
    """One thing that is wrong with some rows of a file.

    `count` says with how many rows, and `lines` where the first few begin; they are None and empty for what concerns the whole file.
    """

    kind: Severity
    where: str
    message: str
    count: int | None = None
    lines: tuple[int, ...] = ()

    def __str__(self) -> str:
        """Say it in one line.

        >>> print(Problem(kind="warning", where="deals.csv", message="customer_id is blank", count=2, lines=(2, 9)))
        deals.csv: customer_id is blank (2 rows: lines 2, 9)
        """
        if self.count is None:
            return f"{self.where}: {self.message}"
        shown = ", ".join(f"{line:,}" for line in self.lines) + (", …" if self.count > len(self.lines) else "")
        return f"{self.where}: {self.message} ({_rows(self.count)}: {'line' if self.count == 1 else 'lines'} {shown})"


class Findings:
    """Collects what is found while files are read, the same thing of several rows as one problem."""

    def __init__(self) -> None:
        """Start with nothing found."""
        self._found: dict[tuple[Severity, str, str], Lines] = {}
        self._rejected: dict[str, int] = {}
        self._information: list[Problem] = []

    def inform(self, where: str, message: str) -> None:
        """Note something about a whole file."""
        self._information.append(Problem(kind="information", where=where, message=message))

    def warn(self, where: str, message: str, line: int) -> None:
        """Note something about a row that is kept."""
        self._found.setdefault(("warning", where, message), Lines()).add(line)

    def reject(self, where: str, messages: Iterable[str], line: int) -> None:
        """Note that a row is not kept, and every reason for it."""
        self._rejected[where] = self._rejected.get(where, 0) + 1
        for message in messages:
            self._found.setdefault(("rejected", where, message), Lines()).add(line)

    def problems(self) -> tuple[Problem, ...]:
        """Return everything that was found, first about rows and then about files."""
        of_rows = [
            Problem(kind=kind, where=where, message=message, count=lines.count, lines=lines.first)
            for (kind, where, message), lines in self._found.items()
        ]
        return (*of_rows, *self._information)

    def warnings(self) -> tuple[Problem, ...]:
        """Return what was found but for the rows that are not kept."""
        return tuple(problem for problem in self.problems() if problem.kind != "rejected")

    def check_complete(self) -> None:
        """Raise `ImportFailed`, with the first few reasons, if a row was rejected."""
        if not self._rejected:
            return
        files = " and ".join(f"{_rows(count)} of {where}" for where, count in self._rejected.items())
        reasons = [str(problem) for problem in self.problems() if problem.kind == "rejected"]
        more = f"; and {len(reasons) - _REASONS_SHOWN:,} more" if len(reasons) > _REASONS_SHOWN else ""
        raise ImportFailed(f"nothing is imported, because of {files}: {'; '.join(reasons[:_REASONS_SHOWN])}{more}")


def _rows(count: int) -> str:
    return "1 row" if count == 1 else f"{count:,} rows"
