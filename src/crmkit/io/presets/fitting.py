"""The words of a preset, fitted to the columns that a file has."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from typing import Any

import attrs

from crmkit.io.presets.columns import Columns
from crmkit.model import RECORDS, fields

Words = Mapping[str, Any]
"""A table of the mapping file as a plain mapping."""

KEY_JOIN = " | "
"""What stands between the parts of a key that several columns make, and so in what links to it."""

_POINTS = "contact_points"
_ONE = frozenset({"column", "currency_column", "city", "region", "postcode", "country"})
_SEVERAL = frozenset({"columns", "otherwise", "lines"})
_NEEDED = {cls.__name__: [info.name for info in fields(cls) if info.required] for cls in RECORDS}


@attrs.frozen(kw_only=True)
class Setting:
    """What a preset is fitted to: the columns of a file, the other exports that come with it, the day of the export."""

    columns: Columns
    beside: frozenset[str] = frozenset()
    exported_on: date | None = None


def fitted(records: Iterable[Words], setting: Setting) -> list[dict[str, Any]]:
    """Return the tables of a preset that a file has the columns for, with the names that the columns have there.

    Those that only make what others link to, "for_links", are left out where nothing does.
    """
    tables = [made for words in records if (made := _table(words, setting))]
    linked = {prefix for table in tables for prefix in _prefixes(table["fields"].values())}
    return [table for table in tables if not table.pop("for_links", False) or table["key_prefix"] in linked]


def columns_in(table: Words) -> Iterator[str]:
    """Yield the columns that a table names, also before it is fitted."""
    yield from _named([table["key"], *table["fields"].values(), *table.get("only", ())])


def _named(words: object) -> Iterator[str]:
    if isinstance(words, str):
        yield words
    elif isinstance(words, list | tuple):
        for each in words:
            yield from _named(each)
    elif isinstance(words, dict):
        yield from _named([each for name, each in words.items() if name in _ONE | _SEVERAL])


def _table(words: Words, setting: Setting) -> dict[str, Any] | None:
    given = {name: made for name, source in words["fields"].items() if (made := _field(name, source, setting))}
    key = _key(words["key"], setting.columns)
    only = {setting.columns.find(column): texts for column, texts in words.get("only", {}).items()}
    if not key or None in only or any(name not in given for name in _NEEDED[words["record"]]):
        return None
    return {**words, "key": key if len(key) > 1 else key[0], "fields": given, **({"only": only} if only else {})}


def _key(key: Any, columns: Columns) -> list[str]:
    """The columns of a key: one; those of a list that are there, if the first is; or of a tuple the first key that is there."""
    if isinstance(key, tuple):
        return next(filter(None, (_key(each, columns) for each in key)), [])
    names = [key] if isinstance(key, str) else key
    return columns.find_all(names) if columns.find(names[0]) else []


def _field(name: str, source: Any, setting: Setting) -> Any:
    if name == _POINTS:
        return [point for each in source if (point := _point(each, setting.columns))]
    if isinstance(source, tuple):
        return next(filter(None, (_field(name, each, setting) for each in source)), None)
    if isinstance(source, str | list):
        found = _key(source, setting.columns)
        return {"columns": found, "join": KEY_JOIN} if len(found) > 1 else next(iter(found), None)
    return _source(source, setting)


def _source(source: Words, setting: Setting) -> dict[str, Any] | None:
    if source.get("needs") not in (None, *setting.beside) or not setting.columns.has(source.get("with")):
        return None
    if "exported_on" in source:
        return {"value": setting.exported_on.isoformat()} if setting.exported_on else None
    made = _with_columns(source, setting.columns)
    for name in ("needs", "with"):
        made.pop(name, None)
    if "columns" not in made and "column" not in made and "otherwise" in made:
        made["column"], *made["otherwise"] = made["otherwise"]
    return made if made.keys() & {"value", "column", "columns"} else None


def _point(source: Words, columns: Columns) -> dict[str, Any] | None:
    made = _with_columns(source, columns)
    return made if made.keys() & (_ONE | _SEVERAL) else None


def _with_columns(source: Words, columns: Columns) -> dict[str, Any]:
    """The words with the columns that are there, and without those that are not."""
    one = {name: columns.find(each) if name in _ONE else each for name, each in source.items() if name not in _SEVERAL}
    several = {name: columns.find_all(each) for name, each in source.items() if name in _SEVERAL}
    return {name: each for name, each in {**one, **several}.items() if each not in (None, [])}


def _prefixes(sources: Iterable[Any]) -> Iterator[str]:
    return (each["prefix"] for each in sources if isinstance(each, dict) and "prefix" in each)
