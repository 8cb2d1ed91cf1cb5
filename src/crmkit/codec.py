"""Records to plain data and back: what JSON can hold, without loss.

Instants are ISO 8601 text in UTC with microseconds, days are ISO text, money is its amount as text and its currency.
"""

from typing import TypeVar

_R = TypeVar("_R")
