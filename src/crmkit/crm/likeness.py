"""Who is calling, who looks like a known customer, and who is there twice: `crmkit.io.matching` over what is stored."""

from typing import TYPE_CHECKING

from crmkit.crm.collection import Collection
from crmkit.io import matching
from crmkit.io.stores import Store
from crmkit.model import Customer
from crmkit.rules import EVERYTHING, Rule

if TYPE_CHECKING:
    from crmkit.io.matching import Duplicates, Match, Model


class Likeness:
    """What `CRM` can tell of customers who are like one another; it needs the extra `matching`.

    The SQL stores look up and do not read everything once `crmkit.io.matching.index_for_matching(crm.store)` was called.
    """

    store: Store
    customers: Collection[Customer]

    def find_by_phone(self, number: str, country: str | None = None) -> tuple[Customer, ...]:
        """Return the customers who have a telephone number, which may be a whole family; see `crmkit.io.matching.find_by_phone`.

        >>> crm = CRM.open("memory://")
        >>> mobile = ContactPoint("phone", "+48 501 234 567")
        >>> _ = crm.customers.add(Customer(id="ann", kind="person", name="Ann", contact_points=[mobile]))
        >>> [each.id for each in crm.find_by_phone("501234567", country="PL")]
        ['ann']
        """
        return matching.find_by_phone(self.store, number, country)

    def find_matches(
        self, customer: Customer, *, country: str | None = None, model: "Model | None" = None
    ) -> "tuple[Match, ...]":
        """Return the stored customers who are probably the same as one, the likeliest first, with reasons.

        Asked before a new customer is added, it is the warning that somebody may be known already; adding is never refused,
        because two customers may well be alike. See `crmkit.io.matching.find_matches`.

        >>> crm = CRM.open("memory://")
        >>> ann = Customer(id="ann", kind="person", name="Ann Kowalska", birth_on=date(1990, 5, 17))
        >>> _ = crm.customers.add(ann)
        >>> new = Customer(kind="person", name="Anna Kowalska", birth_on=date(1990, 5, 17))
        >>> [(match.customer.id, match.verdict) for match in crm.find_matches(new)]
        [('ann', 'same')]
        """
        return matching.find_matches(customer, self.store, country=country, model=model)

    def find_duplicates(
        self, where: Rule = EVERYTHING, *, country: str | None = None, engine: str = "own"
    ) -> "Duplicates":
        """Return which stored customers are probably one; `merge` makes one of them. See `crmkit.io.matching.find_duplicates`.

        >>> crm = CRM.open("memory://")
        >>> born = date(1990, 5, 17)
        >>> crm.load([Customer(id=each, kind="person", name="Ann Kowalska", birth_on=born) for each in ("a", "b")])
        2
        >>> [survivor, *losers] = crm.find_duplicates().clusters[0].ids
        >>> crm.merge(survivor, losers).survivor.id
        'a'
        """
        return matching.find_duplicates(self.customers.every(where), country=country, engine=engine)
