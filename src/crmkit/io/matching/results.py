"""What the search for duplicates returns."""

from collections.abc import Mapping
from typing import Literal

import attrs
import polars as pl

Verdict = Literal["same", "review"]
"""Whether a pair may be merged at once, or somebody should look at it first."""


@attrs.frozen
class Reason:
    """What one field says about two records: how alike they are in it, and how much that speaks for one customer, in bits.

    Each bit doubles the odds; a negative one halves them. The reason `home` takes back what two customers of one home have in common
    as well. The values themselves are not told, because they are personal.
    """

    field: str
    level: str
    bits: float

    def __str__(self) -> str:
        """Return it for people, such as "birth_on: one digit off (+4.1)"."""
        return f"{self.field}: {self.level} ({self.bits:+.1f})"


@attrs.frozen
class Pair:
    """Two records that may be one customer, the smaller id first; the reasons come with the weightiest first."""

    first_id: str
    second_id: str
    probability: float
    verdict: Verdict
    reasons: tuple[Reason, ...]


@attrs.frozen
class Cluster:
    """Records that are probably one customer, by id; `verdict` is "same" where they are held together by sure pairs alone."""

    ids: tuple[str, ...]
    verdict: Verdict


@attrs.frozen
class FieldWeights:
    """How much a field says: how often each level is met among two records of one customer (`m`), of strangers (`u`), and of two
    customers of one home (`h`), which is as among strangers where it is not told.
    """

    field: str
    kind: str
    levels: tuple[str, ...]
    m: tuple[float, ...]
    u: tuple[float, ...]
    h: tuple[float, ...] = attrs.field(default=attrs.Factory(lambda self: self.u, takes_self=True))


@attrs.frozen
class Model:
    """What is known of duplicates: how likely any two records are one customer, and how much each field says.

    `home_prior` is how likely any two customers are of one home.
    """

    prior: float
    weights: tuple[FieldWeights, ...]
    home_prior: float = 0.0


@attrs.frozen
class Duplicates:
    """The pairs and clusters that were found, the likeliest first, and how.

    `model` is what was learned, which `find_matches` takes. `compared` is how many pairs were looked at. `too_common` says for a
    field how many of its values so many records share that they were no reason to compare two of them; records that have
    nothing else in common are not found.
    """

    pairs: tuple[Pair, ...]
    clusters: tuple[Cluster, ...]
    model: Model
    compared: int
    too_common: Mapping[str, int]

    def to_polars(self) -> pl.DataFrame:
        """Return the pairs as a table that `metrics.duplicate_share` reads: `first_id`, `second_id`, `score`, and in words why."""
        columns = {
            "first_id": pl.Series([each.first_id for each in self.pairs], dtype=pl.String),
            "second_id": pl.Series([each.second_id for each in self.pairs], dtype=pl.String),
            "score": pl.Series([each.probability for each in self.pairs], dtype=pl.Float64),
            "verdict": pl.Series([each.verdict for each in self.pairs], dtype=pl.String),
            "reasons": pl.Series(["; ".join(map(str, each.reasons)) for each in self.pairs], dtype=pl.String),
        }
        return pl.DataFrame(columns)
