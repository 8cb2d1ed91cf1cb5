"""Exports as a mapping: one file, or all that stand in a folder."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Any

import attrs

from crmkit.errors import ImportFailed
from crmkit.io import formats
from crmkit.io.mapping.fields import cell_text
from crmkit.io.mapping.files import FolderMapping, folder_mapping
from crmkit.io.mapping.stage_names import category_named
from crmkit.io.presets.columns import plain
from crmkit.io.presets.preset import Preset
from crmkit.io.presets.recognition import columns_of, recognise

_TABLES = ("csv", "tsv", "excel", "json_lines", "json", "parquet", "vcard")
_ENDINGS = frozenset(ending for name in _TABLES for ending in formats.by_name(name).endings)
_CATEGORIES = ("open", "won", "lost")


@attrs.frozen(kw_only=True)
class _Export:
    """A file that was recognised."""

    path: Path
    preset: Preset
    columns: tuple[str, ...]


def words_for(
    path: Path | str, *, beside: Iterable[str] = (), exported_on: date | None = None, **stated: Any
) -> dict[str, Any] | None:
    r"""Return the words of a mapping file for an export, or for all exports in a folder; None where none is recognised.

    The words can be written to `crmkit.toml` and changed there. Deals get their pipelines from the file: the usual stages of
    the system, and where it names others, those, won or lost if they say so.

    Args:
        path: a file, or a folder. In a folder files that are not recognised are passed over.
        beside: the tables that were imported before, such as "companies", so that what stands in them is linked by its id.
        exported_on: the day of the export, as in `Preset.files`.
        stated: other words of the top of a mapping file, such as `currency`, `time_zone` and `dates`, or `pipelines` instead of
            those that follow from the files.

    Raises:
        ImportFailed: for a file that cannot be read, and for a folder with the exports of two systems.

    >>> import tempfile, pathlib
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "contacts.csv"
    >>> _ = path.write_text("Record ID,First Name,Last Name,Email,Lifecycle Stage\n7,Ann,Lee,ann@example.com,lead\n")
    >>> words = words_for(path)
    >>> words["source"], [(each["record"], each["custom"]) for each in words["files"]]
    ('hubspot', [('Customer', ['Lifecycle Stage'])])
    """
    exports = list(_exports(Path(path)))
    if not exports:
        return None
    names = list(dict.fromkeys(export.preset.name for export in exports))
    if len(names) > 1:
        raise ImportFailed(
            f"{path}: holds exports of {' and '.join(names)}; put those of each system into a folder of its own"
        )
    beside = [*beside, *(export.preset.table for export in exports)]
    files: list[dict[str, Any]] = []
    pipelines: dict[str, dict[str, Any]] = {}
    for export in exports:
        made = export.preset.files(export.path.name, export.columns, beside=beside, exported_on=exported_on)
        files += made
        for deals in (each for each in made if each["record"] == "Deal"):
            own = {each["id"]: each for each in _pipelines(export, deals["fields"])}
            _spell_as_in(own.values(), deals.get("entries", {}))
            pipelines |= own
    day = {"exported_on": exported_on} if exported_on else {}
    return {
        "source": names[0],
        **day,
        **({"pipelines": list(pipelines.values())} if pipelines else {}),
        "files": files,
        **stated,
    }


def mapping_for(
    path: Path | str, *, beside: Iterable[str] = (), exported_on: date | None = None, **stated: Any
) -> FolderMapping | None:
    """Return the mapping of an export, or of all exports in a folder, for `plan_import`; None where none is recognised.

    Args:
        path, beside, exported_on, stated: as in `words_for`.

    Raises:
        ImportFailed: as `words_for`, and for amounts without a currency: state one, as currency="PLN".
    """
    words = words_for(path, beside=beside, exported_on=exported_on, **stated)
    return None if words is None else folder_mapping(place=f"the preset {words['source']!r}", **words)


def _exports(path: Path) -> Iterator[_Export]:
    for each in sorted(filter(is_table, path.iterdir())) if path.is_dir() else [path]:
        columns = columns_of(each)
        preset = recognise(columns)
        if preset is not None:
            yield _Export(path=each, preset=preset, columns=columns)


def is_table(path: Path) -> bool:
    """Return whether a file has the name of a table and is none that a spreadsheet program puts beside one that it has open."""
    return path.suffix.lower() in _ENDINGS and not path.name.startswith((".", "~$"))


def _pipelines(export: _Export, fields: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The pipelines that the deals of a file are in."""
    pipeline, stage = fields["pipeline_id"], fields["stage"]
    stated = pipeline["value"] if isinstance(pipeline, dict) else ""
    labels: dict[str, set[str]] = {stated: set()}
    for row in formats.for_path(export.path).read(export.path):
        name = stated or cell_text(row.values.get(pipeline))
        label = cell_text(row.values.get(stage)) if isinstance(stage, str) else ""
        labels.setdefault(name, set()).add(label)
    for name in sorted(filter(None, labels)):
        yield {
            "id": name,
            "name": name,
            "learns": True,
            "stages": _stages(export.preset, sorted(filter(None, labels[name]))),
        }


def _stages(preset: Preset, labels: Iterable[str]) -> list[dict[str, Any]]:
    """The usual stages, spelled as in the file; or where it names others those, and of the usual ones a won and a lost one if need be."""
    usual = {plain(label): (label, category, chance) for label, category, chance in preset.stages}
    found: dict[str, str] = {}
    for label in labels:
        short = _without_pipeline(label)
        found[short if short in usual and short not in found else plain(label)] = label
    own = [(label, category_named(label), None) for key, label in found.items() if key not in usual]
    closing = {category for _, category, _ in own} & {"won", "lost"}
    kept = [
        (found.get(key, label), category, chance)
        for key, (label, category, chance) in usual.items()
        if key in found or not own or category not in {"open", *closing}
    ]
    ordered = sorted([*kept, *own], key=lambda stage: _CATEGORIES.index(stage[1]))
    return [
        {"label": label, "category": category, **({} if chance is None else {"probability": chance})}
        for label, category, chance in ordered
    ]


def _spell_as_in(pipelines: Iterable[Mapping[str, Any]], entries: dict[str, str]) -> None:
    """Call the stages that columns are about as the pipelines call them."""
    labels = [stage["label"] for pipeline in pipelines for stage in pipeline["stages"]]
    spelled = {key: label for label in labels for key in (plain(label), _without_pipeline(label))}
    for column, label in entries.items():
        entries[column] = spelled.get(plain(label)) or spelled.get(_without_pipeline(label)) or label


def _without_pipeline(label: str) -> str:
    """The plain name of a stage; some exports add the pipeline, as in "Closed won (Sales Pipeline)"."""
    return plain(label.rpartition(" (")[0] or label)
