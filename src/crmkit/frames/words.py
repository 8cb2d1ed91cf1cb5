"""Words: the texts of columns that hold one of a few, such as categories."""

from collections.abc import Iterable
from functools import reduce
from operator import or_

import narwhals as nw
from narwhals.functions import Then

STRANGE = "?"
"""What outcomes of rows whose word has no meaning begin with."""


def one_of(value: nw.Expr, words: Iterable[str]) -> nw.Expr:
    """Return whether text is one of a few words; engines compare it with each faster than they find it in a list."""
    return reduce(or_, (value == word for word in words))


def categorised(categories: Iterable[str], category: nw.Expr | None = None) -> Then:
    """Begin an outcome with the reasons for leaving out a row whose category is empty or has no meaning.

    The category stands in a column of this name, or is one that was there before, whose words are those of the column.
    """
    word = nw.col("category") if category is None else category
    empty = nw.when(word.is_null()).then(nw.lit("no category"))
    return empty.when(~one_of(word, categories)).then(unknown("category"))


def unknown(column: str) -> nw.Expr:
    """Return the outcome of a row whose word in a column has no meaning, in whose place `answers` puts the word."""
    return nw.lit(STRANGE + column)
