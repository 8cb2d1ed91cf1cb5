"""A folder of CSV files and a mapping file, read into records."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import TypeVar, cast

import attrs

from crmkit.io.formats import csv
from crmkit.io.formats.row import Row
from crmkit.io.mapping.columns import ColumnEvidence, check_columns
from crmkit.io.mapping.files import NAME, FileMapping, read_mapping
from crmkit.io.mapping.links import Links
from crmkit.io.mapping.problems import Findings, Problem
from crmkit.io.mapping.rows import RecordMaker
from crmkit.model import RECORDS, Pipeline, Record

R = TypeVar("R", bound=Record)
Progress = Callable[[str, int, int | None], None]
"""Told the name of a file, how many of its rows became records so far, and how many rows it has if that is known."""

_STEP = 5000


@attrs.frozen(kw_only=True)
class Imported:
    """The records of a folder by class, in the order of `RECORDS` and of their files, and what was found on the way.

    Every class is there, with an empty tuple where the files hold none of it.
    """

    source: str
    time_zone: str
    exported_on: date | None
    records: Mapping[type[Record], tuple[Record, ...]]
    problems: tuple[Problem, ...]

    def __getitem__(self, cls: type[R]) -> tuple[R, ...]:
        """Return the records of one class of `RECORDS`."""
        return cast("tuple[R, ...]", self.records[cls])


def read_folder(folder: Path | str, *, mapping: Path | str | None = None, progress: Progress | None = None) -> Imported:
    """Return the records that the files of a folder hold, all of them or none.

    Reading twice gives equal records, with the ids of `crmkit.io.mapping.links.imported_id`. The order of the files in the mapping makes no
    difference. White space around a cell is not part of it, and a blank cell leaves its field at its default. A cell that should be
    the key of another row and is none leaves the link empty and is kept in `custom`.

    Args:
        folder: where the files are.
        mapping: the mapping file; without it `crmkit.toml` in the folder. `crmkit.io.mapping` describes it.
        progress: told after every 5,000 rows of a file and after its last one.

    Returns:
        The records, and as problems: links that are blank or name no record, columns that are not used and CSV files that
        are not mapped. No problem shows personal data.

    Raises:
        ImportFailed: for a mistake in the mapping, for a file that cannot be read or lacks a column, and for rows that do not
            fit: a required cell is blank, a key is repeated, a stage is unknown, a date is none, and so on.
    """
    folder = Path(folder)
    plan = read_mapping(folder / NAME if mapping is None else mapping)
    links, findings = Links(plan.source, plan.pipelines), Findings()
    pipelines = {pipeline.id: pipeline for pipeline in plan.pipelines}
    files = sorted(plan.files, key=lambda file: (RECORDS.index(file.record), file.optional, file.path, file.key))
    read = [_read(folder, file) for file in files]
    makers = [
        RecordMaker(source=plan.source, file=file, pipelines=pipelines, links=links, findings=findings)
        for file, _ in read
    ]
    tables = [list(filter(maker.takes, rows)) for maker, (_, rows) in zip(makers, read, strict=True)]
    records: dict[type[Record], list[Record]] = {cls: [] for cls in RECORDS}
    records[Pipeline].extend(plan.pipelines)
    for maker, rows in zip(makers, tables, strict=True):
        records[maker.file.record].extend(_records(maker, rows, progress))
    findings.check_complete()
    _inform_of_unused(folder, files, findings)
    return Imported(
        source=plan.source,
        time_zone=plan.time_zone,
        exported_on=plan.exported_on,
        records={cls: tuple(made) for cls, made in records.items()},
        problems=(*links.problems(), *findings.problems()),
    )


def _read(folder: Path, file: FileMapping) -> tuple[FileMapping, list[Row]]:
    """The rows of a file, and its mapping with what all of them together tell."""
    present = _columns(folder, file)
    check_columns(file, present)
    rows = list(csv.read(folder / file.path, delimiter=file.delimiter or ",", encoding=file.encoding or "utf-8"))
    evidence = ColumnEvidence(file.with_columns(present))
    for row in rows:
        evidence.see(row)
    return evidence.resolved(), rows


def _columns(folder: Path, file: FileMapping) -> tuple[str, ...]:
    return csv.columns(folder / file.path, delimiter=file.delimiter or ",", encoding=file.encoding or "utf-8")


def _records(maker: RecordMaker, rows: list[Row], progress: Progress | None) -> Iterator[Record]:
    for done, row in enumerate(rows, start=1):
        made = maker.make(row)
        if made is not None:
            yield made
        if progress is not None and (done % _STEP == 0 or done == len(rows)):
            progress(maker.file.path, done, len(rows))


def _inform_of_unused(folder: Path, files: Sequence[FileMapping], findings: Findings) -> None:
    used: dict[str, set[str]] = {}
    for file in files:
        used.setdefault(file.path, set()).update(file.columns)
    for path, file in {file.path: file for file in files}.items():
        unused = [repr(column) for column in _columns(folder, file) if column not in used[path]]
        if unused:
            findings.inform(path, f"columns that are not imported: {', '.join(unused)}")
    mapped = {folder / path for path in used}
    for found in sorted(folder.glob("*")):
        if found.suffix.lower() == ".csv" and found not in mapped:
            findings.inform(found.name, "the file is not in the mapping, so it is not imported")
