"""What people mean, under the many ways of writing it: the forms in which names, dates and numbers are compared."""

import re
import unicodedata
from datetime import date

# Letters that Unicode does not take apart into a plain one and a mark.
_PLAIN = str.maketrans({"ł": "l", "ø": "o", "đ": "d", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe", "ı": "i", "ħ": "h"})
_MARKS = re.compile("[\u0300-\u036f]")
_LEGAL_FORM = re.compile(
    " (?:ab|ag|as|bv|co ltd|corp|corporation|doo|gmbh|gmbh co kg|inc|incorporated|kft|kg|kk|limited|llc|llp|ltd|nv|oy|oyj|plc|pte ltd|"
    "pty ltd|sa|sarl|sas|sl|sp j|sp k|sp z oo|spz oo|spa|spolka akcyjna|spolka z oo|spolka z ograniczona odpowiedzialnoscia|srl|sro)$"
)
_SHORT = 3
_OUTSIDE = re.compile(r"[\W_]+")
_APOSTROPHES = re.compile(r"['’`´ʼ.]")


def folded(text: str) -> str:
    """Return text without what people leave out: capitals, accents of Latin, Greek and Cyrillic letters, punctuation.

    Nothing is transliterated: a name in Thai and the same name in Latin letters stay different. Marks that are vowels, as
    in Thai and Hindi, are kept.

    >>> folded("  O’Brien-ŁUKASZEWICZ, Zoë "), folded("ｶﾅ"), folded("สมชาย")
    ('obrien lukaszewicz zoe', 'カナ', 'สมชาย')
    """
    plain = _MARKS.sub("", unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", text).casefold()))
    letters = unicodedata.normalize("NFC", plain.translate(_PLAIN))
    # Marks of other scripts are no letters to the pattern of words, so only what is neither is taken for a gap.
    kept = "".join(
        each if each.isalnum() or unicodedata.category(each).startswith("M") else " "
        for each in _APOSTROPHES.sub("", letters)
    )
    return " ".join(kept.split())


def company(text: str) -> str:
    """Return the name of an organization, folded, without its legal form.

    >>> company("Acme Sp. z o.o."), company("ACME Ltd."), company("The Co")
    ('acme', 'acme', 'the co')
    """
    name = folded(text)
    bare = _LEGAL_FORM.sub("", name)
    return bare if len(bare) > _SHORT else name


def compact(text: str) -> str:
    """Return the letters and digits of an identifier, without capitals and everything between them.

    >>> compact(" 80-802 "), compact("PL 123-45-67")
    ('80802', 'pl1234567')
    """
    return _OUTSIDE.sub("", unicodedata.normalize("NFKC", text).casefold())


def plain_email(text: str) -> str:
    """Return an e-mail address as it is compared: without capitals and surrounding space."""
    return unicodedata.normalize("NFKC", text).casefold().strip()


def plain_date(value: date | str | int) -> str:
    """Return a day as eight digits where it is one, "20240229", and what else was given without punctuation."""
    return value.strftime("%Y%m%d") if isinstance(value, date) else compact(str(value))
