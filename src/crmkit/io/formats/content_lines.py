"""What vCard and iCalendar share: components between BEGIN and END, folded lines, properties with parameters (RFC 6350, RFC 5545)."""

import quopri
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

import attrs

from crmkit.io.formats.encoding import decode, detect_encoding
from crmkit.io.formats.files import LONGEST_LINE, failed, reading

MOST_LETTERS = 16 * 2**20
"""How large a component may be; photos are the largest that they hold."""

_FOLD = re.compile("\n([ \t])")
_QUOTED_HEAD = re.compile(r'((?:[^":]|"[^"]*")*):', re.DOTALL)
_PARAMETER = re.compile(r'((?:[^";]|"[^"]*")*);?', re.DOTALL)
_NO_TEXT = re.compile("[\ud800-\udfff\0]")
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_SEPARATORS = {";": re.compile(r"((?:[^;\\]|\\.)*);?", re.DOTALL), ",": re.compile(r"((?:[^,\\]|\\.)*),?", re.DOTALL)}
_ENCODINGS = ("QUOTED-PRINTABLE", "BASE64", "8BIT", "7BIT")
_CACHED = 200
_LINE = 75


@attrs.define
class Component:
    """The text between BEGIN and END, the line of BEGIN, and what is wrong with it."""

    line: int
    text: str
    fault: str | None = None


@attrs.frozen
class Head:
    """What stands before the colon of a property; heads repeat from card to card, so all that is asked of one is worked out once.

    `types` says what the property is for. `encoded` is "Q" for quoted-printable, "B" for any binary encoding, otherwise empty.
    """

    group: str
    name: str
    parameters: Mapping[str, Sequence[str]]
    types: str
    encoded: str

    def parameter(self, name: str) -> str:
        """Return the first value of a parameter, or nothing."""
        return self.parameters.get(name, ("",))[0]


def components(path: Path, name: str, kind: str, *, strays: bool) -> Iterator[Component]:
    """Yield the components of a name in order; nested ones of other names are passed over.

    A component that is not closed, is too large or holds bytes that are no text has a fault. With `strays`, so do lines outside.

    Raises `ImportFailed` for a file that cannot be opened or holds no such component.
    """
    found = False
    with reading(path, kind):
        encoding, _ = detect_encoding(path)
        try:
            with path.open(encoding=encoding, errors="surrogateescape") as file:
                before = []
                for component in _components(iter(lambda: file.readline(LONGEST_LINE), ""), name, strays=strays):
                    if not (found or component.text):
                        before.append(component)
                        continue
                    if not found:
                        yield from before
                    found = True
                    if (not component.text.isascii() or "\0" in component.text) and _NO_TEXT.search(component.text):
                        component.text = _decoded(component.text, encoding)
                    yield component
        except UnicodeError:
            raise failed(path, f"is no text in the encoding {encoding!r}; give {kind}") from None
    if not found:
        raise failed(path, f"holds no {name}; give {kind}")


def _components(lines: Iterable[str], name: str, *, strays: bool) -> Iterator[Component]:
    begin, end = f"BEGIN:{name}", f"END:{name}"
    open_one: _Open | None = None
    stray = False
    for number, line in enumerate(lines, start=1):
        word = line[:40].strip("\ufeff \t\r\n").upper() if line[:1] in "BbEe\ufeff" else ""
        if open_one is None:
            if word == begin:
                open_one, stray = _Open(number), False
            elif strays and not stray and line.strip():
                stray = True
                yield Component(number, "", f"is outside of a {name}")
        elif open_one.depth:
            open_one.depth += word.startswith("BEGIN:") - word.startswith("END:")
        elif word == end:
            yield open_one.component()
            open_one = None
        elif word == begin and not open_one.names_agent():
            yield open_one.component(f"is not closed by {end}")
            open_one = _Open(number)
        elif word.startswith("BEGIN:"):
            open_one.depth = 1
        else:
            open_one.keep(line)
    if open_one is not None:
        yield open_one.component(f"is not closed by {end}")


@attrs.define
class _Open:
    """A component that has begun, its lines so far, and how deep the reading is in components inside of it."""

    first: int
    lines: list[str] = attrs.field(factory=list)
    size: int = 0
    depth: int = 0

    def keep(self, line: str) -> None:
        self.size += len(line)
        if self.size <= MOST_LETTERS:
            self.lines.append(line)

    def names_agent(self) -> bool:
        """Whether the card of an agent comes next, as vCard 2.1 writes it."""
        return bool(self.lines) and self.lines[-1].upper().startswith("AGENT")

    def component(self, fault: str | None = None) -> Component:
        if self.size > MOST_LETTERS:
            fault = f"has more than {MOST_LETTERS:,} characters, of which only the first were read"
        return Component(self.first, "".join(self.lines) or "\n", fault)


def _decoded(text: str, encoding: str) -> str:
    """Bytes of another encoding, which vCard 2.1 allows for single lines, as their parameter says; others as a mark."""
    lines = []
    for line in text.split("\n"):
        charset = re.match(r"[^:]*;CHARSET=([\w-]+)", line, re.IGNORECASE)
        if charset and _NO_TEXT.search(line):
            with suppress(UnicodeError):
                line = decode(line.encode(encoding, "surrogateescape"), charset[1])  # noqa: PLW2901
        lines.append(_NO_TEXT.sub("\N{REPLACEMENT CHARACTER}", line))
    return "\n".join(lines)


