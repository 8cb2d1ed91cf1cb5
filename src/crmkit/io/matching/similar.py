"""The customers that one looks like, as when a new one is entered."""

from collections.abc import Iterable, Iterator, Sequence

import attrs
import numpy as np

from crmkit.errors import InvalidInput
from crmkit.io.matching.blocking import MOST
from crmkit.io.matching.calling import reached_by
from crmkit.io.matching.duplicates import check_thresholds, reasons_of, verdict_of
from crmkit.io.matching.learning import field_bits, home_bits, probability, usual_model
from crmkit.io.matching.results import Model, Reason, Verdict
from crmkit.io.matching.rows import FIELDS, customers_of, rows_of
from crmkit.io.matching.values import compared
from crmkit.io.stores.port import Records, Store
from crmkit.io.stores.reaching import keys_of
from crmkit.model.customer import Customer
from crmkit.rules import Rule, field


@attrs.frozen
class Match:
    """A customer that another one looks like, how likely both are one, and why, the weightiest reason first."""

    customer: Customer
    probability: float
    verdict: Verdict
    reasons: tuple[Reason, ...]


def find_matches(
    customer: Customer,
    among: Iterable[Customer] | Store,
    *,
    model: Model | None = None,
    country: str | None = None,
    same: float = 0.95,
    review: float = 0.5,
) -> tuple[Match, ...]:
    """Return the known customers who are probably the same as one, such as one who is about to be added.

    In a store, those are compared who have a telephone number, an e-mail address, the name or the day of birth in common with the
    customer; what more than 60 share is no reason. It takes milliseconds among a million once `index_for_matching` was called.

    Args:
        customer: the one to look for; a record with the same id is not compared with itself.
        among: customers to compare with, or a store to look in.
        model: what `find_duplicates` learned from such customers. By default what is usual, as among 50,000 customers: then an
            equal name alone is worth a look, and an equal name and day of birth, or telephone, are the same;
            somebody else of the same home is not.
        country: the two-letter code of where telephone numbers without a country code are dialled; a customer's own country
            goes before it.
        same: the probability from which on both are the same, 0.95 by default.
        review: the probability from which on a match is returned at all, by default as likely as not.

    Returns:
        Matches, the likeliest first and then by id; none where nobody is like this customer.

    Raises:
        InvalidInput: for what is no customer, thresholds that are no probabilities in order, and a model of other fields.
        MissingExtra: without rapidfuzz, numpy and phonenumbers.

    >>> known = Customer(id="ann", kind="person", name="Ann Kowalska", contact_points=[ContactPoint("email", "ann@example.com")])
    >>> new = Customer(kind="person", name="Anna Kowalska", contact_points=[ContactPoint("email", "Ann@example.com")])
    >>> [(match.customer.id, match.verdict, str(match.reasons[0])) for match in find_matches(new, [known])]
    [('ann', 'same', 'email: same (+16.1)')]
    """
    check_thresholds(same, review)
    (customer,) = customers_of([customer])
    found = _candidates(among, customer) if isinstance(among, Records) else among
    known = {each.id: each for each in customers_of(found) if each.id != customer.id and each.kind == customer.kind}
    model = model or usual_model(FIELDS)
    weights = {each.field: each for each in model.weights}
    rows = rows_of([customer, *known.values()], None, country)
    one = rows.ids.index(customer.id)
    others = np.delete(np.arange(len(rows.ids)), one)
    columns = [each for each in rows.columns if each.name in weights]
    if not columns:
        raise InvalidInput(f"the model is of other fields; give one of customers, who have {', '.join(FIELDS)}")
    pairs = compared(columns, np.full(len(others), one), others)
    of_columns = attrs.evolve(model, weights=tuple(weights[each.name] for each in columns))
    bits, home = (each(columns, of_columns, pairs, is_weighed=False) for each in (field_bits, home_bits))
    likely = probability(bits.sum(axis=0) + home, model.prior)
    matches = [
        Match(
            known[rows.ids[other]],
            float(likely[place]),
            verdict_of(likely[place], same),
            reasons_of(columns, pairs, place, bits[:, place], home[place]),
        )
        for place, other in enumerate(others.tolist())
        if likely[place] >= review
    ]
    return tuple(sorted(matches, key=lambda match: (-match.probability, match.customer.id)))


def index_for_matching(store: Store) -> None:
    """Give a SQL store the indexes by which `find_matches` and `find_by_phone` look customers up; others need none.

    It reads all customers once, and makes adding one a little slower from then on. Called again it does no harm.
    """
    schema = getattr(store, "schema", None)
    if schema is not None:
        for path in ("contact_points", "name", "birth_on"):
            schema.promote(Customer, path)


def _candidates(store: Store, customer: Customer) -> Iterator[Customer]:
    """The customers who have something in common with one that is worth a comparison."""
    yield from _reached(store, keys_of(customer.contact_points))
    yield from _all_or_none(store, field("name") == customer.name)
    if customer.birth_on is not None:
        born = field("birth_on") == customer.birth_on
        names = {each: getattr(customer, each) for each in ("given_name", "family_name")}
        narrowed = [born & (field(each) == name) for each, name in names.items() if name]
        found = _all_or_none(store, born)
        yield from found or (each for rule in narrowed for each in _all_or_none(store, rule))


def _reached(store: Store, keys: set[str]) -> tuple[Customer, ...]:
    """The customers who have a number or an address in common with one; those that are too common say nothing."""
    found = reached_by(store, keys, MOST + 1)
    if len(found) <= MOST:
        return found
    each_key = (reached_by(store, {key}, MOST + 1) for key in sorted(keys)) if len(keys) > 1 else ()
    return tuple(each for reached in each_key if len(reached) <= MOST for each in reached)


def _all_or_none(store: Store, rule: Rule) -> Sequence[Customer]:
    """The customers for whom a rule holds; none where that is too common to say anything."""
    page = store.find(Customer, rule, limit=MOST)
    return () if page.next else page.records
