"""The score of one row, and what it is made of."""

import attrs


@attrs.frozen(kw_only=True)
class Contribution:
    """What one field, or one rule, adds to a score: its points, and in words the value that they are for.

    `note` says why a value adds nothing where that is not because it is an ordinary one.
    """

    name: str
    # The value may be somebody's, so it is shown where it is asked for only.
    label: str = attrs.field(repr=False)
    points: int
    note: str | None = None


@attrs.frozen(kw_only=True)
class Score:
    """A score, the points that it starts from, and what was added to them: together exactly the score.

    `contributions` stand by their size, the greatest first. `probability` is None for a score that says none.
    """

    score: int
    probability: float | None = None
    start: int
    contributions: tuple[Contribution, ...]


def by_size(contributions: list[Contribution]) -> tuple[Contribution, ...]:
    """Return contributions by their size, the greatest first, and equal ones in the order in which they are."""
    return tuple(sorted(contributions, key=lambda each: -abs(each.points)))
