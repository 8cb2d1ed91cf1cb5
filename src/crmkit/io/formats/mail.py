"""E-mail messages: single ones (`.eml`, RFC 5322) and mailboxes (`mbox`, RFC 4155), read with the standard library."""

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.errors import MessageError
from email.header import decode_header
from email.message import Message
from email.utils import getaddresses, parsedate_to_datetime
from html import unescape
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

from crmkit.io.formats.encoding import decode
from crmkit.io.formats.files import LONGEST_LINE, MIB, failed, reading
from crmkit.io.formats.row import Row

FIELDS = ("message_id", "in_reply_to", "from", "from_name", "to", "cc", "at", "subject", "text", "automatic")
"""The columns of a message."""
MOST_BYTES = 64 * MIB
"""How large a message may be, with what is attached to it."""

_KIND = "a message (.eml) or a mailbox (.mbox)"
_BEGIN = re.compile(rb"From \S+ .*\d{4}\s*$")
_QUOTED_BEGIN = re.compile(rb">+From ")
_HEADER = re.compile(
    rb"(?:From|To|Date|Subject|Message-ID|Received|Return-Path|MIME-Version|Delivered-To):", re.IGNORECASE
)
_TAG = re.compile(r"<(/?)([A-Za-z]*)[^<>]*>")
_HIDDEN = ("script", "style", "head", "title")
_BREAKING = ("br", "p", "div", "tr", "li", "h1", "h2", "h3")
_MOST_PARTS = 200
_LONGEST_HEADER = 20_000


def columns(path: Path | str) -> tuple[str, ...]:
    """Return `FIELDS`, which every message has.

    Raises `ImportFailed` as `read` does.
    """
    next(read(path))
    return FIELDS


def read(path: Path | str) -> Iterator[Row]:
    r"""Yield the messages as rows, in order, with the line on which each begins.

    `from` is an address, `to` and `cc` are lists of addresses; `at` is the instant in UTC; `text` is the plain text, or the
    words of the page where there is none; attachments are passed over. `automatic` is True for what a machine sent by itself,
    such as notes of absence and newsletters. What a message does not say is None or empty.

    A message comes with a fault where it has no date, more than 64 MiB, or more than 200 parts; and so does what is no message.

    Raises `ImportFailed` on the first row for a file that cannot be opened or does not begin with a message.

    Source: <https://www.rfc-editor.org/rfc/rfc5322>, <https://www.rfc-editor.org/rfc/rfc4155>,
    <https://www.rfc-editor.org/rfc/rfc3834>

    >>> import tempfile, pathlib
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "hello.eml"
    >>> _ = path.write_text("From: Ann Lee <ann@example.com>\nDate: Tue, 1 Jul 2025 12:00:00 +0200\nSubject: Hello\n\nHow are you?\n")
    >>> row = next(read(path))
    >>> row.values["from"], row.values["at"].isoformat(), row.values["text"]
    ('ann@example.com', '2025-07-01T10:00:00+00:00', 'How are you?')
    """
    path = Path(path)
    with reading(path, _KIND), path.open("rb") as file:
        head = file.read(4096)
        file.seek(0)
        box = _BEGIN.match(head.partition(b"\n")[0]) is not None
        if not box and not any(_HEADER.match(line) for line in head.splitlines()):
            raise failed(path, f"holds no message; give {_KIND}")
        for line, content in _messages(file, box=box):
            yield _row(line, content)


def _messages(file: BinaryIO, *, box: bool) -> Iterator[tuple[int, bytes | None]]:
    """The messages with their lines; None for one that is too large."""
    kept: list[bytes] = []
    first, size, blank = 1, 0, True
    for number, line in enumerate(iter(lambda: file.readline(LONGEST_LINE), b""), start=1):
        if box and blank and line.startswith(b"From ") and _BEGIN.match(line):
            if number > 1:
                yield first, b"".join(kept) if size <= MOST_BYTES else None
            kept, first, size = [], number, 0
        else:
            size += len(line)
            if size <= MOST_BYTES:
                kept.append(line[1:] if box and _QUOTED_BEGIN.match(line) else line)
        blank = not line.strip()
    yield first, b"".join(kept) if size <= MOST_BYTES else None


