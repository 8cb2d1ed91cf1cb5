"""The plan of an import: what it will do, to be looked at, kept and carried out."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from crmkit.errors import ImportFailed, choices
from crmkit.io.folder import Progress
from crmkit.io.importing.applying import Applied, apply_steps
from crmkit.io.importing.payload import Payloads
from crmkit.io.importing.steps import ACTIONS, Action, Staging, Step
from crmkit.io.mapping.problems import Problem
from crmkit.io.stores.port import Store
from crmkit.model import Record

_SHOWN = 10


class ImportPlan:
    """What an import will do to a store, row by row. `plan_import` makes one.

    The steps lie in a temporary file without a name, which holds personal data as the imported files do; it is gone after `close`, at the
    end of a `with` block, with the object, and with the process.
    """

    def __init__(self, staging: Staging, problems: tuple[Problem, ...] = ()) -> None:
        """Hold the steps of a finished staging file, and what was noticed beside."""
        self._staging = staging
        self.problems = problems

    @property
    def source(self) -> str:
        """The system that the files come from, under whose name its keys are kept as external ids."""
        return self._staging.fact("source")

    @property
    def at(self) -> datetime | None:
        """When the files were true; None where nobody said."""
        text = self._staging.fact("at")
        return datetime.fromisoformat(text) if text else None

    @property
    def counts(self) -> Mapping[Action, int]:
        """How many rows each action has, also those that have none."""
        counted = self._staging.counts()
        return {action: sum(n for (_, each), n in counted.items() if each == action) for action in ACTIONS}

    @property
    def counts_by_record(self) -> Mapping[str, Mapping[Action, int]]:
        """How many rows each action has for each record class of the plan."""
        found: dict[str, dict[Action, int]] = {}
        for (record, action), n in self._staging.counts().items():
            found.setdefault(record, {})[action] = n
        return found

    def steps(self, *actions: Action) -> Iterator[Step]:
        """Go through what becomes of each row, in the order in which it is done, in memory that does not grow with their number.

        Args:
            actions: "create", "update", "skip", "conflict" or "reject"; without them all.

        Raises:
            ImportFailed: for another action.
        """
        for action in actions:
            if action not in ACTIONS:
                raise ImportFailed(f"{action!r} is no action; {choices(action, ACTIONS)}")
        return self._staging.steps(*actions)

    def record(self, step: Step, store: Store) -> Record | None:
        """Return the record that a step creates or changes, as it will be; None for other steps and where only its moves are new."""
        return Payloads(store).decode(step.record, step.data) if step.data else None

    def __str__(self) -> str:
        """Say how many rows each action has, and the most frequent reasons why rows are not imported."""
        counted = [
            f"{record}: {', '.join(f'{n:,} {action}' for action in ACTIONS if (n := of_record.get(action)))}"
            for record, of_record in self.counts_by_record.items()
        ]
        found = self._staging.reasons(_SHOWN)
        shown = [
            f"{file}: {reason} ({'1 row: line' if n == 1 else f'{n:,} rows, the first at line'} {line:,})"
            for file, _, reason, n, line in found
        ]
        rest = sum(self.counts[each] for each in ("conflict", "reject")) - sum(n for *_, n, _ in found)
        more = [f"{rest:,} more rows are not imported for other reasons"] if rest else []
        return "\n".join([*(counted or ["nothing to import"]), *shown, *more])

    def __repr__(self) -> str:
        """Show the counts alone."""
        return f"<ImportPlan {', '.join(f'{action}={n}' for action, n in self.counts.items())}>"

    def save(self, path: Path | str) -> None:
        """Write the plan to a file, for `open`. It holds personal data. Raises `ImportFailed` for a path that cannot be written."""
        self._staging.save(Path(path))

    @classmethod
    def open(cls, path: Path | str) -> "ImportPlan":
        """Return the plan that `save` wrote; raises `ImportFailed` for what is none."""
        return cls(Staging.open(Path(path)))

    def apply(
        self,
        store: Store,
        *,
        partial: bool = False,
        rejects: Path | str | None = None,
        by: str | None = None,
        recorded_at: datetime | None = None,
        progress: Progress | None = None,
    ) -> Applied:
        """Write the plan to a store, in one unit of work: an error or an interruption leaves the store as it was.

        Args:
            store: the one that the plan was made for.
            partial: rows that are in conflict or do not fit are left out, and so is what changed in the store meanwhile. Without it, the
                first of them is a reason to write nothing.
            rejects: a folder for the rows that are left out, in files with the names and in the format of those they came from, with
                a column that says why. Mended, they can be imported by the same mapping.
            by, recorded_at: who imports, and when; the import is true at the `at` of the plan.
            progress: told "import", how many steps are done, and how many there are.

        Returns:
            What was done.

        Raises:
            ImportFailed: where rows are in conflict or do not fit, without `partial`.
            Conflict: where the store changed since the plan was made, without `partial`; the message names the first records. Make the
                plan again.
        """
        return apply_steps(
            self._staging,
            store,
            partial=partial,
            rejects=rejects,
            by=by,
            at=self.at,
            recorded_at=recorded_at,
            progress=progress,
        )

    def close(self) -> None:
        """Forget the steps. May be called twice."""
        self._staging.close()

    def __enter__(self) -> Self:
        """Return the plan itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Forget the steps."""
        self.close()
