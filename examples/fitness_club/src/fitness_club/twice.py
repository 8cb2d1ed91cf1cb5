"""Members whom two front desks entered twice."""

from collections.abc import Iterable

import polars as pl

from crmkit.io.matching import Duplicates, find_duplicates
from fitness_club.model import Member


def members_twice(members: Iterable[Member]) -> Duplicates:
    """Return who is there twice, by what the members of a family do not share: telephone and address say nothing about who is who.

    >>> ann = Member(id="1", kind="person", name="Łucja Nowak", given_name="Łucja", family_name="Nowak", birth_on=date(1990, 5, 17))
    >>> again = ann.replace(id="2", name="Lucja Nowak", given_name="Lucja")
    >>> [(pair.first_id, pair.second_id) for pair in members_twice([ann, again]).pairs]
    [('1', '2')]
    """
    held = list(members)
    table = pl.DataFrame(
        {
            "id": [each.id for each in held],
            "given_name": [each.given_name or each.name for each in held],
            "family_name": [each.family_name for each in held],
            "birth_on": [each.birth_on for each in held],
        },
        schema={"id": pl.String, "given_name": pl.String, "family_name": pl.String, "birth_on": pl.Date},
    )
    return find_duplicates(table, compare={"given_name": "name", "family_name": "name", "birth_on": "date"})