def _row(line: int, content: bytes | None) -> Row:
    values: dict[str, Any] = dict.fromkeys(FIELDS)
    if content is None:
        return Row(line, values, f"has more than {MOST_BYTES // MIB} MiB; take out what is attached")
    if content.lower().count(b"boundary") > _MOST_PARTS:
        return Row(line, values, f"has more than {_MOST_PARTS} parts; forward it without what is attached")
    try:
        message = message_from_bytes(content, policy=policy.compat32)
        headers = _headers(message)
        values.update(_said(headers))
        values["text"] = _text(message)
    except (MessageError, LookupError, RecursionError, ValueError, TypeError, AttributeError, IndexError):
        return Row(line, values, "cannot be read as a message; save it again from the program that holds it")
    if not headers:
        return Row(line, values, "is no message; a message begins with lines such as From: and Date:")
    return Row(line, values, None if values["at"] else "has no date; give the day when it was sent")


def _headers(message: Message) -> dict[str, str]:
    """The first header of each name, in small letters, of which only the beginning is read where it is endless."""
    found: dict[str, str] = {}
    for name, value in message.raw_items():
        found.setdefault(name.lower(), str(value)[:_LONGEST_HEADER])
    return found


def _said(headers: Mapping[str, str]) -> dict[str, Any]:
    senders = _addresses(headers.get("from", ""))
    return {
        "message_id": _word(headers.get("message-id", "")),
        "in_reply_to": _word(headers.get("in-reply-to", "")),
        "from": senders[0][1] if senders else None,
        "from_name": (senders[0][0] or None) if senders else None,
        "to": [address for _, address in _addresses(headers.get("to", ""))],
        "cc": [address for _, address in _addresses(headers.get("cc", ""))],
        "at": _at(headers.get("date", "")),
        "subject": " ".join(_decoded(headers.get("subject", "")).split()) or None,
        "automatic": headers.get("auto-submitted", "no").strip().lower() != "no"
        or headers.get("precedence", "").strip().lower() in ("bulk", "list", "junk"),
    }


def _word(value: str) -> str | None:
    found = re.search(r"<([^<>]*)>", value)
    return _clean(found[1] if found else value).strip() or None


def _addresses(value: str) -> list[tuple[str, str]]:
    # Names are decoded after the addresses are found, as they may hold commas.
    return [
        (_decoded(name).strip(), _clean(address).strip()) for name, address in getaddresses([value]) if "@" in address
    ]


def _at(value: str) -> datetime | None:
    try:
        found = parsedate_to_datetime(value)
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, TypeError, OverflowError, IndexError):
        return None


def _decoded(value: str) -> str:
    """A header with its encoded words as text."""
    if "=?" not in value:
        return _clean(value)
    parts = []
    for part, charset in decode_header(value):
        parts.append(_clean(part) if isinstance(part, str) else _told(part, charset or "ascii"))
    return "".join(parts)


def _clean(text: str) -> str:
    """Text of a header whose bytes beyond ASCII the parser has kept as surrogates."""
    return text if text.isascii() else _told(text.encode("utf-8", "surrogateescape"), "utf-8")


def _told(content: bytes, charset: str) -> str:
    for name in (charset, "utf-8"):
        try:
            return decode(content, name)
        except UnicodeError:
            continue
    return content.decode("cp1252", "replace")


def _text(message: Message) -> str | None:
    parts = [
        part
        for part in islice(message.walk(), _MOST_PARTS)
        if not part.is_multipart() and part.get_content_disposition() != "attachment"
    ]
    for kind in ("text/plain", "text/html"):
        for part in parts:
            if part.get_content_type() == kind:
                content = part.get_payload(decode=True)
                assert isinstance(content, bytes)
                text = _told(content, part.get_content_charset() or "utf-8").replace("\r\n", "\n").replace("\0", "")
                return (text if kind == "text/plain" else _words(text)).strip() or None
    return None


def _words(page: str) -> str:
    """The words of a page, in time that its length bounds."""
    parts: list[str] = []
    hidden, at = "", 0
    for tag in _TAG.finditer(page):
        name = tag[2].lower()
        if not hidden:
            parts.append(page[at : tag.start()])
            if name in _BREAKING:
                parts.append("\n")
            if name in _HIDDEN and not tag[1]:
                hidden = name
        elif name == hidden and tag[1]:
            hidden = ""
        at = tag.end()
    parts.append("" if hidden else page[at:])
    lines = (" ".join(line.split()) for line in unescape("".join(parts)).splitlines())
    return re.sub("\n{3,}", "\n\n", "\n".join(lines))