def properties(text: str, *, keep_space: bool = False) -> Iterator[tuple[Head, str] | None]:
    """Yield head and value of each line, unfolded; None for a line that is no property.

    With `keep_space` the white space at the fold belongs to the text, as in vCard 2.1. Lines that follow a binary value are
    passed over.
    """
    if "=\n" in text and "QUOTED-PRINTABLE" in text.upper():
        text = "\n".join(_joined(text.split("\n")))
    if "\n " in text or "\n\t" in text:
        text = _FOLD.sub(r"\1" if keep_space else "", text)
    binary = False
    for line in text.split("\n"):
        before, colon, value = line.partition(":")
        if not colon:
            if line and not binary and not line.isspace():
                yield None
            continue
        if '"' in before and before.count('"') % 2:
            whole = _QUOTED_HEAD.match(line)
            if whole:
                before, value = whole[1], line[whole.end() :]
        head = _head(before) if len(before) < _CACHED else _parse_head(before)
        binary = head.encoded == "B"
        if head.encoded == "Q":
            value = _quoted_printable(value, head.parameter("CHARSET"))
        yield head, "" if binary else value


def _joined(lines: list[str]) -> Iterator[str]:
    """Lines of quoted-printable with those that follow a soft break at their end."""
    parts: list[str] = []
    for line in lines:
        parts.append(line)
        going_on = len(parts) > 1 or "QUOTED-PRINTABLE" in line.partition(":")[0].upper()
        if going_on and line.endswith("="):
            parts[-1] = line[:-1]
        else:
            yield "".join(parts)
            parts = []
    yield "".join(parts)


def _quoted_printable(value: str, charset: str) -> str:
    content = quopri.decodestring(value.encode("utf-8", "surrogatepass"))
    try:
        text = decode(content, charset or "utf-8")
    except UnicodeError:
        # Old programs name no charset where they mean the one of Windows.
        text = content.decode("utf-8" if charset else "cp1252", "replace")
    return text.replace("\r\n", "\n").replace("\0", "\N{REPLACEMENT CHARACTER}")


def _parse_head(before: str) -> Head:
    name, semicolon, rest = before.partition(";")
    group, _, name = name.rpartition(".")
    parameters: dict[str, list[str]] = {}
    if semicolon:
        for part in _PARAMETER.findall(rest) if '"' in rest else rest.split(";"):
            if part:
                key, equals, value = part.partition("=")
                key, value = (key.strip().upper(), value) if equals else ("", key)
                values = (each.strip() for each in value.replace('"', "").split(","))
                parameters.setdefault(key, []).extend(values)
    bare = parameters.get("", ())  # vCard 2.1 leaves out the names of parameters
    encoding = " ".join((*parameters.get("ENCODING", ()), *bare)).upper()
    encoded = "Q" if "QUOTED-PRINTABLE" in encoding else "B" if "BASE64" in encoding or encoding == "B" else ""
    types = [*(each for each in bare if each.upper() not in _ENCODINGS), *parameters.get("TYPE", ())]
    if parameters.get("PREF") == ["1"]:
        types.append("pref")
    purpose = ", ".join(dict.fromkeys(each.lower() for each in types if each))
    return Head(group.strip().lower(), name.strip().upper(), parameters, purpose, encoded)


_head = lru_cache(maxsize=1024)(_parse_head)


def unescape(value: str) -> str:
    r"""Return the text that a value stands for.

    >>> unescape(r"a\, b\nc")
    'a, b\nc'
    """
    return _ESCAPED.sub(_letter, value) if "\\" in value else value


def _letter(found: re.Match[str]) -> str:
    return "\n" if found[1] in "nN" else found[1]


def split(value: str, separator: str = ";") -> list[str]:
    r"""Return the parts of a structured value, still with their escapes.

    >>> split(r"a\;b;c")
    ['a\\;b', 'c']
    """
    if "\\" not in value:
        return value.split(separator)
    parts = _SEPARATORS[separator].findall(value)
    return parts[:-1] if parts[-1] == "" and not value.endswith(separator) else parts


def escape(text: str, marks: str = "\\;,") -> str:
    r"""Return text as a value holds it.

    >>> escape("a, b\nc")
    'a\\, b\\nc'
    """
    for mark in marks:
        text = text.replace(mark, f"\\{mark}")
    return text.replace("\r\n", "\n").replace("\r", "\n").replace("\n", "\\n")


def fold(line: str) -> str:
    """Return a line of a file as lines of at most 75 bytes, as both standards ask.

    >>> [len(part) for part in fold("é" * 50).splitlines()]
    [37, 14]
    """
    if len(line.encode()) <= _LINE:
        return line + "\r\n"
    parts, size = [""], 0
    for letter in line:
        size += len(letter.encode())
        if size > _LINE:
            parts.append(" ")
            size = 1 + len(letter.encode())
        parts[-1] += letter
    return "\r\n".join(parts) + "\r\n"
