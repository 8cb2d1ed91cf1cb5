"""Patterns are matched as everybody expects, and no pattern takes long."""

import re
from time import process_time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from crmkit.rules.pattern import matcher

_LETTERS = st.text("ab%_\\", max_size=8)


@example(text="a\nb", pattern="a_b")
@example(text="", pattern="")
@example(text="aaa", pattern="%a%a%a%")
@given(text=st.text("ab%_\\\n", max_size=8), pattern=_LETTERS)
def test_a_pattern_is_the_regular_expression_of_its_wildcards(text: str, pattern: str) -> None:
    pieces = re.findall(r"\\[%_\\]|.", pattern)
    words = {"%": ".*", "_": "."}
    expression = "".join(words.get(piece, re.escape(piece[-1])) for piece in pieces)

    assert matcher(pattern)(text) is bool(re.fullmatch(expression, text, re.DOTALL))


@pytest.mark.parametrize(
    ("pattern", "fitting", "other"),
    [
        (r"100\%", "100%", "1000"),
        (r"a\_b", "a_b", "axb"),
        (r"a\\%", r"a\b", "ab"),
        (r"C:\dir", r"C:\dir", "C:dir"),
        ("a\\", "a\\", "a"),
        ("_", "👩", "👩👩"),
        ("ł%", "łódka", "Łódka"),
        ("[a]*?", "[a]*?", "abc"),
    ],
)
def test_a_backslash_makes_wildcards_themselves_and_nothing_else_is_special(
    pattern: str, fitting: str, other: str
) -> None:
    assert matcher(pattern)(fitting)
    assert not matcher(pattern)(other)


def test_the_worst_pattern_is_as_fast_as_its_text_is_long() -> None:
    fits = matcher("%a_" * 333 + "b")
    started = process_time()

    assert not fits("a" * 100_000)
    assert process_time() - started < 5
