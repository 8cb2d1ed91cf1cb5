"""The search for records that are one customer."""

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any

import numpy as np

from crmkit.errors import InvalidInput, choices
from crmkit.io.matching.blocking import candidates
from crmkit.io.matching.clusters import Odds, clusters
from crmkit.io.matching.learning import Floats, field_bits, home_bits, learn, patterns, probability
from crmkit.io.matching.levels import MISSING
from crmkit.io.matching.results import Cluster, Duplicates, Model, Pair, Reason, Verdict
from crmkit.io.matching.rows import Rows, rows_of
from crmkit.io.matching.values import Column, Compared, compared

_LEAST_BITS = 0.2
"""What a home shares is told as a reason where it takes back that much."""


def find_duplicates(
    customers: Any,
    *,
    compare: Mapping[str, str] | None = None,
    country: str | None = None,
    same: float = 0.95,
    review: float = 0.5,
    engine: str = "own",
) -> Duplicates:
    """Return which records are probably one customer, with a probability and reasons.

    Records that have something in common are compared field by field. How much each field says is learned from the records
    themselves, by expectation and maximisation, so nobody needs to say which ones are duplicates: a field that is often
    mistyped comes to count for little, one that hardly two customers share for much, and a rare name for more than a common one.

    Two records are of one customer, of two customers of one home, or of strangers. With m, h and u for how often records of each of the
    three are as alike as these in a field, p for how likely any two are one customer and q for how likely two customers share a home,

        odds of one customer = p / (1 - p) * product of m / u / (1 - q + q * product of h / u)

    so that what a home shares, as a family name, a telephone or an address, says little, and given name, day of birth and identifiers
    decide. What is missing counts neither way. p, q and u are learned from all pairs, m from those that are surely one customer, because
    from the others would be learned what families have in common; h is what is usual. Few records teach little, so what is learned begins with
    what is usual.

    Args:
        customers: `Customer` records, compared by name, day of birth, e-mail address, telephone and postal address; a person is
            never an organization. Or a Polars, pandas, Arrow or PySpark table with a column `id` of different texts.
        compare: for a table, its columns to compare and what each holds: "given_name", "family_name", "name" for a whole one,
            "company", "text", "city", "email", "phone", "date", "identifier", "postcode" or "choice". By default those that are called as the
            fields of customers are. A column may hold lists, as for several telephones.
        country: the two-letter code of where telephone numbers without a country code are dialled; a customer's own country
            goes before it.
        same: the probability from which on a pair is the same customer, 0.95 by default: at most one in twenty such pairs is wrong
            where the model fits.
        review: the probability from which on a pair is returned at all, by default as likely as not.
        engine: "own" for up to about 20,000 records, and "splink" for more, with the extra `splink`: the pairs are then compared in DuckDB,
            or, for more than one machine, in the session of a PySpark DataFrame.

    Returns:
        `Duplicates`, with the likeliest pairs first, clusters in which no pair contradicts the others, the model, and what was too
        common to compare by; without pairs where there is nothing to compare. The order of the rows does not matter.

    Raises:
        InvalidInput: for a missing or unknown column or kind, ids that are empty or not different, and thresholds that are
            no probabilities in order.
        MissingExtra: without rapidfuzz and numpy, or Splink.

    Source: Fellegi and Sunter, "A Theory for Record Linkage", JASA 64 (1969). Winkler, "Using the EM algorithm for weight computation
    in the Fellegi-Sunter model of record linkage" (2000).

    >>> people = [
    ...     Customer(id="a", kind="person", name="Łucja Nowak", birth_on=date(1990, 5, 17)),
    ...     Customer(id="b", kind="person", name="Lucja Nowak", birth_on=date(1990, 5, 17)),
    ...     Customer(id="c", kind="person", name="Jan Kowalski", birth_on=date(1971, 1, 30)),
    ... ]
    >>> found = find_duplicates(people)
    >>> [(pair.first_id, pair.second_id, pair.verdict) for pair in found.pairs]
    [('a', 'b', 'same')]
    >>> found.pairs[0].reasons[0].field
    'birth_on'
    """
    check_thresholds(same, review)
    if engine not in ("own", "splink"):
        raise InvalidInput(f"engine={engine!r} is no engine of matching; {choices(engine, ('own', 'splink'))}")
    rows = rows_of(customers, compare, country)
    if engine == "splink":
        from crmkit.io.matching.splink import found_by_splink  # noqa: PLC0415 - it reads the results of this module

        return found_by_splink(rows, same=same, review=review, spark=getattr(customers, "sparkSession", None))
    return _found(rows, same, review)


