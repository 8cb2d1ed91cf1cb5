"""Tallies: what Python counts, and tallies of parts that add up to the tally of the whole."""

from collections import Counter
from typing import Any

import narwhals as nw
import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from crmkit.errors import InvalidInput
from crmkit.frames.tally import Question, Sums, Tally, answers, merged, question, records_behind

SCHEMA = {"owner": pl.String, "team": pl.Int64, "outcome": pl.String, "bucket": pl.Int64, "amount": pl.Int64}
Row = tuple[str | None, int | None, str | None, int | None, int]
words = st.none() | st.sampled_from(["anna", "bo"])
small = st.none() | st.integers(-1, 1)
rows = st.lists(st.tuples(words, small, words, small, st.integers(-(2**53), 2**53)), max_size=12)


def tallied(rows_: list[Row], *keys: str, **given_: Any) -> Tally:
    frame = nw.from_native(pl.DataFrame(rows_, schema=SCHEMA, orient="row").lazy())
    (found,) = answers([question(frame, keys or ("owner", "team"), outcome=nw.col("outcome"), **given_)])
    return found


def whole(rows_: list[Row]) -> Tally:
    return tallied(rows_, bucket=nw.col("bucket"), amount=nw.col("amount"), squares=True)


@given(rows, rows, rows)
def test_tallies_of_parts_add_up_to_the_tally_of_the_whole(a: list[Row], b: list[Row], c: list[Row]) -> None:
    assert merged(whole(a), whole(b)) == whole(a + b) == whole(b + a)
    assert merged(merged(whole(a), whole(b)), whole(c)) == merged(whole(a), merged(whole(b), whole(c)))
    assert merged(whole(a), {}) == merged({}, whole(a)) == whole(a)


@given(rows)
def test_a_tally_holds_what_python_counts(given_: list[Row]) -> None:
    known = [row for row in given_ if row[2] is not None]
    found = {
        (*key, outcome, bucket): sums
        for key, counts in whole(given_).items()
        for outcome, buckets in counts.items()
        for bucket, sums in buckets.items()
    }

    assert {key: sums.n for key, sums in found.items()} == Counter(row[:4] for row in known)
    for key, sums in found.items():
        amounts = [row[4] for row in known if row[:4] == key]
        assert sums == Sums(len(amounts), sum(amounts), sum(amount * amount for amount in amounts))


@given(rows)
def test_without_keys_buckets_and_amounts_a_tally_counts_outcomes(given_: list[Row]) -> None:
    frame = nw.from_native(pl.DataFrame(given_, schema=SCHEMA, orient="row").lazy())
    (found,) = answers([question(frame, [], outcome=nw.col("outcome"))])
    counts = found.get((), {})

    assert {outcome: buckets[None].n for outcome, buckets in counts.items()} == Counter(
        row[2] for row in given_ if row[2] is not None
    )


@given(rows, rows)
def test_merging_changes_neither_part(a: list[Row], b: list[Row]) -> None:
    first, second = whole(a), whole(b)
    merged(first, second)

    assert (first, second) == (whole(a), whole(b))


def test_the_largest_amounts_are_summed_exactly_or_refused() -> None:
    largest = 2**63 - 1

    try:
        counts = whole([("anna", 1, "won", None, largest)] * 3)["anna", 1]
    except InvalidInput:
        return
    assert counts["won"][None] == Sums(3, 3 * largest, 3 * largest**2)


def test_sums_are_exact_where_floats_are_not() -> None:
    counts = whole([("anna", 1, "won", None, 2**53), ("anna", 1, "won", None, 1)])["anna", 1]

    assert counts["won"][None] == Sums(2, 2**53 + 1, 2**106 + 1)


LAST = 5
spans = st.lists(
    st.tuples(
        st.sampled_from(["anna", "bo"]), st.integers(0, LAST), st.none() | st.integers(0, LAST), st.integers(-9, 9)
    ),
    max_size=12,
)
Span = tuple[str, int, int | None, int]


def lasting(spans_: list[Span]) -> Question:
    schema = {"owner": pl.String, "since": pl.Int64, "until": pl.Int64, "amount": pl.Int64}
    frame = (
        pl.DataFrame(spans_, schema=schema, orient="row")
        .with_row_index("id")
        .filter(pl.col("until").is_null() | (pl.col("since") < pl.col("until")))
    )
    return question(
        nw.from_native(frame.lazy()),
        ["since", "owner"],
        outcome=nw.lit("there"),
        amount=nw.col("amount"),
        record=nw.col("id").cast(nw.String),
        until=nw.col("until"),
        last=LAST,
    )


@given(spans)
def test_what_lasts_counts_in_every_period_from_its_first_to_that_before_its_end(spans_: list[Span]) -> None:
    asked = lasting(spans_)
    (found,) = answers([asked])

    for period in range(LAST + 1):
        for owner in ("anna", "bo"):
            there = [
                (number, amount)
                for number, (whose, since, until, amount) in enumerate(spans_)
                if whose == owner and since <= period and (until is None or until > period)
            ]
            sums = found.get((period, owner), {}).get("there", {}).get(None, Sums())
            assert sums == Sums(len(there), sum(amount for _, amount in there))
            assert records_behind(asked, (period, owner), ["there"]) == sorted(str(number) for number, _ in there)
    assert {period for period, _ in found} <= set(range(LAST + 1))


@given(spans, spans)
def test_what_lasts_in_two_parts_adds_up(a: list[Span], b: list[Span]) -> None:
    first, second, both = answers([lasting(a), lasting(b), lasting(a + b)])

    assert merged(first, second) == both
