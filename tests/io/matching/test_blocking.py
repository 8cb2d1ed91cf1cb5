"""Records that have something in common are compared, whatever else there is."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from crmkit.io.matching.blocking import MOST, candidates
from crmkit.io.matching.values import column
from tests.examples import few

OTHERS = 300
"""So many records that not all are compared."""

values = st.sampled_from(["ann", "ben", "cat", "dan"])


@few
@given(st.lists(st.tuples(values, values), min_size=2, max_size=12))
def test_two_are_compared_that_share_a_value_and_no_others(drawn: list[tuple[str, str]]) -> None:
    rows = [*drawn, *((f"one {number}", f"other {number}") for number in range(OTHERS))]
    columns = [column(name, "text", [[row[place]] for row in rows]) for place, name in enumerate(("one", "other"))]
    found = candidates(columns, len(rows))
    expected = {
        (left, right)
        for right in range(len(drawn))
        for left in range(right)
        if any(a == b for a, b in zip(drawn[left], drawn[right], strict=True))
    }
    assert set(zip(found.left.tolist(), found.right.tolist(), strict=True)) == expected
    assert found.too_common == {}


def test_what_is_too_common_is_narrowed_by_what_else_is_the_same() -> None:
    n = OTHERS
    family = column("family", "choice", [["nowak"]] * n)
    given_ = column("given", "choice", [[f"{number // 2:03}"] for number in range(n)])
    found = candidates([family, given_], n)
    assert found.too_common == {"family": 1}
    assert len(found.left) == n // 2
    assert np.array_equal(found.left + 1, found.right)


def test_so_many_as_may_have_a_key_in_common_are_all_compared() -> None:
    rows = [["same"]] * MOST + [[f"other {number}"] for number in range(OTHERS)]
    found = candidates([column("it", "text", rows)], len(rows))
    assert len(found.left) == MOST * (MOST - 1) // 2
