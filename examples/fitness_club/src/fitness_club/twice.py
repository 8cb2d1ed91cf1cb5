"""Members whom two front desks entered twice."""

from collections.abc import Iterable

from crmkit.io.matching import Duplicates, find_duplicates
from fitness_club.model import Member


def members_twice(members: Iterable[Member]) -> Duplicates:
    """Return who is there twice; members of one family, who share a name and a telephone, are not.

    >>> ann = Member(id="1", kind="person", name="Łucja Nowak", given_name="Łucja", family_name="Nowak", birth_on=date(1990, 5, 17))
    >>> again = ann.replace(id="2", name="Lucja Nowak", given_name="Lucja")
    >>> [(pair.first_id, pair.second_id) for pair in members_twice([ann, again]).pairs]
    [('1', '2')]
    """
    return find_duplicates(members, country="PL")
