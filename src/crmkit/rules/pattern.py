r"""Patterns for whole texts: `%` is any text, `_` any one character; `\%`, `\_` and `\\` are `%`, `_` and `\` themselves."""

import re
from collections import defaultdict
from collections.abc import Callable
from enum import Enum

_TOKEN = re.compile(r"\\([%_\\])|(.)", re.DOTALL)


class Wildcard(Enum):
    """What stands for other text in a pattern."""

    ANY_TEXT = "%"
    ANY_CHARACTER = "_"


Token = str | Wildcard
"""One character, or what stands for others."""

_WILDCARDS = {wildcard.value: wildcard for wildcard in Wildcard}


def tokens(pattern: str) -> tuple[Token, ...]:
    r"""Return what a pattern is made of; a backslash before anything but `%`, `_` and `\` is itself.

    >>> tokens("a%")
    ('a', <Wildcard.ANY_TEXT: '%'>)
    """
    found = _TOKEN.finditer(pattern)
    return tuple(each[1] or _WILDCARDS.get(each[2], each[2]) for each in found)


def matcher(pattern: str) -> Callable[[str], bool]:
    """Return the function that tells whether a whole text fits a pattern, in time that grows with the text alone.

    All ways to read the text are followed at once: bit n of `reached` tells that the first n characters of the pattern are
    used up (the Shift-And method of Baeza-Yates and Gonnet, 1992). So no pattern of a stranger can make it slow.

    >>> fits = matcher("A%n_")
    >>> fits("Anna"), fits("An"), fits("anna")
    (True, False, False)
    """
    at, stays, anything = 0, 0, 0
    letters: defaultdict[str, int] = defaultdict(int)
    for token in tokens(pattern):
        if token is Wildcard.ANY_TEXT:
            stays |= 1 << at
            continue
        if isinstance(token, str):
            letters[token] |= 1 << at
        else:
            anything |= 1 << at
        at += 1
    steps = {letter: places | anything for letter, places in letters.items()}

    def fits(text: str) -> bool:
        reached = 1
        for letter in text:
            reached = ((reached & steps.get(letter, anything)) << 1) | (reached & stays)
            if not reached:
                return False
        return bool(reached >> at)

    return fits
