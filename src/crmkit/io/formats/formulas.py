"""Text that a spreadsheet would take for a formula, made harmless on the way out and given back unchanged on the way in.

A cell such as `=HYPERLINK(...)` of an export is run by whoever opens it. So text that begins with `=`, `+`, `-`, `@`, a tab or NUL
gets an apostrophe before it, as OWASP asks (ASVS 1.2.10); so does text that begins with the end of a line or with the full-width
form of one of these, which some programs take for the same. Text that already begins with apostrophes before such a character
gets one more, so taking one away always gives back what was there. A plain negative number is no danger and stays as it is.

Source: <https://owasp.org/www-community/attacks/CSV_Injection>
"""

import re

_DANGER = r"'*[=+\-@＝＋－＠\t\r\n\0]"
_NEGATIVE = r"-[0-9]+(\.[0-9]+)?\Z"
_dangerous = re.compile(f"(?!{_NEGATIVE}){_DANGER}").match
_marked = re.compile(f"'{_DANGER}").match


def mark(text: str) -> str:
    """Return text that no spreadsheet takes for a formula.

    >>> mark("=1+1"), mark("-5"), mark("+48 22 555 01 00"), mark("Ann")
    ("'=1+1", '-5', "'+48 22 555 01 00", 'Ann')
    """
    return f"'{text}" if _dangerous(text) else text


def unmark(text: str) -> str:
    """Return what `mark` was given.

    >>> unmark("'=1+1"), unmark("'t Hooft")
    ('=1+1', "'t Hooft")
    """
    return text[1:] if _marked(text) else text
