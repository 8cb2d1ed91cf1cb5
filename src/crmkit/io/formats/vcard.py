r"""Address books as vCards 2.1, 3.0 and 4.0 (RFC 2426, RFC 6350).

Each card is a row, and each property a column named as in the card: `FN`, `EMAIL`, and where it is repeated `EMAIL 2`. What it
is for stands in `EMAIL type`, the parts of a name and an address in columns such as `N family` and `ADR 2 city`. Pictures,
sounds and other binary values are passed over, and so is the card of an agent inside of another one.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from crmkit.errors import InvalidInput
from crmkit.io.formats.content_lines import Component, Head, components, escape, fold, properties, split, unescape
from crmkit.io.formats.files import cells, check_columns, plain, replacing
from crmkit.io.formats.row import Row

_KIND = "a file with vCards"
_PARTS = {
    "N": ("family", "given", "additional", "prefix", "suffix"),
    "ADR": ("po box", "extended", "street", "city", "region", "postal code", "country"),
    "ORG": ("", "unit", "second unit", "third unit"),
}
_BINARY = frozenset({"PHOTO", "LOGO", "SOUND", "KEY", "AGENT"})
_SCHEMES = ("tel:", "mailto:")
_LABEL = re.compile(r"_\$!<(.*)>!\$_")
_COLUMN = re.compile(r"([A-Z0-9-]+)(?: ([2-9]|[1-9][0-9]{1,2}))?(?: ([a-z ]+))?")
_PLAIN_TYPES = re.compile(r"[\w-]+( ?, ?[\w-]+)*")


def columns(path: Path | str) -> tuple[str, ...]:
    """Return the columns of all cards of the file, in the order in which they first stand there.

    Raises `ImportFailed` as `read` does.
    """
    return tuple(dict.fromkeys(name for row in read(path) for name in row.values))


def read(path: Path | str) -> Iterator[Row]:
    r"""Yield the cards as rows of text, in order, with the line on which each begins. Empty properties are left out.

    The encoding is UTF-8 or found out; quoted-printable and the encodings that single lines name are read. Types and the labels
    of Apple's groups are in small letters, preferred ones with "pref"; `tel:` and `mailto:` are taken off. A card comes with a
    fault where a line is no property, it is not closed, has more than 16 million characters or bytes that are no text; and so
    does text outside of cards.

    Raises:
        ImportFailed: for a file that cannot be opened or holds no card.
        MissingExtra: where the encoding must be guessed and the extra `encoding` is not installed.

    Source: <https://www.rfc-editor.org/rfc/rfc6350>, <https://www.rfc-editor.org/rfc/rfc2426>

    >>> import tempfile, pathlib
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "ann.vcf"
    >>> _ = path.write_text("BEGIN:VCARD\nVERSION:3.0\nN:Lee;Ann;;;\nTEL;TYPE=CELL:1\nTEL:2\nEND:VCARD\n")
    >>> [dict(row.values) for row in read(path)]
    [{'VERSION': '3.0', 'N family': 'Lee', 'N given': 'Ann', 'TEL': '1', 'TEL type': 'cell', 'TEL 2': '2'}]
    """
    for component in components(Path(path), "VCARD", _KIND, strays=True):
        yield _row(component)


def _row(card: Component) -> Row:
    old = "VERSION:2.1" in card.text[:1000].upper()
    values: dict[str, str] = {}
    counts: dict[str, int] = {}
    grouped: dict[str, str] = {}
    labels: dict[str, str] = {}
    fault = card.fault
    for found in properties(card.text, keep_space=old):
        if found is None:
            fault = fault or "holds a line that is no property; each is written as NAME:value"
            continue
        head, value = found
        name = head.name
        if not value or name in _BINARY:
            continue
        if "\N{REPLACEMENT CHARACTER}" in value:
            fault = fault or "holds bytes that are no text in the encoding that they should have"
        if name == "X-ABLABEL":
            labels[head.group] = _LABEL.sub(r"\1", unescape(value)).lower()
            continue
        count = counts[name] = counts.get(name, 0) + 1
        column = name if count == 1 else f"{name} {count}"
        _fill(values, column, head, value, old=old)
        if head.types:
            values[f"{column} type"] = head.types
        if head.group:
            grouped[head.group] = column
    for group, label in labels.items():
        if group in grouped:
            values.setdefault(f"{grouped[group]} type", label)
    return Row(card.line, values, fault)


def _fill(values: dict[str, str], column: str, head: Head, value: str, *, old: bool) -> None:
    parts = _PARTS.get(head.name)
    if parts:
        for part, text in zip(parts, split(value), strict=False):
            if text and (clean := _clean(text, old=old)):
                values[f"{column} {part}" if part else column] = clean
    elif clean := _clean(value, old=old):
        if ":" in clean and clean[:7].lower().startswith(_SCHEMES):
            clean = clean.partition(":")[2]
        values[column] = clean


def _clean(value: str, *, old: bool) -> str:
    if "\\" in value:
        value = value.replace("\\;", ";") if old else unescape(value)
    return value.strip()


def write(path: Path | str, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
    r"""Write cards of version 3.0, which every address book reads, whole or not at all: a failure leaves what was there before.

    Args:
        path: the file, which is replaced.
        columns: names as `read` gives them; `VERSION` is passed over.
        rows: for each card its cells. Without `FN`, which a card must have, it is the name, the organization or the address.

    Raises:
        InvalidInput: for blank or repeated columns or one with another name, a cell of no column, a value that is neither text
            nor number, flag or date, a card without any name, and a path that cannot be written.

    >>> import tempfile, pathlib
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "ann.vcf"
    >>> write(path, ["FN", "EMAIL", "EMAIL type"], [{"FN": "Ann Lee", "EMAIL": "ann@example.com", "EMAIL type": "work"}])
    >>> path.read_text().splitlines()
    ['BEGIN:VCARD', 'VERSION:3.0', 'FN:Ann Lee', 'N:;;;;', 'EMAIL;TYPE=work:ann@example.com', 'END:VCARD']
    """
    check_columns(columns)
    for name in columns:
        if not _COLUMN.fullmatch(name):
            raise InvalidInput(
                f"{name!r} is no column of vCards; give names such as 'FN', 'EMAIL 2', 'TEL type' and 'N family'"
            )
    with replacing(path) as part, part.open("w", encoding="utf-8", newline="") as file:
        for place, row in enumerate(rows, start=1):
            texts = ("" if cell is None else str(cell) for cell in cells(columns, row, place, plain))
            file.writelines(map(fold, _lines(dict(zip(columns, texts, strict=True)), place)))


def _lines(row: Mapping[str, str], place: int) -> Iterator[str]:
    found: dict[str, dict[str, str]] = {}
    for column, text in row.items():
        match = _COLUMN.fullmatch(column)
        assert match is not None
        if text and match[1] != "VERSION":
            found.setdefault(f"{match[1]} {match[2] or 1}", {})[match[3] or ""] = text
    name = found.pop("N 1", {})
    full = found.pop("FN 1", {}).get("") or _full_name(name, found)
    if not full:
        raise InvalidInput(f"row {place} has no FN, N, ORG or EMAIL; give the card a name")
    yield from ("BEGIN:VCARD", "VERSION:3.0", f"FN:{escape(full)}", f"N:{_structured('N', name)}")
    for key, parts in found.items():
        property_name = key.partition(" ")[0]
        types = parts.pop("type", "")
        if types and not _PLAIN_TYPES.fullmatch(types):
            raise InvalidInput(
                f"row {place}, column {property_name!r}: the type must be words with commas between them"
            )
        value = _structured(property_name, parts) if property_name in _PARTS else escape(parts.get("", ""))
        if any(parts.values()):
            yield f"{property_name}{';TYPE=' if types else ''}{types.replace(' ', '')}:{value}"
    yield "END:VCARD"


def _structured(name: str, parts: Mapping[str, str]) -> str:
    texts = [escape(parts.get(part, "")) for part in _PARTS[name]]
    while name == "ORG" and texts and not texts[-1]:
        texts.pop()
    return ";".join(texts)


def _full_name(name: Mapping[str, str], found: Mapping[str, Mapping[str, str]]) -> str:
    written = " ".join(name[part] for part in ("prefix", "given", "additional", "family", "suffix") if part in name)
    return written or found.get("ORG 1", {}).get("") or found.get("EMAIL 1", {}).get("") or ""
