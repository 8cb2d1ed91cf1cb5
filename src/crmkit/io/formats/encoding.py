"""The encoding of a text file."""

import codecs
import re
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from crmkit.io.formats.files import LONGEST_LINE, failed, need

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_NO_CHARSETS = ("unicode-escape", "raw-unicode-escape", "idna", "punycode", "mbcs", "oem", "undefined")
_HEAD = 4096
_LETTERS = 65_536
# What exports of office programs are written in. Without a list, short texts are taken for rarities such as cp037.
_CANDIDATES = [
    "cp1252", "cp1250", "cp1251", "cp1253", "cp1254", "cp1255", "cp1256", "cp1257", "cp1258", "cp874", "iso8859_2", "koi8_r", "cp852",
    "cp850", "gb18030", "big5", "shift_jis", "euc_jp", "euc_kr", "mac_roman",
]  # fmt: skip
_USUAL = ("cp1252", "cp1250")
# Below "0" and between "9" and "@" there is no second byte of a letter in any of them.
_BETWEEN_WORDS = re.compile(rb"[\x00-\x2f\x3a-\x3f]+")
# The letters beyond ASCII of languages in Latin script: German, Nordic, French, Spanish, Portuguese, Italian, Dutch, Polish, Czech, Slovak,
# Hungarian, Romanian, Croatian and Slovene, Turkish, Lithuanian, Latvian, Estonian.
_ALPHABETS = (
    "äöüß", "åäöæøéðþáíóúý", "àâæçéèêëîïôœùûüÿ", "áéíñóúüïçàèò", "ãõáâàçéêíóôúü", "àèéìíòóù", "ëïéöüèê", "ąćęłńóśźż", "áčďéěíňóřšťúůýž",
    "áäčďéíĺľňóôŕšťúýž", "áéíóöőúüű", "ăâîșțşţ", "čćđšž", "çğıöşüiâîû", "ąčęėįšųūž", "āčēģīķļņšūž", "äöõüšž",
)  # fmt: skip


def detect_encoding(path: Path) -> tuple[str, bool]:
    """Return the name of the encoding of a file that can be opened, and whether it was guessed from the letters.

    A byte order mark decides, then the NUL bytes of UTF-16, then whether most lines with other letters than ASCII are UTF-8.
    Only where they are not, charset-normalizer guesses from those lines.

    Raises:
        ImportFailed: for a file that is no text.
        MissingExtra: where it must be guessed and the extra `encoding` is not installed.
    """
    with path.open("rb") as file:
        head = file.read(_HEAD)
        for mark, name in _MARKS:
            if head.startswith(mark):
                return name, False
        if head.count(0) * 20 > len(head):
            return _wide(path, head), False
        file.seek(0)
        good, bad = _lines_with_letters(file)
    if not bad or good >= bad.count(b"\n"):
        return "utf-8", False
    guessed = _guess(bad)
    if guessed is None:
        raise failed(path, "its encoding is not certain; name it, such as 'cp1252', or save the file as UTF-8")
    return guessed, True


def _guess(lines: bytes) -> str | None:
    """The encoding in which the words with other letters than ASCII are likeliest words, None where there is none.

    charset-normalizer tells which are possible. Of these the first is taken in which fewest letters are strange to one language.
    """
    words = b"\n".join(dict.fromkeys(word for word in _BETWEEN_WORDS.split(lines) if not word.isascii()))
    matches = need("charset_normalizer", "encoding").from_bytes(words, cp_isolation=_CANDIDATES)
    possible = dict.fromkeys(str(name) for each in matches for name in (each.encoding, *each.could_be_from_charset))
    ranked = dict.fromkeys([*(name for name in _USUAL if name in possible), *possible])
    return min(ranked, key=lambda name: _strangers(words.decode(name)), default=None)


def _strangers(text: str) -> int:
    """How many characters beyond ASCII are no letters, or are no letters of the language that has most of them."""
    letters = [each for each in text if not each.isascii() and unicodedata.category(each)[0] in "LM"]
    latin = [each.lower()[0] for each in letters if unicodedata.name(each, "").startswith("LATIN")]
    foreign = min(sum(each not in alphabet for each in latin) for alphabet in _ALPHABETS)
    return sum(not each.isascii() for each in text) - len(letters) + foreign


def decode(content: bytes, charset: str) -> str:
    r"""Return bytes as text in the charset that somebody else's file names; raise UnicodeError for what does not fit, and for
    no charset of text.

    >>> decode(b"Z\xfcrich", "iso-8859-1")
    'Zürich'
    """
    try:
        codec = codecs.lookup(charset).name
    except (LookupError, ValueError):
        codec = ""
    if not codec or codec in _NO_CHARSETS:
        raise UnicodeError
    try:
        return content.decode(codec)
    except LookupError:  # a codec from bytes to bytes
        raise UnicodeError from None


def _wide(path: Path, head: bytes) -> str:
    """UTF-16 without a mark, of which every other byte of Latin text is NUL."""
    even, odd = head[::2].count(0), head[1::2].count(0)
    name = "utf-16-le" if odd > even else "utf-16-be"
    try:
        text = head[: len(head) // 2 * 2].decode(name, "strict" if len(head) < _HEAD else "ignore")
    except UnicodeError:
        text = "\0"
    if "\0" in text or abs(even - odd) * 3 < len(head):
        raise failed(path, "holds NUL bytes, so this is no text file; save the table as CSV")
    return name


def _lines_with_letters(file: BinaryIO) -> tuple[int, bytes]:
    """How many lines hold letters beyond ASCII as UTF-8, and the beginning of those that do so otherwise."""
    good, bad = 0, bytearray()
    for line in _lines(file):
        if line.isascii():
            continue
        try:
            line.decode()
        except UnicodeDecodeError:
            bad += line[: _LETTERS - len(bad)].removesuffix(b"\n") + b"\n"
            if len(bad) > _LETTERS:
                break
        else:
            good += 1
    return good, bytes(bad)


def _lines(file: BinaryIO) -> Iterator[bytes]:
    while line := file.readline(LONGEST_LINE):
        yield line
