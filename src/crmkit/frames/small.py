"""A small table of crmkit's own beside the caller's, in the engine that holds theirs."""

from typing import Any

import narwhals as nw
import polars as pl

from crmkit.frames.door import engine_of

_SEPARATOR = "\x1e"


def small_table(frame: pl.DataFrame, rows: nw.LazyFrame[Any]) -> nw.LazyFrame[Any]:
    """Return a small frame of texts and numbers as a table of the engine that rows are in, so that both can be joined.

    Engines take no table from elsewhere, but all of them take a text and can split it.
    """
    if engine_of(rows) == "polars":
        return nw.from_native(frame.lazy())
    texts = frame.select(pl.all().cast(pl.String).fill_null(""))
    widths = {name: max([1, *texts[name].str.len_chars()]) for name in texts.columns}
    padded = texts.select(line=pl.concat_str(pl.col(name).str.pad_end(width) for name, width in widths.items()))
    # A line for all rows counted is one line, however many there are.
    one = rows.select(line=nw.len()).select(line=nw.lit(_SEPARATOR.join(padded["line"])))
    table = one.with_columns(nw.col("line").str.split(_SEPARATOR)).explode("line").filter(nw.col("line") != "")
    types = nw.from_native(frame).schema
    columns, begin = {}, 0
    for name, width in widths.items():
        text = nw.col("line").str.slice(begin, width).str.strip_chars()
        columns[name] = nw.when(text != "").then(text).cast(types[name])
        begin += width
    return table.select(**columns)
