"""What the names of stages say: whether a deal is won or lost there."""

import re

from crmkit.model.pipeline import DealCategory

_WON = re.compile("won|gewonnen|wygran|gagn|ganad", re.IGNORECASE)
_LOST = re.compile("lost|verloren|przegran|perdu|perdid", re.IGNORECASE)


def category_named(label: str) -> DealCategory:
    """Return the category that the label of a stage names; "open" where it names none.

    >>> category_named("Closed-Lost to competition"), category_named("Gewonnen"), category_named("Offer")
    ('lost', 'won', 'open')
    """
    return "lost" if _LOST.search(label) else "won" if _WON.search(label) else "open"
