"""By what a customer is found who calls or writes: the keys of telephone numbers and e-mail addresses.

A key is made by plain rules that Python and both databases share, of the value alone, so an index can hold it. Different numbers may
have one key; who asks compares what is found.
"""

from collections.abc import Iterable

from crmkit.model.contact_point import ContactPoint

SEPARATORS = " \t\u00a0\u2009\u202f-\u2010\u2011\u2013().+/_"
"""What stands between the digits of a telephone number and means nothing."""

TAIL = 7
"""How many digits at the end of a telephone number are its key: a number is the same with and without the code of its country."""

_WITHOUT_SEPARATORS = str.maketrans("", "", SEPARATORS)
_SMALL = str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz")


def phone_key(text: str) -> str:
    """Return the key of a telephone number; what follows a ";" is its extension.

    >>> phone_key("+48 501 234-567;ext=12"), phone_key("501234567")
    ('phone:1234567', 'phone:1234567')
    """
    return f"phone:{text.partition(';')[0].translate(_WITHOUT_SEPARATORS)[-TAIL:]}"


def email_key(text: str) -> str:
    """Return the key of an e-mail address, for which Latin capitals do not matter.

    >>> email_key("Ann@Example.com")
    'email:ann@example.com'
    """
    return f"email:{text.translate(_SMALL)}"


def keys_of(points: Iterable[ContactPoint]) -> set[str]:
    """Return the keys of contact points; those that are no telephone number or e-mail address have none."""
    keys = {"phone": phone_key, "email": email_key}
    return {keys[each.kind](each.value) for each in points if each.kind in keys}