def check_thresholds(same: float, review: float) -> None:
    """Check that thresholds are probabilities in order."""
    if not 0 < review <= same <= 1:
        raise InvalidInput(
            f"review={review!r} and same={same!r} are no probabilities in this order; give 0 < review <= same <= 1"
        )


def verdict_of(likely: float, same: float) -> Verdict:
    """Return what is to be done with a pair of a probability."""
    return "same" if likely >= same else "review"


def _found(rows: Rows, same: float, review: float) -> Duplicates:
    found = candidates(rows.columns, len(rows.ids))
    is_alike = rows.sorts[found.left] == rows.sorts[found.right]
    pairs = compared(rows.columns, found.left[is_alike], found.right[is_alike])
    model = learn(rows.columns, len(rows.ids), patterns(rows.columns, pairs))
    return judged(rows, model, pairs, found.too_common, same=same, review=review)


def judged(
    rows: Rows, model: Model, pairs: Compared, too_common: Mapping[str, int], *, same: float, review: float
) -> Duplicates:
    """Return the likely ones of pairs that were compared, by a model."""
    bits, home = field_bits(rows.columns, model, pairs), home_bits(rows.columns, model, pairs)
    together = bits.sum(axis=0) + home
    likely = probability(together, model.prior)
    kept = np.flatnonzero(likely >= review)
    kept = kept[np.lexsort((pairs.right[kept], pairs.left[kept], -likely[kept]))]
    links = list(zip(pairs.left[kept].tolist(), pairs.right[kept].tolist(), strict=True))
    told = tuple(
        Pair(
            rows.ids[left],
            rows.ids[right],
            float(likely[place]),
            verdict_of(likely[place], same),
            reasons_of(rows.columns, pairs, place, bits[:, place], home[place]),
        )
        for (left, right), place in zip(links, kept.tolist(), strict=True)
    )
    base = float(np.log2(model.prior / (1 - model.prior)))
    all_links = zip(pairs.left.tolist(), pairs.right.tolist(), strict=True)
    odds = dict(zip(all_links, (together + base).tolist(), strict=True))
    return Duplicates(told, grouped(rows, links, told, odds, base), model, len(pairs.left), too_common)


def reasons_of(columns: Sequence[Column], pairs: Compared, place: int, bits: Floats, home: float) -> tuple[Reason, ...]:
    """Return what each field that both records have says about a pair, and what a home shares of it, the weightiest first."""
    fields = (
        Reason(each.name, each.kind.names[level], float(its_bits))
        for each, its_bits in zip(columns, bits, strict=True)
        if (level := int(pairs.levels[each.name][place])) != MISSING
    )
    return in_order([*fields, *shared_home(home)])


def shared_home(bits: float) -> tuple[Reason, ...]:
    """Return the reason that two customers of one home would be alike, too; none where that says next to nothing."""
    return (Reason("home", "shared", float(bits)),) if bits < -_LEAST_BITS else ()


def in_order(reasons: Iterable[Reason]) -> tuple[Reason, ...]:
    """Return reasons with the weightiest first."""
    return tuple(sorted(reasons, key=lambda reason: (-abs(reason.bits), reason.field)))


def grouped(
    rows: Rows, links: Sequence[tuple[int, int]], pairs: Sequence[Pair], odds: Odds, otherwise: float
) -> tuple[Cluster, ...]:
    """Return the clusters of likely pairs, which come with the places of their records in the same order."""
    surely = {link for link, each in zip(links, pairs, strict=True) if each.verdict == "same"}
    return tuple(_cluster(rows, group, surely) for group in clusters(links, odds, otherwise))


def _cluster(rows: Rows, group: Sequence[int], surely: AbstractSet[tuple[int, int]]) -> Cluster:
    """A group, which is sure where its sure pairs alone hold it together."""
    reached, rest = {group[0]}, set(group[1:])
    while more := {each for each in rest if any((min(each, one), max(each, one)) in surely for one in reached)}:
        reached |= more
        rest -= more
    verdict: Verdict = "review" if rest else "same"
    return Cluster(tuple(rows.ids[each] for each in group), verdict)
