"""Making a plan: what an import of files is going to do to a store, found out without writing anything."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from shlex import quote
from typing import Any
from zoneinfo import ZoneInfo

import attrs

from crmkit.errors import ImportFailed, InvalidInput, choices
from crmkit.io.folder import Progress
from crmkit.io.importing.payload import Payloads
from crmkit.io.importing.plan import ImportPlan
from crmkit.io.importing.planner import Planner, Wishes
from crmkit.io.importing.sources import original_name
from crmkit.io.importing.steps import Staging
from crmkit.io.mapping.files import NAME, FileMapping, FolderMapping, read_mapping
from crmkit.io.mapping.problems import Problem
from crmkit.io.presets import mapping_for
from crmkit.io.presets.exports import is_table
from crmkit.io.stores.port import Store
from crmkit.model import RECORDS, Pipeline


def plan_import(
    store: Store,
    path: Path | str,
    *,
    mapping: FolderMapping | Path | str | None = None,
    at: datetime | None = None,
    overwrite: bool = False,
    warn_duplicates: bool = False,
    progress: Progress | None = None,
    **stated: Any,
) -> ImportPlan:
    r"""Find out what importing a file or a folder of files would do to a store. Nothing is written to it.

    Every row becomes one step:

    - "create" where nothing is stored about it,
    - "update" where something is and the row says something new. What the row leaves blank stays, and contact points, tags and custom
      fields are added to those that are there,
    - "skip" where the row says nothing new, so importing the same files again changes nothing; also where the record was merged
      into another one, and where the person was erased,
    - "conflict" where somebody must decide: the record was changed here after the files were exported (`exported_on` of the mapping), it
      was deleted here, or several stored records or rows fit each other,
    - "reject" where the row does not fit.

    A row is about the stored record that has its key among its external ids, else about the one that shares an e-mail address or
    telephone number, where the mapping says `match`. A deal whose stage changes gets a transition.

    Args:
        store: what is stored now.
        path: a file in one of `crmkit.io.formats`, or a folder of them.
        mapping: what the columns mean, as a mapping file or as `folder_mapping` returns it. By default it is `crmkit.toml` beside the files,
            else what `crmkit.io.presets` recognises.
        at: when the files were true, at the latest. A mapping that says `exported_on` means the end of that day. The import is written
            as true at that instant.
        overwrite: the files win over what was changed here after the export, so there is no such conflict.
        warn_duplicates: new customers who look like stored ones are told in `ImportPlan.problems`.
        progress: told the name of a file, how many of its rows are planned, and how many it has.
        stated: words of the top of a mapping, such as `currency="PLN"`, `dates="day first"`, `numbers`, `time_zone` and `exported_on`. They are
            taken instead of what a mapping file or a preset says.

    Returns:
        The plan. Print it, look at its `steps`, and then `apply` it, here or after `save` and `open` elsewhere.

    Raises:
        ImportFailed: for a mistake in the mapping, a file that cannot be read or lacks a column, and a column whose dates or numbers may
            be read in two ways.
        InvalidInput: for an `at` without a time zone, for a class that the store does not keep, and for words that are stated
            beside a mapping that is made already.

    >>> import tempfile, pathlib
    >>> from crmkit.io.mapping import folder_mapping
    >>> from crmkit.io.stores import open_store
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "people.csv"
    >>> _ = path.write_text("no,name,born\n1,Ann,1990-12-31\n2,,1991-01-01\n")
    >>> mapping = folder_mapping(source="till", files=[{"path": "people.csv", "record": "Customer", "key": "no",
    ...     "fields": {"kind": {"value": "person"}, "name": "name", "birth_on": "born"}}])
    >>> print(plan_import(open_store("memory://"), path, mapping=mapping))
    Customer: 1 create, 1 reject
    people.csv: name (column 'name') is blank; give text (1 row: line 3)
    """
    path = Path(path)
    if at is not None and at.tzinfo is None:
        raise InvalidInput("at has no time zone; give one such as datetime(2025, 1, 31, 12, 0, tzinfo=UTC)")
    found = _found_mapping(store, path, mapping, stated)
    found = attrs.evolve(found, files=tuple(sorted(found.files, key=_order)))
    staging = Staging.new(Payloads(store).width([Pipeline.__name__, *(file.record.__name__ for file in found.files)]))
    try:
        wishes = Wishes(at=_true_at(found, at), overwrite=overwrite, warn_duplicates=warn_duplicates, progress=progress)
        plan = Planner(store, found, staging, wishes).plan(path)
    except BaseException:
        staging.close()
        raise
    if path.is_dir():
        plan.problems += _passed_over(path, found)
    return plan


def _passed_over(folder: Path, mapping: FolderMapping) -> tuple[Problem, ...]:
    """Tell of tables in a folder that are not mapped."""
    mapped = {folder / file.path for file in mapping.files}
    names = [each.name for each in sorted(folder.iterdir()) if is_table(each) and each not in mapped]
    if not names:
        return ()
    message = f"files that are not imported, because nothing says what their columns mean: {', '.join(names)}"
    return (Problem(kind="information", where=folder.name, message=message),)


def _order(file: FileMapping) -> tuple[Any, ...]:
    place = next((n for n, cls in enumerate(RECORDS) if issubclass(file.record, cls)), len(RECORDS))
    return place, file.record.__name__, file.optional, file.path, file.key


def _true_at(mapping: FolderMapping, at: datetime | None) -> datetime | None:
    if mapping.exported_on is None:
        return at
    day: date = mapping.exported_on + timedelta(days=1)
    end = datetime.combine(day, time(), ZoneInfo(mapping.time_zone)).astimezone(UTC)
    return end if at is None else min(end, at)


def _found_mapping(
    store: Store, path: Path, mapping: FolderMapping | Path | str | None, stated: Mapping[str, Any]
) -> FolderMapping:
    folder = path if path.is_dir() else path.parent
    if isinstance(mapping, FolderMapping):
        if stated:
            raise InvalidInput(f"the mapping is made already; state {', '.join(stated)} where it is made")
        found = mapping
    elif mapping is not None or (folder / NAME).is_file():
        extra = [cls for cls in store.classes if cls not in RECORDS]
        pipelines = store.every(Pipeline) if Pipeline in store.classes else ()
        written = folder / NAME if mapping is None else mapping
        found = read_mapping(written, records=extra, pipelines=pipelines, **stated)
    else:
        found = _recognised(path, stated)
    return found if path.is_dir() else _of_file(found, path)


def _recognised(path: Path, stated: Mapping[str, Any]) -> FolderMapping:
    found = mapping_for(path, **stated)
    if found is not None:
        return found
    beside = (path if path.is_dir() else path.parent) / NAME
    raise ImportFailed(
        f"{path}: nothing says what the columns mean; 'crmkit import {quote(str(path))} --suggest > {quote(str(beside))}' writes a mapping for a "
        "start, to be looked through"
    )


def _of_file(mapping: FolderMapping, path: Path) -> FolderMapping:
    """The part of a mapping that is about one file; a mapping of one file is about any, such as the export of another month."""
    files = [file for file in mapping.files if Path(file.path).name in (path.name, original_name(path.name))]
    if not files and len({file.path for file in mapping.files}) == 1:
        files = list(mapping.files)
    if not files:
        known = list(dict.fromkeys(file.path for file in mapping.files))
        raise ImportFailed(f"{path.name} is not in the mapping; {choices(path.name, known)}")
    return attrs.evolve(mapping, files=tuple(attrs.evolve(file, path=path.name) for file in files))
