"""Holdout groups: stable, independent, and of the size that was asked for."""

from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chi2_contingency

from crmkit.errors import InvalidInput
from crmkit.segmentation import holdout
from tests.examples import few

IDS = [f"c{number}" for number in range(5_000)]
ids = st.lists(st.text(min_size=1, max_size=5).filter(lambda text: text.isprintable()))
shares = st.floats(0, 1)


def position(question: str, name: str, salt: str) -> float:
    text = "".join(f"{len(each.encode())}:{each}" for each in (salt, question, name))
    return int(sha256(text.encode()).hexdigest()[:16], 16) / 2**64


@few
@given(ids, ids, shares, st.randoms(use_true_random=False))
def test_neither_order_nor_the_others_decide(some: list[str], others: list[str], share: float, random: Any) -> None:
    shuffled = random.sample(some + others, len(some + others))
    alone, together = holdout(some, share, salt="s"), holdout(shuffled, share, salt="s")

    assert alone == {name: arm for name, arm in together.items() if name in some}
    assert list(together) == sorted(together)
    assert set(alone) == {name for name in some if position("share", name, "s") < share}


@few
@given(ids, shares, shares, st.sampled_from([("a",), ("a", "b", "c"), {"a": 1, "b": 8.5}]))
def test_a_larger_share_keeps_everybody_in_their_arm(some: list[str], one: float, other: float, arms: Any) -> None:
    small, large = (holdout(some, share, salt="s", arms=arms) for share in sorted((one, other)))

    assert small.items() <= large.items()


def test_the_groups_of_today_are_those_of_any_other_day() -> None:
    groups = holdout(IDS[:20], 0.4, salt="spring letter", arms={"holdout": 1, "letter": 3})

    assert sorted(name for name, arm in groups.items() if arm == "holdout") == ["c3", "c8", "c9"]
    assert sorted(name for name, arm in groups.items() if arm == "letter") == ["c1", "c14", "c15", "c18", "c19", "c6"]


@pytest.mark.parametrize("share", [0.01, 0.1, 0.5])
def test_groups_have_about_the_size_that_was_asked_for(share: float) -> None:
    n = len(holdout(IDS, share, salt="size"))
    assert abs(n - share * len(IDS)) < 3 * (len(IDS) * share * (1 - share)) ** 0.5


def test_all_and_none() -> None:
    assert len(holdout(IDS, 1, salt="s")) == len(IDS)
    assert holdout(IDS, 0, salt="s") == holdout([], 0.5, salt="s") == {}


def test_arms_have_their_weights_and_salts_do_not_know_each_other() -> None:
    first = holdout(IDS, 1, salt="first", arms={"a": 1, "b": 3})
    second = holdout(IDS, 1, salt="second", arms=["a", "b"])
    table = [[sum(first[name] == one and second[name] == two for name in IDS) for two in "ab"] for one in "ab"]

    assert abs(sum(table[0]) - len(IDS) / 4) < 100
    assert chi2_contingency(table).pvalue > 0.01


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"share": 10}, "share=10 is no share; give a number from 0 to 1"),
        ({"share": float("nan")}, "share=nan is no share"),
        ({"share": True}, "share=True is no share"),
        ({"salt": " "}, "salt=' ' names no experiment"),
        ({"arms": "ab"}, "arms='ab' are no arms; give their names"),
        ({"arms": []}, r"arms=\[\] are no arms; give each a name of its own"),
        ({"arms": ["a", "a"]}, "give each a name of its own"),
        ({"arms": {"a": 0}}, "the weight of the arm 'a' is 0; give a number above 0"),
        ({"arms": {"a": float("inf")}}, "the weight of the arm 'a' is inf"),
        ({"ids": "ann"}, "ids are str; give several ids"),
        ({"ids": 7}, "ids are int; give several ids"),
        ({"ids": ["ann", None]}, "an id is NoneType; give ids that are text"),
    ],
)
def test_what_makes_no_groups_is_refused(wrong: dict[str, Any], message: str) -> None:
    asked: dict[str, Any] = {"ids": IDS, "share": 0.1, "salt": "s"}
    with pytest.raises(InvalidInput, match=message):
        holdout(**asked | wrong)
