"""A preset: what one export of another system means."""

import re
from collections.abc import Iterable
from datetime import date
from typing import Any

import attrs

from crmkit.io.presets.columns import Columns, spelled
from crmkit.io.presets.fitting import Setting, Words, columns_in, fitted

_NO = ["false", "False", "FALSE", "no", "No", "0", ""]


# Two presets are never equal, and comparing all their words would take long.
@attrs.frozen(kw_only=True, eq=False)
class Preset:
    """What one export of another system holds, and by which columns it is told from other files.

    `name` is the system, under which the ids of its records are kept, and `table` is which of its exports it is. A file is
    recognised that has all columns of `required` and at least `enough` of `telling`.

    Its rows become `records`, each a table in the words of `[[files]]`, except that a column is given by all the names that it has,
    as in "First Name | FirstName", and of a tuple the first is taken for which the file has the columns; "with" names a column that
    must be there too, and "needs" another export that must be imported with it. Columns that no
    record uses are kept in `custom` of the first one, but those in `left_out`, which follow from others or mean nothing
    elsewhere. Rows with a mark in the column `deleted` become nothing. `stages` are the usual ones of deals: label, category and the
    share that is won; `entered` is how the columns are called that tell when a deal entered a stage, as a regular expression
    with the stage in its group.
    """

    name: str
    table: str
    title: str
    required: tuple[str, ...]
    telling: tuple[str, ...]
    enough: int = 1
    records: tuple[Words, ...] = attrs.field(repr=False)
    left_out: tuple[str, ...] = attrs.field(default=(), repr=False)
    deleted: str = ""
    stages: tuple[tuple[str, str, float | None], ...] = attrs.field(default=(), repr=False)
    entered: str | None = attrs.field(default=None, repr=False)

    def fits(self, columns: Iterable[str]) -> bool:
        """Return whether a file with these columns is such an export, whatever their order and capitals."""
        present = Columns(columns, by=spelled)
        return all(map(present.find, self.required)) and len(present.find_all(self.telling)) >= self.enough

    def known(self, columns: Iterable[str]) -> int:
        """Return how many of the columns of a file the preset knows."""
        present = Columns(columns)
        mapped = [name for table in self.records for name in columns_in(table)]
        return len(present.find_all([*self.required, *self.telling, *self.left_out, self.deleted, *mapped]))

    def files(
        self, path: str, columns: Iterable[str], *, beside: Iterable[str] = (), exported_on: date | None = None
    ) -> list[dict[str, Any]]:
        """Return what the rows of a file become, in the words of `[[files]]`: a table for each record that its columns can make,
        and none for a file of something else.

        Args:
            path: the file, inside its folder.
            columns: the columns that it has.
            beside: the tables of other exports of this system that are imported with it. What stands in them is linked by its
                id; without them organizations are made from their names.
            exported_on: the day of the export. Opt-outs whose date the file does not tell are withdrawn on that day; without
                it they are kept in `custom`.

        >>> from crmkit.io import presets
        >>> made = presets.by_name("outlook").files("people.csv", ["First Name", "E-mail Address", "Shoes"])
        >>> made[0]["key"], made[0]["custom"]
        (['First Name', 'E-mail Address'], ['Shoes'])
        """
        present = Columns(columns)
        tables = fitted(self.records, Setting(columns=present, beside=frozenset(beside), exported_on=exported_on))
        deleted = present.find(self.deleted)
        living = {deleted: _NO} if deleted else {}
        entries = {
            name: found[1] for name in present.names if self.entered and (found := re.fullmatch(self.entered, name))
        }
        used = {column for table in tables for column in columns_in(table)}
        passed_over = {deleted, *entries, *used, *present.find_all(self.left_out)}
        custom = [column for column in present.names if column not in passed_over]
        made = [{"path": path, **table, **_given(only={**table.get("only", {}), **living})} for table in tables]
        return [{**each, **_given(custom=custom, entries=entries)} for each in made[:1]] + made[1:]


def _given(**words: Any) -> dict[str, Any]:
    """The words that say something."""
    return {name: each for name, each in words.items() if each}
