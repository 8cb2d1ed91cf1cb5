"""Holdout groups: who is kept out of a campaign or gets which variant, decided by a hash and so for good."""

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from itertools import accumulate
from math import isfinite

from crmkit.errors import InvalidInput

_POSITIONS = 2**64


def holdout(
    ids: Iterable[str], share: float, *, salt: str, arms: Sequence[str] | Mapping[str, float] = ("holdout",)
) -> dict[str, str]:
    """Return the customers who take part in an experiment, each with the arm that they are in.

    Whether an id takes part is decided by the SHA-256 of the salt and the id alone: not by its place, by the other ids, by the machine
    or by the day. A larger share keeps all that a smaller one had, each in the same arm, and takes more. Another salt draws anew and
    independently, so name the experiment by it: with one salt for all, the same customers would never get anything.

    Args:
        ids: the customers; the same id twice is one.
        share: how many take part, from 0 to 1. Of n ids about share * n do, give or take 2 * sqrt(n * share * (1 - share)).
        salt: a name of the experiment.
        arms: the names of its arms, between which those who take part are divided evenly, or with the weight of each. Change
            neither names, order nor weights while it runs, because that moves people between arms.

    Returns:
        The arm of each id that takes part, by ids in order; who is not in it does not take part. Empty for nobody.

    Raises:
        InvalidInput: for a share outside 0 to 1, a blank salt, an id that is no text, arms of one name or without one, and
            weights that are not above 0.

    >>> groups = holdout(["ann", "bob", "cy", "dan"], 0.5, salt="spring letter")
    >>> groups
    {'cy': 'holdout', 'dan': 'holdout'}
    >>> groups.items() <= holdout(["ann", "bob", "cy", "dan"], 0.8, salt="spring letter").items()
    True

    A table gets it as a column by its own means, such as `customers.with_columns(arm=pl.col("id").replace_strict(groups, default=None))`.
    """
    if isinstance(share, bool) or not isinstance(share, int | float) or not 0 <= share <= 1:
        raise InvalidInput(f"share={share!r} is no share; give a number from 0 to 1, such as 0.1 for a tenth")
    if not isinstance(salt, str) or not salt.strip():
        raise InvalidInput(f"salt={salt!r} names no experiment; give a text that is not blank")
    names, ends = _arms(arms)
    limit = share * _POSITIONS
    wanted = sorted({_checked(each) for each in _several(ids)})
    return {
        each: names[bisect_right(ends, _position(salt, "arm", each))]
        for each in wanted
        if _position(salt, "share", each) < limit
    }


def _position(salt: str, question: str, customer_id: str) -> int:
    """A number below 2^64 by chance. The lengths stand before the texts, so that no two pairs of texts are the same bytes."""
    parts = (f"{len(each.encode())}:{each}" for each in (salt, question, customer_id))
    return int.from_bytes(sha256("".join(parts).encode()).digest()[:8], "big")


def _arms(arms: Sequence[str] | Mapping[str, float]) -> tuple[list[str], list[int]]:
    """The names of the arms, and the positions at which all but the last of them end."""
    if isinstance(arms, str) or not isinstance(arms, Sequence | Mapping):
        raise InvalidInput(f"arms={arms!r} are no arms; give their names, such as ['holdout', 'letter']")
    weights = dict(arms) if isinstance(arms, Mapping) else dict.fromkeys(arms, 1.0)
    if not weights or len(weights) < len(arms) or not all(isinstance(each, str) and each.strip() for each in weights):
        raise InvalidInput(f"arms={arms!r} are no arms; give each a name of its own")
    for name, weight in weights.items():
        if isinstance(weight, bool) or not isinstance(weight, int | float) or not (isfinite(weight) and weight > 0):
            raise InvalidInput(f"the weight of the arm {name!r} is {weight!r}; give a number above 0")
    *inner, total = accumulate(weights.values())
    return list(weights), [int(each / total * _POSITIONS) for each in inner]


def _several(ids: Iterable[str]) -> Iterable[str]:
    if isinstance(ids, str | bytes | Mapping) or not isinstance(ids, Iterable):
        raise InvalidInput(f"ids are {type(ids).__name__}; give several ids, such as the column of a table")
    return ids


def _checked(customer_id: object) -> str:
    if not isinstance(customer_id, str) or not customer_id:
        raise InvalidInput(f"an id is {type(customer_id).__name__}; give ids that are text, none of them empty")
    return customer_id
