"""How alike two values are: for each kind of field a few levels, from "differ" to "same"."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import attrs
import numpy as np
from rapidfuzz import fuzz
from rapidfuzz.distance import OSA, JaroWinkler
from rapidfuzz.process import cpdist

from crmkit.errors import InvalidInput, choices
from crmkit.io.matching.text import compact, company, folded, plain_date, plain_email

FieldKind = Literal[
    "name",
    "given_name",
    "family_name",
    "company",
    "text",
    "city",
    "email",
    "phone",
    "date",
    "identifier",
    "postcode",
    "choice",
]
"""What a field holds, which decides how it is compared, and whether a home shares it."""

MISSING = -1
"""The level where one of two records has no value: nothing speaks for or against it."""

Texts = Sequence[str]
Levels = np.ndarray[Any, np.dtype[np.int8]]
Likeness = np.ndarray[Any, np.dtype[np.float32]]


@attrs.frozen
class Kind:
    """How fields of one kind are brought to one form and compared.

    `names` are the levels, the highest last, and `level` compares as many left as right values of which none are equal. `m`, `u` and
    `h` are how often each level is met among two records of one customer, of strangers and of two customers of one home, before anything
    is learned. `keys` are what two values have in common that are worth a comparison. Where `is_weighed`, a rare value says more
    than a common one.
    """

    names: tuple[str, ...]
    plain: Callable[[Any], str]
    level: Callable[[Texts, Texts], Levels]
    m: tuple[float, ...]
    u: tuple[float, ...]
    h: tuple[float, ...]
    keys: Callable[[str], Sequence[str]] = lambda text: (text,)
    is_weighed: bool = False


def kind(name: str) -> Kind:
    """Return a kind of field; raises `InvalidInput` for an unknown one."""
    if name not in KINDS:
        raise InvalidInput(f"{name!r} is no kind of field to compare; {choices(name, KINDS)}")
    return KINDS[name]


def _jaro_winkler(left: Texts, right: Texts) -> Likeness:
    found: Likeness = cpdist(left, right, scorer=JaroWinkler.normalized_similarity, dtype=np.float32)
    return found


def _likeness(left: Texts, right: Texts) -> Likeness:
    """How alike names are, with their words in whatever order."""
    found = _jaro_winkler(left, right)
    several = [place for place, pair in enumerate(zip(left, right, strict=True)) if " " in pair[0] or " " in pair[1]]
    if several:
        in_order = ([" ".join(sorted(side[place].split())) for place in several] for side in (left, right))
        found[several] = np.maximum(found[several], _jaro_winkler(*in_order))
    return found


def _name(left: Texts, right: Texts) -> Levels:
    return np.digitize(_likeness(left, right), [0.8, 0.9]).astype(np.int8)


def _text(left: Texts, right: Texts) -> Levels:
    words = cpdist(left, right, scorer=fuzz.token_sort_ratio, dtype=np.float32) / 100
    return np.digitize(np.maximum(words, _jaro_winkler(left, right)), [0.8, 0.9]).astype(np.int8)


def _email(left: Texts, right: Texts) -> Levels:
    locals_ = [[each.partition("@")[0] for each in side] for side in (left, right)]
    same = np.array([a == b for a, b in zip(*locals_, strict=True)], dtype=bool)
    return np.where(same, 2, _jaro_winkler(left, right) >= 0.92).astype(np.int8)  # noqa: PLR2004 - as is usual


def _edits(left: Texts, right: Texts) -> "np.ndarray[Any, Any]":
    """How many characters are wrong, missing, too many or swapped with their neighbour; more than two are all the same."""
    found: np.ndarray[Any, Any] = cpdist(left, right, scorer=OSA.distance, dtype=np.int32, score_cutoff=2)
    return found


def _number(left: Texts, right: Texts) -> Levels:
    return (_edits(left, right) <= 1).astype(np.int8)


def _date(left: Texts, right: Texts) -> Levels:
    swapped = np.array([a == b[:4] + b[6:] + b[4:6] for a, b in zip(left, right, strict=True)], dtype=bool)
    edits = _edits(left, right)
    return np.where((edits <= 1) | swapped, 2, edits == 2).astype(np.int8)  # noqa: PLR2004 - a level for two


def _postcode(left: Texts, right: Texts) -> Levels:
    area = np.array([a[:2] == b[:2] for a, b in zip(left, right, strict=True)], dtype=bool)
    return np.where(_edits(left, right) <= 1, 2, area).astype(np.int8)


def _choice(left: Texts, right: Texts) -> Levels:  # noqa: ARG001 - what is not equal is different
    return np.zeros(len(left), np.int8)


def _name_keys(text: str) -> Sequence[str]:
    """A name, and what is left of it without vowels and doubled letters, which are often misspelt."""
    bones = text[:1] + "".join(each for each in text[1:] if each not in "aeiouyhw ")
    single = "".join(each for place, each in enumerate(bones) if bones[max(place - 1, 0) : place] != each)
    return (text, f"~{single}") if len(single) > 2 else (text,)  # noqa: PLR2004 - two letters are too common


def _email_keys(text: str) -> Sequence[str]:
    return text, text.partition("@")[0] + "@"


_A_NAME: dict[str, Any] = {
    "names": ("differ", "similar", "alike", "same"),
    "plain": folded,
    "level": _name,
    "m": (0.05, 0.05, 0.1, 0.8),
    "u": (0.987, 0.007, 0.003, 0.003),
    "keys": _name_keys,
    "is_weighed": True,
}
KINDS: Mapping[str, Kind] = {
    # A whole name has the family name within it.
    "name": Kind(**_A_NAME, h=(0.6, 0.2, 0.17, 0.03)),
    # A parent and a child may have one name.
    "given_name": Kind(**_A_NAME, h=(0.978, 0.007, 0.003, 0.012)),
    "family_name": Kind(**_A_NAME, h=(0.15, 0.02, 0.03, 0.8)),
    "company": Kind(
        names=("differ", "similar", "alike", "same"),
        plain=company,
        level=_text,
        m=(0.1, 0.05, 0.1, 0.75),
        u=(0.98989, 0.01, 0.0001, 0.00001),
        h=(0.93, 0.05, 0.01, 0.01),
        keys=_name_keys,
        is_weighed=True,
    ),
    "text": Kind(
        names=("differ", "similar", "alike", "same"),
        plain=folded,
        level=_text,
        m=(0.2, 0.1, 0.1, 0.6),
        u=(0.97, 0.027, 0.002, 0.001),
        h=(0.2, 0.03, 0.07, 0.7),
        is_weighed=True,
    ),
    "city": Kind(
        **(_A_NAME | {"m": (0.1, 0.03, 0.07, 0.8), "u": (0.945, 0.02, 0.005, 0.03)}),
        h=(0.15, 0.02, 0.03, 0.8),
    ),
    "email": Kind(
        names=("differ", "alike", "same before @", "same"),
        plain=plain_email,
        level=_email,
        m=(0.15, 0.1, 0.05, 0.7),
        u=(0.99889, 0.001, 0.0001, 0.00001),
        h=(0.65, 0.1, 0.05, 0.2),
        keys=_email_keys,
    ),
    "phone": Kind(
        names=("differ", "one digit off", "same"),
        plain=compact,
        level=_number,
        m=(0.2, 0.1, 0.7),
        u=(0.99998, 0.00001, 0.00001),
        h=(0.4, 0.01, 0.59),
    ),
    # Twins have one day of birth.
    "date": Kind(
        names=("differ", "two digits off", "one digit off", "same"),
        plain=plain_date,
        level=_date,
        m=(0.05, 0.05, 0.1, 0.8),
        u=(0.9824, 0.016, 0.0015, 0.0001),
        h=(0.966, 0.016, 0.003, 0.015),
    ),
    "identifier": Kind(
        names=("differ", "one digit off", "same"),
        plain=compact,
        level=_number,
        m=(0.05, 0.1, 0.85),
        u=(0.99998, 0.00001, 0.00001),
        h=(0.98, 0.01, 0.01),
    ),
    "postcode": Kind(
        names=("differ", "same area", "one digit off", "same"),
        plain=compact,
        level=_postcode,
        m=(0.15, 0.05, 0.1, 0.7),
        u=(0.95, 0.04, 0.007, 0.003),
        h=(0.15, 0.05, 0.05, 0.75),
        is_weighed=True,
    ),
    "choice": Kind(
        names=("differ", "same"), plain=folded, level=_choice, m=(0.1, 0.9), u=(0.7, 0.3), h=(0.3, 0.7), is_weighed=True
    ),
}
