"""Where the header of a table is, and a name of its own for every column."""

from collections.abc import Sequence


def header_position(rows: Sequence[Sequence[object]]) -> int:
    """Return the index of the first row that fills more than half as many cells as the fullest one does.

    What stands above the header, such as a title and the date of the export, fills few cells.

    >>> header_position([["Contacts", "", ""], [], ["Name", "E-mail", "Phone"], ["Ann", "", ""]])
    2
    """
    filled = [sum(cell is not None and str(cell).strip() != "" for cell in row) for row in rows]
    return next((index for index, count in enumerate(filled) if count and count * 2 > max(filled)), 0)


def column_names(cells: Sequence[object]) -> tuple[str, ...]:
    """Return the names in a header, without white space around them, each once.

    >>> column_names(["Name", "E-mail", " E-mail ", None])
    ('Name', 'E-mail', 'E-mail (2)', 'Column 4')
    """
    names: dict[str, None] = {}
    given = {str(cell).strip() for cell in cells if cell is not None}
    for position, cell in enumerate(cells, start=1):
        name = "" if cell is None else str(cell).strip()
        wanted = name or f"Column {position}"
        unique, count = wanted, 1
        while unique in names or (unique != name and unique in given):
            count += 1
            unique = f"{wanted} ({count})"
        names[unique] = None
    return tuple(names)
