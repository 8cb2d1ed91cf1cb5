"""Which export a file is."""

from collections.abc import Iterable
from pathlib import Path

from crmkit.errors import InvalidInput, choices
from crmkit.io import formats
from crmkit.io.presets import google, hubspot, jobber, mailchimp, outlook, pipedrive, salesforce, vcard, zoho
from crmkit.io.presets.preset import Preset

PRESETS: tuple[Preset, ...] = (
    *hubspot.PRESETS,
    *salesforce.PRESETS,
    *pipedrive.PRESETS,
    *zoho.PRESETS,
    *google.PRESETS,
    *outlook.PRESETS,
    *mailchimp.PRESETS,
    *jobber.PRESETS,
    *vcard.PRESETS,
)
"""All presets."""


def recognise(source: Path | str | Iterable[str]) -> Preset | None:
    """Return the preset of an export, or None for a file that no system of `PRESETS` is known to write.

    A preset fits that finds the columns by which its export differs from others. Of several the one that knows most columns
    of the file is taken, and none where two systems know the same number of them.

    Args:
        source: the path of a file of any format in `crmkit.io.formats`, or the columns of a file.

    Raises:
        ImportFailed: for a file that cannot be read.
        InvalidInput: for something else than a path or the names of columns.

    >>> recognise(["Record ID", "First Name", "Last Name", "Email", "Lifecycle Stage"]).title
    'HubSpot contacts'
    >>> recognise(["Email", "Name"])
    """
    columns = columns_of(source) if isinstance(source, str | Path) else _checked(source)
    known = {preset: preset.known(columns) for preset in PRESETS if preset.fits(columns)}
    best = [preset for preset, count in known.items() if count == max(known.values())]
    return best[0] if len({preset.name for preset in best}) == 1 else None


def by_name(name: str, table: str | None = None) -> Preset:
    """Return the preset of a system and one of its exports, which may be left out where the system has one.

    Raises:
        InvalidInput: for another name or table; the message lists all.

    >>> by_name("hubspot", "deals").title
    'HubSpot deals'
    """
    tables = {preset.table: preset for preset in reversed(PRESETS) if preset.name == name}
    if not tables:
        names = dict.fromkeys(preset.name for preset in PRESETS)
        raise InvalidInput(f"there is no preset {name!r}; {choices(name, names)}")
    if table is None and len(tables) == 1:
        return next(iter(tables.values()))
    if table not in tables:
        fault = "has several tables, give one" if table is None else f"has no table {table!r}"
        raise InvalidInput(f"the preset {name!r} {fault}; {choices(table or '', reversed(tables))}")
    return tables[table]


def columns_of(path: Path | str) -> tuple[str, ...]:
    """Return the columns of a file of any format; raise `ImportFailed` for one that cannot be read."""
    return formats.for_path(path).columns(path)


def _checked(columns: Iterable[str]) -> tuple[str, ...]:
    names = tuple(columns) if isinstance(columns, Iterable) else (columns,)
    if not all(isinstance(name, str) for name in names):
        raise InvalidInput("a file is recognised by its path or by the names of its columns; give one of these")
    return names
